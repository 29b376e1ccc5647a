"""Layers and losses of Gluon with inputs for them, and how a case is run: the same code in Tandem and in MXNet."""

import textwrap

# name -> [(expression, inputs), ...]. An input is a shape (uniform numbers in (-1, 1)) or a numpy expression of `rng`.
LAYERS = {
    "Activation": [
        (f"nn.Activation({name!r})", [(2, 5)]) for name in ("relu", "sigmoid", "tanh", "softrelu", "softsign")
    ],
    "AvgPool1D": [
        ("nn.AvgPool1D()", [(2, 3, 9)]),
        ("nn.AvgPool1D(3, 2, 1, ceil_mode=True, count_include_pad=False)", [(2, 3, 8)]),
    ],
    "AvgPool2D": [
        ("nn.AvgPool2D()", [(2, 3, 7, 6)]),
        ("nn.AvgPool2D((3, 2), strides=(2, 1), padding=(1, 0))", [(2, 3, 7, 6)]),
        ("nn.AvgPool2D(3, 2, 1, ceil_mode=True, count_include_pad=False)", [(1, 2, 8, 6)]),
    ],
    "AvgPool3D": [("nn.AvgPool3D(2, 1)", [(1, 2, 4, 5, 3)])],
    "BatchNorm": [
        ("nn.BatchNorm()", [(4, 3, 5)]),
        ("nn.BatchNorm(axis=-1, momentum=0.7, epsilon=1e-3, scale=False)", [(4, 5, 3)]),
        ("nn.BatchNorm(center=False, use_global_stats=True)", [(4, 3, 2, 2)]),
        ("nn.BatchNorm(in_channels=3, beta_initializer='ones', running_variance_initializer='zeros')", [(6, 3)]),
    ],
    "Conv1D": [
        ("nn.Conv1D(4, 3)", [(2, 3, 8)]),
        ("nn.Conv1D(4, 3, strides=2, padding=2, dilation=2, groups=2, activation='tanh')", [(2, 4, 9)]),
    ],
    "Conv1DTranspose": [("nn.Conv1DTranspose(4, 3, 2, 1, 1, groups=2, use_bias=False, in_channels=4)", [(2, 4, 5)])],
    "Conv2D": [
        ("nn.Conv2D(4, 3)", [(2, 3, 6, 7)]),
        ("nn.Conv2D(4, (3, 2), strides=(1, 2), padding=(1, 0), activation='relu', use_bias=False)", [(2, 3, 6, 7)]),
        ("nn.Conv2D(6, 3, padding=2, dilation=2, groups=3, in_channels=3)", [(1, 3, 6, 6)]),
    ],
    "Conv2DTranspose": [
        ("nn.Conv2DTranspose(4, 3)", [(2, 3, 4, 5)]),
        ("nn.Conv2DTranspose(4, 4, strides=2, padding=1, output_padding=1, activation='relu')", [(2, 3, 4, 5)]),
    ],
    "Conv3D": [("nn.Conv3D(2, 2, strides=(1, 2, 1), padding=1)", [(1, 3, 4, 5, 3)])],
    "Conv3DTranspose": [("nn.Conv3DTranspose(2, 2, strides=2)", [(1, 3, 2, 3, 2)])],
    "Dense": [
        ("nn.Dense(4)", [(3, 2, 5)]),
        ("nn.Dense(4, activation='sigmoid', flatten=False)", [(3, 2, 5)]),
        ("nn.Dense(4, use_bias=False, in_units=5, dtype='float64')", ["rng.uniform(-1, 1, (3, 5))"]),
    ],
    "Dropout": [("nn.Dropout(0.0)", [(3, 4)])],
    "ELU": [("nn.ELU(0.7)", [(3, 4)])],
    "Embedding": [("nn.Embedding(7, 3)", ["rng.randint(0, 7, (4, 2)).astype('float32')"])],
    "Flatten": [("nn.Flatten()", [(2, 3, 4)])],
    "GELU": [("nn.GELU()", [(3, 4)])],
    "GlobalAvgPool1D": [("nn.GlobalAvgPool1D()", [(2, 3, 5)])],
    "GlobalAvgPool2D": [("nn.GlobalAvgPool2D()", [(2, 3, 5, 4)])],
    "GlobalAvgPool3D": [("nn.GlobalAvgPool3D()", [(2, 3, 2, 4, 3)])],
    "GlobalMaxPool1D": [("nn.GlobalMaxPool1D()", [(2, 3, 5)])],
    "GlobalMaxPool2D": [("nn.GlobalMaxPool2D()", [(2, 3, 5, 4)])],
    "GlobalMaxPool3D": [("nn.GlobalMaxPool3D()", [(2, 3, 2, 4, 3)])],
    "GroupNorm": [("nn.GroupNorm(2)", [(2, 4, 3, 3)])],
    "HybridLambda": [("nn.HybridLambda('tanh')", [(3, 4)]), ("nn.HybridLambda(lambda F, x: F.relu(x) * 2)", [(3, 4)])],
    "HybridSequential": [("row(nn.HybridSequential(), nn.Dense(5, activation='relu'), nn.Dense(2))", [(3, 4)])],
    "InstanceNorm": [
        ("nn.InstanceNorm()", [(2, 3, 5)]),
        ("nn.InstanceNorm(axis=2, epsilon=1e-3, scale=True)", [(2, 3, 5, 4)]),
    ],
    "Lambda": [("nn.Lambda('tanh')", [(3, 4)]), ("nn.Lambda(lambda x: x * x)", [(3, 4)])],
    "LayerNorm": [("nn.LayerNorm()", [(2, 3, 5)]), ("nn.LayerNorm(axis=1, epsilon=1e-3, center=False)", [(2, 3, 5)])],
    "LeakyReLU": [("nn.LeakyReLU(0.1)", [(3, 4)])],
    "MaxPool1D": [("nn.MaxPool1D(3, 2, 1)", [(2, 3, 8)]), ("nn.MaxPool1D(3, 2, ceil_mode=True)", [(2, 3, 8)])],
    "MaxPool2D": [
        ("nn.MaxPool2D()", [(2, 3, 7, 6)]),
        ("nn.MaxPool2D(3, strides=2, padding=1, ceil_mode=True)", [(2, 3, 8, 7)]),
    ],
    "MaxPool3D": [("nn.MaxPool3D(2, 1)", [(1, 2, 4, 5, 3)])],
    "PReLU": [("nn.PReLU()", [(3, 4)]), ("nn.PReLU(in_channels=4)", [(3, 4, 2)])],
    "ReflectionPad2D": [("nn.ReflectionPad2D(2)", [(1, 2, 4, 5)])],
    "SELU": [("nn.SELU()", [(3, 4)])],
    "Sequential": [
        (
            (
                "row(nn.Sequential(), nn.Conv2D(3, 3, activation='relu'), nn.BatchNorm(), nn.MaxPool2D(), "
                "nn.Flatten(), nn.Dense(4, activation='tanh'), nn.LayerNorm(), nn.Dense(2))"
            ),
            [(2, 3, 8, 8)],
        )
    ],
    "Swish": [("nn.Swish(1.5)", [(3, 4)])],
}

CONTRIB = {
    "Concurrent": [("row(contrib.nn.Concurrent(axis=1), nn.Dense(2), nn.Dense(3))", [(3, 4)])],
    "HybridConcurrent": [("row(contrib.nn.HybridConcurrent(axis=1), nn.Dense(2), nn.Dense(3))", [(3, 4)])],
    "Identity": [("contrib.nn.Identity()", [(3, 4)])],
    "DeformableConvolution": [
        # Its slopes jump where offsets are whole numbers: they begin at 0.
        (
            "contrib.cnn.DeformableConvolution(4, 3, offset_weight_initializer=mx.init.Normal(0.3), prefix='d_')",
            [(2, 3, 5, 6)],
        ),
        (
            (
                "contrib.cnn.DeformableConvolution(4, (3, 2), strides=2, padding=1, groups=2, num_deformable_group=2,"
                " activation='tanh', use_bias=False, offset_bias_initializer=mx.init.Constant(0.3), prefix='d_')"
            ),
            [(2, 4, 5, 6)],
        ),
    ],
    "PixelShuffle1D": [("contrib.nn.PixelShuffle1D(3)", [(2, 6, 2)])],
    "PixelShuffle2D": [("contrib.nn.PixelShuffle2D((2, 3))", [(2, 12, 2, 2)])],
    "PixelShuffle3D": [("contrib.nn.PixelShuffle3D(2)", [(1, 8, 1, 2, 2)])],
    "SyncBatchNorm": [("contrib.nn.SyncBatchNorm(num_devices=1)", [(4, 3, 5)])],
}

RECURRENT = {
    "RNN": [
        ("rnn.RNN(5)", [(3, 2, 4)]),
        ("rnn.RNN(5, 2, activation='tanh', layout='NTC', bidirectional=True)", [(3, 6, 4)]),
    ],
    "LSTM": [
        ("rnn.LSTM(5, input_size=4)", [(3, 2, 4)]),
        ("rnn.LSTM(5, 2, layout='NTC', bidirectional=True)", [(2, 3, 4)]),
        ("with_states(rnn.LSTM(5, 2), (2, 2, 5), (2, 2, 5))", [(3, 2, 4)]),
    ],
    "GRU": [
        ("rnn.GRU(5)", [(3, 2, 4)]),
        ("rnn.GRU(5, 2, layout='NTC', bidirectional=True)", [(2, 3, 4)]),
        ("with_states(rnn.GRU(5, bidirectional=True), (2, 2, 5))", [(3, 2, 4)]),
    ],
    "RNNCell": [
        ("unrolled(rnn.RNNCell(5))", [(2, 3, 4)]),
        ("unrolled(rnn.RNNCell(5, 'relu'), layout='TNC')", [(3, 2, 4)]),
    ],
    "LSTMCell": [
        ("unrolled(rnn.LSTMCell(5))", [(2, 3, 4)]),
        ("unrolled(rnn.LSTMCell(5, activation='relu', recurrent_activation='tanh'), merge_outputs=True)", [(2, 3, 4)]),
        ("unrolled(rnn.LSTMCell(5), valid_length=[1, 3])", [(2, 3, 4)]),
    ],
    "GRUCell": [
        ("unrolled(rnn.GRUCell(5))", [(2, 3, 4)]),
        ("unrolled(rnn.GRUCell(5, input_size=4), valid_length=[2, 1], merge_outputs=False)", [(2, 3, 4)]),
    ],
    "SequentialRNNCell": [
        ("unrolled(cells(rnn.SequentialRNNCell(), rnn.LSTMCell(5), rnn.GRUCell(3)))", [(2, 3, 4)]),
        ("unrolled(cells(rnn.SequentialRNNCell(), rnn.LSTMCell(5), rnn.GRUCell(3)), valid_length=[1, 3])", [(2, 3, 4)]),
    ],
    "HybridSequentialRNNCell": [
        ("unrolled(cells(rnn.HybridSequentialRNNCell(), rnn.LSTMCell(5), rnn.GRUCell(3)))", [(2, 3, 4)])
    ],
    "BidirectionalCell": [
        ("unrolled(rnn.BidirectionalCell(rnn.LSTMCell(5), rnn.GRUCell(3)))", [(2, 3, 4)]),
        (
            "unrolled(rnn.BidirectionalCell(rnn.GRUCell(5), rnn.GRUCell(3)), layout='TNC', valid_length=[1, 3])",
            [(3, 2, 4)],
        ),
    ],
    "DropoutCell": [("unrolled(rnn.DropoutCell(0.0))", [(2, 3, 4)])],
    "ResidualCell": [
        ("unrolled(rnn.ResidualCell(rnn.GRUCell(4)))", [(2, 3, 4)]),
        ("unrolled(rnn.ResidualCell(rnn.LSTMCell(4)), valid_length=[1, 3])", [(2, 3, 4)]),
    ],
    "ZoneoutCell": [("unrolled(rnn.ZoneoutCell(rnn.LSTMCell(4)))", [(2, 3, 4)])],
}

_BINARY = "(rng.uniform(0, 1, (4, 3)) > 0.5).astype('float32')"
_SIGNED = f"2 * {_BINARY} - 1"
_PROBABILITY = "rng.uniform(0.05, 0.95, (4, 3))"
_DISTRIBUTION = "rng.dirichlet([1, 1, 1], 4)"
_CLASSES = "rng.randint(0, 3, (4,)).astype('float32')"
_WEIGHTS = "rng.uniform(0, 2, (4, 1))"

# name -> [(expression, inputs, positions of inputs that have gradients), ...]
LOSSES = {
    "L2Loss": [
        ("loss.L2Loss()", [(4, 3), (4, 3)], [0]),
        ("loss.L2Loss(weight=0.3)", [(4, 3), (12,), _WEIGHTS], [0, 2]),
        ("loss.L2Loss(batch_axis=1)", [(4, 3, 2), (4, 3, 2)], [0, 1]),
        ("loss.L2Loss()", [(5,), (5,)], [0]),
    ],
    "L1Loss": [("loss.L1Loss()", [(4, 3), (4, 3)], [0]), ("loss.L1Loss(2.0)", [(4, 3), (4, 3), _WEIGHTS], [0])],
    "SigmoidBinaryCrossEntropyLoss": [
        ("loss.SigmoidBinaryCrossEntropyLoss()", [(4, 3), _BINARY], [0]),
        ("loss.SigmoidBCELoss(from_sigmoid=True)", [_PROBABILITY, _BINARY], [0]),
        ("loss.SigmoidBCELoss(weight=0.5)", [(4, 3), _BINARY, _WEIGHTS], [0]),
        ("loss.SigmoidBCELoss()", [(4, 3), _BINARY, "np.ones((4, 1))", "rng.uniform(1, 3, (3,))"], [0]),
        (
            "loss.SigmoidBCELoss(from_sigmoid=True)",
            [_PROBABILITY, _BINARY, "np.ones((4, 1))", "rng.uniform(1, 3, (3,))"],
            [0],
        ),
    ],
    "SoftmaxCrossEntropyLoss": [
        ("loss.SoftmaxCrossEntropyLoss()", [(4, 3), _CLASSES], [0]),
        ("loss.SoftmaxCELoss(weight=2.0)", [(4, 3), _CLASSES, _WEIGHTS], [0]),
        ("loss.SoftmaxCELoss(sparse_label=False)", [(4, 3), _DISTRIBUTION], [0]),
        ("loss.SoftmaxCELoss(sparse_label=False, from_logits=True)", [(4, 3), _DISTRIBUTION, _WEIGHTS], [0]),
        ("loss.SoftmaxCELoss(axis=1)", [(4, 3, 2), "rng.randint(0, 3, (4, 2)).astype('float32')"], [0]),
        (
            "loss.SoftmaxCELoss(axis=1)",
            [(4, 3, 2), "rng.randint(0, 3, (4, 2)).astype('float32')", "rng.uniform(0, 2, (4, 1, 2))"],
            [0],
        ),
        ("loss.SoftmaxCELoss()", [(4, 3), "rng.randint(0, 3, (4, 1)).astype('float32')"], [0]),
    ],
    "KLDivLoss": [
        ("loss.KLDivLoss()", [f"np.log({_DISTRIBUTION})", _DISTRIBUTION], [0]),
        ("loss.KLDivLoss(from_logits=False, weight=0.5)", [(4, 3), _DISTRIBUTION, _WEIGHTS], [0]),
    ],
    "CTCLoss": [
        ("loss.CTCLoss()", [(2, 6, 5), "np.array([[1, 0, -1], [2, 2, 3]])"], [0]),
        (
            "loss.CTCLoss(layout='TNC', label_layout='TN', weight=0.5)",
            [(6, 2, 5), "np.array([[1, 2], [0, 2], [0, 1]])", "np.array([5, 6])", "np.array([2, 3])"],
            [0],
        ),
    ],
    "HuberLoss": [
        ("loss.HuberLoss()", [(4, 3), "rng.uniform(-3, 3, (4, 3))"], [0]),
        ("loss.HuberLoss(rho=0.3)", [(4, 3), (4, 3), _WEIGHTS], [0]),
    ],
    "HingeLoss": [
        ("loss.HingeLoss()", [(4, 3), _SIGNED], [0]),
        ("loss.HingeLoss(margin=0.5)", [(4, 3), _SIGNED, _WEIGHTS], [0]),
    ],
    "SquaredHingeLoss": [("loss.SquaredHingeLoss(margin=2, weight=3.0)", [(4, 3), _SIGNED], [0])],
    "LogisticLoss": [
        ("loss.LogisticLoss()", [(4, 3), _SIGNED], [0]),
        ("loss.LogisticLoss(label_format='binary')", [(4, 3), _BINARY, _WEIGHTS], [0]),
    ],
    "TripletLoss": [("loss.TripletLoss(margin=0.7, weight=2.0)", [(4, 3), (4, 3), (4, 3)], [0, 1, 2])],
    "PoissonNLLLoss": [
        ("loss.PoissonNLLLoss()", [(4, 3), "rng.poisson(2, (4, 3))"], [0]),
        ("loss.PoissonNLLLoss(from_logits=False)", [_PROBABILITY, "rng.poisson(2, (4, 3))"], [0]),
        # MXNet's own code cannot be recorded with compute_full.
        ("loss.PoissonNLLLoss(compute_full=True)", [(4, 3), "rng.poisson(2, (4, 3))"], []),
        ("loss.PoissonNLLLoss(weight=0.5)", [(4, 3), "rng.poisson(2, (4, 3))", _WEIGHTS], [0]),
    ],
    "CosineEmbeddingLoss": [
        ("loss.CosineEmbeddingLoss()", [(4, 3), (4, 3), "np.array([1, -1, 1, -1])"], [0, 1]),
        (
            "loss.CosineEmbeddingLoss(margin=0.1, weight=2.0)",
            [(4, 3), (4, 3), "np.array([1, -1, 1, -1])", _WEIGHTS],
            [0],
        ),
    ],
    "SDMLLoss": [("loss.SDMLLoss(smoothing_parameter=0.2)", [(4, 3), (4, 3)], [0, 1])],
}

HELPERS = textwrap.dedent("""
    gluon = mx.gluon
    loss, nn, rnn, contrib = gluon.loss, gluon.nn, gluon.rnn, gluon.contrib

    def row(net, *layers):
        net.add(*layers)
        return net

    def cells(net, *layers):
        for layer in layers:
            net.add(layer)
        return net

    class Around(gluon.Block):
        def __init__(self, inner, call):
            super().__init__(prefix="")
            self.inner = inner
            self.call = call

        def forward(self, *args):
            return self.call(self.inner, *args)

    def with_states(layer, *shapes):
        states = [nd.array(np.cos(np.arange(np.prod(s))).reshape(s)) for s in shapes]
        return Around(layer, lambda inner, x: inner(x, states))

    def unrolled(cell, valid_length=None, layout="NTC", **options):
        def call(inner, x):
            length = None if valid_length is None else nd.array(valid_length)
            return inner.unroll(3, x, layout=layout, valid_length=length, **options)
        return Around(cell, call)

    def flat(tree):
        if isinstance(tree, (list, tuple)):
            leaves = [leaf for item in tree for leaf in flat(item)]
            return list({id(leaf): leaf for leaf in leaves}.values())  # a cell's last output is its state
        return [tree]

    def made(inputs, rng):
        arrays = []
        for one in inputs:
            value = eval(one, {"rng": rng, "np": np}) if isinstance(one, str) else rng.uniform(-1, 1, one)
            value = np.asarray(value)
            arrays.append(nd.array(value, dtype="float64" if len(inputs) == 1 and isinstance(one, str) and
                                   value.dtype == np.float64 else "float32"))
        return arrays

    def heads(outputs):
        return [nd.array(np.cos(np.arange(o.size)).reshape(o.shape), dtype=o.dtype) for o in outputs]

    def run_layer(expression, inputs):
        rng = np.random.RandomState(7)
        net = eval(expression)
        net.initialize()
        inputs = made(inputs, rng)
        net(*inputs)
        params = net.collect_params()
        for name in params.keys():
            if name.endswith("gamma") and params[name].grad_req == "null":
                continue  # MXNet's kernel sets it to 1
            low = 0.2 if name.endswith("var") else -0.8
            params[name].set_data(nd.array(rng.uniform(low, 0.8, params[name].shape)))
        for x in inputs:
            if not expression.startswith("nn.Embedding"):  # class numbers have no gradient
                x.attach_grad()
        settings = {"learning_rate": 0.1, "momentum": 0.9, "wd": 0.01}
        trainer = gluon.Trainer(params, "sgd", settings) if list(params.keys()) else None
        values = []
        for _ in range(3):
            with autograd.record():
                outputs = flat(net(*inputs))
            autograd.backward(outputs, heads(outputs))
            values.append([o.asnumpy() for o in outputs] + [x.grad.asnumpy() for x in inputs if x.grad is not None])
            values.append([p.grad().asnumpy() for p in params.values() if p.grad_req != "null"])
            if trainer is not None:
                trainer.step(2)
        values.append([p.data().asnumpy() for p in params.values()])
        values.append([o.asnumpy() for o in flat(net(*inputs))])
        return list(params.keys()), values

    def run_loss(expression, inputs, differentiable):
        block = eval(expression)
        inputs = made(inputs, np.random.RandomState(7))
        for position in differentiable:
            inputs[position].attach_grad()
        if not differentiable:
            return block(*inputs).asnumpy(), []
        with autograd.record():
            value = block(*inputs)
        value.backward(heads([value])[0])
        return value.asnumpy(), [inputs[position].grad.asnumpy() for position in differentiable]

    def attempt(function, *args):
        try:
            return function(*args)
        except Exception as error:
            import traceback
            return "error", type(error).__name__, str(error)[:300] + traceback.format_exc()[-800:]
""")
