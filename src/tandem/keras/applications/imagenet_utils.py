"""`keras.applications.imagenet_utils`: images as the published weights expect them, and what their outputs mean."""

import json

import numpy as np
import torch

from tandem.core.errors import warn
from tandem.keras import config
from tandem.keras.symbolic import is_keras_tensor

__all__ = ["decode_predictions", "preprocess_input"]

_CLASSES = "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json"
_CLASSES_HASH = "c2c37ea517e94d9795004a39431a14cb"
_class_index = {}
# The mean of ImageNet's channels in BGR at 0..255, and mean and standard deviation in RGB at 0..1.
_CAFFE_MEAN = [103.939, 116.779, 123.68]
MEAN = [0.485, 0.456, 0.406]
DEVIATION = [0.229, 0.224, 0.225]


def _along_channels(values, x, data_format):
    """One value to a channel in a shape that goes with x, as x's kind of array."""
    shape = (-1, 1, 1) if data_format == "channels_first" else (-1,)
    array = np.array(values, dtype="float32").reshape(shape)
    if isinstance(x, np.ndarray):
        return array.astype(x.dtype)
    return array if is_keras_tensor(x) else torch.as_tensor(array, device=x.device).to(x.dtype)


def _floats(x):
    """x as floating-point numbers. A numpy array that has them already stays the same one."""
    if isinstance(x, np.ndarray):
        return x if issubclass(x.dtype.type, np.floating) else x.astype(config.floatx())
    from tandem.keras import backend, ops

    if "int" in backend.standardize_dtype(x.dtype):
        return ops.cast(x, config.floatx())
    return x


def preprocess_input(x, data_format=None, mode="caffe"):
    """A batch of images, or one image, with values from 0 to 255, as the weights of a family expect them.

    x: numpy array, tensor or Keras tensor, in RGB; data_format: "channels_first" or "channels_last"; mode: "caffe"
    (to BGR, less ImageNet's mean), "tf" (to -1..1) or "torch" (to 0..1, less the mean, over the deviation). An array of
    floats is changed where it is, as in Keras. Raises ValueError for another mode or data format.
    """
    if mode not in ("caffe", "tf", "torch"):
        raise ValueError(f"Expected mode to be one of `caffe`, `tf` or `torch`. Received: mode={mode}")
    if data_format is None:
        data_format = config.image_data_format()
    elif data_format not in ("channels_first", "channels_last"):
        raise ValueError(
            "Expected data_format to be one of `channels_first` or `channels_last`. "
            f"Received: data_format={data_format}"
        )
    whole = isinstance(x, np.ndarray)
    x = _floats(x)
    if mode == "tf":
        return _shifted(_scaled(x, 127.5, whole), 1.0, whole)
    if mode == "torch":
        x = _shifted(_scaled(x, 255.0, whole), _along_channels(MEAN, x, data_format), whole)
        return _scaled(x, _along_channels(DEVIATION, x, data_format), whole)
    return _shifted(_reversed_channels(x, data_format), _along_channels(_CAFFE_MEAN, x, data_format), whole)


def _scaled(x, divisor, whole):
    return np.divide(x, divisor, out=x) if whole else x / divisor


def _shifted(x, amount, whole):
    return np.subtract(x, amount, out=x) if whole else x - amount


def _reversed_channels(x, data_format):
    axis = len(x.shape) - (3 if data_format == "channels_first" else 1)
    if isinstance(x, np.ndarray):
        return np.flip(x, axis)
    from tandem.keras import ops

    return ops.flip(x, axis)


def _classes():
    if not _class_index:
        from tandem.keras.utils.files import get_file

        path = get_file("imagenet_class_index.json", _CLASSES, cache_subdir="models", file_hash=_CLASSES_HASH)
        with open(path, encoding="utf-8") as file:
            _class_index.update(json.load(file))
    return _class_index


def decode_predictions(preds, top=5):
    """The likeliest classes of each image: lists of (WordNet's number, name, score).

    preds: (images, 1000) scores; top: how many. Raises ValueError for another shape.
    """
    if len(preds.shape) != 2 or preds.shape[1] != 1000:
        raise ValueError(
            "`decode_predictions` expects a batch of predictions (i.e. a 2D array of shape (samples, 1000)). "
            f"Received array with shape: {tuple(preds.shape)}"
        )
    if isinstance(preds, torch.Tensor):
        preds = preds.detach().cpu().numpy()
    names = _classes()
    decoded = []
    for row in np.asarray(preds):
        best = row.argsort()[-top:][::-1]
        decoded.append([(*names[str(index)], row[index]) for index in best])
    return decoded


def obtain_input_shape(input_shape, default_size, min_size, data_format, require_flatten, weights=None):
    """The shape of an application's images, without the batch.

    input_shape: as the user gave it; default_size, min_size: heights and widths; require_flatten: whether the size must
    be known; weights: as the user gave them. Raises ValueError for what the model does not take.
    """
    first = data_format == "channels_first"

    def image(size, count):
        return (count, size, size) if first else (size, size, count)

    if weights != "imagenet" and input_shape and len(input_shape) == 3:
        count = input_shape[0 if first else -1]
        if count not in (1, 3):
            warn(
                "This model usually expects 1 or 3 input channels. However, it was passed an input_shape with "
                f"{count} input channels."
            )
        default = image(default_size, count)
    else:
        default = image(default_size, 3)
    if weights == "imagenet" and require_flatten:
        if input_shape is not None and tuple(input_shape) != default:
            raise ValueError(
                "When setting `include_top=True` and loading `imagenet` weights, `input_shape` should be "
                f"{default}. Received: input_shape={input_shape}"
            )
        return default
    if input_shape:
        _check(tuple(input_shape), min_size, first, weights)
    else:
        input_shape = default if require_flatten else image(None, 3)
    if require_flatten and None in input_shape:
        raise ValueError(
            f"If `include_top` is True, you should specify a static `input_shape`. Received: input_shape={input_shape}"
        )
    return input_shape


def _check(shape, min_size, first, weights):
    if len(shape) != 3:
        raise ValueError("`input_shape` must be a tuple of three integers.")
    if shape[0 if first else -1] != 3 and weights == "imagenet":
        raise ValueError(f"The input must have 3 channels; Received `input_shape={shape}`")
    sizes = shape[1:] if first else shape[:2]
    if any(size is not None and size < min_size for size in sizes):
        raise ValueError(f"Input size must be at least {min_size}x{min_size}; Received: input_shape={shape}")


def validate_activation(classifier_activation, weights):
    """Raise ValueError where published weights are given another activation than softmax or none."""
    if weights is None:
        return
    from tandem.keras import activations

    if activations.get(classifier_activation) not in (activations.get("softmax"), activations.get(None)):
        raise ValueError(
            "Only `None` and `softmax` activations are allowed for the `classifier_activation` argument when using "
            f"pretrained weights, with `include_top=True`; Received: classifier_activation={classifier_activation}"
        )


def preprocessing(mode):
    """A family's `preprocess_input`: `mode` is imagenet_utils's, or None where the models do it themselves."""

    def for_family(x, data_format=None):
        return x if mode is None else preprocess_input(x, data_format=data_format, mode=mode)

    for_family.__name__ = for_family.__qualname__ = "preprocess_input"
    for_family.__doc__ = (
        "A batch of images as this family expects it: "
        + ("as it is; the models scale it." if mode is None else f'mode "{mode}" of imagenet_utils.')
        + "\n\n    x: array or tensor with values from 0 to 255; data_format: where the channels are.\n    "
    )
    return for_family
