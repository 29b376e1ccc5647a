"""Keras 1's and 2's helpers that Keras 3 no longer has: of `keras.utils` and its modules, and of some others."""

import inspect
import re
from pathlib import Path

import numpy as np

from tandem.core.errors import Unsupported, explain, warn
from tandem.keras import constraints, losses, ops
from tandem.keras.legacy.k_nn import normalize_data_format

_op = ops.NAMES


# --- conv_utils ------------------------------------------------------------------------------------------------------
def normalize_tuple(value, n, name, **kwargs):
    """An integer as a tuple of n; a tuple of n integers as it is. Raises ValueError for others.

    allow_zero: whether 0 may be among them.
    """
    least = 0 if kwargs.pop("allow_zero", True) else 1
    if kwargs:
        raise TypeError(explain("Unknown arguments of normalize_tuple", given=", ".join(kwargs)))
    values = (value,) * n if isinstance(value, int) else value
    try:
        values = tuple(int(one) for one in values)
    except (TypeError, ValueError):
        values = ()
    if len(values) != n or any(one < least for one in values):
        raise ValueError(f"The `{name}` argument must be a tuple of {n} integers. Received: {value}")
    return values


def normalize_padding(value):
    """ "valid", "same" or "causal", in small letters. Raises ValueError for others."""
    if isinstance(value, (list, tuple)):
        return value
    padding = value.lower()
    if padding not in ("valid", "same", "causal", "full"):
        raise ValueError(
            f'The `padding` argument must be a list/tuple or one of "valid", "same" (or "causal" for Conv1D). '
            f"Received: {padding}"
        )
    return padding


def conv_output_length(input_length, filter_size, padding, stride, dilation=1):
    """How many positions a window has along an axis; None for an unknown length."""
    if input_length is None:
        return None
    span = filter_size + (filter_size - 1) * (dilation - 1)
    lengths = {
        "same": input_length,
        "causal": input_length,
        "valid": input_length - span + 1,
        "full": input_length + span - 1,
    }
    return (lengths[padding] + stride - 1) // stride


def conv_input_length(output_length, filter_size, padding, stride):
    """The length from which a window of these sizes gives `output_length`; None for an unknown one."""
    if output_length is None:
        return None
    around = {"same": filter_size // 2, "valid": 0, "full": filter_size - 1}[padding]
    return (output_length - 1) * stride - 2 * around + filter_size


def deconv_output_length(input_length, filter_size, padding, output_padding=None, stride=0, dilation=1):
    """How long a transposed convolution's output is; None for an unknown length."""
    if input_length is None:
        return None
    span = filter_size + (filter_size - 1) * (dilation - 1)
    if output_padding is None:
        more = {"valid": max(span - stride, 0), "full": -(stride + span - 2), "same": 0}[padding]
        return input_length * stride + more
    around = {"same": span // 2, "valid": 0, "full": span - 1}[padding]
    return (input_length - 1) * stride + span - 2 * around + output_padding


def deconv_length(dim_size, stride_size, kernel_size, padding, output_padding=None, dilation=1):
    """`deconv_output_length`, under its name of Keras 2.2."""
    return deconv_output_length(dim_size, kernel_size, padding, output_padding, stride_size, dilation)


def convert_kernel(kernel):
    """A convolution's kernel with its spatial axes turned around, as Theano had them."""
    kernel = np.asarray(kernel)
    if not 3 <= kernel.ndim <= 5:
        raise ValueError("Invalid kernel shape:", kernel.shape)
    return np.flip(kernel, tuple(range(kernel.ndim - 2))).copy()


# --- generic_utils ---------------------------------------------------------------------------------------------------
def to_list(x, allow_tuple=False):
    """x as a list: itself, or with x as its entry."""
    return x if isinstance(x, list) else list(x) if allow_tuple and isinstance(x, tuple) else [x]


def unpack_singleton(x):
    """The entry of a list or tuple of one; others as they are."""
    return x[0] if len(x) == 1 else x


def object_list_uid(object_list):
    """A string that tells lists of objects apart."""
    return ", ".join(str(abs(id(one))) for one in to_list(object_list))


def is_all_none(iterable_or_element):
    """Whether all are None."""
    return all(one is None for one in to_list(iterable_or_element, allow_tuple=True))


def slice_arrays(arrays, start=None, stop=None):
    """Rows of each of some arrays: from `start` to `stop`, or those that a list `start` numbers."""
    if arrays is None:
        return [None]
    if isinstance(arrays, list):
        return [None if one is None else slice_arrays(one, start, stop) for one in arrays]
    if hasattr(start, "__len__"):
        return arrays[np.asarray(start)]
    return arrays[start:stop] if hasattr(start, "__index__") or start is None else [None]


def transpose_shape(shape, target_format, spatial_axes):
    """A channels-last shape in another format. Raises ValueError for an unknown one."""
    if normalize_data_format(target_format) == "channels_last":
        return shape
    kept = shape[: spatial_axes[0]]
    return type(shape)([*kept, shape[-1], *(shape[axis] for axis in spatial_axes)])


def check_for_unexpected_keys(name, input_dict, expected_values):
    """Raise KeyError where a dict has keys that are not expected."""
    unknown = set(input_dict) - set(expected_values)
    if unknown:
        raise KeyError(f"Unknown entries in {name} dictionary: {sorted(unknown)}. Only {expected_values} are valid.")


def has_arg(fn, name, accept_all=False):
    """Whether a function takes an argument by name; accept_all: also where it takes any."""
    parameters = inspect.signature(fn).parameters
    if name in parameters and parameters[name].kind in (
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    ):
        return True
    return accept_all and any(one.kind is one.VAR_KEYWORD for one in parameters.values())


getargspec = inspect.getfullargspec


def func_dump(func):
    """Raises Unsupported: functions are not written as code."""
    raise Unsupported("Functions are not written as code; register them by keras.saving.register_keras_serializable.")


def func_load(code, defaults=None, closure=None, globs=None):
    """Raises Unsupported: nothing in a file is run."""
    raise Unsupported("Code from a file is not run; give the function itself in `custom_objects`.")


# --- layer_utils -----------------------------------------------------------------------------------------------------
def print_summary(model, line_length=None, positions=None, print_fn=None):
    """`model.summary`."""
    model.summary(line_length=line_length, positions=positions, print_fn=print_fn)


def count_params(weights):
    """How many values some weights hold, each counted once."""
    return int(sum(np.prod(one.shape, dtype="int64") for one in {id(weight): weight for weight in weights}.values()))


def convert_all_kernels_in_model(model):
    """Turn the kernels of a model's convolutions around, which Theano and TensorFlow had opposite ways."""
    for layer in model.layers:
        if type(layer).__name__ in ("Conv1D", "Conv2D", "Conv3D", "Convolution2D", "Conv2DTranspose"):
            layer.kernel.assign(convert_kernel(layer.kernel.numpy()))


def convert_dense_weights_data_format(dense, previous_feature_map_shape, target_data_format="channels_first"):
    """Put the rows of a `Dense` behind a `Flatten` in the order of the other data format.

    previous_feature_map_shape: in the target's order, without the batch.
    """
    sizes = tuple(previous_feature_map_shape)
    first = normalize_data_format(target_data_format) == "channels_first"
    before = (*sizes[1:], sizes[0]) if first else (sizes[-1], *sizes[:-1])
    order = (2, 0, 1) if first else (1, 2, 0)
    kernel, bias = dense.get_weights()
    rows = np.arange(kernel.shape[0]).reshape(before).transpose(order).ravel()
    dense.set_weights([kernel[rows], bias])


# --- data_utils, io_utils --------------------------------------------------------------------------------------------
class HDF5Matrix:
    """Rows ``start`` to ``end`` of a dataset of an HDF5 file, read when they are asked for.

    normalizer: a function of the rows.
    """

    def __init__(self, datapath, dataset, start=0, end=None, normalizer=None):
        import h5py

        # Kept open as long as the object lives.
        self._file = h5py.File(datapath, "r")
        self.data = self._file[dataset]
        self.start = start
        self.end = self.data.shape[0] if end is None else end
        self.normalizer = normalizer

    def __len__(self):
        return self.end - self.start

    def __getitem__(self, key):
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            rows = self.data[start + self.start : stop + self.start : step]
        elif isinstance(key, (int, np.integer)):
            if not -len(self) <= key < len(self):
                raise IndexError(explain("There is no such row", expected=f"below {len(self)}", given=key))
            rows = self.data[key % len(self) + self.start]
        else:
            # HDF5 wants increasing numbers, each once.
            numbers, back = np.unique(np.asarray(key) + self.start, return_inverse=True)
            rows = self.data[numbers][back]
        return rows if self.normalizer is None else self.normalizer(rows)

    @property
    def shape(self):
        """The shape of the rows."""
        return (len(self), *self.data.shape[1:])

    @property
    def dtype(self):
        """The dtype of the rows."""
        return self.data.dtype

    @property
    def ndim(self):
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self):
        """How many values there are."""
        return int(np.prod(self.shape))

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype=dtype)


def ask_to_proceed_with_overwrite(filepath):
    """Ask on the terminal whether a file may be overwritten."""
    answer = ""
    while answer not in ("y", "n"):
        answer = input(f"[WARNING] {filepath} already exists - overwrite? [y/n]").strip().lower()
    return answer == "y"


# --- the rest --------------------------------------------------------------------------------------------------------
def multi_gpu_model(model, gpus=None, cpu_merge=True, cpu_relocation=False):
    """`model` itself for one GPU or none; Raises Unsupported for several: there `tandem run --nproc N` is the way."""
    count = len(gpus) if isinstance(gpus, (list, tuple)) else gpus
    if count is None or count <= 1:
        warn("Leave multi_gpu_model out: the model runs on one device.", DeprecationWarning)
        return model
    raise Unsupported(
        explain(
            "multi_gpu_model is not supported",
            given=f"gpus={gpus}",
            hint="Run the script on several GPUs by `tandem run --nproc N`, or leave the call out.",
        )
    )


def list_pictures(directory, ext="jpg|jpeg|bmp|png|ppm"):
    """The paths of the images below a directory."""
    pattern = re.compile(rf"([\w]+\.(?:{'|'.join(ext) if isinstance(ext, tuple) else ext}))")
    return [str(path) for path in sorted(Path(directory).rglob("*")) if pattern.match(path.name)]


def flip_axis(x, axis):
    """An array back to front along an axis."""
    return np.flip(np.asarray(x), axis)


def transform_matrix_offset_center(matrix, x, y):
    """A 3 x 3 matrix of a map of an image (x rows, y columns), about its centre."""
    row, column = x / 2 - 0.5, y / 2 - 0.5
    there, back = np.eye(3), np.eye(3)
    there[:2, 2], back[:2, 2] = (row, column), (-row, -column)
    return np.dot(np.dot(there, matrix), back)


def clip_norm(g, c, n):
    """The gradient `g` made as long as `c` where its length `n` is greater; c 0 leaves it."""
    return g if c <= 0 else _op["where"](_op["greater_equal"](n, c), _op["multiply"](g, _op["divide"](c, n)), g)


def huber_loss(y_true, y_pred, delta=1.0):
    """`losses.huber`, under its old name."""
    return losses.huber(y_true, y_pred, delta=delta)


def is_categorical_crossentropy(loss):
    """Whether a loss is the categorical crossentropy, by its name, function or object."""
    return getattr(loss, "__name__", type(loss).__name__) == "CategoricalCrossentropy" or loss in (
        "categorical_crossentropy",
        losses.categorical_crossentropy,
    )


def clone_metric(metric):
    """A new metric of the same settings."""
    return metric.__class__.from_config(metric.get_config()) if hasattr(metric, "get_config") else metric


def clone_metrics(metrics):
    """New metrics of the same settings."""
    return [clone_metric(metric) for metric in metrics]


def to_ordinal(y, num_classes=None, dtype="float32"):
    """Class numbers as rows of 1 up to the class and 0 behind it, one column less than there are classes."""
    y = np.asarray(y, dtype="int64")
    shape = y.shape[:-1] if y.ndim > 1 and y.shape[-1] == 1 else y.shape
    num_classes = num_classes or int(y.max()) + 1
    return (np.arange(num_classes - 1) < y.reshape(-1, 1)).astype(dtype).reshape(*shape, num_classes - 1)


def disable_tracking(func):
    """`func`: what belongs to a layer is found by its attributes."""
    return func


def model_from_yaml(yaml_string, custom_objects=None):
    """Raises RuntimeError, as Keras does since 2.6: reading YAML could run code."""
    raise RuntimeError("Method `model_from_yaml()` has been removed due to security risk. Use Model.to_json() instead.")


def load_from_binary_h5py(load_function, stream):
    """Raises Unsupported: give the file's path to `load_model`."""
    raise Unsupported("Write the stream to a file and give its path to keras.models.load_model.")


def save_to_binary_h5py(save_function, stream):
    """Raises Unsupported: `model.save` writes files."""
    raise Unsupported("Save to a file with model.save(path) and read its bytes.")


def maxnorm(m=2, axis=0, max_value=None):
    """`MaxNorm(m, axis)`, with Keras 1's name of `max_value`."""
    return constraints.MaxNorm(m if max_value is None else max_value, axis)


class RadialConstraint(constraints.Constraint):
    """Square kernels (H, H, in, out) whose values depend on the distance from the centre only: each square ring has the
    value of the kernel's diagonal that Keras 2 takes for it.
    """

    def __call__(self, w):
        shape = tuple(w.shape)
        if len(shape) != 4:
            raise ValueError(f"The weight tensor must have rank 4. Received weight tensor with shape: {shape}")
        size = shape[0]
        if shape[1] != size:
            raise ValueError(f"RadialConstraint takes square kernels. Received weight tensor with shape: {shape}")
        rings = np.abs(2 * np.indices((size, size)) - (size - 1)).max(axis=0) // 2
        # Keras 2 counts along the diagonal from one place before the centre; of even sizes it passes over one.
        start = size // 2
        places = [start - 1, *range(start + 1 - size % 2, size)][: rings.max() + 1]
        rays = _op["stack"]([w[place, place] for place in places])
        return _op["take"](rays, rings.astype("int32"), axis=0)
