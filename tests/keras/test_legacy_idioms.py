"""What scripts for Keras 1 and 2 do with the backend, with models' layers and with files."""

import numpy as np
import pytest

from tandem import keras
from tandem.keras.legacy.modules import old_module

K = keras.backend


def test_the_input_of_an_input_layer_is_itself():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dropout(0.5)(inputs))
    function = K.function([model.layers[0].input], [model.output])
    np.testing.assert_allclose(function([np.ones((2, 3))])[0], 1)


def test_a_function_takes_the_learning_phase_that_was_set_as_an_input():
    inputs = keras.Input((3,))
    output = keras.layers.Dropout(0.5)(inputs)
    K.set_learning_phase(1)
    try:
        function = K.function([inputs, K.learning_phase()], [output])
    finally:
        K.clear_session()
    np.testing.assert_allclose(function([np.ones((2, 3)), 0])[0], 1)
    assert set(np.unique(function([np.ones((50, 3)), 1])[0])) == {0, 2}


def test_an_initializer_of_keras_1_knows_no_dtype():
    def init(shape, name=None):
        return K.variable(np.full(shape, 0.5), name=name)

    with pytest.warns(DeprecationWarning, match="kernel_initializer"):
        layer = keras.layers.Dense(2, init=init)
    layer.build((None, 3))
    np.testing.assert_allclose(layer.get_weights()[0], 0.5)


def _doubled(x):
    return x * 2


def _doubled_shape(shape):
    return shape


def test_a_named_function_of_a_lambda_is_found_when_the_same_process_loads_the_file(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(_doubled, output_shape=_doubled_shape)])
    model.save(tmp_path / "model.h5")
    x = np.ones((2, 3), "float32")
    loaded = keras.models.load_model(tmp_path / "model.h5", compile=False)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), 2 * x)


def test_keras_1_calls_plot_model_plot():
    assert old_module("keras.utils.visualize_util").plot is keras.utils.plot_model


def test_a_callback_may_set_its_model_itself():
    class Outputs(keras.callbacks.Callback):
        def set_model(self, model):
            self.model = model
            self.outputs = keras.Model(model.inputs, [layer.output for layer in model.layers])

        def on_epoch_end(self, epoch, logs=None):
            self.shapes = [value.shape for value in self.outputs.predict(np.ones((2, 3)), verbose=0)]

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    callback = Outputs()
    model.fit(np.ones((4, 3)), np.ones(4), verbose=0, callbacks=[callback])
    assert callback.shapes == [(2, 2), (2, 1)]
    assert callback.model is model


def _own_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


def test_a_model_with_a_loss_of_ones_own_goes_through_json_and_is_cloned():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", _own_loss)
    with pytest.warns(UserWarning, match="not compiled"):
        copies = [keras.models.model_from_json(model.to_json()), keras.models.clone_model(model)]
    for copy in copies:
        assert not copy.compiled
        copy.set_weights(model.get_weights())
    given = keras.models.model_from_json(model.to_json(), custom_objects={"_own_loss": _own_loss})
    assert given.compiled


@pytest.mark.parametrize("name", ["cosine_proximity", "logcosh", "kullback_leibler_divergence", "kld"])
def test_metrics_have_their_older_names(name):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse", metrics=[name])
    history = model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0).history
    assert set(history) == {"loss", name}


@pytest.mark.parametrize(
    ("units", "shape", "twin"),
    [
        (1, (6, 1), "binary_crossentropy"),
        (3, (6,), "sparse_categorical_crossentropy"),
        (3, (6, 3), "categorical_crossentropy"),
    ],
)
def test_crossentropy_is_the_loss_that_fits_the_shapes(units, shape, twin):
    x, y = np.random.default_rng(0).normal(size=(6, 4)), np.ones(shape)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, "sigmoid" if units == 1 else "softmax")])
    values = []
    for loss in ("crossentropy", twin):
        model.compile("sgd", loss)
        values.append(model.evaluate(x, y, verbose=0))
    assert values[0] == pytest.approx(values[1])


def test_the_learning_rate_is_in_the_logs_under_both_names():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    history = model.fit(np.ones((4, 3)), np.ones(4), epochs=2, verbose=0, callbacks=[schedule]).history
    with pytest.warns(DeprecationWarning, match="learning_rate"):
        np.testing.assert_allclose(history["lr"], [0.1, 0.05])


def test_metrics_begin_again_by_their_older_method_too():
    class Twice(keras.metrics.Mean):
        def reset_state(self):
            super().reset_state()
            self.total.assign(2.0)

    metric = Twice()
    metric.update_state([5.0])
    metric.reset_states()
    assert (float(metric.total), float(metric.count)) == (2, 0)


def test_a_clone_computes_the_same_lambda():
    factor = 3.0
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Lambda(lambda x: K.sum(x, axis=1, keepdims=True) * factor)]
    )
    x = np.ones((2, 3), "float32")
    np.testing.assert_allclose(keras.models.clone_model(model).predict(x, verbose=0), model.predict(x, verbose=0))


def test_a_layer_of_ones_own_adds_the_loss_of_a_text_image():
    class Judged(keras.layers.Layer):
        def call(self, labels, logits):
            shape = keras.ops.shape(logits)
            steps = shape[1] * keras.ops.ones((shape[0],), dtype="int32")
            lengths = keras.ops.full((shape[0],), labels.shape[1], dtype="int32")
            self.add_loss(keras.ops.mean(keras.ops.ctc_loss(keras.ops.cast(labels, "int32"), logits, lengths, steps)))
            return logits

    image, labels = keras.Input((8, 4)), keras.Input((3,))
    model = keras.Model([image, labels], Judged()(labels, keras.layers.Dense(6)(image)))
    model.compile("sgd")
    x, y = np.random.default_rng(0).normal(size=(4, 8, 4)), np.array([[1, 2, 3]] * 4)
    first, second = model.fit([x, y], epochs=2, verbose=0).history["loss"]
    assert second < first


def test_nadam_takes_the_speed_of_its_warm_up():
    def moved(**given):
        optimizer = keras.optimizers.Nadam(learning_rate=0.1, **given)
        optimizer = type(optimizer).from_config(optimizer.get_config())
        variable = keras.Variable(np.array([1.0], "float32"))
        for _ in range(2):
            optimizer.apply([variable.value * 2], [variable])
        return variable.numpy()[0]

    # Keras 2's formula, by hand: m, v and the running product of u_t = 0.9 (1 - 0.5 * 0.96^(0.004 t)).
    p, m, v, product = 1.0, 0.0, 0.0, 1.0
    for t in (1, 2):
        g = 2 * p
        now, following = (0.9 * (1 - 0.5 * 0.96 ** (0.004 * k)) for k in (t, t + 1))
        product *= now
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        mean = following * m / (1 - product * following) + (1 - now) * g / (1 - product)
        p -= 0.1 * mean / ((v / (1 - 0.999**t)) ** 0.5 + 1e-7)
    assert moved(schedule_decay=0.004) == pytest.approx(p, rel=1e-5)
    assert moved() != pytest.approx(p, rel=1e-5)


def test_a_star_brings_the_layers_of_older_releases():
    names = {}
    exec("from tandem.keras.layers import *", names)
    with pytest.warns(DeprecationWarning, match="layers.LSTM"):
        assert names["CuDNNLSTM"](3)(np.ones((2, 4, 5), "float32")).shape == (2, 3)
    assert {"Convolution2D", "ThresholdedReLU", "Merge", "Highway", "MaxoutDense"} <= set(names)


class _Listed(keras.layers.Layer):
    """Lists its weights in `build`, in the way that `kind` says."""

    def __init__(self, kind, **kwargs):
        super().__init__(**kwargs)
        self.kind = kind

    def build(self, input_shape):
        self.W = K.variable(np.full((input_shape[-1], 2), 0.5))
        self.g = K.zeros((2,))
        if self.kind == "listed":
            self.trainable_weights = [self.W, self.g]
        elif self.kind == "appended":
            self._trainable_weights.append(self.g)
        elif self.kind == "added":
            self._trainable_weights += [self.g]
        else:
            self.non_trainable_weights = [self.W]
        self.built = True

    def call(self, x):
        return K.dot(x, self.W) * (1 + self.g)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 2)


@pytest.mark.parametrize(("kind", "learns"), [("listed", 2), ("appended", 2), ("added", 2), ("fixed", 0)])
def test_a_layer_lists_what_learns(kind, learns):
    model = keras.Sequential([_Listed(kind, input_shape=(3,)), keras.layers.Dense(2)])
    assert (len(model.trainable_weights), len(model.weights)) == (2 + learns, 4)
    model.compile("sgd", "mse")
    before = model.get_weights()[:2]
    model.fit(np.ones((4, 3)), np.full((4, 2), 3.0), verbose=0, epochs=2)
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights()[:2], strict=True)]
    assert changed == [learns > 0] * 2


def test_a_layer_sees_the_graph_around_it():
    inputs = keras.Input((3,))
    layer = keras.layers.Dense(2)
    mean, other = layer(inputs), keras.layers.Dense(2)(inputs)

    class Added(keras.layers.Layer):
        def call(self, values):
            x, y = values
            self.add_loss(K.mean(K.square(mean) + K.mean(K.square(x - y))), inputs=values)
            return x

    scaled = keras.layers.Lambda(lambda x: x * mean, output_shape=(2,))(other)
    model = keras.Model(inputs, Added()([inputs, keras.layers.Dense(3)(keras.layers.add([scaled, mean]))]))
    model.compile("sgd", loss=None)
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    first, last = model.fit(x, epochs=12, batch_size=8, verbose=0).history["loss"][::11]
    assert last < first
    assert not np.array_equal(layer.get_weights()[1], np.zeros(2))
    values = K.function([inputs], [mean, other, scaled])([x])
    np.testing.assert_allclose(values[2], values[0] * values[1], rtol=1e-5)


def test_a_list_of_metrics_is_for_every_output():
    inputs = keras.Input((3,))
    outputs = [keras.layers.Dense(1, activation="sigmoid", name="v")(inputs)]
    outputs.append(keras.layers.Dense(4, activation="softmax", name="aux")(inputs))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", ["binary_crossentropy", "sparse_categorical_crossentropy"], metrics=["accuracy"])
    x, y = np.ones((4, 3)), [np.ones((4, 1)), np.zeros((4, 1))]
    with pytest.warns(DeprecationWarning, match="a list of metrics for each output"):
        logs = model.evaluate(x, y, verbose=0, return_dict=True)
    assert {"v_accuracy", "aux_accuracy"} <= set(logs)


def test_decoded_labels_have_as_many_steps_as_the_outputs():
    outputs = np.full((2, 5, 4), 0.01, "float32")
    for row, steps in enumerate([(0, 0, 3, 1, 3), (2, 3, 3, 3, 3)]):
        outputs[row, range(5), steps] = 0.97
    for greedy in (True, False):
        (labels,), _ = K.ctc_decode(K.variable(outputs), np.array([5, 5]), greedy=greedy)
        np.testing.assert_array_equal(K.get_value(labels), [[0, 1, -1, -1, -1], [2, -1, -1, -1, -1]])


def test_what_old_code_asks_of_numbers_and_initializers():
    assert K.dtype(0.5) == keras.config.floatx()
    assert keras.initializers.get("glorot_uniform").__name__ == "glorot_uniform"
    assert type(keras.constraints.get("maxnorm")) is keras.constraints.MaxNorm


class _Validated(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.seen = self.validation_data


def test_callbacks_see_what_is_validated_on():
    model = keras.Sequential([keras.layers.Dense(1, input_dim=3)])
    model.compile("sgd", "mse")
    x, y, seen = np.arange(30.0).reshape(10, 3), np.arange(10.0)[:, None], _Validated()
    model.fit(x, y, validation_split=0.3, callbacks=[seen], verbose=0)
    for found, wanted in zip(seen.seen, (x[7:], y[7:], np.ones(3)), strict=True):
        np.testing.assert_array_equal(found, wanted)
    model.fit(x, y, validation_data=(x[:2], y[:2], np.array([1.0, 2.0])), callbacks=[seen], verbose=0)
    np.testing.assert_array_equal(seen.seen[2], [1, 2])
    seen.validation_data = "mine"
    assert seen.validation_data == "mine"
    assert _Validated().validation_data is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compile_takes_what_keras_2_took():
    model = keras.Sequential([keras.layers.Dense(2, input_shape=(4, 3))])
    model.compile("sgd", "mse", ["mae"], sample_weight_mode="temporal")
    x, y = np.ones((6, 4, 3)), np.zeros((6, 4, 2))
    weights = np.zeros((6, 4))
    assert model.evaluate(x, y, sample_weight=weights, verbose=0, return_dict=True)["loss"] == 0
    assert "mae" in model.evaluate(x, y, verbose=0, return_dict=True)
    for wrong, error in (
        ({"sample_weight_mode": "spatial"}, ValueError),
        ({"target_tensors": [x]}, NotImplementedError),
        ({"metric": ["mae"]}, TypeError),
    ):
        with pytest.raises(error):
            model.compile("sgd", "mse", **wrong)
    with pytest.raises(TypeError, match="twice"):
        model.compile("sgd", "mse", ["mae"], metrics=["mae"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_weighted_sequence_ends():
    class Batches(keras.utils.Sequence):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return np.ones((2, 3)), np.array([[0.0], [1.0]])

    model = keras.Sequential([keras.layers.Dense(1, input_dim=3)])
    model.compile("sgd", "mse")
    history = model.fit_generator(Batches(), epochs=2, class_weight={0: 1.0, 1: 2.0}, verbose=0)
    assert len(history.history["loss"]) == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_decay_is_part_of_the_config(tmp_path):
    model = keras.Sequential([keras.layers.Dense(1, input_dim=3)])
    model.compile(keras.optimizers.SGD(lr=0.1, decay=0.5), "mse")
    x, y = np.ones((2, 3)), np.ones((2, 1))
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "model.h5")
    again = keras.models.load_model(tmp_path / "model.h5")
    assert again.optimizer.decay == 0.5
    for one in (model, again):
        one.fit(x, y, epochs=3, verbose=0)
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])


@pytest.mark.parametrize("wrap", [lambda layer: layer, keras.layers.Bidirectional])
def test_a_recurrent_layer_takes_its_states_in_a_list(wrap):
    layer = wrap(keras.layers.LSTM(2))
    x = np.ones((3, 4, 2), "float32")
    states = [np.full((3, 2), value, "float32") for value in (0.1, 0.2, 0.3, 0.4)]
    states = states if isinstance(layer, keras.layers.Bidirectional) else states[:2]
    wanted = keras.ops.convert_to_numpy(layer(x, initial_state=states))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer([x, *states])), wanted, rtol=1e-5, atol=1e-6)
    inputs = [keras.Input(value.shape[1:]) for value in (x, *states)]
    model = keras.Model(inputs, layer(inputs))
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again.predict([x, *states], verbose=0), wanted, rtol=1e-5, atol=1e-6)


def test_what_stood_elsewhere():
    assert keras.constraints.maxnorm(m=3).max_value == keras.constraints.maxnorm(3).max_value == 3
    assert keras.applications.mobilenet.DepthwiseConv2D is keras.layers.DepthwiseConv2D
    with pytest.raises(NotImplementedError, match="Model\\(inputs, outputs\\)"):
        keras.models.Graph()


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_every_pool_is_two_wide_where_no_size_is_given(rank):
    x = np.arange(4**rank, dtype="float32").reshape(1, *(4,) * rank, 1)
    for kind in ("Max", "Average"):
        layer = getattr(keras.layers, f"{kind}Pooling{rank}D")
        np.testing.assert_array_equal(np.asarray(layer()(x)), np.asarray(layer(2)(x)))


@pytest.mark.parametrize("run_eagerly", [False, True])
@pytest.mark.parametrize(
    "reverse", [lambda x: x[:, ::-1], lambda x: x[:, ::-1, :], lambda x: x[:, ::-1, ...] * 1.0, lambda x: x[:, 2::-1]]
)
def test_a_lambda_reads_its_inputs_backwards(reverse, run_eagerly):
    x = np.arange(24, dtype="float32").reshape(4, 3, 2)
    entry = keras.Input((3, 2))
    backwards = keras.layers.Lambda(reverse)(entry)
    np.testing.assert_array_equal(keras.Model(entry, backwards).predict(x), x[:, ::-1])
    weights = []
    for inputs, data in ((backwards, x), (entry, x[:, ::-1].copy())):
        output = keras.layers.Dense(1, kernel_initializer="ones")(keras.layers.Flatten()(inputs))
        model = keras.Model(entry, output)
        model.compile(keras.optimizers.SGD(1e-3), "mse", run_eagerly=run_eagerly)
        model.fit(data, np.ones((4, 1)), batch_size=2, epochs=3, shuffle=False, verbose=0)
        weights.append(model.get_weights()[0])
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-5)
    assert not np.allclose(weights[0], 1, atol=1e-4)


def test_another_error_of_a_lambda_stays_as_it_is():
    calls = []

    def wrong(x):
        calls.append(x)
        raise ValueError("not so")

    with pytest.raises(ValueError, match="not so"):
        keras.layers.Lambda(wrong, output_shape=(3,))(np.ones((2, 3), "float32"))
    assert len(calls) == 1
