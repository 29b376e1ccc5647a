"""Calls of a recording put as other calls that cost less: the first pass, where results may differ in the last bits."""

from dataclasses import replace

import torch
from torch.utils._pytree import tree_flatten

from tandem.engine.record import Call
from tandem.engine.schemas import bound
from tandem.ops import conv_gradients  # noqa: F401 - defines the operator

aten = torch.ops.aten

# A kernel's gradient as products is faster than oneDNN's from so many channels and places on, where oneDNN has no more
# than AVX2 to work with (on two cores of a Zen 3: 1.0 to 1.9 times for kernels of 3x3).
_FEWEST_CHANNELS = 32
_FEWEST_PLACES = 100


def rewritten(recording):
    """(calls, storages, the first call of the second part) of a recording, with dear calls put otherwise."""
    calls, storages, cut = [], list(recording.storages), recording.cut
    for index, call in enumerate(recording.calls):
        if index == recording.cut:
            cut = len(calls)
        parts = _split_convolution(call) if call.func is aten.convolution_backward.default else [call]
        for part in parts:
            for ref in part.results():
                storage = storages[ref.storage]
                if storage.role == "made" and storage.maker == index and storage is recording.storages[ref.storage]:
                    storages[ref.storage] = replace(storage, maker=len(calls))
            calls.append(part)
    if recording.cut == len(recording.calls):
        cut = len(calls)
    return calls, storages, cut


def _split_convolution(call):
    """A convolution's gradients one by one: the bias's is a sum, the kernel's may be products."""
    grad, x, weight, _, stride, padding, dilation, transposed, _, groups, mask = bound(call)
    of_x, of_weight, of_bias = call.outputs
    if transposed or grad.dtype is not torch.float32 or of_weight is None:
        return [call]
    parts, wanted = [], [bool(flag) for flag in mask]
    if of_bias is not None:
        wanted[2] = False
        dims = [dim for dim in range(len(grad.size)) if dim != 1]
        parts.append(_call(aten.sum.dim_IntList, (grad, dims), [of_bias], call.where))
    if not any(d != 1 for d in dilation) and groups == 1 and _by_products(grad, x, weight, of_weight):
        wanted[1] = False
        kernel = list(weight.size[2:])
        arguments = (grad, x, kernel, list(stride), list(padding))
        parts.append(_call(torch.ops.tandem.kernel_gradient.default, arguments, [of_weight], call.where))
    if not parts:
        return [call]
    if any(wanted):
        arguments = (*bound(call)[:-1], wanted)
        outputs = [out if flag else None for out, flag in zip(call.outputs, wanted)]
        parts.append(_call(call.func, arguments, outputs, call.where))
    return parts


def _by_products(grad, x, weight, of_weight):
    return (
        len(weight.size) == 4
        and torch.backends.cpu.get_cpu_capability() == "AVX2"
        and min(weight.size[:2]) >= _FEWEST_CHANNELS
        and weight.size[2] * weight.size[3] > 1
        and grad.size[2] * grad.size[3] >= _FEWEST_PLACES
        and all(_channels_last(ref) for ref in (grad, x, of_weight))
    )


def _channels_last(ref):
    _, c, h, w = ref.size
    return ref.stride == (h * w * c, 1, w * c, c)


def _call(func, args, outputs, where):
    flat, spec = tree_flatten((args, {}))
    return Call(func, spec, flat, outputs, where)
