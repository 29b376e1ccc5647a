"""Functions that `keras.ops` has not, as operations that take symbolic values too."""

from tandem.keras.symbolic import lift
from tandem.ops import elementwise, image, special


def _digamma(x):  # torch's own has no signature to read
    return elementwise.digamma(x)


def _lgamma(x):
    return elementwise.gammaln(x)


digamma = lift(_digamma, "Digamma", 1, module=__name__)
lgamma = lift(_lgamma, "Lgamma", 1, module=__name__)
xlogy = lift(special.xlogy, "Xlogy", 2, module=__name__)
complex_of = lift(special.complex_of, "Complex", 2, module=__name__)


def _transform(name, class_name):
    def compute(x):
        return getattr(special, name)(x)

    return lift(compute, class_name, 1, module=__name__)


fft = _transform("fft", "FFT")
ifft = _transform("ifft", "IFFT")
fft2d = _transform("fft2d", "FFT2D")
ifft2d = _transform("ifft2d", "IFFT2D")
rfft = lift(special.rfft, "RFFT", 1, module=__name__)
irfft = lift(special.irfft, "IRFFT", 1, module=__name__)


def _resize_image(x, size, method, antialias):
    if tuple(x.shape[-3:-1]) == size:
        return x
    # Bicubic is that of Keys, -0.5, without what is outside, as `tf.image.resize` has it.
    return image.resize(x, size, method=method, antialias=antialias)


def _crop_and_resize(x, boxes, indices, size, method, fill):
    return image.crop_and_resize(x, boxes, indices, size, method=method, fill_value=fill)


resize_image = lift(_resize_image, "ResizeImage", 1, module=__name__)
crop_and_resize = lift(_crop_and_resize, "CropAndResize", 3, module=__name__)
