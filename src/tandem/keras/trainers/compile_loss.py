"""The losses that `compile` got, as one: their weighted sum over the outputs."""

from tandem.core.errors import explain
from tandem.keras import losses as losses_room
from tandem.keras import metrics as metrics_room
from tandem.keras import naming, tensors
from tandem.keras.losses.loss import LossFunctionWrapper
from tandem.keras.trainers import outputs as outputs_of
from tandem.keras.trainers.compile_metrics import labels_kind
from tandem.ops import steps

# What stands for one of several losses, by the shapes.
BY_SHAPE = ("crossentropy", "ce")


class CompileLoss(losses_room.Loss):
    """The sum of the outputs' losses, each times its weight.

    loss: a loss for every output, or a list or dict of them by output (an entry may be a list of losses, or None);
    loss_weights: numbers likewise; output_names: those of a functional model.
    With several losses `metrics` has a mean of each.
    """

    def __init__(self, loss, loss_weights=None, reduction="sum_over_batch_size", output_names=None):
        super().__init__(name="compile_loss", reduction=reduction)
        if loss_weights is not None and not isinstance(loss_weights, (float, int, list, tuple, dict)):
            raise ValueError(
                explain(
                    "Expected `loss_weights` argument to be a float, list, tuple, or dict",
                    given=f"loss_weights={loss_weights} (of type {type(loss_weights).__name__})",
                )
            )
        self._user_loss = loss
        self._user_loss_weights = loss_weights
        self.output_names = output_names
        self.built = False
        self._terms = []  # (number of the output, loss object, weight, tracker or None)
        self._outputs = []
        self._trackers = []

    @property
    def metrics(self):
        """The means of the single losses, where there are several."""
        return self._trackers

    @property
    def variables(self):
        """The variables of `metrics`."""
        return [variable for tracker in self._trackers for variable in tracker.variables]

    @property
    def terms(self):
        """(output, loss) of each loss: what was matched with what."""
        return [(self._outputs[number], loss) for number, loss, _, _ in self._terms]

    def _check_weights(self):
        loss, weights = self._user_loss, self._user_loss_weights
        if not isinstance(weights, (list, tuple)) or isinstance(loss, dict):
            return
        count = len(loss) if isinstance(loss, (list, tuple)) else len(self._outputs)
        if len(weights) != count:
            raise ValueError(
                f"`loss_weights` must match the number of losses, got {count} losses and {len(weights)} weights."
            )

    def build(self, y_true, y_pred):
        """Match losses and weights with the outputs. Raises ValueError where they do not fit."""
        self._outputs = outputs_of.describe(y_pred, self.output_names)
        per_output = outputs_of.match(self._user_loss, self._outputs, "loss", single=True)
        self._check_weights()
        weights = outputs_of.match(self._user_loss_weights, self._outputs, "loss_weights", single=True)
        targets = outputs_of.targets(y_true, self._outputs, (n for n, one in enumerate(per_output) if one is not None))
        preds = [leaf for _, leaf in outputs_of.flatten(y_pred)]
        terms = []
        for number, (output, given, weight) in enumerate(zip(self._outputs, per_output, weights)):
            given = list(given) if isinstance(given, (list, tuple)) else [given]
            weight = list(weight) if isinstance(weight, (list, tuple)) else [weight] * len(given)
            for one, one_weight in zip(given, weight):
                if one is not None:
                    terms.append((number, output, *self._resolve(one, targets[number], preds[number]), one_weight))
        for number, output, loss, name, weight in terms:
            tracker = None
            if len(terms) > 1:
                tracker = metrics_room.Mean(name=f"{output.prefix}{output.label or name}_loss")
                self._trackers.append(tracker)
            self._terms.append((number, loss, weight, tracker))
        self.built = True

    def targets(self, y_true):
        """The target of each output, None where there is none, for what `fit` got."""
        return outputs_of.targets(y_true, self._outputs, (number for number, _, _, _ in self._terms))

    @staticmethod
    def _resolve(identifier, y_true, y_pred):
        """(loss object, its name). "crossentropy" and "ce" are the one that fits the shapes."""
        loss = identifier
        if identifier in BY_SHAPE:
            loss = f"{labels_kind(y_true, y_pred)}_crossentropy".replace("sparse_", "sparse_categorical_")
        loss = losses_room.get(loss)
        if not isinstance(loss, losses_room.Loss):
            name = naming.object_name(loss)
            loss = LossFunctionWrapper(loss, name=name)
            return loss, identifier if isinstance(identifier, str) else name
        return loss, identifier if isinstance(identifier, str) else loss.name

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The total loss, a scalar, or None where no output has a loss."""
        if not self.built:
            self.build(y_true, y_pred)
        preds = [leaf for _, leaf in outputs_of.flatten(y_pred)]
        targets = self.targets(y_true)
        weights = outputs_of.match(sample_weight, self._outputs, "sample_weight", single=True)
        total = None
        for number, loss, weight, tracker in self._terms:
            if targets[number] is None:
                continue
            value = loss(targets[number], preds[number], weights[number])
            if tracker is not None:
                tracker.update_state(value, sample_weight=len(preds[0]))
            if weight is not None and weight != 1:
                value = steps.scale(value, weight)
            total = value if total is None else steps.add(total, value)
        return None if total is None else tensors.convert(total)

    def call(self, y_true, y_pred, sample_weight=None):
        """The total loss."""
        return self(y_true, y_pred, sample_weight)

    def get_config(self):
        """There is none: what `compile` got has one (`Model.get_compile_config`)."""
        raise NotImplementedError("CompileLoss has no config; see `Model.get_compile_config`.")
