"""Names, shapes, printing, errors and files of Gluon's blocks against the real MXNet."""

import pytest

from mxnet_parity import run_here
from oracles import mxnet as oracle

pytestmark = pytest.mark.oracle

_PREAMBLE = """
import warnings
warnings.simplefilter("ignore")
gluon = mx.gluon
nn, rnn = gluon.nn, gluon.rnn
log = []

def tell(*values):
    log.append([value if isinstance(value, (str, int, float, bool, type(None))) else repr(value) for value in values])

def attempt(function):
    try:
        tell(function())
    except Exception as error:
        name = type(error).__name__
        log.append(["raised", name])
"""


def same_log(code):
    code = _PREAMBLE + "with mx.name.NameManager():\n" + "\n".join("    " + line for line in code.strip().split("\n"))
    there = oracle.run(code, ["log"])["log"]
    here = run_here(code)["log"]
    wrong = [(number, a, b) for number, (a, b) in enumerate(zip(here, there)) if a != b]
    assert not wrong, "\n".join(f"{number}: here {a}\n   there {b}" for number, a, b in wrong)
    assert len(here) == len(there)


def test_names_of_nested_blocks():
    same_log(
        """
class Net(gluon.Block):
    def __init__(self, **kw):
        super().__init__(**kw)
        with self.name_scope():
            self.d0 = nn.Dense(2)
            self.d1 = nn.Dense(3, prefix='foo_')
            self.s = nn.Sequential()
            with self.s.name_scope():
                self.s.add(nn.Dense(3))
            self.s.add(nn.Dense(3))
            self.w = self.params.get('ww', shape=(2,))
            self.unused = self.params.get('unassigned')

for net in [Net(), Net(prefix='abc_'), Net(prefix=''), Net()]:
    tell(net, net.prefix, net.name, net.collect_params(), net.params, list(net._collect_params_with_prefix()))
    tell(net.collect_params('.*weight'), net.collect_params('foo'))
first = Net()
tell(list(Net(params=first.collect_params()).collect_params().keys()))
a = nn.Dense(2, in_units=3)
b = nn.Dense(2, in_units=3, params=a.params)
c = nn.Dense(2, in_units=3, params=a.collect_params(), prefix='d_')
tell(b.prefix, b.collect_params(), b.weight is a.weight, c.prefix, c.collect_params(), c.weight is a.weight)
with mx.name.Prefix('outer_'):
    tell(nn.Dense(3).prefix, nn.Dense(3).weight.name)
net = nn.HybridSequential()
with net.name_scope():
    net.add(nn.Conv2D(2, 3, activation='relu'), nn.BatchNorm(), nn.Flatten(), nn.Dense(2))
tell(net, net.collect_params(), net[1:3], net[-1], len(net), net[1:3].prefix)
tell([layer.name for layer in net])
        """
    )


def test_printing_of_layers():
    same_log(
        """
for layer in [nn.Dense(3), nn.Dense(3, activation='relu', in_units=4, use_bias=False), nn.Dropout(0.5, axes=(1,)),
              nn.Embedding(3, 4), nn.Flatten(), nn.LeakyReLU(.1), nn.PReLU(), nn.ELU(), nn.SELU(), nn.GELU(),
              nn.Swish(),
              nn.Activation('relu'), nn.MaxPool2D(), nn.MaxPool1D(3, 2, 1, ceil_mode=True), nn.GlobalAvgPool2D(),
              nn.AvgPool3D((1, 2, 3), count_include_pad=False), nn.LayerNorm(), nn.GroupNorm(), nn.InstanceNorm(),
              nn.Lambda(lambda x: x), nn.HybridLambda('relu'), nn.Conv2DTranspose(2, 3), nn.Conv1D(2, 3, in_channels=4),
              nn.Conv3D(4, (1, 2, 3), padding=1, dilation=2, groups=2, use_bias=False, activation='tanh',
                        in_channels=4),
              nn.Conv2D(3, 3, layout='NHWC', in_channels=5),
              nn.Conv2DTranspose(4, 3, in_channels=6, groups=2, strides=2),
              nn.BatchNorm(scale=False, axis=-1), nn.ReflectionPad2D(1), nn.BatchNormReLU(), nn.Lambda('tanh'),
              rnn.LSTM(3), rnn.GRU(4, 2, bidirectional=True, layout='NTC', input_size=3, dropout=0.5), rnn.RNN(4),
              rnn.RNNCell(3), rnn.LSTMCell(4, input_size=2), rnn.GRUCell(2), rnn.DropoutCell(.3),
              rnn.ResidualCell(rnn.LSTMCell(5)), rnn.ZoneoutCell(rnn.RNNCell(5), .2, .3), rnn.HybridSequentialRNNCell(),
              rnn.BidirectionalCell(rnn.LSTMCell(5), rnn.LSTMCell(5)), gluon.loss.L2Loss(), gluon.loss.SoftmaxCELoss(),
              nn.Sequential(), gluon.Block(), gluon.HybridBlock()]:
    tell(layer, layer.name, layer.prefix, layer.collect_params())
seq = rnn.SequentialRNNCell()
seq.add(rnn.LSTMCell(5)); seq.add(rnn.DropoutCell(.3)); seq.add(rnn.ResidualCell(rnn.GRUCell(5)))
tell(seq, len(seq), seq[0], seq.state_info(2))
        """
    )


def test_parameters():
    same_log(
        """
P = gluon.Parameter
p = P('w', shape=(2, 0))
attempt(lambda: p.initialize())
p = P('w', shape=(2, 0), allow_deferred_init=True)
attempt(lambda: p.data()); attempt(lambda: p.list_ctx()); attempt(lambda: p.reset_ctx(mx.cpu(1)))
attempt(lambda: p.initialize()); attempt(lambda: p.data()); attempt(lambda: p.grad()); attempt(lambda: p.list_data())
attempt(lambda: setattr(p, 'shape', (3, 4))); attempt(lambda: setattr(p, 'shape', (2, 4))); attempt(lambda: p.shape)
p = P('w', shape=(2, 3))
attempt(lambda: p.data()); attempt(lambda: p.zero_grad()); attempt(lambda: p.set_data(nd.ones((2, 3))))
p.initialize(mx.init.One(), ctx=[mx.cpu(0), mx.cpu(1)])
attempt(lambda: p.data()); attempt(lambda: p.list_data()); attempt(lambda: p.list_ctx()); attempt(lambda: p.grad())
attempt(lambda: p.data(mx.cpu(1)).context); attempt(lambda: p.data(mx.cpu(2))); attempt(lambda: p.list_grad())
attempt(lambda: p.reset_ctx(mx.cpu(2))); attempt(lambda: p.list_ctx()); attempt(lambda: p.data().context)
attempt(lambda: p.cast('float16')); attempt(lambda: p); attempt(lambda: p.data()); attempt(lambda: p.grad().dtype)
attempt(lambda: p.set_data(nd.ones((2, 3)) * 3)); attempt(lambda: p.data())
attempt(lambda: p.set_data(nd.ones((3, 3)))); attempt(lambda: setattr(p, 'grad_req', 'foo'))
attempt(lambda: setattr(p, 'grad_req', 'null')); attempt(lambda: p.grad()); attempt(lambda: p.list_grad())
attempt(lambda: setattr(p, 'grad_req', 'add')); attempt(lambda: p.grad())
attempt(lambda: P('w', shape=3)); attempt(lambda: P('w')); attempt(lambda: P('w', grad_req='foo'))
attempt(lambda: P('w', shape=(2, 3), init='foo').initialize()); attempt(lambda: P('w', stype='foo'))
attempt(lambda: P('w', dtype='int32', shape=(1,), grad_req='null').initialize())
attempt(lambda: P('w', differentiable=False).grad_req)
for name in ['a_gamma', 'a_beta', 'a_bias', 'foo', 'a_weight']:
    for own in [None, 'zeros']:
        p = P(name, shape=(2,), init=own)
        p.initialize(default_init=mx.init.Constant(3))
        tell(p.data())
c = gluon.Constant('c', [[1, 2], [3, 4]])
tell(c, c.grad_req, c.shape)
c.initialize()
attempt(lambda: c.data()); attempt(lambda: setattr(c, 'grad_req', 'write')); attempt(lambda: c.grad())
tell(c.grad_req)

d = gluon.ParameterDict('net_')
w = d.get('w', shape=(2, 3))
tell(d, d.prefix, list(d.keys()), bool(d))
attempt(lambda: d.get('w', shape=(2, 0)).shape); attempt(lambda: d.get('w', shape=(2, 4)))
attempt(lambda: d.get('w', dtype='float64')); attempt(lambda: d.get('w', dtype='float32'))
attempt(lambda: d.get('w', grad_req='add')); attempt(lambda: d['net_w']); attempt(lambda: d['w'])
attempt(lambda: 'net_w' in d)
u = d.get('u', shape=(2, 0), allow_deferred_init=True)
attempt(lambda: d.get('u', shape=(2, 5)).shape); attempt(lambda: u.shape); attempt(lambda: d.get_constant('w', [1]))
attempt(lambda: d.get_constant('c', nd.array([1, 2]))); attempt(lambda: d.get_constant('zz'))
other = gluon.ParameterDict('net_', shared=d)
attempt(lambda: other.get('w')); attempt(lambda: other); attempt(lambda: other.get('new', shape=(2,)))
attempt(lambda: d.keys()); attempt(lambda: other)
e = gluon.ParameterDict('net_'); e.get('w')
attempt(lambda: d.update(e)); attempt(lambda: d.initialize(mx.init.One())); attempt(lambda: d.list_ctx())
d.setattr('lr_mult', 3.0)
tell(w.lr_mult)
attempt(lambda: d.items()); attempt(lambda: d.values()); attempt(lambda: d.zero_grad())
        """
    )


def test_hybridized_blocks_answer_lists():
    same_log("""
class Several(gluon.HybridBlock):
    def hybrid_forward(self, F, x):
        return x, (x * 2, [x * 3]), [x]
class Around(gluon.HybridBlock):
    def __init__(self):
        super().__init__()
        self.inner = Several()
    def hybrid_forward(self, F, x):
        first, rest, last = self.inner(x)
        return (first, rest + (first,), last)
class Single(gluon.HybridBlock):
    def hybrid_forward(self, F, x):
        return (x,)
def kinds(tree):
    return [type(tree).__name__, *map(kinds, tree)] if isinstance(tree, (list, tuple)) else 0
for block in (Several(), Around(), Single()):
    tell(str(kinds(block(nd.ones(1)))))
    block.hybridize()
    for _ in range(3):
        tell(str(kinds(block(nd.ones(1)))))
    tell(str(kinds(block(mx.sym.var("x")))))
""")


def test_losses_and_metrics_of_shapes_that_do_not_fit():
    same_log("""
losses = [gluon.loss.L2Loss(), gluon.loss.L1Loss(), gluon.loss.SigmoidBCELoss(), gluon.loss.HuberLoss()]
losses += [gluon.loss.SoftmaxCELoss(), gluon.loss.SoftmaxCELoss(sparse_label=False), gluon.loss.LogisticLoss()]
for loss in losses:
    for shape in ((3,), (2, 4), (4, 3), (12,), (4,)):
        attempt(lambda: loss(nd.ones((3, 4)), nd.ones(shape)).shape)
for shape in ((3, 4), (12,), (2, 4), (4,)):
    attempt(lambda: gluon.loss.TripletLoss()(nd.ones((3, 4)), nd.ones(shape), nd.ones(shape)).shape)
    attempt(lambda: gluon.loss.CosineEmbeddingLoss()(nd.ones(shape), nd.ones((3, 4)), nd.ones(3)).shape)
for metric in (mx.metric.MAE(), mx.metric.MSE(), mx.metric.RMSE(), mx.metric.Accuracy(), mx.metric.CrossEntropy()):
    for shape in ((3,), (2,), (3, 1), (2, 4), (4,)):
        attempt(lambda: metric.update(nd.ones(shape), nd.ones((3, 4)) / 4))
        attempt(lambda: metric.update([nd.ones(shape)], [nd.ones((3, 4)) / 4]))
""")


def test_errors():
    same_log(
        """
class Net(gluon.HybridBlock):
    def __init__(self):
        super().__init__()
        self.d = nn.Dense(2)
        self.w = self.params.get('w', shape=(0, 3), allow_deferred_init=True)
    def hybrid_forward(self, F, x, w):
        return F.dot(x, w)

class Extra(gluon.HybridBlock):
    def hybrid_forward(self, F, x, *args, **k):
        return x

net = Net()
attempt(lambda: setattr(net, 'd', 5)); attempt(lambda: setattr(net, 'w', nn.Dense(3)))
attempt(lambda: setattr(net, 'd', nn.Conv2D(3, 3))); attempt(lambda: setattr(net, 'w', gluon.Parameter('x')))
x = nd.ones((2, 4))
attempt(lambda: net(x)); net.initialize(); attempt(lambda: net(x))
attempt(lambda: Extra()(x, 3, None)); attempt(lambda: Extra()(3)); attempt(lambda: Extra()([x]))
attempt(lambda: gluon.Block()(3)); attempt(lambda: gluon.HybridBlock()(x))
attempt(lambda: nn.HybridSequential().add(nn.Lambda('relu'))); attempt(lambda: nn.HybridSequential().add(3))
attempt(lambda: nn.Sequential()[5]); attempt(lambda: nn.Conv2D(3, (3,)))
attempt(lambda: nn.Conv2D(3, 3, layout='NCW'))
attempt(lambda: nn.LeakyReLU(-1)); attempt(lambda: nn.Conv2D(3, 3, foo=1)); attempt(lambda: nn.Dense(3, foo=1))
attempt(lambda: nn.MaxPool2D((2,))); attempt(lambda: nn.Conv2D(3, 3, groups=2)); attempt(lambda: nn.Lambda('foo'))
attempt(lambda: nn.HybridLambda('foo')); attempt(lambda: nn.Lambda(3)); attempt(lambda: rnn.LSTM(5, layout='CTN'))
attempt(lambda: rnn.RNN(4, activation='sigmoid')); attempt(lambda: nn.Activation('nosuch')(x))
d = nn.Dense(2); attempt(lambda: d(x)); d.initialize(); attempt(lambda: d(x).shape)
attempt(lambda: d(nd.ones((2, 5))))
lstm = rnn.LSTM(5, 2); lstm.initialize()
y = nd.ones((3, 2, 4))
attempt(lambda: lstm(y).shape); attempt(lambda: lstm(y, [nd.zeros((4, 2, 5))] * 2)); attempt(lambda: lstm(y[0]))
attempt(lambda: type(lstm(y, lstm.begin_state(2))[1])); attempt(lambda: lstm.state_info(3))
cell = rnn.LSTMCell(5)
attempt(lambda: cell(y[0], cell.begin_state(2))); cell.initialize(); attempt(lambda: cell.unroll(3, y, layout='XX'))
attempt(lambda: cell.unroll(4, y, layout='TNC')); attempt(lambda: cell.begin_state(batch_size=2, func=nd.ones))
zone = rnn.ZoneoutCell(cell, .2)
attempt(lambda: cell.begin_state(2)); attempt(lambda: zone.begin_state(batch_size=2, func=nd.zeros))
attempt(lambda: rnn.ZoneoutCell(cell))
bi = rnn.BidirectionalCell(rnn.LSTMCell(5), rnn.LSTMCell(5))
attempt(lambda: rnn.ZoneoutCell(bi)); attempt(lambda: bi(y[0], []))
T = gluon.Trainer
params = d.collect_params()
attempt(lambda: T([1, 2], 'sgd')); attempt(lambda: T(3, 'sgd')); attempt(lambda: T(params, 'sgdx'))
attempt(lambda: T(d, 'sgd'))
attempt(lambda: T(params, 'sgd', {'lr': .1})); attempt(lambda: T(params, mx.optimizer.SGD(), {'learning_rate': .1}))
attempt(lambda: T(nn.Dense(2).collect_params(), 'sgd').step(1))
trainer = T(params, 'sgd', {'learning_rate': 0.1})
attempt(lambda: trainer.step(1)); attempt(lambda: trainer.step(1, ignore_stale_grad=True))
attempt(lambda: trainer.set_learning_rate(0.5)); attempt(lambda: trainer.learning_rate)
scheduled = T(params, 'sgd', {'lr_scheduler': mx.lr_scheduler.FactorScheduler(2, .5, base_lr=.7)})
attempt(lambda: scheduled.learning_rate); attempt(lambda: scheduled.set_learning_rate(1))
U = gluon.utils
a = nd.arange(10).reshape((5, 2))
attempt(lambda: U.split_data(a, 2)); attempt(lambda: U.split_data(a, 2, even_split=False))
attempt(lambda: U.split_data(a, 2, batch_axis=1))
attempt(lambda: U.split_and_load(a, [mx.cpu(0), mx.cpu(1)], even_split=False))
attempt(lambda: U.split_and_load(np.ones((4, 2)), [mx.cpu(0)]))
attempt(lambda: U.split_data(nd.ones(7), 3, even_split=False))
arrays = [nd.ones((2,)), nd.ones((3,)) * 2]
attempt(lambda: round(float(U.clip_global_norm(arrays, 1.0)), 5)); tell(arrays)
attempt(lambda: U.clip_global_norm([], 1.0))
attempt(lambda: U.clip_global_norm(arrays, 1.0, check_isfinite=False).shape)
K = mx.kv.create
kv = K('local'); kv.init(3, nd.ones((2,)))
out = nd.zeros(2)
kv.push(3, [nd.ones(2), nd.ones(2)]); kv.pull(3, out=out); tell(out, kv.type, kv.rank, kv.num_workers)
attempt(lambda: kv.pull(4, out=out)); attempt(lambda: kv.init(3, out)); attempt(lambda: kv.push('a', out))
attempt(lambda: K(3))
kv.init([5, 7], [nd.ones(2), nd.ones(2)]); kv.pushpull(5, nd.ones(2) * 4, out=out); tell(out)
kv.set_optimizer(mx.optimizer.SGD(learning_rate=.1)); kv.push([5, 7], [nd.ones(2), [nd.ones(2)] * 2])
kv.pull(5, out=out); tell(out); kv.pull(7, out=out); tell(out); kv.broadcast(9, nd.ones(2), out=out)
tell(out, kv.is_capable('optimizer'))
        """
    )


def test_summary(capsys):
    code = (
        _PREAMBLE
        + """
import io, contextlib
class Net(gluon.Block):
    def __init__(self):
        super().__init__()
        self.a = nn.Dense(3, in_units=3)
        self.b = nn.Dense(3, in_units=3, params=self.a.params)
        self.emb = nn.Embedding(10, 4)
        self.rnn = rnn.LSTM(5, 2, input_size=4)
        self.bn = nn.BatchNorm(in_channels=3)
    def forward(self, x, y):
        return self.bn(self.b(self.a(x))), self.rnn(self.emb(y))
net = Net()
net.initialize()
text = io.StringIO()
with contextlib.redirect_stdout(text):
    net.summary(nd.ones((2, 3)), nd.ones((3, 2)))
text = text.getvalue()
"""
    )
    assert run_here(code)["text"] == oracle.run(code, ["text"])["text"]


_NET = """
import warnings
warnings.simplefilter("ignore")
nn = mx.gluon.nn
def make(prefix="net_"):
    net = nn.HybridSequential(prefix=prefix)
    with net.name_scope():
        net.add(nn.Conv2D(3, 3, in_channels=1), nn.BatchNorm(in_channels=3), nn.Flatten(), nn.Dense(2, in_units=48),
                nn.Embedding(5, 2))
    return net
def save(folder):
    net = make()
    net.initialize(mx.init.Xavier())
    x = nd.array(np.cos(np.arange(36)).reshape(1, 1, 6, 6))
    with autograd.record():
        net[0:4](x)
    net.save_parameters(folder + "/a.params")
    net.collect_params().save(folder + "/full.params")
    net.collect_params().save(folder + "/short.params", strip_prefix="net_")
    mx.nd.save(folder + "/exported.params", {("aux:" if "running" in k else "arg:") + k: v.data()
                                             for k, v in net.collect_params().items()})
    return net[0:4](x).asnumpy()
def load(folder):
    x = nd.array(np.cos(np.arange(36)).reshape(1, 1, 6, 6))
    answers = []
    for name, how in [("a", 0), ("full", 1), ("short", 0), ("exported", 1)]:
        net = make()
        if how == 0:
            net.load_parameters(folder + "/" + name + ".params")
        else:
            net.collect_params().load(folder + "/" + name + ".params")
        answers.append(net[0:4](x).asnumpy())
    return answers
"""


@pytest.mark.parametrize("direction", ["there to here", "here to there"])
def test_files_are_read_by_the_other_side(direction, tmp_path):
    save, load = _NET + f"answer = save({str(tmp_path)!r})", _NET + f"answer = load({str(tmp_path)!r})"
    if direction == "there to here":
        wanted, found = oracle.run(save, ["answer"])["answer"], run_here(load)["answer"]
    else:
        wanted, found = run_here(save)["answer"], oracle.run(load, ["answer"])["answer"]
    for one in found:
        assert abs(one - wanted).max() < 1e-5


def test_loading_checks(tmp_path):
    path = str(tmp_path)
    oracle.run(_NET + f"save({path!r})")
    code = (
        f"""
import warnings
warnings.simplefilter("ignore")
folder = {path!r}
"""
        + _NET
        + _PREAMBLE
        + """
full = folder + "/a.params"
def other(*layers):
    net = nn.HybridSequential()
    net.add(*layers)
    return net
five = lambda: make("other_")
attempt(lambda: five().load_parameters(full))
attempt(lambda: five().load_parameters(full, ctx=[mx.cpu(1), mx.cpu(2)]))
n = five(); n.initialize(); attempt(lambda: n.load_parameters(full, ctx=mx.cpu(1)))
attempt(lambda: n.load_parameters(full))
n = five(); n.add(nn.Dense(1)); attempt(lambda: n.load_parameters(full))
attempt(lambda: n.load_parameters(full, allow_missing=True)); attempt(lambda: n[5].weight.data())
n = other(nn.Conv2D(3, 3)); attempt(lambda: n.load_parameters(full))
attempt(lambda: n.load_parameters(full, ignore_extra=True))
tell(n[0].weight.shape)
n = other(nn.Conv2D(4, 3)); attempt(lambda: n.load_parameters(full, ignore_extra=True))
n = five(); n.cast('float16'); attempt(lambda: n.load_parameters(full))
attempt(lambda: n.load_parameters(full, cast_dtype=True)); attempt(lambda: n[0].weight.data().dtype)
n = five(); n.cast('float16'); attempt(lambda: n.load_parameters(full, cast_dtype=True, dtype_source='saved'))
attempt(lambda: n[0].weight.data().dtype); attempt(lambda: n.load_parameters(folder + "/nosuch.params"))
open(folder + "/bad.params", "wb").write(b"hello"); attempt(lambda: n.load_parameters(folder + "/bad.params"))
attempt(lambda: five().load_parameters(folder + "/full.params"))
attempt(lambda: five().collect_params().load(folder + "/full.params"))
attempt(lambda: five().collect_params().load(folder + "/short.params", restore_prefix="other_"))
attempt(lambda: five().collect_params().load(folder + "/full.params", ignore_extra=True, allow_missing=True))
n = five(); n.initialize(); attempt(lambda: n.collect_params().save(folder + "/x.params", strip_prefix="zzz"))
attempt(lambda: five().save_parameters(folder + "/x.params"))
n = nn.Dense(3); n.initialize(); attempt(lambda: n.save_parameters(folder + "/x.params"))
"""
    )
    there = oracle.run(code, ["log"])["log"]
    here = run_here(code)["log"]
    assert [(n, a) for n, a in enumerate(here)] == [(n, b) for n, b in enumerate(there)]
