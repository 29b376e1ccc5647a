"""The functional model: the graph between some symbolic inputs and outputs."""

import warnings

import torch

from tandem.core import arrays, dtypes, graph, scope, strings
from tandem.core.errors import explain
from tandem.keras import tensors, tree
from tandem.keras.layers.base import Layer
from tandem.keras.layers.core import InputLayer
from tandem.keras.layers.input_spec import InputSpec
from tandem.keras.legacy.closures import sees_symbols
from tandem.keras.legacy.training import model_arguments
from tandem.keras.models import unknown_sizes
from tandem.keras.models.model import Model, key_of, shapes_of
from tandem.keras.symbolic import KerasTensor, Operation, add_node, bound, learnable, remember, with_values
from tandem.keras.trainers.trainer import Trainer

_OF_THE_GRAPH = (
    "_inputs_struct",
    "_outputs_struct",
    "_inputs",
    "_outputs",
    "_graph",
    "_nodes",
    "_depths",
    "_operations",
)


class Functional(Model):
    """A model made of the operations between `inputs` and `outputs`, `KerasTensor`s or lists or dicts of them.

    Raises ValueError where an output needs a value that is not among the inputs.
    """

    _keras_module = "keras.src.models.functional"

    _inputs: list
    _outputs: list
    _inputs_struct: object
    _outputs_struct: object
    _graph: graph.Graph
    _nodes: list  # in the order of `operations`
    _depths: dict
    _operations: list
    _overrides_training: bool
    _rematerializes = False
    _restores_masks: bool
    _ancillary: tuple = ()  # values that are computed besides the outputs: losses and metrics that were added

    def __new__(cls, *args, **kwargs):
        return Layer.__new__(cls, *args, **kwargs)

    def __init__(self, inputs=None, outputs=None, name=None, **kwargs):
        if "input" in kwargs or "output" in kwargs:
            kwargs = model_arguments({"inputs": inputs, "outputs": outputs, **kwargs})
            inputs, outputs = kwargs.pop("inputs"), kwargs.pop("outputs")
        for what, values in (("inputs", inputs), ("outputs", outputs)):
            for value in arrays.leaves(values):
                if not isinstance(value, KerasTensor):
                    raise ValueError(
                        f"All `{what}` values must be KerasTensors. Received: {what}={values} including invalid value "
                        f"{value} of type {type(value)}"
                    )
        trainable = kwargs.pop("trainable", None)
        Layer.__init__(self, name=name, **kwargs)
        Trainer.__init__(self)
        if any(not isinstance(_maker(value), InputLayer) for value in arrays.leaves(inputs)):
            inputs, outputs = _cut(inputs, outputs)
        own = self.__dict__
        self._connect(inputs, outputs)
        names = set()
        for operation in own["_operations"]:
            if operation.name in names:
                raise ValueError(
                    f'The name "{operation.name}" is used several times in the model. '
                    "All operation names should be unique."
                )
            names.add(operation.name)
        for operation in own["_operations"]:
            if isinstance(operation, Layer):
                self._layers.append(operation)
                self._modules[key_of(operation, self._modules)] = operation
        if type(self).__init__ is Functional.__init__:
            del own["_init_arguments"]  # the config describes the graph
        own["_sees_symbols"] = any(map(sees_symbols, own["_operations"]))
        own["built"] = True
        own["supports_masking"] = True
        own["_build_shapes"] = {"input_shape": None}
        if trainable is not None:
            self.trainable = trainable

    def _connect(self, inputs, outputs):
        """Keep what lies between some inputs and outputs."""
        own = self.__dict__
        own["_inputs_struct"], own["_outputs_struct"] = inputs, outputs
        own["_inputs"], own["_outputs"] = tree.flatten(inputs), tree.flatten(outputs)
        _check_connected(own["_inputs"], own["_outputs"])
        self._wrap_foreign()
        own["_graph"] = graph.Graph(own["_inputs"], [outputs, self._ancillary])
        own["_graph"].outputs = outputs
        own["_overrides_training"] = any("training" in node.kwargs for node in own["_graph"].nodes)
        own["_restores_masks"] = any(_takes_masks_off(node) for node in own["_graph"].nodes)
        own["_nodes"], own["_depths"] = ordered_nodes(own["_inputs"], [*own["_outputs"], *self._ancillary])
        own["_operations"] = operations_of(own["_nodes"])
        own["_is_plain_input"] = isinstance(inputs, KerasTensor)

    def _add_ancillary(self, value):
        """Compute `value`, a symbolic value of the graph, in each call: a layer on the way keeps it."""
        own = self.__dict__
        own["_ancillary"] = (*self._ancillary, value)
        self._connect(self._inputs_struct, self._outputs_struct)
        for operation in own["_operations"]:
            if isinstance(operation, Layer) and not any(operation is layer for layer in self._layers):
                self._layers.append(operation)
                self._modules[key_of(operation, self._modules)] = operation
        self._count_mutation()

    def __getstate__(self):
        from tandem.keras.models.packing import pack

        state = super().__getstate__()
        for name in _OF_THE_GRAPH:
            state.pop(name, None)
        state.pop("_ancillary", None)
        state["_packed"] = pack(self._inputs_struct, [self._outputs_struct, list(self._ancillary)])
        return state

    def __setstate__(self, state):
        from tandem.keras.models.packing import unpack

        state = dict(state)
        packed = state.pop("_packed")
        super().__setstate__(state)
        inputs, (outputs, ancillary) = unpack(*packed)
        self.__dict__["_ancillary"] = tuple(ancillary)
        self._connect(inputs, outputs)

    def _wrap_foreign(self):
        """Give each operation that is not Keras's (a Gluon block, a plain module) a layer that stands for it."""
        from tandem.keras.layers.torch_module import layer_for

        for node in graph.Graph(self._inputs, [self._outputs, self._ancillary]).nodes:
            if not isinstance(node.operation, Operation):
                node.operation = layer_for(node.operation)
                node.number = len(node.operation._inbound_nodes)
                node.operation._inbound_nodes.append(node)

    # --- structure -------------------------------------------------------------------------------------------------
    @property
    def operations(self):
        """Layers and other operations, in the order in which `summary` shows them."""
        return list(self._operations)

    @property
    def layers(self):
        """The layers among the operations."""
        return [operation for operation in self._operations if isinstance(operation, Layer)]

    @layers.setter
    def layers(self, value):
        raise AttributeError("`Model.layers` attribute is reserved and should not be used. Please use another name.")

    @property
    def inputs(self):
        """The symbolic inputs, a list."""
        return list(self._inputs)

    @property
    def outputs(self):
        """The symbolic outputs, a list."""
        return list(self._outputs)

    @property
    def input(self):
        """The symbolic inputs, in the structure in which the model was made."""
        return self._inputs_struct

    @property
    def output(self):
        """The symbolic outputs, in the structure in which the model was made."""
        return self._outputs_struct

    @property
    def input_shape(self):
        """The shape of the input, or those of several in a list."""
        return shapes_of(self._inputs)

    @property
    def output_shape(self):
        """The shape of the output, or those of several in a list."""
        return shapes_of(self._outputs)

    @property
    def input_names(self):
        """The names of the inputs."""
        return [_maker(value).name for value in self._inputs]

    @property
    def output_names(self):
        """The names of the operations that make the outputs."""
        return [_maker(value).name for value in self._outputs]

    @property
    def input_spec(self):
        """What each input must look like: the batch may have any size."""
        if self._input_spec is not None:
            return self._input_spec

        def spec(value):
            maker = _maker(value)
            shape = (None, *value.shape[1:])
            return InputSpec(
                shape=shape, allow_last_axis_squeeze=True, name=maker.name, optional=getattr(maker, "optional", False)
            )

        structure = self._inputs_struct
        if isinstance(structure, dict):
            return {key: spec(value) for key, value in structure.items()}
        return [spec(value) for value in self._inputs]

    @input_spec.setter
    def input_spec(self, value):
        self.__dict__["_input_spec"] = value

    # --- calling ---------------------------------------------------------------------------------------------------
    def call(self, inputs, training=None, mask=None, **kwargs):
        """Run the operations on tensors that have the structure of the model's inputs."""
        values = self._standardize(inputs)
        if mask is not None:
            for value, one in zip(values, _masks_in_order(mask, len(values))):
                if one is not None and value is not None:
                    tensors.set_mask(value, one)
        if self._sees_symbols and bound.values is None:
            bound.values = {}
            try:
                return with_values(self.call(values, training))
            finally:
                bound.values = None
        if bound.values is not None:
            values = [learnable(value) for value in values]
            bound.values.update((id(symbol), value) for symbol, value in zip(self._inputs, values, strict=True))
        elif not self._overrides_training and not self._restores_masks:
            return _alone(self._graph.run(values))
        flag = scope.is_training() if training is None else training

        def run(node, args, kwargs):
            if self._overrides_training and flag is not None and "training" in kwargs:
                kwargs = {**kwargs, "training": flag}
            given = arrays.leaves((args, kwargs)) if _takes_masks_off(node) else ()
            masks = [tensors.get_mask(value) for value in given]
            result = node.operation(*args, **kwargs)
            for value, one in zip(given, masks, strict=True):
                if one is not None:  # the graph knows the masks, as in Keras
                    tensors.set_mask(value, one)
            if bound.values is None:
                return result
            return remember(node, with_values(result) if self._sees_symbols else result)

        return _alone(self._graph.run(values, run))

    def _standardize(self, inputs, check=True):
        """The values for the model's inputs, in order, with their dtypes and ranks; check: and their sizes."""
        if self._is_plain_input and isinstance(inputs, torch.Tensor):
            return [self._fit(inputs, self._inputs[0], check)]
        values = self._in_order(inputs)
        if len(values) != len(self._inputs):
            raise ValueError(
                f'Layer "{self.name}" expects {len(self._inputs)} input(s) ({self.input_names}), but it received '
                f"{len(values)} input tensors."
            )
        self._check_structure(inputs)
        return [self._fit(value, wanted, check) for value, wanted in zip(values, self._inputs)]

    def _check_structure(self, inputs):
        """Warn where the inputs come in another structure than the model's: which is which is then a guess."""
        wanted = self._inputs_struct
        by_name = isinstance(inputs, dict) and isinstance(wanted, (list, tuple))
        # A list of one is what Keras 1 and 2 took for the one itself, and their scripts give: nothing to guess.
        one = ("*", ["*"])
        found, outline = _outline(inputs), _outline(wanted)
        if not by_name and found != outline and not (found in one and outline in one):
            warnings.warn(
                f"The structure of `inputs` doesn't match the expected structure.\nExpected: {outline}\n"
                f"Received: inputs={found}",
                stacklevel=2,
            )

    def _in_order(self, inputs):
        structure = self._inputs_struct
        if isinstance(inputs, dict):
            if isinstance(structure, dict):
                keys = sorted(structure)
            else:
                keys = self.input_names
            optional = [getattr(_maker(value), "optional", False) for value in self._inputs]
            missing = [key for key, may in zip(keys, optional) if key not in inputs and not may]
            if missing:
                raise ValueError(
                    f'Missing data for input "{missing[0]}". You passed a data dictionary with keys {list(inputs)}. '
                    f"Expected the following keys: {keys}"
                )
            return [inputs.get(key) for key in keys]
        if isinstance(inputs, (list, tuple)):
            return [value for item in inputs for value in ([item] if item is None else arrays.leaves(item))]
        return [inputs]

    def _fit(self, value, wanted, check=True):
        if value is None:
            if getattr(_maker(wanted), "optional", False):
                return None
            raise ValueError(
                explain(
                    f"Input '{_maker(wanted).name}' of layer '{self.name}' is not optional",
                    expected=f"a tensor of shape {wanted.shape}",
                    given=None,
                )
            )
        if wanted.dtype == "string":
            return self._fit_strings(value, wanted, check)
        if value.device != self._device(value):
            value = tensors.with_mask(value.to(self._device(value)), value)
        dtype = dtypes.torch_dtype(wanted.dtype)
        if value.dtype is not dtype:
            if value.dtype is torch.uint32:
                raise ValueError(
                    explain(
                        f"Input {self._inputs.index(wanted)} of layer '{self.name}' takes no strings",
                        expected=f"{wanted.dtype} numbers",
                        given="an array of strings",
                        hint='A `keras.Input(…, dtype="string")` with a `StringLookup`, `TextVectorization` or '
                        "`Hashing` after it takes them.",
                    )
                )
            value = tensors.with_mask(value.to(dtype), value)
        shape, sizes = value.shape, wanted.shape
        if len(shape) == len(sizes):
            if all(size == given or size is None for size, given in zip(sizes[1:], shape[1:])):
                return value
        elif len(shape) == len(sizes) + 1 and shape[-1] == 1:
            return tensors.with_mask(value.squeeze(-1), value)
        elif len(shape) == len(sizes) - 1 and sizes[-1] == 1:
            return tensors.with_mask(value.unsqueeze(-1), value)
        if not check:
            return value
        raise self._misfit(wanted, shape)

    def _fit_strings(self, value, wanted, check):
        """Strings, or their code points, as an array of strings of the input's rank."""
        value = strings.texts(value)
        shape, sizes = value.shape, wanted.shape
        if len(shape) == len(sizes) + 1 and shape[-1] == 1:
            value = value[..., 0]
        elif len(shape) == len(sizes) - 1 and sizes[-1] == 1:
            value = value[..., None]
        if check and not compatible(sizes, value.shape):
            raise self._misfit(wanted, shape)
        return value

    def _misfit(self, wanted, shape):
        where = f"Input {self._inputs.index(wanted)} with name '{_maker(wanted).name}'"
        return ValueError(
            f"{where} of layer '{self.name}' is incompatible with the layer: "
            f"expected shape={(None, *wanted.shape[1:])}, found shape={tuple(shape)}"
        )

    def _device(self, value):
        """The device of the weights: where inputs go, so that a model on a GPU takes arrays and CPU tensors."""
        own = self.__dict__
        anchor = own.get("_anchor", self)
        if anchor is self or (anchor is not None and anchor.tensor is None):
            anchor = own["_anchor"] = next(iter(self.weights), None)
        return value.device if anchor is None or value.device.type == "meta" else anchor.tensor.device

    def compute_output_spec(self, inputs, training=None, mask=None):
        """The shapes and dtypes of the outputs for KerasTensors."""
        given = graph.symbolics(inputs)
        if [value.shape for value in given] == [value.shape for value in self._inputs]:
            return arrays.map_tree(lambda leaf: KerasTensor(leaf.shape, leaf.dtype, name="spec"), self._outputs_struct)
        ordered = self._in_order(inputs)
        if len(ordered) == len(self._inputs) and unknown_sizes.less_is_known(given, self._inputs):
            return unknown_sizes.outputs_for(self._graph, ordered)
        spec = self._infer((inputs,), {})
        return spec if _alone(self._outputs_struct) is self._outputs_struct else type(self._outputs_struct)([spec])

    def _outputs_for(self, x):
        found = self._known_outputs(x) if type(self).call is Functional.call else None
        return super()._outputs_for(x) if found is None else found

    def _known_outputs(self, x):
        """The outputs' shapes for a batch as the graph has them, or None where its layers must be gone through."""
        # A block of Gluon's gets its parameters from a first batch.
        if not all(isinstance(module, Layer) and module.built for module in self.modules()):
            return None
        given, shapes = arrays.leaves(x), [value.shape for value in self._outputs]
        fits = len(given) == len(self._inputs) and all(
            isinstance(leaf, torch.Tensor) and leaf.ndim and compatible(value.shape, _shape_for(value, leaf))
            for value, leaf in zip(self._inputs, given, strict=True)
        )
        if not fits or not all(shape and shape[0] is None and None not in shape[1:] for shape in shapes):
            return None
        rows = given[0].shape[0]
        outputs = _alone(self._outputs_struct)
        return arrays.map_tree(lambda leaf: graph.Symbolic((rows, *leaf.shape[1:]), leaf.dtype), outputs)

    def compute_output_shape(self, input_shape):
        """The shapes of the outputs for inputs of `input_shape`."""
        return Layer.compute_output_shape(self, input_shape)

    def build(self, input_shape):
        """A functional model is built from the beginning."""

    def _apply(self, fn, recurse=True):
        super()._apply(fn, recurse)
        self._follow(fn)
        return self

    def _follow(self, fn):
        """Take floating point inputs in the dtype that `fn`, which moved the weights, gives them."""
        for value in self._inputs:
            if dtypes.is_float(value.dtype):
                value.dtype = dtypes.dtype_name(fn(torch.empty(0, dtype=dtypes.torch_dtype(value.dtype))).dtype)

    # --- configs ---------------------------------------------------------------------------------------------------
    def get_config(self):
        """The operations and how they are connected."""
        from tandem.keras.models.graph_config import functional_config

        if type(self).__init__ is not Functional.__init__ and type(self) is not Functional:
            return super().get_config()
        return functional_config(self)

    def get_build_config(self):
        """The shapes that the model was built from: those of its inputs are in its config."""
        return {"input_shape": None}


def compatible(shape, other):
    """Whether two shapes can be of one tensor; None is any size."""
    return len(shape) == len(other) and all(a is None or b is None or a == b for a, b in zip(shape, other))


def _outline(tree):
    """The nesting of some values, lists and tuples alike."""
    if isinstance(tree, dict):
        return {key: _outline(tree[key]) for key in sorted(tree)}
    return [_outline(item) for item in tree] if isinstance(tree, (list, tuple)) else "*"


def _alone(outputs):
    """What a call gives: of a list or tuple of one the value itself, as in Keras 3 (whose symbolic calls keep it)."""
    return outputs[0] if type(outputs) in (list, tuple) and len(outputs) == 1 else outputs


def _takes_masks_off(node):
    return getattr(node.operation, "takes_masks_off", False)


def _shape_for(symbol, tensor):
    """The shape of a tensor; of code points, that of the strings."""
    return tensor.shape[:-1] if symbol.dtype == "string" and tensor.dtype is torch.uint32 else tensor.shape


def _maker(value):
    return value.node.operation if value.node is not None else None


def _masks_in_order(mask, count):
    if isinstance(mask, dict):
        return list(mask.values())
    return list(mask) if isinstance(mask, (list, tuple)) else [mask] * count


def _cut(inputs, outputs):
    """The same graph with fresh `InputLayer`s for those of `inputs` that operations make."""
    replaced = {}

    def fresh(value):
        if isinstance(_maker(value), InputLayer):
            replaced[id(value)] = value
        else:
            replaced[id(value)] = InputLayer(batch_shape=value.shape, dtype=value.dtype).output
        return replaced[id(value)]

    new_inputs = arrays.map_tree(fresh, inputs)

    def swap(leaf):
        return replaced.get(id(leaf), leaf) if isinstance(leaf, graph.Symbolic) else leaf

    for node in graph.Graph(arrays.leaves(inputs), outputs).nodes:
        if not any(id(value) in replaced for value in shown_inputs(node)):
            continue
        args, kwargs = arrays.map_tree(swap, (node.args, node.kwargs))
        new = add_node(node.operation, args, kwargs, node.outputs)
        new_node = graph.symbolics(new)[0].node
        if hasattr(node, "shown_kwargs"):
            new_node.shown_kwargs = arrays.map_tree(swap, node.shown_kwargs)
        for old, value in zip(graph.symbolics(node.outputs), graph.symbolics(new), strict=True):
            replaced[id(old)] = value
    return new_inputs, arrays.map_tree(swap, outputs)


def shown_kwargs(node):
    """The keyword arguments of a node as configs show them: with the masks that came along by themselves."""
    return getattr(node, "shown_kwargs", node.kwargs)


def shown_inputs(node):
    """The symbolic arguments of a node, masks that came along by themselves among them."""
    return graph.symbolics(node.args, shown_kwargs(node))


def _check_connected(inputs, outputs):
    """Raise ValueError where an `Input` that is not among the inputs is needed."""
    given = {id(value) for value in inputs}
    seen, stack = set(), list(outputs)
    while stack:
        value = stack.pop()
        if id(value) in given or id(value) in seen:
            continue
        seen.add(id(value))
        if value.node is None or isinstance(value.node.operation, InputLayer):
            raise ValueError(
                explain(
                    "An output is not connected to `inputs`",
                    expected=f"all that it depends on among {[v.name for v in inputs]}",
                    given=f"{value.name!r} is not among them",
                )
            )
        stack.extend(value.node.inputs)


def ordered_nodes(inputs, outputs):
    """The nodes by depth, those farthest from the outputs first, each depth in the order of a walk from the outputs.

    Returns (nodes, depth of each by its id).
    """
    boundary = {id(value) for value in inputs}
    finished, number = [], {}
    done, stack = set(), [(value.node, False) for value in reversed(outputs)]
    while stack:
        node, leave = stack.pop()
        if leave:
            if id(node) not in done:
                done.add(id(node))
                finished.append(node)
            continue
        if id(node) in done:
            continue
        number.setdefault(id(node.operation), len(number))
        stack.append((node, True))
        if not all(id(value) in boundary for value in graph.symbolics(node.outputs)):
            stack.extend((value.node, False) for value in reversed(shown_inputs(node)) if id(value.node) not in done)
    depths, operation_depths = {}, {}
    for node in reversed(finished):
        depth = max(depths.get(id(node), 0), operation_depths.get(id(node.operation), 0))
        depths[id(node)] = operation_depths[id(node.operation)] = depth
        if all(id(value) in boundary for value in graph.symbolics(node.outputs)):
            continue
        for value in shown_inputs(node):
            depths[id(value.node)] = max(depth + 1, depths.get(id(value.node), 0))
    for value in inputs:  # inputs that no output needs belong to the model all the same
        if id(value.node) not in depths:
            depths[id(value.node)] = 0
            number.setdefault(id(value.node.operation), -1)  # before the outputs' layers
            operation_depths.setdefault(id(value.node.operation), 0)
            finished.append(value.node)
    order = sorted(finished, key=lambda node: (-operation_depths[id(node.operation)], number[id(node.operation)]))
    return order, depths


def operations_of(nodes):
    """The operations of some nodes, each once, in their order."""
    found = {}
    for node in nodes:
        found.setdefault(id(node.operation), node.operation)
    return list(found.values())
