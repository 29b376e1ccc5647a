"""`keras.random`: random numbers that a seed repeats."""

import random as python_random

import torch

from tandem.core import seeds
from tandem.core.errors import explain
from tandem.keras import naming


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


def __getattr__(name):
    from tandem.keras.missing import absent

    return absent("keras.random", name, globals())
