"""Shapes of parameters that wait for data: running a block on shapes alone.

A parameter whose shape is not known stands in as an array without a tensor. An operator that learns it (a dense layer's
weight, a convolution's, ...) tells its shape from that of the operator's data; any other use cannot.
"""

import functools

import torch

from tandem.core import arrays, graph
from tandem.core.arrays import Array
from tandem.core.dtypes import torch_dtype
from tandem.core.errors import explain
from tandem.mxnet.gluon.weights import array_class, shape_is_known
from tandem.mxnet.operators import learned
from tandem.mxnet.operators.table import OPERATORS


class _Waiting:
    """A parameter without values."""

    __slots__ = ()

    def __init__(self, parameter):
        self.parameter, self._made, self._ctx = parameter, None, None

    @property
    def _tensor(self):
        if self._made is None:
            parameter = self.parameter
            if not shape_is_known(parameter.shape):
                raise ValueError(
                    explain(
                        f"The shape of Parameter '{parameter.name}' does not follow from the data",
                        expected="a parameter of FullyConnected, Convolution or another operator with weights",
                        given=f"shape {parameter.shape}",
                        hint="Give the whole shape, or override infer_shape(self, x, ...).",
                    )
                )
            self._made = torch.empty(parameter.shape, dtype=torch_dtype(parameter.dtype), device="meta")
        return self._made


@functools.cache
def _stand_in(kind):
    """The type of stand-ins for arrays of a kind, a subclass of it."""
    return type("_StandIn", (_Waiting, kind), {"__slots__": ("_made", "parameter")})


class _Namespace:
    """A module of operators (`mx.nd`, `mx.npx`) that tell the shapes of stand-ins.

    names: the module's name of an operator -> the operator's, where they differ.
    """

    __slots__ = ("_module", "_names")

    def __init__(self, module, names):
        self._module, self._names = module, names

    @property
    def __dict__(self):
        return vars(self._module)

    def __getattr__(self, name):
        function = getattr(self._module, name)
        if name in ("npx", "numpy_extension"):
            return _Namespace(function, function.view.OPERATORS_OF)
        row = OPERATORS.get(self._names.get(name, name))
        if row is None or row.name not in learned.SHAPES:
            return function

        def operator(*args, **kwargs):
            given = {**dict(zip([*row.inputs, *row.attributes], args)), **kwargs}
            inputs = {key: value for key, value in given.items() if key in row.inputs}
            waiting = {key: value for key, value in inputs.items() if isinstance(value, _Waiting)}
            data = inputs.get(row.inputs[0])
            if waiting and data is not None and not isinstance(data, _Waiting):
                attributes = row.parse({key: given[key] for key in given if key in row.attributes})
                shapes = learned.shapes(row.name, tuple(data.shape), attributes)
                for key, value in waiting.items():
                    if key in shapes:
                        value.parameter.shape = shapes[key]
            return function(*args, **kwargs)

        return operator


def stand_ins(block, F):
    """The namespace `F` and the parameters for running a block whose parameters have no values yet."""
    kind = _stand_in(array_class())
    params = {
        key: kind(parameter) if parameter._data is None else parameter.data(parameter.list_ctx()[0])
        for key, parameter in block._reg_params.items()
    }
    return _Namespace(F, {}), params


def infer(block, args):
    """Run a block on the shapes of its arguments, which sets the shapes of the parameters in it.

    Raises ValueError where one does not follow.
    """

    def symbolic(leaf):
        return graph.Symbolic(leaf.shape, leaf._tensor.dtype) if isinstance(leaf, Array) else leaf

    kind = arrays.array_type(args)

    def run(*tensors):
        block.forward(*arrays.wrap(tensors, kind))

    graph.infer(run, arrays.map_tree(symbolic, tuple(args)))
