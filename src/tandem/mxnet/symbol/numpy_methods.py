"""Functions of `mx.sym.np` that are also methods of its symbols; the classic ones' methods these do not have."""

import numpy as onp

from tandem.core.errors import explain
from tandem.mxnet.symbol import methods, numpy_elementwise, numpy_products, numpy_reduce, numpy_shapes
from tandem.mxnet.symbol.numpy_symbol import _Symbol, apply, dtype_text, refuse_out
from tandem.mxnet.symbol.symbol import Symbol


def _reduction(operator):
    def method(self, axis=None, dtype=None, out=None, keepdims=False):
        refuse_out(operator, out)
        attrs = {"axis": axis, "dtype": dtype_text(dtype), "keepdims": keepdims}
        return apply(f"_np_{operator}", operator, (self,), attrs)

    method.__doc__ = f"`mx.sym.np.{operator}` of this symbol."
    return method


def _extreme(operator):
    def method(self, axis=None, out=None, keepdims=False):
        refuse_out(operator, out)
        return apply(f"_np_{operator}", operator, (self,), {"axis": axis, "keepdims": keepdims})

    method.__doc__ = f"`mx.sym.np.{operator}` of this symbol."
    return method


def _cumsum(self, axis=None, dtype=None, out=None):
    """The sums of all elements up to each one."""
    refuse_out("cumsum", out)
    return apply("cumsum", "cumsum", (self,), {"axis": axis, "dtype": dtype_text(dtype)})


def _dot(self, b, out=None):
    """The sum of products over the last axis of this and the last but one of b."""
    refuse_out("dot", out)
    return apply("_np_dot", "dot", (self, b))


def _repeat(self, repeats, axis=None):
    """Each element (or each entry of an axis) repeated in its place, so many times."""
    return apply("_np_repeat", "repeat", (self,), {"repeats": repeats, "axis": axis})


def _squeeze(self, axis=None):
    """Without the axes of size 1, or without those given."""
    return apply("_np_squeeze", "squeeze", (self,), {"axis": axis})


def _flatten(self, order="C"):
    """The elements in one dimension."""
    return self.reshape(-1, order=order)


def _item(self, key):
    """The part that basic indices name: whole numbers, slices and tuples of them.

    Of a symbol with several outputs one of these, by its number or name, or some.
    Raises IndexError for other indices: a symbol does not know how many axes it has.
    """
    if isinstance(key, str) or len(self) > 1:
        return Symbol.__getitem__(self, key)
    keys = key if isinstance(key, tuple) else (key,)
    begin, end, step, codes = [], [], [], []
    for one in keys:
        if isinstance(one, slice):
            begin.append(one.start)
            end.append(one.stop)
            step.append(one.step)
            codes.append(-2)  # keeps this axis
        elif isinstance(one, (int, onp.integer)) and not isinstance(one, bool):
            begin.append(int(one))
            end.append(None if one == -1 else int(one) + 1)
            step.append(1)
            codes.append(-3)  # leaves out this axis, of size 1
        else:
            raise IndexError(
                explain(
                    "Only integers, slices, and tuples of these are valid indices of symbols",
                    expected="x[0], x[1:3], x[:, 0]",
                    given=repr(key),
                )
            )
    part = apply("slice", "slice", (self,), {"begin": begin, "end": end, "step": step})
    if -3 not in codes:
        return part
    return apply("_npx_reshape", "reshape", (part,), {"newshape": (*codes, -4)})


def _missing(name):
    def method(self, *args, **kwargs):
        raise AttributeError(
            explain(
                f"_Symbol object has no attribute {name}",
                expected="mx.sym.np's and mx.sym.npx's functions",
                given=f"x.{name}(...)",
                hint=f"mx.sym.np.{name}(x) where NumPy has it; x.as_nd_ndarray().{name}(...) is the classic method.",
            ),
            name=name,
            obj=self,
        )

    method.__doc__ = "Raises AttributeError: only classic symbols have this method."
    return method


def attach():
    """Give `_Symbol` these methods."""
    found = {
        "__getitem__": _item,
        "sum": _reduction("sum"),
        "prod": _reduction("prod"),
        "max": _extreme("max"),
        "min": _extreme("min"),
        "cumsum": _cumsum,
        "dot": _dot,
        "repeat": _repeat,
        "squeeze": _squeeze,
        "flatten": _flatten,
        "mean": numpy_reduce.mean,
        "std": numpy_reduce.std,
        "var": numpy_reduce.var,
        "argmax": numpy_reduce.argmax,
        "argmin": numpy_reduce.argmin,
        "sort": numpy_reduce.sort,
        "argsort": numpy_reduce.argsort,
        "clip": numpy_elementwise.clip,
        "round": numpy_elementwise.around,
        "swapaxes": numpy_shapes.swapaxes,
        "expand_dims": numpy_shapes.expand_dims,
        "take": numpy_products.take,
    }
    for name, function in found.items():
        setattr(_Symbol, name, function)
    for name in [*methods.NAMES, "split_v2"]:
        if name not in found and name not in vars(_Symbol):
            setattr(_Symbol, name, _missing(name))
