"""Steps on batches that are shared out over processes (see `keras.distribution`)."""

import torch

from tandem.core import arrays
from tandem.engine.distributed import exchange, pieces, shards
from tandem.engine.replay import Step
from tandem.keras.trainers import parts, sources


def step(model, function, **settings):
    """`Step(function, **settings)`; where batches are shared out, one that takes whole batches and runs on this
    process's rows, so that metrics and logs are the whole's, and outputs of a prediction have all rows.
    """
    plan = shards.plan()
    return Step(function, **settings) if plan is None else _Shared(plan, model, function, **settings)


class _Shared:
    """A recorded step among others: what the processes exchange in it is recorded with it."""

    def __init__(self, plan, model, function, **settings):
        self.plan = plan
        self.model = model
        self.function = function
        self.predicts = function.__name__ == "_predict_once"
        self.step = Step(self._run, **settings)

    def __call__(self, data, *args):
        places = self.plan.places()
        x, _, _ = sources.unpack(data)
        part, share = shards.cut(parts.batch_size(x), places, self.plan.auto_shard_dataset)
        if part is not None:
            data = sources.map_arrays(lambda array: array[part], data)
        result = self.step(data, share.signature(), *args)
        if self.predicts:
            return arrays.map_tree(lambda leaf: shards.whole(arrays.unwrap(leaf), share, places), result)
        return result

    def _run(self, data, signature, *args):
        with shards.sharing(shards.Share(*signature)):
            if self.predicts:
                return self.function(data, *args)
            metrics = self.model.metrics
            versions = [_versions(metric) for metric in metrics]
            with shards.adding(lambda: [variable.tensor for variable in self.model.metrics_variables]):
                logs = self.function(data, *args)
                changed = [metric for metric, before in zip(metrics, versions) if _versions(metric) != before]
            return self._joined(logs, changed) if isinstance(logs, dict) else logs

    @staticmethod
    def _joined(logs, metrics):
        """The logs that a step of the user's own gives, as those of the whole batch: results of the metrics that it
        updated are computed again, and other numbers are means over the rows.
        """
        results = {}
        for metric in metrics:
            result = results[metric.name] = metric.result()
            results.update(result if isinstance(result, dict) else {})
        logs = {name: arrays.unwrap(value) for name, value in logs.items()}
        others = [
            name
            for name, value in logs.items()
            if name not in results and isinstance(value, torch.Tensor) and value.is_floating_point()
        ]
        means = dict(zip(others, shards.means([logs[name].detach() for name in others])))
        return {name: results.get(name, means.get(name, value)) for name, value in logs.items()}


def _versions(metric):
    # torch counts how often a tensor was changed in place: no value is read for it.
    return [(id(variable.tensor), variable.tensor._version) for variable in metric.variables]


def follow(model):
    """Have a model's functions made anew where batches are shared out in another way than before.

    All processes begin with the first one's weights then, whole or divided as the distribution says.
    """
    plan, state = shards.plan(), model._training
    if plan is state.plan:
        return
    for variable in variables_of(model):
        if variable.piece is not None:
            variable.divide(None)
    state.follow(plan)
    begin(model)


def begin(model):
    """Give all processes the first one's weights, states and first epoch, and divide what the distribution divides."""
    plan, state = shards.plan(), model._training
    if plan is None:
        return
    variables = variables_of(model)
    exchange.spread_(
        [variable.tensor for variable in [*variables, *model.metrics_variables] if not pieces.of(variable)]
    )
    for variable in variables:
        if variable.piece is None:
            like = getattr(variable, "like", None)
            piece = plan.piece(variable) if like is None else getattr(like, "piece", None)
            if piece is not None:
                variable.divide(piece)
    state.initial_epoch = exchange.agreed(state.initial_epoch)


def variables_of(model):
    """A model's variables and its optimizer's: those of which each process may hold a piece."""
    optimizer = model._training.optimizer
    return [*model.variables, *(() if optimizer is None else optimizer.variables)]


def agree_to_stop(state):
    """Let training end in all processes where it ends in one."""
    if shards.plan() is not None:
        stops = torch.tensor([float(state.stop_training)])
        state.stop_training = bool(exchange.all_sum_(stops).item())
