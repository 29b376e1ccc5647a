"""Keras 1's activations with weights: the parametric softplus and the S-shaped rectifier."""

from tandem.keras import initializers, ops
from tandem.keras.layers import Layer
from tandem.keras.saving.registry import register_own

_op = ops.NAMES


class _Curve(Layer):
    """An activation whose parameters learn, one of each to a place of the inputs.

    shared_axes: the axes along which a parameter is the same.
    """

    parts = ()

    def __init__(self, given, shared_axes, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.given = given
        self.shared_axes = [shared_axes] if isinstance(shared_axes, int) else shared_axes

    def build(self, input_shape):
        """Make the parameters."""
        shared = self.shared_axes or ()
        shape = tuple(1 if axis in shared else size for axis, size in enumerate(input_shape))[1:]
        self.curve = []
        for part in self.parts:
            first = self.given[f"{part}_init"]
            first = initializers.Constant(first) if isinstance(first, (int, float)) else initializers.get(first)
            self.curve.append(self.add_weight(shape, first, name=part))

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), **self.given, "shared_axes": self.shared_axes}


@register_own("keras1>ParametricSoftplus")
class ParametricSoftplus(_Curve):
    """``alpha * log(1 + exp(beta * x))``.

    alpha_init, beta_init: what the parameters begin with; shared_axes: the axes along which they are the same.
    McFarland, Cui and Butts, 2013.
    """

    parts = ("alpha", "beta")

    def __init__(self, alpha_init=0.2, beta_init=5.0, shared_axes=None, **kwargs):
        super().__init__({"alpha_init": alpha_init, "beta_init": beta_init}, shared_axes, **kwargs)

    def call(self, inputs):
        """The values of the curve."""
        alpha, beta = self.curve
        return _op["multiply"](alpha, _op["softplus"](_op["multiply"](beta, inputs)))


@register_own("keras1>SReLU")
class SReLU(_Curve):
    """x between two thresholds; beyond each it goes on with a slope of its own: ``t_left + a_left * (x - t_left)``
    below, ``t_right + a_right * (x - t_right)`` above.

    The weight t_right is the distance of the thresholds. t_left_init, a_left_init, t_right_init, a_right_init:
    initializers; shared_axes: the axes along which the parameters are the same. Jin et al., Deep Learning with S-shaped
    Rectified Linear Activation Units, 2015.
    """

    parts = ("t_left", "a_left", "t_right", "a_right")

    def __init__(
        self,
        t_left_init="zero",
        a_left_init="glorot_uniform",
        t_right_init="glorot_uniform",
        a_right_init="one",
        shared_axes=None,
        **kwargs,
    ):
        given = {"t_left_init": t_left_init, "a_left_init": a_left_init}
        super().__init__({**given, "t_right_init": t_right_init, "a_right_init": a_right_init}, shared_axes, **kwargs)

    def call(self, inputs):
        """The values of the curve."""
        left, a_left, distance, a_right = self.curve
        right = _op["add"](left, _op["absolute"](distance))
        below = _op["multiply"](a_left, _op["minimum"](_op["subtract"](inputs, left), 0))
        above = _op["multiply"](a_right, _op["maximum"](_op["subtract"](inputs, right), 0))
        between = _op["minimum"](_op["maximum"](inputs, left), right)
        return _op["add"](between, _op["add"](below, above))
