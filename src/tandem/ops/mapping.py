"""Functions that somebody else wrote, applied to many entries at once, and with gradients of their own."""

import re

import torch

_SIGNATURE = re.compile(r"^\([\w,\s]*\)(,\s*\([\w,\s]*\))*->\([\w,\s]*\)(,\s*\([\w,\s]*\))*$")


def over_first_axis(function, values):
    """``function`` of each entry of the first axis, all at once."""
    return torch.vmap(function)(values)


def vectorized(function, args, signature=None):
    """``function`` over the elements of its arguments, broadcast; signature: the axes that it takes itself.

    signature: "(n),(m)->(k)" names those axes of each argument. Raises ValueError for one that cannot be read.
    """
    ranks = [0] * len(args)
    if signature is not None:
        if not _SIGNATURE.match(signature.replace(" ", "")):
            raise ValueError(f"Not a valid gufunc signature: {signature}")
        inputs = re.findall(r"\(([^)]*)\)", signature.split("->")[0])
        ranks = [len([name for name in one.split(",") if name.strip()]) for one in inputs]
        if len(ranks) != len(args):
            raise TypeError(f"wrong number of positional arguments: expected {len(ranks)}, got {len(args)}")
    lead = [x.shape[: x.dim() - rank] for x, rank in zip(args, ranks)]
    shape = torch.broadcast_shapes(*lead)
    if not shape:
        return function(*args)
    flat = [
        x.expand(*shape, *x.shape[x.dim() - rank :]).reshape(-1, *x.shape[x.dim() - rank :])
        for x, rank in zip(args, ranks)
    ]
    found = torch.vmap(function)(*flat)
    if isinstance(found, (tuple, list)):
        return tuple(one.reshape(*shape, *one.shape[1:]) for one in found)
    return found.reshape(*shape, *found.shape[1:])


def associative_scan(function, values, *, reverse, axis, map_tree):
    """``y[i] = f(y[i - 1], x[i])`` along an axis, for an associative f of two structures of slices.

    Each round combines neighbours at twice the distance: log2(n) rounds over all entries (Hillis and Steele, 1986).
    map_tree: maps a function over structures.
    """
    if reverse:
        values = map_tree(lambda x: x.flip(axis), values)
    sizes = []
    map_tree(lambda x: sizes.append(x.shape[axis]), values)
    distance = 1
    while distance < sizes[0]:
        rest = sizes[0] - distance
        combined = function(_part(map_tree, values, axis, 0, rest), _part(map_tree, values, axis, distance, rest))
        first = _part(map_tree, values, axis, 0, distance)
        values = map_tree(lambda a, b: torch.cat([a, b.to(a.dtype)], axis), first, combined)
        distance *= 2
    return map_tree(lambda x: x.flip(axis), values) if reverse else values


def _part(map_tree, values, axis, start, count):
    return map_tree(lambda x: x.narrow(axis, start, count), values)


class _Given(torch.autograd.Function):
    """Outputs with the gradient function that comes with them."""

    @staticmethod
    def forward(ctx, function, count, *args):
        outputs, gradient = function(*args)
        ctx.gradient, ctx.count = gradient, count
        return outputs

    @staticmethod
    def backward(ctx, *upstream):
        found = ctx.gradient(*upstream)
        found = tuple(found) if isinstance(found, (tuple, list)) else (found,)
        return (None, None, *found, *(None,) * (ctx.count - len(found)))


def with_gradient(function, args):
    """The outputs of ``function(*args)``, which gives (outputs, gradient): ``gradient(*upstream)`` is theirs."""
    return _Given.apply(function, len(args), *args)
