"""What callbacks log."""

import logging
import re
from collections import namedtuple

import tandem.mxnet as mx
from tandem.mxnet import callback, metric, nd

Param = namedtuple("Param", ["epoch", "nbatch", "eval_metric", "locals"])


def lines(caplog):
    found = [re.sub(r"[\d.]+ samples|inf samples", "N samples", record.getMessage()) for record in caplog.records]
    caplog.clear()
    return found


def scored():
    accuracy = metric.Accuracy()
    accuracy.update([nd.array([0, 1])], [nd.array([[0.9, 0.1], [0.8, 0.2]])])
    return accuracy


def test_speedometer(caplog):
    caplog.set_level(logging.INFO)
    accuracy, meter = scored(), callback.Speedometer(4, 2)
    for batch in range(5):
        meter(Param(1, batch, accuracy, None))
    assert lines(caplog) == [
        "Epoch[1] Batch [0-2]\tSpeed: N samples/sec\taccuracy=0.500000",
        "Epoch[1] Batch [2-4]\tSpeed: N samples/sec\taccuracy=nan",
    ]
    assert accuracy.get_global()[1] == 0.5
    meter = callback.Speedometer(4, 2, auto_reset=False)
    for batch in (0, 1, 2, 0, 1, 2):
        meter(Param(3, batch, None, None))
    assert lines(caplog) == ["Iter[3] Batch [2]\tSpeed: N samples/sec"] * 2
    for batch in (0, 4):
        meter(Param(1, batch, scored(), None))
    assert lines(caplog) == ["Epoch[1] Batch [0-4]\tSpeed: N samples/sec\taccuracy=0.500000"]


def test_others(caplog):
    caplog.set_level(logging.INFO)
    bar = callback.ProgressBar(4, length=10)
    for batch in (0, 1, 4):
        bar(Param(1, batch, None, None))
    assert lines(caplog) == ["[----------] 0%\r", "[==--------] 25%\r", "[==========] 100%\r"]
    log = callback.log_train_metric(2, auto_reset=True)
    accuracy = scored()
    for batch in range(3):
        log(Param(1, batch, accuracy, None))
    assert lines(caplog) == ["Iter[1] Batch[0] Train-accuracy=0.500000", "Iter[1] Batch[2] Train-accuracy=nan"]
    callback.LogValidationMetricsCallback()(Param(2, 0, scored(), None))
    assert lines(caplog) == ["Epoch[2] Validation-accuracy=0.500000"]


def test_checkpoints(tmp_path):
    net = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2, name="fc")
    params = {"fc_weight": mx.nd.ones((2, 3)), "fc_bias": mx.nd.zeros(2)}
    save = callback.do_checkpoint(str(tmp_path / "net"), period=2)
    for epoch in range(4):
        save(epoch, net, params, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net-0002.params", "net-0004.params", "net-symbol.json"]
    symbol, arguments, states = mx.model.load_checkpoint(str(tmp_path / "net"), 4)
    assert symbol.list_arguments() == net.list_arguments() and not states
    assert (arguments["fc_weight"].asnumpy() == 1).all()

    module = mx.mod.Module(net, label_names=None)
    module.bind([("data", (4, 3))])
    module.init_params()
    module.init_optimizer()
    save = callback.module_checkpoint(module, str(tmp_path / "mod"), save_optimizer_states=True)
    save(0)
    assert {path.name for path in tmp_path.glob("mod*")} == {"mod-0001.params", "mod-0001.states", "mod-symbol.json"}
