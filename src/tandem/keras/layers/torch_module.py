"""Plain torch modules (and Gluon blocks) as Keras layers."""

import weakref

import torch
from torch.utils._python_dispatch import _disable_current_modes

from tandem.core import arrays, devices, dtypes, graph
from tandem.core.errors import Unsupported, explain
from tandem.core.module import Module, call_plain
from tandem.keras import naming
from tandem.keras.layers.base import Layer
from tandem.keras.layers.signature import shape_tree
from tandem.keras.symbolic import KerasTensor
from tandem.keras.variables import Variable

# What a module was wrapped in, and the variables made for its tensors, while those live. A module that stands in two
# places is one layer, and a tensor one variable. They are not kept in the module itself, which may be pickled.
_layers = weakref.WeakValueDictionary()
_variables = weakref.WeakValueDictionary()

# Sizes that stand in for unknown ones when a module is run once to make its parameters: the batch's and any other.
_BATCH, _SIZE = 2, 64


class BoundVariable(Variable):
    """A variable whose tensor is a plain module's own: whatever the module does with it is seen here."""

    def __init__(self, module, key, kind, name):
        self._module = module
        self._key = key
        self._kind = kind  # "_parameters" or "_buffers"
        tensor = self.tensor
        self.is_parameter = kind == "_parameters"
        self._name = name
        parent = naming.current_path()
        self._path = f"{parent}/{name}" if parent else name
        self._trainable = bool(tensor.requires_grad)
        self._autocast = True
        self._aggregation = "none"
        self._synchronization = "auto"
        self._initializer = None
        self.regularizer = None
        self.constraint = None
        self.overwrite_with_gradient = False

    @property
    def tensor(self):
        """The module's tensor. Setting it puts another one into the module."""
        return getattr(self._module, self._kind)[self._key]

    @tensor.setter
    def tensor(self, tensor):
        self.bind(tensor)

    @property
    def trainable(self):
        """Whether optimizers change it: whether torch computes gradients for the tensor, whoever said so."""
        return self.is_parameter and self.tensor.requires_grad

    @trainable.setter
    def trainable(self, value):
        holder = self._holder()
        if holder is not None:
            holder.learns = bool(value)
        elif self.is_parameter:
            self.tensor.requires_grad_(bool(value))

    def _holder(self):
        """What a module of ours (a Gluon block) holds the tensor by, or None."""
        return self._module.__dict__.get("_holders", {}).get(self._key)

    @property
    def _dtype(self):
        return dtypes.dtype_name(self.tensor.dtype)

    @property
    def _floating(self):
        return self.tensor.is_floating_point()

    def bind(self, tensor):
        """Put `tensor` into the module."""
        holder = self._holder()
        if holder is not None:
            holder.bind(tensor)
        else:
            getattr(self._module, self._kind)[self._key] = tensor


class TorchModuleWrapper(Layer):
    """A plain `torch.nn.Module` as a layer: its parameters are the layer's weights, its buffers its other state.

    module: the module, which is put into training or inference mode as the model is called; output_shape: the output's
    shape, for where running the module on torch's meta device cannot find it.
    Raises TypeError for what is no module.
    """

    def __init__(self, module, name=None, output_shape=None, **kwargs):
        super().__init__(name=name, **kwargs)
        if not isinstance(module, torch.nn.Module):
            raise TypeError(
                explain("TorchModuleWrapper wraps modules", expected="a torch.nn.Module", given=f"module={module!r}")
            )
        if not isinstance(module, Module):
            module.to(devices.default())
        self._modules["module"] = module
        self._given_output_shape = output_shape
        _layers[id(module)] = self
        self._find_variables()
        if not self._is_lazy():
            self.__dict__["built"] = True
            self.__dict__["_path"] = self.name

    def _is_lazy(self):
        """Whether some of the module's parameters come with its first call."""
        for module in self.module.modules():
            holders = module.__dict__.get("_holders", {})
            if any(holder.tensor is None for holder in holders.values()) or not getattr(module, "built", True):
                return True
            tensors = (*module._parameters.values(), *module._buffers.values())
            if any(torch.nn.parameter.is_lazy(tensor) for tensor in tensors if tensor is not None):
                return True
        return False

    def _find_variables(self):
        """Make variables of the module's tensors, in the module's order."""
        learned, others, seen = [], [], set()
        with naming.name_scope(self.name, caller=self):
            for prefix, module in self.module.named_modules():
                for kind, variables in (("_parameters", learned), ("_buffers", others)):
                    for key, tensor in getattr(module, kind).items():
                        if tensor is None or id(tensor) in seen or torch.nn.parameter.is_lazy(tensor):
                            continue
                        seen.add(id(tensor))
                        variables.append(self._variable(module, key, kind, f"{prefix}.{key}" if prefix else key))
        self._trainable_variables[:], self._non_trainable_variables[:] = learned, others

    def _variable(self, module, key, kind, name):
        variable = _variables.get((id(module), kind, key))
        if variable is None:
            variable = _variables[id(module), kind, key] = BoundVariable(module, key, kind, name)
            if not self.trainable:
                variable.trainable = False
        return variable

    def _maybe_build(self, args, kwargs):
        # What is not known of the first arguments from their shapes alone: their dtypes.
        self.__dict__["_first"] = args, {key: value for key, value in kwargs.items() if key != "training"}
        try:
            self.build(shape_tree(args[0] if len(args) == 1 else args))
        finally:
            del self.__dict__["_first"]

    def build(self, input_shape):
        """Run a module whose parameters come with its first call once, on zeros, and find its variables."""
        if self._is_lazy():
            args, kwargs = self.__dict__.get("_first") or ((_symbolic(input_shape, self.compute_dtype),), {})
            device = devices.default()
            args, kwargs = arrays.map_tree(lambda leaf: _zeros(leaf, device), (args, kwargs))
            with _disable_current_modes(), torch.no_grad():
                call_plain(self.module, False, args, kwargs)
        self._find_variables()

    def call(self, *args, training=None, **kwargs):
        """The module's outputs."""
        module = self.module
        if graph.on_meta() and not isinstance(module, Module):
            # Torch compares the devices of some modules' weights and inputs before an operation reaches us.
            weights = {name: tensor.to("meta") for name, tensor in module.state_dict(keep_vars=True).items()}
            return torch.func.functional_call(module, weights, args, kwargs)
        outputs = call_plain(module, self.is_training(training), args, kwargs)
        if "_complete" not in self.__dict__:
            self._find_variables()
            self.__dict__["_complete"] = not self._is_lazy()
        return outputs

    def compute_output_spec(self, *args, **kwargs):
        """The shapes and dtypes of the outputs for KerasTensors."""
        shape = self._given_output_shape
        if shape is None:
            return self._infer(args, kwargs)
        return KerasTensor(shape, self.compute_dtype, name="spec")

    def get_config(self):
        """Not supported: the module's class and weights would have to be pickled into the config."""
        raise Unsupported(
            f"The layer '{self.name}' wraps a {type(self.module).__name__}, which has no config. "
            "Build the model again in code, and keep its weights with `torch.save(model.state_dict(), path)`."
        )

    @classmethod
    def from_config(cls, config):
        """Only for a config that holds the module itself: what a file pickled is not loaded."""
        if isinstance(config.get("module"), (str, bytes)):
            raise Unsupported("A pickled torch module is not loaded: unpickling runs code that the file brings.")
        return super().from_config(config)


def layer_for(operation):
    """The layer that stands for `operation`, a plain module (or block) that was called on symbolic values."""
    if not isinstance(operation, torch.nn.Module):
        raise TypeError(
            explain(
                "This operation cannot be part of a Keras model",
                expected="a layer, a Gluon block or a torch.nn.Module",
                given=repr(operation),
            )
        )
    layer = _layers.get(id(operation))
    if layer is None:
        name = getattr(operation, "name", None)
        layer = TorchModuleWrapper(operation, name=name if isinstance(name, str) and "/" not in name else None)
    layer._find_variables()
    return layer


def _symbolic(shape, dtype):
    """Values of some shapes, without sizes that are not known."""
    if isinstance(shape, dict):
        return {key: _symbolic(value, dtype) for key, value in shape.items()}
    if isinstance(shape, list):
        return [_symbolic(value, dtype) for value in shape]
    return graph.Symbolic(shape, dtype)


def _zeros(leaf, device):
    """Zeros of the shape of a tensor or symbolic value."""
    if not isinstance(leaf, (torch.Tensor, graph.Symbolic)):
        return leaf
    unknown = (None, *graph._TRIAL_SIZES) if isinstance(leaf, graph.Symbolic) or leaf.is_meta else (None,)
    sizes = [size if size not in unknown else _SIZE if axis else _BATCH for axis, size in enumerate(leaf.shape)]
    return torch.zeros(sizes, dtype=dtypes.torch_dtype(leaf.dtype), device=device)
