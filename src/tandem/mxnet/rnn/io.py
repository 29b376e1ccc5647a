"""Sentences as batches of word numbers, sorted by length into buckets."""

import random

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet import ndarray
from tandem.mxnet.io import DataBatch, DataDesc, DataIter

__all__ = ["BucketSentenceIter", "encode_sentences"]


def encode_sentences(sentences, vocab=None, invalid_label=-1, invalid_key="\n", start_label=0, unknown_token=None):
    """(sentences as lists of numbers, vocabulary).

    sentences: lists of words; vocab: word -> number, or None to make one, which has `invalid_key` -> `invalid_label`
    and numbers words from `start_label` on in their order; unknown_token: the word under which a given vocabulary gets
    words that it has not.
    Raises AssertionError for an unknown word without unknown_token.
    """
    grows = vocab is None
    if grows:
        vocab = {invalid_key: invalid_label}
    number = start_label
    encoded = []
    for sentence in sentences:
        codes = []
        for word in sentence:
            if word not in vocab:
                if not grows and not unknown_token:
                    raise AssertionError(
                        explain(
                            f"Unknown token {word}",
                            expected="words of the vocabulary, or unknown_token",
                            given=repr(word),
                        )
                    )
                if number == invalid_label:
                    number += 1
                if unknown_token:
                    # As MXNet 1.9.1 has it, each unknown word takes a new number, which the token then has.
                    word = unknown_token
                vocab[word] = number
                number += 1
            codes.append(vocab[word])
        encoded.append(codes)
    return encoded, vocab


class BucketSentenceIter(DataIter):
    """Batches of sentences of one bucket, whose labels are the words that follow.

    sentences: lists of numbers; buckets: lengths, or None for all that have a batch's worth of sentences; a sentence
    goes into the smallest that holds it, filled up with `invalid_label`, and is left out where none does.
    data_name, label_name, dtype: of the arrays; layout: 'NT' or 'TN'.
    Raises ValueError for another layout, or where no bucket would have sentences.
    """

    def __init__(
        self,
        sentences,
        batch_size,
        buckets=None,
        invalid_label=-1,
        data_name="data",
        label_name="softmax_label",
        dtype="float32",
        layout="NT",
    ):
        super().__init__()
        if layout not in ("NT", "TN"):
            raise ValueError(explain("Unknown layout", expected="NT (batch first) or TN (time first)", given=layout))
        if not buckets:
            counts = np.bincount([len(sentence) for sentence in sentences])
            buckets = [length for length, count in enumerate(counts) if count >= batch_size]
        if not buckets:
            raise ValueError(
                explain(
                    "No length has enough sentences for a batch",
                    expected="buckets=[...], or more sentences of one length",
                    given=f"batch_size={batch_size}",
                )
            )
        buckets = sorted(buckets)
        rows = [[] for _ in buckets]
        left_out = 0
        for sentence in sentences:
            place = int(np.searchsorted(buckets, len(sentence)))
            if place == len(buckets):
                left_out += 1
                continue
            row = np.full(buckets[place], invalid_label, dtype=dtype)
            row[: len(sentence)] = sentence
            rows[place].append(row)
        print(f"WARNING: discarded {left_out} sentences longer than the largest bucket.")  # noqa: T201 (as MXNet says it)

        self.data = [np.asarray(row, dtype=dtype).reshape(-1, length) for row, length in zip(rows, buckets)]
        self.batch_size, self.buckets, self.dtype = batch_size, buckets, dtype
        self.data_name, self.label_name, self.layout = data_name, label_name, layout
        self.invalid_label = invalid_label
        self.nddata, self.ndlabel = [], []
        self.major_axis = layout.find("N")
        self.default_bucket_key = max(buckets)
        self.provide_data = self._described(data_name, self.default_bucket_key)
        self.provide_label = self._described(label_name, self.default_bucket_key)
        self.idx = [
            (place, start)
            for place, bucket in enumerate(self.data)
            for start in range(0, len(bucket) - batch_size + 1, batch_size)
        ]
        self.curr_idx = 0
        self.reset()

    def _described(self, name, length):
        shape = (self.batch_size, length) if self.major_axis == 0 else (length, self.batch_size)
        return [DataDesc(name=name, shape=shape, layout=self.layout)]

    def reset(self):
        """Begin again, in another order (of `random` and `np.random`)."""
        self.curr_idx = 0
        random.shuffle(self.idx)
        for bucket in self.data:
            np.random.shuffle(bucket)
        self.nddata, self.ndlabel = [], []
        for bucket in self.data:
            label = np.full_like(bucket, self.invalid_label)
            label[:, :-1] = bucket[:, 1:]
            self.nddata.append(ndarray.array(bucket, dtype=self.dtype))
            self.ndlabel.append(ndarray.array(label, dtype=self.dtype))

    def next(self):
        """The next batch; its `bucket_key` is the length.

        Raises StopIteration after the last one.
        """
        if self.curr_idx == len(self.idx):
            raise StopIteration
        place, start = self.idx[self.curr_idx]
        self.curr_idx += 1
        data = self.nddata[place][start : start + self.batch_size]
        label = self.ndlabel[place][start : start + self.batch_size]
        if self.major_axis == 1:
            data, label = data.T, label.T
        length = self.buckets[place]
        return DataBatch(
            [data],
            [label],
            pad=0,
            bucket_key=length,
            provide_data=self._described(self.data_name, length),
            provide_label=self._described(self.label_name, length),
        )
