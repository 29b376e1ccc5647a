"""Every operator of the MXNet table: the oracle's outputs and gradients, dtypes, memory layouts, shapes."""

import numpy as np
import pytest
import torch

from mxnet_operator_cases import CASES
from mxnet_parity import assert_same
from oracles import OracleError
from oracles import mxnet as oracle
from tandem.mxnet import autograd, context, nd, views
from tandem.mxnet.operators import OPERATORS

# Operators that are not run here: those on images have their own tests, tests/oracle/test_mxnet_image.py.
EXEMPT = {row.name for row in OPERATORS.values() if row.name.startswith(("_image_", "_cv", "_imdecode"))}
# Those that take sparse arrays only, see tests/oracle/test_mxnet_sparse.py.
EXEMPT |= {"_contrib_dgl_adjacency", "_contrib_dgl_subgraph", "_contrib_edge_id", "_contrib_dgl_graph_compact"}
EXEMPT |= {f"_contrib_dgl_csr_neighbor_{kind}_sample" for kind in ("uniform", "non_uniform")}
EXEMPT |= {"_contrib_getnnz", "_sparse_adagrad_update", "_sparse_retain", "_square_sum"}

_IN_THE_ORACLE = """
import ctypes
from mxnet.base import _LIB, check_call, c_str
from mxnet._ctypes.ndarray import _imperative_invoke
answers = []
for name, arrays, grads, keys, values, train, differentiate in jobs:
    try:
        handle = ctypes.c_void_p()
        check_call(_LIB.NNGetOpHandle(c_str(name), ctypes.byref(handle)))
        inputs = [nd.array(value, dtype=value.dtype) for value in arrays]
        for array, wanted in zip(inputs, grads):
            if wanted:
                array.attach_grad()
        with autograd.record(train_mode=train):
            out = _imperative_invoke(handle.value, inputs, keys, values, None, False, False)
        outs = list(out) if isinstance(out, (list, tuple)) else [out]
        if differentiate:
            heads = [nd.array(np.cos(np.arange(o.size)).reshape(o.shape), dtype=o.dtype) for o in outs]
            autograd.backward(outs, heads, train_mode=train)
        found = [array.grad if wanted and differentiate else None for array, wanted in zip(inputs, grads)]
        found = [g if g is None else g.asnumpy() for g in found]
        answers.append(([o.asnumpy() for o in outs], found, [i.asnumpy() for i in inputs]))
    except Exception as error:
        answers.append((type(error).__name__, str(error)[:500], None))
        try:
            nd.waitall()
        except Exception:  # the same error again, from what was still under way
            pass
"""


def jobs():
    """(case, dtype, arrays) for every case; numbers are the same in every run."""
    for index, case in enumerate(CASES):
        for dtype in case.options.get("dtypes", ("float32", "float64")):
            rng = np.random.default_rng(index)
            yield case, dtype, [maker.make(rng, dtype) for maker in case.inputs]


JOBS = list(jobs())
IDS = [f"{case.id}-{dtype}" for case, dtype, _ in JOBS]


def function_of(case):
    return views.function_of(OPERATORS[case.name], nd.NDArray)


def differentiates(case):
    row = OPERATORS[case.name]
    return bool(case.options.get("grad", True) and row.differentiable and any(maker.grad for maker in case.inputs))


def run_here(case, arrays):
    """(outputs, gradients, inputs afterwards), all as numpy arrays."""
    inputs = [nd.array(value, dtype=value.dtype) for value in arrays]
    wanted = [maker.grad and value.dtype.kind == "f" for maker, value in zip(case.inputs, arrays)]
    for array, grad in zip(inputs, wanted):
        if grad:
            array.attach_grad()
    with autograd.record(train_mode=case.options.get("train", True)):
        out = function_of(case)(*inputs, **case.attributes)
    outs = out if isinstance(out, list) else [out]
    grads = [None] * len(inputs)
    values = [o.asnumpy() for o in outs]
    if differentiates(case):
        heads = [nd.array(np.cos(np.arange(o.size)).reshape(o.shape), dtype=o.dtype) for o in outs]
        autograd.backward(outs, heads, train_mode=case.options.get("train", True))
        grads = [array.grad.asnumpy() if grad else None for array, grad in zip(inputs, wanted)]
    return values, grads, [array.asnumpy() for array in inputs]


@pytest.fixture(scope="module")
def answers():
    """The oracle's results for all jobs, in few calls."""
    sent = []
    for case, _, arrays in JOBS:
        grads = [maker.grad and value.dtype.kind == "f" for maker, value in zip(case.inputs, arrays)]
        attributes = dict(case.attributes)
        if OPERATORS[case.name].variadic == "num_args":
            attributes["num_args"] = len(arrays)
        skip = case.options.get("oracle", True) is False
        sent.append(
            (
                "_copy" if skip else case.name,
                [np.zeros(1)] if skip else arrays,
                [False] if skip else grads,
                [] if skip else list(attributes),
                [] if skip else [str(value) for value in attributes.values()],
                case.options.get("train", True),
                not skip and differentiates(case),
            )
        )
    found = []
    for first in range(0, len(sent), 40):
        part = sent[first : first + 40]
        try:
            found += oracle.run(_IN_THE_ORACLE, ["answers"], jobs=part)["answers"]
        except OracleError as error:  # the real MXNet can crash; the others' answers count all the same
            found += [(error.type, error.text, None)] * len(part)
    return found


@pytest.mark.oracle
@pytest.mark.parametrize("index", range(len(JOBS)), ids=IDS)
def test_outputs_and_gradients_are_the_oracles(index, answers):
    case, _, arrays = JOBS[index]
    if case.options.get("oracle", True) is False:
        pytest.skip("the oracle cannot run it")
    there = answers[index]
    assert not isinstance(there[0], str), f"the oracle raised {there[0]}: {there[1]}"
    here = run_here(case, arrays)
    rtol, atol = case.options.get("rtol", 1e-4), case.options.get("atol", 1e-5)
    for what, mine, theirs in zip(("outputs", "gradients", "inputs afterwards"), here, there):
        assert_same(mine, theirs, what, rtol, atol)


def test_every_operator_has_a_case():
    covered = {OPERATORS[case.name].name for case in CASES} | EXEMPT
    assert {row.name for row in OPERATORS.values()} - covered == set()


def _spread(array):
    """The same values in memory that is not contiguous."""
    tensor = array._tensor
    if tensor.dim() == 0 or tensor.numel() == 0:
        return array
    wide = torch.repeat_interleave(tensor, 2, dim=-1)
    return nd.NDArray._wrap(wide[..., ::2].detach())


SMALL = [job for job in JOBS if job[1] == "float32"]
SMALL_IDS = [case.id for case, _, _ in SMALL]


@pytest.mark.parametrize(("case", "dtype", "arrays"), SMALL, ids=SMALL_IDS)
def test_memory_layout_does_not_matter(case, dtype, arrays):
    if OPERATORS[case.name].random:
        pytest.skip("its results are random")
    train = case.options.get("train", True)
    results = []
    for prepare in (lambda array: array, _spread):
        inputs = [prepare(nd.array(value, dtype=value.dtype)) for value in arrays]
        with autograd.train_mode() if train else autograd.predict_mode():
            out = function_of(case)(*inputs, **case.attributes)
        results.append([o.asnumpy() for o in (out if isinstance(out, list) else [out])])
    for plain, spread in zip(*results):
        np.testing.assert_allclose(plain, spread, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("case", "dtype", "arrays"), SMALL, ids=SMALL_IDS)
def test_results_are_arrays_of_their_own(case, dtype, arrays):
    inputs = [nd.array(value, dtype=value.dtype) for value in arrays]
    out = function_of(case)(*inputs, **case.attributes)
    mutated = OPERATORS[case.name].positions("mutates", len(inputs))
    mutated = {inputs[position]._tensor.untyped_storage().data_ptr() for position in mutated}
    for result in out if isinstance(out, list) else [out]:
        pointer = result._tensor.untyped_storage().data_ptr()
        for array in inputs:
            other = array._tensor.untyped_storage().data_ptr()
            assert pointer != other or other in mutated or result.size == 0


@pytest.mark.parametrize(
    ("case", "dtype", "arrays"),
    [job for job in SMALL if job[0].options.get("meta", True)],
    ids=[case.id for case, _, _ in SMALL if case.options.get("meta", True)],
)
def test_meta_shapes_equal_real_ones(case, dtype, arrays):
    row = OPERATORS[case.name]
    binding = views._Binding(row, dict(case.attributes))
    flags = {"training": case.options.get("train", True)} if row.modal else {}

    def shapes(device):
        if row.creates:
            flags["device"] = device
        with torch.no_grad():
            tensors = [torch.from_numpy(np.ascontiguousarray(value)).to(device) for value in arrays]
            result = binding.function(*tensors, **flags)
        results = result if isinstance(result, (tuple, list)) else [result]
        return [(tuple(item.shape), item.dtype) for item in results[: binding.visible]]

    assert shapes("meta") == shapes("cpu")


@pytest.mark.gpu
@pytest.mark.parametrize(("case", "dtype", "arrays"), SMALL, ids=SMALL_IDS)
def test_a_gpu_gives_what_the_cpu_gives(case, dtype, arrays):
    if OPERATORS[case.name].random:
        pytest.skip("its results are random")
    results = []
    for ctx in (context.cpu(), context.gpu(0)):
        inputs = [nd.array(value, dtype=value.dtype, ctx=ctx) for value in arrays]
        for maker, array in zip(case.inputs, inputs):
            if maker.grad and array._tensor.is_floating_point():
                array.attach_grad()
        with ctx, autograd.record(train_mode=case.options.get("train", True)):
            out = function_of(case)(*inputs, **case.attributes)
        outs = out if isinstance(out, list) else [out]
        if differentiates(case):
            autograd.backward(outs)
        found = [array.grad.asnumpy() for array in inputs if array.grad is not None]
        assert all(o.context == ctx for o in outs)
        results.append([*(o.asnumpy() for o in outs), *found])
    assert_same(results[1], results[0], case.id, 1e-3, 1e-4)
