"""The `TensorBoard` callback: what its files hold, as TensorBoard itself reads them."""

import json

import numpy as np
import pytest

from tandem import keras

pytest.importorskip("tensorboard")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

layers = keras.layers
TensorBoard = keras.callbacks.TensorBoard
X, Y = np.linspace(0, 1, 160).reshape(10, 4, 4, 1), np.ones((10, 2))


def fit(folder, epochs=3, **options):
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            layers.Conv2D(3, 2, kernel_initializer="ones"),
            layers.Flatten(),
            layers.Dense(2, kernel_initializer="ones", name="out"),
        ],
        name="net",
    )
    model.compile(keras.optimizers.SGD(0.001), "mse", metrics=["mae"])
    kept = Kept()
    callbacks = [TensorBoard(folder, **options), kept]
    history = model.fit(
        X, Y, epochs=epochs, batch_size=2, shuffle=False, validation_data=(X, Y), verbose=0, callbacks=callbacks
    )
    return model, history.history, kept.logs


class Kept(keras.callbacks.Callback):
    def __init__(self):
        self.logs = []

    def on_train_batch_end(self, batch, logs=None):
        self.logs.append(dict(logs))


def read(folder, kind="train"):
    events = EventAccumulator(
        str(folder / kind), size_guidance={"scalars": 0, "tensors": 0, "images": 0, "histograms": 0}
    )
    return events.Reload()


def scalars(events):
    return {tag: {event.step: event.value for event in events.Scalars(tag)} for tag in events.Tags()["scalars"]}


def test_values_of_epochs(tmp_path):
    model, history, _ = fit(tmp_path)
    found = scalars(read(tmp_path))
    assert set(found) == {"epoch_loss", "epoch_mae", "epoch_learning_rate"}
    for name in ("loss", "mae"):
        np.testing.assert_allclose(list(found[f"epoch_{name}"].values()), history[name], rtol=1e-6)
    assert found["epoch_learning_rate"] == {epoch: pytest.approx(0.001) for epoch in range(3)}
    validation = scalars(read(tmp_path, "validation"))
    np.testing.assert_allclose(list(validation["epoch_mae"].values()), history["val_mae"], rtol=1e-6)
    assert list(validation["evaluation_loss_vs_iterations"]) == [5, 10, 15]
    (event,) = read(tmp_path).Tensors("keras")
    assert json.loads(make_ndarray(event.tensor_proto).item()) == json.loads(model.to_json())


@pytest.mark.parametrize(("freq", "steps"), [("batch", range(1, 11)), (4, (4, 8))])
def test_values_of_batches(tmp_path, freq, steps):
    _, _, logs = fit(tmp_path, epochs=2, update_freq=freq, write_steps_per_second=True)
    found = scalars(read(tmp_path))
    assert found["batch_loss"] == {step: pytest.approx(logs[step - 1]["loss"], rel=1e-6) for step in steps}
    assert list(found["batch_mae"]) == list(found["batch_steps_per_second"]) == list(steps)
    assert all(value > 0 for value in found["epoch_steps_per_second"].values())


def test_weights_as_histograms_and_images(tmp_path):
    model, _, _ = fit(tmp_path, histogram_freq=2, write_images=True, write_graph=False)
    events = read(tmp_path)
    assert events.Tags()["tensors"] == []
    names = ["net/conv2d/kernel", "net/conv2d/bias", "net/out/kernel", "net/out/bias"]
    names = [name.replace("net/conv2d", model.layers[0].weights[0].path.rsplit("/", 1)[0]) for name in names]
    assert sorted(events.Tags()["histograms"]) == sorted(f"{name}/histogram" for name in names)
    first, last = events.Histograms("net/out/kernel/histogram")
    assert (first.step, last.step) == (0, 2)
    kernel = model.get_layer("out").get_weights()[0]
    assert last.histogram_value.num == kernel.size
    assert last.histogram_value.sum == pytest.approx(kernel.sum(), rel=1e-5)
    image = events.Images("net/out/kernel/image")[0]
    assert (image.height, image.width) == (2, 27)  # the longer side lies


def test_embeddings(tmp_path):
    model = keras.Sequential([keras.Input((3,), dtype="int32"), layers.Embedding(5, 2, name="words"), layers.Flatten()])
    model.compile("sgd", "mse")
    callback = TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"words": "labels.tsv"})
    model.fit(np.ones((4, 3), "int32"), np.ones((4, 6)), epochs=2, verbose=0, callbacks=[callback])
    np.testing.assert_allclose(np.loadtxt(tmp_path / "train" / "words.tsv"), model.get_weights()[0], rtol=1e-6)
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'metadata_path: "labels.tsv"' in config and 'tensor_path: "train/words.tsv"' in config
    assert (tmp_path / "train" / "keras_embedding.ckpt-1.weights.h5").exists()
    with pytest.raises(ValueError, match=r"Unrecognized `Embedding` layer names.*wrods"):
        TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"wrods": "labels.tsv"}).set_model(model)


def test_a_trace_of_some_batches(tmp_path):
    fit(tmp_path, epochs=1, profile_batch="2,3")
    (trace,) = (tmp_path / "train" / "plugins" / "profile").glob("*.pt.trace.json")
    assert "traceEvents" in json.loads(trace.read_text())


def test_an_evaluation_by_itself(tmp_path):
    model, _, _ = fit(tmp_path / "first", epochs=1)
    loss, _ = model.evaluate(X, Y, verbose=0, callbacks=[TensorBoard(tmp_path)])
    found = scalars(read(tmp_path, "validation"))
    assert found["evaluation_loss_vs_iterations"] == {5: pytest.approx(loss)}


def test_steps_are_not_disturbed_where_only_epochs_are_written(tmp_path):
    wants = [
        keras.callbacks.CallbackList([TensorBoard(tmp_path, update_freq=freq)]).wants("on_train_batch_end")
        for freq in ("epoch", "batch")
    ]
    assert wants == [False, True]


def test_arguments():
    for wrong in (-1, "3,2", (1, 2, 3)):
        with pytest.raises(ValueError, match="profile_batch"):
            TensorBoard(profile_batch=wrong)
    with pytest.warns(UserWarning, match="write_grads"):
        TensorBoard(write_grads=True, batch_size=32)
    with pytest.raises(TypeError, match="log_dri"):
        TensorBoard(log_dri="logs")
