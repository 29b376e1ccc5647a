"""`keras.applications.densenet`: each block sees all before it. Huang, Liu, van der Maaten and Weinberger, 2016."""

from tandem.keras import layers
from tandem.keras.applications.building import channel_axis, channels, variant
from tandem.keras.applications.imagenet_utils import decode_predictions, preprocessing

__all__ = ["DenseNet121", "DenseNet169", "DenseNet201", "decode_predictions", "preprocess_input"]

_GROWTH = 32
_HASHES = {
    "densenet121": ("9d60b8095a5708f2dcce2bca79d332c7", "30ee3e1110167f948a6b9946edeeb738"),
    "densenet169": ("d699b8f76981ab1b30698df4c175e90b", "b8c4d4c20dd625c148057b9ff1c1176b"),
    "densenet201": ("1ceb130c1ea1b78c3bf6114dbdfd8807", "c13680b51ded0fb44dff2d8f86ac8bb1"),
}

preprocess_input = preprocessing("torch")


def _activated(x, prefix):
    x = layers.BatchNormalization(axis=channel_axis(), epsilon=1.001e-5, name=f"{prefix}bn")(x)
    return layers.Activation("relu", name=f"{prefix}relu")(x)


def _block(x, name):
    new = layers.Conv2D(4 * _GROWTH, 1, use_bias=False, name=f"{name}_1_conv")(_activated(x, f"{name}_0_"))
    new = _activated(new, f"{name}_1_")
    new = layers.Conv2D(_GROWTH, 3, padding="same", use_bias=False, name=f"{name}_2_conv")(new)
    return layers.Concatenate(axis=channel_axis(), name=f"{name}_concat")([x, new])


def _densenet(plan, depths, file):
    x = layers.ZeroPadding2D(padding=((3, 3), (3, 3)))(plan.image(224))
    x = layers.Conv2D(64, 7, strides=2, use_bias=False, name="conv1_conv")(x)
    x = layers.ZeroPadding2D(padding=((1, 1), (1, 1)))(_activated(x, "conv1_"))
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    for stage, depth in enumerate(depths, 2):
        for number in range(1, depth + 1):
            x = _block(x, f"conv{stage}_block{number}")
        if stage < 5:
            name = f"pool{stage}"
            x = _activated(x, f"{name}_")
            x = layers.Conv2D(channels(x) // 2, 1, use_bias=False, name=f"{name}_conv")(x)
            x = layers.AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)
    return plan.model(plan.head(_activated(x, "")), plan.named_file("densenet", file, _HASHES[file]))


DenseNet121, DenseNet169, DenseNet201 = (
    variant(
        _densenet,
        f"DenseNet{size}",
        f"densenet{size}",
        summary=f"DenseNet with {size} layers.",
        depths=depths,
        file=f"densenet{size}",
    )
    for size, depths in ((121, (6, 12, 24, 16)), (169, (6, 12, 32, 32)), (201, (6, 12, 48, 32)))
)
