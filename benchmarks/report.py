"""From the lines that measurements left to the result file's tables and its picture."""

import collections
import math
import statistics
import textwrap

import models
from measure import defined

PEERS = {
    "tandem": "Tandem: Keras",
    "tandem-gluon": "Tandem: Gluon, hybridized",
    "tandem-gluon-imperative": "Tandem: Gluon, imperative",
    "torch": "PyTorch by hand",
    "torch-compile": "torch.compile",
    "keras-torch": "Keras on torch",
    "keras-jax": "Keras on JAX",
    "keras-tensorflow": "Keras on TensorFlow",
    "mxnet": "MXNet, imperative",
    "mxnet-hybridized": "MXNet, hybridized",
    "jax": "JAX by hand, one scan",
}
OURS = "tandem"
# A peer of Tandem is whatever is not Tandem.
OTHERS = [peer for peer in PEERS if not peer.startswith("tandem")]

# What is reported of which measurement: field, title, digits, whether more is better.
TABLES = [
    ("step", "step_ms", "Training step, milliseconds", 3, False),
    ("first", "first_s", "From the built model to the end of its first training step, seconds", 2, False),
    ("first", "build_s", "Building the model, seconds", 2, False),
    ("first", "import_s", "Imports, seconds", 2, False),
    ("memory", "memory_mib", "Peak memory of building and training above what was resident before, MiB", 0, False),
    ("predict", "call_ms", "`model(x)`, `net(x)` of one row, numpy to numpy, milliseconds", 3, False),
    (
        "predict",
        "predict_ms",
        "`model.predict(x)` of one row (where there is no `predict`: as above), milliseconds",
        3,
        False,
    ),
    ("predict", "rows_per_s", "Prediction in batches, rows a second", 0, True),
]


class Figures:
    """The figures of all measurements: of each (peer, model, what) those of the latest run that made any."""

    def __init__(self, lines):
        latest = {}
        self.values, self.errors, self.runs = collections.defaultdict(list), {}, set()
        measured = [line for line in lines if "peer" in line]
        for line in measured:
            for what in line["what"].split(","):
                latest[line["peer"], line["model"], what] = line["run"]
        for line in measured:
            peer, model = line["peer"], line["model"]
            current = [what for what in line["what"].split(",") if latest[peer, model, what] == line["run"]]
            if current:
                self.runs.add(line["run"])
            if current and "error" in line:
                self.errors[peer, model] = line["error"]
            for what, field, *_ in TABLES:
                if what in current and line.get(field) is not None:
                    self.values[field, peer, model].append(line[field])

    def median(self, field, peer, model):
        """The median, or None where nothing was measured."""
        values = self.values.get((field, peer, model))
        return statistics.median(values) if values else None

    def best(self, field, model, more):
        """(median, peer) of the best of the others, or None."""
        found = [(self.median(field, peer, model), peer) for peer in OTHERS]
        found = [(value, peer) for value, peer in found if value is not None]
        return (max if more else min)(found, default=None)

    def ratio(self, field, model, more=False):
        """How many times better Tandem is than the best of the others (1: the same), or None."""
        ours, best = self.median(field, OURS, model), self.best(field, model, more)
        if ours is None or best is None or not ours or not best[0]:
            return None
        return ours / best[0] if more else best[0] / ours

    def names(self, wanted):
        """Those of the wanted names, peers or models, that something is known of, in their order."""
        known = {key for _, *keys in self.values for key in keys} | {key for keys in self.errors for key in keys}
        return [name for name in wanted if name in known]


def _cell(figures, field, peer, model, digits, more):
    values = figures.values.get((field, peer, model))
    if not values:
        if (peer, model) in figures.errors:
            return figures.errors[peer, model].replace("|", "\\|")
        return "" if defined(peer, model) else "–"
    middle = statistics.median(values)
    text = f"{middle:.{digits}f}"
    if len(values) > 1:
        text += f" ({min(values):.{digits}f} to {max(values):.{digits}f})"
    best = figures.best(field, model, more)
    return f"**{text}**" if best and best[1] == peer else text


def table(figures, field, title, digits, more):
    """The Markdown of one table, as a list of lines; empty where nothing was measured."""
    peers, known = figures.names(PEERS), figures.names(models.SPECS)
    known = [model for model in known if any((field, peer, model) in figures.values for peer in peers)]
    if not known:
        return []
    lines = [f"## {title}", "", "| | " + " | ".join(PEERS[peer] for peer in peers) + " | Tandem against the best |"]
    lines.append("|---" * (len(peers) + 2) + "|")
    for model in known:
        cells = [_cell(figures, field, peer, model, digits, more) for peer in peers]
        ratio = figures.ratio(field, model, more)
        last = "" if ratio is None else f"{ratio:.2f} ({PEERS[figures.best(field, model, more)[1]]})"
        lines.append(f"| **{model}** | " + " | ".join(cells) + f" | {last} |")
    lines.append("")
    mean = geometric_mean(figures) if field == "step_ms" else None
    if mean is not None:
        missing = [model for model in models.MAIN if model not in mean[1]]
        text = f"Tandem against the fastest peer, geometric mean over {', '.join(mean[1])}: **{mean[0]:.2f}**"
        lines += [text + (f" (not measured: {', '.join(missing)})." if missing else "."), ""]
    return lines


def geometric_mean(figures):
    """(the mean over the main models of how many times faster Tandem is than the fastest peer, the models of it)."""
    ratios = {model: figures.ratio("step_ms", model) for model in models.MAIN}
    known = {model: ratio for model, ratio in ratios.items() if ratio is not None}
    if not known:
        return None
    return math.exp(statistics.fmean(map(math.log, known.values()))), list(known)


def claims(figures):
    """What Tandem means to hold against its peers, as a list of lines: each with the figure, and whether it does."""
    rows = []

    def claim(text, models_of, margin, needed, form="{:.2f}"):
        """margin: model -> a number that ought to be at least `needed` (None where something was not measured)."""
        found = {model: margin(model) for model in models_of}
        found = {model: value for model, value in found.items() if value is not None}
        if found:
            worst = min(found, key=found.get)
            short = [f"{model} {form.format(value)}" for model, value in found.items() if value < needed]
            held = "yes" if not short else "no: " + ", ".join(short)
            rows.append(f"| {text} | {form.format(needed)} | {form.format(found[worst])} ({worst}) | {held} |")

    def against(field, peers):
        def margin(model):
            ours = figures.median(field, OURS, model)
            theirs = [value for value in (figures.median(field, peer, model) for peer in peers) if value is not None]
            return min(theirs) / ours if ours and theirs else None

        return margin

    def earlier(model):
        ours, theirs = (figures.median("first_s", peer, model) for peer in (OURS, "torch"))
        return None if ours is None or theirs is None else theirs - ours

    known = figures.names(models.SPECS)
    steps = "step_ms"
    keras = [peer for peer in OTHERS if peer.startswith("keras-")]
    claim("mlp's step: PyTorch's by hand / Tandem's", ["mlp"], against(steps, ["torch"]), 4)
    claim("mlp's step: the best Keras's / Tandem's", ["mlp"], against(steps, keras), 6)
    claim("step of the main models: the fastest peer's / Tandem's", models.MAIN, against(steps, OTHERS), 1)
    mean = geometric_mean(figures)
    if mean is not None:
        claim("the same, geometric mean", ["all"], lambda _: mean[0], 1.2)
    claim("step: PyTorch's by hand / Tandem's", known, against(steps, ["torch"]), 1)
    claim("first step: PyTorch's by hand less Tandem's, seconds", known, earlier, -0.2)
    claim("peak memory: PyTorch's by hand / Tandem's", known, against("memory_mib", ["torch"]), 1 / 1.05)
    for field, call in (("call_ms", "model(x)"), ("predict_ms", "model.predict(x)")):
        claim(f"`{call}` of one row: PyTorch's by hand / Tandem's", known, against(field, ["torch"]), 0.5)
    if not rows:
        return []
    return ["## What ought to hold", "", "| | at least | the worst | held |", "|---|---|---|---|", *rows, ""]


def markdown(lines, date, machine, missing):
    """The result file.

    lines: the measurements; machine: lines on it, the versions and the command; missing: what is said of peers that
    are not installed.
    """
    figures = Figures(lines)
    text = [f"# Benchmarks, {date}", "", *machine, ""]
    text += [
        "Each figure is of a process of its own; the peers took turns. Medians (lowest to highest) over the rounds;",
        "the best of Tandem's peers is bold; the last column says how many times better Tandem's Keras is than it",
        "(above 1: Tandem is ahead). –: not written for this peer. PyTorch by hand is the best of its variants:",
        "contiguous and channels_last where there are images; fused, foreach and plain updates (of the largest",
        "models: fused). The accuracy is kept in the listings' models (mlp, cnn, lstm) by what has a `fit`.",
        "",
    ]
    if len(figures.runs) > 1:
        text += [f"These are of {len(figures.runs)} runs; the last of each cell counts.", ""]
    text += [f"{line}" for line in missing] + ([""] if missing else [])
    text += ["| | |", "|---|---|", *(f"| **{n}** | {models.SPECS[n].title} |" for n in figures.names(models.SPECS)), ""]
    text += claims(figures)
    for _, *rest in TABLES:
        text += table(figures, *rest)
    sections = {line["section"]: line["markdown"] for line in lines if "section" in line}
    for markdown_of in sections.values():
        text += [markdown_of.strip(), ""]
    return "\n".join(text)


def picture(lines, path, date, machine):
    """Draw the training steps as horizontal bars, one panel to a model, each in units of Tandem's step."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figures = Figures(lines)
    shown = [m for m in figures.names(models.SPECS) if any(("step_ms", p, m) in figures.values for p in PEERS)]
    if not shown:
        return
    columns = min(3, len(shown))
    rows = math.ceil(len(shown) / columns)
    counts = [sum(("step_ms", peer, model) in figures.values for peer in PEERS) for model in shown]
    height = rows * (0.9 + 0.27 * max(counts)) + 1.1
    figure, axes = pyplot.subplots(rows, columns, figsize=(5.4 * columns, height), squeeze=False)
    for axis in axes.flat[len(shown) :]:
        axis.axis("off")
    for axis, model in zip(axes.flat, shown):
        _panel(axis, figures, model)
    figure.suptitle(f"One training step in milliseconds, {date} (shorter is faster)", fontsize=15, fontweight="bold")
    figure.supxlabel(machine, fontsize=9, color="#555555")
    figure.tight_layout(rect=(0, 0.01, 1, 0.99))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _panel(axis, figures, model):
    peers = [peer for peer in PEERS if ("step_ms", peer, model) in figures.values]
    peers.sort(key=lambda peer: figures.median("step_ms", peer, model), reverse=True)
    middles = [figures.median("step_ms", peer, model) for peer in peers]
    spread = [figures.values["step_ms", peer, model] for peer in peers]
    # A peer that takes many times as long would leave no room for the others: its bar is cut, its figure is not.
    limit = min(max(middles), 6 * statistics.median(middles))
    colors = ["#d1495b" if peer == OURS else "#e9a3ac" if peer.startswith("tandem") else "#7d95ab" for peer in peers]
    axis.barh(range(len(peers)), [min(value, limit) for value in middles], color=colors, height=0.72)
    for place, (middle, values) in enumerate(zip(middles, spread)):
        if len(values) > 1 and middle < limit:
            axis.plot([min(values), min(max(values), limit)], [place, place], color="#222222", linewidth=1)
        cut = " (bar cut)" if middle > limit else ""
        end = min(max(middle, max(values)), limit)
        axis.text(
            end + 0.015 * limit,
            place,
            f"{middle:{',.0f' if middle >= 1000 else '.3g'}}{cut}",
            va="center",
            fontsize=8.5,
        )
    axis.set_yticks(range(len(peers)), [PEERS[peer] for peer in peers], fontsize=8.5)
    for label, peer in zip(axis.get_yticklabels(), peers):
        label.set_fontweight("bold" if peer == OURS else "normal")
    axis.set_xlim(0, 1.22 * limit)
    axis.set_title(textwrap.fill(models.SPECS[model].title, 50), fontsize=9.5, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(axis="x", labelsize=8)
