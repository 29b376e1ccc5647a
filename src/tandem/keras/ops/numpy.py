"""`keras.ops.numpy`: the functions of `keras.ops` that NumPy has too."""

from tandem.keras.ops import (
    core,
    linalg,
    numpy_creation,
    numpy_elementwise,
    numpy_indexing,
    numpy_linear,
    numpy_reduce,
    numpy_shape,
)

_FAMILIES = (
    numpy_elementwise.NAMES,
    numpy_reduce.NAMES,
    numpy_shape.NAMES,
    numpy_creation.NAMES,
    numpy_indexing.NAMES,
    numpy_linear.NAMES,
    linalg.SLOGDET,
)
NAMES = {name: function for family in _FAMILIES for name, function in family.items()}
NAMES["vectorize"] = core.NAMES["vectorize"]
globals().update(NAMES)


def __dir__():
    return sorted(NAMES)
