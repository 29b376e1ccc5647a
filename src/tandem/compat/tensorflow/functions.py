"""`tf.function`: a function of tensors, recorded in its first calls and replayed after them.

As TensorFlow's tracing does, a recording holds what Python did: what is printed or counted in Python happens in the
first calls only, and numbers outside the function are those of these calls. What cannot be recorded faithfully runs as
it is written, and says so once.
"""

import functools
import types

import numpy as np
import torch

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow import devices, tape
from tandem.compat.tensorflow.shapes import TensorShape, as_shape
from tandem.compat.tensorflow.tensor import Tensor, adopt, convert
from tandem.core import arrays
from tandem.core.errors import explain
from tandem.core.module import Module
from tandem.engine.replay import Step, nested
from tandem.keras import tensors
from tandem.keras.variables import Variable

_NUMBERS = (bool, int, float, str, type(None))


class Function:
    """A function that runs as Python, or is replayed; arguments are held against `input_signature`."""

    def __init__(self, function, input_signature=None):
        functools.update_wrapper(self, function)
        self.python_function = function
        self.input_signature = input_signature
        self._steps = {}  # by the object that a method belongs to: (object, step)

    def __call__(self, *args, **kwargs):
        if self.input_signature is not None:
            args = self._as_said(args)
        return self._run(None, args, kwargs)

    def _run(self, owner, args, kwargs):
        own = () if owner is None else (owner,)
        # A tape around the call must see what is computed; and what runs inside a step is part of that.
        if tape.recording() or nested() or devices.functions_run_eagerly() or not _is_replayable((args, kwargs)):
            found = self.python_function(*own, *args, **kwargs)
            return found if nested() or tape.recording() else arrays.map_tree(_as_result, found)
        args, kwargs = arrays.map_tree(_as_tensor, (args, kwargs))
        found = self._step(owner)(list(args), kwargs)
        # A step's results hold until its next call; a script may keep them.
        return arrays.map_tree(_as_result, arrays.map_tree(_kept, found))

    def _step(self, owner):
        known = self._steps.get(id(owner))
        if known is None:
            own = () if owner is None else (owner,)

            def run(args, kwargs):
                return self.python_function(*own, *adopt(args), **adopt(kwargs))

            watch = [one for one in (owner, *_mentioned(self.python_function)) if isinstance(one, Module)]
            step = Step(run, name=f"The function {self.python_function.__name__}", watch=watch)
            known = self._steps[id(owner)] = (owner, step)
        return known[1]

    def _as_said(self, args):
        bound = len(args) - len(self.input_signature)
        if bound not in (0, 1):  # `self` comes first
            raise TypeError(
                explain("Wrong number of arguments", expected=f"{len(self.input_signature)}", given=f"{len(args)}")
            )
        found = list(args[:bound])
        for spec, value in zip(self.input_signature, args[bound:]):
            if hasattr(spec, "dtype") and not isinstance(value, (tuple, dict)):
                value = value if tensors.is_tensor(value) else convert(value, spec.dtype)
                if not spec.shape.is_compatible_with(as_shape(value.shape)) or spec.dtype != value.dtype:
                    raise TypeError(
                        explain(
                            "An argument does not fit the function's input_signature",
                            expected=repr(spec),
                            given=f"shape {TensorShape(value.shape)}, dtype {dtypes.as_dtype(value.dtype).name}",
                        )
                    )
            found.append(value)
        return found

    def __get__(self, owner, kind=None):
        if owner is None:
            return self

        def bound(*args, **kwargs):
            if self.input_signature is not None:
                args = self._as_said(args)
            return self._run(owner, args, kwargs)

        functools.update_wrapper(bound, self.python_function)
        bound.python_function = self.python_function
        bound.get_concrete_function = lambda *args, **kwargs: bound
        return bound

    def __deepcopy__(self, memo):
        return Function(self.python_function, self.input_signature)

    def __reduce__(self):
        return Function, (self.python_function, self.input_signature)

    def get_concrete_function(self, *args, **kwargs):
        """The function itself, which takes any shapes and dtypes."""
        return self

    def experimental_get_tracing_count(self):
        """How many kinds of calls were recorded."""
        return sum(len(step.programs) for _, step in self._steps.values())


def _is_replayable(tree):
    """Whether arguments are tensors, arrays and numbers, and one of them a tensor or array."""
    leaves = arrays.leaves(tree)
    if any(isinstance(leaf, torch.Tensor) and leaf.requires_grad for leaf in leaves):
        return False
    values = [isinstance(leaf, torch.Tensor) or _is_array(leaf) for leaf in leaves]
    return any(values) and all(is_value or type(leaf) in _NUMBERS for is_value, leaf in zip(values, leaves))


def _is_array(value):
    return type(value) is np.ndarray and value.dtype.kind in "fiub"


def _as_tensor(value):
    return convert(value) if _is_array(value) else value


def _as_result(value):
    """What a function gives: numbers and arrays are tensors, and variables are what they hold."""
    if isinstance(value, Variable):
        return value.value
    return convert(value) if type(value) in (bool, int, float, str, bytes) or _is_array(value) else value


def _kept(value):
    if isinstance(value, torch.Tensor) and not isinstance(value, torch.nn.Parameter):
        return adopt(value.detach().clone())
    return value


def _mentioned(function):
    """The layers, models, optimizers, metrics and losses that a function, and functions that it calls, mention."""
    found, seen, waiting = [], set(), [function]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Function):
            waiting.append(one.python_function)
        elif isinstance(one, types.MethodType):
            waiting += [one.__self__, one.__func__]
        elif isinstance(one, types.FunctionType):
            if one.__module__ is None or not one.__module__.startswith(("tandem.", "torch", "numpy")):
                waiting += [one.__globals__[name] for name in _names(one.__code__) if name in one.__globals__]
                waiting += [cell.cell_contents for cell in one.__closure__ or () if _is_filled(cell)]
        elif isinstance(one, (list, tuple)) and len(one) < 100:
            waiting += one
        elif isinstance(one, dict) and len(one) < 100:
            waiting += one.values()
        elif isinstance(one, (Module, torch.nn.Module)) or type(one).__module__.startswith("tandem.keras."):
            found.append(one)
    return [one for one in found if not isinstance(one, (Variable, Tensor))]


def _names(code):
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found


def _is_filled(cell):
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def function(
    func=None,
    input_signature=None,
    autograph=True,
    jit_compile=None,
    reduce_retracing=False,
    experimental_implements=None,
    experimental_autograph_options=None,
    experimental_attributes=None,
    experimental_relax_shapes=None,
    experimental_compile=None,
    experimental_follow_type_hints=None,
):
    """A function, or a decorator, whose calls with tensors are recorded and replayed.

    input_signature: specs that arguments are held against. The others say how TensorFlow compiles, which is not done.
    """

    def decorate(inner):
        return Function(inner, input_signature)

    return decorate if func is None else decorate(func)
