"""Every layer against the real Keras: outputs, gradients, masks, state, configs, shapes, and against itself: replay."""

import numpy as np
import pytest
import torch

from keras_preprocessing_cases import LAYERS as PREPROCESSING
from oracles import real_keras
from tandem import keras
from tandem.engine.replay import Step


class Case:
    """A layer to make (from either Keras) and what to call it with.

    make: a function of a keras module; shapes: of the inputs, the batch first; low, high: integers to draw instead of
    normal numbers; mask: the shape of a mask that comes with the input; spread: several inputs are several arguments,
    not a list; options: of the call.
    """

    def __init__(self, name, make, *shapes, high=None, mask=None, random=False, loose=False, spread=False, **options):
        self.name, self.make, self.shapes, self.high, self.mask = name, make, shapes, high, mask
        self.random, self.options, self.loose, self.spread = random, options, loose, spread

    def arguments(self, values):
        """Values or shapes of the inputs as `call` and `build` take them."""
        values = list(values)
        return values if self.spread or len(values) == 1 else [values]

    def inputs(self, rng, dtype="float32"):
        if self.high is not None:
            values = [rng.integers(0, self.high, shape).astype("int32") for shape in self.shapes]
        else:
            values = [rng.normal(size=shape).astype(dtype) for shape in self.shapes]
        return values

    def draw_mask(self, rng):
        if self.mask is None:
            return None
        mask = rng.random(self.mask) < 0.7
        mask[0] = True
        return mask


def _one(name, *shapes, at=None, **kwargs):
    arguments = {key: kwargs.pop(key) for key in ("high", "mask", "random", "loose", "spread") if key in kwargs}
    options = kwargs.pop("call", {})
    label = name + "".join(f"-{key}={value}" for key, value in kwargs.items())
    return Case(at or label, lambda K: getattr(K.layers, name)(**kwargs), *shapes, **arguments, **options)


CASES = [
    # core
    _one("Dense", (3, 4), units=5),
    _one("Dense", (3, 2, 4), units=5, activation="relu", use_bias=False),
    _one("Dense", (3, 4), units=2, activation="softmax", kernel_regularizer="l2", activity_regularizer="l1"),
    _one("Dense", (3, 4), units=2, dtype="mixed_bfloat16", loose=True),
    _one("Activation", (3, 4), activation="tanh"),
    _one("Identity", (3, 4), mask=(3, 4)),
    _one("Embedding", (3, 4), high=6, input_dim=6, output_dim=3),
    _one("Embedding", (3, 4), high=6, input_dim=6, output_dim=3, mask_zero=True, embeddings_constraint="max_norm"),
    _one("Masking", (3, 4, 2), mask_value=0.5),
    Case("Lambda", lambda K: K.layers.Lambda(_double), (3, 4)),
    # convolution
    *(
        _one(f"Conv{rank}D", (2, *[7, 6, 5][:rank], 4), filters=6, kernel_size=3, **options)
        for rank in (1, 2, 3)
        for options in (
            {},
            {"padding": "same", "strides": 2, "activation": "relu"},
            {"dilation_rate": 2, "groups": 2, "padding": "same", "use_bias": False},
        )
    ),
    _one("Conv1D", (2, 7, 3), filters=4, kernel_size=3, padding="causal", dilation_rate=2),
    _one("Conv1D", (2, 7, 3), filters=4, kernel_size=3, padding="causal", strides=2),
    _one("Conv2D", (2, 3, 7, 6), filters=4, kernel_size=(2, 3), data_format="channels_first", strides=(2, 1)),
    _one("Conv2D", (2, 3, 8, 7), filters=4, kernel_size=4, data_format="channels_first", padding="same", strides=3),
    *(
        _one(f"Conv{rank}DTranspose", (2, *[5, 4, 3][:rank], 3), filters=4, kernel_size=3, **options)
        for rank in (1, 2, 3)
        for options in ({}, {"strides": 2, "padding": "same"}, {"strides": 2, "output_padding": 1})
    ),
    _one("Conv2DTranspose", (2, 5, 4, 3), filters=2, kernel_size=(3, 2), dilation_rate=2),
    _one("Conv2DTranspose", (2, 3, 5, 4), filters=2, kernel_size=2, strides=3, data_format="channels_first"),
    _one("DepthwiseConv1D", (2, 7, 3), kernel_size=3, depth_multiplier=2),
    _one("DepthwiseConv2D", (2, 7, 6, 3), kernel_size=3, depth_multiplier=2, padding="same", strides=2),
    _one("DepthwiseConv2D", (2, 3, 7, 6), kernel_size=2, data_format="channels_first"),
    _one("SeparableConv1D", (2, 7, 3), filters=4, kernel_size=3, depth_multiplier=2, padding="same"),
    _one("SeparableConv2D", (2, 7, 6, 3), filters=4, kernel_size=3, strides=2, activation="elu"),
    # pooling
    *(
        _one(f"{kind}Pooling{rank}D", (2, *[7, 6, 5][:rank], 3), pool_size=2, **options)
        for kind in ("Max", "Average")
        for rank in (1, 2, 3)
        for options in ({}, {"padding": "same", "strides": 3})
    ),
    _one("MaxPooling2D", (2, 3, 7, 6), pool_size=(3, 2), strides=2, data_format="channels_first"),
    _one("AveragePooling2D", (2, 3, 7, 6), pool_size=3, strides=1, padding="same", data_format="channels_first"),
    *(
        _one(f"Global{kind}Pooling{rank}D", (2, *[4, 3, 2][:rank], 3), **options)
        for kind in ("Max", "Average")
        for rank in (1, 2, 3)
        for options in ({}, {"keepdims": True, "data_format": "channels_first"})
    ),
    _one("GlobalAveragePooling1D", (3, 5, 2), mask=(3, 5), at="GlobalAveragePooling1D-masked"),
    *(
        _one(f"Adaptive{kind}Pooling{rank}D", (2, *[7, 6, 5][:rank], 3), output_size=3)
        for kind in ("Max", "Average")
        for rank in (1, 2, 3)
    ),
    # reshaping
    _one("Flatten", (3, 2, 4)),
    _one("Flatten", (3, 2, 4), data_format="channels_first"),
    _one("Reshape", (3, 2, 4), target_shape=(4, -1)),
    _one("Permute", (3, 2, 4), dims=(2, 1)),
    _one("RepeatVector", (3, 4), n=2),
    _one("ZeroPadding1D", (2, 4, 3), padding=(1, 2)),
    _one("ZeroPadding2D", (2, 4, 3, 2), padding=((1, 0), (2, 1))),
    _one("ZeroPadding2D", (2, 3, 4, 4), padding=(1, 2), data_format="channels_first"),
    _one("ZeroPadding3D", (2, 2, 3, 2, 2), padding=1),
    _one("Cropping1D", (2, 6, 3), cropping=(1, 2)),
    _one("Cropping2D", (2, 6, 5, 2), cropping=((1, 2), (0, 1))),
    _one("Cropping3D", (2, 2, 4, 5, 4), cropping=1, data_format="channels_first"),
    _one("UpSampling1D", (2, 3, 2), size=3),
    _one("UpSampling2D", (2, 3, 4, 2), size=(2, 3)),
    _one("UpSampling2D", (2, 3, 4, 2), size=2, interpolation="bilinear"),
    _one("UpSampling2D", (2, 2, 3, 4), size=2, interpolation="bicubic", data_format="channels_first"),
    _one("UpSampling3D", (2, 2, 3, 2, 2), size=2),
    # activations
    _one("ReLU", (3, 4)),
    _one("ReLU", (3, 4), max_value=0.7, negative_slope=0.1, threshold=0.2),
    _one("LeakyReLU", (3, 4), negative_slope=0.2),
    _one("ELU", (3, 4), alpha=0.5),
    _one("PReLU", (3, 5, 4)),
    _one("PReLU", (3, 5, 4), shared_axes=[1], alpha_regularizer="l2"),
    _one("Softmax", (3, 4)),
    _one("Softmax", (3, 4, 2), axis=(1, 2)),
    _one("Softmax", (3, 4), mask=(3, 4), at="Softmax-masked"),
    # merging
    *(_one(name, (3, 4), (3, 4)) for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")),
    _one("Add", (3, 1, 4), (3, 2, 4), (3, 4), at="Add-broadcast"),
    _one("Concatenate", (3, 2), (3, 4)),
    _one("Concatenate", (3, 2, 4), (3, 3, 4), axis=1),
    _one("Dot", (3, 4), (3, 4), axes=1),
    _one("Dot", (3, 4, 2), (3, 5, 4), axes=(1, 2)),
    _one("Dot", (3, 4, 2), (3, 4, 2), axes=1, normalize=True),
    # normalization
    _one("BatchNormalization", (6, 4)),
    _one("BatchNormalization", (3, 4, 5), axis=1, momentum=0.8, epsilon=0.01),
    _one("BatchNormalization", (3, 4, 5, 2), center=False),
    _one("BatchNormalization", (3, 4, 5, 2), scale=False, gamma_regularizer="l2"),
    _one("BatchNormalization", (3, 4, 5), mask=(3, 4), at="BatchNormalization-masked"),
    _one("BatchNormalization", (6, 4), renorm=True, renorm_clipping={"rmax": 1.5, "rmin": 0.6, "dmax": 0.4}),
    _one("BatchNormalization", (6, 4), trainable=False),
    _one("LayerNormalization", (3, 4, 5)),
    _one("LayerNormalization", (3, 4, 5), axis=[1, 2], center=False),
    _one("LayerNormalization", (3, 4, 5), scale=False),
    _one("GroupNormalization", (3, 4, 6), groups=2),
    _one("GroupNormalization", (3, 6, 4), groups=3, axis=1),
    _one("GroupNormalization", (3, 4, 6), groups=-1),
    _one("RMSNormalization", (3, 4, 6)),
    _one("UnitNormalization", (3, 4, 6), axis=1),
    # regularization
    *(_one(name, (3, 4, 5), rate=0.4, random=True) for name in ("Dropout", "AlphaDropout", "GaussianDropout")),
    _one("SpatialDropout1D", (3, 4, 5), rate=0.4, random=True),
    _one("SpatialDropout2D", (3, 4, 5, 2), rate=0.4, random=True),
    _one("SpatialDropout3D", (3, 4, 5, 2, 2), rate=0.4, random=True),
    _one("GaussianNoise", (3, 4), stddev=0.4, random=True),
    _one("ActivityRegularization", (3, 4), l1=0.1, l2=0.2),
    # recurrent
    *(
        _one(name, (3, 5, 4), units=2, **options)
        for name in ("SimpleRNN", "LSTM", "GRU")
        for options in (
            {},
            {"return_sequences": True, "return_state": True},
            {"go_backwards": True, "return_sequences": True, "use_bias": False, "activation": "relu"},
            {"stateful": True, "return_state": True},
            {"unroll": True, "kernel_regularizer": "l2"},
        )
    ),
    *(
        _one(name, (3, 5, 4), mask=(3, 5), at=f"{name}-masked-{'-'.join(options)}", units=2, **options)
        for name in ("SimpleRNN", "LSTM", "GRU")
        for options in (
            {},
            {"return_sequences": True},
            {"return_sequences": True, "zero_output_for_mask": True, "return_state": True},
            {"go_backwards": True, "return_sequences": True},
        )
    ),
    _one("GRU", (3, 5, 4), units=2, reset_after=False),
    _one("GRU", (3, 5, 4), units=2, recurrent_activation="hard_sigmoid", return_sequences=True),
    _one("LSTM", (3, 5, 4), units=2, recurrent_activation="hard_sigmoid", unit_forget_bias=False),
    Case("RNN-stacked", lambda K: K.layers.RNN([K.layers.LSTMCell(3), K.layers.GRUCell(2)]), (3, 5, 4)),
    Case(
        "RNN-stacked-masked",
        lambda K: K.layers.RNN([K.layers.SimpleRNNCell(3), K.layers.GRUCell(2)], return_sequences=True),
        (3, 5, 4),
        mask=(3, 5),
    ),
    # wrappers
    Case("TimeDistributed-Dense", lambda K: K.layers.TimeDistributed(K.layers.Dense(3)), (2, 5, 4)),
    Case("TimeDistributed-Conv2D", lambda K: K.layers.TimeDistributed(K.layers.Conv2D(3, 2)), (2, 3, 4, 4, 2)),
    Case("TimeDistributed-BN", lambda K: K.layers.TimeDistributed(K.layers.BatchNormalization()), (4, 3, 5)),
    Case("TimeDistributed-LSTM", lambda K: K.layers.TimeDistributed(K.layers.LSTM(2)), (2, 3, 4, 2)),
    *(
        Case(
            f"Bidirectional-{mode}",
            lambda K, mode=mode: K.layers.Bidirectional(K.layers.LSTM(2, return_sequences=True), merge_mode=mode),
            (3, 5, 4),
            mask=(3, 5) if mode in ("sum", "concat") else None,
        )
        for mode in ("concat", "sum", "mul", "ave", None)
    ),
    # attention
    *(
        _one("MultiHeadAttention", (2, 5, 4), (2, 6, 4), spread=True, num_heads=2, key_dim=3, **options)
        for options in (
            {},
            {"mask": (2, 5), "at": "MultiHeadAttention-masked"},
            {"value_dim": 5, "output_shape": 7, "use_bias": False, "kernel_regularizer": "l2"},
            {"use_gate": True, "sliding_window": 2},
            {"call": {"use_causal_mask": True}, "at": "MultiHeadAttention-causal"},
            {"call": {"return_attention_scores": True}, "at": "MultiHeadAttention-scores"},
            {"dropout": 0.3, "random": True},
            {"dtype": "mixed_bfloat16", "loose": True},
        )
    ),
    _one("MultiHeadAttention", (2, 5, 4), (2, 6, 3), (2, 6, 2), spread=True, num_heads=2, key_dim=3, at="MHA-key"),
    _one("MultiHeadAttention", (2, 3, 4, 5), (2, 3, 4, 5), spread=True, num_heads=2, key_dim=3, at="MHA-2d"),
    _one("MultiHeadAttention", (2, 3, 4, 5), (2, 3, 4, 5), spread=True, num_heads=2, key_dim=3, attention_axes=(2,)),
    *(
        _one(
            "GroupQueryAttention",
            (2, 5, 4),
            (2, 6, 4),
            spread=True,
            head_dim=3,
            num_query_heads=4,
            num_key_value_heads=2,
            **options,
        )
        for options in (
            {},
            {"use_gate": True, "use_bias": False, "sliding_window": 3},
            {"call": {"use_causal_mask": True}, "at": "GroupQueryAttention-causal"},
            {"call": {"return_attention_scores": True}, "at": "GroupQueryAttention-scores"},
        )
    ),
    *(
        _one(name, (2, 5, 4), (2, 6, 4), **options)
        for name in ("Attention", "AdditiveAttention")
        for options in (
            {},
            {"use_scale": name == "Attention"},
            {"mask": (2, 5), "at": f"{name}-masked"},
            {"call": {"use_causal_mask": True}, "at": f"{name}-causal"},
            {"call": {"return_attention_scores": True}, "at": f"{name}-scores"},
        )
    ),
    _one("Attention", (2, 5, 4), (2, 6, 3), (2, 6, 4), score_mode="concat", use_scale=True),
    _one("EinsumDense", (3, 4), equation="ab,bc->ac", output_shape=5, bias_axes="c", activation="relu"),
    _one("EinsumDense", (3, 2, 4), equation="abc,cd->abd", output_shape=(2, 5), bias_axes="b"),
    _one("EinsumDense", (3, 2, 4), equation="abc,cde->abde", output_shape=(2, 5, 3), bias_axes="de"),
    _one("EinsumDense", (3, 2, 4), equation="...x,xy->...y", output_shape=5, bias_axes="y"),
    _one("EinsumDense", (3, 2, 4), equation="ab...,bc->ac...", output_shape=(5, 4), bias_axes="c"),
    _one("EinsumDense", (3, 2, 4), equation="abc,cd->adb", output_shape=(5, 2), kernel_regularizer="l2"),
    _one("ReversibleEmbedding", (3, 4), high=6, input_dim=6, output_dim=3, mask_zero=True),
    Case("SpectralNormalization", lambda K: K.layers.SpectralNormalization(K.layers.Dense(3)), (4, 5)),
    Case(
        "SpectralNormalization-Conv2D",
        lambda K: K.layers.SpectralNormalization(K.layers.Conv2D(3, 2), power_iterations=3),
        (2, 4, 4, 2),
    ),
    # sequences of images
    *(
        _one(f"ConvLSTM{rank}D", (2, 3, *[5, 4, 3][:rank], 2), filters=2, kernel_size=2, **options)
        for rank in (1, 2, 3)
        for options in ({}, {"padding": "same", "return_sequences": True, "return_state": True})
    ),
    _one("ConvLSTM2D", (2, 3, 5, 6, 2), filters=2, kernel_size=(3, 2), strides=2, unit_forget_bias=False),
    _one("ConvLSTM2D", (2, 3, 2, 5, 4), filters=2, kernel_size=3, data_format="channels_first", use_bias=False),
    _one(
        "ConvLSTM2D", (2, 3, 5, 4, 2), filters=2, kernel_size=2, return_sequences=True, mask=(2, 3), at="ConvLSTM2D-m"
    ),
    _one("ConvLSTM2D", (2, 3, 5, 4, 2), filters=2, kernel_size=2, go_backwards=True, dilation_rate=2),
    _one("ConvLSTM2D", (2, 3, 5, 4, 2), filters=2, kernel_size=2, stateful=True),
    _one("ConvLSTM1D", (2, 3, 5, 2), filters=2, kernel_size=2, dropout=0.4, recurrent_dropout=0.3, random=True),
    # preparing data
    *(_one(name, *shapes, **options) for name, shapes, options in PREPROCESSING),
    Case("Bidirectional-state", lambda K: K.layers.Bidirectional(K.layers.GRU(2, return_state=True)), (3, 5, 4)),
]


def _double(x):
    return x * 2.0 + 1.0


def _flat(tree):
    if isinstance(tree, (list, tuple)):
        return [leaf for item in tree for leaf in _flat(item)]
    return [tree]


def _numbers(tree):
    return [None if leaf is None else leaf.detach().float().cpu().numpy() for leaf in _flat(tree)]


def _set_random_weights(mine, real, rng):
    """The same random weights in both; those that are variances or deviations are positive."""
    values = []
    for mine_weight, real_weight in zip(mine.weights, real.weights, strict=True):
        assert mine_weight.shape == tuple(real_weight.shape), (mine_weight.path, real_weight.path)
        assert mine_weight.name == real_weight.name
        assert mine_weight.path.split("/")[1:] == real_weight.path.split("/")[1:]
        assert mine_weight.trainable == real_weight.trainable
        value = rng.normal(0.2, 0.5, mine_weight.shape)
        if "variance" in mine_weight.name or "stddev" in mine_weight.name:
            value = np.abs(value) + 0.5
        values.append(value.astype("float32"))
    mine.set_weights(values)
    real.set_weights(values)


def _call(case, layer, arrays, mask, training):
    """(outputs, gradients of inputs and trainable weights, output masks, losses) of one call."""
    tensors = [torch.tensor(array, requires_grad=array.dtype.kind == "f") for array in arrays]
    masks = None if mask is None else torch.tensor(mask)
    if masks is not None:
        tensors[0]._keras_mask = masks
    parameters = layer._call_signature.parameters if hasattr(layer, "_call_signature") else layer._facts.all_names
    kwargs = {"training": training} if "training" in parameters else {}
    outputs = layer(*case.arguments(tensors), **kwargs, **case.options)
    leaves = _flat(outputs)
    for weight in layer.trainable_weights:
        weight.value.grad = None
    total = sum(
        (leaf.float() * torch.arange(1, leaf.numel() + 1).reshape(leaf.shape) / leaf.numel()).sum() for leaf in leaves
    )
    total = total + sum(layer.losses)
    # Keras's torch backend cannot differentiate through a stateful layer: it changes the state that autograd kept.
    if total.requires_grad and not getattr(layer, "stateful", False):
        total.backward()
    grads = [tensor.grad for tensor in tensors] + [weight.value.grad for weight in layer.trainable_weights]
    output_masks = [getattr(leaf, "_keras_mask", None) for leaf in leaves]
    return outputs, grads, output_masks, [loss.detach() for loss in layer.losses]


def _without_build(config):
    """A config without what building adds; floats as float32, in which Keras keeps some of them."""
    if isinstance(config, float):
        return float(np.float32(config))
    if isinstance(config, dict):
        return {key: _without_build(value) for key, value in config.items() if key != "build_config"}
    if isinstance(config, (list, tuple)):
        return [_without_build(item) for item in config]
    return config


def _same(mine, real, what, tolerance):
    assert len(mine) == len(real), what
    for index, (a, b) in enumerate(zip(mine, real, strict=True)):
        assert (a is None) == (b is None), f"{what} {index}: {a} against {b}"
        if a is not None:
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=f"{what} {index}")


@pytest.mark.oracle
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_equals_the_real_layer(case):
    theirs = real_keras()
    rng = np.random.default_rng(sum(map(ord, case.name)))
    arrays, mask = case.inputs(rng), case.draw_mask(rng)
    keras.utils.clear_session(free_memory=False)
    theirs.utils.clear_session(free_memory=False)
    mine, real = case.make(keras), case.make(theirs)
    shapes = [array.shape for array in arrays]
    mine.build(*case.arguments(shapes))
    real.build(*case.arguments(shapes))
    _set_random_weights(mine, real, rng)
    tolerance = 2e-2 if case.loose else 2e-5
    for training in (False, True) if not case.random else (False,):
        found = _call(case, mine, arrays, mask, training)
        wanted = _call(case, real, arrays, mask, training)
        for what, a, b in zip(("output", "gradient", "mask", "loss"), found, wanted, strict=True):
            _same(_numbers(a), _numbers(b), f"{what} (training={training})", tolerance)
        assert [leaf.dtype for leaf in _flat(found[0])] == [leaf.dtype for leaf in _flat(wanted[0])]
        _same(mine.get_weights(), real.get_weights(), "weight after the call", tolerance)
    assert len(mine.variables) == len(real.variables)
    assert mine.count_params() == real.count_params()
    assert mine.supports_masking == real.supports_masking


@pytest.mark.oracle
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_config_equals_the_real_one(case):
    theirs = real_keras()
    keras.utils.clear_session(free_memory=False)
    theirs.utils.clear_session(free_memory=False)
    mine, real = case.make(keras), case.make(theirs)
    if case.name == "Lambda":
        assert mine.get_config()["function"] == real.get_config()["function"]
        return
    config = _without_build(mine.get_config())
    assert config == _without_build(real.get_config())
    again = type(mine).from_config(mine.get_config())
    assert _without_build(again.get_config()) == config
    assert again.name == mine.name
    serialized = keras.layers.serialize(mine)
    assert _without_build(serialized) == _without_build(theirs.layers.serialize(real))
    assert _without_build(keras.layers.deserialize(serialized).get_config()) == config


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_symbolic_shapes_are_the_real_shapes(case):
    rng = np.random.default_rng(1)
    arrays = case.inputs(rng)
    layer = case.make(keras)
    for batch in (None, arrays[0].shape[0]):
        if batch is None and getattr(layer, "stateful", False):
            continue
        inputs = [keras.Input(array.shape[1:], batch_size=batch, dtype=array.dtype.name) for array in arrays]
        symbolic = _flat(layer(*case.arguments(inputs)))
        values = _flat(layer(*case.arguments(map(torch.tensor, arrays))))
        for one, value in zip(symbolic, values, strict=True):
            assert one.shape == (batch, *value.shape[1:])
            assert one.dtype == str(value.dtype).removeprefix("torch.")
    found = layer.compute_output_shape(*case.arguments(tuple(array.shape) for array in arrays))
    found = [found] if isinstance(found[0], int) else _shape_leaves(found)
    assert found == [tuple(value.shape) for value in values]


def _shape_leaves(tree):
    if isinstance(tree, tuple) and tree and isinstance(tree[0], int):
        return [tree]
    return [leaf for item in tree for leaf in _shape_leaves(item)]


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.high is None and not case.loose and not case.random],
    ids=lambda case: case.name,
)
def test_gradients_are_right(case):
    """Automatic against numerical gradients, in float64."""
    rng = np.random.default_rng(2)
    keras.config.set_floatx("float64")
    try:
        layer = case.make(keras)
    finally:
        keras.config.set_floatx("float32")
    if layer.name.startswith("masking"):
        return
    tensors = [torch.tensor(array, requires_grad=True) for array in case.inputs(rng, "float64")]
    weights = [weight.value for weight in layer.trainable_weights]

    def run(*tensors):
        return tuple(_flat(layer(*case.arguments(tensors))))

    if getattr(layer, "stateful", False):
        run(*tensors)
        layer.reset_state()
        return
    run(*tensors)
    weights = [weight.value for weight in layer.trainable_weights]
    assert all(weight.dtype == torch.float64 for weight in weights)
    small = [t for t in tensors if t.numel() <= 64]
    if len(small) == len(tensors):
        assert torch.autograd.gradcheck(run, tensors, fast_mode=True, nondet_tol=1e-9)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_replay_equals_eager(case):
    """The layer inside a recorded training step gives what it gives outside, batch after batch."""
    rng = np.random.default_rng(3)
    recorded, eager = case.make(keras), case.make(keras)
    shapes = case.arguments(array.shape for array in case.inputs(rng))
    recorded.build(*shapes)
    eager.build(*shapes)
    eager.set_weights(recorded.get_weights())
    training = {"training": True} if "training" in recorded._facts.all_names else {}

    def train(layer):
        def step(*tensors):
            outputs = _flat(layer(*case.arguments(tensors), **training))
            loss = sum(output.float().square().mean() for output in outputs)
            weights = [weight.value for weight in layer.trainable_weights]
            grads = torch.autograd.grad(loss, weights) if weights else ()
            return loss.detach(), [grad.detach() for grad in grads]

        return step

    replayed = Step(train(recorded), name=case.name)
    for index in range(4):
        arrays = [torch.tensor(array) for array in case.inputs(rng)]
        torch.manual_seed(index)
        wanted_loss, wanted = train(eager)(*arrays)
        torch.manual_seed(index)
        loss, grads = replayed(*arrays)
        torch.testing.assert_close(loss, wanted_loss)
        for a, b in zip(grads, wanted, strict=True):
            torch.testing.assert_close(a, b)
        for a, b in zip(recorded.weights, eager.weights, strict=True):
            torch.testing.assert_close(a.value, b.value)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.mask is None and not case.loose], ids=lambda case: case.name
)
def test_mxnet_arrays_in_and_out(case):
    """A layer called with NDArrays answers NDArrays with the same numbers."""
    from tandem import mxnet as mx

    rng = np.random.default_rng(4)
    arrays = case.inputs(rng)
    layer = case.make(keras)
    tensors = [torch.tensor(array) for array in arrays]
    inputs = [mx.nd.array(array, dtype=array.dtype) for array in arrays]
    # Layers that augment data do so unless they are told not to.
    still = {"training": False} if case.random else {}
    wanted = _flat(layer(*case.arguments(tensors), **still))
    if getattr(layer, "stateful", False):
        layer.reset_state()
    found = _flat(layer(*case.arguments(inputs), **still))
    for one, other in zip(found, wanted, strict=True):
        assert isinstance(one, mx.nd.NDArray)
        np.testing.assert_allclose(one.asnumpy(), other.detach().numpy(), rtol=1e-5, atol=1e-6)
