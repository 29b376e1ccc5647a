"""What processes exchange, alone and as two; the environment's variables; collectives in recorded steps."""

import numpy as np
import pytest
import torch
from tests.processes import together

from tandem.engine.distributed import exchange, group, place, shards
from tandem.engine.replay import Step


def _exchanges():
    rank = group.rank()
    tensors = [torch.full((2, 3), rank + 1.0), torch.tensor(rank, dtype=torch.int64), torch.full((5,), 0.5)]
    kinds = (torch.bool, torch.uint8, torch.uint32, torch.float16, torch.bfloat16, torch.complex64)
    spread = [*(tensor.clone() for tensor in tensors), *(torch.full((3,), rank).to(kind) for kind in kinds)]
    exchange.spread_(spread, source=1)
    return {
        "size": (rank, group.size(), group.is_chief()),
        "sums": [tensor.tolist() for tensor in exchange.sums(tensors)],
        "spread": [tensor.tolist() for tensor in spread[:3]],
        "kinds": [tensor.sum().item() for tensor in spread[3:]],
        "parts": [part.tolist() for part in exchange.parts(torch.full((rank + 1, 2), rank, dtype=torch.bfloat16))],
        "none": [len(part) for part in exchange.parts(torch.zeros(rank, 2) > 0)],
        "agreed": exchange.agreed({"rank": rank}),
    }


def test_two_processes():
    first, second = together(_exchanges)
    assert (first.pop("size"), second.pop("size")) == ((0, 2, True), (1, 2, False))
    assert first == second
    assert first["sums"] == [[[3.0] * 3] * 2, 1, [1.0] * 5]
    assert first["spread"] == [[[2.0] * 3] * 2, 1, [0.5] * 5]
    assert first["kinds"] == [3] * 6
    assert first["parts"] == [[[0.0, 0.0]], [[1.0, 1.0], [1.0, 1.0]]]
    assert first["none"] == [0, 1]
    assert first["agreed"] == {"rank": 0}


def test_alone_everything_is_as_it_was():
    found = _exchanges()
    assert found["size"] == (0, 1, True)
    assert found["sums"] == found["spread"] == [[[1.0] * 3] * 2, 0, [0.5] * 5]


def _buckets(limit):
    exchange.BUCKET = limit
    tensors = [torch.full((size,), float(size), dtype=dtype) for size in (7, 1, 30) for dtype in (None, torch.float64)]
    return [tensor.tolist() for tensor in exchange.sums(tensors)], len(exchange._buckets(tensors))


def test_buckets():
    for limit, count in ((1 << 20, 2), (40, 5)):
        (sums, buckets), _ = together(_buckets, limit)
        assert buckets == count
        assert sums == [[2.0 * size] * size for size in (7, 1, 30) for _ in range(2)]


def _replays():
    rank = group.rank()
    weight = torch.ones(3, requires_grad=True)

    def learn(x):
        (grad,) = torch.autograd.grad((weight * x).square().sum(), [weight])
        with torch.no_grad():
            weight.sub_(exchange.sums([grad])[0] * 5e-6)
        return exchange.all_sum(x.sum().detach())

    step = Step(learn)
    totals = [step(torch.full((2, 3), rank + number + 1.0)).item() for number in range(40)]
    return weight.tolist(), totals, len(step.programs), list(step.refusals)


def test_recorded_steps_hold_what_is_exchanged():
    first, second = together(_replays)
    assert first == second
    weights, totals, programs, refusals = first
    assert programs == 1 and not refusals
    assert totals == [6.0 * (2 * number + 3) for number in range(40)]
    expected = np.ones(3, np.float32)
    for number in range(40):
        grad = sum(4 * np.float32(rank + number + 1) ** 2 * expected for rank in range(2)) / 2
        expected = expected - 1e-5 * grad
    np.testing.assert_allclose(weights, expected, rtol=1e-4)


def _gradient():
    x = torch.full((2,), group.rank() + 1.0, requires_grad=True)
    (exchange.all_sum(x) * (group.rank() + 1)).sum().backward()
    return x.grad.tolist()


def test_the_gradient_of_a_sum_is_the_sum_of_the_gradients():
    assert together(_gradient) == [[3.0, 3.0]] * 2


class _Plan:
    auto_shard_dataset = True

    @staticmethod
    def places():
        return list(range(group.size()))


def _shares():
    rank, plan = group.rank(), _Plan()
    found = {}
    for rows in (5, 1):
        part, share = shards.cut(rows, plan.places())
        values = torch.arange(1.0, rows + 1)[slice(None) if part is None else part]
        weights = torch.where(values < 5, values, 0.0)
        with shards.sharing(share):
            mean = share.mean(values.mean())
            # As a loss is taken: what is divided by its own, then joined by `means`.
            losses = [values.mean(), share.total(values.sum()), (values * weights).sum() / share.divisor(weights.sum())]
            joined = shards.means([*losses, None])
            state = torch.full((2,), 10.0)
            with shards.adding(lambda state=state: [state]):
                state += values.sum()
        found[rows] = mean.item(), [value.item() for value in joined[:-1]], joined[-1], state.tolist()
        found[rows, "all"] = shards.whole(values, share, plan.places()).tolist()
    own = torch.arange(1.0, 4.0)[: rank + 1] if group.size() > 1 else torch.tensor([1.0, 1.0, 2.0])
    part, share = shards.cut(len(own), plan.places(), auto=False)
    with shards.sharing(share):
        found["own"] = part, shards.means([own.mean()])[0].item(), shards.means([share.total(own.sum())])[0].item()
    found["alone"] = shards.means([torch.ones(())])[0].item(), shards.agreed_order(torch.tensor([rank])).item()
    shards.set_plan(plan)
    found["planned"] = (
        shards.means([torch.tensor(float(rank))])[0].item(),
        shards.agreed_order(torch.tensor([rank])).item(),
    )
    shards.set_plan(None)
    return found


def test_shares_of_a_batch():
    (whole,) = together(_shares, count=1)
    assert whole[5] == (3.0, [3.0, 15.0, 3.0], None, [25.0, 25.0])
    assert whole[1] == (1.0, [1.0, 1.0, 1.0], None, [11.0, 11.0])
    assert whole["own"] == (None, pytest.approx(4 / 3), 4.0)
    for count in (2, 3):
        for rank, found in enumerate(together(_shares, count=count)):
            for rows in (5, 1):
                mean, joined, none, state = found[rows]
                assert mean == pytest.approx(whole[rows][0])
                assert joined == pytest.approx(whole[rows][1])
                assert none is None
                assert state == whole[rows][3]
                assert found[rows, "all"] == whole[rows, "all"]
            if count == 2:
                assert found["own"] == (None, pytest.approx(4 / 3), pytest.approx(4.0))
            assert found["alone"] == (1.0, rank)
            assert found["planned"] == (pytest.approx((count - 1) / 2), 0)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"RANK": "1", "WORLD_SIZE": "2", "MASTER_PORT": "7"}, (1, 2, 1, "127.0.0.1", 7, False)),
        ({"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "7"},
         (0, 2, 1, "a", 7, True)),
        ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_PORT": "7", "TORCHELASTIC_USE_AGENT_STORE": "True"},
         (0, 2, 0, "127.0.0.1", 7, False)),
        ({"DMLC_ROLE": "worker", "DMLC_NUM_WORKER": "3", "DMLC_PS_ROOT_URI": "b", "DMLC_PS_ROOT_PORT": "9"},
         (None, 3, 0, "b", 9, False)),
        ({"DMLC_ROLE": "worker", "DMLC_NUM_WORKER": "3", "DMLC_PS_ROOT_PORT": "9", "DMLC_WORKER_ID": "0"},
         (0, 3, 0, "127.0.0.1", 9, None)),
        ({"DMLC_ROLE": "scheduler", "DMLC_NUM_WORKER": "3", "DMLC_PS_ROOT_PORT": "9"},
         (None, 3, 0, "127.0.0.1", 9, None)),
    ],
)  # fmt: skip
def test_places(monkeypatch, variables, expected):
    _only(monkeypatch, variables)
    assert place.of_environment() == (None if expected is None else place.Place(*expected))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RANK": "2", "WORLD_SIZE": "2", "MASTER_PORT": "7"}, "less than WORLD_SIZE, 2"),
        ({"RANK": "x", "WORLD_SIZE": "2", "MASTER_PORT": "7"}, "RANK is wrong"),
        ({"RANK": "0", "WORLD_SIZE": "0", "MASTER_PORT": "7"}, "at least 1"),
        ({"RANK": "0", "WORLD_SIZE": "2"}, "but not MASTER_PORT"),
        ({"DMLC_NUM_WORKER": "2", "DMLC_PS_ROOT_PORT": "7", "DMLC_WORKER_ID": "2"}, "DMLC_WORKER_ID is wrong"),
        ({"DMLC_NUM_WORKER": "2", "DMLC_PS_ROOT_PORT": "7", "DMLC_ROLE": "boss"}, "worker, server, scheduler"),
    ],
)
def test_wrong_variables(monkeypatch, variables, message):
    _only(monkeypatch, variables)
    with pytest.raises(ValueError, match=message):
        place.of_environment()


def _only(monkeypatch, variables):
    names = ["RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_USE_AGENT_STORE"]
    for name in (*names, *(f"DMLC_{end}" for end in ["ROLE", "NUM_WORKER", "WORKER_ID", "TASK_ID", "LOCAL_RANK"])):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_others_that_do_not_come(monkeypatch):
    monkeypatch.setenv("TANDEM_DISTRIBUTED_TIMEOUT", "0.5")
    with pytest.raises(RuntimeError, match="did not find each other"):
        group.start(place.Place(0, 2, 0, "127.0.0.1", 0, True))
    assert not group.is_started()
    monkeypatch.setenv("TANDEM_DISTRIBUTED_TIMEOUT", "soon")
    with pytest.raises(ValueError, match="TANDEM_DISTRIBUTED_TIMEOUT"):
        group.start(place.Place(0, 2, 0, "127.0.0.1", 0, True))
