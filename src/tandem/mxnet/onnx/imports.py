"""The table of translations from ONNX: an operator's name -> a function of a `reader.Op` that answers symbols."""

from tandem.mxnet.onnx import import_basics, import_layers, import_shapes

TABLE = {**import_basics.TABLE, **import_shapes.TABLE, **import_layers.TABLE}
