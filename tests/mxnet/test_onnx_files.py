"""Models as ONNX files: what `mx.onnx` writes and `mx.contrib.onnx` reads, beyond single operators."""

import builtins
import inspect

import numpy as np
import pytest

import tandem.mxnet as mx
from tandem.mxnet import nd
from tandem.mxnet.gluon import nn, rnn
from tandem.mxnet.gluon.model_zoo import vision

onnx = pytest.importorskip("onnx", reason="pip install tandem[onnx] brings onnx and onnxruntime")
onnxruntime = pytest.importorskip("onnxruntime", reason="pip install tandem[onnx] brings onnx and onnxruntime")

import onnx.helper as make  # noqa: E402 (only where it is there)

FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64


def run(path, **inputs):
    """The outputs that onnxruntime gives."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {name: array.asnumpy() for name, array in inputs.items()})


def exported(net, inputs, path, **more):
    """(outputs of a block, path of its ONNX file)."""
    net.hybridize()
    wanted = net(*inputs)
    wanted = [array.asnumpy() for array in (wanted if isinstance(wanted, (list, tuple)) else [wanted])]
    net.export(str(path / "net"))
    shapes, dtypes = [array.shape for array in inputs], [array.dtype for array in inputs]
    files = str(path / "net-symbol.json"), str(path / "net-0000.params")
    return wanted, mx.onnx.export_model(*files, shapes, dtypes, str(path / "net.onnx"), **more)


def close(found, wanted, rtol=1e-4, atol=1e-5):
    assert len(found) == len(wanted)
    for here, there in zip(found, wanted):
        here = here.asnumpy() if hasattr(here, "asnumpy") else here
        assert here.shape == there.shape
        np.testing.assert_allclose(here, there, rtol=rtol, atol=atol)


def dense_symbol():
    x = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=4, name="fc1")
    x = mx.sym.BatchNorm(mx.sym.Activation(x, act_type="relu", name="relu1"), name="bn")
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, num_hidden=3, name="fc2"), name="softmax")


def dense_params(sym, shape=(2, 5)):
    rng = np.random.default_rng(0)
    shapes, _, states = sym.infer_shape(data=shape)
    args = {name: nd.array(rng.uniform(-1, 1, size)) for name, size in zip(sym.list_arguments(), shapes)}
    aux = {name: nd.array(rng.uniform(0.5, 1, size)) for name, size in zip(sym.list_auxiliary_states(), states)}
    return {key: args[key] for key in args if key not in ("data", "softmax_label")}, aux


# --- writing ---------------------------------------------------------------------------------------------------------


def test_signature_and_what_is_translated():
    assert str(inspect.signature(mx.onnx.export_model)) == (
        "(sym, params, in_shapes=None, in_types=<class 'numpy.float32'>, onnx_file_path='model.onnx', verbose=False,"
        " dynamic=False, dynamic_input_shapes=None, run_shape_inference=False, input_type=None, input_shape=None)"
    )
    known = mx.onnx.get_operator_support()
    assert known == sorted(known) and {"Convolution", "RNN", "broadcast_add", "_contrib_box_nms"} <= set(known)
    assert mx.onnx.get_operator_support(opset_version=12) == []
    assert mx.contrib.onnx.export_model is mx.onnx.mx2onnx.export_model


def test_files_keep_names_and_leave_labels_out(tmp_path):
    sym = dense_symbol()
    args, aux = dense_params(sym)
    path = mx.onnx.export_model(
        sym, [args, aux], [(2, 5)], np.float32, str(tmp_path / "a.onnx"), run_shape_inference=True
    )
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [opset.version for opset in model.opset_import] == [13]
    assert [one.name for one in model.graph.input] == ["data"]
    assert {*args, *aux} <= {one.name for one in model.graph.initializer}
    assert {"fc1", "relu1", "bn", "fc2", "softmax"} <= {node.name for node in model.graph.node}
    assert mx.contrib.onnx.get_model_metadata(path) == {
        "input_tensor_data": [("data", (2, 5), FLOAT)],
        "output_tensor_data": [("softmax", (2, 3))],
    }
    x = nd.random.uniform(shape=(2, 5))
    bound = sym.bind(mx.cpu(), {**args, "data": x, "softmax_label": nd.zeros(2)}, aux_states=aux)
    close(run(path, data=x), [bound.forward()[0].asnumpy()])
    gamma = next(one for one in model.graph.initializer if one.name == "bn_gamma")
    assert (onnx.numpy_helper.to_array(gamma) == 1).all()  # fix_gamma


def test_ways_of_handing_over_a_model(tmp_path):
    sym = dense_symbol()
    args, aux = dense_params(sym)
    mx.model.save_checkpoint(str(tmp_path / "m"), 3, sym, args, aux)
    files = str(tmp_path / "m-symbol.json"), str(tmp_path / "m-0003.params")
    whole = {**{f"arg:{key}": one for key, one in args.items()}, **{f"aux:{key}": one for key, one in aux.items()}}
    x, found = nd.ones((2, 5)), []
    for number, (model, params) in enumerate([files, (sym, {**args, **aux}), (sym, whole), (sym, (args, aux))]):
        path = mx.onnx.export_model(model, params, input_shape=[(2, 5)], input_type="float32",
                                    onnx_file_path=str(tmp_path / f"{number}.onnx"))  # fmt: skip
        found.append(run(path, data=x)[0])
    assert all((one == found[0]).all() for one in found)
    with pytest.raises(ValueError, match="files or objects"):
        mx.onnx.export_model(sym, files[1], [(2, 5)])
    with pytest.raises(ValueError, match="not there"):
        mx.onnx.export_model(files[0], "none.params", [(2, 5)])
    with pytest.raises(ValueError, match=r"Expected: 1 \(data\)\. Given: 0 shapes"):
        mx.onnx.export_model(sym, [args, aux], [])
    with pytest.raises(AssertionError, match="lengths of in_types and in_shapes"):
        mx.onnx.export_model(sym, [args, aux], [(2, 5)], ["float32", "float32"])
    with pytest.raises(AssertionError, match="dynamic_input_shapes"):
        mx.onnx.export_model(sym, [args, aux], [(2, 5)], dynamic_input_shapes=[(None, 5)])


def test_what_is_not_translated_is_named(tmp_path):
    data = mx.sym.var("data")
    path = str(tmp_path / "no.onnx")
    with pytest.raises(mx.MXNetError, match=r"Operator Correlation .node 'corr'."):
        mx.onnx.export_model(mx.sym.Correlation(data, data, name="corr"), {}, [(1, 2, 4, 4)], onnx_file_path=path)
    with pytest.raises(AttributeError, match="GridGenerator"):  # the class that MXNet raises
        mx.onnx.export_model(mx.sym.GridGenerator(data, transform_type="warp"), {}, [(1, 2, 4, 4)], onnx_file_path=path)
    rows = mx.sym.RNN(data, mx.sym.var("w"), mx.sym.var("h"), state_size=2, num_layers=1, mode="gru", name="gru")
    with pytest.raises(mx.MXNetError, match=r"'gru'.*weights are no parameters"):
        mx.onnx.export_model(rows, {}, [(3, 1, 2), (36,), (1, 1, 2)], onnx_file_path=path)
    assert not (tmp_path / "no.onnx").exists()


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "onnx":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"pip install tandem\[onnx\]"):
        mx.onnx.export_model(mx.sym.var("data"), {}, [(1,)])
    with pytest.raises(ImportError, match=r"pip install tandem\[onnx\]"):
        mx.contrib.onnx.import_model("model.onnx")


class Attention(nn.HybridBlock):
    """Self attention with a mask, on interleaved projections."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.embed = nn.Embedding(20, 12)
            self.project = nn.Dense(36, flatten=False)
            self.norm = nn.LayerNorm()
            self.out = nn.Dense(5, flatten=False, activation="tanh")

    def hybrid_forward(self, F, tokens, lengths):
        x = self.embed(tokens)
        heads = self.project(F.transpose(x, axes=(1, 0, 2)))
        scores = F.contrib.interleaved_matmul_selfatt_qk(heads, heads=3)
        weights = F.softmax(scores)
        mixed = F.contrib.interleaved_matmul_selfatt_valatt(heads, weights, heads=3)
        y = self.norm(F.transpose(mixed, axes=(1, 0, 2)) + x)
        y = F.SequenceMask(y, lengths, use_sequence_length=True, axis=1, value=-1)
        return self.out(y).reshape((0, -3)), F.max(y, axis=1)


class Recurrent(nn.HybridBlock):
    """Layers of LSTM in both directions, and GRU, as fused operators with the layers' own parameters."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.first = rnn.LSTM(4, 2, bidirectional=True, layout="NTC", input_size=3)
            self.second = rnn.GRU(5, layout="NTC", input_size=8)

    def hybrid_forward(self, F, x):
        return self.second(self.first(x))


class Images(nn.HybridBlock):
    """What convolutional networks have beside convolutions."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.down = nn.Conv2D(6, 3, strides=2, activation="relu", in_channels=3)
            self.norm = nn.BatchNorm(in_channels=6)
            self.grouped = nn.GroupNorm(num_groups=2)
            self.up = nn.Conv2DTranspose(4, 4, strides=2, padding=1, in_channels=6)
            self.slope = nn.PReLU(in_channels=4)

    def hybrid_forward(self, F, x):
        y = self.grouped(self.norm(self.down(x)))
        pooled = F.Pooling(y, kernel=(3, 3), stride=(2, 2), pool_type="avg", pooling_convention="full")
        y = self.slope(self.up(y))
        y = F.concat(y, F.slice_like(F.UpSampling(pooled, scale=6, sample_type="nearest"), y, axes=(2, 3)), dim=1)
        wide = F.contrib.BilinearResize2D(y, height=5, width=7)
        return F.contrib.AdaptiveAvgPooling2D(wide, output_size=(2, 3)), F.LRN(wide, nsize=3), y.flatten()


MODELS = {
    "images": (Images, lambda: [nd.random.uniform(shape=(2, 3, 12, 12))]),
    "attention": (Attention, lambda: [nd.array(np.arange(14).reshape(2, 7) % 20), nd.array([7, 3])]),
    "recurrent": (Recurrent, lambda: [nd.random.uniform(shape=(2, 6, 3))]),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dynamic", [False, True])
def test_blocks_both_ways(name, dynamic, tmp_path):
    kind, make_inputs = MODELS[name]
    net, inputs = kind(), make_inputs()
    net.initialize(mx.init.Uniform(0.5))
    more = {}
    if dynamic:
        more = {"dynamic": True, "dynamic_input_shapes": [("batch", *array.shape[1:]) for array in inputs]}
    wanted, path = exported(net, inputs, tmp_path, **more)
    names = [value.name for value in onnx.load(path).graph.input]
    read = mx.contrib.onnx.import_to_gluon(path, mx.cpu())

    def compare(inputs, wanted):
        close(run(path, **dict(zip(names, inputs))), wanted)
        found = read(*inputs)
        close(found if isinstance(found, list) else [found], wanted)

    compare(inputs, wanted)
    if dynamic:
        more = [nd.concat(array, array, array, dim=0) for array in inputs]
        found = net(*more)
        compare(more, [one.asnumpy() for one in (found if isinstance(found, (list, tuple)) else [found])])


FAST = ("mobilenetv2_0.25", "resnet18_v2")
SIZES = {"inceptionv3": 299, "alexnet": 224, "densenet": 224, "squeezenet": 224}
EVERY = [pytest.param(name, marks=[] if name in FAST else pytest.mark.slow) for name in sorted(vision._MODELS)]


@pytest.mark.parametrize("name", EVERY)
def test_models_of_the_zoo_both_ways(name, tmp_path):
    size = next((size for family, size in SIZES.items() if name.startswith(family)), 32)
    net = vision.get_model(name, classes=7)
    net.initialize(mx.init.MSRAPrelu())
    x = nd.random.uniform(shape=(1, 3, size, size))
    (wanted,), path = exported(net, [x], tmp_path)
    scale = abs(wanted).max()
    assert scale > 0
    close([run(path, data=x)[0] / scale], [wanted / scale], atol=1e-4)
    sym, args, states = mx.contrib.onnx.import_model(path)
    assert set(sym.list_arguments()) == {"data", *args}
    original = mx.sym.load(str(tmp_path / "net-symbol.json"))
    assert set(sym.list_arguments()) == set(original.list_arguments())
    assert set(sym.list_auxiliary_states()) == set(original.list_auxiliary_states()) == set(states)
    found = sym.bind(mx.cpu(), {**args, "data": x}, aux_states=states).forward()[0]
    close([found.asnumpy() / scale], [wanted / scale], atol=1e-4)


# --- reading ---------------------------------------------------------------------------------------------------------


def written(path, nodes, inputs, outputs, constants=(), opset=13):
    """An ONNX file. inputs, outputs: name -> shape; constants: name -> array."""
    graph = make.make_graph(
        nodes,
        "graph",
        [make.make_tensor_value_info(name, FLOAT, shape) for name, shape in inputs.items()],
        [make.make_tensor_value_info(name, FLOAT, shape) for name, shape in outputs.items()],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in dict(constants).items()],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, str(path))
    return str(path)


def ints(*values):
    return np.array(values, np.int64)


W = np.random.default_rng(3).uniform(-1, 1, (6, 4)).astype(np.float32)
# name -> (nodes, shape of x, constants, opset): graphs with one input x and one output y.
GRAPHS = {
    "broadcasting of fewer axes": ([("Mul", "x w", "y", {})], (2, 6, 4), {"w": W}, 13),
    "a number first": ([("Sub", "c x", "y", {})], (2, 3), {"c": np.float32(1.5)}, 13),
    "gemm, scaled": ([("Gemm", "x w c", "y", {"alpha": 0.5, "beta": 2.0})], (2, 6), {"w": W, "c": W[:1]}, 13),
    "gemm, turned": ([("Gemm", "x w c", "y", {"transB": 1})], (2, 4), {"w": W, "c": W[:, 0]}, 13),
    "matrices of a batch": ([("MatMul", "x w", "y", {})], (2, 3, 5, 6), {"w": W[None]}, 13),
    "asymmetric pads": (
        [("MaxPool", "x", "y", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]})],
        (1, 2, 6, 6), {}, 13,
    ),
    "same pads": ([("Conv", "x w", "y", {"auto_pad": "SAME_UPPER", "strides": [2, 2]})], (1, 3, 7, 6),
                  {"w": np.ones((2, 3, 3, 2), np.float32) * 0.1}, 13),
    "average without pads": (
        [("AveragePool", "x", "y", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]})], (1, 2, 5, 5), {}, 13,
    ),
    "softmax of old": ([("Softmax", "x", "y", {"axis": 1})], (2, 3, 4), {}, 11),
    "attributes of old": (
        [("Slice", "x", "s", {"starts": [1], "ends": [2147483647], "axes": [1]}),
         ("Unsqueeze", "s", "u", {"axes": [0]}), ("ReduceSum", "u", "y", {"axes": [-1], "keepdims": 0})],
        (2, 3, 4), {}, 9,
    ),
    "clip between attributes": ([("Clip", "x", "y", {"min": -0.2, "max": 0.3})], (2, 3), {}, 6),
    "indices from the end": ([("Gather", "x i", "y", {"axis": 1})], (2, 3, 4), {"i": ints(-1, 0)}, 13),
    "one index": ([("Gather", "x i", "y", {"axis": 1})], (2, 3, 4), {"i": np.int64(-1)}, 13),
    "backwards": ([("Slice", "x b e a s", "y", {})], (2, 5),
                  {"b": ints(-1), "e": ints(-100), "a": ints(1), "s": ints(-2)}, 13),
    "uneven parts": ([("Split", "x n", "p q", {"axis": 1}), ("Concat", "q p", "y", {"axis": 1})], (2, 5),
                     {"n": ints(2, 3)}, 13),
    "shapes worked out": (
        [("Shape", "x", "s", {}), ("Gather", "s i", "n", {"axis": 0}), ("Concat", "n m", "t", {"axis": 0}),
         ("Reshape", "x t", "y", {})], ("batch", 3, 4), {"i": ints(0), "m": ints(-1)}, 13,
    ),
    "zeros of an open size": (
        [("Shape", "x", "s", {}), ("ConstantOfShape", "s", "z", {}), ("Add", "x z", "y", {})], ("batch", 3), {}, 13,
    ),
    "where": ([("Greater", "x c", "t", {}), ("Where", "t x w", "y", {})], (2, 6, 4),
              {"c": np.float32(0.1), "w": W}, 13),
    "rounding": ([("Mul", "x c", "m", {}), ("Round", "m", "y", {})], (4, 5), {"c": np.float32(3)}, 13),
    "columns and rows": ([("DepthToSpace", "x", "y", {"blocksize": 2, "mode": "CRD"})], (1, 8, 2, 3), {}, 13),
    "nearest pixels": ([("Resize", "x r k", "y", {"mode": "nearest", "nearest_mode": "floor",
                         "coordinate_transformation_mode": "asymmetric"})], (1, 2, 3, 4),
                       {"r": np.zeros(0, np.float32), "k": np.array([1, 1, 2, 2], np.float32)}, 13),
    "pads of the last axis": ([("Pad", "x p v", "y", {})], (2, 3), {"p": ints(0, 1, 0, 2), "v": np.float32(0.5)}, 13),
    "layer norm": ([("LayerNormalization", "x g", "y", {"epsilon": 1e-3})], (2, 6, 4), {"g": W[0]}, 17),
    "a sequence backwards": (
        [("LSTM", "x w r b", "o h", {"hidden_size": 1, "direction": "reverse"}), ("Squeeze", "o a", "y", {})],
        (5, 2, 3), {"w": W[None, :4, :3], "r": W[None, :4, :1], "b": W.reshape(-1)[None, :8], "a": ints(1)}, 13,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_of_others(name, tmp_path):
    rows, shape, constants, opset = GRAPHS[name]
    nodes = [make.make_node(kind, given.split(), made.split(), **attrs) for kind, given, made, attrs in rows]
    path = written(tmp_path / "g.onnx", nodes, {"x": shape}, {"y": None}, constants, opset)
    sizes = [3 if isinstance(size, str) else size for size in shape]
    x = nd.array(np.random.default_rng(1).uniform(-1, 1, sizes))
    (wanted,) = run(path, x=x)
    close([mx.contrib.onnx.import_to_gluon(path, mx.cpu())(x)], [wanted])


def test_files_of_the_first_opsets(tmp_path):
    nodes = [
        make.make_node("Add", ["x", "b"], ["s"], broadcast=1, axis=1, name="sum"),  # along the axis it names
        make.make_node("Dropout", ["s"], ["y"], is_test=1, name="drop"),
    ]
    given = {"x": (2, 3, 4), "b": (3,)}
    path = written(
        tmp_path / "old.onnx", nodes, given, {"y": (2, 3, 4)}, {"b": np.arange(3, dtype=np.float32)}, opset=6
    )
    x = nd.random.uniform(shape=(2, 3, 4))
    found = mx.contrib.onnx.import_to_gluon(path, mx.cpu())(x)
    close([found], [x.asnumpy() + np.arange(3).reshape(3, 1)])


def test_what_is_not_read_is_named(tmp_path):
    node = make.make_node("Trilu", ["x"], ["y"], name="upper")
    path = written(tmp_path / "t.onnx", [node], {"x": (3, 3)}, {"y": (3, 3)}, opset=14)
    with pytest.raises(NotImplementedError, match=r"operator Trilu .node 'upper'.*Operator not implemented"):
        mx.contrib.onnx.import_model(path)
    gru = make.make_node("GRU", ["x", "w", "r"], ["y"], hidden_size=1, name="old")
    weights = {"w": np.ones((1, 3, 2), np.float32), "r": np.ones((1, 3, 1), np.float32)}
    path = written(tmp_path / "u.onnx", [gru], {"x": (2, 1, 2)}, {"y": None}, weights)
    with pytest.raises(mx.MXNetError, match=r"'old'.*linear_before_reset=0"):
        mx.contrib.onnx.import_model(path)
    (tmp_path / "v.onnx").write_bytes(b"not a model")
    with pytest.raises(mx.MXNetError, match="not an ONNX file"):
        mx.contrib.onnx.import_model(str(tmp_path / "v.onnx"))


def test_a_model_that_was_read_trains(tmp_path):
    sym = dense_symbol()
    args, aux = dense_params(sym)
    path = mx.onnx.export_model(sym, [args, aux], [(2, 5)], onnx_file_path=str(tmp_path / "a.onnx"))
    read, args, aux = mx.contrib.onnx.import_model(path)
    features = read.get_internals()["fc2_output"]
    bound = mx.sym.SoftmaxOutput(features, name="softmax").simple_bind(mx.cpu(), data=(2, 5))
    bound.copy_params_from(args, aux)
    bound.forward(is_train=True, data=nd.random.uniform(shape=(2, 5)), softmax_label=nd.array([0, 2]))
    bound.backward()
    assert abs(bound.grad_dict["fc1_weight"].asnumpy()).max() > 0
