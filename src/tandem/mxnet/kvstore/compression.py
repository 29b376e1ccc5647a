"""`set_gradient_compression`: its parameters, and what it does to the arrays that a store sends."""

from tandem.core.errors import explain, suggest
from tandem.mxnet.base import MXNetError
from tandem.ops import compression

__all__ = ["Compression"]

_TYPES = ("2bit",)


class Compression:
    """Each array that is sent as threshold, -threshold and 0; what that leaves out is added to the next one.

    parameters: {'type': '2bit', 'threshold': 0.5}; numbers may be strings. Further entries are not looked at, as in
    MXNet. Raises AssertionError for what is no dict, MXNetError for another type and thresholds that are not positive.
    """

    def __init__(self, parameters):
        if not isinstance(parameters, dict):
            raise AssertionError(
                explain("Compression parameters are wrong", expected="a dict", given=type(parameters).__name__)
            )
        if "type" not in parameters:
            raise MXNetError(
                explain("Required parameter type of string is not presented", expected="'2bit'", given=str(parameters))
            )
        kind = str(parameters["type"])
        if kind not in _TYPES:
            raise MXNetError(
                explain(
                    f"Unknown type for gradient compression {kind}",
                    expected=", ".join(map(repr, _TYPES)),
                    given=repr(kind),
                    hint=suggest(kind, _TYPES),
                )
            )
        try:
            self.threshold = float(parameters.get("threshold", 0.5))
        except (TypeError, ValueError):
            self.threshold = float("nan")
        if not self.threshold > 0:
            raise MXNetError(
                explain(
                    "threshold must be greater than 0", expected="a number", given=repr(parameters.get("threshold"))
                )
            )
        self._residuals = {}

    def __call__(self, place, array):
        """What arrives of an array; place: what it is sent for, hashable: each place has a residual of its own."""
        if array.stype != "default":
            raise MXNetError(
                explain("Gradient compression is for dense arrays", expected="stype 'default'", given=array.stype)
            )
        tensor = array._tensor.detach()
        residual = self._residuals.get(place)
        if residual is None:
            residual = self._residuals[place] = tensor.new_zeros(tensor.shape)
        return type(array)._wrap(compression.two_bits_(residual, tensor, self.threshold), array.context)
