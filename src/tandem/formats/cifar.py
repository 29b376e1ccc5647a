"""The binary files of CIFAR-10 and CIFAR-100: records of label bytes and a 32 x 32 colour image, channel by channel.

https://www.cs.toronto.edu/~kriz/cifar.html
"""

import os

import numpy as np

from tandem.core.errors import explain

_SIZE = 32


def read(path, labels=1):
    """The images (n, 32, 32, 3) and labels (n, labels) of a file, uint8; labels: how many to a record.

    Raises ValueError where the file does not consist of whole records, OSError where it cannot be opened.
    """
    length = labels + 3 * _SIZE * _SIZE
    found = os.path.getsize(path)
    if found % length or not found:
        raise ValueError(
            explain(
                f"{os.fspath(path)!r} is no whole CIFAR file",
                expected=f"records of {length} bytes",
                given=f"{found} bytes",
            )
        )
    records = np.fromfile(path, np.uint8).reshape(-1, length)
    images = records[:, labels:].reshape(-1, 3, _SIZE, _SIZE).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, :labels]
