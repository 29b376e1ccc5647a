"""`keras.wrappers.scikit_learn`."""

from tandem.keras.legacy.scikit_learn import BaseWrapper, KerasClassifier, KerasRegressor
from tandem.keras.models import Sequential

__all__ = ["BaseWrapper", "KerasClassifier", "KerasRegressor", "Sequential"]
