"""Things that a replay could get wrong without a word: kernels, hooks, functions of the user's own."""

import copy
import warnings

import pytest
import torch
from torch import nn

from tandem.core import scope
from tandem.core.module import Module
from tandem.engine.hybrid import Hybrid
from tandem.engine.replay import EagerWarning, Step

LAYOUTS = {
    "plain": lambda x: x.contiguous(),
    "channels last": lambda x: x.movedim(1, -1).contiguous().movedim(-1, 1),
    "batch last": lambda x: x.movedim(0, -1).contiguous().movedim(-1, 0),
    "part of a larger one": lambda x: torch.cat([x, x], 1)[:, : x.shape[1]],
    "every second": lambda x: x.repeat_interleave(2, 0)[::2],
    "one for all": lambda x: x[:1].expand(x.shape),
}


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3), (4, 5, 3, 2), (2, 5, 3, 2, 2)], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_batch_norm_of_a_batch_in_any_layout(layout, shape):
    """Torch's own kernel with `out=` computes other statistics for batches that are not dense."""

    def make():
        mean, variance = torch.zeros(5), torch.ones(5)

        def function(x):
            y = LAYOUTS[layout](x)
            return nn.functional.batch_norm(y, mean, variance, training=True), mean, variance

        return function

    step, eager = Step(make()), make()
    for number in range(5):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(number))
        for mine, theirs in zip(step(x), eager(x), strict=True):
            assert torch.equal(mine, theirs)
    assert step.programs


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 3 * x**2 * grad


class Reading(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * float(x.detach().numpy().max())

    @staticmethod
    def backward(ctx, grad):
        return grad


def test_a_users_autograd_function_is_recorded():
    weight = nn.Parameter(torch.tensor([2.0, -1.0]))

    def function(x):
        y = Cube.apply(x * weight).sum()
        return y.detach(), torch.autograd.grad(y, weight)[0]

    step = Step(function)
    for number in range(5):
        x = torch.tensor([1.0, 0.5]) * number
        for mine, theirs in zip(step(x), function(x), strict=True):
            assert torch.equal(mine, theirs)
    assert step.programs


def test_one_that_reads_values_is_not():
    step = Step(lambda x: Reading.apply(x * 1.0))
    with pytest.warns(EagerWarning, match="read into Python"):
        for number in range(5):
            assert step(torch.tensor([float(number)])).tolist() == [number**2]


def test_values_that_follow_from_numbers_may_be_read():
    def function(x):
        counts = torch.cat([torch.tensor([2, 1]), torch.tensor([3])])
        times, _, factor = counts.tolist()
        if int(torch.arange(times).sum()) == 1:
            x = x + 1
        return x.tile(times) * factor

    step = Step(function)
    for number in range(5):
        x = torch.full((3,), float(number))
        assert torch.equal(step(x), function(x))
    assert step.programs


def test_values_into_which_an_input_was_added_may_not():
    def function(x):
        counts = torch.tensor([2.0, 1.0])
        counts += x
        return x * counts.tolist()[0]

    step = Step(function)
    with pytest.warns(EagerWarning, match="read into Python"):
        for number in range(5):
            assert step(torch.full((2,), float(number))).tolist() == [number * (number + 2.0)] * 2


def test_ctc_loss_with_other_lengths_than_the_recorded_ones():
    log_probs = torch.randn(6, 2, 4).log_softmax(-1).requires_grad_()

    def function(targets, lengths):
        loss = nn.functional.ctc_loss(log_probs, targets, torch.full((2,), 6), lengths)
        return loss.detach(), torch.autograd.grad(loss, log_probs)[0]

    step = Step(function)
    targets = torch.tensor([[1, 2, 3], [2, 1, 2]])
    for lengths in ([3, 1], [1, 1], [1, 2], [3, 3], [2, 1], [1, 3]):
        for mine, theirs in zip(
            step(targets, torch.tensor(lengths)), function(targets, torch.tensor(lengths)), strict=True
        ):
            assert torch.equal(mine, theirs)
    assert step.programs


# --- hooks ------------------------------------------------------------------------------------------------------------


class Ours(Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x):
        return self.inner(x) + 1.0


@pytest.mark.parametrize("method", ["register_forward_hook", "register_forward_pre_hook"])
@pytest.mark.parametrize("where", ["ours", "plain"])
def test_a_hook_is_called_in_every_step(where, method):
    model = Ours()
    module = model if where == "ours" else model.inner
    step = Step(model, watch=(model,))
    x, calls = torch.ones(2, 3), []
    with torch.no_grad():
        for _ in range(4):
            step(x)
        assert len(step.programs) == 1
        handle = getattr(module, method)(lambda *args: calls.append(1))
        with pytest.warns(EagerWarning, match=r"a layer has a hook.*test_faithful\.py, line \d+"):
            for _ in range(4):
                step(x)
        assert len(calls) == 4
        handle.remove()
        for _ in range(4):
            assert torch.equal(step(x), model(x))
        assert len(calls) == 4


# --- attributes of objects that do not say when one is set ------------------------------------------------------------


def test_attributes_of_plain_modules_and_objects():
    class Scale:
        factor = 1.0

    model, scale = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.0), nn.Softplus()), Scale()
    step = Step(lambda x: model(x) * scale.factor, watch=(model, scale))
    x = torch.randn(2, 3)

    def set_later():
        yield lambda: None
        yield lambda: setattr(scale, "factor", 3.0)
        yield lambda: setattr(model[2], "beta", 2.0)
        yield lambda: setattr(model[1], "p", 1.0)
        yield lambda: setattr(model[1], "p", 0.0)
        yield lambda: model.__setitem__(0, nn.Linear(3, 3))
        yield lambda: model.append(nn.Tanh())
        yield lambda: torch.nn.utils.parametrizations.spectral_norm(model[0])
        yield lambda: setattr(model[0], "bias", None)
        yield lambda: model.eval()

    with torch.no_grad():
        for change in set_later():
            change()
            reference, factor = copy.deepcopy(model), scale.factor
            for _ in range(4):
                assert torch.equal(step(x), reference(x) * factor)
            assert step.programs


def test_a_new_object_at_the_address_of_an_old_one():
    class Holding(Module):
        def __init__(self):
            super().__init__()
            self.function = torch.sin

        def forward(self, x):
            return self.function(x)

    model = Holding()
    step = Step(model, watch=(model,))
    x = torch.ones(2)
    for number in range(40):
        model.function = None  # frees the last one, whose address the next may get
        model.function = (lambda factor: lambda x: x * factor)(float(number))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EagerWarning)  # of so many functions
            for _ in range(3):
                assert step(x).tolist() == [number, number]


def test_attributes_set_in_every_call():
    class Keeping(nn.Module):
        def forward(self, x):
            self.last = x * 2.0
            return self.last + 1.0

    model = Keeping()
    step = Step(model, watch=(model,))
    with pytest.warns(EagerWarning, match="an attribute of a layer or model is set in every call"):
        for number in range(12):
            assert step(torch.full((1,), float(number))).item() == 2 * number + 1
            assert model.last.item() == 2 * number
    assert len(step._kinds) < 8


# --- pieces whose gradient is asked for later -------------------------------------------------------------------------


def _hybrid(*sizes):
    net = nn.Sequential(nn.Linear(*sizes), nn.Tanh())
    return net, Hybrid(net, lambda: list(net.parameters()), watch=(net,))


def test_weights_that_are_also_behind_the_input():
    net, hybrid = _hybrid(3, 3)
    for number in range(6):
        x = torch.randn(2, 3, generator=torch.Generator().manual_seed(number))
        grads = []
        for call in (net, hybrid):
            net.zero_grad()
            call(call(call(x)) * 2).sum().backward()
            grads.append([parameter.grad.clone() for parameter in net.parameters()])
        for mine, theirs in zip(*grads, strict=True):
            torch.testing.assert_close(mine, theirs)
    assert any(kind.recording for kind in hybrid._joint.values())


def test_hooks_on_parameters_run_once_in_each_backward_pass():
    net, hybrid = _hybrid(3, 2)
    calls = []
    net[0].weight.register_hook(lambda grad: (calls.append(1), grad * 3)[1])
    x = torch.randn(2, 3)
    net(x).sum().backward()
    wanted = net[0].weight.grad.clone()
    for number in range(5):
        net.zero_grad()
        hybrid(x).sum().backward()
        assert torch.equal(net[0].weight.grad, wanted)
        assert len(calls) == number + 2


def test_what_has_no_gradients_at_all_is_replayed():
    net, hybrid = _hybrid(3, 2)
    net.requires_grad_(False)
    x = torch.randn(2, 3)
    for _ in range(4):
        assert torch.equal(hybrid(x), net(x))
    assert len(hybrid.programs) == 1
    net.requires_grad_(True)
    for _ in range(4):
        net.zero_grad()
        hybrid(x).sum().backward()
        assert net[0].weight.grad is not None
    net.requires_grad_(False)
    assert torch.equal(hybrid(x), net(x))


def test_nothing_is_recorded_where_nothing_shall_be():
    calls = []
    step = Step(lambda x: (calls.append(1), x + 1.0)[1])
    with scope.eagerly():
        for _ in range(5):
            step(torch.ones(1))
    assert len(calls) == 5
    assert step.programs == []
