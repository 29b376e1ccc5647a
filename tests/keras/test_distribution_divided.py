"""`ModelParallel` with variables divided over processes against one process that has them whole."""

import numpy as np
import pytest
import torch
from tests.processes import together

from tandem import keras
from tandem.engine.distributed import group, pieces
from tandem.keras import layers
from tandem.keras.distribution import DeviceMesh, LayoutMap, ModelParallel, set_distribution

NAMES = ("batch", "model")


def _dense():
    last = layers.Dense(4, name="b", kernel_regularizer="l2", bias_constraint=keras.constraints.MaxNorm(0.2))
    return keras.Sequential([layers.Input((6,)), layers.Dense(8, activation="tanh", name="a"), last])


def _images():
    parts = [layers.Conv2D(4, 3, name="a"), layers.BatchNormalization(name="n"), layers.ReLU(), layers.Flatten()]
    return keras.Sequential([layers.Input((6, 6, 3)), *parts, layers.Dense(4, name="b")])


def _attention():
    x = keras.Input((5,))
    embedded = layers.Embedding(12, 8, name="a")(x)
    y = layers.LayerNormalization(name="n")(embedded + layers.MultiHeadAttention(2, 4, name="b")(embedded, embedded))
    return keras.Model(x, layers.Dense(4, name="c")(layers.LSTM(4, name="r")(y)))


# Each model, the shape of a sample of its data, and how its weights are divided.
MODELS = {
    "dense": (_dense, (6,), {".*a/kernel": (None, "model"), ".*b/kernel": ("model", None), ".*/bias": ("model",)}),
    "both": (_dense, (6,), {".*a/kernel": ("batch", "model"), ".*b/kernel": ("model", "batch")}),
    "images": (
        _images,
        (6, 6, 3),
        {".*a/kernel": (None, None, None, "model"), ".*/(bias|gamma|beta|moving.*)": ("model",)},
    ),
    "attention": (
        _attention,
        (5,),
        {
            ".*a/embeddings": ("model", None),
            ".*(query|key|value)/kernel": (None, "model", None),
            ".*attention_output/kernel": (None, None, "model"),
            ".*r/.*kernel": (None, "model"),
            ".*n/.*": ("model",),
        },
    ),
}  # fmt: skip


def _data(shape, rows=21):
    random = np.random.default_rng(5)
    x = (
        random.integers(0, 12, size=(rows, *shape))
        if len(shape) == 1 and shape[0] == 5
        else random.normal(size=(rows, *shape))
    )
    return x.astype("float32"), random.integers(0, 4, size=(rows,))


def _distribute(mesh, layouts):
    found = LayoutMap(DeviceMesh(mesh, NAMES))
    for key, axes in layouts.items():
        found[key] = axes
    set_distribution(ModelParallel(layout_map=found, batch_dim_name="batch"))


def _numbers(value):
    return np.asarray(value, np.float64).tolist()


def _fitted(name, mesh, optimizer, settings):
    build, shape, layouts = MODELS[name]
    x, y = _data(shape)
    if mesh:
        _distribute(mesh, layouts)
    keras.utils.set_random_seed(7 + 100 * group.rank())  # weights come from the first process
    model = build()
    optimizer = optimizer() if callable(optimizer) else optimizer
    model.compile(
        optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"], **settings
    )
    history = model.fit(x, y, batch_size=8, epochs=3, verbose=0, validation_split=0.2).history
    divided = {variable.path.split("/", 1)[-1] for variable in model.variables if pieces.of(variable) is not None}
    slots = [pieces.of(slot) is not None for slot in model.optimizer.variables]
    return {
        "history": {key: _numbers(values) for key, values in history.items()},
        "evaluated": _numbers(model.evaluate(x, y, batch_size=9, verbose=0)),
        "predicted": _numbers(model.predict(x, batch_size=9, verbose=0)),
        "weights": [_numbers(weight) for weight in model.get_weights()],
        "params": model.count_params(),
    }, (sorted(divided), sum(slots), [variable.shape for variable in model.variables])


def _same(found, expected, tolerance=1e-5):
    for key, values in expected["history"].items():
        np.testing.assert_allclose(found["history"][key], values, rtol=tolerance, atol=tolerance, err_msg=key)
    for key in ("evaluated", "predicted", "params"):
        np.testing.assert_allclose(found[key], expected[key], rtol=tolerance, atol=tolerance, err_msg=key)
    for weight, value in zip(found["weights"], expected["weights"], strict=True):
        np.testing.assert_allclose(weight, value, rtol=10 * tolerance, atol=10 * tolerance)


def _compare(name, mesh, optimizer="adam", **settings):
    ((expected, (_, _, shapes)),) = together(_fitted, name, None, optimizer, settings, count=1)
    facts = []
    for found, fact in together(_fitted, name, mesh, optimizer, settings, count=mesh[0] * mesh[1]):
        _same(found, expected)
        facts.append(fact)
    assert facts[0] == facts[-1] and facts[0][2] == shapes
    return facts[0]


@pytest.mark.parametrize("mesh", [(1, 2), (2, 1), (2, 2)])
def test_divided_layers_learn_what_whole_ones_learn(mesh):
    divided, slots, _ = _compare("dense", mesh)
    assert divided == ([] if mesh[1] == 1 else ["a/bias", "a/kernel", "b/bias", "b/kernel"])
    assert slots == 2 * len(divided)


def test_variables_divided_along_both_axes():
    assert _compare("both", (2, 2))[0] == ["a/kernel", "b/kernel"]


@pytest.mark.parametrize("name", ["images", "attention"])
def test_other_layers(name):
    divided, _, _ = _compare(name, (1, 2), "sgd")
    assert any("kernel" in path for path in divided)
    assert not any("moving" in path for path in divided)


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.Adafactor,  # looks at rows and columns
        keras.optimizers.Lamb,
        keras.optimizers.Muon,
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.3),
        lambda: keras.optimizers.AdamW(use_ema=True, ema_overwrite_frequency=3, gradient_accumulation_steps=2),
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.RMSprop(), initial_scale=2.0),
        lambda: _OwnRule(0.1),
    ],
    ids=["adafactor", "lamb", "muon", "clipped", "averages", "loss-scale", "own"],
)
def test_optimizers(optimizer):
    _compare("dense", (1, 2), optimizer)


class _OwnRule(keras.optimizers.Optimizer):
    """A rule that looks at the whole of a variable."""

    def build(self, variables):
        super().build(variables)
        self.slots = self.add_optimizer_variables(variables, "slot")

    def update_step(self, gradient, variable, learning_rate):
        slot = self.slots[self._get_variable_index(variable)]
        self.assign_add(slot, gradient / (1 + keras.ops.norm(gradient)))
        self.assign_sub(variable, learning_rate * slot * keras.ops.max(keras.ops.abs(variable)))


def test_mixed_precision_and_eager_steps():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        _compare_roughly()
    finally:
        keras.config.set_dtype_policy("float32")
    _compare("dense", (1, 2), run_eagerly=True)


def _compare_roughly():
    ((expected, _),) = together(_fitted, "dense", None, "adam", {}, count=1)
    for found, _ in together(_fitted, "dense", (1, 2), "adam", {}):
        np.testing.assert_allclose(found["history"]["loss"], expected["history"]["loss"], rtol=0.02)


def _saved(path, mesh):
    build, shape, layouts = MODELS["dense"]
    x, y = _data(shape)
    if mesh:
        _distribute(mesh, layouts)
    keras.utils.set_random_seed(3)
    model = build()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    logger = keras.callbacks.CSVLogger(path / "log.csv")
    kept = keras.callbacks.ModelCheckpoint(path / "best.keras", monitor="loss", save_best_only=True)
    often = keras.callbacks.ModelCheckpoint(path / "at{batch}.weights.h5", save_weights_only=True, save_freq=2)
    model.fit(x, y, batch_size=8, epochs=1, verbose=0, shuffle=False, callbacks=[logger, kept, often])
    model.save(path / "m.keras")
    model.save_weights(path / "m.weights.h5")
    return _numbers(model.fit(x, y, batch_size=8, epochs=2, verbose=0, shuffle=False).history["loss"])


def _gone_on(path, mesh, name):
    _, shape, layouts = MODELS["dense"]
    x, y = _data(shape)
    if mesh:
        _distribute(mesh, layouts)
    model = keras.models.load_model(path / name)
    losses = model.fit(x, y, batch_size=8, epochs=1, verbose=0, shuffle=False).history["loss"]
    model.load_weights(path / "m.weights.h5")  # into pieces
    losses += model.fit(x, y, batch_size=8, epochs=2, verbose=0, shuffle=False).history["loss"]
    return _numbers(losses)


def test_files_hold_whole_weights_for_any_number_of_processes(tmp_path):
    first, second = together(_saved, tmp_path, (1, 2))
    assert first == second
    for name, mesh, count in (("m.keras", None, 1), ("m.keras", (2, 1), 2), ("best.keras", (1, 2), 2)):
        for losses in together(_gone_on, tmp_path, mesh, name, count=count):
            np.testing.assert_allclose(losses, [first[0], *first], rtol=1e-5)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2
    assert {path.name for path in tmp_path.glob("*.h5")} >= {"m.weights.h5", "at2.weights.h5"}
    model = MODELS["dense"][0]()
    model.load_weights(tmp_path / "at2.weights.h5")


class _OwnStep(keras.Model):
    """The training step as it is written for Keras's torch backend."""

    def __init__(self):
        super().__init__()
        self.inner = _dense()

    def call(self, x):
        return self.inner(x)

    def train_step(self, data):
        x, y = data
        self.zero_grad()
        y_pred = self(x, training=True)
        loss = self.compute_loss(y=y, y_pred=y_pred)
        loss.backward()
        weights = list(self.trainable_weights)
        with torch.no_grad():
            self.optimizer.apply([weight.value.grad for weight in weights], weights)
        return {"loss": loss}


def _own_steps(mesh):
    _, shape, layouts = MODELS["dense"]
    x, y = _data(shape)
    if mesh:
        _distribute(mesh, layouts)
    keras.utils.set_random_seed(3)
    model = _OwnStep()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = model.fit(x, y, batch_size=8, epochs=3, verbose=0, shuffle=False).history["loss"]
    return _numbers(losses), [_numbers(weight) for weight in model.get_weights()]


@pytest.mark.parametrize("mesh", [(1, 2), (2, 2)])
def test_a_step_of_ones_own(mesh):
    ((losses, weights),) = together(_own_steps, None, count=1)
    for found, others in together(_own_steps, mesh, count=mesh[0] * mesh[1]):
        np.testing.assert_allclose(found, losses, rtol=1e-5)
        for one, other in zip(others, weights, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def _watched(path, mesh):
    build, shape, layouts = MODELS["dense"]
    x, y = _data(shape)
    if mesh:
        _distribute(mesh, layouts)
    keras.utils.set_random_seed(3)
    model = build()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.3, use_ema=True, ema_momentum=0.5), loss)
    callbacks = [
        keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
        keras.callbacks.TensorBoard(path, histogram_freq=1),
        keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau("val_loss", patience=0),
    ]
    history = model.fit(x, y, batch_size=8, epochs=6, verbose=0, validation_split=0.3, callbacks=callbacks).history
    return _numbers(history["val_loss"]), [_numbers(weight) for weight in model.get_weights()]


def test_callbacks_that_look_at_weights(tmp_path):
    ((losses, weights),) = together(_watched, tmp_path / "a", None, count=1)
    for found, others in together(_watched, tmp_path / "b", (1, 2)):
        np.testing.assert_allclose(found, losses, rtol=1e-4)
        for one, other in zip(others, weights, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def _interrupted(path, mesh, fails):
    build, shape, layouts = MODELS["dense"]
    x, y = _data(shape)
    _distribute(mesh, layouts)
    keras.utils.set_random_seed(3)
    model = build()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == fails:
                raise KeyboardInterrupt

    callbacks = [keras.callbacks.BackupAndRestore(path), Stop()]
    try:
        history = model.fit(x, y, batch_size=8, epochs=3, verbose=0, shuffle=False, callbacks=callbacks).history
    except KeyboardInterrupt:
        return None
    return _numbers(history["loss"])


def test_a_run_goes_on_from_its_backup(tmp_path):
    whole = together(_interrupted, tmp_path / "a", (1, 2), None)[0]
    assert together(_interrupted, tmp_path / "b", (1, 2), 2) == [None, None]
    for losses in together(_interrupted, tmp_path / "b", (2, 1), None):
        np.testing.assert_allclose(losses, whole[2:], rtol=1e-5)


def _steps(mesh):
    build, shape, layouts = MODELS["dense"]
    x, y = _data(shape)
    if mesh:
        _distribute(mesh, layouts)
    keras.utils.set_random_seed(3)
    model = build()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = [model.train_on_batch(x[at : at + 7], y[at : at + 7]) for at in (0, 7, 14)]
    weights = model.get_weights()
    model.layers[0].kernel.assign(weights[0] * 2)
    model.layers[0].kernel.assign_add(np.ones_like(weights[0]))
    doubled = model.layers[0].kernel.numpy()
    np.testing.assert_allclose(doubled, weights[0] * 2 + 1, rtol=1e-6)
    text = repr(model.layers[0].kernel)
    losses.append(model.test_on_batch(x, y))
    set_distribution(None)
    losses.append(model.test_on_batch(x, y))
    return _numbers(losses), "divided" in text, tuple(model.layers[0].kernel.tensor.shape)


def test_batches_by_hand_and_values():
    ((expected, plain, shape),) = together(_steps, None, count=1)
    assert not plain and shape == (6, 8)
    for losses, divided, last in together(_steps, (1, 2)):
        np.testing.assert_allclose(losses, expected, rtol=1e-5)
        assert divided and last == shape  # without a distribution the variables are whole again


def _refused(layouts):
    _distribute((1, 2), layouts)
    model = _dense()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"cannot be divided along|each name of an axis once|does not fit") as error:
        model.fit(*_data((6,)), verbose=0)
    return str(error.value)


def test_layouts_that_do_not_fit():
    found = together(_refused, {".*a/kernel": ("model", "model")})
    assert found[0] == found[1] and "each name" in found[0]
    assert "axes" in together(_refused, {".*bias": (None, "model")})[0]
