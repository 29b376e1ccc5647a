"""A GAN whose discriminator does not learn inside the stacked model; and a step by hand of Keras 2."""

import numpy as np
from keras.layers import BatchNormalization, Dense, Dropout, Input
from keras.layers.advanced_activations import LeakyReLU
from keras.models import Model, Sequential
from keras.optimizers import Adam

from keras import backend as K

optimizer = Adam(0.0002, 0.5)
discriminator = Sequential()
discriminator.add(Dense(16, input_dim=8))
discriminator.add(LeakyReLU(alpha=0.2))
discriminator.add(Dropout(0.3))
discriminator.add(Dense(1, activation="sigmoid"))
discriminator.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])
generator = Sequential([Dense(16, input_dim=4), LeakyReLU(0.2), BatchNormalization(momentum=0.8), Dense(8)])
z = Input(shape=(4,))
discriminator.trainable = False
combined = Model(z, discriminator(generator(z)))
combined.compile(loss="binary_crossentropy", optimizer=Adam(0.0002, 0.5))
real = np.random.randn(64, 8)
valid, fake = np.ones((16, 1)), np.zeros((16, 1))
for epoch in range(4):
    images = real[np.random.randint(0, 64, 16)]
    noise = np.random.normal(0, 1, (16, 4))
    before = discriminator.get_weights()[0].copy()
    d_loss = 0.5 * np.add(
        discriminator.train_on_batch(images, valid), discriminator.train_on_batch(generator.predict(noise), fake)
    )
    learned = discriminator.get_weights()[0].copy()
    assert (learned != before).any()
    g_loss = combined.train_on_batch(noise, valid)
    assert (discriminator.get_weights()[0] == learned).all()
assert d_loss.shape == (2,) and np.isfinite(g_loss)

state = Input(shape=(4,))
policy = Model(state, Dense(3, activation="softmax")(Dense(8, activation="tanh")(state)))
action, advantage = K.placeholder(shape=(None, 3)), K.placeholder(shape=(None,))
loss = -K.sum(K.log(K.sum(policy.output * action, axis=1) + 1e-10) * advantage)
updates = Adam(lr=0.01).get_updates(loss, policy.trainable_weights)
train = K.function([policy.input, action, advantage], [loss], updates=updates)
data = [np.random.rand(10, 4), np.eye(3)[np.random.randint(0, 3, 10)], np.ones(10)]
losses = [train(data)[0] for _ in range(30)]
assert losses[-1] < losses[0]
