"""`mx.contrib.onnx.onnx2mx`: the modules under which MXNet keeps the reading of ONNX files."""

from tandem.mxnet.contrib.onnx.onnx2mx import import_model, import_to_gluon

__all__ = ["import_model", "import_to_gluon"]
