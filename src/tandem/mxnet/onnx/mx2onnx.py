"""Writing symbols as ONNX files: `export_model`."""

import logging
import os
import re

import numpy as np

from tandem.core.errors import explain
from tandem.formats.saving import atomic_write
from tandem.mxnet.base import MXNetError
from tandem.mxnet.onnx.graph import OPSET, Call, Writer, element_type, library, refusal
from tandem.mxnet.symbol.inference import Facts, known
from tandem.mxnet.symbol.nodes import SPECIAL, Entry, visit
from tandem.mxnet.symbol.symbol import Symbol

__all__ = ["export_model", "get_operator_support"]

# Operators whose second input is a label, which only training needs.
_LABELLED = (
    "LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput", "SVMOutput", "SoftmaxOutput",
)  # fmt: skip


def get_operator_support(opset_version=None):
    """The names of the operators that `export_model` translates, sorted.

    opset_version: None, or the ONNX opset; what is written is opset 13, below which there is nothing.
    """
    from tandem.mxnet.onnx import translations

    library()
    return sorted(translations.TABLE) if opset_version is None or opset_version >= OPSET else []


def export_model(
    sym,
    params,
    in_shapes=None,
    in_types=np.float32,
    onnx_file_path="model.onnx",
    verbose=False,
    dynamic=False,
    dynamic_input_shapes=None,
    run_shape_inference=False,
    input_type=None,
    input_shape=None,
):
    """Write a model as an ONNX file (opset 13), as it computes in inference; return the file's path.

    sym, params: paths of a `-symbol.json` and a `.params` file, or a symbol with a dict of its arrays by name or a
    list of two dicts (arguments, auxiliary states); in_shapes: of the inputs that are not parameters, in the order of
    `list_inputs`; in_types: a dtype for all of them, or a list; dynamic: whether their sizes stay open in the file,
    all of them or those that are None (or a name) in dynamic_input_shapes; run_shape_inference: add the shapes of all
    values; input_type, input_shape: older names of in_types, in_shapes; verbose: log each node.

    Labels of loss heads are left out. Variables, parameters and nodes keep their names; the output "fc_output" of a
    node "fc" is called "fc".
    Raises ImportError without the package `onnx`; ValueError for other kinds of sym and params; AssertionError where
    lists do not go together; an MXNetError, which is an AttributeError too, for a node without translation.
    """
    onnx = library()
    in_types = in_types if input_type is None else input_type
    in_shapes = in_shapes if input_shape is None else input_shape
    sym, weights = _model(sym, params)
    names, labels = _inputs(sym, weights)
    if in_shapes is None:
        in_shapes = _declared(sym, names)
    in_types = list(in_types) if isinstance(in_types, (list, tuple)) else [in_types] * len(in_shapes)
    assert len(in_types) == len(in_shapes), "The lengths of in_types and in_shapes must equal"
    if len(in_shapes) == len(names) + len(labels):
        named = [name for name in sym.list_inputs() if name in names or name in labels]
        in_shapes = [shape for name, shape in zip(named, in_shapes) if name in names]
        in_types = [dtype for name, dtype in zip(named, in_types) if name in names]
    if len(in_shapes) != len(names):
        raise ValueError(
            explain(
                "export_model takes the shape of each input that is no parameter",
                expected=f"{len(names)} ({', '.join(names)})",
                given=f"{len(in_shapes)} shapes",
            )
        )
    shapes = _open(in_shapes, dynamic, dynamic_input_shapes)
    model = _translate(sym, weights, labels, dict(zip(names, zip(shapes, in_shapes, in_types))), verbose)
    onnx.checker.check_model(model)
    if run_shape_inference:
        model = onnx.shape_inference.infer_shapes(model, strict_mode=False)
    with atomic_write(onnx_file_path, "wb") as file:
        file.write(model.SerializeToString())
    logging.info("Exported ONNX file %s saved to disk", onnx_file_path)
    return onnx_file_path


def _model(sym, params):
    """(symbol, name -> numpy array) of what users hand over."""
    from tandem.mxnet import ndarray, symbol

    if isinstance(sym, (str, os.PathLike)) and isinstance(params, (str, os.PathLike)):
        if not (os.path.isfile(sym) and os.path.isfile(params)):
            raise ValueError(
                explain(
                    "Symbol and params files provided are invalid", given=f"{sym!r}, {params!r}, which are not there"
                )
            )
        sym, params = symbol.load(str(sym)), ndarray.load(str(params))
    if isinstance(params, (list, tuple)) and len(params) == 2:
        params = {**params[0], **params[1]}
    if not isinstance(sym, Symbol) or not isinstance(params, dict):
        raise ValueError(
            explain(
                "Input sym and params should either be files or objects",
                expected="two paths, or a Symbol with a dict of arrays or a list of two dicts",
                given=f"{type(sym).__name__}, {type(params).__name__}",
            )
        )
    return sym, {re.sub("^(arg|aux):", "", name): _numpy(array) for name, array in params.items()}


def _numpy(array):
    array = array.data() if hasattr(array, "list_data") else array  # a gluon Parameter
    return array.asnumpy() if hasattr(array, "asnumpy") else np.asarray(array)


def _inputs(sym, weights):
    """(names of the inputs, names of the labels): variables that are no parameters."""
    readers = {}
    for node in visit(sym._entries):
        for place, entry in enumerate(node.inputs):
            if entry.node.is_variable:
                readers.setdefault(entry.node.name, []).append(node.row.name in _LABELLED and place == 1)
    names = [name for name in dict.fromkeys(sym.list_inputs()) if name not in weights]
    labels = [name for name in names if readers.get(name) and all(readers[name])]
    return [name for name in names if name not in labels], labels


def _declared(sym, names):
    """The shapes that variables were made with."""
    facts = Facts(sym._entries)
    by_name = {node.name: facts.shape(Entry(node)) for node in facts.order if node.is_variable}
    shapes = [by_name[name] for name in names]
    if any(shape is None or None in shape for shape in shapes):
        raise ValueError(explain("export_model needs in_shapes", expected=f"the shapes of {', '.join(names)}"))
    return shapes


def _open(in_shapes, dynamic, dynamic_input_shapes):
    """The shapes as the file says them: None or a name for a size that stays open."""
    shapes = [tuple(shape) for shape in in_shapes]
    if not dynamic:
        assert dynamic_input_shapes is None, "dynamic_input_shapes is specified. Please set dynamic=True"
        return shapes
    if dynamic_input_shapes is None:
        return [(None,) * len(shape) for shape in shapes]
    assert len(shapes) == len(dynamic_input_shapes), (
        "The length of dynamic_input_shapes must equal to the length of in_shapes."
    )
    for shape, opened in zip(shapes, dynamic_input_shapes):
        assert len(shape) == len(opened), "The dimensionality of each shape must match."
    return [tuple(shape) for shape in dynamic_input_shapes]


def _facts(sym, weights, shapes, dtypes):
    """What is known of all values, from the inputs' shapes and dtypes by name."""
    from tandem.mxnet.ndarray.ndarray import mxnet_dtype

    facts = Facts(sym._entries)
    for node in facts.order:
        entry = Entry(node)
        if node.is_variable and node.name in weights:
            array = weights[node.name]
            facts.tell_shape(entry, array.shape)
            facts.tell_dtype(entry, mxnet_dtype(array.dtype))
        elif node.is_variable and node.name in shapes:
            facts.tell_shape(entry, known(shapes[node.name]))
            facts.tell_dtype(entry, mxnet_dtype(dtypes[node.name]))
    facts.search(dtypes=True)
    facts.default_dtypes()
    return facts.search(dtypes=True)


class _OpenFacts:
    """Facts with None for the sizes that change with the sizes that stay open.

    opened: input -> its shape as the file says it. An open size that the model does not let change (the number of a
    convolution's channels) is known here all the same.
    """

    def __init__(self, sym, weights, shapes, dtypes, opened):
        self._facts = self._others = _facts(sym, weights, shapes, dtypes)
        self.order, self.dtype, self.was_open = self._facts.order, self._facts.dtype, self._facts.was_open
        places = {}  # those of one name change together
        for name, sizes in opened.items():
            for axis, size in enumerate(sizes):
                if not isinstance(size, (int, np.integer)):
                    places.setdefault(size or (name, axis), []).append((name, axis))
        changed = dict(shapes)
        for group in places.values():
            trial = {name: list(shape) for name, shape in changed.items()}
            for name, axis in group:
                trial[name][axis] *= 2  # as stacks of strides can divide it
            try:
                self._others = _facts(sym, weights, trial, dtypes)
            except MXNetError:
                continue
            changed = trial

    def shape(self, entry):
        """The shape of a value, with None for sizes that may change."""
        shape, other = self._facts.shape(entry), self._others.shape(entry)
        if shape is None or self._others is self._facts:
            return shape
        return tuple(size if size == changed else None for size, changed in zip(shape, other))


def _translate(sym, weights, labels, inputs, verbose):
    onnx = library()
    opened, shapes, dtypes = ({name: row[place] for name, row in inputs.items()} for place in range(3))
    facts = _OpenFacts(sym, weights, shapes, dtypes, opened)
    writer = Writer(facts, weights)
    names = _output_names(sym)
    values, declared = {}, []
    for node in facts.order:
        if not node.is_variable or node.name in labels:
            continue
        if (id(node), 0) in values or node.name in writer.constants:
            raise ValueError(explain("Two variables have one name", given=node.name))
        values[id(node), 0] = writer.unique(node.name)
        if node.name in weights:
            writer.constants[node.name] = weights[node.name]
        else:
            shape, dtype = inputs[node.name][0], element_type(facts.dtype(Entry(node)))
            declared.append(onnx.helper.make_tensor_value_info(node.name, dtype, shape))
    for node in facts.order:
        if not node.is_variable:
            _translate_node(writer, node, values, verbose)
    outputs = _rename_outputs(writer, sym, names, values)
    _prune(writer, [value.name for value in outputs])
    graph = onnx.helper.make_graph(
        writer.nodes,
        "mxnet_converted_model",
        declared,
        outputs,
        [onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
         for name, array in writer.constants.items()],
    )  # fmt: skip
    return onnx.helper.make_model(
        graph,
        producer_name="tandem",
        ir_version=8,  # which runtimes of opset 13's days and later read
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
    )


def _translate_node(writer, node, values, verbose):
    from tandem.mxnet.onnx import translations

    if verbose:
        logging.info("Converting op: %s, name: %s", node.row.name, node.name)
    translation = translations.TABLE.get(node.row.name)
    if translation is None or node.row.name in SPECIAL:
        raise refusal(node.row.name, node.name, "No conversion function registered for it")
    for entry in node.inputs:
        if id(entry.node) in writer.unsized and node.row.name != "RNN":
            raise refusal(entry.node.row.name, entry.node.name, "the size of what it makes is not known")
    call = Call(writer, node, [values.get((id(entry.node), entry.index)) for entry in node.inputs])
    results = translation(call)
    if results is None:
        writer.unsized.add(id(node))
        return
    results = list(results) if isinstance(results, (tuple, list)) else [results]
    if len(results) < node.visible:
        raise call.refuse(f"only {len(results)} of its {node.visible} outputs are translated")
    wanted = [_value_name(name) for name in node.output_names()]
    for place, (result, name) in enumerate(zip(results, wanted)):
        if result not in call.produced:
            result = call.add("Identity", result)
        values[id(node), place] = _rename(writer, call, result, name, node.name if place == 0 else None)


def _rename(writer, call, old, name, node_name):
    """Give a value of one translation its own name, and the ONNX node that makes it the MXNet node's."""
    new = writer.unique(name)
    call.produced.discard(old)
    for made in reversed(writer.nodes):
        for outputs in (made.input, made.output):
            for place, one in enumerate(outputs):
                if one == old:
                    outputs[place] = new
        if new in made.output:
            if node_name is not None:
                made.name = node_name if new == name else new
            return new
    raise AssertionError(f"{old} is made by no node")


def _value_name(name):
    """What a value is called in the file: "fc_output" is "fc", "split_output1" is "split1"."""
    if name.endswith("_state_output"):
        return name.removesuffix("_state_output") + "1"
    if name.endswith("_statecell_output"):
        return name.removesuffix("_statecell_output") + "2"
    return re.sub(r"_output(\d*)$", r"\1", name)


def _output_names(sym):
    return [
        name if entry.node.is_variable else _value_name(name) for entry, name in zip(sym._entries, sym.list_outputs())
    ]


def _rename_outputs(writer, sym, names, values):
    """The graph's outputs; an output that is an input, or stands there twice, is a copy."""
    onnx = library()
    outputs, seen = [], set()
    for entry, name in zip(sym._entries, names):
        if id(entry.node) in writer.unsized:
            raise refusal(entry.node.row.name, entry.node.name, "the size of what it makes is not known")
        value = values[id(entry.node), entry.index]
        if entry.node.is_variable or value in seen:
            copy = writer.unique(f"{name}_out")
            writer.nodes.append(onnx.helper.make_node("Identity", [value], [copy], name=copy))
            value = copy
        seen.add(value)
        shape = writer.facts.shape(entry)
        dtype = element_type(writer.facts.dtype(entry))
        outputs.append(onnx.helper.make_tensor_value_info(value, dtype, shape))
    return outputs


def _prune(writer, outputs):
    """Leave out nodes and constants that nothing needs."""
    needed, kept = set(outputs), []
    for node in reversed(writer.nodes):
        if any(name in needed for name in node.output):
            needed.update(node.input)
            kept.append(node)
    writer.nodes = kept[::-1]
    writer.constants = {name: array for name, array in writer.constants.items() if name in needed}
