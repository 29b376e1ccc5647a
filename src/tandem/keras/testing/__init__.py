"""What the test-suites of Keras's add-on packages are written with: `TestCase`, and what says the device."""

import torch

from tandem.keras.testing.test_case import TestCase

__all__ = [
    "TestCase",
    "jax_uses_gpu",
    "jax_uses_tpu",
    "tensorflow_uses_gpu",
    "tensorflow_uses_tpu",
    "torch_uses_gpu",
    "uses_cpu",
    "uses_gpu",
    "uses_tpu",
]


def torch_uses_gpu():
    """Whether new variables live on a GPU."""
    from tandem.core import devices

    return devices.default().type == "cuda" and torch.cuda.is_available()


def uses_gpu():
    """Whether new variables live on a GPU."""
    return torch_uses_gpu()


def uses_cpu():
    """Whether new variables live on the CPU."""
    return not torch_uses_gpu()


def uses_tpu():
    """False: the engine is PyTorch, on CPUs and GPUs."""
    return False


def jax_uses_gpu():
    """False: the engine is PyTorch."""
    return False


def jax_uses_tpu():
    """False: the engine is PyTorch."""
    return False


def tensorflow_uses_gpu():
    """False: the engine is PyTorch."""
    return False


def tensorflow_uses_tpu():
    """False: the engine is PyTorch."""
    return False
