"""What callbacks log."""

import logging
import re
from collections import namedtuple

import pytest

from tandem.core.errors import Unsupported
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


def test_what_needs_symbols_says_so():
    with pytest.raises(Unsupported, match="save_parameters"):
        callback.do_checkpoint("model")
