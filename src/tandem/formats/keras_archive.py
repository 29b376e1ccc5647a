"""`.keras` files: a zip of config.json, metadata.json, the weights as HDF5 and assets, as Keras 3 writes it.

Nothing is unpacked before its size is checked against the bytes that hold it, and no member's name is a path until it
was found to stay inside the folder that it goes to.
"""

import contextlib
import io
import json
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib

from tandem.formats.limits import (
    DEEPEST_TREE,
    LARGEST_CONFIG,
    LONGEST_NAME,
    MOST_MEMBERS,
    FormatError,
    broken,
    check_packed,
    named,
)
from tandem.formats.saving import Patient

CONFIG, METADATA, WEIGHTS, ASSETS = "config.json", "metadata.json", "model.weights.h5", "assets"
_IN_MEMORY = 1 << 28  # bytes of weights that are unpacked into memory, not into a temporary file
# What the module zipfile raises for archives that are damaged, encrypted or packed in ways that it does not know.
_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError, OSError, KeyError)


def parse_json(data, name, what):
    """The value that some JSON holds. Raises FormatError for what is none, or is nested too deeply."""
    if len(data) > LARGEST_CONFIG:
        raise broken(name, f"{what} is too large", f"at most {LARGEST_CONFIG} bytes", f"{len(data)} bytes")
    try:
        text = data.decode("utf-8") if isinstance(data, (bytes, bytearray)) else data
        value = json.loads(text)
    except RecursionError:
        raise broken(name, f"{what} is nested too deeply", f"at most {DEEPEST_TREE} levels", "more") from None
    except ValueError as error:
        raise broken(name, f"{what} cannot be read", "JSON", error) from None
    check_depth(value, name, what)
    return value


def check_depth(value, name, what):
    """Raise FormatError for lists and dicts that are nested more than `DEEPEST_TREE` deep."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(DEEPEST_TREE):
        inner = [part for item in level for part in (item.values() if isinstance(item, dict) else item)]
        level = [part for part in inner if isinstance(part, (dict, list))]
        if not level:
            return
    raise broken(name, f"{what} is nested too deeply", f"at most {DEEPEST_TREE} levels", "more")


class Archive:
    """A `.keras` file that is being read.

    source: a path or a binary file. Raises FormatError where it is no such file or is damaged.
    """

    def __init__(self, source):
        self.name = None if hasattr(source, "read") else named(source)
        self._file = source if self.name is None else open(source, "rb")  # noqa: SIM115 (`close` closes it)
        try:
            self._size = self._file.seek(0, os.SEEK_END)
            self._file.seek(0)
            with self._guard("it cannot be opened", "a whole zip archive"):
                self._zip = zipfile.ZipFile(self._file)
            self.members = self._checked()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()

    def close(self):
        """Close the file, where a path was given."""
        if self.name is not None:
            self._file.close()

    @contextlib.contextmanager
    def _guard(self, what, expected):
        try:
            yield
        except FormatError:
            raise
        except _ERRORS as error:
            raise broken(self.name, what, expected, error or type(error).__name__) from None

    def _checked(self):
        """The members by name, each found to be harmless."""
        members = {}
        infos = self._zip.infolist()
        if len(infos) > MOST_MEMBERS:
            raise broken(self.name, "it has too many members", f"at most {MOST_MEMBERS}", len(infos))
        for info in infos:
            name = info.filename
            if not safe_name(name) or info.orig_filename != name:
                raise broken(self.name, "a member's name leads out of it", "a relative path", repr(info.orig_filename))
            if stat.S_ISLNK(info.external_attr >> 16):
                raise broken(self.name, f"its member {name!r} is a link", "a file", "a symbolic link")
            if name in members:
                raise broken(self.name, f"it has the member {name!r} twice", "once", "twice")
            members[name] = info
        check_packed(self.name, infos, self._size)
        if CONFIG not in members:
            raise broken(self.name, "it is no model", f"a member {CONFIG!r}", sorted(members)[:8])
        return members

    def config(self):
        """The model's config, a dict."""
        return self._json(CONFIG)

    def metadata(self):
        """What the file says of itself: the version of Keras, the date."""
        return self._json(METADATA) if METADATA in self.members else {}

    def _json(self, name):
        info = self.members[name]
        if info.file_size > LARGEST_CONFIG:
            raise broken(self.name, f"{name!r} is too large", f"at most {LARGEST_CONFIG} bytes", info.file_size)
        value = parse_json(self.read(name), self.name, name)
        if not isinstance(value, dict):
            raise broken(self.name, f"{name!r} is no object", "a dict", type(value).__name__)
        return value

    def read(self, name):
        """The bytes of a member."""
        with self._guard(f"{name!r} cannot be unpacked", "whole data with the right checksum"):
            return self._zip.read(self.members[name])

    @contextlib.contextmanager
    def weights(self):
        """The weights as a binary file while the block runs; None where there are none."""
        if WEIGHTS not in self.members:
            yield None
            return
        if self.members[WEIGHTS].file_size <= _IN_MEMORY:
            yield io.BytesIO(self.read(WEIGHTS))
            return
        with tempfile.TemporaryFile() as file:
            self._copy(WEIGHTS, file)
            yield file

    def _copy(self, name, file):
        with self._guard(f"{name!r} cannot be unpacked", "whole data with the right checksum"):
            with self._zip.open(self.members[name]) as member:
                shutil.copyfileobj(member, file, 1 << 20)

    @contextlib.contextmanager
    def assets(self):
        """A temporary folder with the assets while the block runs; None where there are none."""
        names = [name for name in self.members if name.startswith(f"{ASSETS}/") and not name.endswith("/")]
        if not names:
            yield None
            return
        with tempfile.TemporaryDirectory() as folder:
            for name in names:
                path = os.path.join(folder, *name.split("/"))
                with self._guard(f"{name!r} cannot be unpacked", "names that do not stand in each other's way"):
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    with open(path, "xb") as file:
                        self._copy(name, file)
            yield os.path.join(folder, ASSETS)


def safe_name(name):
    """Whether a path in an archive stays inside the folder that the archive is unpacked in, on every system."""
    if not name or len(name) > LONGEST_NAME or name.startswith("/") or "\\" in name or "\0" in name or ":" in name:
        return False
    return ".." not in name.split("/")


def write(file, config, metadata, fill_weights, assets):
    """Write a model to a binary file, as Keras 3 does.

    config, metadata: JSON texts; fill_weights: is given a binary file to write the weights to; assets: a folder whose
    files are added, or None.
    """
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(METADATA, (1980, 1, 1, 0, 0, 0)), metadata)
        archive.writestr(zipfile.ZipInfo(CONFIG, (1980, 1, 1, 0, 0, 0)), config)
        with tempfile.TemporaryFile() as weights:
            with Patient(weights) as patient:
                fill_weights(patient)
            weights.seek(0)
            with archive.open(zipfile.ZipInfo(WEIGHTS), "w", force_zip64=True) as member:
                shutil.copyfileobj(weights, member, 1 << 20)
        if assets is not None:
            for folder, _, names in sorted(os.walk(assets)):
                for name in sorted(names):
                    path = os.path.join(folder, name)
                    archive.write(path, "/".join([ASSETS, *os.path.relpath(path, assets).split(os.sep)]))
