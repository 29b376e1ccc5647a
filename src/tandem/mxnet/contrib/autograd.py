"""`contrib.autograd`: the names that `mx.autograd` had before it was `mx.autograd`."""

import functools

from tandem.core.errors import explain
from tandem.mxnet import autograd, ndarray
from tandem.mxnet.ndarray.ndarray import NDArray

__all__ = [
    "TrainingStateScope",
    "backward",
    "compute_gradient",
    "grad",
    "grad_and_loss",
    "mark_variables",
    "set_is_training",
    "test_section",
    "train_section",
]

mark_variables = autograd.mark_variables


def set_is_training(is_train):
    """Turn recording and training behaviour on or off together; answers whether it was recording."""
    before = autograd.set_recording(is_train)
    autograd.set_training(is_train)
    return before


class TrainingStateScope:
    """`with TrainingStateScope(True):` recording and training behaviour are on (or off); as before afterwards."""

    def __init__(self, enter_state):
        self._enter_state = enter_state

    def __enter__(self):
        self._scope = autograd._RecordingStateScope(self._enter_state, self._enter_state)
        self._scope.__enter__()

    def __exit__(self, ptype, value, trace):
        self._scope.__exit__(ptype, value, trace)


def train_section():
    """`with train_section():` operators are recorded and behave as in training."""
    return TrainingStateScope(True)


def test_section():
    """`with test_section():` operators are not recorded and behave as in inference."""
    return TrainingStateScope(False)


def backward(outputs, out_grads=None, retain_graph=False):
    """Gradients of the outputs into the arrays that were marked; as `mx.autograd.backward`, in training mode."""
    autograd.backward(outputs, out_grads, retain_graph)


def compute_gradient(outputs):
    """`backward(outputs)`."""
    backward(outputs)


def grad_and_loss(func, argnum=None):
    """A function that answers (gradients, result) of `func`.

    func: takes NDArrays; argnum: which arguments to differentiate, a number or a list of them, all where None.
    The function raises AssertionError for arguments that are no NDArrays.
    """

    @functools.wraps(func)
    def wrapped(*args):
        wanted = args
        if argnum is not None:
            wanted = [args[number] for number in (argnum if isinstance(argnum, list) else [argnum])]
        for one in wanted:
            if not isinstance(one, NDArray):
                raise AssertionError(explain("type of autograd input should NDArray", given=type(one).__name__))
        grads = [ndarray.zeros_like(one) for one in wanted]
        mark_variables(list(wanted), grads)
        with train_section():
            outputs = func(*args)
        compute_gradient([outputs] if isinstance(outputs, NDArray) else outputs)
        return grads, outputs

    return wrapped


def grad(func, argnum=None):
    """A function that answers the gradients of `func`; the arguments as `grad_and_loss`'s."""
    both = grad_and_loss(func, argnum)

    @functools.wraps(both)
    def wrapped(*args):
        return both(*args)[0]

    return wrapped
