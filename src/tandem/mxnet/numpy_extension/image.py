"""`mx.npx.image`: operators on images (H, W, C), and all that `mx.image` has."""

from tandem.mxnet import image, operators
from tandem.mxnet.base import missing
from tandem.mxnet.numpy_extension import view

_NAMES = operators.names("_image_")


def __getattr__(name):
    function = view.function("mxnet.numpy_extension.image", _NAMES, name)
    if function is None:
        if name.startswith("__") or not hasattr(image, name):
            raise missing("mxnet.numpy_extension.image", name, __dir__())
        return getattr(image, name)
    globals()[name] = function
    return function


def __dir__():
    return sorted({*_NAMES, *(name for name in dir(image) if not name.startswith("_"))})
