"""Image files listed, decoded, augmented by tf.image; and a data set out of a folder."""

import os
import pathlib

import numpy as np
import tensorflow as tf

root = pathlib.Path("pictures")
for c, v in (("cat", 40), ("dog", 200)):
    (root / c).mkdir(parents=True, exist_ok=True)
    for n in range(8):
        tf.io.write_file(str(root / c / f"{n}.jpg"), tf.io.encode_jpeg(tf.cast(tf.fill([20, 24, 3], v) + n, tf.uint8)))
list_ds = tf.data.Dataset.list_files(str(root / "*/*"), shuffle=False).shuffle(16, reshuffle_each_iteration=False)
class_names = np.array(sorted([item.name for item in root.glob("*")]))


def get_label(path):
    parts = tf.strings.split(path, os.path.sep)
    one_hot = parts[-2] == class_names
    return tf.argmax(one_hot)


def process_path(path):
    label = get_label(path)
    img = tf.io.read_file(path)
    img = tf.io.decode_jpeg(img, channels=3)
    return tf.image.resize(img, [16, 16]), label


AUTOTUNE = tf.data.experimental.AUTOTUNE


def augment(image, label):
    image = tf.image.random_flip_left_right(image)
    image = tf.image.random_brightness(image, max_delta=0.1)
    image = tf.image.random_crop(image, size=[14, 14, 3])
    return image / 255.0, label


ds = list_ds.map(process_path, num_parallel_calls=AUTOTUNE)
for image, label in ds.take(1):
    print("Image shape:", image.numpy().shape, "Label", label.numpy(), image.shape.as_list())
train = ds.cache().shuffle(16).map(augment, num_parallel_calls=AUTOTUNE).batch(4).prefetch(AUTOTUNE)
model = tf.keras.Sequential([tf.keras.layers.GlobalAveragePooling2D(input_shape=(14, 14, 3)), tf.keras.layers.Dense(2)])
model.compile(
    optimizer=tf.keras.optimizers.Adam(0.3),
    loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
h = model.fit(train, epochs=6, verbose=2)
assert h.history["accuracy"][-1] > 0.9
ds2 = tf.keras.utils.image_dataset_from_directory(str(root), image_size=(16, 16), batch_size=4, seed=1)
print(ds2.class_names)
norm = tf.keras.layers.Rescaling(1 / 255)
ds2 = ds2.cache().map(lambda x, y: (norm(x), y)).prefetch(1)
for a, b in ds2.take(1):
    print(a.shape, b.shape)
