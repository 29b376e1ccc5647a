"""Keras 2's backend functions of values and graphs: placeholders, variables, `K.function`, updates, sessions."""

import numpy as np
import torch

from tandem.core import arrays, devices, dtypes, graph, scope
from tandem.core.errors import Unsupported, explain
from tandem.keras import config, naming, ops, tensors, tree
from tandem.keras.legacy import closures
from tandem.keras.legacy.k_nn import forget_seeds
from tandem.keras.legacy.k_nodes import _called as called
from tandem.keras.legacy.k_nodes import (
    apply,
    in_train_phase,
    is_learning_phase,
    learning_phase,
    reset_learning_phase,
    roots,
)
from tandem.keras.symbolic import KerasTensor, is_keras_tensor
from tandem.keras.variables import Variable

_op = ops.NAMES


# --- values ----------------------------------------------------------------------------------------------------------
def placeholder(shape=None, ndim=None, dtype=None, sparse=False, name=None, ragged=False):
    """A symbolic value of a shape, or of so many axes of unknown sizes. Raises Unsupported for sparse and ragged
    ones.
    """
    from tandem.keras.layers import InputLayer

    if sparse or ragged:
        raise Unsupported("Sparse and ragged placeholders are not supported: feed the whole array.")
    if shape is None:
        if ndim is None:
            raise ValueError(explain("A placeholder needs a shape", expected="`shape`, or `ndim`"))
        shape = (None,) * ndim
    return InputLayer(batch_shape=tuple(shape), dtype=dtype, name=_name(name)).output


def _name(name):
    return name if name is None else naming.uniquify(str(name).replace("/", "_").replace(":", "_"))


def variable(value, dtype=None, name=None, constraint=None):
    """A `Variable` that holds `value`, as `dtype` or `floatx`. Raises Unsupported for sparse matrices."""
    if hasattr(value, "tocoo"):
        raise Unsupported("Sparse variables are not supported: give `value.toarray()`.")
    if isinstance(value, Variable):
        value = value.value
    name = None if name is None else str(name).replace("/", "_")
    made = Variable(tensors.convert(value, dtype or config.floatx()), name=name)
    made.constraint = constraint
    return made


def constant(value, dtype=None, shape=None, name=None):
    """A tensor that holds `value`, of a shape if one is given."""
    made = tensors.convert(np.asarray(value) if isinstance(value, (list, tuple)) else value, dtype or config.floatx())
    if shape is None:
        return made
    return made.reshape(tuple(shape)) if made.dim() else made.expand(tuple(shape)).clone()


def _filled(maker, shape, dtype, name):
    """A tensor inside a layer's call and where a size is symbolic, else a variable, which Keras 2 made."""
    from tandem.keras.layers import base

    shape = (shape,) if isinstance(shape, int) else shape
    made = apply(lambda shape: _op[maker](tuple(int(size) for size in shape), dtype=dtype), shape)
    inside = base._calls.entry is not None and not base._calls.building
    if isinstance(made, KerasTensor) or inside or graph.on_meta():
        return made
    return Variable(made, trainable=False, name=None if name is None else str(name).replace("/", "_"))


def zeros(shape, dtype=None, name=None):
    """A variable (inside a layer's call a tensor) of zeros."""
    return _filled("zeros", shape, dtype, name)


def ones(shape, dtype=None, name=None):
    """A variable (inside a layer's call a tensor) of ones."""
    return _filled("ones", shape, dtype, name)


def eye(size, dtype=None, name=None):
    """A variable that holds an identity matrix; size: a number, or (rows, columns)."""
    rows, columns = size if isinstance(size, (list, tuple)) else (size, size)
    return Variable(_op["eye"](rows, columns, dtype=dtype), trainable=False, name=name)


def random_uniform_variable(shape, low, high, dtype=None, name=None, seed=None):
    """A variable of numbers from [low, high)."""
    from tandem.keras.legacy.k_nn import random_uniform

    return variable(random_uniform(shape, low, high, dtype=dtype, seed=seed), dtype, name)


def random_normal_variable(shape, mean, scale, dtype=None, name=None, seed=None):
    """A variable of normally distributed numbers with a mean and a deviation."""
    from tandem.keras.legacy.k_nn import random_normal

    return variable(random_normal(shape, mean, scale, dtype=dtype, seed=seed), dtype, name)


def is_placeholder(x):
    """Whether `x` is a symbolic value that no operation makes."""
    return isinstance(x, KerasTensor) and (x.node is None or not x.node.inputs)


def is_variable(x):
    """Whether `x` is a variable."""
    return isinstance(x, Variable)


def is_tensor(x):
    """Whether `x` is a tensor, a variable or a symbolic value."""
    return isinstance(x, graph.Symbolic) or tensors.is_tensor(x)


def is_symbolic(x):
    """Whether `x` is a symbolic value."""
    return is_keras_tensor(x)


def is_sparse(tensor):
    """Whether `tensor` is a sparse one."""
    return isinstance(tensor, torch.Tensor) and tensor.is_sparse


def to_dense(tensor):
    """A sparse tensor as a dense one; others as they are."""
    return tensor.to_dense() if is_sparse(tensor) else tensor


def int_shape(x):
    """The shape as a tuple; None for sizes that are not known."""
    shape = getattr(x, "shape", None)
    return tuple(tensors.convert(x).shape) if shape is None else tuple(shape)


get_variable_shape = int_shape


def ndim(x):
    """The number of axes."""
    return len(int_shape(x))


def size(x, name=None):
    """How many values x has."""
    return apply(lambda x: tensors.convert(tensors.convert(x).numel()), x)


def dtype(x):
    """The name of the dtype of x; a number of Python's, which an optimizer's setting may be, has `floatx`."""
    return config.floatx() if isinstance(x, float) else dtypes.dtype_name(x.dtype)


def count_params(x):
    """How many values x has, a number."""
    return int(np.prod(int_shape(x), dtype="int64"))


def _numpy(x):
    x = x.value if isinstance(x, Variable) else x
    if not isinstance(x, torch.Tensor):
        return np.asarray(x)
    x = x.detach().cpu()
    return (x.float() if x.dtype == torch.bfloat16 else x).numpy().copy()[()]


def eval(x):
    """The value of x as a NumPy array. Raises ValueError for a symbolic value: it depends on what is fed."""
    if isinstance(x, KerasTensor):
        if not [root for root in roots([x]) if not is_learning_phase(root)]:
            return function([], [x])([])[0]
        raise ValueError(
            explain(
                "A symbolic value has no value of its own",
                given=repr(x),
                hint="Write K.function([model.input], [x])([data]).",
            )
        )
    return _numpy(x)


get_value = eval


def batch_get_value(tensors):
    """The values of some variables, as NumPy arrays."""
    return [eval(tensor) for tensor in tensors]


def set_value(x, value):
    """Set a variable."""
    x.assign(np.asarray(value))


def batch_set_value(tuples):
    """Set some variables: pairs of variable and value."""
    for x, value in tuples:
        set_value(x, value)


def print_tensor(x, message="", summarize=3):
    """x, printed behind `message` each time it is computed; summarize: how many entries at each end of an axis."""

    def shown(x):
        x = tensors.convert(x)
        if not graph.on_meta():
            text = np.array2string(_numpy(x), threshold=2 * summarize, edgeitems=summarize)
            print(message, text)  # noqa: T201 (what the function is for)
        return x

    return apply(shown, x)


# --- updates ---------------------------------------------------------------------------------------------------------
class Update:
    """What `K.function` is to do after the outputs: `act` with the values of `wanted`, symbolic values or tensors."""

    def __init__(self, wanted, act):
        self.wanted, self.act = list(wanted), act


def _update(x, new, change):
    if isinstance(new, KerasTensor):
        return Update([new], change)
    change(new)
    return x.value


def update(x, new_x):
    """Set a variable; with a symbolic value, what `K.function(updates=…)` takes."""
    return _update(x, new_x, x.assign)


def update_add(x, increment):
    """Add to a variable; with a symbolic value, what `K.function(updates=…)` takes."""
    return _update(x, increment, x.assign_add)


def update_sub(x, decrement):
    """Subtract from a variable; with a symbolic value, what `K.function(updates=…)` takes."""
    return _update(x, decrement, x.assign_sub)


def moving_average_update(x, value, momentum):
    """``momentum x + (1 - momentum) value`` as a variable's new value."""
    return update(x, _op["add"](_op["multiply"](x, momentum), _op["multiply"](value, 1 - momentum)))


# --- functions -------------------------------------------------------------------------------------------------------
class Function:
    """From values for `inputs`, symbolic values, to NumPy arrays of `outputs`, in their structure.

    inputs: `K.learning_phase()` may be among them: 1 trains, 0 (the default) does not; updates: what `K.update`
    and `optimizer.get_updates` gave, or pairs of variable and new value; done after the outputs are computed.
    Raises ValueError where an output needs a value that is not among the inputs.
    """

    def __init__(self, inputs, outputs, updates=None, name=None, **session_kwargs):
        refused = {key: value for key, value in session_kwargs.items() if value}
        if refused:
            raise Unsupported(
                explain("K.function has no TensorFlow session to give options to", given=", ".join(refused))
            )
        self.name = name
        self.inputs = tree.flatten(inputs)
        # Inside `model.add_update` and the like an update may already be done, which gave a tensor.
        self._updates = [
            one if isinstance(one, Update) else Update([one[1]], one[0].assign)
            for one in updates or []
            if isinstance(one, (Update, tuple, list))
        ]
        self._wanted = [outputs, [one.wanted for one in self._updates]]
        symbols = graph.symbolics(self._wanted)
        given = {id(value) for value in self.inputs}
        phases = [value for value in roots(symbols) if is_learning_phase(value) and id(value) not in given]
        self._implied = phases
        symbolic = [value for value in self.inputs if not isinstance(value, int)]
        self._graph = graph.Graph([*symbolic, *phases], self._wanted)
        self._sees_symbols = any(closures.sees_symbols(node.operation) for node in self._graph.nodes)

    @property
    def outputs(self):
        """The outputs, in their structure."""
        return self._wanted[0]

    def __call__(self, inputs):
        given = list(inputs) if isinstance(inputs, (list, tuple)) else tree.flatten(inputs)
        if len(given) != len(self.inputs):
            given = tree.flatten(inputs)
        if len(given) != len(self.inputs):
            raise ValueError(
                explain("The values do not fit the function", expected=f"{len(self.inputs)} values", given=len(given))
            )
        phase, feed = learning_phase(), []
        phase = 0 if isinstance(phase, KerasTensor) else phase
        for symbol, value in zip(self.inputs, given, strict=True):
            if isinstance(symbol, int):  # the learning phase, after `K.set_learning_phase`
                phase = bool(np.asarray(value))
                continue
            if is_learning_phase(symbol):
                phase = bool(np.asarray(value))
            # A KerasTensor has a dtype, a variable or a number that was given for an input has its own.
            value = tensors.convert(np.asarray(value) if isinstance(value, (list, tuple)) else value)
            feed.append(value.to(device=devices.default(), dtype=dtypes.torch_dtype(symbol.dtype)))
        feed += [tensors.convert(bool(phase)) for _ in self._implied]
        with torch.no_grad(), scope.training(bool(phase)):
            if self._sees_symbols:
                outputs, wanted = closures.run(self._graph, self._graph.inputs, feed)
            else:
                outputs, wanted = self._graph.run(feed)
            outputs = arrays.map_tree(_numpy, outputs)
            for one, values in zip(self._updates, wanted, strict=True):
                one.act(*values)
        return outputs


def function(inputs, outputs, updates=None, name=None, **kwargs):
    """A callable from values for symbolic `inputs` to NumPy arrays of `outputs`; see `Function`."""
    return Function(inputs, outputs, updates, name, **kwargs)


# --- conditions ------------------------------------------------------------------------------------------------------
def switch(condition, then_expression, else_expression):
    """One of two values (or of what two functions give): for a condition of one value as a whole, else entry by
    entry.
    """
    if isinstance(condition, (bool, int)):
        return called(then_expression if condition else else_expression)
    first, second = called(then_expression), called(else_expression)
    rank, wanted = ndim(condition), ndim(first)
    if rank > wanted:
        raise ValueError(
            explain("The rank of the condition must be at most that of the expressions", expected=wanted, given=rank)
        )
    condition = _op["cast"](condition, "bool")
    for _ in range(wanted - rank if rank else 0):
        condition = _op["expand_dims"](condition, -1)
    return _op["where"](condition, first, second)


def in_test_phase(x, alt, training=None):
    """`x` in inference and `alt` in training."""
    return in_train_phase(alt, x, training=training)


# --- settings --------------------------------------------------------------------------------------------------------
def image_dim_ordering():
    """Keras 1's name of the image data format: "tf" (channels last) or "th" (channels first)."""
    return "th" if config.image_data_format() == "channels_first" else "tf"


def set_image_dim_ordering(dim_ordering):
    """Set the image data format by Keras 1's name of it. Raises ValueError for others than "tf" and "th"."""
    if dim_ordering not in ("tf", "th"):
        raise ValueError(explain("Unknown dim_ordering", expected='"tf" or "th"', given=repr(dim_ordering)))
    config.set_image_data_format("channels_first" if dim_ordering == "th" else "channels_last")


def clear_session():
    """Begin automatic names, seeds and the learning phase again."""
    from tandem.keras.utils.numerical import clear_session as clear

    reset_learning_phase()
    forget_seeds()
    clear()


def reset_uids():
    """Begin automatic names again."""
    naming.reset()


def name_scope(name):
    """Put `name` in front of the paths of variables made inside the block."""
    return naming.name_scope(str(name).replace("/", "_"))


def get_session(op_input_list=()):
    """Raises Unsupported: there are no sessions."""
    raise Unsupported(
        "There are no TensorFlow sessions. Values are computed at once: K.get_value(x) gives one as an array, and "
        "K.function(inputs, outputs) what a graph gives for some data."
    )


def set_session(session):
    """Accepts None, and a session that steers nothing; raises Unsupported for another: there are none."""
    if session is not None and not getattr(session, "steers_nothing", False):
        raise Unsupported(
            "There are no TensorFlow sessions: leave the line out. Memory is taken as it is needed, and the "
            "environment variable CUDA_VISIBLE_DEVICES chooses among GPUs."
        )


def get_graph():
    """Raises Unsupported: there is no TensorFlow graph."""
    raise Unsupported("There is no TensorFlow graph; a model's own is in `model.inputs` and `model.outputs`.")


def control_dependencies(control_inputs):
    """A block whose operations run after some others: as all do, one after the other."""
    import contextlib

    return contextlib.nullcontext(control_inputs)


def manual_variable_initialization(value):
    """Accepts False; raises Unsupported for True: variables have their values from the beginning."""
    if value:
        raise Unsupported("Variables have their values as soon as they are made; leave the line out.")


def v1_variable_initialization():
    """Does nothing: all variables are initialised when they are made."""


def eager(func):
    """`func`, whose body runs eagerly as all code does."""
    return func


def symbolic(func):
    """`func`, which takes symbolic values as all of these functions do."""
    return func
