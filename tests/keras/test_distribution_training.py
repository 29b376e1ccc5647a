"""`DataParallel` over two processes against one process that has the whole batches."""

import numpy as np
import pytest
from tests.processes import together

from tandem import keras
from tandem.engine.distributed import group
from tandem.keras import layers


def _data(rows=37):
    random = np.random.default_rng(5)
    x = random.normal(size=(rows, 6)).astype("float32")
    return x, random.integers(0, 3, size=(rows,)), random.uniform(0.5, 2, size=(rows,)).astype("float32")


def _plain():
    return keras.Sequential([layers.Input((6,)), layers.Dense(8, activation="tanh"), layers.Dense(3)])


def _normalized():
    last = layers.Dense(3, kernel_regularizer="l2")
    return keras.Sequential([layers.Input((6,)), layers.Dense(8), layers.BatchNormalization(momentum=0.5), last])


def _numbers(value):
    return np.asarray(value, np.float64).tolist()


def _fitted(build, distributed=True, optimizer="adam", batch_size=8, loss=None, **fit):
    x, y, weights = _data()
    if distributed:
        keras.distribution.set_distribution(keras.distribution.DataParallel())
        # Weights and orders come from the first process.
        keras.utils.set_random_seed(7 + 100 * group.rank())
    else:
        keras.utils.set_random_seed(7)
    model = build()
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], weighted_metrics=["accuracy"])
    arguments = {"epochs": 3, "verbose": 0, "validation_split": 0.2, **fit}
    if arguments.pop("weighted", True):
        arguments["sample_weight"] = weights
    history = model.fit(x, y, batch_size=batch_size, **arguments).history
    batch = model.train_on_batch(x[:5], y[:5])
    return {
        "history": {name: _numbers(values) for name, values in history.items()},
        "batch": _numbers(batch),
        "evaluated": _numbers(model.evaluate(x, y, batch_size=9, verbose=0)),
        "predicted": _numbers(model.predict(x, batch_size=9, verbose=0)),
        "one": _numbers(model.predict_on_batch(x[:1])),
        "weights": [_numbers(weight) for weight in model.get_weights()],
        "eager": [list(step.refusals) for step in _steps(model)],
    }


def _steps(model):
    return [
        cell.cell_contents.step
        for cell in model._training.train_step.__closure__
        if hasattr(cell.cell_contents, "plan") and hasattr(cell.cell_contents, "step")
    ]


def _same(found, expected, tolerance=1e-5):
    assert found.keys() == expected.keys()
    for name in ("batch", "evaluated", "predicted", "one"):
        np.testing.assert_allclose(found[name], expected[name], rtol=tolerance, atol=tolerance, err_msg=name)
    for name, values in expected["history"].items():
        np.testing.assert_allclose(found["history"][name], values, rtol=tolerance, atol=tolerance, err_msg=name)
    for weight, value in zip(found["weights"], expected["weights"], strict=True):
        np.testing.assert_allclose(weight, value, rtol=10 * tolerance, atol=10 * tolerance)


def _compare(build, **settings):
    (expected,) = together(_only, build, settings, count=1)
    for found in together(_in_parts, build, settings):
        assert found["eager"] == [[]]
        _same({**found, "eager": []}, expected)


def _only(build, settings):
    return _fitted(build, distributed=False, **settings)


def _in_parts(build, settings):
    return _fitted(build, **settings)


def test_two_processes_learn_what_one_learns():
    _compare(_plain)


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum"), "optimizer": "sgd",
         "batch_size": 1, "epochs": 1},
        {"loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")},
        {"optimizer": keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.5), "weighted": False},
        {"steps_per_epoch": 2, "shuffle": "batch"},
    ],
    ids=["sum", "weights", "clipped", "steps"],
)  # fmt: skip
def test_other_losses_and_optimizers(settings):
    _compare(_plain, **settings)


def test_batch_normalization_sees_the_whole_batch():
    _compare(_normalized, optimizer="sgd")  # Adam makes steps of the rounding of a gradient that is 0


class _OwnStep(keras.Model):
    """A step that computes its gradients itself, and its loss without `compute_loss`."""

    def __init__(self):
        super().__init__()
        self.inner = _plain()

    def call(self, x):
        return self.inner(x)

    def train_step(self, data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        y_pred = self(x, training=True)
        loss = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, y_pred, from_logits=True))
        loss.backward()
        variables = self.trainable_variables
        self.optimizer.apply([variable.value.grad for variable in variables], variables)
        self.zero_grad()
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=len(x))
            else:
                metric.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}


def _own_step(distributed):
    x, y, _ = _data()
    keras.utils.set_random_seed(7)
    if distributed:
        keras.distribution.set_distribution(keras.distribution.DataParallel())
    model = _OwnStep()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, batch_size=8, epochs=2, verbose=0).history
    return {name: _numbers(values) for name, values in history.items() if name == "loss"}, [
        _numbers(weight) for weight in model.get_weights()
    ]


def test_a_step_of_ones_own():
    ((history, weights),) = together(_own_step, False, count=1)
    for found, parts in together(_own_step, True):
        np.testing.assert_allclose(found["loss"], history["loss"], rtol=1e-5)
        for part, whole in zip(parts, weights, strict=True):
            np.testing.assert_allclose(part, whole, rtol=1e-4, atol=1e-5)


def _masked(distributed):
    random = np.random.default_rng(2)
    x = random.integers(1, 9, size=(11, 6)) * (np.arange(6) < random.integers(1, 7, size=(11, 1)))
    y = random.normal(size=(11, 6, 2)).astype("float32")
    keras.utils.set_random_seed(7)
    if distributed:
        keras.distribution.set_distribution(keras.distribution.DataParallel())
    model = keras.Sequential([layers.Embedding(9, 4, mask_zero=True), layers.LSTM(2, return_sequences=True)])
    model.compile("sgd", "mse", metrics=["mae"])
    dataset = _Batches(x, y)
    history = model.fit(dataset, epochs=2, verbose=0).history
    return [_numbers(values) for values in history.values()], _numbers(model.evaluate(x, y, batch_size=4, verbose=0))


def _measured(distributed):
    x, y, _ = _data()
    keras.utils.set_random_seed(7)
    if distributed:
        keras.distribution.set_distribution(keras.distribution.DataParallel())
    model = keras.Sequential([layers.Input((6,)), layers.Dense(1, activation="sigmoid")])
    metrics = [keras.metrics.AUC(), keras.metrics.F1Score(threshold=0.5), "precision", keras.metrics.R2Score()]
    model.compile("sgd", "binary_crossentropy", metrics=metrics)
    history = model.fit(x, (y % 2)[:, None].astype("float32"), batch_size=9, epochs=2, verbose=0).history
    return {name: np.reshape(values, -1).tolist() for name, values in history.items()}


def test_states_of_metrics_that_come_with_the_first_batch():
    (expected,) = together(_measured, False, count=1)
    for found in together(_measured, True):
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-5, err_msg=name)


class _Batches(keras.utils.PyDataset):
    """Batches by number, in an order that `fit` shuffles."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return 3

    def __getitem__(self, number):
        return self.x[4 * number : 4 * number + 4], self.y[4 * number : 4 * number + 4]


def test_masked_outputs_and_a_dataset():
    (expected,) = together(_masked, False, count=1)
    for found in together(_masked, True):
        for part, whole in zip(found, expected, strict=True):
            np.testing.assert_allclose(part, whole, rtol=1e-5)


def _own_data():
    x, y, _ = _data(36)
    rank = group.rank()
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    keras.utils.set_random_seed(7)
    model = _plain()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum")
    model.compile("sgd", loss)
    model.fit(x[rank * 12 :][: 12 + 12 * rank], y[rank * 12 :][: 12 + 12 * rank], batch_size=24, verbose=0)
    found = model.predict(x[:3], verbose=0)
    return found.shape, [_numbers(weight) for weight in model.get_weights()]


def _all_data():
    x, y, _ = _data(36)
    keras.utils.set_random_seed(7)
    model = _plain()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum"))
    model.fit(x, y, batch_size=36, verbose=0)
    return (3, 3), [_numbers(weight) for weight in model.get_weights()]


def test_each_process_with_data_of_its_own():
    ((shape, expected),) = together(_all_data, count=1)
    for found, weights in together(_own_data):
        assert found == shape
        for part, whole in zip(weights, expected, strict=True):
            np.testing.assert_allclose(part, whole, rtol=1e-4, atol=1e-5)
