"""Configs of Keras 1, Keras 2 and tf.keras in today's terms, and today's models in theirs."""

import json

from tandem.core.errors import Unsupported, explain
from tandem.keras.legacy.activations import HARD_SIGMOID
from tandem.keras.legacy.layers import ARGUMENTS, VALUES
from tandem.keras.saving import registry
from tandem.keras.saving.serialization import deserialize_keras_object, serialize_keras_object

# Classes by what they are called today, with arguments that make up the difference.
_CLASSES = {
    "AtrousConvolution1D": ("Conv1D", {}),
    "AtrousConvolution2D": ("Conv2D", {}),
    "BatchNormalizationV1": ("BatchNormalization", {}),
    "BatchNormalizationV2": ("BatchNormalization", {}),
    "SyncBatchNormalization": ("BatchNormalization", {"synchronized": True}),
    "Convolution1D": ("Conv1D", {}),
    "Convolution2D": ("Conv2D", {}),
    "Convolution3D": ("Conv3D", {}),
    "CuDNNGRU": ("GRU", {"reset_after": True}),
    "CuDNNLSTM": ("LSTM", {}),
    "Deconvolution2D": ("Conv2DTranspose", {}),
    "GRUV2": ("GRU", {}),
    "LSTMV2": ("LSTM", {}),
    "Linear": ("Activation", {"activation": "linear"}),
    "Model": ("Functional", {}),
    "SeparableConvolution2D": ("SeparableConv2D", {}),
}
# The sizes of kernels and the like that Keras 1 took one by one.
_SIZES = {
    "Conv2D": {"kernel_size": ("nb_row", "nb_col")},
    "SeparableConv2D": {"kernel_size": ("nb_row", "nb_col")},
    "Conv2DTranspose": {"kernel_size": ("nb_row", "nb_col")},
    "Conv3D": {"kernel_size": ("kernel_dim1", "kernel_dim2", "kernel_dim3")},
}
# What steered how something was computed, or was only ever a note.
_NO_EFFECT = {
    "batch_input_dtype",
    "consume_less",
    "implementation",
    "input_dtype",
    "input_length",
    "time_major",
    "experimental_autocast",
    "fused",
    "virtual_batch_size",
}
# What tf.keras wrote for a layer because its base class takes it, and the class has no use for.
_RANDOM = ("Brightness", "Contrast", "Crop", "Flip", "Height", "Rotation", "Translation", "Width", "Zoom")
_UNUSED = {
    **{f"{kind}{rank}D": {"groups": 1} for kind in ("DepthwiseConv", "SeparableConv") for rank in (1, 2)},
    **{f"Conv{rank}DTranspose": {"groups": 1} for rank in (1, 2, 3)},
    **{f"SpatialDropout{rank}D": {"noise_shape": None} for rank in (1, 2, 3)},
    **{f"Random{what}": {"rng_type": ...} for what in _RANDOM},
    "MultiHeadAttention": {"query_shape": ..., "key_shape": ..., "value_shape": ..., "softmax_robust_masking": ...},
    "Discretization": {"trainable": ...},
    "TextVectorization": {"dtype": "string"},
}
for _separable in ("SeparableConv1D", "SeparableConv2D"):
    _UNUSED[_separable] |= {"kernel_initializer": ..., "kernel_regularizer": ..., "kernel_constraint": ...}
_REGULARIZERS_OF_1 = ("WeightRegularizer", "L1L2Regularizer", "ActivityRegularizer")
_MERGES = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "concat": "Concatenate", "dot": "Dot"}


def is_legacy(config):
    """Whether a config is one of before Keras 3's form."""
    return isinstance(config, dict) and "class_name" in config and "module" not in config


def modern(config, version="2"):
    """A config of a model or layer, as Keras 1 or 2 wrote it, in Keras 3's terms.

    version: of the Keras that wrote it. Raises Unsupported for what has no counterpart.
    """
    old = version.split(".")[0] in ("1", "2")
    return _object(config, old)


def _object(config, old):
    """Any value of a config: objects in it become today's."""
    if isinstance(config, list):
        return [_object(item, old) for item in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "__tuple__" and "items" in config:
        return tuple(_object(item, old) for item in config["items"])
    if config.get("class_name") == "TensorShape" and "items" in config:
        return config["items"]
    if "class_name" not in config or "config" not in config:
        if config.get("name") in _REGULARIZERS_OF_1:
            return {"class_name": "L1L2", "config": {key: config.get(key, 0.0) for key in ("l1", "l2")}}
        if config.get("name") in ("MaxNorm", "UnitNorm", "NonNeg"):
            inner = {key: value for key, value in config.items() if key != "name"}
            if "m" in inner:
                inner["max_value"] = inner.pop("m")
            return {"class_name": config["name"], "config": inner}
        return {key: _object(value, old) for key, value in config.items()}
    name, inner = config["class_name"], config["config"]
    if name in ("Policy", "PolicyV1", "DTypePolicy") and isinstance(inner, dict):
        return inner.get("name")
    if name == "Sequential":
        return {**_kept(config), "config": _sequential(inner, old)}
    if name in ("Model", "Functional") and isinstance(inner, dict) and "layers" in inner:
        return {**_kept(config), "class_name": "Functional", "config": _functional(inner, old)}
    if not isinstance(inner, dict):
        return config
    return _layer(config, old)


def _kept(config):
    """What stays beside class and config: where its own classes are, each Keras knows."""
    own = ("module", "build_config", "compile_config", "shared_object_id")
    return {key: value for key, value in config.items() if key not in own and (key != "registered_name" or value)}


def _layer(config, old):
    name, inner = config["class_name"], dict(config["config"])
    if name == "Merge":
        name, inner = _merge(inner)
    if name in ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer"):
        raise Unsupported(
            explain(
                "The model holds an operation of TensorFlow's as a layer, which its config only names",
                given=f"{name} {inner.get('name')!r}",
                hint="Build the model again in Python and call `model.load_weights(path)`.",
            )
        )
    more = {}
    if name in _CLASSES:
        name, more = _CLASSES[name]
    for today, parts in _SIZES.get(name, {}).items():
        if all(part in inner for part in parts):
            inner[today] = [inner.pop(part) for part in parts]
    for key, harmless in _UNUSED.get(name, {}).items():
        if harmless is ... or inner.get(key, harmless) == harmless:
            inner.pop(key, None)
    renamed = ARGUMENTS.get(name, {})
    for key in list(inner):
        if key in _NO_EFFECT and key not in renamed:
            del inner[key]
        elif key in renamed and renamed[key] not in inner:
            inner[renamed[key]] = inner.pop(key)
    for key, values in VALUES.items():
        if isinstance(inner.get(key), str) and inner[key] in values:
            inner[key] = values[inner[key]]
    batch_shape = inner.pop("batch_input_shape", None)
    if batch_shape is not None:
        inner["batch_shape" if name == "InputLayer" else "batch_input_shape"] = _object(batch_shape, old)
    if isinstance(inner.get("axis"), list) and len(inner["axis"]) == 1:
        inner["axis"] = inner["axis"][0]
    if name == "Lambda":
        inner = _lambda(inner)
    if name == "ThresholdedReLU":
        name, inner = "ReLU", {**{k: v for k, v in inner.items() if k != "theta"}, "threshold": inner.get("theta", 1.0)}
    if name == "GRU" and old and "reset_after" not in {**inner, **more}:
        more = {**more, "reset_after": False}
    if name == "BatchNormalization" and inner.pop("mode", 0) != 0:
        raise Unsupported(explain("Only feature-wise normalization is left", expected="mode 0", given=config))
    if name == "Embedding" and inner.pop("dropout", 0):
        raise Unsupported(explain("Embedding has no dropout any more", expected="dropout 0", given=config))
    inner = {key: _object(value, old) for key, value in inner.items()} | more
    if old:
        for key, value in inner.items():
            if value == "hard_sigmoid" and key.endswith("activation"):
                inner[key] = HARD_SIGMOID
    return {**_kept(config), "class_name": name, "config": inner}


def _merge(inner):
    mode = inner.get("mode", "sum")
    if mode not in _MERGES or inner.get("mode_type", "raw") != "raw":
        raise Unsupported(
            explain("A Merge layer of this mode has no counterpart", expected=f"one of {sorted(_MERGES)}", given=mode)
        )
    config = {"name": inner.get("name")}
    if mode == "concat":
        config["axis"] = inner.get("concat_axis", -1)
    if mode == "dot":
        config["axes"] = inner.get("dot_axes", -1)
    return _MERGES[mode], config


def _lambda(inner):
    function, kind = inner.get("function"), inner.pop("function_type", None)
    scope = registry.get_registered_object(inner.get("name", ""))
    for key in ("module", "output_shape_module", "mask_module"):
        inner.pop(key, None)
    if callable(scope):
        inner["function"] = scope
    elif isinstance(function, list) or kind == "lambda":
        code, defaults, closure = (*function, None, None)[:3] if isinstance(function, list) else (function, None, None)
        inner["function"] = {
            "class_name": "__lambda__",
            "config": {"code": code, "defaults": defaults, "closure": closure},
        }
    elif isinstance(function, str):
        inner["function"] = {"module": "builtins", "class_name": "function", "config": function}
    if inner.pop("output_shape_type", "raw") != "raw":
        inner.pop("output_shape", None)  # code: the shape is found by running the function
    if inner.pop("mask_type", "raw") != "raw":
        inner.pop("mask", None)
    return inner


def _sequential(inner, old):
    if isinstance(inner, list):  # before Keras 2.2.3
        inner = {"layers": inner}
    layers = [_object(layer, old) for layer in inner["layers"]]
    if layers and layers[0]["class_name"] == "InputLayer":
        for layer in layers[1:]:
            layer["config"].pop("batch_input_shape", None)
    result = {key: value for key, value in inner.items() if key in ("name", "trainable", "build_input_shape")}
    return {**result, "layers": layers}


def _functional(inner, old):
    layers, items = [], inner["layers"]
    _renumber(inner, items)
    for item in items:
        layer = _object({key: value for key, value in item.items() if key != "inbound_nodes"}, old)
        layer["config"].pop("batch_input_shape", None)
        nodes = [_node(node) for node in item.get("inbound_nodes", [])]
        if set(layer["config"]) == {"name"} and nodes and not old:
            layer["module"] = "keras.src.ops.numpy"  # an operation; a layer's config says more
        layers.append({**layer, "name": item.get("name", layer["config"].get("name")), "inbound_nodes": nodes})
    result = {key: value for key, value in inner.items() if key in ("name", "trainable")}
    return {
        **result,
        "layers": layers,
        "input_layers": _ends(inner["input_layers"]),
        "output_layers": _ends(inner["output_layers"]),
    }


def _renumber(inner, items):
    """Count the uses of a layer from 0: a model inside had one of its own before those that the config lists."""
    uses = {item.get("name", item["config"].get("name")): max(len(item.get("inbound_nodes", [])), 1) for item in items}
    found = []

    def visit(value):
        if _is_tensor(value):
            found.append(value)
            visit(value[3:])
        elif isinstance(value, (list, dict)):
            for part in value.values() if isinstance(value, dict) else value:
                visit(part)

    visit([item.get("inbound_nodes", []) for item in items])
    visit([inner["input_layers"], inner["output_layers"]])
    last = {}
    for where in found:
        last[where[0]] = max(last.get(where[0], 0), where[1])
    for where in found:
        where[1] -= max(0, last[where[0]] - uses.get(where[0], 1) + 1)


def _ends(tree):
    """One end stands alone; several in a list or dict."""
    if isinstance(tree, list) and len(tree) == 1 and isinstance(tree[0], list):
        return _ends(tree[0])
    return tree


def _tensor(where):
    return {"class_name": "__keras_tensor__", "config": {"keras_history": list(where[:3]), "shape": None}}


def _is_tensor(value):
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(isinstance(part, int) and not isinstance(part, bool) for part in value[1:3])
    )


def _node(node):
    """The arguments of one use of a layer."""
    if "args" in node and isinstance(node, dict):
        return node  # today's form
    if isinstance(node, dict):
        return {"args": [{key: _tensor(value) for key, value in node.items()}], "kwargs": {}}
    if _is_tensor(node):
        node = [node]
    kwargs = {}
    for where in node:
        if len(where) == 4:
            kwargs.update(where[3])
    values = [_tensor(where) for where in node]
    kwargs = {key: _arguments(value) for key, value in kwargs.items()}
    return {"args": [values[0] if len(values) == 1 else values], "kwargs": kwargs}


def _arguments(value):
    if _is_tensor(value):
        return _tensor(value)
    if isinstance(value, list):
        return [_arguments(item) for item in value]
    return value


# --- compile ----------------------------------------------------------------------------------------------------------


def compile_arguments(config, version="2"):
    """The arguments of `compile` that a file's "training_config" stands for."""
    return {
        "optimizer": _optimizer(config.get("optimizer_config")),
        "loss": _compiled(config.get("loss"), _loss),
        "metrics": _per_output(_compiled(config.get("metrics"), _metric)),
        "weighted_metrics": _per_output(_compiled(config.get("weighted_metrics"), _metric)),
        "loss_weights": config.get("loss_weights"),
    }


def compile_arguments_of_zip(config):
    """The arguments of `compile` that the "compile_config" of a `.keras` file of Keras 2 stands for."""
    config = {key: value for key, value in config.items() if value is not None}
    found = compile_arguments({**config, "optimizer_config": config.get("optimizer")})
    for name in ("run_eagerly", "steps_per_execution"):
        if name in config:
            found[name] = config[name]
    return found


def _optimizer(config):
    from tandem.keras import optimizers

    if config is None:
        return "rmsprop"
    if isinstance(config, str):
        return config
    name, inner = config["class_name"].rsplit(">", 1)[-1], dict(config.get("config") or {})
    if registry.get_registered_object(config["class_name"]) is None:
        if "lr" in inner:
            inner["learning_rate"] = inner.pop("lr")
        for key in ("jit_compile", "is_legacy_optimizer", "schedule_decay", "clipnorm", "clipvalue"):
            if key in ("clipnorm", "clipvalue") and inner.get(key) is not None:
                continue
            inner.pop(key, None)
        if not inner.get("decay"):
            inner.pop("decay", None)
        rate = inner.get("learning_rate")
        if isinstance(rate, dict) and "class_name" in rate:
            inner["learning_rate"] = optimizers.schedules.deserialize(rate)
        kind = type(optimizers.get(name))
        decay = inner.pop("decay", None)
        optimizer = kind.from_config(inner)
        if decay:
            optimizer.decay = float(decay)
        return optimizer
    return optimizers.deserialize(config)


def _compiled(config, one):
    if config is None or isinstance(config, str) or (isinstance(config, dict) and "class_name" in config):
        return None if config is None else one(config)
    if isinstance(config, dict):
        return {key: _compiled(value, one) for key, value in config.items()}
    return [_compiled(value, one) for value in config]


def _per_output(metrics):
    """tf.keras nests the metrics of one output in a list of one."""
    if isinstance(metrics, list) and len(metrics) == 1 and isinstance(metrics[0], list):
        return metrics[0]
    return metrics


def _loss(config):
    if isinstance(config, str):
        found = registry.get_registered_object(config)
        return config if found is None else found
    inner = {key: value for key, value in config["config"].items() if key != "fn"}
    if inner.get("reduction") == "auto":
        inner["reduction"] = "sum_over_batch_size"
    if config["class_name"] == "LossFunctionWrapper":
        return _loss(config["config"]["fn"])
    return deserialize_keras_object({**config, "config": inner})


def _metric(config):
    if isinstance(config, str):
        found = registry.get_registered_object(config)
        return config if found is None else found
    inner = dict(config["config"])
    function = inner.pop("fn", None)
    if config["class_name"] in ("MeanMetricWrapper", "SumOverBatchSizeMetricWrapper") and function is not None:
        from tandem.keras import metrics

        if inner.get("name") in ("accuracy", "acc", "crossentropy", "ce"):
            return inner["name"]  # what it is, the outputs say
        name = function if isinstance(function, str) else function.get("config")
        found = registry.get_registered_object(name)
        found = metrics.get(name) if found is None else found
        return metrics.MeanMetricWrapper(found, name=inner.get("name"), dtype=inner.get("dtype"))
    return deserialize_keras_object({**config, "config": inner})


# --- today's models in the old form -----------------------------------------------------------------------------------


def plain(config):
    """A model's config as these files hold it: its layers, and those of models inside, by class and config alone."""
    if not isinstance(config, dict) or not isinstance(config.get("layers"), (list, tuple)):
        return config
    return {**config, "layers": [_bare({**layer, "config": plain(layer["config"])}) for layer in config["layers"]]}


def _bare(config):
    if "class_name" not in config or "registered_name" not in config:
        return config
    name = config["registered_name"]
    if name and ">" in name:
        config = {**config, "class_name": name}
    return {key: config[key] for key in ("class_name", "config", "name", "inbound_nodes") if key in config}


def training_config(model):
    """What `compile` got, as a "training_config"."""
    config = dict(model.get_compile_config())
    config.pop("optimizer", None)
    optimizer = model.optimizer
    config = {key: _by_name(value) for key, value in config.items()}
    config["optimizer_config"] = {
        "class_name": registry.get_registered_name(type(optimizer)),
        "config": serialize_keras_object(optimizer.get_config()),
    }
    return json.loads(json.dumps(config))


def _by_name(value):
    """Functions by their names, objects by class and config."""
    if isinstance(value, dict):
        if value.get("class_name") in ("function", "builtin_function_or_method"):
            return value["config"]
        return _bare({key: _by_name(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return [_by_name(item) for item in value]
    return value
