"""`x += y` in a layer's `call`, in a loss or in a metric gives the name `x` another value, as in TensorFlow and JAX.

Code for Keras was mostly written where tensors cannot change. Left to torch, `x -= mean` in a layer would change what
the layer before it gave (which a residual connection or a gradient still needs) and the caller's NumPy array, whose
memory the tensor shares. Parameters that learn still change in place; so does everything outside Keras's calls, and
inside of plain torch modules.
"""

import operator

import torch

from tandem.core import scope

_here = scope.current
_NAMES = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor")


def _assigning(name):
    special = f"__i{name}__"
    change, compute = getattr(torch.Tensor, special), getattr(operator, f"__{name}__")

    def method(self, other):
        if _here.rebinds and not (self.is_leaf and self.requires_grad):
            return compute(self, other)
        return change(self, other)

    method.__name__ = special
    method.__doc__ = f"As torch's `{special}`; in a call of Keras's the result, with the tensor left as it is."
    return method


for _name in _NAMES:
    setattr(torch.Tensor, f"__i{_name}__", _assigning(_name))


def calling(function, *args, **kwargs):
    """`function(*args, **kwargs)` with `x += y` as in a layer's call."""
    before, _here.rebinds = _here.rebinds, True
    try:
        return function(*args, **kwargs)
    finally:
        _here.rebinds = before
