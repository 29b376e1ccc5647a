"""Casting the inputs of operators: which are computed in 16 bits, which in 32, and which in the widest they get.

The functions of `mx.nd` and the methods of arrays of the names in question are wrapped once; a wrapper does nothing
where no `Policy` holds. Operators that want one dtype and get several (`views.mixed`) have them all in the widest.
"""

import functools

import torch

from tandem.mxnet import ndarray, views
from tandem.mxnet.gluon import loss as losses
from tandem.mxnet.gluon.rnn import rnn_layer
from tandem.mxnet.ndarray.ndarray import NDArray, mxnet_dtype

_LOW = (torch.float16, torch.bfloat16)
_FLOATS = (*_LOW, torch.float32)


class Policy:
    """In which dtype operators compute.

    dtype: 'float16' or 'bfloat16'; low: names of operators that compute in it; full: in float32; conditional: (name,
    attribute, values): in float32 where the attribute has one of the values.
    """

    def __init__(self, dtype, low, full, conditional):
        self.dtype = mxnet_dtype(dtype)
        self.kinds = {**dict.fromkeys(full, torch.float32), **dict.fromkeys(low, self.dtype)}
        self.conditions = {}
        for name, attribute, values in conditional:
            self.conditions.setdefault(name, []).append((attribute, set(values)))

    def names(self):
        """The operators whose inputs are cast."""
        return {*self.kinds, *self.conditions}

    def dtype_of(self, name, attributes):
        """The dtype in which an operator computes, or None: in that of its inputs."""
        for attribute, values in self.conditions.get(name, ()):
            if attributes.get(attribute) in values:
                return torch.float32
        return self.kinds.get(name)


_everywhere = None  # of `amp.init`
_wrapped = set()


def current():
    """The policy that holds, or None."""
    return _everywhere


def hold(policy):
    """Have a policy hold from now on, in all threads."""
    global _everywhere
    _everywhere = policy
    _wrap(policy.names())


def cast(value, dtype):
    """An array of 16 or 32 bits in another dtype of these; anything else as it is."""
    if isinstance(value, NDArray) and value.stype == "default":
        now = value._tensor.dtype
        if now in _FLOATS and now is not dtype:
            return ndarray.amp_cast(value, dtype="float32" if dtype is torch.float32 else str(dtype).split(".")[-1])
    elif isinstance(value, (list, tuple)):
        return type(value)(cast(item, dtype) for item in value)
    return value


def _widen(name, tensors):
    if current() is None or any(tensor.dtype not in _FLOATS for tensor in tensors):
        raise views.dtype_error(name, tensors)
    kinds = {tensor.dtype for tensor in tensors}
    dtype = torch.float32 if len(kinds) > 1 else kinds.pop()
    return [tensor.to(dtype) for tensor in tensors]


def _casting(function, name):
    @functools.wraps(function)
    def operator(*args, **kwargs):
        policy = current()
        dtype = None if policy is None else policy.dtype_of(name, kwargs)
        if dtype is None:
            return function(*args, **kwargs)
        args = [cast(value, dtype) for value in args]
        kwargs = {key: value if key == "out" else cast(value, dtype) for key, value in kwargs.items()}
        return function(*args, **kwargs)

    return operator


def _in_full(klass):
    """Have the calls of a block's class take float32: it computes with tensors and not through `mx.nd`."""
    call = klass.__call__

    @functools.wraps(call)
    def __call__(self, *args, **kwargs):
        if current() is not None:
            args = [cast(value, torch.float32) for value in args]
        return call(self, *args, **kwargs)

    klass.__call__ = __call__


def _wrap(names):
    """Wrap the functions and methods of some operators, and what computes without them, once."""
    if not _wrapped:
        views.widen = _widen
        _in_full(losses.Loss)
        _in_full(rnn_layer._RNNLayer)
    for name in sorted(set(names) - _wrapped):
        for owner in (ndarray, ndarray.op, NDArray):
            function = getattr(owner, name, None)
            if callable(function):
                setattr(owner, name, _casting(function, name))
    _wrapped.update(names)
