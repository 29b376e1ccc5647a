"""`KerasTensor`: a value that a functional model will have, with operators that add to its graph; `Operation`."""

import functools
import inspect
import itertools
import threading
from collections import namedtuple

import torch

from tandem.core import arrays, graph
from tandem.core.dtypes import dtype_name
from tandem.core.errors import Unsupported, explain
from tandem.keras import config, naming
from tandem.keras.internals.init_arguments import arguments_of

KerasHistory = namedtuple("KerasHistory", ["operation", "node_index", "tensor_index"])


class KerasTensor(graph.Symbolic):
    """A placeholder for a tensor: shape (None where a size is not known), dtype, and the operation that makes it.

    shape: a tuple; dtype: by default `floatx`; record_history: False keeps the results of operations on it out of
    graphs. Raises Unsupported for `sparse=True` and `ragged=True`, as Keras's torch backend raises.
    """

    _keras_mask = None

    def __init__(
        self,
        shape,
        dtype=None,
        sparse=False,
        ragged=False,
        record_history=True,
        name=None,
        node=None,
        index=0,
    ):
        if sparse or ragged:
            raise Unsupported("Sparse and ragged tensors are not supported by the torch backend.")
        shape = standardize_shape(shape)
        super().__init__(shape, dtype_name(dtype or config.floatx()), name=name, node=node, index=index)
        self.name = name or naming.auto_name("KerasTensor")
        self.record_history = record_history

    sparse = False
    ragged = False
    ragged_rank = None
    row_splits_dtype = None

    @property
    def _keras_history(self):
        if self.node is None:
            raise AttributeError(f"{self!r} was not made by an operation")
        return KerasHistory(self.node.operation, getattr(self.node, "number", 0), self.index)

    def __repr__(self):
        return (
            f"<KerasTensor shape={self.shape}, dtype={self.dtype}, sparse={self.sparse}, "
            f"ragged={self.ragged}, name={self.name}>"
        )

    def _no_value(self, wanted):
        return ValueError(
            explain(
                f"A KerasTensor has a shape and a dtype but no value: it cannot be converted to {wanted}",
                given=repr(self),
                hint="Use Keras layers and `keras.ops` functions on it, or a `Lambda` layer.",
            )
        )

    def __array__(self, *args, **kwargs):
        raise self._no_value("a NumPy array")

    def __float__(self):
        raise self._no_value("a float")

    def __int__(self):
        raise self._no_value("an int")

    def __bool__(self):
        raise TypeError("A symbolic KerasTensor cannot be used as a boolean.")

    def __iter__(self):
        raise NotImplementedError("Iterating over a symbolic KerasTensor is not supported.")

    def reshape(self, newshape):
        """The operation `reshape`."""
        return _numpy_op("reshape")(self, newshape)

    def squeeze(self, axis=None):
        """The operation `squeeze`."""
        return _numpy_op("squeeze")(self, axis)

    def __getitem__(self, key):
        return _numpy_op("get_item")(self, key)

    def __round__(self, ndigits=None):
        return _numpy_op("round")(self, ndigits or 0)


def _numpy_op(name):
    from tandem.keras import ops

    return getattr(ops, name)


# What each operator of Python does; "r" forms swap the operands. The operators share these names with `Variable`.
BINARY = {
    "__add__": "add",
    "__sub__": "subtract",
    "__mul__": "multiply",
    "__truediv__": "true_divide",
    "__floordiv__": "floor_divide",
    "__mod__": "mod",
    "__pow__": "power",
    "__matmul__": "matmul",
    "__and__": "logical_and",
    "__or__": "logical_or",
    "__xor__": "logical_xor",
}
COMPARISONS = {
    "__lt__": "less",
    "__le__": "less_equal",
    "__gt__": "greater",
    "__ge__": "greater_equal",
    "__ne__": "not_equal",
}
UNARY = {"__neg__": "negative", "__abs__": "absolute", "__invert__": "logical_not"}


def _install_operators(cls):
    def forward(name):
        def method(self, other):
            return _numpy_op(name)(self, other)

        return method

    def reverse(name):
        def method(self, other):
            return _numpy_op(name)(other, self)

        return method

    def unary(name):
        def method(self):
            return _numpy_op(name)(self)

        return method

    for special, name in {**BINARY, **COMPARISONS}.items():
        setattr(cls, special, forward(name))
    for special, name in BINARY.items():
        setattr(cls, f"__r{special[2:]}", reverse(name))
    for special, name in UNARY.items():
        setattr(cls, special, unary(name))


_install_operators(KerasTensor)
# Comparing KerasTensors by == is Python's identity, as in Keras: they are keys of dictionaries and members of lists.
KerasTensor.__hash__ = object.__hash__


def standardize_shape(shape):
    """A shape as a tuple of ints and Nones. Raises ValueError for what is not one."""
    if not isinstance(shape, (list, tuple)):
        if shape is None:
            raise ValueError(explain("Undefined shapes are not supported", expected="a tuple", given="shape=None"))
        if not hasattr(shape, "__iter__"):
            raise ValueError(f"Cannot convert '{shape}' to a shape.")
    sizes = []
    for size in shape:
        if size is not None:
            if not hasattr(size, "__index__"):
                raise ValueError(
                    f"Cannot convert '{tuple(shape)}' to a shape. Found invalid dimension '{size}' of type "
                    f"'{type(size)}'."
                )
            size = int(size)
            if size < 0:
                raise ValueError(f"Cannot convert '{tuple(shape)}' to a shape. Negative dimensions are not allowed.")
        sizes.append(size)
    return tuple(sizes)


def is_keras_tensor(x):
    """Whether `x` is a symbolic value of a functional model."""
    return isinstance(x, KerasTensor)


def any_symbolic(args, kwargs=None):
    """Whether a symbolic value is among some arguments (nested ones too)."""
    return any(isinstance(leaf, graph.Symbolic) for leaf in arrays.leaves((args, kwargs)))


class _Bound(threading.local):
    values = None  # id of a symbolic value -> the value that a model's run gave it, while a loss may ask for it
    learnable = False  # whether the loss asks for gradients with respect to them


bound = _Bound()


def with_values(tree):
    """A tree with the symbolic values replaced by what the run of their model gave them, where there was one."""
    return arrays.map_tree(lambda leaf: _value(leaf) if isinstance(leaf, graph.Symbolic) else leaf, tree)


def _value(symbol):
    values = bound.values
    if id(symbol) not in values and symbol.node is not None and symbol.node.inputs:
        args, kwargs = with_values((symbol.node.args, symbol.node.kwargs))
        if not any_symbolic(args, kwargs):
            remember(symbol.node, symbol.node.operation(*args, **kwargs))
    return values.get(id(symbol), symbol)


def learnable(value):
    """A value with respect to which a gradient can be taken, where a loss asks for that."""
    if not bound.learnable or not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return value
    return value if value.requires_grad or not torch.is_grad_enabled() else value.detach().requires_grad_()


def remember(node, result):
    """Keep the outputs of a node that was run, for losses that ask for them."""
    result = arrays.map_tree(learnable, result)
    leaves = [leaf for leaf in arrays.leaves(result) if isinstance(leaf, torch.Tensor)]
    bound.values.update(zip(map(id, graph.symbolics(node.outputs)), leaves, strict=True))
    return result


class Operation:
    """Something that can be a node of a functional model: it has a name, a `call`, and knows where it was used.

    name: by default the class's name in snake case, numbered.
    """

    def __new__(cls, *args, **kwargs):
        instance = super().__new__(cls)
        instance.__dict__["_init_arguments"] = (args, kwargs)
        return instance

    def __init__(self, name=None):
        check_name(name, self)
        self.name = name or naming.auto_name(type(self).__name__)
        self._inbound_nodes = []

    def __call__(self, *args, **kwargs):
        if any_symbolic(args, kwargs):
            return self.symbolic_call(*args, **kwargs)
        return self.call(*args, **kwargs)

    def call(self, *args, **kwargs):
        """The computation, on tensors."""
        raise NotImplementedError(f"{type(self).__name__} has no `call` method.")

    def quantized_call(self, *args, **kwargs):
        """Not supported: operations are not quantised."""
        raise Unsupported("Quantised calls are not supported yet.")

    def symbolic_call(self, *args, **kwargs):
        """Add a node to the graph of the arguments; returns its outputs."""
        return add_node(self, args, kwargs, self.compute_output_spec(*args, **kwargs))

    def compute_output_spec(self, *args, **kwargs):
        """The shapes and dtypes of the results, as KerasTensors that belong to no graph."""
        return as_specs(graph.infer(self.call, args, kwargs))

    @property
    def input(self):
        """The symbolic input of the first use (a list where there are several)."""
        return _first_use(self, "input")

    @property
    def output(self):
        """The symbolic output of the first use (a list where there are several)."""
        return _first_use(self, "output")

    def get_config(self):
        """The arguments that make an equal operation, where they are plain values. Raises NotImplementedError."""
        return arguments_of(self)

    @classmethod
    def from_config(cls, config):
        """The operation that `get_config` describes."""
        return cls(**config)

    def __repr__(self):
        return f"<Operation name={self.name}>"


def check_name(name, owner):
    """Raise ValueError where `name` cannot be that of a layer or operation."""
    if name is not None and (not isinstance(name, str) or "/" in name):
        raise ValueError(
            "Argument `name` must be a string and cannot contain character `/`. "
            f"Received: name={name} (of type {type(name)}) for {type(owner).__name__}"
        )


def _first_use(operation, what):
    nodes = operation._inbound_nodes
    if not nodes:
        raise AttributeError(
            f"The layer {operation.name} has never been called and thus has no defined {what}; "
            "call it on a `keras.Input` first."
        )
    if what == "input":
        values = nodes[0].inputs
    else:
        values = nodes[0].outputs
        if not isinstance(values, (list, tuple)):
            return values
        values = list(values)
    return values[0] if len(values) == 1 else values


def as_specs(tree):
    """A tree with each symbolic value replaced by a KerasTensor of no graph."""

    def convert(leaf):
        if isinstance(leaf, graph.Symbolic) and not isinstance(leaf, KerasTensor):
            return KerasTensor(leaf.shape, leaf.dtype, name=leaf.name or "spec")
        return leaf

    return arrays.map_tree(convert, tree)


def add_node(operation, args, kwargs, spec):
    """Add a node that applies `operation` (a layer or an `Operation`) and return its outputs, symbolic values.

    They are of the kind that the arguments are of: KerasTensors, or another front end's.
    """
    inputs = graph.symbolics(args, kwargs)
    kind = type(inputs[0]) if inputs else KerasTensor
    if any(not getattr(value, "record_history", True) for value in inputs):
        return arrays.map_tree(lambda leaf: KerasTensor(leaf.shape, leaf.dtype, record_history=False), spec)

    def unnamed(leaf):
        return graph.Symbolic(leaf.shape, leaf.dtype) if isinstance(leaf, graph.Symbolic) else leaf

    outputs = graph.apply(operation, args, kwargs, kind, spec=arrays.map_tree(unnamed, spec))
    values = graph.symbolics(outputs)
    if values:
        node = values[0].node
        node.number = len(operation._inbound_nodes)
        operation._inbound_nodes.append(node)
    return outputs


def lift(function, class_name, tensors, *, module="keras.src.ops.numpy", spec=None):
    """A function of `keras.ops`: on tensors `function` itself, on symbolic values a node of class `class_name`.

    tensors: which parameters are operands, by number (the leading ones) or by name: they stand in the node's arguments,
    the others are its config. spec: a function of the same arguments that gives the shapes and dtypes of the results,
    for a function that needs values; or None where running it says that.
    """
    signature = inspect.signature(function)
    names = list(signature.parameters)
    operands = names[:tensors] if isinstance(tensors, int) else list(tensors)
    many = [name for name, one in signature.parameters.items() if one.kind is one.VAR_POSITIONAL]
    rest = [name for name, one in signature.parameters.items() if one.kind is one.VAR_KEYWORD]
    options = [name for name in names if name not in operands and name not in rest]
    defaults = {
        name: parameter.default
        for name, parameter in signature.parameters.items()
        if parameter.default is not parameter.empty
    }

    def __init__(self, *args, name=None, **kwargs):
        Operation.__init__(self, name=name)
        given = dict(zip(options, args), **kwargs)
        unknown = [key for key in given if key not in options and not rest]
        if unknown:
            raise TypeError(explain(f"{class_name} has no such argument", expected=options, given=", ".join(unknown)))
        self._config = {option: given.pop(option, defaults.get(option)) for option in options}
        self._config.update(given)

    def arranged(self, function, args, kwargs):
        if many:
            before = [self._config[option] for option in names[: names.index(many[0])] if option in options]
            after = {key: value for key, value in self._config.items() if names.index(key) > names.index(many[0])}
            return function(*before, *args, **after, **kwargs)
        return function(**{**self._config, **dict(zip(operands, args)), **kwargs})

    def call(self, *args, **kwargs):
        return arranged(self, function, args, kwargs)

    def compute_output_spec(self, *args, **kwargs):
        found = None if spec is None else arranged(self, spec, args, kwargs)
        if found is not None:
            return found
        return _inferred(self, args, kwargs)

    def get_config(self):
        return {"name": self.name, **self._config}

    cls = type(
        class_name,
        (Operation,),
        {
            "__init__": __init__,
            "call": call,
            "compute_output_spec": compute_output_spec,
            "get_config": get_config,
            "__module__": module,
            "__doc__": function.__doc__,
            "function": None,
            "operands": tuple(operands),
        },
    )

    @functools.wraps(function)
    def entry(*args, **kwargs):
        if len(args) == 1 and not kwargs and type(args[0]) is torch.Tensor:
            return function(args[0])
        if any_symbolic(args, kwargs):
            if bound.values is not None:
                args, kwargs = with_values((args, kwargs))
                if not any_symbolic(args, kwargs):
                    return function(*args, **kwargs)
            given = signature.bind(*args, **kwargs).arguments
            for name in rest:
                given.update(given.pop(name, {}))
            values = [given.pop(name, defaults.get(name)) for name in operands if name not in many]
            values += given.pop(many[0], ()) if many else ()
            # What is left belongs to the operation, unless it is symbolic.
            later = {key: value for key, value in given.items() if any_symbolic(value)}
            settings = {key: value for key, value in given.items() if key not in later}
            settings.update(dict.fromkeys(later))
            return cls(**settings).symbolic_call(*values, **later)
        return function(*args, **kwargs)

    entry.operation = cls
    return entry


def _inferred(operation, args, kwargs):
    """The results' specs, by running the operation on the meta device; ValueError where the shapes do not fit."""
    try:
        return infer(operation.call, args, kwargs)
    except (RuntimeError, IndexError, ValueError) as error:
        if isinstance(error, (NotImplementedError, ValueError)):
            raise
        values = graph.symbolics(args, kwargs)
        raise ValueError(
            explain(
                f"The shapes or arguments do not fit {type(operation).__name__}",
                expected=str(error).split("\n")[0],
                given=", ".join(str(value.shape) for value in values),
            )
        ) from error


_MOST_TRIALS = 64


def infer(function, args, kwargs):
    """The specs of a function's results, by running it on the meta device.

    Where an unknown size meets a known one (as in broadcasting and in a product of matrices) it is taken to be that
    size: as few sizes as possible are, so that the others stay unknown in the results. Raises what the function raises.
    """
    try:
        return as_specs(graph.infer(function, args, kwargs))
    except (RuntimeError, IndexError, ValueError):
        values = list({id(value): value for value in graph.symbolics(args, kwargs)}.values())
        unknown = [(id(value), axis) for value in values for axis, size in enumerate(value.shape) if size is None]
        shapes = [leaf.shape for leaf in arrays.leaves((args, kwargs)) if hasattr(leaf, "shape")]
        sizes = sorted({size for shape in shapes for size in shape if size is not None and size > 1})
        # The last axes first: those are the ones that meet.
        unknown.sort(key=lambda place: -place[1])
        chosen = (places for count in range(1, len(unknown) + 1) for places in itertools.combinations(unknown, count))
        trials = ((places, size) for places in chosen for size in sizes)
        for places, size in itertools.islice(trials, _MOST_TRIALS):
            try:
                return as_specs(graph.infer(function, *_with_sizes((args, kwargs), set(places), size)))
            except (RuntimeError, IndexError, ValueError):
                continue
        raise


def _with_sizes(tree, places, size):
    """A tree whose symbolic values have `size` at some (id, axis)."""

    def known(leaf):
        if isinstance(leaf, graph.Symbolic):
            shape = [size if (id(leaf), axis) in places else dim for axis, dim in enumerate(leaf.shape)]
            return graph.Symbolic(shape, leaf.dtype)
        return leaf

    return arrays.map_tree(known, tree)
