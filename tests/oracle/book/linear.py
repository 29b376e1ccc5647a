"""Linear and softmax regression and perceptrons, from scratch and with Gluon."""
# ruff: noqa: F821, C416, UP031

import random


def synthetic_data(w, b, n):
    X = rnd(n, len(w))
    y = np.dot(X, w) + b
    y += rnd(*y.shape, scale=0.01)
    return X, y.reshape((-1, 1))


true_w = np.array([2, -3.4])
true_b = 4.2
features, labels = synthetic_data(true_w, true_b, 200)


def data_iter(batch_size, features, labels):
    n = len(features)
    idx = list(range(n))
    random.Random(0).shuffle(idx)
    for i in range(0, n, batch_size):
        batch = np.array(idx[i : min(i + batch_size, n)])
        yield features[batch], labels[batch]


w = rnd(2, 1, scale=0.01)
b = np.zeros(1)
w.attach_grad()
b.attach_grad()


def linreg(X, w, b):
    return np.dot(X, w) + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, bs):
    for p in params:
        p[:] = p - lr * p.grad / bs


for epoch in range(3):
    for X, y in data_iter(10, features, labels):
        with autograd.record():
            l = squared_loss(linreg(X, w, b), y)
        l.backward()
        sgd([w, b], 0.03, 10)
    train_l = squared_loss(linreg(features, w, b), labels)
    res["l%d" % epoch] = float(train_l.mean())
res["w"] = w
res["b"] = b
res["err"] = true_w - w.reshape(true_w.shape)
res["repr"] = [repr(w.shape), type(b.grad).__name__]
# concise
net = nn.Sequential()
net.add(nn.Dense(1))
net.initialize(init.Normal(sigma=0.01))
it = load_array((features, labels), 10, False)
X, y = next(iter(it))
res["types"] = [type(X).__name__, type(y).__name__, str(X.dtype)]
net(X)
fill(net)
loss = gluon.loss.L2Loss()
trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.03})
for epoch in range(3):
    for X, y in it:
        with autograd.record():
            l = loss(net(X), y)
        l.backward()
        trainer.step(10)
    l = loss(net(features), labels)
    res["c%d" % epoch] = l.mean().asnumpy()
res["cw"] = net[0].weight.data()
res["cb"] = net[0].bias.data()
res["g"] = net[0].weight.grad()
res["fmt"] = f"epoch {epoch + 1}, loss: {l.mean():.4f}"[:14]


# weight decay from scratch / dropout
def l2_penalty(w):
    return (w**2).sum() / 2


w2 = rnd(20, 1)
w2.attach_grad()
with autograd.record():
    z = np.abs(w2).sum() + l2_penalty(w2) * 3
z.backward()
res["wd"] = w2.grad


def dropout_layer(X, dropout):
    if dropout == 1:
        return np.zeros_like(X)
    if dropout == 0:
        return X
    mask = np.random.uniform(0, 1, X.shape) > dropout
    return mask.astype(np.float32) * X / (1.0 - dropout)


X = np.arange(16).reshape(2, 8)
res["d0"] = dropout_layer(X, 0.0)
res["d1"] = dropout_layer(X, 1)
res["dm"] = [dropout_layer(X, 0.5).shape]


X = rnd(256, 1, 8, 8)
y = np.array(RS.randint(0, 10, 256).astype("int32"))
ds = gluon.data.ArrayDataset(X, y)
it = gluon.data.DataLoader(ds, 64, shuffle=False)
W = rnd(64, 10, scale=0.01)
b = np.zeros(10)
W.attach_grad()
b.attach_grad()


def softmax(X):
    X_exp = np.exp(X)
    partition = X_exp.sum(1, keepdims=True)
    return X_exp / partition


def net(X):
    return softmax(np.dot(X.reshape((-1, W.shape[0])), W) + b)


def cross_entropy(y_hat, y):
    return -np.log(y_hat[range(len(y_hat)), y])


q = np.array([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5]])
res["ce"] = cross_entropy(q, np.array([0, 2]))
res["pick"] = q[[0, 1], np.array([0, 2])]
for ep in range(2):
    m = Accumulator(3)
    for Xb, yb in it:
        with autograd.record():
            y_hat = net(Xb)
            l = cross_entropy(y_hat, yb)
        l.backward()
        for p in (W, b):
            p[:] = p - 0.1 * p.grad / Xb.shape[0]
        m.add(float(l.sum()), accuracy(y_hat, yb), yb.size)
    res["m%d" % ep] = m.data
res["W"] = W
res["types"] = [str(yb.dtype), type(yb).__name__]
res["sum"] = [X[0, 0].sum(0, keepdims=True), X[0, 0].sum(1, keepdims=True)]
netc = nn.Sequential()
netc.add(nn.Dense(10))
netc.initialize(init.Normal(sigma=0.01))
netc(X)
fill(netc)
loss = gluon.loss.SoftmaxCrossEntropyLoss()
tr = gluon.Trainer(netc.collect_params(), "sgd", {"learning_rate": 0.1})
met = mx.metric.Accuracy()
for Xb, yb in it:
    with autograd.record():
        yh = netc(Xb)
        l = loss(yh, yb)
    l.backward()
    tr.step(64)
    met.update([yb.as_nd_ndarray()], [yh.as_nd_ndarray()])
res["acc"] = met.get()[1]
res["p"] = params(netc)
# MLP from scratch
W1 = rnd(64, 32, scale=0.1)
b1 = np.zeros(32)
W2 = rnd(32, 10, scale=0.1)
b2 = np.zeros(10)
ps = [W1, b1, W2, b2]
for p in ps:
    p.attach_grad()


def relu(X):
    return np.maximum(X, 0)


def mlp(X):
    X = X.reshape((-1, 64))
    H = relu(np.dot(X, W1) + b1)
    return np.dot(H, W2) + b2


for Xb, yb in it:
    with autograd.record():
        l = loss(mlp(Xb), yb)
    l.backward()
    for p in ps:
        p[:] = p - 0.1 * p.grad / 64
res["mlp"] = [p for p in ps]
res["lmlp"] = l
netm = nn.Sequential()
netm.add(nn.Dense(256, activation="relu"), nn.Dropout(0.0), nn.Dense(10))
netm.initialize(init.Normal(sigma=0.01))
netm(X)
fill(netm)
tr = gluon.Trainer(netm.collect_params(), "adam", {"learning_rate": 0.01, "wd": 0.001})
netm.collect_params(".*bias").setattr("wd_mult", 0)
for Xb, yb in it:
    with autograd.record():
        l = loss(netm(Xb), yb)
    l.backward()
    tr.step(64)
res["netm"] = params(netm)
x = np.arange(-8.0, 8.0, 1.0)
x.attach_grad()
for f in (npx.relu, npx.sigmoid, np.tanh):
    with autograd.record():
        yy = f(x)
    yy.backward()
    res[f.__name__] = [yy, x.grad.copy()]
