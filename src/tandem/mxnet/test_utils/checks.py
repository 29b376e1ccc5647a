"""Checks of operators and networks: against numerical gradients, given numbers, other contexts and dtypes."""

import json
import time

import numpy as np

from tandem.core.errors import explain
from tandem.mxnet import autograd, ndarray
from tandem.mxnet import context as contexts
from tandem.mxnet import random as mx_random
from tandem.mxnet.ndarray.ndarray import NDArray
from tandem.mxnet.test_utils.arrays import rand_ndarray
from tandem.mxnet.test_utils.executions import as_ndarray, as_symbol, parse_aux_states, parse_location
from tandem.mxnet.test_utils.tolerances import (
    assert_almost_equal,
    compare_ndarray_tuple,
    default_numeric_eps,
    get_tols,
)


def simple_forward(sym, ctx=None, is_train=False, **inputs):
    """The results of a symbol, or of a function called by keyword, for some inputs: a numpy array or a list of them."""
    ctx = contexts.current_context() if ctx is None else ctx
    arrays = {name: as_ndarray(value, ctx) for name, value in inputs.items()}
    executor = as_symbol(sym, arrays).bind(ctx, args=arrays)
    executor.forward(is_train=is_train)
    outputs = [output.asnumpy() for output in executor.outputs]
    return outputs[0] if len(outputs) == 1 else outputs


def _put(arrays, values):
    for name, value in (values or {}).items():
        arrays[name][:] = value


def _differences(executor, location, aux_states, eps, use_forward_train, dtype, head=None):
    """Central differences ``(f(x + eps/2) - f(x - eps/2)) / eps`` of the sum of the (weighted) first result.

    location: name -> numpy array; head: the weights of the result's elements, ones where None.
    """

    def value():
        _put(executor.aux_dict, aux_states)
        executor.forward(is_train=use_forward_train)
        output = executor.outputs[0].asnumpy().astype(np.float64)
        return output.sum() if head is None else (output * head).sum()

    gradients = {}
    for name, start in location.items():
        if np.dtype(start.dtype).kind != "f":
            continue
        start = np.ascontiguousarray(start).astype(dtype)
        gradient, flat = np.zeros(start.shape, dtype), start.copy().reshape(-1)
        for place in range(flat.size):
            before = flat[place]
            values = []
            for step in (eps / 2.0, -eps / 2.0):
                flat[place] = before + step
                executor.arg_dict[name][:] = flat.reshape(start.shape)
                values.append(value())
            flat[place] = before
            gradient.reshape(-1)[place] = (values[0] - values[1]) / eps
        executor.arg_dict[name][:] = start
        gradients[name] = gradient
    return gradients


def numeric_grad(executor, location, aux_states=None, eps=1e-4, use_forward_train=True, dtype=None):
    """Gradients of the sum of an executor's first output, by central differences with step `eps`: name -> array.

    location: name -> value of each argument; aux_states: name -> value before each forward pass;
    use_forward_train: whether the forward passes are those of training; dtype: of the answer, float32 where None.
    """
    dtype = np.float32 if dtype is None else dtype
    plain = {name: _numpy(value).astype(dtype) for name, value in location.items()}
    _put(executor.arg_dict, plain)
    states = None if aux_states is None else {name: _numpy(value) for name, value in aux_states.items()}
    return _differences(executor, plain, states, eps, use_forward_train, dtype)


def _numpy(value):
    return value.asnumpy() if isinstance(value, NDArray) else np.asarray(value)


def check_numeric_gradient(
    sym,
    location,
    aux_states=None,
    numeric_eps=None,
    rtol=None,
    atol=None,
    grad_nodes=None,
    use_forward_train=True,
    ctx=None,
    grad_stype_dict=None,
    dtype=np.float32,
):
    """Assert that gradients agree with central differences, for a random weighting of the one result.

    sym: a Symbol with one output, or a function of NDArrays; location: values of the arguments, a list or dict;
    aux_states: values of auxiliary states before each pass; numeric_eps: the step, from the dtype where None;
    rtol, atol: as `assert_almost_equal`'s; grad_nodes: names to check, all where None, or name -> 'write', 'add',
    'null'; use_forward_train: whether the differences are taken in training mode; grad_stype_dict: name -> storage type
    of its gradient; dtype: float16, float32 or float64.
    Raises AssertionError where they disagree, ValueError for other grad_nodes.
    """
    if dtype not in (np.float16, np.float32, np.float64):
        raise AssertionError(explain("dtype is float16, float32 or float64", given=repr(dtype)))
    ctx = contexts.current_context() if ctx is None else ctx
    sym = as_symbol(sym, location)
    numeric_eps = default_numeric_eps()[np.dtype(dtype)] if numeric_eps is None else numeric_eps
    arrays = parse_location(sym, location, ctx, dtype)
    plain = {name: array.asnumpy() for name, array in arrays.items()}
    states = parse_aux_states(sym, aux_states, ctx, dtype)
    plain_states = None if states is None else {name: array.asnumpy() for name, array in states.items()}
    if grad_nodes is None:
        grad_nodes = sym.list_arguments()
    if isinstance(grad_nodes, (list, tuple)):
        requests = dict.fromkeys(grad_nodes, "write")
    elif isinstance(grad_nodes, dict):
        requests = dict(grad_nodes)
    else:
        raise ValueError(explain("grad_nodes is a list of names or a dict name -> request", given=repr(grad_nodes)))

    before = {name: np.random.normal(0, 0.01, size=plain[name].shape).astype(dtype) for name in requests}
    grads = {name: ndarray.array(value, ctx=ctx, dtype=dtype) for name, value in before.items()}
    for name, stype in (grad_stype_dict or {}).items():
        if stype is not None and name in grads:
            grads[name] = grads[name].tostype(stype)
    executor = sym.bind(ctx, args=arrays, args_grad=grads, grad_req=requests, aux_states=states)
    executor.forward(is_train=True)
    if len(executor.outputs) != 1:
        raise AssertionError(
            explain("check_numeric_gradient needs one result", expected=1, given=f"{len(executor.outputs)} outputs")
        )
    # Weights away from 0, so that an element that is wrong shows.
    weights = np.asarray(np.random.uniform(0.1, 1.1, executor.outputs[0].shape), dtype)
    executor.backward([ndarray.array(weights, ctx=ctx, dtype=executor.outputs[0].dtype)])
    symbolic = {name: executor.grad_dict[name].asnumpy() for name in requests}
    checked = {name: plain[name] for name in requests}
    numeric = _differences(
        executor, checked, plain_states, numeric_eps, use_forward_train, dtype, weights.astype(np.float64)
    )
    for name, request in requests.items():
        names = (f"NUMERICAL_{name}", f"BACKWARD_{name}")
        if request == "null":
            assert_almost_equal(before[name], symbolic[name], rtol, atol, names)
        elif request == "add":
            assert_almost_equal(numeric[name], symbolic[name] - before[name], rtol, atol, names)
        elif request == "write":
            assert_almost_equal(numeric[name], symbolic[name], rtol, atol, names)
        else:
            raise ValueError(explain("Invalid grad_req", expected="'write', 'add', 'null'", given=repr(request)))


def check_symbolic_forward(
    sym, location, expected, rtol=None, atol=None, aux_states=None, ctx=None, equal_nan=False, dtype=np.float32
):
    """Assert that results are as expected; answers them.

    sym: a Symbol or a function of NDArrays; location: values of the arguments, a list or dict; expected: the results,
    a list or a dict by the outputs' names; dtype: of the arguments, "asnumpy" for the values' own. The rest as
    `check_numeric_gradient`.
    Raises AssertionError where they are not.
    """
    ctx = contexts.current_context() if ctx is None else ctx
    sym = as_symbol(sym, location)
    arrays = parse_location(sym, location, ctx, dtype)
    states = parse_aux_states(sym, aux_states, ctx, dtype)
    executor = sym.bind(ctx, args=arrays, args_grad=None, grad_req="null", aux_states=states)
    executor.forward(is_train=False)
    names = sym.list_outputs()
    wanted = [expected[name] for name in names] if isinstance(expected, dict) else expected
    for name, value, output in zip(names, wanted, executor.outputs):
        labels = (f"EXPECTED_{name}", f"FORWARD_{name}")
        assert_almost_equal(_numpy(value), output.asnumpy(), rtol, atol, labels, equal_nan=equal_nan)
    return executor.outputs


def check_symbolic_backward(
    sym,
    location,
    out_grads,
    expected,
    rtol=None,
    atol=None,
    aux_states=None,
    grad_req="write",
    ctx=None,
    grad_stypes=None,
    equal_nan=False,
    dtype=np.float32,
):
    """Assert that gradients are as expected; answers them by name.

    out_grads: head gradients, a list, a dict by the outputs' names, or None; expected: the gradients, a list in the
    arguments' order or a dict; grad_req: 'write', 'add' or 'null', for all, in a list or by name; grad_stypes: name ->
    storage type of its gradient. The rest as `check_symbolic_forward`.
    Raises AssertionError where they are not.
    """
    ctx = contexts.current_context() if ctx is None else ctx
    sym = as_symbol(sym, location)
    arrays = parse_location(sym, location, ctx, dtype)
    states = parse_aux_states(sym, aux_states, ctx, dtype)
    names = sym.list_arguments()
    if isinstance(expected, (list, tuple)):
        expected = dict(zip(names, expected))
    wanted = {name: _numpy(value) for name, value in expected.items()}
    before = {name: np.random.normal(size=value.shape) for name, value in wanted.items()}
    grads = {}
    for name, value in before.items():
        kind = arrays[name].dtype if dtype == "asnumpy" else dtype
        grads[name] = ndarray.array(value, ctx=ctx, dtype=kind)
        before[name] = grads[name].asnumpy()
        stype = (grad_stypes or {}).get(name)
        if stype not in (None, "default"):
            grads[name] = grads[name].tostype(stype)
    if isinstance(grad_req, str):
        requests = dict.fromkeys(names, grad_req)
    else:
        requests = dict(grad_req if isinstance(grad_req, dict) else zip(names, grad_req))
    requests = {name: request if name in grads else "null" for name, request in requests.items()}
    executor = sym.bind(ctx, args=arrays, args_grad=grads, grad_req=requests, aux_states=states)
    executor.forward(is_train=True)
    if isinstance(out_grads, dict):
        out_grads = [out_grads[name] for name in sym.list_outputs()]
    if out_grads is not None:
        heads = [_numpy(out_grads)] if isinstance(out_grads, (NDArray, np.ndarray)) else out_grads
        out_grads = [
            head if isinstance(head, NDArray) else ndarray.array(head, ctx=ctx, dtype=output.dtype)
            for head, output in zip(heads, executor.outputs)
        ]
    executor.backward(out_grads)
    found = {name: executor.grad_dict[name].asnumpy() for name in wanted}
    for name, value in wanted.items():
        labels, request = (f"EXPECTED_{name}", f"BACKWARD_{name}"), requests[name]
        got = found[name] - before[name] if request == "add" else found[name]
        target = before[name] if request == "null" else value
        assert_almost_equal(target, got, rtol, atol, labels, equal_nan=equal_nan)
    return {name: executor.grad_dict[name] for name in wanted}


def check_speed(sym, location=None, ctx=None, N=20, grad_req=None, typ="whole", **kwargs):
    """Seconds that a pass takes, the mean of `N`.

    location: values of the arguments; where None, random ones of the shapes in kwargs; typ: "whole" for forward and
    backward, "forward"; grad_req: 'write' where None.
    Raises ValueError for another typ.
    """
    if typ not in ("whole", "forward"):
        raise ValueError('typ can only be "whole" or "forward".')
    ctx = contexts.current_context() if ctx is None else ctx
    grad_req = "write" if grad_req is None else grad_req
    if location is None:
        shapes = kwargs
        if hasattr(sym, "infer_shape"):  # a symbol tells those of its weights
            shapes = dict(zip(sym.list_arguments(), sym.infer_shape(**kwargs)[0]))
        location = {name: np.random.normal(size=shape) for name, shape in shapes.items()}
    sym = as_symbol(sym, location)
    arrays = parse_location(sym, location, ctx)
    grads = {name: ndarray.zeros(array.shape, ctx=ctx) for name, array in arrays.items()}
    executor = sym.bind(ctx, args=arrays, args_grad=grads, grad_req=grad_req)

    def once():
        executor.forward(is_train=typ == "whole")
        if typ == "whole":
            executor.backward(executor.outputs)

    once()
    ndarray.waitall()
    start = time.time()
    for _ in range(N):
        once()
    ndarray.waitall()
    return (time.time() - start) / N


def check_consistency(
    sym,
    ctx_list,
    scale=1.0,
    grad_req="write",
    arg_params=None,
    aux_params=None,
    rtol=None,
    atol=None,
    raise_on_err=True,
    ground_truth=None,
    equal_nan=False,
    use_uniform=False,
    rand_type=np.float64,
):
    """Assert that a symbol gives the same results and gradients on several contexts and in several dtypes.

    sym: a Symbol, a function called by keyword, or a list with one to each entry of `ctx_list`: dicts with 'ctx', the
    shapes of the arguments by name and 'type_dict', dtypes by name; scale: of the random arguments; arg_params,
    aux_params: values by name; rtol, atol: as `assert_almost_equal`'s; raise_on_err: else disagreements are printed
    only; ground_truth: results and gradients by name, those of the widest dtype where None; use_uniform: numbers evenly
    between -scale and scale, else normal ones; rand_type: the dtype they are drawn in.
    Answers the ground truth. Raises AssertionError where they disagree.
    """
    symbols = list(sym) if isinstance(sym, (list, tuple)) else [sym] * len(ctx_list)
    if len(ctx_list) < 2 or len(symbols) != len(ctx_list):
        raise AssertionError(explain("At least two settings, one symbol to each", given=f"{len(ctx_list)} settings"))
    settings = [{k: v for k, v in one.items() if k not in ("ctx", "type_dict")} for one in ctx_list]
    symbols = [as_symbol(one, shapes) for one, shapes in zip(symbols, settings)]
    executors = [
        one.simple_bind(grad_req=grad_req, ctx=given["ctx"], type_dict=given.get("type_dict"), **shapes)
        for one, given, shapes in zip(symbols, ctx_list, settings)
    ]
    values = dict(arg_params or {})
    for name, array in executors[0].arg_dict.items():
        if name not in values:
            drawn = np.random.uniform(-scale, scale, array.shape) if use_uniform else None
            values[name] = np.random.normal(size=array.shape, scale=scale) if drawn is None else drawn
        values[name] = _numpy(values[name]).astype(rand_type)
    states = dict(aux_params or {})
    for executor in executors:
        _put(executor.arg_dict, values)
        _put(executor.aux_dict, {name: states.get(name, 0) for name in executor.aux_dict})
    trains = grad_req != "null"
    for executor in executors:
        executor.forward(is_train=trains)
    heads = [np.random.normal(size=output.shape) for output in executors[0].outputs]
    found = []
    for one, executor in zip(symbols, executors):
        results = dict(zip(one.list_outputs(), executor.outputs))
        if trains:
            executor.backward(
                [
                    ndarray.array(head, ctx=output.context, dtype=output.dtype)
                    for head, output in zip(heads, executor.outputs)
                ]
            )
            results.update((name, grad) for name, grad in executor.grad_dict.items() if grad is not None)
        found.append(results)
    widest = max(range(len(found)), key=lambda n: np.dtype(next(iter(found[n].values())).dtype).itemsize)
    truth = found[widest] if ground_truth is None else ground_truth
    for number, results in enumerate(found):
        if number == widest and ground_truth is None:
            continue
        for name, array in results.items():
            if name not in truth:
                continue
            wanted, got = _numpy(truth[name]), array.asnumpy()
            tolerances = get_tols(wanted, got, rtol, atol)
            try:
                assert_almost_equal(got, wanted.astype(got.dtype), *tolerances, equal_nan=equal_nan)
            except AssertionError as error:
                text = f"{name} in setting {number} ({ctx_list[number]}) disagrees: {error}"
                if raise_on_err:
                    raise AssertionError(text) from None
                print(text)  # noqa: T201 (what raise_on_err=False is for)
    return truth


def same_symbol_structure(sym1, sym2):
    """Whether two Symbols have the same operators on the same inputs, whatever the names."""

    def structure(sym):
        graph = json.loads(sym.tojson())
        nodes = [(node["op"], [tuple(one[:2]) for one in node["inputs"]]) for node in graph["nodes"]]
        return nodes, [tuple(head[:2]) for head in graph["heads"]]

    return structure(sym1) == structure(sym2)


def compare_optimizer(
    opt1,
    opt2,
    shape,
    dtype,
    w_stype="default",
    g_stype="default",
    rtol=1e-4,
    atol=1e-5,
    compare_states=True,
    ntensors=1,
):
    """Assert that two optimizers update random weights (and their states) alike.

    shape: of the weight, or a list of `ntensors` shapes; dtype; w_stype, g_stype: storage types of weights and
    gradients.
    """
    shapes = shape if isinstance(shape, list) else [shape] * ntensors
    several = isinstance(shape, list) or ntensors > 1

    def draw(stype, size):
        if stype == "default":
            return mx_random.uniform(shape=size, ctx=contexts.current_context(), dtype=dtype)
        return rand_ndarray(size, stype, density=1, dtype=dtype)

    first = [draw(w_stype, size) for size in shapes]
    grads = [draw(g_stype, size) for size in shapes]
    both = (first, [one.copy() for one in first])
    copies = (grads, [one.copy() for one in grads])
    states = []
    for optimizer, weights, incoming in zip((opt1, opt2), both, copies):
        made = [optimizer.create_state_multi_precision(number, one) for number, one in enumerate(weights)]
        if several:
            optimizer.update_multi_precision(list(range(len(weights))), weights, incoming, made)
        else:
            optimizer.update_multi_precision(0, weights[0], incoming[0], made[0])
        states.append(made)
    if compare_states:
        for one, other in zip(*states):
            compare_ndarray_tuple(one, other, rtol=rtol, atol=atol)
    for one, other in zip(*both):
        assert_almost_equal(one.asnumpy(), other.asnumpy(), rtol=rtol, atol=atol)


def check_gluon_hybridize_consistency(net_builder, data_l, numpy_func=None, test_grad=True, rtol=1e-4, atol=1e-4):
    """Assert that a block gives the same results and gradients hybridized and not.

    net_builder: `net_builder(prefix=…)` makes the block; data_l: a list of `mx.np` arrays that it is called with;
    numpy_func: what the result must be, from numpy arrays; test_grad: whether gradients are compared too.
    Raises AssertionError where they differ.
    """
    saved = None
    weights = None
    for hybridize in (False, True):
        net = net_builder(prefix="net_")
        net.initialize()
        inputs = [array.copy() for array in data_l]
        if test_grad:
            for array in inputs:
                array.attach_grad()
        if hybridize:
            net.hybridize()
        with autograd.pause():
            net(*inputs)  # parameters whose shapes the first inputs tell come into being
        parameters = net.collect_params()
        if weights is None:
            weights = {name: one.data().asnumpy() for name, one in parameters.items()}
        else:
            for name, one in parameters.items():
                one.set_data(_like(one.data(), weights[name]))
        with autograd.record(train_mode=True) if test_grad else autograd.pause():
            output = net(*inputs)
        if test_grad:
            output.backward(_like(output, np.ones(output.shape, output.dtype)))
        results = [output.asnumpy()]
        if test_grad:
            results += [array.grad.asnumpy() for array in inputs]
            results += [one.grad().asnumpy() for one in parameters.values() if one.grad_req != "null"]
        if saved is None:
            saved = results
        else:
            for one, other in zip(results, saved):
                assert_almost_equal(one, other, rtol=rtol, atol=atol)
        if numpy_func is not None:
            assert_almost_equal(results[0], numpy_func(*[array.asnumpy() for array in data_l]), rtol=rtol, atol=atol)


def _like(array, values):
    """Values as an array of another one's kind and place."""
    return type(array)._wrap(ndarray.array(values, ctx=array.context, dtype=array.dtype)._tensor, array._ctx)
