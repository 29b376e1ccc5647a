"""The operator table: one row to an operator, read by every view (`nd`, `F`, and those to come)."""

from dataclasses import dataclass, field
from typing import Any

from tandem.core.errors import explain, suggest
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators.attributes import REQUIRED

OPERATORS = {}  # every name and alias -> its row
# Operators that make sparse arrays of dense ones, or take no dense ones.
STORAGE_MATTERS = {
    "_contrib_getnnz",
    "_identity_with_attr_like_rhs",
    "_sparse_adagrad_update",
    "_sparse_retain",
    "_square_sum",
    "cast_storage",
}


@dataclass(slots=True, eq=False)
class Operator:
    """One operator.

    name: MXNet's name; aliases: other names of the same row.
    function: `function(*tensors, **attributes)` -> a tensor or a tuple of tensors; from `ops`, or a small adapter.
    inputs: names of the arrays it takes; a variadic operator has one name, which stands for any number of arrays.
    attributes: name -> `Attribute`, in MXNet's order.
    variadic: the attribute that counts the arrays ('num_args'), '' where nothing counts them, None where not variadic.
    present: attributes -> names of the inputs taken with these attributes (None: all of them).
    optional: inputs that may be left out whatever the attributes say.
    visible: how many outputs the caller sees, a number or a function of the attributes (None: all of them).
    list_output: whether the result is a list even if there is one output.
    aliases_input: whether the function may return a view of its input, which MXNet never does.
    mutates: positions of the inputs that the function writes (auxiliary states), or a function of their number.
    updates: positions of the inputs that the function changes and answers; without `out=` it gets copies of them.
    modal: whether the function takes `training=` (it differs between training and inference).
    random: whether it draws random numbers.
    creates: whether it has no array inputs and takes `device=` (parameter 'ctx').
    same_dtype: whether inputs of different dtypes are an error.
    differentiable: whether gradients flow; where they do not, the operator runs without recording.
    """

    name: str
    function: Any
    inputs: tuple = ("data",)
    attributes: dict = field(default_factory=dict)
    aliases: tuple = ()
    variadic: str | None = None
    present: Any = None
    optional: tuple = ()
    visible: Any = None
    list_output: bool = False
    aliases_input: bool = False
    mutates: Any = ()
    updates: Any = ()
    modal: bool = False
    random: bool = False
    creates: bool = False
    same_dtype: bool = True
    differentiable: bool = True

    def parse(self, given):
        """All attributes, parsed, with defaults, from a mapping of those that are given.

        Raises MXNetError for an unknown, missing or unreadable one.
        """
        parsed = {}
        known = self.attributes
        for name, value in given.items():
            if name in known:
                parsed[name] = known[name].read(name, value, self.name)
            elif name in self.inputs:
                raise TypeError(f"{self.name}() got multiple values for argument {name!r}")
            elif known and not (name.startswith("__") and name.endswith("__")):
                # An operator without parameters takes any, as in MXNet 1.9.1.
                raise MXNetError(
                    explain(
                        f"Operator {self.name} has no parameter {name!r}",
                        expected=", ".join([*self.inputs, *known]),
                        given=f"{name}={value!r}",
                        hint=suggest(name, [*self.inputs, *known]),
                    )
                )
        for name, attribute in known.items():
            if name not in parsed:
                if attribute.default is REQUIRED:
                    raise MXNetError(
                        explain(
                            f"Operator {self.name} needs the parameter {name!r}",
                            expected=attribute.expected,
                            given=", ".join(given) or "no parameters",
                        )
                    )
                parsed[name] = attribute.default
        return parsed

    @property
    def again(self):
        """Whether the function can be run a second time, on other numbers, for its derivative alone."""
        return self.differentiable and not (self.random or self.mutates or self.updates)

    def positions(self, which, count):
        """The positions that `mutates` or `updates` names, of `count` inputs."""
        found: Any = getattr(self, which)
        return found(count) if callable(found) else found

    def taken(self, attributes):
        """Names of the inputs that are taken with these attributes."""
        return self.inputs if self.present is None else self.present(attributes)


def register(name, function, inputs=("data",), attributes=None, *, aliases=(), **fields):
    """Add a row to the table under its name and aliases; return it."""
    row = Operator(name, function, tuple(inputs), attributes or {}, tuple(aliases), **fields)
    for key in (name, *row.aliases):
        if key in OPERATORS:
            raise ValueError(f"operator {key} is registered twice")
        OPERATORS[key] = row
    return row


def lookup(name):
    """The row of a name or alias.

    Raises MXNetError, with a suggestion, where there is none.
    """
    try:
        return OPERATORS[name]
    except KeyError:
        raise MXNetError(explain(f"Operator {name} is not registered", hint=suggest(name, OPERATORS))) from None
