"""`mx.nd.contrib`: operators outside the core, and loops and branches whose bodies are Python functions.

The loops run as Python has them. Where the number of steps, or the branch, depends on values (`while_loop`, `cond`), a
hybridized block that contains them is not recorded: the values are read.
"""

import numpy as np

from tandem.core import arrays, graph
from tandem.core.errors import explain
from tandem.mxnet import context as contexts
from tandem.mxnet import operators, views
from tandem.mxnet.base import MXNetError, open_module
from tandem.mxnet.ndarray import _internal
from tandem.mxnet.ndarray.creation import full, zeros
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.ops import graphs, log_uniform
from tandem.ops.sparse import Csr

_table = views.Namespace("mxnet.ndarray.contrib", lambda: NDArray, operators.names("_contrib_"))

__all__ = [
    "adamw_update",
    "cond",
    "edge_id",
    "foreach",
    "isfinite",
    "isinf",
    "isnan",
    "mp_adamw_update",
    "multi_adamw_update",
    "multi_lamb_update",
    "multi_mp_adamw_update",
    "multi_mp_lamb_update",
    "rand_zipfian",
    "while_loop",
]


def __getattr__(name):
    return _table.get(name, globals())


def __dir__():
    return _table.dir(dict.fromkeys(__all__))


open_module(__name__)


# --- loops and branches ----------------------------------------------------------------------------------------------


def foreach(body, data, init_states):
    """Call ``body(slice, states) -> (outputs, states)`` for each slice of `data` along its first axis.

    data, init_states: an array or (nested) lists of them; a loop without states has the empty list.
    Answers (outputs, stacked along a new first axis; the last states), in the structures that the body gives.
    Raises AssertionError where one of them is not an array.
    """
    _check_arrays(data, "foreach input")
    _check_arrays(init_states, "foreach states")
    steps = len(arrays.leaves(data)[0])
    states, gathered, structure = init_states, [], []
    for step in range(steps):
        outputs, states = body(_as_lists(data, lambda leaf, at=step: leaf[at]), states)
        _check_arrays(outputs, "foreach output")
        _check_arrays(states, "foreach states")
        structure = outputs
        gathered.append(arrays.leaves(outputs))
    return _stacked(gathered, structure), states


def while_loop(cond, func, loop_vars, max_iterations=None):
    """Call ``func(*loop_vars) -> (outputs, loop_vars)`` as long as ``cond(*loop_vars)`` holds, and no more often than
    `max_iterations`.

    loop_vars: an array or a list of arrays (nested ones too). Answers (outputs, stacked along a new first axis, which
    has `max_iterations` rows: zeros where there were fewer steps; the last loop_vars). Without a step there are no
    outputs: an empty list.
    Raises ValueError without `max_iterations` or loop_vars, and where func changes their number.
    """
    if max_iterations is None:
        raise ValueError("max_iterations should be specified")
    most = int(max_iterations)
    single = isinstance(loop_vars, NDArray)
    variables = [loop_vars] if single else list(loop_vars)
    if not variables:
        raise ValueError("loop_vars should contain at least one element")
    steps, gathered, structure = 0, [], []
    traced = graph.on_meta()  # only shapes are known then: one step tells those of the outputs
    while steps < most and (steps == 0 if traced else _holds(cond(*variables))):
        outputs, new = func(*variables)
        outputs = [] if outputs is None else outputs
        new = [new] if isinstance(new, NDArray) else list(new)
        if len(new) != len(variables):
            raise ValueError(
                explain(
                    "The length of loop_vars should be consistent during the loop",
                    expected=len(variables),
                    given=len(new),
                )
            )
        _check_arrays(outputs, "while_loop output")
        _check_arrays(new, "while_loop loop_vars")
        variables, structure, steps = new, outputs, steps + 1
        gathered.append(arrays.leaves(outputs))
    return _stacked(gathered, structure, rows=max(most, 0)), variables[0] if single else variables


def cond(pred, then_func, else_func):
    """``then_func()`` where pred (an array of one number) holds, else ``else_func()``: only that one is called.

    Raises ValueError where pred has more than one element.
    """
    if graph.on_meta() and isinstance(pred, NDArray):
        # Shapes are being inferred: both branches are asked, so that the parameters of both learn theirs.
        outputs = then_func()
        else_func()
        return outputs
    return then_func() if _holds(pred) else else_func()


def _holds(value):
    return bool(value.as_nd_ndarray().asscalar() if isinstance(value, NDArray) else value)


def _check_arrays(tree, what):
    if isinstance(tree, (list, tuple)):
        for item in tree:
            _check_arrays(item, what)
    elif not isinstance(tree, NDArray):
        raise AssertionError(
            f"{what} must be (nested) list of NDArray, but got {tree!r} of type {type(tree)}".replace("\n", " ")
        )


def _as_lists(tree, function):
    """`arrays.map_tree` whose tuples become lists, as MXNet's do."""
    if isinstance(tree, (list, tuple)):
        return [_as_lists(item, function) for item in tree]
    return function(tree)


def _stacked(gathered, structure, rows=None):
    """The leaves of all steps, each stacked along a new first axis (up to so many rows), in the structure of a step."""
    from tandem.mxnet.ndarray import concat, stack

    results = []
    for column in zip(*gathered):
        result = stack(*column, axis=0)
        if rows is not None and rows > len(column):
            rest = zeros((rows - len(column), *result.shape[1:]), ctx=result.context, dtype=result.dtype)
            result = concat(result, rest.as_in_context(result.context), dim=0)
        results.append(result)
    left = iter(results)
    return _as_lists(structure, lambda leaf: next(left))


# --- graphs ----------------------------------------------------------------------------------------------------------


def edge_id(data, u, v, out=None, name=None):
    """The entry of a csr matrix at each (u, v), which numbers the edge from u to v; -1 where none is stored.

    Raises MXNetError for a dense matrix.
    """
    if data.stype != "csr":
        raise MXNetError(explain("edge_id takes a csr matrix", expected="stype 'csr'", given=f"stype {data.stype!r}"))
    graph = Csr(*(array._tensor for array in (data.indptr, data.indices, data.data)), data.shape)
    result = graphs.edge_numbers(graph, u._tensor, v._tensor)
    return NDArray._wrap(result, data.context) if out is None else views.write_all(out, (result,), "edge_id")


# --- what kind of numbers --------------------------------------------------------------------------------------------


def isinf(data):
    """1 where an element is infinite, else 0, in data's dtype."""
    return data.abs() == np.inf if _may_be_infinite(data) else data != data


def isfinite(data):
    """1 where an element is neither infinite nor NaN, else 0, in data's dtype."""
    return data.abs() < np.inf if _may_be_infinite(data) else data == data


def isnan(data):
    """1 where an element is NaN, else 0, in data's dtype."""
    return data != data


def _may_be_infinite(data):
    return np.dtype(data.dtype).kind in "fV"  # V: bfloat16


# --- updates of several weights --------------------------------------------------------------------------------------


def _scale_array(rescale_grad, like):
    if isinstance(rescale_grad, NDArray):
        return rescale_grad.as_in_context(like.context)
    return full((1,), rescale_grad, ctx=like.context)


def _interleaved(*lists):
    return [array for group in zip(*lists) for array in group]


def adamw_update(weight, grad, mean, var, rescale_grad, lr, eta, beta1=0.9, beta2=0.999, epsilon=1e-8, wd=0,
                 clip_gradient=-1, out=None, name=None, **kwargs):  # fmt: skip
    """``w -= eta (lr m / (sqrt(v) + epsilon) + wd w)``, m and v moments of the gradient times rescale_grad.

    rescale_grad: a number or an array of one; where it is 0 or not finite nothing changes.
    """
    arrays = (weight, grad, mean, var, _scale_array(rescale_grad, weight))
    given = {"lr": lr, "eta": eta, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "wd": wd, **kwargs}
    return _internal._adamw_update(*arrays, clip_gradient=clip_gradient, out=out, name=name, **given)


def mp_adamw_update(weight, grad, mean, var, weight32, rescale_grad, lr, eta, beta1=0.9, beta2=0.999, epsilon=1e-8,
                    wd=0, clip_gradient=-1, out=None, name=None, **kwargs):  # fmt: skip
    """`adamw_update` on weight32, the float32 copy of a half precision weight."""
    arrays = (weight, grad, mean, var, weight32, _scale_array(rescale_grad, weight))
    given = {"lr": lr, "eta": eta, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "wd": wd, **kwargs}
    return _internal._mp_adamw_update(*arrays, clip_gradient=clip_gradient, out=out, name=name, **given)


def multi_adamw_update(weights, grads, mean, var, rescale_grad, lrs, wds, etas, out=None, name=None, size=0, **kwargs):
    """`adamw_update` on lists of arrays, with a learning rate, decay and eta to each."""
    arrays = [*_interleaved(weights, grads, mean, var), _scale_array(rescale_grad, weights[0])]
    given = {"lrs": lrs, "wds": wds, "etas": etas, "num_weights": size or len(weights), **kwargs}
    return _internal._multi_adamw_update(*arrays, out=out, name=name, **given)


def multi_mp_adamw_update(weights, grads, mean, var, weights32, rescale_grad, lrs, wds, etas, out=None, name=None,
                          size=0, **kwargs):  # fmt: skip
    """`mp_adamw_update` on lists of arrays, with a learning rate, decay and eta to each."""
    arrays = [*_interleaved(weights, grads, mean, var, weights32), _scale_array(rescale_grad, weights[0])]
    given = {"lrs": lrs, "wds": wds, "etas": etas, "num_weights": size or len(weights), **kwargs}
    return _internal._multi_mp_adamw_update(*arrays, out=out, name=name, **given)


def multi_lamb_update(weights, grads, mean, var, step_count, lrs, wds, out=None, num_tensors=0, **kwargs):
    """LAMB on lists of arrays, with a number of steps, a learning rate and a decay to each."""
    given = {"learning_rates": lrs, "wds": wds, "step_count": step_count, "num_tensors": num_tensors or len(weights)}
    return _internal._multi_lamb_update(*_interleaved(weights, grads, mean, var), out=out, **given, **kwargs)


def multi_mp_lamb_update(weights, grads, mean, var, weights32, step_count, lrs, wds, out=None, num_tensors=0, **kwargs):
    """LAMB on the float32 copies of half precision weights."""
    arrays = _interleaved(weights, grads, mean, var, weights32)
    given = {"learning_rates": lrs, "wds": wds, "step_count": step_count, "num_tensors": num_tensors or len(weights)}
    return _internal._multi_mp_lamb_update(*arrays, out=out, **given, **kwargs)


# --- sampling --------------------------------------------------------------------------------------------------------


def rand_zipfian(true_classes, num_sampled, range_max, ctx=None):
    """Classes from 0 to range_max - 1, the k-th with probability ``log((k + 2) / (k + 1)) / log(range_max + 1)``.

    true_classes: an array of class numbers. Answers (num_sampled classes as int64, how often each of true_classes is
    expected among them, how often each of the sampled ones), the last two as float64.
    """
    ctx = contexts.current_context() if ctx is None else ctx
    true = true_classes.as_in_context(ctx)
    sampled = log_uniform.sample(num_sampled, range_max, device=ctx.torch_device())
    expected = [log_uniform.expected_counts(classes, num_sampled, range_max) for classes in (true._tensor, sampled)]
    return tuple(NDArray._wrap(tensor, ctx) for tensor in (sampled, *expected))
