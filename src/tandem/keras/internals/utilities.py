"""Small helpers of Keras's files that add-on packages call."""

import itertools
import logging
import math
import random

import torch

from tandem.core import dtypes
from tandem.core.naming import snake_case
from tandem.keras import naming
from tandem.keras.legacy.time_series import _remove_long_seq as remove_long_seq
from tandem.keras.legacy.utilities import ask_to_proceed_with_overwrite, count_params, to_list
from tandem.keras.ops.family import common, tensor
from tandem.keras.utils.files import hash_file, keras_home, validate_file
from tandem.ops import init

__all__ = [
    "ask_to_proceed_with_overwrite",
    "cast_to_common_dtype",
    "compute_fans",
    "count_params",
    "default",
    "draw_seed",
    "dtype_size",
    "get_global_attribute",
    "get_object_name",
    "hash_file",
    "is_continuous_axis",
    "is_default",
    "is_float",
    "keras_export",
    "keras_home",
    "make_default_seed",
    "no_grad",
    "pythonify_logs",
    "readable_memory_size",
    "remove_by_id",
    "remove_long_seq",
    "removeprefix",
    "removesuffix",
    "set_global_attribute",
    "set_logging_verbosity",
    "to_list",
    "to_snake_case",
    "validate_file",
    "weight_memory_size",
]

to_snake_case = snake_case
get_object_name = naming.object_name
removeprefix = str.removeprefix
removesuffix = str.removesuffix
no_grad = torch.no_grad()


class keras_export:
    """A decorator that says under which public names a class or function is to be found; it changes nothing else."""

    def __init__(self, path):
        self.path = path

    def __call__(self, thing):
        return thing


_attributes = {}


def get_global_attribute(name, default=None, set_to_default=False):
    """A value that `set_global_attribute` kept under a name, else `default`, which is kept with `set_to_default`."""
    if _attributes.get(name) is None and default is not None and set_to_default:
        _attributes[name] = default
    found = _attributes.get(name)
    return default if found is None else found


def set_global_attribute(name, value):
    """Keep a value under a name."""
    _attributes[name] = value


def default(method):
    """A decorator that marks a method as one that subclasses may replace; see `is_default`."""
    method._is_default = True
    return method


def is_default(method):
    """Whether a method carries the mark of `default`."""
    return getattr(method, "_is_default", False)


def is_continuous_axis(axis):
    """Whether axes follow each other without a gap, all counted from the same end."""
    if isinstance(axis, int):
        return True
    axes = sorted(axis)
    return all(later - earlier == 1 for earlier, later in itertools.pairwise(axes)) and (axes[0] >= 0 or axes[-1] < 0)


def remove_by_id(lst, value):
    """Take the first entry that is `value` itself out of a list."""
    for i, entry in enumerate(lst):
        if entry is value:
            del lst[i]
            break


def pythonify_logs(logs):
    """Logs with floats for values and nested dicts taken apart, in the order of their names."""
    found = {}
    for key, value in sorted((logs or {}).items()):
        if isinstance(value, dict):
            found.update(pythonify_logs(value))
            continue
        try:
            value = float(value)
        except (TypeError, ValueError):
            pass
        found[key] = value
    return found


def dtype_size(dtype):
    """The bits of a value of a dtype (of a bool: 1). Raises ValueError for an unknown dtype."""
    if dtype == "bool":
        return 1
    try:
        return dtypes.torch_dtype(dtype).itemsize * 8
    except (TypeError, ValueError):
        raise ValueError(f"Invalid dtype: {dtype}") from None


def is_float(dtype):
    """Whether a name is one of a floating point dtype."""
    return "float" in dtype


def cast_to_common_dtype(tensors):
    """Tensors in the dtype that holds all of them, where one of them is of floating point; else as they are."""
    tensors = [tensor(x) for x in tensors]
    if not any(x.is_floating_point() for x in tensors):
        return tensors
    widest = common(*(x.dtype for x in tensors if x.is_floating_point()))
    return [x.to(widest) for x in tensors]


def compute_fans(shape, input_axes=None, output_axes=None):
    """(inputs, outputs) of one unit of a weight of a shape."""
    return init.fans(tuple(shape), input_axes=input_axes, output_axes=output_axes)


def make_default_seed():
    """A seed for who gives none: a number from Python's generator."""
    return random.randint(1, 10**9)


def draw_seed(seed):
    """The next state of a `SeedGenerator`; for an integer the state that it begins with, for None one by chance.

    Raises ValueError for anything else.
    """
    if getattr(seed, "is_seed_generator", False):
        return seed.next()
    if seed is None:
        seed = make_default_seed()
    if isinstance(seed, int):
        return tensor([seed, 0], "int32")
    raise ValueError(
        "Argument `seed` must be either an integer or an instance of `SeedGenerator`. "
        f"Received: seed={seed} (of type {type(seed)})"
    )


def set_logging_verbosity(level):
    """Set from which level on messages are logged: "FATAL", "ERROR", "WARNING", "INFO" or "DEBUG"."""
    levels = {name: getattr(logging, name) for name in ("FATAL", "ERROR", "WARNING", "INFO", "DEBUG")}
    if level not in levels:
        raise ValueError(f"Please enter one of the following values: {list(levels)}. Received: {level}")
    logging.getLogger("absl").setLevel(levels[level])
    logging.getLogger("tandem").setLevel(levels[level])


def weight_memory_size(weights):
    """How many bytes variables hold."""
    each = {id(weight): weight for weight in weights}.values()
    return sum(math.prod(weight.shape) * dtype_size(weight.dtype) / 8 for weight in each)


def readable_memory_size(weight_memory_size):
    """A number of bytes in the greatest fitting unit ("3.00 MB")."""
    size = weight_memory_size
    for unit in ("B", "KB", "MB", "GB", "TB", "PB"):
        if size / 1024 < 1 or unit == "PB":
            return f"{size:.2f} {unit}"
        size /= 1024
    return None
