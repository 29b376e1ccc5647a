"""Functions that `keras.ops` has not, as operations that take symbolic values too."""

from tandem.keras import symbolic
from tandem.keras.saving import registry
from tandem.ops import colour, elementwise, factorizations, image, indexing, special


def lift(function, class_name, tensors, *, module):
    """`symbolic.lift`; a saved model that has the operation finds it by its name."""
    entry = symbolic.lift(function, class_name, tensors, module=module)
    registry.get_custom_objects()[class_name] = entry.operation
    return entry


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
    # Its plain kernel reads weights from a table of 1024 places to a pixel.
    steps = 1024 if method == "bicubic" and not antialias else None
    return image.resize(x, size, method=method, antialias=antialias, steps=steps)


def _crop_and_resize(x, boxes, indices, size, method, fill):
    return image.crop_and_resize(x, boxes, indices, size, method=method, fill_value=fill)


resize_image = lift(_resize_image, "ResizeImage", 1, module=__name__)
crop_and_resize = lift(_crop_and_resize, "CropAndResize", 3, module=__name__)


def _broadcast_to(x, sizes):
    return x.expand([-1 if size is None else size for size in sizes])


broadcast_to = lift(_broadcast_to, "BroadcastTo", 1, module=__name__)


def _reverse_sequence(x, lengths, axis, batch_axis):
    moved = x.movedim((batch_axis, axis), (0, 1))
    return indexing.sequence_reverse(moved, lengths, axis=1).movedim((0, 1), (batch_axis, axis))


reverse_sequence = lift(_reverse_sequence, "ReverseSequence", 2, module=__name__)
matrix_exponential = lift(factorizations.exponential, "MatrixExponential", 1, module=__name__)
colour_space = lift(colour.to_space, "ColourSpace", 1, module=__name__)
