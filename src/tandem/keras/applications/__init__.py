"""`keras.applications`: well-known models for images, by name, with the module that holds them."""

import importlib

from tandem.keras.missing import absent

_INDEX = {
    "convnext": ("ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge"),
    "densenet": ("DenseNet121", "DenseNet169", "DenseNet201"),
    "efficientnet": tuple(f"EfficientNetB{size}" for size in range(8)),
    "efficientnet_v2": tuple(f"EfficientNetV2{size}" for size in ("B0", "B1", "B2", "B3", "L", "M", "S")),
    "inception_resnet_v2": ("InceptionResNetV2",),
    "inception_v3": ("InceptionV3",),
    "mobilenet": ("MobileNet",),
    "mobilenet_v2": ("MobileNetV2",),
    "mobilenet_v3": ("MobileNetV3Large", "MobileNetV3Small"),
    "nasnet": ("NASNetLarge", "NASNetMobile"),
    "regnet": tuple(
        f"RegNet{kind}{size:03}" for kind in "XY" for size in (2, 4, 6, 8, 16, 32, 40, 64, 80, 120, 160, 320)
    ),
    "resnet": ("ResNet50", "ResNet101", "ResNet152"),
    "resnet_rs": tuple(f"ResNetRS{depth}" for depth in (50, 101, 152, 200, 270, 350, 420)),
    "resnet_v2": ("ResNet50V2", "ResNet101V2", "ResNet152V2"),
    "vgg16": ("VGG16",),
    "vgg19": ("VGG19",),
    "xception": ("Xception",),
}
_HOME = {name: module for module, names in _INDEX.items() for name in names}
# The families' own layers, which are not public: a model's config names them.
_LAYERS = {"CustomScaleLayer": "inception_resnet_v2", "LayerScale": "convnext"}
_MODULES = (*_INDEX, "imagenet_utils", "resnet50")

__all__ = [*_HOME, *_MODULES]


def __getattr__(name):
    if name in _HOME or name in _LAYERS:
        module = _HOME.get(name) or _LAYERS[name]
        value = getattr(importlib.import_module(f"tandem.keras.applications.{module}"), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f"tandem.keras.applications.{name}")
    return absent("keras.applications", name, _HOME)


def __dir__():
    return sorted(__all__)
