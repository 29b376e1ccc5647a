"""Models, data and trainers as classes of their own, whose parameters are looked for by `dir()`."""
# ruff: noqa: F821, B006

import inspect


class HyperParameters:
    def save_hyperparameters(self, ignore=[]):
        frame = inspect.currentframe().f_back
        _, _, _, lv = inspect.getargvalues(frame)
        self.hparams = {k: v for k, v in lv.items() if k not in set(ignore + ["self"]) and not k.startswith("_")}
        for k, v in self.hparams.items():
            setattr(self, k, v)


class Board:
    def __init__(self, **k):
        self.p = []


class Module(nn.Block, HyperParameters):
    def __init__(self, plot_train_per_epoch=2, plot_valid_per_epoch=1):
        super().__init__()
        self.save_hyperparameters()
        self.board = Board()

    def loss(self, y_hat, y):
        raise NotImplementedError

    def forward(self, X):
        assert hasattr(self, "net")
        return self.net(X)

    def training_step(self, batch):
        l = self.loss(self(*batch[:-1]), batch[-1])
        self.trainer.log.append(float(l))
        return l

    def validation_step(self, batch):
        l = self.loss(self(*batch[:-1]), batch[-1])
        self.trainer.vlog.append(float(l))

    def configure_optimizers(self):
        params = self.parameters()
        if isinstance(params, list):
            return SGD(params, self.lr)
        return gluon.Trainer(params, "sgd", {"learning_rate": self.lr})

    def get_scratch_params(self):
        params = []
        for attr in dir(self):
            a = getattr(self, attr)
            if isinstance(a, np.ndarray):
                params.append(a)
            if isinstance(a, Module):
                params.extend(a.get_scratch_params())
        return params

    def parameters(self):
        params = self.collect_params()
        return (
            params
            if isinstance(params, gluon.parameter.ParameterDict) and len(params.keys())
            else self.get_scratch_params()
        )


class SGD(HyperParameters):
    def __init__(self, params, lr):
        self.save_hyperparameters()

    def step(self, _):
        for p in self.params:
            p -= self.lr * p.grad


class DataModule(HyperParameters):
    def get_tensorloader(self, tensors, train, indices=slice(0, None)):
        tensors = tuple(a[indices] for a in tensors)
        return gluon.data.DataLoader(gluon.data.ArrayDataset(*tensors), self.batch_size, shuffle=False)


class Syn(DataModule):
    def __init__(self, w, b, num_train=60, num_val=20, batch_size=16):
        super().__init__()
        self.save_hyperparameters()
        n = num_train + num_val
        self.X = rnd(n, len(w))
        self.y = np.dot(self.X, w.reshape((-1, 1))) + b + rnd(n, 1) * 0.01

    def get_dataloader(self, train):
        return self.get_tensorloader(
            (self.X, self.y), train, slice(0, self.num_train) if train else slice(self.num_train, None)
        )


class Trainer(HyperParameters):
    def __init__(self, max_epochs, gradient_clip_val=0):
        self.save_hyperparameters()
        self.log = []
        self.vlog = []

    def fit(self, model, data):
        model.trainer = self
        self.model = model
        self.tr = data.get_dataloader(True)
        self.va = data.get_dataloader(False)
        self.optim = model.configure_optimizers()
        for _ in range(self.max_epochs):
            for b in self.tr:
                with autograd.record():
                    l = self.model.training_step(b)
                l.backward()
                if self.gradient_clip_val > 0:
                    self.clip(self.gradient_clip_val, self.model)
                self.optim.step(1)
            for b in self.va:
                self.model.validation_step(b)

    def clip(self, v, model):
        params = model.parameters()
        if not isinstance(params, list):
            params = [p.data() for p in params.values()]
        norm = math.sqrt(sum((p.grad**2).sum() for p in params))
        if norm > v:
            for p in params:
                p.grad[:] *= v / norm


class LRScratch(Module):
    def __init__(self, num_inputs, lr, sigma=0.01):
        super().__init__()
        self.save_hyperparameters()
        self.w = rnd(num_inputs, 1) * sigma
        self.b = np.zeros(1)
        self.w.attach_grad()
        self.b.attach_grad()

    def forward(self, X):
        return np.matmul(X, self.w) + self.b

    def loss(self, y_hat, y):
        l = (y_hat - y) ** 2 / 2
        return l.mean()


data = Syn(w=np.array([2, -3.4]), b=4.2)
m = LRScratch(2, lr=0.1)
t_ = Trainer(3)
t_.fit(m, data)
res["s"] = [t_.log, t_.vlog, m.w, m.b, len(m.parameters())]
t_ = Trainer(2, gradient_clip_val=0.5)
m = LRScratch(2, lr=0.1)
t_.fit(m, data)
res["sc"] = [t_.log, m.w]


class LR(Module):
    def __init__(self, lr):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Dense(1)
        self.net.initialize(init.Normal(sigma=0.01))

    def forward(self, X):
        return self.net(X)

    def loss(self, y_hat, y):
        fn = gluon.loss.L2Loss()
        return fn(y_hat, y).mean()

    def get_w_b(self):
        return self.net.weight.data(), self.net.bias.data()


m = LR(0.1)
m(data.X[:2])
fill(m)
t_ = Trainer(3, gradient_clip_val=1)
t_.fit(m, data)
res["c"] = [t_.log, t_.vlog, *m.get_w_b()]


class WD(LR):
    def __init__(self, wd, lr):
        super().__init__(lr)
        self.save_hyperparameters()
        self.wd = wd

    def configure_optimizers(self):
        self.collect_params(".*bias").setattr("wd_mult", 0)
        return gluon.Trainer(self.collect_params(), "sgd", {"learning_rate": self.lr, "wd": self.wd})


m = WD(3, 0.01)
m(data.X[:2])
fill(m)
t_ = Trainer(2)
t_.fit(m, data)
res["wd"] = [t_.log, *m.get_w_b()]


class Classifier(Module):
    def accuracy(self, Y_hat, Y, averaged=True):
        Y_hat = Y_hat.reshape((-1, Y_hat.shape[-1]))
        preds = Y_hat.argmax(axis=1).astype(Y.dtype)
        compare = (preds == Y.reshape(-1)).astype(np.float32)
        return compare.mean() if averaged else compare

    def loss(self, Y_hat, Y, averaged=True):
        Y_hat = Y_hat.reshape((-1, Y_hat.shape[-1]))
        Y = Y.reshape((-1,))
        fn = gluon.loss.SoftmaxCrossEntropyLoss()
        l = fn(Y_hat, Y)
        return l.mean() if averaged else l

    def layer_summary(self, X_shape):
        X = np.random.randn(*X_shape)
        o = []
        for layer in self.net:
            X = layer(X)
            o.append((layer.__class__.__name__, X.shape))
        return o


class MLP(Classifier):
    def __init__(self, num_outputs, num_hiddens, lr):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential()
        self.net.add(nn.Dense(num_hiddens, activation="relu"), nn.Dense(num_outputs))
        self.net.initialize()


m = MLP(3, 8, 0.1)
X = rnd(10, 4)
Y = np.array(RS.randint(0, 3, 10))
m(X)
fill(m)
res["mlp"] = [m.loss(m(X), Y), m.accuracy(m(X), Y), m.layer_summary((1, 4))]


class RNNScratch(Module):
    def __init__(self, num_inputs, num_hiddens, sigma=0.01):
        super().__init__()
        self.save_hyperparameters()
        self.W_xh = rnd(num_inputs, num_hiddens) * sigma
        self.W_hh = rnd(num_hiddens, num_hiddens) * sigma
        self.b_h = np.zeros(num_hiddens)

    def forward(self, inputs, state=None):
        if state is not None:
            (state,) = state
        outputs = []
        for X in inputs:
            state = np.tanh(
                np.matmul(X, self.W_xh) + (np.matmul(state, self.W_hh) if state is not None else 0) + self.b_h
            )
            outputs.append(state)
        return outputs, state


class RNNLMScratch(Classifier):
    def __init__(self, rnn_, vocab_size, lr=0.01):
        super().__init__()
        self.save_hyperparameters()
        self.W_hq = rnd(self.rnn_.num_hiddens, self.vocab_size) * 0.1
        self.b_q = np.zeros(self.vocab_size)
        for p in self.get_scratch_params():
            p.attach_grad()

    def one_hot(self, X):
        return npx.one_hot(X.T, self.vocab_size)

    def output_layer(self, o):
        return np.stack([np.matmul(H, self.W_hq) + self.b_q for H in o], 1)

    def forward(self, X, state=None):
        o, _ = self.rnn_(self.one_hot(X), state)
        return self.output_layer(o)


class D2(DataModule):
    def __init__(self):
        self.batch_size = 8
        self.c = np.array(RS.randint(0, 7, (40, 6)))

    def get_dataloader(self, train):
        return self.get_tensorloader((self.c[:, :-1], self.c[:, 1:]), train)


m = RNNLMScratch(RNNScratch(7, 5), 7, lr=1)
t_ = Trainer(2, gradient_clip_val=1)
t_.fit(m, D2())
res["rnnlm"] = [t_.log, m.W_hq, len(m.parameters())]


class RNNg(Module):
    def __init__(self, nh):
        super().__init__()
        self.save_hyperparameters()
        self.rnn_ = rnn.RNN(nh)

    def forward(self, inputs, H=None):
        if H is None:
            (H,) = self.rnn_.begin_state(inputs.shape[1], ctx=inputs.ctx)
        outputs, (H,) = self.rnn_(inputs, (H,))
        return outputs, H


assert len(m.parameters()) == 5
g = RNNg(4)
g.initialize()
g(rnd(3, 2, 5))
fill(g)
o, h = g(rnd(3, 2, 5))
res["g"] = [o, h]
res["g"].append(o.shape)
