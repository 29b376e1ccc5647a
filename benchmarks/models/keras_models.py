"""The models in Keras: the same code for Tandem's `keras` and for the real one on each of its backends."""

from models import MOBILENET_STAGES, NOISE, RESNET_STAGES, spec


def mlp(keras, width=10, depth=2):
    layers = keras.layers
    hidden = [layers.Dense(width, activation="relu") for _ in range(depth)]
    return keras.Sequential([keras.Input((10,)), *hidden, layers.Dense(1, activation="sigmoid")])


def cnn(keras, width=32, depth=1):
    layers = keras.layers
    more = [layers.Conv2D(2 * width, (3, 3), padding="same", activation="relu") for _ in range(depth - 1)]
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(width, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(2 * width, (3, 3), activation="relu"),
            *more,
            layers.MaxPooling2D((2, 2)),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def lstm(keras):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((50, 16)),
            layers.LSTM(50, return_sequences=True),
            layers.LSTM(50, return_sequences=True),
            layers.LSTM(50),
            layers.Dense(10, activation="softmax"),
        ]
    )


def _normalized(layers, x, filters, size, stride=1, activation=None):
    """Convolution, batch normalisation, activation."""
    x = layers.Conv2D(filters, size, strides=stride, padding="same", use_bias=False)(x)
    return _activated(layers, layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x), activation)


def _activated(layers, x, activation):
    if activation is None:
        return x
    return layers.ReLU(max_value=6.0)(x) if activation == "relu6" else layers.ReLU()(x)


def resnet50(keras):
    layers = keras.layers
    inputs = keras.Input((224, 224, 3))
    x = _normalized(layers, inputs, 64, 7, 2, "relu")
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    for filters, count, first in RESNET_STAGES:
        for number in range(count):
            stride = first if number == 0 else 1
            y = _normalized(layers, x, filters, 1, 1, "relu")
            y = _normalized(layers, y, filters, 3, stride, "relu")
            y = _normalized(layers, y, 4 * filters, 1)
            if number == 0:
                x = _normalized(layers, x, 4 * filters, 1, stride)
            x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(1000)(x))


def mobilenetv2(keras):
    layers = keras.layers
    inputs = keras.Input((224, 224, 3))
    x = _normalized(layers, inputs, 32, 3, 2, "relu6")
    channels = 32
    for expansion, filters, count, first in MOBILENET_STAGES:
        for number in range(count):
            stride = first if number == 0 else 1
            y = x if expansion == 1 else _normalized(layers, x, expansion * channels, 1, 1, "relu6")
            y = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(y)
            y = _activated(layers, layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(y), "relu6")
            y = _normalized(layers, y, filters, 1)
            x = layers.Add()([x, y]) if stride == 1 and channels == filters else y
            channels = filters
    x = _normalized(layers, x, 1280, 1, 1, "relu6")
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(1000)(x))


def transformer(keras):
    layers, ops = keras.layers, keras.ops

    def heads(x):
        return layers.Permute((2, 1, 3))(layers.Reshape((128, 4, 64))(layers.Dense(256)(x)))

    x = inputs = keras.Input((128, 256))
    for _ in range(4):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        query, key, value = heads(y), heads(y), heads(y)
        scores = ops.matmul(query, layers.Permute((1, 3, 2))(key)) * 0.125
        y = ops.matmul(layers.Softmax()(scores), value)
        y = layers.Reshape((128, 256))(layers.Permute((2, 1, 3))(y))
        x = layers.Add()([x, layers.Dense(256)(y)])
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        x = layers.Add()([x, layers.Dense(256)(layers.Dense(1024, activation="gelu")(y))])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-6)(x))
    return keras.Model(inputs, layers.Dense(10)(x))


def textcnn(keras):
    layers = keras.layers
    inputs = keras.Input((200,), dtype="int32")
    words = layers.Embedding(20000, 128)(inputs)
    pooled = [
        layers.GlobalMaxPooling1D()(layers.Conv1D(100, width, activation="relu")(words)) for width in (3, 4, 5)
    ]  # fmt: skip
    x = layers.Dropout(0.5)(layers.Concatenate()(pooled))
    return keras.Model(inputs, layers.Dense(2)(x))


def autoencoder(keras):
    layers = keras.layers
    hidden = [layers.Dense(width, activation="relu") for width in (128, 64, 32, 64, 128)]
    return keras.Sequential([keras.Input((784,)), *hidden, layers.Dense(784, activation="sigmoid")])


def word2vec(keras):
    layers = keras.layers
    target, context = keras.Input((1,), dtype="int32"), keras.Input((6,), dtype="int32")
    products = layers.Dot(axes=2)([layers.Embedding(10000, 128)(context), layers.Embedding(10000, 128)(target)])
    return keras.Model([target, context], layers.Flatten()(products))


def tiny1000(keras):
    layers = keras.layers
    return keras.Sequential([keras.Input((8,)), *(layers.Dense(8, activation="tanh") for _ in range(1000))])


def _gan_parts(keras):
    """(generator, discriminator)."""
    layers = keras.layers
    generator = keras.Sequential(
        [
            keras.Input((NOISE,)),
            layers.Dense(7 * 7 * 128),
            layers.Reshape((7, 7, 128)),
            layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
            layers.ReLU(),
            layers.Conv2DTranspose(64, 4, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
            layers.ReLU(),
            layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="sigmoid"),
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(64, 4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(128, 4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    return generator, discriminator


def _torch_steps(model, real):
    """Both updates the way that Keras's guide writes them for its torch backend."""
    import torch

    def update(loss, part, optimizer):
        model.zero_grad()
        loss.backward()
        gradients = [variable.value.grad for variable in part.trainable_weights]
        with torch.no_grad():
            optimizer.apply(gradients, part.trainable_weights)

    ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
    fake = model.generator(torch.randn(len(real), NOISE), training=True)
    judged = model.discriminator(torch.cat([real, fake.detach()]), training=True)
    loss = model.judge(torch.cat([ones, zeros]), judged)
    update(loss, model.discriminator, model.discriminator_optimizer)
    fake = model.generator(torch.randn(len(real), NOISE), training=True)
    generator_loss = model.judge(ones, model.discriminator(fake, training=True))
    update(generator_loss, model.generator, model.generator_optimizer)
    return {"d_loss": loss, "g_loss": generator_loss}


def _tensorflow_steps(model, real):
    """Both updates with a `GradientTape`."""
    import tensorflow as tf

    def update(tape, loss, part, optimizer):
        gradients = tape.gradient(loss, part.trainable_weights)
        optimizer.apply_gradients(zip(gradients, part.trainable_weights))

    count = tf.shape(real)[0]
    ones, zeros = tf.ones((count, 1)), tf.zeros((count, 1))
    fake = model.generator(tf.random.normal((count, NOISE)), training=True)
    with tf.GradientTape() as tape:
        loss = model.judge(tf.concat([ones, zeros], 0), model.discriminator(tf.concat([real, fake], 0), training=True))
    update(tape, loss, model.discriminator, model.discriminator_optimizer)
    with tf.GradientTape() as tape:
        fake = model.generator(tf.random.normal((count, NOISE)), training=True)
        generator_loss = model.judge(ones, model.discriminator(fake, training=True))
    update(tape, generator_loss, model.generator, model.generator_optimizer)
    return {"d_loss": loss, "g_loss": generator_loss}


def dcgan(keras):
    steps = {"torch": _torch_steps, "tensorflow": _tensorflow_steps}.get(keras.backend.backend())
    if steps is None:
        raise NotImplementedError("this model's train_step is written for the torch and tensorflow backends only")

    class DCGAN(keras.Model):
        """A generator and its judge; `fit` takes images, `predict` noise."""

        def __init__(self):
            super().__init__()
            self.generator, self.discriminator = _gan_parts(keras)
            self.built = True  # both parts are; Keras would build by calling it, on images

        def compile(self, optimizers, loss):
            super().compile()
            self.generator_optimizer, self.discriminator_optimizer = optimizers
            self.judge = loss

        def call(self, noise, training=False):
            return self.generator(noise, training=training)

        def train_step(self, data):
            return steps(self, data[0] if isinstance(data, tuple) else data)

    return DCGAN()


def build(keras, name, policy=None):
    """The compiled model of a name; policy: a dtype policy's name, such as "mixed_bfloat16"."""
    base, found = name.partition(":")[0], spec(name)
    kind, options = found.optimizer

    def optimizer():
        return (keras.optimizers.SGD if kind == "sgd" else keras.optimizers.Adam)(**options)

    if policy is not None:
        keras.mixed_precision.set_global_policy(policy)
    net = globals()[base](keras, **found.sizes)
    if found.loss == "gan":
        net.compile((optimizer(), optimizer()), keras.losses.BinaryCrossentropy(from_logits=True))
        return net
    losses = {
        "binary": "binary_crossentropy",
        "onehot": "categorical_crossentropy",
        "mse": "mean_squared_error",
        "sparse": lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "logits": lambda: keras.losses.BinaryCrossentropy(from_logits=True),
    }
    loss = losses[found.loss]
    # The listings keep the accuracy; the others only the loss, as a loop written by hand does.
    metrics = ["accuracy"] if found.loss in ("binary", "onehot") else None
    net.compile(optimizer=optimizer(), loss=loss() if callable(loss) else loss, metrics=metrics)
    return net
