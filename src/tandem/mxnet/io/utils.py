"""What iterators take data apart with: named arrays, and rows of them."""

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet.ndarray import sparse
from tandem.mxnet.ndarray.creation import array
from tandem.mxnet.ndarray.ndarray import NDArray

_EXPECTED = "an NDArray, a numpy.ndarray, an h5py.Dataset, a list of them or a dict with them as values"


def _is_on_disk(value):
    """Whether a value is a data set of an HDF5 file, whose rows are read when they are wanted."""
    return type(value).__module__.partition(".")[0] == "h5py" and hasattr(value, "shape")


def _init_data(data, allow_empty, default_name):
    """A list of (name, NDArray or h5py.Dataset), in the order of the names where the data are a dict.

    data: None, an array, a list of them (named `_0_NAME`, `_1_NAME` where there are several) or a dict; allow_empty:
    whether there may be none; default_name: the name of an array that has none.
    Raises AssertionError for no data, TypeError for what is none.
    """
    if data is None:
        if not allow_empty:
            raise AssertionError(explain("There are no data", expected=_EXPECTED, given="None"))
        data = []
    if isinstance(data, (NDArray, np.ndarray)) or _is_on_disk(data):
        data = [data]
    if isinstance(data, list):
        if not (data or allow_empty):
            raise AssertionError(explain("There are no data", expected=_EXPECTED, given="an empty list"))
        single = len(data) == 1
        data = {default_name if single else f"_{i}_{default_name}": value for i, value in enumerate(data)}
    if not isinstance(data, dict):
        raise TypeError(explain("The data are of the wrong type", expected=_EXPECTED, given=type(data).__name__))
    return [(name, _as_array(name, data[name])) for name in sorted(data)]


def _as_array(name, value):
    if isinstance(value, sparse.RowSparseNDArray):
        return value.tostype("default")
    if isinstance(value, NDArray) or _is_on_disk(value):
        return value
    try:
        return array(value)
    except Exception as error:
        raise TypeError(
            explain(f"The data {name!r} are of the wrong type", expected=_EXPECTED, given=type(value).__name__)
        ) from error


def _has_instance(data, dtype):
    """Whether one of the named arrays is of a type."""
    return any(isinstance(value, dtype) for _, value in data)


def _getdata_by_idx(data, idx):
    """The rows with the numbers `idx`, in that order, of named arrays: as float32, whatever they were (as MXNet 1.9.1).

    A data set on disk stays there, and the order with it (`_OnDisk`).
    """
    return [(name, _reordered(value, np.asarray(idx))) for name, value in data]


def _reordered(value, idx):
    if isinstance(value, sparse.CSRNDArray):
        return SparseRows.of(value)[idx].as_array(value.context)
    if isinstance(value, NDArray):
        return value[idx].astype("float32", copy=False)
    order = value.order if isinstance(value, _OnDisk) else np.arange(value.shape[0])
    return _OnDisk(getattr(value, "dataset", value), order[idx])


class SparseRows:
    """Rows of numbers of which few are not zero: their values and columns one after the other, and where rows begin."""

    def __init__(self, values, columns, starts, shape):
        self.values, self.columns, self.starts, self.shape = values, columns, starts, shape

    @classmethod
    def of(cls, array):
        """The rows of a `CSRNDArray`."""
        parts = (part.asnumpy() for part in (array.data, array.indices, array.indptr))
        return cls(*parts, array.shape)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        lengths = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        places = np.repeat(self.starts[rows] - starts[:-1], lengths) + np.arange(starts[-1])
        return SparseRows(self.values[places], self.columns[places], starts, (len(rows), *self.shape[1:]))

    def as_array(self, ctx=None):
        """A `CSRNDArray` of these rows."""
        return sparse.csr_matrix((self.values, self.columns, self.starts), shape=self.shape, ctx=ctx)


class _OnDisk:
    """The rows of a data set in a file, in another order."""

    def __init__(self, dataset, order):
        self.dataset, self.order = dataset, order
        self.shape, self.dtype = (len(order), *dataset.shape[1:]), dataset.dtype

    def __getitem__(self, rows):
        wanted = self.order[rows]
        ascending, places = np.unique(wanted, return_inverse=True)  # all that HDF5 can read
        return self.dataset[ascending][places]


def _rows(value, start, stop):
    """Some rows, as an array of their own, dense also where the source is not (as MXNet 1.9.1 has them)."""
    if isinstance(value, sparse.CSRNDArray):
        return value[start:stop].tostype("default")
    if isinstance(value, NDArray):
        return value[start:stop].copy()
    return array(value[start:stop])


def _joined(pieces):
    """Arrays with the rows of several."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    from tandem.mxnet import ndarray

    joined = ndarray.concat(*pieces, dim=0)
    return type(first)._wrap(joined._tensor, first._ctx)
