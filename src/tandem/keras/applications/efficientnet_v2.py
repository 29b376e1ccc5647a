"""`keras.applications.efficientnet_v2`: its early blocks have plain convolutions. Tan and Le, 2021."""

from tandem.keras import layers
from tandem.keras.applications.building import channel_axis, channels, variant
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
from tandem.keras.applications.imagenet_utils import DEVIATION, MEAN, decode_predictions, preprocessing
from tandem.keras.initializers import Constant

_NAMES = ("B0", "B1", "B2", "B3", "L", "M", "S")
__all__ = [*(f"EfficientNetV2{name}" for name in _NAMES), "decode_predictions", "preprocess_input"]

_MOMENTUM = 0.9
# Width, depth, height and width of the images, and the table of stages.
_SIZES = {
    "b0": (1.0, 1.0, 224, "b"),
    "b1": (1.0, 1.1, 240, "b"),
    "b2": (1.1, 1.2, 260, "b"),
    "b3": (1.2, 1.4, 300, "b"),
    "s": (1.0, 1.0, 384, "s"),
    "m": (1.0, 1.0, 480, "m"),
    "l": (1.0, 1.0, 480, "l"),
}
# (repeats, filters, factor inside, stride, gate's share or 0); a stage without a gate has plain convolutions.
_STAGES = {
    "b": (
        (1, 16, 1, 1, 0),
        (2, 32, 4, 2, 0),
        (2, 48, 4, 2, 0),
        (3, 96, 4, 2, 0.25),
        (5, 112, 6, 1, 0.25),
        (8, 192, 6, 2, 0.25),
    ),
    "s": (
        (2, 24, 1, 1, 0),
        (4, 48, 4, 2, 0),
        (4, 64, 4, 2, 0),
        (6, 128, 4, 2, 0.25),
        (9, 160, 6, 1, 0.25),
        (15, 256, 6, 2, 0.25),
    ),
    "m": (
        (3, 24, 1, 1, 0),
        (5, 48, 4, 2, 0),
        (5, 80, 4, 2, 0),
        (7, 160, 4, 2, 0.25),
        (14, 176, 6, 1, 0.25),
        (18, 304, 6, 2, 0.25),
        (5, 512, 6, 1, 0.25),
    ),
    "l": (
        (4, 32, 1, 1, 0),
        (7, 64, 4, 2, 0),
        (7, 96, 4, 2, 0),
        (10, 192, 4, 2, 0.25),
        (19, 224, 6, 1, 0.25),
        (25, 384, 6, 2, 0.25),
        (7, 640, 6, 1, 0.25),
    ),
}
_STEM = {"b": 32, "s": 24, "m": 24, "l": 32}
_HASHES = {
    "b0": ("21ecbf6da12460d5c40bb2f29ceb2188", "893217f2bb855e2983157299931e43ff"),
    "b1": ("069f0534ff22adf035c89e2d9547a9dc", "0e80663031ca32d657f9caa404b6ec37"),
    "b2": ("424e49f28180edbde1e94797771950a7", "1dfe2e7a5d45b6632553a8961ea609eb"),
    "b3": ("1f1fc43bd98a6e4fd8fdfd551e02c7a0", "f6abf7b5849ac99a89b50dd3fd532856"),
    "-s": ("e1d88a8495beba45748fedd0cecbe016", "af0682fb74e8c54910f2d4393339c070"),
    "-m": ("a3bf6aa3276309f4fc6a34aa114c95cd", "1b8dc055df72dde80d614482840fe342"),
    "-l": ("27e6d408b53c7ebc868fefa357689935", "b0b66b5c863aef5b46e8608fe1711615"),
}

preprocess_input = preprocessing(None)


def _width(filters, factor):
    """The multiple of 8 nearest to the widened filters, at least 8 (and, unlike v1, however far below)."""
    return max(8, int(filters * factor + 4) // 8 * 8)


def _plain_block(x, filters, expansion, stride, name):
    if expansion != 1:
        x = convolved(x, channels(x) * expansion, 3, strides=stride, name=f"{name}expand_conv")
        x = activated(x, f"{name}expand_", _MOMENTUM)
        x = convolved(x, filters, name=f"{name}project_conv")
        return normalised(x, f"{name}project_", _MOMENTUM)
    x = convolved(x, filters, 3, strides=stride, name=f"{name}project_conv")
    return activated(x, f"{name}project_", _MOMENTUM)


def _gated_block(x, filters, expansion, stride, share, name):
    width = channels(x)
    x = convolved(x, width * expansion, name=f"{name}expand_conv")
    x = activated(x, f"{name}expand_", _MOMENTUM)
    x = activated(spread(x, 3, strides=stride, name=f"{name}dwconv2"), name, _MOMENTUM)
    x = gated(x, width * expansion, max(1, int(width * share)), name)
    return normalised(convolved(x, filters, name=f"{name}project_conv"), f"{name}project_", _MOMENTUM)


def _efficientnet_v2(plan, include_preprocessing, size):
    factor, depth, side, table = _SIZES[size]
    x = plan.image(side)
    if include_preprocessing and table == "b" and channels(x) == 3:
        x = layers.Rescaling(scale=1.0 / 255)(x)
        variance = [deviation**2 for deviation in DEVIATION]
        x = layers.Normalization(mean=list(MEAN), variance=variance, axis=channel_axis())(x)
    elif include_preprocessing:
        x = layers.Rescaling(scale=1.0 / 128.0, offset=-1)(x)
    x = convolved(x, _width(_STEM[table], factor), 3, strides=2, name="stem_conv")
    x = activated(x, "stem_", _MOMENTUM)
    total, number = sum(stage[0] for stage in _STAGES[table]), 0
    for stage, (count, filters, expansion, stride, share) in enumerate(_STAGES[table], 1):
        filters = _width(filters, factor)
        for repeat in range(repeats(count, depth)):
            before, name = x, f"block{stage}{chr(97 + repeat)}_"
            step = 1 if repeat else stride
            if share:
                x = _gated_block(x, filters, expansion, step, share, name)
            else:
                x = _plain_block(x, filters, expansion, step, name)
            if step == 1 and channels(before) == filters:
                x = added(x, before, 0.2 * number / total, name)
            number += 1
    x = activated(convolved(x, _width(1280, factor), name="top_conv"), "top_", _MOMENTUM)
    x = plan.head(x, dropout=(0.2, "top_dropout"), kernel_initializer=CLASSIFIER, bias_initializer=Constant(0.0))
    key = size if table == "b" else f"-{size}"
    file = f"efficientnetv2-{size}{plan.ending()}.h5"
    return plan.model(x, (file, f"efficientnet_v2/{file}", plan.fitting(_HASHES[key])))


(
    EfficientNetV2B0,
    EfficientNetV2B1,
    EfficientNetV2B2,
    EfficientNetV2B3,
    EfficientNetV2L,
    EfficientNetV2M,
    EfficientNetV2S,
) = (
    variant(
        _efficientnet_v2,
        f"EfficientNetV2{name}",
        f"efficientnetv2-{name.lower()}",
        extra={"include_preprocessing": True},
        order="include_top weights input_tensor input_shape pooling classes classifier_activation "
        "include_preprocessing name",
        summary=f"EfficientNet v2, {name}.",
        more="include_preprocessing: scale the images from 0..255 inside the model.",
        size=name.lower(),
    )
    for name in _NAMES
)
