"""What is downloaded: archives that are unpacked into a folder and nowhere else, arrays in pickles, `.npz` files.

A member of an archive whose path or link leads out of the folder is left out, with a warning. A pickle may make numpy
arrays and nothing else.
"""

import io
import os
import pickle
import shutil
import tarfile
import zipfile
import zlib

import numpy as np

from tandem.core.errors import warn
from tandem.formats.keras_archive import safe_name
from tandem.formats.limits import MOST_AXES, MOST_ELEMENTS, MOST_UNPACKED, broken, check_packed, named

_PIECE = 1 << 20
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)


def extract(path, folder, kinds=("tar", "zip")):
    """Unpack an archive into a folder, which is made; returns whether it is one of `kinds`.

    kinds: of "tar" (also compressed) and "zip". Raises FormatError where it is damaged or claims to be more than it can
    hold; what was unpacked until then is removed.
    """
    opened = {"tar": (tarfile.is_tarfile, _extract_tar), "zip": (zipfile.is_zipfile, _extract_zip)}
    for kind in kinds:
        if kind not in opened:
            raise NotImplementedError(kind)
        fits, unpack = opened[kind]
        if not fits(path):
            continue
        was_there = os.path.exists(folder)
        os.makedirs(folder, exist_ok=True)
        try:
            unpack(path, os.path.realpath(folder))
        except BaseException as error:
            if not was_there:
                shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, _DAMAGED):
                raise broken(named(path), "it cannot be unpacked", f"a whole {kind} archive", error) from None
            raise
        return True
    return False


def _inside(folder, name):
    """The path of a member below a folder, or None where it would lie outside, by a link that is there as well."""
    if not safe_name(name):
        return None
    path = os.path.join(folder, *name.split("/"))
    return path if os.path.realpath(os.path.dirname(path) or folder).startswith(folder) else None


def _skip(name):
    warn(f"Skipping invalid path during archive extraction: {name!r}.")


def _extract_zip(path, folder):
    with zipfile.ZipFile(path) as archive:
        check_packed(named(path), archive.infolist(), os.path.getsize(path), _PIECE)
        for info in archive.infolist():
            target = _inside(folder, info.filename)
            if target is None:
                _skip(info.filename)
                continue
            if info.is_dir():
                os.makedirs(target, exist_ok=True)
                continue
            with archive.open(info) as member:
                _write(target, member, folder)


def _write(target, member, folder):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(target) or not os.path.realpath(target).startswith(folder):
        os.unlink(target)  # never through a link
    with open(target, "wb") as file:
        shutil.copyfileobj(member, file, _PIECE)


def _extract_tar(path, folder):
    left = os.path.getsize(path) * MOST_UNPACKED * 64  # bzip2 and xz pack more tightly than deflate
    with tarfile.open(path) as archive:
        for info in archive:
            target = _inside(folder, info.name)
            if target is None or not (info.isfile() or info.isdir() or info.issym() or info.islnk()):
                _skip(info.name)
                continue
            left -= info.size
            if left < 0:
                raise broken(named(path), f"{info.name!r} claims too much", "what a packed file can hold", info.size)
            if info.isdir():
                os.makedirs(target, exist_ok=True)
            elif info.isfile():
                _write(target, archive.extractfile(info) or io.BytesIO(), folder)
                os.chmod(target, 0o755 if info.mode & 0o100 else 0o644)
            else:
                _link(info, target, folder)


def _link(info, target, folder):
    """Make a link of a tar archive, where it stays inside the folder."""
    base = folder if info.islnk() else os.path.dirname(target)
    aim = os.path.realpath(os.path.join(base, info.linkname))
    if os.path.isabs(info.linkname) or not (aim == folder or aim.startswith(folder + os.sep)):
        _skip(info.name)
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.lexists(target):
        os.unlink(target)
    if info.issym():
        os.symlink(info.linkname, target)
    elif os.path.isfile(aim):
        shutil.copyfile(aim, target)


# --- arrays -----------------------------------------------------------------------------------------------------------

_ARRAYS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("_codecs", "encode"),  # how Python 3 writes bytes in a pickle that Python 2 reads
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in _ARRAYS:
            raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}")
        return super().find_class(module, name)


def read_pickle(file, name, encoding="ASCII"):
    """What a pickle of containers, plain values and numpy arrays holds. Raises FormatError for anything else in it."""
    try:
        return _Unpickler(file, encoding=encoding).load()
    except Exception as error:  # a damaged pickle may raise anything
        raise broken(name, "it cannot be read", "a pickle of arrays and plain values", error) from None


def read_npz(path):
    """The arrays of a `.npz` file by name; those of Python objects through `read_pickle`."""
    name, arrays = named(path), {}
    try:
        with zipfile.ZipFile(path) as archive:
            check_packed(name, archive.infolist(), os.path.getsize(path), _PIECE)
            for info in archive.infolist():
                if info.filename.endswith(".npy"):
                    with archive.open(info) as member:
                        arrays[info.filename.removesuffix(".npy")] = _array(io.BytesIO(member.read()), name)
    except (*_DAMAGED, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise broken(name, "it cannot be unpacked", "a whole .npz file", error) from None
    return arrays


def _array(file, name):
    size = len(file.getbuffer())
    try:
        version = np.lib.format.read_magic(file)
        readers = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
        if version[0] not in readers:
            raise ValueError(f"version {version}")
        shape, _, dtype = readers[version[0]](file)
    except Exception as error:
        raise broken(name, "it holds no array", "the form .npy", error) from None
    count = 1
    for length in shape:
        count *= length
    if len(shape) > MOST_AXES or count > MOST_ELEMENTS or (not dtype.hasobject and count * dtype.itemsize > size):
        raise broken(name, "an array claims more than is there", f"{count} values", f"{size} bytes")
    if dtype.hasobject:
        return read_pickle(file, name)
    file.seek(0)
    try:
        return np.lib.format.read_array(file, allow_pickle=False)
    except ValueError as error:
        raise broken(name, "an array cannot be read", "the form .npy", error) from None
