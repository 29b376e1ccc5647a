"""How Keras 2's backend functions take symbolic values: functions as nodes, sizes of batches, gradients."""

import contextlib
import numbers
import operator

import numpy as np
import torch

from tandem.core import arrays, graph, scope
from tandem.core.gradients import gradients as of_tensors
from tandem.keras import tensors
from tandem.keras.symbolic import KerasTensor, Operation, any_symbolic, bound, with_values


class SizeOf(Operation):
    """The size of axis `axis` of a tensor, as an integer tensor."""

    def __init__(self, axis, name=None):
        super().__init__(name=name)
        self.axis = axis

    def call(self, x):
        """``x.shape[axis]``."""
        return torch.tensor(x.shape[self.axis], dtype=torch.int32)

    def compute_output_spec(self, x):
        """A scalar."""
        return KerasTensor((), "int32", name="spec")


class _Size:
    """Stands for a size among a node's arguments: axis `axis` of source number `source`."""

    def __init__(self, source, axis):
        self.source, self.axis = source, axis


class Apply(Operation):
    """A function of tensors, and of sizes of other tensors, as an operation."""

    def __init__(self, function, name=None):
        super().__init__(name=name)
        self.function = function

    def call(self, sources, args, kwargs):
        """``function(*args, **kwargs)`` with each size filled in from `sources`."""
        args, kwargs = arrays.map_tree(
            lambda leaf: sources[leaf.source].shape[leaf.axis] if isinstance(leaf, _Size) else leaf, (args, kwargs)
        )
        return self.function(*args, **kwargs)

    def compute_output_spec(self, sources, args, kwargs):
        """By running the function on the meta device."""
        return super().compute_output_spec(sources, args, kwargs)


def apply(function, *args, **kwargs):
    """`function` on tensors; with symbolic values among the arguments, a node of their graph.

    A size that `shape` gave for an axis of unknown size may stand wherever the function takes an integer.
    """
    if bound.values is not None:
        args, kwargs = with_values((args, kwargs))
    if not any_symbolic(args, kwargs):
        return function(*args, **kwargs)
    sources = []

    def swap(leaf):
        maker = leaf.node.operation if isinstance(leaf, KerasTensor) and leaf.node is not None else None
        if not isinstance(maker, SizeOf):
            return leaf
        sources.append(leaf.node.inputs[0])
        return _Size(len(sources) - 1, maker.axis)

    args, kwargs = arrays.map_tree(swap, (args, kwargs))
    return Apply(function).symbolic_call(sources, args, kwargs)


def _entrywise(operation, swapped=False):
    def method(self, other=None):
        if other is None:
            return Sizes(map(operation, self))
        if isinstance(other, np.ndarray):
            other = other.tolist()
        if isinstance(other, (list, tuple)):
            if len(other) != len(self) and 1 not in (len(other), len(self)):
                return NotImplemented
            count = max(len(self), len(other))
            pairs = zip(
                list(self) * count if len(self) == 1 else self, list(other) * count if len(other) == 1 else other
            )
        elif isinstance(other, (numbers.Number, KerasTensor)) or getattr(other, "ndim", None) == 0:
            pairs = ((one, other) for one in self)
        elif isinstance(other, torch.Tensor) and not any_symbolic(self):
            vector = torch.tensor(self, device=other.device)
            return operation(other, vector) if swapped else operation(vector, other)
        else:
            return NotImplemented
        return Sizes(operation(b, a) if swapped else operation(a, b) for a, b in pairs)

    return method


class Sizes(tuple):
    """A shape that counts as a vector of whole numbers, as TensorFlow's and Theano's shapes do: ``sizes[1:3] * 2``.

    Slices are `Sizes` again, ``[..., ::-1]`` among them.
    """

    __slots__ = ()

    def __getitem__(self, index):
        if index is Ellipsis or isinstance(index, tuple):
            rest = [part for part in (index if isinstance(index, tuple) else ()) if part is not Ellipsis]
            index = rest[0] if len(rest) == 1 else slice(None) if not rest else index
        picked = super().__getitem__(index)
        return Sizes(picked) if isinstance(index, slice) else picked

    __add__, __radd__ = _entrywise(operator.add), _entrywise(operator.add, swapped=True)
    __sub__, __rsub__ = _entrywise(operator.sub), _entrywise(operator.sub, swapped=True)
    __mul__, __rmul__ = _entrywise(operator.mul), _entrywise(operator.mul, swapped=True)
    __floordiv__, __rfloordiv__ = _entrywise(operator.floordiv), _entrywise(operator.floordiv, swapped=True)
    __truediv__, __rtruediv__ = _entrywise(operator.truediv), _entrywise(operator.truediv, swapped=True)
    __mod__, __pow__ = _entrywise(operator.mod), _entrywise(operator.pow)
    __neg__ = _entrywise(operator.neg)


def shape(x):
    """The shape of x as `Sizes`; of a symbolic value with a symbolic scalar for each size that is not known."""
    if not isinstance(x, KerasTensor):
        return Sizes(tensors.convert(x).shape)
    return Sizes(SizeOf(axis).symbolic_call(x) if size is None else size for axis, size in enumerate(x.shape))


def roots(values):
    """The symbolic values that some others come from in the end: inputs and placeholders, in the order of a walk."""
    found, seen, stack = [], set(), list(reversed(values))
    while stack:
        value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if value.node is None or not value.node.inputs:
            found.append(value)
        else:
            stack.extend(reversed(value.node.inputs))
    return found


def ancestors(value):
    """The ids of the values that `value` depends on, its own among them."""
    seen, stack = set(), [value]
    while stack:
        value = stack.pop()
        if id(value) not in seen:
            seen.add(id(value))
            stack.extend(value.node.inputs if value.node is not None else ())
    return seen


def _learnable(value):
    """`value` itself where its gradient is recorded, else a copy that begins a record."""
    if not value.is_floating_point() or value.requires_grad:
        return value
    return value.detach().requires_grad_()


class Gradients(Operation):
    """The gradients of the sum of a symbolic value with respect to values of its graph and to variables.

    loss: a KerasTensor; targets: KerasTensors and `Variable`s. The operation takes the values of `inputs`, the roots
    of the graph, and runs it once more with gradients recorded.
    """

    def __init__(self, loss, targets, name=None):
        super().__init__(name=name)
        self.targets = targets
        symbolic = [target for target in targets if isinstance(target, KerasTensor)]
        self.inputs = roots([loss, *symbolic])
        self._graph = graph.Graph(self.inputs, [loss, *symbolic])
        self._ids = {id(target) for target in symbolic}

    def call(self, *values):
        """A list of tensors, in the order of the targets; zeros where the loss does not depend on one."""
        again = torch.is_grad_enabled()
        with torch.enable_grad(), scope.eagerly(), _phase(self.inputs, values):
            values = [_learnable(value) for value in values]
            loss, *symbolic = self._graph.run(values, self._run)
            symbolic = iter(symbolic)
            wanted = [
                next(symbolic) if isinstance(target, KerasTensor) else tensors.convert(target)
                for target in self.targets
            ]
            found = _found(loss, wanted, create_graph=again)
            return [torch.zeros_like(tensor) if one is None else one for tensor, one in zip(wanted, found, strict=True)]

    def _run(self, node, args, kwargs):
        result = node.operation(*args, **kwargs)
        outputs = node.outputs
        if isinstance(outputs, KerasTensor) and id(outputs) in self._ids and isinstance(result, torch.Tensor):
            return _learnable(result)
        return result

    def compute_output_spec(self, *values):
        """One result to a target, of its shape and dtype."""
        return [KerasTensor(target.shape, target.dtype, name="spec") for target in self.targets]


def _found(loss, wanted, create_graph):
    """The gradients of the sum of `loss` with respect to tensors, None where it does not depend on one."""
    able = [tensor for tensor in wanted if tensor.requires_grad]
    if not able or not loss.requires_grad:
        return [None for _ in wanted]
    found = iter(of_tensors([loss], able, [torch.ones_like(loss)], retain_graph=True, create_graph=create_graph))
    return [next(found) if tensor.requires_grad else None for tensor in wanted]


def gradients(loss, variables):
    """The gradients of the sum of `loss` with respect to each of `variables`, a list.

    loss: symbolic, or a tensor whose history torch recorded; variables: symbolic values, tensors, `Variable`s. None
    stands where the loss does not depend on one, as far as the graph shows.
    """
    variables = list(variables) if isinstance(variables, (list, tuple)) else [variables]
    if isinstance(loss, (list, tuple)):
        from tandem.keras.ops import NAMES

        total, add, summed = None, NAMES["add"], NAMES["sum"]
        for one in loss:
            total = summed(one) if total is None else add(total, summed(one))
        loss = total
    if bound.values is not None:
        loss, variables = with_values((loss, variables))
    if not isinstance(loss, KerasTensor):
        wanted = [tensors.convert(variable) for variable in variables]
        return _found(tensors.convert(loss), wanted, create_graph=torch.is_grad_enabled())
    known = ancestors(loss)
    reached = [one for one in variables if not isinstance(one, KerasTensor) or id(one) in known]
    results = iter(())
    if reached:
        operation = Gradients(loss, reached)
        results = iter(operation.symbolic_call(*operation.inputs))
    return [next(results) if any(one is other for other in reached) else None for one in variables]


# --- the learning phase ----------------------------------------------------------------------------------------------
class _Phase:
    value = None  # what set_learning_phase said: 0, 1, or None
    symbol = None  # the placeholder that stands for it


def learning_phase():
    """1 in training and 0 in inference, where it is known: inside a layer's call, and after `set_learning_phase`.

    Elsewhere a symbolic value, which `K.function` takes as an input.
    """
    if _Phase.value is not None:
        return _Phase.value
    from tandem.keras.layers import base

    if base._calls.entry is not None or scope.is_training() is not None or graph.on_meta():
        return int(bool(scope.is_training()))
    if _Phase.symbol is None:
        _Phase.symbol = KerasTensor((), "bool", name="keras_learning_phase")
    return _Phase.symbol


def set_learning_phase(value):
    """Say for all calls that do not say it themselves whether they are training (1) or inference (0).

    Raises ValueError for other values.
    """
    if value not in (0, 1):
        raise ValueError("Expected learning phase to be 0 or 1.")
    _Phase.value = int(value)
    scope.set_training(bool(value))


def reset_learning_phase():
    """Forget what `set_learning_phase` said."""
    if _Phase.value is not None:
        scope.set_training(None)
    _Phase.value = None


@contextlib.contextmanager
def learning_phase_scope(value):
    """Run a block with the learning phase set to 0 or 1. Raises ValueError for other values."""
    if value not in (0, 1):
        raise ValueError("Expected learning phase to be 0 or 1.")
    before, _Phase.value = _Phase.value, int(value)
    try:
        with scope.training(bool(value)):
            yield
    finally:
        _Phase.value = before


def is_learning_phase(value):
    """Whether `value` is the symbolic learning phase."""
    return value is _Phase.symbol and value is not None


def _phase(inputs, values):
    """The training flag as the value for the learning phase among some inputs says it."""
    for symbol, value in zip(inputs, values, strict=True):
        if is_learning_phase(symbol):
            return scope.training(bool(value))
    return contextlib.nullcontext()


class InTrainPhase(Operation):
    """`x` in training, `alt` otherwise."""

    def __init__(self, flag=None, name=None):
        super().__init__(name=name)
        self.flag = flag

    def call(self, x, alt):
        """One of the two."""
        flag = scope.is_training() if self.flag is None else self.flag
        return x if flag else alt


def in_train_phase(x, alt, training=None):
    """`x` in training and `alt` in inference; each a value, or a function without arguments that gives it.

    training: True or False, or None for the learning phase.
    """
    if training is None:
        training = learning_phase()
    if isinstance(training, KerasTensor):
        first, second = _called(x), _called(alt)
        return InTrainPhase().symbolic_call(first, second)
    return _called(x) if training else _called(alt)


def _called(x):
    return x() if callable(x) and not tensors.is_tensor(x) and not isinstance(x, graph.Symbolic) else x
