"""`mx.nd.utils`: making arrays, dense and sparse, and their files."""

from tandem.mxnet.ndarray.creation import array, empty, zeros
from tandem.mxnet.ndarray.files import load, load_frombuffer, save

__all__ = ["array", "empty", "load", "load_frombuffer", "save", "zeros"]
