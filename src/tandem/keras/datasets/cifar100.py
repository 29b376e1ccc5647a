"""CIFAR-100: 32 x 32 colour images of 100 kinds in 20 groups, 50,000 to train with and 10,000 to test with."""

from tandem.keras.datasets.fetch import cifar
from tandem.keras.utils.files import get_file

_ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
_HASH = "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"


def load_data(label_mode="fine"):
    """((x_train, y_train), (x_test, y_test)): uint8 images (n, 32, 32, 3), int64 kinds (n, 1).

    label_mode: "fine" for the 100 kinds, "coarse" for the 20 groups. Raises ValueError for another one.
    Krizhevsky, 2009, https://www.cs.toronto.edu/~kriz/cifar.html.
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(f'`label_mode` must be one of `"fine"`, `"coarse"`. Received: label_mode={label_mode}.')
    folder = get_file("cifar-100-python-target", origin=_ORIGIN, extract=True, file_hash=_HASH)
    inner = "cifar-100-python"
    return cifar(folder, inner, ["train"], f"{label_mode}_labels", "int64"), cifar(
        folder, inner, ["test"], f"{label_mode}_labels", "int64"
    )
