"""`BatchProcessor`: what an estimator does with one batch; a subclass does something else."""

from tandem.mxnet import autograd

__all__ = ["BatchProcessor"]


class BatchProcessor:
    """Forward and backward pass of a batch of training data, forward pass of one of validation data."""

    def evaluate_batch(self, estimator, val_batch, batch_axis=0):
        """(data, labels, predictions, losses) of a validation batch, lists with an array for each context."""
        data, label = estimator._get_data_and_label(val_batch, estimator.context, batch_axis)
        pred = [estimator.val_net(x) for x in data]
        loss = [estimator.val_loss(y_hat, y) for y_hat, y in zip(pred, label)]
        return data, label, pred, loss

    def fit_batch(self, estimator, train_batch, batch_axis=0):
        """(data, labels, predictions, losses) of a training batch, whose gradients are computed."""
        data, label = estimator._get_data_and_label(train_batch, estimator.context, batch_axis)
        with autograd.record():
            pred = [estimator.net(x) for x in data]
            loss = [estimator.loss(y_hat, y) for y_hat, y in zip(pred, label)]
        for one in loss:
            one.backward()
        return data, label, pred, loss
