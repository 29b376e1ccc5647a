"""Settings and odds and ends of Keras 2's backend."""

from tandem.core.errors import Unsupported

b_any = any


def is_tf_random_generator_enabled():
    """True: random numbers come from generators with a state."""
    return True


def enable_tf_random_generator():
    """Does nothing: random numbers come from generators with a state."""


def disable_tf_random_generator():
    """Raises Unsupported: random numbers come from generators with a state."""
    raise Unsupported("Random numbers always come from generators with a state; utils.set_random_seed seeds them.")
