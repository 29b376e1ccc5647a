"""`keras.visualization`: images with what was found in them, galleries; and, Tandem's own, curves and matrices."""

from tandem.keras.missing import absent
from tandem.keras.visualization.curves import (
    plot_confusion_matrix,
    plot_history,
    plot_precision_recall_curve,
    plot_roc_curve,
)
from tandem.keras.visualization.drawing import draw_bounding_boxes, draw_segmentation_masks
from tandem.keras.visualization.galleries import (
    plot_bounding_box_gallery,
    plot_image_gallery,
    plot_segmentation_mask_gallery,
)

__all__ = [
    "draw_bounding_boxes",
    "draw_segmentation_masks",
    "plot_bounding_box_gallery",
    "plot_confusion_matrix",
    "plot_history",
    "plot_image_gallery",
    "plot_precision_recall_curve",
    "plot_roc_curve",
    "plot_segmentation_mask_gallery",
]


def __getattr__(name):
    return absent("keras.visualization", name, __all__)


def __dir__():
    return sorted(__all__)
