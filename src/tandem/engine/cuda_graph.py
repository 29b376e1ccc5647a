"""Programs that are one CUDA graph, and feeding them while they run.

The inputs are static: a batch is copied into them, and the graph is launched. A graph knows addresses only, and what a
call does on the CPU is not in it: a recording that works on the CPU's memory has no graph.
"""

import torch

from tandem.engine.distributed import exchange
from tandem.engine.program import Program
from tandem.engine.record import Unfaithful
from tandem.engine.schemas import schema_of, written


class GraphProgram(Program):
    """A program whose calls were captured once and are launched as one; see `Program`.

    It has run call by call before: libraries have set themselves up, and the capture itself computes nothing.
    """

    def __init__(self, recording, inputs):
        device = check(recording, inputs)
        super().__init__(recording, inputs)
        generators = _generators(recording, device)
        pool = torch.cuda.graph_pool_handle()
        if self.begin is not None:
            self.begin = _captured(self.begin, pool, generators)
        self._step = _captured(self._step, pool, generators)


def check(recording, inputs):
    """The device that everything happens on; raises `Unfaithful` where a call works on the CPU's memory."""
    if not torch.cuda.is_available():
        raise Unfaithful("there is no CUDA device")
    devices = {tensor.device for tensor in inputs if tensor.is_cuda}
    devices |= {s.device for s in recording.storages if s.device.type == "cuda"}
    if len(devices) != 1:
        raise Unfaithful(f"its tensors are on {len(devices)} CUDA devices, not on one")
    on_cpu = {n for n, s in enumerate(recording.storages) if s.device.type != "cuda"}
    changed = {ref.storage for call in recording.calls for ref in written(call)}
    for call in recording.calls:
        if call.func in exchange.OPERATORS:
            raise Unfaithful("it exchanges sums with other processes", call.where)
        for ref in call.tensors():
            # A number that never changes is read when the graph is captured, and is part of it then.
            if ref.storage in on_cpu and not (recording.storages[ref.storage].constant and ref.storage not in changed):
                raise Unfaithful(f"{call.func} works on the CPU's memory", call.where)
    return devices.pop()


def _generators(recording, device):
    """The random generators whose states a graph must move on with each launch."""
    found = {}
    for call in recording.calls:
        if schema_of(call.func).random:
            for value in call.args:
                if isinstance(value, torch.Generator):
                    found[id(value)] = value
    default = torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index]
    return [generator for generator in found.values() if generator is not default]  # which a capture registers itself


def _captured(function, pool, generators):
    """A function that launches what `function` does, and gives the tensors that it gave when it was captured."""
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    try:
        with torch.no_grad(), torch.cuda.graph(graph, pool=pool):
            results = function()
    except RuntimeError as error:
        raise Unfaithful(f"its calls cannot be captured ({str(error).splitlines()[0]})") from error

    def launch():
        graph.replay()
        return list(results)

    return launch


class Ahead:
    """Fetches an `ArrayFeed`'s next batch on a stream of its own while the program works on the last one.

    feed: one whose arrays stay in the CPU's memory; buffers: the program's inputs, in the order of its arrays. Between
    two calls of `next` nothing else may take batches from the feed; `stop` gives back what was fetched and not used.
    """

    def __init__(self, feed, buffers):
        self.feed, self.buffers = feed, buffers
        self._stream = torch.cuda.Stream(buffers[0].device)
        self._staged = [torch.empty_like(buffer) for buffer in buffers]
        # Two lots: the CPU fills one while the other is on its way.
        self._pinned = [[torch.empty_like(b, device="cpu").pin_memory() for b in buffers] for _ in range(2)]
        self._sent = [torch.cuda.Event(), torch.cuda.Event()]
        self._taken = torch.cuda.Event()
        self._turn = 0
        self._at = None  # the feed's place before the batch that is fetched, None where none is

    def next(self, last=False):
        """Put the next batch into the buffers; False where it is smaller or there is none. last: fetch no more."""
        if self._at is None and not self._fetch():
            return False
        current = torch.cuda.current_stream(self.buffers[0].device)
        current.wait_stream(self._stream)
        for buffer, staged in zip(self.buffers, self._staged):
            buffer.copy_(staged, non_blocking=True)
        self._taken.record(current)
        self._at = None
        if not last:
            self._fetch()
        return True

    def stop(self):
        """Give a batch back that was fetched and not used."""
        if self._at is not None:
            self.feed.at, self._at = self._at, None

    def _fetch(self):
        """Send the next batch on its way; whether there was one."""
        before, pinned, sent = self.feed.at, self._pinned[self._turn], self._sent[self._turn]
        sent.synchronize()  # the copy that last read this memory
        device, self.feed.device = self.feed.device, None
        try:
            if not self.feed.next_into(pinned):
                return False
        finally:
            self.feed.device = device
        with torch.cuda.stream(self._stream):
            self._stream.wait_event(self._taken)  # what is staged was copied
            for staged, rows in zip(self._staged, pinned):
                staged.copy_(rows, non_blocking=True)
            sent.record(self._stream)
        self._at, self._turn = before, 1 - self._turn
        return True
