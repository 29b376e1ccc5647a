import io
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from formats.damage import mutated, truncated
from oracles import mxnet
from tandem.formats import params

GOLDEN = Path(__file__).parent.parent / "golden" / "mxnet"
DTYPES = ["float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool"]
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA


def golden(name):
    return params.load(GOLDEN / f"{name}.params")


def written(file):
    out = io.BytesIO()
    params.write(out, file.arrays, file.names, numpy_shapes=file.numpy_shapes)
    return out.getvalue()


def shape(*sizes):
    return struct.pack(f"<i{len(sizes)}q", len(sizes), *sizes)


def dense(*sizes, magic=V2, dtype=0, size=4):
    count = int(np.prod(sizes, dtype=np.int64))
    head = struct.pack("<Ii", magic, 0) + shape(*sizes) + struct.pack("<iii", 1, 0, dtype)
    return head + bytes(range(count * size))


def a_file(*arrays, names=()):
    data = struct.pack("<QQQ", 0x112, 0, len(arrays)) + b"".join(arrays) + struct.pack("<Q", len(names))
    return data + b"".join(struct.pack("<Q", len(name)) + name for name in names)


def test_golden_dict():
    file = golden("dict")
    arrays = file.by_name()
    assert list(arrays) == [*DTYPES, "bfloat16", "größe.0"]
    for dtype in DTYPES:
        assert arrays[dtype].dtype == dtype
        np.testing.assert_array_equal(arrays[dtype], (np.arange(6).reshape(2, 3) % 5).astype(dtype))
    assert torch.equal(arrays["bfloat16"], torch.tensor([1, -2, 0.5], dtype=torch.bfloat16))
    assert arrays["größe.0"].shape == (0, 3)
    assert not file.numpy_shapes


def test_golden_lists_and_numpy_shapes():
    file = golden("list")
    assert file.names == []
    np.testing.assert_array_equal(file.arrays[0], [1, 2, 3])
    assert golden("empty") == ([], [], False)
    file = golden("numpy")
    assert file.numpy_shapes
    scalar, none, x = file.arrays
    assert (scalar.shape, none.shape, x.shape) == ((), (0, 3), (2, 1))
    assert scalar == 3
    arrays = golden("net").by_name()
    assert list(arrays)[:2] == ["0.weight", "0.bias"]
    np.testing.assert_array_equal(arrays["0.weight"], np.ones((2, 3), np.float32))


def test_golden_sparse():
    arrays = golden("sparse").by_name()
    rows, csr = arrays["rows"], arrays["csr"]
    assert (rows.shape, rows.indices.tolist(), rows.values.tolist()) == ((5, 2), [1, 3], [[1, 2], [3, 4]])
    assert (csr.shape, csr.indptr.tolist(), csr.indices.tolist()) == ((3, 4), [0, 2, 2, 3], [0, 2, 1])
    assert csr.values.dtype == np.int32
    assert csr.values.tolist() == [1, 2, 3]
    assert (arrays["no rows"].shape, arrays["no rows"].values.shape) == ((3, 2), (0, 2))
    assert arrays["no values"].indptr.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("name", ["dict", "list", "empty", "sparse", "numpy", "net"])
def test_written_bytes_are_mxnets(name, tmp_path):
    data = (GOLDEN / f"{name}.params").read_bytes()
    file = golden(name)
    assert written(file) == data
    params.save(tmp_path / "x.params", *file[:2], numpy_shapes=file.numpy_shapes)
    assert (tmp_path / "x.params").read_bytes() == data


def test_torch_tensors_strided_arrays_and_devices():
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    out = io.BytesIO()
    params.write(out, [x.t(), x.detach().numpy().T, np.arange(3, dtype=">i4")], devices=[(2, 1), (1, 0), (1, 0)])
    one, two, three = params.read(out.getvalue()).arrays
    np.testing.assert_array_equal(one, x.detach().numpy().T)
    np.testing.assert_array_equal(one, two)
    assert three.tolist() == [0, 1, 2]
    assert struct.pack("<iii", 2, 1, 0) in out.getvalue()


def test_older_files():
    values = np.arange(6, dtype="<f4")
    body = struct.pack("<iii", 1, 0, 0) + values.tobytes()
    data = a_file(
        struct.pack("<I", V1) + shape(2, 3) + body,
        struct.pack("<III", 2, 2, 3) + body,
        struct.pack("<Ii", V2, 0) + shape(),  # never filled
        struct.pack("<Iii", V3, 0, -1),
        names=[b"a", b"b", b"c", b"d"],
    )
    file = params.read(data)
    for array in file.arrays[:2]:
        np.testing.assert_array_equal(array, values.reshape(2, 3))
    assert file.arrays[2:] == [None, None]
    again = params.read(written(file._replace(numpy_shapes=False)))
    assert again.arrays[2:] == [None, None]


def test_arrays_can_be_written_to_and_names_may_repeat():
    file = params.read(a_file(dense(2), dense(2), names=[b"x", b"x"]))
    file.arrays[0][0] = 7
    assert list(file.by_name()) == ["x"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "header is cut off.*16 bytes.*0 bytes"),
        (b"PK\x03\x04" + bytes(20), "no file of MXNet arrays.*0x112.*0x4034b50"),
        (a_file(dense(2))[:-1], "number of names is cut off"),
        (a_file(dense(3))[:-12], "array 0, of shape .3,., is cut off.*12 bytes.*8 bytes"),
        (struct.pack("<QQQ", 0x112, 0, 1 << 60) + bytes(16), "claims 1152921504606846976 arrays.*0 to 2"),
        (a_file(dense(2))[:-8] + struct.pack("<Q", 1 << 63) + bytes(8), "claims 9223372036854775808 names"),
        (a_file(dense(2), dense(2), names=[b"x"]), "names and arrays do not match.*2 names.*1"),
        (a_file(dense(2), names=[b"\xff\xfe"]), "name 0 is no text"),
        (a_file(dense(2, dtype=8)), "array 0 has an unknown dtype.*8"),
        (a_file(struct.pack("<Ii", V2, 3) + shape(2)), "unknown storage.*0, 1 or 2.*3"),
        (a_file(struct.pack("<Ii", V2, 0) + shape(1 << 40, 1 << 40)), "too large"),
        (a_file(struct.pack("<Ii", V2, 0) + shape(1 << 40) + bytes(12)), r"4398046511104 bytes.*8 bytes at position"),
        (a_file(struct.pack("<Ii", V2, 0) + shape(-2)), r"negative size.*\(-2,\)"),
        (a_file(struct.pack("<Iii", V2, 0, 33) + bytes(400)), "impossible number of axes.*33"),
        (a_file(struct.pack("<I", 77)), "begins with something unknown.*0x4d"),
        (a_file(struct.pack("<I", V1) + shape()), "has no axes"),
    ],
)
def test_damage(data, words):
    with pytest.raises(params.FormatError, match=words):
        params.read(data)


def row_sparse(indices, stored=(2, 2), whole=(5, 2), kind=6, storage=1, extra=b""):
    data = struct.pack("<Ii", V2, storage) + shape(*stored) + shape(*whole) + struct.pack("<iii", 1, 0, 0) + extra
    data += struct.pack("<i", kind) + shape(len(indices)) + bytes(4 * int(np.prod(stored)))
    return a_file(data + np.array(indices, "<i8" if kind == 6 else "<i4").tobytes())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (row_sparse([1, 5]), r"row numbers of array 0 are out of range.*0 to 4.*\[1, 5\]"),
        (row_sparse([-1, 2]), "out of range"),
        (row_sparse([1, 2, 3]), "do not match its values.*2.*3"),
        (row_sparse([1, 2], whole=(5, 3)), "rows of array 0 do not fit its shape"),
        (row_sparse([1, 2], kind=0), "no whole numbers.*dtype 4 or 6.*0"),
        (row_sparse([0, 1], storage=2), "no csr matrix"),
        (
            row_sparse([0, 9], (2,), (1, 4), storage=2, extra=struct.pack("<i", 6) + shape(2)),
            "columns .* cut off",
        ),
    ],
)
def test_damage_to_sparse_arrays(data, words):
    with pytest.raises(params.FormatError, match=words):
        params.read(data)


def test_row_starts_must_rise():
    good = (GOLDEN / "sparse.params").read_bytes()
    starts = np.array([0, 2, 2, 3], "<i8").tobytes()
    for wrong in ([0, 3, 2, 3], [1, 2, 2, 3], [0, 2, 2, 4], [0, -2, 2, 3]):
        with pytest.raises(params.FormatError, match=r"row starts.*make no sense.*4 numbers that rise from 0 to 3"):
            params.read(good.replace(starts, np.array(wrong, "<i8").tobytes()))


@pytest.mark.parametrize("name", ["dict", "sparse", "numpy"])
def test_any_damage_is_noticed_or_harmless(name):
    """Every truncation, and some thousand mutations: FormatError, or arrays that are whole, and little memory."""
    good = (GOLDEN / f"{name}.params").read_bytes()
    for data in truncated(good):
        with pytest.raises(params.FormatError):
            params.read(data)
    tracemalloc.start()
    survived = 0
    for data in mutated(good, 1500):
        try:
            file = params.read(data)
        except params.FormatError as error:
            assert "Expected: " in str(error)  # noqa: PT017
            assert "Given: " in str(error)  # noqa: PT017
        else:
            survived += 1
            for array in file.arrays:
                if isinstance(array, np.ndarray):
                    array.sum()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 < survived < 1200
    assert peak < 1 << 20


def test_what_cannot_be_written(tmp_path):
    for arrays, names, words in (
        ([np.ones(2, np.complex64)], (), "no such dtype.*float32.*bfloat16.*complex64"),
        ([np.ones(())], (), "an axis or more"),
        ([np.ones(2)], ("a", "b"), "do not match.*1 names.*2"),
    ):
        with pytest.raises(ValueError, match=words):
            params.save(tmp_path / "x", arrays, names)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        params.load(tmp_path / "x")


@pytest.mark.oracle
def test_mxnet_reads_what_is_written(tmp_path):
    rows = params.RowSparse((5, 2), np.array([1, 3]), np.array([[1, 2], [3, 4]], np.float32))
    csr = params.CSR((3, 4), np.array([0, 2, 2, 3]), np.array([0, 2, 1]), np.array([1, 2, 3], np.float64))
    arrays = {dtype: (np.arange(6).reshape(3, 2) % 5).astype(dtype) for dtype in DTYPES}
    params.save(tmp_path / "x.params", [*arrays.values(), rows, csr], [*arrays, "rows", "csr"])
    params.save(tmp_path / "np.params", [np.float32(3), np.ones((0, 2), np.float32)], ["a", "b"], numpy_shapes=True)
    theirs = mxnet.run(
        """
        loaded = {k: v.asnumpy() for k, v in nd.load(folder + "/x.params").items()}
        kinds = {k: v.stype for k, v in nd.load(folder + "/x.params").items()}
        mx.npx.set_np()
        shapes = {k: list(v.shape) for k, v in mx.npx.load(folder + "/np.params").items()}
        mx.npx.reset_np()
        """,
        ["loaded", "kinds", "shapes"],
        folder=str(tmp_path),
    )
    for name, array in arrays.items():
        assert theirs["loaded"][name].dtype == array.dtype
        np.testing.assert_array_equal(theirs["loaded"][name], array)
    assert theirs["loaded"]["rows"].tolist() == [[0, 0], [1, 2], [0, 0], [3, 4], [0, 0]]
    assert theirs["loaded"]["csr"].tolist() == [[1, 0, 2, 0], [0, 0, 0, 0], [0, 3, 0, 0]]
    assert (theirs["kinds"]["rows"], theirs["kinds"]["csr"]) == ("row_sparse", "csr")
    assert theirs["shapes"] == {"a": [], "b": [0, 2]}
