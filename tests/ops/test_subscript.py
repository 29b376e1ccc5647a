"""Subscripts against numpy's, on random keys."""

import numpy as np
import pytest
import torch

from tandem.ops import subscript


def random_key(rng, shape):
    """A key with slices of any step, integers, new axes and, at times, arrays of indices."""
    key, arrays = [], rng.random() < 0.4
    for size in shape:
        if rng.random() < 0.15:
            key.append(None)
        kind = rng.integers(0, 4)
        if kind == 0 and size:
            key.append(int(rng.integers(-size, size)))
        elif kind == 1 and size and arrays:
            key.append(rng.integers(-size, size, 3))
        else:
            bounds = [None if rng.random() < 0.3 else int(rng.integers(-size - 1, size + 2)) for _ in range(2)]
            key.append(slice(*bounds, int(rng.choice([-3, -2, -1, 1, 2]))))
    return tuple(key)


def as_tensors(key):
    """The key as `subscript` takes it: beside arrays, integers are arrays of one."""
    advanced = any(isinstance(item, np.ndarray) for item in key)
    return tuple(
        torch.from_numpy(item) if isinstance(item, np.ndarray)
        else torch.tensor([item]) if isinstance(item, int) and advanced
        else item
        for item in key
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
def test_reading_and_writing_are_numpys(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(size) for size in rng.integers(1, 5, rng.integers(1, 4)))
    values = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    key = random_key(rng, shape)
    there = values[key]
    x = torch.from_numpy(values.copy())
    np.testing.assert_array_equal(subscript.get(x, as_tensors(key)).numpy(), there)
    new = rng.standard_normal(there.shape).astype("float32")
    expected = values.copy()
    expected[key] = new
    written = subscript.put(x, as_tensors(key), torch.from_numpy(new))
    if not any(isinstance(item, np.ndarray) for item in key):  # repeated indices: the order of writes is open
        np.testing.assert_array_equal(written.numpy(), expected)
    np.testing.assert_array_equal(x.numpy(), values)
    subscript.put_(x, as_tensors(key), 7.0)
    expected = values.copy()
    expected[key] = 7
    np.testing.assert_array_equal(x.numpy(), expected)


def test_gradients_flow_to_array_and_value():
    x = torch.zeros(3, 4, dtype=torch.float64, requires_grad=True)
    value = torch.ones(2, 2, dtype=torch.float64, requires_grad=True)
    key = (slice(None, None, -2), slice(1, 3))
    assert torch.autograd.gradcheck(lambda x, v: subscript.put(x, key, v), (x, value))
    assert torch.autograd.gradcheck(lambda x: subscript.get(x, key), (x,))
