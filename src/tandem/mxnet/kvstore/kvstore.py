"""Arrays by key, summed over devices, updated by an optimizer if one is set; and `create`, for all kinds of stores."""

from tandem.core.errors import Unsupported, explain, suggest
from tandem.formats.saving import atomic_write
from tandem.mxnet.base import MXNetError
from tandem.mxnet.kvstore.base import KVStoreBase, check_capability
from tandem.mxnet.kvstore.compression import Compression
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.optimizer.updater import Updater

__all__ = ["KVStore", "create"]

_LOCAL = ("local", "device", "local_update_cpu", "local_allreduce_cpu", "local_allreduce_device", "nccl")
_OTHERS = ("horovod", "byteps", "p3")


class KVStore(KVStoreBase):
    """Arrays by key on one machine.

    `push` sums the arrays of several devices; what then is stored is that sum, or what the updater makes of it.
    """

    # Whether arrays are compressed on their way between the devices of this machine.
    _compresses_devices = True

    def __init__(self, handle):
        self._type = handle
        self._compression = None
        self._stored = {}
        self._updater = None
        self._key_type = None

    @property
    def type(self):
        """The name that it was made with."""
        return self._type

    @property
    def rank(self):
        """The number of this worker: 0."""
        return 0

    @property
    def num_workers(self):
        """How many workers there are: 1."""
        return 1

    @staticmethod
    def is_capable(capability):
        """Whether the store has a capability: 'optimizer'.

        Raises ValueError for an unknown one.
        """
        check_capability(capability)
        return True

    def _pairs(self, key, value):
        """(key, list of arrays) pairs from one key or a list of them.

        Raises MXNetError for keys of mixed types, AssertionError for what is no array.
        """
        several = isinstance(key, (list, tuple))
        keys, values = (list(key), list(value)) if several else ([key], [value])
        if len(keys) != len(values):
            raise MXNetError(explain("One value to each key", given=f"{len(keys)} keys, {len(values)} values"))
        for one in keys:
            kind = str if isinstance(one, str) else int
            if self._key_type not in (None, kind):
                raise MXNetError(
                    explain("Mixed key types are not allowed", expected=self._key_type.__name__, given=repr(one))
                )
            self._key_type = kind
        pairs = [(one, [item] if isinstance(item, NDArray) else list(item)) for one, item in zip(keys, values)]
        for one, arrays in pairs:
            for array in arrays:
                if not isinstance(array, NDArray):
                    raise AssertionError(explain(f"key {one} takes arrays", given=f"{type(array).__name__} {array!r}"))
        return pairs

    @staticmethod
    def _fit(key, stored, array):
        if array.shape != stored.shape:
            raise MXNetError(
                explain(f"key {key} holds an array of another shape", expected=stored.shape, given=array.shape)
            )

    def _find(self, key):
        if key not in self._stored:
            raise MXNetError(
                explain(
                    f"key {key} has not been inited", expected=f"one of {list(self._stored)}", hint="Call init() first."
                )
            )
        return self._stored[key]

    def init(self, key, value):
        """Store the first value of a key, or of each of a list of keys.

        Raises MXNetError for a key that is there already.
        """
        for one, arrays in self._pairs(key, value):
            if one in self._stored:
                raise MXNetError(explain(f"duplicate init of key {one}", hint="Call init() once for each key."))
            self._stored[one] = arrays[0].copy()

    def push(self, key, value, priority=0):
        """Sum arrays of several devices and store the sum, or update what is stored with it.

        priority: MXNet's order of transfers; here they are made in the order of calls.
        """
        keys, sums = [], []
        for one, arrays in self._pairs(key, value):
            home = self._find(one).context
            if self._compression is not None and self._compresses_devices:
                arrays = [self._compression((one, device), array) for device, array in enumerate(arrays)]
            moved = [array.as_in_context(home) for array in arrays]
            keys.append(one)
            sums.append(moved[0] if len(moved) == 1 else sum(moved[1:], moved[0]))
        sums = self._across(keys, sums)
        if self._updater is None:
            for one, total in zip(keys, sums):
                self._fit(one, self._stored[one], total)
                if total.stype == self._stored[one].stype == "default":
                    self._stored[one][:] = total
                else:
                    total.copyto(self._stored[one])
            return
        numbers, stored = [self._number(one) for one in keys], [self._stored[one] for one in keys]
        if isinstance(self._updater, Updater):
            self._updater(numbers, sums, stored)
        else:  # somebody's own function, which knows of one key at a time
            for number, total, array in zip(numbers, sums, stored):
                self._updater(number.encode() if isinstance(number, str) else number, total, array)  # as MXNet calls it

    def _across(self, keys, totals):
        """What the sums of this machine's devices become before they are stored: with one machine, themselves."""
        return totals

    @staticmethod
    def _number(key):
        return int(key) if isinstance(key, str) and key.isdigit() else key

    def pull(self, key, out=None, priority=0, ignore_sparse=True):
        """Copy what is stored to `out`: an array or a list of them for each key.

        ignore_sparse: leave sparse arrays in `out` as they are; `row_sparse_pull` is for them.
        """
        if out is None:
            raise AssertionError(explain("pull() copies to the arrays given as out="))
        for one, arrays in self._pairs(key, out):
            stored = self._find(one)
            for array in arrays:
                self._fit(one, stored, array)
                if array.stype == "default" and stored.stype == "default":
                    array[:] = stored.as_in_context(array.context)
                elif array.stype == "default" or not ignore_sparse:
                    stored.as_in_context(array.context).copyto(array)

    def pushpull(self, key, value, out=None, priority=0):
        """`push`, then `pull` to `out` (to the values themselves where None)."""
        self.push(key, value, priority)
        self.pull(key, value if out is None else out, priority)

    def broadcast(self, key, value, out, priority=0):
        """`init`, then `pull` to `out`."""
        self.init(key, value)
        self.pull(key, out, priority)

    def row_sparse_pull(self, key, out=None, priority=0, row_ids=None):
        """Put rows of what is stored, a row_sparse array, into row_sparse arrays.

        out: an array or a list of them for each key; row_ids: an array of row numbers, in any order, to all of them or
        to each. Raises AssertionError where one of the two is missing, MXNetError for other storages.
        """
        if out is None or row_ids is None:
            raise AssertionError(explain("row_sparse_pull() needs out= and row_ids="))
        pairs = self._pairs(key, out)
        several = isinstance(key, (list, tuple))
        numbers = list(row_ids) if several and not isinstance(row_ids, NDArray) else [row_ids] * len(pairs)
        if len(numbers) != len(pairs):
            raise ValueError(explain("One row_ids to each key", given=f"{len(pairs)} keys, {len(numbers)} row_ids"))
        for (one, arrays), rows in zip(pairs, numbers):
            stored = self._find(one)
            if stored.stype != "row_sparse":
                raise MXNetError(
                    explain("row_sparse_pull() is for row_sparse arrays", given=f"key {one}: {stored.stype}")
                )
            rows = [rows] * len(arrays) if isinstance(rows, NDArray) else list(rows)
            if len(rows) != len(arrays):
                raise ValueError(
                    explain("One row_ids to each array", given=f"{len(arrays)} arrays, {len(rows)} row_ids")
                )
            for array, wanted in zip(arrays, rows):
                if array.stype != "row_sparse":
                    raise MXNetError(
                        explain("row_sparse_pull() fills row_sparse arrays", given=f"an array of stype {array.stype}")
                    )
                array._take_rows(stored, wanted)

    def set_optimizer(self, optimizer):
        """Have what is pushed taken as gradients of what is stored."""
        from tandem.mxnet import optimizer as optimizers

        self._set_updater(optimizers.get_updater(optimizer))

    def _set_updater(self, updater):
        """Have `updater(index, pushed, stored)` called for what is pushed."""
        self._updater = updater

    def set_gradient_compression(self, compression_params):
        """Send each pushed value as one of three: threshold, -threshold and 0; the rest of it comes with the next one.

        compression_params: {'type': '2bit', 'threshold': 0.5}; each device has its own rest.
        Raises MXNetError for other types and for thresholds that are not positive, Exception (as in MXNet) where the
        store's type is neither for devices nor for several processes.
        """
        if "device" not in self._type and "dist" not in self._type:
            raise Exception(  # the type that MXNet raises
                explain(
                    "Gradient compression is not supported for this type of kvstore",
                    expected="'device' or one of the 'dist' kinds",
                    given=repr(self._type),
                )
            )
        self._compression = Compression(compression_params)

    def _barrier(self):
        """Wait for the other workers: there are none."""

    def _send_command_to_servers(self, head, body):
        """Nothing: there are no servers."""

    def save_optimizer_states(self, fname, dump_optimizer=False):
        """Write the updater's states to a file."""
        if self._updater is None:
            raise AssertionError(explain("Cannot save states for distributed training or without an optimizer"))
        with atomic_write(fname) as file:
            file.write(self._updater.get_states(dump_optimizer))

    def load_optimizer_states(self, fname):
        """Read the updater's states from a file."""
        if self._updater is None:
            raise AssertionError(explain("Cannot load states for distributed training or without an optimizer"))
        with open(fname, "rb") as file:
            self._updater.set_states(file.read())


def create(name="local"):
    """A store: 'local' or 'device', which are the same here but for compression; or one over several processes:
    'dist_sync', 'dist_device_sync', and 'dist_async', which is synchronous here.

    Raises TypeError for what is no name, Unsupported for stores that other packages bring, MXNetError for unknown names
    and for a store over several processes where the environment says nothing of them.
    """
    from tandem.mxnet.kvstore import dist

    if not isinstance(name, str):
        raise TypeError(explain("name must be a string", given=repr(name)))
    kind = name.lower()
    if kind in KVStoreBase.kv_registry:
        return KVStoreBase.kv_registry[kind]()
    if kind in dist.KINDS:
        return dist.DistKVStore(kind)
    if kind in _OTHERS:
        raise Unsupported(
            explain(f"The kvstore {name!r} is not supported", expected="'device' or 'dist_sync'", given=repr(name))
        )
    if kind not in _LOCAL:
        known = (*_LOCAL, *dist.KINDS)
        raise MXNetError(
            explain("Unknown kvstore type", expected=", ".join(known), given=repr(name), hint=suggest(name, known))
        )
    return KVStore(kind)
