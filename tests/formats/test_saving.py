import os
import stat
import threading

import pytest

from tandem.formats.saving import atomic_write


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def permissions(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_there_when_it_is_whole(tmp_path):
    path = tmp_path / "x.params"
    with atomic_write(path) as file:
        file.write(b"one")
        assert not path.exists()
    assert path.read_bytes() == b"one"
    with atomic_write(str(path), "w") as file:
        file.write("größer")
        assert path.read_bytes() == b"one"
    assert path.read_text(encoding="utf-8") == "größer"
    assert names(tmp_path) == ["x.params"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_old_file_stays_where_writing_fails(error, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def save():
        with atomic_write(path) as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        save()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["x"]


def test_permissions(tmp_path):
    path = tmp_path / "x"
    before = os.umask(0o027)
    try:
        with atomic_write(path) as file:
            file.write(b"1")
    finally:
        os.umask(before)
    assert permissions(path) == 0o640
    path.chmod(0o604)
    with atomic_write(path) as file:
        file.write(b"2")
    assert permissions(path) == 0o604


def test_links_are_followed(tmp_path):
    (tmp_path / "data").mkdir()
    target, link = tmp_path / "data" / "x", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with atomic_write(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert names(tmp_path / "data") == ["x"]


def test_where_nothing_can_be_written(tmp_path):
    def save(path, mode="wb"):
        with atomic_write(path, mode) as file:
            file.write(b"1")

    with pytest.raises(FileNotFoundError, match="nowhere"):
        save(tmp_path / "nowhere" / "x")
    with pytest.raises(IsADirectoryError):
        save(tmp_path)
    with pytest.raises(ValueError, match=r"'wb' or 'w'.*'ab'"):
        save(tmp_path / "x", "ab")
    assert names(tmp_path) == []


def test_what_is_no_regular_file(tmp_path):
    with atomic_write(os.devnull) as file:
        file.write(b"1")
    assert not stat.S_ISREG(os.stat(os.devnull).st_mode)
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    with atomic_write(pipe) as file:
        file.write(b"through")
    reader.join()
    assert found == [b"through"]
