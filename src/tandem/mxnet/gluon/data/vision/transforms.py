"""Transformations of images: blocks over the operators of `nd.image` and the functions of `mx.image`.

They take one image (height, width, channels); `ToTensor`, `Normalize`, `Resize`, `CropResize` and `Cast` take batches
too. What comes after `ToTensor` takes (channels, height, width).
"""

import random

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet import image
from tandem.mxnet.base import numeric_types
from tandem.mxnet.gluon.block import Block, HybridBlock
from tandem.mxnet.gluon.nn import HybridSequential, Sequential

__all__ = [
    "Cast",
    "CenterCrop",
    "Compose",
    "CropResize",
    "Normalize",
    "RandomApply",
    "RandomBrightness",
    "RandomColorJitter",
    "RandomContrast",
    "RandomFlipLeftRight",
    "RandomFlipTopBottom",
    "RandomHue",
    "RandomLighting",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomSaturation",
    "Resize",
    "Rotate",
    "ToTensor",
]


class _Function(Block):
    """A plain function as a block."""

    def __init__(self, function):
        super().__init__()
        self._function = function

    def forward(self, *args):
        """The function's answer."""
        return self._function(*args)

    def __repr__(self):
        return repr(self._function)


def _as_block(transform):
    if isinstance(transform, Block) or not callable(transform):
        return transform
    return _Function(transform)


class Compose(Sequential):
    """Transformations (also plain functions) one after the other.

    HybridBlocks that follow on each other become one HybridSequential, as in MXNet.
    """

    def __init__(self, transforms):
        super().__init__()
        group = []
        for transform in [*map(_as_block, transforms), None]:
            if isinstance(transform, HybridBlock):
                group.append(transform)
                continue
            if len(group) > 1:
                together = HybridSequential()
                together.add(*group)
                group = [together]
            self.add(*group)
            group = []
            if transform is not None:
                self.add(transform)

    @property
    def batches(self):
        """Whether a batch gives what its images give one by one."""
        return all(map(takes_batches, self._children.values()))


class RandomApply(Sequential):
    """A transformation, applied with probability p."""

    def __init__(self, transforms, p=0.5):
        super().__init__()
        self.transforms = _as_block(transforms)
        self.p = p

    def forward(self, x, *args):
        """The transformed image, or the image itself."""
        return self.transforms(x, *args) if random.random() < self.p else x


# --- dtype and range -------------------------------------------------------------------------------------------------


class Cast(HybridBlock):
    """The image in another dtype."""

    batches = True

    def __init__(self, dtype="float32"):
        super().__init__()
        self._dtype = dtype

    def hybrid_forward(self, F, x):
        """The cast image."""
        return F.cast(x, self._dtype)


class ToTensor(HybridBlock):
    """(H, W, C) with values from 0 to 255 as (C, H, W) with values from 0 to 1, float32."""

    batches = True

    def hybrid_forward(self, F, x):
        """The tensor."""
        return F.image.to_tensor(x)


class Normalize(HybridBlock):
    """``(x - mean) / std`` for each channel of (C, H, W); mean, std: numbers, or one to a channel."""

    batches = True

    def __init__(self, mean=0.0, std=1.0):
        super().__init__()
        self._mean, self._std = (v.tolist() if hasattr(v, "tolist") else v for v in (mean, std))

    def hybrid_forward(self, F, x):
        """The normalized tensor."""
        return F.image.normalize(x, self._mean, self._std)


# --- geometry --------------------------------------------------------------------------------------------------------


def _pair(size):
    return (size, size) if isinstance(size, numeric_types) else size


class Resize(HybridBlock):
    """The image at `size`: (width, height), or one number for both (with `keep_ratio`: for the shorter edge).

    interpolation: 0 nearest, 1 linear, 2 cubic, 3 area, 4 Lanczos.
    """

    batches = True

    def __init__(self, size, keep_ratio=False, interpolation=1):
        super().__init__()
        self._size, self._keep, self._interpolation = size, keep_ratio, interpolation

    def hybrid_forward(self, F, x):
        """The resized image."""
        return F.image.resize(x, self._size, self._keep, self._interpolation)


class CropResize(HybridBlock):
    """The box of `width` and `height` at (x, y), resized to `size` (width, height) where that is given."""

    batches = True

    def __init__(self, x, y, width, height, size=None, interpolation=None):
        super().__init__()
        self._box, self._size, self._interpolation = (x, y, width, height), size, interpolation

    def hybrid_forward(self, F, x):
        """The cut image."""
        out = F.image.crop(x, *self._box)
        if self._size:
            # MXNet raises for interpolation=None, its own default.
            interpolation = 1 if self._interpolation is None else self._interpolation
            out = F.image.resize(out, self._size, False, interpolation)
        return out


class CenterCrop(Block):
    """The box of `size` (width, height), or one number for both, from the middle; a smaller image is resized."""

    def __init__(self, size, interpolation=1):
        super().__init__()
        self._args = (_pair(size), interpolation)

    def forward(self, x):
        """The cut image."""
        return image.center_crop(x, *self._args)[0]


class RandomResizedCrop(Block):
    """A box of random area and proportions at a random place, resized to `size` (width, height).

    scale: least and most part of the image's area; ratio: least and most of width / height.
    """

    def __init__(self, size, scale=(0.08, 1.0), ratio=(3.0 / 4.0, 4.0 / 3.0), interpolation=1):
        super().__init__()
        self._args = (_pair(size), scale, ratio, interpolation)

    def forward(self, x):
        """The cut image."""
        return image.random_size_crop(x, *self._args)[0]


class RandomFlipLeftRight(HybridBlock):
    """The image or its mirror image, left to right, each with probability 1/2."""

    def hybrid_forward(self, F, x):
        """The image."""
        return F.image.random_flip_left_right(x)


class RandomFlipTopBottom(HybridBlock):
    """The image or its mirror image, top to bottom, each with probability 1/2."""

    def hybrid_forward(self, F, x):
        """The image."""
        return F.image.random_flip_top_bottom(x)


class Rotate(Block):
    """(C, H, W) or (N, C, H, W), float32, turned counter-clockwise by an angle in degrees; see `mx.image.imrotate`."""

    def __init__(self, rotation_degrees, zoom_in=False, zoom_out=False):
        super().__init__()
        self._args = (rotation_degrees, zoom_in, zoom_out)

    def forward(self, x):
        """The turned image."""
        return image.imrotate(_float32(x), *self._args)


class RandomRotation(Block):
    """(C, H, W) or (N, C, H, W), float32, turned by an angle from `angle_limits`, with probability `rotate_with_proba`.

    Raises ValueError for limits in the wrong order or a probability outside 0 to 1.
    """

    def __init__(self, angle_limits, zoom_in=False, zoom_out=False, rotate_with_proba=1.0):
        super().__init__()
        lower, upper = angle_limits
        if lower >= upper:
            raise ValueError(
                explain("`angle_limits` must be an ordered tuple", expected="(least, most)", given=angle_limits)
            )
        if not 0 <= rotate_with_proba <= 1:
            raise ValueError(
                explain("Probability of rotating the image should be between 0 and 1", given=rotate_with_proba)
            )
        self._args, self._probability = (angle_limits, zoom_in, zoom_out), rotate_with_proba

    def forward(self, x):
        """The turned image, or the image itself."""
        if np.random.random() > self._probability:
            return x
        return image.random_rotate(_float32(x), *self._args)


def _float32(x):
    if x.dtype is not np.float32:
        raise TypeError(
            explain(
                "This transformation only supports float32. Consider calling it after ToTensor",
                expected="float32",
                given=np.dtype(x.dtype).name,
            )
        )
    return x


# --- colours ---------------------------------------------------------------------------------------------------------


class RandomBrightness(HybridBlock):
    """Brightness by a factor from [max(0, 1 - brightness), 1 + brightness)."""

    def __init__(self, brightness):
        super().__init__()
        self._args = (max(0, 1 - brightness), 1 + brightness)

    def hybrid_forward(self, F, x):
        """The image."""
        return F.image.random_brightness(x, *self._args)


class RandomContrast(HybridBlock):
    """Contrast by a factor from [max(0, 1 - contrast), 1 + contrast)."""

    def __init__(self, contrast):
        super().__init__()
        self._args = (max(0, 1 - contrast), 1 + contrast)

    def hybrid_forward(self, F, x):
        """The image."""
        return F.image.random_contrast(x, *self._args)


class RandomSaturation(HybridBlock):
    """Saturation by a factor from [max(0, 1 - saturation), 1 + saturation)."""

    def __init__(self, saturation):
        super().__init__()
        self._args = (max(0, 1 - saturation), 1 + saturation)

    def hybrid_forward(self, F, x):
        """The image."""
        return F.image.random_saturation(x, *self._args)


class RandomHue(HybridBlock):
    """The hue turned by a part of a full turn from [max(0, 1 - hue), 1 + hue)."""

    def __init__(self, hue):
        super().__init__()
        self._args = (max(0, 1 - hue), 1 + hue)

    def hybrid_forward(self, F, x):
        """The image."""
        return F.image.random_hue(x, *self._args)


class RandomColorJitter(HybridBlock):
    """Brightness, contrast, saturation and hue in random order, each by a factor from [1 - s, 1 + s)."""

    def __init__(self, brightness=0, contrast=0, saturation=0, hue=0):
        super().__init__()
        self._args = (brightness, contrast, saturation, hue)

    def hybrid_forward(self, F, x):
        """The image."""
        return F.image.random_color_jitter(x, *self._args)


class RandomLighting(HybridBlock):
    """PCA noise on the colours, with deviation `alpha`."""

    def __init__(self, alpha):
        super().__init__()
        self._alpha = alpha

    def hybrid_forward(self, F, x):
        """The image."""
        return F.image.random_lighting(x, self._alpha)


def takes_batches(transform):
    """Whether a transformation gives for a batch what it gives for its images one by one."""
    if not isinstance(transform, Block) or transform._forward_hooks or transform._forward_pre_hooks:
        return False
    if type(transform) in (HybridSequential, Sequential):
        return all(map(takes_batches, transform._children.values()))
    # Not a subclass: it may do something else with each image.
    return type(transform).__module__ == __name__ and getattr(transform, "batches", False)
