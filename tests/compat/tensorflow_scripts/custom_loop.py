"""A loop of one's own over tf.data, with a tape, metrics and tf.function."""

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

tf.keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
x = rng.random((512, 28, 28), dtype="float32")
y = rng.integers(0, 2, 512)
x[:, :14] += 0.5 * y[:, None, None]  # the upper half of class 1 is brighter
train = tf.data.Dataset.from_tensor_slices((x[..., tf.newaxis], y)).shuffle(512).batch(64)


class Net(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.conv = layers.Conv2D(4, 3, activation="relu")
        self.flat = layers.Flatten()
        self.out = layers.Dense(2)

    def call(self, inputs, training=False):
        return self.out(self.flat(self.conv(inputs)))


model = Net()
loss_fn = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
opt = tf.keras.optimizers.Adam(3e-3)
train_loss = tf.keras.metrics.Mean(name="loss")
train_acc = tf.keras.metrics.SparseCategoricalAccuracy(name="acc")


@tf.function
def step(images, labels):
    with tf.GradientTape() as tape:
        pred = model(images, training=True)
        loss = loss_fn(labels, pred)
    grads = tape.gradient(loss, model.trainable_variables)
    opt.apply_gradients(zip(grads, model.trainable_variables))
    train_loss(loss)
    train_acc(labels, pred)
    return loss


for epoch in range(8):
    train_loss.reset_state()
    train_acc.reset_states()
    for n, (images, labels) in enumerate(train):
        loss = step(images, labels)
        if n % 4 == 0:
            print(f"step {n}: {loss:.3f} {float(loss):.3f} {loss.numpy():.3f}")
    print(f"Epoch {epoch + 1}, Loss: {train_loss.result():.4f}, Accuracy: {train_acc.result() * 100:.1f}")
assert float(train_acc.result()) > 0.8

# Gradients gathered over batches in variables.
layer = tf.keras.layers.Dense(1, kernel_initializer="ones")
layer.build((None, 2))
gathered = [tf.Variable(tf.zeros_like(one), trainable=False) for one in layer.trainable_variables]
for _ in range(2):
    for one in gathered:
        one.assign_add(tf.ones_like(one) / 2)
tf.keras.optimizers.SGD(0.1).apply_gradients(zip(gathered, layer.trainable_variables))
assert abs(float(layer.kernel[0, 0]) - 0.9) < 1e-6 and float(gathered[0][0, 0]) == 1
