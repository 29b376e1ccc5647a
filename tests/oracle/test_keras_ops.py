"""Every function of `keras.ops` against the real one: values, dtypes, shapes, symbolic shapes, gradients, configs."""

import json
import re

import numpy as np
import pytest
import torch

import keras_ops_cases as cases
from oracles import real_keras
from tandem import keras

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]

# Where real Keras (3.15, torch) is wrong or odd, and Tandem follows NumPy or Keras's other backends.
OTHER_VALUES = {
    "ops.correlate(v, w)",  # one element becomes a scalar
    "ops.pad(f, 1)",  # pads the last axis only
    'ops.pad(f, ((1, 1), (2, 1)), mode="symmetric")',  # repeats the outermost element
    "ops.top_k(f, 2)",  # indices are int32 where the call is symbolic, and int64 where it is not
    'ops.average_pool(img, 3, strides=2, padding="same")',  # the odd row of padding comes first
}
OTHER_SPECS = {
    "ops.sigmoid(i)",  # says int32 for what is float32
    "ops.multi_hot(i, 9)",  # says the inputs' dtype for what is float32
    "ops.multi_hot(t, 4)",
    "ops.lu_factor(m)",  # says float32 for the pivots
    "ops.polar(p, q)",  # says float32 for complex numbers
    "ops.corrcoef(f)",  # says the input's shape
    "ops.vstack([v, w])",  # says (8,)
    "ops.adaptive_max_pool(img, (2, 3))",  # has an axis too many
    "ops.categorical_crossentropy(hot, prob, axis=0)",  # leaves out the wrong axis
    'ops.cumprod(f, axis=0, dtype="float64")',  # says float64 for what is float32
    "ops.diag(f)",  # a diagonal that another size bounds is not of unknown length
    "ops.repeat(f, np.array([1, 0, 2]), axis=0)",  # the counts say the length
    "ops.ndim(f)",  # a symbolic value for a number
}


def _leaves(result):
    if isinstance(result, dict):
        return [leaf for key in sorted(result) for leaf in _leaves(result[key])]
    if isinstance(result, (list, tuple)):
        return [leaf for item in result for leaf in _leaves(item)]
    return [result]


def _used(call):
    words = set(re.findall(r"\b\w+\b", call))
    return {name: array for name, array in cases.ARRAYS.items() if name in words}


def _run(module, call, arrays):
    return _leaves(eval(call, {"ops": module.ops, "np": np, **arrays}))


def _what(leaf):
    return (str(leaf.dtype), tuple(leaf.shape)) if hasattr(leaf, "shape") else repr(leaf)


def _numbers(tensor):
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


@pytest.mark.parametrize("call", [call for call in cases.EVERY if call not in OTHER_VALUES])
def test_values(call):
    arrays = _used(call)
    found, wanted = _run(keras, call, arrays), _run(real_keras(), call, arrays)
    assert [_what(leaf) for leaf in found] == [_what(leaf) for leaf in wanted]
    for mine, theirs in zip(found, wanted):
        if isinstance(theirs, torch.Tensor):
            torch.testing.assert_close(mine, theirs, rtol=2e-5, atol=2e-6, equal_nan=True)


def _gradients(module, call):
    leaves = {name: torch.tensor(array, requires_grad=array.dtype.kind == "f") for name, array in _used(call).items()}
    results = [leaf for leaf in _run(module, call, leaves) if isinstance(leaf, torch.Tensor) and leaf.requires_grad]
    results = [_numbers(result) for result in results]
    if not results:
        return None
    total = sum((result.abs() * torch.arange(1, result.numel() + 1).reshape(result.shape)).sum() for result in results)
    total.backward()
    return {name: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for name, leaf in leaves.items()}


# Real Keras gives NaN for these (the deviation of what it replaced), or cannot be asked.
NO_GRADIENTS = ("ops.nanstd", "ops.nanvar", "ops.ctc_decode")


@pytest.mark.parametrize(
    "call", [call for call in cases.EVERY if call not in OTHER_VALUES and not call.startswith(NO_GRADIENTS)]
)
def test_gradients(call):
    try:
        wanted = _gradients(real_keras(), call)
    except (AttributeError, RuntimeError, TypeError, ValueError):
        pytest.skip("real Keras takes no tensors with gradients here")
    if wanted is None:
        return
    found = _gradients(keras, call)
    assert found is not None
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-4, equal_nan=True)


def _symbolic(module, call, unknown):
    values = {}
    for name, array in _used(call).items():
        shape = (None, *array.shape[1:]) if unknown and array.ndim > 1 else array.shape
        values[name] = module.KerasTensor(shape, dtype=str(array.dtype))
    return _run(module, call, values)


# Calls that compute with NumPy first, or whose functions do.
SYMBOLIC = [
    call
    for call in cases.EVERY
    if _used(call) and call not in OTHER_SPECS and not re.search(r"np\.(sort|tri)|lambda", call)
]


@pytest.mark.parametrize("unknown", [False, True], ids=["known", "unknown"])
@pytest.mark.parametrize("call", SYMBOLIC)
def test_symbolic_shapes(call, unknown):
    try:
        wanted = _symbolic(real_keras(), call, unknown)
    except Exception as error:
        pytest.skip(f"real Keras has no symbolic value here: {type(error).__name__}")
    found = _symbolic(keras, call, unknown)
    assert [_what(leaf) for leaf in found] == [_what(leaf) for leaf in wanted]


DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]
ONE = (  # noqa: SIM905
    "abs sign square exp log sqrt sin ceil floor mean sum prod cumsum cumprod max min std var median average argmax "
    "all isnan norm logsumexp erf nansum nanmean nan_to_num sort argsort count_nonzero reciprocal cbrt "
    "deg2rad rad2deg i0 corrcoef"
).split()
TWO = (  # noqa: SIM905
    "add subtract multiply divide true_divide floor_divide mod fmod power maximum minimum fmax fmin arctan2 logaddexp "
    "hypot heaviside equal less logical_and dot matmul inner outer kron vdot append divide_no_nan nextafter isclose"
).split()


def _dtype(function, *args):
    try:
        return function(*args).dtype
    except Exception:
        return None


@pytest.mark.parametrize("name", ONE)
def test_dtypes_of_one(name):
    real = real_keras()
    for dtype in DTYPES:
        x = real.ops.cast(np.array([1, 2, 3]), dtype)
        wanted = _dtype(getattr(real.ops, name), x)
        assert wanted is None or _dtype(getattr(keras.ops, name), x) == wanted, dtype


@pytest.mark.parametrize("name", TWO)
def test_dtypes_of_two(name):
    real = real_keras()
    tensors = {dtype: real.ops.cast(np.array([1, 2, 3]), dtype) for dtype in DTYPES}
    for first, x in tensors.items():
        for second, y in {**tensors, "int": 2, "float": 2.5}.items():
            wanted = _dtype(getattr(real.ops, name), x, y)
            assert wanted is None or _dtype(getattr(keras.ops, name), x, y) == wanted, (first, second)


@pytest.mark.parametrize(
    "call",
    [
        "ops.where(c, x, y)",
        "ops.clip(x, 0, y)",
        "ops.clip(y, x, 3.5)",
        "ops.tensordot(x, y, 1)",
        "ops.concatenate([x, y])",
    ],
)
def test_dtypes_of_others(call):
    def dtype(module, x, y):
        return _dtype(eval(f"lambda x, y, c: {call}", {"ops": module.ops}), x, y, np.array([True, False, True]))

    real = real_keras()
    tensors = {dtype: real.ops.cast(np.array([1, 2, 3]), dtype) for dtype in DTYPES}
    for first, x in {**tensors, "int": 2, "float": 2.5}.items():
        for second, y in {**tensors, "int": 2, "float": 2.5}.items():
            wanted = dtype(real, x, y)
            assert wanted is None or dtype(keras, x, y) == wanted, (first, second)


def _model(module):
    ops = module.ops
    a, b = module.Input((4,), name="a"), module.Input((3, 4), name="b")
    x = ops.concatenate([a, ops.mean(b, axis=1)], axis=-1)
    x = module.layers.Dense(6, name="dense")(x)
    x = ops.where(x > 0, x, x * 0.1)
    y = ops.expand_dims(ops.einsum("bi,bi->b", x, ops.softmax(x, axis=-1)), -1)
    y = y + ops.sum(ops.clip(b, -1, 1), axis=(1, 2))[:, None]
    first, second = ops.split(x, 2, axis=1)
    y = y + ops.max(first, axis=1, keepdims=True) * ops.logsumexp(second, axis=1, keepdims=True)
    mean, variance = ops.moments(x, axes=[1], keepdims=True)
    y = ops.pad(y * ops.rsqrt(variance + 1.0) + mean, ((0, 0), (0, 1)))
    y = ops.take(ops.reshape(ops.stack([y, y], axis=1), (-1, 4)), [0, 2], axis=1)
    y = ops.layer_normalization(ops.matmul(y, ops.ones((2, 3))) + ops.transpose(b, (0, 2, 1))[:, 0])
    return module.Model([a, b], ops.norm(y * a[:, :3], axis=-1, keepdims=True))


def test_a_functional_model_of_operations():
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(8, 4)).astype("float32"), rng.normal(size=(8, 3, 4)).astype("float32")]
    real, mine = _model(real_keras()), _model(keras)
    mine.set_weights([np.asarray(weight) for weight in real.get_weights()])
    torch.testing.assert_close(mine(inputs), real(inputs), rtol=1e-4, atol=1e-5)
    # Each reads what the other wrote.
    for source, target in ((real, keras), (mine, real_keras()), (mine, keras)):
        other = target.models.model_from_json(source.to_json())
        other.set_weights([np.asarray(weight) for weight in source.get_weights()])
        torch.testing.assert_close(other(inputs), real(inputs), rtol=1e-4, atol=1e-5)
    configs = [json.loads(model.to_json())["config"]["layers"] for model in (real, mine)]
    for theirs, ours in zip(*configs, strict=True):
        assert (ours["class_name"], ours["config"].keys()) == (theirs["class_name"], theirs["config"].keys())
    copy = keras.models.clone_model(mine)
    copy.set_weights(mine.get_weights())
    torch.testing.assert_close(copy(inputs), mine(inputs))
    targets = rng.normal(size=(8, 1)).astype("float32")
    losses = []
    for model in (real, mine):
        model.compile("sgd", "mse")
        losses.append(model.fit(inputs, targets, epochs=3, shuffle=False, verbose=0).history["loss"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
