"""The small parts of HDF5 files: shapes, types, attributes, links, layouts and filters of arrays."""

import math
import struct
import zlib

import numpy as np

from tandem.formats.limits import LONGEST_NAME, MOST_AXES, MOST_ELEMENTS, MOST_UNPACKED

MOST_GROWTH = MOST_UNPACKED  # times that what is stored can grow when it is read
_DEFLATE, _SHUFFLE, _CHECKSUM = 1, 2, 3


def text(file, raw, what):
    """Bytes as text."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise file.broken(f"a text in {what!r} cannot be read", "UTF-8", f"{raw[:40]!r} ({error.reason})") from None


def texts(file, value, what):
    """The value of an attribute as a list of texts."""
    if isinstance(value, np.ndarray) and not value.size:
        return []  # numpy gives an empty list a dtype of numbers
    values = value if isinstance(value, list) else None
    if values is None or not all(isinstance(item, str) for item in values):
        raise file.broken(f"{what} is no list of names", "texts", repr(value)[:80])
    return values


def part_of_path(file, raw, what):
    """Bytes as the name of something in a group."""
    name = text(file, raw, what)
    if not name or "/" in name or name in (".", ".."):
        raise file.broken(f"a name in {what!r} is none", "text without '/'", repr(name))
    return name


class _Parts:
    """Numbers from the beginning of some bytes to their end."""

    def __init__(self, file, data, what):
        self.file, self.data, self.what, self.at = file, data, what, 0

    def take(self, count):
        if not 0 <= count <= len(self.data) - self.at:
            raise self.file.broken(f"a part of {self.what!r} is cut off", f"{count} bytes", len(self.data) - self.at)
        self.at += count
        return self.data[self.at - count : self.at]

    def numbers(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))

    def number(self, form):
        return self.numbers(form)[0]

    def wrong(self, what, expected, given):
        return self.file.broken(f"{what} of {self.what!r}", expected, given)


def shape(file, data, what):
    """The sizes that a dataspace says; None for one without any element."""
    parts = _Parts(file, data, what)
    version, rank = parts.numbers("BB")
    if version not in (1, 2) or rank > MOST_AXES:
        raise parts.wrong("the shape", f"version 1 or 2, up to {MOST_AXES} axes", f"version {version}, {rank} axes")
    if version == 1:
        parts.take(6)
    elif parts.numbers("BB")[1] == 2:
        return None
    return parts.numbers(f"{rank}Q")


def _head(parts):
    kind, b0, b1, _, size = parts.numbers("BBBBI")
    return kind & 15, b0 | b1 << 8, size


def number_type(file, data, what):
    """The numpy dtype of numbers; truth values are bool, and two bytes without a meaning are uint16."""
    found = _type(file, data, what)
    if not isinstance(found, np.dtype):
        raise file.broken(f"{what!r} holds no numbers", "an array of numbers", "texts or parts of several kinds")
    return found


def _type(file, data, what):
    """A numpy dtype; ("text", size) for texts of one size, ("texts",) for those of any; None for what is not read."""
    parts = _Parts(file, data, what)
    kind, bits, size = _head(parts)
    order = ">" if bits & 1 else "<"
    if kind == 0 and size in (1, 2, 4, 8):
        offset, precision = parts.numbers("HH")
        if (offset, precision) == (0, 8 * size):
            return np.dtype(f"{order}{'i' if bits & 8 else 'u'}{size}")
    elif kind == 1 and size in (2, 4, 8):
        found = parts.numbers("HHBBBBI")
        usual = {2: (10, 5, 0, 10, 15), 4: (23, 8, 0, 23, 127), 8: (52, 11, 0, 52, 1023)}
        if found == (0, 8 * size, *usual[size]) and not bits & 0x40:
            return np.dtype(f"{order}f{size}")
        if found == (0, 16, 7, 8, 0, 7, 127):  # bfloat16
            return np.dtype(f"{order}u2")
    elif kind == 3:
        return ("text", size)
    elif kind == 5 and size in (1, 2):
        return np.dtype(f"<u{size}")
    elif kind == 8:
        base = _type(file, data[8:], what)
        if bits == 2 and isinstance(base, np.dtype) and base.itemsize == 1:
            return np.dtype(bool)
        return base
    elif kind == 9 and bits & 15 == 1:
        return ("texts",)
    return None


def attribute(file, data, what):
    """(name, value) of an attribute: a text, a number, a list of texts, an array; None for another kind of value."""
    parts = _Parts(file, data, what)
    version, flags, *sizes = parts.numbers("BBHHH")
    if version not in (1, 2, 3):
        raise parts.wrong("an attribute", "version 1 to 3", version)
    if version == 3:
        parts.take(1)
    padded = [(size + 7) // 8 * 8 if version == 1 else size for size in sizes]
    raw, kind, space = (parts.take(size)[:real] for size, real in zip(padded, sizes))
    if len(raw) > LONGEST_NAME:
        raise parts.wrong("the name of an attribute", f"up to {LONGEST_NAME} bytes", f"{len(raw)} bytes")
    name = text(file, raw.split(b"\0")[0], what)
    if version > 1 and flags & 3:
        return name, None
    sizes, found = shape(file, space, what), _type(file, kind, what)
    if sizes is None or found is None:
        return name, None
    count = math.prod(sizes)
    width = found.itemsize if isinstance(found, np.dtype) else found[1] if len(found) == 2 else 16
    if count > MOST_ELEMENTS or (count and width > len(data) // count):
        raise parts.wrong(f"the attribute {name!r}", f"{count} values of {width} bytes", f"{len(data)} bytes")
    values = parts.take(count * width)
    if isinstance(found, np.dtype):
        array = np.frombuffer(values, found).reshape(sizes).astype(found.newbyteorder("="))
        return name, array.item() if not sizes else array
    if len(found) == 2:
        items = [
            text(file, values[at : at + width].split(b"\0")[0], what) for at in range(0, count * width, width or 1)
        ]
    else:
        items = []
        for length, at, index in struct.iter_unpack("<IQI", values):
            raw = file.heap_object(at, index, f"the attribute {name!r} of {what!r}") if length else b""
            items.append(text(file, raw[:length].split(b"\0")[0], what))
    return name, items if sizes else items[0]


def link(file, data, what):
    """(name, address) of a link in a header; the address is None where it does not point into this file."""
    parts = _Parts(file, data, what)
    version, flags = parts.numbers("BB")
    if version != 1:
        raise parts.wrong("a link", "version 1", version)
    kind = parts.number("B") if flags & 8 else 0
    parts.take(8 * bool(flags & 4) + bool(flags & 16))
    length = int.from_bytes(parts.take(1 << (flags & 3)), "little")
    if length > LONGEST_NAME:
        raise parts.wrong("a name", f"up to {LONGEST_NAME} bytes", f"{length} bytes")
    name = part_of_path(file, parts.take(length), what)
    return name, parts.number("Q") if kind == 0 else None


def layout(file, data, what):
    """(kind, address or bytes, size, sizes of a piece) of an array's values."""
    parts = _Parts(file, data, what)
    version = parts.number("B")
    if version in (1, 2):
        rank, kind = parts.numbers("BB")
        parts.take(5)
        at = parts.number("Q") if kind else None
        sizes = parts.numbers(f"{rank}I")
        if kind == 0:
            return "compact", parts.take(parts.number("I")), None, None
        if kind == 1:
            return "plain", at, math.prod(sizes), None
        return "chunked", at, None, sizes
    if version not in (3, 4):
        raise parts.wrong("the layout", "version 1 to 4", version)
    kind = parts.number("B")
    if kind == 0:
        return "compact", parts.take(parts.number("H")), None, None
    if kind == 1:
        at, size = parts.numbers("QQ")
        return "plain", at, size, None
    if kind == 2 and version == 3:
        rank = parts.number("B")
        at = parts.number("Q")
        return "chunked", at, None, parts.numbers(f"{rank}I")
    raise parts.wrong("the layout", "values in one place or in pieces", f"version {version}, kind {kind}")


def filters(file, data, what):
    """The filters that an array's pieces went through: a list of (number, values)."""
    if data is None:
        return []
    parts, found = _Parts(file, data, what), []
    version, count = parts.numbers("BB")
    if version not in (1, 2):
        raise parts.wrong("the filters", "version 1 or 2", version)
    parts.take(6 if version == 1 else 0)
    for _ in range(count):
        number = parts.number("H")
        length = parts.number("H") if version == 1 or number >= 256 else 0
        _, values = parts.numbers("HH")
        parts.take(length if version == 2 else (length + 7) // 8 * 8)
        found.append((number, parts.numbers(f"{values}I")))
        parts.take(4 * (values % 2) if version == 1 else 0)
        if number not in (_DEFLATE, _SHUFFLE, _CHECKSUM):
            raise parts.wrong("a filter", "deflate (gzip), shuffle or fletcher32", f"number {number}")
    return found


def unfilter(file, data, filters, skipped, wanted, what):
    """A piece as it was before the filters: `wanted` bytes."""
    for index, (number, values) in reversed(list(enumerate(filters))):
        if skipped >> index & 1:
            continue
        if number == _DEFLATE:
            unpacker = zlib.decompressobj()
            try:
                data = unpacker.decompress(data, wanted + 4)
            except zlib.error as error:
                raise file.broken(f"a piece of {what!r} cannot be decompressed", "deflated bytes", error) from None
        elif number == _CHECKSUM:
            data, stored = data[:-4], data[-4:]
            found = checksum(data)
            # Old libraries wrote the bytes of each half the other way round.
            swapped = (found & 0x00FF00FF) << 8 | (found >> 8) & 0x00FF00FF
            if int.from_bytes(stored, "little") not in (found, swapped):
                raise file.broken(f"a piece of {what!r} is damaged", "the bytes of its checksum", "other ones")
        elif values and values[0] > 1 and len(data) % values[0] == 0:
            data = np.frombuffer(data, np.uint8).reshape(values[0], -1).T.tobytes()
    if len(data) != wanted:
        raise file.broken(f"a piece of {what!r} has a wrong size", f"{wanted} bytes", f"{len(data)} bytes")
    return data


def checksum(data):
    """Fletcher's sum of bytes as HDF5 has it: of 16 bits each, modulo 65535; Fletcher, 1982."""
    words = np.frombuffer(data, ">u2", len(data) // 2)
    first = second = 0
    for start in range(0, len(words), 1 << 18):
        part = words[start : start + (1 << 18)].astype(np.uint64)
        whole = int(part.sum())
        second += first * len(part) + int(np.dot(part, np.arange(len(part), 0, -1, dtype=np.uint64)))
        first += whole
    if len(data) % 2:
        first += data[-1] << 8
        second += first
    first, second = (value and (value - 1) % 65535 + 1 for value in (first, second))
    return second << 16 | first
