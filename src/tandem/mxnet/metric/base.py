"""`EvalMetric`: sums that stay on the device until somebody looks; names of metrics; composites."""

import math
from collections import OrderedDict

import numpy
import torch

from tandem.core.errors import explain
from tandem.mxnet import registry
from tandem.mxnet.base import numeric_types
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.ops.scores import sum_


def check_label_shapes(labels, preds, wrap=False, shape=False):
    """(labels, preds), of equal length (or, with `shape`, equal shape); with `wrap` single arrays become lists.

    Raises ValueError where they differ.
    """
    label_size, pred_size = (labels.shape, preds.shape) if shape else (len(labels), len(preds))
    if label_size != pred_size:
        raise ValueError(
            explain(
                "Labels and predictions do not fit each other", expected=f"{pred_size} labels", given=f"{label_size}"
            )
        )
    if wrap:
        labels = [labels] if isinstance(labels, NDArray) else labels
        preds = [preds] if isinstance(preds, NDArray) else preds
    return labels, preds


def pairs(labels, preds):
    """(label, prediction) tensors, each prediction's where it lives.

    Raises ValueError where there are not as many labels as predictions: lists of arrays, or the rows of two arrays.
    """
    if isinstance(labels, NDArray) and isinstance(preds, NDArray) and labels.shape and preds.shape:
        check_label_shapes(labels, preds)
    labels, preds = check_label_shapes(as_list(labels), as_list(preds))
    found = []
    for label, pred in zip(labels, preds):
        label, pred = tensor_of(label), tensor_of(pred)
        found.append((label if label.device == pred.device else label.to(pred.device), pred))
    return found


def as_list(arrays):
    return list(arrays) if isinstance(arrays, (list, tuple)) else [arrays]


def tensor_of(array):
    if isinstance(array, NDArray):
        try:
            tensor = array._tensor
        except AttributeError:
            tensor = array._dense()  # a sparse array's values
        return tensor.detach() if tensor.requires_grad else tensor
    return array.detach() if isinstance(array, torch.Tensor) else torch.as_tensor(numpy.asarray(array))


def check_length(label, pred):
    if label.shape[0] != pred.shape[0]:
        raise ValueError(
            explain(
                f"Shape of labels {tuple(label.shape)} does not match shape of predictions {tuple(pred.shape)}",
                expected="equal lengths",
            )
        )


class EvalMetric:
    """Base of metrics: `update(labels, preds)` adds batches, `get()` is the mean so far.

    name; output_names, label_names: which outputs and labels `update_dict` takes. A subclass of one's own adds to
    `sum_metric` and `num_inst`. `reset_local` begins anew but for `get_global`, where a metric counts for both
    (`has_global_stats`, as those of this module do): one that does not answers the same to both.
    """

    _has_global_stats = False

    def __new__(cls, *args, **kwargs):
        """A metric with sums: a subclass may set them before it calls `__init__`, or have a `reset` of its own."""
        self = super().__new__(cls)
        EvalMetric.reset(self)
        return self

    def __init__(self, name, output_names=None, label_names=None, **kwargs):
        self.name = str(name)
        self.output_names = output_names
        self.label_names = label_names
        self._has_global_stats = kwargs.pop("has_global_stats", self._has_global_stats)
        self._kwargs = kwargs
        self.reset()

    def __str__(self):
        return f"EvalMetric: {dict(self.get_name_value())}"

    # --- sums ------------------------------------------------------------------------------------------------------

    def _add(self, values, count):
        """Add the sum of a tensor's values and a count (a number or a 0-d tensor), on the tensor's device."""
        sums = self._pending.get(values.device)
        if sums is None:
            sums = self._pending[values.device] = [
                torch.zeros((), dtype=torch.float64, device=values.device),
                torch.zeros((), dtype=torch.float64, device=values.device),
                0,
            ]
        sum_(sums[0], values)
        if isinstance(count, torch.Tensor):
            sum_(sums[1], count)
        else:
            sums[2] += count

    def _pull(self):
        """Read what batches have added since the last time."""
        if not self._pending:
            return
        pending, self._pending = self._pending, {}
        for total, counted, count in pending.values():
            total, count = total.item(), counted.item() + count
            self._sums[0] += total
            self._sums[1] += total
            self._counts[0] += count
            self._counts[1] += count

    def reset(self):
        """Begin anew."""
        self._pending = {}
        self._sums, self._counts = [0.0, 0.0], [0, 0]

    def reset_local(self):
        """Begin anew, but keep what `get_global` tells."""
        self._pull()
        self._sums[0], self._counts[0] = 0.0, 0

    @property
    def sum_metric(self):
        """The sum since the last `reset_local`."""
        self._pull()
        return self._sums[0]

    @sum_metric.setter
    def sum_metric(self, value):
        self._sums[0] = value

    @property
    def num_inst(self):
        """The number of what was summed since the last `reset_local`."""
        self._pull()
        return _whole(self._counts[0])

    @num_inst.setter
    def num_inst(self, value):
        self._counts[0] = value

    @property
    def global_sum_metric(self):
        """The sum since the last `reset`."""
        self._pull()
        return self._sums[1]

    @global_sum_metric.setter
    def global_sum_metric(self, value):
        self._sums[1] = value

    @property
    def global_num_inst(self):
        """The number of what was summed since the last `reset`."""
        self._pull()
        return _whole(self._counts[1])

    @global_num_inst.setter
    def global_num_inst(self, value):
        self._counts[1] = value

    # --- use -------------------------------------------------------------------------------------------------------

    def update(self, labels, preds):
        """Add a batch: lists of labels and of predictions."""
        raise NotImplementedError(
            explain(f"{type(self).__name__} does not say how to count", hint="Override update().")
        )

    def update_dict(self, label, pred):
        """Add a batch given as dicts, of which `label_names` and `output_names` choose."""
        preds = [pred[name] for name in self.output_names] if self.output_names is not None else list(pred.values())
        labels = [label[name] for name in self.label_names] if self.label_names is not None else list(label.values())
        self.update(labels, preds)

    def _result(self, total, count):
        return total / count

    def get(self):
        """(name, value); the value is nan before the first batch."""
        count = self.num_inst
        return self.name, self._result(self.sum_metric, count) if count else math.nan

    def get_global(self):
        """(name, value) over everything since the last `reset`."""
        if not self._has_global_stats:
            return self.get()
        count = self.global_num_inst
        return self.name, self._result(self.global_sum_metric, count) if count else math.nan

    def get_name_value(self):
        """A list of (name, value) pairs."""
        return _as_pairs(self.get())

    def get_global_name_value(self):
        """A list of (name, value) pairs over everything since the last `reset`."""
        return _as_pairs(self.get_global()) if self._has_global_stats else self.get_name_value()

    def get_config(self):
        """A dict from which `create` makes such a metric again."""
        return {
            **self._kwargs,
            "metric": type(self).__name__,
            "name": self.name,
            "output_names": self.output_names,
            "label_names": self.label_names,
        }


def _whole(count):
    return int(count) if isinstance(count, float) and count.is_integer() else count


def _as_pairs(result):
    names, values = result
    return list(zip(names if isinstance(names, list) else [names], values if isinstance(values, list) else [values]))


register = registry.get_register_func(EvalMetric, "metric")
alias = registry.get_alias_func(EvalMetric, "metric")
_create = registry.get_create_func(EvalMetric, "metric")


def create(metric, *args, **kwargs):
    """A metric from its name, a function `feval(label, pred)`, a metric, or a list of these (a composite)."""
    from tandem.mxnet.metric.others import CustomMetric

    if callable(metric) and not isinstance(metric, EvalMetric):
        return CustomMetric(metric, *args, **kwargs)
    if isinstance(metric, list):
        composite = CompositeEvalMetric()
        for child in metric:
            composite.add(create(child, *args, **kwargs))
        return composite
    return _create(metric, *args, **kwargs)


@register
@alias("composite")
class CompositeEvalMetric(EvalMetric):
    """Several metrics as one.

    metrics: a list of metrics or what `create` takes.
    """

    _has_global_stats = True

    def __init__(self, metrics=None, name="composite", output_names=None, label_names=None):
        self.metrics = []
        super().__init__(name, output_names=output_names, label_names=label_names)
        self.metrics = [create(metric) for metric in metrics or ()]

    def add(self, metric):
        """Add a metric, or what `create` takes."""
        self.metrics.append(create(metric))

    def get_metric(self, index):
        """The metric of that number; a ValueError (answered, not raised, as in MXNet) where there is none."""
        try:
            return self.metrics[index]
        except IndexError:
            return ValueError(f"Metric index {index} is out of range 0 and {len(self.metrics)}")

    def update_dict(self, labels, preds):
        """Add a batch given as dicts to all."""
        if self.label_names is not None:
            labels = OrderedDict((name, value) for name, value in labels.items() if name in self.label_names)
        if self.output_names is not None:
            preds = OrderedDict((name, value) for name, value in preds.items() if name in self.output_names)
        for metric in self.metrics:
            metric.update_dict(labels, preds)

    def update(self, labels, preds):
        """Add a batch to all."""
        for metric in self.metrics:
            metric.update(labels, preds)

    def reset(self):
        """Begin anew in all."""
        super().reset()
        for metric in self.metrics:
            metric.reset()

    def reset_local(self):
        """Begin anew in all, but keep what `get_global` tells."""
        for metric in self.metrics:
            metric.reset_local()

    def _gather(self, method):
        names, values = [], []
        for metric in self.metrics:
            name, value = getattr(metric, method)()
            names.extend([name] if isinstance(name, str) else name)
            values.extend([value] if isinstance(value, numeric_types) else value)
        return names, values

    def get(self):
        """(names, values), lists."""
        return self._gather("get")

    def get_global(self):
        """(names, values) over everything since the last `reset`."""
        return self._gather("get_global")

    def get_config(self):
        """A dict from which `create` makes such a metric again."""
        return {**super().get_config(), "metrics": [metric.get_config() for metric in self.metrics]}
