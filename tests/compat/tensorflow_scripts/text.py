"""Texts through TextVectorization with a standardization of one's own."""

import re
import string

import tensorflow as tf
from tensorflow.keras import layers, losses

texts = ["good great fine nice <br />", "bad awful poor sad"] * 40
labels = [1, 0] * 40
raw = tf.data.Dataset.from_tensor_slices((texts, labels)).batch(8)
for text_batch, label_batch in raw.take(1):
    for i in range(2):
        print("Review", text_batch.numpy()[i])
        print("Label", label_batch.numpy()[i])


def custom_standardization(input_data):
    lowercase = tf.strings.lower(input_data)
    stripped = tf.strings.regex_replace(lowercase, "<br />", " ")
    return tf.strings.regex_replace(stripped, f"[{re.escape(string.punctuation)}]", "")


vec = layers.TextVectorization(
    standardize=custom_standardization, max_tokens=50, output_mode="int", output_sequence_length=6
)
vec.adapt(raw.map(lambda x, y: x))
print(vec.get_vocabulary())


def vectorize_text(text, label):
    text = tf.expand_dims(text, -1)
    return vec(text), label


ds = raw.map(vectorize_text).cache().prefetch(buffer_size=tf.data.AUTOTUNE)
for a, b in ds.take(1):
    print(a[0], b[0])
model = tf.keras.Sequential(
    [layers.Embedding(51, 8), layers.Dropout(0.2), layers.GlobalAveragePooling1D(), layers.Dense(1)]
)
model.compile(
    loss=losses.BinaryCrossentropy(from_logits=True),
    optimizer=tf.keras.optimizers.Adam(0.05),
    metrics=[tf.keras.metrics.BinaryAccuracy(threshold=0.0)],
)
model.fit(ds, validation_data=ds, epochs=5, verbose=2)
loss, acc = model.evaluate(ds, verbose=0)
assert acc > 0.95
export = tf.keras.Sequential([vec, model, layers.Activation("sigmoid")])
export.compile(loss=losses.BinaryCrossentropy(from_logits=False), optimizer="adam", metrics=["accuracy"])
print(export.evaluate(raw, verbose=0))
print(export.predict(tf.constant(["good nice", "awful sad"])))
