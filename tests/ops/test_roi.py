"""Pooling of regions, against plain slices; both ways of finding the largest value; regions that are not there."""

import functools

import pytest
import torch

from aten import close, randn
from tandem.ops import roi


@pytest.fixture
def data():
    x = torch.randint(0, 5, (2, 3, 7, 9), generator=torch.Generator().manual_seed(0)).float()
    return x.requires_grad_()


def test_the_largest_of_whole_pixels(data):
    rois = torch.tensor([[0.0, 1, 2, 6, 5], [1, 0, 0, 8, 6], [0, 3, 3, 3, 3], [1, 8, 6, 30, 30]])
    pooled = roi.roi_pool(data, rois, (1, 1), 1.0)
    for row, (image, left, top, right, bottom) in zip(pooled, rois.long().tolist()):
        assert torch.equal(row.flatten(), data[image, :, top : bottom + 1, left : right + 1].amax((1, 2)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_go_to_the_first_of_equals(data, dtype):
    x = data.detach().to(dtype).requires_grad_()
    roi.roi_pool(x, torch.tensor([[1.0, 2, 1, 7, 6]], dtype=dtype), (1, 1), 1.0).sum().backward()
    for channel in range(3):
        part = x[1, channel, 1:7, 2:8]
        first = int((part == part.max()).flatten().nonzero()[0])
        wanted = torch.zeros_like(part).flatten()
        wanted[first] = 1
        assert torch.equal(x.grad[1, channel, 1:7, 2:8].flatten(), wanted)
    assert int(x.grad.sum()) == 3


def test_what_a_gpu_computes_without_looking(data):
    generator = torch.Generator().manual_seed(4)
    keys, image = roi._keys(data.detach()), torch.tensor([0, 1, 1, 0])
    edges = []
    for size, bins in ((7, 3), (9, 2)):
        first = torch.randint(0, size, (4, bins), generator=generator)
        edges += [first, (first + torch.randint(0, size, (4, bins), generator=generator)).clamp_max(size)]
    best = functools.partial(roi._window_best, keys, image, *edges)
    there = (edges[1] > edges[0])[:, :, None] & (edges[3] > edges[2])[:, None, :]
    assert torch.equal(best(look=True)[there.flatten()], best(look=False)[there.flatten()])


def test_signed_zeros_are_equal():
    x = torch.tensor([-0.0, 0.0, -1.0, -0.0]).reshape(1, 1, 2, 2).requires_grad_()
    roi.roi_pool(x, torch.tensor([[0.0, 0, 0, 1, 1]]), (1, 1), 1.0).backward()
    assert x.grad.flatten().tolist() == [1, 0, 0, 0]


POOLS = {
    "largest": lambda x, rois: roi.roi_pool(x, rois, (2, 2), 1.0),
    "aligned": lambda x, rois: roi.roi_align(x, rois, (2, 2), 1.0),
    "position": lambda x, rois: roi.position_sensitive_pool(x, rois, 2, 1.0, groups=2, channels=2),
    "deformable": lambda x, rois: roi.deformable_position_sensitive_pool(
        x, rois, None, 2, 1.0, groups=2, channels=2, samples=2
    )[0],
}


@pytest.mark.parametrize("name", POOLS)
def test_regions_that_are_not_there(name):
    x, pool = randn(2, 8, 5, 6), POOLS[name]
    missing = torch.tensor([[-1.0, 0, 0, 3, 3], [2.0, 0, 0, 3, 3]])
    assert not pool(x, missing).any()
    assert pool(x, missing[:0]).shape == (0, 8 if name in ("largest", "aligned") else 2, 2, 2)
    broken = torch.tensor([[0.0, float("nan"), 0, float("inf"), 3]])
    assert pool(x, broken).isfinite().all()


def test_means_of_a_linear_image_are_its_values_at_the_centres():
    x = (torch.arange(8.0).reshape(8, 1) * 10 + torch.arange(9.0)).reshape(1, 1, 8, 9).double()
    rois = torch.tensor([[0, 1.0, 2, 7, 6]], dtype=torch.float64)
    centres = (torch.tensor([[3.0], [5.0]]) * 10 + torch.tensor([2.0, 4.0, 6.0])).double()
    for ratio in (-1, 1, 3):
        close(roi.roi_align(x, rois, (2, 3), 1.0, ratio=ratio)[0, 0], centres)
        close(roi.roi_align(x, rois, (2, 3), 1.0, ratio=ratio, aligned=True)[0, 0], centres - 5.5)
        turned = torch.tensor([[0, 4.0, 4, 6, 4, 0.0]], dtype=torch.float64)
        close(roi.rotated_roi_align(x, turned, (2, 3), 1.0, ratio=ratio)[0, 0], centres)


def test_mask_targets_are_cut_out_of_the_matching_mask():
    # A mask that is linear has at each sample its value there; malformed boxes are one pixel large.
    masks = torch.arange(4.0 * 32 * 32).reshape(1, 4, 32, 32)
    rois = torch.tensor([[[2.3, 4.3, 2.2, 3.3], [3.5, 5.5, 6.5, 8.5]]])
    targets, weights = roi.mask_targets(
        rois, masks, torch.tensor([[2.0, 0]]), torch.tensor([[2.0, 1]]), (3, 3), count=4
    )
    at = (torch.arange(3) + 0.5) / 3
    close(targets[0, 0, 1], 2048 + (4.3 + at).reshape(3, 1) * 32 + 2.3 + at)
    close(targets[0, 1, 3], (5.5 + 3 * at).reshape(3, 1) * 32 + 3.5 + 3 * at)
    assert weights[0, :, :, 0, 0].tolist() == [[0, 0, 1, 0], [0, 1, 0, 0]]
    assert targets.shape == weights.shape == (1, 2, 4, 3, 3)
