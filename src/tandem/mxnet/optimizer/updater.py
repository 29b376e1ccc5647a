"""`Updater`: an optimizer and the states that it made, callable as a kvstore calls it; and states as bytes."""

import json

import torch

from tandem.core.errors import explain
from tandem.formats import pickled_states
from tandem.mxnet import context as contexts
from tandem.mxnet import lr_scheduler as schedulers
from tandem.mxnet.ndarray import files
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.optimizer.optimizer import Optimizer

__all__ = ["Updater", "get_updater"]

_HEADER = "__states__"
_FORMAT = "tandem.mxnet.updater/1"
# What an optimizer has that is not a setting: other objects, and what is made anew.
_NOT_SAVED = {
    "param_dict",
    "sym_info",
    "lr_scheduler",
    "_plans",
    "_scalars",
    "_index_update_count",
    "_all_index_update_counts",
}


class Updater:
    """`updater(index, grad, weight)` changes a weight (or each in lists), making its state at the first time."""

    def __init__(self, optimizer):
        self.optimizer = optimizer
        self.states = {}
        self.states_synced = {}
        self.aggregate_updates = optimizer.aggregate_num > 0

    def __call__(self, index, grad, weight):
        if not isinstance(index, (list, tuple)):
            index, grad, weight = [index], [grad], [weight]
        states = self.states
        for one, array in zip(index, weight):
            if one not in states:
                states[one] = self.optimizer.create_state_multi_precision(one, array)
                self.states_synced[one] = True
            elif not self.states_synced[one]:
                states[one] = self.sync_state_context(states[one], array.context)
                self.states_synced[one] = True
        self.optimizer.update_multi_precision(index, weight, grad, [states[one] for one in index])

    def sync_state_context(self, state, context):
        """A state on a context."""
        if isinstance(state, NDArray):
            return state.as_in_context(context)
        if isinstance(state, (list, tuple)):
            return type(state)(self.sync_state_context(item, context) for item in state)
        return state

    def get_states(self, dump_optimizer=False):
        """The states as bytes, which hold numbers and names only: nothing in them is run when they are read.

        dump_optimizer: whether the optimizer's settings, counts and schedule are in them.
        """
        return states_to_bytes(self.states, self.optimizer if dump_optimizer else None)

    def set_states(self, states):
        """Take over states from bytes that `get_states` made.

        Raises ValueError for bytes that are none.
        """
        self.states, optimizer = states_from_bytes(states, self.optimizer)
        if optimizer is not None:
            self.optimizer = optimizer
        self.states_synced = dict.fromkeys(self.states, False)


def get_updater(optimizer):
    """An `Updater` for an optimizer."""
    return Updater(optimizer)


def states_to_bytes(states, optimizer=None):
    """States (index -> None, array or nested tuple of them) and an optimizer's settings, in safetensors' format."""
    from safetensors.torch import save

    tensors = {}

    def describe(state):
        if state is None:
            return None
        if isinstance(state, NDArray):
            tensors[str(len(tensors))] = state._tensor.detach().cpu().contiguous()
            return len(tensors) - 1
        return [describe(item) for item in state]

    header = {"format": _FORMAT, "states": [[index, describe(state)] for index, state in states.items()]}
    if optimizer is not None:
        header["optimizer"] = _describe_optimizer(optimizer)
    text = json.dumps(header).encode()
    tensors[_HEADER] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    # Two names may hold one array, which the format does not allow.
    return save({name: tensor.clone() for name, tensor in tensors.items()})


def states_from_bytes(data, optimizer):
    """(states, optimizer or None) from what `states_to_bytes` made, or from what MXNet's Updater did.

    optimizer: the current one, which takes over the settings if it is of the class that they are of.
    Raises ValueError for other bytes.
    """
    from safetensors import SafetensorError

    data = bytes(data)
    # A pickle begins with its protocol; those of protocol 0, of Python 2's MXNet, with a tuple or a dict.
    pickled = data[8:9] != b"{" and data[:1] in (b"\x80", b"(", b"}")
    try:
        states, described = (_states_of_mxnet if pickled else _states_of_ours)(data)
        return states, None if described is None else _restore_optimizer(described, optimizer)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            explain(
                "These are no optimizer states",
                expected="what save_states or get_states wrote, here or in MXNet",
                given=f"a pickle ({error})" if pickled else str(error)[:200],
            )
        ) from error


def _states_of_ours(data):
    """(states, the optimizer's description or None)."""
    from safetensors.torch import load

    tensors = load(data)
    header = json.loads(bytes(tensors.pop(_HEADER).numpy()))
    if header["format"] != _FORMAT:
        raise KeyError(header["format"])

    def build(tree):
        if tree is None:
            return None
        if isinstance(tree, list):
            return tuple(build(item) for item in tree)
        return NDArray._wrap(tensors[str(int(tree))], contexts.cpu())

    return {index: build(tree) for index, tree in header["states"]}, header.get("optimizer")


def _states_of_mxnet(data):
    """The same from MXNet's own file, a pickle, of which nothing is run."""
    found, record = pickled_states.read(data)

    def build(tree):
        if isinstance(tree, (list, tuple)):
            return tuple(build(item) for item in tree)
        # Of sparse weights MXNet keeps sparse states; here they are dense.
        return None if tree is None else files._array(tree).tostype("default")

    states = {index: build(tree) for index, tree in found.items()}
    if record is None:
        return states, None
    attributes = record.attributes
    scheduler = attributes.get("lr_scheduler")
    described = {
        "name": record.name,
        "settings": {key: value for key, value in attributes.items() if key not in _NOT_SAVED and _plain(value)},
        "tables": {
            key: _pairs(value) for key, value in attributes.items() if key not in _NOT_SAVED and isinstance(value, dict)
        },
        "counts": [
            [device, _pairs(counts)] for device, counts in attributes.get("_all_index_update_counts", {}).items()
        ],
        "scheduler": {"name": scheduler.name, "settings": scheduler.attributes}
        if isinstance(scheduler, pickled_states.Record)
        else None,
    }
    return states, described


def _plain(value):
    """Whether a setting can be written as it is."""
    return value is None or isinstance(value, (bool, int, float, str))


def _pairs(table):
    return [[key, value] for key, value in table.items()]


def _describe_optimizer(optimizer):
    settings, tables = {}, {}
    for key, value in vars(optimizer).items():
        if key in _NOT_SAVED:
            continue
        if _plain(value):
            settings[key] = value
        elif isinstance(value, dict) and all(_plain(item) for pair in value.items() for item in pair):
            tables[key] = _pairs(value)
    scheduler = optimizer.lr_scheduler
    return {
        "name": type(optimizer).__name__,
        "settings": settings,
        "tables": tables,
        "counts": [[device, _pairs(counts)] for device, counts in optimizer._all_index_update_counts.items()],
        "scheduler": scheduler
        and {
            "name": type(scheduler).__name__,
            "settings": {
                key: value
                for key, value in vars(scheduler).items()
                if _plain(value) or (isinstance(value, list) and all(map(_plain, value)))
            },
        },
    }


def _restore_optimizer(described, current):
    """The optimizer of a description: the current one if it is of that class, else a new one of a registered class."""
    name = described["name"]
    if type(current).__name__ == name:
        optimizer = current
    else:
        from tandem.mxnet.optimizer import rare_rules, rules  # noqa: F401 (registers those that are there)

        klass = Optimizer.opt_registry.get(name.lower())
        if klass is None:
            raise ValueError(explain(f"The states were saved with the optimizer {name}, which is not registered"))
        optimizer = klass()
    known = vars(optimizer)
    for key, value in described["settings"].items():
        if key in known:
            setattr(optimizer, key, value)
    for key, pairs in described["tables"].items():
        if key in known:
            setattr(optimizer, key, dict(map(tuple, pairs)))
    counts = {device: dict(map(tuple, pairs)) for device, pairs in described["counts"]}
    optimizer._all_index_update_counts = counts or {0: {}}
    optimizer._index_update_count = next(iter(optimizer._all_index_update_counts.values()))
    _restore_scheduler(described["scheduler"], optimizer)
    return optimizer


def _restore_scheduler(described, optimizer):
    if not described:
        return
    scheduler = optimizer.lr_scheduler
    if type(scheduler).__name__ != described["name"]:
        if described["name"] not in schedulers.__all__:
            return  # a class of the caller's own: the one that is there stays
        klass = getattr(schedulers, described["name"])
        scheduler = optimizer.lr_scheduler = klass.__new__(klass)
    vars(scheduler).update(described["settings"])
