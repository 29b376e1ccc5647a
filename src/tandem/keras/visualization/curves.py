"""Curves and matrices of training and evaluation. They are Tandem's own: Keras has none."""

import numpy as np

from tandem.keras import ops, tensors
from tandem.keras.visualization.drawing import need
from tandem.ops import drawing, scores


def _axes(ax, function, size=(5, 4)):
    plt = need("matplotlib.pyplot", function, "plot")
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def plot_history(history, metrics=None, axes=None):
    """The curves of what a `fit` gave, training and validation in one picture for each loss and metric.

    history: a `History`, its `history`, or another dict of lists; metrics: the names to plot, by default all; axes:
    matplotlib's, one to a name, by default those of a new figure. Gives the axes. Raises ValueError for names that are
    not there.
    """
    values = getattr(history, "history", history)
    epochs = getattr(history, "epoch", None)
    names = [name for name in values if not name.startswith("val_")] if metrics is None else list(metrics)
    unknown = [name for name in names if name not in values]
    if unknown or not names:
        raise ValueError(f"There are no values of {unknown or 'any epoch'} to plot. There are: {list(values)}")
    if axes is None:
        plt = need("matplotlib.pyplot", "plot_history", "plot")
        figure = plt.figure(figsize=(4.5 * len(names), 3.5), layout="constrained")
        axes = figure.subplots(1, len(names), squeeze=False)[0]
    axes = np.atleast_1d(axes)
    for name, ax in zip(names, axes, strict=True):
        for label, line in (("training", values[name]), ("validation", values.get(f"val_{name}"))):
            if line is not None:
                x = _epochs_of(len(line), epochs)
                ax.plot(x, line, label=label, marker="o" if len(line) == 1 else None)
        ax.set(xlabel="epoch", ylabel=name, title=name)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend()
    return axes


def _epochs_of(count, epochs):
    """The epochs, from 1, after which `count` values were taken: all, or with `validation_freq` every few."""
    numbers = list(range(1, count + 1)) if epochs is None else [epoch + 1 for epoch in epochs]
    every = max(1, len(numbers) // count)
    found = [number for number in numbers if number % every == 0]
    return found if len(found) == count else numbers[-count:]


def plot_confusion_matrix(y_true, y_pred, labels=None, normalize=False, ax=None):
    """How often each class (a row) was taken for each (a column).

    y_true: class numbers (n,), or one-hot rows; y_pred: class numbers, or a score to a class (n, classes); labels: the
    classes' names; normalize: shares of each row. Gives matplotlib's axes.
    """
    ax = _axes(ax, "plot_confusion_matrix")
    true, predicted = (_class_numbers(y) for y in (y_true, y_pred))
    count = len(labels) if labels is not None else int(max(true.max(), predicted.max())) + 1
    matrix = ops.convert_to_numpy(scores.confusion_matrix(true, predicted, count))
    shown = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1) if normalize else matrix
    ax.imshow(shown, cmap="Blues", vmin=0)
    for row in range(count):
        for column in range(count):
            text = f"{shown[row, column]:.2f}" if normalize else f"{int(matrix[row, column])}"
            colour = "white" if shown[row, column] > shown.max() / 2 else "black"
            ax.text(column, row, text, ha="center", va="center", color=colour)
    names = list(labels) if labels is not None else range(count)
    ax.set_xticks(range(count), names)
    ax.set_yticks(range(count), names)
    ax.set(xlabel="predicted", ylabel="true")
    return ax


def _class_numbers(y):
    y = tensors.convert(ops.convert_to_numpy(y))
    return ops.argmax(y, axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else ops.cast(ops.reshape(y, (-1,)), "int64")


def _one_against_others(y_true, y_pred):
    """[(label or None, targets 0 or 1, scores)]: one curve for scores (n,) or (n, 1), else one to a class."""
    y_pred = tensors.convert(ops.convert_to_numpy(y_pred))
    if y_pred.ndim == 1 or y_pred.shape[-1] == 1:
        return [(None, ops.reshape(tensors.convert(ops.convert_to_numpy(y_true)), (-1,)), ops.reshape(y_pred, (-1,)))]
    numbers = _class_numbers(y_true)
    return [(number, ops.equal(numbers, number), y_pred[:, number]) for number in range(y_pred.shape[-1])]


def _curves(y_true, y_pred, labels, ax, points, say):
    for number, targets, values in _one_against_others(y_true, y_pred):
        x, y, area = points(targets, values)
        name = "" if number is None else f"{labels[number] if labels is not None else number}, "
        ax.plot(x, y, label=f"{name}{say} {float(area):.3f}")
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.05), aspect="equal")
    ax.legend()


def plot_roc_curve(y_true, y_pred, labels=None, ax=None):
    """The rate of true positives over that of false ones, for all thresholds, with the area below.

    y_true: 0 or 1, or with scores of several classes their numbers or one-hot rows; y_pred: scores (n,), (n, 1), or
    (n, classes), of which each class has a curve against the others; labels: the classes' names. Gives the axes.
    """
    ax = _axes(ax, "plot_roc_curve", (4.5, 4.5))

    def points(targets, values):
        x, y, _ = drawing.roc(targets, values)
        return x, y, drawing.area(x, y)

    ax.plot([0, 1], [0, 1], color="grey", linestyle=":")
    _curves(y_true, y_pred, labels, ax, points, "area")
    ax.set(xlabel="false positive rate", ylabel="true positive rate")
    return ax


def plot_precision_recall_curve(y_true, y_pred, labels=None, ax=None):
    """Precision over recall, for all thresholds, with the average precision; arguments as for `plot_roc_curve`."""
    ax = _axes(ax, "plot_precision_recall_curve", (4.5, 4.5))

    def points(targets, values):
        precision, recall, _ = drawing.precision_recall(targets, values)
        return recall, precision, drawing.steps(recall, precision)

    _curves(y_true, y_pred, labels, ax, points, "average precision")
    ax.set(xlabel="recall", ylabel="precision")
    return ax
