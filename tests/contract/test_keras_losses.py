"""Every loss: the real Keras's numbers, gradients, dtypes, layouts, configs, and replay equal to eager."""

import inspect

import numpy as np
import pytest
import torch

from oracles import real_keras
from tandem.engine.replay import Step
from tandem.keras import losses

RNG = np.random.default_rng(0)
CLASSES = [name for name in losses.__all__ if name[0].isupper() and name != "Loss"]
FUNCTIONS = [name for name in losses.__all__ if name[0].islower() and name not in ("get", "serialize", "deserialize")]
SPARSE = {"SparseCategoricalCrossentropy", "CategoricalGeneralizedCrossEntropy"}
WHOLE = {"Circle", "CTC", *SPARSE}  # take something else than two arrays of one shape
SHAPES = [(6, 1), (6, 4), (6, 3, 4)]


def _pair(name, shape, dtype="float32"):
    """Targets and predictions that a loss of this name is meant for."""
    if name in SPARSE:
        return RNG.integers(0, shape[-1], shape[:-1]), _distribution(shape, dtype)
    if name == "Circle":
        vectors = RNG.normal(size=(6, 4)).astype(dtype)
        return RNG.integers(0, 3, 6), vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    if name == "CTC":
        return np.array([[1, 2, 0], [2, 1, 2]]), RNG.normal(size=(2, 6, 4)).astype(dtype)
    if name.startswith("Categorical"):
        return np.eye(shape[-1], dtype=dtype)[RNG.integers(0, shape[-1], shape[:-1])], _distribution(shape, dtype)
    predictions = (RNG.random(shape) * 0.98 + 0.01).astype(dtype)
    targets = RNG.random(shape)
    return (targets > 0.5 if "Hinge" in name or "Binary" in name else targets).astype(dtype), predictions


def _distribution(shape, dtype):
    values = RNG.random(shape) + 0.05
    return (values / values.sum(-1, keepdims=True)).astype(dtype)


def _shapes(name):
    return [(6, 4)] if name in WHOLE - SPARSE else [shape for shape in SHAPES if shape[-1] > 1 or name not in SPARSE]


@pytest.mark.oracle
@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.filterwarnings("ignore:In loss categorical_crossentropy")
@pytest.mark.filterwarnings("ignore:.*expected y_pred.shape")
def test_class_equals_keras(name):
    real, ours = getattr(real_keras().losses, name), getattr(losses, name)
    for shape in _shapes(name):
        y_true, y_pred = _pair(name, shape)
        rows = len(y_pred)
        weights = [None, RNG.random(rows).astype("float32"), RNG.random((rows, 1)).astype("float32")]
        if len(shape) == 3:
            weights = [None, RNG.random((rows, 3)).astype("float32")]
        for reduction in ("sum_over_batch_size", "sum", "none", "mean", "mean_with_sample_weight"):
            for weight in weights:
                got = ours(reduction=reduction)(y_true, y_pred, weight)
                wanted = real(reduction=reduction)(y_true, y_pred, weight).numpy()
                label = f"{shape} {reduction} {None if weight is None else weight.shape}"
                assert tuple(got.shape) == wanted.shape, label
                np.testing.assert_allclose(got.numpy(), wanted, rtol=2e-5, atol=2e-5, err_msg=label)


@pytest.mark.oracle
@pytest.mark.parametrize("name", [name for name in CLASSES if name not in ("Circle", "CTC", "Dice", "Tversky")])
def test_masks_leave_values_out(name):
    y_true, y_pred = _pair(name, (6, 3, 4))
    mask, weight = RNG.random((6, 3)) > 0.4, RNG.random((6, 3)).astype("float32")

    def masked():
        tensor = torch.tensor(y_pred)
        tensor._keras_mask = torch.tensor(mask)
        return tensor

    for reduction in ("sum_over_batch_size", "sum", "none", "mean_with_sample_weight"):
        for weights in (None, weight):
            got = getattr(losses, name)(reduction=reduction)(y_true, masked(), weights)
            wanted = getattr(real_keras().losses, name)(reduction=reduction)(y_true, masked(), weights)
            np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-5, err_msg=f"{reduction} {weights is None}")


SETTINGS = [
    ("BinaryCrossentropy", {"from_logits": True}),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.3, "gamma": 1.5, "from_logits": True}),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}),
    ("CategoricalCrossentropy", {"axis": 1}),
    ("CategoricalFocalCrossentropy", {"alpha": 0.5, "gamma": 1.0, "label_smoothing": 0.1}),
    ("SparseCategoricalCrossentropy", {"from_logits": True}),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}),
    ("Huber", {"delta": 0.1}),
    ("CosineSimilarity", {"axis": 1}),
    ("Tversky", {"alpha": 0.3, "beta": 0.9, "axis": (1, 2)}),
    ("Dice", {"axis": 1}),
    ("Circle", {"gamma": 10.0, "margin": 0.2, "remove_diagonal": False}),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.8}),
]


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_settings(name, settings):
    y_true, y_pred = _pair(name, (6, 3, 4) if name != "Circle" else (6, 4))
    if name == "Circle":
        y_pred = y_pred * 2  # also of another length than 1
    weight = None if name in ("Circle", "Dice", "Tversky") else RNG.random((6, 3)).astype("float32")
    if settings.get("axis") == 1:
        weight = None
    for reduction in ("sum_over_batch_size", "none"):
        for weights in {id(None): None, id(weight): weight}.values():
            got = getattr(losses, name)(reduction=reduction, **settings)(y_true, y_pred, weights)
            wanted = getattr(real_keras().losses, name)(reduction=reduction, **settings)(y_true, y_pred, weights)
            np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.oracle
@pytest.mark.parametrize("name", CLASSES)
def test_config_and_names_equal_keras(name):
    real, ours = getattr(real_keras().losses, name), getattr(losses, name)
    assert ours().get_config() == real().get_config()
    assert losses.serialize(ours()) == real_keras().losses.serialize(real())
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(real).parameters)
    again = losses.deserialize(losses.serialize(ours(reduction="sum")))
    assert type(again) is ours
    assert again.get_config() == ours(reduction="sum").get_config()
    assert type(losses.get(name)) is ours


@pytest.mark.oracle
@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_has_kerass_parameters(name):
    real, ours = getattr(real_keras().losses, name), getattr(losses, name)
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(real).parameters)
    assert losses.get(name) is ours
    assert losses.deserialize(losses.serialize(ours)) is ours


@pytest.mark.parametrize("name", CLASSES)
def test_gradient(name):
    y_true, y_pred = _pair(name, (6, 4), "float64")
    loss = getattr(losses, name)(dtype="float64")
    targets, predictions = torch.tensor(y_true), torch.tensor(y_pred, requires_grad=True)
    if name == "Circle":  # its weights are constants for the gradient
        loss(targets, predictions).backward()
        assert torch.isfinite(predictions.grad).all()
        return
    assert torch.autograd.gradcheck(lambda p: loss(targets, p), (predictions,), atol=1e-5)
    weights = torch.rand(len(y_pred), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: loss(targets, p, weights), (predictions,), atol=1e-5)


@pytest.mark.parametrize("name", CLASSES)
def test_layouts_and_dtypes(name):
    y_true, y_pred = _pair(name, (6, 3, 4) if name not in ("Circle", "CTC") else (6, 4))
    loss = getattr(losses, name)()
    targets, predictions = torch.tensor(y_true), torch.tensor(y_pred)
    wanted = loss(targets, predictions)
    strided = predictions.transpose(0, -1).contiguous().transpose(0, -1)
    torch.testing.assert_close(loss(targets, strided), wanted)
    assert loss(y_true.tolist(), y_pred.tolist()).dtype is torch.float32
    assert getattr(losses, name)(dtype="float64")(targets, predictions).dtype is torch.float64
    half = getattr(losses, name)(dtype="bfloat16")(targets, predictions)
    assert half.dtype is torch.bfloat16
    torch.testing.assert_close(half.float(), wanted, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "CTC"])  # torch's kernel allocates by values
def test_replay_equals_eager(name):
    loss = getattr(losses, name)()

    def run(targets, predictions, weights):
        predictions = predictions.detach().requires_grad_()
        plain, weighted = loss(targets, predictions), loss(targets, predictions, weights)
        return plain.detach(), weighted.detach(), torch.autograd.grad(plain + weighted, predictions)[0]

    step = Step(run)
    for _ in range(4):
        targets, predictions = (torch.tensor(array) for array in _pair(name, (6, 4)))
        weights = torch.rand(len(predictions))
        got = [tensor.clone() for tensor in step(targets, predictions, weights)]
        for mine, eager in zip(got, run(targets, predictions, weights), strict=True):
            torch.testing.assert_close(mine, eager, rtol=0, atol=0)
    assert step.programs


def test_ranks_are_made_equal():
    for name in ("MeanSquaredError", "BinaryCrossentropy", "Hinge"):
        y_true, y_pred = _pair(name, (6, 1))
        loss = getattr(losses, name)()
        torch.testing.assert_close(loss(y_true[:, 0], y_pred), loss(y_true, y_pred))
        torch.testing.assert_close(loss(y_true, y_pred[:, 0]), loss(y_true, y_pred))
