"""Where the values of a program lie in its memory."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.engine.arena import arena, placed

_LIVES = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 10), st.integers(0, 2000)).map(lambda t: (t[0], t[0] + t[1], t[2])),
    max_size=40,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(_LIVES)
def test_values_that_live_at_the_same_moment_do_not_overlap(lives):
    offsets, total = placed(lives)
    for one, (begin, end, nbytes) in enumerate(lives):
        assert offsets[one] % 64 == 0
        assert offsets[one] + nbytes <= total
        for other in range(one):
            its_begin, its_end, its_bytes = lives[other]
            if begin <= its_end and its_begin <= end:
                first, second = sorted([(offsets[one], nbytes), (offsets[other], its_bytes)])
                assert first[0] + first[1] <= second[0]


def test_a_chain_of_values_needs_two_places():
    chain = [(step, step + 1, 4096) for step in range(50)]
    assert placed(chain)[1] == 2 * 4096


def test_neighbouring_holes_are_one():
    lives = [(0, 0, 64), (0, 0, 64), (0, 5, 64), (1, 5, 128)]
    assert placed(lives)[1] == 192


def test_pieces_share_one_block():
    first, second = arena([(0, 1, 100), (0, 1, 100)], torch.device("cpu"))
    assert first.storage is second.storage
    assert second.data_ptr() - first.data_ptr() == 128
    assert first.nbytes == 100
