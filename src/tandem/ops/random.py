"""Random numbers and random layers.

Samplers take ``shape``, the distribution's parameters (numbers, or tensors that broadcast to the shape), ``dtype``,
``device`` and ``generator`` (a torch.Generator on that device; None is torch's global one), and give a new tensor. The
same generator state gives the same numbers; the frameworks' own streams are not reproduced.
"""

import math

import torch
import torch.nn.functional as F

# From this many elements on dropout draws random bits; below it the views that this takes cost more than they save.
_WORTH_BITS = 1024


def uniform(shape, low=0.0, high=1.0, *, dtype=None, device=None, generator=None):
    """Numbers from [low, high)."""
    if _numbers(low, high):
        return _empty(shape, dtype, device).uniform_(low, high, generator=generator)
    draw = _empty(shape, _float_of(dtype, low, high), _device_of(device, low, high)).uniform_(generator=generator)
    return low + draw * (high - low)


def normal(shape, mean=0.0, stddev=1.0, *, dtype=None, device=None, generator=None):
    """Normally distributed numbers."""
    if _numbers(mean, stddev):
        return _empty(shape, dtype, device).normal_(mean, stddev, generator=generator)
    draw = _empty(shape, _float_of(dtype, mean, stddev), _device_of(device, mean, stddev))
    return mean + draw.normal_(generator=generator) * stddev


def truncated_normal(shape, mean=0.0, stddev=1.0, *, bound=2.0, dtype=None, device=None, generator=None):
    """Normal numbers of which those further than ``bound * stddev`` from the mean were drawn again.

    Their own deviation is smaller than stddev: 0.87962566 of it at bound 2.
    """
    # The inverse distribution function of uniform numbers between its values at the bounds.
    edge = math.erf(bound / math.sqrt(2))
    wide = dtype if dtype in (torch.float64, torch.float32) else torch.float32
    draw = _empty(shape, wide, device).uniform_(-edge, edge, generator=generator)
    draw = draw.erfinv_().mul_(math.sqrt(2)).clamp_(-bound, bound)
    draw = draw.mul_(stddev).add_(mean) if _numbers(mean, stddev) else draw * stddev + mean
    return draw.to(dtype or torch.get_default_dtype())


def randint(shape, low, high, *, dtype=torch.int64, device=None, generator=None):
    """Whole numbers from [low, high)."""
    return torch.randint(low, high, tuple(shape), dtype=dtype, device=device, generator=generator)


def bernoulli(shape, probability=0.5, *, dtype=None, device=None, generator=None):
    """1 with the probability, else 0."""
    if _numbers(probability):
        return _empty(shape, dtype, device).bernoulli_(probability, generator=generator)
    draw = torch.bernoulli(probability.expand(tuple(shape)), generator=generator)
    return draw.to(dtype or probability.dtype)


def binomial(shape, count, probability, *, dtype=None, device=None, generator=None):
    """How many of ``count`` draws of the given probability succeed."""
    dtype = dtype or torch.get_default_dtype()
    count, probability = _spread(count, shape, dtype, device), _spread(probability, shape, dtype, device)
    return torch.binomial(count, probability, generator=generator)


def categorical(logits, count, *, dtype=torch.int64, generator=None):
    """``count`` class numbers for each row of logits (rows, classes): (rows, count), drawn with replacement."""
    return multinomial(torch.softmax(logits, -1), count, dtype=dtype, generator=generator)


def multinomial(probabilities, count=1, *, dtype=torch.int64, generator=None):
    """Class numbers drawn with replacement; probabilities: (..., classes), not negative. Returns (..., count)."""
    rows = probabilities.reshape(-1, probabilities.shape[-1])
    draw = torch.multinomial(rows, count, replacement=True, generator=generator)
    return draw.reshape(*probabilities.shape[:-1], count).to(dtype)


def log_likelihood(probabilities, draws):
    """The logarithms of the probabilities (..., classes) of the classes drawn, (..., count)."""
    return torch.log(probabilities.gather(-1, draws.long()))


def gamma(shape, alpha, scale=1.0, *, dtype=None, device=None, generator=None):
    """Gamma distributed numbers with mean ``alpha * scale``; differentiable in tensor parameters."""
    dtype = _float_of(dtype, alpha, scale)
    wide = torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype  # torch draws no half ones
    draw = torch._standard_gamma(_spread(alpha, shape, wide, device), generator=generator)
    return draw.to(dtype) * scale


def beta(shape, alpha, beta, *, dtype=None, device=None, generator=None):
    """Beta distributed numbers with mean ``alpha / (alpha + beta)``."""
    first = gamma(shape, alpha, dtype=dtype, device=device, generator=generator)
    return first / (first + gamma(shape, beta, dtype=dtype, device=device, generator=generator))


def exponential(shape, scale=1.0, *, dtype=None, device=None, generator=None):
    """Exponentially distributed numbers with mean ``scale``."""
    if _numbers(scale):
        return _empty(shape, dtype, device).exponential_(1 / scale, generator=generator)
    draw = _empty(shape, _float_of(dtype, scale), _device_of(device, scale))
    return draw.exponential_(generator=generator) * scale


def poisson(shape, rate=1.0, *, dtype=None, device=None, generator=None):
    """Poisson distributed whole numbers with mean ``rate``, as floats."""
    return torch.poisson(_spread(rate, shape, _float_of(dtype, rate), device), generator=generator)


def negative_binomial(shape, k, p, *, dtype=None, device=None, generator=None):
    """How many draws fail before ``k`` succeed with probability p: a Poisson number whose rate is gamma distributed."""
    rate = gamma(shape, k, (1 - p) / p, dtype=dtype, device=device, generator=generator)
    return torch.poisson(rate, generator=generator)


def generalized_negative_binomial(shape, mean=1.0, alpha=1.0, *, dtype=None, device=None, generator=None):
    """Poisson numbers whose rates are gamma distributed with the mean and variance ``alpha * mean^2``.

    alpha 0 is `poisson`.
    """
    if _numbers(alpha) and alpha == 0:
        return poisson(shape, mean, dtype=dtype, device=device, generator=generator)
    rate = gamma(shape, 1 / alpha, alpha * mean, dtype=dtype, device=device, generator=generator)
    return torch.poisson(rate, generator=generator)


def permutation(count, *, device=None, generator=None):
    """The numbers from 0 to count - 1 in random order."""
    return torch.randperm(count, device=device, generator=generator)


def shuffle(x, axis=0, *, generator=None):
    """The entries of x along axis in random order."""
    return x.index_select(axis, torch.randperm(x.shape[axis], device=x.device, generator=generator))


# --- layers --------------------------------------------------------------------------------------------------------


def dropout(x, rate, *, noise_shape=None, axes=None, generator=None):
    """``y = x / (1 - rate)`` or 0, each with its probability: 0 with ``rate`` (Srivastava et al., 2014).

    noise_shape: where it is 1 (or shorter than x's) the elements of x share one draw; None in it stands for x's size.
    axes: the axes along which the draw is shared instead. Always drops: whether a model trains is not asked here.
    """
    if rate == 0:
        return x
    if rate >= 1:
        return torch.zeros_like(x)
    shape = _noise_shape(x, noise_shape, axes)
    if x.device.type != "cpu" and generator is None and shape == x.shape:
        return F.dropout(x, rate, True)  # one kernel
    return x * _kept(x, shape, 1 - rate, None, generator)


def alpha_dropout(x, rate, *, noise_shape=None, generator=None):
    """Dropout to SELU's negative limit, scaled so that mean 0 and variance 1 stay (Klambauer et al., 2017)."""
    if rate == 0:
        return x
    low = -1.0507009873554804934 * 1.6732632423543772848
    keep = 1 - rate
    scale = (keep + low**2 * keep * rate) ** -0.5 if keep else 0.0
    mask = _kept(x, _noise_shape(x, noise_shape, None), keep, scale, generator)
    # a (x m + low (1 - m)) + b with b = -a low rate; the mask is already a m.
    return (x - low) * mask + scale * low * keep


def gaussian_dropout(x, rate, *, generator=None):
    """``y = x * n``, n normal with mean 1 and deviation ``sqrt(rate / (1 - rate))`` (Srivastava et al., 2014)."""
    if rate == 0:
        return x
    return x * torch.empty_like(x).normal_(1.0, math.sqrt(rate / (1 - rate)), generator=generator)


def gaussian_noise(x, stddev, *, generator=None):
    """``y = x + n``, n normal with mean 0 and the deviation."""
    return x + torch.empty_like(x).normal_(0.0, stddev, generator=generator)


def _noise_shape(x, noise_shape, axes):
    if isinstance(axes, int):
        axes = (axes,)
    if axes:
        axes = {axis % x.dim() for axis in axes}
        return torch.Size(1 if axis in axes else size for axis, size in enumerate(x.shape))
    if noise_shape is None:
        return x.shape
    missing = x.dim() - len(noise_shape)
    sizes = x.shape[missing:]
    return torch.Size(size if wanted is None else wanted for wanted, size in zip(noise_shape, sizes))


def _kept(x, shape, keep, scale, generator):
    """A mask in x's dtype: scale (None: ``1 / keep``) with probability keep, else 0."""
    if shape == x.shape:
        mask = torch.empty_like(x)
    else:
        mask = torch.empty(shape, dtype=x.dtype, device=x.device)
    levels = round(keep * 65536)
    if x.device.type == "cpu" and mask.numel() >= _WORTH_BITS and 0 < levels < 65536:
        # 16 random bits to an element: a fourth of the numbers that uniform_ would draw, a tenth of bernoulli_'s time.
        # The scale goes by the probability that 16 bits can express.
        count = mask.numel()
        bits = torch.empty((count + 3) // 4, dtype=torch.int64, device=x.device)
        bits = bits.random_(-(2**63), None, generator=generator).view(torch.int16)[:count].view(shape)
        torch.lt(bits, levels - 32768, out=mask)
        keep = levels / 65536
    else:
        mask.uniform_(generator=generator).lt_(keep)
    return mask.mul_(1 / keep if scale is None and keep else scale or 0.0)


# --- parts ---------------------------------------------------------------------------------------------------------


def _numbers(*values):
    return not any(isinstance(value, torch.Tensor) for value in values)


def _float_of(dtype, *values):
    tensors = [value for value in values if isinstance(value, torch.Tensor)]
    return dtype or (tensors[0].dtype if tensors else torch.get_default_dtype())


def _device_of(device, *values):
    tensors = [value for value in values if isinstance(value, torch.Tensor)]
    return device if device is not None or not tensors else tensors[0].device


def _empty(shape, dtype, device):
    return torch.empty(tuple(shape), dtype=dtype, device=device)


def _spread(value, shape, dtype, device):
    if isinstance(value, torch.Tensor):
        return value.to(dtype).expand(tuple(shape))
    return torch.full(tuple(shape), value, dtype=dtype, device=device)


def exponential_of_rate(shape, rate=1.0, *, dtype=None, device=None, generator=None):
    """Exponentially distributed numbers with mean ``1 / rate``."""
    return exponential(shape, 1 / rate, dtype=dtype, device=device, generator=generator)


def probability_of(logit):
    """The probability whose log odds are given: ``sigmoid(logit)``."""
    return torch.sigmoid(logit)


def outside(x, low, high):
    """Whether an element of x is below or above the bounds, as Python's bool: it waits for the values."""
    return bool(((x < low) | (x > high)).any())


def sobol(dimensions, count, skip=0):
    """Points of Sobol's low-discrepancy sequence after the first `skip`: (count, dimensions) in [0, 1), float32."""
    engine = torch.quasirandom.SobolEngine(dimensions)
    return engine.fast_forward(skip).draw(count) if skip else engine.draw(count)
