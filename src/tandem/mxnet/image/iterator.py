"""`ImageIter`: batches of images from a record file, a list file or a list."""

import logging
import os
import random

import numpy as np
import torch

from tandem.core.errors import explain
from tandem.mxnet import recordio
from tandem.mxnet.base import MXNetError, numeric_types
from tandem.mxnet.gluon.weights import array_class
from tandem.mxnet.image import image
from tandem.mxnet.image.augment import CreateAugmenter
from tandem.mxnet.io import io
from tandem.mxnet.ndarray.creation import array
from tandem.mxnet.ndarray.ndarray import NDArray

_LABEL_DTYPES = ("int32", "float32", "int64", "float64")
_LAST_BATCHES = ("pad", "discard", "roll_over")


def _listed(path, dtype):
    """Key -> (label, file name) of a list file: key, labels and name in a line, with tabs between."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            key, *label, name = line.strip().split("\t")
            found[int(key)] = (array([float(number) for number in label], dtype=dtype), name)
    return found


def _numbered(items, dtype):
    """Key -> (label, file name) of a list of (label, …, file name); the keys are "1", "2", …"""
    found = {}
    for number, (*label, name) in enumerate(items, 1):
        if len(label) == 1 and not isinstance(label[0], numeric_types):
            label = label[0]
        found[str(number)] = (array(label, dtype=dtype), name)
    return found


class ImageIter(io.DataIter):
    """Batches of images (N, 3, height, width), float32, and their labels.

    batch_size; data_shape: (3, height, width); label_width: numbers to a label; path_imgrec, path_imgidx: a record
    file and its index; path_imglist: a list file (key, labels and file name in a line, with tabs between); imglist: a
    list of (label, …, file name); path_root: the folder of these files; shuffle: whether their order is drawn anew in
    each epoch, by Python's `random`, for which a record file needs its index, as for parts; part_index, num_parts: to
    take one of several equal parts; aug_list: augmenters, those of `CreateAugmenter(data_shape, **kwargs)` where None;
    data_name, label_name: for `provide_data` and `provide_label`; dtype: of labels in lists; last_batch_handle: what
    happens to images that do not fill a batch: 'pad' with the first ones, 'discard', or 'roll_over' into the next
    epoch.
    Raises AssertionError where nothing says which images, ValueError for another shape.
    """

    def __init__(
        self,
        batch_size,
        data_shape,
        label_width=1,
        path_imgrec=None,
        path_imglist=None,
        path_root=None,
        path_imgidx=None,
        shuffle=False,
        part_index=0,
        num_parts=1,
        aug_list=None,
        imglist=None,
        data_name="data",
        label_name="softmax_label",
        dtype="float32",
        last_batch_handle="pad",
        **kwargs,
    ):
        super().__init__(batch_size)
        if not (path_imgrec or path_imglist or isinstance(imglist, list)):
            raise AssertionError(explain("There are no images", expected="path_imgrec, path_imglist or imglist"))
        if dtype not in _LABEL_DTYPES:
            raise AssertionError(explain("Labels cannot have this dtype", expected=_LABEL_DTYPES, given=repr(dtype)))
        if last_batch_handle not in _LAST_BATCHES:
            raise ValueError(
                explain("Unknown last_batch_handle", expected=_LAST_BATCHES, given=repr(last_batch_handle))
            )
        self.imgrec = self.imgidx = self.imglist = None
        if path_imgrec:
            if path_imgidx:
                self.imgrec = recordio.MXIndexedRecordIO(path_imgidx, path_imgrec, "r")
                self.imgidx = list(self.imgrec.keys)
            else:
                self.imgrec = recordio.MXRecordIO(path_imgrec, "r")
        if path_imglist:
            self.imglist = _listed(path_imglist, dtype)
        elif isinstance(imglist, list):
            self.imglist = _numbered(imglist, dtype)
        self.path_root = path_root
        self.check_data_shape(data_shape)
        self.data_shape = tuple(data_shape)
        self.label_width = label_width
        self.provide_data = [(data_name, (batch_size, *self.data_shape))]
        self.provide_label = [(label_name, (batch_size, label_width) if label_width > 1 else (batch_size,))]
        self.shuffle = shuffle
        self.seq = self._order(part_index, num_parts)
        self.num_image = None if self.seq is None else len(self.seq)
        self.auglist = CreateAugmenter(data_shape, **kwargs) if aug_list is None else aug_list
        self.cur = 0
        self.last_batch_handle = last_batch_handle
        self._ended = False  # the last batch was given: nothing comes before a reset
        self._kept = []  # what rolls over into the next epoch
        self.reset()

    def _order(self, part_index, num_parts):
        """The keys of the images in their order; None for a record file that is read through.

        Raises AssertionError where a record file needs an index.
        """
        if self.imgrec is None:
            keys = list(self.imglist)
        elif self.imgidx is not None:
            keys = self.imgidx
        elif self.shuffle or num_parts > 1:
            raise AssertionError(
                explain("A record file without its index has one order only", hint="path_imgidx= says where it is.")
            )
        else:
            return None
        if num_parts > 1:
            if part_index >= num_parts:
                raise AssertionError(
                    explain("There is no such part", expected=f"0 to {num_parts - 1}", given=part_index)
                )
            size = len(keys) // num_parts
            keys = keys[part_index * size : (part_index + 1) * size]
        return keys

    # --- epochs ------------------------------------------------------------------------------------------------------

    def reset(self):
        """Begin a new epoch."""
        if self.seq is not None and self.shuffle:
            random.shuffle(self.seq)
        if self.last_batch_handle != "roll_over" or not self._kept:
            self._rewind()
        self._ended = False

    def hard_reset(self):
        """Begin anew, without what rolled over."""
        if self.seq is not None and self.shuffle:
            random.shuffle(self.seq)
        self._rewind()
        self._ended, self._kept = False, []

    def _rewind(self):
        if self.imgrec is not None:
            self.imgrec.reset()
        self.cur = 0

    def next_sample(self):
        """The label and the bytes of the next image.

        Raises StopIteration at the end, after which the first image comes again, unless what is left is discarded.
        """
        if self._ended:
            raise StopIteration
        if self.seq is None:
            record = self.imgrec.read()
            if record is None:
                if self.last_batch_handle != "discard":
                    self.imgrec.reset()
                raise StopIteration
            header, content = recordio.unpack(record)
            return header.label, content
        if self.cur >= len(self.seq):
            if self.last_batch_handle != "discard":
                self.cur = 0
            raise StopIteration
        key = self.seq[self.cur]
        self.cur += 1
        if self.imgrec is None:
            label, name = self.imglist[key]
            return label, self.read_image(name)
        header, content = recordio.unpack(self.imgrec.read_idx(key))
        return (header.label if self.imglist is None else self.imglist[key][0]), content

    def _samples(self, count):
        """Up to `count` augmented samples: pairs of a tensor (3, height, width) and a label.

        Raises StopIteration where there is none.
        """
        found = []
        try:
            while len(found) < count:
                sample = self._sample(*self.next_sample())
                if sample is not None:
                    found.append(sample)
        except StopIteration:
            if not found:
                raise
        return found

    def _sample(self, label, content):
        """An augmented sample; None for one that is left out."""
        data = self.imdecode(content)
        try:
            self.check_valid_image([data])
        except RuntimeError as error:
            logging.debug("Invalid image, skipping:  %s", error)
            return None
        return self._pixels(self.augmentation_transform(data)), label

    def _pixels(self, data):
        """The tensor of an augmented image.

        Raises ValueError where it has another shape than `data_shape`.
        """
        data = self.postprocess_data(data)
        if tuple(data.shape) != self.data_shape:
            raise ValueError(
                explain(
                    "An image has another shape after augmentation",
                    expected=f"{self.data_shape} as data_shape says",
                    given=tuple(data.shape),
                    hint="A crop or ForceResizeAug in aug_list makes the sizes equal.",
                )
            )
        return data._tensor.to(torch.float32)

    def next(self):
        """The next batch.

        Raises StopIteration at the end.
        """
        samples, self._kept = self._kept, []
        rolled = bool(samples)
        if not rolled:
            samples = self._samples(self.batch_size)
        pad = self.batch_size - len(samples)
        if pad:
            if self.last_batch_handle == "discard":
                raise StopIteration
            if self.last_batch_handle == "roll_over" and not rolled:
                self._kept = samples
                raise StopIteration
            samples = samples + self._samples(pad)
            self._ended = self.last_batch_handle == "pad"
        return io.DataBatch([self._data(samples)], [self._labels([label for _, label in samples])], pad=pad)

    def _data(self, samples):
        """The images of a batch; zeros where there are too few images to fill it twice."""
        pixels = torch.stack([tensor for tensor, _ in samples])
        missing = self.batch_size - len(samples)
        if missing:
            pixels = torch.cat([pixels, pixels.new_zeros((missing, *self.data_shape))])
        return array_class()._wrap(pixels)

    def _labels(self, labels):
        """The labels of a batch.

        Raises ValueError where one has another number of numbers than `label_width` says.
        """
        rows = np.zeros((self.batch_size, self.label_width), np.float32)
        for row, label in zip(rows, labels):
            label = label.asnumpy() if isinstance(label, NDArray) else np.asarray(label)
            if label.size not in (1, self.label_width):
                raise ValueError(
                    explain(
                        "A label has another width",
                        expected=f"label_width={self.label_width}",
                        given=f"{label.size} numbers",
                    )
                )
            row[:] = label.ravel()
        return self._as_array(rows[:, 0] if self.label_width == 1 else rows)

    @staticmethod
    def _as_array(values):
        made = array(values)
        kind = array_class()
        return made if type(made) is kind else kind._wrap(made._tensor, made._ctx)

    # --- what a subclass may override --------------------------------------------------------------------------------

    def check_data_shape(self, data_shape):
        """That a shape is (3, height, width).

        Raises ValueError for another one.
        """
        if len(data_shape) != 3:
            raise ValueError(
                explain("data_shape should have length 3", expected="(channels, height, width)", given=data_shape)
            )
        if data_shape[0] != 3:
            raise ValueError(
                explain("This iterator expects inputs to have 3 channels", expected="(3, …)", given=data_shape)
            )

    def check_valid_image(self, data):
        """That the first of a list is an image.

        Raises RuntimeError where it has no axes.
        """
        if len(data[0].shape) == 0:
            raise RuntimeError(explain("Data shape is wrong", expected="an image", given="no axes"))

    def imdecode(self, s):
        """The image (height, width, 3) in the bytes of a file.

        Raises RuntimeError, naming the image, where they are none.
        """
        try:
            return image.imdecode(s)
        except MXNetError as error:
            raise RuntimeError(f"Broken image {self._where()}: {error}") from error

    def _where(self):
        """Which image was read last."""
        if self.seq is None:
            return f"in {self.imgrec.uri!r}"
        key = self.seq[(self.cur or len(self.seq)) - 1]
        return f"index: {key}" if self.imglist is None else f"filename: {self.imglist[key][1]}"

    def read_image(self, fname):
        """The bytes of an image's file.

        Raises OSError where it cannot be read.
        """
        with open(os.path.join(self.path_root, fname), "rb") as file:
            return file.read()

    def augmentation_transform(self, data):
        """An image after all augmenters."""
        for augmenter in self.auglist:
            data = augmenter(data)
        return data

    def postprocess_data(self, datum):
        """An image with its channels first."""
        return type(datum)._wrap(datum._tensor.permute(2, 0, 1), datum._ctx)
