"""What each elementwise ATen operator computes for one element.

A formula's parameters have the names of the operator's schema. Tensors arrive as `Expr`s of the result's dtype (of the
common dtype, for comparisons), other arguments as they were given. The formulas are those of torch's CPU kernels, in
their order of rounding.
"""

import math

import torch

from tandem.engine.native.nests import Expr, call, cast, constant, where


def _flag(value):
    return cast(value, torch.bool)


def _scaled(value, factor):
    return value if isinstance(factor, (int, float)) and factor == 1 else value * factor


def _sigmoid(x):
    return 1.0 / (1.0 + call("exp", -x))


def _least(x, bound):
    """max(x, bound), NaN where x is."""
    return where(x < bound, constant(bound, x.dtype), x)


def _most(x, bound):
    return where(x > bound, constant(bound, x.dtype), x)


def _clamp(self, min=None, max=None):
    y = self if min is None else _least(self, min)
    return y if max is None else _most(y, max)


def _between(grad, x, low, high):
    """A gradient where x is inside of bounds, else 0."""
    return where(Expr("or", torch.bool, x <= low, x >= high), constant(0, grad.dtype), grad)


def _is_nan(x):
    return x.compare("ne", x)


def _larger(self, other):
    return where(Expr("or", torch.bool, self > other, _is_nan(self)), self, cast(other, self.dtype))


def _smaller(self, other):
    return where(Expr("or", torch.bool, self < other, _is_nan(self)), self, cast(other, self.dtype))


def _pow(self, exponent):
    if isinstance(exponent, Expr):
        return Expr("pow", self.dtype, self, exponent)
    if exponent in (2, 3):
        return self * self if exponent == 2 else self * self * self
    if exponent == 0.5:
        return call("sqrt", self)
    if exponent == -0.5:
        return 1.0 / call("sqrt", self)
    if exponent in (-1, -2):
        return 1.0 / (self if exponent == -1 else self * self)
    return Expr("pow", self.dtype, self, constant(exponent, self.dtype))


_ROOT_HALF = math.sqrt(0.5)
_ROOT_TWO_OVER_PI = math.sqrt(2 / math.pi)


def _gelu(self, approximate="none"):
    if approximate == "tanh":
        inner = (self + self * self * self * 0.044715) * _ROOT_TWO_OVER_PI
        return self * 0.5 * (1.0 + call("tanh", inner))
    return self * 0.5 * (1.0 + call("erf", self * _ROOT_HALF))


def _gelu_backward(grad_output, self, approximate="none"):
    if approximate == "tanh":
        square = self * self
        inner = (self + square * self * 0.044715) * _ROOT_TWO_OVER_PI
        slope = (1.0 + square * (3 * 0.044715)) * _ROOT_TWO_OVER_PI
        t = call("tanh", inner)
        return grad_output * ((1.0 + t) * 0.5 + self * 0.5 * (1.0 - t * t) * slope)
    cdf = (1.0 + call("erf", self * _ROOT_HALF)) * 0.5
    pdf = call("exp", self * self * -0.5) * (1 / math.sqrt(2 * math.pi))
    return grad_output * (cdf + self * pdf)


def _silu_backward(grad_output, self):
    s = _sigmoid(self)
    return grad_output * s * (1.0 + self * (1.0 - s))


def _elu(self, alpha=1, scale=1, input_scale=1):
    negative = call("expm1", self * float(input_scale)) * float(alpha * scale)
    return where(self <= 0.0, negative, self * float(scale))


def _elu_backward(grad_output, alpha, scale, input_scale, is_result, self_or_result):
    x = self_or_result
    if is_result:
        negative = grad_output * float(input_scale) * (x + float(alpha * scale))
    else:
        negative = grad_output * float(input_scale * alpha * scale) * call("exp", x * float(input_scale))
    return where(x <= 0.0, negative, grad_output * float(scale))


def _softplus(self, beta=1, threshold=20):
    scaled = _scaled(self, float(beta))
    return where(scaled > float(threshold), self, call("log1p", call("exp", scaled)) / float(beta))


def _softplus_backward(grad_output, self, beta, threshold):
    scaled = _scaled(self, float(beta))
    e = call("exp", scaled)
    return where(scaled > float(threshold), grad_output, grad_output * e / (e + 1.0))


def _cross_entropy(self, target):
    """Of a probability, its logarithms not below -100 as in torch."""
    log, other = _least(call("log", self), -100.0), _least(call("log1p", -self), -100.0)
    return (target - 1.0) * other - target * log


def _cross_entropy_backward(grad_output, self, target):
    return grad_output * (self - target) / _least((1.0 - self) * self, 1e-12)


FORMULAS = {
    "add": lambda self, other, alpha=1: self + _scaled(constant(other, self.dtype), alpha),
    "sub": lambda self, other, alpha=1: self - _scaled(constant(other, self.dtype), alpha),
    "rsub": lambda self, other, alpha=1: constant(other, self.dtype) - _scaled(self, alpha),
    "mul": lambda self, other: self * other,
    "div": lambda self, other: self / other,
    "neg": lambda self: -self,
    "exp": lambda self: call("exp", self),
    "expm1": lambda self: call("expm1", self),
    "log": lambda self: call("log", self),
    "log1p": lambda self: call("log1p", self),
    "sqrt": lambda self: call("sqrt", self),
    "rsqrt": lambda self: 1.0 / call("sqrt", self),
    "reciprocal": lambda self: 1.0 / self,
    "abs": lambda self: call("fabs", self),
    "tanh": lambda self: call("tanh", self),
    "sin": lambda self: call("sin", self),
    "cos": lambda self: call("cos", self),
    "erf": lambda self: call("erf", self),
    "floor": lambda self: call("floor", self),
    "ceil": lambda self: call("ceil", self),
    "square": lambda self: self * self,
    "pow": _pow,
    "sigmoid": lambda self: _sigmoid(self),
    "relu": lambda self: _least(self, 0.0),
    "clamp": _clamp,
    "clamp_min": lambda self, min: _least(self, min),
    "clamp_max": lambda self, max: _most(self, max),
    "hardtanh": lambda self, min_val=-1, max_val=1: _clamp(self, float(min_val), float(max_val)),
    "maximum": _larger,
    "minimum": _smaller,
    "sign": lambda self: cast(self > 0.0, self.dtype) - cast(self < 0.0, self.dtype),
    "lerp": lambda self, end, weight: self + (end - self) * weight,
    "addcmul": lambda self, tensor1, tensor2, value=1: self + _scaled(tensor1, value) * tensor2,
    "addcdiv": lambda self, tensor1, tensor2, value=1: self + _scaled(tensor1, value) / tensor2,
    "leaky_relu": lambda self, negative_slope=0.01: where(self > 0.0, self, self * float(negative_slope)),
    "elu": _elu,
    "softplus": _softplus,
    "gelu": _gelu,
    "silu": lambda self: self / (1.0 + call("exp", -self)),
    "where": lambda condition, self, other: where(condition, self, other),
    "masked_fill": lambda self, mask, value: where(mask, constant(value, self.dtype), self),
    "copy": lambda self, src: src,
    "_to_copy": lambda self: self,
    "clone": lambda self: self,
    "fill": lambda self, value: constant(value, self.dtype),
    "zero": lambda self: constant(0, self.dtype),
    "logical_not": lambda self: Expr("not", torch.bool, _flag(self)),
    "logical_and": lambda self, other: Expr("and", torch.bool, _flag(self), _flag(other)),
    "logical_or": lambda self, other: Expr("or", torch.bool, _flag(self), _flag(other)),
    "threshold_backward": lambda grad_output, self, threshold: where(
        self <= threshold, constant(0, grad_output.dtype), grad_output
    ),
    "hardtanh_backward": lambda grad_output, self, min_val, max_val: _between(
        grad_output, self, float(min_val), float(max_val)
    ),
    "sigmoid_backward": lambda grad_output, output: grad_output * (1.0 - output) * output,
    "tanh_backward": lambda grad_output, output: grad_output * (1.0 - output * output),
    "leaky_relu_backward": lambda grad_output, self, negative_slope, self_is_result: where(
        self > 0.0, grad_output, grad_output * float(negative_slope)
    ),
    "elu_backward": _elu_backward,
    "softplus_backward": _softplus_backward,
    "gelu_backward": _gelu_backward,
    "silu_backward": _silu_backward,
}

COMPARISONS = {
    name: (lambda self, other, op=name: self.compare(op, other)) for name in ("eq", "ne", "lt", "le", "gt", "ge")
}

# Losses of one element, and their gradients; `lower` adds the weights and the reduction.
LOSSES = {
    "binary_cross_entropy": _cross_entropy,
    "mse_loss": lambda self, target: (self - target) * (self - target),
}
LOSS_GRADIENTS = {
    "binary_cross_entropy_backward": _cross_entropy_backward,
    "mse_loss_backward": lambda grad_output, self, target: grad_output * (2.0 * (self - target)),
}
