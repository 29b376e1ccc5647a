"""Operators of `mx.np.random`: a parameter is a number, or None where an array takes its place."""

import math

import torch

from tandem.core.errors import explain
from tandem.mxnet.base import MXNetError
from tandem.mxnet.operators import attributes as a
from tandem.mxnet.operators.random import dtype_among
from tandem.mxnet.operators.table import register
from tandem.ops import distributions, random

_FLOAT = a.Attribute(
    dtype_among(torch.float16, torch.float32, torch.float64), torch.float32, "float16, float32 or float64"
)
_INPUTS = ("input1", "input2")


def _shape_of(name, parameters, size):
    """The size, or without one the shape that the parameters broadcast to.

    Raises MXNetError where the parameters do not broadcast to the size.
    """
    shapes = [value.shape for value in parameters if isinstance(value, torch.Tensor)]
    if not shapes:
        return size or ()
    try:
        spread = tuple(torch.broadcast_shapes(*shapes))
        shape = spread if size is None else size
        fits = tuple(torch.broadcast_shapes(spread, shape)) == shape
    except RuntimeError:
        fits = False
    if not fits:
        raise MXNetError(explain(f"The parameters of {name}() do not broadcast to the size", given=f"size={size}"))
    return shape


def _sampler(name, function, names, *, each=False):
    """each: whether `size` numbers are drawn for each parameter, rather than `size` in all."""

    def sample(*arrays, size, device, dtype=torch.float32, **numbers):
        rest = iter(arrays)
        parameters = [next(rest).to(dtype) if numbers[key] is None else numbers[key] for key in names]
        if each:
            shape = (*(size or ()), *_shape_of(name, parameters, None))
        else:
            shape = _shape_of(name, parameters, size)
        return function(shape, *parameters, dtype=dtype, device=device)

    sample.__doc__ = f"Numbers of the {name} distribution."
    return sample


def _taken(names):
    return lambda attributes: _INPUTS[: sum(attributes[key] is None for key in names)]


def _exponential(shape, scale, *, dtype, device):
    return random.exponential(shape, scale, dtype=dtype, device=device)


_SIZE = {"size": a.optional_sizes(), "ctx": a.text("cpu")}
_REQUIRED, _ONE = a.optional_real(a.REQUIRED), a.optional_real(1.0)
for _operator, _function, _parameters, _has_dtype in (
    ("uniform", distributions.uniform, {"low": _REQUIRED, "high": _REQUIRED}, True),
    ("normal", random.normal, {"loc": _REQUIRED, "scale": _REQUIRED}, True),
    ("uniform_n", distributions.uniform, {"low": _REQUIRED, "high": _REQUIRED}, True),
    ("normal_n", random.normal, {"loc": _REQUIRED, "scale": _REQUIRED}, True),
    ("gamma", random.gamma, {"shape": _REQUIRED, "scale": _REQUIRED}, True),
    ("logistic", distributions.logistic, {"loc": _REQUIRED, "scale": _REQUIRED}, False),
    ("gumbel", distributions.gumbel, {"loc": _REQUIRED, "scale": _REQUIRED}, False),
    ("exponential", _exponential, {"scale": _ONE}, False),
    ("rayleigh", distributions.rayleigh, {"scale": _ONE}, False),
    ("weibull", distributions.weibull, {"a": a.optional_real()}, False),
    ("pareto", distributions.pareto, {"a": a.optional_real()}, False),
    ("powerd", distributions.power, {"a": a.optional_real()}, False),
):
    _names = tuple(_parameters)
    _attributes = {**_parameters, **(_SIZE if _operator != "powerd" else {"size": a.optional_sizes()})}
    register(
        f"_npi_{_operator}",
        _sampler(_operator, _function, _names, each=_operator.endswith("_n")),
        _INPUTS[: len(_names)],
        {**_attributes, "dtype": _FLOAT} if _has_dtype else _attributes,
        present=_taken(_names),
        same_dtype=False,
        creates=True,
        random=True,
    )


def _bernoulli(input1=None, *, prob, logit, size, is_logit, dtype, device):
    """1 with a probability, or with given log odds, else 0."""
    chance = input1
    if chance is None:
        chance = torch.full((), logit if is_logit else prob, device=device)
    if is_logit:
        chance = random.probability_of(chance)
    return random.bernoulli(_shape_of("bernoulli", (chance,), size), chance.detach(), dtype=dtype)


register(
    "_npi_bernoulli",
    _bernoulli,
    _INPUTS[:1],
    {
        "prob": _REQUIRED,
        "logit": _REQUIRED,
        **_SIZE,
        "dtype": a.dtype("float32"),
        "is_logit": a.flag(a.REQUIRED),
    },
    present=lambda given: _INPUTS[: given["prob"] is None and given["logit"] is None],
    same_dtype=False,
    creates=True,
    random=True,
    differentiable=False,
)


def _randint(*, low, high, shape, dtype, device):
    """Whole numbers from low up to high, which is not included."""
    if not low < high:
        raise MXNetError(explain("randint() needs low < high", given=f"low={low}, high={high}"))
    return random.randint(shape or (), low, high, dtype=dtype or torch.int64, device=device)


register(
    "_npi_random_randint",
    _randint,
    (),
    {
        "low": a.integer(),
        "high": a.integer(),
        "shape": a.optional_sizes(),
        "ctx": a.text(""),
        "dtype": a.Attribute(dtype_among(torch.int32, torch.int64), None, "None, int32 or int64"),
    },
    creates=True,
    random=True,
)


def _choice(*arrays, a, size, replace, weighted, device):
    """Entries of the first input, or whole numbers below a; the last input, where weighted, holds probabilities."""
    data, weights = (None if a is not None else arrays[0]), (arrays[-1] if weighted else None)
    count = data.shape[0] if a is None else a
    draws = math.prod(size or ())
    if count < 1 or (not replace and draws > count):
        raise MXNetError(
            explain("choice() cannot take more than there is", expected=f"up to {count}", given=f"size={size}")
        )
    places = distributions.choose(count, draws, weights, replace=replace, device=device)
    found = places if data is None else data.index_select(0, places)
    return found.reshape((*(size or ()), *found.shape[1:]))


register(
    "_npi_choice",
    _choice,
    _INPUTS,
    {
        "a": a.optional_integer(a.REQUIRED),
        "size": a.optional_sizes(a.REQUIRED),
        "ctx": a.text("cpu"),
        "replace": a.flag(True),
        "weighted": a.flag(False),
    },
    present=lambda given: _INPUTS[: (given["a"] is None) + given["weighted"]],
    same_dtype=False,
    creates=True,
    random=True,
    differentiable=False,
)


def _multinomial(a=None, *, n, pvals, size):
    """How often each class occurs among n draws: (*size, classes)."""
    weights = torch.tensor(pvals, dtype=torch.float64) if a is None else a
    return distributions.multinomial_counts(size or (), max(n, 0), weights)


register(
    "_npi_multinomial",
    _multinomial,
    ("a",),
    {"n": a.integer(), "pvals": a.optional_reals(), "size": a.optional_sizes()},
    present=lambda given: ("a",) if given["pvals"] is None else (),
    random=True,
    differentiable=False,
)


def _shuffle(data):
    """data with its first axis in random order."""
    return random.shuffle(data, 0)


register("_npi_shuffle", _shuffle, random=True)
