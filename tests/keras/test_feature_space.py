"""`FeatureSpace`: what it gives is what the real one gives (on TensorFlow: it runs on nothing else)."""

import json
from pathlib import Path

import numpy as np
import pytest

from tandem import keras
from tandem.engine.replay import EagerWarning

Space = keras.utils.FeatureSpace
pytestmark = pytest.mark.filterwarnings(f"ignore::{EagerWarning.__module__}.EagerWarning")
GOLDEN = Path(__file__).parent.parent / "golden" / "keras" / "feature_space.keras"
DATA = {
    "f": [1.0, 2.0, 3.0, 4.0],
    "r": [1.0, 2.0, 3.0, 4.0],
    "n": [1.0, 2.0, 3.0, 4.0],
    "d": [0.1, 0.4, 0.6, 0.9],
    "ic": [3, 3, 5, 7],
    "sc": ["a", "b", "a", "c"],
    "ih": [1, 2, 3, 4],
    "sh": ["x", "y", "z", "w"],
}
# What real Keras 3.15 gives for each feature: numbers, or for one-hot rows their length and which entry is 1.
NUMBERS = {"f": [1, 2, 3, 4], "r": [3, 5, 7, 9], "n": [-1.3416, -0.4472, 0.4472, 1.3416]}
ROWS = {
    "d": (3, [0, 1, 2, 2]),
    "ic": (4, [1, 1, 3, 2]),
    "sc": (4, [1, 3, 1, 2]),
    "ih": (4, [1, 3, 1, 3]),
    "sh": (5, [0, 0, 2, 4]),
    "ih_X_sh": (7, [6, 1, 0, 6]),
    "sc_X_ic": (6, [3, 0, 1, 3]),
}
ORDER = ["d", "f", "ic", "ih", "n", "r", "sc", "sh", "ih_X_sh", "sc_X_ic"]


def expected(name):
    if name in NUMBERS:
        return np.array(NUMBERS[name], "float32")[:, None]
    size, places = ROWS[name]
    return np.eye(size, dtype="float32")[places]


def make(**options):
    return Space(
        {
            "f": "float",
            "r": Space.float_rescaled(2.0, 1.0),
            "n": "float_normalized",
            "d": Space.float_discretized(num_bins=3),
            "ic": "integer_categorical",
            "sc": "string_categorical",
            "ih": "integer_hashed",
            "sh": Space.string_hashed(5),
        },
        crosses=[("sc", "ic"), Space.cross(("ih", "sh"), 7)],
        crossing_dim=6,
        hashing_dim=4,
        **options,
    )


@pytest.fixture
def space():
    space = make()
    space.adapt(DATA)
    return space


WHOLE = np.concatenate([expected(name) for name in ORDER], axis=1)


def test_every_kind_of_feature_beside_each_other(space):
    assert space.get_encoded_features().shape == (None, WHOLE.shape[1])
    np.testing.assert_allclose(space(DATA), WHOLE, atol=1e-4)
    np.testing.assert_allclose(space({k: np.array(v)[:, None] for k, v in DATA.items()}), WHOLE, atol=1e-4)
    np.testing.assert_allclose(space({name: values[1] for name, values in DATA.items()}), WHOLE[1], atol=1e-4)


def test_a_dict_of_features():
    space = make(output_mode="dict")
    space.adapt(DATA)
    found, symbols = space(DATA), space.get_encoded_features()
    assert list(found) == ORDER
    for name in ORDER:
        np.testing.assert_allclose(found[name], expected(name), atol=1e-4, err_msg=name)
        assert symbols[name].shape == (None, found[name].shape[1]) and symbols[name].dtype == "float32"
    assert space({name: values[0] for name, values in DATA.items()})["sc"].shape == (4,)


@pytest.mark.parametrize("form", ["rows", "batches", "iterator"])
def test_adapt_takes_datasets_of_dicts(form):
    rows = [{name: values[i] for name, values in DATA.items()} for i in range(4)]
    batches = [{name: np.array(values[i : i + 2]) for name, values in DATA.items()} for i in (0, 2)]
    space = make()
    space.adapt({"rows": rows, "batches": batches, "iterator": iter(rows)}[form])
    np.testing.assert_allclose(space(DATA), WHOLE, atol=1e-4)


def test_models_on_raw_and_on_encoded_columns(space):
    inputs, encoded = space.get_inputs(), space.get_encoded_features()
    outputs = keras.layers.Dense(1)(encoded)
    training, inference = keras.Model(encoded, outputs), keras.Model(inputs, outputs)
    training.compile("sgd", "mse")
    training.fit(space(DATA), np.ones(4), epochs=2, verbose=0)
    raw = {name: np.array(values) for name, values in DATA.items()}
    np.testing.assert_allclose(
        inference.predict(raw, verbose=0), training.predict(space(DATA), verbose=0), rtol=1e-5, atol=1e-6
    )
    inference.compile("sgd", "mse")
    assert np.isfinite(inference.evaluate(raw, np.ones(4), verbose=0))


def test_files(space, tmp_path):
    space.save(tmp_path / "space.keras")
    for path in (tmp_path / "space.keras", GOLDEN):
        loaded = keras.models.load_model(path)
        np.testing.assert_allclose(loaded(DATA), WHOLE, atol=1e-4)
    again = Space.from_config(json.loads(json.dumps(space.get_config())))
    assert [cross.name for cross in again.crosses] == ["sc_X_ic", "ih_X_sh"]
    assert again.features["sh"].preprocessor.num_bins == 5


def test_layers_of_one_s_own():
    texts = keras.layers.TextVectorization(output_mode="multi_hot", vocabulary=["hello", "world"])
    space = Space(
        {"text": Space.feature("string", texts, "float"), "n": Space.float_discretized(None, [0.0, 1.0], "int")},
        output_mode="dict",
    )
    found = space({"text": ["hello you", "world"], "n": [0.5, 2.0]})
    np.testing.assert_array_equal(found["text"], [[1, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(found["n"], [[1], [2]])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Space({}), "cannot be None or empty"),
        (lambda: Space({"a": "flot"}), "Invalid feature type: flot"),
        (lambda: Space({"a": "float"}, output_mode="rows"), "output_mode=rows"),
        (lambda: Space({"a": "float"}, crosses=[("a", "b")]), "should be present"),
        (lambda: Space({"a": "float_normalized"})({"a": 1.0}), r"call `\.adapt\(dataset\)`"),
        (lambda: Space({"a": "float"})([1.0]), "only be called with a dict"),
        (lambda: Space({"a": "float"})({"b": 1.0}), r"its features, \['a'\]"),
        (lambda: Space({"a": "float"}).adapt(3), "only be called on a dataset"),
        (lambda: Space({"a": Space.integer_hashed(3, output_mode="int")})({"a": 1}), "Cannot concatenate"),
        (lambda: Space({"a": Space.feature("float32", keras.layers.Rescaling(2.0), "one_hot")})({"a": 1.0}), "integer"),
    ],
)
def test_errors(act, message):
    with pytest.raises(ValueError, match=message):
        act()
