"""Files of optimizer states that the real MXNet wrote: training goes on from them with the same numbers."""

import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_parity import assert_same, run_here
from oracles import mxnet as oracle

pytestmark = pytest.mark.oracle

# Runs in both: a network whose gradients are of element-wise operators, which MXNet has in float16 on the CPU too.
_CODE = """
gluon = mx.gluon

class Net(gluon.HybridBlock):
    def __init__(self, dtype):
        super().__init__(prefix="net_")
        with self.name_scope():
            for name in ("weight", "bias"):
                setattr(self, name, self.params.get(name, shape=(2, 3), init=mx.init.Constant(0.5), dtype=dtype))

    def hybrid_forward(self, F, x, weight, bias):
        return (x * weight - bias) ** 2

def make(optimizer, settings, replicas, dtype, on_store):
    contexts = [mx.cpu(number) for number in range(replicas)]
    settings = dict(settings)
    if "schedule" in settings:
        name, args, options = settings.pop("schedule")
        settings["lr_scheduler"] = getattr(mx.lr_scheduler, name)(*args, **options)
    net = Net(dtype)
    net.initialize(ctx=contexts)
    trainer = gluon.Trainer(net.collect_params(), optimizer, settings, update_on_kvstore=on_store)
    return net, trainer, contexts

def train(net, trainer, contexts, steps, dtype):
    for step in steps:
        outputs = []
        with autograd.record():
            for number, ctx in enumerate(contexts):
                values = np.cos(np.arange(6) + step + number).reshape(2, 3)
                outputs.append(net(nd.array(values, ctx=ctx, dtype=dtype)).sum())
        autograd.backward(outputs)
        trainer.step(2)

def weights(net):
    return [one.data().asnumpy().astype("float64") for one in net.collect_params().values()]
"""

_MULTI = ("MultiFactorScheduler", [[1, 3]], {"factor": 0.5, "base_lr": 0.1})
_CASES = [
    ("sgd", {"learning_rate": 0.1}, 1, "float32", None),
    ("sgd", {"learning_rate": 0.1, "momentum": 0.9, "wd": 0.01}, 1, "float32", None),
    ("sgd", {"learning_rate": 0.1, "momentum": 0.9, "multi_precision": True}, 1, "float16", None),
    ("sgd", {"learning_rate": 0.1, "momentum": 0.9}, 2, "float32", None),
    ("sgd", {"learning_rate": 0.1, "momentum": 0.9}, 2, "float32", False),
    ("nag", {"learning_rate": 0.1, "momentum": 0.9}, 1, "float32", None),
    ("adam", {"schedule": _MULTI}, 1, "float32", None),
    ("adam", {"learning_rate": 0.1, "multi_precision": True}, 1, "float16", None),
    ("adam", {"learning_rate": 0.1}, 2, "float32", False),
    ("adam", {"schedule": ("PolyScheduler", [9], {"base_lr": 0.1, "warmup_steps": 4})}, 1, "float32", None),
    ("rmsprop", {"learning_rate": 0.1, "centered": True}, 1, "float32", None),
    ("adagrad", {"learning_rate": 0.1}, 1, "float32", None),
    ("adadelta", {}, 1, "float32", None),
    ("adamax", {"learning_rate": 0.1}, 1, "float32", None),
    ("nadam", {"learning_rate": 0.1}, 1, "float32", None),
    ("ftrl", {"learning_rate": 0.1}, 1, "float32", None),
    ("ftml", {"learning_rate": 0.1}, 1, "float32", None),
    ("signum", {"learning_rate": 0.1, "momentum": 0.9}, 1, "float32", None),
    ("lamb", {"learning_rate": 0.1}, 1, "float32", None),
]


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    folder = tmp_path_factory.mktemp("states")
    code = """
answers = []
for number, (optimizer, settings, replicas, dtype, on_store) in enumerate(cases):
    net, trainer, contexts = make(optimizer, settings, replicas, dtype, on_store)
    train(net, trainer, contexts, range(3), dtype)
    trainer.save_states(f"{folder}/{number}.states")
    before = weights(net)
    train(net, trainer, contexts, range(3, 6), dtype)
    answers.append((before, weights(net), trainer.learning_rate))
"""
    answers = oracle.run(_CODE + code, "answers", cases=_CASES, folder=str(folder))["answers"]
    return folder, answers


@pytest.mark.parametrize("number", range(len(_CASES)), ids=[f"{n}-{case[0]}" for n, case in enumerate(_CASES)])
def test_training_goes_on(number, there):
    folder, answers = there
    before, after, rate = answers[number]
    code = """
optimizer, settings, replicas, dtype, on_store = case
net, trainer, contexts = make(optimizer, settings, replicas, dtype, on_store)
for parameter, value in zip(net.collect_params().values(), before):
    parameter.set_data(nd.array(value, dtype=dtype))
trainer.load_states(path)
train(net, trainer, contexts, range(3, 6), dtype)
found = (weights(net), trainer.learning_rate)
"""
    path = str(folder / f"{number}.states")
    found = run_here(_CODE + code, case=_CASES[number], before=before, path=path)["found"]
    half = _CASES[number][3] == "float16"
    assert_same(found, (after, rate), rtol=2e-3 if half else 1e-5, atol=1e-3 if half else 1e-6)
    assert not np.allclose(before[0], after[0], atol=1e-5)


def test_an_updaters_own_states():
    code = """
updater = mx.optimizer.get_updater(mx.optimizer.Adam())
updater(3, nd.ones(2), nd.ones(2))
data = [updater.get_states(dump_optimizer=flag) for flag in (False, True)]
"""
    for data in oracle.run(code, "data")["data"]:
        updater = mx.optimizer.get_updater(mx.optimizer.Adam())
        updater.set_states(data)
        mean, variance = updater.states[3]
        np.testing.assert_allclose(mean.asnumpy(), [0.1, 0.1], rtol=1e-6)
        np.testing.assert_allclose(variance.asnumpy(), [0.001, 0.001], rtol=1e-4)


def test_states_of_sparse_weights():
    code = """
weight = nd.ones((4, 2)).tostype("row_sparse")
grad = nd.sparse.row_sparse_array((np.ones((2, 2), "float32"), [0, 2]), shape=(4, 2))
updater = mx.optimizer.get_updater(mx.optimizer.Adam())
if data is not None:
    updater.set_states(data)
updater(0, grad, weight)
data = updater.get_states(dump_optimizer=True)
after = weight.asnumpy()
"""
    data = oracle.run(code, "data", data=None)["data"]
    there = oracle.run(code, "after", data=data)["after"]
    np.testing.assert_allclose(run_here(code, data=data)["after"], there, rtol=1e-6)
