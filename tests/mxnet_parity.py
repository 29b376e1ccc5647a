"""Run the same MXNet code in Tandem and in the real MXNet, and compare what comes out.

`same_code(code, returns)` compares the values that a piece of code leaves behind; `same_expressions(table)` compares
the result, or the type of the exception, of each expression in a table, in one call to the oracle.
"""

import textwrap
import warnings

import numpy as np

import tandem.mxnet as mx
from oracles import mxnet as oracle

# Runs in both: the outcome of each expression as plain values. An error's class is told by name, as the classes differ.
_EVALUATE = """
def outcome(value):
    if isinstance(value, (list, tuple)):
        return ("list", [outcome(item) for item in value])
    if hasattr(value, "asnumpy"):
        values = value.asnumpy()
        return ("array", str(values.dtype), tuple(value.shape), str(value.context), values)
    if isinstance(value, np.dtype) or isinstance(value, type):
        return ("value", getattr(value, "__name__", str(value)))
    if isinstance(value, np.generic):
        return ("scalar", str(value.dtype), value.item())
    return ("value", value if isinstance(value, (int, float, bool, str, type(None))) else repr(value))

outcomes = []
if numpy:
    mx.npx.set_np()
for setup, expression in table:
    scope = {"mx": mx, "nd": nd, "onp": np, "np": mx.np if numpy else np, "autograd": autograd}
    try:
        exec(setup, scope)
        outcomes.append(outcome(eval(expression, scope)))
    except Exception as error:
        outcomes.append(("error", type(error).__name__))
    try:
        nd.waitall()
    except Exception:  # what this expression left under way must not fall on the next one
        pass
if numpy:
    mx.npx.reset_np()
"""


def run_here(code, **inputs):
    """The names that `code` defines when it runs on Tandem."""
    scope = {"mx": mx, "nd": mx.nd, "np": np, "autograd": mx.autograd, **inputs}
    with warnings.catch_warnings(), np.printoptions():  # which code may set, for itself alone
        warnings.simplefilter("ignore")
        exec(compile(textwrap.dedent(code), "<here>", "exec"), scope)
    return scope


def plain(value):
    """A value with arrays as numpy's."""
    if hasattr(value, "asnumpy"):
        return value.asnumpy()
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def assert_same(here, there, label="", rtol=1e-5, atol=1e-6):
    """Assert that two (trees of) values agree: types of containers, dtypes, shapes, numbers."""
    if isinstance(there, (list, tuple)):
        assert isinstance(here, (list, tuple)), f"{label}: {here!r} against {there!r}"
        assert len(here) == len(there), f"{label}: {here!r} against {there!r}"
        for index, (a, b) in enumerate(zip(here, there)):
            assert_same(a, b, f"{label}[{index}]", rtol, atol)
    elif isinstance(there, dict):
        assert set(here) == set(there), f"{label}: {sorted(here)} against {sorted(there)}"
        for key in there:
            assert_same(here[key], there[key], f"{label}[{key!r}]", rtol, atol)
    elif isinstance(there, (np.ndarray, np.generic)):
        here, there = np.asarray(here), np.asarray(there)
        assert here.dtype == there.dtype, f"{label}: dtype {here.dtype} against {there.dtype}"
        assert here.shape == there.shape, f"{label}: shape {here.shape} against {there.shape}"
        if there.dtype == np.float16:
            rtol, atol = max(rtol, 2e-3), max(atol, 1e-3)
        np.testing.assert_allclose(here, there, rtol=rtol, atol=atol, err_msg=label)
    elif isinstance(there, float) and isinstance(here, (int, float)):
        np.testing.assert_allclose(here, there, rtol=rtol, atol=atol, err_msg=label)
    else:
        assert here == there, f"{label}: {here!r} against {there!r}"


def same_code(code, returns, *, rtol=1e-5, atol=1e-6, **inputs):
    """Assert that `code` leaves the same values in the names `returns` in both."""
    names = [returns] if isinstance(returns, str) else list(returns)
    there = oracle.run(code, names, **inputs)
    here = run_here(code, **inputs)
    for name in names:
        assert_same(plain(here[name]), there[name], name, rtol, atol)


def same_expressions(expressions, setup="", *, numpy=False, rtol=1e-5, atol=1e-6):
    """Assert that each expression has the same outcome in both: value, dtype, shape, context, or type of exception.

    expressions: a list, or a text with one to a line; numpy: with NumPy's semantics, `np` being `mx.np`.
    """
    if isinstance(expressions, str):
        expressions = expressions.split("\n")
    expressions = [expression.strip() for expression in expressions if expression.strip()]
    table = [(setup, expression) for expression in expressions]
    there = oracle.run(_EVALUATE, ["outcomes"], table=table, numpy=numpy)["outcomes"]
    here = run_here(_EVALUATE, table=table, numpy=numpy)["outcomes"]
    wrong = []
    for expression, a, b in zip(expressions, here, there):
        try:
            assert_same(plain(a), b, expression, rtol, atol)
        except AssertionError as error:
            wrong.append(f"{expression}\n    {str(error).strip()}")
    assert not wrong, f"{len(wrong)} of {len(expressions)} differ:\n" + "\n".join(wrong)
