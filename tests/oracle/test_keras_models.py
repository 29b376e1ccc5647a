"""Models against the real Keras: order of layers, names, paths, summaries, configs, numbers, errors."""

import contextlib
import io
import json
import warnings

import numpy as np
import pytest

from oracles import real_keras
from tandem import keras

pytestmark = pytest.mark.oracle


def sequential(K):
    L = K.layers
    return K.Sequential(
        [
            K.Input((12, 12, 1)),
            L.Conv2D(4, 3, activation="relu"),
            L.BatchNormalization(),
            L.MaxPooling2D(),
            L.Flatten(),
            L.Dropout(0.3),
            L.Dense(6, trainable=False, name="a_very_long_layer_name_which_wraps"),
        ]
    )


def branches(K):
    L = K.layers
    a, b = K.Input((8,), name="a"), K.Input((8,), name="b")
    x = L.Concatenate()([a, b])
    x = L.Dense(4, activation="tanh")(x)
    inner = K.Sequential([L.Dense(3), L.Dense(2)], name="inner")
    y = inner(x)
    z = L.Add()([y, y]) * 2.0 - 1.0
    return K.Model([a, b], [z, x])


def nested(K):
    L = K.layers
    return K.Sequential([K.Input((4,)), K.Sequential([L.Dense(3), K.Sequential([L.Dense(2)])]), L.Dense(3)])


def shared(K):
    i = K.Input((4,))
    dense = K.layers.Dense(4)
    return K.Model(i, dense(dense(dense(i))))


def masked(K):
    L = K.layers
    e = K.Input((None,), dtype="int32")
    x = L.Embedding(20, 6, mask_zero=True)(e)
    x = L.Bidirectional(L.LSTM(3, return_sequences=True))(x)
    x = L.GRU(4)(x)
    return K.Model(e, {"whole": L.Dense(2)(x), "part": x[:, 0]})


def diamond(K):
    L = K.layers
    a, b, c = (K.Input((5,), name=name) for name in "abc")
    p, q = L.Dense(5)(a), L.Dense(5)(b)
    left = L.Multiply()([p, q])
    right = L.Subtract()([L.Dense(5)(q), c])
    joined = L.Concatenate()([left, L.LayerNormalization()(right), a])
    return K.Model({"b": b, "a": a, "c": c}, [L.Dense(2)(joined), L.Activation("relu")(left)], name="diamond")


def recurrent_state(K):
    L = K.layers
    encoder, decoder = K.Input((None, 3)), K.Input((None, 3))
    _, h, c = L.LSTM(4, return_state=True)(encoder)
    out, _, _ = L.LSTM(4, return_sequences=True, return_state=True)(decoder, initial_state=[h, c])
    return K.Model([encoder, decoder], L.Dense(2)(out))


def masked_merge(K):
    L = K.layers
    i, j = K.Input((4,)), K.Input((4, 3))
    one, two = L.Embedding(5, 3, mask_zero=True), L.Embedding(5, 3, mask_zero=True)
    joined = L.Concatenate(axis=1)([one(i), L.Add()([one(i), two(i)]), j])
    wide = L.Concatenate()([one(i), two(i)])
    return K.Model([i, j], [L.LSTM(2)(joined), L.TimeDistributed(L.Dense(2))(wide)])


def model_in_model(K):
    L = K.layers
    i = K.Input((6,))
    inner = K.Model(i, L.BatchNormalization()(L.Dense(3)(i)), name="inner")
    a, b = K.Input((6,)), K.Input((6,))
    return K.Model([a, b], L.Average()([inner(a), inner(b)]))


def own_layers(K):
    """A layer of a script's own: sublayers built while shapes are inferred, masks in a list, several results."""

    class Patches(K.layers.Layer):
        def __init__(self):
            super().__init__()
            self.convolve = K.Sequential([K.layers.Conv1D(6, 2, padding="same"), K.layers.MaxPooling1D(1)])
            self.attend = K.layers.MultiHeadAttention(2, 3)
            self.supports_masking = True

        def call(self, inputs, mask=None):
            x, y = inputs
            return x, K.ops.concatenate([self.attend(x, self.convolve(y)), y], axis=-1)

        def get_config(self):
            return {}

        @classmethod
        def from_config(cls, config):
            return cls()

    K.saving.register_keras_serializable("tests")(Patches)
    i, j, unused = K.Input((4,)), K.Input((4, 3)), K.Input((2,), name="unused")
    _, y = Patches()([K.layers.Embedding(5, 3, mask_zero=True)(i), j])
    return K.Model([i, j, unused], K.layers.GRU(2)(K.layers.Dropout(0.1)(y)))


MODELS = [
    own_layers,
    sequential,
    branches,
    nested,
    shared,
    masked,
    diamond,
    recurrent_state,
    masked_merge,
    model_in_model,
]


def _both(make):
    theirs = real_keras()
    keras.utils.clear_session(free_memory=False)
    theirs.utils.clear_session(free_memory=False)
    return make(keras), make(theirs)


def _numbers(tree):
    if isinstance(tree, dict):
        return [leaf for key in sorted(tree) for leaf in _numbers(tree[key])]
    if isinstance(tree, (list, tuple)):
        return [leaf for item in tree for leaf in _numbers(item)]
    return [tree.detach().numpy()]


def _data(model, rng):
    arrays = []
    for value in model.inputs:
        shape = [3 if size is None else size for size in value.shape]
        if value.dtype == "int32" or shape == [3, 4]:
            arrays.append(rng.integers(0, 5, shape).astype("int32"))
        else:
            arrays.append(rng.normal(size=shape).astype("float32"))
    return arrays


def _summary(model, **options):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        model.summary(**options)
    return text.getvalue()


@pytest.mark.parametrize("make", MODELS)
def test_structure_is_the_real_one(make):
    mine, real = _both(make)
    assert mine.name == real.name
    assert [layer.name for layer in mine.layers] == [layer.name for layer in real.layers]
    assert [w.path for w in mine.weights] == [w.path for w in real.weights]
    assert [w.path for w in mine.trainable_variables] == [w.path for w in real.trainable_variables]
    assert len(mine.variables) == len(real.variables)
    assert mine.count_params() == real.count_params()
    assert [value.shape for value in mine.inputs] == [value.shape for value in real.inputs]
    assert [value.shape for value in mine.outputs] == [value.shape for value in real.outputs]
    assert mine.output_shape == real.output_shape
    assert mine.input_shape == real.input_shape


@pytest.mark.parametrize("make", MODELS)
def test_numbers_are_the_real_ones(make):
    mine, real = _both(make)
    rng = np.random.default_rng(0)
    weights = [rng.normal(0.3, 0.4, w.shape) ** 2 for w in mine.weights]
    mine.set_weights(weights)
    real.set_weights(weights)
    arrays = _data(mine, rng)
    argument = arrays[0] if len(arrays) == 1 else arrays
    if isinstance(mine.input, dict):
        argument = dict(zip(mine.input_names, arrays, strict=True))
    for a, b in zip(_numbers(mine(argument)), _numbers(real(argument)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"line_length": 60},
        {"line_length": 120, "show_trainable": True},
        {"expand_nested": True, "show_trainable": True},
        {"positions": [0.25, 0.5, 0.75, 1.0]},
    ],
    ids=str,
)
def test_summary_is_the_real_one(make, options):
    mine, real = _both(make)
    assert _summary(mine, **options) == _summary(real, **options)
    lines = []
    mine.summary(print_fn=lines.append, **options)
    assert "".join(lines).rstrip("\n") == _summary(real, **options).rstrip("\n")


def test_summary_of_what_is_not_built_and_of_a_range_of_layers():
    def make(K):
        return K.Sequential([K.layers.Embedding(10, 4), K.layers.LSTM(3)])

    mine, real = _both(make)
    assert _summary(mine) == _summary(real)
    mine, real = _both(sequential)
    options = {"layer_range": ["batch", "flatten"]}
    assert _summary(mine, **options) == _summary(real, **options)
    with pytest.raises(ValueError, match=r"layer_range|layer_names"):
        mine.summary(layer_range=["nothing", "nothing"])


def test_summary_counts_the_optimizer():
    def make(K):
        model = K.Sequential([K.Input((3,)), K.layers.Dense(2)])
        model.compile("sgd", "mse")
        model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
        return model

    mine, real = _both(make)
    assert _summary(mine) == _summary(real)


def test_summary_of_a_class_with_layers_of_its_own():
    def make(K):
        class Own(K.layers.Layer):
            def __init__(self):
                super().__init__()
                self.inner = K.layers.Dense(3)

            def call(self, x):
                return self.inner(x)

        class Shaped(Own):
            def compute_output_shape(self, input_shape):
                return (*input_shape[:-1], 3)

        class Wider(K.layers.Dense):
            def call(self, x):
                return super().call(x) * 2

        class Whole(K.Model):
            def __init__(self):
                super().__init__()
                self.parts = [Own(), Shaped(), Wider(3), K.layers.LSTM(4, return_sequences=True, return_state=True)]
                self.attend = K.layers.MultiHeadAttention(2, 4)
                self.images = K.Sequential([K.layers.RandomFlip(), K.layers.Resizing(2, 2)])
                i = K.Input((5, 4))
                self.split = K.Model(i, [i + 1, i[:, 0]])
                self.pair = Pair()

            def call(self, x):
                for part in self.parts[:3]:
                    x = part(x)
                x, _, _ = self.parts[3](x)
                self.images(K.ops.reshape(x, (1, 10, 4, 1)))
                return self.split(self.attend(self.pair(x)[0], x))

        class Pair(K.Model):
            def call(self, x):
                return x, x

        model = Whole()
        model(np.ones((2, 5, 3), "float32"))
        model.compile("sgd", "mse")
        return model

    mine, real = _both(make)
    assert _summary(mine) == _summary(real)


def test_summary_shows_the_last_use_of_a_layer():
    def make(K):
        dense = K.layers.Dense(3)
        i, j = K.Input((3,)), K.Input((7, 3))
        return K.Model([i, j], [dense(i), dense(j)])

    mine, real = _both(make)
    assert _summary(mine) == _summary(real)


def _forgotten(K, value):
    class Forgetful(K.layers.Layer):
        def __init__(self):
            self.x = value

        def call(self, x):
            return x

    return Forgetful()(np.ones((2, 3)))


def _plain(config):
    """A config as JSON leaves it, floats as float32."""
    if isinstance(config, dict):
        return {key: _plain(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [_plain(item) for item in config]
    return float(np.float32(config)) if isinstance(config, float) else config


@pytest.mark.parametrize("make", MODELS)
def test_json_is_the_real_one_and_each_reads_the_others(make):
    theirs = real_keras()
    mine, real = _both(make)
    assert _plain(json.loads(mine.to_json())) == _plain(json.loads(real.to_json()))
    keras.utils.clear_session(free_memory=False)
    mine_again = keras.models.model_from_json(real.to_json())
    real_again = theirs.models.model_from_json(mine.to_json())
    assert _plain(json.loads(mine_again.to_json())) == _plain(json.loads(mine.to_json()))
    weights = mine.get_weights()
    for model in (mine_again, real_again, real):
        model.set_weights(weights)
    arrays = _data(mine, np.random.default_rng(1))
    argument = arrays[0] if len(arrays) == 1 else arrays
    if isinstance(mine.input, dict):
        argument = dict(zip(mine.input_names, arrays, strict=True))
    wanted = _numbers(real(argument))
    for model in (mine, mine_again, real_again):
        for a, b in zip(_numbers(model(argument)), wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make", MODELS)
def test_clone(make):
    mine, real = _both(make)
    theirs = real_keras()
    copy = keras.models.clone_model(mine)
    assert [layer.name for layer in copy.layers] == [layer.name for layer in theirs.models.clone_model(real).layers]
    assert not {id(w) for w in copy.weights} & {id(w) for w in mine.weights}
    copy.set_weights(mine.get_weights())
    arrays = _data(mine, np.random.default_rng(2))
    argument = arrays[0] if len(arrays) == 1 else arrays
    if isinstance(mine.input, dict):
        argument = dict(zip(mine.input_names, arrays, strict=True))
    for a, b in zip(_numbers(mine(argument)), _numbers(copy(argument)), strict=True):
        np.testing.assert_array_equal(a, b)


ERRORS = {
    "wrong last axis": lambda K: K.layers.Dense(2)(K.Input((3,))) and _called_with(K, (2, 5)),
    "no rank": lambda K: K.Sequential([K.Input((3,)), K.layers.Conv2D(2, 3)]),
    "two names": lambda K: K.Sequential([K.layers.Dense(1, name="a"), K.layers.Dense(1, name="a")]),
    "no layer": lambda K: K.Sequential([3]),
    "no layers": lambda K: K.Sequential([])(np.ones((2, 3))),
    "pop": lambda K: K.Sequential([]).pop(),
    "disconnected": lambda K: K.Model(K.Input((3,)), K.layers.Dense(1)(K.Input((3,)))),
    "missing input": lambda K: branches(K)({"a": np.ones((1, 8))}),
    "shape of an input": lambda K: branches(K)([np.ones((1, 8)), np.ones((1, 7))]),
    "a layer": lambda K: sequential(K).get_layer("nothing"),
    "an index": lambda K: sequential(K).get_layer(index=20),
    "units": lambda K: K.layers.Dense(-1),
    "activation": lambda K: K.layers.Dense(1, activation="reluu"),
    "initializer": lambda K: K.layers.Dense(1, kernel_initializer="glorot"),
    "regularizer": lambda K: K.layers.Dense(1, kernel_regularizer="l3"),
    "constraint": lambda K: K.layers.Dense(1, kernel_constraint="norm"),
    "argument": lambda K: K.layers.Dense(1, nothing=2),
    "padding": lambda K: K.layers.Conv2D(1, 3, padding="full"),
    "groups": lambda K: K.layers.Conv2D(3, 3, groups=2),
    "strides and dilation": lambda K: K.layers.Conv2D(3, 3, strides=2, dilation_rate=2),
    "window": lambda K: K.layers.Conv2D(1, 3)(K.Input((2, 2, 1))),
    "pool window": lambda K: K.layers.MaxPooling2D(3)(K.Input((2, 2, 1))),
    "reshape": lambda K: K.layers.Reshape((5,))(K.Input((3,))),
    "merge": lambda K: K.layers.Add()([K.Input((3,)), K.Input((4,))]),
    "concatenate": lambda K: K.layers.Concatenate()([K.Input((3, 2)), K.Input((4, 2))]),
    "recurrent rank": lambda K: K.layers.LSTM(2)(np.ones((2, 3))),
    "rate": lambda K: K.layers.Dropout(1.5),
    "permute": lambda K: K.layers.Permute((0, 1)),
    "unknown size": lambda K: K.layers.Dense(2)(K.Input((None,))),
    "weights": lambda K: sequential(K).set_weights([np.ones(3)]),
    "value": lambda K: K.layers.Dense(2)("text"),
    "keyword": lambda K: K.layers.Dense(2)(np.ones((1, 2)), nothing=1),
    "shape": lambda K: K.Input((3.5,)),
    "no shape": lambda K: K.Input(),
    "boolean": lambda K: bool(K.Input((3,))),
    "iteration": lambda K: list(K.Input((3,))),
    "merge mode": lambda K: K.layers.Bidirectional(K.layers.LSTM(2), merge_mode="all"),
    "labels": lambda K: K.Variable("zeros"),
    "no super().__init__()": lambda K: _forgotten(K, 3),
}


def _called_with(K, shape):
    layer = K.layers.Dense(2)
    layer.build((None, 3))
    return layer(np.ones(shape))


@pytest.mark.parametrize("name", ERRORS)
def test_errors_have_the_real_type(name):
    theirs = real_keras()
    with pytest.raises(Exception) as wanted:
        ERRORS[name](theirs)
    with pytest.raises(wanted.type) as found:
        ERRORS[name](keras)
    assert len(str(found.value)) > 15


UNKNOWN = {
    "axes of an image": lambda K: (_image_model(K), (None, None, 3)),
    "one axis": lambda K: (_image_model(K), (12, None, 3)),
    "channels": lambda K: (_image_model(K), (12, 12, None)),
    "steps": lambda K: (_steps_model(K), (None, 3)),
    "steps and features": lambda K: (_steps_model(K), (None, None)),
    "features": lambda K: (sequential_of(K, [K.layers.Dense(3), K.layers.Reshape((3, 1))], (6,)), (None,)),
    "reshaped": lambda K: (sequential_of(K, [K.layers.Reshape((2, 3))], (6,)), (None,)),
    "words": lambda K: (sequential_of(K, [K.layers.Embedding(5, 3)], (7,)), (None,)),
    "operations": lambda K: (_of_operations(K), (None, 4)),
}


def sequential_of(K, layers, shape):
    return K.Sequential([K.Input(shape), *layers])


def _image_model(K):
    i = K.Input((12, 12, 3))
    x = K.layers.Conv2D(4, 3, strides=2)(i)
    return K.Model(i, [K.layers.Flatten()(x), K.layers.GlobalMaxPooling2D()(x), x])


def _steps_model(K):
    i = K.Input((6, 3))
    x = K.layers.BatchNormalization()(K.layers.LSTM(4, return_sequences=True)(i))
    return K.Model(i, [x, K.layers.Concatenate(axis=1)([x, K.layers.Dense(4)(x)])])


def _of_operations(K):
    i = K.Input((6, 4))
    return K.Model(i, {"a": K.ops.reshape(i, (-1, 2, 2)), "b": K.ops.sum(i * 2, axis=1)})


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_model_takes_symbolic_inputs_of_unknown_sizes(name):
    theirs = real_keras()

    def shapes(K):
        model, shape = UNKNOWN[name](K)
        called = K.tree.map_structure(lambda value: tuple(value.shape), model(K.Input(shape)))
        return called, K.tree.map_structure(lambda value: tuple(value.shape), model(K.KerasTensor((5, *shape))))

    assert shapes(keras) == shapes(theirs)


@pytest.mark.parametrize(
    ("wanted", "given", "warns"),
    [
        ("a", "x", False),
        ("a", "{'a': x}", True),
        ("[a, b]", "(x, x)", False),
        ("[a, b]", "{'b': x, 'a': x}", False),
        ("{'a': a, 'b': b}", "[x, x]", True),
        ("{'a': a, 'b': b}", "{'b': x, 'a': x}", False),
        ("{'a': a, 'b': b}", "{'b': x, 'a': x, 'c': x}", True),
        ("[{'a': a}, [b]]", "[x, x]", True),
    ],
)
def test_inputs_of_another_structure(wanted, given, warns):
    for K in (keras, real_keras()):
        a, b = K.Input((3,), name="a"), K.Input((3,), name="b")
        model = K.Model(eval(wanted), a + b if "b" in wanted else a * 2)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert model(eval(given, {"x": np.ones((2, 3), "float32")})).shape == (2, 3)
        assert any("structure of `inputs`" in str(one.message) for one in caught) == warns


def test_an_input_that_is_not_optional():
    for K in (keras, real_keras()):
        a, b = K.Input((3,), name="a"), K.Input((3,), name="b")
        with pytest.raises(ValueError) as raised:
            K.Model([a, b], a + b)([np.ones((2, 3)), None])
        assert "'b'" in str(raised.value) or K is not keras  # ours says which input has none


@pytest.mark.parametrize("outputs", ["{'q': [a, b], 'p': b}", "[[a, b], b]", "{'q': {'z': a, 'y': b}, 'p': a}"])
def test_names_of_the_losses_of_nested_outputs(outputs):
    theirs = real_keras()
    x, y = np.ones((4, 3), "float32"), np.ones((4, 1), "float32")

    def names(K):
        i = K.Input((3,))
        layers = {"a": K.layers.Dense(1, name="one")(i), "b": K.layers.Dense(1, name="other")(i)}
        tree = eval(outputs, layers)
        model = K.Model(i, tree)
        model.compile("sgd", K.tree.map_structure(lambda _: "mse", tree))
        return list(model.fit(x, K.tree.map_structure(lambda _: y, tree), verbose=0).history)

    assert names(keras) == names(theirs)


def test_configs_of_layers_without_one():
    def configs(K):
        class Plain(K.layers.Layer):
            pass

        class Given(K.layers.Layer):
            def __init__(self, units, scale=2.0, *, kind=None, **kwargs):
                super().__init__(**kwargs)

        class Named(K.layers.Layer):
            def __init__(self, units, name=None, trainable=True, dtype=None):
                super().__init__(name=name, trainable=trainable, dtype=dtype)

        class Nameless(K.layers.Layer):
            def __init__(self, units=4):
                super().__init__()

        class Operator(K.Operation):
            def __init__(self, k=2, name=None):
                super().__init__(name=name)

        found = [Plain(), Plain(name="q", dtype="mixed_float16"), Given(3), Given(3, 4.0, kind=(1, {"a": 2}))]
        found += [Given(3, dtype="float16", autocast=False, activity_regularizer="l2", name="g"), Named(3)]
        found += [Named(3, "nn", False), Nameless(7), Operator(), Operator(5, "n")]
        return [(list(one.get_config()), one.get_config()) for one in found]

    mine, real = _both(configs)
    assert _plain(mine) == _plain(real)


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_masks_of_attention(rate):
    """The mask that a query brings along counts, an argument `query_mask` does not; the mask is off afterwards."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 4)).astype("float32")
    weights = None

    def results(K):
        nonlocal weights
        attend = K.layers.MultiHeadAttention(2, 3, dropout=rate)
        attend(x, x)
        weights = weights or [rng.normal(size=weight.shape) for weight in attend.weights]
        attend.set_weights(weights)

        def masked():
            value = K.ops.convert_to_tensor(x.copy())
            value._keras_mask = K.ops.convert_to_tensor(np.array([[True, False, True], [True, True, False]]))
            return value

        seen = masked()
        found = [attend(seen, seen), attend(seen, seen), attend(masked(), x), attend(x, masked())]
        found += attend(masked(), masked(), use_causal_mask=True, return_attention_scores=True)
        found += [attend(x, x, query_mask=np.array([[True, False, True]] * 2))]
        return [K.ops.convert_to_numpy(one) for one in found]

    mine, real = _both(results)
    for a, b in zip(mine, real, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_paths_of_weights_that_come_after_the_building():
    def make(K):
        model = K.Sequential([K.Input((8,)), K.layers.Dense(4), K.layers.Dense(3)])
        model.layers[0].enable_lora(2)
        model.layers[1].quantize("int8")
        return [weight.path for weight in model.weights]

    mine, real = _both(make)
    assert mine == real
