"""`tf.train.Checkpoint` and `CheckpointManager`: the values of variables in a file, by where they are.

The files are NumPy's archives (".npz" under the checkpoint's name), not TensorFlow's: what is restored was saved here.
"""

import json
import os

import numpy as np

from tandem.compat.tensorflow._dtypes import as_dtype
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


class Reader:
    """The values of a checkpoint by name."""

    def __init__(self, path):
        file = f"{_path(path)}.npz"
        if not os.path.exists(file):
            raise NotFoundError(explain(f"There is no checkpoint {path}"))
        with np.load(file, allow_pickle=False) as values:
            self._values = {name: values[name] for name in values.files}

    def get_variable_to_shape_map(self):
        """The shapes by name."""
        return {name: list(value.shape) for name, value in self._values.items()}

    def get_variable_to_dtype_map(self):
        """The dtypes by name."""
        return {name: as_dtype(value.dtype) for name, value in self._values.items()}

    def has_tensor(self, name):
        """Whether there is a value of a name."""
        return name in self._values

    def get_tensor(self, name):
        """The value of a name, NumPy's. Raises NotFoundError where there is none."""
        if name not in self._values:
            raise NotFoundError(explain("The checkpoint has no such value", given=name, expected=list(self._values)))
        return self._values[name]


def _of(ckpt_dir_or_file):
    path = _path(ckpt_dir_or_file)
    found = latest_checkpoint(path) if os.path.isdir(path) else path
    if found is None:
        raise ValueError(explain("Couldn't find a checkpoint in a folder", given=path))
    return Reader(found)


def list_variables(ckpt_dir_or_file):
    """(name, shape) of each value of a checkpoint, or of the last one in a folder."""
    return sorted(_of(ckpt_dir_or_file).get_variable_to_shape_map().items())


def load_variable(ckpt_dir_or_file, name):
    """The value of a name in a checkpoint, NumPy's."""
    return _of(ckpt_dir_or_file).get_tensor(name.removesuffix(":0"))


class ExponentialMovingAverage:
    """Averages of variables: ``average = decay * average + (1 - decay) * variable`` at each `apply`.

    num_updates: with it the decay is at most ``(1 + num_updates) / (10 + num_updates)``; zero_debias is not there.
    """

    def __init__(self, decay, num_updates=None, zero_debias=False, name="ExponentialMovingAverage"):
        if zero_debias:
            raise NotImplementedError("tf.train.ExponentialMovingAverage: `zero_debias` is not there.")
        self._decay, self._updates, self.name = decay, num_updates, name
        self._averages = {}

    def apply(self, var_list=None):
        """Take the variables' values into their averages."""
        if var_list is None:
            raise ValueError("tf.train.ExponentialMovingAverage.apply needs the list of variables.")
        decay = float(self._decay)
        if self._updates is not None:
            steps = float(self._updates)
            decay = min(decay, (1 + steps) / (10 + steps))
        for one in var_list:
            _, average = self._averages.setdefault(id(one), (one, Variable(np.array(one), trainable=False)))
            average.assign_sub((average - np.array(one)) * (1 - decay))

    def average(self, var):
        """The average of a variable, or None."""
        return self._averages.get(id(var), (None, None))[1]


class CheckpointManager:
    """Keeps the last checkpoints of a folder, `max_to_keep` of them."""

    def __init__(
        self,
        checkpoint,
        directory,
        max_to_keep,
        checkpoint_name="ckpt",
        step_counter=None,
        checkpoint_interval=None,
        init_fn=None,
    ):
        self._counter, self._interval, self._init = step_counter, checkpoint_interval, init_fn
        self._saved_at = None
        self._checkpoint, self.directory = checkpoint, _path(directory)
        self._kept, self._limit, self._name = [], max_to_keep, checkpoint_name
        latest = latest_checkpoint(self.directory)
        if latest:
            self._kept.append(latest)

    checkpoint = property(lambda self: self._checkpoint, doc="What is written.")

    def restore_or_initialize(self):
        """Put the values of the last checkpoint into the variables, or call `init_fn`; returns its name, or None."""
        latest = self.latest_checkpoint
        if latest is not None:
            self._checkpoint.restore(latest)
        elif self._init is not None:
            self._init()
        return latest

    def save(self, checkpoint_number=None, check_interval=True, options=None):
        """Write a checkpoint, and delete what is too old; returns its name.

        None is returned, and nothing written, where fewer steps than `checkpoint_interval` have been made.
        """
        if self._interval is not None and self._counter is not None:
            step = int(self._counter)
            if check_interval and self._saved_at is not None and step < self._saved_at + self._interval:
                return None
            self._saved_at = step
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


NAMES = {
    "ExponentialMovingAverage": ExponentialMovingAverage,
    "list_variables": list_variables,
    "load_checkpoint": _of,
    "load_variable": load_variable,
    "latest_checkpoint": latest_checkpoint,
}
