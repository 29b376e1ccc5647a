"""Attention, sequence to sequence, Transformer, BERT in small."""
# ruff: noqa: F821, E731


def masked_softmax(X, valid_lens):
    if valid_lens is None:
        return npx.softmax(X)
    shape = X.shape
    if valid_lens.ndim == 1:
        valid_lens = valid_lens.repeat(shape[1])
    else:
        valid_lens = valid_lens.reshape(-1)
    X = npx.sequence_mask(X.reshape(-1, shape[-1]), valid_lens, True, value=-1e6, axis=1)
    return npx.softmax(X).reshape(shape)


res["ms"] = [masked_softmax(rnd(2, 2, 4), np.array([2, 3])), masked_softmax(rnd(2, 2, 4), np.array([[1, 3], [2, 4]]))]


class AdditiveAttention(nn.Block):
    def __init__(self, nh, dropout, **kw):
        super().__init__(**kw)
        self.W_k = nn.Dense(nh, use_bias=False, flatten=False)
        self.W_q = nn.Dense(nh, use_bias=False, flatten=False)
        self.w_v = nn.Dense(1, use_bias=False, flatten=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries, keys, values, valid_lens):
        queries, keys = self.W_q(queries), self.W_k(keys)
        features = np.expand_dims(queries, axis=2) + np.expand_dims(keys, axis=1)
        features = np.tanh(features)
        scores = np.squeeze(self.w_v(features), axis=-1)
        self.attention_weights = masked_softmax(scores, valid_lens)
        return npx.batch_dot(self.dropout(self.attention_weights), values)


class DotProductAttention(nn.Block):
    def __init__(self, dropout, **kw):
        super().__init__(**kw)
        self.dropout = nn.Dropout(dropout)

    def forward(self, q, k, v, valid_lens=None):
        d = q.shape[-1]
        scores = npx.batch_dot(q, k, transpose_b=True) / math.sqrt(d)
        self.attention_weights = masked_softmax(scores, valid_lens)
        return npx.batch_dot(self.dropout(self.attention_weights), v)


q, k = rnd(2, 1, 20), np.ones((2, 10, 2))
v = np.arange(40).reshape(1, 10, 4).repeat(2, axis=0)
vl = np.array([2, 6])
a = AdditiveAttention(8, 0.1)
a.initialize()
a(q, k, v, vl)
fill(a)
res["add"] = [a(q, k, v, vl), a.attention_weights]
a = DotProductAttention(0.5)
a.initialize()
res["dp"] = a(rnd(2, 1, 2), k, v, vl)


def transpose_qkv(X, h):
    X = X.reshape(X.shape[0], X.shape[1], h, -1)
    X = X.transpose(0, 2, 1, 3)
    return X.reshape(-1, X.shape[2], X.shape[3])


def transpose_output(X, h):
    X = X.reshape(-1, h, X.shape[1], X.shape[2])
    X = X.transpose(0, 2, 1, 3)
    return X.reshape(X.shape[0], X.shape[1], -1)


class MHA(nn.Block):
    def __init__(self, nh, h, dropout, use_bias=False, **kw):
        super().__init__(**kw)
        self.h = h
        self.attention = DotProductAttention(dropout)
        self.W_q, self.W_k, self.W_v, self.W_o = [nn.Dense(nh, use_bias=use_bias, flatten=False) for _ in range(4)]

    def forward(self, q, k, v, vl):
        q, k, v = [transpose_qkv(f(x), self.h) for f, x in ((self.W_q, q), (self.W_k, k), (self.W_v, v))]
        if vl is not None:
            vl = vl.repeat(self.h, axis=0)
        return self.W_o(transpose_output(self.attention(q, k, v, vl), self.h))


class PositionalEncoding(nn.Block):
    def __init__(self, nh, dropout, max_len=50):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.P = np.zeros((1, max_len, nh))
        X = np.arange(max_len).reshape(-1, 1) / np.power(10000, np.arange(0, nh, 2) / nh)
        self.P[:, :, 0::2] = np.sin(X)
        self.P[:, :, 1::2] = np.cos(X)

    def forward(self, X):
        X = X + self.P[:, : X.shape[1], :].as_in_ctx(X.ctx)
        return self.dropout(X)


class FFN(nn.Block):
    def __init__(self, nf, no, **kw):
        super().__init__(**kw)
        self.d1 = nn.Dense(nf, flatten=False, activation="relu")
        self.d2 = nn.Dense(no, flatten=False)

    def forward(self, X):
        return self.d2(self.d1(X))


class AddNorm(nn.Block):
    def __init__(self, dropout, **kw):
        super().__init__(**kw)
        self.dropout = nn.Dropout(dropout)
        self.ln = nn.LayerNorm()

    def forward(self, X, Y):
        return self.ln(self.dropout(Y) + X)


class EncoderBlock(nn.Block):
    def __init__(self, nh, nf, h, dropout, use_bias=False, **kw):
        super().__init__(**kw)
        self.attention = MHA(nh, h, dropout, use_bias)
        self.a1 = AddNorm(dropout)
        self.ffn = FFN(nf, nh)
        self.a2 = AddNorm(dropout)

    def forward(self, X, vl):
        Y = self.a1(X, self.attention(X, X, X, vl))
        return self.a2(Y, self.ffn(Y))


class TEncoder(nn.Block):
    def __init__(self, V, nh, nf, h, nl, dropout, **kw):
        super().__init__(**kw)
        self.nh = nh
        self.embedding = nn.Embedding(V, nh)
        self.pos = PositionalEncoding(nh, dropout)
        self.blks = nn.Sequential()
        for _ in range(nl):
            self.blks.add(EncoderBlock(nh, nf, h, dropout))

    def forward(self, X, vl, *a):
        X = self.pos(self.embedding(X) * math.sqrt(self.nh))
        self.attention_weights = [None] * len(self.blks)
        for i, b in enumerate(self.blks):
            X = b(X, vl)
            self.attention_weights[i] = b.attention.attention.attention_weights
        return X


class DecoderBlock(nn.Block):
    def __init__(self, nh, nf, h, dropout, i, **kw):
        super().__init__(**kw)
        self.i = i
        self.at1 = MHA(nh, h, dropout)
        self.an1 = AddNorm(dropout)
        self.at2 = MHA(nh, h, dropout)
        self.an2 = AddNorm(dropout)
        self.ffn = FFN(nf, nh)
        self.an3 = AddNorm(dropout)

    def forward(self, X, state):
        enc, vl = state[0], state[1]
        kv = X if state[2][self.i] is None else np.concatenate((state[2][self.i], X), axis=1)
        state[2][self.i] = kv
        if autograd.is_training():
            bs, ns, _ = X.shape
            dvl = np.tile(np.arange(1, ns + 1, ctx=X.ctx), (bs, 1))
        else:
            dvl = None
        X2 = self.at1(X, kv, kv, dvl)
        Y = self.an1(X, X2)
        Y2 = self.at2(Y, enc, enc, vl)
        Z = self.an2(Y, Y2)
        return self.an3(Z, self.ffn(Z)), state


class TDecoder(nn.Block):
    def __init__(self, V, nh, nf, h, nl, dropout, **kw):
        super().__init__(**kw)
        self.nh, self.nl = nh, nl
        self.embedding = nn.Embedding(V, nh)
        self.pos = PositionalEncoding(nh, dropout)
        self.blks = nn.Sequential()
        for i in range(nl):
            self.blks.add(DecoderBlock(nh, nf, h, dropout, i))
        self.dense = nn.Dense(V, flatten=False)

    def init_state(self, enc, vl, *a):
        return [enc, vl, [None] * self.nl]

    def forward(self, X, state):
        X = self.pos(self.embedding(X) * math.sqrt(self.nh))
        for b in self.blks:
            X, state = b(X, state)
        return self.dense(X), state


class EncDec(nn.Block):
    def __init__(self, e, d, **kw):
        super().__init__(**kw)
        self.encoder = e
        self.decoder = d

    def forward(self, ex, dx, *a):
        eo = self.encoder(ex, *a)
        return self.decoder(dx, self.decoder.init_state(eo, *a))


class MaskedSoftmaxCELoss(gluon.loss.SoftmaxCELoss):
    def forward(self, pred, label, valid_len):
        weights = np.expand_dims(np.ones_like(label), axis=-1)
        weights = npx.sequence_mask(weights, valid_len, True, axis=1)
        return super().forward(pred, label, weights)


l = MaskedSoftmaxCELoss()
res["msl"] = l(np.ones((3, 4, 10)), np.ones((3, 4)), np.array([4, 2, 0]))
V = 11
X = np.array(RS.randint(1, V, (4, 5)).astype("float32"))
Y = np.array(RS.randint(1, V, (4, 6)).astype("float32"))
xl = np.array([5, 3, 2, 4])
yl = np.array([6, 2, 4, 3])


def train(net, n=3):
    tr = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.005})
    out = []
    for _ in range(n):
        bos = np.array([1] * Y.shape[0]).reshape(-1, 1)
        dec = np.concatenate([bos, Y[:, :-1]], 1)
        with autograd.record():
            yh, _s = net(X, dec, xl)
            ls = l(yh, Y, yl)
        ls.backward()
        grad_clipping(net, 1)
        nt = yl.sum()
        tr.step(nt)
        out.append(ls)
    return out


net = EncDec(TEncoder(V, 8, 16, 2, 2, 0.0), TDecoder(V, 8, 16, 2, 2, 0.0))
net.initialize(init.Xavier())
net(X, Y, xl)
fill(net, scale=0.2)
res["tr"] = train(net)


def predict(net, src, sl, steps=4):
    es = net.encoder(np.expand_dims(src, axis=0), sl)
    st = net.decoder.init_state(es, sl)
    d = np.expand_dims(np.array([1]), axis=0)
    o = []
    for _ in range(steps):
        y, st = net.decoder(d, st)
        d = y.argmax(axis=2)
        p = d.squeeze(axis=0).astype("int32").item()
        o.append(p)
    return o


res["pred"] = predict(net, X[0], np.array([5]))
res["aw"] = net.encoder.attention_weights


class S2SEncoder(nn.Block):
    def __init__(self, V, es, nh, nl, dropout=0, **kw):
        super().__init__(**kw)
        self.embedding = nn.Embedding(V, es)
        self.rnn = rnn.GRU(nh, nl, dropout=dropout)

    def forward(self, X, *a):
        X = self.embedding(X)
        X = X.swapaxes(0, 1)
        state = self.rnn.begin_state(batch_size=X.shape[1], ctx=X.ctx)
        return self.rnn(X, state)


class S2SDecoder(nn.Block):
    def __init__(self, V, es, nh, nl, dropout=0, **kw):
        super().__init__(**kw)
        self.embedding = nn.Embedding(V, es)
        self.rnn = rnn.GRU(nh, nl, dropout=dropout)
        self.dense = nn.Dense(V, flatten=False)

    def init_state(self, eo, *a):
        return eo[1]

    def forward(self, X, state):
        X = self.embedding(X).swapaxes(0, 1)
        c = state[0][-1]
        c = np.broadcast_to(c, (X.shape[0], c.shape[0], c.shape[1]))
        Xc = np.concatenate((X, c), 2)
        o, state = self.rnn(Xc, state)
        return self.dense(o).swapaxes(0, 1), state


net = EncDec(S2SEncoder(V, 8, 6, 2), S2SDecoder(V, 8, 6, 2))
net.initialize(init.Xavier())
net(X, Y, xl)
fill(net, scale=0.2)
res["s2s"] = train(net) + [net.encoder(X)[0]]


class AttDecoder(nn.Block):
    def __init__(self, V, es, nh, nl, dropout=0, **kw):
        super().__init__(**kw)
        self.attention = AdditiveAttention(nh, dropout)
        self.embedding = nn.Embedding(V, es)
        self.rnn = rnn.GRU(nh, nl, dropout=dropout)
        self.dense = nn.Dense(V, flatten=False)

    def init_state(self, eo, vl, *a):
        o, h = eo
        return o.swapaxes(0, 1), h, vl

    def forward(self, X, state):
        eo, h, vl = state
        X = self.embedding(X).swapaxes(0, 1)
        outs, self._aw = [], []
        for x in X:
            q = np.expand_dims(h[0][-1], axis=1)
            c = self.attention(q, eo, eo, vl)
            x = np.concatenate((c, np.expand_dims(x, axis=1)), axis=-1)
            o, h = self.rnn(x.swapaxes(0, 1), h)
            h = [h] if not isinstance(h, (list, tuple)) else h
            outs.append(o)
            self._aw.append(self.attention.attention_weights)
        outs = self.dense(np.concatenate(outs, axis=0))
        return outs.swapaxes(0, 1), [eo, h, vl]


net = EncDec(S2SEncoder(V, 8, 6, 2), AttDecoder(V, 8, 6, 2))
net.initialize(init.Xavier())
net(X, Y, xl)
fill(net, scale=0.2)
res["att"] = train(net)
# Nadaraya-Watson
x_train = np.sort(np.array(RS.rand(10) * 5))
f = lambda x: 2 * np.sin(x) + x**0.8
y_train = f(x_train)
x_test = np.arange(0, 5, 0.5)
X_rep = x_test.repeat(10).reshape((-1, 10))
aw = npx.softmax(-((X_rep - x_train) ** 2) / 2)
res["nw"] = [np.dot(aw, y_train), y_train.mean()]


class NW(nn.Block):
    def __init__(self, **kw):
        super().__init__(**kw)
        self.w = self.params.get("w", shape=(1,))

    def forward(self, q, k, v):
        q = q.repeat(k.shape[1]).reshape((-1, k.shape[1]))
        self.aw = npx.softmax(-(((q - k) * self.w.data()) ** 2) / 2)
        return npx.batch_dot(np.expand_dims(self.aw, 1), np.expand_dims(v, -1)).reshape(-1)


n = NW()
n.initialize()
fill(n)
Xt = np.tile(x_train, (10, 1))
eye = (1 - np.eye(10)).astype("bool")
keys = Xt[eye].reshape((10, -1))
vals = np.tile(y_train, (10, 1))[eye].reshape((10, -1))
L2 = gluon.loss.L2Loss()
tr = gluon.Trainer(n.collect_params(), "sgd", {"learning_rate": 0.5})
for _ in range(3):
    with autograd.record():
        lo = L2(n(x_train, keys, vals), y_train)
    lo.backward()
    tr.step(1)
res["nwp"] = [float(lo.sum())] + params(n)


# BERT-ish
class BERTEncoder(nn.Block):
    def __init__(self, V, nh, nf, h, nl, dropout, max_len=20, **kw):
        super().__init__(**kw)
        self.te = nn.Embedding(V, nh)
        self.se = nn.Embedding(2, nh)
        self.blks = nn.Sequential()
        for _ in range(nl):
            self.blks.add(EncoderBlock(nh, nf, h, dropout, True))
        self.pe = self.params.get("pos_embedding", shape=(1, max_len, nh))

    def forward(self, tok, seg, vl):
        X = self.te(tok) + self.se(seg)
        X = X + self.pe.data(ctx=X.ctx)[:, : X.shape[1], :]
        for b in self.blks:
            X = b(X, vl)
        return X


class MaskLM(nn.Block):
    def __init__(self, V, nh, **kw):
        super().__init__(**kw)
        self.mlp = nn.Sequential()
        self.mlp.add(nn.Dense(nh, flatten=False, activation="relu"))
        self.mlp.add(nn.LayerNorm())
        self.mlp.add(nn.Dense(V, flatten=False))

    def forward(self, X, pp):
        npp = pp.shape[1]
        pp = pp.reshape(-1)
        bs = X.shape[0]
        bi = np.arange(0, bs)
        bi = np.repeat(bi, npp)
        mX = X[bi, pp]
        mX = mX.reshape((bs, npp, -1))
        return self.mlp(mX)


class BERT(nn.Block):
    def __init__(self):
        super().__init__()
        self.encoder = BERTEncoder(V, 8, 16, 2, 2, 0.0)
        self.hidden = nn.Dense(8, activation="tanh")
        self.mlm = MaskLM(V, 8)
        self.nsp = nn.Dense(2)

    def forward(self, t, s, vl, pp):
        e = self.encoder(t, s, vl)
        return e, self.mlm(e, pp), self.nsp(self.hidden(e[:, 0, :]))


net = BERT()
net.initialize(init.Xavier())
tok = np.array(RS.randint(0, V, (2, 8)))
seg = np.array([[0, 0, 0, 0, 1, 1, 1, 1]] * 2)
pp = np.array([[1, 5, 2], [6, 1, 5]])
mw = np.array([[1.0, 1, 0], [1, 1, 1]])
my = np.array([[7, 8, 9], [1, 2, 3]])
ny = np.array([0, 1])
vl = np.array([8, 6])
net(tok, seg, vl, pp)
fill(net, scale=0.2)
loss = gluon.loss.SoftmaxCELoss()
tr = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
for _ in range(2):
    with autograd.record():
        _e, mp, np_ = net(tok, seg, vl, pp)
        ml = loss(mp.reshape((-1, V)), my.reshape(-1), mw.reshape((-1, 1))).sum() / (mw.sum() + 1e-8)
        nl = loss(np_, ny).mean()
        L = ml + nl
    L.backward()
    tr.step(1)
res["bert"] = [L, mp, np_]
