import itertools

import pytest
import torch

from aten import calls, close, randn
from oracles import mxnet, real_keras
from tandem.ops import conv as C

WINDOW = {1: (3,), 2: (3, 2), 3: (2, 3, 2)}
SIZES = {1: (9,), 2: (8, 7), 3: (5, 6, 4)}


# --- geometry ---


@pytest.mark.parametrize("size", range(1, 9))
def test_same_padding_gives_ceil_of_size_over_stride(size):
    for window, stride, dilation in itertools.product((1, 2, 3, 4), (1, 2, 3), (1, 2)):
        before, after = C.same_padding(size, window, stride, dilation)
        assert 0 <= after - before <= 1
        reach = (window - 1) * dilation + 1
        assert max(size + before + after - reach, 0) // stride + 1 == -(-size // stride)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_output_sizes_agree_with_the_operation(rank):
    x = randn(1, *SIZES[rank], 2, dtype=torch.float32).to("meta")
    w = randn(*WINDOW[rank], 2, 3).to("meta")
    wt = randn(*WINDOW[rank], 3, 2).to("meta")
    for padding, stride, dilation in itertools.product(("valid", "same", 1, [(1, 0)] * rank), (1, 2, 3), (1, 2)):
        kw = {"stride": stride, "padding": padding, "dilation": dilation}
        sizes = C.conv_output_sizes(SIZES[rank], WINDOW[rank], **kw)
        if min(sizes) > 0:
            assert tuple(C.conv(x, w, **kw).shape) == (1, *sizes, 3)
        for extra in (None, 0, 1):
            sizes = C.conv_transpose_output_sizes(SIZES[rank], WINDOW[rank], output_padding=extra, **kw)
            assert tuple(C.conv_transpose(x, wt, output_padding=extra, **kw).shape) == (1, *sizes, 3)


def test_unknown_sizes_stay_unknown():
    assert C.conv_output_sizes((None, 8), 3, stride=2, padding="same") == (None, 4)
    assert C.conv_output_sizes((None, 8), 3) == (None, 6)
    assert C.conv_transpose_output_sizes((None, 8), 3, stride=2, padding="same") == (None, 16)


# --- speed: no copies ---


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_channels_last_is_one_call_and_stays_channels_last(rank):
    x, w, b = randn(2, *SIZES[rank], 4), randn(*(3,) * rank, 4, 5), randn(5)
    assert calls(C.conv, x, w, b, padding="same") == ["convolution"]
    assert C.conv(x, w, b, padding="same").is_contiguous()
    w = randn(*(4,) * rank, 5, 4)
    assert calls(C.conv_transpose, x, w, b, padding="same", stride=2) == ["convolution"]
    assert C.conv_transpose(x, w, b, padding="same", stride=2).is_contiguous()


def test_only_what_differs_between_the_ends_is_padded_by_copy():
    x, w = randn(2, 8, 8, 4), randn(4, 4, 4, 5)
    assert calls(C.conv, x, w, padding="same") == ["constant_pad_nd", "convolution"]
    assert C.conv(x, w, padding="same").is_contiguous()


# --- numbers ---


@pytest.mark.oracle
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_conv_against_keras(rank, layout):
    keras = real_keras()
    last = layout == "channels_last"
    for padding, stride, dilation, groups in itertools.product(
        ("valid", "same", "causal")[: 3 if rank == 1 else 2], (1, 2, 3), (1, 2), (1, 2)
    ):
        if stride > 1 and dilation > 1:
            continue  # Keras refuses both together
        if padding == "causal" and not last:
            continue
        x = randn(2, *SIZES[rank], 4) if last else randn(2, 4, *SIZES[rank])
        w = randn(*WINDOW[rank], 4 // groups, 6)
        b = randn(6)
        ours = C.conv(x, w, b, stride=stride, padding=padding, dilation=dilation, groups=groups, layout=layout)
        if padding == "causal":
            layer = keras.layers.Conv1D(6, 3, stride, "causal", dilation_rate=dilation, groups=groups)
            layer.build(x.shape)
            layer.set_weights([w.numpy(), b.numpy()])
            theirs = layer(x)
        else:
            theirs = keras.ops.conv(x, w, stride, padding, layout, dilation)
            theirs = theirs + (b if last else b.reshape(-1, *(1,) * rank))
        close(ours, theirs)


@pytest.mark.oracle
@pytest.mark.parametrize("rank", [1, 2])
def test_depthwise_and_separable_against_keras(rank):
    keras = real_keras()
    x, w, p, b = randn(2, *SIZES[rank], 3), randn(*(3,) * rank, 3, 2), randn(*(1,) * rank, 6, 4), randn(4)
    for padding, stride in itertools.product(("valid", "same"), (1, 2)):
        close(
            C.depthwise_conv(x, w, stride=stride, padding=padding),
            keras.ops.depthwise_conv(x, w, stride, padding, "channels_last"),
        )
        close(
            C.separable_conv(x, w, p, b, stride=stride, padding=padding),
            keras.ops.separable_conv(x, w, p, stride, padding, "channels_last") + b,
        )


@pytest.mark.oracle
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_conv_transpose_against_keras(rank):
    keras = real_keras()
    sizes = {1: (4,), 2: (3, 4), 3: (2, 3, 2)}[rank]
    kinds = itertools.product(("valid", "same"), (1, 2, 3, 4), (1, 2, 3), (None, 0, 1, 2), (1, 2))
    for padding, window, stride, extra, dilation in kinds:
        if (stride > 1 and dilation > 1) or (rank == 3 and window == 4):
            continue
        x, w = randn(2, *sizes, 3), randn(*(window,) * rank, 2, 3)
        theirs = keras.ops.conv_transpose(x, w, stride, padding, extra, "channels_last", dilation)
        ours = C.conv_transpose(
            x, w, torch.zeros(2), stride=stride, padding=padding, output_padding=extra, dilation=dilation
        )
        close(ours, theirs)
        first = C.conv_transpose(
            x.movedim(-1, 1), w, stride=stride, padding=padding, output_padding=extra, dilation=dilation,
            layout="channels_first",
        )  # fmt: skip
        close(first.movedim(1, -1), theirs)


@pytest.mark.oracle
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_conv_and_gradients_against_mxnet(rank):
    kinds = list(itertools.product((1, 2), (0, 1, 2), (1, 2), (1, 2)))
    x, b = randn(2, 4, *SIZES[rank], grad=True), randn(6, grad=True)
    weights = {g: randn(6, 4 // g, *WINDOW[rank], grad=True) for g in (1, 2)}
    code = """
    out = []
    for stride, pad, dilate, groups in kinds:
        d, v, c = nd.array(x), nd.array(w1 if groups == 1 else w2), nd.array(b)
        for a in (d, v, c):
            a.attach_grad()
        with autograd.record():
            y = nd.Convolution(d, v, c, kernel=v.shape[2:], stride=(stride,) * rank, pad=(pad,) * rank,
                               dilate=(dilate,) * rank, num_filter=6, num_group=groups)
            z = (y * y).sum()
        z.backward()
        out.append([y, d.grad, v.grad, c.grad])
    """
    w1, w2 = (weights[g].detach().numpy() for g in (1, 2))
    out = mxnet.run(
        code, ["out"], kinds=kinds, rank=rank, x=x.detach().numpy(), b=b.detach().numpy(), w1=w1, w2=w2
    )["out"]  # fmt: skip
    for (stride, pad, dilate, groups), theirs in zip(kinds, out):
        w = weights[groups]
        y = C.conv(
            x, w, b, stride=stride, padding=pad, dilation=dilate, groups=groups, layout="channels_first",
            weight_layout="oi_spatial",
        )  # fmt: skip
        ours = [y, *torch.autograd.grad(y.square().sum(), (x, w, b))]
        for mine, other in zip(ours, theirs):
            close(mine, other, 1e-3)


@pytest.mark.oracle
@pytest.mark.parametrize("rank", [1, 2])
def test_deconvolution_and_gradients_against_mxnet(rank):
    kinds = [k for k in itertools.product((1, 2, 3), (0, 1), (0, 1, 2), (1, 2)) if k[2] < k[0]]
    sizes = {1: (5,), 2: (4, 5)}[rank]
    x, b = randn(2, 4, *sizes, grad=True), randn(6, grad=True)
    weights = {g: randn(4, 6 // g, *WINDOW[rank], grad=True) for g in (1, 2)}
    code = """
    out = []
    for stride, pad, adj, groups in kinds:
        d, v, c = nd.array(x), nd.array(w1 if groups == 1 else w2), nd.array(b)
        for a in (d, v, c):
            a.attach_grad()
        with autograd.record():
            y = nd.Deconvolution(d, v, c, kernel=v.shape[2:], stride=(stride,) * rank, pad=(pad,) * rank,
                                 adj=(adj,) * rank, num_filter=6, num_group=groups, no_bias=False)
            z = (y * y).sum()
        z.backward()
        out.append([y, d.grad, v.grad, c.grad])
    """
    w1, w2 = (weights[g].detach().numpy() for g in (1, 2))
    out = mxnet.run(
        code, ["out"], kinds=kinds, rank=rank, x=x.detach().numpy(), b=b.detach().numpy(), w1=w1, w2=w2
    )["out"]  # fmt: skip
    for (stride, pad, adj, groups), theirs in zip(kinds, out):
        w = weights[groups]
        y = C.conv_transpose(
            x, w, b, stride=stride, padding=pad, output_padding=adj, groups=groups, layout="channels_first",
            weight_layout="io_spatial",
        )  # fmt: skip
        ours = [y, *torch.autograd.grad(y.square().sum(), (x, w, b))]
        for mine, other in zip(ours, theirs):
            close(mine, other, 1e-3)


def test_target_shape_is_reached():
    # The numbers are MXNet 1.9.1's for data 1..5, window (1, 10, 100), stride 2; its CPU build with oneDNN fails here.
    x, w = torch.arange(1.0, 6).reshape(1, 1, 5), torch.tensor([1.0, 10, 100]).reshape(1, 1, 3)
    for target, first, last in ((11, 1, 500), (10, 10, 500), (9, 10, 50), (8, 102, 50)):
        pad, adj = C.transpose_padding_for_target((5,), 3, target=target, stride=2)
        y = C.conv_transpose(
            x, w, stride=2, padding=pad, output_padding=adj, layout="channels_first", weight_layout="io_spatial"
        )
        assert (y.numel(), y[0, 0, 0].item(), y[0, 0, -1].item()) == (target, first, last)
    for target, stride in ((12, 2), (6, 1)):
        with pytest.raises(ValueError, match="cannot be reached"):
            C.transpose_padding_for_target((5,), 3, target=target, stride=stride)


def test_weight_layouts_are_one_weight_seen_differently():
    x, w = randn(2, 6, 7, 3), randn(3, 2, 3, 4)
    expected = C.conv(x, w)
    close(C.conv(x, w.permute(3, 2, 0, 1), weight_layout="oi_spatial"), expected)
    close(C.conv(x, w.permute(3, 0, 1, 2), weight_layout="o_spatial_i"), expected)
    w = randn(3, 2, 4, 3)
    expected = C.conv_transpose(x, w)
    close(C.conv_transpose(x, w.permute(3, 2, 0, 1), weight_layout="io_spatial"), expected)
    close(C.conv_transpose(x, w.permute(3, 0, 1, 2), weight_layout="i_spatial_o"), expected)


@pytest.mark.parametrize(
    ("function", "rank", "arguments"),
    [
        (C.conv, 1, {"padding": "causal", "dilation": 2}),
        (C.conv, 1, {"padding": "same", "stride": 2}),
        (C.conv, 2, {"padding": "same", "stride": 2, "groups": 2}),
        (C.conv, 2, {"padding": [(2, 0), (0, 1)], "layout": "channels_first"}),
        (C.conv, 3, {"padding": "same"}),
        (C.conv_transpose, 1, {"padding": "same", "stride": 2}),
        (C.conv_transpose, 2, {"padding": "same", "stride": 2, "output_padding": 1}),
        (C.conv_transpose, 2, {"padding": "same", "stride": (3, 2), "layout": "channels_first"}),
        (C.conv_transpose, 2, {"padding": [(0, 1), (1, 0)], "output_padding": 3}),
    ],
)
def test_gradients(function, rank, arguments):
    sizes, groups = (4, 3, 3)[:rank], arguments.get("groups", 1)
    last = arguments.get("layout") != "channels_first"
    x = randn(2, *sizes, 2, dtype=torch.float64) if last else randn(2, 2, *sizes, dtype=torch.float64)
    channels = (2 // groups, 2) if function is C.conv else (2, 2 // groups)
    w, b = randn(*(3, 2, 2)[:rank], *channels, dtype=torch.float64), randn(2, dtype=torch.float64)
    leaves = [t.requires_grad_() for t in (x, w, b)]
    assert torch.autograd.gradcheck(lambda *t: function(*t, **arguments), leaves)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_dtypes(dtype):
    x, w, b = randn(2, 6, 6, 4), randn(3, 3, 4, 4), randn(4)
    for function in (C.conv, C.conv_transpose):
        expected = function(x, w, b, stride=2, padding="same")
        got = function(x.to(dtype), w.to(dtype), b.to(dtype), stride=2, padding="same")
        assert got.dtype == dtype
        torch.testing.assert_close(got.float(), expected, rtol=0.05, atol=0.1)


def test_an_empty_batch_gives_an_empty_batch():
    assert C.conv(randn(0, 6, 6, 4), randn(3, 3, 4, 5), randn(5), padding="same").shape == (0, 6, 6, 5)
    assert C.conv(randn(0, 6, 4), randn(3, 4, 5)).shape == (0, 4, 5)


def test_wrong_arguments_are_named():
    x, w = randn(1, 6, 6, 2), randn(3, 3, 2, 4)
    for arguments, words in (
        ({"padding": "sme"}, "'sme'"),
        ({"padding": "causal"}, "one spatial axis"),
        ({"stride": (1, 2, 3)}, "stride.*2 of them"),
        ({"layout": "NHWC"}, "'NHWC'"),
        ({"weight_layout": "hwio"}, "'hwio'"),
    ):
        with pytest.raises(ValueError, match=words):
            C.conv(x, w, **arguments)
    with pytest.raises(ValueError, match="do not go together"):
        C.conv(x, randn(3, 2, 4))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_weight_laid_out_for_channels_last_keeps_its_values_and_its_gradient_comes_so(rank):
    weight = torch.randn(*[3, 2, 3][:rank], 4, 5)
    other = C.laid_out(weight, "spatial_io")
    assert torch.equal(other, weight)
    assert other.movedim(-1, 0).is_contiguous()
    x = torch.randn(2, *[7, 6, 5][:rank], 4)
    first, second = (value.clone().requires_grad_() for value in (weight, other))
    assert second.stride() == other.stride()
    ys = [C.conv(x, value) for value in (first, second)]
    torch.testing.assert_close(*ys)
    grads = [torch.autograd.grad(y.square().sum(), value)[0] for y, value in zip(ys, (first, second))]
    torch.testing.assert_close(*grads)
    assert rank == 3 or grads[1].stride() == other.stride()
