"""Inputs and attributes for the operators of `mx.np`: further cases for `mxnet_operator_cases`."""

import numpy as np

from mxnet_operator_cases import apart, case, definite, distinct, fixed, normal, uniform, whole

_INT = whole(3, 4, low=1, high=9, dtype="int32")
_ONCE = ("float32",)

# --- element by element ----------------------------------------------------------------------------------------------

_SMOOTH = """
    abs absolute arcsinh arctan cbrt ceil cos cosh degrees exp expm1 fix floor negative radians reciprocal rint sign
    sin sinh square tan tanh trunc
"""
for _name in _SMOOTH.split():
    case(f"_npi_{_name}", apart(3, 4))
for _name in ("log", "log10", "log1p", "log2", "sqrt"):
    case(f"_npi_{_name}", uniform(3, 4, low=0.2, high=3))
for _name in ("arccos", "arcsin", "arctanh"):
    case(f"_npi_{_name}", uniform(3, 4, low=-0.9, high=0.9))
case("_npi_arccosh", uniform(3, 4, low=1.1, high=3))
for _name in ("exp", "sqrt", "sin", "square", "floor", "degrees", "reciprocal"):
    case(f"_npi_{_name}", _INT, _dtypes=_ONCE)
_SPECIAL = fixed([1.0, np.inf, -np.inf, np.nan, 0.0])
for _name in ("isfinite", "isinf", "isnan", "isneginf", "isposinf", "logical_not"):
    case(f"_npi_{_name}", _SPECIAL)
case("_npi_bitwise_not", _INT, _dtypes=_ONCE)
case("_npi_around", fixed([0.5, 1.5, 2.5, -3.7, 12.345]), decimals=0)
case("_npi_around", fixed([0.25, 1.55, 2.5, -3.7, 12.345]), decimals=1)
case("_npi_around", whole(6, low=-60, high=60, dtype="int32"), decimals=-1, _dtypes=_ONCE)
case("_npi_nan_to_num", fixed([1.0, np.inf, -np.inf, np.nan, 0.0], grad=True), posinf=7.0, neginf=-7.0)
case("_npi_clip", fixed([-2.0, -1.0, 0.5, 1.0, 3.0], grad=True), a_min=-1.0, a_max=1.0)

for _name in ("add", "subtract", "multiply", "true_divide", "mod", "power", "hypot", "arctan2", "copysign", "ldexp"):
    case(f"_npi_{_name}", uniform(3, 4, low=0.3, high=2), uniform(1, 4, low=0.3, high=2), _grad=_name != "mod")
    # The oracle cannot differentiate copysign with a number, and takes arctan2's first number for the second.
    case(f"_npi_{_name}_scalar", uniform(3, 4, low=0.3, high=2, grad=_name != "copysign"), scalar=1.5, is_int=False)
    if _name not in ("hypot", "arctan2", "ldexp"):
        case(f"_npi_{_name}_scalar", _INT, scalar=2.0, is_int=True, _dtypes=_ONCE)
    if _name not in ("add", "multiply", "hypot"):
        _own = _name not in ("copysign", "arctan2")
        case(f"_npi_r{_name}_scalar", uniform(3, 4, low=0.3, high=2, grad=_own), scalar=1.5, is_int=False)
for _name in ("maximum", "minimum"):
    case(f"_npi_{_name}", fixed([1.0, 2.0, 3.0], grad=True), fixed([2.0, 2.0, 2.0], grad=True))
    case(f"_npi_{_name}", apart(3, 4), apart(3, 1))
    case(f"_npi_{_name}_scalar", fixed([1.0, 2.0, 3.0], grad=True), scalar=2.0)
for _name in ("add", "multiply", "power"):
    case(f"_npi_{_name}", _INT, whole(3, 4, low=1, high=3, dtype="int64"), _dtypes=_ONCE)
    case(f"_npi_{_name}", _INT, uniform(3, 4, low=0.3, high=2), _dtypes=_ONCE)
case("_npi_true_divide", _INT, _INT, _dtypes=_ONCE)
for _name in ("bitwise_and", "bitwise_or", "bitwise_xor", "lcm"):
    case(f"_npi_{_name}", _INT, _INT, _dtypes=_ONCE)
    case(f"_npi_{_name}_scalar", _INT, scalar=6.0, _dtypes=_ONCE)
for _name in ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal"):
    case(f"_npi_{_name}", whole(3, 4), whole(1, 4))
    case(f"_npi_{_name}_scalar", whole(3, 4), scalar=1.0)
_CONDITION = whole(3, 4, high=2)
case("_npi_where", _CONDITION, (3, 4), (1, 4))
case("_npi_where", whole(3, 1, high=2, dtype="int32"), (3, 4), (4,))
case("_npi_where_lscalar", _CONDITION, (3, 4), scalar=2.5, _grad=False)  # in the oracle at the wrong places
case("_npi_where_rscalar", _CONDITION, (3, 4), scalar=2.5, _grad=False)  # in the oracle at the wrong places
case("_npi_where_scalar2", _CONDITION, x=1.5, y=-1.0)

# --- reductions and order --------------------------------------------------------------------------------------------

for _name in ("_np_sum", "_npi_mean", "_np_prod", "_np_max", "_np_min", "_npi_std", "_npi_var"):
    _own = _name not in ("_npi_std", "_npi_var")  # whose gradients are 0 in the oracle; of integers its roundings vary
    for _more in ({"axis": (0, 2)}, {"axis": -1, "keepdims": True}, {"axis": (1,)}):
        case(_name, uniform(2, 3, 4, low=0.5, high=1.5), **_more, _grad=_own)
    case(_name, whole(2, 3, dtype="int32"), axis=1, _dtypes=_ONCE, _oracle=_own)
case("_np_max", fixed([[1.0, 3.0, 3.0], [2.0, 2.0, 1.0]], grad=True), axis=1)
case("_np_min", fixed([[1.0, 1.0, 3.0], [2.0, 2.0, 2.0]], grad=True), axis=1)
case("_np_sum", whole(2, 3, dtype="int32"), axis=1, dtype="float64", _dtypes=_ONCE)
case("_npi_mean", whole(2, 3, dtype="int32"), axis=1, dtype="float64", _dtypes=_ONCE)
case("_npi_std", (2, 3), axis=1, ddof=1, _grad=False)
case("_npi_var", (2, 3), axis=1, ddof=1, _grad=False)
for _name in ("_np_any", "_np_all"):
    case(_name, whole(2, 3, 4, high=2), axis=(0, 2))
    case(_name, whole(2, 3, 4, high=2), axis=1, keepdims=True)
case("_npi_average", (3, 4), uniform(3, 4), axis=1)
case("_npi_average", (3, 4), uniform(4), axis=1, returned=True, _oracle=False)
case("_npi_average", (3, 4), axis=0, weighted=False, _oracle=False)
for _method in ("linear", "lower", "higher", "midpoint", "nearest"):
    case(
        "_npi_percentile", distinct(3, 7), fixed([20.0, 70.0]), axis=1, interpolation=_method, _meta=False, _grad=False
    )
case("_npi_percentile", distinct(3, 7), axis=0, q_scalar=33.0, keepdims=True, _meta=False, _grad=False)
for _name in ("_npi_argmax", "_npi_argmin"):
    case(_name, distinct(3, 4), axis=1)
    case(_name, fixed([[1.0, 3.0, 3.0, 1.0]]), axis=1)
case("_npi_sort", distinct(3, 4), axis=0)
case("_npi_sort", distinct(3, 4), axis=1, is_ascend=False)
case("_npi_argsort", distinct(3, 4), axis=1, dtype="int64")
case("_npi_argsort", distinct(3, 4), axis=0, is_ascend=False)
_COUNTS = fixed([1, 1, 3, 0], "int32")
case("_npi_bincount", _COUNTS, minlength=6, _meta=False, _dtypes=_ONCE)
case("_npi_bincount", _COUNTS, normal(4), has_weights=True, _meta=False, _grad=False)
case("_npi_histogram", fixed([1.0, 2.0, 2.0, 8.0, 9.0]), bin_cnt=4, range=(0, 8))
case("_npi_histogram", fixed([1.0, 2.0, 2.0, 8.0, 9.0]), fixed([0.0, 2.0, 3.0, 8.0]))
case("_npi_diff", (3, 5), n=2, axis=1)
case("_npi_diff", (3, 5), axis=0)
case("_npi_ediff1d", (3, 2))
case("_npi_ediff1d", (3, 2), (2,), to_begin_arr_given=True, to_end_scalar=4.0)
case("_npi_ediff1d", (5,), (2,), (3,), to_begin_arr_given=True, to_end_arr_given=True)

# --- shapes ----------------------------------------------------------------------------------------------------------

case("_np_reshape", (2, 6), newshape=(3, -1))
case("_np_transpose", (2, 3, 4), axes=(1, 2, 0))
case("_np_transpose", (2, 3, 4))
case("_np_squeeze", (1, 3, 1))
case("_np_squeeze", (1, 3, 1), axis=(2,))
case("_npi_expand_dims", (2, 3), axis=1)
case("_np_moveaxis", (2, 3, 4), source=(0, 1), destination=(2, 0))
case("_npi_swapaxes", (2, 3, 4), dim1=0, dim2=2)
case("_npi_broadcast_to", (3, 1), shape=(2, 3, 4))
case("_np_copy", (2, 3))
for _name in ("1d", "2d", "3d"):
    case(f"_np_atleast_{_name}", (3,), (2, 3), _grad=False)  # 0 in the oracle
case("_npi_concatenate", (2, 3), (4, 3), axis=0)
case("_npi_concatenate", (2, 3), (4, 3), axis=None)
case("_npi_stack", (2, 3), (2, 3), axis=1)
for _name in ("hstack", "vstack", "dstack", "column_stack"):
    case(f"_npi_{_name}", (2, 3), (2, 3))
    case(f"_npi_{_name}", (3,), (3,))
for _name in ("split", "hsplit", "dsplit"):
    # In the oracle parts at given places begin with a 0 among them; dsplit ends its process.
    _axis = 0 if _name == "split" else 1
    case(f"_npi_{_name}", (4, 6, 3), indices=(0, 1, 3), axis=_axis, _oracle=_name != "dsplit")
    case(f"_npi_{_name}", (4, 6, 3), indices=(), axis=1, sections=3, _oracle=_name != "dsplit")
case("_np_repeat", (2, 3), repeats=2, axis=1)
case("_np_repeat", (2, 3), repeats=3)
case("_npi_tile", (2, 3), reps=(2, 1, 2))
case("_npi_flip", (2, 3), axis=(0, 1))
case("_np_roll", (3, 4), shift=(1, 2), axis=(0, 1))
case("_np_roll", (3, 4), shift=-2)
case("_npi_rot90", (2, 3, 4), k=1, axes=(0, 2), _grad=False)
case("_npi_rot90", (2, 3), k=3, axes=(0, 1), _grad=False)
for _mode in ("constant", "edge", "reflect", "symmetric", "maximum", "minimum"):
    case("_npi_pad", distinct(3, 4), pad_width=((1, 2), (0, 1)), mode=_mode, _grad=_mode == "constant")
case("_npi_pad", (3, 4), pad_width=((1, 2), (0, 1)), mode="constant", constant_value=2.5)
case("_np_diag", (3, 4), k=1)
case("_np_diag", (3,), k=-1)
case("_np_diagflat", (2, 2), k=1)
case("_np_diagonal", (2, 3, 4), offset=1, axis1=1, axis2=2)
case("_np_trace", (2, 3, 4), offset=-1, axis1=1, axis2=2)
case("_npi_tril", (2, 3, 4), k=1)
case("_npi_tril", (3,))

# --- picking, putting in, taking away --------------------------------------------------------------------------------

for _mode in ("clip", "wrap"):
    case("_npi_take", (4, 3), fixed([[0, -1], [5, 2]], "int32"), axis=0, mode=_mode)
case("_npi_take", (4, 3), fixed([0, 2, 2], "int32"), axis=1, mode="raise", _meta=False)
case("_npi_delete", (4, 3), int_ind=-2, axis=0, _meta=False, _grad=False)
case("_npi_delete", (4, 3), start=0, stop=4, step=2, axis=0, _meta=False, _grad=False)
case("_npi_delete", (4, 3), fixed([0, 2], "int64"), axis=1, _meta=False, _grad=False)
# The oracle assigns in place only, and to what is not recorded.
case("_npi_boolean_mask_assign_scalar", (4, 3), fixed([0, 1, 1]), value=2.5, start_axis=1, _oracle=False, _grad=False)
case("_npi_boolean_mask_assign_tensor", (4, 3), fixed([0, 1, 0, 1]), (2, 3), _meta=False, _oracle=False, _grad=False)
case("_npi_insert_scalar", (4, 3), (3,), int_ind=1, axis=0, _meta=False, _grad=False)
case("_npi_insert_scalar", (4,), int_ind=-1, val=2.5, axis=0, _meta=False, _oracle=False)
case("_npi_insert_slice", (4, 3), (2, 3), start=0, stop=4, step=2, axis=0, _meta=False, _grad=False)
case("_npi_insert_tensor", (4, 3), (2, 3), fixed([3, 0], "int64"), axis=0, _meta=False, _grad=False)
case("_npi_insert_tensor", (4,), fixed(1, "int64"), val=2.5, axis=0, _meta=False, _oracle=False)
case(
    "_npi_unique", fixed([2.0, 1.0, 2.0, 3.0]), return_index=True, return_inverse=True, return_counts=True, _meta=False
)
case("_npi_unique", fixed([[1.0, 2.0], [1.0, 2.0], [0.0, 1.0]]), axis=0, _meta=False)
case("_npi_diag_indices_from", (3, 3), _dtypes=_ONCE)
for _name in ("hanning", "hamming", "blackman"):
    case(f"_npi_{_name}", M=7, _dtypes=_ONCE)
    case(f"_npi_{_name}", M=4, dtype="float64", _dtypes=_ONCE)
case("_npi_indices", dimensions=(2, 3), _dtypes=_ONCE)
case("_npi_logspace", start=0.0, stop=2.0, num=5, base=3.0, _dtypes=_ONCE)
case("_npi_logspace", start=0.0, stop=2.0, num=5, endpoint=False, _dtypes=_ONCE)

# --- products and matrices -------------------------------------------------------------------------------------------

case("_np_dot", (2, 3), (3, 4))
case("_np_dot", (2, 3, 4), (4,))
case("_np_dot", (2, 3, 4), (5, 4, 2))
case("_npi_matmul", (2, 1, 3, 4), (5, 4, 2), _grad=False)  # wrong where the oracle broadcasts
case("_npi_matmul", (3,), (2, 3, 4))
case("_npi_tensordot", (2, 3, 4), (3, 2, 5), a_axes_summed=(0, 1), b_axes_summed=(1, 0))
case("_npi_tensordot_int_axes", (2, 3, 4), (3, 4, 5), axes=2)
case("_npi_tensordot_int_axes", (2, 3), (4,), axes=0)
case("_npi_einsum", (2, 3), (3, 4), subscripts="ij,jk->ki")
case("_npi_einsum", (2, 3, 3), subscripts="...ii->...i")
case("_npi_einsum", (3, 2), (3, 4), (4, 5), subscripts="ab,ac,cd->bd", optimize=1)
case("_npi_polyval", (4,), (2, 3))
for _name in ("det", "slogdet", "inv", "cholesky"):
    case(f"_npi_{_name}", definite(2, 3, 3), _atol=1e-4, _grad=_name != "slogdet", _meta=_name != "cholesky")
for _name in ("eigh", "eigvalsh"):
    # Signs of vectors are free; of the gradient both put different halves into the triangles.
    case(f"_npi_{_name}", definite(2, 3, 3), UPLO="L", _oracle=_name != "eigh", _grad=False)
case("_npi_svd", (2, 3, 4), _oracle=False, _grad=False)
case("_npi_eig", definite(3, 3), _oracle=False, _meta=False)
case("_npi_eigvals", fixed([[2.0, 1.0], [0.5, 3.0]]), _meta=False)
case("_npi_solve", definite(2, 3, 3), (2, 3, 2), _atol=1e-4)
case("_npi_pinv", (2, 3, 4), fixed([1e-3, 1e-3]), _atol=1e-4, _grad=False)
case("_npi_pinv_scalar_rcond", (3, 4), rcond=1e-3, _atol=1e-4, _grad=False)
case("_npi_tensorinv", definite(6, 6), ind=1, _atol=1e-4)
case("_npi_tensorsolve", normal(2, 3, 6), normal(2, 3), _atol=1e-3, _rtol=1e-3)

# --- from nothing, and at random -------------------------------------------------------------------------------------

for _name in ("zeros", "ones"):
    case(f"_npi_{_name}", shape=(2, 3), dtype="int32", _dtypes=_ONCE)
case("_npi_full", shape=(2, 3), value=2.5, _dtypes=_ONCE)
case("_npi_full_like", (2, 3), fill_value=2.5)
case("_npi_full_like", _INT, fill_value=2.5, _dtypes=_ONCE)
case("_npi_identity", shape=(3, 3), dtype="float64", _dtypes=_ONCE)
case("_npi_eye", N=3, M=4, k=-1, _dtypes=_ONCE)
case("_npi_arange", start=1.0, stop=6.0, step=1.5, dtype="float64", _dtypes=_ONCE)
case("_npi_arange", start=3.0, _dtypes=_ONCE)

_RANDOM = {"_oracle": False, "_grad": False, "_dtypes": _ONCE}
for _name in ("uniform", "normal"):
    _first, _second = ("low", "high") if _name == "uniform" else ("loc", "scale")
    case(f"_npi_{_name}", **{_first: 0.0, _second: 1.0}, size=(2, 3), **_RANDOM)
    case(f"_npi_{_name}", uniform(3), **{_first: None, _second: 2.0}, size=(2, 3), **_RANDOM)
    case(f"_npi_{_name}_n", uniform(3), **{_first: 0.0, _second: None}, size=(2,), **_RANDOM)
for _name in ("logistic", "gumbel"):
    case(f"_npi_{_name}", uniform(3), uniform(2, 1), loc=None, scale=None, **_RANDOM)
case("_npi_gamma", shape=2.0, scale=1.5, size=(2, 3), dtype="float64", **_RANDOM)
for _name in ("exponential", "rayleigh"):
    case(f"_npi_{_name}", uniform(3, low=0.5), scale=None, **_RANDOM)
for _name in ("weibull", "pareto", "powerd"):
    case(f"_npi_{_name}", a=2.0, size=(2, 3), **_RANDOM)
case("_npi_bernoulli", prob=0.3, logit=None, size=(2, 3), is_logit=False, **_RANDOM)
case("_npi_bernoulli", uniform(3), prob=None, logit=None, size=(2, 3), is_logit=True, **_RANDOM)
case("_npi_random_randint", low=0, high=5, shape=(2, 3), dtype="int32", **_RANDOM)
case("_npi_choice", a=5, size=(2, 3), **_RANDOM, _meta=False)
case("_npi_choice", uniform(4), fixed([0.25] * 4), a=None, size=(2,), replace=False, weighted=True, **_RANDOM)
case("_npi_multinomial", fixed([0.25, 0.75]), n=9, size=(2,), **_RANDOM, _meta=False)
case("_npi_multinomial", n=9, pvals=(0.25, 0.75), **_RANDOM, _meta=False)
case("_npi_shuffle", distinct(4, 2), **_RANDOM)

# --- what only graphs write down -------------------------------------------------------------------------------------

for _flag, _ord, _axis in ((-2, 2, None), (1, 2, 1), (-1, 3, 1), (1, 2, (0, 1)), (2, 2, (0, 1)), (0, 2, (0, 1))):
    case("_npi_norm", (3, 4), ord=_ord, axis=_axis, flag=_flag, keepdims=_axis == 1, _oracle=False)
case("_npi_resize", (2, 3), new_shape=(3, 3), _oracle=False)
case("_npi_multivariate_normal", (3,), definite(3, 3), size=(2,), _oracle=False, _grad=False)
case("_npi_share_memory", (2, 3), (2, 3), _oracle=False, _grad=False)
