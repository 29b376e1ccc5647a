import numpy as np
import pytest
import torch

from aten import calls, close, randn
from oracles import mxnet, real_keras
from tandem.ops import shape as S


@pytest.mark.parametrize("mode", S.PAD_MODES)
def test_pad_against_numpy(mode):
    for shape, amounts in (
        ((3, 4), ((1, 2), (0, 3))),
        ((2, 3, 4, 2), ((0, 0), (2, 1), (5, 7), (0, 0))),
        ((1, 3), ((2, 2), (1, 1))),
        ((5,), ((0, 0),)),
    ):
        for x in (randn(*shape), torch.arange(np.prod(shape)).reshape(shape)):
            expected = np.pad(x.numpy(), amounts, mode, **({"constant_values": 7} if mode == "constant" else {}))
            ours = S.pad(x, amounts, mode=mode, value=7)
            assert ours.dtype == x.dtype and ours.shape == S.pad(x.to("meta"), amounts, mode=mode).shape
            close(ours, expected)
    x = randn(2, 3, dtype=torch.float64, grad=True)
    assert torch.autograd.gradcheck(lambda t: S.pad(t, ((1, 1), (2, 3)), mode=mode), x)


@pytest.mark.oracle
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
def test_pad_and_gradient_against_mxnet(mode):
    x = randn(1, 2, 3, 4, grad=True)
    code = """
    d = nd.array(x)
    d.attach_grad()
    with autograd.record():
        y = nd.pad(d, mode=mode, pad_width=(0, 0, 0, 0, 1, 2, 2, 1), constant_value=9)
    y.backward(y)
    g = d.grad
    """
    theirs = mxnet.run(code, ["y", "g"], x=x.detach().numpy(), mode=mode)
    y = S.pad(x, ((0, 0), (0, 0), (1, 2), (2, 1)), mode=mode, value=9)
    close(y, theirs["y"])
    close(torch.autograd.grad(y, x, y.detach())[0], theirs["g"])


def test_one_number_and_one_pair_stand_for_all_axes():
    x = randn(3, 4)
    assert S.pad(x, 1).shape == (5, 6) and S.pad(x, (1, 2)).shape == (6, 7)
    assert S.crop(x, 1).equal(x[1:2, 1:3]) and S.crop(x, (1, 0)).equal(x[1:, 1:])
    assert S.pad(x, 0) is x
    assert calls(S.pad, x, ((0, 0), (1, 2))) == ["constant_pad_nd"]


def test_crop_is_a_view():
    x = randn(2, 5, 6, 3)
    y = S.crop(x, ((0, 0), (1, 2), (3, 0), (0, 0)))
    assert y.equal(x[:, 1:3, 3:]) and y.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    assert S.crop(x, ((0, 0), (2, 3), (0, 0), (0, 0))).shape == (2, 0, 6, 3)


def test_slice_axis():
    x = randn(2, 7)
    for begin, end, step in ((1, None, 1), (-3, -1, 1), (0, 9, 2), (None, None, -1), (5, 1, -2), (1, 5, -1), (4, 4, 1)):
        expected = x.numpy()[:, begin:end:step]
        assert np.array_equal(S.slice_axis(x, 1, begin, end, step).numpy(), expected)


def test_repeat_against_numpy():
    x = randn(2, 3, 4)
    for times, axis in ((2, 1), (3, None), (1, 0), ([1, 0, 2], 1), ([2], -1), (0, 2)):
        assert np.array_equal(S.repeat(x, times, axis).numpy(), np.repeat(x.numpy(), times, axis))
    assert S.repeat_vector(x[:, 0], 5).equal(x[:, :1].expand(2, 5, 4))
    assert calls(S.repeat, x, 2, 1) == ["clone"]


@pytest.mark.oracle
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_upsample_against_keras(rank):
    keras = real_keras()
    factors = (2, 3, 1)[:rank]
    x = randn(2, *(3, 4, 2)[:rank], 3)
    layer = getattr(keras.layers, f"UpSampling{rank}D")(factors if rank > 1 else 2)
    close(S.upsample(x, factors), layer(x))
    close(S.upsample(x.movedim(-1, 1), factors, layout="channels_first").movedim(1, -1), layer(x))
    assert S.upsample(x.int(), factors).equal(layer(x.int().float()).int())
    assert len(calls(S.upsample, x, factors)) == 1
    assert S.upsample(x, factors).is_contiguous()
    x = x.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda t: S.upsample(t, factors), x)


def test_split_against_numpy():
    x = randn(2, 6, 3)
    for parts, axis in ((3, 1), (2, 0), ([1, 4], 1), ([2, 2, 9], 1), ([], 2)):
        ours = S.split(x, parts, axis)
        expected = np.split(x.numpy(), parts, axis)
        assert len(ours) == len(expected) and all(np.array_equal(a.numpy(), b) for a, b in zip(ours, expected))


@pytest.mark.oracle
def test_blocks_against_mxnet():
    x = randn(2, 8, 4, 6)
    code = "a, b = nd.depth_to_space(nd.array(x), 2), nd.space_to_depth(nd.array(x), 2)"
    theirs = mxnet.run(code, ["a", "b"], x=x.numpy())
    close(S.depth_to_space(x, 2), theirs["a"])
    close(S.space_to_depth(x, 2), theirs["b"])
    last = x.movedim(1, -1)
    close(S.depth_to_space(last, 2, layout="channels_last").movedim(-1, 1), theirs["a"])
    close(S.space_to_depth(last, 2, layout="channels_last").movedim(-1, 1), theirs["b"])


@pytest.mark.oracle
def test_one_hot_and_where_against_both():
    keras = real_keras()
    x = torch.tensor([[0.0, 2.0, 5.0], [-1.0, 1.7, 1.0]])
    code = """
    a = nd.one_hot(nd.array(x), 3)
    b = nd.one_hot(nd.array(x), 3, on_value=8, off_value=2, dtype="int32")
    c = nd.where(nd.array([1, 0]), nd.array(x), -nd.array(x))
    d = nd.where(nd.array(x) > 1, nd.array(x), -nd.array(x))
    """
    theirs = mxnet.run(code, ["a", "b", "c", "d"], x=x.numpy())
    close(S.one_hot(x, 3), theirs["a"])
    eight = S.one_hot(x, 3, on=8, off=2, dtype=torch.int32)
    assert eight.dtype == torch.int32 and np.array_equal(eight.numpy(), theirs["b"])
    close(S.where(torch.tensor([1.0, 0.0]), x, -x), theirs["c"])
    close(S.where((x > 1).float(), x, -x), theirs["d"])
    x = x.clamp(max=2).int()  # Keras on torch raises for what is beyond; on JAX it is nowhere
    for axis in (-1, 0, 1):
        close(S.one_hot(x, 3, axis=axis), keras.ops.one_hot(x, 3, axis=axis))


def test_wrong_arguments_are_named():
    x = randn(3, 4)
    with pytest.raises(ValueError, match=r"2 pairs.*\(1, 2\), \(0, 0\), \(0, 0\)"):
        S.pad(x, ((1, 2), (0, 0), (0, 0)))
    with pytest.raises(ValueError, match="0 or more"):
        S.pad(x, -1)
    with pytest.raises(ValueError, match="'mirror'"):
        S.pad(x, 1, mode="mirror")
    with pytest.raises(ValueError, match="empty axis"):
        S.pad(x[:0], 1, mode="edge")
    with pytest.raises(ValueError, match=r"axis 0.*3 entries.*2 and 2"):
        S.crop(x, 2)
    with pytest.raises(ValueError, match=r"divisor of 4.*Given: 3"):
        S.split(x, 3, 1)
    with pytest.raises(ValueError, match=r"-2 to 1.*Given: 2"):
        S.slice_axis(x, 2, 0, 1)
    with pytest.raises(ValueError, match="multiple of 4"):
        S.depth_to_space(randn(1, 6, 2, 2), 2)
    with pytest.raises(ValueError, match="multiples of 2"):
        S.space_to_depth(randn(1, 6, 3, 2), 2)
