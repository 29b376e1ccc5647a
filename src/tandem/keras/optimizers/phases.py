"""What an optimizer does in some of its steps only: which steps these are, with and without a look at the counter."""

from contextlib import contextmanager

import torch

from tandem.engine import record
from tandem.keras.optimizers.schedules.schedule import LearningRateSchedule
from tandem.keras.variables import Variable
from tandem.ops import steps


class _Count:
    """A number that is no setting: what compares an optimizer's attributes does not see it change."""

    def __init__(self):
        self.value = 0


class Phased:
    """The part of `Optimizer` that knows its turn: accumulated gradients, averages that overwrite, a rate to call.

    A recorded step cannot branch. Who runs one and counts the steps announces each by `in_phase`, and there is a
    recording to a phase. Where nobody does (`apply` in a step of the user's own), a step that is being recorded does
    all that it may have to, and takes back what it has not.
    """

    def _begin_phases(self):
        self._phase = None  # what the next `apply` does, where the caller said so: see `phase`
        self._applied = _Count()  # how often `apply` ran since then
        self._irregular = False  # whether there was a step that called `apply` more than once
        self._called_rate = None  # what a learning rate that is a function gave last, in a tensor
        self._rate_waits = False  # whether it was called for the next `apply`

    @property
    def needs_phase(self):
        """Whether Python has a part in each step: see `in_phase`."""
        return self._has_phases or self._calls_rate

    @property
    def _has_phases(self):
        return bool(self.gradient_accumulation_steps or (self.use_ema and self.ema_overwrite_frequency))

    @property
    def _calls_rate(self):
        return not isinstance(self._learning_rate, (Variable, LearningRateSchedule))

    @property
    def may_skip(self):
        """Whether `counter` may go up by another number than one in a step."""
        return self._irregular

    def phase(self, count=None):
        """(update, overwrite): whether a step updates the weights, and whether it writes their averages over them.

        Both follow from the number of steps before, `count`; None reads it back.
        """
        if not self._has_phases:
            return True, False
        if count is None:
            count = int(self.counter)
        accumulate, often = self.gradient_accumulation_steps, self.use_ema and self.ema_overwrite_frequency
        update = not accumulate or (count + 1) % accumulate == 0
        return update, bool(often) and (count // (accumulate or 1) + 1) % often == 0

    @contextmanager
    def in_phase(self, phase):
        """Let the next `apply` inside the block do what `phase` says, so that it reads nothing back.

        A learning rate that is a function is called here, once. (Set around a recorded step, not in it.)
        """
        own = self.__dict__
        if self._calls_rate:
            self._call_rate()
            own["_rate_waits"] = True
        own["_phase"], self._applied.value = phase, 0
        try:
            yield
        finally:
            own["_irregular"] = self._irregular or self._applied.value > 1
            own["_phase"], own["_rate_waits"] = None, False

    def _take_phase(self):
        """The phase of this `apply`; None where only the counter's tensor tells."""
        own = self.__dict__
        phase, own["_phase"] = self._phase, None
        self._applied.value += 1
        if phase is None and not (self._has_phases and record.is_recording()):
            return self.phase()
        return phase

    def _take_rate(self):
        """What a learning rate that is a function gives for this `apply`."""
        if not self._rate_waits:
            return self._call_rate()
        self.__dict__["_rate_waits"] = False
        return self._called_rate

    def _call_rate(self):
        """What a learning rate that is a function gives now, in a tensor of its own."""
        record.refuse("a learning rate is a function, which is called in the step")
        if self._called_rate is None:
            self.__dict__["_called_rate"] = torch.empty((), device=self._iterations.device)
        self._called_rate.fill_(float(self._learning_rate()))
        return self._called_rate

    def _step_without_branch(self, grads, variables):
        """What `_step` does, whichever phase it is."""
        accumulate, often = self.gradient_accumulation_steps, self.use_ema and self.ema_overwrite_frequency
        params = tensors_of(variables)
        update, overwrite = steps.phase(self._iterations.tensor, accumulate or 1, often or 0)
        if accumulate:
            accumulators = self._slots(self._accumulators, variables)
            apart = {id(slot.tensor) for slot in [*self._accumulators, *(self._averages or ())]}
            changed = params + [slot.tensor for slot in self._variables if id(slot.tensor) not in apart]
            before = [tensor.detach().clone() for tensor in changed]
            self._update(grads, variables, accumulators)
            steps.choose(update, changed, before)
            steps.gather(accumulators, grads, update)
        else:
            self._update(grads, variables, None)
        if self.use_ema:
            self._average(variables)
            if often:
                steps.put(overwrite, params, self._slots(self._averages, variables))
        self._constrain(variables)


def tensor_of(variable):
    """The tensor that a variable (or a plain torch parameter) is."""
    return variable.tensor if isinstance(variable, Variable) else variable


def tensors_of(variables):
    """The tensors of some variables."""
    return [tensor_of(variable) for variable in variables]
