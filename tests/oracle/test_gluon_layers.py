"""Layers and losses of Gluon against the real MXNet: outputs, gradients, weights after updates, names."""

import numpy as np
import pytest

from gluon_cases import CONTRIB, HELPERS, LAYERS, LOSSES, RECURRENT
from mxnet_parity import assert_same, run_here
from oracles import mxnet as oracle

pytestmark = pytest.mark.oracle

_LAYER_CASES = [case for table in (LAYERS, RECURRENT, CONTRIB) for cases in table.values() for case in cases]
_LOSS_CASES = [case for cases in LOSSES.values() for case in cases]


@pytest.fixture(scope="module")
def layers_there():
    code = HELPERS + "\nanswers = [attempt(run_layer, *case) for case in table]"
    return oracle.run(code, ["answers"], fresh=True, table=_LAYER_CASES)["answers"]


@pytest.fixture(scope="module")
def losses_there():
    code = HELPERS + "\nanswers = [attempt(run_loss, *case) for case in table]"
    return oracle.run(code, ["answers"], table=_LOSS_CASES)["answers"]


def here(function, case):
    return run_here(HELPERS + f"\nanswer = {function}(*case)", case=case)["answer"]


@pytest.mark.parametrize("index", range(len(_LAYER_CASES)), ids=[case[0] for case in _LAYER_CASES])
def test_layer(index, layers_there):
    there = layers_there[index]
    assert there[0] != "error", there
    names, values = here("run_layer", _LAYER_CASES[index])
    assert [name.split("_", 1)[-1] for name in names] == [name.split("_", 1)[-1] for name in there[0]]
    assert_same(values, there[1], rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("index", range(len(_LOSS_CASES)), ids=[f"{case[0]}-{n}" for n, case in enumerate(_LOSS_CASES)])
def test_loss(index, losses_there):
    there = losses_there[index]
    assert not isinstance(there[0], str), there
    value, grads = here("run_loss", _LOSS_CASES[index])
    assert value.shape == there[0].shape
    np.testing.assert_allclose(value, there[0], rtol=1e-4, atol=1e-5)
    assert_same(list(grads), there[1], rtol=1e-4, atol=1e-5)
