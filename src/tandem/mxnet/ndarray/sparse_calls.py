"""Operators called with sparse arrays: their rules where they have some, else with dense copies; and gradients.

Gradients go by carriers, which torch's graph has in the place of sparse arrays. They are those with respect to all
elements, and so may be dense; where an operator's gradient touches few rows it is torch's sparse tensor of them.
"""

import torch

from tandem.core import scope
from tandem.core.errors import explain
from tandem.core.gradients import gradients as gradients_of
from tandem.mxnet import gradients, views
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.ndarray.sparse_base import BaseSparseNDArray, array_of, parts_of
from tandem.mxnet.operators.sparse import RULES, unfit
from tandem.mxnet.operators.sparse_gradients import GRADIENTS
from tandem.mxnet.operators.sparse_updates import SPARSE_WEIGHTS_ONLY, UPDATES
from tandem.mxnet.operators.table import OPERATORS, STORAGE_MATTERS
from tandem.ops import callbacks, sparse

__all__ = ["call", "copied", "operator_of"]

_scope = scope._current


def operator_of(row, name=None):
    """The function of an operator that takes dense and sparse arrays alike through `call`."""
    count = len(row.inputs)

    def operator(*args, out=None, name=None, **given):
        arrays, extra = list(args[:count]), args[count:]
        for key in row.inputs[len(arrays) :]:
            arrays.append(given.pop(key, None))
        if extra:
            out, given, _ = views._name_extra(row, extra, out, given, None)
        return call(row, NDArray, views._Binding(row, given), arrays, out)

    operator.__name__ = operator.__qualname__ = name or row.name
    operator.__doc__, operator.__module__ = row.function.__doc__, "mxnet.ndarray"
    operator.__signature__ = views.signature_of(row)
    return operator


def call(row, kind, binding, arrays, out=None):
    """Apply an operator to arrays of which some may be sparse; `binding`: the attributes it is called with."""
    from tandem.engine import record  # here: who has no sparse arrays may not need the engine

    record.refuse("how many elements a sparse array stores depends on values")
    arrays = [array for array in arrays if array is not None]
    for position, array in enumerate(arrays):
        if not isinstance(array, NDArray):
            raise AssertionError(
                explain(
                    f"Argument {row.inputs[min(position, len(row.inputs) - 1)]} must have NDArray type",
                    given=f"{type(array).__name__} {array!r}"[:200],
                )
            )
    if row.variadic is None:
        views._check_count(row, binding, arrays)
    values = [_value(array) for array in arrays]
    if (row.same_dtype or row.updates) and len({value.dtype for value in values}) > 1:
        raise views.dtype_error(row.name, values)
    if row.updates or row.mutates:
        return _update(row, binding, arrays, out)
    ctx = arrays[0]._ctx if arrays else None
    function = binding.training if row.modal and _scope.training is True else binding.function
    try:
        result = _result(row, binding, function, arrays)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        if isinstance(error, MXNetError):
            raise
        raise views.operator_error(row.name, values, binding.attributes, error) from error
    several = type(result) in (tuple, list)
    results = list(result) if several else [result]
    if binding.visible is not None:
        results = results[: binding.visible]
    if out is not None:
        return _write(out, [_plain(one) for one in results], row.name)
    results = [array_of(one) if _is_parts(one) else one for one in results]
    wrapped = [one if isinstance(one, NDArray) else views.wrap(kind, one, ctx) for one in results]
    for array in wrapped:
        array._ctx = ctx
    return wrapped[0] if len(wrapped) == 1 and not row.list_output else wrapped


def _write(out, results, name):
    """Write results, of which some may be parts, into the arrays given as `out=`; answer these."""
    targets = out if isinstance(out, (list, tuple)) else (out,)
    if len(targets) == len(results):
        for target, result in zip(targets, results):
            if isinstance(target, BaseSparseNDArray) and type(result) not in (torch.Tensor, target._kind):
                result = sparse.dense(result)
            if isinstance(target, BaseSparseNDArray) or not _is_parts(result):
                views.write_all(target, [result], name)
            else:
                views.write_all(target, [sparse.dense(result)], name)
        return out
    return views.write_all(out, results, name)


def _value(array):
    """A tensor of the array's dtype on its device."""
    return array._held.values if isinstance(array, BaseSparseNDArray) else array._tensor


def _plain(result):
    return parts_of(result) if isinstance(result, BaseSparseNDArray) else result


def _traced(array):
    """The tensor that stands for an array in torch's graph, or None where no gradient reaches it."""
    if isinstance(array, BaseSparseNDArray):
        graph = array._graph
        return graph if graph is not None and graph.requires_grad else None
    return array._tensor if array._tensor.requires_grad else None


def _result(row, binding, function, arrays):
    """What the operator gives: tensors, or arrays where they are sparse."""
    recorded = _scope.recording and row.differentiable and torch.is_grad_enabled()
    traced = [_traced(array) if recorded else None for array in arrays]
    inputs = [parts_of(array) for array in arrays]
    inputs = [one.detach() if isinstance(one, torch.Tensor) else one for one in inputs]
    rule = RULES.get(row.name)
    if all(one is None for one in traced):
        with torch.no_grad():
            result = NotImplemented if rule is None else rule(function, binding.attributes, *inputs)
            if result is NotImplemented:
                _refuse_dense_only(row, arrays)
                result = function(*[sparse.dense(one) if not isinstance(one, torch.Tensor) else one for one in inputs])
        return result if isinstance(result, (torch.Tensor, tuple, list)) and not _is_parts(result) else array_of(result)
    made = _Made(row, function, binding.attributes, inputs, traced)
    if rule is not None:
        result = made.by(rule)
        if result is not None:
            return result
    _refuse_dense_only(row, arrays)
    return function(*[dense_of(array) for array in arrays])


def _is_parts(result):
    return isinstance(result, (sparse.Csr, sparse.Rows))


def _refuse_dense_only(row, arrays):
    if row.name in STORAGE_MATTERS:
        raise unfit(row.name, [parts_of(array) for array in arrays])


def dense_of(array):
    """The dense tensor of an array; gradients go through it while recording."""
    if not isinstance(array, BaseSparseNDArray):
        return array._tensor
    carrier = _traced(array)
    if carrier is None or not torch.is_grad_enabled():
        return array._dense()
    return callbacks.differentiable(lambda: (array._dense(),), lambda incoming, needed: incoming, [carrier])[0]


class _Made:
    """A call of a rule whose gradient is wanted."""

    def __init__(self, row, function, attributes, inputs, traced):
        self.row, self.function, self.attributes, self.inputs = row, function, attributes, inputs
        self.positions = [position for position, one in enumerate(traced) if one is not None]
        self.tensors = [traced[position] for position in self.positions]
        # Which gradients may be torch's sparse tensors: those of variables that want rows, and of what is computed
        # from such by the nodes made here, which take both.
        self.rows_fit = [
            gradients.wants_rows(tensor) if tensor.is_leaf else not isinstance(self.inputs[position], torch.Tensor)
            for position, tensor in zip(self.positions, self.tensors)
        ]
        self.found = None

    def by(self, rule):
        """What the rule gives, in torch's graph; None where it does not apply."""
        with torch.no_grad():
            self.found = rule(self.function, self.attributes, *self.inputs)
        if self.found is NotImplemented:
            return None
        found = self.found
        if not _is_parts(found):
            return callbacks.differentiable(lambda: (found,), self.backward, self.tensors)[0]
        array = array_of(found)
        (array._graph,) = callbacks.differentiable(lambda: (array._carrier(),), self.backward, self.tensors)
        self.found = None
        return array

    def backward(self, incoming, needed):
        """The gradients for those of the traced inputs that need one."""
        rule = GRADIENTS.get(self.row.name)
        grads = {}
        if rule is not None:
            wanted = [position for position, flag in zip(self.positions, needed) if flag]
            grads = rule(self.function, self.attributes, self.inputs, incoming[0], wanted)
        left = [position for position, flag in zip(self.positions, needed) if flag and grads.get(position) is None]
        if left:
            grads = {**grads, **self._dense_gradients(incoming[0], left)}
        return tuple(self._fitting(grads.get(position), fits) for position, fits in zip(self.positions, self.rows_fit))

    def _dense_gradients(self, incoming, positions):
        """Those of the same operator on dense copies."""
        incoming = incoming.to_dense() if incoming.is_sparse else incoming
        with torch.enable_grad():
            dense = [sparse.dense(one) if _is_parts(one) else one for one in self.inputs]
            leaves = [dense[position].detach().requires_grad_() for position in positions]
            for position, leaf in zip(positions, leaves):
                dense[position] = leaf
            result = self.function(*dense)
        if not result.requires_grad:  # a constant
            return {position: torch.zeros_like(leaf) for position, leaf in zip(positions, leaves)}
        grads = gradients_of([result], leaves, [incoming.reshape(result.shape)])
        return {
            position: torch.zeros_like(leaf) if grad is None else grad
            for position, leaf, grad in zip(positions, leaves, grads)
        }

    @staticmethod
    def _fitting(grad, rows_fit):
        if isinstance(grad, sparse.Rows):
            grad = sparse.to_gradient(grad)
        return grad.to_dense() if grad is not None and grad.is_sparse and not rows_fit else grad


def _update(row, binding, arrays, out):
    """An optimizer's rule, which changes its weight and states in place.

    Raises MXNetError where the result is not written to the weight: copies of a sparse weight make no sense.
    """
    weight = arrays[0]
    if out is not None and out is not weight:
        raise MXNetError(
            explain(f"{row.name} with sparse arrays changes its weight", expected="out=weight", given="another array")
        )
    rule = UPDATES.get(row.name)
    if row.name in STORAGE_MATTERS and arrays[1].stype != "row_sparse":
        raise unfit(row.name, [parts_of(array) for array in arrays])
    target = weight if out is not None else weight.copy()
    tensors = [held_whole(one) for one in (target, *arrays[2:])]
    gradient = parts_of(arrays[1])
    attributes = dict(binding.attributes)
    with torch.no_grad():
        lazy = attributes.get("lazy_update", True)
        whole = row.name in SPARSE_WEIGHTS_ONLY and not isinstance(weight, BaseSparseNDArray)
        if rule is None or not lazy or whole or not isinstance(gradient, sparse.Rows):
            gradient = sparse.dense(gradient) if _is_parts(gradient) else gradient
            binding.function(tensors[0], gradient, *tensors[1:])
        else:
            rule(binding.function, attributes, tensors[0], gradient, *tensors[1:])
    return target


def held_whole(array):
    """The tensor of all rows of a weight or a state, which an update then changes.

    A row_sparse state that stores nothing gets all rows, zeros. Raises MXNetError for a weight without some rows.
    """
    if not isinstance(array, BaseSparseNDArray):
        return array._tensor.data
    held = array._held
    if isinstance(held, sparse.Rows) and held.indices.shape[0] == held.shape[0]:
        return held.values
    if isinstance(held, sparse.Rows) and not held.indices.shape[0]:
        whole = sparse.all_rows(held.shape, 0, dtype=held.values.dtype, device=held.values.device)
        array._hold(whole)
        return whole.values
    raise MXNetError(
        explain(
            "An update of a sparse weight is only there for row_sparse ones that store all their rows",
            expected=f"{held.shape[0]} rows",
            given=f"{array.stype}, {held.indices.shape[0]} stored",
        )
    )


def copied(array, ctx):
    """A copy on a context, of the same storage; recorded."""
    from tandem.mxnet.ndarray import _internal

    if array.context != ctx:
        held = array._held
        return array_of(sparse.cast(held, held.values.dtype, ctx.torch_device()), ctx)
    return _internal._copy(array)


def slice_rows(array, first, last):
    """Rows of a csr matrix."""
    from tandem.mxnet import ndarray

    return ndarray.slice(array, begin=(first,), end=(last,))


cast_storage = operator_of(OPERATORS["cast_storage"])
retain = operator_of(OPERATORS["_sparse_retain"], "retain")
