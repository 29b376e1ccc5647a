"""`BucketingModule`: a module to each kind of batch, such as a length of sequences, all with the same parameters."""

import logging

from tandem.core.errors import explain, warn
from tandem.mxnet import context as contexts
from tandem.mxnet import ndarray
from tandem.mxnet import symbol as symbols
from tandem.mxnet.model import DEFAULT_INITIALIZER, load_params, save_checkpoint
from tandem.mxnet.module.base_module import BaseModule, demand
from tandem.mxnet.module.descriptions import check_input_names
from tandem.mxnet.module.module import Module

__all__ = ["BucketingModule"]

_CPU = contexts.cpu()


class BucketingModule(BaseModule):
    """Modules that share parameters, of which a batch's `bucket_key` chooses one.

    sym_gen(bucket_key): a function that gives (symbol, names of the data, names of the labels); default_bucket_key: the
    key of the largest one, which the others share memory with; the rest as for `Module`.
    Raises AssertionError without a default_bucket_key.
    """

    def __init__(
        self,
        sym_gen,
        default_bucket_key=None,
        logger=logging,
        context=_CPU,
        work_load_list=None,
        fixed_param_names=None,
        state_names=None,
        group2ctxs=None,
        compression_params=None,
    ):
        super().__init__(logger=logger)
        if default_bucket_key is None:
            raise AssertionError(explain("BucketingModule needs a default_bucket_key"))
        self._default_bucket_key = default_bucket_key
        self._sym_gen = sym_gen
        symbol, data_names, label_names = self._call_sym_gen(default_bucket_key)
        self._fixed_param_names = list(fixed_param_names) if fixed_param_names is not None else []
        self._state_names = list(state_names) if state_names is not None else []
        check_input_names(symbol, list(data_names or []), "data", True)
        check_input_names(symbol, list(label_names or []), "label", False)
        check_input_names(symbol, self._state_names, "state", True)
        check_input_names(symbol, self._fixed_param_names, "fixed_param", True)
        self._compression_params = compression_params
        self._context, self._work_load_list, self._group2ctxs = context, work_load_list, group2ctxs
        self._buckets = {}
        self._curr_module = self._curr_bucket_key = None
        self._params_dirty = False
        self._monitor = self._grad_req = None

    def _call_sym_gen(self, *args, **kwargs):
        return self._sym_gen(*args, **kwargs)

    def _new_module(self, bucket_key, symbol=None):
        """The module of a bucket, with a symbol that was loaded or what `sym_gen` gives."""
        made, data_names, label_names = self._call_sym_gen(bucket_key)
        return Module(
            made if symbol is None else symbol,
            data_names,
            label_names,
            logger=self.logger,
            context=self._context,
            work_load_list=self._work_load_list,
            fixed_param_names=self._fixed_param_names,
            state_names=self._state_names,
            group2ctxs=self._group2ctxs,
            compression_params=self._compression_params,
        )

    # --- what it is --------------------------------------------------------------------------------------------------

    @property
    def data_names(self):
        """Names of the data."""
        return self._curr_module.data_names if self.binded else self._call_sym_gen(self._default_bucket_key)[1]

    @property
    def output_names(self):
        """Names of the outputs."""
        if self.binded:
            return self._curr_module.output_names
        return self._call_sym_gen(self._default_bucket_key)[0].list_outputs()

    @property
    def data_shapes(self):
        """Descriptions of the data."""
        self._demand(bound=True)
        return self._curr_module.data_shapes

    @property
    def label_shapes(self):
        """Descriptions of the labels."""
        self._demand(bound=True)
        return self._curr_module.label_shapes

    @property
    def output_shapes(self):
        """(name, shape) of the outputs."""
        self._demand(bound=True)
        return self._curr_module.output_shapes

    @property
    def symbol(self):
        """The symbol of the present bucket."""
        self._demand(bound=True)
        return self._curr_module.symbol

    # --- parameters --------------------------------------------------------------------------------------------------

    def get_params(self):
        """(arguments, auxiliary states), name -> array."""
        self._demand(parameters=True)
        self._curr_module._params_dirty = self._params_dirty
        found = self._curr_module.get_params()
        self._params_dirty = False
        return found

    def set_params(self, arg_params, aux_params, allow_missing=False, force_init=True, allow_extra=False):
        """Give parameters values; see `Module.set_params`."""
        if not allow_missing:
            super().set_params(arg_params, aux_params, allow_missing, force_init, allow_extra)
            return
        if self.params_initialized and not force_init:
            warn("Parameters already initialized and force_init=False. set_params call ignored.")
            return
        self._curr_module.set_params(
            arg_params, aux_params, allow_missing=allow_missing, force_init=force_init, allow_extra=allow_extra
        )
        # The values are newer than the module's copies of them.
        self._params_dirty = True
        self.params_initialized = True

    def init_params(
        self,
        initializer=DEFAULT_INITIALIZER,
        arg_params=None,
        aux_params=None,
        allow_missing=False,
        force_init=False,
        allow_extra=False,
    ):
        """Give parameters their first values; see `Module.init_params`."""
        if self.params_initialized and not force_init:
            return
        if not self.binded:
            raise AssertionError("call bind before initializing the parameters")
        self._curr_module.init_params(
            initializer=initializer,
            arg_params=arg_params,
            aux_params=aux_params,
            allow_missing=allow_missing,
            force_init=force_init,
            allow_extra=allow_extra,
        )
        self._params_dirty = False
        self.params_initialized = True

    def get_states(self, merge_multi_context=True):
        """The states of the present bucket."""
        self._demand(bound=True, parameters=True)
        return self._curr_module.get_states(merge_multi_context=merge_multi_context)

    def set_states(self, states=None, value=None):
        """Set the states of the present bucket."""
        self._demand(bound=True, parameters=True)
        self._curr_module.set_states(states, value)

    # --- binding -----------------------------------------------------------------------------------------------------

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
        """Bind the default bucket's module; see `BaseModule.bind`. Parameters stay as they are."""
        params = self.get_params() if self.params_initialized and self.binded else None
        before = self._curr_module
        if force_rebind:
            self._reset_bind()
        if self.binded:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if shared_module is not None:
            raise AssertionError("shared_module for BucketingModule is not supported")
        self.for_training, self.inputs_need_grad, self._grad_req = for_training, inputs_need_grad, grad_req
        module = self._buckets.get(self._default_bucket_key) or self._new_module(self._default_bucket_key)
        module.bind(
            data_shapes,
            label_shapes,
            for_training,
            inputs_need_grad,
            force_rebind=False,
            shared_module=None,
            grad_req=grad_req,
        )
        self.binded = True
        self._curr_module, self._curr_bucket_key = module, self._default_bucket_key
        self._buckets[self._default_bucket_key] = module
        if params is not None:
            self.set_params(*params)
        if self.optimizer_initialized:
            module.borrow_optimizer(before)

    def _reset_bind(self):
        self.binded = False
        self._buckets = {}
        self._curr_module = self._curr_bucket_key = None

    def switch_bucket(self, bucket_key, data_shapes, label_shapes=None):
        """Go on with another bucket; its module is made at the first time.

        data_shapes, label_shapes: of its batches. Raises AssertionError before `bind`.
        """
        if not self.binded:
            raise AssertionError("call bind before switching bucket")
        module = self._buckets.get(bucket_key)
        if module is None:
            module = self._buckets[bucket_key] = self._new_module(bucket_key)
        if not module.binded:
            module.bind(
                data_shapes,
                label_shapes,
                self._curr_module.for_training,
                self._curr_module.inputs_need_grad,
                force_rebind=False,
                shared_module=self._buckets[self._default_bucket_key],
                grad_req=self._grad_req,
            )
            if self._monitor is not None:
                module.install_monitor(self._monitor)
        self._curr_module, self._curr_bucket_key = module, bucket_key

    def init_optimizer(
        self, kvstore="local", optimizer="sgd", optimizer_params=(("learning_rate", 0.01),), force_init=False
    ):
        """Make the optimizer, which all buckets share; see `Module.init_optimizer`."""
        self._demand(bound=True, parameters=True)
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring.")
            return
        self._curr_module.init_optimizer(kvstore, optimizer, optimizer_params, force_init=force_init)
        for module in self._buckets.values():
            if module is not self._curr_module and module.binded:
                module.borrow_optimizer(self._curr_module)
        self.optimizer_initialized = True

    # --- computing ---------------------------------------------------------------------------------------------------

    def prepare(self, data_batch, sparse_row_id_fn=None):
        """Make the module of a batch's bucket, and get it ready; the present bucket stays."""
        self._demand(bound=True, parameters=True)
        present = self._curr_bucket_key
        known, held = self.data_shapes, self.label_shapes
        self.switch_bucket(data_batch.bucket_key, data_batch.provide_data, data_batch.provide_label)
        self._curr_module.prepare(data_batch, sparse_row_id_fn=sparse_row_id_fn)
        self.switch_bucket(present, known, held)

    def forward(self, data_batch, is_train=None):
        """Compute the outputs for a batch, in the bucket of its `bucket_key`."""
        self._demand(bound=True, parameters=True)
        self.switch_bucket(data_batch.bucket_key, data_batch.provide_data, data_batch.provide_label)
        self._curr_module.forward(data_batch, is_train=is_train)

    def backward(self, out_grads=None):
        """Compute the gradients."""
        self._demand(bound=True, parameters=True)
        self._curr_module.backward(out_grads=out_grads)

    def update(self):
        """Have the optimizer change the parameters."""
        self._demand(bound=True, parameters=True, optimizer=True)
        self._params_dirty = True
        self._curr_module.update()

    def get_outputs(self, merge_multi_context=True):
        """The outputs of the last forward pass."""
        self._demand(bound=True, parameters=True)
        return self._curr_module.get_outputs(merge_multi_context=merge_multi_context)

    def get_input_grads(self, merge_multi_context=True):
        """The gradients of the data."""
        self._demand(bound=True, parameters=True)
        demand((self.inputs_need_grad, "inputs_need_grad=True in bind()"))
        return self._curr_module.get_input_grads(merge_multi_context=merge_multi_context)

    def update_metric(self, eval_metric, labels, pre_sliced=False):
        """Update a metric with labels and the last outputs."""
        self._demand(bound=True, parameters=True)
        self._curr_module.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon):
        """Have a `Monitor` look at the executors of all buckets, also of those to come."""
        self._demand(bound=True)
        self._monitor = mon
        for module in self._buckets.values():
            if module.binded:
                module.install_monitor(mon)

    # --- files -------------------------------------------------------------------------------------------------------

    def save_checkpoint(self, prefix, epoch, remove_amp_cast=False):
        """Write `prefix-0000.params`, a `prefix-KEY-symbol.json` for each bucket and `prefix.buckets` with their keys.

        Keys have to be whole numbers. Raises AssertionError where there is no bucket yet.
        """
        if not self._buckets:
            raise AssertionError("Empty BucketingModule cannot be saved")
        for key, module in self._buckets.items():
            module.symbol.save(f"{prefix}-{key}-symbol.json", remove_amp_cast=remove_amp_cast)
        save_checkpoint(prefix, epoch, None, *self.get_params())
        ndarray.save(f"{prefix}.buckets", ndarray.array(list(self._buckets), dtype="int32"))

    @staticmethod
    def load(prefix, epoch, sym_gen=None, default_bucket_key=None, **kwargs):
        """A module from files that `save_checkpoint` wrote, here or in MXNet. kwargs: of the module.

        Raises AssertionError without sym_gen or default_bucket_key.
        """
        for name, value in (("sym_gen", sym_gen), ("default_bucket_key", default_bucket_key)):
            if value is None:
                raise AssertionError(f"{name} is required for loading BucketingModule")
        keys = ndarray.load(f"{prefix}.buckets")[0].asnumpy().tolist()
        found = {key: symbols.load(f"{prefix}-{key}-symbol.json") for key in keys}
        arg_params, aux_params = load_params(prefix, epoch)
        return BucketingModule.load_dict(found, sym_gen, default_bucket_key, arg_params, aux_params, **kwargs)

    @staticmethod
    def load_dict(sym_dict=None, sym_gen=None, default_bucket_key=None, arg_params=None, aux_params=None, **kwargs):
        """A module from symbols by bucket key, and parameters. kwargs: of the module.

        Raises AssertionError without one of them.
        """
        for name, value in (("sym_dict", sym_dict), ("arg_params", arg_params), ("aux_params", aux_params)):
            if value is None:
                verb = "needs" if name == "sym_dict" else "need"
                raise AssertionError(f"{name} {verb} to be provided for BucketingModule.load_dict")
        if default_bucket_key not in sym_dict:
            raise AssertionError(
                explain("The default bucket has no symbol", expected=list(sym_dict), given=default_bucket_key)
            )
        module = BucketingModule(sym_gen, default_bucket_key, **kwargs)
        for key, symbol in sym_dict.items():
            bucket = module._buckets[key] = module._new_module(key, symbol)
            bucket._arg_params, bucket._aux_params, bucket.params_initialized = arg_params, aux_params, True
        module._curr_module = module._buckets[default_bucket_key]
        module.params_initialized = True
        return module
