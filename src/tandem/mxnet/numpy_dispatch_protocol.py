"""Which of NumPy's functions and ufuncs `mx.np` has its own of: where MXNet's own tests look for the lists."""

from tandem.mxnet.numpy.protocols import FUNCTIONS, UFUNCS

__all__ = ["with_array_function_protocol", "with_array_ufunc_protocol"]

_NUMPY_ARRAY_FUNCTION_LIST = list(FUNCTIONS)
_NUMPY_ARRAY_UFUNC_LIST = list(UFUNCS)


def with_array_function_protocol(func):
    """The function itself: NumPy's functions know `mx.np` arrays at any time."""
    return func


def with_array_ufunc_protocol(func):
    """The function itself: NumPy's ufuncs know `mx.np` arrays at any time."""
    return func
