"""MXNet's inner functions that other packages import (GluonCV, GluonNLP, users' cells), against the real MXNet."""

import numpy as np
import pytest

from mxnet_parity import same_code, same_expressions

pytestmark = pytest.mark.oracle

SETUP = """
_as_list = mx.base._as_list
block, loss, rnn, utils = mx.gluon.block, mx.gluon.loss, mx.gluon.rnn, mx.gluon.utils
C = rnn.rnn_cell
x = nd.arange(12).reshape((2, 3, 2))
steps = [x[:, step] for step in range(3)]
lengths = nd.array([1, 3])
cells = [rnn.LSTMCell(3), rnn.GRUCell(4)]
def formatted(*args, **given):
    inputs, axis, F, batch = C._format_sequence(*args, **given)
    return inputs, axis, batch
"""


def test_sequences_and_states():
    table = [
        f"formatted({length}, {inputs}, {layout!r}, {merge}, in_layout={given!r})"
        for inputs in ("x", "steps")
        for layout, given in (("NTC", None), ("TNC", None), ("TNC", "NTC"))
        for merge in (True, False, None)
        for length in (3, None, 4)
    ]
    table += [
        f"C._mask_sequence_variable_length(nd, {inputs}, 3, lengths, 1, {merge})"
        for inputs in ("x", "steps")
        for merge in (True, False)
    ]
    table += ["C._reverse_sequences(steps, 3)", "C._reverse_sequences(steps, 3, lengths)"]
    table += ["C._cells_state_info(cells, 2)", "C._cells_begin_state(cells, batch_size=2)"]
    table += [
        f"C._get_begin_state(cells[0], nd, {state}, {of}, 2)" for state in ("None", "[x]") for of in ("x", "steps")
    ]
    same_expressions(table, SETUP)


def test_layers_as_stacks_of_cells():
    layers = [
        "rnn.LSTM(3, 2, bidirectional=True, dropout=0.1, input_size=2, prefix='f_')",
        "rnn.GRU(3, 2, input_size=2, prefix='g_')",
        "rnn.RNN(3, input_size=2, activation='tanh', prefix='r_')",
    ]
    setup = (
        SETUP
        + """
def unfused(layer):
    layer.initialize('ones')
    stack = layer._unfuse()
    steps = nd.arange(16).reshape((4, 2, 2)) / 16
    found, _ = stack.unroll(4, steps, layout='TNC', merge_outputs=True)
    return repr(stack), stack.prefix, sorted(stack.collect_params()), found, abs(found - layer(steps)).max() < 1e-5
"""
    )
    same_expressions([f"unfused({layer})" for layer in layers], setup)


def test_lists_texts_and_losses():
    same_expressions(
        """
        _as_list(1), _as_list([1]), _as_list((1,))
        block._flatten([x, [x, None], (x,)], 'input')
        block._flatten('x', 'input')
        block._regroup([x, x + 1, x], [0, [0, 0]])
        block._regroup([x, x + 1, None], [2, -1])
        utils._indent('a\\nb\\nc', 2)
        utils._get_repo_file_url('gluon/x', 'a.zip')
        utils._brief_print_list(list('abcdefghij'))
        loss._apply_weighting(nd, x, 2.0, nd.ones((2, 1, 1)) * 3)
        loss._apply_weighting(nd, x, 'a')
        loss._reshape_like(nd, x, nd.ones((12,)))
        [mx.nd.ndarray._DTYPE_NP_TO_MX[kind] for kind in (None, np.float32, np.int64, np.bool_)]
        """,
        SETUP,
    )


def test_a_loader_of_the_inner_iterator():
    same_code(
        """
        from multiprocessing.pool import ThreadPool
        D = mx.gluon.data.dataloader

        class Doubled(D._MultiWorkerIter):
            def _push_next(self):
                samples = next(self._iter, None)
                if samples is not None:
                    whole = [2 * i for i in samples]
                    answer = self._worker_pool.apply_async(self._worker_fn, (whole, self._batchify_fn, self._dataset))
                    self._data_buffer[self._sent_idx] = answer
                    self._sent_idx += 1

        numbers = list(range(20))
        D._worker_initializer(numbers, False, False)
        found = []
        for function, given in ((D._thread_worker_fn, numbers), (D._worker_fn, None)):
            with ThreadPool(1) as pool:
                options = {"worker_fn": function, "dataset": given, "prefetch": 1}
                batches = Doubled(pool, D.default_batchify_fn, [[0, 1], [5]], **options)
                found += [len(batches), *(batch.asnumpy().tolist() for batch in batches)]
        """,
        "found",
    )


def test_a_data_set_in_a_folder_of_its_own(tmp_path):
    same_code(
        """
        import os

        class Own(mx.gluon.data.dataset._DownloadedDataset):
            def _get_data(self):
                self._data, self._label = nd.arange(6).reshape((3, 2)), [1, 2, 3]

        plain, changed = Own(folder, None), Own(folder, lambda data, label: (data + 1, label))
        found = [len(plain), *plain[1], *changed[2], os.path.isdir(folder)]
        found = [one.asnumpy() if hasattr(one, 'asnumpy') else one for one in found]
        """,
        "found",
        folder=str(tmp_path / "own"),
    )


OPERATORS = """
inner, inner_of_symbols = nd.np._internal, mx.sym.np._internal
x, rows, columns = np.arange(6).reshape(2, 3), np.array([True, False], dtype=bool), np.array([1, 0, 1]) > 0
a, b = mx.sym.var("a").as_np_ndarray(), mx.sym.var("b").as_np_ndarray()
def run(symbol, **given):
    return symbol.bind(mx.cpu(), given).forward()
"""


def test_operators_of_numpy_under_their_own_names():
    table = """
inner.add(x, x)
inner.add_scalar(x, scalar=2)
inner.rsubtract_scalar(x, scalar=2)
inner.true_divide(x, x + 1)
inner.boolean_mask(x, rows)
inner.boolean_mask_assign_scalar(x, rows, 7.0, out=x)
inner.boolean_mask_assign_scalar(data=x, mask=x > 3, value=7, start_axis=0, out=x) is x
inner.boolean_mask_assign_scalar(x, columns, 7.0, start_axis=1, out=x)
inner.boolean_mask_assign_tensor(x, x > 2, np.array([5.0, 6, 7]), out=x)
inner.boolean_mask_assign_tensor(x, rows, np.array(5.0), out=x)
inner.boolean_mask_assign_tensor(x, columns, np.array([[1.0, 2], [3, 4]]), start_axis=1, out=x)
inner.boolean_mask_assign_tensor(x, x > 2, np.array([5.0, 6]), out=x)
inner.cast(x, dtype="int32")
inner.share_memory(x, x)
inner.gather_nd(x, np.array([[0, 1], [1, 2]]))
inner.nonzero(x)
inner.reshape(x, newshape=(3, -1))
inner.slice_assign_scalar(x, scalar=4, begin=(0,), end=(1,))
inner.rnn_param_concat(x, x, dim=0)
inner.zeros(shape=(2,))
inner.mean(x).shape
inner.nothing_like_it
type(inner_of_symbols.exp(a)).__name__
run(inner_of_symbols.add(a, b), a=x, b=x)
run(inner_of_symbols.subtract_scalar(a, scalar=3), a=x)
inner_of_symbols.boolean_mask_assign_scalar(a, b, value=3.0).list_arguments()
"""
    same_expressions(table, OPERATORS, numpy=True)


def test_how_images_are_resized():
    table = [
        f"I._get_interp_method({interp}, {sizes})"
        for interp in (0, 3, 9, 7)
        for sizes in ("()", "(3, 4, 6, 8)", "(6, 8, 3, 4)", "(6, 8, 3, 9)", "(3, 4, 3, 4)")
    ]
    same_expressions(table, "I = mx.image.image")


def test_modules_that_others_hold():
    same_expressions(["mx.metric.ndarray is nd", "mx.metric.registry is mx.registry"])


_CELLS = """
gluon, rnn = mx.gluon, mx.gluon.rnn
class Cell(rnn.HybridRecurrentCell):
    def __init__(self, size, prefix=None, params=None):
        super().__init__(prefix=prefix, params=params)
        self.size = size
        self.i2h_weight = self.params.get("i2h_weight", shape=(size, 0), allow_deferred_init=True)
        self.h2h_weight = self.params.get("h2h_weight", shape=(size, size))
    def state_info(self, batch_size=0):
        return [{"shape": (batch_size, self.size), "__layout__": "NC"}]
    def hybrid_forward(self, F, inputs, states, i2h_weight, h2h_weight):
        prefix = "t%d_" % self._counter
        x = F.FullyConnected(inputs, i2h_weight, num_hidden=self.size, no_bias=True, name=prefix + "i2h")
        h = F.FullyConnected(states[0], h2h_weight, num_hidden=self.size, no_bias=True, name=prefix + "h2h")
        found = self._get_activation(F, x + h, "tanh", name=prefix + "out")
        return found, [found]
def look(cell):
    return cell._counter, cell._init_counter
"""


def test_cells_count_their_steps_and_states():
    code = (
        _CELLS
        + """
cell, found = Cell(3, prefix="own_"), []
cell.initialize(mx.init.One())
x = nd.array(given)
for step in range(3):
    found.append(look(cell))
    outputs, states = cell.unroll(3, x * (1 + step), merge_outputs=True)
    found.append(outputs)
cell.reset()
found += [look(cell), look(rnn.LSTMCell(2))]
states = cell.begin_state(func=mx.sym.var)
steps, _ = cell.unroll(2, mx.sym.var("data"), merge_outputs=False, begin_state=states)
found += [[step.list_outputs() for step in steps], steps[1].list_arguments(), look(cell)]
"""
    )
    same_code(code, "found", given=np.random.RandomState(0).rand(2, 3, 2).astype("float32"))


def test_parameters_that_a_class_of_users_takes_over():
    code = """
gluon = mx.gluon
class Halved(gluon.Parameter):
    def __init__(self, p):
        super().__init__(
            name=p.name, grad_req=p.grad_req, shape=p._shape, dtype=p.dtype, init=p.init,
            allow_deferred_init=p._allow_deferred_init, differentiable=p._differentiable,
        )
        self._var, self._data, self._grad = p._var, p._data, p._grad
        self._ctx_list, self._ctx_map, self._trainer = p._ctx_list, p._ctx_map, p._trainer
    def data(self, ctx=None):
        return self._check_and_get(self._data, ctx) * 0.5
found = []
for late in (False, True):
    for net in (gluon.rnn.LSTM(4, input_size=3), gluon.nn.Dense(2, in_units=3, flatten=False)):
        if not late:
            net.initialize(mx.init.Constant(0.3))
        for key, parameter in list(net._reg_params.items()):
            if key in ("weight", "l0_h2h_weight"):
                taken = net.params._params[parameter.name] = net._reg_params[key] = Halved(parameter)
                super(gluon.Block, net).__setattr__(key, taken)
        if late:
            net.initialize(mx.init.Constant(0.3))
        for hybrid in (False, True):
            net.hybridize(hybrid)
            trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
            for step in range(5):
                with autograd.record():
                    loss = (net(nd.array(given)) ** 2).sum()
                loss.backward()
                trainer.step(1)
                found.append(loss)
        found += [parameter.grad() for parameter in net.collect_params().values()]
        found.append([repr(p).split(" ")[0] for p in net.collect_params().values()])
"""
    same_code(code, "found", given=np.random.RandomState(0).rand(2, 2, 3).astype("float32"), rtol=1e-4)
