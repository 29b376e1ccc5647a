"""Keras 1's and 2's activations, where today's of the same name give other numbers."""

from tandem.keras.saving import registry
from tandem.ops import elementwise

HARD_SIGMOID = "keras2>hard_sigmoid"


@registry.register_own(HARD_SIGMOID)
def hard_sigmoid(x):
    """``min(max(0.2 x + 0.5, 0), 1)``: less steep than today's, whose slope is 1/6. Models of old files keep it."""
    return elementwise.hard_sigmoid(x, slope=0.2)
