"""DenseNet. Source: Huang et al. 2016, "Densely connected convolutional networks"."""

from tandem.mxnet.context import cpu
from tandem.mxnet.gluon import nn
from tandem.mxnet.gluon.block import HybridBlock
from tandem.mxnet.gluon.contrib.nn import HybridConcurrent, Identity
from tandem.mxnet.gluon.model_zoo.model_store import _ROOT
from tandem.mxnet.gluon.model_zoo.vision.parts import named, normed, row, with_parameters

__all__ = ["DenseNet", "densenet121", "densenet161", "densenet169", "densenet201"]

# Number of layers -> (channels of the stem, channels that a layer adds, layers of each stage).
densenet_spec = {
    121: (64, 32, [6, 12, 24, 16]),
    161: (96, 48, [6, 12, 36, 24]),
    169: (64, 32, [6, 12, 32, 32]),
    201: (64, 32, [6, 12, 48, 32]),
}


def _before(channels, kernel, padding=0):
    """A convolution with normalisation and relu before it."""
    return nn.BatchNorm(), nn.Activation("relu"), nn.Conv2D(channels, kernel, padding=padding, use_bias=False)


def _layer(added, bottleneck, dropout):
    """What adds `added` channels to its input's, by way of `bottleneck` times as many."""
    new = row(*_before(bottleneck * added, 1), *_before(added, 3, 1))
    if dropout:
        new.add(nn.Dropout(dropout))
    joined = HybridConcurrent(axis=1, prefix="")
    joined.add(Identity(), new)
    return joined


class DenseNet(HybridBlock):
    """Stages of layers that each see all before them, for images (N, 3, 224, 224).

    num_init_features: channels of the stem; growth_rate: channels that a layer adds; block_config: how many layers
    each stage has; bn_size: how many times `growth_rate` a layer has inside; dropout: rate after each layer; classes:
    how many numbers come out.
    """

    def __init__(self, num_init_features, growth_rate, block_config, bn_size=4, dropout=0, classes=1000, **kwargs):
        super().__init__(**kwargs)
        channels = num_init_features
        with self.name_scope():
            self.features = row(*normed(channels, 7, 2, 3), nn.MaxPool2D(3, 2, 1))
            for number, count in enumerate(block_config, 1):
                stage = nn.HybridSequential(prefix=f"stage{number}_")
                with stage.name_scope():
                    for _ in range(count):
                        stage.add(_layer(growth_rate, bn_size, dropout))
                self.features.add(stage)
                channels += count * growth_rate
                if number < len(block_config):
                    channels //= 2
                    self.features.add(row(*_before(channels, 1), nn.AvgPool2D(2, 2)))
            self.features.add(nn.BatchNorm(), nn.Activation("relu"), nn.AvgPool2D(7), nn.Flatten())
            self.output = nn.Dense(classes)

    def hybrid_forward(self, F, x):
        """Scores (N, classes)."""
        return self.output(self.features(x))


def get_densenet(num_layers, pretrained=False, ctx=cpu(), root=_ROOT, **kwargs):  # noqa: B008 (a context is a constant)
    """A DenseNet by its number of layers: 121, 161, 169 or 201.

    pretrained: whether it has the published parameters; ctx: where they are loaded to; root: the folder that keeps
    them; kwargs: as `DenseNet` takes them.
    Raises KeyError for another number.
    """
    net = DenseNet(*densenet_spec[num_layers], **kwargs)
    return with_parameters(net, f"densenet{num_layers}", pretrained, ctx, root)


densenet121, densenet161, densenet169, densenet201 = (
    named(f"densenet{number}", f"DenseNet with {number} layers.", get_densenet, number) for number in densenet_spec
)
