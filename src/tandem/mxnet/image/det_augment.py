"""Augmenters that change an image and the boxes on it (`mx.image.detection`).

A label is a numpy array with a row to each object: class, left, top, right, bottom (parts of the image's width and
height, from 0 to 1), and whatever else belongs to it.
"""

import logging
import math
import random
import warnings

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet.base import numeric_types
from tandem.mxnet.image import image
from tandem.mxnet.image.augment import _MEAN, _STD, Augmenter, Described, ForceResizeAug, ResizeAug, pixels
from tandem.ops import image as geometry


class DetAugmenter(Described):
    """Base of augmenters of images with boxes: `__call__(src, label)` answers both, changed; the keywords are what
    `dumps` writes."""

    def __call__(self, src, label):
        raise NotImplementedError(explain(f"{type(self).__name__} does not say what it does to an image and its boxes"))


class DetBorrowAug(DetAugmenter):
    """An augmenter of images, which must leave the boxes where they are.

    Raises TypeError for what is no `Augmenter`.
    """

    def __init__(self, augmenter):
        if not isinstance(augmenter, Augmenter):
            raise TypeError(
                explain("Borrowing from invalid Augmenter", expected="an Augmenter", given=type(augmenter).__name__)
            )
        super().__init__(augmenter=augmenter.dumps())
        self.augmenter = augmenter

    def dumps(self):
        """The name of the class and what the augmenter writes."""
        return [type(self).__name__.lower(), self.augmenter.dumps()]

    def __call__(self, src, label):
        return self.augmenter(src), label


class DetRandomSelectAug(DetAugmenter):
    """One of several augmenters, drawn for each image; none with probability `skip_prob`.

    Raises ValueError where one is no `DetAugmenter`.
    """

    def __init__(self, aug_list, skip_prob=0):
        super().__init__(skip_prob=skip_prob)
        self.aug_list = aug_list if isinstance(aug_list, (list, tuple)) else [aug_list]
        for augmenter in self.aug_list:
            if not isinstance(augmenter, DetAugmenter):
                raise ValueError(
                    explain("Allow DetAugmenter in list only", expected="DetAugmenter", given=type(augmenter).__name__)
                )
        if not self.aug_list:
            skip_prob = 1
        self.skip_prob = skip_prob

    def dumps(self):
        """The name of the class and what each augmenter writes."""
        return [type(self).__name__.lower(), [augmenter.dumps() for augmenter in self.aug_list]]

    def __call__(self, src, label):
        if random.random() < self.skip_prob:
            return src, label
        random.shuffle(self.aug_list)
        return self.aug_list[0](src, label)


class DetHorizontalFlipAug(DetAugmenter):
    """The mirror image, left to right, with probability p; the label is changed where it is."""

    def __init__(self, p):
        super().__init__(p=p)
        self.p = p

    def __call__(self, src, label):
        if random.random() < self.p:
            src = type(src)._wrap(geometry.flip(src._tensor, 1), src._ctx)
            label[:, (1, 3)] = 1.0 - label[:, (3, 1)]
        return src, label


# --- boxes of random size --------------------------------------------------------------------------------------------


def _areas(boxes):
    """The areas of boxes: rows of left, top, right, bottom."""
    return np.maximum(0, boxes[:, 2] - boxes[:, 0]) * np.maximum(0, boxes[:, 3] - boxes[:, 1])


def _pair(value, what):
    """A range as a pair; one number is both ends."""
    if isinstance(value, numeric_types):
        logging.info("%s is one number: it is taken as both ends of the range.", what)
        return value, value
    return value


class _RandomBox(DetAugmenter):
    """What cropping and padding have in common: a box of random proportions and area, relative to the image's.

    `_height_range` says between which heights, `_accept` what becomes of a box.
    """

    def _fits(self, area):
        """Whether both ranges are ones to draw from, and the area can be had; else a warning says what is left out."""
        ratio = self.aspect_ratio_range
        for what, given, good in (
            ("area_range", self.area_range, area and self.area_range[0] <= self.area_range[1]),
            ("aspect_ratio_range", ratio, 0 < ratio[0] <= ratio[1]),
        ):
            if not good:
                name = type(self).__name__
                warnings.warn(f"Skip {name} due to invalid {what}: {given}", UserWarning, stacklevel=3)
                return False
        return True

    def _draw(self, label, height, width):
        """(x, y, width, height) of a box and the label in it, or None after `max_attempts` ones that did not do."""
        if not self.enabled or height <= 0 or width <= 0:
            return None
        areas = [part * height * width for part in self.area_range]
        for _ in range(self.max_attempts):
            ratio = random.uniform(*self.aspect_ratio_range)
            if ratio <= 0:
                continue
            least, most = self._height_range(ratio, areas, height, width)
            new_height = random.randint(least, most) if least < most else most
            box = self._place(new_height, ratio, areas, height, width)
            if box is None:
                continue
            changed = self._relabel(label, box, height, width)
            if changed is not None:
                return box, changed
        return None


class DetRandomCropAug(_RandomBox):
    """A box of random area and proportions, at a random place, that covers objects well enough.

    min_object_covered: what part of each object that it touches it must cover; aspect_ratio_range: of width / height;
    area_range: of the area, as a part of the image's (one number: both ends); min_eject_coverage: objects of which
    less is in the box are left out; max_attempts: after so many boxes that did not do, the image stays as it is.
    """

    def __init__(
        self,
        min_object_covered=0.1,
        aspect_ratio_range=(0.75, 1.33),
        area_range=(0.05, 1.0),
        min_eject_coverage=0.3,
        max_attempts=50,
    ):
        aspect_ratio_range = _pair(aspect_ratio_range, "aspect_ratio_range")
        area_range = _pair(area_range, "area_range")
        super().__init__(
            min_object_covered=min_object_covered,
            aspect_ratio_range=aspect_ratio_range,
            area_range=area_range,
            min_eject_coverage=min_eject_coverage,
            max_attempts=max_attempts,
        )
        self.min_object_covered = min_object_covered
        self.min_eject_coverage = min_eject_coverage
        self.max_attempts = max_attempts
        self.aspect_ratio_range = aspect_ratio_range
        self.area_range = area_range
        self.enabled = self._fits(area_range[1] > 0)

    def __call__(self, src, label):
        drawn = self._draw(label, *src.shape[:2])
        if drawn is not None:
            (x, y, width, height), label = drawn
            src = image.fixed_crop(src, x, y, width, height, None)
        return src, label

    def _height_range(self, ratio, areas, height, width):
        least, most = (round(math.sqrt(area / ratio)) for area in areas)
        if round(most * ratio) > width:
            most = int((width + 0.4999999) / ratio)  # the largest whose width, rounded, is not too large
        most = min(most, height)
        return min(least, most), most

    def _place(self, new_height, ratio, areas, height, width):
        least, most = areas
        new_width = round(new_height * ratio)
        # Rounding may have put the area out of its range, and so may putting it right.
        if new_width * new_height < least:
            new_height += 1
            new_width = round(new_height * ratio)
        if new_width * new_height > most:
            new_height -= 1
            new_width = round(new_height * ratio)
        if not (least <= new_width * new_height <= most and new_width <= width and new_height <= height):
            return None
        y = random.randint(0, height - new_height)
        x = random.randint(0, width - new_width)
        return x, y, new_width, new_height

    def _relabel(self, label, box, height, width):
        """The objects in a box, None where it does not do."""
        x, y, new_width, new_height = box
        if new_width * new_height < 2:
            return None
        objects = label[:, 1:5]
        areas = _areas(objects)
        large = areas * width * height > 2
        low = np.maximum(objects[large, :2], (x / width, y / height))
        high = np.minimum(objects[large, 2:], ((x + new_width) / width, (y + new_height) / height))
        covered = _areas(np.hstack([low, high])) / areas[large]
        covered = covered[covered > 0]
        if not covered.size or covered.min() <= self.min_object_covered:
            return None
        part = new_width / width, new_height / height
        inside = label.copy()
        inside[:, 1:5] = np.clip((objects - (x / width, y / height) * 2) / (part * 2), 0, 1)
        with np.errstate(divide="ignore", invalid="ignore"):  # objects without area
            left = _areas(inside[:, 1:5]) * part[0] * part[1] / areas
        kept = (inside[:, 3] > inside[:, 1]) & (inside[:, 4] > inside[:, 2]) & (left > self.min_eject_coverage)
        return inside[kept] if kept.any() else None


class DetRandomPadAug(_RandomBox):
    """The image at a random place in a larger one of a single colour, of random area and proportions.

    aspect_ratio_range: of width / height; area_range: of the area, as a multiple of the image's (one number: both
    ends); max_attempts: after so many boxes that did not do, the image stays as it is; pad_val: the colour.
    Raises AssertionError for another colour.
    """

    def __init__(
        self, aspect_ratio_range=(0.75, 1.33), area_range=(1.0, 3.0), max_attempts=50, pad_val=(128, 128, 128)
    ):
        if not isinstance(pad_val, (list, tuple, *numeric_types)):
            raise AssertionError(explain("pad_val is no colour", expected="one or three numbers", given=pad_val))
        aspect_ratio_range = _pair(aspect_ratio_range, "aspect_ratio_range")
        area_range = _pair(area_range, "area_range")
        super().__init__(
            aspect_ratio_range=aspect_ratio_range, area_range=area_range, max_attempts=max_attempts, pad_val=pad_val
        )
        self.pad_val = pad_val
        self.aspect_ratio_range = aspect_ratio_range
        self.area_range = area_range
        self.max_attempts = max_attempts
        self.enabled = self._fits(area_range[1] > 1)

    def __call__(self, src, label):
        height, width = src.shape[:2]
        drawn = self._draw(label, height, width)
        if drawn is not None:
            (x, y, new_width, new_height), label = drawn
            colour = self.pad_val if isinstance(self.pad_val, (list, tuple)) else (self.pad_val,) * 3
            src = image.copyMakeBorder(src, y, new_height - y - height, x, new_width - x - width, 0, values=colour)
        return src, label

    def _height_range(self, ratio, areas, height, width):
        least, most = (round(math.sqrt(area / ratio)) for area in areas)
        if round(least * ratio) < width:
            least = int((width + 0.499999) / ratio)
        return min(max(least, height), most), most

    def _place(self, new_height, ratio, areas, height, width):
        new_width = round(new_height * ratio)
        # One more pixel is no border.
        if new_height - height < 2 or new_width - width < 2:
            return None
        y = random.randint(0, new_height - height)
        x = random.randint(0, new_width - width)
        return x, y, new_width, new_height

    def _relabel(self, label, box, height, width):
        x, y, new_width, new_height = box
        moved = label.copy()
        moved[:, 1:5] = (moved[:, 1:5] * (width, height, width, height) + (x, y, x, y)) / ((new_width, new_height) * 2)
        return moved


# --- lists of augmenters ---------------------------------------------------------------------------------------------


def CreateMultiRandCropAugmenter(
    min_object_covered=0.1,
    aspect_ratio_range=(0.75, 1.33),
    area_range=(0.05, 1.0),
    min_eject_coverage=0.3,
    max_attempts=50,
    skip_prob=0,
):
    """One of several `DetRandomCropAug`, drawn for each image.

    Each argument is one for all or a list with one to each; skip_prob: with which probability the image stays whole.
    Raises AssertionError for lists of several lengths.
    """
    given = [min_object_covered, aspect_ratio_range, area_range, min_eject_coverage, max_attempts]
    lists = [value if isinstance(value, list) else [value] for value in given]
    count = max(map(len, lists))
    if any(len(values) not in (1, count) for values in lists):
        raise AssertionError(
            explain("The lists differ in length", expected=f"1 or {count}", given=[len(values) for values in lists])
        )
    lists = [values * count if len(values) == 1 else values for values in lists]
    return DetRandomSelectAug([DetRandomCropAug(*values) for values in zip(*lists)], skip_prob)


def _three(value, default, what):
    """Three numbers as an array: given, or the default for True; None stays.

    Raises AssertionError for others.
    """
    if value is True:
        return np.array(default)
    if value is not None and not (isinstance(value, np.ndarray) and value.shape[0] in (1, 3)):
        raise AssertionError(explain(f"{what} must be numbers of colours", expected="an array of 1 or 3", given=value))
    return value


def CreateDetAugmenter(
    data_shape,
    resize=0,
    rand_crop=0,
    rand_pad=0,
    rand_gray=0,
    rand_mirror=False,
    mean=None,
    std=None,
    brightness=0,
    contrast=0,
    saturation=0,
    pca_noise=0,
    hue=0,
    inter_method=2,
    min_object_covered=0.1,
    aspect_ratio_range=(0.75, 1.33),
    area_range=(0.05, 3.0),
    min_eject_coverage=0.3,
    max_attempts=50,
    pad_val=(127, 127, 127),
):
    """The usual list of augmenters for images with boxes that shall have the shape `data_shape` (3, height, width).

    resize: the shorter edge first; rand_crop, rand_pad, rand_gray: probabilities of a box, of a border, of grey;
    rand_mirror: flip half of them; mean, std: True for ImageNet's, or an array; brightness, contrast, saturation,
    pca_noise, hue: strengths; inter_method: how sizes change; the others as `DetRandomCropAug` and `DetRandomPadAug`
    take them.
    """
    steps = [DetBorrowAug(ResizeAug(resize, inter_method))] if resize > 0 else []
    if rand_crop > 0:
        steps.append(
            CreateMultiRandCropAugmenter(
                min_object_covered, aspect_ratio_range, area_range, min_eject_coverage, max_attempts, 1 - rand_crop
            )
        )
    if rand_mirror:
        steps.append(DetHorizontalFlipAug(0.5))
    # After the mirror, for a border changes sizes.
    if rand_pad > 0:
        padding = DetRandomPadAug(aspect_ratio_range, (1.0, area_range[1]), max_attempts, pad_val)
        steps.append(DetRandomSelectAug([padding], 1 - rand_pad))
    plain = [ForceResizeAug((data_shape[2], data_shape[1]), inter_method)]
    mean, std = _three(mean, _MEAN, "mean"), _three(std, _STD, "std")
    plain += pixels(brightness, contrast, saturation, hue, pca_noise, rand_gray, mean, std)
    return steps + [DetBorrowAug(augmenter) for augmenter in plain]
