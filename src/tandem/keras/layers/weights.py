"""The weights of a layer: making, listing, getting and setting them."""

import functools
import math

import numpy as np

from tandem.core.dtypes import is_float
from tandem.core.errors import Unsupported, explain
from tandem.keras import initializers, naming, regularizers
from tandem.keras.variables import Variable


def _name_may_come_first(add_weight):
    """Keras 2 took `add_weight("kernel", shape, …)`; Keras 3 has the shape first."""

    @functools.wraps(add_weight)
    def wrapper(self, *args, **kwargs):
        if args and isinstance(args[0], str):
            kwargs["name"], args = args[0], args[1:]
        return add_weight(self, *args, **kwargs)

    return wrapper


class Weights:
    """The part of `Layer` that has to do with variables."""

    @_name_may_come_first
    def add_weight(
        self,
        shape=None,
        initializer=None,
        dtype=None,
        trainable=True,
        autocast=True,
        regularizer=None,
        constraint=None,
        aggregation="none",
        overwrite_with_gradient=False,
        name=None,
    ):
        """Make a variable that belongs to the layer.

        shape: a tuple without None (default: scalar); initializer: by default "glorot_uniform" for floating point
        dtypes, zeros for others; dtype: by default the layer's `variable_dtype`; trainable: whether optimizers change
        it; regularizer: its penalty is added to `losses`; constraint: applied after each update; aggregation: how
        replicas combine it; overwrite_with_gradient: its gradient is its next value; name: without "/".
        Returns a `Variable`. Raises ValueError for a shape with unknown sizes, and once the layer is built.
        """
        self._check_super_called()
        shape = () if shape is None else shape
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if None in shape:
            path = "/".join(part for part in (naming.current_path(), str(name)) if part)
            raise ValueError(
                "Shapes used to initialize variables must be fully-defined (no `None` dimensions). "
                f"Received: shape={shape} for variable path='{path}'"
            )
        dtype = dtype or self.variable_dtype
        if initializer is None:
            initializer = "glorot_uniform" if is_float(dtype) else "zeros"
        # What comes after the building (of LoRA, of quantisation) has the same path as what came with it.
        late = self._path is not None and self.built and not self.__dict__.get("_building")
        parent = self._path.rpartition("/")[0] if late else None
        with naming.name_scope(self.name, caller=self, override_parent=parent):
            variable = Variable(
                initializers.get(initializer),
                shape=shape,
                dtype=dtype,
                trainable=trainable,
                autocast=autocast,
                aggregation=aggregation,
                name=name or naming.auto_name("variable"),
            )
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = _constraint(constraint)
        variable.overwrite_with_gradient = overwrite_with_gradient
        self._track(variable.name, variable)
        if not self.trainable:
            variable.trainable = False
        return variable

    def add_variable(self, *args, **kwargs):
        """`add_weight`, under its old name."""
        return self.add_weight(*args, **kwargs)

    @property
    def variables(self):
        """All variables: the layer's own, the states of its random generators, those of its sublayers."""
        return self._collect(lambda layer: [generator.state for generator in layer._seed_generators])

    @property
    def weights(self):
        """The layer's own variables and those of its sublayers, without the states of random generators."""
        return self._collect(lambda layer: ())

    def _collect(self, extra):
        found = {}

        def visit(layer):
            for variable in (*layer._trainable_variables, *layer._non_trainable_variables, *extra(layer)):
                found.setdefault(id(variable), variable)
            for child in layer._layers:
                visit(child)

        visit(self)
        return list(found.values())

    @property
    def trainable_variables(self):
        """The variables that optimizers change: none where the layer's `trainable` is False."""
        return [variable for variable in self.variables if variable.trainable] if self.trainable else []

    @property
    def non_trainable_variables(self):
        """The variables that optimizers do not change."""
        return [variable for variable in self.variables if not (self.trainable and variable.trainable)]

    @property
    def trainable_weights(self):
        """The weights that optimizers change: none where the layer's `trainable` is False."""
        return [variable for variable in self.weights if variable.trainable] if self.trainable else []

    @trainable_weights.setter
    def trainable_weights(self, value):
        # Keras 1's layers listed in `build` what they had made by `K.variable`.
        self._learn(value, True)

    @property
    def non_trainable_weights(self):
        """The weights that optimizers do not change."""
        return [variable for variable in self.weights if not (self.trainable and variable.trainable)]

    @non_trainable_weights.setter
    def non_trainable_weights(self, value):
        self._learn(value, False)

    def _learn(self, variables, trainable):
        held = self.weights
        for variable in variables:
            if variable.trainable != trainable:
                self._untrack(variable)
                variable.trainable = trainable
                self._track(variable.name, variable)
            elif not any(variable is one for one in held):
                self._track(variable.name, variable)

    @property
    def metrics(self):
        """The metrics of the layer and its sublayers."""
        found = list(self._metrics)
        for layer in self._layers:
            found.extend(layer.metrics)
        return found

    @property
    def metrics_variables(self):
        """The variables of `metrics`."""
        return [variable for metric in self.metrics for variable in metric.variables]

    @property
    def trainable(self):
        """Whether the layer learns. Setting it sets it for the sublayers and for each of the learned weights."""
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        value = bool(value)
        self.__dict__["_trainable"] = value
        type(self)._count_mutation()
        for variable in self._trainable_variables:
            variable.trainable = value
        for layer in self._layers:
            layer.trainable = value

    def get_weights(self):
        """The weights as a list of NumPy arrays."""
        return [np.array(variable) for variable in self.weights]

    def set_weights(self, weights):
        """Set the weights from a list of arrays, in the order of `weights`. Raises ValueError where they do not fit."""
        own = self.weights
        if len(own) != len(weights):
            raise ValueError(
                f"You called `set_weights(weights)` on layer '{self.name}' with a weight list of length "
                f"{len(weights)}, "
                f"but the layer was expecting {len(own)} weights."
            )
        for variable, value in zip(own, weights, strict=True):
            shape = tuple(np.shape(value)) if not hasattr(value, "shape") else tuple(value.shape)
            if variable.shape != shape:
                raise ValueError(
                    f"Layer {self.name} weight shape {variable.shape} is not compatible with provided weight "
                    f"shape {shape} (variable {variable.path})."
                )
        for variable, value in zip(own, weights, strict=True):
            variable.assign(value)

    def count_params(self):
        """How many numbers the weights hold. Raises ValueError where the layer is not built."""
        if not self.built:
            raise ValueError(
                f"You tried to call `count_params` on layer '{self.name}', but the layer isn't built. You can build it "
                "manually via: `layer.build(input_shape)`."
            )
        return sum(math.prod(variable.shape) for variable in self.weights)

    def save_own_variables(self, store):
        """Put the layer's own variables into the mapping `store`, under "0", "1", …"""
        for index, variable in enumerate((*self._trainable_variables, *self._non_trainable_variables)):
            store[str(index)] = variable

    def load_own_variables(self, store):
        """Set the layer's own variables from the mapping `store`. Raises ValueError where it does not fit."""
        own = [*self._trainable_variables, *self._non_trainable_variables]
        if len(store) != len(own):
            wrong = f"Layer '{self.name}' was given {len(store)} variables to load"
            if (own and not self.built) or (not own and not self.built):
                wrong = f"Layer '{self.name}' was never built and thus it doesn't have any variables"
            raise ValueError(explain(wrong, expected=f"{len(own)} variables", given=list(store.keys())))
        for index, variable in enumerate(own):
            variable.assign(store[str(index)])

    @property
    def losses(self):
        """What `add_loss` and activity regularizers added in the last call, then the weights' penalties."""
        found = []
        for layer in self._flatten_layers():
            found.extend(layer._losses)
        for variable in self.trainable_weights:
            if variable.regularizer is not None:
                found.append(variable.regularizer(variable))
        return found

    def quantize(self, mode=None, type_check=True, config=None):
        """Turn weights into small integers or 8-bit floats. A subclass that can gives it."""
        raise Unsupported(f"Layer {type(self).__name__} does not have a `quantize` method implemented.")

    def quantized_build(self, input_shape, mode):
        """Make the variables of a quantised layer. A subclass that can be quantised gives it."""
        raise Unsupported(f"Layer {type(self).__name__} does not have a `quantized_build` method implemented.")

    def quantized_call(self, *args, **kwargs):
        """The call of a quantised layer. A subclass that can be quantised gives it."""
        raise Unsupported(
            f"Layer {type(self).__name__} does not have a `_{self.quantization_mode}_call` method implemented."
        )

    def enable_lora(self, rank, **kwargs):
        """Learn an addition of low rank to a weight. A subclass that can gives it."""
        raise Unsupported(f"Layer {type(self).__name__} has no low-rank adaptation (LoRA).")

    def stateless_call(self, trainable_variables, non_trainable_variables, *args, return_losses=False, **kwargs):
        """A call with given values in place of the variables, which stay as they are.

        trainable_variables, non_trainable_variables: values in the order of the layer's variables. Returns (outputs,
        the new values of the non-trainable variables) and, with `return_losses`, the list of losses.
        Raises ValueError where the layer is not built and where the numbers differ.
        """
        from tandem.keras.internals.scopes import StatelessScope

        if not self.built:
            raise ValueError(
                f"To call stateless_call, {type(self).__name__} must be built (i.e. its variables must have been "
                "already created). You can build it by calling it on some data."
            )
        pairs = []
        for what, given in (
            ("trainable_variables", trainable_variables),
            ("non_trainable_variables", non_trainable_variables),
        ):
            own = getattr(self, what)
            if len(given) != len(own):
                raise ValueError(
                    f"Argument `{what}` must be a list of tensors corresponding 1:1 to {type(self).__name__}().{what}. "
                    f"Received list with length {len(given)}, but expected {len(own)} variables."
                )
            pairs += zip(own, given, strict=True)
        with StatelessScope(pairs) as scope:
            outputs = self(*args, **kwargs)
            losses = list(self.losses) if return_losses else []
        states = [scope.get_current_value(variable) for variable in self.non_trainable_variables]
        return (outputs, states, losses) if return_losses else (outputs, states)


def _constraint(identifier):
    from tandem.keras import constraints

    return constraints.get(identifier)
