"""`Metric`: state variables that batches are added to, and a result; and the running means that most metrics are."""

from functools import wraps

import torch

from tandem.core import dtypes
from tandem.core.module import Module
from tandem.keras import config, dtype_policies, naming, tensors
from tandem.keras.internals.rebinding import calling
from tandem.keras.losses.loss import map_values, same_rank
from tandem.keras.variables import Variable
from tandem.ops import means, scores


def _name_may_come_first(method):
    """Take the arguments of Keras 2, `add_weight(name, shape=...)`, too."""

    @wraps(method)
    def add(self, *args, **kwargs):
        if args and isinstance(args[0], str):
            kwargs["name"] = args[0]
            args = ()
        return method(self, *args, **kwargs)

    return add


class Metric:
    """A number that is gathered over batches: `update_state` adds one, `result` is the number, `reset_state` begins
    again.

    dtype: of the state, by default `floatx`; name: by default from the class. A new metric makes its variables with
    `add_variable` and changes them in place (`assign`, `assign_add`), so that a step that updates it can be recorded.
    """

    _direction = None  # "up" where more is better, "down" where less is

    def __init__(self, dtype=None, name=None):
        self.name = name or naming.auto_name(type(self).__name__)
        self._dtype_policy = dtype_policies.get(dtype or config.floatx())
        self._dtype = self._dtype_policy.compute_dtype
        self._torch_dtype = dtypes.torch_dtype(self._dtype)
        self._metrics = []
        self._variables = []

    def __setattr__(self, name, value):
        # A recorded training step holds what was read from here as constants.
        Module.mutations += 1
        if isinstance(value, Variable) and "_variables" in self.__dict__:
            if not any(value is variable for variable in self._variables):
                self._variables.append(value)
        elif isinstance(value, Metric) and "_metrics" in self.__dict__:
            self._metrics.append(value)
        super().__setattr__(name, value)

    @property
    def dtype(self):
        """The name of the dtype of the state."""
        return self._dtype

    @property
    def variables(self):
        """The state: the metric's own variables, then those of the metrics in it."""
        return [*self._variables, *(variable for metric in self._metrics for variable in metric.variables)]

    def reset_state(self):
        """Begin again: all state is 0 (a metric with other beginnings overrides this)."""
        for variable in self.variables:
            variable.tensor.zero_()

    def reset_states(self):
        """`reset_state`, by the name that Keras 2 began with."""
        self.reset_state()

    def update_state(self, *args, **kwargs):
        """Add a batch."""
        raise NotImplementedError(f"{type(self).__name__} must define `update_state`.")

    def result(self):
        """The number for all batches since the last reset: a tensor, or a dict of tensors."""
        raise NotImplementedError(f"{type(self).__name__} must define `result`.")

    def __call__(self, *args, **kwargs):
        """Add a batch and give the result so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    def add_variable(self, shape, initializer="zeros", dtype=None, aggregation="sum", name=None):
        """A new state variable."""
        with naming.name_scope(self.name.replace("/", ">"), caller=self):
            variable = Variable(
                initializer,
                shape=shape,
                dtype=dtype or self._dtype,
                trainable=False,
                aggregation=aggregation,
                name=name,
            )
        self._variables.append(variable)
        return variable

    @_name_may_come_first
    def add_weight(self, shape=(), initializer="zeros", dtype=None, name=None, **kwargs):
        """The same as `add_variable`; Keras 2 had the name first."""
        return self.add_variable(shape=shape, initializer=initializer, dtype=dtype, name=name, **kwargs)

    def stateless_update_state(self, metric_variables, *args, **kwargs):
        """`update_state` on the given values in place of the state; returns the new values."""
        with self._state(metric_variables):
            self.update_state(*args, **kwargs)
            return [variable.tensor for variable in self.variables]

    def stateless_result(self, metric_variables):
        """`result` of the given values in place of the state."""
        with self._state(metric_variables):
            return self.result()

    def stateless_reset_state(self):
        """The values that the state begins with."""
        with self._state([variable.tensor for variable in self.variables]):
            self.reset_state()
            return [variable.tensor for variable in self.variables]

    def _state(self, values):
        if len(values) != len(self.variables):
            raise ValueError(
                "Argument `metric_variables` must be a list of tensors corresponding 1:1 to "
                f"{type(self).__name__}().variables. Received list with length {len(values)}, but expected "
                f"{len(self.variables)} variables."
            )
        return _Swapped(self.variables, values)

    def get_config(self):
        """The arguments that make an equal metric."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config):
        """The metric that `get_config` describes."""
        return cls(**config)

    # --- what update_state gets --------------------------------------------------------------------------------------

    def _tensor(self, value):
        return None if value is None else tensors.convert(value)

    def _float(self, value, like=None):
        """A value as a tensor of the metric's dtype, detached."""
        if value is None:
            return None
        device = like.device if like is not None else None
        return tensors.convert(value, self._torch_dtype, device=device).detach()

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}>"


class _Swapped:
    """Other tensors in some variables, for a while."""

    def __init__(self, variables, values):
        self.variables = variables
        self.values = [tensors.convert(value).detach().clone() for value in values]

    def __enter__(self):
        self.before = [variable.tensor for variable in self.variables]
        for variable, value in zip(self.variables, self.values):
            variable.tensor = value

    def __exit__(self, *exc_info):
        for variable, tensor in zip(self.variables, self.before):
            variable.tensor = tensor


class Mean(Metric):
    """The weighted mean of all values: ``sum(w * v) / sum(w)``."""

    def __init__(self, name="mean", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), name="total")
        self.count = self.add_variable((), name="count")

    def update_state(self, values, sample_weight=None):
        """Add values, one or more to a sample; sample_weight: a number, one to a sample, or one to a value."""
        values = tensors.convert(values)
        mask = tensors.get_mask(values)
        if sample_weight is not None and not (isinstance(sample_weight, int) and values.dim() == 0):
            sample_weight = tensors.convert(sample_weight, device=values.device)
        with torch.no_grad():
            self._add(values.detach(), sample_weight, mask)

    def _add(self, values, weights, mask):
        means.add_mean(self.total.tensor, self.count.tensor, values, weights, mask)

    def result(self):
        """The mean so far, 0 where nothing was added."""
        return scores.ratio(self.total.tensor, self.count.tensor)


class Sum(Metric):
    """The weighted sum of all values."""

    def __init__(self, name="sum", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), name="total")

    def update_state(self, values, sample_weight=None):
        """Add values; sample_weight: a number, one to a sample, or one to a value."""
        values = tensors.convert(values).detach()
        weights = None if sample_weight is None else tensors.convert(sample_weight, device=values.device)
        with torch.no_grad():
            scores.sum_(self.total.tensor, values, means.with_mask(values, weights, tensors.get_mask(values)))

    def result(self):
        """The sum so far."""
        return self.total.tensor.clone()


class MeanMetricWrapper(Mean):
    """The mean of a function of (y_true, y_pred), which gives one or more values to a sample.

    fn: the function; further arguments are passed to it.
    """

    def __init__(self, fn, name=None, dtype=None, **kwargs):
        super().__init__(name=name, dtype=dtype)
        self._fn = fn
        self._fn_kwargs = kwargs
        direction = getattr(fn, "_direction", None)
        if direction is not None and self._direction is None:
            self._direction = direction

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch. A mask that travels with y_pred leaves values out."""
        mask = tensors.get_mask(y_pred)
        with torch.no_grad():
            y_true = map_values(tensors.convert, y_true)
            y_pred = map_values(tensors.convert, y_pred)
            values = tensors.convert(calling(self._fn, y_true, y_pred, **self._fn_kwargs))
            weights = None if sample_weight is None else tensors.convert(sample_weight, device=values.device)
            if mask is None and weights is not None:
                mask = tensors.get_mask(values)  # as in Keras, a mask of the function's own counts beside weights only
            self._add(values.detach(), weights, mask)

    def get_config(self):
        """The arguments that make an equal metric."""
        base = {"name": self.name, "dtype": self.dtype}
        if type(self) is MeanMetricWrapper:
            from tandem.keras import saving

            base["fn"] = saving.serialize_keras_object(self._fn)
        return base | self._fn_kwargs

    @classmethod
    def from_config(cls, config):
        """The metric that `get_config` describes."""
        if "fn" in config:
            from tandem.keras import saving

            config = config | {"fn": saving.deserialize_keras_object(config["fn"])}
        return cls(**config)


def same_ranks(y_true, y_pred):
    """Targets and predictions as tensors of one rank: see `losses.loss.same_rank`."""
    y_pred = tensors.convert(y_pred)
    return same_rank(tensors.convert(y_true, device=y_pred.device), y_pred)
