"""Callbacks that write files: checkpoints, tables of the epochs' values."""

import collections
import csv
import os

import numpy as np

from tandem.core.errors import explain, warn
from tandem.keras.callbacks.callback import Callback
from tandem.keras.callbacks.monitor import MonitorCallback
from tandem.keras.legacy.logs import Logs
from tandem.keras.utils.messages import print_msg

# ".h5" and ".hdf5" are Keras 2's formats of whole models and of weights.
_MODEL_SUFFIXES = (".keras", ".h5", ".hdf5")
_WEIGHT_SUFFIXES = (".weights.h5", ".h5", ".hdf5")


class ModelCheckpoint(MonitorCallback):
    """Saves the model, or its weights, after each epoch or every so many batches.

    filepath: ends in ".keras" (or Keras 2's ".h5"), or with save_weights_only in ".weights.h5"; it may hold "{epoch}",
    "{batch}" and the names of logged values with formats, "{epoch:02d}-{val_loss:.2f}.keras"; monitor: the value "
    "that says
    what is best; verbose: 1 prints; save_best_only: only when the value got better; mode: "min", "max" or "auto";
    save_freq: "epoch" or a number of batches; initial_value_threshold: what the value has to be better than at first.
    Raises ValueError for other suffixes and frequencies.
    """

    writes_files = True
    _counts = ("best", "_epochs_since_last_save", "_batches_seen_since_last_saving", "_last_batch_seen")

    def __init__(
        self,
        filepath,
        monitor="val_loss",
        verbose=0,
        save_best_only=False,
        save_weights_only=False,
        mode="auto",
        save_freq="epoch",
        initial_value_threshold=None,
        period=None,
    ):
        super().__init__(monitor, mode, initial_value_threshold)
        self.verbose = verbose
        self.filepath = os.fspath(filepath)
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self._period = period or 1  # Keras 2: every so many epochs
        self._epochs_since_last_save = 0
        self._batches_seen_since_last_saving = 0
        self._last_batch_seen = 0
        self._current_epoch = 0
        if save_freq != "epoch" and (not isinstance(save_freq, int) or isinstance(save_freq, bool)):
            raise ValueError(f"Unrecognized save_freq: {save_freq}. Expected save_freq are 'epoch' or integer values")
        if save_weights_only:
            if not self.filepath.endswith(_WEIGHT_SUFFIXES):
                raise ValueError(
                    "When using `save_weights_only=True` in `ModelCheckpoint`, the filepath provided must end in "
                    f"`.weights.h5` (Keras weights format). Received: filepath={self.filepath}"
                )
        elif not self.filepath.endswith(_MODEL_SUFFIXES):
            raise ValueError(
                f"The filepath provided must end in `.keras` (Keras model format). Received: filepath={self.filepath}"
            )

    def on_train_batch_end(self, batch, logs=None):
        """Save, where that is to be done after so many batches."""
        if self._should_save_on_batch(batch):
            self._save_model(epoch=self._current_epoch, batch=batch, logs=logs)

    def _should_save_on_batch(self, batch):
        if self.save_freq == "epoch":
            return False
        # A batch number that falls begins a new epoch.
        done = batch + 1 if batch <= self._last_batch_seen else batch - self._last_batch_seen
        self._batches_seen_since_last_saving += done
        self._last_batch_seen = batch
        if self._batches_seen_since_last_saving >= self.save_freq:
            self._batches_seen_since_last_saving = 0
            return True
        return False

    def on_epoch_begin(self, epoch, logs=None):
        """Keep the epoch's number for the path."""
        self._current_epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        """Save, where that is to be done after each epoch."""
        if self.monitor_op is None and self.save_best_only:
            self._set_monitor_op()
        self._epochs_since_last_save += 1
        if self.save_freq == "epoch" and self._epochs_since_last_save >= self._period:
            self._save_model(epoch=epoch, batch=None, logs=logs)

    def _save_model(self, epoch, batch, logs):
        logs = logs or {}
        self._epochs_since_last_save = 0
        path = self._get_file_path(epoch, batch, logs)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if self.save_best_only and not self._is_best(epoch, logs, path):
            return
        if not self.save_best_only and self.verbose > 0:
            print_msg(f"\nEpoch {epoch + 1}: saving model to {path}")
        try:
            if self.save_weights_only:
                self.model.save_weights(path, overwrite=True)
            else:
                self.model.save(path, overwrite=True)
        except IsADirectoryError:
            raise OSError(
                "Please specify a non-directory filepath for ModelCheckpoint. Filepath used is an existing directory: "
                f"{path}"
            ) from None
        if self.verbose > 0:
            print_msg(f"\nEpoch {epoch + 1}: finished saving model to {path}")

    def _is_best(self, epoch, logs, path):
        current = logs.get(self.monitor)
        if current is None:
            warn(f"Can save best model only with {self.monitor} available. Available metrics are: {','.join(logs)}")
            return True
        if isinstance(current, np.ndarray) and current.size > 1:
            warn(
                f"Can save best model only when `monitor` is a scalar value. Received: {current}. "
                "Falling back to `save_best_only=False`."
            )
            return True
        best = self.best
        if self._is_improvement(current, best):
            if self.verbose > 0:
                before = "None" if best is None else f"{best:.5f}"
                print_msg(
                    f"\nEpoch {epoch + 1}: {self.monitor} improved from {before} to {current:.5f}, saving model to "
                    f"{path}"
                )
            self.best = current
            return True
        if self.verbose > 0:
            print_msg(f"\nEpoch {epoch + 1}: {self.monitor} did not improve from {best:.5f}")
        return False

    def _get_file_path(self, epoch, batch, logs):
        values = {key: value for key, value in logs.items() if key not in ("epoch", "batch")}
        values["epoch"] = epoch + 1
        if batch is not None:
            values["batch"] = batch + 1
        try:
            return self.filepath.format_map(Logs(values))
        except KeyError as error:
            raise KeyError(
                explain(
                    f'Failed to format this callback filepath: "{self.filepath}"',
                    expected=f"names among {sorted(values)}",
                    given=str(error),
                )
            ) from None


class CSVLogger(Callback):
    """Writes each epoch's values as a row of a table.

    filename: of the CSV file; separator: between columns; append: go on with a file that is there.
    """

    writes_files = True
    _counts = ("keys", "size")

    @property
    def size(self):
        """The size of the file in bytes, 0 while there is none."""
        return os.path.getsize(self.filename) if os.path.exists(self.filename) else 0

    def _go_on(self, state):
        # Rows that were written after the backup are written once more.
        self.keys = state["keys"]
        if self.append and state["size"] < self.size:
            os.truncate(self.filename, state["size"])
        self.append_header = not self.size

    def __init__(self, filename, separator=",", append=False):
        self.sep = separator
        self.filename = os.fspath(filename)
        self.append = append
        self.writer = None
        self.keys = None
        self.append_header = True
        self.csv_file = None

    def on_train_begin(self, logs=None):
        """Open the file."""
        mode = "w"
        if self.append:
            if os.path.exists(self.filename):
                with open(self.filename) as file:
                    self.append_header = not file.readline()
            mode = "a"
        if self.csv_file and not self.csv_file.closed:
            self.csv_file.close()
        self.csv_file = open(self.filename, mode, newline="\n")  # noqa: SIM115  (it is closed in on_train_end)
        self.writer = None
        self.keys = None

    def on_epoch_end(self, epoch, logs=None):
        """Write a row."""
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
            # The first epoch need not be one with validation.
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
        if not self.writer:

            class Dialect(csv.excel):
                delimiter = self.sep

            self.writer = csv.DictWriter(self.csv_file, fieldnames=["epoch", *self.keys], dialect=Dialect)
            self.writer.lineterminator = "\n"
            if self.append_header:
                self.writer.writeheader()
        row = collections.OrderedDict({"epoch": epoch})
        row.update((key, _cell(logs.get(key, "NA"))) for key in self.keys)
        self.writer.writerow(row)
        self.csv_file.flush()

    def on_train_end(self, logs=None):
        """Close the file."""
        if self.csv_file and not self.csv_file.closed:
            self.csv_file.close()
        self.writer = None


def _cell(value):
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value) > 0:
        return f'"[{", ".join(map(str, value))}]"'
    return value
