"""Objects that stand in several places of a config: they get a number, by which loading makes one object of them."""

import threading


class _Here(threading.local):
    def __init__(self):
        self.saved = self.loaded = None


_here = _Here()


class ObjectSharingScope:
    """Inside the block, objects that are met again while saving or loading stay one object."""

    def __enter__(self):
        self._before = (_here.saved, _here.loaded)
        _here.saved, _here.loaded = {}, {}
        return self

    def __exit__(self, *exc_info):
        _here.saved, _here.loaded = self._before


def note_saved(obj, config):
    """Number `obj`, described by `config`, where it was met before."""
    if _here.saved is None:
        return
    # The object is kept, so that no other one gets its id meanwhile.
    _, others = _here.saved.setdefault(id(obj), (obj, []))
    others.append(config)
    if len(others) > 1:
        for other in others:
            other["shared_object_id"] = id(obj)


def loaded(config):
    """The object that a config with the same number gave, or None."""
    number = config.get("shared_object_id")
    return None if _here.loaded is None or not isinstance(number, int) else _here.loaded.get(number)


def note_loaded(config, obj):
    """Remember what a config gave, where it has a number."""
    number = config.get("shared_object_id")
    if _here.loaded is not None and isinstance(number, int):
        _here.loaded.setdefault(number, obj)
