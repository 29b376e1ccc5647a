"""A function of arrays with a Symbol's way of being bound and run, so that one checker serves both.

A function takes NDArrays, by position where a list of them is given and by name where a dict is, and answers one or
several. What is bound has what an executor has: `forward`, `backward`, `outputs`, `arg_dict`, `grad_dict`, `aux_dict`.
"""

import inspect

from tandem.core.errors import explain
from tandem.mxnet import autograd, ndarray, util
from tandem.mxnet import context as contexts
from tandem.mxnet import numpy as mx_numpy
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.symbol import Symbol


class FunctionSymbol:
    """A function with the names of its arguments, which `bind` puts arrays in.

    function: called with arrays; names: of its arguments in order; by_name: whether it is called with keywords.
    """

    def __init__(self, function, names, by_name=False):
        self.function, self._names, self.by_name = function, list(names), by_name
        self._outputs = ["output"]

    def list_arguments(self):
        """The arguments' names."""
        return list(self._names)

    def list_auxiliary_states(self):
        """No names: a function keeps its states itself."""
        return []

    def list_outputs(self):
        """The names of the results: 'output', or 'output0', 'output1', … where there are several."""
        return list(self._outputs)

    def bind(self, ctx, args, args_grad=None, grad_req="write", aux_states=None):
        """An execution over arrays: a list or dict `args`, with gradients going to `args_grad`."""
        arrays = args if isinstance(args, dict) else dict(zip(self._names, args))
        grads = args_grad or {}
        grads = grads if isinstance(grads, dict) else dict(zip(self._names, grads))
        if isinstance(grad_req, (list, tuple)):
            grad_req = dict(zip(self._names, grad_req))
        elif isinstance(grad_req, str):
            grad_req = dict.fromkeys(self._names, grad_req)
        return _Execution(self, ctx, arrays, grads, grad_req)

    def simple_bind(self, ctx, grad_req="write", type_dict=None, **shapes):
        """An execution over new arrays of zeros of some shapes, with gradients."""
        types = type_dict or {}
        arrays, grads = (
            {name: ndarray.zeros(shapes[name], ctx=ctx, dtype=types.get(name, "float32")) for name in self._names}
            for _ in range(2)
        )
        return self.bind(ctx, arrays, grads, grad_req)


class _Execution:
    def __init__(self, symbol, ctx, arrays, grads, grad_req):
        self._symbol, self._ctx = symbol, ctx
        self.aux_dict, self.arg_dict = {}, {name: arrays[name] for name in symbol.list_arguments()}
        if util.is_np_array():  # the function is one of mx.np's arrays then
            self.arg_dict = {name: array.as_np_ndarray() for name, array in self.arg_dict.items()}
        self.grad_dict = {name: grads.get(name) for name in self.arg_dict}
        self.outputs, self._written = [], []
        for name, array in self.arg_dict.items():
            request = grad_req.get(name, "null")
            if self.grad_dict[name] is not None and request != "null":
                autograd.mark_variables([array], [self.grad_dict[name]], [request])
                if request == "write":
                    self._written.append(self.grad_dict[name])

    @property
    def arg_arrays(self):
        return list(self.arg_dict.values())

    @property
    def grad_arrays(self):
        return list(self.grad_dict.values())

    def forward(self, is_train=False):
        """The results for what the arguments hold now."""
        with autograd.record(train_mode=is_train) if is_train else autograd.pause():
            if self._symbol.by_name:
                result = self._symbol.function(**self.arg_dict)
            else:
                result = self._symbol.function(*self.arg_dict.values())
        self.outputs = list(result) if isinstance(result, (list, tuple)) else [result]
        if len(self.outputs) > 1:
            self._symbol._outputs = [f"output{number}" for number in range(len(self.outputs))]
        return self.outputs

    def backward(self, out_grads=None):
        """The gradients of the last forward pass, weighted with `out_grads`."""
        if isinstance(out_grads, NDArray):
            out_grads = [out_grads]
        heads = [None] * len(self.outputs) if out_grads is None else out_grads
        pairs = [(output, head) for output, head in zip(self.outputs, heads) if output._tensor.requires_grad]
        for grad in self._written:  # what the results do not depend on has a gradient of 0
            grad[:] = 0
        if pairs:
            given = None if out_grads is None else [_alike(head, output) for output, head in pairs]
            autograd.backward([output for output, _ in pairs], given)


def _alike(grad, output):
    """A head gradient as an array of the output's kind."""
    if isinstance(output, mx_numpy.ndarray) and not isinstance(grad, mx_numpy.ndarray):
        return grad.as_np_ndarray()
    return grad


def as_symbol(sym, location=None):
    """`sym` as what can be bound: a Symbol as it is, a function with the names that `location` gives its arguments.

    location: a list of values (then the names are those of the function's parameters) or a dict.
    Raises TypeError for anything else.
    """
    if isinstance(sym, (Symbol, FunctionSymbol)) or hasattr(sym, "list_arguments"):
        return sym
    if not callable(sym):
        raise TypeError(explain("What is checked must be a Symbol or a function of NDArrays", given=type(sym).__name__))
    if isinstance(location, dict):
        return FunctionSymbol(sym, location, by_name=True)
    count = len(location or ())
    try:
        parameters = inspect.signature(sym).parameters.values()
        names = [one.name for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):  # a built-in function does not say
        names = []
    names = [names[number] if number < len(names) else f"arg{number}" for number in range(count)]
    return FunctionSymbol(sym, names)


def parse_location(sym, location, ctx, dtype=None):
    """The arguments of a symbol as a dict of NDArrays, from a list in their order or a dict of arrays.

    dtype: that of the arrays made from other values; "asnumpy" or None: the values' own and float32.
    Raises ValueError where names do not match, AssertionError for what is neither list nor dict.
    """
    mismatch = "Symbol arguments and keys of the given location do not match.symbol args:{}, location.keys():{}"
    return _by_name(sym.list_arguments(), location, "location", mismatch, ctx, dtype)


def parse_aux_states(sym, aux_states, ctx, dtype=None):
    """The auxiliary states of a symbol as a dict of NDArrays, from a list or a dict; None stays None.

    Raises ValueError where names do not match.
    """
    if aux_states is None:
        return None
    mismatch = "Symbol aux_states names and given aux_states do not match.symbol aux_names:{}, aux_states.keys:{}"
    return _by_name(sym.list_auxiliary_states(), aux_states, "aux_states", mismatch, ctx, dtype)


def _by_name(names, given, what, mismatch, ctx, dtype):
    """Values for some names, from a list in their order or a dict, as NDArrays."""
    if isinstance(given, dict):
        if set(given) != set(names):
            raise ValueError(mismatch.format(set(names), set(given)))
    elif isinstance(given, (list, tuple)):
        given = dict(zip(names, given))
    else:
        raise AssertionError(explain(f"{what} is a list, a tuple or a dict", given=type(given).__name__))
    return {name: as_ndarray(value, ctx, dtype) for name, value in given.items()}


def as_ndarray(value, ctx=None, dtype=None):
    """An NDArray as it is, other values as a new one."""
    if isinstance(value, NDArray):
        return value
    ctx = contexts.current_context() if ctx is None else ctx
    if dtype == "asnumpy":
        dtype = getattr(value, "dtype", None)
    return ndarray.array(value, ctx=ctx, dtype=dtype)
