"""Inception v3. Source: Szegedy et al. 2015, "Rethinking the inception architecture for computer vision"."""

from tandem.mxnet.context import cpu
from tandem.mxnet.gluon import nn
from tandem.mxnet.gluon.block import HybridBlock
from tandem.mxnet.gluon.contrib.nn import HybridConcurrent
from tandem.mxnet.gluon.model_zoo.model_store import _ROOT
from tandem.mxnet.gluon.model_zoo.vision.parts import normed, row, with_parameters

__all__ = ["Inception3", "inception_v3"]

# In the tables a tuple is a convolution: (channels, kernel, strides 1, padding 0); a word is pooling; a list is a row
# of these; several lists are side by side.
_POOLS = {
    "max": lambda: nn.MaxPool2D(3, 2),
    "mean": lambda: nn.AvgPool2D(3, 1, 1),
    "all": lambda: nn.AvgPool2D(8),
}

_STEM = [(32, 3, 2), (32, 3), (64, 3, 1, 1), "max", (80, 1), (192, 3), "max"]

_WIDE, _HIGH = ((1, 7), 1, (0, 3)), ((7, 1), 1, (3, 0))
_SPLIT = ([(384, (1, 3), 1, (0, 1))], [(384, (3, 1), 1, (1, 0))])


def _a(pooled):
    return (
        [(64, 1)],
        [(48, 1), (64, 5, 1, 2)],
        [(64, 1), (96, 3, 1, 1), (96, 3, 1, 1)],
        ["mean", (pooled, 1)],
    )


def _c(inner):
    return (
        [(192, 1)],
        [(inner, 1), (inner, *_WIDE), (192, *_HIGH)],
        [(inner, 1), (inner, *_HIGH), (inner, *_WIDE), (inner, *_HIGH), (192, *_WIDE)],
        ["mean", (192, 1)],
    )


_B = ([(384, 3, 2)], [(64, 1), (96, 3, 1, 1), (96, 3, 2)], ["max"])
_D = ([(192, 1), (320, 3, 2)], [(192, 1), (192, *_WIDE), (192, *_HIGH), (192, 3, 2)], ["max"])
_E = ([(320, 1)], [[(384, 1)], _SPLIT], [[(448, 1), (384, 3, 1, 1)], _SPLIT], ["mean", (192, 1)])

_BLOCKS = {
    "A1_": _a(32),
    "A2_": _a(64),
    "A3_": _a(64),
    "B_": _B,
    "C1_": _c(128),
    "C2_": _c(160),
    "C3_": _c(160),
    "C4_": _c(192),
    "D_": _D,
    "E1_": _E,
    "E2_": _E,
}


def _part(entry):
    """The block that an entry of the tables describes."""
    if isinstance(entry, str):
        return _POOLS[entry]()
    if isinstance(entry, list):
        return row(*map(_part, entry))
    if isinstance(entry[0], list):
        return _beside(entry, "")
    return row(*normed(*entry, epsilon=1e-3))


def _beside(rows, prefix):
    """Rows side by side, joined along the channels."""
    block = HybridConcurrent(axis=1, prefix=prefix)
    with block.name_scope():
        block.add(*map(_part, rows))
    return block


class Inception3(HybridBlock):
    """Blocks of convolutions side by side, for images (N, 3, 299, 299).

    classes: how many numbers come out.
    """

    def __init__(self, classes=1000, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = _part(_STEM)
            for prefix, rows in _BLOCKS.items():
                self.features.add(_beside(rows, prefix))
            self.features.add(_part("all"), nn.Dropout(0.5))
            self.output = nn.Dense(classes)

    def hybrid_forward(self, F, x):
        """Scores (N, classes)."""
        return self.output(self.features(x))


def inception_v3(pretrained=False, ctx=cpu(), root=_ROOT, **kwargs):  # noqa: B008 (a context is a constant)
    """Inception v3.

    pretrained: whether it has the published parameters; ctx: where they are loaded to; root: the folder that keeps
    them; kwargs: as `Inception3` takes them.
    """
    return with_parameters(Inception3(**kwargs), "inceptionv3", pretrained, ctx, root)
