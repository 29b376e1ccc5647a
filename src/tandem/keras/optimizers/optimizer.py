"""The base of all optimizers: slots, learning rate, clipping, decay, averages; the rules themselves are in
`ops.updates`.
"""

import re
import warnings

import torch

from tandem.core import dtypes
from tandem.core.errors import explain
from tandem.core.module import Module
from tandem.engine.distributed import pieces, shards
from tandem.keras import naming, tensors
from tandem.keras.legacy import optimizers as legacy
from tandem.keras.legacy.updates import HandUpdates
from tandem.keras.optimizers.phases import Phased, tensor_of, tensors_of
from tandem.keras.optimizers.schedules.schedule import LearningRateSchedule
from tandem.keras.optimizers.stateless import Stateless
from tandem.keras.variables import Variable
from tandem.ops import steps, updates


class Optimizer(HandUpdates, Stateless, Phased):
    """Changes variables by their gradients.

    learning_rate: a float, a `LearningRateSchedule`, or a function without arguments; weight_decay: decoupled decay,
    ``w -= lr * weight_decay * w`` before each update; clipnorm, clipvalue, global_clipnorm: limits of each gradient's
    norm, of each element, of all gradients' norm together (one of the three); use_ema: keep a moving average of the
    weights, with `ema_momentum`, written over the weights every `ema_overwrite_frequency` steps (None: at the end of
    `fit`); loss_scale_factor: the loss is multiplied and the gradients divided by it; gradient_accumulation_steps:
    average the gradients of so many batches for one update.

    A new optimizer defines `build` (slots, by `add_variable_from_reference`) and `update_step`; one that updates all
    variables in one call defines `update_all` as well.
    """

    def __init__(
        self,
        learning_rate,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name=None,
        **kwargs,
    ):
        if kwargs:
            learning_rate, decay = legacy.take(type(self).__name__, learning_rate, kwargs)
        else:
            decay = 0.0
        self._check(clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency)
        if gradient_accumulation_steps is not None and not gradient_accumulation_steps >= 2:
            raise ValueError(
                explain(
                    "`gradient_accumulation_steps` must be an integer >= 2",
                    given=f"gradient_accumulation_steps={gradient_accumulation_steps}",
                )
            )
        self.name = name or naming.auto_name(type(self).__name__)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.built = False
        self._variables = []
        self._trainable_variables = []
        self._index = {}
        self._averages = None
        self._accumulators = None
        self._excluded = []
        self._begin_phases()
        with naming.name_scope(self.name, caller=self):
            iterations = Variable(0, dtype="int32", trainable=False, name="iteration")
        self._track(iterations)
        self._iterations = iterations
        self.decay = decay  # Keras 2's: the rate is divided by 1 + decay * iterations
        self._learning_rate = None
        self._set_learning_rate(learning_rate)

    def __setattr__(self, name, value):
        # A recorded training step holds what was read from here as constants.
        Module.mutations += 1
        super().__setattr__(name, value)

    def __setstate__(self, state):
        self.__dict__.update(state)
        # A copy has variables of its own.
        self.__dict__["_index"] = {id(variable): number for number, variable in enumerate(self._trainable_variables)}

    @staticmethod
    def _check(clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency):
        if sum(limit is not None for limit in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise ValueError(
                "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Received: "
                f"clipnorm={clipnorm}, clipvalue={clipvalue}, global_clipnorm={global_clipnorm}"
            )
        if use_ema:
            if not 0 <= ema_momentum <= 1:
                raise ValueError(f"`ema_momentum` must be in the range [0, 1]. Received: ema_momentum={ema_momentum}")
            if ema_overwrite_frequency and not (
                isinstance(ema_overwrite_frequency, int) and ema_overwrite_frequency >= 1
            ):
                raise ValueError(
                    "`ema_overwrite_frequency` must be an integer >= 1 or None. "
                    f"Received: ema_overwrite_frequency={ema_overwrite_frequency}"
                )

    # --- variables ---------------------------------------------------------------------------------------------------

    def _track(self, variable):
        self._variables.append(variable)
        return variable

    @property
    def variables(self):
        """All of the optimizer's own variables: the counter, the learning rate, the slots."""
        return self._variables[:]

    @property
    def iterations(self):
        """How many updates were made: an int32 variable (with accumulated gradients, the quotient of it)."""
        if self.gradient_accumulation_steps:
            return steps.quotient(self._iterations.tensor, self.gradient_accumulation_steps)
        return self._iterations

    @property
    def counter(self):
        """How many times `apply` was called: an int32 variable."""
        return self._iterations

    def _count(self):
        """The number of updates made so far, a 0-d int64 tensor."""
        return tensors.convert(self.iterations, "int64")

    def build(self, variables):
        """Make the slots for the variables that will be trained."""
        if self.use_ema:
            self._averages = self.add_optimizer_variables(variables, "average")
        if self.gradient_accumulation_steps:
            self._accumulators = self.add_optimizer_variables(variables, "gradient_accumulator")
        self._trainable_variables = list(variables)
        self._index = {id(variable): number for number, variable in enumerate(variables)}
        self.built = True

    def add_variable(self, shape, initializer="zeros", dtype=None, aggregation="none", layout=None, name=None):
        """A new variable of the optimizer's own."""
        with naming.name_scope(self.name, caller=self):
            variable = Variable(
                initializer,
                shape=shape,
                dtype=dtype,
                trainable=False,
                aggregation=aggregation,
                layout=layout,
                name=name,
            )
        return self._track(variable)

    def add_variable_from_reference(self, reference_variable, name=None, initializer="zeros"):
        """A new slot of the shape, dtype and device of a variable."""
        base = getattr(reference_variable, "path", None) or reference_variable.name
        with naming.name_scope(self.name, caller=self):
            slot = Variable(
                initializer,
                shape=tuple(reference_variable.shape),
                dtype=dtypes.dtype_name(tensor_of(reference_variable).dtype),
                trainable=False,
                name=f"{base}_{name or 'slot'}".replace("/", "_"),
            )
        slot.like = reference_variable
        like = tensor_of(reference_variable)
        piece = pieces.of(reference_variable)
        if piece is not None:
            slot.divide(piece)
        elif like.device != slot.tensor.device or like.stride() != slot.tensor.stride():
            # Fused kernels walk raw memory: a slot must be laid out as its parameter is.
            slot.bind(torch.empty_like(like, requires_grad=False).copy_(slot.tensor))
        return self._track(slot)

    def add_optimizer_variables(self, trainable_variables, name, initializer="zeros"):
        """One slot for each variable, or, with several names, a list of slots for each name."""
        names = [name] if isinstance(name, str) else list(name)
        initializers = [initializer] * len(names) if isinstance(initializer, str) else list(initializer)
        lists = tuple([] for _ in names)
        for variable in trainable_variables:
            for slots, slot_name, start in zip(lists, names, initializers):
                made = None  # what its gradient overwrites needs none
                if not getattr(variable, "overwrite_with_gradient", False):
                    made = self.add_variable_from_reference(variable, name=slot_name, initializer=start)
                slots.append(made)
        return lists[0] if isinstance(name, str) else lists

    def assign(self, variable, value):
        """Write a value into a variable."""
        variable.assign(value)

    def assign_add(self, variable, value):
        """Add to a variable."""
        variable.assign_add(value)

    def assign_sub(self, variable, value):
        """Subtract from a variable."""
        variable.assign_sub(value)

    def set_weights(self, weights):
        """Write values into all of `variables`, in their order. Raises ValueError where the shapes differ."""
        if not self.built:
            raise ValueError(
                "You are calling `set_weights()` on an optimizer that has not yet been built. Please call "
                "`optimizer.build(trainable_variables)` to create the optimizer weights before calling `set_weights()`."
            )
        for variable, value in zip(self._variables, weights):
            if tuple(variable.shape) != tuple(value.shape):
                raise ValueError(
                    f"Optimizer variable {self._overwrite_path(variable)} has shape {variable.shape} not compatible "
                    f"with provided weight shape {tuple(value.shape)}."
                )
            variable.assign(value)

    @staticmethod
    def _overwrite_path(variable):
        return variable.path

    def get_weights(self):
        """The values of all of `variables` as NumPy arrays."""
        return [variable.numpy() for variable in self._variables]

    def save_own_variables(self, store):
        """Write the variables into a dict-like store, by their number."""
        for number, variable in enumerate(self._variables):
            store[str(number)] = variable.numpy()

    def load_own_variables(self, store):
        """Read the variables from a dict-like store; a warning where the numbers of variables differ."""
        if len(store.keys()) != len(self._variables):
            warnings.warn(
                f"Skipping variable loading for optimizer '{self.name}', because it has {len(self._variables)} "
                "variables "
                f"whereas the saved optimizer has {len(store.keys())} variables.",
                stacklevel=2,
            )
            return
        for number, variable in enumerate(self._variables):
            variable.assign(store[str(number)])

    # --- learning rate -----------------------------------------------------------------------------------------------

    @property
    def learning_rate(self):
        """The learning rate: a variable, or with a schedule its value at this moment."""
        rate = self._learning_rate
        if isinstance(rate, LearningRateSchedule):
            return rate(self._iterations)
        return rate if isinstance(rate, Variable) else self._call_rate()

    @learning_rate.setter
    def learning_rate(self, value):
        self._set_learning_rate(value)

    lr = learning_rate

    def _set_learning_rate(self, value):
        if isinstance(value, dict):
            from tandem.keras.optimizers import schedules

            value = schedules.deserialize(value)
        present = self._learning_rate
        if present is None:
            if isinstance(value, LearningRateSchedule) or (callable(value) and not tensors.is_tensor(value)):
                self._learning_rate = value
                return
            with naming.name_scope(self.name, caller=self):
                rate = Variable(float(value), dtype="float32", trainable=False, name="learning_rate")
            self._learning_rate = self._track(rate)
        elif isinstance(value, LearningRateSchedule):
            if isinstance(present, Variable):
                self._variables = [variable for variable in self._variables if variable is not present]
            self._learning_rate = value
        elif isinstance(present, LearningRateSchedule):
            raise TypeError(
                "This optimizer was created with a `LearningRateSchedule` object as its `learning_rate` constructor "
                "argument, hence its learning rate is not settable. If you need the learning rate to be settable, you "
                "should instantiate the optimizer with a float `learning_rate` argument."
            )
        elif (isinstance(present, Variable) and not callable(value)) or (
            isinstance(present, Variable) and tensors.is_tensor(value)
        ):
            present.assign(value)
        else:
            self._learning_rate = value

    def _get_current_learning_rate(self):
        rate = self._learning_rate
        if isinstance(rate, Variable):
            rate = rate.value
        elif isinstance(rate, LearningRateSchedule):
            rate = tensors.convert(rate(self._iterations), device=self._iterations.device)
        else:
            rate = self._take_rate()
        return steps.inverse_time_rate(rate, self._iterations.tensor, self.decay) if self.decay else rate

    # --- one step ----------------------------------------------------------------------------------------------------

    def apply_gradients(self, grads_and_vars):
        """Make one step with (gradient, variable) pairs; returns the counter of steps."""
        grads, variables = zip(*grads_and_vars)
        self.apply(list(grads), list(variables))
        return self._iterations

    def apply(self, grads, trainable_variables=None):
        """Make one step.

        grads: one tensor, or None, for each variable; trainable_variables: by default those given to `build`.
        Raises ValueError where the numbers differ, for variables that the optimizer does not know, and where all
        gradients are None.
        """
        # Gradients that were gathered in variables are what these hold.
        grads = [tensor_of(grad).detach() if isinstance(grad, Variable) else grad for grad in grads]
        if not grads:
            return
        if trainable_variables is None:
            if not self.built:
                raise ValueError(
                    "When passing `grads` without `variables`, the optimizer must already be built on a list of "
                    "variables. Call `optimizer.build(trainable_variables)` first."
                )
            variables = self._trainable_variables
            if len(grads) != len(variables):
                raise ValueError(
                    "When passing `grads` as a list of gradient tensors, the gradients must match "
                    "`optimizer.variables` "
                    f"one-to-one. Received a list of {len(grads)} gradients, but the optimizer is tracking "
                    f"{len(variables)} trainable variables."
                )
        else:
            variables = list(trainable_variables)
            if len(grads) != len(variables):
                raise ValueError(
                    explain("The gradients do not fit the variables", expected=len(variables), given=len(grads))
                )
            if not self.built:
                with naming.name_scope(self.name, caller=self):
                    self.build(variables)
                self.built = True
            self._check_known(variables)
        with torch.no_grad():
            held = [pieces.of(variable) for variable in variables]
            grads = shards.means(pieces.parts(grads, held), held)
            if not any(held) or self._updates_pieces():
                self._apply(grads, variables)
                return
            grads = pieces.wholes(grads, variables)
            with pieces.united([*variables, *self.variables]):
                self._apply(grads, variables)

    def _apply(self, grads, variables):
        grads, variables = self._without_empty(*_overwritten(grads, variables))
        if not grads:
            return
        scale = self.loss_scale_factor
        if scale is not None:
            grads = steps.rescale(grads, 1.0 / scale)
        phase = self._take_phase()
        if phase is None:
            self._step_without_branch(grads, variables)
        else:
            self._step(grads, variables, *phase)
        steps.count(self._iterations.tensor)

    def _step(self, grads, variables, update, overwrite):
        accumulators = self._slots(self._accumulators, variables) if self.gradient_accumulation_steps else None
        if accumulators and not update:
            updates.accumulate(accumulators, grads)
        else:
            self._update(grads, variables, accumulators)
            if accumulators:
                steps.clear(accumulators)
        if self.use_ema:
            self._average(variables)
            if overwrite:
                updates.assign(tensors_of(variables), self._slots(self._averages, variables))
        self._constrain(variables)

    def _update(self, grads, variables, accumulators):
        """Change the weights by their gradients, or by the mean of these and the gathered ones."""
        if accumulators:
            grads = steps.mean_with(accumulators, grads, self.gradient_accumulation_steps)
        grads = self._clip_gradients(grads)
        rate = self._get_current_learning_rate()
        self._apply_weight_decay(variables, rate)
        self._backend_update_step(grads, variables, rate)

    def _average(self, variables):
        # As in Keras, also after a step that only gathers gradients.
        averages, params = self._slots(self._averages, variables), tensors_of(variables)
        steps.moving_average(averages, params, self.ema_momentum, tensors.convert(self.iterations))

    @staticmethod
    def _constrain(variables):
        for variable in variables:
            constraint = getattr(variable, "constraint", None)
            if constraint is not None:
                variable.assign(constraint(variable.value))

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        """Update all variables; those of one dtype and device in one call where the class can."""
        if not self._updates_all():
            for grad, variable in zip(grads, trainable_variables):
                self.update_step(grad, variable, learning_rate)
            return
        groups = {}
        for grad, variable in zip(grads, trainable_variables):
            tensor = tensor_of(variable)
            groups.setdefault((tensor.dtype, tensor.device), ([], []))
            for items, item in zip(groups[tensor.dtype, tensor.device], (grad, variable)):
                items.append(item)
        for (dtype, device), (some_grads, some_variables) in groups.items():
            some_grads = [grad if grad.dtype is dtype else grad.to(dtype) for grad in some_grads]
            self.update_all(some_grads, some_variables, learning_rate.to(device=device, dtype=dtype))

    def _updates_all(self):
        """Whether `update_all` is the rule: not where a subclass has written another `update_step` below it."""
        for kind in type(self).__mro__:
            if "update_all" in vars(kind):
                return kind is not Optimizer
            if "update_step" in vars(kind):
                return False
        return False

    def _updates_pieces(self):
        """Whether the pieces of a divided variable may be updated apart: the rule changes each element by itself."""
        if self.clipnorm or self.global_clipnorm:
            return False
        rule = next(kind for kind in type(self).__mro__ if {"update_all", "update_step"} & vars(kind).keys())
        return vars(rule).get("_elementwise", False)

    def update_all(self, grads, variables, learning_rate):
        """Update some variables of one dtype by their gradients; learning_rate: a 0-d tensor."""
        raise NotImplementedError(f"{type(self).__name__} must define `update_step` or `update_all`.")

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable by its gradient; learning_rate: a 0-d tensor."""
        self.update_all([gradient], [variable], learning_rate)

    def _get_variable_index(self, variable):
        return self._index[id(variable)]

    def _slots(self, slots, variables):
        """The tensors of the slots that belong to some variables."""
        return [slots[self._index[id(variable)]].tensor for variable in variables]

    def _check_known(self, variables):
        for variable in variables:
            if id(variable) not in self._index:
                raise ValueError(
                    f"Unknown variable: {variable}. This optimizer can only be called for the variables it was "
                    "originally "
                    "built with. When working with a new set of variables, you should recreate a new optimizer "
                    "instance."
                )

    def _without_empty(self, grads, variables):
        missing = [variable for grad, variable in zip(grads, variables) if grad is None]
        if not missing:
            return grads, variables
        if len(missing) == len(grads):
            raise ValueError("No gradients provided for any variable.")
        warnings.warn(
            f"Gradients do not exist for variables {[variable.path for variable in missing]} when minimizing the loss. "
            "If using `model.compile()`, did you forget to provide a `loss` argument?",
            stacklevel=4,
        )
        kept = [(grad, variable) for grad, variable in zip(grads, variables) if grad is not None]
        return [grad for grad, _ in kept], [variable for _, variable in kept]

    def _clip_gradients(self, grads):
        if self.clipnorm and self.clipnorm > 0:
            return updates.clip_by_norm(grads, self.clipnorm)
        if self.global_clipnorm and self.global_clipnorm > 0:
            return updates.clip_by_global_norm(grads, self.global_clipnorm)[0]
        if self.clipvalue and self.clipvalue > 0:
            return updates.clip_by_value(grads, self.clipvalue)
        return grads

    # --- weight decay and averages -----------------------------------------------------------------------------------

    def exclude_from_weight_decay(self, var_list=None, var_names=None):
        """Let some variables keep out of weight decay: given themselves, or by patterns that their paths contain.

        Raises ValueError once the optimizer is built.
        """
        if self.built:
            raise ValueError("`exclude_from_weight_decay()` can only be configured before the optimizer is built.")
        self._excluded += list(var_list or ())
        self._excluded += [re.compile(name) for name in var_names or ()]

    def _use_weight_decay(self, variable):
        for rule in self._excluded:
            if rule is variable or (isinstance(rule, re.Pattern) and rule.search(variable.path)):
                return False
        return True

    def _apply_weight_decay(self, variables, rate=None):
        if self.weight_decay is None:
            return
        rate = self._get_current_learning_rate() if rate is None else rate
        groups = {}
        for variable in variables:
            if self._use_weight_decay(variable):
                tensor = tensor_of(variable)
                groups.setdefault((tensor.dtype, tensor.device), []).append(tensor)
        for (dtype, device), params in groups.items():
            updates.decay_weights(params, rate.to(device=device, dtype=dtype), self.weight_decay)

    def finalize_variable_values(self, var_list):
        """At the end of training: write the averages over the weights, where they are kept."""
        if self.use_ema:
            with torch.no_grad():
                updates.assign(tensors_of(var_list), self._slots(self._averages, var_list))

    def scale_loss(self, loss):
        """The loss times `loss_scale_factor`, where that is set."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    # --- configuration -----------------------------------------------------------------------------------------------

    def get_config(self):
        """The arguments that make an equal optimizer; without its slots."""
        return {
            "name": self.name,
            "learning_rate": self._serialized_rate(),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
            **({"decay": self.decay} if self.decay else {}),
        }

    def _serialized_rate(self):
        rate = self._learning_rate
        if isinstance(rate, Variable):
            return float(rate)
        if isinstance(rate, LearningRateSchedule):
            from tandem.keras.optimizers import schedules

            return schedules.serialize(rate)
        return 0.5  # a function has no config: Keras writes this number

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The optimizer that `get_config` describes."""
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            from tandem.keras.optimizers import schedules

            config["learning_rate"] = schedules.deserialize(config["learning_rate"], custom_objects=custom_objects)
        decay = config.pop("decay", 0.0)
        optimizer = cls(**config)
        optimizer.decay = float(decay)
        return optimizer

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name}>"


def _overwritten(grads, variables):
    """Give variables whose gradient is their next value, such as the scales of 8-bit floats, that value.

    Returns the other gradients and variables.
    """
    kept = []
    for grad, variable in zip(grads, variables):
        if not getattr(variable, "overwrite_with_gradient", False):
            kept.append((grad, variable))
        elif grad is not None:
            variable.assign(grad)
    return [grad for grad, _ in kept], [variable for _, variable in kept]
