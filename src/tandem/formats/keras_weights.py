"""`.weights.h5` files: arrays by the path of what they belong to, in one HDF5 file or in several.

Under each path is a group "vars", which holds arrays by key ("0", "1", …) and the name of their owner. Several files
have an index beside them, `*.weights.json`, which says which of them holds what.
"""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import h5py
import numpy as np

from tandem.core.errors import explain, warn
from tandem.formats import keras_hdf5
from tandem.formats.keras_archive import parse_json, safe_name
from tandem.formats.limits import LARGEST_CONFIG, broken, named
from tandem.formats.saving import Patient, atomic_write

_UNIT = 1024**3  # bytes; sizes of files are given in these
_PIECE = 1 << 26  # bytes of an array that have one checksum


def _raw(value):
    """(numpy array, name of a dtype that HDF5 does not have or None) of an array, a tensor or what holds a `tensor`."""
    value = getattr(value, "tensor", value)
    if hasattr(value, "detach"):
        import torch

        value = value.detach().cpu().contiguous()
        if value.dtype is torch.bfloat16:
            return value.view(torch.int16).numpy().view("V2"), "bfloat16"
        value = value.numpy()
    value = np.asarray(value)
    if value.dtype.name == "bfloat16":
        return value.view("V2"), "bfloat16"
    return value, None


def put(group, name, array):
    """Write an array of numbers to a group with a checksum, which every reader of HDF5 knows (fletcher32)."""
    options = {}
    if array.size and array.ndim and array.dtype.kind in "fiubV":
        rows = max(1, _PIECE // (array.nbytes // len(array)))
        options = {"chunks": (min(rows, len(array)), *array.shape[1:]), "fletcher32": True}
    return group.create_dataset(name, data=array, **options)


class Store:
    """The arrays of one owner, by key: what `save_own_variables` writes to and `load_own_variables` reads from."""

    def __init__(self, path, read=None, write=None, keys=()):
        self._path = path
        self._read, self._write = read, write
        self._keys = dict.fromkeys(keys)

    def __setitem__(self, key, value):
        if self._write is None:
            raise ValueError("Setting a value is only allowed in write mode.")
        self._write(self._path, str(key), *_raw(value))
        self._keys[str(key)] = None

    def __getitem__(self, key):
        if self._read is None or str(key) not in self._keys:
            raise KeyError(key)
        return self._read(self._path, str(key))

    def __contains__(self, key):
        return key in self._keys

    def __len__(self):
        return len(self._keys)

    def __iter__(self):
        return iter(self._keys)

    def keys(self):
        """The keys."""
        return list(self._keys)

    def items(self):
        """Pairs of keys and arrays."""
        return [(key, self[key]) for key in self._keys]

    def values(self):
        """The arrays."""
        return [self[key] for key in self._keys]


class Writer:
    """Writes one HDF5 file.

    file: a binary file that can be read and written; checked: give arrays checksums (a `.keras` file has its own).
    """

    def __init__(self, file, checked=False):
        self._h5 = h5py.File(file, "w")
        self._checked = checked

    def make(self, path, name=None):
        """The `Store` of an owner at `path`; name: the owner's, kept even where there are no arrays."""
        if name is not None:
            self._group(path).attrs["name"] = name
        return Store(path, write=self._put)

    def _group(self, path):
        return self._h5.require_group(f"{path}/vars" if path else "vars")

    def _put(self, path, key, array, dtype):
        group = self._group(path)
        written = put(group, key, array) if self._checked else group.create_dataset(key, data=array)
        if dtype is not None:
            written.attrs["dtype"] = dtype

    def close(self):
        """End the file."""
        self._h5.close()


class ShardedWriter(Writer):
    """Writes several HDF5 files of at most `size` GiB of arrays each, and an index of them.

    path: of the index; with another suffix than ".json" it is renamed, with a warning. Raises ValueError for an array
    that is larger than a file may be.
    """

    def __init__(self, path, size):
        self._path = _index_path(path, "Saving")
        self._limit = float(size) * _UNIT
        self._files, self._stack = {}, contextlib.ExitStack()
        self._used = self._total = 0
        self._map = {}
        self._checked = True
        self._next()

    def _next(self):
        if self._files:
            self._h5.close()
        self._name = f"{self._path.stem.replace('.weights', '')}_{len(self._files):05}.weights.h5"
        self._files[self._name] = tempfile.TemporaryFile()  # noqa: SIM115 (`close` closes it)
        self._stack.close()
        self._h5 = h5py.File(self._stack.enter_context(Patient(self._files[self._name])), "w")
        self._used = 0

    def _put(self, path, key, array, dtype):
        if array.nbytes > self._limit:
            raise ValueError(
                explain(
                    f"The array {key!r} of {path!r} is larger than a file may be",
                    expected=f"at most {self._limit:.0f} bytes (max_shard_size={self._limit / _UNIT})",
                    given=f"{array.nbytes} bytes",
                    hint="Increase `max_shard_size`.",
                )
            )
        if self._used + array.nbytes > self._limit:
            self._next()
        self._used += array.nbytes
        self._total += array.nbytes
        super()._put(path, key, array, dtype)
        places = self._map.setdefault(f"/{path}/vars" if path else "/vars", [])
        if self._name not in places:
            places.append(self._name)

    def finish(self):
        """Put the files, then the index, where they belong."""
        self._h5.close()
        self._stack.close()
        for name, file in self._files.items():
            with atomic_write(self._path.with_name(name)) as target:
                copy(file, target)
        index = {
            "metadata": {"total_size": self._total},
            "weight_map": {path: names if len(names) > 1 else names[0] for path, names in self._map.items()},
        }
        with atomic_write(self._path, "w") as target:
            target.write(json.dumps(index, indent=4))

    def close(self):
        """Close the temporary files."""
        super().close()
        for file in self._files.values():
            file.close()


def copy(file, target):
    """Copy a file from its beginning to another."""
    file.seek(0)
    shutil.copyfileobj(file, target, 1 << 20)


@contextlib.contextmanager
def scratch(path):
    """A file for h5py to write to; it appears under `path` at the end of the block, or not at all if it raises."""
    with tempfile.TemporaryFile() as file:
        with Patient(file) as patient:
            yield patient
        with atomic_write(path) as target:
            copy(file, target)


@contextlib.contextmanager
def writing(path):
    """A `Writer` of a file that appears under `path` at the end of the block, or not at all if it raises."""
    with scratch(path) as file, contextlib.closing(Writer(file, checked=True)) as writer:
        yield writer


@contextlib.contextmanager
def writing_shards(path, size):
    """A `ShardedWriter`, whose files appear at the end of the block, or not at all if it raises."""
    with contextlib.closing(ShardedWriter(path, size)) as writer:
        yield writer
        writer.finish()


class Reader:
    """Reads one HDF5 file. root: its `keras_hdf5.Group`."""

    def __init__(self, root):
        self._root = root
        # Keras 2.13 called the layers' group otherwise.
        self._older = "_layer_checkpoint_dependencies" in root

    def get(self, path):
        """The `Store` of the owner at `path`, empty where the file has nothing there."""
        places = [f"{path}/vars" if path else "vars"]
        if self._older:
            places.append(places[0].replace("layers", "_layer_checkpoint_dependencies"))
        for place in places:
            if place in self._root:
                return _stored(path, dict.fromkeys(self._root.group(place).keys(), self._root.group(place)))
        return _stored(path, {})

    def has(self, path):
        """Whether the file has anything at `path`."""
        return path in self._root


def _stored(path, groups):
    """A `Store` to read from. groups: the group that holds each key."""
    return Store(path, read=lambda _, key: array_of(groups[key], key), keys=groups)


def array_of(group, key):
    """An array of a group; a bfloat16 one is a torch tensor."""
    array = group.array(key)
    if group[key].attributes.get("dtype") == "bfloat16" and array.dtype == np.uint16:
        import torch

        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return array


class ShardedReader:
    """Reads the files that an index lists. path: of the index."""

    def __init__(self, path):
        path = _index_path(path, "Loading")
        self._name = named(path)
        with open(path, "rb") as file:
            index = parse_json(file.read(LARGEST_CONFIG), self._name, "the index")
        found = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(found, dict):
            raise broken(self._name, "it is no index of weights", "an object with 'weight_map'", str(index)[:80])
        self._map = {}
        for owner, names in found.items():
            names = names if isinstance(names, list) else [names]
            if not all(isinstance(name, str) and safe_name(name) and "/" not in name for name in names):
                raise broken(self._name, f"the files of {owner!r} are none", "names of files beside the index", names)
            self._map[owner.strip("/")] = names
        self._folder = os.path.dirname(os.path.abspath(path))
        self._stack, self._open = contextlib.ExitStack(), {}

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._stack.close()

    def get(self, path):
        """The `Store` of the owner at `path`, empty where no file has anything there."""
        groups, inner = {}, f"{path}/vars" if path else "vars"
        for name in self._map.get(inner, self._map.get(path, ())):
            if name not in self._open:
                self._open[name] = self._stack.enter_context(keras_hdf5.reading(os.path.join(self._folder, name)))
            if inner in self._open[name]:
                group = self._open[name].group(inner)
                groups.update(dict.fromkeys(group.keys(), group))
        return _stored(path, groups)

    def has(self, path):
        """Whether any file has something at `path`."""
        return any(owner == path or owner.startswith(f"{path}/") for owner in self._map)


def _index_path(path, doing):
    path = Path(os.fspath(path))
    if path.suffix == ".json":
        return path
    new = path.with_suffix(".json")
    warn(f"{doing} sharded weights requires `*.json` as the extension. The path {path} is taken as {new}.")
    return new
