"""Models and weights in files: `.keras`, `.weights.h5`, and the older `.h5`."""

import contextlib
import datetime
import functools
import io
import json
import os
import tempfile
import zipfile

from tandem.core.errors import Unsupported, explain, warn
from tandem.engine.distributed import group, pieces
from tandem.formats import keras_archive, keras_hdf5, keras_weights
from tandem.formats.limits import LARGEST_CONFIG
from tandem.formats.saving import atomic_write
from tandem.keras.saving import legacy_h5, python_code, registry, sharing, state, tensor_files
from tandem.keras.saving.serialization import deserialize_keras_object, serialize_keras_object
from tandem.keras.utils.messages import may_overwrite

H5_SUFFIXES = (".h5", ".hdf5", ".he5", ".hdf")
_ELSEWHERE = ("hf://", "gs://", "s3://", "hdfs://", "/cns/", "gcs://")


def _local(filepath):
    """A path as text. Raises Unsupported for one on another machine."""
    path = os.fspath(filepath)
    if path.startswith(_ELSEWHERE):
        raise Unsupported(explain("Files are read and written on this machine only", given=f"filepath={path}"))
    return path


# --- whole models -----------------------------------------------------------------------------------------------------


def _whole(save):
    """A function that writes a model: where its variables are divided over processes, the first one writes them whole,
    and all of them call the function.
    """

    @functools.wraps(save)
    def together(model, filepath, *args, **kwargs):
        from tandem.keras.trainers.parallel import variables_of

        variables = variables_of(model) if group.size() > 1 and hasattr(model, "_training") else ()
        with pieces.written_once(variables) as writes:
            return save(model, filepath, *args, **kwargs) if writes else None

    return together


@_whole
def save_model(model, filepath, overwrite=True, zipped=None, **kwargs):
    """Write a model: its config, its weights, and with `compile`'s arguments the optimizer's state.

    filepath: ends in ".keras", or in ".h5" or ".hdf5" for Keras 2's format; or a binary file object; overwrite: whether
    a file that is there is replaced without asking; zipped: False writes a folder. Keras 2's further arguments:
    include_optimizer, and save_format, "keras" or "h5".
    The file appears whole or not at all. Raises ValueError for another suffix.
    """
    include_optimizer = kwargs.pop("include_optimizer", True)
    form = kwargs.pop("save_format", None)
    for name in ("signatures", "options", "save_traces"):
        if kwargs.get(name) is not None and name != "save_traces":
            raise Unsupported(
                explain(f"`{name}` belongs to SavedModel, which is not written", given=f"{name}={kwargs[name]}")
            )
        kwargs.pop(name, None)
    if kwargs:
        raise ValueError(f"The following argument(s) are not supported: {list(kwargs)}")
    if not model.built:
        warn(
            "You are saving a model that has not yet been built. It might not contain any weights yet. Consider "
            "building "
            "the model first by calling it on some data."
        )
    if hasattr(filepath, "write"):
        _write_archive(model, filepath)
        return
    path = _local(filepath)
    if form in ("tf", "tensorflow"):
        raise ValueError(_saved_model(path, "save_format='tf'"))
    if form not in (None, "keras", "h5", "hdf5"):
        raise ValueError(explain("`save_format` is wrong", expected="'keras' or 'h5'", given=f"save_format={form!r}"))
    old = path.endswith(H5_SUFFIXES) if form is None else form in ("h5", "hdf5")
    if not overwrite and os.path.exists(path) and not may_overwrite(path):
        return
    if old:
        legacy_h5.save_model(model, path, include_optimizer)
    elif zipped is False:
        if path.endswith(".keras"):
            raise ValueError(
                "When using `zipped=False`, the `filepath` argument should not end in `.keras`. Received: "
                f"filepath={path}"
            )
        _write_folder(model, path, include_optimizer)
    elif path.endswith(".keras") or form == "keras":
        with atomic_write(path) as file:
            _write_archive(model, file, include_optimizer)
    else:
        raise ValueError(_saved_model(path, f"filepath={path}"))


def _saved_model(path, given):
    return (
        "Invalid filepath extension for saving. Please add either a `.keras` extension for the native Keras format "
        "(recommended) or a `.h5` extension. TensorFlow's SavedModel is not written: write "
        f"model.save({os.path.basename(os.path.splitext(path)[0]) + '.keras'!r}). Received: {given}."
    )


def _texts(model):
    """(config, metadata) as JSON."""
    from tandem.keras import __version__

    with sharing.ObjectSharingScope():
        config = json.dumps(serialize_keras_object(model))
    date = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    return config, json.dumps({"keras_version": __version__, "date_saved": date})


def _without(model, include_optimizer):
    optimizer = getattr(model, "optimizer", None)
    return () if include_optimizer or optimizer is None else (optimizer,)


@contextlib.contextmanager
def _asset_folder():
    """(a function that gives a folder for a path, a function that says whether anything was put there)."""
    with tempfile.TemporaryDirectory() as root:

        def make(path):
            folder = os.path.join(root, *path.split("/")) if path else root
            os.makedirs(folder, exist_ok=True)
            return folder

        yield make, root


def _write_archive(model, file, include_optimizer=True):
    config, metadata = _texts(model)
    with _asset_folder() as (make, folder):

        def fill(target):
            with contextlib.closing(keras_weights.Writer(target)) as weights:
                state.save(model, weights, make, _without(model, include_optimizer))

        keras_archive.write(file, config, metadata, fill, folder)


def _write_folder(model, path, include_optimizer):
    config, metadata = _texts(model)
    os.makedirs(path, exist_ok=True)
    assets = os.path.join(path, keras_archive.ASSETS)

    def make(inner):
        folder = os.path.join(assets, *inner.split("/")) if inner else assets
        os.makedirs(folder, exist_ok=True)
        return folder

    with keras_weights.writing(os.path.join(path, keras_archive.WEIGHTS)) as weights:
        state.save(model, weights, make, _without(model, include_optimizer))
    for name, text in ((keras_archive.METADATA, metadata), (keras_archive.CONFIG, config)):
        with atomic_write(os.path.join(path, name), "w") as file:
            file.write(text)


def load_model(filepath, custom_objects=None, compile=True, safe_mode=True, **kwargs):
    """The model that a file holds.

    filepath: of a `.keras` file, a folder written with `zipped=False`, a `.h5` file of any Keras; or a binary file
    object; custom_objects: a dict of name -> your own class or function, and of the name of a `Lambda` layer whose code
    the file holds -> its function; compile: whether the model gets the optimizer, loss and metrics that it had;
    safe_mode: refuse Python code. Nothing that a file brings is ever run.
    Raises ValueError for what is no such file, TypeError for classes that are not known.
    """
    kwargs.pop("options", None)
    if kwargs:
        raise TypeError(f"load_model() got unexpected keyword arguments: {list(kwargs)}")
    if hasattr(filepath, "read"):
        return _read_archive(filepath, custom_objects, compile, safe_mode)
    path = _local(filepath)
    if os.path.isdir(path):
        if os.path.exists(os.path.join(path, keras_archive.CONFIG)):
            return _read_folder(path, custom_objects, compile, safe_mode)
        raise ValueError(
            f"File format not supported: filepath={path}. A folder is read where it has a `config.json`, as "
            "`model.save(path, zipped=False)` writes it. TensorFlow's SavedModel is not read: load it where it was "
            "made and "
            "save it as `.keras`."
        )
    if not os.path.exists(path):
        if path.endswith(H5_SUFFIXES):
            raise FileNotFoundError(2, "Unable to open file", path)
        raise ValueError(f"File not found: filepath={path}. Please ensure the file is an accessible `.keras` zip file.")
    # What a file is, it says itself: Keras 2 wrote HDF5 under any name.
    if keras_hdf5.is_hdf5(path):
        return legacy_h5.load_model(path, custom_objects, compile, safe_mode)
    if path.endswith(".keras") or zipfile.is_zipfile(path):
        return _read_archive(path, custom_objects, compile, safe_mode)
    if path.endswith(H5_SUFFIXES):
        return legacy_h5.load_model(path, custom_objects, compile, safe_mode)  # says what is wrong with it
    raise ValueError(
        f"File format not supported: filepath={path}. Keras 3 only supports V3 `.keras` files, legacy H5 format files "
        "(`.h5` extension), and folders that hold what a `.keras` file holds."
    )


def _from_config(config, metadata, custom_objects, compile, safe_mode):
    """The model of a config, without its weights."""
    from tandem.keras.layers.base import Layer
    from tandem.keras.legacy import configs

    config, training = dict(config), None
    if not compile:
        config["compile_config"] = None
    scopes = sharing.ObjectSharingScope(), python_code.SafeModeScope(safe_mode), legacy_h5.told_as_damage()
    with scopes[0], scopes[1], scopes[2], registry.CustomObjectScope(custom_objects):
        if _of_keras_2(metadata):
            training = config.get("compile_config")
            config = configs.modern(config)
        model = deserialize_keras_object(config, custom_objects, safe_mode)
        if not isinstance(model, Layer):
            raise ValueError(explain("The file's config is not that of a model", expected="a model", given=repr(model)))
        if training:
            model.compile(**configs.compile_arguments_of_zip(training))
            if model.built and model.optimizer is not None:
                model.optimizer.build(model.trainable_variables)
    return model


def _of_keras_2(metadata):
    return isinstance(metadata, dict) and str(metadata.get("keras_version", "3")).startswith("2.")


def _load_state(model, root, assets, metadata):
    weights = keras_weights.Reader(root)
    optimizer = getattr(model, "optimizer", None)
    if not _of_keras_2(metadata) or optimizer is None:
        state.load(model, weights, _finder(assets))
        return
    state.load(model, weights, _finder(assets), skip=(optimizer,))
    store = weights.get("optimizer")
    arrays = [store[str(number)] for number in range(len(store))]
    if arrays:
        names = ["iteration:0"] + ["slot:0"] * (len(arrays) - 1)
        legacy_h5.set_optimizer(model, names, arrays)


def _read_archive(source, custom_objects, compile, safe_mode):
    with keras_archive.Archive(source) as archive:
        metadata = archive.metadata()
        model = _from_config(archive.config(), metadata, custom_objects, compile, safe_mode)
        with archive.weights() as weights, archive.assets() as assets:
            if weights is None:
                raise ValueError(
                    explain("The file holds no weights", expected=keras_archive.WEIGHTS, given=sorted(archive.members))
                )
            with keras_hdf5.reading(weights) as root:
                _load_state(model, root, assets, metadata)
    return model


def _read_folder(path, custom_objects, compile, safe_mode):
    config, metadata = (_json_of(path, name) for name in (keras_archive.CONFIG, keras_archive.METADATA))
    model = _from_config(config, metadata, custom_objects, compile, safe_mode)
    assets = os.path.join(path, keras_archive.ASSETS)
    with keras_hdf5.reading(os.path.join(path, keras_archive.WEIGHTS)) as root:
        _load_state(model, root, assets if os.path.isdir(assets) else None, metadata)
    return model


def _json_of(folder, name):
    path = os.path.join(folder, name)
    if name == keras_archive.METADATA and not os.path.exists(path):
        return {}
    with open(path, "rb") as file:
        return keras_archive.parse_json(file.read(LARGEST_CONFIG), path, "the config")


def _finder(root):
    if root is None:
        return None

    def find(path):
        folder = os.path.join(root, *path.split("/")) if path else root
        return folder if os.path.exists(folder) else None

    return find


# --- weights ----------------------------------------------------------------------------------------------------------


@_whole
def save_weights(model, filepath, overwrite=True, max_shard_size=None, **kwargs):
    """Write the weights of a model, and the state of its optimizer.

    filepath: ends in ".weights.h5"; with another ".h5" or ".hdf5" it is written as Keras 2 did, layer by layer; with
    ".safetensors" it has the weights alone, under their paths;
    overwrite: whether a file that is there is replaced without asking; max_shard_size: of each file in GiB: several
    files are written, and an index under `filepath`, which then ends in ".weights.json"; objects_to_skip: layers that
    are left out. Raises ValueError for another suffix, and for a model that is not built.
    """
    skip = kwargs.pop("objects_to_skip", None) or ()
    form = kwargs.pop("save_format", None)
    kwargs.pop("options", None)
    if kwargs:
        raise ValueError(f"Invalid keyword arguments: {kwargs}")
    path = _local(filepath)
    if max_shard_size is not None and not path.endswith(("weights.h5", "weights.json")):
        raise ValueError(
            f"The filename must end in `.weights.json` when `max_shard_size` is specified. Received: filepath={path}"
        )
    plain = path.endswith(".safetensors")
    old = not path.endswith(".weights.h5") and (path.endswith(H5_SUFFIXES) or form in ("h5", "hdf5"))
    if max_shard_size is None and not old and not plain and not path.endswith(".weights.h5"):
        raise ValueError(f"The filename must end in `.weights.h5`. Received: filepath={path}")
    if not overwrite and os.path.exists(path) and not may_overwrite(path):
        return
    if not model.built:
        raise ValueError(
            "You are saving a model that has not yet been built. Try building the model first by calling it on some "
            "data "
            "or by using `build()`."
        )
    if max_shard_size is not None:
        with keras_weights.writing_shards(path, max_shard_size) as weights:
            state.save(model, weights, skip=skip)
    elif plain:
        tensor_files.write(_all_but(model, skip), path)
    elif old:
        legacy_h5.save_weights(model, path)
    else:
        with keras_weights.writing(path) as weights:
            state.save(model, weights, skip=skip)


def load_weights(model, filepath, skip_mismatch=False, **kwargs):
    """Read the weights of a model, and the state of its optimizer, from a file.

    filepath: of a `.weights.h5`, `.weights.json`, `.keras`, `.safetensors` or older `.h5` file; skip_mismatch: leave
    layers whose weights do not fit as they are, with a warning; by_name: in an older `.h5` file, match layers by name,
    not order; objects_to_skip: layers and the like that are left as they are.
    Raises ValueError where the weights do not fit.
    """
    skip = kwargs.pop("objects_to_skip", None)
    by_name = kwargs.pop("by_name", None)
    kwargs.pop("options", None)
    if kwargs:
        raise ValueError(f"Invalid keyword arguments: {kwargs}")
    path = _local(filepath)
    if not model.built:
        raise ValueError(
            "You are loading weights into a model that has not yet been built. Try building the model first by "
            "calling it "
            "on some data or by using `build()`."
        )
    if path.endswith(".weights.json"):
        _only_old(path, by_name)
        with keras_weights.ShardedReader(path) as weights:
            state.load(model, weights, skip_mismatch=skip_mismatch, skip=skip or ())
        return
    if path.endswith(".safetensors"):
        _only_old(path, by_name)
        tensor_files.read(_all_but(model, skip or ()), path, skip_mismatch)
        return
    if path.endswith(".keras") and not keras_hdf5.is_hdf5(path):
        _only_old(path, by_name)
        if skip is not None:
            raise ValueError(f"`objects_to_skip` only supports loading '.weights.h5' files. Received: {path}")
        with keras_archive.Archive(path) as archive, archive.weights() as weights:
            with keras_hdf5.reading(weights or io.BytesIO()) as root:
                state.load(model, keras_weights.Reader(root), skip_mismatch=skip_mismatch)
        return
    if not path.endswith(H5_SUFFIXES) and not keras_hdf5.is_hdf5(path):
        raise ValueError(
            f"File format not supported: filepath={path}. Keras 3 only supports V3 `.keras` files, `.weights.h5` "
            "files, "
            "legacy H5 format files (`.h5` extension)."
        )
    with keras_hdf5.reading(path) as root:
        if legacy_h5.holds_layers(root):
            if skip is not None:
                raise ValueError(f"`objects_to_skip` only supports loading '.weights.h5' files. Received: {path}")
            legacy_h5.load_weights(root, model, skip_mismatch, by_name)
        else:
            _only_old(path, by_name)
            state.load(model, keras_weights.Reader(root), skip_mismatch=skip_mismatch, skip=skip or ())


def _all_but(model, skip):
    """The weights of a model without those of some layers."""
    left_out = {id(variable) for layer in skip for variable in getattr(layer, "weights", ())}
    return [variable for variable in model.weights if id(variable) not in left_out]


def _only_old(path, by_name):
    if by_name:
        raise ValueError(f"`by_name` only supports loading legacy '.h5' or '.hdf5' files. Received: {path}")
