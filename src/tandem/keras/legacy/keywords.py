"""Arguments of Keras 1's functions in today's terms."""

import functools

from tandem.core.errors import explain
from tandem.keras.legacy.layers import VALUES

_NAMES = {"border_mode": "padding", "dim_ordering": "data_format", "filter_dilation": "dilation_rate"}


def with_old_names(function):
    """The function, which takes its arguments under their names of Keras 1 as well: `border_mode`, `dim_ordering`.

    The values "th" and "tf" may stand without a name, too.
    """

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        if not kwargs.keys().isdisjoint(_NAMES):
            kwargs = _today(function, kwargs)
        return function(*map(_value, args), **kwargs)

    return wrapper


def _value(argument):
    return VALUES["data_format"].get(argument, argument) if isinstance(argument, str) else argument


def _today(function, kwargs):
    result = {}
    for key, value in kwargs.items():
        name = _NAMES.get(key, key)
        if name in result or (name != key and name in kwargs):
            raise TypeError(explain(f"{function.__qualname__} got {key!r} and {name!r}, which are the same argument"))
        result[name] = _value(value) if key == "dim_ordering" else value
    return result
