"""`gluon.contrib.cnn`: convolutions whose windows are moved."""

from tandem.mxnet.gluon.contrib.cnn.conv_layers import DeformableConvolution, ModulatedDeformableConvolution

__all__ = ["DeformableConvolution", "ModulatedDeformableConvolution"]
