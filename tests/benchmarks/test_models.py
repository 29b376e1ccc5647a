"""The benchmarks' definitions are of the same models for every family of peers, and each trains a step."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

import oracles
import tandem.mxnet as mx
from tandem import keras

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import measure
import models
import report
import runs
from models import gluon_models, keras_models, torch_models

# torch and MXNet keep two biases to a recurrent layer, Keras one: four gates of 50 units in three layers.
SECOND_BIASES = {"lstm": 3 * 4 * 50}
LARGE = ("resnet50", "mobilenetv2", "tiny1000")
SMALL = tuple(name for name in models.SPECS if name not in LARGE)


def size(shapes):
    """How many numbers arrays of these shapes hold."""
    return sum(int(np.prod(shape)) for shape in shapes)


def keras_size(module, name):
    return size(weight.shape for weight in keras_models.build(module, name).trainable_weights)


def torch_size(name):
    return size(parameter.shape for parameter in torch_models.build(name).parameters())


@pytest.mark.parametrize("name", models.SPECS)
def test_keras_and_torch_have_as_many_parameters(name):
    assert keras_size(keras, name) + SECOND_BIASES.get(name, 0) == torch_size(name)


@pytest.mark.parametrize("name", ["mlp:width=7,depth=3", "cnn:width=8,depth=3"])
def test_sizes_reach_every_definition(name):
    count = torch_size(name)
    assert count != torch_size(name.partition(":")[0])
    assert keras_size(keras, name) == count
    assert gluon_size(name) == count


def gluon_size(name):
    net = gluon_models.build(mx, name)[0]
    (shape,) = (array.shape for array in models.data(name, 1)[0])
    net(mx.nd.zeros((1, shape[3], *shape[1:3]) if len(shape) == 4 else shape))
    return size(parameter.shape for parameter in net.collect_params().values() if parameter.grad_req != "null")


@pytest.mark.parametrize("name", gluon_models.NAMES)
def test_gluon_and_torch_have_as_many_parameters(name):
    assert gluon_size(name) == torch_size(name)


@pytest.mark.parametrize("name", [name for name in SMALL if name != "dcgan"])
def test_the_real_keras_has_as_many_parameters(name):
    assert keras_size(oracles.real_keras(), name) == keras_size(keras, name)


def small(run):
    """The same run on two batches of four rows."""
    run.spec = dataclasses.replace(run.spec, batch=4, steps=2)
    for name in ("inputs", "requests"):
        setattr(run, name, tuple(array[:8] for array in getattr(run, name)))
    run.targets = None if run.targets is None else run.targets[:8]
    for name in ("tensors", "arrays"):
        if hasattr(run, name):
            setattr(run, name, [array[:8] for array in getattr(run, name)])
    return run


RUNS = {
    "tandem": lambda name: runs.KerasRun(name, keras),
    "torch": lambda name: runs.TorchRun(name, channels_last=models.spec(name).images, how={"fused": True}),
    "tandem-gluon": lambda name: runs.GluonRun(name, mx, hybridized=True),
    "tandem-gluon-imperative": lambda name: runs.GluonRun(name, mx, hybridized=False),
}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("peer", RUNS)
def test_every_run_trains_and_predicts(name, peer):
    if not measure.defined(peer, name):
        pytest.skip("not written for this peer")
    run = small(RUNS[peer](name))
    run.build()
    run.first()
    assert len(run.train(2)) == 2
    predicted = run.predict(run.rows(0, None))
    assert len(predicted) == 8
    np.testing.assert_allclose(np.reshape(run.call(run.rows(0, 1)), -1), np.reshape(predicted[:1], -1), rtol=1e-3)


def line(peer, model, step, run="one", what="step"):
    return {"run": run, "what": what, "peer": peer, "model": model, "step_ms": step}


def test_the_tables_compare_medians_with_the_fastest_other_peer():
    lines = [line("tandem", "cnn", step) for step in (2.0, 1.0, 9.0)] + [line("torch", "cnn", 3.0)]
    lines += [line("mxnet", "cnn", 4.0), line("tandem-gluon", "cnn", 0.5)]
    lines.append({**line("keras-jax", "cnn", None), "error": "ValueError: no | luck"})
    figures = report.Figures(lines)
    assert figures.median("step_ms", "tandem", "cnn") == 2.0
    assert figures.ratio("step_ms", "cnn") == 1.5
    text = report.markdown(lines, "2000-01-01", ["A machine."], ["MXNet is left out."])
    assert "| 2.000 (1.000 to 9.000) |" in text
    assert "**3.000**" in text and "| 1.50 (PyTorch by hand) |" in text
    assert "ValueError: no \\| luck" in text and "MXNet is left out." in text
    assert "not measured: lstm, resnet50, mobilenetv2, transformer" in text


def test_claims_name_the_models_that_fall_short():
    lines = [line("tandem", model, 2.0) for model in ("cnn", "lstm")]
    lines += [line("torch", "cnn", 3.0), line("torch", "lstm", 1.0), line("mxnet", "cnn", 2.2)]
    rows = {row.split("|")[1].strip(): row.split("|")[2:5] for row in report.claims(report.Figures(lines))[4:-1]}
    assert rows["step of the main models: the fastest peer's / Tandem's"] == [
        " 1.00 ",
        " 0.50 (lstm) ",
        " no: lstm 0.50 ",
    ]
    assert rows["the same, geometric mean"] == [" 1.20 ", " 0.74 (all) ", " no: all 0.74 "]
    assert rows["step: PyTorch's by hand / Tandem's"][1:] == [" 0.50 (lstm) ", " no: lstm 0.50 "]
    assert not any("memory" in row for row in rows)


def test_what_is_measured_again_takes_the_place_of_what_was():
    lines = [line("torch", "cnn", 3.0), line("torch", "lstm", 7.0), line("torch", "cnn", 5.0, run="two")]
    lines.append({**line("torch", "lstm", None, "three", "predict"), "call_ms": 1.0})
    figures = report.Figures(lines)
    assert figures.values["step_ms", "torch", "cnn"] == [5.0]
    assert figures.values["step_ms", "torch", "lstm"] == [7.0]


def test_more_rows_a_second_are_better():
    rates = {"tandem": 30.0, "torch": 20.0, "mxnet": 10.0}
    lines = [{**line(peer, "cnn", None, what="predict"), "rows_per_s": rate} for peer, rate in rates.items()]
    assert report.Figures(lines).ratio("rows_per_s", "cnn", more=True) == 1.5
