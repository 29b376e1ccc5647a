"""`keras.distillation`: a small model learns from a large one."""

from tandem.keras.distillation.distillation_losses import DistillationLoss, FeatureDistillation, LogitsDistillation
from tandem.keras.distillation.distiller import Distiller
from tandem.keras.missing import absent

__all__ = ["DistillationLoss", "Distiller", "FeatureDistillation", "LogitsDistillation"]


def __getattr__(name):
    return absent("keras.distillation", name, __all__)


def __dir__():
    return sorted(__all__)
