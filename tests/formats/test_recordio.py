from pathlib import Path

import numpy as np
import pytest

from formats.damage import mutated, truncated
from oracles import mxnet
from tandem.formats import recordio
from tandem.formats.limits import FormatError

GOLDEN = Path(__file__).parent.parent / "golden" / "mxnet"
MAGIC = b"\x0a\x23\xd7\xce"
RECORDS = [
    b"",
    b"a",
    b"abcd",
    b"hello",
    MAGIC,
    b"abcd" + MAGIC + b"e",
    b"abc" + MAGIC + b"d",
    MAGIC * 2,
    b"1234" + MAGIC,
]
KEYS = [0, 7, 14, 21, 28, 35, 42, 49, 56, 100, 101]


def rewrite(path, records):
    with recordio.RecordWriter(path) as writer:
        for record in records:
            writer.write(record)


def read_all(path):
    with recordio.RecordReader(path) as reader:
        return list(reader)


def test_golden_records_and_index():
    path = GOLDEN / "records.rec"
    records = read_all(path)
    assert records[:9] == RECORDS
    index = recordio.read_index(GOLDEN / "records.idx", path.stat().st_size)
    assert list(index) == KEYS
    assert list(index.values()) == recordio.positions(path)
    assert (GOLDEN / "records.idx").read_text() == "".join(recordio.index_line(*entry) for entry in index.items())
    with recordio.RecordReader(path) as reader:
        assert reader.read() == RECORDS[0]
        assert reader.read_at(index[35]) == RECORDS[5]
        assert reader.read() == RECORDS[1]  # reading elsewhere does not move it
        reader.seek(index[56])
        assert reader.tell() == index[56]
        assert reader.read() == RECORDS[8]
        reader.seek(path.stat().st_size)
        assert reader.read() is None


def test_written_bytes_are_mxnets(tmp_path):
    path = GOLDEN / "records.rec"
    headers = [(0, 3.5, 100, 2**40), (0, [1, 2, 3.5], 101, 2**40)]
    rewrite(tmp_path / "x.rec", [*RECORDS, *(recordio.pack(header, b"content") for header in headers)])
    assert (tmp_path / "x.rec").read_bytes() == path.read_bytes()


def test_headers():
    one, several = (recordio.unpack(record) for record in read_all(GOLDEN / "records.rec")[9:])
    assert one == ((0, 3.5, 100, 2**40), b"content")
    header, content = several
    assert (header.flag, header.label.tolist(), header.id, header.id2) == (3, [1, 2, 3.5], 101, 2**40)
    assert header.label.dtype == np.float32
    assert content == b"content"
    assert recordio.unpack(recordio.pack((9, np.float64(2.5), 1, 0), b""))[0] == (0, 2.5, 1, 0)
    assert recordio.unpack(recordio.pack((0, np.array(2.5), 1, 0), b""))[0].label.tolist() == [2.5]
    with pytest.raises(FormatError, match=r"no header.*24 bytes.*23 bytes"):
        recordio.unpack(bytes(23))
    with pytest.raises(FormatError, match=r"label of a record is cut off.*12 bytes.*11 bytes"):
        recordio.unpack(recordio.pack(header, b"")[:-1])


def part(kind, data):
    length = len(data)
    return MAGIC + (kind << 29 | length).to_bytes(4, "little") + data + bytes(-length % 4)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (MAGIC + b"\x04", "record is cut off.*5 bytes at 0"),
        (MAGIC + b"\xff\xff\xff\x1f" + bytes(8), "record is cut off.*536870912 bytes.*8 bytes at 8"),
        (part(0, b"abc")[:-1], "record is cut off.*4 bytes.*3 bytes at 8"),
        (b"abcd" + part(0, b"abc"), "no record at position 0.*0xced7230a.*0x64636261"),
        (part(2, b"abcd"), "out of order.*kind 2"),
        (part(1, b"abcd"), "record is cut off"),
        (part(1, b"abcd") + part(0, b"abcd"), "out of order.*kind 0"),
        (part(7, b"abcd"), "out of order.*kind 7"),
    ],
)
def test_damage(data, words, tmp_path):
    path = tmp_path / "x.rec"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=words) as error:
        read_all(path)
    assert str(path) in str(error.value)


def test_positions_outside_the_file(tmp_path):
    path = tmp_path / "x.rec"
    rewrite(path, [b"abc"])
    with recordio.RecordReader(path) as reader:
        for position in (-4, 12, 1 << 70):
            with pytest.raises(FormatError, match=f"no record can be at this position.*less than 12.*{position}"):
                reader.read_at(position)
    path.write_bytes(b"")
    assert read_all(path) == []


def test_any_damage_is_noticed_or_harmless(tmp_path):
    good = (GOLDEN / "records.rec").read_bytes()
    ends = {*recordio.positions(GOLDEN / "records.rec"), len(good)}
    path = tmp_path / "x.rec"
    for data in truncated(good):
        path.write_bytes(data)
        if len(data) in ends:
            assert len(read_all(path)) == sorted(ends).index(len(data))
        else:
            with pytest.raises(FormatError):
                read_all(path)
    survived = 0
    for data in mutated(good, 500):
        path.write_bytes(data)
        try:
            survived += sum(map(len, read_all(path))) <= len(data)
        except FormatError:
            pass
    assert survived


@pytest.mark.parametrize(
    "line", ["7", "x\t0", "7\tx", "7\t-4", "7\t6", "7\t12", "7 0", "\t", "7\t" + "9" * 5000, "\xff\t0"]
)
def test_damaged_index(line, tmp_path):
    path = tmp_path / "x.idx"
    path.write_bytes(b"1\t0\n\n2\t8\r\n" + line.encode("latin-1") + b"\n")
    with pytest.raises(FormatError, match=r"x\.idx' is damaged: line 4"):
        recordio.read_index(path, size=12)


def test_keys_of_other_types(tmp_path):
    path = tmp_path / "x.idx"
    path.write_text(recordio.index_line("cat one", 0) + recordio.index_line("dog", 8))
    assert recordio.read_index(path, key_type=str) == {"cat one": 0, "dog": 8}


def test_too_long_a_record(tmp_path, monkeypatch):
    monkeypatch.setattr(recordio, "_LENGTH", 7)
    with (
        recordio.RecordWriter(tmp_path / "x.rec") as writer,
        pytest.raises(ValueError, match=r"too long.*7 bytes.*8 bytes"),
    ):
        writer.write(bytes(8))


@pytest.mark.oracle
def test_mxnet_reads_what_is_written(tmp_path):
    chance = np.random.default_rng(0)
    pieces = [MAGIC, b"\x0a", b"\x0a\x23", b"abcd", bytes(3), b"x" * 9]
    records = [b"".join(pieces[k] for k in chance.integers(0, 6, size)) for size in chance.integers(0, 9, 200)]
    rewrite(tmp_path / "x.rec", records)
    theirs = mxnet.run(
        """
        reader, found = mx.recordio.MXRecordIO(path + ".rec", "r"), []
        while True:
            record = reader.read()
            if record is None:
                break
            found.append(record.hex())
        writer = mx.recordio.MXRecordIO(path + ".theirs", "w")
        for record in found:
            writer.write(bytes.fromhex(record))
        writer.close()
        """,
        ["found"],
        path=str(tmp_path / "x"),
    )
    assert theirs["found"] == [record.hex() for record in records]
    assert (tmp_path / "x.theirs").read_bytes() == (tmp_path / "x.rec").read_bytes()
    assert read_all(tmp_path / "x.theirs") == records
