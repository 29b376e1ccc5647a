"""Meshes of devices, and how the axes of tensors lie on them."""

import collections.abc
import math
import re

import numpy as np

from tandem.core.errors import explain
from tandem.engine.distributed import exchange, group
from tandem.engine.distributed.pieces import Piece
from tandem.keras import tensors
from tandem.keras.distribution.devices import list_devices


class DeviceMesh:
    """Devices in rows and columns whose axes have names.

    shape: of the mesh; axis_names: one name to an axis; devices: names of devices, by default all that there are.
    Raises ValueError where they do not fit each other.
    """

    def __init__(self, shape, axis_names, devices=None):
        if not shape or not axis_names:
            raise ValueError(f"Shape and axis_names cannot be empty. Received: shape={shape}, axis_names={axis_names}")
        if len(shape) != len(axis_names):
            raise ValueError(
                explain("Shape and axis_names should have same size", given=f"shape={shape}, axis_names={axis_names}")
            )
        devices = np.array(list_devices() if devices is None else devices)
        if math.prod(shape) != devices.size:
            raise ValueError(
                explain(
                    "Shape does not match the number of devices",
                    expected=f"{math.prod(shape)} devices",
                    given=f"shape={shape}; devices.shape={devices.shape}",
                )
            )
        self._shape = shape
        self._axis_names = axis_names
        self._devices = devices.reshape(shape)
        self._backend_mesh = None

    @property
    def shape(self):
        """How many devices each axis has."""
        return self._shape

    @property
    def axis_names(self):
        """The names of the axes."""
        return self._axis_names

    @property
    def devices(self):
        """The names of the devices, an array of the mesh's shape."""
        return self._devices

    @property
    def backend_mesh(self):
        """The mesh as torch's `DeviceMesh`. Raises RuntimeError unless there is a process to each device."""
        if self._backend_mesh is None:
            if not group.is_started() or group.size() != self._devices.size:
                raise RuntimeError(
                    explain(
                        "torch's mesh has a process to each device",
                        expected=f"{self._devices.size} processes",
                        given=group.size(),
                        hint="Start the script with `tandem run --nproc N`.",
                    )
                )
            from torch.distributed.device_mesh import init_device_mesh  # takes long to import

            kind = "cpu" if str(self._devices.flat[0]).startswith("cpu") else "cuda"
            self._backend_mesh = init_device_mesh(
                kind, tuple(self._shape), mesh_dim_names=tuple(map(str, self._axis_names))
            )
        return self._backend_mesh

    def __repr__(self):
        return f"<{type(self).__name__} shape={self.shape}, axis_names={self.axis_names}>"


class TensorLayout:
    """Along which axis of a mesh each axis of a tensor is divided; None: along none.

    axes: names of the mesh's axes, or None; device_mesh: may be set later, once.
    Raises ValueError for names that the mesh does not have.
    """

    def __init__(self, axes, device_mesh=None):
        self._axes = tuple(axes)
        self._device_mesh = device_mesh
        self._check_axes()

    @property
    def axes(self):
        """The names, a tuple."""
        return self._axes

    @property
    def device_mesh(self):
        """The mesh, or None."""
        return self._device_mesh

    @device_mesh.setter
    def device_mesh(self, device_mesh):
        if self._device_mesh is not None:
            raise ValueError(
                f"Cannot override device mesh value. Existing value is {self._device_mesh}; given: {device_mesh}."
            )
        self._device_mesh = device_mesh
        self._check_axes()

    def _check_axes(self):
        if self._device_mesh is None:
            return
        valid = set(self._device_mesh.axis_names)
        unknown = {axis for axis in self._axes if axis} - valid
        if unknown:
            raise ValueError(f"Invalid axis names for Layout. Valid axis names: {valid}, Got {unknown}")

    @property
    def backend_layout(self):
        """(torch's mesh, its placements). Raises ValueError where there is no mesh."""
        if self._device_mesh is None:
            raise ValueError("Cannot create sharding when device mesh is not set for TensorLayout.")
        from torch.distributed import tensor as sharded  # takes long to import

        placements = [
            sharded.Shard(self._axes.index(name)) if name in self._axes else sharded.Replicate()
            for name in self._device_mesh.axis_names
        ]
        return self._device_mesh.backend_mesh, placements

    def check(self, shape, what="the tensor"):
        """Raise ValueError where a tensor of this shape cannot be divided evenly; what: its name for the message."""
        sizes = dict(zip(self._device_mesh.axis_names, self._device_mesh.shape))
        if len(self._axes) > len(shape):
            raise ValueError(
                explain(f"The layout does not fit {what}", expected=f"{len(shape)} axes", given=f"axes={self._axes}")
            )
        names = [name for name in self._axes if name is not None]
        if len(set(names)) < len(names):
            raise ValueError(
                explain(
                    f"The layout of {what} is wrong", expected="each name of an axis once", given=f"axes={self._axes}"
                )
            )
        for axis, (name, length) in enumerate(zip(self._axes, shape)):
            if name is not None and length % sizes[name]:
                raise ValueError(
                    explain(
                        f"Axis {axis} of {what} cannot be divided along {name!r} of the mesh",
                        expected=f"a multiple of {sizes[name]}",
                        given=f"shape {tuple(shape)}",
                    )
                )

    def piece(self, shape, what):
        """Which part of a tensor of this shape is this process's: a `Piece`, None where it is all of it.

        Raises ValueError where the tensor cannot be divided evenly; what: its name for the message.
        """
        mesh = self._device_mesh
        names = [] if mesh is None else [name for name, size in zip(mesh.axis_names, mesh.shape) if size > 1]
        if not set(names) & set(self._axes):
            return None
        self.check(shape, what)
        held = {name: mesh.backend_mesh.get_group(str(name)) for name in names}
        cuts = [
            (axis, exchange.known(held[name]), mesh.backend_mesh.get_local_rank(str(name)))
            for axis, name in enumerate(self._axes)
            if name in held
        ]
        return Piece(shape, cuts, [exchange.known(held[name]) for name in names if name not in self._axes])

    def __repr__(self):
        return f"<{type(self).__name__} axes={self.axes}, device_mesh={self.device_mesh}>"


class LayoutMap(collections.abc.MutableMapping):
    """Layouts by the paths of variables: a key is a path, or a pattern that fits one as a whole.

    device_mesh: for layouts that have none. A value may be a tuple of names of axes.
    Looking up raises ValueError where several patterns fit and no key is the path itself; where none fits it gives
    None.
    """

    def __init__(self, device_mesh):
        self._layouts = {}
        self._device_mesh = device_mesh

    @property
    def device_mesh(self):
        """The mesh."""
        return self._device_mesh

    def __getitem__(self, key):
        if key in self._layouts:
            return self._layouts[key]
        fitting = [pattern for pattern in self._layouts if re.fullmatch(pattern, key)]
        if len(fitting) > 1:
            raise ValueError(
                explain(
                    f"Path {key!r} matches multiple layout specification keys: {fitting}",
                    expected="one key of the LayoutMap for each path",
                )
            )
        return self._layouts[fitting[0]] if fitting else None

    def __setitem__(self, key, layout):
        if key in self._layouts:
            raise ValueError(
                f"{key} already exist in the LayoutMap with value {self._layouts[key]}; a key can be set once."
            )
        if isinstance(layout, tuple):
            layout = TensorLayout(axes=layout, device_mesh=None)
        if not isinstance(layout, TensorLayout):
            raise ValueError(f"{layout} should be a TensorLayout type, got {type(layout)}")
        if layout.device_mesh is None:
            layout.device_mesh = self._device_mesh
        self._layouts[key] = layout

    def __delitem__(self, key):
        del self._layouts[key]

    def __len__(self):
        return len(self._layouts)

    def __iter__(self):
        return iter(self._layouts)


def distribute_tensor(tensor, layout):
    """A tensor divided over the processes as a `TensorLayout` says: torch's DTensor. Alone, the tensor itself.

    Raises ValueError where an axis cannot be divided evenly.
    """
    tensor = tensors.convert(tensor)
    if layout is None:
        return tensor
    if layout.device_mesh is None:
        raise ValueError("Cannot create sharding when device mesh is not set for TensorLayout.")
    layout.check(tensor.shape)
    if group.size() == 1:
        return tensor
    from torch.distributed import tensor as sharded  # takes long to import

    mesh, placements = layout.backend_layout
    return sharded.distribute_tensor(tensor.detach(), mesh, placements)
