"""`random_pdf_*`: densities of samples, with gradients for the samples and the parameters."""

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.ops import densities, elementwise


def _check(name, sample, parameters, kept):
    """The first axes of the samples are those of the parameters: one distribution to each of their elements."""
    for parameter in parameters:
        leading = tuple(parameter.shape[: parameter.dim() - kept])
        trailing = tuple(parameter.shape[parameter.dim() - kept :])
        if tuple(sample.shape[: len(leading)]) != leading or tuple(sample.shape[sample.dim() - kept :]) != trailing:
            raise MXNetError(
                explain(
                    f"Shape inconsistent in {name}: the samples' first sizes are the parameters'",
                    expected=f"samples of shape {(*leading, '...', *trailing)}",
                    given=f"samples of shape {tuple(sample.shape)}, parameters of shape {tuple(parameter.shape)}",
                )
            )


def _pdf(name, density, inputs, kept=0):
    """Register `random_pdf_NAME`; kept: how many last axes of the parameters are those of one sample."""

    def apply(sample, *parameters, is_log):
        _check(full, sample, parameters, kept)
        spread = []
        for parameter in parameters:
            sizes = list(parameter.shape)
            at = len(sizes) - kept
            spread.append(parameter.reshape(*sizes[:at], *[1] * (sample.dim() - len(sizes)), *sizes[at:]))
        logarithm = density(sample, *spread)
        return logarithm if is_log else elementwise.exponential(logarithm)

    full = f"random_pdf_{name}"
    apply.__doc__ = f"The {name.replace('_', ' ')} density of samples (its logarithm with is_log)."
    register(f"_{full}", apply, ("sample", *inputs), {"is_log": a.flag(False)}, aliases=(full,))


_pdf("uniform", densities.uniform, ("low", "high"))
_pdf("normal", densities.normal, ("mu", "sigma"))
_pdf("gamma", densities.gamma, ("alpha", "beta"))
_pdf("exponential", densities.exponential, ("lam",))
_pdf("poisson", densities.poisson, ("lam",))
_pdf("negative_binomial", densities.negative_binomial, ("k", "p"))
_pdf("generalized_negative_binomial", densities.generalized_negative_binomial, ("mu", "alpha"))
_pdf("dirichlet", densities.dirichlet, ("alpha",), kept=1)
