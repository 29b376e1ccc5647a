"""NDArray beside other libraries: copies, views, pickles, DLPack, torch; what the oracle cannot be asked."""

import copy
import pickle

import numpy as np
import pytest
import torch

import tandem.mxnet as mx
from tandem.core.arrays import Array
from tandem.mxnet import nd


def test_it_is_a_core_array():
    x = nd.ones((2, 3))
    assert isinstance(x, Array)
    assert type(x)._wrap(torch.zeros(())).shape == (1,)


def test_asnumpy_is_a_copy():
    x = nd.zeros((2,))
    x.asnumpy()[:] = 5
    assert x.asnumpy().tolist() == [0, 0]


def test_array_copies_its_data():
    source = np.zeros(2, dtype="float32")
    x = nd.array(source)
    source[:] = 5
    assert x.asnumpy().tolist() == [0, 0]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint8", "int8", "int32", "int64", "bool"])
def test_pickle_keeps_dtype_context_and_values(dtype):
    x = nd.array([[0, 1], [2, 3]], dtype=dtype, ctx=mx.cpu(2))
    y = pickle.loads(pickle.dumps(x))
    assert (y.dtype, y.context) == (x.dtype, mx.cpu(2))
    assert (y.asnumpy() == x.asnumpy()).all()


def test_a_pickled_gradient_is_a_plain_array():
    x = nd.ones(2)
    x.attach_grad()
    assert type(pickle.loads(pickle.dumps(x.grad))) is nd.NDArray


def test_deepcopy_has_its_own_memory():
    x = nd.ones(2)
    y = copy.deepcopy({"a": x})["a"]
    y[:] = 3
    assert x.asnumpy().tolist() == [1, 1]


def test_dlpack_shares_memory():
    x = nd.ones((2, 2))
    tensor = torch.from_dlpack(x)
    tensor[0, 0] = 7
    assert x[0, 0].asscalar() == 7
    back = nd.from_dlpack(x.to_dlpack_for_write())
    back[1, 1] = 9
    assert x[1, 1].asscalar() == 9


def test_from_numpy_shares_memory_and_makes_it_read_only():
    source = np.zeros((2, 2), dtype="float32")
    x = nd.from_numpy(source)
    x[0] = 3
    assert source[0].tolist() == [3, 3]
    with pytest.raises(ValueError, match="read-only"):
        source[1] = 1


def test_numpy_functions_take_arrays():
    x = nd.array([[1, 2], [3, 4]])
    assert np.asarray(x).dtype == np.float32
    assert np.array(x, dtype="float64").tolist() == [[1, 2], [3, 4]]


def test_operators_never_share_memory_with_their_input():
    x = nd.array(np.arange(6).reshape(2, 3))
    for result in (x.T, nd.flatten(x), nd.reshape(x, (3, 2)), x.expand_dims(0), x.slice_axis(axis=0, begin=0, end=1),
                   x.split(num_outputs=3)[0], nd.identity(x), x.broadcast_to((2, 3)), nd.cast(x, "float32"),
                   nd.Dropout(x), nd.SequenceMask(x)):  # fmt: skip
        result[:] = -1
    assert x.asnumpy().tolist() == [[0, 1, 2], [3, 4, 5]]


def test_views_of_an_array_that_is_not_contiguous_share_its_memory():
    x = nd.NDArray._wrap(torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1))
    x[1][0] = -1
    x.reshape((-1,))[0] = -2
    assert x[1, 0].asnumpy().tolist() == [-1, -1, -1]
    assert x[0, 0, 0].asscalar() == -2


def test_reshape_into_and_out_of_views():
    x = nd.zeros((4, 3))
    x[1:3].reshape((3, 2))[:] = 1
    assert x.asnumpy().sum(axis=1).tolist() == [0, 3, 3, 0]


def test_float_and_int_of_one_element():
    assert float(nd.array([2.5])) == 2.5
    assert int(nd.array([[3]])) == 3
    with pytest.raises(TypeError):
        float(nd.ones(2))


def test_arrays_can_be_keys():
    x = nd.ones(2)
    assert {x: 1}[x] == 1


def test_save_and_load(tmp_path):
    file = tmp_path / "arrays.params"
    arrays = {"a": nd.array([[1, 2]]), "b": nd.array([3], dtype="int64"), "h": nd.ones(2, dtype="float16")}
    nd.save(file, arrays)
    loaded = nd.load(file)
    assert list(loaded) == ["a", "b", "h"]
    assert all(loaded[name].dtype == arrays[name].dtype for name in arrays)
    nd.save(str(file), [nd.ones(2)])
    assert [x.asnumpy().tolist() for x in nd.load(str(file))] == [[1, 1]]
    assert [path.name for path in tmp_path.iterdir()] == ["arrays.params"]


@pytest.mark.parametrize(("data", "error"), [(5, ValueError), ({"a": 1}, TypeError), ([1], TypeError)])
def test_what_is_no_array_is_not_saved(tmp_path, data, error):
    with pytest.raises(error):
        nd.save(tmp_path / "a.params", data)
    assert not list(tmp_path.iterdir())


def test_a_file_cut_off_anywhere_is_an_error(tmp_path):
    file = tmp_path / "arrays.params"
    nd.save(file, {"a": nd.array([[1, 2]]), "b": nd.array([3], dtype="int64")})
    data = file.read_bytes()
    for length in range(len(data)):
        with pytest.raises(mx.MXNetError):
            nd.load_frombuffer(data[:length])


def test_a_file_with_huge_counts_allocates_nothing(tmp_path):
    file = tmp_path / "arrays.params"
    nd.save(file, {"a": nd.array([[1, 2]])})
    data = bytearray(file.read_bytes())
    for place in (16, 36, 44):  # the number of arrays; the sizes
        broken = bytearray(data)
        broken[place : place + 8] = (1 << 60).to_bytes(8, "little")
        with pytest.raises(mx.MXNetError):
            nd.load_frombuffer(bytes(broken))


def test_a_missing_file_is_named():
    with pytest.raises(mx.MXNetError, match=r"no\.params"):
        nd.load("/nowhere/no.params")
