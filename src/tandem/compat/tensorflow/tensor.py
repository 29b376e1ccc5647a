"""`tf.Tensor`: a torch tensor that answers as TensorFlow's does, and how values become one.

What is computed from a `Tensor` is a `Tensor` again, whoever computes it: layers, losses and torch itself. Torch, and
so the engine that records and replays, sees ordinary tensors.
"""

import functools
import inspect
import sys

import numpy as np
import torch
from torch.overrides import get_default_nowrap_functions

from tandem.compat.tensorflow import _strings as strings
from tandem.compat.tensorflow import ragged_rows as ragged
from tandem.compat.tensorflow._dtypes import as_dtype
from tandem.compat.tensorflow._errors import InvalidArgumentError
from tandem.compat.tensorflow.shapes import TensorShape
from tandem.core import arrays, dtypes, graph
from tandem.core.errors import explain
from tandem.core.graph import Symbolic
from tandem.keras import ops, tensors, tree

_KEPT = get_default_nowrap_functions()
_without = torch._C.DisableTorchFunctionSubclass
_INSIDE = ("tandem.", "torch.", "numpy.")


def adopt(value):
    """`value` with its torch tensors, in lists, tuples and dicts too, as `Tensor`s: the same objects, of our class."""
    kind = type(value)
    if kind is torch.Tensor:
        value.__class__ = Tensor
    elif kind in (list, tuple):
        for item in value:
            adopt(item)
    elif kind is dict:
        for item in value.values():
            adopt(item)
    elif isinstance(value, torch.nn.Parameter):
        return value.detach() if not torch.is_grad_enabled() else value.view_as(value).as_subclass(Tensor)
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for item in value:
            adopt(item)
    return value


class Tensor(torch.Tensor):
    """A tensor with TensorFlow's methods: `numpy()` of whatever it is, `shape` with `as_list()`, arithmetic with lists
    and arrays in the tensor's own dtype, steps backwards in slices.
    """

    __array_priority__ = 10000

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        for kind in types:
            if not issubclass(kind, torch.Tensor):
                return NotImplemented  # a variable: it puts its value in its place and asks again
        with _without():
            result = func(*args, **kwargs or {})
        if type(result) is torch.Tensor:
            if func not in _KEPT and not (args and result is args[0]):  # what was changed in place stays what it is
                result.__class__ = Tensor
            return result
        return adopt(result) if isinstance(result, (tuple, list)) and not isinstance(result, torch.Size) else result

    # --- what TensorFlow's tensors have --------------------------------------------------------------------------
    @property
    def shape(self):
        """The sizes, a `TensorShape`."""
        return TensorShape(torch.Tensor.size(self))

    @property
    def dtype(self):
        """The dtype, a `tf.DType`; code of torch, NumPy and Tandem sees torch's own."""
        kind = _dtype_of(self)
        return kind if _asked_from_inside() else as_dtype(kind)

    def get_shape(self):
        """The sizes, a `TensorShape`."""
        return self.shape

    def set_shape(self, shape):
        """Raise ValueError where `shape` is not the tensor's: a value has its shape."""
        if not self.shape.is_compatible_with(shape):
            raise ValueError(f"Tensor's shape {self.shape} is not compatible with supplied shape {TensorShape(shape)}.")

    def numpy(self, **kwargs):
        """The value as a NumPy array; as a number of NumPy's where there are no axes."""
        array = ops.convert_to_numpy(plain(self))
        return array[()] if array.ndim == 0 else array

    _numpy = numpy

    def value(self):
        """The tensor itself: `variable.value()` of TensorFlow's variables."""
        return self

    def __call__(self):
        return self

    def tolist(self):
        """The value in nested lists."""
        return plain(self).tolist()

    item = tolist

    def __float__(self):
        return float(plain(self))

    def __int__(self):
        return int(plain(self))

    def __bool__(self):
        if torch.Tensor.numel(self) != 1:
            raise ValueError("The truth value of an array with more than one element is ambiguous.")
        return bool(plain(self))

    def __array__(self, dtype=None, copy=None):
        array = ops.convert_to_numpy(plain(self))
        return (array if dtype is None else array.astype(dtype, copy=False)) if not copy else np.array(array, dtype)

    def __array_wrap__(self, array, context=None, return_scalar=False):
        return array[()]

    def __array_function__(self, func, types, args, kwargs):
        # NumPy's functions look for methods of their names first, and torch's take other arguments.
        args, kwargs = arrays.map_tree(
            lambda one: np.asarray(one) if isinstance(one, torch.Tensor) else one, (args, kwargs)
        )
        return func(*args, **kwargs)

    def experimental_ref(self):
        """What can be a key of a dict in the tensor's place."""
        return Ref(self)

    ref = experimental_ref

    @property
    def device(self):
        """The device as TensorFlow names it; code of torch, NumPy and Tandem sees torch's own."""
        with _without():
            place = torch._C.TensorBase.device.__get__(self)
        if _asked_from_inside():
            return place
        return f"/job:localhost/replica:0/task:0/device:{'CPU' if place.type == 'cpu' else 'GPU'}:{place.index or 0}"

    @property
    def name(self):
        """None: only what is in a graph has a name."""
        return

    def __repr__(self):
        return _written(self, "<tf.Tensor: {described}, numpy={value}>", "<tf.Tensor: {described}>", repr)

    def __str__(self):
        return _written(self, "tf.Tensor({value}, {described})", "Tensor({described})", str)

    def __format__(self, spec):
        return format(self.numpy(), spec)

    def __getitem__(self, key):
        key, backwards = _index(key, self.dim())
        if isinstance(key, _Turned):
            key = key.of(torch.Tensor.size(self))
        try:
            found = torch.Tensor.__getitem__(self, key)
        except IndexError as error:
            if _asked_from_inside():
                raise
            raise InvalidArgumentError(f"slice index is out of bounds: {error}") from error
        return adopt(ops.flip(found, axis=backwards)) if backwards else found

    def __iter__(self):
        if not self.dim():
            raise TypeError("Cannot iterate over a scalar tensor.")
        return iter(self.unbind(0))

    def __len__(self):
        if not self.dim():
            raise TypeError("Scalar tensor has no `len()`")
        return torch.Tensor.size(self, 0)

    def __hash__(self):
        return id(self)

    def __deepcopy__(self, memo):
        with _without():
            copied = self.detach().clone().requires_grad_(self.requires_grad)
        copied.__class__ = Tensor
        return copied

    def __reduce_ex__(self, protocol):
        return _restore, (self.numpy(),)


def _asked_from_inside():
    """Whether who asks our caller is code of torch, NumPy or Tandem."""
    return sys._getframe(2).f_globals.get("__name__", "").startswith(_INSIDE)


def _written(tensor, form, without_value, write):
    """A tensor as text: what has several lines begins on a line of its own."""
    described = f"shape={TensorShape(torch.Tensor.size(tensor))}, dtype={as_dtype(_dtype_of(tensor)).name}"
    if tensor.is_meta:
        return without_value.format(described=described)
    value = (write if tensor.dim() else str)(Tensor.numpy(tensor))
    return form.format(value=f"\n{value}" if "\n" in value else value, described=described)


class Ref:
    """A hashable stand-in for a tensor or variable."""

    def __init__(self, value):
        self._value = value

    def deref(self):
        """What it stands for."""
        return self._value

    def __eq__(self, other):
        return isinstance(other, Ref) and self._value is other._value

    def __hash__(self):
        return id(self._value)


def _restore(array):
    return convert(array)


def _dtype_of(tensor):
    """The dtype as torch has it."""
    with _without():
        return torch._C.TensorBase.dtype.__get__(tensor)


def plain(tensor):
    """A tensor as torch's own class; the same memory."""
    with _without():
        return tensor.detach()


def _index(key, rank):
    """(the key as torch takes it, the axes of the result that run backwards).

    Torch has no negative steps: what they reach is taken forwards, and turned round afterwards.
    """
    keys = key if isinstance(key, tuple) else (key,)
    if not any(isinstance(one, slice) and one.step is not None and one.step < 0 for one in keys):
        return key, ()
    if any(isinstance(one, (torch.Tensor, np.ndarray, list)) and getattr(one, "ndim", 1) for one in keys):
        raise NotImplementedError(
            explain("A slice with a negative step and an index of several numbers do not go together", given=repr(key))
        )
    used = sum(one is not None and one is not Ellipsis for one in keys)
    found, backwards, axis, place = [], [], 0, 0
    for one in keys:
        if one is Ellipsis:
            axis += rank - used
            place += rank - used
        elif one is None:
            place += 1
        elif isinstance(one, slice):
            if one.step is not None and one.step < 0:
                one = ("turned", axis, one)
                backwards.append(place)
            axis, place = axis + 1, place + 1
        else:
            axis += 1
        found.append(one)
    return _Turned(found), tuple(backwards)


class _Turned(tuple):
    """Keys in which slices with negative steps wait for the sizes of their axes."""

    def of(self, sizes):
        """The keys, all with positive steps."""
        return tuple(_turn(one[2], sizes[one[1]]) if type(one) is tuple else one for one in self)


def _turn(one, size):
    numbers = range(size)[one]
    if not numbers:
        return slice(0, 0)
    return slice(numbers[-1], numbers[0] + 1, -numbers.step)


def refuse(name, first, other):
    """Raise as TensorFlow does where two operands are of different dtypes: it promotes none."""
    kind = as_dtype(first).name
    if not isinstance(other, torch.Tensor):
        raise TypeError(
            explain(
                f"Cannot convert {other!r} to EagerTensor of dtype {kind}",
                hint=f"Write tf.cast(…, {'tf.float32' if isinstance(other, float) else type(other).__name__}) first.",
            )
        )
    given = as_dtype(_dtype_of(other)).name
    if name in ("__truediv__", "__rtruediv__"):
        raise TypeError(f"`x` and `y` must have the same dtype, got tf.{kind} != tf.{given}.")
    words = {"float32": "float", "float64": "double", "float16": "half"}
    raise InvalidArgumentError(
        f"cannot compute {_KERNELS.get(name, name)} as input #1(zero-based) was expected to be a "
        f"{words.get(kind, kind)} tensor but is a {words.get(given, given)} tensor; write tf.cast(…)."
    )


_KERNELS = {
    "__add__": "AddV2",
    "__eq__": "Equal",
    "__floordiv__": "FloorDiv",
    "__ge__": "GreaterEqual",
    "__gt__": "Greater",
    "__le__": "LessEqual",
    "__lt__": "Less",
    "__matmul__": "MatMul",
    "__mod__": "FloorMod",
    "__mul__": "Mul",
    "__ne__": "NotEqual",
    "__pow__": "Pow",
    "__sub__": "Sub",
}


def _mixed(kind, other):
    """Whether TensorFlow takes `other` for no operand beside a tensor of a dtype."""
    if isinstance(other, torch.Tensor):
        return _dtype_of(other) != kind
    return type(other) is float and not (kind.is_floating_point or kind.is_complex)


def _fitting(own, special, x, y):
    """An operator's result. Raises InvalidArgumentError where shapes do not fit."""
    try:
        return own(x, y)
    except RuntimeError as error:
        if type(error) is not RuntimeError or graph.on_meta():
            raise
        shapes = f"{list(torch.Tensor.size(x))} and {list(getattr(y, 'shape', ()))}"
        name = _KERNELS.get(special, special.strip("_"))
        raise InvalidArgumentError(
            f"Incompatible shapes: {shapes} [Op:{name}]; {str(error).splitlines()[0]}"
        ) from error


def _install_operators():
    def operator(special):
        own = getattr(torch.Tensor, special)
        divides = special in ("__truediv__", "__rtruediv__")

        def method(self, other):
            if isinstance(other, (np.ndarray, np.generic, list, tuple)):
                other = _like(other, self)
                if other is NotImplemented:
                    return other
            if isinstance(other, Symbolic):
                return NotImplemented
            kind = _dtype_of(self)
            if _mixed(kind, other) and not (divides and type(other) is float) and not _asked_from_inside():
                refuse(special, kind, other)
            if divides and not self.is_floating_point() and not self.is_complex():
                other_dtype = getattr(other, "dtype", None)
                if isinstance(other, int) or (
                    isinstance(other_dtype, torch.dtype) and not other_dtype.is_floating_point
                ):
                    # TensorFlow divides whole numbers in double precision.
                    return own(self.to(torch.float64), other)
            return _fitting(own, special, self, other)

        method.__name__ = special
        return method

    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor"):
        for special in (f"__{name}__", f"__r{name}__"):
            if hasattr(torch.Tensor, special):
                setattr(Tensor, special, operator(special))
        if name != "matmul":  # `x += y` gives x another value: TensorFlow's tensors do not change
            setattr(Tensor, f"__i{name}__", getattr(Tensor, f"__{name}__"))
    for name in ("lt", "le", "gt", "ge"):
        setattr(Tensor, f"__{name}__", operator(f"__{name}__"))

    def equals(special):
        own = getattr(torch.Tensor, special)

        def method(self, other):
            if other is None or isinstance(other, (str, bytes)):
                return special == "__ne__"
            if isinstance(other, (np.ndarray, np.generic, list, tuple)):
                other = _like(other, self)
            if isinstance(other, torch.Tensor) and _mixed(_dtype_of(self), other) and not _asked_from_inside():
                refuse(special, _dtype_of(self), other)
            return _fitting(own, special, self, other)

        return method

    Tensor.__eq__ = equals("__eq__")
    Tensor.__ne__ = equals("__ne__")


def _like(value, tensor):
    """An array or list as a tensor of the dtype of `tensor`, where its numbers are no more than that can hold."""
    array = value if isinstance(value, (np.ndarray, np.generic)) else None
    if array is None:
        if any(isinstance(one, (Symbolic, torch.Tensor)) or hasattr(one, "__torch_function__") for one in value):
            return convert(value)
        array = np.asarray(value)
    if array.dtype.kind not in "fiubc":
        return NotImplemented
    kind = tensor.dtype
    if array.dtype.kind == "c" or (array.dtype.kind == "f" and not kind.is_floating_point and not kind.is_complex):
        kind = None  # TensorFlow refuses it; torch finds the dtype of both
    return tensors.convert(np.asarray(array), kind, tensor.device)


_install_operators()


# --- values become tensors -------------------------------------------------------------------------------------------


def is_symbolic(*trees):
    """Whether a value of a functional model is among some arguments."""
    return any(isinstance(leaf, Symbolic) for leaf in tree.flatten(list(trees)))


def has_text(value):
    """Whether a value is text: a string, or a list or array of strings."""
    if isinstance(value, (str, bytes)):
        return True
    if isinstance(value, (list, tuple)):
        return bool(value) and has_text(value[0])
    kind = getattr(value, "dtype", None)
    if isinstance(value, (np.ndarray, np.generic)):
        return kind.kind in "US" or (kind.kind == "O" and value.size > 0 and isinstance(value.flat[0], (str, bytes)))
    return False


def convert(value, dtype=None):
    """`value` as a `Tensor` (a string tensor for text; a symbolic value is left as it is).

    Python's floats are float32 and whole numbers int32 unless a dtype is given; arrays keep their dtype.
    Raises ValueError for None and for what holds no numbers.
    """
    if dtype is None and type(value) is Tensor:
        return value
    dtype = None if dtype is None else as_dtype(dtype)
    if isinstance(value, strings.StringTensor) or has_text(value) or dtype == "string":
        if dtype is not None and dtype != "string":
            raise TypeError(explain("Text is no number", expected=dtype.name, given=repr(value)))
        return strings.as_strings(value)
    if isinstance(value, ragged.RaggedTensor):
        return value
    if isinstance(value, Symbolic):
        return value if dtype is None or dtype == value.dtype else ops.cast(value, dtype.name)
    if value is None:
        raise ValueError("Attempt to convert a value (None) with an unsupported type (<class 'NoneType'>) to a Tensor.")
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        if is_symbolic(value):
            return ops.stack([convert(one, dtype) for one in value])
        if any(isinstance(one, strings.StringTensor) for one in value):
            return strings.as_strings(value)
        if any(tensors.is_tensor(one) or (isinstance(one, (list, tuple)) and _holds_tensors(one)) for one in value):
            parts = [one for one in value if tensors.is_tensor(one)]
            like = dtype or (as_dtype(parts[0].dtype) if parts else None)
            return adopt(torch.stack([convert(one, like) for one in value]))
        try:
            value = np.asarray(value) if any(isinstance(one, np.ndarray) for one in value) else value
        except ValueError as error:
            raise ValueError(
                explain("A list makes no tensor", expected="rows of one length", given=str(error))
            ) from None
    if isinstance(value, range):
        value = list(value)
    kind = None if dtype is None else dtypes.torch_dtype(dtype.name)
    if kind is None and type(value) is not bool and not tensors.is_tensor(value) and not hasattr(value, "dtype"):
        value, kind = _numbers(value)
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind not in "fiubc":
        raise ValueError(
            explain("An array makes no tensor", expected="numbers, booleans or text", given=f"dtype {value.dtype}")
        )
    found = tensors.convert(value, kind)
    if isinstance(found, torch.nn.Parameter):
        found = found.as_subclass(torch.Tensor) if not torch.is_grad_enabled() else found.view_as(found)
    return adopt(found)


def _holds_tensors(value):
    return any(tensors.is_tensor(one) or (isinstance(one, (list, tuple)) and _holds_tensors(one)) for one in value)


def _numbers(value):
    """Plain numbers, and their dtype where they do not fit into int32."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError("Can't convert non-rectangular Python sequence to Tensor.") from error
    if array.dtype.kind in "iu" and array.size and not -(2**31) <= int(array.min()) <= int(array.max()) < 2**31:
        return array, torch.int64
    if array.dtype.kind == "c":
        return array, torch.complex128
    return value, None


def convert_pair(x, y, strict=None):
    """Two operands: a number, list or array is taken in the dtype of the tensor beside it.

    strict: the name of a function that takes no operands of two dtypes.
    """
    if strict is not None and isinstance(x, torch.Tensor) and _mixed(_dtype_of(x), y):
        refuse(strict, _dtype_of(x), y)
    if strict is not None and isinstance(y, torch.Tensor) and type(x) is float and _mixed(_dtype_of(y), x):
        refuse(strict, _dtype_of(y), x)
    first, second = _has_dtype(x), _has_dtype(y)
    if first and not second:
        x = convert(x)
        return x, _beside(y, x)
    if second and not first:
        y = convert(y)
        return _beside(x, y), y
    return convert(x), convert(y)


def _has_dtype(value):
    return tensors.is_tensor(value) or isinstance(value, Symbolic)


def _beside(value, other):
    if isinstance(other, Symbolic):
        return value if isinstance(value, (int, float, bool)) else convert(value)
    if not isinstance(other, torch.Tensor) or has_text(value):
        return convert(value)
    found = _like(value if isinstance(value, (np.ndarray, np.generic, list, tuple)) else np.asarray(value), other)
    return convert(value) if found is NotImplemented else adopt(found)


_OF_TORCH = ("RuntimeError", "IndexError", "_LinAlgError")  # the last one says that a matrix has no inverse


def public(function):
    """A function of `tf`: what it gives are `Tensor`s, and `name`, which labels a node of a graph, may be given."""
    takes_name = "name" in inspect.signature(function).parameters
    on_values = function.__name__.rstrip("_") in ragged.ON_VALUES

    @functools.wraps(function)
    def entry(*args, **kwargs):
        if not takes_name:
            kwargs.pop("name", None)
        if on_values:
            if args and type(args[0]) is ragged.RaggedTensor:
                return ragged.on_values(entry, *args, **kwargs)
            if len(args) > 1 and type(args[1]) is ragged.RaggedTensor:  # `embedding_lookup(table, ids)`
                return args[1].with_values(entry(args[0], args[1].values, *args[2:], **kwargs))
        try:
            return adopt(function(*args, **kwargs))
        except (RuntimeError, IndexError) as error:
            if type(error).__name__ not in _OF_TORCH or graph.on_meta():
                raise  # while shapes are inferred, who asks for them tells one error from the other
            # Torch's word that something does not fit.
            message = explain(
                f"tf.{function.__name__.rstrip('_')} got what does not fit", given=str(error).split("\n")[0]
            )
            raise InvalidArgumentError(message) from error

    return entry


def taker(names):
    """A decorator that takes a function, made `public`, into `names`: as `name`, or its own less a "_" at the end."""

    def add(function, name=None):
        name = name or function.__name__.rstrip("_")
        names[name] = public(function)
        return names[name]

    return add


def static(value):
    """A shape, axis or number given as a tensor, as Python's own ints (what was none is left)."""
    if isinstance(value, torch.Tensor) or hasattr(value, "__torch_function__"):
        return tensors.convert(value).tolist()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, (list, tuple)):
        return [static(one) for one in value]
    return value


def ints(value):
    """A shape as a tuple of ints (and Nones)."""
    value = static(value)
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)
