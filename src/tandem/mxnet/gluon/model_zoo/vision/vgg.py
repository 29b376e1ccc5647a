"""VGG nets. Source: Simonyan and Zisserman 2014, "Very deep convolutional networks for image recognition"."""

from tandem.core.errors import explain
from tandem.mxnet.context import cpu
from tandem.mxnet.gluon import nn
from tandem.mxnet.gluon.block import HybridBlock
from tandem.mxnet.gluon.model_zoo.model_store import _ROOT
from tandem.mxnet.gluon.model_zoo.vision.parts import named, with_parameters
from tandem.mxnet.initializer import Xavier

__all__ = [
    "VGG",
    "get_vgg",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]

_CHANNELS = (64, 128, 256, 512, 512)

# Number of layers -> (convolutions of each stage, their channels).
vgg_spec = {
    number: (list(layers), list(_CHANNELS))
    for number, layers in {
        11: (1, 1, 2, 2, 2),
        13: (2, 2, 2, 2, 2),
        16: (2, 2, 3, 3, 3),
        19: (2, 2, 4, 4, 4),
    }.items()
}


class VGG(HybridBlock):
    """Stages of 3 x 3 convolutions, each ending in pooling, and three dense layers, for images (N, 3, 224, 224).

    layers, filters: how many convolutions each stage has, and their channels; classes: how many numbers come out;
    batch_norm: whether each convolution's output is normalised.
    Raises AssertionError where the two lists differ in length.
    """

    def __init__(self, layers, filters, classes=1000, batch_norm=False, **kwargs):
        super().__init__(**kwargs)
        if len(layers) != len(filters):
            raise AssertionError(
                explain("Each stage has a number of layers and a number of filters", given=f"{layers} and {filters}")
            )
        with self.name_scope():
            self.features = nn.HybridSequential(prefix="")
            for count, channels in zip(layers, filters):
                for _ in range(count):
                    spread = Xavier(rnd_type="gaussian", factor_type="out", magnitude=2)
                    self.features.add(nn.Conv2D(channels, 3, padding=1, weight_initializer=spread))
                    if batch_norm:
                        self.features.add(nn.BatchNorm())
                    self.features.add(nn.Activation("relu"))
                self.features.add(nn.MaxPool2D(strides=2))
            for _ in range(2):
                self.features.add(nn.Dense(4096, activation="relu", weight_initializer="normal"), nn.Dropout(0.5))
            self.output = nn.Dense(classes, weight_initializer="normal")

    def hybrid_forward(self, F, x):
        """Scores (N, classes)."""
        return self.output(self.features(x))


def get_vgg(num_layers, pretrained=False, ctx=cpu(), root=_ROOT, **kwargs):  # noqa: B008 (a context is a constant)
    """A VGG net by its number of layers: 11, 13, 16 or 19.

    pretrained: whether it has the published parameters; ctx: where they are loaded to; root: the folder that keeps
    them; kwargs: as `VGG` takes them.
    Raises KeyError for another number.
    """
    if num_layers not in vgg_spec:
        raise KeyError(explain("There is no such VGG net", expected="11, 13, 16 or 19", given=num_layers))
    suffix = "_bn" if kwargs.get("batch_norm") else ""
    return with_parameters(VGG(*vgg_spec[num_layers], **kwargs), f"vgg{num_layers}{suffix}", pretrained, ctx, root)


def _normed(num_layers, **kwargs):
    return get_vgg(num_layers, **{**kwargs, "batch_norm": True})


_normed.__name__ = "get_vgg"


def _model(number, normed):
    name = f"vgg{number}_bn" if normed else f"vgg{number}"
    sentence = f"VGG with {number} layers{' and batch normalisation' if normed else ''}."
    return named(name, sentence, _normed if normed else get_vgg, number)


vgg11, vgg13, vgg16, vgg19 = (_model(number, False) for number in vgg_spec)
vgg11_bn, vgg13_bn, vgg16_bn, vgg19_bn = (_model(number, True) for number in vgg_spec)
