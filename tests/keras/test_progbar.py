"""The progress display: the real Keras's text, character by character."""

import copy
import importlib
import logging
import random
import re

import numpy as np
import pytest

from oracles import real_keras
from tandem import keras
from tandem.keras.utils import progbar


class Clock:
    """A clock that stands still."""

    now = 1000.0

    def time(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progbar, "time", clock)
    return clock


def _plan(seed):
    """Settings of a bar, and (seconds to wait, steps done, values, whether it is the end) of some updates."""
    draw = random.Random(seed)
    settings = {
        "target": draw.choice([None, 1, 5, 10, 37, 1000, 12345]),
        "verbose": draw.choice([0, 1, 1, 1, 2]),
        "width": draw.choice([20, 30, 7]),
        "unit_name": draw.choice(["step", "sample"]),
    }
    named = draw.choice([None, "stateful_metrics", "stateless_metrics"])
    if named:
        settings[named] = ["a"]
    updates, done = [], 0
    for _ in range(draw.randint(1, 10)):
        done += draw.choice([0, 1, 1, 1, 2, 50])
        values = [0.0, 1.0, 1e-5, -3e-4, float("nan"), draw.random() * 10 ** draw.uniform(-6, 6), np.float32(2.5)]
        shown = [(name, draw.choice(values)) for name in "abc" if draw.random() < 0.8]
        wait = 10 ** draw.uniform(-6, 5) if draw.random() < 0.7 else 0.06
        updates.append((wait, done, shown, draw.choice([None, None, None, False, True])))
    return settings, updates


@pytest.mark.oracle
def test_text_is_kerass(clock, monkeypatch, capsys):
    real_keras()
    real = importlib.import_module("keras.src.utils.progbar")
    monkeypatch.setattr(real, "time", clock)
    for seed in range(80):
        settings, updates = _plan(seed)
        texts = []
        for kind in (real.Progbar, progbar.Progbar):
            clock.now = 1000.0
            bar = kind(**settings)
            for wait, done, values, finalize in copy.deepcopy(updates):
                clock.now += wait
                bar.update(done, values, finalize=finalize)
            texts.append(capsys.readouterr().out)
        assert texts[0] == texts[1], settings


def test_two_lists_of_names_exclude_each_other():
    with pytest.raises(ValueError, match="stateless_metrics"):
        progbar.Progbar(3, stateful_metrics=["a"], stateless_metrics=["b"])


def _model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


X = np.ones((12, 2), "float32")


def _plain(text):
    """A display without backspaces, colours and the bar, each on its line; times are all 1."""
    lines = re.sub(r"\x08+\r?|\r", "\n", re.sub(r"\x1b\[\d+m|━", "", text)).split("\n")
    return [re.sub(r"\d+(us|ms|s)\b", "1s", line).strip() for line in lines if line.strip()]


def test_what_fit_shows(capsys):
    model = _model()
    model.fit(X, X[:, :1], batch_size=4, epochs=2, verbose=1, validation_data=(X, X[:, :1]))
    lines = _plain(capsys.readouterr().out)
    assert lines[0] == "Epoch 1/2"
    assert re.fullmatch(r"1/3\s+1s 1s/step - loss: [\d.]+ - mae: [\d.]+", lines[1])
    end = r"3/3\s+1s 1s/step - loss: [\d.]+ - mae: [\d.]+ - val_loss: [\d.]+ - val_mae: [\d.]+"
    assert re.fullmatch(end, lines[lines.index("Epoch 2/2") - 1])
    assert re.fullmatch(end, lines[-1])
    model.fit(X, X[:, :1], batch_size=4, epochs=2, verbose=2)
    lines = _plain(capsys.readouterr().out)
    assert lines[0] == "Epoch 1/2"
    assert re.fullmatch(r"3/3 - 1s - 1s/step - loss: [\d.]+ - mae: [\d.]+", lines[1])
    assert len(lines) == 4
    model.fit(X, X[:, :1], verbose=0)
    model.evaluate(X, X[:, :1], verbose=0)
    model.predict(X, verbose=0)
    assert capsys.readouterr().out == ""


def test_a_number_of_batches_that_is_not_known(capsys):
    def batches():
        for _ in range(3):
            yield X[:4], X[:4, :1]

    with pytest.warns(UserWarning, match="ran out of data"):
        _model().fit(batches(), epochs=1, shuffle=False)
    lines = _plain(capsys.readouterr().out)
    assert lines[0].startswith("1/Unknown 1s 1s/step - loss:")
    assert lines[-1].startswith("3/3")


def test_messages_can_go_to_the_log(caplog, capsys):
    keras.config.disable_interactive_logging()
    try:
        with caplog.at_level(logging.INFO, "tandem.keras"):
            _model().fit(X, X[:, :1], verbose=2)
    finally:
        keras.config.enable_interactive_logging()
    assert capsys.readouterr().out == ""
    assert "1/1 - 0s" in caplog.text
