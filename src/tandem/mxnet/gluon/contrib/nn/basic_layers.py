"""Blocks side by side, pixel shuffling, normalisation over devices."""

import math

from tandem.core.errors import Unsupported, explain
from tandem.mxnet import ndarray
from tandem.mxnet.gluon.block import Block, HybridBlock
from tandem.mxnet.gluon.nn import basic_layers

__all__ = [
    "Concurrent",
    "HybridConcurrent",
    "Identity",
    "PixelShuffle1D",
    "PixelShuffle2D",
    "PixelShuffle3D",
    "SparseEmbedding",
    "SyncBatchNorm",
]


class Concurrent(basic_layers.Concatenate):
    """Calls every block in it with the same input and joins what they answer along `axis`."""


class HybridConcurrent(basic_layers.HybridConcatenate):
    """Calls every HybridBlock in it with the same input and joins what they answer along `axis`."""


class Identity(basic_layers.Identity):
    """Answers its input."""

    def __init__(self, prefix=None, params=None):
        super().__init__(prefix=prefix, params=params)


class SparseEmbedding(Block):
    """Rows of a learned table, weight[x], whose weight and gradient are row_sparse.

    A `Trainer` keeps all rows; a call takes those that x numbers. input_dim: rows; output_dim: length of a row; dtype;
    weight_initializer.
    """

    def __init__(self, input_dim, output_dim, dtype="float32", weight_initializer=None, **kwargs):
        super().__init__(**kwargs)
        self._kwargs = {"input_dim": input_dim, "output_dim": output_dim, "dtype": dtype, "sparse_grad": True}
        self.weight = self.params.get(
            "weight",
            shape=(input_dim, output_dim),
            init=weight_initializer,
            dtype=dtype,
            grad_stype="row_sparse",
            stype="row_sparse",
        )

    def forward(self, x):
        """weight[x]."""
        return ndarray.Embedding(x, self.weight.row_sparse_data(x), **self._kwargs)

    def __repr__(self):
        return "{}({input_dim} -> {output_dim}, {dtype})".format(type(self).__name__, **self._kwargs)


class SyncBatchNorm(basic_layers.BatchNorm):
    """Batch normalisation over the batches of several devices; of one device here: there it is BatchNorm.

    num_devices: 1 or None. The other arguments as BatchNorm's.
    Raises Unsupported for several devices.
    """

    def __init__(
        self,
        in_channels=0,
        num_devices=None,
        momentum=0.9,
        epsilon=1e-5,
        center=True,
        scale=True,
        use_global_stats=False,
        beta_initializer="zeros",
        gamma_initializer="ones",
        running_mean_initializer="zeros",
        running_variance_initializer="ones",
        **kwargs,
    ):
        if num_devices not in (None, 0, 1):
            raise Unsupported(
                explain(
                    "SyncBatchNorm over several devices is not there yet",
                    expected="num_devices=1",
                    given=f"num_devices={num_devices}",
                )
            )
        super().__init__(
            1,
            momentum,
            epsilon,
            center,
            scale,
            use_global_stats,
            beta_initializer,
            gamma_initializer,
            running_mean_initializer,
            running_variance_initializer,
            in_channels,
            **kwargs,
        )


class _PixelShuffle(HybridBlock):
    """Moves channels into space: (N, f·C, W) becomes (N, C, f·W), and so for each spatial axis."""

    _rank = 1

    def __init__(self, factor):
        super().__init__()
        factors = (factor,) * self._rank if isinstance(factor, int) else tuple(factor)
        if len(factors) != self._rank:
            raise AssertionError(explain(f"factor is an int or {self._rank} ints", given=repr(factor)))
        self._factors = factors

    def hybrid_forward(self, F, x):
        """The array with fewer channels and more positions."""
        rank, factors = self._rank, self._factors
        # MXNet's codes of reshape (0 an axis as it is, -4 one in two, -3 two in one): a symbol's sizes are not known.
        x = F.reshape(x, shape=(0, -4, -1, math.prod(factors), *[0] * rank))
        for axis in range(rank - 1):
            x = F.reshape(x, shape=(*[0] * (2 + axis), -4, factors[axis], math.prod(factors[axis + 1 :]), *[0] * rank))
        order = [0, 1]
        for axis in range(rank):
            order += [2 + rank + axis, 2 + axis]
        return F.reshape(F.transpose(x, axes=tuple(order)), shape=(0, 0, *[-3] * rank))

    def __repr__(self):
        shown = self._factors[0] if self._rank == 1 else self._factors
        return f"{type(self).__name__}({shown})"


class PixelShuffle1D(_PixelShuffle):
    """(N, f·C, W) becomes (N, C, f·W)."""


class PixelShuffle2D(_PixelShuffle):
    """(N, f·g·C, H, W) becomes (N, C, f·H, g·W). Source: Shi et al. 2016."""

    _rank = 2


class PixelShuffle3D(_PixelShuffle):
    """(N, f·g·h·C, D, H, W) becomes (N, C, f·D, g·H, h·W)."""

    _rank = 3
