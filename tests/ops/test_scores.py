"""Metric kernels: the real frameworks' results over several batches, and the counts by definition."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from tandem.ops import scores

EVEN = 8
THRESHOLDS = torch.tensor([-1e-7, *(i / (EVEN - 1) for i in range(1, EVEN - 1)), 1 + 1e-7])


def batches(kind, seed=0):
    """Two batches (target, output, weights) for metrics of two classes, several labels, several classes, or numbers."""
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape):
        return torch.rand(shape, generator=generator)

    made = []
    for size in (7, 4):
        if kind == "binary":
            made.append(((rand(size) > 0.4).float(), rand(size), rand(size)))
        elif kind == "labels":
            made.append(((rand(size, 3) > 0.5).float(), rand(size, 3), rand(size)))
        elif kind == "classes":
            label = torch.randint(0, 3, (size,), generator=generator)
            made.append((torch.eye(3)[label], rand(size, 3).softmax(-1), rand(size)))
        else:
            made.append((rand(size, 2), rand(size, 2), rand(size, 1)))
    return made


def in_keras(call, data, weighted, target=lambda t: t):
    metric = eval(f"oracles.real_keras().metrics.{call}")
    for t, y, w in data:
        metric.update_state(target(t), y, sample_weight=w if weighted else None)
    return torch.as_tensor(metric.result())


def counts_of(data, weighted, thresholds=THRESHOLDS, labels=None, **options):
    shape = (len(thresholds),) if labels is None else (len(thresholds), labels)
    states = [torch.zeros(shape) for _ in range(4)]
    for t, y, w in data:
        scores.confusion_(states, t, y, thresholds, weights=w if weighted else None, **options)
    return states


AREAS = [(c, m) for c in ("ROC", "PR", "PRGAIN") for m in ("interpolation", "minoring", "majoring")]


@pytest.mark.oracle
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("curve", "method"), AREAS)
def test_areas_are_kerass(curve, method, weighted):
    data = batches("binary")
    call = f"AUC(num_thresholds={EVEN}, curve={curve!r}, summation_method={method!r})"
    got = scores.auc(*reorder(counts_of(data, weighted, clip=True)), curve=curve, method=method)
    torch.testing.assert_close(got, in_keras(call, data, weighted), rtol=1e-5, atol=1e-6)


def reorder(states):
    tp, fp, tn, fn = states
    return tp, fp, tn, fn


@pytest.mark.oracle
@pytest.mark.parametrize(("curve", "method"), AREAS)
@pytest.mark.parametrize("targets", [[1.0], [0.0], [1.0, 1.0, 0.0]])
def test_areas_where_a_class_is_missing_are_kerass(curve, method, targets):
    data = [(torch.tensor(targets), torch.tensor([0.1, 0.5, 1.0][: len(targets)]), None)]
    call = f"AUC(num_thresholds={EVEN}, curve={curve!r}, summation_method={method!r})"
    got = scores.auc(*counts_of(data, False, clip=True), curve=curve, method=method)
    torch.testing.assert_close(got, in_keras(call, data, False))


@pytest.mark.oracle
def test_areas_of_labels_and_of_given_thresholds_are_kerass():
    data = batches("labels")
    states = counts_of(data, True, labels=3, per_label=True, clip=True)
    call = f"AUC(num_thresholds={EVEN}, multi_label=True, num_labels=3"
    torch.testing.assert_close(scores.auc(*states), in_keras(call + ")", data, True))
    weights = [0.2, 0.7, 0.4]
    got = scores.auc(*states, label_weights=torch.tensor(weights))
    torch.testing.assert_close(got, in_keras(call + f", label_weights={weights})", data, True))
    own = torch.tensor([-1e-7, 0.2, 0.65, 1 + 1e-7])
    got = scores.auc(*counts_of(batches("binary"), False, own))
    torch.testing.assert_close(got, in_keras("AUC(thresholds=[0.2, 0.65])", batches("binary"), False))


@pytest.mark.oracle
@pytest.mark.parametrize("weighted", [False, True])
def test_precision_recall_and_bests_are_kerass(weighted):
    data = batches("binary")
    some = torch.tensor([0.6, 0.2, 0.9])
    tp, fp, tn, fn = counts_of(data, weighted, some)
    for got, call in (
        (scores.precision(tp, fp), "Precision(thresholds=[0.6, 0.2, 0.9])"),
        (scores.recall(tp, fn), "Recall(thresholds=[0.6, 0.2, 0.9])"),
        (fp, "FalsePositives(thresholds=[0.6, 0.2, 0.9])"),
        (tn, "TrueNegatives(thresholds=[0.6, 0.2, 0.9])"),
    ):
        torch.testing.assert_close(got, in_keras(call, data, weighted))
    tp, fp, tn, fn = counts_of(data, weighted, clip=True)
    precision, recall = scores.precision(tp, fp), scores.recall(tp, fn)
    specificity = scores.ratio(tn, tn + fp)
    for goal, constraint, name in (
        (precision, recall, "PrecisionAtRecall"),
        (recall, precision, "RecallAtPrecision"),
        (recall, specificity, "SensitivityAtSpecificity"),
        (specificity, recall, "SpecificityAtSensitivity"),
    ):
        for least in (0.3, 0.7, 0.99):
            expected = in_keras(f"{name}({least}, num_thresholds={EVEN})", data, weighted)
            torch.testing.assert_close(scores.best_at(goal, constraint, least), expected, msg=f"{name} {least}")


@pytest.mark.oracle
@pytest.mark.parametrize("call", ["Precision(top_k=2)", "Recall(top_k=2, thresholds=0.3)", "Recall(class_id=1)"])
def test_top_k_and_one_class_are_kerass(call):
    data = batches("classes")
    states = [torch.zeros(1) for _ in range(4)]
    for t, y, _ in data:
        threshold = torch.tensor([-math.inf if call.startswith("P") else 0.3 if "top" in call else 0.5])
        t, y = (t[:, 1], y[:, 1]) if "class_id" in call else (t, scores.keep_largest(y, 2))
        scores.confusion_(states, t, y, threshold)
    tp, fp, _, fn = states
    got = scores.precision(tp, fp) if call.startswith("P") else scores.recall(tp, fn)
    torch.testing.assert_close(got.squeeze(), in_keras(call, data, False))


@pytest.mark.oracle
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("threshold", [None, 0.35])
@pytest.mark.parametrize("average", [None, "micro", "macro", "weighted"])
def test_f_scores_are_kerass(average, threshold, weighted):
    data = batches("classes")
    states = [torch.zeros(() if average == "micro" else 3) for _ in range(4)]
    for t, y, w in data:
        axis = None if average == "micro" else 0
        weights = w if weighted else None
        torch._foreach_add_(states, list(scores.class_counts(t, y, threshold=threshold, weights=weights, axis=axis)))
    *counts, positives = states
    got = scores.f_beta(*counts, beta=2.0, average=average, positives=positives)
    expected = in_keras(f"FBetaScore(average={average!r}, beta=2.0, threshold={threshold})", data, weighted)
    torch.testing.assert_close(got, expected)


MATCHES = [
    ("BinaryAccuracy(threshold=0.4)", "labels", lambda t, y: scores.binary_matches(t, y, 0.4).mean(-1), None),
    ("CategoricalAccuracy()", "classes", scores.categorical_matches, None),
    ("SparseCategoricalAccuracy()", "classes", lambda t, y: scores.sparse_matches(t.argmax(-1), y), "sparse"),
    (
        "TopKCategoricalAccuracy(2)",
        "classes",
        lambda t, y: scores.topk_matches(t.argmax(-1), y, 2),
        None,
    ),
    (
        "SparseTopKCategoricalAccuracy(2)",
        "classes",
        lambda t, y: scores.topk_matches(t.argmax(-1), y, 2),
        "sparse",
    ),
    (
        "SparseTopKCategoricalAccuracy(2, from_sorted_ids=True)",
        "classes",
        lambda t, y: scores.sorted_topk_matches(t.argmax(-1), y, 2),
        "sparse",
    ),
    ("PearsonCorrelation()", "classes", scores.pearson_correlation, None),
    ("ConcordanceCorrelation()", "classes", scores.concordance_correlation, None),
]


@pytest.mark.oracle
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("call", "kind", "values", "sparse"), MATCHES, ids=[row[0] for row in MATCHES])
def test_means_of_matches_are_kerass(call, kind, values, sparse, weighted):
    data = batches(kind)
    if "sorted" in call:
        data = [(t, y.argsort(-1, descending=True), w) for t, y, w in data]
    total, count = torch.zeros(()), torch.zeros(())
    for t, y, w in data:
        scores.mean_(total, count, values(t, y), w if weighted else None)
    expected = in_keras(call, data, weighted, (lambda t: t.argmax(-1)) if sparse else (lambda t: t))
    torch.testing.assert_close(scores.ratio(total, count), expected)


@pytest.mark.oracle
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("average", [None, "uniform_average", "variance_weighted_average"])
def test_r2_is_kerass(average, weighted):
    data = batches("numbers")
    sums = [torch.zeros(2) for _ in range(4)]
    for t, y, w in data:
        scores.r2_(*sums, t, y, w if weighted else None)
    got = scores.r2(*sums, average=average)
    torch.testing.assert_close(
        got, in_keras(f"R2Score(class_aggregation={average!r})", data, weighted), rtol=1e-4, atol=1e-5
    )
    if average is not None and not weighted:
        got = scores.r2(*sums, average=average, samples=22, regressors=1)
        call = f"R2Score(class_aggregation={average!r}, num_regressors=1)"
        torch.testing.assert_close(got, in_keras(call, data, weighted), rtol=1e-4, atol=1e-5)


@pytest.mark.oracle
@pytest.mark.parametrize("weighted", [False, True])
def test_intersection_over_union_is_kerass(weighted):
    data = [(t.argmax(-1), y.argmax(-1), w) for t, y, w in batches("classes", seed=5)]
    matrix, ignoring = torch.zeros(3, 3), torch.zeros(3, 3)
    for t, y, w in data:
        matrix += scores.confusion_matrix(t, y, 3, weights=w if weighted else None)
        ignoring += scores.confusion_matrix(t, y, 3, weights=w if weighted else None, ignore_class=1)
    # Keras keeps its counts in integers unless it is given a floating point dtype.
    got = scores.intersection_over_union(matrix)
    if not weighted:
        torch.testing.assert_close(got, in_keras("MeanIoU(3)", data, False))
        got = scores.intersection_over_union(ignoring)
        torch.testing.assert_close(got, in_keras("MeanIoU(3, ignore_class=1)", data, False))
        got = scores.intersection_over_union(matrix, [0, 2])
        torch.testing.assert_close(got, in_keras("IoU(3, [0, 2])", data, False))
    rows = torch.stack([sum(w[t == c].sum() if weighted else (t == c).sum() for t, _, w in data) for c in range(3)])
    torch.testing.assert_close(matrix.sum(1), rows.float())


# --- MXNet ----------------------------------------------------------------------------------------------------------

MXNET = """
    metric = mx.metric.{call}
    for t, y in data:
        metric.update([nd.array(t)], [nd.array(y)])
    value = metric.get()[1]
"""


def in_mxnet(call, data):
    data = [[t, y] for t, y, *_ in data]
    return torch.tensor(float(oracles.mxnet.run(MXNET.format(call=call), returns=["value"], data=data)["value"]))


def two_columns(data):
    return [(t.long(), torch.stack([1 - y, y], -1), w) for t, y, w in data]


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["F1", "MCC"])
@pytest.mark.parametrize("average", ["macro", "micro"])
def test_binary_scores_are_mxnets(name, average):
    data = two_columns(batches("binary"))
    counts = [scores.binary_counts(t, y.argmax(-1)) for t, y, _ in data]
    if average == "micro":
        counts = [tuple(sum(column) for column in zip(*counts))]
    results = [
        scores.f_beta(tp, fp, fn) if name == "F1" else scores.matthews(tp, fp, tn, fn) for tp, fp, tn, fn in counts
    ]
    torch.testing.assert_close(torch.stack(results).mean(), in_mxnet(f"{name}(average={average!r})", data))


@pytest.mark.oracle
def test_likelihoods_are_mxnets():
    data = [(t.argmax(-1), y, w) for t, y, w in batches("classes")]

    def mean(**options):
        parts = [scores.log_loss(t, y, **options) for t, y, _ in data]
        return sum(total for total, _ in parts) / sum(number for _, number in parts)

    torch.testing.assert_close(mean(), in_mxnet("CrossEntropy()", data))
    torch.testing.assert_close(mean(), in_mxnet("NegativeLogLikelihood()", data))
    options = {"guard": "max", "epsilon": 1e-10}
    torch.testing.assert_close(mean(**options).exp(), in_mxnet("Perplexity(None)", data))
    torch.testing.assert_close(mean(ignore_label=2, **options).exp(), in_mxnet("Perplexity(ignore_label=2)", data))


@pytest.mark.oracle
def test_matrix_and_pearson_correlation_are_mxnets():
    data = [(t.argmax(-1), y, w) for t, y, w in batches("classes", seed=5)]
    matrix = sum(scores.confusion_matrix(t, y.argmax(-1), 3) for t, y, _ in data)
    torch.testing.assert_close(scores.matrix_correlation(matrix), in_mxnet("PCC()", data))
    data = batches("numbers")
    count, means, moments = torch.zeros(()), torch.zeros(2), torch.zeros(3)
    each = []
    for t, y, _ in data:
        scores.correlation_(count, means, moments, t, y)
        each.append(scores.pearson_correlation(t.reshape(-1), y.reshape(-1)))
    torch.testing.assert_close(torch.stack(each).mean(), in_mxnet("PearsonCorrelation()", data))
    every = [torch.cat([part.reshape(-1) for part in column]) for column in list(zip(*data))[:2]]
    exact = scores.pearson_correlation(*every)
    torch.testing.assert_close(scores.correlation(moments), exact)


# --- by definition --------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])), min_size=1, max_size=12),
    st.lists(st.sampled_from([-1e-7, 0.1, 0.25, 0.3, 0.9, 1.0]), min_size=1, max_size=5),
    st.booleans(),
)
def test_counts_at_thresholds_by_definition(samples, thresholds, many):
    """Both ways of counting, for thresholds in any order: what is equal to a threshold is not above it."""
    target = torch.tensor([float(t) for t, _ in samples])
    output = torch.tensor([y for _, y in samples])
    thresholds = torch.tensor(thresholds)
    before = scores._MOST_COMPARISONS
    scores._MOST_COMPARISONS = 0 if many else before
    try:
        got = scores.confusion(target, output, thresholds)
    finally:
        scores._MOST_COMPARISONS = before
    above = output > thresholds.unsqueeze(1)
    positive = target.bool()
    expected = [(above & positive), (above & ~positive), (~above & ~positive), (~above & positive)]
    for one, wanted in zip(got, expected):
        assert torch.equal(one, wanted.sum(1).float())


@pytest.mark.parametrize("per_label", [False, True])
def test_both_ways_of_counting_agree_with_weights_and_nan(monkeypatch, per_label):
    target, output, weights = batches("labels")[0]
    output[2, 1] = math.nan
    options = {"weights": weights, "per_label": per_label}
    few = scores.confusion(target, output, THRESHOLDS, **options)
    monkeypatch.setattr(scores, "_MOST_COMPARISONS", 0)
    for a, b in zip(few, scores.confusion(target, output, THRESHOLDS, **options)):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("label", [3, -1, 2**45])
def test_a_class_number_out_of_range_raises(label):
    good, bad = torch.tensor([0, 1]), torch.tensor([0, label])
    with pytest.raises(ValueError, match=f"given {label}"):
        scores.confusion_matrix(bad, good, 3)
    with pytest.raises(ValueError, match="no class"):
        scores.confusion_matrix(good, bad, 3)
    with pytest.raises(ValueError, match=f"given {label}"):
        scores.log_loss(bad, torch.ones(2, 3))
    assert scores.confusion_matrix(bad, good, 3, ignore_class=label).sum() == 1
    assert scores.topk_matches(bad, torch.ones(2, 3), 3).tolist() == [1.0, 0.0]


def test_means_of_nothing_and_of_known_means():
    total, count = torch.zeros(()), torch.zeros(())
    assert scores.ratio(total, count) == 0
    scores.mean_of_(total, count, torch.tensor(2.0, requires_grad=True), 3)
    scores.mean_(total, count, torch.tensor([1.0, 5.0]), torch.tensor([1.0, 0.0]))
    assert (total.item(), count.item()) == (7.0, 4.0)
    scores.sum_(total, torch.tensor([1, 2]))
    assert total == 10


def test_predictions_that_carry_gradients_may_be_counted():
    target, output, _ = batches("binary")[0]
    output.requires_grad_()
    for tensor in scores.confusion(target, output, THRESHOLDS):
        assert not tensor.requires_grad
    total, count = torch.zeros(()), torch.zeros(())
    scores.mean_(total, count, (output - target).square())
    assert not total.requires_grad


def test_a_metric_step_takes_few_calls(count_calls):
    target, output, _ = batches("binary")[0]
    labels, classes = torch.tensor([0, 1]), torch.rand(2, 3)
    total, count = torch.zeros(()), torch.zeros(())
    states = [torch.zeros(EVEN) for _ in range(4)]
    assert count_calls(lambda: scores.mean_of_(total, count, torch.tensor(0.0), 3)) <= 3
    assert count_calls(lambda: scores.mean_(total, count, scores.sparse_matches(labels, classes))) <= 6
    assert count_calls(lambda: scores.confusion_(states, target, output, THRESHOLDS)) <= 10


def test_nothing_is_read_back(names_of_calls):
    t, y, w = batches("binary")[0]
    many, classes, _ = batches("classes")[0]
    label, numbers = many.argmax(-1), batches("numbers")[0]
    total, count = torch.zeros(()), torch.zeros(())
    pairs, moments = torch.zeros(2), torch.zeros(3)
    sums = [torch.zeros(2) for _ in range(4)]
    for function in (
        lambda: scores.auc(*scores.confusion(t, y, THRESHOLDS, weights=w), curve="PR"),
        lambda: scores.auc(*scores.confusion(t, y, THRESHOLDS), curve="ROC"),
        lambda: scores.confusion(many, classes, THRESHOLDS, per_label=True, clip=True),
        lambda: scores.best_at(*scores.confusion(t, y, THRESHOLDS)[:2], 0.5),
        lambda: scores.f_beta(*scores.class_counts(many, classes)[:3], average="macro"),
        lambda: scores.mean_(total, count, scores.topk_matches(label, classes, 2), w),
        lambda: scores.mean_of_(total, count, torch.ones(()).clone(), 3),
        lambda: scores.confusion_matrix(label, classes.argmax(-1), 3, ignore_class=1),
        lambda: scores.intersection_over_union(torch.ones(3, 3)),
        lambda: scores.matthews(*scores.binary_counts(t, y > 0.5)),
        lambda: scores.r2_(*sums, *numbers),
        lambda: scores.r2(*sums),
        lambda: scores.correlation_(total, pairs, moments, *numbers[:2]),
        lambda: scores.log_loss(label, classes, ignore_label=0),
        lambda: scores.keep_largest(classes, 2),
    ):
        assert not {"_local_scalar_dense", "nonzero"} & set(names_of_calls(function))


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_equal(dtype):
    a = torch.from_numpy(np.array([1, 2, 3], dtype))
    assert scores.equal(a, torch.tensor([1, 0, 3])).tolist() == [1.0, 0.0, 1.0]
