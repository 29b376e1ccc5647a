"""Images fitted into a size: resized, with what does not go with its proportions cut off or filled up."""

import torch

from tandem.ops import augment, image, shape


def resize(
    x,
    size,
    *,
    interpolation="bilinear",
    antialias=False,
    crop=False,
    pad=False,
    fill_mode="constant",
    fill_value=0.0,
    layout="channels_last",
):
    """An image or a batch at another size (H, W), as Keras 3 resizes; x's dtype, whole numbers rounded.

    interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5"; crop, pad: before, the largest box with
    the proportions of `size` is cut out of the middle, or the images are filled up to them with `fill_value`.
    """
    if crop and pad:
        raise ValueError("Only one of `pad_to_aspect_ratio` & `crop_to_aspect_ratio` can be `True`.")
    if fill_mode != "constant":
        raise ValueError(f"Unknown fill mode. Expected: 'constant'. Given: fill_mode={fill_mode!r}.")
    down, across, _ = augment.axes(layout)
    old = (x.shape[down], x.shape[across])
    if crop:
        x = image.crop(x, *image.crop_box_for(old, size), layout=layout)
    elif pad:
        widths = [(0, 0)] * x.ndim
        # As much on both sides, where an odd amount leaves one less than the proportions ask for, as Keras has it.
        (top, _), (left, _) = image.padding_for(old, size)
        widths[down], widths[across] = (top, top), (left, left)
        x = shape.pad(x, widths, value=fill_value)
    options = {"cubic": -0.5, "edge": "renormalize"} if antialias else {"cubic": -0.75, "edge": "replicate"}
    return image.resize(x, tuple(size), method=interpolation, antialias=antialias, layout=layout, **options)


def placing(old, new, *, crop=False, pad=False):
    """How `resize` moves a point (x, y): ((factors across and down), (shifts across and down)), numbers."""
    across, down = new[1] / old[1], new[0] / old[0]
    if pad:
        across = down = min(across, down)
    elif crop:
        across = down = max(across, down)
    else:
        return (across, down), (0.0, 0.0)
    sign = -1 if crop else 1
    shifts = (sign * (abs(new[1] - old[1] * across) // 2), sign * (abs(new[0] - old[0] * down) // 2))
    return (across, down), shifts


def piece(x, top, left, height, width, *, layout="channels_last"):
    """The box of images that begins at a row and a column that are tensors."""
    down, across, _ = augment.axes(layout)
    for axis, start, size in ((down, top, height), (across, left, width)):
        place = torch.arange(size, device=x.device) + torch.as_tensor(start, device=x.device)
        x = x.index_select(axis, place)
    return x


def not_negative(x):
    """``max(x, 0)``."""
    return x.clamp_min(0)
