"""Maxima over windows that lie side by side, and their gradients, without a note of where each maximum was."""

import torch
import torch.nn.functional as F

_LIBRARY = torch.library.Library("tandem", "FRAGMENT")
_POOLS = {
    1: torch.ops.aten.max_pool1d_with_indices,
    2: torch.ops.aten.max_pool2d_with_indices,
    3: torch.ops.aten.max_pool3d_with_indices,
}
_GRADIENTS = {
    2: torch.ops.aten.max_pool2d_with_indices_backward,
    3: torch.ops.aten.max_pool3d_with_indices_backward,
}


def window_max(x, window):
    """``out[..., i] = max over j < window of x[..., i * window + j]`` in each spatial axis; x: (N, C, *spatial)."""
    return _POOLS[len(window)](x, window)[0]


def window_max_gradient(grad, x, window, relu):
    """The gradient of `window_max` for x, where each window's first maximum was; grad: (N, C, *windows).

    relu: x is what a ReLU gave, and the gradient wanted is that before it: 0 where x is not positive.
    """
    rank = len(window)
    _, indices = _POOLS[rank](x, window)
    found = _GRADIENTS[rank](grad, x, window, window, [0] * rank, [1] * rank, False, indices)
    return F.threshold(x, 0, 0).sign() * found if relu else found


_LIBRARY.define("window_max(Tensor x, int[] window) -> Tensor")
_LIBRARY.define("window_max_gradient(Tensor grad, Tensor x, int[] window, bool relu) -> Tensor")
_LIBRARY.impl("window_max", window_max, "CPU")
_LIBRARY.impl("window_max_gradient", window_max_gradient, "CPU")
