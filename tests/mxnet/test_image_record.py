"""`mx.io.ImageRecordIter` against the real MXNet where nothing is random; what random ones must hold."""

import numpy as np
import pytest
import torch
from PIL import Image

import tandem.mxnet as mx
from mxnet_parity import assert_same, plain, run_here, same_code
from oracles import mxnet as oracle
from tandem.core.errors import Unsupported
from tandem.mxnet.base import MXNetError
from tandem.ops import opencv


@pytest.fixture
def folder(tmp_path):
    """A folder with record files of seven pictures, of PNG so that both read the same pixels; ends with '/'."""
    rng = np.random.RandomState(0)
    pictures = []
    for number in range(7):
        y, x = np.mgrid[0 : 20 + number, 0 : 24 - number]
        pixels = np.stack([x * 8 + number * 10, y * 8, (x + y) * 4], 2) + rng.randint(0, 30, (*x.shape, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / f"{number}.png")
        pictures.append((tmp_path / f"{number}.png").read_bytes())
    for name, label in (("one", float), ("two", lambda i: [i, i + 0.5])):
        writer = mx.recordio.MXIndexedRecordIO(str(tmp_path / f"{name}.idx"), str(tmp_path / f"{name}.rec"), "w")
        for number, content in enumerate(pictures):
            header = mx.recordio.IRHeader(0, label(number), number + 100, 0)
            writer.write_idx(number + 3, mx.recordio.pack(header, content))
        writer.close()
    (tmp_path / "one.lst").write_text("".join(f"{i + 100}\t{i}.5\t{i * 2}\t{i}.png\n" for i in range(7)))
    return f"{tmp_path}/"


# MXNet's arrays do not outlive their iterator, and their memory is used again, with the pad of an earlier batch.
_SETUP = """
kept = []
def make(kind=mx.io.ImageRecordIter, **given):
    given = {'data_shape': (3, 16, 14), 'batch_size': 3, 'path_imgrec': d + 'one.rec', 'verbose': False, **given}
    kept.append(kind(**given))
    return kept[-1]
def epochs(it, count=1):
    described = it.provide_data + it.provide_label
    found = [[it.batch_size, [[one.name, list(one.shape), np.dtype(one.dtype).name] for one in described]]]
    for epoch in range(count):
        found.append([[b.data[0].asnumpy(), b.label[0].asnumpy(), epoch or b.pad, b.index] for b in it])
        it.reset()
    return found
"""


@pytest.mark.oracle
def test_epochs_and_labels(folder):
    code = (
        _SETUP
        + """
found = [
    epochs(make(), 3),
    epochs(make(batch_size=7), 2),
    epochs(make(batch_size=2, num_parts=2, part_index=0), 3),
    epochs(make(batch_size=2, num_parts=2, part_index=1, path_imgidx=d + 'one.idx'), 3),
    epochs(make(path_imgrec=d + 'two.rec', label_width=2, data_name='x', label_name='y')),
    epochs(make(path_imglist=d + 'one.lst', label_width=2)),
    epochs(make(shuffle=True), 4),
    epochs(make(shuffle=True, seed=5, batch_size=7, kind=mx.io.ImageRecordUInt8Iter), 3),
]
"""
    )
    same_code(code, ["found"], d=folder)


@pytest.mark.oracle
def test_pixels(folder):
    code = (
        _SETUP
        + """
found = [epochs(make(**more)) for more in (
    dict(data_shape='(3,16,14)', batch_size='3', mean_r='10', shuffle='False'),
    dict(mean_r=10, mean_g=20),
    dict(mean_r=10, std_r=2, std_g=4, scale=.5),
    dict(mirror=True, std_b=3),
    dict(pad=3, fill_value=7, data_shape=(3, 24, 28)),
    dict(resize=18), dict(resize=30, inter_method=2), dict(resize=18, inter_method=9), dict(resize=17, inter_method=0),
    dict(data_shape=(3, 30, 26)), dict(data_shape=(3, 16, 40)), dict(data_shape=(3, 50, 60), pad=2),
    dict(min_crop_size=12, max_crop_size=12), dict(random_resized_crop=True),
    dict(data_shape=(1, 16, 14), mean_r=3),
    dict(rotate=5), dict(rotate=90, fill_value=9, data_shape=(3, 20, 22)), dict(rotate=33, inter_method=9),
    dict(min_random_scale=1.3, max_random_scale=1.3),
    dict(rotate=200, min_random_scale=.7, max_random_scale=.7, resize=30),
    dict(max_img_size=19, data_shape=(3, 18, 17)), dict(min_img_size=25, rotate=10, pad=1),
    dict(dtype='uint8', mean_r=10, scale=.5), dict(dtype='int8', mean_r=1.5, mean_g=2.3, mean_b=100.9, scale=.5),
    dict(kind=mx.io.ImageRecordUInt8Iter), dict(kind=mx.io.ImageRecordInt8Iter), dict(kind=mx.io.ImageRecordIter_v1),
)]
"""
    )
    same_code(code, ["found"], d=folder, atol=1e-3)


@pytest.mark.oracle
def test_a_mean_image_is_made_and_read(folder, tmp_path):
    code = (
        _SETUP
        + """
path = d + name
first = epochs(make(mean_img=path))
saved = nd.load(path)
second = epochs(make(mean_img=path, mean_r=100, scale=.1))
"""
    )
    there = oracle.run(code, ["first", "saved", "second"], d=folder, name="theirs")
    here = run_here(code, d=folder, name="mine")
    for key in there:
        assert_same(plain(here[key]), there[key], key, rtol=1e-4, atol=1e-3)
    # Each reads the other's.
    same_code(_SETUP + "found = epochs(make(mean_img=d + 'mine'))", ["found"], d=folder, atol=1e-3)


def _make(folder, **given):
    given = {"data_shape": (3, 16, 14), "batch_size": 7, "path_imgrec": folder + "one.rec", **given}
    return mx.io.ImageRecordIter(**given)


def _epochs(it, count=1):
    found = []
    for _ in range(count):
        found.append([[batch.data[0].asnumpy(), batch.label[0].asnumpy()] for batch in it])
        it.reset()
    return found


@pytest.mark.oracle
def test_hue_lightness_and_saturation_are_moved_as_opencv_does():
    pixels = np.random.RandomState(0).randint(0, 256, (23, 31, 3)).astype(np.uint8)
    pixels[:3] = pixels[:3, :, :1]
    shifts = [(0, 0, 0), (30, 0, 0), (-50, 20, -30), (0, -40, 60), (170, 200, -255)]
    code = """
import cv2
found = []
for shift in shifts:
    parts = cv2.cvtColor(pixels[:, :, ::-1].copy(), cv2.COLOR_BGR2HLS).astype(int) + np.array(shift)
    parts = np.clip(parts, 0, [180, 255, 255]).astype('uint8')
    found.append(cv2.cvtColor(parts, cv2.COLOR_HLS2BGR)[:, :, ::-1].copy())
"""
    for shift, there in zip(shifts, oracle.run(code, ["found"], pixels=pixels, shifts=shifts)["found"]):
        here = opencv.shift_hls(torch.from_numpy(pixels), *shift).numpy()
        # A saturation in the middle between two whole numbers may become the other one.
        off = np.abs(here.astype(int) - there)
        assert off.max() <= 8 and (off > 0).mean() < 2e-3


def test_orders_that_are_shuffled(folder):
    orders = [[batch[1].tolist() for batch in epoch] for epoch in _epochs(_make(folder, shuffle=True, seed=3), 4)]
    assert all(sorted(order[0]) == list(range(7)) for order in orders)
    assert len({str(order) for order in orders}) > 1
    again = [[batch[1].tolist() for batch in epoch] for epoch in _epochs(_make(folder, shuffle=True, seed=3), 4)]
    assert orders == again
    # What fills a batch up is the beginning of the next epoch, which goes on after it.
    rows = [np.concatenate([b[1] for b in epoch]) for epoch in _epochs(_make(folder, batch_size=4, shuffle=True), 2)]
    assert sorted([*rows[0][7:], *rows[1][:6]]) == list(range(7))


def test_a_last_batch_that_is_not_rounded(folder):
    it = _make(folder, batch_size=4, round_batch=False)
    for _ in range(2):
        first, last = list(it)
        assert (first.pad, last.pad) == (0, 1)
        assert last.label[0].asnumpy().tolist() == [4, 5, 6, 3]
        it.reset()


def test_random_boxes_are_boxes_of_the_image(folder):
    whole = _epochs(_make(folder, batch_size=1, data_shape=(3, 20, 24)))[0][0][0][0]
    it = _make(folder, batch_size=1, rand_crop=True, rand_mirror=True, seed_aug=1, num_parts=7)
    places = set()
    for epoch in _epochs(it, 40):
        cut = epoch[0][0][0]
        matches = [
            (top, left, mirrored)
            for mirrored in (False, True)
            for top in range(5)
            for left in range(11)
            if (whole[:, top : top + 16, left : left + 14] == (cut[:, :, ::-1] if mirrored else cut)).all()
        ]
        assert len(matches) == 1
        places.update(matches)
    assert len(places) > 20 and len({mirrored for *_, mirrored in places}) == 2


def test_random_sizes_and_colours(folder):
    def drawn(**given):
        return _epochs(_make(folder, seed_aug=2, **given))[0][0][0]

    plain = drawn()
    for given in (
        {"random_resized_crop": True, "min_random_area": 0.2, "max_aspect_ratio": 0.25},
        {"random_resized_crop": True, "min_aspect_ratio": 0.5, "max_aspect_ratio": 2.0},
        {"min_crop_size": 10, "max_crop_size": 15, "rand_crop": True},
        {"brightness": 0.3},
        {"contrast": 0.3, "saturation": 0.3},
        {"pca_noise": 0.1},
        {"random_h": 20, "random_s": 30, "random_l": 40},
        {"max_rotate_angle": 30, "max_shear_ratio": 0.2, "max_aspect_ratio": 0.2},
        {"min_random_scale": 0.9, "max_random_scale": 1.4, "rand_crop": True},
    ):
        once, again = drawn(**given), drawn(**given)
        np.testing.assert_array_equal(once, again)  # threads draw nothing from one another
        assert once.shape == plain.shape and (once != plain).any()
        assert once.min() >= 0 and once.max() <= 255
    light = drawn(max_random_contrast=0.5, max_random_illumination=20, mean_r=10, std_g=2, scale=0.5)
    straight = drawn(mean_r=10, std_g=2, scale=0.5)
    for one, other in zip(light, straight):  # each image by a line of its own
        slope, level = np.polyfit(other[0].ravel(), one[0].ravel(), 1)
        assert 0.5 <= slope <= 1.5 and abs(level) <= 10
        np.testing.assert_allclose(one[0], other[0] * slope + level, atol=1e-3)


@pytest.mark.parametrize(
    ("given", "pattern"),
    [
        ({"path_imgrec": None}, "path_imgrec"),
        ({"data_shape": (3, 16)}, "data_shape"),
        ({"data_shape": (2, 16, 16)}, "channels"),
        ({"data_shape": (4, 16, 14)}, "index 100"),
        ({"batch_size": 20}, "too few"),
        ({"dtype": "float16"}, "float16"),
        ({"num_parts": 2, "part_index": 5}, "part"),
        ({"label_width": 3}, "label_width"),
        ({"path_imgrec": "none.rec"}, "none.rec"),
        ({"path_imglist": "none.lst"}, "none.lst"),
        ({"min_crop_size": 12}, "box"),
        ({"random_resized_crop": True, "rand_crop": True}, "random_resized_crop"),
    ],
)
def test_wrong_arguments(folder, given, pattern):
    with pytest.raises(MXNetError, match=pattern):
        _make(folder, **given)


def test_what_is_not_there_says_so(folder):
    with pytest.raises(Unsupported, match="aug_seq"):
        _make(folder, aug_seq="another")


def test_images_that_are_damaged(folder, tmp_path):
    writer = mx.recordio.MXRecordIO(str(tmp_path / "bad.rec"), "w")
    writer.write(mx.recordio.pack(mx.recordio.IRHeader(0, 1.0, 42, 0), b"nonsense"))
    writer.close()
    with pytest.raises(MXNetError, match="index 42"):
        _make(folder, path_imgrec=str(tmp_path / "bad.rec"), batch_size=1)


def test_batches_that_are_kept_stay_as_they_are(folder):
    kept = [batch.data[0] for batch in _make(folder, batch_size=2)]
    copies = [batch.data[0].asnumpy().copy() for batch in _make(folder, batch_size=2)]
    assert len(kept) == 4
    for batch, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(batch.asnumpy(), copy)


def test_threads_and_a_reset_on_the_way_change_no_numbers(folder):
    given = {"batch_size": 2, "rand_mirror": True, "seed_aug": 3, "mean_r": 3.5, "std_g": 2.0}
    one, several = (_make(folder, **given, preprocess_threads=count) for count in (1, 4))
    for batch, other in zip(one, several, strict=True):
        np.testing.assert_array_equal(batch.data[0].asnumpy(), other.data[0].asnumpy())
        np.testing.assert_array_equal(batch.label[0].asnumpy(), other.label[0].asnumpy())
    several = _make(folder, batch_size=2)
    labels = [batch.label[0].asnumpy().tolist() for batch in several]
    several = _make(folder, batch_size=2)
    next(several)
    several.reset()
    assert [batch.label[0].asnumpy().tolist() for batch in several] == labels


def test_a_damaged_image_is_told_of_at_its_batch(folder, tmp_path):
    writer = mx.recordio.MXRecordIO(str(tmp_path / "x.rec"), "w")
    with open(f"{folder}0.png", "rb") as file:
        good = file.read()
    for number, content in enumerate([good, good, b"nonsense", good]):
        writer.write(mx.recordio.pack(mx.recordio.IRHeader(0, 1.0, number, 0), content))
    writer.close()
    images = _make(folder, path_imgrec=str(tmp_path / "x.rec"), batch_size=1)
    next(images)
    next(images)
    with pytest.raises(MXNetError, match="index 2"):
        next(images)
    assert next(images).data[0].shape == (1, 3, 16, 14)
