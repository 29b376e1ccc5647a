"""Arguments of Keras 1's and 2's layers, in today's terms.

`ARGUMENTS` says for each class what an old argument is called today; `VALUES` what an old value is. `install` teaches
the classes to take them: each old call warns once, with today's spelling.
"""

import functools

from tandem.core.errors import Unsupported, explain, warn
from tandem.keras.legacy.modules import names_of

_KERNEL = {
    "init": "kernel_initializer",
    "bias": "use_bias",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
}
_CONV = {
    **_KERNEL,
    "nb_filter": "filters",
    "border_mode": "padding",
    "subsample": "strides",
    "dim_ordering": "data_format",
    "atrous_rate": "dilation_rate",
}
_CONV1D = {**_CONV, "filter_length": "kernel_size", "subsample_length": "strides"}
_SEPARABLE = {
    **_CONV,
    "init": "depthwise_initializer",
    "depthwise_regularizer": "depthwise_regularizer",
}
_POOL = {"border_mode": "padding", "dim_ordering": "data_format"}
_POOL1D = {**_POOL, "pool_length": "pool_size", "stride": "strides"}
_RECURRENT = {
    "output_dim": "units",
    "init": "kernel_initializer",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "b_regularizer": "bias_regularizer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "forget_bias_init": "unit_forget_bias",
}

ARGUMENTS = {
    "Dense": {**_KERNEL, "output_dim": "units"},
    "TimeDistributedDense": {**_KERNEL, "output_dim": "units"},
    "Conv1D": _CONV1D,
    "Conv2D": _CONV,
    "Conv3D": _CONV,
    "Conv2DTranspose": _CONV,
    "Conv3DTranspose": _CONV,
    "LocallyConnected1D": _CONV1D,
    "LocallyConnected2D": _CONV,
    "SeparableConv2D": _SEPARABLE,
    "Dropout": {"p": "rate"},
    "SpatialDropout1D": {"p": "rate"},
    "SpatialDropout2D": {"p": "rate", "dim_ordering": "data_format"},
    "SpatialDropout3D": {"p": "rate", "dim_ordering": "data_format"},
    "GaussianNoise": {"sigma": "stddev"},
    "GaussianDropout": {"p": "rate"},
    "AlphaDropout": {"p": "rate"},
    "MaxPooling1D": _POOL1D,
    "AveragePooling1D": _POOL1D,
    "MaxPooling2D": _POOL,
    "AveragePooling2D": _POOL,
    "MaxPooling3D": _POOL,
    "AveragePooling3D": _POOL,
    "GlobalMaxPooling2D": {"dim_ordering": "data_format"},
    "GlobalAveragePooling2D": {"dim_ordering": "data_format"},
    "GlobalMaxPooling3D": {"dim_ordering": "data_format"},
    "GlobalAveragePooling3D": {"dim_ordering": "data_format"},
    "UpSampling1D": {"length": "size"},
    "UpSampling2D": {"dim_ordering": "data_format"},
    "UpSampling3D": {"dim_ordering": "data_format"},
    "ZeroPadding2D": {"dim_ordering": "data_format"},
    "ZeroPadding3D": {"dim_ordering": "data_format"},
    "Cropping2D": {"dim_ordering": "data_format"},
    "Cropping3D": {"dim_ordering": "data_format"},
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "BatchNormalization": {"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "PReLU": {"init": "alpha_initializer"},
    "RepeatVector": {},
    "SimpleRNN": _RECURRENT,
    "LSTM": _RECURRENT,
    "GRU": _RECURRENT,
    "RNN": {},
}

VALUES = {
    "data_format": {"th": "channels_first", "tf": "channels_last", "default": None},
    "unit_forget_bias": {"one": True, "ones": True, "zero": False, "zeros": False},
}

# The sizes of a kernel that Keras 1 took one by one, behind the number of filters.
KERNEL_SIZES = {
    "Conv2D": ("nb_row", "nb_col"),
    "Conv2DTranspose": ("nb_row", "nb_col"),
    "SeparableConv2D": ("nb_row", "nb_col"),
    "LocallyConnected2D": ("nb_row", "nb_col"),
    "Conv3D": ("kernel_dim1", "kernel_dim2", "kernel_dim3"),
}
# What followed them.
_BEHIND_SIZES = ("init", "activation", "weights", "border_mode", "subsample")
# The arguments that gave the shape of the inputs of a first layer by its parts, in order.
_SHAPE_PARTS = {
    "Embedding": ("input_length",),
    **dict.fromkeys(
        ("SimpleRNN", "LSTM", "GRU", "RNN", "Conv1D", "LocallyConnected1D", "TimeDistributedDense"),
        ("input_length", "input_dim"),
    ),
}
# Arguments that chose between implementations of the same numbers: today there is one implementation.
_WITHOUT_EFFECT = {
    "SimpleRNN": ("consume_less", "implementation"),
    "LSTM": ("consume_less", "implementation"),
    "GRU": ("consume_less", "implementation"),
}
# Arguments that have no counterpart, with what to write instead.
_GONE = {
    ("BatchNormalization", "mode"): (0, "Only mode 0, feature-wise normalization, is left."),
    ("Embedding", "dropout"): (0.0, "Put a SpatialDropout1D after the layer."),
}
_told = set()


def install(classes):
    """Let the layer classes of a namespace (name -> class) take the arguments of Keras 1 and 2."""
    for name, renamed in ARGUMENTS.items():
        kind = classes.get(name)
        if kind is not None and not hasattr(kind.__init__, "takes_old_arguments"):
            kind.__init__ = _translating(kind.__init__, name, renamed)


def _translating(init, name, renamed):
    @functools.wraps(init)
    def wrapper(self, *args, **kwargs):
        if always or not kwargs.keys().isdisjoint(of_keras1) or (sizes and len(args) > 3 and isinstance(args[3], int)):
            args, kwargs = one_by_one(sizes, args, kwargs)
        if kwargs and not kwargs.keys().isdisjoint(known):
            kwargs = modernize(name, kwargs)
        init(self, *args, **kwargs)

    gone = {argument for kind, argument in _GONE if kind == name}
    today, sizes = _of_today(init), KERNEL_SIZES.get(name)
    known = {*renamed, *_WITHOUT_EFFECT.get(name, ()), *_SHAPE_PARTS.get(name, ()), *gone} - today
    # What shows that a kernel's sizes may stand one by one: `Conv2D(8, 3, 3)` alone has strides of 3, as in Keras 3.
    always = name == "LocallyConnected2D"
    of_keras1 = {*sizes, *(set(renamed) - today)} if sizes else set()
    # Values may be old where the argument's name is of today.
    known.update(argument for argument in VALUES if argument in renamed.values())
    wrapper.takes_old_arguments = True
    return wrapper


def one_by_one(sizes, args, kwargs):
    """(args, kwargs) of a convolution with the kernel's sizes, named `sizes`, as one argument where they stand one by
    one, as in Keras 1.
    """
    rank = len(sizes)
    if len(args) > rank and all(isinstance(size, int) for size in args[1 : rank + 1]):
        kernel, behind = args[1 : rank + 1], args[rank + 1 :]
        args = args[:1]
    elif all(name in kwargs for name in sizes):
        kwargs = dict(kwargs)
        kernel, behind = tuple(kwargs.pop(name) for name in sizes), args[1:]
        args = args[:1]
    else:
        return args, kwargs
    return args, {**kwargs, "kernel_size": kernel, **dict(zip(_BEHIND_SIZES, behind, strict=False))}


def _of_today(init):
    code = init.__code__
    return set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


def modernize(name, kwargs):
    """The arguments of a layer of class `name` in today's terms; warns once for each that was translated."""
    renamed, result = ARGUMENTS[name], {}
    for key, value in _with_shape(name, kwargs).items():
        today = renamed.get(key, key)
        if (name, key) in _GONE:
            harmless, advice = _GONE[name, key]
            if value != harmless:
                raise Unsupported(
                    explain(f"{name} has no argument {key!r} any more", given=f"{key}={value!r}", hint=advice)
                )
            continue
        if key in _WITHOUT_EFFECT.get(name, ()):
            _tell(f"{name}: leave out `{key}`, which changes no result.")
            continue
        values = VALUES.get(today, {})
        if isinstance(value, str) and value in values:
            value = values[value]
        if today != key:
            if today in kwargs:
                raise TypeError(explain(f"{name} got {key!r} and {today!r}, which are the same argument"))
            _tell(f"{name}: write `{today}` for `{key}`.")
        result[today] = value
    return result


def _with_shape(name, kwargs):
    """The arguments with the shape of the inputs as a whole where it was given by its parts."""
    parts = [part for part in _SHAPE_PARTS.get(name, ()) if part == "input_length" or part in kwargs]
    if not any(part in kwargs for part in parts):
        return kwargs
    whole = "input_shape" in kwargs or "batch_input_shape" in kwargs
    rest = {key: value for key, value in kwargs.items() if key not in parts}
    if whole or all(kwargs.get(part) is None for part in parts):
        return rest
    _tell(f"{name}: write `input_shape` for {' and '.join(f'`{part}`' for part in parts if part in kwargs)}.")
    shape = [kwargs.get(part) for part in parts]
    if isinstance(shape[0], (tuple, list)):
        shape = [*shape[0], *shape[1:]]
    return {**rest, "input_shape": tuple(shape)}


def _tell(message):
    if message not in _told:
        _told.add(message)
        warn(message, DeprecationWarning)


__getattr__ = names_of("layers")  # `keras.legacy.layers` is a path of Keras 2, too
