"""`import_to_gluon` under MXNet's path."""

from tandem.mxnet.onnx.onnx2mx import import_to_gluon

__all__ = ["import_to_gluon"]
