"""MXNet's `.params` files (`nd.save`): a list of arrays, with names or without.

All numbers are little-endian. The file: uint64 0x112, uint64 0, the arrays (uint64 count, then each), the names (uint64
count, then each as uint64 length and UTF-8). An array:

    uint32  magic: 0xF993FAC9, or 0xF993FACA where shapes mean what they mean to NumPy ((), sizes of 0)
    int32   storage: 0 dense, 1 row_sparse, 2 csr
    shape   of the stored values; sparse only
    shape   int32 number of axes, int64 sizes
    int32   device type (1 CPU), int32 device number
    int32   dtype
    ...     for each index array (row_sparse: rows; csr: row starts, columns): int32 dtype, shape
    ...     the values in C order, then the index arrays

An array that was never filled ends after the shape, which has no axes. Older releases wrote arrays without storage
(magic 0xF993FAC8) and, before that, without a magic (uint32 number of axes, uint32 sizes).
"""

import math
import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tandem.core.errors import explain
from tandem.formats.limits import FormatError, Reader, named, whole
from tandem.formats.saving import atomic_write

__all__ = ["CSR", "ArrayFile", "FormatError", "RowSparse", "load", "read", "save", "write"]

_LIST = 0x112
_PLAIN, _WITH_STORAGE, _NUMPY = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_DTYPES = {
    0: np.dtype("<f4"),
    1: np.dtype("<f8"),
    2: np.dtype("<f2"),
    3: np.dtype("u1"),
    4: np.dtype("<i4"),
    5: np.dtype("i1"),
    6: np.dtype("<i8"),
    7: np.dtype("?"),
}
_FLAGS = {dtype: flag for flag, dtype in _DTYPES.items()}
_BFLOAT16 = 12
_SPARSE = {1: "row_sparse", 2: "csr"}


@dataclass
class RowSparse:
    """An array of which only some rows are stored: ``dense[indices] = values``, all else zero.

    shape: of the dense array; indices: (n,) of int64; values: (n, *shape[1:]).
    """

    shape: tuple
    indices: np.ndarray
    values: object


@dataclass
class CSR:
    """A matrix in compressed rows: row i has values[indptr[i]:indptr[i + 1]] in the columns indices[...].

    shape: (rows, columns); indptr: (rows + 1,) and indices: (n,) of int64; values: (n,).
    """

    shape: tuple
    indptr: np.ndarray
    indices: np.ndarray
    values: object


class ArrayFile(NamedTuple):
    """What a file holds.

    arrays: numpy arrays (bfloat16: torch tensors), `RowSparse`, `CSR`, or None for an array that was never filled;
    names: as many, or none; numpy_shapes: whether the file was written with NumPy's meaning of shapes (`mx.np`).
    """

    arrays: list
    names: list
    numpy_shapes: bool

    def by_name(self):
        """Name -> array. Of arrays with one name the last stays, as in MXNet."""
        return dict(zip(self.names, self.arrays, strict=True))


# --- reading ----------------------------------------------------------------------------------------------------------


def load(path):
    """The `ArrayFile` at a path.

    Raises FormatError for a file that is damaged or of another kind, OSError where it cannot be opened.
    """
    with whole(path) as file:
        return read(file, named(path))


def read(data, name=None):
    """The `ArrayFile` in some bytes or in a binary file; name: the file's, for messages.

    Raises FormatError for what is damaged or of another kind.
    """
    reader = Reader(data, name)
    magic, _ = reader.numbers("QQ", "the header")
    if magic != _LIST:
        given = f"{magic:#x}"
        raise FormatError(
            explain(
                "This is no file of MXNet arrays" if name is None else f"{name!r} is no file of MXNet arrays",
                expected=f"one that begins with {_LIST:#x}",
                given=given,
            )
        )
    arrays, numpy_shapes = [], False
    for index in range(reader.count("Q", 8, "arrays")):
        array, numpy = _array(reader, f"array {index}")
        arrays.append(array)
        numpy_shapes |= numpy
    names = [reader.name_text("Q", f"name {index}") for index in range(reader.count("Q", 8, "names"))]
    if names and len(names) != len(arrays):
        raise reader.broken("names and arrays do not match", f"{len(arrays)} names", len(names))
    return ArrayFile(arrays, names, numpy_shapes)


def _array(reader, what):
    """(an array, whether it was written with NumPy's shapes)."""
    magic = reader.number("I", what)
    storage = 0
    if magic in (_WITH_STORAGE, _NUMPY):
        storage = reader.number("i", f"the storage of {what}")
        if storage not in (0, *_SPARSE):
            raise reader.broken(f"{what} has an unknown storage", "0, 1 or 2", storage)
    stored = _shape(reader, what) if storage else None
    if magic in (_PLAIN, _WITH_STORAGE, _NUMPY):
        shape = _shape(reader, what, unknown=magic == _NUMPY)
    else:
        shape = reader.sizes("I", _axes_without_magic(reader, magic, what), what)
    if shape is None or (not shape and magic == _WITH_STORAGE):
        return None, magic == _NUMPY
    if not shape and magic != _NUMPY:
        raise reader.broken(f"{what} has no axes", "1 or more", 0)
    reader.numbers("ii", f"the device of {what}")
    flag = reader.number("i", f"the dtype of {what}")
    if storage:
        return _sparse(reader, _SPARSE[storage], stored, shape, flag, what), magic == _NUMPY
    return _values(reader, shape, flag, what), magic == _NUMPY


def _axes_without_magic(reader, axes, what):
    if not 1 <= axes <= 32:
        raise reader.broken(f"{what} begins with something unknown", "a magic number, or few axes", f"{axes:#x}")
    return axes


def _shape(reader, what, unknown=False):
    axes = reader.number("i", f"the shape of {what}")
    return None if axes == -1 and unknown else reader.sizes("q", axes, what)


def _values(reader, shape, flag, what):
    if flag != _BFLOAT16 and flag not in _DTYPES:
        raise reader.broken(f"{what} has an unknown dtype", f"one of {sorted([*_DTYPES, _BFLOAT16])}", flag)
    dtype = np.dtype("<i2") if flag == _BFLOAT16 else _DTYPES[flag]
    reader.need(math.prod(shape) * dtype.itemsize, f"{what}, of shape {shape},")
    # Truth values are read as bytes: one that is neither 0 nor 1 would be no valid bool in memory.
    array = np.empty(shape, np.uint8 if dtype == np.bool_ else dtype)
    reader.fill(array, what)
    if dtype == np.bool_:
        return array != 0
    if flag == _BFLOAT16:
        import torch

        return torch.from_numpy(array.astype(np.int16, copy=False)).view(torch.bfloat16)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _sparse(reader, kind, stored, shape, flag, what):
    rows = shape[0] if shape else 0
    if kind == "csr" and (len(shape) != 2 or len(stored) != 1):
        raise reader.broken(f"{what} is no csr matrix", "2 axes, and 1 of its values", f"{shape} and {stored}")
    if kind == "row_sparse" and (not shape or len(stored) != len(shape) or stored[1:] != shape[1:]):
        raise reader.broken(f"the rows of {what} do not fit its shape", f"(n, *{shape[1:]})", stored)
    headers = []
    for part in ("row starts", "columns") if kind == "csr" else ("row numbers",):
        index = reader.number("i", f"the dtype of the {part} of {what}")
        if index not in (4, 6):
            raise reader.broken(f"the {part} of {what} are no whole numbers", "dtype 4 or 6", index)
        size = _shape(reader, f"the {part} of {what}")
        if len(size) != 1:
            raise reader.broken(f"the {part} of {what} have a wrong shape", "1 axis", size)
        headers.append((size, index, f"the {part} of {what}"))
    count, expected = headers[-1][0][0], stored[0]
    if kind == "row_sparse" and not expected:
        # MXNet writes the number of rows that an array had when it was made, which may have been none.
        stored, expected = (count, *stored[1:]), count
    if count != expected:
        raise reader.broken(f"{headers[-1][2]} do not match its values", expected, count)
    values = _values(reader, stored, flag, f"the values of {what}")
    parts = [_values(reader, *header).astype(np.int64, copy=False) for header in headers]
    indices, limit = parts[-1], rows if kind == "row_sparse" else shape[1]
    if count and (indices.min() < 0 or indices.max() >= limit):
        raise reader.broken(f"{headers[-1][2]} are out of range", f"0 to {limit - 1}", indices.tolist()[:8])
    if kind == "row_sparse":
        return RowSparse(shape, indices, values)
    starts = parts[0]
    if len(starts) != rows + 1 or starts[0] != 0 or starts[-1] != count or (np.diff(starts) < 0).any():
        expected = f"{rows + 1} numbers that rise from 0 to {count}"
        raise reader.broken(f"{headers[0][2]} make no sense", expected, starts.tolist()[:8])
    return CSR(shape, starts, indices, values)


# --- writing ----------------------------------------------------------------------------------------------------------


def save(path, arrays, names=(), devices=None, numpy_shapes=False):
    """Write a file as a whole, see `write`; a file that was there stays if something goes wrong."""
    with atomic_write(path) as file:
        write(file, arrays, names, devices, numpy_shapes)


def write(file, arrays, names=(), devices=None, numpy_shapes=False):
    """Write arrays to a binary file object, byte for byte as MXNet 1.9.1 does.

    arrays: numpy arrays, torch tensors, `RowSparse`, `CSR` or None; names: as many, or none; devices: (type, number) to
    each array as MXNet numbers them, CPU 0 where it is not given; numpy_shapes: whether these are arrays of `mx.np`.
    Raises ValueError for a dtype that MXNet does not have, names that do not match, and an array without axes unless
    numpy_shapes.
    """
    arrays, names = list(arrays), list(names)
    if names and len(names) != len(arrays):
        raise ValueError(explain("Names and arrays do not match", expected=f"{len(arrays)} names", given=len(names)))
    file.write(struct.pack("<QQQ", _LIST, 0, len(arrays)))
    for index, array in enumerate(arrays):
        device = devices[index] if devices else (1, 0)
        _write_array(file, array, device, numpy_shapes)
    file.write(struct.pack("<Q", len(names)))
    for name in names:
        encoded = name.encode("utf-8")
        file.write(struct.pack("<Q", len(encoded)) + encoded)


def _write_array(file, array, device, numpy_shapes):
    magic = _NUMPY if numpy_shapes else _WITH_STORAGE
    if array is None:
        file.write(struct.pack("<Iii", magic, 0, -1 if numpy_shapes else 0))
        return
    if isinstance(array, (RowSparse, CSR)):
        _write_sparse(file, array, device, magic)
        return
    shape = tuple(array.shape)
    if not shape and not numpy_shapes:
        raise ValueError(explain("MXNet's arrays have an axis or more", expected="(1,), …", given="shape ()"))
    flag, raw = _raw(array)
    file.write(struct.pack("<Ii", magic, 0) + _packed_shape(shape))
    file.write(struct.pack("<iii", *device, flag))
    file.write(raw)


def _write_sparse(file, array, device, magic):
    rows = isinstance(array, RowSparse)
    parts = (array.indices,) if rows else (array.indptr, array.indices)
    parts = [np.ascontiguousarray(part, "<i8") for part in parts]
    flag, raw = _raw(array.values)
    file.write(struct.pack("<Ii", magic, 1 if rows else 2))
    file.write(_packed_shape(tuple(array.values.shape)) + _packed_shape(array.shape))
    file.write(struct.pack("<iii", *device, flag))
    for part in parts:
        file.write(struct.pack("<i", 6) + _packed_shape(part.shape))
    file.write(raw)
    for part in parts:
        file.write(part.data)


def _packed_shape(shape):
    return struct.pack(f"<i{len(shape)}q", len(shape), *shape)


def _raw(array):
    """(MXNet's number of the dtype, the values as bytes)."""
    if not isinstance(array, (np.ndarray, np.generic)):
        array = array.detach().cpu().contiguous()
        if str(array.dtype) == "torch.bfloat16":
            import torch

            return _BFLOAT16, array.view(torch.int16).numpy().astype("<i2", copy=False).reshape(-1).data
        array = array.numpy()
    dtype = array.dtype.newbyteorder("<")
    if dtype not in _FLAGS:
        known = ", ".join([*(known.name for known in _FLAGS), "bfloat16"])
        raise ValueError(explain("MXNet's files have no such dtype", expected=known, given=array.dtype.name))
    return _FLAGS[dtype], np.ascontiguousarray(array, dtype).reshape(-1).data
