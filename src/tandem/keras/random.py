"""`keras.random`: random numbers that a seed repeats."""

import random as python_random

import torch

from tandem.core import devices, seeds
from tandem.core.errors import explain
from tandem.keras import naming
from tandem.keras.ops.family import storage_dtype, tensor, to_float
from tandem.ops import random as draws


class SeedGenerator:
    """A source of random numbers with a state of its own: each use goes on where the last one stopped.

    seed: an integer, or None for one chosen now; name: the name of its state.
    The numbers come from a `torch.Generator` seeded with `seed`; `state` is the pair (seed, uses) that files hold.
    """

    is_seed_generator = True

    def __init__(self, seed=None, name=None, **kwargs):
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments: {kwargs}")
        if seed is not None and not isinstance(seed, int):
            raise ValueError(explain("Argument `seed` must be an integer", expected="an int or None", given=repr(seed)))
        from tandem.keras.variables import Variable

        self.name = name or naming.auto_name("SeedGenerator")
        self._given = seed
        self._seed = python_random.randint(1, 10**9) if seed is None else seed
        self._torch = {}
        with naming.name_scope(self.name, caller=self):
            self.state = Variable(
                torch.tensor([self._seed % 2**31, 0], dtype=torch.int32),
                trainable=False,
                autocast=False,
                aggregation="none",
                name="seed_generator_state",
            )

    def generator(self, device="cpu"):
        """The `torch.Generator` that the numbers come from on `device`; torch's global one (None) where no seed was
        given.
        """
        if self._given is None:
            return None
        key = str(device)
        if key not in self._torch:
            self._torch[key] = seeds.generator(self._seed, device)
        return self._torch[key]

    def next(self, ordered=True):
        """The state now, a tensor (seed, uses); the next call gives another."""
        value = self.state.tensor.clone()
        self.state.assign(torch.stack([value[0], value[1] + 1]))
        return value

    def get_config(self):
        """The arguments that make a generator that begins alike."""
        return {"seed": self._given, "name": self.name}

    @classmethod
    def from_config(cls, config):
        """The generator that `get_config` describes."""
        return cls(**config)

    def states(self):
        """Where the generators stand, by device: arrays of bytes."""
        return {key: value.get_state().numpy() for key, value in self._torch.items()}

    def set_states(self, states):
        """Let the generators go on from what `states` gave."""
        for key, state in states.items():
            if key in self._torch:
                self._torch[key].set_state(torch.from_numpy(state))
            else:
                generator = torch.Generator(device=key)
                self._torch[key] = generator
                generator.set_state(torch.from_numpy(state))

    def __getstate__(self):
        return {**self.__dict__, "_torch": {key: value.get_state() for key, value in self._torch.items()}}

    def __setstate__(self, state):
        self.__dict__.update(state)
        for key, value in state["_torch"].items():
            generator = torch.Generator(device=key)
            generator.set_state(value)
            self._torch[key] = generator


def generator_of(seed, device="cpu"):
    """The `torch.Generator` for a `seed` argument: an integer begins anew, a `SeedGenerator` goes on, None is the
    global one.
    """
    if seed is None:
        return None
    if getattr(seed, "is_seed_generator", False):
        return seed.generator(device)
    return seeds.generator(int(seed), device)


def _generator(seed, device):
    """The `torch.Generator` for a public `seed` argument, which is checked, and whose use is counted."""
    if getattr(seed, "is_seed_generator", False):
        seed.next()
    elif seed is not None and not hasattr(seed, "__index__"):
        raise ValueError(
            "Argument `seed` must be either an integer or an instance of `SeedGenerator`. "
            f"Received: seed={seed} (of type {type(seed)})"
        )
    return generator_of(seed, device)


def _float_dtype(name, dtype):
    dtype = storage_dtype(dtype)
    if not dtype.is_floating_point:
        raise ValueError(f"`keras.random.{name}` requires a floating point `dtype`. Received: dtype={dtype} ")
    return dtype


def _wide(dtype):
    """The dtype in which these numbers are drawn: torch has no kernels for them in 16 bits."""
    return dtype if dtype.itemsize > 2 else torch.float32


def _parameter(value, dtype):
    """A parameter of a distribution: a number, or a tensor that broadcasts."""
    return value if type(value) in (int, float) else tensor(value).to(dtype)


def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Normally distributed numbers."""
    dtype = _float_dtype("normal", dtype)
    device = devices.default()
    generator = _generator(seed, device)
    mean, stddev = _parameter(mean, dtype), _parameter(stddev, dtype)
    return draws.normal(shape, mean, stddev, dtype=dtype, device=device, generator=generator)


def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    """Numbers from [minval, maxval)."""
    dtype = _float_dtype("uniform", dtype)
    device = devices.default()
    generator = _generator(seed, device)
    low, high = _parameter(minval, dtype), _parameter(maxval, dtype)
    return draws.uniform(shape, low, high, dtype=dtype, device=device, generator=generator)


def randint(shape, minval, maxval, dtype="int32", seed=None):
    """Whole numbers from [minval, maxval)."""
    dtype = storage_dtype(dtype)
    if dtype.is_floating_point or dtype == torch.bool:
        raise ValueError(f"`keras.random.randint` requires an integer `dtype`. Received: dtype={dtype} ")
    device = devices.default()
    generator = _generator(seed, device)
    return draws.randint(shape, int(minval), int(maxval), dtype=dtype, device=device, generator=generator)


def truncated_normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Normal numbers, those further than two deviations from the mean drawn again."""
    dtype = _float_dtype("truncated_normal", dtype)
    device = devices.default()
    generator = _generator(seed, device)
    mean, stddev = _parameter(mean, dtype), _parameter(stddev, dtype)
    return draws.truncated_normal(shape, mean, stddev, dtype=dtype, device=device, generator=generator)


def categorical(logits, num_samples, dtype="int32", seed=None):
    """`num_samples` class numbers for each row of logits (rows, classes), with replacement."""
    logits = to_float(tensor(logits))
    if logits.dim() != 2:
        raise ValueError(
            "`logits` should be a 2-D tensor with shape [batch_size, num_classes]. "
            f"Received: logits of shape {tuple(logits.shape)}"
        )
    return draws.categorical(logits, num_samples, dtype=storage_dtype(dtype), generator=_generator(seed, logits.device))


def dropout(inputs, rate, noise_shape=None, seed=None):
    """``inputs / (1 - rate)`` or 0, with the probability `rate`; axes that are 1 in `noise_shape` share it."""
    inputs = tensor(inputs)
    return draws.dropout(inputs, rate, noise_shape=noise_shape, generator=_generator(seed, inputs.device))


def shuffle(x, axis=0, seed=None):
    """The entries of x along an axis in random order."""
    x = tensor(x)
    return draws.shuffle(x, axis, generator=_generator(seed, x.device))


def gamma(shape, alpha, dtype=None, seed=None):
    """Gamma distributed numbers of scale 1."""
    dtype = _float_dtype("gamma", dtype)
    device = devices.default()
    generator = _generator(seed, device)
    wide = _wide(dtype)
    return draws.gamma(shape, _parameter(alpha, wide), dtype=wide, device=device, generator=generator).to(dtype)


def binomial(shape, counts, probabilities, dtype=None, seed=None):
    """How many of `counts` draws succeed, each with its probability."""
    dtype = _float_dtype("binomial", dtype)
    device = devices.default()
    generator = _generator(seed, device)
    wide = _wide(dtype)
    counts, probabilities = _parameter(counts, wide), _parameter(probabilities, wide)
    return draws.binomial(shape, counts, probabilities, dtype=wide, device=device, generator=generator).to(dtype)


def beta(shape, alpha, beta, dtype=None, seed=None):
    """Beta distributed numbers."""
    dtype = _float_dtype("beta", dtype)
    device = devices.default()
    generator = _generator(seed, device)
    wide = _wide(dtype)
    alpha, beta = _parameter(alpha, wide), _parameter(beta, wide)
    return draws.beta(shape, alpha, beta, dtype=wide, device=device, generator=generator).to(dtype)


__all__ = [
    "SeedGenerator",
    "beta",
    "binomial",
    "categorical",
    "dropout",
    "gamma",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
]
