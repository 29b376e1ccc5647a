import itertools

import pytest
import torch
import torch.nn.functional as F

from aten import calls, close, randn
from oracles import mxnet, real_keras
from tandem.ops import conv as C
from tandem.ops import pool as P

SIZES = {1: (9,), 2: (8, 7), 3: (5, 6, 4)}


@pytest.mark.oracle
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_against_keras(rank, layout):
    keras = real_keras()
    x = randn(2, *SIZES[rank], 3) if layout == "channels_last" else randn(2, 3, *SIZES[rank])
    for padding, window, stride in itertools.product(("valid", "same"), (1, 2, 3, 4), (1, 2, 3)):
        for kind, theirs in (("max", keras.ops.max_pool), ("avg", keras.ops.average_pool)):
            ours = P.pool(x, window, kind=kind, stride=stride, padding=padding, layout=layout)
            lopsided = any(
                C.same_padding(n, window, stride)[0] != C.same_padding(n, window, stride)[1] for n in SIZES[rank]
            )
            if kind == "avg" and padding == "same" and lopsided:
                continue  # Keras 3.15 on torch repeats the edge there; on JAX and TensorFlow it leaves the padding out
            close(ours, theirs(x, window, stride, padding, layout))


def test_lopsided_same_average_leaves_the_padding_out():
    # Keras 3.15's numbers on JAX for 1..n.
    for n, window, stride, expected in (
        (5, 3, 3, [2, 4.5]), (5, 4, 1, [2, 2.5, 3.5, 4, 4.5]), (6, 3, 2, [2, 4, 5.5]), (6, 5, 4, [2.5, 5]),
    ):  # fmt: skip
        x = torch.arange(1.0, n + 1).reshape(1, n, 1)
        assert P.pool(x, window, kind="avg", stride=stride, padding="same").flatten().tolist() == expected


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_same_average_leaves_the_padding_out(rank):
    """Against the definition: the windows of data divided by the windows of ones."""
    sizes, window, stride = SIZES[rank], (4, 3, 2)[:rank], (3, 1, 2)[:rank]
    x = randn(2, *sizes, 3)
    total = P.pool(x, window, kind="sum", stride=stride, padding="same")
    entries = P.pool(torch.ones_like(x), window, kind="sum", stride=stride, padding="same")
    close(P.pool(x, window, kind="avg", stride=stride, padding="same"), total / entries)


@pytest.mark.oracle
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_and_gradients_against_mxnet(rank, layout):
    kinds = [
        (kind, convention, window, stride, pad, count, power)
        for kind, convention, window, stride, pad in itertools.product(
            ("max", "avg", "sum", "lp"), ("valid", "full"), (1, 2, 3), (1, 2, 4), (0, 1, 2)
        )
        for count in ((True, False) if kind == "avg" else (True,))
        for power in ((1, 2, 3) if kind == "lp" else (2,))
        # MXNet 1.9.1's oneDNN gives errors, NaN or another gradient for some means of windows that are cut off.
        if pad < window and not (kind == "avg" and convention == "full")
    ]
    if rank == 3:
        kinds = kinds[::3]
    x = randn(2, 3, *SIZES[rank]) if layout == "channels_first" else randn(2, *SIZES[rank], 3)
    code = """
    out = []
    for kind, convention, window, stride, pad, count, power in kinds:
        d = nd.array(x)
        d.attach_grad()
        with autograd.record():
            y = nd.Pooling(d, kernel=(window,) * rank, stride=(stride,) * rank, pad=(pad,) * rank, pool_type=kind,
                           pooling_convention=convention, count_include_pad=count, p_value=power, layout=layout)
        y.backward(y + 1)
        out.append([y, d.grad])
    """
    name = {1: "NCW", 2: "NCHW", 3: "NCDHW"}[rank]
    name = name if layout == "channels_first" else "N" + name[2:] + "C"
    out = mxnet.run(code, ["out"], kinds=kinds, x=x.numpy(), rank=rank, layout=name)["out"]
    x.requires_grad_()
    for (kind, convention, window, stride, pad, count, power), (theirs, gradient) in zip(kinds, out):
        y = P.pool(
            x, window, kind=kind, stride=stride, padding=pad, ceil_mode=convention == "full", count_padding=count,
            layout=layout, power=power,
        )  # fmt: skip
        theirs = torch.from_numpy(theirs)
        outside = theirs == torch.finfo(torch.float32).min  # MXNet's maximum of a window wholly outside the data
        assert torch.equal(y == -float("inf"), outside)
        close(y.masked_fill(outside, 0), theirs.masked_fill(outside, 0))
        head = (theirs + 1).masked_fill(outside, 0)
        if not outside.any():
            close(torch.autograd.grad(y, x, head)[0], gradient, 1e-4)


@pytest.mark.oracle
def test_global_against_mxnet():
    x = randn(2, 3, 4, 5)
    x[0, 0, 1, 1] = x[0, 0, 2, 2] = 9.0
    code = """
    out = []
    for kind in kinds:
        d = nd.array(x)
        d.attach_grad()
        with autograd.record():
            y = nd.Pooling(d, kernel=(1, 1), global_pool=True, pool_type=kind, p_value=2)
        y.backward()
        out.append([y, d.grad])
    """
    kinds = ("max", "avg", "sum", "lp")
    out = mxnet.run(code, ["out"], x=x.numpy(), kinds=kinds)["out"]
    x.requires_grad_()
    for kind, (theirs, gradient) in zip(kinds, out):
        y = P.global_pool(x, kind, layout="channels_first", keepdims=True, tie="first")
        close(y, theirs)
        close(torch.autograd.grad(y.sum(), x)[0], gradient)


@pytest.mark.oracle
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_global_and_adaptive_against_keras(rank):
    keras = real_keras()
    x = randn(2, *SIZES[rank], 3)
    for kind, name in (("max", "Max"), ("avg", "Average")):
        for keepdims in (False, True):
            layer = getattr(keras.layers, f"Global{name}Pooling{rank}D")(keepdims=keepdims)
            close(P.global_pool(x, kind, keepdims=keepdims), layer(x))
        layer = getattr(keras.layers, f"Adaptive{name}Pooling{rank}D")((3, 2, 3)[:rank] if rank > 1 else 3)
        close(P.adaptive_pool(x, (3, 2, 3)[:rank], kind), layer(x))


def test_equal_maxima_of_a_global_pool_share_the_gradient():
    x = torch.tensor([[[1.0], [3.0], [3.0]]], requires_grad=True)
    (gradient,) = torch.autograd.grad(P.global_pool(x, "max").sum(), x)
    assert gradient.flatten().tolist() == [0, 0.5, 0.5]


# --- speed: one call, no copies ---


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("window", "stride"), [(2, 2), (3, 2), (3, 1), (3, 3)])
def test_same_is_one_call(rank, window, stride):
    """Also where TensorFlow's padding is one more at the end: torch's rounding up says the same."""
    for size in (6, 7):
        x = randn(2, *(size,) * rank, 3)
        made = calls(P.pool, x, window, stride=stride, padding="same")
        assert made == [f"max_pool{max(rank, 2)}d_with_indices"]
        made = calls(P.pool, x, window, kind="avg", stride=stride, padding="same")
        assert made == [f"avg_pool{max(rank, 2)}d"]
        assert P.pool(x, window, stride=stride, padding="same").is_contiguous()


# --- other ---


@pytest.mark.parametrize("kind", ["max", "avg", "sum", "lp"])
@pytest.mark.parametrize("arguments", [{"padding": "same"}, {"padding": [(2, 0), (0, 1)], "count_padding": True}, {}])
def test_gradients(kind, arguments):
    x = randn(2, 5, 4, 2, dtype=torch.float64, grad=True)
    # A window of nothing but padding has no maximum, so the one for it is as long as the padding is wide, and one more.
    assert torch.autograd.gradcheck(lambda t: P.pool(t, (3, 4), kind=kind, stride=(3, 1), **arguments), [x])
    assert torch.autograd.gradcheck(lambda t: P.global_pool(t, kind), [x])


def test_p_norm_of_zeros_has_no_gradient():
    x = torch.zeros(1, 4, 1, requires_grad=True)
    (gradient,) = torch.autograd.grad(P.pool(x, 2, kind="lp").sum(), x)
    assert gradient.abs().max() == 0


def test_mean_of_windows_cut_off_at_the_end():
    # MXNet 1.9.1's numbers for 1..7 and pooling_convention "full".
    x = torch.arange(1.0, 8).reshape(1, 1, 7)
    for window, stride, pad, count, expected in (
        (2, 2, 0, True, [1.5, 3.5, 5.5, 7]),
        (2, 4, 0, True, [1.5, 5.5, 0]),
        (3, 3, 2, True, [1 / 3, 3, 6, 0]),
        (3, 3, 2, False, [1, 3, 6, 0]),
    ):
        y = P.pool(
            x, window, kind="avg", stride=stride, padding=pad, ceil_mode=True, count_padding=count,
            layout="channels_first",
        )  # fmt: skip
        close(y.flatten(), torch.tensor(expected))


def test_explicit_pairs_count_as_asked():
    x = torch.arange(1.0, 5).reshape(1, 4, 1)
    flat = lambda **kw: P.pool(x, 2, kind="avg", stride=1, padding=[(1, 2)], **kw).flatten().tolist()  # noqa: E731
    assert flat() == [1, 1.5, 2.5, 3.5, 4, 0]
    assert flat(count_padding=True) == [0.5, 1.5, 2.5, 3.5, 2, 0]


@pytest.mark.parametrize("padding", ["same", 1])
def test_padding_never_wins(padding):
    x = torch.full((1, 4, 4, 1), -5.0)
    for window, stride in ((2, 1), (3, 2), (2, 2)):
        assert P.pool(x, window, stride=stride, padding=padding).max() == -5
        assert P.pool(x.int(), window, stride=stride, padding=padding).max() == -5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_dtypes(dtype):
    x = randn(2, 7, 7, 4)
    for kind, padding in itertools.product(("max", "avg", "lp"), ("same", "valid")):
        got = P.pool(x.to(dtype), 3, kind=kind, stride=2, padding=padding)
        assert got.dtype == dtype
        torch.testing.assert_close(
            got.float(), P.pool(x, 3, kind=kind, stride=2, padding=padding), rtol=0.05, atol=0.05
        )
        assert P.global_pool(x.to(dtype), kind).dtype == dtype
    assert P.global_pool(torch.tensor([[[1], [2]]]), "avg").item() == 1.5


@pytest.mark.parametrize("kind", ["max", "avg", "sum", "lp"])
def test_meta_gives_the_same_shape(kind):
    for rank, padding, ceil_mode in itertools.product((1, 2, 3), ("same", "valid", 1), (False, True)):
        x = randn(2, *SIZES[rank], 3)
        real = P.pool(x, 3, kind=kind, stride=4, padding=padding, ceil_mode=ceil_mode)
        meta = P.pool(x.to("meta"), 3, kind=kind, stride=4, padding=padding, ceil_mode=ceil_mode)
        assert meta.shape == real.shape and meta.device.type == "meta"


def test_an_empty_batch_gives_an_empty_batch():
    assert P.pool(randn(0, 6, 6, 4), 2).shape == (0, 3, 3, 4)
    assert P.global_pool(randn(0, 6, 6, 4)).shape == (0, 4)


def test_wrong_arguments_are_named():
    x = randn(1, 6, 6, 2)
    for arguments, words in (
        ({"kind": "median"}, "'median'"),
        ({"padding": "sme"}, "'sme'"),
        ({"stride": (1, 2, 3)}, "stride.*2 of them"),
        ({"layout": "NHWC"}, "'NHWC'"),
    ):
        with pytest.raises(ValueError, match=words):
            P.pool(x, 2, **arguments)
    with pytest.raises(ValueError, match="exceeds"):
        P.pool(x, 7)
    with pytest.raises(ValueError, match="cannot be pooled"):
        P.pool(randn(3, 4), 2)


def test_non_contiguous_data():
    x = randn(2, 12, 6, 3)[:, ::2]
    close(P.pool(x, 2), F.max_pool2d(x.movedim(-1, 1), 2).movedim(1, -1))
