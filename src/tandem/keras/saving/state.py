"""The state of a model as files hold it: each object's arrays under its path, found by walking the attributes.

The order and the names of the walk are Keras 3's: public attributes before private ones, in alphabetical order; in
lists and dicts by class, numbered.
"""

import functools
import warnings

from tandem.core.naming import snake_case
from tandem.formats.limits import FormatError


@functools.cache
def _kinds():
    """(classes of objects that have a state, what is skipped in each kind of them)."""
    from tandem.keras.layers.base import Layer
    from tandem.keras.losses.loss import Loss
    from tandem.keras.metrics.metric import Metric
    from tandem.keras.models.functional import Functional
    from tandem.keras.models.model import Model
    from tandem.keras.models.sequential import Sequential
    from tandem.keras.optimizers.optimizer import Optimizer
    from tandem.keras.symbolic import Operation
    from tandem.keras.trainers.compile_metrics import CompileMetrics

    # Beside what each layer has, a model's own bookkeeping: what a subclass adds is seen.
    layer = set(dir(Layer())) | {name for name in dir(Model) if name.startswith("_")} | _OF_MODELS
    skipped = [
        (Functional, layer | {"operations", "_operations"}),
        (Sequential, layer | {"_functional"}),
        (Layer, layer),
        (Operation, set(dir(Operation()))),
        (Metric, set(dir(Metric())) | set(dir(CompileMetrics([], [])))),
        (Optimizer, set(dir(Optimizer(1.0))) - {"variables"}),
        (Loss, set(dir(Loss()))),
    ]
    return (Operation, Metric, Optimizer, Loss), skipped


# What Model has for itself and Keras's has not.
_OF_MODELS = {"_anchor", "_chain", "_learns_as_compiled", "_trainer", "_training"}


def is_saveable(obj):
    """Whether an object's state is saved: a layer, an operation, an optimizer, a metric, a loss."""
    return isinstance(obj, _kinds()[0])


def children(saveable):
    """(attribute, value) of all that may hold state: saveables, lists, tuples and dicts."""
    from tandem.keras.models.functional import Functional
    from tandem.keras.models.sequential import Sequential

    if isinstance(saveable, (Functional, Sequential)):
        # First, so that a subclass's own attributes do not change the paths.
        yield "layers", saveable.layers
        first = {id(layer) for layer in saveable.layers}
    else:
        first = set()
    skipped = next(names for kind, names in _kinds()[1] if isinstance(saveable, kind))
    for name in sorted(dir(saveable), key=lambda name: f"~{name}" if name.startswith("_") else name):
        if name.startswith("__") or name in skipped:
            continue
        try:
            value = getattr(saveable, name)
        except Exception:  # a property that has no value now
            continue
        # torch shows the layers of such a model as attributes too.
        if id(value) not in first and (is_saveable(value) or isinstance(value, (list, dict, tuple))):
            yield name, value


def _named(items):
    """(name, item) for the items of a list or dict: the class's name, numbered."""
    used = {}
    for item in items.values() if isinstance(items, dict) else items:
        if is_saveable(item):
            name = snake_case(type(item).__name__)
        elif isinstance(item, (list, dict, tuple)):
            name = "container"
        else:
            continue
        number = used[name] = used.get(name, -1) + 1
        yield f"{name}_{number}" if number else name, item


def _join(path, name):
    return f"{path}/{name}" if path else name


def save(saveable, weights, assets=None, skip=()):
    """Save the state of `saveable` and of all that it holds.

    weights: has `make(path, name)`, which gives a mapping to write arrays to; None for no arrays; assets: a function of
    a path that gives a folder to write to; skip: objects that are left out.
    """
    done, containers = {id(obj) for obj in skip}, set()
    # Objects of properties live as long as the walk: an id stands for one object.
    kept = []

    def visit(saveable, path):
        if id(saveable) in done:
            return
        if hasattr(saveable, "save_own_variables") and weights is not None:
            name = getattr(saveable, "name", None)
            saveable.save_own_variables(weights.make(path, name if isinstance(name, str) else None))
        if hasattr(saveable, "save_assets") and assets is not None:
            saveable.save_assets(assets(path))
        done.add(id(saveable))
        for name, value in children(saveable):
            kept.append(value)
            if is_saveable(value):
                visit(value, _join(path, name))
            else:
                visit_all(value, _join(path, name))

    def visit_all(items, path):
        if id(items) in containers:
            return
        containers.add(id(items))
        for name, item in _named(items):
            if is_saveable(item):
                visit(item, _join(path, name))
            else:
                visit_all(item, _join(path, name))

    visit(saveable, "")


def load(saveable, weights, assets=None, skip_mismatch=False, skip=()):
    """Load the state of `saveable` and of all that it holds.

    weights: has `get(path)`, a mapping to read arrays from, and `has(path)`; assets: a function of a path that gives a
    folder or None; skip_mismatch: warn of what does not fit, and leave it as it is; skip: objects that are left out.
    Raises ValueError that lists what could not be loaded.
    """
    loading = _Loading(weights, assets, skip)
    loading.visit(saveable, "")
    if loading.failed:
        first, error = next(iter(loading.failed.values()))
        message = (
            f"A total of {len(loading.failed)} objects could not be loaded. Example error message for object "
            f"{first}:\n\n{error}\n\nList of objects that could not be loaded:\n"
            f"{[failed for failed, _ in loading.failed.values()]}"
        )
        if not skip_mismatch:
            raise ValueError(message)
        warnings.warn(message, stacklevel=4)


class _Loading:
    def __init__(self, weights, assets, skip):
        self.weights, self.assets = weights, assets
        self.done, self.containers = {id(obj) for obj in skip}, set()
        self.failed = {}  # id -> (object, error)
        self.kept = []

    def visit(self, saveable, path):
        if id(saveable) in self.done:
            return
        before, error = len(self.failed), None
        if hasattr(saveable, "load_own_variables") and self.weights is not None:
            error = self._try(saveable.load_own_variables, self.weights.get(path))
        if hasattr(saveable, "load_assets") and self.assets is not None:
            error = self._try(saveable.load_assets, self.assets(path)) or error
        if error is not None:
            self.failed.setdefault(id(saveable), (saveable, error))
            before += 1
        for name, value in children(saveable):
            self.kept.append(value)
            if is_saveable(value):
                self.visit(value, _join(path, name))
            else:
                self.visit_all(value, _join(path, name))
        if error is None:
            # It may be met again under the path that the file has it at.
            if len(self.failed) <= before:
                self.done.add(id(saveable))
            self.failed.pop(id(saveable), None)

    @staticmethod
    def _try(load, store):
        try:
            load(store)
        except FormatError:
            raise  # a damaged file is no mismatch
        except Exception as error:  # whatever a layer's own code raises is told together with the others'
            return error
        return None

    def visit_all(self, items, path):
        if id(items) in self.containers:
            return
        self.containers.add(id(items))
        for name, item in _named(items):
            inner = _join(path, name)
            if is_saveable(item):
                self.visit(item, inner)
            elif self.weights is None or self.weights.has(inner):
                self.visit_all(item, inner)
            else:
                self._older(item, inner)

    def _older(self, items, path):
        """Lists in lists, which Keras did not save before 3.15: what they hold stays as it was made, with a warning."""
        before = dict(self.failed)
        self.visit_all(items, path)
        if len(self.failed) > len(before):
            warnings.warn(
                f"Skipping nested container at '{path}': no matching group found in the saved file. Affected layers "
                "will retain their freshly-initialized weights.",
                stacklevel=2,
            )
        self.failed = before
