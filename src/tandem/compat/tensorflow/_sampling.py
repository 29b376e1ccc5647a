"""Losses over a few sampled classes, and what draws the classes: `tf.nn.nce_loss` and its like."""

from collections import namedtuple

import torch

from tandem.compat.tensorflow.lifted import lift
from tandem.compat.tensorflow.tensor import adopt, convert, public, static
from tandem.core import devices
from tandem.core.errors import explain
from tandem.keras import ops
from tandem.ops import log_uniform, sampled
from tandem.ops import random as draw

_FIELDS = ["sampled_candidates", "true_expected_count", "sampled_expected_count"]
LogUniform, Uniform = namedtuple("LogUniformCandidateSampler", _FIELDS), namedtuple("UniformCandidateSampler", _FIELDS)
_logits = lift(sampled.logits, "SampledLogits", 5, module=__name__)


def _sample(kind, true_classes, num_true, num_sampled, unique, range_max, seed):
    true, count, below = convert(true_classes, "int64"), int(static(num_sampled)), int(static(range_max))
    if len(true.shape) != 2 or true.shape[1] != num_true:
        raise ValueError(explain("Wrong shape", expected=f"(batch, {num_true})", given=tuple(true.shape)))
    if unique and count > below:
        raise ValueError(explain("There are not so many classes", expected=f"at most {below}", given=count))
    device = devices.default()
    generator = None if seed is None else torch.Generator(device).manual_seed(int(static(seed)))

    def expected(numbers, draws):
        if kind == "uniform":
            return torch.full(tuple(numbers.shape), draws / below, dtype=torch.float64, device=numbers.device)
        return log_uniform.expected_counts(numbers, draws, below)

    if unique:
        chances = expected(torch.arange(below, device=device), 1)
        found = sampled.distinct(chances, count, generator=generator)
        draws = sampled.tries(kind, count, below)
        counts = [sampled.expected_when_distinct(expected(numbers, 1), draws) for numbers in (true, found)]
    else:
        if kind == "uniform":
            found = draw.randint((count,), 0, below, device=device, generator=generator)
        else:
            found = log_uniform.sample(count, below, device=device, generator=generator)
        counts = [expected(numbers, count) for numbers in (true, found)]
    return (LogUniform if kind == "log_uniform" else Uniform)(
        adopt(found), *(adopt(one.to(torch.float32)) for one in counts)
    )


def log_uniform_candidate_sampler(true_classes, num_true, num_sampled, unique, range_max, seed=None, name=None):
    """Classes, frequent ones (of small numbers) more often: (classes, how often the true ones and they are expected).

    true_classes: (batch, num_true); unique: no class comes twice.
    """
    return _sample("log_uniform", true_classes, num_true, num_sampled, unique, range_max, seed)


def uniform_candidate_sampler(true_classes, num_true, num_sampled, unique, range_max, seed=None, name=None):
    """Classes, each as often: (classes, how often the true ones and they are expected)."""
    return _sample("uniform", true_classes, num_true, num_sampled, unique, range_max, seed)


def _terms(weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values, hits_out, seed=None):
    labels = ops.reshape(convert(labels, "int64"), (-1, num_true))
    if sampled_values is None:
        sampled_values = _sample("log_uniform", labels, num_true, num_sampled, True, num_classes, seed)
    chosen, of_true, of_chosen = (convert(one) for one in sampled_values)
    weights = weights[0] if isinstance(weights, (list, tuple)) and len(weights) == 1 else weights
    chosen = ops.cast(chosen, "int64")
    return _logits(convert(weights), convert(biases), convert(inputs), labels, chosen, (of_true, of_chosen), hits_out)


def nce_loss(
    weights,
    biases,
    labels,
    inputs,
    num_sampled,
    num_classes,
    num_true=1,
    sampled_values=None,
    remove_accidental_hits=False,
    name="nce_loss",
):
    """The noise-contrastive loss of each sample: binary cross-entropy of the true classes and of sampled ones.

    weights: (classes, size); biases: (classes,); labels: (batch, num_true); inputs: (batch, size). Gutmann and
    Hyvärinen, 2010.
    """
    logits, targets = _terms(
        weights, biases, labels, inputs, num_sampled, num_classes, num_true, sampled_values, remove_accidental_hits
    )
    return ops.sum(ops.binary_crossentropy(targets, logits, from_logits=True), axis=1)


def sampled_softmax_loss(
    weights,
    biases,
    labels,
    inputs,
    num_sampled,
    num_classes,
    num_true=1,
    sampled_values=None,
    remove_accidental_hits=True,
    seed=None,
    name="sampled_softmax_loss",
):
    """Cross-entropy of a softmax over the true classes and sampled ones, for training. Arguments as in `nce_loss`.

    Jean and others, 2014.
    """
    logits, targets = _terms(
        weights,
        biases,
        labels,
        inputs,
        num_sampled,
        num_classes,
        num_true,
        sampled_values,
        remove_accidental_hits,
        seed,
    )
    return ops.categorical_crossentropy(targets, logits, from_logits=True)


RANDOM = {
    "log_uniform_candidate_sampler": log_uniform_candidate_sampler,
    "uniform_candidate_sampler": uniform_candidate_sampler,
}
NN = {"nce_loss": public(nce_loss), "sampled_softmax_loss": public(sampled_softmax_loss)}
