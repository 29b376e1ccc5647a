"""Samplers: their moments and ranges, seeds; dropout: what is kept, shared, scaled, and its gradient."""

import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tandem.ops import random

COUNT = 40_000


def seeded(seed=7):
    return torch.Generator().manual_seed(seed)


# sampler(generator), mean, variance, smallest, largest
SAMPLERS = {
    "uniform": (lambda g: random.uniform((COUNT,), -1.0, 3.0, generator=g), 1, 16 / 12, -1, 3),
    "normal": (lambda g: random.normal((COUNT,), 2.0, 0.5, generator=g), 2, 0.25, -2, 6),
    "truncated": (
        lambda g: random.truncated_normal((COUNT,), 1.0, 0.5, generator=g),
        1,
        (0.5 * 0.87962566) ** 2,
        0,
        2,
    ),
    "randint": (lambda g: random.randint((COUNT,), -2, 3, generator=g), 0, 2, -2, 2),
    "bernoulli": (lambda g: random.bernoulli((COUNT,), 0.3, generator=g), 0.3, 0.21, 0, 1),
    "binomial": (lambda g: random.binomial((COUNT,), 5.0, 0.3, generator=g), 1.5, 1.05, 0, 5),
    "gamma": (lambda g: random.gamma((COUNT,), 2.0, 0.5, generator=g), 1, 0.5, 0, 20),
    "beta": (lambda g: random.beta((COUNT,), 2.0, 3.0, generator=g), 0.4, 0.04, 0, 1),
    "exponential": (lambda g: random.exponential((COUNT,), 2.0, generator=g), 2, 4, 0, 60),
    "poisson": (lambda g: random.poisson((COUNT,), 3.0, generator=g), 3, 3, 0, 30),
    "negative binomial": (lambda g: random.negative_binomial((COUNT,), 4, 0.4, generator=g), 6, 15, 0, 80),
    "generalized": (
        lambda g: random.generalized_negative_binomial((COUNT,), 2.0, 0.3, generator=g),
        2,
        2 + 0.3 * 4,
        0,
        60,
    ),
    "generalized 0": (
        lambda g: random.generalized_negative_binomial((COUNT,), 2.0, 0, generator=g),
        2,
        2,
        0,
        30,
    ),
}


@pytest.mark.parametrize("name", list(SAMPLERS))
def test_moments_range_and_seed(name):
    sample, mean, variance, low, high = SAMPLERS[name]
    draw = sample(seeded())
    assert torch.equal(draw, sample(seeded()))
    assert not torch.equal(draw, sample(seeded(8)))
    values = draw.double()
    assert values.mean().item() == pytest.approx(mean, abs=5 * math.sqrt(variance / COUNT))
    assert values.var().item() == pytest.approx(variance, rel=0.08)
    assert low <= values.min() and values.max() <= high


@pytest.mark.parametrize("name", list(SAMPLERS))
def test_a_generator_leaves_the_global_stream_alone(name):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    SAMPLERS[name][0](seeded())
    assert torch.equal(state, torch.get_rng_state())
    SAMPLERS[name][0](None)
    assert not torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    "sample",
    [
        lambda a, b: random.uniform((3, COUNT // 4), a, a + 1, generator=seeded()),
        lambda a, b: random.normal((3, COUNT // 4), a, b, generator=seeded()) + 0.5,
        lambda a, b: random.truncated_normal((3, COUNT // 4), a, b, generator=seeded()) + 0.5,
        lambda a, b: random.gamma((3, COUNT // 4), a, b, generator=seeded()) / b + 0.5,
        lambda a, b: random.exponential((3, COUNT // 4), a, generator=seeded()) + 0.5,
        lambda a, b: random.poisson((3, COUNT // 4), a, generator=seeded()) + 0.5,
        lambda a, b: random.bernoulli((3, COUNT // 4), a / 10, generator=seeded()) * 10 + 0.5,
    ],
)
def test_parameters_may_be_tensors(sample):
    a, b = torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([[0.5], [1.0], [0.1]])
    draw = sample(a, b)
    assert draw.shape == (3, COUNT // 4)
    np.testing.assert_allclose(draw.mean(1).numpy() - 0.5, a.squeeze(1).numpy(), rtol=0.1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes(dtype):
    for name in ("uniform", "normal", "truncated_normal", "bernoulli", "exponential"):
        assert getattr(random, name)((5,), dtype=dtype).dtype == dtype
    assert random.randint((5,), 0, 2, dtype=torch.int32).dtype == torch.int32


def test_classes_are_drawn_by_their_probabilities():
    probabilities = torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]])
    draw = random.multinomial(probabilities, COUNT // 2, dtype=torch.int32, generator=seeded())
    assert draw.dtype == torch.int32
    shares = torch.stack([(draw == c).float().mean(1) for c in range(3)], 1)
    torch.testing.assert_close(shares, probabilities, atol=0.015, rtol=0)
    again = random.categorical(probabilities.log(), COUNT // 2, generator=seeded())
    assert torch.equal(again, draw.long())
    logs = random.log_likelihood(probabilities, draw)
    torch.testing.assert_close(logs[0, 0].exp(), probabilities[0, draw[0, 0].long()])
    deep = random.multinomial(probabilities.reshape(2, 1, 3), 4, generator=seeded())
    assert deep.shape == (2, 1, 4)


def test_shuffle_keeps_the_entries():
    x = torch.arange(20).reshape(4, 5)
    y = random.shuffle(x, 1, generator=seeded())
    assert torch.equal(y.sort(1).values, x)
    assert not torch.equal(y, x)
    assert torch.equal((y - y[:1]), x - x[:, :1] * 0 - x[:1])  # whole columns move
    assert random.permutation(6, generator=seeded()).sort().values.tolist() == list(range(6))


@pytest.fixture(params=[0, 1 << 30], ids=["bits", "uniform"])
def _either_way(request, monkeypatch):
    """Dropout as it draws for many elements, and as for few."""
    monkeypatch.setattr(random, "_WORTH_BITS", request.param)


# --- dropout --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9, 1e-7, 1 - 1e-7])
def test_dropout_keeps_by_rate_and_scales_without_bias(rate):
    x = torch.ones(COUNT, requires_grad=True)
    y = random.dropout(x, rate, generator=seeded())
    kept = y != 0
    assert kept.double().mean().item() == pytest.approx(1 - rate, abs=5 * math.sqrt(rate * (1 - rate) / COUNT) + 1e-5)
    if kept.any():
        values = y[kept].unique()
        assert len(values) == 1
        assert values.item() == pytest.approx(1 / (1 - rate), rel=1e-4 / (1 - rate))
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_dropout_with_rate_0_and_1():
    x = torch.randn(3, requires_grad=True)
    assert random.dropout(x, 0) is x
    y = random.dropout(x, 1.0)
    assert not y.any()
    assert random.alpha_dropout(x, 0.0) is x
    assert random.gaussian_dropout(x, 0.0) is x


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize(
    ("options", "shared"),
    [
        ({"noise_shape": (None, 1, 3)}, (1,)),
        ({"noise_shape": (1, None, None)}, (0,)),
        ({"noise_shape": (1, 3)}, (0, 1)),
        ({"axes": (1,)}, (1,)),
        ({"axes": 0}, (0,)),
        ({"axes": (0, -1)}, (0, 2)),
    ],
)
def test_dropout_shares_its_draw(options, shared):
    x = torch.ones(50, 40, 3)
    y = random.dropout(x, 0.5, generator=seeded(), **options)
    expected = y.amax(shared, keepdim=True).expand_as(y)
    assert torch.equal(y, expected)
    assert set(y.unique().tolist()) == {0.0, 2.0}


@pytest.mark.usefixtures("_either_way")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 5), min_size=0, max_size=3), st.sampled_from([0.2, 0.5, 0.75]))
def test_dropout_of_any_shape(shape, rate):
    """The random bits are drawn four elements at a time."""
    x = torch.ones(shape)
    y = random.dropout(x, rate, generator=seeded())
    assert y.shape == x.shape
    assert set(y.unique().tolist()) <= {0.0, y.max().item() if y.numel() else 0.0}


@pytest.mark.usefixtures("_either_way")
def test_dropout_is_independent_between_neighbours():
    y = random.dropout(torch.ones(COUNT), 0.5, generator=seeded()) - 1
    for lag in range(1, 9):
        assert abs((y[lag:] * y[:-lag]).mean().item()) < 5 / math.sqrt(COUNT)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dropout_in_other_dtypes_and_layouts(dtype):
    x = torch.ones(4, 3, 5, 5, dtype=dtype).to(memory_format=torch.channels_last)
    y = random.dropout(x, 0.5, generator=seeded())
    assert y.dtype == dtype
    assert y.stride() == x.stride()
    assert set(y.unique().tolist()) == {0.0, 2.0}
    assert random.dropout(x.to("meta"), 0.5).shape == x.shape


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_alpha_dropout_keeps_mean_and_variance(rate):
    x = random.normal((COUNT,), generator=seeded(1))
    y = random.alpha_dropout(x, rate, generator=seeded())
    assert y.mean().item() == pytest.approx(0, abs=0.03)
    assert y.var().item() == pytest.approx(1, abs=0.03)
    dropped = y.mode().values
    assert (y == dropped).float().mean().item() == pytest.approx(rate, abs=0.02)
    shared = random.alpha_dropout(torch.ones(30, 4), rate, noise_shape=(None, 1), generator=seeded())
    assert torch.equal(shared, shared[:, :1].expand(-1, 4))


def test_gaussian_layers():
    x = torch.full((COUNT,), 2.0, requires_grad=True)
    y = random.gaussian_dropout(x, 0.2, generator=seeded())
    assert y.mean().item() == pytest.approx(2, abs=0.03)
    assert y.std().item() == pytest.approx(2 * math.sqrt(0.2 / 0.8), rel=0.03)
    y.sum().backward()
    torch.testing.assert_close(x.grad * 2, y.detach())
    y = random.gaussian_noise(x, 0.3, generator=seeded())
    assert (y - x).std().item() == pytest.approx(0.3, rel=0.03)


@pytest.mark.usefixtures("_either_way")
def test_dropout_takes_few_calls(count_calls):
    x = torch.ones(8, 8, requires_grad=True)
    # Two buffers, the bits, the comparison, the scale, the product.
    assert count_calls(lambda: random.dropout(x, 0.5)) <= 6
