"""The batches of a source, epoch by epoch."""

from tandem.core import seeds
from tandem.core.errors import warn
from tandem.keras import config
from tandem.keras.trainers import sources

_RAN_OUT = (
    "Your input ran out of data; interrupting training. Make sure that your dataset or generator can generate at least "
    "`steps_per_epoch * epochs` batches. You may need to use the `.repeat()` function when building your dataset."
)


class Epochs:
    """The batches of a source, epoch by epoch.

    With `steps` an epoch has so many batches and the next one goes on where it ended; a source that runs out ends the
    epoch with a warning, and begins again with the next one. remember: keep what another process needs to go on.
    """

    def __init__(self, source, steps=None, remember=False):
        steps = steps or None  # as in Keras, 0 is the whole source
        limit = config.max_steps_per_epoch()
        if limit is not None:
            steps = limit if steps is None else min(steps, limit)
        self.source = source
        self.steps = steps
        self._remember = remember
        self.begun = None  # where the random numbers stood when the pass over the source began
        self.given = 0  # batches of this pass that earlier epochs and this one had, where epochs have `steps`
        self._current = None
        self._done = 0  # batches of the next epoch that were given in an earlier run

    @property
    def num_batches(self):
        """Batches to an epoch, or None where that is not known."""
        return self.steps if self.steps is not None else self.source.num_batches

    def first(self):
        """The first batch, without losing it; None where there is none."""
        iterator = self._pass()
        data = next(iterator, None)
        if data is not None:
            self._current = Ahead(data, iterator)
        return data

    def _pass(self):
        """Begin with the source's first batch."""
        self.begun, self.given = seeds.states() if self._remember else None, 0
        return iter(self.source)

    def go_on(self, begun, given, done):
        """Go on within a pass: at what `begun` and `given` were in another run, `done` batches of the epoch behind."""
        self._current, self._done = None, done
        self.begun, self.given = begun, given
        if given:
            seeds.set_states(begun)
            self._current = self.source.after(given)

    def restart(self):
        """Let the next epoch begin with the source's first batch."""
        self._current = None

    def __iter__(self):
        if self.steps is None:
            current, self._current, self._done = self._current, None, 0
            current = self._pass() if current is None else current
            return current if self.source.num_batches is not None else self._until_it_ends(current)
        done, self._done = self._done, 0
        return self._so_many(self.steps - done)

    def _until_it_ends(self, iterator):
        yield from iterator
        if isinstance(self.source, sources.GeneratorSource):
            warn(_RAN_OUT)

    def _begin(self, steps):
        self._current = self._pass()
        sources.allow(self._current, steps)

    def _so_many(self, steps):
        # No more than these may be read ahead: what comes after them belongs to the next epoch, or to somebody else.
        sources.allow(self._current, steps)
        for number in range(steps):
            if self._current is None:
                self._begin(steps - number)
            data = next(self._current, None)
            if data is None and number == 0:
                self._begin(steps)
                data = next(self._current, None)
            if data is None:
                self._current = None
                warn(_RAN_OUT)
                return
            self.given += 1
            yield data


class Ahead:
    """An iterator whose first item was taken already."""

    def __init__(self, item, iterator):
        self._item = [item]
        self._iterator = iterator

    def __iter__(self):
        return self

    def __next__(self):
        return self._item.pop() if self._item else next(self._iterator)

    def allow(self, count):
        """How many items will be asked for."""
        sources.allow(self._iterator, count - len(self._item))


class Counted:
    """An iterator that counts what it gave."""

    def __init__(self, items):
        self._iterator = iter(items)
        self.count = 0

    def __iter__(self):
        return self

    def __next__(self):
        item = next(self._iterator)
        self.count += 1
        return item
