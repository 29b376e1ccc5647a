"""`import_model` and `get_model_metadata` under MXNet's path."""

from tandem.mxnet.onnx.onnx2mx import get_model_metadata, import_model

__all__ = ["get_model_metadata", "import_model"]
