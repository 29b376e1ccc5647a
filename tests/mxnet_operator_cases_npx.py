"""Inputs and attributes for the operators that only `mx.npx` has: further cases for `mxnet_operator_cases`."""

from mxnet_operator_cases import case, fixed, whole

case("_npx_reshape", (2, 3, 4, 1), newshape="(-5,-2,-3)")
case("_npx_reshape", (2, 3, 4), newshape=(-2, -6, 3, 1, -4))
case("_npx_reshape", (2, 3, 4), newshape=(-4, 2, -1), reverse=True)
case("_npx_nonzero", whole(3, 4), _grad=False, _meta=False)
# Without axes in MXNet only where NumPy's shapes are on: tests/oracle/test_mxnet_npx.py compares it.
case("_npx_constraint_check", fixed([True, True], dtype="bool"), _grad=False, _oracle=False, _dtypes=("float32",))
