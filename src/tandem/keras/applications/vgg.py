"""VGG: stacks of 3x3 convolutions with pooling between them. Simonyan and Zisserman, 2014."""

from tandem.keras import layers
from tandem.keras.applications.building import variant

_WIDTHS = (64, 128, 256, 512, 512)
_HASHES = {
    "vgg16": ("64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc"),
    "vgg19": ("cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6"),
}


def _vgg(plan, depths, file):
    x = plan.image(224)
    for block, (depth, width) in enumerate(zip(depths, _WIDTHS, strict=True), 1):
        for number in range(1, depth + 1):
            name = f"block{block}_conv{number}"
            x = layers.Conv2D(width, 3, activation="relu", padding="same", name=name)(x)
        x = layers.MaxPooling2D(2, strides=2, name=f"block{block}_pool")(x)
    if plan.include_top:
        x = layers.Flatten(name="flatten")(x)
        for name in ("fc1", "fc2"):
            x = layers.Dense(4096, activation="relu", name=name)(x)
        x = layers.Dense(plan.classes, activation=plan.activation(), name="predictions")(x)
    else:
        x = plan.pooled(x)
    return plan.model(x, plan.named_file(file, file, _HASHES[file]))


VGG16 = variant(_vgg, "VGG16", "vgg16", summary="VGG with 16 layers.", depths=(2, 2, 3, 3, 3), file="vgg16")
VGG19 = variant(_vgg, "VGG19", "vgg19", summary="VGG with 19 layers.", depths=(2, 2, 4, 4, 4), file="vgg19")
