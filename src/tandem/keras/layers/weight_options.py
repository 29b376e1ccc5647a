"""What a layer's arguments say of each of its weights: initializer, regularizer and constraint."""

from tandem.keras import constraints, initializers, regularizers, saving

_ROOMS = {"initializer": initializers, "regularizer": regularizers, "constraint": constraints}


def set_weight_options(layer, given):
    """Set a layer's ``…_initializer``, ``…_regularizer`` and ``…_constraint`` to what its arguments name.

    given: the arguments by name, as `locals()` of a constructor has them; `activity_regularizer`, which is none of a
    weight, stays with the base. Raises what the three `get` functions raise for names that they do not know.
    """
    for name, value in given.items():
        of, _, kind = name.rpartition("_")
        if kind in _ROOMS and of not in ("", "activity"):
            setattr(layer, name, _ROOMS[kind].get(value))


def add_weight(layer, name, shape, *, of=None, initializer=None, **more):
    """Make a layer's weight of that name and shape by the options that were set for it.

    of: the name before the options, where it is not the weight's; initializer: another one than was set; more: further
    arguments of `Layer.add_weight`.
    """
    of = of or name
    return layer.add_weight(
        name=name,
        shape=shape,
        initializer=initializer or getattr(layer, f"{of}_initializer"),
        regularizer=getattr(layer, f"{of}_regularizer"),
        constraint=getattr(layer, f"{of}_constraint"),
        **more,
    )


def serialized(layer, names):
    """Initializer, regularizer and constraint of each of a layer's weights, in the order of Keras's configs."""
    found = {}
    for what in _ROOMS:
        for name in names:
            found[f"{name}_{what}"] = saving.serialize_keras_object(getattr(layer, f"{name}_{what}"))
    return found
