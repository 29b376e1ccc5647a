"""`contrib.autograd`, `contrib.io`, `contrib.tensorboard`, and `mx.runtime`, `mx.log`, `mx.libinfo`, `mx.profiler`."""

import json
import logging
import re
import subprocess
import sys
import textwrap
import types

import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_parity import same_code, same_expressions
from tandem.mxnet import nd, profiler
from tandem.mxnet.base import MXNetError
from tandem.mxnet.contrib import io as contrib_io
from tandem.mxnet.contrib import tensorboard

_SETUP = """
import importlib
ca = importlib.import_module(mx.__name__ + ".contrib.autograd")
cio = importlib.import_module(mx.__name__ + ".contrib.io")
log = importlib.import_module(mx.__name__ + ".log")
x, y = nd.array([1.0, 2, 3]), nd.array([2.0, 5, 1])
f = lambda a, b: a * b + a
"""


@pytest.mark.oracle
def test_old_autograd():
    uses = """
        ca.grad_and_loss(f)(x, y)
        ca.grad(f)(x, y)
        ca.grad(f, argnum=1)(x, y)
        ca.grad(f, argnum=[0, 1])(x, y)
        ca.grad(f)(1, 2)
        ca.grad(f, argnum=5)(x, y)
        ca.grad(lambda a: [a * 2, a * a])(x)
        [ca.set_is_training(True), autograd.is_recording(), autograd.is_training(), ca.set_is_training(False)]
        ca.backward([x])
        autograd.is_recording()
    """
    same_expressions(uses, _SETUP)
    code = """
    ca.mark_variables([x], [nd.zeros(3)])
    states = []
    with ca.train_section():
        z = x * x * 2
        states.append((autograd.is_recording(), autograd.is_training()))
        with ca.test_section():
            states.append((autograd.is_recording(), autograd.is_training()))
    ca.compute_gradient([z])
    found = x.grad
    """
    same_code(_SETUP + code.replace("\n    ", "\n"), ["states", "found"])


@pytest.mark.oracle
def test_a_loader_as_an_iterator():
    code = """
    data = mx.gluon.data.ArrayDataset(np.arange(30, dtype="float32").reshape(10, 3), np.arange(10, dtype="float32"))
    found = []
    for last, dtype in (("keep", "float32"), ("discard", "float64")):
        it = cio.DataLoaderIter(mx.gluon.data.DataLoader(data, batch_size=4, last_batch=last), "d", "l", dtype)
        found.append([(tuple(one.shape), one.name, str(one.dtype), one.layout) for one in it.provide_data])
        for _ in range(2):
            for batch in it:
                real = 4 - batch.pad
                found.append((batch.data[0][:real], batch.label[0][:real], batch.pad, batch.index, batch.data[0].shape))
            it.reset()
        found.append(it.batch_size)
    """
    same_code(_SETUP + code.replace("\n    ", "\n"), "found")


def test_an_iterator_fills_up_with_zeros():
    data = mx.gluon.data.ArrayDataset(np.ones((3, 2), "float32"), np.ones(3, "float32"))
    *_, last = contrib_io.DataLoaderIter(mx.gluon.data.DataLoader(data, batch_size=2))
    np.testing.assert_array_equal(last.data[0].asnumpy(), [[1, 1], [0, 0]])


def test_tensorboard_gets_each_value_with_its_step(monkeypatch, tmp_path):
    written = []

    class Writer:
        def __init__(self, folder):
            self.folder = folder

        def add_scalar(self, name, value, step):
            written.append((name, value, step))

        def flush(self):
            written.append("flush")

    fake = types.ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    callback = tensorboard.LogMetricsCallback(str(tmp_path), prefix="train")
    metric = mx.metric.Accuracy()
    metric.update([nd.array([0, 1])], [nd.array([[0.9, 0.1], [0.8, 0.2]])])
    callback(types.SimpleNamespace(eval_metric=None))
    callback(types.SimpleNamespace(eval_metric=metric))
    assert written == [("train-accuracy", 0.5, 2), "flush"]


def test_tensorboard_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        tensorboard.LogMetricsCallback(str(tmp_path))


@pytest.mark.oracle
def test_features_have_the_real_names():
    uses = """
        list(mx.runtime.Features())
        [feature.name for feature in mx.runtime.feature_list()]
        repr(mx.runtime.Features()['CUDA'])
        mx.runtime.Features().is_enabled('cuda')
        mx.runtime.Features().is_enabled('x')
        mx.runtime.Features() is mx.runtime.Features()
    """
    same_expressions(uses, "import importlib; importlib.import_module(mx.__name__ + '.runtime')")


@pytest.mark.oracle
def test_lines_of_the_log():
    code = """
    import logging
    logger = log.get_logger("tandem test of lines")
    lines = []
    for level in (10, 20, 30, 40, 50):
        record = logging.LogRecord("x", level, "/a/b.py", 12, "message %d", (3,), None, "function")
        record.created, record.process = 1e9, 7
        lines.append(logger.handlers[0].formatter.format(record))
    again = log.get_logger("tandem test of lines", level=10)
    found = (again is logger, len(logger.handlers), logger.level, log.get_logger() is logging.getLogger())
    """
    same_code(_SETUP + code.replace("\n    ", "\n"), ["lines", "found"])


def test_log_to_a_file(tmp_path):
    path = tmp_path / "x.log"
    logger = mx.log.get_logger("tandem test of files", filename=str(path), filemode="w", level=mx.log.INFO)
    logger.info("hello")
    for handler in logger.handlers:
        handler.close()
    assert path.read_text() == "hello\n"
    with pytest.warns(DeprecationWarning, match="get_logger"):
        assert mx.log.getLogger("tandem test of files") is logger
    assert logging.getLogger("tandem test of files") is logger


def test_there_is_no_library_to_find():
    assert mx.libinfo.__version__ == "1.9.1"
    for find in (mx.libinfo.find_lib_path, mx.libinfo.find_include_path, mx.libinfo.find_conf_path):
        with pytest.raises(RuntimeError, match="no C library"):
            find()


@pytest.fixture
def profile(tmp_path, monkeypatch):
    monkeypatch.setattr(profiler, "_profile", profiler._Profile())
    profiler.set_config(filename=str(tmp_path / "profile.json"), profile_all=True, aggregate_stats=True)
    yield tmp_path / "profile.json"
    profiler.set_state("stop")


def count(table, name):
    found = re.search(rf"^{re.escape(name)} +(\d+) ", table, re.MULTILINE)
    return int(found[1]) if found else 0


def test_profile_of_operators(profile):
    a = nd.ones((50, 50))
    profiler.set_state("run")
    for _ in range(3):
        nd.dot(a, a)
    profiler.pause()
    nd.dot(a, a)
    profiler.resume()
    nd.dot(a, a)
    table = profiler.dumps()
    assert count(table, "aten::mm") == 4
    nd.dot(a, a)
    profiler.set_state("stop")
    numbers = json.loads(profiler.dumps(format="json"))
    one = numbers["Time"]["aten"]["aten::mm"]
    assert one["Count"] == numbers["Time"]["operator"]["dot"]["Count"] == 5
    assert one["Total"] < numbers["Time"]["operator"]["dot"]["Total"]
    assert one["Min"] <= one["Avg"] <= one["Max"] <= one["Total"]
    assert numbers["Memory"]["Device Storage"]["Memory: cpu/0"]["Max"] == pytest.approx(50 * 50 * 4 / 1024, rel=0.01)
    lines = profiler.dumps(sort_by="count", ascending=True, reset=True).split("aten\n")[1].split("\n\n")[0].splitlines()
    counts = [int(line.split()[-5]) for line in lines[3:]]
    assert counts == sorted(counts)
    assert count(profiler.dumps(), "aten::mm") == 0
    profiler.dump()
    events = json.loads(profile.read_text())["traceEvents"]
    assert sum(event["name"] == "aten::mm" for event in events) == 5


@pytest.mark.oracle
def test_operators_have_the_real_names(tmp_path):
    code = """
    import importlib, json
    profiler = importlib.import_module(mx.__name__ + ".profiler")
    profiler.set_config(profile_all=True, aggregate_stats=True, filename=filename)
    a = nd.ones((3, 3))
    nd.waitall()
    profiler.set_state("run")
    a + 1, 1 + a, a - 1, 1 - a, a * 2, a / 2, 2 / a, a ** 2, 2 ** a, a % 2, 2 % a
    a + a, a - a, a * a, a / a, a ** a, a % a, a > a, a > 1, a == a, a != 1, a <= a, abs(a)
    a += 1
    a *= a
    nd.sqrt(a), nd.add(a, a), a.sum(), nd.dot(a, a), nd.concat(a, a, dim=0), a.exp()
    nd.FullyConnected(a, a, num_hidden=3, no_bias=True)
    nd.waitall()
    profiler.set_state("stop")
    counts = {name: one["Count"] for name, one in json.loads(profiler.dumps(format="json"))["Time"]["operator"].items()}
    ours = ("Resource", "Copy", "Delete", "WaitForVar")  # the engine's own
    counts = {name: count for name, count in counts.items() if not name.startswith(ours)}
    """
    same_code(
        textwrap.dedent(code), "counts", filename=str(tmp_path / "profile.json")
    )  # not a device: MXNet would put a file in its place


def test_profile_of_ones_own(profile):
    domain = profiler.Domain("mine")
    task, frame, event = domain.new_task("task"), domain.new_frame("frame"), profiler.Event("event")
    counter, marker = domain.new_counter("counter", 5), domain.new_marker("marker")
    for one in (task, frame, event):  # not measured yet
        one.start()
        one.stop()
    profiler.set_state("run")
    for one in (task, frame, event, task):
        one.start()
        one.stop()
    task.stop()
    counter += 3
    counter -= 1
    counter.increment(2)
    counter.decrement()
    marker.mark()
    with pytest.raises(MXNetError, match="scope"):
        marker.mark("x")
    profiler.set_state("stop")
    table = profiler.dumps()
    assert [count(table, name) for name in ("task", "frame", "event", "counter")] == [2, 1, 1, 4]
    assert re.search(r"counter +4 +7\.0000 +9\.0000 +8\.0000", table)
    assert [str(one) for one in (domain, task, counter, marker)] == ["mine", "task", "counter", "marker"]
    profiler.dump(finished=False)
    kinds = {event["cat"]: event["ph"] for event in json.loads(profile.read_text())["traceEvents"]}
    assert {"mine,frame": "X", "mine,instant_marker": "i", "event": "X"}.items() <= kinds.items()


def test_what_a_profile_refuses(monkeypatch):
    monkeypatch.setattr(profiler, "_profile", profiler._Profile())
    assert profiler.dumps() == ""
    with pytest.raises(MXNetError, match="hasn't been run"):
        profiler.dump()
    with pytest.raises(MXNetError, match=r"Cannot find argument 'profile_al'.*'profile_all'"):
        profiler.set_config(profile_al=True)
    with pytest.raises(NotImplementedError, match="files of their own"):
        profiler.set_config(gpu_memory_profile_filename_prefix="x")
    with pytest.raises(KeyError):
        profiler.set_state("x")
    with pytest.raises(MXNetError, match="server"):
        profiler.set_state("run", profile_process="server")
    with pytest.raises(AssertionError, match="sort_by"):
        profiler.dumps(sort_by="x")
    with pytest.warns(UserWarning, match="set_config"):
        profiler.profiler_set_config(mode="all")
    assert profiler._profile.config["profile_all"]


def test_continuous_dump_writes_at_each_pause(profile):
    profiler.set_config(continuous_dump=True)
    profiler.set_state("run")
    nd.ones(3)
    profiler.pause()
    assert any(event["name"] == "aten::ones" for event in json.loads(profile.read_text())["traceEvents"])


def test_a_script_that_ends_while_it_is_measured_leaves_its_profile(tmp_path):
    path = tmp_path / "profile.json"
    script = (
        "import sys, tandem.mxnet as mx\n"
        "mx.profiler.set_config(profile_all=True, filename=sys.argv[1])\n"
        "mx.profiler.set_state('run')\n"
        "mx.nd.ones((2,)).wait_to_read()\n"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, timeout=120)
    assert json.loads(path.read_text())["traceEvents"]
