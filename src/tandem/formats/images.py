"""Image files as arrays of bytes, with the pixels that OpenCV reads: MXNet decodes with it.

PIL does the decoding. Its colours are OpenCV's to the bit (JPEG too); how OpenCV makes grey of colours is written out
here.
"""

import io
import struct
import warnings

import numpy as np

from tandem.core.errors import explain
from tandem.formats.limits import FormatError
from tandem.ops import opencv

# What grey takes of red, green and blue: libpng's shares of 1 << 15, rounded down, and OpenCV's of 1 << 14, rounded.
_PNG_GREY = ((9797, 19234, 3737), 15, 0)
_OPENCV_GREY = ((4899, 9617, 1868), 14, 1 << 13)

_END_OF_JPEG = b"\xff\xd9"


def errors():
    """What PIL raises for the bytes of what is no image, or one that is damaged or too large."""
    from PIL import Image

    return OSError, SyntaxError, ValueError, EOFError, OverflowError, struct.error, Image.DecompressionBombError


def described(data):
    """(height, width, PIL's mode) of an image file's bytes, by its header alone. Raises FormatError for other bytes."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.height, picture.width, picture.mode
    except UnidentifiedImageError:
        raise _no_image("an image", data) from None
    except errors() as error:
        raise FormatError(explain("Cannot read an image", expected="an image file", given=error)) from error


def _no_image(name, data):
    given = f"{len(data)} bytes that begin with {bytes(data[:8])!r}"
    return FormatError(explain(f"Cannot read {name}", expected="an image file (JPEG, PNG, …)", given=given))


def decode(data, grey=False, name=None):
    """An image file's bytes as a uint8 array (height, width, 3) in RGB, or, where it shall be grey, (height, width, 1).

    grey None takes the image as it is: (height, width) for grey ones, also of 16 bits, 4 channels for transparent ones.
    Transparency is dropped, 16-bit values lose their lower half, an orientation in the file's EXIF data is not applied.
    A JPEG that ends too soon is read as far as it goes, with a warning. name: the file's, for messages.
    Raises FormatError for what is no image.
    """
    from PIL import UnidentifiedImageError

    name = name or "an image"
    if not len(data):
        raise FormatError(explain(f"Cannot read {name}", expected="an image file", given="no bytes"))
    pixels = _by_opencv(data) if grey is False else None
    if pixels is not None:
        return pixels
    try:
        return _pixels(_open(data, grey), grey)
    except UnidentifiedImageError:
        raise _no_image(name, data) from None
    except errors() as error:
        # OpenCV shows what there is of a JPEG; of other formats nothing.
        if bytes(data[:2]) == b"\xff\xd8" and bytes(data[-2:]) != _END_OF_JPEG:
            try:
                pixels = _pixels(_open(bytes(data) + _END_OF_JPEG, grey), grey)
            except (OSError, SyntaxError, ValueError):
                pixels = None
            if pixels is not None:
                warnings.warn(explain(f"{name} ends before its last pixel; the rest is grey"), stacklevel=3)
                return pixels
        raise FormatError(explain(f"Cannot read {name}", expected="an image that is whole", given=error)) from error


def _by_opencv(data):
    """The colours of a JPEG of the common kind as OpenCV decodes it, in half of PIL's time; None for anything else."""
    cv2 = opencv.library()
    if cv2 is None or bytes(data[:2]) != b"\xff\xd8" or bytes(data[-2:]) != _END_OF_JPEG:
        return None
    from PIL import Image

    height, width = _jpeg_size(data)
    # What is too large is PIL's to refuse.
    if not 0 < height * width <= (Image.MAX_IMAGE_PIXELS or 0):
        return None
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None


def _jpeg_size(data):
    """(height, width) of a JPEG of 8 bits with 1 or 3 channels; (0, 0) for other ones."""
    at, end = 2, len(data)
    while at + 10 <= end and data[at] == 0xFF:
        mark = data[at + 1]
        if mark == 0xFF:
            at += 1
            continue
        if 0xC0 <= mark <= 0xC2:
            precision, height, width, channels = struct.unpack_from(">BHHB", data, at + 4)
            return (height, width) if precision == 8 and channels in (1, 3) else (0, 0)
        if not 0xC4 <= mark <= 0xFE or 0xD0 <= mark <= 0xDA:
            return 0, 0
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return 0, 0


# EXIF's orientation -> how often the rows and columns change places, are turned upside down, and left to right.
_ORIENTATIONS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def upright(pixels, data):
    """The pixels as the orientation in a JPEG's EXIF data has them; `decode` leaves that out, as MXNet does."""
    from PIL import Image

    if bytes(data[:2]) != b"\xff\xd8" or b"Exif\0\0" not in data:
        return pixels
    try:
        orientation = Image.open(io.BytesIO(data)).getexif().get(0x0112)
    except (OSError, SyntaxError, ValueError, struct.error):
        return pixels
    turned, down, across = _ORIENTATIONS.get(orientation, (False, False, False))
    pixels = pixels.swapaxes(0, 1) if turned else pixels
    return np.ascontiguousarray(pixels[:: -1 if down else 1, :: -1 if across else 1])


def _open(data, grey):
    from PIL import Image

    picture = Image.open(io.BytesIO(data))
    if grey and picture.format == "JPEG":
        picture.draft("L", picture.size)  # the brightness as it stands in the file
    picture.load()
    return picture


def _pixels(picture, grey):
    """The pixels of a PIL image, as OpenCV has them."""
    mode = picture.mode
    if grey is None:
        return _as_it_is(picture)
    if mode == "I;16" or (mode == "I" and picture.format == "PNG"):
        values = (np.asarray(picture).astype(np.uint16) >> 8).astype(np.uint8)[:, :, None]
        return values if grey else np.repeat(values, 3, 2)
    if mode == "CMYK":
        ink = np.asarray(picture).astype(np.int32)
        light = 255 - ink[:, :, 3:]
        colours = (light - ((ink[:, :, :3] * light) >> 8)).astype(np.uint8)
        return _grey(colours, _OPENCV_GREY) if grey else colours
    if not grey:
        # A copy: PIL's memory cannot be written.
        return np.array(picture if mode == "RGB" else picture.convert("RGB"))
    if mode in ("1", "L", "LA"):
        return np.array(picture.convert("L"))[:, :, None]
    rule = _PNG_GREY if picture.format == "PNG" else _OPENCV_GREY
    return _grey(np.asarray(picture.convert("RGB")), rule)


def _as_it_is(picture):
    mode = picture.mode
    if mode in ("1", "L"):
        return np.array(picture.convert("L"))
    if mode.startswith("I"):
        return np.asarray(picture).astype(np.uint16)
    if mode in ("LA", "PA", "RGBA") or (mode == "P" and "transparency" in picture.info):
        return np.array(picture.convert("RGBA"))
    return _pixels(picture, False)


def _grey(colours, rule):
    shares, bits, half = rule
    red, green, blue = (colours[:, :, channel].astype(np.int32) for channel in range(3))
    mixed = (red * shares[0] + green * shares[1] + blue * shares[2] + half) >> bits
    # libpng leaves grey pixels as they are.
    mixed = np.where((red == green) & (green == blue), red, mixed) if rule is _PNG_GREY else mixed
    return mixed.astype(np.uint8)[:, :, None]


def read(path, grey=False):
    """The image in a file, as `decode` gives it.

    Raises OSError where it cannot be opened, FormatError where it is no image.
    """
    with open(path, "rb") as file:
        return decode(file.read(), grey, f"the image {str(path)!r}")


def encode(pixels, suffix=".jpg", quality=95):
    """A uint8 array (H, W), (H, W, 1), (H, W, 3) in RGB or (H, W, 4) as the bytes of a file.

    suffix: ".jpg" (quality 0 to 100) or ".png" (quality is the compression, 0 to 9), or another that PIL writes.
    Raises ValueError for another shape, dtype or format.
    """
    from PIL import Image

    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4)):
        raise ValueError(
            explain(
                "This array is no image",
                expected="uint8, (height, width) or (height, width, channels) with 1, 3 or 4 channels",
                given=f"{pixels.dtype} {pixels.shape}",
            )
        )
    picture = Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    suffix = suffix.lower()
    kind = Image.registered_extensions().get(suffix)
    if kind not in Image.SAVE:
        raise ValueError(explain("Unknown image format", expected="'.jpg', '.png', …", given=repr(suffix)))
    options = {}
    if kind == "JPEG":
        options = {"quality": int(quality), "subsampling": "4:2:0"}
        picture = picture.convert("RGB") if picture.mode == "RGBA" else picture
    elif kind == "PNG":
        options = {"compress_level": max(0, min(9, int(quality)))}
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()
