"""`keras.applications.vgg16`."""

from tandem.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tandem.keras.applications.vgg import VGG16

preprocess_input = preprocessing("caffe")

__all__ = ["VGG16", "decode_predictions", "preprocess_input"]
