"""Losses: numbers and gradients of the real frameworks, reductions, and wrong labels."""

import functools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import oracles
from tandem.ops import losses


def draw(kind, shape=(5, 4), seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    rank = len(shape)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    values = {
        "real": lambda: x,
        "probability": lambda: torch.rand(shape, generator=generator, dtype=torch.float64),
        "softmax": lambda: x.softmax(-1),
        "onehot": lambda: F.one_hot(x.argmax(-1), shape[-1]),
        "signs": lambda: torch.where(x > 0, 1.0, -1.0),
        "unit": lambda: F.normalize(x),
        "labels": lambda: torch.randint(0, 4, shape[: rank - 1], generator=generator),
        "labels@1": lambda: torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator),
        "pairs": lambda: torch.randint(0, 3, shape[:1], generator=generator),
    }[kind]()
    return values if kind in ("labels", "labels@1", "pairs") else values.to(dtype)


def with_signs(function):
    return lambda target, output, **options: function(losses.signed(target), output, **options)


# name here, name in Keras (None: the same), target, output, options here, options in Keras (None: the same)
KERAS = [
    ("mean_squared_error", None, "real", "real", {}, None),
    ("mean_absolute_error", None, "real", "real", {}, None),
    ("mean_absolute_percentage_error", None, "real", "real", {}, None),
    ("mean_squared_logarithmic_error", None, "real", "probability", {}, None),
    ("huber", None, "real", "real", {"delta": 0.7}, None),
    ("log_cosh", None, "real", "real", {}, None),
    ("cosine_similarity", None, "real", "real", {}, None),
    ("poisson", None, "probability", "probability", {}, None),
    ("kl_divergence", None, "softmax", "softmax", {}, None),
    ("hinge", None, "signs", "real", {}, None),
    ("hinge", None, "onehot", "real", {}, None),
    ("squared_hinge", None, "onehot", "real", {}, None),
    ("categorical_hinge", None, "onehot", "real", {}, None),
    ("tversky", None, "probability", "probability", {"alpha": 0.3, "beta": 0.6}, None),
    ("tversky", None, "probability", "probability", {"alpha": 0.3, "axis": -1}, None),
    ("dice", None, "probability", "probability", {}, None),
    ("dice", None, "probability", "probability", {"axis": -1}, None),
    ("binary_crossentropy", None, "onehot", "probability", {}, None),
    ("binary_crossentropy", None, "probability", "real", {"from_logits": True}, None),
    ("binary_crossentropy", None, "onehot", "probability", {"label_smoothing": 0.2}, None),
    ("binary_focal_crossentropy", None, "onehot", "probability", {"alpha": 0.3, "gamma": 1.5}, None),
    (
        "binary_focal_crossentropy",
        None,
        "probability",
        "real",
        {"balanced": True, "from_logits": True, "label_smoothing": 0.1},
        {"apply_class_balancing": True, "from_logits": True, "label_smoothing": 0.1},
    ),
    ("categorical_crossentropy", None, "onehot", "probability", {}, None),
    ("categorical_crossentropy", None, "softmax", "real", {"from_logits": True, "label_smoothing": 0.1}, None),
    ("categorical_focal_crossentropy", None, "onehot", "probability", {"label_smoothing": 0.1}, None),
    ("categorical_focal_crossentropy", None, "onehot", "real", {"from_logits": True, "gamma": 1.5}, None),
    ("sparse_categorical_crossentropy", None, "labels", "probability", {}, None),
    ("sparse_categorical_crossentropy", None, "labels", "real", {"from_logits": True}, None),
    ("sparse_categorical_crossentropy", None, "labels", "probability", {"ignore_class": 1}, None),
    (
        "categorical_generalized_crossentropy",
        "categorical_generalized_cross_entropy",
        "labels",
        "probability",
        {"q": 0.7},
        None,
    ),
    ("circle", None, "pairs", "unit", {"gamma": 5.0}, None),
    ("circle", None, "pairs", "unit", {"gamma": 5.0, "remove_diagonal": False}, None),
]
IDS = [f"{name}-{target}-{output}-{'-'.join(options)}" for name, _, target, output, options, _ in KERAS]


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "theirs", "target", "output", "options", "their_options"), KERAS, ids=IDS)
def test_values_and_gradients_are_kerass(name, theirs, target, output, options, their_options):
    keras = oracles.real_keras()
    t, a = draw(target), draw(output, seed=1).requires_grad_()
    b = a.detach().clone().requires_grad_()
    expected = getattr(keras.losses, theirs or name)(t, a, **(options if their_options is None else their_options))
    ours = getattr(losses, name)
    got = (with_signs(ours) if "hinge" in name and "cat" not in name else ours)(t, b, **options)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
    expected.sum().backward()
    got.sum().backward()
    torch.testing.assert_close(b.grad, a.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
@pytest.mark.parametrize(("shape", "axis"), [((2, 4, 3), 1), ((2, 3, 4), -1), ((2, 4, 3, 3), 1)])
def test_class_axis_is_kerass(name, shape, axis):
    keras = oracles.real_keras()
    sparse = name.startswith("sparse")
    target = draw("labels@1" if axis == 1 else "labels", shape) if sparse else draw("probability", shape)
    output = draw("probability", shape, seed=2)
    expected = getattr(keras.losses, name)(target, output, axis=axis)
    torch.testing.assert_close(getattr(losses, name)(target, output, axis=axis), expected)


@pytest.mark.parametrize(("name", "theirs", "target", "output", "options", "their_options"), KERAS, ids=IDS)
def test_fused_reductions_are_those_of_the_values(name, theirs, target, output, options, their_options):
    t, y = draw(target, dtype=torch.float64), draw(output, seed=1, dtype=torch.float64)
    values = getattr(losses, name)(t, y, **options)
    mean = values.sum() / (t != 1).sum() if "ignore_class" in options else values.mean()
    torch.testing.assert_close(getattr(losses, name)(t, y, reduction="mean", **options), mean)
    torch.testing.assert_close(getattr(losses, name)(t, y, reduction="sum", **options), values.sum())


@pytest.mark.parametrize(("name", "theirs", "target", "output", "options", "their_options"), KERAS, ids=IDS)
def test_gradients_by_differences(name, theirs, target, output, options, their_options):
    t = draw(target, (3, 4), dtype=torch.float64)
    y = draw(output, (3, 4), seed=1, dtype=torch.float64).requires_grad_()
    for reduction in ("none", "mean"):
        function = functools.partial(getattr(losses, name), reduction=reduction, **options)
        assert torch.autograd.gradcheck(function, (t, y))


# name of the gluon loss with its arguments, ours on elements (weighted afterwards), target, output, scale
GLUON = [
    ("L2Loss()", "real", lambda t, y: losses.mean_squared_error(t, y, axis=()), 0.5),
    ("L1Loss(weight=0.3)", "real", lambda t, y: losses.mean_absolute_error(t, y, axis=()), 0.3),
    ("HuberLoss(rho=0.7)", "real", lambda t, y: losses.huber(t, y, delta=0.7, slope="one", axis=()), 1),
    ("HingeLoss(margin=0.8)", "signs", lambda t, y: losses.hinge(t, y, margin=0.8, axis=()), 1),
    ("SquaredHingeLoss()", "signs", lambda t, y: losses.squared_hinge(t, y, axis=()), 1),
    ("LogisticLoss()", "signs", lambda t, y: losses.logistic(t, y, axis=()), 1),
    (
        "LogisticLoss(label_format='binary')",
        "onehot",
        lambda t, y: losses.logistic(t, y, labels="binary", axis=()),
        1,
    ),
    (
        "SigmoidBinaryCrossEntropyLoss()",
        "probability",
        lambda t, y: losses.binary_crossentropy(t, y, from_logits=True, axis=()),
        1,
    ),
    (
        "KLDivLoss(from_logits=False)",
        "softmax",
        lambda t, y: losses.kl_divergence(t, y, guard="add", epsilon=1e-12, axis=()),
        1,
    ),
    (
        "KLDivLoss()",
        "softmax",
        lambda t, y: losses.kl_divergence(t, y, guard="add", epsilon=1e-12, from_log=True, axis=()),
        1,
    ),
]

RUN = """
    y = nd.array(y); y.attach_grad()
    with autograd.record():
        l = gluon.loss.{call}
    l.backward()
    g = y.grad
"""


def in_gluon(call, y, **inputs):
    answer = oracles.mxnet.run(RUN.format(call=call), returns=["l", "g"], y=y.detach(), **inputs)
    return torch.from_numpy(np.array(answer["l"])), torch.from_numpy(np.array(answer["g"]))


@pytest.mark.oracle
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("call", "target", "ours", "scale"), GLUON, ids=[row[0] for row in GLUON])
def test_values_and_gradients_are_gluons(call, target, ours, scale, weighted):
    t, y = draw(target), draw("real", seed=1).requires_grad_()
    weights = draw("probability", (5, 1), seed=3) if weighted else None
    given = ", nd.array(w)" if weighted else ""
    value, gradient = in_gluon(f"{call}(y, nd.array(t){given})", y, t=t, w=weights)
    within = "sum" if call.startswith("KLDiv") else "mean"
    got = losses.reduce(ours(t, y), reduction="none", weights=weights, batch_axis=0, within=within, scale=scale)
    torch.testing.assert_close(got, value, rtol=1e-4, atol=1e-5)
    got.sum().backward()
    torch.testing.assert_close(y.grad, gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("call", "target", "options"),
    [
        ("SoftmaxCrossEntropyLoss()", "labels", {"from_logits": True}),
        ("SoftmaxCrossEntropyLoss(from_logits=True)", "labels", {"from_log": True}),
        ("SoftmaxCrossEntropyLoss(sparse_label=False)", "softmax", {"from_logits": True}),
    ],
)
def test_softmax_crossentropy_is_gluons(call, target, options):
    t, y = draw(target), draw("real", seed=1).requires_grad_()
    value, gradient = in_gluon(f"{call}(y, nd.array(t))", y, t=t)
    sparse = target == "labels"
    got = (losses.sparse_categorical_crossentropy if sparse else losses.categorical_crossentropy)(t, y, **options)
    torch.testing.assert_close(got, value)
    got.sum().backward()
    torch.testing.assert_close(y.grad, gradient)


@pytest.mark.oracle
def test_sigmoid_crossentropy_with_positive_weight_and_probabilities_is_gluons():
    t, y, p = draw("onehot"), draw("real", seed=1), draw("probability", seed=1)
    weight = torch.tensor([1.0, 2.0, 0.5, 3.0])
    value, _ = in_gluon("SigmoidBCELoss()(y, nd.array(t), None, nd.array(w))", y, t=t, w=weight)
    got = losses.binary_crossentropy(t, y, from_logits=True, positive_weight=weight)
    torch.testing.assert_close(got, value)
    options = {"guard": "add", "epsilon": 1e-12}
    value, _ = in_gluon("SigmoidBCELoss(from_sigmoid=True)(y, nd.array(t))", p, t=t)
    torch.testing.assert_close(losses.binary_crossentropy(t, p, **options), value)
    value, _ = in_gluon("SigmoidBCELoss(from_sigmoid=True)(y, nd.array(t), None, nd.array(w))", p, t=t, w=weight)
    torch.testing.assert_close(losses.binary_crossentropy(t, p, positive_weight=weight, **options), value)


@pytest.mark.oracle
def test_embedding_losses_are_gluons():
    a, p, n = draw("real", seed=1), draw("real", seed=2), draw("real", seed=3)
    value, _ = in_gluon("TripletLoss(margin=0.5)(y, nd.array(p), nd.array(n))", a, p=p, n=n)
    torch.testing.assert_close(losses.triplet(a, p, n, margin=0.5), value)
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0, -1.0])
    value, _ = in_gluon("CosineEmbeddingLoss(margin=0.1)(y, nd.array(p), nd.array(t))", a, p=p, t=signs)
    torch.testing.assert_close(losses.cosine_embedding(a, p, signs, margin=0.1), value.reshape(-1))


@pytest.mark.oracle
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("from_log", [False, True])
def test_poisson_likelihood_is_gluons(from_log, full):
    # ... and its Stirling term is NaN at 0 (0 * log 0); ours is 0 there.
    t = torch.tensor([[0.5 if full else 0.0, 1.0], [3.0, 7.0]])
    y = draw("probability", (2, 2))
    # Not recorded: compute_full writes in place.
    code = f"l = gluon.loss.PoissonNLLLoss(from_logits={from_log}, compute_full={full})(nd.array(y), nd.array(t))"
    value = torch.from_numpy(np.array(oracles.mxnet.run(code, returns=["l"], y=y, t=t)["l"]))
    got = losses.poisson_nll(t, y, from_log=from_log, full=full, reduction="mean")
    torch.testing.assert_close(got.reshape(value.shape), value)


@pytest.mark.oracle
def test_ctc_is_both_frameworks():
    keras = oracles.real_keras()
    target, output = torch.tensor([[1, 2, 0, 0], [1, 1, 2, 0]]), draw("real", (2, 6, 4))
    torch.testing.assert_close(losses.ctc(target, output), keras.losses.ctc(target, output))
    # gluon: the blank is the last class, -1 pads.
    labels = torch.tensor([[1, 2, -1, -1], [0, 0, 2, -1]])
    y = output.clone().requires_grad_()
    value, gradient = in_gluon("CTCLoss()(y, nd.array(t))", y, t=labels)
    got = losses.ctc(labels, y, blank=-1, padding=-1)
    torch.testing.assert_close(got, value, rtol=1e-4, atol=1e-4)
    got.sum().backward()
    torch.testing.assert_close(y.grad, gradient, rtol=1e-3, atol=1e-4)
    call = "CTCLoss(layout='TNC', label_layout='TN')(y, nd.array(t), nd.array(m), nd.array(n))"
    lengths = {"m": torch.tensor([5, 6]), "n": torch.tensor([1, 3])}
    value, _ = in_gluon(call, output.transpose(0, 1).contiguous(), t=labels.t().contiguous(), **lengths)
    got = losses.ctc(
        labels,
        output.transpose(0, 1),
        output_length=lengths["m"],
        target_length=lengths["n"],
        blank=-1,
        time_axis=0,
    )
    torch.testing.assert_close(got, value, rtol=1e-4, atol=1e-4)


# --- reduce ---------------------------------------------------------------------------------------------------------


@pytest.mark.oracle
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean", "sum", "none", "mean_with_sample_weight"])
@pytest.mark.parametrize("weights", [None, 2.0, (2, 1), (2, 3), (1, 3)])
@pytest.mark.parametrize("masked", [False, True])
def test_reduction_is_kerass(reduction, weights, masked):
    keras = oracles.real_keras()
    y, t = draw("real", (2, 3, 4)), draw("real", (2, 3, 4), seed=1)
    mask = torch.tensor([[True, False, True], [True, False, False]]) if masked else None
    if isinstance(weights, tuple):
        weights = draw("probability", weights, seed=4)
        # Keras multiplies the mask into the weights in place: they must have its shape.
        weights = weights.expand(2, 3).clone() if masked else weights
    elif weights is not None:
        weights = torch.tensor(weights)
        if masked:
            weights = weights.expand(2, 3).clone()
    given = y.clone()
    if masked:
        given._keras_mask = mask
    expected = keras.losses.MeanSquaredError(reduction=reduction)(
        t, given, sample_weight=None if weights is None else weights.clone()
    )
    got = losses.reduce(losses.mean_squared_error(t, y), reduction=reduction, weights=weights, mask=mask)
    torch.testing.assert_close(got, expected)


def test_reduce_weighs_samples_by_the_leading_axes():
    loss = torch.arange(6.0).reshape(2, 3)
    weights = torch.tensor([1.0, 10.0])
    assert losses.reduce(loss, weights=weights, reduction="sum") == 3 + 120
    torch.testing.assert_close(losses.reduce(loss, mask=torch.tensor([True, False])), torch.tensor(1.0))
    column = losses.reduce(loss[:, 0], weights=weights.reshape(2, 1), reduction="none")
    torch.testing.assert_close(column, torch.tensor([0.0, 30.0]))


@pytest.mark.parametrize("reduction", ["mean", "mean_with_sample_weight"])
def test_reduce_of_nothing_is_zero_with_zero_gradient(reduction):
    loss = torch.ones(2, 3, requires_grad=True)
    got = losses.reduce(loss, reduction=reduction, mask=torch.zeros(2, 3, dtype=torch.bool))
    got.backward()
    assert got == 0
    assert not loss.grad.any()


def test_reduce_names_an_unknown_reduction():
    with pytest.raises(ValueError, match="given 'median'"):
        losses.reduce(torch.ones(2), reduction="median")


# --- wrong labels, NaN ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [4, -1, -100, 2**40])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_a_label_that_is_no_class_raises(label, reduction):
    target, output = torch.tensor([0, label, 2]), draw("softmax", (3, 4))
    with pytest.raises(ValueError, match=rf"from 0 to 3 .* given {label}$"):
        losses.sparse_categorical_crossentropy(target, output, reduction=reduction)
    with pytest.raises(ValueError, match="no class"):
        losses.sparse_categorical_crossentropy(target, output, reduction=reduction, ignore_class=1)
    with pytest.raises(ValueError, match="no class"):
        losses.sparse_categorical_crossentropy(target.reshape(1, 3), output.reshape(1, 3, 4).mT, axis=1)


def test_the_recorded_kernel_checks_labels_too():
    logs = draw("real", (2, 4)).log_softmax(-1)
    with pytest.raises(IndexError):
        torch.ops.aten.nll_loss_forward(logs, torch.tensor([0, 4]), None, 1, losses._NO_LABEL)


@pytest.mark.parametrize("label", [4, 400_000_000, -5])
def test_ctc_checks_labels(label):
    with pytest.raises(ValueError, match="no class"):
        losses.ctc(torch.tensor([[1, label], [3, 1]]), draw("real", (2, 6, 4)), padding=-1)
    # ... and not what stands behind a target's end
    assert losses.ctc(torch.tensor([[1, label]]), draw("real", (1, 6, 4)), target_length=torch.tensor([1])).isfinite()


def test_ignored_labels_count_for_nothing():
    output, target = draw("softmax"), torch.tensor([-1, 0, 3, -1, 2])
    values = losses.sparse_categorical_crossentropy(target, output, ignore_class=-1)
    assert (values == 0).tolist() == [True, False, False, True, False]
    mean = losses.sparse_categorical_crossentropy(target, output, ignore_class=-1, reduction="mean")
    torch.testing.assert_close(mean, values.sum() / 3)
    nothing = losses.sparse_categorical_crossentropy(torch.full((5,), -1), output, ignore_class=-1, reduction="mean")
    assert nothing == 0


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"expected the output's shape \(5, 4\), given \(5, 1\)"):
        losses.categorical_crossentropy(torch.ones(5, 1), draw("softmax"))
    with pytest.raises(ValueError, match=r"expected shape \(5,\) of class numbers, given \(3,\)"):
        losses.sparse_categorical_crossentropy(torch.zeros(3), draw("softmax"))


def test_binary_crossentropy_shows_nan_and_refuses_bad_targets():
    output = torch.tensor([[0.2, math.nan]], requires_grad=True)
    target = torch.tensor([[1.0, 0.0]])
    loss = losses.binary_crossentropy(target, output, reduction="mean")
    assert loss.isnan()
    loss.backward()
    assert output.grad[0, 0].isfinite()
    with pytest.raises(ValueError, match="given 0 to 2"):
        losses.binary_crossentropy(target * 2, output.detach().nan_to_num(0.5))


def test_saturated_probabilities_are_finite():
    output = torch.tensor([[0.0, 1.0]], requires_grad=True)
    loss = losses.binary_crossentropy(torch.tensor([[1.0, 0.0]]), output, reduction="mean")
    loss.backward()
    assert 15 < loss < 17
    assert not output.grad.any()
    loss = losses.categorical_crossentropy(torch.tensor([[1.0, 0.0]]), output, reduction="mean")
    assert 15 < loss < 17


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("name", "theirs", "target", "output", "options", "their_options"), KERAS, ids=IDS)
def test_half_precision_stays_half(name, theirs, target, output, options, their_options, dtype):
    got = getattr(losses, name)(draw(target, dtype=dtype), draw(output, seed=1, dtype=dtype), **options)
    assert got.dtype == dtype
    assert got.isfinite().all()


@pytest.mark.parametrize(("name", "theirs", "target", "output", "options", "their_options"), KERAS, ids=IDS)
def test_shapes_on_meta_are_the_real_ones(name, theirs, target, output, options, their_options):
    t, y = draw(target), draw(output, seed=1)
    for reduction in ("none", "mean"):
        real = getattr(losses, name)(t, y, reduction=reduction, **options)
        meta = getattr(losses, name)(t.to("meta"), y.to("meta"), reduction=reduction, **options)
        assert (meta.shape, meta.dtype) == (real.shape, real.dtype)


@pytest.mark.parametrize(("name", "theirs", "target", "output", "options", "their_options"), KERAS, ids=IDS)
def test_nothing_is_read_back(name, theirs, target, output, options, their_options, names_of_calls):
    t, y = draw(target), draw(output, seed=1).requires_grad_()
    for reduction in ("none", "mean"):
        function = functools.partial(getattr(losses, name), reduction=reduction, **options)
        calls = names_of_calls(lambda: function(t, y).sum().backward())  # noqa: B023
        assert not {"_local_scalar_dense", "nonzero", "item"} & set(calls)


def test_reduce_and_ctc_read_nothing_back(names_of_calls):
    loss, mask, weights = torch.ones(2, 3), torch.ones(2, 3) > 0, torch.ones(2)
    for reduction in ("mean", "sum", "none", "mean_with_sample_weight"):
        options = {"reduction": reduction, "mask": mask, "weights": weights}
        assert "_local_scalar_dense" not in names_of_calls(lambda: losses.reduce(loss, **options))  # noqa: B023
    target, output = torch.tensor([[1, 2, 0]]), draw("real", (1, 6, 4)).requires_grad_()
    calls = names_of_calls(lambda: losses.ctc(target, output).sum().backward())
    assert "_local_scalar_dense" not in calls
    assert "_ctc_loss" in calls


def test_the_calls_of_common_losses(count_calls):
    """The step of a small model lives from few calls: a fused mean must stay fused."""
    p, x = draw("softmax").requires_grad_(), draw("real").requires_grad_()
    onehot, labels = draw("onehot"), draw("labels")
    assert count_calls(lambda: losses.mean_squared_error(onehot, x, reduction="mean")) == 1
    assert count_calls(lambda: losses.binary_crossentropy(onehot, p, reduction="mean")) == 2
    assert count_calls(lambda: losses.binary_crossentropy(onehot, x, from_logits=True, reduction="mean")) == 1
    assert (
        count_calls(lambda: losses.sparse_categorical_crossentropy(labels, x, from_logits=True, reduction="mean")) == 2
    )
    assert count_calls(lambda: losses.sparse_categorical_crossentropy(labels, p, reduction="mean")) == 5
