"""`mx.npx`: what `mx.np` needs beyond NumPy: neural network operators on its arrays, and the switch to its semantics.

The operators are rows of the operator table under their names in `npx`, made into functions when they are first asked
for; the others are listed here.
"""

import importlib

from tandem.mxnet.base import missing, open_module
from tandem.mxnet.context import Context, cpu, cpu_pinned, current_context, gpu, gpu_memory_info, num_gpus
from tandem.mxnet.ndarray.ndarray import waitall
from tandem.mxnet.numpy_extension import view
from tandem.mxnet.numpy_extension.utils import (
    cond,
    constraint_check,
    foreach,
    from_dlpack,
    from_numpy,
    load,
    save,
    while_loop,
)
from tandem.mxnet.random import seed
from tandem.mxnet.util import (
    get_cuda_compute_capability,
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
    "cond",
    "constraint_check",
    "cpu",
    "cpu_pinned",
    "current_context",
    "foreach",
    "from_dlpack",
    "from_numpy",
    "get_cuda_compute_capability",
    "gpu",
    "gpu_memory_info",
    "is_np_array",
    "is_np_shape",
    "load",
    "num_gpus",
    "reset_np",
    "save",
    "seed",
    "set_np",
    "use_np",
    "use_np_array",
    "use_np_shape",
    "waitall",
    "while_loop",
]

_MODULES = ("image", "random")


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"tandem.mxnet.numpy_extension.{name}")
    function = view.function("mxnet.numpy_extension", view.OPERATORS_OF, name)
    if function is None:
        raise missing("mxnet.numpy_extension", name, __dir__())
    globals()[name] = function
    return function


def __dir__():
    return sorted({*__all__, *_MODULES, *view.OPERATORS_OF})


open_module(__name__)
