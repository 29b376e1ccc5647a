"""`keras.applications.nasnet`: two kinds of cells, found by search. Zoph, Vasudevan, Shlens and Le, 2017."""

from tandem.keras import layers
from tandem.keras.applications.building import channel_axis, channels, same_padding, square_rows, variant
from tandem.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tandem.keras.naming import name_scope

__all__ = ["NASNetLarge", "NASNetMobile", "decode_predictions", "preprocess_input"]

_HASHES = {
    "mobile": ("020fb642bf7360b370c678b08e0adf61", "1ed92395b5b598bdda52abe5c0dbfd63"),
    "large": ("11577c9a518f0070763c2b964a382f17", "d81d89dc07e6e56530c4e77faddd61b5"),
}

preprocess_input = preprocessing("tf")


def _normalised(x, name):
    return layers.BatchNormalization(axis=channel_axis(-1), momentum=0.9997, epsilon=1e-3, name=name)(x)


def _relu(x, name=None):
    return layers.Activation("relu", name=name)(x)


def _joined(parts, name=None):
    return layers.Concatenate(axis=channel_axis(-1), name=name)(parts)


def _convolved(x, filters, name):
    return layers.Conv2D(filters, 1, padding="same", use_bias=False, kernel_initializer="he_normal", name=name)(x)


def _separable(x, filters, kernel, name, stride=1):
    """Two separable convolutions; the first takes the stride."""
    with name_scope(f"separable_conv_block_{name}"):
        for number in (1, 2):
            x, padding = _relu(x), "same"
            if number == 1 and stride == 2:
                x = layers.ZeroPadding2D(padding=same_padding(x, kernel), name=f"separable_conv_1_pad_{name}")(x)
                padding = "valid"
            x = layers.SeparableConv2D(
                filters,
                kernel,
                strides=stride if number == 1 else 1,
                padding=padding,
                use_bias=False,
                name=f"separable_conv_{number}_{name}",
            )(x)
            x = _normalised(x, f"separable_conv_{number}_bn_{name}")
        return x


def _averaged(x, name):
    return layers.AveragePooling2D(3, strides=1, padding="same", name=name)(x)


def _adjusted(previous, x, filters, end):
    """The cell before the last, in x's size and with this cell's width."""
    if previous is None:
        return x
    if square_rows(previous.shape[1:])[1] != square_rows(x.shape[1:])[1]:
        with name_scope("adjust_block"), name_scope(f"adjust_reduction_block_{end}"):
            # Every other pixel, and every other pixel of the image moved by one, beside each other.
            first = second = _relu(previous, f"adjust_relu_1_{end}")
            first = layers.AveragePooling2D(1, strides=2, padding="valid", name=f"adjust_avg_pool_1_{end}")(first)
            first = _convolved(first, filters // 2, f"adjust_conv_1_{end}")
            second = layers.ZeroPadding2D(padding=((0, 1), (0, 1)))(second)
            second = layers.Cropping2D(cropping=((1, 0), (1, 0)))(second)
            second = layers.AveragePooling2D(1, strides=2, padding="valid", name=f"adjust_avg_pool_2_{end}")(second)
            second = _convolved(second, filters // 2, f"adjust_conv_2_{end}")
            return _normalised(_joined([first, second]), f"adjust_bn_{end}")
    if channels(previous) != filters:
        with name_scope("adjust_block"), name_scope(f"adjust_projection_block_{end}"):
            previous = _convolved(_relu(previous), filters, f"adjust_conv_projection_{end}")
            return _normalised(previous, f"adjust_bn_{end}")
    return previous


def _entered(x, previous, filters, kind, end):
    """What both kinds of cells begin with: (the cell before the last, x) at the cell's width."""
    previous = _adjusted(previous, x, filters, end)
    return previous, _normalised(_convolved(_relu(x), filters, f"{kind}_conv_1_{end}"), f"{kind}_bn_1_{end}")


def _normal(x, previous, filters, end):
    """The cell that keeps the size: (its output, x)."""
    with name_scope(f"normal_A_block_{end}"):
        return _normal_sums(x, previous, filters, end), x


def _normal_sums(x, previous, filters, end):
    p, h = _entered(x, previous, filters, "normal", end)

    def separable(source, kernel, place):
        with name_scope(f"block_{place[-1]}"):
            return _separable(source, filters, kernel, f"normal_{place}_{end}")

    def added(number, *parts):
        return layers.Add(name=f"normal_add_{number}_{end}")(list(parts))

    sums = [
        added(1, separable(h, 5, "left1"), separable(p, 3, "right1")),
        added(2, separable(p, 5, "left2"), separable(p, 3, "right2")),
        added(3, _averaged(h, f"normal_left3_{end}"), p),
        added(4, _averaged(p, f"normal_left4_{end}"), _averaged(p, f"normal_right4_{end}")),
        added(5, separable(h, 3, "left5"), h),
    ]
    return _joined([p, *sums], f"normal_concat_{end}")


def _reduction(x, previous, filters, end):
    """The cell that halves the size: (its output, x)."""
    with name_scope(f"reduction_A_block_{end}"):
        return _reduction_sums(x, previous, filters, end), x


def _reduction_sums(x, previous, filters, end):
    p, h = _entered(x, previous, filters, "reduction", end)
    padded = layers.ZeroPadding2D(padding=same_padding(h, 3), name=f"reduction_pad_1_{end}")(h)

    def separable(source, kernel, place, stride=2):
        with name_scope("block_5" if place == "left4" else f"block_{place[-1]}"):
            return _separable(source, filters, kernel, f"reduction_{place}_{end}", stride)

    def pooled(kind, place):
        return kind(3, strides=2, padding="valid", name=f"reduction_{place}_{end}")(padded)

    def added(name, *parts):
        return layers.Add(name=name and f"reduction_{name}_{end}")(list(parts))

    first = added("add_1", separable(h, 5, "left1"), separable(p, 7, "right1"))
    second = added("add_2", pooled(layers.MaxPooling2D, "left2"), separable(p, 7, "right2"))
    third = added("add3", pooled(layers.AveragePooling2D, "left3"), separable(p, 5, "right3"))
    fourth = added(None, second, _averaged(first, f"reduction_left4_{end}"))
    fifth = added("add4", separable(first, 3, "left4", 1), pooled(layers.MaxPooling2D, "right5"))
    return _joined([second, third, fourth, fifth], f"reduction_concat_{end}")


def _nasnet(plan, size, side, filters, repeats, stem, skip):
    """`skip`: the cells after a reduction see what was before it as the cell before the last."""
    x = plan.image(side, flatten=True)
    x = layers.Conv2D(stem, 3, strides=2, use_bias=False, name="stem_conv1", kernel_initializer="he_normal")(x)
    x = _normalised(x, "stem_bn1")
    x, previous = _reduction(x, None, filters // 4, "stem_1")
    x, previous = _reduction(x, previous, filters // 2, "stem_2")
    for stage in range(3):
        width = filters * 2**stage
        if stage:
            x, before = _reduction(x, previous, width, f"reduce_{stage * repeats}")
            previous = previous if skip else before
        for number in range(repeats):
            x, previous = _normal(x, previous, width, stage * repeats + number + bool(stage))
    x = plan.head(_relu(x), pool=None, names=(None, None))
    file = f"nasnet_{size}{plan.ending('_no_top')}.h5"
    address = f"nasnet/NASNet-{size}{plan.ending('-no-top')}.h5"
    return plan.model(x, (file, address, plan.fitting(_HASHES[size])))


NASNetMobile, NASNetLarge = (
    variant(
        _nasnet,
        f"NASNet{name}",
        f"nasnet_{name.lower()}",
        order="input_shape include_top weights input_tensor pooling classes classifier_activation name",
        summary=f"NASNet-A, {name.lower()}.",
        size=name.lower(),
        **settings,
    )
    for name, settings in (
        ("Mobile", {"side": 224, "filters": 44, "repeats": 4, "stem": 32, "skip": False}),
        ("Large", {"side": 331, "filters": 168, "repeats": 6, "stem": 96, "skip": True}),
    )
)
