"""Images with other tones: grey, inverted, solarized, equalized, blurred."""

from tandem.keras.layers.preprocessing.image_base import ImageLayer, RandomImageLayer, limits, value_limits
from tandem.ops import augment, tones


class RandomGrayscale(RandomImageLayer):
    """Make images grey, with as many channels as before; factor: the probability, from 0 to 1."""

    def __init__(self, factor=0.5, data_format=None, seed=None, **kwargs):
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        if factor < 0 or factor > 1:
            raise ValueError(f"`factor` is a probability. Expected: 0 to 1. Given: factor={factor}")
        self.factor = factor

    def get_random_transformation(self, data, training=True, seed=None):
        """Which images become grey: (N, 1, 1, 1)."""
        draw = self._uniform((self._count(data), 1, 1, 1), 0.0, 1.0, self._images_of(data), seed)
        return augment.below(draw, self.factor)

    def transform_images(self, images, transformation, training=True):
        """The images, some grey."""
        images = self._cast(images)
        if not training:
            return images
        which = self.get_random_transformation(images) if transformation is None else transformation
        return augment.choose(which, tones.grey(images, self.data_format), images)

    def get_config(self):
        """The arguments that make an equal layer, but for the seed, as Keras has it."""
        return {key: value for key, value in super().get_config().items() if key != "seed"}


class RandomInvert(RandomImageLayer):
    """Turn images into negatives.

    factor: the probability, a number or (lower, upper); value_range: least and greatest value.
    """

    _bounds = (0, 1)

    def __init__(self, factor=1.0, value_range=(0, 255), seed=None, data_format=None, **kwargs):
        super().__init__(factor, seed, data_format=data_format, **kwargs)
        self.value_range = value_range

    def get_random_transformation(self, data, training=True, seed=None):
        """Which images are inverted: (N,)."""
        return {"apply_inversion": self._happens(data, seed)} if training else None

    def transform_images(self, images, transformation=None, training=True):
        """The images, some inverted."""
        images = self._cast(images)
        if not training or transformation is None:
            return images
        return augment.choose(transformation["apply_inversion"], tones.complement(images, self.value_range[1]), images)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "value_range": self.value_range}


class Solarization(RandomImageLayer):
    """Make images lighter and invert what is not below a threshold.

    addition_factor, threshold_factor: as parts of the range, f for 0 to f, or (lower, upper), from 0 to 1; value_range:
    least and greatest value.
    """

    _message = (
        "The `addition_factor` and `threshold_factor` arguments should be a number (or a list of two numbers) in the "
        "range [0, 1]. "
    )

    def __init__(self, addition_factor=0.0, threshold_factor=0.0, value_range=(0, 255), seed=None, **kwargs):
        super().__init__(seed=seed, **kwargs)
        options = {"bounds": (0, 1), "around": False, "message": self._message}
        self.addition_factor = limits(addition_factor, "addition_factor", **options)
        self.threshold_factor = limits(threshold_factor, "threshold_factor", **options)
        self.value_range = value_limits(value_range)

    def get_random_transformation(self, data, training=True, seed=None):
        """What is added to each image and its threshold, from 0 to 255."""
        if not training:
            return None
        images, shape = self._images_of(data), self._column(data)

        def draw(factor):
            return self._uniform(shape, factor[0], factor[1] * 255, images, seed, self._compute)

        return {"additions": draw(self.addition_factor), "thresholds": draw(self.threshold_factor)}

    def transform_images(self, images, transformation, training=True):
        """The images, solarized."""
        images = self._cast(images)
        if not training or transformation is None:
            return images
        images = tones.rescale(images, self.value_range, (0, 255))
        images = tones.solarize(images, transformation["additions"], transformation["thresholds"])
        return tones.rescale(images, (0, 255), self.value_range)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "value_range": self.value_range,
            "addition_factor": self.addition_factor,
            "threshold_factor": self.threshold_factor,
        }


class RandomGaussianBlur(RandomImageLayer):
    """Blur images.

    factor: the probability, a number or (lower, upper); kernel_size: an odd number, or two, down and across; sigma: the
    kernel's width in pixels, f for 0 to f, or (lower, upper), from 0 to 1; value_range: least and greatest value.
    """

    _bounds = (0, 1)

    def __init__(
        self, factor=1.0, kernel_size=3, sigma=1.0, value_range=(0, 255), data_format=None, seed=None, **kwargs
    ):
        super().__init__(factor, seed, data_format=data_format, **kwargs)
        pair = kernel_size if isinstance(kernel_size, (list, tuple)) else (kernel_size,) * 2
        if len(pair) != 2 or any(not isinstance(size, (int, float)) or size % 2 == 0 for size in pair):
            raise ValueError(
                f"`kernel_size` must be an odd number, or two of them. Received: kernel_size={kernel_size}"
            )
        self.kernel_size = tuple(pair)
        self.sigma = limits(sigma, "sigma", self._bounds)
        self.value_range = value_range

    def get_random_transformation(self, data, training=True, seed=None):
        """Which images are blurred, and the kernel's width down and across for all of them."""
        if not training:
            return None
        images = self._images_of(data)
        happens = self._happens(data, seed)
        low, high = (limit + 1e-6 for limit in self.sigma)
        return {
            "should_apply_blur": happens,
            "blur_factor": self._uniform((2,), low, high, images, seed, self._compute),
        }

    def transform_images(self, images, transformation=None, training=True):
        """The images, some blurred."""
        images = self._cast(images)
        if not training or transformation is None:
            return images
        blurred = augment.blur(images, self.kernel_size, transformation["blur_factor"], self.data_format)
        return tones.clip(augment.choose(transformation["should_apply_blur"], blurred, images), self.value_range)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "sigma": self.sigma,
            "value_range": self.value_range,
        }


class AutoContrast(ImageLayer):
    """Stretch each channel of each image to the whole range; value_range: least and greatest value."""

    def __init__(self, value_range=(0, 255), **kwargs):
        super().__init__(**kwargs)
        self.value_range = value_limits(value_range)

    def transform_images(self, images, transformation=None, training=True):
        """The images, stretched."""
        images = tones.rescale(self._cast(images), self.value_range, (0, 255))
        return tones.rescale(tones.stretch(images), (0, 255), self.value_range)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "value_range": self.value_range}


class Equalization(ImageLayer):
    """Make the histogram of each channel (of all of a batch) even, in training.

    value_range: least and greatest value; bins: of the histogram.
    """

    def __init__(self, value_range=(0, 255), bins=256, data_format=None, **kwargs):
        super().__init__(data_format=data_format, **kwargs)
        self.bins = bins
        self.value_range = value_limits(value_range)

    def transform_images(self, images, transformation, training=True):
        """The images, equalized."""
        if not training:
            return images
        images = tones.rescale(self._cast(images), self.value_range, (0, 255))
        return tones.rescale(tones.equalize(images, self.bins, self.data_format), (0, 255), self.value_range)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "bins": self.bins, "value_range": self.value_range}


class ContrastLimitedAdaptiveHistogramEqualization(ImageLayer):
    """Equalize images by tiles, with a limit to the contrast (CLAHE; Pizer et al., 1987).

    value_range: least and greatest value; clip_limit: how often a value counts, as a multiple of the mean, 0 for no
    limit; tile_grid_size: tiles down and across.
    """

    def __init__(self, value_range=(0, 255), clip_limit=4.0, tile_grid_size=(8, 8), data_format=None, **kwargs):
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = value_range
        self.clip_limit = clip_limit
        self.tile_grid_size = tile_grid_size

    def transform_images(self, images, transformation=None, training=True):
        """The images, equalized."""
        first = self.data_format == "channels_first"
        last = images.movedim(1, -1) if first else images
        last = tones.rescale(last, self.value_range, (0, 255))
        last = tones.rescale(tones.clahe(last, self.clip_limit, self.tile_grid_size), (0, 255), self.value_range)
        return augment.cast(last.movedim(-1, 1) if first else last, images.dtype)

    def get_config(self):
        """The arguments that make an equal layer."""
        return {
            **super().get_config(),
            "value_range": self.value_range,
            "clip_limit": self.clip_limit,
            "tile_grid_size": self.tile_grid_size,
        }
