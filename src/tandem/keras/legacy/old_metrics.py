"""Metrics of Keras 2 that Keras 3 has no more."""

from tandem.keras import metrics, ops

_op = ops.NAMES


class MeanTensor(metrics.Metric):
    """The mean of tensors of one shape, value by value, weighted by `sample_weight`."""

    def __init__(self, name="mean_tensor", dtype=None, shape=None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.count = None
        if shape is not None:
            self._make(shape)

    def _make(self, shape):
        self.total = self.add_variable(tuple(shape), "zeros", name="total")
        self.count = self.add_variable(tuple(shape), "zeros", name="count")

    def update_state(self, values, sample_weight=None):
        """Add a tensor."""
        values = _op["cast"](values, self.dtype)
        if self.total is None:
            self._make(values.shape)
        weights = _op["ones_like"](values)
        if sample_weight is not None:
            weights = _op["multiply"](weights, _op["cast"](sample_weight, self.dtype))
            values = _op["multiply"](values, weights)
        self.total.assign_add(values)
        self.count.assign_add(weights)

    def result(self):
        """The means; 0 where there were no values."""
        return _op["divide_no_nan"](self.total, self.count)


class MeanRelativeError(metrics.Mean):
    """The mean of ``|y_pred - y_true| / normalizer``, 0 where the normalizer is 0."""

    def __init__(self, normalizer, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.normalizer = _op["cast"](normalizer, self.dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch."""
        y_true, y_pred = (_op["cast"](one, self.dtype) for one in (y_true, y_pred))
        error = _op["divide_no_nan"](_op["abs"](_op["subtract"](y_pred, y_true)), self.normalizer)
        super().update_state(error, sample_weight=sample_weight)

    def get_config(self):
        """The arguments that make an equal metric."""
        return {**super().get_config(), "normalizer": _op["convert_to_numpy"](self.normalizer)}
