"""What EfficientNet v1 and v2 share: their initializers, and the gate on the channels, which ResNet-RS has too.

Tan and Le, 2019 and 2021.
"""

import math

from tandem.keras import layers
from tandem.keras.applications.building import channel_axis

KERNEL = {
    "class_name": "VarianceScaling",
    "config": {"scale": 2.0, "mode": "fan_out", "distribution": "truncated_normal"},
}
CLASSIFIER = {
    "class_name": "VarianceScaling",
    "config": {"scale": 1.0 / 3.0, "mode": "fan_out", "distribution": "uniform"},
}


def repeats(count, factor):
    """How often a block stands in a model that is deeper by `factor`."""
    return math.ceil(factor * count)


def convolved(x, filters, kernel=1, *, strides=1, padding="same", name):
    """A convolution without bias."""
    return layers.Conv2D(
        filters, kernel, strides=strides, padding=padding, use_bias=False, kernel_initializer=KERNEL, name=name
    )(x)


def spread(x, kernel, *, strides=1, padding="same", name):
    """A convolution of each channel by itself."""
    return layers.DepthwiseConv2D(
        kernel, strides=strides, padding=padding, use_bias=False, depthwise_initializer=KERNEL, name=name
    )(x)


def normalised(x, name, momentum=0.99):
    """Batch normalization under the name `name` + "bn"."""
    return layers.BatchNormalization(axis=channel_axis(), momentum=momentum, name=f"{name}bn")(x)


def activated(x, name, momentum=0.99):
    """Batch normalization and swish under the names `name` + "bn" and `name` + "activation"."""
    return layers.Activation("swish", name=f"{name}activation")(normalised(x, name, momentum))


def gated(x, filters, inside, name, activation="swish"):
    """x times a number in 0..1 to each channel, which follows from the channels' means. Hu, Shen and Sun, 2017."""
    gate = layers.GlobalAveragePooling2D(name=f"{name}se_squeeze")(x)
    shape = (filters, 1, 1) if channel_axis() == 1 else (1, 1, filters)
    gate = layers.Reshape(shape, name=f"{name}se_reshape")(gate)
    for width, function, end in ((inside, activation, "reduce"), (filters, "sigmoid", "expand")):
        gate = layers.Conv2D(
            width,
            1,
            padding="same",
            activation=function,
            kernel_initializer=KERNEL,
            name=f"{name}se_{end}",
        )(gate)
    return layers.multiply([x, gate], name=f"{name}se_excite")


def added(x, before, rate, name):
    """x, of which whole images are dropped while training, and what came before it. Huang et al., 2016."""
    if rate > 0:
        x = layers.Dropout(rate, noise_shape=(None, 1, 1, 1), name=f"{name}drop")(x)
    return layers.Add(name=f"{name}add")([x, before])
