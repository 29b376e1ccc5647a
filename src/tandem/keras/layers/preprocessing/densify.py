"""Boxes of images with different numbers of them, as one tensor."""

import numpy as np

from tandem.keras import tensors


def densify_bounding_boxes(bounding_boxes, is_batched=False, max_boxes=None):
    """A dict with "boxes" (N, M, 4) and "labels" (N, M): what is missing to the most boxes is 0, of the label -1.

    bounding_boxes: such a dict, of tensors, arrays, or lists with one entry to an image. Raises ValueError for what is
    no such dict and for boxes and labels that do not fit each other.
    """
    if not isinstance(bounding_boxes, dict) or not {"boxes", "labels"} <= set(bounding_boxes):
        raise ValueError(
            "Expected `bounding_boxes` argument to be a dict with keys 'boxes' and 'labels'. "
            f"Received: bounding_boxes={bounding_boxes}"
        )
    boxes, labels = bounding_boxes["boxes"], bounding_boxes["labels"]
    if isinstance(boxes, (list, tuple)):
        if not isinstance(labels, (list, tuple)) or len(boxes) != len(labels):
            raise ValueError(
                "Boxes in a list do not go with these labels. Expected: a list of "
                f"{len(boxes)} entries under 'labels'. Given: {labels}"
            )
        if is_batched:
            boxes = [_array(one, "float32").reshape(-1, 4) for one in boxes]
            labels = [_array(one, "int32") for one in labels]
            most = max_boxes or max((len(one) for one in boxes), default=0)
            filled = np.zeros((len(boxes), most, 4), "float32")
            numbers = np.full((len(boxes), most), -1, "int32")
            for index, (some, names) in enumerate(zip(boxes, labels, strict=True)):
                filled[index, : len(some)] = some[:most]
                numbers[index, : len(names)] = names[:most]
            boxes, labels = filled, numbers
    boxes, labels = tensors.convert(boxes, "float32"), tensors.convert(labels)
    ranks = {2: (1, 2), 3: (2, 3)}
    if boxes.ndim not in ranks:
        raise ValueError(
            "Expected `bounding_boxes['boxes']` to have 2 axes, or 3 with a batch: (num_boxes, 4) or "
            f"(N, num_boxes, 4). Given: shape {tuple(boxes.shape)}"
        )
    if labels.ndim not in ranks[boxes.ndim]:
        raise ValueError(
            f"Labels do not fit boxes of shape {tuple(boxes.shape)}. Expected: "
            f"{' or '.join(map(str, ranks[boxes.ndim]))} axes. Given: shape {tuple(labels.shape)}"
        )
    return {**bounding_boxes, "boxes": boxes, "labels": labels}


def _array(value, dtype):
    value = value.detach().cpu().numpy() if hasattr(value, "detach") else value
    return np.asarray(value, dtype)
