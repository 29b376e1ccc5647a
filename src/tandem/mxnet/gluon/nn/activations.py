"""Activations as layers."""

from tandem.core.errors import explain
from tandem.mxnet import initializer
from tandem.mxnet.gluon import extensions
from tandem.mxnet.gluon.block import HybridBlock

__all__ = ["ELU", "GELU", "SELU", "Activation", "LeakyReLU", "PReLU", "SiLU", "Swish"]

_OWN = ("relu", "sigmoid", "softrelu", "softsign", "tanh")


class Activation(HybridBlock):
    """An activation by name: 'relu', 'sigmoid', 'tanh', 'softrelu' (log(1 + e^x)), 'softsign', or one of Keras's names.

    Raises MXNetError, at the first call, for an unknown name.
    """

    def __init__(self, activation, **kwargs):
        self.__dict__["_act_type"] = activation
        super().__init__(**kwargs)
        self._axis = -1

    def _alias(self):
        return self._act_type

    def __repr__(self):
        return f"{type(self).__name__}({self._act_type})"

    def hybrid_forward(self, F, x):
        """act(x)."""
        if self._act_type in _OWN or not extensions.is_activation(self._act_type):
            return F.Activation(x, act_type=self._act_type, name="fwd")
        return extensions.activate(self._act_type, x, self._axis)


class LeakyReLU(HybridBlock):
    """x where x > 0, else alpha·x.

    Raises AssertionError for alpha < 0. Source: Maas et al. 2013.
    """

    def __init__(self, alpha, **kwargs):
        if alpha < 0:
            raise AssertionError(
                explain("Slope coefficient for LeakyReLU must be no less than 0", given=f"alpha={alpha}")
            )
        super().__init__(**kwargs)
        self._alpha = alpha

    def hybrid_forward(self, F, x):
        """max(x, 0) + alpha·min(x, 0)."""
        return F.LeakyReLU(x, act_type="leaky", slope=self._alpha, name="fwd")

    def __repr__(self):
        return f"{type(self).__name__}({self._alpha})"


class PReLU(HybridBlock):
    """x where x > 0, else alpha·x with a learned alpha.

    alpha_initializer: 0.25 where None is given; in_channels: how many alphas (1, or one for each channel at axis 1).
    Source: He et al. 2015.
    """

    def __init__(self, alpha_initializer=None, in_channels=1, **kwargs):
        super().__init__(**kwargs)
        alpha_initializer = initializer.Constant(0.25) if alpha_initializer is None else alpha_initializer
        with self.name_scope():
            self.alpha = self.params.get("alpha", shape=(in_channels,), init=alpha_initializer)

    def hybrid_forward(self, F, x, alpha):
        """max(x, 0) + alpha·min(x, 0)."""
        return F.LeakyReLU(x, gamma=alpha, act_type="prelu", name="fwd")


class ELU(HybridBlock):
    """x where x > 0, else alpha·(e^x − 1). Source: Clevert et al. 2016."""

    def __init__(self, alpha=1.0, **kwargs):
        super().__init__(**kwargs)
        self._alpha = alpha

    def hybrid_forward(self, F, x):
        """elu(x)."""
        return F.LeakyReLU(x, act_type="elu", slope=self._alpha, name="fwd")


class SELU(HybridBlock):
    """Scaled ELU with the constants that keep mean 0 and variance 1. Source: Klambauer et al. 2017."""

    def hybrid_forward(self, F, x):
        """selu(x)."""
        return F.LeakyReLU(x, act_type="selu", name="fwd")


class GELU(HybridBlock):
    """x·Φ(x), Φ the normal distribution function. Source: Hendrycks & Gimpel 2016."""

    def hybrid_forward(self, F, x):
        """gelu(x)."""
        return F.LeakyReLU(x, act_type="gelu", name="fwd")


class Swish(HybridBlock):
    """x·sigmoid(beta·x). Source: Ramachandran et al. 2017."""

    def __init__(self, beta=1.0, **kwargs):
        super().__init__(**kwargs)
        self._beta = beta

    def hybrid_forward(self, F, x):
        """swish(x)."""
        return x * F.sigmoid(self._beta * x)


class SiLU(Swish):
    """x·sigmoid(x): Swish with beta = 1."""

    def __init__(self, **kwargs):
        super().__init__(1.0, **kwargs)
