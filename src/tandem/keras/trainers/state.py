"""What `compile` and `fit` keep for a model."""

import threading

from tandem.keras import losses as losses_room
from tandem.keras.trainers.compile_loss import BY_SHAPE
from tandem.keras.trainers.outputs import flatten


class State:
    """The attributes of a model that have to do with training.

    They are one object beside the layer's own attributes, so that setting one does not look like a change of the model
    to a step that was recorded.
    """

    def __init__(self):
        self.optimizer = None
        self.loss = None
        self.compile_loss = None
        self.compile_metrics = None
        self.loss_tracker = None
        self.validation_data = None  # (x, y, sample_weight) of the last `fit`; see legacy.training.validation_arrays
        self.learns_as_compiled = None  # what learned then; see legacy.training.as_compiled
        self.arguments = {}
        self.compiled = False
        self.run_eagerly = False
        self.backend = None  # what replays the steps; None: what is set for the process
        self.steps_per_execution = 1
        self.stop_training = False
        self.initial_epoch = 0
        self.history = None
        self.running = None  # while `fit` runs: (its batches, its callbacks)
        self.position = None  # where `fit` is to go on, set by a callback
        self.validation_source = None
        self.predicting = threading.RLock()  # what a step gave holds until the next one: one thread at a time
        self.replayed = None  # what replays the model's calls outside training
        self.plan = None  # how batches are shared out over processes
        self.anchor = None  # (mutations, the variable whose device is the model's)
        self.forget_functions()

    def forget_functions(self):
        """Let the next `fit` make its functions anew."""
        self.train_function = self.test_function = self.predict_function = None
        self.train_step = self.phases = None
        self.settled = None  # what `prepare` found in order
        self.idle = frozenset()  # layers in the model that its calls do not build: nobody calls them

    def follow(self, plan):
        """Let the functions be made anew where batches are shared out in another way than before."""
        if plan is not self.plan:
            self.plan = plan
            self.forget_functions()

    def replaying(self):
        """How the steps run, as arguments of `Step`."""
        return {"enabled": not self.run_eagerly, "backend": self.backend}

    def watched(self):
        """The objects beside the model whose attributes steer a step."""
        found = [item for item in (self.optimizer, self.loss_tracker, self.compile_metrics) if item is not None]
        if self.compile_metrics is not None:
            found += self.compile_metrics.metrics
        if self.compile_loss is not None:
            found += [self.compile_loss, *(loss for _, loss in self.compile_loss.terms)]
        return found

    @staticmethod
    def check_identifiers(loss):
        """Raise ValueError now, not in `fit`, for the name of no loss."""
        for _, identifier in flatten(loss):
            if identifier in BY_SHAPE:
                continue
            if isinstance(identifier, (str, dict)) or not callable(identifier):
                losses_room.get(identifier)

    def __getstate__(self):
        # Recorded steps hold memory of this process.
        kept = dict(self.__dict__)
        for name in (
            "train_function",
            "test_function",
            "predict_function",
            "train_step",
            "phases",
            "running",
            "position",
            "validation_source",
            "anchor",
            "replayed",
            "settled",
            "plan",
        ):
            kept[name] = None
        del kept["predicting"]
        return kept

    def __setstate__(self, state):
        self.__dict__.update(state, predicting=threading.RLock())


def setting(name, doc):
    """A property of a model that is kept in its `State`."""

    def read(model):
        return getattr(model._training, name)

    def write(model, value):
        setattr(model._training, name, value)

    return property(read, write, doc=doc)
