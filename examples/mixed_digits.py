"""One model of three frameworks' layers: Gluon convolutions and a torch module inside a Keras model, trained by `fit`.

python mixed_digits.py [RESULTS.npz]
"""

import sys

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import tandem.mxnet as mx
from tandem import keras
from tandem.mxnet.gluon import nn

keras.utils.set_random_seed(0)

digits = load_digits()
images = (digits.images / 16.0).astype("float32")[..., None]
x_train, x_test, y_train, y_test = train_test_split(
    images, digits.target, test_size=360, random_state=0, stratify=digits.target
)

# A Gluon block reads NCHW, Keras's images are NHWC: a Permute joins them.
features = nn.HybridSequential()
features.add(
    nn.Conv2D(channels=32, kernel_size=3, padding=1, activation="relu"),
    nn.BatchNorm(),
    nn.Conv2D(channels=32, kernel_size=3, activation="relu"),
    nn.MaxPool2D(pool_size=2, strides=2),
    nn.Flatten(),
)
features.initialize(mx.init.Xavier())

inputs = keras.Input((8, 8, 1))
x = keras.layers.Permute((3, 1, 2))(inputs)
x = features(x)
x = keras.layers.Dropout(0.3)(x)
x = keras.layers.TorchModuleWrapper(torch.nn.Sequential(torch.nn.LazyLinear(64), torch.nn.ReLU()))(x)
outputs = keras.layers.Dense(10, activation="softmax")(x)
model = keras.Model(inputs, outputs)

model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(
    x_train, y_train, batch_size=32, epochs=15, validation_data=(x_test, y_test), verbose=2, shuffle=True
)
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"Test accuracy: {accuracy:.4f}")

if len(sys.argv) > 1:
    np.savez(
        sys.argv[1],
        loss=history.history["loss"],
        accuracy=history.history["val_accuracy"],
        labels=y_test,
        predicted=model.predict(x_test, verbose=0).argmax(axis=1),
        images=x_test[..., 0],
    )
