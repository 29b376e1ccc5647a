"""`DataParallel` and `ModelParallel`: how the work is divided, and which of them holds."""

import math
from contextlib import contextmanager

import numpy as np

from tandem.core.errors import Unsupported, explain, warn
from tandem.engine.distributed import group, shards
from tandem.keras.distribution.devices import list_devices
from tandem.keras.distribution.layouts import DeviceMesh, LayoutMap, TensorLayout

_current = None


def distribution():
    """The distribution that holds, or None."""
    return _current


def set_distribution(value):
    """Let a distribution hold for what is trained from now on; None: none.

    Raises Unsupported for meshes of several GPUs in one process.
    """
    global _current
    if isinstance(value, Distribution):
        value._check_devices()
    _current = value
    shards.set_plan(value)


class Distribution:
    """The base of distributions: a mesh, and the axis of it along which batches are divided.

    device_mesh: a `DeviceMesh`; batch_dim_name: by default the mesh's first axis; auto_shard_dataset: whether all
    processes are given the same data, of which each takes its rows; with False each is given its own.
    """

    def __init__(self, device_mesh, batch_dim_name=None, auto_shard_dataset=True):
        self._device_mesh = device_mesh
        self._batch_dim_name = batch_dim_name
        self._auto_shard_dataset = auto_shard_dataset
        group.start()

    @property
    def device_mesh(self):
        """The mesh."""
        return self._device_mesh

    @property
    def batch_dim_name(self):
        """The mesh's axis along which batches are divided."""
        return self._batch_dim_name

    @property
    def auto_shard_dataset(self):
        """Whether all processes are given the same data."""
        return self._auto_shard_dataset

    @auto_shard_dataset.setter
    def auto_shard_dataset(self, auto_shard_dataset):
        self._auto_shard_dataset = auto_shard_dataset

    @property
    def num_processes(self):
        """How many processes there are."""
        return group.size()

    @property
    def num_model_replicas(self):
        """How many parts a batch is divided into."""
        return 1

    @property
    def data_shard_id(self):
        """The number of this process's part of a batch."""
        return group.rank()

    def places(self):
        """For each process the number of its part of a batch."""
        return list(range(group.size()))

    def _check_devices(self):
        used = [name for name in np.ravel(self._device_mesh.devices) if not str(name).startswith("cpu")]
        if group.size() == 1 and len(used) > 1:
            raise Unsupported(
                explain(
                    "Several GPUs need a process each",
                    expected=f"{len(used)} processes",
                    given="one",
                    hint=f"Start the script with `tandem run --nproc {len(used)} SCRIPT`.",
                )
            )
        if group.size() > 1 and self._device_mesh.devices.size != group.size():
            raise ValueError(
                explain(
                    "A mesh over several processes has a device to each",
                    expected=f"{group.size()} devices",
                    given=self._device_mesh.devices.size,
                )
            )

    def get_data_layout(self, data_shape):
        """The `TensorLayout` of a batch of this shape."""
        raise NotImplementedError

    def get_variable_layout(self, variable):
        """The `TensorLayout` of a variable."""
        raise NotImplementedError

    def get_tensor_layout(self, path):
        """The `TensorLayout` of a layer's output, "path/of/layer/output", or None."""
        raise NotImplementedError

    def piece(self, variable):
        """Which part of a variable is this process's: a `Piece`, or None where the process has all of it."""
        # What is not learned is small, and is changed in place by code that looks at all of it.
        layout = self.get_variable_layout(variable) if variable.is_parameter and variable.piece is None else None
        return None if layout is None else layout.piece(variable.shape, variable.path)

    def distribute_dataset(self, dataset):
        """A dataset as `fit` takes it: itself, since each process takes its rows of every batch there."""
        return dataset

    def distribute_tf_dataset(self, dataset):
        """As `distribute_dataset`."""
        return self.distribute_dataset(dataset)

    @contextmanager
    def scope(self):
        """A block inside which the distribution holds."""
        before = distribution()
        set_distribution(self)
        try:
            yield
        finally:
            set_distribution(before)

    def _batch_layout(self, data_shape):
        axes = [None] * len(data_shape)
        axes[0] = self.batch_dim_name
        return TensorLayout(axes, self.device_mesh)

    def __repr__(self):
        return f"<{type(self).__name__} device_mesh={self.device_mesh}>"


class DataParallel(Distribution):
    """Each process has all weights and computes with its rows of every batch; gradients are averaged.

    device_mesh: a mesh of one axis, by default one of `devices`, and these by default all that there are;
    auto_shard_dataset: see `Distribution`.
    `fit` and `evaluate` give the numbers of one process with whole batches, batch normalization included; `predict`
    gives all rows in every process. Random numbers of layers (dropout) are each process's own. States of metrics are
    added up: a metric whose state is no sum (a running maximum) is not what it is in one process.
    Raises ValueError for what is no mesh.
    """

    def __init__(self, device_mesh=None, devices=None, auto_shard_dataset=True):
        if device_mesh is None:
            devices = np.array(list_devices() if devices is None else devices).flatten()
            device_mesh = DeviceMesh(shape=devices.shape, axis_names=["batch"], devices=devices)
        elif not isinstance(device_mesh, DeviceMesh):
            raise ValueError(
                f"Expect `mesh` to be an instance of `DeviceMesh`. Received: mesh={device_mesh} "
                f"(of type {type(device_mesh)})"
            )
        elif len(device_mesh.axis_names) > 1:
            warn("Expect the input mesh to be 1D, but received a mesh of more axes. The first axis will be used.")
        super().__init__(device_mesh, device_mesh.axis_names[0], auto_shard_dataset)

    @property
    def num_model_replicas(self):
        """How many parts a batch is divided into: one to each device."""
        return math.prod(self._device_mesh.shape)

    def get_data_layout(self, data_shape):
        """Divided along the first axis."""
        return self._batch_layout(data_shape)

    def get_variable_layout(self, variable):
        """Whole on each device, unless the variable has a layout of its own."""
        own = getattr(variable, "_layout", None)
        return TensorLayout([None] * len(variable.shape), self.device_mesh) if own is None else own

    def get_tensor_layout(self, path):
        """None: outputs are divided as their batches are."""


class ModelParallel(Distribution):
    """Batches are divided along one axis of the mesh, variables along others, as a `LayoutMap` says.

    layout_map: the layouts of variables and outputs by their paths; batch_dim_name: by default the mesh's first axis;
    auto_shard_dataset: see `Distribution`.
    In one process everything is whole, on its device. In several, `fit`, `evaluate` and `predict` leave each process
    its part of a variable that the map divides, and of the optimizer's slots for it. A variable is put together where
    it is computed with, so that all layers give the numbers of one process; the computation itself is not divided.
    State that is not learned, and weights of `torch.nn` modules, stay whole.
    Raises ValueError without a layout map.
    """

    def __init__(self, *, layout_map=None, batch_dim_name=None, auto_shard_dataset=True, **kwargs):
        kwargs.pop("device_mesh", None)  # the map's own holds, as in Keras, which looks at no other argument
        if layout_map is None:
            raise ValueError("You must specify a layout_map argument.")
        if not isinstance(layout_map, LayoutMap):
            raise ValueError(f"Argument `layout_map` must be a `LayoutMap` instance. Received: layout_map={layout_map}")
        mesh = layout_map.device_mesh
        super().__init__(mesh, batch_dim_name or mesh.axis_names[0], auto_shard_dataset)
        self._layout_map = layout_map

    @property
    def num_model_replicas(self):
        """How many parts a batch is divided into: the length of the batch's axis."""
        names = list(self.device_mesh.axis_names)
        return self.device_mesh.shape[names.index(self.batch_dim_name)] if self.batch_dim_name in names else 1

    @property
    def data_shard_id(self):
        """The number of this process's part of a batch: its place along the batch's axis."""
        return self.places()[group.rank()]

    def places(self):
        """For each process its place along the batch's axis."""
        names = list(self.device_mesh.axis_names)
        if self.batch_dim_name not in names or group.size() == 1:
            return [0] * group.size()
        axis = names.index(self.batch_dim_name)
        return [int(np.unravel_index(rank, self.device_mesh.shape)[axis]) for rank in range(group.size())]

    def get_data_layout(self, data_shape):
        """Divided along the first axis."""
        return self._batch_layout(data_shape)

    def get_variable_layout(self, variable):
        """What the map says of its path, unless the variable has a layout of its own; else whole on each device."""
        own = getattr(variable, "_layout", None)
        if own is not None:
            return own
        found = self._layout_map[variable.path]
        return TensorLayout([None] * len(variable.shape), self.device_mesh) if found is None else found

    def get_tensor_layout(self, path):
        """What the map says of the path, or None."""
        return self._layout_map[path]
