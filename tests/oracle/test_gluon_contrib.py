"""Cells of `gluon.contrib.rnn` against the real MXNet: outputs, gradients, weights after updates, hybridized too."""

import numpy as np
import pytest

from gluon_cases import HELPERS
from mxnet_parity import assert_same, run_here, same_expressions
from oracles import mxnet as oracle

pytestmark = pytest.mark.oracle

_HELPERS = HELPERS + (
    "\ncr = contrib.rnn\n"
    "def hybrid(cell):\n"
    "    cell.hybridize()\n"
    "    return cell\n"
    "class Whole(gluon.HybridBlock):\n"
    "    def __init__(self, cell, **options):\n"
    "        super().__init__()\n"
    "        self.cell, self.options = cell, options\n"
    "    def hybrid_forward(self, F, x):\n"
    "        return self.cell.unroll(3, x, **self.options)\n"
)

# (expression, shapes of the inputs)
_CASES = [
    ("unrolled(cr.Conv1DRNNCell((2, 7), 3, 3, 3))", [(2, 3, 2, 7)]),
    ("unrolled(cr.Conv1DLSTMCell((2, 7), 3, 3, (3,), i2h_pad=1, activation='relu'))", [(2, 3, 2, 7)]),
    ("unrolled(cr.Conv1DGRUCell((2, 7), 3, 2, 5), merge_outputs=True)", [(2, 3, 2, 7)]),
    (
        "unrolled(cr.Conv2DRNNCell((2, 7, 6), 3, (3, 2), 3, i2h_dilate=2, h2h_dilate=2), layout='TNC')",
        [(3, 2, 2, 7, 6)],
    ),
    ("unrolled(cr.Conv2DLSTMCell((2, 6, 5), 3, 3, 3), valid_length=[1, 3])", [(2, 3, 2, 6, 5)]),
    ("unrolled(cr.Conv2DGRUCell((2, 6, 5), 3, 3, (1, 3), activation='softsign'))", [(2, 3, 2, 6, 5)]),
    ("unrolled(cr.Conv3DRNNCell((1, 4, 3, 4), 2, 2, 3))", [(1, 3, 1, 4, 3, 4)]),
    ("unrolled(cr.Conv3DLSTMCell((1, 4, 3, 4), 2, (2, 1, 2), 1))", [(1, 3, 1, 4, 3, 4)]),
    ("unrolled(cr.Conv3DGRUCell((1, 4, 3, 4), 2, 2, 3, i2h_pad=(1, 0, 1)))", [(1, 3, 1, 4, 3, 4)]),
    ("unrolled(cells(rnn.SequentialRNNCell(), rnn.LSTMCell(4), cr.LSTMPCell(5, 2)))", [(2, 3, 4)]),
    ("unrolled(cr.LSTMPCell(5, 2), valid_length=[2, 3])", [(2, 3, 4)]),
    ("unrolled(cr.VariationalDropoutCell(rnn.LSTMCell(4)))", [(2, 3, 4)]),
    ("unrolled(cr.VariationalDropoutCell(rnn.GRUCell(4)), valid_length=[1, 2], merge_outputs=False)", [(2, 3, 4)]),
    ("unrolled(hybrid(cr.Conv2DLSTMCell((2, 6, 5), 3, 3, 3)))", [(2, 3, 2, 6, 5)]),
    ("unrolled(hybrid(cr.LSTMPCell(5, 2, input_size=4)))", [(2, 3, 4)]),
    ("hybrid(Whole(cr.Conv1DGRUCell((2, 7), 3, 2, 5), merge_outputs=True))", [(2, 3, 2, 7)]),
    ("hybrid(Whole(cr.VariationalDropoutCell(rnn.LSTMCell(4, input_size=4))))", [(2, 3, 4)]),
]


@pytest.fixture(scope="module")
def there():
    # MXNet's convolutions of oneDNN leave arrays in a layout of their own, which its slices then trip over.
    code = "import os\nos.environ['MXNET_MKLDNN_ENABLED'] = '0'\n" + _HELPERS
    code += "\nanswers = [attempt(run_layer, *case) for case in table]"
    answers = oracle.run(code, ["answers"], fresh=True, table=_CASES)["answers"]
    oracle.close()  # the next test has a process with oneDNN again
    return answers


@pytest.mark.parametrize("index", range(len(_CASES)), ids=[case[0] for case in _CASES])
def test_cell(index, there):
    names, values = there[index]
    assert names != "error", values
    here = run_here(_HELPERS + "\nanswer = run_layer(*case)", case=_CASES[index])["answer"]
    assert [name.split("_", 2)[-1] for name in here[0]] == [name.split("_", 2)[-1] for name in names]
    assert_same(here[1], values, rtol=2e-4, atol=2e-5)


def test_shapes_names_and_texts():
    setup = "cr, rnn = mx.gluon.contrib.rnn, mx.gluon.rnn"
    cells = [
        "cr.Conv1DRNNCell((7, 2), 4, 3, 3, conv_layout='NWC')",
        "cr.Conv2DLSTMCell((2, 7, 7), 4, 3, 3, i2h_pad=1, i2h_dilate=2, h2h_dilate=2, activation='relu')",
        "cr.Conv3DGRUCell((2, 5, 6, 4), 4, (1, 3, 3), (1, 3, 3))",
        "cr.LSTMPCell(5, 3)",
        "cr.LSTMPCell(5, 3, input_size=4)",
        "cr.VariationalDropoutCell(rnn.LSTMCell(4), 0.3, 0.4, 0.5)",
    ]
    looks = [
        "repr({})",
        "{}.state_info(3)",
        "[(p.name.split('_', 2)[-1], p.shape) for p in {}.collect_params().values()]",
    ]
    refused = [
        "cr.Conv1DRNNCell((2, 7), 4, 3, 2)",
        "cr.Conv2DRNNCell((2, 7, 7), 4, (3,), 3)",
        "cr.VariationalDropoutCell(rnn.BidirectionalCell(rnn.RNNCell(3), rnn.RNNCell(3)), drop_states=0.3)",
        "rnn.RecurrentCell().forward(nd.ones(2), [])",
        "rnn.SequentialRNNCell().hybrid_forward(nd, nd.ones(2), [])",
    ]
    same_expressions([look.format(cell) for cell in cells for look in looks] + refused, setup)


@pytest.mark.parametrize("drop_states", [0.0, 0.4])
@pytest.mark.parametrize("hybridize", [False, True])
def test_variational_dropout_drops_the_same_elements_in_all_steps(drop_states, hybridize):
    import tandem.mxnet as mx

    rnn, nd = mx.gluon.rnn, mx.nd
    cell = mx.gluon.contrib.rnn.VariationalDropoutCell(rnn.RNNCell(50), 0.3, drop_states, 0.5)
    cell.initialize(mx.init.One())
    x = nd.ones((2, 4, 6))
    cell.unroll(4, x)
    if hybridize:
        cell.hybridize()
    patterns = []
    for _ in range(3):
        with mx.autograd.record():
            outputs, _ = cell.unroll(4, x, merge_outputs=True)
        zero = outputs.asnumpy() == 0
        assert 0.2 < zero.mean() < 0.8
        assert all((zero[:, step] == zero[:, 0]).all() for step in range(4))
        patterns.append(zero[:, 0])
    assert not (patterns[0] == patterns[1]).all()
    assert not (patterns[1] == patterns[2]).all()
    plain, _ = cell.unroll(4, x, merge_outputs=True)
    assert np.count_nonzero(plain.asnumpy()) == plain.size
