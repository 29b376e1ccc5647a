"""Automatic names: `Conv2D` -> conv2d, and counters that make them unique."""

import re
import threading


def snake_case(name):
    """`MaxPooling2D` -> "max_pooling2d", `LSTMCell` -> "lstm_cell": Keras's rule for names of layers."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


class Counter(threading.local):
    """Counts how often each name was asked for, per thread."""

    def __init__(self):
        self.counts = {}

    def next(self, name):
        """0 for the first time that `name` is asked for, then 1, 2, …"""
        number = self.counts.get(name, 0)
        self.counts[name] = number + 1
        return number

    def reset(self):
        """Begin again at 0 for every name."""
        self.counts.clear()
