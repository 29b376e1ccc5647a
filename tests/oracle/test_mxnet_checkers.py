"""The checkers of `mx.test_utils` on the real MXNet's Symbols: the files themselves run in its process."""

from pathlib import Path

import pytest

import tandem
from oracles import mxnet as oracle

pytestmark = pytest.mark.oracle

# Loads Tandem's checkers with MXNet itself in the place of `tandem.mxnet`.
_LOAD = """
import importlib, importlib.util, sys, types

def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

for name in ("tandem", "tandem.core", "tandem.mxnet.test_utils"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = []
sys.modules["tandem.mxnet"] = sys.modules["tandem"].mxnet = mx
for name in ("symbol", "numpy", "util", "random", "context", "autograd", "base", "ndarray", "ndarray.ndarray",
             "ndarray.sparse"):
    sys.modules["tandem.mxnet." + name] = importlib.import_module("mxnet." + name)
load("tandem.core.errors", source + "/core/errors.py")
for name in ("tolerances", "sparse_arrays", "arrays", "executions", "checks"):
    checks = load("tandem.mxnet.test_utils." + name, source + "/mxnet/test_utils/" + name + ".py")

def attempt(function, *args, **kwargs):
    try:
        result = function(*args, **kwargs)
        return result if isinstance(result, bool) else "done"
    except Exception as error:
        return type(error).__name__

rng = np.random.RandomState(0)
a, b = mx.sym.Variable("a"), mx.sym.Variable("b")
product = a * b + a
x, y = rng.uniform(0.5, 1.5, (2, 2, 3))
norm = mx.sym.BatchNorm(a, name="bn", fix_gamma=False)
dense = mx.sym.FullyConnected(a, num_hidden=4, name="fc")
np_x = mx.sym.Variable("x").as_np_ndarray()
near = {"numeric_eps": 1e-2, "rtol": 0.16, "atol": 1e-2}
norms = [rng.rand(6, 3), np.ones(3), np.zeros(3)]
gradient, forward = checks.check_numeric_gradient, checks.check_symbolic_forward
backward = checks.check_symbolic_backward
ones = np.ones((2, 3))
on = lambda dtype, number, **shapes: {"ctx": mx.cpu(number), "type_dict": {"a": dtype}, **shapes}
"""

_EXPECTED = {
    "gradient(product, [x, y])": "done",
    "gradient(product, {'a': x, 'b': y}, dtype=np.float64)": "done",
    "gradient(product, [x, y], grad_nodes={'a': 'add', 'b': 'null'})": "done",
    "gradient(product, {'a': x})": "ValueError",
    "gradient(mx.sym.BlockGrad(a) * a, [x])": "AssertionError",
    "gradient(norm, norms, [np.zeros(3), np.ones(3)], **near)": "done",
    "gradient(norm, norms, {'x': 1})": "ValueError",
    "gradient(dense, [x, rng.rand(4, 3), rng.rand(4)])": "done",
    "gradient(np_x * np_x, [x])": "done",
    "gradient(mx.sym.Group([a, b]), [x, y])": "AssertionError",
    "forward(product, [x, y], [x * y + x])": "done",
    "forward(product, [x, y], {product.list_outputs()[0]: x * y + x})": "done",
    "forward(product, [x, y], [x * y])": "AssertionError",
    "backward(product, [x, y], [ones], [y + 1, x])": "done",
    "backward(product, [x, y], [ones], {'a': y + 1}, grad_req='add')": "done",
    "backward(product, [x, y], [ones], {'a': y + 1, 'b': x}, grad_req={'a': 'write', 'b': 'null'})": "done",
    "backward(product, [x, y], [ones], [y, x])": "AssertionError",
    "backward(mx.sym.SoftmaxOutput(a), [[[1, 1]], [0]], None, {'a': np.array([[-0.5, 0.5]])})": "done",
    "checks.simple_forward(mx.sym.Group([product, a]), a=x, b=y)": "done",
    "checks.check_speed(product, {'a': x, 'b': y}, N=2)": "done",
    "checks.check_consistency(dense, [on('float32', 0, a=(2, 3)), on('float64', 1, a=(2, 3))])": "done",
    "checks.check_consistency([dense, dense * 1.1], [on('float32', 0, a=(2, 3)), on('float32', 1, a=(2, 3))])": (
        "AssertionError"
    ),
    "checks.same_symbol_structure(a + b, b + a)": True,
    "checks.same_symbol_structure(product, a + b)": False,
}


def test_checkers_on_symbols():
    code = _LOAD + "found = {}\n"
    for expression in _EXPECTED:
        name, _, rest = expression.partition("(")
        code += f"found[{expression!r}] = attempt({name}, {rest}\n"
    source = str(Path(tandem.__file__).parent)
    found = oracle.run(code, "found", source=source, fresh=True)["found"]
    oracle.close()  # what stands for Tandem there is gone with the process
    assert found == _EXPECTED
