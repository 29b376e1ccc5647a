"""Augmenters: objects that change an image, most of them at random, when called with it."""

import json
import random

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet.image import image
from tandem.mxnet.ndarray.creation import array
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.ops import colour


def _plain(value):
    if isinstance(value, NDArray):
        return value.asnumpy().tolist()
    return value.tolist() if isinstance(value, np.ndarray) else value


def _changed(src, function, *args, **kwargs):
    """A function of ops on the tensor of an image."""
    return type(src)._wrap(function(src._tensor, *args, **kwargs), src._ctx)


class Described:
    """What augmenters of images share, with boxes and without: the keywords are what `dumps` writes."""

    def __init__(self, **kwargs):
        self._kwargs = {name: _plain(value) for name, value in kwargs.items()}

    def dumps(self):
        """The name of the class in lower case and the parameters, as JSON."""
        return json.dumps([type(self).__name__.lower(), self._kwargs])


class Augmenter(Described):
    """Base of augmenters: `__call__(src)` answers the changed image; the keywords are what `dumps` writes."""

    def __call__(self, src):
        raise NotImplementedError(explain(f"{type(self).__name__} does not say what it does to an image"))


class SequentialAug(Augmenter):
    """Augmenters one after the other."""

    def __init__(self, ts):
        super().__init__()
        self.ts = ts

    def dumps(self):
        """The name of the class and what each augmenter writes."""
        return [type(self).__name__.lower(), [augmenter.dumps() for augmenter in self.ts]]

    def __call__(self, src):
        for augmenter in self.ts:
            src = augmenter(src)
        return src


class RandomOrderAug(SequentialAug):
    """Augmenters in an order that is drawn for each image."""

    def __call__(self, src):
        random.shuffle(self.ts)
        return super().__call__(src)


class ResizeAug(Augmenter):
    """The shorter edge to `size`."""

    def __init__(self, size, interp=2):
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def __call__(self, src):
        return image.resize_short(src, self.size, self.interp)


class ForceResizeAug(Augmenter):
    """The image to `size` (width, height), whatever its proportions."""

    def __init__(self, size, interp=2):
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def __call__(self, src):
        interp = image._get_interp_method(self.interp, (*src.shape[:2], self.size[1], self.size[0]))
        return image.imresize(src, *self.size, interp=interp)


class CenterCropAug(Augmenter):
    """A box of `size` (width, height) from the middle."""

    def __init__(self, size, interp=2):
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def __call__(self, src):
        return image.center_crop(src, self.size, self.interp)[0]


class RandomCropAug(Augmenter):
    """A box of `size` (width, height) at a random place."""

    def __init__(self, size, interp=2):
        super().__init__(size=size, interp=interp)
        self.size, self.interp = size, interp

    def __call__(self, src):
        return image.random_crop(src, self.size, self.interp)[0]


class RandomSizedCropAug(Augmenter):
    """A box of random area and proportions, resized to `size` (width, height); see `random_size_crop`."""

    def __init__(self, size, area, ratio, interp=2, **kwargs):
        super().__init__(size=size, area=area, ratio=ratio, interp=interp)
        self.size, self.interp, self.ratio = size, interp, ratio
        self.area = kwargs.pop("min_area", area)
        if kwargs:
            raise AssertionError(explain("Unexpected arguments of RandomSizedCropAug", given=", ".join(kwargs)))

    def __call__(self, src):
        return image.random_size_crop(src, self.size, self.area, self.ratio, self.interp)[0]


class BrightnessJitterAug(Augmenter):
    """Brightness by a factor from [1 - brightness, 1 + brightness]."""

    def __init__(self, brightness):
        super().__init__(brightness=brightness)
        self.brightness = brightness

    def __call__(self, src):
        return _changed(src, colour.adjust_brightness, 1.0 + random.uniform(-self.brightness, self.brightness))


class ContrastJitterAug(Augmenter):
    """Contrast by a factor from [1 - contrast, 1 + contrast]."""

    def __init__(self, contrast):
        super().__init__(contrast=contrast)
        self.contrast = contrast

    def __call__(self, src):
        return _changed(src, colour.adjust_contrast, 1.0 + random.uniform(-self.contrast, self.contrast))


class SaturationJitterAug(Augmenter):
    """Saturation by a factor from [1 - saturation, 1 + saturation]."""

    def __init__(self, saturation):
        super().__init__(saturation=saturation)
        self.saturation = saturation

    def __call__(self, src):
        return _changed(src, colour.adjust_saturation, 1.0 + random.uniform(-self.saturation, self.saturation))


class HueJitterAug(Augmenter):
    """The hue turned by a part of half a turn from [-hue, hue]."""

    def __init__(self, hue):
        super().__init__(hue=hue)
        self.hue = hue

    def __call__(self, src):
        return _changed(src, colour.rotate_hue, random.uniform(-self.hue, self.hue))


class ColorJitterAug(RandomOrderAug):
    """Brightness, contrast and saturation in random order; 0 leaves one out."""

    def __init__(self, brightness, contrast, saturation):
        kinds = ((BrightnessJitterAug, brightness), (ContrastJitterAug, contrast), (SaturationJitterAug, saturation))
        super().__init__([kind(strength) for kind, strength in kinds if strength > 0])


class LightingAug(Augmenter):
    """PCA noise: ``eigvec @ (alpha * eigval)`` is added to every pixel, alpha normal with deviation `alphastd`."""

    def __init__(self, alphastd, eigval, eigvec):
        super().__init__(alphastd=alphastd, eigval=eigval, eigvec=eigvec)
        self.alphastd, self.eigval, self.eigvec = alphastd, np.asarray(eigval), np.asarray(eigvec)

    def __call__(self, src):
        alpha = np.random.normal(0, self.alphastd, size=(3,))
        noise = np.dot(self.eigvec * alpha, self.eigval)
        return src + array(noise, dtype=src.dtype, ctx=src.context)


class ColorNormalizeAug(Augmenter):
    """``(src - mean) / std``."""

    def __init__(self, mean, std):
        super().__init__(mean=mean, std=std)
        self.mean = mean if mean is None or isinstance(mean, NDArray) else array(mean)
        self.std = std if std is None or isinstance(std, NDArray) else array(std)

    def __call__(self, src):
        return image.color_normalize(src, self.mean, self.std)


class RandomGrayAug(Augmenter):
    """Grey, in three channels, with probability p."""

    def __init__(self, p):
        super().__init__(p=p)
        self.p = p

    def __call__(self, src):
        if random.random() < self.p:
            return _changed(src, colour.grayscale, weights=(0.21, 0.72, 0.07), channels=3)
        return src


class HorizontalFlipAug(Augmenter):
    """The mirror image, left to right, with probability p."""

    def __init__(self, p):
        super().__init__(p=p)
        self.p = p

    def __call__(self, src):
        if random.random() < self.p:
            return type(src)._wrap(image.geometry.flip(src._tensor, 1), src._ctx)
        return src


class CastAug(Augmenter):
    """Another dtype."""

    def __init__(self, typ="float32"):
        super().__init__(type=typ)
        self.typ = typ

    def __call__(self, src):
        return src.astype(self.typ)


# ImageNet's colours, 0 to 255: mean, deviation, and the principal components of their covariance.
_MEAN, _STD = (123.68, 116.28, 103.53), (58.395, 57.12, 57.375)
_EIGENVALUES = (55.46, 4.794, 1.148)
_EIGENVECTORS = ((-0.5675, 0.7192, 0.4009), (-0.5808, -0.0045, -0.8140), (-0.5836, -0.6948, 0.4203))


def CreateAugmenter(
    data_shape,
    resize=0,
    rand_crop=False,
    rand_resize=False,
    rand_mirror=False,
    mean=None,
    std=None,
    brightness=0,
    contrast=0,
    saturation=0,
    hue=0,
    pca_noise=0,
    rand_gray=0,
    inter_method=2,
):
    """The usual list of augmenters for images that shall have the shape `data_shape` (channels, height, width).

    resize: the shorter edge first; rand_crop, rand_resize: a box at a random place, of random size; rand_mirror: flip;
    mean, std: True for ImageNet's, or three numbers; the rest: strengths of the jitters, 0 for none.
    Raises AssertionError for rand_resize without rand_crop.
    """
    if rand_resize and not rand_crop:
        raise AssertionError(explain("rand_resize needs rand_crop", expected="rand_crop=True", given=f"{rand_crop}"))
    size = (data_shape[2], data_shape[1])
    steps = [ResizeAug(resize, inter_method)] if resize > 0 else []
    if rand_resize:
        steps.append(RandomSizedCropAug(size, 0.08, (3.0 / 4.0, 4.0 / 3.0), inter_method))
    else:
        steps.append((RandomCropAug if rand_crop else CenterCropAug)(size, inter_method))
    if rand_mirror:
        steps.append(HorizontalFlipAug(0.5))
    colours = (array(default) if given is True else given for given, default in ((mean, _MEAN), (std, _STD)))
    return steps + pixels(brightness, contrast, saturation, hue, pca_noise, rand_gray, *colours)


def pixels(brightness, contrast, saturation, hue, pca_noise, rand_gray, mean, std):
    """The augmenters that leave every pixel at its place: numbers with a fraction, jitters of colours, normalization.

    The strengths are those of `CreateAugmenter`, 0 for none; mean, std: arrays, or None.
    """
    steps = [CastAug()]
    if brightness or contrast or saturation:
        steps.append(ColorJitterAug(brightness, contrast, saturation))
    if hue:
        steps.append(HueJitterAug(hue))
    if pca_noise > 0:
        steps.append(LightingAug(pca_noise, np.array(_EIGENVALUES), np.array(_EIGENVECTORS)))
    if rand_gray > 0:
        steps.append(RandomGrayAug(rand_gray))
    if mean is not None or std is not None:
        steps.append(ColorNormalizeAug(mean, std))
    return steps
