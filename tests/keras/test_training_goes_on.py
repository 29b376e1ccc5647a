"""Training that was killed and goes on in another process ends as the uninterrupted one, bit for bit."""

import multiprocessing
import os
import signal

import numpy as np
import pytest
import torch

from tandem import keras

layers = keras.layers
ROWS, BATCH, EPOCHS = 22, 4, 6


class _Dies(keras.callbacks.Callback):
    """Ends the process as the system does, at a batch of an epoch or (batch None) at the epoch's end."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.at = (epoch, batch)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_epoch_end(self, epoch, logs=None):
        if (epoch, None) == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


class _Batches(keras.utils.PyDataset):
    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return -(-ROWS // BATCH)

    def __getitem__(self, index):
        rows = slice(index * BATCH, (index + 1) * BATCH)
        return self.x[rows] + np.random.rand(), self.y[rows]


def _model(optimizer):
    model = keras.Sequential(
        [
            layers.Input((3,)),
            layers.Dense(6, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.4),
            layers.GaussianNoise(0.1, seed=5),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer(), "mse", metrics=["mae"])
    return model


def _run(folder, kind, options, freq, dies, backup=True):
    torch.set_num_threads(1)
    # What is drawn before `fit` must not matter to a run that goes on.
    keras.utils.set_random_seed(7 if dies or not backup else 99)
    x = np.random.RandomState(0).rand(ROWS, 3).astype("float32")
    y = x[:, :1] * 2 - x[:, 1:2]
    model = _model(_OPTIMIZERS[kind])
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True)
    plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.05)
    table = keras.callbacks.CSVLogger(folder / "log.csv", append=True)
    best = keras.callbacks.ModelCheckpoint(folder / "best.weights.h5", "val_loss", 0, True, True)
    callbacks = [stopping, plateau, table, best]
    if backup:
        callbacks.insert(2, keras.callbacks.BackupAndRestore(folder / "backup", save_freq=freq))
    if dies:
        callbacks.append(_Dies(*dies))
    data = (_Batches(x, y),) if options.get("dataset") else (x, y)
    options = {key: value for key, value in options.items() if key != "dataset"}
    if "steps_per_epoch" not in options and len(data) == 2:
        options.setdefault("batch_size", BATCH)
    history = model.fit(*data, epochs=EPOCHS, verbose=0, callbacks=callbacks, validation_data=(x[:8], y[:8]), **options)
    np.savez(
        folder / "end.npz",
        *[np.array(variable) for variable in [*model.weights, *model.optimizer.variables]],
        counts=np.array([stopping.wait, stopping.best, plateau.wait, plateau.best, best.best], "float64"),
        after=np.array([np.random.rand(), torch.rand(()).item()]),
        loss=np.array(history.history.get("loss", [])),
    )


_OPTIMIZERS = {
    "ema": lambda: keras.optimizers.Adam(0.05, use_ema=True, ema_momentum=0.9),
    "accumulating": lambda: keras.optimizers.SGD(0.05, momentum=0.9, gradient_accumulation_steps=3),
}


def _child(*args):
    process = multiprocessing.get_context("fork").Process(target=_run, args=args)
    process.start()
    process.join(120)
    assert process.exitcode is not None
    return process.exitcode


@pytest.mark.parametrize(
    ("kind", "options", "freq", "dies"),
    [
        pytest.param("ema", {}, "epoch", [(2, None)], marks=pytest.mark.slow),
        ("accumulating", {}, "epoch", [(2, 3), (4, None)]),
        ("accumulating", {}, 2, [(1, 2), (3, 5)]),
        ("ema", {"steps_per_epoch": 2, "batch_size": BATCH}, "epoch", [(1, 0), (4, 1)]),
        pytest.param("ema", {"dataset": True}, 4, [(2, 1)], marks=pytest.mark.slow),
        pytest.param("ema", {"shuffle": "batch"}, 1, [(0, 4), (3, None)], marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_goes_on_to_the_same_end(kind, options, freq, dies, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    assert _child(whole, kind, options, freq, None, False) == 0
    for place in dies:
        assert _child(parts, kind, options, freq, place) == -signal.SIGKILL
    assert _child(parts, kind, options, freq, None) == 0
    assert not (parts / "backup").exists()
    expected, found = np.load(whole / "end.npz"), np.load(parts / "end.npz")
    for name in expected.files:
        wanted = expected[name]
        if name == "loss":  # the epochs of the last run
            wanted = wanted[len(wanted) - len(found[name]) :]
        np.testing.assert_array_equal(found[name], wanted, err_msg=name)
    assert (parts / "log.csv").read_text() == (whole / "log.csv").read_text()
    assert sorted(os.listdir(parts)) == sorted(os.listdir(whole))
