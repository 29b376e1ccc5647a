"""`mxnet`: MXNet's public names on torch.

Each name is loaded when it is first used; what is not there raises at use and says so.
"""

import importlib
import os

from tandem.mxnet.base import MXNetError, __version__, missing

# Public name -> (module that has it, name in it; None: the module itself).
_INDEX = {
    "AttrScope": ("attribute", "AttrScope"),
    "Context": ("context", "Context"),
    "attribute": ("attribute", None),
    "autograd": ("autograd", None),
    "base": ("base", None),
    "callback": ("callback", None),
    "context": ("context", None),
    "contrib": ("contrib", None),
    "cpu": ("context", "cpu"),
    "cpu_pinned": ("context", "cpu_pinned"),
    "current_context": ("context", "current_context"),
    "engine": ("engine", None),
    "error": ("error", None),
    "executor": ("executor", None),
    "executor_manager": ("executor_manager", None),
    "gluon": ("gluon", None),
    "gpu": ("context", "gpu"),
    "gpu_memory_info": ("context", "gpu_memory_info"),
    "image": ("image", None),
    "img": ("image", None),
    "init": ("initializer", None),
    "initializer": ("initializer", None),
    "io": ("io", None),
    "is_np_array": ("util", "is_np_array"),
    "is_np_shape": ("util", "is_np_shape"),
    "kv": ("kvstore", None),
    "kvstore": ("kvstore", None),
    "libinfo": ("libinfo", None),
    "log": ("log", None),
    "lr_scheduler": ("lr_scheduler", None),
    "metric": ("metric", None),
    "mod": ("module", None),
    "model": ("model", None),
    "module": ("module", None),
    "mon": ("monitor", None),
    "monitor": ("monitor", None),
    "name": ("name", None),
    "nd": ("ndarray", None),
    "ndarray": ("ndarray", None),
    "np": ("numpy", None),
    "np_array": ("util", "np_array"),
    "np_shape": ("util", "np_shape"),
    "np_symbol": ("symbol.numpy", None),
    "npx": ("numpy_extension", None),
    "num_gpus": ("context", "num_gpus"),
    "numpy": ("numpy", None),
    "numpy_dispatch_protocol": ("numpy_dispatch_protocol", None),
    "numpy_extension": ("numpy_extension", None),
    "onnx": ("onnx", None),
    "operator": ("operator", None),
    "optimizer": ("optimizer", None),
    "profiler": ("profiler", None),
    "random": ("random", None),
    "recordio": ("recordio", None),
    "registry": ("registry", None),
    "rnd": ("random", None),
    "rnn": ("rnn", None),
    "runtime": ("runtime", None),
    "set_np_shape": ("util", "set_np_shape"),
    "sym": ("symbol", None),
    "symbol": ("symbol", None),
    "test_utils": ("test_utils", None),
    "use_np": ("util", "use_np"),
    "use_np_array": ("util", "use_np_array"),
    "use_np_shape": ("util", "use_np_shape"),
    "util": ("util", None),
    "visualization": ("visualization", None),
    "viz": ("visualization", None),
}

__all__ = ["MXNetError", "__version__", *_INDEX]


def __getattr__(name):
    try:
        module, attribute = _INDEX[name]
    except KeyError:
        raise missing(__name__, name, _INDEX) from None
    try:
        found = importlib.import_module(f"tandem.mxnet.{module}")
    except ModuleNotFoundError as error:
        if error.name != f"tandem.mxnet.{module}":
            raise
        raise missing(__name__, name, _INDEX) from None
    if attribute is not None:
        found = getattr(found, attribute)
    globals()[name] = found
    return found


def __dir__():
    return sorted([*globals(), *_INDEX])


# As in MXNet, the launcher's server and scheduler processes go no further than this import.
if os.environ.get("DMLC_ROLE") in ("server", "scheduler"):
    importlib.import_module("tandem.mxnet.kvstore.kvstore_server").serve()
