"""`from mxnet.gluon.data import data`, which published listings import and no MXNet has: images by the batch.

`data.ImageRecordDataset(path, batch_size, data_shape, label_shape).get_data_loader(batch_size, last_batch, shuffle)`
reads a RecordIO file, or a folder with one sub-folder to a class.
"""

import os
import warnings
import weakref
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tandem.core.errors import explain, suggest
from tandem.formats import recordio as records
from tandem.formats.limits import FormatError
from tandem.mxnet import image
from tandem.mxnet.base import MXNetError
from tandem.mxnet.gluon.data.dataloader import DataLoader
from tandem.mxnet.gluon.data.dataset import Dataset
from tandem.mxnet.gluon.data.sampler import BatchSampler, RandomSampler, SequentialSampler
from tandem.mxnet.ndarray.creation import array

_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
# Decoded images up to this many bytes stay in memory.
_KEPT = 1 << 29
_LAST_BATCH = {"soft": "keep", "keep": "keep", "discard": "discard", "rollover": "rollover"}


class Batch(tuple):
    """(features, labels), which also knows its `batch_size`."""

    __slots__ = ()

    @property
    def features(self):
        """The images, (n, height, width, channels), float32 from 0 to 1."""
        return self[0]

    @property
    def labels(self):
        """The class numbers, (n,), float32."""
        return self[1]

    @property
    def batch_size(self):
        """How many samples it has."""
        return self[1].shape[0]


_Record = namedtuple("_Record", ["number", "position"])


def _opened(file):
    try:
        return records.RecordReader(file)
    except OSError as error:
        raise MXNetError(str(error)) from error


class ImageRecordDataset(Dataset):
    """Images with class numbers; a sample is (image, label): float32 from 0 to 1, channels last, and a number.

    path: a `.rec` file, the prefix of a `.rec`/`.idx` pair, or a folder with one sub-folder of images to a class.
    batch_size: what `get_data_loader` takes where it is given none.
    data_shape: (height, width, channels); images of another size are resized, 1 channel reads grey, 3 colours.
    label_shape: the number of classes. Folders named by numbers below it are the classes of these numbers, others are
    numbered in the order of their names.
    broken_images: "raise", or "skip" to go on without them.
    Raises FileNotFoundError where there is no such path, MXNetError, naming the file, for a broken image, ValueError
    for labels outside the classes and for shapes that are none.
    """

    def __init__(self, path, batch_size=None, data_shape=None, label_shape=None, broken_images="raise"):
        if broken_images not in ("raise", "skip"):
            raise ValueError(explain("Unknown broken_images", expected="'raise' or 'skip'", given=repr(broken_images)))
        self._path = os.path.expanduser(os.fspath(path))
        self._batch_size = batch_size
        self._shape = _image_shape(data_shape)
        self._classes = _class_count(label_shape)
        self._resized = False
        self._records = None
        sources, labels, kind = self._find()
        if not sources:
            raise ValueError(
                explain(
                    f"There are no images in {self._path!r}",
                    expected="a .rec file, or a folder with one sub-folder of images to a class",
                    given=f"{kind} without images",
                )
            )
        kept = self._read_all(sources, broken_images == "skip")
        self._labels = np.array([labels[number] for number in kept], np.float32)
        self._check_labels()
        self._note(kind)

    # --- what there is -----------------------------------------------------------------------------------------------

    def _find(self):
        """What images are read from, their labels, and what the path is."""
        if os.path.isdir(self._path):
            return (*self._find_files(), "folder")
        for candidate in (self._path, self._path + ".rec"):
            if os.path.isfile(candidate):
                return (*self._find_records(candidate), "RecordIO file")
        raise FileNotFoundError(
            explain(
                f"There are no images at {self._path!r}",
                expected="a .rec file, the prefix of a .rec/.idx pair, or a folder with one sub-folder to a class",
                given=f"path={self._path!r} in {os.getcwd()!r}",
                hint=suggest(os.path.basename(self._path), _neighbours(self._path)),
            )
        )

    def _find_files(self):
        names = [entry.name for entry in os.scandir(self._path) if entry.is_dir() and not entry.name.startswith(".")]
        numbers = {name: int(name) for name in names if name.isdecimal() and name.isascii()}
        if len(numbers) == len(names):
            names.sort(key=numbers.get)
            numbered = len(set(numbers.values())) == len(names) and (
                self._classes is None or all(number < self._classes for number in numbers.values())
            )
        else:
            names.sort()
            numbered = False
        if self._classes is not None and len(names) > self._classes:
            raise ValueError(
                explain(
                    f"The folder {self._path!r} has more classes than label_shape says",
                    expected=f"{self._classes} sub-folders at most",
                    given=f"{len(names)}: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}",
                )
            )
        self._names = names
        sources, labels = [], []
        for place, name in enumerate(names):
            folder = os.path.join(self._path, name)
            files = sorted(file for file in os.listdir(folder) if file.lower().endswith(_SUFFIXES))
            sources += [os.path.join(folder, file) for file in files]
            labels += [numbers[name] if numbered else place] * len(files)
        self._order = (
            "its sub-folders' names are the class numbers"
            if numbered
            else "classes in the order of its sub-folders' names"
        )
        return sources, labels

    def _find_records(self, file):
        sources, labels = [], []
        self._records = _opened(file)
        weakref.finalize(self, self._records.close)
        try:
            while True:
                position = self._records.tell()
                content = self._records.read()
                if content is None:
                    return sources, labels
                header, _ = records.unpack(content)
                if np.size(header.label) != 1:
                    raise ValueError(
                        explain(
                            f"A record of {file!r} has no class number for a label",
                            expected="one number",
                            given=f"{np.size(header.label)} numbers in record {len(sources)}",
                        )
                    )
                sources.append(_Record(len(sources), position))
                labels.append(float(np.reshape(header.label, -1)[0]))
        except FormatError as error:
            raise MXNetError(str(error)) from error

    def _check_labels(self):
        wrong = (self._labels < 0) | (self._labels != np.floor(self._labels))
        if self._classes is not None:
            wrong |= self._labels >= self._classes
        if wrong.any():
            raise ValueError(
                explain(
                    f"Labels in {self._path!r} lie outside the classes",
                    expected=f"class numbers from 0 to {(self._classes or len(self._labels)) - 1}",
                    given=", ".join(f"{label:g}" for label in np.unique(self._labels[wrong])[:8]),
                    hint="label_shape= is the number of classes.",
                )
            )

    # --- pixels -------------------------------------------------------------------------------------------------------

    def _decode(self, source):
        """One image as uint8 (height, width, channels)."""
        flag = 0 if self._shape is not None and self._shape[2] == 1 else 1
        if isinstance(source, _Record):
            _, content = records.unpack(self._records.read_at(source.position))
            try:
                pixels = image.imdecode(content, flag=flag)
            except MXNetError as error:
                raise MXNetError(f"Record {source.number} of {self._records.name!r}: {error}") from error
        else:
            pixels = image.imread(source, flag=flag)
        if self._shape is None:
            self._shape = pixels.shape
        if pixels.shape != self._shape:
            self._resized = True
            pixels = image.imresize(pixels, self._shape[1], self._shape[0])
        return pixels.asnumpy()

    def _read_all(self, sources, skip):
        """Read every image once and keep the pixels, unless they are too many; answers the numbers of those to use."""
        first = self._first(sources, skip)
        small = first.size * len(sources) <= _KEPT
        whole = range(len(sources))
        if small or skip:
            whole, pixels = self._pixels_of(sources, skip, small)
        self._sources = [sources[number] for number in whole]
        self._pixels = array(np.stack(pixels), dtype=np.uint8) if small else None
        return whole

    def _first(self, sources, skip):
        """The first image that is whole: it tells the shape where `data_shape` does not."""
        for source in sources if skip else sources[:1]:
            try:
                return self._decode(source)
            except MXNetError as error:
                failed = error
        raise failed

    def _pixels_of(self, sources, skip, small):
        def read(source):
            try:
                pixels = self._decode(source)
                return pixels if small else pixels[:0]
            except MXNetError as error:
                if not skip:
                    raise
                return error

        with ThreadPoolExecutor(min(8, os.cpu_count() or 1), "images") as pool:
            try:
                found = list(pool.map(read, sources))
            except MXNetError:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        broken = [str(one) for one in found if isinstance(one, MXNetError)]
        if broken:
            warnings.warn(
                explain(f"{len(broken)} of {len(sources)} images in {self._path!r} were left out", given=broken[0]),
                UserWarning,
                stacklevel=5,
            )
        whole = [number for number, one in enumerate(found) if not isinstance(one, MXNetError)]
        return whole, [found[number] for number in whole]

    def _note(self, kind):
        from tandem.mxnet.gluon import extensions

        what = f"a {kind}" + (f" ({self._order})" if kind == "folder" else "")
        resized = ", resized" if self._resized else ""
        extensions.note(
            f"gluon.data.data.ImageRecordDataset reads {what}; its batches are (images, labels): float32 from 0 to 1"
            f" with the channels last, {self._shape}{resized}, and class numbers"
        )

    # --- samples ------------------------------------------------------------------------------------------------------

    def __len__(self):
        return len(self._labels)

    def __getitem__(self, idx):
        if self._pixels is not None:
            pixels = self._pixels[idx]
        else:
            pixels = array(self._decode(self._sources[idx]), dtype=np.uint8)
        return pixels.astype("float32") / 255, self._labels[idx]

    def _columns_at(self, indices):
        if type(self).__getitem__ is not ImageRecordDataset.__getitem__:
            return None
        if self._pixels is not None:
            pixels = self._pixels[np.asarray(indices)]
        else:
            pixels = array(np.stack([self._decode(self._sources[idx]) for idx in indices]), dtype=np.uint8)
        return [pixels.astype("float32") / 255, self._labels[np.asarray(indices)]]

    def get_data_loader(self, batch_size=None, last_batch="soft", shuffle=False):
        """Batches of (features, labels) that have a `.batch_size`; each pass over them is an epoch.

        last_batch: "soft" (or "keep") keeps the last, smaller batch, "discard" drops it, "rollover" puts it into the
        next pass. Raises ValueError for another word, or where there is no batch size.
        """
        batch_size = self._batch_size if batch_size is None else batch_size
        if batch_size is None or batch_size < 1:
            raise ValueError(explain("There is no batch size", expected="1 or more", given=f"batch_size={batch_size}"))
        if last_batch not in _LAST_BATCH:
            raise ValueError(
                explain(
                    "Unknown last_batch",
                    expected=", ".join(map(repr, _LAST_BATCH)),
                    given=repr(last_batch),
                    hint=suggest(last_batch, _LAST_BATCH),
                )
            )
        sampler = (RandomSampler if shuffle else SequentialSampler)(len(self))
        return _Batches(DataLoader(self, batch_sampler=BatchSampler(sampler, batch_size, _LAST_BATCH[last_batch])))


class _Batches:
    """An iterable over the batches of a data set, again and again."""

    def __init__(self, loader):
        self._loader = loader

    def __len__(self):
        return len(self._loader)

    def __iter__(self):
        from tandem.mxnet.gluon import extensions

        for batch in self._loader:
            yield Batch(batch)
        extensions.tell()  # where no training step has


def _image_shape(shape):
    if shape is None:
        return None
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else shape
    if (
        not isinstance(shape, tuple)
        or len(shape) != 3
        or shape[2] not in (1, 3)
        or not all(isinstance(size, (int, np.integer)) and size > 0 for size in shape)
    ):
        turned = isinstance(shape, tuple) and len(shape) == 3 and shape[0] in (1, 3)
        raise ValueError(
            explain(
                "data_shape is no shape of an image",
                expected="(height, width, channels) with 1 or 3 channels",
                given=f"data_shape={shape}",
                hint=f"The channels come last here: {(*shape[1:], shape[0])}." if turned else None,
            )
        )
    return shape


def _class_count(shape):
    if isinstance(shape, (tuple, list)) and len(shape) == 1:
        shape = shape[0]
    if shape is None or (isinstance(shape, (int, np.integer)) and shape > 0):
        return shape
    raise ValueError(explain("label_shape is no number of classes", expected="1 or more", given=f"label_shape={shape}"))


def _neighbours(path):
    try:
        return os.listdir(os.path.dirname(os.path.abspath(path)))
    except OSError:
        return []
