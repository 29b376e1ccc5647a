"""`keras.applications.efficientnet`: one model, scaled in width, depth and size. Tan and Le, 2019."""

import math

from tandem.keras import layers
from tandem.keras.applications.building import channel_axis, channels, divisible, same_padding, variant
from tandem.keras.applications.efficient import (
    CLASSIFIER,
    activated,
    added,
    convolved,
    gated,
    normalised,
    repeats,
    spread,
)
from tandem.keras.applications.imagenet_utils import DEVIATION, decode_predictions, preprocessing

__all__ = [*(f"EfficientNetB{size}" for size in range(8)), "decode_predictions", "preprocess_input"]

_FOLDER = "https://storage.googleapis.com/keras-applications/"
_HASHES = (
    ("902e53a9f72be733fc0bcb005b3ebbac", "50bc09e76180e00e4465e1a485ddc09d"),
    ("1d254153d4ab51201f1646940f018540", "74c4e6b3e1f6a1eea24c589628592432"),
    ("b15cce36ff4dcbd00b6dd88e7857a6ad", "111f8e2ac8aa800a7a99e3239f7bfb39"),
    ("ffd1fdc53d0ce67064dc6a9c7960ede0", "af6d107764bb5b1abb91932881670226"),
    ("18c95ad55216b8f92d7e70b3a046e2fc", "ebc24e6d6c33eaebbd558eafbeedf1ba"),
    ("ace28f2a6363774853a83a0b21b9421a", "38879255a25d3c92d5e44e04ae6cec6f"),
    ("165f6e37dce68623721b423839de8be5", "9ecce42647a20130c1f39a5d4cb75743"),
    ("8c03f828fec3ef71311cd463b6759d99", "cbcfe4450ddf6f3ad90b1b398090fe4a"),
)
# Width, depth, height and width of the images, and the classifier's dropout, of B0 to B7.
_SIZES = (
    (1.0, 1.0, 224, 0.2),
    (1.0, 1.1, 240, 0.2),
    (1.1, 1.2, 260, 0.3),
    (1.2, 1.4, 300, 0.3),
    (1.4, 1.8, 380, 0.4),
    (1.6, 2.2, 456, 0.4),
    (1.8, 2.6, 528, 0.5),
    (2.0, 3.1, 600, 0.5),
)
# (kernel, repeats, filters, factor inside, stride) of B0's stages.
_STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)

preprocess_input = preprocessing(None)


def _block(x, kernel, filters, expansion, stride, rate, name):
    before, width = x, channels(x)
    inside = width * expansion
    if expansion != 1:
        x = activated(convolved(x, inside, name=f"{name}expand_conv"), f"{name}expand_")
    if stride == 2:
        x = layers.ZeroPadding2D(padding=same_padding(x, kernel), name=f"{name}dwconv_pad")(x)
    x = spread(x, kernel, strides=stride, padding="valid" if stride == 2 else "same", name=f"{name}dwconv")
    x = gated(activated(x, name), inside, max(1, int(width * 0.25)), name)
    x = normalised(convolved(x, filters, name=f"{name}project_conv"), f"{name}project_")
    return added(x, before, rate, name) if stride == 1 and width == filters else x


def _efficientnet(plan, size):
    width, depth, side, dropout = _SIZES[size]
    x = plan.image(side)
    x = layers.Rescaling(1.0 / 255.0)(x)
    x = layers.Normalization(axis=channel_axis())(x)
    if plan.imagenet:
        # The published weights were made with deviations where the layer before divides by their square roots.
        x = layers.Rescaling([1.0 / math.sqrt(deviation) for deviation in DEVIATION])(x)
    x = layers.ZeroPadding2D(padding=same_padding(x, 3), name="stem_conv_pad")(x)
    x = convolved(x, divisible(32 * width), 3, strides=2, padding="valid", name="stem_conv")
    x = activated(x, "stem_")
    total, number = sum(repeats(stage[1], depth) for stage in _STAGES), 0
    for stage, (kernel, count, filters, expansion, stride) in enumerate(_STAGES, 1):
        for repeat in range(repeats(count, depth)):
            rate, name = 0.2 * number / total, f"block{stage}{chr(97 + repeat)}_"
            x = _block(x, kernel, divisible(filters * width), expansion, 1 if repeat else stride, rate, name)
            number += 1
    x = activated(convolved(x, divisible(1280 * width), name="top_conv"), "top_")
    x = plan.head(x, dropout=(dropout, "top_dropout"), kernel_initializer=CLASSIFIER)
    file = f"efficientnetb{size}{plan.ending()}.h5"
    return plan.model(x, (file, _FOLDER + file, plan.fitting(_HASHES[size])))


(
    EfficientNetB0,
    EfficientNetB1,
    EfficientNetB2,
    EfficientNetB3,
    EfficientNetB4,
    EfficientNetB5,
    EfficientNetB6,
    EfficientNetB7,
) = (
    variant(
        _efficientnet,
        f"EfficientNetB{size}",
        f"efficientnetb{size}",
        summary=f"EfficientNet B{size}, which scales images from 0..255 itself.",
        size=size,
    )
    for size in range(8)
)
