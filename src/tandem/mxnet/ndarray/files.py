"""`nd.save` and `nd.load`: arrays in MXNet's binary format."""

from tandem.core.errors import Unsupported, explain
from tandem.formats import params
from tandem.mxnet import context as contexts
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray

__all__ = ["load", "load_frombuffer", "save"]


def save(fname, data):
    """Write an array, a list of arrays, or a dict of names and arrays, so that MXNet reads them too.

    Raises ValueError for other data.
    """
    if isinstance(data, NDArray):
        names, arrays = [], [data]
    elif isinstance(data, dict):
        names, arrays = list(data), list(data.values())
    elif isinstance(data, (list, tuple)):
        names, arrays = [], list(data)
    else:
        raise _wrong(data)
    if not all(isinstance(array, NDArray) for array in arrays) or not all(isinstance(name, str) for name in names):
        raise _wrong(data)
    devices = [(array.context.device_typeid, array.context.device_id) for array in arrays]
    params.save(fname, [array._tensor for array in arrays], names, devices)


def _wrong(data):
    return ValueError(
        explain(
            "data needs to either be a NDArray, dict of (str, NDArray) pairs or a list of NDArrays",
            given=type(data).__name__,
        )
    )


def load(fname):
    """The arrays of a file: a dict where they have names, else a list.

    Raises MXNetError where the file cannot be opened or is damaged.
    """
    try:
        return _arrays(*params.load(fname))
    except params.SparseArray as error:
        raise Unsupported(str(error)) from error
    except (OSError, params.FormatError) as error:
        raise MXNetError(explain(f"Cannot load {fname}: {error}")) from error


def load_frombuffer(buf):
    """The arrays of a file's bytes; see `load`."""
    if not isinstance(buf, (bytes, bytearray, memoryview)):
        raise TypeError(explain("load_frombuffer() takes bytes", given=type(buf).__name__))
    try:
        return _arrays(*params.read(buf))
    except params.SparseArray as error:
        raise Unsupported(str(error)) from error
    except params.FormatError as error:
        raise MXNetError(str(error)) from error


def _arrays(tensors, names):
    ctx = contexts.current_context()
    arrays = [NDArray._wrap(tensor.to(ctx.torch_device()), ctx) for tensor in tensors]
    return dict(zip(names, arrays)) if names else arrays
