"""`keras.distribution`: training in several processes, which `tandem run --nproc N` or torchrun starts."""

from tandem.keras.distribution.devices import get_device_count, initialize, list_devices
from tandem.keras.distribution.distributions import DataParallel, ModelParallel, distribution, set_distribution
from tandem.keras.distribution.layouts import DeviceMesh, LayoutMap, TensorLayout, distribute_tensor
from tandem.keras.missing import absent

__all__ = [
    "DataParallel",
    "DeviceMesh",
    "LayoutMap",
    "ModelParallel",
    "TensorLayout",
    "distribute_tensor",
    "distribution",
    "get_device_count",
    "initialize",
    "list_devices",
    "set_distribution",
]


def __getattr__(name):
    return absent("keras.distribution", name, __all__)


def __dir__():
    return sorted(__all__)
