import itertools

import pytest
import torch

from aten import calls, close, randn
from oracles import mxnet, real_keras
from tandem.engine.replay import Step
from tandem.ops import rnn as R
from tandem.ops import rnn_loop, rnn_stack, rnn_steps

CELLS = ["rnn", "lstm", "gru", "gru_reset_after"]
STEPS, BATCH, INPUTS, UNITS = 5, 3, 4, 2


def problem(cell, *, dtype=torch.float64, weight_layout="io", layout="NTC", biases=2, state=True, steps=STEPS):
    """Tensors for one recurrence: (x, state), weights; all of them ask for gradients."""
    n = rnn_loop.BLOCKS[cell] * UNITS
    generator = torch.Generator().manual_seed(7)

    def new(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype).requires_grad_()

    x = new(BATCH, steps, INPUTS) if layout == "NTC" else new(steps, BATCH, INPUTS)
    first = tuple(new(BATCH, UNITS) for _ in range(2 if cell == "lstm" else 1)) if state else None
    weights = [new(INPUTS, n), new(UNITS, n)] if weight_layout == "io" else [new(n, INPUTS), new(n, UNITS)]
    weights += [new(n) if biases > 0 else None, new(n) if biases > 1 else None]
    return x, first, weights


def mask_of(layout="NTC", steps=STEPS):
    mask = torch.tensor([[1, 1, 0, 1, 0], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0]], dtype=torch.bool)[:, :steps]
    return mask if layout == "NTC" else mask.t()


def run(method, x, state, weights, **options):
    """(flat list of outputs and states, gradients) of one method, for a loss that weighs all of them."""
    outputs, last = R.rnn(x, state, *weights, method=method, **options)
    results = [outputs, *last]
    loss = sum((result * (randn(*result.shape, dtype=result.dtype) + 2)).sum() for result in results)
    wanted = [t for t in (x, *(state or ()), *weights) if t is not None]
    return results, torch.autograd.grad(loss, wanted)


def same(ours, theirs, tolerance=1e-9):
    for mine, other in zip(itertools.chain(*ours), itertools.chain(*theirs), strict=True):
        close(mine, other, tolerance)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_steps_give_what_the_loop_gives(cell, reverse, monkeypatch):
    for elements, masked, activation in itertools.product(
        (1 << 17, 2 * UNITS * BATCH), (False, True), ("tanh", "relu")
    ):
        monkeypatch.setattr(rnn_steps, "_ELEMENTS", elements)
        for sequences, given, output, layout in (
            (True, True, "carry", "NTC"),
            (False, True, "carry", "TNC"),
            (True, True, "zero", "TNC"),
            (False, False, "zero", "NTC"),
        ):
            for weight_layout, biases, gates in (("io", 2, "zrh"), ("oi", 1, "rzh"), ("io", 0, "rzh")):
                x, state, weights = problem(
                    cell, weight_layout=weight_layout, layout=layout, biases=biases, state=given
                )
                options = {
                    "cell": cell, "activation": activation, "reverse": reverse, "sequences": sequences,
                    "mask": mask_of(layout) if masked else None, "masked_output": output, "layout": layout,
                    "weight_layout": weight_layout, "gates": gates,
                }  # fmt: skip
                loop = run("loop", x, state, weights, **options)
                same(run("steps", x, state, weights, **options), loop)
                with torch.no_grad():
                    outputs, last = R.rnn(x, state, *weights, method="steps", **options)
                same([[outputs, *last]], [loop[0]])


@pytest.mark.parametrize("cell", CELLS)
def test_steps_with_dropout_give_what_the_loop_gives(cell):
    n = rnn_loop.BLOCKS[cell]
    for weight_layout, activation, gates, masked in (
        ("io", "hard_sigmoid", "zrh", False),
        ("oi", "sigmoid", "rzh", True),
        ("io", "sigmoid", "rzh", True),
        ("oi", "hard_sigmoid", "zrh", True),
    ):
        x, state, weights = problem(cell, weight_layout=weight_layout)
        for inputs, recurrent in ((0, 1), (1, 1), (n, n), (n, 0), (1, 0)):
            factors = [
                [randn(BATCH, size + k, dtype=torch.float64)[:, :size] for k in range(count)]
                for size, count in ((INPUTS, inputs), (UNITS, recurrent))
            ]
            factors = [None if not one else one[0] if len(one) < n else one for one in factors]
            options = {
                "cell": cell, "weight_layout": weight_layout, "recurrent_activation": activation, "gates": gates,
                "dropout": factors[0], "recurrent_dropout": factors[1], "mask": mask_of() if masked else None,
            }  # fmt: skip
            loop = run("loop", x, state, weights, **options)
            same(
                run("steps", x, state, weights, **options), loop, 1e-5
            )  # torch has hardsigmoid's slope in single precision


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru_reset_after"])
def test_library_gives_what_the_loop_gives(cell):
    for reverse, sequences, gates, biases in itertools.product((False, True), (True, False), ("zrh", "rzh"), (0, 1, 2)):
        x, state, weights = problem(cell, biases=biases, dtype=torch.float32)
        options = {"cell": cell, "reverse": reverse, "sequences": sequences, "gates": gates}
        same(run("library", x, state, weights, **options), run("loop", x, state, weights, **options), 2e-5)
    weights = [w.detach().clone() for w in weights]
    for one, other in zip(R._one_buffer(weights), weights, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_first_and_second_derivatives(cell, masked):
    x, state, weights = problem(cell, steps=3)
    mask = mask_of(steps=3) if masked else None
    factors = [1 + randn(BATCH, UNITS, dtype=torch.float64)] * rnn_loop.BLOCKS[cell] if masked else None
    options = {"cell": cell, "mask": mask, "recurrent_dropout": factors, "method": "steps"}

    def function(x, *tensors):
        n = len(state)
        outputs, last = R.rnn(x, tensors[:n], *tensors[n:], **options)
        return outputs, *last

    assert torch.autograd.gradcheck(function, (x, *state, *weights))
    assert torch.autograd.gradgradcheck(function, (x, *state, *weights))


def test_unneeded_gradients_are_not_computed():
    x, state, weights = problem("lstm")
    frozen = [w.detach() for w in weights]
    outputs, _ = R.rnn(x, state, *frozen, cell="lstm", method="steps")
    names = calls(lambda: outputs.sum().backward())
    assert x.grad is not None
    assert names.count("mm") <= 1  # one to the first step's state; none for the weights
    x, state, weights = problem("lstm")
    outputs, _ = R.rnn(x.detach(), None, *weights, cell="lstm", method="steps")
    assert "bmm" not in calls(lambda: outputs.sum().backward())


def test_nothing_is_allocated_inside_the_loop():
    """The number of tensors that are made does not grow with the number of steps."""
    for cell in CELLS:
        made = []
        for steps in (3, 5):
            x, _, weights = problem(cell, steps=steps)

            def train():
                outputs, _ = R.rnn(x, None, *weights, cell=cell, method="steps")  # noqa: B023
                outputs.sum().backward()

            in_place = ("mm", "addmm", "addcmul", "mul", "sigmoid", "tanh", "lerp", "add")
            made.append(sum(name.rstrip("_") not in in_place for name in calls(train)))
        assert made[0] == made[1], cell


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_dtypes(dtype):
    for cell, method in itertools.product(CELLS, ("steps", "loop")):
        x, state, weights = problem(cell, dtype=dtype)
        (outputs, *_), grads = run(method, x, state, weights, cell=cell, mask=mask_of())
        assert {t.dtype for t in (outputs, *grads)} == {dtype}
        exact = run("loop", *(problem(cell)), cell=cell, mask=mask_of())[0][0]
        close(outputs.double(), exact, {torch.bfloat16: 0.1, torch.float16: 0.02}.get(dtype, 1e-5))


def test_strided_inputs_single_steps_and_empty_batches():
    for cell in CELLS:
        x, state, weights = problem(cell)
        expected = run(None, x, state, weights, cell=cell)
        wide = torch.stack([x, x], -1).detach()[..., 0].requires_grad_()
        same(run(None, wide, state, [w.t().contiguous().t() for w in weights], cell=cell), expected)
        for steps, batch in ((1, BATCH), (STEPS, 0), (1, 0), (STEPS, 1)):
            part, first = x[:batch, :steps], tuple(s[:batch] for s in state)
            (outputs, *last), grads = run(None, part, first, weights, cell=cell)
            close(outputs, expected[0][0][:batch, :steps], 1e-9)
            assert [s.shape for s in last] == [(batch, UNITS)] * len(state)
            assert all(grad.isfinite().all() for grad in grads)


@pytest.mark.parametrize("cell", CELLS)
def test_meta_device_gives_the_shapes(cell):
    for layout, sequences, tracked in itertools.product(("NTC", "TNC"), (True, False), (True, False)):
        x, state, weights = problem(cell, layout=layout)
        outputs, last = R.rnn(x, state, *weights, cell=cell, layout=layout, sequences=sequences)
        on_meta = [t.detach().to("meta").requires_grad_(tracked) for t in (x, *weights)]
        options = {"cell": cell, "layout": layout, "sequences": sequences}
        shapes, states = R.rnn(on_meta[0], None, *on_meta[1:], **options)
        assert (shapes.shape, shapes.device.type) == (outputs.shape, "meta")
        assert [s.shape for s in states] == [s.shape for s in last]
        if not tracked:
            assert len(calls(R.rnn, on_meta[0], None, *on_meta[1:], **options)) <= 5


def test_masked_steps_may_hold_anything():
    for cell in CELLS:
        x, state, weights = problem(cell)
        clean = R.rnn(x, state, *weights, cell=cell, mask=mask_of(), method="steps")
        dirty = torch.where(mask_of().unsqueeze(2), x, 1e6).detach()
        again = R.rnn(dirty, state, *weights, cell=cell, mask=mask_of(), method="steps")
        close(again[0], clean[0], 0)
        close(again[1][0][2], state[0][2], 0)  # wholly masked: the state as it came, to the last bit


@pytest.mark.parametrize("cell", CELLS)
def test_single_steps_make_up_the_sequence(cell):
    for weight_layout, gates in (("io", "zrh"), ("oi", "rzh")):
        x, state, weights = problem(cell, weight_layout=weight_layout)
        options = {"cell": cell, "weight_layout": weight_layout, "gates": gates, "activation": torch.sin}
        options["recurrent_dropout"] = [randn(BATCH, UNITS, dtype=torch.float64)] * rnn_loop.BLOCKS[cell]
        outputs, last = R.rnn(x, state, *weights, **options)
        for t in range(STEPS):
            y, state = R.rnn_step(x[:, t], state, *weights, **options)
            close(outputs[:, t], y, 1e-12)
        for one, other in zip(last, state, strict=True):
            close(one, other, 1e-12)


def test_what_cannot_be():
    x, state, weights = problem("lstm")
    for options, words in (
        ({"cell": "lstn"}, "Unknown `cell`.*lstn"),
        ({"cell": "gru"}, r"`w_rec` has the wrong shape.*\(2, 8\)"),
        ({"cell": "lstm", "gates": "hzr"}, "Unknown `gates`"),
        ({"cell": "lstm", "activation": "tahn"}, "Unknown activation.*tahn"),
        ({"cell": "lstm", "mask": mask_of().t()}, r"mask does not fit.*\(3, 5\).*\(5, 3\)"),
        ({"cell": "lstm", "method": "library", "mask": mask_of()}, "one of 'steps', 'loop'.*'library'"),
        ({"cell": "lstm", "method": "fast"}, "'fast'"),
        ({"cell": "lstm", "w_proj": torch.zeros(2, 5)}, "Only the LSTM is projected"),
    ):
        with pytest.raises(ValueError, match=words):
            R.rnn(x, state, *weights, **options)
    with pytest.raises(ValueError, match=r"`w_in` does not fit.*\(3, 8\).*\(4, 8\)"):
        R.rnn(x[..., :3], state, *weights, cell="lstm")
    with pytest.raises(ValueError, match=r"initial state has the wrong shape.*\(3, 2\), \(3, 2\).*\(2, 2\)"):
        R.rnn(x, tuple(s[:2] for s in state), *weights, cell="lstm")
    with pytest.raises(ValueError, match=r"one step or more.*\(3, 0, 4\)"):
        R.rnn(x[:, :0], state, *weights, cell="lstm")


def test_scan_of_any_step():
    """A moving sum with a nested state, against the masks' definition."""
    x, mask = randn(STEPS, BATCH, 2, 3), mask_of("TNC")

    def step(row, state):
        total, (count,) = state
        return total + row, (total + row, (count + 1,))

    start = (torch.zeros(BATCH, 2, 3), (torch.zeros(BATCH, 1),))
    for output in ("carry", "zero"):
        outputs, (total, (count,)) = R.scan(step, x, start, mask=mask, masked_output=output)
        kept = mask[..., None, None]
        sums = (x * kept).cumsum(0)
        close(outputs, sums if output == "carry" else sums * kept)
        close(total, sums[-1])
        assert count[:, 0].tolist() == mask.sum(0).tolist()
    outputs, _ = R.scan(step, x, start, reverse=True)
    close(outputs, x.flip(0).cumsum(0).flip(0))
    last, _ = R.scan(step, x, start, reverse=True, sequences=False)
    close(last, x.sum(0))


@pytest.mark.parametrize("steps", [4, 20])
@pytest.mark.parametrize("cell", CELLS)
def test_replay_equals_eager(cell, steps):
    _, _, weights = problem(cell, dtype=torch.float32, steps=steps)
    weights = [torch.nn.Parameter(w.detach()) for w in weights]
    mask = torch.ones(BATCH, steps, dtype=torch.bool)

    def train(x, mask):
        both = [R.rnn(x, None, *weights, cell=cell)[0], R.rnn(x, None, *weights, cell=cell, mask=mask)[0]]
        loss = sum((y * y).sum() for y in both)
        return loss, torch.autograd.grad(loss, weights)

    step = Step(train)
    for number in range(5):
        data = randn(BATCH, steps, INPUTS + number)[..., :INPUTS].contiguous()
        mask = torch.rand(BATCH, steps, generator=torch.Generator().manual_seed(number)) < 0.7
        (loss, grads), (expected, wanted) = step(data, mask), train(data, mask)
        close(loss, expected)
        for grad, other in zip(grads, wanted, strict=True):
            close(grad, other, 1e-4)
    assert step.programs


# --- against the frameworks -------------------------------------------------------------------------------------------


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU", "GRU before"])
def test_against_keras(name):
    keras = real_keras()
    cell = {"SimpleRNN": "rnn", "LSTM": "lstm", "GRU": "gru_reset_after", "GRU before": "gru"}[name]
    kind = getattr(keras.layers, name.split()[0])
    more = {"reset_after": cell == "gru_reset_after"} if "gru" in cell else {}
    for backwards, zero, masked, sequences, activation in itertools.product(
        (False, True), (False, True), (False, True), (False, True), ("tanh", "relu")
    ):
        if zero and not masked:
            continue
        layer = kind(
            UNITS, return_sequences=sequences, return_state=True, go_backwards=backwards, activation=activation,
            bias_initializer="random_normal", **more,
        )  # fmt: skip
        layer.zero_output_for_mask = zero
        x, state, _ = problem(cell, dtype=torch.float32)
        mask = mask_of() if masked else None
        first = list(state) if len(state) > 1 else state[0]
        theirs = layer(x, initial_state=first, mask=mask)
        wanted = [x, *state, *(w.value for w in layer.weights)]
        loss = sum((t * (randn(*t.shape) + 2)).sum() for t in theirs)
        grads = torch.autograd.grad(loss, wanted)
        kernel, recurrent, bias = (w.value for w in layer.weights)
        biases = bias.unbind(0) if bias.dim() == 2 else (bias, None)
        outputs, last = R.rnn(
            x, state, kernel, recurrent, *biases, cell=cell, activation=activation, reverse=backwards,
            sequences=sequences, mask=mask, masked_output="zero" if zero else "carry",
        )  # fmt: skip
        # Keras gives the outputs of a reversed layer in the order of processing.
        ours = [outputs.flip(1) if sequences and backwards else outputs, *last]
        loss = sum((t * (randn(*t.shape) + 2)).sum() for t in ours)
        same([ours, torch.autograd.grad(loss, wanted)], [theirs, grads], 2e-5)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU", "GRU before"])
def test_dropout_against_keras_cells(name):
    keras = real_keras()
    cell = {"SimpleRNN": "rnn", "LSTM": "lstm", "GRU": "gru_reset_after", "GRU before": "gru"}[name]
    more = {"reset_after": cell == "gru_reset_after"} if "gru" in cell else {}
    for rates in ((0.5, 0.5), (0.5, 0.0), (0.0, 0.5)):
        layer = getattr(keras.layers, name.split()[0] + "Cell")(
            UNITS, dropout=rates[0], recurrent_dropout=rates[1], bias_initializer="random_normal", **more
        )
        x, state, _ = problem(cell, dtype=torch.float32)
        layer.build((BATCH, INPUTS))
        factors = {
            "dropout": layer.get_dropout_mask(x[:, 0]) if rates[0] else None,
            "recurrent_dropout": layer.get_recurrent_dropout_mask(state[0]) if rates[1] else None,
        }
        theirs, last = layer(x[:, 0], list(state), training=True)
        kernel, recurrent, bias = (w.value for w in layer.weights)
        biases = bias.unbind(0) if bias.dim() == 2 else (bias, None)
        factors = {k: list(v) if isinstance(v, (list, tuple)) else v for k, v in factors.items()}
        ours, new = R.rnn_step(x[:, 0], state, kernel, recurrent, *biases, cell=cell, **factors)
        close(ours, theirs)
        same([new], [last], 1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("mode", list(rnn_stack.MODES))
def test_stacked_against_mxnet(mode, directions):
    layers = 2
    shapes = rnn_stack.weight_shapes(mode, INPUTS, UNITS, layers=layers, directions=directions)
    vector = randn(rnn_stack.packed_size(shapes))
    x = randn(STEPS, BATCH, INPUTS)
    state = [randn(layers * directions, BATCH, UNITS) + k for k in range(2 if mode == "lstm" else 1)]
    code = """
    arrays = [nd.array(a) for a in (x, vector, *state)]
    for a in arrays:
        a.attach_grad()
    with autograd.record():
        out = nd.RNN(*arrays, state_size=units, num_layers=2, bidirectional=directions == 2, mode=mode,
                     state_outputs=True)
        loss = sum((o * o).sum() for o in out)
    loss.backward()
    grads = [a.grad for a in arrays]
    """
    theirs = mxnet.run(
        code, ["out", "grads"], x=x, vector=vector, state=[s.numpy() for s in state],
        units=UNITS, directions=directions, mode=mode,
    )  # fmt: skip
    tensors = [t.requires_grad_() for t in (x, vector, *state)]
    outputs, last = rnn_stack.stacked(x, state, rnn_stack.unpack(vector, shapes), mode=mode)
    results = [outputs, *last]
    grads = torch.autograd.grad(sum((r * r).sum() for r in results), tensors)
    same([results, grads], [theirs["out"], theirs["grads"]], 2e-5)
    assert torch.equal(rnn_stack.pack(rnn_stack.unpack(vector, shapes)), vector)


@pytest.mark.oracle
def test_projection_against_mxnet():
    """MXNet's CPU has the forward pass of it alone; the order of the packed weights is tested with it."""
    layers, size = 2, 3
    for directions in (1, 2):
        shapes = rnn_stack.weight_shapes("lstm", INPUTS, UNITS, layers=layers, directions=directions, projection=size)
        vector = randn(rnn_stack.packed_size(shapes))
        x = randn(STEPS, BATCH, INPUTS)
        state = [randn(layers * directions, BATCH, size), randn(layers * directions, BATCH, UNITS)]
        theirs = mxnet.run(
            "out = nd.RNN(*[nd.array(a) for a in (x, vector, *state)], state_size=units, num_layers=2, mode='lstm', "
            "bidirectional=directions == 2, projection_size=3, state_outputs=True)",
            ["out"], x=x, vector=vector, state=[s.numpy() for s in state], units=UNITS, directions=directions,
        )["out"]  # fmt: skip
        outputs, last = rnn_stack.stacked(x, state, rnn_stack.unpack(vector, shapes), mode="lstm")
        same([[outputs, *last]], [theirs], 2e-5)


def test_stacked_options():
    shapes = rnn_stack.weight_shapes("lstm", INPUTS, UNITS, layers=2, directions=2)
    weights = rnn_stack.unpack(randn(rnn_stack.packed_size(shapes)), shapes)
    x = randn(BATCH, STEPS, INPUTS)
    lengths = torch.tensor([5, 3, 1])
    mask = R.length_mask(lengths, STEPS)
    outputs, last = rnn_stack.stacked(x, None, weights, mode="lstm", layout="NTC", mask=mask)
    for row, length in enumerate(lengths.tolist()):
        alone, end = rnn_stack.stacked(x[row : row + 1, :length], None, weights, mode="lstm", layout="NTC")
        close(outputs[row, :length], alone[0])
        assert not outputs[row, length:].any()
        close(last[0][:, row], end[0][:, 0])
        close(last[1][:, row], end[1][:, 0])
    seen = []
    rnn_stack.stacked(x, None, weights, mode="lstm", layout="NTC", between=lambda y: seen.append(y.shape) or y)
    assert seen == [(BATCH, STEPS, 2 * UNITS)]
    _, (_, c) = rnn_stack.stacked(x, None, weights, mode="lstm", layout="NTC", cell_clip=(-0.01, 0.02))
    assert c.min() >= -0.01
    assert c.max() <= 0.02
    with pytest.raises(ValueError, match=r"another length.*\(128,\).*\(127,\)"):
        rnn_stack.unpack(torch.zeros(127), rnn_stack.weight_shapes("lstm", INPUTS, UNITS, layers=1, directions=2))
    with pytest.raises(ValueError, match=r"Unknown kind of recurrence.*'gro'"):
        rnn_stack.weight_shapes("gro", 1, 1)
