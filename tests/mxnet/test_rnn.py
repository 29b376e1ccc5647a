"""Cells made of symbols: their graphs, numbers, weights and files, and sentences in buckets."""

import random
import re

import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_parity import same_code

CELLS = {
    "rnn": "R.RNNCell(3, activation='relu')",
    "lstm": "R.LSTMCell(3, prefix='a_', forget_bias=2.0)",
    "gru": "R.GRUCell(3)",
    "shared": "R.LSTMCell(3, params=R.RNNParams('other_'))",
    "zoneout": "R.ZoneoutCell(R.LSTMCell(3), 0.2, 0.3)",
    "residual": "R.ResidualCell(R.GRUCell(4))",
    "residual of both directions": "R.ResidualCell(R.BidirectionalCell(R.GRUCell(2, 'l_'), R.GRUCell(2, 'r_')))",
    "dropout": "R.DropoutCell(0.5)",
    "both directions": "R.BidirectionalCell(R.LSTMCell(3, 'l_'), R.GRUCell(3, 'r_'), output_prefix='o_')",
    "fused": "R.FusedRNNCell(3, num_layers=2, mode='lstm', dropout=0.3, prefix='f_')",
    "fused with states": "R.FusedRNNCell(3, mode='gru', bidirectional=True, get_next_state=True)",
    "fused residual": "R.ResidualCell(R.FusedRNNCell(4, mode='rnn_tanh'))",
    "unfused": "R.FusedRNNCell(3, num_layers=2, mode='lstm', bidirectional=True, dropout=0.3).unfuse()",
    "stack": "stack(R.LSTMCell(3, 'a_'), R.DropoutCell(0.5), R.ResidualCell(R.RNNCell(3, prefix='b_')))",
    "stack of fused": "stack(R.FusedRNNCell(3, prefix='a_'), R.ZoneoutCell(R.RNNCell(3, prefix='b_'), 0.1))",
}
CONVOLUTIONS = {
    name: f"R.{name}((1, 2, 6, 5), 2, i2h_stride=(2, 1), h2h_kernel=(5, 3), h2h_dilate=(1, 2), activation='tanh')"
    for name in ("ConvRNNCell", "ConvLSTMCell", "ConvGRUCell")
}

# Runs in both: graphs of three steps, from a symbol and from a list, in both layouts, merged and not.
GRAPHS = """
import json, warnings
R = mx.rnn
warnings.simplefilter("ignore")

def stack(*cells):
    whole = R.SequentialRNNCell()
    for cell in cells:
        whole.add(cell)
    return whole

def flat(found):
    if isinstance(found, (list, tuple)):
        return [one for item in found for one in flat(item)]
    return [found]

graphs = []
for text in cells:
    for inputs in ways:
        for layout in ("NTC", "TNC"):
            for merge in (None, True, False):
                with mx.name.NameManager():
                    cell = eval(text)
                    given = mx.sym.Variable("data") if inputs == "one" else [
                        mx.sym.Variable(f"t{step}_data") for step in range(3)]
                    outputs, states = cell.unroll(3, given, layout=layout, merge_outputs=merge)
                    tree = json.loads(mx.sym.Group(flat(outputs) + flat(states)).tojson())
                graphs.append(json.dumps([tree["nodes"], tree["heads"], str(cell.state_info)]))
"""


def test_graphs_are_those_of_mxnet():
    same_code(GRAPHS, ["graphs"], cells=[*CELLS.values()], ways=["one", "list"])


def test_graphs_of_convolutions_are_those_of_mxnet():
    same_code(GRAPHS, ["graphs"], cells=[*CONVOLUTIONS.values()], ways=["list"])


# Runs in both: outputs and gradients of an unrolled graph for given arrays.
RUN = """
net = mx.sym.load_json(text)
executor = net.bind(
    mx.cpu(), {name: nd.array(value) for name, value in arrays.items()},
    {name: nd.zeros(value.shape) for name, value in arrays.items()})
outputs = [output.asnumpy() for output in executor.forward(is_train=True)]
executor.backward([nd.array(head) for head in heads])
grads = {name: grad.asnumpy() for name, grad in executor.grad_dict.items()}
"""


def _arrays(net, shapes, seed):
    rng = np.random.default_rng(seed)
    found, outputs, _ = net.infer_shape(**shapes)
    arrays = {name: rng.normal(size=shape).astype("f") for name, shape in zip(net.list_arguments(), found)}
    return arrays, [rng.normal(size=shape).astype("f") for shape in outputs]


def _flat(found):
    return [one for item in found for one in _flat(item)] if isinstance(found, (list, tuple)) else [found]


def _stack(*cells):
    whole = mx.rnn.SequentialRNNCell()
    for cell in cells:
        whole.add(cell)
    return whole


@pytest.mark.filterwarnings("ignore:NTC layout")
@pytest.mark.parametrize("name", [*CELLS, *CONVOLUTIONS])
def test_numbers_are_those_of_mxnet(name):
    text = {**CELLS, **CONVOLUTIONS}[name]
    text = re.sub(r"\b0\.\d", "0.0", text)  # nothing random
    cell = eval(text, {"R": mx.rnn, "stack": _stack})
    inputs = [mx.sym.Variable(f"t{step}_data") for step in range(3)]
    outputs, states = cell.unroll(3, inputs)
    # MXNet leaves out the first gradient of an output that stands there twice.
    apart = {one.list_outputs()[0]: one for one in _flat(outputs) + _flat(states)}
    net = mx.sym.Group(apart.values())
    shape = (2, 2, 6, 5) if name in CONVOLUTIONS else (2, 4)
    arrays, heads = _arrays(net, {f"t{step}_data": shape for step in range(3)}, 0)
    same_code(RUN, ["outputs", "grads"], text=net.tojson(), arrays=arrays, heads=heads, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("mode", ["lstm", "gru", "rnn_tanh", "rnn_relu"])
@pytest.mark.parametrize("both", [False, True])
def test_fused_layers_equal_unfused_ones(mode, both):
    fused = mx.rnn.FusedRNNCell(3, num_layers=2, mode=mode, bidirectional=both, prefix="x_")
    unfused = fused.unfuse()
    data = mx.sym.Variable("data")
    one = fused.unroll(4, data, layout="TNC", merge_outputs=True)[0]
    many = unfused.unroll(4, data, layout="TNC", merge_outputs=True)[0]
    arrays, _ = _arrays(one, {"data": (4, 2, 5)}, 1)
    arrays = {name: mx.nd.array(value) for name, value in arrays.items()}
    apart = fused.unpack_weights(arrays)
    assert sorted(unfused.pack_weights(apart)) == sorted(many.list_arguments())
    expected = one.eval(**arrays)[0].asnumpy()
    found = many.eval(**unfused.pack_weights(apart))[0].asnumpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    again = fused.pack_weights(unfused.unpack_weights(unfused.pack_weights(apart)))
    np.testing.assert_array_equal(again["x_parameters"].asnumpy(), arrays["x_parameters"].asnumpy())


def test_weights_apart_have_mxnets_names_and_values():
    same_code(
        """
        cell = mx.rnn.FusedRNNCell(3, num_layers=2, mode="gru", bidirectional=True)
        apart = {name: array.asnumpy() for name, array in cell.unpack_weights(
            {"gru_parameters": nd.arange(378), "w": nd.ones(1)}).items()}
        names = list(apart)
        """,
        ["apart", "names"],
    )


def test_a_vector_of_an_impossible_length_is_refused():
    with pytest.raises(ValueError, match="multiple of 12"):
        mx.rnn.FusedRNNCell(3).unpack_weights({"lstm_parameters": mx.nd.ones(7)})


def test_variables_of_fused_and_other_cells_are_initialised():
    cell = mx.rnn.FusedRNNCell(2, num_layers=2, mode="lstm", forget_bias=3.0, prefix="x_")
    net = cell.unroll(2, mx.sym.var("data"), layout="TNC")[0]
    array = mx.nd.zeros(net.infer_shape(data=(2, 1, 5))[0][1])
    mx.init.Xavier()(mx.init.InitDesc("x_parameters", cell.params.get("parameters").attr_dict()["x_parameters"]), array)
    apart = cell.unpack_weights({"x_parameters": array})
    assert (apart["x_l1_i2h_f_bias"].asnumpy() == 3.0).all()
    assert (apart["x_l1_i2h_c_bias"].asnumpy() == 0.0).all()
    assert abs(apart["x_l0_i2h_c_weight"].asnumpy()).max() > 0


def test_checkpoints_go_from_fused_cells_to_others(tmp_path):
    fused = mx.rnn.FusedRNNCell(3, mode="lstm", prefix="x_")
    net = fused.unroll(2, mx.sym.Variable("data"), layout="TNC", merge_outputs=True)[0]
    arrays, _ = _arrays(net, {"data": (2, 2, 5)}, 2)
    params = {"x_parameters": mx.nd.array(arrays["x_parameters"])}
    mx.rnn.do_rnn_checkpoint(fused, str(tmp_path / "net"), period=2)(1, net, params, {})
    symbol, weights, states = mx.rnn.load_rnn_checkpoint([fused.unfuse()], str(tmp_path / "net"), 2)
    assert symbol.tojson() == net.tojson()
    assert sorted(weights) == ["x_l0_h2h_bias", "x_l0_h2h_weight", "x_l0_i2h_bias", "x_l0_i2h_weight"]
    assert states == {}
    back = mx.rnn.load_rnn_checkpoint(fused, str(tmp_path / "net"), 2)[1]
    np.testing.assert_array_equal(back["x_parameters"].asnumpy(), arrays["x_parameters"])


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (lambda R, s: R.FusedRNNCell(3)(s, []), NotImplementedError),
        (lambda R, s: R.BidirectionalCell(R.RNNCell(2), R.RNNCell(2))(s, []), NotImplementedError),
        (lambda R, s: R.ZoneoutCell(R.FusedRNNCell(3)), AssertionError),
        (lambda R, s: R.ZoneoutCell(_stack(R.BidirectionalCell(R.RNNCell(2), R.RNNCell(2)))), AssertionError),
        (lambda R, s: R.RNNCell(3).unroll(3, [s, s]), AssertionError),
        (lambda R, s: R.RNNCell(3).unroll(2, mx.sym.Group([s, s])), AssertionError),
        (lambda R, s: R.ResidualCell(R.RNNCell(3)).base_cell.begin_state(), AssertionError),
        (lambda R, s: R.FusedRNNCell(3).unroll(2, s, layout="NCT"), AssertionError),
        (lambda R, s: R.ConvRNNCell((1, 2, 4, 4), 2, h2h_kernel=(2, 2)), AssertionError),
        (lambda R, s: R.DropoutCell("half"), AssertionError),
        (lambda R, s: R.encode_sentences([["a"]], vocab={"b": 1}), AssertionError),
        (lambda R, s: R.BucketSentenceIter([[1, 2]], 1, layout="NC"), ValueError),
    ],
)
def test_what_cannot_be_raises(action, error):
    with pytest.raises(error):
        action(mx.rnn, mx.sym.Variable("x"))


def test_sentences_in_buckets_are_those_of_mxnet():
    rng = random.Random(0)
    words = [[rng.choice("abcdefgh") for _ in range(rng.randint(1, 9))] for _ in range(60)]
    same_code(
        """
        import random
        random.seed(1)
        np.random.seed(1)
        codes, vocab = mx.rnn.encode_sentences(words, start_label=1, invalid_label=0)
        more, known = mx.rnn.encode_sentences([["a", "?", "b"]], vocab=dict(vocab), unknown_token="<unk>")
        batches = []
        for options in ({"buckets": [3, 6]}, {}, {"layout": "TN", "dtype": "int32", "buckets": [9]}):
            iterator = mx.rnn.BucketSentenceIter(codes, 4, invalid_label=0, **options)
            for _ in range(2):
                for batch in iterator:
                    batches += [batch.bucket_key, batch.data[0].asnumpy(), batch.label[0].asnumpy(),
                                str(batch.provide_data), str(batch.provide_label)]
                iterator.reset()
        """,
        ["codes", "vocab", "more", "known", "batches"],
        words=words,
    )


def _language_model(length, words):
    stack = _stack(mx.rnn.LSTMCell(16, "lstm_"), mx.rnn.ResidualCell(mx.rnn.LSTMCell(16, "second_")))
    embedded = mx.sym.Embedding(mx.sym.Variable("data"), input_dim=words, output_dim=12, name="embed")
    outputs = stack.unroll(length, embedded, merge_outputs=True)[0]
    scores = mx.sym.FullyConnected(mx.sym.Reshape(outputs, shape=(-1, 16)), num_hidden=words, name="pred")
    label = mx.sym.Reshape(mx.sym.Variable("softmax_label"), shape=(-1,))
    return mx.sym.SoftmaxOutput(scores, label, name="softmax", use_ignore=True, ignore_label=0)


@pytest.mark.filterwarnings("error")
def test_a_language_model_of_buckets_learns_and_is_replayed():
    random.seed(0)
    np.random.seed(0)
    mx.random.seed(0)
    # Each word is followed by the next one, so that a model can be certain.
    sentences = [[1 + (start + step) % 8 for step in range(random.choice((4, 6)))] for start in range(120)]
    batches = mx.rnn.BucketSentenceIter(sentences, 10, buckets=[4, 6], invalid_label=0)
    executors = {}
    for length in (6, 4):
        net = _language_model(length, 9)
        executors[length] = net.simple_bind(
            mx.cpu(), data=(10, length), softmax_label=(10, length), shared_exec=executors.get(6),
            grad_req={name: "null" if name in ("data", "softmax_label") else "write" for name in net.list_arguments()},
        )  # fmt: skip
    weights = [name for name in executors[6].arg_dict if name not in ("data", "softmax_label")]
    for name in weights:
        mx.init.Xavier()(mx.init.InitDesc(name), executors[6].arg_dict[name])
        assert executors[4].arg_dict[name] is executors[6].arg_dict[name]
    updater = mx.optimizer.get_updater(mx.optimizer.Adam(learning_rate=0.02, rescale_grad=0.1))
    losses = []
    for _ in range(8):
        for batch in batches:
            executor = executors[batch.bucket_key]
            executor.forward(is_train=True, data=batch.data[0], softmax_label=batch.label[0])
            executor.backward()
            for place, name in enumerate(weights):
                updater(place, executor.grad_dict[name], executor.arg_dict[name])
            label = batch.label[0].asnumpy().astype(int).ravel()
            chances = executor.outputs[0].asnumpy()[np.arange(label.size), label][label > 0]
            losses.append(-np.log(chances).mean())
        batches.reset()
    assert np.mean(losses[-5:]) < 0.3 < 1.5 < losses[0]
    for executor in executors.values():
        assert all(kind.recording is not None for kind in executor._replay._joint.values())
