"""Residual nets.

Sources: He et al. 2015, "Deep residual learning for image recognition" (V1); He et al. 2016, "Identity mappings in deep
residual networks" (V2).
"""

from itertools import pairwise

from tandem.core.errors import explain
from tandem.mxnet.context import cpu
from tandem.mxnet.gluon import nn
from tandem.mxnet.gluon.block import HybridBlock
from tandem.mxnet.gluon.model_zoo.model_store import _ROOT
from tandem.mxnet.gluon.model_zoo.vision.parts import named, normed, row, with_parameters

__all__ = [
    "BasicBlockV1",
    "BasicBlockV2",
    "BottleneckV1",
    "BottleneckV2",
    "ResNetV1",
    "ResNetV2",
    "get_resnet",
    "resnet18_v1",
    "resnet18_v2",
    "resnet34_v1",
    "resnet34_v2",
    "resnet50_v1",
    "resnet50_v2",
    "resnet101_v1",
    "resnet101_v2",
    "resnet152_v1",
    "resnet152_v2",
]


def _basic(channels, stride, in_channels):
    """Two convolutions over 3 x 3 positions, as arguments of `normed`."""
    return [
        {"channels": channels, "kernel": 3, "strides": strides, "padding": 1, "in_channels": given}
        for strides, given in ((stride, in_channels), (1, channels))
    ]


def _bottleneck(channels, strides, bias):
    """One position to fewer channels, 3 x 3 positions, one position to `channels`, as arguments of `normed`.

    strides: of the first two; bias: whether the first and the last have one.
    """
    inner = channels // 4
    return [
        {"channels": inner, "kernel": 1, "strides": strides[0], "bias": bias},
        {"channels": inner, "kernel": 3, "strides": strides[1], "padding": 1, "in_channels": inner},
        {"channels": channels, "kernel": 1, "bias": bias},
    ]


class _Residual(HybridBlock):
    """A block whose input is added to what its convolutions make of it.

    channels: of the output; stride: how many positions of the input make one of the output; downsample: whether the
    input goes through a convolution of one position too, as it must where the sizes change; in_channels: of the input,
    found at the first forward where 0.
    """

    def __init__(self, channels, stride, downsample=False, in_channels=0, **kwargs):
        super().__init__(**kwargs)
        self._make_body(self._convolutions(channels, stride, in_channels))
        self.downsample = None
        if downsample:
            self.downsample = self._shortcut(channels, stride, in_channels)

    def _convolutions(self, channels, stride, in_channels):
        """The convolutions, as arguments of `normed`."""
        return _basic(channels, stride, in_channels)


class _ResidualV1(_Residual):
    """``relu(x + body(x))``, normalised after each convolution."""

    def _make_body(self, convolutions):
        self.body = nn.HybridSequential(prefix="")
        for number, convolution in enumerate(convolutions, 1):
            self.body.add(*normed(**convolution, activation="relu" if number < len(convolutions) else None))

    def _shortcut(self, channels, stride, in_channels):
        return row(*normed(channels, 1, stride, activation=None, in_channels=in_channels))

    def hybrid_forward(self, F, x):
        """The activations (N, channels, height / stride, width / stride)."""
        # In this order: gradients meet in the order in which their sum was written.
        residual = x
        x = self.body(x)
        if self.downsample is not None:
            residual = self.downsample(residual)
        return F.Activation(residual + x, act_type="relu")


class _ResidualV2(_Residual):
    """``x + body(x)``, normalised before each convolution."""

    def _make_body(self, convolutions):
        self._count = len(convolutions)
        for number, convolution in enumerate(convolutions, 1):
            layer, norm, *_ = normed(**convolution)
            setattr(self, f"bn{number}", norm)
            setattr(self, f"conv{number}", layer)

    def _shortcut(self, channels, stride, in_channels):
        return nn.Conv2D(channels, 1, stride, use_bias=False, in_channels=in_channels)

    def hybrid_forward(self, F, x):
        """The sums (N, channels, height / stride, width / stride)."""
        residual = x
        for number in range(1, self._count + 1):
            x = F.Activation(getattr(self, f"bn{number}")(x), act_type="relu")
            if number == 1 and self.downsample is not None:
                residual = self.downsample(x)
            x = getattr(self, f"conv{number}")(x)
        return x + residual


class BasicBlockV1(_ResidualV1):
    """``relu(x + body(x))`` with two convolutions: the block of ResNet V1 with 18 and 34 layers.

    channels: of the output; stride: of the first convolution; downsample: whether x goes through a convolution of one
    position too, as it must where the sizes change; in_channels: of x, found at the first forward where 0.
    """


class BottleneckV1(_ResidualV1):
    """``relu(x + body(x))`` with three convolutions: the block of ResNet V1 with 50, 101 and 152 layers.

    channels: of the output; stride: of the first convolution; downsample: whether x goes through a convolution of one
    position too, as it must where the sizes change; in_channels: of x, found at the first forward where 0.
    """

    def _convolutions(self, channels, stride, in_channels):
        return _bottleneck(channels, (stride, 1), bias=True)


class BasicBlockV2(_ResidualV2):
    """``x + body(x)`` with two convolutions: the block of ResNet V2 with 18 and 34 layers.

    channels: of the output; stride: of the first convolution; downsample: whether x goes through a convolution of one
    position too, as it must where the sizes change; in_channels: of x, found at the first forward where 0.
    """


class BottleneckV2(_ResidualV2):
    """``x + body(x)`` with three convolutions: the block of ResNet V2 with 50, 101 and 152 layers.

    channels: of the output; stride: of the second convolution; downsample: whether x goes through a convolution of one
    position too, as it must where the sizes change; in_channels: of x, found at the first forward where 0.
    """

    def _convolutions(self, channels, stride, in_channels):
        return _bottleneck(channels, (1, stride), bias=False)


class _ResNet(HybridBlock):
    """What both versions have in common: a stem, four stages of residual blocks, the mean, a dense layer."""

    def __init__(self, block, layers, channels, classes, thumbnail, **kwargs):
        super().__init__(**kwargs)
        if len(layers) != len(channels) - 1:
            raise AssertionError(
                explain(
                    "The channels do not fit the stages",
                    expected="channels of the stem and of each stage: one more than layers",
                    given=f"layers={layers}, channels={channels}",
                )
            )
        with self.name_scope():
            self.features = nn.HybridSequential(prefix="")
            self._begin()
            if thumbnail:
                self.features.add(nn.Conv2D(channels[0], 3, 1, 1, use_bias=False))
            else:
                self.features.add(*normed(channels[0], 7, 2, 3), nn.MaxPool2D(3, 2, 1))
            for number, (count, (before, after)) in enumerate(zip(layers, pairwise(channels)), 1):
                self.features.add(self._stage(number, block, count, before, after))
            self._end()
            self.output = nn.Dense(classes, in_units=channels[-1])

    @staticmethod
    def _stage(number, block, count, in_channels, channels):
        """`count` blocks, of which the first makes the sizes and channels of the stage."""
        stage = nn.HybridSequential(prefix=f"stage{number}_")
        with stage.name_scope():
            stride = 1 if number == 1 else 2
            stage.add(block(channels, stride, channels != in_channels, in_channels=in_channels, prefix=""))
            for _ in range(count - 1):
                stage.add(block(channels, 1, False, in_channels=channels, prefix=""))
        return stage

    def hybrid_forward(self, F, x):
        """Scores (N, classes)."""
        return self.output(self.features(x))


class ResNetV1(_ResNet):
    """A residual net that normalises after convolutions, for images (N, 3, 224, 224).

    block: a block's class (`BasicBlockV1`, `BottleneckV1`); layers: how many blocks each stage has; channels: of the
    stem and of each stage; classes: how many numbers come out; thumbnail: whether the images are small (32 x 32), and
    the stem one convolution only.
    Raises AssertionError where layers and channels do not fit.
    """

    def __init__(self, block, layers, channels, classes=1000, thumbnail=False, **kwargs):
        super().__init__(block, layers, channels, classes, thumbnail, **kwargs)

    def _begin(self):
        """Nothing before the stem."""

    def _end(self):
        self.features.add(nn.GlobalAvgPool2D())


class ResNetV2(_ResNet):
    """A residual net that normalises before convolutions, for images (N, 3, 224, 224).

    block: a block's class (`BasicBlockV2`, `BottleneckV2`); layers: how many blocks each stage has; channels: of the
    stem and of each stage; classes: how many numbers come out; thumbnail: whether the images are small (32 x 32), and
    the stem one convolution only.
    Raises AssertionError where layers and channels do not fit.
    """

    def __init__(self, block, layers, channels, classes=1000, thumbnail=False, **kwargs):
        super().__init__(block, layers, channels, classes, thumbnail, **kwargs)

    def _begin(self):
        self.features.add(nn.BatchNorm(scale=False, center=False))

    def _end(self):
        self.features.add(nn.BatchNorm(), nn.Activation("relu"), nn.GlobalAvgPool2D(), nn.Flatten())


# Number of layers -> (kind of block, blocks of each stage, channels of the stem and of each stage).
resnet_spec = {
    18: ("basic_block", [2, 2, 2, 2], [64, 64, 128, 256, 512]),
    34: ("basic_block", [3, 4, 6, 3], [64, 64, 128, 256, 512]),
    50: ("bottle_neck", [3, 4, 6, 3], [64, 256, 512, 1024, 2048]),
    101: ("bottle_neck", [3, 4, 23, 3], [64, 256, 512, 1024, 2048]),
    152: ("bottle_neck", [3, 8, 36, 3], [64, 256, 512, 1024, 2048]),
}
resnet_net_versions = [ResNetV1, ResNetV2]
resnet_block_versions = [
    {"basic_block": BasicBlockV1, "bottle_neck": BottleneckV1},
    {"basic_block": BasicBlockV2, "bottle_neck": BottleneckV2},
]


def get_resnet(version, num_layers, pretrained=False, ctx=cpu(), root=_ROOT, **kwargs):  # noqa: B008 (a constant)
    """A residual net by its version, 1 or 2, and its number of layers: 18, 34, 50, 101 or 152.

    pretrained: whether it has the published parameters; ctx: where they are loaded to; root: the folder that keeps
    them; kwargs: as `ResNetV1` and `ResNetV2` take them.
    Raises AssertionError for another version or number.
    """
    if num_layers not in resnet_spec:
        options = ", ".join(map(str, resnet_spec))
        raise AssertionError(explain("Invalid number of layers", expected=options, given=num_layers))
    if version not in (1, 2):
        raise AssertionError(explain("Invalid resnet version", expected="1 or 2", given=version))
    kind, layers, channels = resnet_spec[num_layers]
    block = resnet_block_versions[version - 1][kind]
    net = resnet_net_versions[version - 1](block, layers, channels, **kwargs)
    return with_parameters(net, f"resnet{num_layers}_v{version}", pretrained, ctx, root)


def _model(version, number):
    return named(f"resnet{number}_v{version}", f"ResNet V{version} with {number} layers.", get_resnet, version, number)


resnet18_v1, resnet34_v1, resnet50_v1, resnet101_v1, resnet152_v1 = (_model(1, number) for number in resnet_spec)
resnet18_v2, resnet34_v2, resnet50_v2, resnet101_v2, resnet152_v2 = (_model(2, number) for number in resnet_spec)
