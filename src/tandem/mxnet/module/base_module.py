"""`BaseModule`: what all modules have in common: the training loop, scores, predictions, files of parameters."""

import logging
import time

import numpy as np

from tandem.core.errors import explain, warn
from tandem.mxnet import metric as metrics
from tandem.mxnet import ndarray
from tandem.mxnet.base import _as_list
from tandem.mxnet.io.io import DataBatch, DataIter
from tandem.mxnet.model import DEFAULT_INITIALIZER, BatchEndParam, marked
from tandem.mxnet.module import descriptions
from tandem.mxnet.ndarray.ndarray import NDArray

__all__ = ["BaseModule"]

_check_input_names, _parse_data_desc = descriptions.check_input_names, descriptions.parse  # scripts import them here


def demand(*conditions):
    """Raise AssertionError unless all conditions hold: pairs of a truth and what has to be done before.

    MXNet asserts without saying why.
    """
    for holds, before in conditions:
        if not holds:
            raise AssertionError(explain("The module is not ready for this", expected=before))


def _call_all(callbacks, *args):
    if callbacks is not None:
        for callback in _as_list(callbacks):
            callback(*args)


class BaseModule:
    """Base of modules.

    A module is bound to shapes (`bind`), gets parameters (`init_params`) and an optimizer (`init_optimizer`); then it
    computes: `forward`, `backward`, `update`. `fit` does all that. A subclass overrides these.

    logger: what `fit` writes its lines to.
    """

    def __init__(self, logger=logging):
        self.logger = logger
        self.binded = False
        self.for_training = False
        self.inputs_need_grad = False
        self.params_initialized = False
        self.optimizer_initialized = False
        self._symbol = None
        self._total_exec_bytes = 0

    def _demand(self, *, bound=False, parameters=False, optimizer=False):
        demand(
            (self.binded or not bound, "bind() before"),
            (self.params_initialized or not parameters, "init_params() before"),
            (self.optimizer_initialized or not optimizer, "init_optimizer() before"),
        )

    # --- what uses the methods below ---------------------------------------------------------------------------------

    def forward_backward(self, data_batch):
        """A forward pass in training mode, and the backward pass."""
        self.forward(data_batch, is_train=True)
        self.backward()

    def score(
        self,
        eval_data,
        eval_metric,
        num_batch=None,
        batch_end_callback=None,
        score_end_callback=None,
        reset=True,
        epoch=0,
        sparse_row_id_fn=None,
    ):
        """The metric over the batches of an iterator: a list of (name, value).

        num_batch: look at so many batches only; batch_end_callback, score_end_callback: a function of `BatchEndParam`
        or a list of them; reset: whether the iterator begins anew; epoch: for the callbacks; sparse_row_id_fn: see
        `prepare`.
        """
        self._demand(bound=True, parameters=True)
        if reset:
            eval_data.reset()
        eval_metric = metrics.create(eval_metric)
        eval_metric.reset()
        actual_num_batch = 0
        for nbatch, eval_batch in enumerate(eval_data):
            if nbatch == num_batch:
                break
            self.prepare(eval_batch, sparse_row_id_fn=sparse_row_id_fn)
            self.forward(eval_batch, is_train=False)
            self._update_metric_from(eval_metric, eval_batch)
            if batch_end_callback is not None:
                batch_end_params = BatchEndParam(epoch, nbatch, eval_metric, locals())
                _call_all(batch_end_callback, batch_end_params)
            actual_num_batch += 1
        if score_end_callback is not None:
            batch_end_params = BatchEndParam(epoch, actual_num_batch, eval_metric, locals())
            _call_all(score_end_callback, batch_end_params)
        return eval_metric.get_name_value()

    def _update_metric_from(self, eval_metric, batch):
        """Update a metric with a batch's labels; a list of batches is one to each context."""
        if isinstance(batch, list):
            self.update_metric(eval_metric, [one.label for one in batch], pre_sliced=True)
        else:
            self.update_metric(eval_metric, batch.label)

    def iter_predict(self, eval_data, num_batch=None, reset=True, sparse_row_id_fn=None):
        """Yield (outputs, number of the batch, batch) for the batches of an iterator; outputs are without padding."""
        self._demand(bound=True, parameters=True)
        if reset:
            eval_data.reset()
        for nbatch, eval_batch in enumerate(eval_data):
            if nbatch == num_batch:
                break
            self.prepare(eval_batch, sparse_row_id_fn=sparse_row_id_fn)
            self.forward(eval_batch, is_train=False)
            pad = eval_batch.pad or 0
            yield [out[0 : out.shape[0] - pad] for out in self.get_outputs()], nbatch, eval_batch

    def predict(
        self,
        eval_data,
        num_batch=None,
        merge_batches=True,
        reset=True,
        always_output_list=False,
        sparse_row_id_fn=None,
    ):
        """The outputs for the batches of an iterator, or for one array.

        merge_batches: one array of all batches for each output; else a list of outputs for each batch;
        always_output_list: a list also where there is one output.
        Raises ValueError for what is neither an array nor an iterator, or outputs that differ in number.
        """
        self._demand(bound=True, parameters=True)
        if isinstance(eval_data, np.ndarray):
            eval_data = ndarray.array(eval_data)
        if isinstance(eval_data, NDArray):
            self.forward(DataBatch([eval_data]))
            return self.get_outputs()[0]
        if not isinstance(eval_data, DataIter):
            raise ValueError("eval_data must be of type NDArray or DataIter")
        found = [
            [out.copy() for out in outputs]
            for outputs, _, _ in self.iter_predict(eval_data, num_batch, reset, sparse_row_id_fn)
        ]
        if not found or not merge_batches:
            return found
        number = len(found[0])
        if any(len(outputs) != number for outputs in found):
            raise AssertionError(
                "Cannot merge batches, as num of outputs is not the same in mini-batches. Maybe bucketing is used?"
            )
        merged = [ndarray.concatenate([outputs[place] for outputs in found]) for place in range(number)]
        return merged[0] if number == 1 and not always_output_list else merged

    def _begin_epoch(self, train_data, epoch):
        """What `fit` does before an epoch's first batch: a subclass's business."""

    def fit(
        self,
        train_data,
        eval_data=None,
        eval_metric="acc",
        epoch_end_callback=None,
        batch_end_callback=None,
        kvstore="local",
        optimizer="sgd",
        optimizer_params=(("learning_rate", 0.01),),
        eval_end_callback=None,
        eval_batch_end_callback=None,
        initializer=DEFAULT_INITIALIZER,
        arg_params=None,
        aux_params=None,
        allow_missing=False,
        force_rebind=False,
        force_init=False,
        begin_epoch=0,
        num_epoch=None,
        validation_metric=None,
        monitor=None,
        sparse_row_id_fn=None,
    ):
        """Train on the batches of an iterator.

        train_data, eval_data: iterators; eval_metric, validation_metric: metrics or their names, the second as the
        first where None; epoch_end_callback(epoch, symbol, arg_params, aux_params); batch_end_callback,
        eval_end_callback, eval_batch_end_callback: functions of `BatchEndParam`; each may be a list. kvstore,
        optimizer, optimizer_params: see `init_optimizer`; initializer, arg_params, aux_params, allow_missing,
        force_init: see `init_params`; force_rebind: bind anew; begin_epoch, num_epoch: numbers of the first epoch and
        of the one after the last; monitor: a `Monitor`; sparse_row_id_fn: see `prepare`.
        Raises AssertionError without num_epoch.
        """
        if num_epoch is None:
            raise AssertionError("please specify number of epochs")
        self.bind(
            data_shapes=train_data.provide_data,
            label_shapes=train_data.provide_label,
            for_training=True,
            force_rebind=force_rebind,
        )
        if monitor is not None:
            self.install_monitor(monitor)
        self.init_params(
            initializer=initializer,
            arg_params=arg_params,
            aux_params=aux_params,
            allow_missing=allow_missing,
            force_init=force_init,
        )
        self.init_optimizer(kvstore=kvstore, optimizer=optimizer, optimizer_params=optimizer_params)
        if validation_metric is None:
            validation_metric = eval_metric
        eval_metric = metrics.create(eval_metric)
        for epoch in range(begin_epoch, num_epoch):
            tic = time.time()
            eval_metric.reset()
            self._begin_epoch(train_data, epoch)
            nbatch, eval_name_vals, data_iter = 0, [], iter(train_data)
            next_data_batch = next(data_iter)
            end_of_batch = False
            while not end_of_batch:
                data_batch = next_data_batch
                if monitor is not None:
                    monitor.tic()
                self.forward_backward(data_batch)
                self.update()
                self._update_metric_from(eval_metric, data_batch)
                try:
                    next_data_batch = next(data_iter)
                    self.prepare(next_data_batch, sparse_row_id_fn=sparse_row_id_fn)
                except StopIteration:
                    end_of_batch = True
                if monitor is not None:
                    monitor.toc_print()
                if end_of_batch:  # before a callback begins the metric anew
                    eval_name_vals = eval_metric.get_global_name_value()
                if batch_end_callback is not None:
                    batch_end_params = BatchEndParam(epoch, nbatch, eval_metric, locals())
                    _call_all(batch_end_callback, batch_end_params)
                nbatch += 1
            for name, val in eval_name_vals:
                self.logger.info("Epoch[%d] Train-%s=%f", epoch, name, val)
            self.logger.info("Epoch[%d] Time cost=%.3f", epoch, time.time() - tic)
            # Replicas on several contexts differ in their statistics: all go on with the mean.
            arg_params, aux_params = self.get_params()
            self.set_params(arg_params, aux_params)
            _call_all(epoch_end_callback, epoch, self.symbol, arg_params, aux_params)
            if eval_data is not None:
                res = self.score(
                    eval_data,
                    validation_metric,
                    score_end_callback=eval_end_callback,
                    batch_end_callback=eval_batch_end_callback,
                    epoch=epoch,
                )
                for name, val in res:
                    self.logger.info("Epoch[%d] Validation-%s=%f", epoch, name, val)
            train_data.reset()

    # --- what it is --------------------------------------------------------------------------------------------------

    def _own(self, name):
        return NotImplementedError(explain(f"{type(self).__name__} has no {name}", hint="A subclass defines it."))

    @property
    def symbol(self):
        """The symbol, or None."""
        return self._symbol

    @property
    def data_names(self):
        """Names of the data."""
        raise self._own("data_names")

    @property
    def output_names(self):
        """Names of the outputs."""
        raise self._own("output_names")

    @property
    def data_shapes(self):
        """Names and shapes of the data."""
        raise self._own("data_shapes")

    @property
    def label_shapes(self):
        """Names and shapes of the labels."""
        raise self._own("label_shapes")

    @property
    def output_shapes(self):
        """Names and shapes of the outputs."""
        raise self._own("output_shapes")

    # --- parameters --------------------------------------------------------------------------------------------------

    def get_params(self):
        """(arguments, auxiliary states), name -> array."""
        raise self._own("get_params()")

    def init_params(
        self,
        initializer=DEFAULT_INITIALIZER,
        arg_params=None,
        aux_params=None,
        allow_missing=False,
        force_init=False,
        allow_extra=False,
    ):
        """Give parameters their first values.

        initializer: for what is not given; arg_params, aux_params: values by name; allow_missing: leave what is missing
        in them to the initializer; force_init: also where there are values; allow_extra: whether there may be names
        that are no parameter's.
        """
        raise self._own("init_params()")

    def set_params(self, arg_params, aux_params, allow_missing=False, force_init=True, allow_extra=False):
        """Give parameters values; see `init_params`."""
        self.init_params(
            initializer=None,
            arg_params=arg_params,
            aux_params=aux_params,
            allow_missing=allow_missing,
            force_init=force_init,
            allow_extra=allow_extra,
        )

    def save_params(self, fname):
        """Write parameters to a file, with 'arg:' and 'aux:' before their names."""
        ndarray.save(fname, marked(*self.get_params()))

    def load_params(self, fname):
        """Set parameters from a file that `save_params` wrote.

        Raises ValueError for another file.
        """
        parts = {"arg": {}, "aux": {}}
        for key, array in ndarray.load(fname).items():
            kind, _, name = key.partition(":")
            if kind not in parts or not name:
                raise ValueError(
                    explain(f"Invalid param file {fname}", expected='names that begin with "arg:" or "aux:"', given=key)
                )
            parts[kind][name] = array
        self.set_params(parts["arg"], parts["aux"])

    def get_states(self, merge_multi_context=True):
        """The states: none.

        Raises AssertionError for merge_multi_context, NotImplementedError in a module that has states.
        """
        self._demand(bound=True, parameters=True)
        demand((not merge_multi_context, "merge_multi_context=False, of a module without states"))
        return []

    def set_states(self, states=None, value=None):
        """Set the states: there are none.

        Raises AssertionError for any.
        """
        self._demand(bound=True, parameters=True)
        demand((not states and not value, "no states, of a module without any"))

    # --- computing ---------------------------------------------------------------------------------------------------

    def prepare(self, data_batch, sparse_row_id_fn=None):
        """Get ready for a batch.

        sparse_row_id_fn(data_batch): name of a row_sparse parameter -> numbers of the rows that the batch needs.
        """
        if sparse_row_id_fn is not None:
            warn("sparse_row_id_fn is not invoked for BaseModule.")

    def forward(self, data_batch, is_train=None):
        """Compute the outputs for a batch. is_train: `for_training` where None."""
        raise self._own("forward()")

    def backward(self, out_grads=None):
        """Compute gradients. out_grads: of the outputs, where the symbol does not end in a loss."""
        raise self._own("backward()")

    def get_outputs(self, merge_multi_context=True):
        """The outputs of the last forward pass; not merged, a list over the contexts for each."""
        raise self._own("get_outputs()")

    def get_input_grads(self, merge_multi_context=True):
        """The gradients of the data, where `bind` was told inputs_need_grad."""
        raise self._own("get_input_grads()")

    def update(self):
        """Have the optimizer change the parameters."""
        raise self._own("update()")

    def update_metric(self, eval_metric, labels, pre_sliced=False):
        """Update a metric with labels and the outputs. pre_sliced: labels is a list over the contexts."""
        raise self._own("update_metric()")

    def install_monitor(self, mon):
        """Have a `Monitor` look at all executors."""
        raise self._own("install_monitor()")

    # --- getting ready -----------------------------------------------------------------------------------------------

    def bind(
        self,
        data_shapes,
        label_shapes=None,
        for_training=True,
        inputs_need_grad=False,
        force_rebind=False,
        shared_module=None,
        grad_req="write",
    ):
        """Make executors for some shapes.

        data_shapes, label_shapes: lists of `DataDesc` or of (name, shape); for_training: whether there will be backward
        passes; inputs_need_grad: whether gradients of the data are wanted; force_rebind: also where it is bound;
        shared_module: a module whose parameters are this one's; grad_req: 'write', 'add', 'null', or such by argument.
        """
        raise self._own("bind()")

    def init_optimizer(
        self, kvstore="local", optimizer="sgd", optimizer_params=(("learning_rate", 0.01),), force_init=False
    ):
        """Make the optimizer.

        kvstore: a `KVStore`, its name, or None; optimizer: an `Optimizer` or its name; optimizer_params: its arguments,
        a dict or pairs; force_init: also where there is one.
        """
        raise self._own("init_optimizer()")
