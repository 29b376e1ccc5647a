"""Where a dataset's elements come from, and how they are mixed."""

import glob
import gzip
import itertools
import random as python_random
import zlib

import numpy as np

from tandem.compat.tensorflow import _io as io
from tandem.compat.tensorflow import elements
from tandem.compat.tensorflow import records as record_files
from tandem.compat.tensorflow._errors import InvalidArgumentError
from tandem.compat.tensorflow._strings import StringTensor, as_strings
from tandem.compat.tensorflow.ragged_rows import RaggedTensor, nested
from tandem.compat.tensorflow.shapes import RaggedTensorSpec, TensorShape, TensorSpec
from tandem.compat.tensorflow.tensor import convert, static
from tandem.core.errors import explain

CYCLE = 4  # datasets that `interleave` goes through at a time where nobody says how many


def from_generator(generator, types, shapes, args, signature):
    """(make, count, spec) for what a function's generator gives."""
    if not callable(generator):
        raise TypeError("`generator` must be a Python callable.")
    if signature is None:
        if types is None:
            raise TypeError("Either `output_signature` or `output_types` must be specified")
        if isinstance(types, list):
            types = tuple(types)
        shapes = elements.map_leaves(lambda _: None, types) if shapes is None else _shapes(shapes, types)
        signature = _specs(types, shapes)
    given = tuple(one.numpy() if hasattr(one, "numpy") else one for one in args or ())

    def make():
        for value in generator(*given):
            if isinstance(value, list) and isinstance(signature, tuple):
                value = tuple(value)
            try:
                yield elements.map_leaves(_as_said, signature, value)
            except (KeyError, TypeError) as error:
                raise TypeError(
                    explain("A generator gave an element of the wrong form", expected=str(signature), given=error)
                ) from error

    return make, -2, signature


def _specs(types, shapes):
    if isinstance(types, dict):
        return {key: _specs(types[key], shapes[key]) for key in types}
    if isinstance(types, tuple):
        return tuple(_specs(*pair) for pair in zip(types, shapes, strict=True))
    return TensorSpec(shapes, types)


def _shapes(shapes, types):
    if isinstance(types, dict):
        return {key: _shapes(shapes[key], types[key]) for key in types}
    if isinstance(types, tuple):
        return tuple(_shapes(*pair) for pair in zip(shapes, types, strict=True))
    return TensorShape(shapes)


def _as_said(spec, value):
    if isinstance(spec, RaggedTensorSpec):
        return value if isinstance(value, RaggedTensor) else nested(value, spec.dtype)
    if spec.dtype == "string":
        found = as_strings(value)
    else:
        found = convert(value if not hasattr(value, "numpy") else value.numpy(), spec.dtype)
    if not spec.shape.is_compatible_with(TensorShape(found.shape)):
        raise InvalidArgumentError(
            explain(
                "A generator gave an element of the wrong shape", expected=spec.shape, given=TensorShape(found.shape)
            )
        )
    return found


def matching(pattern):
    """The files that fit a pattern or several, a string tensor. Raises InvalidArgumentError where there are none."""
    patterns = _names(pattern)
    paths = sorted(path for one in patterns for path in glob.glob(one))
    if not paths:
        raise InvalidArgumentError(f"No files matched pattern: {', '.join(patterns)}")
    return as_strings(paths)


def _names(filenames):
    if hasattr(filenames, "_make"):
        return [one.numpy().decode() for one in filenames]
    if isinstance(filenames, (list, tuple)):
        return [name for one in filenames for name in _names(one)]
    if isinstance(filenames, (StringTensor, np.ndarray)):
        return [one.decode() for one in as_strings(filenames).array.reshape(-1)]
    return [io._path(filenames)]


def lines(filenames, compression=None):
    """The lines of text files, without their ends."""
    for name in _names(filenames):
        with io.GFile(name, "rb") as file:
            data = file
            if compression == "GZIP":
                data = gzip.GzipFile(fileobj=file._file)
            elif compression == "ZLIB":
                data = zlib.decompress(file.read()).splitlines(True)
            elif compression:
                raise ValueError(explain("Unknown compression", expected="'', 'GZIP' or 'ZLIB'", given=compression))
            for line in data:
                yield as_strings(line.removesuffix(b"\n").removesuffix(b"\r"))


def records(filenames, compression=None):
    """The records of TFRecord files."""
    for name in _names(filenames):
        io.GFile(name, "rb").close()  # which says what is wrong
        for record in record_files.read_records(name, compression):
            yield as_strings(record)


def pieces(filenames, size, before, after):
    """Pieces of one length of files, without what is before and after them."""
    for name in _names(filenames):
        with io.GFile(name, "rb") as file:
            count = file.size() - before - after
            if count % size:
                raise InvalidArgumentError(
                    explain(f"{name} does not divide into records", expected=f"a multiple of {size} bytes", given=count)
                )
            file.read(before)
            for _ in range(count // size):
                yield as_strings(file.read(size))


# --- order -----------------------------------------------------------------------------------------------------------


def shuffled(items, size, draw):
    """Items in random order, by way of a buffer."""
    items = iter(items)
    buffer = list(itertools.islice(items, size))
    for item in items:
        place = draw.randrange(len(buffer))
        yield buffer[place]
        buffer[place] = item
    draw.shuffle(buffer)
    yield from buffer


def forever(begin_anew):
    """What a function begins to give anew, again and again, unless it is nothing."""
    while True:
        empty = True
        for one in begin_anew():
            empty = False
            yield one
        if empty:
            return


class Cache:
    """Keeps the elements of the first whole pass."""

    def __init__(self, begin_anew):
        self._begin_anew, self._kept = begin_anew, None

    def __call__(self):
        return iter(self._kept) if self._kept is not None else self._filling()

    def _filling(self):
        found = []
        for one in self._begin_anew():
            found.append(one)
            yield one
        self._kept = found


def unique(dataset):
    """The elements that did not come before."""
    seen = set()
    for one in dataset._make():
        value = one.numpy()
        key = value.tobytes() if isinstance(value, (np.ndarray, np.generic)) else value
        if key not in seen:
            seen.add(key)
            yield one


def interleaved(dataset, function, cycle, block):
    """The elements of several datasets in turn."""
    sources = (iter(elements.call(function, one)._make()) for one in dataset._make())
    running = list(itertools.islice(sources, cycle))
    at = 0
    while running:
        part = list(itertools.islice(running[at], block))
        yield from part
        if len(part) < block:
            fresh = next(sources, None)
            if fresh is None:
                del running[at]
                at = at % len(running) if running else 0
                continue
            running[at] = fresh
        at = (at + 1) % len(running)


def windows(dataset, size, shift, stride, drop_remainder, kind):
    """Datasets of elements that follow one another (of tuples and dicts: tuples and dicts of datasets)."""
    reach = (size - 1) * stride + 1
    items, buffer = dataset._make(), []
    while True:
        buffer += itertools.islice(items, max(reach - len(buffer), 0))
        if not buffer or (drop_remainder and len(buffer) < reach):
            return
        group = buffer[:reach:stride]
        flat = [elements.leaves(one) for one in group]
        yield elements.filled(group[0], [kind(lambda rows=rows: iter(rows), len(rows)) for rows in zip(*flat)])
        left = shift - len(buffer)
        if left > 0:
            buffer = []
            for _ in itertools.islice(items, left):
                pass
        else:
            buffer = buffer[shift:]


def by_key(dataset, key_of, reduce, size, size_of, kind):
    """Elements of one key gathered to datasets, of which a function makes elements."""
    gathered = {}

    def emptied(key, group):
        return reduce(convert(np.int64(key)), kind(lambda: iter(group), len(group)))._make()

    for one in dataset._make():
        key = int(elements.call(key_of, one))
        group = gathered.setdefault(key, [])
        group.append(one)
        if len(group) == (size if size is not None else int(size_of(convert(np.int64(key))))):
            yield from emptied(key, gathered.pop(key))
    for key, group in gathered.items():
        yield from emptied(key, group)


def chosen(datasets, choices, stop):
    """The next element of the dataset that a number says."""
    items = [iter(one._make()) for one in datasets]
    for number in choices._make():
        found = next(items[int(number)], _END)
        if found is not _END:
            yield found
        elif stop:
            return


_END = object()


def resampled(dataset, class_of, target, initial, seed):
    """(class, element), of which some are left out so that the classes come as often as `target` says."""
    draw, target = python_random.Random(seed), np.asarray(static(target), float)
    counts = np.full(len(target), 1e-9) if initial is None else None
    share = None if initial is None else np.asarray(static(initial), float)
    for one in dataset._make():
        number = int(elements.call(class_of, one))
        if counts is not None:
            counts[number] += 1
            share = counts / counts.sum()
        ratio = target / np.maximum(share, 1e-9)
        if draw.random() < ratio[number] / ratio.max():
            yield convert(np.int32(number)), one


def sampled(datasets, weights, seed, stop):
    """The next element of a dataset drawn by lot, of those that are not at their end."""
    draw = python_random.Random(seed)
    running = [(iter(one._make()), 1.0 if weights is None else weights[n]) for n, one in enumerate(datasets)]
    while running:
        place = draw.choices(range(len(running)), [weight for _, weight in running])[0]
        found = next(running[place][0], _END)
        if found is not _END:
            yield found
        elif stop:
            return
        else:
            del running[place]
