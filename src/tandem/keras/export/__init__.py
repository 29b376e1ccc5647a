"""`keras.export`: models as files that need neither Keras nor Tandem. `to_torch` is Tandem's own."""

from tandem.keras.export.archive import ExportArchive
from tandem.keras.export.files import to_torch

__all__ = ["ExportArchive", "to_torch"]
