"""Recurrent nets, GRU and LSTM from scratch and with Gluon."""
# ruff: noqa: F821, B023, E731

V, H, B, T = 12, 8, 4, 6
corpus = RS.randint(0, V, 300)


def seq_iter(bs, T):
    nb = (len(corpus) - 1) // bs
    Xs = np.array(corpus[: nb * bs]).reshape(bs, -1)
    Ys = np.array(corpus[1 : nb * bs + 1]).reshape(bs, -1)
    for i in range(0, nb // T * T, T):
        yield Xs[:, i : i + T], Ys[:, i : i + T]


X, Y = next(seq_iter(B, T))
res["it"] = [X, Y, str(X.dtype)]
res["oh"] = npx.one_hot(np.array([0, 2]), V)
res["ohT"] = npx.one_hot(X.T, V).shape


class Scratch:
    def __init__(self, params, init_state, fwd):
        self.params, self.is_, self.fwd = params, init_state, fwd

    def __call__(self, X, state):
        return self.fwd(npx.one_hot(X.T, V), state, self.params)

    def begin_state(self, bs, ctx):
        return self.is_(bs, H, ctx)


def three():
    return rnd(V, H, scale=0.1), rnd(H, H, scale=0.1), np.zeros(H)


def get_rnn():
    p = [rnd(V, H, scale=0.1), rnd(H, H, scale=0.1), np.zeros(H), rnd(H, V, scale=0.1), np.zeros(V)]
    for q in p:
        q.attach_grad()
    return p


def rnn_fwd(inputs, state, params):
    Wxh, Whh, bh, Whq, bq = params
    (Hs,) = state
    out = []
    for X in inputs:
        Hs = np.tanh(np.dot(X, Wxh) + np.dot(Hs, Whh) + bh)
        out.append(np.dot(Hs, Whq) + bq)
    return np.concatenate(out, axis=0), (Hs,)


def get_gru():
    p = [*three(), *three(), *three(), rnd(H, V, scale=0.1), np.zeros(V)]
    for q in p:
        q.attach_grad()
    return p


def gru_fwd(inputs, state, params):
    Wxz, Whz, bz, Wxr, Whr, br, Wxh, Whh, bh, Whq, bq = params
    (Hs,) = state
    out = []
    for X in inputs:
        Z = npx.sigmoid(np.dot(X, Wxz) + np.dot(Hs, Whz) + bz)
        R = npx.sigmoid(np.dot(X, Wxr) + np.dot(Hs, Whr) + br)
        Ht = np.tanh(np.dot(X, Wxh) + np.dot(R * Hs, Whh) + bh)
        Hs = Z * Hs + (1 - Z) * Ht
        out.append(np.dot(Hs, Whq) + bq)
    return np.concatenate(out, axis=0), (Hs,)


def get_lstm():
    p = [*three(), *three(), *three(), *three(), rnd(H, V, scale=0.1), np.zeros(V)]
    for q in p:
        q.attach_grad()
    return p


def lstm_fwd(inputs, state, params):
    Wxi, Whi, bi, Wxf, Whf, bf, Wxo, Who, bo, Wxc, Whc, bc, Whq, bq = params
    Hs, C = state
    out = []
    for X in inputs:
        I = npx.sigmoid(np.dot(X, Wxi) + np.dot(Hs, Whi) + bi)
        F = npx.sigmoid(np.dot(X, Wxf) + np.dot(Hs, Whf) + bf)
        O = npx.sigmoid(np.dot(X, Wxo) + np.dot(Hs, Who) + bo)
        Ct = np.tanh(np.dot(X, Wxc) + np.dot(Hs, Whc) + bc)
        C = F * C + I * Ct
        Hs = O * np.tanh(C)
        out.append(np.dot(Hs, Whq) + bq)
    return np.concatenate(out, axis=0), (Hs, C)


one = lambda bs, h, ctx: (np.zeros(shape=(bs, h), ctx=ctx),)
two = lambda bs, h, ctx: (np.zeros((bs, h), ctx=ctx), np.zeros((bs, h), ctx=ctx))
loss = gluon.loss.SoftmaxCrossEntropyLoss()


def train(net, upd):
    state = None
    ls = []
    for X, Y in seq_iter(B, T):
        if state is None:
            state = (
                net.begin_state(B, npx.cpu())
                if isinstance(net, Scratch)
                else net.begin_state(batch_size=B, ctx=npx.cpu())
            )
        else:
            for s in state:
                s.detach()
        y = Y.T.reshape(-1)
        with autograd.record():
            yh, state = net(X, state)
            l = loss(yh, y).mean()
        l.backward()
        grad_clipping(net, 1)
        upd(1)
        ls.append(float(l))
    return ls + [math.exp(ls[-1])]


def pred(net, prefix):
    state = net.begin_state(1, npx.cpu()) if isinstance(net, Scratch) else net.begin_state(batch_size=1, ctx=npx.cpu())
    outs = [prefix[0]]
    gi = lambda: np.array([outs[-1]], ctx=npx.cpu()).reshape((1, 1))
    for p in prefix[1:]:
        _, state = net(gi(), state)
        outs.append(p)
    for _ in range(4):
        y, state = net(gi(), state)
        outs.append(int(y.argmax(axis=1).reshape(1)))
    return outs


for name, g, i, f in (
    ("rnn", get_rnn, one, rnn_fwd),
    ("gru", get_gru, one, gru_fwd),
    ("lstm", get_lstm, two, lstm_fwd),
):
    net = Scratch(g(), i, f)

    def upd(bs):
        for p in net.params:
            p[:] = p - 0.5 * p.grad / bs

    res[name] = train(net, upd)
    res[name + "p"] = pred(net, [1, 2, 3])


class RNNModel(nn.Block):
    def __init__(self, layer, V, **kw):
        super().__init__(**kw)
        self.rnn = layer
        self.V = V
        self.dense = nn.Dense(V)

    def forward(self, inputs, state):
        X = npx.one_hot(inputs.T, self.V)
        Y, state = self.rnn(X, state)
        return self.dense(Y.reshape(-1, Y.shape[-1])), state

    def begin_state(self, *a, **k):
        return self.rnn.begin_state(*a, **k)


for name, L in (("RNN", rnn.RNN(H)), ("GRU", rnn.GRU(H)), ("LSTM", rnn.LSTM(H, 2))):
    net = RNNModel(L, V)
    net.initialize(force_reinit=True, init=init.Normal(0.01))
    net(X, net.begin_state(batch_size=B))
    fill(net, scale=0.1)
    tr = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
    res["c" + name] = train(net, lambda bs: tr.step(bs))
    res["cp" + name] = pred(net, [1, 2, 3])
    res["cw" + name] = params(net)
st = rnn.LSTM(H).begin_state(batch_size=2)
res["st"] = [[s.shape for s in st], [type(s).__name__ for s in st]]
