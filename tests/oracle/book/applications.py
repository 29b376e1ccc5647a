"""Word vectors, texts, SSD, GAN, style transfer, recommender systems."""
# ruff: noqa: F821, E731

# word2vec
V = 20


def skip_gram(center, ctxneg, ev, eu):
    v = ev(center)
    u = eu(ctxneg)
    return npx.batch_dot(v, u.swapaxes(1, 2))


class SigmoidBCELoss(gluon.HybridBlock):
    def __init__(self):
        super().__init__()
        self.loss = gluon.loss.SigmoidBCELoss()

    def hybrid_forward(self, F, pred, label, mask):
        return self.loss(pred, label, mask)


net = nn.Sequential()
net.add(nn.Embedding(input_dim=V, output_dim=6), nn.Embedding(input_dim=V, output_dim=6))
net.initialize()
c = np.array(RS.randint(0, V, (4, 1)))
cn = np.array(RS.randint(0, V, (4, 7)))
m = np.array(RS.randint(0, 2, (4, 7)).astype("float32"))
m[:, 0] = 1
lab = np.array(RS.randint(0, 2, (4, 7)).astype("float32"))
skip_gram(c, cn, net[0], net[1])
fill(net)
loss = gluon.loss.SigmoidBCELoss()
tr = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.01})
for _ in range(3):
    with autograd.record():
        pred = skip_gram(c, cn, net[0], net[1])
        l = loss(pred.reshape(lab.shape), lab, m) * m.shape[1] / m.sum(axis=1)
    l.backward()
    tr.step(4)
res["w2v"] = [l] + params(net)
W = net[0].weight.data()
x = W[3]
cos = np.dot(W, x) / np.sqrt(np.sum(W * W, axis=1) * np.sum(x * x) + 1e-9)
tk = npx.topk(cos, k=4, ret_typ="indices").asnumpy().astype("int32")
res["sim"] = [cos, tk.tolist()]


# sentiment: birnn and textcnn
class BiRNN(nn.Block):
    def __init__(self, V, e, h, n, **kw):
        super().__init__(**kw)
        self.embedding = nn.Embedding(V, e)
        self.encoder = rnn.LSTM(h, num_layers=n, bidirectional=True, input_size=e)
        self.decoder = nn.Dense(2)

    def forward(self, x):
        e = self.embedding(x.T)
        o = self.encoder(e)
        return self.decoder(np.concatenate((o[0], o[-1]), axis=1))


class TextCNN(nn.Block):
    def __init__(self, V, e, ks, cs, **kw):
        super().__init__(**kw)
        self.embedding = nn.Embedding(V, e)
        self.ce = nn.Embedding(V, e)
        self.dropout = nn.Dropout(0.0)
        self.decoder = nn.Dense(2)
        self.pool = nn.GlobalMaxPool1D()
        self.convs = nn.Sequential()
        for c_, k in zip(cs, ks):
            self.convs.add(nn.Conv1D(c_, k, activation="relu"))

    def forward(self, x):
        e = np.concatenate((self.embedding(x), self.ce(x)), axis=2)
        e = e.transpose(0, 2, 1)
        enc = np.concatenate([np.squeeze(self.pool(cv(e)), axis=-1) for cv in self.convs], axis=1)
        return self.decoder(self.dropout(enc))


X = np.array(RS.randint(0, V, (6, 9)))
y = np.array(RS.randint(0, 2, (6,)))
SL = gluon.loss.SoftmaxCrossEntropyLoss()
for name, n in (("birnn", BiRNN(V, 5, 4, 2)), ("tcnn", TextCNN(V, 5, [3, 4], [3, 3]))):
    n.initialize(init.Xavier())
    n(X)
    fill(n)
    n.embedding.weight.set_data(rnd(V, 5))
    n.embedding.collect_params().setattr("grad_req", "null")
    tr = gluon.Trainer(n.collect_params(), "adam", {"learning_rate": 0.01})
    for _ in range(2):
        with autograd.record():
            l = SL(n(X), y)
        l.backward()
        tr.step(6)
    res[name] = [l, n(X), npx.softmax(n(X)), np.argmax(n(X), axis=1)]


# decomposable attention
class Attend(nn.Block):
    def __init__(self, h, **kw):
        super().__init__(**kw)
        self.f = nn.Dense(h, activation="relu", flatten=False)

    def forward(self, A, B):
        e = npx.batch_dot(self.f(A), self.f(B), transpose_b=True)
        return npx.batch_dot(npx.softmax(e), B), npx.batch_dot(npx.softmax(e.transpose(0, 2, 1)), A)


a = Attend(4)
a.initialize()
A, B = rnd(2, 3, 5), rnd(2, 4, 5)
a(A, B)
fill(a)
res["da"] = a(A, B)


# SSD
class TinySSD(nn.Block):
    def __init__(self, nc, **kw):
        super().__init__(**kw)
        self.nc = nc
        self.sizes = [[0.2, 0.272], [0.37, 0.447]]
        self.ratios = [[1, 2, 0.5]] * 2
        na = 4
        for i in range(2):
            b = nn.Sequential()
            b.add(nn.Conv2D(4, 3, padding=1), nn.BatchNorm(in_channels=4), nn.Activation("relu"), nn.MaxPool2D(2))
            setattr(self, f"blk_{i}", b)
            setattr(self, f"cls_{i}", nn.Conv2D(na * (nc + 1), 3, padding=1))
            setattr(self, f"bbox_{i}", nn.Conv2D(na * 4, 3, padding=1))

    def forward(self, X):
        an, cp, bp = [None] * 2, [None] * 2, [None] * 2
        for i in range(2):
            X = getattr(self, f"blk_{i}")(X)
            an[i] = npx.multibox_prior(X, sizes=self.sizes[i], ratios=self.ratios[i])
            cp[i] = getattr(self, f"cls_{i}")(X)
            bp[i] = getattr(self, f"bbox_{i}")(X)
        fl = lambda p: npx.batch_flatten(p.transpose(0, 2, 3, 1))
        an = np.concatenate(an, axis=1)
        cp = np.concatenate([fl(p) for p in cp], axis=1)
        cp = cp.reshape(cp.shape[0], -1, self.nc + 1)
        return an, cp, np.concatenate([fl(p) for p in bp], axis=1)


net = TinySSD(1)
net.initialize(init=init.Xavier())
X = rnd(2, 3, 16, 16)
Y = np.array([[[0, 0.1, 0.1, 0.5, 0.6]], [[0, 0.3, 0.2, 0.9, 0.8]]])
net(X)
fill(net, scale=0.1)
cl = gluon.loss.SoftmaxCrossEntropyLoss()
bl = gluon.loss.L1Loss()
tr = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "wd": 5e-4})
for _ in range(2):
    with autograd.record():
        an, cp, bp = net(X)
        bL, bm, cL = npx.multibox_target(an, Y, cp.transpose(0, 2, 1))
        l = cl(cp, cL) + bl(bp * bm, bL * bm)
    l.backward()
    tr.step(2)
res["ssd"] = [an, cp, bp, bL, bm, cL, l]
res["ssde"] = [float((cp.argmax(axis=-1).astype(cL.dtype) == cL).sum()), float((np.abs((bL - bp) * bm)).sum())]
an, cp, bp = net(X)
prob = npx.softmax(cp).transpose(0, 2, 1)
out = npx.multibox_detection(prob, bp, an)
idx = [i for i, r in enumerate(out[0]) if r[0] != -1]
res["det"] = [out.shape, len(idx), out[0, idx][:3] if idx else 0]
b1 = np.array([[0, 0.1, 0.2, 0.3], [0.4, 0.4, 0.9, 0.8]])
h, w = 8, 8
res["center"] = [(b1[:, 0] + b1[:, 2]) / 2, np.stack((b1[:, 0], b1[:, 1]), axis=-1), b1 * np.array((w, h, w, h))]
res["roi"] = npx.roi_pooling(
    np.arange(16).reshape(1, 1, 4, 4),
    np.array([[0, 0, 0, 20, 20], [0, 0, 10, 30, 30]]),
    pooled_size=(2, 2),
    spatial_scale=0.1,
)


# GAN
def upD(X, Z, D, G, loss, tr):
    bs = X.shape[0]
    ones = np.ones((bs,), ctx=X.ctx)
    zeros = np.zeros((bs,), ctx=X.ctx)
    with autograd.record():
        rY = D(X)
        fX = G(Z)
        fY = D(fX.detach())
        l = (loss(rY, ones) + loss(fY, zeros)) / 2
    l.backward()
    tr.step(bs)
    return float(l.sum())


def upG(Z, D, G, loss, tr):
    bs = Z.shape[0]
    ones = np.ones((bs,), ctx=Z.ctx)
    with autograd.record():
        fX = G(Z)
        fY = D(fX)
        l = loss(fY, ones)
    l.backward()
    tr.step(bs)
    return float(l.sum())


G = nn.Sequential()
G.add(nn.Dense(2))
D = nn.Sequential()
D.add(nn.Dense(5, activation="tanh"), nn.Dense(3, activation="tanh"), nn.Dense(1))
X = rnd(8, 2)
Z = rnd(8, 2)
for n in (G, D):
    n.initialize(init=init.Normal(0.02), force_reinit=True)
    n(X)
    fill(n)
bce = gluon.loss.SigmoidBinaryCrossEntropyLoss()
tD = gluon.Trainer(D.collect_params(), "adam", {"learning_rate": 0.05})
tG = gluon.Trainer(G.collect_params(), "adam", {"learning_rate": 0.005})
res["gan"] = [(upD(X, Z, D, G, bce, tD), upG(Z, D, G, bce, tG)) for _ in range(3)]
res["ganp"] = params(G)


class Gblk(nn.Block):
    def __init__(self, c, k=4, s=2, p=1, **kw):
        super().__init__(**kw)
        self.t = nn.Conv2DTranspose(c, k, s, p, use_bias=False)
        self.bn = nn.BatchNorm()
        self.a = nn.Activation("relu")

    def forward(self, X):
        return self.a(self.bn(self.t(X)))


g = Gblk(3)
g.initialize()
x = rnd(2, 3, 4, 4)
g(x)
fill(g)
res["dcgan"] = [g(x), nn.LeakyReLU(0.2)(np.arange(-2, 1, 0.1))]
# style transfer
cnn = nn.Sequential()
for c_ in (4, 6, 8):
    cnn.add(nn.Conv2D(c_, 3, padding=1, activation="relu"))
cnn.initialize()
content = rnd(1, 3, 8, 8)
style = rnd(1, 3, 8, 8)
cnn(content)
fill(cnn)


def feats(X):
    f = []
    for l_ in cnn:
        X = l_(X)
        f.append(X)
    return f


def gram(X):
    nc, n = X.shape[1], d_size(X) // X.shape[1]
    X = X.reshape(nc, n)
    return np.dot(X, X.T) / (nc * n)


def d_size(X):
    return X.size


class GI(nn.Block):
    def __init__(self, shape, **kw):
        super().__init__(**kw)
        self.weight = self.params.get("weight", shape=shape)

    def forward(self):
        return self.weight.data()


gi = GI(content.shape)
gi.initialize(init.Constant(content), ctx=npx.cpu(), force_reinit=True)
res["ci"] = gi()
tr = gluon.Trainer(gi.collect_params(), "adam", {"learning_rate": 0.1})
cY = feats(content)[2]
sY = [gram(f_) for f_ in feats(style)[:2]]
for _ in range(3):
    with autograd.record():
        fs = feats(gi())
        cL = np.square(fs[2] - cY).mean()
        sL = [np.square(gram(f_) - s_).mean() for f_, s_ in zip(fs[:2], sY)]
        Yh = gi()
        tv = 0.5 * (
            np.abs(Yh[:, :, 1:, :] - Yh[:, :, :-1, :]).mean() + np.abs(Yh[:, :, :, 1:] - Yh[:, :, :, :-1]).mean()
        )
        l = sum(1e3 * s_ for s_ in sL) + cL + 10 * tv
    l.backward()
    tr.step(1)
res["style"] = [l, gi()]
img = gi()[0].transpose(1, 2, 0).clip(0, 1)
res["pp"] = [img, img.as_in_ctx(npx.cpu())]


# recsys
class MF(nn.Block):
    def __init__(self, nf, nu, ni, **kw):
        super().__init__(**kw)
        self.P = nn.Embedding(nu, nf)
        self.Q = nn.Embedding(ni, nf)
        self.ub = nn.Embedding(nu, 1)
        self.ib = nn.Embedding(ni, 1)

    def forward(self, u, i):
        Pu = self.P(u)
        Qi = self.Q(i)
        bu = self.ub(u)
        bi = self.ib(i)
        o = (Pu * Qi).sum(axis=1) + np.squeeze(bu) + np.squeeze(bi)
        return o.flatten()


n = MF(4, 10, 12)
n.initialize()
u = np.array(RS.randint(0, 10, 8).astype("int32"))
it = np.array(RS.randint(0, 12, 8).astype("int32"))
r = np.array(RS.randint(1, 6, 8).astype("float32"))
n(u, it)
fill(n)
L2 = gluon.loss.L2Loss()
tr = gluon.Trainer(n.collect_params(), "adam", {"learning_rate": 0.02, "wd": 1e-5})
for _ in range(3):
    us = gluon.utils.split_and_load(u, [npx.cpu()], even_split=False)
    is_ = gluon.utils.split_and_load(it, [npx.cpu()], even_split=False)
    rs = gluon.utils.split_and_load(r, [npx.cpu()], even_split=False)
    with autograd.record():
        ls = [L2(n(a_, b_), c_) for a_, b_, c_ in zip(us, is_, rs)]
    [l.backward() for l in ls]
    tr.step(8)
res["mf"] = [ls[0]] + params(n)


class FM(nn.Block):
    def __init__(self, fd, nf, **kw):
        super().__init__(**kw)
        ni = int(sum(fd))
        self.embedding = nn.Embedding(ni, nf)
        self.fc = nn.Embedding(ni, 1)
        self.ll = nn.Dense(1, use_bias=True)

    def forward(self, x):
        sq = np.sum(self.embedding(x), axis=1) ** 2
        ss = np.sum(self.embedding(x) ** 2, axis=1)
        x = self.ll(self.fc(x).sum(1)) + 0.5 * (sq - ss).sum(1, keepdims=True)
        return npx.sigmoid(x)


n = FM(np.array([4, 5, 6]), 3)
n.initialize()
x = np.array(RS.randint(0, 15, (6, 3)))
n(x)
fill(n)
res["fm"] = n(x)


class AutoRec(nn.Block):
    def __init__(self, nh, nu, dropout=0.0):
        super().__init__()
        self.encoder = nn.Dense(nh, activation="sigmoid", use_bias=True)
        self.decoder = nn.Dense(nu, use_bias=True)
        self.dropout = nn.Dropout(dropout)

    def forward(self, inp):
        h = self.dropout(self.encoder(inp))
        p = self.decoder(h)
        return p * np.sign(inp) if autograd.is_training() else p


n = AutoRec(4, 6)
n.initialize()
x = rnd(3, 6)
n(x)
fill(n)
with autograd.record():
    l = L2(x, n(x))
l.backward()
res["ar"] = [l, n(x)]


class BPR(gluon.loss.Loss):
    def __init__(self, weight=None, batch_axis=0, **kw):
        super().__init__(weight=None, batch_axis=0, **kw)

    def forward(self, p, n_):
        d = p - n_
        return -np.sum(np.log(npx.sigmoid(d)), 0, keepdims=True)


class HR(gluon.loss.Loss):
    def __init__(self, weight=None, batch_axis=0, **kw):
        super().__init__(weight=None, batch_axis=0, **kw)

    def forward(self, p, n_, margin=1):
        return np.sum(np.maximum(-(p - n_) + margin, 0))


res["bpr"] = [BPR()(rnd(4), rnd(4)), HR()(rnd(4), rnd(4))]


class NeuMF(nn.Block):
    def __init__(self, nf, nu, ni, hs, **kw):
        super().__init__(**kw)
        self.P = nn.Embedding(nu, nf)
        self.Q = nn.Embedding(ni, nf)
        self.U = nn.Embedding(nu, nf)
        self.V = nn.Embedding(ni, nf)
        self.mlp = nn.Sequential()
        for h_ in hs:
            self.mlp.add(nn.Dense(h_, activation="relu", use_bias=True))
        self.pl = nn.Dense(1, activation="sigmoid", use_bias=False)

    def forward(self, u, i):
        gmf = self.P(u) * self.Q(i)
        mlp = self.mlp(np.concatenate([self.U(u), self.V(i)], axis=1))
        return self.pl(np.concatenate([gmf, mlp], axis=1))


n = NeuMF(4, 10, 12, [5, 4])
n.initialize()
n(u, it)
fill(n)
res["neumf"] = n(u, it)


class Caser(nn.Block):
    def __init__(self, nf, nu, ni, L=3, d=2, dh=3, **kw):
        super().__init__(**kw)
        self.P = nn.Embedding(nu, nf)
        self.Q = nn.Embedding(ni, nf)
        self.dp, self.d = d * nf, d
        self.cv = nn.Conv2D(d, (L, 1), in_channels=1)
        self.ch, self.mp = nn.Sequential(), nn.Sequential()
        for i in [k + 1 for k in range(L)]:
            self.ch.add(nn.Conv2D(dh, (i, nf), in_channels=1))
            self.mp.add(nn.MaxPool1D(L - i + 1))
        self.fd = dh * L
        self.fc = nn.Dense(in_units=d * nf + dh * L, activation="relu", units=nf)
        self.Qp = nn.Embedding(ni, nf * 2)
        self.b = nn.Embedding(ni, 1)
        self.do = nn.Dropout(0.0)

    def forward(self, uid, seq, iid):
        ie = np.expand_dims(self.Q(seq), 1)
        ue = self.P(uid)
        v = self.cv(ie)
        ov = v.reshape(v.shape[0], self.dp)
        oh = []
        for cv, mp in zip(self.ch, self.mp):
            co = np.squeeze(npx.relu(cv(ie)), axis=3)
            t_ = mp(co)
            pool = np.squeeze(t_, axis=2)
            oh.append(pool)
        oh = np.concatenate(oh, axis=1)
        out = np.concatenate([ov, oh], axis=1)
        z = self.fc(self.do(out))
        x = np.concatenate([z, ue], axis=1)
        q = np.squeeze(self.Qp(iid))
        b = np.squeeze(self.b(iid))
        return (x * q).sum(1) + b


n = Caser(4, 10, 12)
n.initialize()
n(u, np.array(RS.randint(0, 12, (8, 3))), it)
fill(n)
res["caser"] = n(u, np.array([[1, 2, 3]] * 8), it)
