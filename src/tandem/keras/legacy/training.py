"""Keras 1's and 2's ways to train: `fit_generator` and its like, and old names of arguments of `fit`."""

import contextlib
import itertools

from tandem.core import arrays
from tandem.core.errors import Unsupported, explain, suggest, warn
from tandem.keras.symbolic import bound
from tandem.keras.trainers import parts, sources
from tandem.keras.utils.py_dataset import PyDataset, batches

_told = set()


def tell(message, stacklevel=3):
    """Say once how a call is written today."""
    if message not in _told:
        _told.add(message)
        warn(message, DeprecationWarning)


def model_arguments(kwargs):
    """The arguments of `Model` with Keras 1's `input` and `output` as today's."""
    kwargs = dict(kwargs)
    for old in ("input", "output"):
        if old in kwargs:
            tell(f"Model: write `{old}s` for `{old}`.", 4)
            kwargs[f"{old}s"] = kwargs.pop(old)
    return kwargs


def _trainable(model):
    layers = model._flatten_layers()
    own = {id(one): one for layer in layers for one in layer._trainable_variables}
    return [(layer, layer.__dict__["_trainable"]) for layer in layers], [(one, one.trainable) for one in own.values()]


def _set_trainable(model, state):
    layers, variables = state
    for layer, flag in layers:
        layer.__dict__["_trainable"] = flag
    for variable, flag in variables:
        variable.trainable = flag
    model._count_mutation()


def remember_trainable(model):
    """Keep what learns when a model is compiled, for `as_compiled`."""
    model._training.learns_as_compiled = _trainable(model) if model.trainable_weights else None


@contextlib.contextmanager
def as_compiled(model):
    """Train a model of which nothing learns any more as it was compiled.

    So did Keras 1 and 2, and so are GANs written: ``discriminator.trainable = False`` behind its `compile` is meant for
    the model that it becomes a part of. What Keras 3 makes of it, a model that trains and learns nothing, helps nobody.
    """
    state = model._training.learns_as_compiled
    if state is None or model.trainable_weights:
        yield
        return
    tell("A model compiled before `trainable = False` still learns, as in Keras 2; compile it again to freeze it.")
    now = _trainable(model)
    _set_trainable(model, state)
    try:
        yield
    finally:
        _set_trainable(model, now)


_OURS = ("tandem.", "keras.")


def _is_users(loss):
    if isinstance(loss, dict):
        return any(map(_is_users, loss.values()))
    if isinstance(loss, (list, tuple)):
        return any(map(_is_users, loss))
    return callable(loss) and not str(getattr(loss, "__module__", None) or type(loss).__module__).startswith(_OURS)


@contextlib.contextmanager
def losses_see_values(model):
    """Run a step in which losses of the user's, functions that refer to symbolic values of the model, see them as the
    values of this run: Keras 1 and 2 computed all in one graph.
    """
    if not _is_users(getattr(model, "loss", None)) or bound.values is not None:
        yield
        return
    bound.values, bound.learnable = {}, _asks_for_gradients(model.loss)
    try:
        yield
    finally:
        bound.values, bound.learnable = None, False


def _asks_for_gradients(loss):
    """Whether a loss, or one of several, calls a function `gradients`."""
    if isinstance(loss, (list, tuple, dict)):
        return any(map(_asks_for_gradients, loss.values() if isinstance(loss, dict) else loss))
    while hasattr(loss, "func"):
        loss = loss.func  # of a `functools.partial`
    code = getattr(loss, "__code__", None)
    return code is not None and "gradients" in code.co_names


def compile_arguments(loss_weights, metrics, kwargs):
    """(loss_weights, metrics) for `compile` called with Keras 1's and 2's arguments.

    Their third argument was `metrics`. kwargs: sample_weight_mode, whose "temporal" weights of (samples, steps) say
    themselves. Raises TypeError for others, ValueError for another mode, Unsupported for `target_tensors`.
    """
    if kwargs:
        kwargs = dict(kwargs)
        mode = kwargs.pop("sample_weight_mode", None)
        for one in arrays.leaves(mode) if isinstance(mode, (list, tuple, dict)) else [mode]:
            if one not in (None, "temporal"):
                raise ValueError(explain("Unknown sample_weight_mode", expected='None or "temporal"', given=repr(one)))
        if kwargs.pop("target_tensors", None) is not None:
            raise Unsupported("`target_tensors` are not supported: give the targets to `fit`.")
        if kwargs:
            name = next(iter(kwargs))
            raise TypeError(f"Model.compile() got an unexpected keyword argument '{name}'.")
        if mode is not None:
            tell("compile: leave out `sample_weight_mode`; weights of (samples, steps) say what they are.", 4)
    if isinstance(loss_weights, (list, tuple)) and any(isinstance(one, str) or callable(one) for one in loss_weights):
        if metrics is not None:
            raise TypeError(explain("compile got metrics twice", given=f"{loss_weights!r} and {metrics!r}"))
        tell("compile: write `metrics=`; the third argument is `loss_weights` today.", 4)
        return None, loss_weights
    return loss_weights, metrics


def for_every_output(metrics, count):
    """Whether a list of metrics is meant for each of a model's `count` outputs, as Keras 1 and 2 read it: names and
    functions that are not as many as the outputs.
    """
    if not isinstance(metrics, (list, tuple)) or len(metrics) == count:
        return False
    found = all(isinstance(metric, str) or hasattr(metric, "__code__") for metric in metrics)
    if found:
        tell("compile: write a list of metrics for each output, as in metrics=[['accuracy'], ['accuracy']].", 4)
    return found


class LegacyTraining:
    """The methods of Keras 1's and 2's models that Keras 3 has no more."""

    def fit_generator(
        self,
        generator,
        steps_per_epoch=None,
        epochs=1,
        verbose=1,
        callbacks=None,
        validation_data=None,
        validation_steps=None,
        validation_freq=1,
        class_weight=None,
        max_queue_size=10,
        workers=1,
        use_multiprocessing=False,
        shuffle=True,
        initial_epoch=0,
        **kwargs,
    ):
        """Keras 2's `fit` on a generator or `Sequence`: write `fit`. A `Sequence` begins again where an epoch is
        longer.
        """
        tell("Model.fit_generator: write model.fit(generator, ...).")
        given = {"epochs": epochs, "max_queue_size": max_queue_size, "workers": workers}
        given["use_multiprocessing"] = use_multiprocessing
        given = _keras1(kwargs, given, "fit_generator")
        samples, validation_samples = given.pop("samples_per_epoch", None), given.pop("nb_val_samples", None)
        if steps_per_epoch is None and samples is not None:
            generator, steps_per_epoch = _steps_for(generator, samples)
        if validation_steps is None and validation_samples is not None:
            validation_data, validation_steps = _steps_for(validation_data, validation_samples)
        if steps_per_epoch is None and class_weight is not None and hasattr(generator, "__len__"):
            steps_per_epoch = len(generator)  # a generator of weighted batches has no end
        epochs = given.pop("epochs")
        class_weight = parts.class_weights_by_output(class_weight, getattr(self, "output_names", None))
        if not isinstance(validation_data, (tuple, list, type(None))):
            validation_data = _feed(validation_data, validation_steps, False, None, given)
        return self.fit(
            _feed(generator, steps_per_epoch, shuffle, class_weight, given),
            steps_per_epoch=steps_per_epoch,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_data=validation_data,
            validation_steps=validation_steps,
            validation_freq=validation_freq,
            shuffle=False,
            initial_epoch=initial_epoch,
        )

    def evaluate_generator(
        self,
        generator,
        steps=None,
        callbacks=None,
        max_queue_size=10,
        workers=1,
        use_multiprocessing=False,
        verbose=0,
        **kwargs,
    ):
        """Keras 2's `evaluate` on a generator or `Sequence`: write `evaluate`."""
        tell("Model.evaluate_generator: write model.evaluate(generator, ...).")
        given = {"max_queue_size": max_queue_size, "workers": workers, "use_multiprocessing": use_multiprocessing}
        generator, steps, _ = _counted(generator, steps, kwargs, given, "evaluate_generator")
        return self.evaluate(generator, steps=steps, callbacks=callbacks, verbose=verbose)

    def predict_generator(
        self,
        generator,
        steps=None,
        callbacks=None,
        max_queue_size=10,
        workers=1,
        use_multiprocessing=False,
        verbose=0,
        **kwargs,
    ):
        """Keras 2's `predict` on a generator or `Sequence`: write `predict`."""
        tell("Model.predict_generator: write model.predict(generator, ...).")
        given = {"max_queue_size": max_queue_size, "workers": workers, "use_multiprocessing": use_multiprocessing}
        generator, steps, samples = _counted(generator, steps, kwargs, given, "predict_generator")
        outputs = self.predict(generator, steps=steps, callbacks=callbacks, verbose=verbose)
        return outputs if samples is None else sources.map_arrays(lambda rows: rows[:samples], outputs)

    def predict_proba(self, x, batch_size=None, verbose=0, steps=None):
        """The outputs, which are probabilities: write `predict`."""
        tell("Sequential.predict_proba: write model.predict(x).")
        return self.predict(x, batch_size=batch_size, verbose=verbose, steps=steps)

    def predict_classes(self, x, batch_size=None, verbose=0, steps=None):
        """The numbers of the likeliest classes; for one output (n, 1) of 0 and 1."""
        tell("Sequential.predict_classes: write model.predict(x).argmax(-1), or (model.predict(x) > 0.5).astype(int).")
        outputs = self.predict(x, batch_size=batch_size, verbose=verbose, steps=steps)
        return outputs.argmax(-1) if outputs.shape[-1] > 1 else (outputs > 0.5).astype("int32")


_KERAS1 = {
    "nb_epoch": "epochs",
    "max_q_size": "max_queue_size",
    "nb_worker": "workers",
    "pickle_safe": "use_multiprocessing",
    "samples_per_epoch": "samples_per_epoch",
    "nb_val_samples": "nb_val_samples",
    "val_samples": "val_samples",
}


def _keras1(kwargs, given, method):
    """The arguments with those that Keras 1 named otherwise. Raises TypeError for others."""
    for name, value in kwargs.items():
        if name not in _KERAS1:
            raise TypeError(explain(f"{method} has no argument {name!r}", given=value, hint=suggest(name, _KERAS1)))
        given[_KERAS1[name]] = value
        if _KERAS1[name] != name:
            tell(f"Model.{method}: write `{_KERAS1[name]}` for `{name}`.", 4)
    return given


def fit_arguments(x, kwargs):
    """(x, epochs or None) for `fit` called with Keras 1's and 2's arguments. Raises TypeError for unknown ones.

    nb_epoch is `epochs`; max_queue_size, workers and use_multiprocessing are those of a `PyDataset`.
    """
    given = dict(kwargs)
    epochs = given.pop("nb_epoch", None)
    if epochs is not None:
        tell("Model.fit: write `epochs` for `nb_epoch`.", 4)
    settings = {name: given.pop(name) for name in ("max_queue_size", "workers", "use_multiprocessing") if name in given}
    if given:
        name = next(iter(given))
        raise TypeError(f"Model.fit() got an unexpected keyword argument '{name}'. {suggest(name, _FIT)}".rstrip())
    return _with_workers(x, settings), epochs


_FIT = (
    "batch_size",
    "epochs",
    "verbose",
    "callbacks",
    "validation_split",
    "validation_data",
    "shuffle",
    "class_weight",
    "sample_weight",
    "initial_epoch",
    "steps_per_epoch",
    "validation_steps",
    "validation_batch_size",
    "validation_freq",
)


def _with_workers(x, settings):
    if isinstance(x, PyDataset):
        for name, value in settings.items():
            setattr(x, name, value)
    # Arrays have nothing to be made ahead of time; a generator makes its batches where it is asked for them.
    return x


class _Endless:
    """The batches of a `Sequence`, over and over, in a new order each time where `shuffle` is set."""

    def __init__(self, sequence, shuffle, class_weight):
        self.sequence = sequence
        self.shuffle = shuffle
        self.class_weight = class_weight

    def __iter__(self):
        return _weighted(itertools.chain.from_iterable(map(self._pass, itertools.count())), self.class_weight)

    def _pass(self, number):
        if number and hasattr(self.sequence, "on_epoch_end"):
            self.sequence.on_epoch_end()
        count = len(self.sequence)
        order = list(range(count))
        if self.shuffle:
            import random

            random.shuffle(order)
        return batches(self.sequence, order)


def _weighted(batches_of, class_weight):
    """The batches with the weights of their samples' classes, where there are any."""
    if class_weight is None:
        return batches_of

    def add(data):
        x, y, sample_weight = sources.unpack(data)
        y = sources.map_arrays(sources.tensor, y)
        weights = sources.map_arrays(sources.tensor, sample_weight)
        return x, y, sources.with_class_weight(y, weights, class_weight)

    return map(add, batches_of)


def _feed(data, steps, shuffle, class_weight, settings):
    """What `fit` takes for a generator or `Sequence` of Keras 2."""
    data = _with_workers(data, settings)
    if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        # Keras 2 began a Sequence again for as long as there were steps.
        if steps is not None:
            return _Endless(data, shuffle, class_weight)
        return data if class_weight is None else _Endless(data, shuffle, class_weight)
    return _weighted(data, class_weight)


def _counted(generator, steps, kwargs, given, name):
    """(batches, their number, Keras 1's number of samples or None) for a generator that is gone through once."""
    given = _keras1(kwargs, given, name)
    samples = given.pop("val_samples", None)
    if steps is None and samples is not None:
        generator, steps = _steps_for(generator, samples)
    return _feed(generator, steps, False, None, given), steps, samples


def _steps_for(generator, samples):
    """(the generator, how many of its batches hold so many samples): Keras 1 counted samples."""
    size = getattr(generator, "batch_size", None)
    if size is None and hasattr(generator, "__next__"):
        first = next(generator)
        size = len(first[0][0] if isinstance(first[0], (list, tuple)) else first[0])
        generator = itertools.chain([first], generator)
    if size is None:
        raise ValueError(
            explain("The number of batches to an epoch does not follow", hint="Give `steps_per_epoch` or `steps`.")
        )
    return generator, -(-samples // size)
