"""The binary files of CIFAR-10 and CIFAR-100: records of label bytes and a 32 x 32 colour image, channel by channel.

https://www.cs.toronto.edu/~kriz/cifar.html
"""

import os

import numpy as np

from tandem.formats.limits import broken, named

_SIZE = 32


def read(path, labels=1):
    """The images (n, 32, 32, 3) and labels (n, labels) of a file, uint8; labels: how many to a record.

    Raises FormatError where the file does not consist of whole records, OSError where it cannot be opened.
    """
    length = labels + 3 * _SIZE * _SIZE
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size % length or not size:
            raise broken(named(path), "it does not consist of whole records", f"{length} bytes each", f"{size} bytes")
        records = np.fromfile(file, np.uint8, size).reshape(-1, length)
    images = records[:, labels:].reshape(-1, 3, _SIZE, _SIZE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), np.ascontiguousarray(records[:, :labels])
