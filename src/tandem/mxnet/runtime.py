"""`mx.runtime`: which features this build has; of torch's, which is the engine, under MXNet's names."""

import collections
import importlib.util
import platform

import torch

from tandem.core.errors import explain, suggest

__all__ = ["Feature", "Features", "feature_list"]


class Feature:
    """A feature: its `name`, and whether it is `enabled`."""

    __slots__ = ("enabled", "name")

    def __init__(self, name, enabled):
        self.name, self.enabled = name, bool(enabled)

    def __repr__(self):
        return f"{'✔' if self.enabled else '✖'} {self.name}"


def _found():
    """Name -> whether it is there, in MXNet's order; what has no counterpart in torch is not."""
    backends = torch.backends
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    wide = {"AVX2", "AVX512"}
    level = backends.cpu.get_cpu_capability() if x86 else ""
    cuda = torch.cuda.is_available()
    mkl = backends.mkl.is_available()
    return {
        "CUDA": cuda,
        "CUDNN": cuda and backends.cudnn.is_available(),
        "NCCL": cuda and torch.distributed.is_available() and torch.distributed.is_nccl_available(),
        "CUDA_RTC": False,
        "TENSORRT": False,
        "CPU_SSE": x86,
        "CPU_SSE2": x86,
        "CPU_SSE3": x86,
        "CPU_SSE4_1": level in wide,
        "CPU_SSE4_2": level in wide,
        "CPU_SSE4A": False,
        "CPU_AVX": level in wide,
        "CPU_AVX2": level in wide,
        "OPENMP": backends.openmp.is_available(),
        "SSE": x86,
        "F16C": level in wide,
        "JEMALLOC": False,
        "BLAS_OPEN": not mkl,
        "BLAS_ATLAS": False,
        "BLAS_MKL": mkl,
        "BLAS_APPLE": platform.system() == "Darwin",
        "LAPACK": True,
        "MKLDNN": backends.mkldnn.is_available(),
        "OPENCV": importlib.util.find_spec("cv2") is not None,
        "CAFFE": False,
        "PROFILER": True,
        "DIST_KVSTORE": False,
        "CXX14": True,
        "INT64_TENSOR_SIZE": True,
        "SIGNAL_HANDLER": False,
        "DEBUG": False,
        "TVM_OP": False,
    }


def feature_list():
    """The features, a list."""
    return [Feature(name, enabled) for name, enabled in _found().items()]


class Features(collections.OrderedDict):
    """The features by name; there is one object."""

    instance = None

    def __new__(cls):
        if cls.instance is None:
            made = super().__new__(cls)
            super(Features, made).__init__([(feature.name, feature) for feature in feature_list()])
            cls.instance = made
        return cls.instance

    def __init__(self):
        """Nothing more: the one object is filled when it is made."""

    def __repr__(self):
        return str(list(self.values()))

    def is_enabled(self, feature_name):
        """Whether a feature is there; its name in capital or small letters.

        Raises RuntimeError for an unknown one.
        """
        name = feature_name.upper()
        if name not in self:
            raise RuntimeError(
                explain(f"Feature '{name}' is unknown", expected=f"one of {list(self)}", hint=suggest(name, list(self)))
            )
        return self[name].enabled
