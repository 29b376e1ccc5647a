"""The `Operation` classes behind the functions of `keras.ops` and `keras.activations`, by their names (`Absolute`)."""


def __getattr__(name):
    from tandem.keras import ops

    kind = None if name.startswith("_") else ops.operation_class(name)
    if kind is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return kind


def __dir__():
    from tandem.keras import activations, ops
    from tandem.keras.ops import image

    rooms = (ops.NAMES, image.NAMES, vars(activations))
    kinds = (getattr(thing, "operation", None) for room in rooms for thing in room.values())
    return sorted({kind.__name__ for kind in kinds if kind is not None})
