"""Callbacks of rarer use: averaged weights for evaluation, a remote monitor."""

import json

import numpy as np
import torch

from tandem.core.errors import explain, warn
from tandem.keras.callbacks.callback import Callback
from tandem.keras.optimizers.optimizer import tensors_of
from tandem.ops import steps


class SwapEMAWeights(Callback):
    """Evaluates, and with `swap_on_epoch` also saves, the moving averages of the weights in place of the weights.

    The optimizer needs `use_ema=True`. Raises ValueError where it keeps no averages.
    """

    def __init__(self, swap_on_epoch=False):
        self.swap_on_epoch = swap_on_epoch
        self._swapped = False

    def _optimizer(self):
        optimizer = self.model.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if not getattr(optimizer, "use_ema", False):
            raise ValueError(
                explain(
                    "SwapEMAWeights must be used when `use_ema=True` is set on the optimizer",
                    given=f"use_ema={getattr(optimizer, 'use_ema', None)}",
                )
            )
        return optimizer

    def _swap(self):
        optimizer = self._optimizer()
        if optimizer._averages is None:
            return
        with torch.no_grad():
            steps.swap(tensors_of(optimizer._trainable_variables), tensors_of(optimizer._averages))

    def _keep_averages(self):
        """Let the averages that are the weights now be so for good: at the end the optimizer writes its own there."""
        optimizer = self._optimizer()
        for average, variable in zip(optimizer._averages or (), optimizer._trainable_variables):
            average.assign(variable)

    def _swap_in(self):
        if not self._swapped:
            self._swap()
            self._swapped = True

    def _swap_out(self):
        if self._swapped:
            self._swap()
            self._swapped = False

    def on_epoch_begin(self, epoch, logs=None):
        """Train on the weights themselves."""
        if self.swap_on_epoch:
            self._swap_out()

    def on_epoch_end(self, epoch, logs=None):
        """With `swap_on_epoch`: from here to the next epoch the averages are the weights."""
        if self.swap_on_epoch:
            self._swap_in()
            if epoch == self.params["epochs"] - 1:
                self._keep_averages()

    def on_test_begin(self, logs=None):
        """Evaluate the averages."""
        self._swap_in()

    def on_test_end(self, logs=None):
        """Go back to the weights."""
        self._swap_out()

    def on_predict_begin(self, logs=None):
        """Predict with the averages, where `swap_on_epoch` is not set."""
        if not self.swap_on_epoch:
            self._swap_in()

    def on_predict_end(self, logs=None):
        """Go back to the weights."""
        if not self.swap_on_epoch:
            self._swap_out()


class RemoteMonitor(Callback):
    """Posts each epoch's values to a web server.

    root: its address; path: below it; field: of the form that holds the JSON; headers: of the request; send_as_json:
    send the JSON itself. A server that does not answer gives a warning.
    """

    writes_files = True

    def __init__(
        self,
        root="http://localhost:9000",
        path="/publish/epoch/end/",
        field="data",
        headers=None,
        send_as_json=False,
    ):
        self.root = root
        self.path = path
        self.field = field
        self.headers = headers
        self.send_as_json = send_as_json

    def on_epoch_end(self, epoch, logs=None):
        """Post the values."""
        from urllib import error, parse, request

        values = {"epoch": epoch}
        for name, value in (logs or {}).items():
            values[name] = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
        text = json.dumps(values)
        if self.send_as_json:
            body, kind = text.encode(), "application/json"
        else:
            body, kind = parse.urlencode({self.field: text}).encode(), "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind, **(self.headers or {})}
        try:
            request.urlopen(request.Request(self.root + self.path, data=body, headers=headers), timeout=10).close()
        except (error.URLError, OSError):
            warn(f"Could not reach RemoteMonitor root server at {self.root}")
