"""Files of Keras 1 and 2: golden ones that Keras 2 wrote, and what Keras 1 had otherwise, written here."""

import contextlib
import io
import json
import random
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from formats.damage import mutated
from tandem import keras
from tandem.core.errors import Unsupported
from tandem.keras.legacy.configs import modern
from tandem.keras.legacy.weights import optimizer_state
from tandem.keras.saving.serialization import deserialize_keras_object

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "keras"
layers = keras.layers


def golden(name):
    """(inputs, targets, predictions, predictions after one more epoch, arrays)."""
    found = np.load(GOLDEN / f"{name}.npz")
    one = [found[key] if key in found else [found[f"{key}0"], found[f"{key}1"]] for key in ("x", "y", "p")]
    return (*one, found["after"])


def close(found, wanted):
    pairs = zip(found, wanted) if isinstance(wanted, list) else [(found, wanted)]
    return all(np.allclose(a, b, atol=2e-6) for a, b in pairs)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("name", ["images", "words", "graph"])
def test_models_of_keras_2(name, suffix):
    x, y, p, after = golden(name)
    model = keras.models.load_model(GOLDEN / f"{name}{suffix}")
    assert close(model.predict(x, verbose=0), p)
    # Keras 2 did not write the state of its older optimizers into `.keras` files.
    if suffix == ".h5" or name == "words":
        assert int(model.optimizer.iterations.numpy()) == 4
        model.fit(x, y, epochs=1, batch_size=4, shuffle=False, verbose=0)
        found = model.predict(x, verbose=0)
        assert np.allclose(found[0] if name == "graph" else found, after, atol=3e-5)


@pytest.mark.parametrize("name", ["images", "words", "graph"])
def test_json_and_weights_of_keras_2(name):
    x, _, p, _ = golden(name)
    model = keras.models.model_from_json((GOLDEN / f"{name}.json").read_text())
    for by_name in (False, True):
        for weight in model.weights:
            weight.assign(weight.numpy() * 0)
        model.load_weights(GOLDEN / f"{name}.weights.legacy.h5", by_name=by_name)
        assert close(model.predict(x, verbose=0), p)


def test_what_is_compiled():
    model = keras.models.load_model(GOLDEN / "images.h5")
    assert type(model.optimizer).__name__ == "Adam" and model.optimizer.decay == pytest.approx(1e-2)
    assert not keras.models.load_model(GOLDEN / "images.h5", compile=False).compiled
    model = keras.models.load_model(GOLDEN / "words.h5")
    model.fit(*golden("words")[:2], verbose=0)
    assert {"acc", "auc", "loss"} <= set(model.history.history)


def test_an_old_hard_sigmoid_keeps_its_slope(tmp_path):
    model = keras.models.load_model(GOLDEN / "words.h5")
    model.save(tmp_path / "x.keras")
    x, _, p, _ = golden("words")
    assert close(keras.models.load_model(tmp_path / "x.keras").predict(x, verbose=0), p)


# --- Keras 1 ----------------------------------------------------------------------------------------------------------


def write_old(path, config, arrays, version=b"1.2.2", **attributes):
    """A file as Keras 1 wrote it. arrays: layer -> list of arrays."""
    with h5py.File(path, "w") as h5:
        h5.attrs["keras_version"] = version
        h5.attrs["model_config"] = json.dumps(config).encode()
        for name, value in attributes.items():
            h5.attrs[name] = json.dumps(value).encode()
        group = h5.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in arrays]
        for name, values in arrays.items():
            inner = group.create_group(name)
            inner.attrs["weight_names"] = [f"{name}_{number}".encode() for number in range(len(values))]
            for number, value in enumerate(values):
                inner[f"{name}_{number}"] = value


def sequential(*items):
    return {"class_name": "Sequential", "config": [{"class_name": kind, "config": config} for kind, config in items]}


def test_a_model_of_keras_1(tmp_path):
    chance = np.random.RandomState(0)
    config = sequential(
        (
            "Convolution2D",
            {
                "name": "conv",
                "batch_input_shape": [None, 2, 6, 5],
                "nb_filter": 3,
                "nb_row": 3,
                "nb_col": 2,
                "border_mode": "valid",
                "subsample": [1, 1],
                "dim_ordering": "th",
                "init": "glorot_uniform",
                "activation": "relu",
                "bias": True,
                "W_regularizer": {"name": "WeightRegularizer", "l1": 0.0, "l2": 0.01},
                "b_regularizer": None,
                "W_constraint": {"name": "MaxNorm", "m": 2, "axis": 0},
                "trainable": True,
                "input_dtype": "float32",
            },
        ),
        ("Flatten", {"name": "flat", "trainable": True}),
        ("Dropout", {"name": "drop", "p": 0.3, "trainable": True}),
        ("Dense", {"name": "dense", "output_dim": 2, "init": "normal", "activation": "linear", "bias": True}),
    )
    kernel, bias = chance.randn(3, 2, 3, 2).astype("f"), chance.randn(3).astype("f")
    dense = [chance.randn(48, 2).astype("f"), chance.randn(2).astype("f")]
    training = {
        "optimizer_config": {
            "class_name": "SGD",
            "config": {"lr": 0.25, "momentum": 0.5, "decay": 0.0, "nesterov": False},
        },
        "loss": "mse",
        "metrics": ["accuracy"],
        "sample_weight_mode": None,
        "loss_weights": None,
    }
    path = tmp_path / "x.h5"
    write_old(path, config, {"conv": [kernel, bias], "flat": [], "drop": [], "dense": dense}, training_config=training)
    model = keras.models.load_model(path)
    x = chance.randn(4, 2, 6, 5).astype("f")
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 2), (2, 3))
    inner = np.maximum(np.einsum("bcyxij,ocij->boyx", windows, kernel) + bias[:, None, None], 0)
    wanted = inner.reshape(4, -1) @ dense[0] + dense[1]
    assert np.allclose(model.predict(x, verbose=0), wanted, atol=1e-4)
    assert float(model.optimizer.learning_rate.numpy()) == 0.25 and model.optimizer.momentum == 0.5
    assert model.layers[0].kernel_regularizer.l2 == pytest.approx(0.01) and model.layers[2].rate == 0.3


def test_gates_of_keras_1(tmp_path):
    """Each gate had matrices of its own, in the order i, c, f, o."""
    chance = np.random.RandomState(0)
    gates = {gate: [chance.randn(2, 3), chance.randn(3, 3), chance.randn(3)] for gate in "icfo"}
    arguments = {
        "batch_input_shape": [None, 4, 2],
        "output_dim": 3,
        "activation": "tanh",
        "inner_activation": "sigmoid",
    }
    config = sequential(("LSTM", {"name": "lstm", "return_sequences": False, "consume_less": "cpu", **arguments}))
    write_old(tmp_path / "x.h5", config, {"lstm": [array for gate in "icfo" for array in gates[gate]]})
    with pytest.warns(UserWarning, match="No training configuration"):
        model = keras.models.load_model(tmp_path / "x.h5")
    today = [np.concatenate([gates[gate][part] for gate in "ifco"], -1) for part in range(3)]
    assert all(np.allclose(a, b) for a, b in zip(model.get_weights(), today))


def test_cudnn_layers_of_keras_2(tmp_path):
    chance = np.random.RandomState(0)
    today = [chance.randn(2, 9).astype("f"), chance.randn(3, 9).astype("f"), chance.randn(2, 9).astype("f")]
    old = [
        np.concatenate([part.T.reshape(part.shape) for part in np.split(today[0], 3, 1)], 1),
        np.concatenate([part.T for part in np.split(today[1], 3, 1)], 1),
        today[2].reshape(-1),
    ]
    config = sequential(("CuDNNGRU", {"name": "gru", "batch_input_shape": [None, 4, 2], "units": 3}))
    write_old(tmp_path / "x.h5", config, {"gru": old}, version=b"2.2.4")
    with pytest.warns(UserWarning, match="No training configuration"):
        model = keras.models.load_model(tmp_path / "x.h5")
    assert all(np.allclose(a, b) for a, b in zip(model.get_weights(), today))


def test_a_graph_of_keras_1(tmp_path):
    def node(*names):
        return [[[name, 0, 0] for name in names]]

    items = [
        ("InputLayer", "a", {"batch_input_shape": [None, 2]}, []),
        ("Dense", "b", {"output_dim": 2, "activation": "linear"}, node("a")),
        ("Merge", "c", {"mode": "concat", "concat_axis": -1, "mode_type": "raw"}, node("a", "b")),
        ("Merge", "d", {"mode": "sum", "mode_type": "raw"}, node("c", "c")),
    ]
    config = {
        "class_name": "Model",
        "config": {
            "name": "old",
            "layers": [
                {"class_name": kind, "name": name, "config": {"name": name, **inner}, "inbound_nodes": nodes}
                for kind, name, inner, nodes in items
            ],
            "input_layers": [["a", 0, 0]],
            "output_layers": [["d", 0, 0]],
        },
    }
    kernel = np.array([[1.0, 2.0], [3.0, 4.0]], "float32")
    write_old(tmp_path / "x.h5", config, {"a": [], "b": [kernel, np.zeros(2, "float32")], "c": [], "d": []})
    with pytest.warns(UserWarning, match="No training configuration"):
        model = keras.models.load_model(tmp_path / "x.h5")
    x = np.array([[1.0, 1.0]], "float32")
    assert np.allclose(model.predict(x, verbose=0), [[2, 2, 8, 12]])
    assert keras.models.model_from_json(json.dumps(config)).output_shape == (None, 4)


def test_what_has_no_counterpart(tmp_path):
    items = {
        "Unsupported": {"class_name": "TFOpLambda", "config": {"name": "tf.add", "function": "math.add"}},
        "mode": {"class_name": "Merge", "config": {"name": "m", "mode": "cos"}},
    }
    for item in items.values():
        with pytest.raises(Unsupported):
            keras.models.model_from_config({"class_name": "Sequential", "config": {"layers": [item]}})
    path = tmp_path / "x.h5"
    keras.Sequential([layers.Input((2,)), layers.Dense(2)]).save_weights(path)
    with pytest.raises(ValueError, match=r"No model config found.*load_weights"):
        keras.models.load_model(path)


@pytest.mark.filterwarnings("ignore:No training configuration")
@pytest.mark.parametrize("name", ["images.h5", "graph.keras"])
def test_damaged_models_say_so(name, tmp_path):
    data, broken = (GOLDEN / name).read_bytes(), 0
    for bad in mutated(data, 40):
        (tmp_path / name).write_bytes(bad)
        try:
            keras.models.load_model(tmp_path / name)
        except (ValueError, TypeError):  # FormatError is a ValueError
            broken += 1
    assert broken > 20


def test_damaged_configs_say_so():
    with zipfile.ZipFile(GOLDEN / "graph.keras") as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    chance = random.Random(0)
    for _ in range(60):
        config, places = json.loads(members["config.json"]), []
        stack = [config]
        while stack:
            value = stack.pop()
            for key in value if isinstance(value, dict) else range(len(value)):
                places.append((value, key))
                if isinstance(value[key], (dict, list)):
                    stack.append(value[key])
        holder, key = chance.choice(places)
        holder[key] = chance.choice([None, -1, "os.system", [], {}, [[[]]], True, 1.5, "nosuch"])
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as packed:
            for name, content in (members | {"config.json": json.dumps(config)}).items():
                packed.writestr(name, content)
        file.seek(0)
        with contextlib.suppress(ValueError, TypeError, Unsupported):
            keras.models.load_model(file)


def test_configs_by_class_and_config():
    legacy = keras.legacy.saving
    config = legacy.serialize_keras_object(layers.Dense(3, activation="relu", name="own"))
    assert config["class_name"] == "Dense" and config["config"]["units"] == 3
    layer = legacy.deserialize_keras_object(config, module_objects={"Dense": layers.Dense})
    assert isinstance(layer, layers.Dense) and layer.name == "own" and layer.units == 3
    old = {"class_name": "Dense", "config": {"output_dim": 3, "init": "glorot_uniform", "name": "own"}}
    assert legacy.deserialize_keras_object(old).units == 3
    assert legacy.serialize_keras_object(keras.losses.mean_squared_error) == "mean_squared_error"
    objects = {"mean_squared_error": keras.losses.mean_squared_error, "Dense": layers.Dense}
    assert legacy.deserialize_keras_object("mean_squared_error", objects) is keras.losses.mean_squared_error
    assert keras.utils.legacy.serialize_keras_object is legacy.serialize_keras_object
    for bad in ("nosuch", {"class_name": "Nosuch", "config": {}}, {"a": 1}, 3):
        with pytest.raises(ValueError, match=r"Unknown thing|Improper config|Could not interpret"):
            legacy.deserialize_keras_object(bad, {}, printable_module_name="thing")


_UNUSED = {"kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}}, "kernel_regularizer": None}


@pytest.mark.parametrize(
    ("name", "arguments", "unused"),
    [
        ("Conv2DTranspose", {"filters": 2, "kernel_size": [3, 3]}, {"groups": 1}),
        ("DepthwiseConv2D", {"kernel_size": [3, 3]}, {"groups": 1}),
        ("SeparableConv1D", {"filters": 2, "kernel_size": [3]}, {"groups": 1, "kernel_constraint": None, **_UNUSED}),
        ("SpatialDropout2D", {"rate": 0.5}, {"noise_shape": None}),
        ("RandomFlip", {"mode": "horizontal"}, {"rng_type": "stateful"}),
        ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3}, {"query_shape": [None, 4, 6], "value_shape": None}),
        ("Discretization", {"bin_boundaries": [0.0, 1.0]}, {"trainable": True}),
        ("TextVectorization", {"max_tokens": 9}, {"dtype": "string"}),
    ],
)
def test_what_base_classes_wrote_is_left_out(name, arguments, unused):
    config = {"class_name": name, "config": {**arguments, **unused}}
    found = deserialize_keras_object(modern(config, "2.15"))
    assert type(found).__name__ == name
    for key, value in arguments.items():
        given = found.get_config()[key]
        assert (list(given) if isinstance(given, tuple) else given) == value


def test_groups_that_a_class_does_not_have_are_an_error():
    config = {"class_name": "Conv2DTranspose", "config": {"filters": 2, "kernel_size": 3, "groups": 2}}
    with pytest.raises(TypeError, match="groups"):
        deserialize_keras_object(modern(config, "2.15"))


def test_the_states_of_a_decoder_stand_behind_its_inputs():
    """As files of Keras 2 write a call of a recurrent layer with `initial_state`: three inputs of one node."""
    lstm = {"units": 2, "recurrent_activation": "sigmoid", "trainable": True, "dtype": "float32"}

    def item(name, kind, config, *nodes):
        return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": list(nodes)}

    items = [
        item("a", "InputLayer", {"batch_input_shape": [None, 4, 3], "dtype": "float32"}),
        item("b", "InputLayer", {"batch_input_shape": [None, 5, 3], "dtype": "float32"}),
        item("reader", "LSTM", {**lstm, "return_state": True}, [["a", 0, 0, {}]]),
        item("writer", "LSTM", lstm, [["b", 0, 0, {}], ["reader", 0, 1, {}], ["reader", 0, 2, {}]]),
    ]
    ends = {"input_layers": [["a", 0, 0], ["b", 0, 0]], "output_layers": [["writer", 0, 0]]}
    config = {"class_name": "Functional", "config": {"name": "model", "layers": items, **ends}}
    model = deserialize_keras_object(modern(config, "2.15"))
    assert [layer.name for layer in model.layers if layer.weights] == ["reader", "writer"]
    x = [np.ones((2, 4, 3), "float32"), np.ones((2, 5, 3), "float32")]
    _, *states = model.get_layer("reader")(x[0])
    wanted = keras.ops.convert_to_numpy(model.get_layer("writer")(x[1], initial_state=states))
    np.testing.assert_allclose(model.predict(x, verbose=0), wanted, rtol=1e-5, atol=1e-6)


def test_the_places_of_slots_that_are_not_used():
    """Adam of Keras 2.1 to 2.3 wrote an array of one number for each variable where it had no AMSGrad."""
    model = keras.Sequential([layers.Dense(2, input_shape=(3,))])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    moments = [np.full(shape, value, "float32") for value, shape in enumerate([(3, 2), (2,), (3, 2), (2,)], 1)]
    arrays = [np.array(7), *moments, np.zeros(1), np.zeros(1)]
    names = ["Adam/iterations:0", *(f"training/Adam/Variable_{number}:0" for number in range(6))]
    model.optimizer.set_weights(optimizer_state(model.optimizer, names, arrays))
    assert int(model.optimizer.iterations) == 7
    found = sorted(float(variable.numpy().mean()) for variable in model.optimizer.variables if variable.shape)
    assert found == [1, 2, 3, 4]
