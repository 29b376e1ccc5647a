"""The switches between MXNet's classic semantics and NumPy's: np_shape and np_array, per thread.

With np_shape on, arrays may have no dimensions and sizes of zero; with np_array on, Gluon and creation functions answer
`mx.np.ndarray`.
"""

import functools
import inspect
import os
import threading

from tandem.core import devices
from tandem.core.errors import explain

__all__ = [
    "get_cuda_compute_capability",
    "get_gpu_count",
    "get_gpu_memory",
    "getenv",
    "is_np_array",
    "is_np_shape",
    "np_array",
    "np_shape",
    "np_ufunc_legal_option",
    "reset_np",
    "set_module",
    "set_np",
    "set_np_shape",
    "setenv",
    "use_np",
    "use_np_array",
    "use_np_shape",
    "wrap_np_binary_func",
    "wrap_np_unary_func",
]


class _Switches(threading.local):
    shape = False
    array = False


_switches = _Switches()


def is_np_shape():
    """Whether NumPy's shape semantics are on in this thread."""
    return _switches.shape


def is_np_array():
    """Whether NumPy's array semantics are on in this thread."""
    return _switches.array


def set_np_shape(active):
    """Turn NumPy's shape semantics on or off in this thread; answers what was before.

    Raises ValueError for off while NumPy's array semantics are on.
    """
    if not active:
        _check(False, _switches.array)
    before, _switches.shape = _switches.shape, bool(active)
    return before


def _check(shape, array):
    if array and not shape:
        raise ValueError(
            explain("NumPy arrays need NumPy shapes", expected="shape=True", given="shape=False, array=True")
        )


def set_np(shape=True, array=True):
    """Turn NumPy's semantics on in this thread.

    Raises ValueError for array semantics without shape semantics.
    """
    _check(shape, array)
    _switches.shape, _switches.array = bool(shape), bool(array)


def reset_np():
    """Back to MXNet's classic semantics in this thread."""
    set_np(shape=False, array=False)


class _Scope:
    """`with np_shape(True):` and the like; one object can be entered again and again."""

    def __init__(self, name, active):
        self._name, self._active, self._before = name, bool(active), []

    def __enter__(self):
        if self._name == "shape":
            _check(self._active, _switches.array)
        self._before.append(getattr(_switches, self._name))
        setattr(_switches, self._name, self._active)
        return self

    def __exit__(self, *exception):
        setattr(_switches, self._name, self._before.pop())


def np_shape(active=True):
    """A context in which NumPy's shape semantics are on (or off)."""
    return _Scope("shape", active)


def np_array(active=True):
    """A context in which NumPy's array semantics are on (or off)."""
    return _Scope("array", active)


def _members(target):
    """What `_decorate` looks at: a class's own members, and public functions of the classes of MXNet above it."""
    found = dict(vars(target))
    for base in target.__mro__[1:]:
        if base.__module__.startswith(("tandem.core", "torch.", "builtins")):
            continue
        for name, member in vars(base).items():
            public = not name.startswith("_") or name in ("__call__", "__init__")
            if public and inspect.isfunction(member):
                found.setdefault(name, member)
    return list(found.items())


def _decorate(target, scope):
    """Wrap a function, or the functions and properties of a class, so that they run inside `scope()`.

    A class's own and those that it has from MXNet's classes: `use_np` on a block makes its parameters NumPy's too.
    """
    if inspect.isclass(target):
        for name, member in _members(target):
            if inspect.isfunction(member):
                setattr(target, name, _decorate(member, scope))
            elif isinstance(member, (staticmethod, classmethod)):
                setattr(target, name, type(member)(_decorate(member.__func__, scope)))
            elif isinstance(member, property):
                parts = [part and _decorate(part, scope) for part in (member.fget, member.fset, member.fdel)]
                setattr(target, name, property(*parts, doc=member.__doc__))
        return target
    if not callable(target):
        raise TypeError(explain("use_np and its like decorate functions and classes", given=type(target).__name__))

    @functools.wraps(target)
    def wrapped(*args, **kwargs):
        with scope():
            return target(*args, **kwargs)

    return wrapped


def use_np_shape(func):
    """Decorate a function or class so that it runs with NumPy's shape semantics."""
    return _decorate(func, np_shape)


def use_np_array(func):
    """Decorate a function or class so that it runs with NumPy's array semantics."""
    return _decorate(func, np_array)


def use_np(func):
    """Decorate a function or class so that it runs with NumPy's shape and array semantics."""
    return use_np_shape(use_np_array(func))


def set_module(module):
    """A decorator that names the module of a function or class, where a name is given."""

    def decorate(target):
        if module is not None:
            target.__module__ = module
        return target

    return decorate


# What NumPy's ufuncs take besides arrays: name -> (the value that all functions take, whether a value is one).
_UFUNC_OPTIONS = {
    "where": (True, lambda value: True),
    "casting": ("same_kind", lambda value: value in ("no", "equiv", "safe", "same_kind", "unsafe")),
    "order": ("K", lambda value: isinstance(value, str)),
    "dtype": (None, lambda value: _is_dtype(value)),
    "subok": (True, lambda value: isinstance(value, bool)),
}


def _is_dtype(value):
    names = ("int8", "uint8", "int32", "int64", "float16", "float32", "float64")
    return value in names or getattr(value, "__name__", None) in names


def np_ufunc_legal_option(key, value):
    """Whether NumPy's ufuncs take an option with a value: where, casting, order, dtype or subok."""
    return key in _UFUNC_OPTIONS and bool(_UFUNC_OPTIONS[key][1](value))


def _check_ufunc_options(name, options):
    """Raises NotImplementedError for an option of NumPy's ufuncs that is not there, TypeError for what is none."""
    for key, value in options.items():
        if key not in _UFUNC_OPTIONS:
            raise TypeError(explain(f"{key} is an invalid keyword to function {name!r}", given=f"{key}={value!r}"))
        if value == _UFUNC_OPTIONS[key][0]:
            continue
        if not np_ufunc_legal_option(key, value):
            raise TypeError(explain(f"{key}={value} not understood for operator {name}"))
        raise NotImplementedError(explain(f"{key}={value} is not implemented yet for operator {name}"))


def wrap_np_unary_func(func):
    """A function of one array that takes NumPy's options of ufuncs where they say what holds anyway.

    Raises NotImplementedError for other values of them, TypeError for other options.
    """

    @functools.wraps(func)
    def wrapped(x, out=None, **kwargs):
        _check_ufunc_options(func.__name__, kwargs)
        return func(x, out=out)

    return wrapped


def wrap_np_binary_func(func):
    """A function of two arrays that takes NumPy's options of ufuncs where they say what holds anyway.

    Raises NotImplementedError for other values of them, TypeError for other options.
    """

    @functools.wraps(func)
    def wrapped(x1, x2, out=None, **kwargs):
        _check_ufunc_options(func.__name__, kwargs)
        return func(x1, x2, out=out)

    return wrapped


def getenv(name):
    """The value of an environment variable, or None."""
    return os.environ.get(name)


def setenv(name, value):
    """Set an environment variable; None removes it."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = str(value)


def get_gpu_count():
    """The number of GPUs that can be used."""
    return devices.count()


def get_gpu_memory(gpu_dev_id):
    """Free and total memory of a GPU in bytes."""
    from tandem.mxnet import context

    return context.gpu_memory_info(gpu_dev_id)


def get_cuda_compute_capability(ctx):
    """The compute capability of a GPU as an integer (90 for 9.0).

    Raises ValueError where the context is not a GPU.
    """
    import torch

    if ctx.device_type != "gpu":
        raise ValueError(explain("A compute capability belongs to a GPU", expected="gpu(i)", given=str(ctx)))
    major, minor = torch.cuda.get_device_capability(ctx.torch_device())
    return 10 * major + minor
