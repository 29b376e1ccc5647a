"""Reading an ONNX graph: what is known of its values, and one node as its translation sees it."""

import math

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.onnx.graph import library, unique

# Constants that are worked out when a file is read have at most so many numbers.
_MOST_FOLDED = 1 << 26
# Arrays of more numbers than that are weights: they stay as the file has them, under their names.
_WEIGHT = 1024
_PASSES = 8  # of inference of shapes and working out
# Operators whose results may be far larger than what they are given.
_GROWING = {"ConstantOfShape", "Expand", "Tile", "Range", "OneHot", "Pad", "Resize", "Upsample", "EyeLike"}
# dtypes of arrays, and what stands for those that MXNet does not have.
_DTYPES = ("float16", "float32", "float64", "int8", "int32", "int64", "uint8")
_OTHER_DTYPES = {"bool": "int32", "int16": "int32", "uint16": "int32", "uint32": "int64", "bfloat16": "float32"}
_RANDOM = ("Random", "Multinomial", "Bernoulli", "Dropout")


class NotImported(MXNetError, NotImplementedError):
    """An ONNX operator, or a use of it, that MXNet has no words for."""


def array_of(tensor):
    """A TensorProto's values, numpy.

    Raises MXNetError where its shape, its dtype and its values do not fit.
    """
    try:
        return library().numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise MXNetError(explain(f"The ONNX file's tensor {tensor.name!r} is not valid", given=error)) from error


class Size:
    """A size that the file leaves open: that of an axis of a value. Those of one label are the same number."""

    def __init__(self, value, axis, label):
        self.value, self.axis, self.label = value, axis, label or (value, axis)


class Reader:
    """The values of an ONNX graph as symbols.

    model: a ModelProto, already checked. `outputs()` are the graph's outputs; `arguments` and `states` then hold the
    arrays of their parameters by name.
    """

    def __init__(self, model):
        self.versions = {one.domain: one.version for one in model.opset_import}
        self.opset = self.versions.get("", self.versions.get("ai.onnx", 1))
        self.graph = model.graph
        self.constants = {one.name: array_of(one) for one in model.graph.initializer}
        self.symbols, self.partial = {}, {}
        self.shapes, self.labels, self.dtypes = {}, {}, {}
        self.arguments, self.states = {}, {}
        self._names, self._told = set(), []
        self._outputs = {value.name for value in model.graph.output}
        self._ops = [Op(self, node) for node in model.graph.node]
        self._makers = {name: op for op in self._ops for name in op.node.output if name}
        self._settle(model)

    def _settle(self, model):
        """Find shapes and what follows from them, which may give more shapes, until nothing new comes."""
        onnx = library()
        known = -1
        for _ in range(_PASSES):
            try:
                graph = onnx.shape_inference.infer_shapes(self._light(model), data_prop=True).graph
            except Exception as error:  # inference raises types of its own
                raise MXNetError(explain(f"The ONNX file's shapes do not fit: {error}")) from error
            for value in [*graph.input, *graph.output, *graph.value_info]:
                self._note(value)
            self.partial = {}
            for op in self._ops:
                node = op.node
                if node.output[0] not in self.constants and not self._fold(node, op):
                    self._sizes(node, op)
                    self._shape_from_sizes(node)
            if len(self.constants) + len(self._told) == known:
                break
            known = len(self.constants) + len(self._told)

    def _shape_from_sizes(self, node):
        """The shape of what is made with a vector of sizes, where inference does not follow those."""
        place = {"Reshape": 1, "Expand": 1, "ConstantOfShape": 0}.get(node.op_type)
        name = node.output[0]
        if place is None or name in self.shapes or place >= len(node.input):
            return
        sizes = self.vector(node.input[place])
        if sizes is not None:
            self.shapes[name] = tuple(size if isinstance(size, int) and size > 0 else None for size in sizes)
            labels = [size.label if isinstance(size, Size) else "" for size in sizes]
            self.labels[name] = tuple(label if isinstance(label, str) else "" for label in labels)
            self._told.append(name)

    def _light(self, model):
        """The model without what is worked out already, and with the shapes of weights in their place."""
        onnx = library()
        helper = onnx.helper
        inputs = [value for value in model.graph.input if value.name not in self.constants]
        small = []
        for name, array in self.constants.items():
            self.shapes[name] = array.shape
            if array.size > _WEIGHT:
                inputs.append(
                    helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
                )
            else:
                small.append(onnx.numpy_helper.from_array(array, name))
        nodes = [node for node in model.graph.node if any(name not in self.constants for name in node.output if name)]
        told = [
            helper.make_tensor_value_info(name, self.dtypes.get(name) or onnx.TensorProto.FLOAT, shape)
            for name in self._told
            if name not in self._outputs
            for shape in [[size or label or None for size, label in zip(self.shapes[name], self.labels[name])]]
        ]
        graph = helper.make_graph(nodes, "shapes", inputs, list(model.graph.output), small, value_info=told)
        return helper.make_model(graph, opset_imports=list(model.opset_import), functions=list(model.functions))

    def _note(self, value):
        tensor = value.type.tensor_type
        self.dtypes[value.name] = tensor.elem_type
        if tensor.HasField("shape"):
            self.shapes[value.name] = tuple(
                one.dim_value if one.HasField("dim_value") and one.dim_value > 0 else None for one in tensor.shape.dim
            )
            self.labels[value.name] = tuple(one.dim_param for one in tensor.shape.dim)

    def outputs(self):
        """The symbols of the graph's outputs."""
        from tandem.mxnet import symbol

        for value in self.graph.input:
            if value.name not in self.constants:
                self.symbols[value.name] = symbol.var(value.name)
        for op in self._ops:
            name = op.node.output[0]
            if name not in self.constants and name not in self.partial:
                self._translate(op)
        return [self.symbol(value.name) for value in self.graph.output]

    def unique(self, name):
        """A name that no node has yet."""
        return unique(name, self._names)

    def symbol(self, name):
        """The symbol of a value; a constant becomes a parameter, a variable of its name."""
        if name not in self.symbols and name in self.partial:  # sizes that are wanted as an array
            self._translate(self._makers[name])
        if name in self.symbols:
            return self.symbols[name]
        if name not in self.constants:
            raise MXNetError(explain("An ONNX node takes a value that nothing makes before", given=name))
        self.symbols[name] = self.parameter(name, self.constants[name])
        return self.symbols[name]

    def parameter(self, name, array, state=False):
        """A variable for an array that belongs to the model.

        state: whether it is an auxiliary state.
        """
        from tandem.mxnet import ndarray, symbol

        array = np.asarray(array)
        array = array.reshape(1) if array.ndim == 0 else array
        other = _OTHER_DTYPES.get(array.dtype.name)
        array = array if other is None else array.astype(other)
        if array.dtype.name not in _DTYPES:
            raise MXNetError(explain(f"The constant {name!r} has a dtype that MXNet lacks", given=array.dtype.name))
        target = self.states if state else self.arguments
        target[name] = ndarray.array(array, dtype=array.dtype)
        return symbol.var(name, shape=array.shape, dtype=array.dtype)

    # --- nodes -------------------------------------------------------------------------------------------------------

    def _translate(self, op):
        from tandem.mxnet.onnx.imports import TABLE

        node = op.node
        if node.domain not in ("", "ai.onnx") or node.op_type not in TABLE:
            raise op.refuse("Operator not implemented" + (f" (domain {node.domain!r})" if node.domain else ""))
        try:
            results = TABLE[node.op_type](op)
        except (KeyError, IndexError) as error:
            raise op.refuse(f"the file lacks something of it ({error})") from error
        except (TypeError, ValueError, OverflowError) as error:
            raise op.refuse(f"what the file says of it does not fit ({error})") from error
        results = list(results) if isinstance(results, (tuple, list)) else [results]
        for name, result in zip(node.output, results):
            if name:
                self.symbols[name] = result
        missing = {name for name in node.output[len(results) :] if name}
        if missing and missing & ({name for other in self.graph.node for name in other.input} | self._outputs):
            raise op.refuse(f"its outputs {', '.join(sorted(missing))} are not translated")

    def _fold(self, node, op):
        """Work a node out that takes constants alone."""
        onnx = library()
        if node.op_type == "Constant":
            try:
                made = self._run(node)
            except Exception as error:  # of any type: what the definition does not take is no constant
                raise op.refuse(f"it is no constant ({error})") from error
            self._keep(node.output[0], made[0])
            return True
        if not all(name in self.constants for name in node.input if name) or node.op_type.startswith(_RANDOM):
            return False
        if not any(node.input) or any(one.type == onnx.AttributeProto.GRAPH for one in node.attribute):
            return False
        given = [self.constants[name] for name in node.input if name]
        if node.op_type != "Identity" and any(one.dtype.kind == "f" and one.size > _WEIGHT for one in given):
            return False
        if node.op_type in _GROWING:
            shape = self.shapes.get(node.output[0])
            if shape is None or None in shape or math.prod(shape) > _MOST_FOLDED:
                return False
        try:
            found = self._run(node)
        except Exception:  # of any type: there is no definition for such inputs, and the table has its say
            return False
        for name, array in zip(node.output, found):
            self._keep(name, array)
        return True

    def _run(self, node):
        """The outputs of a node of constants, by ONNX's own definition of its operator."""
        onnx = library()
        from onnx.reference import ReferenceEvaluator

        empty = onnx.TensorProto.UNDEFINED
        given = [onnx.helper.make_tensor_value_info(name, empty, None) for name in dict.fromkeys(node.input) if name]
        made = [onnx.helper.make_tensor_value_info(name, empty, None) for name in node.output if name]
        opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in self.versions.items()]
        model = onnx.helper.make_model(onnx.helper.make_graph([node], "one", given, made), opset_imports=opsets)
        return ReferenceEvaluator(model).run(None, {one.name: self.constants[one.name] for one in given})

    def _keep(self, name, array):
        self.constants[name] = np.asarray(array)
        self.shapes[name] = self.constants[name].shape

    # --- vectors of sizes, some of which the file leaves open --------------------------------------------------------

    def vector(self, name):
        """A small vector of whole numbers as a list, with `Size` for open ones and None for what is made of them."""
        if name in self.constants:
            array = self.constants[name]
            return [int(one) for one in array.reshape(-1)] if array.dtype.kind in "iu" and array.size < 64 else None
        return self.partial.get(name)

    def _sizes(self, node, op):
        """Work out a vector of sizes as far as it is known."""
        if node.op_type == "Shape":
            shape = self.shapes.get(node.input[0])
            if shape is None:
                return
            labels = self.labels.get(node.input[0], (None,) * len(shape))
            found = [
                Size(node.input[0], axis, label) if size is None else size
                for axis, (size, label) in enumerate(zip(shape, labels))
            ]
            found = found[op.attr.get("start", 0) : op.attr.get("end")]
        else:
            given = [self.vector(name) for name in node.input]
            if not any(name in self.partial for name in node.input) or None in given:
                return
            found = _of_sizes(node.op_type, given, op)
            if found is None:
                return
        if all(isinstance(size, int) for size in found):
            single = node.op_type in ("Gather", "Squeeze") and len(found) == 1
            index = self.constants.get(node.input[1]) if node.op_type == "Gather" else None
            scalar = single and (index is None or index.ndim == 0)
            self._keep(node.output[0], np.array(found[0] if scalar else found, np.int64))
        else:
            self.partial[node.output[0]] = found


def _of_sizes(kind, given, op):
    """What an operator makes of vectors of sizes; None where it is not one of those that do."""
    first = given[0]
    if kind in ("Cast", "Identity", "Unsqueeze", "Squeeze", "Reshape"):
        return first
    if kind == "Concat":
        return [size for part in given for size in part]
    if kind == "Gather":
        return [first[place] for place in given[1]]
    if kind == "Slice":
        starts, ends, *rest = given[1:] if len(given) > 1 else (op.attr["starts"], op.attr["ends"])
        return first[starts[0] : ends[0] : rest[1][0] if len(rest) > 1 else 1]
    if kind in ("Add", "Sub", "Mul", "Div", "Floor", "Max", "Min"):
        return [None] * max(len(part) for part in given)
    return None


class Op:
    """One ONNX node while it is translated.

    attr: its attributes as Python values; name: that of the MXNet node which stands for it.
    """

    def __init__(self, reader, node):
        self.reader, self.node = reader, node
        helper = library().helper
        self.attr = {one.name: _plain(helper.get_attribute_value(one)) for one in node.attribute}
        self.name = node.name or next((name for name in node.output if name), node.op_type)

    @property
    def opset(self):
        """The version of ONNX's operators."""
        return self.reader.opset

    def __len__(self):
        return len(self.node.input)

    def has(self, place):
        """Whether an input is given."""
        return place < len(self.node.input) and self.node.input[place] != ""

    def symbol(self, place=0):
        """An input as a symbol."""
        return self.reader.symbol(self.node.input[place])

    def symbols(self):
        """All inputs as symbols."""
        return [self.symbol(place) for place in range(len(self))]

    def constant(self, place):
        """An input as a numpy array; None where it is not known before the model runs."""
        return self.reader.constants.get(self.node.input[place]) if self.has(place) else None

    def needed(self, place, what):
        """A constant input.

        Raises NotImported where it is not known.
        """
        found = self.constant(place)
        if found is None:
            raise self.refuse(f"its {what} is not a constant")
        return found

    def vector(self, place):
        """See `Reader.vector`."""
        return self.reader.vector(self.node.input[place]) if self.has(place) else None

    def numbers(self, key, place):
        """A list of whole numbers: an attribute, or in later opsets an input; None where it is not given."""
        if key in self.attr:
            return list(self.attr[key])
        if not self.has(place):
            return None
        return [int(one) for one in self.needed(place, key).reshape(-1)]

    def shape(self, place=0):
        """The shape of an input with None for open sizes; None where not even their number is known."""
        return self.reader.shapes.get(self.node.input[place])

    def rank(self, place=0):
        """How many axes an input has.

        Raises NotImported where that is not known.
        """
        shape = self.shape(place)
        if shape is None:
            raise self.refuse("how many axes its input has is not known")
        return len(shape)

    def labels(self, place=0):
        """For each axis of an input what tells its size apart; see `Size`."""
        name = self.node.input[place]
        shape = self.shape(place) or ()
        labels = self.reader.labels.get(name, (None,) * len(shape))
        return [label or (name, axis) for axis, label in enumerate(labels)]

    def element_type(self, place=0):
        """ONNX's number of an input's dtype, 0 where it is not known."""
        name = self.node.input[place]
        array = self.reader.constants.get(name)
        if array is not None:
            return library().helper.np_dtype_to_tensor_dtype(array.dtype)
        return self.reader.dtypes.get(name, 0)

    def out_shape(self, place=0):
        """The shape of an output."""
        return self.reader.shapes.get(self.node.output[place])

    def only(self, condition, reason):
        """Raise NotImported unless the condition holds."""
        if not condition:
            raise self.refuse(reason)

    def refuse(self, reason):
        """The error for a node that is not translated."""
        return NotImported(
            explain(f"ONNX operator {self.node.op_type} (node {self.name!r}) cannot be read into MXNet: {reason}")
        )

    def add(self, operator, *symbols, **attributes):
        """A symbol on the way to the node's own."""
        return self._make(operator, self.reader.unique(f"{self.name}_{operator.strip('_')}"), symbols, attributes)

    def last(self, operator, *symbols, **attributes):
        """The node's own symbol, which has its name."""
        return self._make(operator, self.reader.unique(self.name), symbols, attributes)

    @staticmethod
    def _make(operator, name, symbols, attributes):
        from tandem.mxnet.symbol import compose
        from tandem.mxnet.symbol.namespaces import row_of
        from tandem.mxnet.symbol.symbol import Symbol

        attributes = {key: value for key, value in attributes.items() if value is not None}
        return compose.function_of(row_of(operator), lambda: Symbol, operator)(*symbols, name=name, **attributes)


def _plain(value):
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], bytes):
        return [one.decode() for one in value]
    return value
