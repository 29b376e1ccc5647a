"""Keras 1's `Convolution2D` and its like, which took the kernel's sizes one by one."""

from tandem.keras.layers import Conv2D, Conv3D, SeparableConv2D


class Convolution2D(Conv2D):
    """`Convolution2D(nb_filter, nb_row, nb_col, …)` of Keras 1; takes `Conv2D`'s arguments as well."""

    def __init__(self, filters=None, *args, **kwargs):
        super().__init__(**_today(("nb_row", "nb_col"), filters, args, kwargs))


class Convolution3D(Conv3D):
    """`Convolution3D(nb_filter, kernel_dim1, …, kernel_dim3)` of Keras 1; takes `Conv3D`'s arguments as well."""

    def __init__(self, filters=None, *args, **kwargs):
        super().__init__(**_today(("kernel_dim1", "kernel_dim2", "kernel_dim3"), filters, args, kwargs))


class SeparableConvolution2D(SeparableConv2D):
    """`SeparableConvolution2D(nb_filter, nb_row, nb_col, …)` of Keras 1; takes `SeparableConv2D`'s arguments too."""

    def __init__(self, filters=None, *args, **kwargs):
        super().__init__(**_today(("nb_row", "nb_col"), filters, args, kwargs))


def _today(names, filters, args, kwargs):
    """The arguments by name, the kernel's sizes as a tuple."""
    rank = len(names)
    kwargs = dict(kwargs) if filters is None else {**kwargs, "filters": filters}
    if len(args) >= rank and all(isinstance(size, int) for size in args[:rank]):
        kwargs["kernel_size"], rest = args[:rank], args[rank:]
    elif all(name in kwargs for name in names):
        kwargs["kernel_size"], rest = tuple(kwargs.pop(name) for name in names), args
    else:
        kwargs.update(zip(("kernel_size", "strides", "padding"), args, strict=False))
        return kwargs
    kwargs.update(zip(("init", "activation", "weights", "border_mode", "subsample"), rest, strict=False))
    return kwargs
