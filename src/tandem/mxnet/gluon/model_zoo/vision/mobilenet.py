"""MobileNets: convolutions one channel at a time, for small devices.

Sources: Howard et al. 2017, "MobileNets: efficient convolutional neural networks for mobile vision applications";
Sandler et al. 2018, "MobileNetV2: inverted residuals and linear bottlenecks".
"""

from tandem.mxnet.context import cpu
from tandem.mxnet.gluon import nn
from tandem.mxnet.gluon.block import HybridBlock
from tandem.mxnet.gluon.model_zoo.model_store import _ROOT
from tandem.mxnet.gluon.model_zoo.vision.parts import named, normed, with_parameters

__all__ = [
    "MobileNet",
    "MobileNetV2",
    "get_mobilenet",
    "get_mobilenet_v2",
    "mobilenet0_5",
    "mobilenet0_25",
    "mobilenet0_75",
    "mobilenet1_0",
    "mobilenet_v2_0_5",
    "mobilenet_v2_0_25",
    "mobilenet_v2_0_75",
    "mobilenet_v2_1_0",
]

# V1: (channels, stride, how many times), each a convolution of 3 x 3 positions by channel and one of one position.
_SEPARABLE = (
    (64, 1, 1),
    (128, 2, 1),
    (128, 1, 1),
    (256, 2, 1),
    (256, 1, 1),
    (512, 2, 1),
    (512, 1, 5),
    (1024, 2, 1),
    (1024, 1, 1),
)
# V2: (expansion, channels, how many times, stride of the first).
_BOTTLENECKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class RELU6(HybridBlock):
    """``min(max(x, 0), 6)``."""

    def hybrid_forward(self, F, x):
        """Values from 0 to 6."""
        return F.clip(x, a_min=0, a_max=6, name="relu6")


def _by_channel(channels, stride, activation):
    """A convolution of 3 x 3 positions that leaves channels apart."""
    return normed(channels, 3, stride, 1, groups=channels, activation=activation)


class LinearBottleneck(HybridBlock):
    """Many channels of one position, 3 x 3 positions by channel, few channels of one position without activation.

    in_channels, channels: of input and output; t: how many times `in_channels` it has inside; stride: of the second
    convolution. Where sizes do not change the input is added.
    """

    def __init__(self, in_channels, channels, t, stride, **kwargs):
        super().__init__(**kwargs)
        self.use_shortcut = stride == 1 and in_channels == channels
        inner = in_channels * t
        with self.name_scope():
            self.out = nn.HybridSequential()
            self.out.add(*normed(inner, 1, activation=RELU6))
            self.out.add(*_by_channel(inner, stride, RELU6))
            self.out.add(*normed(channels, 1, activation=None))

    def hybrid_forward(self, F, x):
        """The sums (N, channels, height / stride, width / stride)."""
        out = self.out(x)
        return F.elemwise_add(out, x) if self.use_shortcut else out


class MobileNet(HybridBlock):
    """Convolutions by channel and of one position in turn, for images (N, 3, 224, 224).

    multiplier: of all numbers of channels; classes: how many numbers come out.
    """

    def __init__(self, multiplier=1.0, classes=1000, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = nn.HybridSequential(prefix="")
            given = int(32 * multiplier)
            self.features.add(*normed(given, 3, 2, 1))
            for size, stride, times in _SEPARABLE:
                for _ in range(times):
                    channels = int(size * multiplier)
                    self.features.add(*_by_channel(given, stride, "relu"), *normed(channels, 1))
                    given = channels
            self.features.add(nn.GlobalAvgPool2D(), nn.Flatten())
            self.output = nn.Dense(classes)

    def hybrid_forward(self, F, x):
        """Scores (N, classes)."""
        return self.output(self.features(x))


class MobileNetV2(HybridBlock):
    """Linear bottlenecks, for images (N, 3, 224, 224).

    multiplier: of the numbers of channels, of the last one only where above 1; classes: how many numbers come out.
    """

    def __init__(self, multiplier=1.0, classes=1000, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.features = nn.HybridSequential(prefix="features_")
            with self.features.name_scope():
                given = int(32 * multiplier)
                self.features.add(*normed(given, 3, 2, 1, activation=RELU6))
                for expansion, size, times, stride in _BOTTLENECKS:
                    for number in range(times):
                        channels = int(size * multiplier)
                        self.features.add(LinearBottleneck(given, channels, expansion, 1 if number else stride))
                        given = channels
                last = int(1280 * multiplier) if multiplier > 1.0 else 1280
                self.features.add(*normed(last, 1, activation=RELU6), nn.GlobalAvgPool2D())
            self.output = nn.HybridSequential(prefix="output_")
            with self.output.name_scope():
                self.output.add(nn.Conv2D(classes, 1, use_bias=False, prefix="pred_"), nn.Flatten())

    def hybrid_forward(self, F, x):
        """Scores (N, classes)."""
        return self.output(self.features(x))


def _number(multiplier):
    """How a published file's name writes a multiplier: 1.0, 0.75, 0.5, 0.25."""
    return f"{multiplier:.2f}".removesuffix("0") if multiplier in (1, 0.5) else f"{multiplier:.2f}"


def get_mobilenet(multiplier, pretrained=False, ctx=cpu(), root=_ROOT, **kwargs):  # noqa: B008 (a context is a constant)
    """MobileNet by its multiplier; 0.25, 0.5, 0.75 and 1.0 were published.

    pretrained: whether it has the published parameters; ctx: where they are loaded to; root: the folder that keeps
    them; kwargs: as `MobileNet` takes them.
    """
    return with_parameters(MobileNet(multiplier, **kwargs), f"mobilenet{_number(multiplier)}", pretrained, ctx, root)


def get_mobilenet_v2(multiplier, pretrained=False, ctx=cpu(), root=_ROOT, **kwargs):  # noqa: B008 (a constant)
    """MobileNetV2 by its multiplier; 0.25, 0.5, 0.75 and 1.0 were published.

    pretrained: whether it has the published parameters; ctx: where they are loaded to; root: the folder that keeps
    them; kwargs: as `MobileNetV2` takes them.
    """
    net = MobileNetV2(multiplier, **kwargs)
    return with_parameters(net, f"mobilenetv2_{_number(multiplier)}", pretrained, ctx, root)


def _models(make, prefix, title):
    for multiplier in (1.0, 0.75, 0.5, 0.25):
        name = prefix + _number(multiplier).replace(".", "_")
        yield named(name, f"{title} with {multiplier} times the channels.", make, multiplier)


mobilenet1_0, mobilenet0_75, mobilenet0_5, mobilenet0_25 = _models(get_mobilenet, "mobilenet", "MobileNet")
mobilenet_v2_1_0, mobilenet_v2_0_75, mobilenet_v2_0_5, mobilenet_v2_0_25 = _models(
    get_mobilenet_v2, "mobilenet_v2_", "MobileNetV2"
)
