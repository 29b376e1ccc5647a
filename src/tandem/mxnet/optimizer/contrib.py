"""`mx.optimizer.contrib`: optimizers that MXNet keeps apart."""

from tandem.mxnet.optimizer.rare_rules import GroupAdaGrad

__all__ = ["GroupAdaGrad"]
