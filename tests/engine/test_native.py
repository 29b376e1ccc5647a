"""Machine code gives what the library's calls give, up to the last bits."""

import math

import pytest
import torch
import torch.nn.functional as F

from tandem.engine import rewrite
from tandem.engine.native import emit, llvm
from tandem.engine.plan import Plan
from tandem.engine.program import Program
from tandem.engine.record import record

pytestmark = pytest.mark.skipif(not llvm.can_compile(), reason="llvmlite is not installed")


def native(function, *inputs):
    """(what a program of machine code gives for `function(*inputs)`, the program)."""
    buffers = [t.clone() for t in inputs]
    _, recording = record(function, buffers, buffers)
    program = Program(recording, buffers, native=True)
    for buffer, tensor in zip(buffers, inputs):
        buffer.copy_(tensor)
    return program.run(), program


def compare(function, *inputs, lines=1, rtol=2e-6, atol=2e-6):
    """Compare with the function itself; `lines`: how many lines the program has (1: all of it is machine code)."""
    expected = function(*[t.clone() for t in inputs])
    got, program = native(function, *inputs)
    if lines is not None:
        assert len(program.lines) == lines, program.source
        assert lines != 1 or program.whole is not None
    for one, other in zip(got, expected, strict=True):
        assert one.dtype is other.dtype
        assert one.shape == other.shape
        torch.testing.assert_close(one, other, rtol=rtol, atol=atol, equal_nan=True)


SPECIAL = torch.tensor(
    [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 1e-30, -1e-30, 88.0, -88.0, 3.0, 0.5, -2.5]
)
_UNARY = [
    torch.neg,
    torch.exp,
    torch.expm1,
    torch.log,
    torch.log1p,
    torch.sqrt,
    torch.rsqrt,
    torch.reciprocal,
    torch.abs,
    torch.tanh,
    torch.sin,
    torch.cos,
    torch.erf,
    torch.floor,
    torch.ceil,
    torch.square,
    torch.sigmoid,
    torch.relu,
    torch.sign,
    torch.logical_not,
    F.silu,
    F.softplus,
    F.elu,
    F.leaky_relu,
    F.hardtanh,
    F.gelu,
    lambda x: F.gelu(x, approximate="tanh"),
    lambda x: x**3,
    lambda x: x**0.5,
    lambda x: x**-2,
    lambda x: x**1.7,
    lambda x: x.clamp(-0.5, 0.7),
    lambda x: x.clamp_min(0.1),
    lambda x: x.clamp_max(0.1),
    lambda x: 1 - x,
    lambda x: 2 / x,
    lambda x: x.to(torch.float64 if x.dtype is torch.float32 else torch.float32),
    lambda x: x > 0.5,
    lambda x: x.masked_fill(x > 0, -1),
    lambda x: (x * 3).int(),
]


@pytest.mark.parametrize("function", _UNARY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_functions_of_one_tensor(function, dtype):
    values = torch.cat([SPECIAL.to(dtype), torch.randn(40, dtype=dtype) * 3])
    if function is _UNARY[-1]:
        values = values.nan_to_num(0, 0, 0)  # not a number has no whole number
    if function in (torch.sin, torch.cos, F.gelu):  # torch's own answers at infinity differ with the processor
        values = values.nan_to_num(0, 0, 0)
    compare(lambda x: [function(x)], values)


_BINARY = [
    torch.add,
    torch.sub,
    torch.mul,
    torch.div,
    torch.maximum,
    torch.minimum,
    torch.eq,
    torch.lt,
    torch.ge,
    torch.logical_and,
    torch.logical_or,
    lambda a, b: torch.where(a > b, a, b),
    lambda a, b: torch.lerp(a, b, 0.3),
    lambda a, b: torch.addcmul(a, a, b, value=0.5),
    lambda a, b: torch.addcdiv(a, a, b, value=0.5),
    lambda a, b: torch.add(a, b, alpha=0.25),
    lambda a, b: torch.rsub(a, b, alpha=2),
]


@pytest.mark.parametrize("function", _BINARY)
@pytest.mark.parametrize(
    "shapes", [((6, 5), (6, 5)), ((6, 5), (5,)), ((6, 1), (1, 5)), ((4, 1, 3), (2, 1)), ((), (7,))]
)
def test_functions_of_two_tensors_broadcast(function, shapes):
    first, second = (torch.randn(shape) for shape in shapes)
    compare(lambda a, b: [function(a, b)], first, second)
    if first.dim() == second.dim() == 2:
        compare(lambda a, b: [function(a.t(), b.t())], first, second)


_REDUCTIONS = [
    lambda x: x.sum(),
    lambda x: x.mean(),
    lambda x: x.sum(0),
    lambda x: x.sum(-1),
    lambda x: x.sum((0, 2), keepdim=True),
    lambda x: x.mean((0, 1)),
    lambda x: x.amax(-1),
    lambda x: x.amin(0),
    lambda x: x.argmax(-1),
    lambda x: x.softmax(-1),
    lambda x: x.log_softmax(1),
    lambda x: x.softmax(0),
    lambda x: (x > 0).sum(),
    lambda x: (x * 2).exp().sum(1),
]


@pytest.mark.parametrize("function", _REDUCTIONS)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_reductions(function, order):
    compare(lambda x: [function(x)], torch.randn(5, 4, 6).permute(order), lines=None)


@pytest.mark.parametrize("transposed", [0, 1, 2, 3])
def test_small_products(transposed):
    a, b, c = torch.randn(7, 5), torch.randn(5, 9), torch.randn(9)
    a = a.t().contiguous().t() if transposed & 1 else a
    b = b.t().contiguous().t() if transposed & 2 else b
    compare(lambda a, b: [a @ b], a, b)
    compare(lambda a, b, c: [torch.addmm(c, a, b).relu()], a, b, c)


def test_losses_and_their_gradients():
    p, y = torch.rand(6, 3), torch.rand(6, 3)
    for reduction in ("none", "mean", "sum"):

        def step(p, y, reduction=reduction):
            p = p.detach().requires_grad_()
            loss = F.binary_cross_entropy(p, y, reduction=reduction) + F.mse_loss(p, y, reduction=reduction)
            (grad,) = torch.autograd.grad(loss.sum(), [p])
            return [loss, grad]

        compare(step, p, y)


@pytest.mark.parametrize("amsgrad", [False, True])
def test_optimizers(amsgrad):
    def make(kind, **options):
        torch.manual_seed(0)
        params = [torch.nn.Parameter(torch.randn(s)) for s in ((4, 3), (3,), (3,), ())]
        return params, kind(params, fused=True, **options)

    for kind, options in (
        (torch.optim.Adam, {"amsgrad": amsgrad, "weight_decay": 0.1}),
        (torch.optim.AdamW, {"amsgrad": amsgrad}),
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": amsgrad, "weight_decay": 0.01}),
    ):
        results = []
        for machine_code in (False, True):
            params, optimizer = make(kind, **options)

            def step(x, params=params, optimizer=optimizer):
                with torch.enable_grad():
                    loss = ((x @ params[0] + params[1] - params[2] * params[3]) ** 2).mean()
                    grads = torch.autograd.grad(loss, params)
                with torch.no_grad():
                    for parameter, grad in zip(params, grads):
                        parameter.grad = grad
                    optimizer.step()
                return [loss.detach()]

            inputs = [torch.randn(8, 4, generator=torch.Generator().manual_seed(n)) for n in range(5)]
            for x in inputs[:2]:
                step(x)
            if machine_code:
                buffer = inputs[2].clone()
                _, recording = record(step, [buffer], [buffer])
                program = Program(recording, [buffer], native=True)
                for x in inputs[3:]:
                    buffer.copy_(x)
                    program.run()
            else:
                for x in inputs[2:]:
                    step(x)
            results.append([p.detach().clone() for p in params])
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_large_loops_are_joined_and_divided_among_threads():
    x, y = torch.randn(300, 257), torch.randn(257)

    def function(x, y):
        z = (x * y + 1).relu()
        return [z, z * 2 - y, z.sum(0)]

    compare(function, x, y, rtol=1e-4, atol=1e-4)


def test_what_was_changed_in_place_is_read_as_it_is_then():
    def function(x, y):
        before = x + 1
        x.mul_(y)
        after = x + 1
        x.t().add_(after.t())
        return [before, after, x]

    compare(function, torch.randn(5, 5), torch.randn(5, 5))

    def shifted(x):
        x[1:].add_(x[:-1].clone())
        return [x * 2, x[::2] + 1]

    compare(shifted, torch.randn(9))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(6, 5), (4, 3, 7, 5), (3, 8, 20, 20)])
@pytest.mark.parametrize("last", [True, False])
def test_batch_normalisation(training, shape, last):
    if last and len(shape) == 4:
        x = (torch.randn(shape) * 2 + 30).to(memory_format=torch.channels_last)
    else:
        x = torch.randn(shape) * 2 + 30
    weight, bias, mean, variance = (
        torch.randn(shape[1]),
        torch.randn(shape[1]),
        torch.zeros(shape[1]),
        torch.ones(shape[1]),
    )

    def step(x, weight, bias, mean, variance):
        leaves = [t.detach().requires_grad_() for t in (x, weight, bias)]
        y = F.batch_norm(leaves[0], mean, variance, *leaves[1:], training, 0.2, 1e-3).relu()
        return [y.detach(), *torch.autograd.grad((y * y).sum(), leaves), mean, variance]

    compare(step, x, weight, bias, mean, variance, lines=None, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("pad", [(1, 2), (0, 1, 2, 0), (-1, 2, 1, -2), (-1, -1)])
def test_padding(pad):
    compare(lambda x: [F.pad(x * 2, pad, value=0.5)], torch.randn(4, 6, 5))
    compare(lambda x: [F.pad(x * 2, pad).t()], torch.randn(6, 5).t())


@pytest.mark.parametrize(("stride", "padding", "last"), [(1, 0, True), (1, 1, True), (2, 1, True), (1, 1, False)])
def test_gradients_of_convolutions(stride, padding, last):
    x, w, b = torch.randn(3, 32, 14, 24), torch.randn(40, 32, 3, 3), torch.randn(40)
    if last:
        x, w = (t.to(memory_format=torch.channels_last) for t in (x, w))

    def step(x, w, b):
        leaves = [t.detach().requires_grad_() for t in (x, w, b)]
        y = F.conv2d(*leaves, stride=stride, padding=padding).relu()
        return list(torch.autograd.grad((y * y).sum(), leaves))

    compare(step, x, w, b, lines=None, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("window", [(2, 2), (3, 2), (4, 4)])
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("relu", [True, False])
def test_max_pooling(window, last, relu):
    x = torch.randn(2, 5, 9, 11).round(decimals=1)  # with equals among them
    if last:
        x = x.to(memory_format=torch.channels_last)

    def step(x):
        leaf = x.detach().requires_grad_()
        y = leaf * 2
        y = y.permute(0, 2, 3, 1).relu().permute(0, 3, 1, 2) if relu else y  # as a layer with channels last does it
        y = F.max_pool2d(y, window)
        return [y.detach(), *torch.autograd.grad((y * y).sum(), leaf)]

    compare(step, x)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")
@pytest.mark.parametrize("form", ["plain", "left", "right", "both", "strided", "spread"])
def test_large_products_by_onednn(monkeypatch, form):
    monkeypatch.setattr(rewrite, "_onednn_multiplies", lambda: True)
    left, right, bias = torch.randn(130, 257), torch.randn(257, 129), torch.randn(129)
    if form in ("left", "both"):
        left = left.t().contiguous().t()
    if form in ("right", "both"):
        right = right.t().contiguous().t()
    if form == "strided":
        left, right = torch.randn(130, 514)[:, ::2], torch.randn(514, 129)[::2]
    if form == "spread":
        left = torch.randn(1, 257).expand(130, 257)

    def function(a, b, c):
        half = torch.mm(a, b).mul_(0.5)
        return [torch.addmm(c, a, b), half, torch.addmm(c, a, b, beta=2.0), torch.mm(b.t(), a.t()[:, :130])]

    inputs = [left, right, bias]
    _, recording = record(function, inputs, inputs)
    program = Program(recording, inputs, native=True)
    names = [call.func._schema.name for line in program.lines for call in line.calls]
    assert names.count("mkldnn::_linear_pointwise") == 3  # the one with a factor stays
    for one, other in zip(program.run(), function(*inputs), strict=True):
        assert one.stride() == other.stride()
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)


def test_many_loops_have_functions_that_equal_ones_share():
    weights = [torch.randn(4, 4) for _ in range(12)]

    def function(x):
        for weight in weights:
            x = torch.tanh(torch.mm(x, weight)) + x.sum(0)
        return [x]

    x = torch.randn(3, 4) * 0.1
    compare(function, x, rtol=1e-5, atol=1e-5)
    buffers = [x.clone()]
    _, recording = record(function, buffers, buffers)
    plan = Plan(recording, buffers, native=True)
    (unit,) = plan.units
    segment = emit.Segment(unit.nests, False)
    assert len(unit.nests) > emit._TOGETHER
    assert segment.text.count("define internal") < len(unit.nests) / 4


def test_a_program_of_too_many_calls_stays_with_the_library(monkeypatch):
    monkeypatch.setattr("tandem.engine.plan._MOST_CALLS", 1)
    _, program = native(lambda x: [torch.tanh(x) * 2], torch.randn(4))
    assert not any(line.compiled for line in program.lines)
