"""Keras 2's tools: enqueuers, what metrics and losses are made of, `H5Dict`, models that only Keras 2 has.

Figures are the real Keras 2's.
"""

import threading
import time

import h5py
import numpy as np
import pytest

from tandem import keras
from tandem.core.errors import Unsupported

C = keras.backend.constant
metrics_utils, losses_utils = keras.utils.metrics_utils, keras.utils.losses_utils
data_utils = keras.utils.data_utils


def rounded(value):
    return np.asarray(value.detach() if hasattr(value, "detach") else value).round(4).tolist()


# --- enqueuers -------------------------------------------------------------------------------------------------------


class Squares(keras.utils.Sequence):
    def __init__(self, wrong=None):
        super().__init__()
        self.epoch, self.wrong = 0, wrong

    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == self.wrong:
            raise ZeroDivisionError("in a batch")
        time.sleep(0.01 * (4 - index))  # the later ones are ready first
        return self.epoch, index**2

    def on_epoch_end(self):
        self.epoch += 1


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python 3.12: a process with threads forks
def test_batches_come_in_order_epoch_after_epoch(processes):
    enqueuer = data_utils.OrderedEnqueuer(Squares(), use_multiprocessing=processes)
    assert not enqueuer.is_running()
    enqueuer.start(workers=3, max_queue_size=5)
    batches = enqueuer.get()
    assert [next(batches) for _ in range(8)] == [(e, i**2) for e in range(2) for i in range(4)]
    enqueuer.stop(timeout=5)
    assert not enqueuer.is_running() and list(batches) == []


def test_batches_in_another_order():
    enqueuer = keras.utils.OrderedEnqueuer(Squares(), shuffle=True)
    enqueuer.start()
    batches = enqueuer.get()
    assert sorted(next(batches)[1] for _ in range(4)) == [0, 1, 4, 9]
    enqueuer.stop()


def test_errors_of_batches_reach_the_reader():
    enqueuer = keras.utils.OrderedEnqueuer(Squares(wrong=2))
    enqueuer.start()
    with pytest.raises(ZeroDivisionError, match="in a batch"):
        list(enqueuer.get())
    assert not enqueuer.is_running()


def test_a_generator_ends():
    enqueuer = keras.utils.GeneratorEnqueuer((number for number in range(5)), random_seed=3)
    enqueuer.start(max_queue_size=2)
    assert list(enqueuer.get()) == [0, 1, 2, 3, 4]
    with pytest.raises(Unsupported, match="other processes"):
        keras.utils.GeneratorEnqueuer(iter([1]), use_multiprocessing=True)


def test_something_every_so_often():
    called = threading.Event()

    class Timed(keras.utils.TimedThread):
        def on_interval(self):
            called.set()

    with Timed(0.01) as thread:
        assert thread.is_alive() and called.wait(5)
    assert not thread.is_alive()


# --- metrics_utils, losses_utils -------------------------------------------------------------------------------------


COUNTS = [
    {"tp": [10.0, 8.0], "fp": [4.0, 1.0], "tn": [2.0, 5.0], "fn": [2.0, 4.0]},
    {"tp": [6.1741, 4.8104], "fp": [2.0953, 0.6818], "tn": [1.3808, 2.7943], "fn": [1.3033, 2.6669]},
    {"tp": [8.0, 7.0], "fp": [3.0, 1.0], "tn": [3.0, 5.0], "fn": [4.0, 5.0]},
    {"tp": [4.0, 3.0], "fp": [1.0, 0.0], "tn": [1.0, 2.0], "fn": [0.0, 1.0]},
]


def test_counts_of_a_confusion_matrix():
    random = np.random.RandomState(0)
    y, p, w = (random.rand(6, 3) > 0.5).astype("float32"), random.rand(6, 3), random.rand(6)
    expected = {
        (): COUNTS[0],
        ("sample_weight",): COUNTS[1],
        ("top_k",): COUNTS[2],
        ("class_id",): COUNTS[3],
    }
    values = {"sample_weight": w, "top_k": 2, "class_id": 1}
    for names, wanted in expected.items():
        variables = {key: keras.Variable(np.zeros(2)) for key in metrics_utils.ConfusionMatrix}
        options = {name: values[name] for name in names}
        metrics_utils.update_confusion_matrix_variables(variables, C(y), C(p), [0.3, 0.6], **options)
        assert {key.value: rounded(variable.value) for key, variable in variables.items()} == {
            key: pytest.approx(value, abs=1e-3) for key, value in wanted.items()
        }
    with pytest.raises(ValueError, match="at least one valid"):
        metrics_utils.update_confusion_matrix_variables({"tp": 1}, C(y), C(p), [0.5])


def test_thresholds_and_names():
    assert metrics_utils.parse_init_thresholds(None) == [0.5]
    assert metrics_utils.parse_init_thresholds((0.1, 0.2)) == [0.1, 0.2]
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        metrics_utils.parse_init_thresholds(2.0)
    assert metrics_utils.AUCCurve.from_str("roc") is metrics_utils.AUCCurve.ROC
    assert metrics_utils.AUCSummationMethod.from_str("Majoring") is metrics_utils.AUCSummationMethod.MAJORING
    with pytest.raises(ValueError, match="Invalid AUC curve"):
        metrics_utils.AUCCurve.from_str("x")
    np.testing.assert_array_equal(metrics_utils.filter_top_k(C([[1.0, 3.0, 2.0]]), 2), [[-1e10, 3, 2]])
    variable = keras.Variable(np.zeros(2))
    metrics_utils.weighted_assign_add(C([[1.0, 1], [1, 0]]), C([[1.0, 0], [1, 1]]), C([[2.0, 1], [0.5, 1]]), variable)
    assert rounded(variable.value) == [2, 0.5]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (((2, 3, 1), (2, 3)), ((2, 3), (2, 3))),
        (((2, 3), (2, 3, 1)), ((2, 3), (2, 3))),
        (((2, 3), (2,)), ((2, 3), (2,))),
        (((2, 3), None, (2,)), ((2, 3), None, (2, 1))),
        (((2,), None, (2, 1)), ((2,), None, (2,))),
        (((2, 3), (2, 3), ()), ((2, 3), (2, 3), ())),
    ],
)
def test_ranks(given, wanted):
    found = losses_utils.squeeze_or_expand_dimensions(
        *(None if shape is None else C(np.ones(shape)) for shape in given)
    )
    assert tuple(None if value is None else tuple(value.shape) for value in found) == wanted


def test_weighted_losses():
    values, weights = np.array([[1.0, 2.0], [3.0, 6.0]]), np.array([1.0, 0.5])
    compute = losses_utils.compute_weighted_loss
    assert rounded(compute(C(values), C(weights), reduction="none")) == [[1, 2], [1.5, 3]]
    assert rounded(compute(C(values), C(weights), reduction="sum")) == 7.5
    assert rounded(compute(C(values), C(weights))) == 1.875
    assert rounded(compute(np.array([1, 2, 4]))) == 2  # whole numbers stay whole
    assert rounded(losses_utils.broadcast_weights(values, weights)) == [[1, 1], [0.5, 0.5]]
    with pytest.raises(ValueError, match="Invalid Reduction"):
        compute(C(values), reduction="mean")
    with pytest.raises(ValueError, match="cannot be broadcast"):
        losses_utils.broadcast_weights(values, np.ones(3))


# --- models ----------------------------------------------------------------------------------------------------------


def data():
    random = np.random.RandomState(0)
    random.rand(6, 3), random.rand(6, 3), random.rand(6)
    return random.rand(8, 4).astype("float32"), random.rand(8, 1).astype("float32")


def dense():
    return keras.Sequential([keras.layers.Dense(1, kernel_initializer="ones")])


@pytest.mark.parametrize(("splits", "wanted"), [(None, [0.7448, 0.0774, 0.7222]), (2, [0.4861, -0.0899, 0.4511])])
def test_sharpness_aware_minimization(splits, wanted):
    x, y = data()
    model = keras.models.experimental.SharpnessAwareMinimization(dense(), rho=0.1, num_batch_splits=splits)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(x, y, epochs=3, batch_size=8, verbose=0, shuffle=False)
    np.testing.assert_allclose(model.model.predict(x[:3], verbose=0)[:, 0], wanted, atol=1e-4)


def test_linear_and_wide_models(tmp_path):
    x, y = data()
    linear = keras.experimental.LinearModel(2, activation="relu", kernel_initializer="ones")
    linear.compile(keras.optimizers.SGD(0.1), "mse")
    history = linear.fit([x, x * 2], y, epochs=2, verbose=0, shuffle=False).history["loss"]
    np.testing.assert_allclose(history, [26.8772, 5.0232], rtol=1e-5)
    np.testing.assert_allclose(linear.predict([x, x], verbose=0)[:2], [[1.0613] * 2, [0.2686] * 2], atol=1e-4)
    wide = keras.experimental.WideDeepModel(
        keras.experimental.LinearModel(1, kernel_initializer="ones"), dense(), activation="sigmoid"
    )
    wide.compile(keras.optimizers.SGD(0.1), "mse")
    history = wide.fit(x, y, epochs=2, verbose=0, shuffle=False).history["loss"]
    np.testing.assert_allclose(history, [0.4628, 0.4614], atol=1e-4)
    wide.save(tmp_path / "wide.keras")
    loaded = keras.models.load_model(tmp_path / "wide.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), wide.predict([x, x], verbose=0), rtol=1e-6)
    named = keras.models.LinearModel(1)
    named({"b": x, "a": x})
    with pytest.raises(ValueError, match="does not match the structure"):
        named({"a": x})
    with pytest.raises(ValueError, match="optimizer"):
        wide.compile(["sgd", "adam"], "mse")


# --- the rest --------------------------------------------------------------------------------------------------------


def test_h5_dict(tmp_path):
    with keras.utils.io_utils.H5Dict(str(tmp_path / "a.h5")) as file:
        file["x"] = np.arange(3)
        file["names"] = ["a", "bc"]
        file["group"]["depth"] = 2
        file["nested"] = {"y": np.ones(2)}
        assert file.get("nothing") is None and "nothing" not in file and len(file) == 3
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["nested/y"][()].tolist() == [1, 1] and file["group"].attrs["depth"] == 2
    with keras.utils.io_utils.h5dict(tmp_path / "a.h5", "r") as file:
        assert file["x"].tolist() == [0, 1, 2] and file["names"] == ["a", "bc"]
        assert sorted(file.iter()) == sorted(file) == ["group", "nested", "x"]
        for change in (lambda: file["new"], lambda: file.update({"x": 1})):
            with pytest.raises(ValueError, match="read-only"):
                change()
    plain = keras.utils.H5Dict({})
    plain["a"]["b"] = 1
    assert plain.data == {"a": {"b": 1}}
    with pytest.raises(TypeError, match="takes no such object"):
        keras.utils.H5Dict(3)


def test_normalization_over_processes():
    layer = keras.layers.experimental.SyncBatchNormalization(momentum=0.5)
    assert layer.synchronized and layer.momentum == 0.5
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is type(layer) and again.momentum == 0.5
    x = np.random.RandomState(0).rand(8, 3)
    plain = keras.layers.BatchNormalization(momentum=0.5)
    np.testing.assert_allclose(layer(x, training=True).detach(), plain(x, training=True).detach())


def test_base_logger():
    logger = keras.callbacks.BaseLogger(stateful_metrics=["auc"])
    logger.set_params({"metrics": ["loss", "auc", "other"]})
    logger.on_epoch_begin(0)
    for size, loss, auc in ((3, 1.0, 0.1), (1, 5.0, 0.2)):
        logger.on_batch_end(0, {"size": size, "loss": loss, "auc": auc})
    logs = {}
    logger.on_epoch_end(0, logs)
    assert logs == {"loss": 2.0, "auc": 0.2}


def test_names_of_drawings():
    utils = keras.utils.vis_utils
    inner = dense()
    assert utils.is_model(inner) and not utils.is_model(keras.layers.Dense(1))
    assert utils.is_wrapped_model(keras.layers.TimeDistributed(inner))
    assert not utils.is_wrapped_model(inner) and callable(utils.add_edge)


@pytest.mark.parametrize(("name", "axis"), [("RandomHeight", 1), ("RandomWidth", 2)])
def test_images_of_random_size(name, axis):
    layer = getattr(keras.layers.experimental.preprocessing, name)((0.5, 1.0), seed=1)
    images = np.random.RandomState(0).rand(2, 20, 30, 3)
    sizes = {layer(images).shape[axis] for _ in range(8)}
    assert len(sizes) > 2 and min(sizes) >= 1.5 * images.shape[axis] - 1 and max(sizes) <= 2 * images.shape[axis]
    assert layer(images).shape[3 - axis] == images.shape[3 - axis]
    np.testing.assert_allclose(layer(images, training=False), images, rtol=1e-6)
    assert layer(keras.Input((20, 30, 3))).shape == tuple(
        None if a in (0, axis) else s for a, s in enumerate(images.shape)
    )
    assert type(layer).from_config(layer.get_config()).factor == (0.5, 1.0)
    for wrong in ((0.5, 0.1), -2):
        with pytest.raises(ValueError, match="factor"):
            type(layer)(wrong)


def test_a_layer_that_adapts():
    class Largest(keras.layers.experimental.preprocessing.PreprocessingLayer):
        def reset_state(self):
            self.largest = -np.inf

        def update_state(self, data):
            self.largest = max(self.largest, float(np.max(data)))

    layer = Largest()
    assert not layer.is_adapted
    layer.adapt(np.arange(10.0)[:, None], batch_size=4, steps=2)
    assert layer.is_adapted and layer.built and layer.largest == 7


def test_a_hash_is_of_the_kind_that_is_asked_for(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"hello")
    found = {
        kind: keras.utils.validate_file(path, "5d41402abc4b2a76b9719d911017c592", kind)
        for kind in ("md5", "auto", "sha256")
    }
    assert found == {"md5": True, "auto": True, "sha256": False}
