"""An optimizer's step on given values in place of variables."""

import torch

from tandem.keras import tensors


class Stateless:
    """The part of `Optimizer` that leaves the variables as they are."""

    def stateless_apply(self, optimizer_variables, grads, trainable_variables):
        """One step on values: returns (the new values of the variables, those of the optimizer's own).

        optimizer_variables: values for `variables`, in their order; trainable_variables: values for the variables that
        the optimizer was built with. Raises ValueError where it is not built and where the numbers differ.
        """
        if not self.built:
            raise ValueError(
                f"To call `stateless_apply`, {type(self).__name__} must be built (i.e. its variables must have been "
                "created). You can build it via `optimizer.build(trainable_variables)`."
            )
        own = self.variables
        known = self._trainable_variables
        for what, given, wanted in (
            ("optimizer_variables", optimizer_variables, own),
            ("trainable_variables", trainable_variables, known),
        ):
            if len(given) != len(wanted):
                raise ValueError(
                    f"Argument `{what}` must be a list of tensors corresponding 1:1 to the variables of "
                    f"{type(self).__name__}. Received list with length {len(given)}, but expected {len(wanted)} "
                    "variables."
                )
        variables = [*known, *own]
        before = [variable.tensor for variable in variables]
        values = [*trainable_variables, *optimizer_variables]
        for variable, value in zip(variables, values):
            variable.tensor = tensors.convert(value).detach().clone()
        try:
            with torch.no_grad():
                self.apply(grads, known)
            return [variable.tensor for variable in known], [variable.tensor for variable in own]
        finally:
            for variable, tensor in zip(variables, before):
                variable.tensor = tensor
