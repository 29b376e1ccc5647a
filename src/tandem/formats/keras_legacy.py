"""`.h5` files of Keras 1, Keras 2, tf.keras and Keras 3's legacy format: attributes of JSON, weights layer by layer.

A whole model has the attributes "model_config" and "training_config" and the groups "model_weights" and
"optimizer_weights"; a file of weights has what "model_weights" has at its top. There "layer_names" lists the layers in
order, and each one's group lists its arrays as "weight_names".
"""

import json
from dataclasses import dataclass, field

import numpy as np

from tandem.formats import keras_weights
from tandem.formats.keras_archive import parse_json
from tandem.formats.limits import broken

# An attribute that is a list has to fit into the header of what it belongs to.
_LONGEST_LIST = 64512  # bytes
_TOP = "top_level_model_weights"


@dataclass
class Weights:
    """The arrays of a model's layers. layers: (name, names of arrays, arrays); top: the model's own arrays, or None."""

    layers: list = field(default_factory=list)
    top: list | None = None
    keras_version: str = "1"
    backend: str | None = None


def holds_layers(root):
    """Whether a file has its weights layer by layer."""
    return "model_weights" in root or "layer_names" in root.attributes or "layer_names0" in root.attributes


def read_json(root, name):
    """The value of an attribute of JSON, or None where there is none. Keras 1 and 2 wrote bytes, later ones text."""
    text = root.attributes.get(name)
    if text is None:
        return None
    if not isinstance(text, str):
        raise broken(root._file.name, f"the attribute {name!r} is no text", "JSON", repr(text)[:80])
    return parse_json(text, root._file.name, f"the attribute {name!r}")


def _text(attributes, name, default):
    value = attributes.get(name, default)
    return value if isinstance(value, str) else default


def read_weights(root):
    """The `Weights` of a file, of a whole model or of weights alone."""
    if not root.strings("layer_names") and "model_weights" in root:
        root = root.group("model_weights")
    attributes = root.attributes
    found = Weights(keras_version=_text(attributes, "keras_version", "1"), backend=_text(attributes, "backend", None))
    for name in root.strings("layer_names"):
        if name not in root:
            what = f"the layer {name!r} is not there"
            raise broken(root._file.name, what, "what 'layer_names' lists", root.keys()[:8])
        found.layers.append((name, *_arrays(root.group(name))))
    if _TOP in root:
        found.top = _arrays(root.group(_TOP))[1]
    return found


def read_version(root, weights):
    """The version of Keras that wrote a whole model, as text."""
    return _text(root.attributes, "keras_version", weights.keras_version)


def read_optimizer(root):
    """(names, arrays) of an optimizer's state, or None where the file has none."""
    if "optimizer_weights" not in root:
        return None
    return _arrays(root.group("optimizer_weights"))


def _arrays(group):
    names = group.strings("weight_names")
    return names, [_array(group, name) for name in names]


def _array(group, name):
    try:
        return group.array(name)
    except KeyError:
        what = f"the array {name!r} of {group.path!r} is not there"
        raise broken(group._file.name, what, "what 'weight_names' lists", group.keys()[:8]) from None


# --- writing ----------------------------------------------------------------------------------------------------------


def write_model(h5, configs, weights, optimizer=None):
    """Write a whole model.

    h5: an open h5py.File; configs: attribute -> text, or a value that becomes JSON; weights: a `Weights`;
    optimizer: (names, arrays) of its state.
    """
    for name, value in configs.items():
        h5.attrs[name] = value if isinstance(value, str) else json.dumps(value).encode("utf-8")
    write_weights(h5.create_group("model_weights"), weights)
    if optimizer is not None:
        _write_arrays(h5.create_group("optimizer_weights"), *optimizer)


def write_weights(group, weights):
    """Write a `Weights`."""
    _write_list(group, "layer_names", [name for name, _, _ in weights.layers])
    group.attrs["backend"] = weights.backend.encode("utf-8")
    group.attrs["keras_version"] = weights.keras_version.encode("utf-8")
    # By name, so that a name that begins another one comes before it.
    for name, names, arrays in sorted(weights.layers, key=lambda layer: layer[0]):
        _write_arrays(group.create_group(name), names, arrays)
    if weights.top is not None:
        _write_arrays(group.create_group(_TOP), *weights.top)


def _write_arrays(group, names, arrays):
    names = _different(names)
    _write_list(group, "weight_names", names)
    for name, array in zip(names, arrays, strict=True):
        keras_weights.put(group, name, array)


def _different(names):
    """The names, numbered where an earlier one is the same: variables of a script's own classes may share theirs."""
    found = {}  # in the order of the names
    for name in names:
        other, number = name, 0
        while other in found:
            number += 1
            other = f"{name}_{number}"
        found[other] = None
    return list(found)


def _write_list(group, name, texts):
    data = np.asarray([text.encode("utf-8") for text in texts])
    if any(len(text) > _LONGEST_LIST for text in data):
        raise ValueError(f"A name is too long for the file: {name} of {group.name}")
    parts = 1
    while any(part.nbytes > _LONGEST_LIST for part in np.array_split(data, parts)):
        parts += 1
    if parts == 1:
        group.attrs[name] = data
        return
    for number, part in enumerate(np.array_split(data, parts)):
        group.attrs[f"{name}{number}"] = part
