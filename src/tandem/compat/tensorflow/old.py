"""`tf.compat.v1`: what of TensorFlow 1 can be had where everything runs at once; sessions and placeholders cannot."""

import logging
import sys

from tandem.compat.tensorflow import _io as io
from tandem.compat.tensorflow import _math as math
from tandem.compat.tensorflow import _random as random
from tandem.compat.tensorflow import arrays, devices, sessions
from tandem.compat.tensorflow.tensor import convert, public
from tandem.core.errors import explain
from tandem.keras import ops

NO_GRAPHS = """
    placeholder placeholder_with_default get_variable variable_scope trainable_variables global_variables layers
    assign assign_add assign_sub saved_model summary estimator app flags contrib metrics losses get_collection
    add_to_collection initializers AUTO_REUSE feature_column graph_util gradients while_loop
    variable_initializer
""".split()  # noqa: SIM905 (one name to a line would be a page)


def _no_graph(name):
    return explain(
        f"tf.{name} belongs to TensorFlow 1's graphs and sessions; Tandem has none: code runs as it is written",
        hint="Keras models, tf.GradientTape and tf.function are there.",
    )


class NoGraph:
    """What belongs to graphs and sessions: raises when it is called, or asked for anything."""

    def __init__(self, name):
        self._name = name

    def __call__(self, *args, **kwargs):
        raise NotImplementedError(_no_graph(self._name))

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(_no_graph(f"{self._name}.{name}"))


# --- logging ---------------------------------------------------------------------------------------------------------

_LEVELS = {"DEBUG": 10, "INFO": 20, "WARN": 30, "WARNING": 30, "ERROR": 40, "FATAL": 50}


def set_verbosity(level):
    """How much TensorFlow's logger says: a level, or its name."""
    devices.LOGGER.setLevel(_LEVELS.get(str(level).upper(), level))


def get_verbosity():
    """How much TensorFlow's logger says."""
    return devices.LOGGER.getEffectiveLevel()


LOGGING = {
    **_LEVELS,
    "debug": devices.LOGGER.debug,
    "error": devices.LOGGER.error,
    "fatal": devices.LOGGER.critical,
    "get_verbosity": get_verbosity,
    "info": devices.LOGGER.info,
    "log": devices.LOGGER.log,
    "set_verbosity": set_verbosity,
    "warn": devices.LOGGER.warning,
    "warning": devices.LOGGER.warning,
}
if not devices.LOGGER.handlers:
    _handler = logging.StreamHandler(sys.stderr)
    _handler.setFormatter(logging.Formatter("%(levelname)s:%(name)s:%(message)s"))
    devices.LOGGER.addHandler(_handler)
    devices.LOGGER.propagate = False


# --- functions -------------------------------------------------------------------------------------------------------


def enable_eager_execution(config=None, device_policy=None, execution_mode=None):
    """Nothing: code runs as it is written."""


def executing_eagerly():
    """True: code runs as it is written."""
    return True


def executing_eagerly_outside_functions():
    """True: code runs as it is written."""
    return True


def _axis_first(name):
    function = math.NAMES[name]

    def compute(input, axis=None, name=None, dimension=None, output_type="int64"):
        return function(input, dimension if axis is None else axis, output_type)

    return public(compute)


def to_kind(kind):
    """TensorFlow 1's casts: `to_float` and its like."""
    return public(lambda x: arrays.NAMES["cast"](x, kind))


def where(condition, x=None, y=None, name=None):
    """TensorFlow 1's `where`: a condition of one axis chooses among rows."""
    if x is not None:
        condition, x = convert(condition), convert(x)
        if len(condition.shape) == 1 and len(x.shape) > 1:
            condition = ops.reshape(condition, (-1, *[1] * (len(x.shape) - 1)))
    return arrays.NAMES["where"](condition, x, y)


FUNCTIONS = {
    **sessions.NAMES,
    **arrays.NAMES,
    **{name: math.NAMES[name] for name in (*math.IN_TF, *math.OLD_IN_TF)},
    **{old: random.NAMES[new] for old, new in random.OLD_IN_TF.items()},
    "arg_max": _axis_first("argmax"),
    "enable_eager_execution": enable_eager_execution,
    "enable_resource_variables": enable_eager_execution,
    "enable_tensor_equality": enable_eager_execution,
    "enable_v2_behavior": enable_eager_execution,
    "enable_v2_tensorshape": enable_eager_execution,
    "executing_eagerly": executing_eagerly,
    "executing_eagerly_outside_functions": executing_eagerly_outside_functions,
    "set_random_seed": random.set_seed,
    "to_bfloat16": to_kind("bfloat16"),
    "to_double": to_kind("float64"),
    "to_float": to_kind("float32"),
    "to_int32": to_kind("int32"),
    "to_int64": to_kind("int64"),
    "where": where,
    **{
        name: io.NAMES[name] for name in ("read_file", "write_file", "decode_csv", "decode_raw", "parse_single_example")
    },
}
