"""bfloat16 beside float32: steps of ResNet-50 and the Transformer, and the accuracy of a short training.

    python benchmarks/bf16.py [--rounds N] [--threads N] [--write FILE.md]
    python benchmarks/bf16.py digits PEER       one training in this process, a JSON line: accuracies over the seeds

Tandem's "mixed_bfloat16" policy beside PyTorch's autocast, both with float32 weights. The training is of a small CNN on
scikit-learn's handwritten digits, some seeds of it; reported is the accuracy on the digits that were not learned.
"""

import argparse
import json
import statistics
from pathlib import Path

import numpy as np

PEERS = {
    "tandem": "Tandem, float32",
    "tandem-bf16": "Tandem, mixed_bfloat16",
    "torch": "PyTorch by hand, float32",
    "torch-bf16": "PyTorch by hand, autocast",
}
MODELS = ("resnet50", "transformer")
SEEDS, EPOCHS, BATCH, KEPT = 5, 12, 32, 360


def digits():
    """(images to learn, classes to learn, other images, their classes), shuffled in one way for all."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = (images[order] / 16).astype("float32").reshape(-1, 8, 8, 1), labels[order].astype("int64")
    return images[KEPT:], labels[KEPT:], images[:KEPT], labels[:KEPT]


def keras_accuracy(seed, bf16):
    """Accuracy of Tandem's Keras."""
    from tandem import keras

    keras.mixed_precision.set_global_policy("mixed_bfloat16" if bf16 else "float32")
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    net = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, dtype="float32"),
        ]
    )
    net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    x, y, *others = digits()
    net.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return net.evaluate(*others, verbose=0, return_dict=True)["accuracy"]


def torch_accuracy(seed, bf16):
    """Accuracy of the same in PyTorch."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.BatchNorm2d(32),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(1024, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    x, y, others, labels = (torch.from_numpy(array) for array in digits())
    x, others = x.movedim(-1, 1).contiguous(), others.movedim(-1, 1).contiguous()
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                scores = net(x[chosen])
            nn.functional.cross_entropy(scores.float(), y[chosen]).backward()
            optimizer.step()
    net.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        return (net(others).argmax(1) == labels).float().mean().item()


def accuracies(peer):
    """One accuracy to a seed."""
    function = keras_accuracy if peer.startswith("tandem") else torch_accuracy
    return [function(seed, peer.endswith("-bf16")) for seed in range(SEEDS)]


def markdown(steps, scores, flags):
    """The tables. steps: (model, peer) -> milliseconds, scores: peer -> accuracies; or texts of errors."""
    fast = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags]
    says = (
        f"This processor has {' and '.join(fast)}."
        if fast
        else "This processor has neither avx512_bf16 nor amx_bf16: it has no instruction that computes in bfloat16, and"
        " what is in bfloat16 is computed with conversions."
    )
    lines = [
        "# bfloat16",
        "",
        says,
        "",
        "Milliseconds a training step, and how many times faster than the same in float32:",
    ]
    lines += ["", "| | " + " | ".join(PEERS.values()) + " |", "|---" * (len(PEERS) + 1) + "|"]
    for model in MODELS:
        cells = []
        for peer in PEERS:
            found, plain = (steps.get((model, name)) for name in (peer, peer.removesuffix("-bf16")))
            cell = found if isinstance(found, str) else f"{statistics.median(found):.1f}" if found else ""
            if peer.endswith("-bf16") and isinstance(found, list) and isinstance(plain, list):
                cell += f" ({statistics.median(plain) / statistics.median(found):.2f} times)"
            cells.append(cell)
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    cells = [
        found if isinstance(found, str) else f"{statistics.fmean(found):.4f} ({min(found):.4f} to {max(found):.4f})"
        for found in (scores[peer] for peer in PEERS)
    ]
    lines += [f"| accuracy on handwritten digits, {SEEDS} seeds | " + " | ".join(cells) + " |", ""]
    if all(isinstance(scores[peer], list) for peer in ("tandem", "tandem-bf16")):
        difference = statistics.fmean(scores["tandem-bf16"]) - statistics.fmean(scores["tandem"])
        lines += [f"Tandem's mixed_bfloat16 against its float32: {100 * difference:+.2f} points of accuracy.", ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["digits"])
    parser.add_argument("peer", nargs="?", choices=list(PEERS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="on how many cores")
    parser.add_argument("--timeout", type=float, default=600, help="seconds that one measurement may take")
    parser.add_argument("--write", type=Path, help="where the tables go")
    options = parser.parse_args()
    if options.what:
        print(json.dumps(accuracies(options.peer)))
        return
    import run

    machine, steps, scores = run.Machine(options.threads), {}, {}
    for number in range(1, options.rounds + 1):
        for model in MODELS:
            for peer in PEERS:
                if isinstance(steps.get((model, peer)), str):
                    continue
                found = run.measured(machine, peer, model, ("step",), timeout=options.timeout)
                if "error" in found:
                    steps[model, peer] = found["error"]
                else:
                    steps.setdefault((model, peer), []).append(found["step_ms"])
                print(f"round {number} {model:12} {peer:12} {steps[model, peer]}", flush=True)
    for peer in PEERS:
        command = [run.python_of(peer), Path(__file__).resolve(), "digits", peer]
        status, output, errors = machine.run(command, options.timeout)
        last = (errors.strip().splitlines() or ["no output"])[-1]
        scores[peer] = json.loads(output.strip().splitlines()[-1]) if status == 0 else last
        print(f"digits {peer:12} {scores[peer]}", flush=True)
    text = markdown(steps, scores, run.processor()[1])
    print("\n" + text)
    if options.write:
        options.write.write_text(text)


if __name__ == "__main__":
    main()
