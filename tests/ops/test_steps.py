"""What surrounds an update, and running means: the parts that no optimizer's or metric's test looks at by itself."""

import math

import pytest
import torch

from tandem.ops import matrix_updates, means, steps


def test_moving_average_begins_with_the_values():
    averages, params = [torch.zeros(2)], [torch.tensor([1.0, 2.0])]
    steps.moving_average(averages, params, 0.9, torch.tensor(0))
    torch.testing.assert_close(averages[0], params[0])
    steps.moving_average(averages, [params[0] * 3], 0.9, torch.tensor(1))
    torch.testing.assert_close(averages[0], params[0] * (0.9 + 0.3))


def test_mean_with_leaves_the_sums():
    sums, grads = [torch.ones(2)], [torch.full((2,), 5.0)]
    torch.testing.assert_close(steps.mean_with(sums, grads, 3)[0], torch.full((2,), 2.0))
    torch.testing.assert_close(sums[0], torch.ones(2))
    steps.clear(sums)
    assert not sums[0].any()


def test_swap():
    first, second = [torch.tensor([1.0])], [torch.tensor([2.0])]
    steps.swap(first, second)
    assert (first[0].item(), second[0].item()) == (2.0, 1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_all_finite(bad):
    grads = [torch.ones(3), torch.zeros(2)]
    assert steps.all_finite(grads)
    grads[1][1] = bad
    assert not steps.all_finite(grads)


def test_loss_scale_follows_the_gradients():
    scale, counter = torch.tensor(8.0), torch.tensor(0, dtype=torch.int32)
    seen = []
    for finite in (True, True, False, True, True, True):
        steps.adjust_loss_scale(scale, counter, torch.tensor(finite), 2)
        seen.append((scale.item(), counter.item()))
    assert seen == [(8, 1), (16, 0), (8, 0), (8, 1), (16, 0), (16, 1)]


def test_choose():
    targets, before = [torch.tensor([math.nan, 1.0])], [torch.tensor([5.0, 6.0])]
    steps.choose(torch.tensor(False), targets, before)
    assert targets[0].tolist() == [5.0, 6.0]
    steps.choose(torch.tensor(True), [targets[0].add_(1)], before)
    assert targets[0].tolist() == [6.0, 7.0]


def test_a_restart_is_at_its_step():
    for first in (3, 7, 10):
        rate = [float(steps.cosine_restarts(torch.tensor(step), 1.0, first)) for step in range(first * 7 + 1)]
        assert [rate[at] for at in (0, first, first * 3, first * 7)] == pytest.approx([1.0] * 4)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5)])
def test_orthogonalize_gives_singular_values_near_one(shape):
    torch.manual_seed(0)
    values = torch.linalg.svdvals(matrix_updates.orthogonalize(torch.randn(shape, dtype=torch.float64), steps=9))
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_means_of_samples():
    total, count = torch.zeros(()), torch.zeros(())
    means.add_mean(total, count, torch.tensor([[1.0, 3.0], [5.0, 7.0]]))
    assert (total.item(), count.item()) == (8.0, 2.0)
    means.add_mean(total, count, torch.tensor(4.0), 3)
    assert (total.item(), count.item()) == (20.0, 5.0)
    means.add_mean(total, count, torch.tensor([[1.0, 3.0]]), torch.tensor([0.5]))
    assert (total.item(), count.item()) == (21.0, 5.5)
    means.add_mean(total, count, torch.tensor([[1.0, 3.0]]), None, torch.tensor([[True, False]]))
    assert (total.item(), count.item()) == (21.5, 6.0)


def test_everything_runs_on_meta():
    step, rate = torch.empty((), dtype=torch.int32, device="meta"), torch.empty((), device="meta")
    for value in (
        steps.exponential_decay(step, 0.1, 5, 0.9, True),
        steps.inverse_time_decay(step, 0.1, 5, 0.9),
        steps.polynomial_decay(step, 0.1, 5, 0.01, cycle=True),
        steps.cosine_decay(step, 0.1, 5, 0.1, 0.2, 3),
        steps.cosine_restarts(step, 0.1, 5),
        steps.inverse_time_rate(rate, step, 0.1),
        *steps.moment_factors(step, 0.9, 0.99),
    ):
        assert value.shape == ()
        assert value.dtype is torch.float32
        assert value.is_meta
