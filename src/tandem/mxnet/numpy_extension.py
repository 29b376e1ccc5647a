"""`mx.npx`: the switch to NumPy's semantics, and contexts beside `mx.np`."""

from tandem.mxnet.base import missing
from tandem.mxnet.context import Context, cpu, cpu_pinned, current_context, gpu, gpu_memory_info, num_gpus
from tandem.mxnet.ndarray.ndarray import waitall
from tandem.mxnet.random import seed
from tandem.mxnet.util import (
    is_np_array,
    is_np_shape,
    reset_np,
    set_np,
    use_np,
    use_np_array,
    use_np_shape,
)

__all__ = [
    "Context",
    "cpu",
    "cpu_pinned",
    "current_context",
    "gpu",
    "gpu_memory_info",
    "is_np_array",
    "is_np_shape",
    "num_gpus",
    "reset_np",
    "seed",
    "set_np",
    "use_np",
    "use_np_array",
    "use_np_shape",
    "waitall",
]


def __getattr__(name):
    raise missing("mxnet.numpy_extension", name, __all__)
