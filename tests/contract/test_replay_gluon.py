"""A hybridized block is replayed, and trains as it does without, for every layer, loss and optimizer."""

import copy
import gc
import tracemalloc

import numpy as np
import pytest
import torch

import tandem.mxnet as mx
from contract.test_gluon_layers import _CASES
from gluon_cases import HELPERS, LOSSES
from mxnet_parity import run_here
from tandem.mxnet import autograd, gluon, nd
from tandem.mxnet.gluon import nn, rnn

STEPS = 6

# Blocks in which nothing can be hybridized, as in MXNet, with the reason.
NOT_HYBRID = {"nn.Lambda": "a Block", "nn.Concatenate": "a Block"}

# Unrolled from outside it keeps its last output between the calls of what is hybridized; inside a HybridBlock it is
# replayed.
EAGER = {"ZoneoutCell"}

# What is close, not equal: run eagerly an LSTM is one call of a library, recorded it is many calls of our own; images
# are convolved with their channels last where a recording is made.
CLOSE = ("LSTM", "RNN", "GRU", "Conv2D(", "DeformableConvolution")


def _hybrids(block):
    """The recorded computations in a block: of it, or of its children where it has none itself."""
    own = block.__dict__.get("_replay")
    if own is not None:
        return [own]
    return [found for child in block._children.values() for found in _hybrids(child)]


def is_replayed(block):
    """Whether each recorded computation in a block has become a program, with gradients or without."""
    hybrids = _hybrids(block)
    return bool(hybrids) and all(
        any(kind.recording is not None or kind.frozen for kind in hybrid._joint.values())
        if hybrid._joint
        else hybrid.programs
        for hybrid in hybrids
    )


def _made(case):
    scope = run_here(
        HELPERS + "\nnet = eval(expression)\nnet.initialize(mx.init.Xavier())\n"
        "inputs = made(given, np.random.RandomState(3))",
        expression=case[0],
        given=case[1],
    )
    return scope["net"], scope["inputs"]


def _leaves(tree):
    return [leaf for item in tree for leaf in _leaves(item)] if isinstance(tree, (list, tuple)) else [tree]


def _train(net, batches, optimizer="sgd", settings=None, loss=None, steps=STEPS):
    """Everything that some steps of training give: outputs, gradients of inputs, weights, optimizer's states."""
    trainer = gluon.Trainer(net.collect_params(), optimizer, settings or {"learning_rate": 0.05, "momentum": 0.9})
    found = []
    for number in range(steps):
        inputs = [x.copy() for x in batches[number % len(batches)]]
        mx.random.seed(number)
        for x in inputs:
            if x.dtype == np.float32 and "int" not in str(x.dtype) and not _are_numbers(x):
                x.attach_grad()
        with autograd.record():
            outputs = _leaves(net(*inputs))
            if loss is not None:
                outputs = [loss(*outputs)]
        if any(output._tensor.requires_grad for output in outputs):
            autograd.backward(outputs)
            trainer.step(2, ignore_stale_grad=True)
        found += [output.asnumpy() for output in outputs]
        found += [x.grad.asnumpy() for x in inputs if x.grad is not None]
        found += [output.asnumpy() for output in _leaves(net(*inputs))]
    found += [parameter.data().asnumpy() for parameter in net.collect_params().values()]
    for state in trainer._updaters[0].states.values():
        found += [part.asnumpy() for part in _leaves(state) if part is not None]
    return found


def _are_numbers(x):
    return bool((x._tensor == x._tensor.round()).all())


def _compare(net, batches, *, close=False, replayed=True, **options):
    """Train a net and its hybridized copy and hold everything equal; returns the copy."""
    net(*batches[0])
    other = copy.deepcopy(net)
    other.hybridize(inline_limit=0)
    wanted, got = _train(net, batches, **options), _train(other, batches, **options)
    assert len(got) == len(wanted)
    for mine, theirs in zip(got, wanted, strict=True):
        if close:
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
        else:
            np.testing.assert_array_equal(mine, theirs)
    assert is_replayed(other) is replayed
    return other


REPLAYED = [case for case in _CASES if not any(name in case[0] for name in EAGER)]


@pytest.mark.filterwarnings("ignore:All children of this Sequential layer")
@pytest.mark.parametrize("case", REPLAYED, ids=[case[0] for case in REPLAYED])
def test_layer(case):
    net, inputs = _made(case)
    whole = "Embedding" in case[0]
    batches = [inputs] + [[x if whole else x * scale for x in inputs] for scale in (0.9, 1.1)]
    close = any(name in case[0] for name in CLOSE)
    _compare(net, batches, close=close, replayed=not case[0].startswith(tuple(NOT_HYBRID)))


@pytest.mark.parametrize("case", [case for cases in LOSSES.values() for case in cases], ids=lambda case: case[0])
def test_loss(case):
    scope = run_here(
        HELPERS + "\nblock = eval(expression)\ninputs = made(given, np.random.RandomState(3))",
        expression=case[0],
        given=case[1],
    )
    block, inputs = scope["block"], scope["inputs"]
    results = []
    for active in (False, True):
        block.hybridize(active, inline_limit=0)
        found = []
        for number in range(STEPS):
            given = [x * (1 + 0.05 * number) if i in case[2] else x.copy() for i, x in enumerate(inputs)]
            for position in case[2]:
                given[position].attach_grad()
            with autograd.record(bool(case[2])):
                value = block(*given)
            if case[2]:
                value.backward()
            found += [value.asnumpy(), *(given[position].grad.asnumpy() for position in case[2])]
        results.append(found)
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert is_replayed(block)


# --- recurrent cells that are unrolled inside a block ----------------------------------------------------------------

CELLS = {
    "RNNCell": lambda: rnn.RNNCell(4),
    "LSTMCell": lambda: rnn.LSTMCell(4),
    "GRUCell": lambda: rnn.GRUCell(4),
    "ResidualCell": lambda: rnn.ResidualCell(rnn.GRUCell(3)),
    "ZoneoutCell": lambda: rnn.ZoneoutCell(rnn.LSTMCell(4), 0.3, 0.2),
    "stacked": lambda: _stack(rnn.HybridSequentialRNNCell(), rnn.LSTMCell(4), rnn.DropoutCell(0.3), rnn.GRUCell(4)),
    "BidirectionalCell": lambda: rnn.BidirectionalCell(rnn.GRUCell(4), rnn.RNNCell(4)),
}


def _stack(row, *cells):
    for cell in cells:
        row.add(cell)
    return row


class Unrolled(gluon.HybridBlock):
    def __init__(self, cell):
        super().__init__()
        self.cell = cell
        self.head = nn.Dense(2)

    def hybrid_forward(self, F, x):
        outputs, _ = self.cell.unroll(5, x, layout="NTC", merge_outputs=True)
        return self.head(outputs)


@pytest.mark.parametrize("name", CELLS)
def test_cells_inside_a_hybrid_block(name):
    net = Unrolled(CELLS[name]())
    net.initialize(mx.init.Xavier())
    batches = [[nd.array(np.random.default_rng(number).normal(size=(3, 5, 3)))] for number in range(3)]
    _compare(net, batches, close=True)


# --- what happens on the way ------------------------------------------------------------------------------------------


def _net(*between):
    net = nn.HybridSequential()
    net.add(nn.Dense(5, activation="tanh"), *between, nn.Dense(2))
    net.initialize(mx.init.Xavier())
    return net


def _batches(*rows):
    rng = np.random.default_rng(4)
    return [[nd.array(rng.normal(size=(count, 4)))] for count in rows or (6, 6, 6)]


OPTIMIZERS = [
    *("AdaDelta", "AdaGrad", "Adam", "Adamax", "DCASGD", "FTML", "Ftrl", "LAMB", "LARS", "LBSGD", "NAG", "Nadam"),
    *("RMSProp", "SGD", "SGLD", "Signum"),
]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name):
    mx.random.seed(1)
    _compare(_net(), _batches(), optimizer=name, settings={"wd": 0.01})


def test_every_optimizer_is_here():
    public = {name for name in mx.optimizer.__all__ if name[0].isupper()} - {"Optimizer", "Updater", "Test"}
    assert public == set(OPTIMIZERS)


@pytest.mark.parametrize(
    "between",
    [
        lambda: [nn.Dropout(0.4), nn.BatchNorm()],
        lambda: [nn.HybridLambda(lambda F, x: F.sum(x, axis=1, keepdims=True) * x)],
        lambda: [torch.nn.Linear(5, 4), torch.nn.BatchNorm1d(4), torch.nn.Dropout(0.2)],
    ],
)
def test_layers_with_state(between):
    _compare(_net(*between()), _batches(6, 6, 4))


def test_batches_of_several_sizes_have_a_program_each():
    net = _compare(_net(nn.BatchNorm()), _batches(6, 3, 6, 2))
    assert len(net._replay._joint) == 3


@pytest.mark.parametrize("request_", ["write", "add", "null"])
def test_grad_req(request_):
    nets, grads = [_net()], []
    nets[0](*_batches()[0])
    nets.append(copy.deepcopy(nets[0]))
    nets[1].hybridize(inline_limit=0)
    for net in nets:
        net.collect_params(".*weight").setattr("grad_req", request_)
        found = []
        for _ in range(4):
            for _ in range(2):
                with autograd.record():
                    y = net(*_batches()[0])
                y.backward()
            found += [p.grad().asnumpy().copy() for p in net.collect_params().values() if p.grad_req != "null"]
            found += [p.data()._tensor.requires_grad for p in net.collect_params().values()]
        grads.append(found)
    for mine, theirs in zip(*grads, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_frozen_block_is_replayed_and_learns_when_it_is_thawed():
    net = _net()
    x, target = _batches()[0][0], nd.ones((6, 2))
    net(x)
    net.hybridize(inline_limit=0)
    net.collect_params().setattr("grad_req", "null")
    head = nn.Dense(2)
    head.initialize()
    for thawed in (False, True, False):
        net.collect_params().setattr("grad_req", "write" if thawed else "null")
        params = {**dict(net.collect_params().items()), **dict(head.collect_params().items())}
        trainer = gluon.Trainer(params, "sgd")
        before = net[0].weight.data().asnumpy()
        for _ in range(5):
            with autograd.record():
                loss = ((head(net(x)) - target) ** 2).sum()
            loss.backward()
            trainer.step(6)
        assert (net[0].weight.data().asnumpy() != before).any() == thawed
    assert net._replay.programs
    assert is_replayed(net)


def test_values_that_are_set_between_steps():
    results = []
    for active in (False, True):
        net = _net()
        (x,) = _batches()[0]
        net(x)
        rng = np.random.default_rng(0)
        for parameter in net.collect_params().values():
            parameter.set_data(nd.array(rng.normal(size=parameter.shape)))
        net.hybridize(active, inline_limit=0)
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        found = []
        for number in range(8):
            if number == 4:
                net[0].weight.set_data(net[0].weight.data() * 0.5)
                trainer.set_learning_rate(0.02)
            if number == 6:
                net.load_state_dict({key: value * 0.9 for key, value in net.state_dict().items()})
            if number == 7:
                net.initialize(mx.init.One(), force_reinit=True)
            with autograd.record():
                y = net(x)
            y.backward()
            trainer.step(6)
            found += [y.asnumpy(), net[0].weight.data().asnumpy()]
        results.append(found)
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_casting_and_moving_records_anew():
    net = _net()
    (x,) = _batches()[0]
    net(x)
    net.hybridize(inline_limit=0)
    for dtype in ("float32", "float64", "float32"):
        net.cast(dtype)
        for _ in range(4):
            with autograd.record():
                y = net(x.astype(dtype))
            y.backward()
            assert y.dtype == np.dtype(dtype)
            assert net[0].weight.grad().dtype == np.dtype(dtype)


def test_a_hook_on_a_gradient_runs_once_in_each_pass():
    nets = [_net()]
    (x,) = _batches()[0]
    nets[0](x)
    nets.append(copy.deepcopy(nets[0]))
    nets[1].hybridize(inline_limit=0)
    counts = []
    for net in nets:
        calls = []
        tensor = net[0].weight.data()._tensor
        tensor.register_hook(lambda grad, calls=calls: (calls.append(1), grad * 2)[1])
        for _ in range(5):
            with autograd.record():
                y = net(x)
            y.backward()
        counts.append(len(calls))
    assert counts == [5, 5]
    np.testing.assert_array_equal(*[net[0].weight.grad().asnumpy() for net in nets])


def test_a_block_that_takes_its_own_result():
    """Its weights are reached twice by one backward pass, at once and through what it was given."""
    nets = [nn.Dense(4, activation="tanh", in_units=4)]
    nets[0].initialize(mx.init.Xavier())
    nets.append(copy.deepcopy(nets[0]))
    nets[1].hybridize(inline_limit=0)
    (x,) = _batches()[0]
    for _ in range(5):
        grads = []
        for net in nets:
            with autograd.record():
                y = net(net(net(x)))
            y.backward()
            grads.append(net.weight.grad().asnumpy())
        np.testing.assert_allclose(*grads, rtol=1e-6, atol=1e-7)
    assert is_replayed(nets[1])


def test_two_nets_that_train_in_turn():
    results = []
    for active in (False, True):
        mx.random.seed(3)
        maker, critic = _net(), _net(nn.Dropout(0.3))
        (noise,), (real,) = _batches()[:2]
        shrink = nn.Dense(4)
        shrink.initialize()
        shrink(maker(noise))
        critic(real)
        for seed, net in enumerate((maker, critic, shrink)):
            rng = np.random.default_rng(seed)
            for parameter in net.collect_params().values():
                parameter.set_data(nd.array(rng.normal(size=parameter.shape)))
            net.hybridize(active, inline_limit=0)
        first = gluon.Trainer({**dict(maker.collect_params().items()), **dict(shrink.collect_params().items())}, "adam")
        second = gluon.Trainer(critic.collect_params(), "adam")
        found = []
        for number in range(8):
            mx.random.seed(number)
            with autograd.record():
                loss = (critic(real) - critic(shrink(maker(noise)).detach())).sum()
            loss.backward()
            second.step(6)
            found.append(loss.asnumpy())
            with autograd.record():
                loss = critic(shrink(maker(noise))).sum()
            loss.backward()
            first.step(6)
            found.append(loss.asnumpy())
        found += [p.data().asnumpy() for net in (maker, critic, shrink) for p in net.collect_params().values()]
        results.append(found)
        if active:
            assert all(map(is_replayed, (maker, critic, shrink)))
            # With a gradient for its input or without: not one for each round.
            assert len(critic._replay._joint) == 2
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


def _penalised(net, x):
    return net(x).sum() + (net[0].weight.data() ** 2).sum() + (net(x * 2) ** 2).sum()


def test_a_weight_that_is_also_used_outside_and_by_two_calls():
    """Its gradient comes in parts, of which the replay puts one where it belongs by itself."""
    nets = [_net()]
    (x,) = _batches()[0]
    nets[0](x)
    nets.append(copy.deepcopy(nets[0]))
    nets[1].hybridize(inline_limit=0)
    for number in range(6):
        grads = []
        for net in nets:
            with autograd.record():
                value = _penalised(net, x * (number + 1))
            value.backward()
            grads.append([p.grad().asnumpy() for p in net.collect_params().values()])
        for mine, theirs in zip(*grads, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    assert is_replayed(nets[1])


def test_gradients_that_are_asked_for_are_not_written():
    net = _net()
    (x,) = _batches()[0]
    net.hybridize(inline_limit=0)
    for number in range(5):
        with autograd.record():
            y = net(x)
        y.backward()
        before = [p.grad().asnumpy() for p in net.collect_params().values()]
        with autograd.record():
            y = net(x * (number + 2))
        # A forward pass leaves the gradients of the last step alone, and so does autograd.grad.
        found = autograd.grad([y], [p.data() for p in net.collect_params().values()])
        for grad, parameter, asked in zip(before, net.collect_params().values(), found, strict=True):
            np.testing.assert_array_equal(parameter.grad().asnumpy(), grad)
            assert asked.shape == grad.shape and bool((asked != 0).sum())
    assert is_replayed(net)


def test_torch_adds_to_gradients_where_mxnet_overwrites_them():
    net = _net()
    (x,) = _batches()[0]
    net.hybridize(inline_limit=0)
    for _ in range(4):
        with autograd.record():
            y = net(x)
        y.backward()
    once = net[0].weight.grad().asnumpy()
    with autograd.record():
        y = net(x)
    y._tensor.sum().backward()
    np.testing.assert_allclose(net[0].weight.grad().asnumpy(), 2 * once, rtol=1e-6)


def test_replicas_on_several_contexts():
    results, contexts = [], [mx.cpu(0), mx.cpu(1)]
    for active in (False, True):
        net = nn.HybridSequential()
        net.add(nn.Dense(5, activation="tanh", in_units=4), nn.Dense(2, in_units=5))
        net.initialize(mx.init.One(), ctx=contexts)
        net.hybridize(active, inline_limit=0)
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        for (batch,) in _batches(6, 6, 6, 6, 6):
            parts = gluon.utils.split_and_load(batch, contexts)
            with autograd.record():
                values = [net(part).sum() for part in parts]
            for value in values:
                value.backward()
            trainer.step(6)
        results.append([p.data(ctx).asnumpy() for p in net.collect_params().values() for ctx in contexts])
        assert is_replayed(net) is active
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-7)


def test_a_block_of_two_operations_is_not_recorded_for_training():
    results = []
    for limit in (0, 1, 2):
        net = nn.Dense(3, activation="relu", in_units=4)
        net.initialize(mx.init.One())
        net.hybridize(inline_limit=limit)
        (x,) = _batches()[0]
        for _ in range(4):
            with autograd.record():
                y = net(x)
            y.backward()
        results.append(net.weight.grad().asnumpy())
        assert any(kind.recording for kind in net._replay._joint.values()) is (limit < 2)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("static", [False, True])
def test_outputs_are_kept(static):
    """As in MXNet 1.9.1, where static_alloc too gives arrays that the next call leaves alone."""
    net = _net()
    net.hybridize(static_alloc=static, static_shape=static)
    (x,) = _batches()[0]
    kept = []
    for number in range(6):
        with autograd.record():
            kept.append(net(x * number))
        kept[-1].backward()
        kept.append(net(x * number))
    for number in range(6):
        wanted = net(x * number).asnumpy()
        for array in kept[2 * number : 2 * number + 2]:
            np.testing.assert_allclose(array.asnumpy(), wanted, rtol=1e-6, atol=1e-7)


def test_memory_stays_flat():
    net = _net(nn.BatchNorm(), nn.Dropout(0.2))
    net.hybridize(inline_limit=0)
    trainer = gluon.Trainer(net.collect_params(), "adam")
    ((x,),), loss = _batches(6), gluon.loss.L2Loss()
    target = nd.ones((6, 2))

    def train(steps):
        for _ in range(steps):
            with autograd.record():
                value = loss(net(x), target)
            value.backward()
            trainer.step(6)
        gc.collect()

    train(50)
    assert is_replayed(net)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        train(2000)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 50_000
    assert sum(kind.made for kind in net._replay._joint.values()) == 1


def test_channels_lie_last_within_a_hybridized_net_and_in_their_order_outside():
    net = nn.HybridSequential()
    net.add(nn.Conv2D(8, 3, padding=1, activation="relu"), nn.MaxPool2D(2), nn.Conv2D(6, 3, strides=2))
    net.initialize(mx.init.Xavier())
    x = mx.nd.random.uniform(shape=(4, 3, 17, 15))
    wanted = net(x)
    net.hybridize(inline_limit=0)
    for _ in range(4):
        with mx.autograd.record():
            y = net(x)
        y.backward()
    assert y._tensor.is_contiguous()
    assert net(x)._tensor.is_contiguous()
    np.testing.assert_allclose(y.asnumpy(), wanted.asnumpy(), rtol=1e-5, atol=1e-6)
    (kind,) = net._replay._joint.values()
    convolved = [ref for call in kind.recording.calls if "convolution" in str(call.func) for ref in call.outputs if ref]
    assert all(ref.stride[1] == 1 for ref in convolved if len(ref.size) == 4 and ref.size[2] > 3)
