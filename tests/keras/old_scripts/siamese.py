"""A Siamese network: shared layers, a distance by `Lambda` over `K`, contrastive loss, accuracy by `K`."""

import numpy as np
from keras.layers import Dense, Dropout, Flatten, Input, Lambda
from keras.models import Model
from keras.optimizers import RMSprop
from keras.utils import set_random_seed

from keras import backend as K

set_random_seed(0)


def euclidean_distance(vects):
    x, y = vects
    return K.sqrt(K.maximum(K.sum(K.square(x - y), axis=1, keepdims=True), K.epsilon()))


def eucl_dist_output_shape(shapes):
    shape1, shape2 = shapes
    return (shape1[0], 1)


def contrastive_loss(y_true, y_pred):
    margin = 1
    return K.mean(y_true * K.square(y_pred) + (1 - y_true) * K.square(K.maximum(margin - y_pred, 0)))


def accuracy(y_true, y_pred):
    return K.mean(K.equal(y_true, K.cast(y_pred < 0.5, y_true.dtype)))


inputs = Input(shape=(6, 6))
x = Dropout(0.1)(Dense(16, activation="relu")(Flatten()(inputs)))
base_network = Model(inputs, Dense(8, activation="relu")(x))
input_a, input_b = Input(shape=(6, 6)), Input(shape=(6, 6))
distance = Lambda(euclidean_distance, output_shape=eucl_dist_output_shape)(
    [base_network(input_a), base_network(input_b)]
)
model = Model([input_a, input_b], distance)
model.compile(loss=contrastive_loss, optimizer=RMSprop(), metrics=[accuracy])
pairs, labels = np.random.rand(64, 2, 6, 6), np.random.randint(0, 2, 64).astype("float32")
pairs[labels == 1, 1] = pairs[labels == 1, 0]
history = model.fit(
    [pairs[:, 0], pairs[:, 1]],
    labels,
    batch_size=16,
    epochs=15,
    validation_data=([pairs[:, 0], pairs[:, 1]], labels),
    verbose=0,
).history
assert history["val_loss"][-1] < history["val_loss"][0]
assert 0 <= history["val_accuracy"][-1] <= 1
