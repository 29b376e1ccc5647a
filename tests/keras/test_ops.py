"""What is peculiar in `keras.ops` and `keras.random`: kinds of operands, loops, errors, randomness, replay."""

import numpy as np
import pytest
import torch

import keras_ops_cases as cases
from tandem import keras
from tandem.engine.replay import Step

ops = keras.ops
F = cases.ARRAYS["f"]
G = cases.ARRAYS["g"]


def close(found, wanted):
    np.testing.assert_allclose(np.asarray(found), wanted, rtol=1e-5, atol=1e-6)


def test_all_kinds_of_operands():
    wanted = F + G
    kinds = [F, torch.tensor(F), keras.Variable(F), F.tolist()]
    for x in kinds:
        for y in [G, torch.tensor(G), keras.Variable(G), G.tolist()]:
            close(ops.convert_to_numpy(ops.add(x, y)), wanted)
    close(ops.add(F, 2), F + 2)
    close(ops.subtract(2.0, F), 2 - F)
    assert ops.add(1, 2).dtype == torch.int32
    assert ops.add(1, 2.0).dtype == torch.float32


def test_where_real_keras_on_torch_differs_numpy_decides():
    close(ops.cross(F[:, :3], G[:, :3]), np.cross(F[:, :3], G[:, :3]))
    close(ops.cross(F[:, :3], G[0, :3]), np.cross(F[:, :3], G[0, :3]))
    close(ops.pad(F, 2), np.pad(F, 2))
    for mode in ("symmetric", "reflect", "edge", "wrap"):
        close(ops.pad(F, ((1, 2), (2, 3)), mode=mode), np.pad(F, ((1, 2), (2, 3)), mode=mode))
    close(ops.average(F, weights=np.abs(G)), np.average(F, weights=np.abs(G)))
    close(ops.correlate(F[0], G[0]), np.correlate(F[0], G[0]))
    for start, stop in ((0, 10), (F[0], G[0])):
        close(ops.linspace(start, stop, 5, axis=-1), np.linspace(start, stop, 5, axis=-1))
    close(ops.argpartition(F, 2, axis=1)[:, :3].sort(1).values, np.sort(np.argsort(F, 1)[:, :3], 1))
    counts = np.array([[1, 1, 3], [0, 2, 2]])
    close(ops.bincount(counts), [np.bincount(row, minlength=4) for row in counts])
    values, places = ops.top_k(F, 2)
    close(values, -np.sort(-F, 1)[:, :2])
    close(places, np.argsort(-F, 1)[:, :2])


def test_deviations_without_nan_have_gradients():
    for name in ("nanstd", "nanvar"):
        x = torch.tensor(cases.ARRAYS["h"], dtype=torch.float64, requires_grad=True)
        getattr(ops, name)(x, axis=1).sum().backward()
        missing = torch.isnan(x)
        assert torch.isfinite(x.grad[~missing]).all()
        assert (x.grad[missing] == 0).all()


def test_average_pooling_with_same_padding_counts_entries_only():
    x = np.arange(12, dtype="float32").reshape(1, 3, 4, 1)
    y = ops.average_pool(x, 2, strides=2, padding="same")[0, :, :, 0]
    close(y, [[2.5, 4.5], [8.5, 10.5]])


def test_gaussian_blur_of_a_point_is_the_kernel():
    x = np.zeros((1, 5, 5, 2), "float32")
    x[0, 2, 2] = 1
    down, right = (np.exp(-0.5 * (np.arange(-1, 2) / sigma) ** 2) for sigma in (0.8, 1.5))
    kernel = np.outer(down / down.sum(), right / right.sum())
    y = ops.image.gaussian_blur(x, (3, 3), (1.5, 0.8))  # across, then down: so on all of Keras's back ends
    close(ops.image.gaussian_blur(x[0], (3, 3), (1.5, 0.8)), y[0])
    close(y[0, 1:4, 1:4, 0], kernel)
    close(y[0, 1:4, 1:4, 1], kernel)


def test_elastic_transform_moves_pixels_and_repeats():
    x = cases.ARRAYS["big"]
    first, again = (ops.image.elastic_transform(x, alpha=30.0, sigma=2.0, seed=3) for _ in range(2))
    assert first.shape == x.shape
    assert torch.equal(first, again)
    assert not torch.equal(first, ops.image.elastic_transform(x, alpha=30.0, sigma=2.0, seed=4))
    close(ops.image.elastic_transform(x, alpha=0.0), x)


def test_a_soft_cap_bounds_the_scores():
    query, key, value = (torch.tensor(cases.ARRAYS[name]) for name in ("q4", "k4", "v4"))
    keys, values = (x.repeat_interleave(2, 2) for x in (key, value))
    scores = torch.einsum("btnh,bsnh->bnts", query, keys) / 5**0.5
    wanted = torch.einsum("bnts,bsnh->btnh", torch.softmax(torch.tanh(scores / 2) * 2, -1), values)
    torch.testing.assert_close(ops.dot_product_attention(query, key, value, attn_logits_soft_cap=2.0), wanted)


def test_custom_gradient():
    @ops.custom_gradient
    def log_one_plus_exp(x):
        e = ops.exp(x)

        def grad(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            return ops.multiply(upstream, 1.0 - 1.0 / ops.add(1, e)) * 10

        return ops.log(1 + e), grad

    x = torch.tensor(F, requires_grad=True)
    y = log_one_plus_exp(x)
    close(y.detach(), np.log1p(np.exp(F)))
    y.sum().backward()
    close(x.grad, 10 / (1 + np.exp(-F)))
    symbol = keras.Input((4,), batch_size=3)
    model = keras.Model(symbol, log_one_plus_exp(symbol))
    x.grad = None
    model(x).sum().backward()
    close(x.grad, 10 / (1 + np.exp(-F)))


def test_vectorize_with_a_signature_and_without_some_arguments():
    function = ops.vectorize(lambda x, y: ops.sum(x * y), signature="(d),(d)->()")
    close(function(F, G[0]), (F * G[0]).sum(1))
    scaled = ops.vectorize(lambda x, power: x**power, excluded={1})
    close(scaled(F, 2), F**2)


def test_a_saturated_cast_reaches_the_largest_number_that_fits():
    far = np.array([1e20, -1e20, 1.5])
    assert ops.saturate_cast(far, "int32").tolist() == [2**31 - 1, -(2**31), 1]
    assert ops.saturate_cast(far.astype("float32"), "int32").tolist() == [2**31 - 128, -(2**31), 1]
    assert ops.saturate_cast(far, "float16").tolist() == [65504.0, -65504.0, 1.5]
    assert ops.saturate_cast(np.array([300, -300, 7]), "int8").tolist() == [127, -128, 7]
    assert ops.saturate_cast(np.array([300, 0]), "bool").tolist() == [True, False]


def test_jvp():
    value, tangent = ops.jvp(lambda x: x * x, (F,), (G,))
    close(value, F * F)
    close(tangent, 2 * F * G)


def test_loops_of_nested_structures():
    state, found = ops.scan(
        lambda carry, x: ({"total": carry["total"] + x[0]}, (x[0] * x[1], carry["total"])),
        {"total": np.zeros(4, "float32")},
        (F, G),
    )
    close(state["total"], F.sum(0))
    close(found[0], F * G)
    total, product = ops.associative_scan(lambda a, b: (a[0] + b[0], a[1] * b[1]), (F, G), axis=1)
    close(total, np.cumsum(F, 1))
    close(product, np.cumprod(G, 1))


def test_a_loop_learns():
    x = torch.tensor(F, requires_grad=True)
    _, y = ops.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * x), (0, ops.ones_like(x)))
    y.sum().backward()
    close(x.grad, 3 * F**2)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: ops.add("a", 1), ValueError),
        (lambda: ops.split(F, 3, axis=1), ValueError),
        (lambda: ops.cast(F, "float31"), ValueError),
        (lambda: ops.sum(keras.KerasTensor((3, 4)), axis=2), ValueError),
        (lambda: ops.matmul(keras.KerasTensor((3, 4)), keras.KerasTensor((3, 4))), ValueError),
        (lambda: ops.reshape(keras.KerasTensor((3, 4)), (5, 5)), ValueError),
        (lambda: ops.add(keras.KerasTensor((2, 3)), keras.KerasTensor((4, 3))), ValueError),
        (lambda: ops.concatenate([keras.KerasTensor((2, 3)), keras.KerasTensor((2, 4))], 0), ValueError),
        (lambda: ops.where(F > 0, F), ValueError),
        (lambda: ops.select([F > 0], [F, G]), ValueError),
        (lambda: ops.max(np.zeros((0, 3), "float32")), ValueError),
        (lambda: ops.cholesky(F), ValueError),
        (lambda: ops.cholesky(-np.eye(3, dtype="float32")), ValueError),
        (lambda: ops.qr(F, mode="raw"), ValueError),
        (lambda: ops.stft(cases.ARRAYS["sig"], 8, 4, 8, window="box"), ValueError),
        (lambda: ops.stft(cases.ARRAYS["n"], 2, 1, 2), TypeError),
        (lambda: ops.scatter_update(F, [[0, 0]], [1.0], reduction="mean"), ValueError),
        (lambda: ops.one_hot([1], 3, sparse=True), ValueError),
        (lambda: ops.unstack(keras.KerasTensor((None, 3))), ValueError),
        (lambda: ops.ctc_decode(cases.ARRAYS["logits"], [7, 6], strategy="best"), ValueError),
        (lambda: ops.dot_product_attention(F, F, F), ValueError),
        (lambda: ops.rearrange(F, "a b -> a"), ValueError),
        (lambda: ops.rearrange(F, "a b c -> a b c"), ValueError),
        (lambda: ops.scan(lambda c, x: (c, x), 0), ValueError),
        (lambda: ops.image.resize(F, (2, 2)), ValueError),
        (lambda: ops.image.resize(cases.ARRAYS["img"], (2, 2), interpolation="sinc"), ValueError),
        (lambda: ops.image.pad_images(cases.ARRAYS["img"], 1), ValueError),
        (lambda: ops.image.crop_images(cases.ARRAYS["img"], 5, 0, 5, 0), ValueError),
        (lambda: ops.image.rgb_to_hsv(cases.ARRAYS["i"][None, ..., :3]), ValueError),
        (lambda: ops.image.map_coordinates(F, cases.ARRAYS["mc"], 3), NotImplementedError),
        (lambda: keras.random.uniform((2,), dtype="int32"), ValueError),
        (lambda: keras.random.randint((2,), 0, 5, dtype="float32"), ValueError),
        (lambda: keras.random.normal((2,), seed="now"), ValueError),
        (lambda: keras.random.categorical(F[0], 2), ValueError),
    ],
)
def test_refusals(call, error):
    with pytest.raises(error):
        call()


def test_sizes_of_unknown_length():
    batch = keras.KerasTensor((None, 3))
    assert [value.shape for value in ops.nonzero(batch)] == [(None,), (None,)]
    assert [value.shape for value in ops.where(batch)] == [(None,), (None,)]
    assert ops.unique(batch).shape == (None,)
    assert ops.unique(batch, size=4).shape == (4,)
    assert ops.segment_sum(batch, keras.KerasTensor((None,), "int32")).shape == (None, 3)
    assert ops.reshape(batch, (-1, 6)).shape == (None, 6)
    assert ops.add(batch, keras.KerasTensor((4, 3))).shape == (4, 3)
    assert ops.shape(batch) == (None, 3)
    assert [part.shape for part in ops.split(keras.KerasTensor((None, 6)), [2, 5], axis=1)] == [
        (None, 2),
        (None, 3),
        (None, 1),
    ]


IN_MODELS = {
    "map": lambda x: ops.map(lambda row: row * 2, x),
    "vectorized_map": lambda x: ops.vectorized_map(lambda row: ops.sum(row), x),
    "while_loop": lambda x: ops.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * 2), (0, x)),
    "fori_loop": lambda x: ops.fori_loop(0, 3, lambda i, y: y + i, x),
    "scan": lambda x: ops.scan(lambda carry, row: (carry + row, carry * row), x[0] * 0, x),
    "associative_scan": lambda x: ops.associative_scan(lambda a, b: a + b, x),
    "switch": lambda x: ops.switch(1, [lambda y: y, lambda y: y * 3], x),
    "meshgrid": lambda x: ops.meshgrid(x[0], x[1]),
    "top_k": lambda x: ops.top_k(x, 2),
    "moments": lambda x: ops.moments(x, axes=[0]),
    "split": lambda x: ops.split(x, 2, axis=1),
    "unstack": lambda x: ops.unstack(x, axis=1),
    "histogram": lambda x: ops.histogram(x[0], 3),
    "stft": lambda x: ops.stft(ops.tile(x, (1, 5)), 8, 4, 8),
    "clip": lambda x: ops.clip(x, ops.min(x), ops.max(x) * 0.5),
    "nonzero": lambda x: tuple(ops.nonzero(x > 0)),
    "take": lambda x: ops.take(x, ops.argmax(x, axis=1), axis=1),
    "full": lambda x: ops.full((2, 2), x[0, 0]),
}


@pytest.mark.parametrize("name", IN_MODELS)
def test_a_model_gives_what_the_function_gives(name):
    function = IN_MODELS[name]
    x = keras.Input((4,), batch_size=3)
    found = keras.tree.flatten(keras.Model(x, function(x))(F))
    wanted = keras.tree.flatten(function(torch.tensor(F)))
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs)


SAMPLERS = {
    "normal": ((), {"mean": 1.0, "stddev": 2.0}, 1.0, 2.0),
    "uniform": ((), {"minval": 1.0, "maxval": 5.0}, 3.0, 4 / 12**0.5),
    "truncated_normal": ((), {"stddev": 2.0}, 0.0, 2 * 0.8796),
    "gamma": ((3.0,), {}, 3.0, 3**0.5),
    "beta": ((2.0, 3.0), {}, 0.4, 0.2),
    "binomial": ((10.0, 0.3), {}, 3.0, 2.1**0.5),
    "randint": ((0, 5), {}, 2.0, 2**0.5),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_random_numbers(name):
    args, options, mean, deviation = SAMPLERS[name]
    function = getattr(keras.random, name)
    x = function((200, 100), *args, seed=1, **options)
    assert x.shape == (200, 100)
    assert x.dtype == (torch.int32 if name == "randint" else torch.float32)
    assert abs(float(x.double().mean()) - mean) < 0.05
    assert abs(float(x.double().std()) - deviation) < 0.05
    assert torch.equal(x, function((200, 100), *args, seed=1, **options))
    generator = keras.random.SeedGenerator(5)
    first, second = (function((50,), *args, seed=generator, **options) for _ in range(2))
    assert not torch.equal(first, second)
    assert generator.state.value.tolist() == [5, 2]
    assert torch.equal(first, function((50,), *args, seed=keras.random.SeedGenerator(5), **options))
    kind = "uint8" if name == "randint" else "float16"
    assert keras.backend.standardize_dtype(function((3,), *args, dtype=kind, **options).dtype) == kind


def test_random_choices():
    logits = np.log(np.array([[0.1, 0.2, 0.7], [1.0, 1e-9, 1e-9]], "float32"))
    drawn = keras.random.categorical(logits, 4000, seed=0)
    assert drawn.shape == (2, 4000)
    assert drawn.dtype == torch.int32
    assert abs(float((drawn[0] == 2).float().mean()) - 0.7) < 0.05
    assert not drawn[1].any()
    mixed = keras.random.shuffle(F, axis=1, seed=0)
    close(mixed.sort(1).values, np.sort(F, 1))
    dropped = keras.random.dropout(np.ones((1000, 8), "float32"), 0.25, noise_shape=(1000, 1), seed=0)
    close(dropped.unique(), [0.0, dropped.max()])
    assert abs(float(dropped.max()) - 1 / 0.75) < 1e-3
    assert (dropped == dropped[:, :1]).all()
    assert abs(float((dropped == 0).float().mean()) - 0.25) < 0.05


# A few of each family; where values decide shapes or flow nothing can be replayed.
REPLAYED = """
ops.softmax(f, axis=-1) * ops.mean(f)
ops.where(f > 0, f, 0.1 * f)
ops.quantile(f, 0.3, axis=1)
ops.segment_sum(f, np.array([0, 1, 1]), num_segments=2)
ops.scatter_update(f, np.array([[0], [1]]), np.ones((2, 4), "float32"), reduction="max")
ops.image.resize(ops.reshape(f, (3, 4, 1)), (5, 6))
ops.image.affine_transform(ops.reshape(f, (1, 3, 4, 1)), np.ones((1, 8), "float32"))
ops.associative_scan(lambda a, b: a + b, f)
ops.stft(ops.tile(f, (1, 4)), 8, 4, 8)[0]
ops.norm(f, axis=1)
ops.one_hot(ops.argmax(f, axis=1), 4)
ops.batch_normalization(f, ops.zeros(4), ops.ones(4), -1)
ops.divide_no_nan(f, ops.floor(f))
ops.saturate_cast(f * 300, "uint8")
ops.rearrange(f, "a (b c) -> c (a b)", b=2)
""".strip().splitlines()


@pytest.mark.parametrize("call", REPLAYED)
def test_replay_equals_eager(call):
    def compute(f):
        return eval(call, {"ops": ops, "np": np, "f": f})

    step = Step(compute)
    for seed in range(4):
        x = torch.tensor(np.random.default_rng(seed).normal(size=F.shape).astype("float32"))
        torch.testing.assert_close(step(x), compute(x))
    assert step.programs
    assert not step.refusals
