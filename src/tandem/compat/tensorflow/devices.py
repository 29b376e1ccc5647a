"""`tf.config`, `tf.distribute`, `tf.device`, `tf.test`: what there is to run on."""

import contextlib
import logging
import os

import torch

from tandem.compat.tensorflow.results import LocalDevice, LogicalDevice, PhysicalDevice
from tandem.compat.tensorflow.tensor import adopt, convert
from tandem.core import devices
from tandem.core.errors import explain
from tandem.keras import ops

LOGGER = logging.getLogger("tensorflow")


# --- tf.config -------------------------------------------------------------------------------------------------------


def _devices(kind, make, prefix):
    kinds = {"CPU": 1, "GPU": devices.count()}
    if kind is not None and kind not in ("CPU", "GPU", "TPU"):
        return []
    return [
        make(f"{prefix}{one}:{number}", one)
        for one, count in kinds.items()
        if kind in (None, one)
        for number in range(count)
    ]


def list_physical_devices(device_type=None):
    """The processors (one) and GPUs that there are."""
    return _devices(device_type, PhysicalDevice, "/physical_device:")


def list_logical_devices(device_type=None):
    """The processors (one) and GPUs that there are."""
    return _devices(device_type, LogicalDevice, "/device:")


def list_local_devices(session_config=None):
    """The processors and GPUs, with the bytes that each has (0: not counted); `device_lib`'s function."""
    found = [LocalDevice("/device:CPU:0", "CPU", 0)]
    for number in range(devices.count()):
        found.append(LocalDevice(f"/device:GPU:{number}", "GPU", torch.cuda.mem_get_info(number)[1]))
    return found


def set_visible_devices(devices, device_type=None):
    """Without GPUs where an empty list of them is given. Raises NotImplementedError for a choice among them."""
    from tandem.core import devices as core

    found = [devices] if isinstance(devices, PhysicalDevice) else list(devices or [])
    if device_type == "GPU" and not found:
        core.redirect("cpu")
    elif device_type == "GPU" and len(found) < core.count():
        raise NotImplementedError(
            explain("A choice among GPUs is not there", given=found, hint="Set CUDA_VISIBLE_DEVICES before the start.")
        )


def set_memory_growth(device, enable):
    """Memory is taken as it is needed, and so only True is there. Raises NotImplementedError for False."""
    if not enable:
        raise NotImplementedError("Memory of GPUs is taken as it is needed; set_memory_growth(…, False) is not there.")


def get_memory_growth(device):
    """True: memory is taken as it is needed."""
    return True


def set_virtual_device_configuration(device, logical_devices):
    """Not there."""
    raise NotImplementedError("Virtual devices are not there.")


class LogicalDeviceConfiguration:
    """What a virtual device would have."""

    def __init__(self, memory_limit=None, **kwargs):
        self.memory_limit = memory_limit


class _Eager:
    value = False


def run_functions_eagerly(run_eagerly):
    """Whether functions run as they are written. They do."""
    _Eager.value = bool(run_eagerly)


def functions_run_eagerly():
    """What `run_functions_eagerly` was given."""
    return _Eager.value


class Threading:
    """`tf.config.threading`."""

    @staticmethod
    def set_intra_op_parallelism_threads(num_threads):
        """How many threads an operation has; 0 leaves it."""
        if num_threads:
            torch.set_num_threads(int(num_threads))

    @staticmethod
    def get_intra_op_parallelism_threads():
        """How many threads an operation has."""
        return torch.get_num_threads()

    @staticmethod
    def set_inter_op_parallelism_threads(num_threads):
        """How many operations run side by side: torch settles it before it begins. 0 leaves it."""
        with contextlib.suppress(RuntimeError):
            if num_threads:
                torch.set_num_interop_threads(int(num_threads))

    @staticmethod
    def get_inter_op_parallelism_threads():
        """How many operations run side by side."""
        return torch.get_num_interop_threads()


class Optimizer:
    """`tf.config.optimizer`."""

    @staticmethod
    def set_jit(enabled):
        """Not there where it is asked for: `compile(jit_compile=True)` is."""
        if enabled and enabled != "autoclustering":
            raise NotImplementedError(
                "tf.config.optimizer.set_jit is not there; write model.compile(jit_compile=True)."
            )

    @staticmethod
    def get_jit():
        """ "": nothing is compiled."""
        return ""


def enable_op_determinism():
    """The same numbers each time: torch's deterministic algorithms."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)


def get_memory_info(device):
    """Bytes in use and at most, a dict."""
    if not devices.count():
        raise ValueError(explain("The memory of this device is not counted", expected="GPU:0", given=device))
    return {"current": torch.cuda.memory_allocated(), "peak": torch.cuda.max_memory_allocated()}


def enable_tensor_float_32_execution(enabled):
    """Whether GPUs may multiply float32 in 19 bits."""
    torch.set_float32_matmul_precision("high" if enabled else "highest")


# --- tf.device -------------------------------------------------------------------------------------------------------


def device(device_name):
    """A scope in which new values live on a device. A GPU that is not there is the processor, as TensorFlow has it."""
    from tandem.keras import devices as keras_devices

    name = "" if device_name is None else str(device_name).lower()
    if "gpu" in name and not devices.count():
        name = "cpu"
    if not name or "tpu" in name:
        if name:
            raise NotImplementedError(explain("TPUs are not there", given=device_name))
        return contextlib.nullcontext()
    kind = "gpu" if "gpu" in name else "cpu"
    number = name.rpartition(":")[2]
    return keras_devices.device(f"{kind}:{number if number.isdigit() else 0}")


# --- tf.distribute ---------------------------------------------------------------------------------------------------


class ReduceOp:
    """How replicas' values come together."""

    SUM, MEAN = "SUM", "MEAN"


class Strategy:
    """One replica, on one device. `tandem run --nproc` runs a script on several."""

    num_replicas_in_sync = 1

    def __init__(self, *args, **kwargs):
        wanted = kwargs.get("devices") or (args[0] if args else None)
        if isinstance(wanted, (list, tuple)) and len(wanted) > 1:
            LOGGER.warning("Tandem runs a strategy on one device; given were %s. See tandem run --nproc.", wanted)

    @contextlib.contextmanager
    def scope(self):
        """A scope that changes nothing: there is one device."""
        before = _strategies[:]
        _strategies.append(self)
        try:
            yield self
        finally:
            _strategies[:] = before

    def run(self, fn, args=(), kwargs=None, options=None):
        """The function, run once."""
        return fn(*args, **(kwargs or {}))

    def reduce(self, reduce_op, value, axis):
        """The value of the one replica, summed or averaged along an axis where one is given."""
        value = convert(value)
        if axis is None:
            return value
        return adopt(
            ops.mean(value, axis=axis) if str(reduce_op).upper().endswith("MEAN") else ops.sum(value, axis=axis)
        )

    def experimental_distribute_dataset(self, dataset, options=None):
        """The dataset."""
        return dataset

    def distribute_datasets_from_function(self, dataset_fn, options=None):
        """The dataset that a function makes."""
        return dataset_fn(InputContext())

    def experimental_local_results(self, value):
        """The values of the replicas."""
        return (value,)

    def gather(self, value, axis):
        """The value."""
        return value

    @property
    def extended(self):
        """The strategy itself."""
        return self


class InputContext:
    """Which part of the data a worker reads: all of it."""

    num_input_pipelines, input_pipeline_id, num_replicas_in_sync = 1, 0, 1

    def get_per_replica_batch_size(self, global_batch_size):
        """The batch size."""
        return global_batch_size


class MirroredStrategy(Strategy):
    """Several GPUs in TensorFlow; one device here."""


class OneDeviceStrategy(Strategy):
    """One device."""


class MultiWorkerMirroredStrategy(Strategy):
    """Several machines in TensorFlow. Raises NotImplementedError where TF_CONFIG names several."""

    def __init__(self, *args, **kwargs):
        import json

        workers = json.loads(os.environ.get("TF_CONFIG", "{}")).get("cluster", {}).get("worker", [])
        if len(workers) > 1:
            raise NotImplementedError(
                "Several machines are not there by TF_CONFIG; see tandem run --nproc and torchrun."
            )
        super().__init__()


class TPUStrategy:
    """Not there."""

    def __init__(self, *args, **kwargs):
        raise NotImplementedError("tf.distribute.TPUStrategy is not there: Tandem runs on CPUs and GPUs.")


class _NoTPU:
    """Finding a TPU fails with ValueError, for which scripts are prepared."""

    def __init__(self, tpu=None, **kwargs):
        raise ValueError("Please provide a TPU Name to connect to: there is none.")

    connect = classmethod(lambda cls, *args, **kwargs: cls())


_strategies = []
_default = Strategy()


def get_strategy():
    """The strategy whose scope is open, else one of one device."""
    return _strategies[-1] if _strategies else _default


def has_strategy():
    """Whether a strategy's scope is open."""
    return bool(_strategies)


class ReplicaContext:
    """The one replica."""

    num_replicas_in_sync, replica_id_in_sync_group = 1, 0

    @property
    def strategy(self):
        """The strategy."""
        return get_strategy()

    def all_reduce(self, reduce_op, value, options=None):
        """The value."""
        return value


def get_replica_context():
    """The one replica."""
    return ReplicaContext()


# --- tf.test ---------------------------------------------------------------------------------------------------------


def is_gpu_available(cuda_only=False, min_cuda_compute_capability=None):
    """Whether there is a GPU."""
    return devices.count() > 0


def gpu_device_name():
    """The name of the first GPU, or ""."""
    return "/device:GPU:0" if devices.count() else ""


def is_built_with_cuda():
    """Whether torch was built for NVIDIA's GPUs."""
    return torch.version.cuda is not None


def is_built_with_gpu_support():
    """Whether torch was built for GPUs."""
    return torch.version.cuda is not None or getattr(torch.version, "hip", None) is not None


def get_logger():
    """TensorFlow's logger."""
    return LOGGER


def set_log_device_placement(enabled):
    """Say once where values live, where that is asked for: all on one device."""
    if enabled:
        LOGGER.info("Values live on %s.", devices.default())


def set_soft_device_placement(enabled):
    """What asks for a GPU that is not there runs on the processor. Raises NotImplementedError for False."""
    if not enabled:
        raise NotImplementedError("tf.config.set_soft_device_placement(False) is not there.")


CONFIG = {
    "experimental_run_functions_eagerly": run_functions_eagerly,
    "LogicalDevice": LogicalDevice,
    "LogicalDeviceConfiguration": LogicalDeviceConfiguration,
    "PhysicalDevice": PhysicalDevice,
    "functions_run_eagerly": functions_run_eagerly,
    "get_visible_devices": list_physical_devices,
    "list_logical_devices": list_logical_devices,
    "list_physical_devices": list_physical_devices,
    "optimizer": Optimizer,
    "run_functions_eagerly": run_functions_eagerly,
    "set_logical_device_configuration": set_virtual_device_configuration,
    "set_soft_device_placement": set_soft_device_placement,
    "set_visible_devices": set_visible_devices,
    "threading": Threading,
}
CONFIG_EXPERIMENTAL = {
    "VirtualDeviceConfiguration": LogicalDeviceConfiguration,
    "enable_op_determinism": enable_op_determinism,
    "enable_tensor_float_32_execution": enable_tensor_float_32_execution,
    "get_memory_growth": get_memory_growth,
    "get_memory_info": get_memory_info,
    "get_visible_devices": list_physical_devices,
    "list_logical_devices": list_logical_devices,
    "list_physical_devices": list_physical_devices,
    "set_memory_growth": set_memory_growth,
    "set_virtual_device_configuration": set_virtual_device_configuration,
    "set_visible_devices": set_visible_devices,
}
DISTRIBUTE = {
    "InputContext": InputContext,
    "MirroredStrategy": MirroredStrategy,
    "MultiWorkerMirroredStrategy": MultiWorkerMirroredStrategy,
    "OneDeviceStrategy": OneDeviceStrategy,
    "ReduceOp": ReduceOp,
    "Strategy": Strategy,
    "TPUStrategy": TPUStrategy,
    "get_replica_context": get_replica_context,
    "get_strategy": get_strategy,
    "has_strategy": has_strategy,
}
TEST = {
    "gpu_device_name": gpu_device_name,
    "is_built_with_cuda": is_built_with_cuda,
    "is_built_with_gpu_support": is_built_with_gpu_support,
    "is_gpu_available": is_gpu_available,
}
NO_TPU = _NoTPU
