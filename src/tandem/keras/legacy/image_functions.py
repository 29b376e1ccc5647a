"""Keras 2's functions that transform one image: a numpy array whose axes are said by `row_axis` and so on."""

import numpy as np
import torch

from tandem.core.errors import explain
from tandem.ops import colour, image


def _on_batch(x, channel_axis, function):
    """Run `function` on the image as a batch of one, channels last."""
    images = torch.from_numpy(np.array(np.moveaxis(x, channel_axis, -1)))[None]
    return np.moveaxis(function(images)[0].numpy(), -1, channel_axis)


def apply_affine_transform(
    x,
    theta=0,
    tx=0,
    ty=0,
    shear=0,
    zx=1,
    zy=1,
    row_axis=1,
    col_axis=2,
    channel_axis=0,
    fill_mode="nearest",
    cval=0.0,
    order=1,
):
    """Rotate (degrees), shift (pixels), shear (degrees) and zoom an image about its centre."""
    if sorted((row_axis, col_axis, channel_axis)) != [0, 1, 2] or x.ndim != 3:
        raise ValueError(
            explain(
                "Cannot tell the image's axes",
                expected="3 dimensions; row_axis, col_axis and channel_axis 0, 1 and 2 in some order",
                given=f"shape {x.shape}, axes {(row_axis, col_axis, channel_axis)}",
            )
        )
    if row_axis > col_axis:
        raise ValueError(
            explain("Rows come before columns", expected="row_axis < col_axis", given=(row_axis, col_axis))
        )
    size = (x.shape[row_axis], x.shape[col_axis])
    matrix = image.affine_matrix(size, theta=theta, tx=tx, ty=ty, shear=shear, zx=zx, zy=zy, swap=True)
    return _on_batch(
        x,
        channel_axis,
        lambda images: image.affine_transform(images, matrix, order=order, fill_mode=fill_mode, fill_value=cval),
    )


def random_rotation(
    x, rg, row_axis=1, col_axis=2, channel_axis=0, fill_mode="nearest", cval=0.0, interpolation_order=1
):
    """Rotate an image by up to `rg` degrees either way."""
    axes = (row_axis, col_axis, channel_axis)
    theta = np.random.uniform(-rg, rg)
    return apply_affine_transform(x, theta, 0, 0, 0, 1, 1, *axes, fill_mode, cval, interpolation_order)


def random_shift(
    x, wrg, hrg, row_axis=1, col_axis=2, channel_axis=0, fill_mode="nearest", cval=0.0, interpolation_order=1
):
    """Shift an image by up to the fractions `wrg` of its width and `hrg` of its height."""
    axes = (row_axis, col_axis, channel_axis)
    tx = np.random.uniform(-hrg, hrg) * x.shape[row_axis]
    ty = np.random.uniform(-wrg, wrg) * x.shape[col_axis]
    return apply_affine_transform(x, 0, tx, ty, 0, 1, 1, *axes, fill_mode, cval, interpolation_order)


def random_shear(
    x, intensity, row_axis=1, col_axis=2, channel_axis=0, fill_mode="nearest", cval=0.0, interpolation_order=1
):
    """Shear an image by up to `intensity` degrees either way."""
    axes = (row_axis, col_axis, channel_axis)
    shear = np.random.uniform(-intensity, intensity)
    return apply_affine_transform(x, 0, 0, 0, shear, 1, 1, *axes, fill_mode, cval, interpolation_order)


def random_zoom(
    x, zoom_range, row_axis=1, col_axis=2, channel_axis=0, fill_mode="nearest", cval=0.0, interpolation_order=1
):
    """Zoom an image by factors from `zoom_range`, (low, high), for rows and columns apart."""
    if len(zoom_range) != 2:
        raise ValueError(explain("Bad zoom_range", expected="a pair of numbers", given=repr(zoom_range)))
    axes = (row_axis, col_axis, channel_axis)
    zx, zy = (1, 1) if tuple(zoom_range) == (1, 1) else np.random.uniform(zoom_range[0], zoom_range[1], 2)
    return apply_affine_transform(x, 0, 0, 0, 0, zx, zy, *axes, fill_mode, cval, interpolation_order)


def apply_channel_shift(x, intensity, channel_axis=0):
    """Add `intensity` to an image and keep it between its least and greatest value."""
    x = np.asarray(x)
    x = x if np.issubdtype(x.dtype, np.floating) else x.astype("float64")
    return _on_batch(x, channel_axis, lambda images: colour.channel_shift(images, intensity))


def random_channel_shift(x, intensity_range, channel_axis=0):
    """`apply_channel_shift` by up to `intensity_range` either way."""
    return apply_channel_shift(x, np.random.uniform(-intensity_range, intensity_range), channel_axis)


def apply_brightness_shift(x, brightness, scale=True):
    """Multiply an image's brightness, by way of 8-bit pixels; channels last."""
    return colour.brightness_shift(torch.from_numpy(np.array(x))[None], brightness, scale=scale)[0].numpy()


def random_brightness(x, brightness_range, scale=True):
    """`apply_brightness_shift` by a factor from `brightness_range`, (low, high)."""
    if len(brightness_range) != 2:
        raise ValueError(explain("Bad brightness_range", expected="a pair of numbers", given=repr(brightness_range)))
    return apply_brightness_shift(x, np.random.uniform(*brightness_range), scale)
