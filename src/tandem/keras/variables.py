"""`Variable`: a named tensor that layers, optimizers and metrics own and change in place."""

import contextlib
import inspect
import operator
import threading

import numpy as np
import torch

from tandem.core import arrays, devices, dtypes, graph
from tandem.core.errors import explain
from tandem.core.module import Holder
from tandem.keras import config, naming, tensors
from tandem.keras.symbolic import BINARY, COMPARISONS, UNARY, standardize_shape
from tandem.ops import elementwise

_AGGREGATIONS = (None, "none", "mean", "sum", "only_first_replica")
_SYNCHRONIZATIONS = (None, "none", "on_read", "on_write", "auto")


class _Autocast(threading.local):
    dtype = None


_autocast = _Autocast()


class _Stateless(threading.local):
    scope = None  # the innermost `StatelessScope` that is open in this thread


stateless = _Stateless()


def autocast_dtype():
    """The dtype that floating point variables are read as just now, or None for their own."""
    return _autocast.dtype


@contextlib.contextmanager
def autocast(dtype):
    """Read floating point variables as `dtype` (a torch dtype, or None for their own) inside the block."""
    before, _autocast.dtype = _autocast.dtype, dtype
    try:
        yield
    finally:
        _autocast.dtype = before


def _initial(initializer, shape, dtype):
    """What an initializer gives; one that was written for Keras 1 takes (shape, name) and knows no dtype."""
    if inspect.isfunction(initializer):
        accepted = inspect.signature(initializer).parameters
        if "dtype" not in accepted and not any(one.kind is one.VAR_KEYWORD for one in accepted.values()):
            return initializer(shape)
    return initializer(shape, dtype=dtype)


class Variable(Holder):
    """A tensor with a name, changed in place by `assign`.

    initializer: a value (number, list, array, tensor), or a function of (shape, dtype) or the name of an initializer,
    with `shape`; dtype: by default the value's own, or `floatx`; trainable: whether optimizers change it;
    autocast: whether layers of mixed precision read it in their compute dtype; aggregation, synchronization: how
    replicas combine it (there is one replica); name: without "/"; layout: a `keras.distribution.TensorLayout`, which
    comes before what the distribution says of the path.
    Raises ValueError where a function or a name comes without a shape.
    """

    piece = None  # which part of the value `tensor` is, once a distribution has divided it over processes

    def __init__(
        self,
        initializer,
        shape=None,
        dtype=None,
        trainable=True,
        autocast=True,
        aggregation="none",
        synchronization="auto",
        name=None,
        layout=None,
        **kwargs,
    ):
        if kwargs:
            raise TypeError(explain("Unknown arguments of Variable", given=", ".join(kwargs)))
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(
                f"Argument `name` must be a string and cannot contain character `/`. Received: name={name}"
            )
        if aggregation not in _AGGREGATIONS:
            raise ValueError(
                explain(
                    "Invalid value for argument `aggregation`", expected=f"one of {_AGGREGATIONS}", given=aggregation
                )
            )
        if synchronization not in _SYNCHRONIZATIONS:
            raise ValueError(
                explain(
                    "Invalid value for argument `synchronization`",
                    expected=f"one of {_SYNCHRONIZATIONS}",
                    given=synchronization,
                )
            )
        self._name = name or naming.auto_name(type(self).__name__)
        parent = naming.current_path()
        self._path = f"{parent}/{self._name}" if parent else self._name
        self._trainable = bool(trainable)
        self._autocast = bool(autocast)
        self._aggregation = aggregation or "none"
        self._synchronization = synchronization
        self._initializer = None
        self._layout = layout
        self.regularizer = None
        self.constraint = None
        self.overwrite_with_gradient = False
        self._create(initializer, shape, dtype)

    def _create(self, initializer, shape, dtype):
        if isinstance(initializer, str):
            from tandem.keras import initializers

            initializer = initializers.get(initializer)
        # A variable made while shapes are inferred is a real one all the same.
        with torch.no_grad(), graph.off_meta():
            if callable(initializer) and not tensors.is_tensor(initializer):
                if shape is None:
                    raise ValueError(
                        "When creating a Variable from an initializer, the `shape` argument should be specified. "
                        f"Received: initializer={initializer} and shape={shape}"
                    )
                self._initializer = initializer
                shape = standardize_shape(shape)
                dtype = dtypes.dtype_name(dtype or config.floatx())
                tensor = tensors.convert(_initial(initializer, shape, dtype), dtype)
            else:
                if shape is not None:
                    tensor = tensors.convert(initializer, dtype).expand(standardize_shape(shape))
                else:
                    tensor = tensors.convert(initializer, dtype)
                # The caller's memory is not ours.
                tensor = tensor.detach().clone()
            tensor = tensor.to(devices.default()).contiguous()
        self.is_parameter = self._trainable and (tensor.is_floating_point() or tensor.is_complex())
        self.bind(torch.nn.Parameter(tensor, requires_grad=True) if self.is_parameter else tensor)

    def bind(self, tensor):
        """Hold `tensor` (a `torch.nn.Parameter` or, for state that is not learned, a plain one) from now on."""
        super().bind(tensor)
        self.follow()

    def follow(self):
        """Take note of another dtype of the tensor."""
        self._dtype = dtypes.dtype_name(self.tensor.dtype)
        self._floating = self.tensor.is_floating_point()

    @property
    def value(self):
        """The tensor; inside a layer of mixed precision, in the layer's compute dtype.

        The whole one: where it is divided over processes, all of them ask for it together.
        """
        tensor = self.tensor if self.piece is None else self._whole()
        dtype = _autocast.dtype
        if dtype is not None and self._autocast and self._floating and tensor.dtype is not dtype:
            return tensor.to(dtype)
        return tensor

    def _whole(self):
        part = self.tensor
        if not self.piece.is_piece(part):
            return part
        whole = self.piece.whole(part)
        if part.grad is not None:  # loops of Keras's torch backend read `variable.value.grad` after `backward`
            whole.grad = self.piece.whole(part.grad)
        return whole

    def divide(self, piece):
        """Hold only this process's part of the value from now on; None: the whole value, all processes together."""
        with torch.no_grad():
            tensor = self._whole() if self.piece is not None else self.tensor
            tensor = tensor if piece is None else piece.cut(tensor)
        self.piece = piece
        self.bind(torch.nn.Parameter(tensor, self.tensor.requires_grad) if self.is_parameter else tensor)

    def _part(self, value):
        """A value of the variable's shape as the tensor here holds it: its part, where it is divided."""
        if self.piece is None or not value.dim() or not self.piece.is_piece(self.tensor):
            return value
        return self.piece.cut(value.expand(self.piece.shape))

    def numpy(self):
        """The value as a NumPy array (a copy)."""
        return np.array(self)

    def assign(self, value):
        """Copy `value` in; returns the variable's tensor. Raises ValueError where the shapes differ."""
        tensor = self.tensor
        value = tensors.convert(value, device=tensor.device)
        self._check_shape(value.shape)
        if stateless.scope is not None:
            tensor = stateless.scope.own(self)
        with torch.no_grad():
            tensor.copy_(self._part(value))
        return self.value

    def _check_shape(self, shape):
        if tuple(shape) != self.shape:
            raise ValueError(
                "The shape of the target variable and the shape of the target value in `variable.assign(value)` must "
                f"match. variable.shape={self.shape}, Received: value.shape={tuple(shape)}. "
                f"Target variable: <Variable path={self.path}, shape={self.shape}, dtype={self.dtype}>"
            )

    def assign_add(self, value):
        """Add `value` in place; returns the variable's tensor."""
        return self._change(torch.Tensor.add_, value)

    def assign_sub(self, value):
        """Subtract `value` in place; returns the variable's tensor."""
        return self._change(torch.Tensor.sub_, value)

    def _change(self, change, value):
        tensor = self.tensor
        value = tensors.convert(value, tensor.dtype, tensor.device)
        if value.dim() and value.shape != self.shape:
            self._check_shape(torch.broadcast_shapes(value.shape, self.shape))
        if stateless.scope is not None:
            tensor = stateless.scope.own(self)
        with torch.no_grad():
            change(tensor, self._part(value))
        return self.value

    @property
    def shape(self):
        """The shape of the whole value, a tuple."""
        return tuple(self.tensor.shape) if self.piece is None else self.piece.shape

    @property
    def ndim(self):
        """The number of dimensions."""
        return self.tensor.dim()

    @property
    def dtype(self):
        """The name of the dtype: that of the storage, or inside a layer of mixed precision the one it is read in."""
        dtype = _autocast.dtype
        if dtype is not None and self._autocast and self._floating:
            return dtypes.dtype_name(dtype)
        return self._dtype

    @property
    def name(self):
        """The name, without the path."""
        return self._name

    @property
    def path(self):
        """The name with those of the layers that were open when it was made in front: "model/dense/kernel"."""
        return self._path

    @property
    def initializer(self):
        """The function that the value came from, or None."""
        return self._initializer

    @property
    def aggregation(self):
        """How replicas combine the variable."""
        return self._aggregation

    @property
    def synchronization(self):
        """When replicas combine the variable."""
        return self._synchronization

    @property
    def trainable(self):
        """Whether optimizers change it; for numbers that have gradients that is the tensor's `requires_grad`."""
        return self.tensor.requires_grad if self.is_parameter else self._trainable

    @trainable.setter
    def trainable(self, value):
        self._trainable = bool(value)
        if self.is_parameter:
            self.tensor.requires_grad_(self._trainable)
        elif self._trainable and (self.tensor.is_floating_point() or self.tensor.is_complex()):
            self.is_parameter = True
            self.bind(torch.nn.Parameter(self.tensor))

    learns = trainable

    @property
    def constraint(self):
        """The function that an optimizer applies after each update, or None."""
        return self._constraint

    @constraint.setter
    def constraint(self, value):
        self._constraint = _callable_or_none(value, "constraint")

    @property
    def regularizer(self):
        """The function that gives the penalty of the value, or None."""
        return self._regularizer

    @regularizer.setter
    def regularizer(self, value):
        self._regularizer = _callable_or_none(value, "regularizer")

    # What code for plain tensors asks for.
    @property
    def device(self):
        """The device of the tensor."""
        return self.tensor.device

    @property
    def requires_grad(self):
        """Whether torch records gradients for the tensor."""
        return self.tensor.requires_grad

    @property
    def grad(self):
        """The gradient that the last `backward` left, or None."""
        return self.tensor.grad

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        args, kwargs = arrays.map_tree(lambda x: x.value if isinstance(x, Variable) else x, (args, kwargs or {}))
        return function(*args, **kwargs)

    def __array__(self, dtype=None, copy=None):
        tensor = self.value.detach().cpu()
        if tensor.dtype == torch.bfloat16:
            tensor = tensor.to(torch.float32)
        # NumPy arrays handed out are copies: the memory changes with the next update.
        return np.array(tensor.numpy(), dtype=dtype)

    def __bool__(self):
        raise TypeError("A Keras Variable cannot be used as a boolean.")

    def __float__(self):
        return float(self.tensor)

    def __int__(self):
        return int(self.tensor)

    def __getitem__(self, key):
        return self.value[key]

    def __round__(self, ndigits=None):
        return elementwise.round(self.value, ndigits or 0)

    def __pos__(self):
        return self.value

    def __eq__(self, other):
        return operator.eq(self.value, _operand(other))

    __hash__ = object.__hash__

    def __getstate__(self):
        # Owners find themselves again when they are copied or unpickled.
        return {key: value for key, value in self.__dict__.items() if key != "_owners"}

    def __repr__(self):
        value = ""
        if self.piece is not None and self.piece.is_piece(self.tensor):
            value = f", divided, here {tuple(self.tensor.shape)}"  # the value is not this process's alone to give
        elif self.tensor.device.type != "meta":
            value = f", value={np.array2string(np.asarray(self), threshold=1000)}"
        return f"<{type(self).__name__} path={self.path}, shape={self.shape}, dtype={self.dtype}{value}>"


def _callable_or_none(value, what):
    if value is not None and not callable(value):
        raise ValueError(
            explain(f"Invalid value for attribute `{what}`", expected="a callable or None", given=repr(value))
        )
    return value


def _operand(other):
    if isinstance(other, Variable):
        return other.value
    if isinstance(other, (np.ndarray, list, tuple)):
        return tensors.convert(other)
    return other


def _logical(function):
    return lambda a, b: function(tensors.convert(a), tensors.convert(b))


_FUNCTIONS = {
    "__and__": _logical(elementwise.logical_and),
    "__or__": _logical(elementwise.logical_or),
    "__xor__": _logical(elementwise.logical_xor),
    "__neg__": operator.neg,
    "__abs__": operator.abs,
    "__invert__": operator.invert,
}


def _install_operators():
    def function(special):
        return _FUNCTIONS.get(special) or getattr(operator, special.strip("_"))

    def forward(function):
        def method(self, other):
            return function(self.value, _operand(other))

        return method

    def reverse(function):
        def method(self, other):
            return function(_operand(other), self.value)

        return method

    def unary(function):
        def method(self):
            return function(self.value)

        return method

    for special in [*BINARY, *COMPARISONS]:
        setattr(Variable, special, forward(function(special)))
    for special in BINARY:
        setattr(Variable, f"__r{special[2:]}", reverse(function(special)))
    for special in UNARY:
        setattr(Variable, special, unary(function(special)))


_install_operators()
