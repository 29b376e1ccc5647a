"""`mx.recordio`; the format itself is held in tests/formats/test_recordio.py."""

import os
import pickle

import numpy as np
import pytest

import tandem.mxnet as mx
from tandem.mxnet import recordio


@pytest.fixture
def indexed(tmp_path):
    file = recordio.MXIndexedRecordIO(str(tmp_path / "a.idx"), str(tmp_path / "a.rec"), "w")
    for number in range(5):
        file.write_idx(number, b"record %d" % number)
    file.close()
    return str(tmp_path / "a.idx"), str(tmp_path / "a.rec")


def test_one_record_after_the_other(tmp_path):
    path = str(tmp_path / "a.rec")
    file = recordio.MXRecordIO(path, "w")
    for record in (b"", b"abc", bytes(1000), b"\x0a\x23\xd7\xce" * 5):
        file.write(record)
    file.close()
    file = recordio.MXRecordIO(path, "r")
    found = [file.read() for _ in range(6)]
    assert found == [b"", b"abc", bytes(1000), b"\x0a\x23\xd7\xce" * 5, None, None]
    file.reset()
    assert file.read() == b""
    file.close()
    file.close()


def test_reading_by_key(indexed):
    file = recordio.MXIndexedRecordIO(*indexed, "r")
    assert file.keys == [0, 1, 2, 3, 4] and file.idx[1] == 16
    assert [file.read_idx(3), file.read_idx(1), file.read(), file.read()] == [b"record %d" % i for i in (3, 1, 2, 3)]
    file.seek(4)
    assert [file.read(), file.read()] == [b"record 4", None]
    file.reset()
    assert file.read() == b"record 0"
    with pytest.raises(KeyError):
        file.read_idx(9)


def test_keys_of_another_type(tmp_path):
    paths = str(tmp_path / "s.idx"), str(tmp_path / "s.rec")
    file = recordio.MXIndexedRecordIO(*paths, "w", key_type=str)
    file.write_idx("first", b"1")
    assert file.tell() == 12
    file.close()
    assert recordio.MXIndexedRecordIO(*paths, "r", key_type=str).read_idx("first") == b"1"
    with pytest.raises(ValueError, match="line 1 is no entry"):
        recordio.MXIndexedRecordIO(*paths, "r")


def test_pickling(indexed):
    file = recordio.MXIndexedRecordIO(*indexed, "r")
    file.read()
    copy = pickle.loads(pickle.dumps(file))
    assert copy.read() == b"record 0" and copy.read_idx(2) == b"record 2" and file.read() == b"record 1"
    writing = recordio.MXRecordIO(indexed[1] + "2", "w")
    with pytest.raises(TypeError, match="being written cannot be pickled"):
        pickle.dumps(writing)


def test_a_forked_process_reads_by_key_only(indexed):
    file = recordio.MXIndexedRecordIO(*indexed, "r")
    file.read()
    receive, send = os.pipe()
    child = os.fork()
    if not child:
        try:
            answers = []
            for read in (file.read, lambda: file.read_idx(3), file.read):
                try:
                    answers.append(read())
                except RuntimeError as error:
                    answers.append(str(error)[:40])
            os.write(send, pickle.dumps(answers))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    answers = pickle.loads(os.read(receive, 1000))
    assert answers == ["Forbidden operation in multiple processe", b"record 3", b"record 4"]
    assert file.read() == b"record 1"
    os.close(receive)
    os.close(send)


def test_what_is_not_allowed(indexed, tmp_path):
    file = recordio.MXRecordIO(indexed[1], "r")
    with pytest.raises(AssertionError, match="open for reading only"):
        file.write(b"x")
    file.close()
    with pytest.raises(RuntimeError, match="is closed"):
        file.read()
    with pytest.raises(ValueError, match="Invalid flag rb"):
        recordio.MXRecordIO(indexed[1], "rb")
    with pytest.raises(mx.MXNetError, match="nosuch"):
        recordio.MXRecordIO(str(tmp_path / "nosuch"), "r")
    with pytest.raises(FileNotFoundError):
        recordio.MXIndexedRecordIO(str(tmp_path / "nosuch"), indexed[1], "r")
    (tmp_path / "junk").write_bytes(b"garbage!" * 4)
    with pytest.raises(mx.MXNetError, match="junk"):
        recordio.MXRecordIO(str(tmp_path / "junk"), "r").read()


@pytest.mark.parametrize("label", [3, 2.5, [1, 2], np.array([[1, 2], [3, 4]]), np.float32(7)])
def test_headers(label):
    header, content = recordio.unpack(recordio.pack(recordio.IRHeader(0, label, 2**40, 6), b"content"))
    assert content == b"content" and (header.id, header.id2) == (2**40, 6)
    assert np.array_equal(header.label, np.ravel(label) if np.ndim(label) else label)
    assert header.flag == (np.size(label) if np.ndim(label) else 0)


def test_images_have_blue_first():
    image = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    record = recordio.pack_img(recordio.IRHeader(0, 1, 2, 0), image, 3, ".png")
    for iscolor in (-1, 1):
        header, found = recordio.unpack_img(record, iscolor)
        assert header.label == 1 and (found == image).all()
    assert (mx.image.imdecode(recordio.unpack(record)[1]).asnumpy() == image[:, :, ::-1]).all()
    assert recordio.unpack_img(record, 0)[1].shape == (6, 5)
    grey = recordio.pack_img(recordio.IRHeader(0, 1, 2, 0), image[:, :, 0], 3, ".png")
    assert (recordio.unpack_img(grey)[1] == image[:, :, 0]).all() and recordio.unpack_img(grey, 1)[1].shape == (6, 5, 3)
    clear = np.dstack([image, image[:, :, :1]])
    record = recordio.pack_img(recordio.IRHeader(0, 1, 2, 0), clear, 3, ".png")
    assert (recordio.unpack_img(record)[1] == clear).all() and (recordio.unpack_img(record, 1)[1] == image).all()
    rounded = recordio.pack_img(recordio.IRHeader(0, 1, 2, 0), image * np.float32(1.3), 3, ".png")
    assert (recordio.unpack_img(rounded)[1] == np.clip(np.rint(image * np.float32(1.3)), 0, 255)).all()
    assert recordio.unpack_img(recordio.pack(recordio.IRHeader(0, 1, 2, 0), b"junk"))[1] is None
    with pytest.raises(ValueError, match="Unknown image format"):
        recordio.pack_img(recordio.IRHeader(0, 1, 2, 0), image, img_fmt=".xyz")
