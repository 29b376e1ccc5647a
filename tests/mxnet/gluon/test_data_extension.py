"""`from mxnet.gluon.data import data`: images by the batch, as published listings read them."""

import warnings

import numpy as np
import pytest
from PIL import Image

import tandem.mxnet as mx
from tandem.mxnet import recordio
from tandem.mxnet.gluon import extensions
from tandem.mxnet.gluon.data import data

RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch):
    monkeypatch.setattr(extensions, "_notes", {})
    monkeypatch.setattr(extensions, "_told", set())


def passed(loader):
    """All batches of a pass, without the warning that the first one ends with."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This script uses what MXNet does not have")
        return list(loader)


@pytest.fixture
def folder(tmp_path):
    """Three classes; the pixels of an image are its class times 20 plus its number."""
    for label in range(3):
        (tmp_path / str(label)).mkdir()
        for number in range(5):
            pixels = np.full((4, 6, 3), label * 20 + number, np.uint8)
            Image.fromarray(pixels).save(tmp_path / str(label) / f"{number}.png")
    return tmp_path


def test_batches_of_a_folder(folder):
    dataset = data.ImageRecordDataset(path=str(folder), batch_size=4, data_shape=(4, 6, 1), label_shape=3)
    assert len(dataset) == 15
    loader = dataset.get_data_loader(batch_size=4, last_batch="soft", shuffle=False)
    assert len(loader) == 4
    for _ in range(2):
        batches = passed(loader)
        assert [batch.batch_size for batch in batches] == [4, 4, 4, 3]
    features, labels = batches[1]
    assert features.shape == (4, 4, 6, 1) and features.dtype == np.float32
    assert labels.shape == (4,) and labels.dtype == np.float32 and labels.asnumpy().tolist() == [0, 1, 1, 1]
    assert np.allclose(features.asnumpy()[:, 0, 0, 0] * 255, [4, 20, 21, 22])
    image, label = dataset[5]
    assert (image == features[1]).asnumpy().all() and label == 1


def test_shuffling_keeps_labels_with_images(folder):
    np.random.seed(0)
    loader = data.ImageRecordDataset(folder, 32, (4, 6, 3), 3).get_data_loader(shuffle=True)
    (first,), (second,) = passed(loader), passed(loader)
    for features, labels in (first, second):
        values = np.rint(features.asnumpy()[:, 0, 0, 0] * 255)
        assert (values // 20 == labels.asnumpy()).all() and len(set(values)) == 15
    assert (first.labels.asnumpy() != second.labels.asnumpy()).any()


@pytest.mark.parametrize(("last", "sizes"), [("keep", [4, 4, 4, 3]), ("discard", [4, 4, 4]), ("rollover", [4, 4, 4])])
def test_the_last_batch(folder, last, sizes):
    loader = data.ImageRecordDataset(folder, 4, (4, 6, 1), 3).get_data_loader(last_batch=last)
    assert [batch.batch_size for batch in passed(loader)] == sizes


def test_one_warning_says_what_was_done(folder):
    loaders = [data.ImageRecordDataset(folder, 4, (4, 6, 1), 3).get_data_loader() for _ in range(2)]
    with pytest.warns(UserWarning, match="what MXNet does not have") as told:
        for loader in loaders:
            list(loader)
            list(loader)
    (warning,) = told
    assert "float32 from 0 to 1 with the channels last, (4, 6, 1)" in str(warning.message)
    assert "names are the class numbers" in str(warning.message)


def test_images_of_other_sizes_are_resized(folder):
    Image.fromarray(np.full((9, 3, 3), 7, np.uint8)).save(folder / "0" / "5.jpg")
    dataset = data.ImageRecordDataset(folder, 4, (4, 6, 1), 3)
    assert dataset[5][0].shape == (4, 6, 1) and np.allclose(dataset[5][0].asnumpy() * 255, 7, atol=1)
    with pytest.warns(UserWarning, match="resized"):
        list(dataset.get_data_loader())


def test_the_first_image_tells_the_shape_where_nothing_does(folder):
    assert data.ImageRecordDataset(folder)[0][0].shape == (4, 6, 3)


def test_classes_by_number_or_by_name(folder):
    (folder / "1").rename(folder / "10")
    labels = [float(label) for _, label in data.ImageRecordDataset(folder, label_shape=11)]
    assert labels == [0.0] * 5 + [2.0] * 5 + [10.0] * 5
    labels = [float(label) for _, label in data.ImageRecordDataset(folder, label_shape=3)]
    assert labels == [0.0] * 5 + [1.0] * 5 + [2.0] * 5
    (folder / "10").rename(folder / "cat")
    labels = [float(label) for _, label in data.ImageRecordDataset(folder, label_shape=3)]
    assert labels == [0.0] * 5 + [1.0] * 5 + [2.0] * 5
    with pytest.raises(ValueError, match=r"label_shape says\. Expected: 2 sub-folders at most\. Given: 3: "):
        data.ImageRecordDataset(folder, label_shape=2)


@pytest.mark.parametrize("memory", [True, False])
def test_a_broken_image_is_named_or_left_out(folder, memory, monkeypatch):
    if not memory:
        monkeypatch.setattr(data, "_KEPT", 10)
    (folder / "1" / "2.png").write_bytes(b"junk")
    if memory:
        with pytest.raises(mx.MXNetError, match=r"Cannot read the image .*1/2\.png"):
            data.ImageRecordDataset(folder, 4, (4, 6, 1), 3)
    else:
        with pytest.raises(mx.MXNetError, match=r"Cannot read the image .*1/2\.png"):
            passed(data.ImageRecordDataset(folder, 4, (4, 6, 1), 3).get_data_loader())
    with pytest.warns(UserWarning, match=r"1 of 15 images .* were left out.*1/2\.png"):
        dataset = data.ImageRecordDataset(folder, 4, (4, 6, 1), 3, broken_images="skip")
    assert len(dataset) == 14
    labels = np.concatenate([batch.labels.asnumpy() for batch in passed(dataset.get_data_loader())])
    assert labels.tolist() == [0] * 5 + [1] * 4 + [2] * 5
    assert np.allclose(dataset[7][0].asnumpy() * 255, 23)


def write_records(path, labels, broken=()):
    file = recordio.MXIndexedRecordIO(f"{path}.idx", f"{path}.rec", "w")
    for number, label in enumerate(labels):
        header = recordio.IRHeader(0, label, number, 0)
        if number in broken:
            file.write_idx(number, recordio.pack(header, b"junk"))
        else:
            file.write_idx(number, recordio.pack_img(header, np.full((4, 6, 3), number * 9, np.uint8), 3, ".png"))
    file.close()
    return str(path)


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("ending", ["", ".rec"])
def test_records(tmp_path, ending, memory, monkeypatch):
    if not memory:
        monkeypatch.setattr(data, "_KEPT", 10)
    path = write_records(tmp_path / "train", [2, 0, 1, 1])
    (first, last) = passed(data.ImageRecordDataset(path + ending, 3, (4, 6, 1), 3).get_data_loader())
    assert first.labels.asnumpy().tolist() == [2, 0, 1] and last.batch_size == 1
    assert np.allclose(first.features.asnumpy()[:, 0, 0, 0] * 255, [0, 9, 18])


def test_records_that_are_wrong(tmp_path):
    path = write_records(tmp_path / "a", [0, 3, 1], broken=[2])
    with pytest.raises(mx.MXNetError, match=r"Record 2 of '.*a\.rec'"):
        data.ImageRecordDataset(path, 2, (4, 6, 1))
    with pytest.warns(UserWarning, match="1 of 3 images"):
        assert len(data.ImageRecordDataset(path, 2, (4, 6, 1), 4, broken_images="skip")) == 2
    with (
        pytest.warns(UserWarning, match="1 of 3 images"),
        pytest.raises(ValueError, match=r"outside the classes\. Expected: class numbers from 0 to 1\. Given: 3"),
    ):
        data.ImageRecordDataset(path, 2, (4, 6, 1), 2, broken_images="skip")
    path = write_records(tmp_path / "b", [[1.0, 2.0]])
    with pytest.raises(ValueError, match=r"Expected: one number\. Given: 2 numbers in record 0"):
        data.ImageRecordDataset(path, 2, (4, 6, 1))
    path = write_records(tmp_path / "c", [0.5])
    with pytest.raises(ValueError, match=r"outside the classes.*Given: 0\.5"):
        data.ImageRecordDataset(path, 2, (4, 6, 1))
    (tmp_path / "c.rec").write_bytes((tmp_path / "c.rec").read_bytes()[:50])
    with pytest.raises(mx.MXNetError, match=r"c\.rec.* is damaged"):
        data.ImageRecordDataset(path, 2, (4, 6, 1))


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"data_shape": (1, 4, 6)}, r"The channels come last here: \(4, 6, 1\)"),
        ({"data_shape": (4, 6)}, "height, width, channels"),
        ({"data_shape": 28}, "data_shape=28"),
        ({"label_shape": 0}, "label_shape=0"),
        ({"label_shape": (2, 3)}, "number of classes"),
        ({"broken_images": "ignore"}, "'raise' or 'skip'"),
    ],
)
def test_arguments_that_are_wrong(folder, given, part):
    with pytest.raises(ValueError, match=part):
        data.ImageRecordDataset(folder, **given)


def test_paths_and_loaders_that_are_wrong(folder):
    with pytest.raises(FileNotFoundError, match=r"There are no images at .*/trian'.*Given: .*"):
        data.ImageRecordDataset(folder / "trian")
    (folder / "empty").mkdir()
    with pytest.raises(ValueError, match="folder without images"):
        data.ImageRecordDataset(folder / "empty")
    dataset = data.ImageRecordDataset(folder, data_shape=(4, 6, 1))
    with pytest.raises(ValueError, match="no batch size"):
        dataset.get_data_loader()
    with pytest.raises(ValueError, match="Did you mean 'discard'"):
        dataset.get_data_loader(4, last_batch="discrad")
