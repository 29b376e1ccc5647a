"""`mx.autograd`: recording, and gradients of what was recorded.

Recording is torch's own: inside `record()` torch's grad mode is on, and operators on arrays that have a gradient
attached build torch's graph.
"""

import torch

from tandem.core import scope
from tandem.core.errors import Unsupported, explain
from tandem.core.gradients import accumulate, gradients
from tandem.mxnet import failed
from tandem.mxnet import gradients as passes
from tandem.mxnet.base import MXNetError
from tandem.mxnet.ndarray.ndarray import NDArray, SparseStorage
from tandem.mxnet.ndarray.sparse_base import array_of
from tandem.mxnet.paths import path_of
from tandem.ops import sparse
from tandem.ops.heads import constant_in

__all__ = [
    "Function",
    "backward",
    "get_symbol",
    "grad",
    "is_recording",
    "is_training",
    "mark_variables",
    "pause",
    "predict_mode",
    "record",
    "set_recording",
    "set_training",
    "train_mode",
]

_scope = scope._current


def is_recording():
    """Whether operators are being recorded in this thread."""
    return bool(_scope.recording)


def is_training():
    """Whether Dropout, BatchNorm and the like behave as in training, in this thread."""
    return bool(_scope.training)


def set_recording(is_recording):
    """Turn recording on or off; answers what was before."""
    before, _scope.recording = bool(_scope.recording), bool(is_recording)
    if is_recording:
        torch.set_grad_enabled(True)
    return before


def set_training(train_mode):
    """Turn training behaviour on or off; answers what was before."""
    before, _scope.training = bool(_scope.training), bool(train_mode)
    return before


class _RecordingStateScope:
    """Sets recording and training (None: leave it) for a block; both are as before afterwards."""

    __slots__ = ("_before", "_recording", "_training")

    def __init__(self, is_record, train_mode):
        self._recording, self._training, self._before = is_record, train_mode, []

    def __enter__(self):
        self._before.append((_scope.recording, _scope.training, torch.is_grad_enabled()))
        if self._recording is not None:
            _scope.recording = self._recording
            torch._C._set_grad_enabled(self._recording)
        if self._training is not None:
            _scope.training = self._training

    def __exit__(self, *exception):
        _scope.recording, _scope.training, grad_mode = self._before.pop()
        torch._C._set_grad_enabled(grad_mode)


def record(train_mode=True):
    """`with record():` operators are recorded for `backward`; they behave as in training unless told otherwise."""
    return _RecordingStateScope(True, train_mode)


def pause(train_mode=False):
    """`with pause():` operators are not recorded."""
    return _RecordingStateScope(False, train_mode)


def train_mode():
    """`with train_mode():` operators behave as in training; recording is not changed."""
    return _RecordingStateScope(None, True)


def predict_mode():
    """`with predict_mode():` operators behave as in inference; recording is not changed."""
    return _RecordingStateScope(None, False)


def mark_variables(variables, gradients, grad_reqs="write"):
    """Make arrays variables whose gradients are put in given arrays.

    variables, gradients: an array each or lists of equal length; grad_reqs: one request or a list of them.
    """
    variables, buffers = _as_list(variables), _as_list(gradients)
    requests = [grad_reqs] * len(variables) if isinstance(grad_reqs, str) else list(grad_reqs)
    if not len(variables) == len(buffers) == len(requests):
        raise ValueError(
            explain(
                "mark_variables() needs one gradient and one request to each variable",
                given=f"{len(variables)} variables, {len(buffers)} gradients, {len(requests)} requests",
            )
        )
    for variable, buffer, request in zip(variables, buffers, requests):
        passes.attach(variable, request, buffer)


def _as_list(arrays):
    return [arrays] if isinstance(arrays, NDArray) else list(arrays)


def _heads(heads, head_grads):
    """The heads' tensors and the gradients that come in at them (ones where none are given)."""
    heads = _as_list(heads)
    if head_grads is None:
        head_grads = [None] * len(heads)
    elif isinstance(head_grads, NDArray):
        head_grads = [head_grads]
    if len(heads) != len(head_grads):
        raise AssertionError(
            explain("One head gradient to each head", given=f"{len(heads)} heads, {len(head_grads)} gradients")
        )
    tensors, incoming = [], []
    for position, (head, given) in enumerate(zip(heads, head_grads)):
        try:
            tensor = head._tensor
        except SparseStorage:
            tensor = head._carrier()
        failed.check(tensor)
        whole = not tensor.is_floating_point()
        if whole:
            tensor = path_of(tensor)
            if tensor is None:
                raise _not_in_graph(position, head)
        if not tensor.requires_grad:
            raise _not_in_graph(position, head)
        tensors.append(tensor)
        if given is None:
            incoming.append(torch.ones_like(tensor, memory_format=torch.contiguous_format))
        elif given.stype != "default":
            incoming.append(_sparse_head_gradient(given, head))
        elif given._tensor.shape != tensor.shape:
            raise MXNetError(
                explain("A head gradient has another shape than its head", expected=head.shape, given=given.shape)
            )
        else:
            incoming.append(given._tensor.double() if whole else given._tensor)
    return heads, tensors, incoming


def _not_in_graph(position, head):
    return MXNetError(
        explain(
            f"Cannot differentiate head {position} because it is not in a computational graph",
            expected="the result of operators inside autograd.record(), from arrays with attach_grad()",
            given=f"an array of shape {head.shape} that was not recorded or already differentiated",
            hint="backward(retain_graph=True) keeps the graph for another pass.",
        )
    )


def backward(heads, head_grads=None, retain_graph=False, train_mode=True):
    """Gradients of the heads (each weighted with its head gradient) into the arrays that have one attached.

    heads, head_grads: arrays or lists of them (None: ones). The graph is gone afterwards unless `retain_graph`;
    `train_mode`: the mode that the operators of the backward pass run in.
    Raises MXNetError where a head was not recorded.
    """
    heads, tensors, incoming = _heads(heads, head_grads)
    with passes.during("backward"), _RecordingStateScope(False, train_mode):
        try:
            accumulate(tensors, incoming, retain_graph=bool(retain_graph))
        except RuntimeError as error:
            raise _backward_error(error) from error
    if not retain_graph:
        _forget(heads, tensors)


def _forget(heads, tensors):
    """Cut the heads off from the graph that is used up."""
    for head, tensor in zip(heads, tensors):
        if not tensor.is_leaf:
            try:
                head._tensor = head._tensor.detach()
            except AttributeError:  # a sparse array
                head._graph = None


def _sparse_head_gradient(given, head):
    """A sparse array as what comes in at a head: torch's sparse tensor where that head is row_sparse too."""
    if given.shape != head.shape:
        raise MXNetError(
            explain("A head gradient has another shape than its head", expected=head.shape, given=given.shape)
        )
    return sparse.to_gradient(given._held) if given.stype == head.stype == "row_sparse" else given._dense()


def _backward_error(error):
    if isinstance(error, MXNetError):
        return error
    reason = str(error).split("\n", 1)[0]
    if "second time" not in reason:
        return MXNetError(explain(f"The backward pass failed: {reason}"))
    return MXNetError(
        explain(
            "The backward pass failed: a part of the computation went through an earlier one, which has freed it",
            expected="what was computed since then, or backward(retain_graph=True) in the earlier pass",
            hint="A state that is carried from batch to batch leaves the old computation with state.detach().",
        )
    )


def grad(heads, variables, head_grads=None, retain_graph=None, create_graph=False, train_mode=True):
    """Gradients of the heads with respect to the variables, as new arrays; nothing is written into `.grad`.

    variables: an array or a list; create_graph: record the gradients' own computation, for higher orders.
    Raises MXNetError where a variable cannot be reached from the heads.
    """
    heads, tensors, incoming = _heads(heads, head_grads)
    wanted = _as_list(variables)
    for position, variable in enumerate(wanted):
        tensor = _in_graph(variable)
        if not (tensor.requires_grad and tensor.is_leaf):
            raise MXNetError(
                explain(
                    f"Cannot differentiate with respect to variable {position} because it is not a variable",
                    expected="an array with attach_grad()",
                    given=f"an array of shape {variable.shape}",
                )
            )
    retain = create_graph if retain_graph is None else retain_graph
    with passes.during("grad"), _RecordingStateScope(create_graph, train_mode):
        try:
            found = gradients(
                tensors,
                [_in_graph(variable) for variable in wanted],
                incoming,
                retain_graph=retain or create_graph,
                create_graph=create_graph,
            )
        except RuntimeError as error:
            raise _backward_error(error) from error
    for position, result in enumerate(found):
        if result is None:
            raise MXNetError(
                explain(
                    f"Cannot differentiate with respect to variable {position} because the heads do not depend on it"
                )
            )
    if not retain:
        _forget(heads, tensors)
    if create_graph:
        # A gradient that does not depend on the variables, such as a linear function's, has itself the gradient 0.
        sources = [_in_graph(variable) for variable in wanted]
        with torch.enable_grad():
            found = [result if result.requires_grad else constant_in(result, sources) for result in found]
    found = [torch.zeros_like(result) if result._is_zerotensor() else result for result in found]
    return [_gradient_array(variable, result) for variable, result in zip(wanted, found)]


def _in_graph(variable):
    """The tensor that stands for an array in torch's graph."""
    try:
        tensor = variable._tensor
    except SparseStorage:
        return variable._carrier()
    return tensor if (path := path_of(tensor)) is None else path


def _gradient_array(variable, result):
    """A gradient as an array of the storage that the variable's own gradient has."""
    hook = passes.hook_of(_in_graph(variable))
    if hook is None or hook.stype == "default":
        if path_of(variable._tensor) is not None:
            result = result.to(variable._tensor.dtype)
        return type(variable)._wrap(result, variable._ctx)
    kind = sparse.Csr if hook.stype == "csr" else sparse.Rows
    return array_of(sparse.from_gradient(result, kind), variable._ctx)


def get_symbol(x):
    """The recorded computation of an array as a Symbol.

    Raises Unsupported: what is recorded keeps no names of operators.
    """
    raise Unsupported(
        explain(
            "autograd.get_symbol() is not there: what is recorded keeps no names of operators",
            given=f"an array of shape {x.shape}",
            hint="A HybridBlock called with symbols (mx.sym.var) gives the symbol of what it computes.",
        )
    )


class _Bridge(torch.autograd.Function):
    """A user's `Function` as a node of torch's graph."""

    @staticmethod
    def forward(ctx, function, inputs, *tensors):
        ctx.function, ctx.contexts, ctx.kind = function, [array._ctx for array in inputs], type(inputs[0])
        with pause(is_training()):
            outputs = function.forward(*inputs)
        function._single = isinstance(outputs, NDArray)
        # Aliases: what the function saved must not hold the node that holds the function.
        return tuple(array._tensor.detach() for array in ([outputs] if function._single else outputs))

    @staticmethod
    def backward(ctx, *incoming):
        arrays = [ctx.kind._wrap(tensor, ctx.contexts[0]) for tensor in incoming]
        with _RecordingStateScope(torch.is_grad_enabled(), None):
            outputs = ctx.function.backward(*arrays)
        outputs = [outputs] if isinstance(outputs, NDArray) else list(outputs)
        if len(outputs) != len(ctx.contexts):
            raise MXNetError(
                explain(
                    f"{type(ctx.function).__name__}.backward must answer one gradient to each input",
                    expected=len(ctx.contexts),
                    given=len(outputs),
                )
            )
        return (None, None, *[None if array is None else array._tensor for array in outputs])


class Function:
    """A differentiable function of one's own: subclass it, write `forward` and `backward`, call an instance.

    `forward(*inputs)` answers one array or several; it runs without recording. `backward(*output_gradients)` answers
    one gradient to each input. `save_for_backward` keeps arrays for it, as `saved_tensors`. One instance, one call.
    """

    _used = False
    saved_tensors = ()

    def save_for_backward(self, *args):
        """Keep arrays for `backward`."""
        self.saved_tensors = args

    def __call__(self, *inputs):
        if self._used:
            raise AssertionError("Each Function instance can only be called once. Please create another instance.")
        self._used = True
        if not (_scope.recording and any(array._tensor.requires_grad for array in inputs)):
            with pause(is_training()):
                return self.forward(*inputs)
        plain = [type(array)._wrap(array._tensor.detach(), array._ctx) for array in inputs]
        results = _Bridge.apply(self, plain, *[array._tensor for array in inputs])
        arrays = [type(inputs[0])._wrap(tensor, inputs[0]._ctx) for tensor in results]
        return arrays[0] if self._single else arrays

    def forward(self, *inputs):
        """The results for some inputs; to be written in the subclass."""
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def backward(self, *output_grads):
        """The inputs' gradients from the outputs'; to be written in the subclass."""
        raise NotImplementedError(f"{type(self).__name__}.backward")
