"""What was found in images, drawn onto them."""

import importlib

import numpy as np

from tandem.keras import config, ops, tensors
from tandem.keras.backend import is_int_dtype, standardize_dtype
from tandem.keras.utils.bounding_boxes import convert_format
from tandem.ops import drawing


def need(package, function, extra):
    """The package, which draws. Raises ImportError that says how it is installed."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f"The `{function}` function requires the `{package.split('.')[0]}` package: pip install tandem[{extra}]"
        ) from error


def batch(images, data_format, where="images"):
    """A batch of images as a tensor (batch, height, width, channels).

    Raises ValueError for another rank or an unknown data_format.
    """
    images = tensors.convert(images)
    if images.ndim != 4:
        raise ValueError(f"`{where}` must be batched 4D tensor. Received: {where}.shape={tuple(images.shape)}")
    channels_first = config.standardize_data_format(data_format) == "channels_first"
    return ops.transpose(images, (0, 2, 3, 1)) if channels_first else images


def draw_bounding_boxes(
    images,
    bounding_boxes,
    bounding_box_format,
    class_mapping=None,
    color=(128, 128, 128),
    line_thickness=2,
    text_thickness=1,
    font_scale=1.0,
    data_format=None,
):
    """Images with boxes, an array of dtype uint8 (batch, height, width, channels).

    images: (batch, height, width, channels), or with "channels_first" the channels first, from 0 to 255 or 0 to 1;
    bounding_boxes: {"boxes": (batch, boxes, 4), "labels": (batch, boxes)} and perhaps "confidences" (batch, boxes); a
    label of -1 stands for no box; bounding_box_format: see `keras.utils.bounding_boxes.convert_format`; class_mapping:
    {label: name}, to write; color: (red, green, blue); line_thickness, text_thickness, font_scale: OpenCV's.
    Raises ImportError where OpenCV is not installed, TypeError and ValueError for other images and boxes.
    """
    cv2 = need("cv2", "draw_bounding_boxes", "image")
    images = batch(images, data_format)
    if not isinstance(bounding_boxes, dict):
        raise TypeError(
            f"`bounding_boxes` should be a dict. Received: bounding_boxes={bounding_boxes} of type "
            f"{type(bounding_boxes)}"
        )
    if not {"boxes", "labels"} <= set(bounding_boxes):
        raise ValueError(
            "`bounding_boxes` should be a dict containing 'boxes' and 'labels' keys. Received: "
            f"bounding_boxes={bounding_boxes}"
        )
    height, width = images.shape[1:3]
    boxes = convert_format(bounding_boxes["boxes"], bounding_box_format, "xyxy", height, width)
    boxes, labels = (ops.convert_to_numpy(value).astype("int32") for value in (boxes, bounding_boxes["labels"]))
    confidences = bounding_boxes.get("confidences")
    confidences = None if confidences is None else ops.convert_to_numpy(confidences)
    names, thickness = class_mapping or {}, text_thickness or line_thickness
    drawn = np.ascontiguousarray(ops.convert_to_numpy(drawing.to_bytes(images)).copy())
    for number, picture in enumerate(drawn):
        for place, (box, label) in enumerate(zip(boxes[number].tolist(), labels[number].tolist())):
            if label == -1:
                continue
            x, y = box[:2]
            cv2.rectangle(picture, (x, y), tuple(box[2:]), color, line_thickness)
            if label in names:
                text = str(names[label])
                if confidences is not None:
                    text = f"{text} | {confidences[number][place]:.2f}"
                where = _text_place(x, y, int(font_scale * 12), thickness)
                cv2.putText(picture, text, where, cv2.FONT_HERSHEY_SIMPLEX, font_scale, color, thickness)
    return drawn


def _text_place(x, y, height, thickness):
    """Where a box's name begins: above its corner (x, y), or inside where there is no room."""
    return (x, y - 8) if y - 8 > 2 * height else (x + 3, y + 2 * height + thickness + 3)


def draw_segmentation_masks(
    images,
    segmentation_masks,
    num_classes=None,
    color_mapping=None,
    alpha=0.8,
    blend=True,
    ignore_index=-1,
    data_format=None,
):
    """Images with the colour of each pixel's class over them, (batch, height, width, channels).

    images: (batch, height, width, 3), or with "channels_first" the channels first; segmentation_masks: class numbers
    (batch, height, width, 1), in the same layout; num_classes: by default one more than the highest number;
    color_mapping: {class: (red, green, blue)}; alpha: how much the colours cover; blend: False gives a float32 tensor
    with nothing but the colours there, True an array of dtype uint8; ignore_index: a class that is not painted.
    Raises TypeError for masks that are not whole numbers, ValueError for images of another rank.
    """
    images = ops.cast(batch(images, data_format), "float32")
    masks = batch(segmentation_masks, data_format, "segmentation_masks")
    if not is_int_dtype(masks.dtype):
        raise TypeError(
            "`segmentation_masks` must be in integer dtype. Received: "
            f"segmentation_masks.dtype={standardize_dtype(masks.dtype)}"
        )
    masks = ops.squeeze(masks, axis=-1)
    if num_classes is None:
        num_classes = int(ops.max(masks)) + 1
    colours = [color_mapping[number] if color_mapping else _colour(number) for number in range(num_classes)]
    colours = tensors.convert(np.asarray(colours, "float32"))
    if not blend:
        return drawing.paint_classes(images, masks, colours, ignored=None)
    return ops.convert_to_numpy(
        ops.cast(drawing.paint_classes(images, masks, colours, alpha=alpha, ignored=ignore_index), "uint8")
    )


def _colour(number):
    """The colour of a class, black for the first, as Keras has it."""
    return [number * step % 255 for step in (2**25 - 1, 2**15 - 1, 2**21 - 1)]
