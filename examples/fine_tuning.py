"""Fine-tuning of MobileNetV2 on a folder of images, written for Keras: a frozen base under a new head, then all of it.

python fine_tuning.py [FOLDER [WEIGHTS]]

FOLDER: a folder of images to each class; where there is none, one is made from scikit-learn's two photographs and its
handwritten digits. WEIGHTS: "imagenet", a file of weights, or nothing for random ones (which learn little here).
"""

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers

SIZE = (96, 96)


def make_folder(folder, count=80, size=128):
    """`count` pieces of each photograph, and as many handwritten digits on a coloured ground."""
    from sklearn.datasets import load_digits, load_sample_images

    rng = np.random.default_rng(0)

    def save(kind, number, image):
        path = folder / kind / f"{number:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        keras.utils.save_img(path, image, scale=False)

    for kind, photograph in zip(("china", "flower"), load_sample_images().images, strict=True):
        height, width, _ = photograph.shape
        for number in range(count):
            top, left = rng.integers(height - size), rng.integers(width - size)
            save(kind, number, photograph[top : top + size, left : left + size])
    for number, digit in enumerate(load_digits().images[:count]):
        strokes = np.kron(digit / 16.0, np.ones((size // 8, size // 8)))[..., None]
        save("digit", number, 255 * strokes + (1 - strokes) * rng.uniform(0, 200, 3))


folder = Path(sys.argv[1] if len(sys.argv) > 1 else "pictures")
weights = sys.argv[2] if len(sys.argv) > 2 else None
if not folder.exists():
    make_folder(folder)

keras.utils.set_random_seed(0)
train, validation = keras.utils.image_dataset_from_directory(
    folder, validation_split=0.2, subset="both", seed=0, image_size=SIZE, batch_size=32
)
classes = len(train.class_names)

augmentation = keras.Sequential(
    [layers.RandomFlip("horizontal"), layers.RandomRotation(0.05), layers.RandomZoom(0.1), layers.RandomContrast(0.1)],
    name="augmentation",
)
base = keras.applications.MobileNetV2(input_shape=(*SIZE, 3), include_top=False, weights=weights, pooling="avg")
base.trainable = False

inputs = keras.Input((*SIZE, 3))
x = augmentation(inputs)
x = keras.applications.mobilenet_v2.preprocess_input(x)
x = base(x, training=False)
x = layers.Dropout(0.2)(x)
model = keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))

print("The head alone")
model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(train, validation_data=validation, epochs=2)

print("All of the model")
base.trainable = True
model.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(train, validation_data=validation, epochs=2)

loss, accuracy = model.evaluate(validation, verbose=0)
print(f"Validation loss {loss:.4f}, accuracy {accuracy:.4f}")
