"""Sparse arrays against the real MXNet: storages, values, gradients, updates, files."""

import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_parity import assert_same, plain, run_here
from oracles import mxnet as oracle
from tandem.mxnet import nd

pytestmark = pytest.mark.oracle

# What both run: what an array is, as plain values. Of csr arrays the real one leaves columns in any order, and behind
# the last of them what was in memory.
_TELL = """
def told(a):
    if isinstance(a, (list, tuple)):
        return [told(one) for one in a]
    if not hasattr(a, "stype") or not hasattr(a, "asnumpy"):
        return a if isinstance(a, (bool, int, float, str, type(None))) else getattr(a, "__name__", repr(a))
    what = [a.stype, list(a.shape), np.dtype(a.dtype).name, str(a.context)]
    if a.stype == "row_sparse":
        return what + [a.indices.asnumpy(), a.data.asnumpy()]
    return what + [a.indptr.asnumpy(), a.asnumpy()] if a.stype == "csr" else what + [a.asnumpy()]

def fresh():
    d = np.array([[0, 0.5, 0], [0, 0, 0], [0.25, 0, 0.75]])
    x = nd.array(d)
    w = nd.array(np.arange(12).reshape(4, 3) / 4.0)
    r2 = nd.sparse.row_sparse_array(([[1.0, 2, 3], [4, 5, 6]], [1, 2]), shape=(3, 3))
    c2 = nd.sparse.csr_matrix(([1.0, 2.0], [0, 1], [0, 2, 2, 2]), shape=(3, 3))
    return dict(mx=mx, nd=nd, np=np, autograd=autograd, d=d, x=x, c=x.tostype("csr"), r=x.tostype("row_sparse"), w=w,
                r2=r2, c2=c2, i=nd._internal, gluon=mx.gluon)

outcomes = []
for code, result in programs:
    scope = fresh()
    try:
        exec(code, scope)
        outcome = told(eval(result, scope))
        nd.waitall()
    except Exception as error:
        outcome = "raises " + type(error).__name__
    outcomes.append(outcome)
"""


def same_programs(programs, rtol=1e-5, atol=1e-6):
    """Assert that each (code, expression) tells the same in both."""
    programs = [(code, expression) for code, expression in programs]
    there = oracle.run(_TELL, ["outcomes"], programs=programs)["outcomes"]
    here = run_here(_TELL, programs=programs)["outcomes"]
    wrong = []
    for program, mine, theirs in zip(programs, here, there):
        try:
            assert_same(plain(mine), theirs, "", rtol, atol)
        except AssertionError as error:
            wrong.append(f"{program}\n    {str(error).strip()}")
    assert not wrong, f"{len(wrong)} of {len(programs)} differ:\n" + "\n".join(wrong)


def lines(text):
    return [line.strip() for line in text.split("\n") if line.strip()]


# fmt: off
UNARY = """
abs sign rint ceil floor trunc fix round square sqrt cbrt expm1 log1p sin tan arcsin arctan degrees radians sinh tanh
arcsinh arctanh negative relu cos exp sigmoid ones_like zeros_like BlockGrad identity make_loss
""".split()  # noqa: SIM905 (one name to a line would be a page)
BINARY = "elemwise_add elemwise_sub elemwise_mul broadcast_add broadcast_sub broadcast_mul maximum add multiply".split()  # noqa: SIM905
# fmt: on


def test_functions_of_one_array():
    same_programs([("", f"nd.{name}({array})") for name in UNARY for array in "cr"])


def test_functions_of_two_arrays():
    pairs = ["c,c2", "c,r2", "c,x", "r,r2", "r,c2", "r,x", "x,c", "x,r"]
    same_programs([("", f"nd.{name}({pair})") for name in BINARY for pair in pairs])


def test_pythons_operators():
    signs = ["+", "-", "*", "%", "**", "==", "!=", ">", ">=", "<", "<="]
    arrays = ["c,c2", "c,x", "r,r2", "r,x", "x,c", "x,r", "r,c2"]
    numbers = ["c,2.0", "r,2.0", "c,0", "r,0", "2.0,c", "2.0,r", "0,c", "-1.0,r", "c,-1.0"]
    programs = [("", pair.replace(",", f" {sign} ")) for sign in signs for pair in [*arrays, *numbers]]
    programs = [program for program in programs if program[1] not in ("c % c2", "c % x", "x % c")]  # nan there, or 0
    same_programs(programs + [("", "c / 2"), ("", "r / 2"), ("", "-c"), ("", "abs(r)"), ("", "r / (x + 1)")])


OPERATORS = """
nd.sparse.add(c, c2)
nd.sparse.subtract(r, r2)
nd.sparse.multiply(c, 2)
nd.sparse.divide(c, nd.array([[1, 2, 4]]))
nd.sparse.add(2, 3)
nd.broadcast_mul(c, x[0:1])
nd.broadcast_mul(c, x[:, 0:1])
nd.broadcast_div(c, nd.array([[1, 2, 4]]))
r + nd.array([[1, 2, 3]])
r * nd.array([[1, 2, 3]])
nd.add_n(r, r2)
nd.add_n(r, r2, r)
nd.add_n(r, x, r)
nd.add_n(c, c2)
nd.concat(c, c2, dim=0)
nd.concat(c, c2, dim=1)
nd.concat(r, r2, dim=0)
nd.stack(c, c2)
nd.where(c, x, x + 1)
nd.take(c, nd.array([0, 2, 2]))
nd.take(c, nd.array([0, 5, -1]))
nd.take(c, nd.array([0, 5, -1]), mode="wrap")
nd.take(c, nd.array([0]), axis=1)
nd.slice(c, begin=(0, 1), end=(3, 3))
nd.slice(c, begin=(1,), end=(3,))
nd.slice(c, begin=(0, 1), end=(2, 3), step=(1, 2))
nd.slice(r, begin=(0,), end=(2,))
nd.slice_axis(c, axis=0, begin=1, end=3)
c[1]
c[-1]
c[1:3]
c[-2:]
c[0:0]
c[:]
r[:]
nd.sum(c)
nd.sum(c, axis=0)
nd.sum(c, axis=1, keepdims=True)
nd.sum(c, axis=-1)
nd.sum(c, axis=(0, 1))
nd.sum(c, axis=0, exclude=True)
nd.sum(r)
nd.sum(r, axis=1)
nd.mean(c)
nd.mean(c, axis=0)
nd.mean(r, axis=0)
nd.norm(c)
nd.norm(r)
nd.norm(r, axis=1)
nd.norm(c, ord=1)
nd.clip(c, 0, 0.5)
nd.clip(r, -1, 0.5)
i._square_sum(r, axis=1)
i._square_sum(r, axis=1, keepdims=True)
i._square_sum(r, axis=0)
nd.contrib.getnnz(c)
nd.contrib.getnnz(c, axis=1)
nd.contrib.quadratic(c, a=1, b=2, c=0)
nd.contrib.quadratic(c, a=1, b=2, c=3)
i._maximum(r, r2)
i._minimum(c, c2)
i._hypot(r, r2)
i._scatter_elemwise_div(r, x + 1)
i._scatter_elemwise_div(x, x + 1)
i._scatter_plus_scalar(r, scalar=2)
i._scatter_minus_scalar(c, scalar=2)
i._identity_with_attr_like_rhs(x, r)
i._identity_with_attr_like_rhs(c, r)
nd.sparse.retain(r, nd.array([0, 1]))
nd.sparse.retain(r, nd.array([2, 0]))
nd.sparse.retain(r2, nd.array([], dtype="int64"))
nd.cast_storage(x, "csr")
nd.cast_storage(x, "row_sparse")
nd.cast_storage(c, "default")
nd.cast_storage(x * 0, "row_sparse")
nd.zeros((2, 2, 2)).tostype("row_sparse")
nd.array([0, 3.0]).tostype("row_sparse")
nd.dot(c, w[:3])
nd.dot(c, w[:3], transpose_a=True)
nd.dot(c, r2)
nd.dot(c, r2, transpose_a=True)
nd.dot(c, w[:3], forward_stype="row_sparse")
nd.dot(c, w[:3], transpose_a=True, forward_stype="default")
nd.dot(c, r2, forward_stype="row_sparse")
nd.dot(c, w[:3], transpose_a=True, forward_stype="csr")
nd.dot(w, c)
nd.dot(w, c, forward_stype="default")
nd.dot(w, c, transpose_b=True)
nd.dot(w, c, transpose_b=True, forward_stype="default")
nd.dot(w[:3], c, transpose_a=True)
nd.dot(c, c2)
nd.dot(r, x)
nd.dot(c.astype("float64"), x.astype("float64"))
nd.dot(nd.sparse.zeros("csr", (3, 3)), x)
nd.dot(nd.sparse.zeros("csr", (3, 3)), x, transpose_a=True)
nd.FullyConnected(x, (x + 1).tostype("row_sparse"), num_hidden=3, no_bias=True)
nd.FullyConnected(c, (x + 1).tostype("row_sparse"), num_hidden=3, no_bias=True)
nd.sparse.FullyConnected(c, (x + 1).tostype("row_sparse"), num_hidden=3, bias=nd.ones((3, 1)).tostype("row_sparse"))
nd.LinearRegressionOutput(x, c)
nd.Embedding(nd.array([0, 2]), (x + 1).tostype("row_sparse"), input_dim=3, output_dim=3)
nd.sparse.Embedding(nd.array([0, 2]), x, input_dim=3, output_dim=3, sparse_grad=True)
nd.Dropout(r)
c.T
r.T
c.square()
c.slice((0, 0), (1, 1))
c.astype("float64")
r.astype("int32")
c.copyto(mx.cpu(1))
r.copyto(nd.ones((3, 3)))
x.copyto(r2)
r.copy()
c.tostype("csr")
r.tostype("default")
c.indices
c.indptr
r.data
len(c)
c.ndim
repr(c)
str(r)
nd.sparse.zeros("csr", (3, 3)) + c
nd.sparse.zeros("row_sparse", (3, 3)) * 2
"""


def test_operators():
    same_programs([("", line) for line in lines(OPERATORS)])


CREATION = """
nd.sparse.csr_matrix(d)
nd.sparse.csr_matrix(d.astype("int32"))
nd.sparse.csr_matrix(d.tolist())
nd.sparse.csr_matrix(d, ctx=mx.cpu(1))
nd.sparse.csr_matrix(d, dtype="float16")
nd.sparse.csr_matrix(x.astype("float64"))
nd.sparse.csr_matrix(c)
nd.sparse.csr_matrix((3, 4))
nd.sparse.csr_matrix((3, 4), dtype="int32")
nd.sparse.csr_matrix((3, 4), shape=(3, 4))
nd.sparse.csr_matrix(([1, 2], [0, 2], [0, 1, 1, 2]), shape=(3, 4))
nd.sparse.csr_matrix(([1, 2], [0, 2], [0, 1, 1, 2]))
nd.sparse.csr_matrix((np.array([1, 2]), [0, 2], [0, 1, 1, 2]))
nd.sparse.csr_matrix((nd.array([1, 2], dtype="float64"), nd.array([0, 2]), nd.array([0, 1, 1, 2])), shape=(3, 4))
nd.sparse.row_sparse_array(d)
nd.sparse.row_sparse_array(d.tolist())
nd.sparse.row_sparse_array(x)
nd.sparse.row_sparse_array(r)
nd.sparse.row_sparse_array((3, 4))
nd.sparse.row_sparse_array((3, 4, 2))
nd.sparse.row_sparse_array(([[1, 2], [3, 4]], [0, 2]), shape=(4, 2))
nd.sparse.row_sparse_array(([[1, 2], [3, 4]], [0, 2]))
nd.sparse.row_sparse_array((np.array([[1, 2], [3, 4]]), [0, 2]))
nd.sparse.row_sparse_array((nd.array([[1, 2], [3, 4]]), nd.array([0, 2])), shape=(4, 2))
nd.sparse.array(c)
nd.sparse.array(r, dtype="float64")
nd.array(c)
nd.array(r, dtype="float64")
nd.zeros((2, 3), stype="csr")
nd.empty((2, 3), stype="row_sparse")
nd.sparse.zeros("csr", (2, 3))
nd.sparse.zeros("row_sparse", (2, 3, 4), dtype="int64")
nd.sparse.zeros("default", (2, 3))
nd.sparse.empty("csr", (2, 3))
nd.zeros((3, 3), out=r)
"""

ERRORS = """
nd.sparse.csr_matrix(d, shape=(3, 4))
nd.sparse.csr_matrix(r)
nd.sparse.csr_matrix((1, 2, 3, 4))
nd.sparse.csr_matrix(np.zeros((2, 2, 2)))
nd.sparse.csr_matrix("a")
nd.sparse.csr_matrix(([1, 2], [0, 2], [0, 1, 1, 2]), shape=(3,))
nd.sparse.row_sparse_array(c)
nd.sparse.row_sparse_array(([1, 2], [0, 2]), shape=(4, 2))
nd.sparse.row_sparse_array(([[1, 2], [3, 4]], [0, 2]), shape=(4, 3))
nd.sparse.array(d)
nd.sparse.array(x)
nd.sparse.zeros("foo", (2, 3))
nd.sparse.empty("default", (2, 3))
nd.ones((2, 3), stype="csr")
nd.sparse.csr_matrix(([1, 2], [0, 2], [0, 1, 1, 2]), shape=(3, 4)).check_format()
nd.sparse.csr_matrix(([1, 2], [0, 9], [0, 1, 1, 2]), shape=(3, 4)).check_format()
nd.sparse.csr_matrix(([1, 2], [0, 2], [0, 2, 1, 2]), shape=(3, 4)).check_format()
nd.sparse.csr_matrix(([1, 2], [0, 2], [0, 1, 2]), shape=(3, 4)).check_format()
nd.sparse.csr_matrix(([1, 2], [2, 0], [0, 2, 2, 2]), shape=(3, 4)).check_format()
nd.sparse.row_sparse_array(([[1, 2], [3, 4]], [2, 0]), shape=(4, 2)).check_format()
nd.sparse.row_sparse_array(([[1, 2], [3, 4]], [0, 5]), shape=(4, 2)).check_format()
r.check_format()
c.check_format(full_check=False)
c.size
bool(c)
c.asscalar()
c.reshape((9,))
c[::2]
c[1, 1]
c[[0, 1]]
r[0]
r[0:2]
c.tostype("row_sparse")
r.tostype("csr")
c.tostype("foo")
x.tostype("foo")
nd.zeros((2, 2, 2)).tostype("csr")
nd.cast_storage(c, "row_sparse")
c.copyto(r)
r.copyto(nd.zeros((2, 3)))
nd.sparse.retain(x, nd.array([0]))
nd.sparse.retain(c, nd.array([0]))
nd.sparse.retain(r, [0])
nd.contrib.getnnz(r)
nd.contrib.getnnz(c, axis=0)
i._square_sum(c, axis=0)
nd.dot(c, nd.array([1, 2, 3]))
nd.dot(c, nd.ones((4, 2)))
nd.dot(c, x.astype("float64"))
nd.clip(c, 1, 2)
nd.sparse.adagrad_update(x, x, x, lr=0.1)
nd.sparse.foo
c.as_np_ndarray()
c._slice(0, 1)
c._at(0)
"""


def test_creation():
    same_programs([("", line) for line in lines(CREATION)])


def test_errors_are_of_mxnets_types():
    same_programs([("", f"told({line})" if "check_format" in line else line) for line in lines(ERRORS)])


ASSIGNMENTS = """
r[:] = 2
c[:] = 2
r[:] = x + 1
c[:] = x + 1
r[:] = d + 1
c[:] = d + 1
r[:] = r2
c[:] = c2
r[:] = c
c[:] = r
r[0] = 1
c[0] = 1
r[0:1] = 1
c[0:1] = 1
c[1, 1] = 2
r[:] = np.array([1, 2, 3])
r[:] = [[1, 2, 3]]
x[:] = c
r += r2
r += x
r += 1
c += c2
c *= 2
r /= 2
r -= r2
c -= x
r *= x
x += r
x *= c
nd.elemwise_add(r, r2, out=x)
nd.elemwise_add(x, x, out=r)
nd.sqrt(c, out=c)
nd.cast_storage(x, "row_sparse", out=r)
nd.dot(c, x, transpose_a=True, out=r)
"""


def test_assignment_and_out():
    same_programs([(line, "[x, r, c]") for line in lines(ASSIGNMENTS)])


OF_ROWS = """
nd.sqrt(r)
r * 2
r + r
r - r * 2
r * r
r * x
r + x
r + 1
nd.sparse.retain(r, nd.array([2]))
r.tostype("default")
nd.sparse.add_n(r, r2)
nd.sum(r)
nd.norm(r)
i._square_sum(r, axis=1)
i._square_sum(r, axis=1, keepdims=True)
nd.relu(r)
nd.sign(r)
nd.sin(r)
nd.clip(r, -1, 1)
nd.Embedding(nd.array([0, 2, 2]), r, input_dim=3, output_dim=3, sparse_grad=True)
nd.sparse.dot(c, r)
nd.BlockGrad(r)
nd.elemwise_div(r, x + 1)
nd.identity(r)
"""

OF_CSR = """
nd.sqrt(c)
c * 2
c + c
c * c
c * x
c + x
nd.sum(c)
nd.sum(c, axis=0)
nd.square(c)
c[0:2]
nd.concat(c, c, dim=0)
nd.broadcast_mul(c, x[0:1])
nd.take(c, nd.array([0, 0]))
c.tostype("default")
nd.sparse.dot(c, w[:3])
"""

OF_WEIGHTS = """
nd.sparse.dot(c, v)
nd.sparse.dot(c, v, transpose_a=True)
nd.sparse.dot(v, c)
nd.sparse.dot(v, c, forward_stype="default")
nd.sparse.dot(v, c, forward_stype="default", transpose_b=True)
v * 2
nd.where(c, v, v + 1)
v.tostype("row_sparse") * 2
nd.cast_storage(v, "csr") * 2
"""

_RECORD = "\nwith autograd.record(): y = {}\ny.backward()"


def test_gradients_of_sparse_arrays():
    kept = [(f"r.attach_grad(){_RECORD.format(line)}", "r.grad") for line in lines(OF_ROWS)]
    # The real one has no dense gradients of these.
    never = ("retain", "_square_sum", "sparse_grad")
    dense = [line for line in lines(OF_ROWS) if not any(name in line for name in never)]
    made = [(f"r.attach_grad(stype='default'){_RECORD.format(line)}", "r.grad") for line in dense]
    of_csr = [(f"c.attach_grad(){_RECORD.format(line)}", "c.grad") for line in lines(OF_CSR)]
    through = "x.attach_grad()\nwith autograd.record():\n  c = x.tostype('csr')\n  y = {}\ny.backward()"
    # Of the last one the real one leaves what was in memory.
    of_dense = [(through.format(line), "x.grad") for line in lines(OF_CSR)[:-1]]
    same_programs([*kept, *made, *of_csr, *of_dense])


def test_gradients_of_dense_weights():
    programs = []
    for stype in ("default", "row_sparse"):
        code = f"v = w[:3]\nv.attach_grad(stype='{stype}')"
        programs += [(code + _RECORD.format(line), "[y, v.grad]") for line in lines(OF_WEIGHTS)]
    embedding = "nd.Embedding(nd.array([[0, 2], [2, 0]]), w, input_dim=4, output_dim=3, sparse_grad=True)"
    code = "w.attach_grad(stype='row_sparse')"
    programs.append((code + _RECORD.format(embedding), "w.grad"))
    programs.append((code + _RECORD.format(f"{embedding} + {embedding} * 2"), "w.grad"))
    programs.append((f"{code}\nwith autograd.record(): y = {embedding}", "autograd.grad(y, [w])"))
    programs.append((code, "w.grad"))
    programs.append((f"{code}{_RECORD.format('w * 2')}\nw.grad[:] = 0", "w.grad"))
    programs.append(("r.attach_grad()\nwith autograd.record(): y = r * 2\ny.backward(r)", "r.grad"))
    programs.append(("g = nd.sparse.zeros('row_sparse', (4, 3))\nautograd.mark_variables([w], [g])"
                     + _RECORD.format(embedding), "[g, w.grad]"))  # fmt: skip
    same_programs(programs)


_STEPS = """
g = np.zeros((5, 2), "float32")
g[1], g[3] = [0.5, -1], [2, 0.25]
late = np.zeros_like(g)
late[0] = 1
o = mx.optimizer.create(name, learning_rate=0.1, rescale_grad=0.5, **options)
u = mx.optimizer.get_updater(o)
v = nd.array(np.arange(1, 11).reshape(5, 2).astype("float32") / 5).tostype(stype)
for now in (g, g, late):
    u(0, nd.array(now).tostype("row_sparse"), v)
"""


@pytest.mark.parametrize("stype", ["default", "row_sparse"])
def test_updates_with_row_sparse_gradients(stype):
    rules = [("sgd", {}), ("sgd", {"lazy_update": False}), ("sgd", {"momentum": 0.9}), ("adam", {}), ("ftrl", {}),
             ("sgd", {"momentum": 0.9, "lazy_update": False}), ("adam", {"lazy_update": False}), ("rmsprop", {}),
             ("signum", {}), ("nadam", {}), ("dcasgd", {}), ("sgd", {"clip_gradient": 0.1}), ("ftml", {})]  # fmt: skip
    programs = [
        (f"name, options, stype = {name!r}, {dict(options, wd=wd)!r}, {stype!r}\n{_STEPS}", "v.asnumpy()")
        for name, options in rules
        for wd in (0.0, 0.1)
    ]
    programs += [
        (f"name, options, stype = {name!r}, {{}}, {stype!r}\n{_STEPS}", "v.asnumpy()")
        for name in ("adagrad", "groupadagrad")
    ]
    programs.append((f"name, options, stype = 'adagrad', {{'wd': 0.1}}, {stype!r}\n{_STEPS}", "v.asnumpy()"))
    there = [(code, f"told(nd.array({result}))") for code, result in programs]
    same_programs(there, rtol=2e-5)


UPDATE_OPERATORS = """
nd.sgd_update(x, r, lr=0.1, out=x)
nd.sgd_update(x, r, lr=0.1, wd=0.1, out=x)
nd.sgd_update(x, r, lr=0.1, wd=0.1, lazy_update=False, out=x)
nd.sgd_mom_update(x, r2, w[:3], lr=0.1, momentum=0.9, out=x)
nd.adam_update(x, r2, w[:3], w[1:4] * 1, lr=0.1, out=x)
nd.ftrl_update(x, r2, w[:3], w[1:4] * 1, lr=0.1, out=x)
nd.sparse.adagrad_update(x, r2, w[:3], lr=0.1, out=x)
nd.sparse.adagrad_update(x, r2, w[:3], lr=0.1, wd=0.1, out=x)
nd.sgd_update(r, r2, lr=0.1, out=r)
"""


def test_update_operators():
    same_programs([("", line) for line in lines(UPDATE_OPERATORS)])


_PARAMETER = "p = gluon.Parameter('w', stype='row_sparse', grad_stype='row_sparse', shape=(4, 2), init=mx.init.One())\n"
_PARAMETER += "p.initialize()\n"
_TRAINED = _PARAMETER + "t = gluon.Trainer([p], 'sgd', {'learning_rate': 1.0, 'momentum': 0.5})\n"
_LOOP = """
e.initialize(mx.init.One(), ctx=ctx)
t = gluon.Trainer(e.collect_params(), {trainer})
for n in range(3):
    with autograd.record():
        ys = [e(nd.array([1, 3 + (n + m) % 2], ctx=one)) for m, one in enumerate(ctx)]
    autograd.backward(ys)
    t.step(2)
"""


def test_parameters_and_trainers():
    pull = "p.row_sparse_data(nd.array([2, 0, 2]))"
    programs = [(_PARAMETER, line) for line in ("p.data()", "p.list_data()", "p.grad()", "p.list_grad()", pull)]
    programs += [(_TRAINED, line) for line in (pull, "p.list_row_sparse_data(nd.array([1]))", "p.data()")]
    programs.append((_TRAINED, "gluon.Trainer([p], 'sgd')"))
    programs.append((_PARAMETER + "t = gluon.Trainer([p], 'sgd', kvstore=None)", pull))
    programs.append((_PARAMETER + "t = gluon.Trainer([p], 'sgd', update_on_kvstore=False)", pull))
    programs.append((_TRAINED + pull + "\np.set_data(nd.ones((4, 2)) * 3)", pull))
    programs.append((_TRAINED + pull + "\np.zero_grad()", "p.grad()"))
    programs.append(("p = gluon.Parameter('w', grad_stype='csr', shape=(4, 2))\np.initialize()", "p.grad()"))
    programs.append(("", "gluon.Parameter('w', stype='foo', shape=(4, 2))"))
    contexts = ("ctx = [mx.cpu(0)]\n", "ctx = [mx.cpu(0), mx.cpu(1)]\n")
    for ctx in contexts:
        for trainer in ("'sgd', {'learning_rate': 0.5, 'momentum': 0.5}", "'adam', {'learning_rate': 0.1}"):
            loop = _LOOP.format(trainer=trainer)
            dense = f"{ctx}e = gluon.nn.Embedding(5, 2, sparse_grad=True){loop}"
            programs.append((dense, "[e.weight.list_grad(), e.weight.list_data()]"))
            programs.append((dense.replace("\ne.init", "\ne.hybridize()\ne.init", 1), "e.weight.list_data()"))
            rows = f"{ctx}e = gluon.contrib.nn.SparseEmbedding(5, 2){loop}"
            programs.append((rows, "[e.weight.list_grad(), e.weight.list_row_sparse_data(nd.arange(5))]"))
    same_programs(programs, rtol=2e-5)


_STORE = "kv = mx.kv.create('local')\nkv.init('a', r2)\no = nd.sparse.zeros('row_sparse', (3, 3))\n"
_STORE += "p = nd.sparse.zeros('row_sparse', (3, 3))\nq = nd.zeros((3, 3))\nrows = nd.array([2, 0, 2])\n"
STORE = """
kv.row_sparse_pull('a', out=o, row_ids=rows)
kv.row_sparse_pull('a', out=q, row_ids=rows)
kv.row_sparse_pull('a', out=[o, p], row_ids=[rows, nd.array([1])])
kv.row_sparse_pull('a', out=[o, p], row_ids=rows)
kv.row_sparse_pull(['a', 'a'], out=[o, p], row_ids=[rows, nd.array([1])])
kv.row_sparse_pull('a', row_ids=rows)
kv.row_sparse_pull('a', out=o)
kv.pull('a', out=q)
kv.pull('a', out=o)
kv.pull('a', out=o, ignore_sparse=False)
kv.push('a', [r, r2]); kv.pull('a', out=o, ignore_sparse=False)
kv.init('d', x); kv.row_sparse_pull('d', out=o, row_ids=rows)
kv.init('d', x); kv.push('d', r2); kv.pull('d', out=q)
kv.set_optimizer(mx.optimizer.SGD(learning_rate=1.0)); kv.init('d', x + 1); kv.push('d', [r, r2]); kv.pull('d', out=q)
"""


def test_kvstore():
    same_programs([(_STORE + line, "[o, p, q]") for line in lines(STORE)])


_FILE = """
import os, tempfile
folder = tempfile.mkdtemp()
path = os.path.join(folder, "a.params")
x = nd.array([[0, 1, 0], [0, 0, 0], [2, 0, 3]])
arrays = {"r": x.tostype("row_sparse"), "c": x.tostype("csr").astype("float64"), "d": x,
          "h": x.astype("float16").tostype("row_sparse"), "z": nd.sparse.zeros("row_sparse", (3, 2, 2)),
          "e": nd.sparse.zeros("csr", (2, 3))}
nd.waitall()
nd.save(path, arrays)
data = open(path, "rb").read()
"""


def test_files_are_mxnets_byte_for_byte():
    there = oracle.run(_FILE, ["data"])["data"]
    assert run_here(_FILE)["data"] == there
    loaded = nd.load_frombuffer(there)
    assert {name: array.stype for name, array in loaded.items()} == {
        "r": "row_sparse", "c": "csr", "d": "default", "h": "row_sparse", "z": "row_sparse", "e": "csr"}  # fmt: skip
    np.testing.assert_array_equal(loaded["c"].asnumpy(), loaded["d"].asnumpy())
    assert loaded["c"].dtype is np.float64
    assert isinstance(loaded["z"], mx.nd.sparse.RowSparseNDArray)
    assert loaded["z"].shape == (3, 2, 2)
