"""Optimizers: registry, rates and decays per weight, one's own rules, states as bytes."""

import numpy as np
import pytest

import tandem.mxnet as mx
from tandem.mxnet import nd, optimizer


@pytest.fixture
def registry():
    before = dict(optimizer.Optimizer.opt_registry)
    yield
    optimizer.Optimizer.opt_registry.clear()
    optimizer.Optimizer.opt_registry.update(before)


def test_create():
    assert type(optimizer.create("SGD", momentum=0.9)) is optimizer.SGD
    made = optimizer.Adam()
    assert optimizer.create(made) is made
    with pytest.raises(ValueError, match="Did you mean 'adam'"):
        optimizer.create("adem")
    with pytest.raises(TypeError, match="learning_rat"):
        optimizer.SGD(learning_rat=0.1)
    with pytest.raises(AssertionError, match="param_idx2name"):
        optimizer.SGD(param_idx2name=[1])


def test_defaults():
    assert optimizer.SGD().lr == 0.01
    assert optimizer.Adam().lr == 0.001
    assert optimizer.Ftrl().lr == 0.1
    assert (optimizer.RMSProp().lr, optimizer.Nadam().lr, optimizer.Adamax().lr) == (0.001, 0.001, 0.002)
    assert optimizer.Ftrl(learning_rate=0.5).lr == 0.5


def test_rates_and_decays_per_weight():
    names = {0: "a_weight", 1: "a_bias", 2: "b_gamma", 3: "b_beta"}
    made = optimizer.SGD(learning_rate=0.1, wd=0.2, param_idx2name=names)
    assert made._get_wds([0, 1, 2, 3]) == [0.2, 0, 0.2, 0]
    made.set_lr_mult({"a_weight": 2.0, 3: 4.0})
    made.set_wd_mult({"a_bias": 3.0})
    assert made._get_lrs([0, 1, 3]) == [0.2, 0.1, 0.4]
    assert made._get_wds([0, 1, 3]) == pytest.approx([0.2, 0.6, 0])
    parameter = mx.gluon.Parameter("w", lr_mult=5.0, wd_mult=0.5)
    made.param_dict = {0: parameter}
    assert (made._get_lr(0), made._get_wd(0)) == (0.5, 0.1)


def test_a_scheduler_takes_the_learning_rate_that_is_given():
    scheduler = mx.lr_scheduler.FactorScheduler(2, 0.5)
    made = optimizer.SGD(learning_rate=0.4, lr_scheduler=scheduler)
    assert scheduler.base_lr == 0.4 == made.learning_rate
    with pytest.raises(UserWarning, match="LRScheduler"):
        made.set_learning_rate(1)
    assert optimizer.SGD(lr_scheduler=mx.lr_scheduler.FactorScheduler(2, 0.5, base_lr=0.7)).learning_rate == 0.7


def test_half_precision_is_warned_of():
    weight = nd.ones((2,), dtype="float16")
    with pytest.warns(UserWarning, match="multi_precision=True"):
        optimizer.Adam().create_state_multi_precision(0, weight)
    master, state = optimizer.Adam(multi_precision=True).create_state_multi_precision(0, weight)
    assert master.dtype is np.float32
    assert len(state) == 2
    momentum, master = optimizer.SGD(momentum=0.9, multi_precision=True).create_state_multi_precision(0, weight)
    assert momentum.dtype is master.dtype is np.float32


def test_a_master_copy_collects_what_half_precision_loses():
    weight, gradient = nd.ones((1,), dtype="float16"), nd.ones((1,), dtype="float16") * 0.0001
    updater = optimizer.get_updater(optimizer.SGD(learning_rate=1, multi_precision=True))
    for _ in range(20):
        updater(0, gradient, weight)
    assert abs(weight.asnumpy()[0] - 0.998) < 0.0005


@pytest.mark.usefixtures("registry")
def test_an_optimizer_of_ones_own():
    @optimizer.register
    class Mine(optimizer.Optimizer):
        def create_state(self, index, weight):
            return nd.zeros(weight.shape)

        def update(self, index, weight, grad, state):
            self._update_count(index)
            state[:] += 1
            weight[:] -= self._get_lr(index) * (grad * self.rescale_grad + self._get_wd(index) * weight)

    net = mx.gluon.nn.Dense(1, in_units=2)
    net.initialize(mx.init.One())
    trainer = mx.gluon.Trainer(net.collect_params(), "mine", {"learning_rate": 0.5})
    for _ in range(2):
        with mx.autograd.record():
            y = net(nd.ones((1, 2)))
        y.backward()
        trainer.step(1)
    assert net.weight.data().asnumpy().tolist() == [[0, 0]]
    assert trainer._updaters[0].states[1].asnumpy().tolist() == [[2, 2]]
    with pytest.raises(NotImplementedError, match="does not say how weights change"):
        optimizer.Optimizer().update(0, nd.ones(1), nd.ones(1), None)


@pytest.mark.usefixtures("registry")
def test_a_rule_that_changes_one_that_is_there():
    class Clipped(optimizer.Adam):
        def update(self, index, weight, grad, state):
            super().update(index, weight, nd.clip(grad, -0.1, 0.1), state)

    a, b = nd.ones((2,)), nd.ones((2,))
    optimizer.get_updater(Clipped())(0, nd.ones((2,)) * 5, a)
    optimizer.get_updater(optimizer.Adam(clip_gradient=0.1))(0, nd.ones((2,)) * 5, b)
    np.testing.assert_array_equal(a.asnumpy(), b.asnumpy())


def test_weights_with_their_own_counts():
    # A weight that comes later has its own bias correction.
    late, early = nd.ones((2,)), nd.ones((2,))
    updater = optimizer.get_updater(optimizer.Adam(learning_rate=0.1))
    updater(0, nd.ones((2,)), nd.ones((2,)))
    updater([0, 1], [nd.ones((2,))] * 2, [nd.ones((2,)), late])
    optimizer.get_updater(optimizer.Adam(learning_rate=0.1))(0, nd.ones((2,)), early)
    np.testing.assert_array_equal(late.asnumpy(), early.asnumpy())


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop", "nadam", "lamb", "ftrl"])
def test_states_travel_as_bytes(name):
    def make():
        return optimizer.get_updater(optimizer.create(name, learning_rate=0.1, wd=0.1))

    def run(updater, weights):
        for index, weight in enumerate(weights):
            updater(index, weight * 0.5 + 0.1, weight)

    rng = np.random.RandomState(0)
    weights = [nd.array(rng.normal(0, 1, shape)) for shape in ((2, 3), (4,))]
    updater = make()
    for _ in range(2):
        run(updater, weights)
    data, copies = updater.get_states(dump_optimizer=True), [weight.copy() for weight in weights]
    run(updater, weights)
    other = make()
    other.set_states(data)
    run(other, copies)
    for a, b in zip(weights, copies):
        np.testing.assert_array_equal(a.asnumpy(), b.asnumpy())


def test_states_of_another_optimizer_bring_it_along():
    updater = optimizer.get_updater(optimizer.Adam(beta1=0.7))
    updater("w", nd.ones(2), nd.ones(2))
    other = optimizer.get_updater(optimizer.SGD())
    other.set_states(updater.get_states(dump_optimizer=True))
    assert type(other.optimizer) is optimizer.Adam
    assert other.optimizer.beta1 == 0.7
    assert other.optimizer._index_update_count == {"w": 1}
    assert list(other.states) == ["w"]


def test_an_optimizer_pickles():
    import pickle

    made = optimizer.SGD(momentum=0.9, learning_rate=0.3, param_dict={5: object()})
    optimizer.get_updater(made)(0, nd.ones(2), nd.ones(2))
    again = pickle.loads(pickle.dumps(made))
    assert (again.lr, again.momentum, again.num_update, again.param_dict) == (0.3, 0.9, 1, {})


def _steps(name, forget):
    """Weights and states after steps between which everything changes that an update's groups rest on."""
    made = np.random.RandomState(0)
    optimizer = mx.optimizer.create(name, wd=0.01, learning_rate=0.1)
    updater = mx.optimizer.get_updater(optimizer)
    weights = [nd.array(made.normal(size=shape)) for shape in ((3, 2), (2,), (4,))]
    optimizer.set_lr_mult({1: 0.5})
    for step in range(10):
        if step == 3:
            optimizer.set_lr_mult({1: 0.5, 2: 2.0})
        if step == 4:
            optimizer.set_wd_mult({0: 0.0})
        if step == 6:
            updater.set_states(updater.get_states())
        if step == 7:
            weights[0] = weights[0] * 2
        optimizer.rescale_grad = 1.0 if step < 5 else 0.25
        chosen = [0, 2] if step == 5 else [0, 1, 2]
        if forget:
            optimizer._plans.clear()
        updater(chosen, [nd.array(made.normal(size=weights[i].shape)) for i in chosen], [weights[i] for i in chosen])
    states = [part for state in updater.states.values() for part in optimizer._slots(state)]
    return [array.asnumpy() for array in [*weights, *states]]


@pytest.mark.parametrize("name", ["sgd", "nag", "adam", "rmsprop", "ftrl", "nadam", "lamb", "lars"])
def test_what_is_kept_between_updates_changes_nothing(name):
    for mine, theirs in zip(_steps(name, False), _steps(name, True), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_what_is_kept_between_updates_is_used():
    optimizer = mx.optimizer.SGD(momentum=0.9)
    updater = mx.optimizer.get_updater(optimizer)
    weights = [nd.ones((2,)), nd.ones((3,))]
    plans = []
    for _ in range(3):
        updater([0, 1], [nd.ones((2,)), nd.ones((3,))], weights)
        plans.append(list(optimizer._plans.values()))
    assert plans[0] == plans[1] == plans[2]
    assert len(plans[0]) == len(plans[0][0].groups) == 1
