"""Files go both ways between the real Keras and Tandem: predictions, training that goes on, paths inside the files."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest
import torch

from oracles import real_keras
from tandem import keras as tandem


def data(*shape):
    return np.random.RandomState(0).rand(*shape).astype("float32")


def dense(keras):
    layers = keras.layers
    stack = [layers.Dense(4, use_bias=False), layers.BatchNormalization(), layers.Dropout(0.0), layers.Dense(2)]
    model = keras.Sequential([layers.Input((8,)), *stack])
    return model, data(8, 8), data(8, 2), {"optimizer": "adam", "loss": keras.losses.MeanSquaredError()}


def graph(keras):
    layers = keras.layers
    inputs = keras.Input((6,))
    x = layers.Dense(4)(inputs)
    inner = keras.Sequential([layers.Dense(3, kernel_regularizer="l2"), layers.LayerNormalization()])
    x = layers.Concatenate()([x, x[:, :2] * 2.0])
    model = keras.Model(inputs, layers.Dense(2, "softmax")(inner(x)))
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    loss = keras.losses.SparseCategoricalCrossentropy()
    y = np.arange(8) % 2
    return model, data(8, 6), y, {"optimizer": keras.optimizers.SGD(rate, momentum=0.9), "loss": loss}


def recurrent(keras):
    layers = keras.layers
    inputs = keras.Input((5,))
    x = layers.Embedding(10, 4, mask_zero=True)(inputs)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(layers.GRU(3, return_sequences=True)(x))
    x = layers.RNN([layers.LSTMCell(3), layers.SimpleRNNCell(2)])(layers.TimeDistributed(layers.Dense(2))(x))
    optimizer = keras.optimizers.RMSprop(1e-2, momentum=0.5, centered=True)
    words = np.random.RandomState(0).randint(1, 10, (8, 5))
    return keras.Model(inputs, x), words, data(8, 2), {"optimizer": optimizer, "loss": keras.losses.Huber()}


def images(keras):
    layers = keras.layers
    stack = [layers.Input((8, 8, 3)), layers.Conv2D(4, 3, activation="relu"), layers.DepthwiseConv2D(3)]
    stack += [layers.SeparableConv2D(5, 2), layers.PReLU(), layers.GlobalAveragePooling2D(), layers.Dense(2)]
    optimizer = keras.optimizers.AdamW(1e-2, use_ema=True, clipnorm=1.0)
    return keras.Sequential(stack), data(8, 8, 8, 3), data(8, 2), {"optimizer": optimizer, "loss": "mae"}


def subclassed(keras):
    class Own(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.last = keras.layers.Dense(2)
            self.first = keras.layers.Dense(3)
            self.blocks = [keras.layers.Dense(3), [keras.layers.Dense(3)]]
            self.zone = {"b": keras.layers.Dense(3)}

        def call(self, inputs):
            x = self.blocks[1][0](self.blocks[0](self.first(inputs)))
            return self.last(self.zone["b"](x))

    keras.saving.get_custom_objects()["Own"] = Own
    return Own(), data(8, 4), data(8, 2), {"optimizer": "adam", "loss": keras.losses.MeanSquaredError()}


CASES = [dense, graph, recurrent, images, subclassed]


def trained(make, keras):
    model, x, y, arguments = make(keras)
    model.compile(**arguments)
    model.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0)
    return model, x, y


def both(writer):
    real = real_keras()
    return (real, tandem) if writer == "keras" else (tandem, real)


@pytest.mark.parametrize("writer", ["keras", "tandem"])
@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_whole_models_go_both_ways(make, writer, tmp_path):
    source, target = both(writer)
    if make is subclassed:
        make(target)
    model, x, y = trained(make, source)
    model.save(tmp_path / "x.keras")
    loaded = target.models.load_model(tmp_path / "x.keras")
    assert np.allclose(model.predict(x, verbose=0), loaded.predict(x, verbose=0), atol=1e-6)
    for one in (model, loaded):
        one.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0)
    assert np.allclose(model.predict(x, verbose=0), loaded.predict(x, verbose=0), atol=1e-5)


@pytest.mark.parametrize("writer", ["keras", "tandem"])
@pytest.mark.parametrize("make", [dense, recurrent, images], ids=lambda make: make.__name__)
def test_older_models_and_weights_go_both_ways(make, writer, tmp_path):
    source, target = both(writer)
    model, x, y = trained(make, source)
    # Keras does not read its own older files of compiled losses by name, and of models with operations.
    readable = make is dense or writer == "keras"
    model.save(tmp_path / "x.h5")
    if readable:
        loaded = target.models.load_model(tmp_path / "x.h5")
        assert np.allclose(model.predict(x, verbose=0), loaded.predict(x, verbose=0), atol=1e-6)
        if writer == "keras":  # Keras itself cannot go on with a model of an older file
            for one in (model, loaded):
                one.fit(x, y, epochs=1, batch_size=4, shuffle=False, verbose=0)
            assert np.allclose(model.predict(x, verbose=0), loaded.predict(x, verbose=0), atol=1e-5)
    model.save_weights(tmp_path / "x.weights.h5")
    model.save_weights(tmp_path / "x.weights.json", max_shard_size=4000 / 1024**3)
    for path in ("x.weights.h5", "x.weights.json", "x.h5"):
        other = make(target)[0]
        if path == "x.h5":
            model.save(tmp_path / path)
        other.load_weights(tmp_path / path)
        assert np.allclose(model.predict(x, verbose=0), other.predict(x, verbose=0), atol=1e-6)


def contents(path):
    """The paths, shapes and names in the weights of a model's file, and its members."""
    found = {}
    with zipfile.ZipFile(path) as packed:
        members = packed.namelist()
        with h5py.File(io.BytesIO(packed.read("model.weights.h5"))) as h5:
            h5.visititems(lambda name, node: found.update({name: (getattr(node, "shape", None), sorted(node.attrs))}))
        config = json.loads(packed.read("config.json"))
    return members, found, config


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_a_file_looks_like_keras_own(make, tmp_path):
    looks = []
    for keras in (real_keras(), tandem):
        trained(make, keras)[0].save(tmp_path / "x.keras")
        members, found, config = contents(tmp_path / "x.keras")
        looks.append((members, found, sorted(config), config["class_name"], config["module"]))
    assert looks[0] == looks[1]


def test_state_trees_have_the_same_paths():
    def paths(tree, start=""):
        inner = [(f"{start}/{key}", value) for key, value in tree.items()]
        return [path for key, value in inner for path in (paths(value, key) if isinstance(value, dict) else [key])]

    found = []
    for keras in (real_keras(), tandem):
        keras.utils.clear_session()
        found.append(paths(trained(dense, keras)[0].get_state_tree()))
    assert found[0] == found[1]


@pytest.mark.parametrize("writer", ["keras", "tandem"])
def test_weights_of_torch_modules_go_both_ways(writer, tmp_path):
    def make(keras):
        module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
        return keras.Sequential([keras.layers.Input((4,)), keras.layers.TorchModuleWrapper(module)])

    source, target = both(writer)
    model, other = make(source), make(target)
    model.save_weights(tmp_path / "x.weights.h5")
    other.load_weights(tmp_path / "x.weights.h5")
    assert np.allclose(model.predict(data(5, 4), verbose=0), other.predict(data(5, 4), verbose=0), atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        "CosineDecay(0.1, 3, warmup_target=0.5, warmup_steps=3)",
        "CosineDecayRestarts(0.1, 3)",
        "ExponentialDecay(0.1, 3, 0.5)",
        "InverseTimeDecay(0.1, 3, 0.5)",
        "PiecewiseConstantDecay([1, 2], [0.1, 0.2, 0.3])",
        "PolynomialDecay(0.1, 3)",
    ],
)
def test_schedules_are_described_as_the_real_ones(make):
    theirs = real_keras()
    made = [eval(f"K.optimizers.schedules.{make}", {"K": K}) for K in (tandem, theirs)]
    mine, real = (K.saving.serialize_keras_object(one) for K, one in zip((tandem, theirs), made, strict=True))
    assert mine == real
    for K, config in ((tandem, real), (theirs, mine)):
        again = K.saving.deserialize_keras_object(config)
        assert [float(again(step)) for step in range(5)] == pytest.approx([float(made[0](step)) for step in range(5)])
