"""Images brought to another size: resized, cropped in the middle or by chance, with their boxes and masks."""

import random as python_random

import torch

from tandem.keras.layers.preprocessing.image_base import ImageLayer, RandomImageLayer
from tandem.keras.utils import bounding_boxes as boxes_of
from tandem.ops import augment, box_forms, fitting, image


class Resizing(ImageLayer):
    """Resize images.

    height, width: of the result; interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5";
    crop_to_aspect_ratio: what does not fit the proportions is cut off on both sides; pad_to_aspect_ratio: it is filled
    up, with `fill_value`; antialias: a wider kernel where images become smaller. Whole numbers stay such.
    """

    def __init__(
        self,
        height,
        width,
        interpolation="bilinear",
        crop_to_aspect_ratio=False,
        pad_to_aspect_ratio=False,
        fill_mode="constant",
        fill_value=0.0,
        antialias=False,
        data_format=None,
        **kwargs,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.height = height
        self.width = width
        self.interpolation = interpolation
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        self.fill_mode = fill_mode
        self.fill_value = fill_value
        self.antialias = bool(antialias)

    def get_random_transformation(self, data, training=True, seed=None):
        """The size of the images: (height, width)."""
        return self._size_of(self._images_of(data).shape)

    def _resize(self, images, interpolation):
        return fitting.resize(
            images,
            (self.height, self.width),
            interpolation=interpolation,
            antialias=self.antialias,
            crop=self.crop_to_aspect_ratio,
            pad=self.pad_to_aspect_ratio,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            layout=self.data_format,
        )

    def transform_images(self, images, transformation=None, training=True):
        """The images, resized."""
        return self._resize(images, self.interpolation)

    def transform_segmentation_masks(self, segmentation_masks, transformation=None, training=True):
        """The masks, resized by taking the nearest pixel."""
        return self._resize(segmentation_masks, "nearest")

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        """The boxes in the resized images; those that only fill up a batch become 0."""
        filling = box_forms.is_padding(bounding_boxes["boxes"])
        found = boxes_of.convert_format(bounding_boxes, self.bounding_box_format, "xyxy", *transformation)
        scale, shift = fitting.placing(
            transformation,
            (self.height, self.width),
            crop=self.crop_to_aspect_ratio,
            pad=self.pad_to_aspect_ratio,
        )
        found["boxes"] = box_forms.shift(box_forms.scale(found["boxes"], *scale), *shift)
        found = boxes_of.clip_to_image_size(found, self.height, self.width)
        found["boxes"] = box_forms.blank(found["boxes"], filling)
        return boxes_of.convert_format(found, "xyxy", self.bounding_box_format, self.height, self.width)

    def compute_output_shape(self, input_shape):
        """The shape of the output for images of `input_shape`."""
        return resized(input_shape, (self.height, self.width), self.data_format)

    def compute_output_spec(self, data, *args, **kwargs):
        """The shape and dtype of the output for KerasTensors."""
        return self._infer((data, *args), kwargs)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "height": self.height,
            "width": self.width,
            "interpolation": self.interpolation,
            "crop_to_aspect_ratio": self.crop_to_aspect_ratio,
            "pad_to_aspect_ratio": self.pad_to_aspect_ratio,
            "fill_mode": self.fill_mode,
            "fill_value": self.fill_value,
            "antialias": self.antialias,
        }


def resized(shape, size, layout):
    """The shape of images with another height and width."""
    shape = list(shape)
    down, across, _ = augment.axes(layout)
    shape[down], shape[across] = size
    return tuple(shape)


class CenterCrop(ImageLayer):
    """Cut the middle out of images; what is smaller than that is resized to it, with its proportions kept.

    height, width: of the result.
    """

    def __init__(self, height, width, data_format=None, **kwargs):
        super().__init__(data_format=data_format, **kwargs)
        self.height = height
        self.width = width

    def get_random_transformation(self, data, training=True, seed=None):
        """The shape of the images."""
        return {"input_shape": tuple(self._images_of(data).shape)}

    def transform_images(self, images, transformation=None, training=True):
        """The middle of the images."""
        images = self._cast(images)
        height, width = self._size_of(images.shape)
        if height < self.height or width < self.width:
            return fitting.resize(images, (self.height, self.width), crop=True, layout=self.data_format)
        top, left = (height - self.height) // 2, (width - self.width) // 2
        return image.crop(images, top, left, self.height, self.width, layout=self.data_format)

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        """The middle of the masks."""
        return self.transform_images(segmentation_masks, transformation, training=training)

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        """The boxes as seen in the middle."""
        height, width = self._size_of(transformation["input_shape"])
        found = boxes_of.convert_format(bounding_boxes, self.bounding_box_format, "xyxy", height, width)
        if height >= self.height and width >= self.width:
            top, left = (height - self.height) // 2, (width - self.width) // 2
            tall, wide = self.height, self.width
        else:
            top, left, tall, wide = image.crop_box_for((height, width), (self.height, self.width))
        boxes = box_forms.cut(found["boxes"], left, top, left + wide, top + tall)
        found["boxes"] = box_forms.scale(boxes, self.width / wide, self.height / tall)
        found = boxes_of.clip_to_image_size(found, self.height, self.width)
        return boxes_of.convert_format(found, "xyxy", self.bounding_box_format, self.height, self.width)

    def compute_output_shape(self, input_shape):
        """The shape of the output for images of `input_shape`."""
        return resized(input_shape, (self.height, self.width), self.data_format)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "height": self.height, "width": self.width}


class RandomCrop(RandomImageLayer):
    """Cut a piece out of images, at a place that is drawn for the batch; outside training images stay as they are.

    height, width: of the piece; images that are not larger are resized to it, with their proportions kept.
    """

    def __init__(self, height, width, seed=None, data_format=None, name=None, **kwargs):
        super().__init__(seed=seed, data_format=data_format, name=name, **kwargs)
        self.height = height
        self.width = width
        self.seed = python_random.randint(1, 10**9) if seed is None else seed
        self.height_axis, self.width_axis, _ = augment.axes(self.data_format)

    def get_random_transformation(self, data, training=True, seed=None):
        """Where the piece begins: (row, column)."""
        images = self._images_of(data)
        height, width = self._size_of(images.shape)
        if not training or height <= self.height or width <= self.width:
            return image.crop_box_for((height, width), (self.height, self.width))[:2]
        rows, columns = height - self.height + 1, width - self.width + 1
        return tuple(self._uniform((), 0.0, float(count), images, seed).int() for count in (rows, columns))

    def transform_images(self, images, transformation, training=True):
        """The piece of the images."""
        if not training:
            return images
        images = self._cast(images)
        height, width = self._size_of(images.shape)
        wanted = (self.height, self.width)
        if height <= self.height or width <= self.width:
            top, left = (int(start) for start in transformation)
            tall, wide = min(self.height, height - top), min(self.width, width - left)
            piece = image.crop(images, top, left, tall, wide, layout=self.data_format)
            return fitting.resize(piece, wanted, layout=self.data_format)
        return fitting.piece(images, *transformation, *wanted, layout=self.data_format)

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        """The piece of the masks."""
        return self.transform_images(segmentation_masks, transformation, training=training)

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        """The boxes as seen in the piece."""
        if not training:
            return bounding_boxes
        size = (self.height, self.width)
        found = boxes_of.convert_format(bounding_boxes, self.bounding_box_format, "xyxy", *size)
        top, left = (torch.as_tensor(start, dtype=found["boxes"].dtype) for start in transformation)
        found["boxes"] = fitting.not_negative(box_forms.shift(found["boxes"], -left, -top))
        return boxes_of.convert_format(found, "xyxy", self.bounding_box_format, *size)

    def compute_output_shape(self, input_shape):
        """The shape of the output for images of `input_shape`."""
        return resized(input_shape, (self.height, self.width), self.data_format)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "height": self.height, "width": self.width}
