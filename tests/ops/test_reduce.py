"""Reductions against MXNet, NumPy and Keras: axes, exclude, keepdims, NaN, integers, gradients of equal values."""

import itertools

import numpy as np
import pytest
import torch

import oracles
from tandem.ops import reduce

X = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
AXES = [None, 1, -1, (0, 2), (0, 1, 2)]
NAMES = ["sum", "mean", "prod", "max", "min", "nansum", "nanprod"]


@pytest.mark.oracle
def test_reductions_are_mxnets():
    x = X.clone()
    cases = list(itertools.product(NAMES, AXES, (False, True), (False, True)))
    code = """
        x, n, out = nd.array(x), nd.array(n), []
        for name, axis, keepdims, exclude in cases:
            f = getattr(nd, name)
            out.append(f(n if name.startswith('nan') else x, axis=axis, keepdims=keepdims, exclude=exclude))
    """
    with_nan = torch.where(X > 1, float("nan"), X)
    cases = [list(case) for case in cases if case[1] is not None or not case[3]]
    answer = oracles.mxnet.run(code, returns=["out"], x=x, n=with_nan, cases=cases)["out"]
    for (name, axis, keepdims, exclude), expected in zip(cases, answer):
        data = with_nan if name.startswith("nan") else x
        axis = tuple(axis) if isinstance(axis, list) else axis
        got = getattr(reduce, name)(data, axis, keepdims, exclude=exclude)
        np.testing.assert_allclose(got.numpy().reshape(expected.shape), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", AXES)
def test_reductions_are_numpys(axis, keepdims):
    for name in ("sum", "mean", "prod", "max", "min", "var", "std", "any", "all", "median"):
        expected = getattr(np, name)(X.numpy() > 0 if name in ("any", "all") else X.numpy(), axis, keepdims=keepdims)
        got = getattr(reduce, name)(X > 0 if name in ("any", "all") else X, axis, keepdims)
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-4, atol=1e-6)
    expected = np.log(np.exp(X.numpy()).sum(axis, keepdims=keepdims))
    np.testing.assert_allclose(reduce.logsumexp(X, axis, keepdims).numpy(), expected, rtol=1e-5)
    if not isinstance(axis, tuple):
        for name in ("argmax", "argmin"):
            got = getattr(reduce, name)(X, axis, keepdims)
            np.testing.assert_array_equal(got.numpy(), getattr(np, name)(X.numpy(), axis, keepdims=keepdims))


def test_no_axis_to_reduce_leaves_x():
    for name in ("sum", "mean", "prod", "max", "nansum", "logsumexp"):
        torch.testing.assert_close(getattr(reduce, name)(X, (0, 1, 2), exclude=True), X)
    assert not reduce.var(X, (0, 1, 2), exclude=True).any()


def test_integers():
    x = torch.tensor([[1, 2], [3, 5]], dtype=torch.int32)
    assert reduce.mean(x) == 2.75
    assert reduce.var(x).dtype == torch.float32
    assert reduce.sum(x).dtype == torch.int64
    assert reduce.sum(x, dtype=torch.int32).dtype == torch.int32
    assert reduce.prod(x, 0, dtype=torch.int32).tolist() == [3, 10]
    assert reduce.max(x, 1).tolist() == [2, 5]
    assert reduce.argmax(x, 1, dtype=torch.float32).tolist() == [1.0, 1.0]


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["max", "min"])
def test_gradients_of_equal_values(name):
    keras = oracles.real_keras()
    values = [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]
    code = """
        x = nd.array(values); x.attach_grad()
        with autograd.record():
            y = getattr(nd, name)(x, axis=1)
        y.backward(nd.array([2, 3]))
        g = x.grad
    """
    expected = oracles.mxnet.run(code, returns=["g"], values=values, name=name)["g"]
    for keepdims in (False, True):
        x = torch.tensor(values, requires_grad=True)
        y = getattr(reduce, name)(x, 1, keepdims, tie="all")
        y.backward(torch.tensor([2.0, 3.0]).reshape(y.shape))
        np.testing.assert_array_equal(x.grad.numpy(), expected)
    a, b = torch.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
    getattr(reduce, name)(a, 1).sum().backward()
    getattr(keras.ops, name)(b, 1).sum().backward()
    torch.testing.assert_close(a.grad, b.grad)


def test_second_derivatives_of_every_winner():
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: reduce.max(v, (0,), tie="all"), x)
    assert torch.autograd.gradgradcheck(lambda v: reduce.max(v.square(), 1, tie="all"), x)


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "max", "logsumexp", "std", "nansum", "nanprod"])
def test_gradients_by_differences(name):
    x = X.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: getattr(reduce, name)(v, (0, 2)), x)


def test_prod_of_zeros_has_right_gradients():
    x = torch.tensor([[0.0, 3.0, 2.0], [0.0, 0.0, 2.0]], requires_grad=True)
    reduce.prod(x, 1).sum().backward()
    assert x.grad.tolist() == [[6.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


def test_nan_is_the_largest_and_the_smallest():
    x = torch.tensor([1.0, float("nan"), 3.0])
    assert reduce.max(x).isnan()
    assert reduce.min(x, tie="all").isnan()
    assert reduce.argmax(x) == 1
    assert reduce.nanmean(x) == 2


def test_running_and_weighted():
    assert reduce.cumsum(X).tolist() == torch.cumsum(X.reshape(-1), 0).tolist()
    torch.testing.assert_close(reduce.cumprod(X, 1), torch.cumprod(X, 1))
    weights = torch.tensor([1.0, 2.0, 5.0])
    expected = np.average(X.numpy(), 1, weights.numpy())
    np.testing.assert_allclose(reduce.average(X, 1, weights).numpy(), expected, rtol=1e-5)
    assert reduce.count_nonzero(torch.tensor([[0, 1], [2, 3]]), 1).tolist() == [1, 2]
    q = torch.tensor([0.25, 0.5])
    expected = np.quantile(X.numpy(), q.numpy(), (0, 2), keepdims=True)
    np.testing.assert_allclose(reduce.quantile(X, q, (0, 2), True).numpy(), expected, rtol=1e-5)


def test_an_axis_that_is_not_there():
    with pytest.raises(IndexError, match="no axis 3: expected a number from -3 to 2"):
        reduce.sum(X, 3)
