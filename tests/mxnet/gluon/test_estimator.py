"""`gluon.contrib.estimator`: the loop, its handlers and what they log."""

import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_parity import same_code
from tandem.mxnet import gluon, nd
from tandem.mxnet.gluon import nn
from tandem.mxnet.gluon.contrib import estimator as es

# Runs in both: a small network with given weights, an estimator, and its log as lines without times.
_HELPERS = """
import importlib, logging, re

gluon, nn = mx.gluon, mx.gluon.nn
es = importlib.import_module(mx.__name__ + ".gluon.contrib.estimator")

class Lines(logging.Handler):
    def __init__(self, lines):
        super().__init__()
        self.lines = lines

    def emit(self, record):
        line = re.sub(r"[0-9.]+s\\b", "Ts", record.getMessage()).strip()
        self.lines.append(line.replace("Hanlder", "Handler"))

rng = np.random.RandomState(0)
features, labels = rng.uniform(-1, 1, (10, 5)).astype("float32"), rng.randint(0, 3, 10)
loader = gluon.data.DataLoader(gluon.data.ArrayDataset(nd.array(features), nd.array(labels)), batch_size=4)
weights = [rng.uniform(-1, 1, shape) for shape in ((4, 5), (4,), (3, 4), (3,))]

def build(contexts=None, **options):
    net = nn.Sequential()
    net.add(nn.Dense(4, activation="relu", in_units=5), nn.Dense(3, in_units=4))
    net.initialize(ctx=contexts or [mx.cpu()])
    for parameter, value in zip((net[0].weight, net[0].bias, net[1].weight, net[1].bias), weights):
        parameter.set_data(nd.array(value))
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    estimator = es.Estimator(net, loss, trainer=trainer, context=contexts or mx.cpu(), **options)
    lines = []
    estimator.logger.handlers = [Lines(lines)]
    return estimator, lines

def values(estimator):
    return [metric.get() for metric in estimator.train_metrics + estimator.val_metrics]
"""


def helpers():
    scope = {"mx": mx, "nd": nd, "np": np}
    exec(_HELPERS, scope)
    return scope


@pytest.mark.oracle
@pytest.mark.parametrize(
    "code",
    [
        "estimator, lines = build()\nestimator.fit(loader, loader, epochs=3)",
        "estimator, lines = build()\nestimator.fit(loader, batches=5)",
        (
            "estimator, lines = build(train_metrics=mx.metric.Accuracy(), val_metrics=[mx.metric.CrossEntropy()])\n"
            "estimator.fit(loader, loader, epochs=2, event_handlers=es.LoggingHandler(2, estimator.train_metrics))"
        ),
        "estimator, lines = build(contexts=[mx.cpu(0), mx.cpu(1)])\nestimator.fit(loader, loader, epochs=2)",
        (
            "estimator, lines = build()\n"
            "handler = es.EarlyStoppingHandler(estimator.train_metrics[1], patience=2, mode='max', min_delta=0.01)\n"
            "estimator.fit(loader, epochs=9, event_handlers=[handler])"
        ),
        (
            "estimator, lines = build()\n"
            "handler = es.ValidationHandler(loader, estimator.evaluate, epoch_period=None, batch_period=2)\n"
            "estimator.fit(loader, epochs=2, event_handlers=[handler])"
        ),
        "estimator, lines = build()\nestimator.evaluate(loader)",
    ],
    ids=["epochs", "batches", "lines", "contexts", "early", "validation", "evaluate"],
)
def test_logs_and_metrics_are_the_real_ones(code):
    same_code(_HELPERS + code + "\nfound = values(estimator)", ["lines", "found"], rtol=1e-4)


class Recorder(es.TrainBegin, es.TrainEnd, es.EpochBegin, es.EpochEnd, es.BatchBegin, es.BatchEnd):
    def __init__(self, name, calls, **fields):
        self.name, self.calls = name, calls
        vars(self).update(fields)

    def train_begin(self, estimator, *args, **kwargs):
        self.calls.append((self.name, "train_begin"))

    def train_end(self, estimator, *args, **kwargs):
        self.calls.append((self.name, "train_end"))

    def epoch_begin(self, estimator, *args, **kwargs):
        self.calls.append((self.name, "epoch_begin"))

    def epoch_end(self, estimator, *args, **kwargs):
        self.calls.append((self.name, "epoch_end"))

    def batch_begin(self, estimator, *args, **kwargs):
        self.calls.append((self.name, "batch_begin", *sorted(kwargs)))

    def batch_end(self, estimator, *args, **kwargs):
        self.calls.append((self.name, "batch_end", *sorted(kwargs)))


def test_handlers_are_called_in_the_order_of_their_priority():
    scope, calls = helpers(), []
    estimator, _ = scope["build"]()
    estimator.fit(scope["loader"], batches=1, event_handlers=[Recorder("b", calls), Recorder("a", calls, priority=-9)])
    assert calls == [
        ("a", "train_begin"),
        ("b", "train_begin"),
        ("a", "epoch_begin"),
        ("b", "epoch_begin"),
        ("a", "batch_begin", "batch"),
        ("b", "batch_begin", "batch"),
        ("a", "batch_end", "batch", "label", "loss", "pred"),
        ("b", "batch_end", "batch", "label", "loss", "pred"),
        ("a", "epoch_end"),
        ("b", "epoch_end"),
        ("a", "train_end"),
        ("b", "train_end"),
    ]


def test_updates_of_ones_own_replace_the_default():
    class Never(es.GradientUpdateHandler):
        def batch_end(self, estimator, *args, **kwargs):
            return False

    scope = helpers()
    estimator, _ = scope["build"]()
    estimator.fit(scope["loader"], epochs=1, event_handlers=[Never()])
    np.testing.assert_allclose(estimator.net[1].weight.data().asnumpy(), scope["weights"][2], rtol=1e-6)
    estimator.fit(scope["loader"], epochs=1)
    assert not np.allclose(estimator.net[1].weight.data().asnumpy(), scope["weights"][2], rtol=1e-3)


def test_a_batch_processor_of_ones_own_and_another_network_for_validation():
    seen = []

    class Processor(es.BatchProcessor):
        def fit_batch(self, estimator, train_batch, batch_axis=0):
            seen.append("fit")
            return super().fit_batch(estimator, train_batch, batch_axis)

        def evaluate_batch(self, estimator, val_batch, batch_axis=0):
            seen.append(estimator.val_net is not estimator.net)
            return super().evaluate_batch(estimator, val_batch, batch_axis)

    scope = helpers()
    other = nn.Dense(3)
    other.initialize()
    estimator, _ = scope["build"](batch_processor=Processor(), val_net=other)
    estimator.fit(scope["loader"], scope["loader"], epochs=1)
    assert seen == ["fit"] * 3 + [True] * 3


def test_checkpoints_and_going_on(tmp_path):
    scope = helpers()
    estimator, lines = scope["build"]()
    handler = es.CheckpointHandler(
        str(tmp_path), "m", estimator.train_metrics[1], verbose=1, save_best=True, mode="min", max_checkpoints=2
    )
    estimator.fit(scope["loader"], epochs=3, event_handlers=[handler])
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        f"m-{name}.{end}" for name in ("best", "epoch1batch6", "epoch2batch9") for end in ("params", "states")
    ]
    assert any("improved from" in line and "m-best" in line for line in lines)
    assert any("symbol file) is not saved" in line for line in lines)

    fresh, lines = scope["build"]()
    again = es.CheckpointHandler(str(tmp_path), "m", resume_from_checkpoint=True)
    fresh.fit(scope["loader"], epochs=4, event_handlers=[again])
    assert "CheckpointHandler: Checkpoint resumed from epoch 2 batch 9, continue to train for 1 epochs" in lines
    assert (tmp_path / "m-epoch3batch12.params").exists()

    # What went on is what had not stopped, momentum included.
    whole, _ = scope["build"]()
    whole.fit(scope["loader"], epochs=4)
    for one, other in zip(fresh.net.collect_params().values(), whole.net.collect_params().values()):
        np.testing.assert_allclose(one.data().asnumpy(), other.data().asnumpy(), rtol=1e-5)
    with pytest.raises(ValueError, match="maximum number of epoch 3 reached"):
        fresh.fit(scope["loader"], epochs=4, event_handlers=[again])


def test_auto_takes_the_larger_value_and_says_so():
    with pytest.warns(UserWarning, match="`greater` operator"):
        assert es.EarlyStoppingHandler(mx.metric.Loss()).monitor_op is np.greater
    with pytest.warns(RuntimeWarning, match="unknown"):
        with pytest.warns(UserWarning, match="`greater` operator"):
            es.EarlyStoppingHandler(mx.metric.Loss(), mode="x")


def test_what_is_refused():
    scope = helpers()
    net, loss = nn.Dense(3), gluon.loss.L2Loss()
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    wrong = {
        "loss": {"loss": "x"},
        "metrics must": {"train_metrics": "acc"},
        "context must": {"context": ["cpu"]},
        "Trainer must": {"trainer": "sgd"},
        "Batch Processor must": {"batch_processor": 5},
    }
    for message, options in wrong.items():
        with pytest.raises(ValueError, match=message):
            es.Estimator(**{"net": net, "loss": loss, "trainer": trainer, **options})
    estimator, _ = scope["build"]()
    with pytest.raises(ValueError, match="exactly one type of iteration"):
        estimator.fit(scope["loader"], epochs=1, batches=1)
    with pytest.raises(ValueError, match="DataLoader"):
        estimator.fit([1], epochs=1)
    with pytest.raises(ValueError, match="EventHandler"):
        estimator.fit(scope["loader"], epochs=1, event_handlers=[1])
    with pytest.raises(ValueError, match="outside of the known"):
        estimator.fit(scope["loader"], epochs=1, event_handlers=[es.MetricHandler(mx.metric.Accuracy())])
    with pytest.raises(ValueError, match="no batches"):
        estimator.fit(gluon.data.DataLoader(gluon.data.SimpleDataset([]), 1), batches=1)


def test_initialization():
    net = nn.Dense(3, in_units=5)
    with pytest.warns(UserWarning, match="No trainer specified"):
        estimator = es.Estimator(net, gluon.loss.L2Loss(), initializer=mx.init.One())
    assert net.weight.data().asnumpy().min() == 1
    assert [metric.name for metric in estimator.val_metrics] == ["validation l2loss"]
    with pytest.warns(UserWarning, match="already fully initialized"):
        es.Estimator(net, gluon.loss.L2Loss(), initializer=mx.init.One(), trainer=estimator.trainer)
