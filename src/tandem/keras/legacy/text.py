"""Keras 2's helpers for text: words of a text, their numbers, and matrices of counts."""

import hashlib
import json
from collections import Counter, OrderedDict, defaultdict

import numpy as np

from tandem.core.errors import explain, warn

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
maketrans = str.maketrans


def text_to_word_sequence(input_text, filters=FILTERS, lower=True, split=" ", text=None):
    """The words of a text: what stands between `split` when the characters of `filters` are taken for it.

    text: Keras 1's name of `input_text`.
    """
    text = input_text if text is None else text
    text = text.lower() if lower else text
    text = text.translate(str.maketrans(dict.fromkeys(filters, split)))
    return [word for word in text.split(split) if word]


def one_hot(input_text, n, filters=FILTERS, lower=True, split=" ", analyzer=None):
    """The words of a text as numbers from 1 to n - 1, by Python's `hash`, which differs from run to run."""
    return hashing_trick(input_text, n, hash, filters, lower, split, analyzer)


def hashing_trick(text, n, hash_function=None, filters=FILTERS, lower=True, split=" ", analyzer=None):
    """The words of a text as numbers from 1 to n - 1, by a hash: two words may share a number.

    hash_function: a function, None for Python's `hash`, or "md5", which gives the same numbers in each run;
    analyzer: a function that splits the text.
    """
    if hash_function is None:
        hash_function = hash
    elif hash_function == "md5":

        def hash_function(word):
            return int(hashlib.md5(word.encode()).hexdigest(), 16)

    words = text_to_word_sequence(text, filters, lower, split) if analyzer is None else analyzer(text)
    return [hash_function(word) % (n - 1) + 1 for word in words]


class Tokenizer:
    """Numbers the words (or characters) of texts by how often they occur, from 1; 0 is left for padding.

    num_words: only the ``num_words - 1`` most frequent are used; filters, lower, split: see `text_to_word_sequence`;
    char_level: characters, not words; oov_token: what stands, with number 1, for words that are not known;
    analyzer: a function that splits a text.
    """

    def __init__(
        self,
        num_words=None,
        filters=FILTERS,
        lower=True,
        split=" ",
        char_level=False,
        oov_token=None,
        analyzer=None,
        **kwargs,
    ):
        if "nb_words" in kwargs:
            warn("Tokenizer: write `num_words` for `nb_words`.", DeprecationWarning)
            num_words = kwargs.pop("nb_words")
        document_count = kwargs.pop("document_count", 0)
        if kwargs:
            raise TypeError("Unrecognized keyword arguments: " + str(kwargs))
        self.word_counts = OrderedDict()
        self.word_docs = defaultdict(int)
        self.index_docs = defaultdict(int)
        self.word_index = {}
        self.index_word = {}
        self.filters = filters
        self.split = split
        self.lower = lower
        self.num_words = num_words
        self.document_count = document_count
        self.char_level = char_level
        self.oov_token = oov_token
        self.analyzer = analyzer

    def _words(self, text):
        if self.char_level or isinstance(text, list):
            if self.lower:
                text = [part.lower() for part in text] if isinstance(text, list) else text.lower()
            return text
        if self.analyzer is not None:
            return self.analyzer(text)
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts):
        """Count the words of texts (strings, or lists of words) and number them; may be called again with more."""
        for text in texts:
            self.document_count += 1
            words = self._words(text)
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            for word in set(words):
                self.word_docs[word] += 1
        words = sorted(self.word_counts, key=lambda word: -self.word_counts[word])
        words = words if self.oov_token is None else [self.oov_token, *words]
        self.word_index = {word: number for number, word in enumerate(words, 1)}
        self.index_word = {number: word for word, number in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences):
        """Count in how many sequences each number occurs, for the modes of `sequences_to_matrix`."""
        self.document_count += len(sequences)
        for sequence in sequences:
            for number in set(sequence):
                self.index_docs[number] += 1

    def texts_to_sequences(self, texts):
        """The texts as lists of numbers; words that are not used are left out, or numbered as `oov_token`."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts):
        """`texts_to_sequences`, one after the other."""
        unknown = self.word_index.get(self.oov_token)
        for text in texts:
            numbers = (self.word_index.get(word) for word in self._words(text))
            limited = (number if self._is_used(number) else unknown for number in numbers)
            yield [number for number in limited if number is not None]

    def _is_used(self, number):
        return number is not None and not (self.num_words and number >= self.num_words)

    def sequences_to_texts(self, sequences):
        """Texts of the words that lists of numbers stand for, joined by spaces."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences):
        """`sequences_to_texts`, one after the other."""
        unknown = self.word_index.get(self.oov_token)
        for sequence in sequences:
            words = []
            for number in sequence:
                word = self.index_word.get(number)
                if word is None or not self._is_used(number):
                    word = None if unknown is None else self.index_word[unknown]
                if word is not None:
                    words.append(word)
            yield " ".join(words)

    def texts_to_matrix(self, texts, mode="binary"):
        """A row to each text; see `sequences_to_matrix`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode=mode)

    def sequences_to_matrix(self, sequences, mode="binary"):
        """A row to each sequence, a column to each number: 1 where it occurs ("binary"), how often ("count"), that
        divided by the length ("freq"), or ``(1 + log(count)) log(1 + documents / (1 + documents with it))`` ("tfidf").
        """
        if not self.num_words and not self.word_index:
            raise ValueError("Specify a dimension (`num_words` argument), or fit on some text data first.")
        if mode == "tfidf" and not self.document_count:
            raise ValueError("Fit the Tokenizer on some data before using tfidf mode.")
        if mode not in ("binary", "count", "freq", "tfidf"):
            raise ValueError(f"Unknown vectorization mode: {mode}")
        columns = self.num_words or len(self.word_index) + 1
        matrix = np.zeros((len(sequences), columns))
        for row, sequence in zip(matrix, sequences, strict=True):
            for number, count in Counter(sequence).items():
                if number >= columns:
                    continue
                if mode == "count":
                    row[number] = count
                elif mode == "freq":
                    row[number] = count / len(sequence)
                elif mode == "binary":
                    row[number] = 1
                else:
                    idf = np.log(1 + self.document_count / (1 + self.index_docs.get(number, 0)))
                    row[number] = (1 + np.log(count)) * idf
        return matrix

    def get_config(self):
        """The settings, and the counts as JSON."""
        return {
            "num_words": self.num_words,
            "filters": self.filters,
            "lower": self.lower,
            "split": self.split,
            "char_level": self.char_level,
            "oov_token": self.oov_token,
            "document_count": self.document_count,
            "word_counts": json.dumps(self.word_counts),
            "word_docs": json.dumps(self.word_docs),
            "index_docs": json.dumps(self.index_docs),
            "index_word": json.dumps(self.index_word),
            "word_index": json.dumps(self.word_index),
        }

    def to_json(self, **kwargs):
        """The tokenizer as JSON, which `tokenizer_from_json` reads. kwargs: of `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def tokenizer_from_json(json_string):
    """The `Tokenizer` that `to_json` described. Raises ValueError for JSON of something else."""
    try:
        config = dict(json.loads(json_string)["config"])
        counts = {
            name: json.loads(config.pop(name))
            for name in ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
        }
    except (KeyError, TypeError) as error:
        raise ValueError(explain("This is not a tokenizer's JSON", expected="what `to_json` gave")) from error
    tokenizer = Tokenizer(**config)
    tokenizer.word_counts = counts["word_counts"]
    tokenizer.word_docs = counts["word_docs"]
    tokenizer.word_index = counts["word_index"]
    # JSON has strings for keys.
    tokenizer.index_docs = {int(number): count for number, count in counts["index_docs"].items()}
    tokenizer.index_word = {int(number): word for number, word in counts["index_word"].items()}
    return tokenizer
