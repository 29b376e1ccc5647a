"""`contrib.amp`: which dtype operators compute in, scaled losses, steps left out."""

import json

import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_parity import same_expressions
from tandem.mxnet import autograd, gluon, nd
from tandem.mxnet.base import MXNetError
from tandem.mxnet.contrib import amp
from tandem.mxnet.contrib.amp import casting
from tandem.mxnet.gluon import nn


@pytest.fixture
def initialized(monkeypatch):
    """Mixed precision in bfloat16, off again afterwards."""
    monkeypatch.setattr(casting, "_everywhere", None)
    amp.init("bfloat16")


def low(*shape):
    return nd.ones(shape).astype("bfloat16")


def dtype_of(array):
    return str(array._tensor.dtype).removeprefix("torch.")


@pytest.mark.oracle
def test_lists_are_the_real_ones():
    names = ["lp16_ops", "fp32_ops", "lp16_fp32_ops", "conditional_fp32_ops", "widest_type_cast"]
    names += ["loss_output_functions", "lp16_use_fp32_params"]
    uses = [f"amp.list_{name}({dtype!r})" for name in names for dtype in ("float16", "bfloat16")]
    uses += ["amp.init('float32')", "amp.init_trainer(5)", "amp.unscale(5)", "amp.unscale(mx.optimizer.SGD())"]
    uses += ["amp.convert_hybrid_block(mx.gluon.nn.Dense(3), ctx=mx.cpu())"]
    uses += ["amp.convert_hybrid_block(mx.gluon.nn.Sequential(), ctx=mx.cpu())"]
    uses += ["amp.convert_hybrid_block(mx.gluon.nn.Dense(3), 'int8', ctx=mx.cpu())"]
    same_expressions(uses, "import importlib; amp = importlib.import_module(mx.__name__ + '.contrib.amp')")


def test_operators_compute_as_listed(initialized):
    x, w = nd.ones((2, 5)), nd.ones((3, 5))
    assert dtype_of(nd.FullyConnected(x, w, num_hidden=3, no_bias=True)) == "bfloat16"
    assert dtype_of(nd.exp(low(2))) == "float32"
    assert dtype_of(low(2).exp()) == "float32"
    assert dtype_of(nd.softmax(low(2, 2))) == "float32"
    assert dtype_of(nd.relu(low(2))) == "bfloat16"
    assert dtype_of(nd.Activation(low(2), act_type="relu")) == "bfloat16"
    assert dtype_of(nd.Activation(low(2), act_type="softrelu")) == "float32"
    assert dtype_of(low(2) + nd.ones(2)) == "float32"
    assert dtype_of(nd.broadcast_mul(nd.ones(2), low(2))) == "float32"
    assert dtype_of(nd.dot(low(2, 2), nd.ones((2, 2)))) == "float32"
    assert dtype_of(nd.concat(low(2, 2), nd.ones((2, 2)), dim=0)) == "float32"
    with pytest.raises(MXNetError, match="one dtype"):
        low(2) + nd.ones(2, dtype="int32")


def test_nothing_is_cast_without_it():
    with pytest.raises(MXNetError, match="one dtype"):
        low(2) + nd.ones(2)
    assert dtype_of(nd.exp(low(2))) == "bfloat16"


@pytest.mark.parametrize("hybridize", [False, True])
def test_training_in_mixed_precision_is_near_training_in_float32(monkeypatch, hybridize):
    def train(mixed):
        monkeypatch.setattr(casting, "_everywhere", None)
        if mixed:
            amp.init("bfloat16")
        rng = np.random.RandomState(0)
        net = nn.HybridSequential()
        net.add(
            nn.Conv2D(4, 3, in_channels=2),
            nn.BatchNorm(in_channels=4),
            nn.Activation("relu"),
            nn.Dense(8, activation="tanh", in_units=64),
            nn.LayerNorm(in_channels=8),
            nn.Dense(3, in_units=8),
        )
        net.initialize()
        for parameter in net.collect_params().values():
            if parameter.name.endswith("weight"):
                parameter.set_data(nd.array(rng.uniform(-0.3, 0.3, parameter.shape)))
        if hybridize:
            net.hybridize()
        loss = gluon.loss.SoftmaxCrossEntropyLoss()
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        if mixed:
            amp.init_trainer(trainer)
        x, y = nd.array(rng.uniform(-1, 1, (6, 2, 6, 6))), nd.array(rng.randint(0, 3, 6))
        values = []
        for _ in range(5):
            with autograd.record():
                outputs = net(x)
                value = loss(outputs, y)
                if mixed:
                    assert dtype_of(outputs) == "bfloat16"
                    with amp.scale_loss(value, trainer) as scaled:
                        scaled.backward()
                else:
                    value.backward()
            trainer.step(6)
            values.append(value.mean().asscalar())
        assert all(dtype_of(one.data()) == "float32" for one in net.collect_params().values())
        return values

    plain, mixed = train(False), train(True)
    assert plain[-1] < 0.8 * plain[0]
    np.testing.assert_allclose(mixed, plain, rtol=0.03)
    assert plain != mixed


def test_recurrent_layers_take_what_comes(initialized):
    layer, head = gluon.rnn.LSTM(4), nn.Dense(5, flatten=False)
    layer.initialize()
    head.initialize()
    assert dtype_of(layer(head(nd.ones((3, 2, 4))))) == "float32"


def make(settings=None, **options):
    net = nn.Dense(1, use_bias=False, in_units=2)
    net.initialize(mx.init.One())
    settings = {"learning_rate": 0.1, **(settings or {})}
    return net, gluon.Trainer(net.collect_params(), "sgd", settings, **options)


def backward(net, trainer, factor=1.0):
    with autograd.record():
        loss = net(nd.array([[1.0, 2.0]])).sum() * factor
        with amp.scale_loss(loss, trainer) as scaled:
            scaled.backward()
    return (scaled / loss).asscalar()


def test_the_scale_leaves_the_step_as_it_is(initialized):
    net, trainer = make({"rescale_grad": 0.5})
    amp.init_trainer(trainer)
    assert backward(net, trainer) == 2**16
    np.testing.assert_allclose(net.weight.grad().asnumpy(), [[2**16, 2**17]])
    trainer.step(2)
    np.testing.assert_allclose(net.weight.data().asnumpy(), [[0.975, 0.95]], rtol=1e-6)
    backward(net, trainer)
    amp.unscale(trainer)
    np.testing.assert_allclose(net.weight.grad().asnumpy(), [[0.5, 1.0]])
    with autograd.record():
        loss = net(nd.ones((1, 2)))
        with amp.scale_loss([loss, loss], trainer) as scaled:
            assert isinstance(scaled, list)


@pytest.mark.parametrize("on_store", [None, False])
def test_a_step_that_overflows_is_left_out(initialized, on_store, caplog):
    contexts = [mx.cpu(0), mx.cpu(1)]
    net = nn.Dense(1, use_bias=False, in_units=2)
    net.initialize(mx.init.One(), ctx=contexts)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1}, update_on_kvstore=on_store)
    amp.init_trainer(trainer)
    scaler = trainer._amp_loss_scaler
    for factor, scale, moves in ((1.0, 2.0**16, True), (1e38, 2.0**16, False), (1.0, 2.0**15, True)):
        before = net.weight.data(contexts[0]).asnumpy()
        with autograd.record():
            losses = [net(nd.ones((1, 2), ctx=ctx)) * factor for ctx in contexts]
            with amp.scale_loss(losses, trainer) as scaled:
                autograd.backward(scaled)
        trainer.step(1)
        assert scaler._loss_scale == scale
        for ctx in contexts:
            moved = net.weight.data(ctx).asnumpy() - before
            np.testing.assert_allclose(moved, [[-0.2, -0.2]] if moves else [[0, 0]], rtol=1e-5)
        if not moves:
            assert scaler._next_loss_scale == scale / 2
            backward_scale = scaler._next_loss_scale
            scaler._loss_scale = backward_scale  # what the next check does
    assert scaler._unskipped == 1


def test_the_scale_grows(initialized):
    net, trainer = make()
    amp.init_trainer(trainer)
    scaler = trainer._amp_loss_scaler
    scaler._scale_seq_len = 2
    scales = []
    for _ in range(5):
        scales.append(backward(net, trainer))
        trainer.step(1)
    assert scales == [2.0**16, 2.0**16, 2.0**16, 2.0**17, 2.0**17]


def test_a_converted_block(monkeypatch):
    monkeypatch.setattr(casting, "_everywhere", None)
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3), nn.BatchNorm(), nn.Dense(3))
    net.initialize(mx.init.Normal(0.3))
    x = nd.array(np.random.RandomState(0).uniform(-1, 1, (2, 3, 6, 6)))
    with pytest.raises(RuntimeError, match="hybridize"):
        amp.convert_hybrid_block(net, "bfloat16", ctx=mx.cpu())
    net.hybridize()
    plain = net(x)
    made = amp.convert_hybrid_block(net, "bfloat16", ctx=mx.cpu())
    for _ in range(3):
        found = made(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.asnumpy(), plain.asnumpy(), atol=0.05)
    assert not np.array_equal(found.asnumpy(), plain.asnumpy())
    np.testing.assert_array_equal(net(x).asnumpy(), plain.asnumpy())
    net[2].weight.set_data(nd.zeros_like(net[2].weight.data()))
    assert made(x).asnumpy().any()  # a copy
    layers = {"target_dtype_ops": [], "fp32_ops": ["Convolution", "FullyConnected"]}
    full = amp.convert_hybrid_block(net, "bfloat16", ctx=mx.cpu(), **layers)
    np.testing.assert_allclose(full(x).asnumpy(), net(x).asnumpy(), rtol=1e-6)
    graph = json.loads(made._symbol.tojson(remove_amp_cast=False))
    kept = [node["name"] for node in graph["nodes"] if node["op"] in ("Convolution", "FullyConnected")]
    full = amp.convert_hybrid_block(net, "bfloat16", ctx=mx.cpu(), excluded_sym_names=kept)
    np.testing.assert_allclose(full(x).asnumpy(), net(x).asnumpy(), rtol=1e-6)
    half = amp.convert_hybrid_block(net, ctx=mx.cpu(), cast_optional_params=True)
    np.testing.assert_allclose(half(x).asnumpy(), net(x).asnumpy(), atol=0.01)
    kinds = [parameter.data().dtype for parameter in half.collect_params().values()]
    assert kinds.count(np.float16) == kinds.count(np.float32) == 4


def test_what_is_refused(monkeypatch):
    monkeypatch.setattr(casting, "_everywhere", None)
    net, trainer = make()
    with pytest.raises(AssertionError, match="AMP not initialized"):
        amp.init_trainer(trainer)
    with pytest.raises(AttributeError, match="_amp_loss_scaler"), amp.scale_loss(nd.ones(1), trainer):
        pass
    with pytest.raises(AssertionError, match="no operator Nosuch"):
        amp.init("bfloat16", fp32_ops=["Nosuch"])
    amp.init("bfloat16")
    with pytest.raises(TypeError, match="only compatible with Gluon Trainer"):
        amp.init_trainer(mx.optimizer.SGD())
    net.hybridize()
    net(nd.ones((1, 2)))
    data = mx.sym.var("data")
    for convert in (
        lambda: amp.convert_symbol(None),
        lambda: amp.convert_symbol(data, "float64"),
        lambda: amp.convert_symbol(data, fp32_ops=["FullyConnected"]),  # MXNet's list for 16 bits has it too
        lambda: amp.convert_symbol(data, fp32_ops=["Nosuch"]),
        lambda: amp.convert_model(data, None, {}),
    ):
        with pytest.raises(AssertionError):
            convert()
    with mx.np_shape(True), mx.np_array(True), pytest.raises(NotImplementedError, match=r"mx\.np"):
        amp.init()


# Symbols of a few layers: A, B in 16 bits, R what comes, E in float32, v and w without a dtype.
SYMBOLS = """
add(A, B)
add(A, v)
add(v, w)
add(R, E)
add(E, sym.exp(v, name="E2"))
add(add(A, v), E, "add2")
add(sym.split(A, num_outputs=3, name="sp")[1], E)
sym.concat(A, E, B, dim=0, name="joined")
sym.add_n(A, E, v, name="sum")
fc(A, "C")
fc(E, "C")
sym.Activation(A, act_type="softrelu", name="soft")
sym.softmax(A, name="shares")
sym.SoftmaxOutput(A, name="loss")
sym.Group([sym.exp(A, name="e"), sym.log(A, name="l")])
sym.mean(sym.BatchNorm(R, name="bn"), name="mean")
sym.Embedding(data, input_dim=3, output_dim=2, name="rows")
fc(A, "C"), dict(excluded_sym_names=["C"])
fc(A, "C"), dict(excluded_sym_names=["A"])
sym.exp(fc(A, "C"), name="e"), dict(target_dtype_ops=[], fp32_ops=["FullyConnected"])
sym.Activation(A, act_type="relu", name="r"), dict(conditional_fp32_ops=[("Activation", "act_type", ["relu"])])
fc(R, "C"), dict(data_names=["data"], cast_optional_params=True)
""".strip().split("\n")


@pytest.mark.oracle
def test_symbols_are_cast_where_mxnet_casts_them():
    same_expressions(
        [f"cast({expression})" for expression in SYMBOLS],
        """
import importlib, json
amp, sym = importlib.import_module(mx.__name__ + ".contrib.amp"), mx.sym
data, v, w = sym.var("data"), sym.var("v"), sym.var("w")
def fc(x, name): return sym.FullyConnected(x, num_hidden=3, name=name, no_bias=True)
def add(a, b, name="add"): return sym.elemwise_add(a, b, name=name)
A, B = fc(data, "A"), fc(data, "B")
R, E = sym.Activation(A, act_type="relu", name="R"), sym.exp(data, name="E")
def cast(symbol, options={}):
    made = amp.convert_symbol(symbol, **options)
    graph = json.loads(made.tojson(remove_amp_cast=False))
    names = [node["name"].replace("_0_amp", "_output_amp") for node in graph["nodes"]]
    nodes = [(node["op"], name, node.get("attrs", {}).get("dtype"), [(names[i], at) for i, at, _ in node["inputs"]])
             for node, name in zip(graph["nodes"], names)]
    kept = {name: attrs.get("__dtype__") for name, attrs in made.attr_dict().items() if "amp" not in name}
    return str((nodes, [names[i] for i, _, _ in graph["heads"]], sorted(kept.items(), key=str)))
""",
    )


@pytest.mark.parametrize("optional", [False, True])
def test_a_converted_model(optional):
    data = mx.sym.var("data")
    hidden = mx.sym.BatchNorm(mx.sym.Convolution(data, kernel=(3, 3), num_filter=4, name="conv"), name="bn")
    net = mx.sym.softmax(mx.sym.FullyConnected(mx.sym.relu(hidden), num_hidden=3, name="fc"))
    shapes, _, states = net.infer_shape(data=(2, 3, 6, 6))
    rng = np.random.default_rng(0)
    values = {name: nd.array(rng.normal(0, 0.3, shape)) for name, shape in zip(net.list_arguments(), shapes)}
    x = values.pop("data")
    aux = {name: nd.ones(shape) for name, shape in zip(net.list_auxiliary_states(), states)}
    made, args, states = amp.convert_model(net, values, aux, cast_optional_params=optional)
    low = {name for name, value in args.items() if value.dtype == np.float16}
    assert low == ({"conv_weight", "conv_bias", "fc_weight", "fc_bias"} if optional else set())
    found = made.bind(mx.cpu(), {**args, "data": x}, aux_states=states).forward()[0]
    plain = net.bind(mx.cpu(), {**values, "data": x}, aux_states=aux).forward()[0]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.asnumpy(), plain.asnumpy(), atol=0.01)
    assert not np.array_equal(found.asnumpy(), plain.asnumpy())


def test_others_see_whether_it_was_begun(monkeypatch):
    assert not amp.amp._amp_initialized
    monkeypatch.setattr(casting, "_everywhere", object())
    assert amp.amp._amp_initialized
