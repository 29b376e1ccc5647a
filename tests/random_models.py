"""Models drawn at random: every kind of registered layer in stacks and small graphs, from one number.

A `Plan` is drawn once and makes equal models as often as asked. It is drawn along a symbolic value: what may come next
follows from the value's rank, and what does not fit a value (a kernel larger than what is left) is left out.
"""

import random

import torch

from tandem import keras

L = keras.layers

ACTIVATIONS = [None, "relu", "tanh", "sigmoid", "elu", "selu", "softplus", "gelu", "swish", "softsign", "linear"]


class Scaled(L.Layer):
    """A layer of a user's own: a learned scale, a count of the calls, a penalty."""

    def build(self, shape):
        self.scale = self.add_weight((shape[-1],), "ones", name="scale")
        self.calls = self.add_weight((), "zeros", trainable=False, name="calls")

    def call(self, x, training=False):
        if training:
            self.calls.assign_add(1.0)
        self.add_loss(0.001 * (x**2).mean().float())
        return x * self.scale.value + 0.01 * self.calls.value.detach()


class Noisy(L.Layer):
    """A layer of a user's own that draws from torch's global generator."""

    def call(self, x, training=False):
        return x + 0.1 * torch.rand_like(x) if training else x


class OwnCell(L.Layer):
    """A recurrent cell of a user's own."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, shape):
        self.kernel = self.add_weight((shape[-1] + self.units, self.units), "glorot_uniform", name="kernel")

    def call(self, x, states, training=False):
        h = torch.tanh(torch.cat([x, states[0]], -1) @ self.kernel.value)
        return h, [h]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class Unmasked(L.Layer):
    """Where masks end."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x):
        return x * 1.0  # a tensor of its own: a mask travels with its tensor

    def compute_mask(self, x, mask=None):
        return None


def _twice(x):
    return x * 2.0 - 0.5


OBJECTS = {"Scaled": Scaled, "Noisy": Noisy, "OwnCell": OwnCell, "Unmasked": Unmasked, "_twice": _twice}


class Plan:
    """A model drawn from a seed: `make()` gives it, `text` says what it is.

    stateful: with a recurrent layer that goes on from batch to batch, of `batch` rows each; policy: the dtype policy of
    all layers. `inputs` lists (shape, dtype, number of tokens) of the inputs, `outputs` (kind, shape) of the
    outputs; a kind is one of "numbers", "binary", "classes", "one-hot", "logits".
    """

    def __init__(self, seed, stateful=False, policy=None, batch=None):
        self.rng = random.Random(seed)
        self.policy, self.batch = policy, batch if stateful else None
        self.text, self.steps, self.inputs, self.outputs = [], [], [], []
        self.rnn = not policy or policy == "float64"
        self._draw(stateful)

    # --- drawing -----------------------------------------------------------------------------------------------------

    def _draw(self, stateful):
        keras.utils.clear_session(free_memory=False)
        keras.config.set_dtype_policy(self.policy or "float32")
        try:
            value, second = self._first(stateful)
            for _ in range(self.rng.randint(1, 6)):
                value = self._grow(value)
            while len(value.shape) > 2:
                value = self._step(value, *self._flat(value))
            if second is not None:
                value = self._step([value, second], "joined", _join)
            for _ in range(self.rng.randint(0, 2)):
                value = self._grow(value)
            while len(value.shape) > 2:
                value = self._step(value, *self._flat(value))
            self._heads()
        finally:
            keras.config.set_dtype_policy("float32")

    def _first(self, stateful):
        rng = self.rng
        kind = "sequence" if stateful else rng.choice(["vector", "vector", "sequence", "tokens", "image", "volume"])
        if self.policy == "mixed_float16":
            kind = "vector"
        shape = {
            "vector": (rng.randint(2, 6),),
            "sequence": (rng.randint(3, 6), rng.randint(1, 4)),
            "tokens": (rng.randint(3, 5),),
            "image": (rng.randint(5, 7), rng.randint(5, 7), rng.randint(1, 3)),
            "volume": (4, rng.randint(3, 5), 3, rng.randint(1, 2)),
        }[kind]
        tokens = 7 if kind == "tokens" else None
        self.inputs.append((shape, "int32" if tokens else "float32", tokens))
        second = None
        if rng.random() < 0.3 and not stateful:
            self.inputs.append(((3,), "float32", None))
            second = self._input(1)
        value = self._input(0)
        if tokens:
            value = self._step(value, *self._embedding())
        if stateful:
            value = self._step(value, *self._stateful())
        return value, second

    def _input(self, number):
        shape, dtype, _ = self.inputs[number]
        return keras.Input(shape, batch_size=self.batch, dtype=dtype, name=f"input_{number}")

    def _step(self, value, text, function):
        result = function(value)
        self.text.append(text)
        self.steps.append(function)
        return result

    def _grow(self, value):
        """One more piece, drawn anew as long as it does not fit."""
        for _ in range(20):
            text, function = self._piece(len(value.shape))
            try:
                return self._step(value, text, function)
            except (ValueError, RuntimeError):
                continue
        return value

    def _piece(self, rank):
        rng = self.rng
        if rng.random() < 0.2:
            return self._merge(rank)
        if rng.random() < 0.07:
            return self._nested(rank)
        table = [*ANY, *{2: VECTOR, 3: SEQUENCE, 4: IMAGE, 5: VOLUME}[rank]]
        if not self.rnn:
            table = [entry for entry in table if entry not in RECURRENT]
        text, make = rng.choice(table)(rng)
        return text, lambda value: make()(value)

    def _merge(self, rank):
        """Two branches that are put together again."""
        rng = self.rng
        name = rng.choice(["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"])
        text, make = rng.choice([_dense, _batch_norm, _activation_layer, _dropout])(rng)
        keep = name == "Concatenate"

        def function(value):
            other = make()(value)
            if not keep and other.shape != value.shape:
                other = L.Dense(value.shape[-1])(other)
            return getattr(L, name)()([value, other])

        return f"{name}(x, {text})", function

    def _nested(self, rank):
        rng = self.rng
        (first, one), (second, two) = (rng.choice([_dense, _layer_norm, _dropout, _batch_norm])(rng) for _ in range(2))
        shared = rng.random() < 0.5

        def function(value):
            inner = keras.Sequential([one(), two()])
            result = inner(value)
            return inner(result) if shared and result.shape == value.shape else result

        return f"Sequential({first}, {second}){' twice' if shared else ''}", function

    def _embedding(self):
        text, options = _options(self.rng, embeddings=True)
        units = self.rng.randint(2, 4)
        if self.rnn and self.rng.random() < 0.5:
            rnn_text, make = self.rng.choice(RECURRENT)(self.rng)
            return (
                f"Embedding({units}, mask_zero{text}), {rnn_text}",
                lambda value: Unmasked()(make()(L.Embedding(7, units, mask_zero=True, **options())(value))),
            )
        return f"Embedding({units}{text})", lambda value: L.Embedding(7, units, **options())(value)

    def _stateful(self):
        rng = self.rng
        name = rng.choice(["LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional"])
        sequences, units = rng.random() < 0.5, rng.randint(2, 4)
        flags = {"stateful": True, "return_sequences": sequences}

        def function(value):
            if name == "RNN":
                return L.RNN([L.GRUCell(units), L.SimpleRNNCell(2)], **flags)(value)
            if name == "Bidirectional":
                return L.Bidirectional(L.GRU(units, **flags))(value)
            return getattr(L, name)(units, dropout=0.2, **flags)(value)

        return f"stateful {name}({units}, return_sequences={sequences})", function

    def _flat(self, value):
        names = {3: ["Flatten", "GlobalAveragePooling1D", "GlobalMaxPooling1D"],
                 4: ["Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D"],
                 5: ["Flatten", "GlobalAveragePooling3D", "GlobalMaxPooling3D"]}[len(value.shape)]  # fmt: skip
        name = self.rng.choice(names)
        return name, lambda value: getattr(L, name)()(value)

    def _heads(self):
        rng = self.rng
        heads = []
        for number in range(rng.choice([1, 1, 1, 2])):
            kind = rng.choice(["numbers", "numbers", "binary", "classes", "one-hot", "logits"])
            units = {"binary": 1}.get(kind, 3)
            activation = {"binary": "sigmoid", "classes": "softmax", "one-hot": "softmax"}.get(kind)
            self.outputs.append((kind, (units,)))
            heads.append((units, activation, f"out_{number}"))
            self.text.append(f"{kind} head")

        def function(value):
            # The loss in float32, as Keras advises for mixed precision.
            dtype = "float64" if self.policy == "float64" else "float32"
            return [L.Dense(u, activation=a, name=n, dtype=dtype)(value) for u, a, n in heads]

        self.heads = function

    # --- making ------------------------------------------------------------------------------------------------------

    def make(self):
        """The model."""
        keras.config.set_dtype_policy(self.policy or "float32")
        try:
            inputs = [self._input(number) for number in range(len(self.inputs))]
            value, rest = inputs[0], inputs[1:]
            for function in self.steps:
                value = function([value, rest[0]] if function is _join else value)
            outputs = self.heads(value)
            return keras.Model(_single(inputs), _single(outputs))
        finally:
            keras.config.set_dtype_policy("float32")


def _join(values):
    return L.Concatenate()(values)


def _single(values):
    return values[0] if len(values) == 1 else values


# --- pieces: functions of a generator that give (text, function that makes a layer) -----------------------------------


def _layer(name, **options):
    text = ", ".join(f"{key}={value!r}" for key, value in options.items())
    return f"{name}({text})", lambda: getattr(L, name)(**options)


def _options(rng, embeddings=False):
    """(text, function that makes them) of regularizers and constraints."""
    chosen, stem = {}, "embeddings" if embeddings else "kernel"
    if rng.random() < 0.25:
        name = rng.choice(["l1", "l2", "l1l2"])
        chosen[f"{stem}_regularizer"] = lambda: keras.regularizers.get(name)
    if rng.random() < 0.25:
        kind = rng.choice(["MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm"])
        chosen[f"{stem}_constraint"] = lambda: getattr(keras.constraints, kind)()
    if rng.random() < 0.1 and not embeddings:
        chosen["activity_regularizer"] = lambda: keras.regularizers.L2(0.01)
    text = "".join(f", {key}={make().__class__.__name__}" for key, make in chosen.items())
    return text, lambda: {key: make() for key, make in chosen.items()}


def _dense(rng):
    units, activation, bias = rng.randint(1, 6), rng.choice(ACTIVATIONS), rng.random() < 0.8
    text, options = _options(rng)
    return (
        f"Dense({units}, {activation!r}, use_bias={bias}{text})",
        lambda: L.Dense(units, activation, use_bias=bias, **options()),
    )


def _dropout(rng):
    return _layer(
        rng.choice(["Dropout", "AlphaDropout", "GaussianDropout"]), rate=0.3, seed=rng.choice([None, None, 5])
    )


def _batch_norm(rng):
    return _layer(
        "BatchNormalization", momentum=rng.choice([0.9, 0.5]), center=rng.random() < 0.8, scale=rng.random() < 0.8
    )


def _layer_norm(rng):
    return _layer(rng.choice(["LayerNormalization", "RMSNormalization", "UnitNormalization"]))


def _group_norm(rng):
    return _layer("GroupNormalization", groups=rng.choice([1, 2, -1]))


def _activation_layer(rng):
    return rng.choice(
        [
            lambda: _layer("Activation", activation=rng.choice(ACTIVATIONS[1:])),
            lambda: _layer("LeakyReLU", negative_slope=0.2),
            lambda: _layer("ELU", alpha=0.7),
            lambda: _layer("ReLU", max_value=3.0, negative_slope=0.1),
            lambda: _layer("PReLU"),
            lambda: _layer("Softmax"),
        ]
    )()


def _other(rng):
    return rng.choice(
        [
            lambda: _layer("Identity"),
            lambda: _layer("GaussianNoise", stddev=0.2, seed=rng.choice([None, 4])),
            lambda: _layer("ActivityRegularization", l1=0.001, l2=0.002),
            lambda: ("Scaled()", Scaled),
            lambda: ("Noisy()", Noisy),
            lambda: ("Lambda(twice)", lambda: L.Lambda(_twice)),
            lambda: ("TorchModuleWrapper(Softplus)", lambda: L.TorchModuleWrapper(torch.nn.Softplus())),
        ]
    )()


def _to_sequence(rng):
    return _layer("RepeatVector", n=3)


def _conv(rank):
    def draw(rng):
        kind = rng.choice(["Conv", "Transpose", *(["Conv", "Depthwise", "Separable"] if rank < 3 else [])])
        padding, strides, activation = rng.choice(["same", "valid"]), rng.choice([1, 1, 2]), rng.choice(ACTIVATIONS)
        common = {"kernel_size": rng.randint(1, 3), "padding": padding, "strides": strides, "activation": activation}
        name = {
            "Conv": f"Conv{rank}D",
            "Transpose": f"Conv{rank}DTranspose",
            "Depthwise": f"DepthwiseConv{rank}D",
            "Separable": f"SeparableConv{rank}D",
        }[kind]
        return _layer(name, **({} if kind == "Depthwise" else {"filters": rng.randint(1, 4)}), **common)

    return draw


def _pool(rank):
    def draw(rng):
        kind = rng.choice(["Max", "Average"])
        if rng.random() < 0.2:
            return _layer(f"Adaptive{kind}Pooling{rank}D", output_size=2)
        return _layer(f"{kind}Pooling{rank}D", pool_size=2, padding=rng.choice(["same", "valid"]))

    return draw


def _shape(rank):
    def draw(rng):
        name, options = rng.choice(
            [
                (f"ZeroPadding{rank}D", {"padding": 1}),
                (f"Cropping{rank}D", {"cropping": 1}),
                (f"UpSampling{rank}D", {"size": 2}),
                (f"SpatialDropout{rank}D", {"rate": 0.3}),
                ("Permute", {"dims": (*range(2, rank + 1), 1, rank + 1)}),
                ("Flatten", {}),
            ]
        )
        return _layer(name, **options)

    return draw


def _recurrent(rng):
    name = rng.choice(["LSTM", "GRU", "SimpleRNN"])
    options = {
        "units": rng.randint(2, 4),
        "return_sequences": rng.random() < 0.5,
        "go_backwards": rng.random() < 0.2,
        "dropout": rng.choice([0.0, 0.0, 0.3]),
        "recurrent_dropout": rng.choice([0.0, 0.0, 0.2]),
        "unroll": rng.random() < 0.1,
    }
    if name == "GRU":
        options["reset_after"] = rng.random() < 0.7
    return _layer(name, **options)


def _bidirectional(rng):
    mode, (text, make) = rng.choice(["concat", "sum", "ave", "mul"]), _recurrent(rng)
    if "go_backwards=True" in text:
        return text, make
    return f"Bidirectional({text}, {mode!r})", lambda: L.Bidirectional(make(), merge_mode=mode)


def _cells(rng):
    sequences = rng.random() < 0.5
    return (
        f"RNN([LSTMCell, OwnCell], return_sequences={sequences})",
        lambda: L.RNN([L.LSTMCell(3), OwnCell(2)], return_sequences=sequences),
    )


def _distributed(rng):
    text, make = _dense(rng)
    return f"TimeDistributed({text})", lambda: L.TimeDistributed(make())


def _masked(rng):
    text, make = _recurrent(rng)
    return f"Masking, {text}", lambda: keras.Sequential([L.Masking(0.5), make(), Unmasked()])


RECURRENT = [_recurrent, _bidirectional, _cells, _masked]
ANY = [_dense, _dropout, _batch_norm, _layer_norm, _group_norm, _activation_layer, _other]
VECTOR = [_dense, _to_sequence]
SEQUENCE = [_conv(1), _pool(1), _shape(1), _distributed, *RECURRENT, _recurrent]
IMAGE = [_conv(2), _conv(2), _pool(2), _shape(2)]
VOLUME = [_conv(3), _pool(3), _shape(3)]
