"""Programs as text say what runs, on which memory, and where in the user's code it comes from."""

import inspect
import io
import re

import pytest
import torch
from torch import nn

from tandem.engine import backends, replay
from tandem.engine.explain import Watch, explain
from tandem.engine.hybrid import Hybrid
from tandem.engine.replay import EagerWarning, Step


def _trained(backend="library", rows=2, runs=4, **settings):
    """A step of a perceptron after some runs, its parameters, and the line on which the relu stands."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))

    def train(x):
        hidden = torch.relu(model[0](x))
        out = model[1](hidden)
        picked = out.detach()[:, 0].cumsum(0)
        grads = torch.autograd.grad((out * out).sum(), list(model.parameters()))
        with torch.no_grad():
            for parameter, grad in zip(model.parameters(), grads):
                parameter.sub_(grad * 0.125)
        return picked

    step = Step(train, name="The step", watch=[model], backend=backend, **settings)
    for _ in range(runs):
        step(torch.randn(rows, 3))
    return step, model, inspect.getsourcelines(train)[1] + 1


def test_each_line_has_its_shapes_its_memory_and_the_users_line():
    step, _, relu = _trained()
    text = step.programs[0].explain()
    assert text == explain(step)
    found = re.search(r"^ +\d+  b1 float32\[2, 4\] = relu\(b0 float32\[2, 4\]\) +(\S+):(\d+)$", text, re.M)
    assert found is not None
    assert found[1].endswith("test_explain.py")
    assert int(found[2]) == relu
    assert "addmm(0.bias float32[4], in0 float32[2, 3], 0.weight float32[3, 4])" in text
    assert re.search(r"inputs +float32\[2, 3\]$", text, re.M)
    assert re.search(r"sub_\(1\.bias float32\[2\], b\d+ float32\[2\]\)", text)


def test_memory_that_several_values_share_is_counted_once():
    step, _, _ = _trained(rows=400)
    text = step.programs[0].explain()
    size = r"([\d.]+ k?B)"
    total, buffers, values, all_values = re.search(
        rf"memory +{size} in (\d+) buffers for (\d+) values of {size}", text
    ).groups()
    table = re.findall(rf"^  b\d+ +{size}  (\d+) values?\b", text, re.M)
    assert len(table) == int(buffers)
    assert max(_bytes(size) for size, _ in table) <= _bytes(total) < _bytes(all_values)
    assert sum(int(count) for _, count in table) == int(values) > int(buffers)


def _bytes(text):
    number, unit = text.split()
    return float(number) * {"B": 1, "kB": 1e3}[unit]


def test_a_result_in_new_memory_says_so():
    def function(x):
        return nn.functional.mse_loss(x.sin(), x)

    step = Step(function, backend="library")
    for _ in range(3):
        step(torch.randn(6))
    assert re.search(r"v\d+ float32\[\] \(new memory\)", step.explain())


def test_machine_code_shows_its_loops_and_the_calls_behind_them(monkeypatch):
    monkeypatch.setattr(replay, "NATIVE_AFTER", 1)
    step, _, relu = _trained(backend="native")
    text = step.explain()
    assert "back end  native: the step asks for it" in text
    assert re.search(r"machine code for \d+ calls: .*addmm, relu", text)
    assert re.search(r"loop i<8: b\d+\[i\] float32 = where\(", text)
    assert re.search(r"loop i<2 j<3 k<4: b0\[ik\] float32 = sum of products over 3 of in0\[ij\] \* 0\.weight\[", text)
    assert f":{relu}" in text


def test_what_runs_eagerly_says_why_and_where():
    def function(x):
        return x * x.sum().item()

    step = Step(function, name="The odd step")
    with Watch() as watch, pytest.warns(EagerWarning, match="odd step"):
        for _ in range(3):
            step(torch.randn(3))
    line = inspect.getsourcelines(function)[1] + 1
    (report,) = watch.reports()
    for text in (report.text(), step.explain()):
        assert "The odd step\n" in text
        assert "eagerly" in text
        assert "a tensor's value is read into Python" in text
        assert f"test_explain.py:{line}" in text


def test_a_watch_has_the_last_program_of_each_step_and_signature(monkeypatch):
    monkeypatch.setattr(replay, "NATIVE_AFTER", 2)
    with Watch() as watch:
        step, _, _ = _trained(backend="native", runs=6)
        assert [r.facts[1][1].split(":")[0] for r in watch.reports()] == ["native"]
        for _ in range(2):
            step(torch.randn(5, 3))
        other, _, _ = _trained(backend="library")
    assert [dict(r.facts)["inputs"] for r in watch.reports()] == ["float32[2, 3]", "float32[5, 3]", "float32[2, 3]"]
    assert [r.facts[1][1].split(":")[0] for r in watch.reports()] == ["native", "library", "library"]
    for _ in range(2):
        other(torch.randn(4, 3))
    assert len(watch.reports()) == 3  # it is not watched any more


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("inline", [0, 10])
def test_a_block_of_two_parts_says_where_the_second_begins(inline):
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    block = Hybrid(net, lambda: list(net.parameters()), name="net", watch=(net,), inline=inline)
    with Watch() as watch:
        for _ in range(4):
            block(torch.ones(2, 3)).sum().backward()
    (report,) = watch.reports()
    facts = dict(report.facts)
    if inline:
        assert facts["since"] == "its at most 10 differentiable operations cost less as they are than a replay"
    else:
        last = int(re.fullmatch(r"the forward pass to line (\d+), the backward pass after it", facts["parts"])[1])
        assert [row.operation for row in report.rows[:last]][-1] == "addmm"
        assert {row.operation for row in report.rows[last:]} >= {"mm", "tanh_backward"}


def test_on_a_terminal_it_is_a_table():
    with Watch() as watch:
        _trained()
    terminal, plain = _Terminal(), io.StringIO()
    for report in watch.reports():
        report.print(terminal)
        report.print(plain)
    assert "\x1b[" in terminal.getvalue()
    assert "operation" in terminal.getvalue()
    assert "relu" in terminal.getvalue()
    assert "\x1b[" not in plain.getvalue()


def test_back_ends_are_checked_by_name():
    with pytest.raises(ValueError, match="Did you mean 'native'"):
        Step(torch.relu, backend="nativ")
    with pytest.raises(ValueError, match="library, native, cuda_graph, inductor, auto"):
        backends.set_default("xla")
    with backends.using("library"):
        assert backends.default() == "library"
    assert backends.default() is None
