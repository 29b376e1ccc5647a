"""TFRecord files, and the `tf.train.Example` messages that they hold.

A record is its length (8 bytes, little-endian), a masked CRC-32C of these, its bytes, and a masked CRC-32C of them. A
message is protobuf's encoding of {name: list of bytes, floats or whole numbers}. All that a file claims is checked
against what is there before it is used.
"""

import gzip
import struct
import zlib

import numpy as np

from tandem.core.errors import explain
from tandem.formats.limits import FormatError

_POLYNOMIAL = 0x82F63B78
_MASK = 0xA282EAD8
_KINDS = {1: "bytes", 2: "float", 3: "int64"}
_FIELDS = {kind: number for number, kind in _KINDS.items()}


def _table():
    remainders = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        remainders.append(value)
    return remainders


_TABLE = _table()


def crc32c(data):
    """The CRC-32C (Castagnoli) of some bytes."""
    value = 0xFFFFFFFF
    table = _TABLE
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def _masked(data):
    value = crc32c(data)
    return (((value >> 15) | (value << 17)) + _MASK) & 0xFFFFFFFF


def _opened(path, mode, compression):
    if compression == "GZIP":
        return gzip.open(path, mode)
    if compression not in ("", "ZLIB"):
        raise ValueError(explain("Unknown compression of records", expected="'', 'GZIP' or 'ZLIB'", given=compression))
    return open(path, mode)


def read(path, compression="", check=False):
    """The records of a file, one by one, as bytes; lengths are always checked, and with `check` the bytes too.

    Raises FormatError where the file is damaged or ends inside a record, OSError where it cannot be opened.
    """
    with _opened(path, "rb", compression) as file:
        stream = _Inflating(file) if compression == "ZLIB" else file
        number = 0
        while True:
            head = _take(stream, 12, path, number, whole=False)
            if not head:
                return
            length, mark = struct.unpack("<QI", head)
            # A length is believed only with its checksum, so that nothing is allocated on a damaged one's word.
            if _masked(head[:8]) != mark:
                raise FormatError(explain(f"{path!s} is no TFRecord file, or damaged at record {number}"))
            data = _take(stream, length, path, number)
            (mark,) = struct.unpack("<I", _take(stream, 4, path, number))
            if check and _masked(data) != mark:
                raise FormatError(explain(f"{path!s} is damaged in record {number}"))
            yield data
            number += 1


def _take(stream, count, path, number, whole=True):
    """`count` bytes, read in pieces: a file that claims more than it has does not make us allocate it."""
    parts, left = [], count
    while left:
        try:
            part = stream.read(min(left, 1 << 20))
        except (OSError, EOFError, zlib.error) as error:
            raise FormatError(explain(f"{path!s} cannot be decompressed", given=error)) from None
        if not part:
            break
        parts.append(part)
        left -= len(part)
    if left and (whole or left != count):
        raise FormatError(explain(f"{path!s} ends inside record {number}", expected=f"{left} more bytes"))
    return b"".join(parts)


class _Inflating:
    """A stream of zlib's, a piece at a time."""

    def __init__(self, file):
        self._file, self._inflate = file, zlib.decompressobj()

    def read(self, count):
        while not self._inflate.eof:
            data = self._inflate.unconsumed_tail or self._file.read(1 << 16)
            part = self._inflate.decompress(data, count)
            if part or not data:
                return part
        return b""


class Writer:
    """Writes records into a file."""

    def __init__(self, path, compression=""):
        self._file = _opened(path, "wb", compression)
        self._deflate = zlib.compressobj() if compression == "ZLIB" else None

    def write(self, data):
        """Write one record, bytes."""
        head = struct.pack("<Q", len(data))
        self._put(head + struct.pack("<I", _masked(head)) + data + struct.pack("<I", _masked(data)))

    def _put(self, data):
        self._file.write(data if self._deflate is None else self._deflate.compress(data))

    def flush(self):
        """Write what is still in memory."""
        self._file.flush()

    def close(self):
        """Write the rest and close the file."""
        if self._file.closed:
            return
        if self._deflate is not None:
            self._file.write(self._deflate.flush())
        self._file.close()


# --- messages --------------------------------------------------------------------------------------------------------


def _varint(data, at):
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise FormatError(explain("A message is damaged", expected="a number of at most 10 bytes"))
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7


def _fields(data):
    """(number, wire type, value) of each field of a message: an int, or a view of the bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            value, at = data[at : at + size], at + size
        elif wire == 2:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        else:
            raise FormatError(explain("A message is damaged", given=f"a field of wire type {wire}"))
        if at > len(data):
            raise FormatError(explain("A message ends inside a field", expected=f"{at - len(data)} more bytes"))
        yield number, wire, value


def _inner(data, number):
    for field, wire, value in _fields(data):
        if field == number:
            if wire != 2:
                raise FormatError(explain("A message is no Example", given=f"field {field} of wire type {wire}"))
            yield value


def read_example(data):
    """The features of a message: a dict of name -> (kind, list) with kind "bytes", "float" or "int64", or name -> None.

    Raises FormatError for bytes that are no such message.
    """
    found = {}
    for features in _inner(memoryview(data), 1):
        found.update((name, _feature(memoryview(feature))) for name, feature in _entries(features))
    return found


def _entries(data):
    """(name, bytes) of each entry of a map."""
    for entry in _inner(data, 1):
        name, feature = b"", b""
        for number, wire, value in _fields(entry):
            if wire == 2 and number == 1:
                name = bytes(value)
            elif wire == 2 and number == 2:
                feature = value
        try:
            yield name.decode("utf-8"), feature
        except UnicodeDecodeError:
            raise FormatError(explain("A feature's name is no text", given=name[:40])) from None


def read_sequence_example(data):
    """(the features of the context, name -> list of features) of a `SequenceExample`'s bytes.

    Features are as `read_example` gives them. Raises FormatError for bytes that are no such message.
    """
    context, lists = {}, {}
    for number, wire, value in _fields(memoryview(data)):
        if wire != 2 or number not in (1, 2):
            continue
        for name, inner in _entries(value):
            if number == 1:
                context[name] = _feature(memoryview(inner))
            else:
                lists[name] = [_feature(one) for one in _inner(memoryview(inner), 1)]
    return context, lists


def _feature(data):
    found = None
    for number, wire, value in _fields(data):
        if number in _KINDS and wire == 2:
            found = (_KINDS[number], _list(value, _KINDS[number]))
    return found


def _list(data, kind):
    values = []
    for number, wire, value in _fields(data):
        if number != 1:
            continue
        if kind == "bytes" and wire == 2:
            values.append(bytes(value))
        elif kind == "float" and wire in (2, 5):
            if len(value) % 4:
                raise FormatError(explain("A list of floats is damaged", given=f"{len(value)} bytes"))
            values.extend(np.frombuffer(value, "<f4").tolist())
        elif kind == "int64" and wire == 0:
            values.append(_signed(value))
        elif kind == "int64" and wire == 2:
            at = 0
            while at < len(value):
                one, at = _varint(value, at)
                values.append(_signed(one))
        else:
            raise FormatError(explain(f"A list of {kind} is damaged", given=f"wire type {wire}"))
    return values


def _signed(value):
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _put_varint(value):
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _put(number, data):
    return _put_varint(number << 3 | 2) + _put_varint(len(data)) + data


def write_example(features):
    """A message of features, a dict as `read_example` gives it."""
    return _put(1, _written(features, _body))


def _written(entries, body):
    return b"".join(_put(1, _put(1, name.encode()) + _put(2, body(one))) for name, one in sorted(entries.items()))


def _body(feature):
    if feature is None:
        return b""
    kind, values = feature
    if kind == "bytes":
        inner = b"".join(_put(1, one) for one in values)
    elif kind == "float":
        inner = _put(1, np.asarray(values, "<f4").tobytes()) if values else b""
    else:
        inner = _put(1, b"".join(_put_varint(one) for one in values)) if values else b""
    return _put(_FIELDS[kind], inner)


def write_sequence_example(context, lists):
    """The bytes of a `SequenceExample`, of what `read_sequence_example` gives."""
    rows = _written(lists, lambda features: b"".join(_put(1, _body(one)) for one in features))
    return (_put(1, _written(context, _body)) if context else b"") + (_put(2, rows) if lists else b"")


# --- tensors ---------------------------------------------------------------------------------------------------------

# The numbers of dtypes in `TensorProto`; strings are 7.
_DTYPES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    8: "complex64",
    9: "int64",
    10: "bool",
    17: "uint16",
    18: "complex128",
    19: "float16",
    22: "uint32",
    23: "uint64",
}
_TEXT = 7


def write_tensor(array):
    """An array of numbers, or of bytes (dtype object), as the bytes of a `TensorProto`."""
    text = array.dtype == object
    number = _TEXT if text else {name: number for number, name in _DTYPES.items()}[array.dtype.name]
    shape = b"".join(_put(2, _put_varint(8) + _put_varint(size) if size else b"") for size in array.shape)
    head = _put_varint(8) + _put_varint(number) + _put(2, shape)
    if text:
        return head + b"".join(_put(8, one) for one in array.reshape(-1))
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return head + _put(4, little.tobytes())


def read_tensor(data):
    """The array that `write_tensor` wrote. Raises FormatError for bytes that are no such message."""
    number, sizes, content, texts = 0, [], b"", []
    for field, wire, value in _fields(memoryview(data)):
        if field == 1 and wire == 0:
            number = value
        elif field == 2 and wire == 2:
            sizes = [_size(dimension) for dimension in _inner(value, 2)]
        elif field == 4 and wire == 2:
            content = value
        elif field == 8 and wire == 2:
            texts.append(bytes(value))
    count = 1
    for size in sizes:
        count *= size
    if number == _TEXT and len(texts) == count:
        array = np.empty(count, object)
        array[:] = texts
        return array.reshape(sizes)
    if number in _DTYPES and len(content) == count * np.dtype(_DTYPES[number]).itemsize:
        kind = np.dtype(_DTYPES[number]).newbyteorder("<")
        return np.frombuffer(content, kind).astype(_DTYPES[number]).reshape(sizes)
    given = f"dtype number {number}, shape {sizes}, {len(content)} bytes, {len(texts)} texts"
    raise FormatError(explain("A message is no tensor", expected="the bytes of all values", given=given))


def _size(dimension):
    size = 0
    for field, wire, value in _fields(dimension):
        if field == 1 and wire == 0:
            size = _signed(value)
    if size < 0:
        raise FormatError(explain("A tensor's shape is not valid", expected="sizes >= 0", given=size))
    return size
