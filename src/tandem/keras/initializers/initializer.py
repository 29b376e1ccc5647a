"""`Initializer`: the base of all initializers."""

import random as python_random

from tandem.core.errors import explain
from tandem.core.naming import snake_case


class Initializer:
    """A function of (shape, dtype) that gives a variable its first value."""

    def __call__(self, shape, dtype=None, **kwargs):
        raise NotImplementedError("Initializer subclasses must implement the `__call__()` method.")

    @property
    def __name__(self):
        # Keras 1's initializers were functions, whose name a layer's config held.
        return snake_case(type(self).__name__)

    def get_config(self):
        """The arguments that make an equal initializer."""
        return {}

    @classmethod
    def from_config(cls, config):
        """The initializer that `get_config` describes."""
        return cls(**config)

    def clone(self):
        """An equal initializer; one without a seed draws numbers of its own."""
        return type(self).from_config(self.get_config())


class RandomInitializer(Initializer):
    """Base of those that draw numbers.

    seed: an integer (the same shape then always gives the same numbers), a `keras.random.SeedGenerator` (each call
    draws others), or None (an integer that is chosen now).
    """

    def __init__(self, seed=None):
        if seed is not None and not isinstance(seed, int) and not getattr(seed, "is_seed_generator", False):
            if isinstance(seed, dict):
                from tandem.keras import saving

                seed = saving.deserialize_keras_object(seed)
            else:
                raise ValueError(
                    explain(
                        "Invalid value for argument `seed`",
                        expected="an integer or a `keras.random.SeedGenerator`",
                        given=f"seed={seed!r}",
                    )
                )
        self._given_seed = seed
        self.seed = python_random.randint(1, 10**9) if seed is None else seed

    def _generator(self):
        from tandem.keras import random

        return random.generator_of(self.seed)

    def get_config(self):
        """The arguments that make an equal initializer."""
        from tandem.keras import saving

        return {"seed": saving.serialize_keras_object(self._given_seed)}
