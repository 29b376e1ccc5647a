"""The loops of `fit`, `evaluate` and `predict`."""

import time

from tandem.core.errors import explain, warn
from tandem.engine.distributed import group
from tandem.keras import callbacks as callbacks_room
from tandem.keras import config
from tandem.keras.legacy.logs import Logs
from tandem.keras.trainers import parallel
from tandem.keras.trainers.collected import Collected
from tandem.keras.trainers.epochs import Ahead, Counted, Epochs
from tandem.keras.trainers.logs import Kept, LazyLogs, pythonify
from tandem.keras.trainers.prepare import check_data, prepare
from tandem.keras.trainers.single import to_numpy


def _run(model, epochs, function, callbacks, kind, done=0):
    """The steps of one epoch; gives (number of batches, logs of the last one as the step gave them).

    done: batches of the epoch that are behind already.
    """
    begins = callbacks.wants(f"on_{kind}_batch_begin")
    ends = callbacks.wants(f"on_{kind}_batch_end")
    begin, end = getattr(callbacks, f"on_{kind}_batch_begin"), getattr(callbacks, f"on_{kind}_batch_end")
    progress = callbacks.progress
    shows = None if progress is None or (kind == "test" and progress._called_in_fit) else progress
    show = getattr(progress, f"on_{kind}_batch_end") if shows is not None else None
    several = model.steps_per_execution if kind != "predict" else 1
    state, kept, clock = model._training, Kept(), time.time
    number, logs, due = done, None, 0.0
    iterator = counted = Counted(epochs) if several > 1 else iter(epochs)
    rush = None if begins or ends or several > 1 else _rush(epochs, function)
    while True:
        if begins:
            # A begin hook must not be called where no batch follows: look ahead.
            data = next(iterator, None)
            if data is None:
                break
            iterator = Ahead(data, iterator)
            begin(number, {})
        if ends:
            kept.before_step()
        try:
            logs = function(iterator)
        except StopIteration:
            break
        number = done + counted.count if several > 1 else number + 1
        if rush is not None and logs is None:
            number += rush()
        if ends:
            end(number - 1, kept.give(_reader(model, logs, kind)))
        elif shows is not None:
            now = clock()
            if now >= due:
                show(number - 1, LazyLogs(_reader(model, logs, kind)))
                due = now + shows.progbar.interval
            else:
                shows.seen = number
        if state.stop_training and kind == "train":
            break
    return number, logs


# How long steps go on without a look at the progress bar, in seconds.
_UNSEEN = 0.05


def _rush(epochs, function):
    """A function that runs steps one after the other where nobody looks in between; gives their number."""
    advance, feed = getattr(function, "advance", None), getattr(epochs.source, "feed", None)
    if advance is None or feed is None or epochs.steps is not None:
        return None
    pack, most, clock = epochs.source.pack, 1, time.perf_counter

    def run():
        nonlocal most
        begin = clock()
        steps = advance(feed, pack, most)
        if steps == most and clock() - begin < _UNSEEN / 4:
            most *= 2
        return steps

    return run


def _reader(model, logs, kind):
    if kind == "predict":
        return lambda: {"outputs": to_numpy(logs)}
    if logs is None:
        return lambda: pythonify(model.get_metrics_result())
    return lambda: pythonify(logs)


def _epoch_logs(model, logs):
    """The values at an epoch's end: the metrics', unless the step gives others under names of its own."""
    results = model.get_metrics_result()
    if logs is not None and isinstance(logs, dict) and set(logs) != set(results):
        return pythonify(logs)
    return pythonify(results)


def callback_list(callbacks, model, verbose, epochs, steps, history=False):
    """The `CallbackList` of a run."""
    if isinstance(callbacks, callbacks_room.CallbackList):
        return callbacks
    if not group.is_chief():
        verbose = 0
    return callbacks_room.CallbackList(
        callbacks,
        add_history=history,
        add_progbar=verbose != 0,
        model=model,
        verbose=verbose,
        epochs=epochs,
        steps=steps,
    )


def fit(model, source, epochs, verbose, callbacks, initial_epoch, steps_per_epoch, validation, validation_freq):
    """`Model.fit`, its data already in a source; validation: the arguments of `evaluate`, or None."""
    limit = config.max_epochs()
    if limit is not None:
        epochs = min(epochs, limit)
    batches = Epochs(source, steps_per_epoch, remember=_is_backed_up(callbacks))
    state = model._training
    first = batches.first()
    if first is None:
        _refuse_nothing(model, source)
    else:
        prepare(model, first, training=True)
    check_data(model, source, training=True)
    callbacks = callback_list(callbacks, model, verbose, epochs, batches.num_batches, history=True)
    state.stop_training = False
    state.validation_source = None
    function = model.make_train_function() or model.train_function
    state.initial_epoch, state.position, state.running = initial_epoch, None, (batches, callbacks)
    callbacks.on_train_begin()
    parallel.begin(model)
    initial_epoch = state.initial_epoch  # a callback may go on from where an earlier run ended
    position, state.position = state.position, None
    if state.phases is not None:
        state.phases.settle()  # the optimizer may have been loaded
    if position is not None:
        position.begin(model, batches, callbacks)
    ends = initial_epoch if position is not None and state.stop_training else epochs
    logs, told = None, False
    try:
        for epoch in range(initial_epoch, ends):
            model.reset_metrics()
            callbacks.on_epoch_begin(epoch)
            source.on_epoch_begin()
            begun = position is not None and epoch == initial_epoch
            done = position.within(model, batches, callbacks) if begun else 0
            number, last = _run(model, batches, function, callbacks, "train", done)
            logs = Logs(_epoch_logs(model, last) if number else {})
            told = told or _tell_of_nan(logs, epoch)
            source.on_epoch_end()
            if validation is not None and _validates(epoch, validation_freq):
                results = model.evaluate(
                    **validation, callbacks=callbacks, return_dict=True, _use_cached_eval_dataset=True
                )
                logs.update({f"val_{name}": value for name, value in results.items()})
            callbacks.on_epoch_end(epoch, logs)
            parallel.agree_to_stop(state)
            if state.stop_training:
                break
        if (epochs > initial_epoch or position is not None) and getattr(state.optimizer, "built", False):
            state.optimizer.finalize_variable_values(model.trainable_weights)
    finally:
        state.validation_source = None
    callbacks.on_train_end(logs)
    return model.history


def _refuse_nothing(model, source=None):
    """Raise ValueError for data without a batch, unless the model saw some before and there is nothing to shuffle."""
    losses = model._training.compile_loss
    shuffled = source is not None and source.in_memory and source.feed.shuffle
    if shuffled or not model.built or (losses is not None and not losses.built):
        raise ValueError(explain("There is no batch in the data", expected="at least one sample", given="no samples"))


def _is_backed_up(callbacks):
    """Whether a callback keeps where the run is."""
    if isinstance(callbacks, callbacks_room.CallbackList):
        callbacks = callbacks.callbacks
    if not isinstance(callbacks, (list, tuple)):
        return getattr(callbacks, "_keeps_position", False)
    return any(map(_is_backed_up, callbacks))


def _tell_of_nan(logs, epoch):
    loss = logs.get("loss")
    if isinstance(loss, float) and loss != loss:
        warn(
            f"The loss is NaN at the end of epoch {epoch + 1}. Look for NaN in the data, for a learning rate that is "
            "too "
            "large, or for a logarithm or division of 0 in the loss; keras.callbacks.TerminateOnNaN stops at once."
        )
        return True
    return False


def _validates(epoch, frequency):
    if isinstance(frequency, (list, tuple, set)):
        return epoch + 1 in frequency
    if int(frequency) < 1:
        raise ValueError(
            explain("`validation_freq` is wrong", expected="a positive integer or a list", given=frequency)
        )
    return (epoch + 1) % frequency == 0


def evaluate(model, source, verbose, callbacks, steps):
    """`Model.evaluate`, its data already in a source; gives the logs."""
    batches = getattr(source, "epochs", None)
    if batches is None or batches.steps != steps:
        batches = Epochs(source, steps)
        source.epochs = batches
        first = batches.first()
        if first is None:
            _refuse_nothing(model)
        else:
            prepare(model, first)
        check_data(model, source, training=False)
    else:
        batches.restart()  # each validation sees the same batches
    callbacks = callback_list(callbacks, model, verbose, 1, batches.num_batches)
    function = model.make_test_function() or model.test_function
    callbacks.on_test_begin()
    model.reset_metrics()
    source.on_epoch_begin()
    number, last = _run(model, batches, function, callbacks, "test")
    logs = _epoch_logs(model, last) if number else {}
    source.on_epoch_end()
    callbacks.on_test_end(logs)
    return logs


def predict(model, source, verbose, callbacks, steps):
    """`Model.predict`, its data already in a source."""
    batches = Epochs(source, steps)
    first = batches.first()
    if first is not None and not model.built:
        prepare(model, first)
    callbacks = callback_list(callbacks, model, verbose, 1, batches.num_batches)
    function = model.make_predict_function() or model.predict_function
    collected = Collected(source.rows if source.in_memory and steps is None else None)

    def run(iterator):
        with model._training.predicting:
            outputs = function(iterator)
            collected.add(outputs)
            return outputs

    callbacks.on_predict_begin()
    source.on_epoch_begin()
    _run(model, batches, run, callbacks, "predict")
    source.on_epoch_end()
    callbacks.on_predict_end()
    return collected.result()


def predict_batch(model, data, scalars=False):
    """`Model.predict` for data in memory that are one batch, where no callback watches; scalars: see `to_numpy`."""
    with model._training.predicting:
        function = model.make_predict_function() or model.predict_function
        return to_numpy(function(iter([data])), scalars=scalars)
