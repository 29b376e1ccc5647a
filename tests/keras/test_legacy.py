"""Keras 1's and 2's spellings mean what they meant."""

import warnings

import numpy as np
import pytest

from tandem import keras
from tandem.core.errors import Unsupported
from tandem.keras import layers
from tandem.keras.legacy import layers as old_layers
from tandem.keras.legacy import training


@pytest.fixture(autouse=True)
def tell_again(monkeypatch):
    monkeypatch.setattr(old_layers, "_told", set())
    monkeypatch.setattr(training, "_told", set())


def _quiet(make, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return make(*args, **kwargs)


def test_keras_1_convolutions():
    layer = _quiet(
        layers.Convolution2D,
        8,
        3,
        5,
        border_mode="same",
        subsample=(2, 1),
        init="he_normal",
        dim_ordering="th",
        bias=False,
    )
    assert isinstance(layer, layers.Conv2D)
    assert (layer.filters, tuple(layer.kernel_size), tuple(layer.strides)) == (8, (3, 5), (2, 1))
    assert (layer.padding, layer.data_format, layer.use_bias) == ("same", "channels_first", False)
    assert type(layer.kernel_initializer).__name__ == "HeNormal"
    assert tuple(layers.Convolution2D(4, (3, 2), strides=2).kernel_size) == (3, 2)
    separable = _quiet(layers.SeparableConvolution2D, 4, 3, 2, border_mode="same")
    assert (tuple(separable.kernel_size), tuple(separable.strides), separable.padding) == ((3, 2), (1, 1), "same")
    assert tuple(layers.SeparableConvolution2D(4, 3, strides=2).strides) == (2, 2)
    assert tuple(layers.Conv2D(4, 3, 2).strides) == (2, 2)
    named = _quiet(layers.Convolution2D, nb_filter=4, nb_row=2, nb_col=3)
    assert (named.filters, tuple(named.kernel_size)) == (4, (2, 3))


@pytest.mark.parametrize(
    ("old", "today"),
    [
        (lambda: layers.Dense(output_dim=3, init="uniform", W_regularizer="l2"), {"units": 3}),
        (lambda: layers.Dropout(p=0.25), {"rate": 0.25}),
        (lambda: layers.GaussianNoise(sigma=0.5), {"stddev": 0.5}),
        (lambda: layers.MaxPooling1D(pool_length=3, stride=2), {"pool_size": (3,), "strides": (2,)}),
        (
            lambda: layers.LSTM(output_dim=4, inner_activation="hard_sigmoid", dropout_W=0.1),
            {"units": 4, "dropout": 0.1},
        ),
        (lambda: layers.GRU(4, consume_less="gpu"), {"units": 4}),
        (lambda: layers.LeakyReLU(alpha=0.3), {"negative_slope": 0.3}),
        (lambda: layers.Embedding(5, 2, input_length=7), {"input_dim": 5, "output_dim": 2}),
        (lambda: layers.LSTM(4, input_dim=3, input_length=5), {"units": 4}),
        (lambda: layers.UpSampling1D(length=3), {"size": 3}),
        (lambda: layers.BatchNormalization(mode=0, beta_init="zero"), {"axis": -1}),
    ],
)
def test_old_arguments_warn_and_mean_todays(old, today):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        layer = old()
    assert any("write `" in str(w.message) or "leave out" in str(w.message) for w in caught)
    config = layer.get_config()
    for name, value in today.items():
        given = config[name]
        assert (tuple(given) if isinstance(value, tuple) else given) == value
    assert type(layer).from_config(config).get_config() == config


def test_what_has_no_counterpart_raises():
    with pytest.raises(Unsupported, match="mode"):
        layers.BatchNormalization(mode=2)
    with pytest.raises(Unsupported, match="SpatialDropout1D"):
        layers.Embedding(5, 2, dropout=0.2)
    with pytest.raises(TypeError, match="same argument"):
        layers.Dense(units=3, output_dim=4)


_IMAGE = {"input_shape": (8, 8, 2)}


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: layers.Convolution2D(4, 3, 2, "uniform", "relu", None, "same", (2, 2), **_IMAGE), (None, 4, 4, 4)),
        (lambda: layers.Conv2D(4, 3, 3, border_mode="same", **_IMAGE), (None, 8, 8, 4)),
        (lambda: layers.Conv2D(nb_filter=4, nb_row=3, nb_col=2, **_IMAGE), (None, 6, 7, 4)),
        (lambda: layers.Conv2D(4, 3, 3, activation="relu", **_IMAGE), (None, 2, 2, 4)),
        (lambda: layers.Conv3D(2, 3, 2, 1, input_shape=(4, 4, 4, 2)), (None, 2, 3, 4, 2)),
        (lambda: layers.LocallyConnected2D(4, 3, 2, **_IMAGE), (None, 6, 7, 4)),
        (lambda: layers.LocallyConnected2D(4, 3, 2, subsample=(2, 2), dim_ordering="tf", **_IMAGE), (None, 3, 4, 4)),
        (lambda: layers.LocallyConnected2D(4, (3, 3), (2, 2), **_IMAGE), (None, 3, 3, 4)),
        (lambda: layers.LocallyConnected1D(nb_filter=4, filter_length=3, input_shape=(8, 2)), (None, 6, 4)),
        (lambda: layers.Embedding(9, 4, input_length=5), (None, 5, 4)),
        (lambda: layers.Embedding(9, 4, input_length=(5, 2)), (None, 5, 2, 4)),
        (lambda: layers.LSTM(4, input_dim=3), (None, 4)),
        (lambda: layers.GRU(4, input_dim=3, input_length=5, return_sequences=True), (None, 5, 4)),
        (lambda: layers.Convolution1D(4, 2, input_dim=3, input_length=5), (None, 4, 4)),
        (lambda: layers.TimeDistributedDense(4, input_dim=3, input_length=5, init="uniform"), (None, 5, 4)),
    ],
)
def test_shapes_given_by_their_parts(layer, shape):
    assert _quiet(lambda: keras.Sequential([layer()])).output_shape == shape


def test_weights_given_to_a_layer():
    kernel, bias = np.full((3, 2), 0.5, "float32"), np.array([1.0, -1.0], "float32")
    model = keras.Sequential([layers.Dense(2, input_dim=3, weights=[kernel, bias])])
    np.testing.assert_allclose(model.predict(np.ones((1, 3)), verbose=0), [[2.5, 0.5]])
    with pytest.raises(ValueError, match="weight list of length 1"):
        layers.Dense(2, weights=[kernel]).build((None, 3))


def test_curves_that_learn():
    x = np.array([[-2.0, -0.5, 0.5, 3.0]], "float32")
    curve = layers.SReLU(shared_axes=[1])
    curve.build(x.shape)
    curve.set_weights([np.full((1,), value, "float32") for value in (-1.0, 0.1, -2.0, 3.0)])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(curve(x)), [[-1.1, -0.5, 0.5, 7.0]], rtol=1e-5)
    softplus = keras.ops.convert_to_numpy(layers.ParametricSoftplus(0.5, 2.0)(x))
    np.testing.assert_allclose(softplus, 0.5 * np.log1p(np.exp(2 * x)), rtol=1e-5)
    for layer in (curve, layers.ParametricSoftplus(0.3)):
        assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize("mode", ["sum", "concat", "dot"])
def test_a_merge_begins_a_model(mode):
    def part():
        return keras.Sequential([layers.Dense(4, input_dim=3)])

    left, right = part(), part()
    first = keras.Sequential([_quiet(layers.Merge, [left, right], mode=mode, dot_axes=1)])
    first.add(layers.Dense(2))
    third = part()
    model = keras.Sequential([_quiet(layers.Merge, [first, keras.Sequential([third, layers.Dense(2)])])])
    assert len(model.get_weights()) == 10
    assert model.output_shape == (None, 2)
    x = [np.full((2, 3), value, "float32") for value in (1.0, 2.0, 3.0)]
    model.compile("sgd", "mse")
    model.fit(x, np.ones((2, 2)), verbose=0)
    outputs = model.predict(x, verbose=0)
    again = keras.models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again.predict(x, verbose=0), outputs, rtol=1e-6)


def test_functions_take_old_keywords():
    x = np.arange(32, dtype="float32").reshape(1, 2, 4, 4)
    kernel = np.ones((2, 2, 2, 3), "float32")
    K = keras.backend
    old = K.conv2d(K.variable(x), K.variable(kernel), border_mode="same", dim_ordering="th")
    new = K.conv2d(K.variable(x), K.variable(kernel), padding="same", data_format="channels_first")
    np.testing.assert_array_equal(K.eval(old), K.eval(new))
    assert K.eval(K.resize_images(K.variable(x), 2, 1, "th")).shape == (1, 2, 8, 4)
    image = keras.preprocessing.image
    assert image.img_to_array(image.array_to_img(x[0, :1], dim_ordering="th"), dim_ordering="th").shape == (1, 4, 4)
    assert image.ImageDataGenerator(dim_ordering="th").channel_axis == 1
    with pytest.raises(TypeError, match="same argument"):
        image.ImageDataGenerator(dim_ordering="th", data_format="channels_first")


def _model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([layers.Dense(6, input_dim=4, activation="relu"), layers.Dense(3, activation="softmax")])
    model.compile(optimizer="sgd", loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def _batches(x, y, size):
    while True:
        for begin in range(0, len(x), size):
            yield x[begin : begin + size], y[begin : begin + size]


def test_fit_generator_is_fit():
    rng = np.random.default_rng(0)
    x, y = rng.random((24, 4), dtype="float32"), np.eye(3, dtype="float32")[rng.integers(0, 3, 24)]
    today, old, oldest = _model(), _model(), _model()
    wanted = today.fit(_batches(x, y, 8), steps_per_epoch=3, epochs=2, verbose=0, validation_data=(x, y), shuffle=False)
    got = _quiet(old.fit_generator, _batches(x, y, 8), 3, epochs=2, verbose=0, validation_data=(x, y), max_queue_size=2)
    first = _quiet(
        oldest.fit_generator, _batches(x, y, 8), samples_per_epoch=24, nb_epoch=2, verbose=0, validation_data=(x, y)
    )
    for history in (got, first):
        for key, values in wanted.history.items():
            np.testing.assert_allclose(history.history[key], values, rtol=1e-6)
    score = today.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(_quiet(old.evaluate_generator, _batches(x, y, 8), steps=3), score, rtol=1e-5)
    np.testing.assert_allclose(_quiet(old.evaluate_generator, _batches(x, y, 8), val_samples=24), score, rtol=1e-5)
    outputs = today.predict(x, verbose=0)
    np.testing.assert_allclose(
        _quiet(old.predict_generator, (b[:1] for b in _batches(x, y, 8)), steps=3), outputs, rtol=1e-5
    )
    np.testing.assert_array_equal(_quiet(old.predict_classes, x), outputs.argmax(-1))
    np.testing.assert_allclose(_quiet(old.predict_proba, x), outputs, rtol=1e-5)


def test_nb_epoch():
    x, y = np.zeros((8, 4), "float32"), np.eye(3, dtype="float32")[np.zeros(8, int)]
    with pytest.warns(DeprecationWarning, match="write `epochs` for `nb_epoch`"):
        assert len(_model().fit(x, y, nb_epoch=3, verbose=0).epoch) == 3
