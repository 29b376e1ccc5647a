"""Names that values had in the logs of older releases: `acc` for `accuracy`, `lr` for `learning_rate`, a function's own
name where Keras 3 writes it in snake case.
"""

from tandem.core.errors import warn
from tandem.core.naming import snake_case

_PAIRS = {"acc": "accuracy", "accuracy": "acc", "lr": "learning_rate", "learning_rate": "lr"}
_told = set()


def other_name(name):
    """The other spelling of a logged value's name, or None where it has but one."""
    prefix = "val_" if name.startswith("val_") else ""
    other = _PAIRS.get(name.removeprefix(prefix))
    other = prefix + (snake_case(name.removeprefix(prefix)) if other is None else other)
    return None if other == name else other


class Logs(dict):
    """A dict in which a value is found under both spellings of its name; listing shows the one that it has."""

    def __missing__(self, name):
        other = other_name(name) if isinstance(name, str) else None
        if other is None or not dict.__contains__(self, other):
            raise KeyError(name)
        if name not in _told:
            _told.add(name)
            warn(f"The logs have {other!r}: write that for {name!r}.", DeprecationWarning)
        return self[other]

    def get(self, name, default=None):
        """The value of a name in either spelling, or `default`."""
        try:
            return self[name]
        except KeyError:
            return default
