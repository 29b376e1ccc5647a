"""Contexts on machines with and without a GPU."""

import pytest

import tandem.mxnet as mx
from tandem.core import devices
from tandem.mxnet import nd

no_gpu = pytest.mark.skipif(devices.count() > 0, reason="this machine has a GPU")


@no_gpu
@pytest.mark.parametrize(
    "use",
    [
        lambda: nd.ones(2, ctx=mx.gpu(0)),
        lambda: nd.array([1], ctx=mx.gpu()),
        lambda: nd.ones(2).as_in_context(mx.gpu(0)),
        lambda: nd.random.uniform(shape=2, ctx=mx.gpu(0)),
        lambda: nd.ones(2).copyto(mx.gpu(0)),
    ],
)
def test_without_a_gpu_using_one_raises_and_names_the_way_out(use):
    with pytest.raises(mx.MXNetError, match=r"gpu\(0\).*tandem run --device cpu"):
        use()


@no_gpu
def test_without_a_gpu_naming_one_is_no_error():
    assert str(mx.gpu(1)) == "gpu(1)"
    with mx.gpu(0):
        assert mx.current_context() == mx.gpu(0)


def test_redirected_gpus_keep_their_label():
    devices.redirect("cpu")
    try:
        x = nd.ones((2,), ctx=mx.gpu(1))
        assert x.context == mx.gpu(1)
        assert (x + x).context == mx.gpu(1)
        assert x._tensor.device.type == "cpu"
        with mx.gpu(0):
            assert nd.zeros(2).context == mx.gpu(0)
        assert x.as_in_context(mx.cpu()).context == mx.cpu()
        assert mx.num_gpus() == 0
    finally:
        devices.redirect(None)


def test_several_cpus_are_different_contexts():
    x = nd.ones(2, ctx=mx.cpu(1))
    y = x.as_in_context(mx.cpu(2))
    y[:] = 5
    assert (x.context, y.context) == (mx.cpu(1), mx.cpu(2))
    assert x.asnumpy().tolist() == [1, 1]
    x.attach_grad()
    with mx.autograd.record():
        z = nd.exp(x) * 2
    z.backward()
    assert (z.context, x.grad.context) == (mx.cpu(1), mx.cpu(1))


@pytest.mark.gpu
def test_arrays_on_a_gpu():
    x = nd.ones((2, 3), ctx=mx.gpu(0))
    assert x._tensor.is_cuda
    assert (x * 2).asnumpy().sum() == 12
    assert "@gpu(0)" in repr(x)
    assert x.as_in_context(mx.cpu()).context == mx.cpu()
    x.attach_grad()
    with mx.autograd.record():
        y = (x * x).sum()
    y.backward()
    assert x.grad.context == mx.gpu(0)
    assert x.grad.asnumpy().tolist() == [[2, 2, 2]] * 2
    with pytest.raises(mx.MXNetError):
        nd.ones(2, ctx=mx.gpu(99))
