"""What `keras.utils.vis_utils` has in Keras 2 beside `model_to_dot` and `plot_model`, which Keras 1 calls `plot`."""

from tandem.keras.layers import Wrapper
from tandem.keras.models.functional import Functional
from tandem.keras.models.sequential import Sequential
from tandem.keras.utils.model_drawing import add_edge, check_graphviz, check_pydot, plot_model, pydot


def is_model(layer):
    """Whether a layer is a functional or sequential model."""
    return isinstance(layer, (Functional, Sequential))


def is_wrapped_model(layer):
    """Whether a layer is a `Wrapper` around such a model."""
    return isinstance(layer, Wrapper) and is_model(layer.layer)


plot = plot_model

__all__ = ["add_edge", "check_graphviz", "check_pydot", "is_model", "is_wrapped_model", "plot", "pydot"]
