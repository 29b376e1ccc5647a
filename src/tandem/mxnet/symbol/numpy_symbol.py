"""Symbols of `mx.np` arrays, and how the functions of `mx.sym.np` make them."""

import numpy as onp

from tandem.core.errors import explain
from tandem.mxnet.ndarray.ndarray import mxnet_dtype
from tandem.mxnet.operators.table import OPERATORS
from tandem.mxnet.symbol import compose
from tandem.mxnet.symbol.symbol import Symbol

NUMBERS = (int, float, bool, onp.generic)


class _Symbol(Symbol):
    """A symbol of `mx.np` arrays: arithmetic broadcasts, and reads like NumPy's."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def _check_input(cls, value, operator, name):
        """Raise TypeError for a classic symbol."""
        if not isinstance(value, _Symbol):
            raise TypeError(
                explain(
                    f"Operator `{operator}` is known as `{name}` in Python: a numpy operator, which can only accept"
                    " symbols of MXNet numpy arrays",
                    expected="a symbol of mx.sym.np",
                    given=repr(value),
                    hint="as_np_ndarray() makes one.",
                )
            )

    def reshape(self, *shape, **kwargs):
        """The elements in another shape."""
        if len(shape) == 1 and not isinstance(shape[0], int):
            shape = shape[0]
        attrs = {"newshape": tuple(shape) or kwargs["newshape"], "order": kwargs.get("order", "C")}
        return apply("_np_reshape", "reshape", (self,), attrs)

    def transpose(self, *axes):
        """The axes in another order."""
        axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return apply("_np_transpose", "transpose", (self,), {"axes": axes})

    @property
    def T(self):
        """The axes in reverse order."""
        return self.transpose()

    def astype(self, dtype, **kwargs):
        """The values in another dtype."""
        return apply("Cast", "cast", (self,), {"dtype": dtype})


def apply(name, hint, inputs=(), attrs=None):
    """A symbol of an operator.

    hint: what automatic names are made of; attrs: those that are None are left out.
    Raises TypeError for a classic symbol among the inputs.
    """
    row = OPERATORS[name]
    given = {key: value for key, value in (attrs or {}).items() if value is not None}
    return compose.apply(row, _Symbol, hint, inputs, given, None, None, row.variadic is not None)


# Function -> (operator of two, of one and a number, of a number and one), all behind "_npi_".
_PLAIN = ("add", "multiply", "maximum", "minimum", "hypot", "equal", "not_equal", "lcm", "bitwise_and", "bitwise_or")
_PLAIN += ("bitwise_xor",)
_MIRRORED = {"greater": "less", "greater_equal": "less_equal", "less": "greater", "less_equal": "greater_equal"}
_REFLECTED = ("subtract", "true_divide", "mod", "power", "arctan2", "copysign", "ldexp")
BINARY = {
    **{name: (name, f"{name}_scalar", f"{name}_scalar") for name in _PLAIN},
    **{name: (name, f"{name}_scalar", f"r{name}_scalar") for name in _REFLECTED},
    **{name: (name, f"{name}_scalar", f"{other}_scalar") for name, other in _MIRRORED.items()},
}


def binary(name, x1, x2):
    """A function of two symbols, of one and a number, or of numbers alone (NumPy's).

    Raises TypeError for what is neither.
    """
    both, right, left = BINARY[name]
    if isinstance(x1, Symbol) and isinstance(x2, Symbol):
        return apply(f"_npi_{both}", name, (x1, x2))
    for one, number, operator in ((x1, x2, right), (x2, x1, left)):
        if isinstance(one, Symbol) and isinstance(number, NUMBERS):
            attrs = {"scalar": float(number)}
            if "is_int" in OPERATORS[f"_npi_{operator}"].attributes:
                attrs["is_int"] = number is x2 and isinstance(number, (int, onp.integer))
            return apply(f"_npi_{operator}", operator, (one,), attrs)
    if isinstance(x1, NUMBERS) and isinstance(x2, NUMBERS):
        return getattr(onp, name)(x1, x2)
    raise TypeError(f"type {type(x1)} and {type(x2)} not supported")


for _python, _name in (
    ("add", "add"), ("sub", "subtract"), ("mul", "multiply"), ("truediv", "true_divide"), ("mod", "mod"),
    ("pow", "power"), ("eq", "equal"), ("ne", "not_equal"), ("gt", "greater"), ("ge", "greater_equal"), ("lt", "less"),
    ("le", "less_equal"),
):  # fmt: skip
    setattr(_Symbol, f"__{_python}__", lambda self, other, _name=_name: binary(_name, self, other))
    setattr(_Symbol, f"__r{_python}__", lambda self, other, _name=_name: binary(_name, other, self))
# Numbers are taken for floating point ones on the left, but those of sums.
_Symbol.__radd__ = _Symbol.__add__
_Symbol.__neg__ = lambda self: binary("multiply", self, -1.0)
_Symbol.__abs__ = lambda self: apply("_npi_abs", "abs", (self,))
_Symbol.__matmul__ = lambda self, other: apply("_npi_matmul", "matmul", (self, other))


def refuse_out(name, out):
    """Raise TypeError where an array is given to write into."""
    if out is not None and not isinstance(out, Symbol):
        raise TypeError(explain(f"{name}() of symbols answers a new symbol", expected="out=None", given=repr(out)))


def dtype_text(dtype):
    """A dtype's name, or None where there is none."""
    return None if dtype is None else str(mxnet_dtype(dtype)).removeprefix("torch.")


def checked(value, name="data"):
    """The symbol itself.

    Raises AssertionError, as MXNet does, where it is none.
    """
    if not isinstance(value, Symbol):
        raise AssertionError(
            explain(f"Argument {name} must be a symbol", expected="a symbol of mx.sym.np", given=repr(value)[:200])
        )
    return value


def c_order(name, order):
    """Raise NotImplementedError for another order of elements than C's."""
    if order != "C":
        raise NotImplementedError(explain(f"{name}() works in C order", expected="order='C'", given=repr(order)))
