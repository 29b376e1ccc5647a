"""What the scripts of this folder share. They run as they are in the real MXNet and here; `res` is compared."""
# ruff: noqa: F821

import math

import numpy as onp

autograd, gluon, image, init, np, npx = mx.autograd, mx.gluon, mx.image, mx.init, mx.np, mx.npx
nn, rnn = gluon.nn, gluon.rnn
npx.set_np()
res = {}
RS = onp.random.RandomState(0)


def rnd(*s, scale=1.0):
    return np.array((RS.normal(0, scale, s)).astype("float32"))


def fill(net, seed=0, scale=0.3):
    rs = onp.random.RandomState(seed)
    for name, p in sorted(net._collect_params_with_prefix().items()):
        v = rs.normal(0, scale, size=p.shape).astype("float32")
        if "running_var" in name or "gamma" in name:
            v = onp.abs(v) + 0.5
        p.set_data(np.array(v))


def params(net):
    return [p.data().asnumpy() for _, p in sorted(net._collect_params_with_prefix().items())]


def try_gpu(i=0):
    return npx.gpu(i) if npx.num_gpus() >= i + 1 else npx.cpu()


def load_array(data_arrays, batch_size, is_train=False):
    dataset = gluon.data.ArrayDataset(*data_arrays)
    return gluon.data.DataLoader(dataset, batch_size, shuffle=is_train)


class Accumulator:
    def __init__(self, n):
        self.data = [0.0] * n

    def add(self, *args):
        self.data = [a + float(b) for a, b in zip(self.data, args)]

    def __getitem__(self, i):
        return self.data[i]


def accuracy(y_hat, y):
    if len(y_hat.shape) > 1 and y_hat.shape[1] > 1:
        y_hat = y_hat.argmax(axis=1)
    cmp = y_hat.astype(y.dtype) == y
    return float(cmp.astype(y.dtype).sum())


def grad_clipping(net, theta):
    if isinstance(net, gluon.Block):
        ps = [p.data() for p in net.collect_params().values()]
    else:
        ps = net.params
    norm = math.sqrt(sum((p.grad**2).sum() for p in ps))
    if norm > theta:
        for p in ps:
            p.grad[:] *= theta / norm
    return norm
