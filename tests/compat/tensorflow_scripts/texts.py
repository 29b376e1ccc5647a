"""Text in and out of layers and models: string and ragged tensors, CSV files, models that are subclassed."""

import numpy as np
import tensorflow as tf

ids = tf.keras.layers.StringLookup(vocabulary=["a", "b"], mask_token=None)
chars = tf.keras.layers.StringLookup(vocabulary=ids.get_vocabulary(), invert=True, mask_token=None)
ragged = ids(tf.strings.unicode_split(["ab", "z"], "UTF-8"))
assert ragged.to_list() == [[1, 2], [0]]
assert tf.strings.reduce_join(chars(ragged), axis=-1).numpy().tolist() == [b"ab", b"[UNK]"]
assert chars(ids(tf.constant("a"))).numpy().decode() == "a"


class Ranking(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.users = tf.keras.Sequential(
            [tf.keras.layers.StringLookup(vocabulary=["u", "v"]), tf.keras.layers.Embedding(4, 3)]
        )
        self.rating = tf.keras.layers.Dense(1)

    def call(self, features):
        return self.rating(self.users(features["user"]))


model = Ranking()
assert model({"user": tf.constant(["u", "w"])}).shape == (2, 1)
model.compile("sgd", "mse")
data = tf.data.Dataset.from_tensor_slices(({"user": ["u", "v"] * 4}, np.ones((8, 1), "float32"))).batch(4)
model.fit(data, verbose=0)

with open("a.csv", "w") as file:
    file.write('age,name,fare,big,label\n22,"B, Mr",7.25,5000000000,1\n,C,71.3,1,0\n26,,8,2,0\n')
found = tf.data.experimental.make_csv_dataset("a.csv", batch_size=2, label_name="label", num_epochs=1, shuffle=False)
spec, label = found.element_spec
assert [spec[name].dtype for name in ("age", "name", "fare", "big")] == [tf.int32, tf.string, tf.float32, tf.int64]
assert spec["age"].shape.as_list() == [None] and len(list(found)) == 2
first, label = next(iter(found))
assert first["age"].numpy().tolist() == [22, 0] and first["name"].numpy()[0] == b"B, Mr"
assert label.numpy().tolist() == [1, 0]
rows = tf.data.experimental.CsvDataset("a.csv", [-1, "?", tf.float32], header=True, select_cols=[0, 1, 2])
rows = [[field.numpy() for field in row] for row in rows]
assert [row[:2] for row in rows] == [[22, b"B, Mr"], [-1, b"C"], [26, b"?"]]
try:
    list(tf.data.experimental.CsvDataset("a.csv", [tf.int32], header=True, select_cols=[0]))
except tf.errors.InvalidArgumentError:
    print("a field that must be there is missing")
else:
    raise AssertionError

# A dataset of unknown length: what is printed at an epoch's end says how many batches there were.
import contextlib  # noqa: E402
import io  # noqa: E402

model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
model.compile("sgd", "mse")
unknown = tf.data.Dataset.from_tensor_slices((np.ones((20, 3)), np.ones((20, 1)))).filter(lambda x, y: True).batch(8)
with contextlib.redirect_stdout(io.StringIO()) as printed:
    model.fit(unknown, verbose=2)
assert printed.getvalue().startswith("3/3 - "), printed.getvalue()
