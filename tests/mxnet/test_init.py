"""Initializers: which one a parameter gets, seeds, one's own."""

import logging

import numpy as np
import pytest

import tandem.mxnet as mx
from tandem.mxnet import gluon, init, nd
from tandem.mxnet.gluon import nn


def test_a_parameters_own_initializer_comes_first():
    net = nn.Dense(2, in_units=2, bias_initializer="ones")
    net.initialize(init.Constant(3))
    assert net.weight.data().asnumpy().tolist() == [[3, 3], [3, 3]]
    assert net.bias.data().asnumpy().tolist() == [1, 1]
    net.weight.initialize(init.Zero(), force_reinit=True)
    assert not net.weight.data().asnumpy().any()


def test_values_that_are_there_stay():
    net = nn.Dense(2, in_units=2)
    net.initialize()
    before = net.weight.data().asnumpy()
    with pytest.warns(UserWarning, match="already initialized, ignoring"):
        net.initialize(init.One())
    np.testing.assert_array_equal(net.weight.data().asnumpy(), before)
    net.initialize(init.One(), force_reinit=True)
    assert net.weight.data().asnumpy().tolist() == [[1, 1], [1, 1]]


def test_mixed_and_load_choose_by_name():
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Dense(2, in_units=2), nn.Dense(1, in_units=2))
    net.initialize(init.Mixed(["net_dense0.*", ".*"], [init.Constant(2), init.Constant(5)]))
    assert net[0].weight.data().asnumpy().tolist() == [[2, 2], [2, 2]]
    assert net[1].weight.data().asnumpy().tolist() == [[5, 5]]
    net.initialize(init.Load({"net_dense1_weight": nd.ones((1, 2)) * 7}, init.Zero()), force_reinit=True)
    assert net[1].weight.data().asnumpy().tolist() == [[7, 7]]
    assert not net[0].weight.data().asnumpy().any()


def test_a_seed_makes_the_same_weights():
    weights = []
    for seed in (3, 3, 4):
        mx.random.seed(seed)
        net = nn.Dense(4)
        net.initialize(init.Xavier())
        net(nd.ones((1, 5)))
        weights.append(net.weight.data().asnumpy())
    np.testing.assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).all()


def test_an_initializer_of_ones_own():
    @init.register
    @init.alias("nine")
    class Nine(init.Initializer):
        def _init_weight(self, name, arr):
            assert isinstance(name, init.InitDesc)
            arr[:] = 9

    for given in ("nine", "Nine", Nine()):
        parameter = gluon.Parameter("w_bias", shape=(2,), init=given)
        parameter.initialize()
        assert parameter.data().asnumpy().tolist() == [9, 9]
    with pytest.raises(NotImplementedError, match="_init_weight"):
        gluon.Parameter("w", shape=(2,), init=init.Initializer()).initialize()


def test_unknown_names_are_suggested():
    with pytest.raises(AssertionError, match="Did you mean 'xavier'"):
        nn.Dense(2, in_units=2, weight_initializer="xavir").initialize()


def test_verbose_logs(caplog):
    caplog.set_level(logging.INFO)
    net = nn.Dense(2, in_units=2)
    net.initialize(init.Constant(2), verbose=True)
    assert "dense" in caplog.text
    assert "2.0" in caplog.text


def test_the_packed_vector_of_an_rnn():
    units, inputs, layers = 2, 3, 2
    size = 4 * units * (inputs + units + 2) + 4 * units * (units + units + 2)
    array = nd.full((size,), -1)
    init.FusedRNN(init.One(), units, layers, "lstm", forget_bias=3.0)(init.InitDesc("x_weight"), array)
    values = array.asnumpy()
    matrices = 4 * units * (inputs + units) + 4 * units * (units + units)
    assert (values[:matrices] == 1).all()
    assert values[matrices:].reshape(4, 4, units)[:, :, 0].tolist() == [[0, 3, 0, 0]] * 4


def test_the_packed_vector_of_an_rnn_without_an_initializer_of_its_own_asks_the_model_s_for_each_gate():
    class Seen(init.Initializer):
        def _init_weight(self, name, arr):
            shapes[str(name)] = arr.shape
            arr[:] = 0.5

    shapes = {}
    array = nd.zeros((4 * 2 * (3 + 2 + 2),))
    init.FusedRNN(None, 2, 1, "lstm")(init.InitDesc("x_weight", global_init=Seen()), array)
    assert shapes == {
        f"l0_{side}_{gate}_weight": (2, 3 if side == "i2h" else 2) for side in ("i2h", "h2h") for gate in "ifco"
    }
    assert (array.asnumpy()[: 4 * 2 * 5] == 0.5).all()
