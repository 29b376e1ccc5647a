"""`mx.autograd` against the real MXNet: what gradients come out, and what raises."""

import pytest

from mxnet_parity import same_code, same_expressions

pytestmark = pytest.mark.oracle

SETUP = """
def var(*shape, req="write"):
    x = nd.array(np.arange(1, 1 + int(np.prod(shape))).reshape(shape))
    x.attach_grad(req)
    return x

def block_grad():
    x = var(3); x.grad[:] = 7
    with autograd.record():
        y = nd.BlockGrad(x) * 2
    y.backward(); return x.grad

def block_grad_beside():
    x = var(3); x.grad[:] = 7; w = var(3)
    with autograd.record():
        y = nd.BlockGrad(x) * 2 + w
    y.backward(); return x.grad, w.grad

def detached():
    x = var(3); x.grad[:] = 7; w = var(3)
    with autograd.record():
        y = x.detach() * w
    y.backward(); return x.grad, w.grad

def twice(retain):
    x = var(3)
    with autograd.record():
        y = x * 2
    y.backward(retain_graph=retain); y.backward(); return x.grad

def not_recorded():
    x = var(3); y = x * 2; y.backward()

def null():
    x = var(3, req="null")
    with autograd.record():
        y = x * 2
    y.backward(); return x.grad

def write_to_variable():
    x = var(3)
    with autograd.record():
        x[:] = 5

def add_to_result():
    x = var(3)
    with autograd.record():
        y = x * 2; y += 1

def write_into_result():
    x = var(3)
    with autograd.record():
        y = x * 2; y[0] = 1

def copied_in():
    x = var(3)
    with autograd.record():
        z = nd.zeros(3); z[:] = x; y = z * 2
    y.backward(); return x.grad

def element_in():
    x = var(3)
    with autograd.record():
        z = nd.zeros(3); z[0] = x[1]

def added_in():
    x = var(3)
    with autograd.record():
        z = nd.zeros(3); z += x

def changed_after():
    x = var(3)
    with autograd.record():
        y = x * x
    x[:] = 10; y.backward(); return x.grad

def result_changed_after():
    x = var(3)
    with autograd.record():
        y = x * 2
    y[:] = 10; y.backward(); return y, x.grad

def intermediate():
    x = var(3)
    with autograd.record():
        y = x * 2
    y.attach_grad()
    with autograd.record():
        z = y * 3
    z.backward(); return x.grad, y.grad

def grad_unreached():
    x = var(3); w = var(3)
    with autograd.record():
        y = x * 2
    return autograd.grad(y, [w])

def grad_of():
    x = var(3)
    with autograd.record():
        y = x * 2
    return autograd.grad(y, x), x.grad

def grad_intermediate():
    x = var(3)
    with autograd.record():
        z = x * 2; y = z * z
    return autograd.grad(y, [z])

def second_order(f):
    x = var(3) / 5; x.attach_grad()
    with autograd.record():
        g = autograd.grad(getattr(nd, f)(x), [x], create_graph=True, retain_graph=True)[0]
    g.backward(); return g, x.grad

def third_order():
    x = var(3); x.attach_grad()
    with autograd.record():
        g = autograd.grad(nd.sin(x), [x], create_graph=True, retain_graph=True)[0]
        h = autograd.grad(g, [x], create_graph=True, retain_graph=True)[0]
    h.backward(); return x.grad

def two_heads():
    x = var(2, 2)
    with autograd.record():
        y = x * 2; z = x * 3
    autograd.backward([y, z], [nd.ones((2, 2)) * 5, None]); return x.grad

def accumulated():
    x = var(3, req="add")
    for _ in range(3):
        with autograd.record():
            y = x * 2
        y.backward()
    return x.grad

def overwritten():
    x = var(3)
    for factor in (2, 5):
        with autograd.record():
            y = x * factor
        y.backward()
    return x.grad

def grad_zeroed():
    x = var(3, req="add")
    for _ in range(2):
        with autograd.record():
            y = x * 2
        y.backward()
    x.grad[:] = 0
    return x.grad

def marked(req):
    g = nd.ones(3) * 7; x = nd.ones(3); autograd.mark_variables([x], [g], req)
    with autograd.record():
        y = x * 2
    y.backward(); return g, x.grad

def paused():
    x = var(3)
    with autograd.record():
        y = x * 2
        with autograd.pause():
            z = y * 3
    z.backward()

def constant():
    with autograd.record():
        y = nd.zeros(3) + 1
    y.backward()

def out_given():
    x = var(3)
    with autograd.record():
        y = x * 2; o = nd.zeros(3); nd.exp(y, out=o); z = o * 1
    z.backward(); return x.grad

def out_itself():
    x = var(3)
    with autograd.record():
        y = x * 2; nd.exp(y, out=y)

def used_afterwards():
    x = var(3)
    with autograd.record():
        y = x * 2
    y.backward(); y[:] = 3; y += 1; return y, x.grad

def inside_record():
    x = var(3)
    with autograd.record():
        y = x * 2; y.backward()
    return x.grad, autograd.is_recording(), autograd.is_training()

def sliced():
    x = var(4)
    with autograd.record():
        y = x[1:3] * 2
    y.backward(); return x.grad

def indexed():
    x = var(4)
    with autograd.record():
        y = x[nd.array([0, 0, 2])] * nd.array([1, 2, 3])
    y.backward(); return x.grad

def reshaped():
    x = var(4)
    with autograd.record():
        z = x.reshape((2, 2))[0] * 3
    z.backward(); return x.grad

class Sigmoid(autograd.Function):
    def forward(self, x):
        y = 1 / (1 + nd.exp(-x)); self.save_for_backward(y); return y
    def backward(self, dy):
        y, = self.saved_tensors; return dy * y * (1 - y)

class Two(autograd.Function):
    def forward(self, x, y):
        return x * 2, y * x
    def backward(self, dx, dy):
        return dx * 10, dy * 100

def function():
    x = var(3)
    with autograd.record():
        m = Sigmoid()(x)
    m.backward(); return x.grad, m

def function_of_two():
    x = var(3); y = var(3)
    with autograd.record():
        a, b = Two()(x, y); c = a + b * 2
    c.backward(); return x.grad, y.grad, a, b

def function_twice():
    f = Sigmoid(); f(nd.ones(2)); f(nd.ones(2))

def scopes():
    seen = []
    def look():
        seen.append((autograd.is_recording(), autograd.is_training()))
    look()
    with autograd.record():
        look()
        with autograd.pause():
            look()
        with autograd.pause(train_mode=True):
            look()
        with autograd.predict_mode():
            look()
        look()
    with autograd.record(train_mode=False):
        look()
        with autograd.train_mode():
            look()
    with autograd.train_mode():
        look()
    look()
    seen.append((autograd.set_recording(True), autograd.set_training(True)))
    look()
    seen.append((autograd.set_training(False), autograd.set_recording(False)))
    look()
    return seen

def decorated():
    @autograd.record()
    def f(x):
        return x * 2
    return f

def without_gradient(f, req="write", dtype="float32"):
    x = nd.array([[1, 2, 3], [3, 2, 1]], dtype=dtype); x.attach_grad(req); x.grad[:] = 7
    with autograd.record():
        y = f(x)
    y.backward(); return y, x.grad

def without_gradient_and_variables(f):
    with autograd.record():
        y = f(nd.ones(3))
    y.backward()

def partly_without_gradient():
    x = var(2, 3)
    with autograd.record():
        y = nd.one_hot(nd.argmax(x, axis=1), 3) * x + nd.ones_like(x)
    y.backward(); return x.grad

def statistics(f):
    x = nd.array([[1, 2, 4], [3, 2, 7]]); x.attach_grad()
    with autograd.record():
        y = f(x)
    autograd.backward(y); return y, x.grad

def truth_added():
    x = var(2)
    with autograd.record():
        y = (x - True) * (True - x) * True / True
    y.backward(); return y, x.grad
"""

CALLS = """
block_grad()
block_grad_beside()
detached()
twice(True)
twice(False)
not_recorded()
null()
write_to_variable()
add_to_result()
write_into_result()
copied_in()
element_in()
added_in()
changed_after()
result_changed_after()
intermediate()
grad_unreached()
grad_of()
grad_intermediate()
second_order('sin')
second_order('exp')
second_order('log')
second_order('sigmoid')
second_order('tanh')
second_order('square')
third_order()
two_heads()
accumulated()
overwritten()
grad_zeroed()
marked('write')
marked('add')
marked('null')
paused()
constant()
out_given()
out_itself()
used_afterwards()
inside_record()
sliced()
indexed()
reshaped()
function()
function_of_two()
function_twice()
scopes()
without_gradient(lambda x: nd.argmax(x, axis=1))
without_gradient(lambda x: nd.argmax(x, axis=1), "add")
without_gradient(lambda x: x > 2)
without_gradient(lambda x: x == x)
without_gradient(lambda x: nd.ones_like(x))
without_gradient(lambda x: nd.shape_array(x))
without_gradient(lambda x: nd.topk(x, k=2))
without_gradient(lambda x: nd.topk(x, k=2, ret_typ="mask"))
without_gradient(lambda x: nd.argsort(x, dtype="int32"))
without_gradient(lambda x: nd.logical_not(x) * 2)
without_gradient(lambda x: nd.random.uniform(shape=(2, 3)))
without_gradient_and_variables(lambda x: x > 2)
without_gradient_and_variables(lambda x: nd.argmax(x, axis=0))
partly_without_gradient()
statistics(lambda x: nd.BatchNorm(x, nd.ones(3), nd.zeros(3), nd.zeros(3), nd.ones(3), output_mean_var=True, axis=-1))
statistics(lambda x: nd.LayerNorm(x, nd.ones(3), nd.zeros(3), output_mean_var=True))
statistics(lambda x: nd.BatchNorm(x, *(nd.ones(3) for _ in range(4)), output_mean_var=True, fix_gamma=False))
statistics(lambda x: nd.GroupNorm(x.reshape((1, 2, 3)), nd.ones(2), nd.zeros(2), num_groups=2, output_mean_var=True))
truth_added()
nd.array([1, 2], dtype="int32").grad
nd.ones(3).attach_grad('foo')
autograd.backward([nd.ones(3)], [nd.ones(3), nd.ones(3)])
nd.ones(3).grad
var(2).astype('float64').grad
var(2).copy().grad
var(2).grad
"""


def test_gradients_and_errors():
    same_expressions(CALLS, SETUP)


# Of whole numbers x and y: each result's gradients are whole numbers, cut towards zero.
WHOLE = """
x + x
x - y
x * y
x / y
12 / x
x ** 2
nd.square(x)
nd.sqrt(x)
nd.exp(x)
nd.mean(x)
nd.max(x, axis=1)
nd.prod(x, axis=1)
nd.concat(x, y, dim=0) * 2
nd.where(x > 2, x * 3, y)
nd.take(x, nd.array([0, 1, 1]))
nd.pick(x, nd.array([0, 1]))
nd.topk(x, k=1, ret_typ='value')
x.reshape((4,)) * 2
x[0] * 5
x.T * y
nd.sign(x) * x
nd.BlockGrad(x) * x
x.astype('float32') * 2.5
(x.astype('float32') * 2.5).astype('int32')
nd.argmax(x, axis=0)
""".strip().split("\n")


def test_whole_numbers_have_gradients():
    same_expressions(
        [f"gradients(lambda x, y: {expression}, '{dtype}')" for expression in WHOLE for dtype in ("int32", "int64")]
        + ["through('int32')", "through('float32')"],
        """
def gradients(function, dtype):
    x, y = nd.array([[1, 2], [3, 4]], dtype=dtype), nd.array([[2, 3], [4, 5]], dtype=dtype)
    x.attach_grad()
    y.attach_grad()
    for request in ("write", "again"):
        with autograd.record():
            z = function(x, y)
        z.backward()
    return z, x.grad, y.grad

def through(dtype):
    x = nd.array([1.5, 2])
    x.attach_grad()
    with autograd.record():
        z = (x.astype("int32").reshape((2, 1)) * 2).astype(dtype) + 1
    z.backward()
    return z, x.grad
""",
    )


def test_whole_numbers_have_gradients_in_hybridized_blocks():
    same_code(
        """
        class Squares(mx.gluon.HybridBlock):
            def hybrid_forward(self, F, x):
                return x * x + x

        class Shares(mx.gluon.HybridBlock):
            def hybrid_forward(self, F, x):
                return F.cast(F.cast(x, "int32"), "float32") * 1.5

        found = []
        for kind in (Squares, Shares):
            for dtype in ("int32", "float32"):
                block = kind()
                block.hybridize()
                x = nd.array([1.5, 2], dtype=dtype)
                x.attach_grad()
                for _ in range(3):
                    with autograd.record():
                        y = block(x)
                    y.backward()
                    found.append((y.copy(), x.grad.copy()))
        """,
        ["found"],
    )


def test_constant_outputs_of_symbols_have_gradients_of_zeros():
    same_code(
        """
        found = []
        data = mx.sym.var("data")
        for symbol in (mx.sym.argmax(data, axis=1), mx.sym.one_hot(data, 4), mx.sym.topk(data, k=2, ret_typ="both"),
                       mx.sym.shape_array(data), mx.sym.argsort(data) * 2 + data):
            for call in (nd.CachedOp(symbol), mx.gluon.SymbolBlock(symbol, [data])):
                x = nd.array([[1, 2, 0], [3, 0, 1]])
                x.attach_grad()
                with autograd.record():
                    outputs = call(x)
                autograd.backward(outputs if isinstance(outputs, list) else [outputs])
                found.append((outputs, x.grad))
        """,
        ["found"],
    )


def test_threads_record_on_their_own():
    same_code(
        """
        import threading
        seen = []
        def look():
            seen.append((autograd.is_recording(), autograd.is_training()))
            with autograd.record():
                seen.append((autograd.is_recording(), autograd.is_training()))
        with autograd.record():
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
            seen.append(autograd.is_recording())
        """,
        "seen",
    )
