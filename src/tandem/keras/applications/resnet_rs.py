"""ResNet-RS: residual networks with a deeper stem, weighted channels and stochastic depth, of Keras 2.

Bello and others, Revisiting ResNets: Improved Training and Scaling Strategies, 2021. Preprocessing is part of the
models. Layers' names are those of Keras's weight files.
"""

from tandem.keras import backend, layers
from tandem.keras.applications.building import channel_axis, channels, variant
from tandem.keras.applications.efficient import KERNEL, gated
from tandem.keras.applications.imagenet_utils import DEVIATION, MEAN, decode_predictions

# Layers: blocks of the four stages, the rate with which whole blocks are left out, the classifier's dropout.
_DEPTHS = {
    50: ((3, 4, 6, 3), 0.0, 0.25),
    101: ((3, 4, 23, 3), 0.0, 0.25),
    152: ((3, 8, 36, 3), 0.0, 0.25),
    200: ((3, 24, 36, 3), 0.1, 0.25),
    270: ((4, 29, 53, 4), 0.1, 0.25),
    350: ((4, 36, 72, 4), 0.1, 0.4),
    420: ((4, 44, 87, 4), 0.1, 0.4),
}
# MD5 of the weight files: the number of layers, the side of the images they were made with, without the classifier.
_HASHES = {
    "101-i160": "544b3434d00efc199d66e9058c7f3379",
    "101-i160_notop": "82d5b90c5ce9d710da639d6216d0f979",
    "101-i192": "eb285be29ab42cf4835ff20a5e3b5d23",
    "101-i192_notop": "f9a0f6b85faa9c3db2b6e233c4eebb5b",
    "152-i192": "8d72a301ed8a6f11a47c4ced4396e338",
    "152-i192_notop": "5fbf7ac2155cb4d5a6180ee9e3aa8704",
    "152-i224": "31a46a92ab21b84193d0d71dd8c3d03b",
    "152-i224_notop": "dc8b2cba2005552eafa3167f00dc2133",
    "152-i256": "ba6271b99bdeb4e7a9b15c05964ef4ad",
    "152-i256_notop": "fa79794252dbe47c89130f65349d654a",
    "200-i256": "a76930b741884e09ce90fa7450747d5f",
    "200-i256_notop": "bbdb3994718dfc0d1cd45d7eff3f3d9c",
    "270-i256": "20d575825ba26176b03cb51012a367a8",
    "270-i256_notop": "2c42ecb22e35f3e23d2f70babce0a2aa",
    "350-i256": "f4a039dc3c421321b7fc240494574a68",
    "350-i256_notop": "6e44b55025bbdff8f51692a023143d66",
    "350-i320": "7ccb858cc738305e8ceb3c0140bee393",
    "350-i320_notop": "ab0c1f9079d2f85a9facbd2c88aa6079",
    "420-i320": "ae0eb9bed39e64fc8d7e0db4018dc7e8",
    "420-i320_notop": "fe6217c32be8305b1889657172b98884",
    "50-i160": "69d9d925319f00a8bdd4af23c04e4102",
    "50-i160_notop": "90daa68cd26c95aa6c5d25451e095529",
}


def preprocess_input(x, data_format=None):
    """x itself: the models prepare their inputs."""
    return x


def _convolved(x, filters, size, stride, name):
    """A convolution without biases; of stride 2 it pads evenly, which "same" does not."""
    if stride > 1:
        x = layers.ZeroPadding2D((size - 1) // 2)(x)
    return layers.Conv2D(
        filters, size, strides=stride, padding="same" if stride == 1 else "valid", use_bias=False,
        kernel_initializer=KERNEL, name=name,
    )(x)  # fmt: skip


def _normalised(x, name):
    return layers.BatchNormalization(axis=channel_axis(), momentum=0.0, epsilon=1e-5, name=name)(x)


def _stem(x):
    name = f"stem_{backend.get_uid('stem_')}"
    for number, (filters, stride) in enumerate(((32, 2), (32, 1), (64, 1), (64, 2)), 1):
        x = _convolved(x, filters, 3, stride, f"{name}_stem_conv_{number}")
        x = layers.Activation("relu", name=f"{name}_stem_act_{number}")(
            _normalised(x, f"{name}_stem_batch_norm_{number}")
        )
    return x


def _block(x, filters, stride, project, dropped, name):
    shortcut = x
    if project:
        if stride == 2:
            shortcut = layers.AveragePooling2D(2, strides=2, padding="same", name=f"{name}_projection_pooling")(x)
        shortcut = _convolved(shortcut, 4 * filters, 1, 1, f"{name}_projection_conv")
        shortcut = _normalised(shortcut, f"{name}_projection_batch_norm")
    x = _normalised(_convolved(x, filters, 1, 1, f"{name}_conv_1"), f"{name}batch_norm_1")
    x = layers.Activation("relu", name=f"{name}_act_1")(x)
    x = _normalised(_convolved(x, filters, 3, stride, f"{name}_conv_2"), f"{name}_batch_norm_2")
    x = layers.Activation("relu", name=f"{name}_act_2")(x)
    x = _normalised(_convolved(x, 4 * filters, 1, 1, f"{name}_conv_3"), f"{name}_batch_norm_3")
    x = gated(x, 4 * filters, filters, f"{name}_se_", activation="relu")
    if dropped:
        x = layers.Dropout(dropped, noise_shape=(None, 1, 1, 1), name=f"{name}_drop")(x)
    return layers.Activation("relu", name=f"{name}_output_act")(layers.Add()([x, shortcut]))


def _resnet_rs(plan, include_preprocessing, depth):
    repeats, dropped, dropout = _DEPTHS[depth]
    if plan.weights == "imagenet":
        plan.weights = _published(depth)[-1]
    x = plan.image(224)
    if include_preprocessing:
        count = channels(x)
        x = layers.Rescaling(scale=1 / 255)(x)
        if count == 3:
            variance = [deviation**2 for deviation in DEVIATION]
            x = layers.Normalization(mean=list(MEAN), variance=variance, axis=channel_axis())(x)
    x = _stem(x)
    for stage, count in enumerate(repeats):
        for number in range(count):
            name = f"BlockGroup{stage + 2}__block_{number}_"
            rate = dropped * (stage + 2) / (len(repeats) + 1)
            x = _block(x, 64 * 2**stage, 2 if stage and not number else 1, not number, rate, name)
    x = plan.head(x, dropout=(dropout, "top_dropout"))
    file = f"{plan.weights}".replace("imagenet-", f"resnet-rs-{depth}-") + plan.ending()
    return plan.model(x, (f"{file}.h5", f"resnet_rs/{file}.h5", _HASHES.get(file.removeprefix("resnet-rs-"))))


def _published(depth):
    """The names of the weights that there are for a depth, by the side of their images."""
    sides = sorted({key.split("-")[1].removesuffix("_notop") for key in _HASHES if key.startswith(f"{depth}-")})
    return [f"imagenet-{side}" for side in sides]


def _variant(depth):
    return variant(
        _resnet_rs,
        f"ResNetRS{depth}",
        f"resnet-rs-{depth}",
        extra={"include_preprocessing": True},
        order="include_top weights classes input_shape input_tensor pooling classifier_activation "
        "include_preprocessing",
        summary=f"ResNet-RS with {depth} layers.",
        more="include_preprocessing: whether the model scales and normalises its input; weights may also be one of "
        f"{', '.join(_published(depth))}, by the side of the images they were made with.",
        published=("imagenet", *_published(depth)),
        depth=depth,
    )


ResNetRS50, ResNetRS101, ResNetRS152, ResNetRS200, ResNetRS270, ResNetRS350, ResNetRS420 = map(_variant, _DEPTHS)

__all__ = [
    "ResNetRS50",
    "ResNetRS101",
    "ResNetRS152",
    "ResNetRS200",
    "ResNetRS270",
    "ResNetRS350",
    "ResNetRS420",
    "decode_predictions",
    "preprocess_input",
]
