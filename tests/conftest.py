"""What every test needs before anything else is imported."""

import os
import sys

# Two cores are shared by the test processes; and real Keras reads its backend when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["KERAS_BACKEND"] = "torch"
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest


def pytest_collection_modifyitems(items):
    if not any(item.get_closest_marker("gpu") for item in items):
        return
    import torch

    if not torch.cuda.is_available():
        skip = pytest.mark.skip(reason="this machine has no CUDA device")
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def _no_scope_left_over():
    """MXNet's `set_training` and `set_recording` hold until they are set again: not beyond the test that calls them."""
    yield
    if "tandem.core.scope" in sys.modules:
        scope = sys.modules["tandem.core.scope"]
        scope.set_training(None)
        scope.set_recording(None)
