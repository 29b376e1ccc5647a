"""Where the data sets come from, and what several of them do."""

import os

import numpy as np

from tandem.core.errors import explain
from tandem.formats import keras_downloads
from tandem.formats.limits import broken, named
from tandem.keras import config
from tandem.keras.legacy.time_series import _remove_long_seq
from tandem.keras.utils.files import get_file

BASE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


def fetch(path, name, file_hash):
    """The path of a file of the collection; path: its name in the cache folder, or a whole path of a file of one's own,
    as Keras 2 took it.
    """
    path = os.fspath(path)
    if os.path.isabs(path) and os.path.isfile(path):
        return path
    return get_file(path, origin=BASE + name, file_hash=file_hash)


def arrays(path, *names):
    """Some arrays of a `.npz` file. Raises FormatError where they are not there."""
    found = keras_downloads.read_npz(path)
    missing = [name for name in names if name not in found]
    if missing:
        raise broken(named(path), f"it lacks {missing}", list(names), sorted(found))
    return [found[name] for name in names]


def check_split(test_split):
    """Raises ValueError for what is no part of the data that leaves some to train with."""
    if not 0 <= test_split < 1:
        raise ValueError(f"Invalid `test_split` argument: {test_split}. It must be between 0 and 1 (exclusive of 1).")


def split(x, y, test_split, seed):
    """((x, y) to train with, (x, y) to test with), in an order that `seed` gives."""
    check_split(test_split)
    x, y = shuffled(x, y, np.random.RandomState(seed))
    count = int(len(x) * (1 - test_split))
    return (np.array(x[:count]), np.array(y[:count])), (np.array(x[count:]), np.array(y[count:]))


def cifar(folder, inner, files, label, dtype):
    """The images (n, 32, 32, 3) or (n, 3, 32, 32), as `image_data_format` says; labels (n, 1)."""
    images, labels = [], []
    for name in files:
        path = os.path.join(folder, inner, name)
        with open(path, "rb") as file:
            found = keras_downloads.read_pickle(file, named(path), encoding="bytes")
        found = found if isinstance(found, dict) else {}
        data, own = found.get(b"data"), found.get(label.encode())
        if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != 3072 or own is None:
            raise broken(named(path), "it is no batch of images", f"'data' (n, 3072) and {label!r}", list(found))
        if len(own) != len(data):
            raise broken(named(path), "images and labels do not match", f"{len(data)} labels", len(own))
        images.append(data.reshape(-1, 3, 32, 32))
        labels.append(np.asarray(own, dtype).reshape(-1, 1))
    images = np.concatenate(images).astype("uint8", copy=False)
    if config.image_data_format() == "channels_last":
        images = images.transpose(0, 2, 3, 1)
    return images, np.concatenate(labels)


# --- words ------------------------------------------------------------------------------------------------------------


def shuffled(x, labels, generator):
    """Sequences and labels in an order that a generator gives."""
    order = np.arange(len(x))
    generator.shuffle(order)
    return x[order], labels[order]


def marked(x, start, shift):
    """Sequences as lists whose words are numbered from `shift` on, after the word `start` (None: no such word)."""
    shift = shift or 0
    first = [] if start is None else [start]
    if start is not None or shift:
        return [first + [word + shift for word in sequence] for sequence in x]
    return [list(sequence) for sequence in x]


def short(x, labels, longest):
    """Those of fewer words than `longest`. Raises ValueError where none is left."""
    x, labels = _remove_long_seq(longest, x, labels)
    if not x:
        raise ValueError(
            explain(
                f"After filtering for sequences shorter than maxlen={longest}, no sequence was kept",
                hint="Increase maxlen.",
            )
        )
    return x, labels


def common(x, words, skip, other):
    """Sequences of the words numbered `skip` to below `words`; others become `other`, or go where it is None."""
    if not words:
        words = max(max(sequence) for sequence in x)
    if other is None:
        return [[word for word in sequence if skip <= word < words] for sequence in x]
    return [[word if skip <= word < words else other for word in sequence] for sequence in x]


def of_lists(x):
    """A numpy array of lists, also where all are of one length."""
    result = np.empty(len(x), dtype="object")
    result[:] = x
    return result
