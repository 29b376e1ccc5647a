"""`tf.GradientTape` on torch's record of gradients, `tf.custom_gradient`, `tf.gradients`."""

import contextlib
import functools

import torch

from tandem.compat.tensorflow import variables
from tandem.compat.tensorflow.tensor import adopt, convert
from tandem.core import arrays
from tandem.core.errors import explain
from tandem.keras import ops, tensors, tree
from tandem.keras.variables import Variable
from tandem.ops import derivatives

_open = []  # the tapes that record now, the innermost last


def _as_it_is(tensor):
    """What a gradient will need, as it is now: a weight, which may be changed before, is copied."""
    of = tensor if tensor._base is None else tensor._base
    return tensor.detach().clone() if of.is_leaf and of.requires_grad else tensor


def _same(tensor):
    return tensor


class UnconnectedGradients:
    """What a gradient is that does not exist: None, or zeros."""

    NONE = "none"
    ZERO = "zero"


class GradientTape:
    """Records what is computed inside `with`, for `gradient`.

    persistent: `gradient` may be called more than once; watch_accessed_variables: all trainable variables count as
    watched, else only what `watch` is given.
    """

    def __init__(self, persistent=False, watch_accessed_variables=True):
        self._persistent = persistent
        self._all_variables = watch_accessed_variables
        self._watched = {}  # id -> the value, which keeps the id its own
        self._turned = []  # watched values that have gradients only as long as this tape needs them
        self._scope = None
        self._spent = False

    def __enter__(self):
        if self._scope is not None:
            raise ValueError("Tape is already recording.")
        self._scope = contextlib.ExitStack()
        self._scope.enter_context(torch.enable_grad())
        if self._persistent or _open:
            # Weights may be changed between one gradient and the next.
            self._scope.enter_context(torch.autograd.graph.saved_tensors_hooks(_as_it_is, _same))
        _open.append(self)
        return self

    def __exit__(self, *error):
        scope, self._scope = self._scope, None
        _open.remove(self)
        self._turn(False)
        scope.__exit__(*error)

    def _turn(self, on):
        # A value that went on having gradients could not be written to, as the buffers of a replayed step are.
        for value in self._turned:
            value.requires_grad_(on)

    @contextlib.contextmanager
    def _turned_on(self):
        if self._scope is not None:
            yield
            return
        self._turn(True)
        try:
            yield
        finally:
            self._turn(False)

    def watch(self, tensor):
        """Let gradients be taken with respect to a tensor, or those of a structure."""
        for one in tree.flatten(tensor):
            value = _tensor(one)
            self._watched[id(one)] = one
            if isinstance(value, torch.Tensor) and not value.requires_grad and _differentiable(value):
                value.requires_grad_()
                self._turned.append(value)

    def watched_variables(self):
        """The variables that `watch` was given. Raises NotImplementedError where all that are read count as watched."""
        if self._all_variables:
            raise NotImplementedError(
                "`GradientTape.watched_variables()` is not there: a tape does not see which variables are read. "
                "Write `model.trainable_variables`."
            )
        return tuple(one for one in self._watched.values() if isinstance(one, Variable))

    @contextlib.contextmanager
    def stop_recording(self):
        """What is computed inside is not recorded."""
        if self._scope is None:
            raise ValueError("Tape is not recording.")
        with torch.no_grad():
            yield

    def reset(self):
        """Forget what was watched."""
        self._watched.clear()
        self._spent = False

    # --- gradients -------------------------------------------------------------------------------------------------

    def gradient(self, target, sources, output_gradients=None, unconnected_gradients=UnconnectedGradients.NONE):
        """The gradient of `target` (a tensor, or several, whose gradients add up) for each of `sources`.

        output_gradients: what each target's own gradient is, 1 if not given; unconnected_gradients: "none" or "zero".
        Returns a structure like `sources`. Raises RuntimeError where a tape that is not persistent was asked before.
        """
        self._use("gradients (or jacobians)")
        with self._turned_on():
            return self._gradient(target, sources, output_gradients, unconnected_gradients)

    def _gradient(self, target, sources, output_gradients, unconnected_gradients):
        leaves = tree.flatten(sources)
        targets = [_tensor(one) for one in tree.flatten(target)]
        given = [None] * len(targets) if output_gradients is None else tree.flatten(output_gradients)
        pairs = [
            (one, torch.ones_like(one) if grad is None else convert(grad).to(one.dtype).expand(one.shape))
            for one, grad in zip(targets, given)
            if isinstance(one, torch.Tensor) and one.requires_grad
        ]
        found = self._gradients(pairs, leaves)
        if str(getattr(unconnected_gradients, "value", unconnected_gradients)).lower() == UnconnectedGradients.ZERO:
            found = [torch.zeros_like(_tensor(leaf)) if grad is None else grad for grad, leaf in zip(found, leaves)]
        return tree.pack_sequence_as(sources, [None if grad is None else adopt(grad) for grad in found])

    def _use(self, what):
        if self._spent:
            raise RuntimeError(
                f"A non-persistent GradientTape can only be used to compute one set of {what}; "
                "write GradientTape(persistent=True)."
            )
        self._spent = not self._persistent

    def _counts(self, source):
        """Whether the tape knows of a source."""
        value = _tensor(source)
        if not isinstance(value, torch.Tensor) or not value.requires_grad:
            return False
        if isinstance(source, Variable) and id(source) not in self._watched:
            return self._all_variables and not (isinstance(source, variables.Variable) and not source.trainable)
        return True

    def _gradients(self, pairs, leaves):
        wanted = {number: _tensor(leaf) for number, leaf in enumerate(leaves) if self._counts(leaf)}
        found = [None] * len(leaves)
        if not pairs or not wanted:
            return found
        outputs, grads = zip(*pairs)
        # Another tape may want to go through the same computation: GANs do. A tape around this one, or this one if
        # it still records, sees the gradients being computed.
        results = torch.autograd.grad(
            outputs,
            list(wanted.values()),
            grads,
            retain_graph=True,
            create_graph=bool(_open),
            allow_unused=True,
        )
        for number, grad in zip(wanted, results):
            found[number] = grad
        return found

    def jacobian(
        self,
        target,
        sources,
        unconnected_gradients=UnconnectedGradients.NONE,
        parallel_iterations=None,
        experimental_use_pfor=True,
    ):
        """The derivative of each element of `target` for each element of each source: target's axes, then source's."""
        self._use("gradients (or jacobians)")
        with self._turned_on():
            return self._jacobian(target, sources, unconnected_gradients)

    def _jacobian(self, target, sources, unconnected_gradients):
        leaves = tree.flatten(sources)
        y = _tensor(target)
        wanted = {number: _tensor(leaf) for number, leaf in enumerate(leaves) if self._counts(leaf)}
        found = [None] * len(leaves)
        if y.requires_grad and wanted:
            rows = derivatives.jacobian(y, list(wanted.values()), create_graph=bool(_open))
            for number, part in zip(wanted, rows):
                found[number] = part
        if str(unconnected_gradients).lower() == UnconnectedGradients.ZERO:
            for number, leaf in enumerate(leaves):
                if found[number] is None:
                    found[number] = y.new_zeros((*torch.Tensor.size(y), *torch.Tensor.size(_tensor(leaf))))
        return tree.pack_sequence_as(sources, [None if one is None else adopt(one) for one in found])

    def batch_jacobian(
        self,
        target,
        source,
        unconnected_gradients=UnconnectedGradients.NONE,
        parallel_iterations=None,
        experimental_use_pfor=True,
    ):
        """The jacobian of each row of `target` for the row of `source` of its number: (rows, target's, source's axes).

        Raises ValueError where the numbers of rows differ.
        """
        self._use("gradients (or jacobians)")
        y, x = _tensor(target), _tensor(source)
        if not y.dim() or not x.dim() or len(y) != len(x):
            raise ValueError(
                explain(
                    "`target` and `source` need the same number of rows",
                    given=f"shapes {tuple(y.shape)} and {tuple(x.shape)}",
                )
            )
        found = None
        with self._turned_on():
            if y.requires_grad and self._counts(source):
                found = derivatives.batch_jacobian(y, x, create_graph=bool(_open))
        if found is None and str(unconnected_gradients).lower() == UnconnectedGradients.ZERO:
            found = y.new_zeros((*y.shape, *x.shape[1:]))
        return None if found is None else adopt(found)


def recording():
    """Whether a tape records now."""
    return bool(_open)


def _tensor(value):
    """The torch tensor behind a value, in which gradients gather."""
    if isinstance(value, Variable):
        return value.tensor
    if isinstance(value, torch.Tensor) or value is None:
        return value
    return convert(value)


def _differentiable(value):
    return value.is_floating_point() or value.is_complex()


def gradients(ys, xs, grad_ys=None, **kwargs):
    """TensorFlow 1's gradients of a graph; as in TensorFlow 2, there is none where everything runs at once."""
    raise RuntimeError("tf.gradients is not supported when eager execution is enabled. Use tf.GradientTape instead.")


def stop_gradient(input, name=None):
    """`input`, through which no gradient flows."""
    return arrays.map_tree(lambda one: adopt(ops.stop_gradient(one)), input)


class _Custom(torch.autograd.Function):
    @staticmethod
    def forward(ctx, function, kwargs, *args):
        with torch.no_grad():
            result, ctx.gradient = function(*(adopt(one.detach()) for one in args), **kwargs)
        ctx.many = isinstance(result, (tuple, list))
        found = tuple(result) if ctx.many else (result,)
        found = tuple(one.view_as(one) for one in found)
        return found if ctx.many else found[0]

    @staticmethod
    def backward(ctx, *grads):
        found = ctx.gradient(*(adopt(one) for one in grads))
        found = found if isinstance(found, (tuple, list)) else (found,)
        return (None, None, *(None if one is None else tensors.convert(one) for one in found))


def custom_gradient(f=None):
    """A function that gives (result, function from the result's gradient to the arguments') as one with that gradient.

    Raises NotImplementedError where the gradient function takes `variables`.
    """
    if f is None:
        return custom_gradient

    @functools.wraps(f)
    def entry(*args, **kwargs):
        return adopt(_Custom.apply(f, kwargs, *(convert(one) for one in args)))

    return entry
