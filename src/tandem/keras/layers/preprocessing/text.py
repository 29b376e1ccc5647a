"""Texts as numbers: `TextVectorization`."""

import re
import string

import numpy as np

from tandem.core.errors import Unsupported
from tandem.core.strings import texts
from tandem.keras import saving, tensors
from tandem.keras.layers.preprocessing import batches
from tandem.keras.layers.preprocessing.lookup import MODES, StringLookup
from tandem.keras.layers.preprocessing.strings import TextLayer

_STANDARDIZE = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
_SPLIT = ("whitespace", "character")
# TensorFlow's functions of bytes, which Keras has here, know ASCII's capitals and blanks alone: "Ünï" stays, and a hard
# space is a part of its word. A vocabulary that was learned there holds such words.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_SPACES = re.compile("[ \\t\\n\\v\\f\\r]+")
_PUNCTUATION = re.compile("[" + re.escape(string.punctuation) + "]")


class TextVectorization(TextLayer):
    """Texts as the numbers of their words.

    max_tokens: the vocabulary's most entries; standardize: "lower_and_strip_punctuation", "lower", "strip_punctuation",
    None or a function of an array of strings; split: "whitespace", "character", None or a function of an array of
    strings; ngrams: also pairs and longer runs of words, up to a length, or of the lengths of a tuple; output_mode:
    "int", (texts, words) with 0 for padding, or rows as long as the vocabulary, "multi_hot", "count" or "tf_idf";
    output_sequence_length: how many words, cut off or filled up; vocabulary, idf_weights, pad_to_max_tokens: as in
    `StringLookup`; ragged: not there. Numbers of words: 0 is padding, 1 is not in the vocabulary.
    Raises ValueError for arguments that do not go together.
    """

    def __init__(
        self,
        max_tokens=None,
        standardize="lower_and_strip_punctuation",
        split="whitespace",
        ngrams=None,
        output_mode="int",
        output_sequence_length=None,
        pad_to_max_tokens=False,
        vocabulary=None,
        idf_weights=None,
        sparse=False,
        ragged=False,
        encoding="utf-8",
        name=None,
        **kwargs,
    ):
        self._check("standardize", standardize, _STANDARDIZE)
        self._check("split", split, _SPLIT)
        if output_mode not in MODES:
            raise ValueError(
                "Unknown value for `output_mode` argument of TextVectorization. "
                f"Allowed values are: {MODES}. Received: output_mode={output_mode}"
            )
        if output_mode == "int" and (sparse or pad_to_max_tokens):
            raise ValueError(
                "`sparse` and `pad_to_max_tokens` may only be true if `output_mode` is not 'int'. "
                f"Received: sparse={sparse} and pad_to_max_tokens={pad_to_max_tokens}"
            )
        if output_mode != "int" and output_sequence_length is not None:
            raise ValueError(
                "`output_sequence_length` must not be set if `output_mode` is not 'int'. "
                f"Received output_sequence_length={output_sequence_length}."
            )
        if ragged and output_mode != "int":
            raise ValueError(
                "`ragged` must not be true if `output_mode` is `'int'`. "
                f"Received: ragged={ragged} and output_mode={output_mode}"
            )
        if ragged or sparse:
            raise Unsupported("Ragged and sparse tensors are not supported by the torch backend.")
        if not (ngrams is None or isinstance(ngrams, (int, list, tuple))):
            raise ValueError(f"`ngrams` must be None, an integer, or a tuple of integers. Received: ngrams={ngrams}")
        super().__init__(name=name, **kwargs)
        self._max_tokens = max_tokens
        self._standardize = standardize
        self._split = split
        self._ngrams_arg = ngrams
        self._ngrams = tuple(range(1, ngrams + 1)) if isinstance(ngrams, int) else ngrams and tuple(ngrams)
        self._output_mode = output_mode
        self._output_sequence_length = output_sequence_length
        self._encoding = encoding
        if output_mode == "tf_idf":
            self._output = "float32"
        if output_mode != "int":
            self._symbolic_output = "float32"
        self._lookup_layer = StringLookup(
            max_tokens=max_tokens,
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            pad_to_max_tokens=pad_to_max_tokens,
            mask_token="",
            output_mode=output_mode,
            encoding=encoding,
        )

    @staticmethod
    def _check(name, value, allowed):
        if value is not None and not callable(value) and value not in allowed:
            raise ValueError(
                f"Unknown value for `{name}` argument of TextVectorization. Allowed values are: {allowed}. "
                f"Received: {name}={value}"
            )

    # --- texts to words --------------------------------------------------------------------------------------------
    def _texts(self, inputs):
        """(texts as an array of at least one axis, whether it is a single one)."""
        found = texts(inputs, self._encoding)
        return np.atleast_1d(found), found.ndim == 0

    def _words(self, found):
        """The words of each text in an array: a list of lists."""
        if self._split is not None and found.ndim > 1:
            if found.shape[-1] != 1:
                raise ValueError(
                    "When using `TextVectorization` to tokenize strings, the input rank must be 1 or the last shape "
                    f"dimension must be 1. Received: inputs.shape={found.shape} with rank={found.ndim}"
                )
            found = found[..., 0]
        if callable(self._standardize):
            found = texts(self._standardize(found), self._encoding)
        rows = [row if isinstance(row, list) else [row] for row in found.reshape(len(found), -1).tolist()]
        if not callable(self._standardize):
            rows = [[self._standard(text) for text in row] for row in rows]
        if callable(self._split):
            parts = self._split(np.asarray([row[0] for row in rows], dtype=object))
            rows = [[self._lookup_layer._token(word) for word in part] for part in parts]
        elif self._split == "whitespace":
            rows = [[word for text in row for word in _SPACES.split(text) if word] for row in rows]
        elif self._split == "character":
            rows = [[character for text in row for character in text] for row in rows]
        if self._ngrams:
            rows = [[" ".join(row[i : i + n]) for n in self._ngrams for i in range(len(row) - n + 1)] for row in rows]
        return rows

    def _standard(self, text):
        if self._standardize in ("lower", "lower_and_strip_punctuation"):
            text = text.translate(_LOWER)
        if self._standardize in ("strip_punctuation", "lower_and_strip_punctuation"):
            text = _PUNCTUATION.sub("", text)
        return text

    # --- the vocabulary --------------------------------------------------------------------------------------------
    def adapt(self, data, batch_size=None, steps=None):
        """Set the vocabulary from texts: an array, a list, a data set, or an iterable of batches."""
        batches.adapt(self, data, steps, text=True)

    def update_state(self, data):
        """Count the words of a batch."""
        self._lookup_layer._count(self._words(self._texts(data)[0]))

    def finalize_state(self):
        """Make a vocabulary of what was counted."""
        self._lookup_layer.finalize_state()

    def reset_state(self):
        """Forget what was counted."""
        self._lookup_layer.reset_state()

    def get_vocabulary(self, include_special_tokens=True):
        """The words in the order of their numbers."""
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def set_vocabulary(self, vocabulary, idf_weights=None):
        """Set the words."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    def vocabulary_size(self):
        """How many words there are, special ones included."""
        return self._lookup_layer.vocabulary_size()

    # --- calling ---------------------------------------------------------------------------------------------------
    def call(self, inputs):
        """The numbers of the words, (texts, words), or a row for each text."""
        found, single = self._texts(inputs)
        rows = self._words(found)
        if self._split is None and found.ndim == 1 and not single:  # each text is a word, and all of them are one row
            rows, single = [[word for row in rows for word in row]], True
        length = self._output_sequence_length
        if self._output_mode == "int" and length is not None:
            rows = [row[:length] for row in rows]
        longest = length if self._output_mode == "int" and length else max((len(row) for row in rows), default=0)
        filled = np.full((len(rows), longest), "", dtype=object)
        for place, row in enumerate(rows):
            filled[place, : len(row)] = row
        if not filled.size:
            depth = longest if self._output_mode == "int" else self._lookup_layer._depth()
            found = tensors.convert(np.zeros((len(rows), depth), self._output))
        else:
            found = self._lookup_layer(filled)
        return found.squeeze(0) if single else found

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape`."""
        if self._output_mode == "int":
            return (input_shape[0], self._output_sequence_length)
        shape = tuple(input_shape) if self._split is None or len(input_shape) < 2 else tuple(input_shape[:-1])
        return (*shape, self._lookup_layer._depth()) if shape else (self._lookup_layer._depth(),)

    # --- files -----------------------------------------------------------------------------------------------------
    def save_assets(self, dir_path):
        """Write the vocabulary that was learned into a file of a folder."""
        self._lookup_layer.save_assets(dir_path)

    def load_assets(self, dir_path):
        """Read the vocabulary that `save_assets` wrote."""
        self._lookup_layer.load_assets(dir_path)

    def save_own_variables(self, store):
        """Put the weights of the mode "tf_idf" into the mapping `store`."""
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store):
        """Set the weights of the mode "tf_idf" from the mapping `store`."""
        self._lookup_layer.load_own_variables(store)

    def get_config(self):
        """The arguments that make an equal layer, and the size of the vocabulary."""
        own = self._lookup_layer

        def named(value):
            return saving.serialize_keras_object(value) if callable(value) else value

        return {
            **super().get_config(),
            "max_tokens": self._max_tokens,
            "standardize": named(self._standardize),
            "split": named(self._split),
            "ngrams": self._ngrams_arg,
            "output_mode": self._output_mode,
            "output_sequence_length": self._output_sequence_length,
            "pad_to_max_tokens": own.pad_to_max_tokens,
            "sparse": False,
            "ragged": False,
            "vocabulary": own.input_vocabulary,
            "idf_weights": own.input_idf_weights,
            "encoding": self._encoding,
            "vocabulary_size": self.vocabulary_size() if own._tokens is not None else None,
        }

    @classmethod
    def from_config(cls, config):
        """The layer that `get_config` describes; a learned vocabulary is in files, not in it."""
        config = {key: value for key, value in config.items() if key != "vocabulary_size"}
        for name in ("standardize", "split"):
            if isinstance(config.get(name), dict):
                config[name] = saving.deserialize_keras_object(config[name])
        return super().from_config(config)
