"""A full disk is an error, and leaves the files that were there."""

import errno
import multiprocessing
import os
import resource
import signal

import numpy as np
import pytest
import torch

import tandem.mxnet as mx
from tandem.mxnet import autograd, gluon, nd


def _net():
    net = gluon.nn.HybridSequential(prefix="net_")
    with net.name_scope():
        net.add(gluon.nn.Dense(60, in_units=60))
    net.initialize(mx.init.One())
    net.hybridize()
    net(nd.ones((2, 60)))
    return net


def _trainer(path):
    net = _net()
    trainer = gluon.Trainer(net.collect_params(), "adam")
    with autograd.record():
        loss = net(nd.ones((2, 60))).sum()
    loss.backward()
    trainer.step(2)
    trainer.save_states(str(path / "t.states"))


def _module(path):
    symbol = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=60, name="fc")
    module = mx.mod.Module(symbol, label_names=None)
    module.bind([("data", (2, 60))])
    module.init_params()
    module.init_optimizer()
    module.save_checkpoint(str(path / "m"), 1, save_optimizer_states=True)


_WRITERS = {
    "nd.save": lambda path: nd.save(str(path / "a.params"), {"a": nd.ones((60, 60))}),
    "save_parameters": lambda path: _net().save_parameters(str(path / "p.params")),
    "save_states": _trainer,
    "export": lambda path: _net().export(str(path / "e")),
    "save_checkpoint": _module,
    "symbol.save": lambda path: (mx.sym.var("x" * 5000) + 1).save(str(path / "s.json")),
}


def _with_little_room(name, path):
    torch.set_num_threads(1)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))
    try:
        _WRITERS[name](path)
    except (OSError, mx.MXNetError) as error:
        os._exit(7 if os.strerror(errno.EFBIG) in str(error) else 8)
    os._exit(9)


@pytest.mark.parametrize("name", _WRITERS)
def test_the_earlier_file_outlives_a_full_disk(name, tmp_path):
    np.random.seed(0)
    _WRITERS[name](tmp_path)
    before = sorted(os.listdir(tmp_path))
    kept = {entry: (tmp_path / entry).read_bytes() for entry in before if (tmp_path / entry).stat().st_size > 4000}
    assert kept
    process = multiprocessing.get_context("fork").Process(target=_with_little_room, args=(name, tmp_path))
    process.start()
    process.join(60)
    assert process.exitcode == 7
    assert sorted(os.listdir(tmp_path)) == before
    assert {entry: (tmp_path / entry).read_bytes() for entry in kept} == kept
    with pytest.raises((OSError, mx.MXNetError), match="nowhere"):
        _WRITERS[name](tmp_path / "nowhere")
