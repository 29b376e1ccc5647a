"""`Distiller`: a model that trains a student on the targets and on what its teacher says."""

from numbers import Number

import torch

from tandem.core.errors import explain
from tandem.keras import losses, metrics, saving, tensors, tree
from tandem.keras.losses.loss import LossFunctionWrapper
from tandem.keras.models import Model
from tandem.ops import steps


class Distiller(Model):
    """``w L(y, student(x)) + (1 - w) sum_i w_i D_i(teacher(x), student(x))``, which trains the student.

    teacher: a model that stays as it is; student: the model that learns, and what calls and `predict` give;
    distillation_losses: a `DistillationLoss` or a list of them; distillation_loss_weights: w_i, by default 1 each;
    student_loss_weight: w, between 0 and 1. L is the loss that `compile` gets.
    Raises ValueError for what is no model, weights that do not fit, and models of other inputs or outputs.
    Hinton, Vinyals and Dean, 2015.
    """

    def __init__(
        self,
        teacher,
        student,
        distillation_losses,
        distillation_loss_weights=None,
        student_loss_weight=0.5,
        name="distiller",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        for who, model in (("teacher", teacher), ("student", student)):
            if not isinstance(model, Model):
                raise ValueError(explain(f"The {who} is no model", expected="a `keras.Model`", given=repr(model)))
        several = isinstance(distillation_losses, (list, tuple))
        self.distillation_losses = list(distillation_losses) if several else [distillation_losses]
        if distillation_losses is None:
            raise ValueError("`distillation_losses` is None; expected a `DistillationLoss` or a list of them.")
        weights = [1.0] * len(self.distillation_losses) if distillation_loss_weights is None else None
        self.distillation_loss_weights = list(distillation_loss_weights) if weights is None else weights
        if len(self.distillation_loss_weights) != len(self.distillation_losses):
            raise ValueError(
                explain(
                    "`distillation_loss_weights` does not fit",
                    expected=f"{len(self.distillation_losses)} weights, one to a loss",
                    given=self.distillation_loss_weights,
                )
            )
        if not isinstance(student_loss_weight, Number) or not 0 <= student_loss_weight <= 1:
            raise ValueError(
                explain(
                    "Invalid `student_loss_weight`", expected="a number from 0 to 1", given=repr(student_loss_weight)
                )
            )
        self.student_loss_weight = student_loss_weight
        _check_fit(teacher, student)
        for loss in self.distillation_losses:
            loss.validate_model_compatibility(teacher, student)
        teacher.trainable = False
        self.teacher = teacher
        self.student = student
        self.student_loss_tracker = metrics.Mean(name="student_loss")
        self.distillation_loss_tracker = metrics.Mean(name="distillation_loss")
        self.total_loss_tracker = metrics.Mean(name="total_loss")
        # Models of the same layers: none of the distiller's own.
        own = self.__dict__
        own["_teacher_features"] = _features(teacher, [_layer_of(loss, "teacher") for loss in self.distillation_losses])
        own["_student_features"] = _features(student, [_layer_of(loss, "student") for loss in self.distillation_losses])

    def compile(self, optimizer="adam", loss=None, metrics=None, **kwargs):
        """Say how to train. loss: the student's, of the targets. Raises ValueError where there is none."""
        if loss is None:
            raise ValueError(
                "`loss` is None; expected the student's loss, or a tree of them of its outputs' structure."
            )
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)
        self.__dict__["_student_loss"] = tree.map_structure(losses.get, loss)

    def call(self, inputs, training=None, **kwargs):
        """What the student gives."""
        return self.student(inputs, training=training, **kwargs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The weighted sum of both losses; without targets, the teacher's alone. sample_weight: of the student's."""
        rows = len(tree.flatten(y_pred)[0])
        zero = tensors.convert(0.0)
        student = zero
        if self.student_loss_weight > 0 and y is not None:
            student = self._loss_of_targets(y, y_pred, sample_weight)
        distillation = zero
        if self.student_loss_weight < 1:
            with torch.no_grad():
                said = self.teacher(x, training=False)
                features = self._teacher_features(x, training=False)
            own = self._student_features(x, training=training)
            for loss, weight in zip(self.distillation_losses, self.distillation_loss_weights, strict=True):
                teacher_name, student_name = _layer_of(loss, "teacher"), _layer_of(loss, "student")
                teacher_outputs = said if teacher_name is None else features[teacher_name]
                student_outputs = y_pred if student_name is None else own[student_name]
                loss.validate_outputs(teacher_outputs, student_outputs)
                value = tensors.convert(loss.compute_loss(teacher_outputs, student_outputs))
                distillation = steps.add(distillation, steps.scale(value, weight))
        total = steps.add(
            steps.scale(student, self.student_loss_weight), steps.scale(distillation, 1 - self.student_loss_weight)
        )
        for tracker, value in (
            (self.student_loss_tracker, student),
            (self.distillation_loss_tracker, distillation),
            (self.total_loss_tracker, total),
        ):
            tracker.update_state(value, sample_weight=rows)
        return total

    def _loss_of_targets(self, y, y_pred, sample_weight):
        total = None
        functions, preds = tree.flatten(self._student_loss), tree.flatten(y_pred)
        functions = functions * len(preds) if len(functions) == 1 else functions
        weights = tree.flatten(sample_weight) if tree.is_nested(sample_weight) else [sample_weight] * len(preds)
        for function, target, pred, weight in zip(functions, tree.flatten(y), preds, weights, strict=True):
            if function is None:
                continue
            loss = function if isinstance(function, losses.Loss) else LossFunctionWrapper(function)
            value = loss(target, pred, weight)
            total = value if total is None else steps.add(total, value)
        return total

    def get_config(self):
        """The models and the arguments that make an equal distiller."""
        return {
            **super().get_config(),
            "teacher": saving.serialize_keras_object(self.teacher),
            "student": saving.serialize_keras_object(self.student),
            "distillation_losses": [saving.serialize_keras_object(loss) for loss in self.distillation_losses],
            "distillation_loss_weights": self.distillation_loss_weights,
            "student_loss_weight": self.student_loss_weight,
        }

    @classmethod
    def from_config(cls, config):
        """The distiller that `get_config` describes."""
        config = {
            **config,
            "distillation_losses": list(map(saving.deserialize_keras_object, config["distillation_losses"])),
        }
        for key in ("teacher", "student", "dtype"):
            if isinstance(config.get(key), dict):
                config[key] = saving.deserialize_keras_object(config[key])
        return cls(**config)


def _layer_of(loss, who):
    return getattr(loss, f"{who}_layer_name", None)


def _check_fit(teacher, student):
    """Raise ValueError where the models' inputs or outputs differ, as far as these are known."""
    for what in ("inputs", "outputs"):
        both = [getattr(model, what, None) for model in (teacher, student)]
        if any(values is None for values in both):
            continue
        shapes = [[tuple(value.shape) for value in values] for values in both]
        if len(shapes[0]) != len(shapes[1]) or not all(
            len(a) == len(b) and all(None in pair or pair[0] == pair[1] for pair in zip(a, b)) for a, b in zip(*shapes)
        ):
            raise ValueError(
                explain(
                    f"The {what} of teacher and student do not fit together",
                    expected=f"the teacher's {shapes[0]}",
                    given=f"the student's {shapes[1]}",
                )
            )


def _features(model, names):
    """A function that gives what the named layers of a model give for some inputs, by name."""
    names = sorted({name for name in names if name is not None})
    if not names:
        return lambda x, training=None: {}
    if getattr(model, "inputs", None) is None:
        raise ValueError(
            explain(
                f"There is no looking into the layers of '{model.name}'",
                expected="a functional model, or a Sequential that is built",
                given=type(model).__name__,
            )
        )
    return Model(model.input, {name: model.get_layer(name).output for name in names})
