"""Where a network looks: the gradient of a class by a layer's output."""

import numpy as np
import tensorflow as tf
from tensorflow import keras

inp = keras.Input((32, 32, 3))
x = keras.layers.Conv2D(8, 3, activation="relu", name="last_conv")(inp)
x = keras.layers.GlobalAveragePooling2D()(x)
x = keras.layers.Dense(5, activation="softmax", name="predictions")(x)
model = keras.Model(inp, x)


def make_gradcam_heatmap(img_array, model, last_conv_layer_name, pred_index=None):
    grad_model = tf.keras.models.Model([model.inputs], [model.get_layer(last_conv_layer_name).output, model.output])
    with tf.GradientTape() as tape:
        last_conv_layer_output, preds = grad_model(img_array)
        if pred_index is None:
            pred_index = tf.argmax(preds[0])
        class_channel = preds[:, pred_index]
    grads = tape.gradient(class_channel, last_conv_layer_output)
    pooled_grads = tf.reduce_mean(grads, axis=(0, 1, 2))
    last_conv_layer_output = last_conv_layer_output[0]
    heatmap = last_conv_layer_output @ pooled_grads[..., tf.newaxis]
    heatmap = tf.squeeze(heatmap)
    heatmap = tf.maximum(heatmap, 0) / tf.math.reduce_max(heatmap)
    return heatmap.numpy()


img = np.random.RandomState(0).rand(1, 32, 32, 3).astype("float32")
h = make_gradcam_heatmap(img, model, "last_conv")
print(h.shape, h.max())
assert h.shape == (30, 30)
# saliency
images = tf.convert_to_tensor(img)
with tf.GradientTape() as tape:
    tape.watch(images)
    top = tf.math.reduce_max(model(images), axis=1)
g = tape.gradient(top, images)
s = tf.reduce_max(tf.abs(g), axis=-1)
print(s.shape)
