"""Keras 1's `Convolution2D` and its like, which took the kernel's sizes one by one."""

from tandem.keras.layers import Conv2D, Conv3D, SeparableConv2D
from tandem.keras.legacy.layers import KERNEL_SIZES, one_by_one


class Convolution2D(Conv2D):
    """`Convolution2D(nb_filter, nb_row, nb_col, …)` of Keras 1; takes `Conv2D`'s arguments as well."""

    def __init__(self, *args, **kwargs):
        args, kwargs = one_by_one(KERNEL_SIZES["Conv2D"], args, kwargs)
        super().__init__(*args, **kwargs)


class Convolution3D(Conv3D):
    """`Convolution3D(nb_filter, kernel_dim1, …, kernel_dim3)` of Keras 1; takes `Conv3D`'s arguments as well."""

    def __init__(self, *args, **kwargs):
        args, kwargs = one_by_one(KERNEL_SIZES["Conv3D"], args, kwargs)
        super().__init__(*args, **kwargs)


class SeparableConvolution2D(SeparableConv2D):
    """`SeparableConvolution2D(nb_filter, nb_row, nb_col, …)` of Keras 1; takes `SeparableConv2D`'s arguments too."""

    def __init__(self, *args, **kwargs):
        args, kwargs = one_by_one(KERNEL_SIZES["SeparableConv2D"], args, kwargs)
        super().__init__(*args, **kwargs)
