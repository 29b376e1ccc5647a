"""Time of one training step in Gluon's idiom, side by side: `gluon_step.py [MODEL ...] [--rounds N]` prints a table.

MODEL: mlp (10-10-10-2, batch 32, SGD with momentum), cnn (listing 03: 28x28, Adam), lstm (two LSTM(50), Adam).
Peers: torch (the loop written by hand, fused and plain updates), tandem and tandem-hybrid (hybridize() on net and
loss), mxnet and mxnet-hybrid (the real one; MXNET_PYTHON names its interpreter). Each is a process of its own that
warms up once; then the processes take turns, a burst each, so that a noisy machine is noisy for all of them. The step:
record, net, loss, backward, trainer.step, and the accuracy's update. One thread, unless OMP_NUM_THREADS says more.
Beside the time on the clock stands the processor's, all threads together: other work on the machine moves it less.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

import numpy as np

BATCH = 32
BURST = {"mlp": 200, "cnn": 10, "lstm": 10}
SHAPES = {"mlp": (10,), "cnn": (1, 28, 28), "lstm": (50, 16)}
CLASSES = {"mlp": 2, "cnn": 10, "lstm": 10}
PEERS = ("torch", "tandem", "tandem-hybrid", "mxnet", "mxnet-hybrid")


def data(model):
    """Eight batches of inputs and labels."""
    rng = np.random.default_rng(0)
    return [
        (
            rng.random((BATCH, *SHAPES[model]), dtype="float32"),
            rng.integers(0, CLASSES[model], BATCH).astype("float32"),
        )
        for _ in range(8)
    ]


def gluon_net(nn, rnn, model):
    """The models in Gluon."""
    net = nn.HybridSequential()
    if model == "mlp":
        net.add(nn.Dense(10, activation="relu"), nn.Dense(10, activation="relu"), nn.Dense(2))
    elif model == "cnn":
        net.add(
            nn.Conv2D(32, kernel_size=3, activation="relu"),
            nn.MaxPool2D(pool_size=2),
            nn.Conv2D(64, kernel_size=3, activation="relu"),
            nn.MaxPool2D(pool_size=2),
            nn.Conv2D(64, kernel_size=3, activation="relu"),
            nn.Flatten(),
            nn.Dense(64, activation="relu"),
            nn.Dropout(0.5),
            nn.Dense(10),
        )
    else:
        net.add(rnn.LSTM(50, num_layers=2, layout="NTC"), nn.HybridLambda(lambda F, x: F.mean(x, axis=1)), nn.Dense(10))
    return net


def gluon_step(mx, model, hybrid, options):
    """A function that runs some steps and waits for them."""
    net, loss = gluon_net(mx.gluon.nn, mx.gluon.rnn, model), mx.gluon.loss.SoftmaxCrossEntropyLoss()
    net.initialize(mx.init.Xavier())
    batches = [(mx.nd.array(x), mx.nd.array(y)) for x, y in data(model)]
    if hybrid:
        net.hybridize(**options)
        loss.hybridize(**options)
    name, settings = ("sgd", {"learning_rate": 0.01, "momentum": 0.9}) if model == "mlp" else ("adam", {})
    trainer, accuracy = mx.gluon.Trainer(net.collect_params(), name, settings), mx.metric.Accuracy()
    record = mx.autograd.record

    def run(count):
        for number in range(count):
            x, y = batches[number % 8]
            with record():
                out = net(x)
                value = loss(out, y)
            value.backward()
            trainer.step(BATCH)
            accuracy.update(y, out)
        mx.nd.waitall()

    return run


def torch_net(torch, model):
    """The models in plain PyTorch."""
    nn = torch.nn
    if model == "mlp":
        return nn.Sequential(nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 10), nn.ReLU(), nn.Linear(10, 2))
    if model == "cnn":
        return nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(576, 64),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(64, 10),
        )

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(16, 50, num_layers=2, batch_first=True)
            self.head = nn.Linear(50, 10)

        def forward(self, x):
            return self.head(self.lstm(x)[0].mean(1))

    return Recurrent()


def torch_step(torch, model):
    """The same by hand, with the faster of fused and plain updates."""
    batches = [(torch.from_numpy(x), torch.from_numpy(y).long()) for x, y in data(model)]
    runs = []
    for fused in (True, False):
        net = torch_net(torch, model)
        if model == "mlp":
            optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9, fused=fused)
        else:
            optimizer = torch.optim.Adam(net.parameters(), fused=fused)

        def run(count, net=net, optimizer=optimizer):
            correct = torch.zeros(())
            for number in range(count):
                x, y = batches[number % 8]
                optimizer.zero_grad()
                out = net(x)
                loss = torch.nn.functional.cross_entropy(out, y)
                loss.backward()
                optimizer.step()
                correct += (out.detach().argmax(1) == y).sum()
            return correct.item()

        runs.append(run)
    times = [timed(run, BURST[model]) for run in runs for _ in range(2)]
    return runs[0] if min(times[:2]) < min(times[2:]) else runs[1]


def timed(run, count):
    """Milliseconds a step: on the clock, of the processor."""
    start, busy = time.perf_counter(), time.process_time()
    run(count)
    return (time.perf_counter() - start) / count * 1e3, (time.process_time() - busy) / count * 1e3


def serve(peer, model):
    """Warm up, then answer each line on standard input with the milliseconds of a burst's step."""
    family, _, hybrid = peer.partition("-")
    if family == "torch":
        import torch

        run = torch_step(torch, model)
    elif family == "tandem":
        import tandem.mxnet as mx

        run = gluon_step(mx, model, hybrid, {})
    else:
        import mxnet as mx  # pyright: ignore[reportMissingImports]

        run = gluon_step(mx, model, hybrid, {"static_alloc": True, "static_shape": True})
    run(2 * BURST[model])
    print("ready", flush=True)
    for _ in sys.stdin:
        print(*timed(run, BURST[model]), flush=True)


def start(peer, model):
    """The process of a peer."""
    python = os.environ.get("MXNET_PYTHON", "python") if peer.startswith("mxnet") else sys.executable
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    if peer.startswith("mxnet"):
        environment.pop("PYTHONPATH", None)
    command = [python, __file__, "--serve", peer, model]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def ask(process):
    """One burst of a peer: milliseconds a step on the clock and of the processor."""
    process.stdin.write("go\n")
    process.stdin.flush()
    return tuple(map(float, process.stdout.readline().split()))


def compare(model, peers, rounds):
    """Print each peer's median and minimum, and their ratio to PyTorch's."""
    processes = {peer: start(peer, model) for peer in peers}
    for process in processes.values():
        assert process.stdout.readline() == "ready\n"
    times = {peer: [] for peer in peers}
    for _ in range(rounds):
        for peer, process in processes.items():
            times[peer].append(ask(process))
    for process in processes.values():
        process.stdin.close()
        process.wait()
    for peer, found in times.items():
        line = f"{model:5} {peer:14}"
        for name, mine, base in zip(("clock", "processor"), zip(*found), zip(*times[peers[0]])):
            ratio = statistics.median(a / b for a, b in zip(mine, base))
            line += f"  {name} median {statistics.median(mine):8.3f} min {min(mine):8.3f} ms {ratio:5.2f} x {peers[0]}"
        print(line, flush=True)


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(BURST))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--peers", nargs="*", default=list(PEERS))
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    if options.serve:
        serve(*options.models)
        return
    for model in options.models:
        compare(model, options.peers, options.rounds)


if __name__ == "__main__":
    main()
