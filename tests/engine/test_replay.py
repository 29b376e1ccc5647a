"""A replayed step does exactly what the eager step does, and says so where it cannot."""

import copy
import random
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from tandem.engine import bindings, replay
from tandem.engine.program import Program
from tandem.engine.record import record
from tandem.engine.replay import EagerWarning, Step

STEPS = 6


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = torch.relu(self.first(x))
        y = torch.nn.functional.gelu(self.norm(self.second(x)))
        return self.head(torch.nn.functional.max_pool2d(x + y, 2).mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self, kind=nn.LSTM):
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.lstm = kind(6, 5, batch_first=True, bidirectional=True)
        self.head = nn.Linear(10, 4)

    def forward(self, x):
        return self.head(self.lstm(self.embed(x))[0][:, -1])


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.layer(x).flatten(1)[:, :8].chunk(2, 1)[0].repeat(1, 2))


MODELS = {
    "perceptron": lambda: (nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Dropout(0.3), nn.Linear(7, 4)), (5,)),
    "convolution": lambda: (Residual(), (3, 8, 8)),
    "channels_last": lambda: (Residual().to(memory_format=torch.channels_last), (3, 8, 8)),
    "recurrent": lambda: (Recurrent(), None),
    # Torch's own loop ends in an in-place transpose.
    "loop": lambda: (Recurrent(nn.GRU), None),
    "attention": lambda: (Attention(), (6, 8)),
}
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, foreach=True),
    "adam": lambda p: torch.optim.Adam(p, torch.tensor(0.01), capturable=False, fused=True),
}


def _batch(shape, rows=4):
    x = torch.randint(0, 11, (rows, 7)) if shape is None else torch.randn(rows, *shape)
    return x, torch.randint(0, 4, (rows,))


def _make_step(model, optimizer):
    def step(x, y):
        optimizer.zero_grad()
        out = model(x)
        loss = nn.functional.cross_entropy(out, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        return {"loss": loss.detach(), "out": out.detach()}

    return step


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", MODELS)
def test_replay_equals_eager(name, optimizer):
    torch.manual_seed(0)
    eager, shape = MODELS[name]()
    replayed = copy.deepcopy(eager)
    batches = [_batch(shape) for _ in range(STEPS)]
    results = []
    for model, enabled in ((eager, False), (replayed, True)):
        torch.manual_seed(1)
        step = Step(_make_step(model, OPTIMIZERS[optimizer](model.parameters())), enabled=enabled, watch=(model,))
        results.append([{k: v.clone() for k, v in step(*batch).items()} for batch in batches])
        assert len(step.programs) == enabled
    for one, other in zip(*results, strict=True):
        assert torch.equal(one["out"], other["out"])
        assert torch.equal(one["loss"], other["loss"])
    for (key, one), other in zip(eager.state_dict().items(), replayed.state_dict().values(), strict=True):
        assert torch.equal(one, other), key
    for one, other in zip(eager.parameters(), replayed.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_each_batch_size_has_its_own_program():
    torch.manual_seed(0)
    model, shape = MODELS["perceptron"]()
    model.eval()
    step = Step(lambda x: model(x) * 1.0, watch=(model,))
    with torch.no_grad():
        for _ in range(3):
            for rows in (4, 3):
                x, _ = _batch(shape, rows)
                assert torch.equal(step(x), model(x))
    assert len(step.programs) == 2


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: x * x.sum().item(), "read into Python"),
        (lambda x: x * float(x.detach().numpy().sum()), "read into Python"),
        (lambda x: x[x > 0], "depends on values"),
        (lambda x: x * random.random(), "changed from run to run"),
        (lambda x: x + torch.tensor([random.random()]), "changed from run to run"),
        (lambda x: x + torch.from_numpy(np.random.rand(5)), "changed from run to run"),
        (lambda x: x + torch.from_numpy(np.random.rand(99_999))[:5], "replaced by another one"),
    ],
)
def test_what_cannot_be_replayed_runs_eagerly_and_says_why(function, reason):
    step = Step(function, name="the step")
    x = torch.randn(5)
    with pytest.warns(EagerWarning, match=reason):
        for _ in range(6):
            assert step(x).shape[0] <= 5
    assert step.programs == []


def test_the_warning_names_the_line_of_the_user():
    def function(x):
        return x * x.sum().item()

    with pytest.warns(EagerWarning, match=r"test_replay\.py, line \d+"):
        Step(function)(torch.ones(3))


def test_setting_an_attribute_records_anew():
    from tandem.core.module import Module

    class Scale(Module):
        def __init__(self):
            super().__init__()
            self.factor = 2.0

        def forward(self, x):
            return x * self.factor

    model = Scale()
    step = Step(model, watch=(model,))
    x = torch.ones(3)
    for factor in (2.0, 3.0, 2.0, 3.0):
        model.factor = factor
        for _ in range(4):
            assert step(x).tolist() == [factor] * 3
    assert len(step.programs) == 2


def test_new_memory_behind_a_parameter_records_anew():
    model = nn.Linear(2, 1, bias=False)
    step = Step(model, watch=(model,))
    x = torch.ones(1, 2)
    with torch.no_grad():
        for value in (1.0, 2.0):
            model.weight.data = torch.full((1, 2), value)
            for _ in range(4):
                assert step(x).item() == 2 * value
        model.weight.copy_(torch.full((1, 2), 5.0))
        assert step(x).item() == 10.0


def test_an_attribute_set_in_every_call_runs_eagerly():
    from tandem.core.module import Module

    class Counting(Module):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return x + 1.0

    model = Counting()
    step = Step(model, watch=(model,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EagerWarning)
        for _ in range(9):
            step(torch.ones(2))
    assert model.calls == 9


def test_inputs_are_copied_and_outputs_do_not_alias_them():
    step = Step(lambda x: x.view(-1))
    x = torch.arange(4.0).reshape(2, 2)
    for _ in range(4):
        got = step(x)
        got.add_(1.0)
        assert x.tolist() == [[0.0, 1.0], [2.0, 3.0]]


def test_buffers_whose_lives_do_not_overlap_share_memory():
    def function(x):
        for _ in range(20):
            x = torch.sin(x) + 1.0
        return x

    step = Step(function)
    x = torch.randn(4096)
    for _ in range(3):
        got = step(x)
    assert torch.equal(got, function(x))
    program = step.programs[0]
    memory = {t.untyped_storage().data_ptr() for t in program.tensors() if t.numel() == 4096}
    assert len(memory) <= 4


def test_a_recording_keeps_nothing_that_the_run_makes_and_knows_values_apart_that_had_the_same_memory():
    def function(x):
        for _ in range(20):
            x = torch.tanh(x) * 1.5  # what was there before is freed, and its memory is the next one's
        return x

    x = torch.linspace(-1, 1, 5000)
    result, recording = record(function, [x], (x,))
    made = [storage for storage in recording.storages if storage.role == "made"]
    assert len(made) == 40
    assert all(storage.tensor is None for storage in made)
    del result
    assert all(storage.watch() is None for storage in made)
    step = Step(function)
    for _ in range(3):
        torch.testing.assert_close(step(x), function(x), rtol=0, atol=0)


def test_a_failing_call_leaves_the_step_usable():
    weight = torch.randn(3, 4)

    def function(labels):
        return nn.functional.nll_loss(weight, labels)

    step = Step(function)
    good, bad = torch.tensor([0, 1, 3]), torch.tensor([0, 1, 9])
    for _ in range(3):
        want = step(good).clone()
    with pytest.raises(IndexError):
        step(bad)
    assert torch.equal(step(good), want)


def test_what_nobody_reads_is_left_out_and_checks_stay():
    weight = torch.randn(300, 300)

    def function(x):
        torch._assert_async((x < 10).all())
        unread = torch.sin(x @ weight) * 2  # noqa: F841
        return x + 1

    step = Step(function)
    x = torch.zeros(300, 300)
    for _ in range(4):
        assert torch.equal(step(x), x + 1)
    assert "mm" not in step.programs[0].source
    with pytest.raises(RuntimeError):
        step(x + 11)


def test_calls_that_are_alike_are_tried_once(monkeypatch):
    from tandem.engine import bindings

    sought, seek = [], bindings._sought
    monkeypatch.setattr(bindings, "_known", {})
    monkeypatch.setattr(bindings, "_sought", lambda *call: sought.append(call[0]) or seek(*call))
    weight = torch.randn(5, 5)

    def chain(x):
        for _ in range(20):
            x = torch.tanh(x @ weight)
        return x * x, x * weight, x * 2, x * 2.0

    step = Step(chain, backend="library")
    x = torch.randn(5, 5)
    for _ in range(4):
        results = step(x)
    for result, expected in zip(results, chain(x), strict=True):
        assert torch.equal(result, expected)
    assert len(step.programs) == 1
    names = [func._opname for func in sought]
    assert names.count("mm") == names.count("tanh") == 1
    assert names.count("mul") == 3  # a tensor with itself, with another one, and with a number, which is made a tensor


def test_what_is_certain_is_recorded_once():
    runs = []

    def double(x):
        runs.append(x)
        return x * 2

    step = Step(double, certain=True)
    for number in range(3):
        assert step(torch.full((3,), float(number))).tolist() == [2 * number] * 3
    assert len(runs) == 1


def test_long_recordings_wait_longer_for_machine_code():
    def chain(length):
        def run(x):
            for _ in range(length):
                x = x * 0.5
            return x

        return record(run, [x := torch.ones(2)], (x,))[1]

    waits = [replay.patience(chain(length)) for length in (1, 600, 1200, 9000)]
    assert waits == [replay.NATIVE_AFTER * times for times in (1, 1, 2, 4)]


def test_calls_of_one_form_are_tried_once(monkeypatch):
    def run(x, y):
        return [x.addmm(x, y), y.addmm(y, y), y.addmm(y, x), x.addmm(y, x) + 0]

    tried, sought = [], bindings._sought
    monkeypatch.setattr(bindings, "_known", {})
    monkeypatch.setattr(bindings, "_sought", lambda func, *call: tried.append(func) or sought(func, *call))
    x, y = torch.randn(3, 3), torch.randn(3, 3)
    recording = record(run, [x, y], (x, y))[1]
    for _ in range(2):
        results = Program(recording, [x, y]).run()
        assert all(torch.equal(a, b) for a, b in zip(results, run(x, y), strict=True))
    # Which of the tensors are one and the same tells the forms apart: x, x, y and y, y, x are alike.
    assert tried.count(torch.ops.aten.addmm.out) == 3 and len(tried) == 4
