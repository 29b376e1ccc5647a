"""11,228 news of Reuters' as numbers of words, and which of 46 topics each is about."""

import json

import numpy as np

from tandem.keras.datasets import fetch as data

_HASH = "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
_WORDS_HASH = "4d44cc38712099c9e383dc6e5f11a921"
_TOPICS = (
    "cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship cotton carcass "
    "crude "
    "nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin strategic-metal livestock retail ipi iron-steel "
    "rubber heat jobs lei bop zinc orange pet-chem dlr gas silver wpi hog lead"
)


def load_data(
    path="reuters.npz",
    num_words=None,
    skip_top=0,
    maxlen=None,
    test_split=0.2,
    seed=113,
    start_char=1,
    oov_char=2,
    index_from=3,
):
    """((x_train, y_train), (x_test, y_test)): arrays of lists of words' numbers, and topics' numbers.

    test_split: what part is to test with; the others: see `keras.datasets.imdb.load_data`.
    """
    x, labels = data.arrays(data.fetch(path, "reuters.npz", _HASH), "x", "y")
    x, labels = data.shuffled(x, labels, np.random.RandomState(seed))
    x = data.marked(x, start_char, index_from)
    if maxlen:
        x, labels = data.short(x, labels, maxlen)
    x, count = data.common(x, num_words, skip_top, oov_char), int(len(x) * (1 - test_split))
    labels = np.array(labels)
    return (data.of_lists(x[:count]), labels[:count]), (data.of_lists(x[count:]), labels[count:])


def get_word_index(path="reuters_word_index.json"):
    """A dict of words and their numbers, from 1; `load_data` adds `index_from` to them."""
    with open(data.fetch(path, "reuters_word_index.json", _WORDS_HASH), encoding="utf-8") as file:
        return json.load(file)


def get_label_names():
    """The topics in the order of their numbers."""
    return tuple(_TOPICS.split())
