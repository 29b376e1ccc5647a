"""`mx.contrib.onnx`: reading ONNX files; writing them is `mx.onnx`, and here under its older path."""

from tandem.mxnet.contrib.onnx import onnx2mx
from tandem.mxnet.onnx import mx2onnx
from tandem.mxnet.onnx.mx2onnx import export_model
from tandem.mxnet.onnx.onnx2mx import get_model_metadata, import_model, import_to_gluon

__all__ = ["export_model", "get_model_metadata", "import_model", "import_to_gluon", "mx2onnx", "onnx2mx"]

# MXNet 1.9.1's names for the functions behind those that speak of their end.
export_model_, import_model_ = export_model, import_model
import_to_gluon_, get_model_metadata_ = import_to_gluon, get_model_metadata
