"""`gluon.Trainer` on one and on several contexts, and `optimizer.LBSGD`, against the real MXNet."""

import textwrap

import numpy as np
import pytest

from mxnet_parity import same_code, same_expressions

pytestmark = pytest.mark.oracle

_CODE = """
gluon = mx.gluon
one, two = [mx.cpu()], [mx.cpu(0), mx.cpu(1)]

def net(contexts=one, prefix="a_", **multipliers):
    made = gluon.nn.Dense(2, in_units=3, prefix=prefix)
    made.initialize(mx.init.Constant(0.5), ctx=contexts)
    for name, value in multipliers.items():
        parameter, setting = name.split("_", 1)
        setattr(getattr(made, parameter), setting, value)
    return made

def backward(nets, contexts=one, scale=1.0):
    with autograd.record():
        data = [nd.array(np.cos(np.arange(6) + number).reshape(2, 3), ctx=ctx) for number, ctx in enumerate(contexts)]
        losses = [(made(x) ** 2).sum() * scale for made in nets for x in data]
    autograd.backward(losses)

def state(*nets):
    return [
        [[data.asnumpy() for data in parameter.list_data()], [grad.asnumpy() for grad in parameter.list_grad()]]
        for made in nets
        for parameter in (made.weight, made.bias)
    ]

def params(*nets):
    found = nets[0].collect_params()
    for made in nets[1:]:
        found.update(made.collect_params())
    return found

def attempt(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
        return "done"
    except Exception as error:
        return type(error).__name__
    except UserWarning:
        return "UserWarning"

found = []
"""

_PARTS = {
    "one context": """
        a = net()
        trainer = gluon.Trainer(a.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9, "wd": 0.01})
        for _ in range(3):
            backward([a])
            trainer.step(2)
        found.append(state(a))
    """,
    "replicas": """
        for store, on_store in (("device", None), ("local", True), ("device", False), (None, None)):
            for optimizer in ("sgd", "adam"):
                a = net(two)
                trainer = gluon.Trainer(
                    a.collect_params(), optimizer, {"learning_rate": 0.1}, kvstore=store, update_on_kvstore=on_store
                )
                for _ in range(3):
                    backward([a], two)
                    trainer.step(4)
                found.append(state(a))
    """,
    "summing and updating apart": """
        a = net(two)
        trainer = gluon.Trainer(a.collect_params(), "sgd", {"learning_rate": 0.1}, update_on_kvstore=False)
        backward([a], two)
        trainer.allreduce_grads()
        found.append(state(a))
        for parameter in a.collect_params().values():
            for grad in parameter.list_grad():
                grad[:] *= 0.5
        trainer.update(4)
        found.append(state(a))
        b = net(two)
        on_store = gluon.Trainer(b.collect_params(), "sgd")
        backward([b], two)
        found += [attempt(on_store.allreduce_grads), attempt(on_store.update, 4)]
    """,
    "an optimizer's own scale": """
        a = net()
        trainer = gluon.Trainer(a.collect_params(), "sgd", {"learning_rate": 0.1, "rescale_grad": 0.5})
        backward([a])
        trainer.step(2)
        found += [state(a), trainer.optimizer.rescale_grad]
    """,
    "gradients that are stale": """
        a, b = net(), net(prefix="b_")
        trainer = gluon.Trainer(params(a, b), "sgd", {"learning_rate": 0.1, "wd": 0.1})
        backward([a])
        found += [attempt(trainer.step, 1, ignore_stale_grad=True), state(a, b), attempt(trainer.step, 1)]
    """,
    "gradients that are stale on a store": """
        a, b = net(two), net(two, prefix="b_")
        trainer = gluon.Trainer(params(a, b), "sgd", {"learning_rate": 0.1, "wd": 0.1})
        backward([a], two)
        found += [attempt(trainer.step, 1, ignore_stale_grad=True), state(a, b)]
        backward([a, b], two[:1])
        found += [attempt(trainer.step, 1, ignore_stale_grad=True), state(a, b), attempt(trainer.step, 1)]
    """,
    "requests and multipliers": """
        a = net(weight_lr_mult=0.5, bias_wd_mult=0.0)
        trainer = gluon.Trainer(a.collect_params(), "sgd", {"learning_rate": 0.1, "wd": 0.1})
        backward([a])
        trainer.step(1)
        a.weight.grad_req = "add"
        backward([a])
        backward([a])
        trainer.step(1)
        found.append(state(a))
        a.bias.grad_req = "null"
        backward([a])
        trainer.step(1)
        found.append([a.bias.data(), a.weight.data()])
    """,
    "rates": """
        a = net()
        trainer = gluon.Trainer(a.collect_params(), "sgd", {"learning_rate": 0.1})
        trainer.set_learning_rate(0.3)
        backward([a])
        trainer.step(1)
        found += [trainer.learning_rate, state(a)]
        schedule = mx.lr_scheduler.FactorScheduler(1, 0.5, base_lr=0.2)
        trainer = gluon.Trainer(a.collect_params(), "sgd", {"lr_scheduler": schedule})
        for _ in range(3):
            backward([a])
            trainer.step(1)
            found.append(trainer.learning_rate)
        found += [attempt(trainer.set_learning_rate, 0.5), state(a)]
    """,
    "new values in the middle": """
        for contexts, on_store in ((two, None), (two, False), (one, None)):
            a = net(contexts)
            settings = {"learning_rate": 0.1, "momentum": 0.5}
            trainer = gluon.Trainer(a.collect_params(), "sgd", settings, update_on_kvstore=on_store)
            for step in range(4):
                backward([a], contexts)
                trainer.step(2)
                if step == 1:
                    a.weight.set_data(nd.ones((2, 3)))
            found += [state(a), trainer.optimizer.num_update]
    """,
    "states and multipliers": """
        import os, tempfile
        path = os.path.join(tempfile.mkdtemp(), "x")
        for contexts in (one, two):
            a = net(contexts)
            trainer = gluon.Trainer(a.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.5})
            backward([a], contexts)
            trainer.step(1)
            trainer.save_states(path)
            trainer.load_states(path)
            a.weight.lr_mult = 2.0
            found += [trainer.optimizer._get_lr(0), trainer.optimizer._get_lr(1)]
            backward([a], contexts)
            trainer.step(1)
            found.append(state(a))
    """,
    "states": """
        import os, tempfile
        folder = tempfile.mkdtemp()
        for contexts, on_store in ((one, None), (two, None), (two, False)):
            a = net(contexts)
            trainer = gluon.Trainer(a.collect_params(), "adam", {"learning_rate": 0.1}, update_on_kvstore=on_store)
            for _ in range(2):
                backward([a], contexts)
                trainer.step(2)
            trainer.save_states(os.path.join(folder, "x"))
            backward([a], contexts)
            trainer.step(2)
            b = net(contexts)
            again = gluon.Trainer(b.collect_params(), "adam", {"learning_rate": 0.5}, update_on_kvstore=on_store)
            again.load_states(os.path.join(folder, "x"))
            backward([b], contexts)
            again.step(2)
            found += [state(a), state(b), again.learning_rate, again.optimizer.num_update]
    """,
}


@pytest.mark.parametrize("name", list(_PARTS))
def test_trainer(name):
    same_code(_CODE + textwrap.dedent(_PARTS[name]), "found", rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("value", ["0", "1"])
def test_the_environment_says_where_updates_are_made(value):
    code = """
    import os
    before = os.environ.get("MXNET_UPDATE_ON_KVSTORE")
    os.environ["MXNET_UPDATE_ON_KVSTORE"] = value
    a = net(two)
    trainer = gluon.Trainer(a.collect_params(), "sgd")
    backward([a], two)
    found = [attempt(trainer.allreduce_grads), attempt(trainer.step, 1), state(a)]
    if before is None:
        del os.environ["MXNET_UPDATE_ON_KVSTORE"]
    """
    same_code(_CODE + textwrap.dedent(code), "found", value=value, rtol=1e-4)


def test_inputs_in_memory_that_is_pinned_or_shared():
    same_code(
        """
        net = mx.gluon.nn.Dense(2, in_units=3)
        net.initialize("ones", ctx=[mx.cpu(1), mx.cpu(0)])
        found = []
        for place in (mx.cpu_pinned(0), mx.cpu_pinned(1), mx.Context("cpu_shared", 1)):
            x = nd.ones((1, 3), ctx=place)
            found.append((net(x).asnumpy(), str(net.weight.data(place).context), str(net.weight.grad(place).context)))
        """,
        "found",
    )


def test_what_a_trainer_refuses():
    setup = "gluon = mx.gluon\na = gluon.nn.Dense(2, in_units=3)\na.initialize()\np = a.collect_params()"
    uses = """
        gluon.Trainer(5, "sgd")
        gluon.Trainer([1], "sgd")
        gluon.Trainer(p, "foo")
        gluon.Trainer(p, mx.optimizer.SGD(), {"learning_rate": 1})
        gluon.Trainer(p, "sgd", kvstore=5).step(1)
        gluon.Trainer(p, "sgd").step(1)
        [one.name.split("_")[-1] for one in gluon.Trainer(p, "sgd")._params]
        [one.name.split("_")[-1] for one in gluon.Trainer(list(p.values()), "sgd")._params]
    """
    same_expressions(uses, setup)


def test_gradients_that_do_not_fit():
    uses = [
        f"mx.optimizer.get_updater(mx.optimizer.create({name!r}))(0, {grad}, nd.ones(2))"
        for name in ("sgd", "adam", "rmsprop", "nag")
        for grad in ("nd.ones(3)", "nd.ones((2, 1))", "nd.ones(2, dtype='float64')")
    ]
    same_expressions(uses)


_LARGE_BATCHES = [
    {"learning_rate": 0.1},
    {"learning_rate": 0.1, "momentum": 0.9, "wd": 0.01},
    {"learning_rate": 0.1, "batch_scale": 4, "updates_per_epoch": 2, "warmup_epochs": 3},
    {"batch_scale": 2, "updates_per_epoch": 2, "warmup_epochs": 3, "warmup_strategy": "power2", "momentum": 0.5},
    {"batch_scale": 2, "updates_per_epoch": 2, "warmup_epochs": 3, "warmup_strategy": "sqrt"},
    {"learning_rate": 0.1, "batch_scale": 2, "warmup_strategy": "lars", "wd": 0.1},
    {"learning_rate": 0.1, "batch_scale": 2, "warmup_strategy": "unknown"},
    {"batch_scale": 2, "begin_epoch": 3, "updates_per_epoch": 3, "clip_gradient": 0.3, "rescale_grad": 0.5},
]


def test_large_batches():
    code = """
    found = []
    for settings in cases:
        updater = mx.optimizer.get_updater(mx.optimizer.LBSGD(**settings))
        weights = [nd.array([1.0, -2, 3]), nd.ones((2, 2))]
        for step in range(9):
            for index, weight in enumerate(weights):
                grad = np.cos(np.arange(weight.size) + step).reshape(weight.shape)
                updater(index, nd.array(grad), weight)
            found += [weight.asnumpy() for weight in weights]
    """
    same_code(textwrap.dedent(code), "found", cases=_LARGE_BATCHES)


def test_large_batches_in_half_precision():
    code = """
    updater = mx.optimizer.get_updater(mx.optimizer.LBSGD(multi_precision=True, momentum=0.9, batch_scale=2))
    weight = nd.array([1.0, -2, 3], dtype="float16")
    for step in range(6):
        updater(0, nd.array(np.cos(np.arange(3) + step), dtype="float16"), weight)
    found = [weight, updater.states[0][0]]
    """
    same_code(textwrap.dedent(code), "found")


def test_parts_of_pearsons_correlation():
    code = """
    metric = mx.metric.PearsonCorrelation(average="micro")
    variance = metric.update_variance(np.array([1.0, 2, 5]), 2, 1.0, 0.5)
    metric.update([nd.array([1, 2, 3])], [nd.array([1, 2, 4])])
    metric.update_cov(np.array([1.0, 2, 3]), np.array([1.0, 2, 4]))
    found = metric.get()[1]
    """
    same_code(textwrap.dedent(code), ["variance", "found"])


def test_batch_statistics_move_with_the_gradient():
    """What nothing is learned through leaves them alone: a frozen network, a call too many, a forward pass alone."""
    code = """
    x, nn, found = nd.array(given), mx.gluon.nn, []
    for hybrid in (False, True):
        net, head = nn.HybridSequential(), nn.Dense(2)
        net.add(nn.Conv2D(4, 1), nn.BatchNorm(momentum=0.7))
        for block in (net, head):
            block.initialize(mx.init.Constant(0.3))
            block.hybridize(hybrid, inline_limit=0) if hybrid else None
        def after(*losses, backward=True):
            for _ in range(4):
                with autograd.record():
                    values = [loss() for loss in losses]
                if backward:
                    autograd.backward(values)
            found.extend(parameter.data() for parameter in net.collect_params(".*running").values())
        after(lambda: head(net(x)).sum())
        after(lambda: head(net(x)).sum(), backward=False)
        after(lambda: (net(x) ** 2).sum(), lambda: net(x * 2).sum())
        after(lambda: head(net(x).detach()).sum(), lambda: (net(x * 3) ** 2).sum())
        with autograd.train_mode():
            net(x)
        net.collect_params().setattr("grad_req", "null")
        after(lambda: head(net(x)).sum())
        with autograd.predict_mode():
            found.append(net(x))
    """
    given = np.random.RandomState(0).normal(1, 2, (4, 3, 2, 2)).astype("float32")
    same_code(code, "found", given=given, rtol=1e-4, atol=1e-5)
