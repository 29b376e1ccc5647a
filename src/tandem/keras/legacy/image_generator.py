"""Keras 2's `ImageDataGenerator`: random transformations of images, batch by batch.

The random numbers are drawn from NumPy's global generator in Keras's order, so that a script that seeds it sees the
transformations that it saw with Keras; the pixels of a batch are then transformed together by `tandem.ops.image`.
"""

from functools import partial

import numpy as np
import torch

from tandem.core.dtypes import torch_dtype
from tandem.core.errors import explain, warn
from tandem.keras import config
from tandem.keras.legacy.image_iterators import DataFrameIterator, DirectoryIterator, NumpyArrayIterator
from tandem.keras.legacy.keywords import with_old_names
from tandem.ops import colour, elementwise, image, norm

_GEOMETRY = ("theta", "tx", "ty", "shear", "zx", "zy")
_NEUTRAL = {
    **dict.fromkeys(_GEOMETRY[:4], 0),
    "zx": 1,
    "zy": 1,
    "channel_shift_intensity": None,
    "brightness": None,
    "flip_horizontal": False,
    "flip_vertical": False,
}


class ImageDataGenerator:
    """Makes batches of images with random transformations, from arrays, folders and tables.

    featurewise_center, featurewise_std_normalization, zca_whitening (zca_epsilon): with statistics of `fit(x)`;
    samplewise_center, samplewise_std_normalization: with each image's own. rotation_range: degrees either way;
    width_shift_range, height_shift_range: a fraction of the size (below 1), pixels, or a list to choose from;
    brightness_range: (low, high) factors; shear_range: degrees; zoom_range: (low, high), or z for (1 - z, 1 + z);
    channel_shift_range: added to the channels, either way; fill_mode: what lies outside ("constant" with cval,
    "nearest", "reflect", "wrap", or another of SciPy's); rescale: a factor for the values; preprocessing_function: of
    one image, before that; validation_split: the part that `subset="validation"` reads; interpolation_order: 0 or 1;
    dtype: of the batches.
    Raises ValueError for settings that are not of these forms.
    """

    @with_old_names
    def __init__(
        self,
        featurewise_center=False,
        samplewise_center=False,
        featurewise_std_normalization=False,
        samplewise_std_normalization=False,
        zca_whitening=False,
        zca_epsilon=1e-6,
        rotation_range=0,
        width_shift_range=0.0,
        height_shift_range=0.0,
        brightness_range=None,
        shear_range=0.0,
        zoom_range=0.0,
        channel_shift_range=0.0,
        fill_mode="nearest",
        cval=0.0,
        horizontal_flip=False,
        vertical_flip=False,
        rescale=None,
        preprocessing_function=None,
        data_format=None,
        validation_split=0.0,
        interpolation_order=1,
        dtype=None,
    ):
        self.featurewise_center = featurewise_center
        self.samplewise_center = samplewise_center
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening = zca_whitening
        self.zca_epsilon = zca_epsilon
        self.rotation_range = rotation_range
        self.width_shift_range = width_shift_range
        self.height_shift_range = height_shift_range
        self.shear_range = shear_range
        self.channel_shift_range = channel_shift_range
        self.fill_mode = _one_of("fill_mode", fill_mode, tuple(image.FILL_MODES))
        self.cval = cval
        self.horizontal_flip = horizontal_flip
        self.vertical_flip = vertical_flip
        self.rescale = rescale
        self.preprocessing_function = preprocessing_function
        self.dtype = dtype or config.floatx()
        self.interpolation_order = _one_of("interpolation_order", interpolation_order, (0, 1))
        self.data_format = _one_of(
            "data_format", data_format or config.image_data_format(), ("channels_last", "channels_first")
        )
        self.channel_axis = 3 if self.data_format == "channels_last" else 1
        self.row_axis, self.col_axis = (1, 2) if self.data_format == "channels_last" else (2, 3)
        if validation_split and not 0 < validation_split < 1:
            raise ValueError(
                explain("Bad validation_split", expected="a number between 0 and 1", given=validation_split)
            )
        self.validation_split = validation_split
        self.zoom_range = _pair("zoom_range", zoom_range)
        self.brightness_range = (
            None if brightness_range is None else _pair("brightness_range", brightness_range, around=None)
        )
        self.mean = self.std = self.zca_whitening_matrix = None
        if zca_whitening and not featurewise_center:
            self.featurewise_center = True
            warn("zca_whitening=True sets featurewise_center=True.")
        if zca_whitening and featurewise_std_normalization:
            self.featurewise_std_normalization = False
            warn("zca_whitening=True sets featurewise_std_normalization=False.")
        if featurewise_std_normalization and not featurewise_center:
            self.featurewise_center = True
            warn("featurewise_std_normalization=True sets featurewise_center=True.")
        if samplewise_std_normalization and not samplewise_center:
            self.samplewise_center = True
            warn("samplewise_std_normalization=True sets samplewise_center=True.")

    # -- where the images come from -------------------------------------------------------------------------------

    def flow(
        self,
        x,
        y=None,
        batch_size=32,
        shuffle=True,
        sample_weight=None,
        seed=None,
        save_to_dir=None,
        save_prefix="",
        save_format="png",
        ignore_class_split=False,
        subset=None,
    ):
        """Batches of the images `x` (n, height, width, channels) and labels `y`; see `NumpyArrayIterator`."""
        return NumpyArrayIterator(
            x,
            y,
            self,
            batch_size=batch_size,
            shuffle=shuffle,
            sample_weight=sample_weight,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            ignore_class_split=ignore_class_split,
            subset=subset,
            dtype=self.dtype,
        )

    def flow_from_directory(
        self,
        directory,
        target_size=(256, 256),
        color_mode=None,
        classes=None,
        class_mode="categorical",
        batch_size=32,
        shuffle=True,
        seed=None,
        save_to_dir=None,
        save_prefix="",
        save_format="png",
        follow_links=False,
        subset=None,
        interpolation="nearest",
        keep_aspect_ratio=False,
        broken_images="raise",
    ):
        """Batches of the images in a folder that has one sub-folder to a class; see `DirectoryIterator`.

        color_mode: "rgb" where it is not given, unless the model that is trained takes one channel: then grey.
        broken_images: "raise" an error that names a file which is no image, or "skip" it with a warning.
        """
        return DirectoryIterator(
            directory,
            self,
            target_size=target_size,
            color_mode=color_mode,
            classes=classes,
            class_mode=class_mode,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            follow_links=follow_links,
            subset=subset,
            interpolation=interpolation,
            keep_aspect_ratio=keep_aspect_ratio,
            dtype=self.dtype,
            broken_images=broken_images,
        )

    def flow_from_dataframe(
        self,
        dataframe,
        directory=None,
        x_col="filename",
        y_col="class",
        weight_col=None,
        target_size=(256, 256),
        color_mode=None,
        classes=None,
        class_mode="categorical",
        batch_size=32,
        shuffle=True,
        seed=None,
        save_to_dir=None,
        save_prefix="",
        save_format="png",
        subset=None,
        interpolation="nearest",
        validate_filenames=True,
        keep_aspect_ratio=False,
        broken_images="raise",
        **kwargs,
    ):
        """Batches of the images that a pandas table names; see `DataFrameIterator`."""
        for old, action in (("has_ext", "file names carry their extensions"), ("sort", "files are never sorted")):
            if kwargs.pop(old, None) is not None:
                warn(f"{old} is an argument of Keras 2.1: {action}.", DeprecationWarning)
        if "class_mode" in kwargs or kwargs.pop("drop_duplicates", None) is not None:
            warn("drop_duplicates is an argument of Keras 2.1: drop them in the table.", DeprecationWarning)
        if kwargs:
            raise TypeError(explain("Unknown arguments of flow_from_dataframe", given=", ".join(kwargs)))
        return DataFrameIterator(
            dataframe,
            directory,
            self,
            x_col=x_col,
            y_col=y_col,
            weight_col=weight_col,
            target_size=target_size,
            color_mode=color_mode,
            classes=classes,
            class_mode=class_mode,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            data_format=self.data_format,
            save_to_dir=save_to_dir,
            save_prefix=save_prefix,
            save_format=save_format,
            subset=subset,
            interpolation=interpolation,
            keep_aspect_ratio=keep_aspect_ratio,
            dtype=self.dtype,
            validate_filenames=validate_filenames,
            broken_images=broken_images,
        )

    # -- transformations ------------------------------------------------------------------------------------------

    def get_random_transform(self, img_shape, seed=None):
        """Draw the parameters of one transformation of an image of shape `img_shape`, a dict."""
        if seed is not None:
            np.random.seed(seed)
        rows, cols = img_shape[self.row_axis - 1], img_shape[self.col_axis - 1]
        draw = np.random.uniform
        theta = draw(-self.rotation_range, self.rotation_range) if self.rotation_range else 0
        tx = _shift(self.height_shift_range, rows)
        ty = _shift(self.width_shift_range, cols)
        shear = draw(-self.shear_range, self.shear_range) if self.shear_range else 0
        zx, zy = (1, 1) if tuple(self.zoom_range) == (1, 1) else draw(self.zoom_range[0], self.zoom_range[1], 2)
        flip_horizontal = (np.random.random() < 0.5) * self.horizontal_flip
        flip_vertical = (np.random.random() < 0.5) * self.vertical_flip
        channel_shift = None
        if self.channel_shift_range != 0:
            channel_shift = draw(-self.channel_shift_range, self.channel_shift_range)
        brightness = None
        if self.brightness_range is not None:
            brightness = draw(self.brightness_range[0], self.brightness_range[1])
        return {
            "theta": theta,
            "tx": tx,
            "ty": ty,
            "shear": shear,
            "zx": zx,
            "zy": zy,
            "flip_horizontal": flip_horizontal,
            "flip_vertical": flip_vertical,
            "channel_shift_intensity": channel_shift,
            "brightness": brightness,
        }

    def apply_transform(self, x, transform_parameters):
        """Transform one image (an array of 3 dimensions) as a dict of `get_random_transform`'s form says.

        Whole numbers stay whole but for a channel shift (float64); a change of brightness gives float32.
        """
        return self._transformed(np.asarray(x)[None], [transform_parameters])[0].numpy()

    def random_transform(self, x, seed=None):
        """Transform one image at random."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    def transform_batch(self, x, parameters):
        """Transform a batch of images, each with parameters of its own; an array of the same shape and dtype."""
        return self._transformed(x, parameters).numpy().astype(x.dtype, copy=False)

    def _transformed(self, x, parameters):
        images = torch.from_numpy(np.array(x))
        layout, first = self.data_format, self.data_format == "channels_first"
        table = {name: [p.get(name) for p in parameters] for name in _NEUTRAL}
        geometry = {name: [_NEUTRAL[name] if v is None else v for v in table[name]] for name in _GEOMETRY}
        if any(value != _NEUTRAL[name] for name, values in geometry.items() for value in values):
            size = images.shape[2:4] if first else images.shape[1:3]
            images = image.affine_transform(
                images,
                image.affine_matrix(tuple(size), **geometry, swap=True),
                order=self.interpolation_order,
                fill_mode=self.fill_mode,
                fill_value=self.cval,
                layout=layout,
            )
        if not images.is_floating_point() and any(v is not None for v in table["channel_shift_intensity"]):
            images = images.double()
        images = _changed(images, table["channel_shift_intensity"], colour.channel_shift)
        for flag, axis in (("flip_horizontal", self.col_axis), ("flip_vertical", self.row_axis)):
            if any(table[flag]):
                images = image.flip(images, axis, torch.tensor([bool(v) for v in table[flag]]))
        if any(v is not None for v in table["brightness"]):
            images = _changed(
                images.float(), table["brightness"], partial(colour.brightness_shift, scale=False, layout=layout)
            )
        return images

    def standardize(self, x):
        """Rescale and normalise an image as the settings say, in place where `x` is an array of floating numbers.

        preprocessing_function is called with `x`; samplewise_center and samplewise_std_normalization take the
        statistics of all of it, a batch's too.
        """
        if self.preprocessing_function:
            x = self.preprocessing_function(x)
        return self._standardized(x, torch.as_tensor(np.asarray(x))[None], x)

    def standardize_batch(self, x):
        """Each image of a batch by itself, as `standardize` has it."""
        if self.preprocessing_function:
            x = np.stack([self.preprocessing_function(image) for image in x])
        return self._standardized(x, torch.as_tensor(np.asarray(x)), None)

    def _standardized(self, x, images, place):
        """`x`, whose images are rows of `images`; the result is written into the array `place`, where it fits."""
        whitening = self._statistic(self.zca_whitening_matrix, self.zca_whitening, "zca_whitening")
        mean = self._statistic(self.mean, self.featurewise_center, "featurewise_center")
        std = self._statistic(self.std, self.featurewise_std_normalization, "featurewise_std_normalization")
        samplewise = self.samplewise_center or self.samplewise_std_normalization
        changes = self.rescale or samplewise or mean is not None or std is not None
        if not changes and whitening is None:
            return x
        if not images.is_floating_point():
            images = images.to(torch_dtype(self.dtype))
        if self.rescale:
            images = elementwise.multiply(images, self.rescale)
        if samplewise:
            images = colour.samplewise_standardize(
                images,
                center=self.samplewise_center,
                scale=self.samplewise_std_normalization,
                axes=tuple(range(1, images.ndim)),
            )
        images = colour.standardize(images, mean, std)
        result = images.numpy().reshape(np.shape(x))
        if changes and isinstance(place, np.ndarray) and place.dtype == result.dtype and place.flags.writeable:
            place[...] = result
            result = place
        return result if whitening is None else colour.whiten(torch.as_tensor(result), whitening).numpy()

    def _statistic(self, value, wanted, name):
        if wanted and value is None:
            warn(
                f"This ImageDataGenerator specifies `{name}`, but it hasn't been fit on any training data. "
                "Fit it first by calling `.fit(numpy_data)`."
            )
        return torch.as_tensor(value) if wanted and value is not None else None

    def fit(self, x, augment=False, rounds=1, seed=None):
        """Take the statistics of featurewise_center, featurewise_std_normalization and zca_whitening from images.

        x: (n, height, width, channels); augment: take them from transformed images, `rounds` of each; seed: for those.
        Raises ValueError for arrays of another rank.
        """
        x = np.asarray(x, dtype=self.dtype)
        if x.ndim != 4:
            raise ValueError(explain("Bad input to fit()", expected="images of rank 4", given=f"shape {x.shape}"))
        if x.shape[self.channel_axis] not in (1, 3, 4):
            warn(f"Expected 1, 3 or 4 channels on axis {self.channel_axis}, given shape {x.shape}.")
        if seed is not None:
            np.random.seed(seed)
        x = np.copy(x)
        if self.rescale:
            x *= self.rescale
        if augment:
            x = np.concatenate(
                [self.transform_batch(x, [self.get_random_transform(x.shape[1:]) for _ in x]) for _ in range(rounds)]
            )
        images = torch.from_numpy(x)
        if self.featurewise_center or self.featurewise_std_normalization:
            axes = [axis for axis in range(4) if axis != self.channel_axis]
            mean, variance = norm.moments(images, axes, keepdims=True)
        if self.featurewise_center:
            images = colour.standardize(images, mean)
            self.mean = mean[0].numpy()
        if self.featurewise_std_normalization:
            deviation = elementwise.sqrt(variance)
            images = colour.standardize(images, None, deviation)
            self.std = deviation[0].numpy()
        if self.zca_whitening:
            self.zca_whitening_matrix = colour.zca_matrix(images, epsilon=self.zca_epsilon).numpy()


def _changed(images, amounts, change):
    """`change` of the images that an amount is given for, each with its own."""
    chosen = [i for i, amount in enumerate(amounts) if amount is not None]
    if not chosen:
        return images
    images = images.clone()
    images[chosen] = change(images[chosen], torch.tensor([amounts[i] for i in chosen], dtype=images.dtype))
    return images


def _shift(spread, size):
    """A random shift in pixels, either way: one of a list's entries, of 0 … n-1 for an int, or within a float."""
    if np.ndim(spread) == 0 and not spread:
        return 0
    if np.ndim(spread) or isinstance(spread, (int, np.integer)):
        shift = np.random.choice(spread) * np.random.choice([-1, 1])
    else:
        shift = np.random.uniform(-spread, spread)
    return shift * size if np.max(spread) < 1 else shift


def _pair(name, value, around=1.0):
    """(low, high) of a pair, or of one number around `around`."""
    if isinstance(value, (int, float, np.number)) and around is not None:
        return [around - value, around + value]
    if np.ndim(value) == 1 and len(value) == 2 and all(np.isscalar(v) for v in value):
        return [value[0], value[1]]
    expected = "a pair of numbers" + ("" if around is None else " or one number")
    raise ValueError(explain(f"Bad {name}", expected=expected, given=repr(value)))


def _one_of(name, value, choices):
    if value not in choices:
        raise ValueError(explain(f"Unknown {name}", expected=f"one of {choices}", given=repr(value)))
    return value
