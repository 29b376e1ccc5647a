"""`Layer`: the base of all of Keras's layers, a `torch.nn.Module` that is built from its first input."""

import functools
import threading
import warnings

import torch

from tandem.core import arrays, dtypes, graph, scope
from tandem.core.errors import explain
from tandem.core.module import Holder, Module, call_with_arrays
from tandem.keras import dtype_policies, naming, tensors, variables
from tandem.keras.layers import input_spec, signature, tracking
from tandem.keras.layers.configurable import Configurable
from tandem.keras.layers.weights import Weights
from tandem.keras.symbolic import KerasTensor, Operation, add_node, as_specs, check_name
from tandem.keras.variables import Variable

_Tensor, _Parameter = torch.Tensor, torch.nn.Parameter


class _Calls(threading.local):
    entry = None  # the outermost layer that is being called in this thread


_calls = _Calls()


def _outermost(build):
    """Wrap a class's `build`: only the outermost of nested `super().build()` calls finishes the building."""

    @functools.wraps(build)
    def wrapper(self, *args, **kwargs):
        if self.__dict__.get("_building"):
            return build(self, *args, **kwargs)
        self._check_super_called()
        self.__dict__["_building"] = True
        try:
            with naming.name_scope(self.name, caller=self):
                self.__dict__["_path"] = naming.current_path()
                result = build(self, *args, **kwargs)
        finally:
            self.__dict__["_building"] = False
        self._built_from(build, args, kwargs)
        return result

    wrapper.wraps_build = True
    return wrapper


class Layer(Weights, Configurable, Module, Operation):
    """A function of tensors with weights.

    A subclass makes its weights in `build(input_shape)` with `add_weight` and computes in `call(inputs, …)`. Calling the
    layer on tensors or arrays computes; on `KerasTensor`s it adds a node to a functional model.

    activity_regularizer: penalty of the output; trainable: whether the weights learn; dtype: a dtype, or the name of a
    `DTypePolicy`; autocast: whether floating point inputs are cast to the compute dtype; name: unique in a model.
    input_shape, input_dim, batch_input_shape, batch_size: the shape that a `Sequential` begins with.
    """

    _facts = None
    _allow_non_tensor_positional_args = False

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        build = cls.__dict__.get("build")
        if build is not None and not getattr(build, "wraps_build", False):
            cls.build = _outermost(build)

    def __init__(self, *, activity_regularizer=None, trainable=True, dtype=None, autocast=True, name=None, **kwargs):
        self._input_shape_given = _given_shape(kwargs)
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to {type(self).__name__}: {kwargs}")
        check_name(name, self)
        Module.__init__(self)
        cls = type(self)
        if "_facts" not in cls.__dict__:
            cls._facts = signature.CallFacts(cls)
        from tandem.keras import regularizers

        own = self.__dict__
        own["name"] = str(name) if name else naming.auto_name(cls.__name__)
        own["_inbound_nodes"] = []
        own["activity_regularizer"] = regularizers.get(activity_regularizer)
        own["_trainable"] = bool(trainable)
        own["autocast"] = autocast
        own["built"] = False
        own["_locked"] = False
        own["_path"] = None
        own["_build_shapes"] = None
        own["_input_spec"] = None
        own["supports_masking"] = cls.compute_mask is not Layer.compute_mask
        own["supports_jit"] = True
        own["_layers"] = []
        own["_trainable_variables"] = []
        own["_non_trainable_variables"] = []
        own["_seed_generators"] = []
        own["_metrics"] = []
        own["_losses"] = []
        self.dtype_policy = dtype

    # --- names and dtypes ------------------------------------------------------------------------------------------
    @property
    def path(self):
        """The names of the layers around this one when it was built, and its own, joined by "/"; None before."""
        return self._path

    @property
    def dtype_policy(self):
        """The policy: what variables are stored in, and what is computed in."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value):
        own = self.__dict__
        policy = own["_dtype_policy"] = dtype_policies.get(value)
        compute = dtypes.torch_dtype(policy.compute_dtype)
        own["_cast_to"] = compute if self.autocast and compute.is_floating_point else None
        own["_autocast_to"] = compute if self.autocast and policy.compute_dtype != policy.variable_dtype else None

    @property
    def dtype(self):
        """The name of the dtype of the variables."""
        return self._dtype_policy.variable_dtype

    @property
    def variable_dtype(self):
        """The name of the dtype of the variables."""
        return self._dtype_policy.variable_dtype

    @property
    def compute_dtype(self):
        """The name of the dtype of the computation."""
        return self._dtype_policy.compute_dtype

    @property
    def input_dtype(self):
        """The name of the dtype that floating point inputs are cast to."""
        return self._dtype_policy.compute_dtype

    @property
    def quantization_mode(self):
        """None: the layer is not quantised."""
        return None

    @property
    def input_spec(self):
        """What the layer expects of its inputs: an `InputSpec`, a list or dict of them, or None."""
        return self._input_spec

    @input_spec.setter
    def input_spec(self, value):
        self.__dict__["_input_spec"] = value

    @property
    def call_signature_parameters(self):
        """The names of the parameters of `call`."""
        return list(self._facts.names)

    # --- owning things ---------------------------------------------------------------------------------------------
    def __setattr__(self, name, value):
        own = self.__dict__
        if "_layers" not in own:
            if isinstance(value, (Holder, torch.nn.Module)):
                self._check_super_called()
            object.__setattr__(self, name, value)
            return
        if isinstance(value, torch.nn.Module) and not isinstance(value, Layer):
            value = self._as_layer(value)
        old = own.get(name, own["_modules"].get(name))
        if old is not None and old is not value and isinstance(old, (Layer, Holder, list, dict)):
            self._untrack(old)
        if isinstance(value, (list, dict, tuple, set)):
            value = tracking.tracked(value, self, name)
            Module.mutations += 1
            object.__setattr__(self, name, value)
            return
        self._track(name, value)
        super().__setattr__(name, value)

    def __delattr__(self, name):
        self._untrack(getattr(self, name, None))
        super().__delattr__(name)

    def _as_layer(self, module):
        """A plain torch module as a layer, so that Keras sees its weights."""
        from tandem.keras.layers.torch_module import layer_for

        return layer_for(module)

    def _track(self, name, value):
        """Own `value` if it is a layer, variable, metric or random generator; `name` is its name in `state_dict`."""
        own = self.__dict__
        if isinstance(value, Layer):
            if not _contains(own["_layers"], value):
                self._check_unlocked()
                own["_layers"].append(value)
                if not _contains(self._modules.values(), value):
                    self._modules[_free(name, self._modules)] = value
        elif isinstance(value, Variable):
            kind = "_trainable_variables" if value.trainable else "_non_trainable_variables"
            if _contains(own["_trainable_variables"], value) or _contains(own["_non_trainable_variables"], value):
                self._rename(name, value)
            else:
                self._check_unlocked()
                own[kind].append(value)
                self._register(_free(name, {**self._parameters, **self._buffers}), value)
        elif hasattr(value, "update_state") and hasattr(value, "reset_state"):
            if not _contains(own["_metrics"], value):
                own["_metrics"].append(value)
        elif getattr(value, "is_seed_generator", False) and not _contains(own["_seed_generators"], value):
            self._check_unlocked()
            own["_seed_generators"].append(value)

    def _register(self, name, variable):
        """Show the variable's tensor under `name` in `state_dict`, without an attribute."""
        self.__dict__.setdefault("_holders", {})[name] = variable
        variable.__dict__.setdefault("_owners", []).append((self, name))
        self._register_tensor(name, variable)

    def _rename(self, name, variable):
        holders = self.__dict__.get("_holders", {})
        for old in [key for key, held in holders.items() if held is variable and key != name]:
            del holders[old]
            self._parameters.pop(old, None)
            self._buffers.pop(old, None)
            variable._owners = [pair for pair in variable._owners if pair != (self, old)]

    def _untrack(self, value):
        own = self.__dict__
        if isinstance(value, (list, tuple)):
            for item in value:
                self._untrack(item)
        elif isinstance(value, dict):
            for item in value.values():
                self._untrack(item)
        elif isinstance(value, Layer):
            own["_layers"][:] = [layer for layer in own["_layers"] if layer is not value]
            for name in [name for name, module in self._modules.items() if module is value]:
                del self._modules[name]
        elif isinstance(value, Variable):
            for kind in ("_trainable_variables", "_non_trainable_variables"):
                own[kind][:] = [variable for variable in own[kind] if variable is not value]
            self._rename(None, value)

    def _check_unlocked(self):
        if self._locked:
            raise ValueError(
                "You cannot add new elements of state (variables or sub-layers) to a layer that is already built. All "
                "state must be created in the `__init__()` method or in the `build()` method. "
                f"(Layer '{self.name}' of type {type(self).__name__}.)"
            )

    def _check_super_called(self):
        if "_layers" not in self.__dict__:
            raise RuntimeError(
                f"In layer '{type(self).__name__}', you forgot to call `super().__init__()` as the first statement in "
                "the `__init__()` method. Go add it!"
            )

    def _flatten_layers(self, include_self=True, recursive=True):
        """This layer and those below it, each before its sublayers, each once."""
        found, seen = [], set()
        stack = [self] if include_self else list(reversed(self._layers))
        while stack:
            layer = stack.pop()
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            found.append(layer)
            if recursive or layer is self:
                stack.extend(reversed(layer._layers))
        return found

    @classmethod
    def _count_mutation(cls):
        Module.mutations += 1

    def __setstate__(self, state):
        super().__setstate__(state)
        cls = type(self)
        if "_facts" not in cls.__dict__:
            cls._facts = signature.CallFacts(cls)
        # A copied variable knows its owners again: each owner brings itself back.
        for name, variable in self.__dict__.get("_holders", {}).items():
            owners = variable.__dict__.setdefault("_owners", [])
            if not any(owner is self and key == name for owner, key in owners):
                owners.append((self, name))

    # --- building --------------------------------------------------------------------------------------------------
    def build(self, input_shape):
        """Make the weights for inputs of `input_shape` (a tuple, or the shapes of several inputs)."""
        self.__dict__["built"] = True

    build = _outermost(build)

    def _built_from(self, build, args, kwargs):
        """What is done after the outermost `build`: remember the shapes, close the layer to new weights."""
        own = self.__dict__
        try:
            import inspect

            bound = inspect.signature(build).bind(self, *args, **kwargs).arguments
            shapes = {key: value for key, value in list(bound.items())[1:]}
            own["_build_shapes"] = shapes if len(shapes) != 1 else {"input_shape": next(iter(shapes.values()))}
        except TypeError:  # a build(*args): nothing to remember
            own["_build_shapes"] = None
        own["built"] = True
        own["_locked"] = True

    def get_build_config(self):
        """The shapes that the layer was built from, or None."""
        return self._build_shapes

    def build_from_config(self, config):
        """Build from the shapes that `get_build_config` gave."""
        if not config:
            return
        if "input_shape" in config and len(config) == 1:
            self.build(_tuples(config["input_shape"]))
        elif "shapes_dict" in config:
            self.build(**{key: _tuples(value) for key, value in config["shapes_dict"].items()})
        else:
            self.build(**{key: _tuples(value) for key, value in config.items()})

    def _maybe_build(self, args, kwargs):
        facts = self._facts
        shapes = {}
        for name, value in facts.bind(args, kwargs).items():
            shape = signature.shape_tree(value)
            if shape is not None:
                shapes[name] = shape
        if type(self).build is not Layer.build:
            self.build(**signature.build_arguments(type(self).build.__get__(self), shapes))
            if not self.built:
                self.__dict__["built"] = True
            return
        # Sublayers are built by the call itself.
        with naming.name_scope(self.name, caller=self):
            self.__dict__["_path"] = naming.current_path()
        self._built_from(Layer.build, (next(iter(shapes.values()), None),), {})

    # --- calling ---------------------------------------------------------------------------------------------------
    def call(self, *args, **kwargs):
        """The computation, on tensors. A subclass gives it."""
        raise NotImplementedError(f"Layer {type(self).__name__} does not have a `call` method implemented.")

    def forward(self, *args, **kwargs):
        """What `layer(…)` does: convert the arguments, build the weights, hand masks and the training flag on, compute."""
        cast = self._cast_to
        for value in args:
            kind = type(value)
            if (kind is not _Tensor and kind is not _Parameter) or (
                value.dtype is not cast and cast is not None and value.is_floating_point()
            ):
                break
        else:
            if not kwargs:
                return self._run(args, kwargs)
        leaves = arrays.leaves((args, kwargs))
        for leaf in leaves:
            if isinstance(leaf, graph.Symbolic):
                return self._symbolic(args, kwargs)
        for leaf in leaves:
            if isinstance(leaf, arrays.Array):
                return call_with_arrays(self.forward, args, kwargs)
        return self._run(*self._converted(args, kwargs))

    def _converted(self, args, kwargs):
        cast = self._cast_to
        args, kwargs = arrays.map_tree(lambda leaf: tensors.convert_input(leaf, cast), (args, kwargs))
        if not self._allow_non_tensor_positional_args:
            for leaf in arrays.leaves(args):
                if not isinstance(leaf, (torch.Tensor, graph.Symbolic)):
                    raise ValueError(
                        "Only input tensors may be passed as positional arguments. The following argument value should "
                        f"be passed as a keyword argument: {leaf} (of type {type(leaf)})"
                    )
        return args, kwargs

    def _run(self, args, kwargs):
        """The call proper, on tensors of the right dtypes."""
        facts = self._facts
        own = self.__dict__
        given = self._training_given(facts, args, kwargs)
        before_training, before_entry = scope.is_training(), _calls.entry
        if given is not None and given is not before_training:
            scope.set_training(given)
        if before_entry is None:
            _calls.entry = self
            if Layer._losses_are_used:
                self._clear_losses()
        before_names = None
        if "_settled" not in own:
            before_names = naming.push(self)
        try:
            if not own["built"]:
                self._maybe_build(args, kwargs)
            if own["_input_spec"] is not None:
                input_spec.check(own["_input_spec"], args[0] if args else facts.first_of(kwargs), self.name)
            masks = self._masks(facts, args, kwargs)
            if own["_autocast_to"] is None:
                outputs = self.call(*args, **kwargs)
            else:
                with variables.autocast(own["_autocast_to"]):
                    outputs = self.call(*args, **kwargs)
            if own["activity_regularizer"] is not None:
                for output in arrays.leaves(outputs):
                    # The mean over the batch, as Keras has it.
                    self.add_loss(own["activity_regularizer"](output) / max(output.shape[0], 1))
            if masks is not None or type(self).compute_mask is not Layer.compute_mask:
                self._hand_on(masks, args, kwargs, outputs)
        finally:
            if before_names is not None:
                naming.pop(before_names)
                if all(layer.built for layer in self._flatten_layers()):
                    own["_settled"] = True
            _calls.entry = before_entry
            if scope.is_training() is not before_training:
                scope.set_training(before_training)
        return outputs

    def _training_given(self, facts, args, kwargs):
        """Resolve the training flag: put it into `kwargs` where `call` takes it; returns what sublayers are to see."""
        if facts.training_index is not None and len(args) > facts.training_index:
            return args[facts.training_index]
        given = kwargs.pop("training", None) if kwargs else None
        if not facts.has_training:
            return given
        if given is None:
            flag = scope.is_training()
            if flag is None:
                flag = self._mode
                if flag is None:
                    given = flag = facts.training_default
        else:
            flag = given
        if flag is not None:
            kwargs["training"] = flag
        return given

    def _masks(self, facts, args, kwargs):
        """The masks of the first argument (None where it has none), after filling the mask arguments of `call`."""
        first = args[0] if args else None
        if type(first) is _Tensor or type(first) is KerasTensor:
            masks = getattr(first, "_keras_mask", None)
            if len(args) == 1 and not kwargs:
                if masks is not None and facts.has_mask:
                    kwargs["mask"] = masks
                return masks
        elif not args:
            first = facts.first_of(kwargs)
        masks = _mask_tree(first)
        bound = facts.bind(args, kwargs)
        if facts.has_mask or facts.mask_names:
            names = [name for name, value in bound.items() if name != "mask" and _has_values(value)]
            names = [name for name in names if not (name in facts.mask_names and name.removesuffix("_mask") in bound)]
            if len(names) == 1 and facts.has_mask and bound.get("mask") is None:
                mask = masks if names[0] == facts.first else _mask_tree(bound[names[0]])
                if mask is not None and (facts.mask_index is None or len(args) <= facts.mask_index):
                    kwargs["mask"] = mask
            elif len(names) > 1:
                for name in names:
                    target = f"{name}_mask"
                    if target in facts.mask_names and bound.get(target) is None:
                        mask = _mask_tree(bound[name])
                        if mask is not None:
                            kwargs[target] = mask
        return masks

    def _hand_on(self, masks, args, kwargs, outputs):
        """Let the output masks travel with the outputs."""
        if not self.supports_masking:
            if masks is not None:
                warnings.warn(
                    f"Layer '{self.name}' (of type {type(self).__name__}) was passed an input with a mask attached to "
                    "it. However, this layer does not support masking and will therefore destroy the mask information. "
                    "Downstream layers will not see the mask.",
                    stacklevel=3,
                )
            return
        values = arrays.leaves(outputs)
        if values and all(getattr(value, "_keras_mask", None) is not None for value in values):
            return
        new = self.compute_mask(args[0] if args else self._facts.first_of(kwargs), masks)
        if new is None:
            return
        for value, mask in zip(values, _flat_masks(new)):
            if mask is not None and getattr(value, "_keras_mask", None) is None:
                tensors.set_mask(value, mask)

    def compute_mask(self, inputs, previous_mask):
        """The mask of the outputs: by default that of the inputs."""
        return previous_mask

    # --- losses ----------------------------------------------------------------------------------------------------
    _losses_are_used = False

    def add_loss(self, loss):
        """Add a scalar tensor (or several in a list) to `losses`, for this call. Raises ValueError for what is no tensor."""
        for value in loss if isinstance(loss, (list, tuple)) else [loss]:
            if not tensors.is_tensor(value):
                raise ValueError(
                    "`add_loss()` can only be called from inside `build()` or `call()`, on a tensor input. "
                    f"Received invalid value: {value}"
                )
            Layer._losses_are_used = True
            self._losses.append(value)

    def _clear_losses(self):
        for layer in self._flatten_layers():
            layer._losses.clear()

    # --- symbolic calls --------------------------------------------------------------------------------------------
    def _symbolic(self, args, kwargs):
        facts = self._facts
        args, kwargs = self._converted(args, dict(kwargs))
        explicit = {key for key, value in kwargs.items() if value is not None or key not in ("training", "mask")}
        training = self._training_given(facts, args, kwargs)
        names = naming.push(self)
        try:
            if not self.built:
                self._maybe_build(args, kwargs)
            if self.input_spec is not None:
                input_spec.check(self.input_spec, args[0] if args else facts.first_of(kwargs), self.name)
            masks = self._masks(facts, args, kwargs)
            with scope.training(training) if training is not None else scope.training(scope.is_training()):
                spec = self.compute_output_spec(*args, **kwargs)
            # Masks and flags that came along by themselves do so again when the graph runs: they are for show only.
            outputs = add_node(self, args, {key: kwargs[key] for key in kwargs if key in explicit}, spec)
            values = graph.symbolics(outputs)
            if values and values[0].node is not None:
                values[0].node.shown_kwargs = kwargs
            if masks is not None or type(self).compute_mask is not Layer.compute_mask:
                self._hand_on(masks, args, kwargs, outputs)
        finally:
            naming.pop(names)
        return outputs

    def symbolic_call(self, *args, **kwargs):
        """Add a node to the graph of the arguments, KerasTensors; returns its outputs."""
        return self._symbolic(args, kwargs)

    def compute_output_spec(self, *args, **kwargs):
        """The shapes and dtypes of the outputs for KerasTensors, as KerasTensors of no graph."""
        if type(self).compute_output_shape is not Layer.compute_output_shape:
            shape = self.compute_output_shape(signature.shape_tree(args[0] if args else self._facts.first_of(kwargs)))
            return _spec_of(shape, self.compute_dtype)
        return self._infer(args, kwargs)

    def _infer(self, args, kwargs):
        """Run `call` on the meta device."""
        cast = self._cast_to

        def with_dtype(leaf):
            if cast is not None and isinstance(leaf, graph.Symbolic) and dtypes.is_float(leaf.dtype):
                return graph.Symbolic(leaf.shape, cast)
            return leaf

        def traced(*args, **kwargs):
            before, _calls.entry = _calls.entry, _calls.entry or self
            try:
                with variables.autocast(self._autocast_to):
                    return self.call(*args, **kwargs)
            finally:
                _calls.entry = before
                if before is None and Layer._losses_are_used:
                    self._clear_losses()

        args, kwargs = arrays.map_tree(with_dtype, (args, kwargs))
        return as_specs(graph.infer(traced, args, kwargs))

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape` (a tuple with None for unknown sizes, or several)."""
        layer = self
        if not self.built and (type(self).build is not Layer.build or self._layers):
            layer = type(self).from_config(self.get_config())
            layer.build(input_shape)
        spec = layer._infer((_spec_of(input_shape, layer.compute_dtype, symbolic=True),), {})
        return arrays.map_tree(lambda leaf: leaf.shape if isinstance(leaf, graph.Symbolic) else leaf, spec)

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    def __str__(self):
        return repr(self)


def _given_shape(kwargs):
    """The batch shape that Keras 1 and 2 gave to a model's first layer, taken out of `kwargs`."""
    batch = kwargs.pop("batch_size", None) if "input_shape" in kwargs or "input_dim" in kwargs else None
    if "batch_input_shape" in kwargs:
        return tuple(kwargs.pop("batch_input_shape"))
    if "input_shape" in kwargs:
        shape = kwargs.pop("input_shape")
        return None if shape is None else (batch, *((shape,) if isinstance(shape, int) else shape))
    if "input_dim" in kwargs:
        size = kwargs.pop("input_dim")
        return None if size is None else (batch, size)
    return None


def _contains(things, wanted):
    return any(thing is wanted for thing in things)


def _free(name, taken):
    """`name` made fit for torch's registries, and numbered where it is taken."""
    name = str(name).replace(".", "_").replace("/", "_") or "unnamed"
    candidate, number = name, 0
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def _tuples(shape):
    """Shapes as JSON leaves them, with tuples for the innermost lists."""
    if isinstance(shape, dict):
        return {key: _tuples(value) for key, value in shape.items()}
    if isinstance(shape, (list, tuple)):
        if all(size is None or isinstance(size, int) for size in shape):
            return tuple(shape)
        return [_tuples(item) for item in shape]
    return shape


def _mask_tree(value):
    """The masks of a tree of tensors in the same structure, or None where none has one."""
    if isinstance(value, (torch.Tensor, graph.Symbolic)):
        return getattr(value, "_keras_mask", None)
    if isinstance(value, (list, tuple, dict)):
        items = value.values() if isinstance(value, dict) else value
        masks = [_mask_tree(item) for item in items]
        if all(mask is None for mask in masks):
            return None
        return dict(zip(value, masks)) if isinstance(value, dict) else masks
    return None


def _flat_masks(tree):
    if isinstance(tree, dict):
        return [mask for item in tree.values() for mask in _flat_masks(item)]
    if isinstance(tree, (list, tuple)):
        return [mask for item in tree for mask in _flat_masks(item)]
    return [tree]


def _has_values(value):
    return any(isinstance(leaf, (torch.Tensor, graph.Symbolic)) for leaf in arrays.leaves(value))


def _spec_of(shape, dtype, symbolic=False):
    """Values without a graph for one shape or a structure of shapes."""
    if isinstance(shape, dict):
        return {key: _spec_of(value, dtype, symbolic) for key, value in shape.items()}
    if isinstance(shape, (list, tuple)) and (not shape or all(size is None or isinstance(size, int) for size in shape)):
        return graph.Symbolic(shape, dtype) if symbolic else KerasTensor(shape, dtype, name="spec")
    if isinstance(shape, (list, tuple)):
        return [_spec_of(item, dtype, symbolic) for item in shape]
    raise ValueError(explain("Not a shape", expected="a tuple of sizes, or a list or dict of such", given=repr(shape)))
