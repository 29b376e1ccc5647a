"""Prices of houses in Boston's suburbs in the 1970s, with 13 figures to each."""

from tandem.keras.datasets.fetch import arrays, check_split, fetch, split

_HASH = "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"


def load_data(path="boston_housing.npz", test_split=0.2, seed=113):
    """((x_train, y_train), (x_test, y_test)): figures (n, 13) and prices (n,) in thousands of dollars.

    path: the file's name in the cache folder; test_split: what part is to test with; seed: of the order.
    Harrison and Rubinfeld, 1978. One of the figures describes people by their skin: do not judge by it.
    """
    check_split(test_split)  # before anything is downloaded
    return split(*arrays(fetch(path, "boston_housing.npz", _HASH), "x", "y"), test_split, seed)
