"""`keras.device`: where the variables made inside a block live."""

import contextlib

from tandem.core import devices
from tandem.core.errors import Unsupported, explain


def device(device_name):
    """A block whose new variables live on a device: "cpu", "gpu:0", "cuda:1".

    Raises ValueError for a name of another form, Unsupported for a device other than the one that new variables live
    on.
    """
    kind, _, index = str(device_name).lower().partition(":")
    if kind not in ("cpu", "gpu", "cuda") or (index and not index.isdigit()):
        raise ValueError(
            explain("Unknown device", expected="'cpu', 'gpu' or 'gpu:0'", given=f"device_name={device_name!r}")
        )
    wanted = devices.resolve(kind, int(index or 0))
    if wanted != devices.default():
        raise Unsupported(
            explain(
                "Variables cannot be placed on another device yet",
                expected=str(devices.default()),
                given=f"device_name={device_name!r}",
                hint="Move a model with `model.to(device)`.",
            )
        )
    return contextlib.nullcontext()
