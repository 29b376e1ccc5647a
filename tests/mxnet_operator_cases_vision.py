"""Cases (see `mxnet_operator_cases`) of detection and vision: boxes, anchors, regions, grids."""

import numpy as np

from mxnet_operator_cases import Maker, case, fixed, normal, uniform, whole

_SINGLE = {"_dtypes": ("float32",)}  # MXNet has these in float32 alone


def _corners(rng, shape):
    """Boxes with corners at tenths: many overlap, and some are equal."""
    low, size = rng.integers(0, 7, (*shape[:-1], 2)), rng.integers(1, 6, (*shape[:-1], 2))
    return np.concatenate([low, low + size], -1) / 10


def boxes(*shape):
    return Maker((*shape, 4), _corners, False)


def scored(*shape):
    """Rows (class, score, corners, another number); some scores are equal."""

    def make(rng, shape):
        kinds, scores = rng.integers(-1, 3, (*shape, 1)), rng.integers(0, 20, (*shape, 1)) / 20
        return np.concatenate([kinds, scores, _corners(rng, (*shape, 4)), rng.random((*shape, 1))], -1)

    return Maker(shape, make)


def labels(batch, count):
    """Rows (class, corners); each sample has one less than the one before, the rest of its rows is -1."""

    def make(rng, shape):
        rows = np.concatenate([rng.integers(0, 3, (*shape, 1)), _corners(rng, (*shape, 4))], -1)
        for sample in range(batch):
            rows[sample, count - sample :] = -1
        return rows

    return Maker((batch, count), make, False)


def regions(count, images=2, size=60):
    """Rows (image, corners), in pixels; some reach outside."""

    def make(rng, shape):
        low = rng.uniform(-10, size / 2, (count, 2))
        return np.concatenate([rng.integers(0, images, (count, 1)), low, low + rng.uniform(5, size, (count, 2))], -1)

    return Maker((count, 5), make, False)


# --- boxes -----------------------------------------------------------------------------------------------------------

case("_contrib_box_iou", boxes(3), boxes(2, 4))
case("_contrib_box_iou", boxes(3, 1), boxes(2), format="center")
for _more in (
    {},
    {"id_index": 0, "overlap_thresh": 0.2},
    {"id_index": 0, "background_id": 0, "force_suppress": True, "valid_thresh": 0.3},
    {"topk": 5, "out_format": "center"},
    {"in_format": "center", "out_format": "corner", "overlap_thresh": 0.1},
    {"topk": 0},
):
    case("_contrib_box_nms", scored(2, 14), **_more)
case("_contrib_box_nms", scored(6), overlap_thresh=0.3, score_index=6, coord_start=2)
case("_contrib_box_encode", whole(2, 4, low=-1, high=2), whole(2, 4), boxes(2, 4), boxes(2, 3),
     fixed([0.0, 0.1, 0.0, 0.2]), fixed([0.1, 0.1, 0.2, 0.2]))  # fmt: skip
case("_contrib_box_decode", (2, 4, 4), boxes(1, 4), std0=0.1, std1=0.2, std2=0.3, std3=0.4, clip=0.2)
case("_contrib_box_decode", (2, 4, 4), boxes(1, 4), format="corner")
for _more in ({"threshold": 0.2}, {"threshold": 0.7, "is_ascend": True}, {"threshold": 0.1, "topk": 2}):
    _scores = Maker((2, 4, 3), lambda rng, shape: rng.integers(0, 8, shape) / 8, False)
    case("_contrib_bipartite_matching", _scores, **_more)

# --- anchors ---------------------------------------------------------------------------------------------------------

case("_contrib_MultiBoxPrior", (2, 3, 2, 3), sizes=(0.5, 0.25), ratios=(1, 2, 0.5), _grad=False, **_SINGLE)
case("_contrib_MultiBoxPrior", (1, 1, 2, 2), ratios=(2,), steps=(0.3, 0.4), offsets=(0.1, 0.2), clip=True,
     _grad=False, **_SINGLE)  # fmt: skip
for _more in (
    {},
    {"overlap_threshold": 0.2, "negative_mining_ratio": 1, "negative_mining_thresh": 0.4, "ignore_label": 9},
    {"overlap_threshold": 0, "variances": (1, 1, 1, 1)},
):
    case("_contrib_MultiBoxTarget", boxes(1, 12), labels(3, 3), (3, 4, 12), _grad=False, **_SINGLE, **_more)
for _more in (
    {},
    {"nms_threshold": 0.2, "force_suppress": True, "threshold": 0.3, "clip": False},
    {"nms_topk": 4, "nms_threshold": 0.1},
    {"nms_threshold": 0},
):
    case("_contrib_MultiBoxDetection", uniform(2, 3, 8), normal(2, 32, scale=0.3), boxes(1, 8), _grad=False, **_SINGLE,
         **_more)  # fmt: skip
_RPN = {"rpn_pre_nms_top_n": 40, "rpn_post_nms_top_n": 8, "rpn_min_size": 4, "scales": (1, 2), "feature_stride": 16}
for _more in ({}, {"output_score": True, "threshold": 0.3}, {"iou_loss": True, "rpn_pre_nms_top_n": 5}):
    for _name, _count in (("Proposal", 1), ("MultiProposal", 2)):
        case(f"_contrib_{_name}", uniform(_count, 12, 3, 4), normal(_count, 24, 3, 4, scale=0.2),
             fixed([[40, 64, 1], [48, 50, 1.5]][:_count]), _grad=False, **_SINGLE, **{**_RPN, **_more})  # fmt: skip

# --- regions ---------------------------------------------------------------------------------------------------------

_TIED = Maker((2, 3, 7, 8), lambda rng, shape: rng.integers(0, 4, shape), True)
_ROI = {"pooled_size": (3, 2), "spatial_scale": 0.125}
case("ROIPooling", _TIED, regions(5), **_ROI)
case("ROIPooling", (2, 3, 7, 8), regions(5), pooled_size=(1, 4), spatial_scale=0.1)
for _more in ({}, {"sample_ratio": 2}, {"aligned": True}, {"position_sensitive": True, "sample_ratio": 3}):
    case("_contrib_ROIAlign", (2, 6, 7, 8), regions(5), **_ROI, **_more)
_TURNED = Maker((4, 6), lambda rng, shape: np.concatenate(
    [rng.integers(0, 2, (4, 1)), rng.uniform(0, 60, (4, 4)), rng.uniform(-180, 180, (4, 1))], -1), False)  # fmt: skip
case("_contrib_RROIAlign", (2, 3, 7, 8), _TURNED, **_ROI, _grad=False)
case("_contrib_RROIAlign", (2, 3, 7, 8), _TURNED, **_ROI, sampling_ratio=2, _grad=False)
_PARTS = {"spatial_scale": 0.125, "output_dim": 2, "pooled_size": 3}
case("_contrib_PSROIPooling", (2, 18, 7, 8), regions(4), **_PARTS)
case("_contrib_PSROIPooling", (2, 8, 7, 8), regions(4), **_PARTS, group_size=2)
case("_contrib_DeformablePSROIPooling", (2, 8, 7, 8), regions(4), (4, 4, 2, 2), **_PARTS, group_size=2, part_size=2,
     sample_per_part=2, trans_std=0.1)  # fmt: skip
case("_contrib_DeformablePSROIPooling", (2, 18, 7, 8), regions(4), **_PARTS, group_size=3, no_trans=True)
case("_contrib_mrcnn_mask_target", fixed([[[2.3, 4.3, 2.2, 3.3], [1, 1, 5, 4]]]), (1, 3, 8, 8), fixed([[2, 0]]),
     fixed([[1, 0]]), num_rois=2, num_classes=3, mask_size=(3, 2), _oracle=False)  # fmt: skip

# --- grids and sizes -------------------------------------------------------------------------------------------------

_MAPS = fixed([[0.9, 0.1, 0.05, -0.2, 1.1, 0.0], [2.0, 0.3, 0.4, 0.1, 1.5, -0.3]], grad=True)
case("GridGenerator", _MAPS, transform_type="affine", target_shape=(3, 4), **_SINGLE)
case("GridGenerator", (2, 2, 3, 4), transform_type="warp", **_SINGLE)
case("BilinearSampler", (2, 3, 4, 5), uniform(2, 2, 3, 4, low=-1.4, high=1.4))
case("SpatialTransformer", (2, 3, 4, 5), _MAPS, transform_type="affine", sampler_type="bilinear", target_shape=(3, 4))
for _more in (
    {"height": 7, "width": 3},
    {"height": 3, "width": 9, "align_corners": False},
    {"height": 1, "width": 2, "align_corners": False},
    {"scale_height": 0.7, "scale_width": 1.5},
    {"scale_height": 1.5, "scale_width": 1.5, "mode": "odd_scale"},
    {"mode": "to_even_up"},
    {"mode": "to_odd_down"},
):
    case("_contrib_BilinearResize2D", (2, 3, 10, 5), **_more)
# The oracle's gradient of `like` writes over memory that is not its own.
case("_contrib_BilinearResize2D", (2, 3, 4, 5), uniform(1, 1, 3, 7, grad=False), mode="like", _grad=False)
case("_contrib_AdaptiveAvgPooling2D", (2, 3, 5, 6), output_size=2)
case("Crop", (2, 3, 5, 6), h_w=(2, 3), offset=(1, 2), **_SINGLE)
case("Crop", (2, 3, 5, 6), (1, 1, 2, 3), center_crop=True, **_SINGLE)

# --- comparing and moving --------------------------------------------------------------------------------------------

for _more in (
    {"pad_size": 1},
    {"kernel_size": 3, "pad_size": 4, "max_displacement": 2, "stride1": 2, "stride2": 2},
    {"pad_size": 2, "max_displacement": 2, "is_multiply": False},
):
    case("Correlation", (2, 3, 5, 6), (2, 3, 5, 6), **_more)
_WINDOW = {"kernel": (3, 2), "num_filter": 4}
case("_contrib_DeformableConvolution", (2, 4, 5, 6), normal(2, 12, 3, 5), (4, 4, 3, 2), (4,), **_WINDOW)
case("_contrib_DeformableConvolution", (2, 4, 5, 6), normal(2, 24, 3, 3, scale=2), (4, 2, 3, 2), **_WINDOW,
     stride=(2, 2), dilate=(1, 2), pad=(1, 1), num_group=2, num_deformable_group=2, no_bias=True)  # fmt: skip
# Offsets of 0, where layers begin: the slopes are those to the right.
case("_contrib_DeformableConvolution", (1, 2, 5, 6), fixed(np.zeros((1, 12, 3, 5)), grad=True), (4, 2, 3, 2), (4,),
     **_WINDOW)  # fmt: skip
# The oracle has it on a GPU alone; tests/mxnet/test_vision.py has more.
case("_contrib_ModulatedDeformableConvolution", (2, 4, 5, 6), normal(2, 12, 3, 5), uniform(2, 6, 3, 5), (4, 4, 3, 2),
     (4,), **_WINDOW, _oracle=False)  # fmt: skip
