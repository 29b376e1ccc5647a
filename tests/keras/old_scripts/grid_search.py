"""`KerasClassifier` and `KerasRegressor` in scikit-learn's grid search, cross validation and pipelines."""

import numpy as np
from keras.layers import Dense
from keras.models import Sequential
from keras.wrappers.scikit_learn import KerasClassifier, KerasRegressor
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

np.random.seed(7)
X = np.random.rand(60, 4)
Y = (X.sum(axis=1) > 2).astype(int)


def create_model(optimizer="rmsprop", init="glorot_uniform"):
    model = Sequential()
    model.add(Dense(8, input_dim=4, kernel_initializer=init, activation="relu"))
    model.add(Dense(1, kernel_initializer=init, activation="sigmoid"))
    model.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])
    return model


model = KerasClassifier(build_fn=create_model, epochs=2, batch_size=10, verbose=0)
grid = GridSearchCV(estimator=model, param_grid={"optimizer": ["rmsprop", "adam"], "epochs": [2, 3]}, cv=2)
result = grid.fit(X, Y)
assert set(result.best_params_) == {"optimizer", "epochs"}
assert result.predict(X[:3]).shape == (3, 1) and result.predict_proba(X[:3]).shape == (3, 2)


def baseline():
    model = Sequential([Dense(6, input_dim=4, kernel_initializer="normal", activation="relu"), Dense(1)])
    model.compile(loss="mean_squared_error", optimizer="adam")
    return model


pipeline = Pipeline([("scale", StandardScaler()), ("mlp", KerasRegressor(build_fn=baseline, epochs=2, verbose=0))])
results = cross_val_score(pipeline, X, X.sum(axis=1), cv=KFold(n_splits=2))
assert results.shape == (2,) and np.isfinite(results).all()
