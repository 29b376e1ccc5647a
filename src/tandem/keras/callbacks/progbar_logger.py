"""The callback behind `verbose`."""

import time

from tandem.keras.callbacks.callback import Callback
from tandem.keras.utils.messages import print_msg
from tandem.keras.utils.progbar import Progbar


class ProgbarLogger(Callback):
    """Shows progress on standard output: a bar (verbose 1 or "auto") or a line to an epoch (verbose 2)."""

    def __init__(self):
        self.seen = 0
        self.progbar = None
        self.target = None
        self.verbose = 1
        self.epochs = 1
        self._called_in_fit = False

    def set_params(self, params):
        """Take "verbose", "epochs" and "steps"."""
        verbose = params["verbose"]
        self.verbose = 1 if verbose == "auto" else int(verbose)
        self.epochs = params.get("epochs")
        self.target = params.get("steps")
        self.params = params

    def due(self):
        """Whether a batch that ends now would be displayed."""
        # In mode 2 only the end is shown.
        return self.verbose == 1 and (self.progbar is None or self.progbar.due(time.time()))

    def on_train_begin(self, logs=None):
        """Evaluations from now on are parts of a `fit`: they show nothing of their own."""
        self._called_in_fit = True

    def on_train_end(self, logs=None):
        """Evaluations from now on stand alone."""
        self._called_in_fit = False

    def on_test_begin(self, logs=None):
        """Begin a bar, unless this is a validation in `fit`."""
        if not self._called_in_fit:
            self._reset()
            self._begin()

    def on_predict_begin(self, logs=None):
        """Begin a bar."""
        self._reset()
        self._begin()

    def on_epoch_begin(self, epoch, logs=None):
        """Begin a bar; with several epochs, say which one it is."""
        self._reset()
        self._begin()
        if self.verbose and self.epochs > 1:
            print_msg(f"Epoch {epoch + 1}/{self.epochs}")

    def on_train_batch_end(self, batch, logs=None):
        """Show the batch."""
        self._update(batch, logs)

    def on_test_batch_end(self, batch, logs=None):
        """Show the batch, unless this is a validation in `fit`."""
        if not self._called_in_fit:
            self._update(batch, logs)

    def on_predict_batch_end(self, batch, logs=None):
        """Show the batch; outputs are not shown."""
        self._update(batch, None)

    def on_epoch_end(self, epoch, logs=None):
        """Show the epoch's final values."""
        self._finish(logs)

    def on_test_end(self, logs=None):
        """Show the final values, unless this is a validation in `fit`."""
        if not self._called_in_fit:
            self._finish(logs)

    def on_predict_end(self, logs=None):
        """Show that it is done."""
        self._finish(logs)

    def skip(self, batch):
        """Count a batch without showing it."""
        self.seen = batch + 1

    def _reset(self):
        self.seen = 0
        self.progbar = None

    def _begin(self):
        if self.verbose:
            # No name is averaged: the values come as running means already.
            self.progbar = Progbar(target=self.target, verbose=self.verbose, unit_name="step", stateless_metrics=())

    def _update(self, batch, logs):
        self.seen = batch + 1
        # In mode 2 only the end is shown, and values are read back from the device when they are looked at.
        if self.verbose == 1:
            self.progbar.update(
                self.seen, list((logs or {}).items()) if self.progbar.due(time.time()) else None, finalize=False
            )

    def _finish(self, logs):
        if not self.verbose:
            return
        if self.target is None:
            self.target = self.progbar.target = self.seen
        self.progbar.update(self.target, list((logs or {}).items()), finalize=True)
