"""`mx.model`: checkpoints of a symbol and its parameters."""

from collections import namedtuple

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError

__all__ = ["BatchEndParam", "load_checkpoint", "load_params", "save_checkpoint"]

# What callbacks get after each batch.
BatchEndParam = namedtuple("BatchEndParams", ["epoch", "nbatch", "eval_metric", "locals"])


def save_checkpoint(prefix, epoch, symbol, arg_params, aux_params, remove_amp_cast=True):
    """Write `prefix-symbol.json` and `prefix-0000.params`, with the epoch's number in four digits.

    symbol: None leaves the first out; arg_params, aux_params: name -> array; remove_amp_cast: see `Symbol.tojson`.
    """
    from tandem.mxnet import ndarray

    if symbol is not None:
        symbol.save(f"{prefix}-symbol.json", remove_amp_cast=remove_amp_cast)
    arrays = {f"arg:{name}": array for name, array in arg_params.items()}
    arrays.update({f"aux:{name}": array for name, array in aux_params.items()})
    ndarray.save(f"{prefix}-{epoch:04d}.params", arrays)


def load_params(prefix, epoch):
    """(arguments, auxiliary states), name -> array, of `prefix-0000.params`.

    Raises MXNetError for a file that cannot be read, or whose arrays are not named "arg:..." and "aux:...".
    """
    from tandem.mxnet import ndarray

    path = f"{prefix}-{epoch:04d}.params"
    loaded = ndarray.load(path)
    if not isinstance(loaded, dict):
        raise MXNetError(explain(f"The arrays in {path} have no names", expected='"arg:..." and "aux:..."'))
    parts = {"arg": {}, "aux": {}}
    for key, array in loaded.items():
        kind, _, name = key.partition(":")
        if kind in parts:
            parts[kind][name] = array
    return parts["arg"], parts["aux"]


def load_checkpoint(prefix, epoch):
    """(symbol, arguments, auxiliary states) of what `save_checkpoint` wrote, here or in MXNet."""
    from tandem.mxnet import symbol

    return (symbol.load(f"{prefix}-symbol.json"), *load_params(prefix, epoch))
