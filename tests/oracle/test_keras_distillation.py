"""`keras.distillation` against the real one: losses, histories, configs, files, errors."""

import numpy as np
import pytest

from oracles import real_keras
from tandem import keras

pytestmark = pytest.mark.oracle

X = np.random.default_rng(0).random((16, 6)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 16)

LOSSES = {
    "logits": lambda D, K: D.LogitsDistillation(),
    "another loss": lambda D, K: D.LogitsDistillation(2.0, "categorical_crossentropy"),
    "an object": lambda D, K: D.LogitsDistillation(temperature=4, loss=K.losses.MeanSquaredError()),
    "features": lambda D, K: D.FeatureDistillation("mae", "hidden_t", "hidden_s"),
    "outputs": lambda D, K: D.FeatureDistillation("cosine_similarity"),
    "both": lambda D, K: [D.LogitsDistillation(), D.FeatureDistillation("mse", "hidden_t", "hidden_s")],
}


def _models(K):
    rng, models = np.random.default_rng(2), []
    for letter, units in (("t", 5), ("s", 5)):
        i = K.Input((6,))
        hidden = K.layers.Dense(units, activation="relu", name=f"hidden_{letter}")(i)
        models.append(K.Model(i, K.layers.Dense(3, name=f"out_{letter}")(hidden), name=letter))
        models[-1].set_weights([rng.normal(size=w.shape) for w in models[-1].weights])
    return models


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", LOSSES)
def test_training(name, weight):
    def run(K):
        K.utils.clear_session()
        teacher, student = _models(K)
        losses = LOSSES[name](K.distillation, K)
        weights = [1.0, 0.5] if name == "both" else None
        model = K.distillation.Distiller(teacher, student, losses, weights, student_loss_weight=weight)
        loss = K.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(K.optimizers.Adam(0.01), loss, metrics=["accuracy"])
        history = model.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0, validation_data=(X, Y)).history
        found = [model.predict(X, verbose=0), *student.get_weights(), *teacher.get_weights()]
        return history, found, model.evaluate(X, Y, verbose=0), [metric.name for metric in model.metrics]

    mine, real = run(keras), run(real_keras())
    assert list(mine[0]) == list(real[0])
    for key in real[0]:
        np.testing.assert_allclose(mine[0][key], real[0][key], rtol=2e-4, atol=1e-5)
    for a, b in zip(mine[1], real[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(mine[2], real[2], rtol=2e-4, atol=1e-5)
    assert mine[3] == real[3]


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "both"])
def test_configs_of_losses(name):
    theirs = real_keras()
    mine, real = LOSSES[name](keras.distillation, keras), LOSSES[name](theirs.distillation, theirs)
    assert mine.get_config() == real.get_config()
    assert type(mine).from_config(real.get_config()).get_config() == mine.get_config()
    assert type(real).from_config(mine.get_config()).get_config() == mine.get_config()


def test_files(tmp_path):
    """A distiller's file brings both models back; the real one's too."""
    theirs = real_keras()
    path = str(tmp_path / "distiller.keras")
    for K in (keras, theirs):
        K.utils.clear_session()
        model = K.distillation.Distiller(*_models(K), LOSSES["both"](K.distillation, K))
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.predict(X, verbose=0)
        model.save(path)
        again = keras.models.load_model(path, compile=K is keras)
        np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
        for a, b in zip(again.teacher.get_weights(), model.teacher.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        assert [type(loss).__name__ for loss in again.distillation_losses] == [
            "LogitsDistillation",
            "FeatureDistillation",
        ]
    again = keras.models.load_model(path, compile=False)
    again.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert again.fit(X, Y, verbose=0).history["distillation_loss"][0] > 0


def _other(K, units=4, size=6):
    i = K.Input((size,))
    return K.Model(i, K.layers.Dense(units)(i))


ERRORS = {
    "temperature": lambda K: K.distillation.LogitsDistillation(0),
    "text": lambda K: K.distillation.LogitsDistillation("hot"),
    "no loss": lambda K: K.distillation.LogitsDistillation(loss=None),
    "no losses": lambda K: K.distillation.FeatureDistillation(loss=[None, None]),
    "unknown": lambda K: K.distillation.LogitsDistillation(loss="nothing"),
    "structure": lambda K: K.distillation.LogitsDistillation().validate_outputs([X], [X, X]),
    "base": lambda K: K.distillation.DistillationLoss().compute_loss(X, X),
    "teacher": lambda K: K.distillation.Distiller("t", _other(K), K.distillation.LogitsDistillation()),
    "student": lambda K: K.distillation.Distiller(_other(K), 3, K.distillation.LogitsDistillation()),
    "none": lambda K: K.distillation.Distiller(*_models(K), None),
    "weights": lambda K: K.distillation.Distiller(*_models(K), [K.distillation.LogitsDistillation()], [1.0, 2.0]),
    "weight": lambda K: K.distillation.Distiller(
        *_models(K), K.distillation.LogitsDistillation(), student_loss_weight=2
    ),
    "outputs": lambda K: K.distillation.Distiller(_models(K)[0], _other(K), K.distillation.LogitsDistillation()),
    "inputs": lambda K: K.distillation.Distiller(_models(K)[0], _other(K, 3, 7), K.distillation.LogitsDistillation()),
    "layer": lambda K: K.distillation.Distiller(
        *_models(K), K.distillation.FeatureDistillation("mse", "no", "hidden_s")
    ),
    "compile": lambda K: K.distillation.Distiller(*_models(K), K.distillation.LogitsDistillation()).compile("sgd"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_have_the_real_type(name):
    with pytest.raises(Exception) as wanted:
        ERRORS[name](real_keras())
    with pytest.raises(wanted.type) as found:
        ERRORS[name](keras)
    assert len(str(found.value)) > 15


def test_several_outputs_and_losses_of_a_scripts_own():
    """A tree of losses, None where an output does not count, of targets as of outputs; weights of samples."""

    def model():
        i = keras.Input((6,))
        return keras.Model(i, [keras.layers.Dense(3)(i), keras.layers.Dense(2)(i)])

    class Own(keras.distillation.DistillationLoss):
        def compute_loss(self, teacher_outputs, student_outputs, **kwargs):
            return 2 * keras.ops.mean(keras.ops.abs(teacher_outputs[0] - student_outputs[0]))

    logits = keras.distillation.LogitsDistillation(loss=["mse", None])
    teacher, student = model(), model()
    distiller = keras.distillation.Distiller(teacher, student, [logits, Own()], student_loss_weight=0.5)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    distiller.compile("sgd", [loss, loss])
    a, b = (one.predict(X, verbose=0)[0] for one in (teacher, student))
    outputs = student.predict(X, verbose=0)
    found = distiller.evaluate(X, [Y, Y % 2], verbose=0, return_dict=True)
    assert found["distillation_loss"] == pytest.approx(
        float(np.mean(((a - b) / 3) ** 2) + 2 * np.mean(np.abs(a - b))), rel=1e-4
    )
    wanted = sum(float(loss(y, pred)) for y, pred in zip((Y, Y % 2), outputs, strict=True))
    assert found["student_loss"] == pytest.approx(wanted, rel=1e-4)
    weights = np.arange(16.0, dtype="float32")
    distiller.reset_metrics()
    distiller.compute_loss(X, [Y, Y % 2], [keras.ops.convert_to_tensor(one) for one in outputs], weights)
    wanted = sum(float(loss(y, pred, weights)) for y, pred in zip((Y, Y % 2), outputs, strict=True))
    assert float(distiller.student_loss_tracker.result()) == pytest.approx(wanted, rel=1e-4)
