"""Training one and the same model twice, eagerly and replayed, and comparing everything that training leaves behind."""

import sys
import warnings
from contextlib import contextmanager

import numpy as np
import torch

from mixing_models import training_steps
from tandem import keras
from tandem.engine import replay
from tandem.engine.replay import Step


@contextmanager
def machine_code(flag):
    """Let programs that are made inside use machine code of our own (whose last bits differ), or the library alone."""
    before = replay.NATIVE_AFTER
    replay.NATIVE_AFTER = 1 if flag else sys.maxsize
    try:
        yield
    finally:
        replay.NATIVE_AFTER = before


def _results(make, x, y, settings, *, epochs, batch_size, eager, drive=None, seed=3, **fit):
    """What one of the two trainings gives: a dict of lists of arrays."""
    keras.utils.clear_session(free_memory=False)  # collecting garbage would take most of the time
    keras.utils.set_random_seed(seed)
    model = make()
    model.compile(**settings(), run_eagerly=eager)
    keras.utils.set_random_seed(seed + 1)
    if drive is None:
        history = model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0, **fit).history
    else:
        history = drive(model)
    weights = fit.get("sample_weight") if np.ndim(fit.get("sample_weight")) else None
    found = {
        "history": [np.asarray(history[name], "float64") for name in sorted(history)],
        "weights": model.get_weights(),
        "evaluation": flat([model.evaluate(x, y, batch_size=batch_size, sample_weight=weights, verbose=0)]),
        "prediction": flat(model.predict(x, batch_size=batch_size, verbose=0)),
        "states": [variable.numpy() for metric in model.metrics for variable in metric.variables],
        "optimizer": [variable.numpy() for variable in model.optimizer.variables],
        "random": [torch.get_rng_state().numpy()],
    }
    return model, found


def flat(tree):
    if isinstance(tree, dict):
        tree = list(tree.values())
    return [leaf for item in tree for leaf in flat(item)] if isinstance(tree, (list, tuple)) else [tree]


def programs(model):
    """How many programs stand behind a model's training, evaluation and prediction."""
    counts = [len(step.programs) for step in training_steps(model)]
    for function in (model.test_function, model.predict_function):
        cells = [cell.cell_contents for cell in function.__closure__]
        counts += [len(step.programs) for step in cells if isinstance(step, Step)]
    return counts


def compare(make, x, y, settings, *, epochs=3, batch_size=4, tolerance=0.0, expected=(1, 1, 1), native=False, **fit):
    """Train the model that `make` gives twice, with `compile(**settings())`, and hold all results equal.

    tolerance: see `same`; native: whether replays may be machine code of our own; expected: how many programs training,
    evaluation and prediction have (None: not looked at); fit: more arguments of `fit`, or drive=function(model) ->
    history in its place. Returns the replayed model.
    """
    arguments = {"epochs": epochs, "batch_size": batch_size, **fit}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, wanted = _results(make, x, y, settings, eager=True, **arguments)
        with machine_code(native):
            model, found = _results(make, x, y, settings, eager=False, **arguments)
    if expected is not None:
        assert tuple(programs(model)) == expected
    same(found, wanted, tolerance)
    assert all(np.isfinite(value).all() for value in found["weights"])
    return model


def same(found, wanted, tolerance=0.0):
    """Hold two dicts of lists of arrays equal, NaN to NaN: to the last bit, or within a tolerance.

    tolerance: of a number, relative to it and absolute; whole numbers, and the states of generators, are equal always.
    """
    assert list(found) == list(wanted)
    for what, values in wanted.items():
        assert len(found[what]) == len(values), what
        for number, (mine, theirs) in enumerate(zip(found[what], values, strict=True)):
            label = f"{what} {number}"
            mine, theirs = np.asarray(mine), np.asarray(theirs)
            assert mine.dtype == theirs.dtype, label
            if tolerance and mine.dtype.kind == "f":
                np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance, err_msg=label)
            else:
                np.testing.assert_array_equal(mine, theirs, err_msg=label)
