"""Listing 08's model in bare JAX: a whole epoch of steps is one `lax.scan` in one compiled call."""

import itertools

import jax
from jax import lax, nn
from jax import numpy as jnp

from models import spec


def initial(key, sizes=(10, 10, 10, 1)):
    """Pairs of weight and bias, drawn as Glorot and Bengio do."""
    pairs = list(itertools.pairwise(sizes))
    keys = jax.random.split(key, len(pairs))
    glorot = nn.initializers.glorot_uniform()
    return [(glorot(one, pair), jnp.zeros(pair[1])) for one, pair in zip(keys, pairs)]


def logits(parameters, x):
    """The net before its sigmoid."""
    *hidden, (weight, bias) = parameters
    for inner, shift in hidden:
        x = nn.relu(x @ inner + shift)
    return x @ weight + bias


predict = jax.jit(lambda parameters, x: nn.sigmoid(logits(parameters, x)))


def loss_of(parameters, x, y):
    """Binary crossentropy from logits, the mean."""
    z = logits(parameters, x)
    return jnp.mean(nn.softplus(z) - y * z)


def epoch_of(name):
    """`epoch(state, key, x, y) -> state, mean loss`: shuffles and makes all the steps of an epoch."""
    found = spec(name)
    options = found.optimizer[1]
    rate, momentum = options["learning_rate"], options["momentum"]

    def step(state, batch):
        parameters, velocity = state
        loss, gradients = jax.value_and_grad(loss_of)(parameters, *batch)
        velocity = jax.tree.map(lambda v, g: momentum * v - rate * g, velocity, gradients)
        parameters = jax.tree.map(lambda p, v, g: p + momentum * v - rate * g, parameters, velocity, gradients)
        return (parameters, velocity), loss

    @jax.jit
    def epoch(state, key, x, y):
        order = jax.random.permutation(key, len(x))
        batches = tuple(array[order].reshape(-1, found.batch, *array.shape[1:]) for array in (x, y))
        state, losses = lax.scan(step, state, batches)
        return state, losses.mean()

    return epoch
