"""Methods and properties that Keras 1's and 2's layers have and Keras 3's have no more."""

from tandem.core import graph
from tandem.core.errors import Unsupported, explain
from tandem.keras import tensors
from tandem.keras.layers import input_spec
from tandem.keras.legacy.old_properties import Old
from tandem.keras.symbolic import KerasTensor


class _Weights(list):
    """A layer's weights of one kind; what is added becomes the layer's."""

    def __init__(self, layer, kind):
        super().__init__(getattr(layer, kind))
        self._add = lambda values: setattr(layer, kind, values)

    def append(self, value):
        self.extend([value])

    def extend(self, values):
        self._add(values := list(values))
        super().extend(values)

    def __iadd__(self, values):
        self.extend(values)
        return self


def with_states(inputs, kwargs):
    """(sequences, arguments) of a recurrent layer that was called on a list, as Keras 2 took it: the sequences, and
    behind them the states to begin with.
    """
    if not inputs or not all(hasattr(value, "shape") for value in inputs):
        return inputs, kwargs  # numbers
    if len(inputs) > 1:
        kwargs = {**kwargs, "initial_state": list(inputs[1:])}
    return inputs[0], kwargs


class LegacyLayer:
    """The part of `Layer` that old code asks for."""

    @property
    def _trainable_weights(self):
        return _Weights(self, "trainable_weights")

    @_trainable_weights.setter
    def _trainable_weights(self, values):
        self.trainable_weights = values

    @property
    def _non_trainable_weights(self):
        return _Weights(self, "non_trainable_weights")

    @_non_trainable_weights.setter
    def _non_trainable_weights(self, values):
        self.non_trainable_weights = values

    def _use(self, node_index, what):
        nodes = self._inbound_nodes
        if not nodes:
            raise RuntimeError(f"The layer has never been called and thus has no defined {what}.")
        if not 0 <= node_index < len(nodes):
            raise ValueError(
                f"Asked to get {what} at node {node_index}, but the layer has only {len(nodes)} inbound nodes."
            )
        values = nodes[node_index].inputs if what == "input" else graph.symbolics(nodes[node_index].outputs)
        return values[0] if len(values) == 1 else list(values)

    def get_input_at(self, node_index):
        """The symbolic input of one of the layer's uses (a list where there are several)."""
        return self._use(node_index, "input")

    def get_output_at(self, node_index):
        """The symbolic output of one of the layer's uses (a list where there are several)."""
        return self._use(node_index, "output")

    def get_input_shape_at(self, node_index):
        """The shape of `get_input_at`."""
        return _each(lambda value: value.shape, self._use(node_index, "input"))

    def get_output_shape_at(self, node_index):
        """The shape of `get_output_at`."""
        return _each(lambda value: value.shape, self._use(node_index, "output"))

    def get_input_mask_at(self, node_index):
        """The mask of `get_input_at`, or None."""
        return _each(lambda value: value._keras_mask, self._use(node_index, "input"))

    def get_output_mask_at(self, node_index):
        """The mask of `get_output_at`, or None."""
        return _each(lambda value: value._keras_mask, self._use(node_index, "output"))

    @Old
    def input_shape(self):
        """The shape of the input of the layer's first use."""
        return self._shape_of("input")

    @Old
    def output_shape(self):
        """The shape of the output of the layer's first use."""
        return self._shape_of("output")

    def _shape_of(self, what):
        if not self._inbound_nodes:
            raise AttributeError(f"The layer has never been called and thus has no defined {what} shape.")
        return _each(lambda value: value.shape, self._use(0, what))

    @Old
    def input_mask(self):
        """The mask of the input of the layer's first use, or None."""
        return self.get_input_mask_at(0)

    @Old
    def output_mask(self):
        """The mask of the output of the layer's first use, or None."""
        return self.get_output_mask_at(0)

    def assert_input_compatibility(self, inputs):
        """Raise ValueError where inputs do not fit the layer's `input_spec`."""
        if self.input_spec is not None:
            input_spec.check(self.input_spec, inputs, self.name)

    def add_update(self, updates, inputs=None):
        """Do updates inside `call`: pairs of variable and value; what `K.update` gave is done already."""
        for one in updates if isinstance(updates, list) else [updates]:
            if isinstance(one, tuple) and not graph.on_meta():
                one[0].assign(one[1])
            elif not isinstance(one, tuple) and not tensors.is_tensor(one):
                raise Unsupported(
                    explain(
                        "An update of a symbolic value is not supported",
                        given=repr(one),
                        hint="Call `add_update` inside `call`, or give the update to K.function.",
                    )
                )

    @Old
    def updates(self):
        """An empty list: variables are changed where a call comes to it."""
        return []

    def get_updates_for(self, inputs):
        """An empty list; see `updates`."""
        return []

    def get_losses_for(self, inputs=None):
        """The losses of the last call; see `losses`."""
        return self.losses

    def add_metric(self, value, name=None, aggregation="mean"):
        """Show the mean of a value over an epoch (aggregation "sum": the sum) under a name.

        value: a tensor, inside `call`; or a symbolic value of a functional model.
        """
        from tandem.keras import metrics

        if isinstance(value, KerasTensor):
            from tandem.keras.legacy import graph_losses

            graph_losses.add(self, value, graph_losses.AddMetric(name, aggregation or "mean"))
            return
        found = next((metric for metric in self._metrics if metric.name == name), None)
        if found is None:
            found = (metrics.Sum if aggregation == "sum" else metrics.Mean)(name=name)
            self._metrics.append(found)
        if not graph.on_meta():
            found.update_state(value)


def _each(function, values):
    return [function(value) for value in values] if isinstance(values, list) else function(values)
