"""`Trainer`: what makes a layer a model that trains: `compile`, `fit`, `evaluate`, `predict` and their steps."""

import inspect

import torch

from tandem.core import graph
from tandem.core.errors import explain, warn
from tandem.keras import config, tensors
from tandem.keras import metrics as metrics_room
from tandem.keras import optimizers as optimizers_room
from tandem.keras.internals.rebinding import calling
from tandem.keras.legacy.training import (
    LegacyTraining,
    as_compiled,
    compile_arguments,
    fit_arguments,
    losses_see_values,
    remember_trainable,
)
from tandem.keras.trainers import loops, parallel, parts, single, sources
from tandem.keras.trainers import prepare as preparing
from tandem.keras.trainers.compile_loss import CompileLoss
from tandem.keras.trainers.compile_metrics import CompileMetrics
from tandem.keras.trainers.logs import pythonify
from tandem.keras.trainers.state import State, setting
from tandem.ops import steps


class Trainer(LegacyTraining):
    """The part of `Model` that trains. What it keeps is in one `State`, apart from the layer's own attributes."""

    def __init__(self):
        self.__dict__["_trainer"] = State()

    @property
    def _training(self):
        """The state, made when first asked for."""
        state = self.__dict__.get("_trainer")
        if state is None:
            state = self.__dict__["_trainer"] = State()
        return state

    optimizer = setting("optimizer", "The optimizer that `compile` got, or None.")
    loss = setting("loss", "The loss that `compile` got, as it was given.")
    compiled = setting("compiled", "Whether `compile` was called.")
    stop_training = setting(
        "stop_training", "Set it to True, in a callback, to end `fit` after the current batch or epoch."
    )
    _initial_epoch = setting("initial_epoch", "The epoch that `fit` begins with; callbacks may set it.")
    history = setting("history", "The `History` of the last `fit`, or None.")
    steps_per_execution = setting("steps_per_execution", "How many batches run between two rounds of callbacks.")
    train_function = setting("train_function", "What runs the training steps: a function of an iterator of batches.")
    test_function = setting("test_function", "What runs the evaluation steps: a function of an iterator of batches.")
    predict_function = setting(
        "predict_function", "What runs the prediction steps: a function of an iterator of batches."
    )
    _compile_loss = setting("compile_loss", "The losses of all outputs as one, or None.")
    _compile_metrics = setting("compile_metrics", "The metrics of all outputs, or None.")
    _loss_tracker = setting("loss_tracker", "The mean of the loss.")

    @property
    def run_eagerly(self):
        """Whether steps run as they are written, not recorded and replayed. Setting it takes effect at the next
        `fit`.
        """
        return self._training.run_eagerly

    @run_eagerly.setter
    def run_eagerly(self, value):
        self._training.run_eagerly = bool(value)
        self._training.forget_functions()

    @property
    def jit_compile(self):
        """Whether steps, which are recorded and replayed, are compiled by torch's compiler too. Setting it takes effect
        at the next `fit`.
        """
        return self._training.backend == "inductor"

    @jit_compile.setter
    def jit_compile(self, value):
        if value not in (True, False, "auto", None):
            raise ValueError(explain("`jit_compile` is wrong", expected="True, False or 'auto'", given=value))
        self._training.backend = "inductor" if value is True else None
        self._training.forget_functions()

    # --- compile -----------------------------------------------------------------------------------------------------

    def compile(
        self,
        optimizer="rmsprop",
        loss=None,
        loss_weights=None,
        metrics=None,
        weighted_metrics=None,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        auto_scale_loss=True,
        **kwargs,
    ):
        """Say how the model learns.

        optimizer: a name or an optimizer; loss: a name, function or loss, or a list or dict of them by output;
        loss_weights: numbers by output; metrics: a list for the only output, else lists or dicts by output;
        weighted_metrics: those that count sample weights; run_eagerly: run the steps as they are written, not recorded
        and replayed; steps_per_execution: batches between two rounds of callbacks; jit_compile: with True torch's
        compiler makes one function of each step, which takes from seconds to minutes, else steps are replayed as
        `engine.backends` has it for the process; auto_scale_loss: under the policy "mixed_float16" the optimizer is
        wrapped in a `LossScaleOptimizer`.
        Raises ValueError for unknown names.
        """
        loss_weights, metrics = compile_arguments(loss_weights, metrics, kwargs)
        optimizer = optimizers_room.get(optimizer)
        state = self._training
        if run_eagerly and jit_compile is True:
            warn("If `run_eagerly` is True, then `jit_compile` cannot also be True. Disabling `jit_compile`.")
            jit_compile = False
        self.jit_compile = jit_compile
        if int(steps_per_execution) < 1:
            raise ValueError(
                explain("`steps_per_execution` is wrong", expected="at least 1", given=steps_per_execution)
            )
        if auto_scale_loss and optimizer is not None and self.dtype_policy.name == "mixed_float16":
            optimizer = optimizers_room.LossScaleOptimizer.wrap(optimizer)
        names = getattr(self, "output_names", None)
        state.compile_loss = None
        if loss is not None:
            state.compile_loss = (
                loss if isinstance(loss, CompileLoss) else CompileLoss(loss, loss_weights, output_names=names)
            )
            state.check_identifiers(loss)
        state.compile_metrics = None
        if metrics is not None or weighted_metrics is not None:
            state.compile_metrics = CompileMetrics(metrics, weighted_metrics, output_names=names)
        state.optimizer = optimizer
        state.loss = loss
        state.loss_tracker = metrics_room.Mean(name="loss")
        remember_trainable(self)
        state.steps_per_execution = int(steps_per_execution)
        state.run_eagerly = bool(run_eagerly)
        state.stop_training = False
        state.compiled = True
        state.forget_functions()
        state.arguments = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": False if jit_compile == "auto" else jit_compile,
        }

    def get_compile_config(self):
        """What `compile` got, as a dict of plain values; None where `compile` was not called."""
        if not self.compiled:
            return None
        from tandem.keras import saving

        return {name: saving.serialize_keras_object(value) for name, value in self._training.arguments.items()}

    def compile_from_config(self, config):
        """Call `compile` with what `get_compile_config` gave, and make the optimizer's slots."""
        from tandem.keras import saving

        if not config:
            return
        if not type(self).compile.__module__.startswith("tandem."):
            warn(
                "`compile()` was not called as part of model loading because the model's `compile()` method is custom. "
                "All subclassed Models that have `compile()` overridden should also override `get_compile_config()` "
                "and "
                "`compile_from_config(config)`."
            )
            return
        arguments = saving.deserialize_keras_object(config)
        if arguments.get("jit_compile") is True:
            # Keras on JAX and on TensorFlow writes True for "auto": nobody need have asked for minutes of compiling.
            arguments["jit_compile"] = "auto"
        self.compile(**arguments)
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def _assert_compiled(self, method):
        if not self.compiled:
            raise ValueError(
                explain(
                    "You must call `compile()` before using the model",
                    given=f"a model that was not compiled, in `{method}`",
                    hint="For example model.compile(optimizer='adam', loss='mse').",
                )
            )

    # --- metrics -----------------------------------------------------------------------------------------------------

    @property
    def metrics(self):
        """All metrics: the loss, those that `compile` got, those of several losses, those of the layers."""
        state = self._training
        found = []
        if state.compiled:
            found.append(state.loss_tracker)
            if state.compile_metrics is not None:
                found.append(state.compile_metrics)
            if state.compile_loss is not None:
                found.extend(state.compile_loss.metrics)
        found.extend(self._metrics)
        for layer in self._flatten_layers(include_self=False):
            if not isinstance(layer, Trainer):  # what a model inside was compiled with is its own affair
                found.extend(layer._metrics)
        return found

    @property
    def metrics_names(self):
        """The names of `metrics`."""
        return [metric.name for metric in self.metrics]

    def reset_metrics(self):
        """Set all metrics back to their beginning."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self):
        """The results of all metrics by name, as tensors."""
        results = {}
        for metric in self.metrics:
            result = metric.result()
            if isinstance(result, dict):
                results.update(result)
            else:
                results[metric.name] = result
        return results

    # --- losses ------------------------------------------------------------------------------------------------------

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss of a batch: those that `compile` got, and the penalties in `losses`. A subclass may override it.

        Raises ValueError where there is no loss at all.
        """
        total = None
        if self._compile_loss is not None:
            total = self._compile_loss(y, y_pred, sample_weight)
        for penalty in self.losses:
            penalty = steps.total(tensors.convert(penalty))
            total = penalty if total is None else steps.add(total, penalty)
        if total is None:
            raise ValueError("No loss to compute. Provide a `loss` argument in `compile()`.")
        return total

    def stateless_compute_loss(
        self,
        trainable_variables,
        non_trainable_variables,
        metrics_variables,
        x=None,
        y=None,
        y_pred=None,
        sample_weight=None,
        training=True,
    ):
        """`compute_loss` with other values in place of the variables'.

        Returns (loss, (trainable, non-trainable, metrics' variables' new values)).
        """
        own = (self.trainable_variables, self.non_trainable_variables, self.metrics_variables)
        given = (trainable_variables, non_trainable_variables, metrics_variables)
        with parts.other_values(own, given) as values:
            loss = self._loss_of(x, y, y_pred, sample_weight, training)
            return loss, values()

    def _loss_of(self, x, y, y_pred, sample_weight, training):
        method = type(self).compute_loss
        if method is not Trainer.compute_loss:
            parameters = inspect.signature(method).parameters
            if "training" not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                return self.compute_loss(x, y, y_pred, sample_weight)
        return self.compute_loss(x, y, y_pred, sample_weight, training=training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Add a batch to the metrics that `compile` got, and give all results. A subclass may override it."""
        self._update_metrics(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def _update_metrics(self, y, y_pred, sample_weight):
        if self._compile_metrics is not None:
            calling(self._compile_metrics.update_state, y, y_pred, sample_weight=sample_weight)

    # --- steps -------------------------------------------------------------------------------------------------------

    def train_step(self, data):
        """One step of training on a batch: forward, loss, backward, update, metrics. A subclass may override it.

        data: (x,), (x, y) or (x, y, sample_weight). Returns the logs, a dict.
        """
        return self.compute_metrics(*self._learn(data))

    def test_step(self, data):
        """One step of evaluation on a batch. A subclass may override it. Returns the logs, a dict."""
        return self.compute_metrics(*self._judge(data))

    def predict_step(self, data):
        """The model's outputs for a batch. A subclass may override it."""
        x, _, _ = sources.unpack(data)
        return self._forward(x, False)

    def _forward(self, x, training):
        if self._facts.has_training:
            return self(x, training=training)
        return self(x)  # as in Keras 3: a `call` without the argument leaves the mode to the layers inside

    def _learn(self, data):
        x, y, sample_weight = sources.unpack(data)
        with losses_see_values(self):
            y_pred = self._forward(x, True)
            loss = self._loss_of(x, y, y_pred, sample_weight, True)
        self._loss_tracker.update_state(loss, sample_weight=parts.batch_size(x))
        variables = self.trainable_weights
        if not variables:
            warn("The model does not have any trainable weights.")
            return x, y, y_pred, sample_weight
        optimizer = self.optimizer
        grads = parts.gradients(optimizer.scale_loss(loss), variables)
        with torch.no_grad():
            optimizer.apply(grads, variables)
        return x, y, y_pred, sample_weight

    def _judge(self, data):
        x, y, sample_weight = sources.unpack(data)
        with losses_see_values(self):
            y_pred = self._forward(x, False)
            loss = self._loss_of(x, y, y_pred, sample_weight, False)
        self._loss_tracker.update_state(loss, sample_weight=parts.batch_size(x))
        return x, y, y_pred, sample_weight

    def _own(self, *names):
        """Whether some methods are as they stand here, so that results need not be computed in each step."""
        return all(getattr(type(self), name) is getattr(Trainer, name) for name in names)

    def _train_once(self, data, phase):
        if self._own("train_step", "compute_metrics", "get_metrics_result"):
            _, y, y_pred, sample_weight = self._learn(data)
            self._update_metrics(y, y_pred, sample_weight)
            return None
        return parts.logs_of(self.train_step(data), "train_step")

    def _test_once(self, data):
        with torch.no_grad():
            if self._own("test_step", "compute_metrics", "get_metrics_result"):
                _, y, y_pred, sample_weight = self._judge(data)
                self._update_metrics(y, y_pred, sample_weight)
                return None
            return parts.logs_of(self.test_step(data), "test_step")

    def _predict_once(self, data):
        with torch.no_grad():
            return self.predict_step(data)

    def make_train_function(self, force=False):
        """Make `train_function`: it takes an iterator of batches, runs `steps_per_execution` of them, gives their
        logs.
        """
        state = self._training
        parallel.follow(self)
        if state.train_function is not None and not force:
            return state.train_function
        watch = [self, *state.watched()]
        step = parallel.step(self, self._train_once, name="The training step", watch=watch, **state.replaying())
        optimizer = state.optimizer
        phases = parts.Phases(optimizer) if getattr(optimizer, "needs_phase", False) else None

        def one(data):
            if phases is None:
                return step(data, None)
            phase = phases.next()
            with optimizer.in_phase(phase):
                return step(data, phase)

        state.train_step, state.phases = one, phases
        state.train_function = parts.repeated(one, state.steps_per_execution)
        if phases is None:
            state.train_function.advance = getattr(step, "advance", None)
        return state.train_function

    def make_test_function(self, force=False):
        """Make `test_function`: it takes an iterator of batches, runs `steps_per_execution` of them, gives their
        logs.
        """
        state = self._training
        parallel.follow(self)
        if state.test_function is not None and not force:
            return state.test_function
        watch = [self, *state.watched()]
        step = parallel.step(self, self._test_once, name="The evaluation step", watch=watch, **state.replaying())
        state.test_function = parts.repeated(step, state.steps_per_execution)
        state.test_function.advance = getattr(step, "advance", None)
        return state.test_function

    def make_predict_function(self, force=False):
        """Make `predict_function`: it takes an iterator of batches and gives the outputs for the next one."""
        state = self._training
        parallel.follow(self)
        if state.predict_function is not None and not force:
            return state.predict_function
        step = parallel.step(self, self._predict_once, name="The prediction step", watch=[self], **state.replaying())
        state.predict_function = parts.repeated(step, 1)
        return state.predict_function

    # --- fit, evaluate, predict --------------------------------------------------------------------------------------

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
        **kwargs,
    ):
        """Train the model; returns a `History`.

        x, y: arrays (NumPy, torch, pandas, MXNet) or lists or dicts of them; or x alone a PyDataset, a torch
        DataLoader, a generator of (x, y) or (x, y, sample_weight); batch_size: 32 if not given; epochs: the number of
        the last epoch;
        verbose: 0 silent, 1 or "auto" a bar, 2 a line to an epoch; callbacks: a list; validation_split: the part of the
        data, at its end, to validate on; validation_data: (x, y), (x, y, sample_weight) or a dataset, which takes its
        place; shuffle: a new order each epoch, or "batch"; class_weight: dict of class number -> weight, or, for
        several outputs, a list of them or a dict by name; sample_weight: one weight to a sample or time step;
        initial_epoch: to go on from; steps_per_epoch, validation_steps: batches to an epoch; validation_freq: every so
        many epochs, or a list of epochs (from 1).
        Raises ValueError where the data do not fit together, and for labels that are no class.
        """
        self._assert_compiled("fit")
        if kwargs:
            x, old = fit_arguments(x, kwargs)
            epochs = epochs if old is None else old
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = sources.split((x, y, sample_weight), validation_split)
        source = sources.make(
            preparing.suited(x, self),
            y,
            sample_weight,
            batch_size=batch_size,
            steps=steps_per_epoch,
            shuffle=shuffle,
            class_weight=parts.class_weights_by_output(class_weight, getattr(self, "output_names", None)),
            device=preparing.device_of(self),
        )
        validation = None
        if validation_data is not None:
            val_x, val_y, val_weight = parts.validation_parts(validation_data)
            self._training.validation_data = val_x, val_y, val_weight
            validation = {
                "x": val_x,
                "y": val_y,
                "sample_weight": val_weight,
                "batch_size": validation_batch_size or batch_size,
                "steps": validation_steps,
            }
        with as_compiled(self):
            return loops.fit(
                self, source, epochs, verbose, callbacks, initial_epoch, steps_per_epoch, validation, validation_freq
            )

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
        **kwargs,
    ):
        """The loss and the metrics on some data: a number, a list in the order of the metrics, or a dict.

        The arguments are those of `fit`; steps: batches to evaluate on.
        """
        self._assert_compiled("evaluate")
        cached = kwargs.pop("_use_cached_eval_dataset", False)
        if kwargs:
            raise ValueError(f"Arguments not recognized: {kwargs}")
        state = self._training
        source = state.validation_source if cached else None
        if source is None:
            x = preparing.suited(x, self)
            source = sources.make(
                x, y, sample_weight, batch_size=batch_size, steps=steps, device=preparing.device_of(self)
            )
            if cached:
                state.validation_source = source
        logs = loops.evaluate(self, source, verbose, callbacks, steps)
        return logs if return_dict else self._flatten_logs(logs)

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """The model's outputs for some data, as NumPy arrays in the structure of the outputs."""
        if verbose == 0 and callbacks is None and steps is None and self.built:
            data = single.only_batch(x, batch_size, preparing.device_of(self))
            if data is not None and config.max_steps_per_epoch() is None:
                return loops.predict_batch(self, data)
        source = sources.make(
            preparing.suited(x, self), batch_size=batch_size, steps=steps, device=preparing.device_of(self)
        )
        return loops.predict(self, source, verbose, callbacks, steps)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """One training step on one batch; returns its loss and metrics, as `evaluate` does."""
        self._assert_compiled("train_on_batch")
        class_weight = parts.class_weights_by_output(class_weight, getattr(self, "output_names", None))
        if class_weight is not None:
            y = sources.map_arrays(sources.tensor, y)
            sample_weight = sources.with_class_weight(
                y, sources.map_arrays(sources.tensor, sample_weight), class_weight
            )
        data = single.batch((x, y, sample_weight), preparing.device_of(self))
        with as_compiled(self):
            preparing.prepare(self, data, training=True)
            self.reset_metrics()
            function = self.make_train_function()
            if self._training.phases is not None:
                self._training.phases.settle()
            logs = function(iter([data]))
        return self._batch_result(logs, return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """One evaluation step on one batch; returns its loss and metrics, as `evaluate` does."""
        self._assert_compiled("test_on_batch")
        data = single.batch((x, y, sample_weight), preparing.device_of(self))
        preparing.prepare(self, data)
        self.reset_metrics()
        logs = self.make_test_function()(iter([data]))
        return self._batch_result(logs, return_dict)

    def predict_on_batch(self, x):
        """The outputs for one batch, as NumPy arrays."""
        data = single.batch((x, None, None), preparing.device_of(self))
        return loops.predict_batch(self, data, scalars=True)

    def _batch_result(self, logs, return_dict):
        logs = pythonify(self.get_metrics_result() if logs is None else logs)
        return logs if return_dict else self._flatten_logs(logs)

    def _flatten_logs(self, logs):
        """The values of logs in the order of the metrics; the only one by itself."""
        names = []
        for metric in self.metrics:
            if isinstance(metric, CompileMetrics):
                names += [part.name for part in metric.metrics]
            else:
                names.append(metric.name)
        values = [logs[name] for name in names if name in logs]
        values += [logs[name] for name in sorted(logs) if name not in names]
        return values[0] if len(values) == 1 else values

    def _outputs_for(self, x):
        """The outputs for a batch as shapes and dtypes, without computing them; or, where that fails, computed."""
        try:
            return graph.infer(lambda *args: self._forward(args[0], False), (x,))
        except Exception:
            # Code that reads values: run it once, in inference, so that nothing is learned from it.
            with torch.no_grad():
                return self._forward(x, False)
