"""`mx.sym.np`: NumPy's functions on symbols, from the operators behind `mx.np`, and the symbols that they answer."""

import functools
import importlib

import numpy as onp

from tandem.core.errors import explain
from tandem.mxnet.operators.table import OPERATORS
from tandem.mxnet.symbol import compose, namespaces
from tandem.mxnet.symbol.symbol import Symbol

_NUMBERS = (int, float, bool, onp.generic)


class _Symbol(Symbol):
    """A symbol of `mx.np` arrays: arithmetic broadcasts, and reads like NumPy's."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def reshape(self, *shape, **kwargs):
        """The elements in another shape."""
        if len(shape) == 1 and not isinstance(shape[0], int):
            shape = shape[0]
        return _apply("_np_reshape", "reshape", (self,), {"newshape": tuple(shape) or kwargs["newshape"], "order": "C"})

    def transpose(self, *axes):
        """The axes in another order."""
        axes = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return _apply("_np_transpose", "transpose", (self,), {"axes": axes})

    @property
    def T(self):
        """The axes in reverse order."""
        return self.transpose()

    def astype(self, dtype, **kwargs):
        """The values in another dtype."""
        return _apply("Cast", "cast", (self,), {"dtype": dtype})


def _apply(name, hint, inputs, attrs=None):
    for value in inputs:
        if isinstance(value, Symbol) and not isinstance(value, _Symbol):
            raise TypeError(
                explain(
                    f"Operator `{name}` is known as `{hint}` in Python: a numpy operator, which can only accept symbols"
                    " of MXNet numpy arrays",
                    expected="a symbol of mx.sym.np",
                    given=repr(value),
                    hint="as_np_ndarray() makes one.",
                )
            )
    row = OPERATORS[name]
    return compose.apply(row, _Symbol, hint, inputs, attrs or {}, None, None, row.variadic is not None)


# Function -> (operator of two, of one and a number, of a number and one).
_BINARY = {
    "add": ("_npi_add", "_npi_add_scalar", "_npi_add_scalar"),
    "subtract": ("_npi_subtract", "_npi_subtract_scalar", "_npi_rsubtract_scalar"),
    "multiply": ("_npi_multiply", "_npi_multiply_scalar", "_npi_multiply_scalar"),
    "true_divide": ("_npi_true_divide", "_npi_true_divide_scalar", "_npi_rtrue_divide_scalar"),
    "mod": ("_npi_mod", "_npi_mod_scalar", "_npi_rmod_scalar"),
    "power": ("_npi_power", "_npi_power_scalar", "_npi_rpower_scalar"),
    "maximum": ("_npi_maximum", "_npi_maximum_scalar", "_npi_maximum_scalar"),
    "minimum": ("_npi_minimum", "_npi_minimum_scalar", "_npi_minimum_scalar"),
    "hypot": ("_npi_hypot", "_npi_hypot_scalar", "_npi_hypot_scalar"),
    "arctan2": ("_npi_arctan2", "_npi_arctan2_scalar", "_npi_rarctan2_scalar"),
    "copysign": ("_npi_copysign", "_npi_copysign_scalar", "_npi_rcopysign_scalar"),
    "equal": ("_npi_equal", "_npi_equal_scalar", "_npi_equal_scalar"),
    "not_equal": ("_npi_not_equal", "_npi_not_equal_scalar", "_npi_not_equal_scalar"),
    "greater": ("_npi_greater", "_npi_greater_scalar", "_npi_less_scalar"),
    "greater_equal": ("_npi_greater_equal", "_npi_greater_equal_scalar", "_npi_less_equal_scalar"),
    "less": ("_npi_less", "_npi_less_scalar", "_npi_greater_scalar"),
    "less_equal": ("_npi_less_equal", "_npi_less_equal_scalar", "_npi_greater_equal_scalar"),
}
_ALSO = {
    "divide": "true_divide",
    "remainder": "mod",
    "fabs": "abs",
    "invert": "bitwise_not",
    "round": "around",
    "round_": "around",
    "row_stack": "vstack",
    "deg2rad": "radians",
    "rad2deg": "degrees",
}


def _binary(name, x1, x2):
    both, right, left = _BINARY[name]
    if isinstance(x1, Symbol) and isinstance(x2, Symbol):
        return _apply(both, name, (x1, x2))
    for one, number, operator in ((x1, x2, right), (x2, x1, left)):
        if isinstance(one, Symbol) and isinstance(number, _NUMBERS):
            whole = isinstance(number, (int, onp.integer))
            attrs = {"scalar": float(number)}
            if "is_int" in OPERATORS[operator].attributes:
                attrs["is_int"] = whole
            return _apply(operator, f"{name}_scalar", (one,), attrs)
    raise TypeError(f"type {type(x1)} and {type(x2)} not supported")


def _function(name):
    def function(x1, x2, **kwargs):
        if kwargs.get("out") is not None:
            raise TypeError(explain(f"{name}() of symbols has no out="))
        return _binary(name, x1, x2)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{name}` of two symbols that broadcast, or of one and a number."
    return function


for _python, _name in (
    ("add", "add"), ("sub", "subtract"), ("mul", "multiply"), ("truediv", "true_divide"), ("mod", "mod"),
    ("pow", "power"), ("eq", "equal"), ("ne", "not_equal"), ("gt", "greater"), ("ge", "greater_equal"), ("lt", "less"),
    ("le", "less_equal"),
):  # fmt: skip
    setattr(_Symbol, f"__{_python}__", lambda self, other, _name=_name: _binary(_name, self, other))
    setattr(_Symbol, f"__r{_python}__", lambda self, other, _name=_name: _binary(_name, other, self))
_Symbol.__neg__ = lambda self: _apply("_npi_negative", "negative", (self,))
_Symbol.__abs__ = lambda self: _apply("_npi_abs", "abs", (self,))
_Symbol.__matmul__ = lambda self, other: _apply("_npi_matmul", "matmul", (self, other))

_NAMES = {
    **{name.removeprefix("_npi_"): name for name in OPERATORS if name.startswith("_npi_")},
    **{name.removeprefix("_np_"): name for name in OPERATORS if name.startswith("_np_")},
}
_PUBLIC = {name: full for name, full in _NAMES.items() if not name.endswith(("_scalar", "_scalar2"))}
_PUBLIC.update(zeros_like="zeros_like", ones_like="ones_like")
_LISTS = ("concatenate", "stack", "vstack", "hstack", "dstack", "column_stack")
_table = namespaces.Namespace("mxnet.symbol.numpy", _PUBLIC, lambda: _Symbol)


@functools.cache
def _of_list(name):
    def function(arrays, *args, **kwargs):
        row = OPERATORS[_PUBLIC[name]]
        names = [key for key in row.attributes if key != row.variadic]
        given = {**dict(zip(names, args)), **kwargs}
        return _apply(_PUBLIC[name], name, tuple(arrays), {key: value for key, value in given.items() if key != "out"})

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{name}` of a list of symbols."
    return function


def __getattr__(name):
    name = _ALSO.get(name, name)
    if name == "linalg":
        return importlib.import_module("tandem.mxnet.symbol.numpy_linalg")
    if name in _BINARY:
        return _function(name)
    if name in _LISTS:
        return _of_list(name)
    return _table.get(name, globals())


def __dir__():
    return sorted({*_table.names, *_BINARY, *_ALSO, "linalg"})
