"""`mx.onnx`: models as ONNX files."""

from tandem.mxnet.onnx import mx2onnx
from tandem.mxnet.onnx.mx2onnx import export_model, get_operator_support

__all__ = ["export_model", "get_operator_support", "mx2onnx"]
