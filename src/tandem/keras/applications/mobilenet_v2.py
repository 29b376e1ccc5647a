"""`keras.applications.mobilenet_v2`: blocks that are wide inside. Sandler, Howard, Zhu, Zhmoginov and Chen, 2018."""

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
from tandem.keras.applications.mobilenet import default_size

__all__ = ["MobileNetV2", "decode_predictions", "preprocess_input"]

_SIZES = (96, 128, 160, 192, 224)
_ALPHAS = (0.35, 0.50, 0.75, 1.0, 1.3, 1.4)
# (filters, stride, factor inside) of the blocks.
_STAGES = ((16, 1, 1, 1), (24, 2, 6, 2), (32, 2, 6, 3), (64, 2, 6, 4), (96, 1, 6, 3), (160, 2, 6, 3), (320, 1, 6, 1))

preprocess_input = preprocessing("tf")


def _normalised(x, name):
    return layers.BatchNormalization(axis=channel_axis(-1), epsilon=1e-3, momentum=0.999, name=name)(x)


def _convolved(x, filters, name):
    x = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=name)(x)
    return _normalised(x, f"{name}_BN")


def _block(x, filters, stride, expansion, number):
    before, width = x, channels(x)
    name = f"block_{number}" if number else "expanded_conv"
    if number:
        x = layers.ReLU(6.0, name=f"{name}_expand_relu")(_convolved(x, expansion * width, f"{name}_expand"))
    if stride == 2:
        x = layers.ZeroPadding2D(padding=same_padding(x, 3), name=f"{name}_pad")(x)
    padding = "same" if stride == 1 else "valid"
    x = layers.DepthwiseConv2D(3, strides=stride, use_bias=False, padding=padding, name=f"{name}_depthwise")(x)
    x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(_normalised(x, f"{name}_depthwise_BN"))
    x = _convolved(x, filters, f"{name}_project")
    return layers.Add(name=f"{name}_add")([before, x]) if stride == 1 and width == filters else x


def _mobilenet_v2(plan, alpha):
    image = plan.image(default_size(plan.shape(), _SIZES))
    rows = square_rows(plan.input_shape)[0]
    if plan.imagenet:
        if alpha not in _ALPHAS:
            raise ValueError(
                "If imagenet weights are being loaded, alpha must be one of `0.35`, `0.50`, `0.75`, `1.0`, `1.3` or "
                f"`1.4` only; Received `alpha={alpha}`"
            )
        rows = published_rows(plan.input_shape, _SIZES)
    x = layers.Conv2D(divisible(32 * alpha), 3, strides=2, padding="same", use_bias=False, name="Conv1")(image)
    x = layers.ReLU(6.0, name="Conv1_relu")(_normalised(x, "bn_Conv1"))
    number = 0
    for filters, stride, expansion, repeats in _STAGES:
        for repeat in range(repeats):
            x = _block(x, divisible(int(filters * alpha)), 1 if repeat else stride, expansion, number)
            number += 1
    # The paper: widths above 1 widen the last layer too, those below leave it.
    last = divisible(1280 * alpha) if alpha > 1.0 else 1280
    x = layers.Conv2D(last, 1, use_bias=False, name="Conv_1")(x)
    x = layers.ReLU(6.0, name="out_relu")(_normalised(x, "Conv_1_bn"))
    x = plan.head(x, pool=None, names=(None, None))
    if plan.name is None:
        plan.name = f"mobilenetv2_{alpha:0.2f}_{rows}"
    top = plan.ending("_no_top")
    file = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_{rows}{top}.h5"
    return plan.model(x, (file, f"mobilenet_v2/{file}", None))


MobileNetV2 = variant(
    _mobilenet_v2,
    "MobileNetV2",
    None,
    extra={"alpha": 1.0},
    order="input_shape alpha include_top weights input_tensor pooling classes classifier_activation name",
    summary="MobileNet v2.",
    more="alpha: a factor of all widths.",
)
