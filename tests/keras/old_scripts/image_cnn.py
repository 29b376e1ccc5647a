"""A CNN of Keras 1 and 2 on an `ImageDataGenerator`: `fit_generator`, `samples_per_epoch`, `flow_from_directory`."""

import os
import tempfile

import numpy as np
from keras.layers import Activation, Conv2D, Convolution2D, Dense, Dropout, Flatten, MaxPooling2D
from keras.models import Sequential
from keras.optimizers import SGD
from keras.preprocessing.image import ImageDataGenerator, array_to_img, img_to_array, load_img

from keras import backend as K

if K.image_dim_ordering() == "th":
    input_shape = (3, 16, 16)
else:
    input_shape = (16, 16, 3)
x, y = np.random.rand(32, 16, 16, 3), np.eye(2)[np.random.randint(0, 2, 32)]
model = Sequential()
model.add(Convolution2D(4, 3, 3, border_mode="same", input_shape=input_shape))
model.add(Activation("relu"))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Conv2D(4, (3, 3), activation="relu", kernel_initializer="he_uniform"))
model.add(Flatten())
model.add(Dropout(0.25))
model.add(Dense(2, W_regularizer="l2"))
model.add(Activation("softmax"))
sgd = SGD(lr=0.01, decay=1e-6, momentum=0.9, nesterov=True)
model.compile(loss="categorical_crossentropy", optimizer=sgd, metrics=["accuracy"])
datagen = ImageDataGenerator(rotation_range=10, width_shift_range=0.1, zoom_range=0.1, horizontal_flip=True)
datagen.fit(x)
model.fit_generator(datagen.flow(x, y, batch_size=8), samples_per_epoch=32, nb_epoch=1, verbose=0)
history = model.fit_generator(
    datagen.flow(x, y, batch_size=8), steps_per_epoch=4, epochs=2, validation_data=(x, y), verbose=0
)
assert len(history.history["val_loss"]) == 2

with tempfile.TemporaryDirectory() as folder:
    for name in ("cats", "dogs"):
        os.makedirs(os.path.join(folder, name))
        for i in range(3):
            array_to_img(np.random.rand(20, 20, 3) * 255).save(os.path.join(folder, name, "%d.png" % i))
    flow = ImageDataGenerator(rescale=1.0 / 255).flow_from_directory(
        folder, target_size=(16, 16), batch_size=3, class_mode="categorical"
    )
    model.fit_generator(flow, steps_per_epoch=2, epochs=1, verbose=0)
    assert flow.class_indices == {"cats": 0, "dogs": 1}
    assert model.predict_generator(flow, steps=2).shape == (6, 2)
    assert len(model.evaluate_generator(flow, steps=2)) == 2
    image = img_to_array(load_img(os.path.join(folder, "cats", "0.png"), target_size=(16, 16)))
    assert model.predict(np.expand_dims(image, axis=0)).shape == (1, 2)
