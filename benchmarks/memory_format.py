"""Channels-last data through convolution and pooling: as a permuted view, copied, or contiguous from the start.

`python benchmarks/memory_format.py` prints a table of milliseconds for forward and backward on one core: the median of
many runs, the kinds taking turns, with the first and third quartile. "view" is what `tandem.ops` does with Keras's
(N, H, W, C); "copy" makes it (N, C, H, W) first; "contiguous" has data and weights that way from the start.
"""

import datetime
import platform
import statistics
import time

import torch

from tandem.ops import conv, pool

ROUNDS = 200


def measured(functions):
    """Milliseconds of each function, as (first quartile, median, third quartile)."""
    times = [[] for _ in functions]
    for done in range(ROUNDS + 10):
        for function, kept in zip(functions, times):
            start = time.perf_counter()
            function()
            if done >= 10:
                kept.append((time.perf_counter() - start) * 1e3)
    return [statistics.quantiles(kept, n=4) for kept in times]


def step(function, data, others=(), copy=False):
    """Forward and backward of `function`, the data being copied to the contiguous format first or not."""

    def run():
        leaf, *rest = (t.detach().requires_grad_() for t in (data, *others))
        y = function(leaf.movedim(-1, 1).contiguous() if copy else leaf, *rest)
        y.backward(torch.ones_like(y))

    return run


def rows():
    """(name, the functions of each kind) of each operation."""
    torch.manual_seed(0)
    x, weight, bias = torch.randn(32, 28, 28, 32), torch.randn(3, 3, 32, 64) * 0.1, torch.zeros(64)
    first, oi = x.movedim(-1, 1).contiguous(), weight.permute(3, 2, 0, 1).contiguous()

    def convolution(layout, weight_layout):
        return lambda *tensors: conv.conv(*tensors, layout=layout, weight_layout=weight_layout)

    yield (
        "convolution 3x3, 32 to 64",
        step(convolution("channels_last", "spatial_io"), x, (weight, bias)),
        step(convolution("channels_first", "spatial_io"), x, (weight, bias), copy=True),
        step(convolution("channels_first", "oi_spatial"), first, (oi, bias)),
    )
    for kind in ("max", "avg"):

        def pooling(layout, kind=kind):
            return lambda t: pool.pool(t, 2, kind=kind, layout=layout)

        yield (
            f"{kind} pooling 2x2",
            step(pooling("channels_last"), x),
            step(pooling("channels_first"), x, copy=True),
            step(pooling("channels_first"), first),
        )


def main():
    """Print the table."""
    torch.set_num_threads(1)
    print("# Memory formats of images\n")
    print(f"`python benchmarks/memory_format.py`, {datetime.date.today()}, torch {torch.__version__}, float32,")
    print(f"one core ({platform.machine()}); 28x28, batch 32; milliseconds, median (quartiles) of {ROUNDS}.\n")
    print("| forward and backward | view | copy | contiguous |\n|---|---|---|---|")
    for name, *functions in rows():
        cells = [f"{median:.2f} ({low:.2f}-{high:.2f})" for low, median, high in measured(functions)]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
