"""Nested structures of shapes and masks."""

import torch

from tandem.core import arrays, graph
from tandem.core.errors import explain
from tandem.keras.symbolic import KerasTensor


def tuples(shape):
    """Shapes as JSON leaves them, with tuples for the innermost lists."""
    if isinstance(shape, dict):
        return {key: tuples(value) for key, value in shape.items()}
    if isinstance(shape, (list, tuple)):
        if all(size is None or isinstance(size, int) for size in shape):
            return tuple(shape)
        return [tuples(item) for item in shape]
    return shape


def mask_tree(value):
    """The masks of a tree of tensors in the same structure, or None where none has one."""
    if isinstance(value, (torch.Tensor, graph.Symbolic)):
        return getattr(value, "_keras_mask", None)
    if isinstance(value, (list, tuple, dict)):
        items = value.values() if isinstance(value, dict) else value
        masks = [mask_tree(item) for item in items]
        if all(mask is None for mask in masks):
            return None
        return dict(zip(value, masks)) if isinstance(value, dict) else masks
    return None


def flat_masks(tree):
    if isinstance(tree, dict):
        return [mask for item in tree.values() for mask in flat_masks(item)]
    if isinstance(tree, (list, tuple)):
        return [mask for item in tree for mask in flat_masks(item)]
    return [tree]


def has_values(value):
    return any(isinstance(leaf, (torch.Tensor, graph.Symbolic)) for leaf in arrays.leaves(value))


def spec_of(shape, dtype, symbolic=False):
    """Values without a graph for one shape or a structure of shapes."""
    if isinstance(shape, dict):
        return {key: spec_of(value, dtype, symbolic) for key, value in shape.items()}
    if isinstance(shape, (list, tuple)) and (not shape or all(size is None or isinstance(size, int) for size in shape)):
        return graph.Symbolic(shape, dtype) if symbolic else KerasTensor(shape, dtype, name="spec")
    if isinstance(shape, (list, tuple)):
        return [spec_of(item, dtype, symbolic) for item in shape]
    raise ValueError(explain("Not a shape", expected="a tuple of sizes, or a list or dict of such", given=repr(shape)))
