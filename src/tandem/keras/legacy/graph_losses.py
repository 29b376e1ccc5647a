"""Losses and metrics of a functional model's symbolic values: Keras 2's `model.add_loss(value)`, `add_metric`."""

from tandem.core.errors import explain
from tandem.keras import metrics
from tandem.keras.layers.base import Layer
from tandem.keras.saving import registry


@registry.register_own("keras2>AddLoss")
class AddLoss(Layer):
    """Adds the sum of its input to the losses of the model that it is in, and gives it back."""

    def call(self, inputs):
        """`inputs`."""
        self.add_loss(inputs)
        return inputs


@registry.register_own("keras2>AddMetric")
class AddMetric(Layer):
    """Lets a model show the mean of its input over an epoch under a name."""

    def __init__(self, metric_name=None, aggregation="mean", **kwargs):
        super().__init__(**kwargs)
        self.metric_name, self.aggregation = metric_name, aggregation
        self.metric = (metrics.Sum if aggregation == "sum" else metrics.Mean)(name=metric_name)

    def call(self, inputs):
        """`inputs`."""
        self.metric.update_state(inputs)
        return inputs


def add(model, value, layer):
    """Put `layer`, an `AddLoss` or `AddMetric`, behind `value`, a symbolic value of the functional model `model`.

    Raises ValueError for a model that is not functional.
    """
    if not hasattr(model, "_add_ancillary"):
        raise ValueError(
            explain(
                "A symbolic value can be added to a functional model only",
                expected="a model that was made by Model(inputs, outputs), or inside `call` a tensor",
                given=f"{value!r} for {model!r}",
            )
        )
    model._add_ancillary(layer(value))
