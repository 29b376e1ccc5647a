"""`keras.wrappers`: models as estimators of scikit-learn."""

from tandem.keras.wrappers import scikit_learn as scikit_learn

_ESTIMATORS = ["SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer"]
_NAMES = ["scikit_learn", *_ESTIMATORS]


def __getattr__(name):
    if name in _ESTIMATORS:  # scikit-learn is loaded when it is asked for
        from tandem.keras.wrappers import estimators

        return getattr(estimators, name)
    from tandem.keras.missing import absent

    return absent("keras.wrappers", name, _NAMES)


def __dir__():
    return sorted(_NAMES)
