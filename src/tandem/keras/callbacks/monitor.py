"""Callbacks that watch one value: stop, restore the best weights, reduce the learning rate."""

import numpy as np

from tandem.core.errors import warn
from tandem.keras.callbacks.callback import Callback, current_rate, optimizer_with_rate
from tandem.keras.legacy.logs import other_name
from tandem.keras.utils.messages import print_msg

_BETTER = {"min": lambda value, best: value < best, "max": lambda value, best: value > best}


class MonitorCallback(Callback):
    """Watches whether a value got better.

    monitor: the value's name in the logs; mode: "min", "max", or "auto": losses are to fall, and a metric of the model
    says itself what is better. Raises ValueError at the first epoch's end where that is not known.
    best: the value to be better than at first; min_delta: by how much, in absolute terms.
    """

    def __init__(self, monitor="val_loss", mode="auto", best=None, min_delta=0):
        if mode not in ("auto", "min", "max"):
            warn(f"{type(self).__name__} mode '{mode}' is unknown, fallback to auto mode.")
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = best
        self.min_delta = abs(min_delta)
        self.monitor_op = None
        if mode != "auto":
            self._set_mode(mode)

    def _set_mode(self, mode):
        self.monitor_op = _BETTER[mode]
        # Signed as it is subtracted: an improvement counts where `value - min_delta` is better than the best.
        self.min_delta = abs(self.min_delta) if mode == "max" else -abs(self.min_delta)

    def _set_monitor_op(self):
        """Find out what is better, once the model has its metrics."""
        if self.monitor_op is not None:
            return
        name = self.monitor.removeprefix("val_")
        mode = "min" if name == "loss" else self._direction(name)
        if mode is None:
            raise ValueError(
                f"{type(self).__name__} callback received monitor={self.monitor}, but it is not known whether that "
                "metric "
                "should be maximized or minimized. Pass `mode='max'` in order to monitor based on the highest metric "
                "value, or pass `mode='min'` in order to use the lowest value."
            )
        self._set_mode(mode)

    def _direction(self, name):
        """ "min" or "max" as the model's metric `name` says, or None."""
        for metric, alias in _named_metrics(self.model):
            if name in (metric.name, alias) or other_name(name) in (metric.name, alias):
                direction = getattr(metric, "_direction", None)
                return {"up": "max", "down": "min"}.get(direction)
        return None

    def _is_improvement(self, value, best):
        return best is None or self.monitor_op(value - self.min_delta, best)


def _named_metrics(model):
    """(metric, the name that it has in the logs) for each metric of a model."""
    for metric in getattr(model, "metrics", ()):
        parts = getattr(metric, "named_metrics", None)
        if parts is not None:
            yield from ((part, alias) for alias, part in parts())
        else:
            yield metric, metric.name


class EarlyStopping(MonitorCallback):
    """Stops training when a value no longer gets better.

    monitor: the value's name; min_delta: the least change that counts as better; patience: epochs without one before
    training stops; verbose: 1 prints; mode: "min", "max" or "auto"; baseline: training stops too if the value is not
    better than this within `patience` epochs; restore_best_weights: go back to the weights of the best epoch at the
    end;
    start_from_epoch: epochs before this one do not count.
    """

    _counts = ("wait", "stopped_epoch", "best", "best_epoch", "best_weights")

    def __init__(
        self,
        monitor="val_loss",
        min_delta=0,
        patience=0,
        verbose=0,
        mode="auto",
        baseline=None,
        restore_best_weights=False,
        start_from_epoch=0,
    ):
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.wait = 0
        self.stopped_epoch = 0
        self.restore_best_weights = restore_best_weights
        self.best_weights = None
        self.start_from_epoch = start_from_epoch

    def on_train_begin(self, logs=None):
        """Begin to count again."""
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_weights = None
        self.best_epoch = 0

    def on_epoch_end(self, epoch, logs=None):
        """Look at the value, and stop if it is time."""
        self._set_monitor_op()
        current = self.get_monitor_value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            # Weights to go back to even if no epoch is ever better than the baseline.
            self._remember(epoch)
        self.wait += 1
        if self._is_improvement(current, self.best):
            self.best = current
            self.best_epoch = epoch
            if self.restore_best_weights:
                self._remember(epoch)
            if self.baseline is None or self._is_improvement(current, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def _remember(self, epoch):
        self.best_epoch = epoch
        self.best_weights = self.model.get_weights()

    def on_train_end(self, logs=None):
        """Say that it stopped, and go back to the best weights."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            print_msg(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                print_msg(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)

    def get_monitor_value(self, logs):
        """The watched value, or None, with a warning, where the logs do not have it."""
        logs = logs or {}
        value = logs.get(self.monitor)
        if value is None:
            warn(
                f"Early stopping conditioned on metric `{self.monitor}` which is not available. "
                f"Available metrics are: {','.join(logs)}"
            )
        return value


class ReduceLROnPlateau(MonitorCallback):
    """Reduces the learning rate when a value no longer gets better: `rate * factor`, not below `min_lr`.

    monitor: the value's name; factor: less than 1; patience: epochs without improvement before each reduction; verbose:
    1 prints; mode: "min", "max" or "auto"; min_delta: the least change that counts; cooldown: epochs to wait after a
    reduction before counting again; min_lr: the lower bound.
    """

    _counts = ("best", "wait", "cooldown_counter")

    def __init__(
        self,
        monitor="val_loss",
        factor=0.1,
        patience=10,
        verbose=0,
        mode="auto",
        min_delta=1e-4,
        cooldown=0,
        min_lr=0.0,
        **kwargs,
    ):
        if "epsilon" in kwargs:  # Keras 1's name
            min_delta = kwargs.pop("epsilon")
        if kwargs:
            raise TypeError(f"ReduceLROnPlateau has no arguments {sorted(kwargs)}.")
        super().__init__(monitor, mode, min_delta=min_delta)
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau does not support a factor >= 1.0. Received factor={factor}")
        self.factor = factor
        self.min_lr = min_lr
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.cooldown_counter = 0
        self.wait = 0

    def _reset(self):
        self.best = None
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs=None):
        """Begin to count again."""
        self._reset()

    def on_epoch_end(self, epoch, logs=None):
        """Look at the value, write the rate into the epoch's values, reduce it if it is time."""
        logs = logs if logs is not None else {}
        self._set_monitor_op()
        optimizer = optimizer_with_rate(self)
        logs["learning_rate"] = rate = current_rate(optimizer)
        current = logs.get(self.monitor)
        if current is None:
            warn(
                f"Learning rate reduction is conditioned on metric `{self.monitor}` which is not available. "
                f"Available metrics are: {','.join(logs)}."
            )
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and rate > float(np.float32(self.min_lr)):  # the rate is float32
                rate = max(rate * self.factor, self.min_lr)
                optimizer.learning_rate = rate
                if self.verbose > 0:
                    print_msg(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {rate}.")
                self.cooldown_counter = self.cooldown
                self.wait = 0

    def in_cooldown(self):
        """Whether a reduction is so recent that epochs do not count."""
        return self.cooldown_counter > 0
