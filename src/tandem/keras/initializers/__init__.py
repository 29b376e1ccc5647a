"""`keras.initializers`: the first values of variables."""

import inspect

from tandem.keras import saving, tensors
from tandem.keras.families import identified
from tandem.keras.initializers.constant import STFT, Constant, Identity, Ones, Zeros
from tandem.keras.initializers.initializer import Initializer
from tandem.keras.initializers.random import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
)

constant = Constant
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
IdentityInitializer = identity = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
ones = Ones
OrthogonalInitializer = orthogonal = Orthogonal
random_normal = RandomNormal
random_uniform = RandomUniform
STFTInitializer = stft = STFT
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
zeros = Zeros

_CLASSES = {
    name: thing
    for name, thing in list(globals().items())
    if inspect.isclass(thing) and issubclass(thing, Initializer) and thing is not Initializer
}
_ALIASES = {"normal": "RandomNormal", "uniform": "RandomUniform", "one": "Ones", "zero": "Zeros"}


def serialize(initializer):
    """The config of an initializer, as files hold it."""
    return saving.serialize_keras_object(initializer)


def deserialize(config, custom_objects=None):
    """The initializer that a config describes."""
    return saving.deserialize_keras_object(config, custom_objects=custom_objects, module_objects=_CLASSES)


def get(identifier):
    """An initializer from a name, a config, a class, an array (its values), a function of (shape, dtype), or None.

    Raises ValueError for a name that is not known.
    """
    if identifier is None:
        return None
    if (hasattr(identifier, "shape") and not callable(identifier)) or tensors.is_tensor(identifier):

        def values(shape, dtype=None):
            return tensors.convert(identifier, dtype).expand(tuple(shape))

        return values
    return identified(identifier, _CLASSES, "initializer", _ALIASES)


__all__ = [*_CLASSES, "Initializer", "deserialize", "get", "serialize"]


def __getattr__(name):
    from tandem.keras.missing import absent

    return absent("keras.initializers", name, __all__)
