"""How many outputs a node has and what they are called: known from the attributes alone, before any shape is.

An operator that is not here has one, "output". Facts of MXNet 1.9.1: some of an operator's outputs are not for users
(BatchNorm's statistics, Dropout's mask), but count in files.
"""

from tandem.core.errors import explain
from tandem.formats.symbol_json import MOST_OUTPUTS
from tandem.mxnet.base import MXNetError


def _numbered(count, visible=None):
    if not 0 <= count <= MOST_OUTPUTS:
        raise MXNetError(
            explain("An operator has an impossible number of outputs", expected=f"0 to {MOST_OUTPUTS}", given=count)
        )
    if count == 1:
        return ("output",), 1
    return tuple(f"output{place}" for place in range(count if visible is None else visible)), count


def _split(a):
    return (("output0",), 1) if a["num_outputs"] == 1 else _numbered(a["num_outputs"])


def _sections(a):
    sections = a.get("sections") or 0
    return _numbered(sections if sections else len(a["indices"]))


def _named(*names, total=None):
    return lambda a: (names, total or len(names))


def _statistics(flag, *names, total):
    return lambda a: (names if a[flag] else names[:1], total)


def _topk(a):
    if a["ret_typ"] == "both":
        return _numbered(2)
    return _numbered(2, 1) if a["ret_typ"] == "value" else (("output",), 1)


def _rnn(a):
    if not a["state_outputs"]:
        return ("output",), 1
    names = ("output", "state_output", "statecell_output") if a["mode"] == "lstm" else ("output", "state_output")
    return names, len(names)


def _leaky(a):
    return (("output", "mask"), 2) if a["act_type"] == "rrelu" else (("output",), 1)


def _pooling(a):
    return ("output",), 2 if a["pool_type"] == "max" and len(a["kernel"]) != 1 else 1


def _of(attribute):
    return lambda a: _numbered(int(a[attribute]))


def _hidden(total):
    return lambda a: _numbered(total, 1)


def _returned(flag):
    return lambda a: _numbered(2, 2 if a[flag] else 1)


def _unique(a):
    return _numbered(1 + a["return_index"] + a["return_inverse"] + a["return_counts"])


def _proposal(a):
    return ("output", "score") if a["output_score"] else ("output",), 2


def _per_array(a):
    return _numbered(int(a["num_args"]))


_BATCH_NORM = _statistics("output_mean_var", "output", "mean", "var", total=3)
_DEVIATION = _statistics("output_mean_var", "output", "mean", "std", total=3)
_QUANTIZED = _named("output", "min_output", "max_output")

OUTPUTS = {
    "SliceChannel": _split,
    "amp_multicast": _of("num_outputs"),
    "make_loss": _named("loss"),
    "_npi_norm": _hidden(4),
    "_contrib_calibrate_entropy": lambda a: _numbered(2),
    **dict.fromkeys(("_npi_concatenate", "_npi_hstack", "_npi_dstack", "_npi_matmul"), _named("out")),
    "topk": _topk,
    "RNN": _rnn,
    "LeakyReLU": _leaky,
    "Pooling": _pooling,
    "BatchNorm": _BATCH_NORM,
    "BatchNorm_v1": _BATCH_NORM,
    "_contrib_SyncBatchNorm": _BATCH_NORM,
    "_contrib_BatchNormWithReLU": _statistics("output_mean_var", "output", "mean", "var", total=4),
    "LayerNorm": _DEVIATION,
    "GroupNorm": _DEVIATION,
    "_npi_unique": _unique,
    "_npi_average": _returned("returned"),
    "_sample_multinomial": lambda a: _numbered(2) if a["get_prob"] else (("output",), 1),
    "_npi_std": _named("std", total=2),
    "_npi_var": _named("var", total=2),
    "_contrib_hawkesll": _named("output", "out_state"),
    "_contrib_MultiBoxTarget": _named("loc_target", "loc_mask", "cls_target"),
    "_contrib_Proposal": _proposal,
    "_contrib_MultiProposal": _proposal,
    **dict.fromkeys(("InstanceNorm", "SpatialTransformer", "Correlation"), _named("output", total=3)),
    **dict.fromkeys(
        ("Dropout", "L2Normalization", "LRN", "ROIPooling", "_contrib_DeformablePSROIPooling", "GridGenerator")
        + ("BilinearSampler",),
        _named("output", total=2),
    ),
    **dict.fromkeys(
        ("CTCLoss", "sort", "_npi_sort", "_contrib_box_nms", "_npi_normal", "_npi_normal_n", "_npi_logistic")
        + ("_npi_gumbel", "_npi_exponential", "_npi_rayleigh", "_npi_weibull", "_npi_pareto"),
        _hidden(2),
    ),
    **dict.fromkeys(("_linalg_det", "_npi_det"), _hidden(3)),
    **dict.fromkeys(("_linalg_slogdet", "_npi_slogdet"), lambda a: _numbered(4, 2)),
    **dict.fromkeys(
        ("_linalg_gelqf", "_linalg_syevd", "moments", "_histogram", "_npi_histogram", "_npi_eigh", "_npi_eig")
        + ("_contrib_box_encode", "_contrib_bipartite_matching", "_sample_unique_zipfian"),
        lambda a: _numbered(2),
    ),
    **dict.fromkeys(("_npi_svd", "_contrib_quantize", "_contrib_quantize_v2"), lambda a: _numbered(3)),
    "_contrib_requantize": lambda a: _numbered(3),
    "_contrib_mrcnn_mask_target": lambda a: _numbered(2),
    **dict.fromkeys(("_split_v2", "_npi_split", "_npi_hsplit", "_npi_dsplit"), _sections),
    **dict.fromkeys(("_np_atleast_1d", "_np_atleast_2d", "_np_atleast_3d"), _per_array),
    **dict.fromkeys(
        (
            f"{preloaded}multi_{half}sgd_{momentum}update"
            for preloaded in ("", "preloaded_")
            for half in ("", "mp_")
            for momentum in ("", "mom_")
        ),
        _of("num_weights"),
    ),
    **dict.fromkeys(("_multi_adamw_update", "_multi_mp_adamw_update"), _of("num_weights")),
    **dict.fromkeys(("_multi_lamb_update", "_multi_mp_lamb_update"), _of("num_tensors")),
    **{
        f"_contrib_quantized_{name}": _QUANTIZED
        for name in ("fully_connected", "conv", "pooling", "flatten", "act", "concat", "elemwise_add", "batch_norm")
    },
    "_contrib_quantized_embedding": _QUANTIZED,
    "_contrib_quantized_elemwise_mul": lambda a: (("output",), 1) if a["enable_float_output"] else _QUANTIZED(a),
    "_contrib_quantize_asym": _named("output", "scale", "shift"),
}

_ONE = (("output",), 1)


def outputs_of(row, attributes, inputs):
    """(names of a node's visible outputs, the number of all).

    attributes: parsed; inputs: how many arrays it takes.
    """
    found = OUTPUTS.get(row.name)
    if found is None:
        return _ONE
    if row.variadic:
        attributes = {**attributes, row.variadic: attributes.get(row.variadic) or inputs}
    return found(attributes)
