"""`InputSpec`: what a layer expects of its inputs' shapes, and the check."""

from tandem.core import arrays
from tandem.core.dtypes import dtype_name


class InputSpec:
    """Rank, shape and sizes of single axes that a layer's input must have.

    dtype: a dtype's name; shape: a tuple, None where any size will do; ndim, max_ndim, min_ndim: ranks; axes: a dict of
    axis -> size; allow_last_axis_squeeze: a last axis of size 1 may be missing or be there in addition; name: the key
    under which the input may be given in a dict; optional: the input may be None.
    """

    def __init__(
        self,
        dtype=None,
        shape=None,
        ndim=None,
        max_ndim=None,
        min_ndim=None,
        axes=None,
        allow_last_axis_squeeze=False,
        name=None,
        optional=False,
    ):
        self.dtype = dtype_name(dtype) if dtype is not None else None
        self.shape = tuple(shape) if shape is not None else None
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name = name
        self.optional = optional
        most = self.ndim if self.ndim is not None else max_ndim
        if self.axes and most is not None and max(self.axes) > most - 1:
            raise ValueError(f"Axis {max(self.axes)} is greater than the maximum allowed value: {most - 1}")

    def __repr__(self):
        parts = [f"{key}={value}" for key, value in self.get_config().items() if value]
        return f"InputSpec({', '.join(parts)})"

    def get_config(self):
        """The arguments that make an equal spec."""
        return {
            "dtype": self.dtype,
            "shape": self.shape,
            "ndim": self.ndim,
            "max_ndim": self.max_ndim,
            "min_ndim": self.min_ndim,
            "axes": self.axes,
            "optional": self.optional,
        }

    @classmethod
    def from_config(cls, config):
        """The spec that `get_config` describes."""
        return cls(**config)


def check(spec, inputs, layer_name):
    """Raise ValueError where `inputs` do not fit `spec` (one InputSpec, or a list or dict of them)."""
    if isinstance(spec, InputSpec):
        if getattr(inputs, "shape", None) is not None:
            problem = _problem(spec, inputs.shape, inputs)
            if problem:
                raise _error(0, spec, layer_name, problem)
            return
        specs = [spec]
    elif isinstance(spec, dict):
        if isinstance(inputs, dict):
            missing = [name for name, item in spec.items() if name not in inputs and not item.optional]
            if missing:
                raise ValueError(f'Missing data for input "{missing[0]}". Given keys: {list(inputs)}.')
            inputs, spec = [inputs.get(name) for name in spec], list(spec.values())
        specs = list(spec)
    else:
        specs = arrays.leaves(spec)
    values = _flatten(inputs, specs)
    if len(values) != len(specs):
        raise ValueError(
            f'Layer "{layer_name}" expects {len(specs)} input(s), but it received {len(values)} input tensors. '
            f"Inputs received: {inputs}"
        )
    for index, (value, item) in enumerate(zip(values, specs, strict=True)):
        if value is None and item.optional:
            continue
        shape = getattr(value, "shape", None)
        if shape is None:
            raise ValueError(
                f"Inputs to a layer should be tensors. Got '{value}' (of type {type(value)}) as input for layer "
                f"'{layer_name}'."
            )
        problem = _problem(item, shape, value)
        if problem:
            raise _error(index, item, layer_name, problem)


def _flatten(inputs, specs):
    if isinstance(inputs, dict):
        names = [item.name for item in specs]
        if all(names) and all(name in inputs for name in names):
            return [inputs[name] for name in names]
        return [inputs[key] for key in sorted(inputs)]
    if isinstance(inputs, (list, tuple)):
        return [leaf for item in inputs for leaf in _flatten(item, specs)]
    return [inputs]


def _error(index, spec, layer_name, problem):
    named = f" with name '{spec.name}'" if spec.name else ""
    return ValueError(f"Input {index}{named} of layer '{layer_name}' is incompatible with the layer: {problem}")


def _problem(spec, shape, value):
    """What is wrong with a shape, in words, or None."""
    rank = len(shape)
    if spec.ndim is not None and rank != spec.ndim and not spec.allow_last_axis_squeeze:
        return f"expected ndim={spec.ndim}, found ndim={rank}. Full shape received: {tuple(shape)}"
    if spec.max_ndim is not None and rank > spec.max_ndim:
        return f"expected max_ndim={spec.max_ndim}, found ndim={rank}. Full shape received: {tuple(shape)}"
    if spec.min_ndim is not None and rank < spec.min_ndim:
        return f"expected min_ndim={spec.min_ndim}, found ndim={rank}. Full shape received: {tuple(shape)}"
    if spec.dtype is not None and dtype_name(value.dtype) != spec.dtype:
        return f"expected dtype={spec.dtype}, found dtype={dtype_name(value.dtype)}"
    for axis, size in spec.axes.items():
        if size is not None and shape[axis] is not None and shape[axis] != size:
            found = f"but received input with shape {tuple(shape)}"
            return f"expected axis {axis} of input shape to have value {size}, {found}"
    if spec.shape is not None:
        wanted, given = spec.shape, tuple(shape)
        if spec.allow_last_axis_squeeze:
            wanted = wanted[:-1] if wanted and wanted[-1] == 1 else wanted
            given = given[:-1] if given and given[-1] == 1 else given
        if len(wanted) != len(given) or any(w != g for w, g in zip(wanted, given) if w is not None and g is not None):
            return f"expected shape={spec.shape}, found shape={tuple(shape)}"
    return None
