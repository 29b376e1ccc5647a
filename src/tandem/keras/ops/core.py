"""Conversion, slices, scattering and control flow."""

import importlib

import numpy as np
import torch

from tandem.core import arrays
from tandem.core.dtypes import dtype_name
from tandem.core.errors import explain
from tandem.core.graph import Symbolic
from tandem.keras import backend, tensors, tree
from tandem.keras.ops.family import Family, spec, storage_dtype, tensor
from tandem.keras.symbolic import KerasTensor, as_specs, lift
from tandem.ops import arithmetic, mapping, scattering

NAMES = Family("keras.src.ops.core")


@NAMES.plain
def shape(x):
    """The shape of x, a tuple (None where a size is not known)."""
    return tuple(x.shape) if hasattr(x, "shape") else tuple(tensor(x).shape)


@NAMES.plain
def dtype(x):
    """The name of the dtype of x."""
    return backend.standardize_dtype(x.dtype)


@NAMES.plain
def is_tensor(x):
    """Whether x is a tensor of the backend: not an array, a variable or a symbolic value."""
    return isinstance(x, torch.Tensor)


def _spec_of(x, dtype):
    return spec(x.shape, x.dtype if dtype is None else dtype)


@NAMES.op("Cast", spec=lambda x, dtype: _spec_of(x, backend.standardize_dtype(dtype)))
def cast(x, dtype):
    """x in another dtype."""
    dtype = storage_dtype(backend.standardize_dtype(dtype))
    return tensor(x).to(dtype)


@NAMES.op("SaturateCast", spec=lambda x, dtype: _spec_of(x, backend.standardize_dtype(dtype)))
def saturate_cast(x, dtype):
    """x in another dtype, clipped to what that can hold."""
    return arithmetic.saturated(tensor(x), storage_dtype(backend.standardize_dtype(dtype)))


def _convert_spec(x, dtype=None, sparse=None, ragged=None):
    return _spec_of(x, dtype)


@NAMES.op("ConvertToTensor", spec=_convert_spec)
def convert_to_tensor(x, dtype=None, sparse=None, ragged=None):
    """x (number, list, array, `Variable`, tensor) as a tensor, of its own dtype or another."""
    if sparse:
        raise ValueError("`sparse=True` is not supported with torch backend")
    if ragged:
        raise ValueError("`ragged=True` is not supported with torch backend")
    return tensor(x, None if dtype is None else backend.standardize_dtype(dtype))


@NAMES.plain
def convert_to_numpy(x):
    """x as a NumPy array: of a variable a copy, which its next update leaves as it is."""
    changes = hasattr(x, "__torch_function__") and not isinstance(x, torch.Tensor)
    if changes or isinstance(x, arrays.Array):
        x = tensors.convert(x)
    if isinstance(x, torch.Tensor):
        x = x.detach().resolve_conj().cpu()
        if x.dtype is torch.bfloat16:
            return _bfloat16(x)
        return x.numpy().copy() if changes else x.numpy()
    if isinstance(x, (list, tuple)) and any(tensors.is_tensor(one) for one in x):
        return np.array([convert_to_numpy(one) for one in x])
    return np.array(x)


def _bfloat16(x):
    """A bfloat16 array where the package with NumPy's type for it is installed, else float32."""
    try:
        dtype = importlib.import_module("ml_dtypes").bfloat16
    except ImportError:
        return x.float().numpy()
    return x.float().numpy().astype(dtype)


@NAMES.op("StopGradient")
def stop_gradient(variable):
    """x, through which no gradient flows."""
    return tensor(variable).detach()


def _unstack_spec(x, num=None, axis=0):
    axis %= len(x.shape)
    count = x.shape[axis] if num is None else num
    if count is None:
        raise ValueError(
            f"Cannot infer argument `num` from shape {x.shape}. Either provide a tensor with a concrete shape in the "
            "`axis` dimension or explicitly pass the `num` argument."
        )
    rest = x.shape[:axis] + x.shape[axis + 1 :]
    return [spec(rest, x.dtype) for _ in range(count)]


@NAMES.op("Unstack", spec=_unstack_spec)
def unstack(x, num=None, axis=0):
    """The entries along an axis, a tuple of tensors."""
    x = tensor(x)
    if num is not None and num != x.shape[axis]:
        raise ValueError(explain("`num` is not the size of the axis", expected=x.shape[axis], given=f"num={num}"))
    return x.unbind(axis)


# --- slices and scattering -------------------------------------------------------------------------------------------


def _numbers(x):
    """Indices as a tuple of ints, or of tensors of which each gives one."""
    if isinstance(x, torch.Tensor) or hasattr(x, "__torch_function__"):
        return tuple(tensor(x).unbind(0))
    return tuple(one if isinstance(one, torch.Tensor) else int(one) for one in x)


@NAMES.op("Slice", ("inputs", "start_indices"), spec=lambda inputs, start_indices, shape: spec(shape, inputs.dtype))
def slice_(inputs, start_indices, shape):
    """The block of a shape that begins at the given indices; what lies outside is left out."""
    return scattering.block(tensor(inputs), _numbers(start_indices), tuple(int(size) for size in shape))


@NAMES.op("SliceUpdate", 3)
def slice_update(inputs, start_indices, updates):
    """`inputs` with a block of other values that begins at the given indices."""
    return scattering.with_block(tensor(inputs), _numbers(start_indices), tensor(updates))


@NAMES.op("Scatter", 2, spec=lambda indices, values, shape: spec(shape, values.dtype))
def scatter(indices, values, shape):
    """Zeros of a shape with the values added at the indices (..., axes indexed)."""
    return scattering.added(tensor(indices), tensor(values), tuple(int(size) for size in shape))


@NAMES.op("ScatterUpdate", 3)
def scatter_update(inputs, indices, updates, reduction=None):
    """`inputs` with other values at the indices (count, axes indexed); reduction: None, "add", "max", "min", "mul"."""
    if reduction not in (None, "add", "max", "min", "mul"):
        raise ValueError(f"Invalid reduction: {reduction}. Supported values are: None, 'add', 'max', 'min', 'mul'.")
    return scattering.updated(tensor(inputs), tensor(indices), tensor(updates), reduction)


# --- control flow ----------------------------------------------------------------------------------------------------


def _is_true(pred):
    return bool(pred.value if hasattr(pred, "__torch_function__") and not isinstance(pred, torch.Tensor) else pred)


def _specs_of(values):
    def one(leaf):
        leaf = leaf if isinstance(leaf, Symbolic) or hasattr(leaf, "shape") else tensor(leaf)
        return spec(leaf.shape, leaf.dtype)

    return arrays.map_tree(one, values)


def _cond_spec(pred, true_fn, false_fn):
    found, other = _specs_of(true_fn()), _specs_of(false_fn())
    left, right = arrays.leaves(found), arrays.leaves(other)
    if len(left) != len(right) or any(
        getattr(a, "shape", None) != getattr(b, "shape", None) for a, b in zip(left, right)
    ):
        raise ValueError(
            "`true_fn` and `false_fn` should return outputs of the same kind (struct, dtype and shape). "
            f"Got {found} and {other} instead."
        )
    return found


@NAMES.op("Cond", 3, spec=_cond_spec)
def cond(pred, true_fn, false_fn):
    """``true_fn()`` where the condition holds, else ``false_fn()``: only one of them runs."""
    if isinstance(pred, torch.Tensor) and pred.is_meta:
        return true_fn()
    return true_fn() if _is_true(pred) else false_fn()


@NAMES.op(
    "Switch",
    ("index", "branches", "operands"),
    spec=lambda index, branches, *operands: _specs_of(branches[0](*operands)),
)
def switch(index, branches, *operands):
    """``branches[index](*operands)``, the index clipped to those that there are."""
    return branches[min(max(int(index), 0), len(branches) - 1)](*operands)


def _loop_vars(values):
    return arrays.map_tree(lambda leaf: tensor(leaf), values)


@NAMES.op("WhileLoop", ("loop_vars",), spec=lambda cond, body, loop_vars, maximum_iterations=None: _specs_of(loop_vars))
def while_loop(cond, body, loop_vars, maximum_iterations=None):
    """`loop_vars` after ``body`` has run on them while ``cond`` holds, at most so many times."""
    single = not isinstance(loop_vars, (list, tuple))
    values = _loop_vars((loop_vars,) if single else tuple(loop_vars))
    count = 0
    while (maximum_iterations is None or count < maximum_iterations) and _is_true(cond(*values)):
        found = body(*values)
        values = _loop_vars(tuple(found) if isinstance(found, (list, tuple)) else (found,))
        count += 1
    return values[0] if single else values


@NAMES.op("ForiLoop", ("init_val",), spec=lambda lower, upper, body_fun, init_val: _specs_of(init_val))
def fori_loop(lower, upper, body_fun, init_val):
    """`init_val` after ``value = body_fun(i, value)`` for i from `lower` to `upper`, which is left out."""
    value = init_val
    for i in range(int(lower), int(upper)):
        value = body_fun(i, value)
    return value


def _entry(values, index):
    return arrays.map_tree(lambda leaf: leaf[index], values)


def _stacked(items):
    """Trees of one structure as one tree of tensors with a new first axis."""
    return tree.map_structure(lambda *leaves: torch.stack([tensor(leaf) for leaf in leaves]), *items)


def _prepend(size, values):
    return arrays.map_tree(lambda leaf: spec((size, *leaf.shape), leaf.dtype), values)


def _map_spec(f, xs):
    first = arrays.leaves(xs)[0]
    given = arrays.map_tree(lambda leaf: KerasTensor(leaf.shape[1:], dtype_name(leaf.dtype)), xs)
    return _prepend(first.shape[0], _specs_of(f(given)))


@NAMES.op("Map", ("f", "xs"), spec=_map_spec)
def map_(f, xs):
    """``f`` of each entry of the first axis (of all tensors of a structure at once), stacked."""
    xs = _loop_vars(xs)
    count = arrays.leaves(xs)[0].shape[0]
    return _stacked([f(_entry(xs, i)) for i in range(count)])


@NAMES.op("VectorizedMap", ("elements",), spec=lambda function, elements: _map_spec(function, elements))
def vectorized_map(function, elements):
    """`map`, all entries at once."""
    return mapping.over_first_axis(function, _loop_vars(elements))


def _scan_length(xs, length):
    leaves = arrays.leaves(xs)
    if not leaves:
        if length is None:
            raise ValueError("Got no `xs` to scan over and `length` not provided.")
        return int(length)
    sizes = {leaf.shape[0] for leaf in leaves}
    if len(sizes) > 1 or (length is not None and int(length) not in sizes):
        raise ValueError(explain("The lengths to scan over differ", expected=length, given=sorted(sizes)))
    return sizes.pop()


def _scan_spec(f, init, xs=None, length=None, reverse=False, unroll=1):
    count = _scan_length(xs, length)
    given = None
    if xs is not None:
        given = arrays.map_tree(lambda leaf: KerasTensor(leaf.shape[1:], dtype_name(leaf.dtype)), xs)
    carry, y = f(arrays.map_tree(lambda leaf: KerasTensor(leaf.shape, dtype_name(leaf.dtype)), init), given)
    return _specs_of(carry), _prepend(count, _specs_of(y))


@NAMES.op("Scan", ("f", "init", "xs"), spec=_scan_spec)
def scan(f, init, xs=None, length=None, reverse=False, unroll=1):
    """(the last carry, the stacked outputs) of ``carry, y = f(carry, x)`` over the first axis of xs.

    unroll: how many steps compiled loops join; here there is no loop to unroll.
    """
    if not callable(f):
        raise TypeError(f"`f` should be a callable. Received: f={f}")
    if not isinstance(unroll, (int, bool)) or (not isinstance(unroll, bool) and unroll < 1):
        raise ValueError(f"`unroll` must be a bool or a positive integer. Received: unroll={unroll}")
    count = _scan_length(xs, length)
    carry = _loop_vars(init)
    xs = None if xs is None else _loop_vars(xs)
    outputs = []
    for i in reversed(range(count)) if reverse else range(count):
        carry, y = f(carry, None if xs is None else _entry(xs, i))
        carry = _loop_vars(carry)
        outputs.append(y)
    if reverse:
        outputs.reverse()
    if not outputs or outputs[0] is None:
        return carry, None
    return carry, _stacked(outputs)


def _elements_spec(f, elems, reverse=False, axis=0):
    return as_specs(_specs_of(elems))


@NAMES.op("AssociativeScan", ("f", "elems"), spec=_elements_spec)
def associative_scan(f, elems, reverse=False, axis=0):
    """``y[i] = f(y[i - 1], x[i])`` for an associative f of two slices, by halving: log2(n) rounds."""
    if not callable(f):
        raise TypeError(f"`f` should be a callable. Received: f={f}")
    values = _loop_vars(elems)
    sizes = {leaf.shape[axis] for leaf in arrays.leaves(values)}
    if len(sizes) > 1:
        raise ValueError(
            "Array inputs to associative_scan must have the same first dimension. "
            f"(saw: {[tuple(leaf.shape) for leaf in arrays.leaves(values)]})"
        )
    return mapping.associative_scan(f, values, reverse=reverse, axis=axis, map_tree=tree.map_structure)


def _computed_with_gradient(f, *args):
    return mapping.with_gradient(f, [tensor(one) if _is_array(one) else one for one in args])


_with_gradient = lift(_computed_with_gradient, "CustomGradient", ("args",), module=NAMES.module)


@NAMES.plain
def custom_gradient(f):
    """A decorator: ``f(*args)`` returns ``(outputs, grad)``, and ``grad(*args, upstream=...)`` is its gradient."""

    def with_gradient(*args):
        return _with_gradient(f, *args)

    with_gradient.__name__ = getattr(f, "__name__", "custom_gradient")
    with_gradient.__doc__ = f.__doc__
    return with_gradient


def _is_array(x):
    return isinstance(x, (np.ndarray, arrays.Array)) or tensors.is_tensor(x)


@NAMES.plain
def vectorize(pyfunc, *, excluded=None, signature=None):
    """A function that maps `pyfunc` over the elements (or, with a `signature`, the leading axes) of its arguments."""
    if not callable(pyfunc):
        raise ValueError(f"Expected argument `pyfunc` to be a callable. Received: pyfunc={pyfunc}")
    left_out = set(excluded or ())

    def vectorized(*args, **kwargs):
        prepared = [one if i in left_out else tensor(one) for i, one in enumerate(args)]
        kwargs = {key: one if key in left_out else tensor(one) for key, one in kwargs.items()}
        mapped = [i for i in range(len(args)) if i not in left_out]

        def function(*values, **named):
            full = list(prepared)
            for place, value in zip(mapped, values):
                full[place] = value
            return pyfunc(*full, **kwargs, **named)

        return mapping.vectorized(function, [prepared[i] for i in mapped], signature)

    vectorized.__name__ = getattr(pyfunc, "__name__", "vectorized")
    vectorized.__doc__ = pyfunc.__doc__
    return vectorized
