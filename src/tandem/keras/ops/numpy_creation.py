"""New arrays: filled, ranges, windows."""

import torch

from tandem.core import devices
from tandem.keras import config
from tandem.keras.ops.family import Family, result_type, storage_dtype, tensor, to_float
from tandem.ops import creation

NAMES = Family()


def _sizes(shape):
    return (shape,) if isinstance(shape, int) else tuple(int(size) for size in shape)


@NAMES.plain
def zeros(shape, dtype=None):
    """0 in a shape."""
    return torch.zeros(_sizes(shape), dtype=storage_dtype(dtype), device=devices.default())


@NAMES.plain
def ones(shape, dtype=None):
    """1 in a shape."""
    return torch.ones(_sizes(shape), dtype=storage_dtype(dtype), device=devices.default())


@NAMES.plain
def empty(shape, dtype=None):
    """Memory of a shape whose numbers are not set."""
    return torch.empty(_sizes(shape), dtype=storage_dtype(dtype), device=devices.default())


@NAMES.op("Full", ("fill_value",))
def full(shape, fill_value, dtype=None):
    """One number (or a tensor that broadcasts) in a shape."""
    return tensor(fill_value).to(storage_dtype(dtype)).broadcast_to(_sizes(shape)).clone()


@NAMES.op("ZerosLike")
def zeros_like(x, dtype=None):
    """0 in the shape of x, of its dtype or another."""
    x = tensor(x)
    return torch.zeros_like(x, dtype=x.dtype if dtype is None else storage_dtype(dtype))


@NAMES.op("OnesLike")
def ones_like(x, dtype=None):
    """1 in the shape of x, of its dtype or another."""
    x = tensor(x)
    return torch.ones_like(x, dtype=x.dtype if dtype is None else storage_dtype(dtype))


@NAMES.op("EmptyLike")
def empty_like(x, dtype=None):
    """Memory in the shape of x whose numbers are not set."""
    x = tensor(x)
    return torch.empty_like(x, dtype=x.dtype if dtype is None else storage_dtype(dtype))


@NAMES.op("FullLike", 2)
def full_like(x, fill_value, dtype=None):
    """One number (or a tensor that broadcasts) in the shape of x, of its dtype or another."""
    x = tensor(x)
    return tensor(fill_value).to(x.dtype if dtype is None else storage_dtype(dtype)).broadcast_to(x.shape).clone()


@NAMES.op("Arange", 3)
def arange(start, stop=None, step=None, dtype=None):
    """The numbers from start (or 0) to stop, which is left out, at distances of step."""
    if stop is None:
        start, stop = 0, start
    step = 1 if step is None else step
    if dtype is None:
        dtype = result_type(*(getattr(one, "dtype", type(one)) for one in (start, stop, step)))
    start, stop, step = (one.item() if hasattr(one, "item") else one for one in (start, stop, step))
    return creation.steps(start, stop, step, storage_dtype(dtype), devices.default())


@NAMES.plain
def eye(N, M=None, k=0, dtype=None):
    """A matrix with 1 on its k-th diagonal."""
    return creation.diagonal(N, N if M is None else M, k, storage_dtype(dtype), devices.default())


@NAMES.plain
def identity(n, dtype=None):
    """A square matrix with 1 on its diagonal."""
    return creation.diagonal(n, n, 0, storage_dtype(dtype), devices.default())


@NAMES.plain
def tri(N, M=None, k=0, dtype=None):
    """A matrix with 1 on and below its k-th diagonal."""
    return creation.triangle(N, N if M is None else M, k, storage_dtype(dtype), devices.default())


@NAMES.op("Array")
def array(x, dtype=None):
    """x as a tensor."""
    return tensor(x, dtype)


def _ends(start, stop, dtype):
    start, stop = (getattr(one, "value", one) for one in (start, stop))
    if dtype is None:
        dtype = result_type(*(getattr(one, "dtype", type(one)) for one in (start, stop)), float)
    return to_float(tensor(start)), to_float(tensor(stop)), storage_dtype(dtype)


@NAMES.op("Linspace", 2)
def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    """`num` numbers at equal distances from start to stop (left out unless `endpoint`); with `retstep` the distance."""
    start, stop, dtype = _ends(start, stop, dtype)
    values, step = creation.spaced(start, stop, num, endpoint, dtype, axis)
    return (values, step.item() if step.dim() == 0 and not step.is_meta else step) if retstep else values


@NAMES.op("Logspace", 2)
def logspace(start, stop, num=50, endpoint=True, base=10, dtype=None, axis=0):
    """`base` to the power of `num` numbers at equal distances."""
    start, stop, dtype = _ends(start, stop, dtype)
    return creation.powers(start, stop, num, endpoint, base, dtype, axis)


@NAMES.op("Geomspace", 2)
def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """`num` numbers of equal ratios from start to stop."""
    start, stop, dtype = _ends(start, stop, dtype)
    return creation.ratios(start, stop, num, endpoint, dtype, axis)


def _window(kind):
    def compute(x):
        return creation.window(kind, int(x), storage_dtype(config.floatx()), devices.default())

    return compute


for _name in ("bartlett", "blackman", "hamming", "hanning"):
    _function = _window(_name)
    _function.__name__ = _name
    _function.__doc__ = f"The {_name.capitalize()} window of x points."
    NAMES.plain(_function)


@NAMES.plain
def kaiser(x, beta):
    """The Kaiser window of x points, of the shape `beta`."""
    return creation.window("kaiser", int(x), storage_dtype(config.floatx()), devices.default(), float(beta))


@NAMES.op("Vander")
def vander(x, N=None, increasing=False):
    """The matrix of the powers of a vector, N columns, from the highest down unless `increasing`."""
    x = tensor(x)
    if x.dim() != 1:
        raise ValueError(f"Input tensor must be 1-dimensional. Received: input.shape={tuple(x.shape)}")
    return creation.vander(x, N, increasing).to(result_type(x))
