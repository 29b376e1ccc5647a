"""Callbacks: the real Keras's order of calls and decisions."""

import csv
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from oracles import real_keras
from tandem import keras
from tandem.keras import callbacks
from tandem.keras.callbacks.callback import HOOKS
from tandem.keras.trainers.logs import LazyLogs

X = np.linspace(-1, 1, 24, dtype="float32").reshape(12, 2)
Y = X.sum(1, keepdims=True)


def _model(K=keras, rate=0.1):
    model = K.Sequential([K.Input((2,)), K.layers.Dense(1)])
    model.compile(K.optimizers.SGD(rate), "mse", metrics=["mae", "accuracy"])
    model.set_weights([np.array([[0.5], [0.25]]), np.zeros(1)])
    return model


def _listener(K, heard):
    """A callback that writes down each call, and the names of what it was given."""

    def note(hook):
        def call(self, *args, **named):
            given = (*args, *named.values())
            heard.append((hook, *[sorted(value) if isinstance(value, dict) else value for value in given]))

        return call

    return type("Listener", (K.callbacks.Callback,), {hook: note(hook) for hook in HOOKS})()


@pytest.mark.oracle
def test_order_of_calls_is_kerass():
    def run(K):
        heard = []
        model = _model(K)
        listener = _listener(K, heard)
        model.fit(X, Y, batch_size=5, epochs=2, validation_data=(X, Y), verbose=0, callbacks=[listener])
        heard.append(dict(listener.params))
        model.evaluate(X, Y, verbose=0, callbacks=[listener])
        model.predict(X, batch_size=8, verbose=0, callbacks=[listener])
        return heard, listener.params

    assert run(keras) == run(real_keras())


def test_logs_are_numbers():
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            assert isinstance(logs, dict)
            seen.append(logs["loss"])
            assert type(logs["loss"]) is float
            assert json.loads(json.dumps(logs)) == dict(logs)

        def on_predict_batch_end(self, batch, logs=None):
            seen.append(logs["outputs"])

    model = _model()
    history = model.fit(X, Y, batch_size=4, verbose=0, callbacks=[Look()])
    assert seen[-1] == history.history["loss"][0]
    model.predict(X, batch_size=8, verbose=0, callbacks=[Look()])
    assert [part.shape for part in seen[3:]] == [(8, 1), (4, 1)]


def test_logs_that_are_kept_stay_as_they_were():
    kept, looked = [], []
    keep = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: kept.append(logs))
    look = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: looked.append(dict(logs)))
    _model().fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=[keep])
    _model().fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=[look])
    assert [dict(logs) for logs in kept] == looked
    assert len({logs["loss"] for logs in kept}) == 6


def test_lazy_logs_are_a_dict():
    def make():
        return LazyLogs(lambda: {"a": 1.0, "b": 2.0})

    assert make() == {"a": 1.0, "b": 2.0}
    assert make() == {"a": 1.0, "b": 2.0}
    assert dict(make()) == {**make()} == make().copy() == {"a": 1.0, "b": 2.0}
    assert (make() | {"c": 3}) == {"a": 1.0, "b": 2.0, "c": 3}
    assert len(make()) == 2
    assert "a" in make()
    assert list(make()) == ["a", "b"]
    assert make().get("b") == 2.0
    assert bool(make())
    assert repr(make()) == "{'a': 1.0, 'b': 2.0}"
    changed = make()
    changed["c"] = 3
    changed.update(d=4)
    assert list(changed.items()) == [("a", 1.0), ("b", 2.0), ("c", 3), ("d", 4)]
    target = {}
    target.update(make())
    assert target == {"a": 1.0, "b": 2.0}


def test_what_a_callback_adds_reaches_the_history():
    class Add(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["extra"] = epoch

    history = _model().fit(X, Y, epochs=2, verbose=0, callbacks=[[Add()]])
    assert history.history["extra"] == [0, 1]


@pytest.mark.parametrize("edge", ["train_batch_end", "epoch_begin"])
def test_stop_training(edge):
    class Stop(keras.callbacks.Callback):
        def _stop(self, number, logs=None):
            self.model.stop_training = number == 1

    setattr(Stop, f"on_{edge}", Stop._stop)
    heard = []
    model = _model()
    model.fit(X, Y, batch_size=4, epochs=5, verbose=0, callbacks=[Stop(), _listener(keras, heard)])
    batches = [call for call in heard if call[0] == "on_train_batch_end"]
    # A stop after a batch ends the epoch there; one before the first batch ends it after that.
    assert len(batches) == (2 if edge == "train_batch_end" else 4)
    assert heard[-1][0] == "on_train_end"


@pytest.mark.parametrize("wrong", [3, callbacks.History])
def test_what_is_no_callback(wrong):
    with pytest.raises(TypeError, match="callback"):
        _model().fit(X, Y, verbose=0, callbacks=[wrong])


# --- decisions -------------------------------------------------------------------------------------------------------

VALUES = (0.9, 0.8, 0.85, 0.81, 0.8, 0.7, 0.9, 0.95, 0.99)
LOGS = [{"loss": value, "val_loss": value + 1, "accuracy": 1 - value} for value in VALUES]


def _drive(K, make, text, logs=LOGS):
    """What a callback says, decides and keeps, over given values."""
    model = _model(K, 0.5)
    model.fit(X, Y, verbose=0)
    callback = make(K.callbacks)
    callback.set_model(model)
    callback.set_params({"epochs": len(logs), "verbose": 1, "steps": 3})
    callback.on_train_begin()
    rates, stopped = [], None
    for epoch, values in enumerate(logs):
        values = dict(values)
        callback.on_epoch_begin(epoch)
        callback.on_train_batch_end(0, values)
        callback.on_epoch_end(epoch, values)
        rates.append(float(np.asarray(model.optimizer.learning_rate)))
        if model.stop_training:
            stopped = epoch
            break
    callback.on_train_end()
    kept = {
        name: getattr(callback, name, None) for name in ("best", "wait", "stopped_epoch", "best_epoch", "min_delta")
    }
    return stopped, rates, kept, text()


PLANS = {
    "patience": lambda c: c.EarlyStopping(patience=2, verbose=1),
    "best weights": lambda c: c.EarlyStopping(
        "loss", patience=3, verbose=1, restore_best_weights=True, min_delta=0.01, baseline=0.95, start_from_epoch=1
    ),
    "direction of a metric": lambda c: c.EarlyStopping("accuracy", verbose=1, restore_best_weights=True),
    "a baseline that is not reached": lambda c: c.EarlyStopping(
        "loss", mode="max", baseline=2.0, restore_best_weights=True, verbose=1, patience=2
    ),
    "plateau": lambda c: c.ReduceLROnPlateau("loss", patience=1, verbose=1, factor=0.5, cooldown=1, min_lr=0.2),
    "plateau of a metric": lambda c: c.ReduceLROnPlateau("accuracy", patience=0, verbose=1, factor=0.9),
    "schedule": lambda c: c.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1), verbose=1),
    "schedule of the rate": lambda c: c.LearningRateScheduler(lambda epoch, rate: rate * 0.5),
    "not a number": lambda c: c.TerminateOnNaN(),
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", list(PLANS))
def test_decisions_are_kerass(name, capsys):
    logs = [*LOGS[:2], {"loss": float("nan"), "val_loss": 1.0, "accuracy": 0.5}] if name == "not a number" else LOGS

    def text():
        return capsys.readouterr().out

    assert _drive(keras, PLANS[name], text, logs) == _drive(real_keras(), PLANS[name], text, logs)


def test_what_is_not_watched():
    with pytest.warns(UserWarning, match=r"metric `nope` which is not available.*loss,val_loss,accuracy"):
        _drive(keras, lambda c: c.EarlyStopping("nope", mode="min"), str)
    with pytest.raises(ValueError, match="mode='max'"):
        _drive(keras, lambda c: c.EarlyStopping("nope"), str)
    with pytest.warns(UserWarning, match="fallback to auto"):
        callbacks.EarlyStopping(mode="best")
    with pytest.raises(ValueError, match=r"factor >= 1\.0"):
        callbacks.ReduceLROnPlateau(factor=1.0)
    with pytest.raises(ValueError, match="should be a float"):
        _drive(keras, lambda c: c.LearningRateScheduler(lambda epoch: "fast"), str)
    with pytest.raises(RuntimeError, match="batch 0"):
        _drive(keras, lambda c: c.TerminateOnNaN(raise_error=True), str, [{"loss": float("inf")}])


def test_a_schedule_that_cannot_be_set():
    model = _model()
    model.compile(keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)), "mse")
    with pytest.raises(TypeError, match="LearningRateSchedule"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch: 0.1)])


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(monkeypatch):
    """The paths that a model was saved to."""
    paths = []
    for method in ("save", "save_weights"):
        monkeypatch.setattr(
            keras.Sequential, method, lambda self, path, overwrite=True: paths.append(path), raising=False
        )
    return paths


def test_checkpoints(saved, tmp_path, capsys):
    best = callbacks.ModelCheckpoint(tmp_path / "m{epoch:02d}-{val_loss:.2f}.keras", verbose=1, save_best_only=True)
    _drive(keras, lambda c: best, str)
    names = [path.rsplit("/", 1)[1] for path in saved]
    assert names == ["m01-1.90.keras", "m02-1.80.keras", "m06-1.70.keras"]
    text = capsys.readouterr().out
    assert f"\nEpoch 2: val_loss improved from 1.90000 to 1.80000, saving model to {saved[1]}\n" in text
    assert "\nEpoch 3: val_loss did not improve from 1.80000\n" in text
    saved.clear()
    often = callbacks.ModelCheckpoint(str(tmp_path / "w{batch}.weights.h5"), save_weights_only=True, save_freq=2)
    _model().fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[often])
    assert [path.rsplit("/", 1)[1] for path in saved] == ["w2.weights.h5", "w1.weights.h5", "w3.weights.h5"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"filepath": "a.txt"}, ValueError, r"must end in `\.keras`"),
        ({"filepath": "a.keras", "save_weights_only": True}, ValueError, r"\.weights\.h5"),
        ({"filepath": "a.keras", "save_freq": "batch"}, ValueError, "save_freq"),
        ({"filepath": "a{nope}.keras"}, KeyError, "nope"),
    ],
)
def test_checkpoints_that_cannot_be(saved, arguments, error, message):
    with pytest.raises(error, match=message):
        _drive(keras, lambda c: c.ModelCheckpoint(**arguments), str)


def test_tables(tmp_path):
    path = tmp_path / "log.csv"
    _model().fit(X, Y, epochs=2, verbose=0, validation_data=(X, Y), callbacks=[callbacks.CSVLogger(path)])
    history = _model().fit(X, Y, epochs=1, verbose=0, callbacks=[callbacks.CSVLogger(path, append=True)])
    with open(path) as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "0"]
    assert list(rows[0]) == ["epoch", "accuracy", "loss", "mae", "val_accuracy", "val_loss", "val_mae"]
    assert float(rows[2]["loss"]) == history.history["loss"][0]
    assert rows[2]["val_loss"] == "NA"


def test_remote_monitor():
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    monitor = callbacks.RemoteMonitor(f"http://127.0.0.1:{server.server_port}", send_as_json=True)
    monitor.on_epoch_end(3, {"loss": np.float32(0.5)})
    thread.join(5)
    server.server_close()
    assert got == [{"epoch": 3, "loss": 0.5}]
    with pytest.warns(UserWarning, match="Could not reach"):
        monitor.on_epoch_end(4, {})


@pytest.mark.oracle
@pytest.mark.parametrize("on_epoch", [False, True])
def test_averaged_weights_are_evaluated(on_epoch):
    def run(K):
        model = _model(K)
        model.compile(K.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), "mse")
        swap = K.callbacks.SwapEMAWeights(swap_on_epoch=on_epoch)
        settings = {"batch_size": 4, "epochs": 3, "shuffle": False, "verbose": 0, "validation_data": (X, Y)}
        return model.fit(X, Y, callbacks=[swap], **settings).history, model.get_weights()

    (history, weights), (wanted, real) = run(keras), run(real_keras())
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(history[name], wanted[name], atol=1e-5, err_msg=name)
    for mine, theirs in zip(weights, real, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_averaged_weights_need_averages():
    with pytest.raises(ValueError, match="use_ema=True"):
        _model().fit(X, Y, verbose=0, validation_data=(X, Y), callbacks=[callbacks.SwapEMAWeights()])
