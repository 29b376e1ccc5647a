"""`Custom`: operators that the user writes in Python (`mx.operator`), found by their registered name."""

import traceback

import torch

from tandem.core.errors import explain, suggest
from tandem.mxnet import context as contexts
from tandem.mxnet.base import MXNetError, sparse_unsupported
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import OPERATORS, Operator
from tandem.ops import callbacks

PROPERTIES = {}  # registered name -> the user's CustomOpProp class


class _Row(Operator):
    """The row of `Custom`: whatever else is given besides `op_type` goes to the user's class, as text."""

    __slots__ = ()

    def parse(self, given):
        """`op_type`, and the user's own parameters as one mapping of strings."""
        given = {name: str(value) for name, value in given.items()}
        name = given.pop("op_type", "")
        if not name:
            raise MXNetError(
                explain(
                    "nd.Custom needs the argument op_type",
                    expected="the name that mx.operator.register gave",
                    given=", ".join(given) or "no parameters",
                )
            )
        hidden = {key for key in given if key.startswith("__") and key.endswith("__")}
        return {"op_type": name, "options": {key: given[key] for key in given if key not in hidden}}


def _ask(label, function, *args):
    """The answer of the user's code; MXNetError with its traceback where it raises."""
    try:
        return function(*args)
    except Exception as error:
        lines = "".join(traceback.format_exception(error))
        raise MXNetError(f"Error in {label}: {type(error).__name__}: {error}\n{lines}") from error


def prop_of(op_type, options):
    """A new instance of the class that is registered under a name.

    Raises MXNetError where there is none, and where the class does not take the options.
    """
    if op_type not in PROPERTIES:
        raise MXNetError(explain(f"Cannot find custom operator {op_type}", hint=suggest(op_type, PROPERTIES)))
    return _ask(f"{op_type}.__init__", lambda: PROPERTIES[op_type](**options))


def _listed(label, found, count, what):
    if len(found) != count:
        raise ValueError(
            explain(f"{label} must tell one entry to each of the {what}", expected=count, given=len(found))
        )
    return list(found)


def shapes_of(prop, shapes, name="Custom"):
    """Shapes of (inputs, outputs, auxiliary states) as `infer_shape` tells them.

    Raises MXNetError where it raises, or does not answer two or three lists of the right lengths.
    """

    def ask():
        found = prop.infer_shape([list(shape) for shape in shapes])
        if len(found) not in (2, 3):
            raise AssertionError(
                explain("infer_shape must return 2 or 3 lists", expected="inputs, outputs, auxiliary", given=found)
            )
        return _three("infer_shape", found, prop, lambda shape: tuple(int(size) for size in shape))

    return _ask(f"{name}.infer_shape", ask)


def _dtypes_of(prop, dtypes, name):
    from tandem.mxnet.ndarray.ndarray import NUMPY_TYPES, mxnet_dtype

    def ask():
        found = prop.infer_type([NUMPY_TYPES[dtype] for dtype in dtypes])
        if len(found) not in (2, 3):
            raise AssertionError(
                explain("infer_type must return 2 or 3 lists", expected="inputs, outputs, auxiliary", given=found)
            )
        return _three("infer_type", found, prop, mxnet_dtype)

    return _ask(f"{name}.infer_type", ask)


def _three(label, found, prop, read):
    names = (prop.list_arguments(), prop.list_outputs(), prop.list_auxiliary_states())
    found = (*found, []) if len(found) == 2 else found
    kinds = ("inputs", "outputs", "auxiliary states")
    return [
        [read(entry) for entry in _listed(label, part, len(listed), kind)]
        for part, listed, kind in zip(found, names, kinds)
    ]


def _check_storage(prop, name, count):
    """Arrays are dense here: an operator that declares another storage says so before it runs."""
    told = _ask(f"{name}.infer_storage_type", prop.infer_storage_type, ["default"] * count)
    for stype in (stype for part in told for stype in part):
        if stype not in ("default", "undefined"):
            raise sparse_unsupported(stype)


def _custom(*data, op_type, options, training):
    """The operator that `mx.operator.register` registered under op_type; what else is given goes to its class."""
    from tandem.mxnet import autograd
    from tandem.mxnet.ndarray.ndarray import NDArray

    prop = prop_of(op_type, options)
    inputs, extra = len(prop.list_arguments()), len(prop.list_auxiliary_states())
    if len(data) != inputs + extra:
        raise MXNetError(
            explain(
                f"Operator Custom ({op_type}) takes another number of inputs",
                expected=", ".join([*prop.list_arguments(), *prop.list_auxiliary_states()]) or "none",
                given=f"{len(data)} arrays",
                hint="Arrays are given by position.",
            )
        )
    given, states = list(data[:inputs]), list(data[inputs:])
    shapes = shapes_of(prop, [tensor.shape for tensor in given], op_type)
    for tensor, shape in zip(data, [*shapes[0], *shapes[2]]):
        if len(shape) != tensor.dim() or any(size not in (0, -1, own) for size, own in zip(shape, tensor.shape)):
            raise MXNetError(
                explain(
                    f"Shape inconsistent in Custom ({op_type}): infer_shape tells another shape for an input",
                    expected=shape,
                    given=tuple(tensor.shape),
                )
            )
    dtypes = _dtypes_of(prop, [tensor.dtype for tensor in given], op_type)
    _check_storage(prop, op_type, inputs)
    device = data[0].device if data else contexts.current_context().torch_device()
    made = [torch.zeros(shape, dtype=dtype, device=device) for shape, dtype in zip(shapes[1], dtypes[1], strict=True)]
    if any(tensor.is_meta for tensor in data):
        return tuple(made)  # shapes are being inferred
    _forbid_replay(op_type)
    ctx = contexts.of_device(device)

    def create():
        operator = prop.create_operator(ctx, [list(t.shape) for t in data], [a.CODES[t.dtype] for t in data])
        for method in ("forward", "backward"):
            if not callable(getattr(operator, method, None)):
                raise TypeError(
                    explain("create_operator must give an mx.operator.CustomOp", given=type(operator).__name__)
                )
        return operator

    operator = _ask(f"{op_type}.create_operator", create)

    def wrap(tensors):
        return [NDArray._wrap(tensor.detach(), ctx) for tensor in tensors]

    # Detached: they share memory, and what is done with them is not recorded.
    in_data, out_data, aux = wrap(given), wrap(made), wrap(states)

    def forward():
        with autograd.pause(False):
            _ask(
                "CustomOp.forward",
                lambda: operator.forward(
                    is_train=int(bool(training)),
                    req=["write"] * len(out_data),
                    in_data=in_data,
                    out_data=out_data,
                    aux=aux,
                ),
            )
        return tuple(made)

    def backward(incoming, needed):
        needed = needed[:inputs]
        in_grad = wrap(torch.zeros(tensor.shape, dtype=tensor.dtype, device=device) for tensor in given)
        needs = _dependencies(prop, len(out_data), inputs)
        out_grad = [NDArray._wrap(grad, ctx) if number in needs[0] else None for number, grad in enumerate(incoming)]
        with autograd.pause(autograd.is_training()):
            _ask(
                "CustomOp.backward",
                lambda: operator.backward(
                    req=["write" if flag else "null" for flag in needed],
                    out_grad=[_Absent.of(array) for array in out_grad],
                    in_data=[_Absent.of(x if n in needs[1] else None) for n, x in enumerate(in_data)],
                    out_data=[_Absent.of(x if n in needs[2] else None) for n, x in enumerate(out_data)],
                    in_grad=in_grad,
                    aux=aux,
                ),
            )
        found = [array._tensor.detach() if flag else None for array, flag in zip(in_grad, needed)]
        return (*found, *[None] * len(states))

    if not made:
        return forward()
    return callbacks.differentiable(forward, backward, data)


def _forbid_replay(name):
    """A recording of this run would freeze what the user's Python code computes."""
    if torch._C._len_torch_dispatch_stack():
        from tandem.engine import record

        record.refuse(f"the custom operator {name!r} is Python code of its own")


def _dependencies(prop, outputs, inputs):
    """The numbers of the (output gradients, inputs, outputs) that the backward pass declares to read."""
    numbers = list(range(2 * outputs + inputs))
    parts = numbers[:outputs], numbers[outputs : outputs + inputs], numbers[outputs + inputs :]
    wanted = set(_ask("declare_backward_dependency", prop.declare_backward_dependency, *parts))
    return [{place for place, number in enumerate(part) if number in wanted} for part in parts]


class _Absent:
    """In the place of an array that the backward pass has not declared to need: it has no shape and no values."""

    shape = ()
    dtype = None

    def __getattr__(self, name):
        raise MXNetError(
            explain(
                "This array is not there in the backward pass, which has not declared to need it",
                expected="need_top_grad=True, or its number in declare_backward_dependency's answer",
                given=f".{name} of it",
            )
        )

    @classmethod
    def of(cls, array):
        return cls() if array is None else array


ROW = OPERATORS["Custom"] = _Row(
    "Custom", _custom, ("data",), {"op_type": a.text()}, variadic="", same_dtype=False, modal=True
)
