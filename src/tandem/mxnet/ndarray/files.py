"""`nd.save` and `nd.load`: arrays in MXNet's binary format."""

import numpy as np
import torch

from tandem.core.errors import explain
from tandem.formats import params
from tandem.mxnet import context as contexts
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.ndarray.sparse_base import array_of
from tandem.ops import sparse

__all__ = ["load", "load_frombuffer", "save"]


def save(fname, data):
    """Write an array, a list of arrays, or a dict of names and arrays, so that MXNet reads them too.

    Raises ValueError for other data, TypeError for a list or dict with something else in it.
    """
    if isinstance(data, NDArray):
        names, arrays = [], [data]
    elif isinstance(data, dict):
        names, arrays = list(data), list(data.values())
    elif isinstance(data, (list, tuple)):
        names, arrays = [], list(data)
    else:
        raise ValueError(_wrong(data))
    if not all(isinstance(array, NDArray) for array in arrays) or not all(isinstance(name, str) for name in names):
        raise TypeError(_wrong(data))
    devices = [(array.context.device_typeid, array.context.device_id) for array in arrays]
    # Arrays without axes, or with sizes of 0, mean what they are only in the form with NumPy's shapes.
    numpy_shapes = any(array.ndim == 0 or 0 in array.shape for array in arrays)
    params.save(fname, [_stored(array) for array in arrays], names, devices, numpy_shapes)


def _stored(array):
    """What of an array is written."""
    if array.stype == "default":
        return array._tensor
    held = array._held
    indices = held.indices.cpu().numpy()
    if array.stype == "row_sparse":
        return params.RowSparse(held.shape, indices, held.values)
    return params.CSR(held.shape, held.indptr.cpu().numpy(), indices, held.values)


def _wrong(data):
    return explain(
        "data needs to either be a NDArray, dict of (str, NDArray) pairs or a list of NDArrays",
        given=f"{type(data).__name__} {data!r}"[:200],
    )


def load(fname):
    """The arrays of a file: a dict where they have names, else a list.

    Raises MXNetError where the file cannot be opened or is damaged.
    """
    try:
        return _arrays(params.load(fname))
    except (OSError, params.FormatError) as error:
        raise MXNetError(explain(f"Cannot load {fname}: {error}")) from error


def load_frombuffer(buf):
    """The arrays of a file's bytes; see `load`."""
    if not isinstance(buf, (bytes, bytearray, memoryview)):
        raise TypeError(explain("load_frombuffer() takes bytes", given=type(buf).__name__))
    try:
        return _arrays(params.read(buf))
    except params.FormatError as error:
        raise MXNetError(str(error)) from error


def _arrays(found):
    arrays = [_array(value) for value in found.arrays]
    return dict(zip(found.names, arrays)) if found.names else arrays


def _array(value):
    """One array of a file on the current context; one that was never filled has no elements."""
    ctx = contexts.current_context()
    if isinstance(value, (params.RowSparse, params.CSR)):
        device = ctx.torch_device()
        values = value.values if isinstance(value.values, torch.Tensor) else torch.from_numpy(value.values)
        indices, shape = torch.from_numpy(value.indices).to(device), tuple(value.shape)
        if isinstance(value, params.RowSparse):
            return array_of(sparse.Rows(indices, values.to(device), shape), ctx)
        starts = torch.from_numpy(value.indptr).to(device)
        return array_of(sparse.Csr(starts, indices, values.to(device), shape), ctx)
    if value is None:
        value = np.zeros((0,), np.float32)
    tensor = torch.from_numpy(value) if isinstance(value, np.ndarray) else value
    return NDArray._wrap(tensor.to(ctx.torch_device()), ctx)
