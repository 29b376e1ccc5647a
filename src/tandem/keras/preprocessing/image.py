"""`keras.preprocessing.image`: images in files and arrays, and Keras 2's `ImageDataGenerator`."""

import functools

from tandem.keras.legacy.image_functions import (
    apply_affine_transform,
    apply_brightness_shift,
    apply_channel_shift,
    random_brightness,
    random_channel_shift,
    random_rotation,
    random_shear,
    random_shift,
    random_zoom,
)
from tandem.keras.legacy.image_generator import ImageDataGenerator
from tandem.keras.legacy.image_iterators import DataFrameIterator, DirectoryIterator, Iterator, NumpyArrayIterator
from tandem.keras.legacy.keywords import with_old_names
from tandem.keras.utils import image_utils
from tandem.keras.utils.image_utils import save_img, smart_resize

__all__ = [
    "DataFrameIterator",
    "DirectoryIterator",
    "ImageDataGenerator",
    "Iterator",
    "NumpyArrayIterator",
    "apply_affine_transform",
    "apply_brightness_shift",
    "apply_channel_shift",
    "array_to_img",
    "img_to_array",
    "load_img",
    "random_brightness",
    "random_channel_shift",
    "random_rotation",
    "random_shear",
    "random_shift",
    "random_zoom",
    "save_img",
    "smart_resize",
]

array_to_img = with_old_names(image_utils.array_to_img)
img_to_array = with_old_names(image_utils.img_to_array)


@functools.wraps(image_utils.load_img)
def load_img(path, *args, grayscale=False, **kwargs):
    """`keras.utils.load_img`, which takes Keras 1's `grayscale` for ``color_mode="grayscale"`` as well."""
    if grayscale:
        kwargs["color_mode"] = "grayscale"
    return image_utils.load_img(path, *args, **kwargs)


def __getattr__(name):
    from tandem.keras.missing import absent

    return absent("keras.preprocessing.image", name, globals())
