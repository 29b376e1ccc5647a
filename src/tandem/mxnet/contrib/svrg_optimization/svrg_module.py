"""`SVRGModule`: a module that corrects each gradient by what it was at a snapshot. Johnson and Zhang, 2013."""

import logging

from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet import ndarray
from tandem.mxnet.module import Module

__all__ = ["SVRGModule"]

_CPU = contexts.cpu()


class SVRGModule(Module):
    """A module whose updates go along ``g(w) - g(w0) + G(w0)``: a batch's gradient less its own at a snapshot w0 of the
    parameters, plus the mean gradient of all batches there.

    update_freq: every how many epochs `fit` takes a snapshot; the other arguments: see `Module`.
    Raises ValueError for an update_freq that is no whole number of at least 1.
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
        update_freq=None,
    ):
        settings = {
            "data_names": data_names,
            "label_names": label_names,
            "logger": logger,
            "context": context,
            "work_load_list": work_load_list,
            "fixed_param_names": fixed_param_names,
            "state_names": state_names,
            "group2ctxs": group2ctxs,
            "compression_params": compression_params,
        }
        super().__init__(symbol, **settings)
        if not isinstance(update_freq, int) or isinstance(update_freq, bool) or update_freq < 1:
            raise ValueError(
                explain(
                    "update_freq in SVRGModule must be a positive integer to update the full gradients",
                    expected="a whole number of at least 1",
                    given=repr(update_freq),
                )
            )
        self.update_freq = update_freq
        self._mod_aux = Module(symbol, **settings)
        self._full = None  # for each parameter an array to each context, None where it has no gradient

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
        """See `Module.bind`."""
        super().bind(data_shapes, label_shapes, for_training, inputs_need_grad, force_rebind, shared_module, grad_req)
        if for_training:
            self._mod_aux.bind(
                data_shapes, label_shapes, for_training, inputs_need_grad, force_rebind, shared_module, grad_req
            )

    def reshape(self, data_shapes, label_shapes=None):
        """See `Module.reshape`."""
        super().reshape(data_shapes, label_shapes=label_shapes)
        if self._mod_aux.binded:
            self._mod_aux.reshape(data_shapes, label_shapes=label_shapes)

    def forward(self, data_batch, is_train=None):
        """See `Module.forward`; in training the snapshot sees the batch too."""
        super().forward(data_batch, is_train)
        training = self.for_training if is_train is None else is_train
        if training and self._mod_aux.params_initialized:
            self._mod_aux.forward(data_batch, is_train)

    def backward(self, out_grads=None):
        """See `Module.backward`."""
        super().backward(out_grads)
        if self._mod_aux.params_initialized:
            self._mod_aux.backward(out_grads)

    def update(self):
        """Have the optimizer change the parameters by the corrected gradients of the last batch."""
        if self._full is not None:
            rows = zip(self._exec_group.grad_arrays, self._mod_aux._exec_group.grad_arrays, self._full, strict=True)
            for now, then, full in rows:
                for grad, before, mean in zip(now, then, full, strict=True):
                    if grad is not None:
                        grad[:] = grad - before + mean
        super().update()

    def update_full_grads(self, train_data):
        """Take a snapshot of the parameters, and the mean of its gradients over all batches of an iterator.

        Each context (and each worker of a distributed store) keeps the mean of its own share: an update sums them.
        """
        arg_params, aux_params = self.get_params()
        self._mod_aux.init_params(arg_params=arg_params, aux_params=aux_params, force_init=True)
        grads = self._mod_aux._exec_group.grad_arrays
        if self._full is None:  # MXNet 1.9.1 adds the next sum to the last mean, not to 0
            self._full = [
                [None if grad is None else ndarray.zeros(grad.shape, grad.context, grad.dtype) for grad in row]
                for row in grads
            ]
        train_data.reset()
        batches, pad = 0, 0
        for batch in train_data:
            self._mod_aux.forward(batch, is_train=True)
            self._mod_aux.backward()
            batches, pad = batches + 1, batch.pad or 0
            self._each(grads, lambda total, grad: total.__iadd__(grad))
        count = batches - pad / train_data.batch_size
        self._each(grads, lambda total, grad: total.__itruediv__(count))

    def _each(self, grads, action):
        for totals, row in zip(self._full, grads, strict=True):
            for total, grad in zip(totals, row, strict=True):
                if grad is not None:
                    action(total, grad)

    def _begin_epoch(self, train_data, epoch):
        if epoch % self.update_freq == 0:
            self.update_full_grads(train_data)
            train_data.reset()

    def prepare(self, data_batch, sparse_row_id_fn=None):
        """See `Module.prepare`."""
        super().prepare(data_batch, sparse_row_id_fn=sparse_row_id_fn)
        if self._mod_aux.params_initialized:
            self._mod_aux.prepare(data_batch, sparse_row_id_fn=sparse_row_id_fn)
