"""`mx.mod` against the real MXNet: the same weights, predictions, scores and log lines after training."""

import textwrap

import pytest

from mxnet_parity import assert_same, run_here
from oracles import mxnet as oracle

pytestmark = pytest.mark.oracle

# Runs in both.
_CODE = """
import logging
import re

sym = mx.sym

def draws(seed, *shape):
    return np.random.RandomState(seed).randn(*shape).astype("float32")

def mlp():
    x = sym.FullyConnected(sym.Variable("data"), num_hidden=8, name="fc1")
    x = sym.Activation(x, act_type="relu", name="relu1")
    return sym.SoftmaxOutput(sym.FullyConnected(x, num_hidden=3, name="fc2"), name="softmax")

def mlp_params():
    shapes = {"fc1_weight": (8, 5), "fc1_bias": (8,), "fc2_weight": (3, 8), "fc2_bias": (3,)}
    return {name: nd.array(draws(seed, *shape) * 0.3) for seed, (name, shape) in enumerate(shapes.items())}

def data(rows=50, batch=10, **settings):
    x = draws(5, rows, 5)
    return mx.io.NDArrayIter(x, (x[:, 0] > 0).astype("float32") + (x[:, 1] > 0.5), batch, **settings)

def plain(params):
    return {name: array.asnumpy() for part in params for name, array in part.items()}

def cpus(count):
    return [mx.cpu(number) for number in range(count)]

class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        self.found = []

    def emit(self, record):
        self.found.append(re.sub(r"(Speed: |cost=)[0-9.inf]+", r"\\\\1N", record.getMessage()))

def fit(module, *args, **settings):
    lines, root = Lines(), logging.getLogger()
    before = root.level
    root.addHandler(lines)
    root.setLevel(logging.INFO)
    try:
        module.fit(*args, **settings)
    finally:
        root.removeHandler(lines)
        root.setLevel(before)
    return lines.found
"""


def _here(code, returns, **inputs):
    scope = run_here(_CODE + textwrap.dedent(code), **inputs)
    return {name: scope[name] for name in returns}


def _there(code, returns, **inputs):
    return oracle.run(_CODE + textwrap.dedent(code), returns, **inputs)


def _same(found, expected):
    assert_same(found, expected, rtol=2e-4, atol=2e-5)


def _both(code, returns, **inputs):
    _same(_here(code, returns, **inputs), _there(code, returns, **inputs))


_FITS = [
    ("sgd", {"learning_rate": 0.1, "momentum": 0.9, "wd": 0.1}, 1, "local"),
    ("adam", {"learning_rate": 0.01}, 1, None),
    ("rmsprop", {"learning_rate": 0.01, "clip_gradient": 0.01}, 1, "local"),
    ("sgd", {"learning_rate": 0.1, "momentum": 0.9}, 2, "local"),
    ("sgd", {"learning_rate": 0.1, "momentum": 0.9}, 3, "device"),
    ("adam", {"learning_rate": 0.1}, 2, None),  # without a store each context learns by itself
]


@pytest.mark.parametrize(("optimizer", "settings", "replicas", "store"), _FITS)
def test_fit(optimizer, settings, replicas, store):
    code = """
    module = mx.mod.Module(mlp(), context=cpus(replicas))
    lines = fit(
        module, data(48, 12), data(30), optimizer=optimizer, optimizer_params=settings, kvstore=store, num_epoch=3,
        arg_params=mlp_params(), batch_end_callback=mx.callback.Speedometer(12, 2), eval_metric=["acc", "ce"],
    )
    weights = plain(module.get_params())
    predicted = module.predict(data(33, 12)).asnumpy()
    scores = module.score(data(30), "acc")
    """
    inputs = {"optimizer": optimizer, "settings": settings, "replicas": replicas, "store": store}
    # Printed digits may differ in the last one.
    code += "\n    numbers = [float(one) for line in lines for one in re.findall(r'=([0-9.]+)$', line)]"
    code += "\n    lines = [re.sub(r'=[0-9.]+', '=', line) for line in lines]"
    _both(code, ["weights", "predicted", "scores", "lines", "numbers"], **inputs)


def test_convolutions_with_statistics_and_a_batch_of_another_size():
    code = """
    x = sym.Convolution(sym.Variable("data"), num_filter=4, kernel=(3, 3), no_bias=True, name="c")
    x = sym.BatchNorm(x, fix_gamma=False, name="bn")
    x = sym.Pooling(sym.Activation(x, act_type="tanh"), kernel=(2, 2), stride=(2, 2), pool_type="max")
    net = sym.SoftmaxOutput(sym.FullyConnected(sym.Flatten(x), num_hidden=3, name="f"), name="softmax")
    params = {
        "c_weight": draws(1, 4, 1, 3, 3), "bn_gamma": draws(2, 4), "bn_beta": draws(3, 4), "f_weight": draws(4, 3, 36),
        "f_bias": draws(5, 3),
    }
    found = []
    for count in (1, 2):
        module = mx.mod.Module(net, context=cpus(count))
        module.bind([("data", (8, 1, 8, 8))], [("softmax_label", (8,))])
        module.init_params(arg_params={name: nd.array(value) for name, value in params.items()}, allow_missing=True)
        module.init_optimizer(optimizer_params={"learning_rate": 0.1, "momentum": 0.5})
        for step, rows in enumerate((8, 8, 6, 10, 8)):
            labels = nd.array(np.arange(rows) % 3)
            module.forward_backward(mx.io.DataBatch([nd.array(draws(step, rows, 1, 8, 8))], [labels]))
            module.update()
        nd.waitall()  # MXNet does not wait for statistics by itself
        found.append([plain(module.get_params()), module.get_outputs()[0].asnumpy()])
    """
    _both(code, ["found"])


def test_attributes_requests_and_fixed_parameters():
    code = """
    weight = sym.Variable("w", init=mx.init.Constant(2.0), lr_mult=0.5, wd_mult=3.0)
    net = sym.FullyConnected(sym.Variable("data"), weight=weight, num_hidden=3, name="f")
    net = sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=3, name="g"), name="softmax")
    module = mx.mod.Module(net, fixed_param_names=["f_bias"])
    module.bind(data().provide_data, data().provide_label, inputs_need_grad=True)
    module.init_params(mx.init.Mixed([".*bias", ".*"], [mx.init.Constant(3), mx.init.One()]))
    module.init_optimizer(optimizer_params={"learning_rate": 0.1, "wd": 0.01})
    module.forward_backward(next(data()))
    module.update()
    first = [plain(module.get_params()), module.get_input_grads()[0].asnumpy()]
    grads = []
    for request in ("add", {"fc1_weight": "add"}, ["null", "write", "write", "add", "add", "null"]):
        module = mx.mod.Module(mlp())
        module.bind(data().provide_data, data().provide_label, grad_req=request)
        module.init_params(arg_params=mlp_params())
        for _ in range(2):
            module.forward_backward(next(data()))
        grads.append([None if one[0] is None else one[0].asnumpy() for one in module._exec_group.grad_arrays])
    """
    _both(code, ["first", "grads"])


def test_buckets_of_recurrent_networks():
    code = """
    def gen(length):
        stack = mx.rnn.SequentialRNNCell()
        stack.add(mx.rnn.LSTMCell(num_hidden=4, prefix="l_"))
        embedded = sym.Embedding(sym.Variable("data"), input_dim=6, output_dim=4, name="e")
        outputs, _ = stack.unroll(length, inputs=embedded, merge_outputs=True)
        scores = sym.FullyConnected(sym.reshape(outputs, shape=(-1, 4)), num_hidden=6, name="f")
        labels = sym.reshape(sym.Variable("softmax_label"), shape=(-1,))
        return sym.SoftmaxOutput(scores, labels, name="softmax"), ("data",), ("softmax_label",)

    class Sentences(mx.io.DataIter):
        batch_size, default_bucket_key = 4, 5
        provide_data, provide_label = [("data", (4, 5))], [("softmax_label", (4, 5))]
        at = 0

        def reset(self):
            self.at = 0

        def next(self):
            self.at += 1
            if self.at > 6:
                raise StopIteration
            key = (5, 3, 4)[self.at % 3]
            random = np.random.RandomState(self.at)
            arrays = [nd.array(random.randint(0, 6, (4, key))) for _ in range(2)]
            described = [[(name, (4, key))] for name in ("data", "softmax_label")]
            return mx.io.DataBatch(arrays[:1], arrays[1:], 0, None, key, *described)

    params = {
        "e_weight": draws(1, 6, 4), "l_i2h_weight": draws(2, 16, 4), "l_i2h_bias": draws(3, 16),
        "l_h2h_weight": draws(4, 16, 4), "l_h2h_bias": draws(5, 16), "f_weight": draws(6, 6, 4), "f_bias": draws(7, 6),
    }
    found = []
    for count in (1, 2):
        module = mx.mod.BucketingModule(gen, default_bucket_key=5, context=cpus(count))
        lines = fit(
            module, Sentences(), Sentences(), eval_metric=mx.metric.Perplexity(None), num_epoch=2,
            arg_params={name: nd.array(value) for name, value in params.items()},
            optimizer_params={"learning_rate": 0.1, "momentum": 0.5},
        )
        scores = module.score(Sentences(), "acc")
        found.append([plain(module.get_params()), sorted(module._buckets), len(lines), scores])
    """
    _both(code, ["found"])


def test_chains_and_losses_of_python():
    code = """
    first = sym.Activation(sym.FullyConnected(sym.Variable("data"), num_hidden=8, name="fc1"), act_type="relu")
    second = sym.FullyConnected(sym.Variable("hidden"), num_hidden=3, name="fc2")

    def grad(scores, labels):
        shares = nd.softmax(scores).asnumpy()
        shares[np.arange(len(shares)), labels.asnumpy().astype(int)] -= 1
        return shares

    chain = mx.mod.SequentialModule()
    chain.add(mx.mod.Module(first, label_names=[])).add(
        mx.mod.Module(second, data_names=["hidden"], label_names=[]), auto_wiring=True
    ).add(mx.mod.PythonLossModule(grad_func=grad), take_labels=True, auto_wiring=True)
    lines = fit(chain, data(), num_epoch=2, arg_params=mlp_params(), optimizer_params={"learning_rate": 0.1})
    chained = plain(chain.get_params())
    shapes = [chain.data_names, chain.output_names, chain.output_shapes, chain.predict(data(25)).shape, len(lines)]
    """
    _both(code, ["chained", "shapes"])


def test_feed_forward():
    code = """
    model = mx.model.FeedForward(
        mlp(), num_epoch=2, learning_rate=0.1, momentum=0.9, arg_params=mlp_params(), aux_params={}, ctx=cpus(2)
    )
    lines = fit(model, data(), eval_data=data(20), batch_end_callback=mx.callback.Speedometer(10, 2))
    weights = plain((model.arg_params, model.aux_params))
    predicted = [part for part in model.predict(data(25), return_data=True)]
    scores = model.score(data(30), "acc")
    limited = mx.model.FeedForward(mlp(), num_epoch=2, epoch_size=3, arg_params=mlp_params(), aux_params={})
    ended = fit(limited, data())
    np.random.seed(0)
    shuffled = mx.model.FeedForward(mlp(), num_epoch=1, arg_params=mlp_params(), aux_params={}, numpy_batch_size=10)
    fit(shuffled, data().data[0][1].asnumpy(), data().label[0][1].asnumpy())
    order = [plain((shuffled.arg_params,)), np.random.rand()]
    """
    _both(code, ["weights", "predicted", "scores", "lines", "ended", "order"])


def test_monitors():
    code = """
    module = mx.mod.Module(mlp())
    module.bind(data().provide_data, data().provide_label)
    module.init_params(arg_params=mlp_params())
    monitor = mx.mon.Monitor(2, pattern="(?!.*backward)", sort=True)
    module.install_monitor(monitor)
    found = []
    for batch in data(30):
        monitor.tic()
        module.forward_backward(batch)
        found.append([(step, name, float(text)) for step, name, text in monitor.toc()])
    """
    _both(code, ["found"])


def test_files_both_ways(tmp_path):
    code = """
    module = mx.mod.Module(mlp(), context=mx.cpu())
    settings = {"optimizer_params": {"learning_rate": 0.1, "momentum": 0.9}}
    module.fit(data(), num_epoch=2, arg_params=mlp_params(), **settings)
    module.save_checkpoint(prefix, 2, True)
    """
    go_on = """
    settings = {"optimizer_params": {"learning_rate": 0.1, "momentum": 0.9}}
    module = mx.mod.Module.load(prefix, 2, states)
    module.bind(data().provide_data, data().provide_label)
    predicted = module.predict(data()).asnumpy()
    module.init_optimizer(**settings)
    module.forward_backward(next(data()))
    module.update()
    weights = plain(module.get_params())
    """
    theirs, ours = str(tmp_path / "theirs"), str(tmp_path / "ours")
    _there(code, [], prefix=theirs)
    _here(code, [], prefix=ours)
    expected = _there(go_on, ["predicted", "weights"], prefix=theirs, states=True)
    for prefix in (theirs, ours):
        _same(_here(go_on, ["predicted", "weights"], prefix=prefix, states=True), expected)
    # Our states are no pickle, which is all that MXNet reads.
    found = _there(go_on, ["predicted"], prefix=ours, states=False)
    _same(found, {"predicted": expected["predicted"]})


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "ftrl"])
def test_gradients_by_rows_leave_other_rows_alone(optimizer):
    code = """
    embedded = sym.Embedding(sym.Variable("data"), input_dim=12, output_dim=3, sparse_grad=True, name="e")
    embedding = sym.LinearRegressionOutput(sym.sum(embedded, axis=(1, 2)), name="out")
    weight = sym.Variable("w", shape=(9, 2), stype="row_sparse")
    product = sym.dot(sym.Variable("data", stype="csr"), weight)
    product = sym.LinearRegressionOutput(sym.sum(product, axis=1), name="out")

    def batches(name, step):
        random = np.random.RandomState(step)
        if name == "e_weight":
            return nd.array(random.randint(0, 12, (4, 2)))
        return nd.array(random.rand(4, 9) * (random.rand(4, 9) < 0.2)).tostype("csr")

    found = []
    for net, name, shape in ((embedding, "e_weight", (4, 2)), (product, "w", (4, 9))):
        for store in (None, mx.kv.create("local")):
            module = mx.mod.Module(net, label_names=["out_label"])
            module.bind([("data", shape)], [("out_label", (4,))])
            weights = nd.array(draws(1, *module._exec_group.param_arrays[0][0].shape))
            module.init_params(arg_params={name: weights if name == "e_weight" else weights.tostype("row_sparse")})
            settings = {"learning_rate": 0.1, "wd": 0.01}
            module.init_optimizer(kvstore=store, optimizer=optimizer, optimizer_params=settings)
            for step in range(4):
                batch = mx.io.DataBatch([batches(name, step)], [nd.array(draws(step, 4))])
                if name == "w" and store is not None:
                    module.prepare(batch, lambda batch: {"w": nd.arange(9)})
                module.forward_backward(batch)
                module.update()
            found.append([module._exec_group.grad_arrays[0][0].stype, module.get_params()[0][name].asnumpy()])
    """
    _both(code, ["found"], optimizer=optimizer)


def test_messages():
    code = """
    caught = []

    def attempt(function, *args, **settings):
        try:
            function(*args, **settings)
        except Exception as error:
            caught.append(type(error).__name__)
        else:
            caught.append(None)

    batch = next(data())
    module = mx.mod.Module(mlp())
    for name in ("backward", "update", "get_outputs", "get_params", "init_params", "init_optimizer", "get_states"):
        attempt(getattr(module, name))
    attempt(module.forward, batch)
    attempt(lambda: module.output_shapes)
    attempt(mx.mod.Module, mlp(), data_names=["x"])
    attempt(module.bind, [("x", (4, 5))])
    attempt(module.bind, data().provide_data, data().provide_label, False, True)
    attempt(module.bind, data().provide_data, data().provide_label, grad_req=3)
    attempt(module.bind, data().provide_data, data().provide_label)
    attempt(module.set_params, {"fc1_weight": nd.ones((8, 5))}, {})
    attempt(module.init_params, mx.init.One(), {"fc1_weight": nd.ones((8, 6))}, allow_missing=True)
    attempt(module.set_params, {**mlp_params(), "more": nd.ones(2)}, {}, allow_missing=True)
    attempt(module.set_params, {**mlp_params(), "more": nd.ones(2)}, {}, allow_missing=True, allow_extra=True)
    attempt(module.update)
    attempt(module.init_optimizer, None, "unknown")
    attempt(module.init_optimizer, None, 3)
    attempt(module.init_optimizer, 3)
    attempt(module.predict, "data")
    attempt(module.get_input_grads)
    attempt(module.fit, data())
    attempt(module.forward, mx.io.DataBatch([nd.ones((4, 6))], [nd.ones(4)]))
    attempt(mx.mod.Module(mlp(), context=cpus(4)).bind, [("data", (3, 5))], [("softmax_label", (3,))])
    attempt(mx.mod.Module(mlp()).bind, [("data", (3, 5))], [("softmax_label", (4,))])
    """
    _both(code, ["caught"])
