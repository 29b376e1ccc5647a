"""The models in Gluon: the same code for `tandem.mxnet` and for the real MXNet 1.9.1."""

from models import MOBILENET_STAGES, RESNET_STAGES, spec

NAMES = ("mlp", "cnn", "lstm", "resnet50", "mobilenetv2", "transformer")


def _sequence(mx, *blocks):
    net = mx.gluon.nn.HybridSequential()
    net.add(*blocks)
    return net


def mlp(mx, width=10, depth=2):
    nn = mx.gluon.nn
    return _sequence(mx, *(nn.Dense(width, activation="relu") for _ in range(depth)), nn.Dense(1))


def cnn(mx, width=32, depth=1):
    nn = mx.gluon.nn
    return _sequence(
        mx,
        nn.Conv2D(width, 3, activation="relu"),
        nn.MaxPool2D(2),
        nn.Conv2D(2 * width, 3, activation="relu"),
        *(nn.Conv2D(2 * width, 3, padding=1, activation="relu") for _ in range(depth - 1)),
        nn.MaxPool2D(2),
        nn.Flatten(),
        nn.Dense(64, activation="relu"),
        nn.Dense(10),
    )


def lstm(mx):
    class Recurrent(mx.gluon.HybridBlock):
        """Three LSTM layers and the classes from the last step."""

        def __init__(self):
            super().__init__()
            with self.name_scope():
                self.recurrent = mx.gluon.rnn.LSTM(50, 3, layout="NTC")
                self.head = mx.gluon.nn.Dense(10)

        def hybrid_forward(self, F, x):
            return self.head(F.slice_axis(self.recurrent(x), axis=1, begin=-1, end=None))

    return Recurrent()


def _normalized(mx, filters, size, stride=1, groups=1, activation=None):
    nn = mx.gluon.nn
    blocks = [
        nn.Conv2D(filters, size, stride, size // 2, groups=groups, use_bias=False),
        nn.BatchNorm(momentum=0.9, epsilon=1e-5),
    ]
    if activation == "relu6":
        blocks.append(nn.HybridLambda(lambda F, x: F.clip(x, 0, 6)))
    elif activation:
        blocks.append(nn.Activation(activation))
    return blocks


def _residual(mx, body, shortcut, activation=None):
    class Residual(mx.gluon.HybridBlock):
        """A body, beside it a shortcut (None: the input itself), their sum."""

        def __init__(self):
            super().__init__()
            self.body = _sequence(mx, *body)
            self.shortcut = None if shortcut is None else _sequence(mx, *shortcut)

        def hybrid_forward(self, F, x):
            y = self.body(x) + (x if self.shortcut is None else self.shortcut(x))
            return y if activation is None else F.Activation(y, act_type=activation)

    return Residual()


def resnet50(mx):
    nn, blocks = mx.gluon.nn, []
    for filters, count, first in RESNET_STAGES:
        for number in range(count):
            stride = first if number == 0 else 1
            body = [
                *_normalized(mx, filters, 1, activation="relu"),
                *_normalized(mx, filters, 3, stride, activation="relu"),
                *_normalized(mx, 4 * filters, 1),
            ]
            shortcut = _normalized(mx, 4 * filters, 1, stride) if number == 0 else None
            blocks.append(_residual(mx, body, shortcut, "relu"))
    return _sequence(
        mx,
        *_normalized(mx, 64, 7, 2, activation="relu"),
        nn.MaxPool2D(3, 2, 1),
        *blocks,
        nn.GlobalAvgPool2D(),
        nn.Flatten(),
        nn.Dense(1000),
    )


def mobilenetv2(mx):
    nn, blocks, channels = mx.gluon.nn, [], 32
    for expansion, filters, count, first in MOBILENET_STAGES:
        for number in range(count):
            stride, inside = first if number == 0 else 1, expansion * channels
            body = [
                *([] if expansion == 1 else _normalized(mx, inside, 1, activation="relu6")),
                *_normalized(mx, inside, 3, stride, inside, "relu6"),
                *_normalized(mx, filters, 1),
            ]
            blocks += [_residual(mx, body, None)] if stride == 1 and channels == filters else body
            channels = filters
    return _sequence(
        mx,
        *_normalized(mx, 32, 3, 2, activation="relu6"),
        *blocks,
        *_normalized(mx, 1280, 1, activation="relu6"),
        nn.GlobalAvgPool2D(),
        nn.Flatten(),
        nn.Dense(1000),
    )


def transformer(mx):
    nn = mx.gluon.nn

    class Attention(mx.gluon.HybridBlock):
        """Softmax of the products of queries and keys, times the values; four heads of 64."""

        def __init__(self):
            super().__init__()
            with self.name_scope():
                self.query, self.key, self.value, self.out = (nn.Dense(256, flatten=False) for _ in range(4))

        def hybrid_forward(self, F, x):
            def heads(part):
                split = F.transpose(F.reshape(part(x), shape=(-1, 128, 4, 64)), axes=(0, 2, 1, 3))
                return F.reshape(split, shape=(-1, 128, 64))

            weights = F.softmax(F.batch_dot(heads(self.query), heads(self.key), transpose_b=True) * 0.125)
            y = F.reshape(F.batch_dot(weights, heads(self.value)), shape=(-1, 4, 128, 64))
            return self.out(F.reshape(F.transpose(y, axes=(0, 2, 1, 3)), shape=(-1, 128, 256)))

    def norm():
        return nn.LayerNorm(epsilon=1e-6)

    blocks = []
    for _ in range(4):
        feed = [nn.Dense(1024, flatten=False), nn.GELU(), nn.Dense(256, flatten=False)]
        blocks += [_residual(mx, [norm(), Attention()], None), _residual(mx, [norm(), *feed], None)]
    mean = nn.HybridLambda(lambda F, x: F.mean(x, axis=1))
    return _sequence(mx, *blocks, norm(), mean, nn.Dense(10))


def build(mx, name):
    """(net, loss, name of the optimizer, its arguments), the net's parameters being initialised.

    Raises KeyError for a model that has no definition here.
    """
    base, found = name.partition(":")[0], spec(name)
    if base not in NAMES:
        raise KeyError(base)
    net = globals()[base](mx, **found.sizes)
    net.initialize(mx.init.Xavier())
    losses = mx.gluon.loss
    loss = {
        "binary": losses.SigmoidBinaryCrossEntropyLoss,
        "onehot": lambda: losses.SoftmaxCrossEntropyLoss(sparse_label=False),
        "sparse": losses.SoftmaxCrossEntropyLoss,
    }[found.loss]()
    kind, options = found.optimizer
    options = dict(options)
    if options.pop("nesterov", False):
        kind = "nag"
    return net, loss, kind, options
