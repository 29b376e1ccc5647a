"""Calls of a recording put as other calls that cost less: the first pass, where results may differ in the last bits."""

import functools
import math
from dataclasses import replace

import torch

from tandem.core.devices import processor_vendor
from tandem.engine.record import Call, Ref, flatten
from tandem.engine.schemas import bound, written
from tandem.ops import conv_gradients, windows  # noqa: F401 - they define the operators

aten = torch.ops.aten

# A kernel's gradient as products is faster than oneDNN's for so many channels, places and multiplications, where oneDNN
# has no more than AVX2 to work with (on two cores of a Zen 3: 1.2 to 1.9 times for kernels of 3x3).
_FEWEST_CHANNELS = 32
_FEWEST_PLACES = 100
_FEWEST_PRODUCTS = 1 << 28


def rewritten(recording):
    """(calls, storages, the first call of the second part) of a recording, with dear calls put otherwise."""
    calls, storages, cut = [], list(recording.storages), recording.cut
    pools = _windows(recording)
    for index, call in enumerate(recording.calls):
        if index == recording.cut:
            cut = len(calls)
        parts = _split_convolution(call) if call.func is aten.convolution_backward.default else [_product(call)]
        parts = pools.get(index, parts)
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
    _, of_weight, of_bias = call.outputs
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
        and math.prod(grad.size) * math.prod(weight.size[1:]) >= _FEWEST_PRODUCTS
        and all(_channels_last(ref) for ref in (grad, x, of_weight))
    )


def _channels_last(ref):
    _, c, h, w = ref.size
    return ref.stride == (h * w * c, 1, w * c, c)


def _call(func, args, outputs, where):
    flat, spec = flatten(args, {})
    return Call(func, spec, flat, outputs, where)


# From so many multiplications on, oneDNN's products are faster than MKL's where MKL makes no use of AVX-512.
_FEWEST_MULTIPLICATIONS = 1 << 22


@functools.cache
def _onednn_multiplies():
    """Whether oneDNN's products are the faster ones: MKL takes narrower vectors on a processor that is not Intel's.

    On two cores of a Zen 5 its float32 products reach 205 GFLOP/s, oneDNN's 460.
    """
    return (
        torch.backends.mkldnn.is_available()
        and torch.backends.mkl.is_available()
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and processor_vendor() not in ("GenuineIntel", None)
    )


def _product(call):
    """A large product by oneDNN, where that is faster."""
    if call.func not in (aten.mm.default, aten.addmm.default) or not _onednn_multiplies():
        return call
    bias, left, right, *factors = bound(call) if call.func is aten.addmm.default else (None, *bound(call))
    (result,) = call.outputs
    if result.dtype is not torch.float32 or math.prod(result.size) * left.size[1] < _FEWEST_MULTIPLICATIONS:
        return call
    if factors not in ([], [1, 1]) or result.stride != (result.size[1], 1):
        return call
    if bias is not None and (bias.size, bias.stride) != (result.size[1:], (1,)):
        return call
    arguments = (left, _permuted(right, (1, 0)), bias, "none", [], "")
    return _call(torch.ops.mkldnn._linear_pointwise.default, arguments, [result], call.where)


# The largest window whose places are compared one by one.
_LARGEST_WINDOW = 16

_POOLS = (aten.max_pool2d_with_indices.default, aten.max_pool3d_with_indices.default)
_POOL_GRADIENTS = (aten.max_pool2d_with_indices_backward.default, aten.max_pool3d_with_indices_backward.default)


def _windows(recording):
    """Max pooling over windows side by side, and its gradient, without numbers of places: call number -> calls."""
    readers, results = {}, {value.storage for value in _results(recording) if isinstance(value, Ref)}
    for index, call in enumerate(recording.calls):
        if all(recording.storages[ref.storage].maker != index for ref in call.results()) and not written(call):
            continue  # a view of it, which reads nothing
        for ref in call.tensors():
            readers.setdefault(ref.storage, []).append(index)
    found = {}
    for index, call in enumerate(recording.calls):
        if call.func not in _POOLS:
            continue
        window, out, indices = _window(call), *call.outputs
        gradients = readers.get(indices.storage, [])
        if window is None or indices.storage in results or not all(_is_gradient(recording, n) for n in gradients):
            continue
        x = call.args[0]
        found[index] = [_call(torch.ops.tandem.window_max.default, (x, window), [out], call.where)]
        for number in gradients:
            backward = recording.calls[number]
            grad, result, relu = bound(backward)[0], backward.outputs[0], False
            users = readers.get(result.storage, [])
            after = recording.calls[users[0]] if len(users) == 1 else None
            if after is not None and after.func is aten.threshold_backward.default and result.storage not in results:
                arriving, seen, threshold = bound(after)
                order = _order(seen, x)
                if order is not None and threshold == 0 and _permuted(arriving, order) == result:
                    # One pass for both; the call comes where the second one was, and nobody reads what lay between.
                    found[number], result, relu, number = [], _permuted(after.outputs[0], order), True, users[0]
            arguments = (grad, x, window, relu)
            found[number] = [_call(torch.ops.tandem.window_max_gradient.default, arguments, [result], backward.where)]
    return found


def _order(view, tensor):
    """The order of axes in which a view is the tensor itself, or None."""
    left, order = list(zip(view.size, view.stride)), []
    if len(left) != len(tensor.size) or (view.storage, view.offset, view.dtype) != (
        tensor.storage,
        tensor.offset,
        tensor.dtype,
    ):
        return None
    for axis in zip(tensor.size, tensor.stride):
        if axis not in left:
            return None
        order.append(left.index(axis))
        left[order[-1]] = None
    return order


def _permuted(ref, order):
    return replace(ref, size=tuple(ref.size[n] for n in order), stride=tuple(ref.stride[n] for n in order))


def _results(recording):
    return [*recording.outputs, *recording.first_outputs, *(ref for _, ref in recording.grads)]


def _window(call):
    """The window of a pooling without overlap and padding, or None."""
    x, kernel, stride, padding, dilation, _ = bound(call)
    rank = len(x.size) - 2
    kernel = list(kernel) * (rank if len(kernel) == 1 else 1)
    stride = list(stride) * (rank if len(stride) == 1 else 1) or kernel
    if kernel != stride or any(padding) or any(d != 1 for d in dilation) or x.dtype is not torch.float32:
        return None
    if len(kernel) != rank or math.prod(kernel) > _LARGEST_WINDOW:
        return None
    sizes = [size // width for size, width in zip(x.size[2:], kernel)]
    return kernel if sizes == list(call.outputs[0].size[2:]) else None


def _is_gradient(recording, number):
    return recording.calls[number].func in _POOL_GRADIENTS
