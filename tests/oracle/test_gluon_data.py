"""Data sets, samplers, loaders and record files against the real MXNet."""

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from mxnet_parity import assert_same, plain, run_here, same_code, same_expressions
from oracles import mxnet as oracle
from tandem.mxnet import recordio
from tandem.mxnet.gluon.data import vision

pytestmark = pytest.mark.oracle

RANDOM = np.random.default_rng(0)

SETUP = """
from collections import namedtuple
D = mx.gluon.data
d = D.SimpleDataset(list(range(10)))
a = D.ArrayDataset(np.arange(6).reshape(3, 2), [1, 2, 3])
n = D.ArrayDataset(nd.array(np.arange(12).reshape(6, 2)), nd.arange(6), np.arange(6, dtype='int32'))
P = namedtuple('P', 'x y')
def batches(dataset, size=2, **given):
    return [batch for batch in D.DataLoader(dataset, size, **given)]
class Failing(D.Dataset):
    def __len__(self): return 4
    def __getitem__(self, i):
        if i == 2: raise KeyError('boo')
        return i
failing = Failing()
"""


def test_data_sets():
    calls = """
        [list(d.shard(4, i)) for i in range(4)]
        d.shard(4, -1)
        d.shard(4, 4)
        d.shard(1.5, 0)
        list(d.take(3))
        list(d.take(None))
        list(d.take(30))
        list(d.take(-1))
        list(d.take(3.0))
        d.sample([1, 2])
        list(d.sample(D.SequentialSampler(3, 4)))
        list(d.filter(lambda x: x % 2))
        list(d.transform(lambda x: x * 2))
        list(d.transform(lambda x: x * 2, lazy=False))
        type(d.transform(lambda x: x, lazy=False))
        d[-1]
        d[10]
        len(d)
        [a[0][0], a[0][1]]
        [a[0:2][0], a[0:2][1]]
        type(a[0])
        [a.transform(lambda x, y: x * y)[1]]
        list(a.transform_first(lambda x: x * 2)[1])
        D.SimpleDataset([1, 2]).transform_first(lambda x: x * 2)[0]
        list(n[4])
        D.ArrayDataset()
        D.ArrayDataset([1], [1, 2])
        D.Dataset()[0]
        len(D.Dataset())
        D.RecordFileDataset('nosuch.rec')
    """
    same_expressions(calls, SETUP)


def test_samplers():
    calls = """
        list(D.SequentialSampler(3, 2))
        list(D.FilterSampler(lambda x: x > 6, d))
        list(D.BatchSampler(D.SequentialSampler(7), 3))
        list(D.BatchSampler(D.SequentialSampler(7), 3, 'discard'))
        [(len(r), list(r)) for r in [D.BatchSampler(D.SequentialSampler(7), 3, 'rollover')] for _ in range(3)]
        [len(D.BatchSampler(D.SequentialSampler(7), 3, last)) for last in ('keep', 'discard', 'rollover')]
        list(D.BatchSampler(D.SequentialSampler(7), 3, 'soft'))
        list(D.BatchSampler([3, 1, 2], 2))
        [int(i) for _ in range(2) for i in D.RandomSampler(10)]
    """
    same_expressions(calls, SETUP + "np.random.seed(3)")


def test_batches():
    calls = [
        f"batches({data})"
        for data in ["d", "a", "n", "nd.arange(5)", "np.arange(6).reshape(3,2)", "[P(1,2)]*4", "[True,False]"]
    ]
    for samples in ("[1.5, 2, 3]", "[(1, 2.0), (3, 4.0)]", "[[1, 2], [3, 4]]", "[np.float32(1), np.float32(2)]"):
        calls.append(f"batches({samples})")
    calls += ["batches([np.zeros(2, 'uint8'), np.ones(2, 'uint8')])", "batches([(nd.zeros(2), 1), (nd.ones(2), 2)])"]
    calls += [
        "batches([(np.arange(3),), (np.arange(3),)])",
        "batches(n, 4, last_batch='discard')",
        "batches(n, 4, shuffle=True)",
    ]
    calls += ["batches(n.transform_first(lambda x: x * 2), 4)", "batches(n.take(3).filter(lambda s: s[1] > 0))"]
    calls += ["batches(d, batchify_fn=sum)", "[len(D.DataLoader(d, 3, last_batch=w)) for w in ('keep', 'discard')]"]
    calls += ["batches(d, None, batch_sampler=[[1, 2], [5]])", "batches(d, num_workers=-1)", "batches(failing)"]
    calls += ["D.DataLoader(d)", "D.DataLoader(d, 3, True, D.SequentialSampler(10))", "D.DataLoader(d, 3, timeout=0)"]
    calls += ["D.DataLoader(d, 3, batch_sampler=[[1]])", "batches(iter([1, 2]))"]
    same_expressions(calls, SETUP + "np.random.seed(3)")


def test_batches_of_workers_have_the_same_values():
    code = (
        SETUP
        + "out = [[x.asnumpy() for x in batch] for batch in D.DataLoader(n, 4, num_workers=2, thread_pool=threads)]"
    )
    for threads in (False, True):
        same_code(code, "out", threads=threads)


# --- record files -----------------------------------------------------------------------------------------------------

WRITE = """
import random
R = mx.recordio
random.seed(2)
def written(folder):
    file = R.MXIndexedRecordIO(folder + '/a.idx', folder + '/a.rec', 'w')
    for i in range(30):
        content = bytes(random.randrange(256) for _ in range(random.randrange(40)))
        if i % 5 == 0:
            content = content[: len(content) // 4 * 4] + bytes([10, 35, 215, 206]) * (i % 3 + 1) + content
        label = [None, 1.5, [1, 2], np.arange(3)][i % 4] if i % 4 else float(i)
        file.write_idx(i, R.pack(R.IRHeader(0, label, i, 2 * i), content))
    file.close()
    return open(folder + '/a.rec', 'rb').read(), open(folder + '/a.idx', 'rb').read()
out = written(folder)
"""
READ = """
R = mx.recordio
file = R.MXIndexedRecordIO(folder + '/a.idx', folder + '/a.rec', 'r')
order = list(file.keys)[::-3]
found = [list(R.unpack(file.read_idx(key))[0]) + [R.unpack(file.read_idx(key))[1]] for key in order]
plain = R.MXRecordIO(folder + '/a.rec', 'r')
everything = []
while True:
    record = plain.read()
    if record is None:
        break
    everything.append(record)
"""


def test_record_files_are_the_same_bytes_and_read_both_ways(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    here = run_here(WRITE, folder=str(tmp_path / "here"))["out"]
    there = oracle.run(WRITE, ["out"], folder=str(tmp_path / "there"))["out"]
    assert tuple(here) == tuple(there)
    # Each reads what the other has written.
    mine = run_here(READ, folder=str(tmp_path / "there"))
    theirs = oracle.run(READ, ["order", "found", "everything"], folder=str(tmp_path / "here"))
    for name in ("order", "found", "everything"):
        assert_same(plain(mine[name]), theirs[name], name)


def test_record_files_fail_the_same(tmp_path):
    (tmp_path / "bad.rec").write_bytes(b"garbage!" * 4)
    (tmp_path / "bad.idx").write_text("0\t0\nx\ty\n")
    calls = """
        R.MXRecordIO(f + '/nosuch', 'r')
        R.MXRecordIO(f + '/nosuch/a', 'w')
        R.MXRecordIO(f + '/bad.rec', 'x')
        R.MXRecordIO(f + '/bad.rec', 'r').read()
        R.MXRecordIO(f + '/bad.rec', 'r').write(b'x')
        R.MXRecordIO(f + '/new.rec', 'w').read()
        R.MXRecordIO(f + '/new.rec', 'w').write('text')
        R.MXIndexedRecordIO(f + '/nosuch.idx', f + '/bad.rec', 'r')
        R.pack(R.IRHeader(0, 'x', 1, 2), b'')
        R.pack(R.IRHeader(0, 1, 1, 2), 'text')
    """
    same_expressions(calls, f"R = mx.recordio; f = {str(tmp_path)!r}")


def test_images_in_records(tmp_path):
    pixels = RANDOM.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    header = recordio.IRHeader(0, 3.0, 1, 0)
    mine = [recordio.pack_img(header, pixels, 3, ".png"), recordio.pack_img(header, pixels[:, :, 0], 3, ".png")]
    code = """
    R = mx.recordio
    header = R.IRHeader(0, 3.0, 1, 0)
    theirs = [R.pack_img(header, pixels, 3, '.png'), R.pack_img(header, pixels[:, :, 0], 3, '.png'),
              R.pack_img(header, pixels, 80, '.jpg')]
    out = [R.unpack_img(record, iscolor)[1] for record in [*mine, *theirs] for iscolor in (-1, 0, 1)]
    """
    there = oracle.run(code, ["theirs", "out"], pixels=pixels, mine=mine)
    here = [recordio.unpack_img(record, color)[1] for record in [*mine, *there["theirs"]] for color in (-1, 0, 1)]
    for a, b in zip(here, there["out"]):
        assert a.shape == b.shape and (a == b).all()


# --- images -----------------------------------------------------------------------------------------------------------


def test_folders_of_images(tmp_path):
    for name in ("b", "a", "10", "9", ".hidden"):
        (tmp_path / name).mkdir()
        for number in range(2):
            Image.fromarray(RANDOM.integers(0, 256, (4, 5, 3), dtype=np.uint8)).save(tmp_path / name / f"{number}.png")
    Image.fromarray(RANDOM.integers(0, 256, (4, 5, 3), dtype=np.uint8)).save(tmp_path / "a" / "x.JPG")
    (tmp_path / "a" / "notes.txt").touch()
    (tmp_path / "top").touch()
    (tmp_path / "b" / "bad.png").write_bytes(b"junk")
    setup = f"F = mx.gluon.data.vision.ImageFolderDataset; f = {str(tmp_path)!r}; import warnings\n"
    setup += "warnings.simplefilter('ignore'); s = F(f)"
    calls = ["s.synsets", "s.items", "len(s)", "s[-1]", "s[50]", "F(f + '/nosuch')"]
    calls += [f"list({kind}[{i}])" for kind in ("s", "F(f, flag=0)") for i in (0, 4, 8)]
    calls += ["F(f, transform=lambda x, y: y)[3]"]
    same_expressions(calls, setup)


def test_downloaded_data_sets(tmp_path, monkeypatch):
    """The same files in both, with the check of the hash switched off."""
    for part, count in (("train", 6), ("t10k", 4)):
        for kind, values in (
            ("images-idx3", RANDOM.integers(0, 256, (count, 28, 28), dtype=np.uint8)),
            ("labels-idx1", RANDOM.integers(0, 10, count, dtype=np.uint8)),
        ):
            header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
            (tmp_path / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + values.tobytes()))
    for name, length in [(f"data_batch_{i}.bin", 3073) for i in range(1, 6)] + [("test_batch.bin", 3073)]:
        (tmp_path / name).write_bytes(RANDOM.integers(0, 256, (3, length), dtype=np.uint8).tobytes())
    for name in ("train.bin", "test.bin"):
        (tmp_path / name).write_bytes(RANDOM.integers(0, 256, (3, 3074), dtype=np.uint8).tobytes())
    code = """
    V = mx.gluon.data.vision
    changed = V.MNIST(f, transform=lambda x, y: (x.astype('float32') / 2, y))
    made = [V.MNIST(f), V.MNIST(f, False), V.FashionMNIST(f), V.CIFAR10(f), V.CIFAR10(f, False), V.CIFAR100(f),
            V.CIFAR100(f, True), V.CIFAR100(f, False, False)]
    out = [[len(s), list(s[1]), list(s[-1]), list(s[0:2])] for s in made] + [list(changed[0])]
    """
    theirs = """
    from unittest import mock
    D = mx.gluon.data.vision.datasets
    mock.patch.object(D, 'check_sha1', lambda *a: True).start()
    mock.patch.object(D, 'download', lambda url, path=None, **k: path + '/' + url.split('/')[-1]).start()
    """
    try:
        there = oracle.run(theirs + code, ["out"], f=str(tmp_path))["out"]
    finally:
        oracle.close()  # what was patched goes with the process
    monkeypatch.setenv("TANDEM_RUN_TRUST_CACHE", "1")
    assert_same(plain(run_here(code, f=str(tmp_path))["out"]), there)
    assert vision.datasets.__all__
