"""All callbacks of one run behind one object."""

from tandem.core.errors import explain
from tandem.engine.distributed import exchange, group, pieces
from tandem.keras.callbacks.callback import HOOKS, Callback, History, keep_history, overrides
from tandem.keras.callbacks.progbar_logger import ProgbarLogger
from tandem.keras.trainers import parallel

_BATCH_HOOKS = tuple(hook for hook in HOOKS if "batch" in hook)


class CallbackList(Callback):
    """Calls a list of callbacks in their order, a `History` and a `ProgbarLogger` after them.

    callbacks: a callback or a list; add_history, add_progbar: whether to add these two where the list lacks them;
    model: passed on; params: "verbose", "epochs", "steps", passed on.
    Of several processes only the first one has callbacks that write files.
    Only callbacks that do something at a batch's edge are called there: see `wants`.
    """

    def __init__(self, callbacks=None, add_history=False, add_progbar=False, model=None, **params):
        given = _flat(callbacks)
        writers = [callback for callback in given if getattr(callback, "writes_files", False)]
        self.callbacks = [callback for callback in given if group.is_chief() or callback not in writers]
        self._writing = {hook for hook in HOOKS if group.size() > 1 and any(_acts(one, hook) for one in writers)}
        self._history = self._find(History)
        self._progbar = self._find(ProgbarLogger)
        if add_history and self._history is None:
            self._history = History()
            self.callbacks.append(self._history)
        if add_progbar and self._progbar is None:
            self._progbar = ProgbarLogger()
            self.callbacks.append(self._progbar)
        if model is not None:
            self.set_model(model)
        if params:
            self.set_params(params)
        self._batch_hooks = {hook: self._hooked(hook) for hook in _BATCH_HOOKS}

    def _find(self, kind):
        return next((callback for callback in self.callbacks if isinstance(callback, kind)), None)

    def _hooked(self, hook):
        # A bar of our own is asked apart from the others: it only looks at a few batches a second.
        return [
            getattr(callback, hook)
            for callback in self.callbacks
            if type(callback) is not ProgbarLogger and _acts(callback, hook)
        ]

    def wants(self, hook):
        """Whether any callback, the progress bar apart, does something in a hook at a batch's edge."""
        return bool(self._batch_hooks[hook]) or hook in self._writing

    @property
    def progress(self):
        """The progress bar's logger that counts batches and may be asked only now and then, or None."""
        logger = self._progbar
        return logger if type(logger) is ProgbarLogger and logger.verbose else None

    def append(self, callback):
        """Add a callback at the end."""
        self.callbacks.append(callback)
        self._batch_hooks = {hook: self._hooked(hook) for hook in _BATCH_HOOKS}

    def set_params(self, params):
        """Pass the run's parameters on."""
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model):
        """Pass the model on."""
        super().set_model(model)
        if self._history is not None:
            keep_history(model, self._history)
        for callback in self.callbacks:
            callback.set_model(model)

    def _call(self, hook, *args):
        self._run(hook, [getattr(callback, hook) for callback in self.callbacks], *args)

    def _run(self, hook, calls, *args):
        if hook not in self._writing or self.model is None:
            for call in calls:
                call(*args)
            return
        # Variables that are divided over processes are whole where the first process may write or read files.
        held = [variable for variable in parallel.variables_of(self.model) if pieces.of(variable) is not None]
        with pieces.united(held):
            for call in calls:
                call(*args)
            if hook == "on_train_begin":  # it alone has read them
                exchange.spread_([variable.tensor for variable in held])

    def _call_batch(self, hook, batch, logs):
        self._run(hook, self._batch_hooks[hook], batch, logs)
        logger = self._progbar
        if type(logger) is ProgbarLogger:
            getattr(logger, hook)(batch, logs)

    def on_epoch_begin(self, epoch, logs=None):
        """Before an epoch."""
        self._call("on_epoch_begin", epoch, {} if logs is None else logs)

    def on_epoch_end(self, epoch, logs=None):
        """After an epoch."""
        self._call("on_epoch_end", epoch, {} if logs is None else logs)

    def on_batch_begin(self, batch, logs=None):
        """Before a batch of training, by the older name."""
        self._call("on_batch_begin", batch, {} if logs is None else logs)

    def on_batch_end(self, batch, logs=None):
        """After a batch of training, by the older name."""
        self._call("on_batch_end", batch, {} if logs is None else logs)


def _edge_hook(hook):
    def call(self, logs=None):
        self._call(hook, {} if logs is None else logs)

    call.__doc__ = getattr(Callback, hook).__doc__
    return call


def _batch_hook(hook):
    def call(self, batch, logs=None):
        self._call_batch(hook, batch, {} if logs is None else logs)

    call.__doc__ = getattr(Callback, hook).__doc__
    return call


for _kind in ("train", "test", "predict"):
    for _edge in ("begin", "end"):
        setattr(CallbackList, f"on_{_kind}_{_edge}", _edge_hook(f"on_{_kind}_{_edge}"))
        setattr(CallbackList, f"on_{_kind}_batch_{_edge}", _batch_hook(f"on_{_kind}_batch_{_edge}"))


def _acts(callback, hook):
    """Whether a callback does something in a hook."""
    if "batch" not in hook:
        return overrides(callback, hook)
    older = hook.replace("train_", "")
    return getattr(callback, "_watches_batches", True) and (overrides(callback, hook) or overrides(callback, older))


def _flat(callbacks):
    """The callbacks of nested lists, in order; raises TypeError for what is no callback."""
    if callbacks is None:
        return []
    if not isinstance(callbacks, (list, tuple)):
        callbacks = [callbacks]
    flat = []
    for callback in callbacks:
        if isinstance(callback, (list, tuple)):
            flat.extend(_flat(callback))
        elif callback is not None:
            if isinstance(callback, type) or not hasattr(callback, "on_epoch_end"):
                what = "a callback's class, not an object of it" if isinstance(callback, type) else "no callback"
                raise TypeError(
                    explain(
                        f"`callbacks` holds {what}",
                        expected="objects of keras.callbacks.Callback",
                        given=repr(callback),
                    )
                )
            flat.append(callback)
    return flat
