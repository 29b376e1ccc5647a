"""`contrib.tensorboard`: metrics for TensorBoard."""

from tandem.core.errors import explain

__all__ = ["LogMetricsCallback"]


class LogMetricsCallback:
    """A callback of batches or epochs that writes the metric's values to TensorBoard's files.

    logging_dir: their folder; prefix: what is put before a metric's name.
    Raises ImportError where the package tensorboard is not installed.
    """

    def __init__(self, logging_dir, prefix=None):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(
                explain("LogMetricsCallback needs TensorBoard", hint="`pip install tensorboard` installs it.")
            ) from error
        self.prefix = prefix
        self.step = 0
        self.summary_writer = SummaryWriter(logging_dir)

    def __call__(self, param):
        """Write the values of `param.eval_metric`, if it has one, under the number of calls so far."""
        self.step += 1
        if param.eval_metric is None:
            return
        for name, value in param.eval_metric.get_name_value():
            name = name if self.prefix is None else f"{self.prefix}-{name}"
            self.summary_writer.add_scalar(name, value, self.step)
        self.summary_writer.flush()
