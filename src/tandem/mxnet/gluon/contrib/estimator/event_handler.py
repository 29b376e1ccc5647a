"""Handlers of an estimator's events: stopping, metrics, validation, updates, logging, checkpoints."""

import os
import re
import tempfile
import time

import numpy as np

from tandem.core.errors import Unsupported, explain, warn
from tandem.mxnet import metric as metrics_module
from tandem.mxnet.gluon.block import HybridBlock
from tandem.mxnet.metric import CompositeEvalMetric, EvalMetric

__all__ = [
    "BatchBegin",
    "BatchEnd",
    "CheckpointHandler",
    "EarlyStoppingHandler",
    "EpochBegin",
    "EpochEnd",
    "EventHandler",
    "GradientUpdateHandler",
    "LoggingHandler",
    "MetricHandler",
    "StoppingHandler",
    "TrainBegin",
    "TrainEnd",
    "ValidationHandler",
]


class EventHandler:
    """Base of all handlers. Those with a lower `priority` (0 where there is none) are called first."""


class TrainBegin(EventHandler):
    """Base of handlers that are called before training."""

    def train_begin(self, estimator, *args, **kwargs):
        """Called before training."""


class TrainEnd(EventHandler):
    """Base of handlers that are called after training."""

    def train_end(self, estimator, *args, **kwargs):
        """Called after training."""


class EpochBegin(EventHandler):
    """Base of handlers that are called before each epoch."""

    def epoch_begin(self, estimator, *args, **kwargs):
        """Called before an epoch."""


class EpochEnd(EventHandler):
    """Base of handlers that are called after each epoch."""

    def epoch_end(self, estimator, *args, **kwargs):
        """Called after an epoch; answering true ends the training."""
        return False


class BatchBegin(EventHandler):
    """Base of handlers that are called before each batch."""

    def batch_begin(self, estimator, *args, **kwargs):
        """Called before a batch, with `batch`."""


class BatchEnd(EventHandler):
    """Base of handlers that are called after each batch."""

    def batch_end(self, estimator, *args, **kwargs):
        """Called after a batch, with `batch`, `pred`, `label` and `loss`; answering true ends the epoch."""
        return False


def check_metrics(metrics):
    """A list of metrics from one, several or None; a composite is taken apart.

    Raises ValueError for what are none.
    """
    if isinstance(metrics, CompositeEvalMetric):
        return [one for inner in metrics.metrics for one in check_metrics(inner)]
    if isinstance(metrics, EvalMetric):
        return [metrics]
    metrics = metrics or []
    if not (isinstance(metrics, (list, tuple)) and all(isinstance(one, EvalMetric) for one in metrics)):
        raise ValueError(
            explain(
                "metrics must be a Metric or a list of Metric, refer to mxnet.metric.EvalMetric", given=repr(metrics)
            )
        )
    return list(metrics)


class StoppingHandler(TrainBegin, BatchEnd, EpochEnd):
    """Ends the training after some epochs or batches: those that `fit` was asked for, once it has begun."""

    def __init__(self, max_epoch=None, max_batch=None):
        self.max_epoch, self.max_batch = max_epoch, max_batch
        self.current_batch = self.current_epoch = 0
        self.stop_training = False

    def train_begin(self, estimator, *args, **kwargs):
        """Take over how long `fit` is to last."""
        self.max_epoch, self.max_batch = estimator.max_epoch, estimator.max_batch
        self.current_batch = self.current_epoch = 0
        self.stop_training = False

    def batch_end(self, estimator, *args, **kwargs):
        """Count a batch; true after the last one."""
        self.current_batch += 1
        if self.current_batch == self.max_batch:
            self.stop_training = True
        return self.stop_training

    def epoch_end(self, estimator, *args, **kwargs):
        """Count an epoch; true after the last one."""
        self.current_epoch += 1
        if self.current_epoch == self.max_epoch:
            self.stop_training = True
        return self.stop_training


class MetricHandler(EpochBegin, BatchEnd):
    """Begins metrics anew with each epoch and updates them with each batch.

    metrics: those of the estimator.
    """

    def __init__(self, metrics, priority=-1000):
        self.metrics = check_metrics(metrics)
        self.priority = priority

    def epoch_begin(self, estimator, *args, **kwargs):
        """Begin anew."""
        for metric in self.metrics:
            metric.reset()

    def batch_end(self, estimator, *args, **kwargs):
        """Update the metrics; those of class Loss get the losses."""
        for metric in self.metrics:
            if isinstance(metric, metrics_module.Loss):
                metric.update(0, kwargs["loss"])
            else:
                metric.update(kwargs["label"], kwargs["pred"])


class ValidationHandler(TrainBegin, BatchEnd, EpochEnd):
    """Evaluates validation data every few epochs or batches.

    val_data: a DataLoader; eval_fn: called with val_data=, batch_axis= and event_handlers=, as `Estimator.evaluate`;
    epoch_period, batch_period: how often, None for never.
    """

    def __init__(self, val_data, eval_fn, epoch_period=1, batch_period=None, priority=-1000, event_handlers=None):
        self.val_data, self.eval_fn = val_data, eval_fn
        self.epoch_period, self.batch_period = epoch_period, batch_period
        self.current_batch = self.current_epoch = 0
        self.priority, self.event_handlers = priority, event_handlers

    def train_begin(self, estimator, *args, **kwargs):
        """Count from 0."""
        self.current_batch = self.current_epoch = 0

    def _evaluate(self, estimator):
        self.eval_fn(val_data=self.val_data, batch_axis=estimator.batch_axis, event_handlers=self.event_handlers)

    def batch_end(self, estimator, *args, **kwargs):
        """Evaluate, if it is time."""
        self.current_batch += 1
        if self.batch_period and self.current_batch % self.batch_period == 0:
            self._evaluate(estimator)

    def epoch_end(self, estimator, *args, **kwargs):
        """Evaluate, if it is time."""
        self.current_epoch += 1
        if self.epoch_period and self.current_epoch % self.epoch_period == 0:
            self._evaluate(estimator)


class GradientUpdateHandler(BatchEnd):
    """Updates the parameters after each batch; a subclass of it in `event_handlers` does so instead."""

    def __init__(self, priority=-2000):
        self.priority = priority

    def batch_end(self, estimator, *args, **kwargs):
        """One step of the trainer, for as many samples as there are losses."""
        loss = kwargs["loss"]
        losses = loss if isinstance(loss, list) else [loss]
        estimator.trainer.step(sum(one.shape[0] for one in losses))


class LoggingHandler(TrainBegin, TrainEnd, EpochBegin, EpochEnd, BatchBegin, BatchEnd):
    """Logs learning rate, time and metrics.

    log_interval: 'epoch', or every how many batches there is a line too; metrics: what is logged.
    Raises ValueError for another interval.
    """

    def __init__(self, log_interval="epoch", metrics=None, priority=np.inf):
        if not isinstance(log_interval, int) and log_interval != "epoch":
            raise ValueError(
                explain("log_interval must be either an integer or string 'epoch'", given=repr(log_interval))
            )
        self.metrics = check_metrics(metrics)
        self.batch_index = self.current_epoch = self.processed_samples = 0
        self.priority = priority
        self.log_interval = log_interval
        self.log_interval_time = 0

    def _values(self):
        return ", ".join("{}: {:.4f}".format(*metric.get()) for metric in self.metrics)

    def train_begin(self, estimator, *args, **kwargs):
        """Log the optimizer and how long training will last."""
        self.train_start = time.time()
        trainer = estimator.trainer
        estimator.logger.info(
            "Training begin: using optimizer %s with current learning rate %.4f ",
            type(trainer.optimizer).__name__,
            trainer.learning_rate,
        )
        if estimator.max_epoch:
            estimator.logger.info("Train for %d epochs.", estimator.max_epoch)
        else:
            estimator.logger.info("Train for %d batches.", estimator.max_batch)
        self.current_epoch = self.batch_index = self.processed_samples = 0
        self.log_interval_time = 0

    def train_end(self, estimator, *args, **kwargs):
        """Log how long training lasted, and the metrics."""
        message = f"Train finished using total {time.time() - self.train_start:.0f}s with {self.current_epoch} epochs. "
        estimator.logger.info((message + self._values()).rstrip())

    def batch_begin(self, estimator, *args, **kwargs):
        """Note the time."""
        if isinstance(self.log_interval, int):
            self.batch_start = time.time()

    def batch_end(self, estimator, *args, **kwargs):
        """Log samples, time and metrics, if it is time."""
        if not isinstance(self.log_interval, int):
            return
        self.log_interval_time += time.time() - self.batch_start
        self.processed_samples += kwargs["batch"][0].shape[0]
        if self.batch_index % self.log_interval == 0:
            message = (
                f"[Epoch {self.current_epoch}][Batch {self.batch_index}][Samples {self.processed_samples}]"
                f" time/interval: {self.log_interval_time:.3f}s "
            )
            self.log_interval_time = 0
            estimator.logger.info((message + self._values()).rstrip())
        self.batch_index += 1

    def epoch_begin(self, estimator, *args, **kwargs):
        """Log the learning rate, or that validation begins where all metrics are those of validation."""
        self.epoch_start = time.time()
        if any("training" in metric.name for metric in self.metrics):
            estimator.logger.info(
                "[Epoch %d] Begin, current learning rate: %.4f", self.current_epoch, estimator.trainer.learning_rate
            )
        else:
            estimator.logger.info("Validation Begin")

    def epoch_end(self, estimator, *args, **kwargs):
        """Log time and metrics."""
        message = f"[Epoch {self.current_epoch}] Finished in {time.time() - self.epoch_start:.3f}s"
        estimator.logger.info(", ".join(filter(None, [message, self._values()])))
        self.current_epoch += 1
        self.batch_index = 0


def _direction(owner, mode, monitor):
    """The comparison that says that a metric became better: np.less or np.greater."""
    if mode not in ("auto", "min", "max"):
        warn(f"{owner} mode {mode} is unknown, fallback to auto mode.", RuntimeWarning)
        mode = "auto"
    if mode == "auto":
        # MXNet 1.9.1 means to look whether this is an accuracy or a loss, but takes the larger value in either case.
        warn(
            f"`greater` operator will be used to determine if {monitor.name} has improved."
            " Please specify `mode='min'` to use the `less` operator."
            " Specify `mode='max'` to disable this warning."
        )
    return np.less if mode == "min" else np.greater


def _check_monitor(monitor, sentence):
    if not isinstance(monitor, EvalMetric):
        raise ValueError(
            explain(
                f"{sentence} one of the metric objects from estimator.train_metrics and estimator.val_metrics"
                " as monitor",
                given=repr(monitor),
            )
        )


class CheckpointHandler(TrainBegin, BatchEnd, EpochEnd):
    """Saves parameters and the trainer's states, as `PREFIX-epochEbatchB.params` and `.states`.

    model_dir, model_prefix: where; monitor: a metric of the estimator, by which the best model is known; verbose: 1 to
    log; save_best: whether the best one is kept as `PREFIX-best.params`; mode: 'min', 'max' or 'auto' (as 'max');
    epoch_period, batch_period: how often; max_checkpoints: how many are kept; resume_from_checkpoint: begin where the
    newest one ended. Where the block is hybridized, the computation is saved once as `PREFIX-symbol.json`.
    Raises ValueError for save_best without a metric, and at `fit` where a checkpoint is past the last epoch or batch.
    """

    def __init__(
        self,
        model_dir,
        model_prefix="model",
        monitor=None,
        verbose=0,
        save_best=False,
        mode="auto",
        epoch_period=1,
        batch_period=None,
        max_checkpoints=5,
        resume_from_checkpoint=False,
    ):
        self.monitor, self.verbose = monitor, verbose
        os.makedirs(model_dir, exist_ok=True)
        self.model_dir, self.model_prefix = model_dir, model_prefix
        self.save_best = save_best
        if save_best:
            _check_monitor(monitor, "To save best model only, please provide")
            self.monitor_op = _direction("CheckpointHandler", mode, monitor)
        self.epoch_period, self.batch_period = epoch_period, batch_period
        self.current_batch = self.current_epoch = 0
        self.max_checkpoints = max_checkpoints
        self.resume_from_checkpoint = resume_from_checkpoint
        self.saved_checkpoints = []
        self._forget()

    def _forget(self):
        self.current_batch = self.current_epoch = 0
        # Numbers of the last epoch and batch of a training that is gone on with.
        self.trained_epoch = self.trained_batch = -1
        if self.save_best:
            self.best = np.inf if self.monitor_op is np.less else -np.inf

    def train_begin(self, estimator, *args, **kwargs):
        """Count from 0, or load the newest checkpoint."""
        self._forget()
        if self.resume_from_checkpoint:
            self._resume_from_checkpoint(estimator)

    def batch_end(self, estimator, *args, **kwargs):
        """Save, if it is time."""
        if self.current_batch == 0 and self.trained_batch < 0:
            self._save_symbol(estimator)
        if self.batch_period and (self.current_batch + 1) % self.batch_period == 0:
            self._save_checkpoint(estimator)
        self.current_batch += 1

    def epoch_end(self, estimator, *args, **kwargs):
        """Save, if it is time."""
        if self.epoch_period and (self.current_epoch + 1) % self.epoch_period == 0:
            self._save_checkpoint(estimator)
        self.current_epoch += 1

    def _log(self, estimator, message):
        if self.verbose > 0:
            estimator.logger.info("[Epoch %d] CheckpointHandler: %s", self.current_epoch, message)

    def _save_checkpoint(self, estimator):
        epoch, batch = self.current_epoch + self.trained_epoch + 1, self.current_batch + self.trained_batch
        # MXNet's numbers: batches from 0, but for a training by epochs that is gone on with.
        if not (self.resume_from_checkpoint and estimator.max_epoch):
            batch += 1
        prefix = f"{self.model_prefix}-epoch{epoch}batch{batch}"
        self._save_params_and_trainer(estimator, prefix)
        self._log(
            estimator,
            f"trained total {self.current_batch + 1} batches, saving model at {self.model_dir} with prefix: {prefix}",
        )
        if not self.save_best:
            return
        name, value = self.monitor.get()
        if np.isnan(value):
            warn(
                f"Skipping save best because {name} is not updated, make sure you pass one of the metric objects from"
                " estimator.train_metrics and estimator.val_metrics as monitor.",
                RuntimeWarning,
            )
        elif self.monitor_op(value, self.best):
            best = f"{self.model_prefix}-best"
            self._log(
                estimator,
                f"{name} improved from {self.best:0.5f} to {value:0.5f}, updating best model at {self.model_dir}"
                f" with prefix: {best}",
            )
            self.best = value
            self._save_params_and_trainer(estimator, best)
        else:
            self._log(estimator, f"{name} did not improve from {self.best:0.5f}, skipping updating best model")

    def _save_params_and_trainer(self, estimator, file_prefix):
        path = os.path.join(self.model_dir, file_prefix)
        estimator.net.save_parameters(path + ".params")
        estimator.trainer.save_states(path + ".states")
        if file_prefix.endswith("-best"):
            return
        self.saved_checkpoints.append(file_prefix)
        while len(self.saved_checkpoints) > self.max_checkpoints:
            oldest = self.saved_checkpoints.pop(0)
            for ending in (".params", ".states"):
                old = os.path.join(self.model_dir, oldest + ending)
                if os.path.exists(old):
                    os.remove(old)

    def _save_symbol(self, estimator):
        target = os.path.join(self.model_dir, self.model_prefix + "-symbol.json")
        reason = "please use HybridBlock to construct your model, and call net.hybridize() before passing to Estimator"
        if isinstance(estimator.net, HybridBlock) and getattr(estimator.net, "_active", False):
            with tempfile.TemporaryDirectory(dir=self.model_dir) as folder:
                try:
                    estimator.net.export(os.path.join(folder, "model"))
                    os.replace(os.path.join(folder, "model-symbol.json"), target)
                    return
                except Unsupported as error:
                    reason = str(error)
        estimator.logger.info(
            "Model architecture(symbol file) is not saved: %s (in order to save it as %s).", reason, target
        )

    def _find_max_iteration(self):
        """(epoch, batch) of the newest checkpoint, or None."""
        pattern = re.compile(re.escape(self.model_prefix) + r"-epoch(\d+)batch(\d+)\.params")
        found = [pattern.fullmatch(name) for name in os.listdir(self.model_dir)]
        return max(((int(one[1]), int(one[2])) for one in found if one), default=None)

    def _resume_from_checkpoint(self, estimator):
        newest = self._find_max_iteration()
        by_epoch = bool(estimator.max_epoch)
        wanted, word = (estimator.max_epoch, "epoch") if by_epoch else (estimator.max_batch, "batch")
        if newest is None:
            estimator.logger.info(
                "CheckpointHandler: No checkpoint found, training from scratch for %d %s",
                wanted,
                "epochs" if by_epoch else "batches",
            )
            return
        reached = newest[0] if by_epoch else newest[1]
        if reached >= wanted - 1:
            raise ValueError(
                explain(
                    f"Found checkpoint with maximum number of {word} {reached} reached",
                    expected=f"fewer than {wanted}",
                    hint="Please specify resume_from_checkpoint=False (default value) if you want to train from"
                    " scratch.",
                )
            )
        self.trained_epoch, self.trained_batch = newest
        path = os.path.join(self.model_dir, f"{self.model_prefix}-epoch{newest[0]}batch{newest[1]}")
        estimator.net.load_parameters(path + ".params", ctx=estimator.context)
        estimator.trainer.load_states(path + ".states")
        left = wanted - reached - 1
        if by_epoch:
            estimator.max_epoch = left
        else:
            estimator.max_batch = left
        estimator.logger.info(
            "CheckpointHandler: Checkpoint resumed from epoch %d batch %d, continue to train for %d %s ",
            *newest,
            left,
            "epochs" if by_epoch else "batches",
        )


class EarlyStoppingHandler(TrainBegin, EpochEnd, TrainEnd):
    """Ends the training when a metric has not become better for some epochs.

    monitor: a metric of the estimator; min_delta: by how much it must become better; patience: for how many epochs it
    need not; mode: 'min', 'max' or 'auto' (as 'max'); baseline: what it must be better than.
    Raises ValueError for what is no metric.
    """

    def __init__(self, monitor, min_delta=0, patience=0, mode="auto", baseline=None):
        _check_monitor(monitor, "Please provide")
        self.monitor = monitor
        self.baseline, self.patience = baseline, patience
        self.monitor_op = _direction("EarlyStopping", mode, monitor)
        self.min_delta = abs(min_delta) if self.monitor_op is np.greater else -abs(min_delta)
        self.wait = self.stopped_epoch = self.current_epoch = 0
        self.stop_training = False

    def train_begin(self, estimator, *args, **kwargs):
        """Begin anew."""
        self.wait = self.stopped_epoch = self.current_epoch = 0
        self.stop_training = False
        if self.baseline is not None:
            self.best = self.baseline
        else:
            self.best = np.inf if self.monitor_op is np.less else -np.inf

    def epoch_end(self, estimator, *args, **kwargs):
        """Look at the metric; true where training is to end."""
        name, value = self.monitor.get()
        if np.isnan(value):
            warn(
                f"{name} is not updated, make sure you pass one of the metric objects from estimator.train_metrics and"
                " estimator.val_metrics as monitor.",
                RuntimeWarning,
            )
        elif self.monitor_op(value - self.min_delta, self.best):
            self.best, self.wait = value, 0
        else:
            self.wait += 1
            if self.wait >= self.patience:
                self.stopped_epoch = self.current_epoch
                self.stop_training = True
        self.current_epoch += 1
        return self.stop_training

    def train_end(self, estimator, *args, **kwargs):
        """Log that this ended the training."""
        if self.stopped_epoch > 0:
            estimator.logger.info(
                "[Epoch %d] EarlyStoppingHandler: early stopping due to %s not improving",
                self.stopped_epoch,
                self.monitor.get()[0],
            )
