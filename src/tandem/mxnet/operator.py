"""`mx.operator`: operators written in Python, and what is known of all operators.

@mx.operator.register("half")
class HalfProp(mx.operator.CustomOpProp):
    def create_operator(self, ctx, in_shapes, in_dtypes):
        return Half()

y = mx.nd.Custom(x, op_type="half")
"""

import warnings
from collections import namedtuple
from itertools import count

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet.operators import OPERATORS, lookup
from tandem.mxnet.operators import custom as _custom
from tandem.mxnet.operators.attributes import REQUIRED

__all__ = [
    "CustomOp",
    "CustomOpProp",
    "NDArrayOp",
    "NumpyOp",
    "OperatorArguments",
    "PythonOp",
    "get_all_registered_operators",
    "get_operator_arguments",
    "register",
]

_INPUT, _INPUTS = "NDArray-or-Symbol", "NDArray-or-Symbol[]"

OperatorArguments = namedtuple("OperatorArguments", ["narg", "names", "types"])


class CustomOp:
    """What an operator computes: a subclass overrides `forward` and `backward`."""

    def forward(self, is_train, req, in_data, out_data, aux):
        """Compute the outputs into `out_data`.

        is_train: 1 in training, else 0; req: to each output how to write it (see `assign`); in_data, out_data, aux:
        lists of arrays.
        """

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        """Compute the inputs' gradients into `in_grad` from those of the outputs, `out_grad`."""

    def assign(self, dst, req, src):
        """Write `src` into `dst` as `req` asks: 'write' and 'inplace' replace, 'add' adds, 'null' does nothing."""
        if req in ("write", "inplace"):
            dst[:] = src
        elif req == "add":
            dst[:] += src


class CustomOpProp:
    """What an operator looks like: a subclass names its arguments and infers shapes; `register` gives it a name.

    need_top_grad: whether the backward pass reads the outputs' gradients (a loss does not).
    """

    def __init__(self, need_top_grad=True):
        self.need_top_grad_ = need_top_grad

    def infer_shape(self, in_shape):
        """(shapes of the inputs, of the outputs, of the auxiliary states) from the inputs': each like the first."""
        first = (in_shape[0],)
        return in_shape, first * len(self.list_outputs()), first * len(self.list_auxiliary_states())

    def infer_type(self, in_type):
        """(dtypes of the inputs, of the outputs, of the auxiliary states) from the inputs': each like the first."""
        first = [in_type[0]]
        return in_type, first * len(self.list_outputs()), first * len(self.list_auxiliary_states())

    def infer_storage_type(self, in_stype):
        """(storage types of the inputs, of the outputs, of the auxiliary states): 'default' is what there is."""
        for stype in in_stype:
            if stype != "default":
                raise AssertionError(
                    explain(
                        "infer_storage_type of this operator knows dense arrays only",
                        expected="'default'",
                        given=repr(stype),
                    )
                )
        return (
            in_stype,
            ["default"] * len(self.list_outputs()),
            ["default"] * len(self.list_auxiliary_states()),
        )

    def infer_storage_type_backward(self, ograd_stype, in_stype, out_stype, igrad_stype, aux_stype):
        """Storage types of the same five in the backward pass: 'default' is what there is."""
        given = (ograd_stype, in_stype, out_stype, igrad_stype, aux_stype)
        for stype in (stype for part in given for stype in part):
            if stype not in ("default", "undefined"):
                raise AssertionError(
                    explain(
                        "infer_storage_type_backward of this operator knows dense arrays only",
                        expected="'default'",
                        given=repr(stype),
                    )
                )
        return tuple(["default"] * len(part) for part in given)

    def list_outputs(self):
        """Names of the outputs."""
        return ["output"]

    def list_arguments(self):
        """Names of the inputs."""
        return ["data"]

    def list_auxiliary_states(self):
        """Names of the auxiliary states: arrays that the operator may change."""
        return []

    def declare_backward_dependency(self, out_grad, in_data, out_data):
        """Those of the given numbers (of the outputs' gradients, the inputs, the outputs) that `backward` reads."""
        return [*(out_grad if self.need_top_grad_ else ()), *in_data, *out_data]

    def create_operator(self, ctx, in_shapes, in_dtypes):
        """A `CustomOp` for a context and inputs of given shapes and dtypes (as MXNet's numbers)."""
        return CustomOp()


def register(reg_name):
    """A class decorator: `nd.Custom(..., op_type=reg_name)` is the operator that the class describes."""

    def put(prop_cls):
        _custom.PROPERTIES[str(reg_name)] = prop_cls
        return prop_cls

    return put


# --- what is known of operators --------------------------------------------------------------------------------------


def get_all_registered_operators():
    """Names of all operators, aliases included."""
    return list(OPERATORS)


# How MXNet calls the types of parameters, by what an attribute says that it expects.
_TYPES = {
    "a number": "float",
    "a number or None": "float or None",
    "True or False": "boolean",
    "True, False or None": "boolean or None",
    "an integer": "int",
    "an integer or None": "int or None",
    "a tuple of integers": "Shape(tuple)",
    "a tuple of integers and None": "Shape(tuple)",
    "a tuple of integers, an integer or None": "Shape or None",
    "a tuple of numbers": "tuple of <float>",
    "a tuple of numbers or None": "tuple of <float>",
    "a string": "string",
}


def _default_text(value, kind):
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return f"{np.float32(value):.9g}"
    if isinstance(value, tuple):
        return "[" + ",".join(f"{item:g}" if isinstance(item, float) else str(item) for item in value) + "]"
    if value is None and kind not in ("int or None",) and not kind.startswith("{"):
        return "None"
    text = str(value).removeprefix("torch.")
    return text if kind == "int (non-negative)" else f"'{text}'"


def _type_text(attribute):
    """A parameter's type as MXNet's documentation writes it."""
    kind = _TYPES.get(attribute.expected)
    separator = ", "
    if kind is None:
        words = attribute.expected.removeprefix("None or ").removeprefix("one of ")
        choices = sorted(word.strip().strip("'") for word in words.replace(" or ", ",").split(","))
        others = [repr(choice) for choice in choices if choice != "None"]
        optional = ["None"] if "None" in attribute.expected.split() else []
        kind, separator = "{" + ", ".join([*optional, *others]) + "}", ","
    if attribute.default is REQUIRED:
        return f"{kind}, required"
    return f"{kind}{separator}optional, default={_default_text(attribute.default, kind)}"


def get_operator_arguments(op_name):
    """Names and types of an operator's arguments: inputs first, then parameters.

    Raises MXNetError where there is no such operator.
    """
    row = lookup(op_name)
    names = [*row.inputs, *row.attributes]
    types = [_INPUT if row.variadic is None else _INPUTS] * len(row.inputs)
    types += [_type_text(attribute) for attribute in row.attributes.values()]
    return OperatorArguments(len(names), names, types)


# --- the interfaces before CustomOp ---------------------------------------------------------------------------------

_numbers = count()


class PythonOp:
    """The oldest interface: one object both describes and computes. `get_symbol` makes a symbol of it."""

    def __init__(self, need_top_grad=True):
        self.info_ = None
        self.need_top_grad_ = need_top_grad
        warnings.warn(f"{self._kind()} has been deprecated. Please use CustomOp", stacklevel=2)

    @classmethod
    def _kind(cls):
        return next(kind.__name__ for kind in cls.__mro__ if kind.__module__ == __name__)

    def __call__(self, *args, **kwargs):
        return self.get_symbol(*args, **kwargs)

    def get_symbol(self, *args, **kwargs):
        """A symbol that computes this operator; to be had from `NumpyOp` and `NDArrayOp`."""
        raise NotImplementedError("Must override this")

    def forward(self, in_data, out_data):
        """Compute the outputs into `out_data`: the first input, unless overridden."""
        out_data[0][:] = in_data[0]

    def backward(self, out_grad, in_data, out_data, in_grad):
        """Compute the gradients into `in_grad`: ones, unless overridden."""
        in_grad[0][:] = 1.0

    def infer_shape(self, in_shape):
        """(shapes of the inputs, of the outputs): those of the first input, unless overridden."""
        return in_shape, [in_shape[0]]

    def list_outputs(self):
        """Names of the outputs."""
        return ["output"]

    def list_arguments(self):
        """Names of the inputs."""
        return ["data"]

    def need_top_grad(self):
        """Whether `backward` reads the outputs' gradients."""
        return self.need_top_grad_

    def _registered(self):
        """The name under which `Custom` finds this object."""
        if self.info_ is None:
            self.info_ = f"_{type(self).__name__}{next(_numbers)}"
            register(self.info_)(lambda: _Described(self))
        return self.info_

    def _symbol(self, args, kwargs):
        from tandem.mxnet import symbol

        return symbol.Custom(*args, op_type=self._registered(), **kwargs)


class NumpyOp(PythonOp):
    """An operator whose `forward` and `backward` work on numpy's arrays."""

    def get_symbol(self, *args, **kwargs):
        """A symbol that computes this operator on the given ones."""
        return self._symbol(args, kwargs)


class NDArrayOp(PythonOp):
    """An operator whose `forward` and `backward` work on NDArrays."""

    def get_symbol(self, *args, **kwargs):
        """A symbol that computes this operator on the given ones."""
        return self._symbol(args, kwargs)

    def declare_backward_dependency(self, out_grad, in_data, out_data):
        """Those of the given numbers that `backward` reads."""
        return [*(out_grad if self.need_top_grad() else ()), *in_data, *out_data]


class _Described(CustomOpProp):
    """A `PythonOp` as `Custom` takes it."""

    def __init__(self, described):
        super().__init__(described.need_top_grad())
        self._described = described
        self.infer_shape = described.infer_shape
        self.list_arguments, self.list_outputs = described.list_arguments, described.list_outputs
        if isinstance(described, NDArrayOp):
            self.declare_backward_dependency = described.declare_backward_dependency

    def create_operator(self, ctx, in_shapes, in_dtypes):
        """The operator that calls the object's own methods."""
        return _Calls(self._described)


class _Calls(CustomOp):
    """Calls a `PythonOp` with the arrays it knows."""

    def __init__(self, described):
        self._described = described
        self._in_numpy = isinstance(described, NumpyOp)

    def forward(self, is_train, req, in_data, out_data, aux):
        """See `PythonOp.forward`."""
        if not self._in_numpy:
            self._described.forward(in_data=in_data, out_data=out_data)
            return
        results = [array.asnumpy() for array in out_data]
        self._described.forward(in_data=[array.asnumpy() for array in in_data], out_data=results)
        self._keep(out_data, req, results)

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        """See `PythonOp.backward`."""
        # An object that needs no gradients of its outputs gets none, as in MXNet.
        out_grad = out_grad if self._described.need_top_grad() else []
        if not self._in_numpy:
            self._described.backward(out_grad=out_grad, in_data=in_data, out_data=out_data, in_grad=in_grad)
            return
        grads = [array.asnumpy() for array in in_grad]
        given = {"out_grad": out_grad, "in_data": in_data, "out_data": out_data}
        given = {name: [array.asnumpy() for array in arrays] for name, arrays in given.items()}
        self._described.backward(**given, in_grad=grads)
        self._keep(in_grad, req, grads)

    def _keep(self, targets, requests, results):
        from tandem.mxnet import ndarray

        for target, request, result in zip(targets, requests, results):
            self.assign(target, request, ndarray.array(result, dtype=result.dtype, ctx=target.context))
