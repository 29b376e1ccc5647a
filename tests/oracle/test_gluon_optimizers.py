"""Optimizers, schedules and Trainer against the real MXNet: weights and states after several updates."""

import pytest

from mxnet_parity import assert_same, run_here
from oracles import mxnet as oracle

pytestmark = pytest.mark.oracle

_PLAIN = [
    "SGD()",
    "SGD(learning_rate=0.1, momentum=0.9, wd=0.01, clip_gradient=0.3, rescale_grad=0.5)",
    "SGD(learning_rate=0.1, wd=0.1, clip_gradient=0.3, rescale_grad=2.0)",
    "NAG(learning_rate=0.1)",
    "NAG(learning_rate=0.1, momentum=0.9, wd=0.01, clip_gradient=0.3, rescale_grad=0.5)",
    "Adam()",
    "Adam(learning_rate=0.1, beta1=0.8, beta2=0.9, epsilon=1e-4, wd=0.1, clip_gradient=0.3, rescale_grad=0.5)",
    "AdaGrad()",
    "AdaGrad(learning_rate=0.2, eps=1e-3, wd=0.1, clip_gradient=0.3, rescale_grad=0.5)",
    "RMSProp()",
    "RMSProp(learning_rate=0.1, gamma1=0.8, epsilon=1e-3, wd=0.1, clip_gradient=0.3, clip_weights=0.5)",
    "RMSProp(learning_rate=0.1, centered=True, gamma2=0.7, wd=0.1, clip_gradient=0.3, rescale_grad=0.5)",
    "AdaDelta()",
    "AdaDelta(rho=0.8, epsilon=1e-3, wd=0.1, clip_gradient=0.3, rescale_grad=0.5)",
    "Ftrl()",
    "Ftrl(lamda1=0.1, learning_rate=0.5, beta=2, wd=0.1, clip_gradient=0.3, rescale_grad=0.5)",
    "Adamax()",
    "Adamax(learning_rate=0.1, beta1=0.8, beta2=0.9, wd=0.1, clip_gradient=0.3, rescale_grad=0.5)",
    "Nadam()",
    "Nadam(learning_rate=0.1, beta1=0.8, beta2=0.9, epsilon=1e-4, schedule_decay=0.1, wd=0.1, clip_gradient=0.3)",
    "Signum()",
    "Signum(learning_rate=0.1, momentum=0.0, wd=0.1)",
    "Signum(learning_rate=0.1, momentum=0.8, wd=0.1, wd_lh=0.2, clip_gradient=0.3, rescale_grad=0.5)",
    "LAMB()",
    "LAMB(learning_rate=0.1, wd=0.1, clip_gradient=0.3, rescale_grad=0.5)",
    "LAMB(learning_rate=0.1, lower_bound=0.1, upper_bound=0.8, bias_correction=False)",
    "Test(rescale_grad=0.1)",
    "FTML()",
    "FTML(learning_rate=0.1, beta1=0.5, beta2=0.9, epsilon=1e-3, wd=0.1, clip_gradient=0.3, rescale_grad=0.5)",
    "DCASGD(learning_rate=0.1)",
    "DCASGD(learning_rate=0.1, lamda=0.5, wd=0.1, clip_gradient=0.3, rescale_grad=0.5)",
    "LARS(learning_rate=0.1)",
    "LARS(learning_rate=0.5, momentum=0.9, eta=0.1, eps=0.01, wd=0.1, clip_gradient=0.3, rescale_grad=0.5)",
    "LARS(learning_rate=0.5, momentum=0.9, eta=0.1, param_idx2name={0: 'a_weight', 1: 'a_bias', 2: 'b_gamma'})",
    "SGD(learning_rate=0.4, lr_scheduler=mx.lr_scheduler.FactorScheduler(2, 0.5), momentum=0.5)",
    "Adam(lr_scheduler=mx.lr_scheduler.CosineScheduler(5, base_lr=0.3, warmup_steps=2), begin_num_update=1)",
    "SGD(learning_rate=0.1, wd=0.3, param_idx2name={0: 'a_weight', 1: 'a_bias', 2: 'b_gamma'})",
]
_HALF = [
    "SGD(learning_rate=0.1, multi_precision=True)",
    "SGD(learning_rate=0.1, momentum=0.9, wd=0.01, multi_precision=True)",
    "NAG(learning_rate=0.1, momentum=0.9, multi_precision=True)",
    "Adam(learning_rate=0.1, multi_precision=True)",
    "LAMB(learning_rate=0.1, multi_precision=True)",
    "RMSProp(learning_rate=0.1, multi_precision=True)",
    "LARS(learning_rate=0.1, momentum=0.9, multi_precision=True)",
]
_CODE = """
def flat(state):
    if state is None:
        return []
    if isinstance(state, (list, tuple)):
        return [leaf for item in state for leaf in flat(item)]
    return [state.asnumpy()]

def run(expression, dtype):
    rng = np.random.RandomState(3)
    optimizer = eval("mx.optimizer." + expression)
    updater = mx.optimizer.get_updater(optimizer)
    shapes = [(4, 3), (3,), (2, 2, 2)]
    weights = [nd.array(rng.uniform(-1, 1, shape), dtype=dtype) for shape in shapes]
    history = []
    for step in range(5):
        for index, weight in enumerate(weights):
            if index == 1 and step == 2:
                continue
            updater(index, nd.array(rng.uniform(-1, 1, weight.shape), dtype=dtype), weight)
        history.append([weight.asnumpy() for weight in weights])
    return history, [flat(updater.states[index]) for index in range(3)], optimizer.num_update

answers = [run(*case) for case in table]
"""


@pytest.mark.parametrize(("cases", "dtype", "rtol"), [(_PLAIN, "float32", 2e-5), (_HALF, "float16", 1e-3)])
def test_updates(cases, dtype, rtol):
    table = [(case, dtype) for case in cases]
    there = oracle.run(_CODE, ["answers"], table=table)["answers"]
    here = run_here(_CODE, table=table)["answers"]
    for case, a, b in zip(cases, here, there):
        assert_same(a, b, case, rtol=rtol, atol=5e-6)


def test_rows_of_a_weight():
    code = """
    weight = nd.array(np.cos(np.arange(12)).reshape(4, 3))
    updater = mx.optimizer.get_updater(mx.optimizer.contrib.GroupAdaGrad(learning_rate=0.3, eps=1e-3, rescale_grad=0.5))
    for step in range(3):
        updater(0, nd.array(np.sin(np.arange(12) + step).reshape(4, 3)), weight)
    answers = [weight.asnumpy(), updater.states[0].asnumpy().ravel()]
    """
    assert_same(run_here(code)["answers"], oracle.run(code, ["answers"])["answers"], rtol=1e-5, atol=1e-6)


def test_langevin_noise_has_the_same_spread():
    code = """
    mx.random.seed(0)
    weight = nd.ones((200, 200))
    mx.optimizer.get_updater(mx.optimizer.SGLD(learning_rate=0.04, wd=0.1))(0, nd.ones((200, 200)) * 5, weight)
    answer = [float(weight.asnumpy().mean()), float(weight.asnumpy().std())]
    """
    assert_same(run_here(code)["answer"], oracle.run(code, ["answer"])["answer"], rtol=0.02, atol=0.005)


_TRAINER = """
def run(optimizer, settings, kvstore, on_store, contexts):
    rng = np.random.RandomState(5)
    nn = mx.gluon.nn
    net = nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(nn.Dense(5, activation="tanh", in_units=4), nn.BatchNorm(in_channels=5), nn.Dense(2, in_units=5))
    ctx = [mx.cpu(i) for i in range(contexts)]
    net.initialize(ctx=ctx)
    params = net.collect_params()
    for name in sorted(params.keys()):
        params[name].set_data(nd.array(rng.uniform(0.1, 1, params[name].shape)))
    params["net_dense0_weight"].lr_mult = 0.5
    params["net_dense1_bias"].wd_mult = 3.0
    params["net_batchnorm0_beta"].grad_req = "null"
    trainer = mx.gluon.Trainer(params, optimizer, settings, kvstore=kvstore, update_on_kvstore=on_store)
    loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    values = []
    for step in range(4):
        with autograd.record():
            losses = [loss(net(nd.array(rng.uniform(-1, 1, (3, 4)), ctx=c)), nd.array([0, 1, 1], ctx=c)) for c in ctx]
        autograd.backward(losses)
        if step == 2:
            trainer.set_learning_rate(0.05)
        if on_store is False and contexts > 1:
            trainer.allreduce_grads()
            trainer.update(3 * contexts)
        else:
            trainer.step(3 * contexts)
        values.append([[d.asnumpy() for d in params[name].list_data()] for name in sorted(params.keys())])
    return values, trainer.learning_rate, trainer.optimizer.num_update

answers = [run(*case) for case in table]
"""


def test_trainer():
    settings = {"learning_rate": 0.2, "wd": 0.1}
    table = [
        ("sgd", {**settings, "momentum": 0.9}, "device", None, 1),
        ("adam", settings, None, None, 1),
        ("adam", settings, "device", None, 2),
        ("sgd", {**settings, "momentum": 0.9}, "local", True, 3),
        ("nag", {**settings, "momentum": 0.9}, "device", False, 2),
        ("rmsprop", settings, None, None, 2),
    ]
    there = oracle.run(_TRAINER, ["answers"], table=table)["answers"]
    here = run_here(_TRAINER, table=table)["answers"]
    for case, a, b in zip(table, here, there):
        assert_same(a, b, str(case), rtol=5e-5, atol=1e-5)


def test_schedules():
    code = """
    import logging
    S, answers = mx.lr_scheduler, []
    for warm in [{}, {"warmup_steps": 4, "warmup_begin_lr": 0.001}, {"warmup_steps": 3, "warmup_mode": "constant"}]:
        for make in [lambda: S.FactorScheduler(2, 0.5, **warm), lambda: S.MultiFactorScheduler([5, 8], 0.1, **warm),
                     lambda: S.FactorScheduler(1, 0.1, 1e-4, **warm), lambda: S.PolyScheduler(10, 0.3, **warm),
                     lambda: S.PolyScheduler(8, pwr=1, final_lr=0.002, **warm),
                     lambda: S.CosineScheduler(10, 1.0, 0.1, **warm)]:
            scheduler = make()
            answers.append([float(scheduler(t)) for t in [0, 1, 2, 3, 4, 6, 5, 7, 8, 9, 10, 11, 30]])
    """
    there = oracle.run(code, ["answers"])["answers"]
    assert_same(run_here(code)["answers"], there, rtol=1e-12, atol=0)
