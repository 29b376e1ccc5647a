"""Strings as the data of models: symbolic inputs, training, prediction, files."""

import numpy as np
import pytest

from tandem import keras
from tandem.core import strings
from tandem.engine.replay import EagerWarning

layers = keras.layers
# Text is read on the host: such steps are not replayed, and say so.
pytestmark = pytest.mark.filterwarnings(f"ignore::{EagerWarning.__module__}.EagerWarning")

WORDS = ["hello cat", "the world sat", "", "ça va? 猫"]


@pytest.mark.parametrize("given", [np.array(WORDS), np.array(WORDS, dtype=object), [w.encode() for w in WORDS]])
def test_code_points_hold_strings(given):
    tensor = strings.code_points(given)
    assert tensor.shape == (4, 13)
    assert strings.from_code_points(tensor[[3, 0]]).tolist() == [WORDS[3], WORDS[0]]
    assert strings.from_code_points(strings.code_points([[""]])).tolist() == [[""]]


def lookup_model():
    x = keras.Input((1,), dtype="string", name="word")
    assert x.dtype == "string"
    encoded = layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")(x)
    assert encoded.shape == (None, 3) and encoded.dtype == "float32"
    return keras.Model(x, layers.Dense(2, kernel_initializer="ones")(encoded))


@pytest.mark.filterwarnings("ignore:The structure of `inputs`")  # of a dict for one input, as Keras's
@pytest.mark.parametrize(
    "given",
    [
        np.array([["a"], ["b"], ["long word"]]),
        np.array(["a", "b", "long word"], dtype=object),
        ["a", "b", "long word"],
        [["a"], ["b"], [b"long word"]],
        {"word": np.array(["a", "b", "long word"])},
    ],
)
def test_a_model_takes_strings(given):
    model = lookup_model()
    kernel, bias = model.get_weights()
    wanted = kernel[[1, 2, 0]] + bias
    np.testing.assert_allclose(model.predict(given, verbose=0), wanted)
    np.testing.assert_allclose(model.predict(given, verbose=0, batch_size=2), wanted)
    np.testing.assert_allclose(model(given).detach(), wanted)


def vectorize():
    layer = layers.TextVectorization(output_sequence_length=4)
    layer.adapt(["hello world", "the cat sat"])
    return layer


class Sentiment(keras.Model):
    def __init__(self):
        super().__init__()
        self.vectorize, self.embed, self.out = vectorize(), layers.Embedding(10, 3), layers.Dense(1)

    def call(self, x):
        return self.out(keras.ops.mean(self.embed(self.vectorize(x)), axis=1))


def stack(*first):
    end = [layers.Embedding(10, 3), layers.GlobalAveragePooling1D(), layers.Dense(1)]
    return keras.Sequential([*first, vectorize(), *end])


@pytest.mark.parametrize("make", [lambda: stack(keras.Input((1,), dtype="string")), stack, Sentiment])
def test_training_on_texts_equals_training_on_their_numbers(make):
    texts, y = np.array(WORDS * 5, dtype=object), np.linspace(0, 1, 20).astype("float32")
    keras.utils.set_random_seed(1)
    model = make()
    model.compile("sgd", "mse")
    history = model.fit(texts, y, epochs=2, batch_size=8, shuffle=False, verbose=0).history["loss"]
    keras.utils.set_random_seed(1)
    numbers = vectorize()(texts)
    other = keras.Sequential([layers.Embedding(10, 3), layers.GlobalAveragePooling1D(), layers.Dense(1)])
    other.compile("sgd", "mse")
    wanted = other.fit(numbers, y, epochs=2, batch_size=8, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(history, wanted, rtol=1e-5)
    np.testing.assert_allclose(model.predict(WORDS, verbose=0), other.predict(numbers[:4], verbose=0), rtol=1e-5)
    if isinstance(model, keras.Sequential):  # a whole pipeline around it
        outer = keras.Sequential([model, layers.Activation("sigmoid")])
        assert outer.predict(np.array(["hello"]), verbose=0).shape == (1, 1)


def test_predictions_that_are_strings():
    x = keras.Input((1,), dtype="int64")
    model = keras.Model(x, layers.StringLookup(vocabulary=["a", "b"], invert=True)(x))
    assert model.output.dtype == "string"
    given = np.array([[1], [2], [0]])
    assert model.predict(given, batch_size=2, verbose=0).tolist() == [["a"], ["b"], ["[UNK]"]]
    assert model(given).tolist() == [["a"], ["b"], ["[UNK]"]]


def test_files(tmp_path):
    for number, model in enumerate((lookup_model(), stack(keras.Input((1,), dtype="string")))):
        model.save(tmp_path / f"{number}.keras")
        loaded = keras.models.load_model(tmp_path / f"{number}.keras")
        np.testing.assert_allclose(loaded.predict(["a", "cat"], verbose=0), model.predict(["a", "cat"], verbose=0))


def test_what_takes_no_strings_says_so():
    with pytest.raises(ValueError, match="expected shape"):
        lookup_model()(np.array([["a", "b"]]))
    model = keras.Sequential([keras.Input((1,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="takes no strings"):
        model(np.array([["a"]]))
    with pytest.raises(ValueError, match="numbers or booleans"):
        model.predict(np.array([["a"]]), verbose=0)
    with pytest.raises(ValueError, match="numbers or booleans"):
        keras.Sequential([layers.Dense(2)]).predict(np.array([["a"]]))
    with pytest.raises(TypeError, match="dtype"):
        layers.Dense(2)(np.array([["a"]]))
