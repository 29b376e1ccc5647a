"""Windows over a series by Dataset.window."""

import numpy as np
import tensorflow as tf
from tensorflow import keras


def trend(time, slope=0):
    return slope * time


time = np.arange(400, dtype="float32")
series = 10 + trend(time, 0.01) + 3 * np.sin(time / 5) + np.random.RandomState(42).randn(400) * 0.1


def windowed_dataset(series, window_size, batch_size, shuffle_buffer):
    dataset = tf.data.Dataset.from_tensor_slices(series)
    dataset = dataset.window(window_size + 1, shift=1, drop_remainder=True)
    dataset = dataset.flat_map(lambda window: window.batch(window_size + 1))
    dataset = dataset.shuffle(shuffle_buffer).map(lambda window: (window[:-1], window[-1]))
    return dataset.batch(batch_size).prefetch(1)


def model_forecast(model, series, window_size):
    ds = tf.data.Dataset.from_tensor_slices(series)
    ds = (
        ds.window(window_size, shift=1, drop_remainder=True)
        .flat_map(lambda w: w.batch(window_size))
        .batch(32)
        .prefetch(1)
    )
    return model.predict(ds, verbose=0)


dataset = windowed_dataset(series, 20, 32, 100)
model = keras.models.Sequential(
    [
        keras.layers.Lambda(lambda x: tf.expand_dims(x, axis=-1), input_shape=[None]),
        keras.layers.Conv1D(8, 3, activation="relu"),
        keras.layers.GRU(8),
        keras.layers.Dense(1),
        keras.layers.Lambda(lambda x: x * 20.0),
    ]
)
model.compile(
    loss=keras.losses.Huber(), optimizer=keras.optimizers.SGD(learning_rate=1e-4, momentum=0.9), metrics=["mae"]
)
h = model.fit(dataset, epochs=4, verbose=2)
f = model_forecast(model, series[300:], 20)
print(f.shape)
print(tf.keras.metrics.mean_absolute_error(series[320:], f[:-1, 0]).numpy())
assert h.history["loss"][-1] < h.history["loss"][0]
