"""Models mixed of Keras layers, Gluon blocks and torch modules, and the same in torch alone."""

import numpy as np
import torch

import tandem.mxnet as mx
from tandem import keras
from tandem.engine.replay import Step
from tandem.mxnet import autograd, gluon, nd
from tandem.mxnet.gluon import nn

FEATURES, CLASSES = 6, 3


class Pieces:
    """Layers of three frameworks that follow one another, in float64.

    dropout: the rate of a dropout of each kind in between, None for none; built: whether the Gluon blocks know their
    input sizes and the torch modules are not lazy.
    """

    def __init__(self, dropout=None, built=False):
        units = {"in_units": 5} if built else {}
        self.first = keras.layers.Dense(5, activation="tanh", dtype="float64")
        self.block = nn.HybridSequential()
        self.block.add(nn.Dense(4, activation="relu", **units), nn.BatchNorm(**({"in_channels": 4} if built else {})))
        self.module = torch.nn.Sequential(
            torch.nn.Linear(4, 4) if built else torch.nn.LazyLinear(4), torch.nn.BatchNorm1d(4), torch.nn.Tanh()
        )
        self.norm = keras.layers.BatchNormalization(dtype="float64")
        self.last = nn.Dense(CLASSES, **({"in_units": 4} if built else {}))
        for block in (self.block, self.last):
            block.cast("float64")
            block.initialize(mx.init.Xavier())
        self.module.double()
        self.dropouts = []
        if dropout is not None:
            self.dropouts = [
                keras.layers.Dropout(dropout, dtype="float64"), nn.Dropout(dropout), torch.nn.Dropout(dropout)
            ]  # fmt: skip

    def all(self):
        """The pieces in their order."""
        between = self.dropouts or [None] * 3
        rows = [[self.first, between[0]], [self.block, between[1]], [self.module, between[2]], [self.norm, self.last]]
        return [piece for row in rows for piece in row if piece is not None]

    def reference(self):
        """The same computation with the same weights, in torch alone."""
        dense, norm = self.block[0], self.block[1]
        reference = torch.nn.Sequential(
            _linear(self.first.kernel.tensor.t(), self.first.bias.tensor),
            torch.nn.Tanh(),
            _linear(dense.weight.tensor, dense.bias.tensor),
            torch.nn.ReLU(),
            _norm(norm.gamma.tensor, norm.beta.tensor, 1e-5, 0.1),
            _linear(self.module[0].weight, self.module[0].bias),
            _norm(self.module[1].weight, self.module[1].bias, 1e-5, 0.1),
            torch.nn.Tanh(),
            _norm(self.norm.gamma.tensor, self.norm.beta.tensor, 1e-3, 0.01),
            _linear(self.last.weight.tensor, self.last.bias.tensor),
        )
        return reference.double()

    def learned(self):
        """The learned tensors, in the order of the reference's parameters."""
        dense, norm = self.block[0], self.block[1]
        return [
            self.first.kernel.tensor.t(), self.first.bias.tensor,
            dense.weight.tensor, dense.bias.tensor, norm.gamma.tensor, norm.beta.tensor,
            *self.module.parameters(),
            self.norm.gamma.tensor, self.norm.beta.tensor,
            self.last.weight.tensor, self.last.bias.tensor,
        ]  # fmt: skip

    def means(self):
        """The running means, in the order of the reference's."""
        return [self.block[1].running_mean.tensor, self.module[1].running_mean, self.norm.moving_mean.tensor]


def _linear(weight, bias):
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0])
    return _filled(layer, weight=weight, bias=bias)


def _norm(weight, bias, epsilon, momentum):
    layer = torch.nn.BatchNorm1d(len(weight), eps=epsilon, momentum=momentum)
    return _filled(layer, weight=weight, bias=bias)


def _filled(layer, **values):
    layer.double()
    with torch.no_grad():
        for name, value in values.items():
            getattr(layer, name).copy_(value)
    return layer


# --- containers: what the pieces stand in ---


def functional(pieces):
    """A functional Keras model; blocks are called on its symbolic values."""
    inputs = x = keras.Input((FEATURES,))
    for piece in pieces:
        if isinstance(piece, (keras.layers.Layer, gluon.Block)):
            x = piece(x)
        else:
            x = keras.layers.TorchModuleWrapper(piece)(x)
    return keras.Model(inputs, x)


def sequential(pieces):
    """A Keras Sequential that knows its input."""
    return keras.Sequential([keras.Input((FEATURES,)), *pieces])


def deferred(pieces):
    """A Keras Sequential that learns its input from the first call."""
    return keras.Sequential(pieces)


class Subclassed(keras.Model):
    """A subclassed Keras model with the pieces as attributes, one of them in a list."""

    def __init__(self, pieces):
        super().__init__()
        self.head = pieces[0]
        self.rest = pieces[1:-1]
        self.tail = pieces[-1]

    def call(self, x, training=None):
        x = self.head(x)
        for piece in self.rest:
            x = piece(x)
        return self.tail(x)


def row(pieces):
    """A Gluon HybridSequential."""
    net = nn.HybridSequential()
    net.add(*pieces)
    return net


def hybridized(pieces):
    """A Gluon HybridSequential that is recorded and replayed."""
    net = row(pieces)
    net.hybridize(inline_limit=0)
    return net


def plain_row(pieces):
    """A Gluon Sequential."""
    net = nn.Sequential()
    net.add(*pieces)
    return net


class Attributes(gluon.Block):
    """A Gluon block with the pieces as attributes."""

    def __init__(self, pieces):
        super().__init__()
        self._keys = [f"piece{number}" for number in range(len(pieces))]
        for key, piece in zip(self._keys, pieces, strict=True):
            setattr(self, key, piece)

    def forward(self, x):
        for key in self._keys:
            x = getattr(self, key)(x)
        return x


def torch_row(pieces):
    """A plain torch module around them all."""
    return torch.nn.Sequential(*pieces)


KERAS = {"functional": functional, "sequential": sequential, "deferred": deferred, "subclassed": Subclassed}
GLUON = {"row": row, "hybridized": hybridized, "plain_row": plain_row, "attributes": Attributes}
CONTAINERS = {**KERAS, **GLUON, "torch": torch_row}


# --- ways of training ---


def data(rows=16, dtype="float64"):
    """Fixed inputs and targets."""
    rng = np.random.default_rng(7)
    return rng.normal(size=(rows, FEATURES)).astype(dtype), rng.normal(size=(rows, CLASSES)).astype(dtype)


def batches(x, y, size):
    """The batches of an epoch."""
    return [(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]


def as_keras(model):
    """The model itself, or in a Keras model."""
    return model if isinstance(model, keras.Model) else keras.Sequential([model])


def as_gluon(model):
    """The model itself, or in a Gluon block."""
    return model if isinstance(model, gluon.Block) else plain_row([model])


def by_fit(model, x, y, rate, size, epochs=2, eager=False):
    """Keras's `fit`; returns the Keras model."""
    model = as_keras(model)
    model.compile(keras.optimizers.SGD(rate), "mse", run_eagerly=eager)
    model.fit(x, y, batch_size=size, epochs=epochs, shuffle=False, verbose=0)
    return model


def by_trainer(model, x, y, rate, size, epochs=2):
    """MXNet's loop with a `Trainer`."""
    net = as_gluon(model)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": rate})
    loss = gluon.loss.L2Loss(weight=2.0)
    for _ in range(epochs):
        for features, targets in batches(x, y, size):
            with autograd.record():
                value = loss(net(nd.array(features, dtype=x.dtype)), nd.array(targets, dtype=y.dtype))
            value.backward()
            trainer.step(len(features))


def by_torch(model, x, y, rate, size, epochs=2):
    """A plain torch loop."""
    model(torch.from_numpy(x[:size]))  # weights that come with the first call
    optimizer = torch.optim.SGD(model.parameters(), rate)
    model.train()
    for _ in range(epochs):
        for features, targets in batches(torch.from_numpy(x), torch.from_numpy(y), size):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(features), targets).backward()
            optimizer.step()
    model.eval()


WAYS = {"fit": by_fit, "trainer": by_trainer, "torch": by_torch}


def training_steps(model):
    """The `Step`s behind a Keras model's training."""
    function = model._training.train_step
    return [cell.cell_contents for cell in function.__closure__ if isinstance(cell.cell_contents, Step)]


def is_replayed(model):
    """Whether a Keras model's training step has been made into a program."""
    return any(step.programs for step in training_steps(model))
