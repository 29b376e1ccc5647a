"""`keras.applications.mobilenet_v3`: v2's blocks with gates on the channels. Howard et al., 2019."""

from tandem.keras import layers
from tandem.keras.applications.building import (
    channel_axis,
    channels,
    divisible,
    published_rows,
    same_padding,
    square_rows,
    variant,
)
from tandem.keras.applications.imagenet_utils import decode_predictions, preprocessing

# Keras's public module has no models; they are in keras.applications.
__all__ = ["decode_predictions", "preprocess_input"]

_HASHES = {
    "large_224_0.75_float": ("765b44a33ad4005b3ac83185abf1d0eb", "40af19a13ebea4e2ee0c676887f69a2e"),
    "large_224_1.0_float": ("59e551e166be033d707958cf9e29a6a7", "07fb09a5933dd0c8eaafa16978110389"),
    "large_minimalistic_224_1.0_float": ("675e7b876c45c57e9e63e6d90a36599c", "ec5221f64a2f6d1ef965a614bdae7973"),
    "small_224_0.75_float": ("cb65d4e5be93758266aa0a7f2c6708b7", "ebdb5cc8e0b497cd13a7c275d475c819"),
    "small_224_1.0_float": ("8768d4c2e7dee89b9d02b2d03d65d862", "d3e8ec802a04aa4fc771ee12a9a9b836"),
    "small_minimalistic_224_1.0_float": ("99cd97fb2fcdad2bf028eb838de69e37", "cde8136e733e811080d9fcd8a252f7e4"),
}
# Blocks: (factor inside, filters, kernel, stride, gated, activation).
_SMALL = (
    (1, 16, 3, 2, True, "relu"),
    (72 / 16, 24, 3, 2, False, "relu"),
    (88 / 24, 24, 3, 1, False, "relu"),
    (4, 40, 5, 2, True, "hard_swish"),
    (6, 40, 5, 1, True, "hard_swish"),
    (6, 40, 5, 1, True, "hard_swish"),
    (3, 48, 5, 1, True, "hard_swish"),
    (3, 48, 5, 1, True, "hard_swish"),
    (6, 96, 5, 2, True, "hard_swish"),
    (6, 96, 5, 1, True, "hard_swish"),
    (6, 96, 5, 1, True, "hard_swish"),
)
_LARGE = (
    (1, 16, 3, 1, False, "relu"),
    (4, 24, 3, 2, False, "relu"),
    (3, 24, 3, 1, False, "relu"),
    (3, 40, 5, 2, True, "relu"),
    (3, 40, 5, 1, True, "relu"),
    (3, 40, 5, 1, True, "relu"),
    (6, 80, 3, 2, False, "hard_swish"),
    (2.5, 80, 3, 1, False, "hard_swish"),
    (2.3, 80, 3, 1, False, "hard_swish"),
    (2.3, 80, 3, 1, False, "hard_swish"),
    (6, 112, 3, 1, True, "hard_swish"),
    (6, 112, 3, 1, True, "hard_swish"),
    (6, 160, 5, 2, True, "hard_swish"),
    (6, 160, 5, 1, True, "hard_swish"),
    (6, 160, 5, 1, True, "hard_swish"),
)

preprocess_input = preprocessing(None)


def _activated(x, activation):
    return (layers.ReLU() if activation == "relu" else layers.Activation(activation))(x)


def _normalised(x, name):
    return layers.BatchNormalization(axis=channel_axis(-1), epsilon=1e-3, momentum=0.999, name=f"{name}_bn")(x)


def _convolved(x, filters, name):
    x = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=name)(x)
    return _normalised(x, name)


def _gated(x, filters, name):
    """x times a number in 0..1 to each channel, which follows from the channels' means."""
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_avg_pool")(x)
    gate = layers.Conv2D(divisible(filters * 0.25), 1, padding="same", name=f"{name}_conv")(gate)
    gate = layers.ReLU(name=f"{name}_relu")(gate)
    gate = layers.Conv2D(filters, 1, padding="same", name=f"{name}_conv_1")(gate)
    gate = layers.ReLU(6.0)(gate + 3.0) * (1.0 / 6.0)
    return layers.Multiply(name=f"{name}_mul")([x, gate])


def _block(x, expansion, filters, kernel, stride, gated, activation, number):
    before, width = x, channels(x)
    inside = divisible(width * expansion)
    name = f"expanded_conv_{number}" if number else "expanded_conv"
    if number:
        x = _activated(_convolved(x, inside, f"{name}_expand"), activation)
    if stride == 2:
        x = layers.ZeroPadding2D(padding=same_padding(x, kernel), name=f"{name}_depthwise_pad")(x)
    padding = "same" if stride == 1 else "valid"
    name_inside = f"{name}_depthwise"
    x = layers.DepthwiseConv2D(kernel, strides=stride, padding=padding, use_bias=False, name=name_inside)(x)
    x = _activated(_normalised(x, name_inside), activation)
    if gated:
        x = _gated(x, inside, f"{name}_squeeze_excite")
    x = _convolved(x, filters, f"{name}_project")
    return layers.Add(name=f"{name}_add")([before, x]) if stride == 1 and width == filters else x


def _check(plan, alpha, minimalistic):
    """The size of the published weights. Raises ValueError where there are none, and for images that are too small."""
    plan.input_shape = plan.shape()
    if plan.input_shape is None:
        plan.input_shape = (3, None, None) if channel_axis(-1) == 1 else (None, None, 3)
    rows, columns = square_rows(plan.input_shape)
    if rows and columns and (rows < 32 or columns < 32):
        raise ValueError(f"Input size must be at least 32x32; Received `input_shape={plan.input_shape}`")
    if plan.imagenet:
        if alpha not in ((1.0,) if minimalistic else (0.75, 1.0)):
            raise ValueError(
                "If imagenet weights are being loaded, alpha can be one of `0.75`, `1.0` for non minimalistic or `1.0` "
                "for minimalistic only."
            )
        published_rows(plan.input_shape, (224,))


def _mobilenet_v3(plan, alpha, minimalistic, dropout_rate, include_preprocessing, blocks, last, size):
    _check(plan, alpha, minimalistic)
    swish = "relu" if minimalistic else "hard_swish"
    x = plan.given()
    if include_preprocessing:
        x = layers.Rescaling(scale=1.0 / 127.5, offset=-1.0)(x)
    x = layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="conv")(x)
    x = _activated(_normalised(x, "conv"), swish)
    for number, (expansion, filters, kernel, stride, gated, activation) in enumerate(blocks):
        options = (3, stride, False, "relu") if minimalistic else (kernel, stride, gated, activation)
        x = _block(x, expansion, divisible(filters * alpha), *options, number)
    x = _activated(_convolved(x, divisible(channels(x) * 6), "conv_1"), swish)
    if plan.include_top:
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
        width = divisible(last * alpha) if alpha > 1.0 else last
        x = _activated(layers.Conv2D(width, 1, padding="same", name="conv_2")(x), swish)
        if dropout_rate > 0:
            x = layers.Dropout(dropout_rate)(x)
        x = layers.Conv2D(plan.classes, 1, padding="same", name="logits")(x)
        x = layers.Activation(activation=plan.activation(), name="predictions")(layers.Flatten()(x))
    else:
        x = plan.pooled(x, ("avg_pool", "max_pool"))
    key = f"{size}{'_minimalistic' if minimalistic else ''}_224_{float(alpha)}_float"
    file = f"weights_mobilenet_v3_{key}{plan.ending('_no_top_v2')}.h5"
    file_hash = plan.fitting(_HASHES.get(key, (None, None)))
    return plan.model(x, (file, f"mobilenet_v3/{file}", file_hash))


MobileNetV3Small, MobileNetV3Large = (
    variant(
        _mobilenet_v3,
        f"MobileNetV3{size}",
        f"MobileNetV3{size}",
        extra={"alpha": 1.0, "minimalistic": False, "dropout_rate": 0.2, "include_preprocessing": True},
        order="input_shape alpha minimalistic include_top weights input_tensor classes pooling dropout_rate "
        "classifier_activation include_preprocessing name",
        summary=f"MobileNet v3, {size.lower()}.",
        more="alpha: a factor of all widths; minimalistic: without gates, large kernels and hard swish; dropout_rate: "
        "the classifier's; include_preprocessing: scale the images from 0..255 inside the model.",
        size=size.lower(),
        blocks=blocks,
        last=last,
    )
    for size, blocks, last in (("Small", _SMALL, 1024), ("Large", _LARGE, 1280))
)
