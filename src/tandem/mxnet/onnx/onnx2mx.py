"""Reading ONNX files as symbols: `import_model`, `import_to_gluon`, `get_model_metadata`."""

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.onnx.graph import library
from tandem.mxnet.onnx.reader import Reader

__all__ = ["get_model_metadata", "import_model", "import_to_gluon"]


def _load(model_file):
    onnx = library()
    try:
        model = onnx.load_model(model_file)
        if not all(value.type.tensor_type.HasField("shape") for value in model.graph.output):
            model = onnx.shape_inference.infer_shapes(model)
        if all(value.type.tensor_type.HasField("shape") for value in model.graph.output):
            onnx.checker.check_model(model)  # which wants them, as runtimes do not
    except (onnx.checker.ValidationError, ValueError, TypeError) as error:
        raise MXNetError(explain(f"The ONNX file {str(model_file)!r} is not valid: {error}")) from error
    except Exception as error:  # protobuf's own, which has moved between its versions
        if type(error).__name__ != "DecodeError":
            raise
        raise MXNetError(explain(f"{str(model_file)!r} is not an ONNX file: {error}")) from error
    return model


def import_model(model_file):
    """(symbol, arguments, auxiliary states) of an ONNX file: the arrays by name, as `Module.set_params` takes them.

    Inputs, initializers and nodes keep their names. Raises ImportError without the package `onnx`, MXNetError for
    what is no valid file, and one that is a NotImplementedError too and names the node for an operator that is not
    translated.
    """
    return _imported(_load(model_file))


def _imported(model):
    from tandem.mxnet import symbol

    reader = Reader(model)
    outputs = reader.outputs()
    if not outputs:
        raise MXNetError(explain("The ONNX file's graph has no outputs", expected="one or more"))
    whole = outputs[0] if len(outputs) == 1 else symbol.Group(outputs)
    needed = set(whole.list_inputs())
    arguments = {name: array for name, array in reader.arguments.items() if name in needed}
    return whole, arguments, {name: array for name, array in reader.states.items() if name in needed}


def get_model_metadata(model_file):
    """What goes in and comes out of an ONNX file, a dict.

    'input_tensor_data': a list of (name, shape, ONNX's number of the dtype) of the inputs that are no parameters;
    'output_tensor_data': a list of (name, shape); sizes that the file leaves open are 0.
    """
    return _metadata(_load(model_file).graph)


def _metadata(graph):
    parameters = {one.name for one in graph.initializer}

    def shape(value):
        return tuple(one.dim_value for one in value.type.tensor_type.shape.dim)

    return {
        "input_tensor_data": [
            (value.name, shape(value), value.type.tensor_type.elem_type)
            for value in graph.input
            if value.name not in parameters
        ],
        "output_tensor_data": [(value.name, shape(value)) for value in graph.output],
    }


def import_to_gluon(model_file, ctx):
    """A `SymbolBlock` of an ONNX file, with its parameters on a context or a list of them.

    Raises what `import_model` does.
    """
    from tandem.mxnet import symbol
    from tandem.mxnet.gluon import SymbolBlock

    model = _load(model_file)
    outputs, arguments, states = _imported(model)
    inputs = [name for name, _, _ in _metadata(model.graph)["input_tensor_data"]]
    block = SymbolBlock(outputs, [symbol.var(name) for name in inputs])
    parameters = block.collect_params()
    for name, array in {**arguments, **states}.items():
        if array.dtype not in (np.float16, np.float32, np.float64):
            parameters[name].grad_req = "null"  # indices and sizes
        parameters[name].shape = array.shape
        parameters[name]._load_init(array, ctx)
    return block
