"""Train the three digits examples through `tandem run`, and draw what they learned: out/demo.png."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

HERE = Path(__file__).resolve().parent
EXAMPLES = {
    "Keras": "keras_digits.py",
    "Gluon": "gluon_digits.py",
    "Keras + Gluon + torch": "mixed_digits.py",
}


def train(script, results):
    """Run one example as its user would and return its arrays."""
    print(f"\n$ tandem run {script.relative_to(HERE.parent)}", flush=True)
    subprocess.run([sys.executable, "-m", "tandem", "run", str(script), str(results)], check=True)
    with np.load(results) as arrays:
        return dict(arrays)


def draw(runs, path):
    """Curves of all runs, the confusion matrix and some predictions of the first one."""
    figure = plt.figure(figsize=(13, 8), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.5, 1))
    loss, accuracy, matrix = above.subplots(1, 3)
    for name, run in runs.items():
        epochs = np.arange(1, len(run["loss"]) + 1)
        loss.plot(epochs, run["loss"], marker=".", label=name)
        accuracy.plot(
            epochs, run["accuracy"], marker=".", label=f"{name}: {np.mean(run['labels'] == run['predicted']):.3f}"
        )
    loss.set(title="Training loss", xlabel="epoch", yscale="log")
    accuracy.set(title="Test accuracy", xlabel="epoch", ylim=(0.85, 1.005))
    for axes in (loss, accuracy):
        axes.grid(alpha=0.3)
        axes.legend()

    name, run = next(iter(runs.items()))
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (run["labels"], run["predicted"]), 1)
    matrix.imshow(counts, cmap="Blues")
    matrix.set(
        title=f"Confusion matrix ({name})", xlabel="predicted", ylabel="digit", xticks=range(10), yticks=range(10)
    )
    for row, column in np.argwhere(counts):
        colour = "white" if counts[row, column] > counts.max() / 2 else "black"
        matrix.text(column, row, counts[row, column], ha="center", va="center", color=colour, fontsize=8)

    # Mistakes first: they are what one wants to see.
    wrong = np.flatnonzero(run["labels"] != run["predicted"])[:3]
    right = np.flatnonzero(run["labels"] == run["predicted"])
    for axes, index in zip(below.subplots(1, 6), [*wrong, *right], strict=False):
        axes.imshow(run["images"][index], cmap="gray_r")
        label, predicted = run["labels"][index], run["predicted"][index]
        colour = "tab:green" if label == predicted else "tab:red"
        axes.set_title(f"predicted {predicted}, is {label}", color=colour, fontsize=10)
        axes.axis("off")
    above.suptitle("Handwritten digits, trained with Tandem")
    figure.savefig(path, dpi=100)


def main():
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        runs = {
            name: train(HERE / script, Path(folder) / f"{i}.npz") for i, (name, script) in enumerate(EXAMPLES.items())
        }
    path = HERE.parent / "out" / "demo.png"
    path.parent.mkdir(exist_ok=True)
    draw(runs, path)
    print()
    for name, run in runs.items():
        print(f"{name:24} test accuracy {np.mean(run['labels'] == run['predicted']):.4f}")
    print(f"\nThe picture is {path}. All of it took {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
