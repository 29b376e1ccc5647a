"""Datasets out of folders and series: order, shares, labels, and that models take them."""

import numpy as np
import pytest
from PIL import Image

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
