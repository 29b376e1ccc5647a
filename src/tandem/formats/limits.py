"""What a file may claim, and the reader through which every claim passes before it is believed.

A count, a length or a shape in a file is checked against the bytes that are left before anything of that size is made,
so that a damaged or malicious file costs no more memory than its own size.
"""

import io
import os
import struct
import zipfile
from pathlib import Path

from tandem.core.errors import explain

MOST_AXES = 32  # of an array; NumPy's own limit was 32 until 2.0
MOST_ELEMENTS = 1 << 59  # of an array, counting those that sparse storage leaves out; NumPy counts bytes in 63 bits
LONGEST_NAME = 1 << 16  # bytes
LONGEST_LINE = 1 << 12  # bytes, of a text file such as an index
MOST_UNPACKED = 1032  # bytes that one compressed byte can become in the deflate format
DEEPEST_TREE = 200  # groups inside groups, and values inside values of JSON
MOST_MEMBERS = 1 << 16  # files in an archive
LARGEST_CONFIG = 1 << 30  # bytes of JSON


class FormatError(ValueError):
    """A file that is not what it claims to be: cut off, damaged, or of another kind."""


def broken(name, what, expected, given, hint=None):
    """The error for a file that is damaged. name: the file's, or None; what: one clause that says what is wrong."""
    where = "The data" if name is None else f"The file {os.fspath(name)!r}"
    return FormatError(explain(f"{where} is damaged: {what}", expected=expected, given=given, hint=hint))


class Reader:
    """A binary stream of known size, with a position.

    data: bytes, or a binary file that is read from where it stands to its end; name: for messages.
    """

    def __init__(self, data, name=None):
        if isinstance(data, (bytes, bytearray, memoryview)):
            self._stream, self.left = io.BytesIO(data), memoryview(data).nbytes
        else:
            here = data.tell()
            self._stream, self.left = data, data.seek(0, os.SEEK_END) - here
            data.seek(here)
        self.name = name
        self.at = 0

    def broken(self, what, expected, given):
        """The error for this file."""
        return broken(self.name, what, expected, given)

    def need(self, count, what):
        """Check that `count` bytes are left for `what`."""
        if count > self.left:
            raise self.broken(f"{what} is cut off", f"{count} bytes", f"{self.left} bytes at position {self.at}")

    def take(self, count, what):
        """The next `count` bytes."""
        self.need(count, what)
        part = self._stream.read(count)
        self._moved(len(part), count, what)
        return part

    def fill(self, array, what):
        """Read the values of a numpy array; check with `need` before making it."""
        self.need(array.nbytes, what)
        if array.nbytes:
            self._moved(self._stream.readinto(memoryview(array).cast("B")), array.nbytes, what)

    def _moved(self, count, wanted, what):
        if count != wanted:  # the file has become shorter since it was opened
            raise self.broken(f"{what} is cut off", f"{wanted} bytes", f"{count} bytes at position {self.at}")
        self.at += count
        self.left -= count

    def numbers(self, form, what):
        """Little-endian numbers, `form` as the module struct has it."""
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form), what))

    def number(self, form, what):
        """One little-endian number."""
        return self.numbers(form, what)[0]

    def count(self, form, least, what):
        """A number that says how many things follow, each of `least` bytes or more."""
        count = self.number(form, f"the number of {what}")
        if not 0 <= count <= self.left // least:
            raise self.broken(f"it claims {count} {what}", f"0 to {self.left // least}, for the bytes left", count)
        return count

    def name_text(self, form, what):
        """A length and as many bytes of UTF-8."""
        length = self.number(form, f"the length of {what}")
        if not 0 <= length <= LONGEST_NAME:
            raise self.broken(f"{what} has an impossible length", f"0 to {LONGEST_NAME} bytes", f"{length} bytes")
        raw = self.take(length, what)
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.broken(f"{what} is no text", "UTF-8", f"{raw[:40]!r} ({error.reason})") from None

    def sizes(self, form, axes, what):
        """A shape of `axes` sizes; the number of elements is bounded, so that it can be computed with."""
        if not 0 <= axes <= MOST_AXES:
            raise self.broken(f"{what} has an impossible number of axes", f"0 to {MOST_AXES}", axes)
        shape = self.numbers(form * axes, f"the shape of {what}")
        total = 1
        for size in shape:
            if size < 0:
                raise self.broken(f"{what} has a negative size", "0 or more", shape)
            total *= max(size, 1)
        if total > MOST_ELEMENTS:
            raise self.broken(f"{what} is too large", f"at most 2^{MOST_ELEMENTS.bit_length() - 1} elements", shape)
        return shape


def check_packed(name, infos, size, room=LONGEST_NAME):
    """Check what the members of a zip archive claim before one is unpacked.

    infos: `zipfile.ZipInfo`s; size: of the archive, in bytes; room: bytes that a member may have beyond what packing
    gives. Raises FormatError where a member claims more than it can hold or all of them more than is there, or is
    packed in another way than deflate and bzip2 (LZMA takes as much memory as it pleases).
    """
    packed = 0
    for info in infos:
        member = f"{info.filename!r}"
        if info.file_size > info.compress_size * MOST_UNPACKED + room:
            claimed = f"{info.compress_size} packed ones"
            raise broken(name, f"{member} claims more than it holds", f"{info.file_size} bytes", claimed)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
            raise broken(name, f"{member} is packed in a way that is not read", "deflate", f"{info.compress_type}")
        packed += info.compress_size
    if packed > size:
        raise broken(name, "its members overlap", f"at most {size} bytes", f"{packed} bytes")


def whole(path):
    """Open a file to be read through `Reader`; what is no regular file (a pipe) is read into memory first."""
    file = open(path, "rb")  # noqa: SIM115 (the caller closes it)
    if file.seekable():
        return file
    with file:
        return io.BytesIO(file.read())


def named(path):
    """A path for messages."""
    return str(Path(os.fspath(path)))
