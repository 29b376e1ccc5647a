"""`PythonModule` and `PythonLossModule`: modules whose computation is somebody's Python."""

import logging

from tandem.core.errors import explain
from tandem.mxnet import ndarray
from tandem.mxnet.model import DEFAULT_INITIALIZER
from tandem.mxnet.module.base_module import BaseModule, demand
from tandem.mxnet.ndarray.ndarray import NDArray

__all__ = ["PythonLossModule", "PythonModule"]


class PythonModule(BaseModule):
    """Base of modules without parameters: a subclass overrides `forward`, `backward` and `_compute_output_shapes`.

    data_names, label_names, output_names: lists; label_names may be None.
    """

    def __init__(self, data_names, label_names, output_names, logger=logging):
        super().__init__(logger=logger)
        self._data_names = list(data_names) if isinstance(data_names, tuple) else data_names
        self._label_names = list(label_names) if isinstance(label_names, tuple) else label_names
        self._output_names = output_names
        self._data_shapes = self._label_shapes = self._output_shapes = None

    @property
    def data_names(self):
        """Names of the data."""
        return self._data_names

    @property
    def output_names(self):
        """Names of the outputs."""
        return self._output_names

    @property
    def data_shapes(self):
        """Descriptions of the data."""
        return self._data_shapes

    @property
    def label_shapes(self):
        """Descriptions of the labels."""
        return self._label_shapes

    @property
    def output_shapes(self):
        """(name, shape) of the outputs."""
        return self._output_shapes

    def get_params(self):
        """({}, {}): there are no parameters."""
        return {}, {}

    def init_params(
        self,
        initializer=DEFAULT_INITIALIZER,
        arg_params=None,
        aux_params=None,
        allow_missing=False,
        force_init=False,
        allow_extra=False,
    ):
        """Nothing to fill: there are no parameters."""
        self.params_initialized = True

    def init_optimizer(
        self, kvstore="local", optimizer="sgd", optimizer_params=(("learning_rate", 0.01),), force_init=False
    ):
        """Nothing to make: there are no parameters."""
        self.optimizer_initialized = True

    def update(self):
        """Nothing to change: there are no parameters. A subclass that has some overrides this."""

    def update_metric(self, eval_metric, labels, pre_sliced=False):
        """Update a metric, where the module takes labels.

        Raises RuntimeError for pre_sliced.
        """
        if self._label_shapes is None:
            return
        if pre_sliced:
            raise RuntimeError("PythonModule does not support presliced labels")
        eval_metric.update_dict(dict(zip(self._label_names, labels)), dict(zip(self._output_names, self.get_outputs())))

    def bind(
        self,
        data_shapes,
        label_shapes=None,
        for_training=True,
        inputs_need_grad=False,
        force_rebind=False,
        shared_module=None,
        grad_req="write",
    ):
        """Take note of the shapes.

        Raises AssertionError for another grad_req than 'write', or data of other names.
        """
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if grad_req != "write":
            raise AssertionError("Python module only support write gradient")
        names = [one[0] for one in data_shapes]
        demand((names == self._data_names, f"data of the names {self._data_names}, not {names}"))
        if label_shapes is not None:
            demand((self._label_names is not None, "label_names, for a module that takes labels"))
            names = [one[0] for one in label_shapes]
            demand((names == self._label_names, f"labels of the names {self._label_names}, not {names}"))
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self._data_shapes, self._label_shapes = data_shapes, label_shapes
        self._output_shapes = self._compute_output_shapes()
        self.binded = True

    def _compute_output_shapes(self):
        """(name, shape) of the outputs, from `_data_shapes` and `_label_shapes`."""
        raise self._own("_compute_output_shapes()")


class PythonLossModule(PythonModule):
    """A loss: its output is its one input, and `grad_func(scores, labels)` the gradient of that input.

    name: of the output, with `_output` behind; data_names, label_names: one name each; grad_func: None where a subclass
    overrides `_backward_impl`.
    Raises AssertionError for several names or a grad_func that cannot be called.
    """

    def __init__(
        self, name="pyloss", data_names=("data",), label_names=("softmax_label",), logger=logging, grad_func=None
    ):
        super().__init__(data_names, label_names, [f"{name}_output"], logger=logger)
        self._name = name
        demand(
            (len(data_names) == 1, "one name in data_names"),
            (len(label_names) == 1, "one name in label_names"),
            (grad_func is None or callable(grad_func), "a function as grad_func"),
        )
        self._scores = self._labels = self._scores_grad = None
        self._grad_func = grad_func

    def _compute_output_shapes(self):
        return [(f"{self._name}_output", self._data_shapes[0][1])]

    def forward(self, data_batch, is_train=None):
        """Keep the data, and in training the labels."""
        self._scores = data_batch.data[0]
        if self.for_training if is_train is None else is_train:
            self._labels = data_batch.label[0]

    def get_outputs(self, merge_multi_context=True):
        """The data.

        Raises AssertionError where they shall not be merged.
        """
        demand((merge_multi_context, "merge_multi_context=True"))
        return [self._scores]

    def backward(self, out_grads=None):
        """Compute the gradient of the data.

        Raises AssertionError for out_grads, or a module that is not bound for training.
        """
        if out_grads:
            raise AssertionError("For a loss module, out_grads should be None")
        demand((self.for_training, "for_training=True in bind()"))
        self._backward_impl()

    def _backward_impl(self):
        if self._grad_func is None:
            raise self._own("_backward_impl() or a grad_func")
        grad = self._grad_func(self._scores, self._labels)
        self._scores_grad = grad if isinstance(grad, NDArray) else ndarray.array(grad)

    def get_input_grads(self, merge_multi_context=True):
        """The gradient of the data.

        Raises AssertionError where it shall not be merged.
        """
        demand((merge_multi_context, "merge_multi_context=True"))
        return [self._scores_grad]

    def install_monitor(self, mon):
        """Raises NotImplementedError: there is no executor to look at."""
        raise NotImplementedError(explain("A PythonLossModule has no executor that a monitor could look at"))
