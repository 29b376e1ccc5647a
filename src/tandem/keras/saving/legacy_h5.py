"""Keras 1's and 2's `.h5` files: whole models and weights, read and written."""

import contextlib
import os

import h5py
import numpy as np

from tandem.core.errors import explain, warn
from tandem.formats import keras_hdf5, keras_legacy, keras_weights
from tandem.formats.limits import FormatError
from tandem.keras.legacy import configs as old_configs
from tandem.keras.legacy import weights as old_weights
from tandem.keras.saving import python_code, registry
from tandem.keras.saving.serialization import deserialize_keras_object

holds_layers = keras_legacy.holds_layers
_HERE = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))


def _in_order(layer):
    """A layer's variables in the order of these files: those that learn first."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _own(model):
    """The variables that belong to the model itself, not to a layer."""
    known = {id(variable) for variable in model.weights}
    variables = [*model._trainable_variables, *model._non_trainable_variables]
    return [variable for variable in variables if id(variable) in known]


def _version():
    from tandem.keras import __version__

    return __version__


# --- writing ----------------------------------------------------------------------------------------------------------


def _named(variables):
    return [variable.path for variable in variables], [np.array(variable) for variable in variables]


def _weights_of(model):
    layers = [(layer.name, *_named(_in_order(layer))) for layer in model.layers]
    own = _named(_own(model))
    return keras_legacy.Weights(layers, own, _version(), "torch")


def _write(path, fill):
    with keras_weights.scratch(path) as file, h5py.File(file, "w") as h5:
        fill(h5)


def save_model(model, path, include_optimizer=True):
    """Write a whole model as Keras 3 writes its legacy format."""
    metadata = {
        "keras_version": _version(),
        "backend": "torch",
        "model_config": {"class_name": type(model).__name__, "config": old_configs.plain(model.get_config())},
    }
    optimizer = getattr(model, "optimizer", None) if include_optimizer else None
    if optimizer is not None and model.compiled:
        metadata["training_config"] = old_configs.training_config(model)
    state = _named(optimizer.variables) if optimizer is not None and optimizer.variables else None
    _write(path, lambda h5: keras_legacy.write_model(h5, metadata, _weights_of(model), state))


def save_weights(model, path):
    """Write weights as Keras 2 did."""
    _write(path, lambda h5: keras_legacy.write_weights(h5, _weights_of(model)))


@contextlib.contextmanager
def told_as_damage():
    """Raise FormatError for what our own code raises when a config is not what it should be, in place of a KeyError and
    the like.
    """
    try:
        yield
    except (AttributeError, KeyError, IndexError, RecursionError) as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is None or not trace.tb_frame.f_code.co_filename.startswith(_HERE):
            raise  # a class of the caller's
        what = f"{type(error).__name__}: {error}"
        raise FormatError(explain("The config in the file is damaged", given=what)) from error


# --- reading ----------------------------------------------------------------------------------------------------------


def load_model(path, custom_objects=None, compile=True, safe_mode=True):
    """The model of a file of any version of Keras; see `keras.saving.load_model`."""
    with keras_hdf5.reading(path) as root:
        config = keras_legacy.read_json(root, "model_config")
        if config is None:
            what = "it holds weights alone: make the model and call `model.load_weights`"
            hint = what if keras_legacy.holds_layers(root) else "it holds no model"
            raise ValueError(f"No model config found in the file at {path}. {hint[0].upper()}{hint[1:]}.")
        weights = keras_legacy.read_weights(root)
        version = keras_legacy.read_version(root, weights)
        scopes = python_code.SafeModeScope(safe_mode), told_as_damage()
        with registry.CustomObjectScope(custom_objects), scopes[0], scopes[1]:
            model = deserialize_keras_object(old_configs.modern(config, version), custom_objects, safe_mode)
            _set_all(model, weights)
            training = keras_legacy.read_json(root, "training_config") if compile else None
            if training is not None:
                model.compile(**old_configs.compile_arguments(training, version))
        if not compile:
            return model
        if training is None:
            warn(
                "No training configuration found in the save file, so the model was *not* compiled. Compile it "
                "manually."
            )
            return model
        state = keras_legacy.read_optimizer(root)
        if state is not None:
            set_optimizer(model, *state)
    return model


def set_optimizer(model, names, arrays):
    """Set the state of a model's optimizer from arrays under Keras 2's names; a warning where they do not fit."""
    optimizer = model.optimizer
    optimizer.build(model.trainable_variables)
    try:
        ordered = old_weights.optimizer_state(optimizer, names, arrays)
        optimizer.set_weights(ordered)
    except ValueError as error:
        warn(
            "Error in loading the saved optimizer state. As a result, your model is starting with a freshly "
            "initialized "
            f"optimizer. ({error})"
        )


def load_weights(root, model, skip_mismatch=False, by_name=False):
    """Set a model's weights from a file that has them layer by layer; see `Model.load_weights`."""
    weights = keras_legacy.read_weights(root)
    if by_name:
        _set_by_name(model, weights, skip_mismatch)
    else:
        _set_all(model, weights, skip_mismatch)


def _set_all(model, weights, skip_mismatch=False):
    layers = [layer for layer in model.layers if _in_order(layer)]
    saved = [layer for layer in weights.layers if layer[1]]
    if len(saved) != len(layers):
        raise ValueError(
            f"Layer count mismatch when loading weights from file. Model expected {len(layers)} layers, found "
            f"{len(saved)} saved layers."
        )
    for number, (layer, (name, names, arrays)) in enumerate(zip(layers, saved)):
        arrays = old_weights.convert(layer, names, arrays, weights)
        variables = _in_order(layer)
        if len(arrays) != len(variables):
            raise ValueError(
                f"Weight count mismatch for layer #{number} (named {layer.name} in the current model, {name} in the "
                "save "
                f"file). Layer expects {len(variables)} weight(s). Received {len(arrays)} saved weight(s)"
            )
        _assign(layer, variables, arrays, f"layer #{number} (named {layer.name})", skip_mismatch)
    if weights.top is not None:
        own = _own(model)
        if len(own) != len(weights.top):
            raise ValueError(
                f"Weight count mismatch for top-level weights when loading weights from file. Model expects {len(own)} "
                f"top-level weight(s). Received {len(weights.top)} saved top-level weight(s)"
            )
        _assign(model, own, weights.top, "top-level model", skip_mismatch)


def _set_by_name(model, weights, skip_mismatch):
    by_name = {}
    for layer in model.layers:
        by_name.setdefault(layer.name, []).append(layer)
    for number, (name, names, saved) in enumerate(weights.layers):
        for layer in by_name.get(name, ()):
            arrays = old_weights.convert(layer, names, saved, weights)
            _set_some(layer, _in_order(layer), arrays, f"layer #{number} (named {layer.name})", skip_mismatch)
    if weights.top is not None:
        own = [*model._trainable_variables, *model._non_trainable_variables]
        _set_some(model, own, weights.top, "top-level weights of model", skip_mismatch)


def _set_some(layer, variables, arrays, what, skip_mismatch):
    if len(arrays) == len(variables):
        _assign(layer, variables, arrays, what, skip_mismatch)
        return
    counts = f"Layer expects {len(variables)} weight(s). Received {len(arrays)} saved weight(s)"
    if not skip_mismatch:
        raise ValueError(f"Weight count mismatch for {what}. {counts}")
    warn(f"Skipping loading of weights for {what} due to mismatch in number of weights. {counts}")


def _assign(layer, variables, arrays, what, skip_mismatch):
    for variable, array in zip(variables, arrays):
        if variable.shape != tuple(array.shape):
            shapes = f"Weight expects shape {variable.shape}. Received saved weight with shape {tuple(array.shape)}"
            if not skip_mismatch:
                raise ValueError(f"Shape mismatch in {what} for weight {variable.path}. {shapes}")
            warn(f"Skipping loading weights for {what} due to mismatch in shape for weight {variable.path}. {shapes}")
            continue
        variable.assign(array)
    if variables and hasattr(layer, "finalize_state"):
        layer.finalize_state()
