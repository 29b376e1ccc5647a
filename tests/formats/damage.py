"""Damaging files on purpose, the same way at each run."""

import random

HUGE = (b"\xff" * 4, b"\xff" * 8, b"\x00\x00\x00\x80", b"\xff\xff\xff\x7f", b"\x00" * 4, b"\xff" * 7 + b"\x7f")


def truncated(data):
    """The data cut off at every byte."""
    return (data[:length] for length in range(len(data)))


def mutated(data, count, seed=0):
    """`count` damaged copies: flipped bits, huge numbers, parts left out, doubled or put elsewhere."""
    chance = random.Random(seed)
    for _ in range(count):
        copy = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 4))):
            at, kind = chance.randrange(len(copy)), chance.randrange(5)
            if kind <= 1:
                copy[at] ^= 1 << chance.randrange(8)
            elif kind == 2:
                number = chance.choice(HUGE)
                at -= at % 4
                copy[at : at + len(number)] = number
            elif kind == 3:
                del copy[at : at + chance.choice((1, 4, 8))]
            else:
                copy[at:at] = copy[chance.randrange(len(copy)) :][: chance.choice((1, 4, 8))]
            if not copy:
                break
        yield bytes(copy)
