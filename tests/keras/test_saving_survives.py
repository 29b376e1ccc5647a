"""Files of models that outlive kill -9, full disks and flipped bits."""

import errno
import multiprocessing
import os
import random
import resource
import signal
import time

import numpy as np
import pytest
import torch
from tests.oracles import real_keras

from tandem import keras
from tandem.formats.limits import FormatError

layers = keras.layers
SIZE = 60


def _model(value):
    model = keras.Sequential([layers.Input((SIZE,)), layers.Dense(SIZE), layers.Dense(2, dtype="bfloat16")])
    model.compile(keras.optimizers.Adam(), "mse")
    model.optimizer.build(model.trainable_variables)
    for variable in [*model.weights, *model.optimizer.variables[2:]]:
        variable.assign(np.full(variable.shape, value))
    model.optimizer.iterations.assign(value)
    return model


def _whole(model):
    """The one value that all of a model's state has."""
    arrays = [*model.get_weights(), *(np.array(variable) for variable in model.optimizer.variables[2:])]
    values = {float(value) for array in arrays for value in np.unique(np.asarray(array, "float32"))}
    (value,) = values | {float(model.optimizer.iterations.numpy())}
    return int(value)


# --- killed -----------------------------------------------------------------------------------------------------------


def _saves(folder, started, first):
    torch.set_num_threads(1)
    path = folder / "model.keras"
    model, value = _model(first), first
    started.set()
    while True:
        model.save(path)
        value = (value + 1) % 200  # numbers that bfloat16 holds
        for variable in [*model.weights, *model.optimizer.variables[2:]]:
            variable.assign(np.full(variable.shape, value))
        model.optimizer.iterations.assign(value)


def _saves_once(path):
    torch.set_num_threads(1)
    _model(3).save(path)


def _trains(folder, started, first):
    torch.set_num_threads(1)
    keras.utils.set_random_seed(first)
    model = _model(1)
    x = np.ones((4, SIZE), "float32")
    backup = keras.callbacks.BackupAndRestore(folder / "backup", save_freq=1 + first % 2)
    begun = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: started.set())
    model.fit(x, x[:, :2], batch_size=2, epochs=10**6, verbose=0, callbacks=[backup, begun])


def _killed(target, folder, first, wait):
    context = multiprocessing.get_context("fork")
    started = context.Event()
    process = context.Process(target=target, args=(folder, started, first), daemon=True)
    process.start()
    assert started.wait(60)
    time.sleep(wait)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


_TRIES = [6, pytest.param(200, marks=pytest.mark.slow)]


@pytest.mark.parametrize("tries", _TRIES)
def test_a_killed_save_leaves_the_newest_model_or_the_one_before(tries, tmp_path):
    chance, path = random.Random(tries), tmp_path / "model.keras"
    _model(0).save(path)
    for number in range(tries):
        _killed(_saves, tmp_path, number % 200, chance.uniform(0, 0.1))
        _whole(keras.models.load_model(path))
    process = multiprocessing.get_context("fork").Process(target=_saves_once, args=(path,))
    process.start()
    process.join(60)
    assert os.listdir(tmp_path) == ["model.keras"]  # nothing stays of the saves that were killed


@pytest.mark.parametrize("tries", _TRIES)
def test_a_killed_training_goes_on(tries, tmp_path):
    chance, steps, path = random.Random(tries), 0, tmp_path / "backup" / "latest.weights.h5"
    for number in range(tries):
        _killed(_trains, tmp_path, number, chance.uniform(0.05, 0.2))
        if path.exists():
            model = _model(0)
            model.load_weights(path)
            assert int(model.optimizer.iterations.numpy()) >= steps
            steps = int(model.optimizer.iterations.numpy())
    assert steps > tries // 10


# --- disks ------------------------------------------------------------------------------------------------------------

_WRITERS = {
    "model.keras": lambda path: _model(2).save(path),
    "model.h5": lambda path: _model(2).save(path),
    "model.weights.h5": lambda path: _model(2).save_weights(path),
    "model.safetensors": lambda path: _model(2).save_weights(path),
    "model.weights.json": lambda path: _model(2).save_weights(path, max_shard_size=0.00002),
    "model.pt2": lambda path: _model(2).export(path, format="torch"),
}


def _with_little_room(name, path):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))
    try:
        _WRITERS[name](path)
    except OSError as error:
        os._exit(7 if error.errno == errno.EFBIG else 8)
    os._exit(9)


@pytest.mark.parametrize("name", _WRITERS)
def test_the_earlier_file_outlives_a_full_disk(name, tmp_path):
    path = tmp_path / name
    _WRITERS[name](path)
    before = {entry: (tmp_path / entry).read_bytes() for entry in os.listdir(tmp_path)}
    process = multiprocessing.get_context("fork").Process(target=_with_little_room, args=(name, path))
    process.start()
    process.join(60)
    assert process.exitcode == 7
    assert {entry: (tmp_path / entry).read_bytes() for entry in os.listdir(tmp_path)} == before
    with pytest.raises(FileNotFoundError, match="nowhere"):
        _WRITERS[name](tmp_path / "nowhere" / name)


# --- bits -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.weights.h5"])
def test_a_flipped_bit_is_noticed(name, tmp_path):
    path = tmp_path / name
    _WRITERS[name](path)
    data = bytearray(path.read_bytes())
    place = data.find(np.full(SIZE * SIZE, 2, "float32").tobytes())
    data[place + 1001] ^= 1
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"damaged|checksum"):
        _model(1).load_weights(path) if "weights" in name else keras.models.load_model(path)


@pytest.mark.parametrize("name", ["model.weights.h5", "model.h5"])
def test_real_keras_reads_files_with_checksums(name, tmp_path):
    real = real_keras()
    path = tmp_path / name
    model = keras.Sequential([layers.Input((3,)), layers.Dense(4), layers.BatchNormalization()])
    model.save_weights(path)
    other = real.Sequential([real.layers.Input((3,)), real.layers.Dense(4), real.layers.BatchNormalization()])
    other.load_weights(path)
    for one, two in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_real_keras_goes_on_from_a_backup(tmp_path):
    real = real_keras()

    def make(keras):
        model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    x, y = np.ones((4, 3)), np.ones((4, 1))
    model, folder = make(keras), tmp_path / "backup"
    keep = keras.callbacks.BackupAndRestore(folder, delete_checkpoint=False)
    model.fit(x, y, epochs=2, verbose=0, callbacks=[keep])
    other = make(real)
    keep = real.callbacks.BackupAndRestore(str(folder), delete_checkpoint=False)
    history = other.fit(x, y, epochs=3, verbose=0, callbacks=[keep])
    assert history.epoch == [2]
    model = make(keras)
    history = model.fit(x, y, epochs=4, verbose=0, callbacks=[keras.callbacks.BackupAndRestore(folder)])
    assert history.epoch == [3] and int(model.optimizer.iterations.numpy()) == 4
