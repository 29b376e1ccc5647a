"""What `jit_compile` asks for, and that the graph which the compiler gets does what training does."""

import numpy as np
import pytest

from keras_replay import compare
from mixing_models import training_steps
from tandem import keras
from tandem.engine import backends, inductor, replay
from tandem.engine.backends import BackendWarning

L = keras.layers

compiler = pytest.mark.skipif(inductor.missing() is not None, reason=str(inductor.missing()))

MODELS = {
    "convolution": (
        (6, 6, 2),
        lambda: [
            L.Conv2D(4, 3, padding="same", activation="relu"),
            L.BatchNormalization(),
            L.MaxPooling2D(),
            L.SpatialDropout2D(0.25),
            L.DepthwiseConv2D(2),
            L.GlobalAveragePooling2D(),
        ],
    ),
    "recurrence": (
        (5, 3),
        lambda: [L.Bidirectional(L.LSTM(4, return_sequences=True)), L.GRU(3, dropout=0.25), L.Dense(6, "tanh")],
    ),
    "embedding": (
        (5,),
        lambda: [L.Embedding(10, 4), L.LayerNormalization(), L.Flatten(), L.Dropout(0.25), L.GaussianNoise(0.1)],
    ),
}
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda: keras.optimizers.Adam(0.01, amsgrad=True, clipnorm=1.0),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
}


def _data(shape, rows=24):
    rng = np.random.default_rng(0)
    return rng.integers(0, 10, (rows, *shape)).astype("float32"), rng.integers(0, 3, rows)


def _model(name):
    shape, layers = MODELS[name]
    return keras.Sequential([keras.Input(shape), *layers(), L.Dense(3, activation="softmax")])


def _settings(optimizer, **more):
    loss = "sparse_categorical_crossentropy"
    return lambda: {"loss": loss, "optimizer": OPTIMIZERS[optimizer](), "metrics": ["accuracy"], **more}


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [("convolution", "sgd"), ("convolution", "adamw"), ("recurrence", "adam"), ("embedding", "rmsprop")],
)
def test_the_compilers_graph_does_what_training_does(monkeypatch, name, optimizer):
    monkeypatch.setattr(inductor, "missing", lambda: None)
    monkeypatch.setattr(inductor, "_compile", lambda module, examples: module)
    _compare_with_inductor(name, optimizer)


def _compare_with_inductor(name, optimizer):
    x, y = _data(MODELS[name][0])
    with backends.using("inductor"):
        model = compare(lambda: _model(name), x, y, _settings(optimizer), tolerance=1e-4, native=True)
    assert [step.programs[0].about.backend for step in training_steps(model)] == ["inductor"]


@compiler
@pytest.mark.slow
@pytest.mark.parametrize(("name", "optimizer"), [("convolution", "adam"), ("recurrence", "sgd")])
def test_a_compiled_model_trains_as_it_is_written(name, optimizer):
    _compare_with_inductor(name, optimizer)


def test_without_a_compiler_training_goes_on(monkeypatch):
    monkeypatch.setattr(replay, "NATIVE_AFTER", 1)
    monkeypatch.setattr(inductor, "missing", lambda: "there is no compiler")
    x, y = _data((5,))
    model = _model("embedding")
    model.compile(**_settings("sgd", jit_compile=True)())
    with pytest.warns(BackendWarning, match="The training step is replayed by 'native', not by 'inductor'"):
        model.fit(x, y, batch_size=4, epochs=2, verbose=0)
    assert np.isfinite(model.history.history["loss"]).all()


def test_who_asks_for_nothing_gets_what_is_set_for_the_process(monkeypatch):
    monkeypatch.setattr(replay, "NATIVE_AFTER", 1)
    x, y = _data((5,))
    for asked in ("auto", False):
        model = _model("embedding")
        model.compile(**_settings("sgd", jit_compile=asked)())
        assert model.jit_compile is False
        with backends.using("library"):
            model.fit(x, y, batch_size=4, verbose=0)
        assert [step.programs[0].about.backend for step in training_steps(model)] == ["library"]


def test_what_a_config_says_of_compiling_is_not_minutes_of_it():
    model = _model("embedding")
    model.compile(loss="mse", jit_compile=True)
    assert model.jit_compile is True
    config = model.get_compile_config()
    assert config["jit_compile"] is True
    model.compile_from_config(config)
    assert model.jit_compile is False
