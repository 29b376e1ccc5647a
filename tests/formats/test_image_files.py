"""Image files as pixels, and pixels as files; OpenCV's numbers are held in tests/oracle/test_mxnet_image.py."""

import io

import numpy as np
import pytest
from PIL import Image

from tandem.formats import images
from tandem.formats.limits import FormatError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)


def file_of(picture, kind="PNG", **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def test_colours_and_grey():
    data = file_of(Image.fromarray(PIXELS))
    assert (images.decode(data) == PIXELS).all()
    red, green, blue = PIXELS.astype(int).transpose(2, 0, 1)
    assert (images.decode(data, grey=True)[:, :, 0] == (9797 * red + 19234 * green + 3737 * blue) >> 15).all()
    assert images.decode(data).flags.writeable


def test_grey_files():
    grey = Image.fromarray(PIXELS[:, :, 0])
    data = file_of(grey)
    assert (images.decode(data, grey=True) == PIXELS[:, :, :1]).all()
    assert (images.decode(data) == PIXELS[:, :, [0, 0, 0]]).all()
    wide = file_of(Image.fromarray(PIXELS[:, :, 0].astype(np.uint16) * 256 + 255))
    assert (images.decode(wide, grey=True) == PIXELS[:, :, :1]).all()
    assert images.decode(wide, grey=None).dtype == np.uint16


def test_transparency_is_dropped_or_kept():
    clear = Image.fromarray(np.dstack([PIXELS, PIXELS[:, :, :1]]))
    assert (images.decode(file_of(clear)) == PIXELS).all()
    assert images.decode(file_of(clear), grey=None).shape == (6, 5, 4)


def test_a_jpeg_that_ends_too_soon_is_read_with_a_warning():
    large = Image.fromarray(np.tile(PIXELS, (20, 20, 1)))
    data = file_of(large, "JPEG")
    whole = images.decode(data)
    with pytest.warns(UserWarning, match="the image 'x' ends before its last pixel"):
        part = images.decode(data[: len(data) // 2], name="the image 'x'")
    assert part.shape == whole.shape and (part[:40] == whole[:40]).all() and (part[-1] == 128).all()
    with pytest.warns(UserWarning, match="ends before"):
        assert images.decode(data[: len(data) // 2], grey=True).shape == (120, 100, 1)


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a"])
def test_what_is_no_image(data, tmp_path):
    with pytest.raises(ValueError, match=r"Cannot read an image\. Expected: .* Given: "):
        images.decode(data)
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(ValueError, match=r"Cannot read the image '.*x\.png'"):
        images.read(tmp_path / "x.png")


def test_every_truncation_of_a_png_is_an_error():
    data = file_of(Image.fromarray(PIXELS))
    end = data.index(b"IEND") - 4
    for length in range(0, end - 16, 3):
        with pytest.raises(ValueError, match="Cannot read an image"):
            images.decode(data[:length])


def test_a_picture_of_huge_size_is_an_error():
    data = bytearray(file_of(Image.fromarray(PIXELS)))
    data[16:24] = b"\x00\x10\x00\x00" * 2  # a million by a million pixels
    with pytest.raises(ValueError, match="Cannot read an image"):
        images.decode(data)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 3), (6, 5, 4)])
def test_a_png_keeps_the_pixels(shape):
    pixels = np.resize(PIXELS, shape)
    back = images.decode(images.encode(pixels, ".png", 3), grey=None)
    assert (back == pixels.reshape(back.shape)).all()


def test_quality_and_formats():
    flat = np.full((40, 40, 3), 77, np.uint8)
    flat[10:20, 10:20] = [200, 30, 90]
    assert len(images.encode(flat, ".JPG", 30)) < len(images.encode(flat, ".jpeg", 95))
    assert abs(images.decode(images.encode(flat))[0, 0].astype(int) - 77).max() < 4
    assert (images.decode(images.encode(flat, ".bmp")) == flat).all()
    for pixels, suffix in ((flat.astype(float), ".jpg"), (flat[0, 0, :2], ".png"), (flat, ".xyz"), (flat, "jpg")):
        with pytest.raises(ValueError, match="Expected"):
            images.encode(pixels, suffix)


def test_a_header_alone_says_how_large_an_image_is(monkeypatch):
    grey = images.encode(PIXELS[:, :, :1], ".jpg")
    assert images.described(images.encode(PIXELS, ".jpg")) == (6, 5, "RGB")
    assert images.described(grey[: grey.rindex(b"\xff\xda")]) == (6, 5, "L")  # its pixels are not there
    with pytest.raises(FormatError, match="begin with b'nonsense'"):
        images.described(b"nonsense")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    for read in (images.described, images.decode):
        with pytest.raises(FormatError, match="exceeds limit"):
            read(grey)
