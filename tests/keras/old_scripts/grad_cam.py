"""Grad-CAM, saliency, deep dream's ascent and an intermediate layer's output, by `K.gradients` and `K.function`."""

import numpy as np
from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from keras.models import Sequential

from keras import backend as K

K.set_learning_phase(0)
model = Sequential()
model.add(Conv2D(4, (3, 3), activation="relu", padding="same", input_shape=(12, 12, 3), name="block5_conv3"))
model.add(MaxPooling2D((2, 2)))
model.add(Flatten())
model.add(Dropout(0.5))
model.add(Dense(5, activation="softmax"))
x = np.random.rand(1, 12, 12, 3)

class_output = model.output[:, int(np.argmax(model.predict(x)[0]))]
last_conv_layer = model.get_layer("block5_conv3")
grads = K.gradients(class_output, last_conv_layer.output)[0]
pooled_grads = K.mean(grads, axis=(0, 1, 2))
iterate = K.function([model.input], [pooled_grads, last_conv_layer.output[0]])
pooled_grads_value, conv_layer_output_value = iterate([x])
for i in range(4):
    conv_layer_output_value[:, :, i] *= pooled_grads_value[i]
heatmap = np.maximum(np.mean(conv_layer_output_value, axis=-1), 0)
assert heatmap.shape == (12, 12)

layer_output = model.get_layer("block5_conv3").output
loss = K.mean(layer_output[:, :, :, 1])
grads = K.gradients(loss, model.input)[0]
grads /= K.sqrt(K.mean(K.square(grads))) + 1e-5
iterate = K.function([model.input], [loss, grads])
image = np.random.random((1, 12, 12, 3)) * 20 + 128.0
first, _ = iterate([image])
for _ in range(10):
    loss_value, grads_value = iterate([image])
    image += grads_value
assert loss_value >= first  # equal where all of the filter is off

dream = K.variable(0.0)
for name, coefficient in {"block5_conv3": 1.5}.items():
    activation = model.get_layer(name).output
    scaling = K.prod(K.cast(K.shape(activation), "float32"))
    dream = dream + coefficient * K.sum(K.square(activation[:, 2:-2, 2:-2, :])) / scaling
gradients = K.gradients(dream, model.input)[0]
gradients /= K.maximum(K.mean(K.abs(gradients)), 1e-7)
fetch = K.function([model.input], [dream, gradients])
assert fetch([image])[1].shape == image.shape

K.clear_session()
get_output = K.function([model.layers[0].input, K.learning_phase()], [model.layers[3].output])
calm, noisy = get_output([x, 0])[0], get_output([x, 1])[0]
assert (calm != noisy).any() and (get_output([x, 0])[0] == calm).all()
