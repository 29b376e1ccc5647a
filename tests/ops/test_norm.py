import numpy as np
import pytest
import torch

from aten import calls, close, randn
from oracles import mxnet, real_keras
from tandem.ops import norm as M

SHAPES = [
    ((6, 4), -1),
    ((3, 5, 4), -1),
    ((3, 4, 5), 1),
    ((2, 5, 6, 4), -1),
    ((2, 4, 5, 6), 1),
    ((3, 5, 4), 0),
    ((2, 3, 4, 2, 5), 2),
]


def parameters(n, dtype=torch.float32):
    return randn(n, dtype=dtype) + 2, randn(n, dtype=dtype), torch.zeros(n, dtype=dtype), torch.ones(n, dtype=dtype)


# --- over the batch ---


@pytest.mark.oracle
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
@pytest.mark.parametrize("center", [True, False])
def test_batch_norm_against_keras(shape, axis, center):
    keras = real_keras()
    layer = keras.layers.BatchNormalization(axis=axis, momentum=0.9, center=center, scale=not center)
    layer.build(shape)
    n = shape[axis]
    scale, shift, mean, variance = parameters(n)
    scale, shift = (None, shift) if center else (scale, None)
    layer.trainable_variables[0].assign(shift if center else scale)
    for step in range(3):
        x = (randn(*shape) * (step + 1) + step).requires_grad_()
        ours = M.batch_norm_train(x, scale, shift, mean, variance, axis=axis, momentum=0.9)
        theirs = layer(x, training=True)
        close(ours, theirs, 1e-4)
        close(mean, layer.moving_mean.value, 1e-5)
        close(variance, layer.moving_variance.value, 1e-5)
        head = randn(*shape).roll(1, 0)
        close(torch.autograd.grad(ours, x, head)[0], torch.autograd.grad(theirs, x, head)[0], 1e-4)
    close(M.batch_norm(x, scale, shift, mean, variance, axis=axis), layer(x, training=False), 1e-4)


@pytest.mark.oracle
def test_masked_batch_norm_against_keras():
    keras = real_keras()
    x = randn(4, 5, 3) * 2 + 1
    mask = torch.arange(5) < torch.tensor([[3], [2], [0], [5]])
    for chosen in (mask, torch.zeros_like(mask)):
        layer = keras.layers.BatchNormalization(momentum=0.5)
        layer.build(x.shape)
        scale, shift, mean, variance = parameters(3)
        layer.gamma.assign(scale)
        layer.beta.assign(shift)
        ours = M.batch_norm_train(x, scale, shift, mean, variance, momentum=0.5, mask=chosen)
        close(ours, layer(x, training=True, mask=chosen), 1e-4)
        close(mean, layer.moving_mean.value, 1e-5)
        close(variance, layer.moving_variance.value, 1e-5)


@pytest.mark.oracle
@pytest.mark.parametrize("clipped", [False, True])
def test_batch_renorm_against_keras(clipped):
    keras = real_keras()
    clipping = {"rmax": 1.5, "rmin": 0.7, "dmax": 0.3} if clipped else None
    limits = {"least": 0.7, "most": 1.5, "shift_limit": 0.3} if clipped else {}
    layer = keras.layers.BatchNormalization(renorm=True, renorm_momentum=0.8, renorm_clipping=clipping)
    layer.build((64, 3))
    variables = {v.path.split("/")[-1]: v for v in layer.variables}
    scale, shift, mean, deviation = parameters(3)
    layer.gamma.assign(scale)
    layer.beta.assign(shift)
    for _ in range(2):
        x = (randn(64, 3) * 2 + 1).requires_grad_()
        ours, _, _ = M.batch_renorm_train(x, scale, shift, mean, deviation, momentum=0.8, **limits)
        theirs = layer(x, training=True)
        close(ours, theirs, 1e-4)
        close(mean, variables["renorm_mean"].value, 1e-5)
        close(deviation, variables["renorm_stddev"].value, 1e-5)
        head = randn(3, 64).T
        close(torch.autograd.grad(ours, x, head)[0], torch.autograd.grad(theirs, x, head)[0], 1e-4)


@pytest.mark.oracle
@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_batch_norm_against_mxnet(shape, axis):
    """MXNet 1.9.1 keeps the biased variance too, and blends it in when the gradient is computed."""
    scale, shift, mean, variance = parameters(shape[axis])
    x, head = randn(*shape) * 2 + 1, randn(*shape).flip(0)
    code = """
    d, g, b, m, v = (nd.array(a) for a in (x, scale, shift, mean, variance))
    for a in (d, g, b):
        a.attach_grad()
    with autograd.record():
        y = nd.BatchNorm(d, g, b, m, v, eps=1e-3, momentum=0.9, fix_gamma=False, axis=axis)
    y.backward(nd.array(head))
    dx, dg, db = d.grad, g.grad, b.grad
    z = nd.BatchNorm(d, g, b, m, v, eps=1e-3, fix_gamma=False, axis=axis)
    """
    inputs = {"x": x, "head": head, "scale": scale, "shift": shift, "mean": mean, "variance": variance}
    theirs = mxnet.run(
        code, ["y", "dx", "dg", "db", "m", "v", "z"], axis=axis, **{k: t.numpy().copy() for k, t in inputs.items()}
    )
    x, scale, shift = (t.requires_grad_() for t in (x, scale, shift))
    y = M.batch_norm_train(x, scale, shift, mean, variance, axis=axis, momentum=0.9)
    grads = torch.autograd.grad(y, (x, scale, shift), head)
    z = M.batch_norm(x, scale, shift, mean, variance, axis=axis)
    for ours, name in zip((y, *grads, mean, variance, z), theirs):
        close(ours, theirs[name], 2e-4)


def test_two_passes_before_one_gradient():
    """Both steps of a siamese network blend their statistics in; autograd must not take that for a fault."""
    scale, shift, mean, variance = parameters(3)
    x = randn(5, 3, grad=True)
    y = sum(M.batch_norm_train(x * k, scale, shift, mean, variance) for k in (1.0, 2.0))
    y.sum().backward()
    assert x.grad is not None and not variance.equal(torch.ones(3))


def test_one_entry_and_none():
    scale, shift, mean, variance = parameters(3)
    close(M.batch_norm_train(randn(1, 3), scale, shift, mean, variance, momentum=0.9), shift[None])
    close(mean, randn(1, 3)[0] * 0.1)
    close(variance, torch.full((3,), 0.9))
    before = mean.clone()
    assert M.batch_norm_train(randn(0, 3), scale, shift, mean, variance).shape == (0, 3)
    assert mean.equal(before) and variance.isfinite().all()


def test_a_training_step_is_few_calls():
    scale, shift, mean, variance = parameters(4)
    for shape in ((3, 4), (3, 6, 4), (3, 6, 6, 4)):
        made = calls(M.batch_norm_train, randn(*shape), scale, shift, mean, variance)
        assert made == ["mul_", "empty", "native_batch_norm", "mul_"]
        assert M.batch_norm_train(randn(*shape), scale, shift, mean, variance).is_contiguous()


def test_given_statistics_get_gradients():
    x = randn(4, 3, dtype=torch.float64, grad=True)
    leaves = [x, *(t.requires_grad_() for t in parameters(3, torch.float64))]
    assert torch.autograd.gradcheck(lambda *t: M.batch_norm(*t), leaves)


@pytest.mark.parametrize("mask", [None, torch.tensor([[True, True, False], [True, False, False]])])
def test_batch_norm_gradients(mask):
    x = randn(2, 3, 2, dtype=torch.float64, grad=True)
    scale, shift, *_ = (t.requires_grad_() for t in parameters(2, torch.float64))
    assert torch.autograd.gradcheck(lambda *t: M.batch_norm_batch(*t, mask=mask), (x, scale, shift))
    function = lambda *t: M.batch_norm_train(*t, *parameters(2, torch.float64)[2:], mask=mask)  # noqa: E731
    assert torch.autograd.gradcheck(function, (x, scale, shift))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_data_with_float32_parameters(dtype):
    scale, shift, mean, variance = parameters(4)
    x = randn(4, 5, 6, 4) * 30 + 100  # the variance's sum exceeds float16
    moving = mean.clone(), variance.clone()
    y = M.batch_norm_train(x.to(dtype), scale, shift, mean, variance)
    expected = M.batch_norm_train(x.to(dtype).float(), scale, shift, *moving)
    assert y.dtype == dtype
    torch.testing.assert_close(y.float(), expected, rtol=0.02, atol=0.05)
    close(variance, moving[1], 1e-3)
    for function, arguments in (
        (M.layer_norm, {}),
        (M.group_norm, {"groups": 2}),
        (M.instance_norm, {"axis": -1}),
    ):
        y = function(x.to(dtype), scale, shift, **arguments)
        assert y.dtype == dtype
        torch.testing.assert_close(
            y.float(), function(x.to(dtype).float(), scale, shift, **arguments), rtol=0.02, atol=0.05
        )


# --- over a sample's entries ---


@pytest.mark.oracle
@pytest.mark.parametrize("axes", [-1, (1, 2), (2, 1), (0, 2)])
def test_layer_and_rms_norm_against_keras(axes):
    keras = real_keras()
    x = randn(4, 5, 3) * 2 + 1
    axis = list(axes) if isinstance(axes, tuple) else axes
    layer = keras.layers.LayerNormalization(axis=axis)
    layer.build(x.shape)
    scale, shift = randn(*layer.gamma.shape), randn(*layer.gamma.shape) + 1
    layer.gamma.assign(scale)
    layer.beta.assign(shift)
    close(M.layer_norm(x, scale, shift, axes=axes), layer(x), 1e-4)
    if axes != (0, 2):
        layer = keras.layers.RMSNormalization(axis=axis)
        layer.build(x.shape)
        layer.scale.assign(scale)
        close(M.rms_norm(x, scale, axes=axes), layer(x), 1e-4)


@pytest.mark.oracle
def test_group_norm_against_keras():
    keras = real_keras()
    for shape, axis, groups in (((2, 5, 6, 4), -1, 2), ((2, 4, 5), 1, 4), ((2, 5, 4), -1, 1)):
        layer = keras.layers.GroupNormalization(groups, axis=axis)
        layer.build(shape)
        scale, shift = randn(4), randn(4) + 1
        layer.gamma.assign(scale)
        layer.beta.assign(shift)
        x = randn(*shape)
        close(M.group_norm(x, scale, shift, groups=groups, axis=axis), layer(x), 1e-4)


@pytest.mark.oracle
def test_sample_norms_and_gradients_against_mxnet():
    x, head = randn(2, 4, 3, 2) * 2 + 1, randn(2, 4, 3, 2).flip(0)
    four, two, three = randn(4) + 2, randn(2) + 2, randn(3) + 2
    code = """
    def run(function, *arrays):
        arrays = [nd.array(a) for a in arrays]
        for a in arrays:
            a.attach_grad()
        with autograd.record():
            y = function(*arrays)
        y.backward(nd.array(head))
        return [y] + [a.grad for a in arrays]
    out = [
        run(lambda d, g, b: nd.LayerNorm(d, g, b, axis=-1, eps=0.1), x, two, two),
        run(lambda d, g, b: nd.LayerNorm(d, g, b, axis=2, eps=0.1), x, three, three),
        run(lambda d, g, b: nd.GroupNorm(d, g, b, num_groups=2, eps=0.1), x, two, two),
        run(lambda d, g, b: nd.InstanceNorm(d, g, b, eps=0.1), x, four, four),
        run(lambda d: nd.LRN(d, nsize=3, alpha=0.1, beta=0.75, knorm=2), x),
        run(lambda d: nd.L2Normalization(d, mode="instance", eps=0.1), x),
        run(lambda d: nd.L2Normalization(d, mode="channel", eps=0.1), x),
        run(lambda d: nd.L2Normalization(d, mode="spatial", eps=0.1), x),
    ]
    """
    arrays = {"x": x, "head": head, "four": four, "two": two, "three": three}
    out = mxnet.run(code, ["out"], **{k: v.numpy() for k, v in arrays.items()})["out"]
    ours = [
        (lambda d, g, b: M.layer_norm(d, g, b, epsilon=0.1), two),
        (lambda d, g, b: M.layer_norm(d, g, b, axes=2, epsilon=0.1), three),
        (lambda d, g, b: M.group_norm(d, g, b, groups=2, axis=1, epsilon=0.1), two),
        (lambda d, g, b: M.instance_norm(d, g, b, epsilon=0.1), four),
        (lambda d: M.lrn(d, size=3, alpha=0.1), None),
        (lambda d: M.l2_normalize(d, (1, 2, 3), epsilon=0.1), None),
        (lambda d: M.l2_normalize(d, 1, epsilon=0.1), None),
        (lambda d: M.l2_normalize(d, (2, 3), epsilon=0.1), None),
    ]
    for (function, parameter), theirs in zip(ours, out):
        arrays = [x.clone()] if parameter is None else [x.clone(), parameter.clone(), parameter.clone()]
        arrays = [a.requires_grad_() for a in arrays]
        y = function(*arrays)
        for mine, other in zip((y, *torch.autograd.grad(y, arrays, head)), theirs):
            close(mine, other, 1e-4)


@pytest.mark.parametrize("axes", [1, (0, 2), -1])
def test_layer_norm_over_any_axes(axes):
    """Keras 3.15 on torch raises for a single axis that is not the last; on JAX it does this."""
    x = randn(4, 5, 3)
    wide = axes if isinstance(axes, tuple) else (axes,)
    shape = [n if i in [a % 3 for a in wide] else 1 for i, n in enumerate(x.shape)]
    scale = randn(*[n for n in shape if n > 1])
    mean, variance = M.moments(x, axes, keepdims=True)
    expected = (x - mean) / torch.sqrt(variance + 1e-3) * scale.reshape(shape)
    close(M.layer_norm(x, scale, None, axes=axes), expected, 1e-4)
    expected = x / torch.sqrt(x.square().mean(wide, keepdim=True) + 1e-6) * scale.reshape(shape)
    close(M.rms_norm(x, scale, axes=axes), expected, 1e-4)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_lrn_follows_its_definition(size):
    x = randn(2, 6, 3)
    r = (size - 1) // 2
    for c in range(6):
        total = x[:, max(c - r, 0) : c + r + 1].square().sum(1)
        close(M.lrn(x, size=size, alpha=0.5)[:, c], x[:, c] / (2 + 0.5 / size * total) ** 0.75)


@pytest.mark.oracle
def test_normalize_against_keras():
    keras = real_keras()
    w = randn(3, 4, 2)
    w[0, 0] = 0
    for order in (1, 2, 3):
        for epsilon in (1e-12, 0.5):
            theirs = keras.ops.normalize(w, axis=-1, order=order, epsilon=epsilon)
            close(M.normalize(w, order=order, epsilon=epsilon), theirs)


def test_zeros_stay_zeros_with_gradient_zero_and_not_nan():
    x = torch.zeros(2, 3, requires_grad=True)
    for function in (M.normalize, M.l2_normalize, lambda t: M.l2_normalize(t, epsilon=1e-12, guard="most")):
        y = function(x)
        (gradient,) = torch.autograd.grad(y.sum(), x)
        assert y.abs().max() == 0 and gradient.isfinite().all()
    x = torch.tensor([[3.0, 4.0], [0.003, 0.004]])
    close(M.l2_normalize(x, epsilon=1e-2, guard="most"), torch.tensor([[0.6, 0.8], [0.03, 0.04]]))


def test_sample_norm_gradients():
    x = randn(2, 3, 4, dtype=torch.float64, grad=True)
    scale, shift = (t.requires_grad_() for t in parameters(4, torch.float64)[:2])
    for function in (
        lambda *t: M.layer_norm(*t),
        lambda *t: M.group_norm(*t, groups=2),
        lambda *t: M.instance_norm(*t, axis=2),
    ):
        assert torch.autograd.gradcheck(function, (x, scale, shift))
    for function in (M.rms_norm, M.normalize, M.l2_normalize, lambda t: M.lrn(t, size=3)):
        assert torch.autograd.gradcheck(function, (x,))


def test_moments():
    x = randn(3, 4, 5)
    mean, variance = M.moments(x, (0, 2))
    close(mean, np.mean(x.numpy(), (0, 2)))
    close(variance, np.var(x.numpy(), (0, 2)))
    weights = torch.rand(3, 1, 5)
    mean, variance = M.moments(x, (0, 2), mask=weights)
    wide = np.broadcast_to(weights.numpy(), x.shape)
    expected = np.average(x.numpy(), (0, 2), wide)
    close(mean, expected)
    close(variance, np.average((x.numpy() - expected[None, :, None]) ** 2, (0, 2), wide))
    assert M.moments(torch.tensor([1, 2]))[0].item() == 1.5


def test_meta_gives_the_same_shapes():
    for shape, axis in SHAPES:
        x = randn(*shape).to("meta")
        p = [t.to("meta") for t in parameters(shape[axis])]
        assert M.batch_norm_train(x, *p, axis=axis).shape == shape
        assert M.batch_norm(x, *p, axis=axis).shape == shape
        assert M.group_norm(x, *p[:2], groups=1, axis=axis).shape == shape or axis == 0
        assert M.layer_norm(x, *p[:2], axes=axis).shape == shape


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"axis.*-2 to 1.*Given: 2"):
        M.layer_norm(randn(2, 3), None, None, axes=2)
    with pytest.raises(ValueError, match=r"divisor of 3.*Given: 2"):
        M.group_norm(randn(2, 3), None, None, groups=2)


def test_group_norm_of_data_that_want_no_gradient():
    x = torch.randn(4, 5, 5, 6)
    scale, shift = torch.ones(6, requires_grad=True), torch.zeros(6, requires_grad=True)
    for data in (x, x.clone().requires_grad_()):
        M.group_norm(data, scale, shift, groups=2).square().sum().backward()
    once, twice = scale.grad / 2, shift.grad / 2
    scale.grad = shift.grad = None
    M.group_norm(x, scale, shift, groups=2).square().sum().backward()
    torch.testing.assert_close(scale.grad, once)
    torch.testing.assert_close(shift.grad, twice)
