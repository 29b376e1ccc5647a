"""`SequentialModule`: modules one after the other, of which each gets the outputs of the one before."""

import copy
import logging

from tandem.core.errors import explain
from tandem.mxnet.model import DEFAULT_INITIALIZER
from tandem.mxnet.module.base_module import BaseModule, demand

__all__ = ["SequentialModule"]


class SequentialModule(BaseModule):
    """A chain of modules.

    `add(module, take_labels=True)` says that a module gets the batch's labels, `auto_wiring=True` that what goes in has
    the names of the module's data, whatever names it comes out with.
    """

    META_TAKE_LABELS = "take_labels"
    META_AUTO_WIRING = "auto_wiring"

    def __init__(self, logger=logging):
        super().__init__(logger=logger)
        self._modules, self._metas = [], []
        self._data_shapes = self._label_shapes = None
        self._meta_keys = {self.META_TAKE_LABELS, self.META_AUTO_WIRING}

    def add(self, module, **kwargs):
        """Append a module; answers this one. The chain has to be bound and initialized after that.

        Raises AssertionError for an unknown keyword.
        """
        for key in kwargs:
            if key not in self._meta_keys:
                raise AssertionError(f'Unknown meta "{key}", a typo?')
        self._modules.append(module)
        self._metas.append(kwargs)
        self.binded = self.params_initialized = self.optimizer_initialized = False
        return self

    def _takes_labels(self, meta):
        return bool(meta.get(self.META_TAKE_LABELS))

    # --- what it is --------------------------------------------------------------------------------------------------

    @property
    def data_names(self):
        """Names of the data."""
        return self._modules[0].data_names if self._modules else []

    @property
    def output_names(self):
        """Names of the outputs."""
        return self._modules[-1].output_names if self._modules else []

    @property
    def data_shapes(self):
        """Descriptions of the data."""
        self._demand(bound=True)
        return self._modules[0].data_shapes

    @property
    def label_shapes(self):
        """Descriptions of the labels; None where no module takes any."""
        self._demand(bound=True)
        return self._label_shapes

    @property
    def output_shapes(self):
        """(name, shape) of the outputs."""
        self._demand(bound=True)
        return self._modules[-1].output_shapes

    # --- parameters --------------------------------------------------------------------------------------------------

    def get_params(self):
        """(arguments, auxiliary states) of all modules, name -> array."""
        self._demand(bound=True, parameters=True)
        arguments, states = {}, {}
        for module in self._modules:
            own_arguments, own_states = module.get_params()
            arguments.update(own_arguments)
            states.update(own_states)
        return arguments, states

    def init_params(
        self,
        initializer=DEFAULT_INITIALIZER,
        arg_params=None,
        aux_params=None,
        allow_missing=False,
        force_init=False,
        allow_extra=False,
    ):
        """Give the parameters of all modules their first values; see `BaseModule.init_params`.

        Raises AssertionError for a name that two modules have.
        """
        if self.params_initialized and not force_init:
            return
        self._demand(bound=True)
        for module in self._modules:
            module.init_params(
                initializer=initializer,
                arg_params=arg_params,
                aux_params=aux_params,
                allow_missing=allow_missing,
                force_init=force_init,
                allow_extra=allow_extra,
            )
        seen = {}
        for place, module in enumerate(self._modules):
            for params in module.get_params():
                for name in params:
                    if name in seen:
                        raise AssertionError(
                            f'Duplicated parameter names: name "{name}" in layer {place} ({type(module)}) is already'
                            f" used in layer {seen[name]} ({type(self._modules[seen[name]])})."
                        )
                    seen[name] = place
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
        """Bind each module to the shapes of the outputs before it; see `BaseModule.bind`.

        Raises AssertionError for a shared_module, or where there is no module.
        """
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if inputs_need_grad and not for_training:
            raise AssertionError(explain("inputs_need_grad=True needs for_training=True"))
        if shared_module is not None:
            raise AssertionError("Shared module is not supported")
        if not self._modules:
            raise AssertionError("Attempting to bind an empty SequentialModule")
        self.binded = True
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        taken = any(map(self._takes_labels, self._metas))
        self._label_shapes = label_shapes if taken else None
        shapes = data_shapes
        for place, (module, meta) in enumerate(zip(self._modules, self._metas)):
            module.bind(
                data_shapes=self._wired(module, meta, shapes),
                label_shapes=label_shapes if self._takes_labels(meta) else None,
                for_training=for_training,
                inputs_need_grad=bool(for_training and (inputs_need_grad or place > 0)),
                force_rebind=force_rebind,
                shared_module=None,
                grad_req=grad_req,
            )
            shapes = module.output_shapes

    def _wired(self, module, meta, shapes):
        """What comes in, under the names of the module's data where it asks for that."""
        if not meta.get(self.META_AUTO_WIRING):
            return shapes
        names = module.data_names
        if len(names) != len(shapes):
            raise AssertionError(
                explain("A module takes another number of data", expected=f"{len(names)}: {names}", given=f"{shapes}")
            )
        return [(name, one[1]) for name, one in zip(names, shapes)]

    def init_optimizer(
        self, kvstore="local", optimizer="sgd", optimizer_params=(("learning_rate", 0.01),), force_init=False
    ):
        """Make an optimizer for each module; see `BaseModule.init_optimizer`."""
        self._demand(bound=True, parameters=True)
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring.")
            return
        for module in self._modules:
            module.init_optimizer(
                kvstore=kvstore, optimizer=optimizer, optimizer_params=optimizer_params, force_init=force_init
            )
        self.optimizer_initialized = True

    # --- computing ---------------------------------------------------------------------------------------------------

    def forward(self, data_batch, is_train=None):
        """Compute the outputs for a batch."""
        self._demand(bound=True, parameters=True)
        batch = copy.copy(data_batch)
        for place, module in enumerate(self._modules):
            module.forward(batch, is_train=is_train)
            if place + 1 == len(self._modules):
                break
            batch.data = module.get_outputs()
            if hasattr(batch, "provide_data"):
                shapes = [(name, array.shape) for (name, _), array in zip(module.output_shapes, batch.data)]
                batch.provide_data = self._wired(self._modules[place + 1], self._metas[place + 1], shapes)

    def backward(self, out_grads=None):
        """Compute the gradients, from the last module to the first."""
        self._demand(bound=True, parameters=True)
        for place, module in reversed(list(enumerate(self._modules))):
            module.backward(out_grads=out_grads)
            if place:
                out_grads = module.get_input_grads()

    def update(self):
        """Have the optimizers change the parameters."""
        self._demand(bound=True, parameters=True, optimizer=True)
        for module in self._modules:
            module.update()

    def get_outputs(self, merge_multi_context=True):
        """The outputs of the last module."""
        self._demand(bound=True, parameters=True)
        return self._modules[-1].get_outputs(merge_multi_context=merge_multi_context)

    def get_input_grads(self, merge_multi_context=True):
        """The gradients of the data, where they were asked for."""
        self._demand(bound=True, parameters=True)
        demand((self.inputs_need_grad, "inputs_need_grad=True in bind()"))
        return self._modules[0].get_input_grads(merge_multi_context=merge_multi_context)

    def update_metric(self, eval_metric, labels, pre_sliced=False):
        """Update a metric with the outputs of each module that takes labels."""
        self._demand(bound=True, parameters=True)
        for module, meta in zip(self._modules, self._metas):
            if self._takes_labels(meta):
                module.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon):
        """Have a `Monitor` look at all modules."""
        self._demand(bound=True)
        for module in self._modules:
            module.install_monitor(mon)
