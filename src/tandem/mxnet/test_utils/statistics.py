"""Checks of random generators."""

from itertools import pairwise

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet.ndarray.ndarray import NDArray


def _samples(generator, nsamples):
    drawn = generator(nsamples)
    return drawn.asnumpy() if isinstance(drawn, NDArray) else np.array(drawn)


def mean_check(generator, mu, sigma, nsamples=1000000):
    """Whether the mean of samples is within three standard errors of `mu`.

    generator: `generator(n)` answers n samples; sigma: the standard deviation of one.
    """
    mean = _samples(generator, nsamples).mean(dtype=np.float64)
    return bool(abs(mean - mu) < 3 * sigma / np.sqrt(nsamples))


def var_check(generator, sigma, nsamples=1000000):
    """Whether the variance of samples of a normal distribution is within three standard errors of ``sigma²``."""
    variance = _samples(generator, nsamples).var(ddof=1, dtype=np.float64)
    return bool(abs(variance - sigma**2) < 3 * np.sqrt(2 * sigma**4 / (nsamples - 1)))


def gen_buckets_probs_with_ppf(ppf, nbuckets):
    """Buckets of equal probability and the probabilities.

    ppf: the inverse of the distribution function; nbuckets: how many.
    """
    probability = 1.0 / nbuckets
    buckets = [(ppf(number / nbuckets), ppf((number + 1) / nbuckets)) for number in range(nbuckets)]
    return buckets, [probability] * nbuckets


def _scipy_stats():
    try:
        from scipy import stats
    except ImportError as error:
        raise ImportError("scipy is not available. Please check if the scipy python bindings are installed.") from error
    return stats


def _frequencies(samples, buckets, probs):
    """(how many samples fall into each bucket, how many are expected to)."""
    if not buckets:
        raise AssertionError(explain("There must be at least one bucket"))
    expected = (samples.size * np.array(probs, dtype=np.float32)).astype(np.int64)
    if isinstance(buckets[0], (list, tuple)):
        edges = [buckets[0][0], *(stop for _, stop in buckets)]
        starts = [start for start, _ in buckets]
        if starts != edges[:-1] or any(a >= b for a, b in pairwise(edges)):
            raise AssertionError(explain("Buckets must lie side by side, in ascending order", given=buckets))
        observed = np.histogram(samples, bins=np.array(edges, np.float64))[0]
    else:
        observed = np.array([(samples == value).sum() for value in buckets])
    return observed.astype(np.int64), expected


def chi_square_check(generator, buckets, probs, nsamples=1000000):
    """Pearson's chi-square test of a generator: (p-value, observed frequencies, expected frequencies).

    generator: `generator(n)` answers n samples; buckets: (start, stop) intervals side by side of a continuous
    distribution, or values of a discrete one; probs: the probability of each.
    Raises AssertionError where buckets and probabilities do not fit, ImportError without scipy.
    """
    stats = _scipy_stats()
    if len(probs) != len(buckets):
        raise AssertionError(
            explain("One probability to each bucket", expected=len(buckets), given=f"{len(probs)} probabilities")
        )
    samples = _samples(generator, nsamples)
    if samples.size != nsamples:
        raise AssertionError(
            explain("The generator answers as many samples as it is asked for", expected=nsamples, given=samples.size)
        )
    observed, expected = _frequencies(samples.astype(np.float64), list(buckets), probs)
    statistic = np.sum(np.square(observed - expected, dtype=np.float64) / expected)
    return float(stats.chi2.sf(statistic, len(buckets) - 1)), observed, expected


def verify_generator(generator, buckets, probs, nsamples=1000000, nrepeat=5, success_rate=0.2, alpha=0.05):
    """Assert that enough of several chi-square tests of a generator have a p-value above `alpha`; answers the values.

    nrepeat: how many tests; success_rate: which share of them must pass. The rest as `chi_square_check`.
    Raises AssertionError where too few pass.
    """
    results = [chi_square_check(generator, buckets, probs, nsamples) for _ in range(nrepeat)]
    values = [result[0] for result in results]
    passed = sum(value > alpha for value in values)
    if passed < nrepeat * success_rate:
        raise AssertionError(
            explain(
                "Generator test fails",
                expected=f"p-values above alpha={alpha} in at least {nrepeat * success_rate:g} of {nrepeat} tests"
                f" of nsamples={nsamples}",
                given=f"p-values {values}; observed {[list(result[1]) for result in results]},"
                f" expected {list(results[0][2])} in the buckets {buckets}",
            )
        )
    return values
