"""What torch's graph does not have: results without a gradient, and gradients of whole numbers.

A tensor of whole numbers cannot be in torch's graph. Where it came from recorded computations it has a *path*: a
float64 tensor that is in the graph in its stead, through which its gradients go, cut to whole numbers as MXNet's are.
"""

import torch

from tandem.ops.heads import along, constant_in, of_whole_numbers

_CASTS = ("Cast", "amp_cast")


def path_of(tensor):
    """The tensor that stands for one of whole numbers in the graph, or None."""
    return getattr(tensor, "_mxnet_path", None)


def has_whole_path(tree):
    """Whether one of the tensors in nested lists, tuples and dicts is of whole numbers and has a path."""
    for item in tree.values() if type(tree) is dict else tree:
        if isinstance(item, torch.Tensor):
            if not item.is_floating_point() and path_of(item) is not None:
                return True
        elif isinstance(item, (list, tuple, dict)) and has_whole_path(item):
            return True
    return False


def with_one_axis(tensor):
    """A tensor without axes as one of shape (1,): without np_shape there are no others."""
    result = tensor.reshape(1)
    if (path := path_of(tensor)) is not None:
        result._mxnet_path = path.reshape(1)
    return result


def in_graph(result, tensors, function=None, name=None):
    """The result, or the list of results, of a recorded operator where it is not in torch's graph by itself.

    Its variables' gradients are 0 where it has no derivative, such as argmax's.

    tensors: what the operator took; function: the operator, where it has derivatives; name: its name.
    """
    many = type(result) in (tuple, list)
    results = list(result) if many else [result]
    sources, whole = [], False
    for tensor in tensors:
        if not isinstance(tensor, torch.Tensor):
            continue
        if tensor.requires_grad:
            sources.append(tensor)
        elif (path := path_of(tensor)) is not None:
            sources.append(path)
            whole = True
    if not sources:
        return result
    with torch.enable_grad():
        paths = [None] * len(results)
        if name in _CASTS:
            paths = [of_whole_numbers(sources[0], tensors[0]) if whole else sources[0].double()]
        elif whole and function is not None:
            paths = _derived(function, tensors, len(results))
        for place, (item, path) in enumerate(zip(results, paths)):
            if item.requires_grad:
                continue
            if path is None or not path.requires_grad:
                path = constant_in(item if item.is_floating_point() else item.double(), sources)
            if item.is_floating_point():
                results[place] = path if path.dtype is item.dtype else along(path, item)
            else:
                if any(item is tensor for tensor in tensors):
                    item = results[place] = item.view_as(item)  # the input keeps its own path
                item._mxnet_path = path
    return results if many else results[0]


def _derived(function, tensors, count):
    """The results of a function on float64 tensors in the place of whole numbers."""
    given = []
    for tensor in tensors:
        if not isinstance(tensor, torch.Tensor) or tensor.is_floating_point():
            given.append(tensor)
        else:
            path = path_of(tensor)
            given.append(tensor.double() if path is None else of_whole_numbers(path, tensor))
    try:
        result = function(*given)
    except (RuntimeError, TypeError, ValueError, IndexError):
        return [None] * count  # it takes whole numbers only: there is no derivative
    return list(result) if type(result) in (tuple, list) else [result]
