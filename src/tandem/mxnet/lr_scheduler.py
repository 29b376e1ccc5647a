"""Learning rates as functions of the number of updates (`mx.lr_scheduler`)."""

import logging
from itertools import pairwise
from math import cos, pi

from tandem.core.errors import explain

__all__ = ["CosineScheduler", "FactorScheduler", "LRScheduler", "MultiFactorScheduler", "PolyScheduler"]

_WARMUPS = ("linear", "constant")


class LRScheduler:
    """Base of the schedules: `scheduler(num_update)` is the learning rate of update number `num_update`.

    base_lr: the rate after the warm-up; warmup_steps: how many updates it takes; warmup_begin_lr: its first rate;
    warmup_mode: 'linear' (rises to base_lr) or 'constant' (stays at warmup_begin_lr).
    Raises ValueError for a warm-up that does not rise, is negative or of an unknown mode.
    """

    def __init__(self, base_lr=0.01, warmup_steps=0, warmup_begin_lr=0, warmup_mode="linear"):
        _check_integer("warmup_steps", warmup_steps)
        self.base_lr = base_lr
        self.warmup_steps = warmup_steps
        self.warmup_final_lr = base_lr
        self.warmup_begin_lr = warmup_begin_lr
        if warmup_begin_lr > base_lr:
            raise ValueError(
                explain(
                    "The warm-up starts above the base learning rate",
                    expected=f"warmup_begin_lr <= base_lr = {base_lr}",
                    given=f"warmup_begin_lr={warmup_begin_lr}",
                )
            )
        if warmup_steps < 0:
            raise ValueError(explain("A warm-up cannot have fewer than 0 steps", given=f"warmup_steps={warmup_steps}"))
        if warmup_mode not in _WARMUPS:
            raise ValueError(explain("Unknown warm-up", expected=" or ".join(_WARMUPS), given=repr(warmup_mode)))
        self.warmup_mode = warmup_mode

    def get_warmup_lr(self, num_update):
        """The learning rate of an update inside the warm-up."""
        if self.warmup_mode == "constant":
            return self.warmup_begin_lr
        rise = (self.warmup_final_lr - self.warmup_begin_lr) * float(num_update) / float(self.warmup_steps)
        return self.warmup_begin_lr + rise

    def __call__(self, num_update):
        raise NotImplementedError(
            explain(
                f"{type(self).__name__} does not say what the learning rate is", hint="Override __call__(num_update)."
            )
        )


class FactorScheduler(LRScheduler):
    """Multiplies the rate by `factor` after every `step` updates, down to `stop_factor_lr`.

    Raises ValueError for step < 1 or factor > 1.
    """

    def __init__(
        self,
        step,
        factor=1,
        stop_factor_lr=1e-8,
        base_lr=0.01,
        warmup_steps=0,
        warmup_begin_lr=0,
        warmup_mode="linear",
    ):
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        if step < 1:
            raise ValueError(explain("A schedule's step is at least 1 update", given=f"step={step}"))
        _check_factor(factor)
        self.step = step
        self.factor = factor
        self.stop_factor_lr = stop_factor_lr
        self.count = 0

    def __call__(self, num_update):
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        while num_update > self.count + self.step:
            self.count += self.step
            self.base_lr *= self.factor
            if self.base_lr < self.stop_factor_lr:
                self.base_lr = self.stop_factor_lr
                logging.info(
                    "Update[%d]: now learning rate arrived at %0.5e, will not change in the future",
                    num_update,
                    self.base_lr,
                )
            else:
                logging.info("Update[%d]: Change learning rate to %0.5e", num_update, self.base_lr)
        return self.base_lr


class MultiFactorScheduler(LRScheduler):
    """Multiplies the rate by `factor` after each number of updates in the list `step`.

    Raises ValueError for steps that are below 1 or do not increase, or factor > 1.
    """

    def __init__(self, step, factor=1, base_lr=0.01, warmup_steps=0, warmup_begin_lr=0, warmup_mode="linear"):
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        if not isinstance(step, list) or not step:
            raise AssertionError(explain("step is a list of update numbers", given=repr(step)))
        if any(one < 1 for one in step):
            raise ValueError(explain("A schedule's step is at least 1 update", given=f"step={step}"))
        if any(one >= following for one, following in pairwise(step)):
            raise ValueError(explain("The steps of a schedule increase", given=f"step={step}"))
        _check_factor(factor)
        self.step = step
        self.cur_step_ind = 0
        self.factor = factor
        self.count = 0

    def __call__(self, num_update):
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        while self.cur_step_ind < len(self.step) and num_update > self.step[self.cur_step_ind]:
            self.count = self.step[self.cur_step_ind]
            self.cur_step_ind += 1
            self.base_lr *= self.factor
            logging.info("Update[%d]: Change learning rate to %0.5e", num_update, self.base_lr)
        return self.base_lr


class PolyScheduler(LRScheduler):
    """Falls from base_lr to final_lr as a power: lr = final + (base − final)·(1 − t/T)^pwr.

    max_update: the update at which final_lr is reached; t and T are counted from the end of the warm-up.
    Raises ValueError for max_update < 1.
    """

    def __init__(
        self, max_update, base_lr=0.01, pwr=2, final_lr=0, warmup_steps=0, warmup_begin_lr=0, warmup_mode="linear"
    ):
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        _check_max_update(max_update)
        self.power = pwr
        self.base_lr_orig = self.base_lr
        self.max_update = max_update
        self.final_lr = final_lr
        self.max_steps = max_update - warmup_steps

    def __call__(self, num_update):
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        if num_update <= self.max_update:
            left = 1 - float(num_update - self.warmup_steps) / float(self.max_steps)
            self.base_lr = self.final_lr + (self.base_lr_orig - self.final_lr) * left**self.power
        return self.base_lr


class CosineScheduler(LRScheduler):
    """Falls from base_lr to final_lr along half a cosine: lr = final + (base − final)·(1 + cos(π·t/T))/2.

    max_update: the update at which final_lr is reached; t and T are counted from the end of the warm-up.
    Raises ValueError for max_update < 1. Source: Loshchilov & Hutter 2017, "SGDR", without restarts.
    """

    def __init__(self, max_update, base_lr=0.01, final_lr=0, warmup_steps=0, warmup_begin_lr=0, warmup_mode="linear"):
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)
        _check_max_update(max_update)
        self.base_lr_orig = base_lr
        self.max_update = max_update
        self.final_lr = final_lr
        self.max_steps = max_update - warmup_steps

    def __call__(self, num_update):
        if num_update < self.warmup_steps:
            return self.get_warmup_lr(num_update)
        if num_update <= self.max_update:
            share = (1 + cos(pi * (num_update - self.warmup_steps) / self.max_steps)) / 2
            self.base_lr = self.final_lr + (self.base_lr_orig - self.final_lr) * share
        return self.base_lr


def _check_integer(name, value):
    if not isinstance(value, int):
        raise AssertionError(explain(f"{name} is a number of updates", expected="an int", given=repr(value)))


def _check_factor(factor):
    if factor > 1.0:
        raise ValueError(
            explain("A factor above 1 would make the learning rate grow", expected="factor <= 1", given=factor)
        )


def _check_max_update(max_update):
    _check_integer("max_update", max_update)
    if max_update < 1:
        raise ValueError(explain("max_update is at least 1", given=max_update))
