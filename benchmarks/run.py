"""Run the benchmarks side by side and write benchmarks/results/DATE.md.

    python benchmarks/run.py [--rounds N]

Each measurement is a process of its own; the peers take turns, so that a drift of the machine's speed meets all of
them. Reported are medians over the rounds, with the lowest and the highest.
"""

import argparse
import datetime
import json
import platform
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS = {
    "tandem": ROOT / ".venv/bin/python",
    "torch": ROOT / ".venv/bin/python",
    "keras-torch": ROOT / ".venv/bin/python",
    "keras-jax": ROOT / ".oracles/jax/bin/python",
}
MODELS = {
    "mlp": "10-10-10-1, batch 32, SGD with Nesterov momentum",
    "cnn": "CNN 28x28, batch 32, Adam",
    "lstm": "three LSTM(50), 50 steps of 16, batch 32, Adam",
}


def measure(peer, model):
    """Milliseconds of one step, measured in a new process."""
    command = [str(PEERS[peer]), str(HERE / "fit_step.py"), peer, model]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])["milliseconds"]


def machine():
    """One line on the processor and the versions."""
    import torch

    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    versions = []
    for python, package in ((PEERS["tandem"], "keras"), (PEERS["keras-jax"], "jax")):
        if python.exists():
            code = f"from importlib.metadata import version; print(version({package!r}))"
            found = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=False)
            versions.append(f"{package} {found.stdout.strip() or 'not installed'}")
    return (
        f"{model}, {torch.get_num_threads()} threads; Python {platform.python_version()}, torch {torch.__version__}, "
        + ", ".join(versions)
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    peers = [peer for peer, python in PEERS.items() if python.exists()]
    figures = {(peer, model): [] for model in MODELS for peer in peers}
    for number in range(options.rounds):
        for peer, model in figures:
            figures[peer, model].append(measure(peer, model))
            print(f"round {number + 1}: {peer:12} {model:5} {figures[peer, model][-1]:8.3f} ms", flush=True)
    lines = [
        f"# Training steps under `fit`, {datetime.date.today().isoformat()}",
        "",
        f"`make bench` ({options.rounds} rounds). {machine()}. float32.",
        "",
        "Milliseconds a step: median (lowest to highest); in brackets how many times Tandem's step fits into it.",
        "",
        "| model | " + " | ".join(peers) + " |",
        "|---" * (len(peers) + 1) + "|",
    ]
    for model, title in MODELS.items():
        ours = statistics.median(figures["tandem", model])
        cells = []
        for peer in peers:
            values = figures[peer, model]
            middle = statistics.median(values)
            cells.append(f"{middle:.3f} ({min(values):.3f} to {max(values):.3f}) [{middle / ours:.2f}]")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    text = "\n".join(lines) + "\n"
    path = HERE / "results" / f"{datetime.date.today().isoformat()}.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    print("\n" + text + f"\nwritten to {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
