"""`mx.model`: checkpoints of a symbol and its parameters, and the old `FeedForward`."""

import logging
import os
import time
from collections import namedtuple

import numpy as np

from tandem.core.errors import explain, warn
from tandem.mxnet import context as contexts
from tandem.mxnet import io, ndarray
from tandem.mxnet import kvstore as stores
from tandem.mxnet import metric as metrics
from tandem.mxnet.base import MXNetError, _as_list
from tandem.mxnet.callback import LogValidationMetricsCallback
from tandem.mxnet.initializer import Uniform
from tandem.mxnet.ndarray.ndarray import NDArray

__all__ = ["BatchEndParam", "FeedForward", "load_checkpoint", "load_params", "save_checkpoint"]

# What callbacks get after each batch.
BatchEndParam = namedtuple("BatchEndParams", ["epoch", "nbatch", "eval_metric", "locals"])

DEFAULT_INITIALIZER = Uniform(0.01)
_LOG_SCORES = LogValidationMetricsCallback()

# A 'local' store leaves updates of models with a larger parameter to the contexts.
_LARGEST_ON_STORE = 1024 * 1024 * 16


def _create_kvstore(kvstore, num_device, arg_params):
    """(store or None, whether it updates the parameters).

    kvstore: a `KVStore`, its name or None; num_device: how many contexts; arg_params: name -> array.
    Raises TypeError for something else.
    """
    on_store = os.environ.get("MXNET_UPDATE_ON_KVSTORE", "1") != "0"
    if kvstore is None:
        return None, False
    if isinstance(kvstore, stores.KVStoreBase):
        return kvstore, on_store
    if not isinstance(kvstore, str):
        raise TypeError("kvstore must be KVStore, str or None")
    if num_device == 1 and "dist" not in kvstore:
        return None, False
    store = stores.create(kvstore)
    if kvstore == "local" and max((array.size for array in arg_params.values()), default=0) > _LARGEST_ON_STORE:
        on_store = False
    return store, on_store


def _initialize_kvstore(kvstore, param_arrays, arg_params, param_names, update_on_kvstore):
    """Give parameters to a store; where it updates them all contexts get its values."""
    for name, replicas in zip(param_names, param_arrays):
        kvstore.init(name, arg_params[name])
        if update_on_kvstore:
            kvstore.pull(name, replicas)


def _trained(param_arrays, grad_arrays, param_names):
    """(names, replicas of gradients, replicas of parameters) of those that have gradients."""
    found = [
        (name, grads, arrays)
        for name, arrays, grads in zip(param_names, param_arrays, grad_arrays)
        if grads[0] is not None
    ]
    return zip(*found) if found else ((), (), ())


def _update_params_on_kvstore(param_arrays, grad_arrays, kvstore, param_names):
    """Push gradients to a store that updates, and pull the parameters."""
    names, grads, arrays = map(list, _trained(param_arrays, grad_arrays, param_names))
    if names:
        kvstore.push(names, grads)
        kvstore.pull(names, arrays)


def _update_params(param_arrays, grad_arrays, updater, num_device, kvstore=None, param_names=None):
    """Update the parameters on each context, with gradients summed by a store if there is one."""
    if kvstore:
        names, grads, _ = map(list, _trained(param_arrays, grad_arrays, param_names))
        if names:
            kvstore.push(names, grads)
            kvstore.pull(names, grads, ignore_sparse=False)
    for place in range(num_device):
        indices, own_grads, weights = [], [], []
        for index, (arrays, grads) in enumerate(zip(param_arrays, grad_arrays)):
            if grads[place] is not None:
                indices.append(index * num_device + place)
                own_grads.append(grads[place])
                weights.append(arrays[place])
        if indices:
            updater(indices, own_grads, weights)


def marked(arg_params, aux_params):
    """Arguments and auxiliary states as a file has them: "arg:" or "aux:" before each name."""
    return {
        **{f"arg:{name}": array for name, array in arg_params.items()},
        **{f"aux:{name}": array for name, array in aux_params.items()},
    }


def save_checkpoint(prefix, epoch, symbol, arg_params, aux_params, remove_amp_cast=True):
    """Write `prefix-symbol.json` and `prefix-0000.params`, with the epoch's number in four digits.

    symbol: None leaves the first out; arg_params, aux_params: name -> array; remove_amp_cast: see `Symbol.tojson`.
    """
    if symbol is not None:
        symbol.save(f"{prefix}-symbol.json", remove_amp_cast=remove_amp_cast)
    path = f"{prefix}-{epoch:04d}.params"
    ndarray.save(path, marked(arg_params, aux_params))
    logging.info('Saved checkpoint to "%s"', path)


def load_params(prefix, epoch):
    """(arguments, auxiliary states), name -> array, of `prefix-0000.params`.

    Raises MXNetError for a file that cannot be read, or whose arrays are not named "arg:..." and "aux:...".
    """
    path = f"{prefix}-{epoch:04d}.params"
    loaded = ndarray.load(path)
    if not isinstance(loaded, dict):
        raise MXNetError(explain(f"The arrays in {path} have no names", expected='"arg:..." and "aux:..."'))
    parts = {"arg": {}, "aux": {}}
    for key, array in loaded.items():
        kind, _, name = key.partition(":")
        if kind in parts:
            parts[kind][name] = array
    return parts["arg"], parts["aux"]


def load_checkpoint(prefix, epoch):
    """(symbol, arguments, auxiliary states) of what `save_checkpoint` wrote, here or in MXNet."""
    from tandem.mxnet import symbol

    return (symbol.load(f"{prefix}-symbol.json"), *load_params(prefix, epoch))


class FeedForward:
    """MXNet's first model class: a symbol that learns from arrays or iterators. `mx.mod.Module` came after it.

    symbol: a `Symbol`, or a function that gives one for a bucket key; ctx: a context or a list of them; num_epoch;
    epoch_size: batches to an epoch, None: what the data have; optimizer: an `Optimizer` or its name, with `kwargs` as
    arguments; initializer; numpy_batch_size: for arrays; arg_params, aux_params: name -> array; allow_extra_params:
    whether names may be none of the symbol's; begin_epoch: the number of the first epoch.
    """

    def __init__(
        self,
        symbol,
        ctx=None,
        num_epoch=None,
        epoch_size=None,
        optimizer="sgd",
        initializer=DEFAULT_INITIALIZER,
        numpy_batch_size=128,
        arg_params=None,
        aux_params=None,
        allow_extra_params=False,
        begin_epoch=0,
        **kwargs,
    ):
        warn(
            "\033[91mmxnet.model.FeedForward has been deprecated. Please use mxnet.mod.Module instead.\033[0m",
            DeprecationWarning,
        )
        if callable(symbol) and not hasattr(symbol, "list_arguments"):
            self.symbol, self.sym_gen = None, symbol
        else:
            self.symbol, self.sym_gen = symbol, None
        self.arg_params, self.aux_params = arg_params, aux_params
        self.allow_extra_params = allow_extra_params
        self.argument_checked = False
        if self.sym_gen is None:
            self._check_arguments()
        ctx = contexts.current_context() if ctx is None else ctx
        self.ctx = [ctx] if isinstance(ctx, contexts.Context) else ctx
        self.num_epoch, self.epoch_size, self.begin_epoch = num_epoch, epoch_size, begin_epoch
        self.kwargs = kwargs
        self.optimizer, self.initializer = optimizer, initializer
        self.numpy_batch_size = numpy_batch_size
        self._pred_exec = None

    def _check_arguments(self):
        """Leave out parameters that the symbol does not have, where that is allowed.

        Raises ValueError for a symbol in which two arguments have one name.
        """
        if self.argument_checked:
            return
        self.argument_checked = True
        from tandem.mxnet.executor_manager import _check_arguments

        _check_arguments(self.symbol)
        if self.allow_extra_params:
            for params, names in (
                ("arg_params", self.symbol.list_arguments()),
                ("aux_params", self.symbol.list_auxiliary_states()),
            ):
                given = getattr(self, params)
                if given:
                    setattr(self, params, {name: array for name, array in given.items() if name in names})

    def __getstate__(self):
        return {**self.__dict__, "_pred_exec": None}

    def __setstate__(self, state):
        self.__dict__.update(state)

    # --- data --------------------------------------------------------------------------------------------------------

    def _init_iter(self, X, y, is_train):
        """An iterator over arrays; what is one stays as it is.

        Raises ValueError for labels that do not fit, TypeError for what is neither.
        """
        if isinstance(X, (np.ndarray, NDArray)):
            if y is None:
                if is_train:
                    raise ValueError("y must be specified when X is numpy.ndarray")
                y = np.zeros(X.shape[0])
            if not isinstance(y, (np.ndarray, NDArray)):
                raise TypeError("y must be ndarray when X is numpy.ndarray")
            if X.shape[0] != y.shape[0]:
                raise ValueError("The numbers of data points and labels not equal")
            if y.ndim == 2 and y.shape[1] == 1:
                y = y.reshape((-1,))
            if y.ndim != 1:
                raise ValueError("Label must be 1D or 2D (with 2nd dimension being 1)")
            size = min(X.shape[0], self.numpy_batch_size)
            if is_train:
                return io.NDArrayIter(X, y, size, shuffle=True, last_batch_handle="roll_over")
            return io.NDArrayIter(X, y, size, shuffle=False)
        if not isinstance(X, io.DataIter):
            raise TypeError("X must be DataIter, NDArray or numpy.ndarray")
        return X

    def _init_eval_iter(self, eval_data):
        """An iterator over what `fit` evaluates on: None, an iterator, or a pair of data and labels."""
        if eval_data is None:
            return None
        if isinstance(eval_data, (tuple, list)) and len(eval_data) == 2:
            data, label = eval_data
            if data is None:
                raise ValueError("Eval data is NONE")
            if label is None and isinstance(data, io.DataIter):
                return data
            as_arrays = [np.array(part) if isinstance(part, list) else part for part in (data, label)]
            return self._init_iter(*as_arrays, is_train=True)
        if not isinstance(eval_data, io.DataIter):
            raise TypeError(
                "Eval data must be DataIter, or NDArray/numpy.ndarray/list pair (i.e. tuple/list of length 2)"
            )
        return eval_data

    # --- learning ----------------------------------------------------------------------------------------------------

    def _init_params(self, inputs, overwrite=False):
        """Fill parameters that have no value yet (`overwrite`: all); (arguments, parameters, auxiliary states), names.

        inputs: descriptions of data and labels.
        """
        shapes = {one[0]: one[1] for one in inputs}
        arg_shapes, _, aux_shapes = self.symbol.infer_shape(**shapes)
        if arg_shapes is None:
            raise MXNetError(explain("The shapes of the parameters do not follow", given=f"inputs {shapes}"))
        arg_names, aux_names = self.symbol.list_arguments(), self.symbol.list_auxiliary_states()
        param_names = [name for name in arg_names if name not in shapes]
        found = []
        for names, all_shapes, given in (
            (arg_names, arg_shapes, self.arg_params),
            (aux_names, aux_shapes, self.aux_params),
        ):
            params = {}
            for name, shape in zip(names, all_shapes):
                if name in shapes:
                    continue
                params[name] = ndarray.zeros(shape)
                if given and name in given and not overwrite:
                    given[name].copyto(params[name])
                else:
                    self.initializer(name, params[name])
            found.append(params)
        self.arg_params, self.aux_params = found
        return arg_names, param_names, aux_names

    def _module(self, data, logger, work_load_list):
        """A module on this model's symbol and contexts, bound to the shapes of an iterator."""
        from tandem.mxnet.module import BucketingModule, Module

        names = [one[0] for one in data.provide_data], [one[0] for one in data.provide_label]
        if self.sym_gen is None:
            module = Module(self.symbol, *names, logger, self.ctx, work_load_list)
        else:
            module = BucketingModule(
                lambda key: (self.sym_gen(key), *names), data.default_bucket_key, logger, self.ctx, work_load_list
            )
        module.bind(data.provide_data, data.provide_label)
        return module

    def fit(
        self,
        X,
        y=None,
        eval_data=None,
        eval_metric="acc",
        epoch_end_callback=None,
        batch_end_callback=None,
        kvstore="local",
        logger=None,
        work_load_list=None,
        monitor=None,
        eval_end_callback=_LOG_SCORES,
        eval_batch_end_callback=None,
    ):
        """Learn from data: an iterator, or arrays X and y.

        eval_data: an iterator or a pair of arrays; eval_metric: a metric or its name; the rest as for `Module.fit`.
        """
        data, eval_data = self._init_iter(X, y, is_train=True), self._init_eval_iter(eval_data)
        logger = logging if logger is None else logger
        if self.sym_gen is not None:
            self.symbol = self.sym_gen(data.default_bucket_key)
            self._check_arguments()
        self._init_params([*data.provide_data, *data.provide_label])
        eval_metric = metrics.create(eval_metric)
        module = self._module(data, logger, work_load_list)
        module.set_params(self.arg_params, self.aux_params)
        module.init_optimizer(
            kvstore,
            self.optimizer,
            {"rescale_grad": 1.0 / data.batch_size, **self.kwargs} if isinstance(self.optimizer, str) else (),
        )
        if monitor is not None:
            module.install_monitor(monitor)
        logger.info("Start training with %s", str(self.ctx))
        data.reset()
        for epoch in range(self.begin_epoch, self.num_epoch):
            tic = time.time()
            eval_metric.reset()
            self._one_epoch(module, data, epoch, eval_metric, batch_end_callback, monitor, logger)
            logger.info("Epoch[%d] Time cost=%.3f", epoch, time.time() - tic)
            self.arg_params, self.aux_params = module.get_params()
            for callback in _as_list(epoch_end_callback or []):
                callback(epoch, self.symbol, self.arg_params, self.aux_params)
            if eval_data:
                module.score(
                    eval_data,
                    eval_metric,
                    batch_end_callback=eval_batch_end_callback,
                    score_end_callback=eval_end_callback,
                    epoch=epoch,
                )

    def _one_epoch(self, module, data, epoch, eval_metric, batch_end_callback, monitor, logger):
        """`epoch_size` batches of an iterator, which begins anew as often as it has to; or all batches of it."""
        nbatch = 0
        while True:
            ended = True
            for data_batch in data:
                if monitor is not None:
                    monitor.tic()
                module.forward_backward(data_batch)
                module.update()
                if monitor is not None:
                    monitor.toc_print()
                module.update_metric(eval_metric, data_batch.label)
                nbatch += 1
                for callback in _as_list(batch_end_callback or []):
                    callback(BatchEndParam(epoch, nbatch, eval_metric, locals()))
                if self.epoch_size is not None and nbatch >= self.epoch_size:
                    ended = False
                    break
            if ended:
                logger.info("Epoch[%d] Resetting Data Iterator", epoch)
                data.reset()
            if self.epoch_size is None or nbatch >= self.epoch_size:
                return

    @staticmethod
    def create(
        symbol,
        X,
        y=None,
        ctx=None,
        num_epoch=None,
        epoch_size=None,
        optimizer="sgd",
        initializer=DEFAULT_INITIALIZER,
        eval_data=None,
        eval_metric="acc",
        epoch_end_callback=None,
        batch_end_callback=None,
        kvstore="local",
        logger=None,
        work_load_list=None,
        eval_end_callback=_LOG_SCORES,
        eval_batch_end_callback=None,
        **kwargs,
    ):
        """A model that has learned: `FeedForward(...)`, then `fit(...)`."""
        model = FeedForward(
            symbol,
            ctx=ctx,
            num_epoch=num_epoch,
            epoch_size=epoch_size,
            optimizer=optimizer,
            initializer=initializer,
            **kwargs,
        )
        model.fit(
            X,
            y,
            eval_data=eval_data,
            eval_metric=eval_metric,
            epoch_end_callback=epoch_end_callback,
            batch_end_callback=batch_end_callback,
            kvstore=kvstore,
            logger=logger,
            work_load_list=work_load_list,
            eval_end_callback=eval_end_callback,
            eval_batch_end_callback=eval_batch_end_callback,
        )
        return model

    # --- what it has learned -----------------------------------------------------------------------------------------

    def _init_predictor(self, input_shapes, type_dict=None):
        """Make the executor that predicts, always anew: the parameters may be others than last time."""
        shapes = {name: tuple(shape) for name, shape in input_shapes.items()}
        self._pred_exec = None  # frees its memory first
        executor = self.symbol.simple_bind(self.ctx[0], grad_req="null", type_dict=type_dict, **shapes)
        executor.copy_params_from(self.arg_params, self.aux_params)
        self._pred_exec = executor

    def _batches(self, X, num_batch, reset):
        """Yield (batch, outputs of the executor) for an iterator's batches."""
        if reset:
            X.reset()
        types = {name: array.dtype for name, array in self.arg_params.items()}
        for one in X.provide_data:
            types[one[0]] = getattr(one, "dtype", np.float32)
        self._init_predictor({one[0]: one[1] for one in X.provide_data}, types)
        names = [one[0] for one in X.provide_data]
        executor = self._pred_exec
        inputs = executor.arg_dict
        for number, batch in enumerate(X):
            if number == num_batch:
                return
            for name, array in zip(names, batch.data):
                array.copyto(inputs[name])
            yield batch, executor.forward(is_train=False)

    def predict(self, X, num_batch=None, return_data=False, reset=True):
        """The outputs for data, as numpy arrays, without what fills batches up.

        X: an iterator or an array; num_batch: so many batches only; return_data: (outputs, data, labels), each a list
        where there are several.
        """
        X = self._init_iter(X, None, is_train=False)
        found = []
        for batch, outputs in self._batches(X, num_batch, reset):
            size = X.batch_size - (batch.pad or 0)
            parts = [outputs, batch.data, batch.label] if return_data else [outputs]
            found.append([[array[0:size].asnumpy() for array in part] for part in parts])
        parts = [[np.concatenate(pieces) for pieces in zip(*part)] for part in zip(*found)]
        parts = [part[0] if len(part) == 1 else part for part in parts]
        return tuple(parts) if return_data else parts[0]

    def score(self, X, eval_metric="acc", num_batch=None, batch_end_callback=None, reset=True):
        """The value of a metric over the batches of an iterator."""
        X = self._init_iter(X, None, is_train=False)
        eval_metric = metrics.create(eval_metric)
        for number, (batch, outputs) in enumerate(self._batches(X, num_batch, reset)):
            eval_metric.update(batch.label, outputs)
            for callback in _as_list(batch_end_callback or []):
                callback(BatchEndParam(epoch=0, nbatch=number, eval_metric=eval_metric, locals=locals()))
        return eval_metric.get()[1]

    # --- files -------------------------------------------------------------------------------------------------------

    def save(self, prefix, epoch=None, remove_amp_cast=True):
        """Write a checkpoint; epoch: `num_epoch` where None."""
        epoch = self.num_epoch if epoch is None else epoch
        if epoch is None:
            raise AssertionError(explain("The checkpoint needs the number of an epoch", expected="epoch= or num_epoch"))
        save_checkpoint(prefix, epoch, self.symbol, self.arg_params, self.aux_params, remove_amp_cast=remove_amp_cast)

    @staticmethod
    def load(prefix, epoch, ctx=None, **kwargs):
        """A model from a checkpoint, which goes on with the next epoch. kwargs: of the model."""
        symbol, arg_params, aux_params = load_checkpoint(prefix, epoch)
        return FeedForward(symbol, ctx=ctx, arg_params=arg_params, aux_params=aux_params, begin_epoch=epoch, **kwargs)
