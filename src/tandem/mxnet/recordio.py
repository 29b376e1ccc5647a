"""`mx.recordio`: files of records, with an index or without, and images in records."""

import os

import numpy as np

from tandem.core.errors import explain
from tandem.formats import images
from tandem.formats import recordio as records
from tandem.mxnet.base import MXNetError

__all__ = ["IRHeader", "MXIndexedRecordIO", "MXRecordIO", "pack", "pack_img", "unpack", "unpack_img"]

IRHeader = records.Header


class MXRecordIO:
    """A RecordIO file, read ('r') or written ('w') one record after the other.

    A process that was forked reads it through a file of its own, from the beginning.
    Raises MXNetError where the file cannot be opened or a record is damaged, ValueError for another flag.
    """

    def __init__(self, uri, flag):
        self.uri = os.fspath(uri)
        self.flag = flag
        self.is_open = False
        self.open()

    def open(self):
        """Open the file, to write it from its beginning or to read it."""
        if self.flag not in ("r", "w"):
            raise ValueError(explain(f"Invalid flag {self.flag}", expected="'r' or 'w'", given=repr(self.flag)))
        self.writable = self.flag == "w"
        try:
            self._file = (records.RecordWriter if self.writable else records.RecordReader)(self.uri)
        except OSError as error:
            raise MXNetError(str(error)) from error
        self._last = None
        self.pid = os.getpid()
        self.is_open = True

    def close(self):
        """Close the file; a file that was written is complete then."""
        if self.is_open:
            self._file.close()
            self.is_open = False
            self.pid = None

    def __del__(self):
        # Of a file that could not be opened there is nothing to close; a forked process leaves its parent's alone.
        if self.__dict__.get("is_open") and self.pid == os.getpid():
            self.close()

    def reset(self):
        """Begin anew: a file that is read at its first record, a file that is written empty."""
        self.close()
        self.open()

    def __getstate__(self):
        if self.is_open and self.writable:
            raise TypeError(
                explain(
                    "A record file that is being written cannot be pickled", given=self.uri, hint="close() it first."
                )
            )
        return {name: value for name, value in self.__dict__.items() if name not in ("_file", "_last", "pid")}

    def __setstate__(self, d):
        self.__dict__.update(d)
        if self.is_open:
            self.is_open = False
            self.open()

    def _check(self, writing, may_reset=False):
        """That the file is open, for this, in this process."""
        if self.is_open and self.writable is not writing:
            raise AssertionError(
                explain(
                    f"The record file {self.uri!r} is open for {'writing' if self.writable else 'reading'} only",
                    expected=f"flag={'w' if writing else 'r'!r}",
                    given=f"flag={self.flag!r}",
                )
            )
        if self.is_open and self.pid != os.getpid() and may_reset:
            # Not close(): the file, with its position, is the parent's too.
            self.open()
        if not self.is_open or self.pid != os.getpid():
            raise RuntimeError(
                explain(
                    "Forbidden operation in multiple processes" if self.is_open else "The record file is closed",
                    expected="the process that opened the file",
                    given=self.uri,
                    hint="reset() opens it anew.",
                )
            )

    def write(self, buf):
        """Write a record (bytes)."""
        self._check(writing=True)
        self._file.write(buf)

    def read(self):
        """The next record as bytes, None at the end."""
        self._check(writing=False)
        if self._last is not None:
            # read_idx() leaves the file's position alone, for threads that share it; what follows is the record after.
            self._file.seek(self._last)
            self._read(self._file.read)
            self._last = None
        return self._read(self._file.read)

    def _read(self, function, *args):
        try:
            return function(*args)
        except ValueError as error:
            raise MXNetError(str(error)) from error


class MXIndexedRecordIO(MXRecordIO):
    """A RecordIO file with an index, whose records are read in any order (`read_idx`).

    key_type: what the keys are. `keys` lists them, `idx` has the position of each.
    """

    def __init__(self, idx_path, uri, flag, key_type=int):
        self.idx_path = os.fspath(idx_path)
        self.key_type = key_type
        self.idx, self.keys, self.fidx = {}, [], None
        super().__init__(uri, flag)

    def open(self):
        """Open both files."""
        super().open()
        try:
            if self.writable:
                self.idx, self.keys = {}, []
                self.fidx = open(self.idx_path, "w", encoding="utf-8")  # noqa: SIM115 (`close` closes it)
            elif not self.keys:
                self.idx = records.read_index(self.idx_path, os.path.getsize(self.uri), self.key_type)
                self.keys = list(self.idx)
        except BaseException:
            self.close()
            raise

    def close(self):
        """Close both files."""
        super().close()
        if self.fidx is not None:
            self.fidx.close()
            self.fidx = None

    def __getstate__(self):
        return {**super().__getstate__(), "fidx": None}

    def seek(self, idx):
        """Go to the record of a key.

        Raises KeyError where there is none.
        """
        self._check(writing=False, may_reset=True)
        self._last = None
        self._read(self._file.seek, self.idx[idx])

    def tell(self):
        """The position that the next record to be written will have."""
        self._check(writing=True)
        return self._file.tell()

    def read_idx(self, idx):
        """The record of a key, as bytes; several threads may read at once.

        Raises KeyError where there is none.
        """
        self._check(writing=False, may_reset=True)
        position = self.idx[idx]
        record = self._read(self._file.read_at, position)
        self._last = position
        return record

    def write_idx(self, idx, buf):
        """Write a record (bytes) under a key."""
        key, position = self.key_type(idx), self.tell()
        self.write(buf)
        self.fidx.write(records.index_line(key, position))
        self.idx[key] = position
        self.keys.append(key)


# --- headers and images ----------------------------------------------------------------------------------------------


def pack(header, s):
    """A record of an `IRHeader` (flag, label, id, id2) and bytes; the label is a number or several."""
    return records.pack(header, s)


def unpack(s):
    """(IRHeader, bytes) of a record; the label is a float, or an array of float32.

    Raises ValueError for a record that is too short.
    """
    return records.unpack(s)


def _swapped(pixels):
    """Red and blue changed places: images in records have OpenCV's order, blue first."""
    if pixels.ndim == 2 or pixels.shape[2] < 3:
        return pixels
    return pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]]


def pack_img(header, img, quality=95, img_fmt=".jpg"):
    """A record of an `IRHeader` and an image: (height, width) or (height, width, channels), blue first.

    quality: for '.jpg' 1 to 100, for '.png' the compression, 0 to 9.
    Raises ValueError for another format or what is no image.
    """
    pixels = img.asnumpy() if hasattr(img, "asnumpy") else np.asarray(img)
    if pixels.dtype.kind == "f":
        pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return pack(header, images.encode(_swapped(pixels), img_fmt, quality))


def unpack_img(s, iscolor=-1):
    """(IRHeader, image) of a record, a numpy array with blue first; None for an image that cannot be read.

    iscolor: 1 three channels, 0 grey (height, width), -1 as the image is.
    """
    header, content = unpack(s)
    try:
        pixels = images.decode(content, None if iscolor == -1 else not iscolor)
    except ValueError:
        return header, None
    return header, np.ascontiguousarray(_swapped(pixels[:, :, 0] if iscolor == 0 else pixels))
