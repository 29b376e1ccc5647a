"""Rounding of a matrix of weights that looks at what it will be multiplied with: GPTQ and AWQ.

A matrix is (outputs, inputs) here; codes are numbers from 0 to 2^bits - 1, and ``weight = (code - zero) * scale``.
"""

import torch

from tandem.ops.quantizers import code_range, dequantized, steps

__all__ = ["awq", "gptq", "hessian", "largest_inputs"]


def hessian(x, before=None, count=0):
    """The mean of ``2 x^T x`` over all rows seen: x (rows, inputs), before: of the `count` rows before."""
    x = x.to(torch.float32)
    gram = x.t() @ x * (2.0 / (count + x.shape[0]))
    return gram if before is None else before * (count / (count + x.shape[0])) + gram


def largest_inputs(x, before=None):
    """The largest absolute value of each input over all rows seen: x (rows, inputs)."""
    most = x.to(torch.float32).abs().amax(0)
    return most if before is None else torch.maximum(before, most)


def gptq(weights, second, *, bits, size, symmetric=False, per_channel=True, damping=0.01, largest_first=False):
    """Round one column after the other, and take each error out of the columns to come.

    An error e of column i is spread by ``w_j -= e / U_ii * U_ij``, where ``U^T U`` is the inverse of the (damped)
    matrix of second moments: within blocks of 128 columns at once, and then for the rest. Groups take their range from
    the weights at the beginning of their block. (Keras 3.15 has that inverse itself in U's place, whose results can be
    worse than without data.)

    weights: (outputs, inputs); second: (inputs, inputs), see `hessian`; size: columns to a group, -1 for all;
    largest_first: take the columns in the order of their second moments. Returns (codes, scale, zero, groups), the last
    being each column's place in units of groups: its whole part is the group's number.
    Frantar et al., GPTQ: accurate post-training quantization for generative pre-trained transformers, 2022.
    """
    diagonal = second.diagonal()
    diagonal = torch.where(diagonal == 0, 1.0, diagonal)
    diagonal = diagonal + damping * diagonal.mean()
    second = second - second.diagonal().diag() + diagonal.diag()
    order = None
    if largest_first:
        order = torch.argsort(-diagonal, stable=True)
        weights, second = weights[:, order], second[order][:, order]
    factor = torch.linalg.cholesky(torch.linalg.inv(second), upper=True)
    count, most = weights.shape[1], 2**bits - 1
    group = count if size == -1 else size
    weights = weights.clone()
    codes, ranges = torch.zeros_like(weights), {}
    for begin in range(0, count, 128):
        end = min(begin + 128, count)
        block, own = weights[:, begin:end].clone(), factor[begin:end, begin:end]
        errors = torch.zeros_like(block)
        for i in range(end - begin):
            number = (begin + i) // group
            if number not in ranges:
                ranges[number] = code_range(
                    weights[:, number * group : (number + 1) * group],
                    -1,
                    levels=most,
                    symmetric=symmetric,
                    share=not per_channel,
                    none_below=not symmetric,  # a zero point is stored as a code
                )
            scale, zero = ranges[number]
            column = block[:, i : i + 1]
            code = steps(column, scale, zero, most)
            codes[:, begin + i] = code[:, 0]
            error = (column - (code - zero) * scale) / own[i, i]
            errors[:, i] = error[:, 0]
            block[:, i + 1 :] -= error * own[i, i + 1 :]
        weights[:, end:] -= errors @ factor[begin:end, end:]
    scale, zero = (torch.cat([found[which] for found in ranges.values()], 1) for which in (0, 1))
    groups = torch.arange(count, dtype=torch.float32, device=weights.device) / group
    if order is not None:
        back = torch.argsort(order)
        codes, groups = codes[:, back], groups[back]
    return codes, scale, zero, groups


def awq(weights, most, *, size, points=20):
    """Multiply each input's weights by a power of the input's size before rounding them to four bits.

    Of the powers ``most^(i / points)``, made to have 1 in their (geometric) middle, that one is taken which leaves the
    least error, weighted with the squares of the inputs' sizes.

    weights: (outputs, inputs); most: (inputs,), see `largest_inputs`; size: columns to a group, -1 for all.
    Returns (codes, scale, zero, groups, the multipliers).
    Lin et al., AWQ: activation-aware weight quantization for LLM compression and acceleration, 2023.
    """
    count = weights.shape[1]
    most = torch.where(most < 1e-8, 1.0, most.to(torch.float32))
    groups = torch.zeros(count, dtype=torch.float32, device=weights.device)
    if size != -1:
        groups = torch.arange(count, dtype=torch.float32, device=weights.device).div(size, rounding_mode="floor")

    def rounded(factors):
        scaled = weights * factors
        scale, zero = code_range(scaled, size, levels=15, none_below=True)
        index = groups.to(torch.int64)
        return steps(scaled, scale[:, index], zero[:, index], 15), scale, zero

    best, least = torch.ones_like(most), None
    for i in range(points + 1):
        factors = (most ** (i / points)).clamp(min=1e-4)
        factors = factors / (factors.amax() * factors.amin()).sqrt().clamp(min=1e-8)
        codes, scale, zero = rounded(factors)
        error = weights - dequantized(codes, scale, zero, groups) / factors
        loss = (error.square() * most.square()).mean()
        if least is None:
            best, least = factors, loss
        else:
            best, least = torch.where(loss < least, factors, best), torch.minimum(loss, least)
    return (*rounded(best), groups, best)
