"""A small convolutional network on handwritten digits, written for Keras.

python keras_digits.py [RESULTS.npz]
"""

import sys

import numpy as np
from keras.callbacks import EarlyStopping
from keras.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from keras.models import Sequential
from keras.optimizers import Adam
from keras.utils import set_random_seed, to_categorical
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

set_random_seed(0)

digits = load_digits()
images = (digits.images / 16.0).astype("float32")[..., None]
x_train, x_test, y_train, y_test = train_test_split(
    images, digits.target, test_size=360, random_state=0, stratify=digits.target
)

model = Sequential(
    [
        Conv2D(32, (3, 3), padding="same", activation="relu", input_shape=(8, 8, 1)),
        BatchNormalization(),
        Conv2D(32, (3, 3), activation="relu"),
        MaxPooling2D((2, 2)),
        Flatten(),
        Dropout(0.3),
        Dense(64, activation="relu"),
        Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer=Adam(learning_rate=0.002), loss="categorical_crossentropy", metrics=["accuracy"])
model.summary()

history = model.fit(
    x_train,
    to_categorical(y_train, 10),
    batch_size=32,
    epochs=15,
    validation_data=(x_test, to_categorical(y_test, 10)),
    callbacks=[EarlyStopping(monitor="val_loss", patience=6, restore_best_weights=True)],
    verbose=2,
)
loss, accuracy = model.evaluate(x_test, to_categorical(y_test, 10), verbose=0)
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
