"""Normalisation layers."""

from tandem.core.errors import Unsupported, explain
from tandem.engine.distributed import shards
from tandem.keras import saving
from tandem.keras.layers.base import Layer
from tandem.keras.layers.input_spec import InputSpec
from tandem.keras.layers.weight_options import add_weight, set_weight_options
from tandem.keras.legacy.modules import names_of
from tandem.ops import norm
from tandem.ops.norm import blend_, variance_from_deviation_


class BatchNormalization(Layer):
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta``, with the batch's statistics in training and moving ones
    otherwise.

    axis: that of the channels; momentum: how much of the old moving statistics stays at each step; center, scale:
    whether beta and gamma are there; the initializers, regularizers and constraints of the weights; renorm,
    renorm_clipping, renorm_momentum: batch renormalisation (Ioffe 2017); synchronized: one set of statistics over all
    replicas (there is one). With `trainable=False` the moving statistics are used, and stay. Ioffe & Szegedy, 2015.
    """

    def __init__(
        self,
        axis=-1,
        momentum=0.99,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        moving_mean_initializer="zeros",
        moving_variance_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        renorm=False,
        renorm_clipping=None,
        renorm_momentum=0.99,
        synchronized=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.axis = int(axis[0] if isinstance(axis, (list, tuple)) else axis)
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self.center = center
        self.scale = scale
        set_weight_options(self, locals())
        self.renorm = renorm
        self.renorm_clipping = _clipping(renorm, renorm_clipping)
        self.renorm_momentum = renorm_momentum
        self.synchronized = synchronized
        self.supports_masking = True
        self.gamma = self.beta = None

    def build(self, input_shape):
        """Make the weights and the moving statistics, one to a channel."""
        if not -len(input_shape) <= self.axis < len(input_shape):
            raise ValueError(
                explain(
                    f"Layer '{self.name}' has no such axis to normalise",
                    expected=f"axis in [{-len(input_shape)}, {len(input_shape)})",
                    given=f"axis={self.axis}, input_shape={tuple(input_shape)}",
                )
            )
        shape = (input_shape[self.axis],)
        if self.scale:
            self.gamma = add_weight(self, "gamma", shape, autocast=False)
        if self.center:
            self.beta = add_weight(self, "beta", shape, autocast=False)
        state = {"shape": shape, "trainable": False, "autocast": False}
        self.moving_mean = self.add_weight(name="moving_mean", initializer=self.moving_mean_initializer, **state)
        self.moving_variance = self.add_weight(
            name="moving_variance", initializer=self.moving_variance_initializer, **state
        )
        if self.renorm:
            self.moving_stddev = self.add_weight(name="moving_stddev", initializer="ones", **state)
            self.renorm_mean = self.add_weight(name="renorm_mean", initializer=self.moving_mean_initializer, **state)
            self.renorm_stddev = self.add_weight(name="renorm_stddev", initializer="ones", **state)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: shape[0]})

    def call(self, inputs, training=None, mask=None):
        """The normalised inputs; in training the moving statistics change."""
        if mask is not None and len(mask.shape) != len(inputs.shape) - 1:
            raise ValueError(
                "The mask provided should be one dimension less than the inputs. "
                f"Received: mask.shape={tuple(mask.shape)}, inputs.shape={tuple(inputs.shape)} (layer '{self.name}')."
            )
        scale = None if self.gamma is None else self.gamma.value
        shift = None if self.beta is None else self.beta.value
        mean, variance = self.moving_mean.tensor, self.moving_variance.tensor
        if not (training and self.trainable):
            return norm.batch_norm(inputs, scale, shift, mean, variance, axis=self.axis, epsilon=self.epsilon)
        share = shards.current()
        if share is not None and (mask is not None or self.renorm):
            raise Unsupported(
                "BatchNormalization with a mask or renorm is not supported over several processes "
                f"(layer '{self.name}')."
            )
        if self.renorm:
            return self._renormalized(inputs, scale, shift, mask)
        return norm.batch_norm_train(
            inputs,
            scale,
            shift,
            mean,
            variance,
            axis=self.axis,
            momentum=self.momentum,
            epsilon=self.epsilon,
            mask=mask,
            share=share,
        )

    def _renormalized(self, inputs, scale, shift, mask):
        limits = self.renorm_clipping or {}
        outputs, mean, deviation = norm.batch_renorm_train(
            inputs,
            scale,
            shift,
            self.renorm_mean.tensor,
            self.renorm_stddev.tensor,
            axis=self.axis,
            momentum=self.renorm_momentum,
            epsilon=self.epsilon,
            mask=mask,
            least=limits.get("rmin"),
            most=limits.get("rmax"),
            shift_limit=limits.get("dmax"),
        )
        blend_(self.moving_mean.tensor, mean, self.momentum)
        blend_(self.moving_stddev.tensor, deviation, self.momentum)
        variance_from_deviation_(self.moving_variance.tensor, self.moving_stddev.tensor, self.epsilon)
        return outputs

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            **{
                name: saving.serialize_keras_object(getattr(self, name))
                for name in (
                    "beta_initializer",
                    "gamma_initializer",
                    "moving_mean_initializer",
                    "moving_variance_initializer",
                    "beta_regularizer",
                    "gamma_regularizer",
                    "beta_constraint",
                    "gamma_constraint",
                )
            },
            "synchronized": self.synchronized,
            "renorm": self.renorm,
            "renorm_clipping": self.renorm_clipping,
            "renorm_momentum": self.renorm_momentum,
        }


def _clipping(renorm, given):
    if given is None:
        return {} if renorm else None
    wrong = {key: value for key, value in given.items() if key not in ("rmax", "rmin", "dmax")}
    if wrong:
        raise ValueError(
            f"Received invalid keys for `renorm_clipping` argument: {wrong}. Supported values: ['rmax', 'rmin', "
            f"'dmax']."
        )
    return dict(given)


def _axes(axis):
    """The axes as a list. Raises TypeError for what are no integers."""
    axes = list(axis) if isinstance(axis, (list, tuple)) else [axis]
    if not all(isinstance(one, int) for one in axes):
        raise TypeError(f"Expected an int or a list/tuple of ints for the argument 'axis', but received: {axis!r}")
    return axes


class _Affine(Layer):
    """What normalisations with gamma and beta share."""

    def _set_affine(self, center, scale, given):
        self.center = center
        self.scale = scale
        set_weight_options(self, given)
        self.supports_masking = True
        self.gamma = self.beta = None

    def _make_affine(self, shape):
        for name, wanted in (("gamma", self.scale), ("beta", self.center)):
            if wanted:
                setattr(self, name, add_weight(self, name, shape, autocast=False))

    def _affine(self):
        return (None if weight is None else weight.value for weight in (self.gamma, self.beta))

    def _affine_config(self):
        names = ("initializer", "regularizer", "constraint")
        return {
            "center": self.center,
            "scale": self.scale,
            **{
                f"{weight}_{what}": saving.serialize_keras_object(getattr(self, f"{weight}_{what}"))
                for what in names
                for weight in ("beta", "gamma")
            },
        }


class LayerNormalization(_Affine):
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta`` with each sample's statistics over `axis`.

    axis: an integer or several; center, scale: whether beta and gamma are there; the initializers, regularizers and
    constraints of both. Ba, Kiros & Hinton, 2016.
    """

    def __init__(
        self,
        axis=-1,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        **kwargs,
    ):
        if kwargs.pop("rms_scaling", False):
            raise Unsupported("`rms_scaling=True` is not supported. Use `RMSNormalization`.")
        super().__init__(**kwargs)
        _axes(axis)
        self.axis = axis
        self.epsilon = epsilon
        self._set_affine(center, scale, locals())

    def build(self, input_shape):
        """Make gamma and beta."""
        self.axis = _axes(self.axis)
        self._make_affine(tuple(_size(input_shape, axis, self) for axis in self.axis))

    def call(self, inputs):
        """The normalised inputs."""
        scale, shift = self._affine()
        return norm.layer_norm(inputs, scale, shift, axes=tuple(self.axis), epsilon=self.epsilon)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "axis": self.axis,
            "epsilon": self.epsilon,
            "rms_scaling": False,
            **self._affine_config(),
        }


def _size(shape, axis, layer):
    if not -len(shape) <= axis < len(shape):
        raise ValueError(
            explain(
                f"Layer '{layer.name}' has no such axis to normalise",
                expected=f"axes in [{-len(shape)}, {len(shape)})",
                given=f"axis={axis}, input_shape={tuple(shape)}",
            )
        )
    if shape[axis] is None:
        raise ValueError(
            explain(
                f"Layer '{layer.name}' must know the size of the axis that it normalises",
                expected="a number",
                given=f"input_shape={tuple(shape)}, axis={axis}",
            )
        )
    return shape[axis]


class GroupNormalization(_Affine):
    """Normalisation with each sample's statistics over space and the channels of one group (Wu & He, 2018).

    groups: how many groups the channels fall into (-1: a group to a channel); axis: that of the channels; the rest as
    in `LayerNormalization`. Raises ValueError where the channels do not divide into groups.
    """

    def __init__(
        self,
        groups=32,
        axis=-1,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.groups = groups
        self.axis = axis
        self.epsilon = epsilon
        self._set_affine(center, scale, locals())

    def build(self, input_shape):
        """Make gamma and beta, one to a channel."""
        channels = _size(input_shape, self.axis, self)
        if self.groups == -1:
            self.groups = channels
        if channels < self.groups:
            raise ValueError(
                f"Number of groups ({self.groups}) cannot be more than the number of channels ({channels})."
            )
        if channels % self.groups:
            raise ValueError(
                f"The number of channels ({channels}) must be a multiple of the number of groups ({self.groups})."
            )
        self._make_affine((channels,))
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})

    def call(self, inputs):
        """The normalised inputs."""
        scale, shift = self._affine()
        return norm.group_norm(inputs, scale, shift, groups=self.groups, axis=self.axis, epsilon=self.epsilon)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "groups": self.groups,
            "axis": self.axis,
            "epsilon": self.epsilon,
            **self._affine_config(),
        }


class RMSNormalization(Layer):
    """``scale * x / sqrt(mean(x^2) + epsilon)`` with each sample's mean over `axis` (Zhang & Sennrich, 2019)."""

    def __init__(self, axis=-1, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        _axes(axis)
        self.axis = axis
        self.epsilon = epsilon

    def build(self, input_shape):
        """Make the scale."""
        self.axis = _axes(self.axis)
        shape = tuple(_size(input_shape, axis, self) for axis in self.axis)
        self.scale = self.add_weight(name="scale", shape=shape, initializer="ones", autocast=False)

    def call(self, inputs):
        """The normalised inputs."""
        return norm.rms_norm(inputs, self.scale.value, axes=tuple(self.axis), epsilon=self.epsilon)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}


class UnitNormalization(Layer):
    """``x / |x|`` with the norm over `axis` (an integer or several)."""

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(axis, (int, list, tuple)):
            raise TypeError(
                f"Invalid value for `axis` argument: expected an int or a list/tuple of ints. Received: {axis}"
            )
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else axis
        self.supports_masking = True
        self.__dict__["built"] = True

    def call(self, inputs):
        """The normalised inputs."""
        return norm.l2_normalize(inputs, self.axis, epsilon=1e-12, guard="most")

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "axis": self.axis}


__getattr__ = names_of("layers")  # Keras 2 had more at this path
