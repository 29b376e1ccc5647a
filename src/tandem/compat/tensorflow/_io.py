"""`tf.io` and `tf.io.gfile`: files, image files, records."""

import glob as globbing
import os
import shutil
from types import SimpleNamespace

from tandem.compat.tensorflow import image_files, records
from tandem.compat.tensorflow._errors import AlreadyExistsError, NotFoundError, UnimplementedError
from tandem.compat.tensorflow._strings import as_strings
from tandem.core.errors import explain


def _path(value):
    value = value.numpy() if hasattr(value, "numpy") else os.fspath(value)
    value = value.decode() if isinstance(value, bytes) else value
    if "://" in value:
        raise UnimplementedError(explain("File systems of a cloud are not there", expected="a local path", given=value))
    return value


def read_file(filename, name=None):
    """The bytes of a file, a string tensor. Raises NotFoundError where it is not there."""
    with GFile(filename, "rb") as file:
        return as_strings(file.read())


def write_file(filename, contents, name=None):
    """Write bytes into a file; its folder is made where it is not there."""
    path = _path(filename)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(as_strings(contents).numpy())


def matching_files(pattern, name=None):
    """The files that fit a pattern, in order."""
    patterns = pattern if isinstance(pattern, (list, tuple)) else [pattern]
    return as_strings(sorted(path for one in patterns for path in glob(one)))


# --- gfile -----------------------------------------------------------------------------------------------------------


class GFile:
    """A file, as Python's `open` gives it. Raises NotFoundError where it is not there."""

    def __init__(self, name, mode="r"):
        self.name, self.mode = _path(name), mode
        try:
            self._file = open(self.name, mode, encoding=None if "b" in mode else "utf-8")  # noqa: SIM115 (closed by `close`)
        except FileNotFoundError:
            raise NotFoundError(f"{self.name}; No such file or directory") from None

    def __getattr__(self, name):
        if name == "_file":
            raise AttributeError(name)
        return getattr(self._file, name)

    def size(self):
        """The number of bytes."""
        return os.path.getsize(self.name)

    def __iter__(self):
        return iter(self._file)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()


def exists(path):
    """Whether a file or folder is there."""
    return os.path.exists(_path(path))


def isdir(path):
    """Whether a folder is there."""
    return os.path.isdir(_path(path))


def listdir(path):
    """The names in a folder. Raises NotFoundError where it is not there."""
    try:
        return os.listdir(_path(path))
    except FileNotFoundError:
        raise NotFoundError(f"Could not find directory {path}") from None


def makedirs(path):
    """Make a folder and those above it; one that is there is left."""
    os.makedirs(_path(path), exist_ok=True)


def mkdir(path):
    """Make a folder."""
    os.mkdir(_path(path))


def glob(pattern):
    """The files and folders that fit a pattern, or one of several."""
    patterns = pattern if isinstance(pattern, (list, tuple)) else [pattern]
    return [path for one in patterns for path in sorted(globbing.glob(_path(one)))]


def remove(path):
    """Delete a file. Raises NotFoundError where it is not there."""
    try:
        os.remove(_path(path))
    except FileNotFoundError:
        raise NotFoundError(f"{path}; No such file or directory") from None


def rmtree(path):
    """Delete a folder and what is in it."""
    shutil.rmtree(_path(path))


def copy(src, dst, overwrite=False):
    """Copy a file. Raises AlreadyExistsError where the other one is there and not to be overwritten."""
    if not overwrite and exists(dst):
        raise AlreadyExistsError(f"file already exists: {dst}")
    shutil.copyfile(_path(src), _path(dst))


def rename(src, dst, overwrite=False):
    """Move a file. Raises AlreadyExistsError where the other one is there and not to be overwritten."""
    if not overwrite and exists(dst):
        raise AlreadyExistsError(f"file already exists: {dst}")
    os.replace(_path(src), _path(dst))


def stat(path):
    """The length, and when it was changed."""
    found = os.stat(_path(path))
    return SimpleNamespace(length=found.st_size, mtime_nsec=found.st_mtime_ns, is_directory=isdir(path))


def walk(top, topdown=True, onerror=None):
    """(folder, folders in it, files in it) of a folder and of those below it."""
    return os.walk(_path(top), topdown=topdown, onerror=onerror)


def join(path, *paths):
    """The parts as one path."""
    return os.path.join(_path(path), *map(_path, paths))


GFILE = {
    function.__name__: function
    for function in (
        GFile,
        copy,
        exists,
        glob,
        isdir,
        join,
        listdir,
        makedirs,
        mkdir,
        remove,
        rename,
        rmtree,
        stat,
        walk,
    )
}
# TensorFlow 1's names.
OLD_GFILE = {
    "FastGFile": GFile,
    "GFile": GFile,
    "Open": GFile,
    "Exists": exists,
    "Glob": glob,
    "IsDirectory": isdir,
    "ListDirectory": listdir,
    "MakeDirs": makedirs,
    "MkDir": mkdir,
    "Remove": remove,
    "DeleteRecursively": rmtree,
    "Copy": copy,
    "Rename": rename,
    "Walk": walk,
}
NAMES = {
    **image_files.NAMES,
    "FixedLenFeature": records.FixedLenFeature,
    "FixedLenSequenceFeature": records.FixedLenSequenceFeature,
    "SparseFeature": records.SparseFeature,
    "parse_sequence_example": records.parse_sequence_example,
    "parse_single_sequence_example": records.parse_single_sequence_example,
    "RaggedFeature": records.RaggedFeature,
    "TFRecordOptions": records.TFRecordOptions,
    "TFRecordWriter": records.TFRecordWriter,
    "VarLenFeature": records.VarLenFeature,
    "decode_csv": records.decode_csv,
    "decode_raw": records.decode_raw,
    "matching_files": matching_files,
    "parse_example": records.parse_example,
    "parse_single_example": records.parse_single_example,
    "parse_tensor": records.parse_tensor,
    "read_file": read_file,
    "serialize_tensor": records.serialize_tensor,
    "write_file": write_file,
}
__all__ = ["GFILE", "NAMES", "OLD_GFILE"]
