"""Categories from anything: encoded numbers, hashed and crossed strings, bins of numbers."""

import numpy as np
import torch

from tandem.core.dtypes import torch_dtype
from tandem.core.errors import Unsupported
from tandem.core.strings import holds_strings, texts
from tandem.keras import tensors
from tandem.keras.layers.preprocessing import batches
from tandem.keras.layers.preprocessing.data_layer import DataLayer
from tandem.keras.layers.preprocessing.strings import TextLayer
from tandem.keras.symbolic import KerasTensor
from tandem.ops import hashing, lookup, quantiles

_MODES = ("int", "one_hot", "multi_hot", "count")


def rows_shape(shape, mode, depth):
    """The shape of what numbers of a shape become in an output mode; depth: how many different numbers there are."""
    shape = tuple(shape)
    if mode == "int":
        return shape
    if mode == "one_hot":
        return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape), depth)
    return (*shape[:-1], depth)


def _check_mode(mode, allowed, sparse):
    if mode not in allowed:
        raise ValueError(
            f"Invalid value for argument `output_mode`. Expected one of {allowed}. Received: output_mode={mode}"
        )
    if sparse:
        raise Unsupported("Sparse tensors are not supported by the torch backend. Given: sparse=True.")


class CategoryEncoding(DataLayer):
    """Whole numbers below `num_tokens` as rows of that length.

    output_mode: "multi_hot", 1 for what is there, "one_hot", a row to each number, or "count", how often.
    inputs: (…, numbers); count_weights: of their shape, added up in place of 1. Raises ValueError for other arguments.
    """

    def __init__(self, num_tokens=None, output_mode="multi_hot", sparse=False, **kwargs):
        super().__init__(**kwargs)
        output_mode = "multi_hot" if output_mode == "binary" else output_mode
        if output_mode not in ("count", "one_hot", "multi_hot"):
            raise ValueError(f"Unknown arg for output_mode: {output_mode}")
        _check_mode(output_mode, ("count", "one_hot", "multi_hot"), sparse)
        if num_tokens is None:
            raise ValueError(
                "num_tokens must be set to use this layer. If the number of tokens is not known beforehand, "
                "use the IntegerLookup layer instead."
            )
        if num_tokens < 1:
            raise ValueError(f"`num_tokens` must be >= 1. Received: num_tokens={num_tokens}.")
        self.num_tokens = num_tokens
        self.output_mode = output_mode
        self.sparse = sparse

    def call(self, inputs, count_weights=None):
        """The rows."""
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(
                "`count_weights` is not used when `output_mode` is not `'count'`. "
                f"Received `count_weights={count_weights}`."
            )
        weights = None if count_weights is None else tensors.convert(count_weights)
        dtype = torch_dtype(self.compute_dtype)
        return lookup.encode(
            tensors.convert(inputs), self.num_tokens, self.output_mode, count_weights=weights, dtype=dtype
        )

    def compute_output_shape(self, input_shape, *args):
        """The shape of the output for an input of `input_shape`."""
        return rows_shape(input_shape, self.output_mode, self.num_tokens)

    def compute_output_spec(self, inputs, count_weights=None):
        """The shape and dtype of the output for a KerasTensor."""
        return KerasTensor(self.compute_output_shape(inputs.shape), self.compute_dtype, name="spec")

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "num_tokens": self.num_tokens, "output_mode": self.output_mode}


class _Hashed(TextLayer):
    def __init__(self, dtype=None, **kwargs):
        super().__init__(dtype=dtype or "int64", **kwargs)

    def _finish(self, numbers):
        if self.output_mode == "int":
            return numbers
        return lookup.encode(numbers, self.num_bins, self.output_mode, dtype=torch.float32)

    def compute_output_spec(self, inputs, *args, **kwargs):
        """The shape and dtype of the output for KerasTensors."""
        several = isinstance(inputs, (list, tuple))
        shape = self.compute_output_shape([one.shape for one in inputs] if several else inputs.shape)
        return KerasTensor(shape, "int64" if self.output_mode == "int" else "float32", name="spec")


class Hashing(_Hashed):
    """Strings or whole numbers as bins: by FarmHash, with a salt by SipHash, as TensorFlow has them.

    num_bins: how many; mask_value: what goes to bin 0, all else to the others; salt: a number or two; output_mode:
    "int", or rows, "one_hot", "multi_hot" or "count". Raises ValueError for other arguments.
    """

    def __init__(self, num_bins, mask_value=None, salt=None, output_mode="int", sparse=False, **kwargs):
        if num_bins is None or num_bins <= 0:
            raise ValueError(
                f"The `num_bins` for `Hashing` cannot be `None` or non-positive values. Received: num_bins={num_bins}."
            )
        _check_mode(output_mode, _MODES, sparse)
        pair = (salt, salt) if isinstance(salt, int) else salt
        if pair is not None and not (isinstance(pair, (list, tuple)) and len(pair) == 2):
            raise ValueError(
                "The `salt` argument for `Hashing` can only be a tuple of size 2 integers, or a single integer. "
                f"Received: salt={salt}."
            )
        super().__init__(**kwargs)
        self.num_bins = num_bins
        self.mask_value = mask_value
        self.salt = None if pair is None else list(pair)
        self.output_mode = output_mode
        self.sparse = sparse

    def call(self, inputs):
        """The bins, or rows made of them."""
        if holds_strings(inputs):
            words = texts(inputs)
            values = words.reshape(-1).tolist()
        else:
            words = np.asarray(inputs.detach().cpu() if hasattr(inputs, "detach") else inputs)
            values = [str(int(value)) for value in words.reshape(-1).tolist()]
        masked = self.mask_value is not None
        count = self.num_bins - 1 if masked and self.num_bins > 1 else self.num_bins
        bins = hashing.bins_of([value.encode() for value in values], count, self.salt)
        if masked:
            shift = 1 if self.num_bins > 1 else 0
            bins = [0 if value == str(self.mask_value) else number + shift for value, number in zip(values, bins)]
        return self._finish(tensors.convert(np.asarray(bins, "int64").reshape(words.shape)))

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape`."""
        return rows_shape(input_shape, self.output_mode, self.num_bins)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "num_bins": self.num_bins,
            "salt": self.salt,
            "mask_value": self.mask_value,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
        }


class HashedCrossing(_Hashed):
    """Several features, strings or whole numbers, as the bins of their combinations.

    num_bins: how many; output_mode: "int", or rows, "one_hot". inputs: a list of (batch,) or (batch, 1).
    """

    def __init__(self, num_bins, output_mode="int", sparse=False, name=None, dtype=None, **kwargs):
        _check_mode(output_mode, ("int", "one_hot"), sparse)
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.num_bins = num_bins
        self.output_mode = output_mode
        self.sparse = sparse

    def call(self, inputs):
        """The bins, or rows made of them."""
        if not isinstance(inputs, (list, tuple)):
            raise ValueError(
                f"`HashedCrossing` should be called on a list or tuple of inputs. Received: inputs={inputs}"
            )
        if len(inputs) < 2:
            raise ValueError(f"`HashedCrossing` should be called on at least two inputs. Received: inputs={inputs}")
        columns, shape = [], None
        for one in inputs:
            values = texts(one) if holds_strings(one) else np.asarray(one.cpu() if hasattr(one, "cpu") else one)
            if values.ndim > 2 or (values.ndim == 2 and values.shape[1] != 1):
                raise ValueError(
                    "All `HashedCrossing` inputs should have shape `()`, `(batch_size)` or `(batch_size, 1)`. "
                    f"Received: inputs={inputs}"
                )
            shape = values.shape
            flat = values.reshape(-1).tolist()
            columns.append([value.encode() if isinstance(value, str) else int(value) for value in flat])
        bins = hashing.crossed(list(zip(*columns)), self.num_bins)
        return self._finish(tensors.convert(np.asarray(bins, "int64").reshape(shape)))

    def compute_output_shape(self, input_shape):
        """The shape of the output for the shapes of the features."""
        return rows_shape(input_shape[0], self.output_mode, self.num_bins)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            "num_bins": self.num_bins,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "name": self.name,
            "dtype": self.dtype,
        }


class Discretization(DataLayer):
    """Numbers as the bins that they fall into.

    bin_boundaries: sorted numbers, n of them for n + 1 bins; num_bins: how many bins `adapt` is to make; epsilon: how
    exact its quantiles are; output_mode: "int", or rows, "one_hot", "multi_hot" or "count".
    Raises ValueError where both boundaries and a number of bins are given, or none of them.
    """

    def __init__(
        self,
        bin_boundaries=None,
        num_bins=None,
        epsilon=0.01,
        output_mode="int",
        sparse=False,
        dtype=None,
        name=None,
    ):
        super().__init__(name=name, dtype=dtype)
        if num_bins is not None and num_bins < 0:
            raise ValueError(f"`num_bins` must be greater than or equal to 0. Received: `num_bins={num_bins}`")
        if num_bins is not None and bin_boundaries is not None:
            raise ValueError(
                "Both `num_bins` and `bin_boundaries` should not be set. "
                f"Received: `num_bins={num_bins}` and `bin_boundaries={bin_boundaries}`"
            )
        if num_bins is None and bin_boundaries is None:
            raise ValueError("You need to set either `num_bins` or `bin_boundaries`.")
        _check_mode(output_mode, _MODES, sparse)
        self.input_bin_boundaries = None if bin_boundaries is None else [float(edge) for edge in bin_boundaries]
        self.num_bins = num_bins
        self.epsilon = epsilon
        self.output_mode = output_mode
        self.sparse = sparse
        self.__dict__["_cast_to"] = None
        self.__dict__["bin_boundaries"] = self.input_bin_boundaries or []
        self.reset_state()

    @property
    def input_dtype(self):
        """The dtype of the inputs: `floatx`."""
        from tandem.keras import config

        return config.floatx()

    @property
    def output_dtype(self):
        """The dtype of the outputs."""
        return "int32" if self.output_mode == "int" else self.compute_dtype

    def adapt(self, data, steps=None):
        """Set the boundaries to quantiles of the data: an array, a data set, or an iterable of batches."""
        if self.input_bin_boundaries is not None:
            raise ValueError("Cannot adapt a Discretization layer that has been initialized with `bin_boundaries`.")
        batches.adapt(self, data, steps)

    def update_state(self, data):
        """Add a batch to what the quantiles are made of."""
        values = np.asarray(data.detach().cpu() if hasattr(data, "detach") else data).astype("float32")
        self.__dict__["summary"] = quantiles.merge(
            self.summary, quantiles.summarize(values, self.epsilon), self.epsilon
        )

    def finalize_state(self):
        """Make boundaries of what was added."""
        if self.input_bin_boundaries is None and self.summary is not None:
            self.__dict__["bin_boundaries"] = quantiles.boundaries(self.summary, self.num_bins).tolist()

    def reset_state(self):
        """Forget what was added."""
        if self.__dict__.get("input_bin_boundaries") is None:
            self.__dict__["summary"] = None

    def call(self, inputs):
        """The bins, or rows made of them."""
        x = tensors.convert(inputs)
        x = x.to(torch_dtype(self.input_dtype))
        edges = tensors.convert(np.asarray(self.bin_boundaries, "float32")).to(x)
        found = lookup.bins(x, edges)
        dtype = torch_dtype(self.output_dtype)
        if self.output_mode == "int":
            return found.to(dtype)
        return lookup.encode(found, len(self.bin_boundaries) + 1, self.output_mode, dtype=dtype)

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape`."""
        return rows_shape(input_shape, self.output_mode, len(self.bin_boundaries) + 1)

    def compute_output_spec(self, inputs):
        """The shape and dtype of the output for a KerasTensor."""
        return KerasTensor(self.compute_output_shape(inputs.shape), self.output_dtype, name="spec")

    def load_own_variables(self, store):
        """Set the boundaries from the mapping `store`: they are in the config as well, and only there in new files."""
        if self.input_bin_boundaries is None and len(store.keys()):
            self.__dict__["bin_boundaries"] = np.asarray(store["0"]).tolist()

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            "bin_boundaries": list(self.bin_boundaries) or None,
            "num_bins": self.num_bins,
            "epsilon": self.epsilon,
            "output_mode": self.output_mode,
            "sparse": self.sparse,
            "name": self.name,
            "dtype": self.dtype,
        }

    @classmethod
    def from_config(cls, config):
        """The layer that `get_config` describes; with both a number of bins and boundaries: as `adapt` left it."""
        learned = None if config.get("num_bins") is None else config.get("bin_boundaries")
        layer = cls(**{**config, "bin_boundaries": None} if learned else config)
        if learned:
            layer.__dict__["bin_boundaries"] = list(learned)
        return layer
