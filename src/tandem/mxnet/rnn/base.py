"""What cells made of symbols share: their parameters, names, states and unrolling."""

from tandem.core.errors import explain
from tandem.mxnet import ndarray, symbol
from tandem.mxnet.symbol import Symbol

__all__ = ["BaseRNNCell", "RNNParams"]


class RNNParams:
    """The variables of a cell, made when they are first asked for; cells given the same object share weights.

    prefix: what their names begin with.
    """

    def __init__(self, prefix=""):
        self._prefix = prefix
        self._params = {}

    def get(self, name, **kwargs):
        """The variable "{prefix}{name}"; kwargs: attributes for `mx.sym.Variable` where it is made now."""
        name = self._prefix + name
        if name not in self._params:
            self._params[name] = symbol.Variable(name, **kwargs)
        return self._params[name]


def sequence(length, inputs, layout, merge, in_layout=None):
    """(a sequence, its axis of time).

    inputs: a symbol in `in_layout` (None: `layout`) or a list of steps. merge: True gives a symbol in `layout`, False a
    list, None what was given. length: None for any.
    Raises AssertionError for no inputs, a group of symbols where a list is wanted, or another number of steps.
    """
    if inputs is None:
        raise AssertionError(
            explain(
                "unroll(inputs=None) has been deprecated",
                expected="a symbol, or a list with one symbol to a step",
                given="None",
            )
        )
    axis = layout.find("T")
    given = axis if in_layout is None else in_layout.find("T")
    if isinstance(inputs, Symbol):
        if merge is False:
            if len(inputs) != 1:
                raise AssertionError(
                    explain(
                        "unroll doesn't allow grouped symbol as input",
                        expected="one symbol, or a list of symbols: list(inputs)",
                        given=f"{len(inputs)} outputs",
                    )
                )
            inputs = list(symbol.split(inputs, axis=given, num_outputs=length, squeeze_axis=1))
        elif axis != given:
            inputs = symbol.swapaxes(inputs, dim1=axis, dim2=given)
        return inputs, axis
    if length is not None and len(inputs) != length:
        raise AssertionError(
            explain("The inputs have another number of steps", expected=length, given=f"{len(inputs)} symbols")
        )
    if merge is True:
        inputs = symbol.Concat(*[symbol.expand_dims(step, axis=axis) for step in inputs], dim=axis)
    return inputs, axis


class BaseRNNCell:
    """Base of cells: `output, states = cell(inputs, states)` adds one step to a graph.

    prefix: what names of nodes and variables begin with; params: an `RNNParams` to share, or None for one of its own.
    """

    def __init__(self, prefix="", params=None):
        self._own_params = params is None
        self._prefix = prefix
        self._params = RNNParams(prefix) if params is None else params
        self._modified = False
        self.reset()

    def reset(self):
        """Count steps and states from 0 again, before another sequence."""
        self._init_counter = -1
        self._counter = -1
        for cell in getattr(self, "_cells", ()):
            cell.reset()

    def _next_step(self):
        """What the names of the next step's nodes begin with."""
        self._counter += 1
        return f"{self._prefix}t{self._counter}_"

    def __call__(self, inputs, states):
        """One step: (output, states); to be written in the subclass.

        inputs: a symbol (batch, features); states: a list of symbols.
        """
        raise NotImplementedError(explain(f"{type(self).__name__} has no __call__()"))

    @property
    def params(self):
        """The cell's `RNNParams`; who has asked for them may share them."""
        self._own_params = False
        return self._params

    @property
    def state_info(self):
        """A list of dicts with the 'shape' (0: the batch) and '__layout__' of each state."""
        raise NotImplementedError(explain(f"{type(self).__name__} has no state_info"))

    @property
    def state_shape(self):
        """The shapes of the states."""
        return [info["shape"] for info in self.state_info]

    @property
    def _gate_names(self):
        return ()

    def begin_state(self, func=symbol.zeros, **kwargs):
        """The states before the first step, a list.

        func: makes a symbol from name=, shape= and the further keyword arguments: `mx.sym.zeros`, `mx.sym.Variable`.
        Raises AssertionError for a cell that another one modifies.
        """
        if self._modified:
            raise AssertionError(
                explain(
                    "After applying modifier cells (e.g. DropoutCell) the base cell cannot be called directly",
                    hint="Call the modifier cell instead.",
                )
            )
        states = []
        for info in self.state_info:
            self._init_counter += 1
            name = f"{self._prefix}begin_state_{self._init_counter}"
            states.append(func(name=name, **{**kwargs, **(info or {})}))
        return states

    def unpack_weights(self, args):
        """A dict of arrays in which each gate has a matrix and a vector of its own.

        args: name -> array, as training has them.
        """
        args = dict(args)
        for group in ("i2h", "h2h") if self._gate_names else ():
            for kind in ("weight", "bias"):
                packed = args.pop(f"{self._prefix}{group}_{kind}")
                units = self._num_hidden
                for place, gate in enumerate(self._gate_names):
                    part = packed[place * units : (place + 1) * units].copy()
                    args[f"{self._prefix}{group}{gate}_{kind}"] = part
        return args

    def pack_weights(self, args):
        """The inverse of `unpack_weights`."""
        args = dict(args)
        for group in ("i2h", "h2h") if self._gate_names else ():
            for kind in ("weight", "bias"):
                parts = [args.pop(f"{self._prefix}{group}{gate}_{kind}") for gate in self._gate_names]
                args[f"{self._prefix}{group}_{kind}"] = ndarray.concatenate(parts)
        return args

    def unroll(self, length, inputs, begin_state=None, layout="NTC", merge_outputs=None):
        """All steps of a sequence: (outputs, states after the last step).

        length: number of steps; inputs: one symbol in `layout` ('NTC' or 'TNC'), or a list with one symbol
        (batch, features) a step; begin_state: `begin_state()` where None; merge_outputs: answer one symbol (True), a
        list (False), or what is natural for the cell (None).
        Raises AssertionError for another number of steps.
        """
        self.reset()
        steps, _ = sequence(length, inputs, layout, False)
        states = self.begin_state() if begin_state is None else begin_state
        outputs = []
        for step in range(length):
            output, states = self(steps[step], states)
            outputs.append(output)
        return sequence(length, outputs, layout, merge_outputs)[0], states

    @staticmethod
    def _get_activation(inputs, activation, **kwargs):
        """activation: a name for `mx.sym.Activation`, or a function of a symbol."""
        if isinstance(activation, str):
            return symbol.Activation(inputs, act_type=activation, **kwargs)
        return activation(inputs, **kwargs)
