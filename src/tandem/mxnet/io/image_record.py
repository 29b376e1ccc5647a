"""`ImageRecordIter` and its kin: batches of the images in a record file, cut, changed and normalised on the way."""

import functools
import itertools
import math
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from tandem.core.errors import Unsupported, explain
from tandem.engine.spare import Spare
from tandem.formats import image_lists, images
from tandem.formats import recordio as records
from tandem.mxnet.base import MXNetError
from tandem.mxnet.io.native import Mixer, MXDataIter, _arguments, _dtype, _names, _only_keywords
from tandem.mxnet.ndarray.files import load, save
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.ops import colour, elementwise, image, opencv

__all__ = [
    "ImageRecordInt8Iter",
    "ImageRecordIter",
    "ImageRecordIter_v1",
    "ImageRecordUInt8Iter",
    "ImageRecordUInt8Iter_v1",
]

_DEFAULTS = {
    "path_imgrec": "",
    "path_imgidx": "",
    "path_imglist": "",
    "data_shape": (),
    "batch_size": 0,
    "label_width": 1,
    "shuffle": False,
    "seed": 0,
    "seed_aug": None,
    "round_batch": True,
    "num_parts": 1,
    "part_index": 0,
    "preprocess_threads": 4,
    "resize": -1,
    "pad": 0,
    "fill_value": 255,
    "inter_method": 1,
    "rotate": -1,
    "max_rotate_angle": 0,
    "max_shear_ratio": 0.0,
    "min_random_scale": 1.0,
    "max_random_scale": 1.0,
    "min_img_size": 0.0,
    "max_img_size": 1e10,
    "rand_crop": False,
    "min_crop_size": -1,
    "max_crop_size": -1,
    "random_resized_crop": False,
    "min_random_area": 1.0,
    "max_random_area": 1.0,
    "min_aspect_ratio": None,
    "max_aspect_ratio": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "saturation": 0.0,
    "pca_noise": 0.0,
    "random_h": 0,
    "random_s": 0,
    "random_l": 0,
    "mirror": False,
    "rand_mirror": False,
    "mean_img": "",
    **{f"mean_{channel}": 0.0 for channel in "rgba"},
    **{f"std_{channel}": 1.0 for channel in "rgba"},
    "scale": 1.0,
    "max_random_contrast": 0.0,
    "max_random_illumination": 0.0,
}

# How MXNet reads and reports, which changes no numbers.
_READING = {"verbose": True, "device_id": 0, "shuffle_chunk_size": 0, "shuffle_chunk_seed": 0}


def _refused(condition, wrong, **parts):
    if condition:
        raise MXNetError(explain(wrong, **parts))


def _configured(name, kwargs):
    defaults = {**_DEFAULTS, **_READING, "aug_seq": "aug_default"}
    given = _arguments(name, kwargs, defaults, required=("path_imgrec", "data_shape", "batch_size"))
    if given["aug_seq"] != "aug_default":
        raise Unsupported(
            explain(
                f"{name} has one sequence of changes",
                expected="aug_seq='aug_default'",
                given=repr(given["aug_seq"]),
                hint="mx.image.ImageIter takes augmenters.",
            )
        )
    shape = given["data_shape"]
    _refused(len(shape) != 3, "data_shape has the wrong length", expected="(channels, height, width)", given=shape)
    _refused(shape[0] not in (1, 3, 4), "Images have other channels", expected="1, 3 or 4", given=f"data_shape={shape}")
    sizes = [given[key] for key in ("min_random_scale", "max_random_scale", "min_crop_size", "max_crop_size")]
    _refused(
        given["random_resized_crop"] and (given["rand_crop"] or sizes != [1, 1, -1, -1]),
        "random_resized_crop chooses a box's size and place itself",
        expected="no rand_crop, random scale or crop size",
    )
    _refused(
        given["part_index"] >= given["num_parts"],
        "There is no such part",
        expected=f"part_index below {given['num_parts']}",
        given=given["part_index"],
    )
    return given


# --- one image -------------------------------------------------------------------------------------------------------


class _Preparation:
    """What becomes of an image before it is normalised: from the bytes of a file to uint8 (channels, height, width)."""

    def __init__(self, given):
        self.given = given
        self.channels, *self.size = given["data_shape"]

    def __call__(self, content, number, rng):
        """number: the image's, for messages; rng: from which all chance comes.

        Raises MXNetError for what is no image, or has other channels or is smaller than it may be.
        """
        pixels = self._turned(self._resized(self._decoded(content, number)), rng)
        pixels = self._cut(self._bordered(pixels), rng)
        if self.channels == 3:
            pixels = self._coloured(pixels, rng)
        if self.given["mirror"] or (self.given["rand_mirror"] and rng.rand() < 0.5):
            pixels = image.flip(pixels, 1)
        return pixels.permute(2, 0, 1)

    def _decoded(self, content, number):
        try:
            pixels = images.decode(content, {1: True, 3: False}.get(self.channels))
        except ValueError as error:
            raise MXNetError(f"Invalid image with index {number}: {error}") from error
        found = pixels.shape[2] if pixels.ndim == 3 else 1
        _refused(
            found != self.channels,
            f"Invalid image with index {number}",
            expected=f"{self.channels} channels",
            given=found,
        )
        return torch.from_numpy(pixels)

    def _to(self, pixels, size):
        """Pixels at a size; inter_method: OpenCV's number, 9 by whether it grows or shrinks, 10 at random."""
        from tandem.mxnet.image.image import _get_interp_method

        return opencv.resize(pixels, size, _get_interp_method(self.given["inter_method"], (*pixels.shape[:2], *size)))

    def _resized(self, pixels):
        """The shorter edge at `resize`."""
        edge = self.given["resize"]
        if edge == -1:
            return pixels
        height, width = pixels.shape[:2]
        size = (edge * height // width, edge) if height > width else (edge, edge * width // height)
        return self._to(pixels, size)

    @functools.cached_property
    def _aspect(self):
        return 0 if self.given["random_resized_crop"] else self.given["max_aspect_ratio"]

    @functools.cached_property
    def _turns(self):
        """Whether images are turned, sheared, scaled or stretched."""
        neutral = {"max_rotate_angle": 0, "max_shear_ratio": 0, "max_random_scale": 1, "min_random_scale": 1}
        neutral |= {"max_img_size": 1e10, "min_img_size": 0}
        changed = any(self.given[key] != value for key, value in neutral.items())
        return self.given["rotate"] > 0 or bool(self._aspect) or changed

    def _turned(self, pixels, rng):
        """The image turned, sheared, scaled and stretched about its middle, all at once."""
        given = self.given
        if not self._turns:
            return pixels
        height, width = pixels.shape[:2]
        shear = rng.uniform(-1, 1) * given["max_shear_ratio"]
        angle = rng.randint(-given["max_rotate_angle"], given["max_rotate_angle"] + 1)
        angle = math.radians(given["rotate"] if given["rotate"] > 0 else angle)
        scale = rng.uniform(given["min_random_scale"], given["max_random_scale"])
        ratio = 1 + rng.uniform(-1, 1) * self._aspect
        down = 2 * scale / (1 + ratio)
        across = ratio * down
        cos, sin = math.cos(angle), math.sin(angle)
        turn = np.array(
            [
                [down * cos - shear * sin * across, down * sin + shear * cos * across],
                [-sin * across, cos * across],
            ],
            np.float32,
        )
        sizes = [min(max(scale * edge, given["min_img_size"]), given["max_img_size"]) for edge in (width, height)]
        shift = (np.array(sizes, np.float32) - turn.dot(np.array([width, height], np.float32))) / 2
        method = given["inter_method"]
        _refused(
            method in (2, 4),
            "This interpolation is not there for turned images",
            expected="inter_method 0, 1, 3, 9 or 10",
            given=method,
        )
        return opencv.warp_affine(
            pixels,
            np.hstack([turn, shift[:, None]]),
            (int(sizes[1]), int(sizes[0])),
            order=int(method != 0),
            fill_value=given["fill_value"],
        )

    def _bordered(self, pixels):
        border = self.given["pad"]
        if not border:
            return pixels
        return opencv.pad(pixels, (border,) * 4, "constant", (self.given["fill_value"],) * self.channels)

    def _cut(self, pixels, rng):
        """The box that becomes the image."""
        given = self.given
        height, width = pixels.shape[:2]
        if given["random_resized_crop"]:
            ratio = (given["min_aspect_ratio"], given["max_aspect_ratio"])
            if ratio[0] is None:
                ratio = 1 - ratio[1], 1 + ratio[1]
            if ratio != (1, 1) or (given["min_random_area"], given["max_random_area"]) != (1, 1):
                return self._box_of_random_size(pixels, ratio, rng)
        elif given["max_crop_size"] != -1 or given["min_crop_size"] != -1:
            least, most = given["min_crop_size"], given["max_crop_size"]
            _refused(
                not 0 < least <= most <= min(height, width),
                "The image is smaller than the box",
                expected="min_crop_size <= max_crop_size <= the shorter edge",
                given=f"{least}, {most}, {min(height, width)}",
            )
            edge = rng.randint(least, most + 1)
            return self._to(self._placed(pixels, (edge, edge), rng if given["rand_crop"] else None), self.size)
        for axis in (0, 1):  # an image that is too small grows, with its proportions
            if pixels.shape[axis] < self.size[axis]:
                size = tuple(self.size[axis] * edge // pixels.shape[axis] for edge in pixels.shape[:2])
                pixels = self._to(pixels, size)
        return self._placed(pixels, self.size, rng if given["rand_crop"] else None)

    @staticmethod
    def _placed(pixels, size, rng):
        """A box of a size, at a random place or, without rng, in the middle."""
        room = [whole - part for whole, part in zip(pixels.shape[:2], size)]
        top, left = (rng.randint(0, edge + 1) if rng else edge // 2 for edge in room)
        return image.crop(pixels, top, left, *size)

    def _box_of_random_size(self, pixels, ratio, rng):
        height, width = pixels.shape[:2]
        for _ in range(10):
            area = rng.uniform(self.given["min_random_area"], self.given["max_random_area"]) * height * width
            proportion = rng.uniform(*ratio)
            size = round(math.sqrt(area / proportion)), round(math.sqrt(area * proportion))
            if 0 < size[0] <= height and 0 < size[1] <= width:
                return self._to(self._placed(pixels, size, rng), self.size)
        edge = min(height, width)
        return self._to(self._placed(pixels, (edge, edge), None), self.size)

    def _coloured(self, pixels, rng):
        """Hue, lightness and saturation moved; brightness, contrast and saturation by factors around 1, in random
        order; noise along ImageNet's colours."""
        most = [self.given[f"random_{part}"] for part in "hls"]
        if any(most):
            pixels = opencv.shift_hls(pixels, *(int(rng.uniform(-1, 1) * strength) for strength in most))
        steps = {
            "brightness": colour.adjust_brightness,
            "contrast": functools.partial(colour.adjust_contrast, layout="channels_first"),
            "saturation": functools.partial(colour.adjust_saturation, layout="channels_first"),
        }
        active = [name for name in steps if self.given[name]]
        noise = self.given["pca_noise"]
        if not active and noise <= 0:
            return pixels
        planes = pixels.permute(
            2, 0, 1
        ).contiguous()  # where each channel lies together, these are several times faster
        for place in rng.permutation(len(active)) if active else ():
            name = active[place]
            planes = steps[name](planes, 1 + rng.uniform(-self.given[name], self.given[name]))
        if noise > 0:
            planes = colour.adjust_lighting(planes, tuple(rng.normal(0, noise, 3)), layout="channels_first")
        return planes.permute(1, 2, 0)


# --- batches ---------------------------------------------------------------------------------------------------------


class _Records:
    """The source of batches of a record file; see `native._Batches` for `round_batch`."""

    def __init__(self, given, dtype, numbered=False):
        self.given, self.dtype, self.numbered = given, dtype, numbered
        self.batch_size, self.round_batch = given["batch_size"], given["round_batch"]
        path = given["path_imgrec"]
        try:
            if given["path_imgidx"]:
                places = list(records.read_index(given["path_imgidx"], os.path.getsize(path)).values())
            else:
                places = records.positions(path)
            self.file = records.RecordReader(path)
            self.labels = _listed(given["path_imglist"]) if given["path_imglist"] else None
        except (OSError, ValueError) as error:
            raise MXNetError(str(error)) from error
        opencv.library()  # before threads ask for it
        self.places = np.array_split(np.array(places), given["num_parts"])[given["part_index"]]
        self.prepare = self._preparation(given)
        self.mixer = Mixer(self._magic + given["seed"])
        self.rng_of_images = np.random.RandomState(given["seed_aug"])
        self.workers = max(1, min(given["preprocess_threads"], os.cpu_count() or 1))
        self.threads = ThreadPoolExecutor(self.workers)
        self.ahead, self.spare = None, Spare()  # the next batch, on its way
        self.before = None  # the records of the last batch
        self.mean, self.light = None, self._light()
        self.overflow = 0
        self.reset()
        self.mean = self._mean()

    _preparation = _Preparation
    _magic = 111  # what MXNet adds to the seed

    def __del__(self):
        if "threads" in self.__dict__:
            self.threads.shutdown(wait=False)  # the last reference may be a thread's
        if "file" in self.__dict__:
            self.file.close()

    def reset(self):
        """Begin a new epoch."""
        self._drop()
        if not self.overflow:
            self._mix()
        self.position, self.overflow = self.overflow, 0

    def _drop(self):
        """Do without the batch that is on its way."""
        if self.ahead is not None:
            self.ahead.drop()
            self.ahead = None

    def _mix(self):
        self.order = self.places[self.mixer.order(len(self.places))] if self.given["shuffle"] else self.places

    def next(self):
        """(data, label, pad, index) of the next batch, None at the end."""
        start, size = self.position, self.batch_size
        if start >= len(self.order) or self.overflow:
            return None
        chosen = self.order[start : start + size]
        pad = size - len(chosen)
        self.position = start + size
        if pad:
            chosen = np.concatenate([chosen, self._more(pad, chosen)])
        self.before = chosen
        batch, self.ahead = self.ahead or self._begun(chosen), None
        # Not the last batch: with it a new epoch may begin, which is drawn only when it is asked for.
        following = self.order[start + size : start + 2 * size]
        if len(following) == size:
            self.ahead = self._begun(following)
        try:
            samples = batch.samples()
        except BaseException:
            self._drop()
            raise
        index = np.array([number for _, number in samples] if self.numbered else [0] * size, np.uint64)
        labels = torch.from_numpy(self._stacked([label for label, _ in samples]))
        return NDArray._wrap(batch.data), NDArray._wrap(labels), pad, index

    def _begun(self, places):
        """A batch on its way."""
        data = self.spare.empty((len(places), *self.given["data_shape"]), getattr(torch, self.dtype))
        return _Batch(self, places, self._seeds(places), self._normalisation(len(places)), data)

    def _more(self, pad, chosen):
        """What a last batch is filled up with."""
        if not self.round_batch:
            before = chosen if self.before is None else self.before
            return np.resize(before[len(chosen) :] if len(before) > len(chosen) else before, pad)
        _refused(
            pad > len(self.places),
            "There are too few images to fill a batch up with",
            expected=f"at least {pad} images",
            given=f"{len(self.places)} images, batch_size={self.batch_size}",
        )
        self._mix()
        self.overflow = pad
        return self.order[:pad]

    def _seeds(self, places):
        """One to each image: what it gets by chance depends on no other one."""
        return self.rng_of_images.randint(0, 2**31, len(places)).tolist()

    def _stacked(self, labels):
        """The labels of a batch as one array."""
        labels = np.stack(labels)
        return labels[:, 0] if self.given["label_width"] == 1 else labels

    def _read(self, place):
        """(number, label, bytes) of a record."""
        try:
            header, content = records.unpack(self.file.read_at(place))
        except ValueError as error:
            raise MXNetError(str(error)) from error
        label = header.label
        if self.labels is not None:
            _refused(header.id not in self.labels, "An image is not in the list", given=f"image {header.id}")
            label = self.labels[header.id]
        return header.id, np.atleast_1d(np.asarray(label, np.float32)), content

    def _sample(self, place, seed):
        number, label, content = self._read(place)
        width = self.given["label_width"]
        _refused(
            len(label) != width,
            "The labels have another width",
            expected=f"label_width={len(label)} for such a file",
            given=f"label_width={width}",
        )
        return self.prepare(content, number, chance(seed)), label, number

    def _light(self):
        """Strengths of contrast and illumination, which are drawn for each image when it is normalised."""
        return self.given["max_random_contrast"], self.given["max_random_illumination"]

    # --- normalisation -----------------------------------------------------------------------------------------------

    def _mean(self):
        """What is subtracted: an image from a file, which is made from all images where it is not there, or colours."""
        path = self.given["mean_img"]
        if not path:
            means = [self.given[f"mean_{channel}"] for channel in "rgba"][: self.prepare.channels]
            return torch.tensor(means).reshape(-1, 1, 1) if any(means) else None
        if not os.path.exists(path):
            total = np.zeros(self.given["data_shape"])
            for place, seed in zip(self.places.tolist(), self._seeds(self.places)):
                total += self._sample(place, seed)[0].numpy()
            mean = torch.from_numpy((total / len(self.places)).astype(np.float32))
            try:
                save(path, {"mean_img": NDArray._wrap(mean)})
            except OSError as error:
                raise MXNetError(str(error)) from error
            return mean
        found = load(path)
        return next(iter(found.values() if isinstance(found, dict) else found))._tensor

    def _normalisation(self, count):
        """What each of so many images is normalised with: (mean, deviation), None for what is left out."""
        given, mean = self.given, self.mean
        if self.dtype == "uint8":
            return [(None, None)] * count
        if self.dtype == "int8":
            return [(None if mean is None else elementwise.round(mean, half="away"), None)] * count
        deviation = [given[f"std_{channel}"] or 1.0 for channel in "rgba"][: self.prepare.channels]
        deviation = torch.tensor(deviation).reshape(-1, 1, 1)
        factors = np.full((count, 1, 1, 1), given["scale"], np.float32)
        if not any(self.light):
            return [(mean, colour.standardize(deviation, None, torch.from_numpy(factors[:1]), epsilon=0.0)[0])] * count
        contrast, light = (
            self.rng_of_images.uniform(-most, most, factors.shape).astype(np.float32) for most in self.light
        )
        shift = torch.from_numpy(light / (1 + contrast))
        mean = colour.standardize(torch.zeros(()) if mean is None else mean, shift)
        factors = torch.from_numpy(factors * (1 + contrast))
        return list(zip(mean, colour.standardize(deviation, None, factors, epsilon=0.0)))

    def fill(self, out, place, seed, normalisation):
        """Prepare the image of a record and write it, normalised, into its place in a batch:
        ``((pixels - mean) * contrast + illumination) * scale / deviation`` as float32; bytes: as they are; signed ones:
        less the mean, which is rounded, from -128 to 127.

        Returns (label, number).
        """
        pixels, label, number = self._sample(place, seed)
        if self.dtype == "float32":
            colour.standardize(pixels, *normalisation, epsilon=0.0, out=out)
        elif self.dtype == "int8":
            out.copy_(image.to_dtype(colour.standardize(pixels.float(), *normalisation), torch.int8))
        else:
            out.copy_(pixels)
        return label, number


class _Batch:
    """A batch on its way: the threads take one image after the other, and write it into its place."""

    def __init__(self, records, places, seeds, normalisations, data):
        self.data = data
        self._work = list(zip(data, places.tolist(), seeds, normalisations))
        self._found = [None] * len(places)
        self._next = itertools.count()
        self._errors, self._dropped = {}, False
        count = min(records.workers, len(places))
        self._threads = [records.threads.submit(self._run, records.fill) for _ in range(count)]

    def _run(self, fill):
        for number in self._next:  # of which the threads take turns
            if number >= len(self._work) or self._dropped or self._errors:
                return
            try:
                self._found[number] = fill(*self._work[number])
            except Exception as error:
                self._errors[number] = error

    def drop(self):
        """Stop. What went wrong is forgotten: it holds its thread's frame, and that this batch."""
        self._dropped, self._threads, self._errors = True, [], {}

    def samples(self):
        """(label, number) of each image, when all are there.

        Raises what went wrong with the first of them; those before it were taken before it.
        """
        try:
            while self._threads:  # no name for one: its error would hold this frame, and this frame it
                self._threads.pop().result()
            if self._errors:
                raise self._errors.pop(min(self._errors))
        finally:
            self.drop()
        return self._found


def chance(seed):
    """A source of random numbers; SFC64 begins in a tenth of the time of the Mersenne twister."""
    return np.random.RandomState(np.random.SFC64(seed))


def _listed(path):
    """Number of an image -> its label, of a list file."""
    return {number: np.array(labels, np.float32) for number, _, labels in image_lists.read(path)}


# --- the iterators ---------------------------------------------------------------------------------------------------


def _iterator(name, args, kwargs, dtype=None, numbered=False):
    _only_keywords(name, args)
    dtype = dtype or _dtype(name, kwargs, ("float32", "int8", "uint8"))
    return MXDataIter(_Records(_configured(name, kwargs), dtype, numbered), **_names(kwargs))


def ImageRecordIter(*args, **kwargs):
    """Batches of the images in a record file, (N, channels, height, width), red first, and their labels.

    path_imgrec, path_imgidx: the file and its index; path_imglist: a list file (number, labels and file name in a
    line, with tabs between) whose labels count; data_shape: (channels, height, width) with 1, 3 or 4 channels;
    batch_size; label_width: numbers to a label; shuffle, seed: whether the order is drawn anew in each epoch, and from
    what; round_batch: whether the last batch is filled up with the first images, which the next epoch leaves out then;
    num_parts, part_index: to take one of several parts; dtype: float32, int8 or uint8 (which is not normalised);
    preprocess_threads: how many images are read at once; data_name, label_name: of the arrays.
    Before the cut: resize (the shorter edge); rotate (an angle in degrees) or max_rotate_angle, max_shear_ratio,
    min_random_scale, max_random_scale, max_aspect_ratio, min_img_size, max_img_size; pad and fill_value (a border). The
    cut, from the middle: rand_crop (from
    a random place), min_crop_size, max_crop_size (a square of such an edge, resized), random_resized_crop with
    min_random_area, max_random_area, min_aspect_ratio, max_aspect_ratio; inter_method: OpenCV's number. Colours, as
    strengths: random_h, random_s, random_l, brightness, contrast, saturation, pca_noise. Then mirror, rand_mirror; then
    ``((x - mean) * contrast + illumination) * scale / std`` with mean_r … mean_a or mean_img (a file, made where it is
    not there), std_r … std_a, max_random_contrast, max_random_illumination. seed_aug: where all this chance comes from.
    All by name; verbose, prefetch_buffer, ctx and what shuffles chunks change no numbers.
    Raises MXNetError for arguments or files that do not fit, Unsupported for another aug_seq.
    """
    return _iterator("ImageRecordIter", args, kwargs)


def ImageRecordUInt8Iter(*args, **kwargs):
    """`ImageRecordIter` with dtype uint8: the pixels as they are."""
    return _iterator("ImageRecordUInt8Iter", args, kwargs, "uint8")


def ImageRecordInt8Iter(*args, **kwargs):
    """`ImageRecordIter` with dtype int8: the pixels less the mean, from -128 to 127."""
    return _iterator("ImageRecordInt8Iter", args, kwargs, "int8")


def ImageRecordIter_v1(*args, **kwargs):
    """`ImageRecordIter`, whose batches tell the images' numbers in the file as `index`."""
    return _iterator("ImageRecordIter_v1", args, kwargs, numbered=True)


def ImageRecordUInt8Iter_v1(*args, **kwargs):
    """`ImageRecordUInt8Iter`, whose batches tell the images' numbers in the file as `index`."""
    return _iterator("ImageRecordUInt8Iter_v1", args, kwargs, "uint8", numbered=True)
