"""Readers beside the loop: order, errors, ends, and what is left behind."""

import gc
import os
import signal
import threading
import time

import numpy as np
import pytest
import torch

from tandem.engine import readers, shared_batches


def crew(get, count=2, ahead=4, **settings):
    return readers.Crew(get, count, ahead, name="the data", hint="Without workers", **settings)


def large(number):
    """More than what goes through the pipe."""
    return {"x": torch.full((300, 100), float(number)), "y": (np.arange(20_000) + number, "text")}


def running(name):
    return [thread for thread in threading.enumerate() if thread.name.startswith(name)]


def segments():
    return set(os.listdir("/dev/shm"))


def children():
    listed = f"/proc/self/task/{os.getpid()}/children"
    with open(listed) as file:
        return set(file.read().split())


# --- processes -------------------------------------------------------------------------------------------------------


def test_batches_come_in_order_and_whole():
    workers = crew(large)
    for _ in range(2):
        for number, batch in enumerate(workers.read(range(12))):
            assert torch.equal(batch["x"], torch.full((300, 100), float(number)))
            assert np.array_equal(batch["y"][0], np.arange(20_000) + number)
            assert batch["y"][1] == "text"
        assert number == 11


def test_kept_batches_are_not_overwritten():
    kept = list(crew(large).read(range(20)))
    parts = [batch["x"][7] for batch in kept]
    del kept
    gc.collect()
    assert [part[3].item() for part in parts] == list(range(20))


def test_slots_are_used_again():
    places = [batch["x"].data_ptr() for batch in crew(large, 1, 2).read(range(30))]
    assert len(set(places)) <= 2 + 3


def test_a_view_keeps_its_slot():
    batches = crew(large, 1, 2).read(range(30))
    row = next(batches)["x"][5]
    for _ in batches:
        assert row[0] == 0


def test_sizes_may_change():
    def get(number):
        return torch.arange(number * 9_000), np.ones((0, 3), "float32"), torch.zeros(3, dtype=torch.bfloat16)

    for number, (x, empty, half) in enumerate(crew(get).read(range(9))):
        assert torch.equal(x, torch.arange(number * 9_000))
        assert empty.shape == (0, 3) and half.dtype is torch.bfloat16


def test_memory_of_the_slot_may_be_filled_directly():
    def get(number):
        made = shared_batches.empty((200, 100), torch.float32)
        inside = readers.shared_batches._outbox._start(made) is not None
        return made.fill_(number), torch.full((50,), number), inside

    found = list(crew(get, 1, 2).read(range(20)))
    for number, (x, y, _) in enumerate(found):
        assert (x == number).all() and (y == number).all()
    assert sum(inside for *_, inside in found) > 10


def test_a_pass_may_be_left():
    workers = crew(large, 1, 2)
    for _ in range(6):
        for number, batch in enumerate(workers.read(range(9))):
            assert batch["x"][0, 0] == number
            if number == 2:
                break


def test_nothing_is_left_behind():
    before, running = segments(), children()
    batches = crew(large).read(range(30))
    next(batches)
    assert children() - running
    batches.close()
    del batches
    gc.collect()
    assert segments() <= before
    assert children() <= running


def test_the_worker_s_traceback_is_the_cause():
    def get(number):
        if number == 3:
            raise OSError("no such picture")
        return large(number)

    workers = crew(get)
    with pytest.raises(OSError, match="no such picture") as caught:
        list(workers.read(range(9)))
    assert "in get" in str(caught.value.__cause__)
    assert len(list(workers.read(range(3)))) == 3


def test_a_killed_worker_is_told_of_soon():
    def get(number):
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return large(number)

    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"of the data ended before its work was done.*SIGKILL"):
        list(crew(get).read(range(9)))
    assert time.monotonic() - start < 30


# --- threads ---------------------------------------------------------------------------------------------------------


def test_threads_keep_the_order_and_end():
    def get(number):
        time.sleep(0.002 * (number % 3))
        return number

    assert list(readers.in_threads(get, range(20), 3, 5)) == list(range(20))
    left = readers.in_threads(get, range(20), 3, 5)
    next(left)
    assert running("reader")
    left.close()
    assert not running("reader")


def test_a_reader_s_own_timeout_is_its_own():
    def get(number):
        raise TimeoutError("the server")

    with pytest.raises(TimeoutError, match="the server"):
        list(readers.in_threads(get, range(3), 1, 1, timeout=5, late=AssertionError))


# --- one iterator, ahead ---------------------------------------------------------------------------------------------


@pytest.fixture
def eager(monkeypatch):
    """Threads take over from the second item on."""
    habit = readers.Habit()
    habit.ahead = True
    monkeypatch.setattr(readers, "_WORSE", float("inf"))
    return habit


class Counting:
    """An iterator that knows how far it was read, and by whom."""

    def __init__(self, count, error=None):
        self.read, self.count, self.error, self.threads = 0, count, error, set()

    def __iter__(self):
        return self

    def __next__(self):
        if self.read == self.count:
            raise self.error or StopIteration
        self.read += 1
        self.threads.add(threading.get_ident())
        return self.read


def settle(ahead):
    """Wait until the thread reads nothing."""
    thread = ahead._thread
    while thread._reading or (not thread._stopped and thread._may_read()):
        time.sleep(0.001)


def test_all_items_in_order(eager):
    items = Counting(30)
    ahead = readers.ReadAhead(items, eager)
    assert list(ahead) == list(range(1, 31))
    assert len(items.threads) == 2
    assert next(ahead, None) is None


def test_nothing_is_read_that_is_not_asked_for(eager):
    items = Counting(30)
    ahead = readers.ReadAhead(items, eager)
    ahead.allow(4)
    assert [next(ahead) for _ in range(3)] == [1, 2, 3]
    settle(ahead)
    assert items.read == 4
    assert next(ahead) == 4
    ahead.allow(20)
    assert next(ahead) == 5
    settle(ahead)
    assert items.read == 5 + readers._DEPTH
    # Who asks for more than was allowed gets it.
    ahead.allow(1)
    assert [next(ahead) for _ in range(25)] == list(range(6, 31))


def test_what_the_iterator_raises(eager):
    ahead = readers.ReadAhead(Counting(3, OSError("gone")), eager)
    assert [next(ahead) for _ in range(3)] == [1, 2, 3]
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            next(ahead)


def test_the_thread_ends_with_its_reader(eager):
    ahead = readers.ReadAhead(Counting(100), eager)
    next(ahead), next(ahead)
    thread = ahead._thread
    assert running("read ahead")
    del ahead
    gc.collect()
    thread.join(10)
    assert not thread._thread.is_alive()


def test_what_belongs_to_the_loop_comes_back_to_it(eager):
    def items():
        for number in range(50):
            readers.belongs_to_loop()
            yield number, threading.get_ident()

    found = list(readers.ReadAhead(items(), eager))
    assert [number for number, _ in found] == list(range(50))
    here = threading.get_ident()
    assert any(thread != here for _, thread in found)
    assert all(thread == here for _, thread in found[10:])


def test_which_iterators_get_a_thread(monkeypatch):
    def habit_of(worth, read):
        monkeypatch.setattr(readers, "_WORTH", worth)
        habit = readers.Habit()
        assert len(list(readers.ReadAhead((read() for _ in range(8)), habit))) == 8
        return habit.ahead

    monkeypatch.setattr(readers, "_WORSE", float("inf"))
    assert habit_of(0.0, lambda: 1) is True
    assert habit_of(100.0, lambda: 1) is False
    # Whose numbers come from the generator that the model draws from keeps its place in the order.
    assert habit_of(0.0, lambda: torch.rand(1)) is False


def test_a_thread_that_makes_the_loop_slower_goes(monkeypatch):
    monkeypatch.setattr(readers, "_WORTH", 0.0)
    monkeypatch.setattr(readers, "_WORSE", -1.0)
    habit = readers.Habit()
    items = Counting(40)
    assert list(readers.ReadAhead(items, habit)) == list(range(1, 41))
    assert habit.ahead is False and len(items.threads) == 2
