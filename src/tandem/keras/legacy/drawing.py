"""What Keras 2's `keras.utils.vis_utils` has beside `model_to_dot` and `plot_model`."""

from tandem.keras.layers import Wrapper
from tandem.keras.models.functional import Functional
from tandem.keras.models.sequential import Sequential
from tandem.keras.utils.model_drawing import add_edge, check_graphviz, check_pydot, pydot


def is_model(layer):
    """Whether a layer is a functional or sequential model."""
    return isinstance(layer, (Functional, Sequential))


def is_wrapped_model(layer):
    """Whether a layer is a `Wrapper` around such a model."""
    return isinstance(layer, Wrapper) and is_model(layer.layer)


__all__ = ["add_edge", "check_graphviz", "check_pydot", "is_model", "is_wrapped_model", "pydot"]
