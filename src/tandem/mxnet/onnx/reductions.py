"""ONNX for sums and the like over axes, and for what sorts along one."""

import numpy as np
import torch

from tandem.mxnet import util


def _axes(call):
    """The axes that are reduced, counted from the front."""
    axis, rank = call.a.get("axis", call.a.get("axes")), call.rank()
    named = (axis,) if isinstance(axis, int) else tuple(axis or ())
    named = tuple(sorted({one % rank for one in named}))
    if call.a.get("exclude"):
        return tuple(one for one in range(rank) if one not in named)
    return named or tuple(range(rank))


def reduce(call, op_type, x, axes, keepdims, rank):
    """x reduced over axes; MXNet has no arrays without axes."""
    scalar = not keepdims and len(axes) == rank and not util.is_np_shape()
    keepdims = int(bool(keepdims) or scalar)
    if op_type == "ReduceSum":  # the only one whose axes are an input in opset 13
        y = call.add(op_type, x, call.ints(*axes), keepdims=keepdims)
    else:
        y = call.add(op_type, x, axes=list(axes), keepdims=keepdims)
    return call.reshape(y, 1) if scalar and rank != 1 else y


def _reduction(op_type, nan=None):
    def translate(call):
        x, dtype = call.inputs[0], call.dtype()
        if nan is not None and dtype.is_floating_point:
            x = call.add("Where", call.add("IsNaN", x), call.number(nan), x)
        if dtype is not call.out_dtype():
            x = call.cast(x, call.out_dtype())
        return reduce(call, op_type, x, _axes(call), call.a["keepdims"], call.rank())

    return translate


def _norm(call):
    order = call.a["ord"]
    call.only(order in (1, 2), f"ord={order}")
    return _reduction("ReduceL1" if order == 1 else "ReduceL2")(call)


def _moments(call):
    x, axes, rank = call.inputs[0], _axes(call), call.rank()
    mean = call.add("ReduceMean", x, axes=list(axes), keepdims=1)
    centred = call.add("Sub", x, mean)
    parts = [x, call.add("Mul", centred, centred)]
    return [reduce(call, "ReduceMean", part, axes, call.a["keepdims"], rank) for part in parts]


def _extreme(op_type):
    def translate(call):
        x, axis = call.inputs[0], call.a["axis"]
        if axis is None:
            y = call.add(op_type, call.reshape(x, -1), axis=0, keepdims=1)
            y = call.reshape(y, *[1] * call.rank()) if call.a["keepdims"] else y
        else:
            alone = call.rank() == 1 and not util.is_np_shape()
            y = call.add(op_type, x, axis=call.axis(), keepdims=int(call.a["keepdims"] or alone))
        return call.cast(y, call.out_dtype())

    return translate


def _extreme_channel(call):
    return call.cast(call.add("ArgMax", call.inputs[0], axis=1, keepdims=0), call.out_dtype())


# --- sorting ---------------------------------------------------------------------------------------------------------


def top(call, x, axis, count, ascending):
    """(values, places) of the first `count` (a number or a name) along an axis."""
    count = call.ints(count) if not isinstance(count, str) else count
    return call.add("TopK", x, count, outputs=2, axis=axis, largest=int(not ascending), sorted=1)


def _along(call):
    """(the input, axis, size): flat where axis is None."""
    x, shape = call.inputs[0], call.shape()
    if call.a["axis"] is None:
        x = call.reshape(x, -1)
        return x, 0, int(np.prod(call.sizes()))
    axis = call.axis()
    return x, axis, call.size(x, axis, shape)


def _topk(call):
    x, axis, size = _along(call)
    count = call.a["k"] if call.a["k"] > 0 else size
    kind = call.a["ret_typ"]
    values, places = top(call, x, axis, count, call.a["is_ascend"])
    if kind == "mask":
        ones = call.add("Expand", call.number(1), call.add("Shape", values))
        zeros = call.add("Expand", call.number(0), call.add("Shape", x))
        mask = call.add("ScatterElements", zeros, places, ones, axis=axis)
        return call.reshape(mask, *call.sizes()) if call.a["axis"] is None else mask
    if kind == "value":
        return values
    places = call.cast(places, call.a["dtype"])
    return places if kind == "indices" else [values, places]


def _sort(which):
    def translate(call):
        x, axis, size = _along(call)
        found = top(call, x, axis, size, call.a["is_ascend"])[which]
        return call.cast(found, call.a["dtype"]) if which else found

    return translate


def _cumulative(call):
    x, axis = call.inputs[0], call.a["axis"]
    if axis is None:
        x, axis = call.reshape(x, -1), 0
    half = call.out_dtype() is torch.float16  # which CumSum does not take
    wide = torch.float32 if half else call.out_dtype()
    x = x if call.dtype() is wide else call.cast(x, wide)
    y = call.add("CumSum", x, call.writer.constant(np.array(axis, np.int64)))
    return call.cast(y, torch.float16) if half else y


TABLE = {
    "sum": _reduction("ReduceSum"),
    "nansum": _reduction("ReduceSum", nan=0),
    "mean": _reduction("ReduceMean"),
    "prod": _reduction("ReduceProd"),
    "nanprod": _reduction("ReduceProd", nan=1),
    "max": _reduction("ReduceMax"),
    "min": _reduction("ReduceMin"),
    "norm": _norm,
    "moments": _moments,
    "argmax": _extreme("ArgMax"),
    "argmin": _extreme("ArgMin"),
    "argmax_channel": _extreme_channel,
    "topk": _topk,
    "sort": _sort(0),
    "argsort": _sort(1),
    "cumsum": _cumulative,
}
