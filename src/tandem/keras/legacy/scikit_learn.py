"""Keras 2's `keras.wrappers.scikit_learn`: a model as an estimator of scikit-learn."""

import copy
import inspect

import numpy as np

from tandem.core.errors import explain
from tandem.keras.utils.numerical import to_categorical

_FIT = [
    "batch_size",
    "epochs",
    "nb_epoch",
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
    "validation_freq",
]
_EVALUATE = ["batch_size", "verbose", "sample_weight", "steps", "callbacks"]
_PREDICT = ["batch_size", "verbose", "steps", "callbacks"]


class BaseWrapper:
    """What `KerasClassifier` and `KerasRegressor` share.

    build_fn: a function, or an object with `__call__`, that gives a compiled model; None for a subclass whose own
    `__call__` does. sk_params: arguments of `build_fn` and of `fit`, `predict` and `evaluate` of the model, by name.
    Raises ValueError for an argument that none of them has.
    """

    def __init__(self, build_fn=None, **sk_params):
        self.build_fn = build_fn
        self.sk_params = sk_params
        self.check_params(sk_params)

    def _builder(self):
        if self.build_fn is None:
            return type(self).__call__
        return self.build_fn if inspect.isroutine(self.build_fn) else type(self.build_fn).__call__

    def check_params(self, params):
        """Raise ValueError for a name that neither `build_fn` nor a method of the model has."""
        known = {*_FIT, *_EVALUATE, *_PREDICT}
        for name in params:
            if name not in known and not _takes(self._builder(), name):
                raise ValueError(f"{name} is not a legal parameter")

    def get_params(self, **params):
        """The arguments with which the estimator was made."""
        return {**copy.deepcopy(self.sk_params), "build_fn": self.build_fn}

    def set_params(self, **params):
        """Set arguments; returns the estimator. Raises ValueError for names that nothing takes."""
        params = dict(params)
        if "build_fn" in params:
            self.build_fn = params.pop("build_fn")
        self.check_params(params)
        self.sk_params.update(params)
        return self

    def fit(self, x, y, **kwargs):
        """Make the model and train it; returns a `History`. kwargs: of the model's `fit`, in front of the others."""
        maker = self if self.build_fn is None else self.build_fn
        self.model = maker(**self._selected(self._builder()))
        loss = getattr(self.model, "loss", None)
        if getattr(loss, "__name__", loss) == "categorical_crossentropy" and len(y.shape) != 2:
            y = to_categorical(y)
        return self.model.fit(x, y, **self._for(_FIT, kwargs))

    def _selected(self, function):
        return {name: value for name, value in self.sk_params.items() if _takes(function, name)}

    def _for(self, names, given):
        return {**{name: value for name, value in self.sk_params.items() if name in names}, **given}

    def filter_sk_params(self, fn, override=None):
        """The arguments that the function `fn` takes, and those of `override`."""
        return {**self._selected(fn), **(override or {})}

    # What scikit-learn asks of an estimator.
    def __sklearn_is_fitted__(self):
        return hasattr(self, "model")

    def __sklearn_clone__(self):
        return type(self)(self.build_fn, **copy.deepcopy(self.sk_params))

    def __sklearn_tags__(self):
        from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

        mixin = ClassifierMixin if isinstance(self, KerasClassifier) else RegressorMixin
        return type("_Tags", (mixin, BaseEstimator), {})().__sklearn_tags__()


def _takes(function, name):
    parameters = inspect.signature(function).parameters
    return name in parameters and name != "self"


class KerasClassifier(BaseWrapper):
    """A model whose outputs are the probabilities of classes, as a classifier of scikit-learn."""

    _estimator_type = "classifier"

    def fit(self, x, y, **kwargs):
        """Make the model and train it; y: class labels (n,) or (n, 1), or one-hot rows. Returns a `History`."""
        y = np.array(y)
        if y.ndim == 2 and y.shape[1] > 1:
            self.classes_ = np.arange(y.shape[1])
        elif y.ndim == 1 or y.shape[1] == 1:
            self.classes_ = np.unique(y)
            y = np.searchsorted(self.classes_, y)
        else:
            raise ValueError("Invalid shape for y: " + str(y.shape))
        self.n_classes_ = len(self.classes_)
        return super().fit(x, y, **kwargs)

    def predict(self, x, **kwargs):
        """The likeliest class of each row."""
        outputs = self.model.predict(x, **self._for(_PREDICT, kwargs))
        numbers = outputs.argmax(axis=-1) if outputs.shape[-1] > 1 else (outputs > 0.5).astype("int32")
        return self.classes_[numbers]

    def predict_proba(self, x, **kwargs):
        """The probabilities of the classes (n, classes); of two where the model has one output."""
        outputs = self.model.predict(x, **self._for(_PREDICT, kwargs))
        return np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 else outputs

    def score(self, x, y, **kwargs):
        """The accuracy. Raises ValueError for a model that was compiled without ``metrics=["accuracy"]``."""
        y = np.searchsorted(self.classes_, y)
        loss = getattr(self.model, "loss", None)
        if getattr(loss, "__name__", loss) == "categorical_crossentropy" and y.ndim != 2:
            y = to_categorical(y, len(self.classes_))
        logs = self.model.evaluate(x, y, return_dict=True, **self._for(_EVALUATE, kwargs))
        for name in ("accuracy", "acc"):
            if name in logs:
                return logs[name]
        raise ValueError(
            explain(
                "The model is not configured to compute accuracy",
                expected='metrics=["accuracy"] in `model.compile()`',
                given=", ".join(logs),
            )
        )


class KerasRegressor(BaseWrapper):
    """A model whose output is a number, as a regressor of scikit-learn."""

    _estimator_type = "regressor"

    def predict(self, x, **kwargs):
        """The predictions (n,), or (n, outputs)."""
        return np.squeeze(self.model.predict(x, **self._for(_PREDICT, kwargs)))

    def score(self, x, y, **kwargs):
        """The loss times -1: greater is better."""
        loss = self.model.evaluate(x, y, **self._for(_EVALUATE, kwargs))
        return -(loss[0] if isinstance(loss, list) else loss)
