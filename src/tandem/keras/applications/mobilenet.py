"""`keras.applications.mobilenet`: depthwise and pointwise convolutions in turn. Howard et al., 2017."""

from tandem.keras import layers
from tandem.keras.activations import relu6 as relu6  # by which Keras 1's files of this model name their activation
from tandem.keras.applications.building import channel_axis, published_rows, square_rows, variant
from tandem.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tandem.keras.layers import DepthwiseConv2D as DepthwiseConv2D  # they name this layer, too

__all__ = ["MobileNet", "decode_predictions", "preprocess_input"]

_SIZES = (128, 160, 192, 224)
_FILE_WIDTHS = {1.0: "1_0", 0.75: "7_5", 0.50: "5_0", 0.25: "2_5"}
# (filters, stride) of the blocks.
_BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))

preprocess_input = preprocessing("tf")


def _activated(x, name):
    x = layers.BatchNormalization(axis=channel_axis(-1), name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def _block(x, filters, stride, depth_multiplier, number):
    if stride == 2:
        x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{number}")(x)
    x = layers.DepthwiseConv2D(
        3,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        depth_multiplier=depth_multiplier,
        use_bias=False,
        name=f"conv_dw_{number}",
    )(x)
    x = _activated(x, f"conv_dw_{number}")
    x = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=f"conv_pw_{number}")(x)
    return _activated(x, f"conv_pw_{number}")


def _published(plan, alpha, depth_multiplier):
    """The size of the published weights. Raises ValueError where there are none."""
    if depth_multiplier != 1:
        raise ValueError(
            "If imagenet weights are being loaded, depth multiplier must be 1. "
            f"Received depth_multiplier={depth_multiplier}"
        )
    if alpha not in _FILE_WIDTHS:
        raise ValueError(
            "If imagenet weights are being loaded, alpha can be one of `0.25`, `0.50`, `0.75` or `1.0` only. "
            f"Received alpha={alpha}"
        )
    return published_rows(plan.input_shape, _SIZES)


def default_size(input_shape, sizes):
    """The size of the images where they are square and one of `sizes`; otherwise 224."""
    if input_shape is None:
        return 224
    rows, columns = square_rows(input_shape)
    return rows if rows == columns and rows in sizes else 224


def _mobilenet(plan, alpha, depth_multiplier, dropout):
    image = plan.image(default_size(plan.input_shape, _SIZES))
    rows = _published(plan, alpha, depth_multiplier) if plan.imagenet else square_rows(plan.input_shape)[0]
    x = layers.Conv2D(int(32 * alpha), 3, strides=2, padding="same", use_bias=False, name="conv1")(image)
    x = _activated(x, "conv1")
    for number, (filters, stride) in enumerate(_BLOCKS, 1):
        x = _block(x, int(filters * alpha), stride, depth_multiplier, number)
    if plan.include_top:
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
        x = layers.Dropout(dropout, name="dropout")(x)
        x = layers.Conv2D(plan.classes, 1, padding="same", name="conv_preds")(x)
        x = layers.Reshape((plan.classes,), name="reshape_2")(x)
        x = layers.Activation(activation=plan.activation(), name="predictions")(x)
    else:
        x = plan.pooled(x)
    if plan.name is None:
        plan.name = f"mobilenet_{alpha:0.2f}_{rows}"
    file = f"mobilenet_{_FILE_WIDTHS.get(alpha)}_{rows}_tf{plan.ending('_no_top')}.h5"
    return plan.model(x, (file, f"mobilenet/{file}", None))


MobileNet = variant(
    _mobilenet,
    "MobileNet",
    None,
    extra={"alpha": 1.0, "depth_multiplier": 1, "dropout": 0.001},
    order="input_shape alpha depth_multiplier dropout include_top weights input_tensor pooling classes "
    "classifier_activation name",
    summary="MobileNet v1.",
    more="alpha: a factor of all widths; depth_multiplier: of the depthwise convolutions'; dropout: a rate.",
)
