"""Rearranging axes by a pattern: "b (h w) c -> b h w c"."""

import math
import re

_TOKEN = re.compile(r"\(|\)|\.\.\.|[A-Za-z_][A-Za-z0-9_]*|1|\S")


def _parse(side, pattern):
    """A side of a pattern as a list of groups, each a list of names; "..." is a group of its own."""
    groups, inside = [], None
    for token in _TOKEN.findall(side):
        if token == "(" and inside is None:
            inside = []
        elif token == ")" and inside is not None:
            groups.append(inside)
            inside = None
        elif token == "1":
            (groups if inside is None else inside).append([] if inside is None else "1")
        elif token == "..." or token.isidentifier():
            if inside is None:
                groups.append([token])
            else:
                inside.append(token)
        else:
            raise ValueError(f"The pattern cannot be read at {token!r}. Given: {pattern!r}.")
    if inside is not None:
        raise ValueError(f"A parenthesis is not closed. Given: {pattern!r}.")
    return [[name for name in group if name != "1"] for group in groups]


def rearrange(x, pattern, sizes):
    """x with its axes split, joined and put in another order.

    pattern: "from -> to", axes by name, those that are one together in parentheses, "..." for any others, 1 for an axis
    of size 1. sizes: {name: size}, for what does not follow from x's shape. Raises ValueError where they do not fit.
    """
    sides = pattern.split("->")
    if len(sides) != 2:
        raise ValueError(f"A pattern has two sides. Expected: 'a b -> b a'. Given: {pattern!r}.")
    left, right = (_parse(side, pattern) for side in sides)
    if ["..."] in left:
        place, extra = left.index(["..."]), x.dim() - len(left) + 1
        names = [f"...{i}" for i in range(extra)]
        left = [*left[:place], *([name] for name in names), *left[place + 1 :]]
        right = [
            [part for name in group for part in (names if name == "..." else [name])] if group != ["..."] else group
            for group in right
        ]
        right = [one for group in right for one in ([[name] for name in names] if group == ["..."] else [group])]
    if len(left) != x.dim():
        raise ValueError(f"The pattern has {len(left)} axes on its left. Given: shape {tuple(x.shape)}, {pattern!r}.")
    known = dict(sizes)
    flat = [name for group in left for name in group]
    for size, group in zip(x.shape, left):
        unknown = [name for name in group if name not in known]
        product = math.prod(known[name] for name in group if name in known)
        if len(unknown) > 1 or (unknown and size % product) or (not unknown and product != size):
            raise ValueError(f"The sizes do not follow. Given: shape {tuple(x.shape)}, {pattern!r}, {dict(sizes)}.")
        if unknown:
            known[unknown[0]] = size // product
    wanted = [name for group in right for name in group]
    if sorted(flat) != sorted(wanted) or len(set(flat)) != len(flat):
        raise ValueError(f"Both sides of a pattern name the same axes, each once. Given: {pattern!r}.")
    y = x.reshape([known[name] for name in flat]).permute([flat.index(name) for name in wanted])
    return y.reshape([math.prod(known[name] for name in group) for group in right])
