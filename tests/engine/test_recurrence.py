"""Recurrences in machine code: what the operators give that torch calls, forward and backward."""

import pytest
import torch

from aten import close, randn
from tandem import keras
from tandem.engine.native import llvm, vectors
from tandem.engine.program import Program
from tandem.engine.record import record
from tandem.engine.replay import Step
from tandem.ops import rnn as R
from tandem.ops import rnn_fused, rnn_loop

pytestmark = pytest.mark.skipif(not llvm.can_compile(), reason="llvmlite is not installed")

CELLS = ["rnn", "lstm", "gru", "gru_reset_after"]


def weights_of(cell, inputs, units, layout="io", biases=2):
    n = rnn_loop.BLOCKS[cell] * units
    w_in, w_rec = randn(inputs, n) / inputs**0.5, randn(units, n) / units**0.5
    if layout == "oi":
        w_in, w_rec = w_in.t().contiguous(), w_rec.t().contiguous()
    return [w_in, w_rec, *(randn(n) + k for k in range(biases)), *[None] * (2 - biases)]


def check(cell, shape, *, biases=2, state=True, mask=False, train=True, weight_layout="io", **options):
    """Compare a program with what is eager; shape: (steps, batch, inputs, units)."""
    steps, batch, inputs, units = shape
    given = [randn(batch, units) + k for k in range(2 if cell == "lstm" else 1)] if state else []
    weights = [w for w in weights_of(cell, inputs, units, weight_layout, biases) if w is not None]
    tensors = [randn(batch, steps, inputs), *given, *weights]
    masks = [torch.rand(batch, steps, generator=torch.Generator().manual_seed(3)) < 0.7] if mask else []

    def function(*tensors):
        kept = tensors[-1] if mask else None
        tensors = [t.detach().requires_grad_(train) for t in (tensors[:-1] if mask else tensors)]
        x, first, w = tensors[0], tensors[1 : 1 + len(given)], [*tensors[1 + len(given) :], None, None][:4]
        with torch.set_grad_enabled(train):
            y, last = R.rnn(
                x,
                tuple(first) or None,
                *w,
                cell=cell,
                mask=kept,
                weight_layout=weight_layout,
                method="fused",
                **options,
            )
            results = [y, *last]
            if not train:
                return results
            loss = sum((r * torch.cos(torch.arange(r.numel()).view(r.shape))).sum() for r in results)
        return [*(r.detach() for r in results), *torch.autograd.grad(loss, tensors)]

    expected = function(*tensors, *masks)
    buffers = [t.clone() for t in (*tensors, *masks)]
    _, recording = record(function, buffers, buffers)
    program = Program(recording, buffers, native=True)
    assert "recurrence" not in program.source
    for _ in range(2):  # nothing of the first run may be left for the second
        for mine, other in zip(program.run(), expected, strict=True):
            close(mine, other, 1e-5 * max(1, float(other.abs().max())))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_machine_code_equals_the_operators(cell, train):
    check(cell, (5, 3, 3, 7), train=train)
    check(cell, (1, 1, 3, 8), train=train, sequences=False)
    check(cell, (4, 1, 3, 50), train=train, weight_layout="oi", biases=1, reverse=True)
    check(
        cell,
        (3, 5, 4, 50),
        train=train,
        weight_layout="oi",
        biases=0,
        reverse=True,
        sequences=False,
        state=False,
        gates="rzh",
    )
    check(cell, (4, 5, 4, 33), train=train, sequences=False, mask=True, gates="rzh")
    check(
        cell,
        (4, 5, 4, 20),
        train=train,
        reverse=True,
        mask=True,
        recurrent_activation="hard_sigmoid",
        activation="relu",
    )
    check(cell, (3, 4, 4, 9), train=train, activation="linear", mask=True)


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_divided_among_threads(threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for cell in CELLS:
            check(cell, (6, 33, 4, 50), mask=True)
    finally:
        torch.set_num_threads(before)


def test_both_widths_of_vectors_compute_the_same(monkeypatch):
    """LLVM divides vectors that are wider than the processor's."""
    for lanes, block in ((4, 12), (16, 24)):
        monkeypatch.setattr(vectors, "shape", lambda lanes=lanes, block=block: (lanes, block))
        check("lstm", (3, 7, 4, 21))
        check("gru", (3, 1, 4, 40), mask=True)


def test_activations_far_out_and_near_zero():
    x = torch.tensor(
        [0.0, -0.0, 1e-30, 1e-7, -1e-4, 0.01, 0.3, -0.4, 2, -9, 20, -100, 1e30, -1e30, torch.inf, -torch.inf, torch.nan]
    )
    for name in ("tanh", "sigmoid", "relu", "hard_sigmoid"):

        def function(x, name=name):
            w = torch.zeros(1, 1), torch.zeros(1, 1)
            return [R.rnn(x.view(-1, 1, 1), None, *w, cell="rnn", activation="tanh", method="fused")[0]] and [
                R.rnn(x.view(-1, 1, 1), None, w[0] + 1, w[1], cell="rnn", activation=name, method="fused")[0]
            ]

        _, recording = record(function, [x], [x])
        (got,), (expected,) = Program(recording, [x], native=True).run(), function(x)
        torch.testing.assert_close(got, expected, rtol=5e-7, atol=1e-30 if name == "tanh" else 2e-7, equal_nan=True)


@pytest.mark.parametrize("cell", CELLS)
def test_the_operators_on_meta_give_the_shapes(cell):
    plan = (cell, "tanh", "sigmoid", True, False, "io")
    state, w_rec = torch.zeros(3, 2), weights_of(cell, 4, 2)[1]
    for keep_states, keep in ((True, True), (True, False), (False, False)):
        gates = torch.zeros(5, 3, rnn_loop.BLOCKS[cell] * 2)
        tensors = [gates, state, state if cell == "lstm" else None, w_rec, None, None]
        real = torch.ops.tandem.recurrence(*tensors, *plan, keep_states, keep)
        meta = [None if t is None else t.to("meta") for t in tensors]
        for one, other in zip(torch.ops.tandem.recurrence(*meta, *plan, keep_states, keep), real, strict=True):
            assert (one.shape, one.dtype, one.device.type) == (other.shape, other.dtype, "meta")
        if keep:
            tensors = [gates, *real, w_rec, None, None, None, None]
            meta = [None if t is None else t.to("meta") for t in tensors]
            real = torch.ops.tandem.recurrence_backward(*tensors, *plan)
            for one, other in zip(torch.ops.tandem.recurrence_backward(*meta, *plan), real, strict=True):
                assert one.shape == other.shape


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_gradients_are_the_loops(cell):
    found = []
    for method in ("fused", "loop"):
        tensors = [t.requires_grad_() for t in (randn(3, 4, 2), *weights_of(cell, 2, 3))]
        y, _ = R.rnn(tensors[0], None, *tensors[1:], cell=cell, method=method)
        first = torch.autograd.grad((y * y).sum(), tensors, create_graph=True)
        found.append(torch.autograd.grad(sum((g * g).sum() for g in first), tensors))
    for mine, other in zip(*found, strict=True):
        close(mine, other, 1e-4)


def test_it_is_chosen_while_recording_only(monkeypatch):
    chosen = []
    monkeypatch.setattr(rnn_fused, "run", lambda *args, run=rnn_fused.run: chosen.append(1) or run(*args))
    x, weights = randn(2, 3, 4), weights_of("lstm", 4, 5)
    plain, _ = R.rnn(x, None, *weights, cell="lstm")
    assert not chosen
    (got, _), _ = record(lambda x: R.rnn(x, None, *weights, cell="lstm"), [x], [x])
    assert chosen
    close(got, plain, 1e-6)
    monkeypatch.setattr(rnn_fused, "machine_code", None)
    del chosen[:]
    record(lambda x: R.rnn(x, None, *weights, cell="lstm"), [x], [x])
    assert not chosen


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "bidirectional", "stateful", "masked"])
def test_models_train_as_eager_ones_do(kind):
    def build():
        keras.utils.set_random_seed(0)
        layers = keras.layers
        inputs = keras.Input((6, 3), batch_size=4)
        x = layers.Masking(0.0)(inputs) if kind == "masked" else inputs
        if kind == "bidirectional":
            x = layers.Bidirectional(layers.GRU(5, return_sequences=True))(x)
        layer = layers.GRU if kind == "GRU" else layers.LSTM
        x = layer(7, return_sequences=True)(x)
        x = layer(5, stateful=kind == "stateful")(x)
        return keras.Model(inputs, layers.Dense(2)(x))

    x = randn(40, 6, 3)
    x[::3, 4:] = 0
    histories = []
    for eagerly in (True, False):
        model = build()
        model.compile("adam", "mse", run_eagerly=eagerly)
        losses = [model.train_on_batch(x[k : k + 4].numpy(), x[k : k + 4, 0, :2].numpy()) for k in range(0, 40, 4)]
        histories.append(([float(loss) for loss in losses], model.predict(x[:4].numpy(), batch_size=4, verbose=0)))
    (eager, before), (replayed, after) = histories
    assert replayed == pytest.approx(eager, rel=1e-4)
    close(torch.from_numpy(after), torch.from_numpy(before), 1e-4)


def test_a_step_becomes_machine_code():
    weights = [torch.nn.Parameter(w) for w in weights_of("lstm", 4, 6)]

    def train(x):
        loss = R.rnn(x, None, *weights, cell="lstm")[0].square().sum()
        return loss.detach(), *torch.autograd.grad(loss, weights)

    step = Step(train)
    for number in range(40):
        x = randn(3, 5, 4) + number
        for mine, other in zip(step(x), train(x), strict=True):
            close(mine, other, 1e-3)
    assert any("recurrence" not in program.source for program in step.programs)
