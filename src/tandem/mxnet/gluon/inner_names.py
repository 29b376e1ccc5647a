"""MXNet's own fields of a parameter, by which subclasses of users take one over (GluonNLP's WeightDropParameter)."""


class InnerNames:
    """The fields under MXNet's names. Values lie in `_data`, each array with its gradient and on its context."""

    _data = _var = _trainer = None
    _ctx_map = None  # from a context to the place of its array: the arrays know

    _kind = "Parameter"  # a user's class does not show in what is printed, as in MXNet

    def __repr__(self):
        return f"{self._kind} {self.name} (shape={self.shape}, dtype={self.dtype})"

    @property
    def _grad(self):
        return None if self._data is None or self.grad_req == "null" else [data.grad for data in self._data]

    @_grad.setter
    def _grad(self, grads):
        for data, grad in zip(self._data or (), grads or ()):
            if data.grad is not grad:
                data.grad[:] = grad

    @property
    def _ctx_list(self):
        return None if self._data is None else [data.context for data in self._data]

    @_ctx_list.setter
    def _ctx_list(self, contexts):
        if contexts is not None and contexts != self._ctx_list:
            self.reset_ctx(contexts)
