"""`StatelessScope`, `SymbolicScope`, `AutocastScope`: blocks in which variables are read and written differently."""

import threading

from tandem.core import dtypes, graph
from tandem.core.errors import explain
from tandem.keras import tensors, variables


class StatelessScope:
    """A block in which assigned variables get their old values back at its end; the new ones are in the scope.

    state_mapping: pairs (variable, value): what variables are read as inside. collect_losses: whether `add_loss` of
    layers goes to the scope's `losses`. initialize_variables: variables made inside have their values at once here,
    whatever it says. Raises ValueError for what is no variable, and for a value of another shape.
    """

    def __init__(self, state_mapping=None, collect_losses=False, initialize_variables=True):
        self.collect_losses = collect_losses
        self.initialize_variables = initialize_variables
        self.losses = []
        self._values = {}  # id -> (variable, value)
        for variable, value in state_mapping or ():
            if not isinstance(variable, variables.Variable):
                raise ValueError(
                    explain(
                        "Invalid reference variable in StatelessScope: all keys in argument `mapping` must be Variable "
                        "instances",
                        given=variable,
                    )
                )
            value = tensors.convert(value, variable.dtype)
            if tuple(value.shape) != variable.shape:
                raise ValueError(
                    explain(
                        "Invalid variable value in StatelessScope: all values in argument `mapping` must be tensors "
                        "with a shape that matches the corresponding variable shape",
                        expected=variable.shape,
                        given=tuple(value.shape),
                    )
                )
            self._values[id(variable)] = variable, value
        self._before = {}  # id -> (variable, tensor) of those that hold another tensor meanwhile

    @property
    def state_mapping(self):
        """id of a variable -> its value in the scope."""
        return {key: value for key, (_, value) in self._now().items()}

    def get_current_value(self, variable):
        """The value of a variable in the scope, or None where the scope has none."""
        return self._now().get(id(variable), (None, None))[1]

    def add_update(self, update):
        """Set a variable's value in the scope: a pair (variable, value)."""
        variable, value = update
        self._values[id(variable)] = variable, value
        if id(variable) in self._before:
            variable.tensor = value
        elif variables.stateless.scope is self:
            self.swap(variable, value)

    def add_loss(self, loss):
        """Keep a loss."""
        self.losses.append(loss)

    def swap(self, variable, value):
        """Let a variable hold another tensor until the block ends."""
        self._before[id(variable)] = variable, variable.tensor
        variable.tensor = value

    def own(self, variable):
        """Before a variable is changed in place: a tensor of the scope's own in it; returns that."""
        if id(variable) not in self._before:
            self.swap(variable, variable.tensor.detach().clone())
        elif variable.tensor is self._values.get(id(variable), (None, None))[1]:
            variable.tensor = variable.tensor.detach().clone()
        return variable.tensor

    def _now(self):
        held = {key: (variable, variable.tensor) for key, (variable, _) in self._before.items()}
        return {**self._values, **held}

    def __enter__(self):
        self._outer, variables.stateless.scope = variables.stateless.scope, self
        for variable, value in self._values.values():
            # Layers may change what they do not learn in place: what was given stays as it is.
            self.swap(variable, value if value.requires_grad else value.clone())
        return self

    def __exit__(self, *exc_info):
        variables.stateless.scope = self._outer
        self._values = self._now()
        for variable, tensor in self._before.values():
            variable.tensor = tensor
        self._before = {}


def get_stateless_scope():
    """The innermost open `StatelessScope` of this thread, or None."""
    return variables.stateless.scope


def in_stateless_scope():
    """Whether a `StatelessScope` is open in this thread."""
    return variables.stateless.scope is not None


class _Symbolic(threading.local):
    scope = None


_symbolic = _Symbolic()


class SymbolicScope:
    """A block in which code can tell (`in_symbolic_scope`) that only shapes and dtypes are wanted of it."""

    def __enter__(self):
        self._outer, _symbolic.scope = _symbolic.scope, self
        return self

    def __exit__(self, *exc_info):
        _symbolic.scope = self._outer


def get_symbolic_scope():
    """The innermost open `SymbolicScope` of this thread, or None."""
    return _symbolic.scope


def in_symbolic_scope():
    """Whether only shapes and dtypes are wanted: in a `SymbolicScope`, or while shapes are inferred."""
    return _symbolic.scope is not None or graph.on_meta()


class AutocastScope:
    """A block in which floating point variables are read in another dtype; None is their own.

    Raises ValueError for a dtype that is not a floating point one.
    """

    def __init__(self, dtype):
        if dtype is not None:
            dtype = dtypes.dtype_name(dtype)
            if not dtypes.is_float(dtype):
                raise ValueError(
                    explain(
                        "`AutocastScope` can only be used with a floating-point target dtype, such as 'float16'",
                        given=f"dtype={dtype}",
                    )
                )
        self.dtype = dtype

    def maybe_cast(self, value):
        """A floating point value in the scope's dtype, others as they are."""
        if self.dtype is None or not dtypes.is_float(dtypes.dtype_name(value.dtype)):
            return value
        return tensors.convert(value, self.dtype)

    def __enter__(self):
        self._block = variables.autocast(None if self.dtype is None else dtypes.torch_dtype(self.dtype))
        self._block.__enter__()
        return self

    def __exit__(self, *exc_info):
        self._block.__exit__(*exc_info)


def get_autocast_scope():
    """A scope with the dtype that floating point variables are read in just now, or None."""
    dtype = variables.autocast_dtype()
    return None if dtype is None else AutocastScope(dtype)
