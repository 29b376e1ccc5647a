"""Attributes that a hybridized block sets in each call, and recordings that are dropped."""

import numpy as np
import pytest

import tandem.mxnet as mx
from contract.test_replay_gluon import _batches, is_replayed
from tandem.engine.replay import EagerWarning
from tandem.mxnet import autograd
from tandem.mxnet.gluon import nn


class _Keeping(nn.HybridBlock):
    """Sets attributes in each call: arrays of its own and of the block in it, what is plain, nothing."""

    def __init__(self, inner=None):
        super().__init__()
        self.dense, self.cache = nn.Dense(3), None
        if inner is not None:
            self.inner = inner

    def hybrid_forward(self, F, x):
        x = self.inner(x) if hasattr(self, "inner") else x
        self.width, self.text = x.shape[1] * 1000, "a" + str(x.shape[1])
        self.hidden = self.cache = F.tanh(self.dense(x))
        self.pair = [self.hidden * 2, x]
        self.cache = None
        return self.hidden + 1


def test_arrays_that_a_call_keeps_as_attributes():
    found = []
    for active in (False, True):
        net = _Keeping(_Keeping())
        net.initialize(mx.init.Constant(0.2))
        net.hybridize(active, inline_limit=0)
        found.append([])
        for (x,) in 4 * _batches(6, 6, 4):
            with autograd.record():
                y = net(x)
                loss = y.sum() + (net.hidden**2).sum() + net.inner.pair[0].mean()
            loss.backward()
            assert net.cache is None
            kept = [y, net.hidden, *net.pair, net.inner.hidden, *net.inner.pair, net(x), net.inner.hidden]
            found[-1] += [a.asnumpy() for a in kept + [p.grad() for p in net.collect_params().values()]]
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    assert is_replayed(net)


class _Sized(nn.HybridBlock):
    """Remembers how many rows its last batch had."""

    def __init__(self):
        super().__init__()
        self.dense, self.rows = nn.Dense(3), 0

    def hybrid_forward(self, F, x):
        self.rows = x.shape[0]
        return F.tanh(self.dense(x)) * self.rows


@pytest.mark.parametrize("training", [False, True])
def test_batches_of_the_usual_size_replay_where_an_attribute_follows_from_the_size(training):
    nets = _Sized(), _Sized()
    for net in nets:
        net.initialize(mx.init.Constant(0.2))
    nets[1].hybridize(inline_limit=0)
    rounds = [_batches(6, 6, 6, 6, 4) for _ in range(6)]
    ran = []
    forward = _Sized.hybrid_forward
    with pytest.MonkeyPatch.context() as patch, pytest.warns(EagerWarning, match="in this kind of call"):
        patch.setattr(_Sized, "hybrid_forward", lambda self, F, x: (ran.append(self), forward(self, F, x))[1])
        for batches in rounds:
            del ran[:]
            for (x,) in batches:
                results = []
                for net in nets:
                    with autograd.record() if training else autograd.predict_mode():
                        y = net(x)
                    if training:
                        y.backward()
                    results.append([y, net.rows, *([net.dense.weight.grad()] if training else [])])
                np.testing.assert_allclose(results[1][0].asnumpy(), results[0][0].asnumpy(), rtol=1e-5)
                assert results[0][1] == results[1][1] == x.shape[0]
                if training:
                    np.testing.assert_allclose(results[1][2].asnumpy(), results[0][2].asnumpy(), rtol=1e-5)
    # The last round: only the batch of another size and the one after it ran as code.
    assert ran.count(nets[0]) == 5 and ran.count(nets[1]) == 2


class _Carrying(nn.HybridBlock):
    """Reads what the call before has kept."""

    state = None

    def hybrid_forward(self, F, x):
        self.state = x * 2 if self.state is None else F.tanh(self.state + x)
        return self.state * 3


def test_what_reads_an_array_that_was_kept_is_not_replayed():
    blocks = _Carrying(), _Carrying()
    blocks[1].hybridize(inline_limit=0)
    with pytest.warns(EagerWarning, match="carrying"):
        for (x,) in 6 * _batches(6):
            a, b = (block(x).asnumpy() for block in blocks)
            np.testing.assert_array_equal(a, b)


def test_a_setting_that_is_hidden_in_a_closure_counts_once_the_recording_is_dropped():
    factor = [2]
    net = nn.HybridLambda(lambda F, x: F.tanh(x) * factor[0] + F.exp(x))
    net.hybridize()
    (x,) = _batches()[0]
    for _ in range(4):
        before = net(x).asnumpy()
    factor[0] = 3
    net._clear_cached_op()
    assert (net(x).asnumpy() != before).all()
