"""`mx.io`: iterators over batches of data, as `Module.fit` and older training loops take them."""

from tandem.mxnet.base import missing
from tandem.mxnet.io import io, utils
from tandem.mxnet.io.det_record import ImageDetRecordIter
from tandem.mxnet.io.image_record import (
    ImageRecordInt8Iter,
    ImageRecordIter,
    ImageRecordIter_v1,
    ImageRecordUInt8Iter,
    ImageRecordUInt8Iter_v1,
)
from tandem.mxnet.io.io import DataBatch, DataDesc, DataIter, NDArrayIter, PrefetchingIter, ResizeIter
from tandem.mxnet.io.native import CSVIter, LibSVMIter, MNISTIter, MXDataIter

__all__ = [
    "CSVIter",
    "DataBatch",
    "DataDesc",
    "DataIter",
    "ImageDetRecordIter",
    "ImageRecordInt8Iter",
    "ImageRecordIter",
    "ImageRecordIter_v1",
    "ImageRecordUInt8Iter",
    "ImageRecordUInt8Iter_v1",
    "LibSVMIter",
    "MNISTIter",
    "MXDataIter",
    "NDArrayIter",
    "PrefetchingIter",
    "ResizeIter",
    "io",
    "utils",
]


def __getattr__(name):
    raise missing(__name__, name, __all__)
