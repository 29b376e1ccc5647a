"""`ImageDetRecordIter`: batches of the images with boxes in a record file."""

import math

import numpy as np

from tandem.core.errors import Unsupported, explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.io.image_record import _DEFAULTS, _READING, _Preparation, _Records, _refused, chance
from tandem.mxnet.io.native import MXDataIter, _arguments, _dtype, _names, _only_keywords
from tandem.ops import colour, image, opencv

__all__ = ["ImageDetRecordIter"]

# Each sampler of boxes has its own: the least and the most of …
_RANGES = ("scales", "aspect_ratios", "overlaps", "sample_coverages", "object_coverages")

# Arguments that `ImageRecordIter` has too.
_SHARED = "path_imglist path_imgidx data_shape batch_size shuffle seed seed_aug round_batch num_parts part_index"
_SHARED += " preprocess_threads resize inter_method mean_img mean_r mean_g mean_b mean_a scale"

_DET_DEFAULTS = {
    **{name: _DEFAULTS[name] for name in _SHARED.split()},
    **{f"std_{channel}": 0.0 for channel in "rgba"},
    "path_imgrec": "./data/imgrec.rec",
    "label_width": -1,
    "label_pad_width": 0,
    "label_pad_value": -1.0,
    "rand_crop_prob": 0.0,
    "num_crop_sampler": 1,
    "min_crop_scales": (0.0,),
    "max_crop_scales": (1.0,),
    "min_crop_aspect_ratios": (1.0,),
    "max_crop_aspect_ratios": (1.0,),
    **{f"min_crop_{name}": (0.0,) for name in _RANGES[2:]},
    **{f"max_crop_{name}": (1.0,) for name in _RANGES[2:]},
    "crop_emit_mode": "center",
    "emit_overlap_thresh": 0.3,
    "max_crop_trials": (25,),
    "rand_pad_prob": 0.0,
    "max_pad_scale": 1.0,
    "max_random_hue": 0,
    "random_hue_prob": 0.0,
    "max_random_saturation": 0,
    "random_saturation_prob": 0.0,
    "max_random_illumination": 0,
    "random_illumination_prob": 0.0,
    "max_random_contrast": 0.0,
    "random_contrast_prob": 0.0,
    "rand_mirror_prob": 0.0,
    "fill_value": 127,
    "resize_mode": "force",
}


def _area(box):
    """The area of boxes: rows of left, top, right, bottom, or one of them."""
    return np.maximum(box[..., 2] - box[..., 0], 0) * np.maximum(box[..., 3] - box[..., 1], 0)


def _common(boxes, box):
    """What boxes have in common with one of them."""
    return np.concatenate([np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])], 1)


def _moved(boxes, frame):
    """Boxes as parts of a frame, and no larger than it."""
    start, size = np.tile(frame[:2], 2), np.tile(frame[2:] - frame[:2], 2)
    return np.clip((boxes - start) / size, 0, 1)


class _DetPreparation(_Preparation):
    """What becomes of an image and its boxes before it is normalised."""

    def __init__(self, given):
        super().__init__({**given, "pad": 0})
        count = given["num_crop_sampler"]
        columns = [self._for_each(given, f"{end}_crop_{name}", count) for name in _RANGES for end in ("min", "max")]
        columns.append(self._for_each(given, "max_crop_trials", count))
        self.samplers = [(np.reshape(row[:-1], (-1, 2)), row[-1]) for row in zip(*columns)]
        for ranges, _ in self.samplers:
            wrong = [name for name, (least, most) in zip(_RANGES, ranges) if least > most]
            _refused(wrong, "A range of boxes is empty", given=", ".join(f"min_crop_{name}" for name in wrong))

    @staticmethod
    def _for_each(given, name, count):
        values = given[name]
        _refused(len(values) not in (1, count), f"{name} does not fit num_crop_sampler={count}", given=values)
        return values * count if len(values) == 1 else values

    def __call__(self, content, number, rng, label):
        """(pixels, label); label: a row of how many numbers come first, how many an object has, and these.

        Raises MXNetError for what is no image or no such label.
        """
        first, width = self._layout(label, number)
        objects = label[first:].reshape(-1, width)
        pixels = self._resized(self._decoded(content, number))
        if self.channels == 3:
            pixels = self._coloured(pixels, rng)
        if rng.rand() < self.given["rand_mirror_prob"]:
            pixels = image.flip(pixels, 1)
            objects = objects.copy()
            objects[:, (1, 3)] = 1 - objects[:, (3, 1)]
        if rng.rand() < self.given["rand_crop_prob"]:
            pixels, objects = self._boxed(pixels, objects, rng)
        if self.given["max_pad_scale"] > 1 and rng.rand() < self.given["rand_pad_prob"]:
            pixels, objects = self._surrounded(pixels, objects, rng)
        pixels, size = self._fitted(pixels)
        shape = np.array([self.channels, *size, first + objects.size], np.float32)
        label = np.concatenate([shape, label[:first], objects.ravel()]).astype(np.float32)
        return pixels.permute(2, 0, 1), label

    @staticmethod
    def _layout(label, number):
        first, width = (int(value) for value in label[:2]) if len(label) > 6 else (0, 0)
        _refused(
            first < 2 or width < 5 or (len(label) - first) % width,
            f"The label of image {number} is none of boxes",
            expected="how many numbers come first (2 or more), how many an object has (5 or more), …, the objects",
            given=label[:8],
        )
        return first, width

    def _coloured(self, pixels, rng):
        """Hue, lightness and saturation moved, and the contrast by a factor, each with its probability."""

        def drawn(name):
            if rng.rand() >= self.given[f"random_{name}_prob"]:
                return 0
            return rng.uniform(-1, 1) * self.given[f"max_random_{name}"]

        moved = [int(drawn(name)) for name in ("hue", "illumination", "saturation")]
        if any(moved):
            pixels = opencv.shift_hls(pixels, *moved)
        contrast = drawn("contrast")
        return colour.adjust_brightness(pixels, 1 + contrast) if contrast else pixels

    def _boxed(self, pixels, objects, rng):
        """A box that one of the samplers finds, in random order; everything where none does."""
        for place in rng.permutation(len(self.samplers)):
            ranges, trials = self.samplers[place]
            (scales, ratios), conditions = ranges[:2], ranges[2:]
            for _ in range(int(trials)):
                scale = rng.uniform(*scales) + 1e-12
                ratio = math.sqrt(rng.uniform(max(ratios[0], scale**2), min(ratios[1], 1 / scale**2)))
                width, height = min(1.0, scale * ratio), min(1.0, scale / ratio)
                left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
                box = np.array([left, top, left + width, top + height])
                kept = self._objects_in(objects, box, conditions)
                if kept is not None:
                    rows, columns = pixels.shape[:2]
                    corner = int(top * rows), int(left * columns)
                    size = max(int(height * rows), 1), max(int(width * columns), 1)
                    return image.crop(pixels, *corner, *size), kept
        return pixels, objects

    def _objects_in(self, objects, box, conditions):
        """The objects in a box, None where it does not do."""
        boxes = objects[:, 1:5].astype(np.float64)
        common, areas = _area(_common(boxes, box)), _area(boxes)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = common / (areas + _area(box) - common), common / _area(box), common / areas
        fits = np.ones(len(objects), bool)
        for share, (least, most) in zip(shares, conditions):
            if least > 0 or most < 1:
                fits &= (share >= least) & (share <= most)
        if self.given["crop_emit_mode"] == "center":
            centres = (boxes[:, :2] + boxes[:, 2:]) / 2
            stays = ((centres >= box[:2]) & (centres <= box[2:])).all(1)
        else:
            stays = shares[2] > self.given["emit_overlap_thresh"]
        if not (fits.any() and stays.any()):
            return None
        kept = objects[stays].copy()
        kept[:, 1:5] = _moved(boxes[stays], box)
        return kept

    def _surrounded(self, pixels, objects, rng):
        """The image at a random place in a larger one of a single colour."""
        height, width = pixels.shape[:2]
        scale = rng.uniform(1, self.given["max_pad_scale"])
        rows, columns = int(height * scale), int(width * scale)
        top, left = rng.randint(0, rows - height + 1), rng.randint(0, columns - width + 1)
        border = top, rows - height - top, left, columns - width - left
        colours = (self.given["fill_value"],) * self.channels
        objects = objects.copy()
        size = np.array([width, height] * 2)
        objects[:, 1:5] = (objects[:, 1:5] * size + np.array([left, top] * 2)) / np.array([columns, rows] * 2)
        return opencv.pad(pixels, border, "constant", colours), objects

    def _fitted(self, pixels):
        """The image in the upper left corner of one of the shape that is wanted, and its own size there."""
        height, width = pixels.shape[:2]
        rows, columns = self.size
        if self.given["resize_mode"] == "force":
            size = (rows, columns)
        else:
            # In float32, as MXNet: what is cut off afterwards depends on it.
            own = np.array([height, width], np.float32)
            factor = (np.array(self.size, np.float32) / own).min()
            if self.given["resize_mode"] == "shrink":
                factor = min(factor, np.float32(1))
            size = tuple(int(edge) for edge in own * factor)
        if size != (height, width):
            pixels = self._to(pixels, size)
        return opencv.pad(pixels, (0, rows - size[0], 0, columns - size[1])), size


class _DetRecords(_Records):
    _preparation = _DetPreparation
    _magic = 233

    def __init__(self, given):
        super().__init__(given, "float32", numbered=True)
        widths = [len(self._read(place)[1]) for place in self.places.tolist()]
        wanted = self.given["label_pad_width"]
        _refused(
            0 < wanted < max(widths),
            "label_pad_width is smaller than a label",
            expected=f"{max(widths)} or more",
            given=wanted,
        )
        self.width = 4 + max(wanted, *widths)

    def _light(self):
        return 0.0, 0.0

    def _sample(self, place, seed):
        number, label, content = self._read(place)
        width = self.given["label_width"]
        _refused(
            width > 0 and width != len(label),
            "A label has another width",
            expected=f"label_width={width}",
            given=f"{len(label)} numbers",
        )
        pixels, label = self.prepare(content, number, chance(seed), label)
        return pixels, label, number

    def _stacked(self, labels):
        rows = np.full((len(labels), self.width), self.given["label_pad_value"], np.float32)
        for row, label in zip(rows, labels):
            row[: len(label)] = label
        return rows


def ImageDetRecordIter(*args, **kwargs):
    """Batches of the images with boxes in a record file, (N, channels, height, width), red first, and their labels.

    A label in the file is a row of numbers: how many come first (2 or more), how many an object has (5 or more: class,
    left, top, right, bottom as parts of the image, …), the rest of those first ones, the objects. A label in a batch
    is a row of the channels, height and width of the image, how many numbers follow, these, and label_pad_value up to
    the longest label's width, or label_pad_width.
    path_imgrec, path_imglist, data_shape, batch_size, label_width, shuffle, seed, round_batch, num_parts, part_index,
    preprocess_threads, resize, inter_method, mean_r …, mean_img, std_r …, scale: as `ImageRecordIter` takes them.
    What is random, each with its probability …_prob: max_random_hue, max_random_saturation, max_random_illumination,
    max_random_contrast; rand_mirror; rand_crop: a box that one of num_crop_sampler samplers finds within
    max_crop_trials, with a scale, aspect ratio, overlap (intersection over union) with an object and share of itself
    and of that object between min_crop_… and max_crop_…, in which objects stay whose middle is in it (crop_emit_mode
    'center') or of which more than emit_overlap_thresh is ('overlap'); rand_pad: a border of fill_value, up to
    max_pad_scale times the size. seed_aug: where all this chance comes from.
    resize_mode: 'force' to the shape, 'fit' into it with its proportions, 'shrink' where it is too large.
    All by name. Raises MXNetError for arguments or files that do not fit, Unsupported for another aug_seq.
    """
    name = "ImageDetRecordIter"
    _only_keywords(name, args)
    _dtype(name, kwargs, ("float32",))
    defaults = {**_DET_DEFAULTS, **_READING, "aug_seq": "det_aug_default"}
    given = _arguments(name, kwargs, defaults, required=("data_shape", "batch_size"))
    if given["aug_seq"] != "det_aug_default":
        raise Unsupported(explain(f"{name} has one sequence of changes", given=repr(given["aug_seq"])))
    for key, allowed in {"crop_emit_mode": ("center", "overlap"), "resize_mode": ("force", "shrink", "fit")}.items():
        if given[key] not in allowed:
            raise MXNetError(explain(f"Invalid {key}", expected=allowed, given=repr(given[key])))
    shape = given["data_shape"]
    _refused(len(shape) != 3, "data_shape has the wrong length", expected="(channels, height, width)", given=shape)
    _refused(shape[0] not in (1, 3), "Images have other channels", expected="1 or 3", given=f"data_shape={shape}")
    return MXDataIter(_DetRecords(given), **_names(kwargs))
