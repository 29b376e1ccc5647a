"""How a symbol gets its arrays: given ones (`bind`), or new ones of inferred shapes (`simple_bind`)."""

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet import ndarray
from tandem.mxnet.base import MXNetError
from tandem.mxnet.context import Context
from tandem.mxnet.ndarray.ndarray import NUMPY_TYPES, NDArray, mxnet_dtype
from tandem.mxnet.symbol.inference import Facts, known
from tandem.mxnet.symbol.nodes import Entry, auxiliary
from tandem.mxnet.symbol.storage import rows_in_gradients, stype_of

_REQUESTS = ("write", "add", "null")


class Arrays:
    """The arrays of an executor.

    nodes: the variables in the graph's order; variables, requests: the array of each, and (its gradient's array or
    None, request); args, grads, aux: in the order of the symbol's lists.
    """

    def __init__(self, facts, args, grads, requests, aux, devices):
        self.facts, self.devices = facts, devices
        self.args, self.grads, self.aux = args, grads, aux
        self.written = auxiliary(facts.order)
        self.nodes = [node for node in facts.order if node.is_variable]
        self.arg_names = [node.name for node in self.nodes if id(node) not in self.written]
        self.aux_names = [node.name for node in self.nodes if id(node) in self.written]
        arguments, states = iter(zip(args, grads, requests)), iter(aux)
        self.variables, self.requests = [], []
        for node in self.nodes:
            if id(node) in self.written:
                self.variables.append(next(states))
                self.requests.append((None, "null"))
            else:
                array, grad, request = next(arguments)
                self.variables.append(array)
                self.requests.append((grad, "null" if grad is None else request))


def _check_ctx(ctx):
    if not isinstance(ctx, Context):
        raise TypeError("Context type error")


def _ordered(given, names, what, allow_missing=False):
    """Arrays in the order of some names, from a list or a dict.

    Raises ValueError where one is missing.
    """
    if isinstance(given, dict):
        found = []
        for name in names:
            if name in given:
                found.append(given[name])
            elif allow_missing:
                found.append(None)
            else:
                raise ValueError(f"key `{name}` is missing in `{what}`")
    elif isinstance(given, (list, tuple)):
        if len(given) != len(names):
            raise ValueError(f"Length of {what} does not match the number of arguments")
        found = list(given)
    else:
        raise TypeError("Only accept list of NDArrays or dict of str to NDArray")
    for array in found:
        if not isinstance(array, NDArray) and not (array is None and allow_missing):
            raise TypeError("Only accept list of NDArrays or dict of str to NDArray")
    return found


def requests_of(grad_req, names):
    """The request of each argument's gradient.

    Raises ValueError or TypeError for a `grad_req` that does not say them, KeyError for a request in a list or dict.
    """
    if isinstance(grad_req, str):
        if grad_req not in _REQUESTS:
            raise ValueError(explain("Unknown grad_req", expected=", ".join(_REQUESTS), given=repr(grad_req)))
        return [grad_req] * len(names)
    elif isinstance(grad_req, (list, tuple)):
        if len(grad_req) != len(names):
            raise ValueError(
                explain("grad_req has another length than the arguments", expected=len(names), given=len(grad_req))
            )
        found = list(grad_req)
    elif isinstance(grad_req, dict):
        found = [grad_req.get(name, "null") for name in names]
    else:
        raise TypeError("grad_req must be a string, a list or a dict")
    for request in found:
        if request not in _REQUESTS:
            raise KeyError(explain("Unknown grad_req", expected=", ".join(_REQUESTS), given=repr(request)))
    return found


def _devices(facts, ctx, group2ctx):
    """Node -> torch's device, where groups of nodes are on other devices than the executor."""
    group2ctx = group2ctx or {}
    home = ctx.torch_device()
    if all(other.torch_device() == home for other in group2ctx.values()):
        return {}
    return {
        id(node): group2ctx.get(node.attrs.get("__ctx_group__"), ctx).torch_device()
        for node in facts.order
        if not node.is_variable
    }


def executor(symbol, ctx, facts, args, grads, grad_req, requests, aux, group2ctx):
    """An executor on arrays of the shapes and dtypes that are known of a symbol's values.

    grad_req: as it was given, which the executor keeps; requests: what it says of each argument.
    """
    from tandem.mxnet.executor import Executor

    arrays = Arrays(facts, args, grads, requests, aux, _devices(facts, ctx, group2ctx))
    return Executor(arrays, symbol, ctx, grad_req, group2ctx)


def bind(symbol, ctx, args, args_grad, grad_req, aux_states, group2ctx, shared_exec):
    """See `Symbol.bind`."""
    _check_ctx(ctx)
    arguments, states = symbol.list_arguments(), symbol.list_auxiliary_states()
    args = _ordered(args, arguments, "args")
    requests = requests_of(grad_req, arguments)
    grads = [None] * len(args) if args_grad is None else _ordered(args_grad, arguments, "args_grad", True)
    aux = _ordered([] if aux_states is None else aux_states, states, "aux_states")
    facts = Facts(symbol._entries)
    written = auxiliary(facts.order)
    given, kept = iter(args), iter(aux)
    for node in facts.order:
        if node.is_variable:
            array = next(kept if id(node) in written else given)
            facts.give_shape(node, array.shape)
            facts.give_dtype(node, mxnet_dtype(array.dtype))
    facts.search(dtypes=True)
    for name, array, grad in zip(arguments, args, grads):
        if grad is not None and grad.shape != array.shape:
            raise MXNetError(
                explain(f"The gradient of {name} has another shape", expected=array.shape, given=grad.shape)
            )
    return executor(symbol, ctx, facts, args, grads, grad_req, requests, aux, group2ctx)


def simple_bind(
    symbol, ctx, grad_req, type_dict, stype_dict, group2ctx, shared_arg_names, shared_exec, shared_buffer, shapes
):
    """See `Symbol.simple_bind`."""
    _check_ctx(ctx)
    facts = Facts(symbol._entries)
    written = auxiliary(facts.order)
    variables = [node for node in facts.order if node.is_variable]
    try:
        for node in variables:
            if node.name in shapes:
                facts.give_shape(node, known(shapes[node.name]))
            if node.name in (type_dict or {}):
                facts.give_dtype(node, mxnet_dtype(type_dict[node.name]))
        facts.search(dtypes=True)
        if facts.default_dtypes():
            facts.search(dtypes=True)
        missing = [node for node in variables if not facts.is_whole(Entry(node))]
        if missing:
            listed = ", ".join(f"{node.name}: {facts.shape(Entry(node))}" for node in missing)
            raise MXNetError(
                explain(
                    "The shapes of some arguments do not follow", expected="shapes by name", given=f"unknown: {listed}"
                )
            )
        requests = requests_of(grad_req, symbol.list_arguments())
    except (MXNetError, KeyError, ValueError) as error:
        listed = "".join(f"{name}: {shape}, " for name, shape in shapes.items())
        raise RuntimeError(f"simple_bind error. Arguments:\n{listed}\n{error}") from error
    pool = _Pool(facts.order, ctx, group2ctx, stype_dict, shared_arg_names, shared_exec, shared_buffer)
    args, grads, aux = [], [], []
    requested = iter(requests)
    for node in variables:
        entry = Entry(node)
        shape, dtype = facts.shape(entry), NUMPY_TYPES[facts.dtype(entry)]
        if id(node) in written:
            aux.append(pool.array("aux", node, shape, dtype))
            continue
        args.append(pool.array("arg", node, shape, dtype))
        grads.append(None if next(requested) == "null" else pool.array("grad", node, shape, dtype))
    return executor(symbol, ctx, facts, args, grads, grad_req, requests, aux, group2ctx)


class _Pool:
    """Where arrays come from: another executor, a buffer that several share, or new memory."""

    def __init__(self, order, ctx, group2ctx, stypes, shared_names, shared_exec, buffer):
        self._ctx, self._groups, self._stypes = ctx, group2ctx or {}, stypes or {}
        self._by_rows = rows_in_gradients(order, self._stypes)
        self._buffer = buffer
        self._names = None if shared_names is None else set(shared_names)
        self._shared = {} if shared_exec is None else {
            "arg": shared_exec.arg_dict, "grad": shared_exec.grad_dict, "aux": shared_exec.aux_dict
        }  # fmt: skip

    def array(self, kind, node, shape, dtype):
        """An array for a variable; kind: 'arg', 'grad' or 'aux'."""
        name = node.name
        ctx = self._groups.get(node.attrs.get("__ctx_group__"), self._ctx)
        may_share = kind == "aux" or (self._names is None and not self._buffer) or (self._names and name in self._names)
        shared = self._shared.get(kind, {}).get(name) if may_share else None
        if shared is not None and shared.shape == tuple(shape) and shared.dtype == dtype:
            return shared
        stype = "default"
        if kind == "arg":
            stype = stype_of(node, self._stypes)
        elif kind == "grad" and id(node) in self._by_rows:
            stype = "row_sparse"
        if stype != "default":
            return ndarray.sparse.zeros(stype, shape, ctx=ctx, dtype=dtype)
        if self._buffer is not None and kind != "aux" and not may_share:
            return self._from_buffer(name if kind == "arg" else f"grad of {name}", shape, dtype, ctx)
        return ndarray.zeros(shape, ctx=ctx, dtype=dtype)

    def _from_buffer(self, name, shape, dtype, ctx):
        held = self._buffer.get(name)
        size = int(np.prod(shape))
        if held is not None and held.dtype == dtype and held.size >= size:
            return held if held.shape == tuple(shape) else held.reshape((-1,))[0:size].reshape(shape)
        made = self._buffer[name] = ndarray.zeros(shape, ctx=ctx, dtype=dtype)
        return made
