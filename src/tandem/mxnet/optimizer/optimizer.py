"""`Optimizer`: learning rates, weight decay and counts per weight, and updates of many weights at once."""

import logging
import warnings
from operator import is_

import torch

from tandem.core.dtypes import dtype_name
from tandem.core.errors import explain, suggest
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray, SparseStorage
from tandem.mxnet.optimizer import sparse
from tandem.ops import updates

__all__ = ["Optimizer", "create", "register"]

# Who updates weights one at a time has a plan for each.
_MOST_PLANS = 1024

_NOT_KEPT = ("param_dict", "_plans", "_scalars")


class Group:
    """Weights that are updated in one call: they share learning rate, weight decay, step, dtype and device.

    params, grads: lists of tensors; states: for each of the optimizer's slots a list of tensors; lr, wd: numbers; step:
    how many updates there were, this one included; tag: what the optimizer says of them; number: the group's, within
    this step.
    """

    __slots__ = (
        "_lr_mult",
        "_members",
        "_optimizer",
        "_wd_mult",
        "grads",
        "halves",
        "lr",
        "number",
        "params",
        "rescale",
        "states",
        "step",
        "tag",
        "wd",
    )

    def __init__(self, number, lr_mult, wd_mult, step, tag):
        self._optimizer, self.number = None, number
        self._lr_mult, self._wd_mult, self.step, self.tag = lr_mult, wd_mult, step, tag
        self._members = []  # their positions among all weights
        self.params, self.grads, self.states, self.halves = [], [], [], []
        self.rescale = self.lr = self.wd = None

    def add(self, position, weight, master, slots):
        """Take in a weight: its position among all, its array, its float32 copy or None, its state's arrays."""
        self._members.append(position)
        if master is not None:
            self.halves.append(weight._tensor)
        self.params.append((weight if master is None else master)._tensor)
        if not self.states:
            self.states = [[] for _ in slots]
        for tensors, slot in zip(self.states, slots):
            tensors.append(slot._tensor)

    def update(self, optimizer, lr, wd, grads):
        """Have the optimizer change the weights. lr, wd: without multipliers; grads: arrays, of all weights."""
        self.apply(optimizer, lr, wd, [grads[position]._tensor for position in self._members])

    def apply(self, optimizer, lr, wd, grads):
        """`update` with tensors, the gradients of this group."""
        self._optimizer = optimizer
        self.lr, self.wd = lr * self._lr_mult, wd * self._wd_mult
        # Always a tensor where there is anything to do: the last, smaller batch changes its value only.
        self.rescale = self.scalar("rescale", optimizer.rescale_grad) if optimizer.rescale_grad != 1.0 else None
        self.grads = grads
        if self.halves:
            self.grads = [grad.to(torch.float32) for grad in self.grads]
        optimizer._rule(self)
        self.grads = self._optimizer = None  # only for as long as they are needed
        if self.halves:
            updates.assign(self.halves, self.params)

    def scalar(self, name, value):
        """A 0-d tensor with this value on the weights' device: the same tensor in every step."""
        return self._optimizer._scalar((name, self.number, self.params[0].device), value)


class _Plan:
    """The groups of some weights, kept from step to step as long as nothing that they rest on changes."""

    __slots__ = ("_counts", "_multipliers", "_seen", "_tensors", "groups")

    def __init__(self, optimizer, indices, weights, states, masters, multipliers):
        arrays, found = [*weights], {}
        counts = optimizer._index_update_count
        for position, (index, weight, state, master, multiplier) in enumerate(
            zip(indices, weights, states, masters, zip(*multipliers))
        ):
            slots = optimizer._slots(state)
            arrays += slots if master is None else [*slots, master]
            tag, tensor = optimizer._tag(index), weight._tensor
            key = (*multiplier, counts[index], tensor.dtype, tensor.device, master is None, tag)
            if key not in found:
                found[key] = Group(len(found), *multiplier, counts[index], tag)
            found[key].add(position, weight, master, slots)
        self.groups = list(found.values())
        self._counts = [[indices[position] for position in group._members] for group in self.groups]
        self._multipliers = multipliers
        self._seen, self._tensors = arrays, [array._tensor for array in arrays]

    def still_holds(self, optimizer, weights, states, masters, multipliers):
        """Whether the groups are what they would be if they were made now."""
        if multipliers != self._multipliers:
            return False
        arrays = [*weights]
        for state, master in zip(states, masters):
            arrays += optimizer._slots(state)
            if master is not None:
                arrays.append(master)
        seen = self._seen
        if len(arrays) != len(seen) or not all(map(is_, arrays, seen)):
            return False
        if not all(map(is_, [array._tensor for array in arrays], self._tensors)):
            return False
        counts = optimizer._index_update_count
        for group, indices in zip(self.groups, self._counts):
            group.step = counts[indices[0]]
            if len(indices) > 1 and any(counts[index] != group.step for index in indices):
                return False
        return True


class Optimizer:
    """Base of optimizers.

    rescale_grad: factor on gradients; param_idx2name: index -> name; wd: weight decay; clip_gradient: gradients are
    cut to ±this; learning_rate, or lr_scheduler; sym: not there yet; begin_num_update: updates that are counted
    already; multi_precision: keep a float32 copy of float16 weights; param_dict: index -> Parameter, whose lr_mult
    and wd_mult hold.

    A subclass of one's own overrides `create_state(index, weight)` and `update(index, weight, grad, state)`; it finds
    its learning rate with `_update_count(index)` and `_get_lr(index)`.
    """

    opt_registry = {}

    def __init__(
        self,
        rescale_grad=1.0,
        param_idx2name=None,
        wd=0.0,
        clip_gradient=None,
        learning_rate=None,
        lr_scheduler=None,
        sym=None,
        begin_num_update=0,
        multi_precision=False,
        param_dict=None,
    ):
        self.rescale_grad = rescale_grad
        self.lr_scheduler = lr_scheduler
        if lr_scheduler is None:
            learning_rate = 0.01 if learning_rate is None else learning_rate
        elif learning_rate is not None:
            if lr_scheduler.base_lr != learning_rate:
                logging.warning(
                    "learning rate from ``lr_scheduler`` has been overwritten by ``learning_rate`` in optimizer."
                )
            lr_scheduler.base_lr = learning_rate
        self.lr = learning_rate
        self.wd = wd
        self.lr_mult = {}
        self.wd_mult = {}
        self.begin_num_update = begin_num_update
        self.num_update = begin_num_update
        # Contexts count by themselves: each has its replica of every weight.
        self._all_index_update_counts = {0: {}}
        self._index_update_count = self._all_index_update_counts[0]
        self.clip_gradient = clip_gradient
        self.multi_precision = multi_precision
        self.aggregate_num = 0
        if param_idx2name is None:
            param_idx2name = {}
        if not isinstance(param_idx2name, dict):
            raise AssertionError(
                explain("param_idx2name should be a dict of param indexes to names", given=repr(param_idx2name))
            )
        self.idx2name = dict(param_idx2name)
        self.sym_info = () if sym is None else (sym.attr_dict(), sym.list_arguments())
        self.param_dict = param_dict or {}
        self._scalars, self._plans = {}, {}
        self.set_lr_mult({})
        self.set_wd_mult({})

    @staticmethod
    def register(klass):
        """Register an optimizer under its lower-case name; usable as a decorator."""
        name = klass.__name__.lower()
        known = Optimizer.opt_registry.get(name)
        if known is not None and known is not klass:
            warnings.warn(
                f"WARNING: New optimizer {klass.__module__}.{klass.__name__} is overriding existing optimizer"
                f" {known.__module__}.{known.__name__}",
                UserWarning,
                stacklevel=2,
            )
        Optimizer.opt_registry[name] = klass
        return klass

    @staticmethod
    def create_optimizer(name, **kwargs):
        """An optimizer from its registered name and its arguments.

        Raises ValueError for an unknown name.
        """
        from tandem.mxnet.optimizer import rare_rules, rules  # noqa: F401 (registers those that are there)

        if isinstance(name, Optimizer):
            return name
        if str(name).lower() not in Optimizer.opt_registry:
            raise ValueError(
                explain(
                    f"Cannot find optimizer {name}",
                    expected=", ".join(sorted(Optimizer.opt_registry)),
                    given=repr(name),
                    hint=suggest(name, Optimizer.opt_registry),
                )
            )
        return Optimizer.opt_registry[name.lower()](**kwargs)

    # --- rates and counts ------------------------------------------------------------------------------------------

    @property
    def learning_rate(self):
        """The current learning rate, without multipliers."""
        return self.lr if self.lr_scheduler is None else self.lr_scheduler(self.num_update)

    def set_learning_rate(self, lr):
        """Set the learning rate.

        Raises UserWarning where a scheduler sets it.
        """
        if self.lr_scheduler is not None:
            raise UserWarning(
                explain(
                    "LRScheduler of the optimizer has already been defined: it sets the learning rate",
                    hint="Set lr_scheduler.base_lr, or make the optimizer without a scheduler.",
                )
            )
        self.lr = lr

    def set_lr_scale(self, args_lrscale):
        """The old name of `set_lr_mult`: raises DeprecationWarning, as MXNet does."""
        raise DeprecationWarning(explain("set_lr_scale is gone", hint="Use set_lr_mult."))

    def set_lr_mult(self, args_lr_mult):
        """Factors on the learning rate: index or name -> number."""
        self.lr_mult = {**self._from_symbol("__lr_mult__"), **args_lr_mult}

    def set_wd_mult(self, args_wd_mult):
        """Factors on the weight decay: index or name -> number; 0 for names that end in neither _weight nor _gamma."""
        undecayed = {name: 0.0 for name in self.idx2name.values() if not name.endswith(("_weight", "_gamma"))}
        self.wd_mult = {**undecayed, **self._from_symbol("__wd_mult__"), **args_wd_mult}

    def _from_symbol(self, key):
        if not self.sym_info:
            return {}
        attributes, names = self.sym_info
        return {name: float(attributes[name][key]) for name in names if key in attributes.get(name, {})}

    def _set_current_context(self, device_id):
        """Count updates for one of several replicas from now on."""
        self._index_update_count = self._all_index_update_counts.setdefault(device_id, {})

    def _update_count(self, index):
        """Count an update of a weight, or of each in a list."""
        counts, first, most = self._index_update_count, self.begin_num_update, self.num_update
        for one in index if isinstance(index, (list, tuple)) else (index,):
            counts[one] = count = counts.get(one, first) + 1
            if count > most:
                most = count
        self.num_update = most

    def _multiplier(self, index, attribute, table):
        parameter = self.param_dict.get(index)
        if parameter is not None:
            return getattr(parameter, attribute)
        if index in table:
            return table[index]
        if index in self.idx2name:
            return table.get(self.idx2name[index], 1.0)
        return 1.0

    def _get_lrs(self, indices):
        """The learning rates of some weights."""
        lr = self.learning_rate
        return [lr * self._multiplier(index, "lr_mult", self.lr_mult) for index in indices]

    def _get_lr(self, index):
        """The learning rate of a weight."""
        return self._get_lrs([index])[0]

    def _get_wds(self, indices):
        """The weight decays of some weights."""
        return [self.wd * self._multiplier(index, "wd_mult", self.wd_mult) for index in indices]

    def _get_wd(self, index):
        """The weight decay of a weight."""
        return self._get_wds([index])[0]

    # --- states and updates ------------------------------------------------------------------------------------------

    def create_state(self, index, weight):
        """What the rule keeps for a weight: None, an array or a tuple of them."""

    def create_state_multi_precision(self, index, weight):
        """`create_state`, for float16 weights under multi_precision with a float32 copy of the weight."""
        if self._keeps_master(weight):
            master = weight.astype("float32")
            return (master, self.create_state(index, master))
        if _dtype_of(weight) is torch.float16 and not self.multi_precision:
            warnings.warn(
                "Accumulating with float16 in optimizer can lead to poor accuracy or slow convergence. Consider using"
                " multi_precision=True option of the optimizer",
                UserWarning,
                stacklevel=2,
            )
        return self.create_state(index, weight)

    def _keeps_master(self, weight):
        return self.multi_precision and _dtype_of(weight) in (torch.float16, torch.bfloat16)

    def _split_master(self, state):
        """(float32 copy, the rule's own state) of a multi-precision state."""
        return state

    def update(self, index, weight, grad, state):
        """Change a weight by its gradient, or each in lists of equal length.

        index: its index, or a list; weight, grad: arrays; state: what `create_state` made.
        """
        if not isinstance(index, (list, tuple)):
            index, weight, grad, state = [index], [weight], [grad], [state]
        self._update_all(index, weight, grad, state, [None] * len(index))

    def update_multi_precision(self, index, weight, grad, state):
        """`update` with states that `create_state_multi_precision` made."""
        if isinstance(index, (list, tuple)) and self._updates_lists():
            masters, states = [], []
            for one, own in zip(weight, state):
                master, own = self._split_master(own) if self._keeps_master(one) else (None, own)
                masters.append(master)
                states.append(own)
            self._update_all(index, weight, grad, states, masters)
        elif isinstance(index, (list, tuple)):
            for one in zip(index, weight, grad, state):
                self.update_multi_precision(*one)
        elif self._updates_lists():
            self.update_multi_precision([index], [weight], [grad], [state])
        elif self._keeps_master(weight):
            master, state = self._split_master(state)
            self.update(index, master, grad.astype("float32"), state)
            weight._assign(master._tensor)
        else:
            self.update(index, weight, grad, state)

    def _updates_lists(self):
        """Whether the rule is one of those that are there, which take any number of weights at once."""
        return type(self).update is Optimizer.update

    def _update_all(self, indices, weights, grads, states, masters):
        """Update weights, those with equal rates together.

        masters: for each weight its float32 copy, or None.
        """
        if type(self)._rule is Optimizer._rule:
            raise NotImplementedError(
                explain(f"{type(self).__name__} does not say how weights change", hint="Override update(...).")
            )
        self._update_count(indices)
        multipliers = (
            [self._multiplier(index, "lr_mult", self.lr_mult) for index in indices],
            [self._multiplier(index, "wd_mult", self.wd_mult) for index in indices],
        )
        key = (len(indices), indices[0], id(self._index_update_count))
        plan = self._plans.get(key)
        try:
            if plan is None or not plan.still_holds(self, weights, states, masters, multipliers):
                _check_shapes(indices, weights, grads)
                if len(self._plans) >= _MOST_PLANS:
                    self._plans.clear()
                plan = self._plans[key] = _Plan(self, indices, weights, states, masters, multipliers)
        except SparseStorage:  # a weight's
            sparse.update_all(self, Group, range(len(indices)), indices, weights, grads, states, masters)
            return
        lr, wd = self.learning_rate, self.wd
        before = torch.is_grad_enabled()
        torch._C._set_grad_enabled(False)
        try:
            for group in plan.groups:
                group.update(self, lr, wd, grads)
        except SparseStorage:  # a gradient's
            groups = plan.groups[plan.groups.index(group) :]
            left = [position for group in groups for position in group._members]
            sparse.update_all(self, Group, left, indices, weights, grads, states, masters)
        except RuntimeError as error:
            if isinstance(error, (MXNetError, torch.OutOfMemoryError)):
                raise
            kinds = [(dtype_name(_dtype_of(grad)), dtype_name(_dtype_of(one))) for one, grad in zip(weights, grads)]
            given = "gradients of " + ", ".join(f"{grad} for {one}" for grad, one in kinds)
            raise MXNetError(explain(f"The update failed: {error}", given=given)) from error
        finally:
            torch._C._set_grad_enabled(before)

    def _is_lazy(self, weight):
        """Whether a row_sparse gradient changes only the rows of the weight and its state that it stores."""
        return False

    def _tag(self, index):
        """What, besides their rates, only weights have in common that are updated together."""
        return

    def _slots(self, state):
        """The arrays of a state, in the order in which the rule takes them."""
        return state if isinstance(state, (list, tuple)) else () if state is None else (state,)

    def _rule(self, group):
        """Change the weights of a group in place, with one of `ops.updates`."""

    def _clip(self):
        return self.clip_gradient or None

    def _scalar(self, key, value):
        known = self._scalars.get(key)
        if known is None:
            known = self._scalars[key] = [torch.empty((), dtype=torch.float32, device=key[-1]), None]
        if known[1] != value:
            known[0].fill_(value)
            known[1] = value
        return known[0]

    def __getstate__(self):
        return {key: value for key, value in self.__dict__.items() if key not in _NOT_KEPT}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.param_dict, self._scalars, self._plans = {}, {}, {}
        self._index_update_count = self._all_index_update_counts[0]


def _check_shapes(indices, weights, grads):
    for index, weight, grad in zip(indices, weights, grads):
        if tuple(grad.shape) != tuple(weight.shape):  # torch's fused updates do not look
            raise MXNetError(
                explain(
                    f"A gradient has another shape than its weight {index}", expected=weight.shape, given=grad.shape
                )
            )


def _dtype_of(weight):
    return weight._tensor.dtype if weight.stype == "default" else weight._held.values.dtype


def zeros_like(weight):
    """A new array of zeros for a state; dense, also for a sparse weight."""
    if weight.stype != "default":
        values = weight._held.values
        return NDArray._wrap(torch.zeros(weight.shape, dtype=values.dtype, device=values.device), weight._ctx)
    return NDArray._wrap(torch.zeros_like(weight._tensor.detach()), weight._ctx)


register = Optimizer.register
create = Optimizer.create_optimizer
