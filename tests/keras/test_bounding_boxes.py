"""`keras.utils.bounding_boxes` against the real one."""

import itertools

import numpy as np
import pytest
import torch

from oracles import real_keras
from tandem import keras
from tandem.ops import box_forms

mine = keras.utils.bounding_boxes
BOXES = torch.tensor([[[1.0, 2, 5, 7], [0, 0, 8, 9], [2, 3, 3, 4]], [[0, 1, 2, 3], [4, 4, 8, 8], [-1, -1, 7, 12]]])


def theirs():
    return real_keras().utils.bounding_boxes


def same(a, b):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-4, atol=1e-5)


@pytest.mark.oracle
@pytest.mark.parametrize(("source", "target"), list(itertools.permutations(box_forms.FORMS, 2)))
def test_forms(source, target):
    same(
        mine.convert_format(BOXES, source, target, height=9, width=8),
        theirs().convert_format(BOXES, source, target, height=9, width=8),
    )


@pytest.mark.oracle
def test_moves():
    data = {"boxes": BOXES, "labels": torch.ones(2, 3, dtype=torch.int32)}
    a, b = (room.clip_to_image_size(dict(data), 6, 5) for room in (mine, theirs()))
    same(a["boxes"], b["boxes"])
    same(a["labels"], b["labels"])
    same(mine.crop(BOXES, 1, 2, 4, 5), theirs().crop(BOXES, 1, 2, 4, 5))
    same(mine.pad(BOXES, 1, 2), theirs().pad(BOXES, 1, 2))
    numbers = [
        torch.tensor(pair) for pair in ([30.0, -70.0], [0.1, 2.0], [3.0, -0.2], [1.0, 1.5], [10.0, 0.0], [5.0, -20.0])
    ]
    same(mine.affine_transform(BOXES, *numbers, 9, 8), theirs().affine_transform(BOXES, *numbers, 9, 8))


@pytest.mark.oracle
@pytest.mark.parametrize("form", ["xyxy", "yxyx", "center_xywh", "rel_xyxy"])
def test_overlaps(form):
    shape = {"image_shape": (9, 8, 3)} if form.startswith("rel") else {}
    same(
        mine.compute_iou(BOXES, BOXES.flip(1), form, **shape), theirs().compute_iou(BOXES, BOXES.flip(1), form, **shape)
    )
    if not shape:
        same(mine.compute_ciou(BOXES[0], BOXES[1], form), theirs().compute_ciou(BOXES[0], BOXES[1], form))
    masked = BOXES.clone()
    masked[0, 0] = -1
    options = {"use_masking": True, "mask_val": -2, **shape}
    if form == "xyxy":
        same(mine.compute_iou(masked, BOXES, form, **options), theirs().compute_iou(masked, BOXES, form, **options))


@pytest.mark.oracle
@pytest.mark.parametrize("variance", [None, [0.1, 0.1, 0.2, 0.2]])
@pytest.mark.parametrize("encoding", ["center_xywh", "center_yxhw"])
def test_regression(encoding, variance):
    anchors, boxes = BOXES[0], BOXES[1][[0, 1, 1]]
    a, b = (room.encode_box_to_deltas(anchors, boxes, "xyxy", "xyxy", encoding, variance) for room in (mine, theirs()))
    same(a, b)
    same(mine.decode_deltas_to_boxes(anchors, a, "xyxy", "xyxy", encoding, variance), boxes)
    levels = mine.decode_deltas_to_boxes({"P3": anchors}, {"P3": a}, "xyxy", "xyxy", encoding, variance)
    same(levels["P3"], boxes)


def test_what_does_not_fit_raises():
    with pytest.raises(ValueError, match="Unknown form"):
        mine.convert_format(BOXES, "xyxy", "xyz")
    with pytest.raises(ValueError, match="must receive `height` and `width`"):
        mine.convert_format(BOXES, "xyxy", "rel_xyxy")
    with pytest.raises(ValueError, match="image_shape"):
        mine.compute_iou(BOXES, BOXES, "rel_xyxy")
    with pytest.raises(ValueError, match="length 4"):
        mine.encode_box_to_deltas(BOXES, BOXES, "xyxy", "xyxy", variance=[1.0])
    with pytest.raises(NotImplementedError):
        mine.clip_to_image_size({"boxes": BOXES}, 3, 3, "xywh")
