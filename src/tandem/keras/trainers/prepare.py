"""What happens before the first step: building, checks of the data, everything on one device."""

from tandem.core.errors import explain, warn
from tandem.core.module import Module
from tandem.engine import feeding
from tandem.keras.trainers import sources
from tandem.keras.trainers.outputs import flatten


def device_of(model):
    """The device of a model's weights, or None where it has none yet."""
    state = model._training
    if state.anchor is None or state.anchor[0] != Module.mutations:
        state.anchor = (Module.mutations, next(iter(model.variables), None))
    variable = state.anchor[1]
    return None if variable is None else variable.device


def suited(x, model):
    """The data as they are; image files whose colours nobody chose are read with the model's number of channels.

    Raises ValueError for strings where no layer and no input of the model takes them.
    """
    if sources.has_strings(x) and not _takes_strings(model):
        raise ValueError(
            explain(
                "An array cannot be fed to the model",
                expected="numbers or booleans",
                given="strings",
                hint="`StringLookup`, `TextVectorization` and `Hashing` take them, after a `keras.Input(…, "
                'dtype="string")`.',
            )
        )
    images = getattr(x, "sequence", x)
    if hasattr(images, "match_channels"):
        try:
            shapes = [value.shape for value in model.inputs]
        except (AttributeError, ValueError, TypeError):
            return x  # a model whose inputs are not known before its first call
        if len(shapes) == 1 and len(shapes[0]) == 4:
            images.match_channels(shapes[0][1 if images.data_format == "channels_first" else -1])
    return x


def _takes_strings(model):
    """Whether strings are of use to a model: an input or a layer of it is for them."""
    from tandem.keras.layers.preprocessing.strings import TextLayer

    inputs = getattr(model, "_inputs", None) or getattr(getattr(model, "_functional", None), "_inputs", ())
    return any(value.dtype == "string" for value in inputs) or any(
        isinstance(layer, TextLayer) for layer in model.modules()
    )


def prepare(model, data, training=False):
    """Build what is not built: the model, its losses and metrics for such batches, the optimizer's slots.

    After it a step only changes values, so that it can be recorded from its first run.
    """
    state = model._training
    optimizer = state.optimizer
    settled = (Module.mutations, optimizer, device_of(model), len(data) if isinstance(data, tuple) else 1, training)
    if state.settled == settled:
        return
    x, y, _ = sources.unpack(data)
    losses, metrics = state.compile_loss, state.compile_metrics
    # Where a subclass has methods of its own in their place, they may never be built.
    losses_wait = losses is not None and not losses.built and y is not None and model._own("compute_loss")
    metrics_wait = metrics is not None and not metrics.built and y is not None and model._own("compute_metrics")
    if _has_call(model) and (not model.built or _unbuilt(model) - state.idle or losses_wait or metrics_wait):
        y_pred = _outputs(model, x, losses_wait or metrics_wait, training)
        if losses_wait:
            losses.build(y, y_pred)
        if metrics_wait:
            metrics.build(y, y_pred)
        state.forget_functions()
        state.idle = _unbuilt(model)
        state.classes = _classes(losses, y_pred)
    if training and optimizer is not None and not optimizer.built and model.built:
        optimizer.build(model.trainable_variables)
    _bring_together(model)
    if model.built and (not training or optimizer is None or optimizer.built):
        # Until an attribute is set somewhere there is nothing to do: batch after batch comes here.
        state.settled = (Module.mutations, optimizer, device_of(model), *settled[3:])


def _has_call(model):
    """Whether the model itself can be called: one whose `train_step` calls models inside it (a GAN) need not be."""
    from tandem.keras.models.model import Model

    return type(model).call is not Model.call


def _outputs(model, x, needed, training):
    """What the model gives for a batch. A step of its own need not call the model on what counts as its inputs: None
    where it cannot be called so, and is then built by the step."""
    try:
        return model._outputs_for(x)
    except Exception:
        if needed or model._own("train_step" if training else "test_step"):
            raise
        return None


def _unbuilt(model):
    return {layer for layer in model._flatten_layers(include_self=False) if not getattr(layer, "built", True)}


def _classes(losses, y_pred):
    """[(output number, classes, ignored class)] for each loss on class numbers."""
    from tandem.keras.losses import sparse_categorical_crossentropy

    if losses is None or not losses.built or y_pred is None:
        return []
    preds = [leaf for _, leaf in flatten(y_pred)]
    found = []
    for number, loss, _, _ in losses._terms:
        if getattr(loss, "fn", None) is sparse_categorical_crossentropy:
            arguments = loss._fn_kwargs
            shape = preds[number].shape
            found.append((number, shape[arguments.get("axis", -1)], arguments.get("ignore_class")))
    return found


def _bring_together(model):
    """Put the states of metrics and optimizer where the weights are."""
    device = device_of(model)
    if device is None:
        return
    state = model._training
    held = list(model.metrics_variables)
    if state.optimizer is not None:
        held += state.optimizer.variables
    for variable in held:
        if variable.device != device:
            variable.bind(variable.tensor.to(device))


def check_data(model, source, training):
    """Warn of NaN in inputs, and raise ValueError for labels that are no class: once, on arrays in memory."""
    if not source.in_memory:
        return
    x, y, _ = source.arrays
    if training:
        for path, leaf in flatten(x):
            if leaf is not None and feeding.has_nan(leaf):
                where = f" {'/'.join(map(str, path))!r}" if path else ""
                warn(
                    f"The input{where} contains NaN: the loss and with it all weights will become NaN. Remove or "
                    "replace "
                    "these values (for example numpy.nan_to_num, or a layer of Masking)."
                )
                break
    losses = model._training.compile_loss
    if losses is None or not losses.built or y is None:
        return
    targets = losses.targets(y)
    for number, classes, ignored in getattr(model._training, "classes", ()):
        found = None if targets[number] is None else feeding.labels_range(targets[number], ignored)
        if classes is not None and found is not None and (found[0] < 0 or found[1] > classes - 1):
            wrong = found[0] if found[0] < 0 else found[1]
            hint = (
                "One unit in the last layer goes with 'binary_crossentropy'."
                if classes == 1
                else "Count classes from 0, and give the last layer one unit to a class."
            )
            raise ValueError(
                explain(
                    "A label is no class",
                    expected=f"class numbers from 0 to {classes - 1} (the output has {classes} classes)",
                    given=f"{wrong:g} in `y`",
                    hint=hint,
                )
            )
