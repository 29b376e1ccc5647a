"""`tf.train.Checkpoint` and `CheckpointManager`: the values of variables in a file, by where they are.

The files are NumPy's archives (".npz" under the checkpoint's name), not TensorFlow's: what is restored was saved here.
"""

import json
import os

import numpy as np

from tandem.compat.tensorflow._errors import NotFoundError
from tandem.compat.tensorflow.variables import Module
from tandem.core.errors import explain
from tandem.formats import saving
from tandem.keras.variables import Variable


def _variables(name, thing):
    """(path, variable) of all that is in something."""
    if isinstance(thing, Variable):
        yield name, thing
    elif isinstance(thing, dict):
        for key, value in thing.items():
            yield from _variables(f"{name}/{key}", value)
    elif isinstance(thing, (list, tuple)):
        for number, value in enumerate(thing):
            yield from _variables(f"{name}/{number}", value)
    elif isinstance(thing, Module) or hasattr(thing, "variables"):
        for number, variable in enumerate(thing.variables):
            yield f"{name}/{number}", variable
    elif hasattr(thing, "state_dict"):
        raise NotImplementedError(explain("Checkpoints hold variables, layers, optimizers", given=type(thing).__name__))


class Status:
    """What `restore` gives."""

    def __init__(self, unused=(), missing=()):
        self._unused, self._missing = list(unused), list(missing)

    def assert_consumed(self):
        """Raise AssertionError where the file holds what nothing takes, or lacks what something needs."""
        if self._unused or self._missing:
            raise AssertionError(
                explain("A checkpoint does not fit", expected=f"also {self._missing}", given=f"also {self._unused}")
            )
        return self

    def assert_existing_objects_matched(self):
        """Raise AssertionError where the file lacks what something needs."""
        if self._missing:
            raise AssertionError(explain("A checkpoint lacks values", expected=self._missing))
        return self

    def expect_partial(self):
        """Say nothing of what is not used."""
        return self


class Checkpoint:
    """Variables, models and optimizers, by the names that they are given here."""

    def __init__(self, root=None, **kwargs):
        self._parts = dict(kwargs) if root is None else {"root": root, **kwargs}
        self.__dict__.update(kwargs)
        self.save_counter = Variable(0, dtype="int64", trainable=False, name="save_counter")

    def _all(self):
        for name, thing in self._parts.items():
            yield from _variables(name, thing)
        yield "save_counter", self.save_counter

    def write(self, file_prefix, options=None):
        """Write all values under exactly this name; returns it."""
        path = _path(file_prefix)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        values = {name: variable.numpy() for name, variable in self._all()}
        with saving.atomic_write(f"{path}.npz") as file:
            np.savez(file, **values)
        return path

    def save(self, file_prefix, options=None):
        """Write all values under a name with a number; returns it."""
        self.save_counter.assign_add(1)
        path = self.write(f"{_path(file_prefix)}-{int(self.save_counter)}")
        _note(os.path.dirname(path), [path])
        return path

    def read(self, save_path, options=None):
        """Put the values of a file into the variables. Raises NotFoundError where it is not there."""
        if save_path is None:
            return Status()
        path = f"{_path(save_path)}.npz"
        if not os.path.exists(path):
            raise NotFoundError(
                explain(f"There is no checkpoint {save_path}", hint="TensorFlow's own checkpoint files are not read.")
            )
        own = dict(self._all())
        with np.load(path, allow_pickle=False) as values:
            for name in own.keys() & set(values.files):
                own[name].assign(values[name])
            return Status(set(values.files) - own.keys(), own.keys() - set(values.files))

    restore = read


def _path(value):
    value = os.fspath(value.numpy() if hasattr(value, "numpy") else value)
    return value.decode() if isinstance(value, bytes) else value


def _note(folder, paths):
    with saving.atomic_write(os.path.join(folder or ".", "checkpoint.json"), "w") as file:
        json.dump([os.path.basename(path) for path in paths], file)


def latest_checkpoint(checkpoint_dir, latest_filename=None):
    """The name of the last checkpoint in a folder, or None.

    Raises NotImplementedError for another name of the file that says it.
    """
    if latest_filename not in (None, "checkpoint"):
        raise NotImplementedError(
            explain(
                "The file of checkpoints has one name", expected="None", given=f"latest_filename={latest_filename!r}"
            )
        )
    try:
        with open(os.path.join(_path(checkpoint_dir), "checkpoint.json"), encoding="utf-8") as file:
            names = json.load(file)
    except FileNotFoundError:
        return None
    return os.path.join(_path(checkpoint_dir), os.path.basename(names[-1])) if names else None


class CheckpointManager:
    """Keeps the last checkpoints of a folder, `max_to_keep` of them."""

    def __init__(self, checkpoint, directory, max_to_keep, checkpoint_name="ckpt"):
        self._checkpoint, self.directory = checkpoint, _path(directory)
        self._kept, self._limit, self._name = [], max_to_keep, checkpoint_name
        latest = latest_checkpoint(self.directory)
        if latest:
            self._kept.append(latest)

    def save(self, checkpoint_number=None):
        """Write a checkpoint, and delete what is too old; returns its name."""
        prefix = os.path.join(self.directory, self._name)
        if checkpoint_number is None:
            path = self._checkpoint.save(prefix)
        else:
            path = self._checkpoint.write(f"{prefix}-{int(checkpoint_number)}")
        self._kept.append(path)
        while self._limit and len(self._kept) > self._limit:
            old = f"{self._kept.pop(0)}.npz"
            if os.path.exists(old):
                os.remove(old)
        _note(self.directory, self._kept)
        return path

    @property
    def latest_checkpoint(self):
        """The name of the last one, or None."""
        return self._kept[-1] if self._kept else None

    @property
    def checkpoints(self):
        """The names of those that are kept."""
        return list(self._kept)

    def restore_or_initialize(self):
        """Restore the last one, where there is one; returns its name."""
        if self.latest_checkpoint:
            self._checkpoint.restore(self.latest_checkpoint)
        return self.latest_checkpoint


NAMES = {"latest_checkpoint": latest_checkpoint}
