"""The IDX files of MNIST and its like: arrays of bytes, plain or compressed by gzip.

Two zero bytes, the type (8: unsigned bytes), the number of axes, then their sizes and the values; numbers are big-endian
with 4 bytes. http://yann.lecun.com/exdb/mnist/
"""

import gzip
import math
import os
import struct
import zlib

import numpy as np

from tandem.core.errors import explain

_BYTES = 8
_MOST_AXES = 4


def read(path, axes=None):
    """The array of uint8 in a file; axes: how many it must have.

    The header's sizes are checked against what follows before anything of that size is made.
    Raises ValueError for a file that is damaged or of another kind, OSError where it cannot be opened.
    """
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with (gzip.open if packed else open)(path, "rb") as file:
            zeros, kind, rank = struct.unpack(">HBB", file.read(4))
            if zeros or kind != _BYTES or not 1 <= rank <= _MOST_AXES or rank != (axes or rank):
                raise _damaged(path, f"bytes with {axes or f'1 to {_MOST_AXES}'} axes", f"type {kind}, {rank} axes")
            sizes = struct.unpack(f">{rank}I", file.read(4 * rank))
            wanted = math.prod(sizes)
            if not packed and wanted > os.path.getsize(path):
                raise _damaged(path, f"{wanted} bytes for the sizes {sizes}", f"{os.path.getsize(path)} bytes")
            values = _read(file, wanted)
    except (struct.error, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, "a header and as many bytes as it says", error) from error
    if len(values) != wanted:
        raise _damaged(path, f"{wanted} bytes for the sizes {sizes}", f"{len(values)} bytes or more")
    return np.frombuffer(values, np.uint8).reshape(sizes)


def _read(file, wanted):
    """Up to `wanted` + 1 bytes, a piece at a time: the header may lie."""
    pieces, left = bytearray(), wanted + 1
    while left and (piece := file.read(min(left, 1 << 20))):
        pieces += piece
        left -= len(piece)
    return pieces


def _damaged(path, expected, given):
    return ValueError(explain(f"{os.fspath(path)!r} is no whole IDX file", expected=expected, given=given))
