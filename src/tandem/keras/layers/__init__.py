"""`keras.layers`: every layer by name, with the module that holds it."""

import importlib

from tandem.keras.legacy import layers as old_arguments
from tandem.keras.legacy.names import STARRED_LAYERS
from tandem.keras.missing import absent

_INDEX = {
    "base": ("Layer",),
    "input_spec": ("InputSpec",),
    "core": ("Activation", "Dense", "Embedding", "Identity", "Input", "InputLayer", "Lambda", "Masking"),
    "convolution": (
        "Conv1D",
        "Conv1DTranspose",
        "Conv2D",
        "Conv2DTranspose",
        "Conv3D",
        "Conv3DTranspose",
        "Convolution1D",
        "Convolution1DTranspose",
        "Convolution2DTranspose",
        "Convolution3DTranspose",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "SeparableConv1D",
        "SeparableConv2D",
        "SeparableConvolution1D",
    ),
    ".legacy.convolutional": ("Convolution2D", "Convolution3D", "SeparableConvolution2D"),
    ".legacy.local": ("LocallyConnected1D", "LocallyConnected2D"),
    "elsewhere": ("FlaxLayer", "JaxLayer", "TFSMLayer"),
    "pooling": (
        "AdaptiveAveragePooling1D",
        "AdaptiveAveragePooling2D",
        "AdaptiveAveragePooling3D",
        "AdaptiveMaxPooling1D",
        "AdaptiveMaxPooling2D",
        "AdaptiveMaxPooling3D",
        "AveragePooling1D",
        "AveragePooling2D",
        "AveragePooling3D",
        "AvgPool1D",
        "AvgPool2D",
        "AvgPool3D",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "GlobalAveragePooling3D",
        "GlobalAvgPool1D",
        "GlobalAvgPool2D",
        "GlobalAvgPool3D",
        "GlobalMaxPool1D",
        "GlobalMaxPool2D",
        "GlobalMaxPool3D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "GlobalMaxPooling3D",
        "MaxPool1D",
        "MaxPool2D",
        "MaxPool3D",
        "MaxPooling1D",
        "MaxPooling2D",
        "MaxPooling3D",
    ),
    "reshaping": (
        "Cropping1D",
        "Cropping2D",
        "Cropping3D",
        "Flatten",
        "Permute",
        "RepeatVector",
        "Reshape",
        "UpSampling1D",
        "UpSampling2D",
        "UpSampling3D",
        "ZeroPadding1D",
        "ZeroPadding2D",
        "ZeroPadding3D",
    ),
    "activation": ("ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax"),
    "merging": (
        "Add",
        "Average",
        "Concatenate",
        "Dot",
        "Maximum",
        "Minimum",
        "Multiply",
        "Subtract",
        "add",
        "average",
        "concatenate",
        "dot",
        "maximum",
        "minimum",
        "multiply",
        "subtract",
    ),
    "normalization": (
        "BatchNormalization",
        "GroupNormalization",
        "LayerNormalization",
        "RMSNormalization",
        "UnitNormalization",
    ),
    "regularization": (
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
    ),
    "recurrent": ("GRU", "LSTM", "RNN", "SimpleRNN"),
    "recurrent_cells": ("GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"),
    "conv_lstm": ("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"),
    "attention.heads": ("GroupQueryAttention", "MultiHeadAttention"),
    "attention.single": ("AdditiveAttention", "Attention"),
    "einsum": ("EinsumDense",),
    "reversible": ("ReversibleEmbedding",),
    "spectral": ("SpectralNormalization",),
    "preprocessing.scaling": ("Normalization", "Rescaling"),
    "preprocessing.sizes": ("CenterCrop", "RandomCrop", "Resizing"),
    "preprocessing.geometry": (
        "RandomElasticTransform",
        "RandomFlip",
        "RandomPerspective",
        "RandomRotation",
        "RandomShear",
        "RandomTranslation",
        "RandomZoom",
    ),
    "preprocessing.colours": (
        "RandomBrightness",
        "RandomColorDegeneration",
        "RandomContrast",
        "RandomHue",
        "RandomPosterization",
        "RandomSaturation",
        "RandomSharpness",
    ),
    "preprocessing.toning": (
        "AutoContrast",
        "ContrastLimitedAdaptiveHistogramEqualization",
        "Equalization",
        "RandomGaussianBlur",
        "RandomGrayscale",
        "RandomInvert",
        "Solarization",
    ),
    "preprocessing.mixing": ("CutMix", "MaxNumBoundingBoxes", "MixUp", "RandomErasing"),
    "preprocessing.combined": ("AugMix", "Pipeline", "RandAugment", "RandomColorJitter"),
    "preprocessing.categories": ("CategoryEncoding", "Discretization", "HashedCrossing", "Hashing"),
    "preprocessing.lookup": ("IntegerLookup", "StringLookup"),
    "preprocessing.spectra": ("MelSpectrogram", "STFTSpectrogram"),
    "preprocessing.text": ("TextVectorization",),
    "torch_module": ("TorchModuleWrapper",),
    "wrappers": ("Bidirectional", "TimeDistributed", "Wrapper"),
    "serialization": ("deserialize", "serialize"),
}
_HOME = {name: module for module, names in _INDEX.items() for name in names}

# `from keras.layers import *` brings what Keras 1's and 2's scripts use after it; `dir` lists today's names.
__all__ = [*_HOME, *STARRED_LAYERS]


def __getattr__(name):
    if name in _HOME:
        value = getattr(importlib.import_module(f".{_HOME[name]}", "tandem.keras.layers"), name)
        old_arguments.install({value.__name__: value})
        globals()[name] = value
        return value
    return absent("keras.layers", name, _HOME)


def __dir__():
    return sorted(_HOME)
