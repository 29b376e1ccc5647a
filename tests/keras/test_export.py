"""Models as files that need neither Keras nor Tandem: ONNX, torch's exported programs, plain modules, safetensors."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from tandem import keras
from tandem.core.errors import Unsupported
from tandem.keras import layers
from tandem.keras.export import ExportArchive, to_torch

pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")
RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype("float32")


def ids(*shape):
    return RNG.integers(0, 5, shape).astype("int64")


def two_inputs():
    left, right = keras.Input((4,), name="left"), keras.Input((3,), name="right")
    joined = layers.Concatenate()([left, right])
    return keras.Model([left, right], [layers.Dense(2, name="one")(joined), layers.Dense(3, name="two")(right)])


def dicts():
    left, right = keras.Input((4,), name="left"), keras.Input((3,), name="right")
    return keras.Model({"a": left, "b": right}, {"p": layers.Dense(2)(left), "q": layers.Dense(2)(right)})


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(3)
        self.drop = layers.Dropout(0.5)

    def call(self, x, y, training=None):
        return self.drop(self.inner(x), training=training) + y


def own():
    model = Own()
    model(normal(2, 4), normal(2, 3))
    return model


def attention():
    x = keras.Input((5, 8), name="x")
    y = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True))
    return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling1D()(y)))


def sequential(shape, *stack, dtype=None):
    return keras.Sequential([keras.Input(shape, name="x", dtype=dtype), *stack])


def convolutional():
    return sequential(
        (12, 12, 1),
        layers.Conv2D(4, 3, activation="relu", padding="same", strides=2),
        layers.BatchNormalization(),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(3, activation="softmax"),
    )


def text():
    return sequential(
        (None,),
        layers.Embedding(5, 4, mask_zero=True),
        layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
        layers.GRU(2),
        layers.Dense(1, activation="sigmoid"),
        dtype="int64",
    )


# (the model, its inputs for a batch of three)
MODELS = {
    "mlp": (lambda: sequential((4,), layers.Dense(5, "relu"), layers.Dense(2)), lambda: [normal(3, 4)]),
    "cnn": (convolutional, lambda: [normal(3, 12, 12, 1)]),
    "lstm": (
        lambda: sequential((6, 4), layers.LSTM(3, return_sequences=True), layers.LSTM(2)),
        lambda: [normal(3, 6, 4)],
    ),
    "long": (lambda: sequential((50, 2), layers.GRU(3, go_backwards=True)), lambda: [normal(3, 50, 2)]),
    "masked, any length": (text, lambda: [ids(3, 7)]),
    "any length": (lambda: sequential((None, 4), layers.LSTM(3, return_sequences=True)), lambda: [normal(3, 9, 4)]),
    "attention": (attention, lambda: [normal(3, 5, 8)]),
    "two inputs": (two_inputs, lambda: [normal(3, 4), normal(3, 3)]),
    "dicts": (dicts, lambda: [normal(3, 4), normal(3, 3)]),
    "subclass": (own, lambda: [normal(3, 4), normal(3, 3)]),
}


def call(model, values):
    """The model's outputs for its inputs, a flat list of arrays."""
    if isinstance(model, Own):
        outputs = model(*values)
    elif isinstance(model.input, dict):
        outputs = model(dict(zip(model.input, values)))
    else:
        outputs = model(values if len(values) > 1 else values[0])
    return [np.asarray(leaf.detach()) for leaf in keras.tree.flatten(outputs)]


SLOW = ("long", "any length")  # torch compiles the step of a loop


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in MODELS]
)
def test_onnx(name, tmp_path):
    make, inputs = MODELS[name]
    model = make()
    path = tmp_path / "model.onnx"
    model.export(path, format="onnx", verbose=False)
    assert b"/src/tandem" not in path.read_bytes()  # nothing of this machine
    session = onnxruntime.InferenceSession(str(path))
    for value in session.get_inputs():
        assert value.shape[0] == "batch"
    values = inputs()
    found = session.run(None, {value.name: array for value, array in zip(session.get_inputs(), values)})
    for one, other in zip(found, call(model, values), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


# A small model of each family, and the size of its images.
APPLICATIONS = {
    "VGG16": 32,
    "ResNet50": 32,
    "ResNet50V2": 32,
    "InceptionV3": 75,
    "InceptionResNetV2": 75,
    "Xception": 71,
    "MobileNet": 32,
    "MobileNetV2": 32,
    "MobileNetV3Small": 32,
    "DenseNet121": 32,
    "NASNetMobile": 32,
    "EfficientNetB0": 32,
    "EfficientNetV2B0": 32,
    "ConvNeXtTiny": 32,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", APPLICATIONS)
def test_applications(name, tmp_path):
    shape = (APPLICATIONS[name], APPLICATIONS[name], 3)
    model = getattr(keras.applications, name)(weights=None, input_shape=shape, classes=7, classifier_activation=None)
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    values = normal(2, *shape)
    (found,) = session.run(None, {session.get_inputs()[0].name: values})
    (wanted,) = call(model, [values])
    np.testing.assert_allclose(found, wanted, atol=1e-4 * max(1, np.abs(wanted).max()))


@pytest.mark.parametrize("name", ["cnn", "masked, any length", "attention", "two inputs", "dicts", "subclass"])
def test_plain_module(name, tmp_path):
    make, inputs = MODELS[name]
    model = make()
    module = to_torch(model)
    assert set(module.state_dict()) == set(model.state_dict())
    values = inputs()
    with torch.no_grad():  # torch compiles what it does to a loop for its gradient
        found = keras.tree.flatten(module(*map(torch.from_numpy, values)))
    for one, other in zip(found, call(model, values), strict=True):
        np.testing.assert_allclose(one.detach().numpy(), other, atol=2e-6)


def run_alone(code, folder):
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_torch_alone_reads_what_was_written(tmp_path):
    model = two_inputs()
    model.export(tmp_path / "model.pt2", format="torch", verbose=False)
    torch.save(to_torch(model), tmp_path / "module.pt")
    values = [normal(5, 4), normal(5, 3)]
    np.savez(tmp_path / "values.npz", *values)
    out = run_alone(
        "import numpy as np, sys, torch\n"
        "values = [torch.from_numpy(value) for value in np.load('values.npz').values()]\n"
        "program = torch.export.load('model.pt2').module()(values)\n"
        "module = torch.load('module.pt', weights_only=False)(*values)\n"
        "np.savez('found.npz', *[x.detach().numpy() for x in (*program, *module)])\n"
        "print([name for name in sys.modules if name.startswith('tandem')])\n",
        tmp_path,
    )
    assert out.strip() == "[]"
    found = list(np.load(tmp_path / "found.npz").values())
    for one, other in zip(found, call(model, values) * 2, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_plain_module_has_weights_of_its_own_and_learns():
    model = convolutional()
    module = to_torch(model)
    before = module.state_dict()["conv2d.kernel"].clone()
    module(torch.from_numpy(normal(4, 12, 12, 1))).square().sum().backward()
    torch.optim.SGD(module.parameters(), lr=0.1).step()
    assert not torch.equal(module.state_dict()["conv2d.kernel"], before)
    assert torch.equal(model.state_dict()["conv2d.kernel"], before)


def test_names_of_inputs_and_outputs(tmp_path):
    def names(model, **options):
        model.export(tmp_path / "m.onnx", format="onnx", verbose=False, **options)
        session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
        return [value.name for value in session.get_inputs()], [value.name for value in session.get_outputs()]

    assert names(two_inputs()) == (["left", "right"], ["one", "two"])
    assert names(dicts()) == (["left", "right"], ["p", "q"])
    assert names(own()) == (["input_0", "input_1"], ["output_0"])
    given = [keras.InputSpec(shape=(1, 4), dtype="float32", name="a"), keras.InputSpec(shape=(1, 3), dtype="float32")]
    assert names(two_inputs(), input_signature=given) == (["a", "input_1"], ["one", "two"])


def test_an_output_may_have_the_name_of_a_value_inside(tmp_path):
    # torch calls the first convolution's result "conv2d".
    model = sequential((6, 6, 1), layers.Conv2D(2, 3, name="first"), layers.Conv2D(2, 3, name="conv2d"))
    model.export(tmp_path / "m.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    x = normal(2, 6, 6, 1)
    np.testing.assert_allclose(session.run(["conv2d"], {"x": x})[0], call(model, [x])[0], atol=1e-6)


def test_opset(tmp_path):
    onnx = pytest.importorskip("onnx")
    model = sequential((4,), layers.Dense(2))
    for version in (15, 21):
        model.export(tmp_path / "m.onnx", format="onnx", opset_version=version, verbose=False)
        assert onnx.load(tmp_path / "m.onnx").opset_import[0].version == version
    with pytest.raises(ValueError, match="opset_version=5"):
        model.export(tmp_path / "m.onnx", format="onnx", opset_version=5, verbose=False)


def test_dynamic_shapes_of_a_program(tmp_path):
    batch = torch.export.Dim("batch", max=64)
    path = tmp_path / "m.pt2"
    model = sequential((4,), layers.Dense(2))
    for sizes in ({0: batch}, [({0: batch},)], ({0: batch},)):
        model.export(path, format="torch", dynamic_shapes=sizes, verbose=False)
        (limits,) = torch.export.load(path).range_constraints.values()
        assert limits.upper == 64
    two_inputs().export(path, format="torch", dynamic_shapes=[({0: batch}, {0: batch})], verbose=False)
    with pytest.raises(ValueError, match="does not fit the model's inputs"):
        two_inputs().export(path, format="torch", dynamic_shapes={0: batch}, verbose=False)


def test_what_cannot_be_exported(tmp_path):
    model = sequential((4,), layers.Dense(2))
    for format in ("tf_saved_model", "openvino", "litert"):
        with pytest.raises(Unsupported, match="format='onnx'"):
            model.export(tmp_path / "m", format=format)
    with pytest.raises(ValueError, match="Unrecognized format=onx"):
        model.export(tmp_path / "m", format="onx")
    with pytest.raises(ValueError, match=r"end with '\.pt2'"):
        model.export(tmp_path / "m", format="torch")
    for format in ("onnx", "torch"):
        with pytest.raises(ValueError, match=r"Unsupported arguments.*fast"):
            model.export(tmp_path / "m.pt2", format=format, fast=True)
    with pytest.raises(ValueError, match="has not yet been built"):
        keras.Sequential([layers.Dense(2)]).export(tmp_path / "m.onnx", format="onnx")
    with pytest.raises(TypeError, match="Supported types are"):
        model.export(tmp_path / "m.onnx", format="onnx", input_signature=["x"])
    with pytest.raises(ValueError, match="`shape` and `dtype` must be provided"):
        model.export(tmp_path / "m.onnx", format="onnx", input_signature=[keras.InputSpec(ndim=2)])

    class Branches(keras.Model):
        def call(self, x):
            return x if float(x.sum()) > 0 else -x

    model = Branches()
    model(normal(2, 3))
    with pytest.raises(RuntimeError, match="cannot be followed"):
        model.export(tmp_path / "m.onnx", format="onnx")
    assert list(tmp_path.iterdir()) == []


def test_archive(tmp_path, capsys):
    model = two_inputs()
    archive = ExportArchive()
    with pytest.raises(ValueError, match="No endpoints"):
        archive.write_out(tmp_path / "archive")
    with pytest.raises(ValueError, match="has not yet been built"):
        archive.track(layers.Dense(2))
    with pytest.raises(ValueError, match="Invalid resource type"):
        archive.track("model")
    signature = [keras.InputSpec(shape=(None, 4), dtype="float32"), keras.InputSpec(shape=(None, 3), dtype="float32")]
    archive.track_and_add_endpoint("both", model, [signature])
    served = archive.add_endpoint("one", lambda a, b: model([a, b])[0] * 2, signature)
    with pytest.raises(ValueError, match="already taken"):
        archive.add_endpoint("one", model.call, [signature])
    with pytest.raises(ValueError, match="must provide an `input_signature`"):
        archive.add_endpoint("two", model.call)
    with pytest.raises(ValueError, match="without '/'"):
        archive.add_endpoint("../two", model.call, [signature])
    archive.add_variable_collection("all", model.variables)
    with pytest.raises(ValueError, match="to be a list/tuple/set"):
        archive.add_variable_collection("none", 3)
    archive.write_out(tmp_path / "archive")
    assert "Endpoint 'one'" in capsys.readouterr().out
    values = [normal(2, 4), normal(2, 3)]
    wanted, tensors = call(model, values), list(map(torch.from_numpy, values))
    np.testing.assert_allclose(served(*tensors).detach(), 2 * wanted[0], atol=1e-6)
    both = torch.export.load(tmp_path / "archive" / "both.pt2")
    assert set(both.state_dict) == set(model.state_dict())
    for one, other in zip(both.module()(tensors), wanted):
        np.testing.assert_allclose(one.detach(), other, atol=1e-6)
    from safetensors.numpy import load_file

    saved = load_file(tmp_path / "archive" / "all.safetensors")
    assert set(saved) == {variable.path for variable in model.variables}


# --- safetensors ------------------------------------------------------------------------------------------------------


def test_weights_in_safetensors(tmp_path):
    from safetensors.numpy import load_file

    path = tmp_path / "model.safetensors"
    model, other = text(), text()  # the second has other automatic names
    model.save_weights(path)
    assert set(load_file(path)) == {variable.path for variable in model.weights}
    other.load_weights(path)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_safetensors_that_do_not_fit(tmp_path):
    path = tmp_path / "w.safetensors"
    model = sequential((4,), layers.Dense(3, name="a"), layers.Dense(2, name="b"))
    model.save_weights(path)
    other = sequential((4,), layers.Dense(3, name="a"), layers.Dense(5, name="b"))
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"b/kernel has \(3, 5\), the file \(3, 2\)"):
        other.load_weights(path)
    for one, two in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.warns(UserWarning, match="do not fit"):
        other.load_weights(path, skip_mismatch=True)
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])
    with pytest.raises(ValueError, match="it lacks"):
        sequential((4,), layers.Dense(3, name="z"), layers.Dense(2, name="b")).load_weights(path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match="is damaged"):
        model.load_weights(path)
    with pytest.raises(FileNotFoundError):
        model.load_weights(tmp_path / "none.safetensors")
