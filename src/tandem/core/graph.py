"""The one graph that both front ends build: symbolic values, nodes, inference of shapes, evaluation.

A symbolic value has a shape (None where a size is not known) and a dtype, and knows the node that makes it. Shapes
and dtypes of results come from running the operation itself on torch's `meta` device, which computes sizes and
nothing else.
"""

import contextlib

import numpy as np
import torch
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_map_only

from tandem.core import arrays
from tandem.core.dispatch import DispatchMode, without_compiler
from tandem.core.dtypes import dtype_name, torch_dtype
from tandem.core.errors import explain

# Two sizes to try for each unknown dimension: a result's dimension that differs between them is unknown too. Multiples
# of 64, so that stacks of strides and poolings divide them.
_TRIAL_SIZES = (192, 320)


class Symbolic:
    """A value that a graph will have: shape, dtype, and the node and output index that make it."""

    def __init__(self, shape, dtype="float32", *, name=None, node=None, index=0):
        self.shape = tuple(shape)
        self.dtype = dtype_name(dtype)
        self.name = name
        self.node = node
        self.index = index

    @property
    def ndim(self):
        """The number of dimensions."""
        return len(self.shape)

    def __repr__(self):
        return f"<{type(self).__name__} shape={self.shape}, dtype={self.dtype}, name={self.name}>"


class Node:
    """One application of an operation to arguments, some of them symbolic; `outputs` is a tree of symbolic values."""

    def __init__(self, operation, args, kwargs):
        self.operation = operation
        self.args = args
        self.kwargs = kwargs
        self.inputs = symbolics(args, kwargs)
        self.outputs = None

    @property
    def parents(self):
        """The nodes whose outputs this one takes."""
        return [value.node for value in self.inputs if value.node is not None]


def symbolics(*trees):
    """The symbolic leaves of some trees, in order."""
    return [leaf for leaf in arrays.leaves(trees) if isinstance(leaf, Symbolic)]


def apply(operation, args, kwargs, kind=Symbolic, spec=None):
    """Add a node that applies `operation`; return its outputs, a tree of `kind`.

    spec: the outputs' tree of `Symbolic`s where it is already known; else `infer` finds it.
    """
    node = Node(operation, args, kwargs)
    if spec is None:
        spec = infer(operation, args, kwargs)
    values = []

    def make(leaf):
        if not isinstance(leaf, Symbolic):
            return leaf
        values.append(kind(leaf.shape, leaf.dtype, name=leaf.name, node=node, index=len(values)))
        return values[-1]

    node.outputs = arrays.map_tree(make, spec)
    return node.outputs


class _OnMeta(DispatchMode):
    """Run every operation on the meta device, whatever device its tensors are on."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        args, kwargs = tree_map_only(torch.Tensor, _to_meta, (args, kwargs or {}))
        if "device" in kwargs or not _has_tensor(args, kwargs):
            kwargs["device"] = torch.device("meta")
        kwargs.pop("generator", None)
        if func._overloadname.endswith("generator"):
            kwargs["generator"] = None  # which such an overload asks for
        return func(*args, **kwargs)


def _to_meta(tensor):
    if tensor.device.type == "meta":
        return tensor
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def _has_tensor(args, kwargs):
    pending = [*args, *kwargs.values()]
    for value in pending:
        if isinstance(value, torch.Tensor):
            return True
        if isinstance(value, (list, tuple)):
            pending.extend(value)
    return False


def infer(function, args=(), kwargs=None):
    """The shapes and dtypes of `function`'s results, as a tree of `Symbolic`s, without computing them.

    Symbolic arguments stand for tensors; their unknown dimensions give unknown dimensions of the results.
    Raises ValueError where the sizes do not fit.
    """
    kwargs = kwargs or {}
    known = all(None not in value.shape for value in symbolics(args, kwargs))
    first = _run_on_meta(function, args, kwargs, _TRIAL_SIZES[0])
    second = first if known else _run_on_meta(function, args, kwargs, _TRIAL_SIZES[1])
    return _specs(first, second)


def _specs(first, second):
    """What two runs gave, as symbolic values: sizes in which they differ are unknown."""
    others = iter(arrays.leaves(second))

    def spec(leaf):
        other = next(others)
        if not isinstance(leaf, torch.Tensor):
            return leaf
        shape = tuple(a if a == b else None for a, b in zip(leaf.shape, other.shape, strict=True))
        return Symbolic(shape, leaf.dtype)

    return arrays.map_tree(spec, first)


def reads_values(error):
    """Whether an error of a run on the meta device says that a value was asked for, which no tensor has there."""
    words = ("meta tensor", "unallocated storage")
    return isinstance(error, (RuntimeError, NotImplementedError)) and any(word in str(error) for word in words)


def infer_by_running(function, args=(), kwargs=None, *, device=None):
    """`infer` for a function that the meta device cannot run (it reads values): run it on zeros of two sizes.

    device: where the zeros are. Raises what the function raises on them.
    """
    runs = []
    for batch, size in ((2, 64), (3, 128)):
        zeros = zeros_like((args, kwargs or {}), batch=batch, size=size, device=device)
        with torch.no_grad(), _disable_current_modes():
            runs.append(function(*zeros[0], **zeros[1]))
    return _specs(*runs)


def zeros_like(tree, *, batch=2, size=64, device=None):
    """A tree with zeros for its symbolic values and meta tensors.

    batch, size: what stands in for unknown sizes of the first axis and of others.
    """

    def zeros(leaf):
        symbolic = isinstance(leaf, Symbolic)
        if not symbolic and not (isinstance(leaf, torch.Tensor) and leaf.is_meta):
            return leaf
        unknown = (None,) if symbolic and None in leaf.shape else _TRIAL_SIZES
        shape = [dim if dim not in unknown else size if axis else batch for axis, dim in enumerate(leaf.shape)]
        with _disable_current_modes():
            return torch.zeros(shape, dtype=torch_dtype(leaf.dtype), device=device)

    return arrays.map_tree(zeros, tree)


def _run_on_meta(function, args, kwargs, size):
    def stand_in(leaf):
        if not isinstance(leaf, Symbolic):
            return leaf
        shape = [size if dim is None else dim for dim in leaf.shape]
        return torch.empty(shape, dtype=torch_dtype(leaf.dtype), device="meta")

    args, kwargs = arrays.map_tree(stand_in, (args, kwargs))
    with torch.no_grad(), without_compiler(), _OnMeta():
        return function(*args, **kwargs)


def on_meta():
    """Whether shapes are being inferred: the code that runs now computes no values."""
    return any(isinstance(mode, _OnMeta) for mode in torch.utils._python_dispatch._get_current_dispatch_mode_stack())


def off_meta():
    """A block that computes values, as of weights and constants, also where shapes are being inferred."""
    return _disable_current_modes() if on_meta() else contextlib.nullcontext()


class Graph:
    """The nodes between some inputs and outputs, in an order in which they can be run.

    inputs: a list of `Symbolic`s; outputs: a tree of them. Raises ValueError where an output needs a value that is not
    among the inputs.
    """

    def __init__(self, inputs, outputs):
        self.inputs = list(inputs)
        self.outputs = outputs
        self.nodes = self._sort()
        self._steps = self._compiled()

    def __getstate__(self):
        # The nodes first: each refers to earlier ones only, so that copying a deep graph does not recurse deeply.
        return {"nodes": self.nodes, "inputs": self.inputs, "outputs": self.outputs}

    def __setstate__(self, state):
        self.__dict__.update(state)
        # What was compiled knows the values by their identity.
        self._steps = self._compiled()

    def _sort(self):
        """The nodes in topological order, depth first from the outputs (no recursion: graphs may be deep)."""
        given = {id(value) for value in self.inputs}
        order, done = [], set()
        stack = [(value, False) for value in reversed(symbolics(self.outputs))]
        while stack:
            value, visited = stack.pop()
            node = value.node
            if id(value) in given or id(node) in done:
                continue
            if node is None:
                raise ValueError(
                    explain(
                        "The graph is disconnected: an output depends on a value that is not among the inputs",
                        expected=f"all of its inputs among {self.inputs}",
                        given=f"{value} is missing",
                    )
                )
            if visited:
                done.add(id(node))
                order.append(node)
                continue
            stack.append((value, True))
            stack.extend((parent, False) for parent in reversed(node.inputs))
        return order

    def _compiled(self):
        """(node, fill, targets, spent) of each node: `fill(values)` gives the arguments, `targets` are the outputs'
        ids, `spent` the ids of values that nobody needs after it: a model's activations would else all live until its
        last one is there.
        """
        needed, steps = {id(value) for value in symbolics(self.outputs)}, []
        for node in reversed(self.nodes):
            fill, targets = self._compile(node)
            spent = {*targets, *(id(value) for value in node.inputs)} - needed
            needed |= spent
            steps.append((node, fill, targets, tuple(spent)))
        return steps[::-1]

    @staticmethod
    def _compile(node):
        args, kwargs = node.args, node.kwargs
        targets = [id(value) for value in symbolics(node.outputs)]
        if len(args) == 1 and isinstance(args[0], Symbolic) and not symbolics(kwargs):
            key = id(args[0])
            return lambda values: ((values[key],), kwargs), targets

        def fill(values):
            return arrays.map_tree(
                lambda leaf: values[id(leaf)] if isinstance(leaf, Symbolic) else leaf, (args, kwargs)
            )

        return fill, targets

    def run(self, feed, call=None):
        """Evaluate the outputs.

        feed: the inputs' values, in their order; call(node, args, kwargs): how to run a node, by default its operation.
        """
        values = {id(value): given for value, given in zip(self.inputs, feed, strict=True)}
        for node, fill, targets, spent in self._steps:
            args, kwargs = fill(values)
            result = node.operation(*args, **kwargs) if call is None else call(node, args, kwargs)
            if len(targets) == 1 and isinstance(result, torch.Tensor):
                values[targets[0]] = result
            else:
                leaves = [leaf for leaf in arrays.leaves(result) if _is_value(leaf)]
                values.update(zip(targets, leaves, strict=True))
            for key in spent:
                del values[key]
        return arrays.map_tree(lambda leaf: values[id(leaf)] if isinstance(leaf, Symbolic) else leaf, self.outputs)


def _is_value(leaf):
    # An array of NumPy's is one of strings, which no tensor holds.
    return isinstance(leaf, (torch.Tensor, Symbolic, arrays.Array, np.ndarray))


__all__ = ["Graph", "Node", "Symbolic", "apply", "infer", "on_meta", "symbolics"]
