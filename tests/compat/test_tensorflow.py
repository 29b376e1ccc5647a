"""What is under `tensorflow`: the same values as the real one's, and scripts of the kinds that people have."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from compat import tensorflow_cases

ROOT = Path(__file__).resolve().parents[2]
CASES = Path(__file__).with_name("tensorflow_cases.py")
SCRIPTS = CASES.with_name("tensorflow_scripts")
REAL = ROOT / ".oracles" / "tensorflow" / "bin" / "python"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def run(command, **options):
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """(what the real TensorFlow gives, what Tandem's names give) for each expression."""
    if not REAL.exists():
        pytest.skip("the environment with the real TensorFlow is not here; `make oracles` builds it")
    folder = tmp_path_factory.mktemp("tensorflow")
    run([str(REAL), str(CASES), str(folder / "real.json")])
    run([sys.executable, "-m", "tandem", "run", str(CASES), str(folder / "ours.json")])
    return [json.loads((folder / f"{name}.json").read_text()) for name in ("real", "ours")]


def difference(real, ours):
    """Where two results differ, or None."""
    if isinstance(real, dict):
        if not isinstance(ours, dict) or real.keys() != ours.keys():
            return f"{real} and {ours}"
        if "values" in real and real["dtype"] != "string" and real["shape"] == ours["shape"]:
            close = np.allclose(real["values"], ours["values"], rtol=2e-4, atol=2e-5, equal_nan=True)
            return None if close and real["dtype"] == ours["dtype"] else f"{real} and {ours}"
        return next(filter(None, (difference(real[key], ours[key]) for key in real)), None)
    if isinstance(real, list):
        if not isinstance(ours, list) or len(real) != len(ours):
            return f"{real} and {ours}"
        return next(filter(None, map(difference, real, ours)), None)
    equal = ours == pytest.approx(real, rel=1e-6) if isinstance(real, float) else real == ours
    return None if equal else f"{real!r} and {ours!r}"


@pytest.mark.parametrize("family", tensorflow_cases.FAMILIES)
def test_values_are_those_of_tensorflow(both, family):
    real, ours = both
    lines = [line for line in real if line.startswith(f"{family}: ")]
    failed = [
        f"{line}: {real[line]['error']}" for line in lines if isinstance(real[line], dict) and "error" in real[line]
    ]
    assert not failed  # a case that the real one does not take says nothing
    found = {line: difference(real[line], ours[line]) for line in lines}
    assert len(lines) > 8
    assert not {line: str(value)[:500] for line, value in found.items() if value}


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """Run code as a script by `tandem run`: what it printed."""

    def start(code):
        path = tmp_path_factory.mktemp("script") / "script.py"
        path.write_text(textwrap.dedent(code))
        return run([sys.executable, "-m", "tandem", "run", str(path)], cwd=path.parent).stdout

    return start


def test_what_is_not_there_says_so(script):
    printed = script("""
        import tensorflow as tf
        def show(function):
            try:
                function()
            except Exception as error:
                print(type(error).__name__, str(error).split(".")[0:2])
        show(lambda: tf.no_such_name)
        show(lambda: tf.data.no_such_name)
        show(lambda: tf.compat.v1.placeholder(tf.float32))
        show(lambda: tf.saved_model.save(None, "here"))
        show(lambda: __import__("tensorflow_datasets"))
        show(lambda: __import__("tensorflow.no_such_module"))
        show(lambda: exec("from tensorflow import no_such_name"))
        with tf.GradientTape() as tape:
            y = tf.Variable(2.0) * 2
        tape.gradient(y, [])
        show(lambda: tape.gradient(y, []))
    """).splitlines()
    kinds = [line.split(" ")[0] for line in printed]
    assert kinds == [
        "AttributeError",
        "AttributeError",
        "NotImplementedError",
        "NotImplementedError",
        "ModuleNotFoundError",
        "ModuleNotFoundError",
        "ImportError",
        "RuntimeError",
    ]
    assert "tensorflow.no_such_name is not in Tandem's TensorFlow names" in script(
        "import tensorflow as tf\ntry: tf.no_such_name\nexcept AttributeError as error: print(error)"
    )


def test_functions_of_symbolic_values_are_nodes(script):
    script("""
        import numpy as np, tensorflow as tf
        x = tf.keras.Input((4, 3))
        y = tf.reduce_mean(tf.nn.relu(x) * 2.0, axis=1)
        y = tf.concat([y, tf.gather(x, [0], axis=1)[:, 0]], axis=-1)
        y = tf.expand_dims(y, 1) + tf.cast(tf.shape(x)[1], tf.float32)
        assert y.shape.as_list() == [None, 1, 6] and y.get_shape()[-1] == 6 and y.dtype == tf.float32
        model = tf.keras.Model(x, y)
        data = np.random.randn(2, 4, 3).astype("float32")
        wanted = np.concatenate([(np.maximum(data, 0) * 2).mean(1), data[:, 0]], -1)[:, None] + 4
        np.testing.assert_allclose(model.predict(data, verbose=0), wanted, rtol=1e-5)
        np.testing.assert_allclose(model(data).numpy(), wanted, rtol=1e-5)
        assert isinstance(model(tf.constant(data)), tf.Tensor) and isinstance(y, tf.Tensor)
    """)


def test_steps_with_a_tape_are_recorded_and_replayed(script):
    script("""
        import numpy as np, tensorflow as tf, warnings
        warnings.simplefilter("error")

        class Model(tf.keras.Model):
            def __init__(self):
                super().__init__()
                self.dense = tf.keras.layers.Dense(2)
                self.scale = tf.Variable(1.0)
                self.mean = tf.keras.metrics.Mean(name="loss")
            def call(self, inputs):
                return self.dense(inputs) * self.scale
            @property
            def metrics(self):
                return [self.mean]
            def train_step(self, data):
                x, y = data
                x = x + tf.random.normal(tf.shape(x)) * 0.01
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean(tf.square(self(x, training=True) - y))
                grads = tape.gradient(loss, self.trainable_variables)
                grads, _ = tf.clip_by_global_norm(grads, 1.0)
                self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
                self.mean.update_state(loss)
                return {"loss": self.mean.result()}

        model = Model()
        model.compile(optimizer=tf.keras.optimizers.SGD(0.1))
        x = np.random.RandomState(0).randn(64, 3).astype("float32")
        history = model.fit(x, x[:, :2], batch_size=16, epochs=10, verbose=0).history["loss"]
        assert history[-1] < history[0] / 2, history
        assert len(model.trainable_variables) == 3 and float(model.scale) != 1
        step = model._training.train_step
        step = next(c.cell_contents for c in step.__closure__ if type(c.cell_contents).__name__ == "Step")
        assert "recorded" in step.explain(), step.explain()
    """)


def test_a_damaged_record_is_refused(script):
    script("""
        import tensorflow as tf
        with tf.io.TFRecordWriter("a.tfrecord") as writer:
            writer.write(b"abcdef")
        data = bytearray(open("a.tfrecord", "rb").read())
        def refused(damaged):
            open("b.tfrecord", "wb").write(damaged)
            try:
                list(tf.data.TFRecordDataset("b.tfrecord"))
            except tf.errors.DataLossError:
                return True
        assert refused(data[:-1]) and refused(data[:5]) and refused(b"\\xff" * 8 + data[8:])
        for message in (b"\\x0a\\xff\\xff\\xff\\xff\\x0f", b"\\x0a\\x05\\x0a", b"\\xff" * 20):
            try:
                tf.io.parse_single_example(message, {"a": tf.io.FixedLenFeature([], tf.int64)})
            except tf.errors.InvalidArgumentError:
                continue
            raise AssertionError(message)
    """)


def test_a_list_of_checkpoints_is_written_whole_or_not(script):
    script("""
        import json, os
        import pytest
        import tensorflow as tf

        manager = tf.train.CheckpointManager(tf.train.Checkpoint(counter=tf.Variable(1)), "kept", max_to_keep=2)
        first = manager.save()
        dump = json.dump

        def half(value, file):
            file.write('["')
            raise OSError("no space left")

        json.dump = half
        with pytest.raises(OSError, match="no space"):
            manager.save()
        json.dump = dump
        assert tf.train.latest_checkpoint("kept") == first and not [n for n in os.listdir("kept") if "tmp" in n]
    """)


QUICK = ("custom_loop", "dcgan", "own_code", "text", "texts", "wgan_gp")
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.py"))


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_scripts_run(name, tmp_path):
    run([sys.executable, "-m", "tandem", "run", str(SCRIPTS / f"{name}.py")], cwd=tmp_path)


def test_functions_are_replayed_with_the_same_numbers(script):
    script("""
        import numpy as np, tensorflow as tf

        def run(eager):
            tf.config.run_functions_eagerly(eager)
            tf.keras.utils.set_random_seed(0)
            model = tf.keras.Sequential([
                tf.keras.layers.Dense(8, activation="relu"),
                tf.keras.layers.BatchNormalization(),
                tf.keras.layers.Dropout(0.2),
                tf.keras.layers.Dense(1),
            ])
            optimizer, mean = tf.keras.optimizers.Adam(1e-2), tf.keras.metrics.Mean()
            count = tf.Variable(0.0, trainable=False)

            @tf.function
            def step(x):
                with tf.GradientTape() as tape:
                    loss = tf.reduce_mean(tf.square(model(x, training=True) - tf.reduce_sum(x, 1, keepdims=True)))
                variables = model.trainable_variables
                optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
                mean(loss)
                count.assign_add(1.0)
                return loss

            x = np.random.RandomState(0).randn(48, 3).astype("float32")
            losses = []
            for epoch in range(4):
                if epoch == 2:
                    optimizer.learning_rate = 1e-3
                losses += [step(tf.constant(x[at : at + 16])) for at in range(0, 48, 16)]
            return [float(one) for one in losses] + [float(mean.result()), float(count)], step

        (wanted, _), (found, step) = run(True), run(False)
        assert found == wanted and found[-1] == 12, (found, wanted)
        assert step.experimental_get_tracing_count() == 1

        @tf.function
        def double(x):
            return x * 2

        kept = [double(tf.constant([float(number)])) for number in range(5)]
        assert [float(one[0]) for one in kept] == [0, 2, 4, 6, 8]
        tf.config.run_functions_eagerly(False)
        with tf.GradientTape() as tape:
            x = tf.constant([3.0])
            tape.watch(x)
            y = double(x)
        assert tape.gradient(y, x).numpy() == 2 and not x.requires_grad
    """)
