"""How a training step grows with batch size, layers and width: Tandem's Keras beside PyTorch by hand.

    python benchmarks/growth.py [--rounds N] [--threads N] [--write FILE.md]

One size changes at a time, the others stay the listing's. Each measurement is a process of its own; the peers take
turns. Reported are medians over the rounds.
"""

import argparse
import statistics
from pathlib import Path

import run

PEERS = ("tandem", "torch")
# Model -> size -> its values; the listing's own among them.
SIZES = {
    "mlp": {"batch": (1, 8, 32, 128, 512), "depth": (1, 2, 8, 32), "width": (10, 32, 128, 512)},
    "cnn": {"batch": (1, 8, 32, 128), "depth": (1, 2, 4, 8), "width": (8, 16, 32, 64)},
}
# The listings' own sizes.
LISTING = {"batch": 32, "depth": {"mlp": 2, "cnn": 1}, "width": {"mlp": 10, "cnn": 32}}
TITLES = {
    "batch": "rows of a batch",
    "depth": {"mlp": "hidden layers of 10", "cnn": "3x3 convolutions after the first"},
    "width": {"mlp": "units of the hidden layers", "cnn": "filters of the first convolution (the others: twice)"},
}


def markdown(figures):
    """The tables. figures: (model, size, value, peer) -> list of milliseconds, or the text of an error."""

    def cell(key):
        found = figures.get(key, [])
        return found if isinstance(found, str) else f"{statistics.median(found):.3f}" if found else ""

    lines = [
        "# How a step grows",
        "",
        "Milliseconds a training step; in the last row how many of Tandem's fit into one of PyTorch's.",
        "",
    ]
    for model, sizes in SIZES.items():
        for size, values in sizes.items():
            title = TITLES[size] if isinstance(TITLES[size], str) else TITLES[size][model]
            lines += [f"**{model}**, {title}:", "", "| | " + " | ".join(map(str, values)) + " |"]
            lines.append("|---" * (len(values) + 1) + "|")
            for peer in PEERS:
                cells = [cell((model, size, value, peer)) for value in values]
                lines.append(f"| {peer} | " + " | ".join(cells) + " |")
            ratios = []
            for value in values:
                ours, theirs = (figures.get((model, size, value, peer)) for peer in PEERS)
                known = isinstance(ours, list) and isinstance(theirs, list)
                ratios.append(f"{statistics.median(theirs) / statistics.median(ours):.2f}" if known else "")
            lines += ["| torch / tandem | " + " | ".join(ratios) + " |", ""]
    return "\n".join(lines)


def measure(machine, figures, known, key, number):
    """Add a figure, or an error, to the figures."""
    model, size, value, peer = key
    if isinstance(figures.get(key), str):
        return
    own = LISTING[size] if size == "batch" else LISTING[size][model]
    name = model if value == own else f"{model}:{size}={value}"
    if (name, peer) not in known:
        known[name, peer] = run.measured(machine, peer, name, ("step",), epochs=3)
    found = known[name, peer]
    if "error" in found:
        figures[key] = found["error"]
    else:
        figures.setdefault(key, []).append(found["step_ms"])
    print(f"round {number} {name:16} {peer:8} {found.get('error') or format(found['step_ms'], '.3f')}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="on how many cores")
    parser.add_argument("--write", type=Path, help="where the tables go")
    options = parser.parse_args()
    machine = run.Machine(options.threads)
    figures, known = {}, {}
    for number in range(1, options.rounds + 1):
        known.clear()  # the listing's own sizes stand in each table, and are measured once a round
        for model, sizes in SIZES.items():
            for size, values in sizes.items():
                for value in values:
                    for peer in PEERS:
                        measure(machine, figures, known, (model, size, value, peer), number)
    text = markdown(figures)
    print("\n" + text)
    if options.write:
        options.write.write_text(text)


if __name__ == "__main__":
    main()
