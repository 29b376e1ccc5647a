"""How the parameters of operators are written: their types, and what each accepts from Python and from JSON.

MXNet turns every parameter into a string and parses that, so "(2,2)", "True" and "None" are accepted everywhere, and
`-symbol.json` files hold nothing else.
"""

import ast
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tandem.core.dtypes import dtype_name, torch_dtype
from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError

REQUIRED = type("Required", (), {"__repr__": lambda self: "REQUIRED"})()


@dataclass(frozen=True)
class Attribute:
    """One parameter: how it is parsed, its default (REQUIRED: none), and the type's name for messages."""

    parse: Any
    default: Any = REQUIRED
    expected: str = ""

    def read(self, name, value, operator):
        """The parsed value.

        Raises MXNetError that names the operator and the parameter.
        """
        try:
            return self.parse(value)
        except (ValueError, TypeError, SyntaxError, KeyError):
            raise MXNetError(
                explain(
                    f"Parameter {name!r} of operator {operator} cannot be read",
                    expected=self.expected,
                    given=f"{name}={value!r}",
                )
            ) from None


def _literal(value) -> Any:
    return ast.literal_eval(value) if isinstance(value, str) else value


def _integer(value):
    value = _literal(value)
    if isinstance(value, (bool, np.bool_)) or int(value) != value:
        raise ValueError
    return int(value)


def _real(value):
    if isinstance(value, (bool, np.bool_)):
        raise ValueError
    if isinstance(value, str):
        # dmlc reads 'inf', 'nan' and plain numbers, as Python does.
        return float(value)
    return float(value)


_TRUE, _FALSE = {"true", "1"}, {"false", "0"}


def _flag(value):
    text = str(value).lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError


def _entry(value):
    return -1 if value is None else _integer(value)


def _sizes(value: Any):
    if isinstance(value, str):
        # "(2,2)", "[2, 2]", "2" and long integers as older files write them ("2L").
        value = ast.literal_eval(value.replace("L", "") or "()")
    if value is None:
        raise ValueError
    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, (int, np.integer)):
        return (int(value),)
    return tuple(_entry(item) for item in value)


def _reals(value: Any):
    value = _literal(value)
    if isinstance(value, (int, float, np.number)):
        return (float(value),)
    return tuple(float(item) for item in value)


def _optional(parse):
    def read(value):
        return None if value is None or (isinstance(value, str) and value == "None") else parse(value)

    return read


def integer(default=REQUIRED):
    """A whole number."""
    return Attribute(_integer, default, "an integer")


def optional_integer(default=None):
    """A whole number or None."""
    return Attribute(_optional(_integer), default, "an integer or None")


def real(default=REQUIRED):
    """A number."""
    return Attribute(_real, default, "a number")


def _single(value):
    return float(np.float32(_real(value)))


def single(default=REQUIRED):
    """A number that MXNet keeps in single precision, which shows where it is compared with double ones."""
    return Attribute(_single, default if default is REQUIRED else _single(default), "a number")


def optional_single(default=None):
    """A number as `single` keeps it, or None."""
    return Attribute(_optional(_single), default, "a number or None")


def optional_real(default=None):
    """A number or None."""
    return Attribute(_optional(_real), default, "a number or None")


def flag(default=REQUIRED):
    """True or False, also as 1, 0, 'True', 'false'."""
    return Attribute(_flag, default, "True or False")


def optional_flag(default=None):
    """True, False or None."""
    return Attribute(_optional(_flag), default, "True, False or None")


def sizes(default=REQUIRED):
    """A tuple of integers; one integer is a tuple of one, None among them is -1."""
    return Attribute(_sizes, default, "a tuple of integers")


def _bounds(value: Any):
    value = _literal(value)
    if value is None or isinstance(value, (int, np.integer)):
        value = (value,)
    return tuple(None if item is None else _integer(item) for item in value)


def bounds(default=REQUIRED):
    """A tuple of integers and None, which stays None: the ends of slices."""
    return Attribute(_bounds, default, "a tuple of integers and None")


def _pairs(value: Any):
    return tuple(_sizes(item) for item in _literal(value))


def pairs(default=REQUIRED):
    """A tuple of tuples of integers."""
    return Attribute(_pairs, default, "a tuple of tuples of integers")


def optional_sizes(default=None):
    """A tuple of integers, one integer, or None."""
    return Attribute(_optional(_sizes), default, "a tuple of integers, an integer or None")


def reals(default=REQUIRED):
    """A tuple of numbers."""
    return Attribute(_reals, default, "a tuple of numbers")


def optional_reals(default=None):
    """A tuple of numbers, or None."""
    return Attribute(_optional(_reals), default, "a tuple of numbers or None")


def text(default=REQUIRED):
    """A string."""
    return Attribute(str, default, "a string")


def choice(*names, default=REQUIRED):
    """One of some strings."""

    def read(value):
        if str(value) not in names:
            raise ValueError
        return str(value)

    return Attribute(read, default, "one of " + ", ".join(repr(name) for name in names))


def optional_choice(*names, default=None):
    """One of some strings, or None."""
    inner = choice(*names)
    return Attribute(_optional(inner.parse), default, inner.expected + " or None")


_MXNET_DTYPES = ("float32", "float64", "float16", "bfloat16", "uint8", "int32", "int8", "int64", "bool")


# What MXNet's C library calls its dtypes: custom operators get these numbers.
CODES = {
    torch.float32: 0,
    torch.float64: 1,
    torch.float16: 2,
    torch.uint8: 3,
    torch.int32: 4,
    torch.int8: 5,
    torch.int64: 6,
    torch.bool: 7,
    torch.bfloat16: 12,
}


def _dtype(value):
    name = dtype_name(value)
    if name not in _MXNET_DTYPES:
        raise ValueError
    return torch_dtype(name)


def dtype(default=REQUIRED):
    """A dtype, by name or as numpy writes it; parsed to torch's."""
    if isinstance(default, str):
        default = torch_dtype(default)
    return Attribute(_dtype, default, "one of " + ", ".join(_MXNET_DTYPES))


def optional_dtype(default=None):
    """A dtype or None."""
    return Attribute(_optional(_dtype), default, "None or one of " + ", ".join(_MXNET_DTYPES))


def _dtype_code(value):
    code = _integer(value)
    return None if code == -1 else {number: dtype for dtype, number in CODES.items()}[code]


def dtype_code(default=None):
    """A dtype as the number that MXNet's C library gives it; -1, which is None, leaves it open."""
    return Attribute(_dtype_code, default, "-1 or one of " + ", ".join(map(str, CODES.values())))
