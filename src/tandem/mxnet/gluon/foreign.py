"""Modules of other kinds inside blocks: a plain `torch.nn.Module`, a Keras layer.

An adapter block stands for the module: its parameters are the module's own tensors under names that Gluon can collect,
train and save. Parameters that come into being at the first forward are found then.
"""

import torch
from torch.nn.parameter import is_lazy

from tandem.core import graph, scope
from tandem.core.dtypes import dtype_name, torch_dtype
from tandem.core.errors import explain
from tandem.core.module import Module, call_plain, call_with_arrays
from tandem.mxnet import context as contexts
from tandem.mxnet import gradients, initializer
from tandem.mxnet.gluon.base import Block
from tandem.mxnet.gluon.block import HybridBlock
from tandem.mxnet.gluon.utils import _as_contexts
from tandem.mxnet.gluon.weights import Parameter, array_class


class ForeignParameter(Parameter):
    """A tensor that a module of another kind owns, as a Gluon parameter.

    name: its full name; module, key: where it is registered.
    """

    is_foreign = True

    def __init__(self, name, module, key):
        self._module, self._key, self._arrays = module, key, None
        self._source = self._device = None  # what the array was made from
        tensor = self._read()
        learns = tensor.requires_grad
        super().__init__(
            name,
            shape=tuple(tensor.shape),
            dtype=dtype_name(tensor.dtype),
            differentiable=isinstance(tensor, torch.nn.Parameter) and tensor.is_floating_point(),
        )
        tensor.requires_grad_(learns)

    def __repr__(self):
        return f"Parameter {self.name} (shape={self.shape}, dtype={self.dtype})"

    def _read(self):
        """The tensor as the module has it now."""
        found = self._module._parameters.get(self._key)
        return self._module._buffers.get(self._key) if found is None else found

    @property
    def tensor(self):
        """The module's own tensor."""
        return self._read()

    @property
    def dtype(self):
        """The name of the tensor's dtype; setting it casts the tensor."""
        tensor = self._read()
        return self._dtype if tensor is None else dtype_name(tensor.dtype)

    @dtype.setter
    def dtype(self, dtype):
        self.cast(dtype)

    @property
    def grad_req(self):
        """'write', 'add' or 'null'; 'null' also where the module's own framework froze the tensor."""
        tensor = self._read()
        return "null" if tensor is None or not tensor.requires_grad else self._grad_req

    @grad_req.setter
    def grad_req(self, request):
        Parameter.grad_req.fset(self, request)
        if self._differentiable:
            holder = self._module.__dict__.get("_holders", {}).get(self._key)
            if holder is not None:
                holder.learns = request != "null"
            else:
                self._read().requires_grad_(request != "null")

    def _attach(self):
        # Also where it is frozen just now: it may learn later, and then the gradient's hook must be there.
        for array in self._data:
            learns = array._tensor.requires_grad
            gradients.attach(array, self._grad_req)
            array._tensor.requires_grad_(learns)

    @property
    def _data(self):
        tensor = self._read()
        if tensor is None:
            return None
        known = self._arrays
        if known is None or self._source is not tensor or self._device != tensor.device:
            self._source, self._device = tensor, tensor.device
            self._shape, self._dtype = tuple(tensor.shape) or (1,), dtype_name(tensor.dtype)
            # A single number has no axis here as in MXNet, so that the array is the tensor itself.
            array = array_class()._wrap(tensor.reshape(-1) if tensor.dim() else tensor)
            array._tensor, array._ctx = tensor, contexts.of_device(tensor.device)
            self._arrays = [array]
            if self._grad_req is not None:
                self._attach()
        return self._arrays

    @_data.setter
    def _data(self, arrays):
        self._arrays = arrays

    def initialize(self, init=None, ctx=None, default_init=None, force_reinit=False):
        """Leave the values that the module made for itself, unless `force_reinit`, and put them on a context."""
        if ctx is not None:
            self.reset_ctx(ctx)
        if force_reinit:
            default_init = initializer.Uniform() if default_init is None else default_init
            initializer.fill(
                initializer.InitDesc(self.name, {"__init__": init} if init is not None else {}),
                self._data[0],
                default_init,
            )

    def reset_ctx(self, ctx):
        """Move the tensor.

        Raises ValueError for several contexts: the module has one tensor.
        """
        ctx = _as_contexts(ctx)
        if len(ctx) > 1:
            raise ValueError(
                explain(
                    f"Parameter '{self.name}' belongs to a {type(self._module).__name__}, which lives on one device",
                    expected="one context",
                    given=str(ctx),
                )
            )
        tensor = self._read()
        tensor.data = tensor.detach().to(ctx[0].torch_device())
        self._arrays = None
        if self._data[0].context != ctx[0]:
            self._arrays[0]._ctx = ctx[0]

    def set_data(self, data):
        """Set the values from an array.

        Raises AssertionError for an array of another shape.
        """
        if self._read().dim():
            super().set_data(data)
        else:
            self.shape = data.shape
            with torch.no_grad():
                self._read().copy_(data._tensor.reshape(()))

    def _change_dtype(self, dtype):
        tensor = self._read()
        tensor.data = tensor.detach().to(torch_dtype(dtype))
        self._arrays = None

    def __getstate__(self):
        return {**self.__dict__, "_arrays": None}

    def __setstate__(self, state):
        self.__dict__.update(state)


class _Adapter:
    """What adapters of both kinds of block share."""

    def __init__(self, module):
        fields = {"_foreign": module, "_complete": False, "_attached": True}
        # Before the base's constructor: it asks for the alias, which is the module's.
        object.__setattr__(self, "_alias_of", type(module).__name__.lower())
        super().__init__()
        self.__dict__.update(fields)
        self._modules["module"] = module
        self._find_parameters()

    def _alias(self):
        return self.__dict__["_alias_of"]

    def __repr__(self):
        return repr(self._foreign)

    def __getattr__(self, key):
        try:
            return super().__getattr__(key)
        except AttributeError:
            if "_foreign" not in self.__dict__:
                raise
            return getattr(self._foreign, key)

    @property
    def params(self):
        """The module's tensors as parameters, those that are there by now."""
        self._find_parameters()
        return self._params

    def _collect_params_with_prefix(self, prefix=""):
        self._find_parameters()
        return super()._collect_params_with_prefix(prefix)

    def _find_parameters(self):
        """Take up the module's tensors; `_complete` says whether more may come."""
        complete, order = True, []
        for path, module in self._foreign.named_modules():
            complete = complete and getattr(module, "built", True)
            holders = module.__dict__.get("_holders", {})
            for key in [*module._parameters, *module._buffers]:
                name = f"{path}.{key}" if path else key
                tensor = module._parameters.get(key, module._buffers.get(key))
                if tensor is None:
                    continue
                order.append(name)
                if name in self._reg_params:
                    continue
                if is_lazy(tensor):
                    complete = False
                    continue
                parameter = holders.get(key)
                if not isinstance(parameter, Parameter):
                    parameter = ForeignParameter(self.prefix + name.replace(".", "_"), module, key)
                self._reg_params[name] = parameter
                self._params._params[parameter.name] = parameter
            complete = complete and all(holder.tensor is not None for holder in holders.values())
        for name in [name for name in self._reg_params if name not in order]:
            # The module has it no longer: `torch.nn.utils.parametrize` puts others in its place.
            del self._params._params[self._reg_params.pop(name).name]
        # In the module's order, whenever they came.
        for name in [name for name in order if name in self._reg_params]:
            parameter = self._reg_params[name] = self._reg_params.pop(name)
            self._params._params[parameter.name] = self._params._params.pop(parameter.name)
        self.__dict__["_complete"] = complete
        self._params._growing = [] if complete else [self]

    def forward(self, *args, **kwargs):
        """Calls the module with the arrays' tensors."""
        module = self._foreign
        if not self._attached:
            self._attach()
        if isinstance(module, Module):
            outputs = module(*args, **kwargs)
        else:

            def call(*args, **kwargs):
                return call_plain(module, bool(scope.is_training()), args, kwargs)

            outputs = call_with_arrays(call, args, kwargs)
        if not self._complete and not graph.on_meta():
            self._find_parameters()
            self._attach()
        return outputs

    def _attach(self):
        """Have gradients computed for all parameters."""
        for parameter in self._reg_params.values():
            parameter._data  # noqa: B018
        self.__dict__["_attached"] = True

    def cast(self, dtype):
        """Change the dtype of the module's floating point tensors."""
        self._foreign.to(torch_dtype(dtype))

    def hybridize(self, active=True, **kwargs):
        """The module runs inside the recording of what it stands in: there is nothing to do."""

    def __setstate__(self, state):
        self.__dict__.update(state, _attached=False)


class ForeignBlock(_Adapter, Block):
    """A module of another kind as a `Block`."""


class ForeignHybridBlock(_Adapter, HybridBlock):
    """A module of another kind as a `HybridBlock`."""


def adopt(module, parent):
    """A block that stands for a torch module or Keras layer.

    Raises ValueError for what is no module.
    """
    if isinstance(module, torch.nn.Module):
        return ForeignBlock(module)
    raise ValueError(
        explain(
            f"Children of {type(parent).__name__} must be blocks",
            expected="a Block, a torch.nn.Module or a Keras layer",
            given=f"{module!r} of type {type(module)}",
        )
    )


def adopt_hybrid(module, parent):
    """A HybridBlock that stands for a torch module or Keras layer.

    Raises ValueError for a Block, whose computation cannot be recorded, and for what is no module.
    """
    if isinstance(module, torch.nn.Module) and not isinstance(module, Block):
        return ForeignHybridBlock(module)
    raise ValueError(
        explain(
            f"Children of HybridBlock must also be HybridBlock, but {module!r} has type {type(module)}",
            hint="If you are using Sequential, please try HybridSequential instead.",
        )
    )
