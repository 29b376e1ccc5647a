"""`npx.save`, `npx.load`, `npx.constraint_check`, and arrays from other libraries."""

import torch

from tandem.core.errors import explain
from tandem.formats import params
from tandem.mxnet.ndarray import files
from tandem.mxnet.ndarray.creation import from_numpy as classic_from_numpy
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.numpy.multiarray import ndarray
from tandem.mxnet.numpy_extension import view

__all__ = ["cond", "constraint_check", "foreach", "from_dlpack", "from_numpy", "load", "save", "while_loop"]

_check = {"constraint_check": "_npx_constraint_check"}


def save(file, arr):
    """Write an array, a list of arrays, or a dict of names and arrays, in the form that keeps NumPy's shapes.

    Raises ValueError for other data, TypeError for what is no `mx.np.ndarray` among them.
    """
    if isinstance(arr, ndarray):
        arr = [arr]
    elif not isinstance(arr, (list, tuple, dict)) or isinstance(arr, NDArray):
        raise ValueError(
            explain(
                "data needs to either be a ndarray, dict of (str, ndarray) pairs or a list of ndarrays",
                given=type(arr).__name__,
            )
        )
    arrays = list(arr.values()) if isinstance(arr, dict) else list(arr)
    names = list(arr) if isinstance(arr, dict) else []
    if not all(isinstance(array, ndarray) for array in arrays) or not all(isinstance(name, str) for name in names):
        raise TypeError(explain("Only accepts dict str->ndarray or list of ndarrays"))
    devices = [(array.context.device_typeid, array.context.device_id) for array in arrays]
    params.save(file, [array._tensor for array in arrays], names, devices, True)


def load(file):
    """The arrays of a file as `mx.np.ndarray`: a dict where they have names, else a list.

    Raises MXNetError where the file cannot be opened or is damaged.
    """
    found = files.load(file)
    if isinstance(found, dict):
        return {name: array.as_np_ndarray() for name, array in found.items()}
    return [array.as_np_ndarray() for array in found]


def constraint_check(x, msg):
    """True, as an array, where all of an array of bools is true.

    Raises ValueError with the message where it is not, MXNetError for an array of another dtype.
    """
    holds = view.function("mxnet.numpy_extension", _check, "constraint_check")(x, msg=msg)
    if not holds.item():
        raise ValueError(msg)
    return holds


def foreach(body, data, init_states):
    """`mx.nd.contrib.foreach` on `mx.np` arrays (MXNet 2.0's name)."""
    return _loops().foreach(body, data, init_states)


def while_loop(cond, func, loop_vars, max_iterations=None):
    """`mx.nd.contrib.while_loop` on `mx.np` arrays (MXNet 2.0's name)."""
    return _loops().while_loop(cond, func, loop_vars, max_iterations)


def cond(pred, then_func, else_func):
    """`mx.nd.contrib.cond` on `mx.np` arrays (MXNet 2.0's name)."""
    return _loops().cond(pred, then_func, else_func)


def _loops():
    from tandem.mxnet.numpy_extension.hybrid import F

    return F.contrib


def from_numpy(ndarray, zero_copy=True):
    """An array of a numpy array's dtype; with `zero_copy` they share memory, and the numpy array becomes read-only.

    Raises ValueError where the memory is not in C order.
    """
    return classic_from_numpy(ndarray, zero_copy).as_np_ndarray()


def from_dlpack(dlpack):
    """An array that shares memory with a DLPack capsule, or with an object that gives one."""
    return ndarray._wrap(torch.from_dlpack(dlpack))
