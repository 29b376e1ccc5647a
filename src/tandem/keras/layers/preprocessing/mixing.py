"""Images mixed with each other, pieces of images erased, boxes made as many as wanted."""

import torch

from tandem.keras.layers.preprocessing.image_base import ImageLayer, RandomImageLayer, limits
from tandem.ops import augment, box_forms, random, tones


class MixUp(RandomImageLayer):
    """Mix each image with another one of the batch, and their labels (Zhang et al., 2018).

    alpha: the parts are drawn from a beta distribution with both its parameters alpha; seed: an integer repeats the
    numbers.
    """

    def __init__(self, alpha=0.2, data_format=None, seed=None, **kwargs):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.alpha = alpha

    def get_random_transformation(self, data, training=True, seed=None):
        """Each image's own part, and which other one is mixed with it: (N,) each."""
        images, count = self._images_of(data), self._count(data)
        source = self._generator_for(images, seed)
        order = random.permutation(count, device=images.device, generator=source)
        weight = random.beta((count,), self.alpha, self.alpha, device=images.device, generator=source)
        return {"mix_weight": weight, "permutation_order": order}

    def transform_images(self, images, transformation=None, training=True):
        """The mixed images."""
        images = self._cast(images)
        return self._mix(images, transformation) if training else images

    def _mix(self, x, transformation):
        others = augment.take(x, transformation["permutation_order"])
        return augment.blend(x, others, transformation["mix_weight"])

    def transform_labels(self, labels, transformation, training=True):
        """The labels, (N, classes), mixed as the images are."""
        return self._mix(labels, transformation) if training else labels

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        """The boxes of both images."""
        if not training:
            return bounding_boxes
        order = transformation["permutation_order"]
        return {key: box_forms.mixed(bounding_boxes[key], order) for key in ("boxes", "labels")}

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        """The masks, mixed as the images are."""
        return self._mix(segmentation_masks, transformation) if training else segmentation_masks

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "alpha": self.alpha}


class CutMix(RandomImageLayer):
    """Put a window of another image of the batch into each image, and mix their labels (Yun et al., 2019).

    factor: the window's size is drawn from a beta distribution whose parameters are a number from 0 to factor, or from
    (lower, upper); seed: an integer repeats the numbers.
    """

    _bounds = (0, 1)

    def __init__(self, factor=1.0, seed=None, data_format=None, **kwargs):
        super().__init__(factor, seed, data_format=data_format, **kwargs)
        self.height_axis, self.width_axis, self.channel_axis = augment.axes(self.data_format)

    def get_random_transformation(self, data, training=True, seed=None):
        """Which other image, the windows as masks, and the part of each image that stays; None for one image."""
        images = self._images_of(data)
        if not training or images.ndim == 3:
            return None
        count, shape = images.shape[0], images.shape
        height, width = self._size_of(shape)
        source = self._generator_for(images, seed)
        low, high = self.factor
        alpha = self._uniform((), low + 1e-6, high + 1e-6, images, seed)
        weight = random.beta((count,), alpha, alpha, dtype=torch.float32, device=images.device, generator=source)
        ratio = augment.root_of_rest(weight)
        across, down = (
            augment.spans(ratio, self._uniform((count,), 0.0, 1.0, images, seed), length) for length in (width, height)
        )
        order = random.permutation(count, device=images.device, generator=source)
        return {
            "permutation_order": order.int(),
            "batch_masks": augment.window(across, down, shape, self.data_format),
            "mix_weight": augment.share(across, down, (height, width)),
        }

    def transform_images(self, images, transformation=None, training=True):
        """The images, each with a window of another one."""
        images = self._cast(images)
        if not training or transformation is None:
            return images
        others = augment.take(images, transformation["permutation_order"])
        masks = transformation["batch_masks"]
        if masks.shape[self.channel_axis] != images.shape[self.channel_axis]:
            masks = masks.narrow(self.channel_axis, 0, 1)
        return augment.paste(images, others, masks)

    def transform_labels(self, labels, transformation, training=True):
        """The labels, (N, classes), mixed by the windows' sizes."""
        if not training or transformation is None:
            return labels
        others = augment.take(labels, transformation["permutation_order"])
        return augment.blend(labels, others, transformation["mix_weight"].reshape(-1))

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        """Raises NotImplementedError: a window may cut a box in two."""
        raise NotImplementedError("CutMix does not say what becomes of bounding boxes.")

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        """The masks, each with a window of another one."""
        return self.transform_images(segmentation_masks, transformation, training=training)


class RandomErasing(RandomImageLayer):
    """Erase a window of images (Zhong et al., 2020).

    factor: the probability, a number or (lower, upper); scale: (lower, upper) for the window's sides, squared, as parts
    of the image's; fill_value: what is put in, a number, three, or None for noise; value_range: the least and greatest
    value; seed: an integer repeats the numbers.
    """

    _bounds = (0, 1)

    def __init__(
        self,
        factor=1.0,
        scale=(0.02, 0.33),
        fill_value=None,
        value_range=(0, 255),
        seed=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(factor, seed, data_format=data_format, **kwargs)
        self.scale = limits(scale, "scale", self._bounds)
        pair = isinstance(fill_value, (list, tuple))
        if fill_value is not None and not isinstance(fill_value, (int, float)) and not (pair and len(fill_value) == 3):
            raise ValueError(
                "The `fill_value` argument should be a number (or a list of three numbers). "
                f"Received: fill_value={fill_value}"
            )
        self.fill_value = fill_value
        self.value_range = value_range
        self.height_axis, self.width_axis, self.channel_axis = augment.axes(self.data_format)

    def get_random_transformation(self, data, training=True, seed=None):
        """Which images are changed, the windows as masks, and what is put in."""
        if not training:
            return None
        images, count = self._images_of(data), self._count(data)
        shape = tuple(images.shape)
        sides = augment.root(self._uniform((count, 2), *self.scale, images, seed))
        height, width = self._size_of(shape)
        across, down = (
            augment.spans(side, self._uniform((count,), 0.0, 1.0, images, seed), length)
            for side, length in zip(sides.unbind(1), (width, height), strict=True)
        )
        masks = augment.window(across, down, shape, self.data_format)
        happens = self._happens(data, seed)
        return {
            "apply_erasing": happens,
            "batch_masks": masks,
            "fill_value": tones.clip(self._filling(images, seed), self.value_range),
        }

    def _filling(self, images, seed):
        shape, device = tuple(images.shape), images.device
        if self.fill_value is None:
            generator = self._generator_for(images, seed)
            return random.normal(
                shape, 0.0, float(self.value_range[1]), dtype=self._compute, device=device, generator=generator
            )
        values = torch.tensor(self.fill_value, dtype=self._compute, device=device)
        if values.ndim:
            values = values.reshape(*(3 if axis == self.channel_axis else 1 for axis in range(-3, 0)))
        return values.expand(shape)

    def transform_images(self, images, transformation=None, training=True):
        """The images, a window erased in some."""
        images = self._cast(images)
        if not training or transformation is None:
            return images
        erased = augment.paste(images, transformation["fill_value"], transformation["batch_masks"])
        return augment.choose(transformation["apply_erasing"], erased, images)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "scale": self.scale,
            "fill_value": self.fill_value,
            "value_range": self.value_range,
        }


class MaxNumBoundingBoxes(ImageLayer):
    """Give all images equally many boxes: what is too many is left out, what is missing filled up.

    max_number: how many; fill_value: of what is filled up.
    """

    def __init__(self, max_number, fill_value=-1, **kwargs):
        super().__init__(**kwargs)
        self.max_number = int(max_number)
        self.fill_value = int(fill_value)

    def transform_images(self, images, transformation=None, training=True):
        """The images as they are."""
        return images

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        """The boxes, (N, max_number, 4), and their labels, (N, max_number)."""
        found = {
            key: box_forms.fit(bounding_boxes[key], self.max_number, self.fill_value) for key in ("boxes", "labels")
        }
        return {**bounding_boxes, **found}

    def get_config(self):
        """The arguments that make an equal layer."""
        config = {**super().get_config(), "max_number": self.max_number}
        return config if self.fill_value == -1 else {**config, "fill_value": self.fill_value}
