"""What the Inception models share: normalised convolutions, and blocks of branches that are written as tables.

A branch is a list of steps. A step is (filters, kernel) for a convolution that keeps the size, (filters, kernel, 2) for
one that halves it, or the name of a pooling. Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, 2015.
"""

from tandem.keras import layers
from tandem.keras.applications.building import channel_axis

HALVED = "largest of 3x3, halved"
AVERAGED = "mean of 3x3"


def convolved(x, filters, kernel, strides=1, padding="same", name=None):
    """A convolution without bias, batch normalization without scale, relu."""
    x = layers.Conv2D(filters, kernel, strides=strides, padding=padding, use_bias=False, name=name)(x)
    x = layers.BatchNormalization(axis=channel_axis(), scale=False, name=name and f"{name}_bn")(x)
    return layers.Activation("relu", name=name and f"{name}_ac")(x)


def stem(x):
    """The convolutions before the first block."""
    x = convolved(x, 32, 3, strides=2, padding="valid")
    x = convolved(x, 32, 3, padding="valid")
    x = branch(convolved(x, 64, 3), [HALVED])
    x = convolved(x, 80, 1, padding="valid")
    return branch(convolved(x, 192, 3, padding="valid"), [HALVED])


def branch(x, steps):
    """The steps one after another."""
    for step in steps:
        if step == HALVED:
            x = layers.MaxPooling2D(3, strides=2)(x)
        elif step == AVERAGED:
            x = layers.AveragePooling2D(3, strides=1, padding="same")(x)
        else:
            filters, kernel, *halving = step
            x = convolved(x, filters, kernel, *((2, "valid") if halving else ()))
    return x


def joined(parts, name=None):
    """Tensors beside each other in their channels."""
    return layers.Concatenate(axis=channel_axis(), name=name)(parts)


def mixed(x, branches, name):
    """All branches of x beside each other."""
    return joined([branch(x, steps) for steps in branches], name)
