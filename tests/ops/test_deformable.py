"""Deformable convolution: with offsets of 0 an ordinary one, with a mask its gradients."""

import torch

from aten import close, randn
from tandem.ops import conv, deformable


def offsets(*shape, scale=1.0):
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_offsets_of_zero_are_an_ordinary_convolution():
    x, weight, bias = randn(2, 4, 6, 7).double(), randn(6, 2, 3, 3).double(), randn(6).double()
    plain = conv.conv(
        x,
        weight,
        bias,
        stride=(2, 1),
        padding=(1, 2),
        dilation=(1, 2),
        groups=2,
        layout="channels_first",
        weight_layout="oi_spatial",
    )
    options = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2, "offset_groups": 2}
    zeros = torch.zeros(2, 36, *plain.shape[2:], dtype=torch.float64)
    close(deformable.deformable_conv(x, zeros, weight, bias, **options), plain)
    mask = torch.ones(2, 18, *plain.shape[2:], dtype=torch.float64)
    close(deformable.deformable_conv(x, zeros, weight, bias, mask=mask, **options), plain)


def test_whole_offsets_read_other_pixels():
    x, weight = randn(1, 1, 5, 5).double(), torch.ones(1, 1, 1, 1, dtype=torch.float64)
    moved = torch.zeros(1, 2, 5, 5, dtype=torch.float64)
    moved[:, 0], moved[:, 1] = 1, -2
    wanted = torch.zeros_like(x)
    wanted[..., :4, 2:] = x[..., 1:, :3]
    for mask in (None, torch.ones(1, 1, 5, 5, dtype=torch.float64)):
        close(deformable.deformable_conv(x, moved, weight, mask=mask), wanted)


def test_gradients_with_a_mask():
    tensors = [
        randn(1, 2, 4, 5).double(),
        offsets(1, 8, 3, 4),
        torch.rand(1, 4, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2)),
        randn(3, 2, 2, 2).double(),
        randn(3).double(),
    ]
    tensors = [tensor.requires_grad_() for tensor in tensors]

    def function(x, moved, mask, weight, bias):
        return deformable.deformable_conv(x, moved, weight, bias, mask=mask)

    assert torch.autograd.gradcheck(function, tensors)


def test_the_border_blends_only_with_a_mask():
    x = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    weight, moved = torch.ones(1, 1, 1, 1, dtype=torch.float64), torch.full((1, 2, 3, 3), -0.25, dtype=torch.float64)
    assert float(deformable.deformable_conv(x, moved, weight)[0, 0, 0, 1]) == 0
    ones = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    close(deformable.deformable_conv(x, moved, weight, mask=ones)[0, 0, 0, :2], torch.tensor([0.5625, 0.75]).double())


def test_what_is_no_number_reads_nothing():
    x, weight = randn(1, 1, 3, 3), torch.ones(1, 1, 1, 1)
    for value in (float("nan"), float("inf"), 1e30):
        moved = torch.full((1, 2, 3, 3), value)
        for mask in (None, torch.ones(1, 1, 3, 3)):
            assert not deformable.deformable_conv(x, moved, weight, mask=mask).any()
