"""Convolutions from scratch; LeNet, VGG, GoogLeNet, ResNet and DenseNet in small."""
# ruff: noqa: F821, B007, UP031


def corr2d(X, K):
    h, w = K.shape
    Y = np.zeros((X.shape[0] - h + 1, X.shape[1] - w + 1))
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            Y[i, j] = (X[i : i + h, j : j + w] * K).sum()
    return Y


X = np.array([[0.0, 1, 2], [3, 4, 5], [6, 7, 8]])
K = np.array([[0.0, 1], [2, 3]])
res["c"] = corr2d(X, K)


class Conv2D(nn.Block):
    def __init__(self, kernel_size, **kw):
        super().__init__(**kw)
        self.weight = self.params.get("weight", shape=kernel_size)
        self.bias = self.params.get("bias", shape=(1,))

    def forward(self, x):
        return corr2d(x, self.weight.data()) + self.bias.data()


X = np.ones((6, 8))
X[:, 2:6] = 0
Y = corr2d(X, np.array([[1, -1]]))
res["edge"] = [X, Y]
conv2d = nn.Conv2D(1, kernel_size=(1, 2), use_bias=False)
conv2d.initialize()
X = X.reshape(1, 1, 6, 8)
Y = Y.reshape(1, 1, 6, 7)
conv2d(X)
fill(conv2d)
for i in range(5):
    with autograd.record():
        Yh = conv2d(X)
        l = (Yh - Y) ** 2
    l.backward()
    conv2d.weight.data()[:] -= 3e-2 * conv2d.weight.grad()
    res["lc%d" % i] = float(l.sum())
res["kw"] = conv2d.weight.data().reshape((1, 2))


def comp(c, X):
    c.initialize()
    X = X.reshape((1, 1) + X.shape)
    return c(X).shape[2:]


res["sh"] = [
    comp(nn.Conv2D(1, kernel_size=3, padding=1), rnd(8, 8)),
    comp(nn.Conv2D(1, kernel_size=(3, 5), padding=(0, 1), strides=(3, 4)), rnd(8, 8)),
]


def corr2d_multi_in(X, K):
    return sum(corr2d(x, k) for x, k in zip(X, K))


X = np.array([[[0.0, 1, 2], [3, 4, 5], [6, 7, 8]], [[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]])
K = np.array([[[0.0, 1], [2, 3]], [[1.0, 2], [3, 4]]])
res["mi"] = corr2d_multi_in(X, K)
K = np.stack((K, K + 1, K + 2), 0)
res["mio"] = np.stack([corr2d_multi_in(X, k) for k in K], 0)


def pool2d(X, ps, mode="max"):
    ph, pw = ps
    Y = np.zeros((X.shape[0] - ph + 1, X.shape[1] - pw + 1))
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            if mode == "max":
                Y[i, j] = X[i : i + ph, j : j + pw].max()
            elif mode == "avg":
                Y[i, j] = X[i : i + ph, j : j + pw].mean()
    return Y


res["po"] = [
    pool2d(X[0], (2, 2)),
    pool2d(X[0], (2, 2), "avg"),
    nn.MaxPool2D(3)(np.arange(16).reshape(1, 1, 4, 4)),
    nn.MaxPool2D((2, 3), padding=(0, 1), strides=(2, 3))(np.arange(16).reshape(1, 1, 4, 4)),
]


def train(net, X, y, n=2, opt="sgd", lr=0.1, hyb=False, bs=8):
    net.initialize(init.Xavier())
    net(X[:2])
    fill(net, scale=0.1)
    if hyb:
        net.hybridize()
    tr = gluon.Trainer(net.collect_params(), opt, {"learning_rate": lr})
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    for e in range(n):
        for i in range(0, len(X), bs):
            xs = gluon.utils.split_and_load(X[i : i + bs], [npx.cpu()])
            ys = gluon.utils.split_and_load(y[i : i + bs], [npx.cpu()])
            with autograd.record():
                ls = [loss(net(a), b) for a, b in zip(xs, ys)]
            for l in ls:
                l.backward()
            tr.step(bs)
    return [l] + params(net)


X = rnd(16, 1, 28, 28)
y = np.array(RS.randint(0, 10, 16).astype("int32"))


def lenet():
    net = nn.Sequential()
    net.add(
        nn.Conv2D(6, 5, padding=2, activation="sigmoid"),
        nn.AvgPool2D(2, 2),
        nn.Conv2D(16, 5, activation="sigmoid"),
        nn.AvgPool2D(2, 2),
        nn.Dense(120, activation="sigmoid"),
        nn.Dense(84, activation="sigmoid"),
        nn.Dense(10),
    )
    return net


res["lenet"] = train(lenet(), X, y)


def vgg_block(n, c):
    b = nn.Sequential()
    for _ in range(n):
        b.add(nn.Conv2D(c, 3, padding=1, activation="relu"))
    b.add(nn.MaxPool2D(2, 2))
    return b


def vgg():
    net = nn.Sequential()
    for n, c in ((1, 4), (2, 8)):
        net.add(vgg_block(n, c))
    net.add(nn.Dense(16, activation="relu"), nn.Dropout(0.0), nn.Dense(10))
    return net


res["vgg"] = train(vgg(), X, y)


class Inception(nn.Block):
    def __init__(self, c1, c2, c3, c4, **kw):
        super().__init__(**kw)
        self.p1_1 = nn.Conv2D(c1, 1, activation="relu")
        self.p2_1 = nn.Conv2D(c2[0], 1, activation="relu")
        self.p2_2 = nn.Conv2D(c2[1], 3, padding=1, activation="relu")
        self.p3_1 = nn.Conv2D(c3[0], 1, activation="relu")
        self.p3_2 = nn.Conv2D(c3[1], 5, padding=2, activation="relu")
        self.p4_1 = nn.MaxPool2D(3, 1, 1)
        self.p4_2 = nn.Conv2D(c4, 1, activation="relu")

    def forward(self, x):
        return np.concatenate(
            (self.p1_1(x), self.p2_2(self.p2_1(x)), self.p3_2(self.p3_1(x)), self.p4_2(self.p4_1(x))), axis=1
        )


def goog():
    net = nn.Sequential()
    net.add(
        nn.Conv2D(4, 3, strides=2, padding=1, activation="relu"),
        Inception(2, (3, 2), (2, 2), 2),
        nn.GlobalAvgPool2D(),
        nn.Dense(10),
    )
    return net


res["goog"] = train(goog(), X, y)


def batch_norm(X, gamma, beta, mm, mv, eps, mom):
    if not autograd.is_training():
        Xh = (X - mm) / np.sqrt(mv + eps)
    else:
        if len(X.shape) == 2:
            mean = X.mean(axis=0)
            var = ((X - mean) ** 2).mean(axis=0)
        else:
            mean = X.mean(axis=(0, 2, 3), keepdims=True)
            var = ((X - mean) ** 2).mean(axis=(0, 2, 3), keepdims=True)
        Xh = (X - mean) / np.sqrt(var + eps)
        mm = mom * mm + (1.0 - mom) * mean
        mv = mom * mv + (1.0 - mom) * var
    return gamma * Xh + beta, mm, mv


class BatchNorm(nn.Block):
    def __init__(self, nf, nd_, **kw):
        super().__init__(**kw)
        shape = (1, nf) if nd_ == 2 else (1, nf, 1, 1)
        self.gamma = self.params.get("gamma", shape=shape, init=init.One())
        self.beta = self.params.get("beta", shape=shape, init=init.Zero())
        self.moving_mean = np.zeros(shape)
        self.moving_var = np.ones(shape)

    def forward(self, X):
        if self.moving_mean.ctx != X.ctx:
            self.moving_mean = self.moving_mean.copyto(X.ctx)
            self.moving_var = self.moving_var.copyto(X.ctx)
        Y, self.moving_mean, self.moving_var = batch_norm(
            X, self.gamma.data(), self.beta.data(), self.moving_mean, self.moving_var, eps=1e-12, mom=0.9
        )
        return Y


def bnnet():
    net = nn.Sequential()
    net.add(
        nn.Conv2D(3, 5),
        BatchNorm(3, 4),
        nn.Activation("sigmoid"),
        nn.MaxPool2D(4, 4),
        nn.Dense(8),
        BatchNorm(8, 2),
        nn.Activation("sigmoid"),
        nn.Dense(10),
    )
    return net


n = bnnet()
res["bn"] = train(n, X, y)
res["bnm"] = [
    n[1].moving_mean,
    n[1].moving_var,
    n[1]
    .gamma.data()
    .reshape(
        -1,
    ),
]
res["bne"] = n(X)


class Residual(nn.Block):
    def __init__(self, nc, use_1x1conv=False, strides=1, **kw):
        super().__init__(**kw)
        self.conv1 = nn.Conv2D(nc, kernel_size=3, padding=1, strides=strides)
        self.conv2 = nn.Conv2D(nc, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2D(nc, kernel_size=1, strides=strides) if use_1x1conv else None
        self.bn1 = nn.BatchNorm()
        self.bn2 = nn.BatchNorm()

    def forward(self, X):
        Y = npx.relu(self.bn1(self.conv1(X)))
        Y = self.bn2(self.conv2(Y))
        if self.conv3:
            X = self.conv3(X)
        return npx.relu(Y + X)


def resnet():
    net = nn.Sequential()
    net.add(
        nn.Conv2D(4, kernel_size=7, strides=2, padding=3),
        nn.BatchNorm(),
        nn.Activation("relu"),
        nn.MaxPool2D(pool_size=3, strides=2, padding=1),
    )
    blk = nn.Sequential()
    blk.add(Residual(4), Residual(4))
    net.add(blk)
    blk = nn.Sequential()
    blk.add(Residual(8, use_1x1conv=True, strides=2))
    net.add(blk)
    net.add(nn.GlobalAvgPool2D(), nn.Dense(10))
    return net


res["resnet"] = train(resnet(), X, y)


class DenseBlock(nn.Block):
    def __init__(self, n, c, **kw):
        super().__init__(**kw)
        self.net = nn.Sequential()
        for _ in range(n):
            b = nn.Sequential()
            b.add(nn.BatchNorm(), nn.Activation("relu"), nn.Conv2D(c, kernel_size=3, padding=1))
            self.net.add(b)

    def forward(self, X):
        for blk in self.net:
            Y = blk(X)
            X = np.concatenate((X, Y), axis=1)
        return X


def dense():
    net = nn.Sequential()
    net.add(
        nn.Conv2D(4, 7, 2, 3),
        DenseBlock(2, 3),
        nn.BatchNorm(),
        nn.Activation("relu"),
        nn.Conv2D(4, 1),
        nn.AvgPool2D(2, 2),
        nn.GlobalAvgPool2D(),
        nn.Dense(10),
    )
    return net


res["dense"] = train(dense(), X, y)


def hyb():
    net = nn.HybridSequential()
    net.add(nn.Conv2D(4, 3, activation="relu"), nn.BatchNorm(), nn.MaxPool2D(2), nn.Dense(10))
    return net


res["hyb"] = train(hyb(), X, y, n=3, hyb=True)
