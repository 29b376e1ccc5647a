"""Pickled optimizer states are read as data: nothing in them runs, and what they claim costs nothing."""

import os
import pickle
import struct
import tracemalloc

import numpy as np
import pytest

from tandem.formats import params, pickled_states


class NDArray:
    """Pickles as MXNet's array does."""

    def __init__(self, values):
        self.values = values

    def __reduce__(self):
        import io

        file = io.BytesIO()
        params.write(file, [self.values])
        record = file.getvalue()[24:-8]
        return NDArray, (None,), {"handle": bytearray(record)}


NDArray.__module__ = "mxnet.ndarray.ndarray"


class Adam:
    def __init__(self, **attributes):
        vars(self).update(attributes)


Adam.__module__ = "mxnet.optimizer.optimizer"


@pytest.fixture
def pickled(monkeypatch):
    """Bytes of an object, with classes under MXNet's names."""
    import sys
    import types

    for name, klass in (("mxnet.ndarray.ndarray", NDArray), ("mxnet.optimizer.optimizer", Adam)):
        module = types.ModuleType(name)
        setattr(module, klass.__name__, klass)
        for parent in ("mxnet", name.rsplit(".", 1)[0]):
            monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))
        monkeypatch.setitem(sys.modules, name, module)
    return lambda thing, protocol=4: pickle.dumps(thing, protocol)


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol(pickled, protocol):
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    counts = {0: {1: 5}}
    adam = Adam(lr=0.5, beta1=np.float64(0.25), multi_precision=True, counts=counts, name="ä", more=[1, -2, 1 << 40])
    states = {0: (NDArray(value), None), 1: NDArray(value[:1]), "key": None}
    found, optimizer = pickled_states.read(pickled((states, adam), protocol))
    np.testing.assert_array_equal(found[0][0], value)
    assert found[0][1] is None
    assert found[1].shape == (1, 3)
    assert (optimizer.module, optimizer.name) == ("mxnet.optimizer.optimizer", "Adam")
    assert optimizer.attributes == {
        "lr": 0.5,
        "beta1": 0.25,
        "multi_precision": True,
        "counts": counts,
        "name": "ä",
        "more": [1, -2, 1 << 40],
    }


class Touch:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "where", [lambda bomb: {0: bomb}, lambda bomb: bomb, lambda bomb: ({}, bomb), lambda bomb: [bomb]]
)
def test_nothing_is_called(tmp_path, protocol, where):
    target = str(tmp_path / "made")
    data = pickle.dumps(where(Touch(target)), protocol)
    try:
        found, optimizer = pickled_states.read(data)
        assert (found, optimizer.name) == ({}, "mkdir")  # a record of a name, which no registry has
    except pickled_states.FormatError:
        pass
    assert not os.path.exists(target)
    pickle.loads(data)
    assert os.path.exists(target)  # the pickle itself works


def test_what_is_cut_off_is_refused_wherever_it_ends(pickled):
    whole = pickled(({0: NDArray(np.ones(3, np.float32))}, Adam(lr=0.1)))
    for end in range(len(whole)):
        with pytest.raises(pickled_states.FormatError):
            pickled_states.read(whole[:end])


def _bombs():
    yield "a long text", b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"x."
    yield "a long bytearray", b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"x."
    yield "a long number", b"\x80\x04\x8b" + struct.pack("<i", (1 << 31) - 1) + b"x."
    yield "a far place in the memo", b"\x80\x04}r" + struct.pack("<I", 0xFFFFFFF0) + b"0j" + struct.pack("<I", 1) + b"."
    yield "a list of itself", b"\x80\x04}K\x00]\x94h\x00as."
    nested = b"\x80\x04}K\x00" + b"]" * 100000 + b"a" * 99999 + b"s."
    yield "deep lists", nested
    doubled = b"]\x94" + b"".join(b"]\x94(h%ch%ce" % (n, n) for n in range(60))
    yield "lists that name others twice", b"\x80\x04" + doubled + b"."


@pytest.mark.parametrize(("name", "data"), list(_bombs()), ids=[name for name, _ in _bombs()])
def test_bombs(name, data):
    tracemalloc.start()
    try:
        with pytest.raises(pickled_states.FormatError):
            pickled_states.read(data)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "thing", [5, "text", [1], {0: "text"}, {0: {1: 2}}, ({}, 5), {0: (None, "x")}, {0: np.float64(1), 1: [b"x"]}]
)
def test_other_things_are_refused(thing):
    with pytest.raises(pickled_states.FormatError):
        pickled_states.read(pickle.dumps(thing))
