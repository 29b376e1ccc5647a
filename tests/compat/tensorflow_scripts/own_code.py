"""Layers, losses, metrics and steps of a script's own get tensors and shapes with TensorFlow's methods."""

import numpy as np
import tensorflow as tf

x = np.random.RandomState(0).randn(16, 4).astype("float32")


class Layer(tf.keras.layers.Layer):
    def build(self, input_shape):
        assert input_shape.as_list()[-1] == 4
        self.w = self.add_weight(name="w", shape=(input_shape[-1], 2), initializer="zeros")

    def call(self, inputs):
        assert inputs.shape.as_list()[1:] == [4] and inputs.get_shape()[1] == 4
        assert inputs.dtype.name == "float32" and inputs.dtype.is_floating
        kept = inputs
        inputs += 1
        assert kept is not inputs
        return tf.matmul(inputs, self.w) + kept[:, :2]

    def compute_output_shape(self, input_shape):
        return input_shape[:-1].concatenate(2)


class Loss(tf.keras.losses.Loss):
    def call(self, y_true, y_pred):
        assert y_pred.shape.as_list()[-1] == y_true.get_shape()[-1] == 2
        return tf.reduce_mean(tf.square(y_true - y_pred), -1)


def metric(y_true, y_pred):
    return tf.reduce_mean(tf.abs(y_true - y_pred)) / y_pred.shape.as_list()[-1]


inputs = tf.keras.Input((4,))
outputs = tf.keras.layers.Lambda(lambda z: z * z.shape.as_list()[-1])(Layer()(inputs))
model = tf.keras.Model(inputs, outputs)
model.compile("sgd", Loss(), metrics=[metric])
history = model.fit(x, x[:, :2], batch_size=8, epochs=3, verbose=0).history
assert history["loss"][-1] < history["loss"][0]
assert model(x).shape.as_list() == [16, 2] and isinstance(model(x), tf.Tensor)

# What counts is kept in place, also where TensorFlow's tensors are added.
count = tf.Variable(0.0, trainable=False)
mean = tf.keras.metrics.Mean()
for number in range(3):
    count.assign_add(tf.constant(1.0))
    mean(tf.constant(float(number)))
assert count.numpy() == 3 and mean.result().numpy() == 1 and isinstance(mean.variables[0].numpy(), np.float32)


class Pair(tf.keras.Model):
    """A model whose steps take three inputs, which count as (x, y, weights) elsewhere."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def call(self, inputs):
        return self.inner(inputs)

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = tf.maximum(tf.reduce_sum(self.inner(data), -1), 0.0)
        gradients = tape.gradient(loss, self.inner.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.inner.trainable_weights))
        return {"loss": tf.reduce_mean(loss)}


three = [tf.keras.Input((4,)) for _ in range(3)]
inner = tf.keras.Model(three, tf.keras.layers.Dense(2)(tf.keras.layers.Concatenate()(three)))
pair = Pair(inner)
pair.compile(optimizer="sgd")
pair.fit(tf.data.Dataset.from_tensor_slices((x, x, x)).batch(8), verbose=0)


class Causal(tf.keras.layers.Layer):
    def call(self, inputs):
        sizes = tf.shape(inputs)
        mask = tf.cast(tf.range(sizes[1])[:, None] >= tf.range(sizes[1]), tf.float32)
        repeats = tf.concat([tf.expand_dims(sizes[0], -1), tf.constant([1, 1], dtype=tf.int32)], 0)
        return tf.tile(tf.reshape(mask, [1, sizes[1], sizes[1]]), repeats)


symbol = tf.keras.Input((5, 3))
assert tuple(Causal()(symbol).shape)[1:] == (5, 5)

# Operations of TensorFlow's come back with a saved model.
symbol = tf.keras.Input((4,))
taken = tf.gather(symbol, [0, 2], axis=1)
wide = tf.broadcast_to(tf.expand_dims(taken, 1), [tf.shape(taken)[0], 3, 2])
model = tf.keras.Model(symbol, wide)
model.save("model.keras")
again = tf.keras.models.load_model("model.keras")
np.testing.assert_array_equal(again(x), model(x))
np.testing.assert_array_equal(model(x)[:, 1], x[:, [0, 2]])

# A gradient that is taken after weights were changed is that of the weights as they were.
first, last = (tf.keras.layers.Dense(size, kernel_initializer="ones") for size in (3, 1))
optimizer = tf.keras.optimizers.SGD(0.1)
with tf.GradientTape(persistent=True) as tape:
    hidden = first(tf.ones((2, 4)))
    one, two = tf.reduce_sum(last(hidden)), tf.reduce_sum(tf.square(last(hidden)))
optimizer.apply_gradients(zip(tape.gradient(one, last.trainable_variables), last.trainable_variables))
assert (tape.gradient(two, first.trainable_variables)[0].numpy() == 48).all()

# Seeds out of seeds.
seeds = tf.random.split((1, 2), num=3)
assert seeds.shape == (3, 2) and (seeds.numpy() == tf.random.split((1, 2), num=3).numpy()).all()
assert (tf.random.fold_in((1, 2), 3).numpy() != tf.random.fold_in((1, 2), 4).numpy()).any()

# Classes that are sampled without repetition.
sample = tf.random.log_uniform_candidate_sampler([[1], [2]], 1, 6, True, 20, seed=1)
assert len(set(sample.sampled_candidates.numpy())) == 6 and sample.true_expected_count.shape == (2, 1)
assert 0 < sample.true_expected_count[1, 0] < sample.true_expected_count[0, 0] < 1
