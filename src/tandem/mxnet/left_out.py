"""Names of MXNet that are not here on purpose: why, and what does their work."""

_C_LIBRARY = "It loads plug-ins into MXNet's C library, which is not there."

# The reason, by the path of the name.
REASONS = {
    "mxnet.library": _C_LIBRARY,
    "mxnet.notebook": "It drew curves in notebooks with Bokeh; mx.callback and matplotlib do.",
    "mxnet.rtc": "It compiles CUDA source for MXNet's C library; torch has extensions in C++ and CUDA.",
    "mxnet.th": "It called Lua's Torch through MXNet's C library; `mx.operator.CustomOp` and torch itself do.",
    "mxnet.torch": "It called Lua's Torch through MXNet's C library; `mx.operator.CustomOp` and torch itself do.",
    "mxnet.tvmop": _C_LIBRARY,
    "mxnet.contrib.tensorrt": "It needs MXNet's C library; `mx.onnx` writes files that TensorRT reads.",
    "mxnet.ndarray.imdecode": "`mx.image.imdecode` decodes images.",
    "mxnet.ndarray.contrib.quantized_rnn": "Recurrent layers stay floats in `mx.contrib.quantization`'s networks.",
}


def reason(module, name):
    """Why `name` of a module is not there; None where nothing is known of it."""
    path = f"{module.removeprefix('tandem.')}.{name}"
    return REASONS.get(path) or REASONS.get(path.replace("mxnet.symbol.", "mxnet.ndarray."))
