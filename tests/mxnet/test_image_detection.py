"""`mx.image.detection` against the real MXNet: boxes drawn by the same seeds, labels, batches."""

import logging

import numpy as np
import pytest
from PIL import Image

import tandem.mxnet as mx
from mxnet_parity import same_code, same_expressions

SETUP = """
im = mx.image; A = im.DetHorizontalFlipAug
"""


@pytest.mark.oracle
def test_what_augmenters_write():
    everything = "resize=20,rand_crop=.3,rand_pad=.4,rand_gray=.5,rand_mirror=True,mean=True,std=True,brightness=.1"
    everything += ",contrast=.2,saturation=.3,hue=.4,pca_noise=.5,inter_method=9"
    same_expressions(
        f"""
        im.DetAugmenter(a=onp.array([1, 2]), b=nd.ones(2)).dumps()
        im.DetAugmenter()(1, 2)
        im.DetBorrowAug(im.HorizontalFlipAug(.5)).dumps()
        im.DetBorrowAug(3)
        im.DetRandomSelectAug([A(.3)], .2).dumps()
        im.DetRandomSelectAug([]).dumps()
        im.DetRandomSelectAug([])(1, 2)
        im.DetRandomSelectAug(A(.3)).dumps()
        im.DetRandomSelectAug([3])
        im.DetRandomCropAug().dumps()
        im.DetRandomCropAug(area_range=3, aspect_ratio_range=2).dumps()
        im.DetRandomPadAug().dumps()
        im.DetRandomPadAug(area_range=3, pad_val=4, aspect_ratio_range=2).dumps()
        im.DetRandomPadAug(pad_val='a')
        [im.DetRandomCropAug(max_attempts=0).enabled, im.DetRandomPadAug(area_range=(.5, 2)).enabled]
        im.CreateMultiRandCropAugmenter().dumps()
        im.CreateMultiRandCropAugmenter([.1, .2], [(.5, 1), (.5, 2)], skip_prob=.3).dumps()
        im.CreateMultiRandCropAugmenter([.1, .2], [(.5, 1), (.5, 2), (1, 2)])
        im.CreateMultiRandCropAugmenter([.1, .2, .3], max_attempts=[3, 4, 5]).dumps()
        [a.dumps() for a in im.CreateDetAugmenter((3, 30, 40))]
        [a.dumps() for a in im.CreateDetAugmenter((3, 30, 40), {everything})]
        [a.dumps() for a in im.CreateDetAugmenter((3, 30, 40), rand_crop=1, min_object_covered=[.1, .2])]
        [a.dumps() for a in im.CreateDetAugmenter((3, 30, 40), mean=onp.array([1., 2, 3]))]
        im.CreateDetAugmenter((3, 30, 40), mean=(1, 2, 3))
        im.CreateDetAugmenter((3, 30, 40), std=onp.array([1., 2]))
        im.detection.ImageDetIter is im.ImageDetIter
        """,
        SETUP,
    )


# Pictures of several proportions; objects of many sizes, some without area or outside, with further columns.
_DRAW = """
import random
random.seed(5); np.random.seed(5)
rs = np.random.RandomState(1)
found = []
for number in range(30):
    height, width = rs.randint(8, 60, 2)
    u = nd.array(rs.randint(0, 256, (height, width, 3)), dtype='uint8')
    corners = np.sort(rs.rand(4, 2, 2), 1)
    corners[0, :, :] = corners[0, :1, :]
    label = np.hstack([rs.randint(0, 5, (4, 1)), corners.reshape(4, 4), rs.rand(4, number % 3)]).astype('float32')
    label = label[: 1 + number % 4][::-1]
    out, changed = eval(aug)(u, label.copy())
    found.append([out, changed, random.random()])
"""


@pytest.mark.oracle
@pytest.mark.parametrize(
    "aug",
    [
        "mx.image.DetHorizontalFlipAug(0.5)",
        "mx.image.DetRandomCropAug()",
        "mx.image.DetRandomCropAug(0.5, (0.3, 3), (0.3, 0.9), 0.6, 20)",
        "mx.image.DetRandomCropAug(0.0, (0.9, 1.1), (0.01, 2), 0.0, 3)",
        "mx.image.DetRandomPadAug()",
        "mx.image.DetRandomPadAug((0.2, 4), (1.5, 6), 5, (1, 2, 3))",
        "mx.image.DetRandomSelectAug([mx.image.DetRandomCropAug(), mx.image.DetRandomPadAug()], 0.2)",
        "mx.image.DetBorrowAug(mx.image.RandomOrderAug([mx.image.CastAug(), mx.image.HorizontalFlipAug(0.5)]))",
    ],
)
def test_boxes_are_drawn_alike(aug):
    same_code(_DRAW, ["found"], aug=aug, rtol=1e-5, atol=1e-5)


def test_ranges_that_cannot_be_warn_and_change_nothing():
    label = np.array([[0, 0.1, 0.1, 0.9, 0.9]])
    picture = mx.nd.ones((5, 6, 3))
    for make in (mx.image.DetRandomCropAug, mx.image.DetRandomPadAug):
        for given in ({"area_range": (0.5, 0.2)}, {"aspect_ratio_range": (2, 1)}, {"aspect_ratio_range": (0, 1)}):
            with pytest.warns(UserWarning, match="invalid"):
                augmenter = make(**given)
            assert augmenter(picture, label) == (picture, label)
    same = mx.image.DetRandomPadAug(pad_val=7)(picture, label)[0].asnumpy()
    assert set(same.ravel().tolist()) == {1.0, 7.0}


# --- batches ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path):
    """A folder with six pictures, as a string that ends with '/'."""
    for number in range(6):
        y, x = np.mgrid[0 : 20 + number, 0 : 27 - number]
        pixels = np.stack([x * 8 + number * 10, y * 8, (x + y) * 4], 2).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return f"{tmp_path}/"


# Two numbers first or three; one to three objects; the fifth picture has none that counts.
_LIST = """
import random, logging
def rows(number):
    objects = [[k, .1 * k, .2, .5 + .1 * number, .9] for k in range(1 + number % 3)]
    if number == 4:
        objects = [[0, .5, .5, .5, .5], [1, .2, .2, .6, .7]]
    return [2, 5] + sum(objects, [])
items = [[np.array(rows(number)), '%d.png' % number] for number in range(6)]

def told(it):
    return [[name, list(shape)] for name, shape in it.provide_data + it.provide_label] + [list(it.label_shape)]

def batches(it, epochs=2):
    found = [told(it)]
    for _ in range(epochs):
        found.append([[b.data, b.label, b.pad] for b in it])
        it.reset()
    return found
"""


@pytest.mark.oracle
def test_batches(pictures):
    code = (
        _LIST
        + """
random.seed(2); np.random.seed(2)
I = mx.image.ImageDetIter
found = []
for handle in ('pad', 'discard', 'roll_over'):
    found.append(batches(I(4, (3, 16, 18), imglist=items, path_root=d, last_batch_handle=handle)))
found.append(batches(I(3, (3, 16, 18), imglist=items, path_root=d, shuffle=True, rand_mirror=True, rand_crop=.7,
                       rand_pad=.6, mean=True, std=True, brightness=.1)))
found.append(batches(I(2, (3, 16, 18), imglist=items, path_root=d, num_parts=2, part_index=1, data_name='x',
                       label_name='y', aug_list=[mx.image.DetBorrowAug(mx.image.ForceResizeAug((18, 16)))])))
found.append(random.random())
"""
    )
    same_code(code, ["found"], d=pictures, rtol=1e-4, atol=2e-3)


@pytest.mark.oracle
def test_batches_of_a_record_file(pictures):
    code = (
        _LIST
        + """
w = mx.recordio.MXIndexedRecordIO(d + 'a.idx', d + 'a.rec', 'w')
for number in range(6):
    header = mx.recordio.IRHeader(0, rows(number), number, 0)
    w.write_idx(number, mx.recordio.pack(header, open(d + '%d.png' % number, 'rb').read()))
w.close()
random.seed(2)
found = [batches(mx.image.ImageDetIter(4, (3, 16, 18), path_imgrec=d + 'a.rec', path_imgidx=d + 'a.idx', **more))
         for more in ({}, {'shuffle': True})]
with open(d + 'a.lst', 'w') as file:
    for number in range(6):
        file.write('\\t'.join(map(str, [number, *rows(number), '%d.png' % number])) + '\\n')
found.append(batches(mx.image.ImageDetIter(4, (3, 16, 18), path_imglist=d + 'a.lst', path_root=d)))
"""
    )
    same_code(code, ["found"], d=pictures, rtol=1e-4, atol=2e-3)


@pytest.mark.oracle
def test_shapes_of_labels(pictures):
    code = (
        _LIST
        + """
found = []
def attempt(call):
    try:
        found.append(call())
    except Exception as error:
        found.append(type(error).__name__)
make = lambda items: mx.image.ImageDetIter(2, (3, 16, 18), imglist=items, path_root=d)
it, other = make(items), make(items[:1])
attempt(lambda: it.reshape(None, (7, 5)))
found.append(it.next().label)
attempt(lambda: it.reshape((3, 8, 9)))
found.append(told(it))
for shape in ((3,), (6, 5), (8, 6)):
    attempt(lambda: it.reshape(label_shape=shape))
attempt(lambda: it.reshape((1, 2, 3)))
attempt(lambda: it.sync_label_shape(other) is other)
found.append([told(it), told(other)])
attempt(lambda: it.sync_label_shape(3))
for label in ([1, 2, 3], [2, 5, 0, .1, .1, .9, .9, 3], [2, 5, 0, .9, .1, .1, .9], [3, 5, 7, 0, .1, .1, .9, .9]):
    attempt(lambda: it._parse_label(nd.array(label)))
for label in ([[-1, .1, .1, .2, .2]], [[0, .1, .1]], [[0, .1, .1, .2, .2]]):
    attempt(lambda: it._check_valid_label(np.array(label)))
attempt(lambda: make([[np.array([2, 5, 0, .9, .1, .1, .9]), '0.png']]))
"""
    )
    same_code(code, ["found"], d=pictures)


def test_a_change_of_shape_is_logged(pictures, caplog):
    def make(objects):
        rows = [2, 5, *[0, 0.1, 0.1, 0.9, 0.9] * objects]
        return mx.image.ImageDetIter(1, (3, 8, 8), imglist=[[rows, "0.png"]], path_root=pictures)

    with caplog.at_level(logging.INFO):
        other = make(3).sync_label_shape(make(1), verbose=True)
    assert "Resized label_shape to (3, 5)" in caplog.text and other.label_shape == (3, 5)
    assert other.next().label[0].asnumpy()[0, 1:].tolist() == [[-1] * 5] * 2


@pytest.mark.oracle
def test_drawing(pictures):
    pytest.importorskip("cv2")
    code = (
        _LIST
        + """
found = []
# MXNet turns the colour's numbers around once more with each picture: one that reads alike both ways.
for more in ({'color': (255, 10, 255), 'thickness': 1}, {'color': (0, 255, 0)},
             {'color': (9, 9, 9), 'mean': np.array([10., 20, 30]), 'std': np.array([1., 1, .5])}):
    it = mx.image.ImageDetIter(2, (3, 40, 36), imglist=items, path_root=d)
    found.append([picture for picture in it.draw_next(**more)])
it = mx.image.ImageDetIter(2, (3, 40, 36), imglist=items, path_root=d)
found.append(next(it.draw_next(color=(255, 10, 20))))
np.random.seed(3)
it.reset()
found.append([picture for picture in it.draw_next()])
"""
    )
    same_code(code, ["found"], d=pictures, atol=1)


def test_names_beside_boxes(pictures):
    pytest.importorskip("cv2")  # of which version 5 has other letters than 4
    Image.new("RGB", (80, 60)).save(f"{pictures}black.png")
    items = [[[2, 5, 0, 0.1, 0.1, 0.9, 0.9], "black.png"]]
    it = mx.image.ImageDetIter(1, (3, 60, 80), imglist=items, path_root=pictures)
    picture = next(it.draw_next(color=(0, 0, 0), id2labels={0: "cat"}))
    rows, columns = np.where(picture.all(2))
    assert 6 <= rows.min() < rows.max() < 30 and 8 < columns.min() < columns.max() < 60
    it.reset()
    assert not next(it.draw_next(color=(0, 0, 0), id2labels={1: "dog"})).any()
