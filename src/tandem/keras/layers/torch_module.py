"""Plain torch modules (and Gluon blocks) as Keras layers."""

import weakref

import torch
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import _disable_current_modes

from tandem.core import devices, dtypes, graph
from tandem.core.errors import Unsupported, explain
from tandem.core.module import Module, call_plain
from tandem.keras import naming, tensors
from tandem.keras.layers.base import Layer
from tandem.keras.layers.signature import shape_tree
from tandem.keras.symbolic import KerasTensor, as_specs
from tandem.keras.variables import Variable

# What a module was wrapped in, and the variables made for its tensors, while those live. A module that stands in two
# places is one layer, and a tensor one variable. They are not kept in the module itself, which may be pickled.
_layers = weakref.WeakValueDictionary()
_variables = weakref.WeakValueDictionary()


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
        return getattr(self._module, self._kind).get(self._key)

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
        self.__dict__["_known"] = {}
        _layers[id(module)] = self
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
            if any(is_lazy(tensor) for tensor in tensors if tensor is not None):
                return True
        return False

    # The module is its own and may change: what it has is looked up each time.
    @property
    def _trainable_variables(self):
        """Variables for the module's parameters, in its order."""
        return self._look_up("_parameters")

    @property
    def _non_trainable_variables(self):
        """Variables for the module's buffers."""
        return self._look_up("_buffers")

    def _look_up(self, kind):
        if "module" not in self._modules:
            return []
        found, seen = [], set()
        with naming.name_scope(self.name, caller=self):
            for prefix, module in self.module.named_modules():
                for key, tensor in getattr(module, kind).items():
                    if tensor is None or id(tensor) in seen or is_lazy(tensor):
                        continue
                    seen.add(id(tensor))
                    found.append(self._variable(module, key, kind, f"{prefix}.{key}" if prefix else key))
        return found

    def _variable(self, module, key, kind, name):
        where = id(module), kind, key
        variable = _variables.get(where)
        if variable is None:
            variable = _variables[where] = BoundVariable(module, key, kind, name)
            if not self.trainable:
                variable.trainable = False
        self._known[where] = variable
        return variable

    def __setstate__(self, state):
        super().__setstate__(state)
        # A copy has a module of its own.
        _layers[id(self.module)] = self
        known = self.__dict__["_known"] = {(id(v._module), v._kind, v._key): v for v in self._known.values()}
        _variables.update(known)

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
            with _disable_current_modes(), torch.no_grad():
                args, kwargs = graph.zeros_like((args, kwargs), device=self._device())
                call_plain(self.module, False, args, kwargs)

    def _device(self):
        """Where the module's tensors are, those that come later too."""
        held = [*self.module.parameters(), *self.module.buffers()]
        return next((tensor.device for tensor in held if not is_lazy(tensor)), devices.default())

    def call(self, *args, training=None, **kwargs):
        """The module's outputs."""
        module = self.module
        if graph.on_meta() and not isinstance(module, Module):
            # Torch compares the devices of some modules' weights and inputs before an operation reaches us.
            held = [*module.named_parameters(), *module.named_buffers()]
            weights = {name: tensor.to("meta") for name, tensor in held}
            return torch.func.functional_call(module, weights, args, kwargs)
        return call_plain(module, self.is_training(training), args, kwargs)

    def compute_output_spec(self, *args, **kwargs):
        """The shapes and dtypes of the outputs for KerasTensors."""
        shape = self._given_output_shape
        if shape is not None:
            return KerasTensor(shape, self.compute_dtype, name="spec")
        try:
            return self._infer(args, kwargs)
        except Exception as on_meta:
            try:
                return as_specs(graph.infer_by_running(self._on_values, args, kwargs, device=self._device()))
            except Exception as error:
                raise ValueError(
                    explain(
                        f"The layer '{self.name}' ({type(self.module).__name__}) does not take such inputs",
                        expected="inputs on which the module runs",
                        given=f"{[value.shape for value in graph.symbolics(args, kwargs)]}: {error}",
                        hint="If it runs on real data only, give its result's shape: "
                        "TorchModuleWrapper(module, output_shape=...).",
                    )
                ) from on_meta

    def _on_values(self, *args, **kwargs):
        return call_plain(self.module, False, args, {key: kwargs[key] for key in kwargs if key != "training"})

    def save_own_variables(self, store):
        """Put the module's `state_dict` into the mapping `store`, by its keys, as Keras's files have it."""
        for key, value in self.module.state_dict().items():
            store[key] = value

    def load_own_variables(self, store):
        """Set the module's state from the mapping `store`. Raises RuntimeError where the keys or shapes differ."""
        self.module.load_state_dict({key: tensors.convert(store[key]) for key in list(store)})

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
    return layer


def _symbolic(shape, dtype):
    """Values of some shapes, without sizes that are not known."""
    if isinstance(shape, dict):
        return {key: _symbolic(value, dtype) for key, value in shape.items()}
    if isinstance(shape, list):
        return [_symbolic(value, dtype) for value in shape]
    return graph.Symbolic(shape, dtype)
