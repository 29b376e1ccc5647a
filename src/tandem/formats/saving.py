"""Writing a file so that either all of it is there or the old one stays."""

import contextlib
import os
import secrets
import shutil
import socket
import stat
import zlib

from tandem.core.errors import explain


@contextlib.contextmanager
def atomic_write(path, mode="wb", encoding=None):
    """A file object; what is written to it appears under `path` at the end of the block, or not at all if it raises.

    The bytes go to a temporary file in the same folder, are synced to the disk, and the file is renamed. A file that is
    replaced leaves its permissions to the new one; a symbolic link stays, and what it points to is replaced. What is no
    regular file (a pipe, /dev/null) is written to directly.
    mode: "wb" or "w"; encoding: of text, UTF-8 where it is not given.
    Raises OSError where the folder or the file cannot be written to, ValueError for another mode.
    """
    if mode not in ("wb", "w"):
        raise ValueError(explain("A file is written as a whole", expected="mode 'wb' or 'w'", given=repr(mode)))
    encoding = encoding or ("utf-8" if mode == "w" else None)
    path = os.path.realpath(path)
    old = os.stat(path) if os.path.exists(path) else None
    if old is not None and not stat.S_ISREG(old.st_mode):
        with open(path, mode, encoding=encoding) as file:  # a folder raises here
            yield file
        return
    if old is not None and not os.access(path, os.W_OK):
        raise PermissionError(13, "The file is not writable", path)
    temporary = _temporary(path)
    # Opened like this, not by the module tempfile, the file has the permissions that the user's umask gives new ones.
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, path) from None
    try:
        with open(handle, mode, encoding=encoding) as file:
            yield file
            file.flush()
            if old is not None:
                os.chmod(temporary, stat.S_IMODE(old.st_mode))
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(os.path.dirname(path))


def atomic_copy(source, path):
    """Copy a file so that either all of the copy appears under `path` or what is there stays."""
    with open(source, "rb") as file, atomic_write(path) as target:
        shutil.copyfileobj(file, target, 1 << 20)


class Patient:
    """A binary file for libraries in C that end the process where a write fails (a disk is full): they see no failure.

    What failed is kept, and raised at the end of the `with` block. file: an open binary file.
    """

    def __init__(self, file):
        self._file = file
        self._error = None
        self._at = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self._error is not None:
            raise self._error

    def _try(self, method, *args, instead):
        if self._error is None:
            try:
                return getattr(self._file, method)(*args)
            except OSError as error:
                self._error = error
        return instead

    def write(self, data):
        """Write bytes."""
        size = memoryview(data).nbytes
        self._at += size
        return self._try("write", data, instead=size)

    def readinto(self, buffer):
        """Read bytes into a buffer."""
        size = memoryview(buffer).nbytes
        self._at += size
        return self._try("readinto", buffer, instead=size)

    def read(self, size=-1):
        """Read bytes."""
        data = self._try("read", size, instead=bytes(max(size, 0)))
        self._at += len(data)
        return data

    def seek(self, place, whence=0):
        """Go to a place."""
        self._at = place + (self._at if whence == 1 else 0)
        self._at = self._try("seek", place, whence, instead=self._at)
        return self._at

    def tell(self):
        """The place."""
        return self._try("tell", instead=self._at)

    def truncate(self, size=None):
        """Cut or extend the file."""
        return self._try("truncate", size, instead=size)

    def flush(self):
        """Hand buffered bytes on."""
        return self._try("flush", instead=None)


_swept = set()


def _temporary(path):
    """A name beside `path` that says which process uses it; what processes that were killed left there goes."""
    folder, name = os.path.split(path)
    begin = f".{zlib.crc32(os.fsencode(f'{socket.gethostname()}/{name}')):08x}-"
    if (os.getpid(), path) not in _swept:
        _swept.add((os.getpid(), path))
        with contextlib.suppress(OSError):
            for entry in os.scandir(folder):
                owner = entry.name.removeprefix(begin).split("-")[0]
                left = entry.name.startswith(begin) and entry.name.endswith(".tmp") and owner.isdigit()
                if left and not _lives(int(owner)):
                    os.unlink(entry.path)
    return os.path.join(folder, f"{begin}{os.getpid()}-{secrets.token_hex(8)}.tmp")


def _lives(process):
    if os.name != "posix":
        return True  # there, asking would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _sync_folder(folder):
    """Make the new name last too, where the system lets a folder be synced."""
    with contextlib.suppress(OSError, AttributeError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
