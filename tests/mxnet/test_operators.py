"""The views of the operator table: how operators are called, and what they say when called wrongly."""

import inspect

import numpy as np
import pytest

import tandem.mxnet as mx
from tandem.mxnet import autograd, nd, views
from tandem.mxnet.operators import OPERATORS, lookup

X = nd.array([[1, 2, 3], [4, 5, 6]])
W = nd.ones((4, 3))


def test_attributes_may_be_strings():
    x = nd.ones((1, 1, 4, 4))
    a = nd.Pooling(x, kernel="(2, 2)", stride="(2,2)", pool_type="avg", global_pool="False")
    assert a.shape == (1, 1, 2, 2)
    assert nd.sum(X, axis="(0,)", keepdims="True").shape == (1, 3)
    assert nd.sum(X, axis="None").shape == (1,)
    assert nd.reshape(X, shape="(3,2)").shape == (3, 2)


def test_inputs_and_attributes_by_position_and_by_name():
    expected = nd.FullyConnected(X, W, None, 4, True).asnumpy()
    assert (nd.FullyConnected(data=X, weight=W, num_hidden=4, no_bias=True).asnumpy() == expected).all()
    assert (nd.FullyConnected(X, weight=W, no_bias=1, num_hidden="4", name="fc").asnumpy() == expected).all()
    assert nd.sum(X, 1, True).shape == (2, 1)


def test_out_receives_the_result():
    out = nd.zeros((2, 3))
    view = out[0]
    assert nd.exp(X, out=out) is out
    assert view[0].asscalar() == pytest.approx(2.718282)
    parts = [nd.zeros((2, 1)) for _ in range(3)]
    assert nd.split(X, num_outputs=3, axis=1, out=parts) is parts
    assert parts[2].asnumpy().tolist() == [[3], [6]]
    with pytest.raises(mx.MXNetError, match=r"Expected: float32 \(2, 3\)\. Given: float32 \(3,\)"):
        nd.exp(X, out=nd.zeros(3))
    with pytest.raises(mx.MXNetError, match="float64"):
        nd.exp(X, out=nd.zeros((2, 3), dtype="float64"))


def test_methods_are_the_operators():
    assert X.sum(axis=1).asnumpy().tolist() == [6, 15]
    assert X.softmax().asnumpy().sum() == pytest.approx(2)
    assert X.max().asscalar() == 6
    assert nd.op.exp(X).shape == nd.exp(X).shape


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: nd.softmax(X, axs=1), mx.MXNetError, "no parameter 'axs'.*Did you mean 'axis'"),
        (lambda: nd.FullyConnected(X, W, no_bias=True), mx.MXNetError, "needs the parameter 'num_hidden'"),
        (lambda: nd.FullyConnected(X, num_hidden=4), mx.MXNetError, r"Expected: 3 \(data, weight, bias\)\. Given: 1"),
        (lambda: nd.sum(X, axis="x"), mx.MXNetError, "'axis' of operator sum.*Expected: .*Given: axis='x'"),
        (lambda: nd.Activation(X, act_type="rely"), mx.MXNetError, "one of 'relu'"),
        (lambda: nd.relu(5), AssertionError, "Argument data of relu must have NDArray type"),
        (lambda: nd.relu(), mx.MXNetError, "number of inputs"),
        (lambda: nd.relu(X, X, X, X), TypeError, "too many positional arguments"),
        (lambda: nd.sum(X, axis=4), mx.MXNetError, "No such axis.*Expected: -2 to 1.*Given: axis=4"),
        (lambda: nd.dot(X, X), mx.MXNetError, r"Operator dot failed.*Given: float32 \(2, 3\), float32 \(2, 3\)"),
        (lambda: nd.concat(X, X.astype("int32"), dim=0), mx.MXNetError, "one dtype.*float32, int32"),
        (lambda: nd.FullyConnected(X, nd.ones((4, 5)), nd.ones(4), num_hidden=4), mx.MXNetError,
         r"Shape inconsistent in FullyConnected: weight.*Expected: \(4, 3\).*Given: \(4, 5\)"),
        (lambda: nd.Convolution(nd.ones((1, 1, 5, 5)), nd.ones((2, 1, 3, 3)), kernel=(3,), num_filter=2, no_bias=True),
         mx.MXNetError, "kernel of Convolution does not fit"),
        (lambda: nd.Concat(X, X, num_args=3, dim=0), mx.MXNetError, "num_args"),
        (lambda: lookup("Convolutio"), mx.MXNetError, "Did you mean 'Convolution'"),
    ],
)  # fmt: skip
def test_errors_say_what_is_wrong_expected_and_given(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_unknown_names_get_a_suggestion():
    with pytest.raises(AttributeError, match="Did you mean 'flatten'"):
        nd.flaten  # noqa: B018
    with pytest.raises(AttributeError, match="Did you mean 'nd'"):
        mx.ndd  # noqa: B018


def test_signatures_and_dir_show_what_there_is():
    signature = inspect.signature(nd.Convolution)
    assert list(signature.parameters)[:4] == ["data", "weight", "bias", "kernel"]
    assert str(inspect.signature(nd.concat)) == "(*data, **kwargs)"
    assert {"Convolution", "array", "random", "sum"} <= set(dir(nd))
    assert "gemm" in dir(nd.linalg)
    assert nd.relu.__name__ == "relu"


@pytest.mark.parametrize("part", ["", "contrib", "image", "linalg", "op", "random", "sparse", "_internal"])
def test_modules_hold_what_they_can_give(part):
    for module in (nd, mx.sym):
        module = getattr(module, part) if part else module
        assert set(dir(module)) <= set(vars(module))


def test_scripts_ask_modules_for_operators():
    assert "box_encode" in nd.contrib.__dict__ and "box_encode" in mx.sym.contrib.__dict__
    assert "box_incode" not in nd.contrib.__dict__
    assert vars(nd)["relu"] is nd.relu and vars(nd)["contrib"] is nd.contrib
    assert "leaky_relu" in vars(mx.npx)
    names = {}
    exec("from tandem.mxnet.ndarray import *; from tandem.mxnet.symbol.contrib import *", names)
    assert names["relu"] is nd.relu and names["box_nms"] is mx.sym.contrib.box_nms and names["array"] is nd.array


def test_blocks_ask_for_operators_while_shapes_are_found():
    asked = []

    class Asks(mx.gluon.nn.HybridBlock):
        def __init__(self):
            super().__init__()
            self.weight = self.params.get("weight", shape=(2, 0), allow_deferred_init=True)

        def hybrid_forward(self, F, x, weight):
            asked.append(("box_encode" in F.contrib.__dict__, "relu" in F.__dict__, "rellu" in F.__dict__))
            return F.FullyConnected(x, weight, no_bias=True, num_hidden=2)

    block = Asks()
    block.initialize()
    assert block(nd.ones((1, 3))).shape == (1, 2)
    assert set(asked) == {(True, True, False)}


def test_every_row_gives_a_function():
    for name, row in OPERATORS.items():
        assert callable(views.function_of(row, nd.NDArray, name))
        assert row.function.__doc__, f"{name} has no docstring"


def test_changing_attributes_do_not_pile_up():
    function = views.function_of(OPERATORS["clip"], nd.NDArray)
    for number in range(1000):
        function(X, a_min=0, a_max=number)
    bindings = inspect.getclosurevars(function).nonlocals["bindings"]
    assert len(bindings) <= 256


def test_arrays_given_by_name_are_not_remembered():
    import gc
    import weakref

    x = nd.ones((2, 3))
    reference = weakref.ref(x)
    nd.FullyConnected(data=x, weight=W, num_hidden=4, no_bias=True)
    nd.sum(data=x)
    del x
    gc.collect()
    assert reference() is None


def test_batch_norm_updates_its_moving_statistics_in_training_only():
    x, gamma, beta = nd.random.normal(3, 2, shape=(64, 2)), nd.ones(2), nd.zeros(2)
    mean, variance = nd.zeros(2), nd.ones(2)
    x.attach_grad()
    nd.BatchNorm(x, gamma, beta, mean, variance)
    assert mean.asnumpy().tolist() == [0, 0]
    with autograd.record():
        nd.BatchNorm(x, gamma, beta, mean, variance, use_global_stats=True)
        assert mean.asnumpy().tolist() == [0, 0]
        y = nd.BatchNorm(x, gamma, beta, mean, variance, momentum=0.5)
    assert mean.asnumpy().tolist() == [0, 0]
    y.backward()
    assert mean.asnumpy() == pytest.approx(0.5 * x.asnumpy().mean(axis=0), rel=1e-4)
    assert variance.asnumpy() == pytest.approx(0.5 + 0.5 * x.asnumpy().var(axis=0), rel=1e-4)


def test_update_operators_write_where_out_says():
    weight, grad, state = nd.ones(3), nd.ones(3), nd.zeros(3)
    new = nd.sgd_mom_update(weight, grad, state, lr=0.5, momentum=0.9)
    assert weight.asnumpy().tolist() == [1, 1, 1]
    assert new.asnumpy().tolist() == [0.5] * 3
    assert state.asnumpy().tolist() == [-0.5] * 3
    weight.attach_grad()
    assert nd.sgd_update(weight, grad, lr=0.5, out=weight) is weight
    assert weight.asnumpy().tolist() == [0.5] * 3
    weights = [nd.ones(2), nd.ones(3)]
    nd.multi_sgd_update(weights[0], nd.ones(2), weights[1], nd.ones(3), lrs=(0.1, 0.2), wds=(0, 0), num_weights=2,
                        out=weights)  # fmt: skip
    assert weights[1].asnumpy() == pytest.approx([0.8] * 3)


@pytest.mark.parametrize("rows", [0, 2])
def test_arrays_without_rows(rows):
    """Operators that work row by row keep the number of rows, be it 0."""
    x = nd.array(np.ones((rows, 3)))
    x.attach_grad()
    calls = [
        getattr(nd, name) for name in ("exp", "relu", "sigmoid", "square", "softmax", "flatten", "zeros_like", "sign")
    ]
    calls += [
        lambda x: x + x,
        lambda x: x * 2 > 1,
        lambda x: nd.concat(x, x, dim=1),
        lambda x: nd.FullyConnected(x, W, num_hidden=4, no_bias=True),
        lambda x: nd.sum(x, axis=1, keepdims=True),
        lambda x: nd.max(x, axis=1, keepdims=True),
        lambda x: nd.take(x, nd.array([0, 2]), axis=1),
        lambda x: nd.topk(x, k=2, axis=1),
        lambda x: nd.one_hot(nd.argmax(x, axis=1), depth=5),
        lambda x: nd.dot(x, W, transpose_b=True),
        lambda x: x[:, 1:],
        lambda x: nd.Embedding(x, nd.ones((2, 4)), input_dim=2, output_dim=4),
    ]
    for call in calls:
        with autograd.record():
            y = call(x)
        assert y.shape[0] == rows
        assert y.asnumpy().shape == y.shape
    with autograd.record():
        y = nd.exp(x) * 2
    y.backward()
    assert x.grad.shape == (rows, 3)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_results_keep_the_dtype(dtype):
    x = nd.array([[1, 2, 3], [4, 5, 6]], dtype=dtype)
    w = nd.ones((4, 3), dtype=dtype)
    for y in (x + 1, x * x, x / 3, x**2, x > 2, nd.exp(x), x.sum(), x.mean(axis=1), nd.softmax(x), nd.relu(x), x.max(),
              nd.FullyConnected(x, w, num_hidden=4, no_bias=True), nd.argmax(x, axis=1), x.norm(), nd.clip(x, 0, 2),
              nd.LayerNorm(x, nd.ones(3, dtype=dtype), nd.zeros(3, dtype=dtype))):  # fmt: skip
        assert y.dtype == x.dtype
