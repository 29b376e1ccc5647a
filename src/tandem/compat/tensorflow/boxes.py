"""Boxes on images: `tf.image.non_max_suppression`, `tf.image.draw_bounding_boxes`."""

import numpy as np

from tandem.compat.tensorflow.tensor import convert, ints, static, taker
from tandem.keras import ops, tensors
from tandem.ops import boxes as kernels

NAMES = {}
add = taker(NAMES)


def _chosen(boxes, scores, most, threshold, lowest):
    boxes, scores = ops.cast(convert(boxes), "float32"), ops.cast(convert(scores), "float32")
    order = ops.argsort(ops.negative(scores))
    boxes, scores = ops.take(boxes, order, axis=0), ops.take(scores, order, axis=0)
    # A box may be given by any two opposite corners.
    corners = ops.concatenate(
        [ops.minimum(boxes[:, :2], boxes[:, 2:]), ops.maximum(boxes[:, :2], boxes[:, 2:])], axis=-1
    )
    alive = ops.greater(scores, static(lowest))
    keep = kernels.suppress(tensors.convert(corners)[None], tensors.convert(alive)[None], float(static(threshold)))[0]
    keep = ops.logical_and(keep, alive)
    return order[keep][: ints(most)[0]], scores[keep][: ints(most)[0]]


@add
def non_max_suppression(boxes, scores, max_output_size, iou_threshold=0.5, score_threshold=float("-inf")):
    """The numbers of the best boxes (y1, x1, y2, x2), each of which removes those that overlap it too much; int32."""
    return ops.cast(_chosen(boxes, scores, max_output_size, iou_threshold, score_threshold)[0], "int32")


@add
def non_max_suppression_padded(
    boxes,
    scores,
    max_output_size,
    iou_threshold=0.5,
    score_threshold=float("-inf"),
    pad_to_max_output_size=False,
):
    """(`non_max_suppression`, filled up with zeros where asked; how many there are)."""
    found = non_max_suppression(boxes, scores, max_output_size, iou_threshold, score_threshold)
    count = found.shape[0]
    if pad_to_max_output_size:
        found = ops.pad(found, ((0, ints(max_output_size)[0] - count),))
    return found, convert(np.int32(count))


@add
def draw_bounding_boxes(images, boxes, colors):
    """Images with the outlines of boxes, samples by boxes by (y1, x1, y2, x2) in parts of the sizes."""
    pixels = np.array(convert(images))
    height, width = pixels.shape[1:3]
    colours = np.asarray(convert(colors))
    for picture, of_picture in zip(pixels, np.asarray(convert(boxes))):
        for number, (top, left, bottom, right) in enumerate(of_picture):
            colour = colours[number % len(colours)][: pixels.shape[-1]]
            rows, columns = (
                (int(top * (height - 1)), int(bottom * (height - 1))),
                (int(left * (width - 1)), int(right * (width - 1))),
            )
            down = slice(max(rows[0], 0), rows[1] + 1)
            across = slice(max(columns[0], 0), columns[1] + 1)
            for row in rows:
                if 0 <= row < height:
                    picture[row, across] = colour
            for column in columns:
                if 0 <= column < width:
                    picture[down, column] = colour
    return convert(pixels)
