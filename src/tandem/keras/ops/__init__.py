"""`keras.ops`: functions of tensors that also take the symbolic values of a functional model."""

from tandem.keras.ops import (
    core,
    linalg,
    math,
    nn,
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
    numpy_shape.EINOPS,
    numpy_creation.NAMES,
    numpy_indexing.NAMES,
    numpy_linear.NAMES,
    math.NAMES,
    linalg.SLOGDET,
    linalg.NAMES,
    nn.NAMES,
    core.NAMES,
)
NAMES = {name: function for family in _FAMILIES for name, function in family.items()}
globals().update(NAMES)


def operation_class(class_name):
    """The `Operation` class that files call `class_name`, or None."""
    from tandem.keras import activations, quantizers
    from tandem.keras.ops import image

    for room in (NAMES, image.NAMES, vars(activations), vars(quantizers)):
        for thing in room.values():
            kind = getattr(thing, "operation", None)
            if kind is not None and kind.__name__ == class_name:
                return kind
    return None


def __getattr__(name):
    import importlib

    from tandem.keras.missing import absent

    if name in ("image", "numpy"):
        return importlib.import_module(f"tandem.keras.ops.{name}")
    return absent("keras.ops", name, globals())


def __dir__():
    return sorted([*NAMES, "image", "linalg", "nn", "numpy"])
