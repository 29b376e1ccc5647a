"""Training, evaluation and prediction of models: `Trainer` and what it is made of."""
