"""A variational autoencoder with its loss of the model's own tensors, twice: by `add_loss`, and as a closure."""

import numpy as np
from keras.layers import Dense, Input, Lambda
from keras.losses import binary_crossentropy
from keras.models import Model
from keras.utils import set_random_seed

from keras import backend as K

set_random_seed(1)
x_train = (np.random.rand(128, 12) > 0.5).astype("float32")
original_dim, latent_dim = 12, 2


def sampling(args):
    z_mean, z_log_var = args
    batch, dim = K.shape(z_mean)[0], K.int_shape(z_mean)[1]
    return z_mean + K.exp(0.5 * z_log_var) * K.random_normal(shape=(batch, dim))


def make():
    inputs = Input(shape=(original_dim,))
    h = Dense(8, activation="relu")(inputs)
    z_mean = Dense(latent_dim, name="z_mean")(h)
    z_log_var = Dense(latent_dim, name="z_log_var")(h)
    z = Lambda(sampling, output_shape=(latent_dim,))([z_mean, z_log_var])
    outputs = Dense(original_dim, activation="sigmoid")(Dense(8, activation="relu")(z))
    return Model(inputs, outputs), inputs, outputs, z_mean, z_log_var


vae, inputs, outputs, z_mean, z_log_var = make()
reconstruction = binary_crossentropy(inputs, outputs)
reconstruction *= original_dim
kl = K.sum(1 + z_log_var - K.square(z_mean) - K.exp(z_log_var), axis=-1)
kl *= -0.5
vae.add_loss(K.mean(reconstruction + kl))
vae.compile(optimizer="adam")
history = vae.fit(x_train, epochs=15, batch_size=16, validation_data=(x_train, None), verbose=0).history
assert history["loss"][-1] < history["loss"][0]
encoder = Model(inputs, z_mean)
assert encoder.predict(x_train).shape == (128, latent_dim)

other, inputs, outputs, z_mean, z_log_var = make()


def vae_loss(x, x_decoded_mean):
    xent_loss = original_dim * binary_crossentropy(x, x_decoded_mean)
    kl_loss = -0.5 * K.sum(1 + z_log_var - K.square(z_mean) - K.exp(z_log_var), axis=-1)
    return K.mean(xent_loss + kl_loss)


other.compile(optimizer="rmsprop", loss=vae_loss)
history = other.fit(x_train, x_train, shuffle=True, epochs=15, batch_size=16, verbose=0).history
assert history["loss"][-1] < history["loss"][0]
