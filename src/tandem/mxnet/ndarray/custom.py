"""`mx.nd.Custom`: the operators of `mx.operator`, on arrays."""

from tandem.core.errors import explain
from tandem.mxnet import views
from tandem.mxnet.base import MXNetError, _Null
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.operators.custom import ROW, prop_of

_apply = views.function_of(ROW, NDArray)


def Custom(*data, **kwargs):
    """The operator that `mx.operator.register(op_type)` registered, on arrays.

    data: its arguments, then its auxiliary states, by position or under their names; op_type: its registered name; out:
    arrays for the results; all other arguments go to the class's `__init__`, as strings.
    Raises MXNetError where there is no such operator, or where its own code raises.
    """
    out, name = kwargs.pop("out", None), kwargs.pop("name", None)
    for array in data:
        if not isinstance(array, NDArray):
            raise AssertionError(f"Positional arguments must have NDArray type, but got {array!r}"[:200])
    # Text at once: what the views remember of a call tells 1 from True and from 1.0 by it.
    given = {key: str(value) for key, value in kwargs.items() if not (value is _Null or isinstance(value, NDArray))}
    named = {key: value for key, value in kwargs.items() if isinstance(value, NDArray)}
    if named:
        data = _in_order(list(data), named, given)
    return _apply(*data, out=out, name=name, **given)


def _in_order(data, named, given):
    """The arrays in the order of the operator's arguments and auxiliary states, positional ones first."""
    prop = prop_of(given.get("op_type", ""), {key: value for key, value in given.items() if key != "op_type"})
    names = [*prop.list_arguments(), *prop.list_auxiliary_states()]
    unknown = [name for name in named if name not in names[len(data) :]]
    if unknown:
        raise MXNetError(
            explain(
                f"Custom operator {given['op_type']} has no array argument {unknown[0]!r} left",
                expected=", ".join(names),
                given=f"{len(data)} arrays by position and {', '.join(named)}",
            )
        )
    return data + [named[name] for name in names[len(data) :] if name in named]
