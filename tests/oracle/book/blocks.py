"""Blocks, parameters, initializers, files, several contexts, optimizers, data."""
# ruff: noqa: F821, B007

# layers and blocks chapter, parameters, custom layers, io
X = rnd(2, 20)


class MLP(nn.Block):
    def __init__(self, **kw):
        super().__init__(**kw)
        self.hidden = nn.Dense(16, activation="relu")
        self.out = nn.Dense(10)

    def forward(self, X):
        return self.out(self.hidden(X))


net = MLP()
net.initialize()
net(X)
fill(net)
res["mlp"] = net(X)


class MySequential(nn.Block):
    def add(self, block):
        self._children[block.name] = block

    def forward(self, X):
        for b in self._children.values():
            X = b(X)
        return X


net = MySequential()
net.add(nn.Dense(16, activation="relu"))
net.add(nn.Dense(10))
net.initialize()
res["ms"] = [net(X).shape]


class FixedHidden(nn.Block):
    def __init__(self, **kw):
        super().__init__(**kw)
        self.rand_weight = self.params.get_constant("rand_weight", np.ones((20, 20)) * 0.1)
        self.dense = nn.Dense(20, activation="relu")

    def forward(self, X):
        X = self.dense(X)
        X = npx.relu(np.dot(X, self.rand_weight.data()) + 1)
        X = self.dense(X)
        while np.abs(X).sum() > 1:
            X /= 2
        return X.sum()


net = FixedHidden()
net.initialize()
net(X)
net.dense.weight.set_data(np.ones((20, 20)) * 0.05)
net.dense.bias.set_data(np.zeros(20))
res["fh"] = [net(X), type(net.rand_weight.data()).__name__]
net = nn.Sequential()
net.add(nn.Dense(8, activation="relu"))
net.add(nn.Dense(1))
net.initialize()
X = rnd(2, 4)
net(X)
res["pt"] = [
    sorted(net[1].params.keys())[0].split("_")[-1],
    type(net[1].bias).__name__,
    net[1].bias.data(),
    net[1].weight.grad(),
    sorted(k.split("_")[-1] for k in net.collect_params()),
    net.collect_params()[net[1].bias.name].data(),
]
net.initialize(init=init.Constant(1), force_reinit=True)
res["ic"] = net[0].weight.data()[0]
net[0].weight.initialize(init=init.Xavier(), force_reinit=True)
net[1].initialize(init=init.Constant(42), force_reinit=True)
res["i42"] = net[1].weight.data()[0, 0]


class MyInit(init.Initializer):
    def _init_weight(self, name, data):
        data[:] = np.random.uniform(-10, 10, data.shape)
        data *= np.abs(data) >= 5


net.initialize(MyInit(), force_reinit=True)
w = net[0].weight.data()
res["mi"] = [w.shape, bool(((np.abs(w) >= 5) | (w == 0)).all()), type(w).__name__]
net[0].weight.data()[:] += 1
net[0].weight.data()[0, 0] = 42
res["m0"] = net[0].weight.data()[0, 0]
sh = nn.Dense(8, activation="relu")
net = nn.Sequential()
net.add(nn.Dense(8, activation="relu"), sh, nn.Dense(8, activation="relu", params=sh.params), nn.Dense(10))
net.initialize()
net(rnd(2, 20))
res["tied"] = bool((net[1].weight.data()[0] == net[2].weight.data()[0]).all())
net[1].weight.data()[0, 0] = 100
res["tied2"] = float(net[2].weight.data()[0, 0])


class Centered(nn.Block):
    def __init__(self, **kw):
        super().__init__(**kw)

    def forward(self, X):
        return X - X.mean()


l = Centered()
res["cl"] = l(np.array([1, 2, 3, 4, 5]))


class MyDense(nn.Block):
    def __init__(self, units, in_units, **kw):
        super().__init__(**kw)
        self.weight = self.params.get("weight", shape=(in_units, units))
        self.bias = self.params.get("bias", shape=(units,))

    def forward(self, x):
        return npx.relu(np.dot(x, self.weight.data(ctx=x.ctx)) + self.bias.data(ctx=x.ctx))


d = MyDense(units=3, in_units=5)
d.initialize()
fill(d)
res["md"] = d(rnd(2, 5))
res["mdp"] = sorted(k.split("_")[-1] for k in d.params)
net = MLP()
net.initialize()
X = rnd(2, 20)
Y = net(X)
net.save_parameters(folder + "/mlp.params")
c = MLP()
c.load_parameters(folder + "/mlp.params")
res["io"] = [bool((c(X) == Y).all()), type(c.out.weight.data()).__name__]
npx.save(folder + "/md", {"x": X, "y": Y})
res["ld"] = sorted(npx.load(folder + "/md"))
# deferred init
net = nn.Sequential()
net.add(nn.Dense(256, activation="relu"), nn.Dense(10))
res["def"] = [str(net.collect_params()[net[0].weight.name].shape)]
net.initialize()
net(rnd(2, 20))
res["def2"] = net[0].weight.shape


# hybridize
class HybridNet(nn.HybridBlock):
    def __init__(self, **kw):
        super().__init__(**kw)
        self.hidden = nn.Dense(4)
        self.output = nn.Dense(2)

    def hybrid_forward(self, F, x):
        x = F.npx.relu(self.hidden(x))
        return self.output(x)


net = HybridNet()
net.initialize()
x = rnd(1, 3)
net(x)
fill(net)
a = net(x)
net.hybridize()
b = net(x)
c_ = net(x)
res["hy"] = [a, b, c_]


def get_net():
    net = nn.HybridSequential()
    net.add(nn.Dense(16, activation="relu"), nn.Dense(8, activation="relu"), nn.Dense(2))
    net.initialize()
    return net


net = get_net()
net(rnd(1, 12))
fill(net)
x = rnd(1, 12)
a = net(x)
net.hybridize()
tr = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
for i in range(5):
    with autograd.record():
        l = (net(x) ** 2).mean()
    l.backward()
    tr.step(1)
res["hyt"] = [l] + params(net)
# multi device
net = nn.Sequential()
net.add(nn.Dense(3))
dev = [npx.cpu(0), npx.cpu(1)]
net.initialize(ctx=dev)
X = rnd(8, 5)
y = rnd(8, 3)
xs = gluon.utils.split_and_load(X, dev)
ys = gluon.utils.split_and_load(y, dev)
[net(x_) for x_ in xs]
fill(net)
L = gluon.loss.L2Loss()
tr = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
for _ in range(2):
    with autograd.record():
        ls = [L(net(x_), y_) for x_, y_ in zip(xs, ys)]
    for l in ls:
        l.backward()
    tr.step(8)
res["md2"] = [net[0].weight.data(d_) for d_ in dev] + [str(x_.ctx) for x_ in xs]


def allreduce(data):
    for i in range(1, len(data)):
        data[0][:] += data[i].copyto(data[0].ctx)
    for i in range(1, len(data)):
        data[0].copyto(data[i])


data = [np.ones((1, 2), ctx=npx.cpu(i)) * (i + 1) for i in range(2)]
allreduce(data)
res["allr"] = data
sp = gluon.utils.split_and_load(np.arange(20).reshape(4, 5), dev)
res["sp"] = sp


# optimisers from scratch
def adam(params, states, hp):
    b1, b2, eps = 0.9, 0.999, 1e-6
    for p, (v, s) in zip(params, states):
        v[:] = b1 * v + (1 - b1) * p.grad
        s[:] = b2 * s + (1 - b2) * np.square(p.grad)
        vb = v / (1 - b1 ** hp["t"])
        sb = s / (1 - b2 ** hp["t"])
        p[:] -= hp["lr"] * vb / (np.sqrt(sb) + eps)
    hp["t"] += 1


w = rnd(5, 1, scale=0.01)
b = np.zeros(1)
w.attach_grad()
b.attach_grad()
states = [(np.zeros((5, 1)), np.zeros((5, 1))), (np.zeros(1), np.zeros(1))]
hp = {"lr": 0.01, "t": 1}
X = rnd(20, 5)
y = rnd(20)
for i in range(4):
    with autograd.record():
        l = ((np.dot(X, w) + b - y.reshape(-1, 1)) ** 2 / 2).mean()
    l.backward()
    adam([w, b], states, hp)
res["adam"] = [w, b, l]
for o, h in (
    ("sgd", {"learning_rate": 0.05, "momentum": 0.5}),
    ("adagrad", {"learning_rate": 0.1}),
    ("rmsprop", {"learning_rate": 0.01, "gamma1": 0.9}),
    ("adadelta", {"rho": 0.9}),
    ("adam", {"learning_rate": 0.01}),
    ("nag", {"learning_rate": 0.01, "momentum": 0.9}),
    ("ftrl", {}),
    ("signum", {}),
    ("adamax", {}),
    ("nadam", {}),
):
    net = nn.Sequential()
    net.add(nn.Dense(1))
    net.initialize()
    net(X)
    fill(net)
    tr = gluon.Trainer(net.collect_params(), o, h)
    for i in range(3):
        with autograd.record():
            l = L(net(X), y)
        l.backward()
        tr.step(20)
    res["opt_" + o] = params(net)
sch = mx.lr_scheduler.FactorScheduler(step=2, factor=0.9, stop_factor_lr=1e-2, base_lr=2.0)
res["sch"] = [sch(t) for t in range(6)]


# data
class DS(gluon.data.Dataset):
    def __getitem__(self, i):
        return (np.ones(3) * i, np.array([i]), [i, i + 1])

    def __len__(self):
        return 5


for b in gluon.data.DataLoader(DS(), 2):
    pass
res["dl"] = [type(q).__name__ if not isinstance(q, list) else [type(z).__name__ for z in q] for q in b] + [
    [q.shape for q in b[:2]]
]
it = gluon.data.DataLoader(
    gluon.data.ArrayDataset(onp.arange(6).reshape(3, 2).astype("float32"), [1, 2, 3]), 2, last_batch="keep"
)
res["dl2"] = [[type(a).__name__, type(b_).__name__, a, b_, str(b_.dtype)] for a, b_ in it]
tf = gluon.data.vision.transforms.Compose(
    [gluon.data.vision.transforms.Resize(4), gluon.data.vision.transforms.ToTensor()]
)
im = np.array(RS.randint(0, 255, (6, 6, 3)).astype("uint8"))
o = tf(im)
res["tf"] = [type(o).__name__, o.shape, str(o.dtype)]
ds = gluon.data.ArrayDataset(np.array(RS.randint(0, 255, (4, 6, 6, 3)).astype("uint8")), np.arange(4)).transform_first(
    gluon.data.vision.transforms.ToTensor()
)
a, b_ = next(iter(gluon.data.DataLoader(ds, 2)))
res["tf2"] = [type(a).__name__, a, b_]
aug = [
    gluon.data.vision.transforms.RandomFlipLeftRight(),
    gluon.data.vision.transforms.RandomFlipTopBottom(),
    gluon.data.vision.transforms.RandomResizedCrop((4, 4), scale=(0.1, 1), ratio=(0.5, 2)),
    gluon.data.vision.transforms.RandomBrightness(0.5),
    gluon.data.vision.transforms.RandomHue(0.5),
    gluon.data.vision.transforms.RandomColorJitter(brightness=0.5, contrast=0.5, saturation=0.5, hue=0.5),
    gluon.data.vision.transforms.Normalize([0.5] * 3, [0.2] * 3),
]
res["aug"] = [[type(q).__name__, q.shape] for q in [f(im) for f in aug[:-1]]]
res["norm"] = aug[-1](o.astype("float32")).shape

res["eqs"] = [net.collect_params().keys().__len__(), len(net), [type(q).__name__ for q in net]]
net = nn.HybridSequential()
net.add(nn.Dense(2))
net.initialize()
res["pr"] = repr(nn.Dense(3, in_units=2))
