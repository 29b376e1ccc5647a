"""`get_file` and the data sets, on files made here."""

import gzip
import hashlib
import io
import json
import pickle
import struct
import tarfile

import numpy as np
import pytest

from tandem import keras
from tandem.formats.limits import FormatError
from tandem.keras.datasets import fetch
from tandem.keras.utils import files

get_file = keras.utils.get_file


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "datasets"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("hello")
    return path


def test_a_file_is_fetched_once(home, source, capsys):
    path = get_file(origin=source.as_uri())
    assert path == str(home / "x.txt") and "Downloading data" in capsys.readouterr().out
    source.write_text("other")
    assert get_file("x.txt", origin=source.as_uri()) == path and (home / "x.txt").read_text() == "hello"
    get_file("x.txt", origin=source.as_uri(), force_download=True)
    assert (home / "x.txt").read_text() == "other"


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_hashes(kind, home, source):
    digest = hashlib.new(kind, b"hello").hexdigest()
    wrong = hashlib.new(kind, b"else").hexdigest()
    path = get_file(origin=source.as_uri(), file_hash=digest)
    for algorithm in ("auto", kind):
        assert files.validate_file(path, digest, algorithm) and not files.validate_file(path, wrong, algorithm)
    (home / "x.txt").write_text("outdated")
    get_file(origin=source.as_uri(), file_hash=digest)
    assert (home / "x.txt").read_text() == "hello"
    with pytest.raises(ValueError, match="Incomplete or corrupted"):
        get_file("y.txt", origin=source.as_uri(), file_hash=wrong)
    if kind == "md5":
        get_file("z.txt", origin=source.as_uri(), md5_hash=digest)
    assert not list(home.glob("*.part")) and not (home / "y.txt").exists()
    assert files.hash_file(path) == hashlib.sha256(b"hello").hexdigest()


def tgz(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as packed:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return path


def test_archives(home, tmp_path, source):
    path = tgz(tmp_path / "some.tar.gz", {"some/a.txt": b"1"}).as_uri()
    assert get_file(origin=path, extract=True) == str(home / "some.tar.gz")
    assert get_file("named", origin=path, untar=True) == str(home / "named")
    assert get_file("some.tgz", origin=path, extract=True) == str(home / "some_extracted")
    for folder in ("some.tar.gz", "named", "some_extracted"):
        assert (home / folder / "some" / "a.txt").read_bytes() == b"1"
    with pytest.warns(UserWarning, match="Could not extract"):
        get_file(origin=source.as_uri(), extract=True)
    assert not files.extract_archive(tmp_path / "some.tar.gz", tmp_path / "no", None)


def test_what_cannot_be_fetched(home, tmp_path):
    with pytest.raises(ValueError, match='"origin"'):
        get_file("x")
    with pytest.raises(ValueError, match="no longer accepted"):
        get_file("a/b", origin="file:///x")
    with pytest.raises(ValueError, match="Can't parse the file name"):
        get_file(origin="http://localhost/")
    with pytest.raises(Exception, match="URL fetch failure"):
        get_file(origin=(tmp_path / "nosuch").as_uri())
    assert not list(home.iterdir())


# --- data sets --------------------------------------------------------------------------------------------------------


@pytest.fixture
def unchecked(monkeypatch):
    """The files made here have other hashes than Keras's."""
    monkeypatch.setattr(files, "validate_file", lambda *args: True)


def lists(count, chance):
    found = np.empty(count, object)
    found[:] = [[int(word) for word in chance.randint(1, 50, chance.randint(3, 12))] for _ in range(count)]
    return found


def test_words(home, unchecked):
    chance = np.random.RandomState(0)
    home.mkdir(parents=True)
    x = lists(30, chance)
    np.savez(home / "imdb.npz", x_train=x[:20], y_train=np.arange(20) % 2, x_test=x[20:], y_test=np.arange(10) % 2)
    np.savez(home / "reuters.npz", x=x, y=np.arange(30))
    order = np.arange(20)
    np.random.RandomState(113).shuffle(order)
    (x_train, y_train), (x_test, _) = keras.datasets.imdb.load_data()
    assert [len(x_train), len(x_test)] == [20, 10] and x_train.dtype == object
    assert x_train[0] == [1] + [word + 3 for word in x[order[0]]] and np.array_equal(y_train, order % 2)
    (x_train, _), _ = keras.datasets.imdb.load_data(num_words=20, skip_top=5, start_char=None, oov_char=None)
    assert x_train[0] == [word + 3 for word in x[order[0]] if 5 <= word + 3 < 20]
    (x_train, _), _ = keras.datasets.imdb.load_data(maxlen=8, oov_char=9, num_words=9)
    assert all(len(one) < 8 and max(one) <= 9 for one in x_train)
    with pytest.raises(ValueError, match="Increase maxlen"):
        keras.datasets.imdb.load_data(maxlen=2)
    with pytest.warns(DeprecationWarning, match="num_words"):
        keras.datasets.imdb.load_data(nb_words=20)
    with pytest.raises(TypeError, match="Unrecognized"):
        keras.datasets.imdb.load_data(words=20)
    (x_train, y_train), (x_test, y_test) = keras.datasets.reuters.load_data(test_split=0.5)
    assert len(x_train) == len(x_test) == 15 and sorted([*y_train, *y_test]) == list(range(30))
    for name, module in (("imdb", keras.datasets.imdb), ("reuters", keras.datasets.reuters)):
        (home / f"{name}_word_index.json").write_text(json.dumps({"the": 1}))
        assert module.get_word_index() == {"the": 1}
    assert len(keras.datasets.reuters.get_label_names()) == 46


def test_figures(home, unchecked):
    home.mkdir(parents=True)
    x = np.arange(40.0).reshape(20, 2)
    np.savez(home / "boston_housing.npz", x=x, y=np.arange(20.0))
    np.savez(home / "california_housing.npz", x=np.zeros((700, 8)), y=np.arange(700.0))
    (x_train, y_train), (x_test, y_test) = keras.datasets.boston_housing.load_data(test_split=0.25)
    assert x_train.shape == (15, 2) and x_test.shape == (5, 2) and np.array_equal(x_train[:, 0], 2 * y_train)
    (x_train, _), (x_test, y_test) = keras.datasets.california_housing.load_data(version="small")
    assert len(x_train) == 480 and len(x_test) == 120 and y_test.max() < 600
    for module in (keras.datasets.boston_housing, keras.datasets.california_housing):
        with pytest.raises(ValueError, match="test_split"):
            module.load_data(test_split=1)
    with pytest.raises(ValueError, match="version"):
        keras.datasets.california_housing.load_data(version="tiny")


def test_digits(home, unchecked, tmp_path):
    home.mkdir(parents=True)
    images, labels = np.arange(2 * 784, dtype="uint16").astype("u1").reshape(2, 28, 28), np.array([3, 4], "u1")
    arrays = {"x_train": images, "y_train": labels, "x_test": images[:1], "y_test": labels[:1]}
    for path in (home / "mnist.npz", tmp_path / "own.npz"):
        np.savez(path, **arrays)
    for path in ("mnist.npz", str(tmp_path / "own.npz")):
        (x_train, y_train), (x_test, _) = keras.datasets.mnist.load_data(path)
        assert np.array_equal(x_train, images) and np.array_equal(y_train, labels) and len(x_test) == 1
    np.savez(tmp_path / "own.npz", x_train=images)
    with pytest.raises(FormatError, match="lacks"):
        keras.datasets.mnist.load_data(str(tmp_path / "own.npz"))
    folder = home / "fashion-mnist"
    folder.mkdir()
    for kind in ("train", "t10k"):
        head = struct.pack(">IIII", 2051, 2, 28, 28)
        with gzip.open(folder / f"{kind}-images-idx3-ubyte.gz", "wb") as file:
            file.write(head + images.tobytes())
        with gzip.open(folder / f"{kind}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">II", 2049, 2) + labels.tobytes())
    (x_train, y_train), _ = keras.datasets.fashion_mnist.load_data()
    assert np.array_equal(x_train, images) and np.array_equal(y_train, labels)


def test_colour_images(home, unchecked):
    chance = np.random.RandomState(0)

    def batch(count, **labels):
        images = chance.randint(0, 255, (count, 3072)).astype("u1")
        return pickle.dumps({b"data": images, **{name.encode(): value for name, value in labels.items()}}, protocol=4)

    ten = {f"cifar-10-batches-py/data_batch_{n}": batch(2, labels=[n, n]) for n in range(1, 6)}
    ten["cifar-10-batches-py/test_batch"] = batch(3, labels=[0, 1, 2])
    tgz(home / "cifar-10-batches-py-target_archive", ten)
    (x_train, y_train), (x_test, y_test) = keras.datasets.cifar10.load_data()
    assert x_train.shape == (10, 32, 32, 3) and x_test.shape == (3, 32, 32, 3) and y_train.dtype == np.uint8
    assert y_train[:, 0].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5] and y_test.shape == (3, 1)
    hundred = {f"cifar-100-python/{n}": batch(2, fine_labels=[7, 8], coarse_labels=[1, 2]) for n in ("train", "test")}
    tgz(home / "cifar-100-python-target_archive", hundred)
    assert keras.datasets.cifar100.load_data()[0][1][:, 0].tolist() == [7, 8]
    assert keras.datasets.cifar100.load_data("coarse")[1][1][:, 0].tolist() == [1, 2]
    with pytest.raises(ValueError, match="label_mode"):
        keras.datasets.cifar100.load_data("finest")
    keras.config.set_image_data_format("channels_first")
    try:
        assert keras.datasets.cifar100.load_data()[0][0].shape == (2, 3, 32, 32)
    finally:
        keras.config.set_image_data_format("channels_last")


def test_hashes_of_data_sets_are_checked(home, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "BASE", tmp_path.as_uri() + "/")
    np.savez(tmp_path / "mnist.npz", x_train=np.zeros(3))
    with pytest.raises(ValueError, match="Incomplete or corrupted"):
        keras.datasets.mnist.load_data()
