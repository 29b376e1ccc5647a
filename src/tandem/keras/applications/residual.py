"""ResNet: blocks that add to what they were given. He, Zhang, Ren and Sun, 2015 (v1) and 2016 (v2)."""

from tandem.keras import layers
from tandem.keras.applications.building import channel_axis, variant

_WIDTHS = (64, 128, 256, 512)
_HASHES = {
    "resnet50": ("2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"),
    "resnet101": ("f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21"),
    "resnet152": ("100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c"),
    "resnet50v2": ("3ef43a0b657b3be2300d5770ece849e0", "fac2f116257151a9d068a22e544a4917"),
    "resnet101v2": ("6343647c601c52e1368623803854d971", "c0ed64b8031c3730f411d2eb4eea35b5"),
    "resnet152v2": ("a49b44d1979771252814e80f8ec446f9", "ed17cf2e0169df9d443503ef94b23b33"),
}


def _normalised(x, name):
    return layers.BatchNormalization(axis=channel_axis(), epsilon=1.001e-5, name=f"{name}_bn")(x)


def _activated(x, name):
    return layers.Activation("relu", name=f"{name}_relu")(_normalised(x, name))


def _block(x, width, stride, project, name):
    """v1: three convolutions, each normalised; the first of them and the shortcut take the stride."""
    shortcut = x
    if project:
        shortcut = layers.Conv2D(4 * width, 1, strides=stride, name=f"{name}_0_conv")(x)
        shortcut = _normalised(shortcut, f"{name}_0")
    x = _activated(layers.Conv2D(width, 1, strides=stride, name=f"{name}_1_conv")(x), f"{name}_1")
    x = _activated(layers.Conv2D(width, 3, padding="same", name=f"{name}_2_conv")(x), f"{name}_2")
    x = _normalised(layers.Conv2D(4 * width, 1, name=f"{name}_3_conv")(x), f"{name}_3")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.Activation("relu", name=f"{name}_out")(x)


def _preactivated_block(x, width, stride, project, name):
    """v2: normalised before each convolution; the middle one takes the stride, and the shortcut is pooled."""
    before = _activated(x, f"{name}_preact")
    if project:
        shortcut = layers.Conv2D(4 * width, 1, strides=stride, name=f"{name}_0_conv")(before)
    else:
        shortcut = layers.MaxPooling2D(1, strides=stride)(x) if stride > 1 else x
    x = layers.Conv2D(width, 1, strides=1, use_bias=False, name=f"{name}_1_conv")(before)
    x = layers.ZeroPadding2D(padding=((1, 1), (1, 1)), name=f"{name}_2_pad")(_activated(x, f"{name}_1"))
    x = layers.Conv2D(width, 3, strides=stride, use_bias=False, name=f"{name}_2_conv")(x)
    x = layers.Conv2D(4 * width, 1, name=f"{name}_3_conv")(_activated(x, f"{name}_2"))
    return layers.Add(name=f"{name}_out")([shortcut, x])


def _resnet(plan, depths, file, preactivated):
    x = layers.ZeroPadding2D(padding=((3, 3), (3, 3)), name="conv1_pad")(plan.image(224))
    x = layers.Conv2D(64, 7, strides=2, name="conv1_conv")(x)
    if not preactivated:
        x = _activated(x, "conv1")
    x = layers.ZeroPadding2D(padding=((1, 1), (1, 1)), name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    block = _preactivated_block if preactivated else _block
    for stage, (depth, width) in enumerate(zip(depths, _WIDTHS, strict=True)):
        # v1 halves the image at a stage's beginning, v2 at its end.
        halving = (depth if stage < 3 else 0) if preactivated else (1 if stage > 0 else 0)
        for number in range(1, depth + 1):
            stride = 2 if number == halving else 1
            x = block(x, width, stride, number == 1, f"conv{stage + 2}_block{number}")
    if preactivated:
        x = _activated(x, "post")
    return plan.model(plan.head(x), plan.named_file("resnet", file, _HASHES[file]))


def _variants():
    for title, depths in (("ResNet50", (3, 4, 6, 3)), ("ResNet101", (3, 4, 23, 3)), ("ResNet152", (3, 8, 36, 3))):
        for version, preactivated in (("", False), ("V2", True)):
            name = f"{title}{version}".lower()
            summary = f"ResNet {'v2' if preactivated else 'v1'} with {title[6:]} layers."
            settings = {"depths": depths, "file": name, "preactivated": preactivated}
            yield variant(_resnet, title + version, name, summary=summary, **settings)


ResNet50, ResNet50V2, ResNet101, ResNet101V2, ResNet152, ResNet152V2 = _variants()
