"""Keras's global settings: `floatx`, `epsilon`, `image_data_format`, logging, limits (`keras.config`)."""

from tandem.core.errors import Unsupported, explain
from tandem.core.module import SETTINGS, Module

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_FORMATS = ("channels_last", "channels_first")


class _Settings:
    """The values of one process; Keras keeps them globally too."""

    def __init__(self):
        self.floatx = "float32"
        self.epsilon = 1e-7
        self.image_data_format = "channels_last"
        self.interactive_logging = True
        self.traceback_filtering = True
        self.unsafe_deserialization = False
        self.flash_attention = None
        self.max_epochs = None
        self.max_steps_per_epoch = None

    def __setattr__(self, name, value):
        # A recorded step holds what was read from here as constants.
        Module.mutations += 1
        super().__setattr__(name, value)


_settings = _Settings()
SETTINGS.append(_settings)


def floatx():
    """The dtype that new variables and layers have unless they are told otherwise."""
    return _settings.floatx


def set_floatx(value):
    """Set the default float dtype: "float16", "bfloat16", "float32" or "float64". Raises ValueError for others."""
    if value not in _FLOATS:
        raise ValueError(explain("Unknown `floatx` value", expected=f"one of {_FLOATS}", given=repr(value)))
    _settings.floatx = str(value)


def epsilon():
    """The small number that is added where a formula would divide by zero."""
    return _settings.epsilon


def set_epsilon(value):
    """Set the small number of `epsilon()`."""
    _settings.epsilon = float(value)


def image_data_format():
    """Where an image's channels are unless a layer says otherwise: "channels_last" or "channels_first"."""
    return _settings.image_data_format


def set_image_data_format(data_format):
    """Set the default place of channels: "channels_last" or "channels_first". Raises ValueError for others."""
    _settings.image_data_format = standardize_data_format(data_format)


def standardize_data_format(data_format):
    """`data_format` itself, or the global default where it is None. Raises ValueError for an unknown one."""
    if data_format is None:
        return _settings.image_data_format
    name = str(data_format).lower()
    if name not in _FORMATS:
        raise ValueError(
            explain("Unknown `data_format`", expected=f"one of {_FORMATS}", given=f"data_format={data_format!r}")
        )
    return name


def backend():
    """The name of the backend that computes: always "torch"."""
    return "torch"


def set_backend(backend):
    """Accept "torch", the one backend there is. Raises Unsupported for another."""
    if backend != "torch":
        raise Unsupported(explain("There is one backend", expected="'torch'", given=repr(backend)))


def dtype_policy():
    """The dtype policy that new layers get."""
    from tandem.keras import dtype_policies

    return dtype_policies.global_policy()


def set_dtype_policy(policy):
    """Set the dtype policy of layers made from now on: a name ("mixed_bfloat16") or a `DTypePolicy`."""
    from tandem.keras import dtype_policies

    dtype_policies.set_global_policy(policy)


def is_interactive_logging_enabled():
    """Whether progress is drawn to standard output (True) or logged line by line."""
    return _settings.interactive_logging


def enable_interactive_logging():
    """Draw progress to standard output."""
    _settings.interactive_logging = True


def disable_interactive_logging():
    """Log progress through `logging`, line by line."""
    _settings.interactive_logging = False


def is_traceback_filtering_enabled():
    """What `enable_traceback_filtering` and its opposite last said; tracebacks are short here in any case."""
    return _settings.traceback_filtering


def enable_traceback_filtering():
    """Say that tracebacks should be short."""
    _settings.traceback_filtering = True


def disable_traceback_filtering():
    """Say that tracebacks should be complete."""
    _settings.traceback_filtering = False


def is_unsafe_deserialization_enabled():
    """Whether files may bring Python code (a `Lambda`'s body) that is run when they are read."""
    return _settings.unsafe_deserialization


def enable_unsafe_deserialization():
    """Allow files to bring Python code (a `Lambda`'s body). Only for files that you trust."""
    _settings.unsafe_deserialization = True


def is_flash_attention_enabled():
    """True, False, or None where the attention function may choose."""
    return _settings.flash_attention


def enable_flash_attention():
    """Use a fused attention kernel wherever one fits."""
    _settings.flash_attention = None


def disable_flash_attention():
    """Never use a fused attention kernel."""
    _settings.flash_attention = False


def is_nnx_enabled():
    """False: there is no JAX backend."""
    return False


def max_epochs():
    """The most epochs that `fit` may run, or None."""
    return _settings.max_epochs


def set_max_epochs(max_epochs):
    """Limit the epochs of every `fit`; None lifts the limit."""
    _settings.max_epochs = max_epochs


def max_steps_per_epoch():
    """The most steps that an epoch may have, or None."""
    return _settings.max_steps_per_epoch


def set_max_steps_per_epoch(max_steps_per_epoch):
    """Limit the steps of every epoch; None lifts the limit."""
    _settings.max_steps_per_epoch = max_steps_per_epoch
