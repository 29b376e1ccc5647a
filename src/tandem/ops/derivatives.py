"""Derivatives of every element of a result, by torch's record of how it was computed."""

import torch


def jacobian(y, xs, *, create_graph=False):
    """The derivatives of each element of y for each of the tensors `xs`: y's axes, then x's; None for what y is not of.

    create_graph: whether the derivatives can be derived again.
    """
    rows = [[] for _ in xs]
    for element in y.reshape(-1).unbind(0):
        grads = torch.autograd.grad(element, xs, retain_graph=True, create_graph=create_graph, allow_unused=True)
        for row, grad in zip(rows, grads):
            row.append(grad)
    found = []
    for row, x in zip(rows, xs):
        if all(grad is None for grad in row):
            found.append(None)
            continue
        filled = [torch.zeros_like(x) if grad is None else grad for grad in row]
        found.append(torch.stack(filled).reshape(*y.shape, *x.shape))
    return found


def batch_jacobian(y, x, *, create_graph=False):
    """``d y[n] / d x[n]``, (rows, y's other axes, x's other axes), for a y whose rows depend on their own row of x.

    One pass back for each element of a row: the sum over the rows has each row's derivative. None where y is not of x.
    """
    columns = []
    for column in y.reshape(len(y), -1).unbind(1):
        (grad,) = torch.autograd.grad(column.sum(), x, retain_graph=True, create_graph=create_graph, allow_unused=True)
        if grad is None:
            return None
        columns.append(grad)
    return torch.stack(columns, 1).reshape(*y.shape, *x.shape[1:])
