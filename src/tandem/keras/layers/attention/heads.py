"""Attention with several heads: the layers `MultiHeadAttention` and `GroupQueryAttention`."""

from tandem.keras import naming, regularizers, tensors
from tandem.keras.layers.activation import Softmax
from tandem.keras.layers.base import Layer
from tandem.keras.layers.einsum import EinsumDense
from tandem.keras.layers.regularization import Dropout
from tandem.keras.layers.weight_options import serialized, set_weight_options
from tandem.ops import attention


def _positive(value, name, *, none=False):
    if (none and value is None) or (hasattr(value, "__index__") and value > 0):
        return value
    raise ValueError(
        f"Received an invalid value for argument `{name}`, expected a positive integer{' or `None`' if none else ''}. "
        f"Received: {name}={value}"
    )


class _Heads(Layer):
    """What attention with heads shares: projections, masks, and the two ways to compute."""

    _asks_queries = True  # whether an argument `query_mask` counts, and not only the mask that the query brings along

    def _set_up(self, dropout, use_bias, sliding_window, flash_attention, use_gate, seed, given):
        if sliding_window is not None and (not isinstance(sliding_window, int) or sliding_window <= 0):
            raise ValueError(
                f"`sliding_window` must be `None` or a positive integer. Received: sliding_window={sliding_window}"
            )
        if flash_attention and dropout > 0:
            raise ValueError(
                "Dropout is not supported when flash attention is enabled. Please set dropout to 0.0 to use flash "
                "attention."
            )
        set_weight_options(self, given)
        self._dropout = dropout
        self._use_bias = use_bias
        self._sliding_window = sliding_window
        self._flash_attention = flash_attention
        self._use_gate = use_gate
        self.seed = seed
        self.supports_masking = True

    def _project(self, name, rank, kept, output_shape, activation=None):
        """A dense layer which keeps `kept` axes of its input (of `rank` axes) and maps the others to new ones."""
        letters = [chr(ord("a") + place) for place in range(rank + len(output_shape))]
        inputs, new = letters[:rank], letters[rank:]
        equation = f"{''.join(inputs)},{''.join(inputs[kept:] + new)}->{''.join(inputs[:kept] + new)}"
        again = {
            f"{of}_{what}": getattr(self, f"{of}_{what}")
            for of in ("kernel", "bias")
            for what in ("regularizer", "constraint")
        }
        for of in ("kernel", "bias"):
            initializer = getattr(self, f"{of}_initializer")
            copied = hasattr(initializer, "get_config")
            again[f"{of}_initializer"] = initializer.from_config(initializer.get_config()) if copied else initializer
        return EinsumDense(
            equation,
            output_shape=(*(None,) * (kept - 1), *output_shape),
            bias_axes="".join(new) if self._use_bias else None,
            activation=activation,
            activity_regularizer=self.activity_regularizer,
            name=name,
            dtype=self.dtype_policy,
            **again,
        )

    def _make_inner(self, axes=(-1,)):
        # Layers as in Keras, whose names are counted whether or not there is something to drop.
        self._softmax = Softmax(axis=axes, dtype=self.dtype_policy)
        self._dropout_layer = Dropout(self._dropout, dtype=self.dtype_policy, seed=self.seed)

    def _drop(self, weights, training):
        return self._dropout_layer(weights, training=training) if self._dropout > 0 else weights

    def _without_mask(self, x):
        """A tensor without the mask that travels with it: the projections take none."""
        return x if tensors.get_mask(x) is None else x.view_as(x)

    def _check_flash(self, wanted):
        if self._flash_attention and wanted:
            raise ValueError(
                "Returning attention scores is not supported when flash attention is enabled. Please disable flash "
                "attention to access attention scores."
            )

    def _mask(self, query, value, masks, attention_mask, use_causal_mask):
        """One mask of the steps: from their own, the one given, the order of time and the window."""
        steps = (query.shape[1], value.shape[1])
        keep = attention.join_masks(*masks)
        if use_causal_mask:
            keep = attention.both(keep, attention.causal_mask(*steps, device=query.device).unsqueeze(0))
        if self._sliding_window is not None:
            band = attention.band_mask(*steps, self._sliding_window, device=query.device)
            keep = attention.both(keep, band.unsqueeze(0))
        return attention.both(attention_mask, keep)

    def call(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
        use_causal_mask=False,
    ):
        """The projected outputs of all heads, and their weights where they are asked for."""
        self._check_flash(return_attention_scores)
        key = value if key is None else key
        masks = (query_mask if self._asks_queries else tensors.get_mask(query), value_mask, key_mask)
        keep = self._mask(query, value, masks, attention_mask, use_causal_mask)
        query, key, value = (self._without_mask(x) for x in (query, key, value))
        gate = self._gate_dense(query) if self._use_gate else None
        query, key, value = self._query_dense(query), self._key_dense(key), self._value_dense(value)
        outputs, weights = self._compute_attention(query, key, value, keep, training, return_attention_scores)
        if gate is not None:
            outputs = attention.gated(outputs, gate)
        outputs = self._output_dense(outputs)
        return (outputs, weights) if return_attention_scores else outputs

    def compute_output_spec(self, *args, **kwargs):
        """The shapes and dtypes of the outputs for KerasTensors."""
        return self._infer(args, kwargs)

    def _tail(self):
        return {
            **serialized(self, ("kernel", "bias")),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "seed": self.seed,
        }


class MultiHeadAttention(_Heads):
    """Attention with several heads: each attends with projections of its own (Vaswani et al., 2017).

    num_heads; key_dim: size of queries and keys of a head; value_dim: of its values (default: key_dim); dropout: part
    of the weights that is dropped in training; output_shape: the output's features (default: the query's);
    attention_axes: the axes of steps (default: all but batch and features); sliding_window: how near in time a key must
    be; flash_attention: whether the fused kernel must do; use_gate: the heads' output is multiplied by another
    projection of the query; seed: of dropout; the initializers, regularizers and constraints of all projections.
    query: (batch, T, size); value, key: (batch, S, size'); query_mask, value_mask, key_mask: their masks;
    attention_mask: (batch, T, S), False for what is not attended to; use_causal_mask: no attention to later steps.
    Returns (batch, T, features), with `return_attention_scores` the weights (batch, heads, T, S) as well.
    Raises ValueError for sizes that are no positive integers.
    """

    def __init__(
        self,
        num_heads,
        key_dim,
        value_dim=None,
        dropout=0.0,
        use_bias=True,
        output_shape=None,
        attention_axes=None,
        sliding_window=None,
        flash_attention=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        use_gate=False,
        seed=None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._num_heads = _positive(num_heads, "num_heads")
        self._key_dim = _positive(key_dim, "key_dim")
        self._value_dim = _positive(value_dim, "value_dim", none=True) or key_dim
        self._set_up(dropout, use_bias, sliding_window, flash_attention, use_gate, seed, locals())
        if output_shape is not None:
            if not isinstance(output_shape, int) and not isinstance(output_shape, (list, tuple)):
                raise ValueError(
                    "Invalid `output_shape`: expected a positive integer, or a tuple of them. "
                    f"Received: output_shape={output_shape}"
                )
            output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self._output_shape = output_shape
        if isinstance(attention_axes, int):
            attention_axes = (attention_axes,)
        self._attention_axes = None if attention_axes is None else tuple(attention_axes)

    _asks_queries = False  # so in Keras 3.15, which
    takes_masks_off = True  # the caller's own tensors: what it does with them next has none either.

    def _without_mask(self, x):
        if tensors.get_mask(x) is not None:
            tensors.set_mask(x, None)
        return x

    num_heads = property(lambda self: self._num_heads, doc="How many heads there are.")
    key_dim = property(lambda self: self._key_dim, doc="The size of a head's queries and keys.")
    value_dim = property(lambda self: self._value_dim, doc="The size of a head's values.")
    dropout = property(lambda self: self._dropout, doc="The part of the weights that is dropped in training.")
    use_bias = property(lambda self: self._use_bias, doc="Whether the projections have a bias.")
    attention_axes = property(lambda self: self._attention_axes, doc="The axes of steps.")
    query_dense = property(lambda self: self._query_dense, doc="The projection of the query.")
    key_dense = property(lambda self: self._key_dense, doc="The projection of the key.")
    value_dense = property(lambda self: self._value_dense, doc="The projection of the value.")
    output_dense = property(lambda self: self._output_dense, doc="The projection of the output.")

    def build(self, query_shape, value_shape, key_shape=None):
        """Build the projections."""
        key_shape = value_shape if key_shape is None else key_shape
        heads, rank = self._num_heads, len(query_shape)
        self._check_shapes(query_shape, value_shape, key_shape)
        self._query_dense = self._project("query", rank, rank - 1, (heads, self._key_dim))
        self._query_dense.build(query_shape)
        self._key_dense = self._project("key", len(key_shape), len(key_shape) - 1, (heads, self._key_dim))
        self._key_dense.build(key_shape)
        if self._use_gate:
            self._gate_dense = self._project("gate", rank, rank - 1, (heads, self._value_dim), "sigmoid")
            self._gate_dense.build(query_shape)
        self._value_dense = self._project("value", len(value_shape), len(value_shape) - 1, (heads, self._value_dim))
        self._value_dense.build(value_shape)
        if self._attention_axes is None:
            self._attention_axes = tuple(range(1, rank - 1))
        self._make_inner(tuple(range(-len(self._attention_axes), 0)))
        output_shape = self._output_shape or (query_shape[-1],)
        self._output_dense = self._project("attention_output", rank + 1, rank - 1, output_shape)
        self._output_dense.build((*query_shape[:-1], heads, self._value_dim))

    def _check_shapes(self, query_shape, value_shape, key_shape):
        if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
            raise ValueError(
                "All dimensions of `value` and `key`, except the last one, must be equal. "
                f"Received: value_shape={tuple(value_shape)} and key_shape={tuple(key_shape)}"
            )

    def _compute_attention(self, query, key, value, attention_mask=None, training=None, return_attention_scores=False):
        """(the sums of the values, the weights or None); query, key, value: (batch, …, heads, size)."""
        axes, scale = self._attention_axes, attention.inverse_root(self._key_dim)
        if self._dropout == 0 and not return_attention_scores and query.ndim == 4 and axes == (1,):
            if attention_mask is not None and attention_mask.ndim < 4:
                attention_mask = attention_mask.reshape(
                    *attention_mask.shape[:-2], *(1,) * (4 - attention_mask.ndim), *attention_mask.shape[-2:]
                )
            return attention.dot_product_attention(query, key, value, mask=attention_mask, scale=scale), None
        scores = attention.scores(query, key, axes, scale=scale)
        weights = self._softmax(scores, mask=attention.with_heads(attention_mask, scores, len(self._softmax.axis)))
        return attention.combine(self._drop(weights, training), value, axes), weights

    def compute_output_shape(self, query_shape, value_shape, key_shape=None):
        """The shape of the output for the shapes of query, value and key."""
        self._check_shapes(query_shape, value_shape, value_shape if key_shape is None else key_shape)
        return (*query_shape[:-1], *(self._output_shape or (query_shape[-1],)))

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "num_heads": self._num_heads,
            "key_dim": self._key_dim,
            "value_dim": self._value_dim,
            "dropout": self._dropout,
            "use_bias": self._use_bias,
            "use_gate": self._use_gate,
            "output_shape": self._output_shape,
            "attention_axes": self._attention_axes,
            "sliding_window": self._sliding_window,
            **self._tail(),
        }


class GroupQueryAttention(_Heads):
    """Attention in which several heads of queries share a head of keys and values (Ainslie et al., 2023).

    head_dim: size of each head; num_query_heads: a multiple of num_key_value_heads; the rest as in
    `MultiHeadAttention`. query: (batch, T, size); value, key: (batch, S, size'). Returns (batch, T, size), with
    `return_attention_scores` the weights (batch, query heads, T, S) as well.
    """

    def __init__(
        self,
        head_dim,
        num_query_heads,
        num_key_value_heads,
        dropout=0.0,
        use_bias=True,
        sliding_window=None,
        flash_attention=None,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        use_gate=False,
        seed=None,
        **kwargs,
    ):
        kwargs["name"] = kwargs.get("name") or naming.auto_name("grouped_query_attention")
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        if num_query_heads % num_key_value_heads:
            raise ValueError("`num_query_heads` must be divisible by `num_key_value_heads`.")
        self.head_dim = head_dim
        self.num_query_heads = num_query_heads
        self.num_key_value_heads = num_key_value_heads
        self.dropout = dropout
        self.use_bias = use_bias
        self.use_gate = use_gate
        self.sliding_window = sliding_window
        self._set_up(dropout, use_bias, sliding_window, flash_attention, use_gate, seed, locals())

    def build(self, query_shape, value_shape, key_shape=None):
        """Build the projections."""
        key_shape = value_shape if key_shape is None else key_shape
        queries, keys = (self.num_query_heads, self.head_dim), (self.num_key_value_heads, self.head_dim)
        self._query_dense = self._project("query", 3, 2, queries)
        self._query_dense.build(query_shape)
        self._key_dense = self._project("key", 3, 2, keys)
        self._key_dense.build(key_shape)
        if self._use_gate:
            self._gate_dense = self._project("gate", 3, 2, queries, "sigmoid")
            self._gate_dense.build(query_shape)
        self._value_dense = self._project("value", 3, 2, keys)
        self._value_dense.build(value_shape)
        self._make_inner()
        self._output_dense = self._project("attention_output", 4, 2, (query_shape[-1],))
        self._output_dense.build((*query_shape[:-1], *queries))

    def _compute_attention(self, query, key, value, attention_mask=None, training=None, return_attention_scores=False):
        """(the sums of the values, the weights or None); query, key, value: (batch, steps, heads, size)."""
        scale = attention.inverse_root(self.head_dim)
        if self._dropout == 0 and not return_attention_scores:
            if attention_mask is not None and attention_mask.ndim == 3:
                attention_mask = attention_mask.unsqueeze(1)
            return attention.dot_product_attention(query, key, value, mask=attention_mask, scale=scale), None
        scores = attention.grouped_scores(query, key, scale=scale)
        weights = self._softmax(scores, mask=attention.with_heads(attention_mask, scores, len(self._softmax.axis)))
        return attention.grouped_combine(self._drop(weights, training), value), weights

    def compute_output_shape(self, query_shape, value_shape, key_shape=None):
        """The shape of the output for the shapes of query, value and key."""
        key_shape = value_shape if key_shape is None else key_shape
        if query_shape[-1] != value_shape[-1]:
            raise ValueError(
                f"The last dimension of `query_shape` and `value_shape` must be equal, but are {query_shape[-1]}, "
                f"{value_shape[-1]}. Received: query_shape={query_shape}, value_shape={value_shape}"
            )
        if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
            raise ValueError(
                "All dimensions of `value` and `key`, except the last one, must be equal. "
                f"Received: value_shape={value_shape} and key_shape={key_shape}"
            )
        return query_shape

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "head_dim": self.head_dim,
            "num_query_heads": self.num_query_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "use_bias": self.use_bias,
            "use_gate": self.use_gate,
            "sliding_window": self.sliding_window,
            "dropout": self.dropout,
            **self._tail(),
        }
