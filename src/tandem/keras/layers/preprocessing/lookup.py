"""Entries of a vocabulary as numbers: `StringLookup`, `IntegerLookup`."""

import os

import numpy as np

from tandem.core.dtypes import torch_dtype
from tandem.core.errors import Unsupported, explain
from tandem.core.strings import texts
from tandem.keras import tensors
from tandem.keras.layers.preprocessing import batches
from tandem.keras.layers.preprocessing.categories import rows_shape
from tandem.keras.layers.preprocessing.strings import TextLayer
from tandem.ops import hashing, lookup

MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")

# Arguments that are attributes, and in the configuration, as they are given.
_OPTIONS = (
    "invert",
    "max_tokens",
    "num_oov_indices",
    "oov_token",
    "mask_token",
    "output_mode",
    "sparse",
    "pad_to_max_tokens",
    "salt",
)


def _plain(tokens):
    if hasattr(tokens, "detach"):
        tokens = tokens.detach().cpu().numpy()
    return [item.item() if hasattr(item, "item") else item for item in tokens]


class _Lookup(TextLayer):
    """A vocabulary: tokens to numbers, or with `invert` numbers to tokens.

    max_tokens: the most entries, special ones included; num_oov_indices: how many numbers there are for what is not in
    the vocabulary, 0 to raise; mask_token: number 0 in the mode "int", nothing in others; oov_token: what stands for
    tokens that are not in the vocabulary; vocabulary: a list, an array, or the name of a file with one token to a line;
    idf_weights: of its entries, for "tf_idf"; invert: the way back; output_mode: "int", or rows as long as the
    vocabulary, "one_hot", "multi_hot", "count" or "tf_idf"; pad_to_max_tokens: rows are max_tokens long.
    Raises ValueError for arguments that do not go together.
    """

    oov_method = "floormod"

    def _set_up(self, given):
        """Take the arguments of the constructor, `given` as `locals()` has them, and the vocabulary if it is there."""
        for option in _OPTIONS:
            setattr(self, option, given[option])
        vocabulary, idf_weights = given["vocabulary"], given["idf_weights"]
        name = type(self).__name__
        if self.max_tokens is not None and self.max_tokens <= 1:
            raise ValueError(f"If set, `max_tokens` must be greater than 1. Received: max_tokens={self.max_tokens}")
        if self.num_oov_indices < 0:
            raise ValueError(
                "`num_oov_indices` must be greater than or equal to 0. "
                f"Received: num_oov_indices={self.num_oov_indices}"
            )
        if self.output_mode not in MODES:
            raise ValueError(
                f"Unknown value for `output_mode` argument of {name}. Allowed values are: {MODES}. "
                f"Received: output_mode={self.output_mode}"
            )
        if self.invert and self.output_mode != "int":
            raise ValueError(
                f"`output_mode` must be `'int'` when `invert` is true. Received: output_mode={self.output_mode}"
            )
        if idf_weights is not None and self.output_mode != "tf_idf":
            raise ValueError(
                "`idf_weights` should only be set when `output_mode` is `'tf_idf'`. "
                f"Received: idf_weights={idf_weights} and output_mode={self.output_mode}"
            )
        if self.sparse:
            raise Unsupported("Sparse tensors are not supported by the torch backend. Given: sparse=True.")
        own = self.__dict__
        own["input_vocabulary"] = vocabulary if isinstance(vocabulary, (str, type(None))) else _plain(vocabulary)
        own["input_idf_weights"] = None if idf_weights is None else _plain(np.asarray(idf_weights))
        own["_tokens"] = None
        own["idf_weights"] = None
        self.reset_state()
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)
        if self.output_mode == "tf_idf":
            self._output = "float32"
        if self.output_mode != "int":
            self._symbolic_output = "float32"
        elif self.invert and isinstance(self.oov_token, str):
            self._symbolic_output = "string"

    # --- the vocabulary --------------------------------------------------------------------------------------------
    def _token(self, value):
        raise NotImplementedError

    def _specials(self):
        mask = [self.mask_token] if self.mask_token is not None and self.output_mode == "int" else []
        return mask, [self.oov_token] * self.num_oov_indices

    def get_vocabulary(self, include_special_tokens=True):
        """The entries in the order of their numbers, with or without those for masks and for what is not in it."""
        tokens = list(self._tokens or [])
        if not include_special_tokens:
            return tokens
        mask, oov = self._specials()
        return [*mask, *oov, *tokens]

    def vocabulary_size(self):
        """How many entries there are, special ones included."""
        mask, oov = self._specials()
        return len(mask) + len(oov) + len(self._tokens or [])

    def set_vocabulary(self, vocabulary, idf_weights=None):
        """Set the entries: a list, an array or the name of a file; special ones may stand at its beginning.

        idf_weights: one to an entry, for the mode "tf_idf". Raises ValueError for an empty vocabulary, repeated or
        misplaced entries, one that is too long, and for weights that do not fit.
        """
        if isinstance(vocabulary, str):
            if not os.path.exists(vocabulary):
                raise ValueError(f"Vocabulary file {vocabulary} does not exist.")
            with open(vocabulary, encoding=getattr(self, "encoding", "utf-8")) as file:
                vocabulary = [line.rstrip("\n") for line in file]
        tokens = [self._token(token) for token in _plain(vocabulary)]
        weights = None if idf_weights is None else _plain(np.asarray(idf_weights))
        if self.output_mode == "tf_idf" and weights is None:
            raise ValueError("`idf_weights` must be set if output_mode is 'tf_idf'.")
        if self.output_mode != "tf_idf" and weights is not None:
            raise ValueError("`idf_weights` should only be set if output_mode is `'tf_idf'`.")
        if not tokens:
            raise ValueError(f"Cannot set an empty vocabulary. Received: vocabulary={vocabulary}")
        mask, oov = self._specials()
        full = [*([self.mask_token] if self.mask_token is not None else []), *oov]
        for prefix in (full, [*mask, *oov], oov):
            if prefix and tokens[: len(prefix)] == prefix:
                tokens = tokens[len(prefix) :]
                weights = None if weights is None else weights[-len(tokens) :]
                break
        repeated = (
            sorted({token for token in tokens if tokens.count(token) > 1}, key=str)
            if len(set(tokens)) < len(tokens)
            else []
        )
        if repeated:
            raise ValueError(
                "The passed vocabulary has at least one repeated term. Please uniquify your dataset. "
                f"The repeated terms are: {repeated}"
            )
        for what, token in (("mask", self.mask_token), ("OOV", self.oov_token if self.num_oov_indices else None)):
            if token is not None and token in tokens and not (self.invert and what == "OOV"):
                raise ValueError(
                    f"Found reserved {what} token at unexpected location in `vocabulary`. Note that passed "
                    "`vocabulary` does not need to include the OOV and mask tokens. Either remove all mask and OOV "
                    "tokens, or "
                    f"include them only at the start of the vocabulary in precisely this order: {full}. "
                    f"Received: {what.lower()}_token={token} at vocabulary index {tokens.index(token)}"
                )
        size = len(tokens) + len(mask) + len(oov)
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(
                "Attempted to set a vocabulary larger than the maximum vocab size. Received vocabulary size is "
                f"{size}; `max_tokens` is {self.max_tokens}."
            )
        if weights is not None and len(weights) != len(tokens):
            raise ValueError(
                f"`idf_weights` must be the same length as vocabulary. len(idf_weights) is {len(weights)}; "
                f"len(vocabulary) is {len(tokens)}"
            )
        self._keep(tokens, weights)

    def _keep(self, tokens, weights):
        own = self.__dict__
        own["_tokens"] = tokens
        mask, oov = self._specials()
        start = len(mask) + len(oov)
        own["_numbers"] = {token: start + place for place, token in enumerate(tokens)}
        if weights is not None:
            rest = (self._depth() - len(oov) - len(tokens)) if self.pad_to_max_tokens else 0
            values = [float(np.average(weights))] * len(oov) + list(weights) + [0.0] * rest
            own["idf_weights"] = tensors.convert(np.asarray(values, "float32"))
        own["_columns"] = None

    def _depth(self):
        return self.max_tokens if self.pad_to_max_tokens and self.max_tokens else self.vocabulary_size()

    # --- learning it -----------------------------------------------------------------------------------------------
    def adapt(self, data, steps=None):
        """Set the vocabulary from data: an array, a list, a data set, or an iterable of batches.

        The most frequent token comes first, of equally frequent ones the last in order. steps: how many batches.
        """
        batches.adapt(self, data, steps, text=True)

    def update_state(self, data):
        """Count the tokens of a batch."""
        if self.input_vocabulary is not None:
            raise ValueError(f"Cannot adapt {type(self).__name__} layer after setting a static vocabulary.")
        rows = self._array(data)
        rows = rows.reshape(1, -1) if rows.ndim == 0 else rows
        documents = rows.reshape(len(rows), -1) if rows.ndim > 1 else rows.reshape(-1, 1)
        self._count([list(row) for row in documents.tolist()])

    def _count(self, documents):
        own = self.__dict__
        for row in documents:
            for token in row:
                own["_counts"][token] = own["_counts"].get(token, 0) + 1
            for token in set(row):
                own["_documents"][token] = own["_documents"].get(token, 0) + 1
        own["_number_of_documents"] += len(documents)

    def finalize_state(self):
        """Make a vocabulary of what was counted."""
        counts = dict(self._counts)
        if not counts:
            return
        for token in (self.mask_token, self.oov_token):
            counts.pop(token, None)
        order = sorted(counts, reverse=True)
        order.sort(key=lambda token: -counts[token])
        if self.max_tokens is not None:
            mask, oov = self._specials()
            order = order[: self.max_tokens - len(mask) - len(oov)]
        weights = None
        if self.output_mode == "tf_idf":
            weights = lookup.idf(self._number_of_documents, [self._documents[token] for token in order]).tolist()
        self._keep(order, weights)
        self.reset_state()

    def reset_state(self):
        """Forget what was counted."""
        own = self.__dict__
        own["_counts"], own["_documents"], own["_number_of_documents"] = {}, {}, 0

    # --- calling ---------------------------------------------------------------------------------------------------
    def _array(self, inputs):
        raise NotImplementedError

    def _indices(self, inputs):
        raise NotImplementedError

    def _check_known(self):
        if self._tokens is None:
            raise ValueError(
                explain(
                    f"Layer '{self.name}' has no vocabulary",
                    expected="`vocabulary`, or a call of `adapt` or `set_vocabulary` before",
                    given="none of them",
                )
            )

    def call(self, inputs):
        """The numbers of the tokens, or rows made of them; with `invert` the tokens of the numbers."""
        self._check_known()
        if self.invert:
            return self._tokens_of(inputs)
        found = self._indices(inputs)
        if self.output_mode == "int":
            return found
        weights = None if self.idf_weights is None else self.idf_weights.to(found.device)
        return lookup.encode(found, self._depth(), self.output_mode, weights=weights, dtype=torch_dtype(self._output))

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape`."""
        return rows_shape(input_shape, self.output_mode, self._depth())

    # --- files -----------------------------------------------------------------------------------------------------
    def save_assets(self, dir_path):
        """Write the vocabulary that was learned into a file of a folder."""
        if self.input_vocabulary is not None or self._tokens is None:
            return
        lines = "\n".join(str(token) for token in self.get_vocabulary(include_special_tokens=True))
        with open(os.path.join(dir_path, "vocabulary.txt"), "w", encoding="utf-8") as file:
            file.write(lines)

    def load_assets(self, dir_path):
        """Read the vocabulary that `save_assets` wrote."""
        if self.input_vocabulary is not None:
            return
        path = os.path.join(dir_path, "vocabulary.txt")
        if not os.path.exists(path):
            return
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")
        mask, oov = self._specials()
        tokens = [self._token(line) for line in lines[len(mask) + len(oov) :]]
        self._keep(tokens, None)

    def save_own_variables(self, store):
        """Put the weights of the mode "tf_idf" into the mapping `store`."""
        if self.output_mode == "tf_idf" and self.idf_weights is not None:
            store["idf_weights"] = self.idf_weights.cpu().numpy()

    def load_own_variables(self, store):
        """Set the weights of the mode "tf_idf" from the mapping `store`."""
        if "idf_weights" in store:
            self.__dict__["idf_weights"] = tensors.convert(np.asarray(store["idf_weights"]))

    def _shared_config(self):
        return {
            **{option: getattr(self, option) for option in _OPTIONS},
            "idf_weights": self.input_idf_weights,
            "vocabulary": self.input_vocabulary,
            "vocabulary_size": self.vocabulary_size() if self._tokens is not None else None,
            "oov_method": self.oov_method,
        }

    @classmethod
    def from_config(cls, config):
        """The layer that `get_config` describes; a learned vocabulary is in files, not in it."""
        return super().from_config(
            {key: value for key, value in config.items() if key not in ("vocabulary_size", "oov_method")}
        )


class StringLookup(_Lookup):
    __doc__ = _Lookup.__doc__

    def __init__(
        self,
        max_tokens=None,
        num_oov_indices=1,
        mask_token=None,
        oov_token="[UNK]",
        vocabulary=None,
        idf_weights=None,
        invert=False,
        output_mode="int",
        pad_to_max_tokens=False,
        sparse=False,
        encoding="utf-8",
        name=None,
        salt=None,
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.encoding = encoding
        self._set_up(locals())

    def _token(self, value):
        return value.decode(self.encoding) if isinstance(value, bytes) else str(value)

    def _array(self, inputs):
        return texts(inputs, self.encoding)

    def _indices(self, inputs):
        words = self._array(inputs)
        numbers, masked = self._numbers, self.mask_token is not None
        mask, _ = self._specials()
        found, unknown = [], []
        for place, word in enumerate(words.reshape(-1).tolist()):
            number = numbers.get(word)
            if number is None:
                if masked and word == self.mask_token:
                    number = 0 if mask else -1
                elif self.num_oov_indices > 1:
                    unknown.append(place)
                    number = 0
                elif self.num_oov_indices == 1:
                    number = len(mask)
                else:
                    raise ValueError(
                        "When `num_oov_indices=0` all inputs should be in vocabulary, found OOV values "
                        f"[{word!r}], consider setting `num_oov_indices=1`."
                    )
            found.append(number)
        if unknown:
            flat = words.reshape(-1)
            salt = None if self.salt is None else _salt_pair(self.salt)
            bins = hashing.bins_of([flat[p].encode(self.encoding) for p in unknown], self.num_oov_indices, salt)
            for place, number in zip(unknown, bins, strict=True):
                found[place] = len(mask) + number
        return tensors.convert(np.asarray(found, "int64").reshape(words.shape))

    def _tokens_of(self, inputs):
        numbers = np.asarray(inputs.detach().cpu() if hasattr(inputs, "detach") else inputs)
        vocabulary = self.get_vocabulary()
        flat = [
            vocabulary[number] if 0 <= number < len(vocabulary) else self.oov_token
            for number in numbers.reshape(-1).tolist()
        ]
        found = np.empty(len(flat), dtype=object)
        found[:] = flat
        return found.reshape(numbers.shape)

    def get_config(self):
        """The arguments that make an equal layer, and the size of the vocabulary."""
        return {**super().get_config(), **self._shared_config(), "encoding": self.encoding}


def _salt_pair(salt):
    return (salt, salt) if isinstance(salt, int) else tuple(salt)


class IntegerLookup(_Lookup):
    __doc__ = _Lookup.__doc__

    def __init__(
        self,
        max_tokens=None,
        num_oov_indices=1,
        mask_token=None,
        oov_token=-1,
        vocabulary=None,
        vocabulary_dtype="int64",
        idf_weights=None,
        invert=False,
        output_mode="int",
        sparse=False,
        pad_to_max_tokens=False,
        oov_method="floormod",
        salt=None,
        name=None,
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        if vocabulary_dtype not in ("int64", "int32"):
            raise ValueError(
                f"`vocabulary_dtype` must be 'int64' or 'int32'. Received: vocabulary_dtype={vocabulary_dtype}"
            )
        if oov_method not in ("floormod", "farmhash"):
            raise ValueError(f"`oov_method` must be 'floormod' or 'farmhash'. Received: oov_method={oov_method}")
        if oov_method == "farmhash" or salt is not None:
            raise Unsupported("IntegerLookup bins unknown numbers by their remainder only. Use `Hashing` to hash them.")
        self.vocabulary_dtype = vocabulary_dtype
        self._set_up(locals())

    def _token(self, value):
        return int(value)

    def _array(self, inputs):
        return np.asarray(inputs.detach().cpu() if hasattr(inputs, "detach") else inputs)

    def _indices(self, inputs):
        x = tensors.convert(inputs)
        mask, oov = self._specials()
        if self._columns is None:
            numbers = dict(self._numbers)
            if self.mask_token is not None:
                numbers[self.mask_token] = 0 if mask else -1
            keys = sorted(numbers)
            places = [numbers[key] for key in keys]
            self.__dict__["_columns"] = tuple(tensors.convert(np.asarray(v, "int64")) for v in (keys, places))
        keys, places = (column.to(x.device) for column in self._columns)
        return lookup.find(x, keys, places, oov_start=len(mask), oov_count=len(oov))

    def _tokens_of(self, inputs):
        values = tensors.convert(np.asarray(self.get_vocabulary(), "int64"))
        return lookup.pick(tensors.convert(inputs), values, self.oov_token)

    def get_config(self):
        """The arguments that make an equal layer, and the size of the vocabulary."""
        return {**super().get_config(), **self._shared_config(), "vocabulary_dtype": self.vocabulary_dtype}
