"""`keras.applications.vgg19`."""

from tandem.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tandem.keras.applications.vgg import VGG19

preprocess_input = preprocessing("caffe")

__all__ = ["VGG19", "decode_predictions", "preprocess_input"]
