"""MXNet's `.params` files: a list of arrays, with names or without.

All numbers are little-endian. The file: uint64 0x112, uint64 0, the arrays (uint64 count, then each), the names (uint64
count, then each as uint64 length and UTF-8). An array: uint32 magic, int32 storage type, its shape (int32 number of
axes, int64 sizes), int32 device type, int32 device number, int32 dtype, the values in C order. Files of older releases
have arrays without a storage type (magic 0xF993FAC8) or without a magic (uint32 number of axes, uint32 sizes); files
written with NumPy's shape semantics have the magic 0xF993FACA and may hold arrays without axes or values.
"""

import math
import os
import struct
import tempfile
from pathlib import Path

import torch

from tandem.core.dtypes import dtype_name
from tandem.core.errors import explain

LIST_MAGIC = 0x112
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_DTYPES = {
    0: torch.float32,
    1: torch.float64,
    2: torch.float16,
    3: torch.uint8,
    4: torch.int32,
    5: torch.int8,
    6: torch.int64,
    7: torch.bool,
    12: torch.bfloat16,
}
_FLAGS = {dtype: flag for flag, dtype in _DTYPES.items()}
_MOST_AXES = 32
_LONGEST_NAME = 1 << 16


class FormatError(ValueError):
    """A file that is not what it claims to be: cut off, damaged, or of another kind."""


class SparseArray(FormatError):
    """An array in sparse storage, which is not read yet."""


def _broken(what, expected, given):
    return FormatError(explain(f"The file is damaged: {what}", expected=expected, given=given))


class _Reader:
    """Bytes with a position; every read is checked against what is left."""

    def __init__(self, data):
        self.data, self.at = memoryview(data), 0

    @property
    def left(self):
        return len(self.data) - self.at

    def take(self, count, what):
        if count > self.left:
            raise _broken(f"{what} is cut off", f"{count} bytes", f"{self.left} bytes at position {self.at}")
        part = self.data[self.at : self.at + count]
        self.at += count
        return part

    def numbers(self, form, what):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form), what))

    def count(self, least, what):
        """A uint64 that says how many things follow, of `least` bytes each."""
        (count,) = self.numbers("Q", f"the number of {what}")
        if count * least > self.left:
            raise _broken(f"it claims {count} {what}", f"at most {self.left // least}", count)
        return count


def read(data):
    """(tensors, names) of a file's bytes; names is [] where the arrays have none.

    The tensors are copies. Raises FormatError for anything else than a whole file.
    """
    reader = _Reader(data)
    magic, _ = reader.numbers("QQ", "the header")
    if magic != LIST_MAGIC:
        raise FormatError(
            explain("This is no file of MXNet arrays", expected=f"it begins with {LIST_MAGIC:#x}", given=f"{magic:#x}")
        )
    tensors = [_array(reader) for _ in range(reader.count(4, "arrays"))]
    names = []
    for _ in range(reader.count(8, "names")):
        (length,) = reader.numbers("Q", "a name")
        if length > _LONGEST_NAME:
            raise _broken("it claims a very long name", f"at most {_LONGEST_NAME} bytes", f"{length} bytes")
        try:
            names.append(bytes(reader.take(length, "a name")).decode("utf-8"))
        except UnicodeDecodeError as error:
            raise _broken("a name is no text", "UTF-8", error) from None
    if names and len(names) != len(tensors):
        raise _broken("names and arrays do not match", f"{len(tensors)} names", len(names))
    return tensors, names


def _array(reader):
    (magic,) = reader.numbers("I", "an array")
    if magic in (_V2, _V3):
        (storage,) = reader.numbers("i", "a storage type")
        if storage in (1, 2):
            kind = {1: "row_sparse", 2: "csr"}[storage]
            raise SparseArray(explain(f"The file holds an array in {kind} storage, which is not read yet"))
        if storage != 0:
            raise _broken("unknown storage type", "0, 1 or 2", storage)
        shape = _shape(reader, signed=True)
    elif magic == _V1:
        shape = _shape(reader, signed=True)
    else:
        shape = _old_shape(reader, magic)
    empty = shape is None or (shape == () and magic != _V3)
    if empty:  # an array that was never filled: nothing but its shape is written
        return torch.zeros(0)
    reader.numbers("ii", "a device")
    (flag,) = reader.numbers("i", "a dtype")
    if flag not in _DTYPES:
        raise _broken("unknown dtype", f"one of {sorted(_DTYPES)}", flag)
    dtype = _DTYPES[flag]
    count = math.prod(shape)
    if count == 0:
        return torch.zeros(shape, dtype=dtype)
    raw = reader.take(count * torch.empty((), dtype=dtype).element_size(), f"an array of shape {shape}")
    return torch.frombuffer(bytearray(raw), dtype=dtype).reshape(shape)


def _checked(shape):
    total = 1
    for size in shape:
        if size < 0:
            raise _broken("a size is negative", "0 or more", shape)
        total *= size
    if total > 1 << 62:
        raise _broken("an array is too large", "less than 2^62 elements", shape)
    return shape


def _shape(reader, signed):
    (axes,) = reader.numbers("i", "a shape")
    if axes == -1:
        return None
    if not 0 <= axes <= _MOST_AXES:
        raise _broken("an array has impossible axes", f"0 to {_MOST_AXES}", axes)
    return _checked(reader.numbers("q" * axes, "a shape"))


def _old_shape(reader, axes):
    if axes > _MOST_AXES:
        raise _broken("an array begins with something unknown", "a magic number, or few axes", f"{axes:#x}")
    return _checked(reader.numbers("I" * axes, "a shape"))


def write(file, tensors, names=(), devices=None):
    """Write tensors to a binary file object.

    names: as many as there are tensors, or none; devices: (type, number) as MXNet numbers them, to each tensor.
    Raises ValueError for a dtype that MXNet does not have.
    """
    file.write(struct.pack("<QQQ", LIST_MAGIC, 0, len(tensors)))
    for index, tensor in enumerate(tensors):
        if tensor.dtype not in _FLAGS:
            raise ValueError(
                explain(
                    "MXNet's files have no such dtype",
                    expected=", ".join(dtype_name(dtype) for dtype in _FLAGS),
                    given=dtype_name(tensor.dtype),
                )
            )
        plain = tensor.dim() > 0 and tensor.numel() > 0
        file.write(struct.pack("<Iii", _V2 if plain else _V3, 0, tensor.dim()))
        file.write(struct.pack("<" + "q" * tensor.dim(), *tensor.shape))
        kind, number = devices[index] if devices else (1, 0)
        file.write(struct.pack("<iii", kind, number, _FLAGS[tensor.dtype]))
        if tensor.numel():
            values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            file.write(memoryview(values.numpy()))
    file.write(struct.pack("<Q", len(names)))
    for name in names:
        encoded = name.encode("utf-8")
        file.write(struct.pack("<Q", len(encoded)) + encoded)


def save(path, tensors, names=(), devices=None):
    """Write a file: into a temporary one beside it, which then takes its place, so that no half-written file stays."""
    path = Path(os.path.realpath(path))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    try:
        with os.fdopen(handle, "wb") as file:
            write(file, tensors, names, devices)
            file.flush()
            os.fsync(file.fileno())
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def load(path):
    """(tensors, names) of a file.

    Raises FormatError for a damaged file, OSError where it cannot be opened.
    """
    return read(Path(path).read_bytes())
