"""One line of Keras each, run in the real one and here: results, shapes and dtypes agree. What a contract table can
say stands there; here is the rest: operators of variables, masks, unknown sizes, mixtures of dtypes."""

import numpy as np
import pytest

from oracles import real_keras
from tandem import keras
from tandem.keras.internals.dtypes import COMPLEX_TYPES, FLOAT_TYPES, INT_TYPES

A = np.random.default_rng(3).normal(size=(2, 4, 3)).astype("float32")
B = np.random.default_rng(4).normal(size=(2, 4, 3)).astype("float32")
KEEP = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)


def masked(k, x, mask):
    x = k.ops.convert_to_tensor(x)
    x._keras_mask = k.ops.convert_to_tensor(mask)
    return x


def attention(k, **masks):
    return k.layers.MultiHeadAttention(1, 2, kernel_initializer="ones")(A, B, **masks)


def variable(k, values, **options):
    return k.Variable(np.array(values), trainable=False, **options)


CASES = {
    # operators of variables
    "variable + list": lambda k: k.Variable([1.0, 2.0]) + [3.0, 4.0],
    "variable == list": lambda k: k.Variable([1.0, 2.0]) == [1.0, 4.0],
    "variable & variable": lambda k: variable(k, [1, 2, 0]) & variable(k, [1, 0, 0]),
    "variable | number": lambda k: k.Variable([1.5, 0.0]) | 0,
    "number ^ variable": lambda k: 1 ^ variable(k, [1, 0]),
    "numbers - bool": lambda k: k.ops.subtract(np.array([3, 4], "uint8"), True),
    "bool - numbers": lambda k: k.ops.subtract(True, np.array([3.0, 4.0], "float32")),
    "unstacked": lambda k: type(k.ops.unstack(k.ops.ones((2, 3)))).__name__,
    "activations of integers": lambda k: [
        k.ops.sparse_plus(np.array([-1, 0, 3])),
        k.ops.sparse_sigmoid(np.array([-1, 0, 3])),
    ],
    # unknown sizes: those that meet a known one are known, the others stay unknown
    "matrix @ matrix": lambda k: k.ops.matmul(k.KerasTensor((None, 4)), k.KerasTensor((None, 2))).shape,
    "einsum": lambda k: k.ops.einsum("ij,jk->ik", k.KerasTensor((None, 4)), k.KerasTensor((None, 2))).shape,
    "broadcast": lambda k: k.ops.add(k.KerasTensor((None, None, 8)), k.KerasTensor((1, 10, 8))).shape,
    "merge of two ranks": lambda k: k.layers.Add()([k.KerasTensor((None, None)), k.KerasTensor((None, None, 4))]).shape,
    "merged with a known size": lambda k: k.layers.Maximum()([k.KerasTensor((None, 1)), k.KerasTensor((2, 4))]).shape,
    "weights of NumPy's kind": lambda k: k.ops.bincount(k.KerasTensor((3,), "int32"), weights=np.ones(3)).dtype,
    "result type of NumPy's kinds": lambda k: [
        k.backend.result_type(np.dtype("float64"), "int8"),
        k.backend.result_type(np.dtype("int64"), "int8"),
    ],
    "the dtype of strings": lambda k: k.backend.standardize_dtype(str),
    # masks
    "product, both masked": lambda k: k.layers.Multiply()([masked(k, A, KEEP), masked(k, B, KEEP[::-1])]),
    "product, one masked": lambda k: k.layers.Multiply()([masked(k, A, KEEP), k.ops.convert_to_tensor(B)]),
    "softmax of nothing": lambda k: k.layers.Softmax()(A, mask=np.broadcast_to(KEEP[..., None], A.shape)),
    "softmax over two axes": lambda k: k.layers.Softmax(axis=(1, 2))(A, mask=np.broadcast_to(KEEP[..., None], A.shape)),
    "attention with masked queries": lambda k: attention(k, query_mask=KEEP, value_mask=KEEP),
    "attention, scores asked for": lambda k: attention(k, query_mask=KEEP, return_attention_scores=True),
    # losses and metrics
    "focal loss, weighted classes": lambda k: k.losses.CategoricalFocalCrossentropy(alpha=[0.1, 0.2, 0.3])(
        np.eye(3, dtype="float32"), np.full((3, 3), 1 / 3, "float32")
    ),
    "accuracy of logits": lambda k: k.metrics.BinaryAccuracy(threshold=-1.5)([[1.0], [0.0]], [[-1.0], [-2.0]]),
    "a confusion matrix": lambda k: k.metrics.MeanIoU(3).update_state([0, 1, 2, 1], [0, 2, 2, 1]),
    "states of R2Score": lambda k: (
        lambda metric: [metric.update_state(A[0], B[0]), [v.name for v in metric.variables]][1]
    )(k.metrics.R2Score()),
    "an initializer's default": lambda k: k.initializers.STFT().get_config(),
}


def plain(value):
    """A result as NumPy arrays, names and lists of them."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.detach().numpy() if hasattr(value, "detach") else value


@pytest.mark.parametrize("name", CASES)
def test_keras_and_here_agree(name):
    theirs, ours = plain(CASES[name](real_keras())), plain(CASES[name](keras))
    if not isinstance(theirs, list):
        theirs, ours = [theirs], [ours]
    assert len(ours) == len(theirs)
    for their, our in zip(theirs, ours, strict=True):
        if isinstance(their, np.ndarray):
            assert our.dtype == their.dtype
            np.testing.assert_allclose(our, their, rtol=1e-5, atol=1e-6)
        else:
            assert our == their


def test_result_types_of_all_dtypes():
    kinds = ["bool", *INT_TYPES, *FLOAT_TYPES, *COMPLEX_TYPES, int, float]
    theirs, ours = real_keras().backend.result_type, keras.backend.result_type
    triples = [(a, b, c) for a in kinds for b in kinds for c in ("int8", "float16", float)]
    wrong = [given for given in triples if ours(*given) != theirs(*given)]
    assert not wrong


def test_as_many_gradients_as_variables():
    variables = [keras.Variable([1.0]), keras.Variable([2.0])]
    optimizer = keras.optimizers.SGD()
    optimizer.build(variables)
    with pytest.raises(ValueError, match="do not fit the variables"):
        optimizer.apply([keras.ops.ones(1)], variables)


def test_a_layer_without_a_call():
    with pytest.raises(NotImplementedError, match="does not have a `call` method"):
        keras.layers.Layer()(keras.ops.ones((1, 2)))
