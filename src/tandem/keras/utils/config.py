"""`Config`: named values, as attributes and as items."""

import json

from tandem.core.errors import suggest


class Config:
    """A dict whose entries are attributes too, and which can be frozen.

    >>> config = Config(units=3)
    >>> config.rate = 0.1
    >>> config.units, config["rate"]
    (3, 0.1)
    """

    def __init__(self, **kwargs):
        self.__dict__["_config"] = kwargs
        self.__dict__["_frozen"] = False

    @property
    def frozen(self):
        """Whether the entries are fixed."""
        return self._frozen

    def freeze(self):
        """From now on, raise ValueError for whatever would change an entry."""
        self.__dict__["_frozen"] = True

    def unfreeze(self):
        """Let entries be changed again."""
        self.__dict__["_frozen"] = False

    def _changing(self):
        if self._frozen:
            raise ValueError("Cannot mutate attribute(s) because the config is frozen.")
        return self._config

    # --- as a dict -------------------------------------------------------------------------------------------------
    def as_dict(self):
        """The entries as a dict of their own."""
        return dict(self._config)

    def to_json(self):
        """The entries as JSON."""
        return json.dumps(self._config)

    def keys(self):
        """The names."""
        return self._config.keys()

    def values(self):
        """The values."""
        return self._config.values()

    def items(self):
        """Pairs of name and value."""
        return self._config.items()

    def pop(self, *args):
        """Take an entry away and give its value, or a second argument where there is none."""
        return self._changing().pop(*args)

    def update(self, *args, **kwargs):
        """Set the entries of a dict, and those that are named."""
        return self._changing().update(*args, **kwargs)

    def get(self, keyname, value=None):
        """An entry, or `value` where there is none."""
        return self._config.get(keyname, value)

    def __getitem__(self, key):
        return self._config[key]

    def __setitem__(self, key, item):
        self._changing()[key] = item

    def __delitem__(self, key):
        del self._changing()[key]

    def __iter__(self):
        return iter(sorted(self._config))

    def __len__(self):
        return len(self._config)

    def __contains__(self, key):
        return key in self._config

    # --- as attributes ---------------------------------------------------------------------------------------------
    def __getattr__(self, name):
        entries = self.__dict__.get("_config", {})  # a copy in the making has none yet
        if name in entries:
            return entries[name]
        raise AttributeError(
            " ".join(part for part in (f"Unknown attribute: '{name}'.", suggest(name, entries)) if part)
        )

    def __setattr__(self, name, value):
        self._changing()[name] = value

    def __delattr__(self, name):
        if name not in self._config:
            raise AttributeError(f"Unknown attribute: '{name}'.")
        del self._changing()[name]

    def __repr__(self):
        return f"<Config {self._config}>"
