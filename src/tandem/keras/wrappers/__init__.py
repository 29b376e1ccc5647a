"""`keras.wrappers`: models as estimators of scikit-learn."""

from tandem.keras.wrappers import scikit_learn

__all__ = ["scikit_learn"]


def __getattr__(name):
    from tandem.keras.missing import absent

    return absent("keras.wrappers", name, __all__)
