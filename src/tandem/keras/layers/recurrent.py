"""Recurrent layers: a cell run over a sequence."""

import inspect

import torch

from tandem.core import arrays, graph
from tandem.core.errors import explain
from tandem.keras import saving
from tandem.keras.layers.base import Layer
from tandem.keras.layers.input_spec import InputSpec
from tandem.keras.layers.recurrent_cells import (
    GRUCell,
    LSTMCell,
    SimpleRNNCell,
    StackedRNNCells,
    check_cell,
    output_size,
    step,
    zero_states,
)
from tandem.keras.legacy.layer_methods import with_states
from tandem.keras.legacy.modules import names_of
from tandem.keras.symbolic import KerasTensor
from tandem.keras.variables import Variable
from tandem.ops import rnn, shape


class RNN(Layer):
    """A cell run over the steps of a sequence.

    cell: a layer with `call(inputs, states)`, which gives (output, new states), and `state_size`; or a list of such;
    return_sequences: the outputs of all steps, not only the last; return_state: the last states as well; go_backwards:
    from the last step to the first (the outputs are then in that order); stateful: the next batch begins with the
    states that this one ended with; unroll: no other numbers, it asks for a known number of steps on some backends;
    zero_output_for_mask: masked steps give 0, not the output before.
    inputs: (batch, steps, features). Masked steps leave the states as they are.
    Raises ValueError for what is no cell, and for `stateful` without a known batch size.
    """

    def __init__(
        self,
        cell,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        zero_output_for_mask=False,
        **kwargs,
    ):
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(list(cell))
        check_cell(cell)
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.supports_masking = True
        self.input_spec = None
        self.__dict__["states"] = None
        sizes = cell.state_size
        self.state_size = list(sizes) if isinstance(sizes, (list, tuple)) else [sizes]

    # --- states ----------------------------------------------------------------------------------------------------
    def build(self, sequences_shape, initial_state_shape=None):
        """Build the cell for one step; make the states of a stateful layer."""
        cell = self.cell
        if isinstance(cell, Layer) and not cell.built:
            cell.build((sequences_shape[0], *sequences_shape[2:]))
            cell.__dict__["built"] = True
        if self.stateful and self.states is None:
            self._make_states(sequences_shape)

    def _make_states(self, sequences_shape):
        batch = sequences_shape[0]
        if batch is None:
            raise ValueError(
                "When using `stateful=True` in a RNN, the batch size must be static. "
                f"Found dynamic batch size: sequence.shape={tuple(sequences_shape)}"
            )
        with torch.no_grad():
            # States are no weights: they are not saved and not trained.
            self.__dict__["states"] = arrays.map_tree(
                lambda value: Variable(value, trainable=False, dtype=self.variable_dtype, name="rnn_state"),
                self.get_initial_state(batch),
            )

    def get_initial_state(self, batch_size):
        """The states that a sequence begins with: the cell's own, or zeros."""
        if hasattr(self.cell, "get_initial_state"):
            state = self.cell.get_initial_state(batch_size=batch_size)
        else:
            state = zero_states(self.cell, batch_size)
        return list(state) if isinstance(state, (list, tuple)) else [state]

    def reset_states(self):
        """Set the states of a stateful layer to zero."""
        self.reset_state()

    def reset_state(self):
        """Set the states of a stateful layer to zero."""
        if self.states is not None:
            for variable in arrays.leaves(self.states):
                variable.assign(torch.zeros_like(variable.tensor))

    def _begin(self, sequences, initial_state):
        """The states to begin with, on the device and in the dtype of the sequences; None for zeros."""
        if initial_state is not None:
            state = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
            return arrays.map_tree(lambda value: value.to(sequences.dtype), state)
        if self.stateful:
            batch = sequences.shape[0]
            first = arrays.leaves(self.states)[0]
            if first.shape[0] != batch and not graph.on_meta():
                raise ValueError(
                    "If an RNN is stateful, the batch size of the input sequences must be the same as the batch "
                    "size of "
                    f"the initial state.\n- Expected batch size: {first.shape[0]}\n- Received batch size: {batch}"
                )
            # Copies: the variables change in place at the end.
            return arrays.map_tree(lambda variable: variable.tensor.to(sequences, copy=True), self.states)
        return None

    # --- calling ---------------------------------------------------------------------------------------------------
    def __call__(self, sequences, *args, **kwargs):
        if type(sequences) is list:
            sequences, kwargs = with_states(sequences, kwargs)
        return super().__call__(sequences, *args, **kwargs)

    def call(self, sequences, initial_state=None, mask=None, training=False):
        """The outputs, and with `return_state` the last states, in a tuple."""
        if hasattr(self.cell, "reset_masks"):
            self.cell.reset_masks()
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        outputs, states = self._sequence(sequences, self._begin(sequences, initial_state), mask, training)
        if self.go_backwards and self.return_sequences:
            outputs = shape.reverse(outputs, [1])
        if self.stateful:
            for variable, state in zip(arrays.leaves(self.states), arrays.leaves(states), strict=True):
                variable.assign(state.detach())
        if self.return_state:
            return (outputs, *states)
        return outputs

    def _sequence(self, sequences, state, mask, training):
        """(outputs in the order of time or the last, last states): the cell is called for each step."""
        if state is None:
            state = arrays.map_tree(lambda value: value.to(sequences), self.get_initial_state(sequences.shape[0]))

        def one_step(x, states):
            output, new = step(self.cell, x, states, training)
            leaves = iter(arrays.leaves(new))  # a stack of one cell gives its states without the list around them
            return output, arrays.map_tree(lambda _: next(leaves), states)

        outputs, states = rnn.scan(
            one_step,
            sequences.transpose(0, 1),
            state,
            mask=None if mask is None else mask.transpose(0, 1),
            reverse=self.go_backwards,
            masked_output="zero" if self.zero_output_for_mask else "carry",
            sequences=self.return_sequences,
        )
        return outputs.transpose(0, 1) if self.return_sequences else outputs, states

    def compute_mask(self, sequences, mask=None):
        """The mask of the steps where all outputs are returned."""
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        output = mask if self.return_sequences else None
        if self.return_state:
            return [output, *(None for _ in self.state_size)]
        return output

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        """The shapes of the outputs for inputs of `sequences_shape`."""
        batch, steps = sequences_shape[0], sequences_shape[1]
        size = output_size(self.cell)
        output = (batch, steps, size) if self.return_sequences else (batch, size)
        if not self.return_state:
            return output

        def of(size):
            if isinstance(size, list):
                return [of(one) for one in size]
            return (batch, *size) if isinstance(size, tuple) else (batch, size)

        return (output, *(of(size) for size in self.state_size))

    def compute_output_spec(self, sequences, initial_state=None, mask=None, training=False):
        """The shapes and dtypes of the outputs for a KerasTensor."""

        def spec(value):
            if isinstance(value, list):
                return [spec(one) for one in value]
            return KerasTensor(value, self.compute_dtype, name="spec")

        found = self.compute_output_shape(sequences.shape)
        return tuple(spec(one) for one in found) if self.return_state else spec(found)

    # --- configs ---------------------------------------------------------------------------------------------------
    def _flags(self):
        names = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "zero_output_for_mask")
        return {name: getattr(self, name) for name in names}

    def get_config(self):
        """The arguments that make an equal layer."""
        config = {**super().get_config(), **self._flags()}
        return {**config, "cell": saving.serialize_keras_object(self.cell)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The layer that `get_config` describes."""
        config = dict(config)
        config["cell"] = saving.deserialize_keras_object(config["cell"], custom_objects)
        return super().from_config(config)


def through(name):
    return property(lambda self: getattr(self.cell, name), doc=f"The cell's `{name}`.")


class OfBuiltInCell(RNN):
    """A recurrent layer that makes its cell, and whose arguments and configuration are also the cell's."""

    _cell_class = SimpleRNNCell
    _cell_name = "simple_rnn_cell"

    def _make(self, given, **of_cell):
        """Make the cell and the layer from the arguments of the layer's constructor, `given` as `locals()` has them.

        of_cell: further arguments of the cell.
        """
        kwargs = given["kwargs"]
        implementation = kwargs.pop("implementation", None)
        if implementation not in (None, 0, 1, 2):
            raise ValueError(
                explain("`implementation` is wrong", expected="1 or 2", given=f"implementation={implementation!r}")
            )
        names = inspect.signature(self._cell_class.__init__).parameters
        of_cell.update({name: given[name] for name in names if name in given and name not in ("self", "kwargs")})
        of_cell.update({name: kwargs[name] for name in ("dtype", "trainable") if name in kwargs})
        flags = {name: given[name] for name in _FLAGS if name in given}
        RNN.__init__(self, self._cell_class(**of_cell, name=self._cell_name), **flags, **kwargs)

    activation = through("activation")
    use_bias = through("use_bias")
    kernel_initializer = through("kernel_initializer")
    recurrent_initializer = through("recurrent_initializer")
    bias_initializer = through("bias_initializer")
    kernel_regularizer = through("kernel_regularizer")
    recurrent_regularizer = through("recurrent_regularizer")
    bias_regularizer = through("bias_regularizer")
    kernel_constraint = through("kernel_constraint")
    recurrent_constraint = through("recurrent_constraint")
    bias_constraint = through("bias_constraint")
    dropout = through("dropout")
    recurrent_dropout = through("recurrent_dropout")
    seed = through("seed")

    def get_config(self):
        """The arguments that make an equal layer."""
        config = Layer.get_config(self)
        config.update(self._flags())
        of_cell = self.cell.get_config()
        config.update({key: value for key, value in of_cell.items() if key not in ("name", "trainable", "dtype")})
        config["activity_regularizer"] = saving.serialize_keras_object(self.activity_regularizer)
        return config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The layer that `get_config` describes."""
        with saving.CustomObjectScope(custom_objects):
            return Layer.from_config.__func__(cls, config)


_FLAGS = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll", "activity_regularizer")


class _Gated(OfBuiltInCell):
    """A recurrent layer of a built-in cell: the whole sequence is one operation."""

    units = through("units")

    def _make(self, given, **of_cell):
        super()._make(given, **of_cell)
        self.input_spec = InputSpec(ndim=3)

    def _sequence(self, sequences, state, mask, training):
        cell = self.cell
        if state is not None and len(state) != cell._states:
            raise ValueError(
                explain(
                    f"The initial state of layer '{self.name}' is wrong",
                    expected=f"{cell._states} tensor(s) of shape (batch, {cell.units})",
                    given=f"{len(state)} tensor(s)",
                )
            )
        factor, recurrent = cell.factors(sequences, training)
        outputs, states = rnn.rnn(
            sequences,
            None if state is None else tuple(state),
            **cell.arguments(),
            reverse=self.go_backwards,
            mask=None if mask is None else mask.bool(),
            masked_output="zero" if self.zero_output_for_mask else "carry",
            dropout=factor,
            recurrent_dropout=recurrent,
            sequences=self.return_sequences,
        )
        return outputs, list(states)


class SimpleRNN(_Gated):
    """Fully connected recurrence over a sequence: ``h' = activation(x W + h R + b)``.

    The arguments are those of `SimpleRNNCell` and of `RNN`. inputs: (batch, steps, features). Returns (batch, units),
    or (batch, steps, units) with `return_sequences`.
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
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        seed=None,
        **kwargs,
    ):
        self._make(locals())

    def get_config(self):
        """The arguments that make an equal layer."""
        config = super().get_config()
        if config["seed"] is None:
            del config["seed"]
        return config


_CUDNN = ("auto", True, False)


def _check_cudnn(use_cudnn):
    # Which kernel runs is chosen by what fits; all of them give the same numbers.
    if use_cudnn not in _CUDNN:
        raise ValueError(
            explain(
                "Invalid value received for argument `use_cudnn`",
                expected="one of {'auto', True, False}",
                given=f"use_cudnn={use_cudnn}",
            )
        )
    return use_cudnn


class LSTM(_Gated):
    """Long short-term memory over a sequence (Hochreiter & Schmidhuber, 1997).

    The arguments are those of `LSTMCell` and of `RNN`; use_cudnn: "auto", True or False, the fastest kernel that fits
    is taken in any case. inputs: (batch, steps, features). Returns (batch, units), or (batch, steps, units) with
    `return_sequences`; with `return_state` also h and c.
    """

    _cell_class = LSTMCell
    _cell_name = "lstm_cell"

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
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        use_cudnn="auto",
        **kwargs,
    ):
        self._make(locals())
        self.use_cudnn = _check_cudnn(use_cudnn)

    recurrent_activation = through("recurrent_activation")
    unit_forget_bias = through("unit_forget_bias")


class GRU(_Gated):
    """Gated recurrent units over a sequence (Cho et al., 2014).

    The arguments are those of `GRUCell` and of `RNN`; use_cudnn: see `LSTM`. inputs: (batch, steps, features). Returns
    (batch, units), or (batch, steps, units) with `return_sequences`; with `return_state` also the last state.
    """

    _cell_class = GRUCell
    _cell_name = "gru_cell"

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
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        reset_after=True,
        use_cudnn="auto",
        **kwargs,
    ):
        self._make(locals())
        self.use_cudnn = _check_cudnn(use_cudnn)

    recurrent_activation = through("recurrent_activation")
    reset_after = through("reset_after")


__getattr__ = names_of("layers")  # Keras 2 had more at this path
