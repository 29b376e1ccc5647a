"""Expressions of `tf`, one a line of the text file beside this: the real TensorFlow and Tandem's names must give the
same values and dtypes.

Seen are tf, np, the values and the functions below. Run as a script by either, this writes what they give into a file.
"""

from pathlib import Path

VALUES = """
r = np.random.RandomState(0)
x = tf.constant(r.randn(3, 4).astype("float32"))
y = tf.constant(r.randn(3, 4).astype("float32"))
p = tf.constant(r.rand(3, 4).astype("float32") + 0.1)
b = tf.constant(r.randn(2, 3, 4).astype("float32"))
i = tf.constant([[3, -1, 2], [0, 5, 4]])
t = tf.constant([True, False, True])
m = tf.constant(r.randn(2, 3, 3).astype("float32"))
s = tf.matmul(m, m, transpose_b=True) + 3 * tf.eye(3)
g = tf.constant(r.rand(2, 8, 6, 3).astype("float32"))
u = tf.constant((r.rand(7, 5, 3) * 255).astype("uint8"))
w = tf.constant(["Hello World", "a,b", "x-1 Y"])
rag = tf.ragged.constant([[1, 2, 3], [], [4]])
"""

FUNCTIONS = """
def grads(function, value):
    with tf.GradientTape() as tape:
        tape.watch(value)
        result = function(value)
    return tape.gradient(result, value)

def second(function, value):
    with tf.GradientTape() as outer:
        outer.watch(value)
        with tf.GradientTape() as inner:
            inner.watch(value)
            result = function(value)
        first = inner.gradient(result, value)
    return outer.gradient(first, value)

def jac(function, value):
    with tf.GradientTape() as tape:
        tape.watch(value)
        result = function(value)
    return tape.jacobian(result, value)

def batch_jac(function, value):
    with tf.GradientTape() as tape:
        tape.watch(value)
        result = function(value)
    return tape.batch_jacobian(result, value)

def several():
    a, c = tf.Variable(2.0), tf.Variable([1.0, 3.0])
    with tf.GradientTape(persistent=True) as tape:
        first, other = a * a, tf.reduce_sum(c) * a
    found = tape.gradient([first, other], {"a": a, "c": [c]})
    a.assign_add(1.0)
    return [found["a"], found["c"][0], tape.gradient(other, c), a.numpy(), c.assign_sub([1.0, 1.0]).numpy()]

def raises(function):
    try:
        return str(function())
    except Exception as error:
        return type(error).__name__

def sampled_loss(function):
    table, biases = tf.Variable(tf.reshape(tf.linspace(-1.0, 1.0, 80), (20, 4))), tf.Variable(tf.linspace(0.0, 1.0, 20))
    counts = tf.constant([[0.5], [0.3], [0.2]]), tf.constant([0.3, 0.2, 0.2, 0.1])
    sample = (tf.constant([2, 5, 7, 11], tf.int64), *counts)
    labels = tf.constant([[1], [2], [7]], tf.int64)
    with tf.GradientTape() as tape:
        loss = function(table, biases, labels, x, 4, 20, sampled_values=sample)
    return [loss, tf.convert_to_tensor(tape.gradient(loss, table))]

def unconnected():
    a, c = tf.Variable(2.0), tf.Variable(3.0)
    with tf.GradientTape(persistent=True) as tape:
        result = a * a
    zero = tape.gradient(result, c, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [tape.gradient(result, c) is None, zero, tape.gradient(result, a, output_gradients=tf.constant(5.0))]

def path(name):
    import os, tempfile
    return os.path.join(tempfile.mkdtemp(), name)

def example(number):
    return tf.train.Example(features=tf.train.Features(feature={
        "n": tf.train.Feature(int64_list=tf.train.Int64List(value=[number, -number])),
    }))

def written():
    name = path("a.tfrecord")
    with tf.io.TFRecordWriter(name) as writer:
        writer.write(example(3).SerializeToString())
        writer.write(b"")
    return list(open(name, "rb").read())

def parsed():
    name = path("a.tfrecord")
    with tf.io.TFRecordWriter(name) as writer:
        for number in range(3):
            one = example(number)
            writer.write(tf.train.Example(features=tf.train.Features(feature={
                "n": one.features.feature["n"],
                "f": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5 * number] * number)),
                "s": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"text", b""])),
            })).SerializeToString())
    spec = {
        "n": tf.io.FixedLenFeature([2], tf.int64),
        "f": tf.io.VarLenFeature(tf.float32),
        "s": tf.io.FixedLenFeature([2], tf.string),
        "d": tf.io.FixedLenFeature([], tf.int64, default_value=9),
    }
    found = []
    for raw in tf.data.TFRecordDataset(name):
        one = tf.io.parse_single_example(raw, spec)
        found.append([one["n"], tf.sparse.to_dense(one["f"]), one["s"], one["d"]])
        back = tf.train.Example.FromString(raw.numpy())
        back = back.features.feature
        found.append([list(back["n"].int64_list.value), back["s"].bytes_list.value[0].decode()])
    for raw in tf.data.TFRecordDataset([name]).batch(3):
        many = tf.io.parse_example(raw, spec)
        found.append([many["n"], tf.sparse.to_dense(many["f"]), many["d"], many["f"].indices, many["f"].dense_shape])
    return found

def compressed(kind):
    name = path("a.tfrecord")
    with tf.io.TFRecordWriter(name, tf.io.TFRecordOptions(compression_type=kind)) as writer:
        writer.write(b"abc")
        writer.write(b"d" * 100)
    return list(tf.data.TFRecordDataset(name, compression_type=kind).as_numpy_iterator())

def sequences():
    whole = lambda *values: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    real = lambda *values: tf.train.Feature(float_list=tf.train.FloatList(value=values))
    rows = lambda *features: tf.train.FeatureList(feature=features)
    lists = {"t": rows(whole(5), whole(6, 7)), "e": rows(real(1.0, 2.5))}
    sample = tf.train.SequenceExample(
        context=tf.train.Features(feature={"n": whole(3)}), feature_lists=tf.train.FeatureLists(feature_list=lists)
    )
    data = sample.SerializeToString()
    specs = {"t": tf.io.VarLenFeature(tf.int64), "e": tf.io.FixedLenSequenceFeature([2], tf.float32)}
    context, steps = tf.io.parse_single_sequence_example(data, {"n": tf.io.FixedLenFeature([], tf.int64)}, specs)
    again = tf.train.SequenceExample.FromString(data)
    _, padded, lengths = tf.io.parse_sequence_example([data, data], {}, {"e": specs["e"]})
    return [
        context["n"], tf.sparse.to_dense(steps["t"]), steps["e"], padded["e"], lengths["e"], str(real(0.1, 2.0)),
        len(again.feature_lists.feature_list["t"].feature), str(again.context),
    ]

def tables():
    name = path("words.txt")
    with open(name, "w") as file:
        file.write(chr(10).join("xyz"))
    words = tf.lookup.TextFileInitializer(name, "string", -2, "int64", -1)
    open_ended = tf.lookup.StaticVocabularyTable(words, 2)
    changing = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
    changing.insert(tf.constant(["q", "r"]), tf.constant([9, 8], tf.int64))
    changing.remove(tf.constant(["r"]))
    return [
        tf.lookup.StaticHashTable(words, -1).lookup(tf.constant(["z", "a"])),
        open_ended.lookup(tf.constant(["y", "a"])),
        open_ended.size(), changing.lookup(tf.constant([["q", "r"]])), changing.size(),
    ]

def kept():
    source = tf.data.Dataset.from_tensor_slices({"a": [1, 2, 3], "b": (["x", "y", "z"], [0.5, 1.5, 2.5])})
    folder = path("saved")
    source.save(folder)
    found = tf.data.Dataset.load(folder)
    cached = source.cache(path("cached"))
    twice = [len(list(cached)), len(list(cached))]
    bad = tf.data.Dataset.range(4).map(lambda v: tf.debugging.check_numerics(1.0 / tf.cast(v - 2, tf.float32), "bad"))
    good = list(bad.ignore_errors().as_numpy_iterator())
    return [str(found.element_spec["b"]), list(found.as_numpy_iterator()), twice, good]

def text_lines():
    name = path("a.txt")
    tf.io.write_file(name, "one\\ntwo\\r\\nthree")
    return [list(tf.data.TextLineDataset(name).skip(1).as_numpy_iterator()), tf.io.read_file(name)]

def gfile():
    name = path("a/b.txt")
    folder = name[:-5]
    tf.io.gfile.makedirs(folder)
    with tf.io.gfile.GFile(name, "w") as file:
        file.write("text")
    found = [tf.io.gfile.exists(name), tf.io.gfile.listdir(folder), tf.io.gfile.isdir(folder)]
    with tf.io.gfile.GFile(name) as file:
        found.append(file.read())
    tf.io.gfile.remove(name)
    try:
        tf.io.gfile.GFile(name).read()
    except tf.errors.NotFoundError:
        found.append("not found")
    return found + [tf.io.gfile.exists(name)]

def signature():
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
    def double(v):
        return v * 2
    found = [double(tf.ones((3, 2))), double.get_concrete_function()(tf.ones((1, 2)))]
    try:
        double(tf.ones((3, 3)))
    except TypeError:
        found.append("wrong shape")
    class Layer(tf.Module):
        def __init__(self):
            super().__init__()
            self.w = tf.Variable(tf.ones((2, 2)), name="w")
            self.parts = [tf.Variable(1.0, trainable=False)]
        @tf.function
        def __call__(self, v):
            return v @ self.w + self.parts[0]
    layer = Layer()
    return found + [layer(tf.ones((1, 2))), len(layer.variables), len(layer.trainable_variables), layer.w.name]

def array():
    rows = tf.TensorArray(tf.float32, size=0, dynamic_size=True)
    for number in range(3):
        rows = rows.write(number, tf.ones(2) * number)
    return [rows.stack(), rows.read(1), rows.size()]

def checks():
    found = []
    for check in (
        lambda: tf.debugging.assert_equal(tf.constant(1), 2),
        lambda: tf.debugging.assert_less(x, y),
        lambda: tf.debugging.assert_positive([1.0, -1.0]),
        lambda: tf.debugging.check_numerics(tf.constant([np.nan]), "bad"),
        lambda: tf.debugging.assert_rank(x, 3),
        lambda: tf.Assert(tf.constant(False), ["no"]),
        lambda: tf.strings.to_number("a"),
        lambda: tf.constant([[1, 2], [3]]),
        lambda: tf.constant(None),
        lambda: tf.image.decode_jpeg(b"nonsense"),
        lambda: tf.reshape(x, [5, 5]),
        lambda: tf.split(x, 3, axis=1),
    ):
        try:
            check()
            found.append("nothing")
        except (tf.errors.InvalidArgumentError, ValueError):
            found.append("raised")
    tf.debugging.assert_equal(x, x)
    tf.debugging.assert_near(x, x + 1e-8)
    tf.debugging.assert_shapes([(x, ("N", 4)), (y, ("N", "D"))])
    return found

def old():
    v1 = tf.compat.v1
    v1.set_random_seed(0)
    v1.logging.set_verbosity(v1.logging.ERROR)
    return [v1.to_float(3), v1.where([True, False], [[1, 2], [3, 4]], [[5, 6], [7, 8]]), tf.executing_eagerly()]

def custom():
    @tf.custom_gradient
    def clipped(v):
        return v, lambda up: tf.clip_by_value(up, -0.1, 0.1)
    a = tf.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        result = tf.reduce_sum(clipped(a) * 3.0)
    return tape.gradient(result, a)
"""


def _families():
    found, lines = {}, None
    for line in Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]") and line[1:-1].isalpha():
            lines = found[line[1:-1]] = []
        elif line:
            lines.append(line)
    return found


FAMILIES = _families()


def run(tf, np):
    """All families' results: line -> values that JSON takes, or the error's name."""
    import traceback

    found = {}
    for family, lines in FAMILIES.items():
        for line in lines:
            scope = {"tf": tf, "np": np}
            exec(VALUES + FUNCTIONS, scope)
            try:
                found[f"{family}: {line}"] = _plain(eval(line, scope), np)
            except Exception as error:
                found[f"{family}: {line}"] = {
                    "error": f"{type(error).__name__}: {error}",
                    "trace": traceback.format_exc(),
                }
    return found


def _plain(value, np):
    if hasattr(value, "to_list") and hasattr(value, "row_lengths"):
        return {"ragged": _text(value.to_list()), "dtype": value.dtype.name}
    if isinstance(value, dict):
        return {str(key): _plain(one, np) for key, one in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "as_list"):
        return [_plain(one, np) for one in value]
    if hasattr(value, "as_list"):
        return value.as_list()
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    array = value.numpy() if hasattr(value, "numpy") else value
    if isinstance(array, bytes):
        return {"dtype": "string", "shape": [], "values": array.decode("latin-1")}
    array = np.asarray(array)
    if array.dtype == object:
        return {"dtype": "string", "shape": list(array.shape), "values": _text(array.tolist())}
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], -1)
    return {"dtype": array.dtype.name, "shape": list(array.shape), "values": array.tolist()}


def _text(value):
    if isinstance(value, list):
        return [_text(one) for one in value]
    return value.decode("latin-1") if isinstance(value, bytes) else value


if __name__ == "__main__":
    import json
    import sys

    import numpy as np
    import tensorflow as tf

    with open(sys.argv[1], "w") as file:
        json.dump(run(tf, np), file)
