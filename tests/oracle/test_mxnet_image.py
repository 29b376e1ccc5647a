"""Images against the real MXNet: operators, `mx.image`, transformations, image files."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from mxnet_parity import same_code, same_expressions
from oracles import mxnet as oracle
from tandem.formats import images
from tandem.ops import opencv

pytestmark = pytest.mark.oracle

# Even sizes: MXNet's flips leave the middle of an odd one as it was in memory.
SETUP = """
rs = np.random.RandomState(0); I = nd.image
u = nd.array(rs.randint(0, 256, (8, 10, 3)), dtype='uint8'); f = nd.array(rs.rand(8, 10, 3) * 300 - 20)
b = nd.stack(u, u[::-1]); g = u[:, :, 0:1]; h = nd.array(rs.randint(0, 9, (8, 10, 3)), dtype='float16')
i = u.astype('int32'); d = f.astype('float64'); t = I.to_tensor(u); bt = I.to_tensor(b); gt = I.to_tensor(g)
"""


def test_geometry_and_range():
    calls = []
    for x in ["u", "f", "b", "g", "i", "d"]:
        calls += [f"I.to_tensor({x})", f"I.crop({x}, x=1, y=2, width=4, height=3)", f"I.resize({x}, size=(10, 8))"]
    for x in ["u", "f", "g", "h", "i", "d", "b"]:
        calls += [f"I.flip_left_right({x})", f"I.flip_top_bottom({x})"]
    for x in ["t", "bt", "gt", "u", "b"]:
        for given in (
            "mean=0.5, std=0.2",
            "mean=(.1, .2, .3), std=(1, 2, 3)",
            "mean=(.1, .2), std=1",
            "mean=1, std=(2,)",
        ):
            calls.append(f"I.normalize({x}, {given})")
    for x in ["u", "f", "b", "g", "d"]:
        for given in ("size=4", "size=(4, 5)", "size=4, keep_ratio=True", "size=(4, 5), keep_ratio=True, interp=2"):
            calls.append(f"I.resize({x}, {given})")
    same_expressions(calls, SETUP, atol=1e-4)


def test_colours():
    calls = []
    for x in ["u", "f", "g", "h", "i", "d"]:
        for name in ("brightness", "contrast", "saturation"):
            calls += [f"I.random_{name}({x}, min_factor={k}, max_factor={k})" for k in (0, 0.5, 1, 1.75)]
    for x in ["u", "f", "i", "d"]:
        calls += [f"I.adjust_lighting({x}, alpha=(0.1, -0.2, 0.05))", f"I.random_lighting({x}, alpha_std=0)"]
    calls += [f"I.random_hue({x}, {k}, {k})" for x in "fd" for k in (0, 0.3, 0.9, 1, 1.7)]
    same_expressions(calls, SETUP, rtol=1e-3, atol=2e-3)


def test_hue_of_bytes_is_at_most_one_off():
    # MXNet goes through floating point lightness and cuts off: 46.99999 becomes 46.
    code = SETUP + "out = [I.random_hue(u, k, k) for k in (0.0, 0.3, 0.9, 1.7)]"
    there = oracle.run(code, ["out"])["out"]
    here = _here(code, "out")
    for mine, theirs in zip(here, there):
        assert np.abs(mine.asnumpy().astype(int) - theirs).max() <= 1


def test_wrong_images_raise_the_same():
    same_expressions(
        """
        I.to_tensor(u[:, :, 0])
        I.to_tensor(b.reshape((1, 2, 8, 10, 3)))
        I.flip_left_right(b)
        I.random_brightness(t, 1, 1)
        I.random_hue(b, 1, 1)
        I.crop(u, x=1, y=2, width=40, height=3)
        I.crop(u, x=1, y=2, width=0, height=3)
        I.crop(u, x=1, y=2, width=1)
        I.resize(u, size=0)
        I.resize(u, size=(1, 2, 3))
        I.resize(u, size=(-1, 3))
        I.resize(u)
        I.resize(u, size='a')
        I.resize(h, size=3)
        """,
        SETUP,
    )


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_resize_is_opencvs(dtype):
    """Bytes to the bit, for every interpolation: enlarged, shrunk, by whole factors and others, thin images."""
    sizes = [
        ((9, 7), (4, 5)),
        ((12, 10), (6, 5)),
        ((12, 9), (4, 3)),
        ((8, 8), (4, 8)),
        ((5, 6), (11, 13)),
        ((28, 28), (64, 64)),
    ]
    sizes += [((40, 30), (60, 17)), ((50, 37), (24, 24)), ((1, 7), (3, 3)), ((7, 1), (3, 3)), ((10, 10), (1, 1))]
    rng = np.random.default_rng(3)
    given = [rng.integers(0, 256, (*old, channels)).astype(dtype) for old, _ in sizes for channels in (1, 3, 4)]
    wanted = [new for _, new in sizes for _ in range(3)]
    code = """
    out = [nd.image.resize(nd.array(x, dtype=x.dtype), size=(w, h), interp=k).asnumpy()
           for x, (h, w) in zip(given, wanted) for k in range(5)]
    """
    there = iter(oracle.run(code, ["out"], given=given, wanted=wanted)["out"])
    for x, size in zip(given, wanted):
        for number in range(5):
            mine = opencv.resize(torch.from_numpy(x), size, number).numpy()
            np.testing.assert_allclose(mine, next(there), rtol=0, atol=0 if dtype == "uint8" else 1e-3)


def test_borders_are_opencvs():
    same_expressions(
        [f"mx.image.copyMakeBorder(u, 3, 2, 12, 1, type={k})" for k in range(5)]
        + [f"mx.image.copyMakeBorder(x, 1, 2, 0, 3, {v})" for v in ("value=7", "values=(300, -5, 2.6)")],
        SETUP + "x = u",
    )


def test_functions_of_mx_image_draw_the_same():
    calls = """
        im.scale_down((30, 20), (40, 30))
        im.scale_down((30, 20), (10, 60))
        im.imresize(u, 15, 12)
        im.imresize(u, w=15, h=12, interp=2)
        im.imresize(f, 15, 12, 3)
        im.imresize(u, 0, 12)
        im.resize_short(u, 5)
        im.resize_short(u.transpose((1, 0, 2)), 13, 1)
        im.resize_short(u, 5, 9)
        im.resize_short(u, 13, 9)
        im.resize_short(u, 13, 7)
        im.fixed_crop(u, 2, 3, 5, 4)
        im.fixed_crop(u, 2, 3, 5, 4, (3, 2), 1)
        im.fixed_crop(u, 8, 3, 5, 4)
        list(im.center_crop(u, (4, 5)))
        list(im.center_crop(u, (40, 10)))
        list(im.random_crop(u, (4, 5)))
        list(im.random_crop(u, (40, 10), 1))
        list(im.random_size_crop(u, (5, 4), (0.08, 1), (.75, 1.333), 1))
        list(im.random_size_crop(u, (5, 4), 0.5, (.75, 1.333), 10))
        list(im.random_size_crop(u, (5, 4), (2, 3), (.75, 1.333), 1))
        im.random_size_crop(u, (5, 4), 0.5, (.75, 1.333), x=1)
        im.color_normalize(f.copy(), nd.array([1, 2, 3]), nd.array([2, 2, 4]))
        im.color_normalize(u.copy(), 3.0, 2)
        im.imrotate(t, 30)
        im.imrotate(t, 30, True)
        im.imrotate(t, -100, zoom_out=True)
        im.imrotate(t, 30, True, True)
        im.imrotate(u, 30)
        im.imrotate(t[0], 30)
        im.imrotate(t, nd.array([30]))
        im.imrotate(bt, nd.array([30, 200]))
        im.imrotate(bt, nd.array([30, 200, 1]))
        im.imrotate(bt, 77)
        im.random_rotate(t, (-10, 10))
        im.random_rotate(bt, (-10, 10))
    """
    setup = SETUP + "im = mx.image\nimport random; random.seed(7); np.random.seed(7)"
    same_expressions(calls, setup, atol=1e-3)


def test_augmenters():
    floats = [
        "BrightnessJitterAug(.4)",
        "ContrastJitterAug(.4)",
        "SaturationJitterAug(.4)",
        "HueJitterAug(.4)",
        "ColorJitterAug(.3,.2,.1)",
        "LightingAug(.5,np.array([55.46,4.794,1.148]),np.eye(3))",
        "RandomGrayAug(1)",
        "ColorNormalizeAug(nd.array([1,2,3]),nd.array([1,2,3]))",
        "SequentialAug([im.CastAug(),im.ResizeAug(5)])",
    ]
    kinds = [
        "HorizontalFlipAug(1)",
        "CastAug('float64')",
        "ResizeAug(5)",
        "ForceResizeAug((3,4),9)",
        "CenterCropAug((4,5))",
        "RandomCropAug((4,5))",
        "RandomSizedCropAug((4,5),.3,(.7,1.3))",
    ]
    setup = SETUP + "im = mx.image\nimport random; random.seed(3); np.random.seed(3)"
    calls = [f"im.{kind}(f.copy())" for kind in floats + kinds] + [f"im.{kind}(u)" for kind in kinds]
    same_expressions(calls, setup, atol=2e-3)
    everything = (
        "resize=14,rand_crop=True,rand_resize=True,rand_mirror=True,mean=True,std=True,brightness=.1,contrast=.2"
    )
    everything += ",saturation=.3,hue=.4,pca_noise=.5,rand_gray=.6"
    calls = [
        f"[a.dumps() for a in im.CreateAugmenter((3, 10, 12), {given})]"
        for given in ("", everything, "rand_resize=True")
    ]
    same_expressions([*calls, *(f"im.{kind}.dumps()" for kind in floats + kinds)], setup)


def test_transformations():
    calls = """
        T.Compose([T.ToTensor(), T.Normalize(0.5, 0.5)])(u)
        T.Compose([T.Resize(6), lambda x: x, T.CenterCrop(4), T.ToTensor(), T.Normalize((.1, .2, .3), (1, 2, 3))])(u)
        T.Compose([])(u)
        T.Cast('float16')(u)
        T.CenterCrop((4, 5))(u)
        T.CenterCrop(12)(u)
        T.CenterCrop('a')(u)
        T.Resize(5)(u)
        T.Resize(5, keep_ratio=True)(b)
        T.Resize((5, 7), True, 2)(u)
        T.CropResize(1, 2, 4, 3)(b)
        T.CropResize(1, 2, 4, 3, (9, 8), 1)(u)
        T.CropResize(1, 2, 40, 3)(u)
        T.RandomResizedCrop(5)(u)
        T.RandomResizedCrop((5, 4), (.3, .4), (1, 2), 3)(u)
        T.RandomBrightness(0)(u)
        T.RandomContrast(0)(f)
        T.RandomSaturation(0)(f)
        T.RandomHue(0)(f)
        T.RandomLighting(0)(u)
        T.RandomBrightness((1, 2))
        T.Rotate(30)(t)
        T.Rotate(30, zoom_in=True)(bt)
        T.Rotate(30)(u)
        T.Rotate(30, True, True)(t)
        T.RandomRotation((10, 20))(t)
        T.RandomRotation((10, 20), rotate_with_proba=0)(t)
        T.RandomRotation((10, 20), rotate_with_proba=2)
        T.RandomRotation((20, 10))
        T.RandomRotation(10)
        T.RandomApply(T.ToTensor(), p=1)(u)
        T.RandomApply(T.ToTensor(), p=0)(u)
        [T.RandomApply(T.ToTensor(), p=0.5)(u).shape for _ in range(12)]
        [T.RandomRotation((1, 2), rotate_with_proba=0.5)(t).sum() for _ in range(12)]
        T.Normalize()(u)
        T.Normalize()(t)
        T.ToTensor()(u.asnumpy())
        [len(T.Compose([T.ToTensor(), T.Normalize(), T.CenterCrop(2), T.Cast()])), len(T.Compose([T.ToTensor()]))]
    """
    setup = SETUP + "T = mx.gluon.data.vision.transforms\nimport random; random.seed(1); np.random.seed(1)"
    same_expressions(calls, setup, atol=1e-3)


@pytest.mark.parametrize("name", ["Brightness", "Contrast", "Saturation"])
def test_random_factors_have_the_same_range(name):
    code = f"""
    x = nd.ones((2, 2, 3)) * nd.array([10, 100, 200])
    block = mx.gluon.data.vision.transforms.Random{name}(0.4)
    out = np.stack([block(x).asnumpy()[0, 0] for _ in range(400)])
    """
    there, here = oracle.run(code, ["out"])["out"], _here(code, "out")
    for statistic in (np.mean, np.min, np.max):
        np.testing.assert_allclose(statistic(here, 0), statistic(there, 0), rtol=0.05, atol=2)


# --- files -----------------------------------------------------------------------------------------------------------


def _files():
    """Image files of many kinds, of one smooth picture."""
    y, x = np.mgrid[0:41, 0:57]
    rng = np.random.default_rng(0)
    pixels = np.stack([x * 4, y * 6, (x + y) * 2], 2) + rng.integers(0, 9, (41, 57, 3))
    whole = Image.fromarray(pixels.astype(np.uint8))
    clear = whole.convert("RGBA")
    clear.putalpha(whole.convert("L"))
    exif = Image.Exif()
    exif[0x112] = 6
    kinds = {
        "jpg": (whole, "JPEG", {"quality": 90}),
        "jpg 4:4:4": (whole, "JPEG", {"quality": 40, "subsampling": 0}),
        "progressive": (whole, "JPEG", {"progressive": True}),
        "turned": (whole, "JPEG", {"exif": exif}),
        "grey jpg": (whole.convert("L"), "JPEG", {}),
        "cmyk": (whole.convert("CMYK"), "JPEG", {}),
        "png": (whole, "PNG", {}),
        "grey png": (whole.convert("L"), "PNG", {}),
        "clear": (clear, "PNG", {}),
        "grey clear": (whole.convert("LA"), "PNG", {}),
        "palette": (whole.convert("P"), "PNG", {"transparency": 3}),
        "bits": (whole.convert("1"), "PNG", {}),
        "16 bit": (Image.fromarray((pixels[:, :, 0] * 251).astype(np.uint16)), "PNG", {}),
        "bmp": (whole, "BMP", {}),
        "tiff": (whole, "TIFF", {}),
    }
    for name, (picture, kind, options) in kinds.items():
        out = io.BytesIO()
        picture.save(out, kind, **options)
        yield name, out.getvalue()


def test_files_have_the_same_pixels():
    files = dict(_files())
    code = "out = [mx.image.imdecode(data, flag=flag).asnumpy() for data in files for flag in (1, 0)]"
    there = iter(oracle.run(code, ["out"], files=list(files.values()))["out"])
    wrong = []
    for name, data in files.items():
        for grey in (False, True):
            mine, theirs = images.decode(data, grey), next(there)
            if mine.shape != theirs.shape or (mine != theirs).any():
                wrong.append((name, grey, mine.shape, theirs.shape))
    assert not wrong


def test_encoded_files_have_the_pixels_of_opencvs():
    pixels = images.decode(dict(_files())["png"])
    code = """
    import cv2
    made = cv2.imencode('.jpg', pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
    out = [mx.image.imdecode(data).asnumpy() for data in (made, jpg, png)]
    """
    given = {"jpg": images.encode(pixels, ".jpg", 80), "png": images.encode(pixels, ".png", 3), "pixels": pixels}
    theirs, jpg, png = oracle.run(code, ["out"], **given)["out"]
    assert (jpg == theirs).all() and (png == pixels).all()


def test_reading_files(tmp_path):
    for name, data in _files():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "junk").write_bytes(b"nonsense")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "short").write_bytes((tmp_path / "png").read_bytes()[:500])
    calls = ["im.imread(d + '/jpg')", "im.imread(d + '/png', 0)", "im.imread(d + '/png', to_rgb=False)"]
    calls += [f"im.imread(d + '/{name}')" for name in ("nosuch", "junk", "empty", "short")]
    calls += ["im.imread(d + '/png', flag=-1)", "im.imdecode(raw, flag=0)", "im.imdecode(bytearray(raw), 1, False)"]
    calls += [
        "im.imdecode(nd.array(np.frombuffer(raw, 'uint8'), dtype='uint8'))",
        "im.imdecode(np.frombuffer(raw, 'uint8'))",
    ]
    calls += ["im.imdecode(b'')", "im.imdecode(b'abc')", "im.imdecode('abc')", "im.imdecode(memoryview(raw))"]
    same_expressions(calls, f"im = mx.image; d = {str(tmp_path)!r}; raw = open(d + '/jpg', 'rb').read()")


def _here(code, name):
    from mxnet_parity import run_here

    return run_here(code)[name]


def test_gradients_of_normalize_and_crop():
    code = """
    x = nd.array(np.arange(48).reshape(3, 4, 4)); x.attach_grad()
    with autograd.record():
        y = nd.image.normalize(x, mean=(1, 2, 3), std=(2, 4, 8))
    y.backward(); first = x.grad.copy()
    z = nd.array(np.arange(48).reshape(4, 4, 3)); z.attach_grad()
    with autograd.record():
        y = nd.image.crop(z, x=1, y=0, width=2, height=3)
    y.backward(); second = z.grad
    """
    same_code(code, ["first", "second"])
