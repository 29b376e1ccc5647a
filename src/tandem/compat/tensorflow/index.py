"""The index of `tf`: every name, and where it is."""

import sys
from types import ModuleType

from tandem.compat.tensorflow import (
    _dtypes,
    _errors,
    _image,
    _image_more,
    _io,
    _linalg,
    _linalg_more,
    _math,
    _nn,
    _nn_more,
    _ragged,
    _random,
    _sampling,
    _signal_more,
    _sparse,
    _special,
    _strings,
    _strings_more,
    arrays,
    control,
    datasets,
    devices,
    file_datasets,
    functions,
    lookups,
    messages,
    more_arrays,
    old,
    ragged_rows,
    records,
    sessions,
    shapes,
    sparse_tensors,
    summaries,
    tables,
    tape,
    testing,
    variables,
)
from tandem.compat.tensorflow.strings_and_tensors import AnyTensor
from tandem.core.errors import explain, suggest
from tandem.keras import naming, tree

VERSION = "2.16.1"  # the release whose names these are
_HINT = "dir({module}) shows what there is; Keras's layers and `keras.ops` have much of the rest."


def missing(module, name, choices):
    """Raise AttributeError for a name that is not there, and say what is near."""
    if name.startswith("__"):
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    raise AttributeError(
        explain(
            f"{module}.{name} is not in Tandem's TensorFlow names",
            hint=f"{suggest(name, choices)} {_HINT.format(module=module)}".strip(),
        )
    )


class Names(ModuleType):
    """A namespace of `tf`: a table of names."""

    def __init__(self, name, table, doc=""):
        super().__init__(f"tensorflow.{name}", doc)
        self.__path__ = []
        self.__dict__.update(table)
        self.__all__ = sorted(table)

    def __getattr__(self, name):
        return missing(self.__name__, name, self.__all__)

    def __dir__(self):
        return self.__all__


def _not_there(name, why):
    """A name that raises, with the reason, when it is used."""

    class NotThere(ModuleType):
        def __getattr__(self, attribute):
            if attribute.startswith("__"):
                raise AttributeError(attribute)
            raise NotImplementedError(f"tf.{name}.{attribute} is not there: {why}")

        def __call__(self, *args, **kwargs):
            raise NotImplementedError(f"tf.{name} is not there: {why}")

    return NotThere(f"tensorflow.{name}")


def init_scope():
    """A scope that changes nothing."""
    from contextlib import nullcontext

    return nullcontext()


def control_dependencies(control_inputs):
    """A scope that changes nothing: code runs in its order."""
    return init_scope()


def name_scope(name, *args, **kwargs):
    """A scope whose name stands before those of variables that are made in it."""
    return naming.name_scope((name or "scope").strip("/").replace("/", "_"))


# --- namespaces ------------------------------------------------------------------------------------------------------

_DATASETS = {
    "AUTOTUNE": datasets.AUTOTUNE,
    "Dataset": datasets.Dataset,
    "FixedLengthRecordDataset": file_datasets.FixedLengthRecordDataset,
    "INFINITE_CARDINALITY": datasets.INFINITE,
    "Iterator": datasets.Iterator,
    "Options": datasets.Options,
    "TFRecordDataset": file_datasets.TFRecordDataset,
    "TextLineDataset": file_datasets.TextLineDataset,
    "NumpyIterator": datasets.NumpyIterator,
    "ThreadingOptions": file_datasets.Settings,
    "UNKNOWN_CARDINALITY": datasets.UNKNOWN,
}
_NEST = {
    "assert_same_structure": tree.assert_same_structure,
    "flatten": tree.flatten,
    "is_nested": tree.is_nested,
    "map_structure": tree.map_structure,
    "pack_sequence_as": tree.pack_sequence_as,
}
_TRAIN = dict(messages.NAMES)
_SAVED = "write model.save('model.keras'), or model.export; TensorFlow's own files need TensorFlow"


def _checkpoints():
    from tandem.compat.tensorflow import checkpoints

    return {
        "Checkpoint": checkpoints.Checkpoint,
        "CheckpointManager": checkpoints.CheckpointManager,
        **checkpoints.NAMES,
    }


_TRAIN.update(_checkpoints())
_TRAIN.update(sessions.OPTIMIZERS)


def _names(name, table, **children):
    return Names(name, {**table, **{key: _names(f"{name}.{key}", value) for key, value in children.items()}})


NAMESPACES = {
    "audio": _names("audio", lookups.AUDIO),
    "autodiff": _names("autodiff", {"GradientTape": tape.GradientTape}),
    "autograph": _names(
        "autograph",
        {"set_verbosity": old.LOGGING["set_verbosity"], "trace": lambda *args: None},
        experimental={"do_not_convert": lambda func=None: func if func is not None else lambda inner: inner},
    ),
    "bitwise": _names("bitwise", more_arrays.BITWISE),
    "config": _names("config", devices.CONFIG, experimental=devices.CONFIG_EXPERIMENTAL),
    "data": _names("data", _DATASETS, experimental=file_datasets.EXPERIMENTAL),
    "debugging": _names(
        "debugging", {**control.DEBUGGING, "set_log_device_placement": devices.set_log_device_placement}
    ),
    "distribute": _names(
        "distribute",
        devices.DISTRIBUTE,
        experimental={
            "CentralStorageStrategy": devices.MirroredStrategy,
            "MultiWorkerMirroredStrategy": devices.MultiWorkerMirroredStrategy,
            "TPUStrategy": devices.TPUStrategy,
        },
        cluster_resolver={"TPUClusterResolver": devices.NO_TPU},
    ),
    "dtypes": _names(
        "dtypes", {**_dtypes.PUBLIC, "DType": _dtypes.DType, "as_dtype": _dtypes.as_dtype, "cast": arrays.NAMES["cast"]}
    ),
    "errors": _names("errors", _errors.NAMES),
    "estimator": _not_there("estimator", "estimators have left TensorFlow too (2.16); write Keras models"),
    "experimental": _names("experimental", {}, numpy={}),
    "feature_column": _not_there("feature_column", "Keras's preprocessing layers do it"),
    "image": _names("image", _image_more.NAMES),
    "io": _names("io", {**_io.NAMES, **_image_more.IO, **_strings_more.IO}, gfile=_io.GFILE),
    "linalg": _names("linalg", _linalg_more.NAMES),
    "lite": _not_there("lite", "model.export(…, format='onnx') gives what small devices run"),
    "logging": _names("logging", old.LOGGING),
    "lookup": _names("lookup", tables.NAMES, experimental=tables.EXPERIMENTAL),
    "math": _names(
        "math",
        {**_math.NAMES, "softmax": _nn.NAMES["softmax"], "log_softmax": _nn.NAMES["log_softmax"]},
        special=_special.SPECIAL,
    ),
    "nest": _names("nest", _NEST),
    "nn": _names("nn", {**_nn_more.NAMES, **_sampling.NN}, experimental=_nn_more.EXPERIMENTAL),
    "profiler": _not_there("profiler", "write torch.profiler"),
    "ragged": _names("ragged", _ragged.NAMES),
    "random": _names(
        "random",
        {**_random.NAMES, **_sampling.RANDOM},
        experimental={
            "Generator": _random.Generator,
            "stateless_fold_in": _random.NAMES["fold_in"],
            "get_global_generator": _random.get_global_generator,
            "set_global_generator": _random.set_global_generator,
            "stateless_shuffle": _random.NAMES["stateless_shuffle"],
            "stateless_split": _random.NAMES["split"],
        },
    ),
    "saved_model": _not_there("saved_model", _SAVED),
    "sets": _names("sets", more_arrays.SETS),
    "signal": _names("signal", _signal_more.NAMES),
    "sparse": _names("sparse", _sparse.NAMES),
    "strings": _names("strings", _strings_more.NAMES),
    "summary": _names("summary", summaries.NAMES, experimental=summaries.EXPERIMENTAL),
    "sysconfig": _names("sysconfig", {"get_build_info": lambda: {"is_cuda_build": devices.is_built_with_cuda()}}),
    "test": _names(
        "test",
        {**devices.TEST, **testing.NAMES, "is_built_with_rocm": lambda: False, "is_built_with_xla": lambda: False},
    ),
    "tpu": _not_there("tpu", "Tandem runs on CPUs and GPUs"),
    "train": _names("train", _TRAIN),
    "types": _names("types", {}, experimental={"TensorLike": object}),
    "version": _names("version", {"VERSION": VERSION, "GIT_VERSION": "tandem", "COMPILER_VERSION": sys.version}),
    "gfile": _names("gfile", {**_io.GFILE, **_io.OLD_GFILE}),
}

TOP = {
    **{
        name: old.NoGraph(name) for name in ("placeholder", "get_variable", "variable_scope", "app", "flags", "contrib")
    },
    **sessions.NAMES,
    **{old_name: _random.NAMES[new] for old_name, new in _random.OLD_IN_TF.items()},
    **{name: _math.NAMES[name] for name in (*_math.IN_TF, *_math.OLD_IN_TF)},
    **{name: _linalg_more.NAMES[name] for name in (*_linalg.IN_TF, "eig", "eigvals")},
    **_nn_more.TOP,
    **more_arrays.NAMES,
    **{name: _math.NAMES[name] for name in ("truncatediv", "truncatemod")},
    "hessians": _special.hessians,
    "matrix_square_root": _linalg_more.NAMES["sqrtm"],
    **{name: old.FUNCTIONS[name] for name in ("set_random_seed", "to_float", "to_int32", "to_int64")},
    **arrays.NAMES,
    **control.NAMES,
    **_dtypes.PUBLIC,
    **{name: getattr(tape, name) for name in ("GradientTape", "UnconnectedGradients", "custom_gradient", "gradients")},
    "DType": _dtypes.DType,
    "IndexedSlices": variables.IndexedSlices,
    "Module": variables.Module,
    "RaggedTensor": ragged_rows.RaggedTensor,
    "RaggedTensorSpec": shapes.RaggedTensorSpec,
    "SparseTensor": sparse_tensors.SparseTensor,
    "SparseTensorSpec": shapes.SparseTensorSpec,
    "Tensor": AnyTensor,
    "TensorShape": shapes.TensorShape,
    "TensorSpec": shapes.TensorSpec,
    "Variable": variables.Variable,
    "VariableAggregation": variables.VariableAggregation,
    "VariableSynchronization": variables.VariableSynchronization,
    "as_dtype": _dtypes.as_dtype,
    "function": functions.function,
    "as_string": _strings.as_string,
    "control_dependencies": control_dependencies,
    "device": devices.device,
    "executing_eagerly": old.executing_eagerly,
    "get_logger": devices.get_logger,
    "init_scope": init_scope,
    "is_symbolic_tensor": lambda x: hasattr(x, "node"),
    "name_scope": name_scope,
    "newaxis": None,
    "random_crop": _image.NAMES["random_crop"],
    "stop_gradient": tape.stop_gradient,
}


def _keras_initializers():
    """TensorFlow's initializers, which are Keras's."""
    from tandem.keras import initializers

    return {
        "constant_initializer": initializers.Constant,
        "ones_initializer": initializers.Ones,
        "random_normal_initializer": initializers.RandomNormal,
        "random_uniform_initializer": initializers.RandomUniform,
        "truncated_normal_initializer": initializers.TruncatedNormal,
        "zeros_initializer": initializers.Zeros,
    }


TOP.update(_keras_initializers())


# Namespaces of Keras that TensorFlow 2 had in `tf` itself too.
KERAS = ("initializers", "losses", "metrics", "optimizers")


class _Old(Names):
    """`tf.compat.v1`: TensorFlow 2's names, those of TensorFlow 1 that can be had, and words about the others."""

    def __getattr__(self, name):
        if name == "keras":
            import importlib

            return importlib.import_module("tandem.keras")
        if name in old.NO_GRAPHS:
            return old.NoGraph(f"compat.v1.{name}")
        if name in TOP:
            return TOP[name]
        if name in NAMESPACES:
            return NAMESPACES[name]
        return missing(self.__name__, name, [*self.__all__, *TOP, *NAMESPACES])


class _New(Names):
    """`tf.compat.v2`: `tf` itself."""

    def __getattr__(self, name):
        return getattr(sys.modules["tandem.compat.tensorflow"], name)


_ITERATOR = {"tf_record_iterator": records.tf_record_iterator}
_OLD_FILES = {
    "io": _names("compat.v1.io", {**_io.NAMES, **_image_more.IO, **_strings_more.IO, **_ITERATOR}, gfile=_io.GFILE),
    "python_io": _names("compat.v1.python_io", {**_ITERATOR, "TFRecordWriter": records.TFRecordWriter}),
}
V1 = _Old("compat.v1", {**old.FUNCTIONS, **_OLD_FILES, "logging": NAMESPACES["logging"], "gfile": NAMESPACES["gfile"]})
NAMESPACES["compat"] = Names(
    "compat",
    {
        "as_bytes": lambda value, encoding="utf-8": value.encode(encoding) if isinstance(value, str) else bytes(value),
        "as_str": lambda value, encoding="utf-8": value.decode(encoding) if isinstance(value, bytes) else str(value),
        "as_text": lambda value, encoding="utf-8": value.decode(encoding) if isinstance(value, bytes) else str(value),
        "as_str_any": lambda value, encoding="utf-8": (
            value.decode(encoding) if isinstance(value, bytes) else str(value)
        ),
        "v1": V1,
        "v2": _New("compat.v2", {}),
    },
)
