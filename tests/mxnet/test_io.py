"""`mx.io` against the real MXNet: batches, descriptions, iterators over arrays and over files."""

import gzip
import struct

import h5py
import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_parity import assert_same, plain, same_code, same_expressions
from tandem.mxnet.base import MXNetError

SETUP = """
io = mx.io; N, D = io.NDArrayIter, io.DataDesc
z = onp.zeros((3, 2)); five = nd.arange(10).reshape((5, 2))

def told(descriptions):
    return [(d.name, list(d.shape), onp.dtype(d.dtype).name, d.layout) for d in descriptions]

def batches(it, epochs=1):
    found = []
    for _ in range(epochs):
        found.append([[list(b.data), list(b.label), b.pad, b.index] for b in it])
        it.reset()
    return found
"""


@pytest.mark.oracle
def test_descriptions_and_batches():
    same_expressions(
        """
        tuple(D('data', (2, 3)))
        repr(D('data', (2, 3), 'float64', 'NHWC'))
        D('data', (2, 3)) == ('data', (2, 3))
        [D('data', (2, 3)).layout, D('d', (1,)).dtype, D._fields]
        [D.get_batch_axis(layout) for layout in ('TNC', 'NCHW', None, 'C')]
        [repr(d) for d in D.get_list([('a', (1, 2))], [('a', 'float16')])]
        [repr(d) for d in D.get_list([('a', (1, 2)), ('b', (3,))], None)]
        str(io.DataBatch([nd.ones((2, 3))], [nd.ones((2,))], pad=1))
        str(io.DataBatch([nd.ones((2, 3))]))
        io.DataBatch(nd.ones((2, 3)))
        io.DataBatch([nd.ones((2, 3))], nd.ones(2))
        vars(io.DataBatch([], pad=2, index=3, bucket_key=4))
        io.DataIter(4).batch_size
        io.DataIter(4).next()
        [getattr(io.DataIter(), name)() for name in ('iter_next', 'getdata', 'getlabel', 'getindex', 'getpad', 'reset')]
        __import__('copy').copy(D('a', (1,), 'int8', 'NT')).layout
        """,
        SETUP,
    )


@pytest.mark.oracle
def test_arrays_of_ndarrayiter():
    same_expressions(
        """
        told(N({'b': z, 'a': z[:, :1]}).provide_data)
        told(N([z, z], [z[:, 0], z[:, 1]]).provide_label)
        told(N([z], [z[:, 0]], data_name='x', label_name='y').provide_data)
        told(N([z], [z[:, 0]], data_name='x', label_name='y').provide_label)
        told(N(z.astype('int64')).provide_data)
        told(N(nd.zeros((3, 2), dtype='int8'), layout='NT').provide_data)
        told(N(z, []).provide_label)
        told(N({'a': [1, 2]}).provide_data)
        N('abc')
        N(None)
        N([])
        N({})
        N({'a': 'x'})
        N((z,))
        N(z, batch_size=5).next().data
        N(z, batch_size=10).next().data
        N(z, batch_size=5, last_batch_handle='discard').next()
        N(z, batch_size=5, last_batch_handle='roll_over').next()
        N(z, onp.zeros(2), 2).next().label
        [N(five).data[0][1] is five, N(five, nd.arange(5)).num_source, N(five).num_data, N(five).idx.tolist()]
        mx.io.io._init_data(None, True, 'x')
        mx.io.utils._init_data({'b': [1], 'a': [2]}, True, 'x')
        mx.io.utils._has_instance([('a', five)], nd.NDArray)
        mx.io.utils._getdata_by_idx([('a', five)], onp.array([2, 1]))
        """,
        SETUP,
    )


@pytest.mark.oracle
@pytest.mark.parametrize("handle", ["pad", "discard", "roll_over", "another"])
def test_epochs_of_ndarrayiter(handle):
    code = f"""
    import numpy as onp
    found = []
    for shuffle in (False, True):
        for rows, size in ((7, 3), (6, 3), (5, 4), (1, 1)):
            np.random.seed(3)
            it = mx.io.NDArrayIter({{'a': np.arange(rows), 'b': np.arange(2 * rows).reshape(rows, 2)}},
                                   nd.arange(rows, dtype='int32'), size, shuffle, {handle!r})
            for _ in range(4):
                found.append([[b.data, b.label, b.pad, b.index] for b in it])
                found.append(it.cursor)
                it.reset()
            it.next()
            it.reset()
            found.append([b.data for b in it])
            it.hard_reset()
            found.append([[it.getindex(), it.cursor], [b.label for b in it]])
            found.append(np.random.rand())
    """
    same_code(code, ["found"])


@pytest.mark.oracle
def test_ndarrayiter_by_hand():
    code = """
    found = []
    def attempt(call):
        try:
            found.append(call())
        except (AssertionError, StopIteration) as error:
            found.append(type(error).__name__)
    for handle in ('pad', 'discard', 'roll_over'):
        it = mx.io.NDArrayIter(nd.arange(5), batch_size=2, last_batch_handle=handle)
        for _ in range(4):
            found.append(bool(it.iter_next()))
            attempt(it.getdata)
            attempt(it.getpad)
        it.reset()
        for _ in range(4):
            attempt(lambda: it.next().data)
    x = nd.arange(6)
    it = mx.io.NDArrayIter(x, batch_size=2)
    it.next().data[0][:] = 9
    found.append(x)
    """
    same_code(code, ["found"])


@pytest.mark.oracle
def test_iterators_over_iterators():
    code = """
    def pairs():
        return mx.io.NDArrayIter(nd.arange(10).reshape((5, 2)), nd.arange(5), 2)
    def told(one):
        return [[(d.name, list(d.shape), np.dtype(d.dtype).name) for d in one.provide_data],
                [(d.name, list(d.shape)) for d in one.provide_label], one.batch_size]
    def taken(one):
        return [[b.data, b.label, b.pad, b.index] for b in one]
    found = []
    for internal in (True, False):
        it = mx.io.ResizeIter(pairs(), 4, internal)
        found.append(told(it))
        found.append(taken(it))
        found.append(taken(it))
        it.reset()
        found.append(taken(it))
        found.append([it.getdata(), it.getlabel(), it.getindex(), it.getpad(), it.cur])
    other = mx.io.NDArrayIter({'d': nd.arange(5)}, {'l': nd.arange(5)}, 2)
    it = mx.io.PrefetchingIter([pairs(), other])
    found.append(told(it))
    found.append([[b.data, b.label, b.pad, b.index, len(b.provide_data)] for b in it])
    found.append(taken(it))
    it.reset()
    found.append(taken(it))
    it.reset()
    it.next()
    found.append([it.getdata(), it.getlabel(), it.getindex(), it.getpad()])
    it = mx.io.PrefetchingIter(pairs(), [{'data': 'x'}], [{'softmax_label': 'y'}])
    found.append(told(it))
    it = mx.io.PrefetchingIter([pairs(), mx.io.NDArrayIter(nd.arange(3), batch_size=2)])
    try:
        found.append(taken(it))
    except AssertionError:
        found.append('AssertionError')
    """
    same_code(code, ["found"])


def test_an_error_in_a_prefetching_thread_is_raised():
    class Broken(mx.io.NDArrayIter):
        def next(self):
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        mx.io.PrefetchingIter(Broken(np.zeros((2, 1)))).next()
    with pytest.raises(AssertionError):
        mx.io.PrefetchingIter([])


def test_arrays_on_disk(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("d", data=np.arange(14.0).reshape(7, 2))
        for handle in ("pad", "roll_over", "discard"):
            for shuffle in (False, True):
                found = []
                for source in (data, data[:]):
                    np.random.seed(5)
                    it = mx.io.NDArrayIter(source, np.arange(7), 3, shuffle, handle)
                    found.append([])
                    for _ in range(3):
                        found[-1] += [[plain(batch.data), plain(batch.label), batch.pad] for batch in it]
                        it.reset()
                assert_same(*found)


def test_arrays_of_numpy_mode_stay_so():
    with mx.np_array(), mx.np_shape():
        it = mx.io.NDArrayIter(mx.np.arange(5), batch_size=3, shuffle=True)
        assert [type(batch.data[0]) for batch in it] == [mx.np.ndarray] * 2


# --- files -----------------------------------------------------------------------------------------------------------


def _idx(path, values, packed=False):
    data = struct.pack(">I", 0x800 | values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    data += values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data) if packed else data)


@pytest.fixture
def folder(tmp_path):
    """Files of numbers; the paths of all as strings that begin with the folder's."""
    table = np.arange(21).reshape(7, 3)
    np.savetxt(tmp_path / "x.csv", table + 0.5, "%.1f", ",")
    np.savetxt(tmp_path / "i.csv", table, "%d", ",")
    np.savetxt(tmp_path / "y.csv", np.arange(7), "%d", ",")
    np.savetxt(tmp_path / "y2.csv", table[:, :2], "%d", ",")
    np.savetxt(tmp_path / "few.csv", np.arange(6), "%d", ",")
    _idx(tmp_path / "images", np.arange(7 * 12).reshape(7, 3, 4) * 3)
    _idx(tmp_path / "labels", np.arange(7))
    (tmp_path / "a.svm").write_text("1 0:1.5 2:2\n0 1:3\n2 0:4 3:5.5\n3\n1 2:1\n")
    return str(tmp_path) + "/"


# MXNet uses an array's memory again: values are taken at once.
_EPOCHS = """
def epochs(it, count=3):
    given = it.provide_data + it.provide_label
    found = [[it.batch_size, [(d.name, list(d.shape), np.dtype(d.dtype).name) for d in given]]]
    for _ in range(count):
        found.append([[b.data[0].asnumpy(), b.label[0].asnumpy(), b.pad, b.index] for b in it])
        it.reset()
    return found
"""


@pytest.mark.oracle
def test_tables(folder):
    code = (
        _EPOCHS
        + """
C = mx.io.CSVIter
found = [
    epochs(C(data_csv=d + 'x.csv', data_shape=(3,), batch_size=3)),
    epochs(C(data_csv=d + 'x.csv', data_shape='(3,1)', batch_size='3', label_csv=d + 'y.csv', label_shape='(1,)')),
    epochs(C(data_csv=d + 'x.csv', data_shape=3, batch_size=2, label_csv=d + 'y2.csv', label_shape=(2,),
             data_name='a', label_name='b')),
    epochs(C(data_csv=d + 'x.csv', data_shape=(3,), batch_size=3, label_csv=d + 'y.csv', round_batch=False)),
    epochs(C(data_csv=d + 'x.csv', data_shape=(3,), batch_size=5)),
    epochs(C(data_csv=d + 'i.csv', data_shape=(3,), batch_size=7, dtype='int32', label_csv=d + 'y.csv')),
    epochs(C(data_csv=d + 'i.csv', data_shape=(3,), batch_size=3, dtype='int64')),
    epochs(C(data_csv=d + 'x.csv', data_shape=(3,), batch_size=3, dtype='int32')),
]
it = C(data_csv=d + 'x.csv', data_shape=(3,), batch_size=3)
found.append([it.next().data, it.getpad(), it.getindex(), it.getdata(), it.getlabel()])
found.append([it.iter_next() for _ in range(4)])
found.append(type(it).__name__)
"""
    )
    same_code(code, ["found"], d=folder)


@pytest.mark.oracle
def test_digits(folder):
    code = (
        _EPOCHS
        + """
M = lambda **given: mx.io.MNISTIter(image=d + 'images', label=d + 'labels', silent=True, **given)
found = [
    epochs(M(batch_size=3, shuffle=False)),
    epochs(M(batch_size=3, shuffle=False, flat=True)),
    epochs(M(batch_size=2, shuffle=False, num_parts=2, part_index=0)),
    epochs(M(batch_size=2, shuffle=False, num_parts=2, part_index=1)),
    epochs(M(batch_size=3)),
    epochs(M(batch_size=7, seed=4), 1),
]
"""
    )
    same_code(code, ["found"], d=folder)


@pytest.mark.oracle
def test_sparse_rows(folder, tmp_path):
    (tmp_path / "l.svm").write_text("0:1 1:2\n1:3\n0:4\n1:1 0:6\n0:7\n")
    code = (
        _EPOCHS
        + """
kept = []  # MXNet's arrays do not outlive their iterator
def L(**given):
    kept.append(mx.io.LibSVMIter(**given))
    return kept[-1]
found = [
    epochs(L(data_libsvm=d + 'a.svm', data_shape=(4,), batch_size=2)),
    epochs(L(data_libsvm=d + 'a.svm', data_shape='(4,)', batch_size=3, label_libsvm=d + 'l.svm', label_shape=(2,))),
    epochs(L(data_libsvm=d + 'a.svm', data_shape=(4,), batch_size=5, data_name='x')),
]
it = L(data_libsvm=d + 'a.svm', data_shape=(4,), label_libsvm=d + 'l.svm', label_shape=(2,), batch_size=2)
b = it.next()
found.append([[one.stype, *(part.asnumpy() for part in (one.data, one.indices, one.indptr))]
              for one in (b.data[0], b.label[0])])
dense = nd.arange(20).reshape((5, 4)) * nd.array([[0, 1, 0, 2]])
it = mx.io.NDArrayIter(dense.tostype('csr'), {'label': dense.tostype('csr')}, 2, last_batch_handle='discard')
found.append([[b.data[0].stype, b.data, b.label, b.pad] for b in it])
try:
    mx.io.NDArrayIter(dense.tostype('csr'), batch_size=2)
except NotImplementedError:
    found.append('NotImplementedError')
"""
    )
    same_code(code, ["found"], d=folder)


def test_sparse_rows_in_another_order():
    dense = mx.nd.arange(20).reshape((5, 4)) * mx.nd.array([[0, 1, 0, 2]])
    orders = []
    for source in (dense, dense.tostype("csr")):
        np.random.seed(2)
        it = mx.io.NDArrayIter(source, batch_size=2, shuffle=True, last_batch_handle="discard")
        it.reset()
        orders.append([batch.data[0].asnumpy() for batch in it])
    assert_same(*orders)


def test_shuffled_digits(folder, tmp_path):
    _idx(tmp_path / "images.gz", np.arange(7 * 12).reshape(7, 3, 4), packed=True)

    def labels(**given):
        it = mx.io.MNISTIter(image=folder + "images.gz", label=folder + "labels", batch_size=3, **given)
        first = np.concatenate([batch.label[0].asnumpy() for batch in it])
        it.reset()
        for batch in it:  # images follow their labels, and each epoch is like the first
            label = batch.label[0].asnumpy()
            np.testing.assert_array_equal(batch.data[0].asnumpy()[:, 0, 0, 0] * 256, label * 12)
        return first.tolist()

    assert labels(seed=1) == labels(seed=1) != labels(seed=2)
    assert len(set(labels())) == 6


@pytest.mark.parametrize(
    ("call", "pattern"),
    [
        ("CSVIter(data_shape=(3,), batch_size=3)", "data_csv"),
        ("CSVIter(data_csv=d + 'x.csv', data_shape=(3,))", "batch_size"),
        ("CSVIter(d + 'x.csv', (3,))", "by name"),
        ("CSVIter(data_csv=d + 'x.csv', data_shape=(4,), batch_size=3)", "shape"),
        ("CSVIter(data_csv=d + 'none.csv', data_shape=(3,), batch_size=3)", "none.csv"),
        ("CSVIter(data_csv=d + 'a.svm', data_shape=(3,), batch_size=3)", "comma"),
        ("CSVIter(data_csv=d + 'x.csv', data_shape=(3,), batch_size=3, label_csv=d + 'few.csv')", "more rows"),
        ("CSVIter(data_csv=d + 'x.csv', data_shape=(3,), batch_size=3, dtype='float64')", "float64"),
        ("CSVIter(data_csv=d + 'x.csv', data_shape=(3,), batch_size='many')", "batch_size"),
        ("CSVIter(data_csv=d + 'x.csv', data_shape=(3,), batch_size=15)", "too few"),
        ("MNISTIter()", "train-images"),
        ("MNISTIter(image=d + 'labels', label=d + 'images')", "axes"),
        ("MNISTIter(image=d + 'images', label=d + 'labels', dtype='uint8')", "uint8"),
        ("LibSVMIter(data_libsvm=d + 'a.svm', data_shape=(4, 2), batch_size=2)", "expected to be 1"),
        ("LibSVMIter(data_libsvm=d + 'a.svm', data_shape=(2,), batch_size=2)", "out of range"),
        ("LibSVMIter(data_libsvm=d + 'x.csv', data_shape=(4,), batch_size=2)", "LibSVM"),
        ("LibSVMIter(data_libsvm=d + 'a.svm', data_shape=(4,), batch_size=2, round_batch=False)", "round_batch"),
    ],
)
def test_wrong_arguments(folder, call, pattern):
    with pytest.raises(MXNetError, match=pattern):
        eval(f"io.{call}", {"io": mx.io, "d": folder})


def test_too_few_digits_for_a_batch_and_unknown_arguments(folder):
    with pytest.raises(StopIteration):
        mx.io.MNISTIter(image=folder + "images", label=folder + "labels", batch_size=10)
    with pytest.warns(UserWarning, match="no argument foo"):
        mx.io.CSVIter(data_csv=folder + "x.csv", data_shape=(3,), batch_size=3, foo=1)


def test_a_batch_again_and_again(folder):
    it = mx.io.CSVIter(data_csv=folder + "x.csv", data_shape=(3,), batch_size=3)
    it.debug_skip_load()
    assert [it.next().index.tolist() for _ in range(5)] == [[0, 1, 2]] * 5


def test_training_with_batches():
    """The loop of older scripts: an epoch, `reset`, `metric.update(batch.label, ...)`."""
    mx.random.seed(0)
    x = np.random.RandomState(0).rand(50, 4).astype("float32")
    it = mx.io.NDArrayIter({"data": x}, {"softmax_label": (x[:, 0] > x[:, 1]).astype("float32")}, 16, shuffle=True)
    net = mx.gluon.nn.Dense(2)
    net.initialize()
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.1})
    metric = mx.metric.Accuracy()
    for _ in range(20):
        it.reset()
        metric.reset()
        for batch in it:
            with mx.autograd.record():
                out = net(batch.data[0])
                loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()(out, batch.label[0])
            loss.backward()
            trainer.step(it.batch_size)
            metric.update(batch.label, [out])
    assert metric.get()[1] > 0.9
