"""Comparing arrays: by default with a tolerance that fits their dtypes, and a report of the worst elements."""

import numbers

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray

_INTEGERS = ("bool", "int8", "uint8", "int32", "uint32", "int64", "uint64")
_RTOLS = {"float16": 1e-2, "float32": 1e-4, "float64": 1e-5, **dict.fromkeys(_INTEGERS, 0)}
_ATOLS = {"float16": 1e-1, "float32": 1e-3, "float64": 1e-20, **dict.fromkeys(_INTEGERS, 0)}
_EPSILONS = {"float16": 1 / 2**6, "float32": 1 / 2**9, "float64": 1 / 2**14}


def _by_dtype(table):
    return {np.dtype(name): value for name, value in table.items()}


def default_rtols():
    """The relative tolerance for each dtype."""
    return _by_dtype(_RTOLS)


def default_atols():
    """The absolute tolerance for each dtype."""
    return _by_dtype(_ATOLS)


def default_numeric_eps():
    """The step of a numerical derivative for each floating dtype."""
    return _by_dtype(_EPSILONS)


def default_dtype():
    """The dtype of random arrays: float32."""
    return np.float32


def effective_dtype(dat):
    """The dtype by whose accuracy an array is judged.

    On a GPU MXNet judges float32 that went through TF32 as float16; torch multiplies in TF32 only where that was asked
    for, so an array is judged by its own dtype.
    """
    return np.dtype(dat.dtype)


def get_tolerance(dat, tol, default_tol):
    """The tolerance for an array: `tol` if that is a number, else by dtype from `tol` and then from `default_tol`."""
    if isinstance(tol, numbers.Number):
        return tol
    dtype = effective_dtype(dat)
    return ({} if tol is None else tol).get(dtype, default_tol[dtype])


def get_tols(x, y, rtol, atol):
    """(rtol, atol) for comparing x with y: the wider one of the two arrays' where none are given.

    Numbers have the other argument's tolerance; two numbers none: they must be equal.
    """
    numeric_x, numeric_y = isinstance(x, numbers.Number), isinstance(y, numbers.Number)
    if numeric_x and numeric_y:
        return 0 if rtol is None else rtol, 0 if atol is None else atol
    if numeric_x:
        x = y
    elif numeric_y:
        y = x
    rtol, atol = (
        max(get_tolerance(x, tolerance, table), get_tolerance(y, tolerance, table))
        for tolerance, table in ((rtol, default_rtols()), (atol, default_atols()))
    )
    return rtol, atol


def get_atol(atol=None, dtype=np.dtype(np.float64)):  # noqa: B008 (MXNet's signature)
    """`atol`, or the default for a dtype where None."""
    return default_atols()[dtype] if atol is None else atol


def get_rtol(rtol=None, dtype=np.dtype(np.float64)):  # noqa: B008 (MXNet's signature)
    """`rtol`, or the default for a dtype where None."""
    return default_rtols()[dtype] if rtol is None else rtol


def get_etol(etol=None):
    """`etol`, the share of elements that may differ, or 0 where None."""
    return 0 if etol is None else etol


def _plain(value):
    return value.asnumpy() if isinstance(value, NDArray) else value


def _violations(a, b, rtol, atol):
    """How many times its tolerance each element's difference is; nan where it cannot be told."""
    tolerance = atol + rtol * np.abs(b)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        return np.abs(a - b) / (tolerance + 1e-20)


def _find_max_violation(a, b, rtol, atol):
    """(index, how many times the tolerance) of the element that is off the most."""
    found = _violations(a, b, rtol, atol)
    index = np.unravel_index(np.argmax(found), found.shape)
    return tuple(int(place) for place in index), found[index]


def same(a, b):
    """Whether two arrays are equal in every element; nan is equal to nothing."""
    return np.array_equal(_plain(a), _plain(b))


def checkShapes(a, b):
    """Raise AssertionError where two arrays have different shapes."""
    if a.shape != b.shape:
        text = f"a.shape = {a.shape} and b.shape = {b.shape} are not equal"
        raise AssertionError(np.testing.build_err_msg([a, b], err_msg=text))


def almost_equal(a, b, rtol=None, atol=None, equal_nan=False, use_broadcast=True):
    """Whether ``|a - b| <= atol + rtol·|b|`` in every element.

    rtol, atol: numbers, dicts by dtype, or None: those of the dtypes; equal_nan: whether nan is near nan;
    use_broadcast: whether the shapes may differ where they broadcast.
    Raises AssertionError for different shapes where they may not.
    """
    a, b = _plain(a), _plain(b)
    if not use_broadcast:
        checkShapes(a, b)
    rtol, atol = get_tols(a, b, rtol, atol)
    return np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)


def locationError(a, b, index, names, maxError=False):
    """A line that says what two arrays have at an index."""
    word = "maximum " if maxError else ""
    return f"Location of {word}error: {index}, {names[0]}={a[index]:.8f}, {names[1]}={b[index]:.8f}"


def _as_pair(a, b):
    """Two numpy arrays of one shape, numbers among them spread out."""
    if isinstance(a, NDArray) and isinstance(b, NDArray) and a.shape != b.shape:
        raise MXNetError(explain("NDArrays that are compared have one shape", expected=b.shape, given=a.shape))
    a, b = np.asarray(_plain(a)), np.asarray(_plain(b))
    return tuple(np.broadcast_arrays(a, b)) if a.shape != b.shape else (a, b)


def _report(a, b, rtol, atol, names, mismatches, allowed=0.0, equal_nan=False):
    """Print the elements that are off the most and raise AssertionError; nothing where few enough are off."""
    a, b = np.atleast_1d(a), np.atleast_1d(b)
    if a.dtype == bool or b.dtype == bool:
        a, b = a.astype(np.int8), b.astype(np.int8)
    with np.errstate(invalid="ignore"):
        wrong = ~np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)
    share = wrong.mean()
    if not wrong.any() or share <= allowed:
        return
    found = np.where(wrong, _violations(a, b, rtol, atol), -1.0)
    order = np.argsort(-np.where(np.isnan(found), np.inf, found), axis=None, kind="stable")
    shown = max(1, min(int(wrong.sum()), mismatches[0]))
    places = [np.unravel_index(place, a.shape) for place in order[:shown]]
    places = [tuple(int(axis) for axis in place) for place in places]
    print(f"\n*** Maximum errors for vector of size {a.size}:  rtol={rtol}, atol={atol}\n")  # noqa: T201 (MXNet's report)
    for number, place in enumerate(places, 1):
        print(f"{number:3d}: Error {found[place]:f}  {locationError(a, b, place, names)}")  # noqa: T201
    worst = places[0]
    text = (
        f"Error {found[worst]:f} exceeds tolerance rtol={rtol:e}, atol={atol:e} (mismatch {100 * share:f}%).\n"
        f"{locationError(a, b, worst, names, maxError=True)}"
    )
    raise AssertionError(np.testing.build_err_msg([a, b], err_msg=text))


def assert_almost_equal(
    a, b, rtol=None, atol=None, names=("a", "b"), equal_nan=False, use_broadcast=True, mismatches=(10, 10)
):
    """Assert that ``|a - b| <= atol + rtol·|b|`` in every element.

    a, b: numbers, or arrays of any kind; rtol, atol: numbers, dicts by dtype, or None: those of the dtypes;
    names: what the report calls the two; equal_nan: whether nan is near nan; use_broadcast: whether the shapes may
    differ where they broadcast; mismatches: the first number is how many of the worst elements are printed.
    Raises AssertionError with the worst element, its place and the share of elements that are off.
    """
    if not use_broadcast:
        checkShapes(_plain(a), _plain(b))
    rtol, atol = get_tols(a, b, rtol, atol)
    pair = _as_pair(a, b)
    _report(*pair, rtol, atol, names, mismatches, equal_nan=equal_nan)


def assert_allclose(a, b, rtol=1e-07, atol=0, equal_nan=True):
    """`assert_almost_equal` with the defaults of numpy's assert_allclose."""
    assert_almost_equal(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan)


def assert_almost_equal_with_err(
    a, b, rtol=None, atol=None, etol=None, names=("a", "b"), equal_nan=False, mismatches=(10, 10)
):
    """`assert_almost_equal` of which a share `etol` (0 to 1) of the elements may be off."""
    rtol, atol = get_tols(a, b, rtol, atol)
    pair = _as_pair(a, b)
    _report(*pair, rtol, atol, names, mismatches, allowed=get_etol(etol), equal_nan=equal_nan)


def assert_almost_equal_ignore_nan(a, b, rtol=None, atol=None, names=("a", "b")):
    """`assert_almost_equal` of the elements that are nan in neither array."""
    a, b = np.copy(_plain(a)), np.copy(_plain(b))
    missing = np.isnan(a) | np.isnan(b)
    a[missing] = 0
    b[missing] = 0
    assert_almost_equal(a, b, rtol, atol, names)


def assert_exception(f, exception_type, *args, **kwargs):
    """Assert that ``f(*args, **kwargs)`` raises an exception of a type.

    Raises AssertionError where it raises none; another exception goes through.
    """
    try:
        f(*args, **kwargs)
    except exception_type:
        return
    raise AssertionError(explain("Nothing was raised", expected=exception_type.__name__))


def same_array(array1, array2):
    """Whether two NDArrays share their memory: a change of one shows in the other (both are as before afterwards)."""
    for one, other in ((array1, array2), (array2, array1)):
        one[:] += 1
        shared = same(array1, array2)
        one[:] -= 1
        if not shared or not same(one, other):
            return False
    return True


def compare_ndarray_tuple(t1, t2, rtol=None, atol=None):
    """`assert_almost_equal` of two NDArrays or (nested) tuples of them; where one is None nothing is compared."""
    if t1 is None or t2 is None:
        return
    if isinstance(t1, tuple):
        for one, other in zip(t1, t2):
            compare_ndarray_tuple(one, other, rtol, atol)
    else:
        assert_almost_equal(t1, t2, rtol=rtol, atol=atol)
