"""What the passes need to know of ATen's operators, from their schemas."""

from dataclasses import dataclass

import torch

from tandem.engine.record import Ref

aten = torch.ops.aten

EMPTY = {"aten::empty", "aten::empty_like", "aten::empty_strided", "aten::new_empty", "aten::new_empty_strided"}
COPY = {"aten::clone", "aten::_to_copy"}

# In-place operators that put other memory behind a tensor.
NEW_MEMORY = {"aten::resize_", "aten::resize_as_", "aten::set_", "aten::_resize_output_"}

# Arguments that a kernel changes although its schema does not say so: the moving statistics.
HIDDEN_WRITES = {"aten::native_batch_norm": (3, 4)}

# Kernels that keep what their gradient needs only while gradients are tracked.
ASKS_GRAD_MODE = {"aten::mkldnn_rnn_layer"}

# Operators without an `out=` kernel that are a case of one that has it.
EQUIVALENTS = {"aten::relu": (aten.clamp_min.out, (0,))}


@dataclass(slots=True)
class Schema:
    """What the passes need to know of an operator."""

    writes: tuple  # the positions of arguments that it changes
    random: bool
    out_variant: object  # (overload, names of its out arguments) or None
    names: tuple  # the arguments' names, in order
    func: object


_schemas: dict = {}  # id of an overload, whose own hash is Python -> its schema, which holds it


def schema_of(func):
    """The `Schema` of an overload, worked out once."""
    found = _schemas.get(id(func))
    if found is None:
        arguments = func._schema.arguments
        found = _schemas[id(func)] = Schema(
            func=func,
            writes=tuple(i for i, a in enumerate(arguments) if a.alias_info is not None and a.alias_info.is_write),
            random=torch.Tag.nondeterministic_seeded in func.tags,
            out_variant=_out_variant(func),
            names=tuple(a.name for a in arguments),
        )
    return found


def _out_variant(func):
    """The overload that computes the same into given tensors, where torch has a kernel for it.

    Overloads that torch generates by calling the functional one and copying are tagged `generated` and left alone.
    """
    wanted = [(a.name, str(a.type)) for a in func._schema.arguments]
    if any(str(r.type) != "Tensor" for r in func._schema.returns):
        return None
    for name in func.overloadpacket.overloads():
        other = getattr(func.overloadpacket, name)
        arguments = other._schema.arguments
        outs = [a.name for a in arguments if a.is_out]
        if (
            len(outs) == len(func._schema.returns)
            and [(a.name, str(a.type)) for a in arguments if not a.is_out] == wanted
            and torch.Tag.generated not in other.tags
        ):
            return other, outs
    return None


def bound(call):
    """The call's arguments in the order of its schema, lists kept, those left out with their defaults."""
    args, kwargs = call.arguments()
    return [
        args[i] if i < len(args) else kwargs.get(a.name, a.default_value)
        for i, a in enumerate(call.func._schema.arguments)
    ]


def refs(value):
    """The `Ref`s in an argument."""
    if isinstance(value, Ref):
        return [value]
    return [item for item in value if isinstance(item, Ref)] if isinstance(value, (list, tuple)) else []


def written(call):
    """The `Ref`s among the arguments that a call changes."""
    schema = schema_of(call.func)
    positions = schema.writes or HIDDEN_WRITES.get(call.func._schema.name, ())
    if not positions:
        return []
    values = bound(call)
    return [ref for position in positions for ref in refs(values[position])]
