"""Data sets, samplers and the loader; against the real MXNet in tests/oracle/test_gluon_data.py."""

import os
import pickle
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

import tandem.mxnet as mx
from tandem.mxnet import nd
from tandem.mxnet.gluon import data
from tandem.mxnet.gluon.data.vision import transforms


class Numbers(data.Dataset):
    """0, 1, 2, ... as (array, number)."""

    def __init__(self, count=10):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, idx):
        if not 0 <= idx < self.count:
            raise IndexError(idx)
        return nd.array([idx, idx]), idx


class Failing(Numbers):
    def __init__(self, how):
        super().__init__(8)
        self.how = how

    def __getitem__(self, idx):
        if idx == 5:
            self.how()
        return idx


class TwoArguments(Exception):
    """An exception that pickle cannot bring back."""

    def __init__(self, first, second):
        super().__init__(f"{first} {second}")


def boo():
    raise KeyError("boo")


def two():
    raise TwoArguments("ab", "cd")


def values(batches):
    return [batch.asnumpy().tolist() for batch in batches]


def test_arrays_are_gathered_as_their_samples_would_be():
    x, y = nd.array(np.arange(20).reshape(10, 2)), np.arange(10, dtype="int32")
    sets = [data.ArrayDataset(x, y), data.ArrayDataset(x), data.ArrayDataset(x, list(y)), data.ArrayDataset(y, x, x)]
    sets += [sets[0].take(7), sets[0].filter(lambda s: s[1] % 2), x, x.asnumpy(), y.tolist(), Numbers()]
    for dataset in sets:
        one_by_one = data.DataLoader(data.SimpleDataset([dataset[i] for i in range(len(dataset))]), 3)
        for fast, slow in zip(data.DataLoader(dataset, 3), one_by_one):
            assert type(fast) is type(slow)
            for a, b in zip(*(item if isinstance(item, list) else [item] for item in (fast, slow))):
                assert a.dtype == b.dtype and a.shape == b.shape and (a == b).asnumpy().all()


def test_transformations_of_whole_batches_are_those_of_samples():
    x = nd.array(np.random.default_rng(0).integers(0, 256, (9, 6, 8, 3)), dtype="uint8")
    dataset = data.ArrayDataset(x, np.arange(9))
    calls = []

    class Counting(transforms.ToTensor):
        def hybrid_forward(self, F, x):
            calls.append(x.shape)
            return super().hybrid_forward(F, x)

    steps = [transforms.Resize((4, 5)), transforms.ToTensor(), transforms.Normalize(0.5, (1, 2, 3)), transforms.Cast()]
    for step in (transforms.Compose(steps), steps[1]):
        (fast, labels), *_ = data.DataLoader(dataset.transform_first(step), 9)
        slow = nd.stack(*[step(image) for image in x])
        assert (fast == slow).asnumpy().all() and labels.dtype == np.int64
    # One that may look at a single image gets single images.
    list(data.DataLoader(dataset.transform_first(Counting()), 9))
    assert calls == [(6, 8, 3)] * 9
    assert not transforms.takes_batches(transforms.RandomFlipLeftRight())
    assert not transforms.takes_batches(transforms.Compose([transforms.ToTensor(), transforms.CenterCrop(3)]))


def test_a_subclass_with_samples_of_its_own_is_asked_for_them():
    class Doubled(data.ArrayDataset):
        def __getitem__(self, idx):
            return super().__getitem__(idx) * 2

    assert values(data.DataLoader(Doubled(np.arange(4)), 2)) == [[0, 2], [4, 6]]


@pytest.mark.parametrize("kind", [{}, {"num_workers": 2}, {"num_workers": 2, "thread_pool": True}])
class TestEachWayOfReading:
    def test_every_pass_gives_all_batches_in_order(self, kind):
        loader = data.DataLoader(Numbers(), 3, **kind)
        for _ in range(2):
            batches = list(loader)
            assert [b.asnumpy().tolist() for _, b in batches] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
            assert all((a.asnumpy()[:, 0] == b.asnumpy()).all() for a, b in batches)
        assert type(batches[0][0]) is nd.NDArray and str(batches[0][0].context) == "cpu(0)"

    def test_a_pass_may_be_left_and_two_may_run_at_once(self, kind):
        loader = data.DataLoader(Numbers(), 2, **kind)
        for batch in loader:
            assert batch[1].asnumpy().tolist() == [0, 1]
            break
        pairs = [(a[1].asnumpy()[0], b[1].asnumpy()[0]) for a, b in zip(loader, loader)]
        assert pairs == [(i, i) for i in range(0, 10, 2)]

    def test_what_the_data_set_raises_reaches_the_loop(self, kind):
        with pytest.raises(KeyError) as error:
            list(data.DataLoader(Failing(boo), 2, **kind))
        assert error.value.args == ("boo",)
        if kind == {"num_workers": 2}:
            assert "in boo" in str(error.value.__cause__)

    def test_a_batchify_function_may_give_anything(self, kind):
        def batchify(samples):
            arrays, numbers = zip(*samples)
            return {"sum": nd.stack(*arrays).sum(), "all": (np.array(numbers), "text", nd.zeros((500, 400)))}

        first, *_ = data.DataLoader(Numbers(), 4, batchify_fn=batchify, **kind)
        assert first["sum"].asscalar() == 12 and isinstance(first["sum"], nd.NDArray)
        numbers, text, large = first["all"]
        assert numbers.tolist() == [0, 1, 2, 3] and text == "text" and large.shape == (500, 400)

    def test_a_batch_may_be_written(self, kind):
        (x, _), *_ = data.DataLoader(data.ArrayDataset(nd.zeros((4, 200, 300)), np.arange(4)), 4, **kind)
        x[:] = 3
        assert x.sum().asscalar() == 4 * 200 * 300 * 3

    def test_numpy_semantics_hold(self, kind):
        with mx.util.np_shape(True):
            (batch,) = data.DataLoader([nd.zeros((0, 3)), nd.zeros((0, 3))], 2, **kind)
            assert batch.shape == (2, 0, 3)


def test_an_exception_that_does_not_travel_is_told():
    with pytest.raises(RuntimeError, match="TwoArguments: ab cd"):
        list(data.DataLoader(Failing(two), 2, num_workers=1))


def test_a_dead_worker_is_told():
    with pytest.raises(mx.MXNetError, match=r"ended before its work was done.*exit status 3"):
        list(data.DataLoader(Failing(lambda: os._exit(3)), 2, num_workers=1))
    with pytest.raises(mx.MXNetError, match="SIGKILL"):
        list(data.DataLoader(Failing(lambda: os.kill(os.getpid(), signal.SIGKILL)), 2, num_workers=1))


def test_a_slow_worker_is_told():
    import multiprocessing

    with pytest.raises(multiprocessing.TimeoutError, match=r"waited 0\.2 s"):
        list(data.DataLoader(Failing(lambda: time.sleep(1)), 2, num_workers=1, timeout=0.2))


def test_workers_compute_although_this_process_has_threads():
    """A worker is forked from a process that has computed with several threads, which it lacks, and computes itself."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        big = nd.ones((300, 300))
        nd.dot(big, big).wait_to_read()
        dataset = data.SimpleDataset([1.0, 2.0, 3.0]).transform(lambda k: nd.dot(big * k, big).sum())
        batches = list(data.DataLoader(dataset, 1, num_workers=2, timeout=30))
        assert [batch.asnumpy()[0, 0] / 300**3 for batch in batches] == [1, 2, 3]
    finally:
        torch.set_num_threads(before)


def test_workers_are_outside_the_scopes_of_the_loop():
    class State(Numbers):
        def __getitem__(self, idx):
            return float(mx.autograd.is_recording()), float(mx.autograd.is_training())

    with mx.autograd.record():
        (recording, training), *_ = data.DataLoader(State(), 2, num_workers=1)
    assert recording.asnumpy().tolist() == [0, 0] and training.asnumpy().tolist() == [0, 0]


def test_workers_draw_different_numbers_and_the_seed_decides():
    class Draws(Numbers):
        def __getitem__(self, idx):
            return np.random.rand(), nd.random.uniform(shape=(1,))

    def draw():
        mx.random.seed(4)
        return [[x.asnumpy().ravel().tolist() for x in pair] for pair in data.DataLoader(Draws(), 1, num_workers=2)]

    first = draw()
    assert first == draw()
    for column in zip(*first):
        assert len({value[0] for value in column}) == 10


def test_many_batches_may_be_kept():
    """Shared memory takes a file handle for each array: more batches than handles."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (150, before[1]))
    try:
        dataset = data.SimpleDataset(range(160)).transform(lambda i: nd.ones((300, 450)) * i)
        kept = list(data.DataLoader(dataset, 1, num_workers=1))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert [batch[0, 0, 0].asscalar() for batch in kept] == list(range(160))


def test_loaders_are_pickled_and_reload():
    loader = data.DataLoader(data.ArrayDataset(np.arange(4)), 2, num_workers=1, auto_reload=True)
    assert values(loader) == [[0, 1], [2, 3]]
    assert values(pickle.loads(pickle.dumps(loader))) == values(loader)
    loader.clean()
    assert len(loader) == 2


def test_settings_that_are_wrong():
    with pytest.raises(ValueError, match="batch_size must be specified"):
        data.DataLoader([1, 2])
    with pytest.raises(ValueError, match="must not be specified if sampler"):
        data.DataLoader([1, 2], 1, True, data.SequentialSampler(2))
    with pytest.raises(ValueError, match="if batch_sampler is specified"):
        data.DataLoader([1, 2], 1, batch_sampler=data.BatchSampler(data.SequentialSampler(2), 1))
    with pytest.raises(AssertionError, match="timeout must be positive"):
        data.DataLoader([1, 2], 1, timeout=0)
    with pytest.raises(ValueError, match="rollover"):
        list(data.DataLoader([1, 2], 1, last_batch="soft"))


@pytest.mark.parametrize(
    ("samples", "kind", "part"),
    [
        ([nd.zeros(2), nd.zeros(3)], mx.MXNetError, "NDArray (2,), NDArray (3,)"),
        ([[1, 2], [3]], TypeError, "list (1,), list (2,)"),
        (["a", "b"], TypeError, "Given: str"),
        ([{"a": 1}, {"a": 2}], TypeError, "batchify_fn="),
    ],
)
def test_samples_that_make_no_batch(samples, kind, part):
    with pytest.raises(kind) as error:
        list(data.DataLoader(samples, 2))
    assert part in str(error.value)


SPAWNED = """
import multiprocessing, sys
import mxnet as mx
from mxnet import gluon, nd

class Squares(gluon.data.Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, i):
        if i == LAST:
            raise ValueError("sample %d" % i)
        return nd.array([i * i]), i

LAST = 9

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    for x, y in gluon.data.DataLoader(Squares(), 2, num_workers=1):
        print(x.asnumpy().ravel().tolist(), y.asnumpy().tolist(), type(x).__module__)
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_spawned_workers_of_a_script(tmp_path, method):
    script = tmp_path / "script.py"
    script.write_text(SPAWNED)
    done = subprocess.run(
        [sys.executable, "-m", "tandem", "run", str(script), method], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert [line.split("]")[0] for line in done.stdout.splitlines()] == ["[0.0, 1.0", "[4.0, 9.0", "[16.0, 25.0"]


INTERRUPTED = """
import os, signal, threading, time
import mxnet as mx

class Slow(mx.gluon.data.Dataset):
    def __len__(self):
        return 100

    def __getitem__(self, i):
        time.sleep(0.02)
        return i

threading.Timer(1.0, lambda: os.killpg(os.getpgid(0), signal.SIGINT)).start()
for batch in mx.gluon.data.DataLoader(Slow(), 1, num_workers=2):
    print(batch.asnumpy()[0], flush=True)
    if batch.asnumpy()[0] == 0:
        print("workers", flush=True)
"""


def test_an_interrupt_ends_the_loop_and_the_workers(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED)
    process = subprocess.Popen(
        [sys.executable, "-m", "tandem", "run", str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT and "99" not in out.split()
    assert err.count("Traceback") == 1 and "KeyboardInterrupt" in err
