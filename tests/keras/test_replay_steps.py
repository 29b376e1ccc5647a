"""Replay of training steps that people write themselves: what is in them is recorded, or runs eagerly and says why."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from keras_replay import compare, programs
from tandem import keras
from tandem.engine.replay import EagerWarning

L = keras.layers
ROWS = 12


def _x(*shape):
    return np.random.default_rng(5).normal(size=(ROWS, *(shape or (6,)))).astype("float32")


def _y(units=3):
    return np.random.default_rng(6).normal(size=(ROWS, units)).astype("float32")


def _sgd(rate=0.05, loss="mse", **settings):
    return lambda: {"optimizer": keras.optimizers.SGD(rate), "loss": loss, **settings}


def _with(layer, units=3):
    return lambda: keras.Sequential([keras.Input((6,)), L.Dense(5, activation="tanh"), layer(), L.Dense(units)])


class Own(keras.Model):
    """A step that calls its optimizer `times` times."""

    times = 1

    def __init__(self):
        super().__init__()
        self.first = L.Dense(5, activation="tanh")
        self.last = L.Dense(3)

    def call(self, x):
        return self.last(self.first(x))

    def gradients(self, loss):
        return torch.autograd.grad(self.optimizer.scale_loss(loss), [v.value for v in self.trainable_variables])

    def train_step(self, data):
        x, y = data
        for _ in range(self.times):
            loss = self.compute_loss(x, y, self(x, training=True))
            self.optimizer.apply(self.gradients(loss), self.trainable_variables)
        return {"loss": loss, "count": self.optimizer.iterations, "one": 1.0}


class Twice(Own):
    times = 2


def test_variables_among_the_logs():
    class Telling(Own):
        def train_step(self, data):
            return {**super().train_step(data), "rate": self.optimizer.learning_rate}

    compare(Telling, _x(), _y(), _sgd())


# --- optimizers in such steps ---------------------------------------------------------------------------------------

OPTIONS = {
    "accumulation": {"gradient_accumulation_steps": 3},
    "averages that overwrite": {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3},
    "both": {"gradient_accumulation_steps": 2, "use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 2},
    "clipped": {"global_clipnorm": 0.1, "weight_decay": 0.01, "gradient_accumulation_steps": 2},
}


@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "loss scale"])
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("make", [Own, Twice])
def test_an_optimizer_that_does_something_now_and_then(make, option, scaled):
    def settings():
        optimizer = keras.optimizers.Adam(0.01, **OPTIONS[option])
        if scaled:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=8.0, dynamic_growth_steps=2)
        return {"optimizer": optimizer, "loss": "mse"}

    compare(make, _x(), _y(), settings, epochs=5, expected=None)


@pytest.mark.parametrize("option", ["accumulation", "both"])
def test_two_updates_in_a_step_are_two_turns(option):
    """The same numbers as two batches of a model whose step makes one update."""

    def train(make, times):
        keras.utils.set_random_seed(1)
        model = make()
        model.compile(keras.optimizers.SGD(0.1, **OPTIONS[option]), "mse")
        model.build((None, 6))
        for start in (0, 4, 8, 0, 4, 8, 0):
            for _ in range(times):
                model.train_on_batch(_x()[start : start + 4], _y()[start : start + 4])
        return model.get_weights()

    for mine, theirs in zip(train(Twice, 1), train(Own, 2), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_loss_scale_that_overflows():
    def settings():
        inner = keras.optimizers.Adam(0.01, gradient_accumulation_steps=2)
        optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**127, dynamic_growth_steps=2)
        return {"optimizer": optimizer, "loss": "mse"}

    model = compare(_with(L.LayerNormalization), _x() * 1e3, _y(), settings, epochs=9)
    assert int(model.optimizer.iterations) < int(model.optimizer.inner_optimizer.counter.numpy()) < 27


def _falling_rates():
    rates = iter(np.linspace(0.1, 0.01, 200).tolist())
    return {"optimizer": keras.optimizers.SGD(lambda: next(rates)), "loss": "mse"}


def test_a_rate_that_is_a_function_is_called_once_to_a_step():
    compare(Own, _x(), _y(), _falling_rates)


def test_a_rate_that_is_a_function_and_is_called_inside():
    with pytest.raises(EagerWarning, match="a learning rate is a function"):
        compare(Twice, _x(), _y(), _falling_rates)


def test_an_optimizer_of_torch_whose_rate_is_set():
    class ByTorch(Own):
        def train_step(self, data):
            x, y = data
            self.other.zero_grad()
            loss = ((self(x) - y) ** 2).mean()
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters(), 0.5)
            self.other.step()
            return {"loss": loss.detach()}

    def make():
        model = ByTorch()
        model.build((None, 6))
        model.other = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        return model

    def drive(model):
        losses = []
        scheduler = torch.optim.lr_scheduler.StepLR(model.other, 1, 0.5)
        for _ in range(3):
            losses += model.fit(_x(), _y(), batch_size=4, epochs=3, verbose=0).history["loss"]
            scheduler.step()
        return {"loss": losses}

    model = compare(make, _x(), _y(), _sgd(), drive=drive, expected=None)
    assert programs(model)[0] == 3


# --- adversaries ----------------------------------------------------------------------------------------------------


class Gan(keras.Model):
    """A generator and a discriminator with an optimizer each."""

    options = {}

    def __init__(self):
        super().__init__()
        self.generator = keras.Sequential([keras.Input((2,)), L.Dense(8, activation="relu"), L.Dense(6)])
        self.critic = keras.Sequential([keras.Input((6,)), L.Dense(8), L.LeakyReLU(), L.Dropout(0.2), L.Dense(1)])
        self.of_generator, self.of_critic = keras.metrics.Mean(name="g"), keras.metrics.Mean(name="d")
        self.seeds = keras.random.SeedGenerator(3)

    def compile(self, optimizer, loss=None, run_eagerly=False):
        super().compile(optimizer, loss, run_eagerly=run_eagerly)
        self.generates = keras.optimizers.Adam(0.01, **self.options)
        self.criticizes = keras.optimizers.RMSprop(0.01)
        self.rule = keras.losses.BinaryCrossentropy(from_logits=True)

    @property
    def metrics(self):
        return [self.of_generator, self.of_critic]

    def call(self, x):
        return self.critic(x)

    def train_step(self, data):
        x, _ = data
        count = len(x)
        fake = self.generator(torch.randn(count, 2, generator=self.seeds.generator()))
        labels = torch.cat([torch.ones(count, 1), torch.zeros(count, 1)])
        labels = labels + 0.05 * torch.rand(labels.shape)
        worth = self.rule(labels, self.critic(torch.cat([fake, x]), training=True))
        grads = torch.autograd.grad(worth, [v.value for v in self.critic.trainable_weights])
        self.criticizes.apply_gradients(zip(grads, self.critic.trainable_weights, strict=True))
        self.zero_grad()
        deceit = self.rule(torch.zeros(count, 1), self.critic(self.generator(torch.randn(count, 2))))
        deceit.backward()
        self.generates.apply([v.value.grad for v in self.generator.trainable_weights], self.generator.trainable_weights)
        self.of_generator.update_state(deceit)
        self.of_critic.update_state(worth)
        return {"g": self.of_generator.result(), "d": self.of_critic.result()}

    def test_step(self, data):
        return {"d": self.critic(data[0]).mean()}


class Patient(Gan):
    options = {"use_ema": True, "ema_overwrite_frequency": 2, "gradient_accumulation_steps": 2}


class Wasserstein(Gan):
    """Three rounds of the critic with a penalty on its gradient's norm: gradients of gradients."""

    def train_step(self, data):
        x, _ = data
        count = len(x)
        for _ in range(3):
            fake = self.generator(torch.randn(count, 2)).detach()
            share = torch.rand(count, 1)
            between = (share * x + (1 - share) * fake).requires_grad_()
            (slope,) = torch.autograd.grad(self.critic(between, training=True).sum(), between, create_graph=True)
            worth = self.critic(fake, training=True).mean() - self.critic(x, training=True).mean()
            worth = worth + 10 * ((slope.norm(2, dim=1) - 1) ** 2).mean()
            weights = self.critic.trainable_weights
            self.criticizes.apply(torch.autograd.grad(worth, [v.value for v in weights]), weights)
        deceit = -self.critic(self.generator(torch.randn(count, 2))).mean()
        weights = self.generator.trainable_weights
        self.generates.apply(torch.autograd.grad(deceit, [v.value for v in weights]), weights)
        self.of_generator.update_state(deceit)
        self.of_critic.update_state(worth)
        return {"g": self.of_generator.result(), "d": self.of_critic.result()}


@pytest.mark.parametrize("make", [Gan, Patient, Wasserstein])
def test_adversaries(make):
    compare(make, _x(), _y(1), lambda: {"optimizer": "sgd"}, epochs=5)


# --- what layers and models may do ----------------------------------------------------------------------------------


def test_a_variational_layer_with_a_penalty():
    class Sampling(L.Layer):
        def __init__(self, seed):
            super().__init__()
            self.seeds = keras.random.SeedGenerator(seed)

        def call(self, inputs):
            mean, variance = inputs
            self.add_loss(-0.5 * (1 + variance - mean**2 - variance.exp()).mean())
            noise = torch.randn(tuple(mean.shape), generator=self.seeds.generator())
            return mean + (0.5 * variance).exp() * noise

    for seed in (1, None):

        def make(seed=seed):
            inputs = keras.Input((6,))
            hidden = L.Dense(5, activation="relu")(inputs)
            return keras.Model(inputs, L.Dense(6)(Sampling(seed)([L.Dense(2)(hidden), L.Dense(2)(hidden)])))

        compare(make, _x(), _x(), _sgd())


def test_layers_without_weights_that_a_call_makes():
    class Made(Own):
        def call(self, x):
            hidden = L.LeakyReLU(0.1)(self.first(x))
            return self.last(L.concatenate([hidden, L.Add()([hidden, hidden])]))

    compare(Made, _x(), _y(), _sgd())


def test_functional_transforms_inside_a_call():
    class Sloped(Own):
        def call(self, x):
            hidden = self.first(x)
            slope = torch.func.vmap(torch.func.grad(lambda value: torch.tanh(value).sum()))(hidden)
            return self.last(hidden + slope)

    compare(Sloped, _x(), _y(), _sgd())


def test_a_schedule_of_ones_own():
    class Noam(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            step = step.value.float() + 1
            return 0.1 * torch.minimum(step.rsqrt(), step * 0.1)

    def settings():
        return {"optimizer": keras.optimizers.Adam(Noam()), "loss": "mse"}

    compare(_with(L.BatchNormalization), _x(), _y(), settings)


def test_modules_of_torch():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(6, 4, 2, batch_first=True, dropout=0.2, bidirectional=True)
            self.gru = nn.GRU(8, 3, batch_first=True)

        def forward(self, x):
            return self.gru(self.lstm(x)[0])[0]

    def make():
        normed = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 6))
        weighed = nn.utils.parametrizations.weight_norm(nn.Linear(6, 6))
        middle = [L.TorchModuleWrapper(module) for module in (normed, weighed, nn.BatchNorm1d(5), Recurrent())]
        return keras.Sequential([keras.Input((5, 6)), *middle, L.Flatten(), L.Dense(3)])

    compare(make, _x(5, 6), _y(), _sgd(), tolerance=1e-5)


class Table(L.Layer):
    """A layer with numbers in a NumPy array."""

    def __init__(self):
        super().__init__()
        self.table = np.random.default_rng(1).normal(size=(5, 100)).astype("float32") / 10

    def call(self, x):
        return x @ torch.tensor(self.table) @ torch.as_tensor(self.table).T


def test_numbers_in_an_array():
    compare(_with(Table), _x(), _y(), _sgd())


# --- what changes between steps -------------------------------------------------------------------------------------


def _fits(change):
    def drive(model):
        losses = []
        for number in range(4):
            losses += model.fit(_x(), _y(), batch_size=4, epochs=3, verbose=0).history["loss"]
            change(model, number)
        return {"loss": losses}

    return drive


def _double_table(model, number):
    model.layers[1].table[:] *= 2.0


def _assign_state(model, number):
    state = {name: value.clone() * 0.9 for name, value in model.state_dict().items()}
    model.load_state_dict(state, assign=number % 2 == 0)


def _other_memory(model, number):
    for variable in model.variables:
        variable.tensor.data = variable.tensor.data.clone() * 0.9


CHANGES = {
    "an array in place": (Table, _double_table),
    "tensors by load_state_dict": (L.BatchNormalization, _assign_state),
    "memory": (L.BatchNormalization, _other_memory),
}


@pytest.mark.parametrize("what", CHANGES)
def test_changes_between_steps(what):
    layer, change = CHANGES[what]
    compare(_with(layer), _x(), _y(), _sgd(0.01), drive=_fits(change), expected=None)


def test_epsilon_is_read_anew():
    def set_epsilon(model, number):
        keras.config.set_epsilon((1e-1, 1e-3, 1e-7, 1e-7)[number])

    def settings():
        return {"optimizer": keras.optimizers.SGD(0.05), "loss": keras.losses.CategoricalCrossentropy()}

    def make():
        return keras.Sequential([keras.Input((6,)), L.Dense(3, activation="exponential")])

    targets = np.eye(3, dtype="float32")[np.arange(ROWS) % 3]

    def drive(model):
        losses = []
        for number in range(4):
            losses += model.fit(_x(), targets, batch_size=4, epochs=3, verbose=0).history["loss"]
            set_epsilon(model, number)
        return {"loss": losses}

    before = keras.config.epsilon()
    try:
        model = compare(make, _x(), targets, settings, drive=drive, expected=None)
    finally:
        keras.config.set_epsilon(before)
    assert programs(model)[0] >= 3


def test_class_weights_that_change_from_batch_to_batch():
    classes = np.arange(ROWS) % 3

    def drive(model):
        weights = [{0: float(number), 1: 1.0, 2: 2.0} for number in range(6)]
        return {"loss": [model.train_on_batch(_x(), classes, class_weight=one) for one in weights]}

    settings = _sgd(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    compare(_with(L.BatchNormalization), _x(), classes, settings, drive=drive)


def test_a_loader_with_a_smaller_last_batch():
    def drive(model):
        data = torch.utils.data.TensorDataset(torch.tensor(_x()), torch.tensor(_y()))
        loader = torch.utils.data.DataLoader(data, batch_size=5, shuffle=True)
        return model.fit(loader, epochs=5, shuffle=False, verbose=0).history

    compare(_with(L.BatchNormalization), _x(), _y(), _sgd(), drive=drive, expected=(2, 1, 1))


# --- what is not recorded, and why ----------------------------------------------------------------------------------


class Checkpointed(L.Layer):
    """Its dropout is drawn again, the same, in the backward pass: the generator is set back there."""

    def __init__(self):
        super().__init__()
        self.drop = L.Dropout(0.5)

    def call(self, x, training=False):
        def inner(value):
            return self.drop(torch.tanh(value), training=training)

        return torch.utils.checkpoint.checkpoint(inner, x, use_reentrant=False)


class Seeding(L.Layer):
    def call(self, x):
        torch.manual_seed(3)
        return x + torch.rand_like(x)


class Coin(L.Layer):
    def call(self, x):
        return x * 2 if np.random.rand() < 0.999 else x


class Die(L.Layer):
    def call(self, x):
        return x * 2 if random.random() < 0.999 else x


class SameNoise(L.Layer):
    def __init__(self):
        super().__init__()
        self.generator = torch.Generator()

    def call(self, x):
        self.generator.manual_seed(1)
        return x + torch.rand(x.shape[-1], generator=self.generator)


class Keeping(L.Layer):
    def __init__(self):
        super().__init__()
        self.seen = []

    def call(self, x):
        self.seen.append(x.detach().mean())
        return x


REFUSED = {
    Checkpointed: "generator is seeded or set back",
    Seeding: "generator is seeded or set back",
    Coin: "random numbers are drawn in Python",
    Die: "random numbers are drawn in Python",
    SameNoise: "begins each run in the same state",
    Keeping: "attribute of a layer or model is set",
}


@pytest.mark.parametrize("layer", REFUSED, ids=lambda layer: layer.__name__)
def test_what_runs_eagerly_says_why(layer):
    def run(eager):
        keras.utils.set_random_seed(1)
        model = _with(layer)()
        model.compile("sgd", "mse", run_eagerly=eager)
        keras.utils.set_random_seed(2)
        losses = model.fit(_x(), _y(), batch_size=4, epochs=4, shuffle=False, verbose=0).history["loss"]
        return losses, model.get_weights()

    wanted, weights = run(True)
    with pytest.warns(EagerWarning, match=REFUSED[layer]):
        losses, found = run(False)
    assert losses == wanted
    for mine, theirs in zip(found, weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
