"""A hybridized block gives what it gives without, forward and backward, however its calls are interleaved."""

import copy

import pytest
import torch
from torch import nn

from tandem.engine.hybrid import Hybrid


def _pair(dropout=0.0):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(dropout), nn.Linear(64, 3)
    )
    other = copy.deepcopy(net)
    return net, other, Hybrid(other, lambda: list(other.parameters()), watch=(other,))


def _grads(net):
    return [p.grad.clone() for p in net.parameters()]


def _same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_training_is_the_same(dropout):
    net, other, hybrid = _pair(dropout)
    for step in range(6):
        x = torch.randn(2, 2, 6, 6)
        results = []
        for module, call in ((net, net), (other, hybrid)):
            torch.manual_seed(step)
            module.zero_grad()
            y = (x * 1.0).requires_grad_()
            out = call(y)
            out.square().sum().backward()
            results.append([out, y.grad, *_grads(module)])
            torch.optim.SGD(module.parameters(), 0.01).step()
        assert _same(*results)
        assert _same(net.buffers(), other.buffers())
    assert any(kind.recording for kind in hybrid._joint.values())


def test_two_forward_passes_before_the_backward_passes():
    net, other, hybrid = _pair()
    for _ in range(5):
        batches = torch.randn(7, 2, 2, 6, 6)
        results = []
        for module, call in ((net, net), (other, hybrid)):
            module.zero_grad()
            losses = [(call(x) * (i + 1)).sum() for i, x in enumerate(batches)]
            for loss in reversed(losses):
                loss.backward()
            results.append(_grads(module))
        for one, two in zip(*results, strict=True):
            torch.testing.assert_close(one, two)


def test_results_are_kept_and_calls_that_are_dropped_leave_nothing_behind():
    net, other, hybrid = _pair()
    xs = torch.randn(8, 2, 2, 6, 6)
    kept = [hybrid(x) for x in xs]
    for out, x in zip(kept, xs, strict=True):
        torch.testing.assert_close(out, net(x))
    with torch.no_grad():
        net.eval(), other.eval()
        kept = [hybrid(x) for x in xs]
        for out, x in zip(kept, xs, strict=True):
            assert torch.equal(out, net(x))


def test_second_derivatives_and_second_backward_raise_a_clear_error():
    _, _, hybrid = _pair()
    x = torch.randn(2, 2, 6, 6)
    for _ in range(3):
        out = hybrid(x.requires_grad_())
    with pytest.raises(RuntimeError, match="hybridize\\(False\\)"):
        torch.autograd.grad(out.sum(), x, create_graph=True)
    out = hybrid(x)
    out.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="hybridize\\(False\\)"):
        out.sum().backward()
