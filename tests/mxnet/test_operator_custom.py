"""`mx.operator` and `nd.Custom`: the same operators here and in the real MXNet, and what a recording makes of them."""

import warnings

import pytest

import tandem.mxnet as mx
from mxnet_parity import same_code
from tandem.core.errors import Unsupported
from tandem.mxnet import autograd, gluon, nd

_PROP = """
class Scaled(mx.operator.CustomOp):
    def __init__(self, log, factor):
        super().__init__()
        self.log, self.factor = log, factor

    def forward(self, is_train, req, in_data, out_data, aux):
        self.log.append(("forward", int(is_train), list(req), [a.shape for a in in_data], [a.shape for a in aux],
                         autograd.is_recording()))
        for number, out in enumerate(out_data):
            self.assign(out, req[number], in_data[0] * self.factor * (number + 1))
        for state in aux:
            state[:] += 1

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.log.append(("backward", [a.shape for a in out_grad], [a.shape for a in out_data], autograd.is_recording()))
        total = sum(grad * self.factor * (number + 1) for number, grad in enumerate(out_grad))
        for grad, request in zip(in_grad, req):
            self.assign(grad, request, total)

log = []

@mx.operator.register("scaled_for_test")
class ScaledProp(mx.operator.CustomOpProp):
    def __init__(self, factor="2", inputs="1", outputs="1", states="0", need="True", **rest):
        super().__init__(need_top_grad=need == "True")
        log.append(("made", factor, sorted(rest.items())))
        self.factor, self.inputs, self.outputs, self.states = float(factor), int(inputs), int(outputs), int(states)

    def list_arguments(self):
        return ["in%d" % i for i in range(self.inputs)]

    def list_outputs(self):
        return ["out%d" % i for i in range(self.outputs)]

    def list_auxiliary_states(self):
        return ["state%d" % i for i in range(self.states)]

    def infer_shape(self, in_shape):
        log.append(("shapes", [list(shape) for shape in in_shape]))
        return in_shape, [in_shape[0]] * self.outputs, [in_shape[0]] * self.states

    def create_operator(self, ctx, in_shapes, in_dtypes):
        log.append(("create", str(ctx), [list(shape) for shape in in_shapes], list(in_dtypes)))
        return Scaled(log, self.factor)

def grads(*args, req="write", train=True, passes=1, **kwargs):
    x = nd.array([[1, 2, 3]])
    x.attach_grad(req)
    with autograd.record(train_mode=train):
        out = nd.Custom(x, *args, op_type="scaled_for_test", **kwargs)
        out = (out[0] * 1 + out[1] * 3) if isinstance(out, list) else out * 5
    for number in range(passes):
        out.backward(retain_graph=number < passes - 1)
    return x.grad
"""


@pytest.mark.oracle
@pytest.mark.parametrize(
    "call",
    [
        "nd.Custom(nd.ones((2, 3)), op_type='scaled_for_test')",
        "nd.Custom(nd.ones((2, 3)), op_type='scaled_for_test', factor=3, name='x', a=True, b=(1, 2), c=None, d=0.5)",
        "nd.Custom(nd.ones((2, 3), dtype='int32'), op_type='scaled_for_test', outputs=2)",
        "nd.Custom(nd.ones((2, 3), dtype='float16'), op_type='scaled_for_test', out=nd.zeros((2, 3), dtype='float16'))",
        "[nd.Custom(nd.ones(2), op_type='scaled_for_test', factor=f).asnumpy() for f in (1, 1.0, '1')]",
        "grads()",
        "grads(req='add', passes=2)",
        "grads(train=False)",
        "grads(outputs=2)",
        "grads(nd.ones((1, 3)), inputs=2)",
        "(lambda s: [grads(s, states=1), s])(nd.zeros((1, 3)))",
    ],
)
def test_what_a_custom_operator_gets_and_gives(call):
    same_code(f"{_PROP}\nlog.clear()\nresult = {call}\nnd.waitall()", ["result", "log"])


_WRONG = """
class Op(mx.operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        if MODE == "forward":
            raise ValueError("boom")
        self.assign(out_data[0], req[0], in_data[0])
    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        if MODE == "backward":
            raise ValueError("boom")
        self.assign(in_grad[0], req[0], out_grad[0] * 2 if MODE == "absent" else in_data[0])

@mx.operator.register("wrong_for_test")
class Prop(mx.operator.CustomOpProp):
    def __init__(self):
        super().__init__(need_top_grad=False)
    def infer_shape(self, in_shape):
        return {"one": ([in_shape[0]],), "many": (in_shape, [in_shape[0]] * 2, []), "none": None,
                "two": (in_shape, [in_shape[0]]), "input": ([(7, 7)], [in_shape[0]], [])}.get(MODE) or (
                super().infer_shape(in_shape))
    def infer_type(self, in_type):
        if MODE == "type":
            raise KeyError("boom")
        return super().infer_type(in_type)
    def create_operator(self, ctx, in_shapes, in_dtypes):
        return None if MODE == "create" else Op()

x = nd.array([[1, 2, 3]])
x.attach_grad()
try:
    with autograd.record():
        y = nd.Custom(x, op_type="wrong_for_test")
    y.backward()
    nd.waitall()
    result = x.grad.asnumpy().tolist()
except Exception as error:
    result = type(error).__name__
try:
    nd.waitall()
except Exception:
    pass
"""


@pytest.mark.oracle
@pytest.mark.parametrize(
    "mode", ["right", "two", "forward", "backward", "absent", "one", "many", "none", "input", "type", "create"]
)
def test_errors_in_the_users_code_are_mxnets(mode):
    same_code(f"MODE = {mode!r}\n" + _WRONG, ["result"])


def test_errors_name_the_method_and_the_users_line():
    with pytest.raises(mx.MXNetError, match=r"(?s)Error in CustomOp.forward: ValueError: boom.*in forward"):
        scope = {"mx": mx, "nd": nd, "MODE": "forward", "autograd": autograd}
        exec(_WRONG.split("x = nd.array")[0], scope)
        nd.Custom(nd.ones(2), op_type="wrong_for_test")
    with pytest.raises(mx.MXNetError, match="op_type"):
        nd.Custom(nd.ones(2))
    with pytest.raises(mx.MXNetError, match="Cannot find custom operator nothing"):
        nd.Custom(nd.ones(2), op_type="nothing")
    with pytest.raises(AssertionError, match="NDArray"):
        nd.Custom(3, op_type="wrong_for_test")


class _Counting(mx.operator.CustomOp):
    calls = 0

    def forward(self, is_train, req, in_data, out_data, aux):
        type(self).calls += 1
        self.assign(out_data[0], req[0], in_data[0] * self.calls)

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], out_grad[0] * self.calls)


@mx.operator.register("counting_for_test")
class _CountingProp(mx.operator.CustomOpProp):
    def create_operator(self, ctx, in_shapes, in_dtypes):
        return _Counting()


class _Storage(mx.operator.CustomOpProp):
    def infer_storage_type(self, in_stype):
        return ["csr"], ["default"], []


def test_a_hybridized_block_calls_the_operator_every_time():
    class Net(gluon.HybridBlock):
        def __init__(self):
            super().__init__()
            self.dense = gluon.nn.Dense(3)  # whose shape follows from data, through the operator

        def hybrid_forward(self, F, x):
            return F.relu(F.Custom(data=self.dense(x) * 1, op_type="counting_for_test")) + 0  # worth recording

    net = Net()
    net.initialize(mx.init.One())
    net.hybridize()
    _Counting.calls = 0
    x = nd.ones((2, 2))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(6):
            with autograd.record():
                y = net(x)
            y.backward()
            assert y[0, 0].asscalar() == 2 * _Counting.calls
            assert net.dense.weight.grad()[0, 0].asscalar() == 2 * _Counting.calls
    assert _Counting.calls == 6
    assert ["Python code of its own" in str(one.message) for one in told] == [True]


def test_no_second_derivatives():
    x = nd.ones(2)
    x.attach_grad()
    with autograd.record():
        y = nd.Custom(x, op_type="counting_for_test")
        with pytest.raises(mx.MXNetError, match="only once"):
            autograd.grad(y, x, create_graph=True)


def test_arrays_by_name_take_the_operators_order():
    scope = {"mx": mx, "nd": nd, "autograd": autograd}
    exec(_PROP, scope)
    a, b = nd.ones(2), nd.zeros(2)
    for args, kwargs in [((), {"in1": b, "in0": a}), ((a,), {"in1": b})]:
        y = nd.Custom(*args, op_type="scaled_for_test", inputs=2, **kwargs)
        assert y.asnumpy().tolist() == [2, 2]
    with pytest.raises(mx.MXNetError, match="no array argument 'data'"):
        nd.Custom(data=a, op_type="scaled_for_test")


def test_sparse_storage_is_refused():
    mx.operator.register("sparse_for_test")(_Storage)
    with pytest.raises(Unsupported, match="csr"):
        nd.Custom(nd.ones(2), op_type="sparse_for_test")


@pytest.mark.parametrize("base", ["NumpyOp", "NDArrayOp"])
def test_the_interfaces_before_custom_op(base):
    class Doubled(getattr(mx.operator, base)):
        def list_arguments(self):
            return ["data", "label"]

        def infer_shape(self, in_shape):
            return in_shape, [in_shape[0]]

        def forward(self, in_data, out_data):
            out_data[0][:] = in_data[0] * 2

        def backward(self, out_grad, in_data, out_data, in_grad):
            assert len(out_grad) == 0
            in_grad[0][:] = out_data[0] - in_data[1]

    with pytest.warns(UserWarning, match=f"{base} has been deprecated"):
        described = Doubled(need_top_grad=False)
    x, label = nd.array([1, 2]), nd.array([1, 1])
    x.attach_grad()
    with autograd.record():
        y = nd.Custom(x, label, op_type=described._registered())
    y.backward()
    assert y.asnumpy().tolist() == [2, 4]
    assert x.grad.asnumpy().tolist() == [1, 3]


def test_what_is_known_of_operators():
    names = mx.operator.get_all_registered_operators()
    assert {"Convolution", "Custom", "sum"} <= set(names)
    known = mx.operator.get_operator_arguments("Activation")
    types = ["NDArray-or-Symbol", "{'relu', 'sigmoid', 'softrelu', 'softsign', 'tanh'}, required"]
    assert known == mx.operator.OperatorArguments(2, ["data", "act_type"], types)
    known = mx.operator.get_operator_arguments("Pooling").types
    assert known[1] == "Shape(tuple), optional, default=[]"
    assert known[2] == "{'avg', 'lp', 'max', 'sum'},optional, default='max'"
    assert known[3] == "boolean, optional, default=0"
    with pytest.raises(mx.MXNetError, match="not registered"):
        mx.operator.get_operator_arguments("nothing")
