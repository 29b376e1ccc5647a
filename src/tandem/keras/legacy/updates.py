"""Keras 1's and 2's ways to use an optimizer by hand: `get_gradients` and `get_updates`."""

import torch

from tandem.core.errors import explain
from tandem.keras.legacy.k_nodes import gradients


class HandUpdates:
    """The methods of Keras 2's optimizers that Keras 3 has no more."""

    def get_gradients(self, loss, params):
        """The gradients of `loss`, symbolic or a tensor, with respect to `params`, a list. Raises ValueError where it
        does not depend on one.
        """
        found = gradients(loss, params)
        missing = [getattr(param, "name", param) for param, one in zip(params, found, strict=True) if one is None]
        if missing:
            raise ValueError(explain("The loss has no gradient with respect to some variables", given=missing))
        return found

    def get_updates(self, loss=None, params=None, constraints=None, **kwargs):
        """What `K.function(updates=…)` takes so that each call does a step: loss, symbolic; params: variables.

        Keras 1's order (params, constraints, loss) is understood as well. Raises ValueError without loss or params.
        """
        if isinstance(loss, (list, tuple)):
            loss, params = (constraints if not isinstance(constraints, (list, dict, tuple)) else None), loss
            loss = kwargs.pop("loss", loss)
        if kwargs:
            raise TypeError(explain("get_updates has no such argument", given=", ".join(kwargs)))
        if loss is None or params is None:
            raise ValueError(explain("get_updates needs both", expected="loss and params", given=f"{loss}, {params}"))
        from tandem.keras.legacy.k_graph import Update  # few programs need Keras 2's backend functions

        params = list(params)

        def step(*grads):
            with torch.no_grad():
                self.apply(list(grads), params)

        return [Update(self.get_gradients(loss, params), step)]
