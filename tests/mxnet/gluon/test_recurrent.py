"""Recurrent layers and cells where the oracle cannot compare: lengths, projections, chance."""

import numpy as np
import pytest

import tandem.mxnet as mx
from tandem.mxnet import autograd, nd
from tandem.mxnet.gluon import rnn


def copy_weights(layer, cell, direction="l", number=0):
    for name in ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias"):
        getattr(cell, name).set_data(getattr(layer, f"{direction}{number}_{name}").data())


def series(*shape):
    return nd.array(np.random.RandomState(0).normal(0, 1, shape))


@pytest.mark.parametrize(
    ("layer", "cell"),
    [
        (rnn.LSTM, rnn.LSTMCell),
        (rnn.GRU, rnn.GRUCell),
        (lambda n, **options: rnn.RNN(n, activation="tanh", **options), rnn.RNNCell),
    ],
)
def test_lengths_stop_each_sequence(layer, cell):
    layer, cell = layer(4, use_sequence_length=True), cell(4)
    layer.initialize(mx.init.Xavier())
    cell.initialize()
    x = series(5, 3, 2)
    lengths = nd.array([2, 5, 1])
    outputs, states = layer(x, layer.begin_state(3), lengths)
    cell(x[0], cell.begin_state(3))
    copy_weights(layer, cell)
    wanted, ends = cell.unroll(5, x, layout="TNC", valid_length=lengths, merge_outputs=True)
    np.testing.assert_allclose(outputs.asnumpy(), wanted.asnumpy(), rtol=1e-4, atol=1e-6)
    for a, b in zip(states, ends, strict=True):
        np.testing.assert_allclose(a[0].asnumpy(), b.asnumpy(), rtol=1e-4, atol=1e-6)


def test_lengths_go_with_their_argument():
    layer = rnn.LSTM(4)
    layer.initialize()
    with pytest.raises(ValueError, match="use_sequence_length=True"):
        layer(series(5, 3, 2), sequence_length=nd.array([1, 2, 3]))


def test_bidirectional_is_two_directions_side_by_side():
    layer, there, back = rnn.LSTM(4, bidirectional=True, layout="NTC"), rnn.LSTMCell(4), rnn.LSTMCell(4)
    layer.initialize(mx.init.Xavier())
    both = rnn.BidirectionalCell(there, back)
    both.initialize()
    x = series(3, 5, 2)
    outputs = layer(x)
    both.unroll(5, x)
    copy_weights(layer, there, "l")
    copy_weights(layer, back, "r")
    wanted, _ = both.unroll(5, x, merge_outputs=True)
    np.testing.assert_allclose(outputs.asnumpy(), wanted.asnumpy(), rtol=1e-4, atol=1e-6)


def test_a_projection_makes_the_state_smaller():
    layer = rnn.LSTM(6, 2, projection_size=3, bidirectional=True)
    layer.initialize(mx.init.Xavier())
    outputs, (h, c) = layer(series(4, 2, 5), layer.begin_state(2))
    assert outputs.shape == (4, 2, 6)
    assert (h.shape, c.shape) == ((4, 2, 3), (4, 2, 6))
    np.testing.assert_allclose(outputs.asnumpy()[-1, :, :3], h.asnumpy()[2], rtol=1e-5)


def test_clipped_states_stay_within_bounds():
    layer = rnn.LSTM(6, state_clip_min=-0.1, state_clip_max=0.05)
    layer.initialize(mx.init.Normal(2.0))
    _, (_, c) = layer(series(4, 2, 5), layer.begin_state(2))
    assert c.asnumpy().min() > -0.1001
    assert c.asnumpy().max() < 0.0501


def test_clipping_stops_nan():
    states = [mx.nd.ones((2, 1, 6)), mx.nd.full((2, 1, 6), float("nan"))]
    for keeps in (True, False):
        layer = rnn.LSTM(6, 2, state_clip_min=-5, state_clip_max=5, state_clip_nan=not keeps)
        layer.initialize()
        _, (_, c) = layer(mx.nd.ones((3, 1, 4)), states)
        assert np.isnan(c.asnumpy()).all() == keeps


def test_dropout_between_layers_in_training_only():
    layer = rnn.GRU(6, 2, dropout=0.5)
    layer.initialize(mx.init.Xavier())
    x = series(4, 2, 5)
    plain = layer(x).asnumpy()
    np.testing.assert_array_equal(layer(x).asnumpy(), plain)
    with autograd.record():
        assert (layer(x).asnumpy() != plain).any()
    single = rnn.GRU(6, 1, dropout=0.5)
    single.initialize(mx.init.Xavier())
    with autograd.train_mode():
        np.testing.assert_allclose(single(x).asnumpy(), single(x).asnumpy())


def test_zoneout_keeps_what_was():
    mx.random.seed(0)
    cell = rnn.ZoneoutCell(rnn.RNNCell(200), zoneout_outputs=0.5, zoneout_states=0.25)
    cell.initialize(mx.init.Xavier())
    x = series(1, 2, 5)
    calm, _ = cell.unroll(2, x)
    with autograd.train_mode():
        (first, second), (state,) = cell.unroll(2, x)
    kept = (second.asnumpy() == first.asnumpy()).mean()
    assert 0.35 < kept < 0.65
    assert 0.35 < (first.asnumpy() == 0).mean() < 0.65
    assert (calm[1].asnumpy() != calm[0].asnumpy()).all()
    assert state.shape == (1, 200)


def test_dropout_cell_drops_in_training():
    cell = rnn.DropoutCell(0.5)
    outputs, states = cell.unroll(3, nd.ones((2, 3, 50)))
    assert states == []
    assert outputs.asnumpy().all()
    with autograd.train_mode():
        assert not cell.unroll(3, nd.ones((2, 3, 50)))[0].asnumpy().all()


def test_steps_by_hand_are_the_unrolled_ones():
    cell = rnn.SequentialRNNCell()
    for layer in (rnn.LSTMCell(4), rnn.ResidualCell(rnn.GRUCell(4)), rnn.RNNCell(3)):
        cell.add(layer)
    cell.initialize(mx.init.Xavier())
    x = series(2, 3, 5)
    wanted, ends = cell.unroll(3, x, merge_outputs=True)
    states = cell.begin_state(batch_size=2)
    for step in range(3):
        output, states = cell(x[:, step], states)
        np.testing.assert_allclose(output.asnumpy(), wanted[:, step].asnumpy(), rtol=1e-5, atol=1e-6)
    for a, b in zip(states, ends, strict=True):
        np.testing.assert_allclose(a.asnumpy(), b.asnumpy(), rtol=1e-5, atol=1e-6)


def test_a_cell_learns_to_count():
    rng = np.random.RandomState(0)
    x = rng.randint(0, 2, (64, 6, 1)).astype("float32")
    y = nd.array(x.sum((1, 2)) > 3)
    mx.random.seed(0)
    net = mx.gluon.nn.HybridSequential()
    net.add(rnn.LSTM(8, layout="NTC"), mx.gluon.nn.Dense(2))
    net.initialize(mx.init.Xavier())
    trainer = mx.gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05})
    loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()
    for _ in range(80):
        with autograd.record():
            value = loss(net(nd.array(x)), y)
        value.backward()
        trainer.step(64)
    assert (net(nd.array(x)).asnumpy().argmax(1) == y.asnumpy()).mean() > 0.95
