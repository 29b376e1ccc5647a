"""Gluon on `mx.np` arrays: which arrays come out, hybrid blocks with F.np and F.npx, parameters, files."""

import numpy as onp
import pytest

import tandem.mxnet as mx
from tandem.mxnet import autograd, gluon, init, np, npx
from tandem.mxnet.gluon import nn, rnn


@pytest.fixture(autouse=True)
def numpy_semantics():
    npx.set_np()
    yield
    npx.reset_np()


def arrays(tree):
    if isinstance(tree, (list, tuple)):
        return [leaf for item in tree for leaf in arrays(item)]
    return [tree]


def uniform(*shape):
    return np.array(onp.random.RandomState(0).uniform(-1, 1, shape).astype("float32"))


def concatenated(kind):
    block = kind(axis=1)
    block.add(nn.Dense(2), nn.Dense(3))
    return block


def with_states(layer):
    return lambda x: layer(x, layer.begin_state(batch_size=x.shape[1]))


LAYERS = {
    "Dense": (lambda: nn.Dense(3, activation="relu"), (2, 4)),
    "Conv2D": (lambda: nn.Conv2D(3, 3, padding=1), (2, 2, 5, 5)),
    "Conv2DTranspose": (lambda: nn.Conv2DTranspose(3, 3), (2, 2, 5, 5)),
    "MaxPool2D": (lambda: nn.MaxPool2D(2), (2, 2, 4, 4)),
    "GlobalAvgPool1D": (nn.GlobalAvgPool1D, (2, 2, 4)),
    "BatchNorm": (nn.BatchNorm, (2, 3, 4)),
    "LayerNorm": (nn.LayerNorm, (2, 3)),
    "GroupNorm": (lambda: nn.GroupNorm(num_groups=2), (2, 4, 3)),
    "InstanceNorm": (nn.InstanceNorm, (2, 3, 4)),
    "Embedding": (lambda: nn.Embedding(4, 3), (2, 3)),
    "Dropout": (lambda: nn.Dropout(0.5), (2, 3)),
    "PReLU": (nn.PReLU, (2, 3)),
    "ReflectionPad2D": (lambda: nn.ReflectionPad2D(1), (1, 2, 3, 3)),
    "HybridConcatenate": (lambda: concatenated(nn.HybridConcatenate), (2, 3)),
    "HybridLambda": (lambda: nn.HybridLambda("tanh"), (2, 3)),
    "LSTM": (lambda: rnn.LSTM(3, 2, bidirectional=True), (4, 2, 3)),
    "GRU": (lambda: rnn.GRU(3), (4, 2, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_answer_numpys_arrays_recorded_or_not(name):
    make, shape = LAYERS[name]
    layer, x = make(), uniform(*shape)
    layer.initialize()
    plain = layer(x)
    layer.hybridize()
    for _ in range(2):
        with autograd.record(train_mode=False):
            y = layer(x)
        assert [type(leaf) for leaf in arrays(y)] == [np.ndarray] * len(arrays(y))
        onp.testing.assert_allclose(y.asnumpy(), plain.asnumpy(), rtol=1e-5, atol=1e-6)
    assert all(isinstance(p.data(), np.ndarray) for p in layer.collect_params().values())


@pytest.mark.parametrize(
    "make",
    [
        lambda: rnn.RNNCell(3),
        lambda: rnn.LSTMCell(3),
        lambda: rnn.GRUCell(3),
        lambda: rnn.ZoneoutCell(rnn.GRUCell(3), 0.3, 0.3),
        lambda: rnn.ResidualCell(rnn.RNNCell(5)),
        lambda: rnn.BidirectionalCell(rnn.LSTMCell(3), rnn.LSTMCell(3)),
    ],
)
@pytest.mark.parametrize("lengths", [None, [2.0, 4.0]])
def test_cells_unroll_numpys_arrays(make, lengths):
    """As on classic arrays, which are compared with MXNet; its own cells do not take NumPy's."""
    results = []
    for numpy in (True, False):
        mx.npx.set_np() if numpy else mx.npx.reset_np()
        array = np.array if numpy else mx.nd.array
        mx.random.seed(0)
        cell = make()
        cell.initialize(init.Uniform(0.5))
        valid = None if lengths is None else array(lengths)
        outputs, states = cell.unroll(4, array(onp.ones((2, 4, 5), "float32")), valid_length=valid, merge_outputs=True)
        results.append([outputs, *arrays(states)])
    assert {type(leaf) for leaf in results[0]} == {np.ndarray}
    for one, other in zip(*results, strict=True):
        onp.testing.assert_allclose(one.asnumpy(), other.asnumpy(), rtol=1e-5, atol=1e-6)


LOSSES = [
    (gluon.loss.L1Loss, 2),
    (gluon.loss.L2Loss, 2),
    (gluon.loss.SigmoidBCELoss, 2),
    (gluon.loss.KLDivLoss, 2),
    (gluon.loss.HuberLoss, 2),
    (gluon.loss.HingeLoss, 2),
    (gluon.loss.SquaredHingeLoss, 2),
    (gluon.loss.LogisticLoss, 2),
    (gluon.loss.PoissonNLLLoss, 2),
    (lambda: gluon.loss.SoftmaxCELoss(sparse_label=False), 2),
    (gluon.loss.TripletLoss, 3),
    (gluon.loss.SDMLLoss, 2),
]


@pytest.mark.parametrize(("make", "count"), LOSSES)
def test_losses_are_those_of_classic_arrays(make, count):
    values = onp.abs(onp.random.RandomState(1).uniform(0.1, 1, (count, 4, 3))).astype("float32")
    found = make()(*(np.array(value) for value in values))
    npx.reset_np()
    classic = make()(*(mx.nd.array(value) for value in values))
    assert type(found) is np.ndarray
    onp.testing.assert_allclose(found.asnumpy().reshape(classic.shape), classic.asnumpy(), rtol=1e-5)


# --- hybrid blocks ---------------------------------------------------------------------------------------------------


class Mixed(gluon.HybridBlock):
    """Uses F.np, F.npx and, beside them, F's classic names."""

    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(3, 0), allow_deferred_init=True)
            self.dense = nn.Dense(2)

    def hybrid_forward(self, F, x, weight):
        y = F.npx.fully_connected(x, weight, no_bias=True, num_hidden=3)
        y = F.np.concatenate([F.npx.relu(y), F.np.exp(y)], axis=1)
        return self.dense(F.np.tanh(y)), F.sum(F.broadcast_mul(y, y), axis=1), F.np.split(y, 2, axis=1)


def test_hybrid_blocks_with_both_views():
    net, x = Mixed(), uniform(4, 5)
    net.initialize()
    plain = arrays(net(x))
    assert net.weight.shape == (3, 5)
    net.hybridize()
    for _ in range(2):
        found = arrays(net(x))
        assert [type(leaf) for leaf in found] == [np.ndarray] * 4
        for one, other in zip(found, plain):
            onp.testing.assert_allclose(one.asnumpy(), other.asnumpy(), rtol=1e-6)


class Picking(gluon.HybridBlock):
    """Subscripts with arrays of numbers, which change from call to call, and assignment."""

    def hybrid_forward(self, F, x, i):
        y = F.np.zeros_like(x)
        y[:, 1] = 3
        rows = F.np.arange(x.shape[0]).astype("int32")
        return x[i], x[rows, i], x[::-1, 1:], F.npx.pick(x, i) * y[0, 1]


def test_subscripts_with_numbers_replay():
    net, x = Picking(), uniform(3, 3)
    outcomes = []
    for hybrid in (False, True):
        net.hybridize(hybrid)
        outcomes.append([])
        for step in range(4):
            i = np.array([step % 3, 0, 2 - step % 3], dtype="int32")
            x.attach_grad()
            with autograd.record():
                parts = net(x, i)
                loss = sum((part * part).sum() for part in parts)
            loss.backward()
            outcomes[-1].extend([*parts, x.grad.copy()])
    for one, other in zip(*outcomes, strict=True):
        onp.testing.assert_allclose(one.asnumpy(), other.asnumpy(), rtol=1e-6)


class Forward(nn.HybridBlock):
    """As MXNet 2 has it."""

    def __init__(self):
        super().__init__()
        self.weight = self.params.get("weight", shape=(3, 4), init=init.Normal(0.5))
        self.out = nn.Dense(1)

    def forward(self, x):
        return self.out(npx.relu(np.dot(x, self.weight.data().T)))


def test_forward_in_the_way_of_mxnet_2_replays():
    net, x, y = Forward(), uniform(8, 4), uniform(8, 1)
    net.initialize()
    net(x)
    saved = [parameter.data().copy() for parameter in net.collect_params().values()]
    losses = []
    for hybrid in (False, True):
        for parameter, value in zip(net.collect_params().values(), saved):
            parameter.set_data(value)
        net.hybridize(hybrid)
        trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
        for _ in range(3):
            with autograd.record():
                loss = gluon.loss.L2Loss()(net(x), y)
            loss.backward()
            trainer.step(8)
        losses.append(loss.asnumpy())
    onp.testing.assert_allclose(*losses, rtol=1e-5)


@mx.util.use_np
class Decorated(gluon.HybridBlock):
    """Its parameters are NumPy's because the methods that it inherits run in the scope too."""

    def __init__(self):
        super().__init__()
        self.weight = self.params.get("weight", shape=(4, 3))

    def hybrid_forward(self, F, x, weight):
        return F.np.dot(x, weight)


@pytest.mark.parametrize("hybrid", [False, True])
def test_use_np_on_a_block_outside_of_the_mode(hybrid):
    npx.reset_np()
    net = Decorated()
    net.initialize()
    net.hybridize(hybrid)
    for _ in range(2):
        assert type(net(mx.nd.ones((2, 4)).as_np_ndarray())) is np.ndarray
    assert type(net.weight.data()) is np.ndarray
    assert not mx.util.is_np_array()


# --- parameters, training, data --------------------------------------------------------------------------------------


def test_constants_from_numpys_own_arrays():
    class Shifted(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.shift = self.params.get_constant("shift", onp.array([1.0, 2.0]))

        def hybrid_forward(self, F, x, shift):
            return x + shift

    net = Shifted()
    net.initialize()
    assert net(np.zeros(2)).tolist() == [1, 2]


def test_files_of_either_mode_load_in_the_other(tmp_path):
    path = str(tmp_path / "net.params")
    net = nn.Dense(2, in_units=3)
    net.initialize()
    net.save_parameters(path)
    npx.reset_np()
    classic = nn.Dense(2, in_units=3)
    classic.load_parameters(path)
    assert type(classic.weight.data()) is mx.nd.NDArray
    classic.save_parameters(path)
    npx.set_np()
    again = nn.Dense(2, in_units=3)
    again.load_parameters(path)
    assert type(again.weight.data()) is np.ndarray
    assert again.weight.data().tolist() == net.weight.data().tolist()
    again.initialize(init.Zero(), force_reinit=True)
    net.collect_params().save(path, strip_prefix=net.prefix)
    again.collect_params().load(path, restore_prefix=again.prefix)
    assert again.weight.data().tolist() == net.weight.data().tolist()
    again.weight.set_data(mx.nd.ones((2, 3)))
    assert float(again.weight.data().sum()) == 6


def test_a_step_divides_by_a_count_that_is_an_array():
    net = nn.Dense(1, in_units=2, use_bias=False)
    net.initialize(init.Zero())
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1.0})
    with autograd.record():
        loss = net(np.ones((4, 2))).sum()
    loss.backward()
    trainer.step(np.array([3, 1]).sum())
    assert net.weight.data().tolist() == [[-1, -1]]


def test_batches_and_their_parts_are_numpys_arrays():
    data = gluon.data.ArrayDataset(onp.arange(12.0).reshape(6, 2), [0, 1, 2, 3, 4, 5])
    x, y = next(iter(gluon.data.DataLoader(data, 4)))
    assert [type(x), type(y)] == [np.ndarray, np.ndarray]
    parts = gluon.utils.split_and_load(x, [npx.cpu(0), npx.cpu(1)])
    assert [(type(part), part.shape, part.ctx) for part in parts] == [
        (np.ndarray, (2, 2), npx.cpu(0)),
        (np.ndarray, (2, 2), npx.cpu(1)),
    ]
    assert type(gluon.utils.split_and_load(onp.ones((2, 2)), [npx.cpu()])[0]) is np.ndarray
    metric = mx.metric.Accuracy()
    metric.update([y], [npx.one_hot(y, 6)])
    assert metric.get() == ("accuracy", 1.0)


def test_a_block_may_have_its_own_idea_of_parameters():
    class Module(nn.HybridBlock):
        def __init__(self):
            super().__init__()
            self.inner, self.scale = nn.Dense(2), np.ones(2)

        def parameters(self):
            return [getattr(self, name) for name in dir(self) if isinstance(getattr(self, name), np.ndarray)]

        def forward(self, x):
            return self.inner(x) * self.scale

    net, x = Module(), uniform(3, 4)
    net.initialize()
    plain = net(x)
    net.hybridize()
    for _ in range(3):
        with autograd.record():
            y = net(x)
        y.backward()
    assert len(net.parameters()) == 1
    assert len(dir(net)) == len(set(dir(net)))
    onp.testing.assert_allclose(y.asnumpy(), plain.asnumpy(), rtol=1e-6)
    assert float(np.abs(net.inner.weight.grad()).sum()) > 0


def test_recurrent_files_have_mxnets_keys(tmp_path):
    layer = rnn.LSTM(2, 2, bidirectional=True, input_size=3)
    layer.initialize()
    layer.save_parameters(str(tmp_path / "lstm.params"))
    keys = sorted(npx.load(str(tmp_path / "lstm.params")))
    assert keys[0] == "_unfused.0.l_cell.h2h_bias"
    assert keys[-1] == "_unfused.1.r_cell.i2h_weight"
    single = rnn.GRU(2, input_size=3)
    assert sorted(single._collect_params_with_prefix("rnn")) == [
        "rnn._unfused.0.h2h_bias",
        "rnn._unfused.0.h2h_weight",
        "rnn._unfused.0.i2h_bias",
        "rnn._unfused.0.i2h_weight",
    ]


def test_weights_of_samples_may_be_integers():
    label = np.array([0, 1], dtype="int64")
    pred = np.array([[1.0, 2.0], [3.0, 4.0]])
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    weights = np.array([[1], [0]], dtype="int64")
    assert onp.allclose(loss(pred, label, weights).asnumpy(), loss(pred, label).asnumpy() * [1, 0])
    assert loss(pred, label, weights).dtype == onp.float32


def test_a_block_that_calls_np_through_f_is_exported_and_comes_back(tmp_path):
    class Summed(gluon.HybridBlock):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.embedding = nn.Embedding(10, 6)
            self.dense = nn.Dense(3, flatten=False)

        def hybrid_forward(self, F, x):
            return F.np.sum(F.npx.relu(self.dense(F.np.transpose(self.embedding(x), (0, 2, 1)))), axis=1)

    net, x = Summed(), np.array([[1, 2], [3, 4]])
    net.initialize()
    net.hybridize()
    expected = net(x)
    files = net.export(str(tmp_path / "net")) or (str(tmp_path / "net-symbol.json"), str(tmp_path / "net-0000.params"))
    back = gluon.SymbolBlock.imports(files[0], ["data"], files[1])
    assert onp.allclose(back(x).asnumpy(), expected.asnumpy(), atol=1e-6) and isinstance(back(x), np.ndarray)
