"""Keras 2's helpers for sequences: windows of a time series, pairs of words for skip-grams."""

import json
import random

import numpy as np

from tandem.core.errors import explain
from tandem.keras.utils.py_dataset import PyDataset


class TimeseriesGenerator(PyDataset):
    """Batches of windows of a time series, each with the target that follows it.

    data, targets: of the same length, time first; length: steps of a window; sampling_rate: steps between its rows;
    stride: steps between windows; start_index, end_index: the part to use, ends among it; shuffle: windows at random;
    reverse: each window back to front; batch_size: windows to a batch. Raises ValueError where nothing is left.
    """

    def __init__(
        self,
        data,
        targets,
        length,
        sampling_rate=1,
        stride=1,
        start_index=0,
        end_index=None,
        shuffle=False,
        reverse=False,
        batch_size=128,
    ):
        super().__init__()
        if len(data) != len(targets):
            raise ValueError(
                f"Data and targets have to be of same length. Data length is {len(data)} while target length is "
                f"{len(targets)}"
            )
        self.data = data
        self.targets = targets
        self.length = length
        self.sampling_rate = sampling_rate
        self.stride = stride
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle = shuffle
        self.reverse = reverse
        self.batch_size = batch_size
        if self.start_index > self.end_index:
            raise ValueError(
                f"`start_index+length={self.start_index} > end_index={self.end_index}` is disallowed, as no part of "
                "the sequence would be left to be used as current step."
            )

    def __len__(self):
        steps = self.batch_size * self.stride
        return (self.end_index - self.start_index + steps) // steps

    def __getitem__(self, index):
        if self.shuffle:
            rows = np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size)
        else:
            first = self.start_index + self.batch_size * self.stride * index
            last = min(first + self.batch_size * self.stride, self.end_index + 1)
            rows = np.arange(first, last, self.stride)
        samples = np.array([self.data[row - self.length : row : self.sampling_rate] for row in rows])
        targets = np.array([self.targets[row] for row in rows])
        return (samples[:, ::-1, ...] if self.reverse else samples), targets

    def get_config(self):
        """The settings, and the data as JSON. Raises TypeError for data that JSON cannot hold."""
        config = {
            name: getattr(self, name)
            for name in ("length", "sampling_rate", "stride", "start_index", "end_index", "shuffle", "reverse")
        }
        series = {name: np.asarray(getattr(self, name)).tolist() for name in ("data", "targets")}
        return {
            **{name: json.dumps(values) for name, values in series.items()},
            **config,
            "batch_size": self.batch_size,
        }

    def to_json(self, **kwargs):
        """The generator as JSON. kwargs: of `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def make_sampling_table(size, sampling_factor=1e-5):
    """How likely `skipgrams` takes each word of a vocabulary that is numbered by frequency: rarer ones more often.

    The frequency of word number i is taken to be ``1 / (i (log(i) + gamma) + 1/2 - 1/(12 i))`` (Zipf's law).
    """
    rank = np.arange(size)
    rank[0] = 1
    inverse = rank * (np.log(rank) + 0.577) + 0.5 - 1.0 / (12.0 * rank)
    scaled = sampling_factor * inverse
    return np.minimum(1.0, scaled / np.sqrt(scaled))


def skipgrams(
    sequence,
    vocabulary_size,
    window_size=4,
    negative_samples=1.0,
    shuffle=True,
    categorical=False,
    sampling_table=None,
    seed=None,
):
    """(pairs of words, labels): 1 for a word and one of its window, 0 for a word and one drawn from the vocabulary.

    sequence: numbers of words, 0 is nobody; window_size: how far to look to each side; negative_samples: how many
    random pairs to one of the window; categorical: labels as [0, 1] and [1, 0]; sampling_table: how likely each word
    is taken at all; seed: of the order.
    """
    pairs, labels = [], []
    yes, no = ([0, 1], [1, 0]) if categorical else (1, 0)
    for place, word in enumerate(sequence):
        if not word or (sampling_table is not None and sampling_table[word] < random.random()):
            continue
        for other in range(max(0, place - window_size), min(len(sequence), place + window_size + 1)):
            if other != place and sequence[other]:
                pairs.append([word, sequence[other]])
                labels.append(yes)
    if negative_samples > 0:
        count = int(len(labels) * negative_samples)
        words = [pair[0] for pair in pairs]
        random.shuffle(words)
        if count and not words:
            raise ValueError(explain("There are no words to draw pairs for", given=f"sequence={sequence!r}"))
        pairs += [[words[i % len(words)], random.randint(1, vocabulary_size - 1)] for i in range(count)]
        labels += [no] * count
    if shuffle:
        seed = random.randint(0, 10**7) if seed is None else seed
        for values in (pairs, labels):
            random.seed(seed)
            random.shuffle(values)
    return pairs, labels


def _remove_long_seq(maxlen, seq, label):
    """The sequences shorter than `maxlen`, and their labels."""
    kept = [(one, name) for one, name in zip(seq, label, strict=True) if len(one) < maxlen]
    return [one for one, _ in kept], [name for _, name in kept]
