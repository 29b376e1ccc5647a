"""Activation functions with parameters, as layers."""

from tandem.core.errors import explain
from tandem.keras import activations, tensors
from tandem.keras.layers.base import Layer
from tandem.keras.layers.input_spec import InputSpec
from tandem.keras.layers.weight_options import add_weight, serialized, set_weight_options
from tandem.ops import elementwise, masks


class _Elementwise(Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.__dict__["built"] = True


def _not_negative(value, name, layer):
    if value is None or value < 0:
        raise ValueError(
            explain(f"The {name} of a {layer} layer must be a number that is not negative", given=f"{name}={value}")
        )
    return value


class ReLU(_Elementwise):
    """``min(x if x > threshold else negative_slope * (x - threshold), max_value)``.

    Raises ValueError for negative arguments.
    """

    def __init__(self, max_value=None, negative_slope=0.0, threshold=0.0, **kwargs):
        super().__init__(**kwargs)
        if max_value is not None:
            _not_negative(max_value, "max_value", "ReLU")
        self.max_value = max_value
        self.negative_slope = _not_negative(negative_slope, "negative_slope", "ReLU")
        self.threshold = _not_negative(threshold, "threshold", "ReLU")

    def call(self, inputs):
        """The rectified inputs."""
        return elementwise.relu(inputs, self.negative_slope, self.max_value, self.threshold)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


class LeakyReLU(_Elementwise):
    """``x if x > 0 else negative_slope * x``. Keras 2's name of the slope, `alpha`, is taken too."""

    def __init__(self, negative_slope=0.3, **kwargs):
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
        super().__init__(**kwargs)
        if negative_slope is None:
            raise ValueError(explain("The negative_slope of LeakyReLU must be a number", given="negative_slope=None"))
        self.negative_slope = negative_slope

    def call(self, inputs):
        """The rectified inputs."""
        return elementwise.leaky_relu(inputs, self.negative_slope)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "negative_slope": self.negative_slope}


class ELU(_Elementwise):
    """``x if x > 0 else alpha * (exp(x) - 1)``."""

    def __init__(self, alpha=1.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, inputs):
        """The activated inputs."""
        return elementwise.elu(inputs, self.alpha)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "alpha": self.alpha}


class PReLU(Layer):
    """``x if x > 0 else alpha * x`` with learned slopes, one to an entry.

    alpha_initializer, alpha_regularizer, alpha_constraint: of the slopes; shared_axes: axes along which there is one
    slope only.
    """

    def __init__(
        self, alpha_initializer="Zeros", alpha_regularizer=None, alpha_constraint=None, shared_axes=None, **kwargs
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        set_weight_options(self, locals())
        if shared_axes is not None and not isinstance(shared_axes, (list, tuple)):
            shared_axes = [shared_axes]
        self.shared_axes = None if shared_axes is None else list(shared_axes)

    def build(self, input_shape):
        """Make the slopes."""
        shape = list(input_shape[1:])
        for axis in self.shared_axes or ():
            shape[axis - 1] = 1
        self.alpha = add_weight(self, "alpha", shape)
        axes = {axis: size for axis, size in enumerate(input_shape) if axis and axis not in (self.shared_axes or ())}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=axes)

    def call(self, inputs):
        """The rectified inputs."""
        return elementwise.prelu(inputs, self.alpha.value)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), **serialized(self, ("alpha",)), "shared_axes": self.shared_axes}


class Softmax(_Elementwise):
    """``exp(x) / sum exp(x)`` over `axis` (an integer or several); masked entries get 0.

    inputs: a tensor; mask: of its shape, False where entries do not take part.
    """

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs, mask=None):
        """The softmax of the inputs."""
        several = isinstance(self.axis, (list, tuple))
        if mask is not None:
            return masks.softmax(inputs, tensors.convert(mask), tuple(self.axis) if several else (self.axis,))
        return activations.softmax(inputs, axis=list(self.axis) if several else self.axis)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "axis": self.axis}
