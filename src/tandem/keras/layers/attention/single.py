"""Attention without heads: the layers `Attention` and `AdditiveAttention`."""

from tandem.keras import random as keras_random
from tandem.keras.layers.base import Layer
from tandem.keras.symbolic import KerasTensor
from tandem.ops import attention, random


class Attention(Layer):
    """Dot-product attention: ``softmax(q k^T) v`` (Luong et al., 2015).

    use_scale: the scores are multiplied by a learned number; score_mode: "dot", or "concat" for ``w sum tanh(q + k)``
    with a learned w; dropout: part of the weights that is dropped in training; seed: of dropout.
    inputs: a list of query (batch, T, size), value (batch, S, size') and, if it is not the value, key (batch, S, size);
    mask: a list of their masks, (batch, T) and (batch, S). Returns (batch, T, size'), with `return_attention_scores`
    the weights (batch, T, S) as well. Raises ValueError for what is no such list.
    """

    def __init__(self, use_scale=False, score_mode="dot", dropout=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(
                f"Invalid value for argument score_mode. Expected one of {{'dot', 'concat'}}. "
                f"Received: score_mode={score_mode}"
            )
        self.use_scale = use_scale
        self.score_mode = score_mode
        self.dropout = dropout
        self.seed = seed
        if dropout > 0:
            self.seed_generator = keras_random.SeedGenerator(seed)
        self.scale = self.concat_score_weight = None
        self.supports_masking = True

    def build(self, input_shape):
        """Make the learned numbers."""
        self._check(input_shape)
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(name="concat_score_weight", shape=(), initializer="ones")

    def _check(self, inputs, mask=None):
        name = type(self).__name__
        if not isinstance(inputs, (list, tuple)) or (inputs and isinstance(inputs[0], int)):
            raise ValueError(
                f"{name} layer must be called on a list of inputs, namely [query, value] or [query, value, key]. "
                f"Received: inputs={inputs}."
            )
        if len(inputs) not in (2, 3):
            raise ValueError(
                f"{name} layer accepts inputs list of length 2 or 3, namely [query, value] or [query, value, key]. "
                f"Received length: {len(inputs)}."
            )
        if mask is not None:
            if not isinstance(mask, (list, tuple)):
                raise ValueError(
                    f"{name} layer mask must be a list, namely [query_mask, value_mask]. Received: mask={mask}."
                )
            if len(mask) not in (2, 3):
                raise ValueError(
                    f"{name} layer accepts mask list of length 2 or 3. Received a list of length: {len(mask)}."
                )

    def _scores(self, query, key):
        scale = None if self.scale is None else self.scale.value
        if self.score_mode == "dot":
            return attention.dot_scores(query, key, scale)
        return attention.additive_scores(query, key, self.concat_score_weight.value, scale)

    def call(self, inputs, mask=None, training=False, return_attention_scores=False, use_causal_mask=False):
        """The weighted sums of the values."""
        self._check(inputs, mask)
        query, value = inputs[:2]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, value_mask = (None, None) if mask is None else mask[:2]
        keep = attention.join_masks(value=value_mask)
        if use_causal_mask:
            keep = attention.both(
                keep, attention.causal_mask(query.shape[-2], key.shape[-2], device=query.device).unsqueeze(0)
            )
        weights = attention.score_weights(self._scores(query, key), keep)
        dropped = weights
        if training and self.dropout > 0:
            dropped = random.dropout(weights, self.dropout, generator=self.seed_generator.generator(weights.device))
        outputs = attention.apply(dropped, value, query_mask)
        return (outputs, weights) if return_attention_scores else outputs

    def compute_mask(self, inputs, mask=None):
        """The mask of the query."""
        self._check(inputs, mask)
        return None if mask is None or mask[0] is None else mask[0]

    def compute_output_shape(self, input_shape):
        """The shape of the output for the shapes of query, value and key."""
        return (*input_shape[0][:-1], input_shape[1][-1])

    def compute_output_spec(
        self, inputs, mask=None, return_attention_scores=False, training=None, use_causal_mask=False
    ):
        """The shapes and dtypes of the outputs for KerasTensors."""
        self._check(inputs, mask)
        query, value = inputs[:2]
        key = inputs[2] if len(inputs) > 2 else value
        outputs = KerasTensor((*query.shape[:-1], value.shape[-1]), self.compute_dtype, name="spec")
        if not return_attention_scores:
            return outputs
        return outputs, KerasTensor((*query.shape[:2], key.shape[1]), self.compute_dtype, name="spec")

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "use_scale": self.use_scale,
            "score_mode": self.score_mode,
            "dropout": self.dropout,
            "seed": self.seed,
        }


class AdditiveAttention(Attention):
    """Additive attention: ``softmax(sum scale * tanh(q + k)) v`` (Bahdanau et al., 2015).

    use_scale: each feature is weighted by a learned number; the rest as in `Attention`.
    """

    def __init__(self, use_scale=True, dropout=0.0, **kwargs):
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape):
        """Make the weights of the features."""
        self._check(input_shape)
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(input_shape[0][-1],), initializer="glorot_uniform")

    def _scores(self, query, key):
        return attention.additive_scores(query, key, None if self.scale is None else self.scale.value)

    def get_config(self):
        """The arguments that make an equal layer."""
        config = super().get_config()
        del config["score_mode"]
        return config
