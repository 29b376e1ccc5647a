"""Arrays, automatic differentiation and files, as a first chapter has them."""
# ruff: noqa: F821

x = np.arange(12)
res["x"] = [x, x.shape, x.size, x.reshape(3, 4), x.reshape(-1, 4)]
X = x.reshape(3, 4)
res["z"] = [np.zeros((2, 3, 4)), np.ones((2, 3)), np.array([[2, 1, 4, 3], [1, 2, 3, 4]])]
a = np.array([1, 2, 4, 8])
b = np.array([2, 2, 2, 2])
res["ar"] = [a + b, a - b, a * b, a / b, a**b, np.exp(a)]
Y = np.array([[2, 1, 4, 3], [1, 2, 3, 4], [4, 3, 2, 1]])
res["cat"] = [np.concatenate([X, Y], axis=0), np.concatenate([X, Y], axis=1), X == Y, X.sum()]
a = np.arange(3).reshape(3, 1)
b = np.arange(2).reshape(1, 2)
res["bc"] = a + b
X[1, 2] = 9
X[0:2, :] = 12
res["set"] = X
before = id(Y)
Y = Y + X
res["id"] = id(Y) == before
Z = np.zeros_like(Y)
i0 = id(Z)
Z[:] = X + Y
res["idz"] = id(Z) == i0
i0 = id(X)
X += Y
res["idx"] = id(X) == i0
A = X.asnumpy()
B = np.array(A)
res["tt"] = [type(A).__name__, type(B).__name__]
a = np.array([3.5])
res["sc"] = [a.item(), float(a), int(a)]
res["rep"] = [repr(a), repr(X), str(X), repr(np.arange(3))]
# pandas like
res["df"] = np.array(onp.array([[1.5, 2], [3, 4]]))
# linear algebra
A = np.arange(20).reshape(5, 4)
res["la"] = [
    A.T,
    A.copy(),
    A.sum(axis=0),
    A.sum(axis=(0, 1)),
    A.mean(),
    A.sum() / A.size,
    A.mean(axis=0),
    A.sum(axis=1, keepdims=True),
    A / A.sum(axis=1, keepdims=True),
    A.cumsum(axis=0),
]
x = np.arange(4)
y = np.ones(4)
res["dot"] = [
    np.dot(x, y),
    np.sum(x * y),
    np.dot(A, x),
    np.dot(A, np.ones((4, 3))),
    np.linalg.norm(np.array([3, -4.0])),
    np.abs(x).sum(),
    np.linalg.norm(np.ones((4, 9))),
]
B = np.array([[1, 2, 3], [2, 0, 4], [3, 4, 5]])
res["sym"] = B == B.T
# autograd
x = np.arange(4.0)
x.attach_grad()
res["g0"] = x.grad
with autograd.record():
    y = 2 * np.dot(x, x)
y.backward()
res["g1"] = [y, x.grad, x.grad == 4 * x]
with autograd.record():
    y = x.sum()
y.backward()
res["g2"] = x.grad.copy()
with autograd.record():
    y = x * x
y.backward()
res["g3"] = x.grad.copy()
with autograd.record():
    y = x * x
    u = y.detach()
    z = u * x
z.backward()
res["g4"] = [x.grad == u, x.grad.copy()]
y.backward()
res["g5"] = x.grad == 2 * x


def f(a):
    b = a * 2
    while np.linalg.norm(b) < 1000:
        b = b * 2
    if b.sum() > 0:
        c = b
    else:
        c = 100 * b
    return c


a = np.array(0.37)
a.attach_grad()
with autograd.record():
    d = f(a)
d.backward()
res["g6"] = [a.grad, a.grad == d / a]
# probability
fair = [1.0 / 6] * 6
c = np.random.multinomial(10, fair)
res["mn"] = [c.shape, str(c.dtype), int(c.sum())]
c = np.random.multinomial(10, fair, size=500)
cum = c.astype(np.float32).cumsum(axis=0)
est = cum / cum.sum(axis=1, keepdims=True)
res["mn2"] = [est.shape]
# indexing
X = np.arange(12).reshape(3, 4)
res["ix"] = [X[-1], X[1:3], X[:, 1], X[[0, 2]], X[np.array([0, 2])], X[X > 5], X[1, 2], X[..., 0]]
res["misc"] = [
    np.stack([x, x]),
    np.expand_dims(x, 0),
    np.where(X > 5, X, np.zeros_like(X)),
    X.argmax(axis=1),
    np.clip(X, 2, 5),
    np.tile(x, 2),
    np.repeat(x, 2),
    np.sort(x),
    np.argsort(-x),
    np.split(X, 2, axis=1),
    np.array_split(x, 3),
]
res["lin"] = [
    np.linspace(0, 1, 5),
    np.eye(3),
    np.arange(0, 1, 0.25),
    np.full((2, 2), 7.0),
    np.meshgrid(np.arange(3), np.arange(2)),
    np.power(x, 2),
    np.square(x),
    np.sqrt(x),
    np.sin(x),
    np.cos(x),
]
res["len"] = [len(X), [r.sum() for r in X]]
res["cx"] = [X.ctx == npx.cpu(), str(X.ctx), X.as_in_ctx(npx.cpu(0)).ctx == npx.cpu(0)]
npx.save(folder + "/x-file", [x, y])
res["ld"] = npx.load(folder + "/x-file")
npx.save(folder + "/x-d", {"x": x, "y": y})
res["ld2"] = npx.load(folder + "/x-d")["x"]
res["std"] = [X.std(), X.var(axis=0)]
res["b"] = [(X > 3) & (X < 7), np.logical_not(X > 3), X.astype("int32") % 2, X.astype(bool)]
