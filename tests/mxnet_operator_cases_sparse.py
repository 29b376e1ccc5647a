"""Cases (see `mxnet_operator_cases`) of what sparse arrays brought along and dense ones can do too."""

from mxnet_operator_cases import case, uniform

case("_scatter_plus_scalar", (2, 3), scalar=1.5)
case("_scatter_minus_scalar", (2, 3), scalar=1.5)
case("_scatter_elemwise_div", (2, 3), uniform(2, 3, low=0.5))
