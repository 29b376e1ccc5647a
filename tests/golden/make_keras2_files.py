"""Writes the golden files under tests/golden/keras/ with Keras 2 (tf_keras and TensorFlow).

    python -m venv keras2 && keras2/bin/pip install tensorflow-cpu tf_keras
    keras2/bin/python tests/golden/make_keras2_files.py

For each model: NAME.h5 (whole), NAME.weights.legacy.h5, NAME.json, NAME.keras (as Keras 2 has it), and NAME.npz with
inputs (x, or x0, x1), targets (y), predictions (p, or p0, p1) and predictions after one more epoch (after).
"""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tf_keras as keras

HERE = Path(__file__).resolve().parent / "keras"
L = keras.layers
chance = np.random.RandomState(0)


def write(name, model, x, y, **arguments):
    """Train a model a little, write it, train it a little more."""
    model.compile(**arguments)
    model.fit(x, y, epochs=2, batch_size=4, verbose=0)
    model.save(HERE / f"{name}.h5")
    model.save_weights(HERE / f"{name}.weights.legacy.h5")
    model.save(HERE / f"{name}.keras")
    (HERE / f"{name}.json").write_text(model.to_json())
    arrays = {}
    for key, value in (("x", x), ("y", y), ("p", model.predict(x, verbose=0))):
        values = value if isinstance(value, list) else [value]
        arrays.update({f"{key}{number if len(values) > 1 else ''}": item for number, item in enumerate(values)})
    model.fit(x, y, epochs=1, batch_size=4, shuffle=False, verbose=0)
    after = model.predict(x, verbose=0)
    np.savez_compressed(HERE / f"{name}.npz", after=after[0] if isinstance(after, list) else after, **arrays)


def floats(*shape):
    """Numbers from 0 to 1."""
    return chance.rand(*shape).astype("float32")


def main():
    """Write everything."""
    HERE.mkdir(exist_ok=True)
    images = keras.Sequential(
        [
            L.Conv2D(3, 3, padding="same", activation="relu", input_shape=(6, 6, 2)),
            L.BatchNormalization(),
            L.MaxPooling2D(),
            L.Flatten(),
            L.Dense(4, kernel_regularizer="l2"),
            L.LeakyReLU(alpha=0.1),
            L.Dense(2, activation="softmax"),
        ]
    )
    write(
        "images",
        images,
        floats(8, 6, 6, 2),
        np.eye(2, dtype="float32")[chance.randint(0, 2, 8)],
        optimizer=keras.optimizers.legacy.Adam(lr=1e-3, decay=1e-2),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
    )
    words = keras.Sequential(
        [
            L.Embedding(12, 4, input_length=5, mask_zero=True),
            L.Bidirectional(L.LSTM(3, return_sequences=True, recurrent_activation="hard_sigmoid")),
            L.GRU(3),
            L.Dense(1, activation="sigmoid"),
        ]
    )
    write(
        "words",
        words,
        chance.randint(1, 12, (8, 5)),
        chance.randint(0, 2, (8, 1)).astype("float32"),
        optimizer=keras.optimizers.RMSprop(1e-2),
        loss=keras.losses.BinaryCrossentropy(),
        metrics=["acc", keras.metrics.AUC()],
    )
    one, two = L.Input((4,), name="one"), L.Input((3,), name="two")
    shared = L.Dense(4, activation="tanh")
    both = L.concatenate([shared(one), shared(L.Dense(4)(two))])
    inner = keras.Sequential([L.Dense(3, activation="relu", input_shape=(8,)), L.BatchNormalization()])
    first = L.Add()([inner(both), L.Dense(3)(both)])
    graph = keras.Model([one, two], [first, L.Dense(1, name="second")(first)])
    write(
        "graph",
        graph,
        [floats(8, 4), floats(8, 3)],
        [floats(8, 3), floats(8, 1)],
        optimizer=keras.optimizers.legacy.SGD(0.05, momentum=0.9, nesterov=True),
        loss=["mse", "mae"],
        loss_weights=[1.0, 0.5],
    )


if __name__ == "__main__":
    main()
