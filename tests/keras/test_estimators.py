"""Models as estimators of scikit-learn: its own checks, its searches, splitters and pipelines."""

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from tandem import keras
from tandem.keras.wrappers import SKLearnClassifier, SKLearnRegressor, SKLearnTransformer

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def network(X, y, loss="mse", layers=(20, 20), rate=None):
    keras.utils.set_random_seed(0)
    outputs = inputs = keras.Input((X.shape[1],))
    for units in layers:
        outputs = keras.layers.Dense(units, activation="relu")(outputs)
    activation = "softmax" if loss == "categorical_crossentropy" else None
    outputs = keras.layers.Dense(y.shape[1], activation=activation)(outputs)
    model = keras.Model(inputs, [outputs])
    model.compile("sgd" if rate is None else keras.optimizers.Adam(rate), loss)
    return model


def classifier(**options):
    options = {"loss": "categorical_crossentropy", "rate": 0.01, **options}
    return SKLearnClassifier(network, model_kwargs=options, fit_kwargs={"epochs": 20, "verbose": 0})


# What Keras's classifier does not pass either: its `decision_function` has a column to a class, an epoch or two do not
# reach the accuracies asked for, and weights of 0 do not take a class away.
_OF_CLASSIFIERS = {
    "check_classifiers_one_label_sample_weights",
    "check_classifiers_classes",
    "check_classifiers_train",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kind", "loss", "allowed"),
    [
        (SKLearnClassifier, "categorical_crossentropy", _OF_CLASSIFIERS),
        (SKLearnRegressor, "mse", set()),
        (SKLearnTransformer, "mse", set()),
    ],
)
def test_scikit_learn_s_own_checks(kind, loss, allowed):
    estimator = kind(network, model_kwargs={"loss": loss}, fit_kwargs={"verbose": 0})
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert {name: error for name, error in failed.items() if name not in allowed} == {}
    assert sum(result["status"] == "passed" for result in results) > 35


def test_cross_validation_with_splitters():
    X, y = load_iris(return_X_y=True)
    model = make_pipeline(StandardScaler(), classifier())
    assert cross_val_score(model, X, y, cv=StratifiedKFold(3, shuffle=True, random_state=0)).min() > 0.85
    groups = np.arange(len(y)) % 5
    assert len(cross_val_score(model, X, y, groups=groups, cv=GroupKFold(5), scoring="f1_macro")) == 5


def test_a_search_over_what_makes_the_model():
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    search = GridSearchCV(
        classifier(),
        {
            "model_kwargs": [
                {"loss": "categorical_crossentropy", "layers": layers, "rate": rate}
                for layers, rate in (((), None), ((16,), 0.02))
            ]
        },
        cv=2,
    )
    search.fit(X, names)
    assert search.best_params_["model_kwargs"]["layers"] == (16,)
    assert search.best_score_ > 0.8
    assert set(search.predict(X[::50])) == {"setosa", "versicolor", "virginica"}
    assert get_scorer("accuracy")(search, X, names) == search.score(X, names)


def test_a_model_itself_is_not_trained_unless_it_starts_warm():
    X, y = np.random.RandomState(0).rand(20, 3), np.arange(20.0)
    model = network(X, y[:, None])
    before = model.get_weights()
    cold = SKLearnRegressor(model, fit_kwargs={"verbose": 0}).fit(X, y, epochs=2)
    assert cold.epoch_ == [0, 1]
    assert cold.model_ is not model and cold.model_.optimizer is not model.optimizer
    np.testing.assert_equal(before[0], model.get_weights()[0])
    warm = SKLearnRegressor(model, warm_start=True, fit_kwargs={"verbose": 0}).fit(X, y)
    assert warm.model_ is model
    assert not np.array_equal(before[0], model.get_weights()[0])
    assert warm.predict(X).shape == (20,)
    copied = clone(warm)
    assert copied.model is not model and copied.fit_kwargs == {"verbose": 0} and not hasattr(copied, "model_")
    np.testing.assert_equal(copied.model.get_weights()[0], model.get_weights()[0])


def test_warm_start_goes_on_with_a_made_model():
    X, y = np.random.RandomState(0).rand(20, 3), np.arange(20.0)
    estimator = SKLearnRegressor(network, warm_start=True, fit_kwargs={"verbose": 0}).fit(X, y)
    first = estimator.model_
    assert estimator.fit(X, y).model_ is first
    assert first.optimizer.iterations.numpy() == 2


def test_a_transformer_before_a_classifier():
    X, y = load_iris(return_X_y=True)
    encoder = SKLearnTransformer(network, fit_kwargs={"verbose": 0, "epochs": 3})
    pipeline = make_pipeline(StandardScaler(), encoder, LogisticRegression()).fit(X, y[:, None].ravel())
    assert pipeline[:-1].transform(X).shape == (150, 1)
    assert pipeline.predict(X).shape == (150,)


def test_errors():
    X, y = np.zeros((4, 2)), np.arange(4) % 2
    with pytest.raises(NotFittedError):
        classifier().predict(X)
    with pytest.raises(ValueError, match="only one class"):
        classifier().fit(X, np.zeros(4, int))
    with pytest.raises(ValueError, match="Only binary and multiclass"):
        classifier().fit(X, np.linspace(0, 1, 4))
    with pytest.raises(RuntimeError, match="needs to be compiled"):
        SKLearnRegressor(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])).fit(X, y)
    with pytest.raises(RuntimeError, match="enable_metadata_routing"):
        classifier().set_fit_request(sample_weight=True)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = SKLearnRegressor(network).set_fit_request(sample_weight=True)
        assert routed.get_metadata_routing().fit.requests == {"sample_weight": True}
