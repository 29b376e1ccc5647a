"""Keras 1's autoencoders: a functional one with `Model(input=, output=)`, and a convolutional one."""

import numpy as np
from keras.layers import Convolution2D, Dense, Input, MaxPooling2D, UpSampling2D
from keras.models import Model

from keras import regularizers

x_train = np.random.rand(64, 16)
input_img = Input(shape=(16,))
encoded = Dense(4, activation="relu", activity_regularizer=regularizers.l1(1e-5))(input_img)
decoded = Dense(16, activation="sigmoid")(encoded)
autoencoder = Model(input=input_img, output=decoded)
encoder = Model(input=input_img, output=encoded)
encoded_input = Input(shape=(4,))
decoder = Model(input=encoded_input, output=autoencoder.layers[-1](encoded_input))
autoencoder.compile(optimizer="adadelta", loss="binary_crossentropy")
autoencoder.fit(
    x_train, x_train, nb_epoch=3, batch_size=16, shuffle=True, validation_data=(x_train, x_train), verbose=0
)
assert np.allclose(decoder.predict(encoder.predict(x_train)), autoencoder.predict(x_train), atol=1e-5)

images = np.random.rand(16, 8, 8, 1)
input_img = Input(shape=(8, 8, 1))
x = Convolution2D(4, 3, 3, activation="relu", border_mode="same")(input_img)
encoded = MaxPooling2D((2, 2), border_mode="same")(x)
x = Convolution2D(4, 3, 3, activation="relu", border_mode="same", init="glorot_uniform")(encoded)
x = UpSampling2D((2, 2))(x)
decoded = Convolution2D(1, 3, 3, activation="sigmoid", border_mode="same")(x)
autoencoder = Model(input_img, decoded)
autoencoder.compile(optimizer="adadelta", loss="binary_crossentropy")
autoencoder.fit(images, images, epochs=2, batch_size=8, verbose=0)
