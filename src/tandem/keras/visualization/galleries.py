"""Many images in one figure."""

import math

import numpy as np

from tandem.keras import ops, tensors
from tandem.keras.visualization.drawing import batch, draw_bounding_boxes, draw_segmentation_masks, need
from tandem.ops import drawing


def plot_image_gallery(
    images,
    y_true=None,
    y_pred=None,
    label_map=None,
    rows=None,
    cols=None,
    value_range=(0, 255),
    scale=2,
    path=None,
    show=None,
    transparent=True,
    dpi=60,
    legend_handles=None,
    data_format=None,
):
    """Images beside each other.

    images: (batch, height, width, channels), or with "channels_first" the channels first; y_true, y_pred: the labels
    that they have and that a model gives them; label_map: {label: name}; rows, cols: by default as many as show all;
    value_range: of the images' values; scale: inches to an image; path: the name of a file, else the figure is
    shown (with show=False neither); transparent, dpi: of the file; legend_handles: matplotlib's.
    Raises ImportError where matplotlib is not installed, ValueError for arguments that do not go together.
    """
    plt = need("matplotlib.pyplot", "plot_image_gallery", "plot")
    if path is not None and show:
        raise ValueError("plot_gallery() expects either `path` to be set, or `show` to be true.")
    if (y_true is not None or y_pred is not None) and label_map is None:
        raise ValueError("If `y_true` or `y_pred` are provided, a `label_map` must also be provided.")
    images = batch(images, data_format)
    rows = rows or math.ceil(math.sqrt(len(images)))
    cols = cols or math.ceil(len(images) / rows)
    pixels = ops.convert_to_numpy(
        ops.cast(ops.clip(drawing.to_range(ops.cast(images, "float32"), value_range), 0, 255), "uint8")
    )
    labels = [
        (what, ops.convert_to_numpy(y).tolist()) for what, y in (("Label", y_true), ("Pred", y_pred)) if y is not None
    ]
    figure, axes = plt.subplots(
        rows, cols, figsize=(cols * scale, rows * scale), frameon=False, layout="tight", squeeze=False
    )
    if legend_handles is not None:
        figure.legend(handles=legend_handles, loc="lower center")
    for index, axis in enumerate(axes.flat):
        axis.axis("off")
        if index >= len(pixels):
            continue
        axis.imshow(
            pixels[index].squeeze(-1) if pixels.shape[-1] == 1 else pixels[index], cmap="gray", vmin=0, vmax=255
        )
        axis.margins(x=0, y=0)
        title = [f"{what}: {label_map.get(y[index], 'Unknown')}" for what, y in labels if index < len(y)]
        if title:
            axis.set_title("  ".join(title), fontsize=8)
    if path is not None:
        figure.savefig(path, pad_inches=0, bbox_inches="tight", transparent=transparent, dpi=dpi)
        plt.close(figure)
    elif show is None or show:
        plt.show()
        plt.close(figure)


def plot_bounding_box_gallery(
    images,
    bounding_box_format,
    y_true=None,
    y_pred=None,
    value_range=(0, 255),
    true_color=(0, 188, 212),
    pred_color=(255, 235, 59),
    line_thickness=2,
    font_scale=1.0,
    text_thickness=None,
    class_mapping=None,
    ground_truth_mapping=None,
    prediction_mapping=None,
    legend=False,
    legend_handles=None,
    rows=None,
    cols=None,
    data_format=None,
    **kwargs,
):
    """Images with boxes beside each other; see `draw_bounding_boxes` and `plot_image_gallery`.

    y_true, y_pred: the boxes that are there and that a model finds, in `true_color` and `pred_color`;
    ground_truth_mapping, prediction_mapping: the names of their labels, in place of `class_mapping`; legend: say which
    colour is which. Raises ValueError for both a legend and its handles.
    """
    patches = need("matplotlib.patches", "plot_bounding_box_gallery", "plot")
    images = batch(images, data_format)
    if tuple(value_range) != (0, 255):
        images = drawing.to_range(ops.cast(images, "float32"), value_range)
    for boxes, colour, names in (
        (y_true, true_color, ground_truth_mapping or class_mapping),
        (y_pred, pred_color, prediction_mapping or class_mapping),
    ):
        if boxes is not None:
            images = draw_bounding_boxes(
                images,
                boxes,
                bounding_box_format,
                class_mapping=names,
                color=colour,
                line_thickness=line_thickness,
                text_thickness=text_thickness,
                font_scale=font_scale,
                data_format="channels_last",
            )
    if legend:
        if legend_handles:
            raise ValueError(
                "Only pass `legend` OR `legend_handles` to `keras.visualization.plot_bounding_box_gallery()`."
            )
        legend_handles = [
            patches.Patch(color=tuple(part / 255 for part in colour), label=label)
            for colour, label in ((true_color, "Ground Truth"), (pred_color, "Prediction"))
        ]
    plot_image_gallery(
        images, legend_handles=legend_handles, rows=rows, cols=cols, data_format="channels_last", **kwargs
    )


def plot_segmentation_mask_gallery(
    images,
    num_classes,
    value_range=(0, 255),
    y_true=None,
    y_pred=None,
    color_mapping=None,
    blend=True,
    alpha=0.8,
    ignore_index=-1,
    data_format=None,
    **kwargs,
):
    """A row for each image: itself, and with the classes of its pixels as they are and as a model finds them.

    See `draw_segmentation_masks` and `plot_image_gallery`.
    """
    plain = drawing.to_range(ops.cast(batch(images, data_format), "float32"), value_range)
    columns = [ops.convert_to_numpy(plain)]
    for masks in (y_true, y_pred):
        if masks is not None:
            drawn = draw_segmentation_masks(
                plain,
                ops.cast(batch(tensors.convert(masks), data_format, "segmentation_masks"), "int32"),
                num_classes=num_classes,
                color_mapping=color_mapping,
                alpha=alpha,
                ignore_index=ignore_index,
                blend=blend,
                data_format="channels_last",
            )
            columns.append(ops.convert_to_numpy(drawn))
    pictures = np.stack(columns, axis=1).reshape(-1, *columns[0].shape[1:])
    plot_image_gallery(pictures, rows=len(plain), cols=len(columns), data_format="channels_last", **kwargs)
