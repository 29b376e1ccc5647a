"""Symbols: composing, copying, files of other versions and damaged ones, symbols of `mx.np`."""

import copy
import json
import pickle

import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_parity import same_code
from tandem.formats import symbol_json
from tandem.formats.limits import FormatError

sym = mx.sym


def _net():
    data = sym.Variable("data")
    hidden = sym.Activation(sym.FullyConnected(data, num_hidden=4, name="fc1"), act_type="relu", name="relu1")
    return sym.SoftmaxOutput(sym.FullyConnected(hidden, num_hidden=3, name="fc2"), name="softmax")


def test_missing_inputs_become_variables():
    net = _net()
    assert net.list_arguments() == ["data", "fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias", "softmax_label"]
    assert net.get_internals()["relu1_output"].list_outputs() == ["relu1_output"]
    shapes, outputs, _ = net.infer_shape(data=(8, 5))
    assert shapes == [(8, 5), (4, 5), (4,), (3, 4), (3,), (8,)]
    assert outputs == [(8, 3)]


def test_composition_leaves_the_old_symbol_as_it_was():
    net = _net()
    joined = net(data=sym.Flatten(sym.Variable("image"), name="flat"))
    assert net.list_arguments()[0] == "data"
    assert joined.list_arguments()[0] == "image"
    assert joined.infer_shape(image=(2, 3, 4))[1] == [(2, 3)]


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies_are_equal_and_apart(twin):
    net = _net()
    other = twin(net)
    assert other.tojson() == net.tojson()
    other._set_attr(__mark__="1")
    assert net.attr("__mark__") is None


def test_a_file_of_mxnet_0_8_is_brought_up_to_date():
    old = {
        "nodes": [
            {
                "op": "null",
                "param": {},
                "name": "data",
                "inputs": [],
                "backward_source_id": -1,
                "attr": {"lr_mult": "2"},
            },
            {"op": "null", "param": {}, "name": "bn_gamma", "inputs": [], "backward_source_id": -1},
            {"op": "null", "param": {}, "name": "bn_beta", "inputs": [], "backward_source_id": -1},
            {
                "op": "BatchNorm",
                "param": {"eps": "0.001", "momentum": "0.9", "fix_gamma": "False"},
                "name": "bn",
                "inputs": [[0, 0], [1, 0], [2, 0]],
                "backward_source_id": -1,
                "attr": {"ctx_group": "dev1", "mine": "x"},
            },
        ],
        "arg_nodes": [0, 1, 2],
        "heads": [[3, 0]],
    }
    net = sym.load_json(json.dumps(old))
    assert net.list_arguments() == ["data", "bn_gamma", "bn_beta"]
    assert net.list_auxiliary_states() == ["bn_moving_mean", "bn_moving_var"]
    assert net.attr("ctx_group") == "dev1"
    assert net.attr_dict()["data"]["__lr_mult__"] == "2"
    executor = net.simple_bind(mx.cpu(), data=(4, 3))
    executor.aux_dict["bn_moving_var"][:] = 1
    assert executor.forward()[0].shape == (4, 3)


@pytest.mark.parametrize("key", ["attr", "attrs"])
def test_attributes_are_read_under_either_key(key):
    node = {"op": "sum", "name": "s", key: {"axis": "1"}, "inputs": [[0, 0, 0]]}
    text = {"nodes": [{"op": "null", "name": "x", "inputs": []}, node], "arg_nodes": [0], "heads": [[1, 0, 0]]}
    assert sym.load_json(json.dumps(text)).infer_shape(x=(2, 3))[1] == [(2,)]


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree.pop("heads"),
        lambda tree: tree.update(nodes=3),
        lambda tree: tree.update(heads=[[99, 0, 0]]),
        lambda tree: tree.update(heads=[[-1, 0, 0]]),
        lambda tree: tree.update(heads=[]),
        lambda tree: tree["nodes"][3].update(inputs=[[3, 0, 0]]),
        lambda tree: tree["nodes"][3].update(inputs=[[0, 5, 0]]),
        lambda tree: tree["nodes"][3].update(op=None),
        lambda tree: tree["nodes"][3].update(attrs={"num_hidden": 4}),
        lambda tree: tree["nodes"][3].update(attrs=["num_hidden"]),
        lambda tree: tree["nodes"][3].update(op="_foreach"),
        lambda tree: tree["nodes"][3].update(inputs=[[0, 0, 0]] * 9),
    ],
)
def test_damaged_files_say_so(change):
    tree = json.loads(_net().tojson())
    change(tree)
    with pytest.raises(mx.MXNetError):
        sym.load_json(json.dumps(tree))


def test_graphs_that_nest_too_deeply_are_refused():
    graph = {"nodes": [], "heads": []}
    for _ in range(40):
        graph = {"nodes": [{"op": "_foreach", "name": "f", "inputs": [], "subgraphs": [graph]}], "heads": []}
    with pytest.raises(FormatError, match="too deeply"):
        symbol_json.loads(json.dumps(graph))
    with pytest.raises(FormatError, match="no JSON"):
        symbol_json.loads("[" * 100000)


def test_deep_graphs_do_not_recurse():
    net = sym.Variable("x")
    for _ in range(3000):
        net = net + 1
    again = sym.load_json(net.tojson())
    assert len(again.get_internals()) == 3001
    assert copy.copy(again).infer_shape(x=(2,))[1] == [(2,)]


def test_symbols_of_numpy_broadcast():
    a, b = sym.Variable("a").as_np_ndarray(), sym.Variable("b").as_np_ndarray()
    total = sym.np.sum((a + b) * 2 - 1 / b, axis=1)
    executor = total.simple_bind(mx.cpu(), a=(2, 3), b=(1, 3))
    executor.arg_dict["b"][:] = 2
    np.testing.assert_allclose(executor.forward()[0].asnumpy(), [10.5, 10.5])
    with pytest.raises(TypeError, match="as_np_ndarray"):
        a + sym.Variable("c")


def test_an_operator_in_python_runs_in_a_symbol():
    class Twice(mx.operator.CustomOp):
        def forward(self, is_train, req, in_data, out_data, aux):
            self.assign(out_data[0], req[0], in_data[0] * 2)

        def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
            self.assign(in_grad[0], req[0], out_grad[0] * 2)

    @mx.operator.register("twice_in_symbol")
    class TwiceProp(mx.operator.CustomOpProp):
        def list_arguments(self):
            return ["value"]

        def create_operator(self, ctx, shapes, dtypes):
            return Twice()

    net = sym.Custom(op_type="twice_in_symbol", name="t")
    assert net.list_arguments() == ["t_value"]
    executor = net.simple_bind(mx.cpu(), t_value=(2,))
    executor.arg_dict["t_value"][:] = 3
    assert executor.forward(True)[0].asnumpy().tolist() == [6, 6]
    executor.backward(mx.nd.ones(2))
    assert executor.grad_arrays[0].asnumpy().tolist() == [2, 2]


# Runs in both: what follows from some sizes. Unknown ones are 0.
PARTIAL = """
a, b, c, y = (mx.sym.Variable(name) for name in "abcy")
found = []
for text, known in questions:
    found.append(eval(text).infer_shape_partial(**known))
"""


def test_unknown_sizes_follow_as_in_mxnet():
    questions = [
        ("mx.sym.Convolution(a, num_filter=2, kernel=(3, 3), pad=(1, 1)) + y", {"a": (0, 3, 0, 0), "y": (2, 2, 5, 6)}),
        (
            "mx.sym.Convolution(a, num_filter=2, kernel=(3, 3), stride=(1, 2)) + y",
            {"a": (0, 3, 0, 9), "y": (2, 2, 5, 4)},
        ),
        ("mx.sym.reshape(a, shape=(0, -1)) + y", {"a": (0, 3, 4), "y": (2, 12)}),
        ("mx.sym.reshape(a, shape=(2, 12))", {"a": (0, 3, 4)}),
        ("mx.sym.where(c, a, b)", {"a": (0, 2, 3), "b": (5, 0, 3)}),
        ("mx.sym.where(c, a, b)", {"a": (0, 2, 3), "b": (5, 0, 3), "c": (5,)}),
        ("mx.sym.SoftmaxOutput(a, b)", {"a": (0, 4), "b": (3,)}),
        ("mx.sym.SoftmaxOutput(a, b)", {"a": (3, 4)}),
        ("mx.sym.SVMOutput(a, b)", {"a": (0, 4)}),
        ("mx.sym.SequenceMask(a, b, use_sequence_length=True)", {"a": (0, 2, 4)}),
        ("mx.sym.pick(a, b)", {"a": (5, 2, 4)}),
        ("mx.sym.softmax(a, b, use_length=True)", {"a": (3, 4)}),
        ("mx.sym.expand_dims(a, axis=1) + y", {"y": (2, 1, 3)}),
        ("mx.sym.cumsum(a, axis=1) + y", {"y": (2, 3)}),
        ("mx.sym.cast_storage(a, stype='default') + y", {"y": (2, 3)}),
        ("mx.sym.squeeze(a)", {"a": (0, 1, 4)}),
        ("mx.sym.contrib.SyncBatchNorm(a, key='k', name='n')", {"a": (2, 3, 4, 4)}),
        ("mx.sym.contrib.SparseEmbedding(a, input_dim=4, output_dim=5, name='n')", {"a": (2, 3)}),
        ("mx.sym.contrib.Proposal(a, b, c)", {"a": (1, 24, 3, 4)}),
        ("mx.sym.random.normal(a, b, shape=(3,)) + y", {"y": (2, 3)}),
        ("mx.sym.broadcast_mul(a, b)", {"a": (0, 3), "b": (1, 3)}),
        ("mx.sym.contrib.quantized_flatten(a, b, c)", {"a": (2, 3, 4)}),
        ("mx.sym.contrib.quantized_conv(a, kernel=(3, 3), num_filter=2, no_bias=True, name='n')", {"a": (2, 3, 5, 5)}),
        ("mx.sym.contrib.quantized_pooling(a, b, c, kernel=(2, 2))", {"a": (2, 3, 5, 5)}),
        ("mx.sym.contrib.dequantize(a, b, c)", {"a": (2, 3)}),
        ("mx.sym.split_v2(a, (2,), axis=1)[0] + y", {"a": (0, 5), "y": (3, 2)}),
        ("mx.sym.SliceChannel(a, num_outputs=3, squeeze_axis=True)[1] + y", {"a": (0, 3), "y": (5,)}),
        ("mx.sym.SliceChannel(a, num_outputs=3)[2] + y", {"a": (0, 6, 0), "y": (5, 2, 4)}),
        ("mx.sym.linalg.gemm(a, b, c, transpose_a=True, transpose_b=True)", {"a": (5, 2, 3), "b": (5, 4, 2)}),
        ("mx.sym.linalg.gemm(a, b, c, axis=0)", {"a": (2, 5, 3), "b": (3, 5, 4)}),
        ("mx.sym.Dropout(a)", {"a": (2, 0, 4)}),
        ("mx.sym.Variable('a', shape=(2, 3)) * 2 + b", {"a": (4, 3), "b": (0, 3)}),
        ("mx.sym.Variable('a', shape=(2, 3)) * 2 + b", {"a": (4, 0)}),
        ("mx.sym.Variable('a', shape=(0, 3)) * 2 + b", {"a": (4, 0)}),
    ]
    same_code(PARTIAL, ["found"], questions=questions)


def test_a_range_is_as_long_as_what_it_is_used_with():
    same_code(
        """
        made = mx.sym.arange(1, None, step=2, repeat=2, infer_range=True) + mx.sym.Variable("a")
        shapes = made.infer_shape(a=(5,))
        values = made.eval(a=nd.zeros(5))[0].asnumpy()
        """,
        ["shapes", "values"],
    )


def test_backends_are_those_of_mxnet():
    assert _net().get_backend_symbol("MKLDNN").tojson() == _net().tojson()
    with pytest.raises(mx.MXNetError, match="not found"):
        _net().get_backend_symbol("other")


@pytest.mark.parametrize("version", [None, 905, 10900])
def test_files_speak_of_a_layers_variables(version):
    variables = [{"op": "null", "name": name, "inputs": []} for name in ("data", "w", "b")]
    attrs = {"num_hidden": "2", "lr_mult": "4", "ctx_group": "g", "weight_lr_mult": "3", "bias_wd_mult": "0"}
    layer = {"op": "FullyConnected", "name": "fc", "attrs": attrs, "inputs": [[0, 0, 0], [1, 0, 0], [2, 0, 0]]}
    tree = {"nodes": [*variables, layer], "arg_nodes": [0, 1, 2], "heads": [[3, 0, 0]]}
    if version is not None:
        tree["attrs"] = {"mxnet_version": ["int", version]}
    same_code("found = mx.sym.load_json(text).attr_dict()", ["found"], text=json.dumps(tree))


def test_a_buffer_holds_arguments_and_their_gradients():
    same_code(
        """
        buffer = {}
        net = mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=2, name="fc")
        first = net.simple_bind(mx.cpu(), x=(4, 3), shared_buffer=buffer, shared_arg_names=["fc_weight"])
        second = net.simple_bind(mx.cpu(), x=(2, 3), shared_buffer=buffer, shared_arg_names=["fc_weight"],
                                 shared_exec=first)
        first.arg_dict["x"][:] = 7
        names = sorted(buffer)
        values = second.arg_dict["x"].asnumpy()
        """,
        ["names", "values"],
    )


def test_the_moving_average_of_a_sparseness_penalty_has_a_size_to_a_unit():
    attached = mx.sym.IdentityAttachKLSparseReg(
        mx.sym.FullyConnected(mx.sym.var("x"), num_hidden=5, name="f"), name="k"
    )
    arguments, outputs, states = attached.infer_shape(x=(3, 4))
    assert (arguments, outputs, states) == ([(3, 4), (5, 4), (5,)], [(3, 5)], [(5,)])
