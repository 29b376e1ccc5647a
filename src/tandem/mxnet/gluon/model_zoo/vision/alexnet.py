"""AlexNet. Source: Krizhevsky 2014, "One weird trick for parallelizing convolutional neural networks"."""

from tandem.mxnet.context import cpu
from tandem.mxnet.gluon import nn
from tandem.mxnet.gluon.block import HybridBlock
from tandem.mxnet.gluon.model_zoo.model_store import _ROOT
from tandem.mxnet.gluon.model_zoo.vision.parts import with_parameters

__all__ = ["AlexNet", "alexnet"]

# (channels, kernel, strides, padding, whether the largest of 3 x 3 positions is taken after it)
_CONVOLUTIONS = (
    (64, 11, 4, 2, True),
    (192, 5, 1, 2, True),
    (384, 3, 1, 1, False),
    (256, 3, 1, 1, False),
    (256, 3, 1, 1, True),
)


class AlexNet(HybridBlock):
    """Five convolutions and three dense layers, for images (N, 3, 224, 224).

    classes: how many numbers the last one gives.
    """

    def __init__(self, classes=1000, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = nn.HybridSequential(prefix="")
            for *convolution, pooled in _CONVOLUTIONS:
                self.features.add(nn.Conv2D(*convolution, activation="relu"))
                if pooled:
                    self.features.add(nn.MaxPool2D(3, 2))
            self.features.add(nn.Flatten())
            for _ in range(2):
                self.features.add(nn.Dense(4096, activation="relu"), nn.Dropout(0.5))
            self.output = nn.Dense(classes)

    def hybrid_forward(self, F, x):
        """Scores (N, classes)."""
        return self.output(self.features(x))


def alexnet(pretrained=False, ctx=cpu(), root=_ROOT, **kwargs):  # noqa: B008 (a context is a constant)
    """AlexNet.

    pretrained: whether it has the published parameters; ctx: where they are loaded to; root: the folder that keeps
    them; kwargs: as `AlexNet` takes them.
    """
    return with_parameters(AlexNet(**kwargs), "alexnet", pretrained, ctx, root)
