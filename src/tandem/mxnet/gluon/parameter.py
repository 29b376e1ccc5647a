"""`ParameterDict`: the parameters of a block by name (and, from here, `Parameter` and `Constant`)."""

from collections import OrderedDict

import numpy as np

from tandem.core.dtypes import torch_dtype
from tandem.core.errors import explain
from tandem.mxnet import initializer
from tandem.mxnet.gluon import files
from tandem.mxnet.gluon.utils import _brief_print_list, _indent, shape_is_known  # noqa: F401
from tandem.mxnet.gluon.weights import Constant, DeferredInitializationError, Parameter, tensor_types
from tandem.mxnet.ndarray.ndarray import NDArray

__all__ = ["Constant", "DeferredInitializationError", "Parameter", "ParameterDict", "tensor_types"]


class ParameterDict:
    """An ordered mapping from full names to parameters, with a prefix that `get` puts before names.

    prefix: the prefix; shared: a `ParameterDict` whose parameters are used where a name is in it.
    """

    def __init__(self, prefix="", shared=None):
        self._prefix = prefix
        self._shared = shared
        self._params = OrderedDict()
        # Modules of other kinds among the collected blocks: they may get parameters later.
        self._growing = []

    def __repr__(self):
        name = self._prefix + " " if self._prefix else ""
        content = "\n".join(f"  {value}".replace("\n", "\n  ") for value in self.values())
        return f"{name}(\n{content}\n)"

    def __getitem__(self, key):
        return self._params[key]

    def __contains__(self, key):
        return key in self._params

    def __iter__(self):
        return iter(self._params)

    def items(self):
        """(name, parameter) pairs in the order of creation."""
        return self._params.items()

    def keys(self):
        """The names."""
        return self._params.keys()

    def values(self):
        """The parameters."""
        return self._params.values()

    @property
    def prefix(self):
        """What `get` puts before names."""
        return self._prefix

    def _get_impl(self, name):
        """The parameter of a full name, here or in `shared`; None where there is none."""
        if name in self._params:
            return self._params[name]
        if self._shared is not None and name in self._shared._params:
            self._params[name] = self._shared._params[name]
            return self._params[name]
        return None

    def get(self, name, **kwargs):
        """The parameter `prefix + name`, made with the keyword arguments of `Parameter` where there is none.

        Raises AssertionError where the one that is there differs from them.
        """
        name = self._prefix + name
        parameter = self._get_impl(name)
        if parameter is None:
            parameter = self._params[name] = Parameter(name, **kwargs)
            return parameter
        for key, value in kwargs.items():
            existing = getattr(parameter, key, None)
            if existing is None:
                setattr(parameter, key, value)
            elif key == "shape":
                merged = _merged_shape(value, existing)
                if merged is None:
                    raise _mismatch(name, key, value, existing)
                parameter._shape = merged
            elif value is not None and value != existing:
                if key == "dtype" and torch_dtype(value) is torch_dtype(existing):
                    continue
                raise _mismatch(name, key, value, existing)
        return parameter

    def get_constant(self, name, value=None):
        """The constant `prefix + name`, made from `value` where there is none.

        Raises KeyError where there is none and no value, AssertionError where the one that is there differs.
        """
        name = self._prefix + name
        parameter = self._get_impl(name)
        if parameter is None:
            if value is None:
                raise KeyError(
                    f"No constant named '{name}'. Please specify value if you want to create a new constant."
                )
            parameter = self._params[name] = Constant(name, value)
        elif not isinstance(parameter, Constant):
            raise AssertionError(explain(f"Parameter '{name}' already exists but it is not a constant"))
        elif value is not None:
            given = value.asnumpy() if isinstance(value, NDArray) else np.asarray(value)
            if parameter.shape != given.shape or (parameter.value.asnumpy() != given).any():
                raise AssertionError(explain(f"Constant '{name}' already exists but its value doesn't match new value"))
        return parameter

    def update(self, other):
        """Take in all parameters of another `ParameterDict`.

        Raises AssertionError where different parameters have the same name.
        """
        for name, value in other.items():
            if self._params.setdefault(name, value) is not value:
                raise AssertionError(
                    explain(
                        "Cannot update self with other because they have different Parameters with the same name"
                        f" '{name}'",
                        hint="Create child blocks inside `with self.name_scope():`, or give them different prefixes.",
                    )
                )
        self._growing.extend(other._growing)

    def initialize(self, init=None, ctx=None, verbose=False, force_reinit=False):
        """Initialize all parameters; those with an initializer of their own use that.

        init: the initializer of the others, Uniform(0.07) where None; ctx: a context or a list; verbose: log what is
        filled with what; force_reinit: replace values that are there.
        """
        init = initializer.Uniform() if init is None else init
        if verbose:
            init.set_verbosity(verbose=verbose)
        for value in list(self.values()):
            value.initialize(None, ctx, init, force_reinit=force_reinit)

    def zero_grad(self):
        """Set all gradients to 0."""
        for value in self.values():
            value.zero_grad()

    def reset_ctx(self, ctx):
        """Move all parameters to other contexts."""
        for value in self.values():
            value.reset_ctx(ctx)

    def list_ctx(self):
        """The contexts that any of the parameters is on."""
        found = OrderedDict()
        for value in self.values():
            found.update((ctx, None) for ctx in value.list_ctx())
        return list(found)

    def setattr(self, name, value):
        """Set an attribute of all parameters: `setattr('grad_req', 'null')`."""
        for parameter in self.values():
            setattr(parameter, name, value)

    def save(self, filename, strip_prefix=""):
        """Write all parameters to a file in MXNet's format, without `strip_prefix` in front of their names.

        Raises ValueError for a name that does not begin with it.
        """
        files.save_dict(self, filename, strip_prefix)

    def load(
        self,
        filename,
        ctx=None,
        allow_missing=False,
        ignore_extra=False,
        restore_prefix="",
        cast_dtype=False,
        dtype_source="current",
    ):
        """Read parameters from a file, whose names get `restore_prefix` in front.

        Raises AssertionError for a missing name unless `allow_missing`, and for one too many unless `ignore_extra`.
        """
        arrays = files.read_arrays(filename)
        self.load_dict(arrays, ctx, allow_missing, ignore_extra, restore_prefix, filename, cast_dtype, dtype_source)

    def load_dict(
        self,
        param_dict,
        ctx=None,
        allow_missing=False,
        ignore_extra=False,
        restore_prefix="",
        filename=None,
        cast_dtype=False,
        dtype_source="current",
    ):
        """Take parameters from a dict from names to arrays; as `load`."""
        files.load_dict(
            self,
            param_dict,
            ctx,
            allow_missing,
            ignore_extra,
            restore_prefix,
            filename,
            cast_dtype,
            dtype_source,
        )


def _merged_shape(wanted, existing):
    """What two shapes with unknown sizes say together; None where they contradict each other."""
    wanted = (wanted,) if isinstance(wanted, int) else tuple(wanted or existing)
    if len(wanted) != len(existing) or any(a > 0 and b > 0 and a != b for a, b in zip(wanted, existing)):
        return None
    return tuple(b if a <= 0 else a for a, b in zip(wanted, existing))


def _mismatch(name, key, value, existing):
    return AssertionError(
        explain(
            f"Cannot retrieve Parameter '{name}' because desired attribute does not match with stored for attribute"
            f" '{key}'",
            expected=f"stored {existing!r}",
            given=f"desired {value!r}",
        )
    )
