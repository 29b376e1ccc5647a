"""Recurrent layers over whole sequences."""

from tandem.core import scope
from tandem.core.arrays import Array
from tandem.core.errors import explain
from tandem.mxnet.gluon.block import HybridBlock
from tandem.mxnet.gluon.rnn.sequences import zeros
from tandem.mxnet.gluon.utils import apply_op
from tandem.ops import random, rnn, rnn_stack

__all__ = ["GRU", "LSTM", "RNN"]


class _RNNLayer(HybridBlock):
    """Layers of recurrences on top of each other, in one or both directions."""

    def __init__(
        self,
        hidden_size,
        num_layers,
        layout,
        dropout,
        bidirectional,
        input_size,
        i2h_weight_initializer,
        h2h_weight_initializer,
        i2h_bias_initializer,
        h2h_bias_initializer,
        mode,
        projection_size=None,
        h2r_weight_initializer=None,
        lstm_state_clip_min=None,
        lstm_state_clip_max=None,
        lstm_state_clip_nan=False,
        dtype="float32",
        use_sequence_length=False,
        prefix=None,
        params=None,
    ):
        super().__init__(prefix=prefix, params=params)
        if layout not in ("TNC", "NTC"):
            raise AssertionError(explain(f"Invalid layout {layout}", expected="'TNC' or 'NTC'"))
        self._hidden_size = hidden_size
        self._projection_size = projection_size or None
        self._num_layers = num_layers
        self._mode = mode
        self._layout = layout
        self._dropout = dropout
        self._dir = 2 if bidirectional else 1
        self._input_size = input_size
        self._state_clip = rnn_stack.cell_clip(lstm_state_clip_min, lstm_state_clip_max, lstm_state_clip_nan)
        self._dtype = dtype
        self._use_sequence_length = use_sequence_length
        shapes = rnn_stack.weight_shapes(
            mode, input_size, hidden_size, layers=num_layers, directions=self._dir, projection=self._projection_size
        )
        inits = (
            ("i2h_weight", "w_in", i2h_weight_initializer),
            ("h2h_weight", "w_rec", h2h_weight_initializer),
            ("i2h_bias", "b_in", i2h_bias_initializer),
            ("h2h_bias", "b_rec", h2h_bias_initializer),
            ("h2r_weight", "w_proj", h2r_weight_initializer),
        )
        self._names = []
        for layer, row in enumerate(shapes):
            self._names.append([])
            for direction, weights in zip("lr", row):
                names = {}
                for name, field, init in inits:
                    shape = getattr(weights, field)
                    if shape is None:
                        continue
                    if field == "w_in" and layer == 0 and not input_size:
                        shape = (shape[0], 0)
                    names[field] = f"{direction}{layer}_{name}"
                    setattr(
                        self,
                        names[field],
                        self.params.get(names[field], shape=shape, init=init, allow_deferred_init=True, dtype=dtype),
                    )
                self._names[-1].append(names)

    def _collect_params_with_prefix(self, prefix=""):
        """Structural name -> parameter: MXNet's files name the weights as those of a stack of cells."""
        prefix = prefix + "." if prefix else ""
        found = {}
        for key, parameter in self._reg_params.items():
            place, _, name = key.partition("_")
            cell = f"{place[0]}_cell." if self._dir == 2 else ""
            found[f"{prefix}_unfused.{place[1:]}.{cell}{name}"] = parameter
        return found

    def _unfuse(self):
        """A stack of cells with this layer's parameters.

        Raises AssertionError for a layer with projections or clipped states, which the cells do not have.
        """
        from tandem.mxnet.gluon.rnn import rnn_cell

        if self._projection_size or self._state_clip:
            raise AssertionError(explain("_unfuse does not support projection layers or clipped states yet!"))
        kind = {"lstm": rnn_cell.LSTMCell, "gru": rnn_cell.GRUCell}.get(self._mode, rnn_cell.RNNCell)
        options = {"activation": self._mode.partition("_")[2]} if kind is rnn_cell.RNNCell else {}
        stack = rnn_cell.HybridSequentialRNNCell(prefix=self.prefix, params=self.params)
        with stack.name_scope():
            size = self._input_size
            for layer in range(self._num_layers):
                cells = [
                    kind(self._hidden_size, input_size=size, prefix=f"{direction}{layer}_", **options)
                    for direction in "lr"[: self._dir]
                ]
                stack.add(cells[0] if len(cells) == 1 else rnn_cell.BidirectionalCell(*cells))
                if self._dropout > 0 and layer + 1 < self._num_layers:
                    stack.add(rnn_cell.DropoutCell(self._dropout))
                size = self._hidden_size * self._dir
        return stack

    def __repr__(self):
        content = f"{self.l0_i2h_weight.shape[1] or None} -> {self._hidden_size}, {self._layout}"
        if self._num_layers != 1:
            content += f", num_layers={self._num_layers}"
        if self._dropout != 0:
            content += f", dropout={self._dropout}"
        if self._dir == 2:
            content += ", bidirectional"
        return f"{type(self).__name__}({content})"

    def state_info(self, batch_size=0):
        """A list of dicts with the 'shape', '__layout__' and 'dtype' of each state."""
        rows = self._num_layers * self._dir
        sizes = [self._projection_size or self._hidden_size]
        if self._mode == "lstm":
            sizes.append(self._hidden_size)
        return [{"shape": (rows, batch_size, size), "__layout__": "LNC", "dtype": self._dtype} for size in sizes]

    def begin_state(self, batch_size=0, func=None, **kwargs):
        """The states before the first step, a list.

        func: makes an array from shape=, dtype= and the further keyword arguments, `mx.nd.zeros` where None.
        """
        func = zeros if func is None else func
        return [
            func(**{"shape": info["shape"], "dtype": info["dtype"], **kwargs}) for info in self.state_info(batch_size)
        ]

    def forward(self, inputs, states=None, sequence_length=None):
        """All steps: the outputs, or where states are given (outputs, states after the last step).

        inputs: (time, batch, features) or, with layout 'NTC', (batch, time, features); states: as `begin_state` makes
        them; sequence_length: (batch,) steps of each sequence, with use_sequence_length=True.
        Raises ValueError for states of another shape.
        """
        return super().forward(inputs, states, sequence_length)

    def _shapes_from_data(self, inputs, states, sequence_length):
        shapes = {}
        for names in self._names[0]:
            parameter = self._reg_params[names["w_in"]]
            shapes[names["w_in"]] = (parameter.shape[0], inputs.shape[2])
        return shapes

    def hybrid_forward(self, F, inputs, states=None, sequence_length=None, **params):
        """See `forward`."""
        if hasattr(inputs, "list_outputs"):
            return self._symbolic(F, inputs, states, sequence_length, params)
        given = states is not None
        if given:
            states = [states] if isinstance(states, Array) else list(states)
            self._check_states(states, inputs.shape[self._layout.find("N")])
        if (sequence_length is not None) != self._use_sequence_length:
            raise ValueError(
                explain(
                    "sequence_length goes with use_sequence_length=True",
                    given=f"use_sequence_length={self._use_sequence_length}, sequence_length={sequence_length}",
                )
            )
        order = [name for row in self._names for names in row for name in names.values()]
        outputs, *after = apply_op(
            self._compute, inputs, sequence_length, *(states or ()), *(params[name] for name in order)
        )
        return (outputs, after) if given else outputs

    def _symbolic(self, F, inputs, states, sequence_length, params):
        """The same with symbols: one `RNN` operator with all weights as one vector, which MXNet's files have."""
        given = states is not None
        if not given:
            states = self.begin_state(0, func=F.zeros)
        states = list(states) if isinstance(states, (list, tuple)) else [states]
        if self._layout == "NTC":
            inputs = F.swapaxes(inputs, dim1=0, dim2=1)
        weights = []
        for kind in ("weight", "bias"):
            for key in (key for row in self._names for names in row for key in names.values()):
                if key.endswith(kind):
                    weights.append(F.reshape(params[key], shape=-1))
        if self._use_sequence_length:
            states.append(sequence_length)
        packed = F._internal._rnn_param_concat(*weights, dim=0)
        outputs = F.RNN(
            inputs,
            packed,
            *states,
            use_sequence_length=self._use_sequence_length,
            state_size=self._hidden_size,
            projection_size=self._projection_size or None,
            num_layers=self._num_layers,
            bidirectional=self._dir == 2,
            p=self._dropout,
            state_outputs=True,
            mode=self._mode,
        )
        outputs, after = outputs[0], list(outputs)[1:]
        if self._layout == "NTC":
            outputs = F.swapaxes(outputs, dim1=0, dim2=1)
        return (outputs, after) if given else outputs

    def _compute(self, inputs, lengths, *tensors):
        """The outputs and the states, from tensors: the states that were given, then all weights."""
        weights, tensors = [], list(tensors)
        for row in reversed(self._names):
            weights.insert(0, [])
            for names in reversed(row):
                taken, tensors = tensors[-len(names) :], tensors[: -len(names)]
                weights[0].insert(0, rnn_stack.Weights(**dict(zip(names, taken))))
        mask = None if lengths is None else rnn.length_mask(lengths, inputs.shape[self._layout.find("T")])
        if mask is not None and self._layout == "TNC":
            mask = mask.transpose(0, 1)
        between = None
        if self._dropout and scope.is_training():

            def between(outputs):
                return random.dropout(outputs, self._dropout)

        outputs, after = rnn_stack.stacked(
            inputs,
            tuple(tensors) or None,
            weights,
            mode=self._mode,
            layout=self._layout,
            mask=mask,
            between=between,
            cell_clip=self._state_clip,
        )
        return (outputs, *after)

    def _check_states(self, states, batch_size):
        for state, info in zip(states, self.state_info(batch_size), strict=True):
            if tuple(state.shape) != info["shape"]:
                raise ValueError(
                    explain("Invalid recurrent state shape", expected=f"{info['shape']}", given=f"{tuple(state.shape)}")
                )


class RNN(_RNNLayer):
    """h' = act(W·x + b + U·h + c), in layers.

    hidden_size; num_layers; activation: 'relu' or 'tanh'; layout: 'TNC' or 'NTC'; dropout: between layers, in training;
    bidirectional; *_initializer; input_size: from the first input where 0; dtype.
    """

    def __init__(
        self,
        hidden_size,
        num_layers=1,
        activation="relu",
        layout="TNC",
        dropout=0,
        bidirectional=False,
        i2h_weight_initializer=None,
        h2h_weight_initializer=None,
        i2h_bias_initializer="zeros",
        h2h_bias_initializer="zeros",
        input_size=0,
        dtype="float32",
        **kwargs,
    ):
        if activation not in ("relu", "tanh"):
            raise KeyError(explain("Unknown activation of an RNN", expected="'relu' or 'tanh'", given=repr(activation)))
        super().__init__(
            hidden_size,
            num_layers,
            layout,
            dropout,
            bidirectional,
            input_size,
            i2h_weight_initializer,
            h2h_weight_initializer,
            i2h_bias_initializer,
            h2h_bias_initializer,
            f"rnn_{activation}",
            dtype=dtype,
            **kwargs,
        )


class LSTM(_RNNLayer):
    """Long short-term memory, in layers: c' = f∘c + i∘g, h' = o∘tanh(c'); gates in the order i, f, g, o.

    hidden_size; num_layers; layout: 'TNC' or 'NTC'; dropout: between layers, in training; bidirectional; input_size:
    from the first input where 0; *_initializer; projection_size: of a linear map of h', None for none; state_clip_min,
    state_clip_max: bounds of c'; state_clip_nan: whether NaN becomes the upper bound; dtype.
    """

    def __init__(
        self,
        hidden_size,
        num_layers=1,
        layout="TNC",
        dropout=0,
        bidirectional=False,
        input_size=0,
        i2h_weight_initializer=None,
        h2h_weight_initializer=None,
        i2h_bias_initializer="zeros",
        h2h_bias_initializer="zeros",
        projection_size=None,
        h2r_weight_initializer=None,
        state_clip_min=None,
        state_clip_max=None,
        state_clip_nan=False,
        dtype="float32",
        **kwargs,
    ):
        super().__init__(
            hidden_size,
            num_layers,
            layout,
            dropout,
            bidirectional,
            input_size,
            i2h_weight_initializer,
            h2h_weight_initializer,
            i2h_bias_initializer,
            h2h_bias_initializer,
            "lstm",
            projection_size,
            h2r_weight_initializer,
            state_clip_min,
            state_clip_max,
            state_clip_nan,
            dtype,
            **kwargs,
        )


class GRU(_RNNLayer):
    """Gated recurrent units, in layers: h' = (1 − z)∘n + z∘h, n = tanh(W·x + b + r∘(U·h + c)); gates r, z, n.

    hidden_size; num_layers; layout: 'TNC' or 'NTC'; dropout: between layers, in training; bidirectional; input_size:
    from the first input where 0; *_initializer; dtype.
    """

    def __init__(
        self,
        hidden_size,
        num_layers=1,
        layout="TNC",
        dropout=0,
        bidirectional=False,
        input_size=0,
        i2h_weight_initializer=None,
        h2h_weight_initializer=None,
        i2h_bias_initializer="zeros",
        h2h_bias_initializer="zeros",
        dtype="float32",
        **kwargs,
    ):
        super().__init__(
            hidden_size,
            num_layers,
            layout,
            dropout,
            bidirectional,
            input_size,
            i2h_weight_initializer,
            h2h_weight_initializer,
            i2h_bias_initializer,
            h2h_bias_initializer,
            "gru",
            dtype=dtype,
            **kwargs,
        )
