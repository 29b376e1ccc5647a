"""Arrays of Keras 1's and 2's files in the forms in which today's layers and optimizers hold them."""

import numpy as np

from tandem.core.errors import explain

# Keras 1 kept a matrix to each gate: where those that make up kernel, recurrent kernel and bias stand in its lists.
_GATES_OF_1 = {"LSTM": (12, (0, 6, 3, 9)), "GRU": (9, (0, 3, 6))}
_GATES = {"LSTM": 4, "GRU": 3}
_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2D")


def convert(layer, names, arrays, weights):
    """The arrays of `layer`, saved under `names`, in its own form and order.

    weights: the `formats.keras_legacy.Weights` that they are of, which says what wrote them.
    """
    kind, arrays = _kind(layer), list(arrays)
    if kind == "Bidirectional":
        half = len(arrays) // 2
        parts = ((layer.forward_layer, slice(0, half)), (layer.backward_layer, slice(half, None)))
        return [array for part, where in parts for array in convert(part, names[where], arrays[where], weights)]
    if kind == "TimeDistributed":
        return convert(layer.layer, names, arrays, weights)
    if hasattr(layer, "layers"):
        return _inside(layer, names, arrays, weights)
    if weights.keras_version.split(".")[0] == "1":
        arrays = _of_keras_1(layer, kind, arrays)
    if weights.backend == "theano" and kind in _CONVOLUTIONS and arrays:
        # Theano's convolution turned the kernel around.
        axes = tuple(range(arrays[0].ndim - 2))
        arrays[0] = np.flip(arrays[0], axes)
    if kind in _GATES:
        arrays = _of_cudnn(kind, layer, arrays)
    return arrays


def _kind(layer):
    for cls in type(layer).__mro__:
        if cls.__name__ in ("Bidirectional", "TimeDistributed", *_CONVOLUTIONS, *_GATES):
            return cls.__name__
    return type(layer).__name__


def _inside(model, names, arrays, weights):
    """The arrays of a model inside a model: those that learn of all its layers, then the others."""
    counts = [(layer, len(layer.trainable_weights), len(layer.non_trainable_weights)) for layer in model.layers]
    if sum(one + other for _, one, other in counts) != len(arrays):
        return arrays
    learned = sum(one for _, one, _ in counts)
    first, second, at, after = [], [], 0, learned
    for layer, one, other in counts:
        where = [*range(at, at + one), *range(after, after + other)]
        own = convert(layer, [names[i] for i in where], [arrays[i] for i in where], weights)
        first, second = first + own[:one], second + own[one:]
        at, after = at + one, after + other
    return first + second


def _of_keras_1(layer, kind, arrays):
    if kind in _GATES_OF_1 and len(arrays) == _GATES_OF_1[kind][0]:
        places = _GATES_OF_1[kind][1]
        return [np.concatenate([arrays[place + part] for place in places], axis=-1) for part in range(3)]
    if not arrays:
        return arrays
    kernel, first = arrays[0], getattr(layer, "data_format", None) == "channels_first"
    if kind == "Conv1D" and kernel.ndim == 4:
        if kernel.shape[:2] != (layer.kernel_size[0], 1) or kernel.shape[3] != layer.filters:
            kernel = kernel.transpose(2, 3, 1, 0)
        kernel = kernel[:, 0]
    elif kind == "Conv2D" and first:
        kernel = kernel.transpose(2, 3, 1, 0)
    elif kind == "Conv2DTranspose":
        kernel = kernel.transpose(2, 3, 0, 1) if first else kernel.transpose(0, 1, 3, 2)
    elif kind == "Conv3D" and first:
        kernel = kernel.transpose(2, 3, 4, 1, 0)
    return [kernel, *arrays[1:]]


def _of_cudnn(kind, layer, arrays):
    """Those of CuDNNLSTM and CuDNNGRU, which had each gate's matrices turned, and two biases in a row."""
    gates = _GATES[kind]
    if len(arrays) != 3 or arrays[2].shape != (2 * gates * layer.units,):
        return arrays
    kernel, recurrent, bias = arrays

    def by_gate(matrix, turn):
        return np.concatenate([turn(part) for part in np.split(matrix, gates, axis=1)], axis=1)

    kernel = by_gate(kernel, lambda part: part.T.reshape(part.shape, order="F"))
    recurrent = by_gate(recurrent, np.transpose)
    halves = bias.reshape(2, -1)
    return [kernel, recurrent, halves.sum(0) if kind == "LSTM" else halves]


# --- optimizers -------------------------------------------------------------------------------------------------------


def _is_counter(name):
    return name.split(":")[0].rsplit("/", 1)[-1] in ("iter", "iteration", "iterations")


def optimizer_state(optimizer, names, arrays):
    """The arrays of an optimizer's state in the order of `optimizer.variables`.

    Keras 2 kept the slots of one kind together and had no variable for the learning rate; the present values stay where
    the file has none. Raises ValueError where the slots do not fit.
    """
    own = optimizer.variables
    fits = len(own) == len(arrays) and all(tuple(v.shape) == a.shape for v, a in zip(own, arrays))
    if fits and not any(name.endswith(":0") for name in names):
        return list(arrays)
    counter, scalars, slots = None, [], []
    for name, array in zip(names, arrays):
        if _is_counter(name):
            counter = array
        elif name.split(":")[0].rsplit("/", 1)[-1] in ("learning_rate", "current_learning_rate", "decay"):
            continue
        elif array.ndim == 0:
            scalars.append(array)
        else:
            slots.append((name, array))
    variables = optimizer._trainable_variables
    if any(not variable.shape for variable in variables) or (slots and (not variables or len(slots) % len(variables))):
        raise ValueError(
            explain("The optimizer's state does not fit", expected=f"slots of {len(variables)} variables", given=names)
        )
    wanted = [variable for variable in own if tuple(variable.shape)]
    if len(slots) == len(wanted) + len(variables) and all(a.shape == (1,) for _, a in slots[len(wanted) :]):
        del slots[len(wanted) :]  # Keras 2.1 to 2.3: what holds the places of AMSGrad's slots where it is not used
    if len(wanted) != len(slots):
        raise ValueError(
            explain("The optimizer's state does not fit", expected=f"{len(wanted)} slots", given=f"{len(slots)}")
        )
    values = dict(_matched(variables, wanted, slots))
    left = iter(scalars)
    result = []
    for variable in own:
        if variable is optimizer._iterations:
            value = None if counter is None else np.asarray(counter).astype(np.int32)
        elif variable is optimizer._learning_rate:
            value = None
        elif tuple(variable.shape):
            value = values[id(variable)]
        else:
            value = next(left, None)
        result.append(variable.numpy() if value is None else value)
    return result


def _matched(variables, wanted, slots):
    """(id of a slot, its array): slots of one variable in the order of their kinds."""
    kinds, count = len(slots) // max(len(variables), 1), len(variables)
    by_kind = kinds > 1 and _goes_by_kind(variables, slots, kinds)
    own_by_kind = kinds > 1 and _goes_by_kind(variables, [("", slot) for slot in wanted], kinds, wanted)
    for number in range(count):
        for kind in range(kinds):
            own = wanted[kind * count + number if own_by_kind else number * kinds + kind]
            yield id(own), slots[kind * count + number if by_kind else number * kinds + kind][1]


def _goes_by_kind(variables, slots, kinds, own=None):
    """Whether slots come kind by kind, not variable by variable: names say it, then shapes."""
    if len(variables) == 1:
        return False
    if own is not None:
        # Our slots are named after their variable: "…dense_kernel_momentum".
        base = variables[0].path.replace("/", "_")
        return not own[1].name.startswith(base + "_")
    first, second = slots[0][0], slots[1][0]
    ends = [name.split(":")[0].rsplit("/", 1)[-1] for name in (first, second)]
    if ends[0] == ends[1] and ends[0] in ("m", "v", "rms", "momentum", "accum_grad", "accumulator"):
        return True
    shapes = [tuple(array.shape) for _, array in slots]
    blocked = [tuple(variable.shape) for variable in variables] * kinds
    return shapes == blocked
