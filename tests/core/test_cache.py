"""Hashes of cached files."""

import hashlib

import pytest

from tandem.core import cache


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "data.npz"
    path.write_bytes(b"published" * 300_000)  # more than one piece
    return path


@pytest.fixture(autouse=True)
def untrusted():
    cache.trust(False)
    yield
    cache.trust(False)


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
@pytest.mark.parametrize("name", ["given", "auto"])
def test_the_published_file_passes(file, algorithm, name):
    published = hashlib.new(algorithm, file.read_bytes()).hexdigest().upper()
    cache.verify(file, published, algorithm if name == "given" else "auto")
    assert cache.file_hash(file, algorithm) == published.lower()


def test_another_file_is_an_error_that_names_the_option(file):
    with pytest.raises(ValueError) as caught:
        cache.verify(str(file), "0" * 64)
    message = str(caught.value)
    assert str(file) in message
    assert "Expected: sha256 " + "0" * 64 in message
    assert "Given: sha256 " + cache.file_hash(file) in message
    assert "tandem run --trust-cache" in message
    with pytest.raises(UserWarning):
        cache.verify(file, "0" * 40, error=UserWarning)


def test_a_trusted_cache_warns_and_goes_on(file):
    cache.trust(True)
    with pytest.warns(UserWarning, match="used all the same"):
        cache.verify(file, "0" * 32)
    assert cache.trusted()


def test_what_cannot_be_checked_is_an_error_even_when_trusted(file, tmp_path):
    cache.trust(True)
    with pytest.raises(ValueError, match="a hash of 3 digits"):
        cache.verify(file, "abc")
    with pytest.raises(FileNotFoundError):
        cache.verify(tmp_path / "nothing", "0" * 64)
