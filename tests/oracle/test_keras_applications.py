"""`keras.applications` against the real Keras: layers, paths, summaries, numbers, files, errors."""

import json

import numpy as np
import pytest

from oracles import real_keras
from tandem import keras

pytestmark = pytest.mark.oracle

# What is quick to build stands first; the rest of each family is marked slow. NASNet is not here, for the real one does
# not build it on torch, and Keras 3 does not have two families of Keras 2.
QUICK = [
    ("VGG16", {"include_top": False, "pooling": "avg"}),
    ("ResNet50", {"include_top": False, "pooling": "max", "input_shape": (None, None, 3)}),
    ("MobileNet", {"alpha": 0.5, "depth_multiplier": 2}),
    ("MobileNetV2", {"alpha": 0.35, "input_shape": (96, 96, 3)}),
    ("MobileNetV3Small", {"minimalistic": True, "dropout_rate": 0.0}),
    ("EfficientNetV2B0", {"include_preprocessing": False, "include_top": False}),
    ("ConvNeXtTiny", {"include_preprocessing": False, "include_top": False, "pooling": "avg"}),
]
SLOW = [
    *(
        (name, {})
        for name in keras.applications.__dict__["_HOME"]
        if not name.startswith(("NASNet", "RegNet", "ResNetRS"))
    ),
    ("MobileNetV2", {"alpha": 1.4}),
    ("MobileNetV2", {"include_top": False, "input_shape": (None, None, 3)}),
    ("MobileNetV3Large", {"alpha": 0.75, "include_top": False, "pooling": "avg"}),
    ("MobileNetV3Small", {"alpha": 1.5}),
    ("DenseNet121", {"include_top": False, "pooling": "avg"}),
    ("InceptionV3", {"include_top": False, "pooling": "max"}),
    ("EfficientNetB0", {"classes": 7, "classifier_activation": None, "input_shape": (64, 64, 1)}),
    ("EfficientNetV2S", {"classes": 10, "input_shape": (64, 64, 3)}),
    ("ConvNeXtTiny", {"include_top": False, "input_shape": (64, 64, 3)}),
]


def described(K, name, arguments):
    """(the layers, what each hangs on, the paths and shapes of the weights, the lines of the summary)."""
    K.backend.clear_session()
    model = getattr(K.applications, name)(weights=None, **arguments)
    lines = []
    model.summary(print_fn=lambda line, line_break=False: lines.append(line))
    layers = [(type(layer).__name__, layer.name) for layer in model.layers]
    config = json.loads(json.dumps(model.get_config(), default=str))
    edges = [(layer["name"], layer["inbound_nodes"]) for layer in config["layers"]]
    return layers, edges, [(weight.path, tuple(weight.shape)) for weight in model.weights], lines


def check_description(name, arguments):
    ours, theirs = (described(K, name, arguments) for K in (keras, real_keras()))
    for mine, real in zip(ours, theirs, strict=True):
        assert mine == real


@pytest.mark.parametrize(("name", "arguments"), QUICK)
def test_layers_paths_and_summary(name, arguments):
    check_description(name, arguments)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "arguments"), SLOW)
def test_layers_paths_and_summary_of_the_rest(name, arguments):
    check_description(name, arguments)


def random_weights(model, rng):
    """Values with which the output still depends on the image after a hundred layers."""
    values = []
    for weight in model.weights:
        shape, kind = tuple(weight.shape), weight.path.rsplit("/", 1)[-1]
        if "kernel" in kind:
            apart = kind == "depthwise_kernel" or shape[-1] == 1
            inputs = np.prod(shape[:2] if apart else shape[:-1])
            value = rng.standard_normal(shape) * np.sqrt(2 / inputs)
        elif kind == "gamma" or "variance" in kind:
            value = np.exp(0.1 * rng.standard_normal(shape))
        else:
            value = 0.1 * rng.standard_normal(shape)
        values.append(np.ones(shape, "int32") if kind == "count" else value.astype("float32"))
    return values


def both(name, **arguments):
    """The real model and ours, with the same random weights."""
    real = getattr(real_keras().applications, name)(weights=None, **arguments)
    ours = getattr(keras.applications, name)(weights=None, **arguments)
    values = random_weights(real, np.random.default_rng(5))
    real.set_weights(values)
    ours.set_weights(values)
    return real, ours


def images(model):
    """A dark and a bright one, in the range that the model's own scaling, or its first convolution, expects."""
    largest = 255 if type(model.layers[1]).__name__ in ("Rescaling", "Normalization") else 2
    x = np.random.default_rng(6).uniform(0, largest, (2, *model.input_shape[1:]))
    return (x * np.array([0.2, 1.0])[:, None, None, None]).astype("float32")


def check_outputs(name, size):
    classes = {} if name.startswith("VGG") else {"classes": 5, "classifier_activation": None}
    top = not name.startswith("VGG")
    real, ours = both(name, include_top=top, input_shape=(size, size, 3), **classes)
    x = images(real)
    expected, given = real.predict(x, verbose=0), ours.predict(x, verbose=0)
    assert np.abs(expected[0] - expected[1]).max() > 1e-4 * np.abs(expected).max()  # the image matters
    np.testing.assert_allclose(given, expected, rtol=1e-3, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["VGG16", "ResNet50V2", "MobileNetV2", "MobileNetV3Small", "EfficientNetV2B0"])
def test_the_same_weights_give_the_same_outputs(name):
    check_outputs(name, 64)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("ResNet50", 64),
        ("InceptionV3", 80),
        ("InceptionResNetV2", 80),
        ("Xception", 75),
        ("MobileNet", 64),
        ("MobileNetV3Large", 64),
        ("DenseNet121", 64),
        ("EfficientNetB0", 64),
        ("ConvNeXtTiny", 64),
    ],
)
def test_the_same_weights_give_the_same_outputs_in_every_family(name, size):
    check_outputs(name, size)


@pytest.mark.parametrize("form", ["m.weights.h5", "m.h5", "m.keras"])
def test_files_of_the_real_one_load(tmp_path, form):
    arguments = {"alpha": 0.35, "classes": 5, "input_shape": (32, 32, 3)}
    real, _ = both("MobileNetV2", **arguments)
    path = str(tmp_path / form)
    (real.save_weights if "weights" in form else real.save)(path)
    x = images(real)
    expected = real.predict(x, verbose=0)
    ours = keras.applications.MobileNetV2(weights=path, **arguments)
    np.testing.assert_allclose(ours.predict(x, verbose=0), expected, rtol=1e-5)
    if form == "m.h5":
        ours = keras.applications.MobileNetV2(weights=None, **arguments)
        ours.load_weights(path, by_name=True)
        np.testing.assert_allclose(ours.predict(x, verbose=0), expected, rtol=1e-5)


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_preprocess_input(mode, data_format, dtype):
    x = np.random.default_rng(2).uniform(0, 255, (2, 3, 4, 3)).astype(dtype)
    x = x if data_format == "channels_last" else np.ascontiguousarray(np.moveaxis(x, -1, 1))
    copies = [x.copy(), x.copy()]
    real, ours = (
        K.applications.imagenet_utils.preprocess_input(copy, data_format=data_format, mode=mode)
        for K, copy in zip((real_keras(), keras), copies, strict=True)
    )
    assert ours.dtype == real.dtype
    np.testing.assert_allclose(ours, real, rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(copies[1], copies[0], rtol=1e-6, atol=1e-4)  # floats are changed where they are
    image = x[0]
    np.testing.assert_allclose(
        keras.applications.imagenet_utils.preprocess_input(image.copy(), data_format, mode),
        real_keras().applications.imagenet_utils.preprocess_input(image.copy(), data_format, mode),
        rtol=1e-6,
        atol=1e-4,
    )


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("VGG16", {"weights": "nowhere"}),
        ("VGG16", {"classes": 10}),
        ("VGG16", {"input_shape": (100, 100, 3)}),
        ("VGG16", {"weights": None, "input_shape": (20, 20, 3), "include_top": False}),
        ("VGG16", {"weights": None, "input_shape": (20, 20), "include_top": False}),
        ("VGG16", {"weights": None, "input_shape": (None, None, 3)}),
        ("VGG16", {"input_shape": (64, 64, 4), "include_top": False}),
        ("VGG16", {"colour": 1}),
        ("MobileNet", {"alpha": 0.3}),
        ("MobileNet", {"depth_multiplier": 2}),
        ("MobileNetV2", {"alpha": 0.3}),
        ("MobileNetV3Small", {"alpha": 0.3}),
        ("MobileNetV3Small", {"weights": None, "input_shape": (8, 8, 3)}),
        ("EfficientNetB0", {"classes": 3}),
    ],
)
def test_errors(name, arguments):
    with pytest.raises((ValueError, TypeError)) as real:
        getattr(real_keras().applications, name)(**arguments)
    with pytest.raises(type(real.value)) as ours:
        getattr(keras.applications, name)(**arguments)
    start = str(real.value).replace('"', "'").split(",")[0].split(" as ")[0][:40]
    assert str(ours.value).startswith(start)
