"""Element by element: activation functions and general maths.

Where the frameworks differ the difference is a parameter (``hard_sigmoid(slope=, offset=)``, ``modulo(zero=)``,
``round(half=)``, ``maximum(tie=)``); where all agree with torch the name is torch's own function.
"""

import math

import torch
import torch.nn.functional as F

# torch's own functions, by the names used here.
abs, neg, sign, sgn, signbit = torch.abs, torch.neg, torch.sign, torch.sgn, torch.signbit
square, sqrt, rsqrt, reciprocal = torch.square, torch.sqrt, torch.rsqrt, torch.reciprocal
exp, exp2, expm1 = torch.exp, torch.exp2, torch.expm1
log, log2, log10, log1p = torch.log, torch.log2, torch.log10, torch.log1p
sin, cos, tan, sinh, cosh, tanh, sinc = torch.sin, torch.cos, torch.tan, torch.sinh, torch.cosh, torch.tanh, torch.sinc
asin, acos, atan, atan2 = torch.asin, torch.acos, torch.atan, torch.atan2
asinh, acosh, atanh = torch.asinh, torch.acosh, torch.atanh
deg2rad, rad2deg, hypot = torch.deg2rad, torch.rad2deg, torch.hypot
floor, ceil, trunc, frac, fmod = torch.floor, torch.ceil, torch.trunc, torch.frac, torch.fmod
erf, erfc, erfinv, digamma, sigmoid = torch.erf, torch.erfc, torch.erfinv, torch.digamma, torch.sigmoid
add, subtract, multiply, where, lerp = torch.add, torch.sub, torch.mul, torch.where, torch.lerp
equal, not_equal = torch.eq, torch.ne
greater, greater_equal = torch.gt, torch.ge
less, less_equal = torch.lt, torch.le
logical_and, logical_or = torch.logical_and, torch.logical_or
logical_xor, logical_not = torch.logical_xor, torch.logical_not
isnan, isinf, isfinite, isclose = torch.isnan, torch.isinf, torch.isfinite, torch.isclose
isposinf, isneginf, isreal = torch.isposinf, torch.isneginf, torch.isreal
bitwise_and, bitwise_or = torch.bitwise_and, torch.bitwise_or
bitwise_xor, bitwise_not = torch.bitwise_xor, torch.bitwise_not
bitwise_left_shift, bitwise_right_shift = torch.bitwise_left_shift, torch.bitwise_right_shift
fmin, fmax, gcd, lcm = torch.fmin, torch.fmax, torch.gcd, torch.lcm
copysign, nextafter, ldexp = torch.copysign, torch.nextafter, torch.ldexp
logaddexp, logaddexp2 = torch.logaddexp, torch.logaddexp2
heaviside, nan_to_num = torch.heaviside, torch.nan_to_num
real, imag, conj, angle, polar = torch.real, torch.imag, torch.conj, torch.angle, torch.polar
i0, gammaln = torch.i0, torch.lgamma
i0e, i1, i1e = torch.special.i0e, torch.special.i1, torch.special.i1e


# --- activations ---------------------------------------------------------------------------------------------------


def linear(x):
    """The identity: ``y = x``."""
    return x


def exponential(x):
    """``y = exp(x)``."""
    return torch.exp(x)


def relu(x, negative_slope=0.0, max_value=None, threshold=0.0):
    """Rectifier: ``y = x`` where ``x > threshold``, else ``negative_slope * (x - threshold)``; at most max_value.

    With a max_value the upper branch is at least 0 too, also above a negative threshold (Keras 3).
    """
    if threshold == 0:
        if max_value is None:
            return torch.relu(x) if negative_slope == 0 else F.leaky_relu(x, negative_slope)
        y = F.hardtanh(x, 0.0, max_value) if max_value > 0 else x.clamp(0.0, max_value)
    else:
        y = F.threshold(x, threshold, 0.0)
        y = y if max_value is None else y.clamp(0.0, max_value)
    return y if negative_slope == 0 else y - torch.relu(threshold - x) * negative_slope


def relu6(x):
    """``y = min(max(x, 0), 6)``."""
    return F.relu6(x)


def leaky_relu(x, negative_slope=0.2):
    """``y = x`` where positive, else ``negative_slope * x`` (Keras 3: 0.2, Keras 2: 0.3, MXNet: 0.25)."""
    return F.leaky_relu(x, negative_slope)


def prelu(x, slope, *, axis=None):
    """Rectifier with a learned slope: ``y = x`` where positive, else ``slope * x``.

    x: any shape; slope: broadcasts against x, or, with ``axis``, a vector (C,) or (1,) along that axis of x (MXNet: 1).
    He et al., 2015 (arXiv 1502.01852).
    """
    if axis is not None and slope.dim() == 1 and x.dim() > 1:
        shape = [1] * x.dim()
        shape[axis] = slope.shape[0]
        slope = slope.reshape(shape)
    return torch._prelu_kernel(x, slope)


def rrelu(x, lower=0.125, upper=0.334, *, training=False, generator=None):
    """Rectifier with a random slope: ``y = x`` where positive, else ``a * x``, a ~ U(lower, upper) for each element.

    Not training: ``a = (lower + upper) / 2``. Xu et al., 2015 (arXiv 1505.00853).
    """
    if not training:
        return F.leaky_relu(x, (lower + upper) / 2)
    return torch._C._nn.rrelu_with_noise(x, torch.empty_like(x), lower, upper, True, generator)


def elu(x, alpha=1.0):
    """``y = x`` where positive, else ``alpha * (exp(x) - 1)`` (Clevert et al., 2015)."""
    return F.elu(x, alpha)


def selu(x):
    """``y = 1.0507... * elu(x, alpha=1.6732...)`` (Klambauer et al., 2017)."""
    return F.selu(x)


def celu(x, alpha=1.0):
    """``y = max(x, 0) + min(0, alpha * (exp(x / alpha) - 1))`` (Barron, 2017)."""
    return F.celu(x, alpha)


def gelu(x, approximate=False):
    """``y = x * Phi(x)``, Phi the normal distribution function; ``approximate``: its tanh form.

    Hendrycks and Gimpel, 2016 (arXiv 1606.08415).
    """
    return F.gelu(x, approximate="tanh" if approximate else "none")


def silu(x):
    """``y = x * sigmoid(x)``, also called swish (Ramachandran et al., 2017)."""
    return F.silu(x)


def mish(x):
    """``y = x * tanh(softplus(x))`` (Misra, 2019)."""
    return F.mish(x)


def softplus(x):
    """``y = log(exp(x) + 1)``; MXNet's softrelu."""
    return F.softplus(x)


def softsign(x):
    """``y = x / (|x| + 1)``."""
    return F.softsign(x)


def hard_sigmoid(x, slope=1 / 6, offset=0.5):
    """``y = clip(slope * x + offset, 0, 1)``: Keras 3 has slope 1/6, Keras 2 and MXNet 0.2."""
    # torch's kernel is relu6(z + 3) / 6: one call at Keras 3's values, one or two more for any other line.
    if slope != 1 / 6:
        x = x * (6 * slope)
    if offset != 0.5:
        x = x + (6 * offset - 3)
    return F.hardsigmoid(x)


def hard_silu(x):
    """``y = x * relu6(x + 3) / 6`` (Howard et al., 2019)."""
    return F.hardswish(x)


def hard_tanh(x):
    """``y = clip(x, -1, 1)``."""
    return F.hardtanh(x)


def log_sigmoid(x):
    """``y = log(1 / (1 + exp(-x)))``."""
    return F.logsigmoid(x)


def tanh_shrink(x):
    """``y = x - tanh(x)``."""
    return F.tanhshrink(x)


def soft_shrink(x, threshold=0.5):
    """``y = sign(x) * max(|x| - threshold, 0)``."""
    return F.softshrink(x, threshold)


def hard_shrink(x, threshold=0.5):
    """``y = x`` where ``|x| > threshold``, else 0."""
    return F.hardshrink(x, threshold)


def threshold(x, threshold=0.0, default_value=0.0):
    """``y = x`` where ``x > threshold``, else ``default_value``."""
    return F.threshold(x, threshold, default_value)


def squareplus(x, b=4.0):
    """``y = (x + sqrt(x^2 + b)) / 2`` (Barron, 2021)."""
    return (x + torch.sqrt(x * x + b)) * 0.5


def _floating(x):
    return x if x.is_floating_point() else x.to(torch.get_default_dtype())


def sparse_plus(x):
    """``y = 0`` for ``x <= -1``, ``(x + 1)^2 / 4`` between -1 and 1, ``x`` from 1 on."""
    x = _floating(x)
    return torch.where(x < 1, torch.square(F.hardtanh(x, -1.0, 1.0) + 1) * 0.25, x)


def sparse_sigmoid(x):
    """``y = clip((x + 1) / 2, 0, 1)``."""
    return F.hardsigmoid(_floating(x) * 3)


def glu(x, axis=-1):
    """Gated linear unit: ``y = a * sigmoid(b)``, a and b the two halves of x along axis (Dauphin et al., 2016)."""
    return F.glu(x, axis)


def softmax(x, axis=-1, *, temperature=None, length=None, dtype=None):
    """``y = exp(x / temperature)``, normalised to sum 1 along ``axis`` (a number, several, or None: all together).

    length: integers with x's shape less ``axis``; elements from ``length`` on are left out and give 0.
    dtype: of the result and of the computation.
    """
    return _normalized(x, axis, temperature, length, dtype, torch.softmax)


def log_softmax(x, axis=-1, *, temperature=None, length=None, dtype=None):
    """The logarithm of `softmax`; elements left out by ``length`` give 0."""
    return _normalized(x, axis, temperature, length, dtype, torch.log_softmax)


def softmin(x, axis=-1, *, temperature=None, length=None, dtype=None):
    """``softmax(-x)``."""
    return softmax(-x, axis, temperature=temperature, length=length, dtype=dtype)


def _normalized(x, axis, temperature, length, dtype, function):
    if temperature is not None and temperature != 1:
        x = x / temperature
    if axis is None:
        return function(x.reshape(-1), 0, dtype=dtype).reshape(x.shape)
    if not isinstance(axis, int):
        axes = sorted(a % x.dim() for a in axis)
        if len(axes) > 1:
            last = tuple(range(x.dim() - len(axes), x.dim()))
            moved = x.movedim(axes, last)
            return function(moved.flatten(last[0]), -1, dtype=dtype).reshape(moved.shape).movedim(last, axes)
        axis = axes[0]
    if length is None:
        return function(x, axis, dtype=dtype)
    positions = torch.arange(x.shape[axis], device=x.device).view([-1] + [1] * (x.dim() - 1 - axis % x.dim()))
    outside = positions >= length.unsqueeze(axis)
    # A row of length 0 is NaN after the softmax; the second fill clears it, and its gradient with it.
    return function(x.masked_fill(outside, -math.inf), axis, dtype=dtype).masked_fill(outside, 0.0)


def masked_softmax(x, mask, axis=-1, *, temperature=None):
    """`softmax` over what the mask (broadcast to x) has true along axis; 0 elsewhere."""
    outside = mask == 0
    return softmax(x.masked_fill(outside, -math.inf), axis, temperature=temperature).masked_fill(outside, 0.0)


def masked_log_softmax(x, mask, axis=-1, *, temperature=None):
    """The logarithm of `masked_softmax`, -inf outside of the mask."""
    outside = mask == 0
    filled = x.masked_fill(outside, -math.inf)
    return log_softmax(filled, axis, temperature=temperature).masked_fill(outside, -math.inf)


def sparsemax(x, axis=-1):
    """Euclidean projection onto the simplex: ``y = max(x - tau, 0)``, tau such that y sums to 1 along axis.

    Martins and Astudillo, 2016 (arXiv 1602.02068).
    """
    ordered = x.sort(dim=axis, descending=True).values
    excess = ordered.cumsum(axis) - 1
    shape = [1] * x.dim()
    shape[axis] = -1
    rank = torch.arange(1, x.shape[axis] + 1, device=x.device, dtype=x.dtype).view(shape)
    support = (rank * ordered > excess).sum(axis, keepdim=True)
    return torch.relu(x - excess.gather(axis, support - 1) / support.to(x.dtype))


# --- maths ---------------------------------------------------------------------------------------------------------


def smooth_l1(x, scalar=1.0):
    """``y = (s x)^2 / 2`` where ``|x| < 1 / s^2``, else ``|x| - 1 / (2 s^2)``, s the scalar (Girshick, 2015)."""
    return F.smooth_l1_loss(x, torch.zeros_like(x), reduction="none", beta=1 / scalar**2)


def divide(a, b, *, zero=None):
    """``a / b``: integers divide to floats; with ``zero`` (a number) the result where ``b == 0``."""
    if zero is None:
        return torch.div(a, b)
    # The inner where keeps the unused branch's gradient finite.
    empty = b == 0
    return torch.where(empty, zero, a / torch.where(empty, 1, b))


def floor_divide(a, b, *, rounding="floor"):
    """``floor(a / b)``, or with rounding "trunc" towards zero (MXNet's integer division)."""
    return torch.div(a, b, rounding_mode=rounding)


def modulo(a, b, *, zero="nan"):
    """Remainder with the divisor's sign: ``a - b * floor(a / b)``.

    zero: what a divisor 0 gives: "nan" (torch: NaN for floats, an error for integers) or "zero" (MXNet).
    """
    if zero == "nan":
        return torch.remainder(a, b)
    if not isinstance(b, torch.Tensor):
        return torch.remainder(a, b) if b != 0 else torch.zeros_like(a)
    empty = b == 0
    return torch.where(empty, 0, torch.remainder(a, torch.where(empty, 1, b)))


def power(a, b):
    """``a ** b``; either may be a number."""
    return torch.pow(a, b)


def maximum(a, b, *, tie="split"):
    """The larger of a and b (NaN wins); either may be a number, not both.

    tie: where both are equal, "split" gives each half of the gradient (torch, Keras), "first" all of it to a (MXNet).
    """
    return _extremum(a, b, tie, torch.maximum, torch.ge, "min")


def minimum(a, b, *, tie="split"):
    """The smaller of a and b (NaN wins); ``tie`` as in `maximum`."""
    return _extremum(a, b, tie, torch.minimum, torch.le, "max")


def _extremum(a, b, tie, split, wins, bound):
    if tie == "first" and not isinstance(b, torch.Tensor):
        return a.clamp(**{bound: b})  # clamp's gradient is 1 at the bound
    if not isinstance(a, torch.Tensor):
        a = torch.full((), a, dtype=b.dtype, device=b.device)
    elif not isinstance(b, torch.Tensor):
        b = torch.full((), b, dtype=a.dtype, device=a.device)
    if tie == "split":
        return split(a, b)
    return torch.where(wins(a, b) | (a != a), a, b)


def clip(x, low=None, high=None):
    """``y = min(max(x, low), high)``; the gradient is 1 on the bounds too. Either bound may be missing."""
    return torch.clamp(x, low, high)


def round(x, decimals=0, *, half="even"):
    """Nearest multiple of ``10^-decimals``; a half goes to the "even" one or "away" from zero (MXNet)."""
    if half == "even":
        return torch.round(x) if decimals == 0 else torch.round(x, decimals=decimals)
    if decimals != 0:
        scale = 10.0**decimals
        return round(x * scale, half=half) / scale
    # trunc of twice the fraction is +-1 from a half on; adding 0.5 first would lose 0.49999997. inf has no fraction.
    return torch.trunc(x) + torch.trunc(torch.nan_to_num(2 * torch.frac(x), nan=0.0))


def rint(x):
    """Nearest whole number, a half going down: MXNet's rint of 0.5 is 0, of 1.5 is 1, of -0.5 is -1."""
    below = torch.floor(x)
    return below + (x - below > 0.5).to(x.dtype)


def cbrt(x):
    """Cube root, of negative numbers too."""
    return torch.sign(x) * torch.pow(torch.abs(x), 1 / 3)


def rcbrt(x):
    """``1 / cbrt(x)``."""
    return torch.reciprocal(cbrt(x))


def gamma(x):
    """The gamma function ``(x - 1)!``: infinite at 0, NaN at the negative whole numbers."""
    size = torch.exp(torch.lgamma(x))
    # Between the poles left of zero the sign alternates; at the poles it is undefined.
    left = torch.floor(x)
    size = torch.where((x < 0) & (torch.remainder(left, 2) == 1), -size, size)
    return size.masked_fill((x < 0) & (left == x), math.nan)


def polynomial(x, coefficients):
    """``c0 + c1 x + c2 x^2 + ...``, the coefficients (numbers) given from c0 on."""
    *lower, y = coefficients
    for c in reversed(lower):
        y = y * x + c
    return y


def truncated(function, *xs):
    """``function(*xs)`` as MXNet has it for integers: computed in floats, then cut to the first x's dtype."""
    wide = [x.double() if isinstance(x, torch.Tensor) and not x.is_floating_point() else x for x in xs]
    first = next(x for x in xs if isinstance(x, torch.Tensor))
    return function(*wide).to(first.dtype)
