"""Latency of one row: `model(x)`, `predict`, and the steps on one batch, against the bare module of PyTorch.

    python benchmarks/predict_latency.py [--rounds N] [--keras-torch]   a table in Markdown
    python benchmarks/predict_latency.py --memory [--calls N]           resident memory along a loop of calls

In one process, and interleaved: in each round every way of calling runs for a few calls, so that a drift of the
machine's speed meets all of them. Everything runs in one thread, and its processor time is what counts: others on
the machine slow it down but are not in it. Shown are the median and the quartiles over the rounds in microseconds, and
the median over the rounds of the ratio to the bare module of the same round, which runs under
`torch.inference_mode()`.
With --keras-torch real Keras on its torch backend is measured the same way, in a process of its own, against the bare
module there.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

CALLS = {"mlp": 60, "cnn": 15, "lstm": 10}  # to a round
SHAPES = {"mlp": (10,), "cnn": (28, 28, 1), "lstm": (50, 16)}
NAMES = {
    "mlp": "MLP 10-10-10-1",
    "cnn": "CNN on 28x28: two convolutions and poolings, two dense layers",
    "lstm": "three LSTM(50) on 50 steps of 16, a dense layer",
}


def layers_of(keras, name):
    """The layers of a model in Keras."""
    layers = keras.layers
    if name == "mlp":
        return [layers.Dense(10, "relu"), layers.Dense(10, "relu"), layers.Dense(1, "sigmoid")]
    if name == "cnn":
        return [
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(64, "relu"),
            layers.Dense(10, "softmax"),
        ]
    return [
        layers.LSTM(50, return_sequences=True),
        layers.LSTM(50, return_sequences=True),
        layers.LSTM(50),
        layers.Dense(10, "softmax"),
    ]


def keras_models(keras, name):
    """(a Sequential, a model of the user's own class), compiled."""

    class Own(keras.Model):
        """The same layers, called by hand."""

        def __init__(self):
            super().__init__()
            self.stack = layers_of(keras, name)

        def call(self, x):
            """One after the other."""
            for layer in self.stack:
                x = layer(x)
            return x

    sequential = keras.Sequential([keras.Input(SHAPES[name]), *layers_of(keras, name)])
    sequential.compile("adam", "mse", metrics=["mae"])
    own = Own()
    own(np.zeros((1, *SHAPES[name]), "float32"))
    return sequential, own


def bare_module(torch, name):
    """The same layers in plain PyTorch."""
    nn = torch.nn
    if name == "mlp":
        return nn.Sequential(nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 1), nn.Sigmoid())
    if name == "cnn":
        return nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(1600, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
            nn.Softmax(-1),
        )

    class Recurrent(nn.Module):
        """Three LSTMs, the last step, a dense layer."""

        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(16, 50, num_layers=3, batch_first=True)
            self.head = nn.Sequential(nn.Linear(50, 10), nn.Softmax(-1))

        def forward(self, x):
            """Class probabilities."""
            return self.head(self.lstm(x)[0][:, -1])

    return Recurrent()


def ways_of(torch, keras, name):
    """Ways of calling one model: label -> function of nothing. The first is what the others are compared with."""
    module = bare_module(torch, name).eval()
    trained = bare_module(torch, name)
    optimizer = torch.optim.Adam(trained.parameters(), fused=True)
    model, own = keras_models(keras, name)
    array = np.random.default_rng(0).random((1, *SHAPES[name]), dtype="float32")
    tensor = torch.from_numpy(array)
    first = tensor.movedim(-1, 1).contiguous() if name == "cnn" else tensor
    target = np.zeros(tuple(model.output_shape[1:]), "float32")[None]
    wanted = torch.from_numpy(target)

    def bare():
        with torch.inference_mode():
            return module(first)

    def without_gradients(net):
        def call():
            with torch.no_grad():
                return net(tensor)

        return call

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(trained(first), wanted)
        loss.backward()
        optimizer.step()
        return loss.item()

    return {
        "bare module, inference_mode": bare,
        "bare module, gradients on": lambda: module(first),
        "model(tensor)": lambda: model(tensor),
        "model(tensor), no_grad": without_gradients(model),
        "model(array)": lambda: model(array),
        "subclassed model(tensor)": lambda: own(tensor),
        "subclassed model(tensor), no_grad": without_gradients(own),
        "model.predict(row, verbose=0)": lambda: model.predict(array, verbose=0),
        "subclassed model.predict(row, verbose=0)": lambda: own.predict(array, verbose=0),
        "model.predict_on_batch(row)": lambda: model.predict_on_batch(array),
        "model.test_on_batch(row, y)": lambda: model.test_on_batch(array, target),
        "model.train_on_batch(row, y)": lambda: model.train_on_batch(array, target),
        "bare training step (fused Adam)": step,
    }


def measure(torch, keras, name, rounds):
    """{label: [microseconds of a call in each round]}."""
    ways = ways_of(torch, keras, name)
    for call in ways.values():
        for _ in range(6):
            call()
    found = {label: [] for label in ways}
    for _ in range(rounds):
        for label, call in ways.items():
            call()
            start = time.thread_time()
            for _ in range(CALLS[name]):
                call()
            found[label].append((time.thread_time() - start) / CALLS[name] * 1e6)
    return found


def table(found):
    """Rows of Markdown."""
    bare = next(iter(found.values()))
    for label, times in found.items():
        low, median, high = statistics.quantiles(times, n=4)
        ratio = statistics.median(time / base for time, base in zip(times, bare))
        yield f"| {label} | {median:.1f} ({low:.1f}-{high:.1f}) | {ratio:.2f} |"


def resident():
    """MiB of this process that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def memory(torch, keras, names, calls):
    """Print the resident memory along loops of calls."""
    points = [0, calls // 10, calls // 4, calls // 2, calls * 3 // 4, calls]
    print(f"| MiB after so many calls | {' | '.join(map(str, points))} |\n|{'---|' * (len(points) + 1)}")
    for name in names:
        ways = ways_of(torch, keras, name)
        for label in ways:
            if not label.startswith("bare"):
                row = []
                for number in range(calls + 1):
                    if number in points:
                        row.append(f"{resident():.1f}")
                    ways[label]()
                print(f"| {name}: {label} | {' | '.join(row)} |", flush=True)


def imported(peer):
    """(torch, the Keras of a peer)."""
    os.environ["KERAS_BACKEND"] = "torch"
    import torch

    torch.set_num_threads(1)
    if peer == "tandem":
        from tandem import keras
    else:
        import keras
    return torch, keras


def main():
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--models", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--keras-torch", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--peer", default="tandem", choices=("tandem", "keras-torch"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch, keras = imported(given.peer)
    if given.memory:
        memory(torch, keras, given.models, given.calls)
        return
    if given.peer != "tandem":
        print(json.dumps({name: measure(torch, keras, name, given.rounds) for name in given.models}))
        return
    print(f"`python benchmarks/predict_latency.py`, torch {torch.__version__}, float32, one row, one thread;")
    print(f"microseconds of its processor time, median (quartiles) of {given.rounds} rounds.")
    others = {}
    if given.keras_torch:
        rounds = str(max(given.rounds // 4, 4))
        command = [sys.executable, str(Path(__file__)), "--peer", "keras-torch", "--rounds", rounds, "--models"]
        done = subprocess.run([*command, *given.models], capture_output=True, text=True, check=True)
        others = json.loads(done.stdout.splitlines()[-1])
    for name in given.models:
        print(f"\n{NAMES[name]}\n\n| Tandem | µs | ratio to the bare module |\n|---|---|---|")
        print("\n".join(table(measure(torch, keras, name, given.rounds))))
        if name in others:
            print("\n| Keras on torch | µs | ratio to the bare module |\n|---|---|---|")
            print("\n".join(table(others[name])))


if __name__ == "__main__":
    main()
