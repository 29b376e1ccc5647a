"""What the layers that change images share: data with labels, boxes and masks, batches and single images, chance."""

import torch

from tandem.core.dtypes import torch_dtype
from tandem.keras import random as keras_random
from tandem.keras import tensors
from tandem.keras.config import standardize_data_format
from tandem.keras.layers.preprocessing.data_layer import DataLayer
from tandem.keras.layers.preprocessing.densify import densify_bounding_boxes
from tandem.keras.symbolic import KerasTensor
from tandem.ops import augment, random

INTERPOLATIONS = ("nearest", "bilinear")
FILL_MODES = ("reflect", "wrap", "constant", "nearest")


def limits(factor, name="factor", bounds=(-1.0, 1.0), *, around=True, open_below=False, message=None):
    """A factor, a number or a pair, as (lower, upper). Raises ValueError for what is neither or outside the bounds.

    around: a number f stands for (-f, f), cut off at the bounds, else for (0, f); open_below: without the lower bound.
    """
    wrong = message or (
        f"The `{name}` argument should be a number (or a list of two numbers) in the range [{bounds[0]}, {bounds[1]}]. "
    )
    if isinstance(factor, (list, tuple)):
        if len(factor) != 2 or factor[0] > bounds[1] or factor[1] < bounds[0]:
            raise ValueError(f"{wrong}Received: {name}={factor}")
        lower, upper = sorted(factor)
        if message is not None and (lower < bounds[0] or upper > bounds[1] or (open_below and lower == bounds[0])):
            raise ValueError(f"{wrong}Received: {name}={factor}")
        return lower, upper
    if not isinstance(factor, (int, float)):
        raise ValueError(f"{wrong}Received: {name}={factor}")
    if factor < bounds[0] or factor > bounds[1] or (open_below and factor == bounds[0]):
        raise ValueError(f"{wrong}Received: {name}={factor}")
    factor = abs(factor)
    return (max(-factor, bounds[0]) if around else 0), factor


def value_limits(value_range):
    """A value range as a list of two sorted numbers. Raises ValueError for what is none."""
    if not isinstance(value_range, (list, tuple)) or len(value_range) != 2:
        raise ValueError(
            f"The `value_range` argument should be a list of two numbers. Received: value_range={value_range}"
        )
    return sorted(value_range)


def check_choices(fill_mode=None, interpolation=None, modes=FILL_MODES):
    """Raise NotImplementedError for a fill mode or an interpolation that is not there."""
    if fill_mode is not None and fill_mode not in modes:
        raise NotImplementedError(f"Unknown `fill_mode` {fill_mode}. Expected of one {modes}.")
    if interpolation is not None and interpolation not in INTERPOLATIONS:
        raise NotImplementedError(f"Unknown `interpolation` {interpolation}. Expected of one {INTERPOLATIONS}.")


class ImageLayer(DataLayer):
    """Base of layers that change images: of `call`, which takes images alone or in a dict with what belongs to them.

    bounding_box_format: of "bounding_boxes" in such a dict; data_format: where the channels are.
    data: images (batch, H, W, C), one image (H, W, C), or a dict with "images" and perhaps "labels", "bounding_boxes"
    (a dict with "boxes" and "labels") and "segmentation_masks". A subclass draws what is to be done in
    `get_random_transformation` and does it in the `transform_…` methods.
    """

    _bounds = (-1.0, 1.0)

    def __init__(self, factor=None, bounding_box_format=None, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.bounding_box_format = bounding_box_format
        self.data_format = standardize_data_format(data_format)
        if factor is not None:
            self.factor = limits(factor, bounds=self._bounds)

    # --- what a subclass gives -------------------------------------------------------------------------------------
    def get_random_transformation(self, data, training=True, seed=None):
        """What is to be done to these images: anything that the `transform_…` methods understand."""
        return

    def transform_images(self, images, transformation, training=True):
        """A batch of images, changed."""
        raise NotImplementedError(f"{type(self).__name__} does not say how images are changed.")

    def transform_labels(self, labels, transformation, training=True):
        """The labels of the changed images."""
        return labels

    def transform_bounding_boxes(self, bounding_boxes, transformation, training=True):
        """The boxes in the changed images."""
        return bounding_boxes

    def transform_segmentation_masks(self, segmentation_masks, transformation, training=True):
        """The segmentation masks of the changed images."""
        return segmentation_masks

    # --- single ones -----------------------------------------------------------------------------------------------
    def transform_single_image(self, image, transformation, training=True):
        """`transform_images` of one image."""
        return self.transform_images(image.unsqueeze(0), transformation, training=training).squeeze(0)

    def transform_single_label(self, label, transformation, training=True):
        """`transform_labels` of one label."""
        return self.transform_labels(label.unsqueeze(0), transformation, training=training).squeeze(0)

    def transform_single_bounding_box(self, bounding_box, transformation, training=True):
        """`transform_bounding_boxes` of one image's boxes."""
        several = {
            key: value.unsqueeze(0) if key in ("boxes", "labels") else value for key, value in bounding_box.items()
        }
        changed = self.transform_bounding_boxes(several, transformation, training=training)
        return {key: value.squeeze(0) if key in ("boxes", "labels") else value for key, value in changed.items()}

    def transform_single_segmentation_mask(self, segmentation_mask, transformation, training=True):
        """`transform_segmentation_masks` of one mask."""
        masks = segmentation_mask.unsqueeze(0)
        return self.transform_segmentation_masks(masks, transformation, training=training).squeeze(0)

    # --- calling ---------------------------------------------------------------------------------------------------
    def call(self, data, training=True):
        """The data, changed."""
        transformation = self.get_random_transformation(data, training=training)
        if not isinstance(data, dict):
            images = self._whole_under_whole(tensors.convert(data))
            change = self.transform_images if self._is_batched(images) else self.transform_single_image
            return self._in_own_dtype(change(images, transformation, training=training))
        found = dict(data)
        batched = self._is_batched(found["images"])
        if "bounding_boxes" in found and not self.bounding_box_format:
            raise ValueError(
                "You passed an input with a 'bounding_boxes' key, but you didn't specify a bounding box format. "
                f"Expected: {type(self).__name__}(..., bounding_box_format='xyxy'), or another format. Given: None."
            )
        several = ("images", "bounding_boxes", "labels", "segmentation_masks")
        single = ("image", "bounding_box", "label", "segmentation_mask")
        for key, one in zip(several, single, strict=True):
            if key in found:
                dense = key == "bounding_boxes"
                value = densify_bounding_boxes(found[key], batched) if dense else tensors.convert(found[key])
                if key == "images":
                    value = self._whole_under_whole(value)
                change = getattr(self, f"transform_{key}" if batched else f"transform_single_{one}")
                found[key] = change(value, transformation, training=training)
        found["images"] = self._in_own_dtype(found["images"])
        return found

    def _whole_under_whole(self, images):
        # A policy of whole numbers cuts off what is behind the point before anything is done, as in Keras.
        wanted = torch_dtype(self.compute_dtype)
        return images if wanted.is_floating_point else images.to(wanted)

    def _in_own_dtype(self, images):
        # What is whole by the layer's own doing stays so, under a policy of floats too: `Resizing` of bytes.
        wanted = torch_dtype(self.compute_dtype)
        whole = not images.is_floating_point() and wanted.is_floating_point
        return images if whole else augment.cast(images, wanted)

    def _is_batched(self, images):
        if images.ndim not in (3, 4):
            raise ValueError(
                "Expected image tensor to have rank 3, (H, W, C), or with a batch rank 4. "
                f"Given: data.shape={tuple(images.shape)}"
            )
        return images.ndim == 4

    def compute_output_shape(self, input_shape):
        """The shape of the output for images of `input_shape`: the same."""
        return input_shape

    def compute_output_spec(self, data, *args, **kwargs):
        """The shapes and dtypes of the outputs for KerasTensors."""
        if isinstance(data, dict):
            return self._infer((data, *args), kwargs)
        return KerasTensor(self.compute_output_shape(data.shape), self.compute_dtype, name="spec")

    # --- help for subclasses ---------------------------------------------------------------------------------------
    def _images_of(self, data):
        images = data["images"] if isinstance(data, dict) else data
        if images.ndim not in (3, 4):
            raise ValueError(f"Images have 3 axes, or 4 with a batch. Given: inputs.shape={tuple(images.shape)}")
        return images

    def _count(self, data):
        """How many images there are."""
        images = self._images_of(data)
        return images.shape[0] if images.ndim == 4 else 1

    def _column(self, data):
        """The shape of one number to an image, to go with images."""
        images = self._images_of(data)
        return (images.shape[0], 1, 1, 1) if images.ndim == 4 else (1, 1, 1)

    def _size_of(self, shape):
        """(height, width) in the shape of images."""
        down, across, _ = augment.axes(self.data_format)
        return shape[down], shape[across]

    def _cast(self, images):
        return self._whole_under_whole(tensors.convert(images)).to(self._compute)

    @property
    def _compute(self):
        """The dtype that is computed in: float32 also under policies of halves and whole numbers; `call` rounds."""
        return torch.float64 if self.compute_dtype == "float64" else torch.float32

    def get_config(self):
        """The arguments that make an equal layer."""
        config = {**super().get_config(), "data_format": self.data_format}
        if self.bounding_box_format is not None:
            config["bounding_box_format"] = self.bounding_box_format
        return config


class RandomImageLayer(ImageLayer):
    """Base of layers that change images by chance; seed: an integer repeats the numbers."""

    def __init__(self, factor=None, seed=None, **kwargs):
        super().__init__(factor=factor, **kwargs)
        self.seed = seed
        self.generator = keras_random.SeedGenerator(seed)

    def _uniform(self, shape, low, high, images, seed=None, dtype=None):
        source = self.generator if seed is None else seed
        device = images.device
        return random.uniform(
            tuple(shape),
            float(low),
            float(high),
            dtype=dtype or torch.float32,
            device=device,
            generator=keras_random.generator_of(source, device),
        )

    def _generator_for(self, images, seed=None):
        return keras_random.generator_of(self.generator if seed is None else seed, images.device)

    def _happens(self, data, seed=None):
        """Which images are changed, (N,) of bool: with a probability drawn from `factor`."""
        images, count = self._images_of(data), self._count(data)
        probability = self._uniform((count,), *self.factor, images, seed)
        return augment.below(self._uniform((count,), 0.0, 1.0, images, seed), probability)

    def get_config(self):
        """The arguments that make an equal layer."""
        config = super().get_config()
        return (
            {**config, "factor": self.factor, "seed": self.seed}
            if hasattr(self, "factor")
            else {
                **config,
                "seed": self.seed,
            }
        )
