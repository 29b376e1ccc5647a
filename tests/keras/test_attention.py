"""What is peculiar to attention: where masks come from, weights that are handed out, errors, the way back of tables."""

import numpy as np
import pytest
import torch

from oracles import real_keras
from tandem import keras

layers = keras.layers


def both(make, *shapes):
    """(ours, the real one) of a layer, with the same random weights."""
    pair = []
    for K in (keras, real_keras()):
        layer = make(K)
        layer.build(*shapes)
        pair.append(layer)
    rng = np.random.default_rng(0)
    values = [rng.normal(0, 0.5, weight.shape).astype("float32") for weight in pair[0].weights]
    for layer in pair:
        layer.set_weights(values)
    return pair


def numbers(tree):
    return [leaf.detach().numpy() for leaf in (tree if isinstance(tree, (list, tuple)) else [tree])]


def draw(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype("float32"))


@pytest.mark.oracle
@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", ["MultiHeadAttention", "GroupQueryAttention"])
def test_all_kinds_of_masks_together(name, causal, scores):
    def make(K):
        return getattr(K.layers, name)(2, 4, *([2] if name.startswith("Group") else []))

    mine, real = both(make, (3, 5, 4), (3, 6, 4))
    query, value = draw(3, 5, 4), draw(3, 6, 4, seed=1)
    rng = np.random.default_rng(2)
    options = {
        "value_mask": torch.from_numpy(rng.random((3, 6)) < 0.7),
        "attention_mask": torch.from_numpy(rng.random((3, 5, 6)) < 0.7),
        "use_causal_mask": causal,
        "return_attention_scores": scores,
    }
    for a, b in zip(numbers(mine(query, value, **options)), numbers(real(query, value, **options)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_masks_come_along_from_an_embedding():
    inputs = torch.tensor([[1, 2, 0], [3, 0, 0]])
    embedded = layers.Embedding(5, 4, mask_zero=True)(inputs)
    layer = layers.MultiHeadAttention(2, 3)
    outputs, weights = layer(embedded, embedded, return_attention_scores=True)
    assert torch.equal(outputs._keras_mask, inputs != 0)
    assert torch.all(weights[0, :, :2, 2] == 0)
    assert torch.all(weights[1, :, 0, 1:] == 0)


def test_scores_and_dropout():
    query = draw(2, 50, 4)
    layer = layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1)
    _, weights = layer(query, query, return_attention_scores=True, training=True)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 50))
    assert not torch.equal(layer(query, query, training=True), layer(query, query, training=False))
    with pytest.raises(ValueError, match="Dropout is not supported when flash attention"):
        layers.MultiHeadAttention(2, 3, dropout=0.5, flash_attention=True)
    with pytest.raises(ValueError, match="scores is not supported when flash"):
        layers.MultiHeadAttention(2, 3, flash_attention=True)(query, query, return_attention_scores=True)


def test_symbolic_calls_with_options():
    query, value = keras.Input((5, 4)), keras.Input((6, 4))
    outputs, weights = layers.MultiHeadAttention(2, 3)(query, value, return_attention_scores=True)
    assert outputs.shape == (None, 5, 4)
    assert weights.shape == (None, 2, 5, 6)
    outputs, weights = layers.Attention()([query, value], return_attention_scores=True)
    assert outputs.shape == (None, 5, 4)
    assert weights.shape == (None, 5, 6)
    table = layers.ReversibleEmbedding(7, 4, reverse_dtype="float16")
    scores = table(query, reverse=True)
    assert scores.shape == (None, 5, 7)
    assert scores.dtype == "float16"
    model = keras.Model([query, value], layers.MultiHeadAttention(2, 3, name="mha")(query, value))
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    inputs = [draw(2, 5, 4), draw(2, 6, 4)]
    torch.testing.assert_close(again(inputs), model(inputs))


@pytest.mark.oracle
@pytest.mark.parametrize("options", [{}, {"tie_weights": False}, {"logit_soft_cap": 1.5, "reverse_dtype": "bfloat16"}])
def test_the_way_back_of_a_table(options):
    mine, real = both(lambda K: K.layers.ReversibleEmbedding(6, 3, **options), (2, 4))
    a, b = (layer(draw(2, 4, 3), reverse=True) for layer in (mine, real))
    assert a.dtype == b.dtype
    np.testing.assert_allclose(a.detach().float().numpy(), b.detach().float().numpy(), rtol=1e-2, atol=1e-2)
    assert mine.compute_output_shape((2, 4, 3), reverse=True) == (2, 4, 6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.MultiHeadAttention(0, 3), "`num_heads`, expected a positive integer"),
        (lambda: layers.MultiHeadAttention(2, 3, value_dim=0), "`value_dim`, expected a positive integer or `None`"),
        (lambda: layers.MultiHeadAttention(2, 3, sliding_window=0), "`sliding_window` must be"),
        (lambda: layers.GroupQueryAttention(3, 4, 3), "must be divisible"),
        (lambda: layers.Attention(score_mode="sum"), "score_mode"),
        (lambda: layers.Attention()(draw(2, 3, 4)), "must be called on a list"),
        (lambda: layers.Attention()([draw(2, 3, 4)] * 4), "length 2 or 3"),
        (lambda: layers.Attention()([draw(2, 3, 4)] * 2, mask=[None]), "mask list of length 2 or 3"),
        (lambda: layers.EinsumDense("ab,bc", 3).build((2, 4)), "Invalid einsum equation"),
        (lambda: layers.EinsumDense("abc,cd->abd", (7, 3)).build((2, 5, 4)), "do not match at shared dimension 'b'"),
        (lambda: layers.EinsumDense("abc,cd->abd", (5, 3), bias_axes="z").build((2, 5, 4)), "Bias dimension 'z'"),
        (lambda: layers.EinsumDense("ab,cd->ad", 3).build((2, 5)), "Weight dimension 'c'"),
        (lambda: layers.SpectralNormalization(layers.Dense(2), power_iterations=0), "greater than zero"),
        (lambda: layers.SpectralNormalization(layers.ReLU()).build((2, 3)), "'kernel' nor 'embeddings'"),
    ],
)
def test_what_does_not_fit_raises(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_einsum_kernels_are_initialized_for_what_they_sum():
    keras.utils.set_random_seed(0)
    layer = layers.EinsumDense("abc,cde->abde", (None, 64, 32))
    layer.build((2, 5, 400))
    assert layer.kernel.numpy().std() == pytest.approx((2 / (400 + 64 * 32)) ** 0.5, rel=0.02)


@pytest.mark.oracle
def test_initial_states_of_convolutional_recurrence():
    mine, real = both(lambda K: K.layers.ConvLSTM2D(2, 3, padding="same"), (2, 3, 4, 5, 2))
    states = [draw(2, 4, 5, 2, seed=1), draw(2, 4, 5, 2, seed=2)]
    a, b = (layer(draw(2, 3, 4, 5, 2), initial_state=states) for layer in (mine, real))
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5, atol=1e-5)
