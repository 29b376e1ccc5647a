"""Where tensors live, and the one switch that sends every request for a GPU to the CPU."""

import functools
import os
import platform

import torch

# Worker processes inherit the environment, not this module's state: `tandem run --device` must hold in them too.
_VARIABLE = "TANDEM_RUN_DEVICE"


def redirect(name):
    """Send every device request of this process, and of the workers it starts, to `name` ("cpu"); None undoes it."""
    if name is None:
        os.environ.pop(_VARIABLE, None)
    else:
        os.environ[_VARIABLE] = str(torch.device(name).type)


def redirected():
    """The device type that requests are sent to, or None."""
    return os.environ.get(_VARIABLE)


def count():
    """How many GPUs can be used; 0 while requests are redirected to the CPU."""
    return 0 if redirected() == "cpu" else torch.cuda.device_count()


def default():
    """The device that new models live on: the first GPU where there is one, else the CPU."""
    return torch.device("cuda", torch.cuda.current_device()) if count() else torch.device("cpu")


def resolve(kind, index=0):
    """The torch device of ("cpu" | "gpu" | "cuda", index), after any redirection.

    Whether it exists is the caller's check.
    """
    if kind == "cpu" or redirected() == "cpu":
        return torch.device("cpu")
    return torch.device("cuda", index)


@functools.cache
def processor_vendor():
    """The processor's maker as CPUID has it ("GenuineIntel", "AuthenticAMD", …), or None where nothing tells."""
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line.partition(":")[2].strip() for line in file if line.startswith("vendor_id")]
    except OSError:
        lines = platform.processor().rsplit(", ", 1)[1:]  # Windows has it at the end
    return lines[0] if lines else None
