"""`mx.contrib.quantization`: graphs and numbers of the real MXNet where it can run them, and small errors elsewhere."""

import importlib

import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_parity import same_code
from tandem.mxnet.contrib import quantization

# Runs in both: dense layers, which the oracle runs on int8 (its convolutions take only uint8).
DENSE = """
import importlib, json
q = importlib.import_module(f"{mx.__name__}.contrib.quantization")
data = mx.sym.Variable("data")
hidden = mx.sym.FullyConnected(mx.sym.Flatten(data, name="flat"), num_hidden=8, name="fc1")
net = mx.sym.FullyConnected(hidden, num_hidden=3, name="fc2")
args = {name: nd.array(value) for name, value in weights.items()}
batches = mx.io.NDArrayIter(x, batch_size=5)
qnet, qargs, _ = q.quantize_model(
    net, args, {}, label_names=None, calib_mode=mode, calib_data=None if mode == "none" else batches,
    excluded_sym_names=excluded, quantize_mode="full", quantized_dtype="int8")
nodes = [[node["op"], node["name"], node["inputs"]] for node in json.loads(qnet.tojson())["nodes"]]
params = {name: value.asnumpy() for name, value in qargs.items()}
output = qnet.bind(mx.cpu(), {**qargs, "data": nd.array(x)}).forward()[0].asnumpy()
"""


def _weights(net, seed, **shapes):
    rng = np.random.default_rng(seed)
    found = zip(net.list_arguments(), net.infer_shape(**shapes)[0])
    return {name: rng.normal(size=shape).astype("f") for name, shape in found if name not in shapes}


@pytest.mark.parametrize("mode", ["none", "naive"])
@pytest.mark.parametrize("excluded", [[], ["fc2"]])
def test_dense_layers_are_those_of_mxnet(mode, excluded):
    x = np.random.default_rng(1).normal(size=(10, 2, 3)).astype("f")
    net = mx.sym.FullyConnected(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=8, name="fc1"),
                                num_hidden=3, name="fc2")  # fmt: skip
    weights = _weights(net, 0, data=(10, 6))
    same_code(
        DENSE, ["nodes", "params", "output"], x=x, weights=weights, mode=mode, excluded=excluded, rtol=0.05, atol=0.1
    )


def _convolutions():
    data = mx.sym.Variable("data")
    first = mx.sym.Activation(mx.sym.Convolution(data, kernel=(3, 3), num_filter=6, name="conv1"), act_type="relu")
    pooled = mx.sym.Pooling(first, kernel=(2, 2), stride=(2, 2), pool_type="max", name="pool")
    second = mx.sym.Convolution(pooled, kernel=(1, 1), num_filter=6, no_bias=True, name="conv2")
    joined = mx.sym.Concat(second, pooled, dim=1, name="joined")
    return mx.sym.FullyConnected(mx.sym.Flatten(joined, name="flat"), num_hidden=4, name="fc")


@pytest.mark.parametrize("mode", ["none", "naive", "entropy"])
@pytest.mark.parametrize("style", ["full", "smart"])
def test_integers_give_about_what_floats_give(mode, style):
    net = _convolutions()
    weights = {name: mx.nd.array(value) for name, value in _weights(net, 2, data=(8, 3, 8, 8)).items()}
    x = np.random.default_rng(3).normal(size=(16, 3, 8, 8)).astype("f")
    batches = mx.io.NDArrayIter(x, batch_size=8)
    made, params, states = quantization.quantize_model(
        net, weights, {}, label_names=None, calib_mode=mode, calib_data=None if mode == "none" else batches,
        quantize_mode=style, num_calib_examples=8,
    )  # fmt: skip
    assert states == {}
    assert params["conv1_weight_quantize"].dtype == np.int8
    calibrated = [node for node in made.attr_dict().values() if "min_calib_range" in node]
    assert bool(calibrated) == (mode != "none")
    data = mx.nd.array(x[:8])
    expected = net.eval(data=data, **weights)[0].asnumpy()
    again = mx.sym.load_json(made.tojson())
    found = again.eval(data=data, **params)[0].asnumpy()
    assert np.abs(found - expected).mean() < (0.25 if mode == "entropy" else 0.05) * np.abs(expected).mean()


@pytest.mark.parametrize("mode", ["none", "naive"])
@pytest.mark.parametrize("biased", [False, True])
def test_convolutions_of_data_without_negative_numbers(mode, biased):
    dtype = "int8"  # of uint8 their range, and what they give, is twice too wide, as MXNet's are
    net = mx.sym.Convolution(mx.sym.Variable("data"), kernel=(3, 3), num_filter=4, no_bias=not biased, name="conv")
    weights = {name: mx.nd.array(value) for name, value in _weights(net, 4, data=(4, 3, 6, 6)).items()}
    if biased:
        weights["conv_bias"] += 20  # the range of what the convolution alone gives is another
    x = np.random.default_rng(5).uniform(0, 1, (4, 3, 6, 6)).astype("f")
    expected = net.eval(data=mx.nd.array(x), **weights)[0].asnumpy()
    kinds = {"label_names": None, "calib_mode": mode, "quantized_dtype": dtype, "quantize_mode": "full"}
    batches = None if mode == "none" else mx.io.NDArrayIter(x, batch_size=4)
    made, params, _ = quantization.quantize_model(net, weights, {}, calib_data=batches, **kinds)
    found = made.eval(data=mx.nd.array(x), **params)[0].asnumpy()
    np.testing.assert_allclose(found, expected, atol=0.03 * np.ptp(expected))
    if mode != "none":
        made, params, _, collector = quantization.quantize_graph(
            net, weights, {}, calib_mode=mode, quantized_dtype=dtype, quantize_mode="full"
        )
        quantization._collect(net, weights, {}, batches, ["data"], [], mx.cpu(), None, collector)
        made, params, _ = quantization.calib_graph(made, params, {}, collector, mode, dtype)
        again = made.eval(data=mx.nd.array(x), **params)[0].asnumpy()
        np.testing.assert_allclose(again, found, atol=1e-5)


def test_integers_of_convolutions_are_mxnets():
    rng = np.random.default_rng(6)
    same_code(
        """
        bounds = [nd.array([value]) for value in (-1.3, 1.3, -1, 1)]
        result = nd.contrib.quantized_conv(nd.array(x, dtype="uint8"), nd.array(w, dtype="int8"), *bounds,
                                           kernel=(3, 3), num_filter=3, no_bias=True, stride=(2, 2), pad=(1, 1))[0]
        """,
        ["result"],
        x=rng.integers(0, 256, (2, 4, 5, 5)).astype("uint8"),
        w=rng.integers(-127, 128, (3, 4, 3, 3)).astype("int8"),
    )


@pytest.mark.parametrize("options", [{}, {"enable_float_output": True}, {"min_calib_range": -2, "max_calib_range": 3}])
def test_products_of_integers_are_mxnets(options):
    rng = np.random.default_rng(7)
    values = [rng.integers(-127, 128, (3, 4)).astype("int8") for _ in range(2)]
    same_code(
        """
        names = ["a", "b", "a_low", "a_high", "b_low", "b_high"]
        bounds = [nd.array([value]) for value in (-1, 0.5, -2, 3)]
        product = mx.sym.contrib.quantized_elemwise_mul(*[mx.sym.var(name) for name in names], name="p", **options)
        arrays = [nd.array(value, dtype="int8") for value in values] + bounds
        results = product.bind(mx.cpu(), dict(zip(names, arrays))).forward()
        outputs = product.list_outputs()
        """,
        ["results", "outputs"],
        values=values,
        options=options,
        atol=1e-5,
    )


def test_a_range_that_is_not_symmetric_fills_all_levels():
    x = mx.nd.array([[-1, 0, 1, 3], [2, -0.5, 0.25, 1]])
    levels, scale, shift = mx.nd.contrib.quantize_asym(x)
    assert levels.dtype == np.uint8
    assert levels.asnumpy().min() == 0 and levels.asnumpy().max() == 255
    back = (levels.astype("float32") - shift) / scale
    np.testing.assert_allclose(back.asnumpy(), x.asnumpy(), atol=0.5 * 4 / 255 + 1e-6)
    cut = mx.nd.contrib.quantize_asym(x, min_calib_range=0, max_calib_range=1)[0]
    assert cut.asnumpy()[0].tolist() == [0, 0, 255, 255]
    assert mx.sym.contrib.quantize_asym(mx.sym.var("x"), name="q").list_outputs() == ["q_output", "q_scale", "q_shift"]
    with pytest.raises(mx.MXNetError):
        mx.nd.contrib.quantize_asym(levels)


def test_a_block_becomes_a_block_on_integers():
    mx.random.seed(0)
    net = mx.gluon.nn.HybridSequential()
    net.add(
        mx.gluon.nn.Conv2D(4, 3, activation="relu"),
        mx.gluon.nn.BatchNorm(),
        mx.gluon.nn.Flatten(),
        mx.gluon.nn.Dense(3),
    )
    net.initialize(mx.init.Xavier())
    x = mx.nd.random.normal(shape=(8, 2, 6, 6))
    expected = net(x).asnumpy()
    made = quantization.quantize_net(net, calib_data=x, calib_mode="naive", quantized_dtype="int8")
    np.testing.assert_allclose(made(x).asnumpy(), expected, atol=0.05 * np.abs(expected).max())
    kept = quantization.quantize_net(net, data_shapes=[(8, 2, 6, 6)], exclude_layers_match=["conv", "dense", "flatten"])
    np.testing.assert_allclose(kept(x).asnumpy(), expected, rtol=1e-5, atol=1e-5)


def test_histograms_grow_as_in_mxnet():
    same_code(
        """
        import importlib
        q = importlib.import_module(f"{mx.__name__}.contrib.quantization")
        first = np.histogram(x, bins=21, range=(-2.0, 2.0))
        held = (*first, -2.0, 2.0, 2.0)
        found = [q.combine_histogram(held, y, y.min(), y.max(), abs(y).max()) for y in (x / 2, x * 3)]
        found = [[np.asarray(part) for part in one] for one in found]
        """,
        ["found"],
        x=np.random.default_rng(0).uniform(-2, 2, 500),
    )


def test_ranges_are_cut_where_mxnet_cuts_them():
    same_code(
        """
        cuts = [nd.contrib.calibrate_entropy(nd.array(counts), nd.array(edges), num_quantized_bins=levels)[0].asnumpy()
                for counts, edges, levels in histograms]
        """,
        ["cuts"],
        histograms=[
            (*np.histogram(np.random.default_rng(seed).normal(size=3000), bins=bins, range=(-4, 4)), levels)
            for seed, (bins, levels) in enumerate([(81, 15), (801, 63), (801, 255)])
        ],
        rtol=0.05,
    )


@pytest.mark.parametrize(
    "given",
    [
        {"calib_mode": "naive"},
        {"calib_mode": "least"},
        {"calib_mode": "none", "quantized_dtype": "int4"},
        {"calib_mode": "none", "quantize_mode": "half"},
        {"calib_mode": "none", "quantize_granularity": "channel-wise"},
        {"calib_mode": "none", "excluded_sym_names": "fc"},
        {"calib_mode": "none", "excluded_sym_names": ["nothing"]},
    ],
)
def test_unknown_choices_raise(given):
    with pytest.raises(ValueError):
        quantization.quantize_model(_convolutions(), {}, {}, **given)


def test_the_module_has_its_short_name():
    assert importlib.import_module("tandem.mxnet.contrib").quant is quantization
