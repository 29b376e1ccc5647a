"""Spectral normalization of another layer's kernel."""

from tandem.core.errors import explain
from tandem.keras import initializers
from tandem.keras.layers.input_spec import InputSpec
from tandem.keras.layers.wrappers import Wrapper
from tandem.ops import attention


class SpectralNormalization(Wrapper):
    """A layer whose kernel is divided by its largest singular value at each call in training (Miyato et al., 2018).

    layer: one with a weight `kernel` or `embeddings`; power_iterations: steps of the estimate. Raises ValueError where
    there is no such weight, and for iterations that are no positive number.
    """

    def __init__(self, layer, power_iterations=1, **kwargs):
        super().__init__(layer, **kwargs)
        if power_iterations <= 0:
            raise ValueError(
                f"`power_iterations` should be greater than zero. Received: `power_iterations={power_iterations}`"
            )
        self.power_iterations = power_iterations

    def build(self, input_shape):
        """Build the layer inside and the estimate of its kernel's singular vector."""
        super().build(input_shape)
        self.input_spec = InputSpec(shape=[None, *input_shape[1:]])
        for name in ("kernel", "embeddings"):
            if hasattr(self.layer, name):
                self.kernel = getattr(self.layer, name)
                break
        else:
            raise ValueError(
                explain(
                    f"{type(self.layer).__name__} object has no attribute 'kernel' nor 'embeddings'",
                    expected="a layer with a kernel or a table",
                    given=repr(self.layer),
                )
            )
        self.kernel_shape = self.kernel.shape
        self.vector_u = self.add_weight(
            name="vector_u",
            shape=(1, self.kernel_shape[-1]),
            initializer=initializers.TruncatedNormal(stddev=0.02),
            trainable=False,
            dtype=self.kernel.dtype,
        )

    def call(self, inputs, training=False):
        """What the layer inside gives; in training its kernel is normalized first."""
        if training:
            weight, vector = self.normalized_weights()
            self.kernel.assign(weight.to(self.kernel.tensor.dtype))
            self.vector_u.assign(vector.to(self.vector_u.tensor.dtype))
        return self.layer(inputs)

    def normalized_weights(self):
        """(the kernel divided by its largest singular value, the new estimate of its singular vector)."""
        return attention.spectral_step(self.kernel.value.detach(), self.vector_u.tensor.detach(), self.power_iterations)

    def compute_output_shape(self, input_shape):
        """The shape of the layer's output for an input of `input_shape`."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "power_iterations": self.power_iterations}
