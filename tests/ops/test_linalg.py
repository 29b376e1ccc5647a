"""Products and norms against the real frameworks, and their gradients."""

import numpy as np
import pytest
import torch

import oracles
from tandem.ops import linalg


def draw(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def in_mxnet(call, **inputs):
    lines = "".join(f"{name} = nd.array({name})\n" for name in inputs)
    return torch.from_numpy(np.array(oracles.mxnet.run(f"{lines}y = {call}", returns=["y"], **inputs)["y"]))


@pytest.mark.parametrize("shape", [(5, 3), (3,), (2, 4, 3), (0, 3)])
def test_dense_in_both_layouts(shape):
    x, w, b = draw(*shape, dtype=torch.float64), draw(3, 2, seed=1, dtype=torch.float64), draw(2, dtype=torch.float64)
    expected = (x.unsqueeze(-1) * w).sum(-2) + b
    torch.testing.assert_close(linalg.dense(x, w, b), expected)
    torch.testing.assert_close(linalg.dense(x, w.t().contiguous(), b, weight_layout="oi"), expected)
    torch.testing.assert_close(linalg.dense(x, w), expected - b)
    for tensor in (x, w, b):
        tensor.requires_grad_()
    assert torch.autograd.gradcheck(linalg.dense, (x, w, b))


def test_dense_gradients_lie_as_the_weights_do(count_calls):
    """The optimizers' fused kernels take a gradient without a copy only if it is laid out as its parameter."""
    for layout, shape in (("io", (3, 4)), ("oi", (4, 3))):
        w = draw(*shape).requires_grad_()
        x, b = draw(5, 3).requires_grad_(), draw(4).requires_grad_()
        y = linalg.dense(x, w, b, weight_layout=layout)
        (grad,) = torch.autograd.grad(y.square().sum(), w)
        assert grad.stride() == w.stride()
        assert count_calls(lambda: linalg.dense(x, w, b, weight_layout=layout)) == 1  # noqa: B023


DOTS = [
    ((3,), (3,), {}),
    ((3,), (3, 4), {}),
    ((2, 3), (3,), {}),
    ((2, 3), (3, 4), {}),
    ((3, 2), (3, 4), {"transpose_a": True}),
    ((2, 3), (4, 3), {"transpose_b": True}),
    ((3, 2), (4, 3), {"transpose_a": True, "transpose_b": True}),
    ((2, 3, 4), (4, 5, 6), {}),
    ((4, 2, 3), (4, 5), {"transpose_a": True}),
    ((2, 3, 4), (5, 6, 4), {"transpose_b": True}),
    ((4, 2, 3), (5, 6, 4), {"transpose_a": True, "transpose_b": True}),
]


@pytest.mark.oracle
@pytest.mark.parametrize(("left", "right", "options"), DOTS)
def test_dot_is_mxnets(left, right, options):
    a, b = draw(*left), draw(*right, seed=1)
    arguments = "".join(f", {name}={value}" for name, value in options.items())
    expected = in_mxnet(f"nd.dot(a, b{arguments})", a=a, b=b)
    got = linalg.dot(a, b, **options)
    torch.testing.assert_close(got.reshape(expected.shape), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("left", "right"), [((2, 3, 4), (5, 4, 6)), ((2, 3), (3, 4)), ((2, 3, 4), (4,)), ((), (2, 3))])
def test_dot_by_numpys_rule(left, right):
    a, b = draw(*left), draw(*right, seed=1)
    got = linalg.dot(a, b, rule="numpy")
    np.testing.assert_allclose(got.numpy(), np.dot(a.numpy(), b.numpy()), rtol=1e-5, atol=1e-5)


def test_dot_by_numpys_rule_does_not_transpose():
    with pytest.raises(ValueError, match="transpose_a=False"):
        linalg.dot(draw(2, 3), draw(2, 3), rule="numpy", transpose_a=True)


@pytest.mark.oracle
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_batch_dot_is_mxnets(transpose_a, transpose_b):
    a = draw(2, 4, 3) if transpose_a else draw(2, 3, 4)
    b = draw(2, 5, 4, seed=1) if transpose_b else draw(2, 4, 5, seed=1)
    options = {"transpose_a": transpose_a, "transpose_b": transpose_b}
    expected = in_mxnet(f"nd.batch_dot(a, b, transpose_a={transpose_a}, transpose_b={transpose_b})", a=a, b=b)
    torch.testing.assert_close(linalg.batch_dot(a, b, **options), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("left", "right", "axes"),
    [
        ((5, 3, 4), (5, 6, 4), (2, 2)),
        ((5, 3), (5, 3), (1, 1)),
        ((5, 3, 4), (5, 4), (2, 1)),
        ((5, 4, 3), (5, 2, 4, 6), (1, 2)),
    ],
)
def test_batch_tensordot_is_kerass_dot_layer(left, right, axes):
    keras = oracles.real_keras()
    a, b = draw(*left), draw(*right, seed=1)
    expected = keras.layers.Dot(axes)([a, b])
    torch.testing.assert_close(linalg.batch_tensordot(a, b, axes), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.oracle
@pytest.mark.parametrize("ord", [1, 2])
@pytest.mark.parametrize("axis", [None, 1, (0, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_norm_is_mxnets(ord, axis, keepdims):
    x = draw(2, 3, 4)
    expected = in_mxnet(f"nd.norm(x, ord={ord}, axis={axis}, keepdims={keepdims})", x=x)
    torch.testing.assert_close(linalg.norm(x, ord, axis, keepdims).reshape(expected.shape), expected)


def test_norm_of_zero_and_of_integers():
    x = torch.zeros(3, requires_grad=True)
    linalg.norm(x).backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]
    assert linalg.norm(torch.tensor([3, 4])) == 5


def test_tensordot_einsum_outer_inner_are_numpys():
    a, b = draw(2, 3, 4), draw(3, 4, 5, seed=1)
    m, n = a.numpy(), b.numpy()
    pairs = [
        (linalg.tensordot(a, b), np.tensordot(m, n)),
        (linalg.tensordot(a, b, ([1, 2], [0, 1])), np.tensordot(m, n, ([1, 2], [0, 1]))),
        (linalg.tensordot(a, b, (2, 1)), np.tensordot(m, n, (2, 1))),
        (linalg.einsum("abc,bcd->da", a, b), np.einsum("abc,bcd->da", m, n)),
        (linalg.outer(a[0], b[0, 0]), np.outer(m[0], n[0, 0])),
        (linalg.inner(a, b[0].t()), np.inner(m, n[0].T)),
        (linalg.matmul(a, b[0]), np.matmul(m, n[0])),
    ]
    for got, expected in pairs:
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-4, atol=1e-5)
