"""Images with other brightness, contrast and colours by chance."""

from tandem.keras.layers.preprocessing.image_base import RandomImageLayer, value_limits
from tandem.ops import augment, random, tones


class _Factor(RandomImageLayer):
    """What the layers share that draw one number for each image, called "factor"."""

    def _factors(self, data, seed, shape=None):
        images = self._images_of(data)
        return self._uniform(shape or (self._count(data),), *self.factor, images, seed)

    def get_random_transformation(self, data, training=True, seed=None):
        """One number for each image: (N,)."""
        return {"factor": self._factors(data, seed)}

    def get_config(self):
        """The arguments that make an equal layer."""
        return {**super().get_config(), "value_range": self.value_range}


class RandomBrightness(_Factor):
    """Add a number to all of an image.

    factor: f for -f to f, or (lower, upper), as a part of the range; value_range: least and greatest value; seed: an
    integer repeats the numbers.
    """

    def __init__(self, factor, value_range=(0, 255), seed=None, **kwargs):
        super().__init__(factor, seed, **kwargs)
        self.value_range = value_limits(value_range)

    def get_random_transformation(self, data, training=True, seed=None):
        """What is added to each image; 0 outside training."""
        low, high = self.value_range
        lower, upper = self.factor if training else (0.0, 0.0)
        shape, images = self._column(data), self._images_of(data)
        return {"rgb_delta": self._uniform(shape, lower * (high - low), upper * (high - low), images, seed)}

    def transform_images(self, images, transformation, training=True):
        """The images, lighter or darker."""
        images = self._cast(images)
        return tones.clip(tones.add(images, transformation["rgb_delta"]), self.value_range) if training else images


class RandomContrast(_Factor):
    """Spread an image's values about their mean, channel by channel.

    factor: f for factors from 1 - f to 1 + f, or (lower, upper) for 1 - lower to 1 + upper, from 0 to 1; the rest as in
    `RandomBrightness`.
    """

    _bounds = (0, 1)

    def __init__(self, factor, value_range=(0, 255), seed=None, **kwargs):
        super().__init__(factor, seed, **kwargs)
        self.value_range = value_range

    def get_random_transformation(self, data, training=True, seed=None):
        """The factors; 0 outside training."""
        lower, upper = (1.0 - self.factor[0], 1.0 + self.factor[1]) if training else (0.0, 0.0)
        draw = self._uniform(self._column(data), lower, upper, self._images_of(data), seed, self._compute)
        return {"contrast_factor": draw}

    def transform_images(self, images, transformation, training=True):
        """The images with more or less contrast."""
        images = self._cast(images)
        if not training:
            return images
        spread = tones.spread(images, transformation["contrast_factor"], self.data_format)
        return tones.clip(spread, self.value_range)


class RandomColorDegeneration(_Factor):
    """Mix an image with its grey.

    factor: the part of grey, f for -f to f (below 0 colours grow stronger), or (lower, upper); the rest as in
    `RandomBrightness`.
    """

    def __init__(self, factor, value_range=(0, 255), data_format=None, seed=None, **kwargs):
        super().__init__(factor, seed, data_format=data_format, **kwargs)
        self.value_range = value_limits(value_range)

    def get_random_transformation(self, data, training=True, seed=None):
        """One number for each image: (N, 1, 1, 1)."""
        return {"factor": self._factors(data, seed, (self._count(data), 1, 1, 1))}

    def transform_images(self, images, transformation=None, training=True):
        """The images, nearer to grey."""
        images = self._cast(images)
        if not training:
            return images
        mixed = tones.toward_grey(images, transformation["factor"], self.data_format)
        return tones.clip(mixed, self.value_range)


class RandomHue(_Factor):
    """Turn an image's hue.

    factor: f for up to f half turns either way, or (lower, upper), from 0 to 1; the rest as in `RandomBrightness`.
    """

    _bounds = (0, 1)

    def __init__(self, factor, value_range=(0, 255), data_format=None, seed=None, **kwargs):
        super().__init__(factor, seed, data_format=data_format, **kwargs)
        self.value_range = value_range

    def get_random_transformation(self, data, training=True, seed=None):
        """The parts of a turn: (N,)."""
        coin = self._uniform((self._count(data),), 0.0, 1.0, self._images_of(data), seed)
        half = [limit * 0.5 for limit in self.factor]
        turn = self._uniform((self._count(data),), *half, self._images_of(data), seed)
        return {"factor": augment.signed(turn, coin)}

    def transform_images(self, images, transformation=None, training=True):
        """The images with another hue."""
        images = self._cast(images)
        if not training:
            return images
        images = tones.rescale(images, self.value_range, (0, 1))
        return tones.rescale(
            tones.turn_hue(images, transformation["factor"], self.data_format), (0, 1), self.value_range
        )


class RandomSaturation(_Factor):
    """Multiply an image's saturation.

    factor: p, for factors p / (1 - p): 0.5 leaves the image as it is, 0 makes it grey; f for -f to f, or a pair;
    the rest as in `RandomBrightness`.
    """

    def __init__(self, factor, value_range=(0, 255), data_format=None, seed=None, **kwargs):
        super().__init__(factor, seed, data_format=data_format, **kwargs)
        self.value_range = value_limits(value_range)

    def get_random_transformation(self, data, training=True, seed=None):
        """The factors: (N,)."""
        return {"factor": tones.odds(self._factors(data, seed))}

    def transform_images(self, images, transformation=None, training=True):
        """The images with more or less saturation."""
        images = self._cast(images)
        if not training:
            return images
        return tones.scale_saturation(images, transformation["factor"], self.value_range, self.data_format)


class RandomSharpness(_Factor):
    """Sharpen or smooth an image.

    factor: 0 smooths, 0.5 leaves the image as it is, 1 sharpens; f for 0 to f, or (lower, upper); the rest as in
    `RandomBrightness`.
    """

    _bounds = (0, 1)

    def __init__(self, factor, value_range=(0, 255), data_format=None, seed=None, **kwargs):
        super().__init__(factor, seed, data_format=data_format, **kwargs)
        self.value_range = value_limits(value_range)

    def transform_images(self, images, transformation=None, training=True):
        """The images, sharper or smoother."""
        images = self._cast(images)
        if not training:
            return images
        return tones.clip(tones.sharpen(images, transformation["factor"], self.data_format), self.value_range)


class RandomPosterization(_Factor):
    """Keep the first bits only of an image's values.

    factor: how many bits, 1 to n - 1 for a number n, or from lower to upper - 1 for a pair, 1 to 8; the rest as in
    `RandomBrightness`.
    """

    _bounds = (1, 8)

    def __init__(self, factor, value_range=(0, 255), data_format=None, seed=None, **kwargs):
        super().__init__(factor, seed, data_format=data_format, **kwargs)
        self.value_range = value_limits(value_range)

    def get_random_transformation(self, data, training=True, seed=None):
        """How many bits each image loses: (N,), bytes."""
        images, (least, most) = self._images_of(data), self.factor
        source = self._generator_for(images, seed)
        high = max(int(most), int(least) + 1)
        bits = random.randint((self._count(data),), int(least), high, device=images.device, generator=source)
        return {"shift_factor": tones.bits_lost(bits)}

    def transform_images(self, images, transformation=None, training=True):
        """The images with fewer tones."""
        images = self._cast(images)
        if not training:
            return images
        images = tones.rescale(images, self.value_range, (0, 255))
        return tones.rescale(tones.posterize(images, transformation["shift_factor"]), (0, 255), self.value_range)
