"""More of `tf` itself, `tf.bitwise` and `tf.sets`."""

import functools

import numpy as np
import torch

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow._strings import StringTensor
from tandem.compat.tensorflow.arrays import NAMES as ARRAYS
from tandem.compat.tensorflow.results import Unique, UniqueWithCounts
from tandem.compat.tensorflow.shape_vectors import Sizes
from tandem.compat.tensorflow.sparse_tensors import SparseTensor, spec_of
from tandem.compat.tensorflow.tensor import adopt, convert, convert_pair, ints, public, static, taker
from tandem.core.errors import explain
from tandem.core.graph import Symbolic
from tandem.keras import ops

NAMES = {}
add = taker(NAMES)


@add
def searchsorted(sorted_sequence, values, side="left", out_type=dtypes.int32):
    """Where values belong in a sorted row."""
    return ops.cast(
        ops.searchsorted(convert(sorted_sequence), convert(values), side=side), dtypes.as_dtype(out_type).name
    )


def _unique(x, out_idx, counts):
    x = convert(x)
    values = x.array if isinstance(x, StringTensor) else np.asarray(x)
    _, first, inverse, count = np.unique(values, return_index=True, return_inverse=True, return_counts=True)
    # In the order in which they come.
    order = np.argsort(first)
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    found = StringTensor(values[np.sort(first)]) if isinstance(x, StringTensor) else convert(values[np.sort(first)])
    kind = dtypes.as_dtype(out_idx)
    indices = convert(places[inverse.reshape(-1)], kind)
    return (found, indices, convert(count[order], kind)) if counts else (found, indices)


@add
def unique(x, out_idx=dtypes.int32):
    """(the different values in the order in which they come, each element's number among them)."""
    return Unique(*_unique(x, out_idx, False))


@add
def unique_with_counts(x, out_idx=dtypes.int32):
    """`unique`, and how often each comes."""
    return UniqueWithCounts(*_unique(x, out_idx, True))


@add
def dynamic_partition(data, partitions, num_partitions):
    """The rows of each of so many parts, a list."""
    data, partitions = convert(data), convert(partitions)
    return [data[partitions == number] for number in range(num_partitions)]


@add
def dynamic_stitch(indices, data):
    """Rows put together: each at its index, of several at one the last."""
    places = [np.asarray(convert(one)).reshape(-1) for one in indices]
    parts = [convert(one) for one in data]
    inner = tuple(parts[0].shape)[len(np.asarray(convert(indices[0])).shape) :]
    flat = ops.concatenate([ops.reshape(one, (-1, *inner)) for one in parts], axis=0)
    last = {}
    for number, place in enumerate(np.concatenate(places).tolist()):
        last[place] = number
    order = [last.get(place, 0) for place in range(max(last, default=-1) + 1)]
    return ops.take(flat, convert(np.asarray(order, "int64")), axis=0)


NAMES["parallel_dynamic_stitch"] = NAMES["dynamic_stitch"]


@add
def unravel_index(indices, dims):
    """The places along each axis of numbers that count through an array: (axes, numbers)."""
    indices = convert(indices)
    found = np.stack(np.unravel_index(np.asarray(indices), ints(dims)))
    return convert(found, dtypes.as_dtype(indices.dtype))


@add
def histogram_fixed_width_bins(values, value_range, nbins=100, dtype=dtypes.int32):
    """The number of the bin of each value; what is outside is in the first or the last one."""
    x = convert(values)
    low, high = (convert(one, dtypes.as_dtype(x.dtype)) for one in static(value_range))
    scaled = ops.divide(ops.subtract(x, low), ops.subtract(high, low))
    found = ops.floor(ops.multiply(scaled, float(nbins)))
    return ops.cast(ops.clip(found, 0, int(nbins) - 1), dtypes.as_dtype(dtype).name)


@add
def histogram_fixed_width(values, value_range, nbins=100, dtype=dtypes.int32):
    """How many values are in each of so many bins of one width."""
    places = ops.reshape(histogram_fixed_width_bins(values, value_range, nbins), (-1,))
    ones = ops.ones_like(places, dtype=dtypes.as_dtype(dtype).name)
    return ops.segment_sum(ones, places, int(nbins))


@add
def identity_n(input):
    """The values."""
    return [ARRAYS["identity"](one) for one in input]


@add
def shape_n(input, out_type=dtypes.int32):
    """The sizes of each tensor."""
    return [ARRAYS["shape"](one, out_type) for one in input]


@add
def parallel_stack(values):
    """`stack`."""
    return ARRAYS["stack"](values)


@add
def guarantee_const(input):
    """The value."""
    return ARRAYS["identity"](input)


@add
def grad_pass_through(f):
    """A function through which gradients flow as if it were none."""

    @functools.wraps(f)
    def through(*args, **kwargs):
        x = convert(args[0])
        found = convert(f(*args, **kwargs))
        return adopt(ops.add(x, ops.stop_gradient(ops.subtract(found, x))))

    return through


def recompute_grad(f):
    """The function: what its gradient needs is kept, which changes no number."""

    @functools.wraps(f)
    def inner(*args, **kwargs):
        return f(*args, **kwargs)

    return inner


NAMES["recompute_grad"] = recompute_grad


def get_static_value(tensor, partial=False):
    """The value as a NumPy array, None where there is none yet."""
    if isinstance(tensor, Symbolic) or tensor is None:
        return None
    if isinstance(tensor, Sizes):
        return tensor.numpy()
    value = convert(tensor)
    return None if isinstance(value, torch.Tensor) and value.is_meta else value.numpy()


NAMES["get_static_value"] = get_static_value
NAMES["make_ndarray"] = lambda tensor: np.asarray(tensor)
NAMES["make_tensor_proto"] = lambda values, dtype=None, shape=None, verify_shape=False: ARRAYS["constant"](
    values, dtype, shape
)


def fingerprint(data, method="farmhash64", name=None):
    """The Farmhash of each row as 8 bytes: (rows, 8), uint8."""
    from tandem.ops.hashing import fingerprint64

    if str(method) != "farmhash64":
        raise ValueError(explain("Unknown fingerprint method", expected="farmhash64", given=method))
    data = convert(data)
    if hasattr(data, "array"):
        rows = [fingerprint64(one).to_bytes(8, "little") for one in data.array.reshape(len(data), -1)[:, 0]]
        rows = [fingerprint64(one).to_bytes(8, "little") for one in rows]
    else:
        rows = [fingerprint64(np.ascontiguousarray(row).tobytes()).to_bytes(8, "little") for row in np.asarray(data)]
    return convert(np.frombuffer(b"".join(rows), "uint8").reshape(-1, 8).copy())


def type_spec_from_value(value):
    """What a value is like."""
    from tandem.compat.tensorflow import elements

    return spec_of(value) if isinstance(value, SparseTensor) else elements.spec_of_leaf(convert(value))


NAMES["type_spec_from_value"] = type_spec_from_value


class AggregationMethod:
    """How TensorFlow 1 added gradients; here there is one way."""

    ADD_N = DEFAULT = 0
    EXPERIMENTAL_TREE = 1
    EXPERIMENTAL_ACCUMULATE_N = 2


class DeviceSpec:
    """A device's name in its parts."""

    def __init__(self, job=None, replica=None, task=None, device_type=None, device_index=None):
        self.job, self.replica, self.task = job, replica, task
        self.device_type, self.device_index = device_type and device_type.upper(), device_index

    @classmethod
    def from_string(cls, spec):
        """The parts of a name."""
        found = cls()
        for part in filter(None, spec.split("/")):
            name, *rest = part.split(":")
            if name in ("job", "replica", "task"):
                setattr(found, name, rest[0] if name == "job" else int(rest[0]))
            else:
                kind = rest[0] if name == "device" else name
                found.device_type = kind.upper()
                found.device_index = int(rest[-1]) if rest[-1].isdigit() else None
        return found

    def to_string(self):
        """The name."""
        parts = [
            f"/{name}:{getattr(self, name)}" for name in ("job", "replica", "task") if getattr(self, name) is not None
        ]
        if self.device_type is not None:
            parts.append(f"/device:{self.device_type}:{'*' if self.device_index is None else self.device_index}")
        return "".join(parts)


NAMES.update(
    AggregationMethod=AggregationMethod,
    DeviceSpec=DeviceSpec,
    get_current_name_scope=lambda: "",
)


# --- bits ------------------------------------------------------------------------------------------------------------


def _bits(name, function):
    def compute(x, y):
        return function(*convert_pair(x, y, name))

    compute.__name__, compute.__doc__ = name, "Two whole numbers bit by bit."
    return public(compute)


BITWISE = {
    "bitwise_and": _bits("bitwise_and", ops.bitwise_and),
    "bitwise_or": _bits("bitwise_or", ops.bitwise_or),
    "bitwise_xor": _bits("bitwise_xor", ops.bitwise_xor),
    "invert": public(lambda x: ops.bitwise_not(convert(x))),
    "left_shift": _bits("left_shift", ops.left_shift),
    "right_shift": _bits("right_shift", ops.right_shift),
}


# --- sets ------------------------------------------------------------------------------------------------------------


def _rows(value):
    """(the sets of the last axis as lists by place, the shape before it, the dtype)."""
    if not isinstance(value, SparseTensor):
        from tandem.compat.tensorflow.sparse_tensors import from_dense

        value = convert(value)
        if hasattr(value, "array"):
            array = value.array
        else:
            array = np.asarray(value)
        rows = {place: list(dict.fromkeys(array[place].tolist())) for place in np.ndindex(array.shape[:-1])}
        return rows, array.shape[:-1], from_dense(value).dtype
    rows = {}
    for place, one in zip(value.places.tolist(), value.values.tolist(), strict=True):
        rows.setdefault(tuple(place[:-1]), []).append(one)
    return rows, value.sizes[:-1], value.dtype


def _sets(name, combine):
    def compute(a, b, validate_indices=True, aminusb=True):
        (first, shape, kind), (second, _, _) = _rows(a), _rows(b)
        if not aminusb:
            first, second = second, first
        found = {
            place: sorted(combine(set(first.get(place, ())), set(second.get(place, ()))))
            for place in np.ndindex(*shape)
        }
        longest = max(map(len, found.values()), default=0)
        places = [[*place, at] for place, row in found.items() for at in range(len(row))]
        flat = [one for row in found.values() for one in row]
        values = convert(flat, kind) if flat else convert(np.zeros(0, kind.as_numpy_dtype))
        return SparseTensor(np.array(places, "int64").reshape(len(flat), len(shape) + 1), values, [*shape, longest])

    compute.__name__, compute.__doc__ = name, f"The {name} of the sets that are the last axes, sparse."
    return compute


def size(a, validate_indices=True):
    """How many different values each set has."""
    rows, shape, _ = _rows(a)
    found = np.zeros(shape, "int32")
    for place, row in rows.items():
        found[place] = len(set(row))
    return convert(found)


SETS = {
    "difference": _sets("difference", set.difference),
    "intersection": _sets("intersection", set.intersection),
    "size": size,
    "union": _sets("union", set.union),
}
