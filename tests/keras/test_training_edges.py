"""What training, callbacks and saving do in rarer cases, held against real Keras."""

import numpy as np
import pytest
from tests.oracles import real_keras

from tandem import keras

X = np.random.RandomState(0).rand(10, 3).astype("float32")
Y = X[:, :1] * 2


def _model(room, optimizer="sgd", **compiled):
    model = room.Sequential([room.layers.Input((3,)), room.layers.Dense(1, kernel_initializer="ones")])
    model.compile(optimizer, "mse", **compiled)
    return model


def test_hooks_at_batches_with_several_steps_at_once():
    seen = []
    hooks = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen.append(("begin", batch)),
        on_train_batch_end=lambda batch, logs: seen.append(("end", batch)),
    )
    model = _model(keras, steps_per_execution=3)
    model.fit(X, Y, batch_size=2, shuffle=False, verbose=0, callbacks=[hooks])
    assert seen == [("begin", 0), ("end", 2), ("begin", 3), ("end", 4)]
    assert int(model.optimizer.iterations.numpy()) == 5


def test_no_steps_are_all_steps():
    found = [_model(room).fit(X, Y, 4, 2, 0, steps_per_epoch=0, shuffle=False) for room in (keras, real_keras())]
    np.testing.assert_allclose(found[0].history["loss"], found[1].history["loss"], rtol=1e-5)
    assert found[0].params == found[1].params


@pytest.mark.parametrize("given", [3.0, [1.0], None])
def test_a_step_that_gives_no_logs_is_an_error(given):
    class Model(keras.Model):
        def train_step(self, data):
            return given

        def test_step(self, data):
            return given

    inputs = keras.Input((3,))
    model = Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", "mse")
    for run in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(TypeError, match=r"gives no logs"):
            run(X, Y)


def test_every_loss_has_its_weight():
    for room in (keras, real_keras()):
        inputs = room.Input((3,))
        model = room.Model(inputs, [room.layers.Dense(1)(inputs), room.layers.Dense(1)(inputs)])
        model.compile("sgd", ["mse", "mse"], loss_weights=[1.0])
        with pytest.raises(ValueError, match="`loss_weights` must match the number of losses, got 2 losses and 1"):
            model.fit(X, [Y, Y], verbose=0)


def test_callbacks_after_the_swap_see_the_averages_in_the_last_epoch_too():
    def run(room):
        seen = []
        look = room.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.extend(model.get_weights()))
        model = _model(room, room.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
        swap = room.callbacks.SwapEMAWeights(swap_on_epoch=True)
        model.fit(X, Y, batch_size=5, epochs=2, shuffle=False, verbose=0, callbacks=[swap, look])
        return [*seen, *model.get_weights()]

    for one, other in zip(run(keras), run(real_keras()), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_list_of_callbacks_has_the_older_names():
    for room in (keras, real_keras()):
        seen = []

        class Spy(room.callbacks.Callback):
            def on_train_batch_begin(self, batch, logs=None, seen=seen):
                seen.append("newer")

            def on_batch_begin(self, batch, logs=None, seen=seen):
                seen.append("older")

        room.callbacks.CallbackList([Spy()], model=_model(room)).on_batch_begin(1)
        assert seen == ["older"]


def test_a_model_with_a_lambda_for_activation_is_saved(tmp_path):
    path = tmp_path / "x.keras"
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2, activation=lambda x: x * 3)])
    with pytest.warns(UserWarning, match="includes a `lambda`"):
        model.save(path)
    with pytest.raises(ValueError, match="safe_mode"):
        keras.models.load_model(path)
    for room in (keras, real_keras()):  # ours has the function itself
        loaded = room.models.load_model(path, safe_mode=False)
        np.testing.assert_allclose(loaded.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5)


def test_a_clone_takes_as_many_inputs_as_the_model():
    for room in (keras, real_keras()):
        inputs = room.Input((3,))
        model = room.Model(inputs, room.layers.Dense(1)(inputs))
        with pytest.raises(ValueError, match="`input_tensors` must have the same structure"):
            room.models.clone_model(model, input_tensors=[room.Input((3,)), room.Input((3,))])


def test_functions_are_named_in_snake_case_in_the_logs():
    def meanError(y_true, y_pred):
        return abs(y_true - y_pred)

    def run(room):
        inputs = room.Input((3,))
        model = room.Model(inputs, [room.layers.Dense(1, name=name)(inputs) for name in ("one", "two")])
        metrics = [[meanError, lambda a, b: b], [room.metrics.MeanSquaredError(name="Mine")]]
        model.compile("sgd", ["mse", meanError], metrics=metrics)
        return model.fit(X, [Y, Y], verbose=0).history

    room, real = run(keras), run(real_keras())
    assert list(room) == list(real)
    # Keras 2's scripts ask for the function's own name.
    model = _model(keras, metrics=[meanError])
    stop = keras.callbacks.EarlyStopping("val_meanError", mode="min", patience=1)
    with pytest.warns(DeprecationWarning, match="mean_error"):
        history = model.fit(X, Y, validation_data=(X, Y), verbose=0, callbacks=[stop]).history
        assert history["meanError"] == history["mean_error"]
    assert stop.best == history["val_mean_error"][0]


def test_names():
    for room in (keras, real_keras()):
        room.backend.clear_session()
        assert room.layers.Dense(1).name == "dense"
        assert room.backend.get_uid("dense") == 2  # one count for both
        assert room.layers.Dense(1).name == "dense_2"
        with pytest.raises(ValueError, match="Argument `name` must be a string and cannot contain character `/`"):
            room.layers.Dense(1, name="a/b")


class _Nothing(keras.utils.PyDataset):
    def __len__(self):
        return 0

    def __getitem__(self, index):
        raise IndexError


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
@pytest.mark.parametrize("data", [lambda: (np.zeros((0, 3)), np.zeros((0, 1))), lambda: (_Nothing(),)])
def test_a_model_that_saw_no_batch_refuses_data_without_one(method, data):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    given = data()[:1] if method == "predict" else data()
    with pytest.raises(ValueError, match="no batch"):
        getattr(model, method)(*given, verbose=0)


def test_a_model_that_saw_batches_has_no_logs_of_none():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.zeros((4, 3)), np.zeros((4, 1)), verbose=0)
    assert model.fit(_Nothing(), verbose=0).history == {}
    assert model.evaluate(_Nothing(), verbose=0) == []
    nothing = np.zeros((0, 3)), np.zeros((0, 1))
    assert model.fit(*nothing, shuffle=False, verbose=0).history == {}
    with pytest.raises(ValueError, match="no batch"):
        model.fit(*nothing, verbose=0)


def _stacked(room, kinds):
    class Cell(room.layers.Layer):
        """A cell that gives its states in a list, whatever it was given."""

        def __init__(self, units, number):
            super().__init__()
            self.number, self.state_size = number, units if number == 1 else [units] * number

        def call(self, inputs, states):
            output = room.ops.tanh(inputs[:, :2] + states[0])
            return output, [output] * self.number

    ones = {"kernel_initializer": "ones", "recurrent_initializer": "ones"}
    makers = {"lstm": lambda: room.layers.LSTMCell(2, **ones), "gru": lambda: room.layers.GRUCell(2, **ones)}
    return [makers[kind]() if kind in makers else Cell(2, kind) for kind in kinds]


def _structure(value):
    if isinstance(value, (list, tuple)):
        return type(value)(_structure(item) for item in value)
    return np.round(np.asarray(value.detach()), 4).tolist().__repr__()


@pytest.mark.parametrize("kinds", [(1, 1), (2, 1), ("gru", 1), ("gru", "lstm"), (1,), (2,), ("gru",), ("lstm",)])
def test_states_of_stacked_cells_are_structured_as_keras_own(kinds):
    given = []
    for room in (keras, real_keras()):
        x = room.ops.convert_to_tensor(X.reshape(2, 5, 3))
        stack = room.layers.StackedRNNCells(_stacked(room, kinds))
        begin = stack.get_initial_state(2)
        rnn = room.layers.RNN(_stacked(room, kinds), return_state=True)
        first = rnn(x)
        again = rnn(x, initial_state=list(first[1:]))
        given.append([_structure(part) for part in (begin, stack(x[:, 0], begin), first, again)])
    assert given[0] == given[1]
