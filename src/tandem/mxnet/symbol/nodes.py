"""What a `Symbol` is made of: nodes, which are operators applied to entries, or variables.

A node keeps its attributes as strings, as MXNet does and as its files have them; parsed ones are made of these when
they are needed. Nodes are shared between symbols and never changed, but by `Symbol._set_attr` and while a symbol is
composed, which works on copies.
"""

from typing import NamedTuple

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.symbol.outputs import outputs_of
from tandem.mxnet.views import _Binding

# Attributes that speak of a node, not to its operator: MXNet writes them with underscores around.
HIDDEN = ("ctx_group", "lr_mult", "wd_mult", "force_mirroring", "mirror_stage", "profiler_scope")

# Operators whose inputs and outputs are told by more than their row: name -> an object with `inputs(attributes)`,
# `output_names(node)`, `mutated(node)` and `infer(node, shapes)`.
SPECIAL = {}


class Entry(NamedTuple):
    """One output of a node. version: how many nodes before have written a variable."""

    node: "Node"
    index: int = 0
    version: int = 0


class Node:
    """An operator applied to entries; a variable where `row` is None.

    attrs: strings by name; inputs: entries; subgraphs: the symbols of a loop's or branch's bodies.
    """

    __slots__ = ("_binding", "_outputs", "attrs", "inputs", "name", "row", "subgraphs", "version", "written")

    def __init__(self, row, name, attrs=None, inputs=(), subgraphs=(), written=None):
        self.row, self.name, self.attrs = row, name, attrs or {}
        self.inputs, self.subgraphs = list(inputs), list(subgraphs)
        self.written = written or (row.name if row is not None else "null")  # the operator's name in files
        self.version = 0
        self._binding = self._outputs = None

    def copy(self):
        """The same node with inputs and attributes of its own."""
        twin = Node(self.row, self.name, dict(self.attrs), self.inputs, self.subgraphs, self.written)
        twin.version = self.version
        twin._binding, twin._outputs = self._binding, self._outputs
        return twin

    @property
    def is_variable(self):
        """Whether it stands for a value from outside."""
        return self.row is None

    @property
    def binding(self):
        """The operator with its attributes, parsed.

        Raises MXNetError where they cannot be read.
        """
        if self._binding is None:
            self._binding = _Binding(self.row, self.parameters())
        return self._binding

    def parameters(self):
        """The attributes that speak to the operator, as strings."""
        return {key: value for key, value in self.attrs.items() if not (key.startswith("__") and key.endswith("__"))}

    def forget(self):
        """Parse the attributes anew: they were changed."""
        self._binding = self._outputs = None

    def _names(self):
        if self._outputs is None:
            if self.row is None:
                self._outputs = ((self.name,), 1)
            else:
                attributes = self.binding.attributes
                special = SPECIAL.get(self.row.name)
                if special is not None:
                    names = tuple(special.output_names(self))
                    self._outputs = names, len(names)
                else:
                    self._outputs = outputs_of(self.row, attributes, len(self.inputs))
        return self._outputs

    def output_names(self):
        """The names of the outputs that users see."""
        names = self._names()[0]
        return list(names) if self.row is None else [f"{self.name}_{name}" for name in names]

    def input_names(self):
        """The names of an operator's inputs, as monitors are told of them."""
        count = len(self.inputs)
        names = self.binding.taken if self.row.variadic is None else [f"arg{place}" for place in range(count)]
        return [f"{self.name}_{names[place] if place < len(names) else f'input{place}'}" for place in range(count)]

    @property
    def visible(self):
        """How many outputs users see."""
        return len(self._names()[0])

    @property
    def total(self):
        """How many outputs files count."""
        return self._names()[1]

    def mutated(self):
        """The positions of inputs that the operator writes: auxiliary states."""
        row, count = self.row, len(self.inputs)
        if row is None:
            return ()
        special = SPECIAL.get(row.name)
        if special is not None:
            return special.mutated(self)
        return row.positions("mutates", count)

    def update_versions(self):
        """Number what the node reads and writes anew.

        Raises MXNetError where it would write something that is no variable.
        """
        for place, entry in enumerate(self.inputs):
            if entry.node.is_variable:
                self.inputs[place] = Entry(entry.node, entry.index, entry.node.version)
        for place in self.mutated():
            if place >= len(self.inputs):
                continue
            variable = self.inputs[place].node
            if not variable.is_variable:
                raise MXNetError(
                    explain(
                        f"Operator {self.row.name} writes its input {place}, so that it must be a variable",
                        expected="an mx.sym.Variable",
                        given=f"the output of {variable.name}",
                    )
                )
            variable.version += 1
            self.inputs[place] = Entry(variable, 0, variable.version)


def visit(entries):
    """All nodes below some entries, inputs first, in MXNet's order: depth first (no recursion: graphs may be deep)."""
    order, seen = [], set()
    for head in entries:
        if id(head.node) in seen:
            continue
        seen.add(id(head.node))
        stack = [(head.node, 0)]
        while stack:
            node, place = stack.pop()
            while place < len(node.inputs):
                child = node.inputs[place].node
                place += 1
                if id(child) not in seen:
                    seen.add(id(child))
                    stack.append((node, place))
                    stack.append((child, 0))
                    break
            else:
                order.append(node)
    return order


def copy_graph(entries):
    """The same entries of copies of all nodes."""
    twins = {}
    for node in visit(entries):
        twin = twins[id(node)] = node.copy()
        twin.inputs = [Entry(twins[id(entry.node)], entry.index, entry.version) for entry in node.inputs]
    return [Entry(twins[id(entry.node)], entry.index, entry.version) for entry in entries]


def auxiliary(order):
    """The ids of the variables that a node writes."""
    return {id(node.inputs[place].node) for node in order for place in node.mutated() if place < len(node.inputs)}
