"""Devices as MXNet names them: `mx.cpu(0)`, `mx.gpu(1)`, and the current one.

A context is a label. `cpu(0)` and `cpu(1)` are different contexts on the same processor, as in MXNet; `gpu(i)` is
CUDA's device i, or the CPU while `tandem run --device cpu` redirects requests.
"""

import threading

import torch

from tandem.core import devices
from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError

__all__ = ["Context", "cpu", "cpu_pinned", "cpu_shared", "current_context", "gpu", "gpu_memory_info", "num_gpus"]


class Context:
    """A device: its type ('cpu', 'gpu', 'cpu_pinned', 'cpu_shared') and number.

    `with Context(...)` makes it the current one, where new arrays live unless told otherwise.
    Raises KeyError for an unknown device type.
    """

    devtype2str = {1: "cpu", 2: "gpu", 3: "cpu_pinned", 5: "cpu_shared"}
    devstr2type = {"cpu": 1, "gpu": 2, "cpu_pinned": 3, "cpu_shared": 5}

    __slots__ = ("_torch", "device_id", "device_typeid")

    def __init__(self, device_type, device_id=0):
        if isinstance(device_type, Context):
            self.device_typeid, self.device_id = device_type.device_typeid, device_type.device_id
        else:
            self.device_typeid = Context.devstr2type[device_type]
            self.device_id = device_id
        self._torch = None

    @property
    def device_type(self):
        """'cpu', 'gpu', 'cpu_pinned' or 'cpu_shared'."""
        return Context.devtype2str[self.device_typeid]

    def __hash__(self):
        return hash((self.device_typeid, self.device_id))

    def __eq__(self, other):
        return self is other or (
            isinstance(other, Context)
            and self.device_typeid == other.device_typeid
            and self.device_id == other.device_id
        )

    def __str__(self):
        return f"{self.device_type}({self.device_id})"

    __repr__ = __str__

    def __reduce__(self):
        return Context, (self.device_type, self.device_id)

    def __enter__(self):
        _current.stack.append(_current.value)
        _current.value = self
        return self

    def __exit__(self, ptype, value, trace):
        _current.value = _current.stack.pop()

    def empty_cache(self):
        """Give memory that the allocator holds for this GPU back to the driver."""
        if self.torch_device().type == "cuda":
            with torch.cuda.device(self.device_id):
                torch.cuda.empty_cache()

    def torch_device(self):
        """The torch device behind the label.

        Raises MXNetError where there is no such GPU.
        """
        redirected = devices.redirected()
        if self._torch is None or self._torch[0] != redirected:
            kind = "gpu" if self.device_typeid == 2 else "cpu"
            device = devices.resolve(kind, self.device_id)
            if device.type == "cuda" and not 0 <= self.device_id < devices.count():
                raise MXNetError(
                    explain(
                        f"The context {self} is not available",
                        expected=f"one of the {devices.count()} GPUs of this machine" if devices.count() else "cpu()",
                        given=str(self),
                        hint="`tandem run --device cpu` sends requests for a GPU to the CPU.",
                    )
                )
            self._torch = (redirected, device)
        return self._torch[1]


class _Current(threading.local):
    value = None

    def __init__(self):
        self.stack = []


_current = _Current()
_CPU = Context("cpu", 0)
_GPUS = {}
# MXNet's scripts reach for the class attribute; it is the default context of threads that set none.
Context.default_ctx = _CPU


def cpu(device_id=0):
    """The context of the CPU; different numbers are different contexts on the same processor."""
    return Context("cpu", device_id)


def cpu_pinned(device_id=0):
    """The context of page-locked host memory (here: the CPU under another name)."""
    return Context("cpu_pinned", device_id)


def cpu_shared(device_id=0):
    """The context of memory shared between processes (here: the CPU under another name)."""
    return Context("cpu_shared", device_id)


def gpu(device_id=0):
    """The context of a GPU; whether it exists shows when an array is put there."""
    return Context("gpu", device_id)


def num_gpus():
    """The number of GPUs that can be used."""
    return devices.count()


def gpu_memory_info(device_id=0):
    """Free and total memory of a GPU in bytes.

    Raises MXNetError where there is no such GPU.
    """
    device = gpu(device_id).torch_device()
    if device.type != "cuda":
        raise MXNetError(explain("A redirected GPU has no memory of its own", given=f"gpu({device_id})"))
    return torch.cuda.mem_get_info(device)


def current_context():
    """The context where new arrays live: that of the innermost `with ctx:`, else cpu(0)."""
    return _current.value or Context.default_ctx


def of_device(device):
    """The context of a torch device: cpu(0) or gpu(index)."""
    if device.type != "cuda":
        return _CPU
    index = device.index or 0
    if index not in _GPUS:
        _GPUS[index] = Context("gpu", index)
    return _GPUS[index]
