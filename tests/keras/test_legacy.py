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
