"""Values at the border: arrays that wrap a tensor, and trees (lists, tuples, dicts) of values."""

import torch


class Array:
    """Base of a front end's own array type: one torch tensor in `_tensor`.

    A subclass gives the classmethod `_wrap(tensor)`, which makes an array of its type around a tensor without a copy.
    """

    __slots__ = ("_tensor",)

    @classmethod
    def _wrap(cls, tensor):
        array = cls.__new__(cls)
        array._tensor = tensor
        return array


def map_tree(function, tree):
    """Apply `function` to each leaf of nested lists, tuples (named ones too) and dicts; None stays None."""
    kind = type(tree)
    if kind is list:
        return [map_tree(function, item) for item in tree]
    if kind is tuple:
        return tuple([map_tree(function, item) for item in tree])
    if kind is dict:
        return {key: map_tree(function, item) for key, item in tree.items()}
    if tree is None:
        return None
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return kind(*(map_tree(function, item) for item in tree))
    if isinstance(tree, (list, tuple)) and not isinstance(tree, torch.Size):
        return kind(map_tree(function, item) for item in tree)
    if isinstance(tree, dict):
        return kind((key, map_tree(function, item)) for key, item in tree.items())
    return function(tree)


def leaves(tree):
    """The leaves of a tree in order, without the Nones (dict entries in insertion order)."""
    found = []
    map_tree(found.append, tree)
    return found


def array_type(*trees):
    """The type of the first `Array` among the leaves, or None where all are plain."""
    for leaf in leaves(trees):
        if isinstance(leaf, Array):
            return type(leaf)
    return None


def unwrap(tree):
    """The same tree with each `Array` replaced by its tensor."""
    return map_tree(lambda leaf: leaf._tensor if isinstance(leaf, Array) else leaf, tree)


def wrap(tree, kind):
    """The same tree with each tensor replaced by an array of `kind`."""
    return map_tree(lambda leaf: kind._wrap(leaf) if isinstance(leaf, torch.Tensor) else leaf, tree)
