"""`Layer`: the base of all of Keras's layers, a `torch.nn.Module` that is built from its first input."""

import contextlib
import functools
import threading
import warnings

import torch

from tandem.core import arrays, devices, dtypes, graph, scope
from tandem.core.module import Module, call_with_arrays
from tandem.keras import dtype_policies, naming, tensors, variables
from tandem.keras.internals import remat
from tandem.keras.internals.rebinding import calling
from tandem.keras.internals.scopes import StatelessScope
from tandem.keras.layers import input_spec, signature
from tandem.keras.layers.configurable import Configurable
from tandem.keras.layers.ownership import Ownership
from tandem.keras.layers.policies import Policies
from tandem.keras.layers.structures import flat_masks, has_values, mask_tree, spec_of, tuples
from tandem.keras.layers.weights import Weights
from tandem.keras.legacy.closures import sees_symbols
from tandem.keras.legacy.layer_methods import LegacyLayer
from tandem.keras.symbolic import KerasTensor, Operation, add_node, as_specs, bound, check_name, with_values

_Tensor, _Parameter = torch.Tensor, torch.nn.Parameter


class _Calls(threading.local):
    entry = None  # the outermost layer that is being called in this thread
    building = False  # whether a `build` is under way


_calls = _Calls()


@contextlib.contextmanager
def inside(layer):
    """A block that counts as part of a call of `layer`."""
    before, _calls.entry = _calls.entry, _calls.entry or layer
    try:
        yield
    finally:
        _calls.entry = before


_here = scope.current


class _Checked:
    """The last input that was found to fit: of an object, so that remembering it is no change of the layer."""

    __slots__ = ("dtype", "shape", "spec")

    def __init__(self):
        self.spec = self.shape = self.dtype = None


def _outermost(build):
    """Wrap a class's `build`: only the outermost of nested `super().build()` calls finishes the building."""

    @functools.wraps(build)
    def wrapper(self, *args, **kwargs):
        if self.__dict__.get("_building"):
            return build(self, *args, **kwargs)
        self._check_super_called()
        self.__dict__["_building"] = True
        before, _calls.building = _calls.building, True
        try:
            with naming.name_scope(self.name, caller=self):
                self.__dict__["_path"] = naming.current_path()
                if isinstance(self._dtype_policy, dtype_policies.DTypePolicyMap):
                    self._take_policy()
                result = build(self, *args, **kwargs)
        finally:
            self.__dict__["_building"] = False
            _calls.building = before
        self._built_from(build, args, kwargs)
        return result

    wrapper.wraps_build = True
    return wrapper


class Layer(Ownership, Weights, Policies, Configurable, LegacyLayer, Module, Operation):
    """A function of tensors with weights.

    A subclass makes its weights in `build(input_shape)` with `add_weight` and computes in `call(inputs, …)`. Calling
    the layer on tensors or arrays computes; on `KerasTensor`s it adds a node to a functional model.

    activity_regularizer: penalty of the output; trainable: whether the weights learn; dtype: a dtype, or the name of a
    `DTypePolicy`; autocast: whether floating point inputs are cast to the compute dtype; name: unique in a model.
    input_shape, input_dim, batch_input_shape, batch_size: the shape that a `Sequential` begins with; weights: arrays
    that the weights begin with, instead of what their initializers give.
    """

    _facts = None
    _makes_masks = False  # whether there may be a mask of the outputs where the inputs have none
    _allow_non_tensor_positional_args = False
    _rematerializes = True  # False where its parts do

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        build = cls.__dict__.get("build")
        if build is not None and not getattr(build, "wraps_build", False):
            cls.build = _outermost(build)
        cls._makes_masks = not getattr(cls.compute_mask, "makes_none", False)

    def __init__(self, *, activity_regularizer=None, trainable=True, dtype=None, autocast=True, name=None, **kwargs):
        self._input_shape_given = signature.given_shape(kwargs)
        weights = kwargs.pop("weights", None)
        if kwargs:
            raise ValueError(f"Unrecognized keyword arguments passed to {type(self).__name__}: {kwargs}")
        check_name(name, self)
        Module.__init__(self)
        if _here.recorder is not None:
            self.__dict__["_made_by"] = _here.recorder
        cls = type(self)
        if cls.__dict__.get("_facts") is None:
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
        if weights is not None:
            own["_weights_given"] = weights
        own["_input_spec"] = None
        own["_checked"] = _Checked()
        own["supports_masking"] = cls.compute_mask is not Layer.compute_mask
        own["supports_jit"] = True
        own["_layers"] = []
        own["_trainable_variables"] = []
        own["_non_trainable_variables"] = []
        own["_seed_generators"] = []
        own["_metrics"] = []
        own["_losses"] = []
        self.dtype_policy = dtype
        wanted = remat.current()
        if wanted is not None and self._rematerializes:
            from tandem.keras.layers import rematerialized

            rematerialized.prepare(self, wanted)

    # --- names and dtypes ------------------------------------------------------------------------------------------
    @property
    def path(self):
        """The names of the layers around this one when it was built, and its own, joined by "/"; None before."""
        return self._path

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

    def __getstate__(self):
        # Where a layer was used belongs to the models that it is in, and the losses of its last call to that call's
        # graph: neither to its copies.
        return {**self.__dict__, "_inbound_nodes": [], "_losses": []}

    def __setstate__(self, state):
        super().__setstate__(state)
        cls = type(self)
        if cls.__dict__.get("_facts") is None:
            cls._facts = signature.CallFacts(cls)
        # A copied variable knows its owners again: each owner brings itself back.
        for name, variable in self.__dict__.get("_holders", {}).items():
            owners = variable.__dict__.setdefault("_owners", [])
            if not any(owner is self and key == name for owner, key in owners):
                owners.append((self, name))

    def requires_grad_(self, requires_grad=True):
        """Torch's word for setting `trainable`."""
        self.trainable = requires_grad
        return super().requires_grad_(requires_grad)

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        policy = self._policy
        # Weights that were moved to another dtype are computed with in that one.
        if policy.compute_dtype == policy.variable_dtype and policy.quantization_mode is None:
            moved = dtypes.dtype_name(fn(torch.empty(0, dtype=dtypes.torch_dtype(policy.variable_dtype))).dtype)
            if moved != policy.variable_dtype:
                self.dtype_policy = moved
                Module.mutations += 1
        return self

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
            shapes = dict(list(bound.items())[1:])
            own["_build_shapes"] = shapes if len(shapes) != 1 else {"input_shape": next(iter(shapes.values()))}
        except TypeError:  # a build(*args): nothing to remember
            own["_build_shapes"] = None
        own["built"] = True
        own["_locked"] = True
        given = own.pop("_weights_given", None)
        if given is not None:
            self.set_weights(given)

    def get_build_config(self):
        """The shapes that the layer was built from, or None."""
        shapes = self._build_shapes
        return shapes if shapes is None or set(shapes) == {"input_shape"} else {"shapes_dict": shapes}

    def build_from_config(self, config):
        """Build from the shapes that `get_build_config` gave."""
        if not config:
            return
        if "input_shape" in config and len(config) == 1:
            self.build(tuples(config["input_shape"]))
        elif config.get("shapes_dict"):
            self.build(**{key: tuples(value) for key, value in config["shapes_dict"].items()})
        else:
            self.build(**{key: tuples(value) for key, value in config.items()})

    def _maybe_build(self, args, kwargs):
        given = self._facts.bind(args, kwargs)
        shapes = {name: signature.shape_tree(value) for name, value in given.items()}
        shapes = {name: shape for name, shape in shapes.items() if shape is not None}
        self._remember_first_call({name: given[name] for name in shapes})
        if type(self).build is not Layer.build:
            self.build(**signature.build_arguments(type(self).build.__get__(self), shapes))
            if not self.built:
                self.__dict__["built"] = True
            return
        # Sublayers are built by the call itself.
        with naming.name_scope(self.name, caller=self):
            self.__dict__["_path"] = naming.current_path()
        self._built_from(Layer.build, (next(iter(shapes.values()), None),), {})

    def _remember_first_call(self, given):
        """A hook before `build`, with the arguments by name: only models need them later."""

    # --- calling ---------------------------------------------------------------------------------------------------
    def call(self, *args, **kwargs):
        """The computation, on tensors. A subclass gives it."""
        raise NotImplementedError(f"Layer {type(self).__name__} does not have a `call` method implemented.")

    def forward(self, *args, **kwargs):
        """What `layer(…)` does: convert the arguments, build the weights, hand masks and the training flag on,
        compute.
        """
        cast = self._cast_to
        if len(args) == 1 and not kwargs and type(args[0]) is _Tensor:
            x, own = args[0], self.__dict__
            if (
                "_settled" in own
                and own["_autocast_to"] is variables.autocast_dtype()
                and own["activity_regularizer"] is None
                and (x.dtype is cast or cast is None or not x.is_floating_point())
            ):
                return self._run_settled(x, own)
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

    def _run_settled(self, x, own):
        """`_run` for what is called most: a layer whose building is over, on one tensor."""
        facts, here, entry, rebound = self._facts, _here.training, _calls.entry, _here.rebinds
        spec, checked = own["_input_spec"], own["_checked"]
        if spec is not None and (x.shape != checked.shape or spec is not checked.spec or x.dtype is not checked.dtype):
            input_spec.check(spec, x, self.name)
            checked.shape, checked.spec, checked.dtype = x.shape, spec, x.dtype
        kwargs, given = {}, None
        if facts.has_training:
            given = self._training_given(facts, (x,), kwargs)
        mask = getattr(x, "_keras_mask", None)
        if mask is not None and facts.has_mask:
            kwargs["mask"] = mask
        if given is not None and given is not here:
            _here.training = given
        if entry is None:
            _calls.entry = self
            if Layer._losses_are_used:
                self._clear_losses()
        _here.rebinds = True
        try:
            outputs = self.call(x, **kwargs)
            if mask is not None or self._makes_masks:
                self._hand_on(mask, (x,), kwargs, outputs)
        finally:
            _calls.entry, _here.rebinds = entry, rebound
            if _here.training is not here:
                _here.training = here
        return outputs

    def _run(self, args, kwargs):
        """The call proper, on tensors of the right dtypes."""
        facts = self._facts
        own = self.__dict__
        given = self._training_given(facts, args, kwargs)
        before_training, before_entry, rebound = scope.is_training(), _calls.entry, _here.rebinds
        if given is not None and given is not before_training:
            scope.set_training(given)
        if before_entry is None:
            _calls.entry = self
            if Layer._losses_are_used:
                self._clear_losses()
        before_names = None
        if "_settled" not in own:
            before_names = naming.push(self)
        _here.rebinds = True
        try:
            if own["_input_spec"] is not None:
                input_spec.check(own["_input_spec"], args[0] if args else facts.first_of(kwargs), self.name)
            if not own["built"]:
                self._maybe_build(args, kwargs)
            if before_names is not None and own["_policy"].quantization_mode is not None:
                self._check_is_quantized()
            masks = self._masks(facts, args, kwargs)
            if own["_autocast_to"] is variables.autocast_dtype():
                outputs = self.call(*args, **kwargs)
            else:  # also for a float32 layer in a model of mixed precision: its own policy holds
                with variables.autocast(own["_autocast_to"]):
                    outputs = self.call(*args, **kwargs)
            if own["activity_regularizer"] is not None:
                for output in arrays.leaves(outputs):
                    # The mean over the batch, as Keras has it.
                    self.add_loss(own["activity_regularizer"](output) / max(output.shape[0], 1))
            if masks is not None or self._makes_masks:
                self._hand_on(masks, args, kwargs, outputs)
        finally:
            if before_names is not None:
                naming.pop(before_names)
                if all(layer.built for layer in self._flatten_layers()):
                    own["_settled"] = True
            _calls.entry, _here.rebinds = before_entry, rebound
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
        masks = mask_tree(first)
        bound = facts.bind(args, kwargs)
        if facts.has_mask or facts.mask_names:
            names = [name for name, value in bound.items() if name != "mask" and has_values(value)]
            names = [name for name in names if not (name in facts.mask_names and name.removesuffix("_mask") in bound)]
            if len(names) == 1 and facts.has_mask and bound.get("mask") is None:
                mask = masks if names[0] == facts.first else mask_tree(bound[names[0]])
                if mask is not None and (facts.mask_index is None or len(args) <= facts.mask_index):
                    kwargs["mask"] = mask
            elif len(names) > 1:
                for name in names:
                    target = f"{name}_mask"
                    if target in facts.mask_names and bound.get(target) is None:
                        mask = mask_tree(bound[name])
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
        for value, mask in zip(values, flat_masks(new)):
            if mask is not None and getattr(value, "_keras_mask", None) is None:
                tensors.set_mask(value, mask)

    def compute_mask(self, inputs, previous_mask):
        """The mask of the outputs: by default that of the inputs."""
        return previous_mask

    compute_mask.makes_none = True

    # --- losses ----------------------------------------------------------------------------------------------------
    _losses_are_used = False

    def add_loss(self, loss, inputs=None):
        """Add a scalar tensor (or several in a list) to `losses`, for this call; of a functional model's symbolic
        values, for all its calls. inputs: Keras 2's, without meaning. Raises ValueError for what is no tensor.
        """
        for value in loss if isinstance(loss, (list, tuple)) else [loss]:
            if bound.values is not None:
                value = with_values(value)
            if isinstance(value, KerasTensor):
                if _calls.entry is None or not sees_symbols(self):  # else it is added when there are values
                    from tandem.keras.legacy import graph_losses

                    graph_losses.add(self, value, graph_losses.AddLoss())
                continue
            if not tensors.is_tensor(value):
                raise ValueError(
                    "`add_loss()` can only be called from inside `build()` or `call()`, on a tensor input. "
                    f"Received invalid value: {value}"
                )
            scope = variables.stateless.scope
            if scope is not None and scope.collect_losses:
                scope.add_loss(value)
                continue
            Layer._losses_are_used = True
            self._losses.append(value)

    def _clear_losses(self):
        for layer in self._flatten_layers():
            layer._losses.clear()

    # --- symbolic calls --------------------------------------------------------------------------------------------
    def _symbolic(self, args, kwargs):
        facts = self._facts
        args, kwargs = self._converted(args, dict(kwargs))
        explicit = dict(kwargs)
        alone = len(args) == 1 and not kwargs and isinstance(args[0], graph.Symbolic)
        training = self._training_given(facts, args, kwargs)
        names = naming.push(self)
        try:
            if self.input_spec is not None:
                input_spec.check(self.input_spec, args[0] if args else facts.first_of(kwargs), self.name)
            if not self.built:
                self._maybe_build(args, kwargs)
            masks = self._masks(facts, args, kwargs)
            with scope.training(training) if training is not None else scope.training(scope.is_training()):
                spec = self.compute_output_spec(*args, **kwargs)
            # Masks and flags that came along by themselves do so again when the graph runs: they are for show only.
            unasked = ("training", "mask")
            own = {key: value for key, value in explicit.items() if value is not None or key not in unasked}
            outputs = add_node(self, args, own, spec)
            values = graph.symbolics(outputs)
            if values and values[0].node is not None:
                values[0].node.shown_kwargs = signature.shown(facts, explicit, kwargs, alone)
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
            return spec_of(shape, self.compute_dtype)
        return self._infer(args, kwargs)

    def _infer(self, args, kwargs):
        """Run `call` on the meta device."""
        cast = self._cast_to

        def with_dtype(leaf):
            if cast is not None and isinstance(leaf, graph.Symbolic) and dtypes.is_float(leaf.dtype):
                return graph.Symbolic(leaf.shape, cast)
            return leaf

        def traced(*args, **kwargs):
            before = _calls.entry
            try:
                with inside(self), variables.autocast(self._autocast_to):
                    return calling(self.call, *args, **kwargs)
            finally:
                if before is None and Layer._losses_are_used:
                    self._clear_losses()

        if sees_symbols(self):  # what it refers to has no values here, and makes its results symbolic
            return as_specs(arrays.map_tree(_detached, traced(*args, **kwargs)))
        args, kwargs = arrays.map_tree(with_dtype, (args, kwargs))
        try:
            return as_specs(graph.infer(traced, args, kwargs))
        except Exception as error:
            if not graph.reads_values(error):
                raise
            with StatelessScope():  # a layer that asks for values: nothing that it sets may stay
                return as_specs(graph.infer_by_running(traced, args, kwargs, device=devices.default()))

    def compute_output_shape(self, input_shape):
        """The shape of the output for an input of `input_shape` (a tuple with None for unknown sizes, or several)."""
        layer = self
        if not self.built and (type(self).build is not Layer.build or self._layers):
            layer = type(self).from_config(self.get_config())
            layer.build(input_shape)
        spec = layer._infer((spec_of(input_shape, layer.compute_dtype, symbolic=True),), {})
        return arrays.map_tree(lambda leaf: leaf.shape if isinstance(leaf, graph.Symbolic) else leaf, spec)

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    def __str__(self):
        return repr(self)


def _detached(leaf):
    return graph.Symbolic(leaf.shape, leaf.dtype) if isinstance(leaf, graph.Symbolic) else leaf
