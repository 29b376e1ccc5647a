"""Running nodes on tensors: as the engine's graph (`core.graph`), which a step of an `Executor` records."""

from functools import partial

import torch

from tandem.core import graph, scope
from tandem.core.dtypes import dtype_name
from tandem.mxnet import context as contexts
from tandem.mxnet.base import MXNetError
from tandem.mxnet.paths import in_graph
from tandem.mxnet.symbol.nodes import SPECIAL, Entry, visit
from tandem.mxnet.views import operator_error, own

_MOST_KINDS = 32  # of inputs' shapes that a symbol's graphs are kept for


def call(node, tensors, training, *, device=None, shape=None, inside=False):
    """The visible outputs of a node for the tensors of its inputs, a tuple.

    training: whether operators behave as in training; device: where operators without inputs make their result;
    shape: what inference found for an operator that makes an array of a shape which it does not say; inside: whether
    the results stay in the graph, where they may be views of the inputs.
    Raises MXNetError where the operator refuses.
    """
    row, binding = node.row, node.binding
    special = SPECIAL.get(row.name)
    function = binding.training if row.modal and training else binding.function
    if special is not None and special.run is not None:
        return special.run(node, tensors, training)
    given = {}
    if row.creates:
        given["device"] = device or (binding.context or contexts.current_context()).torch_device()
        if shape is not None:
            given["shape"] = shape
    tensors = list(tensors)
    for place in row.positions("mutates", len(tensors)):
        if place < len(tensors):
            tensors[place] = tensors[place].data
    for place in row.positions("updates", len(tensors)):
        tensors[place] = tensors[place].detach().clone()
    try:
        if row.differentiable or not torch.is_grad_enabled():
            result = function(*tensors, **given)
        else:
            with torch.no_grad():
                result = function(*tensors, **given)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        if isinstance(error, MXNetError):
            raise
        raise operator_error(row.name, tensors, binding.attributes, error) from error
    results = list(result) if isinstance(result, (tuple, list)) else [result]
    if binding.visible is not None:
        results = results[: binding.visible]
    if scope._current.recording and not all(item.requires_grad for item in results):
        results = in_graph(results, tensors, partial(function, **given) if row.again else None, row.name)
    if row.aliases_input:
        results = [item if inside and _in_rows(item) else own(item, tensors) for item in results]
    return tuple(results)


def _in_rows(tensor):
    """Whether the elements of each row lie side by side, as kernels like them."""
    return tensor.dim() > 0 and tensor.stride(-1) == 1


class Lowered:
    """A symbol as a graph of the engine.

    symbol: what to run; shapes, dtypes: `inference.Facts` of it; devices: node -> torch's device, for nodes on contexts
    of their own. `run(tensors, training, watch)` gives the outputs.
    """

    def __init__(self, symbol, facts, devices=None):
        self.order = visit(symbol._entries)
        self.devices = devices or {}
        self._training = False
        self._watch = None
        self._values = {}
        self._heads = {id(entry.node) for entry in symbol._entries}
        self.variables = [node for node in self.order if node.is_variable]
        for node in self.order:
            if node.is_variable:
                self._values[id(node), 0] = self._symbolic(facts, node, 0)
            else:
                self._lower(node, facts)
        self.graph = graph.Graph(
            [self._values[id(node), 0] for node in self.variables],
            [self._values[id(entry.node), entry.index] for entry in symbol._entries],
        )

    @staticmethod
    def _symbolic(facts, node, place):
        entry = Entry(node, place)
        shape, dtype = facts.shape(entry) or (), facts.dtype(entry) or torch.float32
        return graph.Symbolic(shape, dtype_name(dtype), name=node.output_names()[place])

    def _lower(self, node, facts):
        args = tuple(self._values[id(entry.node), entry.index] for entry in node.inputs)
        made = graph.Node(self._operation(node, facts), args, {})
        made.outputs = tuple(self._symbolic(facts, node, place) for place in range(node.visible))
        for place, value in enumerate(made.outputs):
            value.node, value.index = made, place
            self._values[id(node), place] = value

    def _operation(self, node, facts):
        device = self.devices.get(id(node))
        shape = facts.shape(Entry(node, 0)) if node.row.creates and facts.was_open(node) else None
        inside = id(node) not in self._heads

        def operation(*tensors):
            if device is not None:
                tensors = [tensor.to(device) for tensor in tensors]
            watch = self._watch
            if watch is not None:
                tensors = watch(node, tensors, None)
            results = call(node, tensors, self._training, device=device, shape=shape, inside=inside)
            if watch is not None:
                watch(node, tensors, results)
            return results

        return operation

    def run(self, tensors, training, watch=None):
        """The outputs, a list.

        tensors: of the variables, in the order of `variables`; watch(node, inputs, results): called for each node,
        before (results None; it gives the inputs to use) and after.
        """
        self._training, self._watch = training, watch
        try:
            return self.graph.run(tensors)
        finally:
            self._watch = None


def run_as_operator(symbol, kinds, given, facts, values, watch=None):
    """The tensors of a symbol's outputs, which autograd records as it does an operator's.

    kinds: where the symbol's graphs are kept from call to call, by the shapes of `given`; facts(given): what is known
    of a new kind; values: name of a variable -> its array; watch: see `Lowered.run`.
    """
    key = tuple([array.shape for array in given])
    lowered = kinds.get(key)
    if lowered is None:
        if len(kinds) >= _MOST_KINDS:
            kinds.clear()
        lowered = kinds[key] = Lowered(symbol, facts(given))
    tensors = [values[node.name]._tensor for node in lowered.variables]
    before = torch.is_grad_enabled()
    torch._C._set_grad_enabled(before and bool(scope.is_recording()))
    try:
        return lowered.run(tensors, bool(scope.is_training()), watch)
    finally:
        torch._C._set_grad_enabled(before)
