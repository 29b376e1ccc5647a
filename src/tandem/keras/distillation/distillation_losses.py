"""How far a student's outputs are from its teacher's."""

from numbers import Number

from tandem.core.errors import explain
from tandem.keras import losses, saving, tensors, tree
from tandem.ops import reduce, steps


class DistillationLoss:
    """Base of what `Distiller` makes small. A subclass gives `compute_loss(teacher_outputs, student_outputs)`."""

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        """The loss of a batch, a scalar."""
        raise NotImplementedError(f"{type(self).__name__} does not say how its loss is computed (`compute_loss`).")

    def validate_outputs(self, teacher_outputs, student_outputs):
        """Raise ValueError where the outputs do not have one structure."""
        tree.assert_same_structure(teacher_outputs, student_outputs)

    def validate_model_compatibility(self, teacher, student):
        """Raise ValueError where the loss cannot be computed of these models."""


class _Compared(DistillationLoss):
    """A loss, or a tree of them of the outputs' structure (None: the output does not count)."""

    def __init__(self, loss):
        if all(one is None for one in tree.flatten(loss)):
            raise ValueError(
                explain(
                    f"The argument `loss` of {type(self).__name__} has no loss in it",
                    expected="a loss, or a tree of losses of which one at least is not None",
                    given=f"loss={loss!r}",
                )
            )
        self.loss = tree.map_structure(lambda one: None if one is None else losses.get(one), loss)

    def _sum(self, teacher_outputs, student_outputs):
        if not tree.is_nested(self.loss):
            return _mean(self.loss, teacher_outputs, student_outputs)
        functions = tree.flatten(self.loss)
        pairs = list(zip(tree.flatten(teacher_outputs), tree.flatten(student_outputs), strict=True))
        if len(functions) != len(pairs):
            raise ValueError(
                explain(
                    f"The losses of {type(self).__name__} do not have the structure of the outputs",
                    expected=f"{len(pairs)} losses, one to an output",
                    given=f"{len(functions)} in loss={self.loss!r}",
                )
            )
        total = None
        for function, (teacher, student) in zip(functions, pairs):
            if function is not None:
                value = _mean(function, teacher, student)
                total = value if total is None else steps.add(total, value)
        return total

    def get_config(self):
        """The arguments that make an equal loss."""
        return {"loss": tree.map_structure(saving.serialize_keras_object, self.loss)}

    @classmethod
    def from_config(cls, config):
        """The loss that `get_config` describes."""
        return cls(**{**config, "loss": _deserialized(config["loss"])})


def _deserialized(loss):
    if isinstance(loss, dict) and "class_name" in loss:
        return saving.deserialize_keras_object(loss)
    if isinstance(loss, dict):
        return {key: _deserialized(one) for key, one in loss.items()}
    return [_deserialized(one) for one in loss] if isinstance(loss, (list, tuple)) else loss


def _mean(loss, teacher, student):
    return reduce.mean(loss(tensors.convert(teacher), tensors.convert(student)))


class LogitsDistillation(_Compared):
    """``mean loss(teacher / T, student / T)`` of the models' outputs.

    temperature: T, positive; loss: a loss or its name, or a tree of them of the outputs' structure, None where an
    output does not count. Raises ValueError for other temperatures and for no loss. Hinton, Vinyals and Dean, 2015
    (who have a softmax of the quotients; Keras 3.15 has not).
    """

    def __init__(self, temperature=3.0, loss="kl_divergence"):
        if isinstance(temperature, bool) or not isinstance(temperature, Number) or not temperature > 0:
            raise ValueError(explain("Invalid `temperature`", expected="a positive number", given=repr(temperature)))
        super().__init__(loss)
        self.temperature = temperature

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        """The loss of a batch, a scalar."""

        def cooled(value):
            return steps.scale(tensors.convert(value), 1 / self.temperature)

        teacher, student = (tree.map_structure(cooled, outputs) for outputs in (teacher_outputs, student_outputs))
        return self._sum(teacher, student)

    def get_config(self):
        """The arguments that make an equal loss."""
        return {"temperature": self.temperature, **super().get_config()}


class FeatureDistillation(_Compared):
    """``mean loss(teacher, student)`` of what a layer of each gives.

    loss: a loss or its name, or a tree of them of the outputs' structure, None where an output does not count;
    teacher_layer_name, student_layer_name: the layers; None: the models' own outputs. Romero et al., 2015.
    """

    def __init__(self, loss="mse", teacher_layer_name=None, student_layer_name=None):
        super().__init__(loss)
        self.teacher_layer_name = teacher_layer_name
        self.student_layer_name = student_layer_name

    def validate_model_compatibility(self, teacher, student):
        """Raise ValueError where a model has no such layer."""
        for who, model, name in (
            ("teacher", teacher, self.teacher_layer_name),
            ("student", student, self.student_layer_name),
        ):
            if name is None:
                continue
            try:
                model.get_layer(name)
            except ValueError as error:
                raise ValueError(f"In the {who}: {error}") from error

    def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
        """The loss of a batch, a scalar."""
        return self._sum(teacher_outputs, student_outputs)

    def get_config(self):
        """The arguments that make an equal loss."""
        names = {"teacher_layer_name": self.teacher_layer_name, "student_layer_name": self.student_layer_name}
        return {**super().get_config(), **names}
