"""Programs made at random: views, in-place changes, new and shared memory in any order give what eager code gives."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.engine import replay
from tandem.engine.hybrid import Hybrid
from tandem.engine.native import llvm
from tandem.engine.replay import Step

ROWS, COLUMNS = 4, 6


def _square(t):
    return t if t.shape == (ROWS, COLUMNS) else t.reshape(-1)[: ROWS * COLUMNS].reshape(ROWS, COLUMNS)


# Each takes two (4, 6) tensors and a constant of the function, and gives one.
PURE = {
    "add": lambda a, b, w: a + b,
    "mul_number": lambda a, b, w: a * 0.5 + 2,
    "sin": lambda a, b, w: torch.sin(a),
    "relu": lambda a, b, w: torch.relu(a - b),
    "transpose": lambda a, b, w: a.t().reshape(ROWS, COLUMNS),
    "contiguous": lambda a, b, w: a.t().contiguous().t() + b,
    "narrow": lambda a, b, w: torch.cat([a[:, 3:], b[:, :3]], 1),
    "split": lambda a, b, w: sum(a.split(2, 1)).repeat(1, 3),
    "expand": lambda a, b, w: a.sum(0, keepdim=True).expand(ROWS, COLUMNS),
    "matmul": lambda a, b, w: a @ w,
    "double": lambda a, b, w: (a.double() * 2).float(),
    "where": lambda a, b, w: torch.where(a > b, a, b * 0.1),
    "clamp": lambda a, b, w: a.clamp(-1, 1),
    "softmax": lambda a, b, w: torch.softmax(a, 1),
    "gather": lambda a, b, w: a.gather(1, b.argsort(1)),
    "select": lambda a, b, w: torch.stack([a[0], b[1], a[2], b[3]]),
    "maximum": lambda a, b, w: torch.maximum(a, b).mean(1, keepdim=True) + a,
    "norm": lambda a, b, w: torch.nn.functional.layer_norm(a, (COLUMNS,)),
    "flip": lambda a, b, w: a.flip(0),
    "constant": lambda a, b, w: a + torch.arange(COLUMNS) * torch.ones(ROWS, 1),
    "pad": lambda a, b, w: torch.nn.functional.pad(a, (1, 1))[:, 2:] * torch.ones(ROWS, COLUMNS),
    "clone": lambda a, b, w: a.clone(),
    "chunk": lambda a, b, w: torch.cat(list(reversed(a.chunk(3, 1))), 1),
}
IN_PLACE = {
    "add_": lambda a, b, w: a.clone().add_(b, alpha=0.3),
    "write_row": lambda a, b, w: _write(a.clone(), b),
    "zeros": lambda a, b, w: _write(torch.zeros(ROWS, COLUMNS), b) + a,
    "empty": lambda a, b, w: torch.empty(ROWS, COLUMNS).copy_(a).mul_(b),
    "out": lambda a, b, w: torch.mul(a, b, out=torch.empty(ROWS, COLUMNS)),
    "dropout": lambda a, b, w: torch.nn.functional.dropout(a, 0.4),
}
OPERATIONS = {**PURE, **IN_PLACE}


def _write(target, source):
    target[1:3] = source[:2]
    target[:, 0].mul_(2)
    return target


def _function(plan, weight, state):
    def run(x, y):
        values = [x, y]
        for name, first, second in plan:
            a, b = values[first % len(values)], values[second % len(values)]
            values.append(_square(OPERATIONS[name](a, b, weight)))
        with torch.no_grad():
            state.mul_(0.9).add_(values[-1].detach(), alpha=0.1)
        return {"last": values[-1], "first": values[2], "mean": values[-1].mean()}

    return run


def _compared(plan, calls, **tolerance):
    """Call a plan's function and a step of it so often, hold results and states equal; gives the step."""
    torch.manual_seed(0)
    weight = torch.randn(COLUMNS, COLUMNS)
    states = torch.zeros(ROWS, COLUMNS), torch.zeros(ROWS, COLUMNS)
    eager = _function(plan, weight, states[0])
    step = Step(_function(plan, weight, states[1]))
    for number in range(calls):
        x, y = torch.randn(2, ROWS, COLUMNS)
        results = []
        for call in (eager, step):
            torch.manual_seed(number)
            results.append({key: value.clone() for key, value in call(x, y).items()})
        for key, value in results[0].items():
            torch.testing.assert_close(value, results[1][key], **tolerance)
        torch.testing.assert_close(*states, **tolerance)
    return step


plans = st.lists(
    st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=14
)
pure_plans = st.lists(
    st.tuples(st.sampled_from(sorted(PURE)), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=10
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(plans)
def test_a_step_is_what_eager_code_is(plan):
    assert len(_compared(plan, 5, rtol=0, atol=0).programs) == 1


@settings(max_examples=100, deadline=None, derandomize=True)
@given(pure_plans)
def test_a_block_has_the_gradients_of_eager_code(plan):
    torch.manual_seed(0)
    weights = [torch.nn.Parameter(torch.randn(COLUMNS, COLUMNS)) for _ in range(2)]
    weights[1].data.copy_(weights[0].data)
    state = torch.zeros(ROWS, COLUMNS)
    functions = [_function([*plan, ("matmul", len(plan) + 1, 0)], weight, state) for weight in weights]
    hybrid = Hybrid(functions[1], lambda: [weights[1]])
    for _ in range(4):
        x, y = torch.randn(2, ROWS, COLUMNS)
        results = []
        for call, weight in zip((functions[0], hybrid), weights, strict=True):
            inputs = x.clone().requires_grad_(), y.clone()
            out = call(*inputs)
            (out["last"] * y + out["first"]).sum().backward()
            results.append([out["last"].detach(), inputs[0].grad, weight.grad.clone()])
            weight.grad = None
        for one, other in zip(*results, strict=True):
            assert one is None if other is None else torch.equal(one, other)


# What jumps where two values differ in their last bits is left out.
smooth_plans = st.lists(
    st.tuples(st.sampled_from(sorted(set(OPERATIONS) - {"gather", "where"})), st.integers(0, 30), st.integers(0, 30)),
    min_size=1,
    max_size=14,
)


@pytest.mark.skipif(not llvm.can_compile(), reason="llvmlite is not installed")
@settings(max_examples=30, deadline=None, derandomize=True)
@given(smooth_plans)
def test_machine_code_is_what_eager_code_is_up_to_the_last_bits(plan):
    before, replay.NATIVE_AFTER = replay.NATIVE_AFTER, 1
    try:
        step = _compared(plan, 6, rtol=1e-4, atol=1e-4)
        assert any(line.compiled for line in step.programs[0].lines)
    finally:
        replay.NATIVE_AFTER = before
