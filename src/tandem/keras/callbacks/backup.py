"""`BackupAndRestore`: training that was interrupted goes on where it stopped."""

import json
import os
import shutil

from tandem.core.errors import explain
from tandem.engine.distributed import group
from tandem.formats import keras_hdf5, keras_weights
from tandem.formats.keras_archive import parse_json
from tandem.formats.limits import FormatError
from tandem.formats.saving import atomic_copy, atomic_write
from tandem.keras.callbacks.callback import Callback
from tandem.keras.saving import state
from tandem.keras.trainers import position


class BackupAndRestore(Callback):
    """Keeps weights, the optimizer's state and the epoch in a folder while training runs, and begins with them.

    A run that ended early goes on after the last epoch that was kept. With `save_freq` a number, an epoch that was
    interrupted is begun again, from the weights of its last batch that was kept, as in Keras.
    Where the process itself ended and another one goes on, it does so exactly: at that batch, with the order of the
    data, the random numbers, the metrics' sums and what the other callbacks of Keras have counted, so that the run's
    result is the uninterrupted one's. (Generators begin again, and callbacks of your own have to look after
    themselves. So it is too with several processes, for everything but the weights.)
    backup_dir: the folder; save_freq: "epoch" or a number of batches (0 and False: each); double_checkpoint: keep the
    state before the last one as well, for where the last one is damaged; delete_checkpoint: remove the folder when
    training has ended.
    Raises ValueError for an empty `backup_dir` and another `save_freq`.
    """

    writes_files = True
    _keeps_position = True

    def __init__(self, backup_dir, save_freq="epoch", double_checkpoint=False, delete_checkpoint=True):
        if not backup_dir:
            raise ValueError("Empty `backup_dir` argument passed")
        if save_freq != "epoch" and (not isinstance(save_freq, int) or save_freq is True):
            raise ValueError(
                f"Invalid value for argument `save_freq`. Received: save_freq={save_freq}. Expected either 'epoch' "
                "or an "
                "integer value."
            )
        super().__init__()
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._weights_path = os.path.join(self.backup_dir, "latest.weights.h5")
        self._training_metadata_path = os.path.join(self.backup_dir, "training_metadata.json")
        self._prev_weights_path = f"{self._weights_path}.bkp"
        self._prev_training_metadata_path = f"{self._training_metadata_path}.bkp"
        self._batches_seen_since_last_saving = 0
        self._last_batch_seen = 0
        self._current_epoch = 0

    _counts = ("_batches_seen_since_last_saving", "_last_batch_seen", "_current_epoch")

    def on_train_begin(self, logs=None):
        """Load what an earlier run kept, if anything."""
        try:
            self._load()
        except (OSError, FormatError):
            if not os.path.exists(self._prev_weights_path):
                raise
            for old, new in (
                (self._prev_weights_path, self._weights_path),
                (self._prev_training_metadata_path, self._training_metadata_path),
            ):
                if os.path.exists(old):
                    atomic_copy(old, new)
                elif os.path.exists(new):
                    os.remove(new)
            self._load()

    def _load(self):
        model = self.model
        if not model.built:
            raise ValueError(
                "To use the BackupAndRestore callback, your model must be built before you call `fit()`. "
                f"Model {model} is unbuilt. You can build it beforehand by calling it on a batch of data."
            )
        if os.path.exists(self._weights_path):
            if model.optimizer is not None and not model.optimizer.built:
                model.optimizer.build(model.trainable_variables)
            model.load_weights(self._weights_path)
            if self._load_position():
                return
        else:
            return
        if os.path.exists(self._training_metadata_path):
            with open(self._training_metadata_path, "rb") as file:
                found = parse_json(file.read(), self._training_metadata_path, "the record of training")
            epoch = found.get("epoch") if isinstance(found, dict) else None
            if not isinstance(epoch, int) or epoch < 0:
                what = explain("The record of training is damaged", expected="an epoch", given=str(found)[:80])
                raise FormatError(f"{self._training_metadata_path}: {what}")
            model._initial_epoch = self._current_epoch = epoch

    def _load_position(self):
        """Let `fit` go on exactly where another process was; gives whether it will."""
        with keras_hdf5.reading(self._weights_path) as root:
            found = position.load(keras_weights.Reader(root).get(position.PLACE), self._weights_path)
        if found is None:  # real Keras wrote the file
            return False
        self.model._initial_epoch = self._current_epoch = found.epoch
        if found.foreign and group.size() == 1:
            self.model._training.position = found
        return True

    def on_epoch_end(self, epoch, logs=None):
        """Keep the state, where that is to be done after each epoch."""
        self._current_epoch = epoch + 1
        self._last_batch_seen = 0
        if self.save_freq == "epoch":
            self._save(0, logs)

    def on_train_batch_end(self, batch, logs=None):
        """Keep the state, where that is to be done after so many batches."""
        if self.save_freq == "epoch":
            return
        # A batch number that falls begins a new epoch.
        done = batch + 1 if batch <= self._last_batch_seen else batch - self._last_batch_seen
        self._batches_seen_since_last_saving += done
        self._last_batch_seen = batch
        if self._batches_seen_since_last_saving >= self.save_freq:
            self._batches_seen_since_last_saving = 0
            self._save(batch + 1)

    def _save(self, done, logs=None):
        os.makedirs(self.backup_dir, exist_ok=True)
        if self.double_checkpoint:
            for new, old in (
                (self._weights_path, self._prev_weights_path),
                (self._training_metadata_path, self._prev_training_metadata_path),
            ):
                if os.path.exists(new):
                    atomic_copy(new, old)
        # In one file, so that what belongs together is never apart. The other one is there for real Keras.
        with keras_weights.writing(self._weights_path) as weights:
            state.save(self.model, weights)
            if self.model._training.running is not None:
                store = weights.make(position.PLACE)
                position.save(self.model, store, self, self._current_epoch, done, logs)
        with atomic_write(self._training_metadata_path, "w") as file:
            json.dump({"epoch": self._current_epoch, "batch": self._last_batch_seen}, file)

    def on_train_end(self, logs=None):
        """Remove the folder, where that was asked for."""
        if self.delete_checkpoint and os.path.exists(self.backup_dir):
            # First what without weights would say that there is nothing to do.
            for path in (self._training_metadata_path, self._prev_training_metadata_path):
                if os.path.exists(path):
                    os.remove(path)
            shutil.rmtree(self.backup_dir)
