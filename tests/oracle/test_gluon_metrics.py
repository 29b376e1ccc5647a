"""Metrics and initializers against the real MXNet."""

import pytest

from mxnet_parity import assert_same, run_here
from oracles import mxnet as oracle

pytestmark = pytest.mark.oracle

_CODE = """
import warnings
warnings.simplefilter("ignore")
M = mx.metric

def binary(labels, preds):
    return float(abs(labels - preds.argmax(1)).mean())

def pair(labels, preds):
    return (float(labels.sum()), labels.size)

def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if isinstance(value, str) or value is None else float(value)

def batches(kind):
    rng = np.random.RandomState(11)
    for size in (5, 4, 6):
        if kind == "binary":
            yield rng.randint(0, 2, size), rng.dirichlet([1, 1], size)
        elif kind == "classes":
            yield rng.randint(0, 4, size), rng.dirichlet([1, 1, 1, 1], size)
        elif kind == "images":
            yield rng.randint(0, 3, (size, 2)), rng.uniform(0, 1, (size, 3, 2))
        elif kind == "steps":
            yield rng.randint(0, 3, (size, 2)), rng.dirichlet([1, 1, 1], (size, 2))
        elif kind == "labels":
            yield rng.randint(0, 3, size), rng.randint(0, 3, size)
        elif kind == "column":
            yield rng.uniform(0, 1, size), rng.uniform(0, 1, (size, 1))
        else:
            yield rng.uniform(0, 1, (size, 2)), rng.uniform(0, 1, (size, 2))

def attempt(expression, kind):
    try:
        metric = eval(expression)
        seen = [plain(metric.get())]
        for number, (label, pred) in enumerate(batches(kind)):
            metric.update([nd.array(label)], [nd.array(pred)])
            seen.append(plain([metric.get(), metric.get_name_value()]))
            if number == 1:
                metric.reset_local()
        seen.append(plain(metric.get_global()))
        if not isinstance(metric, M.CompositeEvalMetric):
            seen.append(plain([metric.num_inst, metric.sum_metric]))
        metric.reset()
        return seen + [plain(metric.get()), str(metric)]
    except Exception as error:
        return "error", type(error).__name__
answers = [attempt(*case) for case in table]
"""

_METRICS = [
    ("M.Accuracy()", "classes"),
    ("M.Accuracy()", "labels"),
    ("M.Accuracy(axis=1)", "images"),
    ("M.Accuracy(name='a')", "binary"),
    ("M.TopKAccuracy(top_k=2)", "classes"),
    ("M.F1()", "binary"),
    ("M.F1(average='micro')", "binary"),
    ("M.F1()", "classes"),
    ("M.MCC()", "binary"),
    ("M.MCC(average='micro')", "binary"),
    ("M.Perplexity(None)", "classes"),
    ("M.Perplexity(ignore_label=1)", "classes"),
    ("M.CrossEntropy()", "classes"),
    ("M.CrossEntropy(eps=0.1)", "classes"),
    ("M.NegativeLogLikelihood()", "classes"),
    ("M.CrossEntropy()", "numbers"),
    ("M.PCC()", "classes"),
    ("M.MAE()", "numbers"),
    ("M.MAE()", "column"),
    ("M.MSE()", "numbers"),
    ("M.RMSE()", "numbers"),
    ("M.RMSE()", "column"),
    ("M.PearsonCorrelation()", "numbers"),
    ("M.PearsonCorrelation(average='micro')", "numbers"),
    ("M.Loss()", "numbers"),
    ("M.CustomMetric(binary)", "binary"),
    ("M.CustomMetric(pair, name='x')", "numbers"),
    ("M.np(pair)", "numbers"),
    ("M.create(['acc', 'ce'])", "classes"),
    ("M.create('top_k_accuracy', top_k=3)", "classes"),
    ("M.create(lambda l, p: 0.5)", "classes"),
    ("M.CompositeEvalMetric(['mse', M.MAE()])", "numbers"),
    ("M.create('nosuch')", "classes"),
    ("M.create(3)", "classes"),
    ("M.TopKAccuracy()", "classes"),
]


def test_metrics():
    there = oracle.run(_CODE, ["answers"], table=_METRICS)["answers"]
    here = run_here(_CODE, table=_METRICS)["answers"]
    for case, a, b in zip(_METRICS, here, there):
        assert_same(a, b, str(case), rtol=2e-6, atol=1e-7)


_INITIALIZERS = """
import warnings
warnings.simplefilter("ignore")
init = mx.init

def attempt(make, name, shape, by_name):
    array = nd.full(shape, -1)
    try:
        made = eval(make)
        desc = name if by_name == "plain" else init.InitDesc(name)
        if by_name == "own":
            desc.attrs["__init__"] = made
            made = init.One()
        made(desc, array)
        return array.asnumpy()
    except Exception as error:
        return "error", type(error).__name__
answers = [attempt(*case) for case in table]
"""
_ENDINGS = [
    "weight",
    "bias",
    "gamma",
    "beta",
    "moving_mean",
    "running_mean",
    "moving_var",
    "moving_inv_var",
    "moving_avg",
    "min",
    "max",
    "mean",
    "thing",
    "bias_quantize",
    "WEIGHT",
]
_FILLED = [
    *[("init.Constant(4)", f"x_{ending}", (2, 3), kind) for ending in _ENDINGS for kind in ("desc", "plain")],
    ("init.Zero()", "x_bias", (2,), "own"),
    ("init.Constant([[1, 2, 3], [4, 5, 6]])", "w", (2, 3), "own"),
    ("init.Bilinear()", "w", (1, 2, 4, 4), "own"),
    ("init.Bilinear()", "w", (1, 1, 3, 5), "own"),
    ("init.LSTMBias(2.0)", "w", (8,), "own"),
    ("init.Xavier()", "w", (3,), "own"),
    ("init.Xavier(rnd_type='x')", "w", (3, 2), "own"),
    ("init.Xavier(factor_type='x')", "w", (3, 2), "own"),
    ("init.create('nosuch')", "w", (3, 2), "own"),
    ('init.create(\'["constant", {"value": 3}]\')', "w", (3, 2), "own"),
    ("init.Load({'arg:w': nd.ones((2, 2)) * 7})", "w", (2, 2), "desc"),
    ("init.Load({'w': nd.ones((2, 3))})", "w", (2, 2), "desc"),
    ("init.Load({})", "w", (2, 2), "desc"),
    ("init.Load({}, init.Constant(3))", "w_weight", (2, 2), "desc"),
    ("init.Mixed(['.*bias', '.*'], [init.One(), init.Constant(5)])", "w_weight", (2, 2), "desc"),
    ("init.Mixed(['.*bias'], [init.One()])", "w_weight", (2, 2), "desc"),
]


def test_initializers_without_chance():
    there = oracle.run(_INITIALIZERS, ["answers"], table=_FILLED)["answers"]
    here = run_here(_INITIALIZERS, table=_FILLED)["answers"]
    for case, a, b in zip(_FILLED, here, there):
        assert_same(a, b, str(case))


def test_initializers_by_chance_have_the_same_spread():
    code = """
    mx.random.seed(1)
    answers = []
    for make in [mx.init.Uniform(), mx.init.Uniform(0.3), mx.init.Normal(), mx.init.Normal(2.0), mx.init.Xavier(),
                 mx.init.Xavier("gaussian", "in", 2), mx.init.Xavier("uniform", "out", 2.34), mx.init.MSRAPrelu(),
                 mx.init.MSRAPrelu("in", 0.0)]:
        array = nd.zeros((300, 100, 3))
        make(mx.init.InitDesc("x_weight"), array)
        values = array.asnumpy()
        answers.append([float(values.std()), float(abs(values).max()) if make.dumps().count("uniform") else 0.0])
    for kind in ["uniform", "normal"]:
        array = nd.zeros((6, 10, 2))
        mx.init.Orthogonal(2.0, kind)(mx.init.InitDesc("x_weight"), array)
        rows = array.asnumpy().reshape(6, 20)
        answers.append((rows @ rows.T).tolist())
    texts = [one.dumps() for one in [mx.init.Xavier(), mx.init.Normal(0.3), mx.init.Constant(2), mx.init.Zero(),
             mx.init.MSRAPrelu(), mx.init.Orthogonal(), mx.init.LSTMBias(2), mx.init.Uniform(), mx.init.Bilinear(),
             mx.init.Constant(nd.ones((2,)))]]
    equal = [mx.init.One() == mx.init.One(), mx.init.Uniform(1) == mx.init.Uniform(2)]
    """
    there = oracle.run(code, ["answers", "texts", "equal"])
    here = run_here(code)
    assert here["texts"] == there["texts"]
    assert here["equal"] == there["equal"]
    assert_same(here["answers"], there["answers"], rtol=0.02, atol=1e-4)
