"""`gluon.rnn`: recurrent layers over whole sequences, and cells for one step."""

import importlib

from tandem.mxnet.base import missing

_INDEX = {
    "BidirectionalCell": "rnn_cell",
    "DropoutCell": "rnn_cell",
    "GRU": "rnn_layer",
    "GRUCell": "rnn_cell",
    "HybridRecurrentCell": "rnn_cell",
    "HybridSequentialRNNCell": "rnn_cell",
    "LSTM": "rnn_layer",
    "LSTMCell": "rnn_cell",
    "ModifierCell": "rnn_cell",
    "RNN": "rnn_layer",
    "RNNCell": "rnn_cell",
    "RecurrentCell": "rnn_cell",
    "ResidualCell": "rnn_cell",
    "SequentialRNNCell": "rnn_cell",
    "ZoneoutCell": "rnn_cell",
    "rnn_cell": None,
    "rnn_layer": None,
}

__all__ = [*_INDEX]


def __getattr__(name):
    if name not in _INDEX:
        raise missing(__name__, name, _INDEX)
    found = importlib.import_module(f"{__name__}.{_INDEX[name] or name}")
    found = found if _INDEX[name] is None else getattr(found, name)
    globals()[name] = found
    return found


def __dir__():
    return sorted([*globals(), *_INDEX])
