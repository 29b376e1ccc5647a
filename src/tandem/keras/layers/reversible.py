"""An embedding that also maps back: from vectors to scores of the entries."""

from tandem.keras.layers.core import Embedding
from tandem.keras.layers.quantized_tables import QuantizedReversible
from tandem.keras.layers.weight_options import add_weight
from tandem.keras.symbolic import KerasTensor
from tandem.keras.tensors import convert_input
from tandem.ops import linalg


class ReversibleEmbedding(QuantizedReversible, Embedding):
    """Rows of a table, and with `reverse` the products of vectors with all rows: the scores of the entries.

    tie_weights: whether one table serves both ways; reverse_dtype: in which the products are computed; logit_soft_cap:
    scores s become ``cap * tanh(s / cap)``; the rest as in `Embedding`.
    inputs: integers, or with `reverse` (…, output_dim) vectors, which give (…, input_dim).
    """

    _quantizable = True

    def __init__(
        self,
        input_dim,
        output_dim,
        tie_weights=True,
        embeddings_initializer="uniform",
        embeddings_regularizer=None,
        embeddings_constraint=None,
        mask_zero=False,
        reverse_dtype=None,
        logit_soft_cap=None,
        **kwargs,
    ):
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
            mask_zero=mask_zero,
            **kwargs,
        )
        self.tie_weights = tie_weights
        self.reverse_dtype = reverse_dtype
        self.logit_soft_cap = logit_soft_cap

    def build(self, inputs_shape=None):
        """Make the table, or both."""
        if self.built:
            return
        super().build(inputs_shape)
        if not self.tie_weights and self.quantization_mode is None:
            self.reverse_embeddings = add_weight(
                self, "reverse_embeddings", (self.output_dim, self.input_dim), of="embeddings"
            )

    def call(self, inputs, reverse=False):
        """The rows that `inputs` number, or the scores of all rows."""
        if self._adapted:
            return self._call_adapted(inputs, reverse)
        if not reverse:
            return super().call(inputs)
        own = self.__dict__
        kernel = own["embeddings"].value.t() if self.tie_weights else own["reverse_embeddings"].value
        return self._scores(inputs, kernel)

    def _scores(self, inputs, kernel):
        dtype = self.reverse_dtype or self.compute_dtype
        return self._capped(linalg.matmul(convert_input(inputs, dtype), convert_input(kernel, dtype)))

    def compute_output_shape(self, input_shape, reverse=False):
        """The shape of the output for an input of `input_shape`."""
        return (*input_shape[:-1], self.input_dim) if reverse else (*input_shape, self.output_dim)

    def compute_output_spec(self, inputs, reverse=False):
        """The shape and dtype of the output for a KerasTensor."""
        dtype = (self.reverse_dtype if reverse else None) or self.compute_dtype
        return KerasTensor(self.compute_output_shape(inputs.shape, reverse), dtype, name="spec")

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "tie_weights": self.tie_weights,
            "reverse_dtype": self.reverse_dtype,
            "logit_soft_cap": self.logit_soft_cap,
        }
