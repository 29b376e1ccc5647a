"""`KVStoreBase`: what every key-value store has, and the register of those that somebody wrote."""

import warnings

from tandem.core.errors import explain
from tandem.mxnet.base import _as_list

__all__ = ["KVStoreBase", "TestStore", "check_capability"]


def check_capability(capability):
    """Raise ValueError for what is no capability of stores."""
    if capability.lower() != KVStoreBase.OPTIMIZER:
        raise ValueError(explain("Unknown capability", expected=KVStoreBase.OPTIMIZER, given=repr(capability)))


class KVStoreBase:
    """Base of key-value stores: a class of one's own is registered with `KVStoreBase.register`."""

    OPTIMIZER = "optimizer"
    kv_registry = {}

    @staticmethod
    def register(klass):
        """Register a store under its lower-case name; usable as a decorator. Warns where it takes another's place."""
        name = klass.__name__.lower()
        if name in KVStoreBase.kv_registry:
            old = KVStoreBase.kv_registry[name]
            warnings.warn(
                f"WARNING: New kvstore {klass.__module__}.{klass.__name__} is overriding existing kvstore "
                f"{old.__module__}.{old.__name__}",
                stacklevel=2,
            )
        KVStoreBase.kv_registry[name] = klass
        return klass

    @property
    def type(self):
        """The store's name."""
        raise self._lacks("type")

    @property
    def rank(self):
        """The number of this worker."""
        raise self._lacks("rank")

    @property
    def num_workers(self):
        """How many workers there are."""
        raise self._lacks("num_workers")

    def broadcast(self, key, value, out, priority=0):
        """Store a value and copy it to `out`."""
        raise self._lacks("broadcast()")

    def pushpull(self, key, value, out=None, priority=0):
        """Sum values over devices and copy the sum to `out`."""
        raise self._lacks("pushpull()")

    @staticmethod
    def is_capable(capability):
        """Whether the store has a capability: 'optimizer'."""
        raise NotImplementedError(explain("The store does not say what it is capable of"))

    def set_optimizer(self, optimizer):
        """Have what is pushed taken as gradients of what is stored."""
        raise self._lacks("set_optimizer()")

    def save_optimizer_states(self, fname, dump_optimizer=False):
        """Write the optimizer's states to a file."""
        raise self._lacks("save_optimizer_states()")

    def load_optimizer_states(self, fname):
        """Read the optimizer's states from a file."""
        raise self._lacks("load_optimizer_states()")

    def _lacks(self, what):
        return NotImplementedError(explain(f"{type(self).__name__} has no {what}"))


@KVStoreBase.register
class TestStore(KVStoreBase):
    """The store 'teststore', which keeps nothing: it copies and sums what it is given, whatever the key."""

    @property
    def type(self):
        """Its name."""
        return "teststore"

    @property
    def rank(self):
        """The number of this worker: 0."""
        return 0

    @property
    def num_workers(self):
        """How many workers there are: 1."""
        return 1

    def broadcast(self, key, value, out, priority=0):
        """Copy a value to `out`, an array or a list of them; or each of a list of values to its own."""
        if isinstance(value, (list, tuple)):
            for one, targets in zip(value, out, strict=True):
                self.broadcast(key, one, targets)
            return
        for array in _as_list(out):
            array[:] = value.as_in_context(array.context)

    def pushpull(self, key, value, out=None, priority=0):
        """Sum an array or a list of them to `out` (to the values themselves where None)."""
        first, *others = _as_list(value)
        total = sum((array.as_in_context(first.context) for array in others), first)
        for array in _as_list(value if out is None else out):
            array[:] = total.as_in_context(array.context)

    @staticmethod
    def is_capable(capability):
        """Whether the store has a capability: not 'optimizer'. Raises ValueError for an unknown one."""
        check_capability(capability)
        return False
