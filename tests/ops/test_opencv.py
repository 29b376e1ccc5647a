"""Resizing and borders as OpenCV has them; against MXNet's own in tests/oracle/test_mxnet_image.py."""

import numpy as np
import pytest
import torch

from tandem.ops import opencv


def picture(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


@pytest.mark.parametrize("interpolation", opencv.INTERPOLATIONS)
@pytest.mark.parametrize("size", [(4, 9), (13, 3), (8, 12), (4, 6), (1, 1)])
def test_a_batch_is_its_images(interpolation, size):
    batch = picture(3, 8, 12, 2)
    resized = opencv.resize(batch, size, interpolation)
    assert resized.shape == (3, *size, 2) and resized.dtype == torch.uint8
    for one, alone in zip(resized, batch):
        assert torch.equal(one, opencv.resize(alone, size, interpolation))


@pytest.mark.parametrize("interpolation", opencv.INTERPOLATIONS)
def test_a_flat_image_stays_flat(interpolation):
    flat = torch.full((7, 5, 3), 201, dtype=torch.uint8)
    assert (opencv.resize(flat, (11, 3), interpolation) == 201).all()
    assert torch.allclose(opencv.resize(flat.double(), (11, 3), interpolation), torch.tensor(201.0).double(), atol=1e-4)


def test_whole_numbers_are_near_the_exact_ones():
    image = picture(9, 14, 3)
    for interpolation in ("linear", "cubic", "area", "lanczos4"):
        exact = opencv.resize(image.double(), (17, 6), interpolation).clamp(0, 255)
        assert (opencv.resize(image, (17, 6), interpolation) - exact).abs().max() < 1.5


def test_halving_is_the_mean_of_four():
    image = torch.tensor([[[0], [1], [10], [20]], [[2], [3], [30], [41]]], dtype=torch.uint8)
    assert opencv.resize(image, (1, 2), "linear")[0, :, 0].tolist() == [2, 25]
    assert opencv.resize(image, (1, 2), "area")[0, :, 0].tolist() == [2, 25]


def test_the_same_size_is_a_copy():
    image = picture(3, 4, 1)
    same = opencv.resize(image, (3, 4))
    assert torch.equal(same, image) and same.data_ptr() != image.data_ptr()


def test_nearest_takes_any_dtype():
    image = torch.arange(12, dtype=torch.int64).reshape(3, 4, 1)
    assert opencv.resize(image, (3, 2), 0)[..., 0].tolist() == [[0, 2], [4, 6], [8, 10]]


def test_shapes_are_inferred_and_gradients_flow():
    assert opencv.resize(torch.empty(2, 5, 6, 3, device="meta"), (4, 4), "cubic").shape == (2, 4, 4, 3)
    image = torch.rand(5, 4, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: opencv.resize(x, (3, 6), "linear"), image)


@pytest.mark.parametrize(
    ("x", "size", "interpolation", "part"),
    [
        (torch.zeros(3, 3, 1), (2, 2), "sinc", "nearest, linear"),
        (torch.zeros(3, 3, 1), (2, 2), 5, "Given: 5"),
        (torch.zeros(3, 3), (2, 2), 1, "shape (3, 3)"),
        (torch.zeros(3, 3, 1), (0, 2), 1, "size (0, 2)"),
        (torch.zeros(3, 3, 1, dtype=torch.int32), (2, 2), 1, "int32"),
    ],
)
def test_what_cannot_be_resized(x, size, interpolation, part):
    with pytest.raises(ValueError, match="Expected") as error:
        opencv.resize(x, size, interpolation)
    assert part in str(error.value)


def test_borders():
    image = torch.arange(1, 7, dtype=torch.uint8).reshape(2, 3, 1)
    row = {mode: opencv.pad(image, (0, 0, 4, 2), mode)[0, :, 0].tolist() for mode in opencv.BORDERS}
    assert row == {
        "constant": [0, 0, 0, 0, 1, 2, 3, 0, 0],
        "replicate": [1, 1, 1, 1, 1, 2, 3, 3, 3],
        "reflect": [3, 3, 2, 1, 1, 2, 3, 3, 2],
        "wrap": [3, 1, 2, 3, 1, 2, 3, 1, 2],
        "reflect_101": [1, 2, 3, 2, 1, 2, 3, 2, 1],
    }
    colours = opencv.pad(torch.zeros(1, 1, 3, dtype=torch.uint8), (1, 0, 0, 0), value=(300, 2.6))
    assert colours[0, 0].tolist() == [255, 3, 0]
    with pytest.raises(ValueError, match="Unknown border"):
        opencv.pad(image, (1, 1, 1, 1), "round")


@pytest.mark.parametrize("interpolation", opencv.INTERPOLATIONS)
def test_opencv_itself_gives_these_numbers_or_is_not_asked(interpolation, monkeypatch):
    chance = np.random.default_rng(3)
    images = [torch.from_numpy(chance.integers(0, 256, (*chance.integers(1, 60, 2), c), np.uint8)) for c in (1, 3, 4)]
    sizes = [tuple(map(int, chance.integers(1, 60, 2))) for _ in images]
    asked = [opencv.resize(x, size, interpolation) for x, size in zip(images, sizes)]
    strided = opencv.resize(images[1][:, ::2].transpose(0, 1), sizes[1], interpolation)
    monkeypatch.setattr(opencv, "_agrees", lambda interpolation: False)
    for x, size, y in zip(images, sizes, asked):
        assert torch.equal(y, opencv.resize(x, size, interpolation))
    assert torch.equal(strided, opencv.resize(images[1][:, ::2].transpose(0, 1), sizes[1], interpolation))


def test_another_opencv_is_not_believed(monkeypatch):
    class Other:
        @staticmethod
        def resize(x, size, interpolation):
            return np.zeros((size[1], size[0], x.shape[2]), np.uint8)

    x = torch.arange(48, dtype=torch.uint8).reshape(4, 4, 3)
    expected = opencv.resize(x, (6, 5), "area")
    opencv._agrees.cache_clear()
    monkeypatch.setattr(opencv, "library", lambda: Other)
    assert torch.equal(opencv.resize(x, (6, 5), "area"), expected)
    opencv._agrees.cache_clear()
