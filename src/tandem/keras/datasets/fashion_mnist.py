"""Fashion-MNIST: 28 x 28 grey images of clothes of 10 kinds, in the form of MNIST."""

import os

from tandem.formats import mnist
from tandem.keras.datasets.fetch import BASE
from tandem.keras.utils.files import get_file


def load_data():
    """((x_train, y_train), (x_test, y_test)): images (n, 28, 28) and kinds (n,), uint8.

    Xiao, Rasul and Vollgraf, 2017 (arXiv 1708.07747).
    """
    folder = os.path.join("datasets", "fashion-mnist")

    def part(name, axes):
        return mnist.read(get_file(name, origin=BASE + name, cache_subdir=folder), axes)

    def pair(kind):
        return part(f"{kind}-images-idx3-ubyte.gz", 3), part(f"{kind}-labels-idx1-ubyte.gz", 1)

    return pair("train"), pair("t10k")
