"""Activations and maths: the real frameworks' numbers and gradients, their quirks, laws."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from tandem.ops import elementwise

SMOOTH = torch.linspace(-3.7, 4.1, 24).reshape(4, 6)

KERAS = [
    "relu(x)",
    "relu(x, negative_slope=0.1)",
    "relu(x, max_value=2.0)",
    "relu(x, negative_slope=0.1, max_value=2.0, threshold=0.7)",
    "relu(x, threshold=0.7)",
    "relu(x, threshold=-1.2, max_value=1.7)",
    "relu(x, max_value=-1.0)",
    "relu6(x)",
    "leaky_relu(x, negative_slope=0.3)",
    "elu(x, alpha=0.5)",
    "selu(x)",
    "celu(x, alpha=0.5)",
    "gelu(x)",
    "gelu(x, approximate=True)",
    "silu(x)",
    "softplus(x)",
    "softsign(x)",
    "sigmoid(x)",
    "hard_sigmoid(x)",
    "hard_silu(x)",
    "tanh(x)",
    "hard_tanh(x)",
    "tanh_shrink(x)",
    "soft_shrink(x, threshold=0.7)",
    "hard_shrink(x, threshold=0.7)",
    "threshold(x, 0.7, -2.0)",
    "squareplus(x, b=3.0)",
    "sparse_plus(x)",
    "sparse_sigmoid(x)",
    "mish(x)",
    "log_sigmoid(x)",
    "exponential(x)",
    "linear(x)",
    "glu(x)",
    "glu(x, axis=0)",
    "softmax(x)",
    "softmax(x, axis=0)",
    "softmax(x.reshape(2, 2, 6), axis=(0, 2))",
    "log_softmax(x)",
    "log_softmax(x, axis=0)",
]


def both(ours, theirs, x):
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    got, expected = ours(a), theirs(b)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
    slopes = torch.linspace(0.5, 1.5, got.numel()).reshape(got.shape)
    (got * slopes).sum().backward()
    (expected * slopes).sum().backward()
    torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("call", KERAS)
def test_activations_are_kerass(call):
    keras = oracles.real_keras()
    name = call.partition("(")[0]
    home = keras.ops if name in ("relu", "softmax") and "reshape" in call else keras.activations
    both(
        lambda x: eval(f"elementwise.{call}", {"elementwise": elementwise, "x": x}),
        lambda x: eval(f"home.{call}", {"home": home, "x": x}),
        SMOOTH,
    )


@pytest.mark.parametrize("call", [*KERAS, "sparsemax(x)"])
def test_activations_have_right_gradients(call):
    x = SMOOTH.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: eval(f"elementwise.{call}", {"elementwise": elementwise, "x": x}), x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("call", [*KERAS, "sparsemax(x)"])
def test_activations_keep_dtype_and_shape_on_meta_too(call, dtype):
    x = SMOOTH.to(dtype)
    got = eval(f"elementwise.{call}")
    exact = eval(f"elementwise.{call}", {"elementwise": elementwise, "x": SMOOTH})
    torch.testing.assert_close(got.float(), exact, rtol=0.03, atol=0.06)
    meta = eval(f"elementwise.{call}", {"elementwise": elementwise, "x": x.to("meta")})
    assert (meta.dtype, meta.shape, got.dtype) == (dtype, got.shape, dtype)


# operator of MXNet, ours
MXNET = [
    ("Activation(x, 'relu')", elementwise.relu),
    ("Activation(x, 'softrelu')", elementwise.softplus),
    ("Activation(x, 'softsign')", elementwise.softsign),
    ("Activation(x, 'sigmoid')", elementwise.sigmoid),
    ("LeakyReLU(x, act_type='leaky', slope=0.3)", lambda x: elementwise.leaky_relu(x, 0.3)),
    ("LeakyReLU(x, act_type='elu', slope=0.3)", lambda x: elementwise.elu(x, 0.3)),
    ("LeakyReLU(x, act_type='gelu')", elementwise.gelu),
    (
        "LeakyReLU(x, nd.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), act_type='prelu')",
        lambda x: elementwise.prelu(x, torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), axis=1),
    ),
    ("hard_sigmoid(x, alpha=0.25, beta=0.4)", lambda x: elementwise.hard_sigmoid(x, 0.25, 0.4)),
    ("hard_sigmoid(x)", lambda x: elementwise.hard_sigmoid(x, 0.2)),
    ("softmax(x, temperature=2.5)", lambda x: elementwise.softmax(x, temperature=2.5)),
    ("softmin(x, axis=0)", lambda x: elementwise.softmin(x, 0)),
    ("log_softmax(x, temperature=0.5, axis=0)", lambda x: elementwise.log_softmax(x, 0, temperature=0.5)),
    (
        "softmax(x, nd.array([2, 0, 6, 1], dtype='int32'), use_length=True)",
        lambda x: elementwise.softmax(x, length=torch.tensor([2, 0, 6, 1])),
    ),
    (
        "softmax(x, nd.array([2, 0, 4, 1, 3, 2], dtype='int32'), axis=0, use_length=True)",
        lambda x: elementwise.softmax(x, 0, length=torch.tensor([2, 0, 4, 1, 3, 2])),
    ),
    ("smooth_l1(x, scalar=1.3)", lambda x: elementwise.smooth_l1(x, 1.3)),
    ("clip(x, -1.5, 2)", lambda x: elementwise.clip(x, -1.5, 2)),
    ("cbrt(x)", elementwise.cbrt),
    ("rcbrt(x)", elementwise.rcbrt),
    ("gamma(x)", elementwise.gamma),
    ("gammaln(nd.abs(x))", lambda x: elementwise.gammaln(elementwise.abs(x))),
    ("erf(x)", elementwise.erf),
    ("erfinv(x / 5)", lambda x: elementwise.erfinv(x / 5)),
    ("rsqrt(x * x)", lambda x: elementwise.rsqrt(x * x)),
    ("reciprocal(x)", elementwise.reciprocal),
    ("sign(x) * x", lambda x: elementwise.sign(x) * x),
    ("round(x) * x", lambda x: elementwise.round(x, half="away") * x),
    ("rint(x) * x", lambda x: elementwise.rint(x) * x),
    ("fix(x) * x", lambda x: elementwise.trunc(x) * x),
    (
        "broadcast_mod(x, nd.array([1.5, -1.5, 2, -2, 0.7, 0.3]))",
        lambda x: elementwise.modulo(x, DIVISORS, zero="zero"),
    ),
    ("broadcast_hypot(x, nd.array([1.5, -1.5, 2, -2, 0.7, 0.3]))", lambda x: elementwise.hypot(x, DIVISORS)),
]
DIVISORS = torch.tensor([1.5, -1.5, 2, -2, 0.7, 0.3])


def in_mxnet(call, x, **inputs):
    code = """
        x = nd.array(x); x.attach_grad()
        with autograd.record():
            y = nd.{call}
        y.backward(nd.array(np.linspace(0.5, 1.5, y.size).reshape(y.shape)))
        g = x.grad
    """.replace("{call}", call)
    answer = oracles.mxnet.run(code, returns=["y", "g"], x=x, **inputs)
    return torch.from_numpy(np.array(answer["y"])), torch.from_numpy(np.array(answer["g"]))


@pytest.mark.oracle
@pytest.mark.parametrize(("call", "ours"), MXNET, ids=[row[0] for row in MXNET])
def test_functions_are_mxnets(call, ours):
    value, gradient = in_mxnet(call, SMOOTH)
    x = SMOOTH.clone().requires_grad_()
    y = ours(x)
    torch.testing.assert_close(y, value, rtol=1e-4, atol=1e-5)
    y.backward(torch.linspace(0.5, 1.5, y.numel()).reshape(y.shape))
    torch.testing.assert_close(x.grad, gradient, rtol=2e-3, atol=1e-4)


@pytest.mark.oracle
def test_random_rectifier_without_training_is_mxnets():
    # (In training MXNet 1.9.1 gives memory's contents or dies.)
    code = "y = nd.LeakyReLU(nd.array(x), act_type='rrelu', lower_bound=0.1, upper_bound=0.4)[0]"
    expected = oracles.mxnet.run(code, returns=["y"], x=SMOOTH)["y"]
    np.testing.assert_allclose(elementwise.rrelu(SMOOTH, 0.1, 0.4).numpy(), expected, rtol=1e-6)


@pytest.mark.oracle
def test_rounding_and_kinks_at_their_points_are_mxnets():
    x = torch.tensor([-2.5, -1.5, -0.5, -0.2, 0.0, 0.2, 0.49999997, 0.5, 1.5, 2.5, 8388609.0, math.nan, math.inf])
    code = "a = nd.round(nd.array(x)); b = nd.rint(nd.array(x)); c = nd.sign(nd.array(x)); d = nd.gamma(nd.array(z))"
    z = torch.tensor([-2.5, -2.0, -0.5, 0.5, 1.0, 5.0, 0.0])
    answer = oracles.mxnet.run(code, returns=["a", "b", "c", "d"], x=x, z=z)
    np.testing.assert_array_equal(elementwise.round(x, half="away").numpy(), answer["a"])
    np.testing.assert_array_equal(elementwise.rint(x).numpy(), answer["b"])
    np.testing.assert_array_equal(elementwise.sign(x).numpy(), answer["c"])
    np.testing.assert_allclose(elementwise.gamma(z).numpy(), answer["d"], rtol=1e-5)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_gradients_where_both_are_equal(name):
    x, other = torch.tensor([1.0, 2.0, 3.0, math.nan]), torch.tensor([2.0, 2.0, 2.0, 1.0])
    value, gradient = in_mxnet(f"broadcast_{name}(x, nd.array(b))", x, b=other)
    slopes = torch.linspace(0.5, 1.5, 4)
    for second in (other, 2.0):
        a = x.clone().requires_grad_()
        y = getattr(elementwise, name)(a, second, tie="first")
        y.backward(slopes)
        torch.testing.assert_close(y[:3], value[:3])
        torch.testing.assert_close(a.grad[:3], gradient[:3])
        assert y[3].isnan()
    keras = oracles.real_keras()
    a, b = x[:3].clone().requires_grad_(), x[:3].clone().requires_grad_()
    getattr(elementwise, name)(a, 2.0).sum().backward()
    getattr(keras.ops, name)(b, 2.0).sum().backward()
    torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.oracle
def test_integers_are_cut_as_in_mxnet():
    a, b = torch.tensor([7, -7, 7, -7, 5, 0, 1], dtype=torch.int32), torch.tensor([3, 3, -3, -3, 2, 3, 0])
    b = b.to(torch.int32)
    code = """
        a, b = nd.array(a, dtype='int32'), nd.array(b, dtype='int32')
        mod, div, root, power = a % b, a[:6] / b[:6], nd.sqrt(nd.abs(a)), 2 ** b
    """
    answer = oracles.mxnet.run(code, returns=["mod", "div", "root", "power"], a=a, b=b)
    assert elementwise.modulo(a, b, zero="zero").tolist() == answer["mod"].tolist()
    assert elementwise.floor_divide(a[:6], b[:6], rounding="trunc").tolist() == answer["div"].tolist()
    root = elementwise.truncated(elementwise.sqrt, elementwise.abs(a))
    assert root.dtype == torch.int32
    assert root.tolist() == answer["root"].tolist()
    assert elementwise.truncated(elementwise.power, 2, b).tolist() == answer["power"].tolist()


# --- laws -----------------------------------------------------------------------------------------------------------

numbers = st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(numbers)
def test_sparsemax_is_the_projection_onto_the_simplex(values):
    x = torch.tensor(values, dtype=torch.float64)
    y = elementwise.sparsemax(x)
    assert (y >= 0).all()
    assert y.sum() == pytest.approx(1)
    tau = (x - y)[y > 0]  # what is taken off is the same wherever anything is left ...
    torch.testing.assert_close(tau, tau[:1].expand_as(tau))
    assert (x[y == 0] <= tau[0] + 1e-9).all()  # ... and elsewhere there was less than that


def test_sparsemax_takes_every_row_by_itself():
    x = torch.tensor([[1.0, 2.0, 3.0], [0.1, 0.2, 0.3]])
    torch.testing.assert_close(elementwise.sparsemax(x), torch.tensor([[0.0, 0.0, 1.0], [7 / 30, 1 / 3, 13 / 30]]))
    torch.testing.assert_close(elementwise.sparsemax(x.t(), 0), elementwise.sparsemax(x).t())


@settings(max_examples=60, deadline=None)
@given(numbers, st.floats(0.125, 5, width=32))
def test_softmax_is_shift_invariant_and_sums_to_one(values, temperature):
    x = torch.tensor(values, dtype=torch.float64)
    y = elementwise.softmax(x, temperature=temperature)
    assert y.sum() == pytest.approx(1)
    torch.testing.assert_close(elementwise.softmax(x + 7, temperature=temperature), y)
    torch.testing.assert_close(elementwise.log_softmax(x, temperature=temperature).exp(), y)
    torch.testing.assert_close(elementwise.softmax(x, axis=None), elementwise.softmax(x))


@settings(max_examples=60, deadline=None)
@given(st.floats(-100, 100, width=32), st.floats(-100, 100, width=32))
def test_modulo_is_pythons(a, b):
    x, y = torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
    got = elementwise.modulo(x, y, zero="zero").item()
    assert got == pytest.approx(a % b if b else 0.0, abs=1e-12)
    assert elementwise.modulo(x, b, zero="zero").item() == pytest.approx(got, abs=1e-12)


def test_division_by_zero_has_finite_gradients():
    a, b = torch.tensor([1.0, 4.0], requires_grad=True), torch.tensor([0.0, 2.0], requires_grad=True)
    y = elementwise.divide(a, b, zero=0.0)
    y.sum().backward()
    assert y.tolist() == [0.0, 2.0]
    assert a.grad.tolist() == [0.0, 0.5]
    assert b.grad.tolist() == [0.0, -1.0]


@pytest.mark.parametrize("shape", [(3, 1), (3, 4), (1, 1), (2, 3, 4)])
def test_prelu_with_shared_slopes(shape):
    x = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    slope = torch.rand(shape, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(elementwise.prelu, (x, slope))
    torch.testing.assert_close(elementwise.prelu(x, slope), torch.where(x > 0, x, slope * x))


def test_random_rectifier():
    x = torch.full((20_000,), -1.0, requires_grad=True)
    y = elementwise.rrelu(x, 0.2, 0.4, training=True, generator=torch.Generator().manual_seed(3))
    again = elementwise.rrelu(x, 0.2, 0.4, training=True, generator=torch.Generator().manual_seed(3))
    assert torch.equal(y, again)
    assert -0.4 <= y.min() < -0.39 and -0.21 < y.max() <= -0.2
    assert y.mean().item() == pytest.approx(-0.3, abs=0.002)
    y.sum().backward()
    torch.testing.assert_close(x.grad, -y.detach())


def test_polynomial_and_fully_masked_softmax():
    x = torch.tensor([0.0, 1.0, 2.0])
    assert elementwise.polynomial(x, (1, 0, 3)).tolist() == [1.0, 4.0, 13.0]
    x = torch.ones(2, 3, requires_grad=True)
    y = elementwise.softmax(x, length=torch.tensor([0, 2]))
    y.square().sum().backward()
    assert y[0].tolist() == [0.0, 0.0, 0.0]
    assert x.grad.isfinite().all()
