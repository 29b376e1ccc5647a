"""Whatever runs a recording, a step does the same; and where a back end cannot, it says so and another one does."""

import warnings

import pytest
import torch
from torch import nn

from tandem.engine import backends, inductor, replay
from tandem.engine.backends import BackendWarning, Snapshot
from tandem.engine.feeding import ArrayFeed
from tandem.engine.record import Unfaithful, record
from tandem.engine.replay import Step

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
compiler = pytest.mark.skipif(inductor.missing() is not None, reason=str(inductor.missing()))


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(replay, "NATIVE_AFTER", 2)


class _Model(nn.Module):
    """A bit of everything that a training step changes in place."""

    def __init__(self, device="cpu"):
        super().__init__()
        self.first, self.second = nn.Linear(6, 8), nn.Linear(8, 3)
        self.norm = nn.BatchNorm1d(8)
        self.register_buffer("seen", torch.zeros(()))
        self.velocities = [torch.zeros_like(p) for p in self.parameters()]
        self.to(device)
        self.velocities = [v.to(device) for v in self.velocities]

    def forward(self, x):
        self.seen.add_(x.shape[0])
        hidden = self.norm(torch.relu(self.first(x)))
        kept = torch.empty_like(hidden).uniform_().lt_(0.75)
        return self.second(hidden * kept)


def _step(model, rule="fused", **settings):
    parameters = list(model.parameters())

    def train(x, y):
        loss = nn.functional.cross_entropy(model(x), y)
        grads = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            if rule == "fused":
                torch._fused_sgd_(
                    parameters, list(grads), model.velocities, weight_decay=0.01, momentum=0.9, lr=0.125,
                    dampening=0.25, nesterov=False, maximize=False, is_first_step=False,
                )  # fmt: skip
            else:
                torch._foreach_add_(parameters, grads, alpha=-0.125)
        return {"loss": loss.detach(), "seen": model.seen}

    return Step(train, name="The step", watch=[model], **settings)


def _train(backend, runs=7, rule="fused", device="cpu"):
    """(losses, all state afterwards, the step)."""
    torch.manual_seed(3)
    model = _Model(device)
    step = _step(model, rule, backend=backend, enabled=backend is not None)
    held = [(tensor, tensor.data_ptr()) for tensor in (*model.parameters(), *model.buffers(), *model.velocities)]
    losses = []
    for number in range(runs):
        generator = torch.Generator().manual_seed(number)
        x = torch.randn(5, 6, generator=generator).to(device)
        result = step(x, torch.randint(0, 3, (5,), generator=generator).to(device))
        losses.append(result["loss"].item())
        assert result["seen"].item() == 5 * (number + 1)
    assert all(tensor.data_ptr() == place for tensor, place in held)
    return losses, [tensor.detach().clone() for tensor, _ in held] + [torch.get_rng_state()], step


def _same(backend, exact, **settings):
    losses, state, _ = _train(None, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, changed, step = _train(backend, **settings)
    tolerance = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-5, "atol": 1e-6}
    torch.testing.assert_close(torch.tensor(found), torch.tensor(losses), **tolerance)
    for mine, theirs in zip(changed, state, strict=True):
        torch.testing.assert_close(mine, theirs, **tolerance)
    return step


@pytest.mark.parametrize("backend", ["library", "native", "auto"])
def test_a_back_end_does_what_the_function_does(backend, monkeypatch):
    monkeypatch.setattr(inductor, "missing", lambda: "it would take too long")
    step = _same(backend, exact=backend == "library")
    (program,) = step.programs
    assert program.about.backend in (("library", "native") if backend == "auto" else (backend,))
    assert any(line.compiled for line in program.lines) == (program.about.backend == "native")


@compiler
@pytest.mark.slow
@pytest.mark.parametrize("rule", ["fused", "foreach"])
def test_inductor_does_what_the_function_does(rule):
    step = _same("inductor", exact=False, rule=rule)
    (program,) = step.programs
    assert program.about.backend == "inductor"
    assert [line.compiled for line in program.lines] == [False, True]  # the draw, and all the rest
    assert "inductor for" in program.explain()


@compiler
@pytest.mark.slow
def test_auto_measures_inductor_too():
    step = _same("auto", exact=False)
    assert "inductor" in step.programs[0].about.why


@pytest.mark.parametrize("reason", ["no compiler", "a random number that needs a value"])
def test_what_inductor_cannot_do_is_said_and_done_otherwise(monkeypatch, reason):
    monkeypatch.setattr(inductor, "missing", lambda: "there is no compiler" if reason == "no compiler" else None)

    def function(x):
        return torch.bernoulli(x.sigmoid())

    step = Step(function, name="The step", backend="inductor")
    x = torch.randn(20)
    torch.manual_seed(0)
    wanted = [function(x) for _ in range(6)]
    torch.manual_seed(0)
    said = "there is no compiler" if reason == "no compiler" else r"need a computed value .*bernoulli"
    with pytest.warns(BackendWarning, match=rf"The step is replayed by 'native', not by 'inductor', since .*{said}"):
        found = [step(x).clone() for _ in range(6)]
    assert all(map(torch.equal, found, wanted))
    assert step.programs[0].about.backend == "native"
    assert "inductor cannot run it" in step.explain()


def test_a_cuda_graph_is_refused_where_the_work_is_on_the_cpu():
    step = Step(lambda x: x * 2, backend="cuda_graph")
    with pytest.warns(BackendWarning, match="not by 'cuda_graph', since"):
        for _ in range(6):
            result = step(torch.ones(3))
    assert result.tolist() == [2, 2, 2]


def test_the_process_has_a_default_and_a_step_its_own():
    def taken(backend=None):
        step = Step(lambda x: x * 2 + 1, backend=backend)
        for _ in range(6):
            step(torch.ones(3))
        return step.programs[0].about.backend

    assert taken() == "native"
    with backends.using("library"):
        assert taken() == "library"
        assert taken("native") == "native"
    assert taken() == "native"


def test_a_snapshot_puts_everything_back():
    torch.manual_seed(0)
    model = _Model()
    generator = torch.Generator().manual_seed(1)
    parameter = model.first.weight

    def function(x):
        model.seen.add_(torch.rand((), generator=generator))
        x.mul_(2)
        loss = (model(x) ** 2).sum()
        loss.backward()
        return loss.detach()

    x = torch.randn(4, 6)
    parameter.grad = None
    _, recording = record(function, [x], (x,))
    assert not isinstance(recording, Unfaithful)
    for one in model.parameters():
        one.grad = None
    states = [*model.buffers(), x]
    before = [tensor.clone() for tensor in states], torch.get_rng_state(), generator.get_state()
    snapshot = Snapshot(recording, [x])
    function(x)
    assert not any(map(torch.equal, states, before[0]))
    snapshot.restore()
    assert all(map(torch.equal, states, before[0]))
    assert parameter.grad is None
    assert torch.equal(torch.get_rng_state(), before[1])
    assert torch.equal(generator.get_state(), before[2])


@pytest.mark.parametrize(("slow", "taken"), [("native", "library"), ("library", "native")])
def test_auto_takes_the_faster_one_and_says_by_how_much(monkeypatch, caplog, slow, taken):
    monkeypatch.setattr(backends, "candidates", lambda recording: ["library", "native"])
    times = {"library": 1e-3, "native": 1e-3, slow: 2e-3}
    monkeypatch.setattr(backends, "_race", lambda one, other, state: [times["library"], times["native"]])
    step = Step(lambda x: x * 2 + 1, name="The step", backend="auto")
    with caplog.at_level("INFO", "tandem.engine"):
        for _ in range(6):
            step(torch.ones(3))
    (program,) = step.programs
    assert program.about.backend == taken
    assert program.about.why in caplog.text
    assert f"library {times['library'] * 1e6:.0f} µs, native {times['native'] * 1e6:.0f} µs" in program.about.why


@gpu
@pytest.mark.gpu
def test_a_cuda_graph_does_what_the_function_does():
    # Cross entropy's and dropout's kernels are deterministic here; the launches are the same ones.
    step = _same(None if not torch.cuda.is_available() else "cuda_graph", exact=False, device="cuda", rule="foreach")
    assert step.programs[0].about.backend == "cuda_graph"


@gpu
@pytest.mark.gpu
def test_batches_are_fetched_ahead_in_their_order():
    from tandem.engine.cuda_graph import Ahead

    feed = ArrayFeed([torch.arange(40.0).reshape(20, 2)], 4, shuffle=True, device="cuda", fraction=0)
    feed.start()
    order = feed.order.clone()
    buffers = [torch.empty(4, 2, device="cuda")]
    ahead, found = Ahead(feed, buffers), []
    for number in range(4):
        assert ahead.next()
        found.append(buffers[0].cpu())
        assert feed.at == 4 * (number + 2)
    ahead.stop()
    assert feed.at == 16
    assert torch.equal(torch.cat(found), torch.arange(40.0).reshape(20, 2)[order[:16]])


@pytest.mark.parametrize("rule", ["fused", "foreach"])
def test_the_graph_that_inductor_gets_does_what_the_function_does(monkeypatch, rule):
    monkeypatch.setattr(inductor, "missing", lambda: None)
    monkeypatch.setattr(inductor, "_compile", lambda module, examples: module)
    step = _same("inductor", exact=False, rule=rule)
    assert step.programs[0].about.backend == "inductor"


def test_where_nobody_asked_a_back_end_gives_way_without_a_warning(monkeypatch):
    wanted = backends._wanted
    monkeypatch.setattr(backends, "_wanted", lambda step, recording: ("cuda_graph", wanted(step, recording)[1]))
    step = Step(lambda x: x * 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(6):
            assert step(torch.ones(3)).tolist() == [2, 2, 2]
    assert step.programs[0].about.backend == "native"
    assert "cuda_graph cannot run it" in step.explain()
