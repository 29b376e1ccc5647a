"""`gluon.model_zoo`: published models, and the folder that keeps their parameters."""

from tandem.mxnet.gluon.model_zoo import model_store, vision

__all__ = ["model_store", "vision"]
