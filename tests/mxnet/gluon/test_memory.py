"""A loop that never waits for its results keeps no memory: neither tensors nor Python's objects pile up."""

import gc
import sys

import numpy as np
import pytest
import torch

import tandem.mxnet as mx
from tandem.mxnet import autograd, gluon, nd
from tandem.mxnet.gluon import nn


def _trainer_of(net, name):
    return gluon.Trainer(net.collect_params(), name, {"learning_rate": 1e-3})


def _tensors():
    return sum(issubclass(type(item), torch.Tensor) for item in gc.get_objects())


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_without_waiting(hybrid, optimizer):
    net, loss, accuracy = nn.HybridSequential(), gluon.loss.SoftmaxCrossEntropyLoss(), mx.metric.Accuracy()
    net.add(nn.Dense(8, activation="relu"), nn.BatchNorm(), nn.Dropout(0.2), nn.Dense(3))
    net.initialize()
    if hybrid:
        net.hybridize()
    trainer = _trainer_of(net, optimizer)
    rng = np.random.default_rng(0)
    x, y = nd.array(rng.normal(size=(6, 4))), nd.array(rng.integers(0, 3, 6))

    def train(steps):
        for _ in range(steps):
            with autograd.record():
                out = net(x)
                value = loss(out, y)
            value.backward()
            trainer.step(6)
            accuracy.update(y, out)
        gc.collect()

    train(50)
    tensors, growth = _tensors(), []
    for _ in range(3):
        before = sys.getallocatedblocks()
        train(300)
        growth.append(sys.getallocatedblocks() - before)
    assert _tensors() <= tensors  # what earlier tests left may go meanwhile
    # Whatever piles up is at least a block a step in every round; caches of the interpreter and of torch fill slowly.
    assert min(growth) < 200, growth
