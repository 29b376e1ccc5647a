"""`keras.applications.resnet`."""

from tandem.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tandem.keras.applications.residual import ResNet50, ResNet101, ResNet152

preprocess_input = preprocessing("caffe")

__all__ = ["ResNet50", "ResNet101", "ResNet152", "decode_predictions", "preprocess_input"]
