"""`LossScaler`: by how much a loss is multiplied, so that small gradients are no zeros in 16 bits."""

import logging

from tandem.mxnet import autograd, ndarray

__all__ = ["LossScaler"]


class LossScaler:
    """A scale that halves after a step whose gradients overflow, and doubles after 2000 steps without one.

    It begins at 2¹⁶ and stays at most 2²⁴. Source: Micikevicius et al. 2018.
    """

    def __init__(self):
        self._loss_scale = self._next_loss_scale = 2.0**16
        self._max_loss_scale = 2.0**24
        self._scale_seq_len = 2000
        self._unskipped = 0

    @property
    def loss_scale(self):
        """What the loss is multiplied with."""
        return self._loss_scale

    def has_overflow(self, params):
        """Whether a gradient of some parameters is infinite or nan; the scale of the next step follows from it."""
        grads = [grad for one in params if one.grad_req != "null" and one._data is not None for grad in one.list_grad()]
        with autograd.pause():
            home = grads[0].context if grads else None
            arrays = [grad.as_in_context(home) for grad in grads]
            finite = not arrays or bool(
                ndarray.multi_all_finite(*arrays, num_arrays=len(arrays), init_output=True).asscalar()
            )
        self._loss_scale = self._next_loss_scale
        if finite:
            self._unskipped += 1
        else:
            self._next_loss_scale = self._loss_scale / 2
            self._unskipped = 0
            logging.info("AMP: decreasing loss scale to %f", self._next_loss_scale)
        if self._unskipped == self._scale_seq_len:
            self._unskipped = 0
            self._next_loss_scale = min(self._max_loss_scale, self._loss_scale * 2)
            logging.info("AMP: increasing loss scale to %f", self._next_loss_scale)
        return not finite
