"""Callbacks of training loops: what they log (`mx.callback`).

They are called with an object that has `epoch`, `nbatch` and `eval_metric`.
"""

import logging
import math
import time

__all__ = [
    "LogValidationMetricsCallback",
    "ProgressBar",
    "Speedometer",
    "do_checkpoint",
    "log_train_metric",
    "module_checkpoint",
]


class Speedometer:
    """Logs samples per second, and the metric if there is one, every `frequent` batches.

    batch_size: samples of a batch; auto_reset: begin the metric anew (but for its global value) after each line.
    """

    def __init__(self, batch_size, frequent=50, auto_reset=True):
        self.batch_size = batch_size
        self.frequent = frequent
        self.init = False
        self.tic = 0
        self.last_count = 0
        self.auto_reset = auto_reset

    def __call__(self, param):
        count = param.nbatch
        if self.last_count > count:
            self.init = False
        self.last_count = count
        if not self.init:
            self.init, self.tic = True, time.time()
            return
        if count % self.frequent:
            return
        elapsed = time.time() - self.tic
        speed = self.frequent * self.batch_size / elapsed if elapsed else math.inf
        if param.eval_metric is None:
            logging.info("Iter[%d] Batch [%d]\tSpeed: %.2f samples/sec", param.epoch, count, speed)
        else:
            pairs = param.eval_metric.get_name_value()
            if self.auto_reset:
                param.eval_metric.reset_local()
            values = "".join(f"\t{name}={value:f}" for name, value in pairs)
            first = count - self.frequent if self.auto_reset else 0
            logging.info("Epoch[%d] Batch [%d-%d]\tSpeed: %.2f samples/sec%s", param.epoch, first, count, speed, values)
        self.tic = time.time()


class ProgressBar:
    """Logs a bar.

    total: batches of an epoch; length: of the bar, in characters.
    """

    def __init__(self, total, length=80):
        self.bar_len = length
        self.total = total

    def __call__(self, param):
        share = param.nbatch / float(self.total)
        filled = round(self.bar_len * share)
        bar = "=" * filled + "-" * (self.bar_len - filled)
        logging.info("[%s] %s%s\r", bar, math.ceil(100.0 * share), "%")


class LogValidationMetricsCallback:
    """Logs the metric at the end of an evaluation."""

    def __call__(self, param):
        if param.eval_metric:
            for name, value in param.eval_metric.get_name_value():
                logging.info("Epoch[%d] Validation-%s=%f", param.epoch, name, value)


def log_train_metric(period, auto_reset=False):
    """A callback that logs the metric every `period` batches.

    auto_reset: begin the metric anew (but for its global value) after that.
    """

    def callback(param):
        if param.nbatch % period == 0 and param.eval_metric is not None:
            for name, value in param.eval_metric.get_name_value():
                logging.info("Iter[%d] Batch[%d] Train-%s=%f", param.epoch, param.nbatch, name, value)
            if auto_reset:
                param.eval_metric.reset_local()

    return callback


def do_checkpoint(prefix, period=1):
    """A callback for the end of an epoch that saves symbol and parameters every `period` epochs.

    It writes `prefix-symbol.json` and `prefix-0001.params`, with the number of epochs that are done.
    """
    period = int(max(1, period))

    def callback(epoch, symbol, arg_params, aux_params):
        if (epoch + 1) % period == 0:
            from tandem.mxnet.model import save_checkpoint

            save_checkpoint(prefix, epoch + 1, symbol, arg_params, aux_params)

    return callback


def module_checkpoint(mod, prefix, period=1, save_optimizer_states=False):
    """A callback for the end of an epoch that saves a module every `period` epochs; see `Module.save_checkpoint`."""
    period = int(max(1, period))

    def callback(epoch, symbol=None, arg_params=None, aux_params=None):
        if (epoch + 1) % period == 0:
            mod.save_checkpoint(prefix, epoch + 1, save_optimizer_states)

    return callback
