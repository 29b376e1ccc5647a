"""Output heads, which bring a gradient of their own, and losses among the operators."""

import math

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.table import register
from tandem.ops import heads, losses

_LABELLED = ("data", "label")


def _check_label(name, data, label, *shapes):
    """Raise MXNetError unless the label has one of the shapes."""
    if tuple(label.shape) not in shapes:
        raise MXNetError(
            explain(
                f"Shape inconsistent in {name}: the label does not fit data of shape {tuple(data.shape)}",
                expected=" or ".join(map(str, dict.fromkeys(shapes))),
                given=tuple(label.shape),
            )
        )


def _without_last_ones(shape):
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return tuple(shape)


def _softmax_output(
    data,
    label,
    *,
    grad_scale,
    ignore_label,
    multi_output,
    use_ignore,
    preserve_shape,
    normalization,
    out_grad,
    smooth_alpha,
):
    """Softmax, with the gradient of the cross entropy with label whatever comes in."""
    sizes = tuple(data.shape)
    if multi_output:
        rest = sizes[2:]
        accepted = ((sizes[0], *rest), (sizes[0], math.prod(rest)), (sizes[0], 1, *rest))
    else:
        accepted = (sizes[:-1],)
    if data.dim() > 1:
        _check_label("SoftmaxOutput", data, label, *accepted, sizes)
    return heads.softmax_output(
        data,
        label,
        grad_scale,
        multi_output=multi_output,
        preserve_shape=preserve_shape,
        ignore_label=ignore_label if use_ignore else None,
        normalization=normalization,
        smoothing=smooth_alpha,
        use_incoming=out_grad,
    )


register(
    "SoftmaxOutput",
    _softmax_output,
    _LABELLED,
    {
        "grad_scale": a.real(1.0),
        "ignore_label": a.real(-1.0),
        "multi_output": a.flag(False),
        "use_ignore": a.flag(False),
        "preserve_shape": a.flag(False),
        "normalization": a.choice("batch", "null", "valid", default="null"),
        "out_grad": a.flag(False),
        "smooth_alpha": a.real(0.0),
    },
    aliases=("Softmax",),
)


def _regression(kind, doc):
    def output(data, label, *, grad_scale):
        if _without_last_ones(data.shape) != _without_last_ones(label.shape):
            _check_label(f"{kind} regression", data, label, tuple(data.shape))
        return heads.regression_output(data, label, grad_scale, kind=kind)

    output.__doc__ = doc
    return output


for _name, _kind, _doc in (
    ("LinearRegressionOutput", "linear", "data, with gradient ``grad_scale / m * (data - label)``."),
    ("LogisticRegressionOutput", "logistic", "sigmoid(data), with gradient ``grad_scale / m * (output - label)``."),
    ("MAERegressionOutput", "mae", "data, with gradient ``grad_scale / m * sign(data - label)``."),
):
    register(_name, _regression(_kind, _doc), _LABELLED, {"grad_scale": a.real(1.0)})


def _svm_output(data, label, *, margin, regularization_coefficient, use_linear):
    """data, with the gradient of the hinge loss of one class against the others (squared unless use_linear)."""
    _check_label("SVMOutput", data, label, tuple(data.shape[:-1]))
    return heads.svm_output(data, label, margin=margin, regularization=regularization_coefficient, linear=use_linear)


register(
    "SVMOutput",
    _svm_output,
    _LABELLED,
    {"margin": a.real(1.0), "regularization_coefficient": a.real(1.0), "use_linear": a.flag(False)},
)


def _make_loss(data, *, grad_scale, valid_thresh, normalization):
    """data, with gradient grad_scale whatever comes in."""
    if normalization == "batch" and data.dim() == 1:
        normalization = "null"  # MXNet 1.9.1 takes a vector for a batch of one
    return heads.own_gradient(data, grad_scale, threshold=valid_thresh, normalization=normalization)


register(
    "MakeLoss",
    _make_loss,
    attributes={
        "grad_scale": a.real(1.0),
        "valid_thresh": a.real(0.0),
        "normalization": a.choice("batch", "null", "valid", default="null"),
    },
)


def _softmax_cross_entropy(data, label):
    """Sum over the batch of the cross entropy of softmax(data) with class numbers."""
    if data.dim() != 2:
        raise MXNetError(explain("softmax_cross_entropy takes data of two axes", given=f"shape {tuple(data.shape)}"))
    _check_label("softmax_cross_entropy", data, label, tuple(data.shape[:1]))
    return losses.sparse_categorical_crossentropy(label, data, from_logits=True, reduction="sum").reshape(1)


register("softmax_cross_entropy", _softmax_cross_entropy, _LABELLED)


def _ctc_loss(data, label, data_lengths=None, label_lengths=None, *, use_data_lengths, use_label_lengths, blank_label):
    """Connectionist temporal classification: ``-log p(label | softmax(data))`` of each sequence.

    data: (time, batch, classes); label: (batch, labels), from 1 on where the blank is the "first" class and padded with
    0, from 0 on where it is the "last" and padded with -1.
    """
    if data.shape[0] < label.shape[1]:
        raise MXNetError(
            explain(
                "The labels are longer than the sequences",
                expected=f"at most {data.shape[0]} labels, one to a step",
                given=f"labels of shape {tuple(label.shape)}",
            )
        )
    last = blank_label == "last"
    return losses.ctc(
        label,
        data,
        target_length=label_lengths,
        output_length=data_lengths,
        blank=-1 if last else 0,
        padding=-1 if last else 0,
        time_axis=0,
    )


def _ctc_inputs(attributes):
    names = ["data", "label"]
    names += ["data_lengths"] * attributes["use_data_lengths"]
    return (*names, *["label_lengths"] * attributes["use_label_lengths"])


register(
    "CTCLoss",
    _ctc_loss,
    ("data", "label", "data_lengths", "label_lengths"),
    {
        "use_data_lengths": a.flag(False),
        "use_label_lengths": a.flag(False),
        "blank_label": a.choice("first", "last", default="first"),
    },
    aliases=("ctc_loss", "_contrib_CTCLoss", "_contrib_ctc_loss"),
    present=_ctc_inputs,
    same_dtype=False,
)
