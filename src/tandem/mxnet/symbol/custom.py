"""`mx.sym.Custom`: the operators of `mx.operator`, in graphs."""

from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NUMPY_TYPES, mxnet_dtype
from tandem.mxnet.operators import custom as rows
from tandem.mxnet.symbol import compose
from tandem.mxnet.symbol.inference import known
from tandem.mxnet.symbol.nodes import SPECIAL
from tandem.mxnet.symbol.symbol import Symbol


def Custom(*args, **kwargs):
    """An operator that `mx.operator.register` registered under `op_type`.

    Inputs by position or by the names of its `list_arguments`; what is missing becomes a variable; what else is given
    goes to the user's class, as text.
    """
    name, attr = kwargs.pop("name", None), kwargs.pop("attr", None)
    for value in args:
        if not isinstance(value, Symbol):
            raise AssertionError(f"Positional arguments must be Symbol instances, but got {value!r}")
    keyed = {key: value for key, value in kwargs.items() if isinstance(value, Symbol)}
    given = {key: value for key, value in kwargs.items() if key not in keyed}
    attrs = {compose.hidden(key): value for key, value in compose.attribute.current().get(attr).items()}
    attrs.update({compose.hidden(key): compose.text_of(value) for key, value in given.items()})
    name = compose.names.current().get(name, "custom")
    return Symbol(compose.make(rows.ROW, name, attrs, args, keyed))


class _Special:
    """What symbols ask of a custom operator: the user's class answers."""

    run = None
    reads_values = True  # Python code of the user's own

    def needs_head(self, node):
        """Whether its backward pass reads the outputs' gradients."""
        prop = self._prop(node.binding.attributes)
        numbers = list(range(len(prop.list_arguments()) + 2 * len(prop.list_outputs())))
        outputs, inputs = len(prop.list_outputs()), len(prop.list_arguments())
        parts = numbers[:outputs], numbers[outputs : outputs + inputs], numbers[outputs + inputs :]
        return bool(set(prop.declare_backward_dependency(*parts)) & set(parts[0]))

    @staticmethod
    def _prop(attributes):
        return rows.prop_of(attributes["op_type"], attributes["options"])

    def inputs(self, attributes, node=None):
        """The names of the inputs, with the auxiliary states."""
        prop = self._prop(attributes)
        return [*prop.list_arguments(), *prop.list_auxiliary_states()]

    def output_names(self, node):
        """The names of the outputs."""
        return self._prop(node.binding.attributes).list_outputs()

    def mutated(self, node):
        """The positions of the auxiliary states."""
        prop = self._prop(node.binding.attributes)
        first = len(prop.list_arguments())
        return range(first, first + len(prop.list_auxiliary_states()))

    def infer(self, node, outputs, facts, dtypes, shapes):
        """Ask the user's class."""
        prop = self._prop(node.binding.attributes)
        count = len(prop.list_arguments())
        arguments, states = node.inputs[:count], node.inputs[count:]
        name = node.binding.attributes["op_type"]
        if shapes and (not arguments or facts.is_whole(arguments[0])):
            given = [[size or 0 for size in facts.shape(entry) or ()] for entry in arguments]
            try:
                found = rows.shapes_of(prop, given, name)
            except MXNetError:
                if all(facts.is_whole(entry) for entry in arguments):
                    raise
                found = ([], [], [])
            for entries, part in zip((arguments, outputs, states), found):
                for entry, shape in zip(entries, part):
                    facts.tell_shape(entry, known(shape), node)
        if dtypes and (not arguments or facts.dtype(arguments[0]) is not None):
            first = facts.dtype(arguments[0]) if arguments else None
            types = [NUMPY_TYPES[facts.dtype(entry) or first] for entry in arguments]
            found = rows._ask(f"{name}.infer_type", prop.infer_type, types)
            for entries, part in zip((arguments, outputs, states), found):
                for entry, dtype in zip(entries, part):
                    facts.tell_dtype(entry, mxnet_dtype(dtype), node)


SPECIAL["Custom"] = _Special()
