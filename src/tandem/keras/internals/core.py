"""`keras.src.backend`: the functions of the engine that Keras's files and add-on packages call."""

from tandem.core import devices, dtypes
from tandem.keras import ops, random, symbolic
from tandem.keras.backend import is_float_dtype, is_int_dtype, result_type, standardize_dtype
from tandem.keras.config import standardize_data_format
from tandem.keras.devices import device
from tandem.keras.internals.shapes import shape_equal, standardize_shape
from tandem.keras.naming import name_scope
from tandem.keras.ops import core
from tandem.keras.symbolic import KerasTensor, is_keras_tensor
from tandem.keras.symbolic import any_symbolic as any_symbolic_tensors
from tandem.keras.tensors import get_mask as get_keras_mask
from tandem.keras.tensors import set_mask as set_keras_mask
from tandem.keras.variables import Variable

SUPPORTS_SPARSE_TENSORS = False
SUPPORTS_RAGGED_TENSORS = False
SUPPORTS_COMPLEX_DTYPES = True
IS_THREAD_SAFE = True

BackendVariable = Variable
backend_name_scope = name_scope
device_scope = device
to_torch_dtype = dtypes.torch_dtype


def compute_output_spec(fn, *args, **kwargs):
    """What `fn` gives for symbolic arguments: KerasTensors of the shapes and dtypes, by running it without values."""
    return symbolic.infer(fn, args, kwargs)


def get_device():
    """The device that new variables live on."""
    return str(devices.default())


def random_seed_dtype():
    """The dtype of a `SeedGenerator`'s state."""
    return "int32"


class DynamicBackend:
    """An object with the engine's functions as attributes, for code that is written for a choice of backends.

    backend: "torch", or None for the one there is. Raises ValueError for another.
    """

    def __init__(self, backend=None):
        self.set_backend(backend or "torch")

    def set_backend(self, backend):
        """Choose a backend. Raises ValueError for any but "torch"."""
        if backend != "torch":
            raise ValueError(f"Available backends are ('torch',). Received: backend={backend}")
        self._backend = backend

    def reset(self):
        """Choose the default again."""
        self._backend = "torch"

    @property
    def name(self):
        """The backend's name."""
        return self._backend

    def __getattr__(self, name):
        if name == "random":
            return random
        if name in __all__ and name in globals():
            return globals()[name]
        return getattr(ops, name)


_OWN = (
    "BackendVariable DynamicBackend IS_THREAD_SAFE KerasTensor SUPPORTS_COMPLEX_DTYPES SUPPORTS_RAGGED_TENSORS "
    "SUPPORTS_SPARSE_TENSORS Variable any_symbolic_tensors backend_name_scope compute_output_spec device device_scope "
    "get_device get_keras_mask is_float_dtype is_int_dtype is_keras_tensor name_scope random_seed_dtype result_type "
    "set_keras_mask shape_equal standardize_data_format standardize_dtype standardize_shape to_torch_dtype"
)
__all__ = [*_OWN.split(), *core.NAMES]  # pyright: ignore[reportUnsupportedDunderAll]
# `map`, `slice` and others would hide Python's in this file.
_LATER = {name: function for name, function in core.NAMES.items() if name not in globals()}


def __getattr__(name):
    if name in _LATER:
        return _LATER[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
