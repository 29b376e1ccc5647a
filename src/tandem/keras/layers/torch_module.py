"""Plain torch modules (and Gluon blocks) as Keras layers."""

import torch

from tandem.core.errors import Unsupported, explain
from tandem.core.module import call_plain
from tandem.keras import naming
from tandem.keras.layers.base import Layer
from tandem.keras.symbolic import KerasTensor
from tandem.keras.variables import Variable


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
        """The module's tensor."""
        return getattr(self._module, self._kind)[self._key]

    @property
    def _dtype(self):
        from tandem.core.dtypes import dtype_name

        return dtype_name(self.tensor.dtype)

    @property
    def _floating(self):
        return self.tensor.is_floating_point()

    def bind(self, tensor):
        """Put `tensor` into the module."""
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
        self._modules["module"] = module
        self._given_output_shape = output_shape
        self._find_variables()
        if not self._is_lazy():
            self.__dict__["built"] = True
            self.__dict__["_path"] = self.name

    def _is_lazy(self):
        """Whether the module's parameters come with its first call."""
        for module in self.module.modules():
            holders = module.__dict__.get("_holders", {})
            if any(holder.tensor is None for holder in holders.values()):
                return True
            tensors = (*module._parameters.values(), *module._buffers.values())
            if any(torch.nn.parameter.is_lazy(tensor) for tensor in tensors if tensor is not None):
                return True
        return False

    def _find_variables(self):
        """Make variables for those of the module's tensors that have none yet."""
        known = {(id(variable._module), variable._key) for variable in self._own()}
        with naming.name_scope(self.name, caller=self):
            for prefix, module in self.module.named_modules():
                for kind in ("_parameters", "_buffers"):
                    for key, tensor in getattr(module, kind).items():
                        if tensor is None or (id(module), key) in known or torch.nn.parameter.is_lazy(tensor):
                            continue
                        name = f"{prefix}.{key}" if prefix else key
                        variable = BoundVariable(module, key, kind, name)
                        if not self.trainable:
                            variable.trainable = False
                        learned = kind == "_parameters"
                        (self._trainable_variables if learned else self._non_trainable_variables).append(variable)

    def _own(self):
        return [*self._trainable_variables, *self._non_trainable_variables]

    def build(self, input_shape):
        """Run a module whose parameters come with its first call once, on zeros, and find its variables."""
        if self._is_lazy():
            self._first_run(input_shape)
        self._find_variables()

    def _first_run(self, input_shape):
        from torch.utils._python_dispatch import _disable_current_modes

        from tandem.core import devices

        def zeros(shape):
            if isinstance(shape, dict):
                return {key: zeros(value) for key, value in shape.items()}
            if isinstance(shape, list):
                return [zeros(value) for value in shape]
            return torch.zeros([2 if size is None else size for size in shape], device=devices.default())

        with _disable_current_modes(), torch.no_grad():
            call_plain(self.module, False, (zeros(input_shape),), {})

    def call(self, *args, training=None, **kwargs):
        """The module's outputs."""
        outputs = call_plain(self.module, self.is_training(training), args, kwargs)
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
    layer = operation.__dict__.get("_keras_layer")
    if layer is None:
        name = getattr(operation, "name", None)
        layer = TorchModuleWrapper(operation, name=name if isinstance(name, str) and "/" not in name else None)
        operation.__dict__["_keras_layer"] = layer
    layer._find_variables()
    return layer

