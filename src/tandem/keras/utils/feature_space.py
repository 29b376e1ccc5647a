"""`FeatureSpace`: the columns of a table as numbers that a model takes."""

import numpy as np

from tandem.core import strings
from tandem.keras import layers, ops, saving, tensors
from tandem.keras.layers.base import Layer
from tandem.keras.layers.preprocessing.data_layer import DataLayer
from tandem.keras.naming import auto_name
from tandem.keras.symbolic import KerasTensor

_HOME = "keras.src.layers.preprocessing.feature_space"  # the module that Keras's configs name


def _check_mode(output_mode, allowed):
    if output_mode not in allowed:
        raise ValueError(
            f"Invalid value for argument `output_mode`. Expected one of {set(allowed)}. "
            f"Received: output_mode={output_mode}"
        )


class Cross:
    """Several features as one, the bins of their combinations.

    feature_names: of the features; crossing_dim: how many bins; output_mode: "one_hot" or "int".
    """

    _keras_module = _HOME

    def __init__(self, feature_names, crossing_dim, output_mode="one_hot"):
        _check_mode(output_mode, ("int", "one_hot"))
        self.feature_names = tuple(feature_names)
        self.crossing_dim = crossing_dim
        self.output_mode = output_mode

    @property
    def name(self):
        """The names of the features with "_X_" between them."""
        return "_X_".join(self.feature_names)

    def get_config(self):
        """The arguments that make an equal cross."""
        return {
            "feature_names": self.feature_names,
            "crossing_dim": self.crossing_dim,
            "output_mode": self.output_mode,
        }

    @classmethod
    def from_config(cls, config):
        """The cross that `get_config` describes."""
        return cls(**config)


class Feature:
    """A column: its dtype, the layer that prepares it, and the form of what that gives.

    dtype: "float32", "int32", "string", …; preprocessor: a layer; output_mode: "float", "int", or "one_hot", in which
    the numbers that the layer gives are encoded.
    """

    _keras_module = _HOME

    def __init__(self, dtype, preprocessor, output_mode):
        _check_mode(output_mode, ("int", "one_hot", "float"))
        self.dtype = dtype
        self.preprocessor = (
            saving.deserialize_keras_object(preprocessor) if isinstance(preprocessor, dict) else preprocessor
        )
        self.output_mode = output_mode

    def get_config(self):
        """The arguments that make an equal feature."""
        return {
            "dtype": self.dtype,
            "preprocessor": saving.serialize_keras_object(self.preprocessor),
            "output_mode": self.output_mode,
        }

    @classmethod
    def from_config(cls, config):
        """The feature that `get_config` describes."""
        return cls(**config)


class TFDIdentity(DataLayer):
    """A column as it is."""

    _keras_module = _HOME

    def call(self, x):
        """x itself."""
        return x


class TFDConcat(DataLayer):
    """Columns beside each other, along `axis`."""

    _keras_module = _HOME

    def __init__(self, axis, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, xs):
        """The columns as one tensor."""
        return ops.concatenate(xs, axis=self.axis)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "axis": self.axis}


class FeatureSpace(Layer):
    """The columns of a table, each prepared by its own layer, as one tensor or a dict of tensors.

    features: {name: kind}, a kind being one of "float", "float_rescaled", "float_normalized", "float_discretized",
    "integer_categorical", "string_categorical", "integer_hashed", "string_hashed", or what the methods of these names
    and `feature` give; output_mode: "concat", one tensor (batch, columns), or "dict"; crosses: groups of names, or what
    `cross` gives; crossing_dim, hashing_dim, num_discretization_bins: how many bins there are where a feature does not
    say it itself. Raises ValueError for features that are not known.

    >>> space = FeatureSpace({"age": "float_normalized", "job": "string_categorical"})
    >>> space.adapt({"age": [20.0, 40.0], "job": ["cook", "smith"]})
    >>> space({"age": 20.0, "job": "cook"}).shape
    torch.Size([4])
    """

    def __init__(
        self,
        features,
        output_mode="concat",
        crosses=None,
        crossing_dim=32,
        hashing_dim=32,
        num_discretization_bins=32,
        name=None,
    ):
        super().__init__(name=name)
        if not features:
            raise ValueError("The `features` argument cannot be None or empty.")
        _check_mode(output_mode, ("dict", "concat"))
        self.crossing_dim = crossing_dim
        self.hashing_dim = hashing_dim
        self.num_discretization_bins = num_discretization_bins
        self.features = {key: self._feature_of(key, value) for key, value in features.items()}
        self.crosses = [self._cross_of(cross) for cross in crosses or ()]
        self.crosses_by_name = {cross.name: cross for cross in self.crosses}
        self.output_mode = output_mode
        self.inputs = {
            key: layers.Input(shape=(1,), dtype=value.dtype, name=key) for key, value in self.features.items()
        }
        self.preprocessors = {key: value.preprocessor for key, value in self.features.items()}
        self.crossers = {
            cross.name: layers.HashedCrossing(cross.crossing_dim, name=cross.name) for cross in self.crosses
        }
        self.one_hot_encoders = {}
        self.concat = None
        self.encoded_features = None
        self._is_adapted = False

    def _feature_of(self, name, value):
        if isinstance(value, Feature):
            return value
        if isinstance(value, dict):
            return saving.deserialize_keras_object(value)
        bins = {
            "float_discretized": self.num_discretization_bins,
            "integer_hashed": self.hashing_dim,
            "string_hashed": self.hashing_dim,
        }
        if value in bins:
            return getattr(self, value)(bins[value], name=name)
        if value in ("float", "float_rescaled", "float_normalized", "integer_categorical", "string_categorical"):
            return getattr(self, value)(name=name)
        raise ValueError(f"Invalid feature type: {value}")

    def _cross_of(self, value):
        cross = saving.deserialize_keras_object(value) if isinstance(value, dict) else value
        if not isinstance(cross, Cross):
            if not self.crossing_dim:
                raise ValueError(
                    "When specifying `crosses`, the argument `crossing_dim` (dimensionality of the crossing space) "
                    "should be specified as well."
                )
            cross = Cross(cross, crossing_dim=self.crossing_dim)
        if not set(cross.feature_names) <= set(self.features):
            raise ValueError(
                "All features referenced in the `crosses` argument should be present in the `features` dict. Received "
                f"unknown features: {cross.feature_names}"
            )
        return cross

    # --- kinds of features -----------------------------------------------------------------------------------------
    @classmethod
    def cross(cls, feature_names, crossing_dim, output_mode="one_hot"):
        """Several features as the bins of their combinations; see `Cross`."""
        return Cross(feature_names, crossing_dim, output_mode=output_mode)

    @classmethod
    def feature(cls, dtype, preprocessor, output_mode):
        """A column that a layer of one's own prepares; see `Feature`."""
        return Feature(dtype, preprocessor, output_mode)

    @classmethod
    def float(cls, name=None):
        """Numbers as they are."""
        return Feature("float32", TFDIdentity(dtype="float32", name=_named("float", name)), "float")

    @classmethod
    def float_rescaled(cls, scale=1.0, offset=0.0, name=None):
        """Numbers times `scale`, plus `offset`."""
        layer = layers.Rescaling(scale=scale, offset=offset, name=_named("float_rescaled", name))
        return Feature("float32", layer, "float")

    @classmethod
    def float_normalized(cls, name=None):
        """Numbers with mean 0 and variance 1, as `adapt` finds them."""
        return Feature("float32", layers.Normalization(axis=-1, name=_named("float_normalized", name)), "float")

    @classmethod
    def float_discretized(cls, num_bins, bin_boundaries=None, output_mode="one_hot", name=None):
        """Numbers as bins: between boundaries, or `num_bins` of them that `adapt` finds."""
        layer = layers.Discretization(
            num_bins=num_bins, bin_boundaries=bin_boundaries, name=_named("float_discretized", name)
        )
        return Feature("float32", layer, output_mode)

    @classmethod
    def integer_categorical(cls, max_tokens=None, num_oov_indices=1, output_mode="one_hot", name=None):
        """Whole numbers as entries of a vocabulary that `adapt` finds."""
        layer = layers.IntegerLookup(
            name=_named("integer_categorical", name), max_tokens=max_tokens, num_oov_indices=num_oov_indices
        )
        return Feature("int32", layer, output_mode)

    @classmethod
    def string_categorical(cls, max_tokens=None, num_oov_indices=1, output_mode="one_hot", name=None):
        """Strings as entries of a vocabulary that `adapt` finds."""
        layer = layers.StringLookup(
            name=_named("string_categorical", name), max_tokens=max_tokens, num_oov_indices=num_oov_indices
        )
        return Feature("string", layer, output_mode)

    @classmethod
    def string_hashed(cls, num_bins, output_mode="one_hot", name=None):
        """Strings as the bins of their hashes."""
        return Feature("string", layers.Hashing(name=_named("string_hashed", name), num_bins=num_bins), output_mode)

    @classmethod
    def integer_hashed(cls, num_bins, output_mode="one_hot", name=None):
        """Whole numbers as the bins of their hashes."""
        return Feature("int32", layers.Hashing(name=_named("integer_hashed", name), num_bins=num_bins), output_mode)

    # --- learning --------------------------------------------------------------------------------------------------
    def _adaptable(self):
        """The names of the features whose layers learn from data and have not been told what they would learn."""
        return [name for name, layer in self.preprocessors.items() if hasattr(layer, "adapt") and not _is_told(layer)]

    def adapt(self, dataset):
        """Let the layers learn from data: a dict of arrays or lists, or an iterable of dicts, batches or single rows.

        Raises ValueError for other data.
        """
        if isinstance(dataset, dict):
            dataset = [{key: _column(value) for key, value in dataset.items()}]
        elif hasattr(dataset, "__next__"):
            dataset = list(dataset)  # each feature passes over the data by itself
        elif not hasattr(dataset, "__iter__") or isinstance(dataset, (str, bytes, np.ndarray)):
            raise ValueError(
                "`adapt()` can only be called on a dataset of dicts or a dict of arrays/lists. "
                f"Received instead: {dataset} (of type {type(dataset)})"
            )
        for name in self._adaptable():
            self.preprocessors[name].adapt(_batches(dataset, name))
        self._is_adapted = True
        self.get_encoded_features()
        self.built = True

    def _check_adapted(self):
        if not self._is_adapted and self._adaptable():
            raise ValueError("You need to call `.adapt(dataset)` on the FeatureSpace before you can start using it.")
        self._is_adapted = True

    # --- encoding --------------------------------------------------------------------------------------------------
    def get_inputs(self):
        """The symbolic inputs by name, for a model that begins with the raw columns."""
        self.get_encoded_features()
        return self.inputs

    def get_encoded_features(self):
        """The symbolic encoded features, for a model that begins with them."""
        self._check_adapted()
        if self.encoded_features is None:
            prepared = self._prepared(self.inputs)
            self._make_encoders(prepared)
            self.encoded_features = self._merged(prepared)
        return self.encoded_features

    def _prepared(self, data):
        unknown = set(data) - set(self.features)
        missing = set(self.features) - set(data)
        if unknown or missing:
            raise ValueError(
                f"A FeatureSpace takes a dict with its features, {sorted(self.features)}. Received: {sorted(data)}"
            )
        prepared = {name: self.preprocessors[name](value) for name, value in data.items()}
        crossed = {
            cross.name: self.crossers[cross.name]([prepared[name] for name in cross.feature_names])
            for cross in self.crosses
        }
        return {
            **{name: prepared[name] for name in sorted(prepared)},
            **{name: crossed[name] for name in sorted(crossed)},
        }

    def _make_encoders(self, prepared):
        """The layers that encode numbers as rows; checks that what is to be joined can be."""
        for name, value in prepared.items():
            mode = (self.crosses_by_name.get(name) or self.features[name]).output_mode
            if mode == "one_hot":
                if not value.dtype.startswith("int"):
                    raise ValueError(
                        f"Feature '{name}' has `output_mode='one_hot'`. Thus its preprocessor should return an integer "
                        f"dtype. Instead it returns a {value.dtype} dtype."
                    )
                layer = self.crossers.get(name) or self.preprocessors[name]
                self.one_hot_encoders[name] = layers.CategoryEncoding(
                    num_tokens=_cardinality(name, layer), output_mode="multi_hot"
                )
            elif self.output_mode == "concat" and (value.dtype.startswith("int") or value.dtype == "string"):
                raise ValueError(
                    f"Cannot concatenate features because feature '{name}' has not been encoded (it has dtype "
                    f"{value.dtype}). Consider using `output_mode='dict'`."
                )
        if self.output_mode == "concat":
            self.concat = TFDConcat(axis=-1)

    def _merged(self, prepared):
        encoded = {
            name: self.one_hot_encoders[name](value) if name in self.one_hot_encoders else value
            for name, value in prepared.items()
        }
        return encoded if self.output_mode == "dict" else self.concat(list(encoded.values()))

    def __call__(self, data):
        """The encoded features of a dict of columns: (batch,), (batch, 1), or single values."""
        self.get_encoded_features()
        if not isinstance(data, dict):
            raise ValueError(
                f"A FeatureSpace can only be called with a dict. Received: data={data} (of type {type(data)})"
            )
        columns = {name: _column(value) for name, value in data.items()}
        merged = self._merged(self._prepared(columns))
        if all(_rank(value) for value in data.values()):
            return merged
        if self.output_mode == "concat":
            return merged[0]
        return {name: value[0] for name, value in merged.items()}

    # --- configs and files -----------------------------------------------------------------------------------------
    def get_config(self):
        """The arguments that make an equal space."""
        return {
            "features": saving.serialize_keras_object(self.features),
            "output_mode": self.output_mode,
            "crosses": saving.serialize_keras_object(self.crosses),
            "crossing_dim": self.crossing_dim,
            "hashing_dim": self.hashing_dim,
            "num_discretization_bins": self.num_discretization_bins,
        }

    @classmethod
    def from_config(cls, config):
        """The space that `get_config` describes."""
        return cls(**config)

    def get_build_config(self):
        """What the layers of the features were built from."""
        return {name: feature.preprocessor.get_build_config() for name, feature in self.features.items()}

    def build_from_config(self, config):
        """Build the layers of the features as those of the space were that gave `config`."""
        for name, value in config.items():
            layer = self.preprocessors[name]
            if not layer.built and value is not None:
                layer.build_from_config(value)
        self._is_adapted = True

    def save(self, filepath):
        """Write the space, with what it has learned, into a `.keras` file, which `load_model` reads."""
        saving.save_model(self, filepath)

    def save_own_variables(self, store):
        """Nothing: the layers have all that was learned."""

    def load_own_variables(self, store):
        """Nothing: the layers have all that was learned."""


def _named(kind, name):
    return f"{name or auto_name(kind)}_preprocessor"


def _is_told(layer):
    if isinstance(layer, layers.Normalization):
        return layer.input_mean is not None
    if isinstance(layer, layers.TextVectorization):
        layer = layer._lookup_layer
    return (
        getattr(layer, "input_vocabulary", None) is not None or getattr(layer, "input_bin_boundaries", None) is not None
    )


def _cardinality(name, layer):
    """How many numbers there are among which a layer's outputs lie."""
    if isinstance(layer, (layers.IntegerLookup, layers.StringLookup)):
        return layer.vocabulary_size()
    if isinstance(layer, layers.CategoryEncoding):
        return layer.num_tokens
    if isinstance(layer, (layers.Discretization, layers.HashedCrossing, layers.Hashing)):
        return layer.num_bins
    raise ValueError(
        f"Feature '{name}' has `output_mode='one_hot'`. However it isn't a standard feature and the dimensionality of "
        "its output space is not known, thus it cannot be one-hot encoded. Try using `output_mode='int'`."
    )


def _rank(value):
    return np.ndim(value) if not hasattr(value, "shape") else len(value.shape)


def _column(value):
    """A column of a table as an array of strings, or a tensor, with a row to an entry."""
    if isinstance(value, KerasTensor):
        return value
    if hasattr(value, "numpy") and not tensors.is_tensor(value):
        value = value.numpy()
    if strings.holds_strings(value) or strings.is_text(np.asarray(value) if hasattr(value, "iloc") else value):
        value = strings.texts(value)
    else:
        value = tensors.convert(np.asarray(value) if hasattr(value, "iloc") else value)
    rank = _rank(value)
    if rank == 0:
        return value.reshape((1, 1))
    return value[:, None] if rank == 1 else value


def _batches(dataset, name):
    """The batches of one column."""
    waiting = []
    for item in dataset:
        value = item[name]
        if _rank(value):
            yield _column(value)
            continue
        waiting.append(value.numpy() if hasattr(value, "numpy") else value)
        if len(waiting) == 32:
            yield _column(waiting)
            waiting = []
    if waiting:
        yield _column(waiting)
