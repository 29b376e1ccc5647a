"""Operators on images: `nd.image`, and OpenCV's behind `mx.image`.

Images are (H, W, C); some operators take batches (N, H, W, C) too. Random ones draw anew at each call, from the
generator that `mx.random.seed` seeds.
"""

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.ops import colour, image, opencv, random

_IMAGE = "(height, width, channels)"
_IMAGES = f"{_IMAGE} or (N, height, width, channels)"


def _check(holds, wrong, expected, given):
    if not holds:
        raise MXNetError(explain(wrong, expected=expected, given=given))


def _check_image(data, batch=False):
    axes = (3, 4) if batch else (3,)
    expected = _IMAGES if batch else _IMAGE
    _check(data.ndim in axes, "The input is no image", expected, f"shape {tuple(data.shape)}")


def _check_colours(data):
    """Whether there is something to do: grey images have no colours."""
    _check_image(data)
    channels = data.shape[2]
    _check(channels in (1, 3), "The image has another number of channels", "1 or 3", f"shape {tuple(data.shape)}")
    return channels == 3


def _register(name, function, attributes=None, **fields):
    register(f"_image_{name}", function, attributes=attributes, **fields)


# --- as tensors ------------------------------------------------------------------------------------------------------


def _to_tensor(data):
    """(H, W, C) from 0 to 255 as (C, H, W) from 0 to 1, float32; a batch likewise."""
    _check_image(data, batch=True)
    return colour.to_tensor(data)


def _normalize(data, *, mean, std):
    """``(data - mean) / std`` by channel, for (C, H, W) or (N, C, H, W) as `to_tensor` gives it."""
    _check(
        data.ndim in (3, 4) and data.shape[-3] in (1, 3),
        "The input is no image tensor",
        "(channels, height, width) or (N, channels, height, width) with 1 or 3 channels",
        f"shape {tuple(data.shape)}",
    )
    return colour.normalize(data, mean, std)


_register("to_tensor", _to_tensor)
_register("normalize", _normalize, {"mean": a.reals((0.0,)), "std": a.reals((1.0,))})

# --- geometry --------------------------------------------------------------------------------------------------------


def _crop(data, *, x, y, width, height):
    """The box of `width` and `height` whose upper left corner is (x, y)."""
    _check_image(data, batch=True)
    whole_height, whole_width = data.shape[-3:-1]
    _check(
        x >= 0 and y >= 0 and width > 0 and height > 0 and x + width <= whole_width and y + height <= whole_height,
        "The box is empty or reaches outside the image",
        f"a box inside {whole_width} x {whole_height} (width x height)",
        f"x={x}, y={y}, width={width}, height={height}",
    )
    return image.crop(data, y, x, height, width)


def _resize(data, *, size, keep_ratio, interp):
    """The image at another size: `size` is (width, height), or one number for both (with `keep_ratio`: of the shorter
    edge). interp: OpenCV's number, 0 nearest, 1 linear, 2 cubic, 3 area, 4 Lanczos."""
    _check_image(data, batch=True)
    _check(
        len(size) in (1, 2) and min(size, default=0) > 0,
        "This is no size for an image",
        "one or two numbers greater than 0",
        f"size={size}",
    )
    height, width = data.shape[-3:-1]
    new_width, new_height = size[0], size[-1]
    if keep_ratio and len(size) == 1:
        if height > width:
            new_height = new_width * height // width
        else:
            new_width = new_height * width // height
    return opencv.resize(data, (new_height, new_width), interp)


def _flip(axis):
    def flip(data):
        _check_image(data)
        return image.flip(data, axis)

    def random_flip(data):
        _check_image(data)
        return image.flip(data, axis, random.uniform((1,), device=data.device) < 0.5)

    return flip, random_flip


_register("crop", _crop, {name: a.integer() for name in ("x", "y", "width", "height")}, aliases_input=True)
_register(
    "resize",
    _resize,
    {"size": a.sizes(()), "keep_ratio": a.flag(False), "interp": a.integer(1)},
)
for _name, _axis in (("left_right", 1), ("top_bottom", 0)):
    _plain, _random = _flip(_axis)
    _plain.__doc__ = "The image in a mirror."
    _random.__doc__ = "The image, or its mirror image, each with probability 1/2."
    _register(f"flip_{_name}", _plain)
    _register(f"random_flip_{_name}", _random, random=True)

# --- colours ---------------------------------------------------------------------------------------------------------


def _brightness(data, factor):
    _check_colours(data)
    return colour.adjust_brightness(data, factor)


def _contrast(data, factor):
    _check_colours(data)
    return colour.adjust_contrast(data, factor)


def _saturation(data, factor):
    if not _check_colours(data):
        return data
    # MXNet (1.9.1) takes the grey value of a pixel from its blue channel alone.
    return colour.adjust_saturation(data, factor, weights=(0.0, 0.0, colour.LUMA[2]))


def _hue(data, factor):
    return colour.adjust_hue(data, factor) if _check_colours(data) else data


def _by_factor(adjust, what):
    def adjusted(data, *, min_factor, max_factor):
        _check(
            0 <= min_factor <= max_factor,
            "The factors are out of range",
            "0 <= min_factor <= max_factor",
            f"min_factor={min_factor}, max_factor={max_factor}",
        )
        return adjust(data, random.uniform((), min_factor, max_factor, device=data.device))

    adjusted.__doc__ = f"The image with another {what}, by a factor drawn from [min_factor, max_factor)."
    return adjusted


for _name, _adjust in {
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "hue": _hue,
}.items():
    _register(
        f"random_{_name}",
        _by_factor(_adjust, _name),
        {"min_factor": a.real(), "max_factor": a.real()},
        random=True,
        aliases_input=True,
    )


def _color_jitter(data, *, brightness, contrast, saturation, hue):
    """Brightness, contrast, saturation and hue, in random order, each by a factor from [1 - s, 1 + s); 0 leaves one
    out."""
    _check_image(data)
    steps = [
        (adjust, strength)
        for adjust, strength in (
            (_brightness, brightness),
            (_contrast, contrast),
            (_saturation, saturation),
            (_hue, hue),
        )
        if strength
    ]
    for index in random.permutation(len(steps)).tolist():
        adjust, strength = steps[index]
        data = adjust(data, random.uniform((), 1 - strength, 1 + strength, device=data.device))
    return data


_register(
    "random_color_jitter",
    _color_jitter,
    {name: a.real() for name in ("brightness", "contrast", "saturation", "hue")},
    random=True,
    aliases_input=True,
)


def _adjust_lighting(data, *, alpha):
    """Adds the principal components of ImageNet's colours, `alpha` times each."""
    _check(len(alpha) == 3, "`alpha` does not fit", "three numbers", f"alpha={alpha}")
    return colour.adjust_lighting(data, alpha) if _check_colours(data) else data


def _random_lighting(data, *, alpha_std):
    """Adds the principal components of ImageNet's colours, normally distributed with deviation `alpha_std`."""
    _check(alpha_std >= 0, "The deviation is out of range", "alpha_std >= 0", f"alpha_std={alpha_std}")
    if not _check_colours(data):
        return data
    return colour.adjust_lighting(data, random.normal((3,), 0.0, alpha_std, device=data.device).unbind())


_register("adjust_lighting", _adjust_lighting, {"alpha": a.reals()}, aliases_input=True)
_register("random_lighting", _random_lighting, {"alpha_std": a.real(0.05)}, random=True, aliases_input=True)

# --- what `mx.image` calls -------------------------------------------------------------------------------------------


def _cv_resize(src, *, w, h, interp):
    """The image at another size; interp: OpenCV's number, 0 to 4."""
    _check_image(src)
    _check(w > 0 and h > 0, "This is no size for an image", "w and h greater than 0", f"w={w}, h={h}")
    return opencv.resize(src, (h, w), interp)


register(
    "_cvimresize",
    _cv_resize,
    ("src",),
    {"w": a.integer(), "h": a.integer(), "interp": a.integer(1)},
    differentiable=False,
)


def _cv_border(src, *, top, bot, left, right, type, value, values):
    """The image with a border; type: OpenCV's number, 0 constant, 1 replicate, 2 reflect, 3 wrap, 4 reflect 101."""
    _check_image(src)
    _check(min(top, bot, left, right) >= 0, "A border is negative", "0 or more", f"{top}, {bot}, {left}, {right}")
    _check(0 <= type < len(opencv.BORDERS), "Unknown border", f"0 to {len(opencv.BORDERS) - 1}", f"type={type}")
    return opencv.pad(src, (top, bot, left, right), opencv.BORDERS[type], values or value)


register(
    "_cvcopyMakeBorder",
    _cv_border,
    ("src",),
    {
        **{name: a.integer() for name in ("top", "bot", "left", "right")},
        "type": a.integer(0),
        "value": a.real(0.0),
        "values": a.reals(()),
    },
    differentiable=False,
)
