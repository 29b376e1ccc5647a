"""Memory that is used again: never while somebody has hold of it."""

import torch

from tandem.engine.spare import Spare


def test_memory_is_used_again_when_nobody_has_it():
    spare = Spare()
    first = spare.empty((4, 5), torch.float32)
    place = first.data_ptr()
    assert spare.empty((4, 5), torch.float32).data_ptr() != place
    view = first[1]
    del first
    assert spare.empty((4, 5), torch.float32).data_ptr() != place
    array = view.numpy()
    del view
    assert spare.empty((4, 5), torch.float32).data_ptr() != place
    del array
    again = spare.empty((5, 4), torch.int32)
    assert again.data_ptr() == place
    assert again.shape == (5, 4)
    assert again.dtype == torch.int32
    assert not again.requires_grad


def test_what_autograd_keeps_is_held():
    spare = Spare()
    x = spare.empty((3,), torch.float32).fill_(2)
    place = x.data_ptr()
    weight = torch.ones(3, requires_grad=True)
    y = (x * weight).sum()
    del x
    assert spare.empty((3,), torch.float32).data_ptr() != place
    y.backward()
    assert weight.grad.tolist() == [2, 2, 2]


def test_only_so_many_are_kept():
    spare = Spare(count=2)
    held = [spare.empty((8,), torch.uint8) for _ in range(5)]
    places = [x.data_ptr() for x in held]
    assert len(set(places)) == 5
    del held
    assert {spare.empty((8,), torch.uint8).data_ptr()} <= set(places[:2])
    assert spare.empty((0,), torch.uint8).shape == (0,)
