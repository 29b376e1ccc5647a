"""Keras's files as plain structures: HDF5 read without the C library, archives, downloads; damaged and hostile ones."""

import io
import json
import os
import pickle
import tarfile
import zipfile

import h5py
import numpy as np
import pytest

from formats.damage import mutated, truncated
from tandem.formats import keras_archive, keras_downloads, keras_hdf5, keras_legacy, keras_weights
from tandem.formats.limits import FormatError


def small_h5():
    """An HDF5 file with everything that is read, in the form that Keras writes."""
    file, chance = io.BytesIO(), np.random.RandomState(0)
    with h5py.File(file, "w") as h5:
        h5.create_dataset("a/packed", data=chance.rand(30, 13), chunks=(8, 5), compression="gzip", shuffle=True)
        h5.create_dataset("a/checked", data=np.arange(5.0), chunks=(2,), fletcher32=True)
        h5["a/scalar"], h5["half"], h5["truth"] = np.int64(-5), np.float16([1, 2]), np.array([True, False])
        h5["empty"], h5["big_end"], h5["bytes"] = np.zeros((0, 3)), np.arange(3, dtype=">f8"), np.arange(3, dtype="u1")
        h5.attrs["long"], h5.attrs["fixed"], h5.attrs["number"] = "é" * 300, np.bytes_("abc"), 2.5
        h5["a"].attrs["names"] = [b"x", b"yz"]
        h5["a"].attrs["texts"] = np.array(["x", "yz"], dtype=h5py.string_dtype())
        for number in range(100):
            h5[f"many/{number}"] = np.float32(number)
    return file.getvalue()


def newer_h5():
    """A small HDF5 file in a later form."""
    file = io.BytesIO()
    with h5py.File(file, "w", libver=("v108", "v108")) as h5:
        h5["a/b"], h5["c"] = np.arange(4.0), 3
        h5.attrs["long"] = "é" * 300
        h5["a"].attrs["names"] = [b"x"]
    return file.getvalue()


@pytest.mark.parametrize(("make", "count"), [(small_h5, 110), (newer_h5, 3)])
def test_hdf5_reads_what_h5py_wrote(make, count):
    data, seen = make(), 0
    with h5py.File(io.BytesIO(data)) as h5, keras_hdf5.reading(io.BytesIO(data)) as root:

        def compare(name, node):
            nonlocal seen
            seen += 1
            mine = root[name]
            for key, value in node.attrs.items():
                value = value.tolist() if isinstance(value, np.ndarray) else value
                text = [item.decode() if isinstance(item, bytes) else item for item in np.atleast_1d(value).tolist()]
                assert np.atleast_1d(mine.attributes[key]).tolist() == text
            if isinstance(node, h5py.Dataset):
                array = mine.read()
                assert array.dtype == node.dtype.newbyteorder("=") and np.array_equal(array, node[()])
            else:
                assert sorted(mine.keys()) == sorted(node.keys())

        h5.visititems(compare)
        assert root.attributes["long"] == "é" * 300
    assert seen == count


def read_all(data):
    with keras_hdf5.reading(io.BytesIO(data)) as root:
        assert isinstance(root.attributes, dict)
        for _, node in keras_hdf5.walk(root):
            node.read()


def test_damaged_hdf5_says_so():
    data, broken = small_h5(), 0
    for bad in [*list(truncated(data))[:: len(data) // 200], *mutated(data, 300)]:
        try:
            read_all(bad)
        except FormatError:
            broken += 1
    assert broken > 200


def h5_with(fill):
    file = io.BytesIO()
    with h5py.File(file, "w") as h5:
        fill(h5)
    return file.getvalue()


def test_links_and_outer_data_are_refused(tmp_path):
    (tmp_path / "secret").write_bytes(b"12345678")
    outer = [(str(tmp_path / "secret"), 0, 8)]

    def virtual(h5):
        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "x.h5"), "x", (4,))
        h5.create_virtual_dataset("x", layout)

    for fill in (
        lambda h5: h5.__setitem__("x", h5py.SoftLink("/y")),
        lambda h5: h5.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/y")),
        lambda h5: h5.create_dataset("x", (8,), "u1", external=outer),
        virtual,
    ):
        with pytest.raises(FormatError), keras_hdf5.reading(io.BytesIO(h5_with(fill))) as root:
            root.array("x")


def test_a_shape_without_data_is_refused():
    data = h5_with(lambda h5: h5.create_dataset("x", (1 << 40,), "f4", chunks=(1 << 20,), compression="gzip"))
    with pytest.raises(FormatError, match="claims far more"), keras_hdf5.reading(io.BytesIO(data)) as root:
        root.array("x")


def test_groups_in_a_circle():
    def circle(h5):
        h5.create_group("a")["b"] = h5["/"]

    with pytest.raises(FormatError, match="circle"):
        read_all(h5_with(circle))


# --- archives ---------------------------------------------------------------------------------------------------------


def archive(members, config='{"class_name": "X"}'):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("config.json", config)
        for name, content in members:
            packed.writestr(name, content)
    file.seek(0)
    return file


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "assets/../../evil", "C:\\evil", "assets/a\\..\\..\\evil"])
def test_names_that_lead_out_of_an_archive(name):
    with pytest.raises(FormatError, match="leads out"):
        keras_archive.Archive(archive([(name, b"x")]))


def test_archives_that_are_none(tmp_path):
    link = zipfile.ZipInfo("assets/link")
    link.external_attr = 0o120777 << 16
    for file in (
        io.BytesIO(b"nothing"),
        io.BytesIO(),
        archive([(link, b"/etc/passwd")]),
    ):
        with pytest.raises(FormatError):
            keras_archive.Archive(file)
    path = tmp_path / "x.keras"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("other", b"")
    with pytest.raises(FormatError, match="no model"):
        keras_archive.Archive(path)


def test_a_member_that_claims_more_than_it_holds():
    data = bytearray(archive([("model.weights.h5", b"x" * 100)]).getvalue())
    place = data.rindex(b"PK\x01\x02")
    data[place + 24 : place + 28] = (1 << 31).to_bytes(4, "little")
    with pytest.raises(FormatError, match="claims more"):
        keras_archive.Archive(io.BytesIO(bytes(data)))


@pytest.mark.parametrize("config", ["[" * 100000, '{"a":' * 5000 + "1" + "}" * 5000, "[1]", "nonsense", b"\xff\xfe"])
def test_configs_that_are_none(config):
    with pytest.raises(FormatError), keras_archive.Archive(archive([], config)) as found:
        found.config()


def test_damaged_archives_say_so():
    weights = io.BytesIO()
    writer = keras_weights.Writer(weights)
    writer.make("layers/dense", "dense")["0"] = np.ones((3, 2), "float32")
    writer.close()
    data = archive([("metadata.json", "{}"), ("model.weights.h5", weights.getvalue())]).getvalue()
    broken = 0
    for bad in [*list(truncated(data))[::20], *mutated(data, 300)]:
        try:
            with keras_archive.Archive(io.BytesIO(bad)) as found:
                found.config(), found.metadata()
                with found.weights() as file, keras_hdf5.reading(file or io.BytesIO()) as root:
                    keras_weights.Reader(root).get("layers/dense")["0"]
        except (FormatError, KeyError):
            broken += 1
    assert broken > 200


# --- weights ----------------------------------------------------------------------------------------------------------


def test_weights_keep_bfloat16(tmp_path):
    import torch

    path = tmp_path / "x.weights.h5"
    value = torch.arange(6, dtype=torch.bfloat16).reshape(2, 3)
    with keras_weights.writing(path) as writer:
        writer.make("a", "one")["0"] = value
    with keras_hdf5.reading(path) as root:
        found = keras_weights.Reader(root).get("a")["0"]
    assert found.dtype is torch.bfloat16 and torch.equal(found, value)


def test_an_index_of_files_elsewhere_is_refused(tmp_path):
    path = tmp_path / "x.weights.json"
    for name in ("../other.weights.h5", "/etc/passwd", 3):
        path.write_text(json.dumps({"metadata": {}, "weight_map": {"/vars": name}}))
        with pytest.raises(FormatError):
            keras_weights.ShardedReader(path)
    path.write_text("[]")
    with pytest.raises(FormatError):
        keras_weights.ShardedReader(path)


def test_nothing_is_left_where_writing_fails(tmp_path):
    path = tmp_path / "x.weights.h5"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), keras_weights.writing(path) as writer:
        writer.make("a")["0"] = np.ones(3)
        raise RuntimeError
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["x.weights.h5"]


def test_long_lists_of_names_are_split():
    names = [f"{'layer' * 20}_{number}" for number in range(2000)]
    weights = keras_legacy.Weights([(name, [], []) for name in names], ([], []), "3", "torch")
    data = h5_with(lambda h5: keras_legacy.write_weights(h5, weights))
    with keras_hdf5.reading(io.BytesIO(data)) as root:
        assert [name for name, _, _ in keras_legacy.read_weights(root).layers] == names
    with h5py.File(io.BytesIO(data)) as h5:
        assert "layer_names0" in h5.attrs and "layer_names" not in h5.attrs


# --- downloads --------------------------------------------------------------------------------------------------------


def tar(path, members):
    with tarfile.open(path, "w:gz") as packed:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(content)
                packed.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content
                packed.addfile(info)


def test_nothing_is_unpacked_outside_of_the_folder(tmp_path):
    path, folder = tmp_path / "x.tar.gz", tmp_path / "inner" / "folder"
    file, link, hard = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
    tar(
        path,
        [
            ("good/a.txt", file, b"1"),
            ("good/link", link, "a.txt"),
            ("../evil", file, b"2"),
            ("/tmp/evil_absolute", file, b"2"),
            ("out", link, "../.."),
            ("out/evil", file, b"2"),
            ("hard", hard, "../../x.tar.gz"),
            ("pipe", tarfile.FIFOTYPE, ""),
        ],
    )
    with pytest.warns(UserWarning, match="Skipping invalid path"):
        assert keras_downloads.extract(path, folder)
    found = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if not p.is_dir())
    assert found == ["inner/folder/good/a.txt", "inner/folder/good/link", "inner/folder/out/evil", "x.tar.gz"]
    assert not os.path.exists("/tmp/evil_absolute")


def test_a_damaged_archive_leaves_no_folder(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("a", b"x" * 1000)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(FormatError):
        keras_downloads.extract(path, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
    assert not keras_downloads.extract(path, tmp_path / "folder", ["tar"])


class Evil:
    """Asks for a function when it is unpickled."""

    def __reduce__(self):
        return (os.system, ("echo evil",))


def test_pickles_make_arrays_only(tmp_path):
    good = {b"data": np.arange(3), b"labels": [1, 2]}
    found = keras_downloads.read_pickle(io.BytesIO(pickle.dumps(good, protocol=2)), "x", encoding="bytes")
    assert np.array_equal(found[b"data"], np.arange(3)) and found[b"labels"] == [1, 2]
    for bad in (pickle.dumps(Evil()), pickle.dumps(print), b"", b"nonsense", pickle.dumps(good)[:-20]):
        with pytest.raises(FormatError):
            keras_downloads.read_pickle(io.BytesIO(bad), "x")
    lists = np.empty(2, object)
    lists[:] = [[1], [2, 3]]
    np.savez(tmp_path / "x.npz", a=np.arange(3), b=lists)
    found = keras_downloads.read_npz(tmp_path / "x.npz")
    assert found["b"][1] == [2, 3] and np.array_equal(found["a"], np.arange(3))
    evil = np.empty(1, object)
    evil[0] = Evil()
    np.savez(tmp_path / "x.npz", a=evil)
    with pytest.raises(FormatError, match="pickle asks for"):
        keras_downloads.read_npz(tmp_path / "x.npz")


def test_damaged_npz_says_so(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.arange(30), b=np.ones((2, 3)))
    data = (tmp_path / "x.npz").read_bytes()
    broken = 0
    for bad in mutated(data, 200):
        (tmp_path / "y.npz").write_bytes(bad)
        try:
            keras_downloads.read_npz(tmp_path / "y.npz")
        except FormatError:
            broken += 1
    assert broken > 50
