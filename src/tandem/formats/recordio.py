"""RecordIO: files of records one after the other, with an index beside them, and the header that MXNet gives a record.

A record is written in one part or several, each: uint32 magic 0xCED7230A, uint32 kind << 29 | length, the bytes, zeros
up to a multiple of four. Kind 0 is a whole record. A record that has the magic in it (at a multiple of four bytes) is
cut there, the magic left out: kind 1 begins such a record, 2 goes on, 3 ends it. So the magic marks the beginning of a
part wherever a reader finds it.

The index has a line "key <tab> position" for each record. The header (IRHeader): uint32 flag, float32 label, uint64 id,
uint64 id2; with a flag above 0 as many float32 follow, and they are the label.
"""

import os
import struct
from collections import namedtuple

import numpy as np

from tandem.core.errors import explain
from tandem.formats.limits import LONGEST_LINE, broken, named

MAGIC = 0xCED7230A
_MARK = struct.pack("<I", MAGIC)
_LENGTH = (1 << 29) - 1
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_HEADER = struct.Struct("<IfQQ")

Header = namedtuple("HEADER", ["flag", "label", "id", "id2"])  # MXNet's name for it


class RecordReader:
    """Reads records one after the other (`read`, or by iteration) or at known positions (`read_at`).

    Raises FormatError for a damaged record, OSError where the file cannot be opened.
    """

    def __init__(self, path):
        self.name = named(path)
        self._file = open(path, "rb")  # noqa: SIM115 (`close` closes it)
        self._size = os.fstat(self._file.fileno()).st_size

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __iter__(self):
        while (record := self.read()) is not None:
            yield record

    def close(self):
        """Close the file; reading from it is an error from then on."""
        self._file.close()

    def tell(self):
        """The position of the next record, in bytes."""
        return self._file.tell()

    def seek(self, position):
        """Go to a record's position, or to the end of the file."""
        self._file.seek(position if position == self._size else self._inside(position))

    def read(self):
        """The next record, None at the end of the file."""
        position = self._file.tell()
        return None if position >= self._size else self._record(position, self._next)

    def read_at(self, position):
        """The record at a position.

        Where the system allows it, the file's own position is neither used nor moved, so that threads and forked
        processes may share a reader.
        """
        position = self._inside(position)
        if hasattr(os, "pread"):
            return self._record(position, self._anywhere)
        self._file.seek(position)
        return self._record(position, self._next)

    def _inside(self, position):
        if not 0 <= position < self._size:
            raise self._broken("no record can be at this position", f"less than {self._size}", position)
        return position

    def _next(self, position, count):
        return self._file.read(count)

    def _anywhere(self, position, count):
        return os.pread(self._file.fileno(), count, position)

    def _record(self, position, read):
        parts, expected = [], (_WHOLE, _FIRST)
        while True:
            kind, part, position = self._part(position, read)
            if kind not in expected:
                raise self._broken("the parts of a record are out of order", f"kind {expected}", f"kind {kind}")
            parts.append(part)
            if kind in (_WHOLE, _LAST):
                return parts[0] if kind == _WHOLE else _MARK.join(parts)
            expected = (_MIDDLE, _LAST)

    def _part(self, position, read):
        """(kind, bytes, position after it) of the part at a position."""
        head = read(position, 8)
        if len(head) < 8:
            raise self._broken("a record is cut off", "a magic number and a length", f"{len(head)} bytes at {position}")
        magic, word = struct.unpack("<II", head)
        if magic != MAGIC:
            raise self._broken(f"there is no record at position {position}", f"{MAGIC:#x}", f"{magic:#x}")
        length = word & _LENGTH
        padded = length + -length % 4
        left = self._size - position - 8
        if padded > left:
            raise self._broken("a record is cut off", f"{padded} bytes", f"{max(left, 0)} bytes at {position + 8}")
        part = read(position + 8, padded)
        if len(part) < padded:
            raise self._broken("a record is cut off", f"{padded} bytes", f"{len(part)} bytes at {position + 8}")
        return word >> 29, part[:length] if padded > length else part, position + 8 + padded

    def _broken(self, what, wanted, given):
        return broken(self.name, what, wanted, given)


class RecordWriter:
    """Writes records to a new file; raises OSError where it cannot be written, ValueError for too long a record.

    path: where it is, or a binary file that is open.
    """

    def __init__(self, path):
        self._file = path if hasattr(path, "write") else open(path, "wb")  # noqa: SIM115 (`close` closes it)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Finish the file."""
        self._file.close()

    def flush(self):
        """Hand what is written so far to the system."""
        self._file.flush()

    def tell(self):
        """The position that the next record will have."""
        return self._file.tell()

    def write(self, record):
        """Write one record (bytes)."""
        if len(record) > _LENGTH:
            raise ValueError(
                explain("The record is too long", expected=f"at most {_LENGTH} bytes", given=f"{len(record)} bytes")
            )
        record = bytes(record)
        cuts = _cuts(record)
        starts = [0, *(cut + 4 for cut in cuts)]
        for number, (start, stop) in enumerate(zip(starts, [*cuts, len(record)], strict=True)):
            kind = _WHOLE if not cuts else _FIRST if number == 0 else _LAST if number == len(cuts) else _MIDDLE
            length = stop - start
            self._file.write(struct.pack("<II", MAGIC, kind << 29 | length))
            self._file.write(record[start:stop])
            self._file.write(bytes(-length % 4))


def _cuts(record):
    """Where a record has the magic, at multiples of four bytes."""
    cuts, at = [], record.find(_MARK)
    while at >= 0:
        aligned = at % 4 == 0
        if aligned:
            cuts.append(at)
        at = record.find(_MARK, at + (4 if aligned else 1))
    return cuts


# --- the index --------------------------------------------------------------------------------------------------------


def read_index(path, size=None, key_type=int):
    """Key -> position, in the order of the file. size: of the file of records, to check the positions against.

    Raises FormatError for a line that is no pair of a key and a position inside the file, OSError where it cannot be
    opened.
    """
    index, name = {}, named(path)
    with open(path, "rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            if not line.strip(b"\r\n"):
                continue
            fields = line.rstrip(b"\r\n").split(b"\t")
            try:
                key, position = key_type(fields[0].decode("utf-8")), int(fields[1])
            except (ValueError, IndexError):
                raise broken(name, f"line {number} is no entry", "a key, a tab, a position", repr(line[:60])) from None
            if position < 0 or position % 4 or (size is not None and position >= size):
                limit = "" if size is None else f" below {size}"
                raise broken(name, f"line {number} has an impossible position", f"a multiple of 4{limit}", position)
            index[key] = position
    return index


def index_line(key, position):
    """The line of one record in an index."""
    return f"{key}\t{position}\n"


def positions(path):
    """The position of every record of a file, read from the file itself, for one that has lost its index.

    Raises FormatError for a damaged file.
    """
    found = []
    with RecordReader(path) as reader:
        while True:
            position = reader.tell()
            if reader.read() is None:
                return found
            found.append(position)


# --- the header -------------------------------------------------------------------------------------------------------


def pack(header, content):
    """A record of a header (flag, label, id, id2) and bytes; for a label of several numbers the flag is their count."""
    _, label, number, number2 = header
    if isinstance(label, (int, float, np.number)):
        return _HEADER.pack(0, label, number, number2) + content
    label = np.asarray(label, np.float32).reshape(-1)
    return _HEADER.pack(label.size, 0, number, number2) + label.astype("<f4").tobytes() + content


def unpack(record):
    """(header, bytes) of a record; the label is a float, or a float32 array where the flag is above 0.

    Raises FormatError for a record that is shorter than its header says.
    """
    if len(record) < _HEADER.size:
        raise broken(None, "a record has no header", f"{_HEADER.size} bytes or more", f"{len(record)} bytes")
    header = Header(*_HEADER.unpack_from(record))
    content = record[_HEADER.size :]
    if header.flag > 0:
        size = 4 * header.flag
        if size > len(content):
            raise broken(None, "the label of a record is cut off", f"{size} bytes", f"{len(content)} bytes")
        label = np.frombuffer(content, "<f4", header.flag).astype(np.float32)
        header, content = header._replace(label=label), content[size:]
    return header, content
