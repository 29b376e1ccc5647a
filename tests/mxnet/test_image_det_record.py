"""`mx.io.ImageDetRecordIter` against the real MXNet where nothing is random; what random changes must hold."""

import numpy as np
import pytest
from PIL import Image

import tandem.mxnet as mx
from mxnet_parity import same_code
from tandem.core.errors import Unsupported
from tandem.mxnet.base import MXNetError


@pytest.fixture
def path(tmp_path):
    """A record file of seven pictures, of PNG so that both read the same pixels, with one to three objects each.

    An object is a rectangle of full red (first) or green on black, so that its box can be found in the pixels.
    """
    writer = mx.recordio.MXRecordIO(str(tmp_path / "det.rec"), "w")
    for number in range(7):
        height, width = 40 + number, 50 - number
        pixels = np.zeros((height, width, 3), np.uint8)
        label = [4, 6, width, height]
        for k in range(1 + number % 3):
            left, top = 4 + 12 * k, 6 + 2 * number
            pixels[top : top + 16, left : left + 10, min(k, 1)] = 255
            label += [k, left / width, top / height, (left + 10) / width, (top + 16) / height, 0.5 * k]
        Image.fromarray(pixels).save(tmp_path / "one.png")
        header = mx.recordio.IRHeader(0, label, number + 100, 0)
        writer.write(mx.recordio.pack(header, (tmp_path / "one.png").read_bytes()))
    writer.close()
    return str(tmp_path / "det.rec")


@pytest.mark.oracle
def test_what_is_not_random(path):
    code = """
kept = []  # MXNet's arrays do not outlive their iterator
def taken(**given):
    given = {'data_shape': (3, 30, 34), 'batch_size': 3, 'path_imgrec': path, 'verbose': False, **given}
    it = mx.io.ImageDetRecordIter(**given)
    kept.append(it)
    found = [[[one.name, list(one.shape)] for one in it.provide_data + it.provide_label]]
    for b in it:
        found.append([b.data[0].asnumpy(), b.label[0].asnumpy(), b.pad, b.index])
    return found
found = [taken(**more) for more in (
    dict(), dict(batch_size=7), dict(shuffle=True, seed=3), dict(label_pad_width=30, label_pad_value=-7),
    dict(mean_r=10, std_g=2, scale=.5), dict(rand_mirror_prob=1, label_name='label'),
    dict(resize_mode='fit'), dict(resize_mode='fit', data_shape=(3, 60, 90), mean_r=10),
    dict(resize_mode='shrink'), dict(resize_mode='shrink', data_shape=(3, 60, 90)),
    dict(resize=30, resize_mode='shrink', inter_method=1), dict(data_shape=(1, 30, 34)),
    dict(rand_crop_prob=1, min_crop_overlaps=.99, max_crop_scales=.2, min_crop_scales='(0.1,)'),
)]
"""
    same_code(code, ["found"], path=path, atol=1e-3)


def _make(path, **given):
    given = {"data_shape": (3, 80, 80), "batch_size": 7, "path_imgrec": path, "seed_aug": 1, **given}
    return mx.io.ImageDetRecordIter(**given)


def _objects(row):
    """The objects in a row of labels."""
    return row[4 + int(row[4]) : 4 + int(row[3])].reshape(-1, int(row[5]))


def _boxes_fit(batch, within=0.1):
    """Whether the pixels have the colours of each object where its box is, and how many objects there are."""
    count = 0
    for pixels, row in zip(batch.data[0].asnumpy(), batch.label[0].asnumpy()):
        for number, *box, extra in _objects(row):
            assert extra == 0.5 * number
            left, top, right, bottom = (round(float(part) * 80) for part in box)
            assert 0 <= left < right <= 80 and 0 <= top < bottom <= 80
            inside = pixels[min(int(number), 1), top:bottom, left:right]
            shrunk = inside[5:-5, 5:-5]
            if shrunk.size:
                assert (shrunk > 200).mean() > 1 - within
            count += 1
    return count


@pytest.mark.parametrize(
    "given",
    [
        {"rand_mirror_prob": 0.5},
        {"rand_pad_prob": 1, "max_pad_scale": 3, "fill_value": 0},
        {"rand_crop_prob": 1, "min_crop_scales": 0.5, "max_crop_scales": 0.9, "min_crop_object_coverages": 0.5},
        {
            "rand_crop_prob": 1,
            "num_crop_sampler": 2,
            "min_crop_scales": (0.4, 0.8),
            "max_crop_scales": (0.6, 1.0),
            "min_crop_aspect_ratios": 0.5,
            "max_crop_aspect_ratios": 2,
            "crop_emit_mode": "overlap",
        },
    ],
)
def test_boxes_stay_with_their_objects(path, given):
    it = _make(path, **given)
    counts, labels = [], set()
    for _ in range(4):
        for batch in it:
            counts.append(_boxes_fit(batch))
            labels.add(str(batch.label[0].asnumpy().tolist()))
        it.reset()
    assert min(counts) >= 7 and max(counts) <= 13
    assert len(labels) == 4  # something else each time
    again = next(iter(_make(path, **given)))
    assert str(again.label[0].asnumpy().tolist()) in labels


def test_colours(path):
    plain = _make(path).next().data[0].asnumpy()
    hues = _make(path, max_random_hue=20, random_hue_prob=1).next().data[0].asnumpy()
    assert (hues != plain).any() and hues.max() <= 255
    contrast = _make(path, max_random_contrast=0.5, random_contrast_prob=1).next().data[0].asnumpy()
    tops = contrast.max((1, 2, 3))
    assert (tops <= 255).all() and len(set(tops.tolist())) > 1 and tops.min() >= 127
    never = _make(path, max_random_hue=20, max_random_contrast=0.5).next().data[0].asnumpy()
    np.testing.assert_array_equal(never, plain)


@pytest.mark.parametrize(
    ("given", "pattern"),
    [
        ({"label_pad_width": 5}, "label_pad_width"),
        ({"label_width": 9}, "label_width"),
        ({"path_imgrec": "none.rec"}, "none.rec"),
        ({"resize_mode": "wrap"}, "resize_mode"),
        ({"crop_emit_mode": "corner"}, "crop_emit_mode"),
        ({"min_crop_scales": 2}, "min_crop_scales"),
        ({"min_crop_scales": (0.1, 0.2)}, "num_crop_sampler"),
        ({"dtype": "uint8"}, "uint8"),
        ({"data_shape": (3, 4)}, "data_shape"),
    ],
)
def test_wrong_arguments(path, given, pattern):
    with pytest.raises(MXNetError, match=pattern):
        _make(path, **given)


def test_labels_that_are_none(path, tmp_path):
    writer = mx.recordio.MXRecordIO(str(tmp_path / "plain.rec"), "w")
    writer.write(mx.recordio.pack(mx.recordio.IRHeader(0, 1.0, 5, 0), (tmp_path / "one.png").read_bytes()))
    writer.close()
    with pytest.raises(MXNetError, match="label of image 5"):
        _make(str(tmp_path / "plain.rec"), batch_size=1)
    with pytest.raises(Unsupported, match="sequence"):
        _make(path, aug_seq="aug_default")
