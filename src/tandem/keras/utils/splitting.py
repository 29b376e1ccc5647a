"""`split_dataset`: a dataset in two."""

import numpy as np
import torch
from torch.utils import data

from tandem.core.errors import explain
from tandem.keras.utils.datasets import Batches


def split_dataset(dataset, left_size=None, right_size=None, shuffle=False, seed=None, preferred_backend=None):
    """(left, right): a dataset in two parts, the first samples and the last ones.

    dataset: an array or a list or tuple of arrays of one length, a `torch.utils.data.Dataset`, or what the functions
    `…_dataset_from_directory` give; left_size, right_size: whole numbers of samples, or shares between 0 and 1, of
    which one may be left out; shuffle, seed: put the samples into another order first; preferred_backend: None or
    "torch". The parts are datasets of the same kind, of arrays `torch.utils.data.Subset`s.
    Raises TypeError for other data, ValueError for sizes that do not fit.
    """
    if preferred_backend not in (None, "torch"):
        raise ValueError(
            explain("Datasets are split as torch's", expected='preferred_backend="torch"', given=preferred_backend)
        )
    if isinstance(dataset, np.ndarray):
        dataset = data.TensorDataset(torch.from_numpy(dataset))
    elif isinstance(dataset, (list, tuple)):
        dataset = data.TensorDataset(*_tensors(dataset))
    if not isinstance(dataset, (data.Dataset, Batches)):
        raise TypeError(
            "The `dataset` argument must be a `torch.utils.data.Dataset` object, or a list/tuple of arrays. "
            f"Received: dataset={dataset} of type {type(dataset)}"
        )
    rows = dataset.rows if isinstance(dataset, Batches) else len(dataset)
    left, right = _sizes(left_size, right_size, rows)
    order = np.random.RandomState(seed).permutation(rows) if shuffle else np.arange(rows)
    parts = order[:left].tolist(), order[rows - right :].tolist()
    if isinstance(dataset, Batches):
        return tuple(dataset.part(part) for part in parts)
    return tuple(data.Subset(dataset, part) for part in parts)


def _tensors(arrays):
    kind = type(arrays).__name__
    if not arrays:
        raise ValueError(f"Received an empty {kind} dataset. Please provide a non-empty {kind} of arrays.")
    for index, array in enumerate(arrays):
        if not isinstance(array, np.ndarray):
            raise ValueError(f"Expected a {kind} of `numpy.ndarray` objects, Received: {type(array)} at index {index}.")
        if len(array) != len(arrays[0]):
            raise ValueError(
                f"Received a {kind} of NumPy arrays with different lengths. Mismatch found at index {index}, Expected "
                f"shape={arrays[0].shape} Received shape={array.shape}. Please provide a {kind} of NumPy arrays of the "
                "same length."
            )
    return [torch.from_numpy(array) for array in arrays]


def _sizes(left, right, rows):
    """The two sizes in samples."""
    if left is None and right is None:
        raise ValueError(
            "At least one of the `left_size` or `right_size` must be specified. Received: left_size=None and "
            "right_size=None"
        )
    found = [_size(name, value, rows) for name, value in (("left_size", left), ("right_size", right))]
    if isinstance(left, float) and isinstance(right, float) and left + right > 1:
        raise ValueError(
            "The sum of `left_size` and `right_size` is greater than 1. It must be less than or equal to 1."
        )
    if found[0] is None:
        found[0] = rows - found[1]
    elif found[1] is None:
        found[1] = rows - found[0]
    if sum(found) > rows:
        raise ValueError(
            f"The sum of `left_size` and `right_size` should be smaller than the {rows}. Received: left_size + "
            f"right_size = {sum(found)} and total_length = {rows}"
        )
    for side, size in zip(("left", "right"), found):
        if size == 0:
            raise ValueError(
                f"With `dataset` of length={rows}, `left_size`={left} and `right_size`={right}. Resulting {side} side "
                "dataset split will be empty. Adjust any of the aforementioned parameters"
            )
    return found


def _size(name, value, rows):
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"Invalid `{name}` Type. Expected: int or float or None, Received: type({name})={type(value)}.")
    if not 0 < value < (rows if isinstance(value, int) else 1):
        raise ValueError(
            f"`{name}` should be either a positive integer smaller than {rows}, or a float within the range `[0, 1]`. "
            f"Received: {name}={value}"
        )
    return value if isinstance(value, int) else round(value * rows)
