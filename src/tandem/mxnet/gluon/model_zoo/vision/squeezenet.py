"""SqueezeNet. Source: Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters"."""

from tandem.core.errors import explain
from tandem.mxnet.context import cpu
from tandem.mxnet.gluon import nn
from tandem.mxnet.gluon.block import HybridBlock
from tandem.mxnet.gluon.contrib.nn import HybridConcurrent
from tandem.mxnet.gluon.model_zoo.model_store import _ROOT
from tandem.mxnet.gluon.model_zoo.vision.parts import named, row, with_parameters

__all__ = ["SqueezeNet", "squeezenet1_0", "squeezenet1_1"]

# Channels that fire modules squeeze to; they expand to 4 times as many by one position and by 3 x 3 each.
_SQUEEZED = (16, 16, 32, 32, 48, 48, 64, 64)

# Version -> (channels and kernel of the first convolution, the fire modules that pooling comes before).
_VERSIONS = {"1.0": ((96, 7), (0, 3, 7)), "1.1": ((64, 3), (0, 2, 4))}


def _convolved(channels, kernel, padding=0):
    return row(nn.Conv2D(channels, kernel, padding=padding), nn.Activation("relu"))


def _fire(squeezed):
    """Few channels of one position, then many of one and of 3 x 3 positions side by side."""
    fire = row(_convolved(squeezed, 1))
    expanded = HybridConcurrent(axis=1, prefix="")
    expanded.add(_convolved(4 * squeezed, 1), _convolved(4 * squeezed, 3, 1))
    fire.add(expanded)
    return fire


class SqueezeNet(HybridBlock):
    """Eight fire modules, for images (N, 3, 224, 224).

    version: "1.0" or "1.1", which computes less; classes: how many numbers come out.
    Raises AssertionError for another version.
    """

    def __init__(self, version, classes=1000, **kwargs):
        super().__init__(**kwargs)
        if version not in _VERSIONS:
            raise AssertionError(explain("Unsupported SqueezeNet version", expected="'1.0' or '1.1'", given=version))
        (channels, kernel), pooled = _VERSIONS[version]
        with self.name_scope():
            self.features = nn.HybridSequential(prefix="")
            self.features.add(nn.Conv2D(channels, kernel, 2), nn.Activation("relu"))
            for number, squeezed in enumerate(_SQUEEZED):
                if number in pooled:
                    self.features.add(nn.MaxPool2D(3, 2, ceil_mode=True))
                self.features.add(_fire(squeezed))
            self.features.add(nn.Dropout(0.5))
            self.output = row(nn.Conv2D(classes, 1), nn.Activation("relu"), nn.AvgPool2D(13), nn.Flatten())

    def hybrid_forward(self, F, x):
        """Scores (N, classes)."""
        return self.output(self.features(x))


def get_squeezenet(version, pretrained=False, ctx=cpu(), root=_ROOT, **kwargs):  # noqa: B008 (a context is a constant)
    """SqueezeNet by its version, "1.0" or "1.1".

    pretrained: whether it has the published parameters; ctx: where they are loaded to; root: the folder that keeps
    them; kwargs: as `SqueezeNet` takes them.
    """
    return with_parameters(SqueezeNet(version, **kwargs), f"squeezenet{version}", pretrained, ctx, root)


squeezenet1_0, squeezenet1_1 = (
    named(f"squeezenet{version.replace('.', '_')}", f"SqueezeNet {version}.", get_squeezenet, version)
    for version in _VERSIONS
)
