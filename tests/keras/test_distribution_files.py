"""Files and callbacks of several processes: one writes, any number reads; and training that goes on after a death."""

import os
import time

import numpy as np
import pytest
from tests.processes import together

from tandem import keras
from tandem.engine.distributed import group
from tandem.keras import layers


class _Dies(keras.callbacks.Callback):
    """The second process ends in the middle of an epoch, without a word."""

    def on_train_batch_begin(self, batch, logs=None):
        if group.rank() == 1 and self.epoch == 2 and batch == 1:
            os._exit(3)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


def _curve(folder, dies=False):
    random = np.random.default_rng(4)
    x = random.normal(size=(21, 4)).astype("float32")
    y = random.normal(size=(21, 1)).astype("float32")
    if group.size() > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel())
    keras.utils.set_random_seed(3)
    model = keras.Sequential([layers.Input((4,)), layers.Dense(5, activation="relu"), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse", metrics=["mae"])
    callbacks = [_Dies()] if dies else []
    if folder is not None:
        callbacks.append(keras.callbacks.BackupAndRestore(folder, delete_checkpoint=not dies))
    history = model.fit(x, y, batch_size=4, epochs=4, shuffle=False, verbose=0, callbacks=callbacks)
    return history.epoch, history.history, model.get_weights()


def test_training_goes_on_after_a_worker_died(tmp_path):
    ((epochs, expected, weights),) = together(_curve, None, count=1)
    assert epochs == [0, 1, 2, 3]
    for resumed in (2, 1):
        folder = str(tmp_path / str(resumed))
        begun = time.monotonic()
        with pytest.raises(AssertionError, match="process 1 ended without an answer"):
            together(_curve, folder, True)
        assert time.monotonic() - begun < 30  # the other one has noticed
        for epochs, history, found in together(_curve, folder, count=resumed):
            assert epochs == [2, 3]
            for name, values in history.items():
                np.testing.assert_allclose(values, expected[name][2:], rtol=1e-5)
            for one, other in zip(found, weights, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        assert not os.path.exists(folder)


def _written(folder):
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    keras.utils.set_random_seed(3 + group.rank())
    model = keras.Sequential([layers.Input((4,)), layers.Dense(2)])
    model.compile("adam", "mse")
    x = np.ones((6, 4), "float32")
    made = []
    tell = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: made.append(sorted(os.listdir(folder))))
    stop = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: _stop(model, epoch))
    callbacks = [
        keras.callbacks.ModelCheckpoint(os.path.join(folder, "{epoch}.keras")),
        keras.callbacks.CSVLogger(os.path.join(folder, "log.csv")),
        tell,
        stop,
    ]
    history = model.fit(x, x[:, :2], epochs=5, verbose=0, callbacks=callbacks)
    return len(history.epoch), made[-1] if group.is_chief() else None, model.predict(x, verbose=0).tolist()


def _stop(model, epoch):
    model.stop_training = group.rank() == 1 and epoch == 1


def _read(folder):
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    model = keras.models.load_model(os.path.join(folder, "2.keras"))
    x = np.ones((6, 4), "float32")
    found = model.predict(x, verbose=0).tolist()
    model.fit(x, x[:, :2], verbose=0)
    return found


def test_one_writes_and_any_number_reads(tmp_path):
    first, second = together(_written, str(tmp_path))
    # Where one process wants to stop all do.
    assert first[:2] == (2, ["1.keras", "2.keras", "log.csv"])
    assert second[:2] == (2, None)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3
    for count in (1, 3):
        for found in together(_read, str(tmp_path), count=count):
            np.testing.assert_allclose(found, first[2], rtol=1e-6)
            np.testing.assert_allclose(found, second[2], rtol=1e-6)
