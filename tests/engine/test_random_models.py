"""Random Keras models, trained in random ways with changes on the way: replayed, they give what they give eagerly."""

import contextlib
import copy
import random
import warnings

import numpy as np
import pytest
import torch

from keras_replay import flat, machine_code, same
from mixing_models import training_steps
from random_models import OBJECTS, Plan
from tandem import keras

QUICK, MANY = 24, 500

LOSSES = {
    "numbers": ["mse", "mae", "huber", "log_cosh", "cosine_similarity", "mape"],
    "binary": ["binary_crossentropy", "mse", "hinge", "poisson", "BinaryFocalCrossentropy", "dice"],
    "classes": ["sparse_categorical_crossentropy"],
    "one-hot": ["categorical_crossentropy", "kl_divergence", "CategoricalFocalCrossentropy", "tversky"],
    "logits": ["SparseCategoricalCrossentropy"],
}
METRICS = {
    "numbers": ["mae", "RootMeanSquaredError", "R2Score", "CosineSimilarity", "PearsonCorrelation"],
    "binary": ["accuracy", "AUC", "Precision", "Recall", "BinaryIoU", "TruePositives", "SensitivityAtSpecificity"],
    "classes": ["accuracy", "sparse_top_k_categorical_accuracy", "ce"],
    "one-hot": ["accuracy", "F1Score", "AUC", "TopKCategoricalAccuracy", "OneHotMeanIoU", "crossentropy"],
    "logits": ["accuracy", "SparseTopKCategoricalAccuracy"],
}
METRIC_ARGUMENTS = {
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "TopKCategoricalAccuracy": {"k": 2},
    "SparseTopKCategoricalAccuracy": {"k": 2},
    "OneHotMeanIoU": {"num_classes": 3},
    "AUC": {"num_thresholds": 20},
}
OPTIMIZERS = [name for name in keras.optimizers.__all__ if name[0].isupper() and name not in ("Optimizer", "Muon")]
SCHEDULES = {
    "ExponentialDecay": (0.02, 3, 0.8),
    "PiecewiseConstantDecay": ([2, 6], [0.02, 0.01, 0.005]),
    "PolynomialDecay": (0.02, 6),
    "InverseTimeDecay": (0.02, 3, 0.5),
    "CosineDecay": (0.02, 9),
    "CosineDecayRestarts": (0.02, 3),
}


class Training:
    """A way of training a plan's model, drawn from a seed: data, `compile`, and fits with changes in between."""

    def __init__(self, seed):
        rng = self.rng = random.Random(seed)
        self.seed = seed
        self.stateful = rng.random() < 0.12
        self.rows, self.batch = (12, 4) if self.stateful else (rng.choice([10, 12, 13]), rng.choice([4, 5, 13]))
        policy = rng.choice([None] * 7 + ["mixed_bfloat16", "mixed_float16", "float64"]) if not self.stateful else None
        self.plan = Plan(seed, self.stateful, policy, self.batch)
        self.draw_data()
        self.optimizer, self.optimizer_text = self.draw_optimizer()
        self.losses = [rng.choice(LOSSES[kind]) for kind, _ in self.plan.outputs]
        self.weighted = rng.random() < 0.4
        self.metrics = [
            rng.sample(METRICS[kind], rng.randint(0, 2)) if rng.random() < 0.7 else [] for kind, _ in self.plan.outputs
        ]
        self.loss_weights = [0.5, 2.0] if len(self.plan.outputs) > 1 and rng.random() < 0.5 else None
        self.steps_per_execution = rng.choice([1, 1, 1, 2])
        self.fits = {"shuffle": not self.stateful and rng.random() < 0.5}
        self.draw_weights()
        excluded = [set_batch, shorten] if self.stateful else []
        if "TorchModuleWrapper" in " ".join(self.plan.text):  # it has no config
            excluded += [save_and_load, clone]
        pool = [change for change in CHANGES if change not in excluded]
        self.changes = [rng.choice(pool) for _ in range(rng.randint(1, 3))]

    def __repr__(self):
        parts = [f"policy {self.plan.policy}", *self.plan.text, self.optimizer_text, f"losses {self.losses}",
                 f"metrics {self.metrics}", f"rows {self.rows}", f"batch {self.batch}", str(self.weights_text),
                 *(change.__name__ for change in self.changes)]  # fmt: skip
        return f"seed {self.seed}: " + "; ".join(parts)

    # --- drawing -----------------------------------------------------------------------------------------------------

    def draw_data(self):
        rng = np.random.default_rng(self.seed)
        self.x = [
            rng.integers(0, tokens, (self.rows, *shape)).astype("int32")
            if tokens
            else rng.normal(size=(self.rows, *shape)).astype("float32")
            for shape, _, tokens in self.plan.inputs
        ]
        self.y = []
        for kind, shape in self.plan.outputs:
            classes = rng.integers(0, 3, self.rows)
            self.y.append(
                {
                    "numbers": lambda shape=shape: rng.normal(size=(self.rows, *shape)).astype("float32"),
                    "binary": lambda: rng.integers(0, 2, (self.rows, 1)).astype("float32"),
                    "one-hot": lambda classes=classes: np.eye(3, dtype="float32")[classes],
                }.get(kind, lambda classes=classes: classes)()
            )

    def draw_weights(self):
        rng, self.weights_text = self.rng, None
        if self.weighted and len(self.plan.outputs) == 1:
            if self.plan.outputs[0][0] in ("classes", "logits") and rng.random() < 0.5:
                self.weights_text = {"class_weight": {0: 0.5, 1: 2.0, 2: 1.0}}
            else:
                self.weights_text = {"sample_weight": np.linspace(0.1, 2.0, self.rows).astype("float32")}
        self.fits |= self.weights_text or {}

    def draw_optimizer(self):
        rng = self.rng
        name, options = rng.choice(OPTIMIZERS), {}
        rate = 0.01
        if rng.random() < 0.25:
            rate = rng.choice(list(SCHEDULES))
        limit = rng.choice([None, None, "clipnorm", "clipvalue", "global_clipnorm"])
        if limit:
            options[limit] = 0.1
        if rng.random() < 0.2:
            options["weight_decay"] = 0.01
        if rng.random() < 0.25:
            options |= {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": rng.choice([None, 2, 3])}
        if rng.random() < 0.25:
            options["gradient_accumulation_steps"] = rng.choice([2, 3])
        if rng.random() < 0.1 and name != "LossScaleOptimizer":
            options["loss_scale_factor"] = 4.0
        scaled = name == "LossScaleOptimizer"
        inner = rng.choice(["SGD", "Adam", "RMSprop"]) if scaled else name

        def make():
            schedule = keras.optimizers.schedules
            given = getattr(schedule, rate)(*SCHEDULES[rate]) if isinstance(rate, str) else rate
            made = getattr(keras.optimizers, inner)(learning_rate=given, **options)
            return keras.optimizers.LossScaleOptimizer(made, dynamic_growth_steps=3) if scaled else made

        return make, f"{name}({rate!r}, {options})"

    # --- training ----------------------------------------------------------------------------------------------------

    def compile(self, model, eager):
        def one(values):
            return values[0] if len(values) == 1 else values

        def metric(name):
            kind = getattr(keras.metrics, name, None) if name[0].isupper() else None
            return kind(**METRIC_ARGUMENTS.get(name, {})) if kind else name

        def loss(name, kind):
            arguments = {"from_logits": True} if kind == "logits" else {}
            return getattr(keras.losses, name)(**arguments) if name[0].isupper() else name

        metrics = one([[metric(name) for name in names] for names in self.metrics])
        model.compile(
            self.optimizer(),
            one([loss(name, kind) for name, (kind, _) in zip(self.losses, self.plan.outputs, strict=True)]),
            loss_weights=self.loss_weights,
            steps_per_execution=self.steps_per_execution,
            run_eagerly=eager,
            **{"weighted_metrics" if self.weighted else "metrics": metrics},
        )

    def fit(self, model, rows=None, epochs=2, **more):
        cut = slice(0, rows)
        fits = {key: value[cut] if isinstance(value, np.ndarray) else value for key, value in self.fits.items()}
        x, y = ([value[cut] for value in values] for values in (self.x, self.y))
        arguments = {"batch_size": self.batch, "epochs": epochs, "verbose": 0, **fits, **more}
        return model.fit(x[0] if len(x) == 1 else x, y[0] if len(y) == 1 else y, **arguments).history

    def run(self, eager, folder):
        """(what the training leaves behind, the replayed model, what else is to be known)."""
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(self.seed)
        model = self.plan.make()
        self.compile(model, eager)
        keras.utils.set_random_seed(self.seed + 1)
        found = {"history": []}

        def note(history):
            found["history"] += [np.asarray(history[name], "float64") for name in sorted(history)]

        note(self.fit(model, epochs=3))
        saved = self.batch, self.rows, self.x
        for change in self.changes:
            model = change(self, model, eager, folder) or model
            note(self.fit(model))
        self.batch, self.rows, self.x = saved
        # As many batches of one kind as it takes to see every phase of the optimizer twice: then all is replayed.
        note(self.fit(model, rows=4, epochs=20, batch_size=4, shuffle=False))
        with Counted(model) as counted:
            note(self.fit(model, rows=4, epochs=1, batch_size=4, shuffle=False))
        found["evaluation"] = flat([model.evaluate(*self.given(), batch_size=self.batch, verbose=0)])
        found["prediction"] = flat(model.predict(self.given()[0], batch_size=self.batch, verbose=0))
        found["weights"] = model.get_weights()
        found["optimizer"] = [variable.numpy() for variable in model.optimizer.variables]
        found["states"] = [variable.numpy() for metric in model.metrics for variable in metric.variables]
        found["random"] = [torch.get_rng_state().numpy()]
        return found, model, counted.calls

    @contextlib.contextmanager
    def one_lstm(self):
        """Let an LSTM be the same calls in both runs: eagerly it may be one call of a library."""
        before = torch._C._get_mkldnn_enabled()
        torch._C._set_mkldnn_enabled(before and "LSTM" not in " ".join(self.plan.text))
        try:
            yield
        finally:
            torch._C._set_mkldnn_enabled(before)

    def rng_of(self, purpose):
        """A generator of its own for a change, the same in both runs."""
        return random.Random(f"{self.seed} {purpose}")

    def given(self):
        return self.x[0] if len(self.x) == 1 else self.x, self.y[0] if len(self.y) == 1 else self.y


class Counted:
    """Counts how often the functions behind a model's training steps run as they are."""

    def __init__(self, model):
        self.calls = 0
        self.steps = training_steps(model)
        assert self.steps

    def __enter__(self):
        self.functions = [step.function for step in self.steps]
        for step in self.steps:
            step.function = self.counting(step.function)
        return self

    def __exit__(self, *exception):
        for step, function in zip(self.steps, self.functions, strict=True):
            step.function = function

    def counting(self, function):
        def count(*args):
            self.calls += 1
            return function(*args)

        return count


# --- what changes between two fits: functions of (training, model, eager, a folder) that may give another model -------


def set_rate(training, model, eager, folder):
    if not isinstance(model.optimizer._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
        model.optimizer.learning_rate = 0.003


def freeze(training, model, eager, folder):
    layers = [layer for layer in model.layers if layer.trainable_weights]
    layers[training.rng_of("freeze").randrange(len(layers))].trainable = False
    if not model.trainable_weights:
        model.trainable = True


def freeze_and_compile(training, model, eager, folder):
    freeze(training, model, eager, folder)
    training.compile(model, eager)


def thaw(training, model, eager, folder):
    model.trainable = True
    training.compile(model, eager)


def set_batch(training, model, eager, folder):
    training.batch = 3


def shorten(training, model, eager, folder):
    training.fit(model, rows=7, epochs=2)


def set_weights(training, model, eager, folder):
    model.set_weights([0.9 * value for value in model.get_weights()])


def load_weights(training, model, eager, folder):
    path = folder / f"{training.seed}.pt"
    torch.save(model.state_dict(), path)
    model.set_weights([0 * value for value in model.get_weights()])
    model.load_state_dict(torch.load(path))


def load_tensors(training, model, eager, folder):
    state = {key: value.clone() * 0.9 for key, value in model.state_dict().items()}
    model.load_state_dict(state, assign=True)


def other_dtype(training, model, eager, folder):
    training.x = [value.astype("int64" if value.dtype.kind == "i" else "float64") for value in training.x]


def save_and_load(training, model, eager, folder):
    path = folder / f"{training.seed}.pt"
    torch.save([model.state_dict(), model.optimizer.get_weights()], path)
    with keras.utils.custom_object_scope(OBJECTS):
        other = keras.Model.from_config(model.get_config())
    training.compile(other, eager)
    other.optimizer.build(other.trainable_variables)
    state, slots = torch.load(path, weights_only=False)
    other.load_state_dict(state)
    if len(slots) == len(other.optimizer.variables):  # not where a layer was frozen
        other.optimizer.set_weights(slots)
    return other


def copied(training, model, eager, folder):
    return copy.deepcopy(model)


def clone(training, model, eager, folder):
    with keras.utils.custom_object_scope(OBJECTS):
        other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    training.compile(other, eager)
    return other


def one_batch(training, model, eager, folder):
    x, y = training.given()
    model.train_on_batch(*(keras.tree.map_structure(lambda value: value[:4], part) for part in (x, y)))


def look(training, model, eager, folder):
    x, y = training.given()
    model.evaluate(x, y, batch_size=training.batch, verbose=0)
    model.predict(x, batch_size=training.batch, verbose=0)


CHANGES = [
    set_rate, freeze, freeze_and_compile, thaw, set_batch, shorten, set_weights, load_weights, load_tensors,
    other_dtype, save_and_load, copied, clone, one_batch, look,
]  # fmt: skip


# How far apart eager and replayed runs may be where memory lies otherwise: a library's product of an operand that does
# not begin at a multiple of 64 bytes (an eager batch is a part of the data) may differ in the last bit.
LAST_BITS = 1e-5


def check(seed, folder, native=False, tolerance=0.0):
    """Hold a random training equal to itself, eagerly and replayed, and replayed to the last step.

    native: let programs be machine code of our own; tolerance: see `keras_replay.same`.
    """
    training = Training(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Some of these trainings run away, which is as good: NaN must come where it comes eagerly.
        warnings.filterwarnings("ignore", "The loss is NaN")
        try:
            with training.one_lstm():
                wanted, _, _ = training.run(True, folder)
                with machine_code(native):
                    found, model, calls = training.run(False, folder)
            same(found, wanted, tolerance)
            assert calls == 0, "the last step was not replayed"
            assert all(step.programs for step in training_steps(model))
        except Exception as error:
            raise AssertionError(f"{training!r}") from error


@pytest.mark.parametrize("seed", range(QUICK))
def test_random_model(seed, tmp_path):
    check(seed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(QUICK, MANY))
def test_many_random_models(seed, tmp_path):
    check(seed, tmp_path, tolerance=LAST_BITS)
