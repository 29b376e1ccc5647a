"""Iterators over files, which MXNet has in C++: their arguments may be strings, and names of arrays are arguments."""

import ast
import re
import warnings

import numpy as np

from tandem.core.errors import explain
from tandem.formats import mnist
from tandem.mxnet.base import MXNetError
from tandem.mxnet.io.io import DataBatch, DataDesc, DataIter
from tandem.mxnet.io.utils import SparseRows
from tandem.mxnet.ndarray.creation import array

__all__ = ["CSVIter", "LibSVMIter", "MNISTIter", "MXDataIter"]

# How MXNet reads ahead, which changes no numbers.
_READING_AHEAD = ("prefetch_buffer", "ctx")


class MXDataIter(DataIter):
    """An iterator over what a source gives, one array of data and one of labels to a batch.

    handle: the source: `next()` answers (data, label, pad, index) or None at its end, `reset()` begins anew;
    data_name, label_name: what the arrays are called.
    """

    def __init__(self, handle, data_name="data", label_name="softmax_label", **_):
        super().__init__()
        self.handle = handle
        self._debug_skip_load = False
        self._current = self._first = None
        self._first = self._advance()
        if self._first is None:
            raise StopIteration
        data, label = self._first[:2]
        self.provide_data = [DataDesc(data_name, data.shape, data.dtype)]
        self.provide_label = [DataDesc(label_name, label.shape, label.dtype)]
        self.batch_size = data.shape[0]

    def _advance(self):
        self._current = self.handle.next()
        return self._current

    def debug_skip_load(self):
        """Give the first batch again and again, to measure everything but the reading."""
        self._debug_skip_load = True

    def reset(self):
        """Begin a new epoch."""
        self._first = None
        self.handle.reset()

    def next(self):
        """The next batch.

        Raises StopIteration at the end.
        """
        if not self.iter_next():
            raise StopIteration
        return DataBatch([self.getdata()], [self.getlabel()], self.getpad(), self.getindex())

    def iter_next(self):
        """Go to the next batch; 1 where there is one, otherwise 0."""
        if self._debug_skip_load and self._current is not None:
            return 1
        if self._first is not None:
            self._current, self._first = self._first, None
            return 1
        return int(self._advance() is not None)

    def getdata(self):
        """The data of this batch."""
        return self._current[0]

    def getlabel(self):
        """The labels of this batch."""
        return self._current[1]

    def getpad(self):
        """How many rows at the end of this batch only fill it up."""
        return self._current[2]

    def getindex(self):
        """The numbers of the rows in this batch, numpy uint64."""
        return self._current[3]


class Mixer:
    """Orders as MXNet's C++ iterators draw them: `std::shuffle` of GCC 4 to 10 with `std::mt19937`, whose seed is
    given."""

    def __init__(self, seed):
        self._rng = np.random.RandomState(seed & 0xFFFFFFFF)
        self._draws = self._drawn()

    def _drawn(self):
        while True:
            yield from self._rng.randint(0, 1 << 32, 1024, dtype=np.uint32).tolist()

    def order(self, count):
        """The numbers below `count` in the next order."""
        order = list(range(count))
        for place in range(1, count):
            share = 0xFFFFFFFF // (place + 1)
            # What is left over when the 32 bits are divided into equal shares is drawn again.
            other = next(draw for draw in self._draws if draw < share * (place + 1)) // share
            order[place], order[other] = order[other], order[place]
        return np.array(order, dtype=np.int64)


class _Batches:
    """Batches of the rows of arrays: the source of iterators over files that fit into memory.

    data, label: numpy arrays; index: the rows' numbers; round_batch: whether the rows that are left at the end are
    filled up with the first ones, which the next epoch leaves out then, or with rows of the batch before.
    """

    def __init__(self, data, label, batch_size, round_batch=True, discard=False):
        self.data, self.label = data, label
        self.batch_size, self.round_batch, self.discard = batch_size, round_batch, discard
        self.position = self.overflow = 0

    def reset(self):
        """Begin a new epoch."""
        self.position, self.overflow = self.overflow, 0

    def next(self):
        """(data, label, pad, index) of the next batch, None at the end."""
        count, size, start = len(self.data), self.batch_size, self.position
        left = count - start
        if left <= 0 or self.overflow or (self.discard and left < size):
            return None
        rows = np.arange(start, min(start + size, count))
        pad = size - len(rows)
        if pad:
            if self.round_batch:
                if pad > count:
                    raise MXNetError(
                        explain(
                            "There are too few rows to fill the batch up with",
                            expected=f"at least {pad} rows",
                            given=f"{count} rows, batch_size={size}",
                        )
                    )
                more, self.overflow = np.arange(pad), pad
            else:
                # What stands in the batch's memory; of a first batch nothing does.
                more = np.arange(start - pad, start) if start else np.zeros(pad, int)
            rows = np.concatenate([rows, more])
        self.position = start + size
        return self._array(self.data[rows]), self._array(self.label[rows]), pad, self._index(rows)

    @staticmethod
    def _array(values):
        return values.as_array() if isinstance(values, SparseRows) else array(values, dtype=values.dtype)

    def _index(self, rows):
        return rows.astype(np.uint64)


# --- arguments -------------------------------------------------------------------------------------------------------


def _plain(name, value, default):
    """A value, or the text of one, in the type of the default (`type(None)`: as it is).

    Raises MXNetError for a text that is none.
    """
    try:
        if isinstance(value, str) and not isinstance(default, str):
            value = ast.literal_eval(value.capitalize() if value.lower() in ("true", "false", "none") else value)
        if isinstance(default, tuple):
            kind = float if any(isinstance(one, float) for one in default) else int
            return (kind(value),) if np.ndim(value) == 0 else tuple(map(kind, value))
        return value if default is None else type(default)(value)
    except (ValueError, SyntaxError, TypeError) as error:
        raise MXNetError(
            explain(f"Invalid value of {name}", expected=type(default).__name__, given=repr(value))
        ) from error


def _arguments(iterator, given, defaults, required=()):
    """The arguments of an iterator, in their types; unknown ones are left out, with a warning, as MXNet does.

    Raises MXNetError for a required one that is missing.
    """
    missing = [name for name in required if given.get(name) is None]
    if missing:
        raise MXNetError(
            explain(
                f"Required parameter {missing[0]} of {iterator} is not presented",
                expected=", ".join(required),
                given=", ".join(given) or "nothing",
            )
        )
    known = {*defaults, *_READING_AHEAD, "data_name", "label_name", "dtype"}
    unknown = sorted(set(given) - known)
    if unknown:
        warnings.warn(
            f"{iterator} has no argument {', '.join(unknown)}; they change nothing.", UserWarning, stacklevel=3
        )
    return {name: _plain(name, given.get(name, default), default) for name, default in defaults.items()}


def _names(given):
    return {name: given[name] for name in ("data_name", "label_name") if name in given}


def _only_keywords(iterator, args):
    if args:
        raise MXNetError(explain(f"{iterator} takes its arguments by name", given=f"{len(args)} without"))


def _dtype(iterator, given, allowed):
    dtype = given.get("dtype") or "float32"
    name = np.dtype(dtype).name
    if name not in allowed:
        raise MXNetError(
            explain(f"{name} is not supported for {iterator}", expected=", ".join(allowed), given=repr(dtype))
        )
    return name


# --- files -----------------------------------------------------------------------------------------------------------


def _leading_integer(text):
    found = re.match(r"\s*[-+]?\d+", text)
    if found is None:
        raise ValueError(f"could not convert string {text!r} to an integer")
    return int(found.group())


def _table(path, dtype):
    """The numbers in a file of comma separated values, a row to a line. Of integers what follows the digits is left
    out, as in MXNet.

    Raises MXNetError where it cannot be read.
    """
    converters = _leading_integer if np.issubdtype(dtype, np.integer) else None
    try:
        return np.loadtxt(
            path, dtype=dtype, delimiter=",", ndmin=2, comments=None, encoding="utf-8", converters=converters
        )
    except (OSError, ValueError) as error:
        raise MXNetError(explain(f"Cannot read {path!r}", expected="comma separated numbers", given=error)) from error


def _shaped(values, shape, what):
    if values[0].size != int(np.prod(shape)):
        raise MXNetError(
            explain(
                f"The rows of {what} do not have the shape that was said",
                expected=f"{int(np.prod(shape))} numbers for {shape}",
                given=f"{values[0].size} numbers",
            )
        )
    # Labels of one number have no axis for it.
    return values.reshape(len(values), *shape)


def _labelled(data, label, shape):
    """The labels of rows of data: zeros where there are none."""
    if label is None:
        label = np.zeros((len(data), int(np.prod(shape))), data.dtype)
    label = _shaped(label, shape, "the labels")
    if len(label) < len(data):
        raise MXNetError(
            explain(
                "There are more rows of data than labels",
                expected=f"{len(data)} labels",
                given=f"{len(label)} labels",
            )
        )
    return label[: len(data), 0] if tuple(shape) == (1,) else label[: len(data)]


def CSVIter(*args, **kwargs):
    """Batches of the rows of a file of comma separated values, which is read into memory as a whole.

    data_csv: its path; data_shape: of a row; label_csv, label_shape: the labels' (zeros where there is no file);
    batch_size: rows to a batch; round_batch: whether the last batch is filled up with the first rows, which the next
    epoch leaves out then; dtype: float32, int32 or int64; data_name, label_name: of the arrays. All by name;
    prefetch_buffer and ctx say how MXNet reads ahead.
    Raises MXNetError for a missing argument, a file that cannot be read, rows of another size.
    """
    _only_keywords("CSVIter", args)
    dtype = _dtype("CSVIter", kwargs, ("float32", "int32", "int64"))
    given = _arguments(
        "CSVIter",
        kwargs,
        {
            "data_csv": "",
            "data_shape": (),
            "label_csv": "NULL",
            "label_shape": (1,),
            "batch_size": 0,
            "round_batch": True,
        },
        required=("data_csv", "data_shape", "batch_size"),
    )
    data = _shaped(_table(given["data_csv"], dtype), given["data_shape"], "the data")
    label = None if given["label_csv"] == "NULL" else _table(given["label_csv"], dtype)
    label = _labelled(data, label, given["label_shape"])
    return MXDataIter(_Batches(data, label, given["batch_size"], given["round_batch"]), **_names(kwargs))


class _Digits(_Batches):
    def _index(self, rows):
        return np.zeros(len(rows), np.uint64)


def MNISTIter(*args, **kwargs):
    """Batches of the images and labels of files in MNIST's format (also compressed ones), values from 0 to 1.

    image, label: paths; batch_size; shuffle: whether they are mixed, once; seed: by which; flat: whether an image is a
    row of numbers and not (1, height, width); num_parts, part_index: to take one of several equal parts; data_name,
    label_name: of the arrays. All by name; silent, prefetch_buffer and ctx change no numbers. What does not fill a
    batch is left out.
    Raises MXNetError for a file that cannot be read.
    """
    _only_keywords("MNISTIter", args)
    _dtype("MNISTIter", kwargs, ("float32",))
    given = _arguments(
        "MNISTIter",
        kwargs,
        {
            "image": "./train-images-idx3-ubyte",
            "label": "./train-labels-idx1-ubyte",
            "batch_size": 128,
            "shuffle": True,
            "flat": False,
            "seed": 0,
            "silent": False,
            "num_parts": 1,
            "part_index": 0,
        },
    )
    try:
        images, labels = mnist.read(given["image"], 3), mnist.read(given["label"], 1)
    except (OSError, ValueError) as error:
        raise MXNetError(str(error)) from error
    if len(images) != len(labels):
        raise MXNetError(
            explain("The files do not belong together", given=f"{len(images)} images and {len(labels)} labels")
        )
    part = slice(*(len(images) * (given["part_index"] + end) // given["num_parts"] for end in (0, 1)))
    images, labels = images[part], labels[part].astype(np.float32)
    if given["shuffle"]:
        order = Mixer(given["seed"]).order(len(images))
        images, labels = images[order], labels[order]
    images = images.reshape(len(images), -1) if given["flat"] else images[:, None]
    return MXDataIter(_Digits(_Pixels(images), labels, given["batch_size"], discard=True), **_names(kwargs))


class _Pixels:
    """Images as bytes, of which batches become numbers from 0 to 1 (below: MXNet divides by 256)."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        return self.images[rows].astype(np.float32) * np.float32(1 / 256)


# --- sparse rows -----------------------------------------------------------------------------------------------------


def _libsvm(path, width):
    """(labels, sparse rows) of a file in LibSVM's format: a label and `column:value` pairs to a line, columns from 0.

    Raises MXNetError where it cannot be read.
    """
    labels, values, columns, starts = [], [], [], [0]
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                words = line.partition("#")[0].split()
                if not words:
                    continue
                labels.append(float(words[0].partition(":")[0]))
                for word in words[1:]:
                    column, _, value = word.partition(":")
                    columns.append(int(column))
                    values.append(float(value or 1))
                starts.append(len(values))
    except (OSError, ValueError) as error:
        raise MXNetError(explain(f"Cannot read {path!r}", expected="LibSVM's format", given=error)) from error
    if columns and not 0 <= min(columns) <= max(columns) < width:
        raise MXNetError(
            explain(
                f"A column in {path!r} is out of range",
                expected=f"0 to {width - 1}",
                given=f"{min(columns)} to {max(columns)}",
            )
        )
    rows = SparseRows(
        np.array(values, np.float32), np.array(columns, np.int64), np.array(starts, np.int64), (len(labels), width)
    )
    return np.array(labels, np.float32), rows


def LibSVMIter(*args, **kwargs):
    """Batches of the sparse rows (`CSRNDArray`) of a file in LibSVM's format, which is read into memory as a whole.

    data_libsvm: its path; data_shape: (columns,); label_libsvm, label_shape: a file whose sparse rows are the labels
    (otherwise each line's first number is); batch_size: rows to a batch, the last one filled up with the first rows,
    which the next epoch leaves out then; num_parts, part_index: to take one of several parts; data_name, label_name:
    of the arrays. All by name; prefetch_buffer and ctx say how MXNet reads ahead.
    Raises MXNetError for a missing argument, round_batch=False, a file that cannot be read.
    """
    _only_keywords("LibSVMIter", args)
    _dtype("LibSVMIter", kwargs, ("float32",))
    given = _arguments(
        "LibSVMIter",
        kwargs,
        {
            "data_libsvm": "",
            "data_shape": (),
            "label_libsvm": "NULL",
            "label_shape": (1,),
            "batch_size": 0,
            "round_batch": True,
            "num_parts": 1,
            "part_index": 0,
        },
        required=("data_libsvm", "data_shape", "batch_size"),
    )
    if not given["round_batch"]:
        raise MXNetError(explain("LibSVMIter always fills the last batch up", expected="round_batch=True"))
    for name in ("data_shape", "label_shape"):
        if len(given[name]) != 1:
            raise MXNetError(explain(f"Dimension of {name} is expected to be 1", given=given[name]))
    labels, rows = _libsvm(given["data_libsvm"], given["data_shape"][0])
    if given["label_libsvm"] != "NULL":
        labels = _libsvm(given["label_libsvm"], given["label_shape"][0])[1]
        if len(labels) < len(rows):
            raise MXNetError(explain("There are more rows of data than labels", given=f"{len(rows)} and {len(labels)}"))
    if given["num_parts"] > 1:
        part = np.array_split(np.arange(len(rows)), given["num_parts"])[given["part_index"]]
        labels, rows = labels[part], rows[part]
    return MXDataIter(_Batches(rows, labels, given["batch_size"]), **_names(kwargs))
