"""Prices of houses in California's districts in 1990, with 8 figures to each."""

from tandem.keras.datasets.fetch import arrays, check_split, fetch, split

_HASH = "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"


def load_data(version="large", path="california_housing.npz", test_split=0.2, seed=113):
    """((x_train, y_train), (x_test, y_test)): figures (n, 8) and median prices (n,) in dollars.

    version: "large" for all 20,640 districts, "small" for 600; path: the file's name in the cache folder; test_split:
    what part is to test with; seed: of the order. Pace and Barry, 1997.
    """
    check_split(test_split)  # before anything is downloaded
    if version not in ("small", "large"):
        raise ValueError(f"Argument `version` must be one of 'small', 'large'. Received: version={version}")
    x, y = arrays(fetch(path, "california_housing.npz", _HASH), "x", "y")
    return split(*((x[:600], y[:600]) if version == "small" else (x, y)), test_split, seed)
