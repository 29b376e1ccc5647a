"""An image learned by a tape over a network's layers."""

import numpy as np
import tensorflow as tf
from tensorflow import keras

vgg = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
vgg.trainable = False
content_layers, style_layers = ["block2_conv2"], ["block1_conv1", "block2_conv1"]


def vgg_layers(names):
    return tf.keras.Model([vgg.input], [vgg.get_layer(n).output for n in names])


def gram_matrix(t):
    result = tf.linalg.einsum("bijc,bijd->bcd", t, t)
    shape = tf.shape(t)
    return result / tf.cast(shape[1] * shape[2], tf.float32)


class Extract(tf.keras.models.Model):
    def __init__(self):
        super().__init__()
        self.vgg = vgg_layers(style_layers + content_layers)
        self.vgg.trainable = False

    def call(self, inputs):
        out = self.vgg(tf.keras.applications.vgg16.preprocess_input(inputs * 255.0))
        return {
            "content": dict(zip(content_layers, out[2:])),
            "style": {n: gram_matrix(o) for n, o in zip(style_layers, out[:2])},
        }


r = np.random.RandomState(0)
content, style = tf.constant(r.rand(1, 32, 32, 3), dtype=tf.float32), tf.constant(r.rand(1, 32, 32, 3), tf.float32)
ex = Extract()
st, ct = ex(style)["style"], ex(content)["content"]
image = tf.Variable(content)
opt = tf.keras.optimizers.Adam(learning_rate=0.02, beta_1=0.99, epsilon=1e-1)


def clip(i):
    return tf.clip_by_value(i, clip_value_min=0.0, clip_value_max=1.0)


def loss_of(o):
    sl = tf.add_n([tf.reduce_mean((o["style"][n] - st[n]) ** 2) for n in o["style"]]) * 1e-2
    cl = tf.add_n([tf.reduce_mean((o["content"][n] - ct[n]) ** 2) for n in o["content"]])
    return sl + cl


@tf.function()
def train_step(image):
    with tf.GradientTape() as tape:
        loss = loss_of(ex(image)) + 30 * tf.image.total_variation(image)
    grad = tape.gradient(loss, image)
    opt.apply_gradients([(grad, image)])
    image.assign(clip(image))
    return loss


losses = [float(train_step(image)[0]) for _ in range(5)]
print(losses)
assert losses[-1] < losses[0]
t = np.array(image * 255, dtype=np.uint8)
print(t.shape)
