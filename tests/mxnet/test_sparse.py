"""Sparse arrays: what a comparison with the real MXNet does not show."""

import pickle

import numpy as np
import pytest
import scipy.sparse
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import tandem.mxnet as mx
from tandem.mxnet import autograd, gluon, nd
from tandem.ops import sparse, sparse_products

DENSE = np.array([[0, 0.5, 0], [0, 0, 0], [0.25, 0, 0.75]], np.float32)


class _Sizes(TorchDispatchMode):
    """Notes how many numbers the largest tensor has in memory that an operation makes."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        before = {leaf.untyped_storage().data_ptr() for leaf in tree_leaves((args, kwargs)) if _plain(leaf)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if _plain(leaf) and leaf.untyped_storage().data_ptr() not in before:
                self.largest = max(self.largest, leaf.untyped_storage().nbytes() // leaf.element_size())
        return result


def _plain(leaf):
    return isinstance(leaf, torch.Tensor) and leaf.layout is torch.strided


def _embedding(hybridize):
    net = gluon.nn.Embedding(20000, 8, sparse_grad=True)
    net.initialize()
    if hybridize:
        net.hybridize()
    return net, lambda x: net(x)


def _sparse_embedding(hybridize):
    net = gluon.contrib.nn.SparseEmbedding(20000, 8)
    net.initialize()
    return net, lambda x: net(x)


@pytest.mark.parametrize("make", [_embedding, _sparse_embedding])
@pytest.mark.parametrize(
    ("name", "options"), [("sgd", {}), ("sgd", {"momentum": 0.9}), ("adam", {}), ("adagrad", {}), ("groupadagrad", {})]
)
def test_a_step_makes_nothing_of_the_size_of_the_table(make, name, options):
    net, call = make(name == "sgd")
    trainer = gluon.Trainer(net.collect_params(), name, {"learning_rate": 0.1, **options})
    with _Sizes() as sizes:
        for step in range(5):
            if step == 3:  # by then the states are there, and programs would be replayed
                sizes.largest = 0
            with autograd.record():
                loss = (call(nd.array([1, 7, 7, 19999 - step])) ** 2).sum()
            loss.backward()
            trainer.step(1)
    assert net.weight.grad().indices.asnumpy().tolist() == [1, 7, 19995]
    assert 0 < sizes.largest < 8000


def test_a_product_with_csr_makes_nothing_of_the_size_of_the_weight():
    weight = nd.ones((30000, 4))
    weight.attach_grad(stype="row_sparse")
    data = nd.sparse.csr_matrix(([1.0, 2, 3], [5, 29999, 5], [0, 2, 3]), shape=(2, 30000))
    with _Sizes() as sizes:
        with autograd.record():
            out = nd.sparse.dot(data, weight)
        out.backward()
        nd.sgd_update(weight, weight.grad, lr=0.5, out=weight)
    assert weight.grad.indices.asnumpy().tolist() == [5, 29999]
    np.testing.assert_array_equal(weight[5:6].asnumpy(), [[-1] * 4])
    assert 0 < sizes.largest < 30000


def test_scipy_matrices_there_and_back():
    matrix = scipy.sparse.random(7, 5, 0.3, "csr", np.float64, np.random.default_rng(1))
    for array in (nd.sparse.csr_matrix(matrix), nd.array(matrix), nd.sparse.array(matrix)):
        assert array.stype == "csr"
        assert array.dtype is np.float64
        assert (array.asscipy() != matrix).nnz == 0
    assert nd.sparse.csr_matrix(matrix, dtype="float16").dtype is np.float16
    twice = scipy.sparse.csr_matrix(([1.0, 2.0], [1, 1], [0, 2]), shape=(1, 3))
    assert nd.sparse.csr_matrix(twice).asnumpy().tolist() == [[0, 3, 0]]
    with pytest.raises(ValueError, match="Shape mismatch"):
        nd.sparse.csr_matrix(matrix, shape=(7, 6))
    for other in (scipy.sparse.coo_matrix(matrix), scipy.sparse.csc_matrix(matrix)):
        with pytest.raises(TypeError, match="array like"):
            nd.sparse.csr_matrix(other)
        with pytest.raises(ValueError, match="Unexpected source_array"):
            nd.sparse.array(other)


def test_coordinates_as_scipy_has_them():
    rows, columns, values = [2, 0, 2, 2], [3, 1, 0, 3], [1.0, 2.0, 3.0, 4.0]
    array = nd.sparse.csr_matrix((values, (rows, columns)))
    expected = scipy.sparse.coo_matrix((values, (rows, columns))).tocsr()
    assert array.shape == expected.shape
    np.testing.assert_array_equal(array.asnumpy(), expected.toarray())
    array.check_format()
    arrays = (nd.array([1, 2]), (nd.array([2, 0]), nd.array([1, 3])))
    assert nd.sparse.csr_matrix(arrays, shape=(3, 4)).dtype is np.float32
    assert nd.sparse.csr_matrix(([1, 2], ([0, 2], [1, 3]))).dtype is np.int64
    with pytest.raises(ValueError, match="exceeds"):
        nd.sparse.csr_matrix(([1.0], ([5], [0])), shape=(3, 4))


@pytest.mark.parametrize("stype", ["csr", "row_sparse"])
def test_pickles(stype):
    array = nd.array(DENSE, ctx=mx.cpu(1)).tostype(stype).astype("float64")
    again = pickle.loads(pickle.dumps(array))
    assert (again.stype, again.shape, again.dtype, again.context) == (stype, (3, 3), np.float64, mx.cpu(1))
    np.testing.assert_array_equal(again.asnumpy(), DENSE)
    np.testing.assert_array_equal(again.indices.asnumpy(), array.indices.asnumpy())


def test_a_pickled_parameter_keeps_its_storage():
    parameter = gluon.Parameter("w", stype="row_sparse", grad_stype="row_sparse", shape=(4, 2))
    parameter.initialize()
    again = pickle.loads(pickle.dumps(parameter))
    assert again.stype == again.grad().stype == "row_sparse"
    np.testing.assert_array_equal(again._reduce().asnumpy(), parameter._reduce().asnumpy())


def test_parts_are_copies():
    array = nd.array(DENSE).tostype("csr")
    for part in (array.data, array.indices, array.indptr):
        part[:] = 7
    np.testing.assert_array_equal(array.asnumpy(), DENSE)


def test_gradients_add_up():
    weight = nd.ones((4, 3))
    weight.attach_grad("add", stype="row_sparse")
    for index in range(2):
        with autograd.record():
            out = nd.Embedding(nd.array([index, 2]), weight, input_dim=4, output_dim=3, sparse_grad=True)
        out.backward()
    assert weight.grad.stype == "row_sparse"
    assert weight.grad.indices.asnumpy().tolist() == [0, 1, 2]
    assert weight.grad.data.asnumpy()[:, 0].tolist() == [1, 1, 2]
    with autograd.record():
        out = weight * 2  # a dense gradient onto a sparse one
    out.backward()
    assert weight.grad.data.asnumpy()[:, 0].tolist() == [3, 3, 4, 2]


def test_a_dense_gradient_is_dense_whatever_the_operator_says():
    weight = nd.ones((4, 3))
    weight.attach_grad()
    with autograd.record():
        out = nd.Embedding(nd.array([1, 2]), weight, input_dim=4, output_dim=3, sparse_grad=True)
    out.backward()
    assert weight.grad.asnumpy()[:, 0].tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("options", [{}, {"axis": 0}, {"axis": 1}, {"axis": 1, "keepdims": True}, {"keepdims": True}])
def test_the_gradient_of_a_sum_of_squares_has_the_rows_that_are_stored(options):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 4)) * [[1], [0], [1], [1], [0], [0]]
    rows, dense = nd.array(values).tostype("row_sparse"), nd.array(values)
    rows.attach_grad()
    dense.attach_grad()
    with autograd.record():
        of_rows = nd._internal._square_sum(rows, **options)
        of_dense = nd.sum(dense * dense, **options)
    assert of_rows.shape == of_dense.shape
    head = nd.array(rng.normal(size=of_dense.shape))
    of_rows.backward(head)
    of_dense.backward(head)
    assert rows.grad.indices.asnumpy().tolist() == [0, 2, 3]
    np.testing.assert_allclose(rows.grad.asnumpy(), dense.grad.asnumpy(), rtol=1e-5)


def test_gradients_flow_between_sparse_and_dense_arrays():
    rows = nd.array(DENSE).tostype("row_sparse")
    rows.attach_grad()
    dense = nd.ones((3, 3)) * 2
    dense.attach_grad()
    with autograd.record():
        kept = nd.sparse.retain(rows * 3, nd.array([0]))
        loss = (kept * dense).sum() + (dense * dense).sum()
    loss.backward()
    assert rows.grad.indices.asnumpy().tolist() == [0]
    assert rows.grad.data.asnumpy().tolist() == [[6, 6, 6]]
    np.testing.assert_allclose(dense.grad.asnumpy(), 4 + 3 * DENSE * [[1], [0], [0]])
    with autograd.record():
        head = rows * 2
    head.backward()
    with pytest.raises(mx.MXNetError, match="not in a computational graph"):
        head.backward()


def test_what_is_recorded_cannot_be_written():
    rows = nd.array(DENSE).tostype("row_sparse")
    rows.attach_grad()
    with autograd.record(), pytest.raises(mx.MXNetError, match="Inplace"):
        rows[:] = 1


def test_fluent_methods_are_the_functions():
    array = nd.array(DENSE).tostype("csr")
    for name in ("abs", "sqrt", "sum", "norm", "sign", "tanh", "sigmoid", "transpose", "flatten"):
        method, function = getattr(array, name)(), getattr(nd, name)(array)
        assert method.stype == function.stype
        np.testing.assert_array_equal(method.asnumpy(), function.asnumpy())


def test_metrics_take_sparse_arrays():
    metric = mx.metric.MSE()
    metric.update([nd.array(DENSE).tostype("csr")], [nd.array(DENSE).tostype("row_sparse") * 3])
    np.testing.assert_allclose(metric.get()[1], np.mean((2 * DENSE) ** 2), rtol=1e-6)


def test_what_takes_dense_arrays_only_says_so():
    array = nd.array(DENSE).tostype("csr")
    with pytest.raises(mx.MXNetError, match=r"csr.*tostype"):
        array._tensor  # noqa: B018
    with pytest.raises(TypeError, match="csr"):
        nd.zeros((3, 3))[:] = array


def test_parameters_to_and_from_files(tmp_path):
    path = str(tmp_path / "a.params")
    net = gluon.contrib.nn.SparseEmbedding(5, 2)
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 1.0})
    with autograd.record():
        out = net(nd.array([1, 3]))
    out.backward()
    trainer.step(1)
    net.save_parameters(path)
    other = gluon.contrib.nn.SparseEmbedding(5, 2)
    other.load_parameters(path)
    gluon.Trainer(other.collect_params(), "sgd")
    np.testing.assert_array_equal(other(nd.arange(5)).asnumpy(), net(nd.arange(5)).asnumpy())
    dense = gluon.nn.Embedding(5, 2)
    dense.load_parameters(path)
    np.testing.assert_array_equal(dense(nd.arange(5)).asnumpy(), net(nd.arange(5)).asnumpy())


@pytest.mark.parametrize("store", ["local", "device"])
@pytest.mark.parametrize(
    ("stype", "grad_stype", "on_store", "expected"),
    [
        ("default", "default", None, True),
        ("default", "row_sparse", None, False),
        ("default", "row_sparse", True, True),
        ("default", "row_sparse", False, False),
        ("row_sparse", "row_sparse", None, True),
    ],
)
def test_who_updates(store, stype, grad_stype, on_store, expected):
    parameter = gluon.Parameter("x", shape=(10, 1), stype=stype, grad_stype=grad_stype)
    parameter.initialize(ctx=[mx.cpu(0), mx.cpu(1)], init="zeros")
    trainer = gluon.Trainer([parameter], "sgd", {"learning_rate": 0.1}, kvstore=store, update_on_kvstore=on_store)
    rows = nd.arange(10)
    weights = parameter.list_data() if stype == "default" else parameter.list_row_sparse_data(rows)
    with autograd.record():
        for weight in weights:
            (weight + 1).backward()
    trainer.step(1)
    assert trainer._update_on_kvstore is expected
    weight = parameter.data(mx.cpu(0)) if stype == "default" else parameter.row_sparse_data(rows)
    np.testing.assert_allclose(weight.asnumpy(), np.full((10, 1), -0.2), rtol=1e-6)


def test_a_hybridized_block_adds_up_its_row_sparse_gradients():
    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Embedding(20, 3, sparse_grad=True), gluon.nn.HybridLambda("tanh"))
    net.initialize(mx.init.Zero())
    net.hybridize()
    for _ in range(4):
        with autograd.record():
            loss = net(nd.arange(10)).sum() + net(nd.arange(5)).sum()
        loss.backward()
        grad = net[0].weight.grad()
        assert grad.stype == "row_sparse"
        np.testing.assert_array_equal(grad.asnumpy()[:, 0], [2] * 5 + [1] * 5 + [0] * 10)


class _Product(gluon.HybridBlock):
    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.weight = self.params.get("weight", shape=(3, 2), init=mx.init.One(), grad_stype="row_sparse")

    def hybrid_forward(self, F, x, weight):
        return F.sparse.dot(x, weight)


class _Rows(gluon.HybridBlock):
    def hybrid_forward(self, F, x):
        return F.cast_storage(x * 2, stype="row_sparse")


def test_hybridized_blocks_take_and_give_sparse_arrays():
    product, dense, rows = _Product(), gluon.nn.Dense(2), _Rows()
    for net in (product, dense, rows):
        net.initialize()
        net.hybridize()
    data = nd.array(DENSE)
    for _ in range(4):
        with autograd.record():
            out = product(data.tostype("csr"))
        out.backward()
        assert product.weight.grad().indices.asnumpy().tolist() == [0, 1, 2]
        np.testing.assert_allclose(dense(data.tostype("csr")).asnumpy(), dense(data).asnumpy(), rtol=1e-6)
        assert rows(data).indices.asnumpy().tolist() == [0, 2]


def test_a_block_that_wants_all_values_refuses_row_sparse_ones():
    parameters = gluon.ParameterDict("net_")
    parameters.get("weight", shape=(5, 5), stype="row_sparse")
    parameters.get("bias", shape=5)
    net = gluon.nn.Dense(5, params=parameters)
    net.initialize()
    with pytest.raises(RuntimeError, match="row_sparse_data"):
        net(nd.ones((2, 5)))


def test_a_linear_model_of_csr_rows_learns():
    rng = np.random.default_rng(0)
    features = (rng.random((64, 20)) * (rng.random((64, 20)) < 0.2)).astype(np.float32)
    target = nd.array(features @ rng.normal(size=(20, 1)))
    data = nd.sparse.csr_matrix(features)
    weight = nd.ones((20, 1)).tostype("row_sparse")
    weight.attach_grad()
    updater = mx.optimizer.get_updater(mx.optimizer.Adam(learning_rate=0.1))
    losses = []
    for _ in range(60):
        with autograd.record():
            loss = ((nd.sparse.dot(data, weight) - target) ** 2).mean()
        loss.backward()
        updater(0, weight.grad, weight)
        losses.append(loss.asscalar())
    assert weight.stype == weight.grad.stype == "row_sparse"
    assert losses[-1] < losses[0] / 100


def _random(seed, shape=(6, 5), density=0.4):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.standard_normal(shape) * (rng.random(shape) < density))


def test_conversions_undo_each_other():
    x = _random(0)
    for make in (sparse.rows_from_dense, sparse.csr_from_dense):
        assert torch.equal(sparse.dense(make(x)), x)
        assert sparse.check(make(x)) is None
        assert torch.equal(sparse.dense(make(x[:, :0])), x[:, :0])
        assert torch.equal(sparse.dense(make(x[:0])), x[:0])


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64])
def test_products_are_those_of_dense_matrices(dtype):
    a, b = (_random(1) * 4).to(dtype), (_random(2, (5, 3)) * 4).to(dtype)
    csr, rows = sparse.csr_from_dense(a), sparse.rows_from_dense(b)
    c = (_random(3, (6, 3)) * 4).to(dtype)
    torch.testing.assert_close(sparse_products.csr_dot(csr, b), a @ b)
    torch.testing.assert_close(sparse_products.csr_dot_rows(csr, rows), a @ b)
    torch.testing.assert_close(sparse.dense(sparse_products.csr_t_dot(csr, c)), a.T @ c)
    torch.testing.assert_close(sparse.dense(sparse_products.csr_t_dot(csr, sparse.rows_from_dense(c))), a.T @ c)
    torch.testing.assert_close(sparse_products.dot_csr(c.T, csr), c.T @ a)
    torch.testing.assert_close(sparse_products.dot_csr(b.T, csr, transpose=True), b.T @ a.T)
    empty = sparse.zeros(sparse.Rows, (5, 3), dtype=dtype, device="cpu")
    torch.testing.assert_close(sparse_products.csr_dot_rows(csr, empty), a @ b * 0)


def test_slices_and_rows_are_those_of_dense_matrices():
    x = _random(4)
    csr = sparse.csr_from_dense(x)
    for first, last in ((0, 6), (2, 4), (3, 3), (0, 1)):
        assert torch.equal(sparse.dense(sparse.slice_csr(csr, (first, last))), x[first:last])
        assert torch.equal(sparse.dense(sparse.slice_csr(csr, (first, last), (1, 4))), x[first:last, 1:4])
    wanted = torch.tensor([5, 0, 0, 3])
    assert torch.equal(sparse.dense(sparse.take_csr(csr, wanted)), x[wanted])
    assert torch.equal(sparse.take_rows(sparse.rows_from_dense(x), wanted).values, x[wanted])
    assert torch.equal(sparse.dense(sparse.concat_csr([csr, csr])), torch.cat([x, x]))
