"""MNIST: 28 x 28 grey images of handwritten digits, 60,000 to train with and 10,000 to test with."""

from tandem.keras.datasets.fetch import arrays, fetch

_HASH = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def load_data(path="mnist.npz"):
    """((x_train, y_train), (x_test, y_test)): images (n, 28, 28) and digits (n,), uint8.

    path: the file's name in the cache folder. LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/.
    """
    names = ("x_train", "y_train", "x_test", "y_test")
    x_train, y_train, x_test, y_test = arrays(fetch(path, "mnist.npz", _HASH), *names)
    return (x_train, y_train), (x_test, y_test)
