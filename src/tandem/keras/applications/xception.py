"""`keras.applications.xception`: separable convolutions with shortcuts. Chollet, 2016."""

from tandem.keras import layers
from tandem.keras.applications.building import channel_axis, variant
from tandem.keras.applications.imagenet_utils import decode_predictions, preprocessing

__all__ = ["Xception", "decode_predictions", "preprocess_input"]

_HASHES = ("0a58e3b7378bc2990ea3b43d5981f1f6", "b0042744bf5b25fce3cb969f33bebb97")

preprocess_input = preprocessing("tf")


def _normalised(x, name=None):
    return layers.BatchNormalization(axis=channel_axis(-1), name=name)(x)


def _activated(x, name):
    return layers.Activation("relu", name=f"{name}_act")(x)


def _separable(x, filters, name):
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    return _normalised(x, f"{name}_bn")


def _halving(x, widths, block):
    """Two separable convolutions and a pooling; the shortcut is a convolution of stride 2."""
    shortcut = layers.Conv2D(widths[-1], 1, strides=2, padding="same", use_bias=False)(x)
    shortcut = _normalised(shortcut)
    for number, width in enumerate(widths, 1):
        name = f"block{block}_sepconv{number}"
        if (block, number) != (2, 1):  # what comes before the first is activated already
            x = _activated(x, name)
        x = _separable(x, width, name)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"block{block}_pool")(x)
    return layers.Add()([x, shortcut])


def _xception(plan):
    x = plan.image(299, min_size=71)
    for number, (width, stride) in enumerate(((32, 2), (64, 1)), 1):
        name = f"block1_conv{number}"
        x = layers.Conv2D(width, 3, strides=stride, use_bias=False, name=name)(x)
        x = _activated(_normalised(x, f"{name}_bn"), name)
    for block, width in enumerate((128, 256, 728), 2):
        x = _halving(x, (width, width), block)
    for block in range(5, 13):
        shortcut = x
        for number in range(1, 4):
            name = f"block{block}_sepconv{number}"
            x = _separable(_activated(x, name), 728, name)
        x = layers.Add()([x, shortcut])
    x = _halving(x, (728, 1024), 13)
    for number, width in enumerate((1536, 2048), 1):
        name = f"block14_sepconv{number}"
        x = _activated(_separable(x, width, name), name)
    return plan.model(plan.head(x, names=(None, None)), plan.named_file("xception", "xception", _HASHES))


Xception = variant(_xception, "Xception", "xception", summary="Xception.")
