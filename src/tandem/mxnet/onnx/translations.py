"""The table of translations: an operator's name -> a function of a `graph.Call` that adds ONNX nodes and answers the
names of the outputs."""

from tandem.mxnet.onnx import detection, elementwise, indexing, layers, matrices, recurrent, reductions, shapes

TABLE = {
    **elementwise.TABLE,
    **reductions.TABLE,
    **shapes.TABLE,
    **indexing.TABLE,
    **matrices.TABLE,
    **layers.TABLE,
    **recurrent.TABLE,
    **detection.TABLE,
}
