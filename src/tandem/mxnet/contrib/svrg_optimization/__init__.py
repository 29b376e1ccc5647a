"""`mx.contrib.svrg_optimization`: stochastic gradients whose variance falls."""

from tandem.mxnet.contrib.svrg_optimization import svrg_module

__all__ = ["svrg_module"]
