"""The base of callbacks, and those that hold a few lines each."""

import math

from tandem.core.errors import explain
from tandem.keras.legacy.logs import Logs
from tandem.keras.legacy.old_properties import Old, validation_arrays
from tandem.keras.utils.messages import print_msg

HOOKS = tuple(
    f"on_{kind}_{edge}"
    for kind in ("epoch", "batch", "train", "train_batch", "test", "test_batch", "predict", "predict_batch")
    for edge in ("begin", "end")
)


class Callback:
    """What is called at the edges of training, evaluation and prediction, of their epochs and of their batches.

    A subclass overrides the methods that it needs. `logs` holds the values so far; in `on_epoch_end` the same dict goes
    through all callbacks, so that one may add to it. `self.model` is the model, `self.params` a dict with "verbose",
    "epochs" and "steps".
    """

    params = None
    _model = None
    writes_files = False  # then only one of several processes has it
    _keeps_position = False  # whether it keeps at which batch the run is: then the data's order is remembered
    _counts = ()  # attributes that say how far it has come in a run, for a backup of the training

    @property
    def model(self):
        """The model that is being trained, evaluated or asked."""
        return self._model

    @model.setter
    def model(self, model):
        self._model = model

    @Old
    def validation_data(self):
        """The arrays that `fit` validates on: inputs, targets, sample weights; None where there are none."""
        return None if self._model is None else validation_arrays(self._model)

    def set_params(self, params):
        """Take the run's parameters."""
        self.params = params

    def set_model(self, model):
        """Take the model."""
        self._model = model

    def _state(self):
        """How far it has come in a run: a dict of numbers, texts and arrays."""
        return {name: getattr(self, name, None) for name in self._counts}

    def _go_on(self, state):
        """Go on from what `_state` gave in another process, after `on_train_begin`."""
        for name in self._counts:
            if name in state:
                setattr(self, name, state[name])

    def on_batch_begin(self, batch, logs=None):
        """The same as `on_train_batch_begin`, by its older name."""

    def on_batch_end(self, batch, logs=None):
        """The same as `on_train_batch_end`, by its older name."""

    def on_epoch_begin(self, epoch, logs=None):
        """Before epoch number `epoch` (from 0) of training."""

    def on_epoch_end(self, epoch, logs=None):
        """After an epoch of training and its validation."""

    def on_train_batch_begin(self, batch, logs=None):
        """Before batch number `batch` (from 0) of an epoch."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch, logs=None):
        """After batch number `batch` of an epoch."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch, logs=None):
        """Before a batch of an evaluation, also of one that validates in `fit`."""

    def on_test_batch_end(self, batch, logs=None):
        """After a batch of an evaluation, also of one that validates in `fit`."""

    def on_predict_batch_begin(self, batch, logs=None):
        """Before a batch of `predict`."""

    def on_predict_batch_end(self, batch, logs=None):
        """After a batch of `predict`; `logs["outputs"]` holds its outputs."""

    def on_train_begin(self, logs=None):
        """At the start of `fit`."""

    def on_train_end(self, logs=None):
        """At the end of `fit`."""

    def on_test_begin(self, logs=None):
        """At the start of an evaluation, also of one that validates in `fit`."""

    def on_test_end(self, logs=None):
        """At the end of an evaluation, also of one that validates in `fit`."""

    def on_predict_begin(self, logs=None):
        """At the start of `predict`."""

    def on_predict_end(self, logs=None):
        """At the end of `predict`."""


def overrides(callback, hook):
    """Whether a callback does anything in `hook` (an attribute of the instance counts, as does a class of another
    base).
    """
    if hook in vars(callback):
        return True
    method = getattr(type(callback), hook, None)
    return method is not None and method is not getattr(Callback, hook)


class LambdaCallback(Callback):
    """A callback made of functions, one to a hook: `LambdaCallback(on_epoch_end=lambda epoch, logs: ...)`."""

    def __init__(
        self,
        on_epoch_begin=None,
        on_epoch_end=None,
        on_train_begin=None,
        on_train_end=None,
        on_train_batch_begin=None,
        on_train_batch_end=None,
        **kwargs,
    ):
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        for hook, function in given.items():
            if function is not None:
                setattr(self, hook, function)
        for name, value in kwargs.items():
            setattr(self, name, value)


class History(Callback):
    """Keeps what each epoch gave; `fit` returns it: `history` is a dict of lists, `epoch` the epochs' numbers."""

    def __init__(self):
        self.history = Logs()

    def on_train_begin(self, logs=None):
        """Begin the list of epochs again (the values of an earlier `fit` stay where the object is used twice)."""
        self.epoch = []

    def on_epoch_end(self, epoch, logs=None):
        """Append the epoch's values, and hang this object on the model as `model.history`."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        keep_history(self.model, self)

    def plot(self, metrics=None, axes=None):
        """The curves of losses and metrics over the epochs; Tandem's own, see `keras.visualization.plot_history`."""
        from tandem.keras.visualization import plot_history

        return plot_history(self, metrics, axes)


def keep_history(model, history):
    """Let a model's `history` be an object, beside the attributes that a recorded step looks at."""
    state = vars(model).get("_trainer")
    if state is None:
        model.history = history
    else:
        state.history = history


class TerminateOnNaN(Callback):
    """Stops training as soon as a batch's loss is NaN or infinite.

    raise_error: raise RuntimeError instead of ending `fit`.
    """

    def __init__(self, raise_error=False):
        self.raise_error = raise_error

    def on_batch_end(self, batch, logs=None):
        """Look at the loss of the batch."""
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"NaN or Inf loss encountered at batch {batch}. Loss value: {loss}. Terminating training immediately."
            )
        print_msg(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True


class LearningRateScheduler(Callback):
    """Sets the learning rate at the start of each epoch.

    schedule: a function of the epoch (from 0) and, if it takes a second argument, of the present rate; it returns the
    new rate, a float. verbose: 1 prints each setting. Raises ValueError where the function returns something else.
    """

    def __init__(self, schedule, verbose=0):
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch, logs=None):
        """Set this epoch's rate."""
        optimizer = optimizer_with_rate(self)
        rate = current_rate(optimizer)
        try:
            rate = self.schedule(epoch, rate)
        except TypeError:
            # A schedule of one argument. (A TypeError of its own body shows when it is called once more.)
            rate = self.schedule(epoch)
        if not isinstance(rate, (float, int)) and not _is_scalar_array(rate):
            raise ValueError(f"The output of the `schedule` function should be a float. Got: {rate}")
        optimizer.learning_rate = rate
        if self.verbose > 0:
            print_msg(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {float(rate)}.")

    def on_epoch_end(self, epoch, logs=None):
        """Write the rate into the epoch's values."""
        if logs is not None:
            logs["learning_rate"] = current_rate(optimizer_with_rate(self))


def optimizer_with_rate(callback):
    """The optimizer of a callback's model; raises ValueError where it has no learning rate."""
    optimizer = getattr(callback.model, "optimizer", None)
    if optimizer is None or not hasattr(optimizer, "learning_rate"):
        raise ValueError(
            explain(
                f"{type(callback).__name__} needs an optimizer with a learning rate", given=f"optimizer={optimizer}"
            )
        )
    return optimizer


def current_rate(optimizer):
    """An optimizer's learning rate at this moment, as a Python float."""
    rate = optimizer.learning_rate
    return float(getattr(rate, "value", rate))


def _is_scalar_array(value):
    return getattr(value, "shape", None) == () and hasattr(value, "__float__")
