"""A hybridized block is replayed, and trains as it does without, for every layer, loss and optimizer."""

import copy

import numpy as np
import pytest

import tandem.mxnet as mx
from contract.test_gluon_layers import _CASES
from gluon_cases import HELPERS, LOSSES
from mxnet_parity import run_here
from tandem.mxnet import autograd, gluon

STEPS = 6

# Blocks in which nothing can be hybridized, as in MXNet, with the reason.
NOT_HYBRID = {"nn.Lambda": "a Block", "nn.Concatenate": "a Block"}

# What is close, not equal: run eagerly an LSTM is one call of a library, recorded it is many calls of our own.
CLOSE = ("LSTM", "RNN", "GRU")


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
        hybrid.programs or any(kind.recording is not None for kind in hybrid._joint.values()) for hybrid in hybrids
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
    other.hybridize()
    wanted, got = _train(net, batches, **options), _train(other, batches, **options)
    assert len(got) == len(wanted)
    for mine, theirs in zip(got, wanted, strict=True):
        if close:
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
        else:
            np.testing.assert_array_equal(mine, theirs)
    assert is_replayed(other) is replayed
    return other


@pytest.mark.parametrize("case", _CASES, ids=[case[0] for case in _CASES])
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
        block.hybridize(active)
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
