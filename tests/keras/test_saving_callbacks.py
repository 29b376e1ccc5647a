"""Callbacks that write models: checkpoints and backups."""

import json
import os

import numpy as np
import pytest

from tandem import keras
from tandem.keras.callbacks import BackupAndRestore, ModelCheckpoint

layers = keras.layers
X = np.random.RandomState(0).rand(8, 3).astype("float32")
Y = X[:, :1] * 2


def make():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([layers.Input((3,)), layers.Dense(2), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse", metrics=["mae"])
    return model


def fit(model, *callbacks, epochs=3, **options):
    return model.fit(X, Y, epochs=epochs, batch_size=4, shuffle=False, verbose=0, callbacks=callbacks, **options)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_checkpoint_of_each_epoch(suffix, tmp_path):
    model = make()
    history = fit(model, ModelCheckpoint(tmp_path / f"inner/{{epoch:02d}}-{{loss:.4f}}.{suffix}"), validation_split=0.5)
    names = sorted(os.listdir(tmp_path / "inner"))
    assert names == [f"{n + 1:02d}-{loss:.4f}.{suffix}" for n, loss in enumerate(history.history["loss"])]
    loaded = keras.models.load_model(tmp_path / "inner" / names[-1], compile=suffix == "keras")
    assert np.array_equal(model.predict(X, verbose=0), loaded.predict(X, verbose=0))


def test_weights_alone_and_after_batches(tmp_path):
    model = make()
    fit(model, ModelCheckpoint(tmp_path / "{epoch}-{batch}.weights.h5", save_weights_only=True, save_freq=3))
    assert sorted(os.listdir(tmp_path)) == ["2-1.weights.h5", "3-2.weights.h5"]
    other = make()
    other.optimizer.build(other.trainable_variables)
    other.load_weights(tmp_path / "3-2.weights.h5")
    assert np.array_equal(model.get_weights()[0], other.get_weights()[0])


def test_only_the_best(tmp_path, capsys):
    class Logs(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["score"] = [0.5, 0.4, 0.9, 0.9][epoch]

    saved = []

    class Model(keras.Sequential):
        def save(self, filepath, **options):
            saved.append(filepath)

    model = Model([layers.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    best = ModelCheckpoint(tmp_path / "{epoch}.keras", "score", verbose=1, save_best_only=True, mode="max")
    fit(model, Logs(), best, epochs=4)
    assert [os.path.basename(path) for path in saved] == ["1.keras", "3.keras"]
    assert "score improved from 0.50000 to 0.90000" in capsys.readouterr().out
    saved.clear()
    least = ModelCheckpoint(
        tmp_path / "{epoch}.keras", "score", save_best_only=True, mode="min", initial_value_threshold=0.45
    )
    fit(model, Logs(), least, epochs=4)
    assert [os.path.basename(path) for path in saved] == ["2.keras"]


def test_paths_that_cannot_be(tmp_path):
    with pytest.raises(ValueError, match=r"must end in `.keras`"):
        ModelCheckpoint(tmp_path / "x")
    with pytest.raises(ValueError, match=r"must end in `.weights.h5`"):
        ModelCheckpoint(tmp_path / "x.keras", save_weights_only=True)
    (tmp_path / "x.keras").mkdir()
    with pytest.raises(OSError, match="non-directory"):
        fit(make(), ModelCheckpoint(tmp_path / "x.keras"))
    with pytest.raises(KeyError, match="nosuch"):
        fit(make(), ModelCheckpoint(tmp_path / "{nosuch}.keras"))


class Stop(keras.callbacks.Callback):
    """Interrupts training after an epoch or at a batch of it."""

    def __init__(self, epoch, batch=None):
        super().__init__()
        self.at = (epoch, batch)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        if (epoch, None) == self.at:
            raise KeyboardInterrupt


def test_training_goes_on_where_it_stopped(tmp_path):
    whole = make()
    fit(whole, epochs=4)
    folder = tmp_path / "backup"
    with pytest.raises(KeyboardInterrupt):
        fit(make(), BackupAndRestore(folder), Stop(1), epochs=4)
    assert json.loads((folder / "training_metadata.json").read_text()) == {"epoch": 2, "batch": 0}
    model = make()
    history = fit(model, BackupAndRestore(folder), epochs=4)
    assert history.epoch == [2, 3] and not folder.exists()
    assert np.allclose(model.get_weights()[0], whole.get_weights()[0], atol=1e-6)


def test_backups_after_batches(tmp_path):
    folder = tmp_path / "backup"
    with pytest.raises(KeyboardInterrupt):
        fit(make(), BackupAndRestore(folder, save_freq=1, delete_checkpoint=False), Stop(1, 0), epochs=4)
    model = make()
    history = fit(model, BackupAndRestore(folder, save_freq=1, delete_checkpoint=False), epochs=4)
    assert history.epoch == [1, 2, 3] and int(model.optimizer.iterations.numpy()) == 9
    assert (folder / "latest.weights.h5").exists()


def test_a_damaged_backup_gives_way_to_the_one_before(tmp_path):
    folder = tmp_path / "backup"
    with pytest.raises(KeyboardInterrupt):
        fit(make(), BackupAndRestore(folder, double_checkpoint=True), Stop(2), epochs=4)
    (folder / "latest.weights.h5").write_bytes(b"damaged")
    history = fit(make(), BackupAndRestore(folder, double_checkpoint=True), epochs=4)
    assert history.epoch == [2, 3]


def test_arguments():
    with pytest.raises(ValueError, match="Empty `backup_dir`"):
        BackupAndRestore("")
    for frequency in ("batch", 1.5, True):
        with pytest.raises(ValueError, match="save_freq"):
            BackupAndRestore("x", save_freq=frequency)
    assert BackupAndRestore("x", save_freq=False).save_freq is False
