"""Data sets of images and the transformations; against the real MXNet in tests/oracle/."""

import gzip
import io
import os
import struct
import tarfile

import numpy as np
import pytest
from PIL import Image

import tandem.mxnet as mx
from tandem.core import cache
from tandem.mxnet import gluon, nd, recordio
from tandem.mxnet.gluon.data.vision import (
    CIFAR10,
    CIFAR100,
    MNIST,
    FashionMNIST,
    ImageFolderDataset,
    ImageRecordDataset,
    transforms,
)

RANDOM = np.random.default_rng(0)


def picture(*shape):
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def trusted(monkeypatch):
    monkeypatch.setenv("TANDEM_RUN_TRUST_CACHE", "1")


def digits(folder, part="train", count=6):
    images, labels = picture(count, 28, 28), RANDOM.integers(0, 10, count, dtype=np.uint8)
    for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
        header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
        (folder / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + values.tobytes()))
    return images, labels


@pytest.mark.parametrize("kind", [MNIST, FashionMNIST])
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.usefixtures("trusted")
def test_digits(tmp_path, kind, train):
    images, labels = digits(tmp_path, "train" if train else "t10k")
    with pytest.warns(UserWarning, match="the cache is trusted"):
        dataset = kind(str(tmp_path), train)
    assert len(dataset) == 6 and len(list(dataset)) == 6
    image, label = dataset[2]
    assert image.shape == (28, 28, 1) and image.dtype == np.uint8 and (image.asnumpy()[..., 0] == images[2]).all()
    assert label == labels[2] and label.dtype == np.int32
    some, them = dataset[1:4]
    assert some.shape == (3, 28, 28, 1) and them.tolist() == labels[1:4].tolist()
    with pytest.warns(UserWarning, match="the cache is trusted"):
        changed = kind(str(tmp_path), train, lambda x, y: (x.astype("float32") / 255, y + 1))
    assert changed[0][0].dtype == np.float32 and changed[0][1] == labels[0] + 1


@pytest.mark.usefixtures("trusted")
def test_digits_by_the_batch(tmp_path):
    images, labels = digits(tmp_path)
    with pytest.warns(UserWarning, match="trusted"):
        dataset = MNIST(str(tmp_path))
    for loaded in (
        dataset.transform_first(transforms.ToTensor()),
        dataset.take(6).transform_first(transforms.ToTensor()),
    ):
        batches = list(gluon.data.DataLoader(loaded, 4))
        assert [x.shape for x, _ in batches] == [(4, 1, 28, 28), (2, 1, 28, 28)]
        assert np.allclose(batches[1][0].asnumpy()[:, 0], images[4:] / 255)
        assert batches[0][1].dtype == np.int32 and batches[0][1].asnumpy().tolist() == labels[:4].tolist()


def test_a_file_of_another_hash_is_an_error(tmp_path):
    digits(tmp_path)
    with pytest.raises(mx.MXNetError, match=r"train-images.* is not the published one.*tandem run --trust-cache"):
        MNIST(str(tmp_path))


@pytest.mark.usefixtures("trusted")
def test_damaged_digits(tmp_path):
    digits(tmp_path)
    digits(tmp_path / "..", "train", 3)
    other = tmp_path / ".." / "train-labels-idx1-ubyte.gz"
    other.replace(tmp_path / "train-labels-idx1-ubyte.gz")
    with pytest.warns(UserWarning, match="trusted"), pytest.raises(mx.MXNetError, match="6 images and 3 labels"):
        MNIST(str(tmp_path))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"junk")
    with pytest.warns(UserWarning, match="trusted"), pytest.raises(mx.MXNetError, match="train-images"):
        MNIST(str(tmp_path))


def test_what_is_missing_is_fetched_and_checked(tmp_path, monkeypatch):
    there, here = tmp_path / "repository" / "gluon" / "dataset" / "mnist", tmp_path / "cache"
    there.mkdir(parents=True)
    images, _ = digits(there)
    files = [(path.name, cache.file_hash(path, "sha1")) for path in sorted(there.iterdir())]
    monkeypatch.setenv("MXNET_GLUON_REPO", (tmp_path / "repository").as_uri())
    monkeypatch.setattr(MNIST, "_files", {True: tuple(files)})
    assert (MNIST(str(here))[0][0].asnumpy()[..., 0] == images[0]).all()
    (there / files[0][0]).unlink()
    assert len(MNIST(str(here))) == 6
    (here / files[0][0]).unlink()
    with pytest.raises(OSError, match=r"cannot be downloaded.*Expected: the file train-images.* in .*cache.*root="):
        MNIST(str(here))
    assert sorted(os.listdir(here)) == [files[1][0]]


@pytest.mark.usefixtures("trusted")
@pytest.mark.filterwarnings("ignore:.*trusted")
def test_photographs(tmp_path):
    records = {name: picture(3, 3073) for name, _ in (*CIFAR10._files[True], *CIFAR10._files[False])}
    for name, values in records.items():
        (tmp_path / name).write_bytes(values.tobytes())
    train, test = CIFAR10(str(tmp_path)), CIFAR10(str(tmp_path), train=False)
    assert (len(train), len(test)) == (15, 3)
    image, label = train[4]
    values = records["data_batch_2.bin"][1]
    assert label == values[0] and (image.asnumpy() == values[1:].reshape(3, 32, 32).transpose(1, 2, 0)).all()


@pytest.mark.usefixtures("trusted")
@pytest.mark.filterwarnings("ignore:.*trusted")
def test_photographs_come_out_of_their_archive(tmp_path):
    values = picture(4, 3074)
    with tarfile.open(tmp_path / "cifar-100-binary.tar.gz", "w:gz") as tar:
        for name in ("../../evil.bin", "cifar-100-binary/test.bin", "cifar-100-binary/train.bin"):
            entry = tarfile.TarInfo(name)
            entry.size = values.nbytes
            tar.addfile(entry, io.BytesIO(values.tobytes()))
    root = str(tmp_path)
    assert CIFAR100(root)[1][1] == values[1, 0] and CIFAR100(root, fine_label=True)[1][1] == values[1, 1]
    assert sorted(os.listdir(root)) == ["cifar-100-binary.tar.gz", "train.bin"]
    assert len(CIFAR100(root, train=False)) == 4
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes((tmp_path / "cifar-100-binary.tar.gz").read_bytes())
    with pytest.raises(mx.MXNetError, match=r"There is no data_batch_1\.bin"):
        CIFAR10(root)


def test_the_default_folders_are_mxnets():
    from inspect import signature

    for kind, name in ((MNIST, "mnist"), (FashionMNIST, "fashion-mnist"), (CIFAR10, "cifar10"), (CIFAR100, "cifar100")):
        assert signature(kind).parameters["root"].default == os.path.join("~", ".mxnet", "datasets", name)


# --- one's own images -------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    for name in ("b", "a", "10"):
        (tmp_path / name).mkdir()
        for number in range(2):
            Image.fromarray(picture(4, 5, 3)).save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_folders(folder):
    dataset = ImageFolderDataset(str(folder))
    assert dataset.synsets == ["10", "a", "b"] and len(dataset) == 6
    assert [os.path.relpath(path, folder) for path, _ in dataset.items][:3] == ["10/0.png", "10/1.png", "a/0.png"]
    image, label = dataset[5]
    assert image.shape == (4, 5, 3) and label == 2
    assert (image.asnumpy() == np.asarray(Image.open(folder / "b" / "1.png"))).all()
    assert ImageFolderDataset(str(folder), flag=0)[0][0].shape == (4, 5, 1)
    assert ImageFolderDataset(str(folder), transform=lambda x, y: (x.shape, y))[3] == ((4, 5, 3), 1)


def test_a_broken_image_is_named(folder):
    (folder / "a" / "1.png").write_bytes(b"junk")
    dataset = ImageFolderDataset(str(folder))
    with pytest.raises(mx.MXNetError, match=r"Cannot read the image .*a/1\.png"):
        dataset[3]
    with pytest.raises(mx.MXNetError, match=r"a/1\.png"):
        list(gluon.data.DataLoader(dataset, 2, num_workers=2))
    (folder / "a" / "1.png").unlink()
    with pytest.raises(mx.MXNetError, match=r"a/1\.png"):
        dataset[3]


def test_what_is_no_image_is_left_out_with_a_warning(folder):
    (folder / "a" / "notes.txt").touch()
    (folder / "top.txt").touch()
    with pytest.warns(UserWarning, match="Ignoring") as warnings:
        assert len(ImageFolderDataset(str(folder))) == 6
    assert [str(one.message).replace(str(folder), "") for one in warnings] == [
        "Ignoring /a/notes.txt of type .txt. Only support .jpg, .jpeg, .png",
        "Ignoring /top.txt, which is not a directory.",
    ]


@pytest.fixture
def records(tmp_path):
    file = recordio.MXIndexedRecordIO(tmp_path / "a.idx", tmp_path / "a.rec", "w")
    pixels = [picture(4, 5, 3) for _ in range(3)]
    for number, image in enumerate(pixels):
        header = recordio.IRHeader(0, [1.0, 2.0] if number == 2 else float(number), number, 0)
        file.write_idx(number, recordio.pack_img(header, image[:, :, ::-1], 3, ".png"))
    file.write_idx(3, recordio.pack(recordio.IRHeader(0, 1.0, 3, 0), b"junk"))
    file.close()
    return str(tmp_path / "a.rec"), pixels


def test_records(records):
    path, pixels = records
    dataset = ImageRecordDataset(path)
    assert len(dataset) == 4
    image, label = dataset[1]
    assert (image.asnumpy() == pixels[1]).all() and label == 1.0
    assert dataset[2][1].tolist() == [1.0, 2.0]
    assert ImageRecordDataset(path, 0)[0][0].shape == (4, 5, 1)
    assert ImageRecordDataset(path, transform=lambda x, y: (x.shape, y))[0] == ((4, 5, 3), 0.0)
    with pytest.raises(mx.MXNetError, match=r"Record 3 of '.*a\.rec' holds no image"):
        dataset[3]
    with pytest.raises(mx.MXNetError, match=r"b\.rec"):
        ImageRecordDataset(path.replace("a.rec", "b.rec"))


@pytest.mark.parametrize("threads", [False, True])
def test_records_by_several_workers(records, threads):
    path, pixels = records
    dataset = ImageRecordDataset(path).take(2)
    loader = gluon.data.DataLoader(gluon.data.SimpleDataset([0, 1] * 20).transform(lambda i: dataset[i]), 2)
    loader = gluon.data.DataLoader(loader._dataset, 2, num_workers=2, thread_pool=threads)
    for images, labels in loader:
        assert (images.asnumpy() == np.stack(pixels[:2])).all() and labels.asnumpy().tolist() == [0, 1]


# --- transformations --------------------------------------------------------------------------------------------------


def test_random_flips_flip_half_of_the_time():
    mx.random.seed(3)
    image = nd.array(picture(3, 5, 3), dtype="uint8")
    for flip, axis in ((transforms.RandomFlipLeftRight(), 1), (transforms.RandomFlipTopBottom(), 0)):
        mirrored = np.flip(image.asnumpy(), axis)
        seen = []
        for _ in range(60):
            found = flip(image).asnumpy()
            seen.append((found == mirrored).all())
            assert seen[-1] or (found == image.asnumpy()).all()
        assert 15 < sum(seen) < 45


def test_a_seed_decides_what_is_drawn():
    image = nd.array(picture(8, 9, 3), dtype="uint8")
    jitter = transforms.Compose([transforms.RandomColorJitter(0.4, 0.4, 0.4, 0.4), transforms.RandomLighting(0.5)])

    def draw():
        mx.random.seed(7)
        return [jitter(image).asnumpy() for _ in range(3)]

    first, second = draw(), draw()
    assert all((a == b).all() for a, b in zip(first, second)) and (first[0] != first[1]).any()


def test_transformations_leave_their_input_alone():
    image = nd.array(picture(8, 9, 3), dtype="uint8")
    before = image.copy()
    for name in ("Brightness", "Contrast", "Saturation", "Hue"):
        out = getattr(transforms, f"Random{name}")(0.0)(image)
        out[:] = 0
    transforms.CropResize(0, 0, 9, 8)(image)[:] = 0
    transforms.Resize((9, 8))(image)[:] = 0
    assert (image == before).asnumpy().all()


def test_compose_shows_what_it_is_made_of():
    steps = transforms.Compose([transforms.ToTensor(), transforms.Normalize(), len, transforms.Cast()])
    assert [type(step).__name__ for step in steps] == ["HybridSequential", "_Function", "Cast"]
    assert "ToTensor" in repr(steps) and "len" in repr(steps)


def test_hybridized_transformations_draw_anew():
    image = nd.array(picture(8, 9, 3), dtype="uint8")
    steps = gluon.nn.HybridSequential()
    steps.add(transforms.RandomBrightness(0.5), transforms.RandomFlipLeftRight(), transforms.ToTensor())
    steps.hybridize()
    assert len({steps(image).asnumpy().tobytes() for _ in range(6)}) > 4
    fixed = transforms.Compose([transforms.Resize(4), transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])
    expected = [fixed(x).asnumpy() for x in (image, image[1:])]
    fixed[0].hybridize()
    for _ in range(3):
        assert all((fixed(x).asnumpy() == y).all() for x, y in zip((image, image[1:]), expected))
