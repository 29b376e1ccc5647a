"""`Estimator`: a block, its loss and trainer, and the loop that trains it."""

import copy
import logging
import sys
import warnings

from tandem.core.errors import explain, warn
from tandem.mxnet import context as contexts
from tandem.mxnet import initializer as initializers
from tandem.mxnet import metric as metrics_module
from tandem.mxnet.gluon.contrib.estimator.batch_processor import BatchProcessor
from tandem.mxnet.gluon.contrib.estimator.event_handler import (
    BatchBegin,
    BatchEnd,
    EpochBegin,
    EpochEnd,
    EventHandler,
    GradientUpdateHandler,
    LoggingHandler,
    MetricHandler,
    StoppingHandler,
    TrainBegin,
    TrainEnd,
    ValidationHandler,
    check_metrics,
)
from tandem.mxnet.gluon.data import DataLoader
from tandem.mxnet.gluon.loss import Loss, SoftmaxCrossEntropyLoss
from tandem.mxnet.gluon.trainer import Trainer
from tandem.mxnet.gluon.utils import split_and_load
from tandem.mxnet.metric import EvalMetric

__all__ = ["Estimator"]


class Estimator:
    """Trains a block: `fit(train_data, val_data, epochs=…)`, with handlers of its events.

    net: the block; loss: a Gluon loss; train_metrics, val_metrics: metrics, where None accuracy (for
    SoftmaxCrossEntropyLoss) and the loss; those of validation are copies of the training ones where None;
    initializer: for parameters that are not initialized, Uniform where None; trainer: SGD with learning rate 0.001
    where None; context: one or several, the first GPU or else the CPU where None; val_net, val_loss: for validation,
    the same where None; batch_processor: what is done with a batch.
    The metrics are called 'training …' and 'validation …' from then on.
    Raises ValueError for arguments of another kind.
    """

    logger = None

    def __init__(
        self,
        net,
        loss,
        train_metrics=None,
        val_metrics=None,
        initializer=None,
        trainer=None,
        context=None,
        val_net=None,
        val_loss=None,
        batch_processor=None,
    ):
        self.net = net
        self.loss = self._check_loss(loss)
        self._train_metrics = check_metrics(train_metrics)
        self._val_metrics = check_metrics(val_metrics)
        self._add_default_training_metrics()
        self._add_validation_metrics()
        self.val_loss = self.loss if val_loss is None else self._check_loss(val_loss)
        self.val_net = self.net if val_net is None else val_net
        self.logger = logging.Logger(name="Estimator", level=logging.INFO)
        self.logger.addHandler(logging.StreamHandler(sys.stdout))
        self.context = self._check_context(context)
        self._initialize(initializer)
        self.trainer = self._check_trainer(trainer)
        self.batch_processor = self._check_batch_processor(batch_processor)
        self.max_epoch = self.max_batch = None
        self.batch_axis = 0

    @property
    def train_metrics(self):
        """The metrics of training."""
        return self._train_metrics

    @property
    def val_metrics(self):
        """The metrics of validation."""
        return self._val_metrics

    # --- arguments ---------------------------------------------------------------------------------------------------

    def _check_loss(self, loss):
        if not isinstance(loss, Loss):
            raise ValueError(explain("loss must be a Loss, refer to gluon.loss.Loss", given=repr(loss)))
        return loss

    def _check_context(self, context):
        if context is None:
            return [contexts.gpu(0) if contexts.num_gpus() else contexts.cpu()]
        given = [context] if isinstance(context, contexts.Context) else context
        if not (isinstance(given, list) and all(isinstance(one, contexts.Context) for one in given)):
            raise ValueError(
                explain(
                    "context must be a Context or a list of Context, for example mx.cpu() or [mx.gpu(0), mx.gpu(1)],"
                    " refer to mxnet.Context",
                    given=repr(context),
                )
            )
        for one in given:
            if one.device_type == "gpu" and one.device_id >= contexts.num_gpus():
                there = ", ".join(["mx.cpu()", *(f"mx.gpu({n})" for n in range(contexts.num_gpus()))])
                raise AssertionError(
                    explain(f"{one} is not available", expected=f"one of {there}", given=repr(context))
                )
        return given

    def _check_trainer(self, trainer):
        if trainer is None:
            warnings.warn("No trainer specified, default SGD optimizer with learning rate 0.001 is used.", stacklevel=3)
            return Trainer(self.net.collect_params(), "sgd", {"learning_rate": 0.001})
        if not isinstance(trainer, Trainer):
            raise ValueError(
                explain("Trainer must be a Gluon Trainer instance, refer to gluon.Trainer", given=repr(trainer))
            )
        return trainer

    def _check_batch_processor(self, batch_processor):
        if batch_processor is None:
            return BatchProcessor()
        for name in ("fit_batch", "evaluate_batch"):
            if not callable(getattr(batch_processor, name, None)):
                raise ValueError(
                    explain(
                        "Customized Batch Processor must contain fit_batch() and evaluate_batch() methods",
                        given=repr(batch_processor),
                    )
                )
        return batch_processor

    def _is_initialized(self):
        return all(
            parameter._data is not None or parameter._deferred_init for parameter in self.net.collect_params().values()
        )

    def _initialize(self, initializer):
        if not self._is_initialized():
            with warnings.catch_warnings():
                # Of the parameters that are initialized already, which keep their values.
                warnings.filterwarnings("ignore", message=".*already initialized")
                self.net.initialize(initializers.Uniform() if initializer is None else initializer, ctx=self.context)
        elif initializer is not None:
            warn(
                "Network already fully initialized, skipping initialization. You don't need to pass initializer if you"
                " already initialized your net. You can use net.initialize(init=your_initializer, force_reinit=True)"
                " to force re-initialize."
            )

    def _add_default_training_metrics(self):
        if not self._train_metrics:
            if isinstance(self.loss, SoftmaxCrossEntropyLoss):
                self._train_metrics.append(metrics_module.Accuracy())
            self._train_metrics.append(metrics_module.Loss(self.loss.name.rstrip("0123456789")))
        for metric in self._train_metrics:
            if not metric.name.startswith("training "):
                metric.name = "training " + metric.name

    def _add_validation_metrics(self):
        if not self._val_metrics:
            self._val_metrics = [copy.deepcopy(metric) for metric in self._train_metrics]
        for metric in self._val_metrics:
            if "training" in metric.name:
                metric.name = metric.name.replace("training", "validation")
            elif not metric.name.startswith("validation "):
                metric.name = "validation " + metric.name

    # --- handlers ---------------------------------------------------------------------------------------------------

    def _given_handlers(self, event_handlers):
        handlers = [event_handlers] if isinstance(event_handlers, EventHandler) else list(event_handlers or [])
        if not all(isinstance(one, EventHandler) for one in handlers):
            raise ValueError(
                explain("handlers must be an EventHandler or a list of EventHandler", given=repr(event_handlers))
            )
        return handlers

    def _check_known_metrics(self, handlers):
        """Raise ValueError where a handler refers to a metric that is not the estimator's."""
        known = [*self.train_metrics, *self.val_metrics]
        for handler in handlers:
            for name, value in vars(handler).items():
                if "metric" not in name:
                    continue
                for one in value if isinstance(value, (list, tuple)) else [value]:
                    if isinstance(one, EvalMetric) and not any(one is metric for metric in known):
                        raise ValueError(
                            explain(
                                f"Event handler {type(handler).__name__} refers to a metric instance {one} outside of"
                                " the known training and validation metrics",
                                hint="Please use the metrics from estimator.train_metrics and estimator.val_metrics"
                                " instead.",
                            )
                        )

    def _prepare_default_handlers(self, val_data, event_handlers):
        handlers = self._given_handlers(event_handlers)

        def missing(kind):
            return not any(isinstance(one, kind) for one in handlers)

        defaults = [StoppingHandler(self.max_epoch, self.max_batch)]
        if missing(GradientUpdateHandler):
            defaults.append(GradientUpdateHandler())
        if missing(MetricHandler):
            defaults.append(MetricHandler(metrics=self.train_metrics))
        if val_data is not None and missing(ValidationHandler):
            defaults.append(ValidationHandler(val_data=val_data, eval_fn=self.evaluate))
        if missing(LoggingHandler):
            defaults.append(LoggingHandler(metrics=self.train_metrics))
        return self._in_order([*handlers, *defaults])

    def _prepare_default_validation_handlers(self, event_handlers):
        handlers = self._given_handlers(event_handlers)
        defaults = []
        if not any(isinstance(one, MetricHandler) for one in handlers):
            defaults.append(MetricHandler(metrics=self.val_metrics))
        if not any(isinstance(one, LoggingHandler) for one in handlers):
            defaults.append(LoggingHandler(metrics=self.val_metrics))
        return self._in_order([*handlers, *defaults])

    def _in_order(self, handlers):
        self._check_known_metrics(handlers)
        return sorted(handlers, key=lambda handler: getattr(handler, "priority", 0))

    @staticmethod
    def _categorize_handlers(event_handlers):
        kinds = (TrainBegin, EpochBegin, BatchBegin, BatchEnd, EpochEnd, TrainEnd)
        return tuple([one for one in event_handlers if isinstance(one, kind)] for kind in kinds)

    # --- loops -------------------------------------------------------------------------------------------------------

    def _get_data_and_label(self, batch, ctx, batch_axis=0):
        """The data and the labels of a batch, each as a list with one array for each context."""
        data, label = batch[0], batch[1]
        return (
            split_and_load(data, ctx_list=ctx, batch_axis=batch_axis, even_split=False),
            split_and_load(label, ctx_list=ctx, batch_axis=batch_axis, even_split=False),
        )

    @staticmethod
    def _check_data(data):
        if not isinstance(data, DataLoader):
            raise ValueError(
                explain(
                    "Estimator only support input as Gluon DataLoader",
                    given=type(data).__name__,
                    hint="Alternatively, you can transform your DataIter or any NDArray into Gluon DataLoader."
                    " Refer to gluon.data.DataLoader",
                )
            )

    def evaluate(self, val_data, batch_axis=0, event_handlers=None):
        """Update the metrics of validation with a DataLoader's batches.

        event_handlers: further handlers, whose events of epochs and batches happen.
        Raises ValueError for what is no DataLoader.
        """
        self._check_data(val_data)
        handlers = self._prepare_default_validation_handlers(event_handlers)
        _, epoch_begin, batch_begin, batch_end, epoch_end, _ = self._categorize_handlers(handlers)
        for handler in epoch_begin:
            handler.epoch_begin(self)
        for batch in val_data:
            for handler in batch_begin:
                handler.batch_begin(self, batch=batch)
            _, label, pred, loss = self.batch_processor.evaluate_batch(self, batch, batch_axis)
            for handler in batch_end:
                handler.batch_end(self, batch=batch, pred=pred, label=label, loss=loss)
        for handler in epoch_end:
            handler.epoch_end(self)

    def fit(self, train_data, val_data=None, epochs=None, event_handlers=None, batches=None, batch_axis=0):
        """Train with a DataLoader's batches.

        val_data: a DataLoader that is evaluated after each epoch; epochs, batches: how long, one of them;
        event_handlers: further handlers, or others in the place of the default ones (metrics, validation, updates,
        logging) if they are of the same class; batch_axis: the axis of samples.
        Raises ValueError where both or neither of epochs and batches are given, or the data are no DataLoader.
        """
        self._check_data(train_data)
        if (epochs is None) == (batches is None):
            raise ValueError(
                explain(
                    "Fit only support exactly one type of iteration, train by number of epochs or number of batches",
                    expected="one and only one of epochs and batches",
                    given=f"epochs={epochs}, batches={batches}",
                )
            )
        self.max_epoch, self.max_batch, self.batch_axis = epochs, batches, batch_axis
        handlers = self._prepare_default_handlers(val_data, event_handlers)
        train_begin, epoch_begin, batch_begin, batch_end, epoch_end, train_end = self._categorize_handlers(handlers)
        for handler in train_begin:
            handler.train_begin(self)
        ended = False
        while not ended:
            for handler in epoch_begin:
                handler.epoch_begin(self)
            batch = None
            for batch in train_data:
                for handler in batch_begin:
                    handler.batch_begin(self, batch=batch)
                _, label, pred, loss = self.batch_processor.fit_batch(self, batch, batch_axis)
                answers = [
                    handler.batch_end(self, batch=batch, pred=pred, label=label, loss=loss) for handler in batch_end
                ]
                if any(answers):
                    break
            if batch is None and epochs is None:
                raise ValueError(explain("There are no batches in train_data", expected=f"{batches} batches"))
            ended = any([handler.epoch_end(self) for handler in epoch_end])  # noqa: C419 (all of them are called)
        for handler in train_end:
            handler.train_end(self)
