"""Quantised layers, their files and functions, against the real Keras."""

import numpy as np
import pytest
import torch

from oracles import real_keras
from tandem import keras
from tandem.keras import layers
from tandem.ops import calibrated, quantizers

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype("float32")


def array(value):
    value = getattr(value, "value", value)
    return value.detach().cpu().float().numpy() if torch.is_tensor(value) else np.asarray(value)


def same(one, other, tolerance=0.0):
    one, other = array(one).astype("float64"), array(other).astype("float64")
    assert one.shape == other.shape
    np.testing.assert_allclose(one, other, atol=tolerance * max(1.0, np.abs(other).max(initial=0)), rtol=0)


# --- functions --------------------------------------------------------------------------------------------------------

HOLED = normal(7, 5)
HOLED[2] = 0
BYTES, NIBBLES = RNG.integers(-8, 8, (5, 7, 3)).astype("int8"), RNG.integers(0, 16, (5, 7)).astype("uint8")
LOW, HIGH = -np.arange(1, 6).astype("float32"), np.arange(1, 6).astype("float32") * 0.3
FUNCTIONS = [
    *[("abs_max_quantize", (HOLED, axis), {"to_numpy": host}) for axis in (0, -1, (0, 1)) for host in (False, True)],
    ("abs_max_quantize", (HOLED, 0, (-8, 7), "int8", 1e-3), {}),
    *[
        ("abs_max_quantize_grouped_with_zero_point", (x, size), {"to_numpy": host})
        for x, size in ((HOLED, 2), (HOLED, 3), (HOLED, 10), (np.ones((4, 3), "float32"), 2), (abs(HOLED), 4))
        for host in (False, True)
    ],
    *[("pack_int4", (BYTES, axis), {}) for axis in (0, 1, -1)],
    ("pack_int4", (NIBBLES, 1), {"dtype": "uint8"}),
    ("quantize_and_dequantize", (HOLED * 100, np.float32(0.3), "float8_e4m3fn", "float32"), {}),
    ("quantize_and_dequantize", (HOLED * 100, np.float32(0.3), "float8_e5m2", "float32"), {}),
    *[("compute_float8_scale", (np.float32(amax), np.float32(0.5), 448.0), {}) for amax in (3, 0, np.inf)],
    ("compute_float8_scale", (np.float32(3), np.float32(0.5), 448.0, 2), {}),
    ("compute_float8_amax_history", (HOLED, np.arange(5, dtype="float32")), {}),
    *[
        ("fake_quant_with_min_max_vars", (HOLED, low, high), {"num_bits": bits, "narrow_range": narrow, "axis": axis})
        for low, high, axis in ((np.float32(-1), np.float32(0.7), None), (LOW, HIGH, 1))
        for bits, narrow in ((8, False), (4, True))
    ],
]


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "arguments", "options"), FUNCTIONS)
def test_functions(name, arguments, options):
    def run(K):
        given = [torch.tensor(value) if isinstance(value, (np.ndarray, np.generic)) else value for value in arguments]
        found = getattr(K.quantizers, name)(*given, **options)
        return found if isinstance(found, tuple) else (found,)

    for one, other in zip(run(keras), run(real_keras()), strict=True):
        if not torch.is_tensor(other):
            assert one == other
            continue
        assert one.dtype == other.dtype
        same(one, other, 1e-7)


def test_unpacking_is_the_inverse_of_packing():
    for codes, dtype in ((BYTES, "int8"), (NIBBLES, "uint8")):
        for axis in range(codes.ndim):
            packed, shape, length = keras.quantizers.pack_int4(codes, axis, dtype)
            assert tuple(packed.shape) == shape and shape[axis] == (length + 1) // 2
            same(keras.quantizers.unpack_int4(packed, length, axis, dtype), codes)
    with pytest.raises(TypeError, match="Expected int8 tensor for packing, got float32"):
        keras.quantizers.pack_int4(HOLED)
    with pytest.raises(ValueError, match="'int8' or 'uint8'"):
        keras.quantizers.unpack_int4(BYTES, 3, dtype="int4")


@pytest.mark.oracle
def test_gradients_of_fake_quantisation():
    found = []
    for K in (keras, real_keras()):
        values = [torch.tensor(value, requires_grad=True) for value in (HOLED, 0.1 * LOW, HIGH)]
        K.quantizers.fake_quant_with_min_max_vars(*values, axis=-1).square().sum().backward()
        found.append([value.grad for value in values])
    for one, other in zip(*found):
        same(one, other, 1e-6)


def test_a_model_with_fake_quantisation_survives_its_config(tmp_path):
    x = keras.Input((5,))
    y = keras.quantizers.fake_quant_with_min_max_vars(x, -1.0, 0.7, num_bits=4, narrow_range=True)
    model = keras.Model(x, y)
    wanted = keras.quantizers.fake_quant_with_min_max_vars(HOLED, -1.0, 0.7, 4, True)
    model.save(tmp_path / "m.keras")
    for one in (model, keras.Model.from_config(model.get_config()), keras.models.load_model(tmp_path / "m.keras")):
        same(one(HOLED), wanted)


def test_integer_products_are_exact():
    x, weight = RNG.integers(-128, 128, (2, 3, 2000)), RNG.integers(-128, 128, (2000, 5))
    codes = [torch.tensor(value, dtype=torch.int8) for value in (x, weight)]
    same(quantizers.int_product(*codes), x @ weight)
    for equation in ("abc,cde->abde", "abcd,cde->eab", "abc,bcd->abd", "ab,bc->c"):
        sizes = dict(zip("abcde", (2, 3, 4, 5, 6)))
        left, right = equation.split("->")[0].split(",")
        a, b = (RNG.integers(-128, 128, [sizes[letter] for letter in letters]) for letters in (left, right))
        same(
            quantizers.int8_einsum(equation, torch.tensor(a).char(), torch.tensor(b).char()), np.einsum(equation, a, b)
        )


# --- names and configs ------------------------------------------------------------------------------------------------

OBJECTS = [
    lambda K: K.quantizers.AbsMaxQuantizer(axis=0, value_range=(-8, 7)),
    lambda K: K.quantizers.Int8QuantizationConfig(),
    lambda K: K.quantizers.Int8QuantizationConfig(K.quantizers.AbsMaxQuantizer(axis=0), None),
    lambda K: K.quantizers.Int4QuantizationConfig(block_size=32),
    lambda K: K.quantizers.Float8QuantizationConfig(),
    lambda K: K.quantizers.GPTQConfig(None, None, weight_bits=3),
    lambda K: K.quantizers.AWQConfig(None, None, group_size=-1),
    *[
        lambda K, name=name: K.dtype_policies.get(name)
        for name in (
            "int8_from_float32",
            "int4_from_float32",
            "int4/64_from_mixed_bfloat16",
            "float8_from_float32",
            "gptq/4/128_from_float32",
            "awq/4/-1_from_bfloat16",
        )
    ],
    lambda K: K.dtype_policies.QuantizedFloat8DTypePolicy("float8", "float32", 16),
    lambda K: K.dtype_policies.DTypePolicyMap("bfloat16", {"a/b": K.dtype_policies.get("int8_from_float32")}),
]


@pytest.mark.oracle
@pytest.mark.parametrize("make", OBJECTS)
def test_configs(make):
    real, own = make(real_keras()), make(keras)
    config = keras.saving.serialize_keras_object(own)
    assert config == real_keras().saving.serialize_keras_object(real)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(own) and again.get_config() == own.get_config()
    if isinstance(own, keras.dtype_policies.DTypePolicy):
        assert again == own
        for name in ("name", "compute_dtype", "variable_dtype", "quantization_mode"):
            assert getattr(own, name) == getattr(real, name)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: keras.dtype_policies.get("int8"), "Cannot convert `policy`"),
        (lambda: keras.dtype_policies.QuantizedDTypePolicy("int9", "float32"), "Invalid quantization mode"),
        (lambda: keras.dtype_policies.get("int8_from_float16"), "float16"),
        (lambda: keras.dtype_policies.get("int4/0_from_float32"), "Invalid block_size"),
        (lambda: keras.dtype_policies.get("gptq/5/32_from_float32"), "Invalid weight_bits"),
        (lambda: keras.dtype_policies.get("awq/8/32_from_float32"), "Invalid weight_bits"),
        (lambda: keras.dtype_policies.get("gptq/4_from_float32"), "Expected format"),
        (lambda: keras.quantizers.AbsMaxQuantizer(value_range=(-200, 200)), "within the interval"),
        (
            lambda: keras.quantizers.Int4QuantizationConfig(keras.quantizers.AbsMaxQuantizer()),
            "does not support custom",
        ),
        (lambda: keras.quantizers.GPTQConfig(None, None, weight_bits=5), "Unsupported weight_bits"),
        (lambda: keras.quantizers.GPTQConfig(None, None, hessian_damping=2), "between 0 and 1"),
        (lambda: keras.quantizers.AWQConfig(None, None, group_size=0), "Invalid group_size"),
        (lambda: keras.quantizers.get("abs_max"), "Could not interpret"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- layers -----------------------------------------------------------------------------------------------------------

LAYERS = {
    "dense": (lambda K, **k: K.layers.Dense(5, activation="tanh", **k), (4, 8)),
    "dense of three axes": (lambda K, **k: K.layers.Dense(5, use_bias=False, **k), (2, 3, 8)),
    "queries": (lambda K, **k: K.layers.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de", **k), (2, 4, 8)),
    "outputs": (lambda K, **k: K.layers.EinsumDense("abcd,cde->abe", (None, 5), bias_axes="e", **k), (2, 4, 2, 3)),
    "embedding": (lambda K, **k: K.layers.Embedding(7, 5, **k), (2, 3)),
    "reversible": (lambda K, **k: K.layers.ReversibleEmbedding(7, 5, **k), (2, 3)),
    "two tables": (
        lambda K, **k: K.layers.ReversibleEmbedding(7, 5, tie_weights=False, logit_soft_cap=2.0, **k),
        (2, 3),
    ),
}
MODES = {
    "int8": lambda Q: Q.Int8QuantizationConfig(),
    "int8, weights alone": lambda Q: Q.Int8QuantizationConfig(activation_quantizer=None),
    "int4": lambda Q: Q.Int4QuantizationConfig(),
    "int4 in groups": lambda Q: Q.Int4QuantizationConfig(block_size=3),
    "int4 by channel": lambda Q: Q.Int4QuantizationConfig(block_size=-1),
    "int4 with inputs": lambda Q: Q.Int4QuantizationConfig(block_size=None, activation_quantizer=Q.AbsMaxQuantizer()),
    "float8": lambda Q: Q.Float8QuantizationConfig(),
}
TABLES = ("embedding", "reversible", "two tables")
CASES = [
    (name, mode, policy, rank)
    for name in LAYERS
    for mode in (None, *MODES)
    for policy in (None, "mixed_bfloat16")
    for rank in (None, 2)
    if (mode or rank)
    and not (mode == "float8" and (rank or name in TABLES))  # neither has float8 with them
    and not (policy and (mode not in ("int8", "int4", "float8") or rank))
    and not (name == "two tables" and rank)  # Keras 3.15 fails to build it
]


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "mode", "policy", "rank"), CASES)
def test_layers(name, mode, policy, rank):
    make, shape = LAYERS[name]
    x = RNG.integers(0, 7, shape) if name in TABLES else normal(*shape)
    back, weights, found = normal(*shape, 5), None, []
    for K in (real_keras(), keras):
        layer = make(K, lora_rank=rank, dtype=policy)
        layer.build(shape)
        weights = weights or [normal(*weight.shape) for weight in layer.weights]
        layer.set_weights(weights)
        if mode is not None:
            layer.quantize(config=MODES[mode](K.quantizers))
        inputs = torch.tensor(x, requires_grad=name not in TABLES)
        outputs = [layer(inputs)]
        if name in TABLES[1:]:
            outputs.append(layer(torch.tensor(back), reverse=True))
        elif name not in TABLES:
            outputs[0].float().square().sum().backward()
            outputs.append(inputs.grad)
        stored = {}
        layer.save_own_variables(stored)
        kinds = [(weight.name, tuple(weight.shape), weight.dtype, bool(weight.trainable)) for weight in layer.weights]
        config = {**K.saving.serialize_keras_object(layer)["config"], "name": None}
        found.append((kinds, config, layer.weights, list(stored.values()), outputs))
    (kinds, config, variables, stored, outputs), own = found
    assert own[0] == kinds
    assert own[1] == config
    for one, other in zip(own[2], variables, strict=True):
        same(one, other)
    for one, other in zip(own[3], stored, strict=True):
        same(one, other, 1e-5)
    for one, other in zip(own[4], outputs, strict=True):
        same(one, other, 0.03 if policy else 1e-5)


def quantised(mode, layer, shape):
    layer.build(shape)
    layer.quantize(mode)
    return layer


def test_the_weight_as_it_is_seen():
    dense = quantised("int4", layers.Dense(3), (None, 8))
    assert dense.kernel.dtype is torch.int8 and tuple(dense.kernel.shape) == (8, 3)
    table = quantised("int8", layers.Embedding(4, 3), (None,))
    assert table.embeddings.dtype == "int8" and table.quantization_mode == "int8"
    adapted = layers.Dense(3, lora_rank=1)
    with pytest.raises(AttributeError, match="kernel"):
        _ = adapted.kernel
    adapted.build((None, 4))
    adapted.lora_kernel_b.assign(np.ones((1, 3)))
    same(adapted.kernel, array(adapted._holders["kernel"]) + array(adapted.lora_kernel_a), 1e-6)
    assert [variable.name for variable in adapted.trainable_variables] == ["bias", "lora_kernel_a", "lora_kernel_b"]
    with pytest.raises(ValueError, match="already enabled"):
        adapted.enable_lora(2)


def test_policies_quantise():
    layer = layers.Dense(3, dtype="int8_from_float32")
    layer.build((None, 4))
    assert [variable.dtype for variable in layer.variables] == ["float32", "int8", "float32"]
    built = layers.Dense(3)
    built.build((None, 4))
    built.dtype_policy = "int4/2_from_float32"
    assert built.quantization_mode == "int4" and tuple(built.kernel_scale.shape) == (2, 3)
    waiting = layers.Dense(3)
    waiting.build((None, 4))
    with pytest.raises(ValueError, match="needs data"):
        waiting.dtype_policy = "gptq/4/32_from_float32"
    policies = keras.dtype_policies.DTypePolicyMap("float32", {".*in.*": keras.dtype_policies.get("int8_from_float32")})
    stack = [layers.Dense(3, name="inner", dtype=policies), layers.Dense(2, name="outer", dtype=policies)]
    keras.Sequential([keras.Input((4,)), *stack])
    assert [layer.quantization_mode for layer in stack] == ["int8", None]
    assert [layer.weights[-1].dtype for layer in stack] == ["float32", "float32"]
    assert "int8" in {variable.dtype for variable in stack[0].variables}
    stack[1].quantize("int4")
    assert policies[stack[1].path].name == "int4/128_from_float32"
    with pytest.raises(ValueError, match="matches multiple"):
        keras.dtype_policies.DTypePolicyMap(policy_map={"a.": "float32", ".b": "float32"})["ab"]


def test_what_cannot_be_quantised():
    for other in (
        layers.LayerNormalization(dtype="int8_from_float32"),
        layers.Activation("relu", dtype="int4_from_float32"),
    ):
        with pytest.raises(NotImplementedError, match=r"does not have a `_int[48]_call` method"):
            other(normal(2, 3))
    with pytest.raises(ValueError, match="isn't yet built"):
        layers.Dense(3).quantize("int8")
    layer = quantised("int8", layers.Dense(3), (None, 4))
    for mode, message in (("int8", "already quantized"), ("int9", "Invalid quantization mode")):
        with pytest.raises(ValueError, match=message):
            layer.quantize(mode)
    with pytest.raises(ValueError, match="Contradictory"):
        layer.quantize("int4", config=keras.quantizers.Int8QuantizationConfig())
    with pytest.raises(ValueError, match="either `mode` or `config`"):
        layer.quantize()
    with pytest.raises(NotImplementedError, match="Expected one of"):
        quantised("float8", layers.Embedding(3, 2), (None,))
    with pytest.raises(ValueError, match="float16"):
        quantised("int8", layers.Dense(3, dtype="float16"), (None, 4))
    for other in (layers.Conv1D(2, 2), type("Own", (layers.Dense,), {})(3)):
        with pytest.raises(NotImplementedError, match="does not have a `quantize` method"):
            quantised("int8", other, (None, 4, 4))
    own = type("Own", (layers.Dense,), {})(3)
    own.build((None, 4))
    own.quantize("int8", type_check=False)
    assert own.quantization_mode == "int8"
    with pytest.raises(NotImplementedError, match="Lora is not supported"):
        quantised("float8", layers.Dense(3), (None, 4)).enable_lora(2)


# --- models -----------------------------------------------------------------------------------------------------------


def model_of(K, rank=None):
    x = K.Input((6,), dtype="int32")
    h = K.layers.Embedding(11, 8, lora_rank=rank)(x)
    h = K.layers.EinsumDense("abc,cd->abd", (6, 8), bias_axes="d", activation="relu", name="middle")(h)
    return K.Model(x, K.layers.Dense(3, lora_rank=rank, name="last")(K.layers.Flatten()(h)))


IDS = RNG.integers(0, 11, (5, 6)).astype("int32")


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore::UserWarning")  # of what is not quantised
@pytest.mark.parametrize(("mode", "rank"), [("int8", None), ("int8", 2), ("int4", None), ("int4", 2), ("float8", None)])
def test_files_both_ways(mode, rank, tmp_path):
    path, real = tmp_path / "model.keras", real_keras()
    for writer, reader in ((real, keras), (keras, real), (keras, keras)):
        model = model_of(writer, rank)
        if writer is keras:
            model.predict(IDS, verbose=0)
        model.quantize(mode)
        outputs = model(IDS)
        if writer is keras:
            same(model.predict(IDS, verbose=0), outputs, 1e-6)
        model.save(path)
        read = reader.models.load_model(path)
        same(read(IDS), outputs, 1e-6)
        model.save_weights(tmp_path / "model.weights.h5")
        read.load_weights(tmp_path / "model.weights.h5")
        same(read(IDS), outputs, 1e-6)


@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_quantised_models_leave_as_onnx(mode, tmp_path):
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = keras.Sequential([keras.Input((8,), name="x"), layers.Dense(6, activation="relu"), layers.Dense(3)])
    for layer in model.layers:
        layer.quantize(mode)
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    x = normal(4, 8)
    found = onnxruntime.InferenceSession(str(tmp_path / "model.onnx")).run(None, {"x": x})
    same(found[0], model(x), 1e-6)


def test_filters():
    def modes(filters):
        model = model_of(keras)
        with pytest.warns(UserWarning, match="does not have a `quantize` method") if filters is None else nothing():
            model.quantize("int8", filters=filters)
        return [layer.quantization_mode for layer in model.layers if layer.weights]

    from contextlib import nullcontext as nothing

    assert modes(None) == ["int8", "int8", "int8"]
    assert modes("last") == [None, None, "int8"]
    assert modes(["^middle$", "emb"]) == ["int8", "int8", None]
    assert modes(lambda layer: layer.name == "middle") == [None, "int8", None]
    with pytest.raises(ValueError, match="`filters` argument"):
        modes(3)


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_training_in_float8():
    x, y, weights, found = normal(32, 8), normal(32, 2), None, []
    for K in (real_keras(), keras):
        model = K.Sequential([K.Input((8,)), K.layers.Dense(4, activation="relu"), K.layers.Dense(2)])
        weights = weights or model.get_weights()
        model.set_weights(weights)
        model.quantize("float8")
        model.compile(K.optimizers.Adam(0.01), "mse")
        history = model.fit(x, y, epochs=3, batch_size=8, shuffle=False, verbose=0).history["loss"]
        found.append((history, model.weights, model.optimizer.variables))
    (history, variables, slots), own = found
    np.testing.assert_allclose(own[0], history, rtol=1e-5)
    for one, other in zip([*own[1], *own[2]], [*variables, *slots], strict=True):
        same(one, other, 1e-4)


def test_what_is_added_to_integers_learns():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(4, activation="relu"), layers.Dense(2)])
    for layer in model.layers:
        layer.quantize("int8")
        layer.enable_lora(2)
    before = [array(layer._holders["kernel"]).copy() for layer in model.layers]
    model.compile(keras.optimizers.Adam(0.05), "mse")
    x = normal(64, 8)
    losses = model.fit(x, x[:, :2], epochs=6, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < losses[0] * 0.8
    for layer, kernel in zip(model.layers, before):
        same(layer._holders["kernel"], kernel)


# --- with data --------------------------------------------------------------------------------------------------------


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("count", "size", "options"),
    [
        (150, -1, {}),
        (150, 32, {"symmetric": True}),
        (150, 16, {"weight_bits": 3}),
        (40, -1, {"per_channel": False, "weight_bits": 8}),
    ],
)
def test_rounding_with_data(count, size, options):
    real_keras()
    from keras.src.quantizers.awq import awq_quantize_matrix
    from keras.src.quantizers.gptq import gptq_quantize_matrix
    from keras.src.quantizers.quantizers import GPTQQuantizer

    weights = torch.tensor(normal(6, count))
    x = torch.tensor(normal(300, count) * np.linspace(0.2, 2, count, dtype="float32"))
    second = calibrated.hessian(x[100:], calibrated.hessian(x[:100]), 100)
    same(second, calibrated.hessian(x), 1e-5)
    damped = second + 0.01 * second.diagonal().mean() * torch.eye(count)
    config = keras.quantizers.GPTQConfig(None, None, group_size=size, **options)
    real_config = real_keras().quantizers.GPTQConfig(None, None, group_size=size, **options)
    wanted = gptq_quantize_matrix(
        weights,
        torch.linalg.cholesky(torch.linalg.inv(damped), upper=True),  # as the paper has it, where Keras has the inverse
        group_size=size,
        compute_scale_zero=GPTQQuantizer(real_config).find_params,
    )
    how = {"bits": config.weight_bits, "size": size, "symmetric": config.symmetric, "per_channel": config.per_channel}
    found = calibrated.gptq(weights, second, **how)
    assert (array(found[0]) != array(wanted[0])).mean() < 0.01  # what lies halfway may fall either way
    for one, other in zip(found[1:3], wanted[1:3]):
        same(one, other[:, : one.shape[1]], 1e-4)  # Keras repeats the range of one group for each block
    same(found[3], wanted[3])
    order = torch.argsort(-second.diagonal())
    ordered = calibrated.gptq(weights[:, order], second[order][:, order], **how)
    found = calibrated.gptq(weights, second, largest_first=True, **how)
    same(found[0][:, order], ordered[0])
    same(found[3][order], ordered[3])
    most = calibrated.largest_inputs(x[100:], calibrated.largest_inputs(x[:100]))
    codes, scale, zero, groups, factors = calibrated.awq(weights, most, size=size)
    for one, other in zip((codes, scale, zero, factors, groups), awq_quantize_matrix(weights, most, group_size=size)):
        same(one, other, 1e-5)


class Tokens:
    @staticmethod
    def tokenize(text):
        return np.array([ord(letter) % 11 for letter in text])


def blocks_model():
    keras.utils.set_random_seed(0)  # what few samples calibrate is far off for some weights
    ids = keras.Input((None,), dtype="int32")
    table = layers.Embedding(11, 8)
    h = table(ids)

    def block(name):
        x = keras.Input((None, 8))
        y = layers.Dense(16, activation="relu")(x)
        y = layers.EinsumDense("abc,cde->abde", (None, 2, 4))(y)
        return keras.Model(x, layers.EinsumDense("abde,def->abf", (None, 8), bias_axes="f")(y) + x, name=name)

    blocks = [block("one"), block("two")]
    for one in blocks:
        h = one(h)
    model = keras.Model(ids, layers.Dense(3, name="head")(h))
    model.get_quantization_layer_structure = lambda mode: {"pre_block_layers": [table], "sequential_blocks": blocks}
    return model, blocks


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
@pytest.mark.parametrize(
    ("kind", "options", "most"),
    [("GPTQ", {"weight_bits": 8}, 0.01), ("GPTQ", {"group_size": 4}, 0.3), ("AWQ", {"group_size": 4}, 0.3)],
)
def test_models_with_data(kind, options, most, tmp_path, capsys):
    model, blocks = blocks_model()
    ids = RNG.integers(0, 11, (4, 7)).astype("int32")
    before = array(model(ids))
    config = getattr(keras.quantizers, f"{kind}Config")(
        ["hello world, this is some text", "and another one"], Tokens(), num_samples=6, sequence_length=9, **options
    )
    model.quantize(config=config, filters=lambda layer: layer.name != "head" and "embedding" not in layer.name)
    inner = [layer for block in blocks for layer in block.layers if layer.weights]
    assert [layer.is_calibrated for layer in inner] == [True] * 6
    assert model.get_layer("head").quantization_mode is None
    assert inner[0].get_config()["quantization_config"]["config"]["dataset"] is None
    error = np.abs(array(model(ids)) - before).max() / np.abs(before).max()
    assert 0 < error < most
    if kind == "AWQ":
        assert any(len(np.unique(array(layer.awq_scales))) > 1 for layer in inner)  # the data was looked at
    model.save(tmp_path / "model.keras")
    same(keras.models.load_model(tmp_path / "model.keras")(ids), model(ids))


def test_data_helps():
    """The product with inputs like those seen comes out nearer than by plain rounding."""
    rng = np.random.default_rng(1)
    weights, x, mixing = (torch.tensor(rng.normal(size=size)).float() for size in ((8, 64), (500, 64), (64, 64)))
    x = x @ mixing
    plain = quantizers.code_range(weights, -1, levels=7)
    codes = quantizers.steps(weights, *plain, 7)
    before = ((codes - plain[1]) * plain[0] - weights) @ x.t()
    codes, scale, zero, groups = calibrated.gptq(weights, calibrated.hessian(x), bits=3, size=-1)
    after = (quantizers.dequantized(codes, scale, zero, groups) - weights) @ x.t()
    assert after.square().mean() < 0.6 * before.square().mean()


def test_calibration_is_refused():
    model, _ = blocks_model()
    with pytest.raises(ValueError, match="requires a dataset and a tokenizer"):
        model.quantize(config=keras.quantizers.GPTQConfig(None, None))
    with pytest.raises(ValueError, match="in what order the layers come"):
        model_of(keras).quantize(config=keras.quantizers.AWQConfig(["text"], Tokens()))
    with pytest.raises(ValueError, match="`GPTQConfig` object"):
        model.quantize("gptq")
    with pytest.raises(TypeError, match="must be an iterable"):
        model.quantize(config=keras.quantizers.GPTQConfig("text", Tokens()), filters="dense")
