"""`keras.applications.resnet50`."""

from tandem.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tandem.keras.applications.residual import ResNet50

preprocess_input = preprocessing("caffe")

__all__ = ["ResNet50", "decode_predictions", "preprocess_input"]
