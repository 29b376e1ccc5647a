"""Parts of a training step, and of the methods that take one batch."""

from contextlib import contextmanager

import torch

from tandem.core.errors import explain
from tandem.keras import tensors
from tandem.keras.losses.loss import is_numbers
from tandem.keras.trainers.outputs import flatten


def batch_size(x):
    """The number of samples in a batch of inputs."""
    for _, leaf in flatten(x):
        if leaf is not None:
            return len(leaf)
    return 1


def logs_of(given, step):
    """What a step of the user's gave: a dict of logs. Raises TypeError for anything else."""
    if not isinstance(given, dict):
        raise TypeError(explain(f"`{step}` gives no logs", expected="a dict of name -> value", given=repr(given)[:80]))
    return given


def gradients(loss, variables):
    """The gradients of a loss for some variables, None for those that it does not depend on.

    Raises ValueError for a loss that depends on none of them, or is not a single number.
    """
    if loss.dim():
        raise ValueError(
            explain(
                "The loss is not a single number",
                expected="a scalar",
                given=f"shape {tuple(loss.shape)}",
                hint="A loss of reduction 'none' cannot train by itself.",
            )
        )
    if not loss.requires_grad:
        raise ValueError(
            explain(
                "The loss does not depend on the weights, so that there are no gradients",
                hint="Is there an operation in between that has none (rounding, argmax, NumPy, `detach`)?",
            )
        )
    return torch.autograd.grad(loss, [variable.tensor for variable in variables], allow_unused=True)


class Phases:
    """What an optimizer does in each step to come (see `Optimizer.phase`), counted in Python."""

    def __init__(self, optimizer):
        self.optimizer = optimizer
        self.settle()

    def next(self):
        """The phase of the next step."""
        if self.optimizer.may_skip:
            self.settle()
        phase = self.optimizer.phase(self.count)
        self.count += 1
        return phase

    def settle(self):
        """Count from what the optimizer says now: it may have been reset or loaded, or have left out steps."""
        self.count = int(self.optimizer.counter)


def repeated(step, times):
    """A function of an iterator of batches that runs `times` steps and gives the logs of the last one."""
    if times == 1:

        def run(iterator):
            return step(next(iterator))

        return run

    def run_several(iterator):
        logs = step(next(iterator))
        for _ in range(times - 1):
            data = next(iterator, None)
            if data is None:
                break
            logs = step(data)
        return logs

    return run_several


@contextmanager
def other_values(groups, given):
    """Other values in some groups of variables inside the block; the result gives their present values."""
    variables = [variable for group in groups for variable in group]
    values = [value for group in given for value in group]
    if len(variables) != len(values):
        raise ValueError(
            explain("The values do not fit the variables", expected=f"{len(variables)} values", given=len(values))
        )
    before = [variable.tensor for variable in variables]
    for variable, value in zip(variables, values):
        variable.tensor = tensors.convert(value).clone()
    try:
        yield lambda: tuple([variable.tensor for variable in group] for group in groups)
    finally:
        for variable, tensor in zip(variables, before):
            variable.tensor = tensor


def validation_parts(data):
    """(x, y, sample_weight) of `validation_data`: a tuple or list of two or three, or a dataset."""
    if isinstance(data, (tuple, list)) and not is_numbers(data):
        if len(data) > 3:
            raise ValueError(
                explain(
                    "`validation_data` has too many parts", expected="(x, y) or (x, y, sample_weight)", given=len(data)
                )
            )
        return (*data, *(None,) * (3 - len(data)))
    return data, None, None


def class_weights_by_output(class_weight, names):
    """Keras 2's class weights of several outputs, a list or a dict by name, as a dict with every output's name.

    class_weight: class number -> weight, or None, comes back as it is; names: the model's, or None where it has none.
    Raises ValueError for names that the model has not, or another number of dicts; AttributeError for what is neither.
    """
    if isinstance(class_weight, (list, tuple)):
        if names is None or len(class_weight) != len(names):
            expected = "a dict or None to each output" + ("" if names is None else f", {len(names)} of them")
            raise ValueError(explain("Bad `class_weight`", expected=expected, given=class_weight))
        return dict(zip(names, class_weight))
    if class_weight is None or not hasattr(class_weight, "items"):
        if class_weight is not None:
            raise AttributeError(
                explain("Bad `class_weight`", expected="a dict of class number -> weight", given=repr(class_weight))
            )
        return None
    if not any(isinstance(value, dict) for value in class_weight.values()):
        return class_weight
    unknown = [name for name in class_weight if name not in (names or ())]
    if unknown:
        raise ValueError(
            explain("Unknown entries in `class_weight`", expected=f"names of outputs, {names}", given=unknown)
        )
    return {name: class_weight.get(name) for name in names}
