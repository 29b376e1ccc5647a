"""Classes of today under the places at which Keras 1 and 2 had them too."""

from urllib.request import urlretrieve

from tandem.core.graph import Node
from tandem.keras.constraints import NonNeg, UnitNorm
from tandem.keras.initializers import Ones, RandomNormal, RandomUniform, Zeros
from tandem.keras.layers import Input, InputLayer, Layer
from tandem.keras.losses import cosine_similarity
from tandem.keras.losses.loss import LossFunctionWrapper
from tandem.keras.models import Model
from tandem.keras.optimizers import SGD, Adadelta, Adagrad, Adam, Adamax, Nadam, RMSprop
from tandem.keras.regularizers import L1, L1L2, L2
from tandem.keras.utils.files import validate_file

Container = Network = Model

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "Adamax",
    "Container",
    "Input",
    "InputLayer",
    "Layer",
    "LossFunctionWrapper",
    "Nadam",
    "Network",
    "Node",
    "NonNeg",
    "Ones",
    "RMSprop",
    "RandomNormal",
    "RandomUniform",
    "UnitNorm",
    "Zeros",
    "cosine_similarity",
    "urlretrieve",
    "validate_file",
]
