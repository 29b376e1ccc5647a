"""`keras.applications.inception_resnet_v2`. Szegedy, Ioffe, Vanhoucke and Alemi, 2016."""

from tandem.keras import layers
from tandem.keras.applications.building import channels, variant
from tandem.keras.applications.imagenet_utils import decode_predictions, preprocessing
from tandem.keras.applications.inception import AVERAGED, HALVED, convolved, mixed, stem

__all__ = ["InceptionResNetV2", "decode_predictions", "preprocess_input"]

_HASHES = ("e693bd0210a403b3192acc6073ad2e96", "d19885ff4a710c122648d3b5c3b684e4")
_MIXED_5B = [[(96, 1)], [(48, 1), (64, 5)], [(64, 1), (96, 3), (96, 3)], [AVERAGED, (64, 1)]]
_MIXED_6A = [[(384, 3, 2)], [(256, 1), (256, 3), (384, 3, 2)], [HALVED]]
_MIXED_7A = [[(256, 1), (384, 3, 2)], [(256, 1), (288, 3, 2)], [(256, 1), (288, 3), (320, 3, 2)], [HALVED]]
_BLOCK_35 = [[(32, 1)], [(32, 1), (32, 3)], [(32, 1), (48, 3), (64, 3)]]
_BLOCK_17 = [[(192, 1)], [(128, 1), (160, (1, 7)), (192, (7, 1))]]
_BLOCK_8 = [[(192, 1)], [(192, 1), (224, (1, 3)), (256, (3, 1))]]

preprocess_input = preprocessing("tf")


class CustomScaleLayer(layers.Layer):
    """``inputs[0] + scale * inputs[1]``."""

    _keras_module = "keras.src.applications.inception_resnet_v2"  # as Keras's own configs name it

    def __init__(self, scale, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def get_config(self):
        """The arguments."""
        return {**super().get_config(), "scale": self.scale}

    def call(self, inputs):
        """The sum."""
        return inputs[0] + inputs[1] * self.scale


def _residual(x, branches, scale, name, activate=True):
    new = mixed(x, branches, f"{name}_mixed")
    new = layers.Conv2D(channels(x), 1, padding="same", name=f"{name}_conv")(new)
    x = CustomScaleLayer(scale)([x, new])
    return layers.Activation("relu", name=f"{name}_ac")(x) if activate else x


def _inception_resnet_v2(plan):
    x = mixed(stem(plan.image(299, min_size=75)), _MIXED_5B, "mixed_5b")
    for number in range(1, 11):
        x = _residual(x, _BLOCK_35, 0.17, f"block35_{number}")
    x = mixed(x, _MIXED_6A, "mixed_6a")
    for number in range(1, 21):
        x = _residual(x, _BLOCK_17, 0.1, f"block17_{number}")
    x = mixed(x, _MIXED_7A, "mixed_7a")
    for number in range(1, 10):
        x = _residual(x, _BLOCK_8, 0.2, f"block8_{number}")
    x = _residual(x, _BLOCK_8, 1.0, "block8_10", activate=False)
    x = plan.head(convolved(x, 1536, 1, name="conv_7b"), names=(None, None))
    return plan.model(x, plan.named_file("inception_resnet_v2", "inception_resnet_v2", _HASHES))


InceptionResNetV2 = variant(
    _inception_resnet_v2, "InceptionResNetV2", "inception_resnet_v2", summary="Inception-ResNet v2."
)
