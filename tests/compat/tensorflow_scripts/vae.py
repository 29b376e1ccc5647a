"""An autoencoder whose train_step has a tape."""

import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


class Sampling(layers.Layer):
    def call(self, inputs):
        z_mean, z_log_var = inputs
        batch = tf.shape(z_mean)[0]
        dim = tf.shape(z_mean)[1]
        epsilon = tf.keras.backend.random_normal(shape=(batch, dim))
        return z_mean + tf.exp(0.5 * z_log_var) * epsilon


inp = keras.Input(shape=(28, 28, 1))
h = layers.Conv2D(4, 3, activation="relu", strides=2, padding="same")(inp)
h = layers.Flatten()(h)
h = layers.Dense(16, activation="relu")(h)
zm, zl = layers.Dense(2, name="z_mean")(h), layers.Dense(2, name="z_log_var")(h)
z = Sampling()([zm, zl])
encoder = keras.Model(inp, [zm, zl, z], name="encoder")
li = keras.Input(shape=(2,))
h = layers.Dense(14 * 14 * 4, activation="relu")(li)
h = layers.Reshape((14, 14, 4))(h)
out = layers.Conv2DTranspose(1, 3, activation="sigmoid", strides=2, padding="same")(h)
decoder = keras.Model(li, out, name="decoder")


class VAE(keras.Model):
    def __init__(self, encoder, decoder, **kw):
        super().__init__(**kw)
        self.encoder, self.decoder = encoder, decoder
        self.total = keras.metrics.Mean(name="loss")
        self.rec = keras.metrics.Mean(name="reconstruction_loss")
        self.kl = keras.metrics.Mean(name="kl_loss")

    @property
    def metrics(self):
        return [self.total, self.rec, self.kl]

    def train_step(self, data):
        with tf.GradientTape() as tape:
            zm, zl, z = self.encoder(data)
            r = self.decoder(z)
            rec = tf.reduce_mean(tf.reduce_sum(keras.losses.binary_crossentropy(data, r), axis=(1, 2)))
            kl = -0.5 * (1 + zl - tf.square(zm) - tf.exp(zl))
            kl = tf.reduce_mean(tf.reduce_sum(kl, axis=1))
            total = rec + kl
        grads = tape.gradient(total, self.trainable_weights)
        self.optimizer.apply_gradients(zip(grads, self.trainable_weights))
        self.total.update_state(total)
        self.rec.update_state(rec)
        self.kl.update_state(kl)
        return {m.name: m.result() for m in self.metrics}


x = np.random.RandomState(0).rand(128, 28, 28, 1).astype("float32") ** 2
vae = VAE(encoder, decoder)
vae.compile(optimizer=keras.optimizers.Adam())
hist = vae.fit(x, epochs=3, batch_size=32, verbose=2)
assert hist.history["loss"][-1] < hist.history["loss"][0], hist.history
print(decoder.predict(np.array([[0.0, 1.0]]), verbose=0).shape)
