"""More of `tf.image`: soft suppression and that of many classes, similarity at several scales, random boxes."""

import numpy as np

from tandem.compat.tensorflow import _image as image
from tandem.compat.tensorflow import _random as random
from tandem.compat.tensorflow import image_files
from tandem.compat.tensorflow.lifted import lift
from tandem.compat.tensorflow.results import CombinedNonMaxSuppression
from tandem.compat.tensorflow.tensor import convert, ints, static, taker
from tandem.core.errors import explain
from tandem.keras import ops, tensors
from tandem.ops import boxes as kernels
from tandem.ops import image_filters

NAMES = image.NAMES
add = taker(NAMES)


# --- suppression -----------------------------------------------------------------------------------------------------


@add
def non_max_suppression_with_scores(
    boxes, scores, max_output_size, iou_threshold=0.5, score_threshold=float("-inf"), soft_nms_sigma=0.0
):
    """(the numbers of the best boxes, their scores), which overlaps with better ones make smaller.

    soft_nms_sigma: how far; with 0 a box that overlaps a better one too much is left out. Bodla and others, 2017.
    """
    found, left = kernels.softly_suppressed(
        tensors.convert(ops.cast(convert(boxes), "float32")),
        tensors.convert(ops.cast(convert(scores), "float32")),
        ints(max_output_size)[0],
        threshold=float(static(iou_threshold)),
        lowest=float(static(score_threshold)),
        sigma=float(static(soft_nms_sigma)),
    )
    return ops.cast(found, "int32"), left


@add
def non_max_suppression_overlaps(
    overlaps, scores, max_output_size, overlap_threshold=0.5, score_threshold=float("-inf")
):
    """The numbers of the best boxes, by a matrix that says how much each overlaps each."""
    matrix, values = np.asarray(convert(overlaps)), np.asarray(convert(scores))
    kept = []
    for number in np.argsort(-values, kind="stable"):
        if len(kept) == ints(max_output_size)[0]:
            break
        if values[number] > static(score_threshold) and all(
            matrix[number, one] <= static(overlap_threshold) for one in kept
        ):
            kept.append(int(number))
    return convert(np.array(kept, "int32"))


@add
def combined_non_max_suppression(
    boxes,
    scores,
    max_output_size_per_class,
    max_total_size,
    iou_threshold=0.5,
    score_threshold=float("-inf"),
    pad_per_class=False,
    clip_boxes=True,
):
    """The best boxes of each sample over all classes, each class suppressed by itself.

    boxes: (batch, count, 1 or classes, 4) as (y1, x1, y2, x2); scores: (batch, count, classes). Returns (boxes (batch,
    total, 4), their scores and classes, 0 behind the last one; how many there are).
    """
    boxes, scores = np.asarray(convert(boxes)), np.asarray(convert(scores))
    most, total, classes = ints(max_output_size_per_class)[0], ints(max_total_size)[0], scores.shape[-1]
    if boxes.shape[2] not in (1, classes):
        raise ValueError(
            explain("The boxes are of another number of classes", expected=f"1 or {classes}", given=boxes.shape[2])
        )
    size = min(most * classes, total) if pad_per_class else total
    found = np.zeros((len(boxes), size, 6), "float32")
    counts = np.zeros(len(boxes), "int32")
    for sample, (of_sample, values) in enumerate(zip(boxes, scores, strict=True)):
        rows = []
        for number in range(classes):
            own = of_sample[:, number if of_sample.shape[1] > 1 else 0]
            chosen = NAMES["non_max_suppression"](own, values[:, number], most, iou_threshold, score_threshold)
            rows += [(values[one, number], number, *own[one]) for one in np.asarray(chosen)]
        rows.sort(key=lambda row: -row[0])
        counts[sample] = min(len(rows), size)
        if rows:
            found[sample, : counts[sample]] = rows[:size]
    corners = np.clip(found[..., 2:], 0, 1) if clip_boxes else found[..., 2:]
    return CombinedNonMaxSuppression(*(convert(part) for part in (corners, found[..., 0], found[..., 1], counts)))


# --- comparisons -----------------------------------------------------------------------------------------------------

_at_scales = lift(image_filters.similarity_at_scales, "SimilarityAtScales", 2, module=__name__)
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


@add
def ssim_multiscale(img1, img2, max_val, power_factors=_WEIGHTS, filter_size=11, filter_sigma=1.5, k1=0.01, k2=0.03):
    """How alike the structures of two images are at several scales, up to 1. Wang and others, 2003."""
    a, b, high = image._pair(img1, img2, max_val)
    return _at_scales(a, b, high, tuple(power_factors), filter_size, filter_sigma, k1, k2)


# --- boxes by chance -------------------------------------------------------------------------------------------------


@add
def sample_distorted_bounding_box(
    image_size,
    bounding_boxes,
    seed=0,
    min_object_covered=0.1,
    aspect_ratio_range=(0.75, 1.33),
    area_range=(0.05, 1.0),
    max_attempts=100,
    use_image_if_no_bounding_boxes=False,
):
    """(begin, size, box) of a random part of an image that shows enough of one of the boxes; else of all of it.

    Begin and size are for `tf.slice`; the box is (1, 1, 4), in parts of the sizes.
    """
    height, width = (int(one) for one in ints(image_size)[:2])
    wanted = np.asarray(convert(bounding_boxes)).reshape(-1, 4)
    if not len(wanted):
        if not use_image_if_no_bounding_boxes:
            raise ValueError(explain("There are no boxes", hint="Write use_image_if_no_bounding_boxes=True."))
        wanted = np.array([[0.0, 0.0, 1.0, 1.0]])
    draws = np.asarray(random.NAMES["uniform"]((int(max_attempts or 100), 4), seed=None if seed in (0, None) else seed))
    top, left, tall, wide = 0, 0, height, width
    for draw in draws:
        ratio = aspect_ratio_range[0] + draw[0] * (aspect_ratio_range[1] - aspect_ratio_range[0])
        area = (area_range[0] + draw[1] * (area_range[1] - area_range[0])) * height * width
        rows, columns = round((area / ratio) ** 0.5), round((area * ratio) ** 0.5)
        if not (0 < rows <= height and 0 < columns <= width):
            continue
        at = int(draw[2] * (height - rows + 1)), int(draw[3] * (width - columns + 1))
        box = at[0] / height, at[1] / width, (at[0] + rows) / height, (at[1] + columns) / width
        if any(_covered(box, one) >= static(min_object_covered) for one in wanted):
            (top, left), tall, wide = at, rows, columns
            break
    corners = [top / height, left / width, (top + tall) / height, (left + wide) / width]
    return convert([top, left, 0]), convert([tall, wide, -1]), convert([[corners]])


def _covered(box, wanted):
    """The part of `wanted` that a box shows."""
    down = min(box[2], wanted[2]) - max(box[0], wanted[0])
    across = min(box[3], wanted[3]) - max(box[1], wanted[1])
    area = (wanted[2] - wanted[0]) * (wanted[3] - wanted[1])
    return max(down, 0) * max(across, 0) / area if area > 0 else 0


@add
def stateless_sample_distorted_bounding_box(image_size, bounding_boxes, seed, **kwargs):
    """`sample_distorted_bounding_box`, the same for the same seed (two whole numbers)."""
    return sample_distorted_bounding_box(image_size, bounding_boxes, random._seed_of(seed) or 1, **kwargs)


@add
def decode_and_crop_jpeg(contents, crop_window, channels=0):
    """The part (top, left, height, width) of a JPEG file's image."""
    found = image_files.NAMES["decode_jpeg"](contents, channels=channels)
    return image.crop_to_bounding_box(found, *ints(crop_window))


image._with_seed("random_jpeg_quality")
IO = {"decode_and_crop_jpeg": decode_and_crop_jpeg}
