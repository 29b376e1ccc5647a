"""Where a run of training is, so that another process can go on exactly there.

Beside weights and the optimizer's state a run has: the place in its data, the random numbers' states, what the metrics
have summed up, and how far each callback has come. A backup keeps them together, in one file.
"""

import json
import os
import secrets

import numpy as np

from tandem.core import seeds
from tandem.core.errors import explain
from tandem.formats.keras_archive import parse_json
from tandem.formats.limits import FormatError
from tandem.keras.callbacks.callback import Callback
from tandem.keras.trainers.logs import pythonify

PLACE = "tandem.position"  # of the record in a file of weights: no attribute of a model has such a name
_RECORD = "record"
_MARK = secrets.token_hex(8)


def _process():
    return f"{_MARK}-{os.getpid()}"  # a forked process is another one


def _plain(value, arrays):
    """A tree as JSON takes it; its arrays go to a list. What is no number, text or array becomes None."""
    if isinstance(value, dict):
        return {str(key): _plain(item, arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, arrays) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        arrays.append(value)
        return {"array": len(arrays) - 1}
    return value if value is None or isinstance(value, (bool, int, float, str)) else None


def _filled(value, store):
    """The tree that `_plain` made flat."""
    if isinstance(value, dict):
        if list(value) == ["array"]:
            return np.array(store[str(value["array"])])
        return {key: _filled(item, store) for key, item in value.items()}
    return [_filled(item, store) for item in value] if isinstance(value, list) else value


def _generators(model):
    """The torch generators of the model's layers, in order, each with its device."""
    found = [generator for layer in model._flatten_layers() for generator in layer._seed_generators]
    return list({id(generator): generator for generator in found}.values())


def _named(callbacks):
    """(class, number among those of that class) -> callback."""
    found, counts = {}, {}
    for callback in callbacks:
        kind = type(callback).__name__
        counts[kind] = counts.get(kind, -1) + 1
        found[f"{kind}/{counts[kind]}"] = callback
    return found


def _place(callbacks, callback):
    # One that another callback calls comes last.
    return next((number for number, other in enumerate(callbacks) if other is callback), len(callbacks))


def save(model, store, callback, epoch, done, logs):
    """Write where a run is.

    store: a mapping to write arrays to; callback: the one that asks; epoch: the number of the epoch that runs, or is to
    begin; done: batches of it that were trained on; logs: of the epoch that ended, with `done` 0.
    """
    batches, callbacks = model._training.running
    given = batches.given if batches.steps is not None else done
    record = {
        "process": _process(),
        "epoch": epoch,
        "done": done,
        "logs": dict(logs or {}) if not done else {},
        "source": [batches.source.name, batches.num_batches, batches.steps],
        "begun": batches.begun if given else None,
        "given": given,
        "random": seeds.states(),
        "layers": [generator.states() for generator in _generators(model)],
        "metrics": [np.array(variable) for variable in model.metrics_variables] if done else [],
        "rate": _rate(model),
        "stop": bool(model._training.stop_training),
        "callbacks": {name: other._state() for name, other in _named(callbacks.callbacks).items() if _keeps(other)},
        "place": _place(callbacks.callbacks, callback),
    }
    arrays = []
    text = json.dumps(_plain(record, arrays))
    store[_RECORD] = np.frombuffer(text.encode("utf-8"), np.uint8)
    for number, array in enumerate(arrays):
        store[str(number)] = array


def _keeps(callback):
    return isinstance(callback, Callback) and bool(callback._counts)


def _rate(model):
    rate = getattr(model.optimizer, "_learning_rate", None)
    return float(np.array(rate)) if hasattr(rate, "assign") else None


def load(store, path):
    """The `Position` that a file holds, None where it holds none. Raises FormatError where it is damaged."""
    if _RECORD not in store:
        return None
    try:
        record = parse_json(np.array(store[_RECORD]).tobytes(), path, "the record of training")
        return Position(_filled(record, store))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        what = explain("The record of training is damaged", expected="what a backup writes", given=repr(error))
        raise FormatError(f"{path}: {what}") from error


class Position:
    """Where an earlier run was. record: what `save` wrote."""

    def __init__(self, record):
        self._record = record
        self.epoch, self.done = int(record["epoch"]), int(record["done"])
        self.foreign = record["process"] != _process()

    def begin(self, model, batches, callbacks):
        """Before the first epoch: let the callbacks go on from where they were.

        Those that come after the one that kept the record are told of the epoch's, or the batch's, end: that is where
        the run was.
        """
        record, state = self._record, model._training
        for name, callback in _named(callbacks.callbacks).items():
            if name in record["callbacks"] and _keeps(callback):
                callback._go_on(record["callbacks"][name])
        state.stop_training = bool(record["stop"])
        if not self.done:
            for callback in self._later(callbacks):
                callback.on_epoch_end(self.epoch - 1, record["logs"])
            self._settle(model, batches)

    def _later(self, callbacks):
        return [other for other in callbacks.callbacks[int(self._record["place"]) + 1 :] if _keeps(other)]

    def within(self, model, batches, callbacks):
        """In the first epoch, when it has begun: go on within it. Gives the number of its batches that are behind."""
        if not self.done:
            return 0
        record = self._record
        if record["rate"] is not None and hasattr(model.optimizer, "_learning_rate"):
            model.optimizer.learning_rate = record["rate"]  # schedules set it when the epoch began
        self._settle(model, batches)
        variables = model.metrics_variables
        if len(variables) == len(record["metrics"]):
            for variable, value in zip(variables, record["metrics"]):
                variable.assign(value)
        logs = pythonify(model.get_metrics_result())
        for callback in self._later(callbacks):
            callback.on_train_batch_end(self.done - 1, logs)
        return self.done

    def _settle(self, model, batches):
        record = self._record
        known = record["begun"] is not None or not record["given"]
        if known and record["source"] == [batches.source.name, batches.num_batches, batches.steps]:
            batches.go_on(record["begun"], int(record["given"]), self.done)
        else:  # other data
            batches.restart()
            self.done = 0
        generators = _generators(model)
        if len(generators) == len(record["layers"]):
            for generator, states in zip(generators, record["layers"]):
                generator.set_states(states)
        seeds.set_states(record["random"])
