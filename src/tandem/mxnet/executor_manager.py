"""`mx.executor_manager`: what older scripts take from it; executors on several contexts are `mx.mod`'s."""

from tandem.core.errors import explain
from tandem.mxnet.module.executor_group import _split_input_slice

__all__ = ["_check_arguments", "_split_input_slice"]


def _check_arguments(symbol):
    """Raise ValueError for a symbol in which two arguments, or two auxiliary states, have one name."""
    for what, names in (
        ("argument", symbol.list_arguments()),
        ("auxiliary param", symbol.list_auxiliary_states()),
    ):
        for name in names:
            if names.count(name) > 1:
                raise ValueError(
                    explain(
                        f'Find duplicated {what} name "{name}"',
                        expected=f"a name to each {what}",
                        given=names,
                        hint="Please make the weight name non-duplicated (using name arguments).",
                    )
                )
