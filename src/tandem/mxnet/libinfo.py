"""`mx.libinfo`: the version of MXNet whose names and behaviour these are."""

from tandem.mxnet.base import __version__

__all__ = ["__version__"]
