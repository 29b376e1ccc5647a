"""`keras.models`: models, and making them from others."""

from tandem.keras.models.cloning import clone_model, model_from_config, model_from_json
from tandem.keras.models.functional import Functional
from tandem.keras.models.model import Model
from tandem.keras.models.sequential import Sequential

__all__ = [
    "Functional",
    "Model",
    "Sequential",
    "clone_model",
    "load_model",
    "model_from_config",
    "model_from_json",
    "save_model",
]


def __getattr__(name):
    if name in ("load_model", "save_model"):
        from tandem.keras import saving

        return getattr(saving, name)
    from tandem.keras.missing import absent

    return absent("keras.models", name, globals())
