"""Operators on sparse arrays: those that are for them only, and what others do without making them dense.

A rule is `rule(function, attributes, *inputs)`. The inputs are dense tensors, `ops.sparse.Csr` and `Rows`, at least one
of the latter two; function: the operator's own, with its attributes. It gives what the inputs are, or NotImplemented:
then the operator computes with dense copies, as MXNet does.
"""

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.ops import sparse, sparse_products, typed
from tandem.ops.sparse import Csr, Rows

__all__ = ["RULES", "square_sum_axis", "stype_of", "unfit"]

_KINDS = {"csr": Csr, "row_sparse": Rows}
RULES = {}


def stype_of(part):
    """The storage of an input: 'csr', 'row_sparse' or 'default'."""
    return "csr" if isinstance(part, Csr) else "row_sparse" if isinstance(part, Rows) else "default"


def _rule(*names):
    def add(function):
        for name in names:
            RULES[name] = function
        return function

    return add


def unfit(name, inputs, hint=None):
    """The error for storages that an operator does not take."""
    return MXNetError(
        explain(
            f"Operator not implemented: {name} with these storages",
            given=f"input storage types = [{', '.join(map(stype_of, inputs))}]",
            hint=hint,
        )
    )


# --- element by element -----------------------------------------------------------------------------------------------

_KEEP_ZEROS = """abs sign rint ceil floor trunc fix round square sqrt cbrt expm1 log1p sin tan arcsin arctan degrees
radians sinh tanh arcsinh arctanh negative relu _copy make_loss BlockGrad _mul_scalar _div_scalar _scatter_plus_scalar
_scatter_minus_scalar""".split()  # noqa: SIM905 (one name to a line would be a page)


@_rule(*_KEEP_ZEROS)
def _each(function, attributes, data):
    """Functions with f(0) = 0 (and those that leave alone what is not stored)."""
    return sparse.mapped(function, data)


@_rule("zeros_like")
def _zeros_like(function, attributes, data):
    return sparse.zeros(type(data), data.shape, dtype=data.values.dtype, device=data.values.device)


@_rule("_plus_scalar", "_minus_scalar")
def _shifted(function, attributes, data):
    return sparse.mapped(function, data) if attributes["scalar"] == 0 else NotImplemented


_COMPARED = {
    "equal": lambda scalar: scalar != 0,
    "not_equal": lambda scalar: scalar == 0,
    "greater": lambda scalar: scalar >= 0,
    "greater_equal": lambda scalar: scalar > 0,
    "lesser": lambda scalar: scalar <= 0,
    "lesser_equal": lambda scalar: scalar < 0,
}


def _comparison(zero_stays):
    def rule(function, attributes, data):
        return sparse.mapped(function, data) if zero_stays(attributes["scalar"]) else NotImplemented

    return rule


for _name, _zero_stays in _COMPARED.items():
    RULES[f"_{_name}_scalar"] = _comparison(_zero_stays)


@_rule("clip")
def _clip(function, attributes, data):
    if not attributes["a_min"] <= 0 <= attributes["a_max"]:
        raise unfit("clip whose range leaves out 0", [data], "Clip x.tostype('default').")
    return sparse.mapped(function, data)


@_rule("_contrib_quadratic")
def _quadratic(function, attributes, data):
    return sparse.mapped(function, data) if isinstance(data, Csr) and attributes["c"] == 0 else NotImplemented


@_rule("elemwise_add", "elemwise_sub", "_grad_add", "_maximum", "_minimum", "_hypot")
def _both(function, attributes, lhs, rhs):
    return sparse.combine(function, lhs, rhs) if type(lhs) is type(rhs) else NotImplemented


@_rule("elemwise_mul")
def _product(function, attributes, lhs, rhs):
    _same_shape("elemwise_mul", lhs, rhs)
    if type(lhs) is type(rhs):
        return sparse.combine(function, lhs, rhs)
    if isinstance(lhs, (Csr, Rows)) and isinstance(rhs, (Csr, Rows)):
        return NotImplemented
    part, x = (rhs, lhs) if isinstance(rhs, (Csr, Rows)) else (lhs, rhs)
    return part._replace(values=function(part.values, sparse.sample(part, x).values))


def _same_shape(name, lhs, rhs):
    if tuple(lhs.shape) != tuple(rhs.shape):
        raise MXNetError(
            explain(f"{name} takes arrays of one shape", expected=tuple(lhs.shape), given=tuple(rhs.shape))
        )


@_rule("broadcast_mul", "broadcast_div")
def _broadcast(function, attributes, lhs, rhs):
    if not isinstance(lhs, Csr) or isinstance(rhs, (Csr, Rows)) or rhs.dim() > 2:
        return NotImplemented
    sizes = (1,) * (2 - rhs.dim()) + tuple(rhs.shape)
    if any(size not in (1, own) for size, own in zip(sizes, lhs.shape)):
        return NotImplemented  # a larger result, or an error
    return sparse.broadcast_csr(function, lhs, rhs)


@_rule("add_n")
def _add_n(function, attributes, *args):
    return sparse.sum_rows(args) if all(isinstance(one, Rows) for one in args) else NotImplemented


def _scattered(function):
    def compute(data, *, scalar, is_int=True):
        return function(data, scalar)

    compute.__doc__ = f"{function.__doc__} Of a sparse array, what is not stored stays 0."
    return compute


_SCALAR = {"scalar": a.real(1.0), "is_int": a.flag(True)}
register("_scatter_plus_scalar", _scattered(typed.add), attributes=_SCALAR)
register("_scatter_minus_scalar", _scattered(typed.subtract), attributes=_SCALAR)


def _scatter_div(lhs, rhs):
    """``lhs / rhs``. Where lhs is row_sparse, only in the rows that it stores."""
    return typed.divide(lhs, rhs)


register("_scatter_elemwise_div", _scatter_div, ("lhs", "rhs"))


@_rule("_scatter_elemwise_div")
def _scatter_div_rule(function, attributes, lhs, rhs):
    if not isinstance(lhs, Rows):
        return NotImplemented
    if isinstance(rhs, Rows):
        rhs = sparse.take_rows(rhs, lhs.indices).values
    else:
        rhs = sparse.sample(lhs, sparse.dense(rhs) if isinstance(rhs, Csr) else rhs).values
    return lhs._replace(values=function(lhs.values, rhs))


@_rule("_identity_with_attr_like_rhs")
def _like_rhs(function, attributes, lhs, rhs):
    if type(lhs) is type(rhs):
        return sparse.cast(lhs, lhs.values.dtype) if isinstance(lhs, (Csr, Rows)) else function(lhs, rhs)
    dense = sparse.dense(lhs) if isinstance(lhs, (Csr, Rows)) else lhs
    return sparse.from_gradient(dense, type(rhs)) if isinstance(rhs, (Csr, Rows)) else dense


# --- storage ----------------------------------------------------------------------------------------------------------


@_rule("cast_storage")
def _cast_storage(function, attributes, data):
    wanted, given = attributes["stype"], stype_of(data)
    if wanted == given:
        return sparse.cast(data, data.values.dtype) if given != "default" else function(data)
    if given != "default":
        if wanted != "default":
            raise unfit(f"cast_storage to {wanted}", [data])
        return sparse.dense(data)
    if wanted == "csr":
        if data.dim() != 2:
            raise MXNetError(explain("A csr array is a matrix", expected="2 axes", given=tuple(data.shape)))
        return sparse.csr_from_dense(data)
    return sparse.rows_from_dense(data)


def _retain(data, indices):
    """The rows of a row_sparse array that the indices number; all others become 0."""
    return sparse.retained(data, indices)


register("_sparse_retain", _retain, ("data", "indices"), same_dtype=False)


@_rule("_sparse_retain")
def _retain_rule(function, attributes, data, indices):
    if not isinstance(data, Rows) or isinstance(indices, (Csr, Rows)):
        raise unfit("_sparse_retain", [data, indices], "It takes a row_sparse array and dense indices.")
    return sparse.take_rows(data, indices)


# --- reductions -------------------------------------------------------------------------------------------------------


def _one_axis(data, axis, exclude):
    """None for all axes, an axis, or NotImplemented where neither is meant."""
    rank = len(data.shape)
    axes = set(range(rank)) if not axis else {one % rank for one in axis if -rank <= one < rank}
    if axis and exclude:
        axes = set(range(rank)) - axes
    if len(axes) == rank:
        return None
    return axes.pop() if len(axes) == 1 and isinstance(data, Csr) else NotImplemented


def _total(mean):
    def rule(function, attributes, data):
        axis = _one_axis(data, attributes["axis"], attributes["exclude"])
        if axis is NotImplemented or (mean and not data.values.is_floating_point()):
            return NotImplemented
        return sparse_products.total(data, axis=axis, keepdims=attributes["keepdims"], mean=mean)

    return rule


RULES["sum"], RULES["mean"] = _total(False), _total(True)


@_rule("norm")
def _norm(function, attributes, data):
    whole = _one_axis(data, attributes["axis"], False) is None
    return function(data.values.reshape(-1)) if whole and not attributes["keepdims"] else NotImplemented


def _square_sum(data, *, axis, keepdims, exclude):
    """The sum of squares over axes of a row_sparse matrix."""
    axes = None if not axis else tuple(axis)
    return sparse_products.dense_square_sum(data, axes, keepdims, exclude)


register(
    "_square_sum",
    _square_sum,
    attributes={"axis": a.optional_sizes(), "keepdims": a.flag(False), "exclude": a.flag(False)},
)


@_rule("_square_sum")
def _square_sum_rule(function, attributes, data):
    if not isinstance(data, Rows) or len(data.shape) != 2:
        raise unfit("_square_sum", [data], "It takes a row_sparse matrix.")
    return sparse_products.square_sum(data, axis=square_sum_axis(attributes), keepdims=attributes["keepdims"])


def square_sum_axis(attributes):
    """The one axis of a matrix that `_square_sum` sums over, or None for both."""
    axes = {axis % 2 for axis in attributes["axis"] or (0, 1)}
    if attributes["exclude"] and attributes["axis"]:
        axes = {0, 1} - axes
    return axes.pop() if len(axes) == 1 else None


def _getnnz(data, *, axis):
    """How many elements a csr matrix stores: all (axis None), or in each row (axis 1)."""
    return sparse_products.counted(data, axis)


register("_contrib_getnnz", _getnnz, attributes={"axis": a.optional_integer(None)}, differentiable=False)


@_rule("_contrib_getnnz")
def _getnnz_rule(function, attributes, data):
    if not isinstance(data, Csr):
        raise unfit("_contrib_getnnz", [data], "It takes a csr matrix.")
    if attributes["axis"] not in (None, 1):
        raise MXNetError(
            explain(
                "getnnz counts all elements or those of each row",
                expected="axis None or 1",
                given=f"axis={attributes['axis']}",
            )
        )
    counts = sparse_products.row_counts(data)
    return counts if attributes["axis"] == 1 else counts.sum().reshape(1)


# --- picking and joining ----------------------------------------------------------------------------------------------


@_rule("Concat")
def _concat(function, attributes, *data):
    if attributes["dim"] % 2 or not all(isinstance(one, Csr) for one in data):
        return NotImplemented
    if len({one.shape[1] for one in data}) > 1:
        raise MXNetError(explain("csr matrices are joined with as many columns", given=[one.shape for one in data]))
    return sparse.concat_csr(data)


@_rule("slice")
def _slice(function, attributes, data):
    if not isinstance(data, Csr) or any(step not in (None, 1) for step in attributes["step"]):
        return NotImplemented
    begins, ends = attributes["begin"], attributes["end"]
    if len(begins) != len(ends) or not 1 <= len(begins) <= 2:
        return NotImplemented
    bounds = [slice(first, last).indices(size)[:2] for first, last, size in zip(begins, ends, data.shape)]
    return sparse.slice_csr(data, *((first, max(first, last)) for first, last in bounds))


@_rule("take")
def _take(function, attributes, data, indices):
    if not isinstance(data, Csr) or isinstance(indices, (Csr, Rows)) or attributes["axis"] not in (0, -2):
        return NotImplemented
    if attributes["mode"] not in ("clip", "wrap"):
        return NotImplemented
    if indices.dim() != 1:
        raise MXNetError(
            explain("Take with CSR array only supports one-dimensional indices", given=tuple(indices.shape))
        )
    return sparse.take_csr(data, indices, mode=attributes["mode"])


@_rule("Embedding", "_contrib_SparseEmbedding")
def _embedding(function, attributes, data, weight):
    if not isinstance(weight, Rows) or isinstance(data, (Csr, Rows)):
        return NotImplemented
    size = (attributes["input_dim"], attributes["output_dim"])
    if tuple(weight.shape) != size:
        raise MXNetError(explain("Shape inconsistent in Embedding: weight", expected=size, given=tuple(weight.shape)))
    return sparse.picked_rows(weight, data)


@_rule("FullyConnected")
def _fully_connected(function, attributes, data, weight, bias=None):
    """With dense copies. A sparse bias has an axis of 1 behind its own, as arrays of rows have two."""
    if not isinstance(bias, (Csr, Rows)) or len(bias.shape) != 2:
        return NotImplemented
    data, weight, bias = (sparse.dense(one) if isinstance(one, (Csr, Rows)) else one for one in (data, weight, bias))
    return function(data, weight, bias.reshape(-1))


# --- products ---------------------------------------------------------------------------------------------------------


@_rule("dot")
def _dot(function, attributes, lhs, rhs):
    """csr·dense, csr·row_sparse and dense·csr, with what may be transposed as in MXNet; the rest as dense arrays.

    forward_stype: the storage of the result, whatever the arrays' is.
    """
    found = _product_of(attributes, lhs, rhs)
    wanted = attributes["forward_stype"]
    if found is NotImplemented and wanted in ("csr", "row_sparse"):
        found = function(*(sparse.dense(one) if isinstance(one, (Csr, Rows)) else one for one in (lhs, rhs)))
    if found is NotImplemented or wanted is None or stype_of(found) == wanted:
        return found
    found = sparse.dense(found) if isinstance(found, (Csr, Rows)) else found
    return sparse.from_gradient(found, _KINDS[wanted]) if wanted in _KINDS else found


def _product_of(attributes, lhs, rhs):
    flip, turn, wanted = attributes["transpose_a"], attributes["transpose_b"], attributes["forward_stype"]
    if isinstance(lhs, Csr) and not isinstance(rhs, Csr) and not turn:
        _fit(lhs, rhs, flip, False)
        if flip:
            return sparse_products.csr_t_dot(lhs, rhs)
        if isinstance(rhs, Rows):
            return sparse_products.csr_dot_rows(lhs, rhs)
        return sparse_products.csr_dot(lhs, rhs)
    if isinstance(rhs, Csr) and not isinstance(lhs, (Csr, Rows)) and not flip:
        _fit(lhs, rhs, False, turn)
        product = sparse_products.dot_csr(lhs, rhs, transpose=turn)
        # On the CPU the result is csr unless told otherwise, with the columns that meet a stored element.
        if wanted == "csr" or (wanted is None and product.device.type == "cpu"):
            return sparse.csr_of_columns(product, sparse.rows_of(rhs) if turn else rhs.indices)
        return product
    return NotImplemented


def _fit(lhs, rhs, flip, turn):
    if len(rhs.shape) != 2 or len(lhs.shape) != 2:
        raise MXNetError(
            explain("sparse dot only supports 2 dimensional arrays", given=f"{tuple(lhs.shape)} X {tuple(rhs.shape)}")
        )
    if lhs.shape[0 if flip else 1] != rhs.shape[1 if turn else 0]:
        raise MXNetError(explain("dot shape error", given=f"{tuple(lhs.shape)} X {tuple(rhs.shape)}"))
