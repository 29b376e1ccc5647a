"""Images turned, moved, zoomed, sheared, flipped and bent by chance, with their boxes and masks."""

import torch

from tandem.keras.layers.preprocessing.image_base import RandomImageLayer, check_choices, limits
from tandem.keras.utils import bounding_boxes as boxes_of
from tandem.ops import augment, box_forms, random, tones


class _Warp(RandomImageLayer):
    """What the layers share that read images through a map: interpolation, and what is outside."""

    def __init__(self, fill_mode="reflect", interpolation="bilinear", fill_value=0.0, **kwargs):
        super().__init__(**kwargs)
        check_choices(fill_mode, interpolation)
        self.fill_mode = fill_mode
        self.interpolation = interpolation
        self.fill_value = fill_value

    def _maps(self, transformation, size):
        raise NotImplementedError

    def _warp(self, images, transformation, interpolation):
        if transformation is None:
            return images
        batch = images if images.ndim == 4 else images.unsqueeze(0)
        changed = augment.warp(
            batch,
            self._maps(transformation, self._size_of(images.shape)),
            interpolation=interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            layout=self.data_format,
        )
        return changed if images.ndim == 4 else changed.squeeze(0)

    def transform_images(self, images, transformation, training=True):
        """The images, read through the map."""
        images = self._cast(images)
        return self._warp(images, transformation, self.interpolation) if training else images

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        """The masks, read through the map at the nearest pixel."""
        return self._warp(segmentation_masks, transformation, "nearest") if training else segmentation_masks

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "fill_mode": self.fill_mode,
            "fill_value": self.fill_value,
            "interpolation": self.interpolation,
        }


class RandomFlip(RandomImageLayer):
    """Turn images over, each with the probability 1/2.

    mode: "horizontal", "vertical" or "horizontal_and_vertical" (both at once); seed: an integer repeats the numbers.
    """

    def __init__(self, mode="horizontal_and_vertical", seed=None, data_format=None, **kwargs):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.mode = mode
        if mode not in ("horizontal", "vertical", "horizontal_and_vertical"):
            raise ValueError(
                f"Unknown `mode`. Expected: 'horizontal', 'vertical' or 'horizontal_and_vertical'. Given: {mode!r}."
            )

    @property
    def _ways(self):
        return {"across": self.mode != "vertical", "down": self.mode != "horizontal"}

    def get_random_transformation(self, data, training=True, seed=None):
        """Which images are turned over."""
        if not training:
            return None
        images = self._images_of(data)
        flips = augment.at_most(self._uniform(self._column(data), 0.0, 1.0, images, seed), 0.5)
        return {"flips": flips, "input_shape": tuple(images.shape)}

    def transform_images(self, images, transformation, training=True):
        """The images, some turned over."""
        images = self._cast(images)
        if not training or transformation is None:
            return images
        return augment.flip(images, transformation["flips"], layout=self.data_format, **self._ways)

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        """The boxes in the images, some turned over."""
        if not training or transformation is None:
            return bounding_boxes
        height, width = self._size_of(transformation["input_shape"])
        relative = boxes_of.convert_format(bounding_boxes, self.bounding_box_format, "rel_xyxy", height, width)
        relative["boxes"] = box_forms.flip(relative["boxes"], transformation["flips"], **self._ways)
        relative = boxes_of.clip_to_image_size(relative, bounding_box_format="rel_xyxy")
        return boxes_of.convert_format(relative, "rel_xyxy", self.bounding_box_format, height, width)

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        """The masks of the images, some turned over."""
        return self.transform_images(segmentation_masks, transformation, training=training)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "mode": self.mode}


class RandomRotation(_Warp):
    """Turn images about their middle.

    factor: a part of a full turn f for angles from -f to f, or (lower, upper); positive is counter-clockwise;
    fill_mode: what is outside, "reflect", "wrap", "constant" (`fill_value`) or "nearest"; interpolation: "nearest" or
    "bilinear"; seed: an integer repeats the numbers.
    """

    def __init__(
        self,
        factor,
        fill_mode="reflect",
        interpolation="bilinear",
        seed=None,
        fill_value=0.0,
        data_format=None,
        **kwargs,
    ):
        super().__init__(
            fill_mode,
            interpolation,
            fill_value,
            factor=factor,
            seed=seed,
            data_format=data_format,
            **kwargs,
        )

    def get_random_transformation(self, data, training=True, seed=None):
        """The angles, in degrees, and the maps that they make."""
        if not training:
            return None
        images, count = self._images_of(data), self._count(data)
        height, width = self._size_of(images.shape)
        angle = self._uniform((count,), self.factor[0] * 360.0, self.factor[1] * 360.0, images, seed)
        matrix = augment.affine_matrix((height, width), angle=angle)
        return {
            "angle": angle,
            "rotation_matrix": matrix if images.ndim == 4 else matrix.squeeze(0),
            "image_height": height,
            "image_width": width,
            "batch_size": count,
        }

    def _maps(self, transformation, size):
        return transformation["rotation_matrix"]

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        """The upright boxes around the turned ones."""
        if not training or transformation is None:
            return bounding_boxes
        size = transformation["image_height"], transformation["image_width"]
        found = boxes_of.convert_format(bounding_boxes, self.bounding_box_format, "xyxy", *size)
        matrix = augment.affine_matrix(size, angle=transformation["angle"], whole=True)
        found["boxes"] = box_forms.around_moved(found["boxes"], augment.inverse(matrix))
        found = boxes_of.clip_to_image_size(found, *size)
        return boxes_of.convert_format(found, "xyxy", self.bounding_box_format, *size)


class RandomTranslation(_Warp):
    """Move images.

    height_factor, width_factor: parts of the height (positive: down) and width (to the right), f for -f to f, or
    (lower, upper); the rest as in `RandomRotation`.
    """

    _message = "The `factor` argument should be a number (or a list of two numbers) in the range [-1.0, 1.0]. "

    def __init__(
        self,
        height_factor,
        width_factor,
        fill_mode="reflect",
        interpolation="bilinear",
        seed=None,
        fill_value=0.0,
        data_format=None,
        **kwargs,
    ):
        super().__init__(fill_mode, interpolation, fill_value, seed=seed, data_format=data_format, **kwargs)
        self.height_factor = height_factor
        self.width_factor = width_factor
        self.height_lower, self.height_upper = limits(height_factor, "height_factor", message=self._message)
        self.width_lower, self.width_upper = limits(width_factor, "width_factor", message=self._message)

    def get_random_transformation(self, data, training=True, seed=None):
        """How far each image is moved, in pixels: (N, 2), to the right and down."""
        if not training:
            return None
        images, count = self._images_of(data), self._count(data)
        height, width = self._size_of(images.shape)
        down = self._uniform((count, 1), self.height_lower * height, self.height_upper * height, images, seed)
        across = self._uniform((count, 1), self.width_lower * width, self.width_upper * width, images, seed)
        return {"translations": torch.cat((across, down), 1), "input_shape": tuple(images.shape)}

    def _maps(self, transformation, size):
        return augment.shift_map(transformation["translations"])

    def get_transformed_x_y(self, x, y, transform):
        """Where maps (N, 8) take a point."""
        return augment.moved(transform, x, y)

    def get_shifted_bbox(self, bounding_boxes, w_shift_factor, h_shift_factor):
        """Boxes (corner form) moved to the left and up."""
        boxes = bounding_boxes["boxes"]
        shifts = [torch.as_tensor(shift, dtype=boxes.dtype) for shift in (w_shift_factor, h_shift_factor)]
        return {**bounding_boxes, "boxes": box_forms.shift(boxes, *(-shift for shift in shifts))}

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        """The boxes, moved with their images."""
        if not training or transformation is None:
            return bounding_boxes
        size = self._size_of(transformation["input_shape"])
        found = boxes_of.convert_format(bounding_boxes, self.bounding_box_format, "xyxy", *size)
        left, up = augment.moved(augment.shift_map(transformation["translations"]), 0, 0)
        found = self.get_shifted_bbox(found, left, up)
        found = boxes_of.clip_to_image_size(found, *size)
        return boxes_of.convert_format(found, "xyxy", self.bounding_box_format, *size)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "height_factor": self.height_factor, "width_factor": self.width_factor}


class RandomZoom(_Warp):
    """Zoom images about their middle.

    height_factor, width_factor: f for -f to f, or (lower, upper): 0.2 shows a fifth more, -0.2 a fifth less; without
    width_factor proportions stay; the rest as in `RandomRotation`.
    """

    _message = (
        "The `height_factor` and `width_factor` arguments should be a number (or a list of two numbers) in the range "
        "(-1.0, 1.0]. "
    )

    def __init__(
        self,
        height_factor,
        width_factor=None,
        fill_mode="reflect",
        interpolation="bilinear",
        seed=None,
        fill_value=0.0,
        data_format=None,
        **kwargs,
    ):
        super().__init__(fill_mode, interpolation, fill_value, seed=seed, data_format=data_format, **kwargs)
        options = {"message": self._message, "open_below": True}
        self.height_factor = height_factor
        self.width_factor = width_factor
        self.height_lower, self.height_upper = limits(height_factor, "height_factor", **options)
        if width_factor is not None:
            self.width_lower, self.width_upper = limits(width_factor, "width_factor", **options)

    def get_random_transformation(self, data, training=True, seed=None):
        """How many pixels a pixel's step becomes, down and across: (N, 1) each."""
        if not training:
            return None
        images, count = self._images_of(data), self._count(data)
        down = across = self._uniform((count, 1), 1.0 + self.height_lower, 1.0 + self.height_upper, images, seed)
        if self.width_factor is not None:
            across = self._uniform((count, 1), 1.0 + self.width_lower, 1.0 + self.width_upper, images, seed)
        return {"height_zoom": down, "width_zoom": across, "input_shape": tuple(images.shape)}

    def _maps(self, transformation, size):
        return augment.zoom_map(transformation["height_zoom"], transformation["width_zoom"], size)

    def get_transformed_x_y(self, x, y, transform):
        """Where maps (N, 8) take a point."""
        return augment.moved(transform, x, y)

    def get_clipped_bbox(self, bounding_boxes, h_end, h_start, w_end, w_start):
        """Boxes (corner form) as seen in a part of the image."""
        return {**bounding_boxes, "boxes": box_forms.cut(bounding_boxes["boxes"], w_start, h_start, w_end, h_end)}

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        """The boxes, zoomed with their images."""
        if not training or transformation is None:
            return bounding_boxes
        height, width = self._size_of(transformation["input_shape"])
        found = boxes_of.convert_format(bounding_boxes, self.bounding_box_format, "xyxy", height, width)
        maps = self._maps(transformation, (height, width))
        left, top = augment.moved(maps, 0, 0)
        right, bottom = augment.moved(maps, width, height)
        found = self.get_clipped_bbox(found, bottom, top, right, left)
        seen = box_forms.to_sides(left, top, right, bottom)
        found = boxes_of.convert_format(found, "xyxy", "rel_xyxy", *seen)
        found = boxes_of.clip_to_image_size(found, bounding_box_format="rel_xyxy")
        return boxes_of.convert_format(found, "rel_xyxy", self.bounding_box_format, height, width)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "height_factor": self.height_factor, "width_factor": self.width_factor}


class RandomShear(_Warp):
    """Shear images.

    x_factor, y_factor: how far a row, or a column, moves beside the one before it, f for up to f pixels either way, or
    (lower, upper); the rest as in `RandomRotation`.
    """

    _message = "The `factor` argument should be a number (or a list of two numbers) in the range [0, 1.0]. "

    def __init__(
        self,
        x_factor=0.0,
        y_factor=0.0,
        interpolation="bilinear",
        fill_mode="reflect",
        fill_value=0.0,
        data_format=None,
        seed=None,
        **kwargs,
    ):
        super().__init__(fill_mode, interpolation, fill_value, seed=seed, data_format=data_format, **kwargs)
        self.x_factor = self._limits(x_factor, "x_factor")
        self.y_factor = self._limits(y_factor, "y_factor")

    def _limits(self, factor, name):
        lower, upper = limits(factor, name, (0.0, 1.0), message=self._message)
        return (lower, upper) if isinstance(factor, (list, tuple)) else (-upper, upper)

    @classmethod
    def from_config(cls, config):
        """The layer that `get_config` describes; its factors may lie on both sides of 0."""
        config = dict(config)
        for name in ("x_factor", "y_factor"):
            factor = config.get(name)
            if isinstance(factor, (list, tuple)) and factor[0] == -factor[1]:
                config[name] = factor[1]
        return super().from_config(config)

    def get_random_transformation(self, data, training=True, seed=None):
        """The factors of each image: (N, 2), across and down."""
        if not training:
            return None
        images, count = self._images_of(data), self._count(data)
        coin = self._uniform((count, 1), 0.0, 1.0, images, seed)
        down = self._uniform((count, 1), *self.y_factor, images, seed)
        across = self._uniform((count, 1), *self.x_factor, images, seed)
        factors = augment.signed(torch.cat((across, down), 1), coin)
        return {"shear_factor": factors.to(self._compute), "input_shape": tuple(images.shape)}

    def _maps(self, transformation, size):
        return augment.shear_map(transformation["shear_factor"])

    get_transformed_x_y = RandomTranslation.get_transformed_x_y
    get_shifted_bbox = RandomTranslation.get_shifted_bbox

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        """The upright boxes around the sheared ones."""
        if not training or transformation is None:
            return bounding_boxes
        size = self._size_of(transformation["input_shape"])
        found = boxes_of.convert_format(bounding_boxes, self.bounding_box_format, "rel_xyxy", *size)
        found["boxes"] = box_forms.sheared(found["boxes"], transformation["shear_factor"])
        found = boxes_of.clip_to_image_size(found, bounding_box_format="rel_xyxy")
        return boxes_of.convert_format(found, "rel_xyxy", self.bounding_box_format, *size)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "x_factor": self.x_factor, "y_factor": self.y_factor}


class RandomPerspective(RandomImageLayer):
    """See images from another side: their corners are moved.

    factor: the probability that an image is changed, a number or (lower, upper); scale: how far corners move, from 0 to
    1; interpolation: "nearest" or "bilinear"; fill_value: what is outside; seed: an integer repeats the numbers.
    """

    _bounds = (0, 1)

    def __init__(
        self, factor=1.0, scale=1.0, interpolation="bilinear", fill_value=0.0, seed=None, data_format=None, **kwargs
    ):
        super().__init__(factor, seed, data_format=data_format, **kwargs)
        if not 0.0 <= scale <= 1.0:
            raise ValueError(f"`scale` does not fit. Expected: a number from 0 to 1. Given: scale={scale}")
        check_choices(interpolation=interpolation)
        self.scale = scale
        self.interpolation = interpolation
        self.fill_value = fill_value
        self.height_axis, self.width_axis, self.channel_axis = augment.axes(self.data_format)

    def get_random_transformation(self, data, training=True, seed=None):
        """Which images are changed, and where their corners are before and after: (N, 4, 2) each."""
        if not training:
            return None
        images, count = self._images_of(data), self._count(data)
        happens = self._happens(data, seed)
        parts = self._uniform((count, 4, 2), -0.5 * self.scale, 0.5 * self.scale, images, seed, self._compute)
        start = augment.corners(self._size_of(images.shape), count, parts)
        return {
            "apply_perspective": happens,
            "start_points": start,
            "end_points": augment.displaced(start, parts),
            "input_shape": tuple(images.shape),
        }

    def _warp(self, images, transformation, interpolation):
        batch = images if images.ndim == 4 else images.unsqueeze(0)
        maps = augment.homography(transformation["start_points"], transformation["end_points"])
        changed = augment.warp(
            batch, maps, interpolation=interpolation, fill_value=self.fill_value, layout=self.data_format
        )
        changed = augment.choose(transformation["apply_perspective"], changed, batch)
        return changed if images.ndim == 4 else changed.squeeze(0)

    def transform_images(self, images, transformation, training=True):
        """The images, some seen from another side."""
        images = self._cast(images)
        return self._warp(images, transformation, self.interpolation) if training and transformation else images

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        """The masks of the images, some seen from another side."""
        changes = training and transformation
        return self._warp(segmentation_masks, transformation, "nearest") if changes else segmentation_masks

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        """The upright boxes around the changed ones."""
        if not training or transformation is None:
            return bounding_boxes
        size = self._size_of(transformation["input_shape"])
        found = boxes_of.convert_format(bounding_boxes, self.bounding_box_format, "xyxy", *size)
        maps = augment.homography(transformation["start_points"], transformation["end_points"])
        moved = box_forms.around_moved(found["boxes"], augment.inverse(augment.matrix_of(maps)))
        found["boxes"] = augment.choose(transformation["apply_perspective"], moved, found["boxes"])
        found = boxes_of.clip_to_image_size(found, *size)
        return boxes_of.convert_format(found, "xyxy", self.bounding_box_format, *size)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "scale": self.scale,
            "interpolation": self.interpolation,
            "fill_value": self.fill_value,
        }


class RandomElasticTransform(RandomImageLayer):
    """Bend images like rubber (Simard et al., 2003).

    factor: the probability that an image is changed, a number or (lower, upper); scale: how strongly, a number or
    (lower, upper) from 0 to 1; value_range: the images' values are kept in it; the rest as in `RandomRotation`.
    """

    _bounds = (0, 1)

    def __init__(
        self,
        factor=1.0,
        scale=1.0,
        interpolation="bilinear",
        fill_mode="reflect",
        fill_value=0.0,
        value_range=(0, 255),
        seed=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(factor, seed, data_format=data_format, **kwargs)
        self.scale = limits(scale, "scale", self._bounds)
        check_choices(fill_mode, interpolation, ("constant", "nearest", "wrap", "mirror", "reflect"))
        self.interpolation = interpolation
        self.fill_mode = fill_mode
        self.fill_value = fill_value
        self.value_range = value_range
        self.height_axis, self.width_axis, self.channel_axis = augment.axes(self.data_format)

    def get_random_transformation(self, data, training=True, seed=None):
        """Which images are changed, how strongly all of them, and the seed of the bends."""
        if not training or self.scale[1] == 0 or self.factor[1] == 0:
            return None
        happens = self._happens(data, seed)
        strength = self._uniform((), *self.scale, self._images_of(data), seed, self._compute)
        return {"apply_transform": happens, "distortion_factor": strength, "seed": seed or self.generator}

    def get_elastic_transform_params(self, height, width, factor):
        """(strength of the bends in pixels, width of the kernel that makes them smooth)."""
        return max(height, width) * 0.1 * factor, min(height, width) * 0.05 * factor

    def _bend(self, images, transformation, interpolation):
        batch = images if images.ndim == 4 else images.unsqueeze(0)
        height, width = self._size_of(batch.shape)
        alpha, sigma = self.get_elastic_transform_params(height, width, transformation["distortion_factor"].float())
        fields = transformation.get("fields")
        if fields is None:  # images and masks are bent alike
            noise = random.normal(
                (batch.shape[0], height, width, 2),
                device=batch.device,
                generator=self._generator_for(batch, transformation["seed"]),
            )
            widest = self.get_elastic_transform_params(height, width, self.scale[1])[1]
            fields = augment.elastic_fields(noise, augment.odd_size(widest), sigma)
            transformation["fields"] = fields
        bent = augment.elastic(
            batch,
            fields,
            alpha,
            interpolation=interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            layout=self.data_format,
        )
        bent = augment.choose(transformation["apply_transform"], bent, batch)
        return bent if images.ndim == 4 else bent.squeeze(0)

    def transform_images(self, images, transformation, training=True):
        """The images, some bent."""
        images = self._cast(images)
        if not training or transformation is None:
            return images
        return tones.clip(self._bend(images, transformation, self.interpolation), self.value_range)

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        """The masks of the images, bent with them."""
        changes = training and transformation is not None
        return self._bend(segmentation_masks, transformation, "nearest") if changes else segmentation_masks

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "scale": self.scale,
            "interpolation": self.interpolation,
            "fill_mode": self.fill_mode,
            "fill_value": self.fill_value,
            "value_range": self.value_range,
        }
