"""The batches of whatever `adapt` takes: arrays, tensors, lists, data sets, generators."""

import numpy as np

from tandem.keras import tensors
from tandem.keras.utils.py_dataset import PyDataset


def batches_of(data, *, text=False):
    """The batches of `data`, which may also be one array; of pairs (x, y) the first.

    text: lists of strings are one batch, too. Raises TypeError for what is none of these.
    """
    if isinstance(data, (str, bytes)):
        raise TypeError(f"Unsupported data type: {type(data)}.")
    if isinstance(data, np.ndarray) or tensors.is_tensor(data):
        yield data
        return
    if isinstance(data, PyDataset):
        for index in range(len(data)):
            yield _first(data[index])
        return
    if hasattr(data, "__array__") and hasattr(data, "shape"):
        yield np.asarray(data)
        return
    if text and isinstance(data, (list, tuple)) and not any(hasattr(item, "shape") for item in data):
        yield data
        return
    if not hasattr(data, "__iter__"):
        raise TypeError(
            f"Unsupported data type: {type(data)}. `adapt` supports NumPy arrays, tensors, `keras.utils.PyDataset`, "
            "data loaders and iterables of batches."
        )
    for batch in data:
        batch = _first(batch)
        if not hasattr(batch, "shape") and not (text and isinstance(batch, (list, tuple, str, bytes))):
            if hasattr(batch, "numpy"):
                batch = batch.numpy()
            else:
                raise TypeError(
                    "adapt() expects an iterable that yields arrays or tensors with a `.shape` attribute (e.g. NumPy "
                    f"arrays or backend tensors). Got an element of type {type(batch).__name__}."
                )
        yield batch


def adapt(layer, data, steps, *, text=False):
    """Let a layer forget what it has seen and see the first `steps` batches of `data`, or all of them with None."""
    layer.reset_state()
    for index, batch in enumerate(batches_of(data, text=text)):
        if steps is not None and index >= steps:
            break
        layer.update_state(batch)
    layer.finalize_state()


def _first(batch):
    return batch[0] if isinstance(batch, tuple) else batch
