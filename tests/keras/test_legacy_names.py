"""What Keras 1 and 2 had beside today's: helpers for text and time series, layers, modules, estimators."""

import json
import warnings

import numpy as np
import pytest

from tandem import keras
from tandem.core.errors import Unsupported
from tandem.keras import layers
from tandem.keras.preprocessing import sequence, text


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


TEXTS = ["The cat sat on the mat.", "The dog; ate my homework! the end", " "]


def test_tokenizer_numbers_words_by_how_often_they_occur():
    tokenizer = text.Tokenizer(num_words=4, oov_token="?")
    tokenizer.fit_on_texts(TEXTS)
    assert tokenizer.word_index["?"] == 1 and tokenizer.word_index["the"] == 2
    assert tokenizer.texts_to_sequences(["the cat zebra dog", ""]) == [[2, 3, 1, 1], []]
    assert tokenizer.sequences_to_texts([[2, 3, 1]]) == ["the cat ?"]
    again = text.tokenizer_from_json(tokenizer.to_json())
    assert json.loads(again.to_json()) == json.loads(tokenizer.to_json())
    with pytest.raises(ValueError, match="not a tokenizer"):
        text.tokenizer_from_json("{}")


def test_tokenizer_matrices():
    tokenizer = text.Tokenizer()
    tokenizer.fit_on_texts(TEXTS)
    count = tokenizer.texts_to_matrix(["the the cat"], mode="count")[0]
    assert count[:3].tolist() == [0, 2, 1]
    assert tokenizer.texts_to_matrix(["the the cat"], mode="freq")[0, 1] == pytest.approx(2 / 3)
    # "the" stands in two of three texts
    assert tokenizer.texts_to_matrix(["the the"], mode="tfidf")[0, 1] == pytest.approx((1 + np.log(2)) * np.log(2))
    with pytest.raises(ValueError, match="Unknown vectorization mode"):
        tokenizer.texts_to_matrix(TEXTS, mode="tf")


def test_time_series_windows():
    generator = sequence.TimeseriesGenerator(
        np.arange(50)[:, None], np.arange(50), length=10, sampling_rate=2, batch_size=2
    )
    assert len(generator) == 20
    x, y = generator[0]
    assert x[:, :, 0].tolist() == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]] and y.tolist() == [10, 11]
    with pytest.raises(ValueError, match="disallowed"):
        sequence.TimeseriesGenerator([1, 2], [1, 2], length=5)


def test_skipgrams_pair_words_of_a_window():
    pairs, labels = sequence.skipgrams([1, 2, 0, 3], 9, window_size=1, negative_samples=0, shuffle=False)
    assert pairs == [[1, 2], [2, 1]] and labels == [1, 1]
    assert len(sequence.skipgrams([1, 2, 3], 9, window_size=1)[0]) == 8


def test_layers_of_keras_1():
    x = np.random.default_rng(0).random((5, 3)).astype("float32")
    maxout = layers.MaxoutDense(4, nb_feature=2)
    y = maxout(x).detach().numpy()
    w, b = maxout.get_weights()
    np.testing.assert_allclose(y, np.maximum(x @ w[0] + b[0], x @ w[1] + b[1]), rtol=1e-5)
    highway = layers.Highway(activation="relu")
    y = highway(x).detach().numpy()
    w, carry, b, b_carry = highway.get_weights()
    gate = 1 / (1 + np.exp(-(x @ carry + b_carry)))
    np.testing.assert_allclose(y, gate * np.maximum(x @ w + b, 0) + (1 - gate) * x, rtol=1e-5)
    assert (b_carry == -2).all()
    assert np.asarray(layers.ThresholdedReLU(0.5)(np.array([0.2, 0.7]))).tolist() == pytest.approx([0, 0.7])
    a, b = keras.Input((3,)), keras.Input((3,))
    for mode, wanted in (("sum", 2 * x), ("mul", x * x), ("ave", x), ("max", x), ("concat", np.hstack([x, x]))):
        model = keras.Model(input=[a, b], output=layers.merge([a, b], mode=mode))
        np.testing.assert_allclose(model.predict([x, x], verbose=0), wanted, rtol=1e-6)


def test_merge_of_models_begins_a_sequential():
    left, right = (keras.Sequential([layers.Dense(2, input_dim=3)]) for _ in range(2))
    model = keras.Sequential([layers.Merge([left, right], mode="concat"), layers.Dense(1)])
    assert model.predict([np.ones((4, 3)), np.ones((4, 3))], verbose=0).shape == (4, 1)


def test_layers_of_the_gpu_library_are_todays():
    layer = layers.CuDNNLSTM(4, return_sequences=True)
    assert isinstance(layer, layers.LSTM)
    assert layer(np.ones((2, 3, 5), "float32")).shape == (2, 3, 4)
    again = layers.CuDNNGRU.from_config(layers.CuDNNGRU(4).get_config())
    assert again.reset_after


def test_methods_of_layers():
    inputs = keras.Input((3,))
    layer = layers.Dense(2)
    outputs = layer(inputs)
    assert layer.get_output_at(0) is outputs and layer.get_input_shape_at(0) == (None, 3)
    assert (layer.input_shape, layer.output_shape) == ((None, 3), (None, 2))
    with pytest.raises(ValueError, match="1 inbound nodes"):
        layer.get_output_at(1)


def test_a_layer_of_keras_1_lists_its_weights():
    from tandem.keras import backend as K

    class Scaled(layers.Layer):
        def build(self, input_shape):
            self.W = K.variable(np.ones((input_shape[-1], 2)), name=f"{self.name}_W")
            self.trainable_weights = [self.W]
            super().build(input_shape)

        def call(self, x, mask=None):
            return K.dot(x, self.W)

        def get_output_shape_for(self, input_shape):
            return (input_shape[0], 2)

    model = keras.Sequential([Scaled(input_shape=(3,))])
    assert len(model.trainable_weights) == 1
    model.compile("sgd", "mse")
    before = model.get_weights()[0]
    model.train_on_batch(np.ones((4, 3)), np.zeros((4, 2)))
    assert (model.get_weights()[0] < before).all()


def test_logs_have_both_spellings_of_accuracy(tmp_path):
    seen = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(logs.get("val_acc"))

    model = keras.Sequential([layers.Dense(1, activation="sigmoid", input_dim=3)])
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    saving = keras.callbacks.ModelCheckpoint(
        str(tmp_path / "{epoch}-{val_acc:.1f}.weights.h5"), "val_acc", save_best_only=True, save_weights_only=True
    )
    callbacks = [Look(), saving, keras.callbacks.EarlyStopping(monitor="val_acc", patience=0)]
    x = np.random.default_rng(0).random((20, 3))
    history = model.fit(x, np.ones(20), epochs=3, validation_data=(x, np.ones(20)), verbose=0, callbacks=callbacks)
    assert history.history["val_acc"] == history.history["val_accuracy"] == seen
    assert "val_acc" not in history.history and history.history.get("nothing") is None
    assert len(list(tmp_path.iterdir())) >= 1
    assert len(seen) < 3 or seen == sorted(set(seen))


def test_old_paths_are_attributes_too():
    assert keras.engine.topology.Layer is layers.Layer
    assert keras.layers.merge.concatenate is layers.concatenate
    assert keras.utils.np_utils.to_categorical is keras.utils.to_categorical
    assert keras.objectives.mse is keras.losses.mse
    assert keras.layers.core.Dropout is layers.Dropout
    with pytest.raises(AttributeError):
        keras.engine.topology.NothingOfTheKind  # noqa: B018


def test_several_gpus_are_for_nproc():
    model = keras.Sequential([layers.Dense(1, input_dim=2)])
    assert keras.utils.multi_gpu_model(model, gpus=1) is model
    with pytest.raises(Unsupported, match="nproc"):
        keras.utils.multi_gpu_model(model, gpus=2)


def test_estimators_refuse_what_nothing_takes():
    from tandem.keras.wrappers.scikit_learn import KerasClassifier

    with pytest.raises(ValueError, match="not a legal parameter"):
        KerasClassifier(lambda units=1: None, nonsense=3)
    assert KerasClassifier(lambda units=1: None, units=3, epochs=2).get_params()["units"] == 3


def test_conv_utils():
    from tandem.keras.legacy import utilities

    assert [utilities.conv_output_length(10, 3, padding, 2) for padding in ("valid", "same", "full")] == [4, 5, 6]
    assert utilities.conv_input_length(4, 3, "valid", 2) == 9
    assert utilities.deconv_length(4, 2, 3, "same") == 8
    assert utilities.normalize_tuple(3, 2, "strides") == (3, 3)
    with pytest.raises(ValueError, match="tuple of 2 integers"):
        utilities.normalize_tuple((1, 2, 3), 2, "strides")
    assert utilities.to_ordinal([0, 2, 1]).tolist() == [[0, 0], [1, 1], [1, 0]]


def test_losses_of_symbolic_values_are_part_of_configs_and_clones(tmp_path):
    K = keras.backend
    x = keras.Input((3,))
    hidden = keras.layers.Dense(4)(x)
    model = keras.Model(x, keras.layers.Dense(1)(hidden))
    model.add_loss(K.mean(K.square(hidden)) * 0.1)
    model.add_loss(K.mean(hidden))
    model.compile("sgd", "mse")
    model.save(tmp_path / "model.keras")
    wanted = model.evaluate(np.ones((2, 3)), np.ones((2, 1)), verbose=0)
    for other in (
        keras.Model.from_config(model.get_config()),
        keras.models.clone_model(model),
        keras.models.load_model(tmp_path / "model.keras"),
    ):
        other.set_weights(model.get_weights())
        other.compile("sgd", "mse")
        assert other.evaluate(np.ones((2, 3)), np.ones((2, 1)), verbose=0) == pytest.approx(wanted)
        assert len(other.losses) == 2


def test_radial_kernels():
    # By rings from the centre: which places of the diagonal real Keras 2 takes.
    places = {2: [0], 3: [0, 1], 4: [1, 3], 5: [1, 2, 3], 6: [2, 4, 5], 7: [2, 3, 4, 5]}
    for size, wanted in places.items():
        kernel = np.arange(size * size * 2.0).reshape(size, size, 1, 2)
        found = np.asarray(keras.constraints.RadialConstraint()(keras.backend.constant(kernel)))
        for number, place in enumerate(reversed(wanted)):
            ring = found[number : size - number, number : size - number]
            for edge in (ring[0], ring[-1], ring[:, 0], ring[:, -1]):
                np.testing.assert_array_equal(edge, np.broadcast_to(kernel[place, place], edge.shape))
    for shape in ((3, 3), (3, 4, 1, 1)):
        with pytest.raises(ValueError, match=r"rank 4|square"):
            keras.constraints.RadialConstraint()(keras.backend.constant(np.ones(shape)))
