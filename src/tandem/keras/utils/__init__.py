"""`keras.utils`: helpers by name, with the module that holds them."""

import importlib

from tandem.keras.missing import absent

_INDEX = {
    "tandem.keras.utils.numerical": ("clear_session", "normalize", "set_random_seed", "to_categorical"),
    "tandem.keras.utils.feature_space": ("FeatureSpace",),
    "tandem.keras.utils.files": ("get_file",),
    "tandem.keras.utils.config": ("Config",),
    "tandem.keras.utils.splitting": ("split_dataset",),
    "tandem.keras.utils.datasets": (
        "audio_dataset_from_directory",
        "image_dataset_from_directory",
        "text_dataset_from_directory",
        "timeseries_dataset_from_array",
    ),
    "tandem.keras.utils.image_utils": ("array_to_img", "img_to_array", "load_img", "save_img"),
    "tandem.keras.utils.model_drawing": ("model_to_dot", "plot_model"),
    "tandem.keras.utils.progbar": ("Progbar",),
    "tandem.keras.utils.py_dataset": ("PyDataset", "Sequence"),
    "tandem.keras.utils.sequence_utils": ("pad_sequences",),
    "tandem.keras.trainers.sources": ("pack_x_y_sample_weight", "unpack_x_y_sample_weight"),
    "tandem.keras.saving": (
        "CustomObjectScope",
        "custom_object_scope",
        "deserialize_keras_object",
        "get_custom_objects",
        "get_registered_name",
        "get_registered_object",
        "register_keras_serializable",
        "serialize_keras_object",
    ),
    "tandem.keras.config": (
        "disable_interactive_logging",
        "enable_interactive_logging",
        "is_interactive_logging_enabled",
    ),
    "tandem.keras.symbolic": ("is_keras_tensor",),
    "tandem.keras.backend": ("standardize_dtype",),
    "tandem.keras.models.sources": ("get_source_inputs",),
}
_HOME = {name: module for module, names in _INDEX.items() for name in names}

__all__ = [*_HOME]


def __getattr__(name):
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    if name == "bounding_boxes":
        return importlib.import_module("tandem.keras.utils.bounding_boxes")
    return absent("keras.utils", name, _HOME)


def __dir__():
    return sorted([*_HOME, "bounding_boxes"])
