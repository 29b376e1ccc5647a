"""`tf.random`."""

from tandem.compat.tensorflow import _dtypes as dtypes
from tandem.compat.tensorflow.tensor import convert, ints, static, taker
from tandem.keras import ops
from tandem.keras import random as draws
from tandem.ops import random as kernels

NAMES = {}
add = taker(NAMES)


def set_seed(seed):
    """Begin all random numbers anew."""
    import random as python_random

    import numpy as np

    from tandem.keras import utils

    # TensorFlow's seed is TensorFlow's alone: Python's and NumPy's generators go on.
    states = python_random.getstate(), np.random.get_state()
    try:
        utils.set_random_seed(int(static(seed)) % 2**32)
    finally:
        python_random.setstate(states[0])
        np.random.set_state(states[1])


def _kind(dtype):
    return dtypes.as_dtype(dtype).name


@add
def normal(shape, mean=0.0, stddev=1.0, dtype=dtypes.float32, seed=None):
    """Normal numbers."""
    return draws.normal(
        ints(shape), convert(mean) if hasattr(mean, "shape") else mean, _number(stddev), _kind(dtype), seed
    )


def _number(value):
    return convert(value) if hasattr(value, "shape") else value


@add
def uniform(shape, minval=0, maxval=None, dtype=dtypes.float32, seed=None):
    """Numbers from [minval, maxval), whole ones for a dtype of whole numbers."""
    kind = dtypes.as_dtype(dtype)
    if kind.is_integer:
        if maxval is None:
            raise ValueError(f"Must specify maxval for integer dtype {dtype!r}")
        return draws.randint(ints(shape), static(minval), static(maxval), kind.name, seed)
    return draws.uniform(ints(shape), _number(minval), 1 if maxval is None else _number(maxval), kind.name, seed)


@add
def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=dtypes.float32, seed=None):
    """Normal numbers, those further than two deviations from the mean drawn again."""
    return draws.truncated_normal(ints(shape), mean, stddev, _kind(dtype), seed)


@add
def shuffle(value, seed=None):
    """The rows in random order."""
    return draws.shuffle(convert(value), axis=0, seed=seed)


@add
def categorical(logits, num_samples, dtype=dtypes.int64, seed=None):
    """Class numbers for each row of logits."""
    return draws.categorical(convert(logits), ints(num_samples)[0], dtype=_kind(dtype or dtypes.int64), seed=seed)


@add
def gamma(shape, alpha, beta=None, dtype=dtypes.float32, seed=None):
    """Gamma distributed numbers: for each alpha `shape` of them."""
    alpha = convert(alpha, dtype)
    found = draws.gamma((*ints(shape), *alpha.shape), alpha, _kind(dtype), seed)
    return found if beta is None else ops.divide(found, convert(beta, dtype))


@add
def poisson(shape, lam, dtype=dtypes.float32, seed=None):
    """Poisson distributed numbers: for each mean `shape` of them."""
    lam = convert(lam, dtypes.float32)
    generator = draws.generator_of(seed, lam.device)
    return ops.cast(
        kernels.poisson((*ints(shape), *lam.shape), lam, device=lam.device, generator=generator), _kind(dtype)
    )


@add
def binomial(shape, counts, probs, output_dtype=dtypes.int32, seed=None):
    """How often each of `counts` tries succeeds, with the probability `probs`."""
    counts, probs = convert(counts, dtypes.float32), convert(probs, dtypes.float32)
    counts, probs = (ops.broadcast_to(one, ints(shape)) for one in (counts, probs))
    return ops.cast(draws.binomial(ints(shape), counts, probs, "float32", seed), _kind(output_dtype))


@add
def full_int(shape, dtype=dtypes.int64, seed=None):
    """Whole numbers of all that a dtype holds."""
    kind = dtypes.as_dtype(dtype)
    halves = [draws.randint(ints(shape), 0, 2**32, "int64", seed) for _ in range(2)]
    both = ops.add(halves[0], ops.left_shift(halves[1], 32))
    return ops.cast(both, kind.name)


# --- numbers that depend on nothing but their seed -------------------------------------------------------------------


def _seed_of(seed):
    first, second = (int(one) for one in ints(seed))
    return (first * 1_000_003 + second) % 2**31


def _stateless(name, function):
    def compute(shape, seed, *args, **kwargs):
        kwargs.pop("alg", None)
        return function(shape, *args, seed=_seed_of(seed), **kwargs)

    compute.__name__, compute.__doc__ = name, "The same numbers for the same seed (two whole numbers)."
    add(compute)


for _name in ("normal", "truncated_normal"):
    _stateless(f"stateless_{_name}", NAMES[_name])


@add
def stateless_uniform(shape, seed, minval=0, maxval=None, dtype=dtypes.float32, alg="auto_select"):
    """Numbers from [minval, maxval), the same for the same seed; of whole numbers without limits all of the dtype's."""
    if minval is None and maxval is None:
        return full_int(shape, dtype, _seed_of(seed))
    return uniform(shape, minval, maxval, dtype, _seed_of(seed))


@add
def stateless_categorical(logits, num_samples, seed, dtype=dtypes.int64):
    """Class numbers for each row of logits, the same for the same seed."""
    return categorical(logits, num_samples, dtype, _seed_of(seed))


@add
def stateless_gamma(shape, seed, alpha, beta=None, dtype=dtypes.float32):
    """Gamma distributed numbers, the same for the same seed; alpha and beta are broadcast to `shape`."""
    alpha = ops.broadcast_to(convert(alpha, dtype), ints(shape))
    found = draws.gamma(ints(shape), alpha, _kind(dtype), _seed_of(seed))
    return found if beta is None else ops.divide(found, convert(beta, dtype))


@add
def stateless_poisson(shape, seed, lam, dtype=dtypes.int32):
    """Poisson distributed numbers, the same for the same seed; lam is broadcast to `shape`."""
    return poisson((), ops.broadcast_to(convert(lam, dtypes.float32), ints(shape)), dtype, _seed_of(seed))


@add
def stateless_binomial(shape, seed, counts, probs, output_dtype=dtypes.int32):
    """`binomial`, the same for the same seed."""
    return binomial(shape, counts, probs, output_dtype, _seed_of(seed))


@add
def stateless_parameterized_truncated_normal(shape, seed, means=0.0, stddevs=1.0, minvals=-2.0, maxvals=2.0):
    """Normal numbers between two limits, the same for the same seed."""
    means, stddevs, low, high = (convert(one, dtypes.float32) for one in (means, stddevs, minvals, maxvals))
    from tandem.compat.tensorflow._special import NAMES as math

    half = 0.5**0.5

    def cdf(x):
        return ops.multiply(ops.add(ops.erf(ops.multiply(ops.divide(ops.subtract(x, means), stddevs), half)), 1), 0.5)

    first, last = cdf(low), cdf(high)
    draw = uniform(shape, 0.0, 1.0, seed=_seed_of(seed))
    found = math["ndtri"](ops.add(first, ops.multiply(draw, ops.subtract(last, first))))
    return ops.clip(ops.add(ops.multiply(found, stddevs), means), low, high)


@add
def stateless_shuffle(value, seed, alg="auto_select"):
    """The rows in random order, the same for the same seed."""
    return shuffle(value, _seed_of(seed))


@add
def split(seed, num=2, alg="auto_select"):
    """`num` seeds, (num, 2), for the stateless functions out of one."""
    return NAMES["stateless_uniform"]((int(static(num)), 2), seed, 0, 2**31 - 1, dtypes.int32)


@add
def fold_in(seed, data, alg="auto_select"):
    """A seed for the stateless functions out of one and a number."""
    return NAMES["stateless_uniform"]((2,), (_seed_of(seed), int(static(data))), 0, 2**31 - 1, dtypes.int32)


class Generator:
    """A generator of random numbers with a state of its own."""

    def __init__(self, seed=None, state=None, alg=None):
        if state is not None:
            raise NotImplementedError("tf.random.Generator(state=…) is not there; write Generator.from_seed(…).")
        self._seeds = draws.SeedGenerator(seed)

    @classmethod
    def from_seed(cls, seed, alg=None):
        """A generator that begins with a seed."""
        return cls(int(static(seed)))

    @classmethod
    def from_non_deterministic_state(cls, alg=None):
        """A generator that begins anywhere."""
        return cls()

    def normal(self, shape, mean=0.0, stddev=1.0, dtype=dtypes.float32, name=None):
        """Normal numbers."""
        return NAMES["normal"](shape, mean, stddev, dtype, seed=self._seeds)

    def uniform(self, shape, minval=0, maxval=None, dtype=dtypes.float32, name=None):
        """Numbers from [minval, maxval)."""
        return NAMES["uniform"](shape, minval, maxval, dtype, seed=self._seeds)

    def truncated_normal(self, shape, mean=0.0, stddev=1.0, dtype=dtypes.float32, name=None):
        """Normal numbers, those further than two deviations from the mean drawn again."""
        return NAMES["truncated_normal"](shape, mean, stddev, dtype, seed=self._seeds)

    def binomial(self, shape, counts, probs, dtype=dtypes.int32, name=None):
        """How often each of `counts` tries succeeds."""
        return NAMES["binomial"](shape, counts, probs, dtype, seed=self._seeds)

    def uniform_full_int(self, shape, dtype="uint64", name=None):
        """Whole numbers of all that a dtype holds."""
        return NAMES["full_int"](shape, dtype, seed=self._seeds)

    def reset_from_seed(self, seed):
        """Begin anew with a seed."""
        self._seeds = draws.SeedGenerator(int(static(seed)))

    def make_seeds(self, count=1):
        """Seeds for the stateless functions: (2, count)."""
        return NAMES["uniform"]((2, count), 0, 2**31 - 1, dtypes.int64, seed=self._seeds)

    def split(self, count=1):
        """So many further generators."""
        seeds = NAMES["uniform"]((count,), 0, 2**31 - 1, dtypes.int64, seed=self._seeds)
        return [Generator(int(seed)) for seed in seeds]


_global = []


def get_global_generator():
    """The generator that belongs to everybody."""
    if not _global:
        _global.append(Generator())
    return _global[0]


def set_global_generator(generator):
    """Put another generator in its place."""
    _global[:] = [generator]


NAMES.update(
    set_seed=set_seed,
    Generator=Generator,
    get_global_generator=get_global_generator,
    set_global_generator=set_global_generator,
)
OLD_IN_TF = {"random_normal": "normal", "random_uniform": "uniform", "truncated_normal": "truncated_normal"}
OLD_IN_TF.update(random_shuffle="shuffle", multinomial="categorical")
