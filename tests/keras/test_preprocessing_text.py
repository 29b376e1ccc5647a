"""Vocabularies, hashes, bins: numbers that TensorFlow's layers gave (Keras 3.15), state, and what raises."""

import numpy as np
import pytest
import torch

from oracles import real_keras
from tandem import keras

layers = keras.layers
DOCUMENTS = ["The cat, sat on the mat!", "Dogs & cats; the dog's"]
WORDS = ["a", "bb", "hello", "hello world", "x" * 20, "y" * 40, "z" * 70, "w" * 200, ""]


def test_a_learned_vocabulary():
    layer = layers.StringLookup()
    layer.adapt(np.array(["a", "b", "b", "c", "c", "d"]))
    assert layer.get_vocabulary() == ["[UNK]", "c", "b", "d", "a"]
    assert layer.get_vocabulary(include_special_tokens=False) == ["c", "b", "d", "a"]
    assert layer([["a", "z"], ["c", "b"]]).tolist() == [[4, 0], [1, 2]]
    assert layer.vocabulary_size() == 5
    layer = layers.StringLookup(max_tokens=3)
    layer.adapt([["a b", "b"], ["b", "c"]])
    assert layer.get_vocabulary() == ["[UNK]", "b", "c"]


@pytest.mark.parametrize(
    ("mode", "rows"),
    [
        ("multi_hot", [[1, 1, 0, 0], [1, 0, 1, 1]]),
        ("count", [[1, 2, 0, 0], [1, 0, 1, 1]]),
        ("tf_idf", [[0.6, 1.0, 0, 0], [0.6, 0, 0.6, 0.7]]),
    ],
)
@pytest.mark.parametrize("padded", [False, True])
def test_rows_of_strings(mode, rows, padded):
    options = {"idf_weights": [0.5, 0.6, 0.7]} if mode == "tf_idf" else {}
    padding = {"pad_to_max_tokens": True, "max_tokens": 6} if padded else {}
    layer = layers.StringLookup(vocabulary=["a", "b", "c"], output_mode=mode, **options, **padding)
    found = layer(np.array([["a", "z", "a"], ["c", "b", "q"]]))
    assert found.dtype == (torch.float32 if mode == "tf_idf" else torch.int64)
    np.testing.assert_allclose(found, np.pad(rows, ((0, 0), (0, 2 * padded))), rtol=1e-6)
    assert layer.compute_output_shape((2, 3)) == tuple(found.shape)


def test_several_numbers_for_what_is_unknown():
    layer = layers.StringLookup(vocabulary=["a", "b"], num_oov_indices=3, mask_token="")
    assert layer(["a", "b", "", "q", "r", "hello world this is", "z" * 100, "zz"]).tolist() == [4, 5, 0, 3, 2, 1, 3, 2]
    layer = layers.IntegerLookup(vocabulary=[10, 20], mask_token=0, num_oov_indices=2)
    assert layer(np.array([10, 20, 0, 7, 8, 99])).tolist() == [3, 4, 0, 2, 1, 2]
    with pytest.raises(ValueError, match="all inputs should be in vocabulary"):
        layers.StringLookup(vocabulary=["a"], num_oov_indices=0)(["z"])


def test_the_way_back():
    layer = layers.StringLookup(vocabulary=["a", "b"], invert=True)
    assert layer(np.array([0, 1, 2, 5])).tolist() == ["[UNK]", "a", "b", "[UNK]"]
    layer = layers.IntegerLookup(vocabulary=[10, 20], invert=True)
    assert layer(torch.tensor([0, 1, 2, 3])).tolist() == [-1, 10, 20, -1]


def test_weights_of_words_are_learned():
    layer = layers.StringLookup(output_mode="tf_idf")
    layer.adapt(np.array([["a", "b"], ["b", "c"], ["b", "b"]]))
    wanted = [[0, 0.5596158, 0, 0.91629076], [0.7973991, 0.5596158, 0, 0]]
    np.testing.assert_allclose(layer([["a", "b"], ["q", "b"]]), wanted, rtol=1e-6)
    store = {}
    layer.save_own_variables(store)
    other = layers.StringLookup.from_config(layer.get_config())
    other.load_own_variables(store)
    np.testing.assert_allclose(other.idf_weights, layer.idf_weights)


def test_integers():
    layer = layers.IntegerLookup()
    layer.adapt(np.array([[5, 5, 7], [7, 7, 9]]))
    assert layer.get_vocabulary() == [-1, 7, 5, 9]
    assert layer(torch.tensor([5, 7, 1])).tolist() == [2, 1, 0]
    assert layer(keras.Input((3,), dtype="int64")).shape == (None, 3)


def test_texts():
    layer = layers.TextVectorization()
    layer.adapt(DOCUMENTS)
    assert layer.get_vocabulary() == ["", "[UNK]", "the", "dogs", "sat", "on", "mat", "cats", "cat"]
    assert layer(DOCUMENTS).tolist() == [[2, 8, 4, 5, 2, 6], [3, 7, 2, 3, 0, 0]]
    assert layer("the cat").tolist() == [2, 8]
    assert layer(np.array([["the zebra"]])).tolist() == [[2, 1]]
    layer = layers.TextVectorization(output_sequence_length=3, max_tokens=5, ngrams=2)
    layer.adapt(DOCUMENTS)
    assert layer.get_vocabulary() == ["", "[UNK]", "the", "dogs", "the mat"]
    assert layer(DOCUMENTS).tolist() == [[2, 1, 1], [3, 1, 2]]
    layer = layers.TextVectorization(output_mode="tf_idf")
    layer.adapt(DOCUMENTS)
    np.testing.assert_allclose(layer(DOCUMENTS)[1], [0, 0.51082563, 1.3862944, 0, 0, 0, 0.6931472, 0], rtol=1e-6)
    layer = layers.TextVectorization(split="character", standardize="lower", output_mode="count")
    layer.adapt(["ab", "Aa"])
    assert layer.get_vocabulary() == ["[UNK]", "a", "b"]
    assert layer(["aab", "x"]).tolist() == [[0, 2, 1], [1, 0, 0]]
    layer = layers.TextVectorization(standardize=None, split=lambda words: [word.split("-") for word in words])
    layer.adapt(["x-y", "x"])
    assert layer(["x-y-q"]).tolist() == [[2, 3, 1]]


@pytest.mark.parametrize("kind", ["StringLookup", "TextVectorization"])
def test_a_learned_vocabulary_is_in_assets(kind, tmp_path):
    layer = getattr(layers, kind)()
    layer.adapt(np.array(["a", "b", "b"]))
    layer.save_assets(str(tmp_path))
    config = layer.get_config()
    assert config["vocabulary"] is None
    other = getattr(layers, kind).from_config(config)
    other.load_assets(str(tmp_path))
    assert other.get_vocabulary() == layer.get_vocabulary()
    again = keras.layers.deserialize(keras.layers.serialize(getattr(layers, kind)(vocabulary=["q", "r"])))
    assert again.get_vocabulary(include_special_tokens=False) == ["q", "r"]


def test_hashes_are_farmhash_and_siphash():
    assert layers.Hashing(1000)(WORDS).tolist() == [939, 82, 296, 11, 348, 6, 619, 728, 263]
    assert layers.Hashing(1000, salt=133)(WORDS).tolist() == [997, 774, 590, 497, 302, 73, 510, 333, 907]
    assert layers.Hashing(1000, salt=[133, 137])(WORDS).tolist() == [354, 974, 957, 296, 71, 796, 510, 864, 900]
    assert layers.Hashing(1000)(np.array([0, 1, 25, -3, 100000])).tolist() == [735, 849, 988, 699, 500]
    assert layers.Hashing(10, mask_value="")(WORDS).tolist() == [4, 3, 8, 1, 8, 8, 6, 5, 0]
    rows = layers.Hashing(3, output_mode="multi_hot")([["a", "b"], ["c", "d"]])
    assert rows.tolist() == [[1, 1, 0], [0, 1, 1]]


def test_crossed_features():
    layer = layers.HashedCrossing(1000)
    assert layer((["a", "bb", "c"], ["x", "y", "z"])).tolist() == [892, 144, 280]
    assert layer((np.array([1, 2, 3]), np.array([4, 5, -6]))).tolist() == [725, 438, 817]
    assert layer((["a", "b"], np.array([4, 5]))).tolist() == [716, 673]
    with pytest.raises(ValueError, match="list or tuple"):
        layer(np.array(["a"]))


@pytest.mark.oracle
@pytest.mark.parametrize("options", [{}, {"epsilon": 0.1}, {"output_mode": "one_hot"}])
def test_learned_bins_are_the_real_ones(options):
    rng = np.random.default_rng(0)
    batches = [rng.normal(size=(300, 1)).astype("float32") for _ in range(3)]
    pair = []
    for K in (keras, real_keras()):
        layer = K.layers.Discretization(num_bins=5, **options)
        for batch in batches:
            layer.update_state(batch)
        layer.finalize_state()
        pair.append(layer)
    np.testing.assert_allclose(pair[0].bin_boundaries, pair[1].bin_boundaries, rtol=1e-5)
    x = rng.normal(size=(4, 3)).astype("float32")
    a, b = (layer(x) for layer in pair)
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a.numpy(), b.numpy())
    store = {}
    pair[0].save_own_variables(store)
    other = keras.layers.Discretization.from_config(pair[0].get_config())
    other.load_own_variables(store)
    np.testing.assert_array_equal(other(x).numpy(), a.numpy())


@pytest.mark.oracle
@pytest.mark.parametrize("axis", [-1, None, 1, (1, 2)])
def test_learned_moments_are_the_real_ones(axis):
    x = np.random.default_rng(0).normal(3, 2, (8, 3, 4)).astype("float32")
    pair = [K.layers.Normalization(axis=axis) for K in (keras, real_keras())]
    for layer in pair:
        layer.adapt(x)
    a, b = (layer(x) for layer in pair)
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-5)
    batches = keras.layers.Normalization(axis=axis)
    batches.adapt([x[:3], x[3:]])
    np.testing.assert_allclose(batches(x).numpy(), b.numpy(), rtol=1e-4, atol=1e-5)
    other = keras.layers.Normalization.from_config(pair[0].get_config())
    other.build((None, 3, 4))
    other.set_weights(pair[0].get_weights())
    torch.testing.assert_close(other(x), a)


def test_given_moments_and_the_way_back():
    x = torch.randn(5, 2)
    there = layers.Normalization(mean=[1.0, 2.0], variance=[4.0, 9.0])
    back = layers.Normalization(mean=[1.0, 2.0], variance=[4.0, 9.0], invert=True)
    torch.testing.assert_close(there(x), (x - torch.tensor([1.0, 2.0])) / torch.tensor([2.0, 3.0]))
    torch.testing.assert_close(back(there(x)), x)
    assert keras.layers.deserialize(keras.layers.serialize(there)).get_config() == there.get_config()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.StringLookup(vocabulary=["a", "a"]), "at least one repeated term"),
        (lambda: layers.StringLookup(vocabulary=["a", ""], mask_token=""), "reserved mask token"),
        (lambda: layers.StringLookup(vocabulary=["a", "[UNK]"]), "reserved OOV token"),
        (lambda: layers.StringLookup(max_tokens=1), "must be greater than 1"),
        (lambda: layers.StringLookup(max_tokens=3, vocabulary=["a", "b", "c"]), "larger than the maximum"),
        (lambda: layers.StringLookup(output_mode="x"), "Unknown value for `output_mode`"),
        (lambda: layers.StringLookup(invert=True, output_mode="count"), "must be `'int'`"),
        (lambda: layers.StringLookup(num_oov_indices=-1), "greater than or equal to 0"),
        (lambda: layers.StringLookup(vocabulary=[]), "empty vocabulary"),
        (lambda: layers.StringLookup()(["a"]), "has no vocabulary"),
        (lambda: layers.TextVectorization(standardize="x"), "`standardize`"),
        (lambda: layers.TextVectorization(split="x"), "`split`"),
        (lambda: layers.TextVectorization(output_mode="count", output_sequence_length=3), "output_sequence_length"),
        (lambda: layers.TextVectorization(vocabulary=["a"])([["a", "b"]]), "input rank must be 1"),
        (lambda: layers.Hashing(0), "`num_bins`"),
        (lambda: layers.Hashing(3, salt="a"), "`salt`"),
        (lambda: layers.Discretization(), "You need to set either"),
        (lambda: layers.Discretization([1.0], num_bins=2), "should not be set"),
        (lambda: layers.CategoryEncoding(), "num_tokens must be set"),
        (lambda: layers.Normalization(mean=1.0), "both `mean` and `variance`"),
        (lambda: layers.Normalization().adapt([]), "empty iterable"),
    ],
)
def test_what_does_not_fit_raises(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.oracle
def test_configs_have_what_was_given_and_what_was_learned():
    def described(keras):
        layers = keras.layers
        normalization = layers.Normalization(mean=[1.1, 2.0], variance=[0.1, 0.2], name="n")
        rescaling = layers.Rescaling(2.0, name="r")
        for layer in (normalization, rescaling):
            layer(np.ones((3, 2), "float32"))
        return [keras.saving.serialize_keras_object(layer) for layer in (normalization, rescaling)]

    assert described(keras) == described(real_keras())
    bins = layers.Discretization(num_bins=3)
    bins.adapt(np.arange(10.0))
    np.testing.assert_allclose(bins.get_config()["bin_boundaries"], [7 / 3, 17 / 3], rtol=1e-6)  # as on TensorFlow
    again = layers.Discretization.from_config(bins.get_config())
    assert again.num_bins == 3 and again.bin_boundaries == bins.bin_boundaries


def test_capitals_and_blanks_are_those_of_ascii():
    layer = layers.TextVectorization()
    layer.adapt(["Über  Ab\u00a0c\tD\x1ce"])
    assert layer.get_vocabulary() == ["", "[UNK]", "Über", "d\x1ce", "ab\u00a0c"]
    characters = layers.TextVectorization(split="character", standardize="lower", vocabulary=["Ü", "b"])
    assert characters(["ÜB"]).tolist() == [[2, 3]]


def test_texts_that_are_not_split_are_words_each():
    options = {"split": None, "vocabulary": ["a b", "c"]}
    words = np.array(["a b", "c", "x"])
    assert layers.TextVectorization(**options)(words).tolist() == [2, 3, 1]
    assert layers.TextVectorization(**options)(words[:, None]).tolist() == [[2], [3], [1]]
    assert layers.TextVectorization(**options)(words[None]).tolist() == [[2, 3, 1]]
    assert layers.TextVectorization(output_mode="count", **options)(words).tolist() == [1, 1, 1]
    assert layers.TextVectorization(output_mode="count", **options)(words[:, None]).tolist() == [
        [0, 1, 0],
        [0, 0, 1],
        [1, 0, 0],
    ]


def test_a_subclassed_model_builds_its_sequential_for_strings():
    class Embedded(keras.Model):
        def __init__(self):
            super().__init__()
            self.embed = keras.Sequential(
                [layers.StringLookup(vocabulary=["a", "b"], mask_token=None), layers.Embedding(4, 2)]
            )

        def call(self, x):
            return self.embed(x)

    model = Embedded()
    assert tuple(model(np.array(["a", "c"])).shape) == (2, 2)
    assert model.embed.inputs[0].dtype == "string"
