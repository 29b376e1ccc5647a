"""Keras's public names on PyTorch. `dir(keras)` lists them; each is loaded when it is first asked for."""

import importlib

from tandem.keras.missing import absent

__version__ = "3.15.1"

# Namespaces, each a module or package of this folder.
_NAMESPACES = (
    "activations",
    "applications",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "distillation",
    "distribution",
    "dtype_policies",
    "export",
    "initializers",
    "layers",
    "legacy",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "preprocessing",
    "quantizers",
    "random",
    "regularizers",
    "saving",
    "tree",
    "utils",
    "visualization",
    "wrappers",
)
# Names of this namespace itself, and the modules that hold them.
_HOME = {
    "DTypePolicy": "dtype_policies",
    "FloatDTypePolicy": "dtype_policies",
    "Function": "models.function",
    "Initializer": "initializers",
    "Input": "layers",
    "InputSpec": "layers",
    "KerasTensor": "symbolic",
    "Layer": "layers",
    "Loss": "losses",
    "Metric": "metrics",
    "Model": "models",
    "Operation": "symbolic",
    "Optimizer": "optimizers",
    "Quantizer": "quantizers",
    "Regularizer": "regularizers",
    "RematScope": "internals.remat",
    "Sequential": "models",
    "StatelessScope": "internals.scopes",
    "SymbolicScope": "internals.scopes",
    "Variable": "variables",
    "device": "devices",
    "name_scope": "naming",
    "remat": "internals.remat",
}


def version():
    """The version of Keras whose behaviour this is."""
    return __version__


def __getattr__(name):
    if name in _HOME:
        value = getattr(importlib.import_module(f"tandem.keras.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    if name in _NAMESPACES:
        try:
            return importlib.import_module(f"tandem.keras.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"tandem.keras.{name}":
                raise
    return absent("keras", name, __dir__())


def __dir__():
    return sorted([*_NAMESPACES, *_HOME, "__version__", "version"])
