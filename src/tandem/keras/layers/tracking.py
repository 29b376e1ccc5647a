"""Lists and dicts set as attributes of a layer: what is put into them belongs to the layer."""


class TrackedList(list):
    """A list whose layers and variables belong to a layer, those appended later too."""

    _owner = None
    _name = None

    def _track(self, value):
        """`value` as it is to be stored: a module of another kind as a layer."""
        if self._owner is not None:
            value = self._owner._as_own(value)
            self._owner._track(f"{self._name}_{len(self)}", value)
        return value

    def append(self, value):
        """Add `value` at the end."""
        super().append(self._track(value))

    def insert(self, index, value):
        """Add `value` before `index`."""
        super().insert(index, self._track(value))

    def extend(self, values):
        """Add `values` at the end."""
        for value in list(values):
            self.append(value)

    def __iadd__(self, values):
        self.extend(values)
        return self

    def __setitem__(self, key, value):
        if isinstance(key, slice):
            for item in self[key]:
                self._forget(item)
            value = [self._track(item) for item in value]
        else:
            self._forget(self[key])
            value = self._track(value)
        super().__setitem__(key, value)

    def __delitem__(self, key):
        for item in self[key] if isinstance(key, slice) else [self[key]]:
            self._forget(item)
        super().__delitem__(key)

    def pop(self, index=-1):
        """Take the element at `index` out."""
        self._forget(self[index])
        return super().pop(index)

    def remove(self, value):
        """Take the first element that equals `value` out."""
        self._forget(value)
        super().remove(value)

    def clear(self):
        """Take everything out."""
        for value in self:
            self._forget(value)
        super().clear()

    def _forget(self, value):
        if self._owner is not None:
            self._owner._untrack(value)

    def __reduce__(self):
        return (list, (list(self),))


class TrackedDict(dict):
    """A dict whose layers and variables belong to a layer, those added later too."""

    _owner = None
    _name = None

    def __setitem__(self, key, value):
        if self._owner is not None:
            if key in self:
                self._owner._untrack(self[key])
            value = self._owner._as_own(value)
            self._owner._track(f"{self._name}_{key}", value)
        super().__setitem__(key, value)

    def update(self, *args, **kwargs):
        """Add the entries of a mapping."""
        for key, value in dict(*args, **kwargs).items():
            self[key] = value

    def setdefault(self, key, default=None):
        """The value of `key`, which becomes `default` where it is missing."""
        if key not in self:
            self[key] = default
        return self[key]

    def __delitem__(self, key):
        self._forget(self[key])
        super().__delitem__(key)

    def pop(self, key, *default):
        """Take the entry `key` out."""
        if key in self:
            self._forget(self[key])
        return super().pop(key, *default)

    def clear(self):
        """Take everything out."""
        for value in self.values():
            self._forget(value)
        super().clear()

    def _forget(self, value):
        if self._owner is not None:
            self._owner._untrack(value)

    def __reduce__(self):
        return (dict, (dict(self),))


def tracked(value, owner, name):
    """`value` as it is to be stored: a list or dict (also nested ones) becomes a tracked one of `owner`."""
    kind = type(value)
    if kind is list:
        result = TrackedList()
        result._owner, result._name = owner, name
        for item in value:
            result.append(tracked(item, owner, f"{name}_{len(result)}"))
        return result
    if kind is dict:
        result = TrackedDict()
        result._owner, result._name = owner, name
        for key, item in value.items():
            result[key] = tracked(item, owner, f"{name}_{key}")
        return result
    if isinstance(value, (tuple, set)) and not hasattr(value, "_fields"):
        items = [owner._as_own(tracked(item, owner, f"{name}_{index}")) for index, item in enumerate(value)]
        for index, item in enumerate(items):
            owner._track(f"{name}_{index}", item)
        return kind(items)
    return value
