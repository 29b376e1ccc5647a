"""`Module`: a symbol, its parameters on one or several contexts, and an optimizer."""

import logging

from tandem.core.errors import explain, warn
from tandem.formats.saving import atomic_write
from tandem.mxnet import context as contexts
from tandem.mxnet import ndarray
from tandem.mxnet import optimizer as optimizers
from tandem.mxnet.initializer import InitDesc
from tandem.mxnet.io.io import DataDesc
from tandem.mxnet.model import (
    DEFAULT_INITIALIZER,
    _create_kvstore,
    _initialize_kvstore,
    _update_params,
    _update_params_on_kvstore,
    load_checkpoint,
)
from tandem.mxnet.module.base_module import BaseModule, demand
from tandem.mxnet.module.descriptions import check_input_names, of_batch, parse
from tandem.mxnet.module.executor_group import DataParallelExecutorGroup

__all__ = ["Module"]

_CPU = contexts.cpu()


class Module(BaseModule):
    """A symbol as a module.

    symbol; data_names, label_names: its arguments that a batch brings; context: a `Context` or a list of them, among
    which each batch is divided; work_load_list: in which proportion; fixed_param_names: parameters that do not learn;
    state_names: arguments that keep their value from batch to batch unless `set_states` changes it; group2ctxs:
    contexts of groups of operators (`AttrScope(ctx_group=...)`), a dict or one to each context; compression_params: for
    the kvstore.
    Raises ValueError for names that are no arguments; for labels it only warns.
    """

    def __init__(
        self,
        symbol,
        data_names=("data",),
        label_names=("softmax_label",),
        logger=logging,
        context=_CPU,
        work_load_list=None,
        fixed_param_names=None,
        state_names=None,
        group2ctxs=None,
        compression_params=None,
    ):
        super().__init__(logger=logger)
        self._context = [context] if isinstance(context, contexts.Context) else context
        self._work_load_list = [1] * len(self._context) if work_load_list is None else work_load_list
        if len(self._work_load_list) != len(self._context):
            raise AssertionError(
                explain(
                    "One work load to each context",
                    expected=len(self._context),
                    given=f"work_load_list={work_load_list}",
                )
            )
        self._group2ctxs = group2ctxs
        self._symbol = symbol
        self._data_names = list(data_names) if data_names is not None else []
        self._label_names = list(label_names) if label_names is not None else []
        self._state_names = list(state_names) if state_names is not None else []
        self._fixed_param_names = list(fixed_param_names) if fixed_param_names is not None else []
        check_input_names(symbol, self._data_names, "data", True)
        check_input_names(symbol, self._label_names, "label", False)
        check_input_names(symbol, self._state_names, "state", True)
        check_input_names(symbol, self._fixed_param_names, "fixed_param", True)
        inputs = {*self._data_names, *self._label_names, *self._state_names}
        self._param_names = [name for name in symbol.list_arguments() if name not in inputs]
        self._aux_names = symbol.list_auxiliary_states()
        self._output_names = symbol.list_outputs()
        self._arg_params = self._aux_params = None
        self._params_dirty = False  # whether the contexts' parameters are newer than _arg_params and _aux_params
        self._compression_params = compression_params
        self._optimizer = self._kvstore = self._update_on_kvstore = self._updater = None
        self._preload_opt_states = self._grad_req = None
        self._exec_group = self._data_shapes = self._label_shapes = None

    # --- files -------------------------------------------------------------------------------------------------------

    @staticmethod
    def load(prefix, epoch, load_optimizer_states=False, **kwargs):
        """A module from files that `save_checkpoint` wrote, here or in MXNet. kwargs: of the module."""
        symbol, arg_params, aux_params = load_checkpoint(prefix, epoch)
        module = Module(symbol=symbol, **kwargs)
        module._arg_params, module._aux_params = arg_params, aux_params
        module.params_initialized = True
        if load_optimizer_states:
            module._preload_opt_states = f"{prefix}-{epoch:04d}.states"
        return module

    def save_checkpoint(self, prefix, epoch, save_optimizer_states=False, remove_amp_cast=True):
        """Write `prefix-symbol.json`, `prefix-0000.params` and maybe `prefix-0000.states`."""
        self._symbol.save(f"{prefix}-symbol.json", remove_amp_cast=remove_amp_cast)
        path = f"{prefix}-{epoch:04d}.params"
        self.save_params(path)
        logging.info('Saved checkpoint to "%s"', path)
        if save_optimizer_states:
            path = f"{prefix}-{epoch:04d}.states"
            self.save_optimizer_states(path)
            logging.info('Saved optimizer state to "%s"', path)

    def save_optimizer_states(self, fname):
        """Write the optimizer's states to a file."""
        self._demand(optimizer=True)
        if self._update_on_kvstore:
            self._kvstore.save_optimizer_states(fname)
        else:
            with atomic_write(fname) as file:
                file.write(self._updater.get_states())

    def load_optimizer_states(self, fname):
        """Read the optimizer's states from a file that `save_optimizer_states` wrote, here or in MXNet."""
        self._demand(optimizer=True)
        if self._update_on_kvstore:
            self._kvstore.load_optimizer_states(fname)
        else:
            with open(fname, "rb") as file:
                self._updater.set_states(file.read())

    # --- what it is --------------------------------------------------------------------------------------------------

    @property
    def data_names(self):
        """Names of the data."""
        return self._data_names

    @property
    def label_names(self):
        """Names of the labels."""
        return self._label_names

    @property
    def output_names(self):
        """Names of the outputs."""
        return self._output_names

    @property
    def data_shapes(self):
        """Descriptions of the data."""
        self._demand(bound=True)
        return self._data_shapes

    @property
    def label_shapes(self):
        """Descriptions of the labels; None where there are none."""
        self._demand(bound=True)
        return self._label_shapes

    @property
    def output_shapes(self):
        """(name, shape) of the outputs."""
        self._demand(bound=True)
        return self._exec_group.get_output_shapes()

    # --- parameters --------------------------------------------------------------------------------------------------

    def get_params(self):
        """(arguments, auxiliary states), name -> array: the mean over the contexts."""
        self._demand(parameters=True)
        if self._params_dirty:
            self._sync_params_from_devices()
        return self._arg_params, self._aux_params

    def _sync_params_from_devices(self):
        """Copy the contexts' parameters to `_arg_params` and `_aux_params`."""
        self._exec_group.get_params(self._arg_params, self._aux_params)
        if self._kvstore is not None and self._update_on_kvstore:
            for name, array in sorted(self._arg_params.items()):
                if array.stype == "row_sparse":  # the contexts have the rows of their last batch only
                    rows = ndarray.arange(0, array.shape[0], dtype="int64")
                    self._kvstore.row_sparse_pull(name, array, row_ids=rows)
        self._params_dirty = False

    def init_params(
        self,
        initializer=DEFAULT_INITIALIZER,
        arg_params=None,
        aux_params=None,
        allow_missing=False,
        force_init=False,
        allow_extra=False,
    ):
        """Give parameters their first values; see `BaseModule.init_params`.

        An attribute '__init__' of a parameter is its own initializer.
        Raises AssertionError before `bind`, RuntimeError for a missing value unless allow_missing.
        """
        if self.params_initialized and not force_init:
            warn("Parameters already initialized and force_init=False. init_params call ignored.")
            return
        if not self.binded:
            raise AssertionError("call bind before initializing the parameters")
        attributes = self._symbol.attr_dict()
        for own, given in ((self._arg_params, arg_params), (self._aux_params, aux_params)):
            for name, array in sorted(own.items()):
                if given is not None and name in given:
                    if given[name] is not array:
                        given[name].copyto(array)
                    continue
                if given is not None and not allow_missing:
                    raise RuntimeError(f"{name} is not presented")
                if given is None or initializer is not None:
                    initializer(InitDesc(name, attributes.get(name)), array)
        self.params_initialized = True
        self._params_dirty = False
        self._exec_group.set_params(self._arg_params, self._aux_params, allow_extra=allow_extra)

    def set_params(self, arg_params, aux_params, allow_missing=False, force_init=True, allow_extra=False):
        """Give parameters values.

        allow_missing: keep the values of those that are missing; force_init: also where there are values; allow_extra:
        whether there may be names that are no parameter's.
        Raises RuntimeError for a missing one, ValueError for one too many.
        """
        if not allow_missing:
            super().set_params(arg_params, aux_params, allow_missing, force_init, allow_extra)
            return
        if self.params_initialized and not force_init:
            warn("Parameters already initialized and force_init=False. set_params call ignored.")
            return
        self._exec_group.set_params(arg_params, aux_params, allow_extra=allow_extra)
        self._params_dirty = True
        self.params_initialized = True

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
        """Make executors for some shapes; see `BaseModule.bind`.

        Raises ValueError for data of other names, AssertionError for inputs_need_grad without training or a
        shared_module that is not ready.
        """
        if force_rebind:
            self._reset_bind()
        if self.binded:
            self.logger.warning("Already bound, ignoring bind()")
            return
        demand((for_training or not inputs_need_grad, "for_training=True, with inputs_need_grad=True"))
        data_shapes, label_shapes = parse(self.data_names, self.label_names, data_shapes, label_shapes)
        shared_group = None
        if shared_module is not None:
            demand(
                (isinstance(shared_module, Module), "a Module as shared_module"),
                (
                    shared_module.binded and shared_module.params_initialized,
                    "bind() and init_params() of shared_module before",
                ),
            )
            shared_group = shared_module._exec_group
            demand((len(shared_group.execs) >= len(self._context), "as many contexts in shared_module"))
        self._exec_group = DataParallelExecutorGroup(
            self._symbol,
            self._context,
            self._work_load_list,
            data_shapes,
            label_shapes,
            self._param_names,
            for_training,
            inputs_need_grad,
            shared_group,
            logger=self.logger,
            fixed_param_names=self._fixed_param_names,
            grad_req=grad_req,
            group2ctxs=self._group2ctxs,
            state_names=self._state_names,
        )
        self.for_training, self.inputs_need_grad, self._grad_req = for_training, inputs_need_grad, grad_req
        self._data_shapes, self._label_shapes = data_shapes, label_shapes
        self.binded = True
        if shared_module is not None:
            self.params_initialized = True
            self._arg_params, self._aux_params = shared_module._arg_params, shared_module._aux_params
            if shared_module.optimizer_initialized:
                self.borrow_optimizer(shared_module)
        elif self.params_initialized:  # loaded, or bound before
            self._exec_group.set_params(self._arg_params, self._aux_params)
        else:
            group = self._exec_group
            self._arg_params = _like(self._param_names, group.param_arrays)
            self._aux_params = _like(self._aux_names, group.aux_arrays)

    def _reset_bind(self):
        if self.binded and self.params_initialized and self._params_dirty:
            self._sync_params_from_devices()
        self.binded = False
        self._exec_group = self._data_shapes = self._label_shapes = None

    def reshape(self, data_shapes, label_shapes=None):
        """Go on with other shapes and the same parameters."""
        self._demand(bound=True)
        described = parse(self.data_names, self.label_names, data_shapes, label_shapes)
        self._exec_group.reshape(*described)
        self._data_shapes, self._label_shapes = described

    # --- the optimizer -----------------------------------------------------------------------------------------------

    def init_optimizer(
        self, kvstore="local", optimizer="sgd", optimizer_params=(("learning_rate", 0.01),), force_init=False
    ):
        """Make the optimizer; see `BaseModule.init_optimizer`.

        A named optimizer gets rescale_grad = 1/batch unless `optimizer_params` says another.
        """
        self._demand(bound=True, parameters=True)
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring...")
            return
        if self._params_dirty:
            self._sync_params_from_devices()
        group, count = self._exec_group, len(self._context)
        store, on_store = _create_kvstore(kvstore, count, self._arg_params)
        batch_size = group.batch_size
        if store and "dist" in store.type and "_sync" in store.type:
            batch_size *= store.num_workers
        rescale_grad = 1.0 / batch_size
        numbered = list(enumerate(group.param_names))
        if on_store:
            names = dict(numbered)
        else:
            names = {index * count + place: name for index, name in numbered for place in range(count)}
        if isinstance(optimizer, str):
            optimizer = optimizers.create(
                optimizer,
                sym=self.symbol,
                param_idx2name=names,
                **{"rescale_grad": rescale_grad, **dict(optimizer_params)},
            )
        else:
            demand((isinstance(optimizer, optimizers.Optimizer), "an Optimizer or the name of one"))
            if optimizer.rescale_grad != rescale_grad:
                warn(
                    "Optimizer created manually outside Module but rescale_grad is not normalized to"
                    f" 1.0/batch_size/num_workers ({optimizer.rescale_grad} vs. {rescale_grad}). Is this intended?"
                )
            if not optimizer.idx2name:
                optimizer.idx2name = names
        self._optimizer, self._kvstore, self._update_on_kvstore = optimizer, store, on_store
        self._updater = None
        if store:
            if self._compression_params:
                store.set_gradient_compression(self._compression_params)
            if on_store:
                store.set_optimizer(optimizer)
            _initialize_kvstore(
                kvstore=store,
                param_arrays=group.param_arrays,
                arg_params=self._arg_params,
                param_names=self._param_names,
                update_on_kvstore=on_store,
            )
        if not on_store:
            self._updater = optimizers.get_updater(optimizer)
        self.optimizer_initialized = True
        if self._preload_opt_states is not None:
            self.load_optimizer_states(self._preload_opt_states)
            self._preload_opt_states = None

    def borrow_optimizer(self, shared_module):
        """Use another module's optimizer, whose parameters are this one's."""
        demand((shared_module.optimizer_initialized, "init_optimizer() of the other module before"))
        self._optimizer, self._kvstore = shared_module._optimizer, shared_module._kvstore
        self._update_on_kvstore, self._updater = shared_module._update_on_kvstore, shared_module._updater
        self.optimizer_initialized = True

    # --- computing ---------------------------------------------------------------------------------------------------

    def forward(self, data_batch, is_train=None):
        """Compute the outputs for a batch; one of other shapes than the last has the module reshaped.

        data_batch: with `data` and maybe `label`, lists of arrays; or a list of such, one to each context; is_train:
        `for_training` where None.
        """
        self._demand(bound=True, parameters=True)
        self._fit_shapes(data_batch)
        self._exec_group.forward(data_batch, is_train)

    def _fit_shapes(self, batch):
        known = self._data_shapes
        if isinstance(batch, list):
            given = [_whole_shape(arrays, one.layout) for arrays, one in zip(zip(*[b.data for b in batch]), known)]
        else:
            given = [array.shape for array in batch.data]
        if len(given) == len(known) and all(tuple(one.shape) == shape for one, shape in zip(known, given)):
            return
        if isinstance(batch, list):
            described = [DataDesc(one.name, shape, one.dtype, one.layout) for one, shape in zip(known, given)]
            labels = None
            if batch[0].label and self._label_shapes:
                labels = [
                    DataDesc(one.name, _whole_shape(arrays, one.layout), one.dtype, one.layout)
                    for one, arrays in zip(self._label_shapes, zip(*[b.label for b in batch]))
                ]
        else:
            described = of_batch(known, batch, "provide_data", "data")
            labels = of_batch(self._label_shapes, batch, "provide_label", "label")
        self.reshape(described, labels)

    def backward(self, out_grads=None):
        """Compute the gradients. out_grads: of the outputs, a list, where the symbol does not end in a loss."""
        self._demand(bound=True, parameters=True)
        self._exec_group.backward(out_grads=out_grads)

    def update(self):
        """Have the optimizer change the parameters by the gradients of the last batch."""
        self._demand(bound=True, parameters=True, optimizer=True)
        self._params_dirty = True
        group = self._exec_group
        if self._update_on_kvstore:
            _update_params_on_kvstore(group.param_arrays, group.grad_arrays, self._kvstore, group.param_names)
        else:
            _update_params(
                group.param_arrays,
                group.grad_arrays,
                updater=self._updater,
                num_device=len(self._context),
                kvstore=self._kvstore,
                param_names=group.param_names,
            )

    def get_outputs(self, merge_multi_context=True):
        """The outputs of the last forward pass; not merged, a list over the contexts for each."""
        self._demand(bound=True, parameters=True)
        return self._exec_group.get_outputs(merge_multi_context=merge_multi_context)

    def get_input_grads(self, merge_multi_context=True):
        """The gradients of the data; not merged, a list over the contexts for each."""
        self._demand(bound=True, parameters=True)
        demand((self.inputs_need_grad, "inputs_need_grad=True in bind()"))
        return self._exec_group.get_input_grads(merge_multi_context=merge_multi_context)

    def get_states(self, merge_multi_context=True):
        """The states, a list over the contexts for each: merge_multi_context has to be False."""
        self._demand(bound=True, parameters=True)
        return self._exec_group.get_states(merge_multi_context=merge_multi_context)

    def set_states(self, states=None, value=None):
        """Set the states: from lists over the contexts, or all to a number."""
        self._demand(bound=True, parameters=True)
        self._exec_group.set_states(states, value)

    def update_metric(self, eval_metric, labels, pre_sliced=False):
        """Update a metric with labels and the last outputs. pre_sliced: labels is a list over the contexts."""
        self._exec_group.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon):
        """Have a `Monitor` look at the executors."""
        self._demand(bound=True)
        self._exec_group.install_monitor(mon)

    def prepare(self, data_batch, sparse_row_id_fn=None):
        """Get ready for a batch; see `BaseModule.prepare`."""
        self._demand(bound=True)
        if sparse_row_id_fn is None:
            return
        if not self._kvstore or not self._update_on_kvstore:
            warn("Parameters are not updated in the KVStore. No need to call sparse_row_id_fn.")
            return
        row_ids = sparse_row_id_fn(data_batch)
        if not isinstance(row_ids, dict):
            raise AssertionError(
                explain("Expected dict output from sparse_row_id_fn", expected="a dict", given=type(row_ids).__name__)
            )
        names = self._exec_group.param_names
        for name, rows in row_ids.items():
            arrays = self._exec_group.param_arrays[names.index(name)]
            self._kvstore.row_sparse_pull(name, arrays, row_ids=rows)


def _like(names, blocks):
    """Name -> an array of zeros like the first of a block of replicas, on the CPU."""
    return {
        name: ndarray.sparse.zeros(block[0].stype, block[0].shape, dtype=block[0].dtype)
        for name, block in zip(names, blocks)
    }


def _whole_shape(arrays, layout):
    """The shape of a batch of which each context has one array."""
    axis = DataDesc.get_batch_axis(layout)
    shape = list(arrays[0].shape)
    if axis >= 0:
        shape[axis] = sum(array.shape[axis] for array in arrays)
    return tuple(shape)
