"""`keras.applications.convnext`: blocks made as transformers are, of convolutions. Liu et al., 2022."""

from tandem.keras import initializers, layers
from tandem.keras.applications.building import channel_axis, channels, variant
from tandem.keras.applications.imagenet_utils import DEVIATION, MEAN, decode_predictions, preprocessing
from tandem.keras.models import Sequential

_NAMES = ("Base", "Large", "Small", "Tiny", "XLarge")
__all__ = [*(f"ConvNeXt{name}" for name in _NAMES), "decode_predictions", "preprocess_input"]

# Depths and widths of the four stages, and the hashes of the files.
_SIZES = {
    "tiny": ((3, 3, 9, 3), (96, 192, 384, 768)),
    "small": ((3, 3, 27, 3), (96, 192, 384, 768)),
    "base": ((3, 3, 27, 3), (128, 256, 512, 1024)),
    "large": ((3, 3, 27, 3), (192, 384, 768, 1536)),
    "xlarge": ((3, 3, 27, 3), (256, 512, 1024, 2048)),
}
_HASHES = {
    "tiny": (
        "8ae6e78ce2933352b1ef4008e6dd2f17bc40771563877d156bc6426c7cf503ff",
        "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
    ),
    "small": (
        "ce1277d8f1ee5a0ef0e171469089c18f5233860ceaf9b168049cb9263fd7483c",
        "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab",
    ),
    "base": (
        "52cbb006d3dadd03f6e095a8ca1aca47aecdd75acb4bc74bce1f5c695d0086e6",
        "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45",
    ),
    "large": (
        "070c5ed9ed289581e477741d3b34beffa920db8cf590899d6d2c67fba2a198a6",
        "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd",
    ),
    "xlarge": (
        "c1f5ccab661354fc3a79a10fa99af82f0fbf10ec65cb894a3ae0815f17a889ee",
        "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05",
    ),
}

preprocess_input = preprocessing(None)


class LayerScale(layers.Layer):
    """``x * gamma`` with one learned number to a channel, which begins at `init_values`. Touvron et al., 2021."""

    _keras_module = "keras.src.applications.convnext"  # as Keras's own configs name it

    def __init__(self, init_values, projection_dim, **kwargs):
        super().__init__(**kwargs)
        self.init_values = init_values
        self.projection_dim = projection_dim

    def build(self, _):
        """Make gamma."""
        # Without a name, as in Keras, so that its path in files is Keras's.
        self.gamma = self.add_weight(shape=(self.projection_dim,), initializer=initializers.Constant(self.init_values))

    def call(self, x):
        """The product."""
        return x * self.gamma

    def get_config(self):
        """The arguments."""
        return {**super().get_config(), "init_values": self.init_values, "projection_dim": self.projection_dim}


def _normalised(name=None):
    return layers.LayerNormalization(epsilon=1e-6, name=name)


def _block(x, width, name):
    before = x
    x = layers.Conv2D(width, 7, padding="same", groups=width, name=f"{name}_depthwise_conv")(x)
    x = _normalised(f"{name}_layernorm")(x)
    x = layers.Dense(4 * width, name=f"{name}_pointwise_conv_1")(x)
    x = layers.Activation("gelu", name=f"{name}_gelu")(x)
    x = layers.Dense(width, name=f"{name}_pointwise_conv_2")(x)
    x = LayerScale(1e-6, width, name=f"{name}_layer_scale")(x)
    # Where a model with stochastic depth drops images; these do not.
    x = layers.Activation("linear", name=f"{name}_identity")(x)
    return before + x


def _reduced(x, size, width, name, number=None):
    """A convolution whose steps are as large as its kernel, normalised after it in the stem, before it later."""
    if number is None:
        parts = [
            layers.Conv2D(width, size, strides=size, name=f"{name}_stem_conv"),
            _normalised(f"{name}_stem_layernorm"),
        ]
        return Sequential(parts, name=f"{name}_stem")(x)
    name = f"{name}_downsampling"
    parts = [
        _normalised(f"{name}_layernorm_{number}"),
        layers.Conv2D(width, size, strides=size, name=f"{name}_conv_{number}"),
    ]
    return Sequential(parts, name=f"{name}_block_{number}")(x)


def _convnext(plan, include_preprocessing, size):
    depths, widths = _SIZES[size]
    x, name = plan.image(224), plan.name
    if include_preprocessing and channels(x) == 3:
        x = layers.Normalization(
            mean=[mean * 255 for mean in MEAN],
            variance=[(deviation * 255) ** 2 for deviation in DEVIATION],
            axis=channel_axis(-1),
            name=f"{name}_prestem_normalization",
        )(x)
    x = _reduced(x, 4, widths[0], name)
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
        if stage:
            x = _reduced(x, 2, width, name, stage - 1)
        for number in range(depth):
            x = _block(x, width, f"{name}_stage_{stage}_block_{number}")
    if plan.include_top:
        x = layers.GlobalAveragePooling2D(name=f"{name}_head_gap")(x)
        x = _normalised(f"{name}_head_layernorm")(x)
        x = layers.Dense(plan.classes, activation=plan.activation(), name=f"{name}_head_dense")(x)
    else:
        x = _normalised()(plan.pooled(x))
    file = f"convnext_{size}{plan.ending()}.h5"
    return plan.model(x, (file, f"convnext/{file}", plan.fitting(_HASHES[size])))


ConvNeXtBase, ConvNeXtLarge, ConvNeXtSmall, ConvNeXtTiny, ConvNeXtXLarge = (
    variant(
        _convnext,
        f"ConvNeXt{name}",
        f"convnext_{name.lower()}",
        extra={"include_preprocessing": True},
        order="include_top include_preprocessing weights input_tensor input_shape pooling classes "
        "classifier_activation name",
        summary=f"ConvNeXt, {name.lower()}.",
        more="include_preprocessing: scale the images from 0..255 inside the model.",
        size=name.lower(),
    )
    for name in _NAMES
)
