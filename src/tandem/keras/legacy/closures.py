"""Which layers of the user's use symbolic values of the model that they stand in, beside their inputs: Keras 1 and 2
computed all in one graph.
"""

from types import CodeType, FunctionType, MethodType

from tandem.core import arrays
from tandem.keras.symbolic import KerasTensor, bound, remember, with_values

_OURS = ("tandem.", "keras.", "torch.")


def sees_symbols(operation):
    """Whether a function of a layer's, its own or one that it was given, refers to symbolic values."""
    kind = type(operation)
    functions = [operation.__dict__.get("function")]
    for cls in kind.__mro__:
        if not cls.__module__.startswith(_OURS) and cls is not object:
            functions += vars(cls).values()
    return any(_refers(function) for function in functions if isinstance(function, (FunctionType, MethodType)))


def run(graph, symbols, values):
    """What a graph gives for values of its `symbols`, where operations of it see symbolic values."""

    def one(node, args, kwargs):
        return remember(node, with_values(node.operation(*args, **kwargs)))

    bound.values = dict(zip(map(id, symbols), values, strict=True))
    try:
        return with_values(graph.run(values, one))
    finally:
        bound.values = None


def _refers(function):
    code = function.__code__
    scope = function.__globals__
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    values = [scope.get(name) for name in _names(code)]
    values += [cell.cell_contents for _, cell in cells if _is_filled(cell)]
    return any(isinstance(leaf, KerasTensor) for value in values for leaf in _leaves(value))


def _leaves(value):
    return arrays.leaves(value) if isinstance(value, (list, tuple, dict)) else [value]


def _is_filled(cell):
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _names(code):
    """The names of module level that some code, and that inside it, may refer to."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
