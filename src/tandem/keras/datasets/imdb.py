"""50,000 reviews of films, half of them to test with, as numbers of words, and whether they are good."""

import json

import numpy as np

from tandem.core.errors import warn
from tandem.keras.datasets import fetch as data

_HASH = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
_WORDS_HASH = "bfafd718b763782e994055a2d397834f"


def load_data(
    path="imdb.npz",
    num_words=None,
    skip_top=0,
    maxlen=None,
    seed=113,
    start_char=1,
    oov_char=2,
    index_from=3,
    **kwargs,
):
    """((x_train, y_train), (x_test, y_test)): arrays of lists of words' numbers, and 0 or 1.

    path: the file's name in the cache folder; num_words: only the words numbered below this; skip_top: and not below
    that; maxlen: only reviews of fewer words; seed: of the order; start_char: put first in each review; oov_char: put
    for words that are left out (None: nothing is); index_from: what words are numbered from.
    Maas et al., 2011.
    """
    if "nb_words" in kwargs:
        warn("The `nb_words` argument in `load_data` has been renamed `num_words`.", DeprecationWarning)
        num_words = kwargs.pop("nb_words")
    if kwargs:
        raise TypeError(f"Unrecognized keyword arguments: {kwargs}.")
    names = ("x_train", "y_train", "x_test", "y_test")
    x_train, y_train, x_test, y_test = data.arrays(data.fetch(path, "imdb.npz", _HASH), *names)
    generator = np.random.RandomState(seed)
    x_train, y_train = data.shuffled(x_train, y_train, generator)
    x_test, y_test = data.shuffled(x_test, y_test, generator)
    x_train, x_test = (data.marked(x, start_char, index_from) for x in (x_train, x_test))
    if maxlen:
        x_train, y_train = data.short(x_train, y_train, maxlen)
        x_test, y_test = data.short(x_test, y_test, maxlen)
    x, count = data.common(x_train + x_test, num_words, skip_top, oov_char), len(x_train)
    labels = np.concatenate([y_train, y_test])
    return (data.of_lists(x[:count]), labels[:count]), (data.of_lists(x[count:]), labels[count:])


def get_word_index(path="imdb_word_index.json"):
    """A dict of words and their numbers, from 1; `load_data` adds `index_from` to them."""
    with open(data.fetch(path, "imdb_word_index.json", _WORDS_HASH), encoding="utf-8") as file:
        return json.load(file)
