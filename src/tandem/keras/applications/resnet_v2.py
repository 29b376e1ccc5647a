"""`keras.applications.resnet_v2`."""

from tandem.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tandem.keras.applications.residual import ResNet50V2, ResNet101V2, ResNet152V2

preprocess_input = preprocessing("tf")

__all__ = ["ResNet50V2", "ResNet101V2", "ResNet152V2", "decode_predictions", "preprocess_input"]
