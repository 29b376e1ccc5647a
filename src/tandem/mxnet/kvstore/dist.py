"""Stores over several processes: what one pushes is summed over all of them, through `engine.distributed`.

MXNet keeps the arrays on servers. Here each worker has all of them and updates them itself, from the same sums with the
same optimizer, so that they stay equal; server and scheduler processes have nothing to do.
All workers call the same methods with the same keys in the same order.
"""

from tandem.core.errors import explain
from tandem.engine.distributed import exchange, group
from tandem.mxnet.base import MXNetError
from tandem.mxnet.kvstore.kvstore import KVStore
from tandem.mxnet.ndarray.sparse_base import array_of
from tandem.ops.sparse import Rows

__all__ = ["KINDS", "DistKVStore"]

KINDS = (
    "dist",
    "dist_sync",
    "dist_async",
    "dist_sync_device",
    "dist_device_sync",
    "dist_async_device",
    "dist_device_async",
)


def _wrap(tensor, like):
    return type(like)._wrap(tensor, like.context)


class DistKVStore(KVStore):
    """Arrays by key, the same in all processes.

    A push waits for the others' in the asynchronous kinds too: these are here what the synchronous ones are.
    Raises MXNetError where the environment says nothing of other processes.
    """

    _compresses_devices = False

    def __init__(self, handle):
        super().__init__(handle)
        try:
            started = group.start()
        except (ValueError, RuntimeError) as error:
            raise MXNetError(str(error)) from error
        if not started:
            raise MXNetError(
                explain(
                    f"A kvstore of type {handle!r} is for several processes",
                    expected="RANK and WORLD_SIZE, or DMLC_NUM_WORKER, in the environment",
                    given="neither",
                    hint="Start the script with `tandem run --nproc N SCRIPT` or `torchrun`; alone, use 'device'.",
                )
            )

    @property
    def rank(self):
        """The number of this worker."""
        return group.rank()

    @property
    def num_workers(self):
        """How many workers there are."""
        return group.size()

    def init(self, key, value):
        """Store the first worker's value of a key, or of each of a list of keys, in all workers.

        Raises MXNetError for a key that is there already.
        """
        super().init(key, value)
        stored = [self._stored[one] for one, _ in self._pairs(key, value)]
        exchange.spread_([array._tensor for array in stored if array.stype == "default"])
        for array in stored:
            if array.stype != "default":
                self._spread_sparse(array)

    @staticmethod
    def _spread_sparse(array):
        if array.stype != "row_sparse":
            raise MXNetError(
                explain(
                    "A kvstore over several processes holds dense and row_sparse arrays", given=f"stype {array.stype}"
                )
            )
        held = array._held
        rows, values = exchange.parts(held.indices)[0], exchange.parts(held.values)[0]
        array._assign(Rows(rows, values, held.shape))

    def _across(self, keys, totals):
        """The sums over all workers of what this one's devices have summed."""
        if self._compression is not None:
            totals = [self._compression(one, total) for one, total in zip(keys, totals)]
        dense = [place for place, total in enumerate(totals) if total.stype == "default"]
        summed = exchange.sums([totals[place]._tensor.detach() for place in dense])
        result = [None] * len(totals)
        for place, tensor in zip(dense, summed):
            result[place] = _wrap(tensor, totals[place])
        for place, total in enumerate(totals):
            if result[place] is None:
                result[place] = self._sum_sparse(total)
        return result

    @staticmethod
    def _sum_sparse(total):
        if total.stype != "row_sparse":
            raise MXNetError(
                explain("What is pushed to several processes is dense or row_sparse", given=f"stype {total.stype}")
            )
        held = total._held
        pairs = zip(exchange.parts(held.indices), exchange.parts(held.values))
        first, *others = [array_of(Rows(rows, values, held.shape), total.context) for rows, values in pairs]
        return sum(others, first)

    def _barrier(self):
        """Wait for the other workers."""
        group.barrier()

    def save_optimizer_states(self, fname, dump_optimizer=False):
        """Write the updater's states to a file: the first worker does, for all. (MXNet cannot.)"""
        if group.is_chief():
            super().save_optimizer_states(fname, dump_optimizer)
        group.barrier()
