"""Every operator of the table as a symbol: bound and run it gives what `mx.nd` gives, forwards and backwards.

`mx.nd` itself is held on the real MXNet (tests/oracle/test_mxnet_operator_table.py).
"""

import json

import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_operator_cases import CASES
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.operators import lookup
from tandem.mxnet.symbol import compose
from tandem.mxnet.views import function_of

# Told by more than their row, or without outputs: tests of their own have them.
_ELSEWHERE = ("Custom", "reset_arrays")


def _inputs(case):
    rng = np.random.default_rng(3)
    return [maker.make(rng, "float32") for maker in case.inputs], [maker.grad for maker in case.inputs]


def _seeds(outputs):
    rng = np.random.default_rng(4)
    return [mx.nd.array(rng.standard_normal(out.shape), dtype=out.dtype) for out in outputs]


def _symbol(row, case, variables):
    attrs = {key: compose.text_of(value) for key, value in case.attributes.items()}
    if row.variadic:
        attrs.setdefault(row.variadic, str(len(variables)))
    return mx.sym.Symbol(compose.make(row, "y", attrs, variables))


def _runnable(case):
    row = lookup(case.name)
    if row.random or row.creates or case.name in _ELSEWHERE or row.updates != () or not case.options.get("train", True):
        return False
    return "update" not in row.name and "sparse" not in row.name


@pytest.mark.filterwarnings("ignore::tandem.engine.replay.EagerWarning")  # operators that read values
@pytest.mark.parametrize("case", [case for case in CASES if _runnable(case)], ids=lambda case: case.id[:80])
def test_a_bound_symbol_gives_what_nd_gives(case):
    row = lookup(case.name)
    values, wanted = _inputs(case)
    eager = function_of(row, NDArray, case.name)
    arrays = [mx.nd.array(value, dtype=value.dtype) for value in values]
    differentiable = case.options.get("grad", True) and row.differentiable
    for array, flag in zip(arrays, wanted):
        if flag and differentiable and np.dtype(array.dtype).kind == "f":
            array.attach_grad()
    attributes = dict(case.attributes)
    with mx.autograd.record():
        expected = eager(*arrays, **attributes)
    expected = list(expected) if isinstance(expected, (list, tuple)) else [expected]
    variables = [mx.sym.var(f"x{place}") for place in range(len(values))]
    symbol = _symbol(row, case, variables)
    assert mx.sym.load_json(symbol.tojson()).tojson() == symbol.tojson()
    assert len(symbol) == len(expected)
    states = symbol.list_auxiliary_states()
    args = {f"x{place}": mx.nd.array(value, dtype=value.dtype) for place, value in enumerate(values)}
    aux = {name: args.pop(name) for name in states}
    grads = {name: mx.nd.zeros(array.shape, dtype=array.dtype) for name, array in args.items()
             if getattr(arrays[int(name[1:])], "_grad", None) is not None}  # fmt: skip
    executor = symbol.bind(mx.cpu(), args, grads, aux_states=aux)
    if case.options.get("meta", True):
        assert [out.shape for out in executor.outputs] == [out.shape for out in expected]
    outputs = executor.forward(is_train=True)
    for found, right in zip(outputs, expected):
        assert found.dtype == right.dtype
        np.testing.assert_allclose(found.asnumpy(), right.asnumpy(), rtol=1e-5, atol=1e-6)
    heads = [out for out in expected if out._tensor.requires_grad]
    if not heads or not grads:
        return
    seeds = _seeds(expected)
    mx.autograd.backward(heads, [seed for seed, out in zip(seeds, expected) if any(out is head for head in heads)])
    executor.backward(seeds)
    for name, grad in grads.items():
        np.testing.assert_allclose(grad.asnumpy(), arrays[int(name[1:])].grad.asnumpy(), rtol=1e-5, atol=1e-6)


def test_files_name_operators_as_mxnet_does():
    x = mx.sym.var("x")
    nodes = json.loads(mx.sym.Group([mx.sym.cumsum(x), mx.sym.Softmax(x), mx.sym.flip(x, axis=0)]).tojson())["nodes"]
    assert [node["op"] for node in nodes if node["op"] != "null"] == ["_np_cumsum", "SoftmaxOutput", "reverse"]
