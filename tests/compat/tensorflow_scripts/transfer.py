"""A frozen application with a new head, then fine tuning."""

import numpy as np
import tensorflow as tf

base = tf.keras.applications.MobileNetV2(input_shape=(32, 32, 3), include_top=False, weights=None, alpha=0.35)
base.trainable = False
aug = tf.keras.Sequential([tf.keras.layers.RandomFlip("horizontal"), tf.keras.layers.RandomRotation(0.2)])
inputs = tf.keras.Input(shape=(32, 32, 3))
x = aug(inputs)
x = tf.keras.applications.mobilenet_v2.preprocess_input(x)
x = base(x, training=False)
x = tf.keras.layers.GlobalAveragePooling2D()(x)
x = tf.keras.layers.Dropout(0.2)(x)
outputs = tf.keras.layers.Dense(1)(x)
model = tf.keras.Model(inputs, outputs)
xs = np.random.RandomState(0).rand(32, 32, 32, 3).astype("float32") * 255
ys = np.arange(32) % 2
ds = tf.data.Dataset.from_tensor_slices((xs, ys)).batch(8).prefetch(buffer_size=tf.data.AUTOTUNE)
image_batch, label_batch = next(iter(ds))
print(base(image_batch).shape)
model.compile(
    optimizer=tf.keras.optimizers.Adam(learning_rate=1e-3),
    loss=tf.keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=[tf.keras.metrics.BinaryAccuracy(threshold=0, name="accuracy")],
)
model.fit(ds, epochs=1, validation_data=ds, verbose=2)
base.trainable = True
for layer in base.layers[:100]:
    layer.trainable = False
model.compile(
    optimizer=tf.keras.optimizers.RMSprop(learning_rate=1e-5),
    loss=tf.keras.losses.BinaryCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(ds, epochs=1, verbose=2)
image_batch, label_batch = ds.as_numpy_iterator().next()
pred = model.predict_on_batch(image_batch).flatten()
pred = tf.nn.sigmoid(pred)
pred = tf.where(pred < 0.5, 0, 1)
print("Predictions:\n", pred.numpy(), label_batch)
