"""`contrib.io`: a Gluon DataLoader as an iterator of `mx.io`, for Module."""

from tandem.mxnet import context as contexts
from tandem.mxnet import ndarray
from tandem.mxnet.io import DataDesc, DataIter

__all__ = ["DataLoaderIter"]


class DataLoaderIter(DataIter):
    """The batches of a DataLoader whose samples are (data, label); a smaller last batch is filled up with zeros.

    data_name, label_name: what the two are called; dtype: what they are cast to.
    """

    def __init__(self, loader, data_name="data", label_name="softmax_label", dtype="float32"):
        super().__init__()
        self._loader = loader
        self._iter = iter(loader)
        self.dtype = dtype
        data, label = next(self._iter)
        self.batch_size = data.shape[0]
        self.provide_data = [DataDesc(data_name, data.shape, dtype)]
        self.provide_label = [DataDesc(label_name, label.shape, dtype)]
        self._current_batch = None
        self.reset()

    def reset(self):
        """Begin anew."""
        self._iter = iter(self._loader)

    def iter_next(self):
        """Go to the next batch; whether there is one."""
        self._current_batch = next(self._iter, None)
        return self._current_batch is not None

    def _filled(self, array):
        if not self.getpad():
            return array.astype(self.dtype)
        whole = ndarray.zeros((self.batch_size, *array.shape[1:]), ctx=contexts.cpu(), dtype=self.dtype)
        whole[: array.shape[0]] = array.astype(self.dtype)
        return whole

    def getdata(self):
        """A list with the data of the current batch."""
        return [self._filled(self._current_batch[0])]

    def getlabel(self):
        """A list with the labels of the current batch."""
        return [self._filled(self._current_batch[1])]

    def getpad(self):
        """How many rows at the end of the current batch only fill it up."""
        return self.batch_size - self._current_batch[0].shape[0]

    def getindex(self):
        """None: a DataLoader does not tell the numbers of samples."""
        return
