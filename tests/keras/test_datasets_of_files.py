"""Datasets out of folders and series: order, shares, labels, and that models take them."""

import wave

import numpy as np
import pytest
import torch
from PIL import Image

from oracles import real_keras
from tandem import keras
from tandem.core.errors import Unsupported


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(("cats", "dogs", "eels")):
        (tmp_path / name).mkdir()
        for file in range(4):
            pixels = np.full((6, 8, 3), 40 * number + file, "uint8")
            Image.fromarray(pixels).save(tmp_path / name / f"{file}.png")
            (tmp_path / name / f"{file}.txt").write_text(f"{name} {file}")
    return tmp_path


def test_images_in_order_with_labels(folder, capsys):
    dataset = keras.utils.image_dataset_from_directory(folder, shuffle=False, batch_size=5, image_size=(4, 4))
    assert "Found 12 files belonging to 3 classes." in capsys.readouterr().out
    assert dataset.class_names == ["cats", "dogs", "eels"]
    batches = list(dataset)
    assert len(dataset) == len(batches) == 3
    assert [tuple(x.shape) for x, _ in batches] == [(5, 4, 4, 3), (5, 4, 4, 3), (2, 4, 4, 3)]
    labels = np.concatenate([y.numpy() for _, y in batches])
    np.testing.assert_array_equal(labels, np.repeat([0, 1, 2], 4))
    np.testing.assert_allclose(batches[0][0][3].numpy(), 3)
    np.testing.assert_allclose(batches[0][0][4].numpy(), 40)
    assert len(dataset.file_paths) == 12


def test_shares_do_not_overlap(folder):
    arguments = {"validation_split": 0.25, "seed": 3, "image_size": (4, 4), "verbose": False}
    training = keras.utils.image_dataset_from_directory(folder, subset="training", **arguments)
    validation = keras.utils.image_dataset_from_directory(folder, subset="validation", **arguments)
    both = keras.utils.image_dataset_from_directory(folder, subset="both", **arguments)
    assert len(training.file_paths) == 9
    assert not set(training.file_paths) & set(validation.file_paths)
    assert [part.file_paths for part in both] == [training.file_paths, validation.file_paths]
    orders = [np.concatenate([y.numpy() for _, y in training]).tolist() for _ in range(4)]
    assert len({tuple(order) for order in orders}) > 1  # another order each time


def test_modes_of_labels(folder):
    def first(**arguments):
        return next(
            iter(keras.utils.image_dataset_from_directory(folder, image_size=(4, 4), verbose=False, **arguments))
        )

    assert tuple(first(label_mode="categorical")[1].shape) == (12, 3)
    assert tuple(first(label_mode=None).shape) == (12, 4, 4, 3)
    assert tuple(first(labels=None, color_mode="grayscale").shape) == (12, 4, 4, 1)
    assert tuple(first(label_mode="binary", class_names=["dogs", "cats"])[1].shape) == (8, 1)
    with pytest.raises(ValueError, match="exactly 2 class_names"):
        first(label_mode="binary")
    with pytest.raises(ValueError, match="must provide a `seed`"):
        first(validation_split=0.5, subset="training")
    with pytest.raises(ValueError, match="did not match the names of the subdirectories"):
        first(class_names=["birds"])
    with pytest.raises(Unsupported, match="Grain"):
        first(format="grain")


def test_models_take_them(folder):
    dataset = keras.utils.image_dataset_from_directory(folder, image_size=(4, 4), batch_size=4, seed=1, verbose=False)
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(dataset, validation_data=dataset, epochs=2, verbose=0).history
    assert len(history["val_accuracy"]) == 2
    assert model.predict(dataset, verbose=0).shape == (12, 3)


def test_texts(folder):
    dataset = keras.utils.text_dataset_from_directory(folder, shuffle=False, batch_size=3, max_length=6, verbose=False)
    texts, labels = next(iter(dataset))
    assert texts.tolist() == ["cats 0", "cats 1", "cats 2"]
    assert labels.tolist() == [0, 0, 0]


def test_windows_of_a_series():
    data = np.arange(20).reshape(10, 2)
    dataset = keras.utils.timeseries_dataset_from_array(
        data, np.arange(10), sequence_length=3, sequence_stride=2, sampling_rate=2, batch_size=2
    )
    (x, y), *rest = list(dataset)
    np.testing.assert_array_equal(x.numpy(), [data[[0, 2, 4]], data[[2, 4, 6]]])
    assert y.tolist() == [0, 2]
    assert [part[1].tolist() for part in rest] == [[4]]
    with pytest.raises(ValueError, match="`sampling_rate` must be"):
        keras.utils.timeseries_dataset_from_array(data, None, 3, sampling_rate=0)


def sound(path, samples, rate=8000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


@pytest.fixture
def sounds(tmp_path):
    for number, name in enumerate(("bark", "meow")):
        (tmp_path / name).mkdir()
        for length in (3, 5):
            sound(tmp_path / name / f"{length}.wav", np.full((length, 2), -16384 * number + 64 * length))
    return tmp_path


def test_sounds(sounds):
    make = keras.utils.audio_dataset_from_directory
    (x, y), (x2, _) = make(sounds, shuffle=False, batch_size=3, verbose=False, sampling_rate=8000)
    assert x.shape == (3, 5, 2) and x2.shape == (1, 5, 2) and y.tolist() == [0, 0, 1]
    np.testing.assert_allclose(x[0, :, 0], [3 / 512] * 3 + [0, 0])
    np.testing.assert_allclose(x[2, :3], -0.5 + 3 / 512)
    (x,) = make(sounds, labels=None, output_sequence_length=4, verbose=False)
    assert x.shape == (4, 4, 2)
    with pytest.raises(Unsupported, match="8000 in"):
        next(iter(make(sounds, sampling_rate=16000, verbose=False)))
    with pytest.raises(ValueError, match="both `ragged`"):
        make(sounds, ragged=True, output_sequence_length=3)


def test_sounds_that_cannot_be_read(sounds):
    path = sounds / "bark" / "5.wav"
    whole = path.read_bytes()
    for damaged in (b"", whole[:10], whole[:40], whole[:-4], b"RIFX" + whole[4:]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"5\.wav' is damaged"):
            list(keras.utils.audio_dataset_from_directory(sounds, verbose=False))
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 1, 8000, 0, "NONE", ""))
        file.writeframes(bytes(8))
    with pytest.raises(Unsupported, match="8 bits"):
        list(keras.utils.audio_dataset_from_directory(sounds, verbose=False))


def test_parts_of_a_shuffled_dataset_have_its_seed(folder):
    def order():
        make = keras.utils.image_dataset_from_directory
        images = make(folder, batch_size=None, image_size=(4, 4), seed=3, verbose=False)
        return [float(x.max()) for part in keras.utils.split_dataset(images, left_size=8) for x, _ in part]

    assert order() == order() != sorted(order())


def test_splitting(folder):
    split = keras.utils.split_dataset
    x, y = np.arange(20.0).reshape(10, 2), np.arange(10)
    left, right = split((x, y), left_size=0.7)
    assert [int(b) for _, b in left] == list(range(7)) and [int(b) for _, b in right] == [7, 8, 9]
    left, right = split(x, right_size=4, left_size=3)
    np.testing.assert_array_equal(right[0][0], x[6])
    shuffled = [[int(b) for _, b in part] for part in split([x, y], left_size=4, shuffle=True, seed=1)]
    assert shuffled[0] != [0, 1, 2, 3] and sorted([*shuffled[0], *shuffled[1]]) == list(range(10))
    images = keras.utils.image_dataset_from_directory(
        folder, shuffle=False, batch_size=5, image_size=(4, 4), verbose=False
    )
    left, right = split(images, left_size=0.5)
    assert [len(b) for _, b in left] == [5, 1] and [b.tolist() for _, b in right] == [[1, 1, 2, 2, 2], [2]]
    assert right.file_paths == images.file_paths[6:] and right.class_names == images.class_names
    loader = torch.utils.data.DataLoader(split((x, y), left_size=6)[0], batch_size=6)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    assert len(model.fit(loader, shuffle=False, verbose=0).history["loss"]) == 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, ValueError),
        ({"left_size": 0}, ValueError),
        ({"left_size": 10}, ValueError),
        ({"left_size": 1.0}, ValueError),
        ({"left_size": "5"}, TypeError),
        ({"left_size": 0.6, "right_size": 0.5}, ValueError),
        ({"left_size": 6, "right_size": 5}, ValueError),
        ({"left_size": 0.01}, ValueError),
    ],
)
@pytest.mark.oracle
def test_sizes_that_do_not_fit(options, error):
    for one in (keras, real_keras()):
        with pytest.raises(error):
            one.utils.split_dataset((np.ones((10, 2)),), **options)


def test_other_names_and_data():
    for name in ("image_dataset_from_directory", "text_dataset_from_directory", "timeseries_dataset_from_array"):
        assert getattr(keras.preprocessing, name) is getattr(keras.utils, name)
    with pytest.raises(TypeError, match="must be a"):
        keras.utils.split_dataset(3, left_size=1)
    with pytest.raises(ValueError, match="different lengths"):
        keras.utils.split_dataset([np.ones(3), np.ones(4)], left_size=1)


@pytest.mark.oracle
@pytest.mark.parametrize("shape", [(9, 5, 3), (2, 4, 11, 1)])
@pytest.mark.parametrize("size", [(4, 4), (3, 7), (12, 5)])
def test_smart_resize(shape, size):
    x = np.random.RandomState(0).rand(*shape).astype("float32")
    ours, real = (one.preprocessing.image.smart_resize(x, size) for one in (keras, real_keras()))
    assert isinstance(ours, np.ndarray)
    np.testing.assert_allclose(ours, real, atol=1e-5)
