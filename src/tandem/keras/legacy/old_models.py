"""Models and callbacks of Keras 2: linear, wide and deep, sharpness-aware; `BaseLogger`."""

import torch

from tandem.core.errors import Unsupported, explain
from tandem.keras import activations, initializers, layers, ops, regularizers, saving
from tandem.keras.callbacks.callback import Callback
from tandem.keras.layers.weight_options import set_weight_options
from tandem.keras.models import Model
from tandem.keras.saving.registry import register_own
from tandem.keras.trainers import parts, sources
from tandem.ops import steps


@register_own("keras2>LinearModel")
class LinearModel(Model):
    """``activation(sum of x @ kernel over the inputs + bias)`` of one input, a list or a dict of them.

    units: outputs; the other arguments are those of `Dense`. Raises ValueError for a dict that lacks an input.
    """

    def __init__(
        self,
        units=1,
        activation=None,
        use_bias=True,
        kernel_initializer="zeros",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        set_weight_options(self, locals())
        self.dense_layers = []
        self.bias = None

    def build(self, input_shape):
        """Make a kernel for each input, and the bias."""
        if isinstance(input_shape, dict):
            named = sorted(input_shape.items())
        elif input_shape and isinstance(input_shape[0], (tuple, list)):
            named = [(None, shape) for shape in input_shape]
        else:
            named = [(None, input_shape)]
        for name, shape in named:
            layer = layers.Dense(
                self.units,
                use_bias=False,
                kernel_initializer=self.kernel_initializer.clone(),
                kernel_regularizer=self.kernel_regularizer,
                name=name,
            )
            layer.build(shape)
            self.dense_layers.append(layer)
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
            )

    def call(self, inputs):
        """The outputs for the inputs."""
        if isinstance(inputs, dict):
            missing = {layer.name for layer in self.dense_layers} - set(inputs)
            if missing:
                raise ValueError(
                    explain(
                        "The `inputs` dictionary does not match the structure expected by the model",
                        expected=str(sorted(layer.name for layer in self.dense_layers)),
                        given=str(sorted(inputs)),
                    )
                )
            inputs = [inputs[layer.name] for layer in self.dense_layers]
        elif not isinstance(inputs, (list, tuple)):
            inputs = [inputs]
        outputs = [layer(value) for layer, value in zip(self.dense_layers, inputs, strict=True)]
        result = outputs[0]
        for output in outputs[1:]:
            result = ops.add(result, output)
        return self.activation(result if self.bias is None else ops.add(result, self.bias))

    def get_config(self):
        """The arguments that make an equal model."""
        return {
            "name": self.name,
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
        }


@register_own("keras2>WideDeepModel")
class WideDeepModel(Model):
    """``activation(linear_model(x) + dnn_model(x))``; of inputs in a pair each model gets its own.

    One optimizer trains both: `compile` refuses Keras 2's pair of optimizers.
    """

    def __init__(self, linear_model, dnn_model, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.linear_model = linear_model
        self.dnn_model = dnn_model
        self.activation = activations.get(activation)

    def call(self, inputs, training=None):
        """The outputs for the inputs of both, or for a pair."""
        pair = isinstance(inputs, (list, tuple)) and len(inputs) == 2
        wide, deep = inputs if pair else (inputs, inputs)
        return self.activation(ops.add(self.linear_model(wide), self.dnn_model(deep, training=training)))

    def get_config(self):
        """The arguments that make an equal model."""
        return {
            "name": self.name,
            "linear_model": saving.serialize_keras_object(self.linear_model),
            "dnn_model": saving.serialize_keras_object(self.dnn_model),
            "activation": activations.serialize(self.activation),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model that `get_config` describes."""
        config = dict(config)
        for part in ("linear_model", "dnn_model"):
            config[part] = saving.deserialize_keras_object(config[part], custom_objects)
        return cls(**config)


@register_own("keras2>SharpnessAwareMinimization")
class SharpnessAwareMinimization(Model):
    """A model that learns from the gradients at the worst place nearby: the weights plus `rho` times their gradient's
    direction.

    num_batch_splits: into how many parts a batch is split, each with a place of its own; the gradients are added.
    Foret, Kleiner, Mobahi and Neyshabur, Sharpness-Aware Minimization for Efficiently Improving Generalization, 2021.
    """

    def __init__(self, model, rho=0.05, num_batch_splits=None, name=None):
        super().__init__(name=name)
        self.model = model
        self.rho = rho
        self.num_batch_splits = num_batch_splits

    def call(self, inputs, **kwargs):
        """What the model gives."""
        return self.model(inputs, **kwargs)

    def _gradients(self, x, y, sample_weight, training):
        y_pred = self(x, training=training)
        loss = self.compute_loss(x, y, y_pred, sample_weight, training=training)
        return loss, y_pred, parts.gradients(loss, self.model.trainable_variables)

    def train_step(self, data):
        """Learn from a batch; gives the metrics."""
        x, y, sample_weight = sources.unpack(data)
        variables = self.model.trainable_variables
        weights = [variable.value for variable in variables]
        count = self.num_batch_splits or 1
        split = [[None] * count if value is None else ops.split(value, count) for value in (x, y, sample_weight)]
        total, outputs, loss = None, [], None
        for some in zip(*split):
            _, y_pred, gradients = self._gradients(*some, training=None)
            moved = steps.ascend(weights, gradients, self.rho)
            loss, _, gradients = self._gradients(*some, training=True)
            steps.descend(weights, moved)
            outputs.append(y_pred.detach())
            total = gradients if total is None else [ops.add(a, b) for a, b in zip(total, gradients)]
        self._loss_tracker.update_state(loss.detach(), sample_weight=parts.batch_size(x))
        with torch.no_grad():
            self.optimizer.apply(total, variables)
        return self.compute_metrics(x, y, ops.concatenate(outputs), sample_weight)

    def get_config(self):
        """The arguments that make an equal model."""
        return {
            "name": self.name,
            "model": saving.serialize_keras_object(self.model),
            "rho": self.rho,
            "num_batch_splits": self.num_batch_splits,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model that `get_config` describes."""
        return cls(**{**config, "model": saving.deserialize_keras_object(config["model"], custom_objects)})


class Graph:
    """Keras 0.3's model of named nodes, whose place `Model(inputs, outputs)` took in Keras 1: making one raises
    Unsupported.
    """

    def __init__(self, *args, **kwargs):
        raise Unsupported(
            "`keras.models.Graph` is not supported: Keras 1 replaced it. Write add_input as Input(shape), add_node as "
            "a call of the layer on what it reads (several of them through concatenate or add), and add_output as "
            "Model(inputs, outputs)."
        )


class BaseLogger(Callback):
    """Puts the means over the batches of an epoch, weighted by their size, into the epoch's values.

    stateful_metrics: the names of what is a mean already, whose last value stands.
    """

    def __init__(self, stateful_metrics=None):
        super().__init__()
        self.stateful_metrics = set(stateful_metrics or [])
        self.seen, self.totals = 0, {}

    def on_epoch_begin(self, epoch, logs=None):
        """Begin to count."""
        self.seen, self.totals = 0, {}

    def on_batch_end(self, batch, logs=None):
        """Add a batch's values; its size is `logs["size"]`, or 1."""
        logs = logs or {}
        size = logs.get("size", 1)
        self.seen += size
        for name, value in logs.items():
            if name in self.stateful_metrics:
                self.totals[name] = value
            else:
                self.totals[name] = self.totals.get(name, 0.0) + value * size

    def on_epoch_end(self, epoch, logs=None):
        """Put the means into `logs`."""
        if logs is not None and self.seen:
            for name in self.params.get("metrics", list(self.totals)):
                if name in self.totals:
                    stateful = name in self.stateful_metrics
                    logs[name] = self.totals[name] if stateful else self.totals[name] / self.seen
