"""`SKLearnClassifier`, `SKLearnRegressor`, `SKLearnTransformer`: models as estimators of scikit-learn."""

import copy

import numpy as np

from tandem.core.errors import explain
from tandem.keras.models import Model, clone_model

try:
    import sklearn
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
except ImportError:  # the names can be imported; making an estimator says what is missing
    sklearn = None
    BaseEstimator = ClassifierMixin = RegressorMixin = TransformerMixin = type("_Missing", (), {})


class _Estimator(BaseEstimator):
    """What the three estimators share.

    model: a compiled `Model`, of which each `fit` trains a copy, or a function of `X` and `y` (as keywords) and
    `model_kwargs` that gives one; warm_start: train `model` itself, or go on with the model of the last `fit`, instead
    of a new one; model_kwargs: further arguments of the function; fit_kwargs: arguments of the model's `fit`, which
    those of the estimator's `fit` override. After `fit` there are `model_`, the trained model, and `history_`.
    Raises ImportError where scikit-learn is not installed.
    """

    def __init__(self, model, warm_start=False, model_kwargs=None, fit_kwargs=None):
        if sklearn is None:
            raise ImportError(
                f"{type(self).__name__} requires `scikit-learn` to be installed: pip install tandem[sklearn]"
            )
        self.model = model
        self.warm_start = warm_start
        self.model_kwargs = model_kwargs
        self.fit_kwargs = fit_kwargs

    # --- what scikit-learn asks ------------------------------------------------------------------------------------
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True  # a model's first weights are drawn
        return tags

    def __sklearn_clone__(self):
        parameters = self.get_params(deep=False)
        if isinstance(self.model, Model):
            parameters["model"] = copy.deepcopy(self.model)
        for name in ("model_kwargs", "fit_kwargs"):
            parameters[name] = None if parameters[name] is None else dict(parameters[name])
        return type(self)(**parameters)

    def set_fit_request(self, **kwargs):
        """Which arguments of `fit` scikit-learn's metadata routing passes on: True, False, None, or another name.

        Raises RuntimeError where routing is not turned on.
        """
        from sklearn.utils.metadata_routing import MetadataRequest

        if not sklearn.get_config().get("enable_metadata_routing", False):
            raise RuntimeError(
                "This method is only available when metadata routing is enabled. You can enable it using "
                "sklearn.set_config(enable_metadata_routing=True)."
            )
        # scikit-learn derives the requests from a signature; `fit` takes whatever the model's `fit` does.
        request = copy.deepcopy(getattr(self, "_metadata_request", None)) or MetadataRequest(owner=type(self).__name__)
        for param, alias in kwargs.items():
            request.fit.add_request(param=param, alias=alias)
        self._metadata_request = request
        return self

    # --- fitting ---------------------------------------------------------------------------------------------------
    @property
    def epoch_(self):
        """The numbers of the epochs that the last `fit` ran."""
        history = getattr(self, "history_", None)
        return 0 if history is None else history.epoch

    def _new_model(self, X, y):
        if self.warm_start and hasattr(self, "model_"):
            return self.model_
        if isinstance(self.model, Model):
            return self.model if self.warm_start else clone_model(self.model)
        return self.model(X=X, y=y, **(self.model_kwargs or {}))

    def fit(self, X, y, **kwargs):
        """Make the model and train it.

        X: array (samples, features); y: (samples,) or (samples, outputs); kwargs: of the model's `fit`. Returns the
        estimator. Raises RuntimeError for a model that is not compiled.
        """
        X, y = _checked(self, X, y)
        y = self._targets(y)
        model = self._new_model(X, y)
        if not getattr(model, "compiled", False) or not model.loss or not model.optimizer:
            raise RuntimeError("Given model needs to be compiled, and have a loss and an optimizer.")
        self.history_ = model.fit(X, y, **{**(self.fit_kwargs or {}), **kwargs})
        self.model_ = model
        return self

    def _targets(self, y):
        """The targets as the model takes them; what undoes that is kept."""
        _kind_of_targets(y)
        self._one_dimensional = y.ndim == 1
        return y.reshape(-1, 1) if self._one_dimensional else y

    def _outputs(self, X):
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self, "model_")
        return self.model_.predict(_checked(self, X, reset=False))

    def predict(self, X):
        """The predictions for X (samples, features), in the form that the targets had."""
        outputs = self._outputs(X)
        return outputs.squeeze(axis=1) if self._one_dimensional and outputs.ndim == 2 else outputs


class SKLearnClassifier(ClassifierMixin, _Estimator):
    __doc__ = f"""A model with one output to a class as a classifier; `classes_` are the labels.

    It is trained with one-hot targets (samples, classes).{_Estimator.__doc__.partition(".")[2]}"""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # an epoch of a small model is not enough for scikit-learn's bar
        return tags

    def decision_function(self, X):
        """The outputs of the model (samples, classes)."""
        return self._outputs(X)

    def predict(self, X):
        """The likeliest class of each row."""
        outputs = self._outputs(X)
        labels = self.classes_[outputs.argmax(axis=-1)]
        return labels if self._one_dimensional else labels[:, None]

    def _targets(self, y):
        kind = _kind_of_targets(y)
        if kind not in ("binary", "multiclass"):
            raise ValueError(f"Only binary and multiclass target types are supported. Target type: {kind}")
        self._one_dimensional = y.ndim == 1
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            raise ValueError("Classifier can't train when only one class is present.")
        return np.eye(len(self.classes_))[numbers.reshape(-1)]


class SKLearnRegressor(RegressorMixin, _Estimator):
    __doc__ = f"""A model as a regressor.

    It is trained with targets (samples, outputs).{_Estimator.__doc__.partition(".")[2]}"""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags


class SKLearnTransformer(TransformerMixin, _Estimator):
    __doc__ = f"""A model as a transformer: its outputs are the transformed data.

    It is trained with targets (samples, outputs).{_Estimator.__doc__.partition(".")[2]}"""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def transform(self, X):
        """The outputs of the model for X (samples, features)."""
        return self._outputs(X)


def _checked(estimator, X, y="no_validation", reset=True):
    """scikit-learn's checks of data, by whichever name its version has them."""
    try:
        from sklearn.utils.validation import validate_data
    except ImportError:  # before 1.6
        return estimator._validate_data(X, y, reset=reset)
    return validate_data(estimator, X, y, reset=reset)


def _kind_of_targets(y):
    from sklearn.utils.multiclass import type_of_target

    kind = type_of_target(y)
    if kind == "unknown":
        raise ValueError(
            explain("Unknown label type", expected="numbers or labels", given=f"an array of dtype {y.dtype}")
        )
    return kind
