import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from aten import calls, close, randn
from oracles import mxnet, real_keras
from tandem.ops import image as I
from tandem.ops import shape as S


def legacy():
    real_keras()
    pytest.importorskip("scipy")
    from keras.src.legacy.preprocessing import image

    return image


# --- affine ---


@pytest.mark.parametrize("mode", I.FILL_MODES)
@pytest.mark.parametrize("order", [0, 1])
def test_sampling_against_scipy(mode, order):
    ndimage = pytest.importorskip("scipy.ndimage")
    for size in (4, 1):
        x = randn(size, 1, 1)
        at = np.concatenate([np.arange(-9, 13, 0.25), np.linspace(-7, 9, 37)])
        expected = ndimage.map_coordinates(x[..., 0].numpy(), [at, at * 0], order=order, mode=mode, cval=-7)
        at = torch.from_numpy(at)[None]
        ours = I.sample(x, at, at * 0, order=order, fill_mode=mode, fill_value=-7.0)
        close(ours[0, :, 0], expected, 1e-5)


@pytest.mark.oracle
@pytest.mark.parametrize("mode", ["nearest", "constant", "reflect", "wrap"])
@pytest.mark.parametrize("order", [0, 1])
def test_affine_against_keras_2(mode, order):
    """A whole batch at once, each image with its own transform, against Keras's image by image."""
    keras = legacy()
    rng = np.random.RandomState(0)
    n = 24
    x = rng.rand(n, 9, 7, 3).astype("float32") * 255
    parameters = {
        "theta": rng.uniform(-180, 180, n),
        "tx": rng.uniform(-4, 4, n),
        "ty": rng.uniform(-4, 4, n),
        "shear": rng.uniform(-40, 40, n),
        "zx": rng.uniform(0.5, 1.6, n),
        "zy": rng.uniform(0.5, 1.6, n),
    }
    # Some of a single kind, whose positions fall on the pixels or the edge.
    for i, (name, value) in enumerate([("theta", 90), ("theta", 180), ("tx", 2), ("ty", -3), ("zx", 0.5), ("zy", 2)]):
        for key in parameters:
            parameters[key][i] = value if key == name else (1 if key in ("zx", "zy") else 0)
    expected = np.stack(
        [
            keras.apply_affine_transform(
                x[i], **{k: v[i] for k, v in parameters.items()}, row_axis=0, col_axis=1, channel_axis=2,
                fill_mode=mode, cval=-5.0, order=order,
            )
            for i in range(n)
        ]
    )  # fmt: skip
    matrix = I.affine_matrix((9, 7), **parameters, swap=True)
    ours = I.affine_transform(torch.from_numpy(x), matrix, order=order, fill_mode=mode, fill_value=-5.0)
    close(ours, expected, 1e-4)
    first = I.affine_transform(
        torch.from_numpy(x).movedim(-1, 1), matrix, order=order, fill_mode=mode, fill_value=-5.0,
        layout="channels_first",
    )  # fmt: skip
    close(first.movedim(1, -1), expected, 1e-4)
    one = I.affine_transform(torch.from_numpy(x[7]), matrix[7], order=order, fill_mode=mode, fill_value=-5.0)
    close(one, expected[7], 1e-4)


def test_swapped_is_the_map_of_columns_and_rows():
    parameters = {"theta": 20, "tx": 1, "ty": -2, "shear": 10, "zx": 1.2, "zy": 0.9}
    plain, swapped = (I.affine_matrix((6, 6), **parameters, swap=swap) for swap in (False, True))
    x = randn(6, 6, 1)
    close(I.affine_transform(x, swapped), I.affine_transform(x.transpose(0, 1), plain).transpose(0, 1))


def test_affine_keeps_integers_and_has_gradients():
    matrix = I.affine_matrix((5, 6), theta=20, zx=1.2)
    x = torch.arange(30, dtype=torch.uint8).reshape(5, 6, 1)
    y = I.affine_transform(x, matrix)
    assert y.dtype == torch.uint8
    assert (y.float() - I.affine_transform(x.float(), matrix)).abs().max() <= 0.5
    x = randn(2, 4, 3, 1, dtype=torch.float64, grad=True)
    for mode in I.FILL_MODES:
        matrix = I.affine_matrix((4, 3), theta=[20, -50], tx=1)
        assert torch.autograd.gradcheck(lambda t: I.affine_transform(t, matrix, fill_mode=mode), x)  # noqa: B023


@pytest.mark.oracle
def test_rotate_against_mxnet():
    x = randn(3, 6, 9)
    code = """
    out = [mx.image.imrotate(nd.array(x), float(d), zoom_in=i, zoom_out=o) for d in degrees for i, o in zooms]
    """
    degrees, zooms = [0, 30, -45, 90, 170], [(False, False), (True, False), (False, True)]
    out = mxnet.run(code, ["out"], x=x.numpy(), degrees=degrees, zooms=zooms)["out"]
    for (d, (zoom_in, zoom_out)), theirs in zip(itertools.product(degrees, zooms), out):
        close(I.rotate(x, d, zoom_in=zoom_in, zoom_out=zoom_out), theirs, 1e-4)
    batch = I.rotate(torch.stack([x, x]), torch.tensor([30.0, 90.0]))
    close(batch[0], out[3], 1e-4)
    close(batch[1], out[9], 1e-4)


# --- resizing ---


SIZES = [((5, 7), (10, 14)), ((5, 7), (8, 9)), ((8, 9), (4, 3)), ((9, 8), (3, 12)), ((1, 3), (4, 5)), ((6, 6), (1, 1))]


@pytest.mark.oracle
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic"])
def test_resize_against_keras(method, antialias):
    keras = real_keras()
    # Keras on torch has torch's bicubic kernel where it does not antialias, on JAX and TensorFlow the other.
    cubic = {"cubic": -0.75, "edge": "replicate"} if method == "bicubic" and not antialias else {}
    for old, new in SIZES:
        x = torch.rand(2, *old, 3) * 255
        theirs = keras.ops.image.resize(x, new, interpolation=method, antialias=antialias)
        close(I.resize(x, new, method=method, antialias=antialias, **cubic), theirs, 1e-3)
        whole = x.to(torch.uint8)
        theirs = keras.ops.image.resize(whole, new, interpolation=method, antialias=antialias)
        ours = I.resize(whole, new, method=method, antialias=antialias, **cubic)
        assert ours.dtype == theirs.dtype == torch.uint8
        assert (ours.int() - theirs.int()).abs().max() <= 1


def test_resize_of_the_other_backends():
    # Keras 3.15 on JAX, ops.image.resize of (arange(5) ** 2) to 8 and to 3 columns.
    x = (torch.arange(5.0) ** 2).reshape(1, 1, 5, 1)
    for method, antialias, expected in GOLDEN:
        ours = I.resize(x, (1, len(expected)), method=method, antialias=antialias)
        close(ours.flatten(), torch.tensor(expected), 1e-4)


GOLDEN = [
    ("bicubic", False, [-0.07196, 0.24375, 1.12891, 2.84766, 5.34766, 8.62891, 13.48818, 16.50369]),
    ("bicubic", False, [0.17241, 4.0, 14.24138]),
    ("bicubic", True, [0.16923, 4.19535, 13.33846]),
    ("lanczos3", False, [-0.00855, 0.19521, 1.11012, 2.92855, 5.04124, 8.49301, 13.74597, 16.55913]),
    ("lanczos3", False, [0.1093, 4.0, 14.43742]),
    ("lanczos3", True, [0.10329, 4.0, 13.5305]),
    ("lanczos5", False, [-0.00669, 0.04913, 1.21193, 3.42878, 4.5513, 8.39937, 13.8499, 16.60056]),
    ("lanczos5", False, [0.01656, 4.0, 14.48455]),
    ("lanczos5", True, [0.1804, 3.9136, 13.58405]),
]


@pytest.mark.oracle
def test_resize_against_mxnet():
    """Of float images; OpenCV computes 8-bit ones in fixed point, one off here and there."""
    x = torch.rand(8, 9, 3)
    sizes = [(16, 18), (5, 7), (4, 3), (11, 4), (8, 9)]
    code = "out = [[mx.image.imresize(nd.array(x), w, h, i) for i in (0, 1, 2, 4)] for h, w in sizes]"
    out = mxnet.run(code, ["out"], x=x.numpy(), sizes=sizes)["out"]
    kinds = (
        {"method": "nearest_floor"},
        {"method": "bilinear"},
        {"method": "bicubic", "cubic": -0.75, "edge": "replicate"},
        {"method": "lanczos4", "edge": "replicate"},
    )
    for size, row in zip(sizes, out):
        for kind, theirs in zip(kinds, row):
            close(I.resize(x, size, **kind), theirs, 2e-3 if kind["method"] == "lanczos4" else 1e-4)
    area = mxnet.run("y = mx.image.imresize(nd.array(x), 4, 5, 3)", ["y"], x=x.numpy())["y"]
    close(I.resize(x, (5, 4), method="area"), area, 1e-4)
    corners = mxnet.run("y = nd.contrib.BilinearResize2D(nd.array(x), height=5, width=13)", ["y"], x=randn(2, 3, 4, 6))
    close(I.resize(randn(2, 3, 4, 6), (5, 13), align_corners=True, layout="channels_first"), corners["y"], 1e-4)


@pytest.mark.parametrize("method", I.METHODS)
def test_every_resize(method):
    """A constant stays that, gradients are right, meta and layouts agree, the size as it is costs nothing."""
    for antialias, size in itertools.product((False, True), ((3, 9), (11, 2))):
        kind = {"method": method, "antialias": antialias}
        close(I.resize(torch.full((6, 5, 2), 3.0), size, **kind), torch.full((*size, 2), 3.0))
        x = randn(2, 6, 5, 2)
        y = I.resize(x, size, **kind)
        assert y.shape == I.resize(x.to("meta"), size, **kind).shape == (2, *size, 2)
        close(I.resize(x[1], size, **kind), y[1])
        close(I.resize(x.movedim(-1, 1), size, layout="channels_first", **kind), y.movedim(-1, 1))
        x = randn(1, 4, 3, 1, dtype=torch.float64, grad=True)
        assert torch.autograd.gradcheck(lambda t: I.resize(t, (3, 5), **kind), x)  # noqa: B023
    assert calls(I.resize, randn(2, 6, 5, 2), (6, 5), method=method) == []


def test_area_is_the_mean_over_the_extent():
    x = torch.arange(5.0).reshape(1, 5, 1)
    close(
        I.resize(x, (1, 2), method="area").flatten(), torch.tensor([(0 + 1 + 2 * 0.5) / 2.5, (2 * 0.5 + 3 + 4) / 2.5])
    )
    x = randn(1, 6, 8, 3)
    close(I.resize(x, (3, 2), method="area"), F.avg_pool2d(x.movedim(-1, 1), (2, 4)).movedim(1, -1))


@pytest.mark.oracle
def test_keeping_the_proportions_against_keras():
    keras = real_keras()
    for old, new in (((6, 10), (4, 4)), ((10, 6), (4, 4)), ((7, 5), (9, 3)), ((5, 5), (2, 7))):
        x = torch.rand(1, *old, 2)
        box = I.crop_box_for(old, new)
        close(
            I.resize(I.crop(x, *box), new),
            keras.ops.image.resize(x, new, crop_to_aspect_ratio=True),
            1e-4,
        )
        amounts = ((0, 0), *I.padding_for(old, new), (0, 0))
        close(
            I.resize(S.pad(x, amounts, value=7.0), new),
            keras.ops.image.resize(x, new, pad_to_aspect_ratio=True, fill_value=7.0),
            1e-4,
        )


# --- cropping and flipping ---


def test_crop_and_resize():
    # TensorFlow's definition: 0 and 1 are the outermost pixels' centres.
    x = torch.arange(32.0).reshape(2, 4, 4, 1)
    whole = torch.tensor([[0.0, 0, 1, 1], [1.0, 1, 0, 0], [0, 0, 1 / 3, 2 / 3], [-1.0, 0, 1, 1]])
    index = torch.tensor([1, 0, 0, 0])
    y = I.crop_and_resize(x, whole, index, (4, 4), fill_value=-1.0)
    close(y[0], x[1])
    close(y[1], x[0].flip(0, 1))
    assert y[3, 0].eq(-1).all() and y[3, -1].equal(x[0, -1])
    y = I.crop_and_resize(x, whole, index, (2, 3))
    close(y[2], x[0, :2, :3])
    close(I.crop_and_resize(x, whole, index, (1, 1))[0].flatten(), torch.tensor([23.5]))
    nearest = I.crop_and_resize(x.byte(), whole, index, (4, 4), method="nearest")
    assert nearest.dtype == torch.float32 and nearest[0].equal(x[1])
    first = I.crop_and_resize(x.movedim(-1, 1), whole, index, (2, 3), layout="channels_first")
    close(first, y.movedim(-1, 1))


def test_crop_is_a_view_and_stays_inside():
    x = randn(2, 5, 6, 3)
    y = I.crop(x, 1, 2, 3, 4)
    assert y.equal(x[:, 1:4, 2:6]) and y.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    assert I.crop(x[0].movedim(-1, 0), 1, 2, 3, 4, layout="channels_first").equal(y[0].movedim(-1, 0))
    with pytest.raises(ValueError, match=r"5 x 6.*3 x 5 at \(1, 2\)"):
        I.crop(x, 1, 2, 3, 5)


def test_flip_some_of_a_batch():
    x = randn(3, 2, 4, 1)
    y = I.flip(x, 2, torch.tensor([True, False, True]))
    assert y[0].equal(x[0].flip(1)) and y[1].equal(x[1]) and y[2].equal(x[2].flip(1))
    assert I.flip(x, 1).equal(x.flip(1))


def test_wrong_arguments_are_named():
    x = randn(4, 4, 3)
    with pytest.raises(ValueError, match="'cubic'"):
        I.resize(x, (2, 2), method="cubic")
    with pytest.raises(ValueError, match="align_corners"):
        I.resize(x, (2, 2), method="area", align_corners=True)
    with pytest.raises(ValueError, match="'edge'"):
        I.affine_transform(x, I.affine_matrix((4, 4)), fill_mode="edge")
    with pytest.raises(ValueError, match="order"):
        I.affine_transform(x, I.affine_matrix((4, 4)), order=3)
    with pytest.raises(ValueError, match="no image"):
        I.resize(x[0], (2, 2))
    with pytest.raises(ValueError, match="'HWC'"):
        I.resize(x, (2, 2), layout="HWC")
