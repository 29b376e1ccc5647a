"""How nodes are made: operators called with symbols, and what fills their missing inputs.

`function_of(row, kind, name)` gives the function behind `sym.X`.
"""

import numpy as np

from tandem.core.errors import explain, suggest
from tandem.mxnet import attribute
from tandem.mxnet import name as names
from tandem.mxnet.base import MXNetError, _Null
from tandem.mxnet.symbol.nodes import HIDDEN, SPECIAL, Entry, Node
from tandem.mxnet.views import signature_of

# What MXNet tells initializers of auxiliary states and the like: (operator, input) -> attribute `__init__`.
_INITIAL = {
    **{
        (name, place): value
        for name in ("BatchNorm", "BatchNorm_v1", "_contrib_SyncBatchNorm", "_contrib_BatchNormWithReLU")
        for place, value in ((3, '["zero", {}]'), (4, '["one", {}]'))
    },
    ("LeakyReLU", 1): '["Constant", {"value": 0.25}]',
    ("IdentityAttachKLSparseReg", 1): '["zero", {}]',
}


def text_of(value):
    """An attribute's value as MXNet writes it: as `str` has it, numbers of numpy as Python's."""
    if isinstance(value, np.generic):
        return str(value.item())
    if isinstance(value, (tuple, list)):
        inner = ", ".join(text_of(item) for item in value)
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return str(value)


def dtype_text(value):
    """A dtype as MXNet writes it: numpy's name, whatever says it.

    Raises TypeError for what is no dtype.
    """
    return value if value in ("bfloat16", "None") or value is None else np.dtype(value).name


def hidden(key):
    """The name under which a node keeps an attribute: those that speak of the node have underscores around."""
    return f"__{key}__" if key in HIDDEN else key


def function_of(row, kind, name, *, hint=None, module="mxnet.symbol"):
    """The function that applies the operator `row` to symbols and answers one of type `kind` (a function: its type).

    name: its public name, which automatic names are made of. Raises AssertionError where an input is no Symbol,
    MXNetError for attributes that are unknown, missing or unreadable.
    """
    hint = (hint or name).lower()
    variadic = row.variadic is not None

    def operator(*args, name=None, attr=None, out=None, **given):
        return apply(row, kind(), hint, args, given, name, attr, variadic)

    operator.__name__ = operator.__qualname__ = name
    operator.__doc__ = row.function.__doc__
    operator.__module__ = module
    operator.__signature__ = signature_of(row)
    return operator


def apply(row, kind, hint, args, given, name=None, attr=None, variadic=False):
    """A symbol of the operator with these arguments, as Python code gives them."""
    from tandem.mxnet.symbol.symbol import Symbol

    attrs = dict(attribute.current().get(attr))
    attrs = {hidden(key): value for key, value in attrs.items()}
    if variadic:
        inputs = []
        for value in args:
            if not isinstance(value, Symbol):
                raise AssertionError(f"Positional arguments must be Symbol instances, but got {value!r}")
            inputs.append(value)
        keyed = {key: value for key, value in given.items() if isinstance(value, Symbol)}
    else:
        order = [*row.inputs, *row.attributes]
        if len(args) > len(order):
            raise TypeError(
                explain(
                    f"{hint}() got too many positional arguments",
                    expected=", ".join(order),
                    given=f"{len(args)} arguments",
                )
            )
        by_place = dict(zip(order, args))
        for key in given.keys() & by_place.keys():
            raise TypeError(f"{hint}() got multiple values for argument {key!r}")
        given = {**by_place, **given}
        inputs, keyed = [], {}
        for key in row.inputs:
            value = given.pop(key, None)
            if isinstance(value, Symbol):
                keyed[key] = value
            elif value is not None:
                raise AssertionError(f"Argument {key} must be Symbol instances, but got {value}")
        keyed.update({key: value for key, value in given.items() if isinstance(value, Symbol)})
    for key, value in given.items():
        if key in keyed or value is _Null:
            continue
        attrs[hidden(key)] = dtype_text(value) if key == "dtype" and value is not None else text_of(value)
    if row.variadic and row.variadic not in attrs:
        attrs[row.variadic] = str(len(inputs) + len(keyed))
    for value in [*inputs, *keyed.values()]:
        kind._check_input(value, row.name, hint)
    name = names.current().get(name, hint)
    return kind(make(row, name, attrs, inputs, keyed))


def make(row, name, attrs, inputs=(), keyed=None, written=None):
    """The entries of a new node.

    inputs: symbols by position; keyed: symbols by the input's name. Inputs that are missing become variables
    "{name}_{input}" with the node's attributes.
    Raises MXNetError where a symbol of several outputs is given, or one under a name that is no input's.
    """
    keyed = keyed or {}
    node = Node(row, name, attrs, written=written)
    attributes = node.binding.attributes  # raises for those that cannot be read
    for key, value in [*enumerate(inputs), *keyed.items()]:
        if len(value._entries) != 1:
            raise MXNetError(
                explain(
                    f"Argument {key} of {row.name} is a tuple, single value is required",
                    expected="a symbol with one output",
                    given=f"{value!r} with the outputs {', '.join(value.list_outputs())}",
                    hint="symbol[0] is its first output.",
                )
            )
    special = SPECIAL.get(row.name)
    if special is not None:
        taken, optional = special.inputs(attributes), ()
        variadic = False
    else:
        taken, optional, variadic = row.taken(attributes), row.optional, row.variadic is not None
        if row.name == "UpSampling" and attributes["sample_type"] == "bilinear":
            taken, variadic = ("data", "weight"), False
    if variadic:
        if keyed:
            unknown = next(iter(keyed))
            raise MXNetError(
                explain(
                    f"Operator {row.name} takes its inputs by position",
                    expected="arg0, arg1, ...",
                    given=f"{unknown}={keyed[unknown]!r}",
                )
            )
        if row.variadic and not inputs and row.variadic == "num_args":
            raise MXNetError(
                explain(f"Operator {row.name} needs inputs", expected="num_args of at least 1", given="num_args=0")
            )
        node.inputs = [value._entries[0] for value in inputs]
    else:
        node.inputs = _matched(node, taken, optional, inputs, keyed)
    _tell_initializers(node)
    node.update_versions()
    return [Entry(node, place) for place in range(node.visible)]


def _matched(node, taken, optional, inputs, keyed):
    row = node.row
    if len(inputs) > len(taken):
        raise MXNetError(
            explain(
                f"Incorrect number of arguments for operator {row.name}",
                expected=f"{len(taken)} ({', '.join(taken)})",
                given=f"{len(inputs)} symbols",
            )
        )
    left = dict(keyed)
    entries = [value._entries[0] for value in inputs]
    for key in taken[len(inputs) :]:
        if key in left:
            entries.append(left.pop(key)._entries[0])
        elif key not in optional:
            entries.append(Entry(Node(None, f"{node.name}_{key}" if node.name else key, dict(node.attrs))))
    if left:
        unknown = next(iter(left))
        if unknown not in row.inputs:
            known = [*row.inputs, *row.attributes]
            raise MXNetError(
                explain(
                    f"Keyword argument name {unknown} not found in operator {row.name}",
                    expected=", ".join(known),
                    given=f"{unknown}={left[unknown]!r}",
                    hint=suggest(unknown, known),
                )
            )
        raise MXNetError(
            explain(
                f"Operator {row.name} does not take the input {unknown} with these attributes",
                expected=", ".join(taken),
                given=f"{unknown}={left[unknown]!r}",
            )
        )
    return entries


def _tell_initializers(node):
    for place, entry in enumerate(node.inputs):
        initial = _INITIAL.get((node.row.name, place))
        if initial is not None and entry.node.is_variable and "__init__" not in entry.node.attrs:
            entry.node.attrs["__init__"] = initial
