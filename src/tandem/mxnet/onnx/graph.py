"""An ONNX graph while it is written: names, constants, nodes, and one MXNet node as its translation sees it."""

import math

import numpy as np
import torch

from tandem.core.dtypes import numpy_dtype
from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.symbol import evaluate
from tandem.mxnet.symbol.nodes import Entry, visit

OPSET = 13


def library():
    """The `onnx` package.

    Raises ImportError, which says how to install it, where it is missing.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            explain("Onnx and protobuf need to be installed", hint="pip install tandem[onnx] does that.")
        ) from error
    return onnx


def element_type(dtype):
    """ONNX's number of a dtype of torch."""
    onnx = library()
    if dtype is torch.bfloat16:
        return onnx.TensorProto.BFLOAT16
    return onnx.helper.np_dtype_to_tensor_dtype(numpy_dtype(dtype))


def unique(name, taken):
    """A name that is not among those taken, to which it is added: the name itself, or with a number behind it."""
    found, count = name, 0
    while found in taken:
        count += 1
        found = f"{name}_{count}"
    taken.add(found)
    return found


class Writer:
    """Collects nodes and initializers.

    facts: shapes and dtypes of all values; weights: name of a variable -> numpy array.
    """

    def __init__(self, facts, weights):
        self.facts, self.weights = facts, weights
        self.nodes = []
        self.constants = {}  # name -> array
        self.unsized = set()  # ids of nodes that make zeros for a batch of open size: first states
        self._known = {}
        self._taken = set()
        self._values = {}  # what depends on weights alone

    def unique(self, name):
        """A name that nothing has yet, like `name`."""
        return unique(name, self._taken)

    def constant(self, array, name="constant"):
        """The name of a constant; equal ones are kept once."""
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._known:
            self._known[key] = self.unique(name)
            self.constants[self._known[key]] = array
        return self._known[key]

    def value(self, entry):
        """The numpy array of a value that is made of weights alone; None for others."""
        key = id(entry.node), entry.index
        if key in self._values:
            return self._values[key]
        order = visit([entry])
        if any(node.is_variable and node.name not in self.weights for node in order):
            return None
        for node in order:
            if (id(node), 0) in self._values:
                continue
            if node.is_variable:
                self._values[id(node), 0] = self.weights[node.name]
                continue
            for place, array in enumerate(
                run(node, [self._values[id(one.node), one.index] for one in node.inputs], self._open_shape(node))
            ):
                self._values[id(node), place] = array
        return self._values[key]

    def _open_shape(self, node):
        return self.facts.shape(Entry(node)) if node.row.creates and self.facts.was_open(node) else None


def run(node, arrays, shape=None):
    """The outputs of a node for numpy arrays, as numpy arrays."""
    with torch.no_grad():
        tensors = [torch.as_tensor(np.array(array)) for array in arrays]
        results = evaluate.call(node, tensors, False, device=torch.device("cpu"), shape=shape)
    return [result.numpy() for result in results]


class Call:
    """One MXNet node while it is translated.

    a: the operator's attributes, parsed; inputs: the ONNX names of its inputs, in order.
    """

    def __init__(self, writer, node, inputs):
        self.writer, self.node, self.inputs = writer, node, inputs
        self.a = node.binding.attributes
        self.operator = node.row.name
        self.produced = set()
        row = node.row
        self.taken = row.inputs if row.variadic is not None else node.binding.taken

    # --- what is known -----------------------------------------------------------------------------------------------

    def get(self, key):
        """The ONNX name of an input by MXNet's name; None where it is not given."""
        place = self.place(key)
        return self.inputs[place] if place is not None else None

    def place(self, key):
        """The position of an input by MXNet's name, or None."""
        names = list(self.taken)
        place = names.index(key) if key in names else len(self.inputs)
        return place if place < len(self.inputs) else None

    def shape(self, place=0):
        """The shape of an input, with None for what is not known; it must at least be known how many sizes it has."""
        shape = self.writer.facts.shape(self.node.inputs[place])
        if shape is None:
            raise self.refuse("the shape of an input is not known")
        return shape

    def sizes(self, place=0, axes=None):
        """Sizes of an input along some axes (all), which must be known."""
        shape = self.shape(place)
        found = tuple(shape) if axes is None else tuple(shape[axis] for axis in axes)
        if None in found:
            raise self.refuse(f"its translation needs sizes that are not known (input {place} has shape {shape})")
        return found

    def rank(self, place=0):
        """How many axes an input has."""
        return len(self.shape(place))

    def axis(self, key="axis", place=0, extra=0):
        """An attribute that names an axis, counted from the front."""
        rank = self.rank(place) + extra
        axis = self.a[key]
        if not -rank <= axis < rank:
            raise self.refuse(f"{key}={axis} is not among {rank} axes")
        return axis % rank

    def dtype(self, place=0):
        """The torch dtype of an input."""
        return self.writer.facts.dtype(self.node.inputs[place]) or torch.float32

    def out_dtype(self, place=0):
        """The torch dtype of an output."""
        return self.writer.facts.dtype(Entry(self.node, place)) or torch.float32

    def out_shape(self, place=0):
        """The shape of an output, None where nothing is known of it."""
        return self.writer.facts.shape(Entry(self.node, place))

    def value(self, place):
        """The numpy array of an input that is made of weights alone, else None."""
        return self.writer.value(self.node.inputs[place])

    def folded(self):
        """The outputs as constants: for operators whose result depends on their inputs' shapes alone."""
        zeros = [np.zeros(self.sizes(place), numpy_dtype(self.dtype(place))) for place in range(len(self.inputs))]
        opened = self.node.row.creates and self.writer.facts.was_open(self.node)
        arrays = run(self.node, zeros, self.out_shape() if opened else None)
        return [self.add("Identity", self.writer.constant(array, f"{self.node.name}_values")) for array in arrays]

    # --- what is written ---------------------------------------------------------------------------------------------

    def add(self, op_type, *inputs, outputs=1, **attributes):
        """Add an ONNX node; the name of its output, or the names of several.

        inputs: names, or None for those left out.
        """
        names = [self.writer.unique(f"{self.node.name}/{op_type.lower()}") for _ in range(outputs)]
        self.produced.update(names)
        given = [name or "" for name in inputs]
        while given and not given[-1]:
            given.pop()
        attributes = {key: value for key, value in attributes.items() if value is not None}
        self.writer.nodes.append(
            library().helper.make_node(op_type, given, names, name=self.writer.unique(names[0]), **attributes)
        )
        return names[0] if outputs == 1 else tuple(names)

    def ints(self, *values):
        """A constant vector of whole numbers."""
        return self.writer.constant(np.array(values, np.int64).reshape(len(values)), "ints")

    def number(self, value, dtype=None):
        """A constant number, of the first input's dtype."""
        return self.writer.constant(np.array(value, numpy_dtype(dtype or self.dtype())), "number")

    def cast(self, x, dtype):
        """x in another dtype."""
        return self.add("Cast", x, to=element_type(dtype))

    def reshape(self, x, *sizes):
        """x with other sizes: numbers (0: as it is, -1: the rest), or names of vectors of one number."""
        if all(isinstance(size, (int, np.integer)) for size in sizes):
            return self.add("Reshape", x, self.ints(*sizes))
        parts = [self.ints(size) if isinstance(size, (int, np.integer)) else size for size in sizes]
        return self.add("Reshape", x, self.add("Concat", *parts, axis=0))

    def size(self, x, axis, shape=None):
        """The size of x along an axis: a number where `shape` knows it, else the name of a vector of one number."""
        if shape is not None and shape[axis] is not None:
            return shape[axis]
        return self.add("Gather", self.add("Shape", x), self.ints(axis), axis=0)

    def product(self, *sizes):
        """The product of sizes, each a number or a name."""
        known = math.prod(size for size in sizes if not isinstance(size, str))
        names = [size for size in sizes if isinstance(size, str)]
        if not names:
            return known
        found = names[0]
        for name in names[1:]:
            found = self.add("Mul", found, name)
        return found if known == 1 else self.add("Mul", found, self.ints(known))

    def slice(self, x, starts, ends, axes, steps=None):
        """x[starts:ends:steps] along axes."""
        return self.add("Slice", x, self.ints(*starts), self.ints(*ends), self.ints(*axes), steps and self.ints(*steps))

    def unsqueeze(self, x, *axes):
        """x with axes of size 1."""
        return self.add("Unsqueeze", x, self.ints(*axes))

    def squeeze(self, x, *axes):
        """x without axes of size 1."""
        return self.add("Squeeze", x, self.ints(*axes))

    def truth(self, x):
        """x as booleans: what is not 0."""
        return self.cast(x, torch.bool)

    def matmul_transposed(self, x, axes):
        """x with its last two axes swapped, of `axes` in all."""
        order = list(range(axes))
        order[-2:] = order[:-3:-1]
        return self.add("Transpose", x, perm=order)

    # --- what is refused ---------------------------------------------------------------------------------------------

    def refuse(self, reason):
        """The error for a node that ONNX cannot say, or that is not translated."""
        return refusal(self.operator, self.node.name, reason)

    def only(self, condition, reason):
        """Raise that error unless the condition holds."""
        if not condition:
            raise self.refuse(reason)


def refusal(operator, name, reason):
    """MXNetError (also an AttributeError, as MXNet's exporter has it) for a node that is not translated."""
    return NotTranslated(explain(f"Operator {operator} (node {name!r}) cannot be written as ONNX: {reason}"))


class NotTranslated(MXNetError, AttributeError, NotImplementedError):
    """An operator, or a use of it, that has no translation."""
