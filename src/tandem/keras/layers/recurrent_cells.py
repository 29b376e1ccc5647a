"""Recurrent cells: one step of a recurrent layer."""

import torch

from tandem.core import arrays, dtypes
from tandem.core.errors import explain
from tandem.keras import activations, saving
from tandem.keras import random as keras_random
from tandem.keras.layers.base import Layer
from tandem.keras.layers.weight_options import add_weight, serialized, set_weight_options
from tandem.ops import init, random, rnn


class _Cell(Layer):
    """What the built-in cells share: the weights of some gates, dropout factors that are the same for all steps."""

    _blocks = 1
    _states = 1

    def _set_up(self, units, activation, use_bias, dropout, recurrent_dropout, seed, given):
        if not hasattr(units, "__index__") or units <= 0:
            raise ValueError(
                f"Received an invalid value for argument `units`, expected a positive integer, got {units}."
            )
        self.units = int(units)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        set_weight_options(self, given)
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        self.seed = seed
        self.seed_generator = keras_random.SeedGenerator(seed)
        self.state_size = self.units if self._states == 1 else [self.units] * self._states
        self.output_size = self.units
        self.reset_masks()

    def _bias_shape(self):
        return (self._blocks * self.units,)

    def _bias_initializer(self):
        return self.bias_initializer

    def build(self, input_shape):
        """Make the kernels and the bias."""
        width = self._blocks * self.units
        self.kernel = add_weight(self, "kernel", (input_shape[-1], width))
        self.recurrent_kernel = add_weight(self, "recurrent_kernel", (self.units, width), of="recurrent")
        self.bias = None
        if self.use_bias:
            self.bias = add_weight(self, "bias", self._bias_shape(), initializer=self._bias_initializer())

    # --- dropout ---------------------------------------------------------------------------------------------------
    def reset_masks(self):
        """Draw new dropout factors at the next step."""
        self.__dict__["_factor"] = self.__dict__["_recurrent_factor"] = None

    reset_dropout_mask = reset_recurrent_dropout_mask = reset_masks

    def _draw(self, rate, like, width):
        ones = like.new_ones(like.shape[0], width)
        return random.dropout(ones, rate, generator=self.seed_generator.generator(like.device))

    def factors(self, x, training):
        """The factors for inputs and states, or None: drawn at the first step, then the same until `reset_masks`.

        x: (batch, …, in).
        """
        if not training:
            return None, None
        own = self.__dict__
        if self.dropout and own["_factor"] is None:
            own["_factor"] = self._draw(self.dropout, x, x.shape[-1])
        if self.recurrent_dropout and own["_recurrent_factor"] is None:
            own["_recurrent_factor"] = self._draw(self.recurrent_dropout, x, self.units)
        return own["_factor"], own["_recurrent_factor"]

    # --- computing -------------------------------------------------------------------------------------------------
    def arguments(self):
        """What `ops.rnn` needs of the cell: the weights and the kind."""
        bias = None if self.bias is None else self.bias.value
        return {
            "w_in": self.kernel.value,
            "w_rec": self.recurrent_kernel.value,
            "b_in": bias,
            "b_rec": None,
            "activation": named(self.activation),
        }

    def call(self, inputs, states, training=False):
        """One step: inputs (batch, in), states a list of (batch, units). Returns (output, new states)."""
        given = states if isinstance(states, (list, tuple)) else [states]
        factor, recurrent = self.factors(inputs, training)
        output, new = rnn.rnn_step(
            inputs, tuple(given), **self.arguments(), dropout=factor, recurrent_dropout=recurrent
        )
        return output, list(new) if isinstance(states, (list, tuple)) else new[0]

    def get_initial_state(self, batch_size=None):
        """Zeros, a list of (batch_size, units)."""
        return zero_states(self, batch_size)

    def _tail(self):
        return {}

    def get_config(self):
        """The arguments that make an equal cell."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **serialized(self, ("kernel", "recurrent", "bias")),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
        }


_FAST = {
    activations.tanh: "tanh",
    activations.sigmoid: "sigmoid",
    activations.relu: "relu",
    activations.linear: "linear",
    activations.hard_sigmoid: "hard_sigmoid",
}


def named(activation):
    """The name by which `ops.rnn` knows an activation, or the function itself."""
    try:
        return _FAST.get(activation, activation)
    except TypeError:  # not hashable
        return activation


def zero_states(cell, batch_size, device=None):
    """Zeros for each state of a cell, in the structure of its `state_size`."""
    from tandem.core import devices

    dtype = dtypes.torch_dtype(getattr(cell, "compute_dtype", None) or "float32")
    device = device or devices.default()

    def zeros(size):
        sizes = tuple(size) if isinstance(size, tuple) else (size,)
        return torch.zeros((batch_size, *sizes), dtype=dtype, device=device)

    sizes = cell.state_size
    if not isinstance(sizes, (list,)):
        return [zeros(sizes)] if not isinstance(sizes, tuple) else [zeros(size) for size in sizes]
    return [zeros(size) for size in sizes]


class SimpleRNNCell(_Cell):
    """One step of ``h' = activation(x W + h R + b)``.

    units: size of the state; activation, use_bias; the initializers, regularizers and constraints of kernel (in,
    units), recurrent_kernel (units, units) and bias; dropout, recurrent_dropout: rates for x and h; seed: of both.
    """

    def __init__(
        self,
        units,
        activation="tanh",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._set_up(units, activation, use_bias, dropout, recurrent_dropout, seed, locals())

    def arguments(self):
        """What `ops.rnn` needs of the cell."""
        return {**super().arguments(), "cell": "rnn"}


class LSTMCell(_Cell):
    """One step of the LSTM (Hochreiter & Schmidhuber, 1997), gates in the order input, forget, cell, output.

    recurrent_activation: of the gates; unit_forget_bias: whether the forget gate's bias begins at 1; the kernels are
    (in, 4 units) and (units, 4 units); the rest as in `SimpleRNNCell`. The states are h and c.
    """

    _blocks = 4
    _states = 2

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        unit_forget_bias=True,
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        **kwargs,
    ):
        kwargs.pop("implementation", None)  # Keras 2's choice between two ways to the same numbers
        super().__init__(**kwargs)
        self._set_up(units, activation, use_bias, dropout, recurrent_dropout, seed, locals())
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias

    def _bias_initializer(self):
        if not self.unit_forget_bias:
            return self.bias_initializer

        def initializer(shape, dtype=None):
            bias = self.bias_initializer(shape, dtype=dtype)
            forget = slice(self.units, 2 * self.units)
            bias[forget] = init.gate_bias(shape, 1.0, gate=1, gates=4, dtype=bias.dtype, device=bias.device)[forget]
            return bias

        return initializer

    def arguments(self):
        """What `ops.rnn` needs of the cell."""
        return {**super().arguments(), "cell": "lstm", "recurrent_activation": named(self.recurrent_activation)}

    def get_config(self):
        """The arguments that make an equal cell."""
        return {
            **super().get_config(),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "unit_forget_bias": self.unit_forget_bias,
        }


class GRUCell(_Cell):
    """One step of the GRU (Cho et al., 2014), gates in the order update, reset, candidate.

    recurrent_activation: of the gates; reset_after: whether the reset gate acts behind the product with the recurrent
    kernel (the bias then has two rows); the kernels are (in, 3 units) and (units, 3 units); the rest as in
    `SimpleRNNCell`.
    """

    _blocks = 3

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        reset_after=True,
        seed=None,
        **kwargs,
    ):
        kwargs.pop("implementation", None)
        super().__init__(**kwargs)
        self._set_up(units, activation, use_bias, dropout, recurrent_dropout, seed, locals())
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = reset_after

    def _bias_shape(self):
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def arguments(self):
        """What `ops.rnn` needs of the cell."""
        found = {**super().arguments(), "recurrent_activation": named(self.recurrent_activation)}
        found["cell"] = "gru_reset_after" if self.reset_after else "gru"
        if self.reset_after and self.bias is not None:
            found["b_in"], found["b_rec"] = self.bias.value.unbind(0)
        return found

    def get_config(self):
        """The arguments that make an equal cell."""
        return {
            **super().get_config(),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "reset_after": self.reset_after,
        }


class StackedRNNCells(Layer):
    """Cells one above the other as one cell: each takes the output of the one below.

    cells: a list of cells, layers with `call(inputs, states)` and `state_size`.
    """

    def __init__(self, cells, **kwargs):
        super().__init__(**kwargs)
        for cell in cells:
            check_cell(cell, "All cells must have")
        self.cells = cells

    @property
    def state_size(self):
        """The state sizes of the cells, a list."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self):
        """The size of the last cell's output."""
        return output_size(self.cells[-1])

    def build(self, input_shape):
        """Build the cells, each for the output of the one below."""
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
                cell.__dict__["built"] = True
            input_shape = (input_shape[0], output_size(cell))

    def get_initial_state(self, batch_size=None):
        """The initial states of the cells, a list; of `state_size`'s structure for cells that do not make theirs."""
        return [
            cell.get_initial_state(batch_size=batch_size)
            if hasattr(cell, "get_initial_state")
            else zero_states(cell, batch_size)[0]
            if isinstance(cell.state_size, int)
            else zero_states(cell, batch_size)
            for cell in self.cells
        ]

    def call(self, inputs, states, training=False, **kwargs):
        """One step through all cells; the states of a single cell are given without a list around them."""
        new = []
        for cell, state in zip(self.cells, states):
            several = isinstance(state, (list, tuple))
            inputs, after = step(cell, inputs, list(state) if several else [state], training)
            new.append(after[0] if len(after) == 1 and not several else after)
        return inputs, new[0] if len(new) == 1 else new

    def reset_masks(self):
        """Draw new dropout factors at the next step."""
        for cell in self.cells:
            if hasattr(cell, "reset_masks"):
                cell.reset_masks()

    def get_config(self):
        """The arguments that make an equal cell."""
        return {**super().get_config(), "cells": [saving.serialize_keras_object(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The cell that `get_config` describes."""
        config = dict(config)
        config["cells"] = [saving.deserialize_keras_object(cell, custom_objects) for cell in config["cells"]]
        return super().from_config(config)


def check_cell(cell, start="The RNN cell should have"):
    """Raise ValueError for what cannot be a cell."""
    if not hasattr(cell, "call"):
        raise ValueError(f"Argument `cell` should have a `call` method. Received: cell={cell}")
    if not hasattr(cell, "state_size"):
        raise ValueError(
            f"{start} a `state_size` attribute (single integer or list of integers, one integer per RNN state). "
            f"Received: cell={cell}"
        )


def output_size(cell):
    """The size of a cell's output: `output_size`, or else that of its first state."""
    size = getattr(cell, "output_size", None)
    if size is None:
        size = cell.state_size
        while isinstance(size, (list, tuple)):
            size = size[0]
    return size


def step(cell, inputs, states, training):
    """Call any cell, with the training flag where it takes one. Returns (output, new states as a list)."""
    facts = getattr(cell, "_facts", None)
    kwargs = {"training": training} if facts is not None and facts.has_training else {}
    output, new = cell(inputs, states, **kwargs)
    if not isinstance(new, (list, tuple)):
        new = [new]
    if len(arrays.leaves(new)) != len(arrays.leaves(states)):
        raise ValueError(
            explain(
                f"The cell {cell} gave another number of states than it was given",
                expected=f"{len(arrays.leaves(states))} states",
                given=f"{len(arrays.leaves(new))} states",
            )
        )
    return output, list(new)
