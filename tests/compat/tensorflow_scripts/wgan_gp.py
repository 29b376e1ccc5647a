"""A gradient penalty: a tape inside a tape, in train_step."""

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

d = keras.Sequential(
    [
        keras.Input((8, 8, 1)),
        layers.Conv2D(4, 3, strides=2, padding="same"),
        layers.LeakyReLU(0.2),
        layers.Flatten(),
        layers.Dense(1),
    ]
)
g = keras.Sequential([keras.Input((4,)), layers.Dense(64), layers.Reshape((8, 8, 1)), layers.Activation("tanh")])


class WGAN(keras.Model):
    def __init__(self, discriminator, generator, latent_dim, discriminator_extra_steps=2, gp_weight=10.0):
        super().__init__()
        self.discriminator, self.generator, self.latent_dim = discriminator, generator, latent_dim
        self.d_steps, self.gp_weight = discriminator_extra_steps, gp_weight

    def compile(self, d_optimizer, g_optimizer, d_loss_fn, g_loss_fn):
        super().compile()
        self.d_optimizer, self.g_optimizer, self.d_loss_fn, self.g_loss_fn = (
            d_optimizer,
            g_optimizer,
            d_loss_fn,
            g_loss_fn,
        )

    def gradient_penalty(self, batch_size, real_images, fake_images):
        alpha = tf.random.uniform([batch_size, 1, 1, 1], 0.0, 1.0)
        diff = fake_images - real_images
        interpolated = real_images + alpha * diff
        with tf.GradientTape() as gp_tape:
            gp_tape.watch(interpolated)
            pred = self.discriminator(interpolated, training=True)
        grads = gp_tape.gradient(pred, [interpolated])[0]
        norm = tf.sqrt(tf.reduce_sum(tf.square(grads), axis=[1, 2, 3]))
        return tf.reduce_mean((norm - 1.0) ** 2)

    def train_step(self, real_images):
        if isinstance(real_images, tuple):
            real_images = real_images[0]
        batch_size = tf.shape(real_images)[0]
        for _ in range(self.d_steps):
            z = tf.random.normal(shape=(batch_size, self.latent_dim))
            with tf.GradientTape() as tape:
                fake = self.generator(z, training=True)
                fl, rl = self.discriminator(fake, training=True), self.discriminator(real_images, training=True)
                d_cost = self.d_loss_fn(real_img=rl, fake_img=fl)
                gp = self.gradient_penalty(batch_size, real_images, fake)
                d_loss = d_cost + gp * self.gp_weight
            self.d_optimizer.apply_gradients(
                zip(
                    tape.gradient(d_loss, self.discriminator.trainable_variables),
                    self.discriminator.trainable_variables,
                )
            )
        z = tf.random.normal(shape=(batch_size, self.latent_dim))
        with tf.GradientTape() as tape:
            g_loss = self.g_loss_fn(self.discriminator(self.generator(z, training=True), training=True))
        self.g_optimizer.apply_gradients(
            zip(tape.gradient(g_loss, self.generator.trainable_variables), self.generator.trainable_variables)
        )
        return {"d_loss": d_loss, "g_loss": g_loss}


wgan = WGAN(d, g, 4)
wgan.compile(
    keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.9),
    keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.9),
    lambda real_img, fake_img: tf.reduce_mean(fake_img) - tf.reduce_mean(real_img),
    lambda fake_img: -tf.reduce_mean(fake_img),
)
x = np.random.RandomState(0).rand(64, 8, 8, 1).astype("float32")
h = wgan.fit(x, batch_size=16, epochs=3, verbose=2)
assert np.isfinite(h.history["d_loss"]).all()
