"""`mx.metric`: scores of predictions against labels, summed over batches.

What a batch adds stays on the device; it is read back when somebody looks (`get`, `sum_metric`, `num_inst`).
"""

from tandem.mxnet import ndarray, registry  # noqa: F401  (GluonTS and others take them from here)
from tandem.mxnet.metric.base import CompositeEvalMetric, EvalMetric, alias, check_label_shapes, create, register
from tandem.mxnet.metric.classification import (
    F1,
    MCC,
    PCC,
    Accuracy,
    CrossEntropy,
    NegativeLogLikelihood,
    Perplexity,
    TopKAccuracy,
)
from tandem.mxnet.metric.others import MAE, MSE, RMSE, Caffe, CustomMetric, Loss, PearsonCorrelation, Torch, np

__all__ = [
    "F1",
    "MAE",
    "MCC",
    "MSE",
    "PCC",
    "RMSE",
    "Accuracy",
    "Caffe",
    "CompositeEvalMetric",
    "CrossEntropy",
    "CustomMetric",
    "EvalMetric",
    "Loss",
    "NegativeLogLikelihood",
    "PearsonCorrelation",
    "Perplexity",
    "TopKAccuracy",
    "Torch",
    "alias",
    "check_label_shapes",
    "create",
    "np",
    "register",
]
