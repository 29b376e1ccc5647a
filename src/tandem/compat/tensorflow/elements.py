"""What a dataset's elements are: tensors, or tuples and dicts of them; lists are tensors, as TensorFlow has it."""

import numpy as np
import torch

from tandem.compat.tensorflow._strings import StringTensor
from tandem.compat.tensorflow.ragged_rows import RaggedTensor
from tandem.compat.tensorflow.shapes import RaggedTensorSpec, SparseTensorSpec, TensorShape, TensorSpec
from tandem.compat.tensorflow.sparse_tensors import SparseTensor
from tandem.compat.tensorflow.tensor import adopt, convert
from tandem.core.errors import explain


def map_leaves(function, *structures):
    """A structure with a function applied to each leaf (of several structures: to their leaves side by side)."""
    first = structures[0]
    if isinstance(first, dict):
        return {key: map_leaves(function, *(one[key] for one in structures)) for key in first}
    if isinstance(first, tuple) and not isinstance(first, TensorShape):
        parts = [map_leaves(function, *parts) for parts in zip(*structures)]
        return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
    return function(*structures)


def leaves(structure):
    """The leaves of a structure."""
    found = []
    map_leaves(found.append, structure)
    return found


def filled(structure, parts):
    """A structure like another one, with other leaves."""
    rest = iter(parts)
    return map_leaves(lambda _: next(rest), structure)


def row(structure, number):
    """A row of each leaf."""
    return map_leaves(lambda leaf: leaf[number], structure)


def rows(structure, numbers):
    """Some rows of each leaf, one after the other."""
    start, count = numbers[0], len(numbers)
    run = numbers == list(range(start, start + count))

    def of(leaf):
        if isinstance(leaf, torch.Tensor):
            return leaf[start : start + count] if run else leaf[torch.tensor(numbers, device=leaf.device)]
        if isinstance(leaf, StringTensor):
            return StringTensor(leaf.array[numbers])
        if isinstance(leaf, RaggedTensor):
            return leaf.take(numbers)
        return _stacked([leaf[number] for number in numbers])

    return map_leaves(of, structure)


def structure(value):
    """A value with tensors for its leaves: arrays, numbers and lists."""
    return map_leaves(_leaf, value)


def _leaf(value):
    if isinstance(value, (SparseTensor, RaggedTensor)) or hasattr(value, "_make"):
        return value
    kind = type(value)
    if kind.__module__.split(".")[0] == "pandas":
        value = value.to_numpy()
        value = value if value.dtype != object else _sole_dtype(value)
    found = convert(value)
    return found.detach() if isinstance(found, torch.Tensor) and found.requires_grad else found


def _sole_dtype(array):
    """An array of objects as one of text or of numbers."""
    flat = array.reshape(-1)
    return array if len(flat) and isinstance(flat[0], (str, bytes)) else array.astype("float32")


def call(function, element):
    """A function of an element: a tuple's parts are its arguments."""
    return function(*element) if type(element) is tuple else function(element)


def apply(function, element):
    """`call`, and what it gives with tensors for leaves."""
    found = call(function, element)
    if isinstance(found, list):
        found = tuple(found)
    return structure(found) if found is not None else found


def spec_of(element):
    """The structure of the specs of an element."""
    return map_leaves(spec_of_leaf, element)


def spec_of_leaf(leaf, rows=False):
    """What a tensor, or with `rows` one of its rows, is like."""
    if isinstance(leaf, RaggedTensor):
        shape, depth = (tuple(leaf.shape)[1:], leaf.ragged_rank - 1) if rows else (leaf.shape, leaf.ragged_rank)
        return RaggedTensorSpec(shape, leaf.dtype, depth)
    if isinstance(leaf, SparseTensor):
        return SparseTensorSpec(leaf.shape[1:] if rows else leaf.shape, leaf.dtype)
    if not hasattr(leaf, "shape"):
        return leaf
    return TensorSpec(tuple(leaf.shape)[1:] if rows else tuple(leaf.shape), leaf.dtype)


def spec_of_batch(spec, size):
    """What a batch of `size` elements (None: of a number that differs) is like. None where a spec does not say it."""
    found = leaves(spec)
    if not all(isinstance(leaf, TensorSpec) for leaf in found):
        return None
    return map_leaves(lambda leaf: TensorSpec([size, *leaf.shape], leaf.dtype), spec)


def spec_after(spec, element, result):
    """What a function's results are like, by one of them: the size of a batch stays unknown where it was."""
    sizes = {
        leaf.shape[0]
        for wanted, leaf in zip(leaves(spec), leaves(element))
        if isinstance(wanted, TensorSpec) and tuple(wanted.shape)[:1] == (None,)
    }

    def of(leaf):
        found = spec_of_leaf(leaf)
        if isinstance(found, TensorSpec) and len(found.shape) and found.shape[0] in sizes:
            return TensorSpec([None, *found.shape[1:]], found.dtype)
        return found

    return map_leaves(of, result)


def as_numpy(element):
    """An element with NumPy's arrays for tensors."""
    return map_leaves(lambda leaf: leaf.numpy() if hasattr(leaf, "numpy") else leaf, element)


def stack(group):
    """Elements as one, with an axis more. Raises InvalidArgumentError where their shapes differ."""
    return map_leaves(lambda *parts: _stacked(parts), *group)


def _stacked(parts):
    first = parts[0]
    if isinstance(first, SparseTensor):
        from tandem.compat.tensorflow import _sparse

        sizes = np.max([part.sizes for part in parts], 0).tolist()
        parts = [_sparse.expand_dims(SparseTensor(part.indices, part.values, sizes), 0) for part in parts]
        return _sparse.concat(0, parts)
    if any(isinstance(part, RaggedTensor) for part in parts):
        from tandem.compat.tensorflow import _ragged

        return _ragged.stack(parts)
    if hasattr(first, "_make"):
        raise NotImplementedError(
            "A dataset of datasets is not batched: write flat_map(lambda window: window.batch(n))."
        )
    if len({tuple(part.shape) for part in parts}) > 1:
        from tandem.compat.tensorflow._errors import InvalidArgumentError

        raise InvalidArgumentError(
            explain(
                "Cannot batch tensors with different shapes",
                expected=str(list(first.shape)),
                given=", ".join(sorted({str(list(part.shape)) for part in parts})),
                hint="padded_batch and ragged_batch take them.",
            )
        )
    if isinstance(first, StringTensor):
        found = np.empty((len(parts), *first.shape), object)
        for number, part in enumerate(parts):
            found[number] = part.array if part.array.ndim else part.array.item()
        return StringTensor(found)
    return adopt(torch.stack(parts))


def stack_padded(group, shapes, values):
    """Elements of different sizes as one, filled up at their ends."""
    first = group[0]
    shapes = map_leaves(lambda leaf: None, first) if shapes is None else _spread(shapes, first, of_shapes=True)
    values = map_leaves(lambda leaf: None, first) if values is None else _spread(values, first)
    found = []
    for parts in zip(*(leaves(one) for one in group), leaves(shapes), leaves(values)):
        found.append(_padded(parts[:-2], parts[-2], parts[-1]))
    return filled(first, found)


def _spread(given, first, of_shapes=False):
    """What is given for all leaves, or by leaf: shapes are lists and `TensorShape`s."""
    if isinstance(first, dict):
        return {key: _spread(given[key] if isinstance(given, dict) else given, first[key], of_shapes) for key in first}
    if type(first) is tuple:
        by_leaf = isinstance(given, tuple) and not isinstance(given, TensorShape) and len(given) == len(first)
        return tuple(_spread(given[n] if by_leaf else given, part, of_shapes) for n, part in enumerate(first))
    return TensorShape(given) if of_shapes else given


def _padded(parts, shape, value):
    arrays = [np.asarray(part.array if isinstance(part, StringTensor) else part.numpy()) for part in parts]
    text = isinstance(parts[0], StringTensor)
    longest = [max(sizes) for sizes in zip(*(array.shape for array in arrays))]
    sizes = longest if shape is None else [a if b is None else b for a, b in zip(longest, shape)]
    if any(low > size for low, size in zip(longest, sizes)):
        raise ValueError(explain("An element is larger than its padded shape", expected=sizes, given=longest))
    value = (b"" if text else 0) if value is None else value.numpy() if hasattr(value, "numpy") else value
    value = value.encode() if isinstance(value, str) else value
    found = np.full((len(arrays), *sizes), value, arrays[0].dtype)
    for number, array in enumerate(arrays):
        found[(number, *(slice(0, size) for size in array.shape))] = array
    return StringTensor(found) if text else convert(found)


def stack_ragged(group):
    """Elements of different sizes as ragged tensors; those of one size without axes as tensors."""

    def one(*parts):
        if not len(parts[0].shape):
            return _stacked(parts)
        from tandem.compat.tensorflow import _ragged

        return _ragged.stack(parts)

    return map_leaves(one, *group)
