"""CIFAR-10: 32 x 32 colour images of 10 kinds, 50,000 to train with and 10,000 to test with."""

from tandem.keras.datasets.fetch import cifar
from tandem.keras.utils.files import get_file

_ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
_HASH = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


def load_data():
    """((x_train, y_train), (x_test, y_test)): images (n, 32, 32, 3) and kinds (n, 1), uint8.

    Krizhevsky, 2009, https://www.cs.toronto.edu/~kriz/cifar.html.
    """
    folder = get_file("cifar-10-batches-py-target", origin=_ORIGIN, extract=True, file_hash=_HASH)
    inner = "cifar-10-batches-py"
    return (
        cifar(folder, inner, [f"data_batch_{number}" for number in range(1, 6)], "labels", "uint8"),
        cifar(folder, inner, ["test_batch"], "labels", "uint8"),
    )
