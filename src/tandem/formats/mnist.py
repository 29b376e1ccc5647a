"""The IDX files of MNIST and its like: arrays of numbers, plain or compressed by gzip.

Two zero bytes, the type, the number of axes, then their sizes and the values; numbers are big-endian.
http://yann.lecun.com/exdb/mnist/
"""

import gzip
import io
import math
import os
import struct
import zlib

import numpy as np

from tandem.formats.limits import MOST_AXES, MOST_UNPACKED, broken, named

_DTYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_GZIP = b"\x1f\x8b"
_PIECE = 1 << 20


def read(path, axes=None):
    """The array in a file; axes: how many it must have.

    The header's sizes are checked against the file's before anything of that size is made.
    Raises FormatError for a file that is damaged or of another kind, OSError where it cannot be opened.
    """
    name = named(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        packed = file.read(2) == _GZIP
        file.seek(0)
        if not packed:
            return _array(file, size, axes, name)
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _array(unpacked, size * MOST_UNPACKED, axes, name)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise broken(name, "it cannot be decompressed", "a whole gzip file", error) from error


def _array(file, size, axes, name):
    head = file.read(4)
    if len(head) < 4:
        raise broken(name, "it has no header", "4 bytes or more", f"{len(head)} bytes")
    zeros, kind, rank = struct.unpack(">HBB", head)
    if zeros or kind not in _DTYPES or rank != (axes or rank) or not 1 <= rank <= MOST_AXES:
        expected = f"two zero bytes, a type of {sorted(_DTYPES)}, {axes or f'1 to {MOST_AXES}'} axes"
        raise broken(name, "it does not begin as an IDX file does", expected, f"{zeros:#06x}, {kind}, {rank} axes")
    raw = file.read(4 * rank)
    if len(raw) < 4 * rank:
        raise broken(name, "its sizes are cut off", f"{4 * rank} bytes", f"{len(raw)} bytes")
    shape, dtype = struct.unpack(f">{rank}I", raw), np.dtype(_DTYPES[kind])
    wanted = math.prod(shape) * dtype.itemsize
    if wanted > size:
        raise broken(name, "it is cut off", f"{wanted} bytes for the sizes {shape}", f"a file of {size} bytes at most")
    values = _read(file, wanted)
    if len(values) != wanted:
        given = f"{len(values)} bytes" + (" or more" if len(values) > wanted else "")
        raise broken(name, "its values do not fill its sizes", f"{wanted} bytes for the sizes {shape}", given)
    return np.frombuffer(values, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _read(file, wanted):
    """Up to `wanted` + 1 bytes, a piece at a time, so that memory grows with what is there."""
    buffer, left = io.BytesIO(), wanted + 1
    while left and (piece := file.read(min(left, _PIECE))):
        buffer.write(piece)
        left -= len(piece)
    return buffer.getbuffer()
