"""Keras 2's `K.*`: numbers as tf_keras has them, symbolic values, functions, gradients, updates, the learning phase."""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from tandem import keras
from tandem.core.errors import Unsupported
from tandem.keras import backend as K
from tandem.keras import layers
from tandem.keras.legacy.k_names import FUNCTIONS

sys.path.insert(0, str(Path(__file__).parent))
import backend_cases

GOLDEN = Path(__file__).parent.parent / "golden" / "keras2_backend.npz"


@pytest.fixture(autouse=True)
def fresh():
    yield
    K.clear_session()


@pytest.fixture(scope="module")
def real():
    found = defaultdict(list)
    with np.load(GOLDEN) as file:
        for key in file.files:
            found[key.rpartition("|")[0]].append(file[key])
    return found


@pytest.fixture(scope="module")
def ours():
    return backend_cases.cases(K)


def test_numbers_and_dtypes_are_those_of_keras_2(real, ours):
    assert len(real) > 170
    wrong = []
    for name, wanted in real.items():
        given = ours[name]
        same = given is not None and len(given) == len(wanted)
        for a, b in zip(given or [], wanted, strict=False):
            same = same and a.shape == b.shape and a.dtype == b.dtype
            same = same and (a.dtype.kind in "US" or np.allclose(a, b, atol=1e-5, rtol=1e-4))
        if not same:
            wrong.append(name)
    assert not wrong


def test_every_name_is_there():
    for name in FUNCTIONS:
        assert callable(getattr(K, name)), name


def _model():
    inputs = keras.Input((4,))
    hidden = layers.Dense(3, activation="tanh")(inputs)
    dropped = layers.Dropout(0.5)(hidden)
    return keras.Model(inputs, layers.Dense(2)(dropped)), hidden, dropped


def test_function_takes_the_learning_phase():
    model, hidden, dropped = _model()
    x = np.random.default_rng(0).random((50, 4))
    run = K.function([model.input, K.learning_phase()], [hidden, dropped])
    calm, same = run([x, 0])
    np.testing.assert_array_equal(calm, same)
    other, noisy = run([x, 1])
    assert (noisy == 0).mean() > 0.3
    np.testing.assert_allclose(noisy[noisy != 0], 2 * other[noisy != 0], rtol=1e-5)
    np.testing.assert_array_equal(K.function([model.input], [dropped])([x])[0], calm)
    chosen = K.in_train_phase(hidden * 2, hidden)
    run = K.function([model.input, K.learning_phase()], chosen)
    np.testing.assert_allclose(run([x, 1]), 2 * run([x, 0]))


def test_gradients_of_inputs_layers_and_weights():
    model, hidden, _ = _model()
    kernel = model.layers[-1].kernel
    loss = K.sum(K.square(model.output))
    unrelated = keras.Input((4,))
    grads = K.gradients(loss, [model.input, hidden, kernel, unrelated])
    assert grads[3] is None
    x = np.random.default_rng(1).random((5, 4)).astype("float32")
    dx, dh, dk, h, y = K.function([model.input], [*grads[:3], hidden, model.output])([x])
    second = model.layers[-1].get_weights()[0]
    np.testing.assert_allclose(dh, 2 * y @ second.T, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(dk, h.T @ (2 * y), rtol=1e-4, atol=1e-5)
    first = model.layers[1].get_weights()[0]
    np.testing.assert_allclose(dx, ((1 - h**2) * dh) @ first.T, rtol=1e-4, atol=1e-6)


def test_gradients_of_gradients():
    x = K.placeholder((None,))
    first = K.gradients(K.sum(x * x * x), x)[0]
    second = K.gradients(K.sum(first), x)[0]
    np.testing.assert_allclose(K.function([x], [second])([np.array([1.0, 2.0])])[0], [6, 12], rtol=1e-6)


def test_sizes_of_the_batch_in_shapes():
    x = keras.Input((None, 3))
    tiled = K.tile(K.reshape(K.ones((1, 1, 3)), (1, 1, 3)), [K.shape(x)[0], K.shape(x)[1], 1])
    rows = K.zeros((K.shape(x)[0], 2))
    model = keras.Model(x, [x + tiled, rows + 1, K.reshape(x, (K.shape(x)[0], -1))])
    a, b, c = model.predict(np.zeros((4, 5, 3)), verbose=0)
    assert a.shape == (4, 5, 3) and (a == 1).all()
    assert b.shape == (4, 2) and (b == 1).all()
    assert c.shape == (4, 15)


def test_updates_and_optimizers_by_hand():
    count = K.variable(0.0)
    x = K.placeholder((None,))
    run = K.function([x], [K.sum(x)], updates=[K.update_add(count, K.sum(x)), (count, count + K.sum(x))])
    assert run([[1.0, 2.0]])[0] == 3
    assert K.get_value(count) == 3  # both saw the value before: the pair came last
    model, _, _ = _model()
    target = K.placeholder((None, 2))
    loss = K.mean(K.square(model.output - target))
    train = K.function(
        [model.input, target], [loss], keras.optimizers.SGD(0.1).get_updates(loss, model.trainable_weights)
    )
    data = [np.ones((8, 4)), np.ones((8, 2))]
    losses = [train(data)[0] for _ in range(20)]
    assert losses[-1] < losses[0] / 2
    old_order = keras.optimizers.SGD(0.1).get_updates(model.trainable_weights, [], loss)
    assert K.function([model.input, target], [loss], old_order)(data)[0] < losses[-1]


def test_add_loss_and_add_metric_of_symbolic_values():
    inputs = keras.Input((3,))
    hidden = layers.Dense(2, name="code")(inputs)
    model = keras.Model(inputs, layers.Dense(3, name="out")(hidden))
    model.add_loss(K.mean(K.square(hidden)))
    model.add_metric(K.mean(hidden), name="code_mean")
    model.compile("sgd", "mse")
    x = np.random.default_rng(2).random((16, 3)).astype("float32")
    logs = model.evaluate(x, x, return_dict=True, verbose=0)
    code = keras.Model(inputs, hidden).predict(x, verbose=0)
    error = np.square(model.predict(x, verbose=0) - x).mean()
    assert logs["loss"] == pytest.approx(error + np.square(code).mean(), rel=1e-4)
    assert logs["code_mean"] == pytest.approx(code.mean(), rel=1e-4)
    assert model.output_names == ["out"]


def test_a_loss_sees_the_tensors_of_its_model():
    inputs = keras.Input((3,))
    hidden = layers.Dense(2)(inputs)
    outputs = layers.Dense(3)(hidden)
    penalty = K.sum(K.square(hidden), axis=-1)

    def loss(y_true, y_pred):
        slope = K.gradients(K.sum(y_pred), hidden)[0]
        return K.mean(K.square(y_true - y_pred), axis=-1) + penalty + K.sum(K.square(slope), axis=-1)

    model = keras.Model(inputs, outputs)
    model.compile("sgd", loss)
    x = np.random.default_rng(3).random((8, 3)).astype("float32")
    code, y = keras.Model(inputs, [hidden, outputs]).predict(x, verbose=0)
    kernel = model.layers[-1].get_weights()[0]
    wanted = np.square(x - y).mean(-1) + np.square(code).sum(-1) + np.square(kernel.sum(1)).sum()
    assert model.train_on_batch(x, x) == pytest.approx(wanted.mean(), rel=1e-4)


def test_what_sessions_did_says_what_to_do():
    K.set_session(None)
    with pytest.raises(Unsupported, match=r"K\.get_value"):
        K.get_session()
    with pytest.raises(Unsupported, match="CUDA_VISIBLE_DEVICES"):
        K.set_session(object())
    with pytest.raises(ValueError, match=r"K\.function"):
        K.eval(keras.Input((2,)))
    with pytest.raises(ValueError, match="0 or 1"):
        K.set_learning_phase(2)


def test_seeds_go_on():
    first, second = K.random_normal((4,), seed=3), K.random_normal((4,), seed=3)
    assert not np.array_equal(K.eval(first), K.eval(second))
    K.clear_session()
    np.testing.assert_array_equal(K.eval(K.random_normal((4,), seed=3)), K.eval(first))
    assert K.eval(K.random_uniform((1000,), 2, 3)).min() >= 2


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (lambda s: s[...], [2, 3, 4]),
        (lambda s: s[..., ::-1], [4, 3, 2]),
        (lambda s: s[1:] * 2, [6, 8]),
        (lambda s: 2 * s[1:] - 1, [5, 7]),
        (lambda s: s[1:] + s[1:], [6, 8]),
        (lambda s: -s[1:] + [10, 20], [7, 16]),
        (lambda s: s[1:] // 2, [1, 2]),
        (lambda s: s[1:] / 2, [1.5, 2.0]),
        (lambda s: 12 // s[1:] + 7 % np.array(4), [7, 6]),
        (lambda s: s[1:] ** 2 % 5, [4, 1]),
        (lambda s: s[:1] * s[1:], [6, 8]),
        (lambda s: K.constant([2, 3], dtype="int32") * s[1:], [6, 12]),
        (lambda s: s[1:] - K.constant([2, 3], dtype="int32"), [1, 1]),
        (lambda s: K.cast(s[1:][..., ::-1] * 8, "float32"), [32.0, 24.0]),
    ],
)
def test_a_shape_counts_as_a_vector(compute, expected):
    value = compute(K.shape(K.ones((2, 3, 4))))
    assert np.asarray(value).tolist() == expected


def test_the_sizes_of_a_grid_are_counted_with_where_they_are_unknown():
    entry = keras.Input((None, None, 2))

    def scaled(x):
        return x / K.cast(K.shape(x)[1:3][..., ::-1] * 2, K.dtype(x))

    x = np.ones((1, 4, 5, 2), "float32")
    expected = [1 / 10, 1 / 8]
    np.testing.assert_allclose(keras.Model(entry, keras.layers.Lambda(scaled)(entry)).predict(x)[0, 0, 0], expected)
    np.testing.assert_allclose(np.asarray(K.function([entry], [scaled(entry)])([x])[0])[0, 0, 0], expected)


def test_shapes_of_other_lengths_are_not_added():
    sizes = K.shape(K.ones((2, 3, 4)))
    with pytest.raises(TypeError, match="Sizes"):
        sizes[1:] + sizes
