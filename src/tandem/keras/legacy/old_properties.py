"""Properties that objects of Keras 1 and 2 have and those of Keras 3 have no more."""

import numpy as np

from tandem.core import arrays


class Old:
    """A property that an instance's own attribute of the name hides: today's objects may call theirs so."""

    def __init__(self, get):
        self._get = get
        self.__doc__ = get.__doc__

    def __get__(self, instance, owner=None):
        return self if instance is None else self._get(instance)


def validation_arrays(model):
    """The arrays that a model's `fit` validates on, in a list: inputs, targets, weights of the samples (1 where none
    were given); None where it validates on none, or on what makes its batches itself.
    """
    from tandem.keras.trainers.single import to_numpy

    given = getattr(getattr(model, "_training", None), "validation_data", None)
    if given is None:
        return None
    x, y, weights = given
    parts = [arrays.leaves(part) for part in (x, y)]
    if y is None or not all(hasattr(leaf, "shape") for part in parts for leaf in part):
        return None
    inputs, targets = ([np.asarray(to_numpy(leaf)) for leaf in part] for part in parts)
    if weights is None:
        weights = [np.ones(len(target), "float32") for target in targets]
    return [*inputs, *targets, *(np.asarray(to_numpy(leaf)) for leaf in arrays.leaves(weights))]
