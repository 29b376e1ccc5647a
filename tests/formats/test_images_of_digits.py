"""The files of MNIST and of CIFAR."""

import gzip
import struct

import numpy as np
import pytest

from formats.damage import mutated, truncated
from tandem.formats import cifar, mnist
from tandem.formats.limits import FormatError


def idx(array, kind=8):
    return struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape) + array.tobytes()


IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files(packed, tmp_path):
    path = tmp_path / "x"
    pack = gzip.compress if packed else bytes
    path.write_bytes(pack(idx(IMAGES)))
    found = mnist.read(path, 3)
    np.testing.assert_array_equal(found, IMAGES)
    found[0] = 1
    for kind, dtype in ((9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")):
        path.write_bytes(pack(idx(np.arange(-3, 3).astype(dtype), kind)))
        found = mnist.read(path)
        assert found.dtype == np.dtype(dtype).newbyteorder("=")
        assert found.tolist() == list(range(-3, 3))
    path.write_bytes(pack(idx(np.zeros((0, 28, 28), np.uint8))))
    assert mnist.read(path).shape == (0, 28, 28)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\0\0", "no header.*4 bytes or more.*2 bytes"),
        (b"\x89PNG" + bytes(30), "does not begin as an IDX file.*0x8950"),
        (idx(IMAGES)[:10], "sizes are cut off.*12 bytes.*6 bytes"),
        (idx(IMAGES)[:-1], "do not fill its sizes.*24 bytes.*23 bytes"),
        (idx(IMAGES) + b"x", "do not fill its sizes.*24 bytes.*25 bytes or more"),
        (struct.pack(">HBBIII", 0, 8, 3, *[2**32 - 1] * 3), "cut off.*79228162458924105385300197375 bytes"),
        (idx(IMAGES[0]), "3 axes.*2 axes"),
        (gzip.compress(idx(IMAGES), mtime=0)[:-12], "cannot be decompressed"),
        (gzip.compress(idx(IMAGES), mtime=0)[:-6] + b"123456", "cannot be decompressed"),
        (gzip.compress(struct.pack(">HBBI", 0, 8, 1, 2**32 - 1), mtime=0), "cut off.*4294967295 bytes"),
        (b"\x1f\x8b", "cannot be decompressed"),
    ],
)
def test_damaged_idx_files(data, words, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=words) as error:
        mnist.read(path, 3 if b"axes" in words.encode() else None)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("packed", [False, True])
def test_any_damage_is_noticed_or_harmless(packed, tmp_path):
    good = gzip.compress(idx(IMAGES), mtime=0) if packed else idx(IMAGES)
    path = tmp_path / "x"
    for data in truncated(good):
        path.write_bytes(data)
        with pytest.raises(FormatError):
            mnist.read(path)
    for data in mutated(good, 300):
        path.write_bytes(data)
        try:
            assert mnist.read(path).size <= 1032 * len(data)
        except FormatError as error:
            assert "Expected: " in str(error)  # noqa: PT017


@pytest.mark.parametrize("labels", [1, 2])
def test_cifar(labels, tmp_path):
    chance = np.random.default_rng(0)
    images = chance.integers(0, 256, (3, 32, 32, 3), np.uint8)
    marks = chance.integers(0, 10, (3, labels), np.uint8)
    path = tmp_path / "x.bin"
    records = [mark.tobytes() + image.transpose(2, 0, 1).tobytes() for mark, image in zip(marks, images, strict=True)]
    path.write_bytes(b"".join(records))
    found, classes = cifar.read(path, labels)
    np.testing.assert_array_equal(found, images)
    np.testing.assert_array_equal(classes, marks)
    for data in (b"".join(records)[:-1], b"", b"x"):
        path.write_bytes(data)
        with pytest.raises(FormatError, match=f"whole records.*{3072 + labels} bytes each.*{len(data)} bytes"):
            cifar.read(path, labels)
