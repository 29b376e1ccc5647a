"""ATen calls as loops over formulas."""

import functools
import inspect

import torch

from tandem.engine.native import rules_reduce, rules_updates, rules_windows
from tandem.engine.native.formulas import COMPARISONS, FORMULAS
from tandem.engine.native.lowering import FLOATS, Lowering, Unlowered
from tandem.engine.native.nests import DTYPES, Expr, cast, constant
from tandem.engine.record import Ref


def lower(recorded, bound, temporary):
    """The nests of a recorded call, or None where it is left to the library.

    bound: its arguments in the order of its schema.
    """
    name = recorded.func._schema.name.removeprefix("aten::")
    base = name[:-1] if name.endswith("_") else name
    if recorded.func._schema.returns and None in recorded.outputs and base != "native_batch_norm_backward":
        return None
    named = {a.name: value for a, value in zip(recorded.func._schema.arguments, bound)}
    lowering = Lowering(recorded, temporary)
    if any(ref.dtype not in DTYPES for ref in recorded.tensors() + recorded.results()):
        return None
    if any(name in named for name in ("out", "grad_input")) and "out" in recorded.func._overloadname:
        return None
    try:
        if base in _RULES:
            _RULES[base](lowering, **_wanted(_RULES[base], named, 1))
        elif base.startswith("_foreach_"):
            _foreach(lowering, base.removeprefix("_foreach_"), named, in_place=name.endswith("_"))
        elif base in FORMULAS or base in COMPARISONS:
            _elementwise(lowering, base, named, named["self"] if name.endswith("_") else recorded.outputs[0])
        else:
            return None
    except Unlowered:
        return None
    return lowering.nests


def _wanted(function, named, skip=0):
    return {name: named[name] for name in _parameters(function)[skip:] if name in named}


@functools.cache
def _parameters(function):
    return tuple(inspect.signature(function).parameters)


_REFUSED = {"rounding_mode", "layout"}


def _elementwise(lowering, base, named, out):
    formula = FORMULAS.get(base) or COMPARISONS[base]
    if not isinstance(out, Ref) or any(named.get(name) is not None for name in _REFUSED & named.keys()):
        raise Unlowered
    shape = tuple(out.size)
    arguments = _wanted(formula, named)
    dtype = out.dtype
    if base in COMPARISONS:
        dtype = _common_dtype(arguments["self"], arguments["other"])
    elif base not in _ANY_DTYPE and dtype not in FLOATS and base not in _EXACT:
        raise Unlowered
    arguments = {
        name: lowering.load(value, shape, None if base in _ANY_DTYPE else dtype) if isinstance(value, Ref) else value
        for name, value in arguments.items()
    }
    if base == "where":
        arguments["self"], arguments["other"] = (constant(arguments[name], dtype) for name in ("self", "other"))
    if base == "masked_fill":
        arguments["self"] = cast(arguments["self"], dtype)
    first = next(iter(arguments.values()))
    if not isinstance(first, Expr):
        if not isinstance(first, (int, float)):
            raise Unlowered
        arguments[next(iter(arguments))] = constant(first, dtype)
    for value in arguments.values():
        if isinstance(value, (list, tuple, complex)):
            raise Unlowered
    lowering.store(out, formula(**arguments))


# Operators that keep their arguments' dtypes, and those that are right for whole numbers and bools too.
_ANY_DTYPE = {"where", "masked_fill", "logical_not", "logical_and", "logical_or", "copy", "_to_copy", "clone"}
_EXACT = {"add", "sub", "mul", "fill", "zero", "neg"}


def _common_dtype(first, second):
    def stand_in(value):
        return torch.empty(value.size, dtype=value.dtype, device="meta") if isinstance(value, Ref) else value

    dtype = torch.result_type(stand_in(first), stand_in(second))
    if dtype not in DTYPES:
        raise Unlowered
    return dtype


def _foreach(lowering, base, named, in_place):
    if base not in FORMULAS:
        raise Unlowered
    lists = {name: value for name, value in named.items() if isinstance(value, (list, tuple))}
    count = len(named["self"])
    renamed = {"tensors1": "end", "weights": "weight"}
    renamed.update(dict.fromkeys(("scalars", "scalar"), _SCALARS.get(base)))
    for index in range(count):
        one = {}
        for name, value in named.items():
            name = renamed.get(name, name) or name
            one[name] = value[index] if name in lists or isinstance(value, (list, tuple)) else value
        out = named["self"][index] if in_place else lowering.call.outputs[index]
        _elementwise(lowering, base, one, out)


# What the formula calls the number, or the list of numbers, that a foreach operator takes.
_SCALARS = {
    "add": "other",
    "sub": "other",
    "mul": "other",
    "div": "other",
    "clamp_min": "min",
    "clamp_max": "max",
    "maximum": "other",
    "minimum": "other",
    "addcmul": "value",
    "addcdiv": "value",
}


_RULES = {**rules_reduce.RULES, **rules_windows.RULES, **rules_updates.RULES}
