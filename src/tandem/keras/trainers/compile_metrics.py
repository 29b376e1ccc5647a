"""The metrics that `compile` got, by output, under the names that they have in logs."""

from tandem.core.errors import explain
from tandem.keras import metrics as metrics_room
from tandem.keras import naming
from tandem.keras.legacy.training import for_every_output
from tandem.keras.trainers import outputs as outputs_of

_ACCURACY = {
    "binary": metrics_room.BinaryAccuracy,
    "sparse": metrics_room.SparseCategoricalAccuracy,
    "categorical": metrics_room.CategoricalAccuracy,
}
_CROSSENTROPY = {
    "binary": metrics_room.BinaryCrossentropy,
    "sparse": metrics_room.SparseCategoricalCrossentropy,
    "categorical": metrics_room.CategoricalCrossentropy,
}
_BY_SHAPE = {"accuracy": _ACCURACY, "acc": _ACCURACY, "crossentropy": _CROSSENTROPY, "ce": _CROSSENTROPY}


def labels_kind(y_true, y_pred):
    """What form the labels have, by the shapes: "binary", "sparse" (class numbers) or "categorical" (one-hot)."""
    if len(y_pred.shape) < 2 or y_pred.shape[-1] == 1:
        return "binary"
    if len(y_true.shape) < len(y_pred.shape) or (y_true.shape[-1] == 1 and y_pred.shape[-1] > 1):
        return "sparse"
    return "categorical"


def resolve(identifier, y_true, y_pred):
    """The metric that a name, function, loss, class or object means for these targets and predictions, or None."""
    if identifier is None:
        return None
    name = None
    if isinstance(identifier, str):
        name = identifier
        by_shape = _BY_SHAPE.get(identifier.lower())
        if by_shape is not None:
            return by_shape[labels_kind(y_true, y_pred)](name=name)
    metric = metrics_room.get(identifier)
    if isinstance(metric, metrics_room.Metric):
        if name is not None:
            metric.name = name
        return metric
    if name is None:
        name = naming.object_name(metric)
    return metrics_room.MeanMetricWrapper(metric, name=name)


class CompileMetrics(metrics_room.Metric):
    """All metrics of a model, unweighted and weighted ones.

    metrics, weighted_metrics: lists of identifiers (for one output), lists of lists, or dicts by output;
    output_names: those of a functional model. `result` is a dict by the names that logs have.
    """

    def __init__(self, metrics, weighted_metrics, name="compile_metrics", output_names=None):
        super().__init__(name=name)
        for what, given in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
            if given and not isinstance(given, (list, tuple, dict)):
                raise ValueError(
                    explain(
                        f"Expected `{what}` argument to be a list, tuple, or dict",
                        given=f"{what}={given} of type {type(given)}",
                        hint=f"Write {what}=[{given!r}].",
                    )
                )
        self._user_metrics = metrics
        self._user_weighted_metrics = weighted_metrics
        self.output_names = output_names
        self.built = False
        self._outputs = []
        self._entries = []  # (number of the output, metric, name in logs, whether it is weighted)

    @property
    def metrics(self):
        """The single metrics."""
        return [metric for _, metric, _, _ in self._entries]

    @property
    def variables(self):
        """The state of all metrics."""
        return [variable for metric in self.metrics for variable in metric.variables]

    def named_metrics(self):
        """(name in logs, metric) of each."""
        return [(name, metric) for _, metric, name, _ in self._entries]

    def build(self, y_true, y_pred):
        """Make the metrics for these targets and predictions. Raises ValueError for unknown names of metrics or
        outputs.
        """
        self._outputs = outputs_of.describe(y_pred, self.output_names)
        preds = [leaf for _, leaf in outputs_of.flatten(y_pred)]
        used = {
            number
            for given, what in ((self._user_metrics, "metrics"), (self._user_weighted_metrics, "weighted_metrics"))
            for number, identifiers in enumerate(self._by_output(given, what))
            if identifiers
        }
        targets = outputs_of.targets(y_true, self._outputs, used)
        taken = set()
        entries = []
        for weighted, given in ((False, self._user_metrics), (True, self._user_weighted_metrics)):
            what = "weighted_metrics" if weighted else "metrics"
            for number, identifiers in enumerate(self._by_output(given, what)):
                output = self._outputs[number]
                for identifier in identifiers:
                    if targets[number] is None:
                        continue
                    metric = resolve(identifier, targets[number], preds[number])
                    if metric is None:
                        raise ValueError(f"Expected a metric in `{what}`, received `None`.")
                    name = self._log_name(metric, output, weighted, taken)
                    entries.append((number, metric, name, weighted))
        self._entries = entries
        self.built = True

    def _by_output(self, given, what):
        if not given:
            return [[] for _ in self._outputs]
        if len(self._outputs) == 1:
            return [[leaf for _, leaf in outputs_of.flatten(given)]]
        if for_every_output(given, len(self._outputs)):
            return [list(given) for _ in self._outputs]
        return [
            [] if entry is None else list(entry) if isinstance(entry, (list, tuple)) else [entry]
            for entry in outputs_of.match(given, self._outputs, what, strict=not isinstance(given, dict))
        ]

    def _log_name(self, metric, output, weighted, taken):
        """The name in logs: that of the output in front where there are several, numbered where it is taken."""
        prefix = f"{output.name}_" if output.name and len(self._outputs) > 1 else ""
        name = prefix + metric.name
        if weighted and name in taken:
            name = f"{prefix}weighted_{metric.name}"
        base, number = name, 1
        while name in taken:
            name = f"{base}_{number}"
            number += 1
        taken.add(name)
        return name

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch to each metric."""
        if not self.built:
            self.build(y_true, y_pred)
        preds = [leaf for _, leaf in outputs_of.flatten(y_pred)]
        targets = outputs_of.targets(y_true, self._outputs, (number for number, _, _, _ in self._entries))
        weights = outputs_of.match(sample_weight, self._outputs, "sample_weight", single=True)
        for number, metric, _, weighted in self._entries:
            if targets[number] is None:
                continue
            if weighted:
                metric.update_state(targets[number], preds[number], sample_weight=weights[number])
            else:
                metric.update_state(targets[number], preds[number])

    def reset_state(self):
        """Begin again."""
        for metric in self.metrics:
            metric.reset_state()

    def result(self):
        """The results by name; a metric whose result is a dict adds its entries under their own names."""
        results = {}
        for _, metric, name, _ in self._entries:
            value = metric.result()
            if isinstance(value, dict):
                results.update(value)
            else:
                results[name] = value
        return results

    def get_config(self):
        """There is none: what `compile` got has one (`Model.get_compile_config`)."""
        raise NotImplementedError("CompileMetrics has no config; see `Model.get_compile_config`.")
