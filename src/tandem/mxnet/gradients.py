"""How gradients reach arrays.

An array's gradient is its tensor's own `.grad`, so `torch.optim` and `clip_grad_norm_` see what MXNet's code sees.
Under MXNet's `backward` a gradient with `grad_req='write'` is overwritten; under plain torch's it accumulates, as torch
has it.
"""

import functools
import threading

import torch
from torch.utils.weak import TensorWeakRef

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.ops import typed, updates

# Passes of MXNet's kind that run, by the thread that started them. Of kind "backward", or "grad", which touches no
# array's own gradient.
_passes = {}
_thread = threading.get_ident

_REQUESTS = ("write", "add", "null")


class _Follows:
    """The gradient of an array: `_tensor` follows the owner's `.grad`, and is zeros while there is none."""

    __slots__ = ()

    def __init__(self, owner, ctx):
        self._owner, self._ctx = owner, ctx

    @property
    def _tensor(self):
        owner = self._owner
        grad = owner.grad
        if grad is None:
            # A real buffer, so that what is written into it before a backward pass stays and is accumulated to.
            grad = torch.zeros_like(owner, memory_format=torch.contiguous_format, requires_grad=False)
            owner.grad = grad
        return grad

    @classmethod
    def _wrap(cls, tensor, ctx=None):
        return cls._plain._wrap(tensor, ctx)  # what is computed from a gradient is a plain array

    def __reduce__(self):
        return self._plain._wrap(self._tensor, self._ctx).__reduce__()

    def __repr__(self):
        return self._plain._wrap(self._tensor, self._ctx).__repr__()


class _Alike(type):
    """The type of a gradient's type, which is equal to that of its arrays: `type(x.grad) == mx.np.ndarray`."""

    def __eq__(cls, other):
        return other is cls or other is cls._plain

    def __hash__(cls):
        return hash(cls._plain)


@functools.cache
def gradient_type(kind):
    """The type of gradients of arrays of type `kind`, a subclass of it."""
    return _Alike(kind.__name__, (_Follows, kind), {"__slots__": ("_owner",), "_plain": kind})


Gradient = gradient_type(NDArray)


class Hook:
    """Called with a leaf's gradient before that is accumulated into `.grad`."""

    __slots__ = ("delivered", "fresh", "kept", "leaf", "request")
    stype = "default"  # the storage of the gradient
    __torch_unserialize__ = True  # torch.save leaves it out without a warning

    def __init__(self, leaf, request, kept):
        # Weak: the tensor owns the hook, and a cycle would keep every array with a gradient until a collection.
        self.leaf, self.request, self.kept, self.fresh = TensorWeakRef(leaf), request, kept, False
        self.delivered = None  # the pass in which `deliver` has put the gradient, or a part of it, into its place

    def __call__(self, grad):
        if grad is None:
            return None
        running = (_passes.get(_thread()) or _running_pass()) if _passes else None
        if running is not None and running.kind == "grad":
            return None
        self.fresh = True
        if self.request == "write" and running is not None and self.delivered is not running:
            leaf = self.leaf()
            if leaf is None:
                return None
            if self.kept:
                leaf.grad.zero_()  # the caller's own buffer receives the result
            else:
                leaf.grad = None
        # torch's zeros without memory are replaced: nobody could write to them.
        return torch.zeros_like(grad) if grad._is_zerotensor() else None


class _SparseHook(Hook):
    """The hook of a variable whose gradient is sparse."""

    __slots__ = ("stype",)


def _running_pass():
    """The pass that this thread computes for; None for plain torch's."""
    if not _passes:
        return None
    thread = _thread()
    if thread in _passes:
        return _passes[thread]
    if any(thread == known.ident for known in threading.enumerate()):
        return None
    # One of torch's own threads, which compute for CUDA devices.
    running = list(_passes.values())
    return next((one for one in running if one.kind == "backward"), running[0])


def deliver(leaves, grads):
    """Put gradients that a replay has computed into their places; gives what autograd shall accumulate (or None).

    In MXNet's own backward pass a gradient that is written, and that only we wait for, is copied where it belongs, all
    of them in one call. What reaches such a leaf by another way in the same pass is added to it.
    """
    running = _running_pass()
    if running is None or running.kind != "backward":
        return [None if grad is None else grad.clone() for grad in grads]
    left, targets, sources = [], [], []
    for leaf, grad in zip(leaves, grads):
        hooks = leaf._backward_hooks
        hook = next(iter(hooks.values())) if hooks and len(hooks) == 1 else None
        if grad is None or type(hook) is not Hook or hook.request != "write" or hook.delivered is running:
            left.append(None if grad is None else grad.clone())
            continue
        hook.fresh, hook.delivered = True, running
        left.append(None)
        place = leaf.grad
        if place is None:
            leaf.grad = grad.clone()
        else:
            targets.append(place)
            sources.append(grad)
    if targets:
        updates.assign(targets, sources)
    return left


class during:
    """A context that says what kind of pass this thread runs."""

    __slots__ = ("before", "kind")

    def __init__(self, kind):
        self.kind, self.before = kind, None

    def __enter__(self):
        thread = _thread()
        self.before = _passes.get(thread)
        _passes[thread] = self

    def __exit__(self, *exception):
        thread = _thread()
        if self.before is None:
            del _passes[thread]
        else:
            _passes[thread], self.before = self.before, None


def hook_of(tensor):
    """The hook that `attach` put on a tensor, or None."""
    for hook in (tensor._backward_hooks or {}).values():
        if isinstance(hook, Hook):
            return hook
    return None


def variable(array):
    """The tensor that stands for an array in torch's graph, and has its gradient and hook."""
    return array._tensor if array.stype == "default" else array._carrier()


def wants_rows(tensor):
    """Whether a tensor is a variable whose gradient is row_sparse, so that torch's sparse tensor can be it."""
    hook = hook_of(tensor) if tensor.is_leaf else None
    return hook is not None and hook.stype == "row_sparse"


def attach(array, request="write", buffer=None, stype=None):
    """Make an array a variable that gradients are computed for.

    request: 'write', 'add' or 'null'; buffer: an array that the gradient is put in; stype: the storage of the gradient
    (None: the buffer's, the array's).
    Raises KeyError for another request, MXNetError for a sparse array of whole numbers.
    """
    if request not in _REQUESTS:
        raise KeyError(explain("Unknown grad_req", expected=", ".join(_REQUESTS), given=repr(request)))
    if request == "null":
        release(array)
        return
    if stype not in (None, "default") or array.stype != "default" or (buffer is not None and buffer.stype != "default"):
        _attach_sparse(array, request, buffer, stype)
        return
    tensor = array._tensor
    if not tensor.is_floating_point():
        _attach_whole(array, request, buffer)
        return
    if tensor.grad_fn is not None or tensor._is_view():
        # A variable begins a new graph: what came before is cut off. The memory stays shared.
        tensor = array._tensor = tensor.detach()
    tensor.requires_grad_(True)
    unhook(tensor)
    tensor.grad = None if buffer is None else buffer._tensor
    tensor.register_hook(Hook(tensor, request, buffer is not None))
    kind = getattr(type(array), "_plain", type(array))
    array._grad = gradient_type(kind)(tensor, array._ctx) if buffer is None else buffer


def _attach_whole(array, request, buffer):
    """`attach` for an array of whole numbers: its path in the graph (see `paths`) brings the gradient."""
    tensor = array._tensor.detach()
    if buffer is None:
        buffer = getattr(type(array), "_plain", type(array))._wrap(torch.zeros_like(tensor), array._ctx)

    def put(leaf):
        found, leaf.grad = leaf.grad, None
        if request == "write":
            buffer._tensor.copy_(found)
        else:
            typed.add_(buffer._tensor, found.to(buffer._tensor.dtype))

    path = torch.zeros(tensor.shape, dtype=torch.float64, device=tensor.device, requires_grad=True)
    path.register_post_accumulate_grad_hook(put)
    tensor._mxnet_path = path
    array._tensor, array._grad = tensor, buffer


def _not_floating(tensor):
    return MXNetError(
        explain(
            "Gradients need a floating point array",
            expected="float16, float32 or float64",
            given=f"dtype {tensor.dtype}",
            hint="Use .astype('float32') first.",
        )
    )


def _attach_sparse(array, request, buffer, stype):
    """`attach` where the array or its gradient is sparse."""
    from tandem.mxnet.ndarray import sparse_base

    stype = stype or (array if buffer is None else buffer).stype
    if stype not in ("default", "row_sparse", "csr"):
        raise ValueError(explain(f"unknown storage type {stype}", expected="'default', 'row_sparse' or 'csr'"))
    is_sparse = isinstance(array, sparse_base.BaseSparseNDArray)
    tensor = array._carrier() if is_sparse else array._tensor
    if not tensor.is_floating_point():
        raise _not_floating(tensor)
    if tensor.grad_fn is not None or tensor._is_view():
        tensor = tensor.detach()
        if is_sparse:
            array._graph = tensor
        else:
            array._tensor = tensor
    tensor.requires_grad_(True)
    unhook(tensor)
    if stype == "default":
        tensor.register_hook(Hook(tensor, request, buffer is not None))
        tensor.grad = None if buffer is None else buffer._tensor
        array._grad = gradient_type(NDArray)(tensor, array._ctx) if buffer is None else buffer
        return
    if buffer is None:
        buffer = sparse_base.empty_of(stype, tensor, array._ctx)
    hook = _SparseHook(tensor, request, False)
    hook.stype = stype
    tensor.register_hook(hook)
    buffer._follow(tensor)
    array._grad = buffer


def unhook(tensor):
    """Take away the hook that an earlier `attach` put on a tensor."""
    hooks = tensor._backward_hooks or {}
    for key in [key for key, hook in hooks.items() if isinstance(hook, Hook)]:
        del hooks[key]


def release(array):
    """Make an array a constant again."""
    if array.stype != "default":
        array._graph = None
        array._grad = None
        return
    tensor = array._tensor
    unhook(tensor)
    if tensor.requires_grad:
        if tensor.is_leaf:
            tensor.requires_grad_(False)
            tensor.grad = None
        else:
            array._tensor = tensor.detach()
    if hasattr(array, "_grad"):
        del array._grad
