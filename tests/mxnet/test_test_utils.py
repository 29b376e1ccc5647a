"""`mx.test_utils`: that its checkers find what is wrong, and that the rest does what it says."""

import gzip
import os
import struct
import sys

import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_parity import same_expressions
from tandem.mxnet import nd
from tandem.mxnet import test_utils as tu
from tandem.mxnet.base import MXNetError

# What both must answer for; the setup makes the names alike.
_SETUP = """
tu = mx.test_utils
A = lambda *values, dtype='float64': onp.array(values, dtype=dtype)
"""
_ALIKE = """
tu.assert_almost_equal(A(1, 2, 3), A(1, 2, 4))
tu.assert_almost_equal(A(1, 2, 3), A(1, 2, 3 + 1e-6))
tu.assert_almost_equal(nd.ones(3), onp.ones(3) * 1.00005)
tu.assert_almost_equal(nd.ones(3), onp.ones(3) * 1.01)
tu.assert_almost_equal(A(1, dtype='float16'), A(1.1))
tu.assert_almost_equal(A(1, 2, dtype='int64'), A(1, 3, dtype='int64'))
tu.assert_almost_equal(A(1, 0, dtype='bool'), A(1, 1, dtype='bool'))
tu.assert_almost_equal(A(1, 2), A(1, 2).reshape(1, 2))
tu.assert_almost_equal(A(1, 2), A(1, 2).reshape(1, 2), use_broadcast=False)
tu.assert_almost_equal(A(1, 2), A(1, 2, 3))
tu.assert_almost_equal(nd.ones((2, 2)), nd.ones((1, 2)))
tu.assert_almost_equal(A(onp.nan), A(onp.nan))
tu.assert_almost_equal(A(onp.nan), A(onp.nan), equal_nan=True)
tu.assert_almost_equal(A(onp.inf), A(onp.inf))
tu.assert_almost_equal(A(1), A(onp.inf))
tu.assert_almost_equal(1, 1.0)
tu.assert_almost_equal(1, 1.001)
tu.assert_almost_equal([1], [1])
tu.assert_almost_equal(A(1), A(2), rtol=1)
tu.assert_almost_equal(A(1), A(2), atol=0.5)
tu.assert_almost_equal_with_err(A(1, 2, 3, 4), A(1, 2, 3, 5), etol=0.3)
tu.assert_almost_equal_with_err(A(1, 2, 3, 4), A(1, 2, 3, 5), etol=0.2)
tu.assert_almost_equal_ignore_nan(A(1, onp.nan, 3), A(1, 2, 3))
tu.assert_almost_equal_ignore_nan(A(1, onp.nan, 3), A(1, 2, 4))
tu.assert_allclose(A(1, onp.nan), A(1, onp.nan))
tu.assert_allclose(nd.ones(2), nd.zeros(2))
tu.almost_equal(A(1, 2), A(1, 2.1))
tu.almost_equal(A(1, 2), A(1, 2), use_broadcast=False)
tu.same(A(1), A(1))
tu.same(nd.ones(2), nd.ones(2))
tu.same(A(onp.nan), A(onp.nan))
int(tu._find_max_violation(A(1, 2, 3), A(1, 2.1, 5), 1e-3, 1e-3)[0][0])
tu.get_tols(A(1, dtype='float32'), A(1, dtype='float16'), None, None)
tu.get_tols(nd.ones(1), 1.0, None, None)
tu.get_tols(1, 2, None, None)
tu.get_tols(A(1), A(1), 1e-3, {onp.dtype('float64'): 5})
tu.get_tolerance(A(1), None, {})
tu.get_rtol()
tu.get_rtol(None, onp.dtype('float32'))
tu.get_atol(None, onp.dtype('float16'))
tu.get_etol()
sorted((str(key), value) for key, value in tu.default_rtols().items())
sorted((str(key), value) for key, value in tu.default_atols().items())
sorted((str(key), value) for key, value in tu.default_numeric_eps().items())
tu.default_dtype()
tu.assert_exception(lambda: 1 / 0, ZeroDivisionError)
tu.assert_exception(lambda: 1, ZeroDivisionError)
tu.assert_exception(lambda: 1 / 0, ValueError)
tu.checkShapes(A(1), A(1, 2))
tu.locationError(A(1, 2), A(1, 3), (1,), ('x', 'y'), maxError=True)
tu.np_reduce(onp.arange(24.).reshape(2, 3, 4), (0, -1), True, onp.sum).tolist()
tu.np_reduce(onp.arange(24.).reshape(2, 3, 4), None, True, onp.max).tolist()
tu.np_reduce(onp.arange(24.).reshape(2, 3, 4), 1, False, onp.max).tolist()
tu.collapse_sum_like(onp.arange(24.).reshape(2, 3, 4), (3, 1)).tolist()
tu.collapse_sum_like(onp.arange(24.).reshape(2, 3, 4), (2, 3))
tu.collapse_sum_like(onp.ones((2, 3)), (2, 3, 4))
tu.assign_each(A(1, 2), lambda x: x + 1).tolist()
tu.assign_each2(A(1, 2), A(3, 4), lambda x, y: x * y).tolist()
tu.create_2d_tensor(2, 3)
tu.create_vector(3, onp.float32)
tu.get_identity_mat(2)
tu.get_identity_mat_batch(2)
tu.same_array(nd.ones(4), nd.ones(4))
tu.compare_ndarray_tuple((nd.ones(2), (nd.ones(1),)), (nd.ones(2), (nd.zeros(1),)))
tu.compare_ndarray_tuple((nd.ones(2), None), (nd.ones(2), None))
tu.random_sample([1], 3)
tu.random_arrays((2,)).dtype.name
[array.shape for array in tu.random_arrays((2,), (3, 2))]
len(tu.random_uniform_arrays((2,)))
tu.rand_ndarray((2, 3), dtype='float64').dtype
tu.rand_ndarray((2, 3), 'foo')
tu.gen_buckets_probs_with_ppf(lambda x: x, 4)
tu.retry(0)
tu.environment('a').__enter__()
tu.download_model('unknown')
tu.default_context()
tu.list_gpus()
tu.is_op_runnable()
tu.has_tvm_ops()
tu.compare_optimizer(mx.optimizer.SGD(momentum=0.9), mx.optimizer.SGD(momentum=0.9), (3, 4), 'float32')
tu.compare_optimizer(mx.optimizer.SGD(learning_rate=0.1), mx.optimizer.SGD(learning_rate=0.2), (3, 4), 'float32')
"""


@pytest.mark.oracle
def test_as_the_real_one():
    same_expressions(_ALIKE, _SETUP)


def test_what_a_star_brings():
    brought = {}
    exec("from tandem.mxnet.test_utils import *", brought)
    assert brought["np"] is np
    assert brought["mx"] is mx
    assert {"os", "sys", "json", "same", "check_numeric_gradient", "Context", "array", "setenv"} <= set(brought)


def test_the_report_names_the_worst_elements(capsys):
    b = np.arange(1, 31, dtype="float32")
    with pytest.raises(AssertionError, match=r"mismatch 96\.6+7%.*\n.*maximum error: \(29,\), ours=") as raised:
        tu.assert_almost_equal(b - np.arange(30) / 10, b, names=("ours", "theirs"), mismatches=(4, 4))
    printed = capsys.readouterr().out
    assert printed.count("Location of error") == 4
    assert "theirs=30.00000000" in str(raised.value)


# --- checkers ----------------------------------------------------------------------------------------------------


class Wrong(mx.autograd.Function):
    """x² with a gradient that is too large by a tenth."""

    def forward(self, x):
        self.save_for_backward(x)
        return x * x

    def backward(self, dy):
        return 2.2 * self.saved_tensors[0] * dy


def test_numeric_gradient_accepts_what_is_right():
    x, y = np.random.RandomState(0).uniform(0.5, 1.5, (2, 2, 3))
    tu.check_numeric_gradient(lambda a, b: a * b + nd.sin(a), [x, y])
    tu.check_numeric_gradient(lambda b, a: a * b + nd.sin(a), {"a": x, "b": y}, dtype=np.float64)
    tu.check_numeric_gradient(lambda *arrays: nd.dot(*arrays), [x, y.T], grad_nodes={"arg0": "add"})
    tu.check_numeric_gradient(lambda a: nd.BlockGrad(a) * a, [x], grad_nodes={"a": "null"})


def test_numeric_gradient_in_numpy_mode():
    with mx.np_shape(True), mx.np_array(True):
        tu.check_numeric_gradient(lambda a: (a**2).sum(), [np.ones((2, 2))])
        tu.check_symbolic_backward(lambda a: a * 2, [np.ones((2, 2))], [np.ones((2, 2))], [np.full((2, 2), 2)])


@pytest.mark.parametrize(
    "function", [lambda x: Wrong()(x), lambda x: nd.BlockGrad(x) * x], ids=["a tenth too large", "a part is missing"]
)
@pytest.mark.parametrize("request_", ["write", "add"])
def test_numeric_gradient_refuses_what_is_wrong(function, request_):
    with pytest.raises(AssertionError, match="NUMERICAL_x"):
        tu.check_numeric_gradient(function, [np.ones((2, 2))], grad_nodes={"x": request_})


def test_numeric_gradient_refuses_arguments():
    with pytest.raises(TypeError, match="Symbol or a function"):
        tu.check_numeric_gradient(3, [np.ones(2)])
    with pytest.raises(AssertionError, match="dtype"):
        tu.check_numeric_gradient(nd.sin, [np.ones(2)], dtype=np.int32)
    with pytest.raises(AssertionError, match="one result"):
        tu.check_numeric_gradient(lambda a: [a, a], [np.ones(2)])
    with pytest.raises(ValueError, match="grad_nodes"):
        tu.check_numeric_gradient(nd.sin, [np.ones(2)], grad_nodes=5)


def test_numeric_grad_is_a_central_difference():
    execution = tu.checks.as_symbol(lambda a: a * a * a, [0]).bind(mx.cpu(), [nd.ones(1)])
    np.testing.assert_allclose(tu.numeric_grad(execution, {"a": np.ones(1)}, eps=0.5)["a"], [3.0625])


def test_forward_and_backward_against_numbers():
    ones = np.ones(2)
    outputs = tu.check_symbolic_forward(lambda a, b: a * b + a, [ones, ones], [2 * ones])
    assert [output.shape for output in outputs] == [(2,)]
    with pytest.raises(AssertionError, match="EXPECTED_output"):
        tu.check_symbolic_forward(lambda a, b: a * b + a, [ones, ones], [3 * ones])
    grads = tu.check_symbolic_backward(lambda a, b: a * b + a, [ones, ones], [3 * ones], [6 * ones, 3 * ones])
    np.testing.assert_allclose(grads["a"].asnumpy(), 6 * ones)
    tu.check_symbolic_backward(
        lambda a, b: (a * b, a),
        {"a": ones, "b": ones},
        [ones, ones],
        {"a": 2 * ones},
        grad_req={"a": "add", "b": "null"},
    )
    with pytest.raises(AssertionError, match="BACKWARD_b"):
        tu.check_symbolic_backward(lambda a, b: a * b, [ones, ones], [ones], [ones, 2 * ones])


def test_simple_forward_and_speed():
    np.testing.assert_allclose(tu.simple_forward(lambda a, b: a - b, a=np.ones(2), b=np.ones(2)), [0, 0])
    assert len(tu.simple_forward(lambda a: [a, a], a=np.ones(2))) == 2
    assert tu.check_speed(lambda a: a * a, {"a": np.ones(2)}, N=2) > 0
    with pytest.raises(ValueError, match="whole"):
        tu.check_speed(lambda a: a, {"a": np.ones(2)}, typ="x")


def test_consistency_over_dtypes():
    shapes = {"a": (2, 3)}
    settings = [
        {"ctx": mx.cpu(n), "type_dict": {"a": dtype}, **shapes} for n, dtype in enumerate(["float32", "float64"])
    ]
    truth = tu.check_consistency(lambda a: nd.exp(a), settings)
    assert truth["output"].dtype == np.float64
    assert set(truth) == {"output", "a"}

    def other(a):
        return a * (1.01 if a.dtype == np.float32 else 1)

    with pytest.raises(AssertionError, match="disagrees"):
        tu.check_consistency(other, settings)
    tu.check_consistency(other, settings, raise_on_err=False)


def test_hybridize_consistency():
    def build(**options):
        return mx.gluon.nn.Dense(3, in_units=2, **options)

    with mx.np_shape(True), mx.np_array(True):
        data = [mx.np.array([[1.0, 2.0]])]
        tu.check_gluon_hybridize_consistency(build, data)
        with pytest.raises(AssertionError, match="Location"):
            tu.check_gluon_hybridize_consistency(build, data, numpy_func=lambda x: np.ones((1, 3)))


# --- generators, surroundings, files --------------------------------------------------------------------------------


def test_checks_of_generators():
    draw = np.random.RandomState(0)
    assert tu.mean_check(lambda n: draw.normal(2, 3, n), 2, 3, 20000)
    assert not tu.mean_check(lambda n: draw.normal(2.5, 3, n), 2, 3, 20000)
    assert tu.var_check(lambda n: nd.array(draw.normal(0, 3, n)), 3, 20000)
    assert not tu.var_check(lambda n: draw.normal(0, 3.3, n), 3, 20000)
    buckets, probs = tu.gen_buckets_probs_with_ppf(lambda q: q, 5)
    assert len(tu.verify_generator(draw.rand, buckets, probs, nsamples=10000)) == 5
    with pytest.raises(AssertionError, match="Generator test fails"):
        tu.verify_generator(lambda n: draw.rand(n) ** 1.2, buckets, probs, nsamples=10000)
    value, observed, expected = tu.chi_square_check(lambda n: draw.randint(0, 2, n), [0, 1], [0.5, 0.5], 1000)
    assert 0 < value <= 1
    assert observed.sum() == expected.sum() == 1000
    with pytest.raises(AssertionError, match="side by side"):
        tu.chi_square_check(draw.rand, [(0.5, 1), (0, 0.5)], [0.5, 0.5], 1000)


def test_environment_is_as_before_afterwards(monkeypatch):
    monkeypatch.setenv("TANDEM_TEST_A", "before")
    with tu.environment({"TANDEM_TEST_A": None, "TANDEM_TEST_B": "1"}):
        assert "TANDEM_TEST_A" not in os.environ
        assert os.environ["TANDEM_TEST_B"] == "1"
    assert os.environ["TANDEM_TEST_A"] == "before"
    assert "TANDEM_TEST_B" not in os.environ

    @tu.environment("TANDEM_TEST_A", "inside")
    def read():
        return os.environ["TANDEM_TEST_A"]

    assert read() == "inside"


def test_retry_counts_assertion_errors_only():
    calls = []

    @tu.retry(3)
    def third():
        calls.append(1)
        assert len(calls) == 3

    third()

    @tu.retry(3)
    def broken():
        calls.append(1)
        raise ValueError

    with pytest.raises(ValueError):
        broken()
    assert len(calls) == 4


def test_discarded_stderr(capfd):
    with tu.discard_stderr():
        os.write(2, b"hidden")
    sys.stderr.write("shown")
    assert capfd.readouterr().err == "shown"


def test_default_context():
    before = tu.default_context()
    try:
        tu.set_default_context(mx.cpu(1))
        assert nd.ones(1).context == tu.default_context() == mx.cpu(1)
    finally:
        tu.set_default_context(before)


def test_dummy_iterator_repeats_the_first_batch():
    class Numbers:
        provide_data, provide_label, batch_size = "data", "label", 3

        def __next__(self):
            return object()

    dummy = tu.DummyIter(Numbers())
    assert dummy.next() is next(iter(dummy)) is dummy.the_batch
    assert (dummy.provide_data, dummy.batch_size) == ("data", 3)


def test_eigenvalues_are_real():
    assert np.isrealobj(np.linalg.eigvals(tu.new_matrix_with_real_eigvals_2d(5)))
    many = tu.new_sym_matrix_with_real_eigvals_nd((2, 3, 3))
    np.testing.assert_array_equal(many, many.swapaxes(1, 2))
    q = tu.new_orthonormal_matrix_2d(4)
    np.testing.assert_allclose(q.dot(q.T), np.eye(4), atol=1e-12)


def test_mnist_from_files_that_are_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.RandomState(0)
    images, labels = rng.randint(0, 256, (3, 28, 28), dtype=np.uint8), np.array([7, 0, 9], np.uint8)
    for prefix in ("train", "t10k"):
        with gzip.open(f"{prefix}-images-idx3-ubyte.gz", "wb") as file:
            file.write(struct.pack(">HBB3I", 0, 8, 3, 3, 28, 28) + images.tobytes())
        with gzip.open(f"{prefix}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">HBBI", 0, 8, 1, 3) + labels.tobytes())
    data = tu.get_mnist()
    np.testing.assert_allclose(data["test_data"], images[:, None] / np.float32(255))
    assert data["train_data"].dtype == np.float32
    assert data["train_label"].tolist() == [7, 0, 9]


def test_an_archive_stays_in_its_folder(tmp_path):
    import zipfile

    folder = tmp_path / "data"
    folder.mkdir()
    for name, inside in (("good.zip", "sub/a.txt"), ("bad.zip", "../a.txt")):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr(inside, "x")
    tu.get_zip_data(str(folder), "http://nowhere.invalid/good.zip", "good.zip")
    assert (folder / "sub" / "a.txt").read_text() == "x"
    with pytest.raises(ValueError, match="outside"):
        tu.get_zip_data(str(folder), "http://nowhere.invalid/bad.zip", "bad.zip")
    assert not (tmp_path / "a.txt").exists()


def test_shapes_of_different_arrays_are_an_error():
    with pytest.raises(MXNetError, match="one shape"):
        tu.assert_almost_equal(nd.ones(2), nd.ones(3))


def test_sparse_arrays_are_made_of_what_they_say():
    array, (values, rows) = tu.rand_sparse_ndarray((6, 3), "row_sparse", density=0.5)
    wanted = np.zeros((6, 3), np.float32)
    wanted[rows] = values
    np.testing.assert_array_equal(array.asnumpy(), wanted)
    array, (indptr, indices, data) = tu.rand_sparse_ndarray((6, 5), "csr", density=0.5, dtype="float64")
    assert array.stype == "csr"
    assert array.dtype == np.float64
    assert indptr.asnumpy()[-1] == len(indices) == len(data) == 15
    array, (indptr, indices, _) = tu.rand_sparse_ndarray((30, 40), "csr", density=0.3, distribution="powerlaw")
    counts = np.diff(indptr.asnumpy())
    assert counts[:5].tolist() == [2, 4, 8, 16, 32]
    assert counts.sum() == 360
    assert counts[-1] == 1
    for name, options in (("foo", {}), ("csr", {"distribution": "foo"}), ("row_sparse", {"distribution": "powerlaw"})):
        with pytest.raises(AssertionError):
            tu.rand_sparse_ndarray((3, 4), name, **options)
    with pytest.raises(ValueError, match="too small"):
        tu.rand_sparse_ndarray((30, 40), "csr", density=0.01, distribution="powerlaw")


def test_sparse_arrays_with_given_entries():
    made = tu.create_sparse_array((3, 2), "row_sparse", data_init=0.5, rsp_indices=[0, 2])
    np.testing.assert_array_equal(made.asnumpy(), [[0.5, 0.5], [0, 0], [0.5, 0.5]])
    made = tu.create_sparse_array((4, 4), "csr", data_init=0.5, modifier_func=lambda x: 2 * x)
    assert sorted(set(made.asnumpy().ravel())) == [0, 1]
    assert not tu.create_sparse_array_zd((3, 2), "row_sparse", 0.0).asnumpy().any()
    assert tu.rand_ndarray((4, 4), "csr", density=1).asnumpy().all()
    with pytest.raises(AssertionError, match="storage type"):
        tu.create_sparse_array((3, 2), "foo")


def test_optimizers_are_compared_on_sparse_gradients():
    def sgd(rate=0.1):
        return mx.optimizer.SGD(learning_rate=rate, momentum=0.9, lazy_update=False)

    tu.compare_optimizer(sgd(), sgd(), (4, 3), "float32", g_stype="row_sparse")
    with pytest.raises(AssertionError, match="exceeds tolerance"):
        tu.compare_optimizer(sgd(), sgd(0.2), (4, 3), "float32", g_stype="row_sparse")
