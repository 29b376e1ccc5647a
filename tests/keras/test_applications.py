"""What is peculiar to `keras.applications`: files from the cache, classes by name, fine-tuning, replay."""

import json

import numpy as np
import pytest
import torch

from tandem import keras
from tandem.keras.applications import building, imagenet_utils


def test_names_are_found_in_their_modules():
    applications = keras.applications
    assert applications.vgg16.VGG16 is applications.VGG16
    assert applications.resnet50.ResNet50 is applications.resnet.ResNet50 is applications.ResNet50
    for name in set(dir(applications)) - {"imagenet_utils"}:
        value = getattr(applications, name)
        if not callable(value):
            assert callable(value.preprocess_input)
            assert value.decode_predictions is imagenet_utils.decode_predictions


@pytest.fixture
def downloads(monkeypatch, tmp_path):
    """Files that `get_file` gives by name, and what it was asked."""
    from tandem.keras.utils import files

    asked = []

    def get_file(name, address, cache_subdir="datasets", file_hash=None):
        asked.append((name, address, cache_subdir, file_hash))
        return str(tmp_path / name)

    monkeypatch.setattr(files, "get_file", get_file)
    return asked, tmp_path


def test_imagenet_weights_come_from_the_cache(downloads):
    asked, folder = downloads
    model = keras.applications.MobileNetV2(alpha=0.35, include_top=False, weights=None, input_shape=(96, 96, 3))
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5"
    model.save(str(folder / name))
    again = keras.applications.MobileNetV2(alpha=0.35, include_top=False, input_shape=(96, 96, 3))
    for mine, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    address = "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/" + name
    assert asked == [(name, address, "models", None)]


@pytest.mark.parametrize("top", [True, False])
@pytest.mark.parametrize("name", ["MobileNetV3Small", "EfficientNetV2B0"])
def test_published_files_have_hashes(downloads, monkeypatch, name, top):
    asked, _ = downloads
    monkeypatch.setattr(keras.Model, "load_weights", lambda self, path: None)
    monkeypatch.setattr(building, "published_rows", lambda *_: 224)
    shape = (224, 224, 3)
    getattr(keras.applications, name)(include_top=top, input_shape=shape)
    file, address, folder, file_hash = asked[0]
    assert folder == "models"
    assert len(file_hash) == 32
    assert address.endswith(file)
    assert ("top" in file) is not top


def test_decode_predictions(downloads, monkeypatch):
    asked, folder = downloads
    monkeypatch.setattr(imagenet_utils, "_class_index", {})
    index = {str(number): [f"n{number:08}", f"thing {number}"] for number in range(1000)}
    (folder / "imagenet_class_index.json").write_text(json.dumps(index))
    scores = np.zeros((2, 1000), "float32")
    scores[0, 7], scores[0, 3], scores[1, 999] = 0.6, 0.4, 1
    found = keras.applications.imagenet_utils.decode_predictions(scores, top=2)
    assert [entry[:2] for entry in found[0]] == [("n00000007", "thing 7"), ("n00000003", "thing 3")]
    assert found[0][0][2] == np.float32(0.6)
    assert found[1][0][1] == "thing 999"
    assert keras.applications.vgg16.decode_predictions(torch.as_tensor(scores), top=1)[0][0][1] == "thing 7"
    assert asked[0][3] == "c2c37ea517e94d9795004a39431a14cb"
    with pytest.raises(ValueError, match=r"\(samples, 1000\)"):
        keras.applications.imagenet_utils.decode_predictions(scores[:, :10])


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
def test_preprocessing_is_the_same_in_a_model(mode):
    x = np.random.default_rng(0).uniform(0, 255, (2, 4, 5, 3)).astype("float32")
    image = keras.Input((4, 5, 3))
    model = keras.Model(image, imagenet_utils.preprocess_input(image, mode=mode))
    inside = model.predict(x, verbose=0)
    tensor = imagenet_utils.preprocess_input(torch.as_tensor(x), mode=mode)
    whole = imagenet_utils.preprocess_input(x.copy(), mode=mode)
    np.testing.assert_allclose(inside, whole, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(tensor.numpy(), whole, rtol=1e-5, atol=1e-4)


def test_fine_tuning_leaves_what_is_frozen():
    keras.utils.set_random_seed(0)
    base = keras.applications.MobileNetV2(
        alpha=0.35, include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg"
    )
    base.trainable = False
    image = keras.Input((32, 32, 3))
    x = keras.applications.mobilenet_v2.preprocess_input(image)
    model = keras.Model(image, keras.layers.Dense(2, activation="softmax")(base(x, training=False)))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 255, (8, 32, 32, 3)).astype("float32"), rng.integers(0, 2, 8)
    before = base.get_weights()
    head = model.layers[-1].get_weights()[0]
    model.fit(x, y, epochs=1, batch_size=4, verbose=0)
    for mine, theirs in zip(base.get_weights(), before, strict=True):  # moving averages too
        np.testing.assert_array_equal(mine, theirs)
    assert np.abs(model.layers[-1].get_weights()[0] - head).max() > 0
    assert len(model.trainable_weights) == 2
    # The last block alone.
    base.trainable = True
    for layer in base.layers[:-12]:
        layer.trainable = False
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=1, batch_size=4, verbose=0)
    changed = [np.abs(mine - theirs).max() > 0 for mine, theirs in zip(base.get_weights(), before, strict=True)]
    assert any(changed[-8:])
    assert not any(changed[:50])


def one_step(name, arguments, eager):
    keras.utils.set_random_seed(1)
    keras.backend.clear_session()
    model = getattr(keras.applications, name)(weights=None, classes=3, **arguments)
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, 255, (4, *arguments["input_shape"])).astype("float32"), rng.integers(0, 3, 4)
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=eager)
    return model.train_on_batch(x, y), model.get_weights()


REPLAYED = [
    ("MobileNetV2", {"alpha": 0.35, "input_shape": (32, 32, 3)}),
    pytest.param("ResNet50V2", {"input_shape": (32, 32, 3)}, marks=pytest.mark.slow),
    pytest.param("EfficientNetB0", {"input_shape": (32, 32, 3)}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "arguments"), REPLAYED)
def test_a_replayed_step_is_the_eager_one(name, arguments):
    (loss, weights), (eager_loss, eager_weights) = (one_step(name, arguments, eager) for eager in (False, True))
    assert loss == pytest.approx(eager_loss, rel=1e-5)
    for mine, theirs in zip(weights, eager_weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5 * max(1, np.abs(theirs).max()))


def test_input_tensors_and_channels_first():
    image = keras.Input((40, 40, 3))
    x = keras.layers.Rescaling(1 / 255)(image)
    model = keras.applications.MobileNet(input_tensor=x, weights=None, include_top=False, alpha=0.25)
    assert model.input_shape == (None, 40, 40, 3)
    assert any(layer.name.startswith("rescaling") for layer in model.layers)
    keras.config.set_image_data_format("channels_first")
    try:
        model = keras.applications.MobileNet(input_shape=(3, 32, 32), weights=None, alpha=0.25, classes=4)
        assert model.predict(np.zeros((1, 3, 32, 32)), verbose=0).shape == (1, 4)
        assert model.get_layer("conv1_bn").axis == 1
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("name", ["EfficientNetV2B0", "ConvNeXtTiny"])
def test_colours_are_normalized_where_there_are_three(name):
    for channels in (1, 3):
        model = getattr(keras.applications, name)(weights=None, input_shape=(32, 32, channels), include_top=False)
        assert any(isinstance(layer, keras.layers.Normalization) for layer in model.layers) == (channels == 3)


@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNetV3Small"])
def test_an_input_tensor_is_of_the_shape_that_is_given(name):
    make = getattr(keras.applications, name)
    with pytest.raises(ValueError, match="do not fit each other"):
        make(weights=None, input_tensor=keras.Input((32, 32, 3)), input_shape=(48, 48, 3))
    if name == "MobileNetV3Small":
        with pytest.raises(ValueError, match="at least 32x32"):
            make(weights=None, input_tensor=keras.Input((8, 8, 3)))
    else:
        assert make(weights=None, input_tensor=keras.Input((128, 128, 3))).name == "mobilenetv2_1.00_128"
