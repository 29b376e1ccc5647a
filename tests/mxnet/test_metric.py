"""Metrics: composition, names, one's own, several kinds of arrays."""

import math

import numpy as np
import pytest
import torch

from tandem.mxnet import metric, nd


def test_create():
    assert type(metric.create("acc")) is metric.Accuracy
    assert metric.create("top_k_accuracy", top_k=3).top_k == 3
    made = metric.MSE()
    assert metric.create(made) is made
    assert metric.create(["acc", "f1"]).get()[0] == ["accuracy", "f1"]
    assert metric.create(metric.Accuracy(name="x", axis=0).get_config()).axis == 0
    with pytest.raises(AssertionError, match="Did you mean 'accuracy'"):
        metric.create("acuracy")


def test_labels_that_do_not_fit():
    accuracy = metric.Accuracy()
    with pytest.raises(ValueError, match="do not fit each other"):
        accuracy.update([nd.ones(2)], [nd.ones((2, 2)), nd.ones((2, 2))])
    with pytest.raises(ValueError, match="does not match"):
        accuracy.update([nd.ones(3)], [nd.ones((4, 2))])
    with pytest.raises(ValueError, match="binary classification"):
        metric.F1().update([nd.array([0, 1, 2])], [nd.ones((3, 2))])
    with pytest.raises(AssertionError, match="shape mismatch"):
        metric.CrossEntropy().update([nd.array([0, 1])], [nd.ones((3, 2))])


def test_arrays_of_all_kinds():
    label, pred = np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]], "float32")
    for make in (nd.array, np.array, torch.tensor):
        accuracy = metric.Accuracy()
        accuracy.update(make(label), make(pred))
        accuracy.update([make(label)], [make(pred)])
        assert accuracy.get() == ("accuracy", 0.5)


def test_dicts_are_chosen_from():
    accuracy = metric.Accuracy(output_names=["a"], label_names=["y"])
    label, pred = nd.array([0, 1]), nd.array([[0.9, 0.1], [0.8, 0.2]])
    accuracy.update_dict({"y": label, "z": label * 0}, {"a": pred, "b": pred})
    assert accuracy.num_inst == 2
    both = metric.CompositeEvalMetric([accuracy, metric.MSE()])
    both.reset()
    both.update_dict({"y": label}, {"a": pred})
    assert both.get()[1][0] == 0.5


def test_local_and_global_values():
    loss = metric.Loss()
    loss.update(None, [nd.array([1, 3])])
    loss.reset_local()
    loss.update(None, [nd.array([5])])
    assert (loss.get(), loss.get_global()) == (("loss", 5), ("loss", 3))
    assert (loss.num_inst, loss.global_num_inst, loss.sum_metric, loss.global_sum_metric) == (1, 3, 5, 9)
    loss.reset()
    assert math.isnan(loss.get_global()[1])


def test_a_metric_of_ones_own():
    class Counter(metric.EvalMetric):
        def __init__(self):
            super().__init__("counter")

        def update(self, labels, preds):
            for label in labels:
                self.sum_metric += label.asnumpy().sum()
                self.global_sum_metric += label.asnumpy().sum()
                self.num_inst += 1
                self.global_num_inst += 1

    counter = Counter()
    for _ in range(2):
        counter.update([nd.array([1, 2])], [None])
    assert counter.get() == ("counter", 3)
    assert counter.get_global() == ("counter", 3)
    with pytest.raises(NotImplementedError, match="does not say how to count"):
        metric.EvalMetric("x").update([], [])


def test_sums_may_be_set_before_the_base_is_made():
    class Several(metric.EvalMetric):
        def __init__(self, count):
            self.num_inst, self.sum_metric = [1] * count, [6.0] * count
            super().__init__("several")

        def reset(self):
            self.seen = self.num_inst, self.sum_metric

    assert Several(2).seen == ([1, 1], [6.0, 6.0])


def test_sums_are_exact_over_many_batches():
    accuracy = metric.Accuracy()
    label, pred = nd.array([1]), nd.array([[0.1, 0.9]])
    for _ in range(300):
        accuracy.update([label], [pred])
    assert (accuracy.sum_metric, accuracy.num_inst) == (300, 300)
    mean = metric.MSE()
    for value in (0.1, 0.2, 0.4):
        mean.update([nd.array([0.0])], [nd.array([value])])
    assert mean.get()[1] == pytest.approx((np.float32([0.1, 0.2, 0.4]) ** 2).astype(float).mean(), rel=1e-7)


def test_a_correlation_of_classes_that_come_later():
    pcc = metric.PCC()
    pcc.update([nd.array([0, 1])], [nd.array([0, 1])])
    pcc.update([nd.array([2, 2, 0])], [nd.array([2, 2, 0])])
    assert pcc.get()[1] == pytest.approx(1)


def test_metrics_do_not_build_a_graph():
    x = nd.ones((2, 2))
    x.attach_grad()
    from tandem.mxnet import autograd

    mse = metric.MSE()
    with autograd.record():
        mse.update([nd.zeros((2, 2))], [x * 2])
    assert mse.get()[1] == 4


class _PerOutput(metric.EvalMetric):
    """A metric whose own `reset` makes lists, one entry to each output."""

    def __init__(self, count):
        self.count = count
        super().__init__("per_output")

    def reset(self):
        self.sum_metric, self.num_inst = [0.0] * self.count, [0] * self.count

    def update(self, labels, preds):
        for place, (label, pred) in enumerate(zip(labels, preds)):
            self.sum_metric[place] += float((label == pred).sum().asscalar())
            self.num_inst[place] += label.size

    def get(self):
        values = [total / count for total, count in zip(self.sum_metric, self.num_inst)]
        return [f"{self.name}{place}" for place in range(self.count)], values


def test_a_metric_with_lists_of_sums():
    found = _PerOutput(2)
    for _ in range(2):
        found.update([nd.array([1, 2]), nd.array([1, 2])], [nd.array([1, 0]), nd.array([1, 2])])
    assert found.get_name_value() == [("per_output0", 0.5), ("per_output1", 1.0)]


def test_a_metric_of_one_s_own_answers_the_same_to_local_and_global_questions():
    class Mine(metric.EvalMetric):
        def update(self, labels, preds):
            self.sum_metric += float((labels[0] - preds[0]).sum().asscalar())
            self.num_inst += 1

    class Pair(Mine):
        def get_name_value(self):
            return [("a", self.sum_metric), ("b", self.num_inst)]

    for mine, expected in ((Mine("mine"), [("mine", 2.0)]), (Pair("pair"), [("a", 2.0), ("b", 1)])):
        mine.update([nd.array([3])], [nd.array([1])])
        assert mine.get_global_name_value() == mine.get_name_value() == expected
    counted = Mine("counted", has_global_stats=True)
    counted.update([nd.array([3])], [nd.array([1])])
    assert math.isnan(counted.get_global()[1])


def test_sums_of_a_function_s_float32_values_keep_what_is_small():
    counted = metric.create(lambda label, pred: np.float32(0.1))
    for _ in range(1000):
        counted.update([nd.array([1])], [nd.array([1])])
    assert counted.get()[1] == pytest.approx(float(np.float32(0.1)), rel=1e-12)
