"""`mx.contrib.quantization`: models whose layers work on 8-bit integers.

A graph is rewritten (`quantize_graph`), its ranges come from data (`calib_graph`), or both at once (`quantize_model`,
`quantize_net`). Without data each layer looks at the range of its numbers while it runs.
"""

import logging

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet import ndarray
from tandem.mxnet.base import py_str
from tandem.mxnet.io import DataIter, NDArrayIter
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.symbol.nodes import visit
from tandem.mxnet.symbol.quantizing import Quantized
from tandem.mxnet.symbol.symbol import Symbol

__all__ = [
    "calib_graph",
    "combine_histogram",
    "quantize_graph",
    "quantize_model",
    "quantize_model_mkldnn",
    "quantize_net",
    "quantize_net_v2",
]

_CPU = contexts.cpu()
_BINS = 8001


def combine_histogram(old_hist, arr, new_min, new_max, new_th):
    """A histogram over [-th, th] with the values of another array in it, over a wider range where these need it.

    old_hist: (counts, edges, min, max, th); new_min, new_max, new_th: of the array. Answers such a tuple.
    """
    counts, edges, low, high, th = old_hist
    low, high = min(low, new_min), max(high, new_max)
    if new_th <= th:
        more, _ = np.histogram(arr, bins=len(counts), range=(-th, th))
        return counts + more, edges, low, high, th
    width = 2 * th / len(counts)
    beside = int((new_th - th) // width + 1)
    wide = beside * width + th
    more, edges = np.histogram(arr, bins=len(counts) + 2 * beside, range=(-wide, wide))
    more[beside : beside + len(counts)] += counts
    return more, edges, low, high, wide


class _Ranges:
    """Collects the least and the greatest value of each output."""

    def __init__(self, names):
        self._names = names
        self.min_max_dict = {}

    def collect(self, name, op_name, arr):
        """Look at the values of an output."""
        if name in self._names:
            values = arr.asnumpy()
            low, high = float(values.min()), float(values.max())
            before = self.min_max_dict.get(name, (low, high))
            self.min_max_dict[name] = min(low, before[0]), max(high, before[1])


class _Histograms:
    """Collects a histogram of each output, and cuts it where 8 bits tell most about it."""

    def __init__(self, names):
        self._names = names
        self.hist_dict = {}

    def collect(self, name, op_name, arr):
        """Look at the values of an output."""
        if name not in self._names:
            return
        values = arr.asnumpy()
        low, high = float(values.min()), float(values.max())
        th = max(abs(low), abs(high))
        if name in self.hist_dict:
            self.hist_dict[name] = combine_histogram(self.hist_dict[name], values, low, high, th)
        else:
            counts, edges = np.histogram(values, bins=_BINS, range=(-th, th))
            self.hist_dict[name] = counts, edges, low, high, th

    @property
    def min_max_dict(self):
        """Name -> (low, high)."""
        found = {}
        for name, (counts, edges, low, _, _) in self.hist_dict.items():
            arrays = ndarray.array(counts), ndarray.array(edges)
            cut = float(ndarray.contrib.calibrate_entropy(*arrays, num_quantized_bins=255)[0].asscalar())
            found[name] = (low if low >= 0 else -cut), cut  # without negative numbers all levels are for the others
        return found


def _check(quantized_dtype, quantize_mode, quantize_granularity, calib_mode):
    for name, value, known in (
        ("quantized_dtype", quantized_dtype, ("int8", "uint8", "auto")),
        ("quantize_mode", quantize_mode, ("full", "smart")),
        ("quantize_granularity", quantize_granularity, ("tensor-wise",)),
        ("calib_mode", calib_mode, ("none", "naive", "entropy", "custom", None)),
    ):
        if value not in known:
            raise ValueError(explain(f"Unknown {name}", expected=", ".join(map(str, known)), given=repr(value)))


def _names(value, what):
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(explain(f"{what} must be a list of strings", given=type(value).__name__))
    return value


def _rewritten(sym, arg_params, excluded, operators, dtype, mode):
    known = {node.name for node in visit(sym._entries)}
    for name in excluded:
        if name not in known:
            raise ValueError(explain(f"There is no layer {name!r} to leave as it is", expected="names of the symbol"))
    made = Quantized(
        sym,
        excluded=set(excluded),
        operators=set(operators),
        offline=set(arg_params),
        out_type=dtype,
        smart=mode == "smart",
    )
    return made.symbol, made.calibrated, _parameters(made.symbol, arg_params)


def _parameters(qsym, arg_params):
    """The parameters of a rewritten symbol: integers and their ranges where it asks for these."""
    wanted, found = set(qsym.list_arguments()), {}
    for name, value in arg_params.items():
        if f"{name}_quantize" in wanted:
            low, high = ndarray.min(value), ndarray.max(value)
            parts = ndarray.contrib.quantize(value, low, high, out_type="int8")
            found.update(zip((f"{name}_quantize", f"{name}_quantize_min", f"{name}_quantize_max"), parts))
        if name in wanted:
            found[name] = value
    return found


def _calibrated(qsym, names, ranges):
    """The symbol with the ranges that are known in the nodes that make integers."""
    qsym = qsym.__copy__()
    for node in visit(qsym._entries):
        if node.name in names and names[node.name] in ranges:
            low, high = ranges[names[node.name]]
            node.attrs.update(min_calib_range=repr(float(low)), max_calib_range=repr(float(high)))
            node.forget()
    return qsym


def _collector(calib_mode, names):
    return _Histograms(names) if calib_mode == "entropy" else _Ranges(names)


def _collect(sym, arg_params, aux_params, data, data_names, label_names, ctx, most, collector):
    """Run the symbol on batches and show each output to the collector."""
    shapes = {desc[0]: desc[1] for desc in [*data.provide_data, *(data.provide_label or [])]}
    arguments = sym.list_arguments()
    executor = sym.simple_bind(ctx, grad_req="null", **{name: shapes[name] for name in shapes if name in arguments})
    executor.copy_params_from(arg_params, aux_params, allow_extra_params=True)
    executor.set_monitor_callback(lambda name, array: collector.collect(py_str(name), "", array))
    seen = 0
    data.reset()
    for batch in data:
        given = dict(zip([*(data_names or ()), *(label_names or ())], [*batch.data, *(batch.label or [])]))
        given = {name: array for name, array in given.items() if name in arguments}
        for name, array in given.items():
            collector.collect(name, "null", array)
        executor.forward(is_train=False, **given)
        seen += data.batch_size
        if most is not None and seen >= most:
            break
    return seen


def quantize_graph(
    sym,
    arg_params,
    aux_params,
    ctx=_CPU,
    excluded_sym_names=None,
    excluded_op_names=None,
    calib_mode="entropy",
    quantized_dtype="int8",
    quantize_mode="full",
    quantize_granularity="tensor-wise",
    LayerOutputCollector=None,
    logger=None,
):
    """(symbol on integers, its parameters, auxiliary states, what collects ranges or None).

    excluded_sym_names, excluded_op_names: layers that stay as they are; calib_mode: 'none', 'naive', 'entropy', or
    'custom' with a LayerOutputCollector that has `collect(name, op_name, array)` and `min_max_dict`.
    `calib_graph` puts what was collected into the symbol. Raises ValueError for unknown choices.
    """
    _check(quantized_dtype, quantize_mode, quantize_granularity, calib_mode)
    excluded = _names(excluded_sym_names, "excluded_sym_names")
    operators = _names(excluded_op_names, "excluded_op_names")
    qsym, names, params = _rewritten(sym, arg_params, excluded, operators, quantized_dtype, quantize_mode)
    collector = None
    if calib_mode == "custom":
        collector = LayerOutputCollector
        if not hasattr(collector, "collect") or not hasattr(collector, "min_max_dict"):
            raise ValueError(
                explain(
                    "calib_mode='custom' needs a LayerOutputCollector",
                    expected="an object with collect(name, op_name, array) and min_max_dict",
                    given=repr(LayerOutputCollector),
                )
            )
    elif calib_mode not in ("none", None):
        collector = _collector(calib_mode, set(names.values()))
    return qsym, params, aux_params, collector


def calib_graph(qsym, arg_params, aux_params, collector, calib_mode="entropy", quantized_dtype="int8", logger=logging):
    """(symbol with the collected ranges, its parameters, auxiliary states).

    Raises ValueError where nothing was collected.
    """
    _check(quantized_dtype, "full", "tensor-wise", calib_mode)
    ranges = getattr(collector, "min_max_dict", None)
    if not ranges:
        raise ValueError(
            explain("There are no ranges yet", expected="a collector that saw outputs", given=repr(collector))
        )
    names, nodes = {}, visit(qsym._entries)
    known = {node.name for node in nodes}
    for node in nodes:
        if node.row is not None and node.row.name == "_contrib_quantize_v2":
            source = node.inputs[0]
            names[node.name] = source.node.name if source.node.is_variable else _float_name(source)
        elif node.row is not None and node.row.name == "_contrib_requantize":
            layer = node.name.removeprefix("requantize_")
            if layer not in known:  # else that node adds the bias, which the range that was seen has in it
                names[node.name] = f"{layer}_output"
    return _calibrated(qsym, names, ranges), arg_params, aux_params


def _float_name(entry):
    return entry.node.output_names()[entry.index]


def quantize_model(
    sym,
    arg_params,
    aux_params,
    data_names=("data",),
    label_names=("softmax_label",),
    ctx=_CPU,
    excluded_sym_names=None,
    excluded_op_names=None,
    calib_mode="entropy",
    calib_data=None,
    num_calib_examples=None,
    quantized_dtype="int8",
    quantize_mode="smart",
    quantize_granularity="tensor-wise",
    logger=None,
):
    """(symbol on integers, its parameters, auxiliary states), with ranges from data unless calib_mode is 'none'.

    sym, arg_params, aux_params: a model; data_names, label_names: of its inputs; excluded_sym_names, excluded_op_names:
    layers that stay as they are; calib_data: an iterator; num_calib_examples: how many samples to look at;
    calib_mode: 'naive' takes the least and greatest values, 'entropy' cuts where 8 bits tell most.
    Raises ValueError for unknown choices, or without data to calibrate with.
    """
    _check(quantized_dtype, quantize_mode, quantize_granularity, calib_mode)
    calibrate = calib_mode not in ("none", None)
    if calibrate and not isinstance(calib_data, DataIter):
        raise ValueError(
            explain(
                f"calib_mode={calib_mode!r} needs data",
                expected="a DataIter as calib_data",
                given=type(calib_data).__name__,
            )
        )
    excluded = _names(excluded_sym_names, "excluded_sym_names")
    operators = _names(excluded_op_names, "excluded_op_names")
    qsym, names, params = _rewritten(sym, arg_params, excluded, operators, quantized_dtype, quantize_mode)
    if not calibrate:
        return qsym, params, aux_params
    collector = _collector(calib_mode, set(names.values()))
    seen = _collect(
        sym, arg_params, aux_params, calib_data, data_names, label_names, ctx, num_calib_examples, collector
    )
    ranges = collector.min_max_dict  # of histograms: a search, each time it is asked for
    if logger is not None:
        logger.info("Collected the ranges of %d outputs from %d samples", len(ranges), seen)
    return _calibrated(qsym, names, ranges), params, aux_params


def quantize_model_mkldnn(
    sym,
    arg_params,
    aux_params,
    data_names=("data",),
    label_names=("softmax_label",),
    ctx=_CPU,
    excluded_sym_names=None,
    excluded_op_names=None,
    calib_mode="entropy",
    calib_data=None,
    num_calib_examples=None,
    quantized_dtype="int8",
    quantize_mode="smart",
    quantize_granularity="tensor-wise",
    logger=None,
):
    """`quantize_model`: oneDNN's fused operators are not there.

    Raises ValueError for another context than the CPU.
    """
    if ctx != _CPU:
        raise ValueError(explain("quantize_model_mkldnn only supports the CPU", expected="mx.cpu()", given=repr(ctx)))
    return quantize_model(
        sym, arg_params, aux_params, data_names, label_names, ctx, excluded_sym_names, excluded_op_names, calib_mode,
        calib_data, num_calib_examples, quantized_dtype, quantize_mode, quantize_granularity, logger,
    )  # fmt: skip


def quantize_net_v2(
    network,
    quantized_dtype="auto",
    quantize_mode="full",
    quantize_granularity="tensor-wise",
    exclude_layers=None,
    exclude_layers_match=None,
    exclude_operators=None,
    calib_data=None,
    data_shapes=None,
    calib_mode="none",
    num_calib_examples=None,
    ctx=_CPU,
    LayerOutputCollector=None,
    logger=None,
):
    """A Gluon block on integers, as a `SymbolBlock`.

    network: a HybridBlock with parameters; exclude_layers, exclude_operators: names that stay as they are;
    exclude_layers_match: parts of such names; calib_data: an array, a `DataLoader` or an iterator; data_shapes: a
    list of the inputs' shapes (or descriptions) where there is no data; the others: see `quantize_graph`.
    Raises ValueError for unknown choices, or without data to calibrate with.
    """
    from tandem.mxnet.gluon.block import HybridBlock
    from tandem.mxnet.gluon.symbol_block import SymbolBlock
    from tandem.mxnet.symbol.symbol import Group, var

    if not isinstance(network, HybridBlock):
        raise TypeError(explain("quantize_net takes a HybridBlock", given=type(network).__name__))
    data = None if calib_data is None else _as_iterator(calib_data)
    if data is None and data_shapes is None:
        raise ValueError(explain("quantize_net needs the inputs' shapes", expected="data_shapes or calib_data"))
    count = len(data.provide_data) if data_shapes is None else len(data_shapes)
    names = ["data"] if count == 1 else [f"data{place}" for place in range(count)]
    inputs = [var(name) for name in names]
    outputs = network(*inputs)
    sym = outputs if isinstance(outputs, Symbol) else Group(outputs)
    held = network.collect_params()
    args = {name: held[name].data(held[name].list_ctx()[0]) for name in sym.list_arguments() if name in held}
    aux = {name: held[name].data(held[name].list_ctx()[0]) for name in sym.list_auxiliary_states()}
    excluded = _names(exclude_layers, "exclude_layers")
    parts = _names(exclude_layers_match, "exclude_layers_match")
    nodes = [node.name for node in visit(sym._entries) if node.row is not None]
    excluded = [*excluded, *(name for name in nodes if any(part in name for part in parts))]
    qsym, params, states, collector = quantize_graph(
        sym, args, aux, ctx, excluded, exclude_operators, calib_mode, quantized_dtype, quantize_mode,
        quantize_granularity, LayerOutputCollector, logger,
    )  # fmt: skip
    if collector is not None:
        if data is None:
            raise ValueError(explain(f"calib_mode={calib_mode!r} needs data", expected="calib_data", given="None"))
        _collect(sym, args, aux, data, names, (), ctx, num_calib_examples, collector)
        qsym, params, states = calib_graph(qsym, params, states, collector, calib_mode, quantized_dtype)
    made = SymbolBlock(qsym, inputs)
    values = {**params, **states}
    for name, parameter in made.collect_params().items():
        parameter._load_init(values[name], ctx, cast_dtype=True, dtype_source="saved")
    return made


def quantize_net(
    network,
    quantized_dtype="auto",
    quantize_mode="full",
    exclude_layers=None,
    exclude_layers_match=None,
    exclude_operators=None,
    calib_data=None,
    data_shapes=None,
    calib_mode="none",
    num_calib_examples=None,
    ctx=_CPU,
    logger=None,
):
    """See `quantize_net_v2`."""
    return quantize_net_v2(
        network, quantized_dtype, quantize_mode, "tensor-wise", exclude_layers, exclude_layers_match,
        exclude_operators, calib_data, data_shapes, calib_mode, num_calib_examples, ctx, None, logger,
    )  # fmt: skip


def _as_iterator(calib_data):
    if isinstance(calib_data, DataIter):
        return calib_data
    if isinstance(calib_data, NDArray):
        return NDArrayIter(calib_data, batch_size=calib_data.shape[0])
    from tandem.mxnet.contrib.io import DataLoaderIter
    from tandem.mxnet.gluon.data import DataLoader

    if isinstance(calib_data, DataLoader):
        return DataLoaderIter(calib_data)
    raise ValueError(
        explain("calib_data has another type", expected="an NDArray, DataLoader or DataIter", given=type(calib_data))
    )
