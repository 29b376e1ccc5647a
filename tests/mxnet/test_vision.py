"""Detection and vision as programs use them: in recorded blocks, with gradients that add up, with wrong arguments."""

import numpy as np
import pytest

import tandem.mxnet as mx
from mxnet_parity import assert_same
from oracles import mxnet as oracle
from tandem.mxnet import autograd, gluon, nd

_contrib = nd.contrib


class Detector(gluon.HybridBlock):
    """Features, anchors, regions pooled in two ways, and what is left after suppression."""

    def __init__(self):
        super().__init__()
        with self.name_scope():
            self.features = gluon.nn.Conv2D(6, 3, padding=1)
            self.scores = gluon.nn.Dense(3)

    def hybrid_forward(self, F, x, regions):
        y = self.features(x)
        aligned = F.contrib.ROIAlign(y, regions, pooled_size=(3, 3), spatial_scale=0.5, sample_ratio=2)
        largest = F.ROIPooling(y, regions, pooled_size=(3, 3), spatial_scale=0.5)
        rows = F.reshape(y, (1, -1, 6))
        kept = F.contrib.box_nms(rows, valid_thresh=-0.5, score_index=0, coord_start=1, in_format="center")
        anchors = F.contrib.MultiBoxPrior(y, sizes=(0.2, 0.4), ratios=(1, 2))
        return self.scores(aligned + largest), kept, anchors


class Targets(gluon.HybridBlock):
    def hybrid_forward(self, F, anchors, labels, scores):
        return F.contrib.MultiBoxTarget(anchors, labels, scores, negative_mining_ratio=3)


def _steps(net):
    """Results and gradients of several steps, on other data each."""
    found = []
    for step in range(3):
        rng = np.random.RandomState(step)
        corners = rng.rand(4, 2) * 8
        regions = np.concatenate([np.zeros((4, 1)), corners, corners + rng.rand(4, 2) * 12], 1)
        with autograd.record():
            scores, kept, anchors = net(nd.array(rng.randn(1, 3, 8, 8)), nd.array(regions))
            loss = (scores**2).sum() + (kept**2).sum()
        loss.backward()
        found.append([a.asnumpy() for a in (scores, kept, anchors, net.features.weight.grad())])
    return found


def test_a_recorded_detector_is_the_plain_one():
    mx.random.seed(1)
    net = Detector()
    net.initialize(mx.init.Normal(0.3))
    plain = _steps(net)
    assert any((step[1][..., 0] == -1).any() and (step[1][..., 0] != -1).any() for step in plain)
    net.hybridize()
    for here, there in zip(_steps(net), plain):
        # A recorded network has its channels last: convolutions add up hundreds of numbers in another order.
        assert_same(here, there, "recorded", 1e-5, 1e-4)


def test_recorded_targets_are_the_plain_ones():
    def run(block):
        rng = np.random.RandomState(0)
        anchors = nd.array(np.sort(rng.rand(1, 20, 2, 2), 2).reshape(1, 20, 4))
        found = []
        for _ in range(3):
            labels = np.concatenate(
                [rng.randint(0, 3, (2, 3, 1)), np.sort(rng.rand(2, 3, 2, 2), 2).reshape(2, 3, 4)], 2
            )
            labels[1, rng.randint(0, 3) :] = -1
            found.append([a.asnumpy() for a in block(anchors, nd.array(labels), nd.array(rng.randn(2, 4, 20)))])
        return found

    recorded = Targets()
    recorded.hybridize()
    for here, there in zip(run(recorded), run(Targets())):
        assert_same(here, there, "recorded", 0, 0)


@pytest.mark.parametrize("name", ["ROIAlign", "ROIPooling", "PSROIPooling"])
def test_gradients_add_up_and_regions_get_none(name):
    data, rois = nd.array(np.random.RandomState(0).randn(1, 4, 5, 6)), nd.array([[0, 0, 1, 4, 4], [0, 2, 2, 5, 3]])
    call = {
        "ROIAlign": lambda: _contrib.ROIAlign(data, rois, pooled_size=(2, 2), spatial_scale=1),
        "ROIPooling": lambda: nd.ROIPooling(data, rois, pooled_size=(2, 2), spatial_scale=1),
        "PSROIPooling": lambda: _contrib.PSROIPooling(data, rois, spatial_scale=1, output_dim=1, pooled_size=2),
    }[name]
    grads = []
    for times in (1, 2):
        data.attach_grad(grad_req="add")
        rois.attach_grad()
        rois.grad[:] = 5
        for _ in range(times):
            with autograd.record():
                out = call()
            out.backward()
        grads.append(data.grad.asnumpy())
        assert not rois.grad.asnumpy().any()
    assert grads[0].any()
    np.testing.assert_allclose(grads[1], 2 * grads[0], rtol=1e-6)


@pytest.mark.oracle
def test_half_precision_and_numbers_kept_in_single_precision():
    rng = np.random.RandomState(0)
    low = rng.rand(1, 12, 2)
    rows = np.concatenate([rng.randint(0, 2, (1, 12, 1)), rng.rand(1, 12, 1), low, low + rng.rand(1, 12, 2)], 2)
    scores = np.array([[0.3, 0.1], [0.5, 0.3]])  # in double precision 0.3 lies below the threshold 0.3
    code = """
    half = nd.contrib.box_nms(nd.array(rows, dtype='float16'), overlap_thresh=0.3, id_index=0)
    match = nd.contrib.bipartite_matching(nd.array(scores, dtype='float64'), threshold=0.3, is_ascend=True)
    sizes = [nd.contrib.BilinearResize2D(nd.zeros((1, 1, n, n)), scale_height=s, scale_width=s).shape[2]
             for n in (10, 20, 30) for s in (0.7, 0.1, 1.1)]
    """
    scope = {"nd": nd, "rows": rows, "scores": scores}
    exec("if True:" + code, scope)
    there = oracle.run(code, ["half", "match", "sizes"], rows=rows, scores=scores)
    assert_same([scope["half"].asnumpy()], [there["half"]], "half", 1e-3, 1e-3)
    assert_same([a.asnumpy() for a in scope["match"]], there["match"], "match", 0, 0)
    assert scope["sizes"] == there["sizes"]


_IMAGE, _BOXES = nd.zeros((1, 4, 5, 6)), nd.zeros((1, 3, 6))
_ROIS, _WEIGHT, _OFFSET = nd.zeros((2, 5)), nd.zeros((2, 4, 3, 3)), nd.zeros((1, 18, 3, 4))
_WRONG = [
    lambda: _contrib.box_nms(_BOXES, coord_start=3),
    lambda: _contrib.box_nms(_BOXES, score_index=3),
    lambda: _contrib.box_nms(_BOXES, id_index=6),
    lambda: _contrib.box_nms(_BOXES.astype("int32")),
    lambda: _contrib.box_iou(nd.zeros((2, 5)), nd.zeros((2, 4))),
    lambda: _contrib.box_decode(nd.zeros((2, 3, 4)), nd.zeros((2, 3, 4))),
    lambda: _contrib.box_encode(*[nd.zeros((2, 3))] * 2, *[nd.zeros((1, 3, 4))] * 2, *[nd.zeros((4,))] * 2),
    lambda: _contrib.bipartite_matching(nd.zeros((2, 3))),
    lambda: _contrib.MultiBoxPrior(nd.zeros((3, 4, 4))),
    lambda: _contrib.MultiBoxPrior(_IMAGE, steps=(0.1,)),
    lambda: _contrib.MultiBoxTarget(nd.zeros((1, 5, 4)), nd.zeros((1, 2, 4)), nd.zeros((1, 2, 5))),
    lambda: _contrib.MultiBoxDetection(nd.zeros((1, 2, 5)), nd.zeros((1, 19)), nd.zeros((1, 5, 4))),
    lambda: _contrib.Proposal(nd.zeros((2, 24, 3, 4)), nd.zeros((2, 48, 3, 4)), nd.zeros((2, 3))),
    lambda: _contrib.MultiProposal(nd.zeros((2, 12, 3, 4)), nd.zeros((2, 48, 3, 4)), nd.zeros((2, 3))),
    lambda: _contrib.ROIAlign(_IMAGE, nd.zeros((2, 4)), pooled_size=(2, 2), spatial_scale=1),
    lambda: _contrib.ROIAlign(_IMAGE, _ROIS, pooled_size=(2, 2), spatial_scale=2),
    lambda: _contrib.ROIAlign(_IMAGE, _ROIS, pooled_size=(0, 2), spatial_scale=1),
    lambda: _contrib.ROIAlign(_IMAGE, _ROIS, pooled_size=(3, 1), spatial_scale=1, position_sensitive=True),
    lambda: _contrib.ROIAlign(_IMAGE.astype("float64"), _ROIS, pooled_size=(3, 1), spatial_scale=1),
    lambda: nd.ROIPooling(_IMAGE, _ROIS, pooled_size=2, spatial_scale=1),
    lambda: nd.BilinearSampler(_IMAGE, nd.zeros((1, 3, 2, 2))),
    lambda: nd.GridGenerator(nd.zeros((1, 5)), transform_type="affine", target_shape=(2, 2)),
    lambda: nd.GridGenerator(nd.zeros((1, 6)), transform_type="affine"),
    lambda: nd.SpatialTransformer(_IMAGE, nd.zeros((1, 6)), transform_type="affine", sampler_type="bilinear"),
    lambda: nd.Crop(_IMAGE),
    lambda: nd.Crop(_IMAGE, h_w=(2, 3), offset=(4, 0)),
    lambda: nd.Correlation(_IMAGE, _IMAGE, kernel_size=2),
    lambda: nd.Correlation(_IMAGE, _IMAGE, stride1=0),
    lambda: nd.Correlation(_IMAGE, _IMAGE, max_displacement=4),
    lambda: nd.UpSampling(_IMAGE, scale=0, sample_type="nearest"),
    lambda: nd.UpSampling(_IMAGE[0], scale=2, sample_type="nearest"),
    lambda: nd.UpSampling(_IMAGE, nd.zeros((1, 4, 4, 4)), scale=2, sample_type="nearest"),
    lambda: nd.UpSampling(_IMAGE, nd.zeros((1, 3, 10, 12)), scale=2, sample_type="nearest", multi_input_mode="sum"),
    lambda: nd.UpSampling(_IMAGE, scale=2, sample_type="bilinear", num_filter=4),
    lambda: _contrib.BilinearResize2D(_IMAGE, mode="like"),
    lambda: _contrib.BilinearResize2D(_IMAGE, mode="odd_scale", scale_height=2),
    lambda: _contrib.DeformableConvolution(_IMAGE, _OFFSET, _WEIGHT, kernel=(3,), num_filter=2, no_bias=True),
    lambda: _contrib.DeformableConvolution(_IMAGE, _OFFSET, _WEIGHT, kernel=(3, 3), num_filter=3, no_bias=True),
    lambda: _contrib.DeformableConvolution(
        _IMAGE, _OFFSET, _WEIGHT, kernel=(3, 3), num_filter=2, pad=(1, 1), no_bias=True
    ),
    lambda: _contrib.DeformableConvolution(_IMAGE, _OFFSET, _WEIGHT, kernel=(3, 3), num_filter=2),
]


@pytest.mark.parametrize("call", _WRONG)
def test_wrong_arguments_are_mxnets_errors(call):
    with pytest.raises(mx.MXNetError, match=r"Expected: .*Given: "):
        call()


def test_right_arguments_of_the_same_kind_are_none():
    out = _contrib.DeformableConvolution(_IMAGE, _OFFSET, _WEIGHT, kernel=(3, 3), num_filter=2, no_bias=True)
    assert out.shape == (1, 2, 3, 4)
    assert _contrib.box_non_maximum_suppression(_BOXES).shape == _BOXES.shape
