"""Cheaper ways to make a given ATen call: torch's own Python bindings, and tensors in place of numbers."""

import torch

from tandem.core.dispatch import DispatchMode
from tandem.engine.record import Ref

aten = torch.ops.aten

_HOMES = (torch._C._VariableFunctions, torch._C._nn, torch.Tensor)


def binding(func, args, kwargs, concrete, storages):
    """Torch's Python binding that makes exactly the call `func(*args, **kwargs)`, else `func` itself.

    concrete: gives the tensor that a `Ref` among the arguments stands for; storages: which its number counts.
    A binding costs half of a generic operator call. Whether it makes the very same call is not assumed but seen: it is
    run under a mode that notes the call and does not make it, once for all calls on tensors of these forms.
    """
    try:
        key = id(func), _form((args, tuple(kwargs.items())), {}, storages)
        found = _known.get(key)
    except TypeError:  # an argument that has no hash
        return _sought(func, *_deep(concrete, (args, kwargs)))
    if found is None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        found = _known[key] = func, _sought(func, *_deep(concrete, (args, kwargs)))
    return found[1]


_known: dict = {}  # a function's id and the forms of its arguments -> (the function, what makes the call)
_MOST_KNOWN = 4096


def _form(value, seen, storages):
    """What of an argument decides which call a binding makes, hashable: of tensors all but their values.

    seen: which tensor it is -> its number, so that one that is given twice is told from two.
    """
    if type(value) is Ref:
        number = seen.setdefault((value.storage, value.offset), len(seen))
        return Ref, number, value.dtype, value.size, value.stride, storages[value.storage].device
    if isinstance(value, torch.Tensor):
        number = seen.setdefault(id(value), len(seen))
        return type(value), number, value.dtype, value.shape, value.stride(), value.device
    if isinstance(value, (list, tuple)):
        return type(value), *[_form(item, seen, storages) for item in value]
    return type(value), value


def _deep(function, tree):
    if isinstance(tree, Ref):
        return function(tree)
    if isinstance(tree, (list, tuple)):
        return type(tree)(_deep(function, item) for item in tree)
    if isinstance(tree, dict):
        return {key: _deep(function, item) for key, item in tree.items()}
    return tree


def _sought(func, args, kwargs):
    name = func._schema.name.split("::")[-1]
    for home in _HOMES:
        candidate = getattr(home, name, None)
        if candidate is not None and _calls_exactly(candidate, func, args, kwargs):
            return candidate
    return func


class _Probe(DispatchMode):
    """Notes the one ATen call that a binding makes, without making it."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls.append((func, args, kwargs or {}))
        raise _Seen


class _Seen(Exception):
    """Leaves a probed binding once its call is known."""


def _calls_exactly(candidate, func, args, kwargs):
    probe = _Probe()
    try:
        with torch.no_grad(), probe:
            candidate(*args, **kwargs)
    except _Seen:
        pass
    except (TypeError, RuntimeError, ValueError):
        return False
    if len(probe.calls) != 1:
        return False
    called, given, named = probe.calls[0]
    return called is func and _by_name(func, given, named) == _by_name(func, args, kwargs)


def _by_name(func, args, kwargs):
    """The call's arguments by name with defaults filled in, tensors as their identities, to compare two calls."""
    arguments = func._schema.arguments
    values = {a.name: a.default_value for a in arguments}
    values.update(zip((a.name for a in arguments), args, strict=False))
    values.update(kwargs)
    return {name: _comparable(value) for name, value in values.items()}


def _comparable(value):
    if isinstance(value, torch.Tensor):
        return ("tensor", id(value))
    if isinstance(value, (list, tuple)):
        return tuple(_comparable(item) for item in value)
    return value


# Overloads that take a number, and those that take a 0-d tensor in its place. Torch makes a tensor of a number in each
# call, which costs as much as two or three small calls.
_WITH_TENSOR = {
    getattr(getattr(aten, name), overload): getattr(getattr(aten, name), overload)
    for names, overloads in (
        (("mul", "add", "sub", "div"), ("Tensor", "out")),
        (("mul_", "add_", "sub_", "div_"), ("Tensor",)),
    )
    for name in names
    for overload in overloads
}
_WITH_TENSOR.update(
    {getattr(aten, name).Scalar_out: getattr(aten, name).Tensor_out for name in ("ge", "gt", "le", "lt", "eq", "ne")}
)
_WITH_TENSOR.update(
    {
        getattr(aten, name).Scalar: getattr(aten, name).Tensor
        for name in ("_foreach_mul", "_foreach_mul_", "_foreach_div_")
    }
)

_numbers: dict = {}


def with_tensor(func, args, dtype):
    """(func, args) with the number that is the second argument given as a tensor, where that changes no result.

    dtype: the first argument's (of a list, its first tensor's).
    """
    other = _WITH_TENSOR.get(func)
    exact = dtype in (torch.float32, torch.float64)
    if other is None or not exact or len(args) < 2 or type(args[1]) not in (int, float):
        return func, args
    key = (args[1], dtype)
    if key not in _numbers:
        _numbers[key] = torch.tensor(args[1], dtype=dtype)
    return other, [args[0], _numbers[key], *args[2:]]
