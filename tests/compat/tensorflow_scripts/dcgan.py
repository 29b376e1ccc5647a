"""A GAN of two tapes in one step, with checkpoints."""

import os

import numpy as np
import tensorflow as tf
from tensorflow.keras import layers

images = np.random.RandomState(0).rand(64, 28, 28, 1).astype("float32") * 2 - 1
dataset = tf.data.Dataset.from_tensor_slices(images).shuffle(64).batch(16)


def make_generator():
    m = tf.keras.Sequential()
    m.add(layers.Dense(7 * 7 * 8, use_bias=False, input_shape=(10,)))
    m.add(layers.BatchNormalization())
    m.add(layers.LeakyReLU())
    m.add(layers.Reshape((7, 7, 8)))
    assert m.output_shape == (None, 7, 7, 8)
    m.add(layers.Conv2DTranspose(4, (5, 5), strides=(2, 2), padding="same", use_bias=False))
    m.add(layers.BatchNormalization())
    m.add(layers.LeakyReLU())
    m.add(layers.Conv2DTranspose(1, (5, 5), strides=(2, 2), padding="same", activation="tanh"))
    return m


def make_discriminator():
    return tf.keras.Sequential(
        [
            layers.Conv2D(4, 5, strides=2, padding="same", input_shape=[28, 28, 1]),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )


generator, discriminator = make_generator(), make_discriminator()
noise = tf.random.normal([1, 10])
img = generator(noise, training=False)
print(img[0, :, :, 0].numpy().shape, discriminator(img))
bce = tf.keras.losses.BinaryCrossentropy(from_logits=True)


def d_loss(real, fake):
    return bce(tf.ones_like(real), real) + bce(tf.zeros_like(fake), fake)


def g_loss(fake):
    return bce(tf.ones_like(fake), fake)


g_opt, d_opt = tf.keras.optimizers.Adam(1e-4), tf.keras.optimizers.Adam(1e-4)
ck = tf.train.Checkpoint(generator_optimizer=g_opt, generator=generator, discriminator=discriminator)


@tf.function
def train_step(batch):
    noise = tf.random.normal([16, 10])
    with tf.GradientTape() as gt, tf.GradientTape() as dt:
        fake = generator(noise, training=True)
        real_out, fake_out = discriminator(batch, training=True), discriminator(fake, training=True)
        gl, dl = g_loss(fake_out), d_loss(real_out, fake_out)
    gg = gt.gradient(gl, generator.trainable_variables)
    dg = dt.gradient(dl, discriminator.trainable_variables)
    g_opt.apply_gradients(zip(gg, generator.trainable_variables))
    d_opt.apply_gradients(zip(dg, discriminator.trainable_variables))
    return gl, dl


for _ in range(2):
    for b in dataset:
        gl, dl = train_step(b)
    tf.print("losses", gl, dl)
    print(ck.save(file_prefix=os.path.join("checkpoints", "ckpt")))
ck.restore(tf.train.latest_checkpoint("checkpoints")).assert_consumed()
pred = generator(tf.random.normal([4, 10]), training=False)
arr = pred[0, :, :, 0] * 127.5 + 127.5
assert np.isfinite(arr.numpy()).all() and np.asarray(arr).shape == (28, 28)
