"""Whether the training loop waits for a reader that could keep up: `python benchmarks/feeding_waits.py [--share 0.6]`.

A model whose step takes some milliseconds is trained on batches that are there, then on batches of readers that
take a share of the step's time for each batch (as a disk or a network does: they wait, they do not compute). Printed is
how much longer an epoch takes; a reader that is asked for each batch when the loop needs it adds its whole share.
"""

import argparse
import statistics
import time

import numpy as np

BATCH, BATCHES = 64, 40


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.6)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    import torch

    from tandem import keras
    from tandem.mxnet import gluon

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    x, y = rng.random((BATCH, 512), dtype="float32"), rng.random((BATCH, 1), dtype="float32")
    net = keras.Sequential([keras.Input((512,)), *(keras.layers.Dense(512, activation="relu") for _ in range(6))])
    net.add(keras.layers.Dense(1))
    net.compile("sgd", "mse")

    def epoch(data, **settings):
        start = time.perf_counter()
        net.fit(data, verbose=0, shuffle=False, **settings)
        return time.perf_counter() - start

    def ready():
        return epoch(((x, y) for _ in range(BATCHES)), steps_per_epoch=BATCHES)

    ready()
    pause = options.share * min(ready() for _ in range(3)) / BATCHES

    class Slow(keras.utils.PyDataset):
        def __len__(self):
            return BATCHES

        def __getitem__(self, index):
            time.sleep(pause)
            return x, y

    def generate():
        for _ in range(BATCHES):
            time.sleep(pause)
            yield x, y

    class Samples(gluon.data.Dataset):
        def __len__(self):
            return BATCH * BATCHES

        def __getitem__(self, index):
            if index % BATCH == 0:
                time.sleep(pause)
            return x[index % BATCH], y[index % BATCH]

    def loader(**settings):
        made = gluon.data.DataLoader(Samples(), BATCH, **settings)
        return lambda: epoch(((images._tensor, labels._tensor) for images, labels in made), steps_per_epoch=BATCHES)

    ways = {
        "batches that are there": ready,
        "generator": lambda: epoch(generate(), steps_per_epoch=BATCHES),
        "PyDataset": lambda: epoch(Slow()),
        "PyDataset, 2 threads": lambda: epoch(Slow(workers=2)),
        "PyDataset, 1 process": lambda: epoch(Slow(workers=1, use_multiprocessing=True)),
        "Gluon's DataLoader, 1 process": loader(num_workers=1),
        "Gluon's DataLoader, 1 thread": loader(num_workers=1, thread_pool=True),
    }
    found = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            found[name].append(way())
    base = statistics.median(found["batches that are there"])
    print(f"a step {base / BATCHES * 1e3:.1f} ms, a read {pause * 1e3:.1f} ms; an epoch of {BATCHES} steps:")
    for name, seconds in found.items():
        middle = statistics.median(seconds)
        print(f"{name:32} {middle * 1e3:8.0f} ms  {100 * (middle / base - 1):+6.1f} %")


if __name__ == "__main__":
    main()
