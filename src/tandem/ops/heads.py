"""Functions whose gradient is given, not derived: output heads that bring their own, and ways to stop or change one."""

import torch


class _Stop(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad):
        # Zeros, not nothing: what lies behind still gets a gradient, which overwrites an earlier one.
        return torch.zeros_like(grad)


def stop_gradient(x):
    """``y = x`` with gradient 0: MXNet's BlockGrad."""
    return _Stop.apply(x) if x.requires_grad and torch.is_grad_enabled() else x


class _Unmoved(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value, *sources):
        ctx.sources = [source.detach() for source in sources]  # only their shapes matter: they may change
        return torch.zeros_like(value) if value._is_zerotensor() else value.view_as(value)

    @staticmethod
    def backward(ctx, grad):
        return None, *(torch.zeros_like(source) for source in ctx.sources)


def constant_in(value, sources):
    """``y = value``, which can be differentiated with respect to `sources`, with gradient 0."""
    return _Unmoved.apply(value, *sources)


class _Whole(torch.autograd.Function):
    @staticmethod
    def forward(ctx, path, values):
        return values.to(path.dtype)

    @staticmethod
    def backward(ctx, grad):
        return grad.trunc(), None


def of_whole_numbers(path, values):
    """``y = values`` as numbers of the dtype of `path`, which gets the gradient, cut to whole numbers."""
    return _Whole.apply(path, values)


class _Along(torch.autograd.Function):
    @staticmethod
    def forward(ctx, path, values):
        ctx.dtype = path.dtype
        return values.view_as(values)

    @staticmethod
    def backward(ctx, grad):
        return grad.to(ctx.dtype), None


def along(path, values):
    """``y = values``, of their dtype, whose gradient goes to `path` as it is."""
    return _Along.apply(path, values)


class _Scale(torch.autograd.Function):
    @staticmethod
    def forward(x, factor):
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.factor = inputs[1]

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.factor, None


def gradient_multiplier(x, scalar):
    """``y = x`` with gradient ``scalar * dy`` (a negative scalar reverses it: Ganin and Lempitsky, 2015)."""
    return _Scale.apply(x, scalar)


class _Straight(torch.autograd.Function):
    @staticmethod
    def forward(x, function):
        return function(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad):
        return grad, None


def straight_through(x, function):
    """``y = function(x)`` with the gradient of the identity (Bengio et al., 2013)."""
    return _Straight.apply(x, function)


class _Constant(torch.autograd.Function):
    """Output with a gradient that does not depend on what comes in; `slope(output, *saved)` computes it."""

    @staticmethod
    def forward(ctx, data, value, slope, saved):
        ctx.slope = slope
        ctx.save_for_backward(value, *saved)
        return value.view_as(value)

    @staticmethod
    def backward(ctx, grad):
        return ctx.slope(*ctx.saved_tensors, grad), None, None, None


def _head(data, value, slope, *saved):
    if not (data.requires_grad and torch.is_grad_enabled()):
        return value
    return _Constant.apply(data, value.detach(), slope, saved)


def own_gradient(data, scale=1.0, *, threshold=None, normalization="null"):
    """``y = data`` with gradient ``scale``, whatever comes in: MXNet's MakeLoss.

    normalization: "null", "batch" (divide by the first size) or "valid" (by the number of elements above threshold,
    at least 1).
    """

    def slope(value, grad):
        if normalization == "batch":
            return torch.full_like(value, scale / value.shape[0])
        if normalization == "valid":
            count = (value > threshold).sum().clamp(min=1)
            return torch.full_like(value, scale) / count.to(value.dtype)
        return torch.full_like(value, scale)

    return _head(data, data.clone(), slope)


def regression_output(data, label, scale=1.0, *, kind="linear"):
    """Output of a regression: data ("linear", "mae") or its sigmoid ("logistic").

    Its gradient, whatever comes in, is ``scale / m * (y - label)``, or its sign for "mae", with m the number of values
    per sample. data: (N, ...); label: as many values.
    """
    value = torch.sigmoid(data) if kind == "logistic" else data.clone()
    outputs = max(data.numel() // max(data.shape[0], 1), 1) if data.dim() else 1

    def slope(value, label, grad):
        difference = value - label.reshape(value.shape).to(value.dtype)
        return (torch.sign(difference) if kind == "mae" else difference) * (scale / outputs)

    return _head(data, value, slope, label.detach())


def softmax_output(
    data,
    label,
    scale=1.0,
    *,
    multi_output=False,
    preserve_shape=False,
    ignore_label=None,
    normalization="null",
    smoothing=0.0,
    use_incoming=False,
):
    """Softmax whose gradient, whatever comes in, is that of the cross entropy with label: ``scale * (y - onehot)``.

    data: (N, C), (N, ...) of which all but the first axis are classes, with multi_output (N, C, ...), with
    preserve_shape (..., C). label: class numbers, without the class axis, or probabilities in data's shape (then
    normalization and smoothing do not apply).
    ignore_label: this class number has gradient 0. normalization: "null" (for multi_output: divided by the number of
    places), "batch" (by the number of labels) or "valid" (by the number of labels not ignored).
    smoothing: ``alpha`` of the labels ``1 - alpha`` and ``alpha / (C - 1)``. use_incoming: multiply what comes in.
    """
    axis = 1 if multi_output else -1
    shape = data.shape
    flat = data if multi_output or preserve_shape else data.reshape(shape[0], -1)
    value = torch.softmax(flat, axis)
    classes = flat.shape[axis]

    def slope(value, label, grad):
        value = value.reshape(flat.shape)
        if label.shape == shape:
            result = (value - label.reshape(value.shape).to(value.dtype)) * scale
        else:
            places = [size for i, size in enumerate(value.shape) if i != axis % value.dim()]
            # MXNet takes a label to each but the last axis even where all axes but the first are classes.
            label = label.reshape(-1)[: value.numel() // classes].reshape(places)
            numbers = label.to(torch.int64)
            onehot = torch.zeros_like(value).scatter_(axis, numbers.clamp(0, classes - 1).unsqueeze(axis), 1.0)
            if smoothing:
                rest = smoothing / (classes - 1) if classes > 1 else 0.0
                onehot = onehot * (1 - smoothing - rest) + rest
            result = value - onehot
            kept = None
            if ignore_label is not None:
                kept = (label != ignore_label).to(value.dtype)
                result = result * kept.unsqueeze(axis)
            places_each = value.numel() // (value.shape[0] * classes) if multi_output else 1
            if normalization == "batch":
                result = result * (scale / max(numbers.numel(), 1))
            elif normalization == "valid":
                count = kept.sum().clamp(min=1) if kept is not None else float(numbers.numel())
                result = result * scale / count
            else:
                result = result * (scale / places_each)
        result = result.reshape(shape)
        return result * grad if use_incoming else result

    return _head(data, value.reshape(shape), slope, label.detach())


def svm_output(data, label, *, margin=1.0, regularization=1.0, linear=False):
    """``y = data`` with the gradient of the one-against-all hinge loss (squared unless linear), whatever comes in.

    data: (N, C) scores; label: (N,) class numbers. Tang, 2013 (arXiv 1306.0239).
    """

    def slope(value, label, grad):
        own = torch.zeros_like(value).scatter_(1, label.reshape(-1, 1).to(torch.int64), 1.0)
        side = 2 * own - 1  # +1 for the label's class, -1 for the others
        room = margin - side * value
        if linear:
            return -side * regularization * (room > 0).to(value.dtype)
        return -2 * side * regularization * room.clamp(min=0)

    return _head(data, data.clone(), slope, label.detach())


class _Selu(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return torch.selu(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return grad * torch.where(y > 0, _SELU_SCALE, _SELU_SCALE * (y + _SELU_ALPHA))


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def selu_as_1_9(x):
    """SELU with the gradient that MXNet 1.9.1 gives it: ``scale * (y + alpha)`` where negative, y the output.

    (The derivative would be ``y + scale * alpha``.)
    """
    return _Selu.apply(x) if x.requires_grad and torch.is_grad_enabled() else torch.selu(x)


def rrelu_with_slopes(x, lower=0.125, upper=0.334, *, training=False):
    """`elementwise.rrelu` and the slopes it drew (1 where x is positive); without training there are none: zeros."""
    slopes = torch.zeros_like(x)
    if not training:
        return torch.nn.functional.leaky_relu(x, (lower + upper) / 2), slopes
    return torch._C._nn.rrelu_with_noise(x, slopes, lower, upper, True), slopes


class _Turned(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, grad):
        return -grad


class _ThroughSlope(torch.autograd.Function):
    @staticmethod
    def forward(x, function, slope):
        return function(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, _, ctx.slope = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * ctx.slope(_Turned.apply(x)), None, None


def asinh(x):
    """``asinh(x)``, whose second derivative has the sign that MXNet 1.9.1 gives it: ``x / (x^2 + 1)^(3/2)``."""
    return _ThroughSlope.apply(x, torch.asinh, lambda x: torch.rsqrt(x * x + 1))


def acosh(x):
    """``acosh(x)``, whose second derivative has the sign that MXNet 1.9.1 gives it: ``x / (x^2 - 1)^(3/2)``."""
    return _ThroughSlope.apply(x, torch.acosh, lambda x: torch.rsqrt(x * x - 1))
