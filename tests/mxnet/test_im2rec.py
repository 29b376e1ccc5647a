"""im2rec: lists and record files as MXNet's program makes them."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from oracles import mxnet as oracle
from tandem.formats import image_lists, images
from tandem.formats import recordio as records
from tandem.formats.limits import FormatError
from tandem.mxnet.tools import im2rec


@pytest.fixture
def root(tmp_path):
    """A folder of pictures; one lies on its side, as its EXIF data says."""
    chance = np.random.default_rng(0)
    for number, folder in enumerate(["b", "b", "a", "a/deep", ".", "a"]):
        (tmp_path / "root" / folder).mkdir(parents=True, exist_ok=True)
        height, width = map(int, chance.integers(20, 60, 2))
        small = Image.fromarray(chance.integers(0, 256, (5, 5, 3), np.uint8))
        exif = Image.Exif()
        exif[0x0112] = 6 if number == 3 else 1
        name = f"{number}.JPG" if number % 2 else f"{number}.jpeg"
        small.resize((width, height)).save(tmp_path / "root" / folder / name, "JPEG", quality=92, exif=exif)
    small.convert("RGBA").save(tmp_path / "root" / "a" / "t.png")
    (tmp_path / "root" / "a" / "no.txt").write_text("no image")
    return tmp_path / "root"


def run(*arguments):
    im2rec.main([str(argument) for argument in arguments])


def read(prefix):
    """[(key, header, content)]"""
    index = records.read_index(f"{prefix}.idx")
    with records.RecordReader(f"{prefix}.rec") as reader:
        return [(key, *records.unpack(reader.read_at(position))) for key, position in index.items()]


@pytest.mark.oracle
def test_lists_and_records_are_mxnets(root, tmp_path):
    for name, options in {
        "all": ["--recursive"],
        "part": ["--recursive", "--chunks", "2", "--train-ratio", "0.5", "--test-ratio", "0.25"],
        "top": ["--no-shuffle", "--train-ratio", "0.6"],
        "jpeg": ["--recursive", "--exts", ".jpeg"],
    }.items():
        for maker in ("ours", "theirs"):
            (tmp_path / maker).mkdir(exist_ok=True)
            arguments = ["--list", *options, "--", str(tmp_path / maker / name), str(root)]
            if maker == "ours":
                run(*arguments)
            else:
                _theirs(arguments)
    lists = sorted(path.name for path in (tmp_path / "theirs").iterdir())
    assert len(lists) == 10
    assert sorted(path.name for path in (tmp_path / "ours").iterdir()) == lists
    for name in lists:
        assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes()
    for options in (["--resize", "24", "--center-crop"], ["--pass-through", "--pack-label"], ["--quality", "60"]):
        for maker in ("ours", "theirs"):
            arguments = [*options, str(tmp_path / maker / "all"), str(root)]
            if maker == "ours":
                run("--num-thread", 3, *arguments)
            else:
                _theirs(arguments)
        for end in ("rec", "idx"):
            ours, theirs = ((tmp_path / maker / f"all.{end}").read_bytes() for maker in ("ours", "theirs"))
            assert ours == theirs


def _theirs(arguments):
    if not oracle.available():
        pytest.skip("the real MXNet is not here")
    command = [str(oracle.python), "-m", "mxnet.tools.im2rec", *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=100)


def test_options_of_records(root, tmp_path, capsys):
    prefix = tmp_path / "x"
    (root / "broken.jpg").write_bytes(b"\xff\xd8nonsense")
    prefix.with_suffix(".lst").write_text("4\t1.5\t2.5\t4.jpeg\n\n9\t0\tbroken.jpg\n8\t1\tmissing.jpg\n7\t3\ta/t.png\n")
    run("--color", -1, "--encoding", ".png", "--pack-label", prefix, root)
    (key, header, content), (key2, header2, content2) = read(prefix)
    assert (key, header.id, header.flag, header.label.tolist()) == (4, 4, 2, [1.5, 2.5])
    assert (key2, header2.id, header2.flag, header2.label) == (7, 7, 0, 3.0)
    np.testing.assert_array_equal(images.decode(content), images.read(root / "4.jpeg"))
    np.testing.assert_array_equal(images.decode(content2, None), images.read(root / "a" / "t.png", None))
    said = capsys.readouterr()
    assert "2 images, 2 left out" in said.out
    assert "broken.jpg is left out" in said.err and "missing.jpg is left out" in said.err
    run("--color", 0, "--resize", 11, prefix, root)
    assert {min(images.decode(content, None).shape) for *_, content in read(prefix)} == {11}
    assert {images.decode(content, None).ndim for *_, content in read(prefix)} == {2}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_is_pils(orientation, tmp_path):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 16, 3), np.uint8))
    picture.save(tmp_path / "x.jpg", quality=95, exif=exif)
    content = (tmp_path / "x.jpg").read_bytes()
    expected = ImageOps.exif_transpose(Image.open(tmp_path / "x.jpg"))
    np.testing.assert_array_equal(images.upright(images.decode(content), content), np.asarray(expected))


@pytest.mark.parametrize("line", ["7", "7\tx.jpg", "x\t1\tx.jpg", "7\tx\tx.jpg", "nan\t1\tx.jpg", "\xff\t1\tx"])
def test_damaged_lists_say_so(line, tmp_path):
    path = tmp_path / "x.lst"
    path.write_bytes(b"1\t0\ta.jpg\n\n" + line.encode("latin-1") + b"\n")
    with pytest.raises(FormatError, match=r"x\.lst' is damaged: line 3"):
        list(image_lists.read(path))
    with pytest.raises(SystemExit, match="line 3 is no entry"):
        run(tmp_path / "x", tmp_path)
    assert not (tmp_path / "x.rec").exists()


def test_wrong_arguments(tmp_path, capsys):
    with pytest.raises(SystemExit, match=r"no list .*nothing.* --list"):
        run(tmp_path / "nothing", tmp_path)
    with pytest.raises(SystemExit) as error:
        run("--num-thread", 0, tmp_path / "x", tmp_path)
    assert error.value.code == 2
    assert "--num-thread must be 1 or more" in capsys.readouterr().err


def test_as_a_command_and_as_a_module(root, tmp_path):
    command = [sys.executable, "-m", "tandem"]
    for name, words in {"x": ["im2rec"], "y": ["run", "-m", "mxnet.tools.im2rec"]}.items():
        arguments = ["--list", "--recursive", str(tmp_path / name), str(root)]
        done = subprocess.run([*command, *words, *arguments], capture_output=True, text=True, timeout=100, check=True)
        assert done.stdout == ". 0\na 1\na/deep 2\nb 3\n"
    assert (tmp_path / "x.lst").read_bytes() == (tmp_path / "y.lst").read_bytes()
    helped = subprocess.run([*command, "im2rec", "--help"], capture_output=True, text=True, timeout=100, check=True)
    assert "--pack-label" in helped.stdout
